package server

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"kagami/evidence/replay"
)

// TestWire: what was recorded, and what is on the wire for a request of HTTP/1.1. Of
// each answer the last two fields, which say where it is from, are left out.
func TestWire(t *testing.T) {
	chunks := exchange("GET", "http://a.test/", 200, []string{"Server: x", "Transfer-Encoding: chunked", "Trailer: Z", "Content-Encoding: gzip", "X-Last: 1"}, "")
	chunks.Response.Body.Encodings = []string{"gzip"}
	chunks.Response.Body.Wire = []byte(chunked(compressed("hello"), 7))
	chunks.Response.Body.Data = []byte("hello")
	plainChunks := exchange("GET", "http://a.test/", 200, []string{"transfer-encoding: chunked"}, "hello")
	plainChunks.Response.Body.Wire = []byte(chunked("hello", 2))
	short := exchange("GET", "http://a.test/", 200, []string{"Content-Length: 100"}, "hel")
	short.Response.Body.Complete, short.Response.Body.Why, short.Response.Body.Declared = false, "100 octets were declared, 3 came", 100
	cutOff := exchange("GET", "http://a.test/", 200, []string{"Content-Encoding: gzip"}, "")
	cutOff.Response.Body = replay.Body{Wire: []byte(compressed("hello")[:12]), Data: []byte("hel"), Encodings: []string{"gzip"}, Why: "cut"}
	holed := exchange("GET", "http://a.test/", 200, []string{"Content-Encoding: gzip"}, "")
	holed.Response.Body = replay.Body{Wire: []byte("abcdef"), Holes: []replay.Span{{Offset: 3, Length: 9}}, Encodings: []string{"gzip"}, Why: "hole"}
	unknown := exchange("GET", "http://a.test/", 200, []string{"Content-Encoding: sdch"}, "abc")
	unknown.Response.Body.Encodings, unknown.Response.Body.Complete = []string{"sdch"}, false
	twice := exchange("GET", "http://a.test/", 200, []string{"Content-Encoding: gzip", "Transfer-Encoding: gzip, chunked"}, "hello")
	twice.Response.Body.Encodings, twice.Response.Body.Wire = []string{"gzip"}, []byte("whatever")
	two := exchange("GET", "http://a.test/", 200, []string{"content-type: text/html", "content-encoding: gzip"}, "")
	two.Response.Version, two.Response.Reason = "HTTP/2", ""
	two.Response.Body = replay.Body{Wire: []byte("zipped"), Data: []byte("hello"), Encodings: []string{"gzip"}, Complete: true}
	for _, c := range []struct {
		name     string
		recorded *replay.Transaction
		want     string
	}{
		{"order, spelling and repetition of fields", exchange("GET", "http://a.test/", 200,
			[]string{"X-Z: 1", "content-TYPE: text/html", "Set-Cookie: b=1", "Date: Thu, 01 Jan 1970 00:00:00 GMT", "Set-Cookie: a=2", "Content-length: 1", "A: 3"}, "x"),
			"HTTP/1.1 200 OK\r\nX-Z: 1\r\ncontent-TYPE: text/html\r\nSet-Cookie: b=1\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nSet-Cookie: a=2\r\nContent-length: 1\r\nA: 3\r\n|x"},
		{"security fields stay", exchange("GET", "http://a.test/", 200, []string{"Strict-Transport-Security: max-age=1", "Content-Security-Policy: default-src *"}, ""),
			"HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=1\r\nContent-Security-Policy: default-src *\r\nContent-Length: 0\r\n|"},
		{"hop by hop fields go", exchange("GET", "http://a.test/", 404, []string{"Connection: keep-alive, X", "X: 1", "Keep-Alive: timeout=5", "Proxy-Authenticate: Basic", "Upgrade: h2"}, "no"),
			"HTTP/1.1 404 Not Found\r\nX: 1\r\nContent-Length: 2\r\n|no"},
		{"status and reason", exchange("GET", "http://a.test/", 299, nil, ""), "HTTP/1.1 299 \r\nContent-Length: 0\r\n|"},
		{"a redirection", exchange("GET", "http://a.test/", 302, []string{"Location: http://b.test/"}, ""), "HTTP/1.1 302 Found\r\nLocation: http://b.test/\r\nContent-Length: 0\r\n|"},
		{"no content", exchange("GET", "http://a.test/", 204, []string{"Content-Length: 0"}, ""), "HTTP/1.1 204 No Content\r\n|"},
		{"chunks of what is coded", chunks, "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 29\r\nContent-Encoding: gzip\r\nX-Last: 1\r\n|" + compressed("hello")},
		{"chunks", plainChunks, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n|hello"},
		{"codings on the way", twice, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n|hello"},
		{"a wrong length", exchange("GET", "http://a.test/", 200, []string{"Content-Length: 99999999999999999999", "Content-Length: 3"}, "hello"), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n|hello"},
		{"half a body", short, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-Replay-Incomplete: 100 octets were declared, 3 came\r\n|hel"},
		{"half of what is coded", cutOff, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-Replay-Incomplete: cut\r\n|hel"},
		{"nothing of what is coded", holed, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\nX-Replay-Incomplete: hole\r\n|abc"},
		{"a coding nobody knows", unknown, "HTTP/1.1 200 OK\r\nContent-Encoding: sdch\r\nContent-Length: 3\r\nX-Replay-Incomplete: it is not complete\r\n|abc"},
		{"HTTP/2", two, "HTTP/1.1 200 \r\ncontent-type: text/html\r\ncontent-encoding: gzip\r\nContent-Length: 6\r\n|zipped"},
		{"fields that end their line", exchange("GET", "http://a.test/", 200, []string{"A: 1\rB: 2\n\x00C\x1c\x7f\t\xff", "B\r\nC: 1", ": 2", "D E: 1"}, ""), "HTTP/1.1 200 OK\r\nA: 1 B: 2  C  \t\xff\r\nContent-Length: 0\r\n|"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serveTest(t, reading(c.recorded), Options{})
			out := s.raw(t, "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
			head, body, _ := strings.Cut(out, "\r\n\r\n")
			var b strings.Builder
			for l := range strings.SplitSeq(head, "\r\n") {
				if !strings.HasPrefix(l, "X-Replay-Transaction: 0") && !strings.HasPrefix(l, "X-Replay-Match: exact") && l != "Connection: close" {
					b.WriteString(l + "\r\n")
				}
			}
			if got := b.String() + "|" + body; got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestHEAD(t *testing.T) {
	head := exchange("HEAD", "http://a.test/h", 200, []string{"Content-Length: 1234", "Transfer-Encoding: chunked"}, "")
	s := serveTest(t, reading(get("http://a.test/g", "hello"), head), Options{})
	for _, c := range []struct{ target, length string }{{"g", "5"}, {"h", "1234"}} {
		got := s.raw(t, "HEAD http://a.test/"+c.target+" HTTP/1.1\r\nConnection: close\r\n\r\n")
		if !strings.Contains(got, "\r\nContent-Length: "+c.length+"\r\n") || !strings.HasSuffix(got, "\r\n\r\n") || strings.Contains(got, "Transfer") {
			t.Errorf("%s: %q", c.target, got)
		}
	}
}

// TestRanges: of a whole that was recorded, of parts that were, and of what was joined
// of them.
func TestRanges(t *testing.T) {
	whole := exchange("GET", "http://a.test/whole", 200, []string{"ETag: \"1\""}, "0123456789")
	part := exchange("GET", "http://a.test/part", 206, []string{"Content-Range: bytes 0-4/10", "Content-Type: text/x"}, "01234", "Range: bytes=0-4")
	rest := exchange("GET", "http://a.test/part", 206, []string{"Content-Range: bytes 5-9/10"}, "56789", "Range: bytes=5-")
	lost := exchange("GET", "http://a.test/lost", 206, []string{"Content-Range: bytes 5-9/10"}, "56789", "Range: bytes=5-")
	begun := exchange("GET", "http://a.test/begun", 206, []string{"Content-Range: bytes 0-2/10", "Content-Type: multipart/byteranges; boundary=x"}, "012", "Range: bytes=0-2")
	ignored := exchange("GET", "http://a.test/ignored", 200, nil, "0123456789", "Range: bytes=2-3")
	unasked := exchange("GET", "http://a.test/unasked", 206, []string{"Content-Range: bytes 0-1/9"}, "01")
	r := reading(whole, part, rest, lost, begun, ignored, unasked)
	r.Objects = []*replay.Object{
		{URL: part.Request.URL, Size: 10, Pieces: []replay.Piece{{Transaction: part, Length: 5}, {Transaction: rest, Offset: 5, Length: 5}}, Data: []byte("0123456789"), Complete: true, Declares: "text/x"},
		{URL: begun.Request.URL, Size: 10, Pieces: []replay.Piece{{Transaction: begun, Length: 3}}, Data: []byte("012"), Declares: "text/y"},
		{URL: lost.Request.URL, Size: 10, Pieces: []replay.Piece{{Transaction: lost, Offset: 5, Length: 5}}},
	}
	s := serveTest(t, r, Options{})
	for _, c := range []struct {
		target, span, ifRange, want string // status, Content-Range, Content-Type, body
	}{
		{"whole", "", "", "200 [] [] 0123456789"},
		{"whole", "bytes=2-4", "", "206 [bytes 2-4/10] [] 234"},
		{"whole", "bytes=8-", "", "206 [bytes 8-9/10] [] 89"},
		{"whole", "bytes=-3", "", "206 [bytes 7-9/10] [] 789"},
		{"whole", "bytes=-99", "", "206 [bytes 0-9/10] [] 0123456789"},
		{"whole", "bytes=4-99999999999", "", "206 [bytes 4-9/10] [] 456789"},
		{"whole", "bytes=10-", "", "416 [bytes */10] [] "},
		{"whole", "bytes=-0", "", "416 [bytes */10] [] "},
		{"whole", "bytes=4-2", "", "200 [] [] 0123456789"},
		{"whole", "bytes=0-1,3-4", "", "200 [] [] 0123456789"},
		{"whole", "lines=1-2", "", "200 [] [] 0123456789"},
		{"whole", "bytes=99999999999999999999-", "", "200 [] [] 0123456789"},
		{"whole", "bytes=2-4", "\"1\"", "206 [bytes 2-4/10] [] 234"},
		{"whole", "bytes=2-4", "\"2\"", "200 [] [] 0123456789"},
		{"part", "bytes=0-4", "", "206 [bytes 0-4/10] [text/x] 01234"},
		{"part", "bytes=5-", "", "206 [bytes 5-9/10] [] 56789"},
		{"part", "", "", "200 [] [text/x] 0123456789"},
		{"part", "bytes=4-5", "", "206 [bytes 4-5/10] [text/x] 45"},
		{"begun", "", "", "200 [] [text/y] 012"},
		{"lost", "", "", "504 [] [text/plain; charset=utf-8] "},
		{"unasked", "", "", "206 [bytes 0-1/9] [] 01"},
		{"ignored", "bytes=2-3", "", "200 [] [] 0123456789"},
	} {
		fields := []string{}
		if c.span != "" {
			fields = append(fields, "Range: "+c.span)
		}
		if c.ifRange != "" {
			fields = append(fields, "If-Range: "+c.ifRange)
		}
		a := s.ask(t, "GET", "http://a.test/"+c.target, "", fields...)
		if a.StatusCode == 504 {
			a.body = ""
		}
		if got := fmt.Sprintf("%d [%s] [%s] %s", a.StatusCode, a.Header.Get("Content-Range"), a.Header.Get("Content-Type"), a.body); got != c.want {
			t.Errorf("%s, %q: got %q, want %q", c.target, c.span, got, c.want)
		}
		if incomplete := a.Header.Get("X-Replay-Incomplete"); (incomplete != "") != (c.target == "begun") {
			t.Errorf("%s: incomplete %q", c.target, incomplete)
		}
	}
}

// TestDefang: nothing that comes makes a browser do anything.
func TestDefang(t *testing.T) {
	page := exchange("GET", "http://a.test/", 200, []string{"Content-Type: text/html", "Content-Encoding: gzip", "Refresh: 0;url=/x", "Link: </x>; rel=preload", "Content-Disposition: attachment", "Alt-Svc: h3", "Server: x"}, "")
	page.Response.Body = replay.Body{Wire: []byte(compressed("<script>x</script>")), Data: []byte("<script>x</script>"), Encodings: []string{"gzip"}, Complete: true}
	exe := exchange("GET", "http://a.test/exe", 200, []string{"Content-Type: application/octet-stream"}, "MZ\x90\x00\x03")
	part := exchange("GET", "http://a.test/part", 206, []string{"Content-Range: bytes 0-1/10"}, "ab", "Range: bytes=0-1")
	s := serveTest(t, reading(page, exe, part, exchange("GET", "http://a.test/latin", 200, nil, "caf\xe9"), exchange("GET", "http://a.test/to", 302, []string{"Location: /x"}, "there"),
		exchange("GET", "http://a.test/app", 302, []string{"Location: ms-msdt:/x"}, ""), get("http://a.test/big", strings.Repeat("\x00", maxDump+5))), Options{Defang: true})
	for _, c := range []struct {
		target, charset, location, body string
		status                          int
	}{
		{"", "utf-8", "", "<script>x</script>", 200},
		{"exe", "utf-8", "", "00000000  4d 5a 90 00 03                                    |MZ...|\n", 200},
		{"part", "utf-8", "", "ab", 200},
		{"latin", "iso-8859-1", "", "caf\xe9", 200},
		{"to", "utf-8", "/x", "there", 302},
		{"app", "utf-8", "", "", 302},
	} {
		a := s.ask(t, "GET", "http://a.test/"+c.target, "", "Range: bytes=0-1")
		h := a.Header
		if a.StatusCode != c.status || a.body != c.body || h.Get("Content-Type") != "text/plain; charset="+c.charset || h.Get("X-Content-Type-Options") != "nosniff" ||
			h.Get("Content-Security-Policy") != "sandbox; default-src 'none'" || h.Get("Location") != c.location {
			t.Errorf("%s: %d %v %q", c.target, a.StatusCode, h, a.body)
		}
		for _, name := range []string{"Content-Encoding", "Refresh", "Link", "Content-Disposition", "Alt-Svc", "Content-Range"} {
			if h.Get(name) != "" {
				t.Errorf("%s: %s is there", c.target, name)
			}
		}
	}
	if a := s.ask(t, "GET", "http://a.test/big", ""); !strings.HasSuffix(a.body, "|\nand 5 octets more\n") || len(a.body) > 5*maxDump {
		t.Errorf("%d octets", len(a.body))
	}
}

// TestKeepAlive: requests in a row, all at once, on one connection.
func TestKeepAlive(t *testing.T) {
	s := serveTest(t, reading(get("http://a.test/1", "one"), get("http://a.test/2", "two"), exchange("POST", "http://a.test/3", 200, nil, "three")), Options{})
	c := s.dial(t)
	io.WriteString(c, "GET /1 HTTP/1.1\r\nHost: a.test\r\n\r\nPOST /3 HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: 1\r\n\r\n"+
		"\r\nPOST /3 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nabcdGET /nothing HTTP/1.1\r\nHost: a.test\r\n\r\nGET /2 HTTP/1.0\r\nHost: a.test\r\n\r\n")
	br := bufio.NewReader(c)
	for _, want := range []string{"one", "three", "three", "GET http://a.test/nothing\nis not in this replay: it was not recorded.\nThe nearest URL that was recorded is http://a.test/1\n", "two"} {
		if a := readReply(t, br); a.body != want {
			t.Errorf("got %q, want %q", a.body, want)
		}
	}
	if _, err := br.ReadByte(); err != io.EOF {
		t.Errorf("HTTP/1.0 is kept alive: %v", err)
	}
}

// TestBig: an answer of more than one piece arrives as it was, by each version.
func TestBig(t *testing.T) {
	body := string(bytes.Repeat([]byte("0123456789abcdef"), (3*piece)/16+7))
	s := serveTest(t, reading(get("http://a.test/", body)), Options{})
	for _, url := range []string{"http://a.test/", "https://a.test/"} {
		if a := s.ask(t, "GET", url, ""); a.body != body {
			t.Errorf("%s: %d octets of %d", url, len(a.body), len(body))
		}
	}
	two := get("https://b.test/", body)
	two.Request.Version, two.Response.Version = "HTTP/2", "HTTP/2"
	s = serveTest(t, reading(two), Options{})
	if a := s.ask(t, "GET", "https://b.test/", ""); a.body != body || a.Proto != "HTTP/2.0" {
		t.Errorf("%s: %d octets of %d", a.Proto, len(a.body), len(body))
	}
}

// TestReplyHTTP2: net/http adds nothing of its own.
func TestReplyHTTP2(t *testing.T) {
	x := exchange("GET", "https://a.test/", 200, []string{"set-cookie: b=1", "set-cookie: a=2", "x-y: 1"}, "<html>")
	x.Request.Version, x.Response.Version = "HTTP/2", "HTTP/2"
	late := exchange("GET", "https://a.test/late", 304, []string{"etag: \"1\"", "content-length: 10"}, "")
	s := serveTest(t, reading(x, late), Options{})
	c := s.client(t)
	a := askBy(t, c, "GET", "https://a.test/", "")
	want := http.Header{"Set-Cookie": {"b=1", "a=2"}, "X-Y": {"1"}, "Content-Length": {"6"}, "X-Replay-Transaction": {"0"}, "X-Replay-Match": {"exact"}}
	if fmt.Sprint(a.Header) != fmt.Sprint(want) || a.body != "<html>" || a.Proto != "HTTP/2.0" {
		t.Errorf("%s %v %q", a.Proto, a.Header, a.body)
	}
	if a := askBy(t, c, "GET", "https://a.test/late", "", "If-None-Match: \"1\""); a.StatusCode != 304 || a.Header.Get("Etag") != "\"1\"" {
		t.Errorf("%d %v", a.StatusCode, a.Header)
	}
	if a := askBy(t, c, "HEAD", "https://a.test/", ""); a.Header.Get("Content-Length") != "6" || a.body != "" {
		t.Errorf("%v %q", a.Header, a.body)
	}
	if a := askBy(t, c, "POST", "https://a.test/", "body"); a.StatusCode != 504 || a.Header.Get("X-Replay-Miss") == "" {
		t.Errorf("%d %v", a.StatusCode, a.Header)
	}
}
