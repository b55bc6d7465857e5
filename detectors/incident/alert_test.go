package incident

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"kagami/records"
)

// An alert as a person reads it: told first for a beacon, then again because the
// machine goes around the proxy to the same place.
func TestAlertReads(t *testing.T) {
	desk := newDesk(t, Default())
	beacon := finding("beacon", start, 9.7, rare(), Reason{"service", -0.2, Say("a known name", "既知の名前")})
	beacon.Title = Say("%s contacts %s every %s", "%sが%sへ%sごとに接続", "10.0.0.5", Quote("c2.example:443"), Span(5*minute))
	beacon.Histogram = []records.Bin{{From: 4 * minute, To: 6 * minute, Count: 9}}
	_, told := desk.report(beacon)
	want := []string{
		"it did so 9 times",
		"+9.7 nats: the way of beacon",
		"+2.5 nats: one machine",
		"-0.2 nats: a known name",
		"the sensor has watched this network for less than a day: it cannot know yet what is new here",
	}
	if !slices.Equal(told[0].Evidence, want) {
		t.Errorf("first:\n%s", strings.Join(told[0].Evidence, "\n"))
	}
	_, told = desk.report(finding("direct-egress", start+2*hour, 8))
	a := told[0]
	if a.Title != `10.0.0.5 contacts "c2.example:443" every 5.0 min` || a.TitleJA != `10.0.0.5が"c2.example:443"へ5.0分ごとに接続` || len(a.Histogram) != 1 {
		t.Errorf("title %q, %q", a.Title, a.TitleJA)
	}
	want = []string{
		"update 2, more urgent: 20.0 nats now, 12.0 when last told (2026-05-28 20:26:40Z)",
		"it did so 9 times",
		"besides, rule direct-egress: 10.0.0.5 does direct-egress",
		"it did so 9 times",
		"+9.7 nats: the way of beacon",
		"+8.0 nats: the way of direct-egress",
		"+2.5 nats: one machine",
		"-0.2 nats: a known name",
		"the sensor has watched this network for less than a day: it cannot know yet what is new here",
	}
	if !slices.Equal(a.Evidence, want) {
		t.Errorf("update:\n%s", strings.Join(a.Evidence, "\n"))
	}
	ja := []string{
		"続報2（緊急度上昇）：前回通知時（2026-05-28 20:26:40Z）12.0ナット → 現在20.0ナット",
		"9回",
		"加えてルールdirect-egress：10.0.0.5がdirect-egressを行っている",
		"9回",
		"+9.7ナット：beaconの特徴",
	}
	if !slices.Equal(a.EvidenceJA[:len(ja)], ja) {
		t.Errorf("Japanese:\n%s", strings.Join(a.EvidenceJA, "\n"))
	}
}

// An alert names the machine's other incidents, the latest first, but none that
// nobody was told of, none of others, and not itself.
func TestOthers(t *testing.T) {
	desk := newDesk(t, Default())
	report := func(key uint64, source string, at int64, nats float64) []string {
		f := finding("beacon", at, nats)
		f.Key, f.Source = key, netip.MustParseAddr(source)
		_, told := desk.report(f)
		var lines []string
		for _, a := range told {
			for _, s := range a.Evidence {
				if rest, ok := strings.CutPrefix(s, "another incident of this machine, told "); ok {
					lines = append(lines, rest)
				}
			}
		}
		return lines
	}
	if got := report(1, "10.0.0.5", start, 13); got != nil {
		t.Errorf("the first names %q", got)
	}
	report(2, "10.0.0.6", start, 13)
	report(3, "10.0.0.5", start, 9) // watched
	got := report(4, "10.0.0.5", start+minute, 19)
	if len(got) != 1 || !strings.HasPrefix(got[0], "2026-05-28 20:26:40Z: beacon ") || !strings.HasSuffix(got[0], ", level alert: 10.0.0.5 does beacon") {
		t.Errorf("got %q", got)
	}
	for key := range uint64(3) {
		got = report(5+key, "10.0.0.5", start+int64(key+2)*minute, 13)
	}
	if len(got) != maxOthers || !strings.HasPrefix(got[0], "2026-05-28 20:29:40Z") || !strings.Contains(got[2], "level high") {
		t.Errorf("got %q", got)
	}
}

// Rules that have advice have it in both languages; others have none.
func TestAdvice(t *testing.T) {
	for _, rule := range []string{"beacon", "direct-egress", "lateral-scan", "port-scan", "executable-download", "drive-by"} {
		if a := Advice(rule); a.EN == "" || a.JA == "" || strings.HasSuffix(a.EN, ".") || strings.HasSuffix(a.JA, "。") {
			t.Errorf("%s: %+v", rule, a)
		}
	}
	if !Advice("other").Zero() {
		t.Error("advice for what is not known")
	}
}

// What the sensor could not see stands in the alert, whatever else does.
func TestCaveats(t *testing.T) {
	desk := newDesk(t, Default())
	at := start
	stats := func(dropped uint64) {
		r := records.NewStats(records.Meta{At: at + minute})
		r.Start, r.End, r.Frames, r.Dropped = at, at+minute, 1000, dropped
		at += minute
		desk.census.Observe(r, nil)
	}
	for range 5 {
		stats(0)
	}
	stats(900)
	for i := range uint64(40) {
		m := *meta(at, i+1)
		m.Visibility.OneSided = true
		r := records.NewFlow(m)
		r.Start, r.End = at, at
		r.Orig.Payload, r.Orig.Packets = 100, 3
		desk.census.Observe(r, nil)
	}
	f := finding("beacon", at, 12)
	for range 100 {
		f.Facts = append(f.Facts, Same("a fact"))
	}
	_, told := desk.report(f)
	for _, want := range []string{"for less than a day", "seen in one direction only", "lost many frames, for 60 s of that time"} {
		if !contains(told[0].Evidence, want) {
			t.Errorf("%q is not said in %q", want, told[0].Evidence)
		}
	}
}
