package incident

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"kagami/records"
)

// A full book forgets what was not told before what was.
func TestFullBook(t *testing.T) {
	c := Default()
	c.Entries = 16
	desk := newDesk(t, c)
	report := func(key uint64, nats float64) {
		f := finding("beacon", start+int64(key), nats)
		f.Key = key
		desk.report(f)
	}
	for key := range uint64(8) {
		report(key+1, 12)
	}
	for key := range uint64(200) {
		report(1000+key, 5)
	}
	if desk.book.entries.Len() != 16 || desk.counter("evicted") != 200+8-16 {
		t.Errorf("%d entries, %d evicted", desk.book.entries.Len(), desk.counter("evicted"))
	}
	for key := range uint64(8) {
		if !desk.book.Known("beacon", netip.MustParseAddr("10.0.0.5"), key+1) {
			t.Errorf("incident %d, which was told, is forgotten", key+1)
		}
	}
}

// One incident keeps three rules: the weakest goes.
func TestFullIncident(t *testing.T) {
	desk := newDesk(t, Default())
	for i, nats := range []float64{5, 4, 6, 7} {
		desk.report(finding(fmt.Sprint("rule", i), start+int64(i), nats))
	}
	source := netip.MustParseAddr("10.0.0.5")
	if desk.book.Known("rule1", source, 7) || !desk.book.Known("rule0", source, 7) || !desk.book.Known("rule3", source, 7) {
		t.Error("not the weakest was dropped")
	}
	if got := desk.book.entries.Get(7).score; got != 18 {
		t.Errorf("score %v, want 18", got)
	}
}

// What one finding keeps stays within what Memory says.
func TestFindingIsBounded(t *testing.T) {
	f := finding("beacon", start, 12)
	long := strings.Repeat("漢字", 2000)
	for i := range 200 {
		f.Facts = append(f.Facts, Text{long, long})
		f.Reasons = append(f.Reasons, Reason{fmt.Sprint(i), 0.1, Text{long, long}})
		f.Histogram = append(f.Histogram, records.Bin{From: int64(i), To: int64(i + 1), Count: 1})
		f.Chain = append(f.Chain, long)
		f.Technique = append(f.Technique, long)
	}
	f.Flows = new(Samples)
	for i := range uint64(100) {
		m := meta(start, i+1)
		m.CommunityID = fmt.Sprintf("1:%028d", i)
		f.Flows.Add(m)
	}
	var p part
	lost := p.fill(f)
	texts := len(p.title.EN+p.title.JA) + len(p.benign.EN+p.benign.JA)
	for _, t := range p.facts {
		texts += len(t.EN + t.JA)
	}
	for _, r := range p.reasons {
		texts += len(r.Text.EN + r.Text.JA)
	}
	if lost == 0 || texts > maxTexts || len(p.facts) > maxFacts || len(p.reasons) != maxReasons || len(p.histogram) != maxBins ||
		len(p.chain) != maxChain || len(p.technique) != maxTechnique || p.flows.Len() != maxSamples {
		t.Errorf("lost %d, %d octets of text, %d facts, %d reasons, %d bins, %d steps, %d techniques, %d flows", lost, texts,
			len(p.facts), len(p.reasons), len(p.histogram), len(p.chain), len(p.technique), p.flows.Len())
	}
	if cut, ok := strings.CutSuffix(p.facts[1].JA, "..."); !ok || !strings.HasPrefix(long, cut) || strings.ToValidUTF8(p.facts[1].JA, "?") != p.facts[1].JA {
		t.Error("a text was cut within a character")
	}
}

func TestConfig(t *testing.T) {
	c := Default()
	if errs := c.Validate(); errs != nil {
		t.Errorf("the default is wrong: %v", errs)
	}
	if m := c.Memory(); m < 1<<20 || m > 20<<20 {
		t.Errorf("%d octets", m)
	}
	for want, bad := range map[string]Config{
		"detect.incident.watch: got 0.5, want 1 to 100":           {0.5, 12, 18, false, 512},
		"detect.incident.alert: got 7, want 8 to 100":             {8, 7, 18, false, 512},
		"detect.incident.high: got 11, want 12 to 100":            {8, 12, 11, false, 512},
		"detect.incident.entries: got 15, want 16 to 100000":      {8, 12, 18, false, 15},
		"detect.incident.entries: got 1000000, want 16 to 100000": {8, 12, 18, false, 1000000},
	} {
		if errs := bad.Validate(); len(errs) != 1 || errs[0].Error() != want {
			t.Errorf("got %v, want %s", errs, want)
		}
	}
}

func BenchmarkWants(b *testing.B) {
	desk := newDesk(nil, Default())
	desk.book.Report(finding("beacon", start, 12), desk.emit)
	source := netip.MustParseAddr("10.0.0.5")
	b.ReportAllocs()
	for at := start; b.Loop(); at++ {
		if desk.book.Wants("beacon", source, 7, 12.5, at) {
			b.Fatal("wants")
		}
	}
}

func BenchmarkReport(b *testing.B) {
	desk := newDesk(nil, Default())
	f := finding("beacon", start, 12)
	b.ReportAllocs()
	for b.Loop() {
		desk.book.Report(f, desk.emit)
	}
}
