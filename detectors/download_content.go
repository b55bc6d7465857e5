package detectors

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"kagami/records"
)

// risk is what content can do.
type risk uint8

const (
	harmless  risk = iota
	opaque         // of no known type, declared as data: encrypted payloads look so
	container      // carries programs: archives, disk images
	document       // parsed by a large program that has had many holes
	exploit        // run by a browser's plug-in, or an office document with macros
	script         // run by the system's own interpreters when it is opened
	program        // runs by itself
)

// payload tells what an attack is after, attack what it gets in by.
func (k risk) payload() bool { return k == opaque || k >= script }
func (k risk) attack() bool  { return k == document || k == exploit }

func (k risk) nats() float64 { return [...]float64{0, 1.5, 1, 0.5, 1, 2, 3}[k] }

// opaqueSize is the least size, in octets, of data that may be a program.
const opaqueSize = 16 << 10

// goods is what a response carried, and what was said of it.
type goods struct {
	risk      risk
	magic     string // by content
	declared  string // media type, lower case
	address   string // extension in the URL
	given     string // extension of the name that Content-Disposition gives, "" if none
	sum       string // SHA-256, "" if it is not known
	listed    string // first program that an archive names
	macros    bool
	encrypted bool
	double    bool // its name pretends another extension
	reversed  bool // its name is written backwards
}

// goodsOf reads a transaction and the record of the file that it carried, nil
// if there is none.
func goodsOf(r *records.HTTP, f *records.File) goods {
	g := goods{magic: r.Magic, declared: mediaType(r.ContentType)}
	if g.magic == "" && f == nil && r.ResponseBody < opaqueSize {
		return g
	}
	g.address = extension(r.URL)
	mime := ""
	if f != nil {
		mime, g.sum, g.listed = f.MIME, f.SHA256, f.Listed
		g.macros, g.encrypted = slices.Contains(f.Traits, "macros"), slices.Contains(f.Traits, "encrypted")
		g.double, g.reversed = slices.Contains(f.Mismatch, "double extension"), slices.Contains(f.Mismatch, "reversed name")
		if f.NameFrom == "disposition" {
			g.given = f.Extension()
		}
	}
	g.risk = riskOf(&g, mime)
	if g.magic == "" && r.ResponseBody >= opaqueSize && r.Status == 200 && g.declared == "application/octet-stream" {
		g.risk = opaque
	}
	return g
}

// riskOf weighs the type by content. Scripts count only where they are delivered
// as such: what a page runs is full of the same words.
func riskOf(g *goods, mime string) risk {
	switch g.magic {
	case "pe", "elf", "macho", "lnk", "hta", "msi":
		return program
	case "vbs", "ps1", "bat", "wsf", "sct", "scf", "js":
		if opened(g.address) || opened(g.given) {
			return script
		}
	case "swf", "java", "class", "jar", "chm", "onenote":
		return exploit
	case "zip":
		switch {
		case strings.Contains(g.declared, "java") || g.address == "jar",
			strings.Contains(g.declared, "silverlight") || g.address == "xap", g.macros:
			return exploit
		case strings.Contains(mime, "officedocument") || strings.Contains(mime, "opendocument"):
			return harmless
		}
		return container
	case "ole2", "rtf", "pdf":
		if g.macros {
			return exploit
		}
		return document
	case "cab", "rar", "7z", "iso", "vhd", "vhdx":
		return container
	}
	return harmless
}

// opened are extensions of scripts that run when somebody opens them.
func opened(extension string) bool {
	switch extension {
	case "vbs", "vbe", "jse", "wsf", "wsh", "ps1", "bat", "cmd", "sct", "scf", "hta":
		return true
	}
	return false
}

// describe names content for people.
func (g *goods) describe() string {
	switch g.magic {
	case "pe":
		return "a Windows program (PE)"
	case "elf":
		return "a program (ELF)"
	case "macho":
		return "a macOS program (Mach-O)"
	case "lnk":
		return "a Windows shortcut"
	case "hta":
		return "an HTML application"
	case "msi":
		return "a Windows installer package"
	case "vbs", "ps1", "bat", "wsf", "sct", "scf", "js":
		return "a script (" + g.magic + ")"
	case "swf":
		return "a Flash object"
	case "jar", "class", "java":
		return "a Java applet or archive"
	case "zip":
		switch {
		case g.macros:
			return "an office document with macros"
		case g.risk == exploit && strings.Contains(g.declared, "silverlight"):
			return "a Silverlight object"
		case g.risk == exploit:
			return "a Java archive"
		}
	case "ole2":
		if g.macros {
			return "an office document with macros"
		}
		return "a compound document (OLE2)"
	case "":
		return "data of no known type"
	}
	return "of type " + quote(g.magic)
}

