package tlskeys

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"kagami/packet"
)

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// await waits for a server to listen.
func await(t *testing.T, port int) {
	for range 100 {
		if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			c.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("the server does not listen")
}

// proxy stands between two programs and records.
type proxy struct {
	port int
	mu   sync.Mutex
	all  []*wire
	last time.Time // when something was said
	// heard says that something was said since quiet returned.
	heard bool
}

func newProxy(t *testing.T, target int) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p := &proxy{port: l.Addr().(*net.TCPAddr).Port}
	go func() {
		for {
			a, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			b, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", target))
			if err != nil {
				a.Close()
				continue
			}
			w := &wire{}
			p.mu.Lock()
			p.all = append(p.all, w)
			p.mu.Unlock()
			go p.copy(w, client, a, b)
			go p.copy(w, server, b, a)
		}
	}()
	return p
}

func (p *proxy) copy(w *wire, side packet.Side, from, to net.Conn) {
	defer to.Close()
	b := make([]byte, 1<<15)
	for {
		n, err := from.Read(b)
		if n > 0 {
			w.add(side, b[:n])
			p.mu.Lock()
			p.last, p.heard = time.Now(), true
			p.mu.Unlock()
			to.Write(b[:n])
		}
		if err != nil {
			return
		}
	}
}

// quiet waits until something has been said since it was last called, and then
// nothing for a while.
func (p *proxy) quiet(t *testing.T) {
	t.Helper()
	const enough = 150 * time.Millisecond
	for range 500 {
		time.Sleep(20 * time.Millisecond)
		p.mu.Lock()
		done := p.heard && time.Since(p.last) > enough
		if done {
			p.heard = false
		}
		p.mu.Unlock()
		if done {
			return
		}
	}
	t.Error("the programs say nothing, or do not stop")
}

func (p *proxy) wires() (all []*wire) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.all {
		w.mu.Lock()
		if len(w.parts) > 0 {
			all = append(all, w)
		}
		w.mu.Unlock()
	}
	return all
}
