package decoders

import (
	"strings"
	"testing"

	"kagami/records"
)

func TestMismatches(t *testing.T) {
	for _, c := range []struct{ content, declared, name, want string }{
		{"MZ", "application/octet-stream", "setup.exe", ""},
		{"MZ", "application/x-msdownload", "a", ""},
		{"MZ", "", "a.php", ""},
		{"MZ", "image/gif", "", "declared type"},
		{"MZ", "text/html", "", "declared type"},
		{"MZ", "text/plain", "setup.exe", "declared type"},
		{"MZ", "application/json", "", "declared type"},
		{"MZ", "application/pdf", "invoice.pdf", "declared type+name"},
		{"MZ", "application/zip", "", "declared type"},
		{"MZ", "application/octet-stream", "photo.JPG", "name"},
		{"MZ", "application/octet-stream", "invoice.pdf.exe", "double extension"},
		{"MZ", "application/octet-stream", "invoice.pdf        .exe", "double extension"},
		{"MZ", "application/octet-stream", "setup.1.2.exe", ""},
		{"MZ", "application/octet-stream", "x.tar.exe", ""},
		{"MZ", "application/octet-stream", "ann\u202excod.exe", "reversed name"},
		{"#!/bin/sh", "text/plain", "run.sh", ""},
		{"#!/bin/sh", "text/html", "", ""},
		{"#!/bin/sh", "image/png", "", "declared type"},
		{"<hta:application>", "text/html", "", "declared type"},
		{"<hta:application>", "application/hta", "a.hta", ""},
		{"<?php", "text/html", "a.html", ""},
		{zipped("META-INF/MANIFEST.MF=x"), "application/java-archive", "a.jar", ""},
		{zipped("META-INF/MANIFEST.MF=x"), "application/zip", "a.zip", ""},
		{zipped("META-INF/MANIFEST.MF=x"), "text/html", "", "declared type"},
		{zipped("a.txt=x"), "image/jpeg", "a.jpg", "declared type+name"},
		{zipped("a.txt=x"), "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "a.docx", ""},
		{zipped("[Content_Types].xml=x", "word/vbaProject.bin=x"), "application/zip", "", ""},
		{zipped("[Content_Types].xml=x", "word/vbaProject.bin=x"), "text/html", "", "declared type"},
		{gzipped("x"), "text/css", "a.css", ""},
		{"%PDF-1.4", "text/html", "", "declared type"},
		{"{\\rtf1", "application/msword", "a.doc", ""},
		{"{\\rtf1", "text/rtf", "a.rtf", ""},
		{"{\"a\":1}", "text/html", "a.png", ""},
		{"<html>", "application/octet-stream", "a.exe", ""},
		{"GIF89a", "image/jpeg", "a.pdf", ""},
		{"hello", "image/gif", "a.gif", ""},
		{"x = 1", "text/javascript", "invoice.pdf.js", "double extension"},
		{"", "image/gif", "a.gif", ""},
	} {
		kind := magic([]byte(c.content))
		if in := inspect(kind, -1); in != nil {
			in.read([]byte(c.content))
			kind, _ = in.found(kind)
		}
		r := &records.File{Magic: kind.word, Class: kind.class, DeclaredType: c.declared, Name: c.name, NameFrom: "disposition"}
		if got := strings.Join(mismatches(r), "+"); got != c.want {
			t.Errorf("%.20q declared %q named %q: %q, want %q", c.content, c.declared, c.name, got, c.want)
		}
	}
	r := &records.File{Name: "jquery.html.js", NameFrom: "url"}
	if got := mismatches(r); got != nil {
		t.Errorf("a script of a page: %v", got)
	}
}

func TestURLName(t *testing.T) {
	for _, c := range []struct{ url, want string }{
		{"http://h/a/b.exe", "b.exe"}, {"http://h/a/b.exe?c=/d.gif#e/f", "b.exe"}, {"http://h/", ""}, {"http://h", ""}, {"", ""},
		{"http://h/a%20b.txt", "a b.txt"}, {"http://h/%zz", "%zz"}, {"http://h/%2e%2e%2fetc%2fpasswd", "passwd"}, {"http://h/a/", ""},
		{"http://h/%ff", "ÿ"}, {"/a/b", "b"}, {"h:443", "h:443"},
	} {
		if got := urlName(c.url); got != c.want {
			t.Errorf("%q: %q, want %q", c.url, got, c.want)
		}
	}
}

func TestContentCodings(t *testing.T) {
	for _, c := range []struct{ field, want string }{
		{"", ""}, {"identity", ""}, {"gzip", "gzip"}, {"X-GZIP", "gzip"}, {" gzip , br ", "br gzip"}, {"gzip,,identity,deflate", "deflate gzip"},
		{"a,b,c,d,e,f", "d c b a"}, // one more than are undone: too many
	} {
		if got := strings.Join(contentCodings(c.field), " "); got != c.want {
			t.Errorf("%q: %q, want %q", c.field, got, c.want)
		}
	}
}
