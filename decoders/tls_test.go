package decoders

import (
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

func TestTLS13(t *testing.T) {
	cc, sc := configs(t, tls.VersionTLS13)
	r := one(t, shake(t, cc, sc))
	if r.Version != "1.3" || r.ClientVersion != "1.3" || r.ServerName != "www.example.jp" || !r.Established || r.Resumed ||
		r.Curve == "" || !strings.HasPrefix(r.Cipher, "TLS_") || r.Certificate != nil || r.HelloRetry || r.Odd != "" {
		t.Errorf("%+v", r)
	}
	if !slices.Equal(r.ClientALPN, []string{"h2", "http/1.1"}) || !strings.HasPrefix(r.JA4, "t13d") || !strings.Contains(r.JA4, "h2_") {
		t.Errorf("ALPN %v, JA4 %s", r.ClientALPN, r.JA4)
	}
}

func TestTLS12Certificate(t *testing.T) {
	cc, sc := configs(t, tls.VersionTLS12)
	r := one(t, shake(t, cc, sc))
	if r.Version != "1.2" || !r.Established || r.Resumed || r.ALPN != "http/1.1" || r.Curve != "x25519" || r.Chain != 1 || r.JA3S == "" {
		t.Errorf("%+v", r)
	}
	c := r.Certificate
	if c == nil || c.Subject != `CN=www.example.jp,O=Example\, K.K.` || c.Issuer != "CN=Test CA" || c.Serial != "0ABC" || c.SelfSigned || c.Malformed ||
		c.NotBefore != 1700000000e9 || c.NotAfter != 1800000000e9 || !slices.Equal(c.Names, []string{"www.example.jp", "*.www.example.jp"}) {
		t.Errorf("%+v", c)
	}
}

func TestTLSKinds(t *testing.T) {
	for _, c := range []struct {
		name    string
		version uint16
		change  func(cc, sc *tls.Config)
		check   func(r *records.TLS) bool
	}{
		{"1.0", tls.VersionTLS10, func(cc, sc *tls.Config) { cc.MinVersion = tls.VersionTLS10 },
			func(r *records.TLS) bool { return r.Version == "1.0" && r.Established && r.Certificate != nil }},
		{"hello retry request", tls.VersionTLS13, func(cc, sc *tls.Config) {
			cc.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP384}
			sc.CurvePreferences = []tls.CurveID{tls.CurveP384}
		}, func(r *records.TLS) bool {
			return r.HelloRetry && r.ServerHello && r.Version == "1.3" && r.Curve == "secp384r1" && r.Established && !r.Resumed
		}},
		{"no common version", tls.VersionTLS12, func(cc, sc *tls.Config) { sc.MinVersion = tls.VersionTLS13 },
			func(r *records.TLS) bool {
				return r.Alert == "protocol_version" && !r.Established && !r.ServerHello && r.Version == ""
			}},
		{"client refuses the certificate, 1.2", tls.VersionTLS12, func(cc, sc *tls.Config) { cc.InsecureSkipVerify = false },
			func(r *records.TLS) bool {
				return r.Alert == "bad_certificate" && !r.Established && r.Certificate != nil
			}},
		{"client refuses the certificate, 1.3", tls.VersionTLS13, func(cc, sc *tls.Config) { cc.InsecureSkipVerify = false },
			func(r *records.TLS) bool { return !r.Established && r.ServerHello }},
		{"client certificate", tls.VersionTLS12, func(cc, sc *tls.Config) {
			sc.ClientAuth = tls.RequireAnyClientCert
			cc.Certificates = []tls.Certificate{testCertificate(t, "client.example.jp")}
		}, func(r *records.TLS) bool {
			return r.ClientCertificate != nil && strings.HasPrefix(r.ClientCertificate.Subject, "CN=client.") && r.Chain == 1 &&
				strings.HasPrefix(r.Certificate.Subject, "CN=www.") && r.Established
		}},
		{"no client certificate though asked, 1.3", tls.VersionTLS13, func(cc, sc *tls.Config) { sc.ClientAuth = tls.RequestClientCert },
			func(r *records.TLS) bool { return r.Established && r.History == "CsiI" }},
		{"no server name", tls.VersionTLS13, func(cc, sc *tls.Config) { cc.ServerName = "" },
			func(r *records.TLS) bool { return r.ServerName == "" && strings.HasPrefix(r.JA4, "t13i") }},
		{"no ALPN", tls.VersionTLS12, func(cc, sc *tls.Config) { cc.NextProtos = nil },
			func(r *records.TLS) bool {
				return r.ALPN == "" && strings.Contains(r.JA4, "00_") && r.ClientALPN == nil
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cc, sc := configs(t, c.version)
			c.change(cc, sc)
			if r := one(t, shake(t, cc, sc)); !c.check(r) {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestTLSResumed(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			cc, sc := configs(t, version)
			cc.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			if r := one(t, shake(t, cc, sc)); r.Resumed || !r.Established {
				t.Errorf("first: %+v", r)
			}
			if r := one(t, shake(t, cc, sc)); !r.Resumed || !r.Established || r.Certificate != nil {
				t.Errorf("second: %+v", r)
			}
		})
	}
}

func TestTLSOneSide(t *testing.T) {
	cc, sc := configs(t, tls.VersionTLS12)
	said := shake(t, cc, sc)
	half := func(side packet.Side) []spoken {
		return slices.DeleteFunc(slices.Clone(said), func(s spoken) bool { return s.side != side })
	}
	if r := one(t, half(packet.FromA)); !r.ClientHello || r.ServerHello || r.Established || r.ServerName == "" || r.ClientCertificate != nil || r.Odd != "" {
		t.Errorf("client only: %+v", r)
	}
	if r := one(t, half(packet.FromB)); r.ClientHello || !r.ServerHello || r.Established || r.Certificate == nil || r.Odd != "" {
		t.Errorf("server only: %+v", r)
	}
}

// Records and messages need not begin and end together: here every record
// bears one octet.
func TestTLSFragmentedMessages(t *testing.T) {
	cc, sc := configs(t, tls.VersionTLS12)
	said := shake(t, cc, sc)
	want := *one(t, said)
	var tiny []spoken
	for _, s := range said {
		var b []byte
		for rest := s.b; len(rest) > 5; {
			n := int(rest[3])<<8 | int(rest[4])
			if rest[0] != recordHandshake {
				b = append(b, rest[:5+n]...)
			} else {
				for _, c := range rest[5 : 5+n] {
					b = append(b, recordHandshake, 3, 3, 0, 1, c)
				}
			}
			rest = rest[5+n:]
		}
		tiny = append(tiny, spoken{s.side, b})
	}
	if got := *one(t, tiny); !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
}

func TestTLSAnyCut(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		cc, sc := configs(t, version)
		said := shake(t, cc, sc)
		want := play(said, whole)
		for n := 1; n < 40; n++ {
			if got := play(said, func(rest int) int { return min(n, rest) }); !reflect.DeepEqual(got, want) {
				t.Fatalf("%s in pieces of %d differs", tls.VersionName(version), n)
			}
		}
	}
}

func TestTLSInTunnel(t *testing.T) {
	f := sensor.NewTestFlow(packet.ProtoTCP, tlsProtocol())
	f.Label("http", "proxy.example.jp")
	d := f.EnterTunnel()
	var out []*records.TLS
	cc, sc := configs(t, tls.VersionTLS13)
	for _, s := range shake(t, cc, sc) {
		if d.Data(f, s.side, s.b, func(r records.Record) { out = append(out, r.(*records.TLS)) }) == sensor.Done {
			break
		}
	}
	if len(out) != 1 || out[0].Via != "CONNECT" || !out[0].Established || f.Tunnel != "tls" || f.TunnelName != "www.example.jp" || f.Service != "http" {
		t.Errorf("%+v; tunnel %q %q", out, f.Tunnel, f.TunnelName)
	}
}

func TestTLSGap(t *testing.T) {
	cc, sc := configs(t, tls.VersionTLS12)
	said := shake(t, cc, sc)
	run := newTLSRun()
	run.say(said[0])
	if run.d.Gap(run.f, packet.FromB, 100) != sensor.Done {
		t.Error("without the server's hello there is nothing to wait for")
	}
	run.d.Close(run.f, run.emit)
	if len(run.out) != 1 || !run.out[0].Gap || run.out[0].ServerName != "www.example.jp" || run.out[0].ServerHello {
		t.Errorf("%+v", run.out)
	}

	run = newTLSRun()
	run.d.Gap(run.f, packet.FromA, 100) // the ClientHello
	for _, s := range said {
		if run.say(s) == sensor.Done {
			break
		}
	}
	if len(run.out) != 1 || run.out[0].ClientHello || run.out[0].Certificate == nil || run.out[0].Established {
		t.Errorf("%+v", run.out)
	}
}

func TestTLSLimits(t *testing.T) {
	cc, sc := configs(t, tls.VersionTLS12)
	hello := shake(t, cc, sc)[0]
	t.Run("message too long", func(t *testing.T) {
		long := []byte{recordHandshake, 3, 3, 0x40, 0, certificateMessage, 0xff, 0, 0}
		r := one(t, []spoken{hello, {packet.FromB, long}})
		if r.Odd != "handshake message too long" {
			t.Errorf("%+v", r)
		}
	})
	t.Run("patience", func(t *testing.T) {
		run := newTLSRun()
		run.say(hello)
		record := append([]byte{recordApplicationData, 3, 3, 0x40, 0}, make([]byte, 1<<14)...)
		sent := 0
		for run.say(spoken{packet.FromA, record}) == sensor.More {
			if sent += len(record); sent > tlsPatience {
				t.Fatalf("still waiting after %d octets", sent)
			}
		}
		if len(run.out) != 1 {
			t.Errorf("%d records", len(run.out))
		}
	})
	t.Run("not a record", func(t *testing.T) {
		r := one(t, []spoken{hello, {packet.FromB, []byte("HTTP/1.0 400 Bad Request\r\n\r\n")}})
		if r.Odd != "not a TLS record" || r.ServerHello {
			t.Errorf("%+v", r)
		}
	})
	t.Run("no hello, no record", func(t *testing.T) {
		if out := play([]spoken{{packet.FromA, hello.b[:len(hello.b)-1]}}, whole); len(out) != 0 {
			t.Errorf("%+v", out[0])
		}
	})
}

func TestSSLv2Hello(t *testing.T) {
	v2 := func(version, ciphers string) []byte {
		b := "\x01" + version + "\x00" + string(rune(len(ciphers))) + "\x00\x00\x00\x10" + ciphers + "0123456789abcdef"
		return append([]byte{0x80, byte(len(b))}, b...)
	}
	compatible := v2("\x03\x01", "\x00\x00\x2f\x01\x00\x80")
	if m := matchTLS(nil, 0, compatible); m != sensor.FromClient {
		t.Errorf("match %v", m)
	}
	serverHello := append([]byte{recordHandshake, 3, 1, 0, 42, helloServer, 0, 0, 38, 3, 1}, make([]byte, 32)...)
	serverHello = append(serverHello, 0, 0, 0x2f, 0)
	r := one(t, []spoken{{packet.FromA, compatible}, {packet.FromB, serverHello}})
	if !r.SSLv2Hello || r.ClientVersion != "1.0" || !slices.Equal(r.Ciphers, []string{"TLS_RSA_WITH_AES_128_CBC_SHA", "SSL_CK_RC4_128_WITH_MD5"}) ||
		r.Version != "1.0" || r.Cipher != "TLS_RSA_WITH_AES_128_CBC_SHA" || r.JA3 != "" || r.Odd != "" {
		t.Errorf("%+v", r)
	}

	pure := "\x04\x00\x01\x00\x02\x00\x03\x00\x03\x00\x10xyz\x01\x00\x80" + "0123456789abcdef"
	r = one(t, []spoken{{packet.FromA, v2("\x00\x02", "\x01\x00\x80")}, {packet.FromB, append([]byte{0x80, byte(len(pure))}, pure...)}})
	if r.Version != "ssl2" || r.ClientVersion != "ssl2" || r.Certificate == nil || !r.Certificate.Malformed {
		t.Errorf("%+v", r)
	}
}

func TestTLSMatch(t *testing.T) {
	cc, sc := configs(t, tls.VersionTLS12)
	said := shake(t, cc, sc)
	for _, c := range []struct {
		name string
		b    []byte
		want sensor.Match
	}{
		{"client hello", said[0].b, sensor.FromClient},
		{"server hello", said[1].b, sensor.FromServer},
		{"one octet", said[0].b[:1], sensor.Maybe},
		{"record header", said[0].b[:5], sensor.Maybe},
		{"no version yet", said[0].b[:10], sensor.Maybe},
		{"record of one octet", []byte{22, 3, 1, 0, 1, 1}, sensor.FromClient},
		{"empty record", []byte{22, 3, 1, 0, 0, 1}, sensor.No},
		{"record too long", []byte{22, 3, 1, 0xff, 0, 1}, sensor.No},
		{"application data", []byte{23, 3, 3, 0, 32, 1, 2, 3, 4, 5, 6}, sensor.No},
		{"major version 4", []byte{22, 4}, sensor.No},
		{"HTTP", []byte("GET / HTTP/1.1\r\n"), sensor.No},
		{"other binary", []byte("\x80\x00\x00\x28"), sensor.No},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := matchTLS(nil, 0, c.b[:min(len(c.b), sensor.MatchLimit)]); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestTLSVersionNames(t *testing.T) {
	for v, want := range map[uint16]string{2: "ssl2", 0x300: "ssl3", 0x301: "1.0", 0x303: "1.2", 0x304: "1.3", 0x7f17: "1.3-draft23", 0x1234: "0x1234"} {
		if got := tlsVersionName(v); got != want {
			t.Errorf("%#x: %q, want %q", v, got, want)
		}
	}
}

// The names agree with the standard library's, as far as it has them.
func TestCipherNames(t *testing.T) {
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if got := cipherName(s.ID); got != s.Name {
			t.Errorf("%#x: %q, want %q", s.ID, got, s.Name)
		}
	}
	if got := cipherName(0x1a1b); got != "0x1A1B" {
		t.Errorf("unknown suite: %q", got)
	}
}

// FuzzTLS: however the streams are cut, the record is the same.
func FuzzTLS(f *testing.F) {
	for i, c := range captured(f, packet.ProtoTCP, 443, 4431, 4432, 4433, 4434) {
		said := c.turns(3)
		f.Add(said[0], said[1], said[2], uint64(i))
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		cc, sc := configs(f, version)
		said := shake(f, cc, sc)
		f.Add(said[0].b, said[1].b, said[2].b, uint64(1))
	}
	f.Add([]byte("\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10\x00\x00\x2f"), []byte{21, 3, 1, 0, 2, 2, 40}, []byte{}, uint64(2))
	f.Fuzz(func(t *testing.T, hello, reply, rest []byte, seed uint64) {
		said := []spoken{{packet.FromA, hello}, {packet.FromB, reply}, {packet.FromA, rest}, {packet.FromB, rest}}
		r := mrand.New(mrand.NewPCG(seed, 1))
		want := play(said, whole)
		got := play(said, func(rest int) int { return 1 + r.IntN(rest) })
		if !reflect.DeepEqual(got, want) {
			t.Errorf("whole %+v\ncut %+v", want, got)
		}
		if len(hello) > 0 {
			matchTLS(nil, packet.FromA, hello[:min(len(hello), sensor.MatchLimit)])
		}
		if len(want) > 1 {
			t.Errorf("%d records of one handshake", len(want))
		}
	})
}

func BenchmarkTLS12Handshake(b *testing.B) { benchmarkTLS(b, tls.VersionTLS12) }
func BenchmarkTLS13Handshake(b *testing.B) { benchmarkTLS(b, tls.VersionTLS13) }

func benchmarkTLS(b *testing.B, version uint16) {
	cc, sc := configs(b, version)
	said := shake(b, cc, sc)
	f := sensor.NewTestFlow(packet.ProtoTCP)
	b.ReportAllocs()
	for b.Loop() {
		d := newTLSDecoder()
		for _, s := range said {
			if d.Data(f, s.side, s.b, func(records.Record) {}) == sensor.Done {
				break
			}
		}
	}
}
