package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// lazy is a disk that is not synced: tests that cut no power are faster so.
type lazy struct{ osDisk }

type lazyFile struct{ file }

func (lazyFile) Sync() error { return nil }

func unsynced(f file, err error) (file, error) {
	if err != nil {
		return nil, err
	}
	return lazyFile{f}, nil
}

func (d lazy) create(path string) (file, error) { return unsynced(d.osDisk.create(path)) }
func (d lazy) resume(path string) (file, error) { return unsynced(d.osDisk.resume(path)) }
func (lazy) syncDir(string) error               { return nil }

// logged is a log that tests read.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func small(t testing.TB) Config {
	return Config{Dir: filepath.Join(t.TempDir(), "spool"), MaxBytes: 64 << 20, MemoryBytes: 4 << 20, SegmentBytes: 1 << 20, SpillAfter: 50 * time.Millisecond}
}

func openOn(t testing.TB, c Config, fs disk) (*Spool, *logged) {
	t.Helper()
	log := &logged{}
	s, err := open(c, slog.New(slog.NewTextHandler(log, nil)), fs)
	if err != nil {
		t.Fatal(err)
	}
	return s, log
}

func openSpool(t testing.TB, c Config) (*Spool, *logged) { t.Helper(); return openOn(t, c, lazy{}) }

func closeSpool(t testing.TB, s *Spool) {
	t.Helper()
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// line is the n-th line of a test; its class and length depend on n.
func line(n int) Entry {
	return Entry{At: int64(n) * 1e6, Class: uint8(n % NumClasses), Kind: uint8(n % 17), Severity: uint8(n % 8), Client: [16]byte{15: uint8(n)}, Log: []string{"", "conn", "dns"}[n%3],
		Text: fmt.Appendf(nil, "%d %s", n, strings.Repeat("x", n%700))}
}

func add(t testing.TB, s *Spool, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		if seq, err := s.Append(line(n)); err != nil || seq == 0 {
			t.Fatal(seq, err)
		}
		if n%100 == 0 && s.keeper.fs == (lazy{}) { // no faster than the disk
			wait(t, "the disk", func() bool { return !s.scarce() })
		}
	}
}

// drain takes and acknowledges all that waits, without texts but for the check.
func drain(t testing.TB, s *Spool, each func(Entry)) (lines int) {
	t.Helper()
	var entries []Entry
	for {
		st := s.Stats()
		if st.Lines == 0 && !lost(s) {
			return lines
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		var err error
		entries, err = s.Next(ctx, 500, 100_000, entries[:0])
		cancel()
		if err != nil {
			t.Fatalf("next: %v after %d lines: %+v", err, lines, st)
		}
		for _, e := range entries {
			each(e)
			if e.Lost == 0 {
				lines++
			}
		}
		s.Ack(entries[len(entries)-1].Seq)
	}
}

func lost(s *Spool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.lanes {
		if s.lanes[i].lost.lines > 0 {
			return true
		}
	}
	return false
}

// inOrder checks that entries are the lines from number first on.
func inOrder(t testing.TB, first int, seq uint64) func(Entry) {
	n := first
	return func(e Entry) {
		t.Helper()
		w := line(n)
		if e.Lost != 0 || e.Seq != seq || e.At != w.At || e.Class != w.Class || e.Kind != w.Kind || e.Severity != w.Severity || e.Log != w.Log || e.Client != w.Client || !bytes.Equal(e.Text, w.Text) {
			t.Fatalf("got %d %+v, want number %d, line %d", len(e.Text), e, seq, n)
		}
		n++
		seq++
	}
}

func wait(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long for %s", what)
		}
	}
}

