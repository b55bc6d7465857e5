package decoders

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"strings"
	"testing"

	"kagami/packet"
	"kagami/sensor"
)

const lorem = "Lorem ipsum dolor sit amet, consectetur adipiscing elit. "

func gzipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Name = "name" // a header with an optional member
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

func zlibbed(s string) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

func deflated(s string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

func TestMagic(t *testing.T) {
	pe := func(characteristics, subsystem byte) string {
		b := make([]byte, 0x200)
		copy(b, "MZ\x90\x00")
		b[0x3c] = 0x80
		copy(b[0x80:], "PE\x00\x00\x4c\x01")
		b[0x80+23], b[0x80+24+68] = characteristics, subsystem
		return string(b)
	}
	wide := func(s string) string {
		b := []byte("\xff\xfe")
		for _, c := range []byte(s) {
			b = append(b, c, 0)
		}
		return string(b)
	}
	for _, c := range []struct{ content, want string }{
		{"", ""}, {"M", " text/plain text"}, {"hello", " text/plain text"}, {"\x00\x00\x00\x00", ""},
		{"MZ\x90\x00", "pe application/vnd.microsoft.portable-executable program"},
		{pe(0x01, 3), "pe application/vnd.microsoft.portable-executable program"},
		{pe(0x21, 3), "pe application/vnd.microsoft.portable-executable program dll"},
		{pe(0x01, 1), "pe application/vnd.microsoft.portable-executable program driver"},
		{"MZ is how Mark Zbikowski signed; " + lorem, " text/plain text"},
		{"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00", "elf application/x-executable program"},
		{"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00", "elf application/x-sharedlib program"},
		{"\x7fELF\x02\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", "elf application/x-object program"},
		{"\x7fELF", "elf application/x-executable program"},
		{"\xcf\xfa\xed\xfe", "macho application/x-mach-binary program"},
		{"\xca\xfe\xba\xbe\x00\x00\x00\x02", "macho application/x-mach-binary program"},
		{"\xca\xfe\xba\xbe\x00\x00\x00\x34", "class application/java-vm program"},
		{"\xca\xfe\xba\xbe", ""},
		{"dex\n035\x00", "dex application/vnd.android.dex program"},
		{"\x00asm\x01\x00\x00\x00", "wasm application/wasm program"},
		{"CWS\x0a\x00\x00\x00\x00", "swf application/vnd.adobe.flash.movie program"}, {"FWS\x08....", "swf application/vnd.adobe.flash.movie program"},
		{"CWScript", " text/plain text"},
		{"L\x00\x00\x00\x01\x14\x02\x00", "lnk application/x-ms-shortcut program"},

		{"PK\x03\x04", "zip application/zip archive"},
		{"Rar!\x1a\x07\x00", "rar application/vnd.rar archive"},
		{"7z\xbc\xaf\x27\x1c", "7z application/x-7z-compressed archive"},
		{"\x1f\x8b\x08\x00", "gzip application/gzip archive"},
		{"BZh91AY", "bzip2 application/x-bzip2 archive"}, {"BZhang", " text/plain text"},
		{"\xfd7zXZ\x00", "xz application/x-xz archive"},
		{"\x28\xb5\x2f\xfd", "zstd application/zstd archive"},
		{"MSCF\x00\x00\x00\x00", "cab application/vnd.ms-cab-compressed archive"},
		{"!<arch>\ndebian-binary   ", "deb application/vnd.debian.binary-package archive"}, {"!<arch>\n/", "ar application/x-archive archive"},
		{"xx-lh5-", "lzh application/x-lzh-compressed archive"},
		{strings.Repeat("\x01", 257) + "ustar", "tar application/x-tar archive"},
		{"vhdxfile", "vhdx application/x-vhdx archive"},
		{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole2 application/x-ole-storage document"},
		{"%PDF-1.7", "pdf application/pdf document"},
		{"{\\rtf1", "rtf application/rtf document"},
		{"ITSF\x03\x00\x00\x00", "chm application/vnd.ms-htmlhelp document"},

		{"\x89PNG\r\n\x1a\n", "png image/png image"},
		{"GIF89a", "gif image/gif image"},
		{"\xff\xd8\xff\xe0", "jpeg image/jpeg image"},
		{"\x00\x00\x01\x00\x01\x00", "ico image/vnd.microsoft.icon image"},
		{"RIFF\x00\x00\x00\x00WEBPVP8 ", "webp image/webp image"}, {"RIFF\x00\x00\x00\x00WAVEfmt ", "wav audio/wav audio"},
		{"\x00\x00\x00\x20ftypisom", "mp4 video/mp4 video"}, {"\x00\x00\x00\x20ftypheic", "heic image/heic image"},
		{"wOF2\x00\x01\x00\x00", "woff2 font/woff2 font"},
		{"\x49\x49\x2a\x00\x08\x00\x00\x00", "tiff image/tiff image"}, // what only mimetype knows

		{"#!/bin/sh\n", "script text/x-shellscript script"}, {"#!/usr/bin/env python3\n", "script text/x-python script"},
		{"@ECHO OFF\r\ndel *.*", "bat application/x-bat script"},
		{"$c = New-Object Net.WebClient\n", "ps1 text/x-powershell script"},
		{"Set sh = CreateObject(\"WScript.Shell\")", "vbs text/vbscript script"},
		{"var sh = new ActiveXObject('WScript.Shell')", "js text/javascript script"},
		{wide("Windows Registry Editor Version 5.00"), "reg text/x-ms-regedit script"},
		{"[InternetShortcut]\r\nURL=file://x/", "url application/x-mswinurl script"},
		{"[Shell]\r\nCommand=2\r\nIconFile=\\\\x\\y", "scf application/x-ms-scf script"},
		{"<html><head><HTA:APPLICATION id=x>", "hta application/hta script"},
		{"<?xml version='1.0'?>\n<job id='x'><script>", "wsf text/x-wsf script"},
		{"<!DOCTYPE HTML PUBLIC", "html text/html text"}, {"\xef\xbb\xbf\r\n  <Html>", "html text/html text"}, {"<!-- x --><html>", "html text/html text"},
		{"<?xml version=", "xml text/xml text"}, {"<?xml version='1.0'?><svg>", "svg image/svg+xml image"}, {"<custom>", " text/plain text"},
		{"{\"a\":1}", "json application/json text"}, {" [\n 1]", "json application/json text"}, {"{}", "json application/json text"},
		{"{a:1}", " text/plain text"}, {"[section]", " text/plain text"}, {"{", " text/plain text"},
		{"\x8d\x82\x82\xf1\x82\xc9\x82\xbf\x82\xcd plain Shift_JIS text of some length, which is what Japanese offices send", " text/plain text"},
		{"\xe3\x81\x93\xe3", " text/plain text"}, // UTF-8, cut
		{"\xc2\x9f\x80", ""},                     // high octets that are no UTF-8: too short to be sure
	} {
		got := magic([]byte(c.content))
		line := ""
		if got.mime != "" {
			line = strings.Join(append([]string{got.word, got.mime, got.class}, got.traits...), " ")
		}
		if line != c.want {
			t.Errorf("%.40q: %q, want %q", c.content, line, c.want)
		}
	}
}

func TestHTTPMagic(t *testing.T) {
	page := "<html>" + strings.Repeat(lorem, 100)
	chunked := func(s string) string {
		return fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n1\r\n%s\r\n1\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", s[:1], s[1:2], len(s)-2, s[2:])
	}
	length := func(s string) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(s), s) }
	for _, c := range []struct{ name, message, want string }{
		{"length", length("MZ..."), "pe"},
		{"chunked: the framing is no content", chunked("MZ..."), "pe"},
		{"long, chunked", chunked(page), "html"},
		{"until close", "\r\n%PDF-1.4", "pdf"},
		{"gzip", "Content-Encoding: gzip\r\n" + length(gzipped(page)), "html"},
		{"gzip, chunked", "Content-Encoding: gzip\r\n" + chunked(gzipped(page)), "html"},
		{"deflate with a zlib header", "Content-Encoding: deflate\r\n" + length(zlibbed(page)), "html"},
		{"deflate without", "Content-Encoding: deflate\r\n" + length(deflated(page)), "html"},
		{"an archive inside gzip", "Content-Encoding: gzip\r\n" + length(gzipped("PK\x03\x04....")), "zip"},
		{"a gzip file", length(gzipped(page)), "gzip"},
		{"not gzip at all", "Content-Encoding: gzip\r\n" + length("MZ..."), "pe"},
		{"a cut gzip header", "Content-Encoding: gzip\r\n" + length("\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x00name"), "gzip"},
		{"broken deflate data", "Content-Encoding: gzip\r\n" + length("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff"), "gzip"},
		{"unknown coding", "Content-Encoding: br\r\n" + length("....."), ""},
	} {
		for _, cut := range []func(int) int{uncut, func(int) int { return 1 }} {
			d := newTester()
			d.play([]octets{clientSays(get), serverSays("HTTP/1.1 200 OK\r\n", c.message)}, cut)
			if got := d.records[0].Magic; got != c.want {
				t.Errorf("%s: %q, want %q", c.name, got, c.want)
			}
		}
	}
}

