package exporters

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kagami/exporters/spool"
	"kagami/records"
)

// durableFor opens an export with its queue in dir.
func durableFor(t *testing.T, c Config, dir string, log *slog.Logger) *Durable {
	t.Helper()
	s, err := spool.Open(spool.Config{Dir: dir, MaxBytes: 64 << 20}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	e, err := Open(c, Env{HostName: "sensor", SeqID: s.ID(), Logger: log})
	if err != nil {
		s.Close(t.Context())
		t.Fatal(err)
	}
	return NewDurable(e, s)
}

// empty waits until nothing is queued.
func empty(t *testing.T, d *Durable) {
	t.Helper()
	for end := time.Now().Add(40 * time.Second); d.Stats().QueuedLines > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("lines wait: %+v", d.Stats())
		}
	}
}

// TestPartialErrors: of what a place takes in part, the rest follows; what it never
// takes is counted as failed, said once, and holds up nothing.
func TestPartialErrors(t *testing.T) {
	const lines, poisoned = 300, 6 // every 50th
	poison := func(text string) bool {
		a := arrivals(text)
		return len(a) > 0 && a[0].n%50 == 7
	}
	var mu sync.Mutex
	busy := map[string]int{}
	wait := func(text string) bool { // every 20th is refused twice for a while
		mu.Lock()
		defer mu.Unlock()
		busy[text]++
		return arrivals(text)[0].n%20 == 3 && busy[text] <= 2
	}
	t.Run("opensearch", func(t *testing.T) {
		got := new(store)
		server := serve(t, nil, fakeBulkThat(t, got, func(doc string) string {
			switch {
			case poison(doc):
				return `"status":400,"error":{"type":"mapper_parsing_exception","reason":"failed to parse"}`
			case wait(doc):
				return `"status":429,"error":{"type":"es_rejected_execution_exception","reason":"queue is full"}`
			}
			return ""
		}))
		inPart(t, Config{Format: "ecs", To: "opensearch+" + server.URL}, lines, poisoned, faultQuery, func() []string { return got.docs })
	})
	t.Run("clickhouse", func(t *testing.T) {
		got := new(store)
		server := serve(t, nil, fakeClickHouse(t, got))
		inPart(t, Config{Format: "ecs", To: "clickhouse+" + server.URL + "/kagami.raw"}, lines, poisoned, func(t *testing.T, n int) records.Record {
			return dnsRecord(t, func(r *records.DNS) {
				if r.Name = token(n) + ".example"; n%50 == 7 {
					r.Name += ".poison"
				}
			})
		}, func() []string { return got.docs })
	})
	t.Run("mail", func(t *testing.T) {
		s := serveMail(t, &mailServer{})
		s.says = func(verb, text string) string {
			if verb == "." && strings.Contains(text, "n000007x") {
				return "554 no"
			}
			return ""
		}
		inPart(t, Config{Format: "ecs", To: "mail://" + s.Addr().String() + "?from=k@example.jp&to=s@example.jp&starttls=no&within=0s&per_hour=3600"}, 12, 1, faultAlert, func() (texts []string) {
			for _, m := range s.mails {
				_, body := readMail(t, m)
				for _, a := range arrivals(body) {
					texts = append(texts, token(a.n))
				}
			}
			return texts
		})
	})
}

// inPart sends lines of which so many are poisoned: the others arrive once.
func inPart(t *testing.T, c Config, lines, poisoned int, record func(*testing.T, int) records.Record, got func() []string) {
	t.Helper()
	log := new(logBuffer)
	d := durableFor(t, c, filepath.Join(t.TempDir(), "queue"), testLogger(log))
	if _, ok := d.export.sink.(*clickHouseSink); ok { // it blames no row before the table has taken some
		d.Write([]records.Record{record(t, 0)})
		empty(t, d)
	}
	for n := range lines {
		if n > 0 || d.Stats().Made == 0 {
			d.Write([]records.Record{record(t, n)})
		}
	}
	empty(t, d)
	if err := closeWithin(5*time.Second, d); err != nil {
		t.Error(err)
	}
	s := d.Stats()
	balanced(t, s)
	if s.Failed != uint64(poisoned) || s.Sent != uint64(lines-poisoned) {
		t.Errorf("%+v, want %d failed: %s", s, poisoned, log)
	}
	seen := map[int]bool{}
	for _, text := range got() {
		n := arrivals(text)[0].n
		if seen[n] {
			t.Errorf("line %d came twice", n)
		}
		seen[n] = true
	}
	if len(seen) != lines-poisoned {
		t.Errorf("%d lines came, want %d", len(seen), lines-poisoned)
	}
	if n := strings.Count(log.String(), "refuses a record"); n != 1 {
		t.Errorf("said %d times: %s", n, log)
	}
}

