package tlskeys

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"kagami/packet"
)

// TestOrder feeds one direction whole before the other: each waits for what it needs
// of the other.
func TestOrder(t *testing.T) {
	for _, tt := range gapSuites {
		k := newTalk(tt.version, tt.suite)
		log := k.run(t)
		for _, first := range []packet.Side{client, server} {
			parts := append(onlySide(k.wire.parts, first), onlySide(k.wire.parts, first.Other())...)
			out, r := replay(log, parts, 1000)
			k.check(t, out, r)
		}
	}
}

// TestSides has the TLS client answer the TCP connection.
func TestSides(t *testing.T) {
	k := newTalk(tls.VersionTLS13)
	log := k.run(t)
	var parts []part
	for _, p := range k.wire.parts {
		parts = append(parts, part{p.side.Other(), p.b})
	}
	out, r := replay(log, parts, 0)
	if r.Client != server || !bytes.Equal(out.plain[server], bytes.Join(k.request, nil)) {
		t.Errorf("%+v", r)
	}
}

func TestHelloRetry(t *testing.T) {
	k := newTalk(tls.VersionTLS13)
	k.server.CurvePreferences = []tls.CurveID{tls.CurveP256}
	log := k.run(t)
	if n := bytes.Count(k.wire.stream(server), retryRandom[:]); n != 1 {
		t.Fatalf("%d HelloRetryRequests", n)
	}
	out, r := replay(log, k.wire.parts, 0)
	k.check(t, out, r)
}

// TestResumption resumes a session by ticket. The log may name the second connection
// or not: the first one's secret is its secret.
func TestResumption(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS12} {
		first := newTalk(version)
		first.client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		log := first.run(t)
		second := newTalk(version)
		second.client.ClientSessionCache = first.client.ClientSessionCache
		second.server = first.server
		second.run(t)
		if _, r := replay(log, second.wire.parts, 0); r.Sides[0].Dark != NoKey || r.Sides[1].Dark != NoKey {
			t.Errorf("before the first connection: %+v", r)
		}
		if _, r := replay(log, first.wire.parts, 0); r.Resumed {
			t.Errorf("first connection: %+v", r)
		}
		out, r := replay(log, second.wire.parts, 0)
		second.check(t, out, r)
		if !r.Resumed {
			t.Errorf("not resumed: %+v", r)
		}

		named := NewLog()
		named.secrets[secretID{masterSecret, randomOf(second)}] = log.secret(masterSecret, randomOf(first))
		out, r = replay(named, second.wire.parts, 0)
		second.check(t, out, r)
	}
}

func randomOf(k *talk) random { return random(k.wire.stream(client)[headerLen+msgHeader+2:]) }

// TestSessionLine resumes by a line of the log that names the session id: openssl
// s_client's Session-ID and Master-Key.
func TestSessionLine(t *testing.T) {
	k := newTalk(tls.VersionTLS12)
	k.server.SessionTicketsDisabled = true
	log := k.run(t)
	hello := k.wire.stream(server)
	master := log.secret(masterSecret, randomOf(k))
	if n := hello[headerLen+msgHeader+2+randomLen]; n != 0 {
		t.Skipf("crypto/tls gives session ids now, of %d octets", n)
	}
	// The id stands between the lengths and the suite; nobody checks the transcript.
	id := bytes.Repeat([]byte{7}, 32)
	at := headerLen + msgHeader + 2 + randomLen
	named := append(bytes.Clone(hello[:at]), 32)
	named = append(append(named, id...), hello[at+1:]...)
	binary.BigEndian.PutUint16(named[3:], binary.BigEndian.Uint16(named[3:])+32)
	named[headerLen+2] += byte((int(named[headerLen+3]) + 32) >> 8)
	named[headerLen+3] += 32
	line := fmt.Sprintf("RSA Session-ID:%x Master-Key:%x\n", id, master)
	log, err := Parse(strings.NewReader(line))
	if err != nil || log.BadLines > 0 || log.Secrets != 1 {
		t.Fatalf("%v, %+v", err, log)
	}
	out, r := replay(log, append(onlySide(k.wire.parts, client), part{server, named}), 0)
	k.check(t, out, r)
}

