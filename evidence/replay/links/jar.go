package links

import (
	"archive/zip"
	"bytes"
	"io"
)

// readZIP reads the members of a JAR or another ZIP archive.
func (f *finder) readZIP(t *text) {
	z, err := zip.NewReader(bytes.NewReader(t.b), int64(len(t.b)))
	if err != nil {
		f.note(NoteDamaged, 0, t.off)
		f.readStrings(t, 0)
		return
	}
	for i, member := range z.File {
		if i == f.lim.Members {
			f.note(NoteMembers, i, t.off)
			return
		}
		offset, err := member.DataOffset()
		if err != nil || offset < 0 || offset > int64(len(t.b)) {
			f.note(NoteDamaged, 0, t.off)
			continue
		}
		f.readMember(t, member, int(offset))
	}
}

func (f *finder) readMember(t *text, member *zip.File, at int) {
	f.eachURL([]byte(member.Name), func(i, n int) {
		f.add(t, found{ref: []byte(member.Name[i : i+n]), kind: KindString, where: "member name", at: at, inferred: true})
	})
	if member.Flags&1 != 0 {
		f.note(NoteEncrypted, 0, t.at(at))
		return
	}
	r, err := member.Open()
	if err != nil {
		f.note(NoteDamaged, 0, t.at(at))
		return
	}
	d := t.unpacked(at, f.inflate(io.Reader(r), int(min(member.CompressedSize64, uint64(len(t.b)))), t.at(at)))
	r.Close()
	switch ext := extension(member.Name); {
	case ext == "class" && bytes.HasPrefix(d.b, []byte("\xCA\xFE\xBA\xBE")):
		f.readClass(&d)
	case ext == "mf":
		f.readManifest(&d)
	default:
		f.read(d, formatOf(d.b, mediaTypeOf(ext)))
	}
}

// mediaTypeOf is what a file's extension stands for; octets otherwise.
func mediaTypeOf(ext string) string {
	switch ext {
	case "htm", "html", "xhtml":
		return "text/html"
	case "xml", "rels", "jnlp", "svg", "xsl":
		return "text/xml"
	case "js":
		return "text/javascript"
	case "vbs":
		return "text/vbscript"
	case "css":
		return "text/css"
	case "png", "gif", "jpg", "jpeg", "mp3", "ttf":
		return "image/png"
	}
	return "application/octet-stream"
}

// readManifest reads the Class-Path of a JAR (JAR File Specification): other JARs
// that Java fetches from where this one came from.
func (f *finder) readManifest(t *text) {
	lines := bytes.ReplaceAll(bytes.ReplaceAll(t.b, []byte("\r\n"), []byte("\n")), []byte("\n "), nil)
	for _, line := range bytes.Split(lines, []byte("\n")) {
		name, v, _ := bytes.Cut(line, []byte(":"))
		if !equalFold(name, "class-path") {
			f.readConstant(t, v, 0, "manifest")
			continue
		}
		for _, ref := range bytes.Fields(v) {
			f.add(t, found{ref: ref, kind: KindApplet, where: "manifest Class-Path"})
		}
	}
}

// Constants of a class file (Java Virtual Machine Specification, table 4.4-A).
const (
	classUTF8         = 1
	classLong         = 5
	classDouble       = 6
	classMethodHandle = 15
)

// readClass reads the strings among a class file's constants.
func (f *finder) readClass(t *text) {
	if !f.enter(t) {
		return
	}
	r := reader{b: t.b}
	r.skip(8) // magic, versions
	for n := r.uint16(); n > 1 && !r.bad; n-- {
		tag := r.take(1)
		if tag == nil {
			break
		}
		switch tag[0] {
		case classUTF8:
			f.readConstant(t, r.take(r.uint16()), 0, "class constant")
		case 7, 8, 16, 19, 20: // class, string, method type, module, package
			r.skip(2)
		case 3, 4, 9, 10, 11, 12, 17, 18: // integer, float, references, dynamic
			r.skip(4)
		case classLong, classDouble:
			r.skip(8)
			n-- // they take two entries
		case classMethodHandle:
			r.skip(3)
		default:
			r.bad = true
		}
	}
	if r.bad {
		f.note(NoteDamaged, 0, t.off)
	}
}
