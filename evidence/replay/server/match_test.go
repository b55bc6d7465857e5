package server

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"kagami/evidence/replay"
)

// TestMatch: what was recorded, what is asked in a row, and what is answered. A "!"
// begins the reason why nothing is; in brackets is how it was found.
func TestMatch(t *testing.T) {
	notModified := func(url string) *replay.Transaction {
		return exchange("GET", url, 304, nil, "", "If-None-Match: \"1\"")
	}
	other := func(x *replay.Transaction) *replay.Transaction {
		x.Flow = from("192.168.1.99")
		return x
	}
	post := func(body, answer string) *replay.Transaction {
		x := exchange("POST", "http://c2.test/in", 200, nil, answer)
		x.Request.Body.Data = []byte(body)
		return x
	}
	silent := get("http://a.test/", "")
	silent.Response = nil
	headless := get("http://a.test/", "x")
	headless.Response.Status = 0
	socket := exchange("GET", "http://a.test/ws", 101, nil, "")
	socket.Switched = "websocket"
	for _, c := range []struct {
		name     string
		recorded []*replay.Transaction
		o        Options
		asks     []string // "METHOD URL [| Field: value] [> body]"
		want     []string
	}{
		{"the URL", []*replay.Transaction{get("http://a.test/x?y=1", "1"), get("http://a.test/x?y=2", "2")}, Options{},
			[]string{"GET http://a.test/x?y=2", "GET http://a.test/x?y=1", "GET http://a.test/x"}, []string{"2 [exact]", "1 [exact]", "!it was not recorded"}},
		{"the n-th gets the n-th, the last stays", []*replay.Transaction{get("http://a.test/", "1"), get("http://a.test/", "2")}, Options{},
			[]string{"GET http://a.test/", "GET http://a.test/", "GET http://a.test/"}, []string{"1 [exact]", "2 [exact]", "2 [exact]"}},
		{"the case of the host is nothing, that of the path is", []*replay.Transaction{get("http://a.test/Gate", "1")}, Options{Fuzzy: true},
			[]string{"GET http://A.TEST/Gate", "GET http://a.test/gate"}, []string{"1 [exact]", "!it was not recorded"}},
		{"the scheme's own port is nothing, others are not", []*replay.Transaction{get("http://a.test:80/", "1"), get("http://b.test:18001/", "2")}, Options{},
			[]string{"GET http://a.test/", "GET http://b.test/", "GET http://b.test:18001/"}, []string{"1 [exact]", "!it was not recorded", "2 [exact]"}},
		{"percent-encoding is one", []*replay.Transaction{get("http://a.test/%7euser/a'b?q=%2f", "1")}, Options{},
			[]string{"GET http://a.test/~user/a%27b?q=%2F", "GET http://a.test/~user/a%27b?q=/"}, []string{"1 [exact]", "!it was not recorded"}},
		{"the method", []*replay.Transaction{get("http://a.test/", "1")}, Options{}, []string{"POST http://a.test/", "HEAD http://a.test/"}, []string{"!it was not recorded", "1 [exact]"}},
		{"a HEAD takes no turn of a GET", []*replay.Transaction{get("http://a.test/", "1"), get("http://a.test/", "2")}, Options{},
			[]string{"HEAD http://a.test/", "GET http://a.test/"}, []string{"1 [exact]", "1 [exact]"}},
		{"what was only asked for by HEAD", []*replay.Transaction{exchange("HEAD", "http://a.test/", 200, nil, "")}, Options{},
			[]string{"GET http://a.test/"}, []string{"!only its header was asked for (HEAD), so its content was never sent"}},
		{"http recorded, https asked", []*replay.Transaction{get("http://a.test/", "1"), get("http://a.test/", "2")}, Options{},
			[]string{"GET https://a.test/", "GET http://a.test/"}, []string{"1 [exact, other scheme]", "2 [exact]"}},
		{"https recorded, http asked", []*replay.Transaction{get("https://a.test/", "1")}, Options{}, []string{"GET http://a.test/"}, []string{"1 [exact, other scheme]"}},
		{"a redirection to https that was not decrypted is no answer by https", []*replay.Transaction{exchange("GET", "http://a.test/x", 301, []string{"Location: https://a.test/x"}, "")}, Options{},
			[]string{"GET http://a.test/x", "GET https://a.test/x"}, []string{" [exact]", "!it was recorded by http only, and does nothing there but lead to itself by https, which was not recorded or not decrypted"}},
		{"a client before others", []*replay.Transaction{other(get("http://a.test/", "of another")), get("http://a.test/", "of it"), other(get("http://a.test/2", "of another"))},
			Options{Client: netip.MustParseAddr("192.168.1.46")},
			[]string{"GET http://a.test/", "GET http://a.test/", "GET http://a.test/2"}, []string{"of it [exact]", "of it [exact]", "of another [exact, other client]"}},
		{"the body chooses", []*replay.Transaction{post("a", "to a"), post("b", "to b"), post("a", "to a again")}, Options{},
			[]string{"POST http://c2.test/in > b", "POST http://c2.test/in > a", "POST http://c2.test/in > a", "POST http://c2.test/in > c", "POST http://c2.test/in > c"},
			[]string{"to b [exact]", "to a [exact]", "to a again [exact]", "to a [exact]", "to b [exact]"}},
		{"no body chooses, too", []*replay.Transaction{post("a", "to a"), post("", "to nothing")}, Options{}, []string{"POST http://c2.test/in", "POST http://c2.test/in > a"}, []string{"to nothing [exact]", "to a [exact]"}},
		{"304 to who asks for it", []*replay.Transaction{notModified("http://a.test/")}, Options{},
			[]string{"GET http://a.test/ | If-None-Match: \"1\"", "GET http://a.test/ | If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT"}, []string{"304 [exact]", "304 [exact]"}},
		{"304 to others: the content of before", []*replay.Transaction{get("http://a.test/", "1"), notModified("http://a.test/"), get("http://a.test/", "2")}, Options{},
			[]string{"GET http://a.test/", "GET http://a.test/", "GET http://a.test/"}, []string{"1 [exact]", "1 [exact]", "2 [exact]"}},
		{"304 to others: the content of behind", []*replay.Transaction{notModified("http://a.test/"), get("http://a.test/", "2")}, Options{}, []string{"GET http://a.test/"}, []string{"2 [exact]"}},
		{"304 to others: what another client got", []*replay.Transaction{notModified("http://a.test/"), other(get("http://a.test/", "2"))},
			Options{Client: netip.MustParseAddr("192.168.1.46")}, []string{"GET http://a.test/"}, []string{"2 [exact]"}},
		{"304 to others: by the other scheme", []*replay.Transaction{notModified("http://a.test/"), get("https://a.test/", "2")}, Options{}, []string{"GET http://a.test/"}, []string{"2 [exact]"}},
		{"304 to others: nowhere", []*replay.Transaction{notModified("http://a.test/")}, Options{}, []string{"GET http://a.test/"},
			[]string{"!the recorded answer is 304: the content was in the client's cache and never sent"}},
		{"no answer", []*replay.Transaction{silent}, Options{}, []string{"GET http://a.test/"}, []string{"!it was asked for, but no answer was captured"}},
		{"half an answer", []*replay.Transaction{headless}, Options{}, []string{"GET http://a.test/"}, []string{"!the head of the recorded answer was not captured"}},
		{"a web socket", []*replay.Transaction{socket}, Options{}, []string{"GET http://a.test/ws"}, []string{`!the connection went on with "websocket", which is not replayed`}},
		{"a proxy's question", []*replay.Transaction{exchange("GET", "http://a.test/", 407, []string{"Proxy-Authenticate: Basic"}, "")}, Options{}, []string{"GET http://a.test/"},
			[]string{"!the recorded answer is a proxy's that wants a password"}},
		{"resemblance is not enough", []*replay.Transaction{get("http://a.test/x?_=1", "1")}, Options{}, []string{"GET http://a.test/x?_=2"}, []string{"!it was not recorded"}},
		{"cache busters, in turn", []*replay.Transaction{get("http://a.test/x?id=7&_=1", "1"), get("http://a.test/x?id=7&_=2", "2"), get("http://a.test/x?id=8&_=3", "3")}, Options{Fuzzy: true},
			[]string{"GET http://a.test/x?_=1&id=8", "GET http://a.test/x?id=7&_=9", "GET https://a.test/x?id=7&_=8", "GET http://a.test/x?id=7&_=1"},
			[]string{"3 [no-buster]", "1 [no-buster]", "2 [no-buster, other scheme]", "1 [exact]"}},
		{"the best query", []*replay.Transaction{get("http://a.test/x?a=1&b=2&c=3", "1"), get("http://a.test/x?a=1&b=2&c=4", "2"), get("http://a.test/y?a=1&b=2&c=5", "3")}, Options{Fuzzy: true},
			[]string{"GET http://a.test/x?a=9&b=2&c=4", "GET http://a.test/x?a=1&b=2&c=3&d=4", "GET http://a.test/x?s=1", "GET http://a.test/x", "GET http://b.test/x?a=1&b=2&c=3"},
			[]string{"2 [query 0.83]", "1 [query 0.75]", "!it was not recorded", "!it was not recorded", "!it was not recorded"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serveTest(t, reading(c.recorded...), c.o)
			for i, ask := range c.asks {
				ask, body, _ := strings.Cut(ask, " > ")
				ask, field, conditional := strings.Cut(ask, " | ")
				method, url, _ := strings.Cut(ask, " ")
				var fields []string
				if conditional {
					fields = []string{field}
				}
				a := s.ask(t, method, url, body, fields...)
				out := a.body
				switch {
				case a.Header.Get("X-Replay-Miss") != "":
					out = "!" + a.Header.Get("X-Replay-Miss")
					if a.StatusCode != 504 || method != "HEAD" && !strings.Contains(a.body, a.Header.Get("X-Replay-Miss")) {
						t.Errorf("%s: status %d, %q", ask, a.StatusCode, a.body)
					}
				case a.StatusCode == 304:
					out = "304"
				case method == "HEAD":
					out = fmt.Sprint(a.ContentLength)
				}
				if m := a.Header.Get("X-Replay-Match"); m != "" {
					out += " [" + m + "]"
				}
				if out != c.want[i] {
					t.Errorf("%d. %s: got %q, want %q", i+1, ask, out, c.want[i])
				}
			}
		})
	}
}

