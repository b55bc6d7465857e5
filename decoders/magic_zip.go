package decoders

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// maxZipName is how many octets of an entry's name are looked at.
const maxZipName = 256

// zipReader looks at the entries of a ZIP archive (APPNOTE.TXT sections 4.3.7 and
// 4.3.12): their local headers as they come, and the central directory at the end.
// It does not trust lengths, and so finds what an archive inside holds, too.
type zipReader struct {
	carry     []byte // a header that is not complete
	encrypted bool
	macros    bool
	holds     fileType // what the entries make of it, no word: an archive
	program   string
}

const (
	zipLocal       = 30 // octets of a local header before the name
	zipCentral     = 46 // of a central directory's header
	zipNeed        = zipCentral + maxZipName
	zipMimetypeLen = 80
)

func (z *zipReader) read(p []byte) {
	if len(z.carry) > 0 {
		n := len(z.carry)
		joined := append(z.carry, p[:min(len(p), zipNeed)]...)
		z.carry = z.carry[:0]
		if z.scan(joined, n); len(z.carry) > 0 {
			if len(p) > zipNeed {
				z.carry = z.carry[:0] // cannot be: a header is complete by then
			} else {
				return
			}
		}
	}
	z.scan(p, len(p))
}

// scan looks for headers that begin in the first n octets of b. One that is cut is
// kept for the next octets.
func (z *zipReader) scan(b []byte, n int) {
	for i := 0; i < n; {
		j := bytes.IndexByte(b[i:n], 'P')
		if j < 0 {
			return
		}
		i += j
		need := z.entry(b[i:])
		if need > 0 {
			z.carry = append(make([]byte, 0, 2*zipNeed), b[i:]...)
			return
		}
		i++
	}
}

// entry looks at what may be a header. It returns true when octets are missing.
func (z *zipReader) entry(b []byte) int {
	if !startsLike(b, "PK\x03\x04") && !startsLike(b, "PK\x01\x02") {
		return 0
	}
	const flagsAt, encrypted = 6, 1
	if len(b) < 4 {
		return zipLocal
	}
	head, flags, nameLenAt := zipLocal, flagsAt, 26
	if b[2] == 1 {
		head, flags, nameLenAt = zipCentral, flagsAt+2, 28
	}
	if len(b) < head {
		return head
	}
	name := min(int(binary.LittleEndian.Uint16(b[nameLenAt:])), maxZipName)
	if len(b) < head+name {
		return head + name
	}
	if name == 0 {
		return 0
	}
	z.encrypted = z.encrypted || b[flags]&encrypted != 0
	return z.name(string(b[head:head+name]), b[head+name:])
}

// startsLike tells whether b may begin with sign when the rest has come.
func startsLike(b []byte, sign string) bool {
	n := min(len(b), len(sign))
	return string(b[:n]) == sign[:n]
}

// name learns from an entry's name, and from the content of the one that says what
// the archive is (OpenDocument 1.3 part 2 section 3.3, EPUB OCF section 4.3).
func (z *zipReader) name(name string, content []byte) int {
	low := strings.ToLower(name)
	switch {
	case low == "mimetype":
		if len(content) < zipMimetypeLen {
			return zipLocal + len(name) + zipMimetypeLen
		}
		z.mimetype(content[:zipMimetypeLen])
	case low == "[content_types].xml":
		z.become(fileType{word: "ooxml", mime: "application/vnd.openxmlformats-officedocument", class: classDocument})
	case strings.HasPrefix(low, "word/"):
		z.office("wordprocessingml.document")
	case strings.HasPrefix(low, "xl/"):
		z.office("spreadsheetml.sheet")
		z.macros = z.macros || strings.HasPrefix(low, "xl/macrosheets/")
	case strings.HasPrefix(low, "ppt/"):
		z.office("presentationml.presentation")
	case low == "androidmanifest.xml":
		z.holds = fileType{word: "apk", mime: "application/vnd.android.package-archive", class: classProgram}
	case low == "meta-inf/manifest.mf":
		z.become(fileType{word: "jar", mime: "application/java-archive", class: classProgram})
	}
	if strings.HasSuffix(low, "vbaproject.bin") {
		z.macros = true
	}
	if z.program == "" && opensProgram(extensionOf(low)) {
		z.program = strings.ToValidUTF8(name, "\uFFFD")
	}
	return 0
}

func (z *zipReader) become(t fileType) {
	if z.holds.word == "" {
		z.holds = t
	}
}

func (z *zipReader) office(kind string) {
	if z.holds.word == "ooxml" {
		z.holds.mime = "application/vnd.openxmlformats-officedocument." + kind
	}
}

func (z *zipReader) mimetype(b []byte) {
	for _, t := range [...]struct{ word, mime string }{
		{"odf", "application/vnd.oasis.opendocument.text"}, {"odf", "application/vnd.oasis.opendocument.spreadsheet"},
		{"odf", "application/vnd.oasis.opendocument.presentation"}, {"odf", "application/vnd.oasis.opendocument.graphics"},
		{"epub", "application/epub+zip"},
	} {
		if bytes.Contains(b, []byte(t.mime)) {
			z.become(fileType{word: t.word, mime: t.mime, class: classDocument})
		}
	}
}

// found implements inspector.
func (z *zipReader) found(t fileType) (fileType, string) {
	if z.holds.word != "" {
		t = z.holds
	}
	if z.encrypted {
		t.traits = withTrait(t.traits, traitEncrypted)
	}
	if z.macros {
		t.traits = withTrait(t.traits, traitMacros)
	}
	if z.program != "" {
		t.traits = withTrait(t.traits, traitProgram)
	}
	return t, z.program
}
