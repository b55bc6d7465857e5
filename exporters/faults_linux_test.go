package exporters

import (
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"kagami/exporters/spool"
	"kagami/records"
)

// faultPlace is a place behind a gateway.
type faultPlace struct {
	scheme string
	tls    bool
	lines  int // in each of the two runs: fewer of places that are slow on purpose
	format string
	record func(t *testing.T, n int) records.Record
	// url makes the export's URL of host:port; options begin with &.
	url func(addr, options string) string
	// start starts the server; addr tells where the gateway will be.
	start func(t *testing.T, x *faultRun)
	cuts  []int64
	// unanswered: the protocol has no acknowledgement by the program behind the
	// socket. A server that reads and forgets is not noticed, one that hangs is when
	// its socket is full.
	unanswered bool
}

// faultRun is one cell of the matrix.
type faultRun struct {
	place   *faultPlace
	fault   fault
	gateway *gateway
	got     func(t *testing.T) []arrival
}

// arrival is a line as it came in: which one, and the name by which the receiver
// knows one that comes twice, if the protocol has one.
type arrival struct {
	n  int
	id string
}

var (
	faultToken   = regexp.MustCompile(`n(\d{6})x`)
	syslogArrive = regexp.MustCompile(`(?s)seq="(\d+)"[^]]*\].*?n(\d{6})x`)
)

func arrivals(text string) (out []arrival) {
	for _, m := range faultToken.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[1])
		if len(out) == 0 || out[len(out)-1].n != n { // a line has it more than once
			out = append(out, arrival{n: n})
		}
	}
	return out
}

func token(n int) string { return fmt.Sprintf("n%06dx", n) }

func faultQuery(t *testing.T, n int) records.Record {
	return dnsRecord(t, func(r *records.DNS) { r.Name = token(n) + ".example" })
}

func faultAlert(t *testing.T, n int) records.Record {
	a := alertRecord(t)
	a.Meta().UID, a.Incident, a.Update, a.Title = uint64(n+1), fmt.Sprint(n), 1, token(n)
	return a
}

func faultFlow(t *testing.T, n int) records.Record {
	return flowRecord(t, func(r *records.Flow) { r.Service = token(n) })
}

// faultSays is what the log has to say of a fault.
var faultSays = map[fault]string{
	refuses: "refused", hangs: "timeout|deadline|timed out|no acknowledgement|acknowledges nothing", neverAnswers: "timeout|deadline|timed out|no acknowledgement|acknowledges nothing",
	closes: "EOF|reset|broken pipe|ended|closed", unknownCA: "unknown authority", expired: "expired", wrongName: "elsewhere.example", noSuchName: "no such host|lookup",
}

// TestFaultMatrix has every place that is reached through the network meet every
// fault, with the whole way of a line: records are formatted, queued on disk, and
// sent. In the first run the place is bad from the beginning to the end; in the
// second it is mended in between. The accounts balance after both; what was made
// arrives, in order, and what arrives twice has the same name.
//
//	                       syslog ipfix opensearch clickhouse webhook kafka nats mail
//	refuses                  x      x       x          x         x      x    x    x
//	hangs (in TLS, too)      x      x       x          x         x      x    x    x
//	never answers            1      1       x          x         x      x    x    x
//	closes mid-batch         2      2       x          x         x      x    x    x
//	unknown CA               x      x       x          x         x      x    x    x
//	expired certificate      x      x       x          x         x      x    x    x
//	wrong host name          x      x       x          x         x      x    x    x
//	DNS failure              x      x       x          x         x      x    x    x
//	partial errors           3      3       4          4         6      5    5    4
//
// 1: the protocol has no answer; a server that reads and forgets cannot be noticed.
// 2: what its kernel acknowledged is read first (docs/DELIVERY.md, Syslog); a server
// that does not: TestSyslogCountsWhatWasAcknowledged, TestSyslogTLSResends.
// 3: there are none. 4: TestPartialErrors. 5: TestKafkaRefuses, TestNATSStreamAnswers.
// 6: TestWebhookAnswers.
// Datagrams and local sockets: TestDatagramsMeetNobody. Full disks: TestDiskIsFull,
// TestLiveDiskIsFull, and exporters/spool. Steps of the clock: clock_test.go.
func TestFaultMatrix(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for places that hang")
	}
	var all sync.WaitGroup
	for _, p := range faultPlaces() {
		for _, f := range []fault{refuses, hangs, neverAnswers, closes, unknownCA, expired, wrongName, noSuchName} {
			ofTLS := f == unknownCA || f == expired || f == wrongName
			if ofTLS && !p.tls || f == neverAnswers && p.unanswered {
				continue
			}
			all.Go(func() {
				t.Run(strings.Replace(p.scheme, "+", "-", 1)+" "+string(f), func(t *testing.T) { meet(t, &p, f) })
			})
		}
	}
	all.Wait()
}

