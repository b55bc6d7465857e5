package table

import (
	"math/rand/v2"
	"testing"

	"kagami/detectors/state"
)

// monday is 2026-03-02 00:00 UTC, in nanoseconds.
const (
	monday = 1772409600e9
	day    = 86400e9
)

func TestTableEvictsTheUnused(t *testing.T) {
	tb := New[int](3)
	for k := range uint64(3) {
		v, fresh := tb.At(k)
		if !fresh {
			t.Fatalf("key %d is not fresh", k)
		}
		*v = int(k) * 10
	}
	tb.At(100) // all were used: the hand clears the marks and takes the first
	tb.Get(2)
	tb.At(101) // 1 was not used since
	if tb.Get(0) != nil || tb.Get(1) != nil || tb.Get(2) == nil || tb.Get(100) == nil || tb.Get(101) == nil {
		t.Error("wrong entries evicted")
	}
	if tb.Len() != 3 || tb.Evicted() != 2 {
		t.Errorf("len %d, evicted %d, want 3 and 2", tb.Len(), tb.Evicted())
	}
	if v := tb.Get(2); *v != 20 {
		t.Errorf("entry 2 holds %d, want 20", *v)
	}
}

func TestTableSparesAndRemoves(t *testing.T) {
	tb := New[int](2)
	tb.Spare = func(v *int) bool { return *v == 7 }
	v, _ := tb.At(1)
	*v = 7
	for k := uint64(2); k < 50; k++ {
		tb.At(k)
	}
	if tb.Get(1) == nil {
		t.Error("the entry to keep was evicted")
	}
	tb.Remove(1)
	tb.Remove(1)
	if tb.Get(1) != nil || tb.Len() != 1 {
		t.Errorf("removed entry is there, or len %d", tb.Len())
	}
	tb.Spare = func(*int) bool { return true }
	for k := uint64(100); k < 110; k++ {
		tb.At(k) // terminates though everything asks to be kept
	}
	if tb.Len() != 2 {
		t.Errorf("len %d, want 2", tb.Len())
	}
}

// The table must agree with a map as long as nothing is evicted.
func TestTableIsAMap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	tb, want := New[int](1000), map[uint64]int{}
	for i := range 20000 {
		k := r.Uint64N(900)
		switch r.IntN(3) {
		case 0:
			v, fresh := tb.At(k)
			if _, have := want[k]; have == fresh {
				t.Fatalf("key %d: fresh %v", k, fresh)
			}
			*v, want[k] = i, i
		case 1:
			tb.Remove(k)
			delete(want, k)
		default:
			v, have := want[k]
			if got := tb.Get(k); (got != nil) != have || got != nil && *got != v {
				t.Fatalf("key %d: got %v, want %d", k, got, v)
			}
		}
	}
	if tb.Len() != len(want) || tb.Evicted() != 0 {
		t.Errorf("len %d, evicted %d, want %d and 0", tb.Len(), tb.Evicted(), len(want))
	}
}

func TestMemory(t *testing.T) {
	const keys = 10000
	m := NewMemory(keys, 15*day)
	known := 0
	for i := range uint64(keys) {
		if !m.First(Mix(i), monday) {
			known++
		}
	}
	if known > keys/100 {
		t.Errorf("%d of %d new keys taken for known, want at most 1 %%", known, keys)
	}
	for i := range uint64(keys) {
		if !m.Known(Mix(i)) {
			t.Fatalf("key %d forgotten", i)
		}
	}
	m = NewMemory(keys, 15*day)
	if m.Known(1) {
		t.Error("an empty memory knows a key")
	}
	m.First(1, monday)
	if !m.Known(1) || m.Known(2) {
		t.Error("Known is not what was met")
	}
	if m.First(1, monday+16*day) {
		t.Error("forgotten after one span")
	}
	if m.First(1, monday+31*day) {
		t.Error("a key met again in the second span is forgotten after the first")
	}
	m.First(2, monday+50*day)
	if !m.First(1, monday+70*day) {
		t.Error("remembered for ever")
	}
	if m.Early() != 0 {
		t.Errorf("early %d, want 0", m.Early())
	}
}

func TestCrowd(t *testing.T) {
	var c Crowd
	for i := range uint32(30) {
		if fresh := c.Add(i % 15); fresh != (i < 10) {
			t.Errorf("member %d: fresh %v", i, fresh)
		}
	}
	if c.Len() != 10 {
		t.Errorf("n = %d, want 10", c.Len())
	}
}

func TestSaved(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	tb, crowd, met := New[int](5000), Crowd{}, NewMemory(20000, 15*day)
	for i := range 3000 {
		k := r.Uint64()
		v, _ := tb.At(k)
		*v = i
		crowd.Add(uint32(k))
		met.First(k, monday)
	}
	save := func(e *state.Encoder, v *int) { e.Int(int64(*v)) }
	var e state.Encoder
	tb.Save(&e, save)
	crowd.Save(&e)
	met.Save(&e)

	d := state.NewDecoder(e.Encoded())
	tb2, crowd2, met2 := New[int](5000), Crowd{}, NewMemory(20000, 15*day)
	tb2.Load(d, func(d *state.Decoder, v *int) { *v = int(d.Int()) })
	crowd2.Load(d)
	met2.Load(d)
	if d.Err() != nil || d.More() {
		t.Fatalf("load: %v, more %v", d.Err(), d.More())
	}
	if crowd2 != crowd || tb2.Len() != tb.Len() || met2.Len() != met.Len() {
		t.Error("not the same after loading")
	}
	for k, v := range tb.All() {
		if w := tb2.Get(k); w == nil || *w != *v {
			t.Fatalf("key %x: got %v, want %d", k, w, *v)
		}
		if met2.First(k, monday+day) {
			t.Fatalf("key %x is new after loading", k)
		}
	}
	small := NewMemory(100, 15*day) // another size: begins anew, but what follows is read
	d = state.NewDecoder(e.Encoded())
	New[int](100).Load(d, func(d *state.Decoder, v *int) { *v = int(d.Int()) })
	crowd2.Load(d)
	small.Load(d)
	if d.Err() != nil || d.More() || small.Len() != 0 {
		t.Errorf("a memory of another size: %v, more %v, %d keys", d.Err(), d.More(), small.Len())
	}
}

func FuzzLoad(f *testing.F) {
	var e state.Encoder
	tb, met := New[int](10), NewMemory(100, 5)
	tb.At(5)
	met.First(5, 1)
	tb.Save(&e, func(e *state.Encoder, v *int) { e.Int(int64(*v)) })
	met.Save(&e)
	f.Add(e.Encoded())
	f.Fuzz(func(t *testing.T, b []byte) {
		d := state.NewDecoder(b)
		tb, met, crowd := New[int](10), NewMemory(100, 5), Crowd{}
		tb.Load(d, func(d *state.Decoder, v *int) { *v = int(d.Int()) })
		met.Load(d)
		crowd.Load(d)
		if tb.Len() > 10 || crowd.Len() > 10 {
			t.Fatal("more entries than the limit")
		}
		for k := range uint64(40) {
			tb.At(k)
			met.First(k, 7)
		}
	})
}

func BenchmarkTable(b *testing.B) {
	tb := New[[16]byte](1 << 16)
	r := rand.New(rand.NewPCG(5, 6))
	b.ReportAllocs()
	for b.Loop() {
		v, _ := tb.At(r.Uint64N(1 << 17))
		v[0]++
	}
}
