package decoders

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// A transaction as browsers and servers make them.
var (
	browserRequest = []byte("GET /assets/app.4f3c.js?v=12 HTTP/1.1\r\nHost: www.example.jp\r\nConnection: keep-alive\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36\r\n" +
		"Accept: */*\r\nReferer: http://www.example.jp/index.html\r\nAccept-Encoding: gzip, deflate\r\n" +
		"Accept-Language: ja,en-US;q=0.9,en;q=0.8\r\nCookie: session=0123456789abcdef0123456789abcdef\r\n\r\n")
	serverHeader = "HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\nServer: Apache/2.4.62 (Debian)\r\n" +
		"Last-Modified: Fri, 20 Nov 2026 01:02:03 GMT\r\nETag: \"4f3c-5e1f\"\r\nAccept-Ranges: bytes\r\n" +
		"Cache-Control: max-age=3600\r\nVary: Accept-Encoding\r\nKeep-Alive: timeout=5, max=99\r\nConnection: Keep-Alive\r\n" +
		"Content-Type: application/javascript\r\n"
)

func BenchmarkHTTPTransaction(b *testing.B) {
	response := []byte(serverHeader + "Content-Length: 800\r\n\r\n" + strings.Repeat("/* x */ ", 100))
	emit := func(records.Record) {}
	for _, enable := range []bool{true, false} {
		b.Run(fmt.Sprintf("files=%v", enable), func(b *testing.B) {
			c := Default().Files
			c.Enable = enable
			d, f := httpProtocol(newFiles(c)).New(), sensor.NewTestFlow(packet.ProtoTCP)
			b.ReportAllocs()
			for b.Loop() {
				d.Data(f, packet.FromA, browserRequest, emit)
				d.Data(f, packet.FromB, response, emit)
			}
		})
	}
}

func BenchmarkHTTPTransactionGzip(b *testing.B) {
	body := gzipped(strings.Repeat("<html><body>"+lorem, 20))
	response := []byte(fmt.Sprintf("%sContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", serverHeader, len(body), body))
	d, f := testHTTP().New(), sensor.NewTestFlow(packet.ProtoTCP)
	emit := func(records.Record) {}
	b.ReportAllocs()
	for b.Loop() {
		d.Data(f, packet.FromA, browserRequest, emit)
		d.Data(f, packet.FromB, response, emit)
	}
}

// The body's segments must cost next to nothing.
func BenchmarkHTTPBodySegment(b *testing.B) {
	for name, header := range map[string]string{
		"length":  "Content-Length: 100000000000000\r\n\r\n",
		"chunked": "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFF\r\n",
		"close":   "\r\n",
	} {
		b.Run(name, func(b *testing.B) {
			d, f := testHTTP().New(), sensor.NewTestFlow(packet.ProtoTCP)
			emit := func(records.Record) {}
			d.Data(f, packet.FromA, browserRequest, emit)
			d.Data(f, packet.FromB, []byte(serverHeader+header), emit)
			segment := bytes.Repeat([]byte("x"), 1460)
			b.SetBytes(int64(len(segment)))
			b.ReportAllocs()
			for b.Loop() {
				d.Data(f, packet.FromB, segment, emit)
			}
		})
	}
}

// Every flow's first octets are matched.
func BenchmarkHTTPMatch(b *testing.B) {
	for name, first := range map[string][]byte{
		"http": browserRequest[:sensor.MatchLimit],
		"tls":  append([]byte("\x16\x03\x01\x02\x00\x01\x00"), make([]byte, 249)...),
		"ssh":  []byte("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"),
		"smtp": []byte("220 mail.example.jp ESMTP Postfix (Debian/GNU)\r\n"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				matchHTTP(nil, packet.FromA, first)
			}
		})
	}
}

func TestHTTPAllocations(t *testing.T) {
	response := []byte(serverHeader + "Content-Length: 800\r\n\r\n" + strings.Repeat("/* x */ ", 100))
	emit := func(records.Record) {}
	segment := bytes.Repeat([]byte("x"), 1460)
	d, f := testHTTP().New(), sensor.NewTestFlow(packet.ProtoTCP)
	off := Default().Files
	off.Enable = false
	for _, c := range []struct {
		name    string
		decoder sensor.Decoder
		want    float64
	}{
		{"without files", httpProtocol(newFiles(off)).New(), 3}, // the record, its URL, and its referrer
		{"with files", d, 8}, // and the file's record, its id, name and hash
	} {
		if n := testing.AllocsPerRun(100, func() {
			c.decoder.Data(f, packet.FromA, browserRequest, emit)
			c.decoder.Data(f, packet.FromB, response, emit)
		}); n > c.want {
			t.Errorf("%s: %v allocations per transaction", c.name, n)
		}
	}
	d.Data(f, packet.FromA, browserRequest, emit)
	d.Data(f, packet.FromB, []byte(serverHeader+"Content-Length: 1000000000\r\n\r\n"), emit)
	if n := testing.AllocsPerRun(100, func() { d.Data(f, packet.FromB, segment, emit) }); n > 0 {
		t.Errorf("%v allocations per segment of content", n)
	}
	if n := testing.AllocsPerRun(100, func() { matchHTTP(f, packet.FromA, browserRequest[:sensor.MatchLimit]) }); n > 0 {
		t.Errorf("%v allocations per match", n)
	}
}
