package doctor

import (
	"net/netip"
	"slices"

	"kagami/packet"
	"kagami/records"
)

// minPackets is what a TCP flow must have to be judged as one-way: a refused or
// unanswered attempt of which one packet was lost proves nothing.
const minPackets = 3

// flows gathers facts from flow records.
type flows struct {
	own     [][6]byte
	n       Flows
	unseen  []netip.Prefix
	common4 common
	common6 common
}

func newFlows(o Options) flows {
	f := flows{own: o.Own}
	for _, p := range o.Internal {
		if a := p.Addr(); a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || slices.Contains(f.unseen, p) {
			continue // never seen on a mirror port, or on each
		}
		f.unseen = append(f.unseen, p)
	}
	f.n.Wanted = len(f.unseen)
	return f
}

func (f *flows) observe(r *records.Flow) {
	m := r.Meta()
	if slices.Contains(f.own, m.ClientMAC) || slices.Contains(f.own, m.ServerMAC) {
		return
	}
	n := &f.n
	n.All++
	n.Packets += r.Orig.Packets + r.Resp.Packets
	f.copies(&r.Orig)
	f.copies(&r.Resp)
	client, server := m.Client().Addr(), m.Server().Addr()
	if r.Orig.Packets > 0 {
		f.seen(client)
	}
	if r.Resp.Packets > 0 {
		f.seen(server)
	}
	if to := server.As16(); m.ServerMAC[0]&1 == 0 && !groupAddr(&to) {
		n.Unicast++
		if server.Is4() {
			f.common4.meet(client, server)
		} else {
			f.common6.meet(client, server)
		}
	}
	if m.Key.Proto == packet.ProtoTCP {
		f.tcp(r)
	}
}

func (f *flows) tcp(r *records.Flow) {
	n := &f.n
	v := &r.Meta().Visibility
	if r.Orig.Packets+r.Resp.Packets >= minPackets {
		n.Conversations++
		if v.OneSided {
			n.OneWay++
		}
	}
	if !v.OneSided { // of a direction that was not seen at all, everything is missing
		n.Payload += r.Orig.Payload + r.Resp.Payload
		n.Missed += r.Orig.Missed + r.Resp.Missed
	}
}

func (f *flows) copies(c *records.Counts) {
	f.n.Duplicates += c.Duplicates
	if c.CopyTTL == 0 {
		return
	}
	if f.n.OtherPath == 0 {
		f.n.Path = Path{VLAN: c.VLANSeen, CopyVLAN: c.CopyVLAN, TTL: c.TTL, CopyTTL: c.CopyTTL}
	}
	f.n.OtherPath++
}

// seen strikes an address's networks off the list.
func (f *flows) seen(a netip.Addr) {
	f.unseen = slices.DeleteFunc(f.unseen, func(p netip.Prefix) bool { return p.Contains(a) })
}

// common is the set of addresses, two at most, that all flows so far share.
type common struct {
	begun bool
	addrs []netip.Addr
}

func (c *common) meet(a, b netip.Addr) {
	if !c.begun {
		c.begun, c.addrs = true, []netip.Addr{a, b}
		return
	}
	c.addrs = slices.DeleteFunc(c.addrs, func(x netip.Addr) bool { return x != a && x != b })
}

// facts are the counts with their lists. A host may have an address of each
// family; both must be in all flows of theirs.
func (f *flows) facts() Flows {
	n := f.n
	n.Unseen = f.unseen
	if alone(&f.common4) && alone(&f.common6) {
		n.Hosts = append(slices.Clone(f.common4.addrs), f.common6.addrs...)
	}
	return n
}

func alone(c *common) bool { return !c.begun || len(c.addrs) > 0 }
