package exporters

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"syscall"
	"time"
)

// link is the way to a collector that never answers: syslog's and IPFIX's. It
// connects when asked, and again after every failure.
type link struct {
	endpoint
	mu   sync.Mutex // guards conn for Close
	conn *linkConn
}

// endpoint is where a collector listens.
type endpoint struct {
	transport string // udp, tcp, tls, unix
	address   string // host:port, or the socket's path
	tls       tlsOptions
}

// setHost takes host and port of a URL. port is the usual one, "" if there is none.
func (e *endpoint) setHost(u *url.URL, port string) error {
	if u.Port() != "" {
		port = u.Port()
	}
	switch {
	case u.Hostname() == "":
		return fmt.Errorf("want a host, as in %s://collector.example:6514", u.Scheme)
	case u.Path != "" && u.Path != "/" || u.User != nil:
		return errors.New("want host and port only, no path and no user")
	case port == "":
		return errors.New("want a port: plain TCP has no usual one")
	}
	e.address, e.tls.serverName = net.JoinHostPort(u.Hostname(), port), u.Hostname()
	return nil
}

// linkConn is a connection; stream parts are nil for datagrams.
type linkConn struct {
	net.Conn          // to write to
	raw      net.Conn // below TLS
	wire     *counted // raw, for streams
	ended    chan struct{}
	err      error // why it ended; set before ended is closed
}

const (
	dialTimeout  = 10 * time.Second // TLS handshake included
	writeTimeout = 10 * time.Second // for a peer that reads or acknowledges no more

	// How long a server may take to refuse a client behind the handshake: at least
	// acceptMin, longer where the handshake itself took its time.
	acceptMin   = 500 * time.Millisecond
	acceptTimes = 3
)

// past is a deadline that stops a connection's reads and writes at once.
var past = time.Unix(1, 0)

// writeDeadline is that of the next write; the end of ctx may have set its own before.
func writeDeadline(ctx context.Context) time.Time {
	if ctx.Err() != nil {
		return past
	}
	return time.Now().Add(writeTimeout)
}

func (s *link) connect(ctx context.Context) (*linkConn, error) {
	s.mu.Lock()
	conn := s.conn
	s.mu.Unlock()
	if conn != nil {
		return conn, nil
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.conn = conn
	s.mu.Unlock()
	return conn, nil
}

func (s *link) dial(ctx context.Context) (*linkConn, error) {
	var d net.Dialer
	switch s.transport {
	case "udp":
		c, err := d.DialContext(ctx, "udp", s.address)
		return &linkConn{Conn: c, raw: c}, err
	case "unix":
		c, err := d.DialContext(ctx, "unixgram", s.address)
		if !errors.Is(err, syscall.EPROTOTYPE) {
			return &linkConn{Conn: c, raw: c}, err
		}
		c, err = d.DialContext(ctx, "unix", s.address)
		if err != nil {
			return nil, err
		}
		return watch(c, nil), nil
	}
	raw, err := d.DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, err
	}
	giveUpUnacknowledged(raw)
	if s.transport != "tls" {
		return watch(raw, nil), nil
	}
	config, err := s.tls.config()
	if err != nil {
		raw.Close()
		return nil, err
	}
	return handshake(ctx, raw, config)
}

func handshake(ctx context.Context, raw net.Conn, config *tls.Config) (*linkConn, error) {
	wire := &counted{Conn: raw}
	c := tls.Client(wire, config)
	began := time.Now()
	if err := c.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	conn := watch(c, wire)
	conn.raw = raw
	took, end := time.Since(began), time.Now().Add(dialTimeout)
	if d, ok := ctx.Deadline(); ok {
		end = d
	}
	if err := conn.accepted(ctx, patience(took, time.Until(end))); err != nil {
		raw.Close()
		<-conn.ended
		return nil, err
	}
	return conn, nil
}

// patience is how long to wait behind a handshake that took so long, of the time
// that is left for connecting: a slow server would never be connected to otherwise.
func patience(took, left time.Duration) time.Duration {
	return max(acceptMin, min(acceptTimes*took, left/2))
}

// accepted waits for a server's second thoughts: in TLS 1.3 the client's handshake
// ends before the server has looked at the client's certificate, or missed one
// (RFC 8446 section 4.4.2.4), and what is sent in between its kernel acknowledges.
func (c *linkConn) accepted(ctx context.Context, patience time.Duration) error {
	wait := time.NewTimer(patience)
	defer wait.Stop()
	select {
	case <-c.ended:
		return fmt.Errorf("the server ended the connection behind the handshake (did it refuse our certificate?): %w", c.err)
	case <-ctx.Done():
		return ctx.Err()
	case <-wait.C:
		return nil
	}
}

// disconnect ends the connection; a broken one without a farewell, for which the
// peer might let us wait.
func (s *link) disconnect(broken bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return nil
	}
	end := s.conn.Conn
	if broken {
		end = s.conn.raw
	}
	err := end.Close()
	if s.conn.ended != nil {
		<-s.conn.ended
	}
	s.conn = nil
	return err
}

// watch makes a stream's connection notice when the peer ends it: a collector
// sends nothing, so without a reader only a later write would tell.
func watch(c net.Conn, wire *counted) *linkConn {
	w := &linkConn{Conn: c, raw: c, wire: wire, ended: make(chan struct{})}
	if wire == nil {
		w.wire = &counted{Conn: c}
		w.Conn = w.wire
	}
	go func() {
		var b [256]byte
		for w.err == nil {
			_, w.err = c.Read(b[:])
		}
		close(w.ended)
	}()
	return w
}

// over is why the peer ended the connection, nil if it did not.
func (c *linkConn) over() error {
	select {
	case <-c.ended:
		return fmt.Errorf("the server ended the connection: %w", c.err)
	default:
		return nil
	}
}
