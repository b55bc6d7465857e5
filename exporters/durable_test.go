package exporters

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kagami/exporters/spool"
	"kagami/records"
)

// farPlace is a sink that is told how to be bad. It keeps what it took.
type farPlace struct {
	mu       sync.Mutex
	lines    []Line
	held     int // of lines: not flushed
	attempts []time.Time
	write    func(ctx context.Context, n int, lines []Line) (Written, error) // nil: takes all
	flush    func(n int) error
	flushes  int
	closed   bool
}

func (p *farPlace) Write(ctx context.Context, lines []Line) (Written, error) {
	p.mu.Lock()
	p.attempts = append(p.attempts, time.Now())
	n := len(p.attempts)
	p.mu.Unlock()
	w, err := Written{Sent: len(lines)}, error(nil)
	if p.write != nil {
		w, err = p.write(ctx, n, lines)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range lines[:w.Sent] {
		l.Text = append([]byte(nil), l.Text...)
		p.lines = append(p.lines, l)
		p.held++
	}
	return w, err
}

func (p *farPlace) Flush() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.flushes++; p.flush != nil {
		if err := p.flush(p.flushes); err != nil {
			return err
		}
	}
	p.held = 0
	return nil
}

func (p *farPlace) Reopen() error { return nil }
func (p *farPlace) Close() error  { p.closed = true; return nil }

func (p *farPlace) seqs() (out []uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.lines {
		out = append(out, l.Seq)
	}
	return out
}

var errDown = transientError{errors.New("connection refused")}

func down(context.Context, int, []Line) (Written, error) { return Written{}, errDown }

// hang is a place that says nothing.
func hang(ctx context.Context, _ int, _ []Line) (Written, error) {
	<-ctx.Done()
	return Written{}, ctx.Err()
}

func durableTo(t *testing.T, dir string, s Sink) *Durable {
	t.Helper()
	q, err := spool.Open(spool.Config{Dir: dir, MaxBytes: 64 << 20}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return NewDurable(exportTo(s), q)
}

// numbered checks that numbers rise by one from first.
func numbered(t *testing.T, got []uint64, first uint64, lines int) {
	t.Helper()
	for i, seq := range got {
		if seq != first+uint64(i) {
			t.Fatalf("place %d: number %d, want %d", i, seq, first+uint64(i))
		}
	}
	if len(got) != lines {
		t.Errorf("%d lines, want %d", len(got), lines)
	}
}

func TestDurableKeepsOrderAndDrainsOnClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "queue")
		p := &farPlace{}
		d := durableTo(t, dir, p)
		for range 30 {
			if err := d.Write(append(queries(t, 100), flowRecord(t, nil))); err != nil { // BIND has no line for flows
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if err := closeWithin(time.Minute, d); err != nil {
			t.Fatal(err)
		}
		numbered(t, p.seqs(), 1, 3000)
		if got := d.Stats(); got != (Stats{Made: 3000, Sent: 3000}) || !p.closed || p.held != 0 {
			t.Errorf("%+v, closed %v, held %d", got, p.closed, p.held)
		}
		l, want := p.lines[0], dnsRecord(t, nil).Meta()
		if l.At != want.At || l.Kind != records.KindDNS || l.Severity != SeverityInfo || l.Class != ClassProtocol || l.Client != want.Client().Addr() {
			t.Errorf("%+v", l)
		}
		if names, _ := filepath.Glob(filepath.Join(dir, "*.spool")); len(names) != 0 {
			t.Errorf("a place that keeps up causes %v", names)
		}
		if err := d.Write(queries(t, 1)); !errors.Is(err, errClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// What a dead place has not taken is sent after the next start, with the old
// numbers and in order.
func TestDurableOutlivesADeadPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "queue")
		for run := range 3 {
			d := durableTo(t, dir, &farPlace{write: down})
			start := time.Now()
			for range 10 {
				d.Write(queries(t, 100))
			}
			if time.Since(start) != 0 {
				t.Errorf("Write waited %v", time.Since(start))
			}
			time.Sleep(10 * time.Minute)
			st := d.Stats()
			if st.Made != 1000 || st.Sent != 0 || st.Resumed != uint64(run)*1000 || st.QueuedLines != 1000*(run+1) || st.DiskBytes == 0 || st.Oldest == 0 || st.Errors < 20 || st.Errors > 80 {
				t.Errorf("%+v", st)
			}
			start = time.Now()
			if err := closeWithin(10*time.Second, d); err != nil || time.Since(start) > time.Second {
				t.Errorf("close: %v after %v", err, time.Since(start))
			}
		}
		p := &farPlace{}
		d := durableTo(t, dir, p)
		d.Write(queries(t, 10))
		if err := closeWithin(time.Minute, d); err != nil {
			t.Fatal(err)
		}
		numbered(t, p.seqs(), 1, 3010)
		if got := d.Stats(); got != (Stats{Made: 10, Resumed: 3000, Sent: 3010}) {
			t.Errorf("%+v", got)
		}
	})
}

func TestDurableBacksOffWithJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &farPlace{write: func(_ context.Context, n int, lines []Line) (Written, error) {
			if n <= 200 {
				return Written{}, errDown
			}
			return Written{Sent: len(lines)}, nil
		}}
		d := durableTo(t, filepath.Join(t.TempDir(), "queue"), p)
		d.Write(queries(t, 3))
		time.Sleep(3 * time.Hour)
		var most, sum time.Duration
		waits := map[time.Duration]bool{}
		for i := 1; i < len(p.attempts); i++ {
			w := p.attempts[i].Sub(p.attempts[i-1])
			if i <= 3 && w >= backoffMin<<(i-1) {
				t.Errorf("wait %d is %v", i, w)
			}
			if i > 10 {
				sum += w
			}
			most = max(most, w)
			waits[w] = true
		}
		if mean := sum / 190; most > backoffMax || most < backoffMax*8/10 || mean < backoffMax*4/10 || mean > backoffMax*6/10 || len(waits) < 190 {
			t.Errorf("at most %v, %v on average, %d different", most, mean, len(waits))
		}
		if got := d.Stats(); got != (Stats{Made: 3, Sent: 3, Errors: 200}) {
			t.Errorf("%+v", got)
		}
		closeWithin(time.Minute, d)
	})
}

// A place that hangs costs attempts of half a minute, and nobody else anything.
func TestDurableBoundsAHangingPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		bad, good := &farPlace{write: hang}, &farPlace{}
		d1, d2 := durableTo(t, filepath.Join(dir, "1"), bad), durableTo(t, filepath.Join(dir, "2"), good)
		start := time.Now()
		for range 100 {
			r := queries(t, 10)
			d1.Write(r)
			d2.Write(r)
		}
		if time.Since(start) != 0 {
			t.Errorf("Write waited %v", time.Since(start))
		}
		time.Sleep(time.Second)
		if d2.Stats().Sent != 1000 {
			t.Errorf("%+v", d2.Stats())
		}
		time.Sleep(5 * time.Minute)
		if n := d1.Stats().Errors; n < 5 || n > 11 {
			t.Errorf("%d attempts ended in 5 minutes", n)
		}
		start = time.Now()
		if err := closeWithin(10*time.Second, d1); err != nil || time.Since(start) > 6*time.Second {
			t.Errorf("close: %v after %v", err, time.Since(start))
		}
		closeWithin(time.Minute, d2)
		p := &farPlace{}
		d1 = durableTo(t, filepath.Join(dir, "1"), p)
		closeWithin(time.Minute, d1)
		numbered(t, p.seqs(), 1, 1000)
	})
}

// A place that does not even end with its context cannot be closed: its lines stay.
func TestDurableCloseEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "queue")
		gate := make(chan struct{})
		p := &farPlace{write: func(context.Context, int, []Line) (Written, error) { <-gate; return Written{}, errDown }}
		d := durableTo(t, dir, p)
		d.Write(queries(t, 1000))
		start := time.Now()
		err := closeWithin(3*time.Second, d)
		if err == nil || !strings.Contains(err.Error(), "its lines stay on disk") || time.Since(start) > 3*time.Second || p.closed {
			t.Errorf("close: %v after %v, closed %v", err, time.Since(start), p.closed)
		}
		close(gate)
		<-d.done
		q := &farPlace{}
		d = durableTo(t, dir, q)
		closeWithin(time.Minute, d)
		numbered(t, q.seqs(), 1, 1000)
	})
}
