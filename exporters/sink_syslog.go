package exporters

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// syslogSink sends lines as RFC 5424 messages:
//
//	syslog+udp://host:514                         one datagram each (RFC 5426)
//	syslog+tcp://host:601                         octet counted (RFC 6587 section 3.4.1)
//	syslog+tls://host:6514?ca=/path/ca.pem        octet counted in TLS (RFC 5425)
//
// Options: facility=local0, max=8096 (octets of a message; a line that does not
// fit is refused and counted, never cut), and for TLS ca, cert and key (PEM
// files), server_name. It connects with the first line and again after every
// failure; a message that was cut off by one is sent again as a whole.
type syslogSink struct {
	network string // "udp" or "tcp"
	address string
	tls     *tls.Config // nil without TLS
	message message
	max     int

	mu   sync.Mutex // guards conn for Close
	conn net.Conn   // nil when not connected

	header []byte // scratch
	out    []byte // scratch: frames of one write
	ends   []int  // scratch: where each line's frame ends in out
}

const (
	dialTimeout  = 10 * time.Second // TLS handshake included
	writeTimeout = 10 * time.Second // for a peer that reads no more
	streamChunk  = 64 << 10         // octets per write to a stream
)

func openSyslog(u *url.URL, env Env) (Sink, error) {
	o, err := readSyslogURL(u)
	if err != nil {
		return nil, err
	}
	s := &syslogSink{network: "tcp", address: o.address, max: o.max, message: newMessage(o.facility, env.HostName)}
	switch u.Scheme {
	case "syslog+udp":
		s.network = "udp"
	case "syslog+tls":
		if s.tls, err = o.tlsConfig(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// past is a deadline that stops a connection's reads and writes at once.
var past = time.Unix(1, 0)

// Write implements Sink. Every error may pass.
func (s *syslogSink) Write(ctx context.Context, lines []Line) (Written, error) {
	conn, err := s.connect(ctx)
	if err != nil {
		return Written{}, transientError{fmt.Errorf("connect to %s: %w", s.address, err)}
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(past) })
	defer stop()
	var w Written
	if s.network == "udp" {
		w, err = s.writeDatagrams(conn, lines)
	} else {
		w, err = s.writeStream(ctx, conn, lines)
	}
	if err != nil {
		s.disconnect()
		return w, transientError{fmt.Errorf("send to %s: %w", s.address, err)}
	}
	return w, nil
}

// writeDatagrams sends what it can even when nobody listens: "connection refused"
// tells of an earlier datagram, so the one at hand is sent again and the error
// returned at the end.
func (s *syslogSink) writeDatagrams(conn net.Conn, lines []Line) (w Written, err error) {
	for i := range lines {
		s.out = append(s.message.append(s.out[:0], &lines[i]), lines[i].Text...)
		if len(s.out) > s.max {
			w.Refused++
			continue
		}
		_, failed := conn.Write(s.out)
		if errors.Is(failed, syscall.ECONNREFUSED) {
			err = failed
			_, failed = conn.Write(s.out)
		}
		if failed != nil {
			return w, failed
		}
		w.Sent++
	}
	return w, err
}

func (s *syslogSink) writeStream(ctx context.Context, conn net.Conn, lines []Line) (w Written, err error) {
	for w.done() < len(lines) {
		s.frame(lines[w.done():])
		conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		if ctx.Err() != nil { // the end of ctx may have set its deadline before ours
			conn.SetWriteDeadline(past)
		}
		n := 0
		if len(s.out) > 0 {
			n, err = conn.Write(s.out)
		}
		from := 0
		for _, end := range s.ends {
			switch {
			case end == from:
				w.Refused++
			case end <= n:
				w.Sent++
			default:
				return w, err
			}
			from = end
		}
		if err != nil {
			return w, err
		}
	}
	return w, nil
}

// frame fills out and ends with the frames of the first lines; a line that is
// refused has a frame of no octets.
func (s *syslogSink) frame(lines []Line) {
	s.out, s.ends = s.out[:0], s.ends[:0]
	for i := range lines {
		l := &lines[i]
		s.header = s.message.append(s.header[:0], l)
		if n := len(s.header) + len(l.Text); n <= s.max {
			s.out = strconv.AppendInt(s.out, int64(n), 10)
			s.out = append(s.out, ' ')
			s.out = append(append(s.out, s.header...), l.Text...)
		}
		s.ends = append(s.ends, len(s.out))
		if len(s.out) >= streamChunk {
			return
		}
	}
}

func (s *syslogSink) connect(ctx context.Context) (net.Conn, error) {
	s.mu.Lock()
	conn := s.conn
	s.mu.Unlock()
	if conn != nil {
		return conn, nil
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, s.network, s.address)
	if err != nil {
		return nil, err
	}
	if s.tls != nil {
		t := tls.Client(conn, s.tls)
		if err := t.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, err
		}
		conn = t
	}
	if s.network == "tcp" {
		conn = watch(conn)
	}
	s.mu.Lock()
	s.conn = conn
	s.mu.Unlock()
	return conn, nil
}

func (s *syslogSink) disconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

// Flush implements Sink: nothing is held.
func (s *syslogSink) Flush() error { return nil }

// Reopen implements Sink: there is no file.
func (s *syslogSink) Reopen() error { return nil }

// Close implements Sink.
func (s *syslogSink) Close() error {
	s.disconnect()
	return nil
}

// watched is a connection that notices when the peer ends it. A collector sends
// nothing, so without a reader the first write after its end would be lost.
type watched struct {
	net.Conn
	ended chan struct{} // closed when err is set
	err   error
}

func watch(c net.Conn) *watched {
	w := &watched{Conn: c, ended: make(chan struct{})}
	go func() {
		var b [256]byte
		for w.err == nil {
			_, w.err = c.Read(b[:])
		}
		close(w.ended)
	}()
	return w
}

func (w *watched) Write(b []byte) (int, error) {
	select {
	case <-w.ended:
		return 0, fmt.Errorf("the server ended the connection: %w", w.err)
	default:
		return w.Conn.Write(b)
	}
}
