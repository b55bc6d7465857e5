package incident

import (
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
