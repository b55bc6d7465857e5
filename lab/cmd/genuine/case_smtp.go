package main

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"
)

// smtpScene: mail to a Postfix, from curl and in exact octets: attachments,
// pipelining, chunks, authentication, TLS, and refusals.
func smtpScene() scene {
	return scene{
		name:    "smtp",
		needs:   []program{{"postfix", "postfix"}, {"dovecot", "dovecot-core"}, {"curl", "curl"}},
		hosts:   []host{{clients, []string{"10.4.0.10/24", "2001:db8:4::10/64"}}, {"mail1", []string{"10.4.0.25/24", "2001:db8:4::25/64"}}},
		also:    []string{"mail.log"},
		setting: smtpSetting,
		play:    smtpPlay,
	}
}

const mainCF = `compatibility_level = 3.6
queue_directory = DIR/queue
data_directory = DIR/data
meta_directory = /etc/postfix
maillog_file = DIR/mail.log
maillog_file_prefixes = /
myhostname = mail.corp.example
mydomain = corp.example
mydestination = corp.example
mynetworks = 127.0.0.0/8
alias_maps =
local_recipient_maps = inline:{taro=1, hanako=1, ichiro=1}
local_transport = discard:
default_transport = discard:
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = /run/dovecot/auth-client
smtpd_tls_security_level = may
smtpd_tls_chain_files = KEY, CERT
message_size_limit = 200000
header_checks = regexp:DIR/postfix/header_checks
`

// headerChecks has cleanup log the fields that Kagami's mail.log has.
const headerChecks = "/^(From|To|Subject|Content-Type|Content-Disposition):/ WARN\n"

const masterCF = `smtp inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`

func smtpSetting(ctx context.Context, s *stage) error {
	ca, err := s.authority()
	if err != nil {
		return err
	}
	own, err := s.issue(ca, 25, x509.ExtKeyUsageServerAuth, "mail.corp.example")
	if err != nil {
		return err
	}
	if err := s.dovecot(ctx, "", own); err != nil {
		return err
	}
	conf := strings.NewReplacer("DIR", s.dir, "KEY", own.key, "CERT", own.cert).Replace(mainCF)
	for name, text := range map[string]string{"postfix/main.cf": conf, "postfix/master.cf": masterCF, "postfix/header_checks": headerChecks, "queue/made": "", "data/made": ""} {
		if _, err := s.write(name, text); err != nil {
			return err
		}
	}
	if err := s.run(ctx, "chown", "-R", "postfix", s.dir+"/data"); err != nil {
		return err
	}
	return s.start(ctx, "mail1", []string{"tcp 25"}, "postfix", "-c", s.dir+"/postfix", "start-fg")
}

func smtpPlay(ctx context.Context, s *stage) error {
	rich, err := richMail()
	if err != nil {
		return err
	}
	plain, err := s.write("plain.eml", plainMail())
	if err != nil {
		return err
	}
	attached, err := s.write("rich.eml", rich)
	if err != nil {
		return err
	}
	photo, err := s.write("report.pdf", reportPDF())
	if err != nil {
		return err
	}
	const relay, six = "smtp://10.4.0.25/pc10.corp.example", "smtp://[2001:db8:4::25]/pc10.corp.example"
	for _, x := range []struct {
		status int
		args   []string
	}{
		{0, []string{relay, "--mail-from", "hanako@corp.example", "--mail-rcpt", "taro@corp.example", "--mail-rcpt", "ichiro@corp.example", "-T", plain}},
		{0, []string{six, "--mail-from", "yamada@partner.example", "--mail-rcpt", "taro@corp.example", "-T", attached}},
		{0, []string{relay, "--mail-from", "hanako@corp.example", "--mail-rcpt", "taro@corp.example", "-H", "Subject: made by curl", "-H", "Message-ID: <curl-1@corp.example>", "-F", "=hello;type=text/plain", "-F", "file=@" + photo + ";filename=見積.pdf;encoder=base64"}},
		{0, []string{relay, "-k", "--ssl-reqd", "--mail-from", "hanako@corp.example", "--mail-rcpt", "taro@corp.example", "-T", plain}},
		{55, []string{relay, "--mail-from", "spam@partner.example", "--mail-rcpt", "nobody@corp.example", "-T", plain}},
		{0, []string{relay, "-u", "taro:lab-pass-1", "--login-options", "AUTH=LOGIN", "--mail-from", "taro@corp.example", "--mail-rcpt", "outside@partner.example", "-T", plain}},
		{67, []string{relay, "-u", "taro:wrong", "--login-options", "AUTH=PLAIN", "--mail-from", "taro@corp.example", "--mail-rcpt", "outside@partner.example", "-T", plain}},
	} {
		if err := s.curl(ctx, x.status, x.args...); err != nil {
			return err
		}
	}
	return smtpOctets(ctx, rich)
}

// smtpOctets are the conversations that need exact octets.
func smtpOctets(ctx context.Context, rich string) error {
	text := func(id, subject string) string {
		return crlf("From: hanako@corp.example\nTo: taro@corp.example\nSubject: " + subject + "\nMessage-ID: <" + id + "@corp.example>\n\nbody of " + id + "\n")
	}
	first, second := rich[:len(rich)/2], rich[len(rich)/2:]
	for _, turns := range [][]turn{
		{ // pipelining (RFC 2920), one of three recipients refused, two messages on one connection
			{"", "220 "}, {"EHLO pipe.corp.example\r\n", "250 "},
			{"MAIL FROM:<hanako@corp.example> SIZE=200 BODY=8BITMIME\r\nRCPT TO:<taro@corp.example>\r\nRCPT TO:<nobody@corp.example>\r\nRCPT TO:<ichiro@corp.example>\r\nDATA\r\n", "354 "},
			{text("pipe-1", sjis("生のシフトJIS 表示")) + ".\r\nMAIL FROM:<>\r\nRCPT TO:<taro@corp.example>\r\nDATA\r\n", "354 "},
			{text("pipe-2", "second") + ".\r\nQUIT\r\n", "221 "},
		},
		{ // chunks (RFC 3030), then a transaction that is given up
			{"", "220 "}, {"EHLO chunk.partner.example\r\n", "250 "}, {"MAIL FROM:<yamada@partner.example>\r\n", "250 "}, {"RCPT TO:<taro@corp.example>\r\n", "250 "},
			{fmt.Sprintf("BDAT %d\r\n%s", len(first), first), "250 "}, {fmt.Sprintf("BDAT %d LAST\r\n%s", len(second), second), "250 "},
			{"MAIL FROM:<yamada@partner.example>\r\n", "250 "}, {"RCPT TO:<taro@elsewhere.example>\r\n", "554 "}, {"RSET\r\n", "250 "}, {"VRFY taro\r\n", "554 "}, {"QUIT\r\n", "221 "},
		},
		{ // AUTH PLAIN in two steps, refused, then accepted
			{"", "220 "}, {"EHLO pc10.corp.example\r\n", "250 "}, {"AUTH PLAIN\r\n", "334 "}, {base64.StdEncoding.EncodeToString([]byte("\x00hanako\x00wrong")) + "\r\n", "535 "},
			{"AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00hanako\x00lab-pass-2")) + "\r\n", "235 "}, {"QUIT\r\n", "221 "},
		},
	} {
		if err := talk(ctx, "10.4.0.10", "10.4.0.25:25", turns...); err != nil {
			return err
		}
	}
	return nil
}
