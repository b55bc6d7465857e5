// Package canary finds the labelled traffic of kagami canary, and tells of it at
// once: so a person sees that what passes the mirror port becomes an alert where
// alerts are read.
//
// One label is one alert, of low severity. The label does nothing else: it hides
// no traffic from any other detector. Since it is public, the alerts of an hour
// are limited.
//
// It imports census, incident, state, table, records and sensor.
package canary

import (
	"net/netip"
	"time"

	"kagami/detectors/census"
	"kagami/detectors/incident"
	"kagami/detectors/state"
	"kagami/detectors/table"
	"kagami/records"
	"kagami/sensor"
)

// Rule is the rule of the alerts.
const Rule = "canary"

const hour = int64(time.Hour)

// Detector implements sensor.Detector and state.Part.
type Detector struct {
	config Config
	book   *incident.Book
	told   *table.Table[struct{}] // labels
	hour   int64                  // number of the hour that is counted
	inHour int                    // alerts of it

	alerts, repeated, suppressed, beyond uint64
}

// New makes a detector that has told nothing. The book is asked what is
// suppressed.
func New(c Config, b *incident.Book) *Detector {
	return &Detector{config: c, book: b, told: table.New[struct{}](maxTold)}
}

// Observe implements sensor.Detector.
func (d *Detector) Observe(r records.Record, emit sensor.Emit) {
	switch r := r.(type) {
	case *records.DNS:
		if !r.Response || r.RTT < 0 { // an answer is told with its query, if that was seen
			d.sighted(r, r.Name, emit)
		}
	case *records.HTTP:
		if !r.RequestSeen {
			return
		}
		for _, s := range [...]string{r.Host, r.URL, r.UserAgent} {
			if d.sighted(r, s, emit) {
				return
			}
		}
	case *records.TLS:
		d.sighted(r, r.ServerName, emit)
	}
}

// Advance implements sensor.Detector. Every alert is raised by a record.
func (d *Detector) Advance(int64, sensor.Emit) {}

// sighted looks for a label in a text of a record, and tells of one that is new.
func (d *Detector) sighted(r records.Record, text string, emit sensor.Emit) bool {
	l, ok := Find(text)
	if !ok || !l.fits(r) {
		return ok
	}
	key := table.Name(l.Run + l.Step)
	if d.told.Get(key) != nil {
		d.repeated++
		return true
	}
	m := r.Meta()
	if h := m.At / hour; h != d.hour {
		d.hour, d.inHour = h, 0
	}
	if d.inHour >= d.config.AlertsPerHour {
		d.beyond++ // and not remembered: it is told if it comes again later
		return true
	}
	s := sightOf(l, r)
	if d.book.Allowed(Rule, m, s.client, s.destination(), s.server, m.At) {
		d.suppressed++
		return true
	}
	d.told.At(key)
	d.inHour++
	d.alerts++
	emit(s.alert(d.inHour == d.config.AlertsPerHour))
	return true
}

// fits tells whether a record is of the kind that the step stands for.
func (l Label) fits(r records.Record) bool {
	switch r := r.(type) {
	case *records.DNS:
		return l.Step == StepDNS
	case *records.TLS:
		return l.Step == StepTLS
	case *records.HTTP:
		return l.Step == StepConnect && r.Method == "CONNECT" || (l.Step == StepHTTP || l.Step == StepTimer) && r.Method != "CONNECT"
	}
	return false
}

// Counter is one number of the bookkeeping.
type Counter = census.Counter

// Counters are what was told, and what was not.
func (d *Detector) Counters() []Counter {
	return []Counter{
		{Name: "told", Value: d.alerts}, {Name: "repeated", Value: d.repeated}, {Name: "suppressed", Value: d.suppressed},
		{Name: "beyond_limit", Value: d.beyond},
		{Name: "labels", Value: uint64(d.told.Len())}, {Name: "labels_evicted", Value: d.told.Evicted()},
	}
}

// Explain says whether a label was told; of other destinations there is nothing to
// say.
func (d *Detector) Explain(_ netip.Addr, t census.Target, say func(incident.Text)) {
	l, ok := Find(t.Name)
	if !ok {
		return
	}
	if d.told.Get(table.Name(l.Run+l.Step)) != nil {
		say(incident.Say("canary: step %s of run %s was told", "canary：実行%[2]sのステップ%[1]sは通知済み", l.Step, l.Run))
		return
	}
	say(incident.Say("canary: step %s of run %s was not told; in this hour %d of %d alerts are", "canary：実行%[2]sのステップ%[1]sは未通知。この1時間の通知は%[3]d件（上限%[4]d件）",
		l.Step, l.Run, d.inHour, d.config.AlertsPerHour))
}

// Name implements state.Part: the [detect.NAME] section that governs it.
func (d *Detector) Name() string { return "canary" }

// Version implements state.Part.
func (d *Detector) Version() int { return 1 }

// Save implements state.Part.
func (d *Detector) Save(e *state.Encoder) {
	d.told.Save(e, func(*state.Encoder, *struct{}) {})
	e.Int(d.hour)
	e.Uint(uint64(d.inHour))
}

// Load implements state.Part.
func (d *Detector) Load(in *state.Decoder) {
	d.told.Load(in, func(*state.Decoder, *struct{}) {})
	d.hour = in.Int()
	d.inHour = int(min(in.Uint(), 1<<31-1))
}
