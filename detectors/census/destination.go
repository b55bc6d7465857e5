package census

import (
	"kagami/detectors/table"
)

// destination is a name, registered domain or address outside.
type destination struct {
	first, last int64
	domain      uint64 // of its registered domain, or itself
	hosts       table.Crowd
	ttl         uint32 // of answers for a domain, seconds
	ports       [maxPorts]uint16
	nports      uint8
	nlabel      uint8
	label       [maxLabel]byte
}

const (
	maxPorts = 4  // known ports of a destination
	maxLabel = 46 // octets of a destination's name that are kept
	// forgets is after how long without a contact a destination is new again: a
	// domain may have lapsed and be another's now.
	forgets = 60 * day
)

// visit counts who knows a destination, by its name and its registered domain.
func (c *Census) visit(h *Host, k *Contact) {
	domain := k.DomainKey()
	d := c.meet(k.Destination(), k.Source)
	if d.nlabel == 0 {
		d.name(k)
	}
	d.domain = domain
	d.port(k.Port)
	if domain != k.Destination() {
		c.meet(domain, k.Source).domain = domain
	}
	if !k.NTP() {
		h.visit(domain, c.clock.now)
	}
}

// ask counts who looks a domain up.
func (c *Census) ask(k *Contact) {
	d := c.meet(k.Destination(), k.Source)
	if d.nlabel == 0 {
		d.name(k)
	}
	d.port(k.Port)
}

func (c *Census) meet(key, source uint64) *destination {
	d, fresh := c.dests.At(key)
	if fresh || c.clock.now-d.last > forgets {
		*d = destination{first: c.clock.now, domain: key}
	}
	d.last = c.clock.now
	if !d.hosts.Full() && !c.proxyMachine(source) {
		d.hosts.Add(uint32(source))
	}
	return d
}

// name keeps the destination's name for people, of long ones the end.
func (d *destination) name(k *Contact) {
	if k.Name == "" {
		d.nlabel = uint8(len(k.Addr.AppendTo(d.label[:0])))
		return
	}
	s := k.Name
	if len(s) > maxLabel {
		n := copy(d.label[:], "...")
		s = s[len(s)-maxLabel+n:]
		d.nlabel = uint8(n)
	}
	for i := range len(s) {
		d.label[d.nlabel] = lower(s[i])
		d.nlabel++
	}
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func (d *destination) port(port uint16) {
	for _, have := range d.ports[:d.nports] {
		if have == port {
			return
		}
	}
	if d.nports < maxPorts {
		d.ports[d.nports] = port
		d.nports++
	}
}

// Ports are ports that a destination (Contact.Destination) was contacted at, the
// first four. They are not to be kept.
func (c *Census) Ports(dest uint64) []uint16 {
	if d := c.dests.Get(dest); d != nil {
		return d.ports[:d.nports]
	}
	return nil
}

// DestinationName is the name or address of a destination by its hash, "..."
// and the end of a long one; "" if it is not known. It comes from the wire.
func (c *Census) DestinationName(dest uint64) string {
	if d := c.dests.Get(dest); d != nil {
		return string(d.label[:d.nlabel])
	}
	return ""
}

// Familiarity is how well a destination is known inside.
type Familiarity struct {
	Hosts int   // machines that contacted it, exact up to 10
	Total int   // machines inside
	Since int64 // when the first one did, nanoseconds since the epoch
	New   bool  // that was within a week, when the census knew the place for a day already; two weeks if it knew it for a week
	Old   bool  // that was more than 30 days ago
}

// Common tells whether so many machines know a destination that whatever goes
// on with it belongs to the place.
func (f Familiarity) Common() bool {
	return f.Hosts >= 10 || f.Hosts >= 3 && 10*f.Hosts >= f.Total
}

// Familiar tells how well the destination of a contact is known: by its name or
// by its registered domain, whichever is better known. Proxies do not count:
// they go where others send them.
func (c *Census) Familiar(k *Contact) Familiarity {
	f := c.Known(k.Destination())
	if domain := k.DomainKey(); domain != k.Destination() {
		g := c.Known(domain)
		f.Hosts, f.Since = max(f.Hosts, g.Hosts), min(f.Since, g.Since)
		f.New, f.Old = f.New && g.New, f.Old || g.Old
	}
	return f
}

// Known is Familiar of a destination by its hash.
func (c *Census) Known(dest uint64) Familiarity {
	f := Familiarity{Total: c.Hosts(), Since: c.clock.now}
	if d := c.dests.Get(dest); d != nil {
		f.Hosts = d.hosts.Len()
		f.Since = min(d.first, c.clock.now)
	}
	age, before := c.clock.now-f.Since, f.Since-c.clock.settled
	f.New = age < week && before >= day || age < 2*week && before >= week
	f.Old = age > 30*day
	return f
}
