package replay

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/gabriel-vasile/mimetype"
)

// fill makes a message's body of the octets at e: what was transferred, and what that
// decodes to. transfer are the transfer codings besides chunked.
func (r *reader) fill(t *Transaction, m *Message, s *reel, e *extent, transfer []string) {
	b := &m.Body
	b.Wire = s.span(e.from, e.to)
	kind, why := e.kind, e.why
	for _, g := range s.gapsIn(e.from, e.to) {
		n := min(g.off+g.n, e.to) - max(g.off, e.from)
		b.Holes = append(b.Holes, Span{Offset: int64(s.index(max(g.off, e.from)) - s.index(e.from)), Length: n})
		b.Missing += n
		if b.Why == "" {
			b.Why = gapText(g.why, n, g.off-e.from)
		}
		r.hole(Hole{Kind: g.why, Flow: t.Flow, Transaction: t, Time: s.at(g.off).time, Offset: max(g.off, e.from) - e.from,
			Length: n, Text: gapText(g.why, n, g.off-e.from)})
	}
	if why != "" {
		r.hole(Hole{Kind: kind, Flow: t.Flow, Transaction: t, Time: s.at(e.to).time, Offset: e.to - e.from, Length: e.short, Text: why})
		b.Missing += e.short
		if b.Why == "" {
			b.Why = why
		}
	}
	coded, whole := s.content(e)
	r.decode(t, m, coded, whole, transfer)
}

func gapText(why HoleKind, n, at int64) string {
	return fmt.Sprintf("%s at %d %s not %s", plural(n, "octet"), max(at, 0), were(n), verbOf(why))
}

// verbOf is what did not happen to octets that are not there.
func verbOf(why HoleKind) string {
	switch why {
	case HoleLimit:
		return "kept"
	case HoleDark:
		return "decrypted"
	}
	return "captured"
}

// content is what the chunks hold, up to the first gap. whole says that it is all
// there is. It is the reel's memory when it can be.
func (s *reel) content(e *extent) (b []byte, whole bool) {
	end := e.to
	if gs := s.gapsIn(e.from, e.to); len(gs) > 0 {
		end = max(gs[0].off, e.from)
	}
	whole = end == e.to && e.why == ""
	n := 0
	for _, c := range e.chunks {
		n += int(max(0, min(c[1], end)-c[0]))
	}
	for _, c := range e.chunks {
		if c[0] >= end {
			break
		}
		part := s.span(c[0], min(c[1], end))
		if b == nil && len(part) == n {
			return part, whole
		}
		if b == nil {
			b = make([]byte, 0, n)
		}
		b = append(b, part...)
	}
	return b, whole
}

// decode undoes the codings and says what the content is. b is what was sent, whole
// if nothing of it is missing.
func (r *reader) decode(t *Transaction, m *Message, b []byte, whole bool, transfer []string) {
	body := &m.Body
	body.Declares, _, _ = strings.Cut(strings.ToLower(m.Get("Content-Type")), ";")
	body.Declares = strings.TrimSpace(body.Declares)
	body.Encodings = list(m.Header, "Content-Encoding")
	codings := slices.Concat(body.Encodings, transfer)
	codings = slices.DeleteFunc(codings, func(c string) bool { return c == "identity" || c == "" })
	shared := len(body.Wire) > 0 && len(b) > 0 && &b[0] == &body.Wire[0]
	if !shared {
		r.used += int64(len(b))
	}
	body.Complete = whole
	if a := t.Response; a != nil && m == &a.Message && a.Status == 206 {
		codings = transfer // a range of what is coded does not decode
	}
	if len(codings) > 0 && len(b) > 0 {
		b = r.uncode(t, m, b, whole, codings)
	}
	body.Data = b
	r.name(body)
}

// workPerKept is how many octets are decoded in all, for each that may be kept.
const workPerKept = 16

// uncode undoes codings, the last first.
func (r *reader) uncode(t *Transaction, m *Message, b []byte, whole bool, codings []string) []byte {
	body := &m.Body
	fail := func(kind HoleKind, why string) {
		body.Complete = false
		if body.Why == "" {
			body.Why = why
		}
		if kind == HoleLimit {
			body.Limits = append(body.Limits, why)
		}
		r.hole(Hole{Kind: kind, Flow: t.Flow, Transaction: t, Time: m.End, Offset: int64(len(b)), Text: why})
	}
	if len(codings) > r.limits.Codings {
		fail(HoleLimit, fmt.Sprintf("%d codings on top of each other, more than %d", len(codings), r.limits.Codings))
		return b
	}
	most, which := r.limits.decoded(len(b))
	if left := r.left(); left < most {
		most, which = left, "no more octets are kept in all"
	}
	for i, coding := range slices.Backward(codings) {
		if r.worked > workPerKept*r.memory.limit {
			fail(HoleLimit, "too much was decoded already: this is not")
			return b
		}
		out, why := decoded(coding, b, most)
		r.worked += int64(len(out))
		switch why {
		case "":
		case tooLong:
			fail(HoleLimit, which)
			r.memory.full = r.memory.full || strings.HasPrefix(which, "no more")
		case notCoded, notKnown, tooMuch:
			fail(HoleEncoding, fmt.Sprintf(why, coding))
			return b
		default:
			if whole || why != cutShort { // else it is said already
				fail(HoleEncoding, fmt.Sprintf(why, coding))
			}
		}
		r.used += int64(len(out))
		if i < len(codings)-1 {
			r.used -= int64(len(b))
		}
		b = out
		if why != "" {
			whole = false
		}
	}
	return b
}

// name says what a body is by content: its type, and its hashes.
func (r *reader) name(b *Body) {
	if len(b.Data) == 0 {
		return
	}
	b.MD5, b.SHA1, b.SHA256 = hashes(b.Data)
	b.Magic = magic(b.Data)
}

func hashes(b []byte) (m5, s1, s256 string) {
	m, s, h := md5.Sum(b), sha1.Sum(b), sha256.Sum256(b)
	return hex.EncodeToString(m[:]), hex.EncodeToString(s[:]), hex.EncodeToString(h[:])
}

// magic is the media type by content, without parameters.
func magic(b []byte) string {
	const enough = 8 << 10
	name, _, _ := strings.Cut(mimetype.Detect(b[:min(len(b), enough)]).String(), ";")
	if name == "text/csv" || name == "text/tab-separated-values" { // any text with a few commas
		return "text/plain"
	}
	return name
}
