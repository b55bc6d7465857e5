package decoders

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// record is a TLS record.
func record(typ byte, body string) []byte {
	return append([]byte{typ, 3, 3, byte(len(body) >> 8), byte(len(body))}, body...)
}

// handshakeMessage is a message with its header.
func handshakeMessage(typ byte, body string) string {
	return string([]byte{typ, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}) + body
}

// extension is an extension of a hello.
func extension(typ uint16, body string) string {
	b := binary.BigEndian.AppendUint16(nil, typ)
	b = binary.BigEndian.AppendUint16(b, uint16(len(body)))
	return string(b) + body
}

// clientHelloBody is a ClientHello of TLS 1.2 with one cipher suite.
func clientHelloBody(session string, extensions ...string) string {
	all := strings.Join(extensions, "")
	return "\x03\x03" + strings.Repeat("R", 32) + string(rune(len(session))) + session + "\x00\x02\xc0\x2f\x01\x00" +
		string(binary.BigEndian.AppendUint16(nil, uint16(len(all)))) + all
}

func clientHello(session string, extensions ...string) []byte {
	return record(recordHandshake, handshakeMessage(helloClient, clientHelloBody(session, extensions...)))
}

func serverHelloBody(session string, cipher uint16) string {
	return "\x03\x03" + strings.Repeat("S", 32) + string(rune(len(session))) + session + string(binary.BigEndian.AppendUint16(nil, cipher)) + "\x00"
}

func serverHello(session string, cipher uint16) []byte {
	return record(recordHandshake, handshakeMessage(helloServer, serverHelloBody(session, cipher)))
}

func TestTLSHistory(t *testing.T) {
	for _, c := range []struct {
		name    string
		version uint16
		change  func(cc, sc *tls.Config)
		want    string
	}{
		{"1.2 in full", tls.VersionTLS12, func(cc, sc *tls.Config) { cc.ClientSessionCache = tls.NewLRUClientSessionCache(1) }, "CsxknGIti"},
		{"1.2 without tickets", tls.VersionTLS12, func(cc, sc *tls.Config) {}, "CsxknGIi"},
		{"1.3", tls.VersionTLS13, func(cc, sc *tls.Config) {}, "CsiI"},
		{"client certificate", tls.VersionTLS12, func(cc, sc *tls.Config) {
			sc.ClientAuth = tls.RequireAnyClientCert
			cc.Certificates = []tls.Certificate{testCertificate(t, "c")}
		}, "CsxkrnXGYIi"},
		{"no common version", tls.VersionTLS12, func(cc, sc *tls.Config) { sc.MinVersion = tls.VersionTLS13 }, "Cl"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cc, sc := configs(t, c.version)
			c.change(cc, sc)
			if r := one(t, shake(t, cc, sc)); r.History != c.want {
				t.Errorf("got %s, want %s", r.History, c.want)
			}
		})
	}
}

func TestTLSResumption(t *testing.T) {
	const ccs = "\x01"
	finish := []spoken{{packet.FromB, record(recordChangeCipherSpec, ccs)}, {packet.FromA, record(recordChangeCipherSpec, ccs)}}
	for _, c := range []struct {
		name    string
		said    []spoken
		resumed bool
		by      string
	}{
		{"session id", append([]spoken{{packet.FromA, clientHello("id")}, {packet.FromB, serverHello("id", 0xc02f)}}, finish...), true, "session_id"},
		{"ticket", append([]spoken{{packet.FromA, clientHello("", extension(extSessionTicket, "t"))}, {packet.FromB, serverHello("", 0xc02f)}}, finish...), true, "ticket"},
		{"server alone", append([]spoken{{packet.FromB, serverHello("", 0xc02f)}}, finish...), true, ""},
		{"in full", append([]spoken{{packet.FromA, clientHello("id")}, {packet.FromB, serverHello("id", 0xc02f)},
			{packet.FromB, record(recordHandshake, handshakeMessage(serverHelloDone, ""))}}, finish...), false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if r := one(t, c.said); r.Resumed != c.resumed || r.Resumption != c.by || !r.Established {
				t.Errorf("%+v", r)
			}
		})
	}
	t.Run("pre-shared key", func(t *testing.T) {
		cc, sc := configs(t, tls.VersionTLS13)
		cc.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		shake(t, cc, sc)
		if r := one(t, shake(t, cc, sc)); r.Resumption != "psk" {
			t.Errorf("%+v", r)
		}
	})
}

