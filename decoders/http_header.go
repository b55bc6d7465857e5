package decoders

import "bytes"

// Limits of what is read of one message's header section.
const (
	maxHead       = 64 << 10 // octets of start line and header section; more loses synchronisation
	maxHeadFields = 256      // fields before the section is called odd; all are read, maxHead bounds them
	maxValue      = 2 << 10  // octets kept of a field value
	maxTarget     = 8 << 10  // octets kept of a request target (Squid cuts its lines there)
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
	oddTransferCoding  = "unknown transfer coding"
	oddHosts           = "several hosts"
	oddTargetBlank     = "blank in target"
	oddNoTarget        = "no target"
	oddChunkSize       = "bad chunk size"
	oddChunkEnd        = "chunk without line end"
	oddPipeline        = "too many outstanding requests"
	oddLowerCase       = "protocol name not in capitals"
	oddAuthority       = "bad authority"
	oddManyInfo        = "too many interim responses"            // maxInfo
	oddManyTrailers    = "too many trailer fields"               // maxTrailers
	oddEarly           = "too much before the answer to CONNECT" // maxEarly
)

// httpHead is a parsed start line and header section. Its slices are borrowed
// from the section, or copied from lines that were joined.
type httpHead struct {
	requestLine
	status int
	reason []byte
	httpFields

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

// field reads one line of a header section.
func (h *httpHead) field(line []byte) {
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
	h.set(name, value)
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
