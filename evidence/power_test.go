package evidence

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"kagami/evidence/index"
	"kagami/sensor"
)

const (
	blockBytes  = 4096 // what a file system writes at a time
	sectorBytes = 512  // what a disk writes whole or not at all
)

// medium is a disk that a power cut may hit. It keeps what was synced, and of the
// rest whatever it happens to have written.
type medium struct {
	mu    sync.Mutex
	rnd   *rand.Rand
	files map[string]*platter
}

// platter is one file on it: as the processes see it, and as it stands on the disk.
type platter struct {
	m       *medium
	cache   []byte
	durable []byte
	named   bool // the directory knows it
}

func newMedium(seed uint64) *medium {
	return &medium{rnd: rand.New(rand.NewPCG(seed, 1)), files: map[string]*platter{}}
}

func (m *medium) create(path string) (file, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := &platter{m: m}
	m.files[filepath.Base(path)] = p
	return p, nil
}

func (m *medium) save(path string, b []byte) error {
	f, _ := m.create(path)
	f.WriteAt(b, 0)
	return nil
}

func (p *platter) WriteAt(b []byte, at int64) (int, error) {
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	if need := int(at) + len(b); need > len(p.cache) {
		p.cache = append(p.cache, make([]byte, need-len(p.cache))...)
	}
	return copy(p.cache[at:], b), nil
}

func (p *platter) Reserve(int64) error { return nil }

// Settle starts writing: some blocks get to the disk, in any order.
func (p *platter) Settle(int64, int64) {
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	p.durable = p.some()
}

func (p *platter) Sync() error {
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	p.durable, p.named = append([]byte(nil), p.cache...), true
	return nil
}

func (p *platter) Close(size int64) error {
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	p.cache = p.cache[:size]
	return nil
}

// some is what may stand on the disk at this moment: each block old, new, or torn
// between sectors; what was never written is zero. The file's length may be ahead of
// its blocks.
func (p *platter) some() []byte {
	rnd := p.m.rnd
	size := len(p.durable)
	if grown := len(p.cache) - size; grown > 0 {
		switch rnd.IntN(3) {
		case 0:
			size += rnd.IntN(grown + 1)
		case 1:
			size = len(p.cache)
		}
	}
	out := make([]byte, size)
	copy(out, p.durable)
	often := rnd.Float64()
	if rnd.IntN(2) == 0 {
		often = 0.999 // only a few blocks are missing
	}
	for at := 0; at < min(size, len(p.cache)); at += blockBytes {
		end := min(at+blockBytes, size, len(p.cache))
		switch {
		case rnd.Float64() < often:
			copy(out[at:end], p.cache[at:end])
		case rnd.IntN(4) == 0: // torn
			for s := at; s < end; s += sectorBytes {
				if e := min(s+sectorBytes, end); rnd.IntN(2) == 0 {
					copy(out[s:e], p.cache[s:e])
				}
			}
		}
	}
	return out
}

