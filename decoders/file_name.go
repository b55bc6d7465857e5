package decoders

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxFileText bounds in octets each text that a file's record takes over.
const maxFileText = 1 << 10

// baseName is what follows a path's directories, of either kind of system.
func baseName(path string) string {
	path = strings.TrimRight(path, `/\`)
	return path[strings.LastIndexAny(path, `/\`)+1:]
}

// urlName is the last segment of a URL's path, percent-decoded and in UTF-8, ""
// when the path ends in a slash.
func urlName(u string) string {
	if i := strings.IndexAny(u, "?#"); i >= 0 {
		u = u[:i]
	}
	if _, rest, ok := strings.Cut(u, "://"); ok {
		_, path, ok := strings.Cut(rest, "/")
		if !ok {
			return ""
		}
		u = path
	}
	u = u[strings.LastIndexByte(u, '/')+1:]
	if name, err := url.PathUnescape(u); err == nil {
		u = name
	}
	if !utf8.ValidString(u) {
		u = decodeText([]byte(u), "")
	}
	return baseName(u)
}

// clip cuts a text at its limit, between characters.
func clip(s string) string {
	if len(s) <= maxFileText {
		return s
	}
	return strings.ToValidUTF8(s[:maxFileText], "")
}

// mediaTypeOf is a Content-Type without parameters, lower case.
func mediaTypeOf(s string) string {
	s, _, _ = strings.Cut(s, ";")
	return clip(strings.ToLower(strings.TrimSpace(s)))
}

// contentCodings reads a Content-Encoding field (RFC 9110 section 8.4): the
// codings in the order they must be undone.
func contentCodings(field string) []string {
	if field == "" {
		return nil
	}
	var out []string
	for name := range strings.SplitSeq(field, ",") {
		name = clip(strings.ToLower(strings.TrimSpace(name)))
		switch name {
		case "", "identity":
			continue
		case "x-gzip":
			name = "gzip"
		}
		if out = append(out, name); len(out) > maxCodings {
			break
		}
	}
	slices.Reverse(out)
	return out
}
