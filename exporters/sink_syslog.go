package exporters

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"syscall"
	"time"
)

// syslogSink sends lines as syslog messages:
//
//	syslog+udp://host:514                         a datagram each (RFC 5426)
//	syslog+tcp://host:601                         octet counted (RFC 6587 section 3.4.1)
//	syslog+tls://host:6514?ca=/path/ca.pem        octet counted in TLS (RFC 5425)
//	syslog+unix:///dev/log                        the machine's own daemon, in its form of RFC 3164
//
// Options: rfc=5424|3164, framing=octets|lf, facility=local0, tag=kagami,
// time=local|utc (RFC 3164), pen=32473 (of the structured data), max=8096 (octets
// of a message), rate=1000 (datagrams a second), and for TLS tlsOptions.
//
// A line longer than max sheds fields until it fits (shedder) or is refused. It
// connects with the first line and again after every failure.
//
// Syslog has no acknowledgement. Over TCP and TLS a line counts as sent when the
// receiver's kernel has acknowledged it; what a connection had not delivered when
// it broke is sent again. Datagrams count when they were handed to the kernel.
type syslogSink struct {
	link
	options syslogOptions
	message message
	logger  *slog.Logger
	shed    shedder

	msg    []byte // scratch: one message
	stream frames
	pace   pace
	toll   toll
}

func openSyslog(u *url.URL, env Env) (Sink, error) {
	o, err := readSyslogURL(u)
	if err != nil {
		return nil, err
	}
	if o.transport == "tls" {
		if _, err := o.tls.config(); err != nil { // the files are there and right
			return nil, err
		}
	}
	s := &syslogSink{link: link{endpoint: o.endpoint}, options: o, message: newMessage(&o, env), logger: env.Logger, pace: pace{rate: o.rate}}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	return s, nil
}

// Write implements Sink. Every error may pass.
func (s *syslogSink) Write(ctx context.Context, lines []Line) (Written, error) {
	conn, err := s.connect(ctx)
	if err != nil {
		return Written{}, transientError{fmt.Errorf("connect to %s: %w", s.address, err)}
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(past) })
	defer stop()
	var w Written
	if conn.wire == nil {
		w, err = s.writeDatagrams(ctx, conn, lines)
	} else {
		w, err = s.stream.writeStream(ctx, conn, lines, s.frame)
	}
	s.toll.tell(s.logger, s.address)
	if err != nil {
		s.disconnect(true)
		return w, transientError{fmt.Errorf("send to %s: %w", s.address, err)}
	}
	return w, nil
}

// fit makes a line's message, at most max octets; nil: it cannot be had.
func (s *syslogSink) fit(l *Line) []byte {
	msg, text := s.message.append(s.msg[:0], l)
	room := s.options.max - len(msg)
	if len(text) <= room {
		s.msg = append(msg, text...)
		return s.msg
	}
	var ok bool
	if s.msg, ok = s.shed.append(msg, text, room); !ok {
		s.toll.refused++
		return nil
	}
	s.toll.shed++
	return s.msg
}

// writeDatagrams sends each line by itself. Over UDP "connection refused" tells
// that earlier datagrams found nobody, not which: all of this Write come again. Of
// those before it nothing is known; syslog over UDP promises nothing.
func (s *syslogSink) writeDatagrams(ctx context.Context, conn *linkConn, lines []Line) (w Written, err error) {
	for i := range lines {
		msg := s.fit(&lines[i])
		if msg == nil {
			w.Refused++
			continue
		}
		s.pace.wait(ctx)
		conn.SetWriteDeadline(writeDeadline(ctx))
		switch _, err = conn.Write(msg); {
		case errors.Is(err, syscall.EMSGSIZE): // more than this socket ever takes
			s.toll.refused++
			w.Refused++
		case errors.Is(err, syscall.ECONNREFUSED) && s.transport == "udp":
			return Written{}, err
		case err != nil:
			return w, err
		default:
			w.Sent++
		}
	}
	if err := bounced(conn.raw); err != nil {
		return Written{}, err
	}
	return w, nil
}

// frame fills out and ends with the frames of the first lines.
func (s *syslogSink) frame(lines []Line) {
	f, chunk := &s.stream, streamChunk
	if s.transport == "tls" {
		chunk = tlsChunk
	}
	for i := range lines {
		msg := s.fit(&lines[i])
		switch {
		case msg == nil:
		case s.options.lines:
			f.out = append(append(f.out, msg...), '\n')
		default:
			f.out = append(strconv.AppendInt(f.out, int64(len(msg)), 10), ' ')
			f.out = append(f.out, msg...)
		}
		end := len(f.out)
		if msg == nil {
			end = refused
		}
		f.ends = append(f.ends, end)
		if len(f.out) >= chunk {
			return
		}
	}
}

// Flush implements Sink: nothing is held.
func (s *syslogSink) Flush() error { return nil }

// Reopen implements Sink: there is no file.
func (s *syslogSink) Reopen() error { return nil }

// Close implements Sink.
func (s *syslogSink) Close() error {
	s.disconnect(false) // every line was acknowledged
	return nil
}

// pace spreads datagrams over time.
type pace struct {
	rate int       // a second, 0 = no limit
	due  time.Time // of the next one
}

const paceBurst = 8 // datagrams that may follow each other at once

func (p *pace) wait(ctx context.Context) {
	if p.rate == 0 {
		return
	}
	gap, now := time.Second/time.Duration(p.rate), time.Now()
	if oldest := now.Add(-paceBurst * gap); p.due.Before(oldest) {
		p.due = oldest
	}
	if ahead := p.due.Sub(now); ahead > 0 {
		sleep(ctx, ahead)
	}
	p.due = p.due.Add(gap)
}

// toll tells once a minute what did not go as it was.
type toll struct {
	shed, refused uint64 // lines
	told          [2]uint64
	at            time.Time
}

func (t *toll) tell(log *slog.Logger, address string) {
	if t.told == [2]uint64{t.shed, t.refused} || !t.at.IsZero() && time.Since(t.at) < logEvery {
		return
	}
	log.Warn("lines are longer than max: raise it on both sides", "to", address, "shed_fields", t.shed-t.told[0], "refused", t.refused-t.told[1])
	t.told, t.at = [2]uint64{t.shed, t.refused}, time.Now()
}
