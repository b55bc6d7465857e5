package decoders

import (
	"bytes"
	"encoding/base64"
)

// Limits of what is read of one message's header section.
const (
	maxHead       = 64 << 10 // octets of start line and header section; more loses synchronisation
	maxHeadFields = 256      // fields before the section is called odd; all are read, maxHead bounds them
	maxValue      = 2 << 10  // octets kept of a field value
	maxTarget     = 8 << 10  // octets kept of a request target (Squid cuts its lines there)
	maxUserToken  = 512      // octets of Basic credentials that are decoded
)

// Violations of the protocol, as they stand in records.HTTP.Odd.
const (
	oddHeadTooLong     = "header section too long"
	oddManyFields      = "too many header fields"
	oddNoColon         = "header line without colon"
	oddSpaceColon      = "space before colon"
	oddStrayFold       = "continuation without a field"
	oddLengths         = "conflicting lengths"
	oddBadLength       = "bad content length"
	oddLengthAndCoding = "length with transfer coding"
	oddCoding          = "unknown transfer coding"
	oddHosts           = "several hosts"
	oddTargetBlank     = "blank in target"
	oddNoTarget        = "no target"
	oddChunkSize       = "bad chunk size"
	oddChunkEnd        = "chunk without line end"
	oddPipeline        = "too many outstanding requests"
	oddLowerCase       = "protocol name not in capitals"
	oddAuthority       = "bad authority"
)

// httpHead is a parsed start line and header section. Its slices are borrowed
// from the section; of repeated fields the first counts.
type httpHead struct {
	requestLine
	status int
	reason []byte

	host, referrer, agent, contentType, contentEncoding []byte
	location, server, upgrade, authorization, proxyAuth []byte

	length  int64 // Content-Length, -1 when there is none
	coded   bool  // a Transfer-Encoding other than identity is present
	chunked bool  // and its last coding is chunked
	fields  int
	odd     string // the first violation met
}

// requestLine is RFC 9112 section 3; version is "" for a simple request.
type requestLine struct {
	method, target []byte
	version        string
}

func (h *httpHead) note(odd string) {
	if h.odd == "" {
		h.odd = odd
	}
}

// parseRequestLine divides a line, which may still end in CR or LF. As servers
// do, it accepts blanks inside the target, and a version without a target.
// Without a version, ok says that the line is two words.
func parseRequestLine(b []byte) (l requestLine, ok bool) {
	b = trimBlank(b)
	n := tokenLen(b)
	if n == 0 || n > maxMethod || n == len(b) || !isBlank(b[n]) {
		return l, false
	}
	l.method, l.target = b[:n], trimBlank(b[n:])
	i := bytes.LastIndexAny(l.target, " \t")
	v, found := bytes.CutPrefix(l.target[i+1:], []byte("HTTP/"))
	if !found {
		return l, i < 0
	}
	l.version = version(v)
	l.target = trimBlank(l.target[:max(i, 0)])
	http2 := l.version == "2.0" && string(l.method) == "PRI" // RFC 9113 section 3.4
	return l, l.version != "" && !http2
}

// version is "d.d" as a string, "" if b is something else.
func version(b []byte) string {
	switch {
	case string(b) == "1.1":
		return "1.1"
	case string(b) == "1.0":
		return "1.0"
	case len(b) == 3 && isDigit(b[0]) && b[1] == '.' && isDigit(b[2]):
		return string(b)
	}
	return ""
}

// parseRequest reads a request's section up to and including its empty line,
// or as much of it as there is, but at least the request line.
func (h *httpHead) parseRequest(section []byte) bool {
	line, rest := cutLine(section)
	l, ok := parseRequestLine(line)
	if !ok {
		return false
	}
	h.requestLine, h.length = l, -1
	switch {
	case len(l.target) == 0:
		h.note(oddNoTarget)
	case bytes.ContainsAny(l.target, " \t"):
		h.note(oddTargetBlank)
	}
	h.parseFields(rest)
	return true
}

// parseResponse reads a response's section; see parseRequest. The section must
// have passed matchResponse.
func (h *httpHead) parseResponse(section []byte) {
	line, rest := cutLine(section)
	h.version, h.length = version(line[5:8]), -1
	h.status = int(line[9]-'0')*100 + int(line[10]-'0')*10 + int(line[11]-'0')
	h.reason = trimBlank(line[12:])
	if !bytes.HasPrefix(line, []byte("HTTP")) {
		h.note(oddLowerCase)
	}
	h.parseFields(rest)
}

func (h *httpHead) parseFields(b []byte) {
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		if len(b) > 0 && isBlank(b[0]) && len(line) > 0 {
			line, b = unfold(line, b)
		}
		if len(line) > 0 {
			h.field(line)
		}
	}
	if h.coded && h.length >= 0 {
		h.note(oddLengthAndCoding)
	}
}

