package decoders

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"sync"

	"github.com/klauspost/compress/flate"
)

// sniffLen is how many first octets of content are looked at.
const sniffLen = 512

// signature is a file type and what its files begin with.
type signature struct {
	name   string
	prefix string
}

// signatures are looked through in order. Sources: the formats' specifications
// as collected in file(1)'s magic database and RFC 9110 registrations.
var signatures = [...]signature{
	{"pe", "MZ"},
	{"elf", "\x7fELF"},
	{"macho", "\xfe\xed\xfa\xce"}, {"macho", "\xfe\xed\xfa\xcf"},
	{"macho", "\xce\xfa\xed\xfe"}, {"macho", "\xcf\xfa\xed\xfe"},
	{"dex", "dex\n"},
	{"zip", "PK\x03\x04"}, {"zip", "PK\x05\x06"}, {"zip", "PK\x07\x08"},
	{"rar", "Rar!\x1a\x07"},
	{"7z", "7z\xbc\xaf\x27\x1c"},
	{"gzip", "\x1f\x8b\x08"},
	{"bzip2", "BZh"},
	{"xz", "\xfd7zXZ\x00"},
	{"zstd", "\x28\xb5\x2f\xfd"},
	{"cab", "MSCF\x00\x00\x00\x00"},
	{"ole2", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"},
	{"pdf", "%PDF-"},
	{"rtf", "{\\rtf"},
	{"lnk", "\x4c\x00\x00\x00\x01\x14\x02\x00"},
	{"png", "\x89PNG\r\n\x1a\n"},
	{"gif", "GIF87a"}, {"gif", "GIF89a"},
	{"jpeg", "\xff\xd8\xff"},
	{"script", "#!"},
}

// markup is compared without regard to case, after blanks and a byte order mark.
var markup = [...]signature{
	{"xml", "<?xml"},
	{"html", "<!doctype html"},
	{"html", "<html"}, {"html", "<head"}, {"html", "<body"}, {"html", "<title"}, {"html", "<script"},
	{"html", "<meta"}, {"html", "<iframe"}, {"html", "<table"}, {"html", "<div"}, {"html", "<!--"},
}

// magic names the type of content by its first octets, "" if it is not known.
func magic(b []byte) string {
	for i := range signatures {
		if s := &signatures[i]; len(b) >= len(s.prefix) && string(b[:len(s.prefix)]) == s.prefix {
			return s.name
		}
	}
	const javaOldest = 45 // class file version of JDK 1.0; a fat Mach-O holds fewer architectures
	switch {
	case len(b) >= 8 && string(b[:4]) == "\xca\xfe\xba\xbe":
		if binary.BigEndian.Uint32(b[4:]) < javaOldest {
			return "macho"
		}
		return "class"
	case len(b) >= 12 && string(b[:4]) == "RIFF" && string(b[8:12]) == "WEBP":
		return "webp"
	case len(b) >= 8 && (b[0] == 'C' || b[0] == 'F' || b[0] == 'Z') && b[1] == 'W' && b[2] == 'S' && b[3] < ' ':
		return "swf"
	}
	return textMagic(b)
}

// textMagic names the formats that may begin with blanks.
func textMagic(b []byte) string {
	b = bytes.TrimLeft(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), " \t\r\n")
	if len(b) == 0 {
		return ""
	}
	switch b[0] {
	case '<':
		for i := range markup {
			if s := &markup[i]; len(b) >= len(s.prefix) && equalFold(b[:len(s.prefix)], s.prefix) {
				return s.name
			}
		}
	case '{', '[':
		if looksJSON(b) {
			return "json"
		}
	}
	return ""
}

// looksJSON tells whether what follows an opening brace or bracket may follow
// it in JSON (RFC 8259 section 2).
func looksJSON(b []byte) bool {
	rest := bytes.TrimLeft(b[1:], " \t\r\n")
	if len(rest) == 0 {
		return false
	}
	if b[0] == '{' {
		return rest[0] == '"' || rest[0] == '}'
	}
	return isDigit(rest[0]) || strings.IndexByte(`"{[]-tfn`, rest[0]) >= 0
}

// inflaters looks into compressed content. Their windows are large, so that all
// flows share them.
type inflaters struct{ pool sync.Pool }

// inflater reads the beginning of one compressed stream.
type inflater struct {
	src bytes.Reader
	r   io.ReadCloser // a flate.Resetter
	out [sniffLen]byte
}

func newInflaters() *inflaters {
	i := &inflaters{}
	i.pool.New = func() any {
		n := &inflater{}
		n.r = flate.NewReader(&n.src)
		return n
	}
	return i
}

// magic names the type of content whose Content-Encoding is coding. Content
// that cannot be decoded is named by what it is without decoding.
func (i *inflaters) magic(coding string, b []byte) string {
	var deflated []byte
	switch coding {
	case "gzip", "x-gzip":
		deflated = gzipData(b)
	case "deflate":
		deflated = zlibData(b)
	}
	if len(deflated) == 0 {
		return magic(b)
	}
	n := i.pool.Get().(*inflater)
	defer i.pool.Put(n)
	n.src.Reset(deflated)
	if err := n.r.(flate.Resetter).Reset(&n.src, nil); err != nil {
		return magic(b)
	}
	// The input is cut, so an error at its end is expected.
	got, _ := io.ReadFull(n.r, n.out[:])
	if got == 0 {
		return magic(b)
	}
	return magic(n.out[:got])
}

// gzipData skips a gzip header (RFC 1952 section 2.3), nil if there is none.
func gzipData(b []byte) []byte {
	const headerLen = 10
	const hasCRC, hasExtra, hasName, hasComment = 2, 4, 8, 16
	if len(b) < headerLen || b[0] != 0x1f || b[1] != 0x8b || b[2] != 8 {
		return nil
	}
	flags := b[3]
	b = b[headerLen:]
	if flags&hasExtra != 0 {
		if len(b) < 2 || len(b)-2 < int(binary.LittleEndian.Uint16(b)) {
			return nil
		}
		b = b[2+int(binary.LittleEndian.Uint16(b)):]
	}
	for _, flag := range [...]byte{hasName, hasComment} {
		if flags&flag != 0 {
			_, rest, ok := bytes.Cut(b, []byte{0})
			if !ok {
				return nil
			}
			b = rest
		}
	}
	if flags&hasCRC != 0 {
		if len(b) < 2 {
			return nil
		}
		b = b[2:]
	}
	return b
}

// zlibData skips a zlib header (RFC 1950 section 2.2). Some servers send
// deflate data without one.
func zlibData(b []byte) []byte {
	if len(b) >= 2 && b[0]&15 == 8 && binary.BigEndian.Uint16(b)%31 == 0 {
		return b[2:]
	}
	return b
}
