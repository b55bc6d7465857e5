package detection

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"kagami/lab/events"
)

// Sample is a set of attacks to be measured together.
type Sample []*Find

// pick returns the attacks for which ok holds and of which something reached the
// sensor.
func pick(finds []Find, ok func(*Find) bool) Sample {
	var out Sample
	for i := range finds {
		if f := &finds[i]; f.First != 0 && f.Beats > 0 && ok(f) {
			out = append(out, f)
		}
	}
	return out
}

// where narrows a sample.
func (s Sample) where(ok func(*Find) bool) Sample {
	var out Sample
	for _, f := range s {
		if ok(f) {
			out = append(out, f)
		}
	}
	return out
}

// recall is the share that a tool found, not a number if there is nothing to find.
func (s Sample) recall(t Tool) float64 { return s.within(t, math.MaxInt) }

// within is the share that a tool found by so many beats.
func (s Sample) within(t Tool, beats int) float64 {
	n := 0
	for _, f := range s {
		if h := f.Hits[t]; h.At != 0 && h.Beat <= beats {
			n++
		}
	}
	return float64(n) / float64(len(s))
}

// beats is the q-quantile (nearest rank) of the beats that a tool needed; what
// it did not find took it for ever.
func (s Sample) beats(t Tool, q float64) float64 {
	return s.quantile(q, func(f *Find) (float64, bool) { h := f.Hits[t]; return float64(h.Beat), h.At != 0 })
}

// seconds is the same of the time since the first beat.
func (s Sample) seconds(t Tool, q float64) float64 {
	return s.quantile(q, func(f *Find) (float64, bool) {
		h := f.Hits[t]
		return max(0, float64(h.At-f.First)/1e9), h.At != 0
	})
}

func (s Sample) quantile(q float64, value func(*Find) (float64, bool)) float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	all := make([]float64, len(s))
	for i, f := range s {
		all[i] = math.Inf(1)
		if v, ok := value(f); ok {
			all[i] = v
		}
	}
	slices.Sort(all)
	return all[max(0, int(math.Ceil(q*float64(len(all))))-1)]
}

// told is how many alerts a tool raised about each attack that it found, on average.
func (s Sample) told(t Tool) float64 {
	n, alerts := 0, 0
	for _, f := range s {
		if h := f.Hits[t]; h.At != 0 {
			n, alerts = n+1, alerts+h.Alerts
		}
	}
	return float64(alerts) / float64(n)
}

// group is a sample under a name.
type group struct {
	name string
	Sample
}

// cells parts a sample into cells, in order of their names' first appearance.
func (s Sample) cells() []group {
	var out []group
	index := map[events.Cell]int{}
	for _, f := range s {
		c := f.Attack.Cell
		i, ok := index[c]
		if !ok {
			i = len(out)
			index[c] = i
			out = append(out, group{name: c.String()})
		}
		out[i].Sample = append(out[i].Sample, f)
	}
	return out
}

// plain tells whether a beacon is about its rhythm alone: one name, over the web.
func plain(c *events.Cell) bool {
	return c.Kind == "beacon" && c.Model == events.CobaltStrike && c.Noise == 0 && c.Rotate <= 1 && !c.Padding && !c.Interactive && !c.Asleep &&
		(c.Transport == events.HTTPS || c.Transport == events.Connect) && c.Beats == beats(c.Sleep) && c.Sleep != 10*time.Minute
}

// hostDays is for how long how many machines were watched; learned: after the
// learning week only, else before.
func hostDays(out []*Outcome, learned bool) float64 {
	n := 0
	for _, o := range out {
		before := min(o.Days, learningDays)
		if learned {
			n += o.Hosts * (o.Days - before)
		} else {
			n += o.Hosts * before
		}
	}
	return float64(n)
}

// scannerClass is the role of the site's own vulnerability scanner, and the class
// of what it does.
const scannerClass = "vulnscan"

// falses are the alerts about nothing of a kind of attack, "" = of all. The
// peers' about the site's own scanner are left out: Kagami knows its window.
func falses(out []*Outcome, t Tool, kind string, ok func(*False) bool) []False {
	var list []False
	for _, o := range out {
		for _, f := range o.False {
			if f.Tool == t && !f.Watch && (t == Kagami || f.Class != scannerClass) && (kind == "" || t != Kagami || kindOf(f.Rule) == kind) && ok(&f) {
				list = append(list, f)
			}
		}
	}
	return list
}

// incidents are those of the alerts that told something for the first time.
func incidents(list []False) int {
	n := 0
	for _, f := range list {
		if !f.Update {
			n++
		}
	}
	return n
}

func anyFalse(*False) bool     { return true }
func afterWeek(f *False) bool  { return f.Learned }
func beforeWeek(f *False) bool { return !f.Learned }

// byClass counts alerts by rule and class, the most frequent first.
func byClass(list []False) []tally {
	index := map[[2]string]int{}
	var out []tally
	for _, f := range list {
		k := [2]string{f.Rule, cmp.Or(f.Class, "raised by time")}
		i, ok := index[k]
		if !ok {
			i = len(out)
			index[k] = i
			out = append(out, tally{rule: k[0], class: k[1], example: f.Title})
		}
		out[i].n++
		if !f.Update {
			out[i].incidents++
		}
		if !f.Learned {
			out[i].early++
		}
	}
	slices.SortStableFunc(out, func(a, b tally) int {
		return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.rule, b.rule), cmp.Compare(a.class, b.class))
	})
	return out
}

type tally struct {
	rule, class, example string
	n, early, incidents  int
}

// perKey is the most incidents about one source and destination of a world, and
// how many such keys there are.
func perKey(list []False) (most, keys int, worst string) {
	n := map[string]int{}
	for _, f := range list {
		if f.Update {
			continue
		}
		k := fmt.Sprintf("%s %s of %s, seed %d, %s", f.Source, f.Host, f.Site, f.Seed, f.Theme)
		if n[k]++; n[k] > most {
			most, worst = n[k], k
		}
	}
	return most, len(n), worst
}
