package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kagami/detectors/canary"
	"kagami/detectors/census"
	"kagami/detectors/incident"
	"kagami/exporters"
	"kagami/packet"
	"kagami/records"
)

const canaryRunNumber = "0123456789abcdef"

func TestCanaryPlan(t *testing.T) {
	for _, c := range []struct {
		what  string
		cmd   canaryCmd
		steps string // as they are sent, with where to
		err   string
	}{
		{"loopback", canaryCmd{}, "dns 127.0.0.1:53; http 127.0.0.1; connect 127.0.0.1; tls 127.0.0.1; scan 127.", ""},
		{"one step", canaryCmd{Steps: []string{"dns"}}, "dns 127.0.0.1:53", ""},
		{"a resolver alone", canaryCmd{Resolver: "10.0.0.53"}, "dns 10.0.0.53:53", ""},
		{"a resolver with a port", canaryCmd{Resolver: "[fd00::53]:5353"}, "dns [fd00::53]:5353", ""},
		{"a proxy", canaryCmd{Proxy: "10.0.0.6:3128"}, "http 10.0.0.6:3128; connect 10.0.0.6:3128", ""},
		{"a target", canaryCmd{Target: "10.0.0.80"}, "dns 10.0.0.80:53; http 10.0.0.80:80; connect 10.0.0.80:80; tls 10.0.0.80:443", ""},
		{"a target with a port", canaryCmd{Target: "10.0.0.80:8080"}, "dns 10.0.0.80:53; http 10.0.0.80:8080; connect 10.0.0.80:8080; tls 10.0.0.80:8080", ""},
		{"all", canaryCmd{Target: "192.0.2.80", Resolver: "10.0.0.53", Proxy: "10.0.0.6:3128", Unused: "10.0.9.0/28", Beacon: true},
			"dns 10.0.0.53:53; http 10.0.0.6:3128; connect 10.0.0.6:3128; tls 192.0.2.80:443; scan 10.0.9.1 to 10.0.9.14; timer 10.0.0.6:3128", ""},
		{"the steps stay in order", canaryCmd{Target: "192.0.2.80", Steps: []string{"timer", "dns"}}, "dns 192.0.2.80:53; timer 192.0.2.80:80", ""},

		{"no such step", canaryCmd{Steps: []string{"flood"}}, "", `--steps: got "flood", want dns, http, connect, tls, scan, timer`},
		{"a step without a place", canaryCmd{Resolver: "10.0.0.53", Steps: []string{"tls"}}, "", "step tls has no place to go to: name a --target"},
		{"a beacon on loopback is none", canaryCmd{Beacon: true}, "", "step timer has no place to go to: name a --proxy, or a --target outside of the internal zones"},
		{"a proxy without a port", canaryCmd{Proxy: "10.0.0.6"}, "", `--proxy: got "10.0.0.6", want HOST:PORT`},
		{"everybody", canaryCmd{Target: "255.255.255.255"}, "", "--target: 255.255.255.255 is no address of one machine"},
		{"a group", canaryCmd{Resolver: "224.0.0.251"}, "", "--resolver: 224.0.0.251 is no address of one machine"},
		{"nobody", canaryCmd{Target: "0.0.0.0"}, "", "--target: 0.0.0.0 is no address of one machine"},
		{"a wrong port", canaryCmd{Target: "10.0.0.80:0"}, "", `--target: got port "0", want 1 to 65535`},
	} {
		t.Run(c.what, func(t *testing.T) {
			p, err := c.cmd.plan(context.Background(), canaryRunNumber)
			if err != nil {
				if c.err == "" || err.Error() != c.err {
					t.Fatalf("%v, want %q", err, c.err)
				}
				return
			}
			defer p.close()
			want := strings.Split(c.steps, "; ")
			if len(p.steps) != len(want) || c.err != "" {
				t.Fatalf("%d steps, want %d and error %q", len(p.steps), len(want), c.err)
			}
			for i, w := range want {
				name, to, _ := strings.Cut(w, " ")
				if s := &p.steps[i]; s.name != name || !strings.Contains(s.what, to) || s.check == "" {
					t.Errorf("step %d is %s (%s), want %s", i, s.name, s.what, w)
				}
			}
		})
	}
}

