package exporters

import "kagami/records"

func writeSMTP(z *zeekRow, rec records.Record, _ int) {
	r := rec.(*records.Mail)
	h := &r.Header
	z.id(r.Meta(), r.Start)
	z.count(uint64(max(r.Depth, 0)))
	z.str(r.Helo)
	z.str(r.Envelope.From)
	z.recipients(r.Envelope.Recipients)
	z.str(h.Date)
	z.entry(h.From)
	z.entries(h.To)
	z.entries(h.Cc)
	z.entry(h.ReplyTo)
	z.str(h.MessageID)
	z.str(h.InReplyTo)
	z.str(h.Subject)
	z.addr(h.Origin())
	z.received(h.Received, 0)
	z.received(h.Received, 1)
	z.str(r.Reply)
	z.hops = r.AppendHops(z.hops[:0])
	z.addrs(z.hops)
	if h.UserAgent != "" {
		z.str(h.UserAgent)
	} else {
		z.str(h.XMailer)
	}
	z.bool(r.TLS)
	z.partFiles(r.Parts)
}

// received writes the nth Received header from the top, which is the last one added.
func (z *zeekRow) received(v []string, n int) {
	if n < len(v) {
		z.str(v[n])
	} else {
		z.unset(1)
	}
}

func (z *zeekRow) recipients(v []records.Recipient) {
	if !z.set(len(v), len(v) > 0) {
		return
	}
	for i := range v {
		z.element(i)
		z.text(v[i].Address, true)
	}
	z.endSet()
}

// entries writes the entries of an address field as a person reads them.
func (z *zeekRow) entries(list []records.MailAddress) {
	if !z.set(len(list), len(list) > 0) {
		return
	}
	for i := range list {
		z.element(i)
		z.text(list[i].Text, true)
	}
	z.endSet()
}

// entry writes the first entry of an address field as a person reads it.
func (z *zeekRow) entry(list []records.MailAddress) {
	if len(list) > 0 {
		z.str(list[0].Text)
	} else {
		z.unset(1)
	}
}

func (z *zeekRow) partFiles(parts []records.MailPart) {
	n := 0
	for i := range parts {
		n += one(parts[i].File.ID != "")
	}
	if !z.set(n, true) {
		return
	}
	n = 0
	for i := range parts {
		if id := parts[i].File.ID; id != "" {
			z.element(n)
			n++
			z.appendFUID(id)
		}
	}
	z.endSet()
}

func writeFiles(z *zeekRow, rec records.Record, _ int) {
	r := rec.(*records.File)
	m := r.Meta()
	z.time(r.Start)
	z.fuid(r.ID)
	z.uid(m.UID)
	z.endpoints(m)
	if r.Source == "ftp" {
		z.word("FTP_DATA")
	} else {
		z.upper(r.Source)
	}
	z.count(uint64(max(r.Depth, 0)))
	z.analyzers(r)
	z.str(r.MIME)
	z.str(r.Name)
	if r.End >= r.Start {
		z.interval(r.End - r.Start)
	} else {
		z.unset(1)
	}
	sender := m.ServerInternal
	if r.FromClient {
		sender = m.ClientInternal
	}
	z.bool(sender)
	z.bool(r.FromClient)
	z.count(uint64(max(r.Seen, 0)))
	z.countIf(uint64(max(r.Size, 0)), r.Size >= 0)
	z.count(uint64(max(r.Missing, 0)))
	z.count(0)    // overflow_bytes: a second copy is never taken for more
	z.bool(false) // timedout: files end with their connection
	z.unset(1)    // parent_fuid
	z.str(r.MD5)
	z.str(r.SHA1)
	z.str(r.SHA256)
	z.unset(3) // extracted*: nothing is
}

// upper writes a protocol's name as Zeek's analyzers are called.
func (z *zeekRow) upper(s string) {
	if !z.next(s != "") {
		return
	}
	z.quote()
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z':
			c -= 'a' - 'A'
		case !wordChars[c]:
			c = '_'
		}
		z.b = append(z.b, c)
	}
	z.quote()
}

// analyzers writes what was computed of a file's content.
func (z *zeekRow) analyzers(r *records.File) {
	names := [...]string{"MD5", "SHA1", "SHA256"}
	have := [...]bool{r.MD5 != "", r.SHA1 != "", r.SHA256 != ""}
	n := one(have[0]) + one(have[1]) + one(have[2])
	z.set(n, true)
	n = 0
	for i := range names {
		if have[i] {
			z.element(n)
			n++
			z.quote()
			z.b = append(z.b, names[i]...)
			z.quote()
		}
	}
	z.endSet()
}

func writeAuth(z *zeekRow, rec records.Record, _ int) {
	r := rec.(*records.Auth)
	z.id(r.Meta(), r.Start)
	z.str(r.Protocol)
	z.str(r.Mechanism)
	z.str(r.Method.String())
	z.str(r.User)
	z.str(r.Domain)
	z.str(r.ActingFor)
	z.boolIf(r.Result == records.AuthSuccess, r.Result != records.AuthUnknown)
	z.str(r.Reply)
}