// TestPremasterLine has a log with the premaster secret of an RSA key exchange.
func TestPremasterLine(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS12} {
		k := newTalk(version, tls.TLS_RSA_WITH_AES_128_CBC_SHA)
		k.run(t)
		exchange := findMessage(t, k.wire.stream(client), msgClientKeyExchange)[2:]
		key := certificates()["rsa"].PrivateKey.(*rsa.PrivateKey)
		//lint:ignore SA1019 that is what TLS 1.2 and before do (RFC 5246 section 7.4.7.1)
		premaster, err := key.Decrypt(rand.Reader, exchange, &rsa.PKCS1v15DecryptOptions{})
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("RSA %x %x\n", exchange[:8], premaster)
		log, err := Parse(strings.NewReader(line))
		if err != nil || log.BadLines > 0 || log.Secrets != 1 {
			t.Fatalf("%v, %+v", err, log)
		}
		out, r := replay(log, k.wire.parts, 0)
		k.check(t, out, r)
		parts := append(onlySide(k.wire.parts, server), onlySide(k.wire.parts, client)...)
		out, r = replay(log, parts, 0)
		k.check(t, out, r)
	}
}

// findMessage is the body of a handshake message sent in clear, one a record.
func findMessage(t *testing.T, stream []byte, typ uint8) []byte {
	t.Helper()
	at := boundaries(stream)
	for i, from := range at[:len(at)-1] {
		if stream[from] == typeHandshake && stream[from+headerLen] == typ {
			return stream[from+headerLen+msgHeader : at[i+1]]
		}
	}
	t.Fatalf("no message of type %d", typ)
	return nil
}

// TestHelloV2 puts the ClientHello into SSL 2.0's form, as browsers did until 2006.
func TestHelloV2(t *testing.T) {
	k := newTalk(tls.VersionTLS10, tls.TLS_RSA_WITH_AES_128_CBC_SHA)
	log := k.run(t)
	stream := k.wire.stream(client)
	hello := stream[:boundaries(stream)[1]]
	name := random(hello[headerLen+msgHeader+2:])
	body := append([]byte{msgClientHello, 3, 1, 0, 3, 0, 0, 0, 32, 0, 0, 0x2f}, name[:]...)
	v2 := append([]byte{0x80, byte(len(body))}, body...)
	parts := []part{{client, v2}}
	parts = append(parts, onlySide(k.wire.parts, server)...)
	parts = append(parts, part{client, stream[len(hello):]})
	for _, step := range []int{0, 1} {
		out, r := replay(log, parts, step)
		if !bytes.Equal(out.plain[client], bytes.Join(k.request, nil)) || !bytes.Equal(out.plain[server], bytes.Join(k.answer, nil)) {
			t.Errorf("%+v", r)
		}
	}
}

// TestECH has a ClientHello inside another: the log names the inner one's Random.
func TestECH(t *testing.T) {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	config := echConfig(key.PublicKey().Bytes())
	k := newTalk(tls.VersionTLS13)
	k.client.EncryptedClientHelloConfigList = append([]byte{0, byte(len(config))}, config...)
	k.server.EncryptedClientHelloKeys = []tls.EncryptedClientHelloKey{{Config: config, PrivateKey: key.Bytes()}}
	log := k.run(t)
	other := newTalk(tls.VersionTLS13)
	more := other.run(t)
	for id, secret := range more.secrets { // other connections' secrets stand before
		log.secrets[id] = secret
	}
	log.randoms = append(more.randoms, log.randoms...)
	for _, parts := range [][]part{k.wire.parts, append(onlySide(k.wire.parts, client), onlySide(k.wire.parts, server)...)} {
		out, r := replay(log, parts, 0)
		if !bytes.Equal(out.plain[client], bytes.Join(k.request, nil)) || !bytes.Equal(out.plain[server], bytes.Join(k.answer, nil)) {
			t.Errorf("%+v", r)
		}
		if !r.ECH || r.ServerName != "provider.example" || r.ALPN != "http/1.1" {
			t.Errorf("%+v", r)
		}
		clear(log.claimed)
	}
	if _, r := replay(more, k.wire.parts, 0); r.Sides[0].Dark != NoKey || r.Sides[1].Dark != NoKey || r.ECH {
		t.Errorf("without its secrets: %+v", r)
	}
}

// echConfig is an ECHConfig (RFC 9849 section 4): X25519, HKDF-SHA256, AES-128-GCM.
func echConfig(public []byte) []byte {
	const name = "provider.example"
	b := []byte{1, 0, 0x20, 0, byte(len(public))}
	b = append(b, public...)
	b = append(b, 0, 4, 0, 1, 0, 1, 32, byte(len(name)))
	b = append(append(b, name...), 0, 0)
	return append([]byte{0xfe, 0x0d, 0, byte(len(b))}, b...)
}

