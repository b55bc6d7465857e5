package records

import (
	"slices"
	"strings"
	"testing"
)

func TestCertificateCovers(t *testing.T) {
	for _, c := range []struct {
		subject string
		names   string
		host    string
		want    bool
	}{
		{"", "www.example.jp", "WWW.example.jp", true},
		{"", "www.example.jp", "www.example.jp.", true},
		{"", "a.jp *.example.jp", "www.example.jp", true},
		{"", "*.example.jp", "example.jp", false},
		{"", "*.example.jp", "a.b.example.jp", false},
		{"CN=www.example.jp", "a.jp", "www.example.jp", false},
		{"CN=www.example.jp,O=x", "", "www.example.jp", true},
		{"O=x,CN=*.example.jp", "", "www.example.jp", true},
		{"O=x", "", "www.example.jp", false},
	} {
		certificate := Certificate{Subject: c.subject, DNS: strings.Fields(c.names)}
		if got := certificate.Covers(c.host); got != c.want {
			t.Errorf("%q, %q for %q: got %v", c.subject, c.names, c.host, got)
		}
	}
}

func TestNameMatches(t *testing.T) {
	for _, c := range []struct {
		name           string
		certificate    *Certificate
		matches, known bool
	}{
		{"a.jp", &Certificate{DNS: []string{"a.jp"}}, true, true},
		{"b.jp", &Certificate{DNS: []string{"a.jp"}}, false, true},
		{"", &Certificate{DNS: []string{"a.jp"}}, false, false},
		{"a.jp", nil, false, false},
	} {
		r := TLS{ServerName: c.name, Certificate: c.certificate}
		if matches, known := r.NameMatches(); matches != c.matches || known != c.known {
			t.Errorf("%+v: got %v, %v", c, matches, known)
		}
	}
}

func TestCertificateChain(t *testing.T) {
	a, b := &Certificate{}, &Certificate{}
	b.SHA256[0] = 0xab
	r := TLS{Certificate: a, Intermediates: []*Certificate{b}}
	if got := r.CertificateChain(); !slices.Equal(got, []*Certificate{a, b}) || r.ClientCertificateChain() != nil {
		t.Errorf("%v", got)
	}
	if got := ChainFingerprints(r.CertificateChain()); len(got) != 2 || got[1] != "ab"+strings.Repeat("0", 62) {
		t.Errorf("%v", got)
	}
}
