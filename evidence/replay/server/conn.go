package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"kagami/evidence/replay"
)

// peeked is a connection of which some octets were read ahead.
type peeked struct {
	net.Conn
	br   *bufio.Reader
	host string // of the CONNECT, "" = none
}

// Read implements net.Conn.
func (p *peeked) Read(b []byte) (int, error) { return p.br.Read(b) }

// serve serves a connection and closes it, unless net/http does.
func (s *Server) serve(c *conn) {
	if !s.talk(c) {
		c.Close()
	}
}

// talk speaks HTTP/1, or TLS, by the first octet; behind a CONNECT again. It is true
// when the connection turns out to be HTTP/2 and was passed on.
func (s *Server) talk(c *conn) bool {
	from := origin{scheme: "http"}
	br := bufio.NewReader(c)
	w := net.Conn(c)
	for {
		if from.scheme == "http" {
			first, err := s.await(c, w, br)
			if err != nil {
				return false
			}
			if first == tlsHandshake {
				t := s.secure(w, br, &from)
				switch {
				case t == nil:
					return false
				case t.ConnectionState().NegotiatedProtocol == "h2":
					t.SetDeadline(time.Time{})
					return s.queue.give(t)
				}
				w, br = t, bufio.NewReader(t)
			}
		}
		to, ok := s.requests(c, w, br, from)
		if !ok {
			return false
		}
		from = origin{scheme: "http", authority: to, tunnel: true}
	}
}

// tlsHandshake is the first octet of a TLS connection (RFC 8446 section 5.1).
const tlsHandshake = 22

// await waits for a connection's next octet.
func (s *Server) await(c *conn, w net.Conn, br *bufio.Reader) (byte, error) {
	if !s.waits(c, true) {
		return 0, net.ErrClosed
	}
	w.SetReadDeadline(time.Now().Add(s.o.Limits.Idle))
	b, err := br.Peek(1)
	if err != nil {
		return 0, err
	}
	if !s.waits(c, false) {
		return 0, net.ErrClosed
	}
	w.SetReadDeadline(time.Now().Add(s.o.Limits.Request))
	return b[0], nil
}

// secure makes TLS of a connection; nil when that fails.
func (s *Server) secure(c net.Conn, br *bufio.Reader, from *origin) *tls.Conn {
	t := tls.Server(&peeked{Conn: c, br: br, host: from.authority}, s.tls)
	ctx, cancel := context.WithTimeout(context.Background(), s.o.Limits.Request)
	defer cancel()
	if t.HandshakeContext(ctx) != nil {
		return nil
	}
	if from.authority == "" {
		from.authority = t.ConnectionState().ServerName
	}
	from.scheme = "https"
	return t
}

// requests answers what comes on a connection until it ends, or until a CONNECT: then
// to is where it goes on to.
func (s *Server) requests(c *conn, w net.Conn, br *bufio.Reader, from origin) (to string, ok bool) {
	for {
		if _, err := s.await(c, w, br); err != nil {
			return "", false
		}
		q, err := s.read(w, br, from)
		var no *refusal
		switch {
		case errors.As(err, &no):
			if send(w, s.malformed(no), nil, true, s.o.Limits.Write) {
				linger(c)
			}
			return "", false
		case err != nil:
			return "", false
		case q.method == "CONNECT":
			_, err := io.WriteString(w, "HTTP/1.1 200 Connection established\r\n\r\n")
			return q.connect, err == nil
		}
		closes := q.closes() || s.stopping()
		if !send(w, s.reply(q), q, closes, s.o.Limits.Write) || closes {
			return "", false
		}
	}
}

// linger reads on for a moment before a connection is closed that the client still
// writes to: else its system may throw the reply away (RFC 9112 section 9.6).
func linger(c *conn) {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	io.CopyN(io.Discard, c, piece)
}

// read reads a request with its body.
func (s *Server) read(w net.Conn, br *bufio.Reader, from origin) (*request, error) {
	q, err := readHead(br, s.o.Limits.Header, from)
	if err != nil {
		return q, err
	}
	if q.length != 0 && strings.EqualFold(q.get("Expect"), "100-continue") && q.length <= int64(s.o.Limits.Body) {
		w.SetWriteDeadline(time.Now().Add(s.o.Limits.Write))
		if _, err := io.WriteString(w, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
			return nil, err
		}
	}
	return q, q.readBody(br, s.o.Limits.Body)
}

// piece is how much is written at once, in octets.
const piece = 256 << 10

// send writes a reply. Each piece has its own time.
func send(w net.Conn, r *reply, q *request, closes bool, wait time.Duration) bool {
	head, body := r.write(q, closes)
	for _, b := range [][]byte{head, body} {
		for len(b) > 0 {
			n := min(len(b), piece)
			w.SetWriteDeadline(time.Now().Add(wait))
			if _, err := w.Write(b[:n]); err != nil {
				return false
			}
			b = b[n:]
		}
	}
	return true
}

// serveHTTP2 answers a request of HTTP/2.
func (s *Server) serveHTTP2(w http.ResponseWriter, h *http.Request) {
	q := &request{method: h.Method, version: "HTTP/2"}
	for name, values := range h.Header {
		for _, v := range values {
			q.header = append(q.header, replay.Field{Name: name, Value: v})
		}
	}
	err := q.locate2(h)
	if err == nil {
		q.body, err = io.ReadAll(io.LimitReader(h.Body, int64(s.o.Limits.Body)+1))
	}
	if err == nil && len(q.body) > s.o.Limits.Body {
		err = refuse(http.StatusRequestEntityTooLarge, "the body is longer than %d octets", s.o.Limits.Body)
	}
	var r *reply
	if no := (*refusal)(nil); errors.As(err, &no) {
		r = s.malformed(no)
	} else if err != nil {
		r = s.malformed(&refusal{http.StatusBadRequest, "the body did not arrive"})
	} else {
		r = s.reply(q)
	}
	r.fill(w.Header())
	w.WriteHeader(r.status)
	_, body := r.write(q, false)
	moves := http.NewResponseController(w)
	for len(body) > 0 {
		n := min(len(body), piece)
		moves.SetWriteDeadline(time.Now().Add(s.o.Limits.Write))
		if _, err := w.Write(body[:n]); err != nil {
			return
		}
		body = body[n:]
	}
}

// locate2 finds out what a request of HTTP/2 asks for.
func (q *request) locate2(h *http.Request) error {
	if h.Method == "CONNECT" {
		return refuse(http.StatusNotImplemented, "CONNECT within a connection that goes somewhere already")
	}
	if !isToken(h.Method) {
		return refuse(http.StatusBadRequest, "the method is no token")
	}
	if q.address = newAddress("https", h.Host, h.RequestURI); !isAuthority(q.host) {
		return refuse(http.StatusBadRequest, "the authority is none")
	}
	return nil
}

// handover is a listener of connections that were accepted elsewhere.
type handover struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newHandover() *handover {
	return &handover{conns: make(chan net.Conn), done: make(chan struct{})}
}

// give waits until a connection is taken; false when none are any more.
func (h *handover) give(c net.Conn) bool {
	select {
	case h.conns <- c:
		return true
	case <-h.done:
		return false
	}
}

// Accept implements net.Listener.
func (h *handover) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *handover) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

// Addr implements net.Listener.
func (h *handover) Addr() net.Addr { return &net.UnixAddr{Name: "replay", Net: "unix"} }
