package exporters

import "kagami/records"

func (f *leef) flow(r *records.Flow) {
	m := r.Meta()
	f.span(r.Start, r.End)
	f.connection(m, r.Service, peer{}, peer{host: r.ServerName})
	f.int("srcBytes", int64(r.Orig.IPBytes))
	f.int("dstBytes", int64(r.Resp.IPBytes))
	f.int("srcPackets", int64(r.Orig.Packets))
	f.int("dstPackets", int64(r.Resp.Packets))
	f.int("totalPackets", int64(r.Orig.Packets+r.Resp.Packets))
	f.duration(r.Start, r.End)
	f.str("action", r.Action, leefText)
	f.str("reason", r.Reason, leefText)
	f.str("srcZone", m.ClientZone, leefText)
	f.str("dstZone", m.ServerZone, leefText)
	f.str("state", r.ConnState, leefText)
	f.str("history", r.History, leefText)
	f.str("endReason", r.EndReason, leefText)
	f.str("tunnel", r.Tunnel, leefText)
}

func (f *leef) dns(r *records.DNS) {
	f.time("start", r.Time)
	f.connection(r.Meta(), r.Protocol, peer{}, peer{host: r.Name})
	f.str("query", r.Name, leefText)
	f.str("qtype", r.Type, leefText)
	f.str("qclass", r.Class, leefText)
	f.list("flags", r.Flags, leefText)
	f.str("rcode", r.RCode, leefText)
	f.answers("answers", r.Answers, leefLong)
	f.int("transactionId", int64(r.ID))
	if r.Response && r.RTT >= 0 {
		f.int("rttMicroseconds", r.RTT/1e3)
	}
}

func (f *leef) http(r *records.HTTP) {
	f.span(r.Start, r.End)
	f.connection(r.Meta(), "http", peer{user: r.User}, peer{host: r.HostName()})
	f.str("url", r.URL, leefLong)
	f.str("method", r.Method, leefText)
	if r.ResponseSeen {
		f.int("status", int64(r.Status))
		f.int("dstBytes", max(0, r.ResponseWire))
	}
	if r.RequestSeen {
		f.int("srcBytes", max(0, r.RequestHeaders)+max(0, r.RequestBody))
	}
	f.str("userAgent", r.UserAgent, leefText)
	f.str("referrer", r.Referrer, leefText)
	f.str("mime", withoutParameters(r.ContentType), leefText)
	f.str("content", r.Magic, leefText)
	f.str("location", r.Location, leefText)
	f.str("server", r.Server, leefText)
	f.str("forwardedFor", r.ForwardedFor, leefText)
	f.str("via", r.Via, leefText)
	f.flag("proxied", r.Proxied)
	f.str("cache", string(r.Cache), leefText)
	if r.OriginAddr.IsValid() {
		f.addr("originAddress", r.OriginAddr.Addr())
		f.int("originPort", int64(r.OriginAddr.Port()))
	}
	f.str("violation", r.Odd, leefText)
}

func (f *leef) tls(r *records.TLS) {
	f.span(r.Start, r.End)
	f.connection(r.Meta(), r.Protocol, peer{}, peer{host: r.ServerName})
	f.str("tlsVersion", r.Version, leefText)
	f.str("cipher", r.Cipher, leefText)
	f.str("ja3", r.JA3, leefText)
	f.str("ja3s", r.JA3S, leefText)
	f.str("ja4", r.JA4, leefText)
	f.str("alpn", r.ALPN, leefText)
	f.flag("established", r.Established)
	f.flag("resumed", r.Resumed)
	f.str("alert", r.Alert, leefText)
	if c := r.Certificate; c != nil {
		f.str("subject", c.Subject, leefText)
		f.str("issuer", c.Issuer, leefText)
		f.key("certificateSha256")
		f.b = appendHexOctets(f.b, c.SHA256[:], 0, lowerHex)
	}
}

