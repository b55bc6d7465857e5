package decoders

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// readMail reads a message in pieces of n octets.
func readMail(s string, n int) *records.Mail {
	f := sensor.NewTestFlow(packet.ProtoTCP)
	mail := &records.Mail{}
	m := newMIMEReader(mailFiles(), fileOf{Source: "smtp"}, packet.FromA)
	m.message(mail)
	for data := []byte(s); len(data) > 0; {
		k := min(n, len(data))
		m.write(f, append([]byte(nil), data[:k]...), func(records.Record) {})
		data = data[k:]
	}
	m.close(f, true, func(records.Record) {})
	return mail
}

// mailOf reads a message whose lines end in "\n" here, in several ways.
func mailOf(t testing.TB, s string) *records.Mail {
	t.Helper()
	s = strings.ReplaceAll(s, "\n", "\r\n")
	whole := readMail(s, len(s))
	for _, n := range []int{1, 2, 3, 7, 64} {
		if got := readMail(s, n); !reflect.DeepEqual(got, whole) {
			t.Errorf("in pieces of %d: got\n%+v\nwant\n%+v", n, got, whole)
		}
	}
	return whole
}

func partsOf(r *records.Mail) (out []string) {
	for i := range r.Parts {
		p := &r.Parts[i]
		s := fmt.Sprintf("%s %s %d", p.Path, p.Type, p.Size)
		if p.Name != "" {
			s += fmt.Sprintf(" %q", p.Name)
		}
		if !p.Complete {
			s += " cut"
		}
		out = append(out, s)
	}
	return out
}

func TestMIMETree(t *testing.T) {
	const alternative = "Content-Type: multipart/alternative; boundary=\"i\"\n\n--i\nContent-Type: text/plain\n\nhello\n--i\nContent-Type: text/html\n\n<b>hello</b>\n--i--\n"
	for _, c := range []struct {
		name, text string
		want       []string
		odd        string
	}{
		{"plain", "Subject: x\n\nhello\n", []string{"1  7"}, ""},
		{"no body", "Subject: x\n", []string{"1  0"}, ""},
		{"multipart", alternative, []string{"1 text/plain 5", "2 text/html 12"}, ""},
		{"in multipart", "Content-Type: multipart/mixed; boundary=o\n\npreamble\n--o\n" + alternative + "--o\nContent-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n\nJVBERg==\n--o--\nepilogue\n",
			[]string{"1.1 text/plain 5", "1.2 text/html 12", `2 application/pdf 4 "a.pdf"`}, ""},
		{"attached message", "Content-Type: multipart/mixed; boundary=o\n\n--o\n\ntext\n--o\nContent-Type: message/rfc822\n\nSubject: inner\n" + alternative + "--o--\n",
			[]string{"1  4", "2.1 text/plain 5", "2.2 text/html 12"}, ""},
		{"attached simple message", "Content-Type: message/rfc822\n\nSubject: inner\n\nhello\n", []string{"1  7"}, ""},
		{"digest", "Content-Type: multipart/digest; boundary=d\n\n--d\n\nSubject: one\n\n1\n--d\n\nSubject: two\n\n22\n--d--\n", []string{"1.1  1", "2.1  2"}, ""},
		{"blanks behind a boundary", "Content-Type: multipart/mixed; boundary=\"o\"\n\n--o  \t\n\na\n--o--\n", []string{"1  1"}, ""},
		{"a longer line is no boundary", "Content-Type: multipart/mixed; boundary=o\n\n--o\n\na\n--ox\n-\n--\n--o--\n", []string{"1  14"}, ""},
		{"inner not ended", "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\na\n--o\n\nb\n--o--\n", []string{"1.1  1", "2  1"}, oddMIMEEnd},
		{"not ended", "Content-Type: multipart/mixed; boundary=o\n\n--o\n\nabc\n", []string{"1  5"}, oddMIMEEnd},
		{"last line without end", "Content-Type: multipart/mixed; boundary=o\n\n--o\n\nabc\n--o--", []string{"1  3"}, ""},
		{"boundary in a header section", "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: text/plain\n--o\n\nb\n--o--\n", []string{"1 text/plain 0", "2  1"}, ""},
		{"body begins without an empty line", "Subject: x\nthis is no field\nmore\n", []string{"1  24"}, ""},
		{"no boundary", "Content-Type: multipart/mixed\n\nabc\n", []string{"1 multipart/mixed 5"}, oddMIMEBoundary},
		{"encoded message", "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeA==\n", []string{"1 message/rfc822 10"}, oddMIMEEncoded},
		{"encoded multipart", "Content-Type: multipart/mixed; boundary=o\nContent-Transfer-Encoding: base64\n\n--o\n\nabc\n--o--\n", []string{"1  3"}, oddMIMEEncoded},
		{"uuencode in text", "\nhello\nbegin 644 evil.exe\n#86)C\n`\nend\n", []string{`1  0 "evil.exe" cut`, "1  42"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := mailOf(t, c.text)
			if got := partsOf(r); !reflect.DeepEqual(got, c.want) || r.Odd != c.odd {
				t.Errorf("got %q odd %q, want %q odd %q", got, r.Odd, c.want, c.odd)
			}
		})
	}
}

