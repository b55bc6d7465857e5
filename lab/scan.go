package lab

import (
	"fmt"
	"net/netip"
	"time"
)

// Scan is a host that looks for one port on many addresses.
type Scan struct {
	ID     string        `toml:"id"`
	Host   string        `toml:"host"`
	At     Clock         `toml:"at"`
	Port   uint16        `toml:"port"`
	Ranges []AddrRange   `toml:"ranges"` // "10.0.0.5-10.0.0.30"
	Gap    time.Duration `toml:"gap"`    // between probes, give or take half
	Open   []string      `toml:"open"`   // hosts that answer; other servers refuse, workstations drop
}

// AddrRange is an inclusive range of IPv4 addresses, written a-b.
type AddrRange struct{ First, Last netip.Addr }

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *AddrRange) UnmarshalText(b []byte) error {
	var first, last string
	for i := range b {
		if b[i] == '-' {
			first, last = string(b[:i]), string(b[i+1:])
		}
	}
	var err1, err2 error
	a.First, err1 = netip.ParseAddr(first)
	a.Last, err2 = netip.ParseAddr(last)
	if err1 != nil || err2 != nil || !a.First.Is4() || a.Last.Less(a.First) {
		return fmt.Errorf("parse address range %q: want two IPv4 addresses, smaller first, joined by -", b)
	}
	return nil
}

func planScans(d *day, _ *Rand) {
	for _, s := range d.s.Scans {
		label := d.attack(s.ID, "scan", "T1046", s.Host, fmt.Sprintf("connects to port %d of one address after another", s.Port))
		r := NewRand(d.s.Seed, "scan "+s.ID)
		t := d.s.offset(s.At)
		for _, span := range s.Ranges {
			for addr := span.First; !span.Last.Less(addr); addr = addr.Next() {
				if addr == d.s.host(s.Host).IP {
					continue
				}
				d.at(t, func(t time.Duration) { d.probe(t, s, addr, label) })
				t += r.Span(s.Gap/2, s.Gap*3/2)
			}
		}
	}
}

// probe tries one address. What happens depends on who is there: nobody on the
// own subnet (three ARP requests and no SYN at all), nobody behind the gateway
// (SYNs without answer), a workstation (its firewall drops), a server
// (refuses, or answers if it is open).
func (d *day) probe(t time.Duration, s Scan, addr netip.Addr, label *Attack) {
	me, mine := d.end(s.Host), netip.PrefixFrom(d.s.host(s.Host).IP, 24).Masked()
	to := Destination{IP: addr, Port: s.Port}
	var target *Endpoint
	var host *Host
	for i := range d.s.Hosts {
		if d.s.Hosts[i].IP == addr {
			host = &d.s.Hosts[i]
			to.Name = host.Name
			target = d.end(host.Name)
		}
	}
	if !mine.Contains(addr) {
		c := d.wire.Ignore(t, me, d.routed(addr), s.Port, time.Second, 2*time.Second)
		label.event(t, t+3*time.Second, to, c.Flow())
		label.outcome("unanswered")
		return
	}
	if host == nil {
		for i := range 3 {
			d.wire.WhoHas(t+time.Duration(i)*time.Second, me, addr, nil)
		}
		label.event(t, t+2*time.Second, to)
		label.outcome("arp_unanswered")
		return
	}
	d.wire.WhoHas(t, me, addr, target)
	t += target.RTT + 100*time.Microsecond
	for _, open := range s.Open {
		if open == host.Name {
			c := d.wire.Dial(t, me, 0, target, s.Port)
			label.event(t, c.Reset(Client, c.Ready(Client)+time.Millisecond), to, c.Flow())
			label.outcome("answered")
			return
		}
	}
	if host.Role == "workstation" {
		c := d.wire.Ignore(t, me, target, s.Port, time.Second, 2*time.Second)
		label.event(t, t+3*time.Second, to, c.Flow())
		label.outcome("unanswered")
		return
	}
	c := d.wire.Refuse(t, me, target, s.Port)
	label.event(t, t+target.RTT, to, c.Flow())
	label.outcome("refused")
}
