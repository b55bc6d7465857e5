package census

import (
	"net/netip"
	"strings"

	"kagami/detectors/table"
	"kagami/records"
)

// local is an address inside.
type local struct {
	addr  [16]byte
	id    uint64 // the machine that has it
	alive int64  // when that was last seen to send or answer, nanoseconds since the epoch
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
	addr, prev uint64 // hashes of the address that it was seen at last, and before that
	at         int64  // when it was last seen at addr
	shared     bool   // machines at two addresses use the name in turn: it tells neither
}

// turns is how soon a name must be back at its old address to be two machines';
// a new lease does not go back and forth.
const turns = hour

// Source is the machine that a record's client is: a hash that stays the same
// when the machine gets another address, as far as its MAC address or its name
// shows that (Meta.ClientHost). The census must have seen a record of the client.
func (c *Census) Source(m *records.Meta) uint64 { return c.sourceOf(m.Client().Addr()) }

// SourceOf is Source of an address inside, as it is known now.
func (c *Census) SourceOf(a netip.Addr) uint64 { return c.sourceOf(a.Unmap()) }

func (c *Census) sourceOf(a netip.Addr) uint64 {
	key := table.Addr(a)
	if l := c.addresses.Get(key); l != nil {
		return l.id
	}
	return key
}

// identify finds the machine at an address inside, which was just seen alive,
// by what the site stage knows of it.
//
// A machine's id is the hash of the first address it was seen at, so that what
// was learned before its MAC address or name became known stays its own. An
// address that changes hands gets another id.
func (c *Census) identify(a netip.Addr, host *records.Host) uint64 {
	key := table.Addr(a)
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
	switch {
	case host.MAC.Value != "":
		c.bindMAC(l, key, table.Name(host.MAC.Value))
	case l.bound < byMAC && host.Name.Value != "" && a.Is4():
		name, _, _ := strings.Cut(host.Name.Value, ".")
		c.bindName(l, key, table.Number(table.Name(name), nameSalt))
	}
	if l.id != before {
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

// bindMAC gives an address to the machine with that card.
func (c *Census) bindMAC(l *local, addr, mac uint64) {
	i, fresh := c.idents.At(mac)
	if fresh {
		i.id = l.id
		if l.bound == byMAC { // the address was another card's
			i.id = mac
		}
	}
	i.addr, i.at = addr, c.clock.now
	l.id, l.bound = i.id, byMAC
}

// bindName gives an address to the machine of that name. Names are not unique:
// one that goes back and forth between two addresses is given up.
func (c *Census) bindName(l *local, addr, name uint64) {
	i, fresh := c.idents.At(name)
	switch {
	case fresh:
		i.id, i.addr = l.id, addr
		if l.bound == byName { // the address was another machine's
			i.id = name
		}
	case i.shared:
		if l.id == i.id && addr != i.addr {
			l.id, l.bound = table.Pair(addr, name), byAddress
		}
		return
	case addr == i.prev && i.addr != addr && c.clock.now-i.at < turns:
		i.shared = true
		i.addr = addr // whoever had it first keeps the history
	case addr != i.addr:
		i.prev, i.addr = i.addr, addr
	}
	i.at = c.clock.now
	l.id, l.bound = i.id, byName
}