// TestSendsBack: a browser that tries https by itself is sent to where a page was
// recorded, once, and takes no turn by that. What is no page it gets at once.
func TestSendsBack(t *testing.T) {
	s := serveTest(t, reading(get("http://a.test/", "1"), get("http://a.test/x", "2"), get("https://b.test/", "3"), get("http://b.test/", "4"), get("http://c.test/", "5")), Options{})
	for i, c := range []struct {
		url, dest, location, body string
	}{
		{"https://c.test/", "iframe", "", "5"},
		{"https://c.test/", "", "", "5"},
		{"https://a.test/", "document", "http://a.test/", "This was recorded by http: http://a.test/\n"},
		{"http://a.test/", "", "", "1"},
		{"https://a.test/", "document", "", "1"},
		{"https://a.test/x", "document", "", "2"},
		{"https://b.test/", "document", "", "3"},
	} {
		a := s.ask(t, "GET", c.url, "", "Sec-Fetch-Dest: "+c.dest)
		if a.body != c.body || a.Header.Get("Location") != c.location || (a.StatusCode == 307) != (c.location != "") {
			t.Errorf("%d. %s: %s %v %q", i+1, c.url, a.Status, a.Header, a.body)
		}
	}
	if got := s.Stats(); got.SentBack != 1 || got.Hits != 6 || got.Requests != 7 {
		t.Errorf("%+v", got)
	}
}