func TestUnused(t *testing.T) {
	for _, c := range []struct {
		network string
		n       int // addresses to try, 0 = refused
		within  string
	}{
		{"10.0.9.0/24", 16, "10.0.9.1-10.0.9.254"},
		{"192.168.7.16/28", 14, "192.168.7.17-192.168.7.30"},
		{"10.0.9.77/28", 14, "10.0.9.65-10.0.9.78"}, // the network around it
		{"100.64.3.0/29", 6, "100.64.3.1-100.64.3.6"},
		{"fd00::/120", 16, "fd00::1-fd00::fe"},
		{"127.9.9.0/24", 16, "127.9.9.1-127.9.9.254"},
		{"10.0.0.0/23", 0, "more than 256"},
		{"0.0.0.0/0", 0, "more than 256"},
		{"fd00::/64", 0, "more than 256"},
		{"203.0.113.0/24", 0, "no private network"},
		{"2001:db8::/120", 0, "no private network"},
		{"10.0.9.0/30", 0, "at least 6"},
		{"10.0.9.1", 0, "at least 6"},
		{"nonsense", 0, "want a network"},
	} {
		for range 50 { // where it begins is chance
			got, err := unusedIn(c.network)
			if c.n == 0 {
				if err == nil || !strings.Contains(err.Error(), c.within) {
					t.Errorf("%s: %v, want %q", c.network, err, c.within)
				}
				break
			}
			if err != nil || len(got) != c.n {
				t.Fatalf("%s: %v, %v", c.network, got, err)
			}
			lo, hi, _ := strings.Cut(c.within, "-")
			for i, a := range got {
				if a.Less(netip.MustParseAddr(lo)) || netip.MustParseAddr(hi).Less(a) || i > 0 && got[i-1].Next() != a {
					t.Fatalf("%s: %v", c.network, got)
				}
			}
		}
	}
	for range 1000 {
		for _, a := range unusedLoopback() {
			if b := a.As4(); b[0] != 127 || b[1] == 0 || b[3] == 0 || b[3] == 255 {
				t.Fatal(a)
			}
		}
	}
}

// canaryAlerts are what the detectors raise, by step; the record of the traffic
// itself comes with them.
func canaryAlerts(t *testing.T) (alerts map[string]records.Record, others []records.Record) {
	t.Helper()
	c, s := netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("10.0.0.80")
	m := records.Meta{At: 1e18, UID: 7, CommunityID: "1:x", ClientInternal: true, ServerInternal: true,
		Key: packet.Key{A: c.As16(), B: s.As16(), APort: 40000, BPort: 53, Proto: packet.ProtoUDP}}
	l := canary.Label{Run: canaryRunNumber, Step: canary.StepDNS}
	q := records.NewDNS(m)
	q.Protocol, q.Name, q.Type, q.Class, q.Opcode, q.Time, q.Questions = "dns", l.Name(), "A", "IN", "QUERY", 1e18, 1
	m.Key.BPort, m.Key.Proto = 80, packet.ProtoTCP
	h := records.NewHTTP(m)
	h.RequestSeen, h.Method, h.Start, h.End, h.Version = true, "GET", 1e18, 1e18, "1.1"
	h.Host, h.URL, h.UserAgent = canaryRunNumber+".http.canary.kagami.test", "http://"+canaryRunNumber+".http.canary.kagami.test/", "kagami-canary"
	alerts = map[string]records.Record{}
	d := canary.New(canary.Default(), noBook())
	for step, r := range map[string]records.Record{"dns": q, "http": h} {
		d.Observe(r, func(a records.Record) { alerts[step] = a })
	}
	scan := records.NewAlert(m)
	scan.Rule, scan.Title, scan.Severity, scan.Source, scan.Incident, scan.Update = "lateral-scan", "10.0.0.5 searches for machines: 7 of 7 first contacts failed", records.Medium, c, "a1", 1
	scan.Since, scan.Until = 1e18, 1e18
	scan.Evidence = []string{"never contacted before: tcp/9 failed: 10.0.9.3, 10.0.9.4 (2026-11-16 06:05:04Z)"}
	beacon := records.NewAlert(m)
	beacon.Rule, beacon.Severity, beacon.Source, beacon.Since, beacon.Until = "beacon", records.Medium, c, 1e18, 1e18
	beacon.Title = `10.0.0.5 contacts "` + canaryRunNumber + `.timer.canary.kagami.test:80" every 20 s`
	alerts["scan"], alerts["timer"] = scan, beacon
	return alerts, []records.Record{q, h}
}

