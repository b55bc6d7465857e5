package decoders

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// octets is one step of a conversation: what one side sends, or loses.
type octets struct {
	side packet.Side
	data string
	gap  int
}

func clientSays(parts ...string) octets {
	return octets{side: packet.FromA, data: strings.Join(parts, "")}
}
func serverSays(parts ...string) octets {
	return octets{side: packet.FromB, data: strings.Join(parts, "")}
}
func clientLoses(n int) octets { return octets{side: packet.FromA, gap: n} }
func serverLoses(n int) octets { return octets{side: packet.FromB, gap: n} }

// step is the time between the steps of a conversation, nanoseconds.
const step = 1_000_000

// testHTTP is the protocol with the default settings.
func testHTTP() sensor.Protocol { return httpProtocol(newFiles(Default().Files)) }

// tester plays conversations to one decoder.
type tester struct {
	flow    *sensor.Flow
	decoder sensor.Decoder
	verdict sensor.Verdict
	records []*records.HTTP
	files   []*records.File
	sockets []*records.WebSocket
	order   []string // kinds of all records
}

func newTester(protocols ...sensor.Protocol) *tester {
	return &tester{flow: sensor.NewTestFlow(packet.ProtoTCP, protocols...), decoder: testHTTP().New()}
}

func (c *tester) emit(r records.Record) {
	c.order = append(c.order, r.Meta().Kind.String())
	switch r := r.(type) {
	case *records.HTTP:
		c.records = append(c.records, r)
	case *records.File:
		c.files = append(c.files, r)
	case *records.WebSocket:
		c.sockets = append(c.sockets, r)
	}
}

// play gives the steps to the decoder, each cut into segments by cut.
func (c *tester) play(steps []octets, cut func(n int) int) {
	now := int64(0)
	for _, s := range steps {
		now += step
		if s.gap > 0 {
			c.flow.TestSent(s.side, s.gap, now)
			if c.verdict == sensor.More {
				c.verdict = c.decoder.Gap(c.flow, s.side, s.gap)
			}
		}
		for data := []byte(s.data); len(data) > 0; {
			n := cut(len(data))
			c.flow.TestSent(s.side, n, now)
			piece := append([]byte(nil), data[:n]...)
			if c.verdict == sensor.More {
				c.verdict = c.decoder.Data(c.flow, s.side, piece, c.emit)
			}
			clear(piece) // it was only borrowed
			data = data[n:]
		}
	}
	c.flow.TestFinish()
	c.decoder.Close(c.flow, c.emit)
}

func uncut(n int) int { return n }

// line is a record as the tables below write it:
//
//	1 GET http://h/ 1.1 +3 > 200 5 magic=html odd=... gap
//
// the transaction's number, the request ("-" when it was not seen, "!" after it
// when it is incomplete, + octets of content), and the response (status, octets
// of content).
func line(r *records.HTTP) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d ", r.Depth)
	if !r.RequestSeen {
		b.WriteString("-")
	} else {
		fmt.Fprintf(&b, "%s %s %s", r.Method, r.URL, r.Version)
		if r.RequestBody > 0 {
			fmt.Fprintf(&b, " +%d", r.RequestBody)
		}
		if !r.RequestComplete {
			b.WriteString("!")
		}
	}
	b.WriteString(" > ")
	if !r.ResponseSeen {
		b.WriteString("-")
	} else {
		fmt.Fprintf(&b, "%d %d", r.Status, r.ResponseBody)
		if !r.ResponseComplete {
			b.WriteString("!")
		}
	}
	for _, i := range r.Info {
		fmt.Fprintf(&b, " info=%d", i)
	}
	if r.Tunnel != "" || r.TunnelFromOrig+r.TunnelFromResp > 0 {
		fmt.Fprintf(&b, " tunnel=%s/%s/%d/%d", r.Tunnel, r.TunnelName, r.TunnelFromOrig, r.TunnelFromResp)
	}
	for _, f := range []struct{ name, value string }{{"magic", r.Magic}, {"user", r.User}, {"odd", r.Odd}} {
		if f.value != "" {
			fmt.Fprintf(&b, " %s=%s", f.name, f.value)
		}
	}
	if r.Proxied {
		b.WriteString(" proxied")
	}
	if r.Gap {
		b.WriteString(" gap")
	}
	return b.String()
}

func lines(rs []*records.HTTP) []string {
	out := make([]string, len(rs))
	for i, r := range rs {
		out[i] = line(r)
	}
	return out
}

// The messages that most conversations are made of.
const (
	get  = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
	get2 = "GET /b HTTP/1.1\r\nHost: h\r\n\r\n"
	get3 = "GET /c HTTP/1.1\r\nHost: h\r\n\r\n"
	head = "HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n"
	ok5  = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
	ok0  = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	ok3  = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
)

