package exporters

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kagami/records"
)

// fakeSink keeps what it gets; gate and fail are what a bad place does.
type fakeSink struct {
	mu     sync.Mutex
	lines  []string
	gate   chan struct{} // Write waits for it, unless nil
	fail   func(n int) error
	writes int
	closed bool
	flush  int
}

func (s *fakeSink) Write(ctx context.Context, lines []Line) (Written, error) {
	if s.gate != nil {
		select {
		case <-s.gate:
		case <-ctx.Done():
			return Written{}, ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	if s.fail != nil {
		if err := s.fail(s.writes); err != nil {
			return Written{}, err
		}
	}
	for _, l := range lines {
		s.lines = append(s.lines, string(l.Text))
	}
	return Written{Sent: len(lines)}, nil
}

func (s *fakeSink) Flush() error  { s.mu.Lock(); defer s.mu.Unlock(); s.flush++; return nil }
func (s *fakeSink) Reopen() error { return nil }
func (s *fakeSink) Close() error  { s.closed = true; return nil }

func exportTo(s Sink) *Export {
	e := newExport("test", newBIND(Env{Location: time.UTC}), s, slog.New(slog.DiscardHandler))
	e.kinds[records.KindDNS] = true
	return e
}

func queries(t *testing.T, n int) []records.Record {
	var out []records.Record
	for range n {
		out = append(out, dnsRecord(t, nil))
	}
	return out
}

var roomy = Limits{Lines: 100000, Bytes: 100 << 20}

func closeWithin(d time.Duration, o Output) error {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return o.Close(ctx)
}

func TestQueueKeepsOrderAndDrainsOnClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeSink{}
		q := NewQueue(exportTo(s), roomy, Block)
		for i := range 3000 {
			q.Write([]records.Record{dnsRecord(t, func(r *records.DNS) { r.Name = strings.Repeat("x", i%50+1) }), flowRecord(t, nil)})
		}
		if err := closeWithin(time.Minute, q); err != nil {
			t.Fatal(err)
		}
		if len(s.lines) != 3000 || !s.closed {
			t.Fatalf("%d lines, closed %v", len(s.lines), s.closed)
		}
		for i, l := range s.lines {
			if !strings.Contains(l, " ("+strings.Repeat("x", i%50+1)+"): ") {
				t.Fatalf("line %d: %s", i, l)
			}
		}
		if got := q.Stats(); got != (Stats{Made: 3000, Sent: 3000}) {
			t.Errorf("%+v", got)
		}
	})
}

func TestQueueDropsWhenFull(t *testing.T) {
	size := len(lineOf(t, newBIND(Env{Location: time.UTC}), dnsRecord(t, nil))) + lineOverhead
	for _, c := range []struct {
		name   string
		limits Limits
		kept   uint64
	}{
		{"lines", Limits{Lines: 10, Bytes: 1 << 20}, 10},
		{"octets", Limits{Lines: 1000, Bytes: 7*size + size/2}, 7},
		{"one line is too large", Limits{Lines: 1000, Bytes: size - 1}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &fakeSink{gate: make(chan struct{})}
				q := NewQueue(exportTo(s), c.limits, Drop)
				for range 50 { // never waits: else synctest reports a deadlock
					q.Write(queries(t, 1))
				}
				synctest.Wait()
				want := Stats{Made: 50, Dropped: 50 - c.kept, QueuedLines: int(c.kept), QueuedBytes: int(c.kept) * size}
				want.DroppedBy[ClassProtocol] = want.Dropped
				if c.kept > 0 {
					want.Oldest = dnsRecord(t, nil).Meta().At
				}
				if got := q.Stats(); got != want {
					t.Errorf("got %+v, want %+v", got, want)
				}
				close(s.gate)
				synctest.Wait()
				q.Write(queries(t, 1)) // room again
				if err := closeWithin(time.Minute, q); err != nil {
					t.Error(err)
				}
				if got := q.Stats(); got.Sent+got.Dropped != 51 || c.kept > 0 && got.Sent != c.kept+1 {
					t.Errorf("%+v", got)
				}
			})
		})
	}
}

func TestQueueBlocksForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeSink{gate: make(chan struct{})}
		q := NewQueue(exportTo(s), Limits{Lines: 10, Bytes: 1 << 20}, Block)
		written := make(chan error)
		go func() { written <- q.Write(queries(t, 100)) }()
		synctest.Wait()
		select {
		case <-written:
			t.Fatal("Write did not wait")
		default:
		}
		if n := q.Stats().QueuedLines; n != 10 {
			t.Fatalf("%d lines queued", n)
		}
		close(s.gate)
		if err := <-written; err != nil {
			t.Fatal(err)
		}
		closeWithin(time.Minute, q)
		if got := q.Stats(); got != (Stats{Made: 100, Sent: 100}) {
			t.Errorf("%+v", got)
		}
	})
}

func TestQueueTriesUntilItWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeSink{fail: func(n int) error {
			if n <= 12 {
				return errors.New("no space left")
			}
			return nil
		}}
		q := NewQueue(exportTo(s), roomy, Drop)
		q.Write(queries(t, 3))
		time.Sleep(10 * time.Minute)
		if got := q.Stats(); got != (Stats{Made: 3, Sent: 3, Errors: 12}) {
			t.Errorf("%+v", got)
		}
		closeWithin(time.Minute, q)
	})
}

