package exporters

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fault is what is wrong on the way to a place.
type fault string

const (
	refuses      fault = "refuses"
	hangs        fault = "hangs"         // accepts and says nothing, not in the TLS handshake either; goes on later
	neverAnswers fault = "never answers" // takes everything, and ends the connections when it is mended
	closes       fault = "closes mid-batch"
	unknownCA    fault = "unknown CA"
	expired      fault = "expired certificate"
	wrongName    fault = "wrong host name"
	noSuchName   fault = "DNS failure"
	works        fault = ""
)

// gateway stands before a server, speaks TLS for it if there are certificates, and
// does what is wrong.
type gateway struct {
	t       *testing.T
	backend string
	certs   map[fault]tls.Certificate // nil: no TLS
	cuts    []int64                   // closes: after so many octets from the client, one connection after the other
	passes  bool                      // TLS is the server's own, with cert
	polite  bool                      // closes: what came up to then is passed on

	mu     sync.Mutex
	fault  fault
	fd     int
	l      net.Listener
	addr   string
	conns  map[net.Conn]bool
	held   chan struct{} // closed when the connection that hung last has ended
	mended chan struct{}
}

func newGateway(t *testing.T, f fault) *gateway {
	g := &gateway{t: t, fault: f, conns: map[net.Conn]bool{}, mended: make(chan struct{})}
	if err := g.bind(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.mend()
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.l != nil {
			g.l.Close()
		}
		for c := range g.conns {
			c.Close()
		}
	})
	return g
}

// open begins; what the gateway is to do was set before.
func (g *gateway) open() {
	if g.fault != refuses {
		g.listen()
	}
}

// bind takes a port, at which connections are refused until listen.
func (g *gateway) bind() (err error) {
	if g.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
		return err
	}
	if err := unix.Bind(g.fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	name, err := unix.Getsockname(g.fd)
	if err == nil {
		g.addr = fmt.Sprintf("127.0.0.1:%d", name.(*unix.SockaddrInet4).Port)
	}
	return err
}

func (g *gateway) listen() {
	f := os.NewFile(uintptr(g.fd), "gateway")
	defer f.Close() // the listener has one of its own
	l, err := net.Listener(nil), unix.Listen(g.fd, 128)
	if err == nil {
		l, err = net.FileListener(f)
	}
	if err != nil {
		g.t.Error(err)
		return
	}
	g.l = l
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			g.mu.Lock()
			g.conns[c] = true
			g.mu.Unlock()
			go g.serve(c)
		}
	}()
}

// mend ends the fault.
func (g *gateway) mend() {
	g.mu.Lock()
	defer g.mu.Unlock()
	was := g.fault
	if g.fault == works {
		return
	}
	g.fault = works
	close(g.mended)
	if was == refuses {
		g.listen()
	}
}

// cert is the certificate to be shown now.
func (g *gateway) cert() *tls.Certificate {
	g.mu.Lock()
	defer g.mu.Unlock()
	c, ok := g.certs[g.fault]
	if !ok {
		c = g.certs[works]
	}
	return &c
}

func (g *gateway) now() (f fault, cut int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f = g.fault; f == closes && len(g.cuts) > 0 {
		cut, g.cuts = g.cuts[0], g.cuts[1:]
	}
	return f, cut
}

// turn waits until the fault is mended and the connections before have ended, as
// in a server that goes on with what it had not read. What it returns is to be
// closed.
func (g *gateway) turn() (ended chan struct{}) {
	ended = make(chan struct{})
	g.mu.Lock()
	before := g.held
	g.held = ended
	g.mu.Unlock()
	<-g.mended
	if before != nil {
		select {
		case <-before:
		case <-time.After(time.Second):
		}
	}
	return ended
}

func (g *gateway) serve(raw net.Conn) {
	defer raw.Close()
	f, cut := g.now()
	if f == hangs {
		defer close(g.turn())
	}
	c := raw
	if g.certs != nil && !g.passes {
		server := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{*g.cert()}})
		if server.Handshake() != nil {
			return
		}
		c = server
	}
	if f == neverAnswers {
		go io.Copy(io.Discard, c)
		<-g.mended
		return
	}
	to, err := net.Dial("tcp", g.backend)
	if err != nil {
		return
	}
	defer to.Close()
	go func() {
		io.Copy(c, to)
		raw.Close()
	}()
	if cut == 0 {
		io.Copy(to, c)
		return
	}
	io.CopyN(to, c, cut)
	if g.polite {
		c.(interface{ CloseWrite() error }).CloseWrite()
		io.Copy(to, c)
		return
	}
	raw.(*net.TCPConn).SetLinger(0)
}

// faultyCerts are the certificates of a gateway, and the option that accepts the
// right one.
func faultyCerts(t *testing.T) (certs map[fault]tls.Certificate, options string) {
	dir := t.TempDir()
	ca := newCA(t, dir, "ca")
	certs = map[fault]tls.Certificate{
		works:     ca.issue(t, dir, "server", "localhost"),
		unknownCA: newCA(t, dir, "other").issue(t, dir, "foreign", "localhost"),
		wrongName: ca.issue(t, dir, "elsewhere", "elsewhere.example"),
		expired:   expiredCert(t, ca),
	}
	return certs, "server_name=localhost&ca=" + filepath.Join(dir, "ca.pem")
}

func expiredCert(t *testing.T, ca authority) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(-time.Minute), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, ca.cert, &key.PublicKey, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// intake collects what comes in by all connections.
type intake struct {
	net.Listener
	mu    sync.Mutex
	conns [][]byte
}

func takeIn(t *testing.T, l net.Listener) *intake {
	o := &intake{Listener: l}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			o.mu.Lock()
			n := len(o.conns)
			o.conns = append(o.conns, nil)
			o.mu.Unlock()
			go func() {
				defer c.Close()
				b := make([]byte, 32<<10)
				for {
					k, err := c.Read(b)
					o.mu.Lock()
					o.conns[n] = append(o.conns[n], b[:k]...)
					o.mu.Unlock()
					if err != nil {
						return
					}
				}
			}()
		}
	}()
	t.Cleanup(func() { l.Close() })
	return o
}

func (o *intake) text() (all string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.conns {
		all += string(c)
	}
	return all
}
