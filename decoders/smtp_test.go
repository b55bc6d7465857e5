package decoders

import (
	"crypto/tls"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

const (
	helloLines = "250-mx.example.jp\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 CHUNKING\r\n"
	message    = "From: a@example.com\r\nSubject: x\r\n\r\nhi\r\n" // 39 octets
)

func smtpGreeting() []octets {
	return []octets{
		serverSays("220 mx.example.jp ESMTP Postfix\r\n"),
		clientSays("EHLO client\r\n"), serverSays(helloLines),
	}
}

// smtpMessage sends one message in lock-step.
func smtpMessage(id string) []octets {
	return []octets{
		clientSays("MAIL FROM:<a@example.com>\r\n"), serverSays("250 ok\r\n"),
		clientSays("RCPT TO:<b@example.jp>\r\n"), serverSays("250 ok\r\n"),
		clientSays("DATA\r\n"), serverSays("354 go ahead\r\n"),
		clientSays(message, ".\r\n"), serverSays("250 2.0.0 Ok: queued as ", id, "\r\n"),
	}
}

const quit = "QUIT\r\n"

func talk(parts ...[]octets) (all []octets) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func TestSMTP(t *testing.T) {
	const told1 = `mail-message 1 helo=client from=<a@example.com> to=[b@example.jp] status=250 id=5C30 subject="x" size=39 complete=true [1  "" 4]`
	const told2 = `mail-message 2 helo=client from=<a@example.com> to=[b@example.jp] status=250 id=5C31 subject="x" size=39 complete=true [1  "" 4]`
	const file = `file smtp "" 4`
	bye := []octets{clientSays(quit), serverSays("221 bye\r\n")}
	runMailCases(t, testSMTP(), []mailCase{
		{"a message", talk(smtpGreeting(), smtpMessage("5C30"), bye), []string{file, told1}},
		{"two messages", talk(smtpGreeting(), smtpMessage("5C30"), smtpMessage("5C31"), bye), []string{file, told1, file, told2}},
		{"no transaction", talk(smtpGreeting(), bye), []string{"mail-session 1 helo=client"}},
		{"recipients refused", talk(smtpGreeting(), []octets{
			clientSays("MAIL FROM:<> SIZE=7 BODY=8BITMIME\r\n"), serverSays("250 ok\r\n"),
			clientSays("RCPT TO:<b@example.jp>\r\n"), serverSays("250 ok\r\n"),
			clientSays("RCPT TO:<c@example.jp> NOTIFY=NEVER\r\n"), serverSays("550-5.1.1 no\r\n550 5.1.1 such user\r\n"),
			clientSays("RSET\r\n"), serverSays("250 ok\r\n"),
		}, bye), []string{"mail-envelope 1 helo=client from=<> to=[b@example.jp] refused=[c@example.jp]"}},
		{"pipelined", talk(smtpGreeting(), []octets{
			clientSays("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nRCPT TO:<c@y>\r\nDATA\r\n"),
			serverSays("250 ok\r\n250 ok\r\n450 later\r\n354 go\r\n"),
			clientSays("\r\nhi\r\n.\r\nQUIT\r\n"), serverSays("250 ok\r\n221 bye\r\n"),
		}), []string{file, `mail-message 1 helo=client from=<a@x> to=[b@y] refused=[c@y] status=250 size=6 complete=true pipelined=true [1  "" 4]`}},
		{"dots", talk(smtpGreeting(), []octets{
			clientSays("MAIL FROM:<a@x>\r\n"), serverSays("250 ok\r\n"), clientSays("RCPT TO:<b@y>\r\n"), serverSays("250 ok\r\n"),
			clientSays("DATA\r\n"), serverSays("354 go\r\n"),
			clientSays("\r\n..\r\n...a\r\n.b\r\n.\r\n"), serverSays("250 ok\r\n"),
		}), []string{`file smtp "" 11`, `mail-message 1 helo=client from=<a@x> to=[b@y] status=250 size=13 complete=true [1  "" 11]`}},
		{"a line feed alone does not end a message with CRLF", talk(smtpGreeting(), []octets{
			clientSays("MAIL FROM:<a@x>\r\n"), serverSays("250 ok\r\n"), clientSays("RCPT TO:<b@y>\r\n"), serverSays("250 ok\r\n"),
			clientSays("DATA\r\n"), serverSays("354 go\r\n"),
			clientSays("\r\nx\n.\nMAIL FROM:<evil@x>\n.\r\ny\r\n.\r\n"), serverSays("250 ok\r\n"),
		}), []string{`file smtp "" 27`, `mail-message 1 helo=client from=<a@x> to=[b@y] status=250 size=29 complete=true odd="line feed alone around the final dot" [1  "" 27]`}},
		{"line feeds throughout", []octets{
			serverSays("220 x SMTP\n"), clientSays("HELO c\n"), serverSays("250 x\n"), clientSays("MAIL FROM:<a@x>\n"), serverSays("250 ok\n"),
			clientSays("DATA\n"), serverSays("354 go\n"), clientSays("\nhi\n.\nQUIT\n"), serverSays("250 ok\n"),
		}, []string{`file smtp "" 3`, `mail-message 1 helo=c from=<a@x> status=250 size=4 complete=true [1  "" 3]`}},
		{"DATA refused", talk(smtpGreeting(), []octets{
			clientSays("DATA\r\n"), serverSays("503 5.5.1 need RCPT\r\n"), clientSays("EHLO client\r\n"), serverSays("250 x\r\n"),
		}, smtpMessage("5C31"), bye), []string{"mail-envelope 1 helo=client status=503", file, told2}},
		{"verify", talk(smtpGreeting(), []octets{clientSays("VRFY root\r\n"), serverSays("252 maybe\r\n")}, bye), []string{"mail-session 1 helo=client"}},
		{"bad reply", []octets{serverSays("220 x SMTP\r\n"), clientSays("MAIL FROM:<a@x>\r\n"), serverSays("4.7.0 later\r\n")},
			[]string{`mail-envelope 1 from=<a@x> odd="bad reply line"`}},
		{"route and quotes in a path", []octets{serverSays("220 x SMTP\r\n"), clientSays(`MAIL FROM: <@h1,@h2:"a>b"@x> SIZE=1` + "\r\n"), serverSays("250 ok\r\n")},
			[]string{`mail-envelope 1 from=<"a>b"@x>`}},
	})
}

func TestSMTPChunks(t *testing.T) {
	begin := talk(smtpGreeting(), []octets{
		clientSays("MAIL FROM:<a@x>\r\n"), serverSays("250 ok\r\n"), clientSays("RCPT TO:<b@y>\r\n"), serverSays("250 ok\r\n"),
	})
	runMailCases(t, testSMTP(), []mailCase{
		{"two chunks and the next command in one go", talk(begin, []octets{
			clientSays("BDAT 20\r\n", message[:20], "BDAT 19 LAST\r\n", message[20:], "MAIL FROM:<c@x>\r\n"),
			serverSays("250 20 octets\r\n250 ok\r\n250 ok\r\n"),
		}), []string{`file smtp "" 4`, `mail-message 1 helo=client from=<a@x> to=[b@y] status=250 subject="x" size=39 complete=true [1  "" 4]`, "mail-envelope 2 helo=client from=<c@x>"}},
		{"empty last chunk", talk(begin, []octets{clientSays("BDAT 39\r\n", message, "BDAT 0 LAST\r\n"), serverSays("250 ok\r\n250 ok\r\n")}),
			[]string{`file smtp "" 4`, `mail-message 1 helo=client from=<a@x> to=[b@y] status=250 subject="x" size=39 complete=true [1  "" 4]`}},
		{"sizes that are none", talk(begin, []octets{
			clientSays("BDAT\r\n"), serverSays("501 no\r\n"), clientSays("BDAT -1 LAST\r\n"), serverSays("501 no\r\n"),
			clientSays("BDAT 99999999999999999999\r\n"), serverSays("501 no\r\n"), clientSays("BDAT +5\r\n"), serverSays("501 no\r\n"), clientSays("BDAT 5 FIRST\r\n"), serverSays("501 no\r\n"),
		}), []string{`mail-envelope 1 helo=client from=<a@x> to=[b@y] odd="bad chunk size"`}},
		{"a gap over the end of a chunk", talk(begin, []octets{
			clientSays("BDAT 39 LAST\r\n", message[:36]), clientLoses(13), clientSays("\r\nMAIL FROM:<c@x>\r\n"), serverSays("250 ok\r\n250 ok\r\n"),
		}), []string{`file smtp "" 1`, `mail-message 1 helo=client from=<a@x> to=[b@y] status=250 subject="x" size=36 missing=3 [1  "" 1]`, "mail-envelope 2 helo=client from=<c@x>"}},
	})
}

func TestSMTPHalves(t *testing.T) {
	const hi = "\r\nhi\r\n.\r\n"
	runMailCases(t, testSMTP(), []mailCase{
		{"client only", []octets{
			clientSays("EHLO client\r\n"), clientSays("MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n"), clientSays("DATA\r\n"), clientSays(hi), clientSays("MAIL FROM:<c@x>\r\n"), clientSays(quit),
		}, []string{`file smtp "" 4`, `mail-message 1 helo=client from=<a@x> to=[b@y] size=6 complete=true [1  "" 4]`, "mail-envelope 2 helo=client from=<c@x>"}},
		{"client only, DATA refused", []octets{
			clientSays("EHLO client\r\n"), clientSays("MAIL FROM:<a@x>\r\n"), clientSays("DATA\r\n"), clientSays("RSET\r\n"), clientSays("MAIL FROM:<c@x>\r\n"),
		}, []string{"mail-envelope 1 helo=client from=<a@x>", "mail-envelope 2 helo=client from=<c@x>"}},
		{"server only", []octets{
			serverSays("220 mx ESMTP\r\n", helloLines, "250 ok\r\n250 ok\r\n"), serverSays("354 go\r\n"), serverSays("250 Ok: queued as 5C30\r\n"),
		}, []string{"mail-message 1 status=250 id=5C30"}},
		{"begins within a message", []octets{
			serverSays("250 2.0.0 Ok: queued as 5C2F\r\n"), clientSays("RSET\r\n"), serverSays("250 ok\r\n"), clientSays("MAIL FROM:<a@x>\r\n"), serverSays("250 ok\r\n"),
		}, []string{"mail-envelope 1 from=<a@x>"}},
		{"gap in a message", talk(smtpMessage("5C30")[:6], []octets{
			clientSays(message[:36]), clientLoses(3), clientSays("\r\nho\r\n.\r\n"), serverSays("250 ok\r\n"),
		}), []string{`file smtp "" 7`, `mail-message 1 from=<a@example.com> to=[b@example.jp] status=250 subject="x" size=42 missing=3 [1  "" 7]`}},
		{"gap over the final dot", talk(smtpMessage("5C30")[:6], []octets{
			clientSays(message[:36]), clientLoses(6), serverSays("250 ok\r\n"), clientSays("MAIL FROM:<c@x>\r\n"), serverSays("250 ok\r\n"),
		}), []string{`file smtp "" 1`, `mail-message 1 from=<a@example.com> to=[b@example.jp] status=250 subject="x" size=36 missing=6 [1  "" 1]`, "mail-envelope 2 from=<c@x>"}},
		{"gap over DATA", talk(smtpMessage("5C30")[:4], []octets{clientLoses(6), serverSays("354 go\r\n"), clientSays(hi), serverSays("250 ok\r\n")}),
			[]string{`file smtp "" 4`, `mail-message 1 from=<a@example.com> to=[b@example.jp] status=250 size=6 complete=true [1  "" 4]`}},
		{"gap in the answers", talk(smtpMessage("5C30")[:1], []octets{serverLoses(8), clientSays("RCPT TO:<b@y>\r\n"), serverSays("550 no\r\n")}),
			[]string{"mail-envelope 1 from=<a@example.com> refused=[b@y]"}},
		{"ends within a message", talk(smtpMessage("5C30")[:6], []octets{clientSays(message)}),
			[]string{`file smtp "" 4`, `mail-message 1 from=<a@example.com> to=[b@example.jp] subject="x" size=39 [1  "" 4]`}},
	})
}

func TestSMTPAuth(t *testing.T) {
	ask := func(steps ...octets) []octets { return talk(smtpGreeting(), steps) }
	const session = "mail-session 1 helo=client"
	runMailCases(t, testSMTP(), []mailCase{
		{"PLAIN at once", ask(clientSays("AUTH PLAIN YWRtAGFpa28AZ2VoZWlt\r\n"), serverSays("235 ok\r\n")),
			[]string{`auth smtp PLAIN password success "aiko" domain="" acting="adm"`, session + " user=aiko"}},
		{"PLAIN asked for, refused", ask(clientSays("AUTH PLAIN\r\n"), serverSays("334 \r\n"), clientSays("AGFpa28AZ2VoZWlt\r\n"), serverSays("535 no\r\n")),
			[]string{`auth smtp PLAIN password failure "aiko"`, session}},
		{"LOGIN", ask(clientSays("AUTH LOGIN\r\n"), serverSays("334 VXNlcm5hbWU6\r\n"), clientSays("YWlrbw==\r\n"), serverSays("334 UGFzc3dvcmQ6\r\n"), clientSays("Z2VoZWlt\r\n"), serverSays("235 ok\r\n")),
			[]string{`auth smtp LOGIN password success "aiko"`, session + " user=aiko"}},
		{"CRAM-MD5", ask(clientSays("AUTH CRAM-MD5\r\n"), serverSays("334 PDE+\r\n"), clientSays("YWlrbyAwMTIz\r\n"), serverSays("235 ok\r\n")),
			[]string{`auth smtp CRAM-MD5 challenge success "aiko"`, session + " user=aiko"}},
		{"XOAUTH2", ask(clientSays("AUTH XOAUTH2 dXNlcj1haWtvQHgBYXV0aD1CZWFyZXIgeAEB\r\n"), serverSays("235 ok\r\n")),
			[]string{`auth smtp XOAUTH2 token success "aiko@x"`, session + " user=aiko@x"}},
		{"SCRAM", ask(clientSays("AUTH SCRAM-SHA-256 bixhPWFkbSxuPWFpa28scj14\r\n"), serverSays("334 x\r\n"), clientSays("eA==\r\n"), serverSays("334 x\r\n"), clientSays("\r\n"), serverSays("235 ok\r\n")),
			[]string{`auth smtp SCRAM-SHA-256 challenge success "aiko" domain="" acting="adm"`, session + " user=aiko"}},
		{"client only", []octets{clientSays("EHLO client\r\n"), clientSays("AUTH LOGIN\r\n"), clientSays("YWlrbw==\r\n"), clientSays("Z2VoZWlt\r\n"), clientSays("MAIL FROM:<a@x>\r\n")},
			[]string{`auth smtp LOGIN password unknown "aiko"`, "mail-envelope 1 helo=client from=<a@x>"}},
	})
}

func TestSMTPSecretsStayOut(t *testing.T) {
	out := playMail(t, testSMTP(), talk(smtpGreeting(), []octets{
		clientSays("AUTH LOGIN\r\n"), serverSays("334 x\r\n"), clientSays("YWlrbw==\r\n"), serverSays("334 x\r\n"), clientSays("Z2VoZWlt\r\n"), serverSays("235 ok\r\n"),
	}))
	if s := fmt.Sprintf("%+v", toldAs(out)) + fmt.Sprintf("%+v", out[0]); strings.Contains(s, "geheim") || strings.Contains(s, "Z2VoZWlt") {
		t.Errorf("a password is told: %s", s)
	}
}

func TestLMTP(t *testing.T) {
	out := playMail(t, testSMTP(), []octets{
		serverSays("220 x LMTP\r\n"), clientSays("LHLO c\r\n"), serverSays("250 x\r\n"), clientSays("MAIL FROM:<a@x>\r\n"), serverSays("250 ok\r\n"),
		clientSays("RCPT TO:<b@y>\r\n"), serverSays("250 ok\r\n"), clientSays("RCPT TO:<c@y>\r\n"), serverSays("550 no\r\n"), clientSays("RCPT TO:<d@y>\r\n"), serverSays("250 ok\r\n"),
		clientSays("DATA\r\n"), serverSays("354 go\r\n"), clientSays("\r\nhi\r\n.\r\n"), serverSays("250 stored\r\n452 full\r\n"), clientSays("MAIL FROM:<e@x>\r\n"), serverSays("250 ok\r\n"),
	})
	m := out[1].(*records.Mail)
	want := []records.Recipient{{Address: "b@y", Code: 250}, {Address: "c@y", Code: 550}, {Address: "d@y", Code: 452}}
	if m.Protocol != "lmtp" || m.Status != 250 || !reflect.DeepEqual(m.Envelope.Recipients, want) {
		t.Errorf("got %s status %d, recipients %v", m.Protocol, m.Status, m.Envelope.Recipients)
	}
	if len(out) != 3 {
		t.Errorf("got %d records, want file and two mails", len(out))
	}
}

func TestSMTPEnvelope(t *testing.T) {
	out := playMail(t, testSMTP(), talk(smtpGreeting(), []octets{
		clientSays("VRFY root\r\n"), serverSays("252 x\r\n"),
		clientSays("MAIL FROM:<r\xc3\xa9@x> SIZE=60 SMTPUTF8 BODY=8bitmime AUTH=a+2Bb@x\r\n"), serverSays("250 ok\r\n"), clientSays("EXPN staff\r\n"), serverSays("252 x\r\n"),
	}))
	want := records.Envelope{Seen: true, From: "ré@x", Size: 60, Body: "8BITMIME", UTF8: true, Auth: "a+b@x", Verified: []string{"root", "staff"}}
	if m := out[0].(*records.Mail); !reflect.DeepEqual(m.Envelope, want) || m.Banner != "mx.example.jp ESMTP Postfix" || !m.OffersTLS || m.Hello != "EHLO" {
		t.Errorf("got %+v", m)
	}
}

func TestSMTPStartTLS(t *testing.T) {
	cc, sc := configs(t, tls.VersionTLS12)
	said := shake(t, cc, sc)
	hello := said[0]
	for _, c := range []struct {
		name, helo string
		steps      []octets
	}{
		{"a server without TLS", "", []octets{serverSays("421 mail.example ESMTP busy\r\n"), {side: packet.FromA, data: string(hello.b)}}},
		{"both sides", " helo=client", talk(smtpGreeting(), []octets{clientSays("STARTTLS\r\n"), serverSays("220 go\r\n"), {side: packet.FromA, data: string(hello.b)}})},
		{"client only", " helo=client", []octets{clientSays("EHLO client\r\n"), clientSays("STARTTLS\r\n"), {side: packet.FromA, data: string(hello.b)}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := toldAs(playMail(t, testSMTP(), c.steps))
			want := []string{"mail-session 1" + c.helo + " encryption=tls", "tls " + cc.ServerName}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	r := newMailRun(testSMTP())
	r.flow.EnterTunnel()
	r.play(talk(smtpGreeting(), []octets{clientSays("STARTTLS\r\n"), serverSays("220 go\r\n")}), uncut)
	if r.verdict != sensor.Done {
		t.Errorf("within a tunnel: verdict %v, want Done", r.verdict)
	}
}

func TestSMTPLimits(t *testing.T) {
	count := func(out []records.Record) (mails []*records.Mail) {
		for _, r := range out {
			if m, ok := r.(*records.Mail); ok {
				mails = append(mails, m)
			}
		}
		return mails
	}
	t.Run("recipients", func(t *testing.T) {
		m := count(playMail(t, testSMTP(), []octets{clientSays("MAIL FROM:<a@x>\r\n", strings.Repeat("RCPT TO:<b@y>\r\n", maxRecipients+5))}))
		if len(m) != 1 || len(m[0].Envelope.Recipients) != maxRecipients || m[0].Dropped != 5 || m[0].Odd != oddRecipients {
			t.Errorf("got %d recipients, %d dropped, odd %q", len(m[0].Envelope.Recipients), m[0].Dropped, m[0].Odd)
		}
	})
	t.Run("transactions without answer", func(t *testing.T) {
		r := newMailRun(testSMTP())
		r.play([]octets{serverSays("220 x SMTP\r\n"), clientSays(strings.Repeat("MAIL FROM:<a@x>\r\n", 3*maxMailPending))}, uncut)
		d := r.decoder.(*smtpDecoder)
		if len(d.pending) > maxMailPending {
			t.Errorf("%d commands pending", len(d.pending))
		}
		m := count(r.out)
		if len(m) != 3*maxMailPending || m[len(m)-1].Odd != oddPending {
			t.Errorf("got %d records, last odd %q", len(m), m[len(m)-1].Odd)
		}
	})
	t.Run("line", func(t *testing.T) {
		m := count(playMail(t, testSMTP(), []octets{clientSays("EHLO ", strings.Repeat("x", 2*maxMailCommand), "\r\nMAIL FROM:<a@x>\r\n")}))
		if len(m) != 1 || m[0].Odd != oddMailLine || len(m[0].Helo) != maxMailValue {
			t.Errorf("got %d records, odd %q, helo of %d", len(m), m[0].Odd, len(m[0].Helo))
		}
	})
	t.Run("verified", func(t *testing.T) {
		m := count(playMail(t, testSMTP(), []octets{clientSays("EHLO c\r\n", strings.Repeat("VRFY root\r\n", maxVerified+9))}))
		if len(m) != 1 || len(m[0].Envelope.Verified) != maxVerified {
			t.Errorf("got %d names", len(m[0].Envelope.Verified))
		}
	})
	t.Run("gives up", func(t *testing.T) {
		r := newMailRun(testSMTP())
		r.play([]octets{clientSays("EHLO c\r\n"), clientSays(strings.Repeat("what is this\r\n", maxMailLost/14+1))}, uncut)
		if r.verdict != sensor.Done {
			t.Errorf("verdict %v, want Done", r.verdict)
		}
	})
}

func TestSMTPMatch(t *testing.T) {
	for _, c := range []struct {
		first string
		port  uint16 // the server's
		want  sensor.Match
	}{
		{"EHLO x\r\n", 9999, sensor.FromClient}, {"helo x", 9999, sensor.FromClient}, {"MAIL FROM:<a>", 9999, sensor.FromClient}, {"rcpt to:", 9999, sensor.FromClient},
		{"EHL", 9999, sensor.Maybe}, {"MAIL", 9999, sensor.Maybe}, {"QUIT\r\n", 9999, sensor.No}, {"QUIT\r\n", 25, sensor.FromClient},
		{"220 mx ESMTP x\r\n", 9999, sensor.FromServer}, {"220 mx\r\n", 25, sensor.FromServer}, {"220 mx\r\n", 9999, sensor.Maybe}, {"220 (vsFTPd 3)\r\n", 21, sensor.Maybe},
		{"250 2.1.0 Ok\r\n", 9999, sensor.FromServer}, {"250 3.1.0 Ok\r\n", 9999, sensor.No}, {"226 done\r\n", 21, sensor.No},
		{"2", 25, sensor.Maybe}, {"22", 25, sensor.Maybe}, {"25x", 25, sensor.No}, {"999 x\r\n", 25, sensor.No},
		{"GET / HTTP/1.1\r\n", 25, sensor.No}, {"\x16\x03\x01", 25, sensor.No}, {"220 a\x00\x01\r\n", 25, sensor.No},
	} {
		f := sensor.NewTestFlow(packet.ProtoTCP)
		f.Key.BPort = c.port
		side := packet.FromA
		if isDigit(c.first[0]) {
			side = packet.FromB
		}
		if got := matchSMTP(f, side, []byte(c.first)); got != c.want {
			t.Errorf("%q, port %d: got %v, want %v", c.first, c.port, got, c.want)
		}
	}
}

func FuzzSMTP(f *testing.F) {
	for i, c := range captured(f, packet.ProtoTCP, 25) {
		f.Add(c.said(packet.FromA), c.said(packet.FromB), uint64(i), uint16(0))
	}
	for _, c := range [][]octets{talk(smtpGreeting(), smtpMessage("5C30")), smtpGreeting()} {
		var client, server []byte
		for _, s := range c {
			if s.side == packet.FromA {
				client = append(client, s.data...)
			} else {
				server = append(server, s.data...)
			}
		}
		f.Add(client, server, uint64(7), uint16(0))
	}
	f.Add([]byte("EHLO x\r\nMAIL FROM:<a>\r\nBDAT 10\r\n0123456789BDAT 0 LAST\r\nAUTH PLAIN\r\nAA==\r\nSTARTTLS\r\n\x16\x03\x01"), []byte("220 x\r\n250-a\r\n250 b\r\n250 c\r\n250 d\r\n334 \r\n"), uint64(3), uint16(20))
	f.Add([]byte("EHLO x\r\nMAIL FR:<a>\r\nOM:<a>\r\nBDAT 10\r\n0123456789BDAT 0 LAST\r\nAUTH PLAIN\t\nAA==\r\nSTARTTLS\r\n\x16\x03\x01"), []byte("250-a\r\n250 b\r\n250 c\r\n250 d\r\x03334 \r\n"), uint64(0), uint16(117))
	shared := mailFiles()
	f.Fuzz(func(t *testing.T, client, server []byte, seed uint64, gap uint16) {
		fuzzMail(t, smtpProtocol(shared), client, server, seed, gap)
	})
}

// fuzzMail deals two streams out in pieces that seed chooses, with a gap.
func fuzzMail(t *testing.T, p sensor.Protocol, client, server []byte, seed uint64, gap uint16) {
	var steps []octets
	for len(client)+len(server) > 0 {
		seed = seed*6364136223846793005 + 1442695040888963407
		from, side := &client, packet.FromA
		if len(client) == 0 || seed>>63 == 1 && len(server) > 0 {
			from, side = &server, packet.FromB
		}
		n := min(len(*from), 1+int(seed>>40&63))
		if gap > 0 && seed>>50&15 == 0 {
			steps = append(steps, octets{side: side, gap: int(gap)})
		}
		steps = append(steps, octets{side: side, data: string((*from)[:n])})
		*from = (*from)[n:]
	}
	r := newMailRun(p)
	r.play(steps, uncut)
	again := newMailRun(p)
	again.play(steps, func(int) int { return 1 })
	if !reflect.DeepEqual(r.out, again.out) {
		t.Errorf("depends on segments:\n%s\n%s", strings.Join(toldAs(r.out), "\n"), strings.Join(toldAs(again.out), "\n"))
	}
	for _, rec := range r.out {
		rec.AppendFields(nil)
	}
}

func BenchmarkSMTPMessage(b *testing.B) {
	steps := talk(smtpGreeting(), smtpMessage("5C30"))
	p := testSMTP()
	r := newMailRun(p)
	b.ReportAllocs()
	for b.Loop() {
		r.decoder, r.verdict, r.out = p.New(), sensor.More, r.out[:0]
		r.play(steps, uncut)
	}
}

func BenchmarkSMTPAttachment(b *testing.B) {
	line := strings.Repeat("QUJD", 19) + "\r\n"
	body := "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\n" + strings.Repeat(line, 13000) + "--b--\r\n.\r\n"
	steps := talk(smtpGreeting(), smtpMessage("5C30")[:6], []octets{clientSays(body)})
	p := testSMTP()
	r := newMailRun(p)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		r.decoder, r.verdict, r.out = p.New(), sensor.More, r.out[:0]
		r.play(steps, func(rest int) int { return min(rest, 1460) })
	}
}
