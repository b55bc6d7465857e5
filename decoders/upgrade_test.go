package decoders

import (
	"strings"
	"testing"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// upgradeSteps are who sends what, in order, before TLS.
type upgradeStep struct {
	client bool
	text   string
}

func mysqlGreeting() string {
	text := "\x0a8.0.36\x00" + strings.Repeat("\x01", 60)
	return string([]byte{byte(len(text)), 0, 0, 0}) + text
}

const (
	xmppOpen   = `<?xml version='1.0'?> <stream:stream to='j.example' xmlns='jabber:client'>`
	ldapStart  = "\x30\x1d\x02\x01\x01\x77\x18\x80\x16" + ldapStartTLS
	ldapDone   = "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"
	rdpRequest = "\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00"
	rdpConfirm = "\x03\x00\x00\x13\x0e\xd0\x00\x00\x12\x34\x00\x02\x1f\x08\x00\x02\x00\x00\x00"
	mysqlAsk   = "\x20\x00\x00\x01\x05\x8a\x00\x00" + "\x00\x00\x00\x01\x21"
	adbHello   = "CNXN\x00\x00\x00\x01\x00\x00\x10\x00\x07\x00\x00\x00\x32\x02\x00\x00\xbc\xb1\xa7\xb1host::\x00"
	adbStart   = "STLS\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xac\xab\xb3\xac"
)

var upgradeCases = []struct {
	name  string
	steps []upgradeStep
}{
	{"xmpp", []upgradeStep{{true, xmppOpen}, {false, xmppOpen + "<stream:features><starttls/></stream:features>"},
		{true, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"}, {false, "<proceed/>"}}},
	{"postgresql", []upgradeStep{{true, postgresTLS}, {false, "S"}}},
	{"postgresql", []upgradeStep{{true, postgresGSS}, {false, "N"}, {true, postgresTLS}, {false, "S"}}},
	{"mysql", []upgradeStep{{false, mysqlGreeting()}, {true, mysqlAsk + strings.Repeat("\x00", 36-len(mysqlAsk))}}},
	{"rdp", []upgradeStep{{true, rdpRequest}, {false, rdpConfirm}}},
	{"ldap", []upgradeStep{{true, ldapStart}, {false, ldapDone}}},
	{"irc", []upgradeStep{{true, "STARTTLS\r\n"}, {false, ":irc.example 670 * :go ahead\r\n"}}},
	{"irc", []upgradeStep{{true, "CAP LS 302\r\n"}, {false, ":irc.example CAP * LS :tls\r\n"}, {true, "starttls\n"}, {false, ":x 670 * :go\r\n"}}},
	{"adb", []upgradeStep{{true, adbHello}, {false, adbStart}, {true, adbStart}}},
}

// recognised is the protocol that takes the first octets, however many there are.
func recognised(t testing.TB, step upgradeStep) sensor.Protocol {
	t.Helper()
	f := sensor.NewTestFlow(packet.ProtoTCP)
	for _, p := range upgradeProtocols() {
		for n := 1; n <= len(step.text); n++ {
			m := p.Match(f, packet.FromA, []byte(step.text[:n]))
			if m == sensor.FromClient && step.client || m == sensor.FromServer && !step.client {
				return p
			}
			if m != sensor.Maybe {
				break
			}
		}
	}
	t.Fatalf("%q is not recognised", step.text)
	return sensor.Protocol{}
}

// upgraded gives steps and a ClientHello to a decoder, in pieces.
func upgraded(t testing.TB, steps []upgradeStep, piece int) (f *sensor.Flow, out []records.Record, given bool) {
	t.Helper()
	f = sensor.NewTestFlow(packet.ProtoTCP, tlsProtocol())
	d := recognised(t, steps[0]).New()
	emit := func(r records.Record) { out = append(out, r) }
	const name = "db.example.jp"
	hello := clientHello("", extension(0, "\x00\x10\x00\x00\x0d"+name))
	for _, s := range append(steps[:len(steps):len(steps)], upgradeStep{true, string(hello)}) {
		side := packet.FromA
		if !s.client {
			side = packet.FromB
		}
		for data := []byte(s.text); len(data) > 0; {
			n := min(piece, len(data))
			f.TestSent(side, n, 1)
			if d.Data(f, side, data[:n], emit) == sensor.Done {
				return f, out, false
			}
			data = data[n:]
		}
	}
	d.Close(f, emit)
	return f, out, true
}

func TestUpgrade(t *testing.T) {
	for _, c := range upgradeCases {
		for _, piece := range []int{1, 7, 1 << 20} {
			f, out, ok := upgraded(t, c.steps, piece)
			if !ok || len(out) != 1 || f.Service != c.name || f.Tunnel != "tls" {
				t.Errorf("%s in pieces of %d: %v, flow %q %q, records %+v", c.name, piece, ok, f.Service, f.Tunnel, out)
				continue
			}
			if r := out[0].(*records.TLS); r.ServerName != "db.example.jp" || r.Via != "STARTTLS" {
				t.Errorf("%s in pieces of %d: %+v", c.name, piece, r)
			}
		}
	}
}

// What is not answered, or goes on without TLS, is given up; its name stays.
func TestUpgradeRefused(t *testing.T) {
	long := strings.Repeat("x", maxUpgradeMessage+1)
	for _, c := range []struct {
		name  string
		steps []upgradeStep
	}{
		{"postgresql", []upgradeStep{{true, postgresTLS}, {false, "N"}, {true, "\x00\x00\x00\x09\x00\x03\x00\x00\x00"}}},
		{"postgresql", []upgradeStep{{true, postgresTLS}, {false, "E"}}},
		{"mysql", []upgradeStep{{false, mysqlGreeting()}, {true, "\x28\x00\x00\x01\x85\xa6\xff\x20" + strings.Repeat("\x00", 36)}}},
		{"rdp", []upgradeStep{{true, rdpRequest}, {false, rdpConfirm}, {true, "\x03\x00\x00\x08\x02\xf0\x80\x7f"}}},
		{"ldap", []upgradeStep{{true, ldapStart}, {false, "\x30\x85\x01\x01\x01\x01\x01"}}},
		{"adb", []upgradeStep{{true, adbHello}, {false, strings.Repeat("\x00", 24)}}},
		{"irc", []upgradeStep{{true, "NICK a\r\n"}, {false, long}}},
		{"xmpp", []upgradeStep{{true, xmppOpen}, {false, long}}},
		{"irc", []upgradeStep{{true, "NICK a\r\n"}, {false, strings.Repeat("PING :x\r\n", maxUpgradePatience/9)}}},
	} {
		f, out, ok := upgraded(t, c.steps, 999)
		if ok || len(out) != 0 || f.Service != c.name {
			t.Errorf("%s: %v, flow %q, records %+v", c.name, ok, f.Service, out)
		}
	}
}

func TestUpgradeGap(t *testing.T) {
	f := sensor.NewTestFlow(packet.ProtoTCP, tlsProtocol())
	d := recognised(t, upgradeCases[0].steps[0]).New()
	if d.Gap(f, packet.FromA, 1) != sensor.Done {
		t.Error("goes on behind a gap")
	}
	_, out, _ := upgraded(t, upgradeCases[1].steps, 1<<20)
	if len(out) != 1 {
		t.Fatal("no handshake")
	}
}

func TestUpgradeNotRecognised(t *testing.T) {
	f := sensor.NewTestFlow(packet.ProtoTCP)
	for _, s := range []string{"GET / HTTP/1.1\r\n", "\x16\x03\x01\x00\x10\x01", "<?xml version='1.0'?><rss>", "\x00\x00\x00\x08\x04\xd2\x16\x2e", "220 ftp\r\n",
		"\x03\x00\x00\x16\x11\xd0\x00", "\x03\x00\x04", "\x30\x80\x02", "\x30\x03\x04\x01\x01", "\x30\x05\x02\x01\x01\x42\x00", "CNXN" + strings.Repeat("\x00", 20), "EHLO x\r\n",
		"\x4a\x00\x00\x00\x0aabc", "\x4a\x00\x01", "\x4a\x00\x00\x00\x0a5\x00"} {
		for _, p := range upgradeProtocols() {
			if m := p.Match(f, packet.FromA, []byte(s)); m != sensor.No {
				t.Errorf("%s takes %q: %v", p.Name, s, m)
			}
		}
	}
}

func FuzzUpgrade(f *testing.F) {
	for i, c := range upgradeCases {
		for _, s := range c.steps {
			f.Add(i, []byte(c.steps[0].text), []byte(s.text), s.client)
		}
	}
	f.Fuzz(func(t *testing.T, i int, first, second []byte, isClient bool) {
		protocols := upgradeProtocols()
		p := protocols[uint(i)%uint(len(protocols))]
		flow := sensor.NewTestFlow(packet.ProtoTCP, tlsProtocol())
		if len(first) == 0 || p.Match(flow, packet.FromA, first[:min(len(first), sensor.MatchLimit)]) == sensor.No {
			return
		}
		d, side := p.New().(*upgradeDecoder), packet.FromA
		if d.Data(flow, side, first, func(records.Record) {}) == sensor.Done {
			return
		}
		if !isClient {
			side = packet.FromB
		}
		d.Data(flow, side, second, func(records.Record) {})
		if n := max(len(d.held[0]), len(d.held[1])); n > maxUpgradeMessage {
			t.Errorf("%d octets held", n)
		}
		d.Close(flow, func(records.Record) {})
	})
}

func BenchmarkUpgrade(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		upgraded(b, upgradeCases[0].steps, 1<<20)
	}
}