// arrange starts a place behind its gateway; to is its URL behind the scheme, and
// options is what it needs to know of TLS.
func arrange(t *testing.T, p *faultPlace, f fault) (x *faultRun, to, options string) {
	t.Helper()
	x = &faultRun{place: p, fault: f, gateway: newGateway(t, f)}
	x.gateway.cuts, x.gateway.polite = p.cuts, p.unanswered
	if p.tls {
		x.gateway.certs, options = faultyCerts(t)
	}
	p.start(t, x)
	x.gateway.open()
	return x, p.scheme + "://" + p.url(x.gateway.addr, options), options
}

// TestQueueMeetsFaults: the queue in memory, which loses nothing either while the
// program runs and it has room.
func TestQueueMeetsFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for places that come back")
	}
	var all sync.WaitGroup
	for _, p := range faultPlaces() {
		for _, f := range []fault{refuses, closes} {
			all.Go(func() {
				t.Run(strings.Replace(p.scheme, "+", "-", 1)+" "+string(f), func(t *testing.T) {
					x, to, _ := arrange(t, &p, f)
					e, err := Open(Config{Format: p.format, To: to}, Env{HostName: "sensor", Logger: slog.New(slog.DiscardHandler)})
					if err != nil {
						t.Fatal(err)
					}
					q := NewQueue(e, roomy, Drop)
					x.write(t, q, 0)
					x.feel(t, q)
					balanced(t, q.Stats())
					x.gateway.mend()
					x.write(t, q, p.lines)
					if err := closeWithin(time.Minute, q); err != nil {
						t.Error(err)
					}
					if s := q.Stats(); s.Sent != s.Made || s.Made != uint64(2*p.lines) {
						t.Errorf("%+v", s)
					}
					x.check(t, 2*p.lines, Stats{}, q.Stats())
				})
			})
		}
	}
	all.Wait()
}

func meet(t *testing.T, p *faultPlace, f fault) {
	x, to, options := arrange(t, p, f)
	bad := to
	if f == noSuchName {
		_, port, _ := net.SplitHostPort(x.gateway.addr)
		bad = p.scheme + "://" + p.url("no..such:"+port, options)
	}
	dir := filepath.Join(t.TempDir(), "queue")

	log := new(logBuffer)
	d := openFaulty(t, p, bad, dir, log)
	x.write(t, d, 0)
	x.feel(t, d)
	begun := time.Now()
	if err := closeWithin(8*time.Second, d); err != nil || time.Since(begun) > 6*time.Second {
		t.Errorf("close: %v after %v", err, time.Since(begun))
	}
	first := d.Stats()
	balanced(t, first)
	if says := log.String(); d.Stats().Errors > 0 && !regexp.MustCompile(faultSays[f]).MatchString(says) {
		t.Errorf("the log does not say %q: %s", faultSays[f], says)
	}
	if n := strings.Count(log.String(), "export fails"); n > 1 {
		t.Errorf("said %d times: %s", n, log)
	}

	d = openFaulty(t, p, bad, dir, log)
	x.write(t, d, p.lines)
	if f == noSuchName { // somebody corrects the URL
		closeWithin(8*time.Second, d)
		balanced(t, d.Stats())
		d = openFaulty(t, p, to, dir, log)
	} else {
		x.feel(t, d)
	}
	x.gateway.mend()
	for end := time.Now().Add(70 * time.Second); d.Stats().QueuedLines > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("lines wait: %+v %s", d.Stats(), log)
		}
	}
	if err := closeWithin(8*time.Second, d); err != nil {
		t.Errorf("close: %v", err)
	}
	last := d.Stats()
	balanced(t, last)
	if last.Failed+last.Dropped+first.Failed+first.Dropped+last.Unreadable+first.Unreadable != 0 || last.QueuedLines != 0 {
		t.Errorf("lines were given up: %+v, then %+v", first, last)
	}
	x.check(t, 2*p.lines, first, last)
}

