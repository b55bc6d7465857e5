package exporters

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kagami/records"
)

// hostLines are n lines about five hosts in turn; the text tells the host and the
// number.
func hostLines(n int) []Line {
	lines := make([]Line, n)
	for i := range lines {
		host := netip.AddrFrom4([4]byte{10, 0, 0, byte(1 + i%5)})
		lines[i] = Line{Text: fmt.Appendf(nil, "%v %07d", host, i), At: int64(i), Kind: records.KindFlow, Severity: SeverityInfo, Seq: uint64(i + 1), Client: host}
	}
	return lines
}

func textsOf(lines []Line) []string {
	var out []string
	for _, l := range lines {
		out = append(out, string(l.Text))
	}
	return out
}

// offer writes lines as a queue does until the sink took all of them, and returns
// what it counted and the errors in between.
func offer(t *testing.T, s Sink, lines []Line) (w Written, errs []string) {
	t.Helper()
	until := time.Now().Add(20 * time.Second)
	for len(lines) > 0 {
		if time.Now().After(until) {
			t.Fatalf("%d lines left: %q", len(lines), errs)
		}
		part, err := s.Write(context.Background(), lines)
		lines = lines[part.done():]
		w.Sent += part.Sent
		w.Refused += part.Refused
		if err != nil {
			errs = append(errs, err.Error())
			time.Sleep(20 * time.Millisecond)
		}
	}
	return w, errs
}

// wantHostOrder wants every line of every host, in the order in which it was
// written: that is what a key promises. repeats says whether a line may come
// twice.
func wantHostOrder(t *testing.T, got []string, lines []Line) {
	t.Helper()
	by := func(texts []string) map[string][]string {
		m := map[string][]string{}
		for _, s := range texts {
			host, _, _ := strings.Cut(s, " ")
			m[host] = append(m[host], s)
		}
		return m
	}
	have, want := by(got), by(textsOf(lines))
	for host := range want {
		if !slices.Equal(have[host], want[host]) {
			t.Errorf("%s: got %d lines, want %d in order", host, len(have[host]), len(want[host]))
		}
	}
	if len(got) != len(lines) {
		t.Errorf("got %d lines, want %d", len(got), len(lines))
	}
}

// logBuffer is a log that a test reads.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// wantNoGoroutines wants no goroutine with name on its stack soon.
func wantNoGoroutines(t *testing.T, name string) {
	t.Helper()
	var stacks string
	for range 100 {
		b := make([]byte, 1<<20)
		stacks = string(b[:runtime.Stack(b, true)])
		if !strings.Contains(stacks, name) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	for _, g := range strings.Split(stacks, "\n\n") {
		if strings.Contains(g, name) {
			t.Errorf("still there:\n%s", g)
		}
	}
}

func TestBrokerNames(t *testing.T) {
	for _, c := range []struct {
		template string
		line     Line
		want     string
	}{
		{"kagami", Line{Kind: records.KindDNS}, "kagami"},
		{"kagami.{kind}", Line{Kind: records.KindDNS, Log: "weird"}, "kagami.dns"},
		{"kagami.{log}", Line{Kind: records.KindDNS, Log: "weird"}, "kagami.weird"},
		{"kagami.{log}", Line{Kind: records.KindAlert}, "kagami.alert"},
		{"{kind}-{log}-{kind}", Line{Kind: records.KindFlow, Log: "conn"}, "flow-conn-flow"},
	} {
		n := newNameTemplate(c.template)
		for range 2 {
			if got := n.of(&c.line); got != c.want {
				t.Errorf("%q: got %q, want %q", c.template, got, c.want)
			}
		}
	}
}

func TestBrokerIdentity(t *testing.T) {
	for _, c := range []struct {
		env  Env
		seq  uint64
		want string
	}{
		{Env{HostName: "sensor.example", SeqID: "1-boot"}, 7, "sensor.example/1-boot/7"},
		{Env{SeqID: "1-boot"}, 18446744073709551615, "kagami/1-boot/18446744073709551615"},
		{Env{SensorID: "s1", HostName: "sensor.example", SeqID: "1"}, 7, "s1/1/7"},
		{Env{HostName: "a b\r\nX: y", SeqID: "z\n"}, 7, "a_b__X:_y/z_/7"},
		{Env{HostName: "sensor.example"}, 7, ""}, // a numbering without a name tells nothing
		{Env{HostName: "sensor.example", SeqID: "1-boot"}, 0, ""},
	} {
		if got := string(newIdentity(c.env).append(nil, &Line{Seq: c.seq})); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.env, got, c.want)
		}
	}
}

