package detection

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"kagami/detectors"
	"kagami/lab/events"
	"kagami/records"
)

func found(beats ...int) Sample {
	var out Sample
	for _, b := range beats {
		f := &Find{First: 1, Beats: 100, Attack: &events.Attack{Cell: events.Cell{Sleep: time.Hour}}}
		if b > 0 {
			f.Hits[Kagami] = Hit{At: 1 + int64(b)*1e9, Beat: b, Alerts: 2}
		}
		out = append(out, f)
	}
	return out
}

func TestSample(t *testing.T) {
	s := found(5, 7, 0, 31)
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"recall", s.recall(Kagami), 0.75},
		{"by six beats", s.within(Kagami, 6), 0.25},
		{"by thirty", s.soon(Kagami), 0.5},
		{"median", s.beats(Kagami, 0.5), 7},
		{"p75", s.beats(Kagami, 0.75), 31},
		{"p90: one was never found", s.beats(Kagami, 0.9), math.Inf(1)},
		{"seconds", s.seconds(Kagami, 0.5), 7},
		{"alerts an attack", s.told(Kagami), 2},
		{"another tool", s.recall(RITAMedium), 0},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	if !math.IsNaN(Sample(nil).beats(Kagami, 0.5)) || !math.IsNaN(Sample(nil).recall(Kagami)) {
		t.Error("of nothing there is a quantile")
	}
}