func TestTLSAlerts(t *testing.T) {
	said := []spoken{{packet.FromA, clientHello("")}, {packet.FromB, serverHello("", 0xc02f)},
		{packet.FromB, record(recordAlert, "\x01\x70")}, {packet.FromA, record(recordAlert, "\x02\x30")}}
	r := one(t, said)
	if r.Alert != "unrecognized_name" || r.AlertFrom != "server" || r.LastAlert != "unknown_ca" || r.LastAlertFrom != "client" || r.History != "CslL" {
		t.Errorf("%+v", r)
	}
	run := newTLSRun()
	for _, s := range said {
		if run.say(s) != sensor.More {
			t.Fatal("the server may still say why")
		}
	}
	if run.say(spoken{packet.FromB, record(recordAlert, "\x02\x00")}) != sensor.Done || run.out[0].LastAlert != "close_notify" {
		t.Errorf("%+v", run.out)
	}
	run = newTLSRun()
	run.say(said[0])
	for n := 1; run.say(spoken{packet.FromB, record(recordAlert, "\x01\x70")}) == sensor.More; n++ {
		if n >= tlsMaxAlerts {
			t.Fatal("alerts without end")
		}
	}
	after := append(slices.Clone(said), spoken{packet.FromA, record(recordChangeCipherSpec, "\x01")}, spoken{packet.FromB, record(recordChangeCipherSpec, "\x01")})
	if r := one(t, after); r.Established {
		t.Error("established after a fatal alert")
	}
}

// chainMessage is a Certificate message with n certificates.
func chainMessage(n int, der []byte) string {
	length := func(n int) string { return string([]byte{byte(n >> 16), byte(n >> 8), byte(n)}) }
	list := strings.Repeat(length(len(der))+string(der), n)
	return handshakeMessage(certificateMessage, length(len(list))+list)
}

func TestTLSChain(t *testing.T) {
	der := issue(t, template())
	for _, c := range []struct{ sent, kept int }{{1, 1}, {3, 3}, {tlsMaxChain, tlsMaxChain}, {tlsMaxChain + 1, tlsMaxChain}} {
		body := chainMessage(c.sent, der)
		var records []byte
		for len(body) > 0 {
			n := min(len(body), 1<<14)
			records = append(records, record(recordHandshake, body[:n])...)
			body = body[n:]
		}
		for _, side := range []packet.Side{packet.FromA, packet.FromB} {
			r := one(t, []spoken{{packet.FromA, clientHello("")}, {side, records}})
			chain, n := r.CertificateChain(), r.Chain
			if side == packet.FromA {
				chain, n = r.ClientCertificateChain(), r.ClientChain
			} else if r.ChainBytes != c.sent*len(der) {
				t.Errorf("%d octets, want %d", r.ChainBytes, c.sent*len(der))
			}
			if n != c.sent || len(chain) != c.kept || chain[c.kept-1].Serial != "80" || (r.Odd == "certificate chain too long") != (c.sent > c.kept) {
				t.Errorf("%d sent: %d counted, %d kept, odd %q", c.sent, n, len(chain), r.Odd)
			}
		}
	}
}

func TestTLSServerParameters(t *testing.T) {
	p := "\x01\x00" + "\x80" + strings.Repeat("p", 255) // 2048 bits
	said := []spoken{{packet.FromA, clientHello("")}, {packet.FromB, serverHello("", 0x009e)},
		{packet.FromB, record(recordHandshake, handshakeMessage(serverKeyExchange, p+"\x00\x01\x02"))},
		{packet.FromB, record(recordHandshake, handshakeMessage(sessionTicket, "\x00\x00\x01\x2c\x00\x01t"))}}
	if r := one(t, said); r.DHBits != 2048 || r.TicketLifetime != 300 || r.Cipher != "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256" {
		t.Errorf("%+v", r)
	}
}

func TestTLSClientRandom(t *testing.T) {
	if r := one(t, []spoken{{packet.FromA, clientHello("")}}); r.ClientRandom != [32]byte([]byte(strings.Repeat("R", 32))) {
		t.Errorf("%x", r.ClientRandom)
	}
}

