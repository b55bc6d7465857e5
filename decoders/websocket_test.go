package decoders

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// serverFrame is a frame with the first octet given, unmasked.
func serverFrame(first byte, payload string) string {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return string(b) + payload
}

// clientFrame is the same, masked.
func clientFrame(first byte, payload string) string {
	plain := serverFrame(first, payload)
	head := []byte(plain[:len(plain)-len(payload)])
	head[1] |= 0x80
	mask := []byte{1, 2, 3, 4}
	out := append(head, mask...)
	for i := range len(payload) {
		out = append(out, payload[i]^mask[i&3])
	}
	return string(out)
}

const (
	socketRequest = "GET /chat HTTP/1.1\r\nHost: ws.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nUser-Agent: ua\r\nOrigin: http://o\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: v1\r\nSec-WebSocket-Protocol: v2 ,v3\r\n" +
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
	// RFC 6455 section 1.3 gives the key and its answer.
	socketResponse = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
	plainSocket    = socketResponse + "\r\n"
	deflatedSocket = socketResponse + "Sec-WebSocket-Protocol: v2\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
)

// socketLine is a record as the table writes it: what client and server sent,
// then what is odd.
func socketLine(r *records.WebSocket) string {
	side := func(s *records.WebSocketSide) string {
		out := fmt.Sprintf("%d frames %d text %d binary %d octets", s.Frames, s.Text, s.Binary, s.Bytes)
		if s.Ping+s.Pong+s.Compressed > 0 {
			out += fmt.Sprintf(" %d/%d/%d", s.Ping, s.Pong, s.Compressed)
		}
		if s.CloseCode != 0 {
			out += fmt.Sprintf(" close %d %q", s.CloseCode, s.Reason)
		}
		return out
	}
	out := side(&r.Client) + " > " + side(&r.Server)
	for _, s := range []string{r.ClosedBy, r.Odd} {
		if s != "" {
			out += " | " + s
		}
	}
	if r.Gap {
		out += " | gap"
	}
	if r.Cut {
		out += " | cut"
	}
	return out
}

