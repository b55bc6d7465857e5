package search

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kagami/evidence/segment"
	"kagami/packet"
)

// kinds are the gaps of a report, short.
func kinds(rep *Report) (out []string) {
	for _, g := range rep.Gaps {
		out = append(out, fmt.Sprintf("%s %d..%d %d", g.Kind, (g.From-at(0))/1e9, (g.To-at(0))/1e9, g.Packets))
	}
	return out
}

// steady is a packet every second, [from, to).
func steady(from, to float64) (out []event) {
	for x := from; x < to; x++ {
		out = append(out, event{packet: udp(at(x), 0, h(workstation, 5000), h(evil, 53), fmt.Sprint(x))})
	}
	return out
}

// gapCase is a ring and the gaps that get has to name.
type gapCase struct {
	name, query string
	make        func(r *ring)
	want        []string
}

func gapCases() []gapCase {
	return []gapCase{
		{"none", "all", func(r *ring) { r.record(steady(0, 300)) }, nil},
		{"lost inside a segment", "all", func(r *ring) {
			r.lose = func(n uint64, c *segment.Counters) {
				if n == 1 {
					c.Seen += 12
					c.KernelDropped, c.LostSlow, c.LostFull, c.LostError, c.LeftOut = 7, 1, 2, 4, 5
				}
			}
			r.record(steady(0, 180))
		}, []string{"left out 60..119 5", "lost by the kernel 60..119 7", "lost: disk error 60..119 4", "lost: disk full 60..119 2", "lost: disk too slow 60..119 1"}},
		{"lost inside, another window", "from 2026-06-01T08:02:30 host 10.0.0.7", func(r *ring) {
			r.lose = func(n uint64, c *segment.Counters) { c.KernelDropped = 7 }
			r.record(steady(0, 180))
		}, nil},
		{"lost between two segments", "host 10.0.0.7", func(r *ring) {
			r.record(steady(0, 60))
			r.totals[0].LostFull += 1000
			r.record(steady(200, 260))
		}, []string{"lost: disk full 59..200 1000"}},
		{"process was not running", "proto udp", func(r *ring) {
			r.record(steady(0, 60))
			r.session, r.totals = at(100), map[int]*segment.Counters{}
			r.record(steady(101, 160))
		}, []string{"not recorded 59..100 0"}},
		{"the oldest segments are gone", "from 2026-06-01T08:00:30 host 10.0.0.7", func(r *ring) {
			r.record(steady(0, 180))
			r.remove(0)
			r.remove(1)
		}, []string{"rotated away -1..120 120", "rotated away 30..120 0"}},
		{"a segment in the middle is gone", "host 10.0.0.7", func(r *ring) {
			r.record(steady(0, 180))
			r.remove(1)
		}, []string{"rotated away 59..120 60"}},
		{"before the first packet", "from 2026-06-01T07:00 to 2026-06-01T08:30 all", func(r *ring) { r.record(steady(0, 60)) },
			[]string{"not recorded -3600..0 0", "not recorded 59..1800 0"}},
		{"cut", "all", func(r *ring) {
			events := steady(0, 10)
			for _, i := range []int{3, 7} {
				events[i].packet.wire += 1000
			}
			r.record(events)
		}, []string{"cut 3..7 2"}},
	}
}

func TestGaps(t *testing.T) {
	for _, c := range gapCases() {
		t.Run(c.name, func(t *testing.T) {
			r := newRing(t)
			c.make(r)
			b, rep := getAll(t, r.open(), c.query, GetOptions{Comment: "for the test"})
			if gaps := kinds(rep); !slices.Equal(gaps, c.want) {
				t.Errorf("gaps: got %q, want %q\n%v", gaps, c.want, rep.Gaps)
			}
			for _, g := range rep.Gaps {
				if g.Kind != Cut && !bytes.Contains(b, []byte("missing: "+g.String())) {
					t.Errorf("the file does not name %s", g)
				}
			}
			if !bytes.Contains(b, []byte("for the test")) || bytes.Count(b, []byte("cut: ")) != min(len(c.want), 1) && c.name == "cut" {
				t.Errorf("comments: %q", b[:min(len(b), 400)])
			}
		})
	}
}

// remove takes a segment away, as rotation does.
func (r *ring) remove(num uint64) {
	r.t.Helper()
	list, err := filepath.Glob(filepath.Join(r.dir, fmt.Sprintf("*-%08d.*", num)))
	if err != nil || len(list) == 0 {
		r.t.Fatal(err, list)
	}
	for _, f := range list {
		if err := os.Remove(f); err != nil {
			r.t.Fatal(err)
		}
	}
}

