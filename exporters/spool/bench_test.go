package spool

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"
)

const benchText = 652 // with the record's header 700 octets

func benchSpool(b *testing.B, spill time.Duration) *Spool {
	b.Helper()
	s, err := Open(Config{Dir: b.TempDir(), MaxBytes: 32 << 30, SpillAfter: spill}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close(context.Background()) }) // b.Context has ended by then
	b.SetBytes(benchText + recordHeader)
	b.ReportAllocs()
	return s
}

// BenchmarkAppendNextAck is a place that keeps up: no octet gets to the disk.
func BenchmarkAppendNextAck(b *testing.B) {
	s := benchSpool(b, time.Second)
	e := Entry{Log: "conn", Text: []byte(strings.Repeat("x", benchText-4))}
	entries := make([]Entry, 0, 512)
	b.ResetTimer()
	for n := range b.N {
		e.Class = uint8(n) & 3
		s.Append(e)
		if n%500 == 499 {
			entries, _ = s.Next(b.Context(), 500, 1<<20, entries[:0])
			s.Ack(entries[len(entries)-1].Seq)
		}
	}
	b.StopTimer()
	st := s.Stats()
	b.ReportMetric(float64(st.Written)/float64(b.N), "disk-octets/op")
}

// BenchmarkSpill is a place that is down: everything goes to the disk.
func BenchmarkSpill(b *testing.B) {
	s := benchSpool(b, minSpill)
	e := Entry{Log: "conn", Text: []byte(strings.Repeat("x", benchText-4))}
	b.ResetTimer()
	for n := range b.N {
		e.Class = uint8(n) & 3
		s.Append(e)
		for n%100 == 0 && s.scarce() {
			time.Sleep(100 * time.Microsecond)
		}
	}
	b.StopTimer()
	if st := s.Stats(); st.Dropped != [4]uint64{} {
		b.Errorf("%+v", st)
	}
}

// BenchmarkCatchUp reads back from the disk.
func BenchmarkCatchUp(b *testing.B) {
	s := benchSpool(b, minSpill)
	e := Entry{Log: "conn", Text: []byte(strings.Repeat("x", benchText-4))}
	for n := range b.N {
		e.Class = uint8(n) & 3
		s.Append(e)
		for n%100 == 0 && s.scarce() {
			time.Sleep(100 * time.Microsecond)
		}
	}
	entries := make([]Entry, 0, 512)
	b.ResetTimer()
	for n := 0; n < b.N; n += len(entries) {
		entries, _ = s.Next(b.Context(), 500, 1<<20, entries[:0])
		s.Ack(entries[len(entries)-1].Seq)
	}
}