// In every format that writes alerts each step knows its own, and takes nothing else
// for it: not the records of the traffic, nor the alerts of other steps.
func TestCanaryKnowsItsAlerts(t *testing.T) {
	p, err := (&canaryCmd{Target: "192.0.2.80", Unused: "10.0.9.0/29", Beacon: true}).plan(context.Background(), canaryRunNumber)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	alerts, others := canaryAlerts(t)
	for _, format := range []string{"ecs", "eve", "cef", "leef", "leef1", "zeek", "zeek-json"} {
		texts := map[string]string{"others": formatted(t, format, others)}
		for step, a := range alerts {
			if texts[step] = formatted(t, format, []records.Record{a}); texts[step] == "" {
				t.Fatalf("%s writes no alerts", format)
			}
		}
		for i := range p.steps {
			s := &p.steps[i]
			for of, text := range texts {
				if got := s.want.in(plainText(text)); got != (of == s.name) {
					t.Errorf("%s: step %s takes the text of %s for its alert: %v\n%s", format, s.name, of, got, text)
				}
			}
		}
	}
}

// formatted is what a format writes of records.
func formatted(t *testing.T, format string, rs []records.Record) string {
	t.Helper()
	dir := t.TempDir()
	to := "file://" + dir + "/log"
	if strings.HasPrefix(format, "zeek") { // a file for each of its logs
		to = "file://" + dir + "/"
	}
	x, err := exporters.Open(exporters.Config{Format: format, To: to}, exporters.Env{Location: time.UTC, HostName: "h", Device: "d"})
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Write(rs); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	all := ""
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all += string(text)
	}
	return all
}