var socketCases = []struct {
	name  string
	steps []octets
	want  string
}{
	{name: "messages both ways", steps: []octets{serverSays(plainSocket), clientSays(clientFrame(0x81, "hello")), serverSays(serverFrame(0x82, "abc"), serverFrame(0x81, ""))},
		want: "1 frames 1 text 0 binary 5 octets > 2 frames 1 text 1 binary 3 octets"},
	{name: "fragments, with a ping between", steps: []octets{serverSays(plainSocket), serverSays(serverFrame(0x01, "ab"), serverFrame(0x89, "p"), serverFrame(0x00, "c"), serverFrame(0x80, "d")), clientSays(clientFrame(0x8a, "p"))},
		want: "1 frames 0 text 0 binary 1 octets 0/1/0 > 4 frames 1 text 0 binary 5 octets 1/0/0"},
	{name: "lengths of two and eight octets", steps: []octets{serverSays(plainSocket), serverSays(serverFrame(0x82, strings.Repeat("a", 126)), serverFrame(0x82, strings.Repeat("a", 1<<16))), clientSays(clientFrame(0x82, strings.Repeat("b", 300)))},
		want: "1 frames 0 text 1 binary 300 octets > 2 frames 0 text 2 binary 65662 octets"},
	{name: "close", steps: []octets{serverSays(plainSocket), clientSays(clientFrame(0x88, "\x03\xe8bye")), serverSays(serverFrame(0x88, "\x03\xe8"))},
		want: `1 frames 0 text 0 binary 5 octets close 1000 "bye" > 1 frames 0 text 0 binary 2 octets close 1000 "" | client`},
	{name: "close without a code", steps: []octets{serverSays(plainSocket), serverSays(serverFrame(0x88, ""))},
		want: "0 frames 0 text 0 binary 0 octets > 1 frames 0 text 0 binary 0 octets | server"},
	{name: "compressed", steps: []octets{serverSays(deflatedSocket), serverSays(serverFrame(0xc1, "xx"), serverFrame(0x81, "y"))},
		want: "0 frames 0 text 0 binary 0 octets > 2 frames 2 text 0 binary 3 octets 0/0/1"},
	{name: "wrong accept key", steps: []octets{serverSays(strings.Replace(plainSocket, "s3pP", "S3pP", 1))},
		want: "0 frames 0 text 0 binary 0 octets > 0 frames 0 text 0 binary 0 octets | wrong accept key"},
	{name: "compressed without having said so", steps: []octets{serverSays(plainSocket), serverSays(serverFrame(0xc1, "xx"))},
		want: "0 frames 0 text 0 binary 0 octets > 1 frames 1 text 0 binary 2 octets 0/0/1 | reserved bits set"},
	{name: "unmasked client", steps: []octets{serverSays(plainSocket), clientSays(serverFrame(0x81, "a"))},
		want: "1 frames 1 text 0 binary 1 octets > 0 frames 0 text 0 binary 0 octets | unmasked client frame"},
	{name: "masked server", steps: []octets{serverSays(plainSocket, clientFrame(0x88, "\x03\xe9x"))},
		want: `0 frames 0 text 0 binary 0 octets > 1 frames 0 text 0 binary 3 octets close 1001 "x" | server | masked server frame`},
	{name: "reserved opcode", steps: []octets{serverSays(plainSocket, serverFrame(0x83, "a"))},
		want: "0 frames 0 text 0 binary 0 octets > 1 frames 0 text 0 binary 1 octets | reserved opcode"},
	{name: "long control frame", steps: []octets{serverSays(plainSocket, serverFrame(0x88, "\x03\xe8"+strings.Repeat("r", 300)))},
		want: `0 frames 0 text 0 binary 0 octets > 1 frames 0 text 0 binary 302 octets close 1000 "` + strings.Repeat("r", 123) + `" | server | bad control frame`},
	{name: "fragmented control frame", steps: []octets{serverSays(plainSocket, serverFrame(0x09, "a"))},
		want: "0 frames 0 text 0 binary 0 octets > 1 frames 0 text 0 binary 1 octets 1/0/0 | bad control frame"},
	{name: "continuation of nothing", steps: []octets{serverSays(plainSocket, serverFrame(0x80, "a"))},
		want: "0 frames 0 text 0 binary 0 octets > 1 frames 0 text 0 binary 1 octets | continuation without a message"},
	{name: "message inside a message", steps: []octets{serverSays(plainSocket, serverFrame(0x01, "a"), serverFrame(0x81, "b"))},
		want: "0 frames 0 text 0 binary 0 octets > 2 frames 2 text 0 binary 2 octets | message inside a message"},
	{name: "bad close codes", steps: []octets{serverSays(plainSocket, serverFrame(0x88, "x")), clientSays(clientFrame(0x88, "\x00\x01"))},
		want: `1 frames 0 text 0 binary 2 octets close 1 "" > 1 frames 0 text 0 binary 1 octets | server | bad close code`},
	{name: "frames after close", steps: []octets{serverSays(plainSocket, serverFrame(0x88, ""), serverFrame(0x88, "\x03\xe8"))},
		want: "0 frames 0 text 0 binary 0 octets > 2 frames 0 text 0 binary 2 octets | server | frame after close"},
	{name: "impossible length", steps: []octets{serverSays(plainSocket, "\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xffabc"), clientSays(clientFrame(0x81, "a"))},
		want: "1 frames 1 text 0 binary 1 octets > 1 frames 0 text 1 binary 0 octets | bad frame length"},
	{name: "gap inside a payload", steps: []octets{serverSays(plainSocket, "\x82\x05ab"), serverLoses(2), serverSays("e", serverFrame(0x81, "x"))},
		want: "0 frames 0 text 0 binary 0 octets > 2 frames 1 text 1 binary 6 octets | gap"},
	{name: "gap over a header", steps: []octets{serverSays(plainSocket, "\x82\x05ab"), serverLoses(4), serverSays("xx"), clientSays(clientFrame(0x81, "a"))},
		want: "1 frames 1 text 0 binary 1 octets > 1 frames 0 text 1 binary 2 octets | gap"},
	{name: "reason that is no UTF-8", steps: []octets{serverSays(plainSocket, serverFrame(0x88, "\x03\xe8a\xffb"))},
		want: "0 frames 0 text 0 binary 0 octets > 1 frames 0 text 0 binary 5 octets close 1000 \"a\ufffdb\" | server"},
}

func TestWebSocket(t *testing.T) {
	for _, c := range socketCases {
		t.Run(c.name, func(t *testing.T) {
			for name, cut := range map[string]func(int) int{"uncut": uncut, "one octet": func(int) int { return 1 }} {
				d := newTester()
				d.play(append([]octets{clientSays(socketRequest)}, c.steps...), cut)
				if len(d.sockets) != 1 || len(d.records) != 1 || socketLine(d.sockets[0]) != c.want {
					t.Errorf("%s: %d records; got\n  %s\nwant\n  %s", name, len(d.sockets), socketLine(d.sockets[0]), c.want)
				}
			}
		})
	}
}

