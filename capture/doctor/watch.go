package doctor

import (
	"cmp"
	"slices"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

const (
	// backward is how much older than another frame before a frame must be to
	// tell of the clock rather than of disorder; as the engine has it.
	backward = 60 * 1e9 // nanoseconds

	numKinds = 64 // more than there are encapsulations
	stepLen  = 64 // octets of a class of segment lengths
	numLens  = 1 << 16 / stepLen
)

// watch counts one worker's frames. It is a sensor.Store that keeps nothing.
type watch struct {
	own     [][6]byte
	n       Frames // without the lists
	vlans   [4096]uint64
	tunnels [numKinds]uint64
	lengths [numLens]uint64 // TCP payloads by stepLen octets
	order   order
	ntp     samples
	pkt     packet.Packet
}

// The rest of sensor.Store: a doctor only looks.
func (*watch) Tick(int64, uint64)     {}
func (*watch) Note(records.Record)    {}
func (*watch) Whole(*packet.Key) bool { return false }

// Add implements sensor.Store.
func (w *watch) Add(fr *sensor.Frame, _ sensor.Class, _ int) {
	n, p := &w.n, &w.pkt
	n.All++
	n.Bytes += uint64(fr.WireLen)
	if n.First == 0 || fr.Time < n.First {
		n.First = fr.Time
	}
	n.Last = max(n.Last, fr.Time)
	n.Steps = max(n.Steps, fr.Epoch)
	if back := fr.Clock - fr.Time; back > backward {
		n.Backward++
		n.BackBy = max(n.BackBy, back)
	}
	out := p.Parse(fr.Data, fr.WireLen, fr.Link)
	if w.isOwn(p) {
		n.Own++
		return
	}
	if fr.TPID != 0 {
		p.OuterTag(fr.VLAN)
	}
	w.extent(fr, out)
	w.path(out)
	if out != packet.OK {
		return
	}
	switch p.Key.Proto {
	case packet.ProtoTCP:
		w.segment(fr.Time)
	case packet.ProtoUDP:
		if at, ok := serverTime(p); ok {
			w.ntp.add(offset(fr.Time, at))
		}
	}
}

// isOwn tells that the capturing machine itself sent or gets the frame.
func (w *watch) isOwn(p *packet.Packet) bool {
	if p.L2 < 0 {
		return false
	}
	dst, src := [6]byte(p.Data[p.L2:]), [6]byte(p.Data[p.L2+6:])
	for _, a := range w.own {
		if a == src || a == dst {
			return true
		}
	}
	return false
}

// extent looks whether the frame is whole.
func (w *watch) extent(fr *sensor.Frame, out packet.Outcome) {
	n, p := &w.n, &w.pkt
	if len(fr.Data) < int(fr.WireLen) {
		n.Cut++
		n.CutAt = max(n.CutAt, len(fr.Data))
	}
	if (out == packet.OK || out == packet.Fragment) && p.L3+int(p.IPLen) > int(fr.WireLen) {
		n.Short++
		n.ShortAt = max(n.ShortAt, int(fr.WireLen))
	}
}

// path looks whom the frame is for and what is around it.
func (w *watch) path(out packet.Outcome) {
	n, p := &w.n, &w.pkt
	if isGroup(p, out) {
		n.Group++
	} else if n.Unicast++; out == packet.NotIP || out == packet.BadHeader || out == packet.BadLink {
		n.Unread++
	}
	if p.VLANs > 0 {
		w.vlans[p.VLAN[0]&0xfff]++
	} else {
		n.Untagged++
	}
	if p.Tunnel.Depth > 0 {
		w.tunnels[p.Tunnel.Kind%numKinds]++
	}
}

// isGroup tells frames to a broadcast or multicast address. Links without
// hardware addresses are judged by the IP address.
func isGroup(p *packet.Packet, out packet.Outcome) bool {
	if p.L2 >= 0 {
		return p.Data[p.L2]&1 == 1
	}
	if out != packet.OK {
		return false
	}
	dst := p.Dst()
	return groupAddr(&dst)
}

// groupAddr tells multicast and limited broadcast addresses, IPv4 mapped.
func groupAddr(a *[16]byte) bool {
	if packet.IsV4(a) {
		return a[12] >= 224
	}
	return a[0] == 0xff
}

func (w *watch) segment(t int64) {
	n, p := &w.n, &w.pkt
	if p.Flags&packet.SYN != 0 {
		n.MSS = max(n.MSS, announcedMSS(p))
	}
	if payload := p.PayloadLen(); payload > 0 {
		w.lengths[min(payload/stepLen, numLens-1)]++
		n.Longest = max(n.Longest, payload)
	}
	counted, late := w.order.segment(p, t)
	if counted {
		n.Segments++
	}
	if late {
		n.Reordered++
	}
}

// announcedMSS is the maximum segment size option of a SYN (RFC 9293 section
// 3.2), 0 if there is none.
func announcedMSS(p *packet.Packet) int {
	const end, nop, mss, fixed = 0, 1, 2, 20
	if p.L4+fixed > p.Payload {
		return 0
	}
	for o := p.Data[p.L4+fixed : p.Payload]; len(o) > 0; {
		switch {
		case o[0] == end:
			return 0
		case o[0] == nop:
			o = o[1:]
		case len(o) < 2 || o[1] < 2 || int(o[1]) > len(o):
			return 0
		case o[0] == mss && o[1] == 4:
			return int(o[2])<<8 | int(o[3])
		default:
			o = o[o[1]:]
		}
	}
	return 0
}

// merge adds another worker's counts.
func (w *watch) merge(o *watch) {
	n, m := &w.n, &o.n
	if m.First != 0 && (n.First == 0 || m.First < n.First) {
		n.First = m.First
	}
	n.Last, n.BackBy = max(n.Last, m.Last), max(n.BackBy, m.BackBy)
	n.Steps = max(n.Steps, m.Steps)
	n.CutAt, n.ShortAt = max(n.CutAt, m.CutAt), max(n.ShortAt, m.ShortAt)
	n.Longest, n.MSS = max(n.Longest, m.Longest), max(n.MSS, m.MSS)
	for _, c := range []struct{ to, from *uint64 }{
		{&n.All, &m.All}, {&n.Bytes, &m.Bytes}, {&n.Own, &m.Own}, {&n.Group, &m.Group}, {&n.Unicast, &m.Unicast},
		{&n.Unread, &m.Unread}, {&n.Cut, &m.Cut}, {&n.Short, &m.Short}, {&n.Segments, &m.Segments},
		{&n.Reordered, &m.Reordered}, {&n.Backward, &m.Backward}, {&n.Untagged, &m.Untagged},
	} {
		*c.to += *c.from
	}
	addAll(w.vlans[:], o.vlans[:])
	addAll(w.tunnels[:], o.tunnels[:])
	addAll(w.lengths[:], o.lengths[:])
	w.ntp.merge(&o.ntp)
}

func addAll(to, from []uint64) {
	for i, n := range from {
		to[i] += n
	}
}

// facts are the counts with their lists.
func (w *watch) facts() Frames {
	n := w.n
	for id, frames := range w.vlans {
		if frames > 0 {
			n.VLANs = append(n.VLANs, VLANCount{uint16(id), frames})
		}
	}
	slices.SortStableFunc(n.VLANs, func(a, b VLANCount) int { return cmp.Compare(b.Frames, a.Frames) })
	for kind, frames := range w.tunnels {
		if frames > 0 {
			n.Tunnels = append(n.Tunnels, TunnelCount{packet.TunnelKind(kind).String(), frames})
		}
	}
	slices.SortStableFunc(n.Tunnels, func(a, b TunnelCount) int { return cmp.Compare(b.Frames, a.Frames) })
	limit := cmp.Or(n.MSS, jumboMSS)
	for i := limit/stepLen + 1; i < numLens; i++ {
		n.Merged += w.lengths[i]
	}
	n.NTP = w.ntp.facts()
	return n
}