func TestTLSEncryptedHello(t *testing.T) {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public := key.PublicKey().Bytes()
	// ECHConfig (RFC 9849 section 4): version, length, id 7, KEM, key, one suite, name.
	name := "outer.example.jp"
	contents := "\x07\x00\x20\x00\x20" + string(public) + "\x00\x04\x00\x01\x00\x01" + "\x40" + string(rune(len(name))) + name + "\x00\x00"
	config := extension(extClientHelloECH, contents)
	list := string(binary.BigEndian.AppendUint16(nil, uint16(len(config)))) + config
	cc, sc := configs(t, tls.VersionTLS13)
	cc.MinVersion, cc.EncryptedClientHelloConfigList = tls.VersionTLS13, []byte(list)
	r := one(t, shake(t, cc, sc))
	if r.ECH == nil || r.ECH.ConfigID != 7 || r.ECH.KDF != 1 || r.ECH.AEAD != 1 || r.ECH.PayloadLen == 0 || r.ServerName != name || r.Odd != "" {
		t.Errorf("%+v %+v", r, r.ECH)
	}

	for what, body := range map[string]string{"inner client hello in clear": "\x01", "malformed client hello": "\x00\x00\x01"} {
		if r := one(t, []spoken{{packet.FromA, clientHello("", extension(extClientHelloECH, body))}}); r.ECH == nil || r.Odd != what {
			t.Errorf("%+v", r)
		}
	}
	if r := one(t, []spoken{{packet.FromA, clientHello("", extension(extServerNameESNI, "x"))}}); !r.ESNI || r.ECH != nil {
		t.Errorf("%+v", r)
	}
}

func TestTLSEarlyData(t *testing.T) {
	hello := clientHello("", extension(extEarlyData, ""))
	early := record(recordApplicationData, strings.Repeat("e", 100))
	said := []spoken{{packet.FromA, hello}, {packet.FromA, early}, {packet.FromA, early}}
	if r := one(t, said); !r.EarlyData || r.EarlyDataBytes != 0 {
		t.Errorf("the server is not seen: %+v", r)
	}
	said = append(said, spoken{packet.FromB, serverHello("", 0x1301)}, spoken{packet.FromA, early})
	if r := one(t, said); !r.EarlyData || r.EarlyDataBytes != 200 {
		t.Errorf("%+v", r)
	}
}

func TestTLSVia(t *testing.T) {
	for service, want := range map[string]string{"http": "CONNECT", "socks": "SOCKS", "smtp": "STARTTLS"} {
		f := sensor.NewTestFlow(packet.ProtoTCP, tlsProtocol())
		f.Label(service, "")
		d := f.EnterTunnel()
		var out []*records.TLS
		emit := func(r records.Record) { out = append(out, r.(*records.TLS)) }
		d.Data(f, packet.FromA, clientHello(""), emit)
		d.Close(f, emit)
		if len(out) != 1 || out[0].Via != want {
			t.Errorf("in %s: %+v", service, out)
		}
	}
}

func TestTLSManyCiphers(t *testing.T) {
	suites := strings.Repeat("\x13\x01", tlsMaxCiphers+1)
	body := "\x03\x03" + strings.Repeat("R", 32) + "\x00" + string(binary.BigEndian.AppendUint16(nil, uint16(len(suites)))) + suites + "\x01\x00"
	r := one(t, []spoken{{packet.FromA, record(recordHandshake, handshakeMessage(helloClient, body))}})
	if len(r.Ciphers) != tlsMaxCiphers || r.Odd != "too many cipher suites" || r.JA3Raw == "" {
		t.Errorf("%d suites, odd %q", len(r.Ciphers), r.Odd)
	}
}

func TestTLSHistoryIsBounded(t *testing.T) {
	said := []spoken{{packet.FromA, clientHello("")}}
	for range tlsMaxHistory + 10 {
		said = append(said, spoken{packet.FromB, record(recordHandshake, handshakeMessage(22, "u"))})
	}
	if r := one(t, said); len(r.History) != tlsMaxHistory {
		t.Errorf("%d letters", len(r.History))
	}
}
