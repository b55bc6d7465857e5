package events

import (
	"fmt"
	"hash/fnv"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"kagami/records"
)

// summary is what matters in an event, as text.
func summary(e Event) string {
	m := e.Record.Meta()
	out := fmt.Sprint(m.At, m.UID, m.Seq, m.Kind == records.KindPulse, m.Client(), m.Server(), e.Label.Class, e.Label.Beat, m.Visibility)
	switch r := e.Record.(type) {
	case *records.Flow:
		return out + fmt.Sprint(r.Start, r.End, r.ConnState, r.History, r.Service, r.ServerName, r.Orig, r.Resp, r.Action)
	case *records.HTTP:
		return out + fmt.Sprint(r.Start, r.End, r.Method, r.URL, r.Host, r.UserAgent, r.RequestBody, r.ResponseBody, r.TunnelFromOrig)
	case *records.TLS:
		return out + fmt.Sprint(r.Start, r.ServerName, r.JA4, r.Via)
	case *records.DNS:
		return out + fmt.Sprint(r.Time, r.Name, r.Type, r.RCode, r.Answers)
	case *records.Pulse:
		return out + fmt.Sprint(r.Start, r.Idle, r.Bytes, r.Authority)
	case *records.ARP:
		return out + fmt.Sprint(r.Op, r.Sender, r.Target)
	case *records.Stats:
		return out + fmt.Sprint(r.Frames, r.Dropped)
	}
	return out
}

// digest plays a world and returns a hash of it.
func digest(w *World) uint64 {
	h := fnv.New64a()
	for e := range w.Events() {
		h.Write([]byte(summary(e)))
	}
	return h.Sum64()
}

// TestSameEverywhere: the hashes of these worlds are the same on every machine.
// Whoever changes what happens in a world changes them here.
func TestSameEverywhere(t *testing.T) {
	attacks := []Spec{
		{Cell: Cell{Kind: "beacon", Sleep: 10 * time.Minute, Jitter: 50, Transport: Connect, Beats: 20, Noise: 50, Rotate: 3, Interactive: true}, Count: 2, From: 10 * time.Hour},
		{Cell: Cell{Kind: "scan", Shape: Horizontal, Port: 445, Spacing: time.Minute, Targets: 30, Dark: 50, Success: 20}, Count: 1, From: 10 * time.Hour},
	}
	for _, c := range []struct {
		site Site
		opt  Options
		want uint64
	}{
		{Small(), Options{Seed: 1, Days: 1, Attacks: attacks}, goldenSmall},
		{Office().Scaled(10), Options{Seed: 2, Days: 1, Attacks: attacks, Loss: 0.01}, goldenOffice},
		{Factory().Scaled(20), Options{Seed: 3, Days: 1, Pace: 50}, goldenFactory},
	} {
		w := New(c.site, c.opt)
		got := digest(w)
		if got != c.want {
			t.Errorf("%s: hash %#x, want %#x", c.site.Name, got, c.want)
		}
		if again := digest(w); again != got {
			t.Errorf("%s: a second play differs", c.site.Name)
		}
		c.opt.Reuse = true
		if again := digest(New(c.site, c.opt)); again != got {
			t.Errorf("%s: differs when records are made again", c.site.Name)
		}
		c.opt.Seed++
		if digest(New(c.site, c.opt)) == got {
			t.Errorf("%s: another seed makes the same world", c.site.Name)
		}
	}
}

const (
	goldenSmall   = 0x819a80b0ab79ed04
	goldenOffice  = 0x4fe6da2e2ff60370
	goldenFactory = 0xd04a1cad147dfc36
)

// TestOrder: events come in the order in which the sensor writes records, inside
// the world's span, complete, and no two are the same record.
func TestOrder(t *testing.T) {
	for _, s := range Sites() {
		w := New(s, Options{Seed: 4, Days: 3, Reuse: true, Loss: 0.05})
		var last records.Meta
		end := w.Start() + 3*day
		for e := range w.Events() {
			m := e.Record.Meta()
			if !records.Less(&last, m) {
				t.Fatalf("%s: %s at %d behind %d", s.Name, e.Label.Class, m.At, last.At)
			}
			last = *m
			if m.At < w.Start() || m.At >= end {
				t.Fatalf("%s: %s at %d, outside the world", s.Name, e.Label.Class, m.At)
			}
			if m.Kind != records.KindStats {
				check(t, e)
			}
		}
	}
}

