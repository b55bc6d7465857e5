package evidence

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kagami/evidence/index"
	"kagami/evidence/segment"
	"kagami/sensor"
)

// fill writes n segments of about 1 MB, each of one second of packets.
func fill(s *Store, w *Writer, from int64, n int) {
	for i := range n * 1030 {
		f := tcpFrame(i%50, 1000)
		f.Time = from + int64(i)*second/1030
		w.Add(f, sensor.Plain, headLen)
	}
	w.Flush()
}

func names(t *testing.T, dir, suffix string) (out []string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.Contains(f.Name(), suffix) {
			out = append(out, f.Name())
		}
	}
	return out
}

func oneMiB(t testing.TB) Config {
	c := small(t)
	c.SegmentBytes = 1 << 20
	return c
}

func TestMaximumAge(t *testing.T) {
	c := oneMiB(t)
	c.MaxAgeH = 1
	s, _ := openStore(t, c)
	w := s.Writer(0, 0)
	fill(s, w, t0, 3)
	w.Tick(t0+601*second, 0) // closes the last
	w.Flush()
	first := s.Stats().Segments
	fill(s, w, t0+1800*second, 3)
	tick := func(from, to int64) {
		for at := from; at <= to; at += second {
			w.Tick(at, 0)
			w.Flush()
		}
	}
	tick(t0+1810*second, t0+3500*second)
	if st := s.Stats(); st.Aged != 0 {
		t.Fatalf("stats %+v, want nothing to be too old yet", st)
	}
	tick(t0+3500*second, t0+3610*second)
	if st := s.Stats(); st.Aged != uint64(first) || st.Deleted != st.Aged || len(names(t, c.Dir, ".idx")) != st.Segments {
		t.Errorf("stats %+v, want the first %d segments and their indexes to be gone", st, first)
	}
	f := tcpFrame(1, 100)
	f.Time = t0 + 100*24*3600*second // one packet with a wrong time
	w.Add(f, sensor.Plain, headLen)
	w.Flush()
	tick(f.Time, f.Time+30*second)
	tick(t0+3611*second, t0+3800*second)
	if st := s.Stats(); st.Aged != uint64(first) {
		t.Errorf("stats %+v, want a wrong time to delete nothing", st)
	}
	tick(t0+3801*second, t0+5500*second) // the segment with the wrong time is behind those that are too old
	if st := s.Stats(); st.Segments != 1 {
		t.Errorf("stats %+v, want the next ones to be gone, and that with the wrong time to be left", st)
	}
	w.Close()
}

// A segment from the future at the head of the ring does not keep the others from
// getting too old.
func TestMaximumAgeBehindTheFuture(t *testing.T) {
	c := oneMiB(t)
	c.MaxAgeH = 1
	s, log := openStore(t, c)
	w := s.Writer(0, 0)
	fill(s, w, t0+1000*3600*second, 1)
	fill(s, w, t0, 2)
	for at := t0; at < t0+3700*second; at += second {
		w.Tick(at, 0)
		w.Flush()
	}
	if st := s.Stats(); st.Segments != 0 || st.Aged < 3 {
		t.Errorf("stats %+v, want all to be gone", st)
	}
	w.Close()
	if strings.Count(log.String(), "the clock of the packets was set back") != 1 {
		t.Errorf("log: %s", log)
	}
}

func TestInodes(t *testing.T) {
	c := oneMiB(t)
	s, log := openStore(t, c)
	inodes := int64(1000)
	s.free = func(string) (space, error) { return space{1 << 40, inodes}, nil }
	w := s.Writer(0, 0)
	fill(s, w, t0, 10)
	inodes = minInodes + 1 // one segment gives two
	fill(s, w, t0+60*second, 2)
	if st := s.Stats(); st.Deleted < 2 || st.Deleted > 4 || st.LostFull != 0 {
		t.Errorf("stats %+v, want a segment to go for each new one", st)
	}
	inodes = 0
	fill(s, w, t0+120*second, 60)
	w.Close()
	if st := s.Stats(); st.LostFull == 0 || !strings.Contains(log.String(), "disk full: 0 more files can be made") {
		t.Errorf("stats %+v: %s", st, log)
	}
}

