package decoders

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"testing"
)

func TestCertificateKeys(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ec := func(c elliptic.Curve) crypto.Signer {
		key, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		key       crypto.Signer
		signature x509.SignatureAlgorithm
		want      string
	}{
		{rsaKey, x509.SHA256WithRSA, "sha256WithRSAEncryption rsaEncryption rsa 2048 65537 "},
		{rsaKey, x509.SHA384WithRSA, "sha384WithRSAEncryption rsaEncryption rsa 2048 65537 "},
		{rsaKey, x509.SHA256WithRSAPSS, "rsassaPss rsaEncryption rsa 2048 65537 "},
		{ec(elliptic.P256()), x509.ECDSAWithSHA256, "ecdsa-with-SHA256 id-ecPublicKey ecdsa 256  prime256v1"},
		{ec(elliptic.P384()), x509.ECDSAWithSHA384, "ecdsa-with-SHA384 id-ecPublicKey ecdsa 384  secp384r1"},
		{ec(elliptic.P521()), x509.ECDSAWithSHA512, "ecdsa-with-SHA512 id-ecPublicKey ecdsa 521  secp521r1"},
		{ed, x509.PureEd25519, "ED25519 ED25519 ed25519 256  "},
	} {
		plain := template()
		plain.SignatureAlgorithm = c.signature
		der, err := x509.CreateCertificate(rand.Reader, plain, plain, c.key.Public(), c.key)
		if err != nil {
			t.Fatal(err)
		}
		r := readCertificate(der)
		got := fmt.Sprintf("%s %s %s %d %s %s", r.SignatureAlgorithm, r.KeyAlgorithm, r.KeyType, r.KeyBits, r.KeyExponent, r.KeyCurve)
		if got != c.want || r.Malformed || r.Version != 3 {
			t.Errorf("got %q, want %q; %+v", got, c.want, r)
		}
	}
}

func TestCertificateConstraints(t *testing.T) {
	for _, c := range []struct {
		name        string
		change      func(c *x509.Certificate)
		present, ca bool
		length      int
	}{
		{"none", func(c *x509.Certificate) {}, false, false, -1},
		{"not an authority", func(c *x509.Certificate) { c.BasicConstraintsValid = true }, true, false, -1},
		{"authority", func(c *x509.Certificate) { c.BasicConstraintsValid, c.IsCA = true, true }, true, true, -1},
		{"of the last step", func(c *x509.Certificate) { c.BasicConstraintsValid, c.IsCA, c.MaxPathLenZero = true, true, true }, true, true, 0},
		{"of three steps", func(c *x509.Certificate) { c.BasicConstraintsValid, c.IsCA, c.MaxPathLen = true, true, 3 }, true, true, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			plain := template()
			c.change(plain)
			r := readCertificate(issue(t, plain))
			if r.BasicConstraints != c.present || r.CA != c.ca || r.PathLen != c.length || r.Malformed {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestCertificateAlternativeNames(t *testing.T) {
	plain := template()
	plain.DNSNames = []string{"a.jp", "*.b.jp"}
	plain.IPAddresses = []net.IP{net.IPv4(192, 0, 2, 1), net.ParseIP("2001:db8::1")}
	plain.URIs = []*url.URL{{Scheme: "https", Host: "c.jp"}}
	r := readCertificate(issue(t, plain))
	if !slices.Equal(r.DNS, plain.DNSNames) || !slices.Equal(r.Emails, []string{"x@a.jp"}) || !slices.Equal(r.URIs, []string{"https://c.jp"}) ||
		!slices.Equal(r.IPs, []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}) || len(r.Names) != 6 {
		t.Errorf("%+v", r)
	}

	plain = template()
	plain.EmailAddresses, plain.IPAddresses, plain.DNSNames = nil, nil, nil
	for i := range maxAltNames + 7 {
		plain.DNSNames = append(plain.DNSNames, fmt.Sprintf("h%d.jp", i))
	}
	r = readCertificate(issue(t, plain))
	if len(r.Names) != maxAltNames || len(r.DNS) != maxAltNames || r.MoreNames != 7 || r.Malformed {
		t.Errorf("%d names kept, %d more", len(r.Names), r.MoreNames)
	}
}

func TestBitLen(t *testing.T) {
	for _, s := range []string{"", "00", "01", "ff", "0100", "00ff00", "8000000000"} {
		n, _ := new(big.Int).SetString("0"+s, 16)
		if got := bitLen(n.FillBytes(make([]byte, 8))); got != n.BitLen() {
			t.Errorf("%s: got %d, want %d", s, got, n.BitLen())
		}
	}
}
