package packet

import "slices"

// fragment is what an IP header says of a fragment.
type fragment struct {
	id    uint32
	off   int // octets, of the fragmentable part
	more  bool
	proto uint8
}

// Bounds of a Reassembler. A datagram is at most 65,535 octets (RFC 791), so
// memory stays below MaxDatagrams × 64 KiB; in practice a few MiB.
const (
	MaxDatagrams = 64       // datagrams under way
	MaxFragments = 128      // fragments of one datagram
	FragTimeout  = 30 * 1e9 // nanoseconds (RFC 791: 15 s or more; Linux: 30 s)
	maxDatagram  = 65535
)

// ReassemblyStats counts what became of fragments.
type ReassemblyStats struct {
	Fragments  uint64 // given
	Datagrams  uint64 // completed
	TimedOut   uint64 // datagrams given up because their fragments stopped coming
	Evicted    uint64 // datagrams given up for room
	Overlapped uint64 // fragments that overlap another; the first octets win
	Refused    uint64 // fragments that no datagram can hold, or that the capture cut
}

// Add adds other counts.
func (s *ReassemblyStats) Add(o *ReassemblyStats) {
	s.Fragments += o.Fragments
	s.Datagrams += o.Datagrams
	s.TimedOut += o.TimedOut
	s.Evicted += o.Evicted
	s.Overlapped += o.Overlapped
	s.Refused += o.Refused
}

// Reassembler joins IP fragments within bounds. It is not for concurrent use.
type Reassembler struct {
	Stats ReassemblyStats
	under []*datagram // oldest first
	free  []*datagram
	done  *datagram // the datagram handed out last; its memory is reused at the next call
}

type datagramKey struct {
	src, dst [16]byte
	id       uint32
	proto    uint8
	version  uint8
}

type datagram struct {
	key     datagramKey
	first   int64 // time of the first fragment
	total   int   // length of the fragmentable part, -1 until the last fragment came
	have    []span
	buf     []byte // room for the IP header, then the fragmentable part
	ttl     uint8
	next    uint8 // IPv6: next header of the first fragment
	packets int
	wire    uint32 // sum of the frames' lengths
	ipLen   uint32 // sum of the fragments' IP lengths
	vlan    [2]uint16
	vlans   uint8
}

type span struct{ from, to int }

const headerRoom = 40

// Add takes a packet whose Parse said Fragment, seen at now (nanoseconds). When
// it completes its datagram, out is parsed from the whole (its octets are valid
// until the next Add), fragments says how many frames it was made of, and the
// outcome is that of the whole. Otherwise the outcome is Fragment.
func (r *Reassembler) Add(p *Packet, now int64, out *Packet) (fragments int, outcome Outcome) {
	r.Stats.Fragments++
	if r.done != nil {
		r.free = append(r.free, r.done)
		r.done = nil
	}
	r.expire(now)
	f := p.frag
	size := p.End - p.L4
	if p.Missing > 0 || size <= 0 || f.off+size > maxDatagram || f.more && size%8 != 0 {
		r.Stats.Refused++
		return 0, Fragment
	}
	d := r.find(p, now)
	if d == nil || len(d.have) >= MaxFragments {
		r.Stats.Refused++
		return 0, Fragment
	}
	if f.off == 0 || d.packets == 0 {
		d.next = f.proto
	}
	d.packets++
	d.wire += p.WireLen
	d.ipLen += p.IPLen
	r.place(d, f, p.Data[p.L4:p.End])
	if d.total < 0 || len(d.have) != 1 || d.have[0] != (span{0, d.total}) {
		return 0, Fragment
	}
	r.under = slices.DeleteFunc(r.under, func(x *datagram) bool { return x == d })
	r.done = d
	r.Stats.Datagrams++
	return d.packets, d.parse(out)
}

// Pending is the number of datagrams under way.
func (r *Reassembler) Pending() int { return len(r.under) }

