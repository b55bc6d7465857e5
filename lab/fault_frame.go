package lab

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"
)

var be = binary.BigEndian

// headers are the places of a frame's headers: Ethernet, at most one 802.1Q tag,
// IPv4 or IPv6 without extension headers, which is all that the lab makes.
type headers struct {
	data    []byte
	l3, l4  int
	payload int // of TCP; else l4
	end     int // of the datagram: padding is beyond
	proto   byte
	tagged  bool
	v6      bool
}

// readHeaders finds them; false for frames that bear no IP datagram.
func readHeaders(d []byte) (h headers, ok bool) {
	h = headers{data: d, l3: 14}
	if h.tagged = be.Uint16(d[12:]) == 0x8100; h.tagged {
		h.l3 = 18
	}
	ip := d[h.l3:]
	switch be.Uint16(d[h.l3-2:]) {
	case 0x0800:
		h.l4 = h.l3 + int(ip[0]&15)*4
		h.end = h.l3 + int(be.Uint16(ip[2:]))
		h.proto = ip[9]
	case 0x86dd:
		h.v6 = true
		h.l4 = h.l3 + 40
		h.end = h.l4 + int(be.Uint16(ip[4:]))
		h.proto = ip[6]
	default:
		return h, false
	}
	if h.payload = h.l4; h.proto == 6 {
		h.payload += int(d[h.l4+12]>>4) * 4
	}
	return h, true
}

func (h *headers) group() bool { return h.data[0]&1 == 1 }

func (h *headers) ttl() byte {
	if h.v6 {
		return h.data[h.l3+7]
	}
	return h.data[h.l3+8]
}

// addresses are source and destination.
func (h *headers) addresses() (src, dst []byte) {
	if h.v6 {
		return h.data[h.l3+8 : h.l3+24], h.data[h.l3+24 : h.l3+40]
	}
	return h.data[h.l3+12 : h.l3+16], h.data[h.l3+16 : h.l3+20]
}

func (h *headers) fromClient() bool {
	if h.proto == 6 || h.proto == 17 {
		sport, dport := be.Uint16(h.data[h.l4:]), be.Uint16(h.data[h.l4+2:])
		if sport != dport {
			return sport > dport
		}
	}
	src, dst := h.addresses()
	return bytes.Compare(src, dst) < 0
}

// routed is the frame behind a router: other hardware addresses, another VLAN,
// one hop less.
func (h *headers) routed(vlan uint16) []byte {
	out := make([]byte, 0, len(h.data)+4)
	out = append(out, 2, 0x4b, 0, 0xff, 0, 2, 2, 0x4b, 0, 0xff, 0, 1) // made up
	out = be.AppendUint16(append(out, 0x81, 0), vlan)
	out = append(out, h.data[h.l3-2:]...)
	const l3 = 18
	if h.v6 {
		out[l3+7]--
		return out
	}
	out[l3+8]--
	sumIPv4(out[l3 : l3+h.l4-h.l3])
	return out
}

// sumIPv4 sets a header's checksum.
func sumIPv4(ip []byte) {
	be.PutUint16(ip[10:], 0)
	be.PutUint16(ip[10:], ^fold(sum16(0, ip)))
}

func sum16(s uint64, b []byte) uint64 {
	for ; len(b) >= 2; b = b[2:] {
		s += uint64(be.Uint16(b))
	}
	if len(b) == 1 {
		s += uint64(b[0]) << 8
	}
	return s
}

func fold(s uint64) uint16 {
	for s>>16 != 0 {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// ERSPAN type II: Ethernet, IPv4, GRE with a sequence number, 8 octets of its
// own (draft-foschiano-erspan-03 section 4.2), then the frame.
//
//	| version 4 | VLAN 12 | COS 3 | en 2 | t 1 | session 10 |
//	| reserved 12 | index 20                                 |
func erspan(c *Capture) *Capture {
	const (
		protoGRE  = 47
		session   = 7
		version2  = 1
		tagKept   = 3 // en: the frame's own tag is in place
		headerLen = 20 + 8 + 8
	)
	return c.each(func(i int, f Frame) []Frame {
		out := make([]byte, 0, 14+headerLen+len(f.Data))
		out = append(out, 2, 0x4b, 0, 0xff, 0, 0x10, 2, 0x4b, 0, 0xff, 0, 0x11, 8, 0)
		out = append(out, 0x45, 0)
		out = be.AppendUint16(out, uint16(headerLen+len(f.Data)))
		out = be.AppendUint16(out, uint16(i))
		out = append(out, 0x40, 0, 64, protoGRE, 0, 0, 10, 255, 0, 1, 10, 255, 0, 2)
		sumIPv4(out[14:34])
		out = append(out, 0x10, 0, 0x88, 0xbe)
		out = be.AppendUint32(out, uint32(i))
		out = be.AppendUint16(out, version2<<12)
		out = be.AppendUint16(out, tagKept<<11|session)
		out = append(out, 0, 0, 0, 0)
		return []Frame{{Time: f.Time, Data: append(out, f.Data...)}}
	})
}

// mergeWithin is how long a segment waits for its successor, about the time
// between two polls of a network card; mergeMax is the longest IP datagram.
const (
	mergeWithin = 500 * time.Microsecond
	mergeMax    = 65535
)

// merged joins a TCP segment with payload to the segment before it when it
// continues that one's octets, acknowledges the same, and nothing of the
// direction came between: what the kernel's GRO does.
func merged(c *Capture) *Capture {
	out := &Capture{Start: c.Start}
	open := map[string]int{} // by direction: where its last frame is in out
	for _, f := range c.Frames {
		h, ok := readHeaders(f.Data)
		if !ok || h.proto != 6 {
			out.Frames = append(out.Frames, f)
			continue
		}
		src, dst := h.addresses()
		key := string(slices.Concat(src, dst, f.Data[h.l4:h.l4+4]))
		if at, ok := open[key]; ok && f.Time-out.Frames[at].Time <= mergeWithin {
			if data := h.join(out.Frames[at].Data); data != nil {
				out.Frames[at].Data = data
				continue
			}
		}
		open[key] = len(out.Frames)
		out.Frames = append(out.Frames, f)
	}
	return out
}

// join is the frame before with h's payload behind its own, or nil when GRO
// would not join them.
func (h *headers) join(before []byte) []byte {
	b, _ := readHeaders(before)
	const plain, psh = 0x10, 0x08 // ACK only; PSH ends a merge
	bt, ht := before[b.l4:b.end], h.data[h.l4:h.end]
	n := h.end - h.payload
	switch {
	case b.end == b.payload || n == 0 || bt[13] != plain || ht[13]&^psh != plain,
		be.Uint32(bt[4:])+uint32(b.end-b.payload) != be.Uint32(ht[4:]),
		be.Uint32(bt[8:]) != be.Uint32(ht[8:]),
		b.end-b.l3+n > mergeMax:
		return nil
	}
	out := append(slices.Clip(before[:b.end]), h.data[h.payload:h.end]...)
	out[b.l4+13] |= ht[13]
	if b.v6 {
		be.PutUint16(out[b.l3+4:], uint16(len(out)-b.l4))
	} else {
		be.PutUint16(out[b.l3+2:], uint16(len(out)-b.l3))
		sumIPv4(out[b.l3:b.l4])
	}
	b.data = out
	src, dst := b.addresses()
	be.PutUint16(out[b.l4+16:], 0)
	s := sum16(uint64(6+len(out)-b.l4), slices.Concat(src, dst))
	be.PutUint16(out[b.l4+16:], ^fold(sum16(s, out[b.l4:])))
	return out
}
