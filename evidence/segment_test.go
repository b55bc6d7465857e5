package evidence

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"kagami/evidence/index"
	"kagami/evidence/segment"
	"kagami/sensor"
)

// marksOf are the marks of a segment; all must be good.
func marksOf(t *testing.T, path string) (marks []segment.Mark) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, _ := f.Stat()
	res, err := segment.Scan(f, st.Size(), segment.Visitor{Mark: func(m *segment.Mark, good bool) bool {
		if !good {
			t.Errorf("%s: the mark at %d does not vouch for what is before it", filepath.Base(path), m.Pos)
		}
		marks = append(marks, *m)
		return true
	}})
	if err != nil || res.Damages != 0 || res.BadMarks != 0 || res.End != st.Size() {
		t.Errorf("%s: %v, %d damages, %d bad marks, good up to %d of %d", filepath.Base(path), err, res.Damages, res.BadMarks, res.End, st.Size())
	}
	return marks
}

func TestMarks(t *testing.T) {
	c := small(t)
	c.SegmentBytes, c.SyncS, c.Wait, c.BufferMiB = 16<<20, 5, false, 32
	s, _ := openStore(t, c)
	w := s.Writer(3, 0)
	for n := range 10_000 { // 10 MB in 20 s
		f := tcpFrame(n%40, 1000)
		f.Time = t0 + int64(n)*2_000_000
		w.Add(f, sensor.Plain, headLen)
		if n%50 == 0 {
			w.Tick(f.Time, uint64(n/5000))
			w.Flush()
		}
	}
	w.Close()
	paths := segments(t, c.Dir)
	if len(paths) != 1 {
		t.Fatalf("%d segments", len(paths))
	}
	marks := marksOf(t, paths[0])
	before, synced, kept := int64(0), 0, t0
	for i, m := range marks {
		if m.Worker != 3 || m.Segment != 1 || m.Session != s.session || m.Pos-before > 1<<20 {
			t.Errorf("mark %d: %+v, %d octets behind the one before", i, m, m.Pos-before)
		}
		before = m.Pos + segment.MarkLen
		if m.Synced {
			synced++
			if age := m.Last - kept; age > 5*second && synced > 1 {
				t.Errorf("mark %d: %d ms were not synced", i, age/1e6)
			}
			kept = m.Last
		}
		c := m.Counters
		if c.Seen != c.Stored+c.Waiting || m.Packets != c.Stored {
			t.Errorf("mark %d: counters %+v of %d packets", i, c, m.Packets)
		}
	}
	last := marks[len(marks)-1]
	if st, _ := os.Stat(paths[0]); !last.Synced || last.Pos+segment.MarkLen != st.Size() || last.Packets != 10_000 {
		t.Errorf("the last mark %+v does not end the file, synced", last)
	}
	if synced < 4 || synced > 6 || uint64(synced) != s.Stats().Syncs {
		t.Errorf("%d syncs in 20 s", synced)
	}
}

