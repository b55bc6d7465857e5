package segment

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"kagami/packet"
)

// pcap file header (draft-ietf-opsawg-pcap section 4), one record header (section 5):
//
//	0      4     6     8        16       20       24
//	+------+-----+-----+--------+--------+--------+   seconds | µs or ns | captured | on the wire | frame
//	|magic |major|minor|reserved|snaplen |linktype|   Kuznetzov's header adds ifindex u32, protocol u16,
//	+------+-----+-----+--------+--------+--------+   packet type u8 and one octet of padding
const (
	pcapHeaderLen  = 24
	pcapRecordLen  = 16
	kuznetzovLen   = 24
	magicMicro     = 0xa1b2c3d4
	magicNano      = 0xa1b23c4d
	magicKuznetzov = 0xa1b2cd34
	pcapMajor      = 2
	linkTypeMask   = 0xffff // the upper half says whether frames end in an FCS

	// chainRecords is how many records in a row make a place credible after damage.
	chainRecords = 4
	// chainWithin is how far apart, in seconds, the times of credible records are.
	chainWithin = 7 * 24 * 3600
)

// pcapHeader is what a pcap file's header says about its records.
type pcapHeader struct {
	long  bool   // record headers are Kuznetzov's
	nano  bool   // nanoseconds, not microseconds
	limit uint32 // longest credible record
}

const (
	pcapLong = 1 << iota
	pcapNano
)

func (h *pcapHeader) flags() (f uint8) {
	if h.long {
		f |= pcapLong
	}
	if h.nano {
		f |= pcapNano
	}
	return f
}

func newPcapHeader(flags uint8, limit uint32) pcapHeader {
	return pcapHeader{long: flags&pcapLong != 0, nano: flags&pcapNano != 0, limit: limit}
}

func (h *pcapHeader) headLen() int {
	if h.long {
		return kuznetzovLen
	}
	return pcapRecordLen
}

func isPcap(head []byte) bool {
	return len(head) >= pcapHeaderLen && (knownMagic(le.Uint32(head)) || knownMagic(binary.BigEndian.Uint32(head)))
}

func knownMagic(m uint32) bool {
	return m == magicMicro || m == magicNano || m == magicKuznetzov
}

// openPcap reads the file header.
func (s *scanner) openPcap(head []byte) error {
	sec := s.cur
	magic := le.Uint32(head)
	if !knownMagic(magic) {
		sec.big, magic = true, bits.ReverseBytes32(magic)
	}
	if major := sec.u16(head[4:]); major != pcapMajor {
		return fmt.Errorf("%w: a pcap file of version %d.%d (2.x is read)", ErrFormat, major, sec.u16(head[6:]))
	}
	snap := sec.u32(head[16:])
	s.res.Layout.pcap = pcapHeader{
		long:  magic == magicKuznetzov,
		nano:  magic == magicNano,
		limit: max(minSnap, min(snap, maxRecord)),
	}
	link := packet.LinkType(sec.u32(head[20:]) & linkTypeMask)
	sec.ifaces = []iface{{Interface: Interface{Link: link, Snap: snap}}}
	s.pos = pcapHeaderLen
	s.res.End = s.pos
	return nil
}

// records reads the whole records that b, the file from s.pos on, begins with, and
// moves s.pos behind them; see blocks.
func (s *scanner) records(b []byte) (need int, what string) {
	h, p := &s.res.Layout.pcap, &s.p
	for !s.stopped && s.pos < s.end {
		need, what := h.record(b, s.cur, p)
		if need > 0 || what != "" {
			return need, what
		}
		p.Pos = s.pos
		s.pos += int64(p.Len)
		s.res.End = s.pos
		s.now = p.Time
		b = b[p.Len:]
		s.deliver(p)
	}
	return h.headLen(), ""
}

// record reads the record that b begins with; see Layout.Packet.
func (h *pcapHeader) record(b []byte, s *section, p *Packet) (need int, what string) {
	head := h.headLen()
	if len(b) < head {
		return head, ""
	}
	sec, frac, captured, wire := s.u32(b), s.u32(b[4:]), s.u32(b[8:]), s.u32(b[12:])
	if captured > h.limit {
		return 0, fmt.Sprintf("packet record of %d octets (at most %d are credible)", captured, h.limit)
	}
	if sec|frac|captured|wire == 0 {
		return 0, zeros
	}
	n := head + int(captured)
	if n > len(b) {
		return n, ""
	}
	scale := int64(1000)
	if h.nano {
		scale = 1
	}
	i := &s.ifaces[0]
	*p = Packet{
		Len:     n,
		Time:    int64(sec)*nanosPerSec + int64(frac)*scale,
		WireLen: max(wire, captured),
		Link:    i.Link, Data: b[head:n:n], Interface: &i.Interface,
	}
	return 0, ""
}

// nextRecord guesses: records bear no mark of their own, so several in a row with
// plausible times and lengths are asked for, or some that end with the file.
func (s *scanner) nextRecord(from int64) (int64, error) {
	const step = 64 << 10
	h := &s.res.Layout.pcap
	for pos := from; ; {
		b, err := s.view(pos, step+chainRecords*(h.headLen()+int(h.limit)))
		if err != nil {
			return 0, err
		}
		whole := pos+int64(len(b)) >= s.size
		most := step // the rest is for the chain
		if whole {
			most = len(b)
		}
		for p := range most {
			if s.chain(b[p:], whole) {
				return pos + int64(p), nil
			}
		}
		if whole {
			return s.size, nil
		}
		pos += int64(most)
	}
}

// chain tells whether credible records follow each other at the start of b.
func (s *scanner) chain(b []byte, whole bool) bool {
	h := &s.res.Layout.pcap
	fractions := uint32(1e6)
	if h.nano {
		fractions = 1e9
	}
	last := s.now / nanosPerSec
	for n := range chainRecords {
		if len(b) == 0 {
			return whole && n > 0
		}
		if len(b) < h.headLen() {
			return false
		}
		sec, frac, captured, wire := int64(s.cur.u32(b)), s.cur.u32(b[4:]), s.cur.u32(b[8:]), s.cur.u32(b[12:])
		near := last == 0 || max(sec-last, last-sec) <= chainWithin
		next := h.headLen() + int(captured)
		if !near || sec == 0 || frac >= fractions || captured == 0 || captured > h.limit || wire < captured || wire > maxRecord || next > len(b) {
			return false
		}
		b, last = b[next:], sec
	}
	return true
}
