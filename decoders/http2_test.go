package decoders

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// h2Peer makes what one side of an HTTP/2 connection sends.
type h2Peer struct {
	out, block bytes.Buffer
	framer     *http2.Framer
	encoder    *hpack.Encoder
}

func newPeer() *h2Peer {
	p := &h2Peer{}
	p.framer = http2.NewFramer(&p.out, nil)
	p.framer.AllowIllegalWrites = true
	p.encoder = hpack.NewEncoder(&p.block)
	return p
}

// said is what was made since the last time.
func (p *h2Peer) said() string {
	defer p.out.Reset()
	return p.out.String()
}

func (p *h2Peer) fields(kv ...string) []byte {
	p.block.Reset()
	for i := 0; i < len(kv); i += 2 {
		p.encoder.WriteField(hpack.HeaderField{Name: kv[i], Value: kv[i+1]})
	}
	return append([]byte(nil), p.block.Bytes()...)
}

func (p *h2Peer) headers(id uint32, end bool, kv ...string) string {
	p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: p.fields(kv...), EndStream: end, EndHeaders: true})
	return p.said()
}

func (p *h2Peer) get(id uint32, path string, more ...string) string {
	return p.headers(id, true, append([]string{":method", "GET", ":scheme", "http", ":path", path, ":authority", "h"}, more...)...)
}

func (p *h2Peer) post(id uint32, path string, more ...string) string {
	return p.headers(id, false, append([]string{":method", "POST", ":scheme", "http", ":path", path, ":authority", "h"}, more...)...)
}

func (p *h2Peer) status(id uint32, end bool, status string, more ...string) string {
	return p.headers(id, end, append([]string{":status", status}, more...)...)
}

func (p *h2Peer) data(id uint32, end bool, data string) string {
	p.framer.WriteData(id, end, []byte(data))
	return p.said()
}

func (p *h2Peer) padded(id uint32, end bool, data string) string {
	p.framer.WriteDataPadded(id, end, []byte(data), make([]byte, 7))
	return p.said()
}

func (p *h2Peer) settings(s ...http2.Setting) string { p.framer.WriteSettings(s...); return p.said() }
func (p *h2Peer) reset(id uint32, code http2.ErrCode) string {
	p.framer.WriteRSTStream(id, code)
	return p.said()
}
func (p *h2Peer) goAway(id uint32, code http2.ErrCode) string {
	p.framer.WriteGoAway(id, code, []byte("debug"))
	return p.said()
}
func (p *h2Peer) window(id uint32) string { p.framer.WriteWindowUpdate(id, 1000); return p.said() }

// fragments is a request whose header block comes in n frames.
func (p *h2Peer) fragments(id uint32, n int, kv ...string) string {
	block := p.fields(kv...)
	cut := func() (piece []byte) {
		k := min(len(block), max(len(block)/n, 1))
		piece, block = block[:k], block[k:]
		return piece
	}
	p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: cut(), EndStream: true, PadLength: 3,
		Priority: http2.PriorityParam{Weight: 9}})
	for range n - 2 {
		p.framer.WriteContinuation(id, false, cut())
	}
	p.framer.WriteContinuation(id, true, block)
	return p.said()
}

func (p *h2Peer) promise(on, id uint32, kv ...string) string {
	p.framer.WritePushPromise(http2.PushPromiseParam{StreamID: on, PromiseID: id, BlockFragment: p.fields(kv...), EndHeaders: true, PadLength: 2})
	return p.said()
}

func testHTTP2() sensor.Protocol { return http2Protocol(newFiles(Default().Files)) }

// http2Line is a record as the tables below write it: as in HTTP/1, with the
// stream before it and what HTTP/2 adds behind it.
func http2Line(r *records.HTTP) string {
	s := fmt.Sprintf("#%d %s", r.Stream, line(r))
	if r.Reset != "" {
		s += " reset=" + r.Reset
	}
	if r.Pushed {
		s += " pushed"
	}
	if r.Trailers != nil {
		s += " trailers=" + strings.Join(r.Trailers, ",")
	}
	return s
}