// TestDark has connections that cannot be decrypted, and why.
func TestDark(t *testing.T) {
	k := newTalk(tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256)
	log := k.run(t)
	c, s := k.wire.stream(client), k.wire.stream(server)
	serverHello := func(version uint16, suite uint16, compression byte) []byte {
		b := bytes.Clone(s)
		binary.BigEndian.PutUint16(b[headerLen+msgHeader:], version)
		at := headerLen + msgHeader + 2 + randomLen
		at += 1 + int(b[at])
		binary.BigEndian.PutUint16(b[at:], suite)
		b[at+2] = compression
		return b
	}
	long := append(bytes.Clone(c[:boundaries(c)[2]]), bytes.Repeat(c[boundaries(c)[2]:], 60)...)
	both := func(r Reason) [2]Reason { return [2]Reason{r, r} }
	for _, tt := range []struct {
		name   string
		log    *Log
		client []byte
		server []byte
		want   [2]Reason
	}{
		{"no key", NewLog(), c, s, both(NoKey)},
		{"client's side alone", log, c, nil, [2]Reason{MidStream, None}},
		{"server's side alone", log, nil, s, [2]Reason{None, MidStream}},
		{"behind the hellos", log, c[boundaries(c)[4]:], s[boundaries(s)[6]:], both(MidStream)},
		{"client behind its hello", log, c[boundaries(c)[1]:], s, both(MidStream)},
		{"not TLS", log, []byte("GET / HTTP/1.1\r\n"), []byte("HTTP/1.1 200 OK\r\n"), both(NotTLS)},
		{"SSL 2.0", log, []byte{0x80, 25, 1, 0, 2, 0, 0, 0}, []byte{0x80, 3, 4, 0, 1}, both(NotTLS)},
		{"SSL 3.0", log, c, serverHello(0x0300, 0xc02f, 0), both(Version)},
		{"no such version", log, c, serverHello(0x0305, 0xc02f, 0), both(Version)},
		{"CAMELLIA", log, c, serverHello(version12, 0x0041, 0), both(Suite)},
		{"a suite of TLS 1.3", log, c, serverHello(version12, 0x1301, 0), both(Suite)},
		{"another suite", log, c, serverHello(version12, 0xc030, 0), both(BadRecord)},
		{"compression", log, c, serverHello(version12, 0xc02f, 1), both(Compression)},
		{"two servers", log, s, s, both(MidStream)},
		{"two clients", log, c, c, [2]Reason{Malformed, Malformed}},
		{"too long to wait", log, long, nil, [2]Reason{Limit, None}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, r := replay(tt.log, []part{{client, tt.client}, {server, tt.server}}, 1000)
			if got := [2]Reason{r.Sides[0].Dark, r.Sides[1].Dark}; got != tt.want {
				t.Errorf("dark: %v, want %v", got, tt.want)
			}
			if len(out.plain[0])+len(out.plain[1]) > 0 {
				t.Errorf("gave %d and %d octets", len(out.plain[0]), len(out.plain[1]))
			}
			for side, stream := range [][]byte{tt.client, tt.server} {
				if d := r.Sides[side]; d.Dark != None && d.DarkAt+d.Unread != int64(len(stream)) {
					t.Errorf("side %d: dark from %d on and %d unread, of %d", side, d.DarkAt, d.Unread, len(stream))
				}
			}
		})
	}
}

// TestReasons has a word for every reason.
func TestReasons(t *testing.T) {
	for r := None; r <= Limit; r++ {
		if s := r.String(); (s == "") != (r == None) || strings.HasPrefix(s, "reason") {
			t.Errorf("%d: %q", r, s)
		}
	}
}

// TestCut ends a connection in the middle of a record.
func TestCut(t *testing.T) {
	k := newTalk(tls.VersionTLS13)
	log := k.run(t)
	s := k.wire.stream(server)
	at := boundaries(s)
	last := at[len(at)-3]
	out, r := replay(log, append(onlySide(k.wire.parts, client), part{server, s[:last+100]}), 0)
	d := r.Sides[server]
	if d.Cut != 100 || d.Closed || d.Dark != None || !bytes.HasPrefix(bytes.Join(k.answer, nil), out.plain[server]) {
		t.Errorf("%+v", d)
	}
}

// TestAllocations has no allocation per record but what the ciphers make: CBC one.
func TestAllocations(t *testing.T) {
	for _, tt := range gapSuites[:4] {
		k := newTalk(tt.version, tt.suite)
		k.answer = [][]byte{text(1, 2<<20)}
		log := k.run(t)
		var size int
		allocs := testing.AllocsPerRun(3, func() {
			s := NewSession(log, discard{})
			size = 0
			for _, p := range k.wire.parts {
				s.Data(p.side, p.b)
				size++
			}
			s.Close()
		})
		most := float64(400)
		if tt.suite == tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA {
			most += 2 * float64(size)
		}
		if allocs > most {
			t.Errorf("%s %04x: %.0f allocations for %d writes, want at most %.0f", tls.VersionName(tt.version), tt.suite, allocs, size, most)
		}
	}
}

type discard struct{}

func (discard) Plain(packet.Side, []byte) {}
func (discard) Lost(packet.Side, Loss)    {}
