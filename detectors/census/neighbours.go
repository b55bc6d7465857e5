package census

import (
	"net/netip"

	"kagami/detectors/table"
	"kagami/records"
)

// neighbours is who is there and who is not: addresses that were asked for by
// ARP, and networks whose machines are seen.
type neighbours struct {
	asked   *table.Table[asked]  // by hash of the address
	subnets *table.Table[subnet] // by hash of the /24
	// Of requests for addresses that are alive, how many were followed by a reply
	// that the mirror port showed. Replies go to the asker alone.
	requests, replies uint32
}

// asked is an address that somebody looked for.
type asked struct {
	last int64  // the last request
	n    uint32 // since the last answer
	open bool   // the address is alive and the request not answered yet
}

// subnet is a network of which machines were seen.
type subnet struct{ alive uint32 }

const (
	maxSubnets   = 1024
	askedPerHost = 2

	aliveFor    = 30 * day // an address that did nothing for so long may be nobody's
	askedEnough = 3        // requests without an answer
	askedLately = hour
	seenSubnet  = 3 // addresses alive in a /24 that show that it is in sight
	arpMemory   = 256
	arpLeast    = 8
)

func newNeighbours(hosts int) neighbours {
	return neighbours{asked: table.New[asked](askedPerHost * hosts), subnets: table.New[subnet](maxSubnets)}
}

func neighboursMemory(hosts int) int64 {
	return table.Bytes[asked](askedPerHost*hosts, 0) + table.Bytes[subnet](maxSubnets, 0)
}

// arrive notes an address inside that was never seen before.
func (n *neighbours) arrive(a netip.Addr) {
	if s := subnetOf(a); s != 0 {
		x, _ := n.subnets.At(s)
		x.alive++
	}
}

// subnetOf is a hash of an IPv4 address's /24, 0 for others: IPv6 networks are
// too large for an address without a machine to mean anything.
func subnetOf(a netip.Addr) uint64 {
	if !a.Is4() {
		return 0
	}
	b := a.As4()
	return table.Octets(b[:3])
}

// learnARP notes who asks for whom, and who answers.
func (c *Census) learnARP(r *records.ARP) {
	n := &c.neighbours
	if !r.Sender.IsUnspecified() && single(r.Sender) && r.Meta().ClientInternal {
		key := table.Addr(r.Sender)
		if h := c.hosts.Get(c.identify(r.Sender, key, r.Meta().ClientHost)); h != nil {
			h.mark(c.clock.now) // it is awake
		}
		n.answer(key, r.Op == 2)
	}
	// Who probes whether an address is free hopes for no answer.
	if r.Op != 1 || r.Gratuitous() || !single(r.Target) {
		return
	}
	key := table.Addr(r.Target)
	a, _ := n.asked.At(key)
	if c.clock.now-a.last > askedLately {
		a.n, a.open = 0, false
	}
	a.last = c.clock.now
	a.n++
	if l := c.addresses.Get(key); l != nil && c.clock.now-l.alive < hour && !a.open {
		a.open = true
		if n.requests == arpMemory {
			n.requests, n.replies = n.requests/2, n.replies/2
		}
		n.requests++
	}
}

// answer notes that an address is there, which a reply shows as well as its own
// request for another.
func (n *neighbours) answer(key uint64, reply bool) {
	a := n.asked.Get(key)
	if a == nil {
		return
	}
	if a.open && reply {
		n.replies++
	}
	n.asked.Remove(key)
}

// sees tells whether the mirror port shows ARP replies: else a request without
// one says nothing.
func (n *neighbours) sees() bool { return n.requests >= arpLeast && 2*n.replies >= n.requests }

// Alive tells whether an address inside sent or answered anything in 30 days.
func (c *Census) Alive(a netip.Addr) bool {
	l := c.addresses.Get(table.Addr(a.Unmap()))
	return l != nil && c.clock.now-l.alive < aliveFor
}

// Dark tells that nobody has an address inside: ARP asked for it at least three
// times within an hour and got no answer, where answers are visible; or it was
// never seen alive in 30 days, in a network that has been in sight for a day.
// Addresses that may be a network's or its broadcast address are never dark.
func (c *Census) Dark(a netip.Addr) bool {
	a = a.Unmap()
	if !single(a) || c.Alive(a) {
		return false
	}
	if a.Is4() {
		if last := a.As4()[3]; last == 0 || last == 255 {
			return false
		}
	}
	n := &c.neighbours
	if x := n.asked.Get(table.Addr(a)); x != nil && x.n >= askedEnough && c.clock.now-x.last < askedLately && n.sees() {
		return true
	}
	s := n.subnets.Get(subnetOf(a))
	return s != nil && s.alive >= seenSubnet && c.Learned() && !c.Blind()
}