// lost marks conversations whose outcome depends on where segments begin.
type httpCase struct {
	name  string
	lost  bool
	steps []octets
	want  []string
}

func allHTTPCases() []httpCase {
	var all []httpCase
	for _, t := range [][]httpCase{framingCases, headerCases, targetCases, halfCases, gapCases, tunnelCases} {
		all = append(all, t...)
	}
	return all
}

func TestHTTPConversations(t *testing.T) {
	for _, c := range allHTTPCases() {
		t.Run(c.name, func(t *testing.T) {
			d := newTester(testHTTP(), recorderProtocol())
			d.play(c.steps, uncut)
			if got := lines(d.records); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(c.want, "\n  "))
			}
		})
	}
}

// What is recorded must not depend on how the streams are cut into segments.
func TestHTTPDoesNotDependOnSegments(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	cuts := map[string]func(int) int{
		"one octet":    func(int) int { return 1 },
		"few octets":   func(n int) int { return min(n, 1+rng.IntN(4)) },
		"random":       func(n int) int { return 1 + rng.IntN(n) },
		"long":         func(n int) int { return min(n, 300+rng.IntN(1200)) },
		"all but last": func(n int) int { return max(n-1, 1) },
	}
	for _, c := range allHTTPCases() {
		if c.lost {
			continue
		}
		want := newTester(testHTTP(), recorderProtocol())
		want.play(c.steps, uncut)
		for name, cut := range cuts {
			times := 4
			for _, s := range c.steps {
				times = max(1, min(times, 20_000/(len(s.data)+1))) // the long ones take long
			}
			for range times {
				got := newTester(testHTTP(), recorderProtocol())
				got.play(c.steps, cut)
				if !reflect.DeepEqual(got.records, want.records) {
					t.Fatalf("%s, %s: got\n  %s\nwant\n  %s", c.name, name,
						strings.Join(lines(got.records), "\n  "), strings.Join(lines(want.records), "\n  "))
				}
			}
		}
	}
}

func TestHTTPTimesAndSizes(t *testing.T) {
	request := "\r\nPOST /up HTTP/1.1\r\nHost: h:8080\r\nContent-Length: 4\r\nReferer: http://r/\r\nContent-Type: text/plain\r\n\r\n"
	interim := "HTTP/1.1 100 Continue\r\n\r\n"
	header := "HTTP/1.0 201 Created\r\nTransfer-Encoding: chunked\r\nServer: s\r\nContent-Type: text/html; charset=utf-8\r\n" +
		"Content-Encoding: br\r\nLocation: /l\r\n\r\n"
	d := newTester()
	d.play([]octets{
		clientSays(request), clientSays("\x00\x01"), serverSays(interim), clientSays("\x02\x03"),
		serverSays(header[:20]), serverSays(header[20:], "3\r\nabc\r\n"), serverSays("1;x=y\r\nd\r\n0\r\nX: t\r\n\r\n"),
	}, uncut)
	if len(d.records) != 1 {
		t.Fatal(lines(d.records))
	}
	want := &records.HTTP{
		Start: 1 * step, RequestEnd: 4 * step, ResponseFrom: 5 * step, End: 7 * step, Depth: 1,
		RequestSeen: true, Method: "POST", Target: "/up", Host: "h:8080", URL: "http://h:8080/up", Version: "1.1",
		Referrer: "http://r/", RequestType: "text/plain",
		RequestHeaders: int64(len(request)) - 2, RequestBody: 4, RequestComplete: true,
		ResponseSeen: true, Status: 201, Reason: "Created", ResponseVersion: "1.0", Server: "s", Location: "/l",
		ContentType: "text/html; charset=utf-8", ContentEncoding: "br",
		ResponseHeaders: int64(len(header)), ResponseBody: 4,
		ResponseWire:     int64(len(header) + len("3\r\nabc\r\n1;x=y\r\nd\r\n0\r\nX: t\r\n\r\n")),
		ResponseComplete: true, Info: []int{100}, InfoReason: "Continue", Trailers: []string{"X"},
	}
	got := d.records[0]
	if m := got.Meta(); m.Kind != records.KindHTTP || m.Key != d.flow.Key {
		t.Errorf("header %+v", m)
	}
	want.Stamp(*got.Meta())
	want.RequestFiles, want.ResponseFiles = []records.FileRef{d.files[0].Ref()}, []records.FileRef{d.files[1].Ref()}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if d.flow.Service != "http" || d.flow.ServerName != "h" {
		t.Errorf("flow labelled %q %q", d.flow.Service, d.flow.ServerName)
	}
}