// A case holds a segment by another name: deleting the segment's own gives no room,
// and the packets stay.
func TestHeldSegments(t *testing.T) {
	c := oneMiB(t)
	s, _ := openStore(t, c)
	w := s.Writer(0, 0)
	fill(s, w, t0, 6)
	first := segments(t, c.Dir)[0]
	held := first + ".hold-case1"
	if err := os.Link(first, held); err != nil {
		t.Fatal(err)
	}
	w.Tick(t0+3600*second, 0) // closes the last segment
	w.Flush()
	before := s.Stats()
	s.free = func(string) (space, error) { return space{gross(1<<20) - 1, -1}, nil } // an octet is missing
	w.Add(tcpFrame(1, 100), sensor.Plain, headLen)
	w.Flush()
	if st := s.Stats(); st.Deleted-before.Deleted != 2 {
		t.Errorf("%d deleted, want the held one, which gives no room, and the next", st.Deleted-before.Deleted)
	}
	if _, err := os.Stat(first); err == nil {
		t.Error("the ring keeps its name")
	}
	got, _ := readAll(held)
	if len(got) < 700 {
		t.Errorf("%d packets are left in the held segment", len(got))
	}
	w.Close()
	s.Close()
	again, _ := openStore(t, c)
	if again.Stats().Segments != len(names(t, c.Dir, ".pcapng"))-1 {
		t.Error("the held name counts as a segment of the ring")
	}
	again.Close()
}

func TestChapters(t *testing.T) {
	c := oneMiB(t)
	s, log := openStore(t, c)
	w := s.Writer(0, 0)
	fill(s, w, t0, 140)
	wait(t, func() bool { return len(names(t, c.Dir, "chapter-")) == 2 })
	ch, err := index.OpenChapter(filepath.Join(c.Dir, index.ChapterName(1)))
	if err != nil {
		t.Fatal(err)
	}
	var nums []uint64
	for _, i := range ch.Infos {
		nums = append(nums, i.Segment)
	}
	ch.Close()
	if len(nums) != 64 || nums[0] != 64 || nums[63] != 127 {
		t.Errorf("chapter 1 has the segments %d", nums)
	}
	for s.makeRoom() && s.sealed[0].num <= 64 {
	}
	if got := names(t, c.Dir, "chapter-"); fmt.Sprint(got) != "[chapter-00000001]" {
		t.Errorf("chapters %s, want the first to have gone with its last segment", got)
	}
	w.Close()
	s.Close()
	// What is missing or damaged is made at the next start; what belongs to nothing goes.
	for name, content := range map[string]string{index.ChapterName(1): "damaged", index.ChapterName(7): "of nothing", index.ChapterName(1) + ".tmp": "half"} {
		if err := os.WriteFile(filepath.Join(c.Dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, _ = openStore(t, c)
	wait(t, func() bool {
		ch, err := index.OpenChapter(filepath.Join(c.Dir, index.ChapterName(1)))
		return err == nil && ch.Close() == nil
	})
	wait(t, func() bool { return fmt.Sprint(names(t, c.Dir, "chapter-")) == "[chapter-00000001]" })
	s.Close()
	if log.Len() != 0 {
		t.Errorf("log: %s", log)
	}
}

func TestWhatBelongsToNoSegmentIsRemoved(t *testing.T) {
	c := oneMiB(t)
	s, _ := openStore(t, c)
	w := s.Writer(0, 0)
	fill(s, w, t0, 2)
	w.Close()
	s.Close()
	gone := segment.Name(t0, 77)
	for _, name := range []string{stem(gone) + ".idx", stem(gone) + ".torn", stem(gone) + ".idx.tmp", "other.idx", "journal.jsonl", stem(gone) + ".idx.hold-x"} {
		if err := os.WriteFile(filepath.Join(c.Dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, _ = openStore(t, c)
	left := slices.DeleteFunc(names(t, c.Dir, ""), func(n string) bool { return strings.HasPrefix(n, "20260601T08") && !strings.Contains(n, "00000077") })
	if want := "[" + stem(gone) + ".idx.hold-x journal.jsonl other.idx]"; fmt.Sprint(left) != want {
		t.Errorf("left %s, want %s", left, want)
	}
	s.Close()
}
