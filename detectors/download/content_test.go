package download

import (
	"testing"

	"kagami/records"
)

func TestGoods(t *testing.T) {
	record := func(magic, class, mime string, traits, mismatch []string) *records.File {
		return &records.File{Magic: magic, Class: class, MIME: mime, Traits: traits, Mismatch: mismatch}
	}
	for _, c := range []struct {
		name, magic, kind, path string
		file                    *records.File
		want                    risk
		text                    string
		pretends                bool
	}{
		{"program", "pe", "application/octet-stream", "/a.exe", nil, program, "a Windows program (PE)", false},
		{"program as a picture", "pe", "image/gif", "/a.exe", nil, program, "a Windows program (PE)", true},
		{"program named as a page", "elf", "", "/a.html", nil, program, "a program (ELF)", true},
		{"HTML application as a page", "hta", "text/html", "/a", nil, program, "an HTML application", false},
		{"shortcut", "lnk", "", "/a.lnk", nil, program, "a Windows shortcut", false},
		{"installer", "msi", "", "/a.msi", nil, program, "a Windows installer package", false},
		{"Flash", "swf", "application/x-shockwave-flash", "/a.swf", nil, exploit, "a Flash object", false},
		{"Java archive by type", "zip", "application/java-archive", "/a", nil, exploit, "a Java applet or archive", false},
		{"Java archive by name", "zip", "", "/a.jar", nil, exploit, "a Java applet or archive", false},
		{"Silverlight", "zip", "application/x-silverlight-app", "/a.xap", nil, exploit, "a Silverlight object", false},
		{"document with macros", "zip", "", "/a.docm", record("zip", "document", "application/vnd.openxmlformats-officedocument", []string{"macros"}, nil), exploit, "an office document with macros", false},
		{"old document with macros", "ole2", "application/msword", "/a.doc", record("ole2", "document", "application/msword", []string{"macros"}, nil), exploit, "an office document with macros", false},
		{"old document", "ole2", "application/msword", "/a.doc", record("ole2", "document", "application/msword", nil, nil), document, "a compound document (OLE2)", false},
		{"new document", "zip", "", "/a.docx", record("zip", "document", "application/vnd.openxmlformats-officedocument", nil, nil), harmless, "", false},
		{"PDF", "pdf", "application/pdf", "/a.pdf", nil, document, `of type "pdf"`, false},
		{"compiled help", "chm", "", "/a.chm", nil, exploit, `of type "chm"`, false},
		{"disk image", "iso", "", "/a.iso", nil, container, `of type "iso"`, false},
		{"archive", "zip", "application/zip", "/a.zip", nil, container, `of type "zip"`, false},
		{"archive as a picture", "rar", "image/png", "/a.png", nil, container, `of type "rar"`, true},
		{"script to open", "vbs", "text/plain", "/a.vbs", nil, script, "a script (vbs)", false},
		{"script of a page", "vbs", "text/javascript", "/flash.js", nil, harmless, "", false},
		{"two extensions", "pe", "application/octet-stream", "/a.pdf.exe", record("pe", "program", "", nil, []string{"double extension"}), program, "a Windows program (PE)", true},
		{"data", "", "application/octet-stream", "/a", nil, opaque, "data of no known type", false},
		{"data of a known kind", "", "application/json", "/a", nil, harmless, "", false},
		{"page", "html", "text/html", "/", nil, harmless, "", false},
		{"picture", "gif", "image/gif", "/a.gif", nil, harmless, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &records.HTTP{Magic: c.magic, ContentType: c.kind, URL: "http://a.test" + c.path, Status: 200, ResponseBody: 1 << 20}
			var f *file
			if c.file != nil {
				known := fileOf(c.file)
				f = &known
			}
			g := goodsOf(r, f)
			if g.risk != c.want {
				t.Fatalf("risk %d, want %d", g.risk, c.want)
			}
			if c.want == harmless {
				return
			}
			if got := g.describe().EN; got != c.text || g.describe().JA == "" {
				t.Errorf("described as %q, want %q", got, c.text)
			}
			if g.pretends() != c.pretends {
				t.Errorf("pretends: %v", g.pretends())
			}
		})
	}
}

func TestDisguise(t *testing.T) {
	for _, c := range []struct {
		name string
		g    goods
		want float64
	}{
		{"honest", goods{risk: program, magic: "pe", declared: "application/x-msdownload", address: "exe"}, 3},
		{"says nothing", goods{risk: program, magic: "pe", declared: "application/octet-stream", address: "php"}, 3 + 0.5 + 2},
		{"only Content-Disposition says it", goods{risk: program, magic: "pe", declared: "application/octet-stream", address: "php", file: file{given: "exe"}}, 3 + 0.5 + 1},
		{"picture", goods{risk: program, magic: "pe", declared: "image/gif", address: "gif"}, 3 + 4 + 3},
		{"two extensions", goods{risk: program, magic: "pe", declared: "application/octet-stream", address: "exe", file: file{double: true}}, 3 + 0.5 + 4},
		{"name turned around", goods{risk: program, magic: "pe", declared: "application/octet-stream", address: "exe", file: file{reversed: true}}, 3 + 0.5 + 4},
		{"macros", goods{risk: exploit, magic: "ole2", declared: "application/msword", address: "doc", file: file{macros: true}}, 2 + 1.5},
		{"archive with a program, encrypted", goods{risk: container, magic: "zip", declared: "application/zip", address: "zip", file: file{listed: "a.exe", encrypted: true}}, 1 + 1 + 0.5},
		{"PDF named so", goods{risk: document, magic: "pdf", declared: "application/pdf", address: "pdf"}, 0.5},
	} {
		sum, kinds := 0.0, map[string]bool{}
		for _, r := range c.g.disguise() {
			sum += r.Nats
			if kinds[r.Kind] || r.Text.EN == "" || r.Text.JA == "" {
				t.Errorf("%s: reason %+v", c.name, r)
			}
			kinds[r.Kind] = true
		}
		if sum != c.want {
			t.Errorf("%s: %.1f nats, want %.1f", c.name, sum, c.want)
		}
	}
}

func TestExtension(t *testing.T) {
	for in, want := range map[string]string{
		"http://a.test/x/setup.EXE?a=b.gif": "exe", "http://a.test": "", "http://a.exe/": "", "http://a.test/load.php#x.exe": "php", "": "", "a.test:443": "test:443",
	} {
		if got := extension(in); got != want {
			t.Errorf("extension(%q) = %q, want %q", in, got, want)
		}
	}
}
