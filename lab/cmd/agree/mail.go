package main

import "strings"

// mailPart is what is read back of a mail record.
type mailPart struct {
	Hello, Helo string
	From        *string  `json:"mail_from"` // with its brackets
	To          []string `json:"rcpt_to"`
	Refused     []string `json:"rcpt_refused"`
	Complete    *bool    // a message was seen
	Chunked     bool
	TLS         bool
	Verified    []string
	Parts       []struct{ Disposition, Name string }
}

// mails turns records of mail into what their commands and MIME parts were. What
// all records of a connection share counts once.
type mails struct{ seen map[string]bool }

func newMails() *mails { return &mails{seen: make(map[string]bool)} }

func (m *mails) items(r *record) []item {
	switch {
	case r.Event.Dataset == "kagami.auth" && r.Network.Protocol == "smtp":
		return []item{command("AUTH", r.Kagami.Auth.Mechanism)}
	case r.Event.Dataset != "kagami.mail":
		return nil
	case r.Network.Protocol != "smtp" && r.Network.Protocol != "lmtp":
		return r.Kagami.Mail.parts()
	}
	return append(m.commands(r), r.Kagami.Mail.parts()...)
}

// commands are those of an envelope.
func (m *mails) commands(r *record) (items []item) {
	p := &r.Kagami.Mail
	once := func(name, argument string) {
		if key := r.flow().String() + name + argument; !m.seen[key] {
			m.seen[key] = true
			items = append(items, command(name, argument))
		}
	}
	if p.Hello != "" {
		once(p.Hello, p.Helo)
	}
	if p.TLS {
		once("STARTTLS", "")
	}
	for _, v := range p.Verified {
		items = append(items, command("VRFY", v))
	}
	if p.From != nil {
		items = append(items, command("MAIL", strings.Trim(*p.From, "<>")))
	}
	for _, to := range append(p.To, p.Refused...) {
		items = append(items, command("RCPT", to))
	}
	if p.Complete != nil && p.Chunked {
		items = append(items, command("BDAT", ""))
	} else if p.Complete != nil {
		items = append(items, command("DATA", ""))
	}
	return items
}

func command(name, argument string) item {
	return item{kind: kindSMTP, fields: map[string]string{"command": name, "argument": legible(argument)}}
}

func (p *mailPart) parts() (items []item) {
	for _, part := range p.Parts {
		if part.Disposition != "" {
			items = append(items, item{kind: kindPart, fields: map[string]string{"disposition": part.Disposition, "file name": part.Name}})
		}
	}
	return items
}
