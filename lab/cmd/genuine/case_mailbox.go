package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"strings"
)

// mailboxScene: mail fetched from a Dovecot by POP3 and IMAP, with logins that
// fail and that succeed, and behind STLS and STARTTLS.
func mailboxScene() scene {
	return scene{
		name:    "pop3-imap",
		needs:   []program{{"dovecot", "dovecot-core"}, {"/usr/lib/dovecot/imap", "dovecot-imapd"}, {"/usr/lib/dovecot/pop3", "dovecot-pop3d"}, {"curl", "curl"}},
		hosts:   []host{{clients, []string{"10.4.0.10/24"}}, {"mail1", []string{"10.4.0.25/24"}}},
		setting: mailboxSetting,
		play:    mailboxPlay,
	}
}

const dovecotConf = `protocols = PROTOCOLS
log_path = DIR/dovecot.log
base_dir = /run/dovecot
ssl = yes
ssl_cert = <CERT
ssl_key = <KEY
disable_plaintext_auth = no
auth_mechanisms = plain login cram-md5
first_valid_uid = 8
mail_location = maildir:DIR/mail/%n
passdb {
  driver = passwd-file
  args = DIR/users
}
userdb {
  driver = static
  args = uid=8 gid=8 home=DIR/mail/%n
}
service auth {
  unix_listener auth-client {
    mode = 0666
  }
}
`

// dovecot starts a Dovecot with two users on the mail server.
func (s *stage) dovecot(ctx context.Context, protocols string, own issued) error {
	conf, err := s.write("dovecot.conf", strings.NewReplacer("PROTOCOLS", protocols, "DIR", s.dir, "CERT", own.cert, "KEY", own.key).Replace(dovecotConf))
	if err != nil {
		return err
	}
	if _, err := s.write("users", "taro:{PLAIN}lab-pass-1\nhanako:{PLAIN}lab-pass-2\n"); err != nil {
		return err
	}
	var ports []string
	if protocols != "" {
		ports = []string{"tcp 110", "tcp 143"}
	}
	return s.start(ctx, "mail1", ports, "dovecot", "-F", "-c", conf)
}

func mailboxSetting(ctx context.Context, s *stage) error {
	rich, err := richMail()
	if err != nil {
		return err
	}
	for name, text := range map[string]string{"mail/taro/cur/1.lab:2,": plainMail(), "mail/taro/cur/2.lab:2,": rich} {
		if _, err := s.write(name, text); err != nil {
			return err
		}
	}
	if err := s.run(ctx, "chown", "-R", "8:8", s.dir+"/mail"); err != nil {
		return err
	}
	ca, err := s.authority()
	if err != nil {
		return err
	}
	own, err := s.issue(ca, 143, x509.ExtKeyUsageServerAuth, "mail.corp.example")
	if err != nil {
		return err
	}
	return s.dovecot(ctx, "imap pop3", own)
}

func mailboxPlay(ctx context.Context, s *stage) error {
	if err := pop3Octets(ctx); err != nil {
		return err
	}
	if err := imapOctets(ctx); err != nil {
		return err
	}
	draft, err := s.write("draft.eml", plainMail())
	if err != nil {
		return err
	}
	user := []string{"-k", "-u", "taro:lab-pass-1"}
	for _, x := range []struct {
		status int
		args   []string
	}{
		{0, []string{"pop3://10.4.0.25/2"}},
		{0, []string{"pop3://10.4.0.25/1", "--login-options", "AUTH=CRAM-MD5"}},
		{0, []string{"pop3://10.4.0.25/1", "--ssl-reqd"}},
		{67, []string{"pop3://10.4.0.25/1", "-u", "hanako:wrong", "--login-options", "AUTH=PLAIN"}},
		{0, []string{"imap://10.4.0.25/INBOX;MAILINDEX=2"}},
		{0, []string{"imap://10.4.0.25/INBOX;MAILINDEX=1;SECTION=TEXT", "--login-options", "AUTH=LOGIN"}},
		{0, []string{"imap://10.4.0.25/INBOX", "-T", draft, "--login-options", "AUTH=CRAM-MD5"}},
		{0, []string{"imap://10.4.0.25/INBOX;MAILINDEX=1", "--ssl-reqd"}},
		{67, []string{"imap://10.4.0.25/INBOX;MAILINDEX=1", "-u", "hanako:wrong"}},
	} {
		if err := s.curl(ctx, x.status, append(user, x.args...)...); err != nil {
			return err
		}
	}
	return nil
}

func pop3Octets(ctx context.Context) error {
	return talk(ctx, "10.4.0.10", "10.4.0.25:110", turn{"", "+OK"}, turn{"CAPA\r\n", "."},
		turn{"USER taro\r\n", "+OK"}, turn{"PASS wrong\r\n", "-ERR"}, turn{"USER taro\r\n", "+OK"}, turn{"PASS lab-pass-1\r\n", "+OK"},
		turn{"STAT\r\n", "+OK 2 "}, turn{"LIST\r\n", ".\r"}, turn{"UIDL\r\n", ".\r"}, turn{"TOP 2 3\r\n", ".\r"},
		turn{"RETR 1\r\nRETR 2\r\n", "--outer=_1--"}, turn{"", ".\r"}, turn{"RETR 9\r\n", "-ERR"}, turn{"QUIT\r\n", "+OK"})
}

func imapOctets(ctx context.Context) error {
	draft := crlf("From: taro@corp.example\nTo: hanako@corp.example\nSubject: draft\nMessage-ID: <draft-1@corp.example>\n\nnot yet\n")
	return talk(ctx, "10.4.0.10", "10.4.0.25:143", turn{"", "* OK"},
		turn{"a1 ID (\"name\" \"Lab Mail\" \"version\" \"3.1\")\r\n", "a1 OK"}, turn{"a2 LOGIN taro \"wrong\"\r\n", "a2 NO"},
		turn{"a3 LOGIN {4}\r\n", "+"}, turn{"taro {10}\r\n", "+"}, turn{"lab-pass-1\r\n", "a3 OK"}, turn{"a4 SELECT INBOX\r\n", "a4 OK"},
		turn{"a5 FETCH 1:* (FLAGS UID ENVELOPE BODYSTRUCTURE)\r\n", "a5 OK"}, turn{"a6 UID FETCH 1:* (UID RFC822.SIZE BODY.PEEK[])\r\n", "a6 OK"},
		turn{"a7 FETCH 2 (BODY.PEEK[HEADER] BODY.PEEK[2])\r\n", "a7 OK"}, turn{"a8 FETCH 2 BODY.PEEK[]<0.500>\r\n", "a8 OK"},
		turn{fmt.Sprintf("a9 APPEND INBOX (\\Draft) {%d+}\r\n%s\r\n", len(draft), draft), "a9 OK"},
		turn{"b1 SEARCH SUBJECT draft\r\nb2 NOOP\r\n", "b2 OK"}, turn{"b3 IDLE\r\n", "+"}, turn{"DONE\r\n", "b3 OK"}, turn{"b4 LOGOUT\r\n", "b4 OK"})
}
