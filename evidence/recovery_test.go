package evidence

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kagami/evidence/index"
	"kagami/evidence/segment"
	"kagami/sensor"
)

// crashed leaves a segment that its writer could not close, as after kill -9: n
// numbered packets, and then tail.
func crashed(t *testing.T, c Config, boot string, n int, tail []byte) (path string) {
	t.Helper()
	s, _ := openStore(t, c)
	if boot != "" {
		s.boot = boot
	}
	var image []byte
	s.create = func(p string) (file, error) {
		path = p
		f, err := create(p)
		return &copied{f, &image}, err
	}
	w := s.Writer(0, 0)
	for i := range n {
		w.Add(numbered(i, sizeOf(i)), sensor.Plain, headLen)
	}
	w.Flush()
	left := append(bytes.Clone(image), tail...)
	w.Close()
	s.Close()
	os.Remove(stem(path) + ".idx")
	if err := os.WriteFile(path, left, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// copied keeps what was written in memory, too.
type copied struct {
	file
	image *[]byte
}

func (f *copied) WriteAt(b []byte, at int64) (int, error) {
	*f.image = append((*f.image)[:at], b...)
	return f.file.WriteAt(b, at)
}

func TestRecovery(t *testing.T) {
	garbage := bytes.Repeat([]byte("garbage!"), 300_000) // 2.4 MB
	for _, c := range []struct {
		name     string
		boot     string // "" = the kernel still runs
		tail     []byte
		must     int // of 2000 packets
		torn     int
		tornFile int64
	}{
		{"killed between two blocks", "", nil, 1999, 0, -1},
		{"killed within a block", "", []byte("\x06\x00\x00\x00\x40\x00\x00\x00\x00"), 1999, 9, 9},
		{"zeros behind the end", "", make([]byte, 1<<20), 1999, 1 << 20, -1},
		{"much garbage behind the end", "", garbage, 1999, len(garbage), maxTorn},
		{"power cut: only what marks vouch for", "another run", nil, 900, -1, -2},
		{"power cut, with zeros", "another run", make([]byte, 64<<10), 900, -1, -2},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf := small(t)
			path := crashed(t, conf, c.boot, 2000, c.tail)
			st := recoverStore(t, conf)
			checkNumbered(t, conf.Dir, c.must, 2000)
			if st.Recovery.Segments != 1 || c.torn >= 0 && st.Recovery.Torn != uint64(c.torn) {
				t.Errorf("recovery %+v", st.Recovery)
			}
			torn, err := os.Stat(stem(path) + ".torn")
			if c.tornFile == -1 && err == nil || c.tornFile >= 0 && (err != nil || torn.Size() != c.tornFile) {
				t.Errorf("torn file: %v, %v", torn, err)
			}
			f, err := index.Open(stem(path) + ".idx")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if i := f.Info(); !i.Recovered || uint64(i.Torn) != st.Recovery.Torn || i.Session == 0 {
				t.Errorf("index says %+v", i)
			}
			marksOf(t, path)
		})
	}
}

// Segments of versions that wrote no marks are indexed, and left as they are.
func TestOldSegmentsAreNotTouched(t *testing.T) {
	c := small(t)
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	b := segment.AppendSection(nil, "")
	b = segment.AppendInterface(b, segment.Interface{Link: 1, Snap: 65535})
	for n := range 100 {
		b = segment.AppendPacket(b, 0, numbered(n, sizeOf(n)), 65535)
	}
	old := map[string][]byte{
		segment.Name(t0, 1): b,
		segment.Name(t0, 2): b[:len(b)-7],
	}
	for name, content := range old {
		if err := os.WriteFile(filepath.Join(c.Dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	st := recoverStore(t, c)
	if st.Recovery.Reindexed != 2 || st.Recovery.Segments != 0 {
		t.Errorf("recovery %+v", st.Recovery)
	}
	for name, content := range old {
		if got, _ := os.ReadFile(filepath.Join(c.Dir, name)); !bytes.Equal(got, content) {
			t.Errorf("%s was changed", name)
		}
	}
	if st := recoverStore(t, c); st.Recovery.Reindexed > 1 { // the torn one never ends whole
		t.Errorf("again: recovery %+v", st.Recovery)
	}
}

// Octets that were synced are the disk's to lose: damage is listed, and the file is
// left as it is.
func TestDamageBeforeTheLastSyncIsLeft(t *testing.T) {
	c := small(t)
	s, _ := openStore(t, c)
	w := s.Writer(0, 0)
	for n := range 3000 {
		w.Add(numbered(n, sizeOf(n)), sensor.Plain, headLen)
	}
	w.Close()
	s.Close()
	path := segments(t, c.Dir)[0]
	b, _ := os.ReadFile(path)
	for _, at := range []int{len(b) / 10, len(b) * 6 / 10} {
		clear(b[at : at+5000])
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	os.Remove(stem(path) + ".idx")
	st := recoverStore(t, c)
	if got, _ := os.ReadFile(path); !bytes.Equal(got, b) || st.Recovery.Segments+st.Recovery.Filled != 0 {
		t.Errorf("the file was changed: %+v", st.Recovery)
	}
	f, err := index.Open(stem(path) + ".idx")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if i := f.Info(); len(i.Damage) < 2 || i.Packets < 2900 || i.Recovered {
		t.Errorf("index says %d packets, damage %v", i.Packets, i.Damage)
	}
}

// What is deleted while it is put in order is not an error, and leaves nothing.
func TestRecoveryOfWhatIsGone(t *testing.T) {
	c := small(t)
	path := crashed(t, c, "", 100, nil)
	s, log := openStore(t, c)
	wait(t, func() bool { return s.Stats().Recovery.Left == 0 })
	e := s.sealed[0]
	for s.makeRoom() {
	}
	s.keeper.look(e)
	if left := names(t, c.Dir, stem(filepath.Base(path))); len(left) != 0 || strings.Contains(log.String(), "WARN") {
		t.Errorf("left %s: %s", left, log)
	}
}

// However large the store, recording begins at once, and Close does not wait for
// what is left to do.
func TestOpenIsQuick(t *testing.T) {
	c := small(t)
	path := crashed(t, c, "", 2000, nil)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const many = 8192
	first := filepath.Join(c.Dir, "original")
	if err := os.Rename(path, first); err != nil {
		t.Fatal(err)
	}
	for n := range many { // links: the data do not matter
		name := filepath.Join(c.Dir, segment.Name(t0+int64(n)*second, uint64(n+1)))
		if err := os.Link(first, name); err != nil {
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	c.MaxBytes = 1 << 40
	began := time.Now()
	s, _ := openStore(t, c)
	opened := time.Since(began)
	w := s.Writer(0, 0)
	w.Add(numbered(1, 100), sensor.Plain, headLen)
	w.Flush()
	written := time.Since(began)
	st := s.Stats()
	if st.Stored != 1 || st.Segments != many+1 || st.Recovery.Left == 0 {
		t.Errorf("stats %+v", st)
	}
	w.Close()
	began = time.Now()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	closed := time.Since(began)
	t.Logf("%d segments to put in order: open after %v, first packet on disk after %v, closed within %v", many, opened, written, closed)
	if written > 2*time.Second || closed > time.Second {
		t.Error("too slow")
	}
}
