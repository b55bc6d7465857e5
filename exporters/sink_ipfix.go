package exporters

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// ipfixSink sends the data records of format ipfix to a collector (RFC 7011):
//
//	ipfix+udp://host:4739?max=1400&domain=1      templates again every minute
//	ipfix+tcp://host:4739                        templates with every connection
//	ipfix+tls://host:4740?ca=/path/ca.pem        the same in TLS
//
// Over TCP and TLS a record counts as sent when the collector's kernel has
// acknowledged it; the rest is sent again in a new session. Datagrams count when
// they were handed to the kernel; pace spreads them.
type ipfixSink struct {
	link
	max    int // octets of a message
	domain uint32

	sequence uint32 // data records sent in this session before the next message
	template time.Time
	session  *linkConn
	stream   frames
	pace     pace
}

const (
	ipfixHeader      = 16
	ipfixSetHeader   = 4
	maxIPFIXStream   = 16 << 10
	defaultDatagram  = 1400
	leastIPFIX       = 512
	templateEvery    = time.Minute
	maxIPFIXDatagram = 9000
)

func checkIPFIX(u *url.URL) error {
	_, err := readIPFIXURL(u)
	return err
}

func openIPFIX(u *url.URL, _ Env) (Sink, error) {
	s, err := readIPFIXURL(u)
	if err == nil && s.transport == "tls" {
		_, err = s.tls.config() // the files are there and right
	}
	return s, err
}

func readIPFIXURL(u *url.URL) (*ipfixSink, error) {
	s := &ipfixSink{link: link{endpoint: endpoint{transport: strings.TrimPrefix(u.Scheme, "ipfix+")}}, max: defaultDatagram, domain: 1, pace: pace{rate: defaultRate}}
	port, known := "4739", []string{"domain"}
	switch s.transport {
	case "udp":
		known = append(known, "max")
	case "tls":
		port, known = "4740", append(known, tlsOptionNames()...)
	}
	if s.transport != "udp" {
		s.max = maxIPFIXStream
	}
	err := s.setHost(u, port)
	q, queryErr := url.ParseQuery(u.RawQuery)
	return s, errors.Join(err, queryErr, readOptions(q, known, s.set), s.tls.check())
}

// set reads one option, whose name is known.
func (s *ipfixSink) set(name, value string) (err error) {
	switch name {
	case "max":
		s.max, err = number("max", "octets", value, leastIPFIX, maxIPFIXDatagram)
	case "domain":
		n := 0
		n, err = number("domain", "an observation domain", value, 0, 1<<31-1)
		s.domain = uint32(n)
	default:
		s.tls.set(name, value)
	}
	return err
}

// Write implements Sink. Every error may pass.
func (s *ipfixSink) Write(ctx context.Context, lines []Line) (Written, error) {
	conn, err := s.connect(ctx)
	if err != nil {
		return Written{}, transientError{fmt.Errorf("connect to %s: %w", s.address, err)}
	}
	if conn != s.session {
		s.session, s.template = conn, time.Time{}
		if s.transport != "udp" {
			s.sequence = 0 // a session of its own
		}
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(past) })
	defer stop()
	var w Written
	if s.transport == "udp" {
		w, err = s.writeDatagrams(ctx, conn, lines)
	} else {
		w, err = s.stream.writeStream(ctx, conn, lines, s.frame)
	}
	if err != nil {
		s.disconnect(true)
		return w, transientError{fmt.Errorf("send to %s: %w", s.address, err)}
	}
	return w, nil
}

// writeDatagrams: as of syslog's.
func (s *ipfixSink) writeDatagrams(ctx context.Context, conn *linkConn, lines []Line) (w Written, err error) {
	for w.Sent < len(lines) {
		if now := time.Now(); now.Sub(s.template) >= templateEvery {
			s.template = time.Time{}
		}
		s.stream.out, s.stream.ends = s.stream.out[:0], s.stream.ends[:0]
		s.frame(lines[w.Sent:])
		s.pace.wait(ctx)
		conn.SetWriteDeadline(writeDeadline(ctx))
		switch _, err = conn.Write(s.stream.out); {
		case errors.Is(err, syscall.ECONNREFUSED):
			return Written{}, err
		case err != nil:
			return w, err
		}
		w.Sent += len(s.stream.ends)
	}
	if err := bounced(conn.raw); err != nil {
		return Written{}, err
	}
	return w, nil
}

// frame puts one message with the first lines into the stream's out and ends, and
// the templates before them if it is time.
func (s *ipfixSink) frame(lines []Line) {
	f := &s.stream
	f.out = append(f.out, make([]byte, ipfixHeader)...)
	if s.template.IsZero() {
		f.out = appendTemplates(f.out)
		s.template = time.Now()
	}
	set, n := 0, 0 // where the set began, records
	for n < len(lines) {
		record := lines[n].Text
		number := binary.BigEndian.Uint16(record)
		room := s.max - len(f.out) - (len(record) - 2)
		if set == 0 || binary.BigEndian.Uint16(f.out[set:]) != number {
			if n > 0 && room < ipfixSetHeader {
				break
			}
			set = len(f.out)
			f.out = append(f.out, record[0], record[1], 0, 0)
		} else if room < 0 {
			break
		}
		f.out = append(f.out, record[2:]...)
		binary.BigEndian.PutUint16(f.out[set+2:], uint16(len(f.out)-set))
		n++
	}
	binary.BigEndian.PutUint16(f.out[0:], 10) // version
	binary.BigEndian.PutUint16(f.out[2:], uint16(len(f.out)))
	binary.BigEndian.PutUint32(f.out[4:], uint32(time.Now().Unix()))
	binary.BigEndian.PutUint32(f.out[8:], s.sequence)
	binary.BigEndian.PutUint32(f.out[12:], s.domain)
	s.sequence += uint32(n)
	for range n {
		f.ends = append(f.ends, len(f.out))
	}
}

// Flush implements Sink: nothing is held.
func (s *ipfixSink) Flush() error { return nil }

// Reopen implements Sink: there is no file.
func (s *ipfixSink) Reopen() error { return nil }

// Close implements Sink.
func (s *ipfixSink) Close() error {
	s.disconnect(false)
	return nil
}
