package replay_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"kagami/evidence/replay"
	"kagami/evidence/replay/tlskeys"
)

// said is octets that one side of a TLS connection put on the wire.
type said struct {
	from int
	text string
}

// wire notes what goes over it.
type wire struct {
	net.Conn
	from int
	mu   *sync.Mutex
	log  *[]said
}

func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	*w.log = append(*w.log, said{w.from, string(p)})
	w.mu.Unlock()
	return w.Conn.Write(p)
}

// encrypted is a TLS connection on which the client and the server say what they are
// given, in turn, as it goes over the wire, and its key log.
func encrypted(t testing.TB, version uint16, alpn string, turns ...string) (log []said, keys []byte) {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a.example"}, NotAfter: time.Now().Add(time.Hour)}
	cert := must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))
	var secrets bytes.Buffer
	var mu sync.Mutex
	a, b := net.Pipe()
	c := tls.Client(&wire{a, client, &mu, &log}, &tls.Config{ServerName: "a.example", InsecureSkipVerify: true, KeyLogWriter: &secrets, NextProtos: []string{alpn}, MaxVersion: version})
	s := tls.Server(&wire{b, server, &mu, &log}, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}, NextProtos: []string{alpn}, SessionTicketsDisabled: true})
	done := make(chan error, 1)
	go func() { done <- s.Handshake() }()
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for i, text := range turns {
		from, to := io.ReadWriter(c), io.ReadWriter(s)
		if i%2 == 1 {
			from, to = to, from
		}
		go func() { _, err := io.WriteString(from, text); done <- err }()
		if _, err := io.ReadFull(to, make([]byte, len(text))); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	return log, secrets.Bytes()
}

func spoken(log []said) (steps []step) {
	for _, s := range log {
		steps = append(steps, says(s.from, s.text))
	}
	return append(steps, fin)
}