// check checks what every record must hold.
func check(t *testing.T, e Event) {
	t.Helper()
	m := e.Record.Meta()
	client, server := m.Client().Addr(), m.Server().Addr()
	if m.Kind == records.KindARP {
		client = e.Record.(*records.ARP).Sender
	}
	start, end := int64(0), m.At
	switch r := e.Record.(type) {
	case *records.Flow:
		start, end = r.Start, r.End
		if r.ConnState == "" || r.Action == "" || r.Orig.Packets == 0 {
			t.Fatalf("incomplete flow: %+v", r)
		}
	case *records.HTTP:
		start, end = r.Start, r.End
	case *records.TLS:
		start, end = r.Start, r.End
	case *records.DNS:
		start = r.Time
	case *records.Pulse:
		start = r.Start
		if r.Idle < records.PulsePause || r.Bytes <= 0 {
			t.Fatalf("pulse after %d of %d octets", r.Idle, r.Bytes)
		}
	case *records.ARP:
		start = m.At
	}
	if start == 0 || end < start || m.At < end {
		t.Fatalf("%s %s: start %d, end %d, at %d", e.Label.Class, m.Client(), start, end, m.At)
	}
	if m.UID == 0 || !m.ClientInternal || m.ClientInternal != client.IsPrivate() || m.ServerInternal != server.IsPrivate() {
		t.Fatalf("%s: %s > %s: wrong zones, or no id", e.Label.Class, client, server)
	}
	if m.ClientInternal && m.Kind != records.KindARP && m.ClientHost == nil {
		t.Fatalf("%s: %s is not known", e.Label.Class, client)
	}
}

// TestPlausible: what a site says in two weeks, by host and day, and how much of
// it repeats.
func TestPlausible(t *testing.T) {
	for _, c := range []struct {
		site          Site
		hosts         int
		least, most   int // records per host and day
		period        int // least percent of outward contacts that are no browsing
		rareClasses   int
		commonServers int // destinations that a tenth of the machines know
	}{
		{Small(), 15, 1500, 6000, 60, 12, 40},
		{Office(), 148, 1500, 4000, 30, 12, 40},
		{Factory(), 299, 700, 2500, 60, 12, 20},
	} {
		w := New(c.site, Options{Seed: 5, Days: 14, Reuse: true})
		if w.Hosts() != c.hosts {
			t.Errorf("%s: %d hosts, want %d", c.site.Name, w.Hosts(), c.hosts)
		}
		v := census(w)
		if perDay := v.records / c.hosts / 14; perDay < c.least || perDay > c.most {
			t.Errorf("%s: %d records per host and day, want %d to %d", c.site.Name, perDay, c.least, c.most)
		}
		if p := 100 * v.periodic / v.contacts; p < c.period {
			t.Errorf("%s: %d %% of contacts are no browsing, want %d", c.site.Name, p, c.period)
		}
		if len(v.rare) < c.rareClasses {
			t.Errorf("%s: %d rare classes: %v", c.site.Name, len(v.rare), v.rare)
		}
		once, common := 0, 0
		for _, hosts := range v.known {
			if len(hosts) == 1 {
				once++
			}
			if 10*len(hosts) >= c.hosts {
				common++
			}
		}
		if common < c.commonServers || once < 50 {
			t.Errorf("%s: of %d destinations %d are common and %d known to one machine", c.site.Name, len(v.known), common, once)
		}
		t.Logf("%s: %d records, %d per host and day; %d outward contacts, %d %% no browsing; %d destinations, %d known to one machine, %d to a tenth; rare %v",
			c.site.Name, v.records, v.records/c.hosts/14, v.contacts, 100*v.periodic/v.contacts, len(v.known), once, common, slices.Sorted(maps.Keys(v.rare)))
		for class, pairs := range v.rare {
			if len(pairs) != 1 {
				t.Errorf("%s: %s is of %d pairs of machine and destination, want 1", c.site.Name, class, len(pairs))
			}
		}
	}
}

// view is what a world looks like from outside.
type view struct {
	records, contacts, periodic int
	known                       map[string]map[netip.Addr]bool // destinations, by name
	rare                        map[string]map[string]bool
}