// The first octets of the next response are not mixed with the last one's.
func TestHTTPMagicOfEachResponse(t *testing.T) {
	d := newTester()
	d.play([]octets{clientSays(get, get2, head, get3), serverSays(
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nMZ\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n%PDF\r\n1\r\n-\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")}, uncut)
	for i, want := range []string{"pe", "pdf", "", ""} {
		if got := d.records[i].Magic; got != want {
			t.Errorf("response %d: %q, want %q", i+1, got, want)
		}
	}
}

func TestHTTPMagicStopsAtGap(t *testing.T) {
	d := newTester()
	f := d.flow
	d.decoder.Data(f, packet.FromB, []byte("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), d.emit)
	d.decoder.Gap(f, packet.FromB, 2)
	d.decoder.Data(f, packet.FromB, []byte("MZ....."), d.emit)
	if len(d.records) != 1 || d.records[0].Magic != "" {
		t.Errorf("%v", lines(d.records))
	}
}

func FuzzMagic(f *testing.F) {
	for _, s := range []string{"MZ", "<html>" + lorem, "{\"a\":1}", "\xff\xfe<\x00", lorem, "\x00\x00\x01\x00", "%PDF-1.4"} {
		f.Add([]byte(s))
	}
	for i := range signatures {
		f.Add([]byte(signatures[i].prefix + strings.Repeat("\x00", 600)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:min(len(b), sniffLen)]
		got := magic(b)
		if (got.mime == "") != (got.class == "") {
			t.Errorf("%q has a class or a type, but not both: %+v", b, got)
		}
	})
}

func BenchmarkMagic(b *testing.B) {
	for _, c := range []struct{ name, content string }{
		{"html", "<!DOCTYPE html>" + strings.Repeat(lorem, 20)},
		{"json", "{\"a\":\"" + strings.Repeat(lorem, 20)},
		{"gif", "GIF89a" + strings.Repeat("\x00\x01\x02", 300)},
		{"css", "body { color: #000 }\n" + strings.Repeat("p { margin: 0 }\n", 70)},
		{"unknown", strings.Repeat("\x05\x80\xa0", 400)},
	} {
		b.Run(c.name, func(b *testing.B) {
			content := []byte(c.content)
			b.ReportAllocs()
			for b.Loop() {
				magic(content)
			}
		})
	}
}

var _ sensor.Decoder = (*httpDecoder)(nil)