// unfold joins a field with its continuation lines (RFC 9112 section 5.2).
func unfold(line, b []byte) (joined, rest []byte) {
	joined = append(make([]byte, 0, 2*len(line)), line...)
	for len(b) > 0 && isBlank(b[0]) {
		line, b = cutLine(b)
		joined = append(append(joined, ' '), trimBlank(line)...)
	}
	return joined, b
}

func (h *httpHead) field(line []byte) {
	if h.fields++; h.fields == maxHeadFields+1 {
		h.note(oddManyFields)
	}
	colon := bytes.IndexByte(line, ':')
	switch {
	case isBlank(line[0]):
		h.note(oddStrayFold)
		return
	case colon < 0:
		h.note(oddNoColon)
		return
	}
	name, value := line[:colon], line[colon+1:] // trimmed when it is wanted
	if colon > 0 && isBlank(line[colon-1]) {
		h.note(oddSpaceColon)
		name = trimBlank(name)
	}
	switch len(name) {
	case len("host"):
		if h.host != nil && equalFold(name, "host") && !bytes.Equal(h.host, trimBlank(value)) {
			h.note(oddHosts)
		}
		keepField(&h.host, name, "host", value)
	case len("server"):
		keepField(&h.server, name, "server", value)
	case len("referer"):
		keepField(&h.referrer, name, "referer", value)
		keepField(&h.upgrade, name, "upgrade", value)
	case len("location"):
		keepField(&h.location, name, "location", value)
	case len("user-agent"):
		keepField(&h.agent, name, "user-agent", value)
	case len("content-type"):
		keepField(&h.contentType, name, "content-type", value)
	case len("authorization"):
		keepField(&h.authorization, name, "authorization", value)
	case len("content-length"):
		if equalFold(name, "content-length") {
			h.contentLength(trimBlank(value))
		}
	case len("content-encoding"):
		keepField(&h.contentEncoding, name, "content-encoding", value)
	case len("transfer-encoding"):
		if equalFold(name, "transfer-encoding") {
			h.transferEncoding(trimBlank(value))
		}
	case len("proxy-authorization"):
		keepField(&h.proxyAuth, name, "proxy-authorization", value)
	}
}

// keepField keeps a field's first value; an empty one counts too.
func keepField(dst *[]byte, name []byte, lower string, value []byte) {
	if *dst == nil && equalFold(name, lower) {
		value = trimBlank(value)
		*dst = value[:min(len(value), maxValue)]
	}
}

// contentLength reads RFC 9110 section 8.6; a list of equal numbers is allowed.
func (h *httpHead) contentLength(value []byte) {
	for more := true; more; {
		var item []byte
		item, value, more = bytes.Cut(value, []byte{','})
		n, ok := decimal(trimBlank(item))
		switch {
		case !ok:
			h.note(oddBadLength)
		case h.length < 0:
			h.length = n
		case h.length != n:
			h.note(oddLengths)
		}
	}
}

// decimal reads at most 18 digits, leading zeros not counted.
func decimal(b []byte) (n int64, ok bool) {
	digits := bytes.TrimLeft(b, "0")
	if len(b) == 0 || len(digits) > 18 {
		return 0, false
	}
	b = digits
	for _, c := range b {
		if !isDigit(c) {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// transferEncoding reads RFC 9112 section 6.1: only the last coding of the last
// field decides how the message ends.
func (h *httpHead) transferEncoding(value []byte) {
	last := trimBlank(value[bytes.LastIndexByte(value, ',')+1:])
	if equalFold(last, "identity") {
		return
	}
	h.coded, h.chunked = true, equalFold(last, "chunked")
	if !h.chunked {
		h.note(oddCoding)
	}
}

// user is the name in Basic credentials (RFC 7617), "" if there are none.
func (h *httpHead) user() string {
	for _, v := range [...][]byte{h.proxyAuth, h.authorization} {
		scheme, token, ok := bytes.Cut(v, []byte{' '})
		if !ok || !equalFold(scheme, "basic") {
			continue
		}
		token = bytes.TrimRight(trimBlank(token), "=")
		var buf [maxUserToken]byte
		token = token[:min(len(token), maxUserToken)]
		n, _ := base64.RawStdEncoding.Decode(buf[:], token)
		name, _, _ := bytes.Cut(buf[:n], []byte{':'})
		return string(name)
	}
	return ""
}

// cutLine divides b after its first LF; the line has neither CR nor LF.
func cutLine(b []byte) (line, rest []byte) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return bytes.TrimSuffix(b, []byte{'\r'}), nil
	}
	line, rest = b[:i], b[i+1:]
	if i > 0 && b[i-1] == '\r' {
		line = b[:i-1]
	}
	return line, rest
}

// trimBlank strips SP, HTAB, CR and LF from both ends.
func trimBlank(b []byte) []byte {
	for len(b) > 0 && (isBlank(b[0]) || b[0] == '\r' || b[0] == '\n') {
		b = b[1:]
	}
	for len(b) > 0 {
		if c := b[len(b)-1]; !isBlank(c) && c != '\r' && c != '\n' {
			break
		}
		b = b[:len(b)-1]
	}
	return b
}
