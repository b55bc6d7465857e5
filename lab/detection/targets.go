package detection

import (
	"fmt"
	"math"
	"time"

	"kagami/lab/events"
)

// Target is one thing that must be reached, and whether it is.
type Target struct {
	ID, Want, Got string
	Pass          bool
	Judged        bool // false: there was nothing to judge
}

// Results is everything that was measured and depends on the plan alone.
type Results struct {
	Plan      Plan
	Outcomes  []*Outcome // of sensors that saw everything: what is judged
	lossy     []*Outcome
	restarted []*Outcome
	finds     []Find
}

// NewResults puts the outcomes of a plan together.
func NewResults(p Plan, out []*Outcome) *Results {
	r := &Results{Plan: p}
	for _, o := range out {
		switch {
		case o.Restarts > 0 || o.Err != nil:
			r.restarted = append(r.restarted, o)
			continue
		case o.Loss > 0:
			r.lossy = append(r.lossy, o)
			continue
		}
		r.Outcomes = append(r.Outcomes, o)
		r.finds = append(r.finds, o.Finds...)
	}
	return r
}

// Targets are those of the detections at the top of the list.
func (r *Results) Targets() []Target {
	out := append([]Target{r.b1()}, r.b2()...)
	out = append(out, r.b3()...)
	out = append(out, r.b4(), r.b5(), r.b6())
	out = append(out, r.f1()...)
	out = append(out, r.s1()...)
	out = append(out, append(r.s2(), r.egress()...)...)
	return append(out, r.restart())
}

func (r *Results) restart() Target {
	got, n, same := "", 0, true
	for _, o := range r.restarted {
		said := r.same(o)
		n, same = n+o.Restarts, same && said == "yes"
		if said != "yes" {
			got += fmt.Sprintf("; %s, seed %d: %s", o.Site, o.Seed, said)
		}
	}
	return judged("M1", "a restart loses nothing: the same alerts", fmt.Sprintf("%d restarts in %d worlds%s", n, len(r.restarted), got), n, same)
}

// grid are the beacons of B1 and B2: their rhythm alone, up to a fifth of the beats missed.
func (r *Results) grid() Sample {
	return pick(r.finds, func(f *Find) bool {
		c := &f.Attack.Cell
		return plain(c) && c.Missed <= 20 && c.Jitter <= 50 && (f.Beats >= 24 || c.Sleep == 24*time.Hour && f.Beats >= 12)
	})
}

// soon is the share found by enough beats.
func (s Sample) soon(t Tool) float64 {
	n := 0
	for _, f := range s {
		if h := f.Hits[t]; h.At != 0 && h.Beat <= enough(f.Attack.Cell.Sleep) {
			n++
		}
	}
	return float64(n) / float64(len(s))
}

func (r *Results) b1() Target {
	s := r.grid()
	worst, name := 1.0, ""
	for _, c := range s.cells() {
		if got := c.soon(Kagami); got < worst && len(c.Sample) >= 5 {
			worst, name = got, c.name
		}
	}
	got := fmt.Sprintf("%s of %d; ever %s", percent(s.soon(Kagami)), len(s), percent(s.recall(Kagami)))
	if name != "" {
		got += fmt.Sprintf("; the worst cell (%s): %s", name, percent(worst))
	}
	return judged("B1", "beacons of 10 s to 24 h, jitter to 50 %, a fifth missed: at least 98 % found by 30 beats (15 minutes if these take longer)", got, len(s), s.soon(Kagami) >= 0.98)
}

func (r *Results) b2() []Target {
	var out []Target
	all := r.grid().where(func(f *Find) bool { return f.Attack.Cell.Sleep >= time.Minute })
	for _, t := range []struct {
		jitter int
		most   float64
	}{{0, 6}, {25, 10}, {50, 16}} {
		s := all.where(func(f *Find) bool { return f.Attack.Cell.Jitter == t.jitter && f.Attack.Cell.Missed == 0 })
		missed := all.where(func(f *Find) bool { return f.Attack.Cell.Jitter == t.jitter && f.Attack.Cell.Missed == 20 })
		m, lost := s.beats(Kagami, 0.5), missed.beats(Kagami, 0.5)
		out = append(out, judged("B2", fmt.Sprintf("median beats to the alert at %d %% jitter: at most %g, at most 4 more with a fifth missed", t.jitter, t.most),
			fmt.Sprintf("%s (p90 %s); with a fifth missed %s", count(m), count(s.beats(Kagami, 0.9)), count(lost)), len(s), m <= t.most && lost-m <= 4))
	}
	fast := r.grid().where(func(f *Find) bool { return f.Attack.Cell.Sleep < time.Minute })
	m := fast.seconds(Kagami, 0.5)
	return append(out, judged("B2", "sleeps below a minute: median time to the alert at most the gate of 10 minutes and a tenth",
		fmt.Sprintf("%s (p90 %s)", span(m), span(fast.seconds(Kagami, 0.9))), len(fast), m <= 660))
}

