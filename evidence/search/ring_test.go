package search

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kagami/evidence/index"
	"kagami/evidence/segment"
	"kagami/packet"
	"kagami/sensor"
)

// ring writes segments as the sensor does, of several workers.
type ring struct {
	t       testing.TB
	dir     string
	session int64
	num     uint64
	seconds float64 // length of a segment
	unindex func(num uint64) bool
	totals  map[int]*segment.Counters
	lose    func(num uint64, c *segment.Counters) // what is lost in a segment
	all     []*stored
	notes   []placed
	snap    uint32
}

// placed is a note and its segment.
type placed struct {
	*segment.Note
	segment uint64
}

func newRing(t testing.TB) *ring {
	return &ring{t: t, dir: t.TempDir(), session: base.UnixNano() - 1e9, seconds: 60, totals: map[int]*segment.Counters{}, snap: 65535}
}

// record gives each worker its events, in order of time.
func (r *ring) record(workers ...[]event) {
	r.t.Helper()
	next := make([]int, len(workers))
	for {
		first := -1
		for w, events := range workers {
			if next[w] < len(events) && (first < 0 || events[next[w]].time() < workers[first][next[first]].time()) {
				first = w
			}
		}
		if first < 0 {
			return
		}
		from := next[first]
		to := from
		end := workers[first][from].time() + int64(r.seconds*1e9)
		for to < len(workers[first]) && workers[first][to].time() < end {
			to++
		}
		r.segment(first, workers[first][from:to])
		next[first] = to
	}
}

// segment writes a segment and, unless it is to have none, its index.
func (r *ring) segment(worker int, events []event) string {
	r.t.Helper()
	c := r.totals[worker]
	if c == nil {
		c = &segment.Counters{}
		r.totals[worker] = c
	}
	info := index.Info{Segment: r.num, Session: r.session, Worker: uint16(worker), Start: *c}
	b := segment.AppendSection(nil, "test")
	b = segment.AppendInterface(b, segment.Interface{Link: packet.LinkEthernet, Snap: r.snap, Name: "lab0"})
	m := segment.Mark{Session: r.session, Worker: uint16(worker), Segment: r.num}
	b = r.mark(b, &m, c, 0)
	since, start := len(b), int64(0)
	for _, e := range events {
		if e.note != nil {
			b = segment.AppendNote(b, e.note)
			r.notes = append(r.notes, placed{e.note, r.num})
			continue
		}
		p := e.packet
		p.worker, p.segment, p.pos = worker, r.num, int64(len(b))
		if start == 0 {
			start = p.time
		}
		f := sensor.Frame{Time: p.time, Data: p.data, WireLen: p.wire, Link: packet.LinkEthernet}
		b = segment.AppendPacket(b, 0, &f, int(r.snap))
		c.Seen++
		c.Stored++
		c.StoredBytes += uint64(len(p.data))
		m.Packets++
		m.Last = p.time
		r.all = append(r.all, p)
		if len(b)-since > 64<<10 {
			b = r.mark(b, &m, c, since)
			since = len(b)
		}
	}
	if r.lose != nil {
		r.lose(r.num, c)
	}
	b = r.mark(b, &m, c, since)
	name := segment.Name(start, r.num)
	if err := os.WriteFile(filepath.Join(r.dir, name), b, 0o600); err != nil {
		r.t.Fatal(err)
	}
	info.End = *c
	if r.unindex == nil || !r.unindex(r.num) {
		r.index(name, b, info)
	}
	r.num++
	return name
}

func (r *ring) mark(b []byte, m *segment.Mark, c *segment.Counters, since int) []byte {
	m.Pos, m.CRC, m.Counters = int64(len(b)), segment.Sum(0, b[since:]), *c
	return segment.AppendMark(b, m)
}

func (r *ring) index(name string, b []byte, i index.Info) {
	r.t.Helper()
	ib := index.NewBuilder()
	res, err := segment.Scan(bytes.NewReader(b), int64(len(b)), segment.Visitor{
		Packet: func(p *segment.Packet) bool { ib.Packet(p); return true },
		Note:   func(n *segment.Note) bool { ib.Note(n); return true },
	})
	if err != nil || res.Damages > 0 {
		r.t.Fatalf("scan of what was just written: %v, %d damages", err, res.Damages)
	}
	i.First, i.Last, i.Size, i.Packets, i.Layout = res.First, res.Last, int64(len(b)), res.Packets, res.Layout
	path := filepath.Join(r.dir, strings.TrimSuffix(name, segmentSuffix)+indexSuffix)
	if err := os.WriteFile(path, ib.Encode(nil, i), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// chapters writes those of which all segments are there.
func (r *ring) chapters() {
	r.t.Helper()
	s, err := Open(r.dir)
	if err != nil {
		r.t.Fatal(err)
	}
	for n := uint64(0); (n+1)*index.ChapterSegments <= r.num; n++ {
		var files []*index.File
		for _, e := range s.entries {
			if e.num/index.ChapterSegments != n || len(e.index) == 0 {
				continue
			}
			f, err := index.Open(e.index[0])
			if err != nil {
				r.t.Fatal(err)
			}
			defer f.Close()
			files = append(files, f)
		}
		if err := index.WriteChapter(r.dir, n, files); err != nil {
			r.t.Fatal(err)
		}
	}
}

// open opens the ring.
func (r *ring) open() *Store {
	r.t.Helper()
	s, err := Open(r.dir)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}
