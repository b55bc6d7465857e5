package links

import "bytes"

func hasDataScheme(b []byte) bool { return hasFoldPrefix(b, "data:") }

// readScheme reads on in a URL that holds its content itself.
func (f *finder) readScheme(t *text, r found, ref []byte) bool {
	if bytes.IndexByte(ref[:min(len(ref), maxScheme)], ':') < 0 {
		return false
	}
	scheme, rest := cutScheme(ref)
	switch scheme {
	case "data":
		f.readData(t, r, rest)
	case "javascript", "livescript", "vbscript":
		if bytes.IndexByte(rest, '%') >= 0 && f.spend(len(rest), t.at(r.at)) {
			rest = appendPercentDecoded(nil, rest)
		}
		as := formatScript
		if scheme == "vbscript" {
			as = formatVBScript
		}
		f.read(t.derived(r.at, rest, StepScript), as)
	case "view-source", "mhtml", "feed", "ms-its", "mk", "its":
		f.eachURL(rest, func(i, n int) {
			r.ref = rest[i : i+n]
			f.add(t, r)
		})
	default:
		return false
	}
	return true
}

// readData decodes a data: URL (RFC 2397) and reads it as its media type.
func (f *finder) readData(t *text, r found, rest []byte) {
	comma := bytes.IndexByte(rest, ',')
	if comma < 0 || !f.spend(len(rest), t.at(r.at)) {
		return
	}
	mediaType, data := rest[:comma], appendPercentDecoded(nil, rest[comma+1:])
	if i := bytes.LastIndexByte(mediaType, ';'); i >= 0 && equalFold(bytes.TrimSpace(mediaType[i+1:]), "base64") {
		mediaType, data = mediaType[:i], decodeBase64(data)
	}
	d := t.derived(r.at, data, StepData)
	if d.depth += 1 + r.depth; d.depth > f.lim.Passes {
		f.note(NotePasses, f.lim.Passes, d.off)
		return
	}
	as := formatOf(data, string(mediaType[:min(len(mediaType), 128)]))
	if as == formatText && r.kind == KindScript {
		as = formatScript
	}
	f.read(d, as)
}