func (r *Results) b3() []Target {
	var out []Target
	for _, t := range []struct{ missed, by int }{{0, 5}, {20, 7}} {
		s := pick(r.finds, func(f *Find) bool {
			c := &f.Attack.Cell
			return isDaily(c) && c.Missed == t.missed && f.Beats > t.by
		})
		out = append(out, judged("B3", fmt.Sprintf("daily beacon +-5 %%, %d %% missed: alert by beat %d (nine of ten)", t.missed, t.by),
			fmt.Sprintf("%s by beat %d of %d; median %s; watch by beat 4: %s", percent(s.within(Kagami, t.by)), t.by, len(s), count(s.beats(Kagami, 0.5)), percent(s.within(KagamiWatch, 4))),
			len(s), s.within(Kagami, t.by) >= 0.9))
	}
	return out
}

func (r *Results) b4() Target {
	s := pick(r.finds, func(f *Find) bool { return f.Attack.Cell.Kind == "beacon" && f.Attack.Cell.Missed == 40 })
	return judged("B4", "40 % missed, jitter to 25 %, 40 beats due: recall at least 95 %", of(s, Kagami), len(s), s.recall(Kagami) >= 0.95)
}

func (r *Results) b5() Target {
	pulses := pick(r.finds, func(f *Find) bool {
		t := f.Attack.Cell.Transport
		return f.Attack.Cell.Kind == "beacon" && (t == events.Pulses || t == events.ConnectPulses)
	})
	pass, text := len(pulses) > 0, ""
	for i, most := range []float64{6, 10, 16} {
		j := []int{0, 25, 50}[i]
		s := pulses.where(func(f *Find) bool { return f.Attack.Cell.Jitter == j })
		m := s.beats(Kagami, 0.5)
		pass = pass && m <= most
		text += fmt.Sprintf("%s at %d %%, ", count(m), j)
	}
	return judged("B5", "pulses in one session: median beats as B2 (6, 10, 16)", text+"recall "+of(pulses, Kagami), len(pulses), pass)
}

func (r *Results) b6() Target {
	s := pick(r.finds, func(f *Find) bool {
		c := &f.Attack.Cell
		return c.Kind == "beacon" && c.Noise == 50 && c.Jitter <= 10
	})
	return judged("B6", "half an unrelated contact a beat, jitter to 10 %, 100 events: recall at least 95 %", of(s, Kagami), len(s), s.recall(Kagami) >= 0.95)
}

func (r *Results) f1() []Target {
	var out []Target
	for _, t := range []struct {
		learned bool
		most    float64
		name    string
		ok      func(*False) bool
	}{{true, 0.01, "after", afterWeek}, {false, 0.05, "in", beforeWeek}} {
		list, days := falses(r.Outcomes, Kagami, "beacon", t.ok), hostDays(r.Outcomes, t.learned)
		rate := float64(incidents(list)) / days
		out = append(out, judged("F1", fmt.Sprintf("false beacon alerts per host-day %s the learning week: at most %g", t.name, t.most),
			rateOf(list, days, 1), int(days), rate <= t.most))
	}
	list := falses(r.Outcomes, Kagami, "beacon", func(f *False) bool { return f.Rare })
	most, keys, worst := perKey(list)
	got := fmt.Sprintf("%d keys, %d incidents, told %d times", keys, incidents(list), len(list))
	if most > 1 {
		got += fmt.Sprintf("; %d about %s", most, worst)
	}
	return append(out, judged("F1", "a rare, periodic, harmless key is told at most once ever (updates apart)", got, int(hostDays(r.Outcomes, true)), most <= 1))
}

func (r *Results) s1() []Target {
	sweep := func(success, dark int) Sample {
		return pick(r.finds, func(f *Find) bool {
			c := &f.Attack.Cell
			return c.Kind == "scan" && c.Shape == events.Horizontal && c.Port == 445 && c.Random && !c.Admin && !c.Scanner && c.Success == success && c.Dark == dark
		})
	}
	var out []Target
	for _, t := range []struct {
		success, dark int
		most          float64
		name          string
	}{{0, 0, 9, "all fail, 1 s to 60 min apart"}, {0, 50, 6, "all fail, half of the addresses dark"}, {50, 0, 10, "half succeed"}} {
		s := sweep(t.success, t.dark)
		worst := 0.0
		for _, c := range s.cells() {
			worst = max(worst, c.beats(Kagami, 0.5))
		}
		out = append(out, judged("S1", fmt.Sprintf("scan, %s: at most %g probes (median at every spacing)", t.name, t.most),
			fmt.Sprintf("%s at the worst spacing; all: median %s, p90 %s; recall %s", count(worst), count(s.beats(Kagami, 0.5)), count(s.beats(Kagami, 0.9)), of(s, Kagami)),
			len(s), worst <= t.most))
	}
	s := pick(r.finds, func(f *Find) bool { return f.Attack.Cell.Kind == "scan" && f.Attack.Cell.Shape == events.Vertical })
	return append(out, judged("S1", "ports of one machine, all fail: at most 9 probes", fmt.Sprintf("median %s, p90 %s; recall %s",
		count(s.beats(Kagami, 0.5)), count(s.beats(Kagami, 0.9)), of(s, Kagami)), len(s), s.beats(Kagami, 0.5) <= 9))
}

