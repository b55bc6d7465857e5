package links

import (
	"archive/zip"
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/ulikunitz/xz/lzma"
)

func deflated(b []byte) []byte {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

// swfTag writes a tag in its long form.
func swfTag(code int, body string) string {
	head := binary.LittleEndian.AppendUint16(nil, uint16(code<<6|0x3F))
	return string(binary.LittleEndian.AppendUint32(head, uint32(len(body)))) + body
}

// swfFile writes a SWF, compressed as the signature's first letter says.
func swfFile(signature byte, tags ...string) []byte {
	body := []byte("\x08\x00\x00\x00\x01\x00" + strings.Join(tags, "") + "\x00\x00")
	out := append([]byte{signature, 'W', 'S', 10}, binary.LittleEndian.AppendUint32(nil, uint32(len(body)+8))...)
	switch signature {
	case 'C':
		body = deflated(body)
	case 'Z':
		var packed bytes.Buffer
		w, err := lzma.WriterConfig{Size: int64(len(body)), DictCap: 1 << 16}.NewWriter(&packed)
		if err != nil {
			panic(err)
		}
		w.Write(body)
		w.Close()
		b := packed.Bytes()
		out = binary.LittleEndian.AppendUint32(out, uint32(len(b)-lzma.HeaderLen))
		body = append(b[:5:5], b[lzma.HeaderLen:]...)
	}
	return append(out, body...)
}

// abc writes ActionScript byte code with string constants.
func abc(constants ...string) string {
	out := []byte{16, 0, 46, 0, 2, 0x80, 0x01, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, byte(len(constants) + 1)}
	for _, s := range constants {
		out = append(append(out, byte(len(s))), s...)
	}
	return string(out)
}

func TestFindInSWF(t *testing.T) {
	code := swfTag(swfDoABC, "\x01\x00\x00\x00frame\x00"+abc("http://s.example/gate", "/x", "3=d?php.e/elpmaxe.r//:ptth"))
	for _, tt := range []struct {
		name string
		body []byte
		want string
	}{
		{"plain, byte code", swfFile('F', code), "string http://s.example/gate (inferred), string http://r.example/e.php?d=3 (inferred)"},
		{"compressed", swfFile('C', code), "string http://s.example/gate (inferred), string http://r.example/e.php?d=3 (inferred)"},
		{"compressed with LZMA", swfFile('Z', code), "string http://s.example/gate (inferred), string http://r.example/e.php?d=3 (inferred)"},
		{"actions", swfFile('C', swfTag(12, "\x83\x12\x00http://a.example/\x00_self\x00")), "string http://a.example/ (inferred)"},
		{"import", swfFile('F', swfTag(swfImportAssets, "lib/l.swf\x00")), "object http://www.example.com/shop/lib/l.swf"},
		{"metadata has namespaces only", swfFile('F', swfTag(swfMetadata, "<rdf xmlns='http://ns.example/'/>")), ""},
		{"a SWF within", swfFile('C', swfTag(swfBinaryData, "\x01\x00\x00\x00\x00\x00"+string(swfFile('C', code)))),
			"string http://s.example/gate (inferred), string http://r.example/e.php?d=3 (inferred)"},
		{"a tag longer than the file", swfFile('F', swfTag(12, "http://a.example/\x00")[:16]), "string http://a.e/ (inferred)"},
		{"cut off", swfFile('C', swfTag(12, "http://a.example/"), strings.Repeat(swfTag(9, "abc"), 40))[:48], "string http://a.example/ (inferred)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(foundIn(t, string(tt.body), "application/x-shockwave-flash"), ", "); got != tt.want {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// class writes a class file with UTF-8 constants, a long between them.
func class(constants ...string) string {
	out := append([]byte("\xCA\xFE\xBA\xBE\x00\x00\x00\x34"), 0, byte(len(constants)+3), 5, 0, 0, 0, 0, 0, 0, 0, 1)
	for _, s := range constants {
		out = append(append(out, classUTF8, 0, byte(len(s))), s...)
	}
	return string(out)
}

func archive(t testing.TB, members ...string) []byte {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for i := 0; i < len(members); i += 2 {
		w, err := z.Create(members[i])
		if err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(members[i+1]))
	}
	z.Close()
	return out.Bytes()
}

func TestFindInJAR(t *testing.T) {
	for _, tt := range []struct {
		name string
		body []byte
		want string
	}{
		{"constants of a class", archive(t, "a/B.class", class("http://j.example/l.php?e=2", "Code", "/1/elpmaxe.r//:ptth")),
			"string http://j.example/l.php?e=2 (inferred), string http://r.example/1/ (inferred)"},
		{"class path", archive(t, "META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\nClass-Path: lib/a.jar h\r\n ttp://j.example/b.jar\r\n"),
			"applet http://www.example.com/shop/lib/a.jar (inferred), applet http://j.example/b.jar (inferred)"},
		{"pages within", archive(t, "x.html", "<img src=/i.gif>", "y.js", "location='z.html'"),
			"img http://www.example.com/i.gif (inferred), js-literal http://www.example.com/shop/z.html (inferred)"},
		{"a JAR within", archive(t, "b.jar", string(archive(t, "C.class", class("http://j.example/")))), "string http://j.example/ (inferred)"},
		{"a document's template on the net", archive(t, "word/_rels/settings.xml.rels",
			`<Relationships><Relationship Target="http://d.example/t.dotm" TargetMode="External"/><Relationship Target="m.xml"/></Relationships>`),
			"link http://d.example/t.dotm (inferred)"},
		{"without a directory", []byte("PK\x03\x04\x0a\x00 a.txt http://j.example/\x00"), "string http://j.example/ (inferred)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(foundIn(t, string(tt.body), "application/java-archive"), ", "); got != tt.want {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestFindInPDF(t *testing.T) {
	stream := func(dict, data string) string {
		return fmt.Sprintf("%%PDF-1.5\n1 0 obj\n<<%s/Length %d>>\nstream\r\n%s\nendstream\nendobj\n", dict, len(data), data)
	}
	script := `var u = unescape("%68%74%74%70%3A//p.example/x"); app.launchURL(u);`
	for _, tt := range []struct{ name, body, want string }{
		{"action", `%PDF-1.4 1 0 obj <</S/URI/URI (http://p.example/\(1\)\057) >>`, "a http://p.example/(1)/"},
		{"escaped name, hexadecimal string", "%PDF-1.4 <</#55#52I <" + hex.EncodeToString([]byte("http://p.example/h")) + "> >>", "a http://p.example/h"},
		{"script", `%PDF-1.4 <</S/JavaScript/JS(location = "http://p.ex\141mple/";)>>`, "js-literal http://p.example/"},
		{"script in UTF-16", "%PDF-1.4 <</JS (\xfe\xff\x00o\x00p\x00e\x00n\x00(\x00'\x00/\x00a\x00.\x00b\x00'\x00\\)\x00;)>>", "js-literal http://www.example.com/a.b"},
		{"form", `%PDF-1.4 <</S/SubmitForm/F(http://p.example/post)>>`, "string http://p.example/post (inferred)"},
		{"script in a stream", stream("/Filter/FlateDecode", string(deflated([]byte(script)))), "js-literal http://p.example/x (inferred)"},
		{"filters in turn", stream("/Filter [ /ASCIIHexDecode /Fl#61teDecode ]", hex.EncodeToString(deflated([]byte(script)))+">"), "js-literal http://p.example/x (inferred)"},
		{"objects in a stream", stream("/Type/ObjStm/Filter /FlateDecode", string(deflated([]byte("1 0 <</URI(http://p.example/o)>>")))), "a http://p.example/o"},
		{"a SWF in a stream", stream("", string(swfFile('F', swfTag(12, "http://p.example/s\x00")))), "string http://p.example/s (inferred)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(foundIn(t, tt.body, "application/pdf"), ", "); got != tt.want {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
		})
	}
}
