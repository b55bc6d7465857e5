package exporters

import "kagami/records"

func (f *cef) flow(r *records.Flow) {
	m := r.Meta()
	f.span(r.Start, r.End)
	f.connection(m, r.Service, peer{}, peer{host: r.ServerName})
	f.volume("in", int64(r.Orig.IPBytes))
	f.volume("out", int64(r.Resp.IPBytes))
	f.str("act", r.Action, cefShort)
	f.str("reason", r.Reason, cefLong)
	f.number(1, "Duration ms", max(0, r.End-r.Start)/1e6)
	f.number(2, "Packets in", int64(r.Orig.Packets))
	f.number(3, "Packets out", int64(r.Resp.Packets))
	f.custom(1, "Connection state", r.ConnState)
	f.custom(2, "Source zone", m.ClientZone)
	f.custom(3, "Destination zone", m.ServerZone)
	f.custom(4, "Connection history", r.History)
	f.custom(5, "End reason", r.EndReason)
	f.custom(6, "Tunnelled protocol", r.Tunnel)
}

func (f *cef) dns(r *records.DNS) {
	start := r.Time
	if r.Response && r.RTT > 0 {
		start -= r.RTT
	}
	f.span(start, r.Time)
	f.connection(r.Meta(), r.Protocol, peer{}, peer{})
	f.str("destinationDnsDomain", r.Name, 255)
	f.str("reason", r.RCode, cefLong)
	f.custom(1, "Query name", r.Name)
	f.custom(2, "Query type", r.Type)
	f.custom(3, "Query class", r.Class)
	f.customList(4, "Flags", r.Flags)
	if len(r.Answers) > 0 {
		f.answers("cs5", r.Answers, cefCustom)
		f.word("cs5Label", "Answers")
	}
	f.number(1, "DNS id", int64(r.ID))
	if r.Response && r.RTT >= 0 {
		f.number(2, "Round trip us", r.RTT/1e3)
	}
}

func (f *cef) http(r *records.HTTP) {
	f.span(r.Start, r.End)
	f.connection(r.Meta(), "http", peer{user: r.User}, peer{host: r.HostName()})
	f.str("request", r.URL, cefLong)
	f.str("requestMethod", r.Method, 40)
	f.str("requestContext", r.Referrer, 2048)
	f.str("requestClientApplication", r.UserAgent, cefLong)
	f.str("fileType", withoutParameters(r.ContentType), cefLong)
	f.str("act", string(r.Cache), cefShort)
	if to := r.OriginAddr; to.Addr().Is4() {
		f.addr("destinationTranslatedAddress", to.Addr())
		f.int("destinationTranslatedPort", int64(to.Port()))
	}
	f.word("outcome", outcome(r.ResponseSeen, r.Status >= 400))
	if r.RequestSeen {
		f.volume("in", max(0, r.RequestHeaders)+max(0, r.RequestBody))
	}
	if r.ResponseSeen {
		f.volume("out", r.ResponseWire)
		f.number(1, "HTTP status", int64(r.Status))
	}
	f.custom(1, "X-Forwarded-For", r.ForwardedFor)
	f.custom(2, "Via", r.Via)
	f.custom(3, "Location", r.Location)
	f.custom(4, "Server", r.Server)
	f.custom(5, "Content", r.Magic)
	f.custom(6, "Violation", r.Odd)
}

func (f *cef) tls(r *records.TLS) {
	f.span(r.Start, r.End)
	f.connection(r.Meta(), r.Protocol, peer{}, peer{host: r.ServerName})
	f.word("outcome", outcome(r.Established || r.Alert != "", !r.Established))
	f.str("reason", r.Alert, cefLong)
	f.custom(1, "TLS version", r.Version)
	f.custom(2, "Cipher", r.Cipher)
	f.custom(3, "JA3", r.JA3)
	if c := r.Certificate; c != nil {
		f.custom(4, "Subject", c.Subject)
		f.custom(5, "Issuer", c.Issuer)
		f.key("cs6")
		f.b = appendHexOctets(f.b, c.SHA256[:], 0, lowerHex)
		f.word("cs6Label", "Certificate SHA-256")
	}
	if r.JA4 != "" {
		f.str("flexString2", r.JA4, cefLong)
		f.word("flexString2Label", "JA4")
	}
}

func (f *cef) mail(r *records.Mail) {
	h := &r.Header
	f.span(r.Start, r.End)
	from := r.Envelope.From
	if !r.Envelope.Seen {
		from = r.User
	}
	f.connection(r.Meta(), r.Protocol, peer{user: from}, peer{anonymous: true})
	f.recipients("duser", r.Envelope.Recipients, cefLong)
	f.str("msg", h.Subject, cefMessage)
	f.word("outcome", outcome(r.Status != 0, r.Status >= 400))
	f.str("reason", r.Reply, cefLong)
	if p := firstAttachment(r.Parts); p != nil {
		f.str("fname", p.Name, cefFile)
		f.str("fileType", p.Type, cefLong)
		f.volume("fsize", p.Size)
		f.str("fileHash", fileHash(p.SHA256, p.SHA1, p.MD5), cefFile)
	}
	if len(h.From) > 0 {
		f.custom(1, "From", h.From[0].Text)
	}
	f.custom(2, "HELO", r.Helo)
	f.custom(3, "Content-Type", withoutParameters(h.ContentType))
	if firstAttachment(r.Parts) != nil {
		f.attachments("cs4", r.Parts, cefCustom)
		f.word("cs4Label", "Attachments")
	}
	f.custom(5, "Message-ID", h.MessageID)
	f.custom(6, "X-Mailer", h.XMailer)
	if r.Status != 0 {
		f.number(1, "Reply code", int64(r.Status))
	}
}