func http2Lines(rs []*records.HTTP) []string {
	out := make([]string, len(rs))
	for i, r := range rs {
		out[i] = http2Line(r)
	}
	return out
}

func playHTTP2(c *http2Case, cut func(int) int) *tester {
	d := newTester()
	d.decoder = testHTTP2().New()
	d.play(c.play(newPeer(), newPeer()), cut)
	return d
}

func TestHTTP2Conversations(t *testing.T) {
	for i := range http2Cases {
		c := &http2Cases[i]
		t.Run(c.name, func(t *testing.T) {
			if got := http2Lines(playHTTP2(c, uncut).records); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(c.want, "\n  "))
			}
		})
	}
}

// What is recorded must not depend on how the streams are cut into segments.
func TestHTTP2DoesNotDependOnSegments(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range http2Cases {
		c := &http2Cases[i]
		if c.lost {
			continue
		}
		want := playHTTP2(c, uncut)
		for name, cut := range map[string]func(int) int{"one octet": func(int) int { return 1 }, "random": func(n int) int { return 1 + rng.IntN(n) }} {
			got := playHTTP2(c, cut)
			if !reflect.DeepEqual(got.records, want.records) || !reflect.DeepEqual(got.order, want.order) || !reflect.DeepEqual(got.files, want.files) {
				t.Errorf("%s, %s: got\n  %s\nwant\n  %s", c.name, name, strings.Join(http2Lines(got.records), "\n  "), strings.Join(http2Lines(want.records), "\n  "))
			}
		}
	}
}

func TestHTTP2TimesAndSizes(t *testing.T) {
	c, s := newPeer(), newPeer()
	request := c.post(1, "/up", "content-type", "text/plain", "referer", "http://r/", "user-agent", "ua", "via", "2 p", "authorization", "Basic aGFuYWtvOnNlY3JldA==")
	response := s.status(1, false, "201", "server", "s", "content-type", "text/html", "location", "/l", "x-cache", "HIT")
	d := newTester()
	d.decoder = testHTTP2().New()
	d.play([]octets{clientSays(http2Preface, c.settings()), clientSays(request[:5]), clientSays(request[5:]), clientSays(c.data(1, true, "ab")),
		serverSays(s.settings()), serverSays(response), serverSays(s.padded(1, true, "abc"))}, uncut)
	want := &records.HTTP{
		Start: 2 * step, RequestEnd: 4 * step, ResponseFrom: 6 * step, End: 7 * step, Depth: 1, Stream: 1,
		RequestSeen: true, Method: "POST", Target: "/up", Host: "h", URL: "http://h/up", Version: "2", Via: "2 p",
		Referrer: "http://r/", RequestType: "text/plain", UserAgent: "ua", User: "hanako", AuthScheme: "basic", Password: true,
		RequestHeaders: int64(len(request)), RequestBody: 2, RequestComplete: true,
		ResponseSeen: true, Status: 201, ResponseVersion: "2", Server: "s", Location: "/l", ContentType: "text/html", XCache: "HIT",
		ResponseHeaders: int64(len(response)), ResponseBody: 3, ResponseWire: int64(len(response)) + 9 + 1 + 3 + 7, ResponseComplete: true,
	}
	got := d.records[0]
	want.Stamp(*got.Meta())
	want.RequestFiles, want.ResponseFiles = []records.FileRef{d.files[0].Ref()}, []records.FileRef{d.files[1].Ref()}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if d.flow.Service != "http" || d.flow.ServerName != "h" {
		t.Errorf("flow labelled %q %q", d.flow.Service, d.flow.ServerName)
	}
}

