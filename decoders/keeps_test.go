package decoders

import (
	"encoding/binary"
	"runtime"
	"strings"
	"testing"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// keepsCase is a connection left in a state in which its decoder keeps something.
type keepsCase struct {
	name  string
	p     sensor.Protocol
	proto uint8
	steps []octets
}

func keepsCases() []keepsCase {
	files := newFiles(Default().Files)
	long := strings.Repeat("x", 8<<10)
	frame := func(kind, flags byte, payload string) string {
		return string([]byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags, 0, 0, 0, 1}) + payload
	}
	tls := func(n int) string { // the head of a ClientHello of 16 KiB and n octets of it
		return "\x16\x03\x01\x40\x04\x01\x00\x40\x00\x03\x03" + long[:n]
	}
	mail := []octets{serverSays("220 mx ESMTP\r\n"), clientSays("MAIL FROM:<a@b>\r\n"), serverSays("250 ok\r\n"), clientSays("DATA\r\n"), serverSays("354 go\r\n")}
	return []keepsCase{
		{"http, half a head", httpProtocol(files), packet.ProtoTCP, []octets{clientSays("GET / HTTP/1.1\r\nCookie: " + long)}},
		{"http, no answer", httpProtocol(files), packet.ProtoTCP, []octets{clientSays("GET /" + long[:2000] + " HTTP/1.1\r\nHost: h\r\n\r\n")}},
		{"http, ten requests without answers", httpProtocol(files), packet.ProtoTCP, []octets{clientSays(strings.Repeat("GET / HTTP/1.1\r\nHost: h\r\n\r\n", 10))}},
		{"http, half a form", httpProtocol(files), packet.ProtoTCP, []octets{clientSays("POST / HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 99999\r\n\r\n" +
			strings.Repeat("--b\r\nContent-Disposition: form-data; name=\""+long[:200]+"\"\r\n\r\nx\r\n", 20))}},
		{"http2, half a block", http2Protocol(files), packet.ProtoTCP, []octets{clientSays(http2Preface + frame(4, 0, "") + frame(1, 0, long))}},
		{"http2, table and streams", http2Protocol(files), packet.ProtoTCP, []octets{clientSays(http2Preface + frame(4, 0, "") +
			frame(1, 4, "\x82\x86\x84\x40\x01x\x7f\x81\x0f"+long[:2048]))}},
		{"websocket", httpProtocol(files), packet.ProtoTCP, []octets{clientSays("GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n"), serverSays("HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n")}},
		{"smtp, greeting", smtpProtocol(files), packet.ProtoTCP, mail[:1]},
		{"smtp, half a message", smtpProtocol(files), packet.ProtoTCP, append(mail, clientSays("Subject: "+long))},
		{"smtp, recipients", smtpProtocol(files), packet.ProtoTCP, append(mail[:3:3], clientSays(strings.Repeat("RCPT TO:<"+long[:300]+"@b>\r\n", 50)))},
		{"pop3, half a message", pop3Protocol(files), packet.ProtoTCP, []octets{serverSays("+OK POP3\r\n"), clientSays("RETR 1\r\n"), serverSays("+OK\r\nSubject: " + long)}},
		{"imap, half a message", imapProtocol(files), packet.ProtoTCP, []octets{serverSays("* OK IMAP\r\n"), serverSays("* 1 FETCH (BODY[] {99999}\r\nSubject: " + long)}},
		{"imap, half a line", imapProtocol(files), packet.ProtoTCP, []octets{serverSays("* OK IMAP\r\n"), clientSays("a1 LOGIN " + long)}},
		{"ftp, commands", ftpProtocol(files), packet.ProtoTCP, []octets{serverSays("220 FTP\r\n"), clientSays(strings.Repeat("RETR "+long[:100]+"\r\n", 60))}},
		{"tls, half a hello", tlsProtocol(), packet.ProtoTCP, []octets{clientSays(tls(8000))}},
		{"dns over tcp, half a message", dnsTCP(), packet.ProtoTCP, []octets{clientSays("\xff\xff\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01" + long)}},
		{"dns, queries", dnsUDP(), packet.ProtoUDP, dnsQueries(64)},
	}
}

func dnsQueries(n int) (steps []octets) {
	for i := range n {
		steps = append(steps, clientSays(string(binary.BigEndian.AppendUint16(nil, uint16(i)))+"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01"))
	}
	return steps
}

// What decoders say that they keep is about what they have allocated: less would
// break the engine's limit, more would end what need not end.
func TestKeeps(t *testing.T) {
	for _, c := range keepsCases() {
		t.Run(c.name, func(t *testing.T) {
			const n = 200
			all := make([]sensor.Decoder, n)
			f := sensor.NewTestFlow(c.proto)
			f.Key.BPort = 53
			before := allocated()
			for i := range all {
				all[i] = c.p.New()
				for _, s := range c.steps {
					f.TestSent(s.side, len(s.data), 1e9)
					all[i].Data(f, s.side, []byte(s.data), func(records.Record) {})
				}
			}
			really := (allocated() - before) / n
			told := sensor.Keeps(all[0])
			runtime.KeepAlive(f)
			runtime.KeepAlive(all)
			t.Logf("tells %d octets, has allocated %d", told, really)
			if told < really*2/3 || told > 3*really+1024 {
				t.Error("that is too far apart")
			}
		})
	}
}

func allocated() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
