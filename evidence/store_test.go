package evidence

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"kagami/sensor"
)

func TestRotationBySizeAndAge(t *testing.T) {
	c := small(t)
	c.SegmentBytes, c.SegmentAgeS = 1<<20, 60
	s, _ := openStore(t, c)
	w := s.Writer(0, 0)
	for n := range 3000 { // 3 s of packets, 3 MB
		w.Add(frame(n, 1000), sensor.Plain, 0)
	}
	w.Flush()
	bySize := len(segments(t, c.Dir))
	if bySize < 3 || bySize > 5 {
		t.Errorf("%d segments of 1 MiB for 3 MB", bySize)
	}
	for _, p := range segments(t, c.Dir) {
		if st, err := os.Stat(p); err != nil || st.Size() > c.SegmentBytes {
			t.Errorf("%s: %d octets, %v", p, st.Size(), err)
		}
	}
	w.Add(frame(3000+60_000, 100), sensor.Plain, 0) // a minute later
	w.Flush()
	if n := len(segments(t, c.Dir)); n != bySize+1 {
		t.Errorf("%d segments, want one more than %d by age", n, bySize)
	}
	w.Tick(t0+200*second, 0) // nothing but time
	w.Flush()
	if s.Stats().Segments != bySize+1 || len(s.open) != 0 {
		t.Errorf("the segment is still open after its age")
	}
	w.Close()
	got, err := readAll(segments(t, c.Dir)...)
	if err != io.EOF || len(got) != 3001 {
		t.Errorf("%d frames, %v", len(got), err)
	}
}

func TestBudgetIsKeptOverWritersAndRestarts(t *testing.T) {
	c := small(t)
	c.MaxBytes, c.SegmentBytes = 8<<20, 1<<20
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	foreign := []string{"notes.txt", "x.pcapng", "20260601T080000.123456Z-1.pcapng", "20260601T080000.123456Z-00000001.pcapng.bak", "99999999T080000.123456Z-00000001.pcapng"}
	for _, name := range foreign {
		if err := os.WriteFile(filepath.Join(c.Dir, name), make([]byte, 1<<20), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for restart := range 3 {
		s, err := Open(c, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		writers := []*Writer{s.Writer(0, 0), s.Writer(1, 0)}
		for range 12_000 {
			writers[n%2].Add(frame(n, 1000), sensor.Plain, 0)
			n++
			if n%1000 == 0 {
				if st := s.Stats(); st.Bytes > c.MaxBytes {
					t.Fatalf("%d octets, the budget is %d", st.Bytes, c.MaxBytes)
				}
			}
		}
		for _, w := range writers {
			w.Close()
		}
		st := s.Stats()
		onDisk := int64(0)
		files, _ := os.ReadDir(c.Dir)
		for _, f := range files {
			if !slices.Contains(foreign, f.Name()) {
				info, _ := f.Info()
				onDisk += info.Size()
			}
		}
		if st.Bytes != onDisk || onDisk > c.MaxBytes || onDisk < c.MaxBytes/2 || st.Deleted == 0 {
			t.Errorf("restart %d: %d octets on disk, stats %+v", restart, onDisk, st)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range foreign {
		if _, err := os.Stat(filepath.Join(c.Dir, name)); err != nil {
			t.Errorf("a foreign file was touched: %v", err)
		}
	}
	// What is left is the newest: every packet of the last megabytes, none twice.
	var ours []string
	for _, p := range segments(t, c.Dir) {
		if !slices.Contains(foreign, filepath.Base(p)) {
			ours = append(ours, p)
		}
	}
	got, err := readAll(ours...)
	if err != io.EOF {
		t.Fatal(err)
	}
	seen := map[uint32]bool{}
	for _, f := range got {
		k := binary.BigEndian.Uint32(f.Data)
		if seen[k] {
			t.Fatalf("packet %d is there twice", k)
		}
		seen[k] = true
	}
	for k := n - 3000; k < n; k++ {
		if !seen[uint32(k)] {
			t.Fatalf("packet %d of %d is gone", k, n)
		}
	}
}

// The oldest segment is the one that was written first, whatever its clock said.
func TestDeletionGoesByNumber(t *testing.T) {
	c := small(t)
	c.MaxBytes, c.SegmentBytes = 4<<20, 1<<20
	s, _ := openStore(t, c)
	w := s.Writer(0, 0)
	for n := range 6000 {
		f := frame(n, 1000)
		if n >= 3000 {
			f.Time -= 20 * 365 * 24 * 3600 * second // the clock was set back
		}
		w.Add(f, sensor.Plain, 0)
	}
	w.Close()
	got, err := readAll(segments(t, c.Dir)...)
	if err != io.EOF || len(got) < 2000 {
		t.Fatalf("%d frames, %v", len(got), err)
	}
	last := uint32(0)
	for _, f := range got {
		last = max(last, binary.BigEndian.Uint32(f.Data))
	}
	if last != 5999 {
		t.Errorf("the newest packet on disk is %d, want 5999", last)
	}
}

func TestFreeSpaceFloor(t *testing.T) {
	c := small(t)
	c.SegmentBytes, c.MinFreeBytes = 1<<20, 100<<20
	s, log := openStore(t, c)
	free := int64(103 << 20)
	s.free = func(string) (space, error) { return space{free - s.bytes, -1}, nil }
	w := s.Writer(0, 0)
	for n := range 20_000 {
		w.Add(frame(n, 1000), sensor.Plain, 0)
	}
	w.Flush()
	if st := s.Stats(); st.Bytes > 3<<20 || st.LostFull != 0 || st.Deleted < 10 {
		t.Errorf("stats %+v, want at most 3 MiB and nothing lost", st)
	}
	free = 50 << 20 // others fill the disk
	for n := range 20_000 {
		w.Add(frame(20_000+n, 1000), sensor.Plain, 0)
	}
	w.Flush()
	st := s.Stats()
	balanced(t, s, 40_000)
	if st.LostFull == 0 || st.Segments != 0 || st.Level != LevelMemory {
		t.Errorf("stats %+v, want packets lost and no segment left", st)
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 || !strings.Contains(log.String(), "min_free_bytes") {
		t.Errorf("%d errors logged, want one: %s", n, log)
	}
	free = 1 << 40
	for n := range 10_000 {
		w.Add(frame(50_000+n, 1000), sensor.Plain, 0)
	}
	w.Close()
	if again := s.Stats(); again.Stored == st.Stored || again.LostFull != st.LostFull || again.Waiting != 0 || !strings.Contains(log.String(), "recording again") {
		t.Errorf("stats %+v after there is room again: %s", again, log)
	}
}

func TestOneProcessPerDirectory(t *testing.T) {
	c := small(t)
	s, _ := openStore(t, c)
	if _, err := Open(c, slog.New(slog.DiscardHandler)); !errors.Is(err, syscall.EWOULDBLOCK) || !strings.Contains(err.Error(), "choose another evidence.dir") {
		t.Errorf("a second Open: %v", err)
	}
	s.Close()
	again, err := Open(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("Open after Close: %v", err)
	}
	again.Close()
}

func TestValidate(t *testing.T) {
	c := Default()
	if errs := c.Validate(); errs != nil {
		t.Errorf("default: %v", errs)
	}
	c.Dir, c.MaxBytes, c.SegmentAgeS = "", 1, 0
	want := `[evidence.dir: got "", want a directory evidence.max_bytes: got 1, want at least 67108864 evidence.segment_age_s: got 0, want 1..86400]`
	if got := fmt.Sprint(c.Validate()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
