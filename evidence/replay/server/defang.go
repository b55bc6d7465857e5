package server

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"kagami/evidence/replay"
)

// maxDump is how much of what is no text is shown, in octets.
const maxDump = 1 << 20

// defang makes a body text: what is no text a dump. Fields that make a browser do
// something by themselves go. Redirections stay if they lead to HTTP, which leads
// here again.
func (r *reply) defang(a *replay.Response, o *replay.Object) {
	data := a.Body.Data
	if o != nil {
		data = o.Data
	}
	charset := "utf-8"
	switch {
	case !isText(data):
		rest := max(0, len(data)-maxDump)
		data = []byte(hex.Dump(data[:len(data)-rest]))
		if rest > 0 {
			data = fmt.Appendf(data, "and %d octets more\n", rest)
		}
	case !utf8.Valid(data):
		charset = "iso-8859-1"
	}
	r.body = data
	if r.status == http.StatusPartialContent { // a part of something else now
		r.status, r.reason = http.StatusOK, "OK"
	}
	drop := []string{"content-type", "content-encoding", "content-disposition", "content-range", "accept-ranges", "refresh", "link",
		"x-content-type-options", "content-security-policy", "alt-svc", "sourcemap", "x-sourcemap", "content-md5", "digest"}
	r.header = slices.DeleteFunc(r.header, func(f replay.Field) bool {
		name := strings.ToLower(f.Name)
		return slices.Contains(drop, name) || name == "location" && !leadsToHTTP(f.Value)
	})
	r.add("Content-Type", "text/plain; charset="+charset)
	r.add("X-Content-Type-Options", "nosniff")
	r.add("Content-Security-Policy", "sandbox; default-src 'none'")
}

// isText tells text in some superset of ASCII.
func isText(b []byte) bool {
	return !bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' && r != '\t' && r != '\n' && r != '\r' && r != '\f' && r != '\x1b' })
}

// leadsToHTTP tells a reference without a scheme, or with one of HTTP.
func leadsToHTTP(s string) bool {
	i := strings.IndexAny(s, ":/?#")
	if i < 0 || s[i] != ':' {
		return true
	}
	scheme := strings.ToLower(strings.TrimSpace(s[:i]))
	return scheme == "http" || scheme == "https"
}