// openFaulty opens the export with a queue on disk; brokers get less patience.
func openFaulty(t *testing.T, p *faultPlace, to, dir string, log *logBuffer) *Durable {
	t.Helper()
	s, err := spool.Open(spool.Config{Dir: dir, MaxBytes: 64 << 20}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	e, err := Open(Config{Format: p.format, To: to}, Env{HostName: "sensor", SeqID: s.ID(), Logger: testLogger(log)})
	if err != nil {
		s.Close(t.Context())
		t.Fatal(err)
	}
	switch sink := e.sink.(type) {
	case *kafkaSink:
		sink.patience = 2 * time.Second
	case *natsSink:
		sink.patience = 2 * time.Second
	}
	return NewDurable(e, s)
}

func (x *faultRun) write(t *testing.T, d Output, from int) {
	t.Helper()
	var slowest time.Duration
	for n := from; n < from+x.place.lines; n++ {
		r := x.place.record(t, n)
		at := time.Now()
		if err := d.Write([]records.Record{r}); err != nil {
			t.Fatal(err)
		}
		slowest = max(slowest, time.Since(at))
	}
	if slowest > time.Second {
		t.Errorf("Write took %v", slowest)
	}
}

// feel waits until the fault is noticed, where it can be.
func (x *faultRun) feel(t *testing.T, d Output) {
	t.Helper()
	if x.place.unanswered && !x.place.tls && x.fault == hangs { // as slow as it can be without a full socket
		time.Sleep(time.Second)
		return
	}
	for end := time.Now().Add(45 * time.Second); d.Stats().Errors == 0 && !(x.fault == closes && d.Stats().QueuedLines == 0); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not noticed: %+v", d.Stats())
		}
	}
}

// balanced wants every line made or resumed to be somewhere.
func balanced(t *testing.T, s Stats) {
	t.Helper()
	if s.Made+s.Resumed != s.Sent+s.Dropped+s.Failed+s.Unreadable+uint64(s.QueuedLines) {
		t.Errorf("the account does not balance: %+v", s)
	}
}

// check wants the lines 0 to n-1, each for the first time in order, and what comes
// again to bear the same name.
func (x *faultRun) check(t *testing.T, n int, first, last Stats) {
	t.Helper()
	if first.Sent+last.Sent < uint64(n) {
		t.Errorf("%d+%d lines were sent of %d", first.Sent, last.Sent, n)
	}
	var got []arrival
	complete := func() bool {
		got = x.got(t)
		seen := map[int]bool{}
		for _, a := range got {
			seen[a.n] = true
		}
		return len(seen) == n
	}
	for end := time.Now().Add(10 * time.Second); !complete() && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
	}
	next, ids, again := 0, map[int]string{}, 0
	for _, a := range got {
		id, known := ids[a.n]
		switch {
		case known && id != a.id:
			t.Errorf("line %d came as %q and as %q", a.n, id, a.id)
		case known:
			again++
		case a.n != next:
			t.Fatalf("line %d came, want %d (%d arrivals)", a.n, next, len(got))
		default:
			next++
		}
		ids[a.n] = a.id
	}
	if next != n {
		t.Errorf("%d of %d lines came", next, n)
	}
	if again > 0 {
		t.Logf("%d of %d lines came again, under the same name", again, n)
	}
}
