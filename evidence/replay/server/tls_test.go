package server

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestTLS: by CONNECT and without, by name and by address, with the version of HTTP
// that was recorded.
func TestTLS(t *testing.T) {
	two := get("https://two.test/", "2")
	two.Request.Version = "HTTP/2"
	s := serveTest(t, reading(two, get("https://one.test/", "1"), get("https://203.0.113.7:8443/", "3"), get("http://one.test/plain", "4")), Options{})
	for _, c := range []struct {
		url, proto, body string
	}{
		{"https://two.test/", "HTTP/2.0", "2"},
		{"https://one.test/", "HTTP/1.1", "1"},
		{"https://203.0.113.7:8443/", "HTTP/1.1", "3"},
		{"https://one.test/plain", "HTTP/1.1", "4"},
		{"https://new.test/", "HTTP/2.0", ""},
	} {
		a := s.ask(t, "GET", c.url, "")
		if a.StatusCode == 504 {
			a.body = ""
		}
		if a.Proto != c.proto || a.body != c.body {
			t.Errorf("%s: %s %q", c.url, a.Proto, a.body)
		}
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	straight, err := tls.Dial("tcp", s.addr, &tls.Config{ServerName: "one.test", RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	defer straight.Close()
	io.WriteString(straight, "GET / HTTP/1.0\r\n\r\n")
	if b, err := io.ReadAll(straight); err != nil || !strings.HasSuffix(string(b), "\r\n\r\n1") {
		t.Errorf("without CONNECT or Host: %q, %v", b, err)
	}
	if a := s.ask(t, "GET", "http://one.test/plain", ""); a.body != "4" {
		t.Errorf("%q", a.body)
	}
}

// TestPlainTunnel: what is asked behind a CONNECT need not be TLS (RFC 6455 section
// 4.1: ws:// through a proxy).
func TestPlainTunnel(t *testing.T) {
	s := serveTest(t, reading(get("http://a.test:8080/", "yes")), Options{})
	c := s.dial(t)
	io.WriteString(c, "CONNECT a.test:8080 HTTP/1.1\r\nHost: a.test:8080\r\n\r\n")
	br := bufio.NewReader(c)
	if line, _ := br.ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 200 ") {
		t.Fatal(line)
	}
	br.ReadString('\n')
	io.WriteString(c, "GET / HTTP/1.1\r\n\r\n")
	if a := readReply(t, br); a.body != "yes" {
		t.Errorf("%q", a.body)
	}
	io.WriteString(c, "CONNECT b.test:80 HTTP/1.1\r\n\r\n")
	if a := readReply(t, br); a.StatusCode != 501 {
		t.Errorf("a tunnel in a tunnel: %d", a.StatusCode)
	}
}

// TestCertificates: an authority that lasts a day, and does for servers only.
func TestCertificates(t *testing.T) {
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	c, err := newCA(now, 2)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(c.cert)
	for _, host := range []string{"a.test", "B.test.", "192.0.2.1", "2001:db8::1", "under_score.test", strings.Repeat("a", 63) + "." + strings.Repeat("b", 63)} {
		l, err := c.certificate(host)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(l.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		for at, ok := range map[time.Duration]bool{0: true, 23 * time.Hour: true, 25 * time.Hour: false, -2 * time.Hour: false} {
			_, err := leaf.Verify(x509.VerifyOptions{DNSName: strings.TrimSuffix(host, "."), Roots: roots, CurrentTime: now.Add(at)})
			if (err == nil) != ok {
				t.Errorf("%s after %v: %v", host, at, err)
			}
		}
		if again, _ := c.certificate(host); again != l {
			t.Errorf("%s: made twice", host)
		}
		if len(c.leaves) > 2 || len(c.order) > 2 {
			t.Errorf("%d are kept", len(c.leaves))
		}
	}
	for _, host := range []string{"", "a b", "a\x00b", "é.test", strings.Repeat("a", 300)} {
		if _, err := c.certificate(host); err == nil {
			t.Errorf("%q: no error", host)
		}
	}
	if !c.cert.IsCA || c.cert.PublicKeyAlgorithm != x509.ECDSA || c.cert.NotAfter.Sub(now) > lifetime {
		t.Errorf("%+v", c.cert)
	}
}

// TestOldClients: TLS 1.0, and protocols nobody knows.
func TestOldClients(t *testing.T) {
	s := serveTest(t, reading(get("https://a.test/", "1")), Options{})
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	for _, c := range []*tls.Config{{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, {NextProtos: []string{"spdy/3"}}, {NextProtos: []string{"h2", "http/1.1"}}} {
		c.RootCAs = roots
		client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: s.addr}), TLSClientConfig: c}}
		a, err := client.Get("https://a.test/")
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(a.Body)
		a.Body.Close()
		client.CloseIdleConnections()
		if !bytes.Equal(b, []byte("1")) {
			t.Errorf("%q", b)
		}
	}
}

// TestHTTP2Limits: how many streams a client may open at once, and how long a header
// may be.
func TestHTTP2Limits(t *testing.T) {
	s := serveTest(t, reading(), Options{Limits: Limits{Streams: 7, Header: 8 << 10}})
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c, err := tls.Dial("tcp", s.addr, &tls.Config{ServerName: "new.test", RootCAs: roots, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	frame := make([]byte, 9)
	if _, err := io.ReadFull(c, frame); err != nil || frame[3] != 4 {
		t.Fatalf("%x, %v", frame, err)
	}
	settings := make([]byte, int(frame[1])<<8|int(frame[2]))
	io.ReadFull(c, settings)
	const maxConcurrentStreams = 3
	streams := uint32(0)
	for b := settings; len(b) >= 6; b = b[6:] {
		if binary.BigEndian.Uint16(b) == maxConcurrentStreams {
			streams = binary.BigEndian.Uint32(b[2:])
		}
	}
	if streams != 7 {
		t.Errorf("%d streams", streams)
	}
	a, err := s.client(t).Do(&http.Request{Method: "GET", URL: &url.URL{Scheme: "https", Host: "new.test", Path: "/"}, Header: http.Header{"A": {strings.Repeat("a", 20<<10)}}})
	if err == nil {
		a.Body.Close()
		if a.StatusCode != 431 {
			t.Errorf("a long header: %s", a.Status)
		}
	}
}
