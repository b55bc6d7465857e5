package detectors

import (
	"math/rand/v2"
	"testing"
)

func TestTableEvictsTheUnused(t *testing.T) {
	tb := newTable[int](3)
	for k := range uint64(3) {
		v, fresh := tb.at(k)
		if !fresh {
			t.Fatalf("key %d is not fresh", k)
		}
		*v = int(k) * 10
	}
	tb.at(100) // all were used: the hand clears the marks and takes the first
	tb.get(2)
	tb.at(101) // 1 was not used since
	if tb.get(0) != nil || tb.get(1) != nil || tb.get(2) == nil || tb.get(100) == nil || tb.get(101) == nil {
		t.Error("wrong entries evicted")
	}
	if tb.len() != 3 || tb.evicted != 2 {
		t.Errorf("len %d, evicted %d, want 3 and 2", tb.len(), tb.evicted)
	}
	if v := tb.get(2); *v != 20 {
		t.Errorf("entry 2 holds %d, want 20", *v)
	}
}

func TestTableSparesAndRemoves(t *testing.T) {
	tb := newTable[int](2)
	tb.keep = func(v *int) bool { return *v == 7 }
	v, _ := tb.at(1)
	*v = 7
	for k := uint64(2); k < 50; k++ {
		tb.at(k)
	}
	if tb.get(1) == nil {
		t.Error("the entry to keep was evicted")
	}
	tb.remove(1)
	tb.remove(1)
	if tb.get(1) != nil || tb.len() != 1 {
		t.Errorf("removed entry is there, or len %d", tb.len())
	}
	tb.keep = func(*int) bool { return true }
	for k := uint64(100); k < 110; k++ {
		tb.at(k) // terminates though everything asks to be kept
	}
	if tb.len() != 2 {
		t.Errorf("len %d, want 2", tb.len())
	}
}

// The table must agree with a map as long as nothing is evicted.
func TestTableIsAMap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	tb, want := newTable[int](1000), map[uint64]int{}
	for i := range 20000 {
		k := r.Uint64N(900)
		switch r.IntN(3) {
		case 0:
			v, fresh := tb.at(k)
			if _, have := want[k]; have == fresh {
				t.Fatalf("key %d: fresh %v", k, fresh)
			}
			*v, want[k] = i, i
		case 1:
			tb.remove(k)
			delete(want, k)
		default:
			v, have := want[k]
			if got := tb.get(k); (got != nil) != have || got != nil && *got != v {
				t.Fatalf("key %d: got %v, want %d", k, got, v)
			}
		}
	}
	if tb.len() != len(want) || tb.evicted != 0 {
		t.Errorf("len %d, evicted %d, want %d and 0", tb.len(), tb.evicted, len(want))
	}
}

func TestMemory(t *testing.T) {
	const keys = 10000
	m := newMemory(keys, 15*day)
	known := 0
	for i := range uint64(keys) {
		if !m.first(mix(i), monday) {
			known++
		}
	}
	if known > keys/100 {
		t.Errorf("%d of %d new keys taken for known, want at most 1 %%", known, keys)
	}
	for i := range uint64(keys) {
		if m.test(m.current, mix(i)) != true {
			t.Fatalf("key %d forgotten", i)
		}
	}
	m = newMemory(keys, 15*day)
	m.first(1, monday)
	if m.first(1, monday+16*day) {
		t.Error("forgotten after one span")
	}
	if m.first(1, monday+31*day) {
		t.Error("a key met again in the second span is forgotten after the first")
	}
	m.first(2, monday+50*day)
	if !m.first(1, monday+70*day) {
		t.Error("remembered for ever")
	}
	if m.early != 0 {
		t.Errorf("early %d, want 0", m.early)
	}
}

func TestCrowd(t *testing.T) {
	var c crowd
	for i := range uint32(30) {
		if fresh := c.add(i % 15); fresh != (i < 10) {
			t.Errorf("member %d: fresh %v", i, fresh)
		}
	}
	if c.n != 10 {
		t.Errorf("n = %d, want 10", c.n)
	}
}
