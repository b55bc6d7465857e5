package exporters

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// kafkaClient is a client of franz-go whose connections end when we say so,
// whatever it waits for. One that failed is given up, so that the next reads the
// files again and says why it fails.
type kafkaClient struct {
	*kgo.Client
	tls    *tls.Config           // nil without TLS
	life   context.Context       // of its connections
	cut    context.CancelFunc    // ends life
	failed atomic.Pointer[error] // of the latest connection, nil = it works
}

// connect makes a client that reached a broker; ctx bounds it.
func (o *kafkaOptions) connect(ctx context.Context) (*kafkaClient, error) {
	options, err := o.client()
	if err != nil {
		return nil, err
	}
	c := new(kafkaClient)
	if o.tls != nil {
		if c.tls, err = o.tls.config(); err != nil {
			return nil, err
		}
	}
	c.life, c.cut = context.WithCancel(context.Background())
	options = append(options, kgo.Dialer(c.dial), kgo.WithHooks(c))
	if c.Client, err = kgo.NewClient(options...); err != nil {
		c.cut()
		return nil, err
	}
	stop := context.AfterFunc(ctx, c.cut)
	err = c.Ping(ctx)
	if stop(); err == nil {
		return c, nil
	}
	c.end()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case o.sasl != "" && errors.Is(err, io.EOF):
		return nil, fmt.Errorf("the broker ended the connection while user %q signed in (%s): check user, password and TLS: %w", o.user, o.sasl, err)
	}
	return nil, err
}

// end closes the client; what it still tries fails.
func (c *kafkaClient) end() {
	c.cut()
	c.Close()
}

// dial makes a connection that ends with the client's life.
func (c *kafkaClient) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	bound := &boundConn{Conn: conn}
	bound.stop = context.AfterFunc(c.life, func() { conn.Close() })
	if c.tls == nil {
		return bound, nil
	}
	config := c.tls.Clone()
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(address)
	}
	t := tls.Client(bound, config)
	if err := t.HandshakeContext(ctx); err != nil {
		bound.Close()
		return nil, err
	}
	return t, nil
}

// boundConn is a connection that something else may close too.
type boundConn struct {
	net.Conn
	stop func() bool
}

func (c *boundConn) Close() error {
	c.stop()
	return c.Conn.Close()
}

// OnBrokerConnect implements kgo.HookBrokerConnect: why a broker, perhaps one that
// another told of, is not reached is else not heard of.
func (c *kafkaClient) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err == nil {
		c.failed.Store(nil)
		return
	}
	c.failed.Store(&err)
}