func TestWebSocketHandshake(t *testing.T) {
	d := newTester()
	d.play([]octets{clientSays(socketRequest), serverSays(deflatedSocket), clientSays(clientFrame(0x81, "a"))}, uncut)
	got := d.sockets[0]
	want := &records.WebSocket{Start: 2 * step, End: 3 * step, Depth: 1, Host: "ws.example", URI: "/chat", URL: "http://ws.example/chat", UserAgent: "ua",
		Origin: "http://o", Subprotocol: "v2", ClientProtocols: []string{"v1", "v2", "v3"},
		ClientExtensions: []string{"permessage-deflate; client_max_window_bits"}, ServerExtensions: []string{"permessage-deflate"}, Compressed: true,
		Client: records.WebSocketSide{Frames: 1, Text: 1, Bytes: 1}}
	want.Stamp(*got.Meta())
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := strings.Join(d.order, " "); got != "websocket http" || d.records[0].Tunnel != "websocket" {
		t.Errorf("records %s, tunnel %q", got, d.records[0].Tunnel)
	}
}

// After so many frames, or octets, the connection is left alone; the HTTP record
// has all octets all the same.
func TestWebSocketIsBounded(t *testing.T) {
	for _, c := range []struct {
		name  string
		frame string
		limit int
	}{
		{"frames", serverFrame(0x81, "a"), maxSocketFrames},
		{"octets", serverFrame(0x82, strings.Repeat("a", 1<<20)), maxSocketOctets>>20 + 1},
	} {
		d := newTester()
		d.play([]octets{clientSays(socketRequest), serverSays(plainSocket), serverSays(strings.Repeat(c.frame, c.limit-2))}, uncut)
		if d.verdict != sensor.More || d.sockets[0].Cut {
			t.Errorf("%s: left alone early", c.name)
		}
		d = newTester()
		d.play([]octets{clientSays(socketRequest), serverSays(plainSocket), serverSays(strings.Repeat(c.frame, c.limit)), serverSays(c.frame)}, uncut)
		if d.verdict != sensor.Enough || !d.sockets[0].Cut || d.sockets[0].Server.Frames != uint64(c.limit) {
			t.Errorf("%s: verdict %v, %s", c.name, d.verdict, socketLine(d.sockets[0]))
		}
		if got, want := d.records[0].TunnelFromResp, int64((c.limit+1)*len(c.frame)); got != want {
			t.Errorf("%s: %d octets in the HTTP record, want %d", c.name, got, want)
		}
	}
}

func TestWebSocketNamesAreBounded(t *testing.T) {
	d := newTester()
	d.play([]octets{clientSays("GET /chat HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: ", strings.Repeat("a,", 500), "\r\n\r\n"), serverSays(plainSocket)}, uncut)
	if n := len(d.sockets[0].ClientProtocols); n != maxSocketNames {
		t.Errorf("%d names kept", n)
	}
}

func FuzzWebSocket(f *testing.F) {
	for _, c := range socketCases {
		for _, s := range c.steps {
			if s.data != "" {
				f.Add([]byte(strings.TrimPrefix(strings.TrimPrefix(s.data, plainSocket), deflatedSocket)), byte(s.side), byte(s.gap))
			}
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, side, gap byte) {
		whole, pieces := socketOf(in, packet.Side(side&1), int(gap), len(in)), socketOf(in, packet.Side(side&1), int(gap), 1)
		if !reflect.DeepEqual(whole, pieces) {
			t.Errorf("whole %s\npieces %s", socketLine(whole), socketLine(pieces))
		}
		whole.AppendFields(nil)
		for _, s := range []*records.WebSocketSide{&whole.Client, &whole.Server} {
			if s.Bytes > uint64(len(in))+uint64(gap) || s.Text+s.Binary+s.Ping+s.Pong > s.Frames || len(s.Reason) > 3*maxControl {
				t.Errorf("%d octets: %s", len(in), socketLine(whole))
			}
		}
	})
}

// socketOf reads frames in pieces of n octets, a gap between their halves.
func socketOf(in []byte, side packet.Side, gap, n int) *records.WebSocket {
	d := newWebSocket(&httpExchange{}, &httpHead{})
	flow := sensor.NewTestFlow(packet.ProtoTCP)
	var got *records.WebSocket
	half := len(in) / 2
	for i, part := range [][]byte{in[:half], in[half:]} {
		for len(part) > 0 {
			k := min(n, len(part))
			d.Data(flow, side, part[:k], nil)
			part = part[k:]
		}
		if i == 0 && gap > 0 {
			d.Gap(flow, side, gap)
		}
	}
	d.Close(flow, func(r records.Record) { got = r.(*records.WebSocket) })
	return got
}

func BenchmarkWebSocketFrames(b *testing.B) {
	d := newWebSocket(&httpExchange{}, &httpHead{})
	f := sensor.NewTestFlow(packet.ProtoTCP)
	frame := []byte(clientFrame(0x81, strings.Repeat("a", 100)))
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		d.record.Client, d.enough = records.WebSocketSide{}, false
		d.Data(f, packet.FromA, frame, nil)
	}
}
