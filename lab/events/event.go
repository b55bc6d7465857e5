package events

import (
	"net/netip"
	"time"

	"kagami/records"
)

// Event is one record and what is behind it.
type Event struct {
	Record records.Record
	Label  *Label
}

// Label says what a record is part of. Labels are shared and never change.
type Label struct {
	Class  string  // of benign traffic: "browse", "ntp", "tv" ...; of attacks their kind
	Benign bool    // no attack
	Attack *Attack // nil when benign
	Beat   int     // number of the beat, probe or connection among those that reached the wire, from 1; 0 = belongs to none
}

// Attack is one planted attack.
type Attack struct {
	ID           string // unique in a world: "beacon-17"
	Kind         string // "beacon", "egress", "scan", "exfil"
	Cell         Cell
	Host         string     // name of the machine it comes from
	Source       netip.Addr // its address when the attack begins
	Destination  string     // the first of Destinations
	Destinations []string   // "name:port", or "address:port" where no name is used; of a scan none
	Names        []string   // the names among them, without port
	Addrs        []netip.Addr
	Port         uint16 // 0 = several, or none
	Start        int64  // when it is due, nanoseconds since the epoch; a machine that is off begins later
	Beats        int    // beats, connections or probes planned, as far as the world lasts
	Targets      int    // machines or ports searched, destinations of an egress
}

// Spec says which attacks to plant.
type Spec struct {
	Cell  Cell
	Count int           // instances, each with its own destination and, while there are enough, its own machine
	From  time.Duration // earliest start after the world's; 0 = after the learning week
	To    time.Duration // latest start; 0 = so that the attack ends before the world does, if it can
}

// Options of a world.
type Options struct {
	Seed      uint64
	Days      int       // 0 = 28
	Start     time.Time // midnight before the first day, a Monday; zero = 2 March 2026 UTC
	Loss      float64   // share of packets that the sensor misses
	Attacks   []Spec
	Pace      int  // how much people browse, percent; 0 = 100
	Quiet     bool // no benign traffic but what attacks need; for tests of cells
	Reuse     bool // records are valid until the next event only, and made again: no garbage
	Community bool // records bear their Community ID
	NoRare    bool // without the rare-but-harmless periodic things
}

// learning is the time at the beginning in which no attack is planted unless it
// is asked for.
const learning = 7 * day

func (o Options) withDefaults() Options {
	if o.Days <= 0 {
		o.Days = 28
	}
	if o.Pace <= 0 {
		o.Pace = 100
	}
	if o.Start.IsZero() {
		o.Start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	}
	return o
}

const (
	millisecond = int64(time.Millisecond)
	second      = int64(time.Second)
	minute      = int64(time.Minute)
	hour        = int64(time.Hour)
	day         = 24 * hour
)
