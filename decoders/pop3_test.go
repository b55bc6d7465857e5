package decoders

import (
	"crypto/tls"
	"reflect"
	"strings"
	"testing"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

func testPOP3() sensor.Protocol { return pop3Protocol(mailFiles()) }

func pop3Login() []octets {
	return []octets{
		serverSays("+OK POP3 ready\r\n"), clientSays("USER aiko\r\n"), serverSays("+OK\r\n"), clientSays("PASS geheim\r\n"), serverSays("+OK 2 messages\r\n"),
	}
}

func TestPOP3(t *testing.T) {
	const login = `auth pop3 USER password success "aiko"`
	const file, one = `file pop3 "" 4`, `mail-message 1 user=aiko subject="x" size=39 complete=true [1  "" 4]`
	runMailCases(t, testPOP3(), []mailCase{
		{"messages and lists", talk(pop3Login(), []octets{
			clientSays("STAT\r\n"), serverSays("+OK 2 78\r\n"), clientSays("LIST\r\n"), serverSays("+OK\r\n1 39\r\n2 39\r\n.\r\n"), clientSays("LIST 1\r\n"), serverSays("+OK 1 39\r\n"),
			clientSays("UIDL\r\n"), serverSays("+OK\r\n1 a\r\n..\r\n.\r\n"),
			clientSays("RETR 1\r\n"), serverSays("+OK 39 octets\r\n", message, ".\r\n"), clientSays("DELE 1\r\n"), serverSays("+OK\r\n"),
			clientSays("TOP 2 0\r\n"), serverSays("+OK\r\nSubject: y\r\n\r\n.\r\n"), clientSays(quit), serverSays("+OK\r\n"),
		}), []string{login, file, one, `mail-message 2 user=aiko subject="y" size=14 [1  "" 0]`}},
		{"pipelined", talk(pop3Login(), []octets{
			clientSays("RETR 1\r\nRETR 9\r\nRETR 2\r\n"), serverSays("+OK\r\n", message, ".\r\n-ERR none\r\n+OK\r\n\r\n..hi\r\n.\r\n"),
		}), []string{login, file, one, `file pop3 "" 5`, `mail-message 2 user=aiko size=7 complete=true [1  "" 5]`}},
		{"refused", []octets{serverSays("+OK POP3 ready\r\n"), clientSays("USER aiko\r\n"), serverSays("+OK\r\n"), clientSays("PASS x\r\n"), serverSays("-ERR no\r\n"), clientSays("APOP aiko c4c9334bac560ecc979e58001b3e22fb\r\n"), serverSays("+OK\r\n")},
			[]string{`auth pop3 USER password failure "aiko"`, `auth pop3 APOP challenge success "aiko"`}},
		{"AUTH", []octets{serverSays("+OK POP3 ready\r\n"), clientSays("AUTH\r\n"), serverSays("+OK\r\nPLAIN\r\n.\r\n"), clientSays("AUTH PLAIN\r\n"), serverSays("+ \r\n"), clientSays("AGFpa28AZ2VoZWlt\r\n"), serverSays("+OK\r\n")},
			[]string{`auth pop3 PLAIN password success "aiko"`}},
		{"client only", []octets{clientSays("USER aiko\r\n"), clientSays("PASS geheim\r\n"), clientSays("RETR 1\r\n")}, []string{`auth pop3 USER password unknown "aiko"`}},
		{"server only", []octets{serverSays("+OK ready\r\n"), serverSays("+OK\r\n"), serverSays("+OK 39 octets\r\n", message, ".\r\n"), serverSays("+OK bye\r\n")},
			[]string{file, `mail-message 1 subject="x" size=39 complete=true [1  "" 4]`}},
		{"gap in a message", talk(pop3Login(), []octets{clientSays("RETR 1\r\n"), serverSays("+OK\r\n", message[:36]), serverLoses(9), clientSays("RETR 2\r\n"), serverSays("+OK\r\n", message, ".\r\n")}),
			[]string{login, `file pop3 "" 1`, `mail-message 1 user=aiko subject="x" size=36 missing=9 [1  "" 1]`, file, strings.Replace(one, "1", "2", 1)}},
		{"nothing", []octets{serverSays("+OK ready\r\n"), clientSays(quit), serverSays("+OK\r\n")}, []string{"mail-session 1"}},
	})
}

func TestPOP3StartTLS(t *testing.T) {
	cc, sc := configs(t, tls.VersionTLS12)
	hello := octets{side: packet.FromA, data: string(shake(t, cc, sc)[0].b)}
	got := toldAs(playMail(t, testPOP3(), []octets{serverSays("+OK x\r\n"), clientSays("STLS\r\n"), serverSays("+OK go\r\n"), hello}))
	if want := []string{"mail-session 1 encryption=tls", "tls " + cc.ServerName}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPOP3Limits(t *testing.T) {
	r := newMailRun(testPOP3())
	r.play([]octets{serverSays("+OK x\r\n"), clientSays(strings.Repeat("NOOP\r\n", 10*maxPOP3Pending))}, uncut)
	if d := r.decoder.(*pop3Decoder); len(d.pending) > maxPOP3Pending {
		t.Errorf("%d commands pending", len(d.pending))
	}
	if m := r.out[0].(*records.Mail); m.Odd != oddPending {
		t.Errorf("odd %q", m.Odd)
	}
	r = newMailRun(testPOP3())
	r.play([]octets{serverSays("+OK x\r\n"), clientSays(strings.Repeat("what\r\n", maxMailLost/6+1))}, uncut)
	if r.verdict != sensor.Done {
		t.Errorf("verdict %v, want Done", r.verdict)
	}
}

func TestPOP3Match(t *testing.T) {
	for _, c := range []struct {
		first string
		port  uint16
		want  sensor.Match
	}{
		{"+OK ready\r\n", 9999, sensor.FromServer}, {"+OK\r\n", 9999, sensor.Maybe}, {"+OK\r\n", 110, sensor.FromServer}, {"+O", 9999, sensor.Maybe}, {"+PONG\r\n", 9999, sensor.No},
		{"-ERR no\r\n", 110, sensor.FromServer}, {"-ERR unknown command\r\n", 6379, sensor.No},
		{"CAPA\r\n", 9999, sensor.FromClient}, {"USER x\r\n", 110, sensor.FromClient}, {"USER x\r\n", 21, sensor.Maybe}, {"APOP x c4c9334bac560ecc979e58001b3e22fb\r\n", 9999, sensor.FromClient},
		{"CA", 9999, sensor.Maybe}, {"GET / HTTP/1.1\r\n", 110, sensor.No}, {"EHLO x\r\n", 110, sensor.No},
	} {
		f := sensor.NewTestFlow(packet.ProtoTCP)
		f.Key.BPort = c.port
		side := packet.FromA
		if c.first[0] == '+' || c.first[0] == '-' {
			side = packet.FromB
		}
		if got := matchPOP3(f, side, []byte(c.first)); got != c.want {
			t.Errorf("%q, port %d: got %v, want %v", c.first, c.port, got, c.want)
		}
	}
}

func FuzzPOP3(f *testing.F) {
	for i, c := range captured(f, packet.ProtoTCP, 110) {
		f.Add(c.said(packet.FromA), c.said(packet.FromB), uint64(i), uint16(0))
	}
	f.Add([]byte("USER a\r\nPASS b\r\nLIST\r\nRETR 1\r\nAUTH PLAIN\r\nAA==\r\nSTLS\r\n\x16\x03"), []byte("+OK x\r\n+OK\r\n+OK\r\n+OK\r\n1 2\r\n.\r\n+OK\r\n"+message+".\r\n+ \r\n-ERR\r\n+OK\r\n"), uint64(5), uint16(0))
	f.Add([]byte("USER \n0000 \nLIST\nRETR \nAUTH 0\n"), []byte("+OK\n+OK\n+OK\n.\n+OK\n0\n.\n\r\n"), uint64(5), uint16(0))
	shared := mailFiles()
	f.Fuzz(func(t *testing.T, client, server []byte, seed uint64, gap uint16) {
		fuzzMail(t, pop3Protocol(shared), client, server, seed, gap)
	})
}

func BenchmarkPOP3Message(b *testing.B) {
	steps := talk(pop3Login(), []octets{clientSays("RETR 1\r\n"), serverSays("+OK\r\n", message, ".\r\n")})
	p := testPOP3()
	r := newMailRun(p)
	b.ReportAllocs()
	for b.Loop() {
		r.decoder, r.verdict, r.out = p.New(), sensor.More, r.out[:0]
		r.play(steps, uncut)
	}
}
