package census

import (
	"net/netip"
	"strings"
	"time"

	"kagami/detectors/table"
	"kagami/records"
)

// local is an address inside.
type local struct {
	addr  [16]byte
	id    uint64 // the machine that has it
	alive int64  // when that was last seen to send or answer, nanoseconds since the epoch
	told  int64  // when a MAC address or name last said that it is this machine's
	bound binding
}

// binding is how well an address is known to be a machine's.
type binding uint8

const (
	byAddress binding = iota // nothing else is known of it
	byName
	byMAC
)

// ident is a MAC address or host name, and the machine that it stands for.
type ident struct {
	id         uint64
	addr, prev uint64 // hashes of the IPv4 address that it was seen at last, and before that; 0 = none
	at         int64  // when it was last seen at addr
	hour       int64  // number of the hour that v6 is about
	v6         uint8  // IPv6 addresses that came to it
	shared     bool   // several machines bear it: it tells none
}

const (
	// resting is for how long an IPv4 address must have been silent for its
	// machine to be found at another one, unless a lease says so. Two addresses at
	// once are two machines: those behind a router bear its MAC address, and many
	// telephones one name.
	resting = int64(10 * time.Minute)
	// maxV6 is how many new IPv6 addresses one machine may take in an hour. Privacy
	// addresses (RFC 8981) change by the day.
	maxV6 = 8
)

// Source is the machine that a record's client is: a hash that stays the same
// when the machine gets another address, as far as its MAC address or its name
// shows that (Meta.ClientHost). The census must have seen a record of the client.
func (c *Census) Source(m *records.Meta) uint64 { return c.sourceOf(m.Client().Addr()) }

// SourceOf is Source of an address inside, as it is known now.
func (c *Census) SourceOf(a netip.Addr) uint64 { return c.sourceOf(a.Unmap()) }

// client is a machine inside and its address, found a moment ago: several
// detectors ask for it.
type client struct {
	addr netip.Addr
	id   uint64
}

func (c *Census) sourceOf(a netip.Addr) uint64 {
	if a == c.client.addr {
		return c.client.id
	}
	key := table.Addr(a)
	if l := c.addresses.Get(key); l != nil {
		return l.id
	}
	return key
}

// identify finds the machine at an address inside (key is its hash), which was
// just seen alive, by what the site stage knows of it.
//
// A machine's id is the hash of the first address it was seen at, so that what
// was learned before its MAC address or name became known stays its own. An
// address that changes hands gets another id.
func (c *Census) identify(a netip.Addr, key uint64, host *records.Host) uint64 {
	l, fresh := c.addresses.At(key)
	if fresh {
		l.addr, l.id = a.As16(), c.vacant(key)
		c.neighbours.arrive(a)
		c.adoptProxy(a, l.id)
	}
	l.alive = c.clock.now
	if host == nil {
		return l.id
	}
	before := l.id
	switch mac := &host.MAC; {
	case mac.Value != "":
		c.bind(l, a, key, table.Name(mac.Value), byMAC, mac.Source == "dhcp")
	case l.bound < byMAC && host.Name.Value != "" && a.Is4():
		name, _, _ := strings.Cut(host.Name.Value, ".")
		c.bind(l, a, key, table.Number(table.Name(name), nameSalt), byName, false)
	}
	if l.id != before {
		c.client = client{}
		c.adoptProxy(a, l.id)
	}
	return l.id
}

// nameSalt keeps a name that reads like a MAC address apart from it.
const nameSalt = 1

// vacant is an id for a new address: its hash, unless the machine that had it
// first took that id with it.
func (c *Census) vacant(key uint64) uint64 {
	if h := c.hosts.Get(key); h != nil && h.addr != key {
		return table.Pair(key, uint64(c.clock.now))
	}
	return key
}

// bind gives an address (key is its hash) to the machine with a MAC address or
// name. A lease is sure, what frames and names show is not: a machine has several
// names, of which one is in its records at a time, and several routers.
func (c *Census) bind(l *local, a netip.Addr, key, who uint64, how binding, lease bool) {
	i, fresh := c.idents.At(who)
	taken := l.bound >= how && !lease && c.clock.now-l.told < resting // somebody else has the address still
	switch {
	case fresh:
		i.id = l.id
		if l.bound >= how && !taken {
			i.id = who
		}
	case taken && i.id != l.id:
		return
	case i.shared:
		if l.id == i.id && key != i.addr {
			l.id, l.bound = table.Pair(key, who), byAddress
		}
		return
	}
	switch {
	case !a.Is4():
		if l.id != i.id && i.crowded(c.clock.now/hour) {
			return
		}
	case i.addr == 0 || i.addr == key || lease || c.clock.now-i.at >= resting:
		if i.addr != key {
			i.prev, i.addr = i.addr, key
		}
		i.at = c.clock.now
	default: // both addresses are in use
		if key == i.prev { // it was taken for a move; whoever was first keeps the history
			i.shared, i.addr = true, key
		}
		return
	}
	l.id, l.bound, l.told = i.id, how, c.clock.now
}

// crowded counts an IPv6 address more, and gives up who has too many.
func (i *ident) crowded(hour int64) bool {
	if i.hour != hour {
		i.hour, i.v6 = hour, 0
	}
	i.v6++
	i.shared = i.v6 > maxV6
	return i.shared
}