func TestTLS(t *testing.T) {
	h2c, h2s := newPeer2(), newPeer2()
	for _, c := range []struct {
		name    string
		version uint16
		alpn    string
		turns   []string
		want    string
	}{
		{"TLS 1.3", tls.VersionTLS13, "http/1.1", []string{get, hello, getB, world}, `0 GET https://a.example/ > 200 "hello"
			1 GET https://a.example/b > 200 "world"`},
		{"TLS 1.2", tls.VersionTLS12, "http/1.1", []string{get, hello}, `0 GET https://a.example/ > 200 "hello"`},
		{"HTTP/2", tls.VersionTLS13, "h2", []string{http2.ClientPreface + h2c.settings() + h2c.headers(1, true, ask2("/x")...), h2s.settings() + h2s.headers(1, false, ":status: 200") + h2s.data(1, true, "hello")},
			`0 stream 1 GET https://a.example/x > 200 "hello"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			log, secrets := encrypted(t, c.version, c.alpn, c.turns...)
			keys := must(tlskeys.Parse(bytes.NewReader(secrets)))
			for _, mss := range []int{0, 1} {
				r := read(t, play(mss, true, spoken(log)...), replay.Options{Keys: keys})
				if got, want := told(r), trim(c.want); got != want {
					t.Errorf("segments of %d: got:\n%swant:\n%s", mss, got, want)
				}
				if f := r.Flows[0]; f.TLS == nil || f.TLS.Dark != "" || f.TLS.ServerName != "a.example" || f.TLS.ALPN != c.alpn || f.TLS.Version != c.name && c.alpn != "h2" {
					t.Errorf("got flow %+v, TLS %+v", f, f.TLS)
				}
			}
			r := read(t, play(0, true, spoken(log)...), replay.Options{})
			if got, want := told(r), "- encrypted: not decrypted: no key, for a.example\n"; got != want || r.Flows[0].Protocol != "tls" {
				t.Errorf("without keys: got:\n%swant:\n%s", got, want)
			}
		})
	}
}

// TestTLSChain: what leads on within HTTP/2 under TLS is found as in clear.
func TestTLSChain(t *testing.T) {
	c, s := newPeer2(), newPeer2()
	page := `<html><script>document.write("<ifr"+"ame src='/f?a=1'></ifr"+"ame>")</script>`
	log, secrets := encrypted(t, tls.VersionTLS13, "h2",
		http2.ClientPreface+c.settings()+c.headers(1, true, ask2("/x")...), s.settings()+s.headers(1, false, ":status: 200", "content-type: text/html")+s.data(1, true, page),
		c.headers(3, true, ask2("/f?a=1")...), s.headers(3, true, ":status: 302", "location: ./g"),
		c.headers(5, true, ask2("/g")...), s.headers(5, false, ":status: 200", "content-type: text/html")+s.data(5, true, "<p>"))
	chain := replay.Build(read(t, play(0, true, spoken(log)...), replay.Options{Keys: must(tlskeys.Parse(bytes.NewReader(secrets)))}))
	if len(chain.Nodes) != 3 || chain.Nodes[1].Parent != chain.Nodes[0] || chain.Nodes[1].In[0].Kind != replay.EdgeWrite ||
		chain.Nodes[2].Parent != chain.Nodes[1] || chain.Nodes[2].In[0].Kind != replay.EdgeLocation {
		t.Errorf("got %+v", chain.Edges)
	}
}

// TestTunnelledTLS: a proxy's CONNECT, TLS in it, HTTP in that.
func TestTunnelledTLS(t *testing.T) {
	log, secrets := encrypted(t, tls.VersionTLS13, "http/1.1", get, hello)
	steps := append([]step{up("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"), down("HTTP/1.0 200 Connection established\r\n\r\n")}, spoken(log)...)
	keys := must(tlskeys.Parse(bytes.NewReader(secrets)))
	r := read(t, play(0, true, steps...), replay.Options{Keys: keys})
	if got, want := told(r), "1 GET https://a.example/ > 200 \"hello\"\n"; !strings.HasSuffix(got, want) {
		t.Errorf("got:\n%swant at the end:\n%s", got, want)
	}
	if len(r.Flows) != 2 || r.Flows[1].Via != r.Transactions[0] || r.Transactions[1].Flow != r.Flows[1] || r.Flows[1].TLS.ServerName != "a.example" {
		t.Errorf("got flows %+v", r.Flows)
	}
}

// TestTLSGap: what a gap takes of TLS is a hole in what it protects.
func TestTLSGap(t *testing.T) {
	text := strings.Repeat("0123456789", 4000)
	log, secrets := encrypted(t, tls.VersionTLS13, "http/1.1", get, "HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n"+text, getB, world)
	var steps []step
	longest := 0
	for i, s := range log {
		if s.from == server && len(s.text) > len(log[longest].text) {
			longest = i
		}
	}
	for i, s := range log {
		if i == longest {
			k := len(s.text) / 2
			steps = append(steps, down(s.text[:k]), lostDown(100), down(s.text[k+100:]))
			continue
		}
		steps = append(steps, says(s.from, s.text))
	}
	keys := must(tlskeys.Parse(bytes.NewReader(secrets)))
	r := read(t, play(0, true, append(steps, fin)...), replay.Options{Keys: keys})
	if len(r.Transactions) != 2 || string(r.Transactions[1].Response.Body.Data) != "world" {
		t.Fatalf("got:\n%s", told(r))
	}
	b := &r.Transactions[0].Response.Body
	if !strings.HasPrefix(text, string(b.Data)) || b.Complete || len(b.Holes) == 0 || int64(len(b.Wire))+b.Missing != int64(len(text)) {
		t.Errorf("got %d octets, %d on the wire, %d missing, holes %v", len(b.Data), len(b.Wire), b.Missing, b.Holes)
	}
}

// TestTLSEnds: what is not certain, or not to be seen, of the end of a flow that was
// decrypted is told.
func TestTLSEnds(t *testing.T) {
	log, secrets := encrypted(t, tls.VersionTLS13, "http/1.1", get, hello, getB, "HTTP/1.0 200 OK\r\n\r\nworld")
	keys := must(tlskeys.Parse(bytes.NewReader(secrets)))
	last := len(log) - 1
	for _, c := range []struct {
		name   string
		change func(string) string
		want   string
	}{
		{"closed by TCP alone", func(s string) string { return s },
			`0 GET https://a.example/ > 200 "hello"
			 1 GET https://a.example/b > 200 "world" incomplete
			 - truncated 1: the connection, and with it the body, was ended without TLS saying so: it may have been cut off`},
		{"cut off within a record", func(s string) string { return s[:len(s)-9] },
			`0 GET https://a.example/ > 200 "hello"
			 1 GET https://a.example/b
			 - encrypted: the server's stream ends within a record of TLS
			 - no answer 1: the capture holds no answer`},
		{"changed on the way", func(s string) string {
			return s + strings.Repeat("\x17\x03\x03\x00\x20"+strings.Repeat("x", 32), 40)
		},
			`0 GET https://a.example/ > 200 "hello"
			 1 GET https://a.example/b > 200 "world" holes [{5 1480}] incomplete
			 - encrypted: the end of the server's stream was not decrypted: authentication failed
			 - encrypted 1: 1480 octets at 5 were not decrypted
			 - truncated 1: the connection's end, which is that of the body, was not captured`},
	} {
		t.Run(c.name, func(t *testing.T) {
			steps := spoken(log)
			steps[last] = says(log[last].from, c.change(log[last].text))
			if got, want := told(read(t, play(0, true, steps...), replay.Options{Keys: keys})), trim(c.want); got != want {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
		})
	}
}
