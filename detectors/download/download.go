// Package download finds programs that nobody asked for, or that come in
// disguise: the content is a program, type or name say otherwise, the place is
// known to nobody else, and the user was led there through foreign sites, perhaps
// past an object that attacks the browser. An honest update is a program as well;
// it says so, and other machines fetch it, too.
//
// One visit is one incident: of the rule drive-by where the way was not the
// user's, else of executable-download.
//
// It imports census, incident, state, table, records and sensor.
package download

import (
	"kagami/detectors/census"
	"kagami/detectors/incident"
	"kagami/detectors/table"
	"kagami/records"
	"kagami/sensor"
)

// Rules of the findings.
const (
	ruleDriveBy    = "drive-by"
	ruleExecutable = "executable-download"
)

// Detector implements sensor.Detector and state.Part. It must see each record
// after the census, on the same goroutine.
type Detector struct {
	config   Config
	census   *census.Census
	book     *incident.Book
	visits   *table.Table[visits]  // by machine
	voices   *table.Table[voices]  // by machine
	episodes *table.Table[episode] // by machine
	guilty   *table.Table[guilt]   // by registered domain
	domains  domains
	files    [filesAhead]file // the last that matter: each is followed by its transaction
	filed    int
	leaf     visit // one that is not remembered

	programs, risky, relayed, unfiled, confirmed uint64
}

// New makes a detector that reports to the book.
func New(c Config, who *census.Census, b *incident.Book) *Detector {
	return &Detector{config: c, census: who, book: b,
		visits: table.New[visits](c.Clients), voices: table.New[voices](voicesPerClient * c.Clients),
		episodes: table.New[episode](maxEpisodes), guilty: table.New[guilt](maxGuilty)}
}

// Observe implements sensor.Detector.
func (d *Detector) Observe(r records.Record, emit sensor.Emit) {
	switch r := r.(type) {
	case *records.File:
		if r.Source == "http" && !r.FromClient && !passive(r.Class) {
			d.files[d.filed%filesAhead] = fileOf(r)
			d.filed++
		}
	case *records.HTTP:
		d.transaction(r, emit)
	case *records.TLS:
		d.shook(r, emit)
	}
}

// Advance implements sensor.Detector. A download is judged when it is complete.
func (d *Detector) Advance(int64, sensor.Emit) {}

// Counter is one number of the bookkeeping.
type Counter = census.Counter

// Counters are what was looked at, how full the tables are, and what they had to
// forget.
func (d *Detector) Counters() []Counter {
	return []Counter{
		{Name: "programs", Value: d.programs}, {Name: "risky_objects", Value: d.risky}, {Name: "relayed_by_proxy", Value: d.relayed},
		{Name: "without_file", Value: d.unfiled}, {Name: "confirmed", Value: d.confirmed},
		{Name: "clients", Value: uint64(d.visits.Len())}, {Name: "clients_evicted", Value: d.visits.Evicted()},
		{Name: "voices", Value: uint64(d.voices.Len())}, {Name: "voices_evicted", Value: d.voices.Evicted()},
		{Name: "episodes", Value: uint64(d.episodes.Len())}, {Name: "episodes_evicted", Value: d.episodes.Evicted()},
		{Name: "guilty_domains", Value: uint64(d.guilty.Len())}, {Name: "guilty_domains_evicted", Value: d.guilty.Evicted()},
	}
}

func (d *Detector) transaction(r *records.HTTP, emit sensor.Emit) {
	k, ok := d.contactOf(r)
	if !ok {
		return
	}
	if d.census.Proxy(k.Client) {
		d.relayed++
		return
	}
	g := goodsOf(r, d.fileOf(r))
	v, _ := d.visits.At(k.Source)
	x := &d.leaf
	if !leaf(r, g.risk) {
		x = v.next()
	}
	d.condense(x, r, &k, &g)
	told := d.requested(r, &k, x, emit)
	switch g.risk {
	case harmless:
		return
	case program:
		d.programs++
	default:
		d.risky++
	}
	if len(r.ResponseFiles) == 0 {
		d.unfiled++
	}
	if !told {
		d.judge(r, &k, v, x, &g, emit)
	}
}

// contactOf is that of the census, and servers inside count, too: a machine of
// this network that was broken into attacks its neighbours.
func (d *Detector) contactOf(r *records.HTTP) (census.Contact, bool) {
	m := r.Meta()
	if r.Method == "CONNECT" || !m.ClientInternal {
		return census.Contact{}, false
	}
	if r.Proxied || !m.ServerInternal {
		return d.census.ContactOf(r)
	}
	if !r.RequestSeen || r.Start <= 0 {
		return census.Contact{}, false
	}
	server := m.Server()
	k := census.Contact{Meta: m, Start: r.Start, Source: d.census.Source(m), Client: m.Client().Addr(),
		Addr: server.Addr(), Port: server.Port(), How: census.OverHTTP, Agent: r.UserAgent}
	if t, err := census.ParseTarget(r.Host); err == nil && t.Name != "" {
		k.Name = t.Name
	}
	return k, true
}

// fileOf is what is known of what a response carried, nil if nothing is.
func (d *Detector) fileOf(r *records.HTTP) *file {
	if len(r.ResponseFiles) == 0 {
		return nil
	}
	id := textKey(r.ResponseFiles[0].ID)
	for i := d.filed - 1; i >= 0 && i >= d.filed-filesAhead; i-- {
		if f := &d.files[i%filesAhead]; f.id == id {
			return f
		}
	}
	return nil
}
