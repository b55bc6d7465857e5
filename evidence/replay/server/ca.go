package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// lifetime is that of the certificates: a replay lasts a day at most.
const lifetime = 24 * time.Hour

// ca makes a certificate for each host, in memory. Its keys are never written down.
type ca struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	leaf *ecdsa.PrivateKey // of all hosts
	most int

	mu     sync.Mutex
	leaves map[string]*tls.Certificate
	order  []string // of leaves, the oldest first
}

func newCA(now time.Time, most int) (*ca, error) {
	c := &ca{most: most, leaves: map[string]*tls.Certificate{}}
	for _, k := range []**ecdsa.PrivateKey{&c.key, &c.leaf} {
		var err error
		if *k, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return nil, fmt.Errorf("make key: %w", err)
		}
	}
	t, err := template(now.Add(-time.Hour), now.Add(lifetime))
	if err != nil {
		return nil, err
	}
	t.Subject = pkix.Name{Organization: []string{"Kagami"}, CommonName: "Kagami replay " + now.UTC().Format(time.DateTime) + " (one day)"}
	t.IsCA, t.BasicConstraintsValid, t.MaxPathLenZero = true, true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, t, t, &c.key.PublicKey, c.key)
	if err != nil {
		return nil, fmt.Errorf("make certificate authority: %w", err)
	}
	if c.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("make certificate authority: %w", err)
	}
	return c, nil
}

func template(from, to time.Time) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make serial number: %w", err)
	}
	return &x509.Certificate{SerialNumber: serial, NotBefore: from, NotAfter: to}, nil
}

// certificate is that of a host: a name or an address.
func (c *ca) certificate(host string) (*tls.Certificate, error) {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	addr, err := netip.ParseAddr(host)
	if err != nil && !isName(host) {
		return nil, fmt.Errorf("make certificate for %q: it is no host", host)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.leaves[host]; l != nil {
		return l, nil
	}
	t, err := template(c.cert.NotBefore, c.cert.NotAfter)
	if err != nil {
		return nil, err
	}
	t.Subject = pkix.Name{Organization: []string{"Kagami replay"}}
	t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if addr.IsValid() {
		t.IPAddresses = []net.IP{addr.AsSlice()}
	} else {
		t.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, c.cert, &c.leaf.PublicKey, c.key)
	if err != nil {
		return nil, fmt.Errorf("make certificate for %q: %w", host, err)
	}
	l := &tls.Certificate{Certificate: [][]byte{der, c.cert.Raw}, PrivateKey: c.leaf}
	if len(c.order) >= c.most {
		delete(c.leaves, c.order[0])
		c.order = c.order[1:]
	}
	c.leaves[host], c.order = l, append(c.order, host)
	return l, nil
}
