package lab

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// header is one field line; the order of a message's headers is kept.
type header struct{ name, value string }

// request is what a client wants, whatever way it takes.
type request struct {
	from    *Host
	method  string // empty: GET
	site    string // Host
	path    string
	agent   string // empty: the host's browser
	program string // keeps its connections to the proxy apart; empty: the browser
	headers []header
	body    []byte
}

// response is the origin's answer.
type response struct {
	status  int // 0: 200
	kind    string
	headers []header
	body    []byte
	chunked bool
	maxAge  time.Duration // > 0: the proxy may keep it
	local   bool          // made by the proxy itself, the origin is not asked
}

func (q request) url() string { return "http://" + q.site + q.path }

func (q request) verb() string {
	if q.method == "" {
		return http.MethodGet
	}
	return q.method
}

// message joins a start line, headers and a body already framed for transfer.
func message(start string, headers []header, body []byte) []byte {
	var b bytes.Buffer
	b.WriteString(start + "\r\n")
	for _, h := range headers {
		b.WriteString(h.name + ": " + h.value + "\r\n")
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}

// bytes writes the request for the target form given, with the headers of the
// hop between the client's own.
func (q request) bytes(target string, hop ...header) []byte {
	agent := q.agent
	if agent == "" && q.from != nil {
		agent = q.from.Agent
	}
	hs := []header{{"Host", q.site}}
	if agent != "" {
		hs = append(hs, header{"User-Agent", agent})
	}
	hs = append(hs, q.headers...)
	if len(q.body) > 0 || q.verb() == http.MethodPost {
		hs = append(hs, header{"Content-Length", strconv.Itoa(len(q.body))})
	}
	return message(q.verb()+" "+target+" HTTP/1.1", append(hs, hop...), q.body)
}

// bodiless reports whether the answer has headers only (RFC 9112 section 6.3).
func (a response) bodiless(q request) bool {
	return q.verb() == http.MethodHead || a.status == http.StatusNotModified || a.status == http.StatusNoContent
}

// head returns the status line and headers, and the body framed for transfer.
func (d *day) head(t time.Duration, q request, a response, hop ...header) (head, body []byte) {
	status := a.status
	if status == 0 {
		status = http.StatusOK
	}
	hs := []header{{"Date", d.httpDate(t)}}
	if s := d.s.site(q.site); s != nil && s.Server != "" && !a.local {
		hs = append(hs, header{"Server", s.Server})
	}
	if a.kind != "" {
		hs = append(hs, header{"Content-Type", a.kind})
	}
	hs = append(hs, a.headers...)
	body = a.body
	switch {
	case a.status == http.StatusNotModified || a.status == http.StatusNoContent:
		body = nil
	case a.chunked:
		hs = append(hs, header{"Transfer-Encoding", "chunked"})
		body = chunked(body)
	default:
		hs = append(hs, header{"Content-Length", strconv.Itoa(len(body))})
	}
	if a.bodiless(q) {
		body = nil
	}
	return message(fmt.Sprintf("HTTP/1.1 %d %s", status, http.StatusText(status)), append(hs, hop...), nil), body
}

func (d *day) httpDate(t time.Duration) string {
	return d.s.Start.Add(t).UTC().Format(http.TimeFormat)
}

// chunked frames a body in chunks of up to 4,000 bytes (RFC 9112 section 7.1).
func chunked(body []byte) []byte {
	var b bytes.Buffer
	for len(body) > 0 {
		n := min(len(body), 4000)
		fmt.Fprintf(&b, "%x\r\n", n)
		b.Write(body[:n])
		b.WriteString("\r\n")
		body = body[n:]
	}
	b.WriteString("0\r\n\r\n")
	return b.Bytes()
}

// credentials is the Basic scheme's value (RFC 7617).
func credentials(user string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":lab-"+strings.Repeat("x", 8)))
}

// direct makes one HTTP exchange without a proxy on a fresh connection that
// closes after it.
func (d *day) direct(t time.Duration, client, server *Endpoint, q request, a response) (done time.Duration, flow Flow) {
	c := d.wire.Dial(t, client, 0, server, 80)
	d.truth.Counts.HTTP.Direct++
	d.truth.Counts.HTTP.Responses++
	c.Send(Client, 0, q.bytes(q.path, header{"Connection", "close"}))
	head, body := d.head(c.Ready(Server), q, a, header{"Connection", "close"})
	c.Send(Server, c.Ready(Server)+d.rng.Span(time.Millisecond, 6*time.Millisecond), append(head, body...))
	return c.Close(Server, 0), c.Flow()
}