func TestWhose(t *testing.T) {
	a, b := netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("10.0.0.6")
	c2 := netip.MustParseAddr("198.18.0.7")
	beacon := &events.Attack{ID: "b", Kind: "beacon", Source: a, Names: []string{"cdn.evil.example"}, Addrs: []netip.Addr{c2}}
	scan := &events.Attack{ID: "s", Kind: "scan", Source: a}
	egress := &events.Attack{ID: "e", Kind: "egress", Source: b, Names: []string{"x.example"}}
	l := newLedger("small", 1, []*events.Attack{beacon, scan, egress})
	for _, s := range l.sieges {
		s.First, s.Last = 1000, 2000
	}
	for _, c := range []struct {
		name string
		f    finding
		want *events.Attack
	}{
		{"its name", finding{kind: "beacon", source: a, host: "cdn.evil.example"}, beacon},
		{"its registered domain", finding{kind: "beacon", source: a, host: "evil.example"}, beacon},
		{"its address", finding{kind: "egress", source: a, addr: c2}, beacon},
		{"its address as text", finding{kind: "egress", source: a, host: "198.18.0.7"}, beacon},
		{"another name", finding{kind: "beacon", source: a, host: "good.example"}, nil},
		{"part of a label", finding{kind: "beacon", source: a, host: "il.example"}, nil},
		{"another machine", finding{kind: "beacon", source: b, host: "cdn.evil.example"}, nil},
		{"a scan has no destination", finding{kind: "scan", source: a, host: "10.0.0.0/24"}, scan},
		{"a scan long after", finding{kind: "scan", source: a, at: 2001 + grace}, nil},
		{"a bypass to many", finding{kind: "egress", source: b}, egress},
		{"no detection of that kind", finding{source: a}, nil},
	} {
		var got *events.Attack
		if s := l.whose(&c.f); s != nil {
			got = s.Attack
		}
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestNote(t *testing.T) {
	s := &siege{Find: Find{Attack: &events.Attack{Kind: "beacon"}, Beats: 9}}
	s.note(&finding{tool: Kagami, kind: "beacon", at: 5, watch: true}, &events.Label{Attack: s.Attack, Beat: 4})
	s.note(&finding{tool: Kagami, kind: "egress", at: 6}, nil)
	s.note(&finding{tool: Kagami, kind: "beacon", at: 7}, &events.Label{Attack: s.Attack, Beat: 6})
	s.note(&finding{tool: Kagami, kind: "beacon", at: 8}, nil)
	s.note(&finding{tool: RITAMedium, kind: "beacon", at: 9}, nil)
	for tool, want := range map[Tool]Hit{KagamiWatch: {5, 4, 3}, KagamiAny: {6, 9, 3}, Kagami: {7, 6, 2}, RITAMedium: {9, 9, 1}, RITAHigh: {}} {
		if s.Hits[tool] != want {
			t.Errorf("%v: %+v, want %+v", tool, s.Hits[tool], want)
		}
	}
}

func TestHostOf(t *testing.T) {
	for in, want := range map[string]string{"C2.example:443": "c2.example", "192.0.2.1:80": "192.0.2.1", "[2001:db8::1]:443": "2001:db8::1",
		"2001:db8::1": "2001:db8::1", "192.0.2.1": "192.0.2.1", "name": "name", "": ""} {
		if got := hostOf(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestMissing(t *testing.T) {
	a := records.NewAlert(records.Meta{At: 5})
	if got := Missing(a); len(got) < 10 {
		t.Errorf("of an empty alert %v is missing", got)
	}
	a.Rule, a.Title, a.TitleJA, a.Benign, a.BenignJA = "beacon", "x", "x", "x", "x"
	a.Evidence, a.EvidenceJA, a.Technique, a.Flows = []string{"1", "2"}, []string{"1", "2"}, []string{"T1071"}, []string{"f"}
	a.Source, a.Destination, a.Since, a.Until, a.Severity, a.Score = netip.MustParseAddr("10.0.0.5"), "x", 1, 2, records.High, 12
	a.Incident, a.Level = "i", "alert"
	if got := strings.Join(Missing(a), ", "); got != "histogram of intervals" {
		t.Errorf("missing %s", got)
	}
}

// play runs the smoke plan.
func play(t *testing.T, workers int, reuse bool) *Results {
	t.Helper()
	jobs := Smoke().Jobs()
	for i := range jobs {
		jobs[i].Options.Reuse = reuse
	}
	n := 0
	out := Run(jobs, detectors.Default(), workers, func(*Outcome) { n++ })
	if n != len(jobs) {
		t.Errorf("%d of %d jobs told that they are done", n, len(jobs))
	}
	return NewResults(Smoke(), out)
}

func text(r *Results) string {
	var b bytes.Buffer
	r.Write(&b, "report", nil)
	for _, f := range r.Figures() {
		b.WriteString(f.SVG)
	}
	return b.String()
}

// TestSameReport plays the same worlds with other numbers of workers, and with
// records that live on: detectors and peers must keep nothing of a record.
func TestSameReport(t *testing.T) {
	r := play(t, 1, true)
	one := text(r)
	if text(play(t, 2, true)) != one {
		t.Error("the report depends on the number of workers")
	}
	if text(play(t, 2, false)) != one {
		t.Error("the report depends on whether records are used again")
	}
	found := pick(r.finds, func(f *Find) bool { return f.Hits[Kagami].At != 0 })
	if len(r.finds) != 4 || len(found) < 3 {
		t.Errorf("%d of %d attacks found in the smallest world", len(found), len(r.finds))
	}
	if rita := pick(r.finds, func(f *Find) bool { return f.Hits[RITAMedium].At != 0 }); len(rita) == 0 {
		t.Error("RITA finds neither a beacon of a minute nor of an hour")
	}
	for _, want := range []string{"## Targets", "| B1 |", "| S1 |", "(report-recall.svg)", "| small | after it |"} {
		if !strings.Contains(one, want) {
			t.Errorf("the report lacks %q", want)
		}
	}
}

func TestFiguresAreXML(t *testing.T) {
	r := NewResults(Plan{}, nil)
	figures := append(r.Figures(), (&Cost{Heap: 1 << 20, RSS: 3 << 20}).Figure())
	if len(figures) != 7 {
		t.Errorf("%d figures", len(figures))
	}
	for _, f := range figures {
		d := xml.NewDecoder(strings.NewReader(f.SVG))
		var err error
		for err == nil {
			_, err = d.Token()
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", f.Name, err)
		}
		for _, no := range []string{"NaN", "Inf", "<script", "href"} {
			if strings.Contains(f.SVG, no) {
				t.Errorf("%s holds %q", f.Name, no)
			}
		}
	}
}

// TestPlan checks that the plans hold what the targets need.
func TestPlan(t *testing.T) {
	for _, p := range []Plan{Full(), Reduced()} {
		cells := map[events.Cell]int{}
		for _, j := range p.Jobs() {
			for _, s := range j.Options.Attacks {
				cells[s.Cell] += s.Count
			}
			if j.Options.Seed <= 5 {
				t.Errorf("seed %d is for tuning", j.Options.Seed)
			}
		}
		grid := 0
		for c, n := range cells {
			if plain(&c) {
				grid++
			}
			if n == 0 {
				t.Errorf("%v is planted nowhere", c)
			}
		}
		if grid < 72 {
			t.Errorf("%d cells in the grid of sleeps, jitters and losses, want 72 by each transport", grid)
		}
	}
}

func TestMeasure(t *testing.T) {
	c := Measure(detectors.Default(), 200, 1000, 1)
	if c.Heap <= 0 || c.FillNanos <= 0 || c.OfficeEvents == 0 || c.Plan <= 0 {
		t.Errorf("cost %+v", c)
	}
}

func TestTargetsNeedSomethingToJudge(t *testing.T) {
	for _, x := range NewResults(Plan{}, nil).Targets() {
		if x.Judged || x.Pass {
			t.Errorf("%s is judged on nothing: %+v", x.ID, x)
		}
	}
}

func BenchmarkSensor(b *testing.B) {
	w := events.New(events.Small(), events.Options{Seed: 1, Days: 2})
	var rs []records.Record
	for e := range w.Events() {
		rs = append(rs, e.Record)
	}
	b.ReportAllocs()
	for b.Loop() {
		s := NewSensor(detectors.Default())
		for _, r := range rs {
			s.Observe(r)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(rs)), "ns/event")
}

func TestRates(t *testing.T) {
	for x, want := range map[float64]string{0: "0", 0.00005154: "0.000052", 0.0014: "0.0014", 0.039: "0.039", 0.0996: "0.100", 0.25: "0.25", 3: "3.00", math.NaN(): "–"} {
		if got := rateText(x); got != want {
			t.Errorf("%v: %s, want %s", x, got, want)
		}
	}
}

// Daily beacons begin on every day of the week alike, and are enough to judge.
func TestDailyBeaconsOfThePlan(t *testing.T) {
	n := map[int]int{}
	for _, j := range Reduced().Jobs() {
		if j.Theme != beacons || j.Restart != 0 || j.Options.Loss != 0 {
			continue
		}
		for _, s := range j.Options.Attacks {
			if isDaily(&s.Cell) {
				n[s.Cell.Missed] += s.Count
				if s.To-s.From != 7*24*time.Hour || s.From < learningDays*24*time.Hour {
					t.Errorf("begins between %v and %v", s.From, s.To)
				}
			}
		}
	}
	if n[0] < 40 || n[20] < 40 {
		t.Errorf("%v daily beacons by the percentage of beats missed, want 40 each", n)
	}
}
