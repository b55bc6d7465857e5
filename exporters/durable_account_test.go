package exporters

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kagami/exporters/spool"
	"kagami/records"
)

// Part of a batch may be taken, refused, or taken and lost before the flush.
func TestDurableParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "queue")
		p := &farPlace{
			write: func(_ context.Context, n int, lines []Line) (Written, error) {
				switch w := (Written{Sent: min(7, len(lines))}); {
				case n%5 == 0:
					return Written{}, errDown
				case n%3 == 0 && len(lines) > 7:
					return w, errDown
				case n%4 == 0:
					return Written{Refused: 1}, nil
				default:
					return w, nil
				}
			},
			flush: func(n int) error {
				if n%3 != 0 {
					return errors.New("no space left on device")
				}
				return nil
			},
		}
		d := durableTo(t, dir, p)
		for range 40 {
			d.Write(queries(t, 25))
			time.Sleep(time.Second)
		}
		time.Sleep(time.Hour)
		got := d.Stats()
		if got.Made != 1000 || got.Sent+got.Failed != 1000 || got.Failed == 0 || got.QueuedLines != 0 || got.Errors == 0 || int(got.Sent) != len(p.lines) {
			t.Errorf("%+v, %d lines", got, len(p.lines))
		}
		prev := uint64(0)
		for _, seq := range p.seqs() {
			if seq <= prev {
				t.Fatalf("number %d after %d", seq, prev)
			}
			prev = seq
		}
		closeWithin(time.Minute, d)
	})
}

// What the sink could not flush is not acknowledged: it is sent again.
func TestDurableAcknowledgesWhatIsFlushed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "queue")
		p := &farPlace{flush: func(int) error { return errors.New("no space left on device") }}
		d := durableTo(t, dir, p)
		d.Write(queries(t, 100))
		time.Sleep(time.Minute)
		if got := d.Stats(); got.Sent != 0 || got.QueuedLines != 100 || len(p.lines) != 100 || got.Errors == 0 {
			t.Errorf("%+v, %d lines", got, len(p.lines))
		}
		closeWithin(time.Minute, d)
		again := &farPlace{}
		d = durableTo(t, dir, again)
		closeWithin(time.Minute, d)
		numbered(t, again.seqs(), 1, 100)
	})
}

func TestDurableCountsDrops(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "queue")
	q, err := spool.Open(spool.Config{Dir: dir, MaxBytes: 1 << 20}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	d := NewDurable(exportTo(&farPlace{write: down}), q)
	d.put(Line{Text: make([]byte, 200_000)}) // longer than any queue on disk takes
	r := queries(t, 500)
	for range 200 {
		d.Write(r)
	}
	closeWithin(5*time.Second, d)
	got := d.Stats()
	if got.Failed != 1 || got.Made != 100_000 || got.Dropped == 0 || got.Dropped != got.DroppedBy[ClassProtocol] ||
		got.Sent+got.Failed+got.Dropped+uint64(got.QueuedLines) != got.Made+1 || got.DiskBytes > 1<<20 {
		t.Errorf("%+v", got)
	}
	p := &farPlace{}
	d = durableTo(t, dir, p)
	closeWithin(20*time.Second, d)
	if len(p.lines) != got.QueuedLines || d.Stats().Resumed != uint64(got.QueuedLines) {
		t.Errorf("%d lines came, %d were queued", len(p.lines), got.QueuedLines)
	}
}

// The real file sink behind it: nothing is lost over restarts and rotation.
func TestDurableToFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "queries.log")
	for range 3 {
		e, err := Open(Config{Format: "bind", To: "file://" + path}, Env{})
		if err != nil {
			t.Fatal(err)
		}
		q, err := spool.Open(spool.Config{Dir: filepath.Join(dir, "queue"), MaxBytes: 64 << 20}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		d := NewDurable(e, q)
		d.Write(queries(t, 700))
		if err := os.Rename(path, fmt.Sprintf("%s.%d", path, time.Now().UnixNano())); err != nil {
			t.Fatal(err)
		}
		if err := d.Reopen(); err != nil {
			t.Fatal(err)
		}
		d.Write(queries(t, 700))
		if err := closeWithin(20*time.Second, d); err != nil {
			t.Fatal(err)
		}
	}
	names, _ := filepath.Glob(path + "*")
	lines := 0
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines += strings.Count(string(b), "\n")
	}
	if lines != 3*1400 {
		t.Errorf("%d lines in %d files", lines, len(names))
	}
}

