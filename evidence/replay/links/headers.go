package links

import (
	"bytes"
	"net/url"
	"sort"
	"strings"
)

// FromHeaders returns the links of a response's header fields, by field in the
// order below and then as they stand in header. Names count in any case, since
// HTTP/2 has them in lower case. Link.Offset is 0.
func FromHeaders(header map[string][]string, base *url.URL) []Link {
	f := newFinder(Limits{})
	t := &text{base: addressOf(base)}
	for _, field := range [...]struct {
		name string
		read func(*finder, *text, []byte)
	}{
		{"Location", location},
		{"Refresh", refresh},
		{"Link", linkField},
		{"Content-Location", contentLocation},
		{"SourceMap", sourceMap},
	} {
		for _, v := range valuesOf(header, field.name) {
			if len(v) <= maxField {
				field.read(f, t, []byte(v))
			}
		}
	}
	return f.links
}

// maxField bounds the octets of a field that is read.
const maxField = 256 << 10

func valuesOf(header map[string][]string, name string) []string {
	var keys []string
	for k := range header {
		if strings.EqualFold(k, name) {
			keys = append(keys, k)
		}
	}
	sort.Strings(keys)
	var out []string
	for _, k := range keys {
		out = append(out, header[k]...)
	}
	return out
}

func location(f *finder, t *text, v []byte) {
	f.add(t, found{ref: v, kind: KindLocation, where: "Location"})
}

func refresh(f *finder, t *text, v []byte) {
	f.add(t, found{ref: refreshURL(v), kind: KindRefresh, where: "Refresh"})
}

func contentLocation(f *finder, t *text, v []byte) {
	f.add(t, found{ref: v, kind: KindContentLocation, where: "Content-Location"})
}

func sourceMap(f *finder, t *text, v []byte) {
	f.add(t, found{ref: v, kind: KindLink, where: "SourceMap", inferred: true})
}

// linkField reads <url>; rel=…, <url> (RFC 8288 section 3).
func linkField(f *finder, t *text, v []byte) {
	for len(v) > 0 {
		start := bytes.IndexByte(v, '<')
		if start < 0 {
			return
		}
		end := bytes.IndexByte(v[start:], '>')
		if end < 0 {
			return
		}
		f.add(t, found{ref: v[start+1 : start+end], kind: KindLink, where: "Link"})
		v = v[start+end+1:]
		v = v[parametersEnd(v):]
	}
}

// parametersEnd finds the comma before the next link, outside of quotes.
func parametersEnd(v []byte) int {
	quoted := false
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			return i + 1
		}
	}
	return len(v)
}
