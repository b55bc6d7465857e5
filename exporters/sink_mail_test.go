package exporters

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kagami/records"
)

// mailTo opens a sink whose mails need no waiting.
func mailTo(t *testing.T, s *mailServer, options string, env Env) Sink {
	scheme := "mail"
	if s.implicit {
		scheme = "mail+tls"
	}
	return openSink(t, scheme+"://"+s.Addr().String()+"?from=kagami@example.jp&within=0s&per_hour=3600&timeout=2s&"+options, env)
}

// mailTLS is a server's certificate for localhost and the options that accept it.
func mailTLS(t *testing.T) (*tls.Config, string) {
	dir := t.TempDir()
	ca := newCA(t, dir, "ca")
	return &tls.Config{Certificates: []tls.Certificate{ca.issue(t, dir, "server", "localhost")}},
		"&server_name=localhost&ca=" + filepath.Join(dir, "ca.pem")
}

func alertLines(t *testing.T, n int) []Line {
	var out []Line
	for i := range n {
		a := alertRecord(t)
		a.Meta().UID = uint64(i + 1)
		a.Incident, a.Update = fmt.Sprint(i), 1
		a.Severity = records.Severity(i%3 + 1)
		a.Title = fmt.Sprintf("alert number %d", i+1)
		out = append(out, linesFrom(uint64(i+1), records.KindAlert, alertLineOf(t, a))...)
	}
	return out
}

// readMail takes a message apart.
func readMail(t *testing.T, text string) (mail.Header, string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if len(line) > 1000 || strings.ContainsFunc(line, func(r rune) bool { return r >= 0x7f }) {
			t.Errorf("not a line of RFC 5322: %.200q", line)
		}
	}
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	return m.Header, strings.ReplaceAll(string(b), "\r\n", "\n")
}

func subjectOf(t *testing.T, h mail.Header) string {
	s, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	if err != nil {
		t.Error(err)
	}
	return s
}

func TestMail(t *testing.T) {
	config, trust := mailTLS(t)
	t.Setenv("TEST_SMTP", "s3cret")
	for _, c := range []struct {
		name  string
		s     *mailServer
		login string
	}{
		{"STARTTLS", &mailServer{tls: config}, ""},
		{"STARTTLS, AUTH PLAIN", &mailServer{tls: config, auth: "LOGIN PLAIN"}, "PLAIN  kagami s3cret"},
		{"implicit TLS, AUTH LOGIN", &mailServer{tls: config, implicit: true, auth: "LOGIN"}, "LOGIN kagami s3cret"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server, options := serveMail(t, c.s), "to=soc@example.jp,Boss%20%3Cboss@example.jp%3E"+trust
			if c.login != "" {
				options += "&user=kagami&password=env:TEST_SMTP"
			}
			s := mailTo(t, server, options, Env{HostName: "sensor.example", Location: tokyo})
			defer s.Close()
			w, err := s.Write(context.Background(), linesFrom(1, records.KindAlert, alertLineOf(t, hostileAlert(t))))
			if err != nil || w.Sent != 1 {
				t.Fatalf("%+v, %v", w, err)
			}
			h, body := readMail(t, server.mails[0])
			if got := subjectOf(t, h); got != "Kagami: [high] pc5 asks <!channel> & <https://evil.example|here> *bold* [click](https://evil.example) To: x evil (update 2)" {
				t.Errorf("subject %q", got)
			}
			if h.Get("To") != `<soc@example.jp>, "Boss" <boss@example.jp>` || h.Get("From") != "<kagami@example.jp>" || h.Get("Auto-Submitted") != "auto-generated" {
				t.Errorf("header %v", h)
			}
			for _, want := range []string{"  Source: 192.168.100.5, pc5, bob\n", "  Until: 2014-12-06 09:11:15 +0900\n", "    - name \"</TextBlock>\" {{x}} `code`\n", "  Harmless if:\n    - an update service\n  What to do first:\n    - ask bob\n", "-- \nKagami, sensor.example\n"} {
				if !strings.Contains(body, want) {
					t.Errorf("no %q in\n%s", want, body)
				}
			}
			if !slices.Equal(server.rcpts[0], []string{"soc@example.jp", "boss@example.jp"}) || strings.Join(server.logins, ";") != c.login {
				t.Errorf("recipients %v, logins %v", server.rcpts, server.logins)
			}
			for _, verb := range server.clear {
				if verb != "EHLO" && verb != "STARTTLS" {
					t.Errorf("%s in clear", verb)
				}
			}
		})
	}
}

