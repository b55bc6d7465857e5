package lab

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/miekg/dns"
)

// exchange is an HTTP request and its response, read with net/http.
type exchange struct {
	at            time.Duration
	leg           string // proxy, origin, direct
	method, url   string
	site, referer string
	status        int
	kind          string
	location      string
	size          int // of the decoded body
	sum           string
	head          []byte // first bytes of the decoded body
	tunnel        []byte // what the client sent after CONNECT
}

// exchanges reads every HTTP conversation of a capture. Only the client's leg
// and direct requests have a URL, so that each URL stands for one exchange.
func exchanges(t *testing.T, c *Capture, truth *Truth) []exchange {
	t.Helper()
	var out []exchange
	for f, x := range wireFlows(t, c) {
		leg := "direct"
		switch {
		case f.Dst == truth.Network.Proxy.Addr() && f.DstPort == truth.Network.Proxy.Port():
			leg = "proxy"
		case f.DstPort != 80:
			continue
		case isProxy(f, truth):
			leg = "origin"
		}
		out = append(out, x.exchanges(t, leg)...)
	}
	slices.SortFunc(out, func(a, b exchange) int { return int(a.at/time.Microsecond - b.at/time.Microsecond) })
	return out
}

// isProxy reports whether the proxy opened the conversation, over IPv4 or as
// the only inside host with IPv6.
func isProxy(f Flow, truth *Truth) bool {
	return f.Src == truth.Network.Proxy.Addr() || f.Src.Is6()
}

func (x *wireFlow) exchanges(t *testing.T, leg string) []exchange {
	t.Helper()
	up := &x.halves[Client]
	counted := &countingReader{r: bytes.NewReader(up.data)}
	requests := bufio.NewReader(counted)
	answers := bufio.NewReader(bytes.NewReader(x.halves[Server].data))
	var out []exchange
	for {
		begin := counted.n - requests.Buffered()
		q, err := http.ReadRequest(requests)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%v: request: %v", x.flow, err)
		}
		if _, err := io.Copy(io.Discard, q.Body); err != nil {
			t.Fatalf("%v: request body: %v", x.flow, err)
		}
		a, err := http.ReadResponse(answers, q)
		if err != nil {
			t.Fatalf("%v: response to %s %s: %v", x.flow, q.Method, q.URL, err)
		}
		one := exchange{at: up.timeOf(begin), leg: leg, method: q.Method, site: q.Host, referer: q.Referer(),
			status: a.StatusCode, kind: a.Header.Get("Content-Type"), location: a.Header.Get("Location")}
		if leg != "origin" {
			one.url = q.URL.String()
		} else {
			one.site = ""
		}
		if q.Method == http.MethodConnect && a.StatusCode == http.StatusOK {
			one.tunnel, _ = io.ReadAll(requests)
			return append(out, one)
		}
		one.body(t, x.flow, a)
		out = append(out, one)
	}
	return out
}

