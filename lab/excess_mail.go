package lab

import (
	"fmt"
	"strings"
)

// smtpTalk is an SMTP session whose greetings were said (RFC 5321).
func smtpTalk(script func(*Talk)) func(*Flood) { return one(25, greeted(script)) }

func greeted(script func(*Talk)) func(*Talk) {
	return func(t *Talk) {
		t.Tell(Server, "220 mx.example ESMTP\r\n")
		t.ask("EHLO client.example", "250 mx.example")
		script(t)
	}
}

// ask is a line and the line that answers it.
func (t *Talk) ask(line, answer string) {
	t.Tell(Client, line+"\r\n")
	t.Tell(Server, answer+"\r\n")
}

// message is a message of SMTP that a script writes.
func message5321(script func(*Talk)) func(*Flood) {
	return smtpTalk(func(t *Talk) {
		t.ask("MAIL FROM:<a@client.example>", "250 ok")
		t.ask("RCPT TO:<b@mx.example>", "250 ok")
		t.ask("DATA", "354 go on")
		script(t)
		t.ask("\r\n.", "250 ok: queued as 4711")
	})
}

// mailExcesses are those of SMTP, POP3 and IMAP themselves.
func mailExcesses() []Excess {
	return []Excess{
		{"smtp: command line without end", smtpTalk(func(t *Talk) {
			t.Tell(Client, "MAIL FROM:<")
			t.Repeat(Client, 4*kilo, filler)
			t.ask(">", "500 line too long")
		})},
		{"smtp: lines that are no commands", smtpTalk(func(t *Talk) { t.Repeat(Client, mega, "x\r\n") })},
		{"smtp: recipients without end", smtpTalk(func(t *Talk) {
			t.ask("MAIL FROM:<a@client.example>", "250 ok")
			t.Endless(Client, 100_000, func(b []byte, i int) []byte { return fmt.Appendf(b, "RCPT TO:<u%d@mx.example>\r\n", i) })
		})},
		{"smtp: long recipients, never answered", smtpTalk(func(t *Talk) {
			for i := range 16 {
				t.Tell(Client, "MAIL FROM:<a@client.example>\r\n")
				t.Repeat(Client, 1000, fmt.Sprintf("RCPT TO:<%d%s@mx.example>\r\n", i, longText(2*kilo)))
			}
		})},
		{"smtp: commands without answers", smtpTalk(func(t *Talk) { t.Repeat(Client, 100_000, "NOOP\r\n") })},
		{"smtp: lines of a login without end", smtpTalk(func(t *Talk) {
			t.Repeat(Client, 1023, "NOOP\r\n")
			t.Tell(Client, "AUTH LOGIN\r\n")
			t.Repeat(Client, mega, "\r\n")
		})},
		{"smtp: answer without end", smtpTalk(func(t *Talk) {
			t.Tell(Client, "HELP\r\n")
			t.Repeat(Server, 200*kilo, "214-x\r\n")
		})},
		{"smtp: answers without commands", smtpTalk(func(t *Talk) { t.Repeat(Server, 200*kilo, "250 ok\r\n") })},
		{"smtp: 10,000 transactions", smtpTalk(func(t *Talk) {
			for range 10_000 {
				t.ask("MAIL FROM:<a@client.example>", "250 ok")
				t.ask("RCPT TO:<b@mx.example>", "250 ok")
				t.ask("RSET", "250 ok")
			}
		})},
		{"smtp: chunks without end", smtpTalk(func(t *Talk) {
			t.ask("MAIL FROM:<a@client.example>", "250 ok")
			t.ask("RCPT TO:<b@mx.example>", "250 ok")
			t.Repeat(Client, 100_000, "BDAT 1\r\nx")
		})},
		{"smtp: sessions in TLS in a session", smtpTalk(func(t *Talk) { t.Repeat(Client, 10_000, "STARTTLS\r\nEHLO x\r\n") })},
		{"smtp: octet by octet", bytewise(25, greeted(func(t *Talk) {
			t.Repeat(Client, 16, "MAIL FROM:<"+filler)
			t.Tell(Client, "\r\n")
		}))},
		{"pop3: answer line without end", one(110, func(t *Talk) {
			t.Tell(Server, "+OK POP3 ready\r\n")
			t.Tell(Client, "USER a\r\n")
			t.Tell(Server, "+OK ")
			t.Repeat(Server, 4*kilo, filler)
		})},
		{"pop3: commands without answers", one(110, func(t *Talk) {
			t.Tell(Server, "+OK POP3 ready\r\n")
			t.Repeat(Client, 100_000, "RETR 1\r\n")
		})},
		{"pop3: list without end", one(110, func(t *Talk) {
			t.Tell(Server, "+OK POP3 ready\r\n")
			t.ask("UIDL", "+OK list follows")
			t.Repeat(Server, 200*kilo, "1 abcdef\r\n")
		})},
		{"imap: answer line without end", imapTalk(func(t *Talk) {
			t.Tell(Server, "* OK ")
			t.Repeat(Server, 4*kilo, filler)
		})},
		{"imap: huge literals announced", imapTalk(func(t *Talk) {
			t.Tell(Client, "a1 UID FETCH 1 BODY[]\r\n")
			t.Tell(Server, "* 1 FETCH (BODY[] {9223372036854775807}\r\n")
			t.Repeat(Server, 4*kilo, filler)
		})},
		{"imap: literals of a login without end", imapTalk(func(t *Talk) {
			t.Tell(Client, "a1 LOGIN {1}\r\n")
			t.Repeat(Client, 200*kilo, "x {1}\r\n")
		})},
		{"imap: words of a login without end", imapTalk(func(t *Talk) {
			t.Tell(Client, "a1 LOGIN {1}\r\n")
			t.Repeat(Client, 1000, "x"+strings.Repeat(" y", 4*kilo)+" {1}\r\n")
		})},
		{"imap: literals to be stored without end", imapTalk(func(t *Talk) {
			t.Tell(Client, "a1 APPEND x {1}\r\n")
			t.Repeat(Client, 200*kilo, "x {1}\r\n")
		})},
		{"imap: tags without end", imapTalk(func(t *Talk) {
			t.Endless(Client, 100_000, func(b []byte, i int) []byte { return fmt.Appendf(b, "a%d NOOP\r\n", i) })
		})},
		{"imap: pieces of a message without end", imapTalk(func(t *Talk) {
			t.Endless(Server, 50_000, func(b []byte, i int) []byte { return fmt.Appendf(b, "* 1 FETCH (BODY[]<%d> {2}\r\n\r\n)\r\n", 2*i) })
		})},
	}
}

