package exporters

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"kagami/packet"
	"kagami/records"
)

// postfixLines are the lines of a mail from client, whose header fields are given.
func postfixLines(t *testing.T, client string, change func(*records.Mail), fields ...string) (out []string) {
	t.Helper()
	r := records.NewMail(between(packet.ProtoTCP, client, "192.0.2.25:25"))
	r.Content = at(t, "2014-12-06T00:11:15.9")
	r.Protocol, r.State, r.Hello, r.Helo, r.QueueID = "smtp", records.MailMessage, "EHLO", "[127.0.0.1]", "5C3009A6062"
	r.Envelope = records.Envelope{Seen: true, From: "root@example.com", Recipients: []records.Recipient{
		{Address: "x@example.co.jp", Code: 250}, {Address: "info@example.co.jp", Code: 250}, {Address: "nobody@example.co.jp", Code: 550}}}
	r.Header.Lines = fields
	if change != nil {
		change(r)
	}
	f := newPostfix(Env{Location: tokyo, HostName: "mail-server"}).(joiner)
	f.add(r)
	for {
		line, l, ok := f.next(nil)
		if !ok {
			return out
		}
		if l.Kind != records.KindMail || l.At != r.Meta().At {
			t.Errorf("line is of kind %v, at %d", l.Kind, l.At)
		}
		out = append(out, string(line))
	}
}

func TestPostfix(t *testing.T) {
	const head = "Dec  6 09:11:15 mail-server postfix/cleanup[1]: 5C3009A6062: warning: header "
	const tail = "; from=<root@example.com> to=<info@example.co.jp> proto=ESMTP helo=<[127.0.0.1]>"
	const from4, client4 = " from unknown[192.168.1.9]", "192.168.1.9:46935"
	for _, c := range []struct {
		name, client string
		change       func(*records.Mail)
		fields, want []string
	}{
		{"plain", client4, nil, []string{`From: "sample@example.co.jp" <attack@example.com>`, "Subject: hello"},
			[]string{head + `From: "sample@example.co.jp" <attack@example.com>` + from4 + tail, head + "Subject: hello" + from4 + tail}},
		{"folds and tabs", client4, nil, []string{"Content-Type: text/plain;\n\tcharset=iso-2022-jp", "Subject: folded\n header"},
			[]string{head + "Content-Type: text/plain;??charset=iso-2022-jp" + from4 + tail, head + "Subject: folded? header" + from4 + tail}},
		{"encodings", client4, nil, []string{"From: =?ISO-2022-JP?B?GyRCJCIbKEI=?= <a@b>", "From: raw \x83e\x83X あ", "Subject: \x1b$B$\"\x1b(B\x01"},
			[]string{head + "From: =?ISO-2022-JP?B?GyRCJCIbKEI=?= <a@b>" + from4 + tail, head + "From: raw ?e?X あ" + from4 + tail, head + "Subject: ?$B$\"?(B?" + from4 + tail}},
		{"long", client4, nil, []string{"From: " + strings.Repeat("x", 300), "From: " + strings.Repeat("x", 192) + "あ"},
			[]string{head + "From: " + strings.Repeat("x", 194) + from4 + tail, head + "From: " + strings.Repeat("x", 192) + "??" + from4 + tail}},
		{"IPv6", "[::1]:40396", nil, []string{"From: v6"}, []string{head + "From: v6 from unknown[::1]" + tail}},
		{"HELO, null sender, odd name", client4, func(r *records.Mail) { r.Hello, r.Helo, r.Envelope.From = "HELO", "host <name>\n", "" }, []string{"From: x"},
			[]string{head + "From: x" + from4 + "; from=<> to=<info@example.co.jp> proto=SMTP helo=<host??name??>"}},
		{"all refused", client4, func(r *records.Mail) { r.Envelope.Recipients = r.Envelope.Recipients[2:] }, []string{"From: x"},
			[]string{head + "From: x" + from4 + "; from=<root@example.com> to=<> proto=ESMTP helo=<[127.0.0.1]>"}},
		{"no header fields", client4, nil, nil, nil},
		{"POP3", client4, func(r *records.Mail) { r.Protocol = "pop3" }, []string{"From: x"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := postfixLines(t, c.client, c.change, c.fields...); !slices.Equal(got, c.want) {
				t.Errorf("\ngot  %q\nwant %q", got, c.want)
			}
		})
	}
}

// A queue id is the server's if it is of Postfix's short form, else made: short,
// hexadecimal, and another one for another record.
func TestPostfixQueueID(t *testing.T) {
	id := func(change func(*records.Mail)) string {
		line := postfixLines(t, "192.168.1.9:46935", change, "From: x")[0]
		_, rest, _ := strings.Cut(line, "cleanup[1]: ")
		id, _, _ := strings.Cut(rest, ":")
		return id
	}
	if got := id(nil); got != "5C3009A6062" {
		t.Errorf("the server's: got %q", got)
	}
	seen := map[string]bool{}
	for _, server := range []string{"", "1Mugho-0003Dg-Un", "4Z8x2Q0vYhz1234", "5c30"} {
		for seq := range uint32(3) {
			got := id(func(r *records.Mail) { r.QueueID = server; r.Meta().UID = 0xfedcba9876543210; r.Meta().Seq = seq })
			if len(got) != shortQueueID || !hexDigits.all(got) {
				t.Errorf("made of %q: got %q", server, got)
			}
			seen[got] = true
		}
	}
	if len(seen) != 3 {
		t.Errorf("got %d ids of 3 records", len(seen))
	}
}

// A record has one line in Append, for those who want no more.
func TestPostfixAppend(t *testing.T) {
	f := newPostfix(Env{Location: tokyo})
	if _, ok := f.Append(nil, flowRecord(t, nil)); ok {
		t.Error("a flow has a line")
	}
	r := records.NewMail(between(packet.ProtoTCP, "192.168.1.9:46935", "192.0.2.25:25"))
	r.Protocol, r.Header.Lines = "smtp", []string{"From: x", "To: y"}
	if line, ok := f.Append(nil, r); !ok || !strings.Contains(string(line), "header From: x from") {
		t.Errorf("got %q", line)
	}
}

func FuzzPostfix(f *testing.F) {
	f.Add("From: x\n y", "a@b", "c", "host")
	f.Add("Subject: \x83e\u2028\x00", "\n>", "\r", "\x1b")
	f.Fuzz(func(t *testing.T, field, from, to, helo string) {
		for _, line := range postfixLines(t, "192.168.1.9:46935", func(r *records.Mail) {
			r.Envelope.From, r.Envelope.Recipients[1].Address, r.Helo = from, to, helo
		}, field) {
			if strings.ContainsAny(line, "\n\r\x00\t\u2028\u0085") || !utf8.ValidString(line) {
				t.Errorf("not one line of text: %q", line)
			}
		}
	})
}

func BenchmarkPostfix(b *testing.B) {
	r := records.NewMail(between(packet.ProtoTCP, "192.168.1.9:46935", "192.0.2.25:25"))
	r.Protocol, r.Header.Lines = "smtp", []string{"From: x", "To: y", "Subject: z"}
	f := newPostfix(Env{Location: tokyo}).(joiner)
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		f.add(r)
		for {
			if _, _, ok := f.next(buf); !ok {
				break
			}
		}
	}
}
