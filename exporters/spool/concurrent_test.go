package spool

import (
	"context"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// Append, Next and Ack, Stats and the keeper at once, with a reader that stops now
// and then so that memory, disk and what is between are all used.
func TestConcurrent(t *testing.T) {
	c := small(t)
	c.SegmentBytes, c.SpillAfter, c.SyncEvery = 256<<10, minSpill, minSync
	s, _ := openSpool(t, c)
	const lines = 60_000
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			s.Stats()
			time.Sleep(time.Millisecond)
		}
	}()
	go func() {
		for n := range lines {
			if _, err := s.Append(line(n)); err != nil {
				t.Error(err)
			}
			if n%200 == 0 {
				time.Sleep(time.Millisecond)
				for s.scarce() {
					time.Sleep(time.Millisecond)
				}
			}
		}
	}()
	check := inOrder(t, 0, 1)
	rnd := rand.New(rand.NewPCG(1, 2))
	var entries []Entry
	for n := 0; n < lines; {
		var err error
		if entries, err = s.Next(ctx, 1+rnd.IntN(600), 1+rnd.IntN(200_000), entries[:0]); err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			check(e)
		}
		n += len(entries)
		if rnd.IntN(100) == 0 {
			time.Sleep(time.Duration(rnd.IntN(60)) * time.Millisecond)
		}
		s.Ack(entries[rnd.IntN(len(entries))].Seq)
	}
	cancel()
	closeSpool(t, s)
}

// Memory stays what it is, however much waits.
func TestMemoryIsConstant(t *testing.T) {
	lines := 300_000
	if os.Getenv("KAGAMI_SPOOL_LINES") != "" {
		lines = 5_000_000
	}
	c := small(t)
	c.MaxBytes, c.MemoryBytes, c.SegmentBytes = 64<<30, 8<<20, 0
	before := heap()
	s, _ := openSpool(t, c)
	text := []byte(strings.Repeat("x", 652))
	most := uint64(0)
	for n := range lines {
		s.Append(Entry{Class: uint8(n) % NumClasses, Text: text})
		if n%500 == 0 {
			wait(t, "the disk", func() bool { return !s.scarce() })
		}
		if n%50_000 == 0 {
			most = max(most, heap()-min(before, heap()))
		}
	}
	wait(t, "the disk", func() bool { return !s.scarce() })
	most = max(most, heap()-min(before, heap()))
	st := s.Stats()
	t.Logf("%d lines, %d MiB on disk, %d segments: %d KiB of memory at most", st.Lines, st.OnDisk>>20, len(files(t, c.Dir)), most>>10)
	if st.Lines != lines || most > uint64(c.MemoryBytes) {
		t.Errorf("%d octets of memory, want at most %d: %+v", most, c.MemoryBytes, st)
	}
	next := uint64(0)
	var entries []Entry
	for range 40 {
		var err error
		if entries, err = s.Next(t.Context(), 500, 1<<20, entries[:0]); err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if next++; e.Seq != next {
				t.Fatalf("number %d, want %d", e.Seq, next)
			}
		}
		s.Ack(next)
	}
	if now := heap(); now-min(before, now) > uint64(c.MemoryBytes) {
		t.Errorf("%d octets of memory while reading", now-before)
	}
	closeSpool(t, s)
}

func heap() uint64 {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}
