package exporters

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"

	"github.com/nats-io/nats.go"
)

// natsConn is one connection; it never reconnects by itself, so that what was
// under way when it ended is known.
type natsConn struct {
	*nats.Conn
	dialer *natsDialer
	inbox  string // answers come to inbox and the line's number

	mu       sync.Mutex
	receipts *receipts // of the Write under way, nil between two
	base     uint64    // number of its first line
	next     uint64    // number of the next Write's first line
	err      error     // the connection is no longer any good
}

// natsDialer dials as long as its context lasts and can end what it dialled,
// whatever nats.go waits for.
type natsDialer struct {
	ctx context.Context

	mu   sync.Mutex
	conn net.Conn // the latest
	err  error    // of the latest dial: nats.go keeps "connection refused" to itself
}

// Dial implements nats.CustomDialer.
func (d *natsDialer) Dial(network, address string) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(d.ctx, network, address)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil && d.ctx.Err() != nil { // cut may have looked already
		conn.Close()
		conn, err = nil, d.ctx.Err()
	}
	d.conn, d.err = conn, err
	return conn, err
}

// cut ends the connection without a word.
func (d *natsDialer) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn != nil {
		d.conn.Close()
	}
}

func (d *natsDialer) explain(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.ctx.Err() != nil:
		return d.ctx.Err()
	case d.err != nil:
		return d.err
	}
	return err
}

// dialNATS connects and asks for the answers; ctx bounds it.
func dialNATS(ctx context.Context, o nats.Options) (*natsConn, error) {
	c := &natsConn{dialer: &natsDialer{ctx: ctx}, inbox: nats.NewInbox() + "."}
	o.CustomDialer = c.dialer
	o.ClosedCB = func(nc *nats.Conn) {
		err := nc.LastError()
		if err == nil {
			err = errors.New("the connection ended")
		}
		c.fail(err)
	}
	o.AsyncErrorCB = func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if errors.Is(err, nats.ErrPermissionViolation) { // there will be no answer
			c.fail(err)
		}
	}
	stop := context.AfterFunc(ctx, c.dialer.cut)
	defer stop()
	var err error
	if c.Conn, err = o.Connect(); err != nil {
		c.dialer.cut()
		return nil, c.dialer.explain(err)
	}
	if _, err := c.Subscribe(c.inbox+"*", c.receive); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// expect has answers settle r's lines from now on; it returns the number of the
// first.
func (c *natsConn) expect(r *receipts) uint64 {
	c.mu.Lock()
	c.receipts, c.base = r, c.next
	if r != nil {
		c.next += uint64(len(r.of))
	}
	base, err := c.base, c.err
	c.mu.Unlock()
	if r != nil && err != nil {
		r.fail(err)
	}
	return base
}

// fail settles what waits, and what comes.
func (c *natsConn) fail(err error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = err
	}
	r := c.receipts
	c.mu.Unlock()
	if r != nil {
		r.fail(err)
	}
}

// receive takes an answer; nats.go calls it for one at a time.
func (c *natsConn) receive(m *nats.Msg) {
	n, err := strconv.ParseUint(m.Subject[len(c.inbox):], 10, 64)
	c.mu.Lock()
	r, i := c.receipts, n-c.base
	c.mu.Unlock()
	if err != nil || r == nil || i >= uint64(len(r.of)) {
		return
	}
	o, err := readNATSAck(m)
	r.settle(int(i), o, err)
}

// errNoStream means that nobody listens to a subject.
var errNoStream = errors.New("no stream takes the subject")

// natsAck is a stream's answer to a message (io.nats.jetstream.api.v1.pub_ack_response).
type natsAck struct {
	Stream string     `json:"stream"`
	Error  *natsError `json:"error"`
}

type natsError struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
}

func (e *natsError) Error() string {
	return fmt.Sprintf("%s (%d, error %d)", e.Description, e.Code, e.ErrCode)
}

// Errors of JetStream that mean more than "not now" (nats-server errors.json).
const (
	natsNotEnabledForAccount = 10039
	natsMessageTooLarge      = 10054
	natsWrongStream          = 10060
	natsHeaderTooLarge       = 10097
)

func readNATSAck(m *nats.Msg) (receipt, error) {
	const noResponders = "503" // https://docs.nats.io/reference/reference-protocols/nats-protocol
	if len(m.Data) == 0 && m.Header.Get("Status") == noResponders {
		return lineFailed, errNoStream
	}
	var a natsAck
	if err := json.Unmarshal(m.Data, &a); err != nil || a.Error == nil && a.Stream == "" {
		return lineFailed, errors.New("the answer is none of a stream's: does the subject belong to somebody else?")
	}
	switch {
	case a.Error == nil:
		return lineAccepted, nil
	case a.Error.ErrCode == natsMessageTooLarge, a.Error.ErrCode == natsHeaderTooLarge:
		return lineRefused, a.Error
	}
	return lineFailed, a.Error
}
