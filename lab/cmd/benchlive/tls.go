package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"slices"
	"sync"
	"time"
)

// said is what one side of a connection wrote at a time: 0 the client, 1 the server.
type said struct {
	side int
	data []byte
}

// wiretap is a connection whose writes are put on record.
type wiretap struct {
	net.Conn
	side int
	mu   *sync.Mutex
	log  *[]said
}

func (w wiretap) Write(b []byte) (int, error) {
	w.mu.Lock()
	*w.log = append(*w.log, said{w.side, slices.Clone(b)})
	w.mu.Unlock()
	return w.Conn.Write(b)
}

// tlsSession is a TLS 1.3 connection to name as it is on the wire: the handshake,
// then a record of application data from the server for each of the sizes.
func tlsSession(name string, sizes ...int) (log []said, err error) {
	certificate, err := selfSigned(name)
	if err != nil {
		return nil, err
	}
	a, b := net.Pipe()
	var mu sync.Mutex
	client := tls.Client(wiretap{a, 0, &mu, &log}, &tls.Config{ServerName: name, InsecureSkipVerify: true}) // nobody checks the other's certificate here
	server := tls.Server(wiretap{b, 1, &mu, &log}, &tls.Config{Certificates: []tls.Certificate{certificate}, SessionTicketsDisabled: true, DynamicRecordSizingDisabled: true})
	defer a.Close()
	defer b.Close()
	done := make(chan error, 1)
	go func() {
		for _, n := range sizes {
			if _, err := server.Write(make([]byte, n)); err != nil { // after the handshake
				done <- err
				return
			}
		}
		done <- nil
	}()
	total := 0
	for _, n := range sizes {
		total += n
	}
	if _, err := io.ReadFull(client, make([]byte, total)); err != nil {
		return nil, fmt.Errorf("make TLS session: %w", err)
	}
	return log, <-done
}

func selfSigned(name string) (c tls.Certificate, err error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return c, fmt.Errorf("make key: %w", err)
	}
	t := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, t, t, public, private)
	if err != nil {
		return c, fmt.Errorf("make certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, nil
}
