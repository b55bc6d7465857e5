package tlskeys

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	mrand "math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"kagami/packet"
)

const (
	client = packet.FromA
	server = packet.FromB
)

// part is what one side wrote at once.
type part struct {
	side packet.Side
	b    []byte
}

// wire is a connection as a tap records it.
type wire struct {
	mu    sync.Mutex
	parts []part
}

func (w *wire) add(side packet.Side, b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.parts = append(w.parts, part{side, bytes.Clone(b)})
}

// stream is all octets of one side.
func (w *wire) stream(side packet.Side) (b []byte) {
	for _, p := range w.parts {
		if p.side == side {
			b = append(b, p.b...)
		}
	}
	return b
}

type tap struct {
	net.Conn
	w    *wire
	side packet.Side
}

func (t tap) Write(b []byte) (int, error) {
	t.w.add(t.side, b)
	return t.Conn.Write(b)
}

// sink keeps what a Session gives.
type sink struct {
	plain [2][]byte
	lost  [2][]Loss
	at    [2][]int // length of plain at each loss
}

func (s *sink) Plain(side packet.Side, b []byte) { s.plain[side] = append(s.plain[side], b...) }

func (s *sink) Lost(side packet.Side, l Loss) {
	s.lost[side] = append(s.lost[side], l)
	s.at[side] = append(s.at[side], len(s.plain[side]))
}

// replay decrypts the parts of a wire; each whole, or in pieces of step octets.
func replay(log *Log, parts []part, step int) (*sink, Report) {
	out := &sink{}
	s := NewSession(log, out)
	for _, p := range parts {
		for b := p.b; len(b) > 0; {
			n := len(b)
			if step > 0 {
				n = min(n, step)
			}
			s.Data(p.side, bytes.Clone(b[:n]))
			b = b[n:]
		}
	}
	s.Close()
	return out, s.Report()
}

// certificates are made once a test binary.
var certificates = sync.OnceValue(func() map[string]tls.Certificate {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return map[string]tls.Certificate{"rsa": selfSigned(r, &r.PublicKey), "ecdsa": selfSigned(e, &e.PublicKey)}
})

func selfSigned(key, public any) tls.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "shop.example"},
		DNSNames:     []string{"shop.example"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// talk is one connection between crypto/tls' client and server.
type talk struct {
	client, server *tls.Config
	// Each side's application data; a chunk is one Write.
	request, answer [][]byte
	keys            bytes.Buffer
	text            string // of the key log
	wire            wire
}

func newTalk(version uint16, suites ...uint16) *talk {
	c := certificates()
	return &talk{
		client: &tls.Config{
			InsecureSkipVerify: true, ServerName: "shop.example", NextProtos: []string{"http/1.1"},
			MinVersion: version, MaxVersion: version, CipherSuites: suites,
			CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256},
		},
		server: &tls.Config{
			Certificates: []tls.Certificate{c["rsa"], c["ecdsa"]}, NextProtos: []string{"http/1.1"},
			MinVersion: version, MaxVersion: version, CipherSuites: suites,
		},
		request: [][]byte{text(1, 300), text(2, 20000)},
		answer:  [][]byte{text(3, 70000), text(4, 1), text(5, 1500)},
	}
}

// text is n octets that compress badly and are the same in every run.
func text(seed uint64, n int) []byte {
	r := mrand.New(mrand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// connect is a TCP connection: net.Pipe has no buffer, and both sides may write a
// change_cipher_spec at once.
func connect(t testing.TB) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// run talks, and gives the key log.
func (k *talk) run(t testing.TB) *Log {
	t.Helper()
	k.client.KeyLogWriter = &k.keys
	a, b := connect(t)
	ca, cb := tls.Client(tap{a, &k.wire, client}, k.client), tls.Server(tap{b, &k.wire, server}, k.server)
	done := make(chan error, 1)
	go func() { done <- k.serve(cb) }()
	err := func() error {
		for _, b := range k.request {
			if _, err := ca.Write(b); err != nil {
				return err
			}
		}
		got, err := io.ReadAll(ca)
		if err == nil && !bytes.Equal(got, bytes.Join(k.answer, nil)) {
			err = errors.New("the client read something else")
		}
		return errors.Join(err, ca.Close())
	}()
	a.Close()
	if err := errors.Join(err, <-done); err != nil {
		t.Fatal(err)
	}
	k.text = k.keys.String()
	log, err := Parse(&k.keys)
	if err != nil || log.BadLines > 0 {
		t.Fatalf("key log: %v, bad lines %v", err, log.Bad)
	}
	return log
}

func (k *talk) serve(c *tls.Conn) error {
	want := bytes.Join(k.request, nil)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	for _, b := range k.answer {
		if _, err := c.Write(b); err != nil {
			return err
		}
	}
	if err := c.CloseWrite(); err != nil {
		return err
	}
	io.Copy(io.Discard, c)
	return nil
}

// check says what differs from a decryption without loss.
func (k *talk) check(t testing.TB, out *sink, r Report) {
	t.Helper()
	for side, want := range [2][]byte{bytes.Join(k.request, nil), bytes.Join(k.answer, nil)} {
		d := r.Sides[side]
		if !bytes.Equal(out.plain[side], want) {
			t.Errorf("side %d: got %d octets, want %d; dark: %v", side, len(out.plain[side]), len(want), d.Dark)
		}
		if d.Dark != None || len(out.lost[side]) > 0 || d.Unread != 0 || d.Plain != int64(len(want)) {
			t.Errorf("side %d: report %+v, losses %v", side, d, out.lost[side])
		}
		if !d.Closed {
			t.Errorf("side %d: close_notify was not seen", side)
		}
	}
	if r.ServerName != "shop.example" || r.ALPN != "http/1.1" || r.Client != client {
		t.Errorf("report %+v", r)
	}
}
