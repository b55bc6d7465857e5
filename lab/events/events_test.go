package events

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"testing"

	"kagami/records"
)

// digest reads a world to its end and returns a hash of what matters in it.
func digest(w *World) (sum uint64, n int) {
	h := fnv.New64a()
	var b [24]byte
	for e := range w.Events() {
		m := e.Record.Meta()
		binary.LittleEndian.PutUint64(b[:], uint64(m.At))
		binary.LittleEndian.PutUint64(b[8:], m.UID)
		binary.LittleEndian.PutUint64(b[16:], uint64(m.Seq)<<8|uint64(m.Kind))
		h.Write(b[:])
		h.Write(m.Key.A[:])
		h.Write(m.Key.B[:])
		fmt.Fprint(h, m.Key.APort, m.Key.BPort, e.Label.Class, e.Label.Beat)
		n++
	}
	return h.Sum64(), n
}

func TestOverview(t *testing.T) {
	for _, s := range Sites() {
		w := New(s, Options{Seed: 1, Days: 7, Reuse: true})
		kinds := map[records.Kind]int{}
		classes := map[string]int{}
		n := 0
		last := int64(0)
		for e := range w.Events() {
			m := e.Record.Meta()
			if m.At < last {
				t.Fatalf("%s: goes back from %d to %d: %s", s.Name, last, m.At, e.Label.Class)
			}
			last = m.At
			kinds[m.Kind]++
			classes[e.Label.Class]++
			n++
		}
		t.Log(s.Name, w.Hosts(), n, kinds, classes)
	}
}

func BenchmarkEvents(b *testing.B) {
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		for range New(Office(), Options{Seed: 1, Days: 2, Reuse: true}).Events() {
			n++
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/event")
	b.ReportMetric(float64(n)/float64(b.N), "events")
}
