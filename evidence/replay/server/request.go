package server

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http/httputil"
	"strconv"
	"strings"

	"kagami/evidence/replay"
)

// request is one that was read.
type request struct {
	address
	method, version string
	header          []replay.Field
	body            []byte
	connect         string // CONNECT: where to
	length          int64  // of the body, -1 = in chunks
}

// refusal is what is wrong with a request, and the status that says so.
type refusal struct {
	status int
	why    string
}

func (r *refusal) Error() string { return r.why }

func refuse(status int, format string, a ...any) error {
	return &refusal{status, fmt.Sprintf(format, a...)}
}

// origin is what a connection says of the requests on it that do not say it.
type origin struct {
	scheme    string
	authority string // of CONNECT or SNI, "" = none
	tunnel    bool   // behind a CONNECT
}

// readHead reads a start line and a header section (RFC 9112 sections 3 and 5). Errors
// that are no refusal are the connection's.
func readHead(br *bufio.Reader, limit int, from origin) (*request, error) {
	left := limit
	line, err := readLine(br, &left)
	for empty := 0; err == nil && line == "" && empty < 2; empty++ { // RFC 9112 section 2.2
		line, err = readLine(br, &left)
	}
	if err != nil {
		return nil, err
	}
	method, rest, ok := strings.Cut(line, " ")
	i := strings.LastIndexByte(rest, ' ')
	if !ok || i <= 0 || !isToken(method) {
		return nil, refuse(400, "no request line")
	}
	q := &request{method: method, version: rest[i+1:]}
	target := rest[:i]
	if q.version != "HTTP/1.1" && q.version != "HTTP/1.0" {
		return nil, refuse(505, "the version is neither HTTP/1.1 nor HTTP/1.0")
	}
	for {
		if line, err = readLine(br, &left); err != nil {
			return nil, err
		}
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !isToken(name) {
			return nil, refuse(400, "no header field: %.40q", line)
		}
		q.header = append(q.header, replay.Field{Name: name, Value: strings.Trim(value, " \t")})
	}
	if err := q.framing(); err != nil {
		return nil, err
	}
	return q, q.locate(target, from)
}

// readLine reads a line without its end, and counts it down.
func readLine(br *bufio.Reader, left *int) (string, error) {
	var line []byte
	for {
		part, err := br.ReadSlice('\n')
		if *left -= len(part); *left < 0 {
			return "", refuse(431, "the header section is too long")
		}
		line = append(line, part...)
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return "", err
		}
	}
	s := strings.TrimSuffix(string(line[:len(line)-1]), "\r")
	if strings.IndexFunc(s, func(r rune) bool { return r < ' ' && r != '\t' }) >= 0 {
		return "", refuse(400, "a control character in the header section")
	}
	return s, nil
}

// isToken tells a token (RFC 9110 section 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// framing is how the body's end is found (RFC 9112 section 6.3).
func (q *request) framing() error {
	codings, lengths := q.all("Transfer-Encoding"), q.all("Content-Length")
	switch {
	case len(codings) > 0 && len(lengths) > 0, len(codings) > 1, len(lengths) > 1:
		return refuse(400, "the body's length is said twice")
	case len(codings) == 1 && !strings.EqualFold(codings[0], "chunked"):
		return refuse(501, "the transfer coding is not known")
	case len(codings) == 1:
		q.length = -1
	case len(lengths) == 1:
		n, err := strconv.ParseUint(lengths[0], 10, 62)
		if err != nil {
			return refuse(400, "Content-Length is no number")
		}
		q.length = int64(n)
	}
	return nil
}

// locate finds out what a request asks for (RFC 9112 section 3.2).
func (q *request) locate(target string, from origin) error {
	hosts := q.all("Host")
	if len(hosts) > 1 {
		return refuse(400, "there are several Host")
	}
	host := from.authority
	if len(hosts) == 1 && hosts[0] != "" {
		host = hosts[0]
	}
	switch {
	case q.method == "CONNECT":
		q.connect = strings.ToLower(target)
		if from.tunnel || from.scheme == "https" {
			return refuse(501, "CONNECT within a connection that goes somewhere already")
		}
		if !isAuthority(q.connect) || !strings.Contains(q.connect, ":") {
			return refuse(400, "CONNECT to what is no host and port")
		}
	case target[0] == '/' || target == "*":
		if host == "" {
			return refuse(400, "there is no telling which host is meant")
		}
		q.address = newAddress(from.scheme, host, target)
		if !isAuthority(q.host) {
			return refuse(400, "Host is none")
		}
	default:
		var ok bool
		if q.address, ok = absolute(target); !ok {
			return refuse(400, "the target is no URL of http or https")
		}
	}
	return nil
}

// readBody reads the body, up to limit octets.
func (q *request) readBody(br *bufio.Reader, limit int) error {
	if q.length > int64(limit) {
		return refuse(413, "the body is longer than %d octets", limit)
	}
	if q.length >= 0 {
		if q.length == 0 {
			return nil
		}
		var err error
		if q.body, err = io.ReadAll(io.LimitReader(br, q.length)); err == nil && int64(len(q.body)) < q.length {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	var err error
	q.body, err = io.ReadAll(io.LimitReader(httputil.NewChunkedReader(br), int64(limit)+1))
	if len(q.body) > limit {
		return refuse(413, "the body is longer than %d octets", limit)
	}
	if err != nil {
		return refuse(400, "the body is not in chunks")
	}
	const trailer = 4 << 10
	for left := trailer; ; {
		line, err := readLine(br, &left)
		if err != nil || line == "" {
			return err
		}
	}
}

// get is the first value of a field, "" when there is none.
func (q *request) get(name string) string {
	for i := range q.header {
		if strings.EqualFold(q.header[i].Name, name) {
			return q.header[i].Value
		}
	}
	return ""
}

// all are the values of a field.
func (q *request) all(name string) (values []string) {
	for i := range q.header {
		if strings.EqualFold(q.header[i].Name, name) {
			values = append(values, q.header[i].Value)
		}
	}
	return values
}

// conditional tells whether a request asks if something has changed (RFC 9110
// sections 13.1.2 and 13.1.3).
func (q *request) conditional() bool {
	return q.get("If-None-Match") != "" || q.get("If-Modified-Since") != ""
}

// closes tells whether the connection ends with this request (RFC 9112 section 9.3).
func (q *request) closes() bool {
	if q.version != "HTTP/1.1" {
		return true
	}
	for _, name := range []string{"Connection", "Proxy-Connection"} {
		for _, v := range q.all(name) {
			if strings.Contains(strings.ToLower(v), "close") {
				return true
			}
		}
	}
	return false
}