// TestMailDigest: several alerts are one mail, the worst in the subject; beyond a
// limit they are counted by rule; the same alerts have the same Message-ID.
func TestMailDigest(t *testing.T) {
	config, trust := mailTLS(t)
	server := serveMail(t, &mailServer{tls: config})
	s := mailTo(t, server, "lang=ja&to=soc@example.jp"+trust, Env{})
	defer s.Close()
	for range 2 {
		if w, err := s.Write(context.Background(), alertLines(t, 25)); err != nil || w.Sent != 25 {
			t.Fatalf("%+v, %v", w, err)
		}
	}
	h, body := readMail(t, server.mails[0])
	if got := subjectOf(t, h); got != "Kagami: [高] alert number 3 ほか24件" {
		t.Errorf("subject %q", got)
	}
	if n := strings.Count(body, "] alert number"); n != mailFull || !strings.Contains(body, "ほか5件: 5 direct-egress\n") {
		t.Errorf("%d in full in\n%s", n, body)
	}
	if again, _ := readMail(t, server.mails[1]); again.Get("Message-ID") != h.Get("Message-ID") || !strings.HasSuffix(h.Get("Message-ID"), "@example.jp>") {
		t.Errorf("ids %s, %s", h.Get("Message-ID"), again.Get("Message-ID"))
	}
}

// TestMailLimits: the first alert goes at once, the next mail waits, and the hour's
// number holds.
func TestMailLimits(t *testing.T) {
	config, trust := mailTLS(t)
	server := serveMail(t, &mailServer{tls: config})
	s := openSink(t, "mail://"+server.Addr().String()+"?from=a@b&to=c@d&within=1s&per_hour=2"+trust, Env{})
	defer s.Close()
	start, lines := time.Now(), alertLines(t, 3)
	for i, least := range []time.Duration{0, time.Second} {
		if w, err := s.Write(context.Background(), lines[i:i+1]); err != nil || w.Sent != 1 || time.Since(start) < least || time.Since(start) > least+900*time.Millisecond {
			t.Errorf("mail %d: %+v, %v after %v", i, w, err, time.Since(start))
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	if w, err := s.Write(ctx, lines[2:]); err == nil || w.done() != 0 || len(server.mails) != 2 {
		t.Errorf("a third mail in the hour: %+v, %v", w, err)
	}
	m := s.(*mailSink)
	for i := range m.mails {
		m.mails[i] = m.mails[i].Add(-time.Hour)
	}
	if w, err := s.Write(context.Background(), lines[2:]); err != nil || w.Sent != 1 {
		t.Errorf("an hour later: %+v, %v", w, err)
	}
}

// TestMailFaults: nothing is lost, nothing goes in clear, and a mail that is taken
// is not sent again.
func TestMailFaults(t *testing.T) {
	config, trust := mailTLS(t)
	once := func(verb, reply string) func(string, string) string {
		done := false
		return func(v, _ string) string {
			if v == verb && !done {
				done = true
				return reply
			}
			return ""
		}
	}
	t.Setenv("TEST_SMTP", "wr0ng")
	for _, c := range []struct {
		name      string
		s         *mailServer
		options   string
		err       string
		transient bool
		cured     bool // a second attempt goes through
	}{
		{"closes after EHLO", &mailServer{tls: config, says: once("EHLO", "close")}, trust, "EOF", true, true},
		{"hangs", &mailServer{tls: config, says: once("MAIL", "hang")}, trust, "timeout", true, true},
		{"closes within the mail", &mailServer{tls: config, says: once(".", "close")}, trust, "EOF", true, true},
		{"greylists", &mailServer{tls: config, says: once("RCPT", "450 4.2.0 try again")}, trust, "450", true, true},
		{"full", &mailServer{tls: config, says: once(".", "452 no space")}, trust, "452", true, true},
		{"no such sender", &mailServer{tls: config, says: once("MAIL", "550 no")}, trust, "sender: 550", false, true},
		{"wrong password", &mailServer{tls: config, auth: "PLAIN"}, trust + "&user=kagami&password=env:TEST_SMTP", "log in: 535", false, false},
		{"no STARTTLS", &mailServer{}, "", "offers no STARTTLS", false, false},
		{"unknown authority", &mailServer{tls: config}, "&server_name=localhost", "unknown authority", true, false},
		{"wrong name", &mailServer{tls: config}, strings.Replace(trust, "server_name=localhost", "", 1), "127.0.0.1", true, false},
		{"old TLS", &mailServer{tls: &tls.Config{Certificates: config.Certificates, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}}, trust, "protocol version", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := serveMail(t, c.s)
			s := mailTo(t, server, "to=soc@example.jp"+c.options, Env{})
			defer s.Close()
			w, err := s.Write(context.Background(), alertLines(t, 1))
			if err == nil || w.done() != 0 || isTransient(err) != c.transient || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "wr0ng") {
				t.Fatalf("%+v, %v", w, err)
			}
			if c.cured {
				writeUntil(t, s, alertLines(t, 1))
			}
			server.mu.Lock()
			defer server.mu.Unlock()
			if want := one(c.cured); len(server.mails) != want {
				t.Errorf("%d mails, want %d", len(server.mails), want)
			}
			if slices.Contains(server.clear, "MAIL") || slices.Contains(server.clear, "AUTH") {
				t.Errorf("in clear: %v", server.clear)
			}
		})
	}
}

