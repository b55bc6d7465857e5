package server

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"kagami/evidence/replay"
)

// exchange is a transaction over HTTP/1.1 that was captured as a whole. ask are the
// header fields of the request, "Name: value".
func exchange(method, target string, status int, fields []string, body string, ask ...string) *replay.Transaction {
	u, err := url.Parse(target)
	if err != nil {
		u, _ = url.Parse(target[:strings.IndexByte(target[8:], '/')+8])
	}
	q := &replay.Request{Method: method, URL: u}
	q.Version = "HTTP/1.1"
	q.Target = target[strings.Index(target, u.Host)+len(u.Host):]
	q.Header = fieldsOf(append([]string{"Host: " + u.Host}, ask...))
	a := &replay.Response{Status: status, Reason: http.StatusText(status)}
	a.Version, a.Header = "HTTP/1.1", fieldsOf(fields)
	a.Body = replay.Body{Wire: []byte(body), Data: []byte(body), Declared: int64(len(body)), Complete: true}
	return &replay.Transaction{Flow: from("192.168.1.46"), Request: q, Response: a}
}

func from(client string) *replay.Flow {
	return &replay.Flow{Client: netip.AddrPortFrom(netip.MustParseAddr(client), 40000), Server: netip.MustParseAddrPort("203.0.113.7:80")}
}

func fieldsOf(lines []string) (fs []replay.Field) {
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		fs = append(fs, replay.Field{Name: name, Value: value})
	}
	return fs
}

func reading(ts ...*replay.Transaction) *replay.Reading {
	for i, t := range ts {
		t.Number = i
	}
	return &replay.Reading{Transactions: ts}
}

// get is a GET of a page that was captured as a whole.
func get(target, body string) *replay.Transaction {
	return exchange("GET", target, 200, []string{"Content-Type: text/html"}, body)
}

// serving is a server at work.
type serving struct {
	*Server
	addr   string
	misses bytes.Buffer
	mu     sync.Mutex
	hits   []Hit
}

func serveTest(t *testing.T, r *replay.Reading, o Options) *serving {
	t.Helper()
	s := &serving{}
	o.Hit = func(h Hit) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.hits = append(s.hits, h)
	}
	if o.Misses == nil {
		o.Misses = &s.misses
	}
	var err error
	if s.Server, err = New(r, o); err != nil {
		t.Fatal(err)
	}
	l, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		s.Shutdown(ctx)
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return s
}

// client is a browser that uses the server as its proxy and trusts its authority.
func (s *serving) client(t *testing.T) *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	tr := &http.Transport{
		Proxy:              http.ProxyURL(&url.URL{Scheme: "http", Host: s.addr}),
		TLSClientConfig:    &tls.Config{RootCAs: roots},
		ForceAttemptHTTP2:  true,
		DisableCompression: true,
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// got is what a client got.
type got struct {
	*http.Response
	body string
}

func (s *serving) ask(t *testing.T, method, target, body string, fields ...string) got {
	t.Helper()
	return askBy(t, s.client(t), method, target, body, fields...)
}

func askBy(t *testing.T, c *http.Client, method, target, body string, fields ...string) got {
	t.Helper()
	q, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fieldsOf(fields) {
		q.Header.Add(f.Name, f.Value)
	}
	a, err := c.Do(q)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	return got{a, string(b)}
}

// dial is a connection on which a test writes its own octets.
func (s *serving) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// raw is all that comes back for some octets, until the server closes.
func (s *serving) raw(t *testing.T, octets string) string {
	t.Helper()
	c := s.dial(t)
	if _, err := io.WriteString(c, octets); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func compressed(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

// chunked is a body in chunks of n octets.
func chunked(s string, n int) string {
	var b strings.Builder
	for len(s) > 0 {
		k := min(n, len(s))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", k, s[:k])
		s = s[k:]
	}
	return b.String() + "0\r\n\r\n"
}

// readReply reads one reply from a connection.
func readReply(t *testing.T, br *bufio.Reader) got {
	t.Helper()
	a, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return got{a, string(b)}
}
