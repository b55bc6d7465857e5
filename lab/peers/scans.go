package peers

import (
	"net/netip"
	"time"

	"kagami/packet"
	"kagami/records"
)

// ZeekScan is misc/scan as shipped with Zeek until version 6 (its documentation
// for 4.0): 25 hosts on one port, or 15 ports of one host, failed within one
// epoch of 5 minutes. Epochs follow each other.
type ZeekScan struct {
	book
	hosts, ports tally
}

// NewZeekScan returns one with the default settings.
func NewZeekScan() *ZeekScan {
	const epoch = 5 * time.Minute
	return &ZeekScan{book: newBook(), hosts: newTally(epoch), ports: newTally(epoch)}
}

// Name implements Peer.
func (z *ZeekScan) Name() string { return "Zeek misc/scan" }

// Observe implements Peer.
func (z *ZeekScan) Observe(r records.Record) {
	f, ok := r.(*records.Flow)
	if !ok || !failed(f) {
		return
	}
	m := f.Meta()
	src, dst := m.Client().Addr(), m.Server()
	if n := z.hosts.add(tallyKey{source: src, port: dst.Port()}, f.Start, m.At, number(dst.Addr(), 0)); n >= 25 {
		z.say(Alert{At: m.At, Rule: "Address_Scan", Source: src, Port: dst.Port(), Score: float64(n)})
	}
	if n := z.ports.add(tallyKey{source: src, about: dst.Addr()}, f.Start, m.At, uint64(dst.Port())); n >= 15 {
		z.say(Alert{At: m.At, Rule: "Port_Scan", Source: src, Addr: dst.Addr(), Score: float64(n)})
	}
}

// SimpleScan is ncsa/bro-simple-scan: a scanner inside must have failed on 250
// distinct (host, port), on 100 if 3 of the hosts were dark; one outside on 25
// (20 on one port) or 10 (3). Its list is forgotten 15 minutes after the last
// attempt. Only "S" and "Sr" histories count. An address is dark here when
// nothing was ever seen to come from it.
type SimpleScan struct {
	book
	scanners map[netip.Addr]*attempts
	alive    map[netip.Addr]struct{}
	swept    int64
}

type attempts struct {
	last  int64
	tried map[uint64]struct{}
	ports map[uint16]int
	dark  map[netip.Addr]struct{}
}

// NewSimpleScan returns one with the default settings.
func NewSimpleScan() *SimpleScan {
	return &SimpleScan{book: newBook(), scanners: map[netip.Addr]*attempts{}, alive: map[netip.Addr]struct{}{}}
}

// Name implements Peer.
func (s *SimpleScan) Name() string { return "simple-scan" }

const simpleScanExpires = int64(15 * time.Minute)

// Observe implements Peer.
func (s *SimpleScan) Observe(r records.Record) {
	f, ok := r.(*records.Flow)
	if !ok {
		return
	}
	m := f.Meta()
	src, dst := m.Client().Addr(), m.Server()
	s.alive[src] = struct{}{}
	if f.Resp.Packets > 0 {
		s.alive[dst.Addr()] = struct{}{}
	}
	if m.Key.Proto != packet.ProtoTCP || f.History != "S" && f.History != "Sr" {
		return
	}
	a := s.scanner(src, f.Start)
	key := number(dst.Addr(), dst.Port())
	if _, again := a.tried[key]; again {
		return
	}
	a.tried[key] = struct{}{}
	a.ports[dst.Port()]++
	if _, seen := s.alive[dst.Addr()]; !seen && len(a.dark) < 3 {
		a.dark[dst.Addr()] = struct{}{}
	}
	all, onePort := 250, 1<<30
	switch dark := len(a.dark) >= 3; {
	case m.ClientInternal && dark:
		all = 100
	case !m.ClientInternal && dark:
		all, onePort = 10, 3
	case !m.ClientInternal:
		all, onePort = 25, 20
	}
	if n := len(a.tried); n >= all || a.ports[dst.Port()] >= onePort {
		delete(s.scanners, src)
		s.say(Alert{At: m.At, Rule: "Scan", Source: src, Score: float64(n)})
	}
}

