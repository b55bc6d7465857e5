// Package detectors finds what an analyst should look at: beacons, traffic that
// goes around the proxy, scans from inside, drive-by downloads and programs in
// disguise; and the labelled test traffic of kagami canary. It puts together the packages below it: census knows who is who,
// each detector finds one thing and reports it to incident, where what several
// say of one source and destination adds up to one alert.
//
// Scores are evidence in nats (natural logarithm of a likelihood ratio), so that
// independent signs add up. All state is bounded by Config, counted, and can be
// saved and restored; nothing depends on map order or wall time: the same
// records give the same alerts.
//
// It imports packet, records and sensor. It must not import decoders, exporters
// or anything that reads files or clocks.
package detectors

import (
	"net/netip"

	"kagami/detectors/beacon"
	"kagami/detectors/canary"
	"kagami/detectors/census"
	"kagami/detectors/download"
	"kagami/detectors/egress"
	"kagami/detectors/incident"
	"kagami/detectors/scan"
	"kagami/detectors/state"
	"kagami/records"
	"kagami/sensor"
)

// Set is all detectors and what they have learned. It is a sensor.Detector, used
// by one goroutine.
type Set struct {
	config    Config
	census    *census.Census
	book      *incident.Book
	detectors []detector

	keep  func([]byte) // takes a state; nil: none is wanted
	every int64        // nanoseconds of logical time
	saved int64        // logical time of the last one
}

// detector is what each of the packages offers.
type detector interface {
	sensor.Detector
	state.Part
	Counters() []census.Counter
	Explain(source netip.Addr, t census.Target, say func(incident.Text))
}

// New makes the detectors that are enabled. s may be nil: nothing is suppressed.
func New(c Config, s incident.Suppressor) *Set {
	c.Beacon.OfficeHours, c.Beacon.UTCOffset, c.Scan.UTCOffset = c.OfficeHours, c.UTCOffset, c.UTCOffset
	who := census.New(c.Census)
	book := incident.NewBook(c.Incident, who, s)
	set := &Set{config: c, census: who, book: book}
	if c.Beacon.Enable {
		set.detectors = append(set.detectors, beacon.New(c.Beacon, who, book))
	}
	if c.Egress.Enable {
		set.detectors = append(set.detectors, egress.New(c.Egress, who, book))
	}
	if c.Scan.Enable {
		set.detectors = append(set.detectors, scan.New(c.Scan, who, book))
	}
	if c.Download.Enable {
		set.detectors = append(set.detectors, download.New(c.Download, who, book))
	}
	if c.Canary.Enable {
		set.detectors = append(set.detectors, canary.New(c.Canary, book))
	}
	return set
}

// Observe implements sensor.Detector. The census comes first: the others ask it
// who is who.
func (s *Set) Observe(r records.Record, emit sensor.Emit) {
	s.census.Observe(r, emit)
	for _, d := range s.detectors {
		d.Observe(r, emit)
	}
}

// Advance implements sensor.Detector.
func (s *Set) Advance(now int64, emit sensor.Emit) {
	s.census.Advance(now, emit)
	for _, d := range s.detectors {
		d.Advance(now, emit)
	}
	if s.keep != nil {
		s.tick(now)
	}
}

// Counters is the bookkeeping of one part: how full its tables are, what they had
// to forget, what it looked at without alerting. The order is fixed.
type Counters struct {
	Part string // "census", "incident", "beacon" ...
	All  []census.Counter
}

// Counters are those of all parts.
func (s *Set) Counters() []Counters {
	all := []Counters{{s.census.Name(), s.census.Counters()}, {s.book.Name(), s.book.Counters()}}
	for _, d := range s.detectors {
		all = append(all, Counters{d.Name(), d.Counters()})
	}
	return all
}
