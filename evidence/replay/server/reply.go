package server

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"kagami/evidence/replay"
)

// reply is what a client gets.
type reply struct {
	status int
	reason string
	header []replay.Field // in order, with the length of the body, and nothing else of framing
	body   []byte
}

// has tells whether a status comes with content (RFC 9110 section 6.4.1).
func has(status int) bool { return status/100 != 1 && status != 204 && status != 304 }

// answered makes the reply of an answer that was found.
func answered(q *request, f *found, defanged bool) *reply {
	t, a := f.t, f.t.Response
	r := &reply{status: a.Status, reason: a.Reason}
	drop := hopByHop()
	bare, short, head := false, "", false
	switch {
	case f.object != nil:
		r.status, r.reason, r.body = http.StatusOK, "OK", f.object.Data
		drop = append(drop, "content-range")
		if short = ""; !f.object.Complete {
			short = fmt.Sprintf("the first %d octets were transferred and captured, of %d", len(r.body), f.object.Size)
		}
	case t.Request.Method == "HEAD":
		head = true
	case has(a.Status):
		r.body, bare = f.content()
		short = missing(&a.Body)
	}
	if bare {
		drop = append(drop, "content-encoding")
	}
	r.header = slices.DeleteFunc(slices.Clone(a.Header), func(f replay.Field) bool {
		return !isToken(f.Name) || slices.Contains(drop, strings.ToLower(f.Name))
	})
	if f.object != nil && f.object.Declares != "" {
		r.retype(f.object.Declares)
	}
	if defanged && !head && has(r.status) {
		r.defang(a, f.object)
	} else if r.status == http.StatusOK && short == "" && !head && (f.object != nil || t.Request.Get("Range") == "") {
		r.cut(q)
	}
	r.measure(head)
	if short != "" {
		r.add("X-Replay-Incomplete", short)
	}
	r.add("X-Replay-Transaction", strconv.Itoa(t.Number))
	r.add("X-Replay-Match", f.match.String())
	return r
}

// String says it in a header field.
func (m Match) String() string {
	s := string(m.How)
	if m.How == ByQuery {
		s += fmt.Sprintf(" %.2f", m.Score)
	}
	if m.OtherScheme {
		s += ", other scheme"
	}
	if m.OtherClient {
		s += ", other client"
	}
	return s
}

// missing says what of a body is, "" = nothing.
func missing(b *replay.Body) string {
	switch {
	case b.Complete:
		return ""
	case b.Why == "":
		return "it is not complete"
	}
	return b.Why
}

// hopByHop are the fields of one connection: the client's is another, and so is the
// way in which a body's end is told on it.
func hopByHop() []string {
	return []string{"connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authentication-info", "te", "trailer", "upgrade"}
}

// content is an answer's content in its content codings, which is what a client asks
// for, as far as it was captured. What is cut off is given without its coding, if that
// could be undone, because a client would throw away all of it: then bare is true.
func (a *answer) content() (b []byte, bare bool) {
	a.once.Do(func() { a.wire, a.bare = contentOf(a.t.Response) })
	return a.wire, a.bare
}

func contentOf(a *replay.Response) (b []byte, bare bool) {
	body := &a.Body
	codings := slices.DeleteFunc(slices.Clone(body.Encodings), func(c string) bool { return c == "identity" || c == "" })
	if len(codings) == 0 || a.Status == http.StatusPartialContent {
		return body.Data, false
	}
	b = body.Wire
	if len(body.Holes) > 0 {
		b = b[:min(max(body.Holes[0].Offset, 0), int64(len(b)))]
	}
	switch transfer := transferCodings(a); {
	case len(transfer) > 1 || len(transfer) == 1 && transfer[0] != "chunked":
		return body.Data, true
	case len(transfer) == 1:
		b, _ = io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(b))) // up to what is no chunk
	}
	if !body.Complete && len(codings) == 1 && len(body.Data) > 0 && !bytes.Equal(body.Data, b) {
		return body.Data, true
	}
	return b, false
}

// transferCodings are those of HTTP/1; other versions have none.
func transferCodings(a *replay.Response) (all []string) {
	if !strings.HasPrefix(a.Version, "HTTP/1") {
		return nil
	}
	for i := range a.Header {
		if strings.EqualFold(a.Header[i].Name, "Transfer-Encoding") {
			for c := range strings.SplitSeq(strings.ToLower(a.Header[i].Value), ",") {
				if c = strings.TrimSpace(c); c != "" && c != "identity" {
					all = append(all, c)
				}
			}
		}
	}
	return all
}

// measure puts the body's length where its framing was said. head is the answer to a
// HEAD: its length is that of what was not sent. That of a 304 is, too, but some
// clients of HTTP/2 wait for it, and it may be left out.
func (r *reply) measure(head bool) {
	const length, coding = "Content-Length", "Transfer-Encoding"
	said := false
	r.header = slices.DeleteFunc(r.header, func(f replay.Field) bool {
		framing := strings.EqualFold(f.Name, length) || strings.EqualFold(f.Name, coding)
		switch {
		case !framing:
			return false
		case head:
			_, err := strconv.ParseUint(f.Value, 10, 62)
			return said || err != nil || !strings.EqualFold(f.Name, length)
		}
		remove := said || !has(r.status)
		said = true
		return remove
	})
	if head || !has(r.status) {
		return
	}
	n := strconv.Itoa(len(r.body))
	for i := range r.header {
		if f := &r.header[i]; strings.EqualFold(f.Name, coding) {
			*f = replay.Field{Name: length, Value: n}
			return
		} else if strings.EqualFold(f.Name, length) {
			f.Value = n
			return
		}
	}
	r.add(length, n)
}