// cut writes what is left of all files into a directory.
func (m *medium) cut(t *testing.T, dir string) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, p := range m.files {
		if !p.named && m.rnd.IntN(3) == 0 {
			continue // not even its name
		}
		if err := os.WriteFile(filepath.Join(dir, name), p.some(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// numbered is packet n of a recording, 2 ms after the one before, and what must
// stand in it.
func numbered(n, size int) *sensor.Frame {
	f := tcpFrame(n%40, size)
	binary.BigEndian.PutUint32(f.Data[headLen:], uint32(n))
	f.Time = t0 + int64(n)*2_000_000
	return f
}

func sizeOf(n int) int { return 60 + n*37%1400 }

// TestPowerCut cuts the power at random moments: what is older than the sync
// interval is there, what is there was written, and every reader reads it.
func TestPowerCut(t *testing.T) {
	cuts := 40
	if os.Getenv("KAGAMI_LIVE") == "1" {
		cuts = 400
	}
	var found, written, torn, filled uint64
	for seed := range cuts {
		rnd := rand.New(rand.NewPCG(uint64(seed), 2))
		c := small(t)
		c.SegmentBytes, c.SyncS, c.Wait = 1<<20, 1+rnd.IntN(4), false
		packets := 1 + rnd.IntN(6000)
		if seed%4 == 0 {
			c.SyncS, c.SegmentBytes, packets = 0, 8<<20, 10_000
		}
		n, now := recordAndCut(t, &c, uint64(seed), packets)
		st := recoverStore(t, c)
		must := -1
		if c.SyncS > 0 {
			must = int((now - int64(c.SyncS)*second - t0) / 2_000_000)
		}
		got := checkNumbered(t, c.Dir, must, n)
		if t.Failed() {
			t.Fatalf("seed %d, %d packets, sync %d s", seed, n, c.SyncS)
		}
		if seed%10 < 2 { // without its index it is put in order again, and found in order
			before := contents(t, c.Dir)
			for _, name := range names(t, c.Dir, ".idx") {
				os.Remove(filepath.Join(c.Dir, name))
			}
			again := recoverStore(t, c).Recovery
			if checkNumbered(t, c.Dir, must, n); contents(t, c.Dir) != before || again.Segments+again.Torn != 0 {
				t.Fatalf("seed %d: recovery touched what it had put in order: %+v", seed, again)
			}
		}
		found += uint64(got)
		written += uint64(n)
		torn += st.Recovery.Torn
		filled += st.Recovery.Filled
		if seed%20 == 0 {
			readByOthers(t, c.Dir)
		}
		os.RemoveAll(c.Dir)
	}
	t.Logf("%d power cuts: %d of %d packets are back, %d octets cut off, %d inside covered", cuts, found, written, torn, filled)
	if torn == 0 || filled == 0 || found == 0 {
		t.Error("the cuts were too harmless to show anything")
	}
}

// recordAndCut records so many packets, cuts the power, and points c to what is left.
// It returns how many there were, and when.
func recordAndCut(t *testing.T, c *Config, seed uint64, packets int) (n int, now int64) {
	t.Helper()
	m := newMedium(seed)
	s, _ := openStore(t, *c)
	s.boot, s.create, s.save = "the run before", m.create, m.save
	w := s.Writer(0, 0)
	for range packets {
		f := numbered(n, sizeOf(n))
		w.Add(f, sensor.Plain, headLen)
		if n++; n%100 == 0 {
			w.Tick(f.Time, 0)
			w.Flush()
		}
	}
	left := filepath.Join(t.TempDir(), "left")
	m.cut(t, left)
	w.Close()
	s.Close()
	c.Dir = left
	return n, numbered(n, 60).Time
}

// contents is a checksum of all segments.
func contents(t *testing.T, dir string) string {
	t.Helper()
	h := sha256.New()
	for _, path := range segments(t, dir) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(h, path, len(b))
		h.Write(b)
	}
	return string(h.Sum(nil))
}

// recoverStore opens and closes a store, with its recovery done.
func recoverStore(t *testing.T, c Config) Stats {
	t.Helper()
	s, err := Open(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	wait(t, func() bool { return s.Stats().Recovery.Left == 0 })
	st := s.Stats()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return st
}

// checkNumbered checks that the packets up to number must are there, and that what
// is there was written, in order and once. Every segment has an index that counts
// the same packets.
func checkNumbered(t *testing.T, dir string, must, written int) int {
	t.Helper()
	next, total := 0, 0
	for _, path := range segments(t, dir) {
		got, err := readAll(path)
		if err != io.EOF {
			t.Errorf("%s: %v", filepath.Base(path), err)
		}
		for _, f := range got {
			n := int(binary.BigEndian.Uint32(f.Data[headLen:]))
			want := numbered(n, sizeOf(n))
			if n < next || n >= written || f.Time != want.Time || string(f.Data) != string(want.Data) {
				t.Fatalf("%s: packet %d, not before %d of %d, was not written so", filepath.Base(path), n, next, written)
			}
			if n > next && next <= must {
				t.Errorf("packets %d to %d of %d are lost, those up to %d should be there", next, n-1, written, must)
			}
			next = n + 1
		}
		total += len(got)
		x, err := index.Open(stem(path) + ".idx")
		if err != nil {
			t.Errorf("%s: index: %v", filepath.Base(path), err)
			continue
		}
		if i := x.Info(); i.Packets != uint64(len(got)) {
			t.Errorf("%s: %d packets, the index says %d", filepath.Base(path), len(got), i.Packets)
		}
		x.Close()
	}
	if next <= must {
		t.Errorf("packets from %d on are lost, those up to %d of %d should be there", next, must, written)
	}
	return total
}

// readByOthers has tshark and capinfos read every segment, where they are installed.
func readByOthers(t *testing.T, dir string) {
	t.Helper()
	for _, tool := range [][]string{{"tshark", "-n", "-T", "fields", "-e", "frame.number", "-r"}, {"capinfos", "-c"}} {
		if _, err := exec.LookPath(tool[0]); err != nil {
			continue
		}
		for _, path := range segments(t, dir) {
			cmd := exec.Command(tool[0], append(tool[1:], path)...)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s %s: %v: %s", tool[0], path, err, last(out))
			}
		}
	}
}

func last(b []byte) string { return fmt.Sprintf("%.300s", b[max(0, len(b)-300):]) }
