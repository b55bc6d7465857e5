package incident

import (
	"math"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// Steps of one incident: what is reported when, and what is told.
func TestWhenToTell(t *testing.T) {
	type step struct {
		after         time.Duration
		nats, bearing float64
		level         Level
		update        int // 0 = nothing is told
		says          string
	}
	const h, d = time.Hour, 24 * time.Hour
	for name, steps := range map[string][]step{
		"below all levels":                           {{0, 7, 0, None, 0, ""}},
		"watched, not told":                          {{0, 8, 0, Watch, 0, ""}, {d, 11.9, 0, Watch, 0, ""}},
		"told once":                                  {{0, 12, 0, Alert, 1, ""}, {time.Minute, 13, 0, Alert, 0, ""}, {2 * h, 17.9, 0, Alert, 0, ""}},
		"becomes urgent: at once":                    {{0, 12, 0, Alert, 1, ""}, {time.Minute, 18, 0, High, 2, "update 2, more urgent: 18.0 nats now, 12.0 when last told"}},
		"urgent from the start":                      {{0, 30, 0, High, 1, ""}, {h, 40, 0, High, 0, ""}},
		"grown, but not within an hour":              {{0, 12, 1, Alert, 1, ""}, {h - 1, 13, 7, Alert, 0, ""}, {1, 13, 7, Alert, 2, "update 2, it has grown"}},
		"the score grows, what bears on it does not": {{0, 20, 1, High, 1, ""}, {2 * h, 40, 6.9, High, 0, ""}},
		"reminders of what is urgent after 1, 2, 4, 7, 7 days": {{0, 18, 0, High, 1, ""}, {d - 1, 18, 0, High, 0, ""}, {1, 18, 0, High, 2, "a reminder"},
			{2*d - 1, 18, 0, High, 0, ""}, {1, 18, 0, High, 3, ""}, {4 * d, 18, 0, High, 4, ""}, {7*d - 1, 18, 0, High, 0, ""}, {1, 18, 0, High, 5, ""}, {7 * d, 18, 0, High, 6, ""}},
		"of everything else every week":                                    {{0, 12, 0, Alert, 1, ""}, {7*d - 1, 12, 0, Alert, 0, ""}, {1, 12, 0, Alert, 2, "a reminder"}, {7 * d, 12, 0, Alert, 3, ""}},
		"no reminder once it is below":                                     {{0, 12, 0, Alert, 1, ""}, {5 * d, 9, 0, Watch, 0, ""}, {5 * d, 9, 0, Watch, 0, ""}, {d, 0, 0, None, 0, ""}},
		"up and down is one incident":                                      {{0, 12, 0, Alert, 1, ""}, {h, 3, 0, None, 0, ""}, {h, 12, 0, Alert, 0, ""}, {7*d - h, 12, 0, Alert, 2, "a reminder"}},
		"after seven days of silence it is another one":                    {{0, 12, 0, Alert, 1, ""}, {7*d + 1, 12, 0, Alert, 1, ""}},
		"a clock set back is no silence, and the last time does not count": {{0, 12, 0, Alert, 1, ""}, {-30 * d, 12, 0, Alert, 2, "a reminder"}, {time.Minute, 12, 0, Alert, 0, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			desk := newDesk(t, Default())
			now := start
			for i, s := range steps {
				now += int64(s.after)
				f := finding("beacon", now, s.nats)
				f.Bearing = s.bearing
				level, told := desk.report(f)
				update := 0
				if len(told) > 0 {
					update = told[0].Update
				}
				if level != s.level || update != s.update || len(told) > 1 {
					t.Fatalf("step %d: got level %q, update %d; want %q, %d", i, level, update, s.level, s.update)
				}
				if s.says != "" && !contains(told[0].Evidence, s.says) {
					t.Errorf("step %d: %q is not said in %q", i, s.says, told[0].Evidence)
				}
			}
		})
	}
}

func TestIDs(t *testing.T) {
	desk := newDesk(t, Default())
	_, a := desk.report(finding("beacon", start, 12))
	_, b := desk.report(finding("beacon", start+2*days, 18))
	if a[0].Incident != b[0].Incident || b[0].Update != 2 {
		t.Errorf("an update has another id: %s, %s", a[0].Incident, b[0].Incident)
	}
	_, c := desk.report(finding("beacon", start+10*days, 12))
	if c[0].Incident == a[0].Incident {
		t.Error("a new incident has an old id")
	}
	other := finding("beacon", start, 12)
	other.Key = 8
	if _, o := desk.report(other); o[0].Incident == a[0].Incident {
		t.Error("two destinations have one id")
	}
	again := newDesk(t, Default())
	if _, x := again.report(finding("beacon", start, 12)); x[0].Incident != a[0].Incident {
		t.Error("the same records give another id")
	}
}

// A weekly beacon is one incident: it is not over between two of its beats.
func TestSlowIncidents(t *testing.T) {
	desk := newDesk(t, Default())
	f := finding("beacon", start, 12)
	f.Every = 7 * days
	_, first := desk.report(f)
	for week := int64(1); week <= 4; week++ {
		f := finding("beacon", start+week*(7*days+3*hour), 12)
		f.Every = 7 * days
		_, told := desk.report(f)
		if len(told) != 1 || told[0].Incident != first[0].Incident || told[0].Update != int(week)+1 {
			t.Fatalf("week %d: told %d", week, len(told))
		}
	}
}

func TestFusion(t *testing.T) {
	desk := newDesk(t, Default())
	if level, told := desk.report(finding("beacon", start, 7, rare())); level != Watch || told != nil {
		t.Fatalf("one rule: level %q, %d told", level, len(told))
	}
	level, told := desk.report(finding("direct-egress", start+minute, 5.5, rare()))
	if level != Alert || len(told) != 1 {
		t.Fatalf("two rules: level %q, %d told", level, len(told))
	}
	a := told[0]
	if a.Score != 15 { // rarity counts once
		t.Errorf("score %v, want 15", a.Score)
	}
	if a.Rule != "beacon" || !contains(a.Evidence, "besides, rule direct-egress: 10.0.0.5 does direct-egress") {
		t.Errorf("rule %q, evidence %q", a.Rule, a.Evidence)
	}
	if !slices.Equal(a.Technique, []string{"T1071", "T-beacon", "T-direct-egress"}) {
		t.Errorf("techniques %q", a.Technique)
	}
	if len(a.Flows) != 2 || a.Since != start-hour || a.Until != start+minute {
		t.Errorf("%d flows, since %d until %d", len(a.Flows), a.Since-start, a.Until-start)
	}
	// The rule takes its evidence back: what is left no longer counts as an alert.
	if level, _ := desk.report(finding("beacon", start+2*minute, 0)); level != Watch {
		t.Errorf("after taking back: level %q, want watch", level)
	}
}

// What is about the source alone is one incident per rule.
func TestOwnIncidents(t *testing.T) {
	desk := newDesk(t, Default())
	scan := func(rule string) *Finding { f := finding(rule, start, 12); f.Key = 0; return f }
	_, a := desk.report(scan("lateral-scan"))
	_, b := desk.report(scan("port-scan"))
	if len(a) != 1 || len(b) != 1 || a[0].Incident == b[0].Incident {
		t.Error("two rules' own incidents are mixed")
	}
}

func TestWatchesToldIfWanted(t *testing.T) {
	c := Default()
	c.Watches = true
	desk := newDesk(t, c)
	_, a := desk.report(finding("beacon", start, 9))
	if len(a) != 1 || a[0].Level != "watch" || a[0].Severity.String() != "low" {
		t.Fatalf("told %d", len(a))
	}
	if _, b := desk.report(finding("beacon", start+3*days, 9)); b != nil {
		t.Error("reminded of what is only watched")
	}
	if _, c := desk.report(finding("beacon", start+3*days+minute, 12)); len(c) != 1 || c[0].Level != "alert" || c[0].Update != 2 {
		t.Error("its rise is not told")
	}
}

func TestSuppressed(t *testing.T) {
	desk := newDesk(t, Default())
	desk.hush["beacon"] = "line 4"
	if level, told := desk.report(finding("beacon", start, 20)); level != None || told != nil {
		t.Fatalf("level %q, %d told", level, len(told))
	}
	var open []Incident
	for i := range desk.book.Open(start) {
		open = append(open, i)
	}
	if len(open) != 1 || open[0].Suppressed != "line 4" {
		t.Errorf("open: %+v", open)
	}
	// Another rule must stand for itself.
	if level, _ := desk.report(finding("direct-egress", start+minute, 9)); level != Watch {
		t.Errorf("level %q, want watch", level)
	}
	if _, told := desk.report(finding("direct-egress", start+2*minute, 13)); len(told) != 1 || told[0].Score != 13 || contains(told[0].Evidence, "beacon") {
		t.Errorf("suppressed evidence is told: %+v", told)
	}
	// The entry expires: within an hour it is asked for again.
	delete(desk.hush, "beacon")
	if desk.book.Wants("beacon", netip.MustParseAddr("10.0.0.5"), 7, 20, start+minute) {
		t.Error("asked again after a minute")
	}
	if !desk.book.Wants("beacon", netip.MustParseAddr("10.0.0.5"), 7, 20, start+hour+minute) {
		t.Fatal("not asked again after an hour")
	}
	if _, told := desk.report(finding("beacon", start+hour+minute, 20)); len(told) != 1 || told[0].Level != "high" {
		t.Error("not told after the entry expired")
	}
	if n := desk.counter("suppressed"); n != 1 {
		t.Errorf("%d suppressed, want 1", n)
	}
}

func (d *desk) counter(name string) uint64 {
	for _, c := range d.book.Counters() {
		if c.Name == name {
			return c.Value
		}
	}
	d.t.Fatalf("no counter %q", name)
	return 0
}

// Wants says in advance what Report would do.
func TestWants(t *testing.T) {
	source := netip.MustParseAddr("10.0.0.5")
	desk := newDesk(t, Default())
	wants := func(rule string, nats float64, at int64) bool { return desk.book.Wants(rule, source, 7, nats, at) }
	if wants("beacon", keep-0.1, start) || !wants("beacon", keep, start) {
		t.Error("unknown incident: want from the evidence that is kept")
	}
	desk.report(finding("beacon", start, 11.5))
	for _, c := range []struct {
		name string
		rule string
		nats float64
		at   int64
		want bool
	}{
		{"nothing new", "beacon", 11.5, start + minute, false},
		{"it rises to an alert", "beacon", 12, start + minute, true},
		{"it weakens", "beacon", 10, start + minute, true},
		{"another rule, too weak to be kept", "direct-egress", 3, start + minute, false},
		{"another rule", "direct-egress", 4, start + minute, true},
		{"it was over", "beacon", 3, start + 8*days, false},
	} {
		if got := wants(c.rule, c.nats, c.at); got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
	desk.report(finding("beacon", start+9*days, 18))
	if wants("beacon", 18, start+9*days+hour) || !wants("beacon", 18, start+10*days) {
		t.Error("the reminder is not asked for when it is due")
	}
	if !desk.book.Known("beacon", source, 7) || desk.book.Known("port-scan", source, 7) {
		t.Error("Known is wrong")
	}
}

// Asking keeps an incident going, as reporting does.
func TestWantsGoesOn(t *testing.T) {
	desk := newDesk(t, Default())
	_, first := desk.report(finding("beacon", start, 12))
	now := start
	for range 20 {
		now += days - minute
		if desk.book.Wants("beacon", netip.MustParseAddr("10.0.0.5"), 7, 12, now) {
			if _, told := desk.report(finding("beacon", now, 12)); len(told) != 1 || told[0].Incident != first[0].Incident {
				t.Fatal("wanted, but not told as an update")
			}
		}
	}
	if n := desk.counter("updates"); n != 2 { // every week
		t.Errorf("%d updates in 20 days, want 2", n)
	}
}

func TestHostile(t *testing.T) {
	desk := newDesk(t, Default())
	f := finding("beacon", start, math.Inf(1), Reason{"x", math.NaN(), Text{}})
	f.Bearing = math.NaN()
	f.Every = math.MaxInt64
	long := string(make([]byte, 1<<16))
	f.Destination, f.Rule = long, long
	for range 100 {
		f.Facts = append(f.Facts, Text{long, long})
		f.Reasons = append(f.Reasons, Reason{long, 1, Text{long, long}})
		f.Chain = append(f.Chain, long)
		f.Technique = append(f.Technique, long)
	}
	level := desk.book.Report(f, desk.emit)
	if level != High || len(desk.told) != 1 || math.IsNaN(desk.told[0].Score) || math.IsInf(desk.told[0].Score, 0) {
		t.Fatalf("level %q, told %+v", level, desk.told)
	}
	if desk.counter("texts_cut") == 0 {
		t.Error("nothing counted as cut")
	}
	if desk.book.over(desk.book.entries.Get(7), math.MaxInt64) {
		t.Error("a boundless pace ends")
	}
}

// What a rule took back is not told any more, nor does it lead.
func TestTakenBack(t *testing.T) {
	desk := newDesk(t, Default())
	desk.report(finding("beacon", start, 9))
	gone := finding("beacon", start+minute, 0)
	gone.Reasons, gone.Title, gone.Facts, gone.Benign = nil, Say("nonsense", "無意味"), nil, Text{}
	desk.report(gone)
	if desk.book.Known("beacon", gone.Source, 7) {
		t.Error("an incident that nobody was told of outlives its evidence")
	}
	desk.report(finding("beacon", start+2*minute, 12)) // told: it stays
	gone.Meta = meta(start+3*minute, 1)
	if level, told := desk.report(gone); level != None || told != nil || !desk.book.Known("beacon", gone.Source, 7) {
		t.Fatalf("level %q, %d told", level, len(told))
	}
	var says []string
	desk.book.Explain(7, func(t Text) { says = append(says, t.EN) })
	if !contains(says, "10.0.0.5 does beacon; 0.0 nats") || !contains(says, "rule beacon no longer finds it") || !contains(says, `told 1 time, last`) {
		t.Errorf("explained: %q", says)
	}
	_, told := desk.report(finding("direct-egress", start+25*hour, 18))
	if len(told) != 1 || told[0].Rule != "direct-egress" || contains(told[0].Evidence, "beacon") {
		t.Errorf("told %+v", told)
	}
}