// imapTalk is an IMAP session whose greeting was said (RFC 9051).
func imapTalk(script func(*Talk)) func(*Flood) {
	return one(143, func(t *Talk) {
		t.Tell(Server, "* OK IMAP4rev1 ready\r\n")
		script(t)
	})
}

// mimeExcesses are messages (RFC 5322, RFC 2045 and on).
func mimeExcesses() []Excess {
	const mixed = "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	return []Excess{
		{"mime: header line without end", message5321(func(t *Talk) {
			t.Tell(Client, "Subject: ")
			t.Repeat(Client, 4*kilo, filler)
		})},
		{"mime: header line, octet by octet", bytewise(25, greeted(func(t *Talk) {
			t.ask("MAIL FROM:<a@client.example>", "250 ok")
			t.ask("DATA", "354 go on")
			t.Tell(Client, "Subject: ")
			t.Repeat(Client, 96, filler)
		}))},
		{"mime: 100,000 header lines", message5321(func(t *Talk) {
			t.Endless(Client, 100_000, func(b []byte, i int) []byte { return fmt.Appendf(b, "X-Field-%d: value\r\n", i) })
		})},
		{"mime: folded header without end", message5321(func(t *Talk) {
			t.Tell(Client, "Subject: x\r\n")
			t.Repeat(Client, mega, " y\r\n")
		})},
		{"mime: addresses without end", message5321(func(t *Talk) {
			for range 200 {
				t.Tell(Client, "To: ")
				t.Repeat(Client, 1000, "a@b.example, ")
				t.Tell(Client, "\r\n")
			}
		})},
		{"mime: addresses that never end", message5321(func(t *Talk) {
			t.Tell(Client, "To: a@")
			t.Repeat(Client, 16*kilo, ":")
			t.Tell(Client, "\r\nFrom: ")
			t.Repeat(Client, 8*kilo, "=?")
			t.Tell(Client, "\r\nCc: ")
			t.Repeat(Client, 16*kilo, "(")
			t.Tell(Client, "\r\nSubject: ")
			t.Repeat(Client, 4*kilo, "=?x?")
			t.Tell(Client, "\r\n\r\n")
		})},
		{"mime: parameters without end", message5321(func(t *Talk) {
			t.Tell(Client, mixed)
			for range 400 {
				t.Tell(Client, "--b\r\nContent-Type: text/plain")
				t.Endless(Client, 300, func(b []byte, i int) []byte { return fmt.Appendf(b, "; name*%d*=x''y", i) })
				t.Tell(Client, "\r\n\r\nx\r\n")
			}
		})},
		{"mime: nested 1,000 deep", message5321(func(t *Talk) {
			t.Endless(Client, 1000, nestedPart)
			t.Endless(Client, 1000, func(b []byte, i int) []byte { return fmt.Appendf(b, "--%d--\r\n", 999-i) })
		})},
		{"mime: messages nested 1,000 deep", message5321(func(t *Talk) { t.Repeat(Client, 1000, "Content-Type: message/rfc822\r\n\r\n") })},
		{"mime: 100,000 parts", message5321(func(t *Talk) {
			t.Tell(Client, mixed)
			t.Repeat(Client, 100_000, "--b\r\nContent-Type: text/plain; name=\"a.txt\"\r\n\r\nx\r\n")
		})},
		{"mime: parts of long names, never answered", smtpTalk(func(t *Talk) {
			name := string(longText(2 * kilo))
			for i := range 12 {
				t.Tell(Client, "MAIL FROM:<a@client.example>\r\nRCPT TO:<b@mx.example>\r\nBDAT 700000 LAST\r\n")
				said := len(mixed)
				t.Tell(Client, mixed)
				t.Endless(Client, 170, func(b []byte, k int) []byte {
					n := len(b)
					b = fmt.Appendf(b, "--b\r\nContent-Type: text/plain; name=\"%d-%d-%s\"\r\nContent-ID: <%s>\r\n\r\nx\r\n", i, k, name[:1900], name[:1900])
					said += len(b) - n
					return b
				})
				t.Repeat(Client, 700000-said, "x")
			}
		})},
		{"mime: base64 line without end", message5321(func(t *Talk) {
			t.Tell(Client, "Content-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n")
			t.Repeat(Client, 4*kilo, filler)
		})},
		{"mime: quoted-printable of blanks", message5321(func(t *Talk) {
			t.Tell(Client, "Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
			t.Repeat(Client, 4*kilo, strings.Repeat(" ", kilo))
		})},
		{"mime: URLs without end", message5321(func(t *Talk) {
			t.Tell(Client, "Content-Type: text/html\r\n\r\n")
			t.Endless(Client, 100_000, func(b []byte, i int) []byte { return fmt.Appendf(b, "http://a.example/%d ", i) })
		})},
		{"mime: one URL without end", message5321(func(t *Talk) {
			t.Tell(Client, "Content-Type: text/html\r\n\r\nhttp://a.example/")
			t.Repeat(Client, 4*kilo, filler)
		})},
		{"mime: dots and line ends", message5321(func(t *Talk) {
			t.Tell(Client, "\r\n")
			t.Repeat(Client, mega, "..\r\n")
		})},
		{"mime: dashes", message5321(func(t *Talk) {
			t.Tell(Client, mixed)
			t.Repeat(Client, mega, "--\r\n")
		})},
	}
}