func TestMIMETransferEncodings(t *testing.T) {
	for _, c := range []struct{ name, encoding, text, want string }{
		{"7bit", "7bit", "a=3D\n", "a=3D\r\n"},
		{"base64", "base64", "aGVs\nbG8=\n", "hello"},
		{"base64 with foreign octets", "BASE64", "aG!Vs\n bG 8\n", "hello"},
		{"base64, one piece after another", "base64", "aA==\naQ==\n", "hi"},
		{"quoted-printable", "quoted-printable", "caf=C3=A9 =\nau lait  \n=\t\nx=\n", "café au lait\r\nx"},
		{"quoted-printable, wrong", "Quoted-Printable", "a=Zb=4\n", "a=Zb=4\r\n"},
		{"uuencode", "x-uuencode", "junk\nbegin 644 x\n%:&5L;&\\ \n`\nend\njunk\n", "hello"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := mailOf(t, "Content-Transfer-Encoding: "+c.encoding+"\n\n"+c.text)
			var got []byte
			var d transferDecoder
			d.begin(strings.ToLower(c.encoding))
			for in := []byte(strings.ReplaceAll(c.text, "\n", "\r\n")); len(in) > 0; {
				n, out := d.decode(in)
				got, in = append(got, out...), in[n:]
			}
			got = append(got, d.end()...)
			if string(got) != c.want || r.Parts[0].Size != int64(len(c.want)) {
				t.Errorf("got %q, %d octets told, want %q", got, r.Parts[0].Size, c.want)
			}
		})
	}
}