// A connection that HTTP/1.1 hands over has its first request already.
func TestHTTP2Upgrade(t *testing.T) {
	c, s := newPeer(), newPeer()
	d := newTester(testHTTP())
	d.play([]octets{
		clientSays("GET /a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"),
		serverSays("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", s.settings(), s.status(1, false, "200"), s.data(1, true, "hello")),
		clientSays(http2Preface, c.settings(), c.get(3, "/b")), serverSays(s.status(3, true, "404")),
	}, uncut)
	var got []string
	for _, r := range d.records {
		got = append(got, http2Line(r))
	}
	if want := []string{"#1 1 GET http://h/a 2 > 200 5", "#3 2 GET http://h/b 2 > 404 0", "#0 1 GET http://h/a 1.1 > 101 0"}; len(got) != 3 ||
		!reflect.DeepEqual(got[:2], want[:2]) || !strings.HasPrefix(got[2], want[2]) || d.records[2].Tunnel != "h2c" {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// Behind an extended CONNECT (RFC 8441), WebSocket frames are read as behind an
// upgrade.
func TestHTTP2WebSocket(t *testing.T) {
	c, s := newPeer(), newPeer()
	d := newTester()
	d.decoder = testHTTP2().New()
	d.play([]octets{
		clientSays(http2Preface, c.settings(), c.headers(1, false, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/chat",
			":authority", "h", "sec-websocket-protocol", "v1, v2", "sec-websocket-version", "13")),
		serverSays(s.settings(), s.status(1, false, "200", "sec-websocket-protocol", "v2")),
		clientSays(c.data(1, false, clientFrame(0x81, "hi"))), serverSays(s.data(1, true, "\x81\x05hello")), clientSays(c.data(1, true, "")),
	}, uncut)
	if len(d.records) != 1 || http2Line(d.records[0]) != "#1 1 CONNECT http://h/chat 2 > 200 0 tunnel=websocket//8/7" {
		t.Errorf("got %s", http2Lines(d.records))
	}
	if len(d.sockets) != 1 || d.sockets[0].Client.Text != 1 || d.sockets[0].Server.Bytes != 5 || d.sockets[0].Subprotocol != "v2" || d.sockets[0].Stream != 1 {
		t.Errorf("got %+v", d.sockets)
	}
	if got := strings.Join(d.order, " "); got != "websocket http" {
		t.Errorf("records %s", got)
	}
}

func TestHTTP2Match(t *testing.T) {
	c, s := newPeer(), newPeer()
	settings := s.settings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 16384})
	long := "\x00\x40\x00\x01\x04\x00\x00\x00\x01" + strings.Repeat("\x00", 400)
	for _, t2 := range []struct {
		name, first string
		side        packet.Side
		want        sensor.Match
	}{
		{"preface", http2Preface, packet.FromA, sensor.FromClient},
		{"preface of a flow seen from the other side", http2Preface + "x", packet.FromB, sensor.FromClient},
		{"start of the preface", http2Preface[:7], packet.FromA, sensor.Maybe},
		{"POST", "POST / HTTP/1.1\r\n", packet.FromA, sensor.No},
		{"server's settings", settings, packet.FromB, sensor.FromServer},
		{"start of them", settings[:8], packet.FromB, sensor.Maybe},
		{"empty settings alone", s.settings(), packet.FromB, sensor.Maybe},
		{"unknown setting", "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x77\x77\x00\x00\x00\x00" + "xxxxxxxxx", packet.FromB, sensor.No},
		{"request and more", c.get(1, "/a") + c.window(0), packet.FromB, sensor.FromClient},
		{"response and content", s.status(1, false, "200") + s.data(1, true, "abc"), packet.FromA, sensor.FromServer},
		{"windows", c.window(0) + c.window(1), packet.FromA, sensor.FromClient},
		{"one long frame", long[:sensor.MatchLimit], packet.FromA, sensor.No},
		{"zeros", strings.Repeat("\x00", 64), packet.FromA, sensor.No},
		{"SMB", "\x00\x00\x00\x55\xffSMBr\x00\x00\x00\x00\x18", packet.FromA, sensor.No},
		{"DNS", "\x00\x1d\x12\x34\x01\x00\x00\x01\x00\x00", packet.FromA, sensor.No},
		{"TLS", "\x16\x03\x01\x02\x00", packet.FromA, sensor.No},
	} {
		if got := matchHTTP2(sensor.NewTestFlow(packet.ProtoTCP), t2.side, []byte(t2.first)); got != t2.want {
			t.Errorf("%s: %v, want %v", t2.name, got, t2.want)
		}
	}
}
