package spool

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stored fills a spool with lines 0 to n-1 and closes it.
func stored(t testing.TB, c Config, n int) {
	t.Helper()
	s, _ := openSpool(t, c)
	add(t, s, 0, n)
	closeSpool(t, s)
}

// rest reads what a damaged spool still has: which lines, each whole and in order.
func rest(t *testing.T, s *Spool) (a account, got map[int]bool) {
	t.Helper()
	got = map[int]bool{}
	take := a.take(t)
	drain(t, s, func(e Entry) {
		take(e)
		if e.Lost > 0 {
			return
		}
		n := int(e.Seq) - 1
		if w := line(n); !bytes.Equal(e.Text, w.Text) || e.Class != w.Class {
			t.Fatalf("number %d was altered", e.Seq)
		}
		got[n] = true
	})
	return a, got
}

// damage is something that happens to the directory of a spool that is closed.
type damage struct {
	name    string
	damage  func(*testing.T, string)
	missing int  // lines
	corrupt bool // is it noticed
	foreign uint64
	log     string
}

const damagedSegment = "1-000000000000.spool"

func damages() []damage {
	return []damage{
		{"nothing", func(*testing.T, string) {}, 0, false, 0, ""},
		{"a flipped bit in a text", edit(damagedSegment, flip(300_000)), 1, true, 0, "damaged"},
		{"a flipped bit in the first record's length", edit(damagedSegment, flip(headerBytes+9)), 1, true, 0, "damaged"},
		{"a flipped bit in the header", edit(damagedSegment, flip(17)), 0, true, 0, "damaged"},
		{"a flipped bit in the trailer", edit(damagedSegment, flip(-3)), 0, true, 0, "damaged"},
		{"zeros inside", edit(damagedSegment, func(b []byte) []byte { clear(b[100_000:104_096]); return b }), -1, true, 0, "damaged"},
		{"a torn end", edit(damagedSegment, func(b []byte) []byte { return b[:len(b)-200] }), 1, true, 0, "power cut"},
		{"octets behind the end", edit("3-000000000001.spool", func(b []byte) []byte { return append(b, make([]byte, 5000)...) }), 0, true, 0, "power cut"},
		{"nothing but a header", edit("3-000000000001.spool", func(b []byte) []byte { return b[:headerBytes] }), -1, false, 0, ""},
		{"a missing segment", func(t *testing.T, dir string) {
			os.Rename(filepath.Join(dir, damagedSegment), filepath.Join(dir, "0-000000000009.spool"))
		}, -1, false, 1, "not its own"},
		{"a foreign file", func(t *testing.T, dir string) { os.WriteFile(filepath.Join(dir, "notes\x1b.txt"), []byte("x"), 0o644) }, 0, false, 1, `notes\\x1b.txt`},
		{"a directory with a segment's name", func(t *testing.T, dir string) { os.Mkdir(filepath.Join(dir, "0-000000000009.spool"), 0o755) }, 0, false, 1, "not its own"},
		{"a link", func(t *testing.T, dir string) { os.Symlink("/dev/zero", filepath.Join(dir, "0-000000000009.spool")) }, 0, false, 1, "not its own"},
		{"another's octets", func(t *testing.T, dir string) {
			os.WriteFile(filepath.Join(dir, "0-000000000009.spool"), bytes.Repeat([]byte("#!/bin/sh\n"), 1000), 0o600)
		}, 0, false, 1, "not its own"},
		{"the state is lost", func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, stateName)) }, 0, false, 0, "numbers make a jump"},
		{"the state is damaged", func(t *testing.T, dir string) { os.WriteFile(filepath.Join(dir, stateName), []byte("#"), 0o600) }, 0, true, 0, "numbers make a jump"},
	}
}

