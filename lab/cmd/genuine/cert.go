package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// authority signs the certificates of a case.
type authority struct {
	key  crypto.Signer
	cert *x509.Certificate
	pem  string // its own certificate
	file string // the same in a file
}

// issued is a certificate in files.
type issued struct{ cert, key string }

// validity is what every certificate has, so that the test can name it.
func validity(t *x509.Certificate) {
	t.NotBefore = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	t.NotAfter = time.Date(2046, 1, 1, 0, 0, 0, 0, time.UTC)
}

func (s *stage) authority() (*authority, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Country: []string{"JP"}, Organization: []string{"試験認証局"}, CommonName: "Lab Root CA"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	validity(t)
	a := &authority{key: key, cert: t}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	a.pem = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	a.file, err = s.write("root.pem", a.pem)
	return a, err
}

// issue makes a certificate for names; the file has the authority's too.
func (s *stage) issue(a *authority, serial int64, usage x509.ExtKeyUsage, names ...string) (issued, error) {
	var made issued
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return made, fmt.Errorf("make key: %w", err)
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{Country: []string{"JP"}, Organization: []string{"Lab"}, CommonName: names[0]},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}
	for _, n := range names {
		if addr := net.ParseIP(n); addr != nil {
			t.IPAddresses = append(t.IPAddresses, addr)
		} else {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	validity(t)
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, key.Public(), a.key)
	if err != nil {
		return made, fmt.Errorf("make certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return made, fmt.Errorf("encode key: %w", err)
	}
	if made.cert, err = s.write(names[0]+".pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))+a.pem); err != nil {
		return made, err
	}
	made.key, err = s.write(names[0]+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
	return made, err
}
