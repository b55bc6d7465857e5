package decoders

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math"
	"math/big"
	"net"
	"slices"
	"testing"
	"time"
)

// issue makes a self-signed certificate of a template.
func issue(tb testing.TB, c *x509.Certificate) []byte {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	return der
}

func template() *x509.Certificate {
	return &x509.Certificate{SerialNumber: big.NewInt(0x80), NotBefore: time.Unix(1e9, 0), NotAfter: time.Date(2051, 1, 2, 3, 4, 5, 0, time.UTC),
		Subject:  pkix.Name{Country: []string{"JP"}, Organization: []string{"鏡 K.K."}, CommonName: "a.jp"},
		DNSNames: []string{"a.jp"}, IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)}, EmailAddresses: []string{"x@a.jp"}}
}

func TestCertificate(t *testing.T) {
	c := readCertificate(issue(t, template()))
	if c.Subject != "CN=a.jp,O=鏡 K.K.,C=JP" || c.Issuer != c.Subject || !c.SelfSigned || c.Serial != "80" || c.Malformed ||
		c.NotBefore != 1e18 || c.NotAfter != time.Date(2051, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano() ||
		!slices.Equal(c.Names, []string{"a.jp", "x@a.jp", "192.0.2.1"}) {
		t.Errorf("%+v", c)
	}
}

// What crypto/x509 refuses is read all the same.
func TestCertificateNegativeSerial(t *testing.T) {
	der := issue(t, template())
	i := bytes.Index(der, []byte{derInteger, 2, 0, 0x80})
	der[i+2] = 0xff
	if _, err := x509.ParseCertificate(der); err == nil {
		t.Fatal("crypto/x509 was expected to refuse a negative serial number")
	}
	if c := readCertificate(der); c.Malformed || c.Serial != "FF80" || c.Subject != "CN=a.jp,O=鏡 K.K.,C=JP" {
		t.Errorf("%+v", c)
	}
}

func TestCertificateCutShort(t *testing.T) {
	der := issue(t, template())
	for n := range len(der) {
		if c := readCertificate(der[:n]); !c.Malformed || c.Subject != "" {
			t.Fatalf("%d of %d octets: %+v", n, len(der), c)
		}
	}
}

func TestCertificateTime(t *testing.T) {
	for _, c := range []struct {
		name, der string
		want      int64
		ok        bool
	}{
		{"UTCTime", "\x17\x0d010909014640Z", 1e18, true},
		{"UTCTime of 1950", "\x17\x0d500101000000Z", -631152000e9, true},
		{"UTCTime of 2049", "\x17\x0d491231235959Z", 2524607999e9, true},
		{"without seconds", "\x17\x0b0109090146Z", 999999960e9, true},
		{"with an offset", "\x17\x11010909104640+0900", 1e18, true},
		{"GeneralizedTime", "\x18\x0f20010909014640Z", 1e18, true},
		{"no well-defined expiration", "\x18\x0f99991231235959Z", math.MaxInt64, true},
		{"before the epoch of nanoseconds", "\x18\x0f00010101000000Z", math.MinInt64, true},
		{"month 13", "\x17\x0d011309014640Z", 0, false},
		{"not a time", "\x02\x01\x05", 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, ok := readTime(&der{b: []byte(c.der)}); got != c.want || ok != c.ok {
				t.Errorf("got %d, %v; want %d, %v", got, ok, c.want, c.ok)
			}
		})
	}
}

func TestNameText(t *testing.T) {
	type attribute struct {
		Type  asn1.ObjectIdentifier
		Value asn1.RawValue
	}
	name := func(oid []int, tag int, value string) []byte {
		b, err := asn1.Marshal([]attribute{{oid, asn1.RawValue{Tag: tag, Bytes: []byte(value)}}})
		if err != nil {
			t.Fatal(err)
		}
		b[0] = 0x31
		return b
	}
	cn := []int{2, 5, 4, 3}
	for _, c := range []struct {
		name string
		oid  []int
		tag  int
		in   string
		want string
	}{
		{"special characters", cn, 12, `a,b+c"d\e<f>g;h=i`, `CN=a\,b\+c\"d\\e\<f\>g\;h=i`},
		{"blanks and # at the ends", cn, 19, "# a ", `CN=\# a\ `},
		{"control characters", cn, 12, "a\n\x00\x7fb", `CN=a\0A\00\7Fb`},
		{"C1 control characters", cn, 12, "a\u0085b", `CN=a\C2\85b`},
		{"not UTF-8", cn, 12, "\xff", `CN=\FF`},
		{"T.61", cn, 20, "caf\xe9", "CN=café"},
		{"BMPString", cn, 30, "\x93\xe1", "CN=鏡"},
		{"not text", cn, 4, "\x01", "CN=#040101"},
		{"unknown type", []int{1, 2, 840, 9}, 12, "x", "1.2.840.9=x"},
		{"mail address", []int{1, 2, 840, 113549, 1, 9, 1}, 22, "a@b.jp", "emailAddress=a@b.jp"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := nameText(name(c.oid, c.tag, c.in)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// The oracle: where crypto/x509 can read a certificate, this reads the same.
func FuzzCertificate(f *testing.F) {
	f.Add(issue(f, template()))
	plain := template()
	plain.DNSNames, plain.IPAddresses, plain.EmailAddresses, plain.Subject.CommonName = nil, nil, nil, "a+b, c"
	f.Add(issue(f, plain))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := readCertificate(b)
		want, err := x509.ParseCertificate(b)
		if err != nil {
			return
		}
		if c.Malformed {
			t.Fatal("crypto/x509 can read it")
		}
		if want.SerialNumber.Sign() > 0 {
			if n, ok := new(big.Int).SetString(c.Serial, 16); !ok || n.Cmp(want.SerialNumber) != 0 {
				t.Errorf("serial %s, want %x", c.Serial, want.SerialNumber)
			}
		}
		if s := want.NotBefore.Unix(); s > -9e9 && s < 9e9 && c.NotBefore != want.NotBefore.UnixNano() {
			t.Errorf("not before %d, want %v", c.NotBefore, want.NotBefore)
		}
		if k, ok := want.PublicKey.(*rsa.PublicKey); ok && c.KeyBits != k.N.BitLen() {
			t.Errorf("key of %d bits, want %d", c.KeyBits, k.N.BitLen())
		}
		if want.BasicConstraintsValid && c.CA != want.IsCA || c.Version != want.Version {
			t.Errorf("authority %v, version %d", c.CA, c.Version)
		}
		if c.SelfSigned != (bytes.Equal(want.RawSubject, want.RawIssuer) && len(want.RawSubject) > 2) {
			t.Errorf("self-signed %v", c.SelfSigned)
		}
	})
}

func BenchmarkCertificate(b *testing.B) {
	der := issue(b, template())
	b.ReportAllocs()
	for b.Loop() {
		readCertificate(der)
	}
}
