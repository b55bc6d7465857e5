package server

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"kagami/evidence/replay"
)

// FuzzRequest reads requests and finds their answers: all that was understood is
// answered with what was recorded, or not at all, and what is written is HTTP that
// net/http reads.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
		"GET http://a.test/x?a=1&_=5 HTTP/1.1\r\nRange: bytes=1-2\r\nIf-None-Match: \"1\"\r\n\r\n",
		"HEAD https://a.test/x?a=1&b=2 HTTP/1.0\r\n\r\nGET /%u9090 HTTP/1.1\r\nHost: a.test:80\r\n\r\n",
		"POST /in HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n3\r\nabc\r\n0\r\nX: 1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
		"POST /in HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc",
		"CONNECT [::1]:443 HTTP/1.1\r\n\r\n",
		"GET ws://u:p@a.test/part HTTP/1.1\r\nRange: bytes=-9\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: update.googleapis.com\r\n\r\n",
	} {
		f.Add([]byte(s), []byte("HTTP\x00: 1\r"))
		f.Add([]byte(s), []byte("\x1c"))
	}
	part := exchange("GET", "http://a.test/part", 206, []string{"Content-Range: bytes 0-4/10"}, "01234", "Range: bytes=0-4")
	body := exchange("POST", "http://a.test/in", 200, nil, "yes")
	body.Request.Body.Data = []byte("abc")
	r := reading(get("http://a.test/", "1"), get("http://a.test/x?a=1&b=2", "2"), exchange("GET", "http://a.test/x?a=1&b=2", 304, nil, ""), part, body,
		exchange("GET", "http://a.test/%u9090", 301, []string{"Location: https://a.test/%u9090"}, ""))
	r.Objects = []*replay.Object{{URL: part.Request.URL, Size: 10, Data: []byte("0123456"), Pieces: []replay.Piece{{Transaction: part, Length: 5}}}}
	f.Fuzz(func(t *testing.T, octets, field []byte) {
		name, value, _ := strings.Cut(string(field), ":")
		odd := exchange("GET", "http://a.test/odd", 200, nil, string(octets))
		odd.Response.Header = []replay.Field{{Name: name, Value: value}, {Name: "Transfer-Encoding", Value: value}, {Name: "Content-Encoding", Value: name}}
		odd.Response.Reason, odd.Response.Body.Encodings, odd.Response.Body.Wire, odd.Response.Body.Complete = value, []string{name}, octets, false
		odd.Request.Target = "/" + value
		all := reading(append([]*replay.Transaction{odd}, r.Transactions...)...)
		all.Objects = r.Objects
		m := newMatcher(all, odd.Flow.Client.Addr(), true)
		br := bufio.NewReader(strings.NewReader(string(octets)))
		for {
			q, err := readHead(br, 4<<10, origin{scheme: "http", authority: "a.test"})
			if err == nil {
				err = q.readBody(br, 1<<10)
			}
			var no *refusal
			if errors.As(err, &no) {
				judge(t, nil, plainReply(no.status, no.why))
			}
			if err != nil {
				return
			}
			if q.connect != "" {
				continue
			}
			if again, ok := absolute(q.address.String()); q.path[0] == '/' && (!ok || again != q.address) {
				t.Errorf("%q is not the same again: %q", q.address, again)
			}
			if f := m.find(q); f.answer == nil {
				judge(t, q, missed(q, f.why, m.nearest(q)))
			} else {
				judge(t, q, answered(q, &f, false))
				judge(t, q, answered(q, &f, true))
			}
		}
	})
}

// judge reads a reply as a client would.
func judge(t *testing.T, q *request, r *reply) {
	t.Helper()
	head, body := r.write(q, true)
	method := "GET"
	if q != nil {
		method = q.method
	}
	a, err := http.ReadResponse(bufio.NewReader(io.MultiReader(strings.NewReader(string(head)), strings.NewReader(string(body)))), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%v\n%q", err, head)
	}
	got, err := io.ReadAll(a.Body)
	if err != nil || string(got) != string(body) || a.StatusCode != r.status {
		t.Fatalf("%q of %q (%v)\n%q", got, body, err, head)
	}
}

// BenchmarkReply is what a request costs without its connection, among many URLs.
func BenchmarkReply(b *testing.B) {
	var ts []*replay.Transaction
	for i := range 20_000 {
		ts = append(ts, get(fmt.Sprintf("http://host%d.test/dir%d/page.php?id=%d&_=%d", i%50, i%200, i, 1_000_000_000+i), "body"))
	}
	for _, c := range []struct {
		name, url string
		fuzzy     bool
	}{
		{"exact", "http://host1.test/dir1/page.php?id=1&_=1000000001", false},
		{"query", "http://host1.test/dir1/page.php?id=2&_=3", true},
		{"miss", "http://host1.test/nothing", true},
	} {
		b.Run(c.name, func(b *testing.B) {
			s, err := New(reading(ts...), Options{Fuzzy: c.fuzzy, Misses: io.Discard, Limits: Limits{Misses: 1 << 30}, Now: func() time.Time { return time.Unix(0, 0) }})
			if err != nil {
				b.Fatal(err)
			}
			octets := "GET " + c.url + " HTTP/1.1\r\nHost: a.test\r\nUser-Agent: x\r\nAccept: */*\r\n\r\n"
			b.ReportAllocs()
			for b.Loop() {
				q, err := readHead(bufio.NewReader(strings.NewReader(octets)), 64<<10, origin{scheme: "http"})
				if err != nil {
					b.Fatal(err)
				}
				s.reply(q).write(q, false)
			}
		})
	}
}
