package decoders

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// textLook is how many octets show whether a file is text.
const textLook = 1 << 10

// looksText tells text from binary data as browsers do (MIME Sniffing Standard,
// section 5.2 "binary data byte"): octets in any character set, with a byte order
// mark or without the control codes that no text has.
func looksText(b []byte) bool {
	if isUTF16(b) {
		return true
	}
	b = b[:min(len(b), textLook)]
	const binary = 0xffffffff &^ (1<<'\t' | 1<<'\n' | 1<<'\f' | 1<<'\r' | 1<<0x1b)
	high := 0
	for _, c := range b {
		high += int(c >> 7)
		if c < ' ' && uint32(binary)>>c&1 != 0 {
			return false
		}
	}
	// Few octets without control codes are no sign of text in an unknown set.
	const enough = 64
	return high == 0 || len(b) >= enough && high*4 < len(b)*3 || validUTF8(b)
}

func isUTF16(b []byte) bool {
	return len(b) >= 2 && (b[0] == 0xff && b[1] == 0xfe || b[0] == 0xfe && b[1] == 0xff)
}

// validUTF8 allows for a character that is cut at the end.
func validUTF8(b []byte) bool {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if end := b[len(b)-n:]; utf8.RuneStart(end[0]) {
			if !utf8.FullRune(end) {
				b = b[:len(b)-n]
			}
			break
		}
	}
	return utf8.Valid(b)
}

// markup is compared without regard to case, after blanks and a byte order mark.
var markup = [...]struct{ word, prefix string }{
	{"html", "<!doctype html"}, {"html", "<html"}, {"html", "<head"}, {"html", "<body"}, {"html", "<title"},
	{"html", "<script"}, {"html", "<meta"}, {"html", "<iframe"}, {"html", "<table"}, {"html", "<div"}, {"html", "<!--"},
	{"html", "<style"}, {"html", "<h1"}, {"html", "<br"}, {"html", "<p>"}, {"html", "<a "}, {"html", "<font"}, {"html", "<b>"},
	{"xml", "<?xml"}, {"svg", "<svg"}, {"php", "<?php"},
	{"hta", "<hta:application"}, {"wsf", "<job"}, {"wsf", "<package>"}, {"sct", "<scriptlet"}, {"html", "<!doctype"},
}

// opening are what texts of a kind begin with, in lower case.
var opening = [...]struct{ prefix, word string }{
	{"#!", "script"}, {"@echo off", "bat"}, {"[internetshortcut]", "url"}, {"[{000214a0-0000-0000-c000-000000000046}]", "url"},
	{"[shell]", "scf"}, {"windows registry editor", "reg"}, {"regedit4", "reg"}, {"begin:vcard", "vcard"}, {"begin:vcalendar", "ics"},
	{"-----begin ", "pem"}, {"#extm3u", "m3u"}, {"webvtt", "vtt"}, {"param(", "ps1"},
}

// textTypes are the types of texts that are more than text/plain.
var textTypes = [...]fileType{
	{word: "html", mime: "text/html", class: classText},
	{word: "xml", mime: "text/xml", class: classText},
	{word: "svg", mime: "image/svg+xml", class: classImage},
	{word: "json", mime: "application/json", class: classText},
	{word: "php", mime: "text/x-php", class: classScript},
	{word: "hta", mime: "application/hta", class: classScript},
	{word: "wsf", mime: "text/x-wsf", class: classScript},
	{word: "sct", mime: "text/scriptlet", class: classScript},
	{word: "script", mime: "text/x-script", class: classScript},
	{word: "bat", mime: "application/x-bat", class: classScript},
	{word: "vbs", mime: "text/vbscript", class: classScript},
	{word: "js", mime: "text/javascript", class: classScript},
	{word: "ps1", mime: "text/x-powershell", class: classScript},
	{word: "url", mime: "application/x-mswinurl", class: classScript},
	{word: "scf", mime: "application/x-ms-scf", class: classScript},
	{word: "reg", mime: "text/x-ms-regedit", class: classScript},
	{word: "vcard", mime: "text/vcard", class: classText},
	{word: "ics", mime: "text/calendar", class: classText},
	{word: "pem", mime: "application/x-pem-file", class: classText},
	{word: "m3u", mime: "application/vnd.apple.mpegurl", class: classText},
	{word: "vtt", mime: "text/vtt", class: classText},
}

// textNamed is the entry of textTypes.
func textNamed(word string) fileType {
	for i := range textTypes {
		if textTypes[i].word == word {
			return textTypes[i]
		}
	}
	return typeText
}

// typeText has no short name: it says little about a file.
var typeText = fileType{mime: "text/plain", class: classText}

