package decoders

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"reflect"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

func brotlied(s string) string {
	var b bytes.Buffer
	w := brotli.NewWriter(&b)
	w.Write([]byte(s))
	w.Close()
	return b.String()
}

func zstded(s string) string {
	w, _ := zstd.NewWriter(nil)
	return string(w.EncodeAll([]byte(s), nil))
}

func sumOf(h hash.Hash, s string) string {
	h.Write([]byte(s))
	return hex.EncodeToString(h.Sum(nil))
}

func sha(s string) string { return sumOf(sha256.New(), s) }

// fileCase is a file as it is transferred and what is told of it.
type fileCase struct {
	name    string
	of      fileOf
	content string // "|" + n octets lost are given by gapAt
	gapAt   int    // octets before a gap of 10, 0 = none
	cut     bool   // the protocol's end was not seen
	want    string
	hashed  string // content that SHA-256 is of, "" = no hash
}

// told shows a file's record.
func told(r *records.File) string {
	if r == nil {
		return "nothing"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s size=%d seen=%d", r.Magic, r.MIME, r.Size, r.Seen)
	for _, f := range []struct{ name, value string }{
		{"class", r.Class}, {"name", r.Name}, {"from", r.NameFrom}, {"traits", strings.Join(r.Traits, "+")}, {"listed", r.Listed},
		{"mismatch", strings.Join(r.Mismatch, "+")}, {"odd", r.Odd},
	} {
		if f.value != "" {
			fmt.Fprintf(&b, " %s=%s", f.name, f.value)
		}
	}
	if r.Missing > 0 {
		fmt.Fprintf(&b, " missing=%d", r.Missing)
	}
	for _, f := range []struct {
		name  string
		value bool
	}{{"decoded", r.Decoded}, {"complete", r.Complete}, {"part", r.Part}} {
		if f.value {
			b.WriteString(" " + f.name)
		}
	}
	return b.String()
}

// transfer gives a file to its body in pieces of n octets.
func transfer(s *files, c *fileCase, n int) *records.File {
	f := sensor.NewTestFlow(packet.ProtoTCP)
	b := s.open(f, packet.FromB, c.of)
	write := func(content string) {
		for len(content) > 0 {
			k := min(n, len(content))
			piece := []byte(content[:k])
			b.write(1, piece)
			clear(piece) // it was only borrowed
			content = content[k:]
		}
	}
	if c.gapAt > 0 {
		write(c.content[:c.gapAt])
		b.gap(10)
	}
	write(c.content[c.gapAt:])
	ref := b.ref()
	r := b.close(f, !c.cut)
	if r != nil && r.Ref() != ref {
		return &records.File{Odd: fmt.Sprintf("record says %+v, the body said %+v", r.Ref(), ref)}
	}
	return r
}

func runFiles(t *testing.T, s *files, cases []fileCase) {
	t.Helper()
	for _, c := range cases {
		if c.of.Size == 0 {
			c.of.Size = -1
		}
		var whole *records.File
		for _, n := range []int{1 << 30, 1, 7, 1000} {
			r := transfer(s, &c, n)
			if got := told(r); got != c.want {
				t.Errorf("%s, in pieces of %d:\n%s, want\n%s", c.name, n, got, c.want)
			}
			if want := ""; r != nil {
				if c.hashed != "" {
					want = sha(c.hashed)
				}
				if r.SHA256 != want {
					t.Errorf("%s, in pieces of %d: SHA-256 %q, want that of %.20q", c.name, n, r.SHA256, c.hashed)
				}
			}
			if whole == nil {
				whole = r
			} else if !reflect.DeepEqual(r, whole) {
				t.Errorf("%s: record depends on the pieces:\n%+v\n%+v", c.name, r, whole)
			}
		}
		if taken := s.room.taken.Load(); taken != 0 {
			t.Fatalf("%s: %d octets not given back", c.name, taken)
		}
	}
}

func TestFiles(t *testing.T) {
	page := "<html>" + strings.Repeat(lorem, 200)
	exe := "MZ\x90\x00" + strings.Repeat("\x00\x01\x02\x03", 2000)
	gz, url := []string{"gzip"}, "http://h/a/setup.exe?x=1/2"
	runFiles(t, newFiles(Default().Files), []fileCase{
		{name: "no octets", want: "nothing"},
		{name: "short", content: "hello", want: " text/plain size=5 seen=5 class=text complete", hashed: "hello"},
		{name: "long", content: page, of: fileOf{Size: int64(len(page))}, hashed: page,
			want: "html text/html size=11406 seen=11406 class=text complete"},
		{name: "cut", content: exe, cut: true, hashed: exe,
			want: "pe application/vnd.microsoft.portable-executable size=-1 seen=8004 class=program"},
		{name: "cut, declared length", content: exe, of: fileOf{Size: 9000}, hashed: exe,
			want: "pe application/vnd.microsoft.portable-executable size=9000 seen=8004 class=program"},
		{name: "more than declared", content: "hello", of: fileOf{Size: 3}, hashed: "hello",
			want: " text/plain size=3 seen=5 class=text odd=longer than declared"},
		{name: "gap", content: exe, gapAt: 5000, of: fileOf{Size: 8014},
			want: "pe application/vnd.microsoft.portable-executable size=8014 seen=8004 class=program missing=10"},
		{name: "gap before the type is known", content: exe, gapAt: 4,
			want: "pe application/vnd.microsoft.portable-executable size=-1 seen=8004 class=program missing=10"},
		{name: "name of the URL", content: exe, of: fileOf{URL: url}, hashed: exe,
			want: "pe application/vnd.microsoft.portable-executable size=8004 seen=8004 class=program name=setup.exe from=url complete"},
		{name: "name of the protocol", content: exe, of: fileOf{URL: url, Name: `C:\dir\é.exe`, NameFrom: "disposition"}, hashed: exe,
			want: "pe application/vnd.microsoft.portable-executable size=8004 seen=8004 class=program name=é.exe from=disposition complete"},
		{name: "text of a declared kind", content: "p { margin: 0 }", of: fileOf{Type: "Text/CSS; charset=utf-8"}, hashed: "p { margin: 0 }",
			want: " text/css size=15 seen=15 class=text complete"},
		{name: "a range", content: "hello", of: fileOf{Part: true}, hashed: "hello", want: " text/plain size=5 seen=5 class=text complete part"},

		{name: "gzip", content: gzipped(page), of: fileOf{Codings: gz, Size: int64(len(gzipped(page)))}, hashed: page,
			want: "html text/html size=11406 seen=11406 class=text decoded complete"},
		{name: "gzip members", content: gzipped(page) + gzipped(page), of: fileOf{Codings: gz}, hashed: page + page,
			want: "html text/html size=22812 seen=22812 class=text decoded complete"},
		{name: "deflate", content: zlibbed(page), of: fileOf{Codings: []string{"deflate"}}, hashed: page,
			want: "html text/html size=11406 seen=11406 class=text decoded complete"},
		{name: "deflate without zlib header", content: deflated(page), of: fileOf{Codings: []string{"deflate"}}, hashed: page,
			want: "html text/html size=11406 seen=11406 class=text decoded complete"},
		{name: "br", content: brotlied(page), of: fileOf{Codings: []string{"br"}}, hashed: page,
			want: "html text/html size=11406 seen=11406 class=text decoded complete"},
		{name: "zstd", content: zstded(page), of: fileOf{Codings: []string{"zstd"}}, hashed: page,
			want: "html text/html size=11406 seen=11406 class=text decoded complete"},
		{name: "gzip of nothing", content: gzipped(""), of: fileOf{Codings: gz}, want: "nothing"},
		{name: "a coding that ends inside another", content: gzipped(deflated(page) + "padding"), of: fileOf{Codings: contentCodings("deflate,gzip")}, hashed: page,
			want: "html text/html size=11406 seen=11406 class=text odd=octets after the coded data decoded complete"},
		{name: "two codings", content: gzipped(deflated(page)), of: fileOf{Codings: contentCodings("deflate,gzip")}, hashed: page,
			want: "html text/html size=11406 seen=11406 class=text decoded complete"},
		{name: "cut behind an inner coding", content: gzipped(deflated(page))[:len(gzipped(deflated(page)))-4], of: fileOf{Codings: contentCodings("deflate,gzip")}, hashed: page,
			want: "html text/html size=-1 seen=11406 class=text decoded"},
		{name: "three codings", content: brotlied(gzipped(zstded(page))), of: fileOf{Codings: contentCodings("zstd, X-GZIP ,identity, BR")}, hashed: page,
			want: "html text/html size=11406 seen=11406 class=text decoded complete"},
		{name: "four codings", content: gzipped("hello"), of: fileOf{Codings: contentCodings("gzip,gzip,gzip,gzip,gzip")}, hashed: gzipped("hello"),
			want: "gzip application/gzip size=34 seen=34 class=archive odd=too many content codings complete"},
		{name: "unknown coding", content: "hello", of: fileOf{Codings: []string{"sdch"}}, hashed: "hello",
			want: " text/plain size=5 seen=5 class=text odd=unknown content coding complete"},
		{name: "not coded", content: exe, of: fileOf{Codings: gz}, hashed: exe,
			want: "pe application/vnd.microsoft.portable-executable size=8004 seen=8004 class=program odd=not coded as declared complete"},
		{name: "coded data cut", content: gzipped(page)[:100], of: fileOf{Codings: gz}, hashed: page[:3933],
			want: "html text/html size=-1 seen=3933 class=text decoded"},
		{name: "bad coded data", content: gzipped(noise(5000))[:2000] + strings.Repeat("\xff", 7000), of: fileOf{Codings: gz},
			want: "  size=-1 seen=5000 odd=bad coded data"},
		{name: "octets after coded data", content: gzipped(page) + "padding", of: fileOf{Codings: gz}, hashed: page,
			want: "html text/html size=11406 seen=11406 class=text odd=octets after the coded data decoded complete"},
		{name: "gap in coded data", content: gzipped(page), gapAt: 100, of: fileOf{Codings: gz},
			want: "html text/html size=-1 seen=3933 class=text missing=10 decoded"},
	})
}

func TestFileHashes(t *testing.T) {
	for _, x := range []struct {
		every, risky []string
		content      string
		md5, sha1    bool
		sha256       bool
	}{
		{[]string{"sha256"}, []string{"md5", "sha1"}, "<html>", false, false, true},
		{[]string{"sha256"}, []string{"md5", "sha1"}, "%PDF-1.4", true, true, true},
		{[]string{"sha256"}, []string{"md5", "sha1"}, "#!/bin/sh", true, true, true},
		{[]string{"sha256"}, []string{"md5", "sha1"}, "PK\x03\x04", true, true, true},
		{[]string{"sha256"}, []string{"md5", "sha1"}, "\x05\x80\x01\x02", true, true, true},
		{[]string{"sha256"}, nil, "MZ", false, false, true},
		{nil, []string{"md5"}, "MZ", true, false, false},
		{nil, []string{"md5"}, "GIF89a", false, false, false},
	} {
		c := Default().Files
		c.Hashes, c.RiskyHashes = x.every, x.risky
		s := newFiles(c)
		for range 2 { // the second time with used hashers
			r := transfer(s, &fileCase{content: x.content, of: fileOf{Size: -1}}, 3)
			want := func(on bool, h hash.Hash) string {
				if on {
					return sumOf(h, x.content)
				}
				return ""
			}
			if r.MD5 != want(x.md5, md5.New()) || r.SHA1 != want(x.sha1, sha1.New()) || r.SHA256 != want(x.sha256, sha256.New()) {
				t.Errorf("%q, %v and %v: %q %q %q", x.content, x.every, x.risky, r.MD5, r.SHA1, r.SHA256)
			}
		}
	}
}

func TestFilesOff(t *testing.T) {
	c := Default().Files
	c.Enable = false
	s := newFiles(c)
	f := sensor.NewTestFlow(packet.ProtoTCP)
	b := s.open(f, packet.FromB, fileOf{Size: -1, Codings: []string{"gzip"}})
	b.write(1, []byte(gzipped("%PDF-1.7")))
	if got := b.magic(); got != "pdf" {
		t.Errorf("magic %q", got)
	}
	if r := b.close(f, true); r != nil {
		t.Error(told(r))
	}
	var none *files
	b = none.open(f, packet.FromB, fileOf{})
	b.write(1, []byte("x"))
	b.gap(1)
	if b.magic() != "" || b.ref() != (records.FileRef{}) || b.close(f, true) != nil {
		t.Error("a nil body said something")
	}
}

func TestFileIDs(t *testing.T) {
	s := newFiles(Default().Files)
	f := sensor.NewTestFlow(packet.ProtoTCP)
	seen := map[string]bool{}
	for i := range 20 {
		b := s.open(f, packet.FromB, fileOf{Size: -1})
		if i%2 == 0 {
			b.write(1, []byte("x"))
		}
		if r := b.close(f, true); r != nil {
			if seen[r.ID] || !strings.HasPrefix(r.ID, r.Meta().FlowID()+"-f") {
				t.Errorf("id %s", r.ID)
			}
			seen[r.ID] = true
		}
	}
	if !seen[f.NewFileID()[:17]+"fa"] || len(seen) != 10 {
		t.Errorf("%v: a file without octets took a number", seen)
	}
}

func FuzzFile(f *testing.F) {
	for _, coding := range []string{"gzip", "deflate", "br", "zstd", "gzip,br", ""} {
		for _, s := range []string{gzipped(lorem), zlibbed(lorem), brotlied(lorem), zstded(lorem), deflated(lorem), brotlied(gzipped(lorem)), "MZ"} {
			f.Add(coding, []byte(s), uint16(3), uint16(0))
		}
	}
	c := Default().Files
	c.MaxDecoded, c.MaxHashed = 4<<20, 4<<20
	s := newFiles(c)
	f.Fuzz(func(t *testing.T, coding string, b []byte, cut, gap uint16) {
		x := fileCase{content: string(b), of: fileOf{Codings: contentCodings(coding), Size: -1}, gapAt: min(int(gap), len(b))}
		one, other := transfer(s, &x, 1<<30), transfer(s, &x, int(cut)+1)
		if !reflect.DeepEqual(one, other) {
			t.Errorf("record depends on the pieces:\n%+v\n%+v", one, other)
		}
		if taken := s.room.taken.Load(); taken != 0 {
			t.Fatalf("%d octets not given back", taken)
		}
	})
}

func BenchmarkFile(b *testing.B) {
	c := Default().Files
	for _, x := range []struct{ name, coding, content string }{
		{"html 1 KB", "", ("<!DOCTYPE html>" + strings.Repeat(lorem, 20))[:1024]},
		{"json 1 KB", "", ("{\"a\":\"" + strings.Repeat(lorem, 20))[:1024]},
		{"html 1 KB gzip", "gzip", gzipped(("<!DOCTYPE html>" + strings.Repeat(lorem, 20))[:1024])},
		{"gif 100 KB", "", "GIF89a" + noise(100<<10)},
		{"pe 100 KB", "", "MZ\x90\x00" + noise(100<<10)},
		{"html 1 MB gzip", "gzip", gzipped("<!DOCTYPE html>" + hexNoise(1<<20))},
	} {
		b.Run(x.name, func(b *testing.B) {
			s, f := newFiles(c), sensor.NewTestFlow(packet.ProtoTCP)
			of := fileOf{Source: "http", URL: "http://h/a", Type: "text/html", Size: int64(len(x.content)), Codings: contentCodings(x.coding)}
			content := []byte(x.content)
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			for b.Loop() {
				body := s.open(f, packet.FromB, of)
				for p := content; len(p) > 0; p = p[min(len(p), 1460):] {
					body.write(1, p[:min(len(p), 1460)])
				}
				body.close(f, true)
			}
		})
	}
}

// hexNoise compresses by half.
func hexNoise(n int) string { return hex.EncodeToString([]byte(noise(n / 2))) }