func TestBlockGivesUp(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		wait time.Duration // at least
	}{
		{"at once", errors.New("no space left"), 0},
		{"after a while", transientError{errors.New("connection refused")}, giveUpAfter},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				e := exportTo(&fakeSink{fail: func(int) error { return c.err }})
				if err := e.Write(queries(t, 3)); !errors.Is(err, c.err) {
					t.Fatalf("got %v", err)
				}
				if d := time.Since(start); d < c.wait || c.wait == 0 && d != 0 {
					t.Errorf("gave up after %v", d)
				}
				start = time.Now()
				if err := e.Write(queries(t, 2)); !errors.Is(err, c.err) || time.Since(start) != 0 {
					t.Errorf("second write: %v after %v", err, time.Since(start))
				}
				if got := e.Stats(); got.Made != 5 || got.Failed != 5 || got.Sent != 0 || got.Errors == 0 {
					t.Errorf("%+v", got)
				}

				q := NewQueue(exportTo(&fakeSink{fail: func(int) error { return c.err }}), Limits{Lines: 2, Bytes: 1 << 20}, Block)
				if err := q.Write(queries(t, 9)); !errors.Is(err, c.err) {
					t.Errorf("queue: %v", err)
				}
				if err := closeWithin(time.Minute, q); !errors.Is(err, c.err) {
					t.Errorf("close: %v", err)
				}
				if got := q.Stats(); got.Made != 9 || got.Failed != 9 {
					t.Errorf("%+v", got)
				}
			})
		})
	}
}

func TestQueueCloseEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeSink{gate: make(chan struct{})}
		q := NewQueue(exportTo(s), roomy, Drop)
		q.Write(queries(t, 2000))
		start := time.Now()
		err := closeWithin(3*time.Second, q)
		if d := time.Since(start); err == nil || d != 3*time.Second {
			t.Errorf("%v after %v", err, d)
		}
		if got := q.Stats(); got.Failed != 2000 || got.QueuedLines != 0 || !s.closed {
			t.Errorf("%+v, closed %v", got, s.closed)
		}
		if err := q.Write(queries(t, 1)); err == nil {
			t.Error("a closed queue took a record")
		}
	})
}

func TestQueueFlushesEverySecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeSink{}
		q := NewQueue(exportTo(s), roomy, Drop)
		q.Write(queries(t, 1))
		time.Sleep(3500 * time.Millisecond)
		synctest.Wait()
		if s.flush != 3 {
			t.Errorf("%d flushes in 3.5 s", s.flush)
		}
		closeWithin(time.Minute, q)
	})
}

// TestSlowExportSlowsNoOther: one sink hangs, another gets everything.
func TestSlowExportSlowsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck, good := &fakeSink{gate: make(chan struct{})}, &fakeSink{}
		outputs := []Output{NewQueue(exportTo(stuck), Limits{Lines: 5, Bytes: 1 << 20}, Drop), NewQueue(exportTo(good), roomy, Drop)}
		for range 100 {
			for _, o := range outputs {
				o.Write(queries(t, 10))
			}
		}
		synctest.Wait()
		if len(good.lines) != 1000 {
			t.Errorf("the good sink has %d lines", len(good.lines))
		}
		if s := outputs[0].Stats(); s.Dropped != 995 {
			t.Errorf("%+v", s)
		}
		closeWithin(time.Second, outputs[0])
		closeWithin(time.Second, outputs[1])
	})
}

func BenchmarkQueue(b *testing.B) {
	q := NewQueue(exportTo(discardSink{}), Limits{Lines: 1 << 16, Bytes: 64 << 20}, Block)
	recs := queries(new(testing.T), 100)
	b.ReportAllocs()
	for b.Loop() {
		q.Write(recs)
	}
	closeWithin(time.Minute, q)
	b.ReportMetric(float64(100*b.N)/b.Elapsed().Seconds(), "lines/s")
}

type discardSink struct{}

func (discardSink) Write(_ context.Context, l []Line) (Written, error) {
	return Written{Sent: len(l)}, nil
}
func (discardSink) Flush() error  { return nil }
func (discardSink) Reopen() error { return nil }
func (discardSink) Close() error  { return nil }

// TestQueueBacksOffWithJitter: ever longer, never the same twice, never longer than backoffMax.
func TestQueueBacksOffWithJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &farPlace{write: down}
		q := NewQueue(exportTo(p), Limits{Lines: 100, Bytes: 1 << 20}, Drop)
		q.Write(queries(t, 3))
		time.Sleep(time.Hour)
		waits := map[time.Duration]bool{}
		for i := 1; i < len(p.attempts); i++ {
			w, limit := p.attempts[i].Sub(p.attempts[i-1]), min(backoffMin<<min(i-1, 20), backoffMax)
			if w < limit/2 || w > limit {
				t.Errorf("wait %d is %v, want %v to %v", i, w, limit/2, limit)
			}
			waits[w] = true
		}
		if n := len(p.attempts); n < 100 || len(waits) < n*9/10 {
			t.Errorf("%d attempts, %d different waits", n, len(waits))
		}
		closeWithin(time.Millisecond, q)
	})
}
