package search

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kagami/evidence/query"
	"kagami/evidence/segment"
)

func TestExplain(t *testing.T) {
	r := newRing(t)
	r.seconds = 10
	r.unindex = func(n uint64) bool { return n == 69 }
	r.record(worker(steady(0, 700), visit(305, 310, 1, other, 40001, "198.51.100.9", "")))
	r.chapters()
	for _, c := range []struct {
		query string
		want  Plan
	}{
		{"all", Plan{Segments: 70, Read: 69, Scan: 1, Whole: true, Direct: true}},
		{"host 198.51.100.9", Plan{Segments: 70, Filter: 67, Read: 2, Scan: 1, Direct: true}},
		{"client 198.51.100.9", Plan{Segments: 70, Filter: 67, Read: 2, Scan: 1}},
		{"host 192.0.2.1", Plan{Segments: 70, Chapter: 64, Filter: 5, Scan: 1, Direct: true}},
		{"to 2026-06-01T08:01 host 198.51.100.9", Plan{Segments: 70, Time: 64, Filter: 6, Direct: true}},
		{"from 2026-06-01T08:11 host 10.0.0.7", Plan{Segments: 70, Time: 66, Read: 3, Scan: 1, Direct: true}},
	} {
		p, err := r.open().Explain(context.Background(), parse(t, c.query), Options{})
		if err != nil {
			t.Fatal(err)
		}
		got := *p
		got.Query, got.First, got.Bytes, got.ReadBytes = "", nil, 0, 0
		if !equalPlans(got, c.want) {
			t.Errorf("%s:\n got %+v\nwant %+v\n%s", c.query, got, c.want, p)
		}
		if p.Time+p.Chapter+p.Filter+p.Read+p.Scan != p.Segments || p.Bytes == 0 || !strings.Contains(p.String(), "70 segments") {
			t.Errorf("%s: %s", c.query, p)
		}
	}
}

func equalPlans(a, b Plan) bool {
	a.First, b.First = nil, nil
	return a.Segments == b.Segments && a.Time == b.Time && a.Chapter == b.Chapter && a.Filter == b.Filter && a.Read == b.Read &&
		a.Scan == b.Scan && a.Whole == b.Whole && a.Direct == b.Direct
}

// TestClockSetBack: segments whose times overlap because the clock was set back are
// merged by time.
func TestClockSetBack(t *testing.T) {
	r := newRing(t)
	r.record(steady(1000, 1300))
	r.record(steady(900, 1200))
	r.record(steady(0, 100))
	for _, query := range []string{"all", "host 10.0.0.7", "client 10.0.0.7"} {
		b, rep := getAll(t, r.open(), query, GetOptions{})
		if n := len(got(t, b)); n != 700 { // got tells when they are not in order
			t.Errorf("%s: %d packets, want 700: %v", query, n, rep.Gaps)
		}
	}
	// More segments at the same time than are read side by side.
	r = newRing(t)
	for range maxOverlapping + 10 {
		r.record(steady(0, 10))
	}
	var out bytes.Buffer
	rep, err := r.open().Get(context.Background(), parse(t, "all"), GetOptions{}, &out)
	if err != nil || rep.Packets != uint64(len(r.all)) || len(rep.Said) != 1 || !strings.Contains(rep.Said[0], "overlap in time") {
		t.Errorf("%d packets, want %d; %v %q", rep.Packets, len(r.all), err, rep.Said)
	}
}

// TestBeingWritten: a segment that grows while it is searched gives what was there,
// and what is not whole at its end is no damage.
func TestBeingWritten(t *testing.T) {
	r := newRing(t)
	r.unindex = func(n uint64) bool { return true }
	r.record(steady(0, 50))
	path := r.open().entries[0].paths[0]
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{"all", "host 10.0.0.7", "bytes > 1"} {
		whole := 0
		for cut := len(b) - segment.MarkLen - 400; cut < len(b); cut += 52 {
			write(t, path, b[:cut])
			out, rep := getAll(t, r.open(), query, GetOptions{})
			n := len(got(t, out))
			if n < whole || n < 40 || len(rep.Gaps) != 0 {
				t.Fatalf("%s: %d octets: %d packets, before %d; %v", query, cut, n, whole, rep.Gaps)
			}
			whole = n
		}
		if whole != 50 {
			t.Errorf("%s: %d packets at last", query, whole)
		}
	}
}

