package warc

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"kagami/evidence/replay"
	"kagami/evidence/replay/internal/plain"
)

// recordID is a UUID of version 8 (RFC 9562 section 5.8) made of what a record is.
func recordID(parts ...string) string {
	h := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	h[6] = h[6]&0x0f | 0x80
	h[8] = h[8]&0x3f | 0x80
	return fmt.Sprintf("<urn:uuid:%x-%x-%x-%x-%x>", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// simple has no headers, which programs that read archives look for.
const simple = "HTTP/0.9"

// transaction writes the records of a transaction.
func (a *archive) transaction(t *replay.Transaction) error {
	uri, why := plain.URI(t)
	var all []*record
	if t.Response != nil {
		all = append(all, a.message(t, &t.Response.Message, "response", uri))
	}
	if t.Request.Method != "" && t.Request.Version != simple {
		all = append(all, a.message(t, &t.Request.Message, "request", uri))
	}
	m := a.metadata(t, uri, why)
	for i, x := range all {
		a.seal(x)
		if i > 0 {
			x.fields = append(x.fields, Field{"WARC-Concurrent-To", all[0].id})
		}
		m.fields = append(m.fields, Field{"WARC-Concurrent-To", x.id})
	}
	a.seal(m)
	for _, x := range append(all, m) {
		if err := a.write(x); err != nil {
			return err
		}
	}
	return nil
}

// message is the record of a request or a response.
func (a *archive) message(t *replay.Transaction, m *replay.Message, kind, uri string) *record {
	x := &record{kind: kind, number: t.Number, at: m.Time, uri: uri, contentType: "application/http; msgtype=" + kind,
		block: [][]byte{m.Head, m.Body.Wire}}
	if kind == "response" && (len(m.Head) == 0 || m.Version == simple) {
		x.kind, x.contentType = "resource", "application/octet-stream"
	}
	x.address(t.Flow)
	x.protocol(t.Flow, m)
	cut := a.truncated(t, m)
	if cut != "" {
		x.fields = append(x.fields, Field{"WARC-Truncated", cut})
	}
	if cut == "" && len(m.Body.Wire) > 0 && !transferCoded(m) && strings.HasPrefix(uri, "http") {
		x.fields = append(x.fields, Field{"WARC-Payload-Digest", Digest(m.Body.Wire)})
	}
	if kind == "response" && isMediaType(m.Body.Magic) {
		x.fields = append(x.fields, Field{"WARC-Identified-Payload-Type", m.Body.Magic})
	}
	return x
}

func (x *record) address(f *replay.Flow) {
	if ip := f.Server.Addr(); ip.IsValid() {
		x.fields = append(x.fields, Field{"WARC-IP-Address", ip.WithZone("").Unmap().String()})
	}
}

// protocol says what the wire had, as proposed to the IIPC
// (https://github.com/iipc/warc-specifications/issues/42).
func (x *record) protocol(f *replay.Flow, m *replay.Message) {
	name := strings.ToLower(m.Version)
	if name == "http/2" {
		name = "h2"
	}
	if plain.Line(name) == name && name != "" {
		x.fields = append(x.fields, Field{"WARC-Protocol", name})
	}
	if f.TLS == nil {
		return
	}
	if v := strings.ToLower(strings.ReplaceAll(plain.Line(f.TLS.Version), " ", "/")); v != "" {
		x.fields = append(x.fields, Field{"WARC-Protocol", "tls/" + strings.TrimPrefix(v, "tls/")})
	}
}

// truncated is why a block lacks octets, in the words that WARC has for that
// (section 5.13), "" = it does not.
func (a *archive) truncated(t *replay.Transaction, m *replay.Message) string {
	b := &m.Body
	if b.Complete && b.Missing == 0 && len(b.Holes) == 0 {
		return ""
	}
	kinds := make(map[replay.HoleKind]bool)
	for _, h := range a.holes[t] {
		kinds[h.Kind] = true
	}
	missing := b.Missing > 0 || len(b.Holes) > 0
	switch {
	case missing && kinds[replay.HoleLimit]:
		return "length"
	case kinds[replay.HoleGap], kinds[replay.HoleLost], kinds[replay.HoleMidstream], kinds[replay.HoleDark]:
		return "unspecified"
	case kinds[replay.HoleTruncated]:
		return "disconnect"
	case missing, kinds[replay.HoleSyntax]:
		return "unspecified"
	}
	return "" // it is all there, but does not decode
}

func transferCoded(m *replay.Message) bool {
	for _, f := range m.Header {
		if strings.EqualFold(f.Name, "Transfer-Encoding") {
			return true
		}
	}
	return false
}

// isMediaType tells type/subtype without parameters.
func isMediaType(s string) bool {
	name, sub, ok := strings.Cut(s, "/")
	return ok && isToken(name) && isToken(sub)
}

// metadata tells what records have no word for.
func (a *archive) metadata(t *replay.Transaction, uri, why string) *record {
	b := &lines{}
	b.add("kagami-transaction", fmt.Sprint(t.Number))
	b.add("kagami-client", t.Flow.Client.String())
	b.add("kagami-server", t.Flow.Server.String())
	b.add("kagami-community-id", t.Flow.CommunityID)
	if t.Stream != 0 {
		b.add("kagami-stream", fmt.Sprint(t.Stream))
	}
	if t.Pushed {
		b.add("kagami-pushed", "the server sent it unasked")
	}
	b.add("kagami-uri", why)
	b.add("kagami-switched", t.Switched)
	at := t.Request.Time
	if t.Request.Method != "" {
		b.message("request", &t.Request.Message)
	}
	if t.Request.Version == simple {
		b.add("kagami-request-head", base64.StdEncoding.EncodeToString(t.Request.Head))
	}
	for _, r := range t.Early {
		b.add("kagami-early", fmt.Sprintf("status %d; frames %d-%d; head %s", r.Status, r.Frame, r.Till, base64.StdEncoding.EncodeToString(r.Head)))
	}
	if t.Response != nil {
		b.message("response", &t.Response.Message)
		if at == 0 {
			at = t.Response.Time
		}
	}
	for _, h := range a.holes[t] {
		b.add("kagami-hole", holeText(h))
	}
	return &record{kind: "metadata", number: t.Number, at: at, uri: uri, contentType: "application/warc-fields", block: [][]byte{b.text()}}
}

// message tells of a request or a response.
func (l *lines) message(kind string, m *replay.Message) {
	b := &m.Body
	name := func(s string) string { return "kagami-" + kind + "-" + s }
	l.add(name("frames"), fmt.Sprintf("%d-%d", m.Frame, m.Till))
	if len(b.Data) > 0 {
		l.add(name("decoded-size"), fmt.Sprint(len(b.Data)))
		l.add(name("decoded-md5"), b.MD5)
		l.add(name("decoded-sha1"), b.SHA1)
		l.add(name("decoded-sha256"), b.SHA256)
		l.add(name("decoded-type"), b.Magic)
	}
	complete := "yes"
	if !b.Complete {
		complete = "no: " + b.Why
	}
	l.add(name("complete"), complete)
	for _, h := range b.Holes {
		l.add(name("hole"), fmt.Sprintf("%d octets are missing at %d of the body", h.Length, h.Offset))
	}
	for _, f := range m.Trailer {
		l.add(name("trailer"), f.Name+": "+f.Value)
	}
}

// object writes what was joined of ranges, and where they came from.
func (a *archive) object(i int, o *replay.Object) error {
	if o.URL == nil || len(o.Pieces) == 0 || len(o.Data) == 0 {
		return nil
	}
	first := o.Pieces[0].Transaction
	number := -2 - i // not a transaction's
	x := &record{kind: "resource", number: number, at: messageTime(first), uri: plain.URL(o.URL), contentType: "application/octet-stream", block: [][]byte{o.Data}}
	if isMediaType(o.Declares) {
		x.contentType = o.Declares
	}
	x.address(first.Flow)
	if !o.Complete {
		x.fields = append(x.fields, Field{"WARC-Truncated", "unspecified"})
	}
	if isMediaType(o.Magic) {
		x.fields = append(x.fields, Field{"WARC-Identified-Payload-Type", o.Magic})
	}
	a.seal(x)
	b := &lines{}
	b.add("kagami-joined", fmt.Sprintf("of %d ranges; size %d", len(o.Pieces), o.Size))
	b.add("kagami-client", o.Client.String())
	b.add("kagami-validator", o.Validator)
	b.add("kagami-decoded-sha256", o.SHA256)
	for _, p := range o.Pieces {
		b.add("kagami-piece", fmt.Sprintf("offset %d; length %d; transaction %d", p.Offset, p.Length, p.Transaction.Number))
	}
	for _, m := range o.Missing {
		b.add("kagami-hole", fmt.Sprintf("%s; offset %d; length %d", replay.HoleRange, m.Offset, m.Length))
	}
	m := &record{kind: "metadata", number: number, at: x.at, uri: x.uri, contentType: "application/warc-fields", block: [][]byte{b.text()},
		fields: []Field{{"WARC-Concurrent-To", x.id}}}
	a.seal(m)
	if err := a.write(x); err != nil {
		return err
	}
	return a.write(m)
}

func messageTime(t *replay.Transaction) int64 {
	if t.Response != nil {
		return t.Response.Time
	}
	return t.Request.Time
}
