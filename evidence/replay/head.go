package replay

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// head is a start line and a header section.
type head struct {
	raw    []byte // as on the wire
	line   []byte // the start line without its end
	fields []Field
	whole  bool   // the empty line came
	why    string // what is missing or wrong, "" = nothing
}

// readHead reads the head that b begins with. gone says that what follows b is lost;
// else it is the end of the stream. An HTTP/0.9 request is one line.
func readHead(b []byte, limit int, gone, request bool) head {
	h := head{}
	start := len(b) - len(skipEmptyLines(b))
	at := start
	for h.raw == nil {
		i := bytes.IndexByte(b[at:min(len(b), start+limit)], '\n')
		if i < 0 {
			h.raw = b[start:min(len(b), start+limit)]
			h.why = incompleteHead(len(b) >= start+limit, gone, limit)
			break
		}
		line := bytes.TrimSuffix(b[at:at+i], []byte("\r"))
		at += i + 1
		switch {
		case h.line == nil:
			h.line = line
			if request && isSimple(line) {
				h.raw, h.whole = b[start:at], true
			}
		case len(line) == 0:
			h.raw, h.whole = b[start:at], true
		default:
			h.fields = appendField(h.fields, line)
		}
	}
	if h.line == nil {
		h.line = h.raw
	}
	return h
}

func incompleteHead(long, gone bool, limit int) string {
	switch {
	case long:
		return "header section is longer than " + strconv.Itoa(limit) + " octets"
	case gone:
		return "part of the header section was not captured"
	}
	return "header section is not complete"
}

// isSimple tells the request line of HTTP/0.9 (RFC 1945 section 4.1).
func isSimple(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("GET "))
	if !ok {
		return false
	}
	target, version, ok := cutVersion(rest)
	return ok && version == "" && plausibleTarget(target)
}

// appendField adds a header line. One that begins with a blank goes on with the
// field before it (RFC 9112 section 5.2).
func appendField(fs []Field, line []byte) []Field {
	if (line[0] == ' ' || line[0] == '\t') && len(fs) > 0 {
		f := &fs[len(fs)-1]
		if len(f.Value) > maxFolded {
			return fs
		}
		f.Value = strings.TrimSpace(f.Value + " " + strings.TrimSpace(string(line)))
		return fs
	}
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok {
		return fs
	}
	return append(fs, Field{Name: string(bytes.TrimRight(name, " \t")), Value: string(bytes.Trim(value, " \t"))})
}

// maxFolded is how long a field may be that goes on: nobody folds lines any more.
const maxFolded = 8 << 10

// Get is the first value of a field, "" when there is none.
func (m *Message) Get(name string) string { return get(m.Header, name) }

func get(fs []Field, name string) string {
	for i := range fs {
		if strings.EqualFold(fs[i].Name, name) {
			return fs[i].Value
		}
	}
	return ""
}

// list are the members of all fields of a name, in order and in lower case
// (RFC 9110 section 5.6.1).
func list(fs []Field, name string) []string {
	var all []string
	for i := range fs {
		if !strings.EqualFold(fs[i].Name, name) {
			continue
		}
		for _, v := range strings.Split(fs[i].Value, ",") {
			if v = strings.ToLower(strings.TrimSpace(v)); v != "" && len(all) < maxMembers {
				all = append(all, v)
			}
		}
	}
	return all
}

// maxMembers bounds a list: nobody sends that many codings.
const maxMembers = 64

// requestLine are the parts of a request line. An attacker's method need not be a
// token, if the line ends like one.
func requestLine(line []byte) (method, target, version string, ok bool) {
	n := bytes.IndexByte(line, ' ')
	if n <= 0 || n > maxMethod {
		return "", "", "", false
	}
	t, v, ok := cutVersion(line[n:])
	if v == "" && tokenLen(line[:n]) < n {
		return "", "", "", false
	}
	if v == "" {
		v = simpleVersion
	}
	return string(line[:n]), string(t), strings.ToUpper(v), ok
}

// statusLine are the parts of a status line (RFC 9112 section 4).
func statusLine(line []byte) (version string, status int, reason string, ok bool) {
	if sniffResponse(line) != http1 {
		return "", 0, "", false
	}
	n := len("HTTP/1.1 200")
	status, _ = strconv.Atoi(string(line[n-3 : n]))
	return strings.ToUpper(string(line[:n-4])), status, string(bytes.TrimSpace(line[n:])), true
}

// framing is how a body's end is found (RFC 9112 section 6.3).
type framing struct {
	chunked bool
	codings []string // transfer codings besides, outermost last
	length  int64    // Content-Length, -1 = none
	coded   bool     // there is a transfer coding: the length does not count
	odd     string   // what contradicts itself
}

func framingOf(fs []Field) framing {
	f := framing{length: -1, codings: list(fs, "Transfer-Encoding")}
	for i, c := range f.codings {
		f.codings[i], _, _ = strings.Cut(c, ";")
	}
	f.codings = slices.DeleteFunc(f.codings, func(c string) bool { return c == "identity" })
	f.coded = len(f.codings) > 0
	if n := len(f.codings); n > 0 && f.codings[n-1] == "chunked" {
		f.chunked, f.codings = true, f.codings[:n-1]
	}
	for _, v := range list(fs, "Content-Length") {
		n, err := strconv.ParseInt(v, 10, 64)
		switch {
		case err != nil || n < 0:
			f.odd = "Content-Length is no number"
		case f.length >= 0 && n != f.length:
			f.odd = "there are several Content-Length"
		default:
			f.length = n
		}
	}
	return f
}

// isHead tells whether b begins with a head beyond doubt: a start line with a
// version that a browser would take, and a field or the end behind it.
func isHead(b []byte) bool {
	b = b[:min(len(b), maxTarget)]
	if sniffResponse(b) != http1 && !slices.ContainsFunc(methods(), func(m string) bool { return startsWith(b, m) }) {
		return false
	}
	line, rest, ok := bytes.Cut(b, []byte("\n"))
	if !ok {
		return false
	}
	line = bytes.TrimSuffix(line, []byte("\r"))
	if _, _, _, answer := statusLine(line); !answer {
		if _, _, v, ask := requestLine(line); !ask || v == simpleVersion {
			return false
		}
	} else if n := len("HTTP/1.1 200"); len(line) > n && line[n] != ' ' {
		return false
	}
	n := tokenLen(rest)
	return n > 0 && n < len(rest) && rest[n] == ':' || bytes.HasPrefix(rest, []byte("\r\n")) || bytes.HasPrefix(rest, []byte("\n"))
}

func startsWith(b []byte, method string) bool {
	return len(b) > len(method) && b[len(method)] == ' ' && string(b[:len(method)]) == method
}

// findHead is the first place from off on where a frame begins with a message that
// is says it is one, -1 = nowhere.
func (r *reel) findHead(off int64, is func([]byte) bool) int64 {
	for _, p := range r.piecesFrom(off) {
		if is(r.run(p.off)) {
			return p.off
		}
	}
	return -1
}
