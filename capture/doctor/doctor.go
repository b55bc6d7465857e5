// Package doctor judges a mirror port: it watches frames and flows, gathers
// facts, and turns them into findings that say what they mean for detection and
// how to mend them. Facts become findings in pure functions; only ReadMachine
// asks the machine for anything.
//
// It imports packet, records and sensor, and never another adapter.
package doctor

import (
	"net/netip"

	"kagami/records"
	"kagami/sensor"
)

// Options say what the doctor should expect.
type Options struct {
	Internal []netip.Prefix // networks that must show up, nil: it is not known which
	Own      [][6]byte      // hardware addresses of the capturing machine: its own traffic is not the mirror's
}

// Doctor watches one capture. Store and Observe fit sensor.Options; Facts may be
// called when the engine has ended.
type Doctor struct {
	o       Options
	watches []*watch
	flows   flows
}

// New makes a doctor.
func New(o Options) *Doctor {
	return &Doctor{o: o, flows: newFlows(o)}
}

// Store makes the observer of one worker's frames; it keeps none.
func (d *Doctor) Store(int) sensor.Store {
	w := &watch{own: d.o.Own}
	d.watches = append(d.watches, w)
	return w
}

// Observe takes note of records, in any order.
func (d *Doctor) Observe(rs []records.Record) {
	for _, r := range rs {
		if f, ok := r.(*records.Flow); ok {
			d.flows.observe(f)
		}
	}
}

// Facts are what was found. src are the totals of the source; m is nil for files.
func (d *Doctor) Facts(src sensor.SourceStats, m *Machine) Facts {
	var sum watch
	for _, w := range d.watches {
		sum.merge(w)
	}
	return Facts{
		Frames:  sum.facts(),
		Flows:   d.flows.facts(),
		Source:  Source{Received: src.Received, Dropped: src.Dropped, Freezes: src.Freezes, Filtered: src.Filtered},
		Machine: m,
	}
}