func files(t testing.TB, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestWhatIsAcknowledgedSoonNeverTouchesTheDisk(t *testing.T) {
	c := small(t)
	c.SpillAfter = time.Second
	s, _ := openSpool(t, c)
	check := inOrder(t, 0, 1)
	for n := 0; n < 20_000; n += 100 {
		add(t, s, n, n+100)
		drain(t, s, check)
	}
	st := s.Stats()
	if st.Written > 4*slotBytes || st.OnDisk != 0 || len(files(t, c.Dir)) != 0 || st.Acked != 20_000 || st.Lines != 0 || st.Bytes != 0 || st.Oldest != 0 {
		t.Errorf("%+v", st)
	}
	closeSpool(t, s)
	if s.Stats().OnDisk != 0 || len(files(t, c.Dir)) != 0 {
		t.Error("an empty spool leaves segments")
	}
}

func TestOrderIsKeptThroughDiskAndRestart(t *testing.T) {
	c := small(t)
	s, _ := openSpool(t, c)
	add(t, s, 0, 30_000) // 10 MiB: more than memory holds
	wait(t, "the disk", func() bool { return s.Stats().OnDisk > 9<<20 })
	add(t, s, 30_000, 31_000)
	check := inOrder(t, 0, 1)
	entries, err := s.Next(t.Context(), 1000, 1<<20, nil)
	if err != nil || len(entries) != 1000 {
		t.Fatal(len(entries), err)
	}
	for _, e := range entries {
		check(e)
	}
	s.Ack(entries[499].Seq) // the others were handed out, and come back
	st := s.Stats()
	if st.Lines != 30_500 || st.Oldest != line(500).At || st.Acked != 500 || st.Seq != 31_000 {
		t.Errorf("%+v", st)
	}
	closeSpool(t, s)

	s, log := openSpool(t, c)
	if st := s.Stats(); st.Lines != 30_500 || st.Resumed != 30_500 || st.Seq != 31_000 || st.Acked != 500 || st.Corrupt != 0 || st.Oldest != line(500).At {
		t.Fatalf("%+v %s", st, log)
	}
	add(t, s, 31_000, 32_000)
	if n := drain(t, s, inOrder(t, 500, 501)); n != 31_500 {
		t.Errorf("%d lines", n)
	}
	wait(t, "the deletion", func() bool { return s.Stats().OnDisk == 0 })
	closeSpool(t, s)
	if n := len(files(t, c.Dir)); n != 0 {
		t.Errorf("%d files are left", n)
	}
}

func TestRestartsLeaveFewFiles(t *testing.T) {
	c := small(t)
	for run := range 50 {
		s, _ := openSpool(t, c)
		add(t, s, run*20, run*20+20)
		closeSpool(t, s)
	}
	if n := len(files(t, c.Dir)); n != NumClasses {
		t.Errorf("%d files", n)
	}
	s, _ := openSpool(t, c)
	if n := drain(t, s, inOrder(t, 0, 1)); n != 1000 {
		t.Errorf("%d lines", n)
	}
	closeSpool(t, s)
}

func TestNextLimits(t *testing.T) {
	s, _ := openSpool(t, small(t))
	defer closeSpool(t, s)
	for range 20 {
		s.Append(Entry{Text: make([]byte, 100)})
	}
	for _, c := range []struct{ lines, bytes, want int }{{3, 1 << 20, 3}, {100, 250, 3}, {100, 1, 1}, {0, 0, 1}, {100, 1 << 30, 12}} {
		got, err := s.Next(t.Context(), c.lines, c.bytes, nil)
		if err != nil || len(got) != c.want {
			t.Errorf("%+v: %d lines, %v", c, len(got), err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if got, err := s.Next(ctx, 1, 1, nil); len(got) != 0 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nothing waits: %d lines, %v", len(got), err)
	}
}

func TestNextBoundsWhatIsNotAcknowledged(t *testing.T) {
	s, _ := openSpool(t, small(t))
	defer closeSpool(t, s)
	for range maxFlights + 1 {
		s.Append(Entry{Text: []byte("x")})
	}
	got, err := s.Next(t.Context(), maxFlights+1, 1<<20, nil)
	if err != nil || len(got) != maxFlights {
		t.Fatal(len(got), err)
	}
	if _, err := s.Next(t.Context(), 1, 1, nil); err != ErrUnacknowledged {
		t.Error(err)
	}
	s.Ack(1)
	if got, err := s.Next(t.Context(), 9, 99, nil); err != nil || len(got) != 1 || got[0].Seq != maxFlights+1 {
		t.Error(got, err)
	}
}

func TestAppendRefuses(t *testing.T) {
	s, _ := openSpool(t, small(t))
	for _, c := range []struct {
		name string
		e    Entry
		err  error
	}{
		{"longest", Entry{Text: make([]byte, maxText), Log: strings.Repeat("l", maxLog)}, nil},
		{"text", Entry{Text: make([]byte, maxText+1)}, ErrTooLong},
		{"log", Entry{Log: strings.Repeat("l", maxLog+1)}, ErrTooLong},
		{"class", Entry{Class: NumClasses}, errClass},
	} {
		if seq, err := s.Append(c.e); err != c.err || (seq == 0) != (err != nil) {
			t.Errorf("%s: %d %v", c.name, seq, err)
		}
	}
	wait(t, "the disk", func() bool { return s.Stats().OnDisk > maxText })
	if got, err := s.Next(t.Context(), 1, 1, nil); err != nil || len(got[0].Text) != maxText || len(got[0].Log) != maxLog {
		t.Errorf("the longest line comes back with %v", err)
	}
	closeSpool(t, s)
	if _, err := s.Append(Entry{}); err != ErrClosed {
		t.Error(err)
	}
	if _, err := s.Next(t.Context(), 1, 1, nil); err != ErrClosed {
		t.Error(err)
	}
	if err := s.Close(t.Context()); err != ErrClosed {
		t.Error(err)
	}
	s.Ack(99)
}

func TestConfig(t *testing.T) {
	good := Config{Dir: "/var/lib/kagami/queue", MaxBytes: 1 << 30}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	err := Config{Dir: "queue", MaxBytes: 1, MemoryBytes: 1, SegmentBytes: -1, SyncEvery: 1, SpillAfter: 1}.Validate()
	for _, key := range []string{"dir", "max_bytes", "memory_bytes", "segment_bytes", "sync_every", "spill_after"} {
		if err == nil || !strings.Contains(err.Error(), "spool."+key+": got ") {
			t.Errorf("no word of %s: %v", key, err)
		}
	}
	for _, c := range []struct{ max, want int64 }{{1 << 20, minSegment}, {64 << 20, 4 << 20}, {16 << 30, 8 << 20}, {1 << 40, 512 << 20}} {
		if got := (Config{MaxBytes: c.max}).withDefaults().segmentBytes(); got != c.want {
			t.Errorf("budget %d: segments of %d, want %d", c.max, got, c.want)
		}
	}
}

func TestOneProcessAtATime(t *testing.T) {
	c := small(t)
	s, _ := openSpool(t, c)
	if _, err := Open(c, s.log); err == nil || !strings.Contains(err.Error(), "another kagami uses it") {
		t.Errorf("got %v", err)
	}
	closeSpool(t, s)
	if st, err := os.Stat(c.Dir); err != nil || st.Mode().Perm() != 0o700 {
		t.Error(st.Mode(), err)
	}
	s, _ = openSpool(t, c)
	closeSpool(t, s)
}

func TestNumbersAreNeverGivenTwice(t *testing.T) {
	c := small(t)
	last := uint64(0)
	for run := range 5 {
		s, _ := openSpool(t, c)
		seq, err := s.Append(line(0))
		if err != nil || seq <= last {
			t.Fatalf("run %d: number %d after %d, %v", run, seq, last, err)
		}
		for range run * 70_000 {
			if seq, err = s.Append(Entry{Text: []byte("x")}); err != nil {
				t.Fatal(err)
			}
		}
		wait(t, "the reservation", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.seq < s.renew })
		last = seq
		copyTo := filepath.Join(t.TempDir(), "killed") // what a kill leaves
		if err := os.CopyFS(copyTo, os.DirFS(c.Dir)); err != nil {
			t.Fatal(err)
		}
		closeSpool(t, s)
		c.Dir = copyTo
	}
}
