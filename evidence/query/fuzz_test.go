package query

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzParse: any text gives a query or an error of one line with a column in the
// text; the normal form parses to itself, to the same time and to the same
// answers.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"last 2h and client 10.0.0.7 and (host evil.example or net 203.0.113.0/24) and port 80,8000-8099",
		"from 2026-11-21T10:00 to +15m client ::ffff:10.0.0.7 && !(müller.example || net ::/0) proto tcp,58,arp",
		`host "and" or case "Pin \"7\"" or alert 00ff-3-a1 not not cut gap vlan 1-7`,
		"flow 1:wCb3OG7yAFWelaUydu0D+125CLM bytes >= 1024k bytes<5 all",
		"from 2026-10-25 02:30 to 1792900800.5", "last 1w2d3h4m5s", "to 08:15",
		"tcp port 80", "src host 10.0.0.7", "tcp[13]&4!=0", "ip.addr == 1", "net 10.0.0.7", "[::1]:80", "a.b, c.d",
		"((((", "not not", "\"", "é\xff", "host １０.0.0.8", "host a..", "x\u202ey", `host "10.0.0.0/8."`,
	} {
		f.Add(s)
	}
	o := Options{Now: noon(), Location: berlin(f)}
	flows := office()
	f.Fuzz(func(t *testing.T, text string) {
		q, err := Parse(text, o)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Col < 1 || e.Col > utf8.RuneCountInString(text)+1 || e.Msg == "" || strings.ContainsAny(e.Msg, "\r\n") {
				t.Fatalf("%q: error %#v", text, err)
			}
			return
		}
		normal := q.String()
		again, err := Parse(normal, Options{Location: time.UTC})
		if err != nil {
			t.Fatalf("%q: normal form %q: %v", text, normal, err)
		}
		if again.String() != normal || again.From != q.From || again.To != q.To {
			t.Fatalf("%q: normal form %q becomes %q", text, normal, again)
		}
		if q.To != 0 && q.From >= q.To {
			t.Fatalf("%q: from %d to %d", text, q.From, q.To)
		}
		bindNetwork(t, q, flows)
		bindNetwork(t, again, flows)
		for n, f := range flows {
			if q.Match(f) != again.Match(f) {
				t.Fatalf("%q: another answer than %q for %s", text, normal, n)
			}
			if q.Match(f) && !q.May(nil, Range{f.First, f.Last}) {
				t.Fatalf("%q: matches %s, whose segment is passed over", text, n)
			}
		}
		if !utf8.ValidString(q.Explain()) {
			t.Fatalf("%q: explained as %q", text, q.Explain())
		}
	})
}
