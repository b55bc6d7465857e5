package search

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kagami/evidence/query"
	"kagami/evidence/segment"
)

// harm is a way to damage a file.
type harm struct {
	name string
	do   func(g *rand.Rand, path string) error
}

var harms = []harm{
	{"flip", func(g *rand.Rand, path string) error {
		return change(path, func(b []byte) []byte {
			for range 1 + g.IntN(4) {
				if len(b) > 0 {
					b[g.IntN(len(b))] ^= byte(1 + g.IntN(255))
				}
			}
			return b
		})
	}},
	{"zeros", func(g *rand.Rand, path string) error {
		return change(path, func(b []byte) []byte {
			from := g.IntN(len(b) + 1)
			clear(b[from:min(len(b), from+g.IntN(5000))])
			return b
		})
	}},
	{"noise", func(g *rand.Rand, path string) error {
		return change(path, func(b []byte) []byte {
			from := g.IntN(len(b) + 1)
			for i := from; i < min(len(b), from+g.IntN(5000)); i++ {
				b[i] = byte(g.Uint32())
			}
			return b
		})
	}},
	{"cut", func(g *rand.Rand, path string) error {
		return change(path, func(b []byte) []byte { return b[:g.IntN(len(b)+1)] })
	}},
	{"grow", func(g *rand.Rand, path string) error {
		return change(path, func(b []byte) []byte { return append(b, make([]byte, g.IntN(5000))...) })
	}},
	{"insert", func(g *rand.Rand, path string) error {
		return change(path, func(b []byte) []byte {
			at := g.IntN(len(b) + 1)
			return append(append(append([]byte(nil), b[:at]...), 1, 2, 3), b[at:]...)
		})
	}},
	{"remove", func(_ *rand.Rand, path string) error { return os.Remove(path) }},
	{"empty", func(_ *rand.Rand, path string) error { return os.Truncate(path, 0) }},
	{"forbidden", func(_ *rand.Rand, path string) error { // root reads it all the same; a directory nobody can
		if err := os.Remove(path); err != nil {
			return err
		}
		return os.Mkdir(path, 0o700)
	}},
}

func change(path string, f func([]byte) []byte) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, f(b), 0o600)
}

// TestDamage: whatever is done to one file of a ring, all packets of the other
// segments come out, nothing panics, and where packets are missing, the report says so.
func TestDamage(t *testing.T) {
	r := newRing(t)
	g := newTraffic(50)
	r.record(g.flows(60, 600), g.flows(60, 600))
	for range index64 - int(r.num) { // a chapter needs so many
		r.record(g.flows(1, 0.1))
	}
	r.chapters()
	bySegment := map[uint64][]string{}
	for _, p := range r.all {
		bySegment[p.segment] = append(bySegment[p.segment], line(p.time, p.wire, p.data))
	}
	files, err := os.ReadDir(r.dir)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	lost := 0
	n := 20
	if testing.Short() {
		n = 4
	}
	for _, harm := range harms {
		for range n {
			name := files[rng.IntN(len(files))].Name()
			path := filepath.Join(r.dir, name)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := harm.do(rng, path); err != nil {
				t.Fatal(err)
			}
			_, num, _ := segment.ParseName(strings.TrimSuffix(strings.TrimSuffix(name, segmentSuffix), indexSuffix) + segmentSuffix)
			if strings.HasPrefix(name, chapterPrefix) {
				num = 1 << 40 // no packets of it
			}
			for _, text := range []string{"all", "not host 1.2.3.4", "bytes >= 0", "host x.example or bytes > 0"} {
				lost += r.survive(t, harm.name+" "+name, text, num, bySegment, strings.HasSuffix(name, segmentSuffix))
			}
			os.RemoveAll(path)
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if lost == 0 {
		t.Error("nothing was ever lost: what did this test?")
	}
	t.Logf("%d packets were lost and told", lost)
}

const index64 = 64

func (r *ring) survive(t *testing.T, what, text string, harmed uint64, bySegment map[uint64][]string, packets bool) (missing int) {
	t.Helper()
	var out bytes.Buffer
	s, err := Open(r.dir)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := s.Get(context.Background(), parse(t, text), GetOptions{}, &out)
	if err != nil {
		t.Fatalf("%s: %s: %v", what, text, err)
	}
	have := map[string]int{}
	if _, err := segment.Scan(bytes.NewReader(out.Bytes()), int64(out.Len()), segment.Visitor{Packet: func(p *segment.Packet) bool {
		have[line(p.Time, p.WireLen, p.Data)]++
		return true
	}}); err != nil {
		t.Fatalf("%s: %s: %v", what, text, err)
	}
	for n, lines := range bySegment {
		for _, l := range lines {
			if have[l]--; have[l] >= 0 {
				continue
			}
			if n != harmed || !packets {
				t.Fatalf("%s: %s: a packet of segment %d is missing: %s\n%v %q", what, text, n, l[:40], rep.Gaps, rep.Said)
			}
			missing++
		}
	}
	silent := len(rep.Gaps) == 0 && len(rep.Said) == 0
	// One octet of a packet that changes without making nonsense of it is seen only by
	// the checksums, which are looked at where all is read.
	altered := strings.HasPrefix(what, "flip") || strings.HasPrefix(what, "noise") || strings.HasPrefix(what, "zeros")
	if missing > 0 && silent && (text == "all" || !altered) {
		t.Errorf("%s: %s: %d packets are missing, and the report does not say so: %+v", what, text, missing, rep)
	}
	if _, err := s.Find(context.Background(), parse(t, text), Options{}, func(*Flow) bool { return true }); err != nil {
		t.Fatalf("%s: find %s: %v", what, text, err)
	}
	return missing
}

// TestWhileItChanges: a ring that is written, rotated and damaged while it is
// searched.
func TestWhileItChanges(t *testing.T) {
	r := newRing(t)
	r.seconds = 10
	g := newTraffic(60)
	r.record(g.flows(80, 300), g.flows(80, 300))
	events := g.flows(200, 3000)
	for i := range events {
		events[i].packet.time += 400e9
	}
	var done sync.WaitGroup
	stop := make(chan struct{})
	done.Add(1)
	go func() {
		defer done.Done()
		rng := rand.New(rand.NewPCG(8, 8))
		for oldest := uint64(0); len(events) > 100; oldest++ {
			select {
			case <-stop:
				return
			default:
			}
			r.segment(0, events[:100])
			events = events[100:]
			list, _ := filepath.Glob(filepath.Join(r.dir, "*"))
			if len(list) > 0 {
				harm := harms[rng.IntN(len(harms)-1)]
				_ = harm.do(rng, list[rng.IntN(len(list))]) // it may be gone already
			}
			time.Sleep(2 * time.Millisecond)
		}
	}()
	for i := range 60 {
		text := []string{"all", "host 10.0.0.7", "client 10.0.0.8 or cut", "host a.example"}[i%4]
		s, err := Open(r.dir)
		if err != nil {
			t.Fatal(err)
		}
		q, err := query.Parse(text, query.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get(context.Background(), q, GetOptions{}, io.Discard); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	close(stop)
	done.Wait()
}
