package spool

import (
	"bytes"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
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
	gone  map[string]*platter // deleted, but the directory on the disk has them still
}

// platter is one file on it: as the process sees it, and as it stands on the disk.
type platter struct {
	m       *medium
	cache   []byte
	durable []byte
	named   bool // the directory on the disk has it
}

// newMedium begins with what is in a directory.
func newMedium(t *testing.T, dir string, seed uint64) *medium {
	m := &medium{rnd: rand.New(rand.NewPCG(seed, 1)), files: map[string]*platter{}, gone: map[string]*platter{}}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		m.files[e.Name()] = &platter{m, b, bytes.Clone(b), true}
	}
	return m
}

func (m *medium) create(path string) (file, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files[filepath.Base(path)] != nil {
		return nil, fs.ErrExist
	}
	p := &platter{m: m}
	m.files[filepath.Base(path)] = p
	return p, nil
}

func (m *medium) open(path string) (file, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.files[filepath.Base(path)]; p != nil {
		return p, nil
	}
	return nil, fs.ErrNotExist
}

func (m *medium) resume(path string) (file, error) {
	if f, err := m.open(path); err == nil {
		return f, nil
	}
	return m.create(path)
}

func (m *medium) remove(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	name := filepath.Base(path)
	if p := m.files[name]; p != nil && p.named {
		m.gone[name] = p
	}
	delete(m.files, name)
	return nil
}

func (m *medium) syncDir(string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.files {
		p.named = true
	}
	clear(m.gone)
	return nil
}

func (p *platter) ReadAt(b []byte, at int64) (int, error) {
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	return bytes.NewReader(p.cache).ReadAt(b, at)
}

func (p *platter) WriteAt(b []byte, at int64) (int, error) {
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	if need := int(at) + len(b); need > len(p.cache) {
		p.cache = append(p.cache, make([]byte, need-len(p.cache))...)
	}
	if p.m.rnd.IntN(4) == 0 { // the kernel writes when it likes
		defer func() { p.durable = p.some() }()
	}
	return copy(p.cache[at:], b), nil
}

func (p *platter) Truncate(size int64) error {
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	p.cache = p.cache[:size]
	return nil
}

func (p *platter) Sync() error {
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	p.durable = bytes.Clone(p.cache)
	return nil
}

func (p *platter) Close() error { return nil }

// some is what may stand on the disk at this moment: each block old, new, or torn
// between sectors; what was never written is zero. The file's length may be ahead of
// its blocks.
func (p *platter) some() []byte {
	rnd := p.m.rnd
	size := len(p.durable)
	if grown := len(p.cache) - size; grown > 0 {
		size += []int{0, rnd.IntN(grown + 1), grown}[rnd.IntN(3)]
	}
	out := make([]byte, size)
	copy(out, p.durable)
	often := []float64{0.999, rnd.Float64()}[rnd.IntN(2)]
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
	write := func(name string, p *platter) {
		if err := os.WriteFile(filepath.Join(dir, name), p.some(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, p := range m.gone {
		if m.rnd.IntN(3) == 0 {
			write(name, p)
		}
	}
	for name, p := range m.files {
		if p.named || m.rnd.IntN(3) > 0 {
			write(name, p)
		}
	}
}

// TestPowerCuts cuts the power again and again. What was appended more than
// SpillAfter and SyncEvery before is there; all that is there was appended, and
// comes in order; no number is given twice.
func TestPowerCuts(t *testing.T) {
	cuts := 12
	if testing.Short() {
		cuts = 5
	}
	c := Config{Dir: filepath.Join(t.TempDir(), "spool"), MaxBytes: 64 << 20, SegmentBytes: minSegment, SpillAfter: minSpill, SyncEvery: minSync}
	p := &power{t: t, made: map[uint64]made{}}
	for n := range cuts {
		m := newMedium(t, c.Dir, uint64(n))
		s, err := open(c, slog.New(slog.DiscardHandler), m)
		if err != nil {
			t.Fatal(err)
		}
		p.stats.Corrupt += s.Stats().Corrupt
		p.use(s, time.Duration(300+m.rnd.IntN(500))*time.Millisecond)
		left := filepath.Join(t.TempDir(), "left")
		at := time.Now()
		m.cut(t, left)
		s.Close(t.Context()) // of the world in which the power stayed
		c.Dir = left
		p.check(c, at)
	}
	t.Logf("%d cuts: %d lines appended, %d lost, the oldest %v old; %d came again; %d damaged places", cuts, len(p.made), p.lost, p.worst, p.again, p.stats.Corrupt)
	if p.stats.Corrupt == 0 || p.lost == 0 {
		t.Error("the cuts were too harmless to show anything")
	}
}

type made struct {
	at    time.Time
	text  string
	taken bool
}

type power struct {
	t           *testing.T
	made        map[uint64]made
	last        uint64
	lost, again int
	worst       time.Duration
	stall       time.Duration // the longest that this process did not run
	stats       Stats
}

// use appends lines, and takes and acknowledges some.
func (p *power) use(s *Spool, d time.Duration) {
	t := p.t
	rnd := rand.New(rand.NewPCG(p.last, 5))
	for start := time.Now(); time.Since(start) < d; {
		for range 10 {
			e := line(rnd.IntN(1 << 20))
			at := time.Now()
			seq, err := s.Append(e)
			if err != nil || seq <= p.last {
				t.Fatalf("number %d after %d, %v", seq, p.last, err)
			}
			p.last = seq
			p.made[seq] = made{at: at, text: string(e.Text)}
		}
		slept := time.Now()
		time.Sleep(time.Millisecond)
		p.stall = max(p.stall, time.Since(slept))
		if rnd.IntN(30) > 0 {
			continue
		}
		got, err := s.Next(t.Context(), 200, 100_000, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range got {
			if e.Lost == 0 {
				p.take(e)
			}
		}
		s.Ack(got[len(got)-1].Seq)
	}
}

func (p *power) take(e Entry) {
	m, ok := p.made[e.Seq]
	if !ok || m.text != string(e.Text) {
		p.t.Fatalf("number %d was not made so", e.Seq)
	}
	if m.taken {
		p.again++
	}
	m.taken = true
	p.made[e.Seq] = m
}

// check looks for what the cut may not have taken.
func (p *power) check(c Config, cut time.Time) {
	t := p.t
	const late = 250 * time.Millisecond // of a machine that does other things
	from := c.Dir
	c.Dir = filepath.Join(t.TempDir(), "look")
	if err := os.CopyFS(c.Dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	s, err := open(c, slog.New(slog.NewTextHandler(io.Discard, nil)), lazy{})
	if err != nil {
		t.Fatal(err)
	}
	left := map[uint64]bool{}
	prev := uint64(0)
	drain(t, s, func(e Entry) {
		if e.Seq < prev || e.Lost == 0 && (e.Seq == prev || p.made[e.Seq].text != string(e.Text)) {
			t.Fatalf("number %d after %d: %+v", e.Seq, prev, e)
		}
		prev = e.Seq
		left[e.Seq] = e.Lost == 0
	})
	if st := s.Stats(); st.Unreadable > 0 {
		t.Fatalf("%+v", st)
	}
	closeSpool(t, s)
	for seq, m := range p.made {
		if m.taken || left[seq] {
			continue
		}
		age := cut.Sub(m.at)
		if age > c.SpillAfter+c.SyncEvery+late+p.stall {
			t.Fatalf("number %d is lost, it was appended %v before the cut", seq, age)
		}
		p.lost++
		p.worst = max(p.worst, age)
		m.taken = true // it is gone for good
		p.made[seq] = m
	}
}
