package sensor

import (
	"kagami/packet"
	"kagami/records"
)

// End says why a flow's record was written.
type End uint8

const (
	EndFIN End = iota
	EndRST
	EndTimeout
	EndEviction
	EndCapture
	EndClockStep
	numEnds
)

var endNames = [numEnds]string{"fin", "rst", "timeout", "eviction", "end of capture", "clock step"}

func (e End) String() string { return endNames[e] }

// Ends are the names of all reasons, in order.
func Ends() []string { return endNames[:] }

// sweep ends the flows that were silent for too long at the logical time now.
func (w *Worker) sweep(now int64) {
	w.clock = max(w.clock, now)
	for c := range w.table.lists {
		timeout := w.config.timeouts[c]
		for f := w.table.lists[c].head; f != nil && f.listedAt+timeout <= now; {
			next := f.next
			if f.touched+timeout <= now && !w.alive(f) {
				w.end(f, f.touched+timeout, EndTimeout)
			}
			f = next
		}
	}
}

// alive tells that a flow which sent nothing up was busy in the kernel, and lets
// it live on.
func (w *Worker) alive(f *Flow) bool {
	if f.shunt == nil || !w.catchUp(f) {
		return false
	}
	w.table.touch(f, f.class, w.clock)
	return true
}

// endAll ends every flow, in the order of last packets.
func (w *Worker) endAll(why End) {
	w.sweep(w.clock)
	for f := w.table.oldest(); f != nil; f = w.table.oldest() {
		w.end(f, w.clock, why)
	}
}

// end closes the decoder and writes the flow's record, both with the logical
// time at.
func (w *Worker) end(f *Flow, at int64, why End) {
	if f.shunt != nil {
		w.unshunt(f)
	}
	if f.headers {
		w.unhead(f)
	}
	f.clock, f.Now, f.Cut = at, f.last, 0
	w.flushStreams(f)
	if f.decoder != nil || f.waiting != nil {
		w.closeDecoder(f)
	}
	if why == EndTimeout && f.class == tcpClosed {
		why = f.closedBy()
	}
	if f.keeping.bytes > 0 {
		w.keepers.set(f, 0)
	}
	w.stats.Ended[why]++
	w.emit(w.record(f, why))
	w.table.remove(f)
}

func (f *Flow) closedBy() End {
	if f.dir[0].tcp.state == reset || f.dir[1].tcp.state == reset {
		return EndRST
	}
	return EndFIN
}

// remember keeps what only the first packet shows.
func (f *Flow) remember(fr *Frame, p *packet.Packet) {
	m := &f.first
	m.vlan, m.vlans = p.VLAN, p.VLANs
	m.src, m.dst = p.MACs(fr.Link)
	if p.Side != f.Orig {
		m.src, m.dst = m.dst, m.src
	}
	if p.Tunnel.Depth > 0 {
		t := p.Tunnel
		m.tunnel = &t
	}
}

// identify makes the header that all records of a flow share. What is looked up or
// hashed for it is kept; the rest stands in the flow anyhow.
func (w *Worker) identify(f *Flow) records.Meta {
	if f.community == "" {
		f.community = f.Key.CommunityID(f.Orig)
		f.zones = [2]int32{w.networks.find(f.Key.A), w.networks.find(f.Key.B)}
	}
	m := records.Meta{Epoch: w.epoch, UID: f.uid, Key: f.Key, Orig: f.Orig, CommunityID: f.community,
		VLAN: f.first.vlan, VLANs: f.first.vlans, ClientMAC: f.first.src, ServerMAC: f.first.dst}
	m.ClientZone, m.ClientInternal = w.networks.zone(f.zones[f.Orig])
	m.ServerZone, m.ServerInternal = w.networks.zone(f.zones[f.Orig.Other()])
	if f.first.tunnel != nil {
		m.Tunnel = *f.first.tunnel
	}
	m.Visibility = records.Visibility{
		OneSided: f.oneSided(), Midstream: f.midstream(), Truncated: f.truncated,
		Missed: f.dir[0].tcp.missed() + f.dir[1].tcp.missed(),
	}
	return m
}

// record makes the flow's record.
func (w *Worker) record(f *Flow, why End) *records.Flow {
	r := records.NewFlow(f.Meta())
	o, p := f.Orig, f.Orig.Other()
	r.Start, r.End = f.start, f.last
	r.Orig, r.Resp = f.counts(o), f.counts(p)
	r.ConnState, r.History = f.connState(), f.historyText()
	r.Service, r.ServerName, r.Tunnel = f.Service, f.ServerName, f.Tunnel
	r.ICMPType, r.ICMPCode = f.icmpType, f.icmpCode
	r.Action, r.Reason = f.verdict(r.ConnState)
	r.EndReason = why.String()
	r.Shunted, r.GivenUp = f.shunt != nil, f.givenUp
	return r
}

func (f *Flow) counts(s packet.Side) records.Counts {
	d := &f.dir[s]
	c := records.Counts{Packets: d.packets, Bytes: d.bytes, IPBytes: d.ipBytes, Payload: f.payload(s),
		Overlap: d.overlap, BadSums: d.badSums, TTL: d.ttl, VLANSeen: d.vlan,
		Duplicates: d.duplicates, CopyTTL: d.copyTTL, CopyVLAN: d.copyVLAN}
	if f.Key.Proto == packet.ProtoTCP {
		c.Retrans, c.Missed = d.tcp.again, d.tcp.missed()
	}
	return c
}

// verdict infers what a firewall on the path would have logged, from what the
// wire shows: Permit when the server answered, Deny when it refused or nobody
// answered. docs/DESIGN.md has the table.
func (f *Flow) verdict(state string) (action, reason string) {
	o, r := &f.dir[f.Orig], &f.dir[f.Orig.Other()]
	switch f.Key.Proto {
	case packet.ProtoTCP:
		switch {
		case state == "REJ":
			return "Deny", "refused"
		case r.packets > 0:
			return "Permit", "answered"
		case f.oneSided():
			return "Permit", "answered, but the server's packets were not seen"
		case f.unreachable:
			return "Deny", "refused"
		}
		return "Deny", "unanswered"
	case packet.ProtoUDP:
		switch {
		case r.packets > 0:
			return "Permit", "answered"
		case f.unreachable:
			return "Deny", "refused"
		case f.toGroup():
			return "Permit", "no answer expected"
		}
		return "Deny", "unanswered"
	}
	switch {
	case r.packets > 0:
		return "Permit", "answered"
	case o.packets > 0 && f.asksForAnswer() && !f.toGroup():
		return "Deny", "unanswered"
	}
	return "Permit", "no answer expected"
}

// asksForAnswer tells an ICMP request from an ICMP message.
func (f *Flow) asksForAnswer() bool {
	return f.Key.Proto == packet.ProtoICMP && f.icmpType == 8 || f.Key.Proto == packet.ProtoICMPv6 && f.icmpType == 128
}

// toGroup tells that the server's address is a multicast or broadcast one.
func (f *Flow) toGroup() bool {
	a := f.Key.Addr(f.Orig.Other())
	if packet.IsV4(&a) && a[12] >= 224 || !packet.IsV4(&a) && a[0] == 0xff {
		return true
	}
	return f.first.dst[0]&1 == 1
}
