package evidence

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"kagami/capture"
	"kagami/sensor"
)

// faulty fails as it is told.
type faulty struct {
	file
	room int // octets that may still be written
	err  error
}

func (f *faulty) WriteAt(b []byte, at int64) (int, error) {
	if len(b) <= f.room {
		f.room -= len(b)
		return f.file.WriteAt(b, at)
	}
	n, _ := f.file.WriteAt(b[:f.room], at) // torn in a block
	f.room = 0
	return n, f.err
}

func TestWriteErrors(t *testing.T) {
	c := small(t)
	s, log := openStore(t, c)
	broken := true
	s.create = func(path string) (file, error) {
		f, err := create(path)
		if broken {
			return &faulty{f, 500_000, syscall.EIO}, err
		}
		return f, err
	}
	w := s.Writer(0, 0)
	for n := range 20_000 { // 20 s: several attempts
		w.Add(frame(n, 1000), sensor.Plain, 0)
	}
	w.Flush()
	st := s.Stats()
	balanced(t, s, 20_000)
	if st.LostError == 0 || st.Stored == 0 || st.LostFull != 0 || st.Errors < 2 || st.Errors > 8 || st.Level != LevelMemory {
		t.Errorf("stats %+v, want packets stored and lost, and a few attempts", st)
	}
	broken = false
	for n := range 10_000 {
		w.Add(frame(20_000+n, 1000), sensor.Plain, 0)
	}
	w.Close()
	balanced(t, s, 30_000)
	if after := s.Stats(); after.LostError-st.LostError > 1500 || after.Waiting != 0 || after.Level != LevelAll {
		t.Errorf("stats %+v after the disk works again, before %+v: what waits is written when the next attempt succeeds", after, st)
	}
	if !strings.Contains(log.String(), "recording again") || !strings.Contains(log.String(), "input/output error") {
		t.Errorf("log: %s", log)
	}
	// Segments were cut at their last whole block: no reader stumbles.
	got, err := readAll(segments(t, c.Dir)...)
	if err != io.EOF || uint64(len(got)) != s.Stats().Stored {
		t.Errorf("%d frames of %d, %v", len(got), s.Stats().Stored, err)
	}
}

// crowded refuses to reserve room until segments were deleted.
type crowded struct {
	file
	refusals *int
}

func (f crowded) Reserve(size int64) error {
	if *f.refusals > 0 {
		*f.refusals--
		return syscall.ENOSPC
	}
	return f.file.Reserve(size)
}

func TestFullDiskDeletesOnlyWhatItMust(t *testing.T) {
	c := small(t)
	c.SegmentBytes = 1 << 20
	s, log := openStore(t, c)
	refusals := 0
	s.create = func(path string) (file, error) {
		f, err := create(path)
		return crowded{f, &refusals}, err
	}
	w := s.Writer(0, 0)
	for n := range 10_000 {
		w.Add(frame(n, 1000), sensor.Plain, 0)
	}
	w.Tick(t0+3600*second, 0) // closes the segment
	w.Flush()
	before := s.Stats()
	refusals = 2
	w.Add(frame(20_000, 1000), sensor.Plain, 0)
	w.Flush()
	if st := s.Stats(); st.Deleted != 2 || st.Segments != before.Segments-1 || st.Stored != 10_001 || log.Len() != 0 {
		t.Errorf("stats %+v, before %+v: want two deleted for the new one: %s", st, before, log)
	}
	w.Tick(t0+7200*second, 0)
	w.Flush()
	refusals = 1000
	w.Add(frame(40_000, 1000), sensor.Plain, 0)
	w.Close()
	if st := s.Stats(); st.LostFull != 1 || st.Deleted != 2+maxRoomTries || !strings.Contains(log.String(), "no space left on device") {
		t.Errorf("stats %+v, want one packet lost and the deletion bounded: %s", st, log)
	}
}

func TestSlowDiskCostsPacketsNotTime(t *testing.T) {
	c := small(t)
	c.Wait, c.BufferMiB = false, 1
	s, log := openStore(t, c)
	gate := make(chan struct{})
	s.create = func(path string) (file, error) {
		<-gate
		return create(path)
	}
	w := s.Writer(0, 0)
	for n := range 5000 { // 5 MB against 1 MiB of memory, and the disk stands still
		w.Add(frame(n, 1000), sensor.Plain, 0)
		w.Tick(frame(n, 9).Time, 0)
	}
	lost := s.Stats().LostSlow
	if lost < 3500 || lost > 4500 {
		t.Errorf("%d packets lost, want about 4,000", lost)
	}
	for n := range 1000 { // nor does time that goes on
		w.Add(frame(5000+n*1000, 10), sensor.Plain, 0)
		w.Tick(frame(5000+n*1000, 9).Time, 0)
	}
	balanced(t, s, 6000)
	close(gate)
	w.Flush()
	w.Tick(frame(2_000_000, 9).Time, 0)
	w.Close()
	balanced(t, s, 6000)
	if n := strings.Count(log.String(), "the disk is too slow"); n < 1 || n > 2 { // once a minute, and more than one went by
		t.Errorf("log: %s", log)
	}
	if st := s.Stats(); st.Stored+st.LostSlow != 6000 {
		t.Errorf("stats %+v, want 6,000 stored or lost", st)
	}
}

// Whatever octet a segment ends at, the packets before it can be read.
func TestSegmentIsReadableAtEveryLength(t *testing.T) {
	c := small(t)
	s, _ := openStore(t, c)
	w := s.Writer(0, 0)
	for n := range 20 {
		w.Add(frame(n, 50+n), sensor.Plain, 0)
	}
	w.Close()
	whole, err := os.ReadFile(segments(t, c.Dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cut.pcapng")
	clean := 0
	for cut := 24; cut <= len(whole); cut++ {
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readAll(path)
		if err == io.EOF {
			clean++
		} else if !capture.IsTorn(err) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		for n, f := range got {
			if !bytes.Equal(f.Data, frame(n, 50+n).Data) {
				t.Fatalf("cut at %d: packet %d differs", cut, n)
			}
		}
		if cut == len(whole) && len(got) != 20 {
			t.Fatalf("whole segment: %d packets", len(got))
		}
	}
	if clean != 26 { // after the section, three marks, the interface, the statistics and each packet
		t.Errorf("%d clean ends, want 26", clean)
	}
}
