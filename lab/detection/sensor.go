package detection

import (
	"errors"
	"fmt"
	"math"

	"kagami/detectors"
	"kagami/records"
	"kagami/sensor"
)

// Sensor is Kagami's detectors behind the records of a laboratory world: what the
// engine's merger does with them, without the packets before it.
type Sensor struct {
	set      *detectors.Set
	tick     int64
	alerts   []*records.Alert
	emit     sensor.Emit
	Observed int // records
}

// tickEvery is the grid on which detectors are told the time.
const tickEvery = int64(1e9)

// NewSensor returns detectors that have learned nothing. They tell of what they
// only watch, too, with that level.
func NewSensor(c detectors.Config) *Sensor {
	c.Incident.Watches = true
	s := &Sensor{set: detectors.New(c, nil), tick: math.MinInt64}
	s.emit = func(r records.Record) {
		if a, ok := r.(*records.Alert); ok {
			s.alerts = append(s.alerts, a)
		}
	}
	return s
}

// Observe gives a record to the detectors. The alerts that it raised, and those
// that the time until it did, are valid until the next call; early is how many
// of them were raised by the time.
func (s *Sensor) Observe(r records.Record) (alerts []*records.Alert, early int) {
	s.alerts = s.alerts[:0]
	at := r.Meta().At
	if grid := at - at%tickEvery; grid > s.tick {
		s.tick = grid
		s.set.Advance(grid, s.emit)
	}
	early = len(s.alerts)
	s.set.Observe(r, s.emit)
	s.Observed++
	return s.alerts, early
}

// Finish tells the detectors that no more records come before at.
func (s *Sensor) Finish(at int64) []*records.Alert {
	s.alerts = s.alerts[:0]
	s.set.Advance(at, s.emit)
	return s.alerts
}

// Restart replaces the detectors by fresh ones that know only what these saved,
// and returns how many octets that took.
func (s *Sensor) Restart() (int, error) {
	b := s.set.Save()
	set, loaded, err := s.set.Load(b, nil)
	if err == nil {
		err = errors.Join(loaded.Problems...)
	}
	if err != nil {
		return 0, fmt.Errorf("restart detectors: %w", err)
	}
	s.set = set
	return len(b), nil
}

// Counter is one number of a detector's bookkeeping.
type Counter struct {
	Name  string // "beacon.pairs"
	Value uint64
}

// Counters are those of all detectors, in their order.
func (s *Sensor) Counters() []Counter {
	var out []Counter
	for _, part := range s.set.Counters() {
		for _, x := range part.All {
			out = append(out, Counter{part.Part + "." + x.Name, x.Value})
		}
	}
	return out
}