// TestHoleAndCase: what stands in notes, and what a case stands for.
func TestHoleAndCase(t *testing.T) {
	r := newRing(t)
	hole := visit(10, 20, 1, workstation, 40001, evil, "")
	k := hole[0].packet
	hole = append(hole, event{note: &segment.Note{Kind: segment.Hole, At: at(21), Key: k.key, Client: k.side}})
	r.record(worker(hole, visit(10, 20, 1, workstation, 40002, evil, "")))
	flows, _ := findAll(t, r.open(), "gap")
	if !slices.Equal(ends(flows), []string{"40001>203.0.113.5"}) {
		t.Errorf("gap: %v", ends(flows))
	}
	var found []*Flow
	take := func(f *Flow) bool { found = append(found, f); return true }
	o := Options{Case: func(name string) (*query.Query, error) {
		if name != "c1" {
			return nil, errors.New("no such case")
		}
		return query.Parse("gap", query.Options{})
	}}
	if _, err := r.open().Find(context.Background(), parse(t, "case c1"), o, take); err != nil || len(found) != 1 {
		t.Errorf("case: %v, %v", ends(found), err)
	}
	if _, err := r.open().Find(context.Background(), parse(t, "case c2"), o, take); err == nil || !strings.Contains(err.Error(), `case "c2"`) {
		t.Errorf("a case there is not: %v", err)
	}
	if _, err := r.open().Find(context.Background(), parse(t, "case c1"), Options{}, take); err == nil {
		t.Error("cases, but nobody knows them")
	}
}

// TestStopped: a search ends when it is told to, or when nobody wants more.
func TestStopped(t *testing.T) {
	r := newRing(t)
	r.record(newTraffic(90).flows(300, 1000))
	ctx, cancel := context.WithCancel(context.Background())
	n := 0
	if _, err := r.open().Find(ctx, parse(t, "all"), Options{}, func(*Flow) bool { n++; cancel(); return true }); !errors.Is(err, context.Canceled) {
		t.Errorf("find: %v", err)
	}
	if rep, err := r.open().Find(context.Background(), parse(t, "all"), Options{}, func(*Flow) bool { return false }); err != nil || rep.Flows != 1 || rep.Ended == "" {
		t.Errorf("find one: %+v, %v", rep, err)
	}
	for _, text := range []string{"all", "host 10.0.0.7", "client 10.0.0.7"} {
		ctx, cancel := context.WithCancel(context.Background())
		if _, err := r.open().Get(ctx, parse(t, text), GetOptions{}, sink(func(b []byte) (int, error) { cancel(); return len(b), nil })); !errors.Is(err, context.Canceled) {
			t.Errorf("get %s: %v", text, err)
		}
		full := errors.New("no space left on device")
		if _, err := r.open().Get(context.Background(), parse(t, text), GetOptions{}, sink(func([]byte) (int, error) { return 0, full })); !errors.Is(err, full) {
			t.Errorf("get %s to a full disk: %v", text, err)
		}
	}
}

type sink func([]byte) (int, error)

func (w sink) Write(b []byte) (int, error) { return w(b) }

// TestOtherFiles: what is no segment is left alone.
func TestOtherFiles(t *testing.T) {
	r := newRing(t)
	r.record(steady(0, 100))
	for _, name := range []string{"journal.jsonl", "capture.pcapng", "x.idx", "chapter-x", "20260601T080000.000000Z-00000009.torn", "20260601T080000.000000Z-9.pcapng"} {
		write(t, filepath.Join(r.dir, name), []byte("something else"))
	}
	if err := os.Mkdir(filepath.Join(r.dir, "cases"), 0o700); err != nil {
		t.Fatal(err)
	}
	if b, rep := getAll(t, r.open(), "all", GetOptions{}); len(got(t, b)) != 100 || rep.Segments != 2 || len(rep.Said) > 0 {
		t.Errorf("%+v", rep)
	}
	empty, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if b, rep := getAll(t, empty, "all", GetOptions{}); len(got(t, b)) != 0 || rep.Segments != 0 {
		t.Errorf("%+v", rep)
	}
}