func encode(t testing.TB, e encoding.Encoding, s string) string {
	t.Helper()
	out, err := e.NewEncoder().String(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestMIMENames(t *testing.T) {
	const name = "請求書 表.exe" // 表's second octet in Shift_JIS is a backslash
	sjis, euc, jis := encode(t, japanese.ShiftJIS, name), encode(t, japanese.EUCJP, name), encode(t, japanese.ISO2022JP, name)
	word := func(charset, s string) string {
		return "=?" + charset + "?B?" + base64.StdEncoding.EncodeToString([]byte(s)) + "?="
	}
	percent := func(s string) (out string) {
		for i := range len(s) {
			out += fmt.Sprintf("%%%02x", s[i])
		}
		return out
	}
	for _, c := range []struct{ title, field, want string }{
		{"plain", `attachment; filename="a b.exe"`, "a b.exe"},
		{"token with blanks", `attachment; filename=a b.exe ; size=3`, "a b.exe"},
		{"escaped quote", `attachment; filename="a\"b.exe"`, `a"b.exe`},
		{"never closed", `attachment; filename="a.exe`, "a.exe"},
		{"encoded word, quoted", `attachment; filename="` + word("ISO-2022-JP", jis) + `"`, name},
		{"encoded words, folded", "attachment;\n filename=\"" + word("UTF-8", name[:10]) + "\n " + word("utf-8", name[10:]) + `"`, name},
		{"Shift_JIS word", `attachment; filename="` + word("Shift_JIS", sjis) + `"`, name},
		{"windows-31j word", `attachment; filename="` + word("cp932", sjis) + `"`, name},
		{"RFC 2231", "attachment; filename*=iso-2022-jp'ja'" + percent(jis), name},
		{"RFC 2231 in pieces", "attachment;\n filename*1*=" + percent(name[9:]) + ";\n filename*0*=UTF-8''" + percent(name[:9]), name},
		{"RFC 2231 wins", "attachment; filename=x.txt; filename*=utf-8''" + percent(name), name},
		{"RFC 2231 plain pieces", `attachment; filename*0="evil"; filename*1=".exe"`, "evil.exe"},
		{"RFC 2231 no charset", "attachment; filename*=''" + percent(euc), name},
		{"raw Shift_JIS", `attachment; filename="` + sjis + `"`, name},
		{"raw EUC-JP", `attachment; filename="` + euc + `"`, name},
		{"raw ISO-2022-JP", `attachment; filename="` + jis + `"`, name},
		{"raw UTF-8", `attachment; filename="` + name + `"`, name},
		{"raw Latin", "attachment; filename=\"r\xe9sum\xe9.doc\"", "résumé.doc"},
		{"path", `attachment; filename="..\\..\\evil.exe"`, `..\..\evil.exe`},
		{"unknown charset", `attachment; filename="=?x-nothing?Q?a=E3=81=82?="`, "aあ"},
		{"first of several", `attachment; filename=a.txt; filename=b.exe`, "a.txt"},
	} {
		t.Run(c.title, func(t *testing.T) {
			r := mailOf(t, "Content-Disposition: "+c.field+"\n\nx\n")
			if got := r.Parts[0].Name; got != c.want || r.Parts[0].Disposition != "attachment" {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	if got := mailOf(t, "Content-Type: application/zip; name=\""+word("iso-2022-jp", jis)+"\"\n\nx\n").Parts[0].Name; got != name {
		t.Errorf("name of Content-Type: got %q", got)
	}
}

func TestMailHeader(t *testing.T) {
	r := mailOf(t, "Return-Path: <bounce@x>\nReceived: from a (b [192.0.2.7]) by c; now\nReceived: from d by e\n"+
		"From: =?ISO-2022-JP?B?GyRCJCIbKEI=?= <a@example.com>\nReply-To: evil@example.net\nSender: s@x\n"+
		"To: \"Mori, Aiko\" <mori@example.jp>, =?utf-8?Q?a,b?= <c@x>,\n\td@x (Dave)\nTo: staff: e@x, f@x;\nCc: undisclosed-recipients:;\n"+
		"Subject: =?UTF-8?B?44GC44E=?= =?UTF-8?B?hOOBhg==?= x =?utf-8?q?=E3=81=88?=\nDate: Mon, 5 Oct 2009 11:36:07 +0530 (IST)\n"+
		"Message-ID: <1@x>\nIn-Reply-To: <0@x>\nReferences: <a@x>\n <b@x>\nX-Mailer: M 1\nUser-Agent: U\nX-Originating-IP: [192.0.2.9]\nList-Unsubscribe: <mailto:u@x>\nSubject: other\n\nbody\n")
	h := r.Header
	lines := h.Lines
	h.Lines = nil
	want := records.MailHeader{
		From: []records.MailAddress{{Text: "あ <a@example.com>", Addr: "a@example.com"}}, ReplyTo: []records.MailAddress{{Text: "evil@example.net", Addr: "evil@example.net"}},
		Sender: []records.MailAddress{{Text: "s@x", Addr: "s@x"}},
		To: []records.MailAddress{{Text: `"Mori, Aiko" <mori@example.jp>`, Addr: "mori@example.jp"}, {Text: "a,b <c@x>", Addr: "c@x"}, {Text: "d@x (Dave)", Addr: "d@x"},
			{Text: "e@x", Addr: "e@x"}, {Text: "f@x", Addr: "f@x"}},
		Subject: "あいう x え", Date: "Mon, 5 Oct 2009 11:36:07 +0530 (IST)", Sent: 1254722767e9, MessageID: "<1@x>", InReplyTo: "<0@x>", References: []string{"<a@x>", "<b@x>"},
		Received: []string{"from a (b [192.0.2.7]) by c; now", "from d by e"}, XMailer: "M 1", UserAgent: "U", XOriginatingIP: "[192.0.2.9]", ReturnPath: "<bounce@x>", ListUnsubscribe: "<mailto:u@x>",
	}
	if !reflect.DeepEqual(h, want) {
		t.Errorf("got  %+v\nwant %+v", h, want)
	}
	if len(lines) != 5 || lines[2] != "To: staff: e@x, f@x;" || lines[1] != "To: \"Mori, Aiko\" <mori@example.jp>, =?utf-8?Q?a,b?= <c@x>,\n\td@x (Dave)" {
		t.Errorf("lines %q", lines)
	}
	if r.Odd != oddMailRepeated {
		t.Errorf("odd %q", r.Odd)
	}
}

func TestMailHeaderRawCharsets(t *testing.T) {
	for _, s := range []string{"重要なお知らせ", "こんにちは、Kagami", "ﾃｽﾄ送信", "能力表ソ"} {
		for _, e := range []encoding.Encoding{japanese.ShiftJIS, japanese.EUCJP, japanese.ISO2022JP, encoding.Nop} {
			if e == japanese.ISO2022JP && s == "ﾃｽﾄ送信" {
				continue // ISO-2022-JP has no half-width katakana
			}
			charset := fmt.Sprint(e)
			if got := mailOf(t, "Subject: "+encode(t, e, s)+"\n\n").Header.Subject; got != s {
				t.Errorf("%s: got %q, want %q", charset, got, s)
			}
		}
	}
	// The declared charset settles what could be either.
	const both = "\xb1\xb2\xb3\xb4" // half-width katakana in Shift_JIS, two kanji in EUC-JP
	if got := mailOf(t, "Subject: "+both+"\nContent-Type: text/plain; charset=Shift_JIS\n\n").Header.Subject; got != "ｱｲｳｴ" {
		t.Errorf("declared Shift_JIS: got %q", got)
	}
	if got := mailOf(t, "Subject: "+both+"\nContent-Type: text/plain; charset=euc-jp\n\n").Header.Subject; got != "渦害" && got != "臆岡" && strings.Contains(got, "ｱ") {
		t.Errorf("declared EUC-JP: got %q", got)
	}
}

func TestMailURLs(t *testing.T) {
	r := mailOf(t, "Content-Type: multipart/mixed; boundary=o\n\n--o\n\nsee http://a.example/x?y=1, https://b.example. and http://a.example/x?y=1 http://\n"+
		"\xe3\x81\x82http://c.example/\xe3\x81\x82 nohttp://d.example/\n--o\nContent-Type: text/html\n\n<a href=\"HTTPS://e.example/?a=1&amp;b=2\">\n--o\nContent-Type: application/pdf\n\nhttp://not.example/\n--o--\n")
	want := []string{"http://a.example/x?y=1", "https://b.example", "http://c.example/", "http://d.example/", "HTTPS://e.example/?a=1&b=2"}
	if !reflect.DeepEqual(r.URLs, want) {
		t.Errorf("got %q, want %q", r.URLs, want)
	}
	long := strings.Repeat("x", 3*maxTextLine)
	r = mailOf(t, "\n"+long+" http://a.example/"+long[:2000]+" http://b.example/ "+long+" http://c.example/\n")
	if len(r.URLs) != 3 || len(r.URLs[0]) != maxURL || r.URLs[1] != "http://b.example/" || r.URLs[2] != "http://c.example/" {
		t.Errorf("long line: got %d URLs %.60q", len(r.URLs), r.URLs)
	}
}

func TestMIMEForm(t *testing.T) {
	f := sensor.NewTestFlow(packet.ProtoTCP)
	m := newMIMEReader(mailFiles(), fileOf{Source: "http"}, packet.FromA)
	if !m.form([]byte(`multipart/form-data; boundary="xx"`)) {
		t.Fatal("no form")
	}
	var out []records.Record
	emit := func(r records.Record) { out = append(out, r) }
	m.write(f, []byte("--xx\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\ngeheim\r\n--xx\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.exe\"\r\nContent-Type: application/zip\r\n\r\nMZ\r\n--xx--\r\n"), emit)
	m.close(f, true, emit)
	if got := toldAs(out); !reflect.DeepEqual(got, []string{`file http "a.exe" 2`}) {
		t.Errorf("files %q", got)
	}
	if len(m.parts) != 2 || m.parts[0].Field != "password" || m.parts[0].Size != 6 || m.parts[0].SHA256 != "" || m.parts[1].Name != "a.exe" || m.parts[1].SHA256 == "" {
		t.Errorf("parts %+v", m.parts)
	}
	if newMIMEReader(nil, fileOf{}, packet.FromA).form([]byte("text/plain")) {
		t.Error("text/plain is no form")
	}
}

func TestMIMELimits(t *testing.T) {
	nested := func(depth int) string {
		var b strings.Builder
		for i := range depth {
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
		}
		return b.String() + "\r\nx"
	}
	for _, c := range []struct {
		name, text, odd string
		parts, dropped  int
	}{
		{"depth", nested(maxMIMEDepth + 1000), oddMIMEDepth, 1, 0},
		{"messages in messages", strings.Repeat("Content-Type: message/rfc822\r\n\r\n", 1000), oddMIMEDepth, 1, 0},
		{"parts", "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", maxMIMEParts+7) + "--b--\r\n", oddMIMEParts, maxMIMEParts, 7},
		{"header section", strings.Repeat("X-A: "+strings.Repeat("y", 1000)+"\r\n", 200) + "Subject: late\r\n\r\nx", oddMIMEHead, 1, 0},
		{"field", "Subject: " + strings.Repeat("y", 2*maxMIMELine) + "\r\n\r\nx", oddMIMELine, 1, 0},
		{"folded field", "Subject: a\r\n" + strings.Repeat(" "+strings.Repeat("y", 500)+"\r\n", 60) + "\r\nx", oddMIMELine, 1, 0},
		{"fields of a name", strings.Repeat("Received: x\r\n", maxMailFields+3) + "\r\nx", oddMailHeaders, 1, 3 + maxMailFields - maxReceived},
		{"lines", strings.Repeat("Content-Type: text/plain\r\n", 300) + "\r\nx", oddMailRepeated, 1, 300 - maxMailLines + 300 - maxMailFields},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := readMail(c.text, 100)
			if r.Odd != c.odd || len(r.Parts) != c.parts || r.Dropped != c.dropped {
				t.Errorf("got odd %q, %d parts, %d dropped; want %q, %d, %d", r.Odd, len(r.Parts), r.Dropped, c.odd, c.parts, c.dropped)
			}
			if len(r.Header.Subject) > maxMailValue || len(r.Header.Received) > maxReceived || len(r.Header.Lines) > maxMailLines {
				t.Error("a value is not bounded")
			}
		})
	}
	// From comes through a flood of others.
	if r := readMail(strings.Repeat("To: a@x\r\n", 2000)+"From: b@x\r\n\r\n", 1000); len(r.Header.From) != 1 || len(r.Header.To) != maxMailFields {
		t.Errorf("flood: from %v, %d to", r.Header.From, len(r.Header.To))
	}
	if r := readMail("To: "+strings.Repeat("a@x,", 3000)+"\r\n\r\n", 1000); len(r.Header.To) != maxAddresses || r.Dropped != 3000-maxAddresses {
		t.Errorf("addresses: %d, %d dropped", len(r.Header.To), r.Dropped)
	}
	if r := readMail("\r\n"+func() (s string) {
		for i := range maxURLs + 20 {
			s += fmt.Sprintf("http://%d.example/ ", i)
		}
		return s
	}(), 1000); len(r.URLs) != maxURLs {
		t.Errorf("%d URLs", len(r.URLs))
	}
}

func TestMIMEGap(t *testing.T) {
	f := sensor.NewTestFlow(packet.ProtoTCP)
	r := &records.Mail{}
	m := newMIMEReader(mailFiles(), fileOf{Source: "smtp"}, packet.FromA)
	m.message(r)
	emit := func(records.Record) {}
	m.write(f, []byte("Subject: x\r\nFro"), emit)
	m.gap(f, 10)
	m.write(f, []byte("ple>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD\r\nQU"), emit)
	m.gap(f, 100)
	m.write(f, []byte("JD\r\n--b\r\n\r\nok\r\n--b--\r\n"), emit)
	m.close(f, false, emit)
	if got := partsOf(r); r.Header.Subject != "x" || len(got) != 2 || !strings.HasSuffix(got[0], "cut") || got[1] != "2  2" {
		t.Errorf("got subject %q, parts %q", r.Header.Subject, got)
	}
}

// What was held back for a boundary goes to the part when a gap follows.
func TestMIMEGapInBoundary(t *testing.T) {
	f := sensor.NewTestFlow(packet.ProtoTCP)
	r := &records.Mail{}
	m := newMIMEReader(mailFiles(), fileOf{Source: "smtp"}, packet.FromA)
	m.message(r)
	emit := func(records.Record) {}
	m.write(f, []byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b"), emit)
	m.gap(f, 5)
	m.write(f, []byte("\r\ny\r\n--b--\r\n"), emit)
	m.close(f, true, emit)
	if got := partsOf(r); !reflect.DeepEqual(got, []string{"1  9 cut"}) {
		t.Errorf("got %q", got)
	}
}

func FuzzMIME(f *testing.F) {
	for i, c := range captured(f, packet.ProtoTCP, 110) {
		f.Add(c.said(packet.FromB), uint8(i), uint16(0))
	}
	f.Add([]byte("From: a\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename*0*=utf-8''%e3%81%82; filename*1=\"x\"\r\n\r\nQUJD\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: =?iso-2022-jp?B?GyRCJCIbKEI=?=\r\n\r\nbegin 644 x\r\n--b--\r\n"), uint8(3), uint16(0))
	f.Add([]byte("Content-Transfer-Encoding: quoted-printable\nTo: \x83e\x83X <a@b>, =?x?Q?=?=, \"\\\x1b$B$\"\x1b(B\n\nhttp://x/=\n=3D\n"), uint8(1), uint16(9))
	f.Add([]byte("From 0\nContent-TYpe:multipArt/;BoundArY= b\n000000000000000000000000000000000\n--b000\n \n"), uint8(3), uint16(80))
	f.Add([]byte("Content-Transfer-Encoding: x-uuencode\n\nbegin 644 x\n%:&5L;&\\ \n`\nend\n"), uint8(200), uint16(30))
	f.Fuzz(func(t *testing.T, data []byte, n uint8, gap uint16) {
		read := func(n int) *records.Mail {
			fl := sensor.NewTestFlow(packet.ProtoTCP)
			r := &records.Mail{}
			m := newMIMEReader(mailFiles(), fileOf{Source: "smtp"}, packet.FromA)
			m.message(r)
			emit := func(records.Record) {}
			for at := 0; at < len(data); {
				k := min(n, len(data)-at)
				if g := int(gap); at < g {
					k = min(k, g-at)
				}
				m.write(fl, append([]byte(nil), data[at:at+k]...), emit)
				if at += k; gap > 0 && at == int(gap) {
					m.gap(fl, 17)
				}
			}
			m.close(fl, true, emit)
			return r
		}
		whole := read(len(data) + 1)
		if pieces := read(int(n) + 1); !reflect.DeepEqual(whole, pieces) {
			t.Errorf("depends on pieces:\n%+v\n%+v", whole, pieces)
		}
		whole.AppendFields(nil)
	})
}

func BenchmarkMIMEMultipart(b *testing.B) {
	text := "From: =?ISO-2022-JP?B?GyRCJCIbKEI=?= <a@example.com>\r\nTo: b@example.jp\r\nSubject: =?UTF-8?B?44GC44GE44GG?=\r\nDate: Mon, 5 Oct 2009 11:36:07 +0530\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n\r\nhello http://a.example/\r\n--b\r\nContent-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"=?ISO-2022-JP?B?GyRCJCIbKEI=?=.zip\"\r\n\r\nUEsDBA==\r\n--b--\r\n"
	f := sensor.NewTestFlow(packet.ProtoTCP)
	shared := mailFiles()
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		m := newMIMEReader(shared, fileOf{Source: "smtp"}, packet.FromA)
		m.message(&records.Mail{})
		m.write(f, []byte(text), func(records.Record) {})
		m.close(f, true, func(records.Record) {})
	}
}