func TestBrokerKey(t *testing.T) {
	for _, c := range []struct{ client, want string }{{"10.0.0.1", "10.0.0.1"}, {"2001:db8::1", "2001:db8::1"}, {"", "sensor"}, {"::", "sensor"}, {"0.0.0.0", "sensor"}} {
		var a netip.Addr
		if c.client != "" {
			a = netip.MustParseAddr(c.client)
		}
		if got := string(appendClient(nil, a, "sensor")); got != c.want {
			t.Errorf("%q: got %q, want %q", c.client, got, c.want)
		}
	}
}

// What is settled behind a line that failed is not sent again when it is offered
// again.
func TestBrokerReceipts(t *testing.T) {
	lines := hostLines(6)
	for _, c := range []struct {
		name        string
		first       string // + accepted, - refused, x failed, ? no answer
		want        Written
		offered     string // which of the rest are to be sent: ! yes, . no
		unnumbered  bool
		remembering int
	}{
		{name: "all", first: "++++++", want: Written{Sent: 6}},
		{name: "refused lines count and block nothing", first: "+-+-++", want: Written{Sent: 4, Refused: 2}},
		{name: "what is behind a failure is known again", first: "+x+-x+", want: Written{Sent: 1}, offered: "!..!.", remembering: 3},
		{name: "no answer is a failure", first: "++?+++", want: Written{Sent: 2}, offered: "!...", remembering: 3},
		{name: "lines without a number are not known", first: "+x+-x+", unnumbered: true, want: Written{Sent: 1}, offered: "!!!!!"},
	} {
		t.Run(c.name, func(t *testing.T) {
			lines := slices.Clone(lines)
			if c.unnumbered {
				for i := range lines {
					lines[i].Seq = 0
				}
			}
			s, log := settled{}, noRefusals()
			r := s.begin(lines)
			for i, o := range c.first {
				switch o {
				case '+':
					r.settle(i, lineAccepted, nil)
				case '-':
					r.settle(i, lineRefused, fmt.Errorf("too large"))
				case 'x':
					r.settle(i, lineFailed, fmt.Errorf("not now"))
				}
			}
			w, err := s.end(lines, r, log)
			if w != c.want || (err == nil) != (w.done() == len(lines)) || len(s) != c.remembering {
				t.Fatalf("%+v, %v, remembers %d", w, err, len(s))
			}
			rest := lines[w.done():]
			r = s.begin(rest)
			for i, o := range c.offered {
				if (r.at(i) == lineWaiting) != (o == '!') {
					t.Errorf("line %d behind: %v", i, r.at(i))
				}
				r.settle(i, lineAccepted, nil)
			}
			if w, err := s.end(rest, r, log); w.done() != len(rest) || err != nil || len(s) != 0 {
				t.Errorf("%+v, %v, remembers %d", w, err, len(s))
			}
		})
	}
}

// Lines that never come back do not fill the memory.
func TestBrokerReceiptsAreBounded(t *testing.T) {
	s, log := settled{}, noRefusals()
	for round := range 100 {
		lines := hostLines(batchLines)
		for i := range lines {
			lines[i].Seq += uint64(round * batchLines)
		}
		r := s.begin(lines)
		for i := 1; i < len(lines); i++ {
			r.settle(i, lineAccepted, nil)
		}
		s.end(lines, r, log)
		if len(s) > maxSettled {
			t.Fatalf("%d lines are remembered", len(s))
		}
	}
}