// TestMailRefused: content that the server does not take is refused for its own
// alert alone; a recipient it does not know keeps nobody else from the mail.
func TestMailRefused(t *testing.T) {
	config, trust := mailTLS(t)
	server := serveMail(t, &mailServer{tls: config, says: func(verb, text string) string {
		switch {
		case verb == "." && strings.Contains(text, "number 3"):
			return "554 5.7.1 spam"
		case verb == "RCPT" && strings.Contains(text, "gone@"):
			return "550 5.1.1 no such user"
		}
		return ""
	}})
	var log strings.Builder
	s := mailTo(t, server, "to=gone@example.jp,soc@example.jp"+trust, Env{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	defer s.Close()
	if refused := writeUntil(t, s, alertLines(t, 5)); refused != 1 {
		t.Errorf("%d refused", refused)
	}
	all := strings.Join(server.mails, "")
	for i := 1; i <= 5; i++ {
		if got := strings.Count(all, fmt.Sprintf("] alert number %d=0D", i)) + strings.Count(all, fmt.Sprintf("\r\n[low] alert number %d\r", i)) + strings.Count(all, fmt.Sprintf("\r\n[medium] alert number %d\r", i)) + strings.Count(all, fmt.Sprintf("\r\n[high] alert number %d\r", i)); got != one(i != 3) {
			t.Errorf("alert %d was mailed %d times", i, got)
		}
	}
	for _, r := range server.rcpts {
		if !slices.Equal(r, []string{"soc@example.jp"}) {
			t.Errorf("recipients %v", r)
		}
	}
	if text := log.String(); !strings.Contains(text, "no such user") || !strings.Contains(text, "spam") {
		t.Errorf("log %s", text)
	}
	if w, err := s.Write(context.Background(), linesOf("no alert", "nor this")); err != nil || w.Refused != 2 {
		t.Errorf("%+v, %v", w, err)
	}
}

func TestMailAway(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	address := l.Addr().String()
	l.Close()
	for to, want := range map[string]string{address: "refused", "no..such:25": "no such host"} {
		s := openSink(t, "mail://"+to+"?from=a@b&to=c@d", Env{})
		if w, err := s.Write(context.Background(), alertLines(t, 1)); w.done() != 0 || !isTransient(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v, %v", w, err)
		}
		s.Close()
	}
}

func TestMailOptions(t *testing.T) {
	for _, c := range []struct{ url, err string }{
		{"mail://h?from=a@b&to=c@d,%22E%20F%22%20%3Ce@f%3E&lang=ja&within=5m&per_hour=6", ""},
		{"mail+tls://h?from=a@b&to=c@d&user=u&password=file:/p", ""},
		{"mail://127.0.0.1:25?from=a@b&to=c@d&starttls=no", ""},
		{"mail://h?to=c@d", "want from=ADDRESS and to=ADDRESS"},
		{"mail://h?from=a&to=c@d", "from: "},
		{"mail://h?from=a@b&to=c@d%0d%0abcc:x", "to: "},
		{"mail://h?from=a@b&to=c@d&user=u&password=hunter2", "never the secret itself"},
		{"mail://u:hunter2@h?from=a@b&to=c@d", "a password in a URL ends up in logs"},
		{"mail://h?from=a@b&to=c@d&starttls=no&user=u&password=env:P", "in clear"},
		{"mail+tls://h?from=a@b&to=c@d&starttls=no", "starttls"},
		{"mail://h?from=a@b&to=c@d&per_hour=0", "per_hour"},
		{"mail://h/x?from=a@b&to=c@d", "no path"},
		{"mail://?from=a@b&to=c@d", "want a host"},
	} {
		u, err := url.Parse(c.url)
		if err != nil {
			t.Fatal(err)
		}
		if err = checkMail(u); c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) || err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want %q", u.Redacted(), err, c.err)
		}
	}
}

// TestMailWaitsOverAttempts: an attempt of the queue on disk may be shorter than the
// wait for the next mail. It comes at its time, and the hour's number holds.
func TestMailWaitsOverAttempts(t *testing.T) {
	config, trust := mailTLS(t)
	server := serveMail(t, &mailServer{tls: config})
	s := openSink(t, "mail://"+server.Addr().String()+"?from=a@b&to=c@d&within=1s&per_hour=2"+trust, Env{})
	defer s.Close()
	lines := alertLines(t, 3)
	write := func(line int, wait time.Duration) (sent bool) {
		for end := time.Now().Add(wait); !sent && time.Now().Before(end); {
			ctx, cancel := context.WithTimeout(context.Background(), 400*time.Millisecond)
			w, err := s.Write(ctx, lines[line:line+1])
			cancel()
			if sent = w.Sent == 1; !sent && !errors.As(err, new(transientError)) {
				t.Fatal(w, err)
			}
		}
		return sent
	}
	if !write(0, 5*time.Second) || !write(1, 10*time.Second) {
		t.Errorf("%d mails, want 2", len(server.mails))
	}
	if write(2, time.Second) {
		t.Error("a third mail in the hour")
	}
}
