package exporters

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// natsSink publishes lines to NATS, where a JetStream stream takes them:
//
//	nats://server:4222,server2:4222/kagami.{log}
//	nats+tls://server:4222/kagami?credentials=file:/etc/kagami/nats.creds
//
// The path is the subject. A line is sent when the stream has stored it and said
// so. The header Nats-Msg-Id (see identity) makes the stream drop a line that it
// gets again within its duplicate window (two minutes unless set otherwise),
// which is what a repeated attempt needs. The header kagami-stamp is the line's place
// in the account where the format has no room for it.
//
// Lines are published one behind the other without waiting for each answer. Where
// the stream refuses one of them for a while and takes those behind it, or changes
// its leader meanwhile, the refused ones come later; the identity tells the order.
//
// Options: user and password, or token, or credentials (what nsc writes), stream
// (which has to be the one that takes the subject), and for TLS ca, cert, key,
// server_name. A server that asks for TLS gets it with nats: too.
type natsSink struct {
	options  natsOptions
	id       identity
	patience time.Duration
	refusals refusals

	mu   sync.Mutex // guards conn for Close
	conn *natsConn

	settled settled
	header  nats.Header // scratch
	text    []byte      // scratch
}

func openNATS(u *url.URL, env Env) (Sink, error) {
	o, err := readNATSURL(u)
	if err != nil {
		return nil, err
	}
	if _, err := o.client(); err != nil { // so that what is wrong with files shows now
		return nil, err
	}
	if o.tls == nil && (o.password != "" || o.token != "") {
		env.Logger.Warn("password goes in clear to a server that asks for no TLS: use nats+tls", "subject", o.name.text)
	}
	return &natsSink{options: o, id: newIdentity(env), patience: brokerPatience, header: nats.Header{},
		refusals: newRefusals(env.Logger, "subject "+o.name.text), settled: settled{}}, nil
}

// Write implements Sink.
func (s *natsSink) Write(ctx context.Context, lines []Line) (Written, error) {
	conn, err := s.connect(ctx)
	if err != nil {
		return Written{}, s.options.explain(fmt.Errorf("connect to %s: %w", strings.Join(s.options.servers, ", "), err))
	}
	limit, cancel := withPatience(ctx, s.patience)
	defer cancel()
	stop := context.AfterFunc(limit, conn.dialer.cut) // ends a publish that hangs
	defer stop()
	r := s.settled.begin(lines)
	base := conn.expect(r)
	s.publish(conn, base, lines, r)
	if err := r.wait(limit); err != nil {
		r.fail(err)
	}
	conn.expect(nil)
	w, err := s.settled.end(lines, r, &s.refusals)
	if err != nil {
		s.disconnect()
		if limit.Err() != nil { // which ended the connection, whatever that said
			err = context.Cause(limit)
		}
		return w, s.options.explain(err)
	}
	return w, nil
}

func (s *natsSink) publish(conn *natsConn, base uint64, lines []Line, r *receipts) {
	if s.options.stream != "" {
		s.header.Set(nats.ExpectedStreamHdr, s.options.stream)
	}
	for i := range lines {
		if r.at(i) != lineWaiting {
			continue
		}
		l := &lines[i]
		delete(s.header, nats.MsgIdHdr)
		delete(s.header, stampHeader)
		stamp, text := splitStamp(l.Text)
		if len(stamp) > 0 {
			s.header[stampHeader] = []string{string(stamp[:len(stamp)-1])}
		}
		if id := s.id.append(s.text[:0], l); len(id) > 0 {
			s.header.Set(nats.MsgIdHdr, string(id))
			s.text = id[:0]
		}
		m := nats.Msg{Subject: s.options.name.of(l), Reply: conn.inbox + strconv.FormatUint(base+uint64(i), 10), Header: s.header, Data: text}
		err := conn.PublishMsg(&m)
		switch {
		case err == nil:
		case errors.Is(err, nats.ErrMaxPayload):
			r.settle(i, lineRefused, fmt.Errorf("%d octets are more than the server takes (max_payload %d)", len(text), conn.MaxPayload()))
		default:
			r.fail(fmt.Errorf("publish to subject %q: %w", m.Subject, err))
			return
		}
	}
}

func (s *natsSink) connect(ctx context.Context) (*natsConn, error) {
	s.mu.Lock()
	conn := s.conn
	s.mu.Unlock()
	if conn != nil {
		return conn, nil
	}
	options, err := s.options.client()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if conn, err = dialNATS(ctx, options); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.conn = conn
	s.mu.Unlock()
	return conn, nil
}

func (s *natsSink) disconnect() {
	s.mu.Lock()
	conn := s.conn
	s.conn = nil
	s.mu.Unlock()
	if conn != nil {
		conn.dialer.cut() // so that Close does not wait for a peer that reads no more
		conn.Close()
	}
}

// Flush implements Sink: nothing is held.
func (s *natsSink) Flush() error { return nil }

// Reopen implements Sink: there is no file.
func (s *natsSink) Reopen() error { return nil }

// Close implements Sink.
func (s *natsSink) Close() error {
	s.disconnect()
	return nil
}