// edit changes the octets of a file.
func edit(name string, change func([]byte) []byte) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		path := filepath.Join(dir, name)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, change(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// flip changes a bit; at counts from the end when it is negative.
func flip(at int) func([]byte) []byte {
	return func(b []byte) []byte { b[(at+len(b))%len(b)] ^= 0x10; return b }
}

func TestDamage(t *testing.T) {
	const lines = 20_000 // 7 MiB: three segments of each class
	c := small(t)
	c.SegmentBytes = 1 << 20
	stored(t, c, lines)
	if n := len(files(t, c.Dir)); n != 8 {
		t.Fatalf("%d files", n)
	}
	for _, x := range damages() {
		t.Run(x.name, func(t *testing.T) {
			c := c
			from := c.Dir
			c.Dir = filepath.Join(t.TempDir(), "spool")
			if err := os.CopyFS(c.Dir, os.DirFS(from)); err != nil {
				t.Fatal(err)
			}
			x.damage(t, c.Dir)
			s, log := openSpool(t, c)
			seq := s.Stats().Seq
			a, got := rest(t, s)
			st := s.Stats()
			if missing := lines - len(got); missing != x.missing && (x.missing >= 0 || missing == 0 || missing > lines/4) {
				t.Errorf("%d lines are missing, want %d", missing, x.missing)
			}
			if (st.Corrupt > 0) != x.corrupt || st.Foreign != x.foreign || !strings.Contains(log.String(), x.log) {
				t.Errorf("%+v %s", st, log)
			}
			if sum := a.lost[0] + a.lost[1] + a.lost[2] + a.lost[3]; sum != st.Unreadable {
				t.Errorf("told of %d lost lines, unreadable %d", sum, st.Unreadable)
			}
			if next, err := s.Append(line(0)); err != nil || next != seq+1 || next <= lines {
				t.Errorf("next number %d after %d, %v", next, seq, err)
			}
			rest := drain(t, s, func(Entry) {})
			closeSpool(t, s)
			s, log = openSpool(t, c)
			if st := s.Stats(); rest != 1 || st.Lines != 0 || st.Corrupt > 1 {
				t.Errorf("%d; the second start finds %+v: %s", rest, st, log)
			}
			closeSpool(t, s)
		})
	}
}

// A middle segment that is gone is noticed by the numbers of the files.
func TestMissingMiddle(t *testing.T) {
	c := small(t)
	c.SegmentBytes = 256 << 10
	stored(t, c, 20_000)
	os.Remove(filepath.Join(c.Dir, "2-000000000002.spool"))
	s, log := openSpool(t, c)
	if st := s.Stats(); st.Corrupt != 1 || !strings.Contains(log.String(), "segments are missing") {
		t.Errorf("%+v %s", st, log)
	}
	rest(t, s)
	closeSpool(t, s)
}

// Damage that comes while the spool is open is counted, and told of.
func TestDamageWhileOpen(t *testing.T) {
	c := small(t)
	s, log := openSpool(t, c)
	add(t, s, 0, 8000)
	wait(t, "the disk", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.used == 0 })
	for i, name := range files(t, c.Dir) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		switch i {
		case 0:
			b[len(b)/2] ^= 1
			err = os.WriteFile(name, b, 0o600)
		case 1:
			err = os.Truncate(name, int64(len(b)/2))
		case 2:
			err = os.Remove(name)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	a, got := rest(t, s)
	st := s.Stats()
	if st.Unreadable != uint64(8000-len(got)) || st.Unreadable < 2900 || st.Corrupt != 3 || a.lost[0] != 1 || a.lost[1] < 500 || a.lost[2] != 2000 || a.lost[3] != 0 {
		t.Errorf("%d lines, lost %v: %+v %s", len(got), a.lost, st, log)
	}
	closeSpool(t, s)
}

// unreadable is a disk with places that cannot be read.
type unreadable struct {
	lazy
	from, to int64 // in every file; to is at a 4 KiB boundary
	gone     bool  // none of them can be opened
}

type unreadableFile struct {
	file
	d *unreadable
}

func (d *unreadable) open(path string) (file, error) {
	if d.gone {
		return nil, syscall.EIO
	}
	f, err := d.lazy.open(path)
	return unreadableFile{f, d}, err
}

func (f unreadableFile) ReadAt(b []byte, at int64) (int, error) {
	end := at + int64(len(b))
	if f.d.from == f.d.to || end <= f.d.from || at >= f.d.to {
		return f.file.ReadAt(b, at)
	}
	if at >= f.d.from {
		return 0, syscall.EIO
	}
	n, err := f.file.ReadAt(b[:f.d.from-at], at)
	return n, errors.Join(err, syscall.EIO)
}

func TestUnreadablePlace(t *testing.T) {
	if testing.Short() {
		t.Skip("waits several seconds for the disk to come back")
	}
	t.Parallel()
	c := small(t)
	s, log := openOn(t, c, &unreadable{from: 200_000, to: 204_800})
	for n := range 4000 {
		s.Append(Entry{Text: line(n * 4).Text})
	}
	wait(t, "the disk", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.used == 0 })
	var a account
	lines := drain(t, s, a.take(t))
	st := s.Stats()
	if st.Corrupt == 0 || st.Unreadable == 0 || st.Unreadable > 40 || lines+int(st.Unreadable) != 4000 || a.lost[0] != st.Unreadable {
		t.Errorf("%d lines: %+v %s", lines, st, log)
	}
	closeSpool(t, s)
}

// While the disk is gone Next waits: what is on it may come back. Close does not.
func TestCloseWhileNextWaitsForTheDisk(t *testing.T) {
	s, _ := openOn(t, small(t), &unreadable{gone: true})
	add(t, s, 0, 100)
	wait(t, "the disk", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.used == 0 && s.disk > 0 })
	ended := make(chan error)
	go func() { _, err := s.Next(t.Context(), 10, 1000, nil); ended <- err }()
	wait(t, "an attempt", func() bool { return s.Stats().Errors > 0 })
	start := time.Now()
	closeSpool(t, s)
	if err := <-ended; err != ErrClosed || time.Since(start) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
	if st := s.Stats(); st.Unreadable != 0 || st.Lines != 100 {
		t.Errorf("%+v", st)
	}
}
