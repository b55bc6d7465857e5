package lab

import (
	"encoding/binary"
	"time"
)

// begun opens n connections to a port, one a client, and says the beginning of
// something that is never answered nor ended.
func begun(n int, port uint16, script func(*Talk)) func(*Flood) {
	return func(f *Flood) {
		for i := 0; i < n && !f.ended; i++ {
			script(f.Dial(peers(i, port)))
		}
		f.Wait(time.Second)
	}
}

const many = 100_000 // connections at once

// openExcesses are transactions that are begun and left, many at once.
func openExcesses() []Excess {
	long := string(longText(40 * kilo))
	hello := floodHello("www.example")
	dns := append(dnsHeader(7, 0x100, 1, 0, 0, 0), dnsName("www.example")...)
	return []Excess{
		{"open: half requests", begun(many, 80, func(t *Talk) { t.Tell(Client, getFrom+"User-Agent: half") })},
		{"open: requests without answers", begun(many, 80, func(t *Talk) { t.Tell(Client, getFrom+"\r\n") })},
		{"open: requests without end", begun(2000, 80, func(t *Talk) { t.Tell(Client, getFrom+"Cookie: "+long) })},
		{"open: half uploads", begun(20_000, 80, func(t *Talk) {
			t.Tell(Client, "POST /up HTTP/1.1\r\nHost: a.example\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 99999\r\n\r\n"+
				"--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\nhalf")
		})},
		{"open: half HTTP/2 header blocks", begun(2000, 80, func(t *Talk) {
			b := http2Frame([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), h2Settings, 0, 0, nil)
			t.Say(Client, http2Frame(b, h2Headers, 0, 1, []byte(long)[:15*kilo]), http2Frame(nil, h2Continuation, 0, 1, []byte(long)[:15*kilo]))
		})},
		{"open: half mails", begun(many/2, 25, greeted(func(t *Talk) {
			t.ask("MAIL FROM:<a@client.example>", "250 ok")
			t.ask("RCPT TO:<b@mx.example>", "250 ok")
			t.ask("DATA", "354 go on")
			t.Tell(Client, "Subject: half\r\nTo: ")
		}))},
		{"open: half hellos", begun(many, 443, func(t *Talk) { t.Say(Client, hello[:len(hello)/2]) })},
		{"open: hellos without end", begun(1000, 443, func(t *Talk) {
			t.Say(Client, inRecords(append([]byte{hsClientHello, 1, 0, 0, 3, 3}, longText(60*kilo)...), 8000))
		})},
		{"open: half DNS messages", begun(2000, 53, func(t *Talk) {
			t.Say(Client, binary.BigEndian.AppendUint16(nil, 0xffff), dns, []byte(long))
		})},
		{"open: half logins", begun(20_000, 143, func(t *Talk) {
			t.Tell(Server, "* OK IMAP4rev1 ready\r\n")
			t.Tell(Client, "a1 LOGIN aiko {9}\r\nhalf")
		})},
		{"open: segments that never come", begun(many, 80, func(t *Talk) {
			t.Skip(Client, 1)
			t.Tell(Client, "ET / HTTP/1.1\r\n")
		})},
		{"open: octets behind a hole", func(f *Flood) {
			for i := range 20 {
				t := f.Dial(peers(i, 80))
				t.mss = 1
				t.Skip(Client, 1)
				t.Repeat(Client, 10, filler)
			}
		}},
		{"open: octets behind a hole, in reverse", func(f *Flood) {
			t := f.Dial(peers(0, 80))
			t.mss = 1
			t.Skip(Client, 20*kilo)
			for range 20 * kilo {
				t.Tell(Client, "x")
				t.seq[Client] -= 2
			}
		}},
		{"open: SYNs", func(f *Flood) {
			for i := range 40_000 {
				f.Join(peers(i, 80)).segment(Client, tcpSYN, nil)
			}
		}},
		{"open: datagrams of no protocol", func(f *Flood) {
			for i := range 40_000 {
				client, server := peers(i, 9999)
				f.Datagram(client, server, []byte("\x80\x01nothing that is known"))
			}
		}},
	}
}
