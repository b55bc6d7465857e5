package events

import (
	"fmt"
	"strings"
	"time"
)

// Cell is what makes attacks of one kind alike: one value on each axis.
type Cell struct {
	Kind string // "beacon", "egress", "scan", "exfil"

	// Beacons.
	Sleep       time.Duration
	Jitter      int // percent of Sleep
	Model       Model
	Missed      int // percent of the beats that do not reach the wire
	Beats       int // planned, missed ones included; 0 = until the world ends. Of an egress: connections, 0 = 3 for each target
	Asleep      bool
	Transport   Transport
	Noise       int // unrelated contacts to the same destination per 100 beats
	Rotate      int // domains that it takes turns with, 0 = 1
	Padding     bool
	Interactive bool // now and then somebody types commands

	// Egress, and the port of what is not the web.
	Port    uint16
	Blocked Blocked
	Targets int // destinations of an egress, machines or ports of a scan

	// Scans.
	Spacing time.Duration
	Shape   Shape
	Success int  // percent of the targets that exist which answer
	Dark    int  // percent of the targets that do not exist
	Random  bool // order of the targets; false = ascending
	Admin   bool // from a machine that administers others
	Scanner bool // from the vulnerability scanner, outside its hours, of machines that it never asked

	// Exfiltration.
	Volume int64 // octets
	Drip   bool  // spread over two weeks, not at once
}

// Model is the law of a beacon's intervals.
type Model uint8

const (
	CobaltStrike Model = iota // sleep * (1 - U(0, jitter))
	Symmetric                 // sleep * (1 + U(-jitter, jitter)), Empire, PoshC2
	Additive                  // sleep + U(0, jitter*sleep), Sliver
	Grid                      // multiples of sleep, each delayed by U(0, jitter*sleep): cron
)

func (m Model) String() string { return [...]string{"cs", "pm", "add", "grid"}[m] }

// Transport is what carries a beacon. At a site without a proxy, what should go
// through it goes straight.
type Transport uint8

const (
	HTTPS       Transport = iota // direct TLS with a server name
	HTTP                         // direct, plain
	Connect                      // TLS through the proxy
	AbsoluteURI                  // plain, through the proxy
	DNSTXT
	DNSA
	RawTCP
	RawUDP
	ICMP
	Pulses        // in one TLS session, direct
	ConnectPulses // in one TLS session through the proxy
)

func (t Transport) String() string {
	return [...]string{"https", "http", "connect", "absolute", "dns-txt", "dns-a", "tcp", "udp", "icmp", "pulses", "connect-pulses"}[t]
}

// Blocked is what the firewall does to a direct connection.
type Blocked uint8

const (
	Permitted Blocked = iota
	Dropped           // without an answer
	Rejected          // reset
)

func (b Blocked) String() string { return [...]string{"permitted", "dropped", "rejected"}[b] }

// Shape is what a scan goes through.
type Shape uint8

const (
	Horizontal Shape = iota // machines, one TCP port
	Vertical                // TCP ports of one machine
	UDPSweep                // machines, one UDP port
	PingSweep               // machines, ICMP echo
	ARPSweep                // addresses of the own network, ARP only
)

func (s Shape) String() string {
	return [...]string{"horizontal", "vertical", "udp", "icmp", "arp"}[s]
}

// String names the cell by the values that matter for its kind.
func (c Cell) String() string {
	var b strings.Builder
	b.WriteString(c.Kind)
	say := func(format string, args ...any) { fmt.Fprintf(&b, " "+format, args...) }
	flag := func(on bool, name string) {
		if on {
			say("%s", name)
		}
	}
	switch c.Kind {
	case "beacon":
		say("%s sleep=%v jitter=%d%%/%s missed=%d%% beats=%d", c.Transport, c.Sleep, c.Jitter, c.Model, c.Missed, c.Beats)
		flag(c.Asleep, "asleep")
		if c.Noise > 0 {
			say("noise=%d%%", c.Noise)
		}
		if c.Rotate > 1 {
			say("rotate=%d", c.Rotate)
		}
		flag(c.Padding, "padding")
		flag(c.Interactive, "interactive")
	case "egress":
		say("%s port=%d %s targets=%d", c.Transport, c.Port, c.Blocked, c.Targets)
	case "scan":
		say("%s port=%d spacing=%v targets=%d success=%d%% dark=%d%%", c.Shape, c.Port, c.Spacing, c.Targets, c.Success, c.Dark)
		flag(c.Random, "random")
		flag(c.Admin, "admin")
		flag(c.Scanner, "scanner")
	case "exfil":
		say("%s volume=%dMB", c.Transport, c.Volume>>20)
		flag(c.Drip, "drip")
	}
	return b.String()
}
