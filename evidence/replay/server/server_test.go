package server

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"kagami/evidence/replay"
)

func TestRefused(t *testing.T) {
	s := serveTest(t, reading(get("http://a.test/", "1")), Options{Limits: Limits{Header: 2000, Body: 100}})
	for _, c := range []struct {
		name, octets string
		status       string
	}{
		{"no request line", "hello\r\n\r\n", "400"},
		{"no target", "GET  HTTP/1.1\r\n\r\n", "400"},
		{"no version", "GET /\r\n\r\n", "400"},
		{"HTTP/2 without TLS", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"},
		{"no host", "GET / HTTP/1.1\r\n\r\n", "400"},
		{"two hosts", "GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n", "400"},
		{"a host that is none", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400"},
		{"a broken address", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "400"},
		{"a port that is none", "GET http://a.test:x/ HTTP/1.1\r\n\r\n", "400"},
		{"another scheme", "GET ftp://a.test/ HTTP/1.1\r\n\r\n", "400"},
		{"no scheme", "GET a.test HTTP/1.1\r\n\r\n", "400"},
		{"CONNECT to nothing", "CONNECT / HTTP/1.1\r\n\r\n", "400"},
		{"CONNECT without port", "CONNECT a.test HTTP/1.1\r\n\r\n", "400"},
		{"a field without name", "GET / HTTP/1.1\r\n: 1\r\n\r\n", "400"},
		{"a folded field", "GET / HTTP/1.1\r\nHost: a.test\r\n b\r\n\r\n", "400"},
		{"a blank before the colon", "GET / HTTP/1.1\r\nHost : a.test\r\n\r\n", "400"},
		{"a control character", "GET / HTTP/1.1\r\nHost: a.test\x00\r\n\r\n", "400"},
		{"a long target", "GET /" + strings.Repeat("a", 2000) + " HTTP/1.1\r\n\r\n", "431"},
		{"many fields", "GET / HTTP/1.1\r\n" + strings.Repeat("A: 1\r\n", 400) + "\r\n", "431"},
		{"two lengths", "POST http://a.test/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "400"},
		{"length and chunks", "POST http://a.test/ HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
		{"a length below 0", "POST http://a.test/ HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "400"},
		{"a coding that is not known", "POST http://a.test/ HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "501"},
		{"chunks that are none", "POST http://a.test/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "400"},
		{"chunks of 2^64", "POST http://a.test/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n", "400"},
		{"a long body", "POST http://a.test/ HTTP/1.1\r\nContent-Length: 101\r\n\r\n" + strings.Repeat("a", 101), "413"},
		{"a body of 2^63", "POST http://a.test/ HTTP/1.1\r\nContent-Length: 9223372036854775808\r\n\r\n", "400"},
		{"a long body in chunks", "POST http://a.test/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(strings.Repeat("a", 101), 10), "413"},
		{"long trailers", "POST http://a.test/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("A: 1\r\n", 1000) + "\r\n", "431"},
	} {
		out := s.raw(t, c.octets)
		if !strings.HasPrefix(out, "HTTP/1.1 "+c.status+" ") || !strings.Contains(out, "Connection: close\r\n") {
			t.Errorf("%s: %q", c.name, out)
		}
	}
	if got := s.Stats(); got.Malformed != 29 || got.Hits+got.Misses != 0 {
		t.Errorf("%+v", got)
	}
	two := s.ask(t, "POST", "https://new.test/", strings.Repeat("a", 101))
	if two.StatusCode != 413 || two.Proto != "HTTP/2.0" {
		t.Errorf("HTTP/2: %s %d", two.Proto, two.StatusCode)
	}
}

func TestExpect(t *testing.T) {
	s := serveTest(t, reading(exchange("POST", "http://a.test/", 200, nil, "yes")), Options{})
	c := s.dial(t)
	io.WriteString(c, "POST http://a.test/ HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
	br := bufio.NewReader(c)
	if line, _ := br.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("%q", line)
	}
	br.ReadString('\n')
	io.WriteString(c, "abc")
	if a := readReply(t, br); a.body != "yes" {
		t.Errorf("%q", a.body)
	}
}

// TestTimeouts: each connection that does not move on ends in time.
func TestTimeouts(t *testing.T) {
	const soon = 200 * time.Millisecond
	for _, c := range []struct {
		name   string
		limits Limits
		octets string
		drip   string // sent again and again
	}{
		{"nothing is asked", Limits{Idle: soon}, "", ""},
		{"nothing more is asked", Limits{Idle: soon}, "GET http://a.test/ HTTP/1.1\r\n\r\n", ""},
		{"a header that goes on and on", Limits{Request: soon}, "GET http://a.test/ HTTP/1.1\r\n", "A: 1\r\n"},
		{"a body that does not come", Limits{Request: soon}, "POST http://a.test/ HTTP/1.1\r\nContent-Length: 9\r\n\r\n", ""},
		{"TLS that stops", Limits{Request: soon}, "\x16\x03\x01", ""},
		{"a tunnel that carries nothing", Limits{Idle: soon}, "CONNECT a.test:443 HTTP/1.1\r\n\r\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serveTest(t, reading(get("http://a.test/", "1")), Options{Limits: c.limits})
			conn := s.dial(t)
			began := time.Now()
			io.WriteString(conn, c.octets)
			for c.drip != "" && time.Since(began) < 10*time.Second {
				if _, err := io.WriteString(conn, c.drip); err != nil {
					break
				}
				time.Sleep(20 * time.Millisecond)
			}
			if _, err := io.ReadAll(conn); time.Since(began) > 10*time.Second {
				t.Errorf("it goes on: %v", err)
			}
		})
	}
	t.Run("an answer that is not read", func(t *testing.T) {
		s := serveTest(t, reading(get("http://a.test/", strings.Repeat("a", 64<<20))), Options{Limits: Limits{Write: soon}})
		conn := s.dial(t)
		io.WriteString(conn, "GET http://a.test/ HTTP/1.1\r\n\r\n")
		for began := time.Now(); s.count() == 0; time.Sleep(time.Millisecond) {
			if time.Since(began) > 10*time.Second {
				t.Fatal("never taken")
			}
		}
		for began := time.Now(); s.count() > 0; time.Sleep(10 * time.Millisecond) {
			if time.Since(began) > 10*time.Second {
				t.Fatal("it waits on")
			}
		}
	})
}

// count is how many connections there are.
func (s *Server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// TestConnections: more than there may be wait, and come in when one ends.
func TestConnections(t *testing.T) {
	s := serveTest(t, reading(get("http://a.test/", "1")), Options{Limits: Limits{Connections: 2}})
	ask := func(c net.Conn) { io.WriteString(c, "GET http://a.test/ HTTP/1.1\r\n\r\n") }
	var cs [3]net.Conn
	for i := range cs {
		cs[i] = s.dial(t)
		ask(cs[i])
	}
	for _, c := range cs[:2] {
		readReply(t, bufio.NewReader(c))
	}
	cs[2].SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if n, err := cs[2].Read(make([]byte, 1)); err == nil {
		t.Fatalf("%d octets on a third connection", n)
	}
	if n := s.count(); n != 2 {
		t.Errorf("%d connections", n)
	}
	cs[0].Close()
	cs[2].SetReadDeadline(time.Now().Add(10 * time.Second))
	readReply(t, bufio.NewReader(cs[2]))
}

// TestMissesLimit: the file of misses has an end, the count has not; and what cannot
// be written is told.
func TestMissesLimit(t *testing.T) {
	s := serveTest(t, reading(), Options{Limits: Limits{Misses: 2}})
	for i := range 5 {
		s.ask(t, "GET", fmt.Sprintf("http://a.test/%d", i), "")
	}
	if got := s.Stats(); got.Misses != 5 || got.Unwritten != 3 || strings.Count(s.misses.String(), "\n") != 2 {
		t.Errorf("%+v %q", got, s.misses.String())
	}
	full := serveTest(t, reading(), Options{Misses: failing{}})
	full.ask(t, "GET", "http://a.test/", "")
	if err := full.Shutdown(context.Background()); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("%v", err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// TestShutdown: answers under way end as they should, connections that wait are
// closed, and one that does not move does not hold it up for ever.
func TestShutdown(t *testing.T) {
	body := strings.Repeat("a", 32<<20)
	two := get("https://two.test/", body)
	two.Request.Version = "HTTP/2"
	start := func() (*Server, string, chan error) {
		s, err := New(reading(get("http://a.test/", body), two), Options{})
		if err != nil {
			t.Fatal(err)
		}
		l, err := Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		return s, l.Addr().String(), served
	}
	for _, target := range []string{"http://a.test/", "https://two.test/"} {
		s, addr, served := start()
		c := (&serving{Server: s, addr: addr}).client(t)
		a, err := c.Get(target)
		if err != nil {
			t.Fatal(err)
		}
		stopped := make(chan error, 1)
		go func() { stopped <- s.Shutdown(context.Background()) }()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if n, err := io.Copy(io.Discard, a.Body); n != int64(len(body)) || err != nil {
			t.Errorf("%s: cut off after %d octets: %v", target, n, err)
		}
		c.CloseIdleConnections()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		if _, err := net.Dial("tcp", addr); err == nil {
			t.Error("it still listens")
		}
	}
	s, addr, _ := start()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET http://a.test/ HTTP/1.1\r\n\r\n")
	conn.Read(make([]byte, 1))
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if n := s.count(); n != 0 {
		t.Errorf("%d connections are left", n)
	}
	if err := s.Shutdown(context.Background()); err != nil {
		t.Errorf("again: %v", err)
	}
}

// TestMany asks from many clients at once: for the race detector, and each answer is
// given as often as it should.
func TestMany(t *testing.T) {
	const clients, each = 8, 20
	var ts []*replay.Transaction
	for i := range clients * each {
		x := exchange("GET", "https://two.test/", 200, []string{"Content-Encoding: gzip"}, "")
		x.Request.Version = "HTTP/2"
		x.Response.Body = replay.Body{Wire: []byte(compressed(fmt.Sprint(i))), Data: []byte(fmt.Sprint(i)), Encodings: []string{"gzip"}, Complete: true}
		ts = append(ts, x)
	}
	s := serveTest(t, reading(ts...), Options{})
	var mu sync.Mutex
	var wg sync.WaitGroup
	seen := map[[sha256.Size]byte]bool{}
	for i := range clients {
		c := s.client(t)
		wg.Go(func() {
			for range each {
				a := askBy(t, c, "GET", []string{"http://two.test/", "https://two.test/"}[i%2], "")
				mu.Lock()
				seen[sha256.Sum256([]byte(a.body))] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != clients*each {
		t.Errorf("%d answers of %d", len(seen), clients*each)
	}
}
