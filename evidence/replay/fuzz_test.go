package replay_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"testing"

	"golang.org/x/net/http2"

	"kagami/evidence/replay"
	"kagami/evidence/replay/tlskeys"
)

// scripted is what a connection does for the fuzzer: an octet that says what, one
// that says how much, and the octets.
func scripted(parts ...string) []byte {
	var b []byte
	for i, p := range parts {
		for text := p; len(text) > 0; {
			n := min(len(text), 255)
			b = append(append(b, byte(i%2), byte(n)), text[:n]...)
			text = text[n:]
		}
	}
	return b
}

const (
	opGap, opClose = 2, 4
)

// perform plays a script. sent is what each side said.
func perform(c *conn, b []byte) (sent [2][]byte) {
	for len(b) >= 2 {
		op, n := b[0]&7, int(b[1])
		b = b[2:]
		from := int(op & 1)
		switch {
		case op >= opClose+2:
			c.reset()
		case op >= opClose:
			c.close()
		case op >= opGap:
			c.lose(from, n)
		default:
			n = min(n, len(b))
			c.send(from, string(b[:n]))
			sent[from] = append(sent[from], b[:n]...)
			b = b[n:]
		}
	}
	return sent
}

// FuzzRead: nothing that is on the wire makes Read fail or invent an octet, and it
// always says the same.
func FuzzRead(f *testing.F) {
	f.Add(scripted(get, hello, getB, world), true, byte(0))
	f.Add(scripted(get+getB, chunk+"5\r\nhello\r\n0\r\nX: y\r\n\r\n"+world), true, byte(3))
	f.Add(append(scripted(get, chunk+"ffffffffffffffff\r\nx"), 3, 9, 1, 3, 'a', 'b', 'c'), true, byte(0))
	f.Add(scripted("CONNECT a:443 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", get, hello), true, byte(0))
	f.Add(scripted("CONNECT a:443 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "CONNECT a:443 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", get, hello), false, byte(1))
	f.Add(scripted("", "lo", getB, world), false, byte(0))
	f.Add(scripted("GET /x\r\n", "<p>hello"), true, byte(0))
	f.Add(scripted(get, answer("gzip", coded("gzip", "hello"))), true, byte(0))
	f.Add(scripted(get, answer("xz, br", coded("br", coded("xz", "hello")))), true, byte(0))
	f.Add(scripted(get, answer("compress", coded("compress", "hello hello hello"))), true, byte(0))
	f.Add(scripted(get, "HTTP/1.1 206 P\r\nContent-Range: bytes 0-4/9\r\nContent-Length: 5\r\n\r\nhello"), true, byte(0))
	c, s := newPeer2(), newPeer2()
	f.Add(scripted(http2.ClientPreface+c.settings()+c.headers(1, true, ask2("/")...)+c.headers(3, true, ask2("/b")...),
		s.settings()+s.headers(1, false, ":status: 200", "content-length: 5")+s.data(1, true, "hello")+s.headers(3, true, ":status: 304")), true, byte(0))
	log, secrets := encrypted(f, 0x0304, "http/1.1", get, hello)
	var steps []byte
	for _, x := range log {
		for text := x.text; len(text) > 0; {
			n := min(len(text), 255)
			steps = append(append(steps, byte(x.from), byte(n)), text[:n]...)
			text = text[n:]
		}
	}
	f.Add(steps, true, byte(0))
	f.Fuzz(func(t *testing.T, b []byte, handshake bool, mss byte) {
		if len(b) > 1<<14 {
			return
		}
		tr := newTraffic()
		tr.mss = int(mss)
		x := tr.conn("10.0.0.2:40000", "192.0.2.80:80")
		if handshake {
			x.open()
		}
		sent := perform(x, b)
		o := replay.Options{Keys: must(tlskeys.Parse(bytes.NewReader(secrets))), Limits: replay.Limits{Decoded: 1 << 20, Header: 4 << 10}}
		r, err := replay.Read(context.Background(), &memory{frames: slices.Clone(tr.frames), size: 7}, o)
		if err != nil {
			t.Fatal(err)
		}
		first := told(r)
		if r, _ := replay.Read(context.Background(), &memory{frames: slices.Clone(tr.frames), size: 1}, o); told(r) != first {
			t.Fatalf("first:\n%ssecond:\n%s", first, told(r))
		}
		for _, x := range r.Transactions {
			sound(t, &x.Request.Body, sent, x)
			if x.Response != nil {
				sound(t, &x.Response.Body, sent, x)
			}
		}
	})
}

// sound checks that a body says the truth about itself.
func sound(t *testing.T, b *replay.Body, sent [2][]byte, x *replay.Transaction) {
	t.Helper()
	if b.Complete && (len(b.Holes) > 0 || b.Why != "" || b.Missing > 0) || !b.Complete && b.Why == "" && len(b.Wire) > 0 {
		t.Errorf("complete %v, holes %v, missing %d, why %q", b.Complete, b.Holes, b.Missing, b.Why)
	}
	if len(b.Holes) == 0 && x.Flow.TLS == nil && x.Stream == 0 && !bytes.Contains(sent[0], b.Wire) && !bytes.Contains(sent[1], b.Wire) {
		t.Errorf("octets that were never sent: %q", b.Wire)
	}
	at := int64(0)
	for _, h := range b.Holes {
		if h.Offset < at || h.Offset > int64(len(b.Wire)) || h.Length < 0 {
			t.Errorf("holes %v in %d octets", b.Holes, len(b.Wire))
		}
		at = h.Offset
	}
	if h := sha256.Sum256(b.Data); len(b.Data) > 0 && b.SHA256 != hex.EncodeToString(h[:]) {
		t.Errorf("SHA-256 %s of %q", b.SHA256, b.Data)
	}
}
