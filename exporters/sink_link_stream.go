package exporters

import (
	"context"
	"errors"
	"math"
	"net"
	"sync/atomic"
	"time"
)

// Octets per write to a stream, one line more at most. Over TLS only whole writes
// can be known to have arrived, so they are small.
const (
	streamChunk = 64 << 10
	tlsChunk    = 14 << 10 // mostly one record
)

// Pauses between two looks at what a peer has acknowledged.
const (
	ackPauseMin = 20 * time.Microsecond
	ackPauseMax = 5 * time.Millisecond
)

var errUnacknowledged = errors.New("the receiver acknowledges nothing")

// counted counts the octets that went into a connection, those of TLS included: its
// reader may send an alert.
type counted struct {
	net.Conn
	n atomic.Int64
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.n.Add(int64(n))
	return n, err
}

// frames are the lines of one Write on their way into a stream.
type frames struct {
	out   []byte
	ends  []int   // where the frame of each of these lines ends in out, or refused
	marks []int64 // of all lines so far: where on the wire a line ends, notSent, or refused
}

const (
	notSent = math.MaxInt64
	refused = -1
)

// writeStream sends all lines, which frame puts into out and ends, as many as it
// likes at a time; then it waits until the peer's
// kernel has acknowledged them: what it has not is for the caller to offer again.
func (f *frames) writeStream(ctx context.Context, conn *linkConn, lines []Line, frame func([]Line)) (Written, error) {
	f.marks = f.marks[:0]
	var err error
	for rest := lines; err == nil && len(rest) > 0; rest = lines[len(f.marks):] {
		if err = conn.over(); err == nil {
			f.out, f.ends = f.out[:0], f.ends[:0]
			frame(rest)
			err = f.send(conn, writeDeadline(ctx))
		}
	}
	sent := conn.wire.n.Load() // before that: an alert in between is no line
	waiting, known := unacknowledged(conn.raw)
	if err == nil && known && waiting > 0 {
		waiting, err = conn.acknowledged(ctx, waiting)
	}
	return f.written(sent - waiting), err
}

// send writes the frames and marks where they ended.
func (f *frames) send(conn *linkConn, deadline time.Time) error {
	conn.SetWriteDeadline(deadline)
	began, n := conn.wire.n.Load(), 0
	var err error
	if len(f.out) > 0 {
		n, err = conn.Write(f.out)
	}
	encrypted := conn.Conn != net.Conn(conn.wire)
	for _, end := range f.ends {
		mark := began + int64(end)
		switch {
		case end == refused:
			mark = refused
		case end > n:
			mark = notSent
		case encrypted:
			mark = conn.wire.n.Load()
		}
		f.marks = append(f.marks, mark)
	}
	return err
}

// written is what became of the first lines, when so many octets of the
// connection were acknowledged.
func (f *frames) written(acknowledged int64) (w Written) {
	for _, mark := range f.marks {
		switch {
		case mark == refused:
			w.Refused++
		case mark <= acknowledged:
			w.Sent++
		default:
			return w
		}
	}
	return w
}

// acknowledged waits until nothing is unacknowledged, and returns what still is
// when the connection ends, ctx does, or nothing moves for writeTimeout.
func (c *linkConn) acknowledged(ctx context.Context, waiting int64) (int64, error) {
	giveUp := time.Now().Add(writeTimeout)
	for pause := ackPauseMin; ; pause = min(2*pause, ackPauseMax) {
		sleep(ctx, pause)
		over := c.over() // before the last look
		now, known := unacknowledged(c.raw)
		switch {
		case !known || now == 0:
			return 0, nil
		case over != nil:
			return now, over
		case ctx.Err() != nil:
			return now, ctx.Err()
		case now != waiting:
			waiting, giveUp = now, time.Now().Add(writeTimeout)
		case time.Now().After(giveUp):
			return now, errUnacknowledged
		}
	}
}