// A record's time ends with its last octet, not with the connection.
func TestHTTPEndOfIncomplete(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps []octets
	}{
		{"until close", []octets{clientSays(get), serverSays("HTTP/1.0 200 OK\r\n\r\nabc")}},
		{"cut body", []octets{clientSays(get), serverSays(ok5[:len(ok5)-2])}},
		{"cut header", []octets{clientSays(get), serverSays("HTTP/1.0 200 OK\r\nServ")}},
	} {
		d := newTester()
		d.play(c.steps, uncut) // Close comes at time 2
		late := newTester()
		for i, s := range c.steps {
			late.flow.TestSent(s.side, len(s.data), int64(i+1)*step)
			late.decoder.Data(late.flow, s.side, []byte(s.data), late.emit)
		}
		late.flow.TestSent(packet.FromB, 0, 9*step)
		late.decoder.Close(late.flow, late.emit)
		if got := late.records[0].End; got != 2*step {
			t.Errorf("%s: End = %d", c.name, got)
		}
	}
}

func TestHTTPUser(t *testing.T) {
	for _, c := range []struct{ header, want string }{
		{"Authorization: Basic aGFuYWtvOnNlY3JldA==", "hanako"}, // hanako:secret
		{"authorization: basic aGFuYWtvOnNlY3JldA", "hanako"},
		{"Proxy-Authorization: Basic cHJveHk6eA==\r\nAuthorization: Basic aGFuYWtvOnNlY3JldA==", "proxy"},
		{"Authorization: Basic aGFuYWtv", "hanako"},
		{"Authorization: Basic ####", ""},
		{"Authorization: Basic", ""},
		{"Authorization: Bearer aGFuYWtvOnNlY3JldA==", ""},
		{"Authorization: Basic " + strings.Repeat("YWFh", 10000), strings.Repeat("a", 3*maxUserToken/4)},
	} {
		d := newTester()
		d.play([]octets{clientSays("GET / HTTP/1.1\r\n", c.header, "\r\n\r\n")}, uncut)
		if got := d.records[0].User; got != c.want {
			t.Errorf("%.60q: user %q, want %q", c.header, got, c.want)
		}
		for _, f := range d.records[0].AppendFields(nil) {
			if strings.Contains(f.Str, "secret") {
				t.Errorf("%s tells the password", f.Name)
			}
		}
	}
}

// Who is the client is the flow's word, not the side's name.
func TestHTTPClientIsOriginator(t *testing.T) {
	d := newTester()
	d.flow.Orig = packet.FromB
	d.play([]octets{serverSays("GET / HTTP/1.1\r\n\r\n"), clientSays(ok3)}, uncut)
	want := []string{"1 GET http://10.0.0.1:40000/ 1.1 > 200 3"}
	if got := lines(d.records); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestHTTPServerAddressIPv6(t *testing.T) {
	for port, want := range map[uint16]string{80: "http://[2001:db8::1]/", 8080: "http://[2001:db8::1]:8080/"} {
		d := newTester()
		d.flow.Key.B = [16]byte{0x20, 0x01, 0x0d, 0xb8, 15: 1}
		d.flow.Key.BPort = port
		d.play([]octets{clientSays("GET / HTTP/1.0\r\n\r\n")}, uncut)
		if got := d.records[0].URL; got != want || d.records[0].Host != "" {
			t.Errorf("port %d: URL %q, Host %q", port, got, d.records[0].Host)
		}
	}
}

func TestHTTPHost(t *testing.T) {
	for _, c := range []struct{ request, want string }{
		{get, "h"},
		{"GET http://www.example:81/a HTTP/1.1\r\nHost: h\r\n\r\n", "www.example:81"},
		{"CONNECT www.example:443 HTTP/1.1\r\nHost: h\r\n\r\n", "www.example:443"},
		{"CONNECT / HTTP/1.1\r\nHost: h\r\n\r\n", "h"},
		{"CONNECT / HTTP/1.1\r\n\r\n", ""},
	} {
		d := newTester(testHTTP())
		d.play([]octets{clientSays(c.request)}, uncut)
		if len(d.records) != 1 || d.records[0].Host != c.want {
			t.Errorf("%q: got %s, want host %q", c.request, lines(d.records), c.want)
		}
	}
}

func TestHTTPLabel(t *testing.T) {
	for _, c := range []struct{ request, want string }{
		{"GET / HTTP/1.1\r\nHost: www.example:8080\r\n\r\n", "www.example"},
		{"GET http://www.example/ HTTP/1.1\r\n\r\n", "www.example"},
		{connect, "www.example"},
		{"GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n", ""},
		{"GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n", ""},
		{"GET / HTTP/1.0\r\n\r\n", ""},
	} {
		d := newTester()
		d.play([]octets{clientSays(c.request)}, uncut)
		if d.flow.Service != "http" || d.flow.ServerName != c.want {
			t.Errorf("%.40q: labelled %q %q, want %q", c.request, d.flow.Service, d.flow.ServerName, c.want)
		}
	}
}
