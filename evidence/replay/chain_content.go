package replay

import (
	"bytes"
	"math"
	"strings"
)

// ContentKind says what can happen with a body.
type ContentKind string

// The kinds of content.
const (
	ContentPlain     ContentKind = ""
	ContentProgram   ContentKind = "program"   // runs by itself
	ContentExploit   ContentKind = "exploit"   // a plug-in or an office program runs or parses it: such objects can attack
	ContentContainer ContentKind = "container" // can hold programs
	ContentOpaque    ContentKind = "opaque"    // of no known type: encrypted programs look so
	ContentScript    ContentKind = "script"    // a page or script that holds what attacks on the browser itself are made of
)

// Content is what a body is, by its octets and not by what it declares to be.
type Content struct {
	Kind     ContentKind
	Name     string // "PE", "SWF" ...
	Disguise string // what it declares to be instead, "" = no contradiction
}

func contentOf(t *Transaction) Content {
	a := t.Response
	if a == nil || len(a.Body.Data) == 0 || a.Status/100 != 2 {
		return Content{}
	}
	if a.Status == 206 && !strings.HasPrefix(strings.TrimSpace(a.Get("Content-Range")), "bytes 0-") {
		return Content{}
	}
	return classify(a.Body.Data, a.Body.Magic, a.Body.Declares)
}

// signature is how a format begins.
type signature struct {
	begins string
	kind   ContentKind
	name   string
}

// signatures are in order: the first that fits counts. ZIP and Java classes are told
// apart below.
func signatures() []signature {
	return []signature{
		{"MZ", ContentProgram, "PE"}, {"\x7fELF", ContentProgram, "ELF"},
		{"\xfe\xed\xfa\xce", ContentProgram, "Mach-O"}, {"\xfe\xed\xfa\xcf", ContentProgram, "Mach-O"},
		{"\xce\xfa\xed\xfe", ContentProgram, "Mach-O"}, {"\xcf\xfa\xed\xfe", ContentProgram, "Mach-O"},
		{"dex\n03", ContentProgram, "DEX"}, {"L\x00\x00\x00\x01\x14\x02\x00", ContentProgram, "LNK"},
		{"FWS", ContentExploit, "SWF"}, {"CWS", ContentExploit, "SWF"}, {"ZWS", ContentExploit, "SWF"},
		{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ContentExploit, "OLE"}, {"{\\rt", ContentExploit, "RTF"}, {"ITSF", ContentExploit, "CHM"},
		{"MSCF", ContentContainer, "CAB"}, {"Rar!\x1a\x07", ContentContainer, "RAR"}, {"7z\xbc\xaf\x27\x1c", ContentContainer, "7z"},
	}
}

// classify goes by the first octets; what the message declares only adds a disguise.
func classify(b []byte, magic, declares string) Content {
	kind, name := kindOf(b, magic, declares)
	c := Content{Kind: kind, Name: name}
	top, _, _ := strings.Cut(declares, "/")
	passes := top == "image" || top == "audio" || top == "video" || top == "font" || top == "text"
	switch {
	case kind == ContentExploit && name == "SWF" && strings.Contains(declares, "flash"), name == "RTF" && strings.Contains(declares, "rtf"), name == "HTA" && strings.Contains(declares, "hta"):
	case kind != ContentPlain && kind != ContentOpaque && (passes || strings.Contains(declares, "json") || strings.Contains(declares, "javascript")):
		c.Disguise = declares
	case kind == ContentProgram && (strings.Contains(declares, "pdf") || strings.Contains(declares, "flash")):
		c.Disguise = declares
	case kind == ContentPlain && magic == "application/octet-stream" && passes && top != "text" && len(b) >= 16:
		// a picture that no program can show: old parsers were attacked with such
		c = Content{ContentExploit, "malformed " + top, declares}
	}
	return c
}

func kindOf(b []byte, magic, declares string) (ContentKind, string) {
	head := b[:min(len(b), 4096)]
	for _, s := range signatures() {
		if bytes.HasPrefix(head, []byte(s.begins)) && (s.name != "PE" || isPE(b)) && (s.name != "SWF" || len(b) > 8 && b[3] < 0x40) {
			return s.kind, s.name
		}
	}
	switch {
	case isMasked(b):
		return ContentProgram, "PE under XOR"
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return zipKind(head, magic, declares)
	case bytes.HasPrefix(head, []byte("\xca\xfe\xba\xbe")) && len(b) > 8:
		if b[4] == 0 && b[5] == 0 && b[6] == 0 && b[7] < 45 { // number of architectures; a class has its version here
			return ContentProgram, "Mach-O"
		}
		return ContentExploit, "Java class"
	case bytes.Contains(head[:min(len(head), 1024)], []byte("%PDF-")):
		return ContentExploit, "PDF"
	case len(b) > 0x8006 && string(b[0x8001:0x8006]) == "CD001":
		return ContentContainer, "ISO"
	case scripted(head):
		return ContentProgram, "HTA"
	case magic == "application/octet-stream" && (dense(b) || len(b) >= 16<<10 && strings.HasSuffix(declares, "octet-stream")):
		return ContentOpaque, "data"
	}
	return ContentPlain, ""
}

// isPE tells a program from text that begins with "MZ". One that is cut off early
// passes when the little that there is holds a zero.
func isPE(b []byte) bool {
	if len(b) < 0x40 {
		return bytes.IndexByte(b, 0) >= 0
	}
	at := int(b[0x3c]) | int(b[0x3d])<<8 | int(b[0x3e])<<16 | int(b[0x3f])<<24
	if at+4 <= len(b) && at > 0 {
		return string(b[at:at+2]) == "PE" || string(b[at:at+2]) == "NE" || string(b[at:at+2]) == "LE"
	}
	return bytes.IndexByte(b[:0x40], 0) >= 0
}

// isMasked tells a program that was made unreadable by XOR with a short key: octets that
// are zero in every program's header bear the key, and the rest of the header proves it.
func isMasked(b []byte) bool {
	const zeros, count, longest = 0x28, 0x14, 16 // reserved words before the offset of the PE header
	if len(b) < 0x40 {
		return false
	}
	for n := 1; n <= longest; n++ {
		var key [longest]byte
		ok, set := true, byte(0)
		for i := range count {
			if k := &key[(zeros+i)%n]; i < n {
				*k = b[zeros+i]
				set |= *k
			} else if *k != b[zeros+i] {
				ok = false
				break
			}
		}
		if ok && set != 0 && unmasks(b, key[:n]) {
			return true
		}
	}
	return false
}

// unmasks tells whether a program's marks stand where they must under a key.
func unmasks(b, key []byte) bool {
	at := func(i int) byte { return b[i] ^ key[i%len(key)] }
	if at(0) != 'M' || at(1) != 'Z' {
		return false
	}
	pe := int(at(0x3c)) | int(at(0x3d))<<8
	return at(0x3e)|at(0x3f) == 0 && pe >= 0x40 && pe+4 <= len(b) && at(pe) == 'P' && at(pe+1) == 'E' && at(pe+2)|at(pe+3) == 0
}

// zipKind tells archives that a plug-in runs from others.
func zipKind(head []byte, magic, declares string) (ContentKind, string) {
	switch {
	case strings.Contains(declares, "silverlight"), bytes.Contains(head, []byte("AppManifest.xaml")):
		return ContentExploit, "XAP"
	case strings.Contains(magic, "java"), strings.Contains(declares, "java-archive"), bytes.Contains(head, []byte("META-INF/MANIFEST.MF")), bytes.Contains(head, []byte(".class")):
		return ContentExploit, "JAR"
	case strings.Contains(magic, "openxmlformats"):
		return ContentExploit, "OOXML"
	case strings.Contains(magic, "android"):
		return ContentProgram, "APK"
	}
	return ContentContainer, "ZIP"
}

// scripted tells whether a text runs outside of a browser's bounds.
func scripted(head []byte) bool {
	low := bytes.ToLower(head)
	return bytes.Contains(low, []byte("<hta:application")) || bytes.Contains(low, []byte("<scriptlet")) && bytes.Contains(low, []byte("<registration"))
}

// dense tells whether octets have no structure: nearly 8 bits of entropy each.
func dense(b []byte) bool {
	const least, most, bits = 4 << 10, 32 << 10, 7.2
	if len(b) < least {
		return false
	}
	b = b[:min(len(b), most)]
	var count [256]int
	for _, c := range b {
		count[c]++
	}
	h := 0.0
	for _, n := range count {
		if n > 0 {
			p := float64(n) / float64(len(b))
			h -= p * math.Log2(p)
		}
	}
	return h >= bits
}