func (r *reply) add(name, value string) {
	r.header = append(r.header, replay.Field{Name: name, Value: value})
}

// retype replaces the media type.
func (r *reply) retype(to string) {
	for i := range r.header {
		if f := &r.header[i]; strings.EqualFold(f.Name, "Content-Type") && strings.HasPrefix(strings.ToLower(f.Value), "multipart/byteranges") {
			f.Value = to
		}
	}
}

// get is the first value of a field, "" when there is none.
func (r *reply) get(name string) string {
	for i := range r.header {
		if strings.EqualFold(r.header[i].Name, name) {
			return r.header[i].Value
		}
	}
	return ""
}

// cut makes a part of a whole, if one range was asked for (RFC 9110 section 14.2).
// Who asks for several gets the whole, as many servers do.
func (r *reply) cut(q *request) {
	if v := q.get("If-Range"); q.method != "GET" || v != "" && v != r.get("ETag") && v != r.get("Last-Modified") {
		return
	}
	size := int64(len(r.body))
	first, last, ok := oneRange(q.get("Range"), size)
	switch {
	case !ok:
	case first > last:
		r.status, r.reason, r.body = http.StatusRequestedRangeNotSatisfiable, "Range Not Satisfiable", nil
		r.add("Content-Range", fmt.Sprintf("bytes */%d", size))
	default:
		r.status, r.reason, r.body = http.StatusPartialContent, "Partial Content", r.body[first:last+1]
		r.add("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, size))
	}
}

// oneRange reads "bytes=0-499", "bytes=500-" or "bytes=-500" of size octets. first is
// behind last when nothing of it is there; ok is false for anything else.
func oneRange(v string, size int64) (first, last int64, ok bool) {
	v, is := strings.CutPrefix(strings.ToLower(strings.TrimSpace(v)), "bytes=")
	from, to, dash := strings.Cut(v, "-")
	if !is || !dash || from == "" && to == "" {
		return 0, 0, false
	}
	last = size - 1
	if to != "" {
		n, err := strconv.ParseUint(to, 10, 62)
		if err != nil {
			return 0, 0, false
		}
		if from == "" {
			if n == 0 {
				return size, size - 1, true
			}
			return max(0, size-int64(n)), last, true
		}
		last = min(last, int64(n))
	}
	n, err := strconv.ParseUint(from, 10, 62)
	if first = int64(n); err != nil || to != "" && first > last && first < size {
		return 0, 0, false
	}
	return first, last, true
}

// plainReply is one of the server itself.
func plainReply(status int, text string) *reply {
	r := &reply{status: status, reason: http.StatusText(status), body: []byte(text)}
	r.header = []replay.Field{{Name: "Content-Type", Value: "text/plain; charset=utf-8"}, {Name: "X-Content-Type-Options", Value: "nosniff"}, {Name: "Cache-Control", Value: "no-store"}}
	r.measure(false)
	return r
}

// sentBack is the reply to who should ask by http.
func sentBack(q *request) *reply {
	to := q.crossed().String()
	r := plainReply(http.StatusTemporaryRedirect, "This was recorded by http: "+to+"\n")
	r.add("Location", to)
	return r
}

// missed is the reply to what has no answer.
func missed(q *request, why, nearest string) *reply {
	status := http.StatusGatewayTimeout
	if strings.HasSuffix(q.path, "/favicon.ico") {
		status = http.StatusNotFound
	}
	text := fmt.Sprintf("%s %s\nis not in this replay: %s.\n", q.method, q.address, why)
	if nearest != "" {
		text += "The nearest URL that was recorded is " + nearest + "\n"
	}
	r := plainReply(status, text)
	r.add("X-Replay-Miss", why)
	if nearest != "" {
		r.add("X-Replay-Nearest", nearest)
	}
	return r
}

// write writes a reply the way HTTP/1.1 does, without its content for a HEAD.
func (r *reply) write(q *request, closes bool) (head, body []byte) {
	b := make([]byte, 0, 1<<10)
	b = fmt.Appendf(b, "HTTP/1.1 %03d %s\r\n", r.status, line(r.reason))
	for _, f := range r.header {
		b = append(b, f.Name...)
		b = append(b, ": "...)
		b = append(b, line(f.Value)...)
		b = append(b, "\r\n"...)
	}
	if closes {
		b = append(b, "Connection: close\r\n"...)
	}
	b = append(b, "\r\n"...)
	if q != nil && q.method == "HEAD" || !has(r.status) {
		return b, nil
	}
	return b, r.body
}

// line is s with blanks for control characters, which would end a line or make
// clients refuse it. Other octets need not be UTF-8.
func line(s string) string {
	control := func(c byte) bool { return c < ' ' && c != '\t' || c == 0x7f }
	var b []byte
	for i := range len(s) {
		if control(s[i]) {
			if b == nil {
				b = []byte(s)
			}
			b[i] = ' '
		}
	}
	if b == nil {
		return s
	}
	return string(b)
}

// fill puts a reply's header into one of net/http, which adds what is not there of its
// own unless it is told not to.
func (r *reply) fill(h http.Header) {
	h["Date"], h["Content-Type"] = nil, nil
	for _, f := range r.header {
		name := textproto.CanonicalMIMEHeaderKey(f.Name)
		h[name] = append(h[name], line(f.Value))
	}
}