// expire gives up datagrams that are too old. The list is in order of first
// fragments, so it stops at the first young one.
func (r *Reassembler) expire(now int64) {
	n := 0
	for n < len(r.under) && now-r.under[n].first > FragTimeout {
		r.free = append(r.free, r.under[n])
		n++
	}
	r.Stats.TimedOut += uint64(n)
	r.under = slices.Delete(r.under, 0, n)
}

func (r *Reassembler) find(p *Packet, now int64) *datagram {
	k := datagramKey{id: p.frag.id, proto: p.frag.proto, version: p.Version}
	if p.Version == 4 {
		copy(k.src[:], p.Data[p.L3+12:p.L3+16])
		copy(k.dst[:], p.Data[p.L3+16:p.L3+20])
	} else {
		k.proto = 0 // the identification is per source and destination (RFC 8200 section 4.5)
		copy(k.src[:], p.Data[p.L3+8:p.L3+24])
		copy(k.dst[:], p.Data[p.L3+24:p.L3+40])
	}
	for _, d := range r.under {
		if d.key == k {
			return d
		}
	}
	if len(r.under) >= MaxDatagrams {
		r.Stats.Evicted++
		r.free = append(r.free, r.under[0])
		r.under = slices.Delete(r.under, 0, 1)
	}
	d := r.fresh()
	d.key, d.first, d.total, d.ttl = k, now, -1, p.TTL
	d.packets, d.wire, d.ipLen = 0, 0, 0
	d.vlan, d.vlans = p.VLAN, p.VLANs
	d.have = d.have[:0]
	r.under = append(r.under, d)
	return d
}

func (r *Reassembler) fresh() *datagram {
	if n := len(r.free); n > 0 {
		d := r.free[n-1]
		r.free = r.free[:n-1]
		return d
	}
	return &datagram{buf: make([]byte, headerRoom)}
}

// place copies the octets that are not there yet: the first copy wins.
func (r *Reassembler) place(d *datagram, f fragment, data []byte) {
	from, to := f.off, f.off+len(data)
	if !f.more && d.total < 0 {
		d.total = to
	}
	if d.total >= 0 && to > d.total {
		to = max(d.total, from) // octets beyond the end that the first last-fragment set
		r.Stats.Refused++
	}
	if need := headerRoom + to; len(d.buf) < need {
		d.buf = append(d.buf, make([]byte, need-len(d.buf))...)
	}
	overlapped := false
	at := from
	for _, s := range d.have {
		if s.to <= at || s.from >= to {
			continue
		}
		overlapped = true
		if at < s.from {
			copy(d.buf[headerRoom+at:headerRoom+s.from], data[at-f.off:])
		}
		at = min(max(at, s.to), to)
	}
	if at < to {
		copy(d.buf[headerRoom+at:headerRoom+to], data[at-f.off:])
	}
	if overlapped {
		r.Stats.Overlapped++
	}
	d.join(span{from, to})
}

// join adds a span to the sorted list of what is there.
func (d *datagram) join(s span) {
	if s.from >= s.to {
		return
	}
	i := 0
	for i < len(d.have) && d.have[i].to < s.from {
		i++
	}
	j := i
	for j < len(d.have) && d.have[j].from <= s.to {
		s.from, s.to = min(s.from, d.have[j].from), max(s.to, d.have[j].to)
		j++
	}
	d.have = slices.Replace(d.have, i, j, s)
}

// parse reads the joined datagram as if it had come whole.
func (d *datagram) parse(out *Packet) Outcome {
	k := &d.key
	*out = Packet{
		Data: d.buf[:headerRoom+d.total], WireLen: d.wire, Version: k.version, TTL: d.ttl,
		IPLen: d.ipLen, L2: -1, L4: headerRoom, End: headerRoom + d.total, VLAN: d.vlan, VLANs: d.vlans,
	}
	src, dst, proto := k.src, k.dst, k.proto
	if k.version == 4 {
		src, dst = mapped(k.src), mapped(k.dst)
	} else {
		proto = d.next
	}
	return out.transport(proto, &src, &dst)
}

func mapped(a [16]byte) (m [16]byte) {
	m[10], m[11] = 0xff, 0xff
	copy(m[12:], a[:4])
	return m
}