// census counts the named contacts of machines other than the proxy.
func census(w *World) view {
	v := view{known: make(map[string]map[netip.Addr]bool), rare: make(map[string]map[string]bool)}
	for e := range w.Events() {
		v.records++
		name, m := "", e.Record.Meta()
		switch r := e.Record.(type) {
		case *records.TLS:
			name = r.ServerName
		case *records.HTTP:
			if r.Method != "CONNECT" {
				name = r.Host
			}
		}
		if name == "" || m.ClientHost != nil && m.ClientHost.Name.Value == "proxy01" {
			continue
		}
		v.contacts++
		if e.Label.Class != "browse" {
			v.periodic++
		}
		if v.known[name] == nil {
			v.known[name] = make(map[netip.Addr]bool)
		}
		v.known[name][m.Client().Addr()] = true
		if Rare(e.Label.Class) {
			if v.rare[e.Label.Class] == nil {
				v.rare[e.Label.Class] = make(map[string]bool)
			}
			v.rare[e.Label.Class][m.ClientHost.Name.Value+" "+name] = true
		}
	}
	return v
}

// TestLoss: a sensor that misses packets misses what they told, and says so.
func TestLoss(t *testing.T) {
	count := func(loss float64) (queries int, frames, dropped uint64) {
		for e := range New(Small(), Options{Seed: 6, Days: 2, Loss: loss, Reuse: true}).Events() {
			switch r := e.Record.(type) {
			case *records.DNS:
				if !r.Response {
					queries++
				}
			case *records.Stats:
				frames += r.Frames
				dropped += r.Dropped
			}
		}
		return queries, frames, dropped
	}
	all, _, none := count(0)
	some, frames, dropped := count(0.05)
	if none != 0 || dropped == 0 || dropped > frames/10 {
		t.Errorf("dropped %d without loss, %d of %d with", none, dropped, frames)
	}
	if share := 1000 * some / all; share < 940 || share > 960 {
		t.Errorf("%d of %d queries are left, want 95 %%", some, all)
	}
}

// TestRenumbering: after the fifteenth day many machines have other addresses,
// some of them those of others, and are still the same machines.
func TestRenumbering(t *testing.T) {
	before, after := make(map[string]netip.Addr), make(map[string]netip.Addr)
	w := New(Office(), Options{Seed: 7, Days: 17, Pace: 5, Reuse: true})
	change := w.Start() + renumberDay + 4*hour
	for e := range w.Events() {
		m := e.Record.Meta()
		if m.ClientHost == nil {
			continue
		}
		if name := m.ClientHost.Name.Value; m.At < change-hour {
			before[name] = m.Client().Addr()
		} else if m.At > change+2*hour {
			after[name] = m.Client().Addr()
		}
	}
	moved, reused := 0, 0
	old := make(map[netip.Addr]bool)
	for _, a := range before {
		old[a] = true
	}
	for name, a := range after {
		if b := before[name]; b.IsValid() && a != b {
			moved++
			if old[a] {
				reused++
			}
		}
	}
	if moved < 15 || reused < 5 {
		t.Errorf("%d machines moved, %d of them to addresses that others had", moved, reused)
	}
}

// TestNothingPilesUp: what waits to be written does not grow with the days.
func TestNothingPilesUp(t *testing.T) {
	most := func(days int) int {
		w := New(Office().Scaled(4), Options{Seed: 8, Days: days, Reuse: true})
		sink := newRecorder(w.opt)
		r := newRun(w, sink)
		sink.r = r
		r.begin()
		n := 0
		for {
			for s, more := r.sources.first(); more && s.at <= sink.due(); s, more = r.sources.first() {
				r.step()
			}
			e, ok := sink.take()
			if !ok || e.Record.Meta().At >= r.end {
				return n
			}
			n = max(n, len(sink.queue.items)+len(r.spare))
			sink.release(e.Record)
		}
	}
	if short, long := most(4), most(25); long > 2*short || long > 20000 {
		t.Errorf("%d records wait in 4 days, %d in 25", short, long)
	}
}

func BenchmarkEvents(b *testing.B) {
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		for range New(Office(), Options{Seed: 1, Days: 2, Reuse: true}).Events() {
			n++
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/event")
	b.ReportMetric(float64(n)/float64(b.N), "events")
}