// TestDatagramsMeetNobody: a place for datagrams at which nobody listens yet.
func TestDatagramsMeetNobody(t *testing.T) {
	for _, c := range []struct {
		name, format string
		record       func(*testing.T, int) records.Record
		to           func(address string) string
		network      string
	}{
		{"syslog+udp", "ecs", faultQuery, func(a string) string { return "syslog+udp://" + a }, "udp"},
		{"ipfix+udp", "ipfix", faultFlow, func(a string) string { return "ipfix+udp://" + a }, "udp"},
		{"syslog+unix", "ecs", faultQuery, func(a string) string { return "syslog+unix://" + a }, "unixgram"},
	} {
		t.Run(c.name, func(t *testing.T) {
			address := filepath.Join(t.TempDir(), "log")
			if c.network == "udp" {
				free, err := net.ListenPacket("udp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				address = free.LocalAddr().String()
				free.Close()
			}
			d := durableFor(t, Config{Format: c.format, To: c.to(address)}, filepath.Join(t.TempDir(), "queue"), slog.New(slog.DiscardHandler))
			const lines = 100
			for n := range lines {
				d.Write([]records.Record{c.record(t, n)})
			}
			for end := time.Now().Add(10 * time.Second); d.Stats().Errors < 3 && time.Now().Before(end); {
				time.Sleep(10 * time.Millisecond)
			}
			balanced(t, d.Stats())
			l, got := datagrams(t, c.network, address)
			empty(t, d)
			closeWithin(5*time.Second, d)
			time.Sleep(50 * time.Millisecond)
			l.Close()
			next := 0
			for m := range got {
				for _, a := range arrivals(m) {
					if a.n == next {
						next++
					} else if a.n > next {
						t.Fatalf("line %d came, want %d", a.n, next)
					}
				}
			}
			if s := d.Stats(); next != lines || s.Sent != lines {
				t.Errorf("%d of %d lines came: %+v", next, lines, s)
			}
			balanced(t, d.Stats())
		})
	}
}

// datagrams listens, and hands over what comes until it is closed.
func datagrams(t *testing.T, network, address string) (net.PacketConn, <-chan string) {
	t.Helper()
	got := make(chan string, 10_000)
	l, err := net.ListenPacket(network, address)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		b := make([]byte, 65536)
		for {
			n, _, err := l.ReadFrom(b)
			if err != nil {
				close(got)
				return
			}
			got <- string(b[:n])
		}
	}()
	return l, got
}

// TestDiskIsFull: a file that takes nothing for want of room, and then does.
func TestDiskIsFull(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("needs /dev/full:", err)
	}
	for _, c := range []struct {
		name, format, to string
		record           func(*testing.T, int) records.Record
	}{{"file", "bind", "/queries.log", faultQuery}, {"directory", "zeek", "/zeek/", faultFlow}} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, c.to)
			if c.name == "directory" {
				os.Mkdir(path, 0o700)
				path = filepath.Join(path, "conn.log")
			}
			if err := os.Symlink("/dev/full", path); err != nil {
				t.Fatal(err)
			}
			log := new(logBuffer)
			d := durableFor(t, Config{Format: c.format, To: "file://" + dir + c.to}, filepath.Join(dir, "queue"), testLogger(log))
			for n := range 1000 {
				d.Write([]records.Record{c.record(t, n)})
			}
			for end := time.Now().Add(10 * time.Second); d.Stats().Errors < 3 && time.Now().Before(end); {
				time.Sleep(10 * time.Millisecond)
			}
			s := d.Stats()
			balanced(t, s)
			if s.Sent != 0 || s.Errors < 3 || strings.Count(log.String(), "no space left on device") != 1 {
				t.Errorf("%+v %s", s, log)
			}
			if err := os.Remove(path); err != nil { // somebody makes room
				t.Fatal(err)
			}
			empty(t, d)
			if err := closeWithin(5*time.Second, d); err != nil {
				t.Error(err)
			}
			s = d.Stats()
			balanced(t, s)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			seen, next := map[int]bool{}, 0
			for _, a := range arrivals(string(b)) {
				if !seen[a.n] && a.n != next {
					t.Fatalf("line %d came, want %d", a.n, next)
				}
				if !seen[a.n] {
					next++
				}
				seen[a.n] = true
			}
			if uint64(next) != s.Made || s.Sent != s.Made {
				t.Errorf("%d lines in the file: %+v", next, s)
			}
		})
	}
}