// textType names the kind of a text, text/plain where it is not plain to see.
func textType(b []byte) fileType {
	if isUTF16(b) {
		b = narrow(b)
	}
	b = bytes.TrimLeft(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), " \t\r\n")
	if len(b) == 0 {
		return typeText
	}
	switch b[0] {
	case '<':
		if t, ok := markupType(b); ok {
			return t
		}
	case '{', '[':
		if looksJSON(b) {
			return textNamed("json")
		}
	}
	for i := range opening {
		if o := &opening[i]; hasPrefixFold(b, o.prefix) {
			if o.word == "script" {
				return shebang(b)
			}
			return textNamed(o.word)
		}
	}
	if t, ok := scriptType(b); ok {
		return t
	}
	return typeText
}

func hasPrefixFold(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && equalFold(b[:len(prefix)], prefix)
}

// markupType names what begins with a tag. An HTML application is HTML but for
// one tag, and scripts for Windows come as XML.
func markupType(b []byte) (fileType, bool) {
	for i := range markup {
		m := &markup[i]
		if !hasPrefixFold(b, m.prefix) {
			continue
		}
		switch m.word {
		case "html":
			if containsFold(b, "<hta:application") {
				return textNamed("hta"), true
			}
		case "xml":
			return xmlType(b), true
		case "wsf":
			if !containsFold(b, "<script") {
				return textNamed("xml"), true
			}
		}
		return textNamed(m.word), true
	}
	return fileType{}, false
}

// xmlType names an XML document by its first element.
func xmlType(b []byte) fileType {
	b = b[:min(len(b), 1024)]
	for _, m := range [...]struct{ tag, word string }{
		{"<svg", "svg"}, {"<!doctype html", "html"}, {"<html", "html"}, {"<scriptlet", "sct"}, {"<job", "wsf"}, {"<package>", "wsf"},
	} {
		if containsFold(b, m.tag) && (m.word != "wsf" || containsFold(b, "<script")) {
			return textNamed(m.word)
		}
	}
	return textNamed("xml")
}

// shebang names a script by its interpreter.
func shebang(b []byte) fileType {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	t := textNamed("script")
	for _, i := range [...]struct{ name, mime string }{
		{"python", "text/x-python"}, {"perl", "text/x-perl"}, {"ruby", "text/x-ruby"}, {"node", "text/javascript"},
		{"php", "text/x-php"}, {"awk", "text/x-awk"}, {"lua", "text/x-lua"}, {"sh", "text/x-shellscript"},
	} {
		if bytes.Contains(line, []byte(i.name)) {
			t.mime = i.mime
			break
		}
	}
	return t
}

// marks are what scripts for Windows cannot do without and other texts hardly
// have, in lower case, with the place of a rare letter by which they are found.
var marks = [...]struct {
	text, word string
	at         int
}{
	{"new-object ", "ps1", 6}, {"invoke-expression", "ps1", 8}, {"invoke-webrequest", "ps1", 12}, {"set-executionpolicy", "ps1", 5},
	{"frombase64string", "ps1", 8}, {"on error resume next", "vbs", 18}, {"new activexobject", "js", 13}, {"createobject(", "vbs", 8},
}

// scriptType looks for the marks of scripts.
func scriptType(b []byte) (fileType, bool) {
	for _, letter := range [...]byte{'j', 'x', 'q', '6'} {
		for _, c := range [...]byte{letter, letter - 'a' + 'A'} {
			if letter == '6' && c != letter {
				continue
			}
			if word := marked(b, letter, c); word != "" {
				return textNamed(word), true
			}
		}
	}
	return fileType{}, false
}

// marked looks for the marks whose rare letter is written as c.
func marked(b []byte, letter, c byte) string {
	for i := 0; ; i++ {
		j := bytes.IndexByte(b[i:], c)
		if j < 0 {
			return ""
		}
		i += j
		for k := range marks {
			m := &marks[k]
			if m.text[m.at] == letter && i >= m.at && hasPrefixFold(b[i-m.at:], m.text) {
				if m.text == "createobject(" && !containsFold(b, "set ") { // JScript's own objects are made so, too
					return "js"
				}
				return m.word
			}
		}
	}
}

// narrow keeps the ASCII letters of UTF-16, with which scripts and shortcuts begin.
func narrow(b []byte) []byte {
	low := 0
	if b[0] == 0xfe {
		low = 1
	}
	out := make([]byte, 0, len(b)/2)
	for i := 2; i+1 < len(b); i += 2 {
		if b[i+1-low] == 0 {
			out = append(out, b[i+low])
		} else {
			out = append(out, '?')
		}
	}
	return out
}

// containsFold tells whether text, in lower case, occurs in b.
func containsFold(b []byte, text string) bool {
	first := [...]byte{text[0], text[0]}
	if 'a' <= text[0] && text[0] <= 'z' {
		first[1] -= 'a' - 'A'
	}
	for len(b) >= len(text) {
		i := bytes.IndexAny(b, string(first[:]))
		if i < 0 {
			return false
		}
		if b = b[i:]; hasPrefixFold(b, text) {
			return true
		}
		b = b[1:]
	}
	return false
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
