package spool

import (
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// faulty is a disk that fails as it is told.
type faulty struct {
	lazy
	before func(op, path string) error
}

type faultyFile struct {
	file
	d    *faulty
	path string
}

func (d *faulty) wrap(f file, err error, path string) (file, error) {
	if err != nil {
		return nil, err
	}
	return &faultyFile{f, d, path}, nil
}

func (d *faulty) create(path string) (file, error) {
	if err := d.before("create", path); err != nil {
		return nil, err
	}
	f, err := d.lazy.create(path)
	return d.wrap(f, err, path)
}

func (d *faulty) resume(path string) (file, error) {
	f, err := d.lazy.resume(path)
	return d.wrap(f, err, path)
}

func (d *faulty) open(path string) (file, error) {
	f, err := d.lazy.open(path)
	return d.wrap(f, err, path)
}

func (f *faultyFile) WriteAt(b []byte, at int64) (int, error) {
	if err := f.d.before("write", f.path); err != nil {
		n, _ := f.file.WriteAt(b[:len(b)/2], at) // torn
		return n, err
	}
	return f.file.WriteAt(b, at)
}

func (f *faultyFile) Truncate(size int64) error {
	if err := f.d.before("truncate", f.path); err != nil {
		return err
	}
	return f.file.Truncate(size)
}

func (f *faultyFile) Sync() error { return f.d.before("sync", f.path) }

// fault is an error that can be switched on and off.
type fault struct {
	mu  sync.Mutex
	err error
	ops string
}

func (f *fault) set(err error, ops string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.ops = err, ops
}

func (f *fault) before(op, _ string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if strings.Contains(f.ops, op) {
		return f.err
	}
	return nil
}

func TestFailingDisk(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		ops  string
	}{
		{"input/output error", syscall.EIO, "create write truncate sync"},
		{"writes tear and cannot be undone", syscall.EIO, "write truncate"},
		{"full", syscall.ENOSPC, "create write"},
		{"quota", syscall.EDQUOT, "create write"},
		{"read-only", syscall.EROFS, "create write truncate sync"},
		{"sync", syscall.EIO, "sync"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fault{}
			conf := small(t)
			conf.SyncEvery, conf.retryAfter = 100*time.Millisecond, 100*time.Millisecond
			s, log := openOn(t, conf, &faulty{before: f.before})
			add(t, s, 0, 1000)
			wait(t, "the disk", func() bool { return s.Stats().OnDisk > 1000*100 })
			f.set(c.err, c.ops)
			add(t, s, 1000, 3000) // fits into memory
			wait(t, "errors", func() bool { return s.Stats().Errors > 1 || c.ops == "sync" && s.Stats().Errors == 1 })
			if st := s.Stats(); st.Lines != 3000 || st.Dropped != [4]uint64{} {
				t.Errorf("%+v", st)
			}
			f.set(nil, "")
			wait(t, "the recovery", func() bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				return s.used == 0 && s.disk > 1000*1000
			})
			if n := drain(t, s, inOrder(t, 0, 1)); n != 3000 {
				t.Errorf("%d lines", n)
			}
			if n := strings.Count(log.String(), "cannot write; lines wait in memory"); n != 1 {
				t.Errorf("said %d times: %s", n, log)
			}
			add(t, s, 3000, 4000)
			closeSpool(t, s)
			s, log = openSpool(t, conf)
			if n := drain(t, s, inOrder(t, 3000, 3001)); n != 1000 || s.Stats().Corrupt != 0 {
				t.Errorf("%d lines after the restart: %s", n, log)
			}
			closeSpool(t, s)
		})
	}
}

func TestDiskFailsForGood(t *testing.T) {
	f := &fault{}
	c := small(t)
	c.retryAfter = 20 * time.Millisecond
	s, log := openOn(t, c, &faulty{before: f.before})
	f.set(syscall.EIO, "create write truncate sync")
	const lines = 40_000 // 14 MiB against 4
	add(t, s, 0, lines)
	st := s.Stats()
	if st.Dropped[0] != lines/4 && st.Lines == 0 || st.Dropped[0] < st.Dropped[1] || st.Dropped[1] < st.Dropped[2] || st.Dropped[0] == 0 || st.Memory > c.MemoryBytes {
		t.Errorf("%+v", st)
	}
	var a account
	got, err := s.Next(t.Context(), 10, 1<<20, nil) // it goes on with what memory holds
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range got {
		a.take(t)(e)
	}
	if err := s.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "input/output error") {
		t.Errorf("close: %v", err)
	}
	st = s.Stats()
	if sum := st.Dropped[0] + st.Dropped[1] + st.Dropped[2] + st.Dropped[3]; sum != lines {
		t.Errorf("%d of %d lines are counted as dropped", sum, lines)
	}
	if n := strings.Count(log.String(), "cannot write; lines wait"); n != 1 {
		t.Errorf("said %d times", n)
	}
}

// quota is a disk with so much room.
type quota struct {
	lazy
	mu   sync.Mutex
	left int64
	size map[string]int64
}

type quotaFile struct {
	file
	q    *quota
	path string
}

func (q *quota) create(path string) (file, error) {
	f, err := q.lazy.create(path)
	return &quotaFile{f, q, path}, err
}

func (q *quota) remove(path string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.left += q.size[path]
	delete(q.size, path)
	return q.lazy.remove(path)
}

func (f *quotaFile) WriteAt(b []byte, at int64) (int, error) {
	q := f.q
	q.mu.Lock()
	defer q.mu.Unlock()
	grown := max(0, at+int64(len(b))-q.size[f.path])
	if grown > q.left {
		return 0, syscall.ENOSPC
	}
	q.left -= grown
	q.size[f.path] += grown
	return f.file.WriteAt(b, at)
}

// On a full disk flows on it make way for alerts, once memory has no room.
func TestFullDiskKeepsAlerts(t *testing.T) {
	c := small(t)
	c.SegmentBytes, c.retryAfter = 256<<10, 10*time.Millisecond
	q := &quota{left: 6 << 20, size: map[string]int64{}}
	s, _ := openOn(t, c, q)
	text := []byte(strings.Repeat("x", 1000))
	for n := range 10_000 {
		class := uint8(0)
		if n >= 6000 {
			class = 3
		}
		s.Append(Entry{Class: class, Text: text})
		if n%100 == 0 {
			time.Sleep(10 * time.Millisecond)
		}
	}
	var a account
	drain(t, s, a.take(t))
	st := s.Stats()
	if a.lines[3] != 4000 || a.lines[0]+st.Dropped[0] != 6000 || a.lines[0] == 0 || st.Dropped[0] < 1000 || a.lost != st.Dropped {
		t.Errorf("came %v, lost %v: %+v", a.lines, a.lost, st)
	}
	closeSpool(t, s)
}