func (r *Results) s2() []Target {
	list, days := falses(r.Outcomes, Kagami, "scan", anyFalse), hostDays(r.Outcomes, true)+hostDays(r.Outcomes, false)
	rate := float64(incidents(list)) / days * 1000
	inside := 0
	for _, f := range list {
		if f.Class == scannerClass {
			inside++
		}
	}
	late := pick(r.finds, func(f *Find) bool { return f.Attack.Cell.Scanner })
	return []Target{
		judged("S2", "false scan alarms per 1000 host-days: at most 0.5, none about the scanner in its window",
			fmt.Sprintf("%s; %d about the scanner", rateOf(list, days, 1000), inside), int(days), rate <= 0.5 && inside == 0),
		judged("S2", "the scanner outside its window is told, always", of(late, Kagami), len(late), late.recall(Kagami) >= 0.995)}
}

func (r *Results) egress() []Target {
	kind := func(blocked bool) Sample {
		return pick(r.finds, func(f *Find) bool {
			c := &f.Attack.Cell
			return c.Kind == "egress" && (c.Blocked != events.Permitted) == blocked
		})
	}
	open, blocked := kind(false), kind(true)
	list, days := falses(r.Outcomes, Kagami, "egress", afterWeek), hostDays(r.Outcomes, true)
	rate := float64(incidents(list)) / days
	return []Target{
		judged("egress", "a bypass that succeeds: alert at its first connection, all", fmt.Sprintf("%s at the first of %d; recall %s",
			percent(open.within(Kagami, 1)), len(open), of(open, Kagami)), len(open), open.within(Kagami, 1) >= 0.995),
		judged("egress", "a blocked bypass: alert by the third destination, all", fmt.Sprintf("%s by the third of %d; recall %s",
			percent(blocked.within(Kagami, 3)), len(blocked), of(blocked, Kagami)), len(blocked), blocked.within(Kagami, 3) >= 0.995),
		judged("egress", "false bypass alerts per host-day after the learning week: at most 0.01",
			rateOf(list, days, 1), int(days), rate <= 0.01),
	}
}

// rateOf is how many incidents there were in so many host-days, and how often they were told.
func rateOf(list []False, days, per float64) string {
	return fmt.Sprintf("%s (%d in %.0f host-days; told %d times with updates)", rateText(float64(incidents(list))/days*per), incidents(list), days, len(list))
}

func judged(id, want, got string, n int, pass bool) Target {
	return Target{ID: id, Want: want, Got: got, Pass: pass && n > 0, Judged: n > 0}
}

func of(s Sample, t Tool) string { return fmt.Sprintf("%s of %d", percent(s.recall(t)), len(s)) }

// percent never rounds up to 100.
func percent(x float64) string {
	if math.IsNaN(x) {
		return "–"
	}
	return fmt.Sprintf("%.1f %%", math.Floor(x*1000+1e-9)/10)
}

// count is a number of beats, "never" if it is not finite.
func count(x float64) string {
	switch {
	case math.IsNaN(x):
		return "–"
	case math.IsInf(x, 1):
		return "never"
	}
	return fmt.Sprintf("%g", x)
}

// span is a length of time given in seconds.
func span(x float64) string {
	switch {
	case math.IsNaN(x):
		return "–"
	case math.IsInf(x, 1):
		return "never"
	case x < 120:
		return fmt.Sprintf("%.0f s", x)
	case x < 2*3600:
		return fmt.Sprintf("%.0f min", x/60)
	case x < 48*3600:
		return fmt.Sprintf("%.1f h", x/3600)
	}
	return fmt.Sprintf("%.1f d", x/86400)
}

// rateText shows small rates with two digits that count.
func rateText(x float64) string {
	switch {
	case math.IsNaN(x):
		return "–"
	case x == 0:
		return "0"
	case x < 0.1: // never as 5.2e-05
		return fmt.Sprintf("%.*f", 1-int(math.Floor(math.Log10(x))), x)
	}
	return fmt.Sprintf("%.2f", x)
}
