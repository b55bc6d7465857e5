package links

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// fuzzFind checks what holds for any body: links lie in it, in order, their URLs
// are plain ASCII, and a second look finds the same.
func fuzzFind(f *testing.F, mediaType string, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s), "")
	}
	f.Add([]byte(seeds[0]), "shift_jis")
	f.Add([]byte(seeds[0]), "iso-2022-jp")
	f.Add([]byte(seeds[0]), "utf-16le")
	base := mustParse(f, pageURL)
	limits := Limits{Decoded: 1 << 20, Links: 100}
	f.Fuzz(func(t *testing.T, body []byte, charset string) {
		ls, notes := Find(body, mediaType, charset, base, limits)
		for i, l := range ls {
			if l.Offset < 0 || l.Offset > len(body) || i > 0 && l.Offset < ls[i-1].Offset {
				t.Errorf("link %d of %v is at %d of %d", i, ls, l.Offset, len(body))
			}
			if strings.IndexFunc(l.URL, func(r rune) bool { return r <= ' ' || r >= 0x7F }) >= 0 || !utf8.ValidString(l.Raw) {
				t.Errorf("URL %q, raw %q", l.URL, l.Raw)
			}
			if l.Depth < 0 || l.Depth > DefaultLimits().Passes+1 || l.Kind == "" || l.Where == "" {
				t.Errorf("link %+v", l)
			}
		}
		if again, notesAgain := Find(body, mediaType, charset, base, limits); !reflect.DeepEqual(ls, again) || !reflect.DeepEqual(notes, notesAgain) {
			t.Errorf("got %v %v, then %v %v", ls, notes, again, notesAgain)
		}
	})
}

func FuzzFindHTML(f *testing.F) {
	fuzzFind(f, asHTML,
		`<base href=/b/><a href="?a&amp;b"><img srcset="a 1x,b"><applet code=a.B codebase=c archive=d,e><meta http-equiv=refresh content="0;url='x'">`,
		`<!--[if IE]><iframe srcdoc="&lt;script>location='a.b'"><![endif]--><style>a{b:url(c)}</style><p style="x:expression(1)" onclick="a.src='b.c'">`,
		`<script>document.write(unescape("%3Cimg src=a>"))</script><script language=vbscript>a="b"&Chr(1)</script><svg><use xlink:href=a.b#c>`,
		`<object><param name=movie value=a><param name=jnlp_embedded value=PGpubHA+></object><iframe src="data:text/html;base64,PGE+">`)
}

func FuzzFindScript(f *testing.F) {
	fuzzFind(f, asScript,
		`var a="h\x74tp:"+'\u002f/'+"x",b=[1,'2'].join(""),c={url:"/d.e?f"},g=a?b:c||"h";location=a;i+=a;i.src=`+"`${a}b${1+2}`",
		`document.write("<a "+'href=b>');eval(function(p,a,c,k,e,d){}('0 1',2,2,'a|b'.split('|'),0,{}));x.replace(/a[/]b/g,"c")`,
		`String.fromCharCode(60,0x41,010).split("").reverse().join("");atob("PGE+");unescape("%u4141%41");setTimeout("a='b'",1);f.open("GET","/a.b")`,
		`function f(a,b){if(a<b){return/x/.test(c)}}/*@cc_on @*/<!-- a
--> b
a["b"]["c"](d);"abc".substr(1,2).charAt(0);[60,97,32,104,114,101,102,61];e(";httq;00")`)
}

func FuzzFindVBScript(f *testing.F) {
	fuzzFind(f, "text/vbscript", "' c\r\nDim a : a = \"b\"\"c\" & Chr(&H41) & _\r\n StrReverse(\"d\")\r\nRem e\r\nlocation = Replace(a, \"b\", \"c\")")
}

func FuzzFindCSS(f *testing.F) {
	fuzzFind(f, "text/css", `@import "a.css"; @import url(b); x{y:URL( 'c\2e d' );z:expression(a='b');f:A.AlphaImageLoader(src='g')}/* */`, `a{b:image-set("c" 1x)}`)
}

func FuzzFindXML(f *testing.F) {
	fuzzFind(f, "text/xml", `<?xml version="1.0" encoding="x"?><?xml-stylesheet href="a"?><rss><link>http://a.b/</link><d>&lt;a href=b></d><![CDATA[<script>c</script>]]></rss>`,
		`<jnlp codebase="a" href="b"><jar href="c"/></jnlp>`, `<Relationship Target="a" TargetMode="External"/>`)
}

func FuzzFindSWF(f *testing.F) {
	code := swfTag(swfDoABC, "\x01\x00\x00\x00a\x00"+abc("http://a.example/", "b"))
	fuzzFind(f, "", string(swfFile('F', code, swfTag(swfImportAssets, "a\x00"))), string(swfFile('C', swfTag(swfBinaryData, "\x01\x00\x00\x00\x00\x00"+code))),
		string(swfFile('Z', code)))
}

func FuzzFindJAR(f *testing.F) {
	fuzzFind(f, "", string(archive(f, "A.class", class("http://a.example/", "b"), "META-INF/MANIFEST.MF", "Class-Path: a.jar\n", "c.html", "<a href=d>")))
}

func FuzzFindPDF(f *testing.F) {
	fuzzFind(f, "", `%PDF-1.4 1 0 obj<</URI(http://a.example/\(\051)/JS <6f70656e> >> stream x endstream`,
		"%PDF-1.5 1 0 obj<</Filter[/AHx/Fl]>>stream\n789c01 endstream 2 0 obj<</Filter/A85>>stream\r\n9jqo^~>endstream", "%PDF-1 <</JS(\xfe\xff\x00a)>>")
}

func FuzzFindOctets(f *testing.F) {
	fuzzFind(f, "application/octet-stream", "a http://a.example/b c", "h\x00t\x00t\x00p\x00:\x00/\x00/\x00a\x00", "CWS\x01", "PK\x03\x04")
}

// FuzzResolve checks that a resolved URL resolves to itself.
func FuzzResolve(f *testing.F) {
	for _, s := range []string{"a/../b?c#d", `\\a\b`, "http://0x7f.1:080/%2e%2e", "//[::1]:81?", "ht\ttp:/a@b", "https:é"} {
		f.Add([]byte(s))
	}
	base := addressOf(mustParse(f, pageURL))
	f.Fuzz(func(t *testing.T, ref []byte) {
		once, ok := new(page).resolve(ref, base)
		if !ok {
			return
		}
		if twice, ok := new(page).resolve([]byte(once), base); !ok || twice != once {
			t.Errorf("%q came to %q, then to %q", ref, once, twice)
		}
	})
}
