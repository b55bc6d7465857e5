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
	for _, c := range []struct{ content, want string }{
		{"", ""}, {"M", ""}, {"hello", ""}, {"\x00\x00\x00\x00", ""},
		{"MZ\x90\x00", "pe"},
		{"\x7fELF\x02", "elf"},
		{"\xcf\xfa\xed\xfe", "macho"},
		{"\xca\xfe\xba\xbe\x00\x00\x00\x02", "macho"},
		{"\xca\xfe\xba\xbe\x00\x00\x00\x34", "class"},
		{"\xca\xfe\xba\xbe", ""},
		{"dex\n035\x00", "dex"},
		{"PK\x03\x04", "zip"},
		{"Rar!\x1a\x07\x00", "rar"},
		{"7z\xbc\xaf\x27\x1c", "7z"},
		{"\x1f\x8b\x08\x00", "gzip"},
		{"BZh91AY", "bzip2"},
		{"\xfd7zXZ\x00", "xz"},
		{"\x28\xb5\x2f\xfd", "zstd"},
		{"MSCF\x00\x00\x00\x00", "cab"},
		{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole2"},
		{"%PDF-1.7", "pdf"},
		{"{\\rtf1", "rtf"},
		{"CWS\x0a\x00\x00\x00\x00", "swf"}, {"FWS\x08....", "swf"}, {"CWScript", ""},
		{"\x4c\x00\x00\x00\x01\x14\x02\x00", "lnk"},
		{"\x89PNG\r\n\x1a\n", "png"},
		{"GIF89a", "gif"},
		{"\xff\xd8\xff\xe0", "jpeg"},
		{"RIFF\x00\x00\x00\x00WEBPVP8 ", "webp"}, {"RIFF\x00\x00\x00\x00WAVEfmt ", ""},
		{"#!/bin/sh\n", "script"},
		{"<!DOCTYPE HTML PUBLIC", "html"}, {"\xef\xbb\xbf\r\n  <Html>", "html"}, {"<!-- x --><html>", "html"},
		{"<?xml version=", "xml"}, {"<custom>", ""},
		{"{\"a\":1}", "json"}, {" [\n 1]", "json"}, {"{}", "json"}, {"{a:1}", ""}, {"[section]", ""}, {"{", ""},
	} {
		if got := magic([]byte(c.content)); got != c.want {
			t.Errorf("%q: %q, want %q", c.content, got, c.want)
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
	f.Add("gzip", []byte(gzipped(lorem)))
	f.Add("deflate", []byte(zlibbed(lorem)))
	f.Add("", []byte("MZ"))
	i := newInflaters()
	f.Fuzz(func(t *testing.T, coding string, b []byte) {
		i.magic(coding, b[:min(len(b), sniffLen)])
	})
}

func BenchmarkMagicGzip(b *testing.B) {
	content := []byte(gzipped(strings.Repeat("<html>"+lorem, 30)))
	i := newInflaters()
	content = content[:min(len(content), sniffLen)]
	b.ReportAllocs()
	for b.Loop() {
		i.magic("gzip", content)
	}
}

var _ sensor.Decoder = (*httpDecoder)(nil)