// firstAttachment is the first part that has a name, nil if none has.
func firstAttachment(parts []records.MailPart) *records.MailPart {
	for i := range parts {
		if parts[i].Name != "" {
			return &parts[i]
		}
	}
	return nil
}

// fileHash is the strongest of a file's hashes that is known.
func fileHash(hashes ...string) string {
	for _, h := range hashes {
		if h != "" {
			return h
		}
	}
	return ""
}

func (f *cef) auth(r *records.Auth) {
	f.span(r.Start, r.End)
	f.connection(r.Meta(), r.Protocol, peer{}, peer{user: r.User})
	f.str("dntdom", r.Domain, 255)
	f.word("outcome", outcome(r.Result != records.AuthUnknown, r.Result == records.AuthFailure))
	f.str("reason", r.Reply, cefLong)
	f.custom(1, "Mechanism", r.Mechanism)
	f.custom(2, "Proof", r.Method.String())
	f.custom(3, "Acting for", r.ActingFor)
}

func (f *cef) file(r *records.File) {
	f.span(r.Start, r.End)
	f.connection(r.Meta(), r.Source, peer{}, peer{host: r.Host})
	f.str("fname", fileName(r), cefFile)
	f.str("fileId", r.ID, cefLong)
	f.str("filePath", r.Path, cefLong)
	f.str("fileType", r.MIME, cefLong)
	f.str("fileHash", fileHash(r.SHA256, r.SHA1, r.MD5), cefFile)
	f.volume("fsize", max(r.Size, r.Seen))
	f.str("request", r.URL, cefLong)
	f.custom(1, "Class", r.Class)
	f.customList(2, "Traits", r.Traits)
	f.customList(3, "Mismatch", r.Mismatch)
	f.custom(4, "Content", r.Magic)
	f.custom(5, "Declared type", r.DeclaredType)
	f.custom(6, "Violation", r.Odd)
}

func (f *cef) identity(r *records.Identity) {
	f.address("src", "c6a2", "c6a2Label", "Source IPv6 Address", r.Addr)
	if h := r.Host; h != nil {
		f.str("shost", h.Name.Value, cefHost)
		f.str("suser", h.User.Value, cefLong)
		f.custom(5, "Operating system", h.OS.Value)
		f.custom(6, "MAC address", h.MAC.Value)
	}
	f.custom(1, "What", r.What)
	f.custom(2, "Old value", r.Old)
	f.custom(3, "New value", r.New)
	f.custom(4, "Told by", r.Source)
}

func (f *cef) alert(r *records.Alert) {
	m := r.Meta()
	f.span(r.Since, r.Until)
	source := sourceHost(r)
	f.address("src", "c6a2", "c6a2Label", "Source IPv6 Address", r.Source)
	f.str("shost", source.host, cefHost)
	f.str("suser", source.user, cefLong)
	f.address("dst", "c6a3", "c6a3Label", "Destination IPv6 Address", r.DestAddr)
	f.some("dpt", uint64(r.DestPort))
	f.str("dhost", r.Domain(), cefHost)
	f.word("proto", eveProto(m.Key.Proto))
	f.sentences("msg", r.Evidence, cefMessage)
	f.str("reason", r.Title, cefLong)
	f.custom(1, "May be benign", r.Benign)
	f.customList(2, "ATT&CK technique", r.Technique)
	f.customList(3, "Flow ids", r.Flows)
	f.customList(4, "Community IDs", r.Communities)
	f.custom(5, "Incident", r.Incident)
	f.custom(6, "Level", r.Level)
	f.number(1, "Flows in the window", int64(r.Window.Flows))
	f.number(2, "One-sided flows", int64(r.Window.OneSided))
	f.number(3, "Frames dropped", int64(r.Window.Dropped))
	f.key("cfp1")
	f.b = appendJSONFloat(f.b, r.Score)
	f.word("cfp1Label", "Evidence in nats")
	if r.Update > 0 {
		f.int("flexNumber1", int64(r.Update))
		f.word("flexNumber1Label", "Update of the incident")
	}
	if r.Advice != "" {
		f.str("flexString1", r.Advice, cefLong)
		f.word("flexString1Label", "What to do")
	}
}

func (f *cef) stats(r *records.Stats) {
	f.span(r.Start, r.End)
	f.volume("in", int64(r.Bytes))
	f.number(1, "Frames received", int64(r.Frames))
	f.number(2, "Frames dropped", int64(r.Dropped))
	f.number(3, "Flows open", int64(r.FlowsOpen))
}