func TestHasWord(t *testing.T) {
	for text, want := range map[string]bool{
		"failed: 10.0.9.1, 10.0.9.2": true, "failed: 10.0.9.1": true, `"10.0.9.1"`: true, "10.0.9.1": true, "at 10.0.9.1.": true,
		"10.0.9.10": false, "110.0.9.1": false, "1.10.0.9.1": false, "10.0.9.1.2": false, "": false, "10.0.9.11, 10.0.9.1 ": true,
	} {
		if hasWord(text, "10.0.9.1") != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
	for text, want := range map[string]bool{"failed: fd00::1, fd00::2": true, "fd00::10": false, "fd00::1:2": false, "1fd00::1": false} {
		if hasWord(text, "fd00::1") != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

// A file is followed from its end, over renaming, cutting and a late beginning; lines
// come whole.
func TestFollow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	write := func(text string) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		io.WriteString(f, text)
	}
	write("old\n")
	f, err := followFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	var got []string
	want := func(what string, lines ...string) {
		t.Helper()
		got = got[:0]
		f.look(func(s string) { got = append(got, s) })
		if !slices.Equal(got, lines) {
			t.Errorf("%s: %q, want %q", what, got, lines)
		}
	}
	want("what was there")
	write("one\ntw")
	want("a line and a half", "one\n")
	write("o\n")
	want("the other half", "two\n")
	write("last\n")
	os.Rename(path, path+".1")
	want("renamed, the new one is not there yet", "last\n")
	write("first\n")
	want("rotated", "first\n")
	os.Truncate(path, 0)
	write("cut\n")
	want("cut", "cut\n")
	os.Remove(path)
	want("gone")
	write("back\n")
	want("back", "back\n")
	write(strings.Repeat("x", maxArrival+10) + "\n")
	f.look(func(s string) {
		if len(s) > maxArrival+64<<10 {
			t.Errorf("a piece of %d octets", len(s))
		}
	})
	late, err := followFile(path + ".late")
	if err != nil {
		t.Fatal(err)
	}
	defer late.close()
	path += ".late"
	f = late
	want("not there yet")
	write("new\n")
	want("from its beginning", "new\n")
	if _, err := followFile(filepath.Dir(path)); err == nil {
		t.Error("a directory is followed")
	}
}

// What a command prints is read as it comes, whether or not its last line ends.
func TestReadArrivals(t *testing.T) {
	r, w := io.Pipe()
	defer r.Close()
	texts := make(chan string)
	go readArrivals(r, func(s string) { texts <- s })
	for _, c := range [][2]string{{"{run 1, ", "{run 1, "}, {"step dns}", "{run 1, step dns}"}, {"\nnext", "{run 1, step dns}\nnext"}, {" line\n", "next line\n"}, {"more\n", "more\n"}} {
		io.WriteString(w, c[0])
		if got := <-texts; got != c[1] {
			t.Errorf("after %q: %q, want %q", c[0], got, c[1])
		}
	}
	go func() { w.Write(bytes.Repeat([]byte("x"), 3*maxArrival)); w.Close() }()
	longest := 0
	for total := 0; total < 3*maxArrival; {
		n := len(<-texts)
		longest = max(longest, n)
		total += min(n, 64<<10)
	}
	if longest > maxArrival+64<<10 {
		t.Errorf("a piece of %d octets", longest)
	}
}

// The other end answers what a canary sends, and ends what it does not know.
func TestCanaryServe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { serveCanaries(l); close(done) }()
	defer func() { l.Close(); <-done }()
	to := l.Addr().(*net.TCPAddr).AddrPort()
	for request, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n":                          "sent; answer: HTTP/1.1 200 OK",
		"CONNECT x:8443 HTTP/1.1\r\nHost: x\r\n\r\n":                 "sent; answer: HTTP/1.1 403 Forbidden",
		"GET /" + strings.Repeat("x", 2*maxAnswer) + " HTTP/1.1\r\n": "sent; no answer",
	} {
		if got, err := exchange(context.Background(), to, request); err != nil || got != want {
			t.Errorf("%.20q: %q, %v, want %q", request, got, err, want)
		}
	}
	conn, err := tls.Dial("tcp", to.String(), &tls.Config{ServerName: "x", InsecureSkipVerify: true})
	if err == nil {
		conn.Close()
		t.Error("a TLS handshake succeeds")
	} else if !strings.Contains(err.Error(), "handshake failure") {
		t.Error(err)
	}
}

// The query is one that every resolver understands.
func TestQueryFor(t *testing.T) {
	got := queryFor("a.bc")
	want := []byte("\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x02bc\x00\x00\x01\x00\x01")
	if !bytes.Equal(got[2:], want) {
		t.Errorf("%q, want %q", got[2:], want)
	}
}

// What arrives while a step is being sent counts from the step's beginning, and once.
func TestCanaryRead(t *testing.T) {
	var out bytes.Buffer
	steps := []canaryStep{{name: "dns", want: wanted{any: []string{"run 1, step dns"}}}, {name: "tls", want: wanted{any: []string{"run 1, step tls"}}}}
	r := canaryRun{plan: &canaryPlan{run: "1", steps: steps}, out: &out}
	r.read(arrival{time.Now(), "f", "run 1, step dns"})
	if steps[0].arrived != 0 {
		t.Error("an alert arrived before anything was sent")
	}
	steps[0].sent = time.Now().Add(-3 * time.Second)
	for range 2 {
		r.read(arrival{time.Now(), "f", "Run 1, step DNS"})
	}
	if s := bufio.NewScanner(&out); !s.Scan() || !strings.HasSuffix(s.Text(), "dns      ALERT ARRIVED after 3.0 s (f)") || s.Scan() {
		t.Errorf("it says %q", s.Text())
	}
	if !r.awaits() {
		t.Error("nothing is awaited")
	}
	if err := r.verdict(false); err != exitStatus(canaryMissing) {
		t.Errorf("%v", err)
	}
	steps[1].sent = time.Now()
	r.read(arrival{time.Now(), "f", "run 1, step tls"})
	if r.awaits() || r.verdict(false) != nil {
		t.Error("all have arrived")
	}
}

func noBook() *incident.Book {
	return incident.NewBook(incident.Default(), census.New(census.Default()), nil)
}
