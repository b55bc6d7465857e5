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

func testIMAP() sensor.Protocol { return imapProtocol(mailFiles()) }

func imapLoggedIn() []octets {
	return []octets{serverSays("* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n"), clientSays("a1 LOGIN aiko \"geheim\"\r\n"), serverSays("a1 OK done\r\n")}
}

func TestIMAP(t *testing.T) {
	const login = `auth imap LOGIN password success "aiko"`
	const file = `file imap "" 4`
	const one = `mail-message 1 user=aiko subject="x" size=39 complete=true [1  "" 4]`
	runMailCases(t, testIMAP(), []mailCase{
		{"fetch", talk(imapLoggedIn(), []octets{
			clientSays("a2 FETCH 1 (FLAGS BODY[])\r\n"), serverSays("* 1 FETCH (FLAGS (\\Seen) BODY[] {39}\r\n", message, ")\r\na2 OK\r\n"),
			clientSays("a3 UID FETCH 7 RFC822\r\n"), serverSays("* 2 FETCH (UID 7 RFC822 {6}\r\n\r\nho\r\n)\r\na3 OK\r\n"),
		}), []string{login, file, one, file, `mail-message 2 user=aiko size=6 complete=true [1  "" 4]`}},
		{"header and text", talk(imapLoggedIn(), []octets{
			clientSays("a2 FETCH 1 (BODY[HEADER] BODY[TEXT])\r\n"), serverSays("* 1 FETCH (BODY[HEADER] {35}\r\n", message[:35], " BODY[TEXT] {4}\r\n", message[35:], ")\r\na2 OK\r\n"),
			clientSays("a3 FETCH 2 (BODY[HEADER])\r\n"), serverSays("* 2 FETCH (BODY[HEADER] {35}\r\n", message[:35], ")\r\na3 OK\r\n"),
		}), []string{login, file, one, `mail-message 2 user=aiko subject="x" size=35 [1  "" 0]`}},
		{"in pieces", talk(imapLoggedIn(), []octets{
			clientSays("a2 FETCH 1 (BODY[]<0.20>)\r\n"), serverSays("* 1 FETCH (BODY[]<0> {20}\r\n", message[:20], ")\r\na2 OK\r\n"),
			clientSays("a3 FETCH 1 (BODY[]<20.20>)\r\n"), serverSays("* 1 FETCH (BODY[]<20> {19}\r\n", message[20:], ")\r\na3 OK\r\n"),
		}), []string{login, file, `mail-message 1 user=aiko subject="x" size=39 [1  "" 4]`}},
		{"other literals", talk(imapLoggedIn(), []octets{
			clientSays("a2 FETCH 1 (BODY[HEADER.FIELDS (SUBJECT)] BODY[1])\r\n"),
			serverSays("* 1 FETCH (BODY[HEADER.FIELDS (SUBJECT)] {14}\r\nSubject: y\r\n\r\n BODY[1] {4}\r\nhi\r\n)\r\na2 OK\r\n"),
		}), []string{login}},
		{"append", talk(imapLoggedIn(), []octets{
			clientSays("a2 APPEND Sent (\\Seen) {39}\r\n"), serverSays("+ go\r\n"), clientSays(message, "\r\n"), serverSays("a2 OK stored\r\n"),
			clientSays("a3 APPEND {4+}\r\nSent {6+}\r\n\r\nho\r\n\r\n"), serverSays("a3 NO full\r\n"),
		}), []string{login, file, one, file, `mail-message 2 user=aiko size=6 complete=true [1  "" 4]`}},
		{"login with literals", []octets{serverSays("* OK x\r\n"), clientSays("a1 LOGIN {4}\r\n"), serverSays("+ \r\n"), clientSays("aiko {6}\r\n"), serverSays("+ \r\n"), clientSays("geheim\r\n"), serverSays("a1 NO\r\n")},
			[]string{`auth imap LOGIN password failure "aiko"`}},
		{"authenticate", []octets{serverSays("* OK x\r\n"), clientSays("1 AUTHENTICATE PLAIN\r\n"), serverSays("+\r\n"), clientSays("AGFpa28AZ2VoZWlt\r\n"), serverSays("1 OK\r\n"), clientSays("2 IDLE\r\n"), serverSays("+ idling\r\n* 4 EXISTS\r\n"), clientSays("DONE\r\n"), serverSays("2 OK\r\n")},
			[]string{`auth imap PLAIN password success "aiko"`}},
		{"authenticate at once", []octets{serverSays("* OK x\r\n"), clientSays("1 AUTHENTICATE PLAIN AGFpa28AZ2VoZWlt\r\n"), serverSays("1 BAD\r\n")}, []string{`auth imap PLAIN password failure "aiko"`}},
		{"compress", talk(imapLoggedIn(), []octets{clientSays("a2 COMPRESS DEFLATE\r\n"), serverSays("a2 OK\r\n"), serverSays("\x01\x02\x03")}), []string{login, "mail-session 1 user=aiko encryption=deflate"}},
		{"client only", []octets{clientSays("a1 LOGIN aiko x\r\n"), clientSays("a2 APPEND Sent {39+}\r\n", message, "\r\n"), clientSays("a3 LOGOUT\r\n")},
			[]string{file, `mail-message 1 subject="x" size=39 complete=true [1  "" 4]`, `auth imap LOGIN password unknown "aiko"`}},
		{"server only", []octets{serverSays("* OK x\r\na1 OK\r\n* 1 FETCH (BODY[] {39}\r\n", message, ")\r\n")}, []string{file, `mail-message 1 subject="x" size=39 complete=true [1  "" 4]`}},
		{"gap in a literal", talk(imapLoggedIn(), []octets{serverSays("* 1 FETCH (BODY[] {39}\r\n", message[:36]), serverLoses(3), serverSays(")\r\na2 OK\r\n")}),
			[]string{login, `file imap "" 1`, `mail-message 1 user=aiko subject="x" size=36 missing=3 [1  "" 1]`}},
		{"gap beyond a literal", talk(imapLoggedIn(), []octets{serverSays("* 1 FETCH (BODY[] {39}\r\n", message[:36]), serverLoses(8), serverSays("* 2 FETCH (BODY[] {6}\r\n\r\nho\r\n)\r\n")}),
			[]string{login, `file imap "" 1`, `mail-message 1 user=aiko subject="x" size=36 missing=3 [1  "" 1]`, file, `mail-message 2 user=aiko size=6 complete=true [1  "" 4]`}},
		{"nothing", []octets{serverSays("* OK ready\r\n"), clientSays("a LOGOUT\r\n"), serverSays("* BYE\r\na OK\r\n")}, []string{"mail-session 1"}},
	})
}

