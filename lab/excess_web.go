package lab

import (
	"fmt"
	"strconv"
)

const (
	kilo = 1 << 10
	mega = 1 << 20
)

// one is a script of one connection to a port of the server.
func one(port uint16, script func(*Talk)) func(*Flood) {
	return func(f *Flood) {
		t := f.Dial(peers(0, port))
		script(t)
		t.Close()
	}
}

// bytewise is one, in segments of one octet.
func bytewise(port uint16, script func(*Talk)) func(*Flood) {
	return one(port, func(t *Talk) {
		t.mss = 1
		script(t)
	})
}

const getFrom = "GET / HTTP/1.1\r\nHost: www.example\r\n"

// filler is a kilobyte of a text that ends nothing.
var filler = fmt.Sprintf("%01024d", 7)

// webExcesses are those of HTTP/1 (RFC 9112) and WebSocket.
func webExcesses() []Excess {
	return []Excess{
		{"http: request line without end", one(80, func(t *Talk) {
			t.Tell(Client, "GET /")
			t.Repeat(Client, 4*kilo, filler)
		})},
		{"http: request line, octet by octet", bytewise(80, func(t *Talk) {
			t.Tell(Client, "GET /")
			t.Repeat(Client, 96, filler)
		})},
		{"http: header line without end", one(80, func(t *Talk) {
			t.Tell(Client, getFrom+"X: ")
			t.Repeat(Client, 4*kilo, filler)
		})},
		{"http: header lines without end", one(80, func(t *Talk) {
			t.Tell(Client, getFrom)
			t.Endless(Client, 400*kilo, func(b []byte, i int) []byte { return fmt.Appendf(b, "x%d: y\r\n", i) })
		})},
		{"http: header lines, octet by octet", bytewise(80, func(t *Talk) {
			t.Tell(Client, getFrom)
			t.Repeat(Client, 20*kilo, "x:y\r\n")
		})},
		{"http: folded header without end", one(80, func(t *Talk) {
			t.Tell(Client, getFrom+"X: y\r\n")
			t.Repeat(Client, mega, " z\r\n")
		})},
		{"http: requests of long headers", one(80, func(t *Talk) {
			t.Endless(Client, 64, func(b []byte, i int) []byte {
				b = append(b, getFrom+"User-Agent: "...)
				b = append(fmt.Appendf(b, "%d", i), longText(56*kilo)...)
				return append(b, "\r\n\r\n"...)
			})
		})},
		{"http: empty lines without end", one(80, func(t *Talk) {
			t.Tell(Client, getFrom+"\r\n")
			t.Repeat(Client, 2*mega, "\r\n")
		})},
		{"http: requests without answers", one(80, func(t *Talk) {
			t.Endless(Client, 20*kilo, func(b []byte, i int) []byte { return fmt.Appendf(b, "GET /%d HTTP/1.1\r\nHost: a.example\r\n\r\n", i) })
		})},
		{"http: answers without requests", one(80, func(t *Talk) {
			t.Tell(Client, getFrom+"\r\n")
			t.Repeat(Server, 20*kilo, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		})},
		{"http: 1xx answers without end", one(80, func(t *Talk) {
			t.Tell(Client, getFrom+"\r\n")
			t.Repeat(Server, 100*kilo, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
			t.Tell(Server, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		})},
		{"http: chunk extension without end", one(80, func(t *Talk) {
			t.Tell(Client, getFrom+"\r\n")
			t.Tell(Server, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=")
			t.Repeat(Server, 4*kilo, filler)
		})},
		{"http: chunks of one octet", one(80, func(t *Talk) {
			t.Tell(Client, getFrom+"\r\n")
			t.Tell(Server, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			t.Repeat(Server, mega, "1\r\nx\r\n")
		})},
		{"http: trailers without end", one(80, func(t *Talk) {
			t.Tell(Client, getFrom+"\r\n")
			t.Tell(Server, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
			t.Endless(Server, 400*kilo, func(b []byte, i int) []byte { return fmt.Appendf(b, "x%d: y\r\n", i) })
		})},
		{"http: CONNECT never answered", one(3128, func(t *Talk) {
			t.Tell(Client, "CONNECT www.example:443 HTTP/1.1\r\n\r\n")
			t.Repeat(Client, 4*kilo, filler)
		})},
		{"http: CONNECT in CONNECT", one(3128, func(t *Talk) {
			for range 1000 {
				t.Tell(Client, "CONNECT www.example:80 HTTP/1.1\r\n\r\n")
				t.Tell(Server, "HTTP/1.1 200 OK\r\n\r\n")
			}
		})},
		{"websocket: a million tiny frames", one(80, func(t *Talk) {
			t.upgrade("websocket")
			t.Repeat(Client, mega, "\x81\x81\x00\x00\x00\x00x")
		})},
		{"websocket: empty fragments without end", one(80, func(t *Talk) {
			t.upgrade("websocket")
			t.Repeat(Server, mega, "\x00\x00")
		})},
		{"unknown: segments of one octet", bytewise(4444, func(t *Talk) {
			t.Repeat(Client, 100*kilo, "\x00")
			t.Repeat(Server, 100*kilo, "\x01")
		})},
	}
}

// upgrade switches the connection to another protocol (RFC 9110 section 7.8).
func (t *Talk) upgrade(protocol string) {
	t.Tell(Client, getFrom+"Connection: Upgrade\r\nUpgrade: "+protocol+"\r\n\r\n")
	t.Tell(Server, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+protocol+"\r\n\r\n")
}

// longText is n octets without a blank.
func longText(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(i%23)
	}
	return b
}

// answered is a request and the head of its answer, with these fields.
func (t *Talk) answered(fields string) {
	t.Tell(Client, getFrom+"\r\n")
	t.Tell(Server, "HTTP/1.1 200 OK\r\n"+fields+"\r\n")
}

func lengthOf(n int) string { return "Content-Length: " + strconv.Itoa(n) + "\r\n" }
