package decoders

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// spoken is one write of a connection.
type spoken struct {
	side packet.Side
	b    []byte
}

// transcript records both directions of a connection in order.
type transcript struct {
	sync.Mutex
	said []spoken
}

type recordedConn struct {
	net.Conn
	side packet.Side
	t    *transcript
}

func (c recordedConn) Write(b []byte) (int, error) {
	c.t.Lock()
	c.t.said = append(c.t.said, spoken{c.side, bytes.Clone(b)})
	c.t.Unlock()
	return c.Conn.Write(b)
}

// shake runs one genuine handshake and returns what went over the wire.
func shake(tb testing.TB, cc, sc *tls.Config) []spoken {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Skipf("no loopback to shake hands on: %v", err)
	}
	defer l.Close()
	t := &transcript{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b, err := l.Accept()
		if err != nil {
			return
		}
		b.SetDeadline(time.Now().Add(5 * time.Second))
		srv := tls.Server(recordedConn{b, packet.FromB, t}, sc)
		if srv.Handshake() == nil {
			io.WriteString(srv, "hello")
			io.ReadAll(srv)
		}
		srv.Close()
	}()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	a.SetDeadline(time.Now().Add(5 * time.Second))
	c := tls.Client(recordedConn{a, packet.FromA, t}, cc)
	if c.Handshake() == nil {
		io.ReadFull(c, make([]byte, 5))
		io.WriteString(c, "world")
	}
	c.Close()
	<-done
	return t.said
}

func testCertificate(tb testing.TB, name string) tls.Certificate {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(0xabc), Subject: pkix.Name{CommonName: name, Organization: []string{"Example, K.K."}},
		NotBefore: time.Unix(1700000000, 0), NotAfter: time.Unix(1800000000, 0), DNSNames: []string{name, "*." + name},
	}, &x509.Certificate{Subject: pkix.Name{CommonName: "Test CA"}}, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// tlsRun drives a decoder and keeps its records.
type tlsRun struct {
	f   *sensor.Flow
	d   sensor.Decoder
	out []*records.TLS
}

// A test flow brings a whole flow table with it: make one and copy it.
var tcpTestFlow = sync.OnceValue(func() *sensor.Flow { return sensor.NewTestFlow(packet.ProtoTCP) })

func newTLSRun() *tlsRun {
	f := *tcpTestFlow()
	return &tlsRun{f: &f, d: tlsProtocol().New()}
}

func (r *tlsRun) emit(rec records.Record) { r.out = append(r.out, rec.(*records.TLS)) }

func (r *tlsRun) say(s spoken) sensor.Verdict {
	r.f.Now = 1e9
	return r.d.Data(r.f, s.side, s.b, r.emit)
}

// play gives all that was said to a fresh decoder, in pieces that cut chooses,
// and returns its records. It stops at Done, as the engine does.
func play(said []spoken, cut func(rest int) int) []*records.TLS {
	r := newTLSRun()
	for _, s := range said {
		for rest := s.b; len(rest) > 0; {
			n := cut(len(rest))
			if r.say(spoken{s.side, rest[:n]}) == sensor.Done {
				r.d.Close(r.f, r.emit)
				return r.out
			}
			rest = rest[n:]
		}
	}
	r.d.Close(r.f, r.emit)
	return r.out
}

func whole(rest int) int { return rest }

func one(tb testing.TB, said []spoken) *records.TLS {
	tb.Helper()
	out := play(said, whole)
	if len(out) != 1 {
		tb.Fatalf("%d records, want 1", len(out))
	}
	return out[0]
}

// configs are a client and a server that agree.
func configs(tb testing.TB, version uint16) (cc, sc *tls.Config) {
	cc = &tls.Config{ServerName: "www.example.jp", InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}, MaxVersion: version}
	sc = &tls.Config{Certificates: []tls.Certificate{testCertificate(tb, "www.example.jp")}, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS10}
	return cc, sc
}