func TestClasses(t *testing.T) {
	for k, want := range map[records.Kind]uint8{records.KindFlow: ClassFlow, records.KindDNS: ClassProtocol, records.KindHTTP: ClassProtocol, records.KindSSDP: ClassProtocol,
		records.KindIdentity: ClassState, records.KindStats: ClassState, records.KindAlert: ClassAlert} {
		if got := classOf(k); got != want {
			t.Errorf("%v: class %d, want %d", k, got, want)
		}
	}
	if NumClasses != spool.NumClasses {
		t.Error("the queue knows other classes")
	}
	for _, a := range []string{"192.0.2.1", "2001:db8::1"} {
		if got := clientOf(clientBytes(netip.MustParseAddr(a))); got.String() != a {
			t.Errorf("%s: %v", a, got)
		}
	}
	if clientOf(clientBytes(netip.Addr{})).IsValid() {
		t.Error("no client became one")
	}
}

func BenchmarkDurable(b *testing.B) {
	q, err := spool.Open(spool.Config{Dir: filepath.Join(b.TempDir(), "queue"), MaxBytes: 1 << 30}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	p := &countingSink{}
	d := NewDurable(exportTo(p), q)
	r := []records.Record{dnsRecord(new(testing.T), nil)}
	b.ReportAllocs()
	b.ResetTimer()
	for n := range b.N {
		d.Write(r)
		for n%1000 == 0 && d.Stats().QueuedLines > 10_000 {
			time.Sleep(100 * time.Microsecond)
		}
	}
	closeWithin(10*time.Second, d)
	b.StopTimer()
	st := d.Stats()
	if st.Sent != uint64(b.N) {
		b.Errorf("%+v", st)
	}
	b.ReportMetric(float64(q.Stats().Written)/float64(b.N), "disk-octets/op")
}

// countingSink takes everything.
type countingSink struct{ farPlace }

func (*countingSink) Write(_ context.Context, lines []Line) (Written, error) {
	return Written{Sent: len(lines)}, nil
}

// TestDurableFirmNumbers: a sink does not see numbers that another line may get some
// day, and lines are acknowledged all the same.
func TestDurableFirmNumbers(t *testing.T) {
	p := &farPlace{write: func(_ context.Context, n int, lines []Line) (Written, error) {
		return Written{Sent: min(2, len(lines))}, nil
	}}
	d := durableTo(t, t.TempDir(), p)
	if err := closeWithin(time.Minute, d); err != nil { // its goroutine is not wanted here
		t.Fatal(err)
	}
	d.ctx = t.Context()
	d.entries = []spool.Entry{{Seq: 7, Firm: true}, {Seq: 8, Lost: 3}, {Seq: 9}, {Seq: 10}, {Seq: 11, Firm: true}}
	if !d.send() || d.given.seq != 11 || d.given.sent != 4 {
		t.Errorf("%+v", d.given)
	}
	if got := p.seqs(); !slices.Equal(got, []uint64{7, 0, 0, 11}) {
		t.Errorf("numbers %v", got)
	}
	d.given = given{}
	if d.fill(); len(d.lines) != 4 {
		t.Fatal(d.lines)
	}
	if n, err := d.attempt(1); n != 2 || err != nil || d.given.seq != 10 {
		t.Errorf("%d, %v, %+v", n, err, d.given)
	}
}

// TestDurableLeavesInTime: what is left may take all of the time that Close has.
func TestDurableLeavesInTime(t *testing.T) {
	for give, want := range map[time.Duration]time.Duration{-time.Second: leaveFor, time.Second: leaveFor, 8 * time.Second: 8 * time.Second} {
		ctx, cancel := context.WithTimeout(context.Background(), give)
		left, done := leaving(ctx)
		cancel()
		if d, _ := left.Deadline(); left.Err() != nil || time.Until(d) > want || time.Until(d) < want-time.Second {
			t.Errorf("of %v: %v, want %v", give, time.Until(d), want)
		}
		done()
	}
}
