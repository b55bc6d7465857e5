package links

import "bytes"

// format is how a text is read.
type format uint8

const (
	formatNone   format = iota // nothing that leads anywhere: pictures, sound, fonts
	formatBinary               // unknown octets: strings only
	formatText
	formatHTML
	formatXML
	formatCSS
	formatScript
	formatVBScript
	formatSWF
	formatZIP
	formatPDF
)

func (f format) textual() bool { return f >= formatText && f <= formatVBScript }

// formatOf takes the word of the first octets over that of the message: what is
// served as a picture and begins like a SWF is a SWF to a plug-in.
func formatOf(body []byte, mediaType string) format {
	declared := declaredFormat(mediaType)
	switch head := body[:min(len(body), sniffLen)]; {
	case len(head) > 8 && (head[0] == 'F' || head[0] == 'C' || head[0] == 'Z') && head[1] == 'W' && head[2] == 'S' && head[3] < 0x40:
		return formatSWF
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return formatZIP
	case bytes.Contains(head, []byte("%PDF-")):
		return formatPDF
	case declared == formatNone, declared == formatBinary:
		if isMarkup(head) && bytes.IndexByte(head, 0) < 0 {
			return formatHTML
		}
		return declared
	case declared == formatText:
		return sniffText(head)
	}
	return declared
}

func sniffText(head []byte) format {
	utf16 := bytes.HasPrefix(head, []byte("\xFF\xFE")) || bytes.HasPrefix(head, []byte("\xFE\xFF"))
	switch {
	case bytes.HasPrefix(bytes.TrimLeft(head, "\xEF\xBB\xBF"+asciiSpace), []byte("<?xml")):
		return formatXML
	case isMarkup(head), utf16:
		return formatHTML
	case bytes.IndexByte(head, 0) >= 0:
		return formatBinary
	case readsAsScript(head):
		return formatScript
	}
	return formatText
}

// mayBeScript says whether what is served as a page may be meant for <script src>:
// it does not begin like a page.
func mayBeScript(body []byte, as format) bool {
	head := body[:min(len(body), sniffLen)]
	return as == formatHTML && !isMarkup(head) && readsAsScript(head)
}

// isMarkup says whether the text begins with a tag, comment or declaration.
func isMarkup(b []byte) bool {
	b = bytes.TrimLeft(b, "\xEF\xBB\xBF"+asciiSpace)
	return len(b) > 2 && b[0] == '<' && (isLetter(b[1]) || b[1] == '!' || b[1] == '?')
}

// declaredFormat reads the type of a Content-Type.
func declaredFormat(mediaType string) format {
	b := []byte(mediaType)
	if i := bytes.IndexByte(b, ';'); i >= 0 {
		b = b[:i]
	}
	b = bytes.ToLower(bytes.TrimSpace(b))
	top, sub, _ := bytes.Cut(b, []byte("/"))
	has := func(words ...string) bool {
		for _, w := range words {
			if bytes.Contains(sub, []byte(w)) {
				return true
			}
		}
		return false
	}
	switch {
	case has("vbscript"):
		return formatVBScript
	case has("javascript", "ecmascript", "jscript", "json"):
		return formatScript
	case has("xhtml", "html"):
		return formatHTML
	case has("css"):
		return formatCSS
	case has("xml", "jnlp"):
		return formatXML
	case has("flash"):
		return formatSWF
	case has("java", "zip", "officedocument"):
		return formatBinary // magic decides
	case string(top) == "image", string(top) == "audio", string(top) == "video", string(top) == "font":
		return formatNone
	case string(top) == "text", len(b) == 0:
		return formatText
	}
	return formatBinary
}

// read looks for links in t.
func (f *finder) read(t text, as format) {
	if !f.enter(&t) {
		return
	}
	switch as {
	case formatText:
		f.readStrings(&t, 0)
	case formatBinary:
		f.readStrings(&t, 0)
		f.readWide(&t)
	case formatHTML:
		f.readMarkup(&t, markupHTML)
	case formatXML:
		f.readMarkup(&t, markupXML)
	case formatCSS:
		f.readCSS(&t)
	case formatScript:
		f.readScript(&t, dialectJS)
	case formatVBScript:
		f.readScript(&t, dialectVB)
	case formatSWF:
		f.readSWF(&t)
	case formatZIP:
		f.readZIP(&t)
	case formatPDF:
		f.readPDF(&t)
	}
}

func isLetter(c byte) bool { c |= 0x20; return 'a' <= c && c <= 'z' }
