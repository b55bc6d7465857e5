package replay_test

import (
	"strings"
	"testing"

	"kagami/evidence/replay"
)

const (
	get   = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
	getB  = "GET /b HTTP/1.1\r\nHost: a.example\r\n\r\n"
	hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
	world = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nworld"
	chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
)

// TestHTTP1 says what becomes of what is on the wire. Each case is played in whole
// segments and in segments of one octet: the same must come of it.
func TestHTTP1(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps []step
		want  string
	}{
		{"a request and its answer", []step{up(get), down(hello), fin},
			`0 GET http://a.example/ > 200 "hello"`},
		{"keep-alive", []step{up(get), down(hello), up(getB), down(world), fin},
			`0 GET http://a.example/ > 200 "hello"
			 1 GET http://a.example/b > 200 "world"`},
		{"pipelining", []step{up(get, getB, get), down(hello, world, hello), fin},
			`0 GET http://a.example/ > 200 "hello"
			 1 GET http://a.example/b > 200 "world"
			 2 GET http://a.example/ > 200 "hello"`},
		{"the second request comes while the first is answered", []step{up(get), down(hello[:40]), up(getB), down(hello[40:], world), fin},
			`0 GET http://a.example/ > 200 "hello"
			 1 GET http://a.example/b > 200 "world"`},
		{"an early answer, before the request's body is over", []step{up("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc"), down(hello), up("def"), fin},
			`0 POST http://h/ "abcdef" > 200 "hello"`},
		{"HEAD has no body, whatever it declares", []step{up("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"), down("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"), up(get), down(hello), fin},
			`0 HEAD http://h/ > 200
			 1 GET http://a.example/ > 200 "hello"`},
		{"204 and 304 have none", []step{up(get), down("HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n"), up(getB), down("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"), fin},
			`0 GET http://a.example/ > 204
			 1 GET http://a.example/b > 304
			 - cached 1: the answer is 304: the client had the content, it was not sent`},
		{"informational answers", []step{up("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"), down("HTTP/1.1 100 Continue\r\n\r\n"), up("hi"), down("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", hello), fin},
			`0 POST http://h/ "hi" > 100 > 103 > 200 "hello"`},
		{"Expect that was refused: the body is not sent", []step{up("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 200\r\n\r\n"), down("HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n"), up(get), down(hello), fin},
			`0 POST http://h/ incomplete > 417
			 1 GET http://a.example/ > 200 "hello"`},
		{"until the connection is closed", []step{up(get), down("HTTP/1.0 200 OK\r\n\r\nhello"), fin},
			`0 GET http://a.example/ > 200 "hello"`},
		{"until it is reset: nobody knows whether that was all", []step{up(get), down("HTTP/1.0 200 OK\r\n\r\nhello"), rst},
			`0 GET http://a.example/ > 200 "hello" incomplete
			 - truncated 0: the connection's end, which is that of the body, was not captured`},
		{"HTTP/0.9", []step{up("GET /x\r\n"), down("<p>hello"), fin},
			`0 GET http://192.0.2.80:80/x > 200 "<p>hello"`},
		{"the target's form", []step{up("GET http://b.example:8080/p?q HTTP/1.1\r\nHost: x\r\n\r\n"), down(hello), up("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"), down(hello), up("GET /%zz?a b HTTP/1.1\r\nHost: h\r\n\r\n"), down(hello), fin},
			`0 GET http://b.example:8080/p?q > 200 "hello"
			 1 OPTIONS http://h > 200 "hello"
			 2 GET http://h/%25zz?a b > 200 "hello"`},
		{"no target", []step{up("GET HTTP/1.1\r\nHost: h\r\n\r\n"), down(hello), fin},
			`0 GET <nil> > 200 "hello"`},
		{"a method that is none", []step{up(get), down(hello), up("<X> / HTTP/1.1\r\nHost: h\r\n\r\n"), down(hello), fin},
			`0 GET http://a.example/ > 200 "hello"
			 1 <X> http://h/ > 200 "hello"`},
		{"empty lines between messages, and line feeds alone", []step{up("\r\n\r\n", strings.ReplaceAll(get, "\r\n", "\n")), down("\r\n", strings.ReplaceAll(hello, "\r\n", "\n")), fin},
			`0 GET http://a.example/ > 200 "hello"`},
		{"no answer", []step{up(get), fin},
			`0 GET http://a.example/
			 - no answer 0: the capture holds no answer`},
		{"an answer without its request", []step{lostUp(30), down(hello), up(getB), down(world), fin},
			`0 > 200 "hello"
			 1 GET http://a.example/b > 200 "world"
			 - no request 0: the request was not captured
			 - gap: 30 octets of the client's stream were not captured`},
		{"only the server is visible", []step{down(hello), down(world), fin},
			`0 > 200 "hello"
			 1 > 200 "world"
			 - no request 0: the request was not captured
			 - no request 1: the request was not captured`},

		// Chunks.
		{"chunks, extensions and trailers", []step{up(get), down(chunk, "2;x=y\r\nhe\r\n03\r\nllo\r\n0\r\nX-Sum: 7\r\n\r\n"), up(getB), down(world), fin},
			`0 GET http://a.example/ > 200 "hello" (X-Sum: 7)
			 1 GET http://a.example/b > 200 "world"`},
		{"a chunk of 2^64 octets", []step{up(get), down(chunk, "5\r\nhello\r\n10000000000000000\r\nx"), fin},
			`0 GET http://a.example/ > 200 "hello" incomplete
			 - syntax 0: a chunk's size is 2^64 octets or more`},
		{"a chunk of nearly 2^64 octets", []step{up(get), down(chunk, "5\r\nhello\r\nfffffffffffffffe\r\nx"), fin},
			`0 GET http://a.example/ > 200 "hello" incomplete
			 - syntax 0: a chunk's size is 18446744073709551614 octets`},
		{"a chunk that the stream does not hold", []step{up(get), down(chunk, "ff\r\nhello"), fin},
			`0 GET http://a.example/ > 200 "hello" incomplete
			 - truncated 0: a chunk of 255 octets was announced, 5 came before the connection was closed`},
		{"a chunk that is longer than its size; the next answer is found", []step{up(get), down(chunk, "2\r\nhello\r\n0\r\n\r\n"), up(getB), down(world), fin},
			`0 GET http://a.example/ > 200 "he" incomplete
			 1 GET http://a.example/b > 200 "world"
			 - syntax 0: a chunk is longer than its size says`},
		{"no size where one should be", []step{up(get), down(chunk, "-5\r\nhello\r\n"), fin},
			`0 GET http://a.example/ > 200 incomplete
			 - syntax 0: no chunk size where one should be`},
		{"the last chunk is missing", []step{up(get), down(chunk, "5\r\nhello\r\n"), fin},
			`0 GET http://a.example/ > 200 "hello" incomplete
			 - truncated 0: the last chunk is missing before the connection was closed`},

		// Lengths.
		{"a length that is too large: cut off", []step{up(get), down("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"), fin},
			`0 GET http://a.example/ > 200 "hello" incomplete
			 - truncated 0: 50 octets were declared, 5 came before the connection was closed`},
		{"a length that is too large, and both sides go on", []step{up(get), down("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"), up(getB), down(world), fin},
			`0 GET http://a.example/ > 200 "hello" incomplete
			 1 GET http://a.example/b > 200 "world"
			 - truncated 0: 50 octets were declared, 5 came before the next message`},
		{"a length that is too small", []step{up(get), down("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhello"), up(getB), down(world), fin},
			`0 GET http://a.example/ > 200 "he"
			 1 GET http://a.example/b > 200 "world"
			 - syntax: 3 octets of the server's stream outside of any message`},
		{"lengths that contradict each other", []step{up(get), down("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"), fin},
			`0 GET http://a.example/ > 200 "hello"
			 - syntax 0: there are several Content-Length`},
		{"a body that looks like an answer stays a body", []step{up(get), down("HTTP/1.1 200 OK\r\nContent-Length: 43\r\n\r\n", hello), up(getB), down(world), fin},
			`0 GET http://a.example/ > 200 43 octets
			 1 GET http://a.example/b > 200 "world"`},

		// Holes.
		{"a hole in a body: its place is known, nothing is invented", []step{up(get), down("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), lostDown(4), down("hij"), up(getB), down(world), fin},
			`0 GET http://a.example/ > 200 "abc" holes [{3 4}] incomplete
			 1 GET http://a.example/b > 200 "world"
			 - gap 0: 4 octets at 3 were not captured`},
		{"a hole that ends with the body", []step{up(get), down("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), lostDown(7), up(getB), down(world), fin},
			`0 GET http://a.example/ > 200 "abc" holes [{3 7}] incomplete
			 1 GET http://a.example/b > 200 "world"
			 - gap 0: 7 octets at 3 were not captured`},
		{"a hole in a chunk", []step{up(get), down(chunk, "a\r\nabc"), lostDown(4), down("hij\r\n0\r\n\r\n"), up(getB), down(world), fin},
			`0 GET http://a.example/ > 200 "abc" holes [{6 4}] incomplete
			 1 GET http://a.example/b > 200 "world"
			 - gap 0: 4 octets at 6 were not captured`},
		{"a hole that takes a chunk's size", []step{up(get), down(chunk, "3\r\nabc"), lostDown(9), down("hij\r\n0\r\n\r\n"), up(getB), down(world), fin},
			`0 GET http://a.example/ > 200 "abc" holes [{6 9}] incomplete
			 1 GET http://a.example/b > 200 "world"
			 - gap 0: 9 octets at 6 were not captured
			 - gap 0: a gap took the size of a chunk`},
		{"a hole that takes a whole answer", []step{up(get), lostDown(40), up(getB), down(world), fin},
			`0 GET http://a.example/
			 1 GET http://a.example/b > 200 "world"
			 - no answer 0: the answer was not captured
			 - gap: 40 octets of the server's stream were not captured`},
		{"a hole that takes an answer's head: what came of the body is kept", []step{up(get), lostDown(60), down("rest"), up(getB), down(world), fin},
			`0 GET http://a.example/ > 0 holes [{0 60}] incomplete
			 1 GET http://a.example/b > 200 "world"
			 - gap: 60 octets of the server's stream were not captured
			 - gap 0: 60 octets at 0 were not captured
			 - gap 0: the head of the answer is missing`},
		{"a hole among pipelined answers: whose they are is not guessed", []step{up(get, getB, get), lostDown(40), down(world, hello), fin},
			`0 GET http://a.example/
			 1 GET http://a.example/b
			 2 GET http://a.example/
			 3 > 200 "world"
			 4 > 200 "hello"
			 - no answer 0: answers were lost while several requests waited: it is not certain which answer is whose
			 - no answer 1: answers were lost while several requests waited: it is not certain which answer is whose
			 - no answer 2: answers were lost while several requests waited: it is not certain which answer is whose
			 - gap: 40 octets of the server's stream were not captured
			 - no request 3: the request was not captured
			 - no request 4: the request was not captured`},
		{"a hole in a head", []step{up(get), down("HTTP/1.1 200 OK\r\nContent-Le"), lostDown(10), down("5\r\n\r\nhello"), up(getB), down(world), fin},
			`0 GET http://a.example/ > 200 incomplete
			 1 GET http://a.example/b > 200 "world"
			 - gap: 10 octets of the server's stream were not captured
			 - gap 0: part of the header section was not captured
			 - syntax: 10 octets of the server's stream outside of any message`},
		{"the capture ends within a head", []step{up(get), down("HTTP/1.1 200 OK\r\nContent-Le")},
			`0 GET http://a.example/ > 200 incomplete
			 - truncated 0: header section is not complete`},

		// What goes on as something else.
		{"WebSocket: its frames are counted", []step{up("GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n"), down("HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n\x81\x02hi"), up("\x81\x80abcd"), fin},
			`0 GET http://h/ws > 101 | websocket 6 4`},
		{"a tunnel: what is inside is read anew", []step{up("CONNECT b.example:80 HTTP/1.1\r\nHost: b.example:80\r\n\r\n"), down("HTTP/1.1 200 OK\r\n\r\n"), up(get), down(hello), fin},
			`0 CONNECT <nil> > 200 | connect 35 43
			 1 GET http://a.example/ > 200 "hello"`},
		{"a tunnel whose client does not wait", []step{up("CONNECT b.example:80 HTTP/1.1\r\nHost: b.example:80\r\n\r\n", get), down("HTTP/1.1 200 OK\r\n\r\n", hello), fin},
			`0 CONNECT <nil> > 200 | connect 35 43
			 1 GET http://a.example/ > 200 "hello"`},
		{"within SOCKS", []step{up("\x05\x01\x00"), down("\x05\x00"), up("\x05\x01\x00\x01\xc0\x00\x02\x50\x00\x50"), down("\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"), up(get), down(hello), fin},
			`0 GET http://a.example/ > 200 "hello"`},
		{"a tunnel that was refused", []step{up("CONNECT b.example:80 HTTP/1.1\r\n\r\n"), down("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno"), up(get), down(hello), fin},
			`0 CONNECT <nil> > 403 "no"
			 1 GET http://a.example/ > 200 "hello"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := trim(c.want)
			if got := told(read(t, play(0, true, c.steps...), replay.Options{})); got != want {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
			if got := told(read(t, play(1, true, c.steps...), replay.Options{})); got != want {
				t.Errorf("in segments of one octet, got:\n%swant:\n%s", got, want)
			}
		})
	}
}

// trim takes the indentation away.
func trim(s string) string {
	var lines []string
	for _, l := range strings.Split(strings.TrimSpace(s), "\n") {
		lines = append(lines, strings.TrimSpace(l))
	}
	return strings.Join(lines, "\n") + "\n"
}

// TestMidstream: captures that begin within a connection.
func TestMidstream(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps []step
		want  string
	}{
		{"at a request", []step{up(get), down(hello), fin},
			`0 GET http://a.example/ > 200 "hello"`},
		{"at an answer", []step{down(hello), up(getB), down(world), fin},
			`0 > 200 "hello"
			 1 GET http://a.example/b > 200 "world"
			 - no request 0: the request was not captured`},
		{"within an answer's body", []step{down("lo, this is the end"), up(getB), down(world), fin},
			`0 GET http://a.example/b > 200 "world"
			 - midstream: 19 octets of the server's stream from before the first whole message`},
		{"within a long body", []step{down(strings.Repeat("All work and no play. ", 20000)), up(getB), down(world), fin},
			`0 GET http://a.example/b > 200 "world"
			 - midstream: 440000 octets of the server's stream from before the first whole message`},
		{"within an upload", []step{up("\x00\x01end"), down(hello), up(getB), down(world), fin},
			`0 > 200 "hello"
			 1 GET http://a.example/b > 200 "world"
			 - midstream: 5 octets of the client's stream from before the first whole message
			 - no request 0: the request was not captured`},
		{"TLS that was agreed on before", []step{up("\x17\x03\x03\x00\x03abc\x17\x03\x03\x00\x01a\x17\x03\x03\x00\x01a"), down("\x17\x03\x03\x00\x01a\x17\x03\x03\x00\x01a"), fin},
			`- encrypted: not decrypted: handshake not captured`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := read(t, play(0, false, c.steps...), replay.Options{})
			if got, want := told(r), trim(c.want); got != want {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
			if len(r.Flows) != 1 || !r.Flows[0].Midstream {
				t.Errorf("got flows %+v", r.Flows)
			}
		})
	}
}
