package objects

import (
	"strings"

	"github.com/gabriel-vasile/mimetype"
)

// mismatch tells whether the declared type and the one by content contradict each
// other. A type that says little contradicts nothing: application/octet-stream, none;
// nor does a format that is a special case of the other, as a JAR is a ZIP, HTML is text.
func mismatch(declared, magic string) bool {
	declared, magic = usual(declared), usual(magic)
	if declared == magic || vague(declared) || vague(magic) {
		return false
	}
	if isText(declared) && isPlain(magic) { // scripts, style sheets, broken markup
		return false
	}
	if (isXML(declared) || declared == "text/html") && isXML(magic) {
		return false
	}
	return !special(declared, magic) && !special(magic, declared)
}

// special tells whether a type is another, or a special case of it.
func special(name, of string) bool {
	for m := mimetype.Lookup(name); m != nil; m = m.Parent() {
		if m.Is(of) {
			return true
		}
	}
	return false
}

// vague are the types that servers send when they do not know.
func vague(t string) bool {
	switch t {
	case "", "application/octet-stream", "binary/octet-stream", "application/force-download", "application/download", "application/x-download", "application/unknown",
		"multipart/form-data", "multipart/byteranges", "unknown/unknown", "*/*", "text":
		return true
	}
	return strings.IndexByte(t, '/') < 0
}

func isText(t string) bool {
	switch t {
	case "application/json", "application/x-www-form-urlencoded", "application/xhtml+xml", "application/manifest+json", "application/x-ns-proxy-autoconfig",
		"application/vnd.apple.mpegurl", "application/x-x509-ca-cert", "application/sdp", "message/http":
		return true
	}
	return strings.HasPrefix(t, "text/") || strings.HasSuffix(t, "+json") || isXML(t)
}

// isPlain are the types that are found in text of no certain kind.
func isPlain(t string) bool {
	switch t {
	case "text/plain", "text/csv", "text/tab-separated-values", "application/json", "application/x-ndjson":
		return true
	}
	return false
}

func isXML(t string) bool {
	return t == "text/xml" || strings.HasSuffix(t, "+xml")
}

// usual is the common name of a type that has several.
func usual(t string) string {
	switch t = strings.ToLower(t); t {
	case "image/jpg", "image/pjpeg":
		return "image/jpeg"
	case "image/x-png":
		return "image/png"
	case "image/ico", "image/vnd.microsoft.icon", "image/icon":
		return "image/x-icon"
	case "application/javascript", "application/x-javascript", "application/ecmascript", "text/ecmascript", "text/x-javascript", "text/jscript":
		return "text/javascript"
	case "application/xml":
		return "text/xml"
	case "text/json", "application/x-json":
		return "application/json"
	case "application/x-msdownload", "application/x-msdos-program", "application/x-dosexec", "application/exe", "application/x-exe", "application/dos-exe", "application/x-msi-exe",
		"application/x-winexe", "application/vnd.microsoft.portable-executable":
		return "application/vnd.microsoft.portable-executable"
	case "application/java-archive", "application/x-java-archive", "application/x-jar", "application/jar":
		return "application/java-archive"
	case "application/x-zip-compressed", "application/x-zip":
		return "application/zip"
	case "application/x-gzip":
		return "application/gzip"
	case "application/font-woff", "application/x-font-woff", "font/x-woff":
		return "font/woff"
	case "application/font-woff2":
		return "font/woff2"
	case "application/java-vm", "application/java", "application/x-java-class", "application/x-java-vm":
		return "application/x-java-applet"
	case "application/x-pdf":
		return "application/pdf"
	}
	return t
}
