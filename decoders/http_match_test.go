package decoders

import (
	"strings"
	"testing"

	"kagami/packet"
	"kagami/sensor"
)

func TestHTTPMatch(t *testing.T) {
	names := map[sensor.Match]string{sensor.No: "no", sensor.Maybe: "maybe", sensor.FromClient: "client", sensor.FromServer: "server"}
	long := "/" + strings.Repeat("a", 300)
	for _, c := range []struct {
		first string
		want  sensor.Match
	}{
		{"GET / HTTP/1.1\r\n", sensor.FromClient},
		{"GET / HTTP/1.0\n", sensor.FromClient},
		{"\r\n\r\nGET / HTTP/1.1\r\n", sensor.FromClient},
		{"GET /", sensor.Maybe},
		{"G", sensor.Maybe},
		{"\r\n", sensor.Maybe},
		{"GET /index.html\r\n", sensor.FromClient}, // HTTP/0.9
		{"GET key\r\n", sensor.No},
		{"GET HTTP/1.1\r\n", sensor.FromClient},
		{"GET / RTSP/1.0\r\n", sensor.No},
		{"GET / FOO/1.0\r\n", sensor.No},
		{"POST " + long, sensor.FromClient},
		{"POST " + long + " b c", sensor.FromClient},
		{"PROPFIND /dav HTTP/1.1\r\n", sensor.FromClient},
		{"M-SEARCH * HTTP/1.1\r\n", sensor.FromClient},
		{"NOTIFY * HTTP/1.1\r\n", sensor.FromClient},
		{"RPC_IN_DATA /rpc/rpcproxy.dll?h:1 HTTP/1.1\r\n", sensor.FromClient},
		{"CONNECT h:443 HTTP/1.1\r\n", sensor.FromClient},
		{"GET http://h/ HTTP/1.1\r\n", sensor.FromClient},
		{"STRANGE /x HTTP/1.1\r\n", sensor.FromClient},
		{"STRANGE " + long, sensor.FromClient},
		{"STRANGE word " + long, sensor.No},
		{"x-y /x HTTP/1.1\r\n", sensor.FromClient},
		{"OPTIONS sip:a@b SIP/2.0\r\n", sensor.No},
		{"INVITE sip:a@b SIP/2.0\r\n", sensor.No},
		{"DESCRIBE rtsp://h/s RTSP/1.0\r\n", sensor.No},
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", sensor.No}, // HTTP/2
		{"HTTP/1.1 200 OK\r\n", sensor.FromServer},
		{"HTTP/1.0 404", sensor.FromServer},
		{"HTTP/1.1 20", sensor.Maybe},
		{"http/1.1 200 OK\r\n", sensor.FromServer},
		{"(ttp/1.1 200 OK\r\n", sensor.No},
		{"HTTP\x0f1.1 200 OK\r\n", sensor.No},
		{"HTTP/1.", sensor.Maybe},
		{"HTTP/1.1 abc", sensor.No},
		{"HTTP/1.1\r\n", sensor.No},
		{"SIP/2.0 200 OK\r\n", sensor.No},
		{"RTSP/1.0 200 OK\r\n", sensor.No},
		{"220 ftp.example FTP\r\n", sensor.No},
		{"220-mail.example ESMTP\r\n", sensor.No},
		{"EHLO client.example\r\n", sensor.No},
		{"HELP\r\n", sensor.No},
		{"USER anonymous\r\n", sensor.No},
		{"MAIL FROM:<a@b> SIZE=1\r\n", sensor.No},
		{"SSH-2.0-OpenSSH_9.2\r\n", sensor.No},
		{"* OK IMAP4rev1\r\n", sensor.No},
		{"a1 LOGIN u p\r\n", sensor.No},
		{"NICK x\r\n", sensor.No},
		{"\x16\x03\x01\x02\x00\x01", sensor.No},
		{"\x00\x1c\x12\x34\x01\x00", sensor.No},
		{" GET / HTTP/1.1\r\n", sensor.No},
		{strings.Repeat("A", 40), sensor.No},
	} {
		if got := matchHTTP(nil, packet.FromA, []byte(c.first)); got != c.want {
			t.Errorf("%.40q: %s, want %s", c.first, names[got], names[c.want])
		}
	}
}

// More octets never take back what fewer said.
func FuzzHTTPMatch(f *testing.F) {
	f.Add([]byte(get))
	f.Add([]byte(ok5))
	f.Add([]byte("STRANGE " + strings.Repeat("/a", 200) + " HTTP/1.1\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, match := range []func([]byte) sensor.Match{matchRequest, matchResponse} {
			before := sensor.Maybe
			for n := 1; n <= len(b); n++ {
				now := match(b[:n])
				if before != sensor.Maybe && now != before {
					t.Fatalf("%q: %d, then %d", b[:n], before, now)
				}
				before = now
			}
		}
	})
}