// fileTransferExcesses are those of FTP (RFC 959).
func fileTransferExcesses() []Excess {
	ftp := func(script func(*Talk)) func(*Flood) {
		return one(21, func(t *Talk) {
			t.Tell(Server, "220 FTP ready\r\n")
			t.ask("USER anonymous", "331 password")
			t.ask("PASS a@b", "230 ok")
			script(t)
		})
	}
	return []Excess{
		{"ftp: commands without answers", ftp(func(t *Talk) {
			t.Endless(Client, 10_000, func(b []byte, i int) []byte { return fmt.Appendf(b, "RETR file%d\r\n", i) })
		})},
		{"ftp: answer without end", ftp(func(t *Talk) {
			t.Tell(Client, "HELP\r\n")
			t.Repeat(Server, 200*kilo, "214-x\r\n")
		})},
		{"ftp: answer line without end", ftp(func(t *Talk) {
			t.Tell(Client, "HELP\r\n")
			t.Tell(Server, "214 ")
			t.Repeat(Server, 4*kilo, filler)
		})},
		{"ftp: command line without end", ftp(func(t *Talk) {
			t.Tell(Client, "RETR ")
			t.Repeat(Client, 4*kilo, filler)
		})},
		{"ftp: directories without end", ftp(func(t *Talk) {
			for range 2000 {
				t.ask("CWD "+filler, "250 ok")
			}
		})},
		{"ftp: data connections announced without end", ftp(func(t *Talk) {
			for i := range 20_000 {
				t.ask("PASV", fmt.Sprintf("227 Entering Passive Mode (198,51,100,7,%d,%d)", 100+i>>8, i&255))
			}
		})},
	}
}
