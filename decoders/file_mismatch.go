package decoders

import (
	"strings"

	"kagami/records"
)

// What contradicts a file's content: records.File.Mismatch.
const (
	mismatchType     = "declared type"
	mismatchName     = "name"
	mismatchDouble   = "double extension" // invoice.pdf.exe
	mismatchReversed = "reversed name"    // a control character turns the extension around
)

// mismatches says where a file's declarations hide what it is. Only what matters
// counts: a program, script, archive or document that passes for something else;
// that a text is another kind of text does not.
func mismatches(r *records.File) (out []string) {
	if hides(r, classDeclared(r.DeclaredType)) {
		out = append(out, mismatchType)
	}
	if hides(r, classNamed(r.Extension())) {
		out = append(out, mismatchName)
	}
	if doubleExtension(r) {
		out = append(out, mismatchDouble)
	}
	if strings.ContainsAny(r.Name, "\u202d\u202e\u2066\u2067") {
		out = append(out, mismatchReversed)
	}
	return out
}

// hides tells whether the content is more dangerous than files of the class that
// it was said to be of; "" says nothing.
func hides(r *records.File, said string) bool {
	passive := said == classImage || said == classAudio || said == classVideo || said == classFont
	switch r.Class {
	case classProgram:
		return passive || said == classText || said == classDocument || said == classArchive && r.Magic != "jar" && r.Magic != "apk"
	case classScript:
		return passive || said == classDocument || said == classArchive || said == classText && r.Magic == "hta"
	case classArchive:
		if r.Magic == "gzip" || r.Magic == "compress" { // a coding that is not declared as one
			return false
		}
		return passive || said == classText
	case classDocument:
		return passive || said == classText
	}
	return false
}

// classDeclared is the class of a declared media type, "" if it says nothing.
func classDeclared(mime string) string {
	switch {
	case mime == "text/rtf" || mime == "text/richtext" || mime == "application/pdf" || mime == "application/rtf":
		return classDocument
	case mime == "text/x-sh" || mime == "text/scriptlet" || mime == "text/x-msdos-batch" || mime == "text/vbscript":
		return classScript
	case textual(mime):
		return classText
	}
	switch c := classOf(mime); c {
	case classData, classProgram:
		return ""
	default:
		return c
	}
}

// specific tells media types of data that have no sign of their own: what names a
// well-known format must show it, and some name none.
func specific(mime string) bool {
	kind, sub, _ := strings.Cut(mime, "/")
	if kind != "application" || classOf(mime) != classData || mime == "application/pdf" {
		return false
	}
	switch sub {
	case "", "octet-stream", "binary", "x-binary", "unknown", "x-unknown", "download", "x-download", "force-download", "x-msdownload", "x-msdos-program", "x-dosexec":
		return false
	}
	return !textual(mime)
}

// textual tells media types of texts.
func textual(mime string) bool {
	kind, sub, _ := strings.Cut(mime, "/")
	switch kind {
	case "text":
		return sub != ""
	case "application", "image":
		switch sub {
		case "json", "javascript", "x-javascript", "ecmascript", "xml", "x-www-form-urlencoded", "x-ns-proxy-autoconfig", "css":
			return kind == "application"
		}
		return strings.HasSuffix(sub, "+json") || strings.HasSuffix(sub, "+xml")
	}
	return false
}

// extensions are the classes of extensions that a person takes for harmless.
var extensions = [...]struct{ class, list string }{
	{classImage, " jpg jpeg png gif bmp ico webp tif tiff svg heic avif "},
	{classAudio, " mp3 wav ogg m4a aac flac wma "},
	{classVideo, " mp4 avi mov mkv webm wmv flv mpg mpeg "},
	{classFont, " ttf otf woff woff2 eot "},
	{classText, " txt csv log htm html css xml json md ini "},
	{classDocument, " pdf doc docx xls xlsx ppt pptx rtf odt ods odp "},
	{classArchive, " zip rar 7z gz tgz xz bz2 tar lzh "},
}

// classNamed is the class that an extension stands for, "" if it says nothing:
// those of programs, and those that are of programs on the server.
func classNamed(extension string) string {
	if extension == "" || strings.ContainsRune(extension, ' ') {
		return ""
	}
	for i := range extensions {
		if strings.Contains(extensions[i].list, " "+extension+" ") {
			return extensions[i].class
		}
	}
	return ""
}

// opensProgram tells the extensions of files that run, or mount what runs, when
// somebody opens them.
func opensProgram(extension string) bool {
	switch extension {
	case "exe", "scr", "com", "pif", "cpl", "dll", "sys", "msi", "msp", "bat", "cmd", "vbs", "vbe", "js", "jse", "wsf", "wsh", "hta",
		"ps1", "lnk", "jar", "sct", "iso", "img", "vhd", "vhdx", "chm", "scf", "url", "application", "appref-ms", "xll", "one":
		return true
	}
	return false
}

// doubleExtension tells a program's name that ends like a document's but for the
// last extension, which many systems do not show.
func doubleExtension(r *records.File) bool {
	last := r.Extension()
	if !opensProgram(last) || r.NameFrom == "url" && last == "js" {
		return false
	}
	before := strings.TrimRight(r.Name[:strings.LastIndexByte(r.Name, '.')], " ")
	c := classNamed(extensionOf(strings.ToLower(before)))
	return c != "" && c != classArchive
}

// extensionOf is what follows a name's last dot, "" if there is none.
func extensionOf(name string) string {
	name = baseName(name)
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return ""
	}
	return strings.TrimRight(name[i+1:], " ")
}