func (f *leef) mail(r *records.Mail) {
	h := &r.Header
	f.span(r.Start, r.End)
	from := r.Envelope.From
	if !r.Envelope.Seen {
		from = r.User
	}
	f.connection(r.Meta(), r.Protocol, peer{user: from}, peer{})
	f.str("mailFrom", r.Envelope.From, leefText)
	f.recipients("rcptTo", r.Envelope.Recipients, leefLong)
	if len(h.From) > 0 {
		f.str("from", h.From[0].Text, leefText)
	}
	f.str("subject", h.Subject, leefText)
	f.str("messageId", h.MessageID, leefText)
	f.str("contentType", withoutParameters(h.ContentType), leefText)
	f.str("helo", r.Helo, leefText)
	f.str("mailer", h.XMailer, leefText)
	f.attachments("attachment", r.Parts, leefLong)
	if p := firstAttachment(r.Parts); p != nil {
		f.str("fileHash", fileHash(p.SHA256, p.SHA1, p.MD5), leefText)
	}
	f.some("status", uint64(max(0, r.Status)))
	f.str("reply", r.Reply, leefText)
}

func (f *leef) auth(r *records.Auth) {
	f.span(r.Start, r.End)
	f.connection(r.Meta(), r.Protocol, peer{user: r.User}, peer{})
	f.str("accountDomain", r.Domain, leefText)
	f.str("actingFor", r.ActingFor, leefText)
	f.str("mechanism", r.Mechanism, leefText)
	f.str("proof", r.Method.String(), leefText)
	f.word("outcome", r.Result.String())
	f.str("reply", r.Reply, leefText)
}

func (f *leef) file(r *records.File) {
	f.span(r.Start, r.End)
	f.connection(r.Meta(), r.Source, peer{}, peer{host: r.Host})
	f.str("url", r.URL, leefLong)
	f.str("fileName", fileName(r), leefText)
	f.str("fileId", r.ID, leefText)
	f.str("filePath", r.Path, leefText)
	f.int("fileSize", max(0, r.Size, r.Seen))
	f.str("mime", r.MIME, leefText)
	f.str("declaredMime", r.DeclaredType, leefText)
	f.str("class", r.Class, leefText)
	f.str("content", r.Magic, leefText)
	f.list("traits", r.Traits, leefText)
	f.list("mismatch", r.Mismatch, leefText)
	f.str("md5", r.MD5, leefText)
	f.str("sha1", r.SHA1, leefText)
	f.str("sha256", r.SHA256, leefText)
	f.flag("complete", r.Complete)
	f.str("violation", r.Odd, leefText)
}

func (f *leef) identity(r *records.Identity) {
	f.addr("src", r.Addr)
	f.addr("identSrc", r.Addr)
	if h := r.Host; h != nil {
		f.str("identHostName", h.Name.Value, leefText)
		f.str("usrName", h.User.Value, leefText)
		f.str("os", h.OS.Value, leefText)
		f.str("mac", h.MAC.Value, leefText)
		f.list("roles", h.Roles, leefText)
	}
	f.str("what", r.What, leefText)
	f.str("old", r.Old, leefText)
	f.str("new", r.New, leefText)
	f.str("toldBy", r.Source, leefText)
	f.time("oldSince", r.Since)
}

func (f *leef) alert(r *records.Alert) {
	f.span(r.Since, r.Until)
	f.addr("src", r.Source)
	f.addr("dst", r.DestAddr)
	f.some("dstPort", uint64(r.DestPort))
	f.word("proto", eveProto(r.Meta().Key.Proto))
	source := sourceHost(r)
	f.str("identHostName", source.host, leefText)
	f.str("usrName", source.user, leefText)
	f.str("domain", r.Domain(), leefText)
	f.str("title", r.Title, leefText)
	f.str("incident", r.Incident, leefText)
	f.some("update", uint64(r.Update))
	f.str("level", r.Level, leefText)
	f.sentences("evidence", r.Evidence, leefLong)
	f.sentences("chain", r.Chain, leefLong)
	f.str("benign", r.Benign, leefText)
	f.str("advice", r.Advice, leefText)
	f.list("technique", r.Technique, leefText)
	f.list("flowIds", r.Flows, leefText)
	f.list("communityIds", r.Communities, leefText)
	f.word("severityName", r.Severity.String())
	f.key("score")
	f.b = appendJSONFloat(f.b, r.Score)
}

func (f *leef) stats(r *records.Stats) {
	f.span(r.Start, r.End)
	f.int("frames", int64(r.Frames))
	f.int("bytes", int64(r.Bytes))
	f.int("dropped", int64(r.Dropped))
	f.int("flowsNew", int64(r.FlowsNew))
	f.int("flowsOpen", int64(r.FlowsOpen))
	f.int("gaps", int64(r.Gaps))
}
