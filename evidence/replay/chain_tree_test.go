package replay_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"kagami/evidence/replay"
)

func tree(t testing.TB, c *replay.Chain, o replay.TreeOptions) string {
	t.Helper()
	var b bytes.Buffer
	if err := replay.Tree(&b, c, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTree(t *testing.T) {
	r := reading(append(driveBy(), visit{at: 30, request: "GET http://news.example/", status: -1})...)
	r.Holes = []replay.Hole{{Kind: replay.HoleTruncated, Transaction: r.Transactions[5]}}
	r.Transactions[5].Response.Body.SHA256 = strings.Repeat("0123456789abcdef", 4)
	for _, x := range r.Transactions[:5] {
		if x.Response != nil {
			x.Response.Body.SHA256 = ""
		}
	}
	c := replay.Build(r)
	want := `10.0.0.1 2026-01-05 UTC
00:00:00.000 GET http://www.shop.example/  200 text/html 52 B
00:00:01.000 └─ GET http://cdn.stat.example/q.js  200 text/javascript 69 B  GATE?  <- script
00:00:02.000    └─ GET http://gate.example/go  302  GATE?  <- js-write
00:00:02.200       └─ GET http://land.example/v?t=1  200 text/html 41 B  LANDING?  <- location
00:00:03.000          └─ GET http://land.example/m.swf  200 SWF 20 B  EXPLOIT?  <- object
00:00:06.000             └─ GET http://land.example/load.php  200 PE (claims image/gif) 256 B  PAYLOAD?  <- time-after-exploit [inferred]  0123456789ab  !truncated
00:00:20.000                └─ POST http://c2.example/gate  200  CHECK-IN?  <- user-agent-change [inferred]
`
	if got := tree(t, c, replay.TreeOptions{Suspects: true}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := tree(t, c, replay.TreeOptions{}); got != want+"00:00:30.000 GET http://news.example/  no answer\n" {
		t.Errorf("all: got\n%s", got)
	}
	got := tree(t, c, replay.TreeOptions{Reasons: true, ASCII: true, URL: 20})
	for _, s := range []string{"`- GET http://gate...ple/go", "role: the page before", "location of frame 26, 12.0: Location header field", "time-after-exploit of frame 46 [inferred]"} {
		if !strings.Contains(got, s) {
			t.Errorf("no %q in\n%s", s, got)
		}
	}
	for i := range len(got) {
		if got[i] >= 0x7f {
			t.Fatal("not ASCII")
		}
	}
}

// TestTreeEscapes: nothing from the wire reaches the terminal as it is.
func TestTreeEscapes(t *testing.T) {
	const evil = "\x1b]0;x\x07\r\n\u202e\u009b31m\xff"
	r := reading(driveBy()...)
	for _, x := range r.Transactions {
		x.Request.Method += evil
		x.Request.URL.Host += evil
		x.Request.URL.Path, x.Request.URL.RawPath = evil+x.Request.URL.Path, evil
		x.Request.URL.RawQuery += evil
		x.Request.Header[0].Value += evil
		x.Response.Body.Declares += evil
		x.Response.Body.Magic += evil
		x.Response.Body.Data = append(x.Response.Body.Data, "<iframe src='"+evil+"' on"+evil+"=x>"...)
	}
	r.Transactions[2].Request.URL = nil
	r.Transactions[2].Request.Target = evil
	clean(t, tree(t, replay.Build(r), replay.TreeOptions{Reasons: true}))
}

func clean(t testing.TB, s string) {
	t.Helper()
	if !utf8.ValidString(s) {
		t.Error("not UTF-8")
	}
	for _, r := range s {
		if r != '\n' && (r < ' ' || r >= 0x7f) && !strings.ContainsRune("│├└─", r) {
			t.Fatalf("%q gets through", r)
		}
	}
}

// TestDeepTree: a chain may be as long as an attacker likes; its lines may not.
func TestDeepTree(t *testing.T) {
	const n = 20_000
	var steps []visit
	for i := range n {
		steps = append(steps, visit{at: float64(i) / 10, request: "GET http://a.example/" + strings.Repeat("x", i%7) + string(rune('a'+i%26)), status: 302, field: "Location: /" + strings.Repeat("x", (i+1)%7) + string(rune('a'+(i+1)%26))})
	}
	c := replay.Build(reading(steps...))
	if len(c.Roots) != 1 {
		t.Fatalf("%d roots", len(c.Roots))
	}
	s := tree(t, c, replay.TreeOptions{})
	if lines := strings.Count(s, "\n"); lines != n+1 || len(s) > 300*lines {
		t.Errorf("%d lines, %d octets", lines, len(s))
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestTreeTellsErrors(t *testing.T) {
	if err := replay.Tree(full{}, replay.Build(reading(driveBy()...)), replay.TreeOptions{}); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Error(err)
	}
}
