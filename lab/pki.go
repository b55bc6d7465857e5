package lab

import (
	"crypto/ed25519"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"
)

// pki issues the certificates and revocation lists seen in the clear. Ed25519
// signatures are deterministic (RFC 8032), so each is the same every time.
type pki struct {
	s      *Scenario
	key    ed25519.PrivateKey
	ca     *x509.Certificate
	chains map[string][][]byte
	err    error
}

func newPKI(s *Scenario) *pki {
	p := &pki{s: s, chains: make(map[string][][]byte)}
	p.key = ed25519.NewKeyFromSeed(NewRand(s.Seed, "ca key").Bytes(ed25519.SeedSize))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Lab Root CA", Organization: []string{"Lab"}, Country: []string{"JP"}},
		NotBefore: s.Start.AddDate(-1, 0, 0), NotAfter: s.Start.AddDate(5, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		SubjectKeyId: NewRand(s.Seed, "ca id").Bytes(20),
	}
	der, err := x509.CreateCertificate(nil, template, template, p.key.Public(), p.key)
	if err == nil {
		p.ca, err = x509.ParseCertificate(der)
	}
	p.err = err
	return p
}

// chain returns the certificates of a name as DER, leaf first.
func (p *pki) chain(name string) [][]byte {
	if c := p.chains[name]; c != nil || p.err != nil {
		return c
	}
	r := NewRand(p.s.Seed, "certificate "+name)
	key := ed25519.NewKeyFromSeed(r.Bytes(ed25519.SeedSize))
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(append([]byte{1}, r.Bytes(15)...)), Subject: pkix.Name{CommonName: name},
		DNSNames: []string{name}, NotBefore: p.s.Start.AddDate(0, -1, 0), NotAfter: p.s.Start.AddDate(0, 2, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(nil, template, p.ca, key.Public(), p.key)
	if err != nil {
		p.err = fmt.Errorf("create certificate of %q: %w", name, err)
		return nil
	}
	p.chains[name] = [][]byte{der, p.ca.Raw}
	return p.chains[name]
}

// revocations returns a revocation list of n serials as DER.
func (p *pki) revocations(n int) []byte {
	if p.err != nil {
		return nil
	}
	r := NewRand(p.s.Seed, "revocation list")
	list := make([]x509.RevocationListEntry, n)
	for i := range list {
		list[i] = x509.RevocationListEntry{
			SerialNumber:   new(big.Int).SetBytes(append([]byte{1}, r.Bytes(15)...)),
			RevocationTime: p.s.Start.Add(-time.Duration(r.Int(1, 300)) * 24 * time.Hour).Truncate(time.Second),
		}
	}
	der, err := x509.CreateRevocationList(nil, &x509.RevocationList{
		Number: big.NewInt(77), RevokedCertificateEntries: list,
		ThisUpdate: p.s.Start.Add(-3 * time.Hour), NextUpdate: p.s.Start.Add(4 * 24 * time.Hour),
	}, p.ca, p.key)
	if err != nil {
		p.err = fmt.Errorf("create revocation list: %w", err)
	}
	return der
}