// Statistics stand every 10 s, and where packets were lost.
func TestStatistics(t *testing.T) {
	c := small(t)
	c.SyncS = 0
	s, _ := openStore(t, c)
	w := s.Writer(0, 0)
	for n := range 31 {
		f := tcpFrame(1, 100)
		f.Time = t0 + int64(n)*second
		dropped := uint64(0)
		if n >= 15 {
			dropped = 77
		}
		w.Tick(f.Time, dropped)
		w.Add(f, sensor.Plain, headLen)
		w.Flush()
	}
	w.Close()
	b, err := os.ReadFile(segments(t, c.Dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	// At 10 s, at 15 s when the kernel dropped, at 25 s, and at the end.
	if n, late := strings.Count(text, "usrdeliv: stored"), strings.Count(text, "Dropped by the kernel 77"); n != 4 || late != 3 {
		t.Errorf("%d statistics blocks, %d with drops", n, late)
	}
}

// The index that is made while recording is the one that is made of the segment.
func TestIndexIsTheSameWhenMadeAnew(t *testing.T) {
	c := oneMiB(t)
	s, _ := openStore(t, c)
	w := s.Writer(0, 0)
	for n := range 3000 {
		f := tcpFrame(n*7%90, 60+n%1400)
		f.Time = t0 + int64(n)*second/1000
		w.Add(f, sensor.Plain, headLen)
		if n%100 == 0 {
			w.Note(dnsRecord(uint16(n), true, fmt.Sprintf("host%d.example", n), "192.0.2.8"))
		}
	}
	w.Close()
	s.Close()
	read := func() (all []*index.File) {
		for _, p := range segments(t, c.Dir) {
			f, err := index.Open(stem(p) + ".idx")
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, f)
		}
		return all
	}
	want := read()
	files := contents(t, c.Dir)
	for i, p := range segments(t, c.Dir) {
		if i%2 == 0 {
			os.Remove(stem(p) + ".idx")
		} else {
			b, _ := os.ReadFile(stem(p) + ".idx")
			b[40] ^= 1 // in the header
			os.WriteFile(stem(p)+".idx", b, 0o600)
		}
	}
	st := recoverStore(t, c)
	if len(want) < 3 || st.Recovery.Reindexed != uint64(len(want)) || st.Recovery.Segments != 0 || contents(t, c.Dir) != files {
		t.Fatalf("%d segments, recovery %+v", len(want), st.Recovery)
	}
	for i, f := range read() {
		a, b := want[i], f
		rowsA, foldsA, _ := a.Rows()
		rowsB, foldsB, errB := b.Rows()
		notesA, _ := a.Notes()
		notesB, _ := b.Notes()
		if errB != nil || !reflect.DeepEqual(rowsA, rowsB) || !reflect.DeepEqual(foldsA, foldsB) || !reflect.DeepEqual(notesA, notesB) || len(notesA) == 0 {
			t.Errorf("segment %d: %d rows and %d notes, anew %d and %d, %v", i, len(rowsA), len(notesA), len(rowsB), len(notesB), errB)
		}
		ia, ib := *a.Info(), *b.Info()
		if ib.Recovered {
			t.Errorf("segment %d counts as recovered", i)
		}
		ia.Start, ia.End, ib.Start, ib.End = segment.Counters{}, segment.Counters{}, segment.Counters{}, segment.Counters{} // as far as the marks tell
		if !reflect.DeepEqual(ia, ib) {
			t.Errorf("segment %d: info\n%+v\nanew\n%+v", i, ia, ib)
		}
		a.Close()
		b.Close()
	}
}

// Without its index a segment is complete, and the packets go on.
func TestIndexCannotBeWritten(t *testing.T) {
	c := oneMiB(t)
	s, log := openStore(t, c)
	works := false
	s.save = func(path string, b []byte) error {
		if works {
			return save(path, b)
		}
		return &os.PathError{Op: "write", Path: path, Err: syscall.EIO}
	}
	w := s.Writer(0, 0)
	fill(s, w, t0, 5)
	if st := s.Stats(); st.IndexErrors < 3 || st.LostError != 0 || st.Errors != 0 {
		t.Errorf("stats %+v", st)
	}
	if strings.Count(log.String(), "write index") != 1 {
		t.Errorf("log: %s", log)
	}
	works = true
	fill(s, w, t0+60*second, 60)
	w.Close()
	// The keeper needs all indexes for the chapter, and makes the missing ones.
	wait(t, func() bool { return len(names(t, c.Dir, "chapter-")) == 1 })
	if n := len(names(t, c.Dir, ".idx")); n < 63 {
		t.Errorf("%d indexes", n)
	}
}

// unsynced cannot bring anything to the disk.
type unsynced struct{ file }

func (unsynced) Sync() error { return syscall.EIO }

func TestSyncFails(t *testing.T) {
	c := small(t)
	c.SyncS, c.Wait = 1, false
	s, log := openStore(t, c)
	broken := true
	s.create = func(path string) (file, error) {
		f, err := create(path)
		if broken {
			return unsynced{f}, err
		}
		return f, err
	}
	w := s.Writer(0, 0)
	for n := range 3000 {
		f := tcpFrame(n%40, 1000)
		f.Time = t0 + int64(n)*2_000_000
		w.Add(f, sensor.Plain, headLen)
		if n%50 == 0 {
			w.Tick(f.Time, 0)
			w.Flush()
		}
		if n == 2000 {
			broken = false
		}
	}
	w.Close()
	balanced(t, s, 3000)
	st := s.Stats()
	if st.Errors < 2 || st.Stored != 3000 || !strings.Contains(log.String(), "may not be on the disk") {
		t.Errorf("stats %+v: %s", st, log)
	}
	got, err := readAll(segments(t, c.Dir)...)
	if len(got) != 3000 {
		t.Errorf("%d packets, %v: each is there once", len(got), err)
	}
}

func TestOpenErrorsSayWhatToDo(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{syscall.EACCES, "; let the user that kagami runs as read and write there, or choose another evidence.dir"},
		{syscall.EROFS, "; the file system is read-only: mount it for writing, or choose another evidence.dir"},
		{syscall.ENOSPC, "; the disk is full: free room, or choose another evidence.dir"},
		{errors.New("other"), ""},
	} {
		if got := hint(fmt.Errorf("x: %w", c.err)); got != c.want {
			t.Errorf("%v: %s", c.err, got)
		}
	}
	c := small(t)
	if err := os.WriteFile(c.Dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(c, nil); err == nil || !strings.HasPrefix(err.Error(), "evidence: make directory: mkdir "+c.Dir+": not a directory") {
		t.Errorf("a file in the directory's place: %v", err)
	}
}