// TestPacketBehindGap: the comment stands at the first packet behind the gap.
func TestPacketBehindGap(t *testing.T) {
	r := newRing(t)
	r.record(steady(0, 180))
	r.remove(1)
	b, _ := getAll(t, r.open(), "host 10.0.0.7", GetOptions{Comments: func(p *segment.Packet, f *Flow) string {
		if p.Time == at(121) {
			return "flow " + f.CommunityID()
		}
		return ""
	}})
	before := packetAt(t, b, at(59))
	behind := packetAt(t, b, at(120))
	own := packetAt(t, b, at(121))
	switch {
	case strings.Contains(before, "missing"):
		t.Errorf("the packet before the gap: %q", before)
	case !strings.Contains(behind, "missing: 2026-06-01T08:00:59.000Z to 2026-06-01T08:02:00.000Z: rotated away, 60 packets"):
		t.Errorf("the packet behind the gap: %q", behind)
	case !strings.Contains(own, "flow 1:") || strings.Contains(own, "missing"):
		t.Errorf("the caller's comment: %q", own)
	}
}

// packetAt is the block of the packet of a time.
func packetAt(t *testing.T, b []byte, when int64) (block string) {
	t.Helper()
	if _, err := segment.Scan(bytes.NewReader(b), int64(len(b)), segment.Visitor{Packet: func(p *segment.Packet) bool {
		if p.Time == when {
			block = string(b[p.Pos : p.Pos+int64(p.Len)])
		}
		return true
	}}); err != nil || block == "" {
		t.Fatal("no packet", err)
	}
	return block
}

// TestHold: a segment that was rotated away but is held is still searched.
func TestHold(t *testing.T) {
	r := newRing(t)
	r.record(steady(0, 180))
	stem := strings.TrimSuffix(segment.Name(at(60), 1), segmentSuffix)
	for _, suffix := range []string{segmentSuffix, indexSuffix} {
		path := filepath.Join(r.dir, stem+suffix)
		if err := os.Link(path, path+".hold-incident-1"); err != nil {
			t.Fatal(err)
		}
	}
	whole, _ := getAll(t, r.open(), "host 10.0.0.7", GetOptions{})
	s := r.open()
	r.remove1(stem)
	b, rep := getAll(t, s, "host 10.0.0.7", GetOptions{})
	if !bytes.Equal(b, whole) || len(rep.Gaps) > 0 || rep.Scanned > 0 {
		t.Errorf("listed before, rotated away behind: %d octets, want %d; %+v", len(b), len(whole), rep)
	}
	if b, _ = getAll(t, r.open(), "host 10.0.0.7", GetOptions{}); !bytes.Equal(b, whole) {
		t.Errorf("listed behind: %d octets, want %d", len(b), len(whole))
	}
}

func (r *ring) remove1(stem string) {
	for _, suffix := range []string{segmentSuffix, indexSuffix} {
		if err := os.Remove(filepath.Join(r.dir, stem+suffix)); err != nil {
			r.t.Fatal(err)
		}
	}
}

// TestVanished: what goes away between listing and reading is told.
func TestVanished(t *testing.T) {
	r := newRing(t)
	r.record(steady(0, 180))
	s := r.open()
	r.remove(1)
	for _, query := range []string{"all", "host 10.0.0.7", "bytes > 1"} {
		b, rep := getAll(t, s, query, GetOptions{})
		if n := len(got(t, b)); n != 120 || rep.Vanished != 1 || len(rep.Gaps) == 0 {
			t.Errorf("%s: %d packets, want 120; %+v", query, n, rep)
		}
		if i := slices.IndexFunc(rep.Gaps, func(g Gap) bool { return g.Kind == RotatedAway }); i < 0 {
			t.Errorf("%s: gaps %v", query, rep.Gaps)
		}
	}
}

// TestOptions: filter, limit, explain, cancelled.
func TestOptions(t *testing.T) {
	r := newRing(t)
	r.record(steady(0, 600), steady(0, 600))
	r.chapters()
	odd := func(link packet.LinkType) (func([]byte, uint32) bool, error) {
		if link != packet.LinkEthernet {
			return nil, fmt.Errorf("link type %d", link)
		}
		return func(frame []byte, wire uint32) bool { return len(frame)%2 == 1 }, nil
	}
	for _, query := range []string{"all", "host 10.0.0.7", "client 10.0.0.7"} {
		b, rep := getAll(t, r.open(), query, GetOptions{Filter: odd})
		if n := len(got(t, b)); n != 2*(10+500) || rep.Packets != uint64(n) {
			t.Errorf("%s with a filter: %d packets, want 1020", query, n)
		}
		b, rep = getAll(t, r.open(), query, GetOptions{MaxBytes: 5000})
		if len(b) > 5000 || len(b) < 4800 || rep.Ended == "" {
			t.Errorf("%s with a limit: %d octets, %q", query, len(b), rep.Ended)
		}
		got(t, b)
	}
}
