package evidence

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

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
	if err != io.EOF || uint64(len(got)) != s.Stats().Packets {
		t.Errorf("%d frames of %d, %v", len(got), s.Stats().Packets, err)
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
	if st := s.Stats(); st.Deleted != 2 || st.Segments != before.Segments-1 || st.Packets != 10_001 || log.Len() != 0 {
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
	s, _ := openStore(t, c)
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
	close(gate)
	w.Close()
	if st := s.Stats(); st.Packets+st.LostSlow != 5000 {
		t.Errorf("stats %+v, want 5,000 stored or lost", st)
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

// TestKill kills a recording process without warning and reads what it left.
func TestKill(t *testing.T) {
	if dir := os.Getenv("KAGAMI_KILL_DIR"); dir != "" {
		record(t, dir)
		return
	}
	dir := filepath.Join(t.TempDir(), "evidence")
	cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
	cmd.Env = append(os.Environ(), "KAGAMI_KILL_DIR="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); len(segments(t, dir)) < 3; {
		if time.Now().After(deadline) {
			t.Fatal("nothing recorded in 10 s")
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	left := slices.DeleteFunc(segments(t, dir), func(p string) bool {
		st, err := os.Stat(p)
		return err == nil && st.Size() == 0 // killed between creation and first block
	})
	got, err := readAll(left...)
	if err != io.EOF && !capture.IsTorn(err) {
		t.Fatal(err)
	}
	for n, f := range got {
		if binary.BigEndian.Uint32(f.Data) != uint32(n) {
			t.Fatalf("packet %d stands at place %d", binary.BigEndian.Uint32(f.Data), n)
		}
	}
	c := Default()
	c.Dir = dir
	s, _ := openStore(t, c)
	if st := s.Stats(); st.Segments != len(left) || len(got) < 1000 {
		t.Errorf("%d packets, stats after the restart %+v", len(got), st)
	}
	for _, p := range segments(t, dir) {
		var st syscall.Stat_t
		if err := syscall.Stat(p, &st); err != nil || st.Blocks*512 > st.Size+(1<<20) {
			t.Errorf("%s: %d octets take %d on disk, %v", filepath.Base(p), st.Size, st.Blocks*512, err)
		}
	}
}

func record(t *testing.T, dir string) {
	c := small(t)
	c.Dir, c.SegmentBytes = dir, 4<<20
	s, _ := openStore(t, c)
	w := s.Writer(0, 0)
	for n := range 60_000 { // 60 MB, if nobody ends it
		w.Add(frame(n, 1000), sensor.Plain, 0)
		if n%1000 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	time.Sleep(10 * time.Second)
}
