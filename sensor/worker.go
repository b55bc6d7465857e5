package sensor

import (
	"sync/atomic"

	"kagami/packet"
	"kagami/records"
)

// Worker owns everything about its share of the flows. It is used by one
// goroutine at a time and shares nothing.
type Worker struct {
	config   *Config
	networks *Networks
	tcp, udp []Protocol
	store    Store
	shunter  Shunter // nil: packets always come up
	dropped  uint64  // frames that the kernel dropped of its source so far
	asked    int64   // when the source was asked that
	joins    bool    // it joins fragments itself: no sharder did before

	clock     int64 // logical time
	epoch     uint32
	table     table
	fragments packet.Reassembler
	segments  segments
	keepers   keepers
	expected  expected
	emit      Emit
	out       []records.Record // written since the last take
	stats     WorkerStats

	pkt, whole, quoted packet.Packet
}

// WorkerStats are a worker's totals.
type WorkerStats struct {
	Outcomes     [packet.NumOutcomes]uint64
	Bytes        uint64 // octets on the wire
	Flows        uint64 // made
	Active       uint64 // in the table now
	Ended        [numEnds]uint64
	Gaps         uint64
	GapBytes     uint64
	Shunted      uint64 // flows handed to the kernel
	CutPackets   uint64 // packets of which the store got the headers only
	CutByKernel  uint64 // those of them that came that short
	CutBytes     uint64 // octets of payload that it did not get
	Duplicates   uint64 // packets that the mirror port delivered before
	HeldOverflow uint64 // times a hole was given up because too much was held
	GivenUp      uint64 // flows that are not decoded to their end because decoders kept too much
	Forgotten    uint64 // announced connections that were forgotten for newer ones
	Records      uint64
	Fragments    packet.ReassemblyStats
}

func (s *WorkerStats) add(o *WorkerStats) {
	for i, n := range o.Outcomes {
		s.Outcomes[i] += n
	}
	for i, n := range o.Ended {
		s.Ended[i] += n
	}
	s.Bytes += o.Bytes
	s.Flows += o.Flows
	s.Active += o.Active
	s.Gaps += o.Gaps
	s.GapBytes += o.GapBytes
	s.CutPackets += o.CutPackets
	s.CutByKernel += o.CutByKernel
	s.CutBytes += o.CutBytes
	s.Duplicates += o.Duplicates
	s.Shunted += o.Shunted
	s.HeldOverflow += o.HeldOverflow
	s.GivenUp += o.GivenUp
	s.Forgotten += o.Forgotten
	s.Records += o.Records
	s.Fragments.Add(&o.Fragments)
}

// room is what all workers share of the limits: how many flows, held octets and
// octets kept by decoders there are. It is touched when a flow begins or ends, when
// a segment is held back and when a decoder keeps more or less, not by every packet.
type room struct{ flows, held, kept atomic.Int64 }

func newWorker(c *Config, r *room, n *Networks, protocols []Protocol, store Store) *Worker {
	w := &Worker{config: c, networks: n, store: store, table: newTable(c.MaxFlows, &r.flows)}
	w.segments = segments{limit: int64(c.MaxHeld), bytes: &r.held}
	w.keepers = keepers{limit: int64(c.MaxKept), bytes: &r.kept}
	for _, p := range protocols {
		if p.Transport == packet.ProtoTCP {
			w.tcp = append(w.tcp, p)
		} else {
			w.udp = append(w.udp, p)
		}
	}
	w.emit = func(r records.Record) {
		w.stats.Records++
		w.out = append(w.out, r)
		if w.store != nil {
			w.store.Note(r)
		}
	}
	return w
}

func (w *Worker) protocols(proto uint8) []Protocol {
	switch proto {
	case packet.ProtoTCP:
		return w.tcp
	case packet.ProtoUDP:
		return w.udp
	}
	return nil
}

// frame takes one frame through parse, flow, stream and decode.
func (w *Worker) frame(fr *Frame) {
	if fr.Epoch != w.epoch {
		w.endAll(EndClockStep)
		w.epoch = fr.Epoch
	}
	w.clock = fr.Clock
	w.stats.Bytes += uint64(fr.WireLen)
	p, frames := &w.pkt, 1
	out := p.Parse(fr.Data, fr.WireLen, fr.Link)
	w.stats.Outcomes[out]++
	if out == packet.OK || out == packet.Fragment {
		if fr.TPID != 0 {
			p.OuterTag(fr.VLAN)
		}
	}
	switch {
	case out != packet.Fragment:
	case fr.Joined != nil:
		p, frames, out = &fr.Joined.packet, fr.Joined.frames, packet.OK
	case w.joins:
		if frames, out = w.fragments.Add(p, fr.Clock, &w.whole); out == packet.OK {
			p = &w.whole
		}
	}
	if out == packet.OK {
		w.packet(fr, p, uint64(frames))
		return
	}
	if w.store != nil {
		w.store.Add(fr, Plain, 0)
	}
	if out == packet.ARP {
		w.arp(fr, p)
	}
}

