package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"kagami/evidence/replay"
)

// Server answers what a Reading holds.
type Server struct {
	o     Options
	ca    *ca
	tls   *tls.Config
	http2 *http.Server
	queue *handover // connections that speak HTTP/2
	slots chan struct{}
	done  chan struct{} // closed: no more requests are taken
	start sync.Once

	mu        sync.Mutex // of all below
	match     *matcher
	books     books
	listeners []net.Listener
	conns     map[*conn]bool // whether it waits for a request
}

// New makes a server of a Reading, which must not change from then on.
func New(r *replay.Reading, o Options) (*Server, error) {
	o.Limits = o.Limits.withDefaults()
	if o.Now == nil {
		o.Now = time.Now
	}
	authority, err := newCA(o.Now(), o.Limits.Leaves)
	if err != nil {
		return nil, fmt.Errorf("serve replay: %w", err)
	}
	s := &Server{o: o, ca: authority, match: newMatcher(r, o.Client, o.Fuzzy), queue: newHandover(),
		slots: make(chan struct{}, o.Limits.Connections), done: make(chan struct{}), conns: map[*conn]bool{}}
	s.books = books{out: o.Misses, most: o.Limits.Misses, stats: Stats{Noise: map[string]int{}}}
	s.tls = &tls.Config{GetConfigForClient: s.tlsFor, Time: o.Now}
	s.http2 = &http.Server{
		Handler:        http.HandlerFunc(s.serveHTTP2),
		ReadTimeout:    o.Limits.Request,
		WriteTimeout:   o.Limits.Write, // moved on with each piece of an answer
		IdleTimeout:    o.Limits.Idle,
		MaxHeaderBytes: o.Limits.Header,
		HTTP2:          &http.HTTP2Config{MaxConcurrentStreams: o.Limits.Streams},
		ErrorLog:       log.New(io.Discard, "", 0),
	}
	return s, nil
}

// Certificate is that of the authority that signs for all hosts. It is of no use to
// anybody else: its key is in this Server's memory only.
func (s *Server) Certificate() *x509.Certificate { return s.ca.cert }

// Stats counts what was asked so far.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.books.copy()
}

// Serve answers the connections of l until Shutdown, and closes l. Like Listen it
// refuses addresses from which others could get at what it answers.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	if a, ok := l.Addr().(*net.TCPAddr); ok {
		if err := mayListen(a.AddrPort().Addr()); err != nil {
			return fmt.Errorf("serve replay: %w", err)
		}
	}
	s.start.Do(func() { go s.http2.Serve(s.queue) }) // its end is Shutdown's
	s.mu.Lock()
	s.listeners = append(s.listeners, l)
	s.mu.Unlock()
	for {
		select {
		case s.slots <- struct{}{}:
		case <-s.done:
			return nil
		}
		c, err := l.Accept()
		switch {
		case err == nil:
			s.take(c)
			continue
		case s.stopping():
			return nil
		}
		<-s.slots
		if !isPassing(err) {
			return fmt.Errorf("serve replay: %w", err)
		}
		select { // the system is short of something
		case <-time.After(100 * time.Millisecond):
		case <-s.done:
		}
	}
}

// isPassing tells an error of Accept that may not come again.
func isPassing(err error) bool {
	return !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF)
}

// take serves a connection in the slot that it has.
func (s *Server) take(nc net.Conn) {
	c := &conn{Conn: nc, s: s}
	s.mu.Lock()
	s.conns[c] = false
	s.mu.Unlock()
	if s.stopping() {
		c.Close()
		return
	}
	go s.serve(c)
}

func (s *Server) stopping() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// conn is a connection that has a slot until it is closed.
type conn struct {
	net.Conn
	s    *Server
	once sync.Once
}

// Close implements net.Conn.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.s.mu.Lock()
		delete(c.s.conns, c)
		c.s.mu.Unlock()
		<-c.s.slots
	})
	return err
}

// waits notes whether a connection waits for a request. It is false when no more
// requests are taken.
func (s *Server) waits(c *conn, waits bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, open := s.conns[c]; open {
		s.conns[c] = waits
	}
	return !s.stopping()
}

// Shutdown takes no more requests, and waits for the answers under way. When ctx ends
// before they do, they are cut off. The error is what went wrong while writing misses,
// or ctx's.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if !s.stopping() {
		close(s.done)
	}
	for _, l := range s.listeners {
		l.Close()
	}
	idle := s.open(true)
	s.mu.Unlock()
	for _, c := range idle {
		c.Close()
	}
	s.queue.Close()
	err := s.http2.Shutdown(ctx)
	if err == nil {
		err = s.drained(ctx)
	}
	s.http2.Close()
	s.mu.Lock()
	left := s.open(false)
	failed := s.books.err
	s.mu.Unlock()
	for _, c := range left {
		c.Close()
	}
	return errors.Join(err, failed)
}

// open are the connections there are, or those that wait.
func (s *Server) open(waiting bool) (cs []*conn) {
	for c, waits := range s.conns {
		if waits || !waiting {
			cs = append(cs, c)
		}
	}
	return cs
}

// drained waits until no connection is left.
func (s *Server) drained(ctx context.Context) error {
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		s.mu.Lock()
		n := len(s.conns)
		s.mu.Unlock()
		if n == 0 {
			tick.Stop()
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			tick.Stop()
			return fmt.Errorf("stop replay server: %w", ctx.Err())
		}
	}
}

// reply finds the answer to a request, and notes what was asked.
func (s *Server) reply(q *request) *reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.match.sendsBack(q) {
		s.books.sentBack()
		return sentBack(q)
	}
	f := s.match.find(q)
	if f.answer != nil {
		r := answered(q, &f, s.o.Defang)
		s.books.hit()
		if s.o.Hit != nil {
			s.o.Hit(Hit{Time: s.o.Now(), Method: q.method, URL: q.address.String(), Referer: q.get("Referer"),
				Transaction: f.t, Object: f.object, Match: f.match, Status: r.status})
		}
		return r
	}
	if known, _ := s.match.knows(hostOf(q.host)); !known && isNoise(q) {
		s.books.noise(hostOf(q.host))
		return missed(q, "browsers ask for it by themselves, it has to do with no page", "")
	}
	near := s.match.nearest(q)
	s.books.miss(Miss{Time: s.o.Now().UTC(), Method: q.method, URL: q.address.String(), Reason: f.why, Nearest: near, Referer: q.get("Referer")})
	return missed(q, f.why, near)
}

// malformed counts a request that was not understood, and makes its reply.
func (s *Server) malformed(r *refusal) *reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.books.malformed()
	return plainReply(r.status, "The replay server does not take this: "+r.why+".\n")
}

// tlsFor says how TLS is spoken with a client.
func (s *Server) tlsFor(h *tls.ClientHelloInfo) (*tls.Config, error) {
	host := h.ServerName
	if c, ok := h.Conn.(*peeked); ok && host == "" {
		host = hostOf(c.host)
	}
	cert, err := s.ca.certificate(host)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	known, two := s.match.knows(host)
	s.mu.Unlock()
	c := &tls.Config{Certificates: []tls.Certificate{*cert}, NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS10, Time: s.o.Now}
	if known && !two { // the order of header fields is kept by HTTP/1 only
		c.NextProtos = c.NextProtos[1:]
	}
	if !slices.Contains(h.SupportedProtos, "h2") {
		c.NextProtos = nil // a client of old may offer what nobody knows
	}
	return c, nil
}
