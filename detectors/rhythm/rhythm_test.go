package rhythm

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"kagami/detectors/state"
)

func TestCodesKeepLengthAndOrder(t *testing.T) {
	last := uint16(0)
	for ns := int64(Coalesce); ns < 10*365*86400*second; ns += ns / 7 {
		c := Code(ns)
		if got := Length(c); float64(got-ns) > 0.0004*float64(ns) || float64(ns-got) > 0.0004*float64(ns) {
			t.Fatalf("%d ns is kept as %d", ns, got)
		}
		if c <= last || c&neutral != 0 {
			t.Fatalf("code %d after %d", c, last)
		}
		last = c
	}
	if Code(1<<62) != codeLimit || Code(1) != 0 {
		t.Error("lengths out of range are not cut")
	}
}

// fill gives events to a ring and returns what became of each.
func fill(r *Ring, seconds ...int64) []Outcome {
	var out []Outcome
	for _, s := range seconds {
		out = append(out, r.Add(start+s*second, nil))
	}
	return out
}

const start = int64(1.7e18)

func TestEventsMayComeLate(t *testing.T) {
	for _, c := range []struct {
		name   string
		events []int64 // seconds after the first
		want   []Outcome
		times  []int64
	}{
		{"in order", []int64{60, 120}, []Outcome{Accepted, Accepted}, []int64{0, 60, 120}},
		{"close ones are one", []int64{1, 60, 61, 59}, []Outcome{Coalesced, Accepted, Coalesced, Coalesced}, []int64{0, 60}},
		{"one in between divides a gap", []int64{120, 60}, []Outcome{Accepted, Accepted}, []int64{0, 60, 120}},
		{"one close to an older one", []int64{120, 240, 121}, []Outcome{Accepted, Accepted, Coalesced}, []int64{0, 120, 240}},
		{"one before the first", []int64{60, -60}, []Outcome{Accepted, Accepted}, []int64{-60, 0, 60}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r Ring
			r.Start(start)
			if got := fill(&r, c.events...); !slices.Equal(got, c.want) {
				t.Errorf("became %v, want %v", got, c.want)
			}
			times := r.Times(nil)
			if len(times) != len(c.times) || r.Len() != len(times)-1 {
				t.Fatalf("%d times, want %d", len(times), len(c.times))
			}
			for i, want := range c.times {
				if d := times[i] - start - want*second; d > second/4 || d < -second/4 {
					t.Errorf("time %d is %v, want %d s", i, time.Duration(times[i]-start), want)
				}
			}
		})
	}
}

func TestFullRing(t *testing.T) {
	var r Ring
	r.Start(start)
	for i := range int64(100) {
		fill(&r, 60*(i+1))
	}
	if r.Len() != Gaps || r.First() < start+(100-Gaps-1)*60*second {
		t.Errorf("%d gaps, the first event at %v", r.Len(), time.Duration(r.First()-start))
	}
	if got := fill(&r, 0, 5970); got[0] != Late || got[1] != Accepted || r.Len() != Gaps {
		t.Errorf("became %v, %d gaps", got, r.Len())
	}
	if got := fill(&r, 60*(100-Gaps)+90); got[0] != Accepted || r.Len() != Gaps {
		t.Errorf("dividing the oldest gap became %v", got)
	}
}

// Whatever comes in whatever order, the ring stays in order and within its size.
func FuzzRing(f *testing.F) {
	f.Add([]byte{60, 60, 200, 1, 0, 255, 130})
	f.Fuzz(func(t *testing.T, data []byte) {
		var r Ring
		var s Times
		r.Start(start)
		s.Add(start)
		l, at := NewLISS(), start
		var p PDT
		for _, b := range data {
			at += int64(int8(b)) * 7 * second
			r.Add(at, func(from, to int64) bool {
				if to-from < Coalesce {
					t.Fatalf("a gap from %d to %d", from, to)
				}
				return b&1 == 1
			})
			s.Add(at)
			if times := r.Times(nil); !slices.IsSorted(times) || len(times) != r.Len()+1 || r.Len() > Gaps {
				t.Fatalf("times %v", times)
			}
			f := l.Test(&r)
			if f.Evidence < 0 || f.Evidence > 1000 || f.Kept+f.Missed+f.Slept+f.Other+f.Bursts > r.Len() {
				t.Fatalf("found %+v", f)
			}
		}
		if f := p.Test(&s); f.Evidence < 0 || f.Hits > f.Of {
			t.Fatalf("paired %+v", f)
		}
		var e state.Encoder
		r.Save(&e)
		var again Ring
		again.Load(state.NewDecoder(e.Encoded()))
		if again != r {
			t.Fatalf("%+v came back as %+v", r, again)
		}
		e = state.Encoder{}
		s.Save(&e)
		var times Times
		times.Load(state.NewDecoder(e.Encoded()))
		if times.base != s.base || !slices.Equal(times.ticks[:times.n], s.ticks[:s.n]) {
			t.Fatalf("%+v came back as %+v", s, times)
		}
		times.Load(state.NewDecoder(data))
		times.Add(at)
		p.Test(&times)
		again.Load(state.NewDecoder(data)) // anything else
		again.Times(nil)
		l.Test(&again)
	})
}

func TestSpread(t *testing.T) {
	at := func(h ...float64) (out []int64) {
		for i, x := range h {
			out = append(out, int64(1.7e18)/int64(86400e9)*int64(86400e9)+int64(i)*int64(86400e9)+int64(x*3600e9))
		}
		return out
	}
	for _, c := range []struct {
		name  string
		times []int64
		want  time.Duration
	}{
		{"the same time", at(9, 9, 9, 9), 0},
		{"half an hour around nine", at(8.5, 9.5, 8.5, 9.5), 30 * time.Minute},
		{"around midnight", at(23.5, 0.5, 23.5, 0.5), 30 * time.Minute},
		{"none", nil, 0},
	} {
		if got := Spread(c.times, 24*time.Hour); (got - c.want).Abs() > time.Minute {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if got := Spread(at(0, 6, 12, 18), 24*time.Hour); got < 12*time.Hour {
		t.Errorf("any time of day has a spread of %v", got)
	}
}

func TestNothingAllocates(t *testing.T) {
	var r Ring
	var s Times
	var p PDT
	l := NewLISS()
	r.Start(start)
	scratch := make([]int64, 0, Gaps+1)
	at := start
	g := rand.New(rand.NewPCG(1, 1))
	never := func(int64, int64) bool { return false }
	if n := testing.AllocsPerRun(500, func() {
		at += 2*second + g.Int64N(1000)*second
		r.Add(at, never)
		l.Test(&r)
		s.Fill(&r, scratch)
		p.Test(&s)
	}); n != 0 {
		t.Errorf("%v allocations an event", n)
	}
}
