package incident

import (
	"strconv"
	"testing"

	"kagami/detectors/census"
	"kagami/detectors/state"
)

// Two rules speak of one destination, each under its own key: one incident,
// whichever comes first, and after a restart, too.
func TestRulesMeet(t *testing.T) {
	const bypass, beacon, scan = "direct-egress", "beacon", "lateral-scan"
	type step struct {
		rule, to string
		nats     float64
		incident int // 0 = nothing is told; else which one, from 1
		update   int
	}
	for name, steps := range map[string][]step{
		"the machine's, then the pair's":     {{bypass, "c2.example:443", 13, 1, 1}, {beacon, "c2.example:443", 10, 1, 2}},
		"the pair's, then the machine's":     {{beacon, "c2.example:443", 13, 1, 1}, {bypass, "c2.example:443", 9, 1, 2}},
		"watched, then told with the other":  {{beacon, "c2.example:443", 9, 0, 0}, {bypass, "c2.example:443", 12, 1, 1}, {beacon, "c2.example:443", 14, 0, 0}},
		"another port is another one":        {{bypass, "c2.example:443", 13, 1, 1}, {beacon, "c2.example:80", 13, 2, 1}},
		"another destination":                {{bypass, "c2.example:443", 13, 1, 1}, {beacon, "a.example:443", 13, 2, 1}},
		"two pairs of one machine":           {{bypass, "c2.example:443", 13, 1, 1}, {beacon, "c2.example:443", 13, 1, 2}, {bypass, "a.example:443", 13, 0, 0}, {beacon, "a.example:443", 13, 2, 1}},
		"both were told before they met":     {{beacon, "c2.example:443", 13, 1, 1}, {bypass, "a.example:443", 13, 2, 1}, {bypass, "c2.example:443", 14, 0, 0}, {beacon, "c2.example:443", 14, 0, 0}},
		"no destination, nothing to meet at": {{scan, "", 13, 1, 1}, {beacon, "c2.example:443", 13, 2, 1}},
		"not a destination":                  {{bypass, "a b", 13, 1, 1}, {beacon, "c2.example:443", 13, 2, 1}},
	} {
		for _, restarts := range []bool{false, true} {
			d := newDesk(t, Default())
			var ids []string
			for i, s := range steps {
				if restarts {
					d.restart(t)
				}
				f := finding(s.rule, start+int64(i)*2*hour, s.nats)
				f.Destination = s.to
				if f.Key = 99; s.rule == beacon {
					target, _ := census.ParseTarget(s.to)
					f.Key = census.PairKey(d.census.Source(f.Meta), target.Destination(), target.Port)
				}
				_, told := d.report(f)
				if (len(told) > 0) != (s.incident > 0) {
					t.Fatalf("%s, step %d: %d alerts", name, i, len(told))
				}
				if s.incident == 0 {
					continue
				}
				if s.incident > len(ids) {
					ids = append(ids, told[0].Incident)
				}
				if told[0].Incident != ids[s.incident-1] || told[0].Update != s.update {
					t.Errorf("%s, step %d: incident %s, update %d; want %s, %d", name, i, told[0].Incident, told[0].Update, ids[s.incident-1], s.update)
				}
			}
			for i := range ids {
				for k := range ids[:i] {
					if ids[i] == ids[k] {
						t.Errorf("%s: incidents %d and %d are one", name, k+1, i+1)
					}
				}
			}
		}
	}
}

// restart replaces the book by what it saved.
func (d *desk) restart(t *testing.T) {
	t.Helper()
	fresh := NewBook(d.book.config, d.census, d.hush)
	if l, err := state.Load(saved(d.book), []state.Part{fresh}); err != nil || l.Problems != nil {
		t.Fatalf("%v, %+v", err, l)
	}
	d.book = fresh
}

// What was only watched stands in the alert that another rule raises.
func TestWatchedIsTaken(t *testing.T) {
	d := newDesk(t, Default())
	pair := finding("beacon", start, 9)
	pair.Key = census.PairKey(d.census.Source(pair.Meta), census.Target{Name: "c2.example"}.Destination(), 443)
	d.report(pair)
	level, told := d.report(finding("direct-egress", start+hour, 12))
	if level != High || len(told) != 1 || told[0].Score != 21 || !contains(told[0].Evidence, "besides, rule beacon") {
		t.Errorf("level %v, alerts %+v", level, told)
	}
	n := 0
	for range d.book.Open(start + hour) {
		n++
	}
	if n != 1 {
		t.Errorf("%d incidents, want 1", n)
	}
}

// Links are as bounded as incidents.
func TestLinksAreBounded(t *testing.T) {
	c := Default()
	c.Entries = 16
	d := newDesk(t, c)
	for i := range 10 * linksEach * c.Entries {
		f := finding("direct-egress", start+int64(i), 13)
		f.Key, f.Destination = uint64(i+1), "c"+strconv.Itoa(i)+".example:443"
		d.report(f)
	}
	if n := d.book.links.Len(); n > linksEach*c.Entries {
		t.Errorf("%d links for %d incidents", n, c.Entries)
	}
}
