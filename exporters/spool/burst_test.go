package spool

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

var octets700 = []byte(strings.Repeat("x", benchText))

// A burst that memory has room for is not lost, whatever the disk does meanwhile.
func TestBurstFitsIntoMemory(t *testing.T) {
	gate := make(chan struct{})
	c := Config{Dir: filepath.Join(t.TempDir(), "spool"), MaxBytes: 64 << 20}
	s, _ := openOn(t, c, &faulty{before: func(op, path string) error {
		if op == "write" && !strings.HasSuffix(path, stateName) {
			<-gate
		}
		return nil
	}})
	const lines = 14_000 // 9.8 MB of the 10 MiB that are for lines
	for n := range lines {
		s.Append(Entry{Class: uint8(n) % NumClasses, Text: octets700})
	}
	if st := s.Stats(); st.Lines != lines || st.Memory > 12<<20 {
		t.Errorf("%+v", st)
	}
	close(gate)
	wait(t, "the disk", func() bool { return s.Stats().OnDisk > lines*700 })
	if n := drain(t, s, func(Entry) {}); n != lines {
		t.Errorf("%d lines of %d", n, lines)
	}
	closeSpool(t, s)
}

// A disk that takes half a second to sync, as an SD card does, does not hold up
// writing: 50,000 lines a second of 700 octets find room.
func TestSlowSync(t *testing.T) {
	c := Config{Dir: filepath.Join(t.TempDir(), "spool"), MaxBytes: 1 << 30, SyncEvery: 500 * time.Millisecond}
	s, log := openOn(t, c, &faulty{before: func(op, _ string) error {
		if op == "sync" {
			time.Sleep(500 * time.Millisecond)
		}
		return nil
	}})
	paced(s, 100_000, 50_000)
	if st := s.Stats(); st.Dropped != [NumClasses]uint64{} || st.Lines != 100_000 {
		t.Errorf("%+v %s", st, log)
	}
	if n := drain(t, s, func(Entry) {}); n != 100_000 {
		t.Errorf("%d lines", n)
	}
	closeSpool(t, s)
}

// paced appends lines of 700 octets, so many a second.
func paced(s *Spool, lines, rate int) (slowest time.Duration) {
	start := time.Now()
	for n := range lines {
		if n%(rate/200) == 0 {
			time.Sleep(time.Until(start.Add(time.Duration(n) * time.Second / time.Duration(rate))))
		}
		at := time.Now()
		s.Append(Entry{Class: uint8(n) % NumClasses, Text: octets700})
		slowest = max(slowest, time.Since(at))
	}
	return slowest
}

// What was dropped is said with the limit that it was dropped for.
func TestLimitIsNamed(t *testing.T) {
	for _, c := range []struct {
		name, want string
		max        int64
		err        error
	}{
		{"a burst", "its memory is full (lines come faster than the disk takes them)", 64 << 20, nil},
		{"a broken disk", "its memory is full, and the disk cannot be written", 64 << 20, syscall.EIO},
		{"disk_bytes", "disk_bytes is used up", 1 << 20, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fault{}
			conf := small(t)
			conf.MaxBytes, conf.quietFor = c.max, 50*time.Millisecond
			s, log := openOn(t, conf, &faulty{before: func(op, path string) error {
				if op == "write" && c.name == "a burst" && !strings.HasSuffix(path, stateName) {
					time.Sleep(100 * time.Millisecond)
				}
				return f.before(op, path)
			}})
			if c.err != nil {
				f.set(c.err, "create write")
				s.Append(Entry{Text: octets700})
				wait(t, "the error", func() bool { return s.Stats().Errors > 0 })
			}
			for n := 0; !strings.Contains(log.String(), "has no room"); n++ {
				s.Append(Entry{Text: octets700})
				if n%50 == 0 && c.max < conf.SegmentBytes*2 { // no faster than the disk
					wait(t, "the disk", func() bool { return !s.scarce() })
				}
			}
			if n := strings.Count(log.String(), c.want); n != 1 || strings.Count(log.String(), "has no room") != 1 {
				t.Errorf("want %q once: %s", c.want, log)
			}
			f.set(nil, "")
			drain(t, s, func(Entry) {})
			s.Close(t.Context())
		})
	}
}

// A burst's memory is given back when it was not needed for a while.
func TestMemoryIsGivenBack(t *testing.T) {
	s, _ := openSpool(t, small(t))
	for range 2000 {
		s.Append(Entry{Text: octets700})
	}
	drain(t, s, func(Entry) {})
	most := s.Stats().Memory
	wait(t, "the acknowledgements", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.used <= NumClasses })
	s.trim() // of the burst
	s.trim()
	if now := s.Stats().Memory; most < 1<<20 || now > NumClasses*chunkBytes {
		t.Errorf("%d octets, then %d", most, now)
	}
	closeSpool(t, s)
}

// TestBurstOnDisk measures on the disk of TMPDIR: KAGAMI_SPOOL_BURST is a number
// of lines and, behind a comma, how many a second.
func TestBurstOnDisk(t *testing.T) {
	lines, rate := 0, 0
	if n, _ := fmt.Sscanf(os.Getenv("KAGAMI_SPOOL_BURST"), "%d,%d", &lines, &rate); n != 2 {
		t.Skip("measures: KAGAMI_SPOOL_BURST=500000,50000")
	}
	s, err := Open(Config{Dir: filepath.Join(t.TempDir(), "spool"), MaxBytes: 16 << 30}, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		t.Fatal(err)
	}
	used := processorTime()
	start := time.Now()
	slowest := paced(s, lines, rate)
	took := time.Since(start)
	wait(t, "the disk", func() bool {
		return s.Stats().OnDisk > int64(lines)*700*95/100 || s.Stats().Dropped != [NumClasses]uint64{}
	})
	used = processorTime() - used
	st := s.Stats()
	t.Logf("%d lines in %v: dropped %v, slowest Append %v, %s ns of processor a line, %d syncs, %d MiB of memory", lines, took, st.Dropped, slowest,
		strconv.Itoa(int(used)/lines), st.Syncs, st.Memory>>20)
	if st.Dropped != [NumClasses]uint64{} {
		t.Error("lines were dropped")
	}
	closeSpool(t, s)
}

func processorTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
