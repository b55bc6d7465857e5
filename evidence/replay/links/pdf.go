package links

import (
	"bytes"
	"compress/zlib"
	"encoding/ascii85"
	"io"
)

// readPDF reads the actions of a PDF (ISO 32000-1 section 12.6) in its objects and
// in its streams. It needs no cross-reference table: exploits damage it.
func (f *finder) readPDF(t *text) {
	pos := 0
	for n := 0; ; n++ {
		i := bytes.Index(t.b[pos:], []byte("stream"))
		if i < 0 || n == f.lim.Members {
			if i >= 0 {
				f.note(NoteMembers, n, t.at(pos))
			}
			break
		}
		start := pos + i + len("stream")
		f.readActions(t, pos, pos+i)
		size := bytes.Index(t.b[start:], []byte("endstream"))
		if size < 0 {
			pos = start
			break
		}
		f.readStream(t, dictionary(t.b[pos:pos+i]), start, start+size)
		pos = start + size + len("endstream")
	}
	f.readActions(t, pos, len(t.b))
	if bytes.Contains(t.b[max(0, len(t.b)-4096):], []byte("/Encrypt")) {
		f.note(NoteEncrypted, 0, t.off)
	}
}

// maxDictionary bounds the octets of a stream's dictionary.
const maxDictionary = 4096

// dictionary is the part of b that belongs to the object it ends in.
func dictionary(b []byte) []byte {
	b = b[max(0, len(b)-maxDictionary):]
	return b[max(0, bytes.LastIndex(b, []byte(" obj"))):]
}

// readStream decodes a stream and reads what is in it: actions, scripts, a SWF.
func (f *finder) readStream(t *text, dict []byte, start, end int) {
	data := bytes.TrimLeft(t.b[start:min(start+2, end)], "\r\n")
	at := start + min(2, end-start) - len(data)
	d := t.derived(start, t.b[at:end], StepDecompress)
	for _, filter := range filtersOf(dict) {
		switch filter {
		case "FlateDecode", "Fl":
			r, err := zlib.NewReader(bytes.NewReader(d.b))
			if err != nil {
				f.note(NoteDamaged, 0, t.at(start))
				return
			}
			d.b = f.inflate(r, len(d.b), t.at(start))
		case "ASCIIHexDecode", "AHx":
			d.b = hexString(d.b)
		case "ASCII85Decode", "A85":
			r := ascii85.NewDecoder(bytes.NewReader(bytes.TrimSuffix(bytes.TrimSpace(d.b), []byte("~>"))))
			d.b = f.inflate(io.Reader(r), len(d.b), t.at(start))
		case "DCTDecode", "DCT", "JPXDecode", "CCITTFaxDecode", "CCF", "JBIG2Decode":
			return // pictures
		default:
			f.note(NoteFilter, 0, t.at(start))
			return
		}
	}
	if !f.enter(&d) {
		return
	}
	f.readActions(&d, 0, len(d.b))
	switch as := formatOf(d.b, "application/octet-stream"); {
	case as != formatBinary:
		f.read(d, as)
	case readsAsScript(d.b[:min(len(d.b), 64<<10)]) && bytes.IndexByte(d.b[:min(len(d.b), sniffLen)], 0) < 0:
		d.via = append(d.via, StepScript)
		f.read(d, formatScript)
	}
}

// filtersOf gives a stream's filters in the order they are undone.
func filtersOf(dict []byte) []string {
	i := bytes.Index(dict, []byte("/Filter"))
	if i < 0 {
		return nil
	}
	rest := bytes.TrimLeft(dict[i+len("/Filter"):], asciiSpace)
	end := bytes.IndexByte(rest, ']')
	if len(rest) == 0 || rest[0] != '[' || end < 0 {
		end = len(rest)
		if n := bytes.IndexAny(rest[min(1, len(rest)):], "/<>[ \r\n"); n >= 0 {
			end = n + 1
		}
	}
	var out []string
	for _, name := range bytes.Split(rest[:end], []byte("/"))[1:] {
		out = append(out, string(bytes.TrimSpace(pdfName(name))))
	}
	return out
}

