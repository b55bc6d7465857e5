package search

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"kagami/evidence/index"
	"kagami/evidence/query"
	"kagami/evidence/segment"
	"kagami/packet"
)

// benchRing is a ring of KAGAMI_BENCH_SEGMENTS segments (default 16) of about
// KAGAMI_BENCH_MIB MiB (default 4), over 24 hours: web traffic of 200 clients, one of
// which has few flows and one alert.
func benchRing(b *testing.B) *ring {
	segments, size := setting("KAGAMI_BENCH_SEGMENTS", 16), setting("KAGAMI_BENCH_MIB", 4)<<20
	r := newRing(b)
	if dir := os.Getenv("KAGAMI_BENCH_DIR"); dir != "" { // kept from run to run
		r.dir = filepath.Join(dir, fmt.Sprintf("%d-%d", segments, size))
		if _, err := os.Stat(r.dir); err == nil {
			return r
		}
		if err := os.MkdirAll(r.dir, 0o700); err != nil {
			b.Fatal(err)
		}
	}
	g := newTraffic(1)
	body := strings.Repeat("0123456789abcdef", 90)
	step := 86400 / float64(segments)
	for n := range segments {
		begin, octets := float64(n)*step, 0
		var events []event
		for octets < size {
			c := h(fmt.Sprintf("10.0.%d.%d", g.IntN(2), 1+g.IntN(100)), uint16(1024+g.IntN(60000)))
			s := h(fmt.Sprintf("198.51.%d.%d", g.IntN(20), 1+g.IntN(250)), 443)
			if n%8 == 3 && len(events) == 0 {
				c = h("10.9.9.9", 5000+uint16(n))
			}
			now := begin + g.Float64()*step*0.9
			add := func(p *stored) { octets += len(p.data) + 32; events = append(events, event{packet: p}) }
			syn := tcp(at(now), 0, c, s, packet.SYN, "")
			add(syn)
			add(tcp(at(now+0.01), 0, s, c, packet.SYN|packet.ACK, ""))
			events = append(events, event{note: &segment.Note{Kind: segment.Named, At: at(now + 0.02), Key: syn.key, Client: syn.side,
				Name: fmt.Sprintf("www%d.example", g.IntN(3000))}})
			for i := range 4 + g.IntN(40) {
				now += 0.02
				if i%3 == 0 {
					add(tcp(at(now), 0, c, s, packet.ACK, ""))
				} else {
					add(tcp(at(now), 0, s, c, packet.ACK, body))
				}
			}
			add(tcp(at(now+0.1), 0, c, s, packet.FIN|packet.ACK, ""))
			add(tcp(at(now+0.2), 0, s, c, packet.FIN|packet.ACK, ""))
		}
		if n == segments/2 {
			events = append(events, event{note: &segment.Note{Kind: segment.Alert, At: at(begin + 1), Key: packet.Key{A: mapped("10.9.9.9")}, Name: "the-alert", From: at(0), To: at(86400)}})
		}
		sortEvents(events)
		r.segment(0, events)
		r.all, r.notes = nil, nil
	}
	r.chapters()
	return r
}

func setting(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// BenchmarkSearch: a store is opened and asked each time, as by the CLI.
func BenchmarkSearch(b *testing.B) {
	r := benchRing(b)
	flows, _ := r.aFlow(b)
	for _, c := range []struct{ name, query string }{
		{"flow id", "flow " + flows},
		{"alert", "alert the-alert"},
		{"rare host 24 h", "host 10.9.9.9"},
		{"common host 24 h", "host 10.0.0.7"},
		{"name 24 h", "host www7.example"},
		{"nothing", "host 192.0.2.1"},
	} {
		b.Run("find/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			var first time.Duration
			n := 0
			for range b.N {
				began := time.Now()
				ended := false
				s := r.open()
				_, err := s.Find(context.Background(), ask(b, c.query), Options{}, func(*Flow) bool {
					if !ended {
						first += time.Since(began)
						ended = true
					}
					n++
					return true
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(first.Microseconds())/float64(b.N), "µs/first")
			b.ReportMetric(float64(n)/float64(b.N), "flows")
		})
		b.Run("get/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			w := &firstByte{}
			for range b.N {
				w.began, w.seen = time.Now(), false
				if _, err := r.open().Get(context.Background(), ask(b, c.query), GetOptions{}, w); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(w.sum.Microseconds())/float64(b.N), "µs/first")
			b.ReportMetric(float64(w.n)/float64(b.N), "octets")
		})
	}
}

type firstByte struct {
	began time.Time
	seen  bool
	sum   time.Duration
	n     int64
}

func (w *firstByte) Write(b []byte) (int, error) {
	if !w.seen {
		w.sum += time.Since(w.began)
		w.seen = true
	}
	w.n += int64(len(b))
	return len(b), nil
}

func ask(b testing.TB, text string) *query.Query {
	q, err := query.Parse(text, query.Options{})
	if err != nil {
		b.Fatal(err)
	}
	return q
}

// aFlow is the id of a flow in the middle of the ring.
func (r *ring) aFlow(b *testing.B) (id string, octets int64) {
	s := r.open()
	e := s.entries[len(s.entries)/2]
	f, err := index.Open(e.index[0])
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	rows, _, err := f.Rows()
	if err != nil {
		b.Fatal(err)
	}
	for _, e := range s.entries {
		st, err := os.Stat(e.paths[0])
		if err != nil {
			b.Fatal(err)
		}
		octets += st.Size()
	}
	return rows[len(rows)/2].Key.CommunityID(0), octets
}

// BenchmarkScan: all packets through a filter that passes few, beside reading the
// files alone.
func BenchmarkScan(b *testing.B) {
	r := benchRing(b)
	_, octets := r.aFlow(b)
	b.Run("get", func(b *testing.B) {
		b.SetBytes(octets)
		for range b.N {
			_, err := r.open().Get(context.Background(), ask(b, "all"), GetOptions{Filter: few}, io.Discard)
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("cat", func(b *testing.B) {
		b.SetBytes(octets)
		buf := make([]byte, 1<<20)
		for range b.N {
			for _, e := range r.open().entries {
				f, err := os.Open(e.paths[0])
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}, buf); err != nil {
					b.Fatal(err)
				}
				f.Close()
			}
		}
	})
}

// few passes frames that hold one address.
func few(packet.LinkType) (func([]byte, uint32) bool, error) {
	host := []byte{10, 9, 9, 9}
	return func(frame []byte, _ uint32) bool {
		return len(frame) > 34 && (bytes.Equal(frame[26:30], host) || bytes.Equal(frame[30:34], host))
	}, nil
}

// BenchmarkUnindexed: one segment without an index, as the one being written.
func BenchmarkUnindexed(b *testing.B) {
	r := benchRing(b)
	s := r.open()
	e := *s.entries[len(s.entries)/2]
	e.index = nil
	s.entries, s.chapters = []*entry{&e}, nil
	st, err := os.Stat(e.paths[0])
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(st.Size())
	b.ReportAllocs()
	for range b.N {
		if _, err := s.Find(context.Background(), ask(b, "host 10.9.9.9"), Options{}, func(*Flow) bool { return true }); err != nil {
			b.Fatal(err)
		}
	}
}