// disguise weighs what the content is against what type and name say it is.
func (g *goods) disguise() []reason {
	s := []reason{{g.risk.nats(), "the content is " + g.describe()}}
	add := func(nats float64, text string) { s = append(s, reason{nats, text}) }
	switch t := g.declared; {
	case t == "":
		add(2, "no type is declared")
	case hides(t, g.risk, g.magic):
		add(4, "the declared type is "+quote(t))
	case t == "application/octet-stream":
		add(0.5, "the declared type says nothing")
	}
	switch e := g.address; {
	case honest(e):
	case innocent(e) && e != g.magic:
		add(3, "the name ends in "+quote("."+e))
	case honest(g.given):
		add(1, "the address does not tell, only Content-Disposition, "+quote("."+g.given))
	case e == "" || scripted(e):
		add(2, "the name does not tell")
	case !innocent(e):
		add(1, "the name ends in "+quote("."+e))
	}
	if g.double {
		add(4, "the name has two extensions, the first of which is harmless")
	}
	if g.reversed {
		add(4, "control characters turn the end of the name around")
	}
	if g.macros {
		add(1.5, "it holds macros")
	}
	if g.encrypted {
		add(1, "it is encrypted")
	}
	if g.listed != "" && g.risk == container {
		add(0.5, "it holds "+quote(g.listed))
	}
	return s
}

// pretends tells whether type or name say that it is something else.
func (g *goods) pretends() bool {
	return hides(g.declared, g.risk, g.magic) || innocent(g.address) && g.address != g.magic || g.double || g.reversed
}

// mediaType is the type of a Content-Type without parameters, lower case.
func mediaType(s string) string {
	s, _, _ = strings.Cut(s, ";")
	return strings.ToLower(strings.TrimSpace(s))
}

// hides tells whether a media type names something that such content is not.
func hides(t string, k risk, magic string) bool {
	kind, sub, _ := strings.Cut(t, "/")
	switch kind {
	case "image", "audio", "video", "font":
		return true
	case "text":
		return magic != "hta" && magic != "rtf" && k != script
	}
	switch sub {
	case "json", "javascript", "x-javascript", "xml", "xhtml+xml", "x-www-form-urlencoded", "x-font-woff":
		return k != script
	case "pdf", "x-shockwave-flash", "java-archive", "x-java-archive", "zip":
		return k == program
	}
	return false
}

// extension is the lower-case extension of a URL's last path segment.
func extension(raw string) string {
	if i := strings.IndexAny(raw, "?#"); i >= 0 {
		raw = raw[:i]
	}
	if _, rest, ok := strings.Cut(raw, "://"); ok {
		_, raw, _ = strings.Cut(rest, "/")
	}
	return strings.ToLower(strings.TrimPrefix(path.Ext(raw), "."))
}

// honest extensions announce a program or a container of programs.
func honest(e string) bool {
	switch e {
	case "exe", "dll", "msi", "msp", "msu", "cab", "scr", "com", "sys", "ocx", "cpl", "drv", "bin", "run", "elf", "so", "ko",
		"deb", "rpm", "apk", "dmg", "pkg", "dylib", "jar", "class", "swf", "zip", "rar", "7z", "iso", "img", "gz", "xz", "tgz",
		"doc", "xls", "ppt", "dot", "xlt", "pps", "vsd", "mpp", "pub", "msg", "docx", "xlsx", "pptx", "docm", "xlsm", "pptm", "xpi", "crx", "nupkg", "whl",
		"lnk", "hta", "rtf", "psf", "esd", "appx", "msix", "vsix", "xap", "chm", "one", "ps1", "vbs", "bat", "cmd", "wsf", "sct":
		return true
	}
	return false
}

// innocent extensions announce pages, pictures, sounds and texts.
func innocent(e string) bool {
	switch e {
	case "gif", "jpg", "jpeg", "png", "ico", "bmp", "webp", "svg", "css", "js", "htm", "html", "txt", "xml", "json", "csv", "pdf",
		"mp3", "mp4", "avi", "wav", "woff", "woff2", "ttf":
		return true
	}
	return false
}

// scripted extensions are of programs that run on the server.
func scripted(e string) bool {
	switch e {
	case "php", "asp", "aspx", "jsp", "cgi", "pl", "do", "ashx":
		return true
	}
	return false
}

// fetcher weighs the program that names itself in User-Agent.
func fetcher(agent string) []reason {
	switch a := strings.ToLower(agent); {
	case strings.Contains(a, "java/"):
		return []reason{{2, "the browser's Java plug-in fetched it"}}
	case strings.Contains(a, "powershell") || strings.Contains(a, "certutil") || strings.Contains(a, "wscript"):
		return []reason{{1.5, "a script interpreter fetched it: " + quote(agent)}}
	}
	return nil
}

// told of a transaction, in a sentence.
func (g *goods) transaction(r *records.HTTP) string {
	s := fmt.Sprintf("%s %s gave status %d, %d octets, type %s", quote(r.Method), quote(r.URL), r.Status, r.ResponseBody, quote(r.ContentType))
	if g.sum != "" {
		s += ", SHA-256 " + g.sum
	}
	return s
}