// pdfName decodes #4A in a name.
func pdfName(b []byte) []byte {
	if bytes.IndexByte(b, '#') < 0 {
		return b
	}
	var out []byte
	for i := 0; i < len(b); i++ {
		if v := hexNumber(b[i+1:], 2); b[i] == '#' && v >= 0 {
			out = append(out, byte(v))
			i += 2
			continue
		}
		out = append(out, b[i])
	}
	return out
}

// maxName bounds the octets of a name that is looked at.
const maxName = 64

// readActions looks for the keys whose strings lead on, in t.b[pos:end].
func (f *finder) readActions(t *text, pos, end int) {
	for pos < end {
		i := bytes.IndexByte(t.b[pos:end], '/')
		if i < 0 {
			return
		}
		start := pos + i + 1
		pos = start
		for pos < end && pos-start < maxName && (isNamePart(t.b[pos]) || t.b[pos] == '#') {
			pos++
		}
		name := actionKey(pdfName(t.b[start:pos]))
		if name == "" {
			continue
		}
		at := skipSpace(t.b[:end], pos)
		v, next := pdfString(t.b[:end], at)
		if v == nil {
			continue
		}
		pos = next
		f.action(t, name, v, at)
	}
}

// actionKey gives a key whose string leads on; empty for others.
func actionKey(name []byte) string {
	for _, key := range [...]string{"URI", "JS", "F", "UF", "URL", "Base"} {
		if string(name) == key {
			return key
		}
	}
	return ""
}

func (f *finder) action(t *text, name string, v []byte, at int) {
	switch name {
	case "JS":
		f.read(t.derived(at, v, StepScript), formatScript)
	case "URI":
		f.add(t, found{ref: v, kind: KindAnchor, where: "PDF URI", at: at})
	default:
		f.eachURL(v, func(i, n int) {
			f.add(t, found{ref: v[i : i+n], kind: KindString, where: "PDF " + name, at: at, inferred: true})
		})
	}
}

// pdfString reads (text) or <hex> (ISO 32000-1 section 7.3.4); nil if there is none.
func pdfString(b []byte, i int) ([]byte, int) {
	switch {
	case i >= len(b):
		return nil, i
	case b[i] == '<' && i+1 < len(b) && b[i+1] != '<':
		end := bytes.IndexByte(b[i:], '>')
		if end < 0 {
			end = len(b) - i
		}
		return narrow(hexString(b[i+1 : i+end])), i + end
	case b[i] != '(':
		return nil, i
	}
	out := make([]byte, 0, 64)
	depth := 0
	for ; i < len(b); i++ {
		switch c := b[i]; {
		case c == '\\' && i+1 < len(b):
			out, i = appendPDFEscape(out, b, i+1)
			continue
		case c == '(':
			if depth++; depth == 1 {
				continue
			}
		case c == ')':
			if depth--; depth == 0 {
				return narrow(out), i + 1
			}
		}
		out = append(out, b[i])
	}
	return narrow(out), i
}

// appendPDFEscape decodes the escape whose character behind the backslash is b[i]; it
// gives the index of its last one.
func appendPDFEscape(out, b []byte, i int) ([]byte, int) {
	if c := bytes.IndexByte([]byte("nrtbf"), b[i]); c >= 0 {
		return append(out, "\n\r\t\b\f"[c]), i
	}
	v, n := 0, 0
	for n < 3 && i+n < len(b) && '0' <= b[i+n] && b[i+n] <= '7' {
		v = v<<3 | int(b[i+n]-'0')
		n++
	}
	switch {
	case n > 0:
		return append(out, byte(v)), i + n - 1
	case b[i] == '\n':
		return out, i
	}
	return append(out, b[i]), i
}

// narrow decodes UTF-16BE, which a byte order mark tells.
func narrow(b []byte) []byte {
	if !bytes.HasPrefix(b, []byte("\xFE\xFF")) {
		return b
	}
	out := make([]byte, 0, len(b)/2)
	for i := 2; i+1 < len(b); i += 2 {
		out = appendUnit(out, int(b[i])<<8|int(b[i+1]))
	}
	return out
}

// hexString decodes the digits before >, whatever stands between them.
func hexString(b []byte) []byte {
	out := make([]byte, 0, len(b)/2)
	high := -1
	for _, c := range b {
		d := hexValue(c)
		switch {
		case c == '>':
			return out
		case d < 0:
		case high < 0:
			high = d
		default:
			out = append(out, byte(high<<4|d))
			high = -1
		}
	}
	return out
}
