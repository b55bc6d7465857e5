package decoders

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode/utf16"
)

// zipped is an archive of entries "name=content"; stored, with streamed lengths as
// archive/zip writes them.
func zipped(entries ...string) string {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		name, content, _ := strings.Cut(e, "=")
		f, _ := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		io.WriteString(f, content)
	}
	w.Close()
	return b.String()
}

// compound is a compound file whose directory, in sector n, has these entries.
func compound(n int, class string, entries ...string) string {
	const sector = 512
	b := make([]byte, (n+1)*sector+ole2Directory)
	copy(b, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
	b[30] = 9
	binary.LittleEndian.PutUint32(b[48:], uint32(n))
	for i, name := range append([]string{"Root Entry"}, entries...) {
		e := b[(n+1)*sector+i*ole2Entry:]
		for j, u := range utf16.Encode([]rune(name)) {
			binary.LittleEndian.PutUint16(e[2*j:], u)
		}
		e[64], e[66] = byte(2*len(name)+2), 2
		if i == 0 {
			e[66] = 5
			copy(e[80:], class)
		}
	}
	return string(b)
}

// rarFile is a header of version 1.5 with data behind it.
func rarFile(kind byte, flags uint16, name, data string) string {
	head := make([]byte, 32)
	head[2] = kind
	binary.LittleEndian.PutUint16(head[3:], flags|0x8000)
	binary.LittleEndian.PutUint16(head[5:], uint16(32+len(name)))
	binary.LittleEndian.PutUint32(head[7:], uint32(len(data)))
	binary.LittleEndian.PutUint16(head[26:], uint16(len(name)))
	return string(head) + name + data
}

// rar5File is a header of version 5 with data behind it.
func rar5File(name, extra, data string) string {
	rest := []byte{2, 3} // a file with extra records and data
	rest = binary.AppendUvarint(rest, uint64(len(extra)))
	rest = binary.AppendUvarint(rest, uint64(len(data)))
	rest = append(rest, 0, 9, 0, 0, 1)
	rest = binary.AppendUvarint(rest, uint64(len(name)))
	rest = append(append(rest, name...), extra...)
	out := append([]byte("crc!"), binary.AppendUvarint(nil, uint64(len(rest)))...)
	return string(append(out, rest...)) + data
}

func sevenZip(header string) string {
	b := make([]byte, sevenZipHeader)
	copy(b, "7z\xbc\xaf\x27\x1c")
	b[12], b[20] = 100, byte(len(header))
	return string(b) + strings.Repeat("x", 100) + header
}

func at(offset int, s string) string { return strings.Repeat("\x00", offset) + s }

const rar4, rar5 = "Rar!\x1a\x07\x00", "Rar!\x1a\x07\x01\x00"

func TestInside(t *testing.T) {
	secret := []byte(zipped("a.txt=x"))
	secret[6] |= 1
	rarMain := "cc\x73\x00\x00\x0d\x00rrrrrr"
	long := strings.Repeat("z", 5000)
	for _, c := range []struct{ name, content, want string }{
		{"zip", zipped("a.txt=x", "b/c.png=y"), "zip application/zip archive"},
		{"zip with a program", zipped("a.txt="+long, "dir/Setup.EXE=MZ", "b.exe=MZ"), "zip application/zip archive lists-program listed=dir/Setup.EXE"},
		{"zip, encrypted", string(secret), "zip application/zip archive encrypted"},
		{"zip in a zip", zipped("in.zip=" + zipped("x.js=1")), "zip application/zip archive lists-program listed=x.js"},
		{"Word", zipped("[Content_Types].xml=x", "word/document.xml=y"), "ooxml application/vnd.openxmlformats-officedocument.wordprocessingml.document document"},
		{"Excel with macros", zipped("[Content_Types].xml="+long, "xl/workbook.xml=y", "xl/vbaProject.bin=z"), "ooxml application/vnd.openxmlformats-officedocument.spreadsheetml.sheet document macros"},
		{"Excel 4 macros", zipped("[Content_Types].xml=x", "xl/macrosheets/sheet1.xml=y"), "ooxml application/vnd.openxmlformats-officedocument.spreadsheetml.sheet document macros"},
		{"PowerPoint", zipped("[Content_Types].xml=x", "ppt/presentation.xml=y"), "ooxml application/vnd.openxmlformats-officedocument.presentationml.presentation document"},
		{"OpenDocument", zipped("mimetype=application/vnd.oasis.opendocument.spreadsheet", "content.xml="+long), "odf application/vnd.oasis.opendocument.spreadsheet document"},
		{"JAR", zipped("META-INF/MANIFEST.MF=x", "a/B.class=y"), "jar application/java-archive program"},
		{"APK", zipped("META-INF/MANIFEST.MF=x", "AndroidManifest.xml=x", "classes.dex=y"), "apk application/vnd.android.package-archive program"},
		{"a zip that is cut", zipped("a.exe=" + long)[:20], "zip application/zip archive"},

		{"compound file", compound(0, ""), "ole2 application/x-ole-storage document"},
		{"Word 97", compound(0, "", "1Table", "WordDocument"), "ole2 application/msword document"},
		{"Word 97 with macros, directory far behind", compound(60, "", "WordDocument", "Macros", "VBA"), "ole2 application/msword document macros"},
		{"Excel 97", compound(3, "", "Workbook"), "ole2 application/vnd.ms-excel document"},
		{"PowerPoint 97", compound(3, "", "PowerPoint Document"), "ole2 application/vnd.ms-powerpoint document"},
		{"Outlook", compound(3, "", "__nameid_version1.0"), "ole2 application/vnd.ms-outlook document"},
		{"encrypted OOXML", compound(3, "", "EncryptedPackage"), "ole2 application/x-ole-storage document encrypted"},
		{"installer", compound(9, string(msiClass[:])), "msi application/x-msi program"},
		{"compound file that is cut", compound(9, string(msiClass[:]))[:2000], "ole2 application/x-ole-storage document"},

		{"RAR", rar4 + rarMain + rarFile(0x74, 0, "a.txt", "x"), "rar application/vnd.rar archive"},
		{"RAR, second file", rar4 + rarMain + rarFile(0x74, 0, "a.txt", long) + rarFile(0x74, 0, "b.exe", "x"), "rar application/vnd.rar archive lists-program listed=b.exe"},
		{"RAR, encrypted", rar4 + rarMain + rarFile(0x74, 4, "a.txt", long), "rar application/vnd.rar archive encrypted"},
		{"RAR, encrypted headers", rar4 + "cc\x73\x80\x00\x0d\x00rrrrrr" + long, "rar application/vnd.rar archive encrypted"},
		{"RAR 5", rar5 + rar5File("a.txt", "", long) + rar5File("b.scr", "", long), "rar application/vnd.rar archive lists-program listed=b.scr"},
		{"RAR 5, encrypted", rar5 + rar5File("a.txt", "\x02\x03\x00\x02\x01\x00", long), "rar application/vnd.rar archive encrypted"},
		{"RAR 5, encrypted headers", rar5 + "crc!\x04\x04\x00\x00\x00" + long, "rar application/vnd.rar archive encrypted"},

		{"7z", sevenZip("\x17\x06\x03\x01\x01"), "7z application/x-7z-compressed archive"},
		{"7z, encrypted", sevenZip("\x17\x06\x24\x06\xf1\x07\x01\x0a"), "7z application/x-7z-compressed archive encrypted"},

		{"ISO", at(32769, "CD001"+long), "iso application/x-iso9660-image archive"},
		{"UDF", at(32769, "BEA01"+long), "iso application/x-iso9660-image archive"},
		{"VHD of fixed size", "\x33\xc0" + at(9000, "conectix"+at(504, "")), "vhd application/x-vhd archive"},
		{"DMG", "\x78\x01" + at(9000, "koly"+at(508, "")), "dmg application/x-apple-diskimage archive"},
		{"zeros", at(40000, ""), ""},
	} {
		var whole []string
		for _, n := range []int{1 << 20, 1, 13, 600} {
			kind := magic([]byte(c.content[:min(len(c.content), sniffLen)]))
			in := inspect(kind, int64(len(c.content)))
			if in == nil {
				t.Fatalf("%s: no inspector for %q", c.name, kind.word)
			}
			for b := []byte(c.content); len(b) > 0; b = b[min(n, len(b)):] {
				in.read(b[:min(n, len(b))])
			}
			kind, listed := in.found(kind)
			var got []string
			if kind.mime != "" {
				got = append([]string{kind.word, kind.mime, kind.class}, kind.traits...)
			}
			if listed != "" {
				got = append(got, "listed="+listed)
			}
			if line := strings.Join(got, " "); line != c.want {
				t.Errorf("%s, in pieces of %d: %q, want %q", c.name, n, line, c.want)
			}
			if whole == nil {
				whole = got
			} else if !reflect.DeepEqual(got, whole) {
				t.Errorf("%s: depends on the pieces", c.name)
			}
		}
	}
}

// Headers without end are given up.
func TestInsideLimits(t *testing.T) {
	r := newRARReader()
	r.read([]byte(rar4))
	block := []byte(rarFile(0x74, 0, "a.txt", ""))
	for range 3 * maxRARBlocks {
		r.read(block)
	}
	if !r.done || r.blocks > maxRARBlocks+1 {
		t.Errorf("%d blocks read", r.blocks)
	}
	z := &zipReader{}
	z.read([]byte("PK\x03\x04" + at(22, "\xff\xff\x00\x00") + strings.Repeat("n", 2000)))
	if len(z.carry) > 0 {
		t.Errorf("%d octets kept of a name of 65535", len(z.carry))
	}
}

func FuzzInside(f *testing.F) {
	for _, s := range []string{
		zipped("a.exe=x", "mimetype=y"), compound(1, string(msiClass[:]), "VBA"), rar4 + rarFile(0x74, 0x100, "a.txt", "x"),
		rar5 + rar5File("a.txt", "\x02\x01\x00", "x"), sevenZip("\x17\x06\xf1\x07\x01"), at(32769, "CD001"),
	} {
		f.Add([]byte(s), uint16(5))
	}
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		kind := magic(b[:min(len(b), sniffLen)])
		one, other := inspect(kind, int64(len(b))), inspect(kind, int64(len(b)))
		if one == nil {
			return
		}
		one.read(b)
		for p, n := b, int(cut)+1; len(p) > 0; p = p[min(n, len(p)):] {
			other.read(p[:min(n, len(p))])
		}
		a, listedA := one.found(kind)
		c, listedC := other.found(kind)
		if !reflect.DeepEqual(a, c) || listedA != listedC {
			t.Errorf("depends on the pieces: %+v %q, %+v %q", a, listedA, c, listedC)
		}
	})
}