// packet counts a packet into its flow and gives its payload to the decoder.
func (w *Worker) packet(fr *Frame, p *packet.Packet, frames uint64) {
	f := w.flow(fr, p)
	if w.store != nil {
		w.keep(fr, f, p)
	}
	if f.shunt != nil {
		w.passed(f, p)
	}
	if w.config.Dedup && f.duplicate(p, fr.Time) {
		w.stats.Duplicates++
		return
	}
	f.clock, f.Now, f.Cut = fr.Clock, fr.Time, p.Missing
	f.last = max(f.last, fr.Time)
	d := &f.dir[p.Side]
	if d.packets == 0 {
		d.ttl = p.TTL
		if p.VLANs > 0 {
			d.vlan = p.VLAN[0]
		}
	}
	d.packets += frames
	d.bytes += uint64(p.WireLen)
	d.ipBytes += uint64(p.IPLen)
	d.payloadSum += uint64(p.PayloadLen())
	d.last = fr.Time
	if p.BadSum {
		d.badSums++
	}
	f.truncated = f.truncated || p.Missing > 0 && !f.headers
	switch f.Key.Proto {
	case packet.ProtoTCP:
		w.tcpPacket(f, p)
	case packet.ProtoUDP:
		w.datagram(f, p)
	case packet.ProtoICMP, packet.ProtoICMPv6:
		w.icmpError(p)
	}
	if p.Side == f.Orig && p.PayloadLen() > 0 {
		w.pulse(f)
	}
	w.table.touch(f, f.timeoutClass(), fr.Clock)
	if f.decoder != nil || f.keeping.bytes > 0 {
		w.weigh(f)
	}
	if w.shuntable(f) {
		w.shuntFlow(f)
	}
	if w.store != nil && f.headers && f.class == tcpClosed {
		w.unhead(f) // before the ports are used again
	}
}

func (w *Worker) tcpPacket(f *Flow, p *packet.Packet) {
	pos, ok := f.tcp(p)
	if f.decoder == nil {
		return
	}
	if f.oneSided() { // what the other side said before this is lost
		w.settle(f)
	}
	if ok && p.PayloadLen() > 0 && f.decoder != nil {
		w.segment(f, p, pos)
	}
	if f.decoder != nil && f.pending() {
		w.settle(f)
	}
}

func (w *Worker) datagram(f *Flow, p *packet.Packet) {
	n := p.PayloadLen()
	if f.dir[p.Side].packets == 1 || n > 0 {
		f.historyOnce(p.Side, histData)
	}
	if f.decoder == nil || p.Payload == p.End {
		return
	}
	w.heed(f, f.decoder.Data(f, p.Side, p.Bytes(), w.emit))
}

// icmpError notes that a server's port is closed when the server itself says so.
// What routers say of others is not used: the router's packets may be another
// worker's, and output must not depend on the number of workers.
func (w *Worker) icmpError(p *packet.Packet) {
	q := &w.quoted
	if !p.Embedded(q) || p.Src() != q.Dst() || p.Dst() != q.Src() {
		return
	}
	if f := w.table.find(&q.Key, q.Key.Hash()); f != nil {
		f.unreachable = true
	}
}

// flow finds the packet's flow or makes it.
func (w *Worker) flow(fr *Frame, p *packet.Packet) *Flow {
	h := p.Key.Hash()
	seed := h
	f := w.table.find(&p.Key, h)
	if f != nil {
		if f.start == fr.Time && f.touched == fr.Clock {
			seed = f.uid // a coarse clock: another flow on these ports began at the very same moment
		}
		if due := f.touched + w.config.timeouts[f.class]; due <= fr.Clock && !w.alive(f) {
			w.end(f, due, EndTimeout)
		} else if !reopens(f, p) {
			return f
		} else {
			w.end(f, fr.Clock, f.closedBy())
		}
	}
	if w.table.full() {
		if old := w.table.oldest(); old != nil {
			w.end(old, fr.Clock, EndEviction)
		}
	}
	f = w.table.insert(&p.Key, h)
	f.worker = w
	f.start, f.last, f.touched = fr.Time, fr.Time, fr.Clock
	f.uid = mixUID(seed, fr)
	f.Orig = originator(p)
	f.flipped = f.Orig != p.Side
	f.midstart = p.Key.Proto == packet.ProtoTCP && p.Flags&packet.SYN == 0
	if p.Key.Proto == packet.ProtoICMP || p.Key.Proto == packet.ProtoICMPv6 {
		f.icmpType, f.icmpCode = p.Data[p.L4], p.Data[p.L4+1]
	}
	w.stats.Flows++
	f.remember(fr, p)
	if f.decoder = w.expected.take(&p.Key, fr.Clock); f.decoder != nil {
		return f
	}
	if ps := w.protocols(p.Key.Proto); len(ps) > 0 {
		f.decoder = newRecognizer(ps)
	}
	return f
}

// originator guesses who opened the flow from its first packet: the sender, but
// the receiver of a SYN-ACK, and in a TCP flow under way the side whose port is
// above the system ports while the other's is not (RFC 6335).
func originator(p *packet.Packet) packet.Side {
	if p.Key.Proto != packet.ProtoTCP {
		return p.Side
	}
	switch p.Flags & (packet.SYN | packet.ACK) {
	case packet.SYN:
		return p.Side
	case packet.SYN | packet.ACK:
		return p.Side.Other()
	}
	if p.Key.Port(p.Side) < 1024 && p.Key.Port(p.Side.Other()) >= 1024 {
		return p.Side.Other()
	}
	return p.Side
}

// reopens tells that a SYN begins a new connection on the ports of one that is
// over.
func reopens(f *Flow, p *packet.Packet) bool {
	return p.Key.Proto == packet.ProtoTCP && p.Flags&(packet.SYN|packet.ACK|packet.RST|packet.FIN) == packet.SYN &&
		f.class == tcpClosed && p.Seq+1 != f.dir[p.Side].tcp.base
}

// mixUID makes a flow's id of its key's hash and its first packet's time. Where
// capture times go back, the logical time tells two flows of one time apart.
func mixUID(h uint64, fr *Frame) uint64 {
	h ^= uint64(fr.Time)*0x9e3779b97f4a7c15 ^ uint64(fr.Clock-fr.Time)*0xc2b2ae3d27d4eb4f
	h ^= h >> 29
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 32
	return max(h, 1)
}