func TestMisses(t *testing.T) {
	now := time.Date(2026, 11, 22, 4, 5, 6, 7000, time.FixedZone("", 9*3600))
	s := serveTest(t, reading(get("http://a.test/gate/in.php?id=1", "1"), get("http://a.test/other/", "2"), get("http://b.test/", "3")), Options{Now: func() time.Time { return now }})
	for _, c := range []struct {
		method, url, nearest string
		status               int
	}{
		{"GET", "http://a.test/gate/in.php?id=2", "http://a.test/gate/in.php?id=1", 504},
		{"GET", "http://a.test/gate/out.php", "http://a.test/gate/in.php?id=1", 504},
		{"GET", "http://a.test/other/x", "http://a.test/other/", 504},
		{"POST", "http://b.test/", "http://b.test/", 504},
		{"GET", "http://b.test:8080/", "http://b.test/", 504},
		{"GET", "http://new.test/gate/in.php", "http://a.test/gate/in.php?id=1", 504},
		{"GET", "http://new.test/", "", 504},
		{"GET", "http://a.test/favicon.ico", "http://a.test/gate/in.php?id=1", 404},
	} {
		a := s.ask(t, c.method, c.url, "", "Referer: http://from.test/")
		if a.StatusCode != c.status || a.Header.Get("X-Replay-Nearest") != c.nearest || a.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s: %d %v", c.method, c.url, a.StatusCode, a.Header)
		}
		line, err := s.misses.ReadBytes('\n')
		var m Miss
		if err == nil {
			err = json.Unmarshal(line, &m)
		}
		if want := (Miss{now.UTC(), c.method, c.url, "it was not recorded", c.nearest, "http://from.test/"}); err != nil || m != want {
			t.Errorf("%s %s: wrote %s (%v), want %+v", c.method, c.url, line, err, want)
		}
	}
	if got := s.Stats(); got.Misses != 8 || got.Requests != 8 || got.Hits != 0 || got.Unwritten != 0 {
		t.Errorf("%+v", got)
	}
}

