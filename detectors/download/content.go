package download

import (
	"path"
	"slices"
	"strings"

	"kagami/detectors/incident"
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

func (k risk) nats() float64 { return [...]float64{0, 1.5, 1, 0.5, 2, 2, 3}[k] }

// opaqueSize is the least size, in octets, of data that may be a program.
const opaqueSize = 16 << 10

// file is what the record of a response's content adds to its transaction.
type file struct {
	id        uint64 // hash
	given     string // extension of the name that Content-Disposition gives, "" if none
	sum       string // SHA-256, "" if it is not known
	listed    string // first program that an archive names
	office    bool   // an office document by content
	macros    bool
	encrypted bool
	double    bool // its name pretends another extension
	reversed  bool // its name is written backwards
}

// passive tells classes of content that do nothing by themselves.
func passive(class string) bool {
	switch class {
	case "text", "image", "audio", "video", "font":
		return true
	}
	return false
}

func fileOf(r *records.File) file {
	f := file{
		id: textKey(r.ID), sum: r.SHA256, listed: incident.Cut(r.Listed),
		office: strings.Contains(r.MIME, "officedocument") || strings.Contains(r.MIME, "opendocument"),
		macros: slices.Contains(r.Traits, "macros"), encrypted: slices.Contains(r.Traits, "encrypted"),
		double: slices.Contains(r.Mismatch, "double extension"), reversed: slices.Contains(r.Mismatch, "reversed name"),
	}
	if r.NameFrom == "disposition" {
		f.given = incident.Cut(r.Extension())
	}
	return f
}

// goods is what a response carried, and what was said of it.
type goods struct {
	file
	risk     risk
	magic    string // by content
	declared string // media type, lower case
	address  string // extension in the URL
}

// goodsOf reads a transaction and what is known of the file that it carried, nil
// if nothing is.
func goodsOf(r *records.HTTP, f *file) goods {
	g := goods{magic: r.Magic}
	if g.magic == "" && f == nil && r.ResponseBody < opaqueSize || g.magic == "html" {
		return g
	}
	g.declared, g.address = mediaType(r.ContentType), extension(r.URL)
	if f != nil {
		g.file = *f
	}
	g.risk = g.weigh()
	if g.magic == "" && r.ResponseBody >= opaqueSize && r.Status == 200 && g.declared == "application/octet-stream" {
		g.risk = opaque
	}
	return g
}

// weigh tells what the type by content can do. Scripts count only where they are
// delivered as such: what a page runs is full of the same words.
func (g *goods) weigh() risk {
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
		case g.java(), g.silverlight(), g.macros:
			return exploit
		case g.office:
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

func (g *goods) java() bool { return strings.Contains(g.declared, "java") || g.address == "jar" }

func (g *goods) silverlight() bool {
	return strings.Contains(g.declared, "silverlight") || g.address == "xap"
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
func (g *goods) describe() incident.Text {
	switch {
	case g.macros:
		return incident.Say("an office document with macros", "マクロ付きのOffice文書")
	case g.magic == "zip" && g.risk == exploit && g.silverlight():
		return incident.Say("a Silverlight object", "Silverlightオブジェクト")
	case g.magic == "zip" && g.risk == exploit, g.magic == "jar", g.magic == "class", g.magic == "java":
		return incident.Say("a Java applet or archive", "Javaアプレット／アーカイブ")
	case g.risk == script:
		return incident.Say("a script (%s)", "スクリプト（%s）", g.magic)
	}
	switch g.magic {
	case "pe":
		return incident.Say("a Windows program (PE)", "Windowsプログラム（PE）")
	case "elf":
		return incident.Say("a program (ELF)", "プログラム（ELF）")
	case "macho":
		return incident.Say("a macOS program (Mach-O)", "macOSプログラム（Mach-O）")
	case "lnk":
		return incident.Say("a Windows shortcut", "Windowsショートカット")
	case "hta":
		return incident.Say("an HTML application", "HTMLアプリケーション（HTA）")
	case "msi":
		return incident.Say("a Windows installer package", "Windowsインストーラーパッケージ（MSI）")
	case "swf":
		return incident.Say("a Flash object", "Flashオブジェクト")
	case "ole2":
		return incident.Say("a compound document (OLE2)", "複合文書（OLE2）")
	case "":
		return incident.Say("data of no known type", "種別不明のデータ")
	}
	return incident.Say("of type %s", "%s形式のデータ", incident.Quote(g.magic))
}

// disguise weighs what the content is against what type and name say it is.
func (g *goods) disguise() []incident.Reason {
	s := []incident.Reason{{Kind: "content", Nats: g.risk.nats(), Text: incident.Say("the content is %s", "内容は%s", g.describe())}}
	add := func(kind string, nats float64, t incident.Text) {
		s = append(s, incident.Reason{Kind: kind, Nats: nats, Text: t})
	}
	switch t := g.declared; {
	case t == "":
		add("type", 2, incident.Say("no type is declared", "Content-Typeがない"))
	case hides(t, g.risk, g.magic):
		add("type", 4, incident.Say("the declared type is %s", "宣言されたContent-Typeは%s", incident.Quote(t)))
	case t == "application/octet-stream":
		add("type", 0.5, incident.Say("the declared type says nothing", "Content-Typeは種別を示さない（octet-stream）"))
	}
	switch e := g.address; {
	case honest(e):
	case innocent(e) && e != g.magic:
		add("name", 3, incident.Say("the name ends in %s", "名前の末尾は%s", incident.Quote("."+e)))
	case honest(g.given):
		add("name", 1, incident.Say("the address does not tell, only Content-Disposition, %s", "URLからは種別がわからず、Content-Dispositionの名前だけが%s", incident.Quote("."+g.given)))
	case e == "" || scripted(e):
		add("name", 2, incident.Say("the name does not tell", "名前からは種別がわからない"))
	case !innocent(e):
		add("name", 1, incident.Say("the name ends in %s", "名前の末尾は%s", incident.Quote("."+e)))
	}
	if g.double {
		add("double-name", 4, incident.Say("the name has two extensions, the first of which is harmless", "二重拡張子（手前の拡張子は無害なもの）"))
	}
	if g.reversed {
		add("reversed-name", 4, incident.Say("control characters turn the end of the name around", "制御文字で名前の末尾の表示が反転している"))
	}
	if g.macros {
		add("macros", 1.5, incident.Say("it holds macros", "マクロを含む"))
	}
	if g.encrypted {
		add("encrypted", 1, incident.Say("it is encrypted", "暗号化されている"))
	}
	if g.listed != "" && g.risk == container {
		add("holds", 0.5, incident.Say("it holds %s", "%sを含む", incident.Quote(g.listed)))
	}
	return s
}

// pretends tells whether type or name say that it is something else.
func (g *goods) pretends() bool {
	return hides(g.declared, g.risk, g.magic) || innocent(g.address) && g.address != g.magic || g.double || g.reversed
}

// transaction tells what was asked for and what came.
func (g *goods) transaction(r *records.HTTP) incident.Text {
	sum := incident.Text{}
	if g.sum != "" {
		sum = incident.Same(", SHA-256 " + g.sum)
	}
	return incident.Say("%s %s gave status %d, %d octets, type %s%s", "%s %s → ステータス%d、%dバイト、Content-Type %s%s",
		incident.Quote(r.Method), incident.Quote(r.URL), r.Status, r.ResponseBody, incident.Quote(r.ContentType), sum)
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

// honest extensions announce a program or what carries programs.
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