func TestIMAPStartTLS(t *testing.T) {
	cc, sc := configs(t, tls.VersionTLS12)
	hello := octets{side: packet.FromA, data: string(shake(t, cc, sc)[0].b)}
	for _, answer := range [][]octets{{serverSays("a1 OK go\r\n")}, {serverLoses(10)}} {
		got := toldAs(playMail(t, testIMAP(), talk([]octets{serverSays("* OK x\r\n"), clientSays("a1 STARTTLS\r\n")}, answer, []octets{hello})))
		if want := []string{"mail-session 1 encryption=tls", "tls " + cc.ServerName}; !reflect.DeepEqual(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestIMAPLimits(t *testing.T) {
	r := newMailRun(testIMAP())
	r.play([]octets{serverSays("* OK x\r\n"), clientSays(strings.Repeat("a NOOP\r\n", 10*maxIMAPPending))}, uncut)
	if d := r.decoder.(*imapDecoder); len(d.pending) > maxIMAPPending {
		t.Errorf("%d commands pending", len(d.pending))
	}
	if m := r.out[0].(*records.Mail); m.Odd != oddPending {
		t.Errorf("odd %q", m.Odd)
	}
	r = newMailRun(testIMAP())
	r.play([]octets{serverSays("* OK x\r\n"), clientSays(strings.Repeat("what is this\r\n", maxMailLost/14+1))}, uncut)
	if r.verdict != sensor.Done {
		t.Errorf("verdict %v, want Done", r.verdict)
	}
	long := strings.Repeat("u", 3*maxIMAPString)
	got := toldAs(playMail(t, testIMAP(), []octets{serverSays("* OK x\r\n"), clientSays("a LOGIN {1536+}\r\n", long, " p\r\n"), serverSays("a NO\r\n")}))
	if want := []string{`auth imap LOGIN password failure "` + long[:maxLoginName] + `"`}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestIMAPMatch(t *testing.T) {
	for _, c := range []struct {
		first string
		port  uint16
		want  sensor.Match
	}{
		{"* OK ready\r\n", 9999, sensor.FromServer}, {"* PREAUTH x\r\n", 9999, sensor.FromServer}, {"* 3 EXISTS\r\n", 143, sensor.FromServer}, {"* 3 EXISTS\r\n", 9999, sensor.No}, {"*", 9999, sensor.Maybe},
		{"*1\r\n$4\r\nPING\r\n", 6379, sensor.No}, {"a1 LOGIN x y\r\n", 9999, sensor.FromClient}, {"a LOGIN x y\r\n", 143, sensor.FromClient}, {"a1 OK done\r\n", 143, sensor.FromServer},
		{"!1 ENABLE x y\r\n", 2501, sensor.No}, {"a1 LOG", 9999, sensor.Maybe}, {"a1 XYZ", 9999, sensor.No}, {"GET / HTTP/1.1\r\n", 143, sensor.No}, {"\x16\x03\x01\x00", 143, sensor.No},
	} {
		f := sensor.NewTestFlow(packet.ProtoTCP)
		f.Key.BPort = c.port
		side := packet.FromA
		if c.first[0] == '*' || strings.Contains(c.first, " OK") {
			side = packet.FromB
		}
		if got := matchIMAP(f, side, []byte(c.first)); got != c.want {
			t.Errorf("%q, port %d: got %v, want %v", c.first, c.port, got, c.want)
		}
	}
}

func FuzzIMAP(f *testing.F) {
	for i, c := range captured(f, packet.ProtoTCP, 143) {
		f.Add(c.said(packet.FromA), c.said(packet.FromB), uint64(i), uint16(0))
	}
	f.Add([]byte("a1 LOGIN {4+}\r\naiko \"x\\\"\"\r\na2 APPEND x {39+}\r\n"+message+"\r\na3 AUTHENTICATE PLAIN\r\nAA==\r\na4 STARTTLS\r\n\x16\x03"),
		[]byte("* OK x\r\na1 OK\r\na2 OK\r\n+\r\na3 NO\r\n* 1 FETCH (BODY[]<0> {5}\r\nabcde BODY[HEADER] {3}\r\nabc BODY[TEXT] {1}\r\nx)\r\n* 2 FETCH (RFC822 {39}\r\n"+message+")\r\n"), uint64(9), uint16(0))
	shared := mailFiles()
	f.Fuzz(func(t *testing.T, client, server []byte, seed uint64, gap uint16) {
		fuzzMail(t, imapProtocol(shared), client, server, seed, gap)
	})
}

func BenchmarkIMAPFetch(b *testing.B) {
	steps := talk(imapLoggedIn(), []octets{clientSays("a2 FETCH 1 (BODY[])\r\n"), serverSays("* 1 FETCH (BODY[] {39}\r\n", message, ")\r\na2 OK\r\n")})
	p := testIMAP()
	r := newMailRun(p)
	b.ReportAllocs()
	for b.Loop() {
		r.decoder, r.verdict, r.out = p.New(), sensor.More, r.out[:0]
		r.play(steps, uncut)
	}
}