// scanner is the list of a source, a new one if the old one has expired.
func (s *SimpleScan) scanner(src netip.Addr, now int64) *attempts {
	if now-s.swept > simpleScanExpires {
		s.swept = now
		for k, a := range s.scanners {
			if now-a.last > simpleScanExpires {
				delete(s.scanners, k)
			}
		}
	}
	a := s.scanners[src]
	if a == nil || now-a.last > simpleScanExpires {
		a = &attempts{tried: map[uint64]struct{}{}, ports: map[uint16]int{}, dark: map[netip.Addr]struct{}{}}
		s.scanners[src] = a
	}
	a.last = max(a.last, now)
	return a
}

// Slips is its network discovery module, in time windows of one hour: more than
// 5 hosts not established on one port, more than 5 ports of one host, 5 hosts
// asked for by ARP, 5 hosts pinged (25 for its Zeek scripts, which say it later).
type Slips struct {
	book
	hosts, ports, arp, ping tally
}

const echoRequest = 8 // ICMP type

// NewSlips returns one with the default settings.
func NewSlips() *Slips {
	return &Slips{book: newBook(), hosts: newTally(time.Hour), ports: newTally(time.Hour), arp: newTally(time.Hour), ping: newTally(time.Hour)}
}

// Name implements Peer.
func (s *Slips) Name() string { return "Slips" }

// Observe implements Peer.
func (s *Slips) Observe(r records.Record) {
	f, ok := r.(*records.Flow)
	if !ok {
		s.neighbour(r)
		return
	}
	m := f.Meta()
	src, dst := m.Client().Addr(), m.Server()
	switch m.Key.Proto {
	case packet.ProtoICMP:
		if f.ICMPType == echoRequest {
			if n := s.ping.add(tallyKey{source: src}, f.Start, m.At, number(dst.Addr(), 0)); n >= 5 {
				s.say(Alert{At: m.At, Rule: "ICMP address scan", Source: src, Score: float64(n)})
			}
		}
		return
	case packet.ProtoTCP:
		if !failed(f) {
			return
		}
	case packet.ProtoUDP:
		if f.Resp.Packets > 0 {
			return
		}
	default:
		return
	}
	if n := s.hosts.add(tallyKey{source: src, port: dst.Port()}, f.Start, m.At, number(dst.Addr(), 0)); n > 5 {
		s.say(Alert{At: m.At, Rule: "horizontal port scan", Source: src, Port: dst.Port(), Score: float64(n)})
	}
	if n := s.ports.add(tallyKey{source: src, about: dst.Addr()}, f.Start, m.At, uint64(dst.Port())); n > 5 {
		s.say(Alert{At: m.At, Rule: "vertical port scan", Source: src, Addr: dst.Addr(), Score: float64(n)})
	}
}

// Maltrail is its port and infection scan rules: more than 10 ports tried on one
// host, or more than 32 hosts on one of the ports that worms use, within 30
// seconds, whatever the answer was.
type Maltrail struct {
	book
	hosts, ports tally
}

// NewMaltrail returns one with the default settings.
func NewMaltrail() *Maltrail {
	const window = 30 * time.Second
	return &Maltrail{book: newBook(), hosts: newTally(window), ports: newTally(window)}
}

// Name implements Peer.
func (t *Maltrail) Name() string { return "Maltrail" }

// Observe implements Peer.
func (t *Maltrail) Observe(r records.Record) {
	f, ok := r.(*records.Flow)
	if !ok || f.Meta().Key.Proto != packet.ProtoTCP {
		return
	}
	m := f.Meta()
	src, dst := m.Client().Addr(), m.Server()
	if n := t.ports.add(tallyKey{source: src, about: dst.Addr()}, f.Start, m.At, uint64(dst.Port())); n > 10 {
		t.say(Alert{At: m.At, Rule: "potential port scanning", Source: src, Addr: dst.Addr(), Score: float64(n)})
	}
	switch dst.Port() {
	case 135, 139, 445, 1433, 3389, 6379:
		if n := t.hosts.add(tallyKey{source: src, port: dst.Port()}, f.Start, m.At, number(dst.Addr(), 0)); n > 32 {
			t.say(Alert{At: m.At, Rule: "potential infection", Source: src, Port: dst.Port(), Score: float64(n)})
		}
	}
}