func TestNoise(t *testing.T) {
	s := serveTest(t, reading(get("http://a.test/", "1"), get("http://accounts.google.com/login", "page")), Options{})
	for _, ask := range []string{"GET https://update.googleapis.com/service/update2/json", "POST https://update.googleapis.com/x", "GET https://content-autofill.googleapis.com/v1/pages/x", "HEAD http://qwertzuiop/",
		"GET http://accounts.google.com/login", "GET http://accounts.google.com/x", "HEAD http://a.test/nothing", "GET http://qwertzuiop/"} {
		method, url, _ := strings.Cut(ask, " ")
		s.ask(t, method, url, "")
	}
	want := Stats{Requests: 8, Hits: 1, Misses: 3, Noise: map[string]int{"update.googleapis.com": 2, "content-autofill.googleapis.com": 1, "qwertzuiop": 1}}
	if got := s.Stats(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if n := strings.Count(s.misses.String(), "\n"); n != 3 {
		t.Errorf("%d lines: %s", n, s.misses.String())
	}
}

func TestHits(t *testing.T) {
	r := reading(get("http://a.test/", "1"), get("http://b.test/x?_=1", "2"))
	s := serveTest(t, r, Options{Fuzzy: true})
	if a := s.ask(t, "GET", "https://b.test/x?_=2", "", "Referer: http://a.test/"); a.Header.Get("X-Replay-Transaction") != "1" {
		t.Errorf("%v", a.Header)
	}
	h := s.hits[0]
	if len(s.hits) != 1 || h.Transaction != r.Transactions[1] || h.URL != "https://b.test/x?_=2" || h.Referer != "http://a.test/" || h.Method != "GET" || h.Status != 200 ||
		h.Match != (Match{How: BySteady, OtherScheme: true}) || h.Time.IsZero() {
		t.Errorf("%+v", s.hits)
	}
}

// TestOddTargets: exploit kits ask for what url.Parse refuses, and so must their
// replay.
func TestOddTargets(t *testing.T) {
	for _, target := range []string{"/%u9090%u9090", "/%zz?%", "/a b c", "/\xff\xfe", "/x?a=%%1", "//double//slash", "/a/../b", "/x?<script>"} {
		s := serveTest(t, reading(exchange("GET", "http://a.test"+target, 200, nil, "yes")), Options{})
		for _, head := range []string{"GET http://a.test" + target, "GET " + target} {
			if got := s.raw(t, head+" HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"); !strings.HasSuffix(got, "\r\n\r\nyes") {
				t.Errorf("%q: %q", head, got)
			}
		}
	}
}