type countingReader struct {
	r io.Reader
	n int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

func (e *exchange) body(t *testing.T, f Flow, a *http.Response) {
	t.Helper()
	var r io.Reader = a.Body
	if a.Header.Get("Content-Encoding") == "gzip" && e.method != http.MethodHead && a.StatusCode == http.StatusOK {
		zr, err := gzip.NewReader(a.Body)
		if err != nil {
			t.Fatalf("%v: gzip: %v", f, err)
		}
		r = zr
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%v: response body of %s: %v", f, e.url, err)
	}
	e.size, e.head = len(b), b[:min(len(b), 16)]
	if len(b) > 0 {
		sum := sha256.Sum256(b)
		e.sum = hex.EncodeToString(sum[:])
	}
}

// messages are the truth's counts made again from the wire alone.
type messages struct {
	HTTP     HTTPCounts
	TLS      TLSCounts
	DNS      DNSCounts
	statuses map[int]int
	methods  map[string]int
}

func countMessages(t *testing.T, c *Capture, truth *Truth) messages {
	t.Helper()
	m := messages{statuses: make(map[int]int), methods: make(map[string]int)}
	for _, x := range exchanges(t, c, truth) {
		m.HTTP.Responses++
		m.statuses[x.status]++
		m.methods[x.method]++
		if x.method == http.MethodConnect {
			m.HTTP.Connects++
		}
		if x.tunnel != nil {
			m.TLS.ClientToProxy += clientHellos(t, x.tunnel)
		}
		switch x.leg {
		case "proxy":
			m.HTTP.ClientToProxy++
		case "origin":
			m.HTTP.ProxyToOrigin++
		default:
			m.HTTP.Direct++
		}
	}
	for f, x := range wireFlows(t, c) {
		switch data := x.halves[Client].data; {
		case f.DstPort == 53 && len(data) > 0:
			m.dns(t, data[2:], truth, f, true)
			m.dns(t, x.halves[Server].data[2:], truth, f, true)
		case f.DstPort != 443 && f.DstPort != 993:
		case isProxy(f, truth):
			m.TLS.ProxyToOrigin += clientHellos(t, data)
		default:
			m.TLS.Direct += clientHellos(t, data)
		}
	}
	for _, f := range c.Frames {
		p := gopacket.NewPacket(f.Data, layers.LayerTypeEthernet, gopacket.NoCopy)
		udp, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
		if ok && (udp.SrcPort == 53 || udp.DstPort == 53) {
			ip := p.NetworkLayer().(*layers.IPv4)
			src := Flow{SrcPort: uint16(udp.SrcPort)}
			src.Src = truth.Network.Resolver
			if !ip.SrcIP.Equal(truth.Network.Resolver.AsSlice()) {
				src.Src = truth.Network.Gateway // any other
			}
			m.dns(t, udp.Payload, truth, src, false)
		}
	}
	return m
}

func (m *messages) dns(t *testing.T, b []byte, truth *Truth, f Flow, tcp bool) {
	t.Helper()
	msg := new(dns.Msg)
	if err := msg.Unpack(b); err != nil {
		t.Fatalf("unpack DNS message of %v: %v", f, err)
	}
	switch {
	case msg.Response:
		m.DNS.Responses++
		if msg.Rcode == dns.RcodeNameError {
			m.DNS.NameErrors++
		}
		return
	case f.Src == truth.Network.Resolver:
		m.DNS.ResolverUpstream++
	default:
		m.DNS.ClientToResolver++
	}
	if tcp {
		m.DNS.OverTCP++
	}
}

// clientHellos walks the records of one direction of a TLS conversation and
// checks the structure of each ClientHello to the last byte.
func clientHellos(t *testing.T, b []byte) int {
	t.Helper()
	n := 0
	for len(b) > 0 {
		if len(b) < 5 || len(b) < 5+int(binary.BigEndian.Uint16(b[3:])) {
			t.Fatalf("TLS record of %d bytes is cut", len(b))
		}
		size := int(binary.BigEndian.Uint16(b[3:]))
		body := b[5 : 5+size]
		if b[0] == recHandshake && n == 0 && body[0] == hsClientHello {
			n++
			checkHello(t, body)
		}
		b = b[5+size:]
	}
	return n
}

func checkHello(t *testing.T, b []byte) {
	t.Helper()
	take := func(size int) []byte { // a vector with a length of size bytes
		n := 0
		for _, v := range b[:size] {
			n = n<<8 | int(v)
		}
		v := b[size : size+n]
		b = b[size+n:]
		return v
	}
	b = b[1:]
	b = take(3)[2+32:]
	take(1) // session id
	if len(take(2))%2 != 0 || len(take(1)) != 1 {
		t.Error("ClientHello: bad cipher suites or compression methods")
	}
	b = take(2)
	seen := make(map[uint16]bool)
	for len(b) > 0 {
		id := binary.BigEndian.Uint16(b)
		b = b[2:]
		take(2)
		if seen[id] {
			t.Errorf("ClientHello: extension %#04x twice", id)
		}
		seen[id] = true
	}
	if !seen[0] || !seen[10] {
		t.Error("ClientHello: want server_name and supported_groups")
	}
}