func TestBrokerURLs(t *testing.T) {
	for _, c := range []struct {
		to      string
		servers string
		wrong   string // "" = right
	}{
		{"kafka://a/t", "a:9092", ""},
		{"kafka://a:1,b,c:2/t", "a:1 b:9092 c:2", ""},
		{"kafka://[2001:db8::1]/t", "[2001:db8::1]:9092", ""},
		{"kafka://[::1]:2/t", "[::1]:2", ""},
		{"kafka://a/t-{kind}.{log}_X?compression=lz4", "a:9092", ""},
		{"kafka+tls://a/t?sasl=SCRAM-SHA-512&user=u&password=env:P&ca=/ca.pem&cert=/c.pem&key=/k.pem&server_name=b", "a:9092", ""},
		{"nats://a,b:1/x.{log}.{kind}?stream=KAGAMI", "a:4222 b:1", ""},
		{"nats+tls://a/x?credentials=file:/c&ca=/ca.pem", "a:4222", ""},
		{"nats://a/x?token=env:T", "a:4222", ""},

		{"kafka:///t", "", "want a host"},
		{"kafka://a,,b/t", "", "want a host"},
		{"kafka://a:0/t", "", "want a host and a port"},
		{"kafka://a:99999/t", "", "want a host and a port"},
		{"kafka://u:p@a/t", "", "password=file:/path"},
		{"kafka://a", "", "want a topic"},
		{"kafka://a/t/u", "", "letters, digits"},
		{"kafka://a/t%20u", "", "letters, digits"},
		{"kafka://a/{host}", "", "{kind} or {log}"},
		{"kafka://a/" + strings.Repeat("t", 250), "", "at most 249"},
		{"kafka://a/..", "", "letters, digits"},
		{"kafka://a/t?compresion=lz4", "", `did you mean "compression"`},
		{"kafka://a/t?compression=brotli", "", "none, gzip, snappy, lz4, zstd"},
		{"kafka://a/t?sasl=gssapi&user=u&password=env:P", "", "plain, scram-sha-256, scram-sha-512"},
		{"kafka://a/t?sasl=plain", "", "want user=NAME and password="},
		{"kafka://a/t?user=u&password=env:P", "", "want sasl="},
		{"kafka://a/t?sasl=plain&user=u", "", "user and password go together"},
		{"kafka://a/t?sasl=plain&user=u&password=hunter2", "", "never the secret itself"},
		{"kafka://a/t?ca=/ca.pem", "", `option "ca" is unknown here`},
		{"kafka+tls://a/t?cert=/c.pem", "", "cert and key go together"},
		{"nats://a", "", "want a subject"},
		{"nats://a/x..y", "", "words with dots"},
		{"nats://a/x.*", "", "without blanks, wildcards"},
		{"nats://a/x.>", "", "without blanks, wildcards"},
		{"nats://a/x.{host}", "", "{kind} or {log}"},
		{"nats://a/$JS.API.x", "", "words with dots"},
		{"nats://a/x%20y", "", "without blanks"},
		{"nats://a/x?stream=A.B", "", "want a stream's name"},
		{"nats://a/x?token=hunter2", "", "never the secret itself"},
		{"nats://a/x?token=env:T&credentials=file:/c", "", "want one of user and password, token, credentials"},
		{"nats://u@a/x", "", "password=file:/path"},
	} {
		u, err := url.Parse(c.to)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range sinks {
			if s.scheme == u.Scheme {
				err = s.check(u)
			}
		}
		if c.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), c.wrong) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v; want %q", c.to, err, c.wrong)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.to, err)
			continue
		}
		if got := strings.Join(serversOf(u), " "); got != c.servers {
			t.Errorf("%s: got %s, want %s", c.to, got, c.servers)
		}
	}
}

func serversOf(u *url.URL) []string {
	if strings.HasPrefix(u.Scheme, "kafka") {
		o, _ := readKafkaURL(u)
		return o.servers
	}
	o, _ := readNATSURL(u)
	return o.servers
}

func noRefusals() *refusals {
	r := newRefusals(nil, "p")
	return &r
}

func testLogger(b *logBuffer) *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }
