package decoders

import (
	"encoding/binary"
	"strings"

	"github.com/gabriel-vasile/mimetype"
)

// sniffLen is how many first octets of a file are looked at.
const sniffLen = 3072

// Classes of file types: records.File.Class.
const (
	classProgram  = "program"
	classScript   = "script"
	classArchive  = "archive"
	classDocument = "document"
	classImage    = "image"
	classAudio    = "audio"
	classVideo    = "video"
	classFont     = "font"
	classText     = "text"
	classData     = "data"
)

// Traits of files that matter besides their type: records.File.Traits.
const (
	traitDLL       = "dll"
	traitDriver    = "driver"
	traitMacros    = "macros"
	traitEncrypted = "encrypted"
	traitProgram   = "lists-program"
	traitSfx       = "self-extracting"
)

// fileType is what a file is by its content.
type fileType struct {
	word   string // short name: "pe", "html"; "" = unknown
	mime   string // registered media type where there is one
	class  string
	traits []string // shared, read only
}

// risky tells files that can do something, and those that nobody knows: they are
// hashed for all lists of known files.
func (t *fileType) risky() bool {
	switch t.class {
	case classProgram, classScript, classArchive, classDocument, "":
		return true
	}
	return false
}

// magic names the type of a file by its first octets. It is the only place where
// Kagami does; most files are told by few comparisons, and mimetype is asked for
// the rest.
func magic(b []byte) fileType {
	if len(b) == 0 {
		return fileType{}
	}
	for i := range signatures {
		s := &signatures[i]
		if b[0] == s.prefix[0] && len(b) >= len(s.prefix) && string(b[:len(s.prefix)]) == s.prefix {
			return refine(s.fileType, b)
		}
	}
	if b[0] == '<' {
		if t, ok := markupType(b); ok {
			return t
		}
	}
	if t, ok := deeper(b); ok {
		return t
	}
	if looksText(b) {
		return textType(b)
	}
	return rare(b)
}

// rare asks mimetype, which knows many formats and costs some allocations.
func rare(b []byte) fileType {
	m := mimetype.Detect(b)
	name, _, _ := strings.Cut(m.String(), ";")
	if name == "application/octet-stream" || name == "text/plain" {
		return fileType{}
	}
	return fileType{word: strings.TrimPrefix(m.Extension(), "."), mime: name, class: classOf(name)}
}

// classOf is the class of a media type.
func classOf(mime string) string {
	kind, sub, _ := strings.Cut(mime, "/")
	switch kind {
	case "image", "audio", "video", "font", "text":
		return kind
	case "model":
		return classData
	}
	for _, c := range [...]struct{ class, words string }{
		{classDocument, "msword ms-excel ms-powerpoint ms-publisher ms-visio ms-outlook officedocument opendocument epub postscript onenote"},
		{classArchive, "zip compressed archive tar rar rpm cpio debian lzip lzma arj ace-compressed lzh cab iso9660 diskimage"},
		{classProgram, "executable sharedlib object java-applet coredump wasm"},
		{classFont, "font"},
		{classAudio, "ogg"},
	} {
		for word := range strings.SplitSeq(c.words, " ") {
			if strings.Contains(sub, word) {
				return c.class
			}
		}
	}
	return classData
}

// deeper knows the types whose signature is not at the very beginning, or needs
// more than a comparison.
func deeper(b []byte) (fileType, bool) {
	const javaOldest = 45 // class file version of JDK 1.0; a fat Mach-O holds fewer architectures
	switch {
	case len(b) >= 8 && string(b[:4]) == "\xca\xfe\xba\xbe":
		if binary.BigEndian.Uint32(b[4:]) < javaOldest {
			return typeMacho, true
		}
		return fileType{word: "class", mime: "application/java-vm", class: classProgram}, true
	case len(b) >= 12 && string(b[:4]) == "RIFF":
		switch string(b[8:12]) {
		case "WEBP":
			return fileType{word: "webp", mime: "image/webp", class: classImage}, true
		case "WAVE":
			return fileType{word: "wav", mime: "audio/wav", class: classAudio}, true
		case "AVI ":
			return fileType{word: "avi", mime: "video/x-msvideo", class: classVideo}, true
		}
	case len(b) >= 8 && (b[0] == 'C' || b[0] == 'F' || b[0] == 'Z') && b[1] == 'W' && b[2] == 'S' && b[3] < ' ':
		return fileType{word: "swf", mime: "application/vnd.adobe.flash.movie", class: classProgram}, true
	case len(b) >= 12 && string(b[4:8]) == "ftyp":
		return isoMedia(b), true
	case len(b) >= 262 && string(b[257:262]) == "ustar":
		return fileType{word: "tar", mime: "application/x-tar", class: classArchive}, true
	case len(b) >= 7 && string(b[2:5]) == "-lh" && b[6] == '-':
		return fileType{word: "lzh", mime: "application/x-lzh-compressed", class: classArchive}, true
	case zeros(b):
		return fileType{}, true // perhaps a disk image: inspect tells
	}
	return fileType{}, false
}

// isoMedia tells the types of ISO base media files by their brand (ISO/IEC
// 14496-12 section 4.3).
func isoMedia(b []byte) fileType {
	switch brand := string(b[8:12]); {
	case brand == "heic" || brand == "heix" || brand == "mif1":
		return fileType{word: "heic", mime: "image/heic", class: classImage}
	case brand == "avif" || brand == "avis":
		return fileType{word: "avif", mime: "image/avif", class: classImage}
	case brand == "qt  ":
		return fileType{word: "mov", mime: "video/quicktime", class: classVideo}
	case strings.HasPrefix(brand, "M4A"):
		return fileType{word: "m4a", mime: "audio/mp4", class: classAudio}
	case strings.HasPrefix(brand, "3g"):
		return fileType{word: "3gp", mime: "video/3gpp", class: classVideo}
	}
	return fileType{word: "mp4", mime: "video/mp4", class: classVideo}
}

func zeros(b []byte) bool {
	if len(b) < sniffLen {
		return false
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// signature is a file type and what its files begin with.
type signature struct {
	prefix string
	fileType
}

var typeMacho = fileType{word: "macho", mime: "application/x-mach-binary", class: classProgram}

// signatures are looked through in order. Sources: the formats' specifications,
// the media types that IANA lists, file(1)'s names for the others.
var signatures = [...]signature{
	{"\x89PNG\r\n\x1a\n", fileType{word: "png", mime: "image/png", class: classImage}},
	{"GIF87a", fileType{word: "gif", mime: "image/gif", class: classImage}},
	{"GIF89a", fileType{word: "gif", mime: "image/gif", class: classImage}},
	{"\xff\xd8\xff", fileType{word: "jpeg", mime: "image/jpeg", class: classImage}},
	{"\x00\x00\x01\x00", fileType{word: "ico", mime: "image/vnd.microsoft.icon", class: classImage}},
	{"wOFF", fileType{word: "woff", mime: "font/woff", class: classFont}},
	{"wOF2", fileType{word: "woff2", mime: "font/woff2", class: classFont}},
	{"MZ", fileType{word: "pe", mime: "application/vnd.microsoft.portable-executable", class: classProgram}},
	{"\x7fELF", fileType{word: "elf", mime: "application/x-executable", class: classProgram}},
	{"\xfe\xed\xfa\xce", typeMacho}, {"\xfe\xed\xfa\xcf", typeMacho},
	{"\xce\xfa\xed\xfe", typeMacho}, {"\xcf\xfa\xed\xfe", typeMacho},
	{"\x00asm", fileType{word: "wasm", mime: "application/wasm", class: classProgram}},
	{"dex\n", fileType{word: "dex", mime: "application/vnd.android.dex", class: classProgram}},
	{"L\x00\x00\x00\x01\x14\x02\x00", fileType{word: "lnk", mime: "application/x-ms-shortcut", class: classProgram}},
	{"PK\x03\x04", typeZip}, {"PK\x05\x06", typeZip}, {"PK\x07\x08", typeZip},
	{"Rar!\x1a\x07", fileType{word: "rar", mime: "application/vnd.rar", class: classArchive}},
	{"7z\xbc\xaf\x27\x1c", fileType{word: "7z", mime: "application/x-7z-compressed", class: classArchive}},
	{"\x1f\x8b\x08", fileType{word: "gzip", mime: "application/gzip", class: classArchive}},
	{"\x1f\x9d", fileType{word: "compress", mime: "application/x-compress", class: classArchive}},
	{"BZh", fileType{word: "bzip2", mime: "application/x-bzip2", class: classArchive}},
	{"\xfd7zXZ\x00", fileType{word: "xz", mime: "application/x-xz", class: classArchive}},
	{"\x28\xb5\x2f\xfd", fileType{word: "zstd", mime: "application/zstd", class: classArchive}},
	{"MSCF\x00\x00\x00\x00", fileType{word: "cab", mime: "application/vnd.ms-cab-compressed", class: classArchive}},
	{"!<arch>\n", fileType{word: "ar", mime: "application/x-archive", class: classArchive}},
	{"xar!", fileType{word: "xar", mime: "application/x-xar", class: classArchive}},
	{"conectix", fileType{word: "vhd", mime: "application/x-vhd", class: classArchive}},
	{"vhdxfile", fileType{word: "vhdx", mime: "application/x-vhdx", class: classArchive}},
	{"QFI\xfb", fileType{word: "qcow", mime: "application/x-qemu-disk", class: classArchive}},
	{"KDMV", fileType{word: "vmdk", mime: "application/x-vmdk", class: classArchive}},
	{"MSWIM\x00\x00\x00", fileType{word: "wim", mime: "application/x-ms-wim", class: classArchive}},
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", fileType{word: "ole2", mime: "application/x-ole-storage", class: classDocument}},
	{"%PDF-", fileType{word: "pdf", mime: "application/pdf", class: classDocument}},
	{"%!PS", fileType{word: "ps", mime: "application/postscript", class: classDocument}},
	{"{\\rtf", fileType{word: "rtf", mime: "application/rtf", class: classDocument}},
	{"ITSF\x03\x00\x00\x00", fileType{word: "chm", mime: "application/vnd.ms-htmlhelp", class: classDocument}},
	{"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3", fileType{word: "onenote", mime: "application/onenote", class: classDocument}},
	{"ID3", fileType{word: "mp3", mime: "audio/mpeg", class: classAudio}},
	{"OggS", fileType{word: "ogg", mime: "application/ogg", class: classAudio}},
	{"\x1aE\xdf\xa3", fileType{word: "matroska", mime: "video/x-matroska", class: classVideo}},
	{"FLV\x01", fileType{word: "flv", mime: "video/x-flv", class: classVideo}},
	{"\x30\x26\xb2\x75\x8e\x66\xcf\x11", fileType{word: "asf", mime: "video/x-ms-asf", class: classVideo}},
	{"\x00\x00\x01\xba", fileType{word: "mpeg", mime: "video/mpeg", class: classVideo}},
	{"\x00\x00\x01\xb3", fileType{word: "mpeg", mime: "video/mpeg", class: classVideo}},
}

var typeZip = fileType{word: "zip", mime: "application/zip", class: classArchive}
