package har

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"kagami/evidence/replay"
	"kagami/evidence/replay/internal/plain"
)

func (a *archive) request(t *replay.Transaction) {
	q := t.Request
	uri, comment := plain.URI(t)
	a.open("request", '{')
	a.field("method", plain.Text(q.Method))
	a.field("url", uri)
	a.field("httpVersion", plain.Text(q.Version))
	a.field("cookies", requestCookies(q.Header))
	a.field("headers", pairs(q.Header))
	a.field("queryString", query(q.URL))
	if len(q.Body.Data) > 0 {
		a.postData(q)
	}
	a.sizes(&q.Message)
	if q.Body.Why != "" {
		comment = strings.TrimPrefix(comment+"; body: "+plain.Text(q.Body.Why), "; ")
	}
	a.optional("comment", comment)
	a.message(&q.Message)
	a.close('}')
}

// sizes are octets on the wire. HTTP/2's headers are compressed, their size says nothing.
func (a *archive) sizes(m *replay.Message) {
	head := len(m.Head)
	if m.Version == "HTTP/2" || head == 0 {
		head = -1
	}
	a.field("headersSize", head)
	a.field("bodySize", len(m.Body.Wire))
}

// query are the parameters of a URL, in order.
func query(u *url.URL) []pair {
	if u == nil {
		return []pair{}
	}
	return form(u.RawQuery)
}

// maxParams bounds how many parameters are taken apart; the text holds them all.
const maxParams = 4096

// form takes apart what a form or a query has. What is not escaped rightly stays as
// it is.
func form(s string) []pair {
	list := []pair{}
	for part := range strings.SplitSeq(s, "&") {
		if part == "" {
			continue
		}
		if len(list) == maxParams {
			break
		}
		name, value, _ := strings.Cut(part, "=")
		list = append(list, pair{unescape(name), unescape(value)})
	}
	return list
}

func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil && utf8.ValidString(u) {
		return u
	}
	return plain.Text(s)
}

// postData is what a request carries. Octets that are no text are in base64, which
// HAR 1.2 has no field to say of here.
func (a *archive) postData(q *replay.Request) {
	a.open("postData", '{')
	a.field("mimeType", mediaType(&q.Message))
	if plain.IsText(q.Body.Data) {
		a.text("text", q.Body.Data)
	} else {
		a.base64("text", q.Body.Data)
		a.field("_encoding", "base64")
	}
	ps, why := params(q)
	a.field("params", ps)
	a.optional("comment", why)
	a.close('}')
}

// mediaType is the declared one with its parameters; "x-unknown" is what browsers write.
func mediaType(m *replay.Message) string {
	if s := m.Get("Content-Type"); s != "" {
		return plain.Text(s)
	}
	return "x-unknown"
}
