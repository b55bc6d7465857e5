package decoders

import (
	"bytes"
	"crypto/tls"
	mrand "math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// dtlsRecordOf is a record of DTLS 1.2.
func dtlsRecordOf(typ, epoch byte, body []byte) []byte {
	return append([]byte{typ, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 0, byte(len(body) >> 8), byte(len(body))}, body...)
}

// dtlsFragmentOf is the piece of a message from up to to.
func dtlsFragmentOf(typ byte, sequence int, body []byte, from, to int) []byte {
	three := func(n int) []byte { return []byte{byte(n >> 16), byte(n >> 8), byte(n)} }
	return slices.Concat([]byte{typ}, three(len(body)), []byte{byte(sequence >> 8), byte(sequence)}, three(from), three(to-from), body[from:to])
}

func dtlsMessageOf(typ byte, sequence int, body []byte) []byte {
	return dtlsRecordOf(recordHandshake, 0, dtlsFragmentOf(typ, sequence, body, 0, len(body)))
}

// dtlsHello is the body of a ClientHello with a cookie, from one of TLS.
func dtlsHello(body []byte, cookie string) []byte {
	at := 2 + 32 + 1 + int(body[34])
	return slices.Concat([]byte{0xfe, 0xfd}, body[2:at], []byte{byte(len(cookie))}, []byte(cookie), body[at:])
}

// asDTLS says a handshake of TLS 1.2 in datagrams: fragments of at most size
// octets, one a record, and what is encrypted in epoch 1.
func asDTLS(said []spoken, size int) []spoken {
	var out []spoken
	var next [2]int
	for _, s := range said {
		encrypted := false
		for b := s.b; len(b) > 5; {
			n := 5 + int(b[3])<<8 + int(b[4])
			typ, body := b[0], b[5:n]
			b = b[n:]
			switch {
			case encrypted || typ == recordApplicationData:
				out = append(out, spoken{s.side, dtlsRecordOf(typ, 1, body)})
				continue
			case typ != recordHandshake:
				encrypted = typ == recordChangeCipherSpec
				out = append(out, spoken{s.side, dtlsRecordOf(typ, 0, body)})
				continue
			}
			for len(body) >= 4 {
				end := 4 + uint24(body[1:])
				message := bytes.Clone(body[4:end])
				switch body[0] {
				case helloClient:
					message = dtlsHello(message, "")
				case helloServer:
					message[0], message[1] = 0xfe, 0xfd
				}
				sequence := next[s.side]
				next[s.side]++
				for from := 0; from == 0 || from < len(message); from += size {
					piece := dtlsFragmentOf(body[0], sequence, message, from, min(from+size, len(message)))
					out = append(out, spoken{s.side, dtlsRecordOf(recordHandshake, 0, piece)})
				}
				body = body[end:]
			}
		}
	}
	return out
}

// playDTLS gives datagrams to a fresh decoder and returns its record.
func playDTLS(tb testing.TB, said []spoken) *records.TLS {
	tb.Helper()
	f := *udpTestFlow()
	d := newDTLSDecoder()
	var out []*records.TLS
	emit := func(r records.Record) { out = append(out, r.(*records.TLS)) }
	for _, s := range said {
		f.Now = 1e9
		if d.Data(&f, s.side, s.b, emit) == sensor.Done {
			break
		}
	}
	d.Close(&f, emit)
	if len(out) != 1 {
		tb.Fatalf("%d records, want 1", len(out))
	}
	return out[0]
}

func TestDTLS(t *testing.T) {
	cc, sc := configs(t, tls.VersionTLS12)
	cc.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	said := shake(t, cc, sc)
	want := playDTLS(t, asDTLS(said, 1<<14))
	if want.Protocol != "dtls" || want.Version != "dtls1.2" || !want.Established || want.History != "CsxknGIti" ||
		want.ServerName != "www.example.jp" || want.Certificate == nil || want.Resumed || want.ALPN != "http/1.1" || want.JA4[0] != 'd' || want.Odd != "" {
		t.Errorf("%+v", want)
	}
	for _, size := range []int{7, 100} {
		if got := playDTLS(t, asDTLS(said, size)); !reflect.DeepEqual(got, want) {
			t.Errorf("fragments of %d octets:\n got %+v\nwant %+v", size, got, want)
		}
	}
	if r := playDTLS(t, asDTLS(shake(t, cc, sc), 1000)); !r.Resumed || r.Resumption != "ticket" || r.History != "CstiI" {
		t.Errorf("%+v", r)
	}
}

// The datagrams of one flight may come in any order, and twice.
func TestDTLSReordered(t *testing.T) {
	cc, sc := configs(t, tls.VersionTLS12)
	said := asDTLS(shake(t, cc, sc), 50)
	want := playDTLS(t, said)
	flight := func(s spoken) bool { return s.side == packet.FromB && s.b[0] == recordHandshake && s.b[4] == 0 }
	first := slices.IndexFunc(said, flight)
	last := first
	for last < len(said) && flight(said[last]) {
		last++
	}
	r := mrand.New(mrand.NewPCG(3, 4))
	for range 50 {
		mixed := slices.Clone(said)
		part := mixed[first:last]
		r.Shuffle(len(part), func(i, j int) { part[i], part[j] = part[j], part[i] })
		again := slices.IndexFunc(part, func(s spoken) bool { return uint24(s.b[dtlsRecordHead+6:]) > 0 })
		mixed = slices.Insert(mixed, last, part[again])
		if got := playDTLS(t, mixed); !reflect.DeepEqual(got, want) {
			t.Fatalf("got %s, want %s: %+v", got.History, want.History, got)
		}
	}
}

func TestDTLSCookie(t *testing.T) {
	plain := []byte(clientHelloBody(""))
	said := []spoken{
		{packet.FromA, dtlsMessageOf(helloClient, 0, dtlsHello(plain, ""))},
		{packet.FromA, dtlsMessageOf(helloClient, 0, dtlsHello(plain, ""))}, // sent again
		{packet.FromB, dtlsMessageOf(helloVerify, 0, []byte("\xfe\xff\x02ck"))},
		{packet.FromA, dtlsMessageOf(helloClient, 1, dtlsHello(plain, "ck"))},
		{packet.FromB, dtlsMessageOf(helloServer, 1, append([]byte{0xfe, 0xfd}, serverHelloBody("", 0xc02f)[2:]...))},
	}
	if r := playDTLS(t, said); !r.HelloVerify || r.History != "CCvCs" || !r.ServerHello || r.Cipher != "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" || r.Odd != "" {
		t.Errorf("%+v", r)
	}
}

// DTLS 1.3: versions are in an extension, and encrypted records have a header of
// their own.
func TestDTLS13(t *testing.T) {
	hello := dtlsHello([]byte(clientHelloBody("", extension(extSupportedVersions, "\x04\xfe\xfc\xfe\xfd"))), "")
	answer := extension(extSupportedVersions, "\xfe\xfc") + extension(extKeyShare, "\x00\x17")
	reply := "\xfe\xfd" + serverHelloBody("", 0x1301)[2:] + "\x00" + string(rune(len(answer))) + answer
	retry := "\xfe\xfd" + helloRetry + reply[34:]
	unified := append([]byte{0x2f}, make([]byte, 40)...)
	said := []spoken{
		{packet.FromA, dtlsMessageOf(helloClient, 0, hello)}, {packet.FromB, dtlsMessageOf(helloServer, 0, []byte(retry))},
		{packet.FromA, dtlsMessageOf(helloClient, 1, hello)}, {packet.FromB, append(dtlsMessageOf(helloServer, 1, []byte(reply)), unified...)},
		{packet.FromA, unified},
	}
	r := playDTLS(t, said)
	if r.Version != "dtls1.3" || r.ClientVersion != "dtls1.3" || !r.Established || !r.HelloRetry || r.History != "CjCs" || r.Curve != "secp256r1" ||
		r.Resumed || !strings.HasPrefix(r.JA4, "dd3") || r.VersionNumber != versionDTLS13 {
		t.Errorf("%+v", r)
	}
}

func TestDTLSLoss(t *testing.T) {
	cc, sc := configs(t, tls.VersionTLS12)
	said := asDTLS(shake(t, cc, sc), 1<<14)
	certificate := slices.IndexFunc(said, func(s spoken) bool { return s.b[0] == recordHandshake && s.b[dtlsRecordHead] == certificateMessage })
	r := playDTLS(t, slices.Delete(slices.Clone(said), certificate, certificate+1))
	if !r.Gap || r.Certificate != nil || r.Curve == "" || r.Resumed || !r.Established || r.Odd != "" {
		t.Errorf("%+v", r)
	}
	for _, side := range []packet.Side{packet.FromA, packet.FromB} {
		r := playDTLS(t, slices.DeleteFunc(slices.Clone(said), func(s spoken) bool { return s.side != side }))
		if r.ClientHello != (side == packet.FromA) || r.ServerHello != (side == packet.FromB) || r.Established || r.Resumed {
			t.Errorf("one side only: %+v", r)
		}
	}
}

func TestDTLSLimits(t *testing.T) {
	hello := spoken{packet.FromA, dtlsMessageOf(helloClient, 0, dtlsHello([]byte(clientHelloBody("")), ""))}
	big := make([]byte, tlsMaxMessage/2)
	for _, c := range []struct {
		name, odd string
		b         []byte
	}{
		{"message too long", "malformed fragment", dtlsRecordOf(recordHandshake, 0, dtlsFragmentOf(certificateMessage, 0, make([]byte, tlsMaxMessage+1), 0, 1))},
		{"fragment beyond the message", "malformed fragment", dtlsRecordOf(recordHandshake, 0, []byte("\x0b\x00\x00\x05\x00\x00\x00\x00\x04\x00\x00\x0212"))},
		{"half a header", "malformed fragment", dtlsRecordOf(recordHandshake, 0, []byte("\x0b\x00"))},
		{"far ahead", "too many messages ahead", dtlsMessageOf(certificateMessage, dtlsWindow, []byte("x"))},
		{"too much held", "too many octets held", slices.Concat(dtlsRecordOf(recordHandshake, 0, dtlsFragmentOf(certificateMessage, 1, big, 0, 1)),
			dtlsRecordOf(recordHandshake, 0, dtlsFragmentOf(certificateMessage, 2, big, 0, 1)))},
		{"sizes differ", "fragments do not fit together", slices.Concat(dtlsRecordOf(recordHandshake, 0, dtlsFragmentOf(certificateMessage, 0, big[:10], 0, 1)),
			dtlsRecordOf(recordHandshake, 0, dtlsFragmentOf(certificateMessage, 0, big[:11], 1, 2)))},
		{"record cut short", "record cut short", dtlsRecordOf(recordHandshake, 0, big[:300])[:100]},
	} {
		t.Run(c.name, func(t *testing.T) {
			if r := playDTLS(t, []spoken{hello, {packet.FromB, c.b}}); r.Odd != c.odd {
				t.Errorf("odd %q, want %q", r.Odd, c.odd)
			}
		})
	}
	t.Run("patience", func(t *testing.T) {
		f, d := *udpTestFlow(), newDTLSDecoder()
		for n := 1; d.Data(&f, hello.side, hello.b, func(records.Record) {}) == sensor.More; n++ {
			if n >= dtlsPatience {
				t.Fatal("still waiting")
			}
		}
	})
}

func TestDTLSMatch(t *testing.T) {
	hello := dtlsMessageOf(helloClient, 0, dtlsHello([]byte(clientHelloBody("")), ""))
	old := bytes.Clone(hello)
	old[1], old[2] = 1, 0
	epoch := bytes.Clone(hello)
	epoch[4] = 1
	for _, c := range []struct {
		name string
		b    []byte
		want sensor.Match
	}{
		{"client hello", hello, sensor.FromClient},
		{"OpenSSL's first", old, sensor.FromClient},
		{"hello verify request", dtlsMessageOf(helloVerify, 0, []byte("\xfe\xff\x00")), sensor.FromServer},
		{"server hello", dtlsMessageOf(helloServer, 0, []byte("\xfe\xfd"+serverHelloBody("", 1)[2:])), sensor.FromServer},
		{"certificate", dtlsMessageOf(certificateMessage, 0, []byte("x")), sensor.No},
		{"epoch 1", epoch, sensor.No},
		{"record of TLS", clientHello(""), sensor.No},
		{"cut short", hello[:20], sensor.No},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := matchDTLS(nil, 0, c.b); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func FuzzDTLS(f *testing.F) {
	for _, c := range captured(f, packet.ProtoUDP, 4435) {
		said := c.turns(5)
		f.Add(said[0], said[1], said[2], said[3], said[4])
	}
	cc, sc := configs(f, tls.VersionTLS12)
	said := asDTLS(shake(f, cc, sc), 200)
	f.Add(said[0].b, said[1].b, said[2].b, said[3].b, said[4].b)
	f.Add(said[4].b, said[3].b, said[2].b, said[1].b, said[0].b)
	f.Add(dtlsMessageOf(helloVerify, 0, []byte("\xfe\xff\x00")), []byte("\x2f\x00"), dtlsRecordOf(recordAlert, 0, []byte("\x02\x28")), []byte{}, dtlsRecordOf(recordChangeCipherSpec, 0, []byte{1}))
	f.Fuzz(func(t *testing.T, a, b, c, d, e []byte) {
		flow, decoder := *udpTestFlow(), newDTLSDecoder()
		n := 0
		emit := func(records.Record) { n++ }
		for i, datagram := range [][]byte{a, b, c, d, e} {
			if len(datagram) > 0 {
				matchDTLS(&flow, 0, datagram[:min(len(datagram), sensor.MatchLimit)])
				decoder.Data(&flow, packet.Side(i&1), datagram, emit)
			}
			if decoder.held < 0 || decoder.held > dtlsMaxHeld {
				t.Fatalf("%d octets held", decoder.held)
			}
		}
		decoder.Close(&flow, emit)
		if n > 1 || decoder.held != 0 && n == 1 {
			t.Errorf("%d records, %d octets held", n, decoder.held)
		}
	})
}

func BenchmarkDTLS(b *testing.B) {
	cc, sc := configs(b, tls.VersionTLS12)
	said := asDTLS(shake(b, cc, sc), 1200)
	f := udpTestFlow()
	b.ReportAllocs()
	for b.Loop() {
		d := newDTLSDecoder()
		for _, s := range said {
			if d.Data(f, s.side, s.b, func(records.Record) {}) == sensor.Done {
				break
			}
		}
	}
}
