package records

import (
	"net/netip"
	"slices"
	"testing"

	"kagami/packet"
)

func fullMail() *Mail {
	r := NewMail(wholeMeta(packet.ProtoTCP))
	r.Protocol, r.State, r.Depth, r.Status, r.Reply, r.QueueID, r.Banner = "smtp", MailMessage, 1, 250, "250 ok", "5C30", "mx"
	r.Start, r.Content, r.End = 1, 2, 3
	r.Helo, r.Hello, r.User, r.OffersTLS, r.TLS, r.Encryption = "client", "EHLO", "aiko", true, true, "tls"
	r.Size, r.Missing, r.Chunked, r.Dropped, r.Gap, r.Odd, r.URLs = 39, 1, true, 4, true, "o", []string{"http://h/"}
	r.Envelope = Envelope{Seen: true, Size: 7, Body: "7BIT", UTF8: true, Auth: "s", Recipients: []Recipient{{"b@y", 250}, {"c@y", 550}}, Verified: []string{"root"}, Pipelined: true}
	one := func(s string) []MailAddress { return []MailAddress{{"N <" + s + ">", s}} }
	r.Header = MailHeader{From: one("a@x"), Sender: one("s@x"), ReplyTo: one("r@x"), To: []MailAddress{{"nobody:", ""}, {"b@y", "b@y"}}, Cc: one("c@x"), Bcc: one("d@x"),
		Subject: "x", Date: "now", MessageID: "<1@x>", InReplyTo: "<0@x>", Sent: 5, References: []string{"<9@x>"}, XMailer: "M", UserAgent: "U", XOriginatingIP: "i",
		ReturnPath: "p", ListUnsubscribe: "l", ContentType: "Multipart/mixed; boundary=b",
		Received: []string{"from h ([IPv6:2001:db8::1]) by c; now", "from d (192.0.2.7) by e", "from d [192.0.2.7] by e", "by f [192.0.2.8]"}}
	r.Parts = []MailPart{
		{Path: "1", Type: "text/plain", Charset: "utf-8", Size: 4, Complete: true},
		{Path: "2", Type: "application/octet-stream", Encoding: "base64", Name: "a.B.Exe", ContentID: "c", Size: 2, Complete: true, File: FileRef{ID: "f1", MIME: "application/x"}, MD5: "m", SHA1: "s", SHA256: "t"},
		{Path: "3", Type: "text/plain", Disposition: "attachment", Size: 3},
	}
	return r
}

func TestMailFields(t *testing.T) {
	fields := fullMail().AppendFields(nil)
	wantNested(t, fields)
	want := []string{
		"event.action=mail-message", "event.outcome=success",
		"[ email.attachments", "file.extension=exe", "file.hash.md5=m", "file.hash.sha1=s", "file.hash.sha256=t", "file.mime_type=application/x", "file.name=a.B.Exe", "file.size=2",
		", email.attachments", "file.mime_type=text/plain", "file.size=3", "] email.attachments",
		"email.bcc.address=[d@x]", "email.cc.address=[c@x]", "email.content_type=Multipart/mixed", "email.direction=external", "email.from.address=[a@x]", "email.local_id=5C30",
		"email.message_id=1@x", "email.origination_timestamp=5", "email.reply_to.address=[r@x]", "email.sender.address=s@x", "email.subject=x", "email.to.address=[b@y]", "email.x_mailer=M",
		"network.protocol=smtp", "related.hash=[m s t]", "related.user=[aiko]", "user.name=aiko", "user_agent.original=U",
		"kagami.mail.banner=mx", "kagami.mail.body=7BIT", "kagami.mail.depth=1", "kagami.mail.dropped=4", "kagami.mail.encryption=tls", "kagami.mail.gap=1",
		"kagami.mail.hello=EHLO", "kagami.mail.helo=client", "kagami.mail.mail_from=<>", "kagami.mail.odd=o", "kagami.mail.offers_tls=1", "kagami.mail.pipelined=1",
		"kagami.mail.rcpt_refused=[c@y]", "kagami.mail.rcpt_to=[b@y]", "kagami.mail.reply=250 ok", "kagami.mail.size_declared=7", "kagami.mail.smtputf8=1", "kagami.mail.status=250",
		"kagami.mail.submitter=s", "kagami.mail.tls=1", "kagami.mail.verified=[root]", "kagami.mail.chunked=1", "kagami.mail.complete=0", "kagami.mail.content_start=2",
		"kagami.mail.header.bcc=[N <d@x>]", "kagami.mail.header.cc=[N <c@x>]", "kagami.mail.header.date=now", "kagami.mail.header.from=[N <a@x>]", "kagami.mail.header.in_reply_to=<0@x>",
		"kagami.mail.header.list_unsubscribe=l",
		"kagami.mail.header.received=[from h ([IPv6:2001:db8::1]) by c; now from d (192.0.2.7) by e from d [192.0.2.7] by e by f [192.0.2.8]]",
		"kagami.mail.header.references=[<9@x>]", "kagami.mail.header.reply_to=[N <r@x>]", "kagami.mail.header.return_path=p", "kagami.mail.header.sender=[N <s@x>]",
		"kagami.mail.header.to=[nobody: b@y]", "kagami.mail.header.x_originating_ip=i", "kagami.mail.missing=1",
		"[ kagami.mail.parts", "charset=utf-8", "complete=1", "path=1", "size=4", "type=text/plain",
		", kagami.mail.parts", "complete=1", "content_id=c", "encoding=base64", "file_id=f1", "mime_type=application/x", "name=a.B.Exe", "path=2", "size=2", "type=application/octet-stream",
		", kagami.mail.parts", "complete=0", "disposition=attachment", "path=3", "size=3", "type=text/plain", "] kagami.mail.parts",
		"kagami.mail.size=39", "kagami.mail.urls=[http://h/]",
	}
	got := lines(fields, "event.action", "event.outcome", "file.", "email.", "network.protocol", "related.hash", "related.user", "user", "kagami.mail.")
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

// A session shows no message, and an envelope that was refused is a failure.
func TestMailStates(t *testing.T) {
	session := fullMail()
	session.State = MailSession
	if got := lines(session.AppendFields(nil), "email.", "kagami.mail.header.", "kagami.mail.size=", "event.action"); !slices.Equal(got, []string{"event.action=mail-session"}) {
		t.Errorf("session: %q", got)
	}
	refused := fullMail()
	refused.State, refused.Status, refused.Reply = MailEnvelope, 550, "550 no"
	got := lines(refused.AppendFields(nil), "event.action", "event.outcome", "event.reason")
	if !slices.Equal(got, []string{"event.action=mail-envelope", "event.outcome=failure", "event.reason=550 no"}) {
		t.Errorf("refused: %q", got)
	}
}

func TestMailHops(t *testing.T) {
	r := fullMail()
	want := []netip.Addr{r.Meta().Server().Addr(), r.Meta().Client().Addr(), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.7")}
	if got := r.AppendHops(nil); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAuthFields(t *testing.T) {
	r := &Auth{Protocol: "imap", Mechanism: "PLAIN", Method: AuthPassword, User: "aiko", Domain: "EX", ActingFor: "adm", Result: AuthFailure, Reply: "a1 NO", Start: 1, End: 2}
	r.Stamp(wholeMeta(packet.ProtoTCP))
	fields := r.AppendFields(nil)
	wantNested(t, fields)
	want := []string{"event.category=[authentication]", "event.type=[start]", "event.action=login", "event.outcome=failure", "related.user=[aiko adm]", "user.domain=EX", "user.name=aiko",
		"kagami.auth.acting_for=adm", "kagami.auth.mechanism=PLAIN", "kagami.auth.method=password", "kagami.auth.reply=a1 NO"}
	if got := lines(fields, "event.category", "event.type", "event.action", "event.outcome", "related.user", "user.", "kagami.auth."); !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	if got := lines(NewAuth(wholeMeta(packet.ProtoTCP)).AppendFields(nil), "event.outcome", "user.", "kagami.auth."); !slices.Equal(got, []string{"event.outcome=unknown"}) {
		t.Errorf("nothing known: %q", got)
	}
}
