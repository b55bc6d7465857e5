package links

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// page is the address that the bodies of the tests were asked for.
const pageURL = "http://www.example.com/shop/index.html?id=1"

func mustParse(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// short writes a link as "kind url", with what is special about it behind.
func short(l Link) string {
	s := string(l.Kind) + " " + l.URL
	if l.Prefix {
		s += "…"
	}
	if l.Method != "" && l.Method != "GET" {
		s += " " + l.Method
	}
	if l.Inferred {
		s += " (inferred)"
	}
	return s
}

// found finds the links of a body, one a line.
func foundIn(t testing.TB, body, mediaType string) []string {
	t.Helper()
	ls, _ := Find([]byte(body), mediaType, "", mustParse(t, pageURL), Limits{})
	out := make([]string, len(ls))
	for i, l := range ls {
		out[i] = short(l)
	}
	return out
}

// finding is one line of a specification: a body and the links in it, in order.
type finding struct {
	name, body string
	want       []string
}

func checkFindings(t *testing.T, mediaType string, findings []finding) {
	t.Helper()
	for _, tt := range findings {
		t.Run(tt.name, func(t *testing.T) {
			got := foundIn(t, tt.body, mediaType)
			if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("body %q\n got %q\nwant %q", tt.body, got, tt.want)
			}
		})
	}
}

func list(s ...string) []string { return s }

func TestFindInHTML(t *testing.T) {
	checkFindings(t, "text/html", []finding{
		{"elements that load", `<iframe src=a.html><frame src="b.html"><script src='c.js'></script><img src=d.gif>`,
			list("iframe http://www.example.com/shop/a.html", "frame http://www.example.com/shop/b.html",
				"script http://www.example.com/shop/c.js", "img http://www.example.com/shop/d.gif")},
		{"plug-ins", `<embed src=/x.swf><object data=y.swf codebase=http://cdn.example/f/></object>`,
			list("embed http://www.example.com/x.swf", "object http://cdn.example/f/y.swf", "object http://cdn.example/f/")},
		{"a movie is relative to the page, not to the codebase",
			`<object codebase=http://cdn.example/swflash.cab#version=9><param value="/m/1" name=Movie></object>`,
			list("object http://cdn.example/swflash.cab", "object http://www.example.com/m/1")},
		{"what a program is told", `<applet archive=p.jar><param name=data value=http://h.example/load.php?e=></applet>`,
			list("applet http://www.example.com/shop/p.jar", "object http://h.example/load.php?e=… (inferred)")},
		{"applets", `<applet code=a.b.Main codebase=/j archive="p.jar, q.jar"></applet>`,
			list("applet http://www.example.com/j", "applet http://www.example.com/j/p.jar", "applet http://www.example.com/j/q.jar")},
		{"an applet without archive is fetched as a class", `<applet code=a.b.Main>`,
			list("applet http://www.example.com/shop/a/b/Main.class")},
		{"links, anchors, maps", `<link rel=stylesheet href=s.css><a href=?p=2>x</a><area href=//other.example>`,
			list("link http://www.example.com/shop/s.css", "a http://www.example.com/shop/index.html?p=2", "a http://other.example/")},
		{"forms have a method", `<form action=/in method=Post></form><form></form><form action=o.cgi><button formaction=o.php>`,
			list("form http://www.example.com/in POST", "form http://www.example.com/shop/o.cgi", "form http://www.example.com/shop/o.php")},
		{"media", `<video src=v.mp4 poster=v.jpg><source src=v.webm><track src=v.vtt></video><audio src=a.mp3>`,
			list("media http://www.example.com/shop/v.mp4", "img http://www.example.com/shop/v.jpg", "media http://www.example.com/shop/v.webm",
				"media http://www.example.com/shop/v.vtt", "media http://www.example.com/shop/a.mp3")},
		{"candidates of an image", `<img srcset="s.png 1x, /l,1.png 2x,m.png">`,
			list("img http://www.example.com/shop/s.png", "img http://www.example.com/l,1.png", "img http://www.example.com/shop/m.png")},
		{"refresh", `<meta content="3; URL='next.html'" http-equiv=Refresh>`, list("refresh http://www.example.com/shop/next.html")},
		{"a base counts from where it stands, once", `<img src=1.gif><base href=/b/><base href=/c/><img src=2.gif>`,
			list("img http://www.example.com/shop/1.gif", "base http://www.example.com/b/", "base http://www.example.com/c/", "img http://www.example.com/b/2.gif")},
		{"a base in the search results", `<base href="http://other.example/x/y"><a href=z>`,
			list("base http://other.example/x/y", "a http://other.example/x/z")},
		{"styles", `<style>@import "a.css"; b { background: url( 'c.png' ) }</style><p style="background:url(d.png)">`,
			list("css http://www.example.com/shop/a.css", "css http://www.example.com/shop/c.png", "css http://www.example.com/shop/d.png")},
		{"handlers", `<body onload="location='next.php?x=1'"><img onerror=this.src&#61;"alt.gif" src=x.gif>`,
			list("js-literal http://www.example.com/shop/next.php?x=1", "js-literal http://www.example.com/shop/alt.gif", "img http://www.example.com/shop/x.gif")},
		{"javascript: URLs", `<a href="javascript:location%3D'go.html'">`, list("js-literal http://www.example.com/shop/go.html")},
		{"srcdoc is a document", `<iframe srcdoc="&lt;img src=in.gif>">`, list("img http://www.example.com/shop/in.gif")},
		{"data: is read as its type", `<iframe src="data:text/html;base64,PHNjcmlwdCBzcmM9Ly9kLmV4YW1wbGUvYS5qcz4="><script src="data:,location='p.html'"></script>`,
			list("script http://d.example/a.js", "js-literal http://www.example.com/shop/p.html")},
		{"SVG", `<svg><image xlink:href=p.png /><use href=s.svg#i /><a xlink:href=/t></a></svg>`,
			list("svg http://www.example.com/shop/p.png", "svg http://www.example.com/shop/s.svg", "a http://www.example.com/t")},
		{"comments are no markup, conditional ones are", `<!-- <img src=a.gif> --><!--[if IE]><img src=b.gif><![endif]--><!--><img src=c.gif>`,
			list("img http://www.example.com/shop/b.gif", "img http://www.example.com/shop/c.gif")},
		{"raw text is no markup", `<textarea><img src=a.gif></textarea><title><img src=b.gif></title><img src=c.gif>`,
			list("img http://www.example.com/shop/c.gif")},
		{"a script ends at its end tag only", `<script>x="<img src=a.gif>"; // </scripty
			</script ><img src=b.gif>`,
			list("img http://www.example.com/shop/a.gif (inferred)", "img http://www.example.com/shop/b.gif")},
		{"references", `<a href="?a=1&amp;b=2&copy=3&#x26;d&#61;4">`, list("a http://www.example.com/shop/index.html?a=1&b=2&copy=3&d=4")},
		{"the first of equal attributes counts", `<img SRC = "a.gif">`, list("img http://www.example.com/shop/a.gif")},
		{"a tag cut off by the end of the body", `<p><iframe src="http://cut.example/x`, list("iframe http://cut.example/x")},
		{"nowhere", `<a href=#top><a href=mailto:a@b.example><a href=about:blank><img src=""><a href="tel:1">`, nil},
		{"layout of an attack", `<div><iframe width=1 height=1 src='http://203.0.113.7:8080/in.cgi?4'></iframe>`,
			list("iframe http://203.0.113.7:8080/in.cgi?4")},
		{"VBScript", "<script language=vbscript>\n' \"http://comment.example/\"\nu = \"http://vb.ex\" & \"ample/\" & Chr(97) & Chr(&H62)\nlocation = u\n</script>",
			list("js-literal http://vb.example/ab")},
	})
}

func TestFormsWithoutTarget(t *testing.T) {
	got := foundIn(t, `<form action="" method=post></form>`, "text/html")
	if want := "form " + pageURL + " POST"; len(got) != 1 || got[0] != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFindInOtherFormats(t *testing.T) {
	for _, tt := range []struct{ name, mediaType, body, want string }{
		{"style sheet", "text/css", `/* url(no.png) */ @import url(a.css); x{background:URL(b\2e png)} y{c:url("d.png"}`,
			"css http://www.example.com/shop/a.css, css http://www.example.com/shop/b.png, css http://www.example.com/shop/d.png"},
		{"expression in a style", "text/css", `x{w:expression(document.write('<img src=e.gif>'))}`, "img http://www.example.com/shop/e.gif"},
		{"filter", "text/css", `x{filter:progid:DXImageTransform.Microsoft.AlphaImageLoader(src='f.png')}`, "css http://www.example.com/shop/f.png"},
		{"RSS", "application/rss+xml", `<?xml version="1.0"?><rss><link>http://n.example/1</link><enclosure url="http://n.example/2.mp3"/><description>&lt;img src=http://n.example/3&gt;</description></rss>`,
			"link http://n.example/1, link http://n.example/2.mp3, img http://n.example/3"},
		{"JNLP", "application/x-java-jnlp-file", `<jnlp codebase="http://j.example/d" href="l.jnlp"><resources><jar href="m.jar"/></resources></jnlp>`,
			"applet http://j.example/d, applet http://j.example/d/l.jnlp, applet http://j.example/d/m.jar"},
		{"style sheet of XML, CDATA", "text/xml", `<?xml-stylesheet href="s.xsl"?><x><![CDATA[<script src="c.js"></script>]]></x>`,
			"link http://www.example.com/shop/s.xsl, script http://www.example.com/shop/c.js"},
		{"JSON", "application/json", `{"url":"\/api\/next.php","n":[1,{"src":"a.js"}],"home":"http:\/\/h.example\/"}`,
			"js-literal http://www.example.com/api/next.php (inferred), js-literal http://www.example.com/shop/a.js, js-literal http://h.example/ (inferred)"},
		{"text", "text/plain", `see http://t.example/a, or <https://t.example/b>.`, "string http://t.example/a (inferred), string https://t.example/b (inferred)"},
		{"octets", "application/octet-stream", "MZ\x00\x01http://p.example/gate.php\x00h\x00t\x00t\x00p\x00:\x00/\x00/\x00w\x00.\x00e\x00x\x00/\x00\x00\x00",
			"string http://p.example/gate.php (inferred), string http://w.ex/ (inferred)"},
		{"HTML said to be a picture", "image/gif", ` <html><img src=a.gif>`, "img http://www.example.com/shop/a.gif"},
		{"script said to be a page", "text/html", `var s = document.createElement("script"); s.src = "/a.js"; h("<img src=b.gif>")`,
			"js-literal http://www.example.com/a.js, img http://www.example.com/shop/b.gif"},
		{"script said to be text", "text/plain", `document.location = "/a.php"`, "js-literal http://www.example.com/a.php"},
		{"a picture", "image/png", "\x89PNG\r\n\x1a\nhttp://no.example/", ""},
		{"nothing declared, HTML", "", "\r\n<script>open('/a/b.html')</script>", "js-literal http://www.example.com/a/b.html"},
		{"nothing declared, script", "", `var f = document.createElement("iframe"); f.src = "/a/c.html";`, "js-literal http://www.example.com/a/c.html"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(foundIn(t, tt.body, tt.mediaType), ", "); got != tt.want {
				t.Errorf("body %q\n got %s\nwant %s", tt.body, got, tt.want)
			}
		})
	}
}

// TestReason shows how a link says where it was found.
func TestReason(t *testing.T) {
	body := `<p><script>document.write(unescape("%3Ciframe%20src%3D%22http%3A//x.example/%22%3E"))</script>`
	ls, notes := Find([]byte(body), "text/html", "", mustParse(t, pageURL), Limits{})
	if len(ls) != 1 || len(notes) != 0 {
		t.Fatalf("got %v, %v", ls, notes)
	}
	l := ls[0]
	got := fmt.Sprintf("%s %s d%d @%d %q", l.Kind, l.Reason(), l.Depth, l.Offset, body[l.Offset:l.Offset+5])
	want := `iframe script › unescape › js-write › iframe src d1 @11 "docum"`
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// TestOffsets shows that a link in the body's own octets is found where it stands,
// whatever the charset.
func TestOffsets(t *testing.T) {
	body := "\x93\xfa\x96\x7b\\<p title='\x95\x5c'><img src=\"\x95\x5c.gif?\x95\x5c\"><style>a{b:url(c.png)}</style>" // Shift_JIS
	ls, _ := Find([]byte(body), "text/html", "Shift_JIS", mustParse(t, pageURL), Limits{})
	if len(ls) != 2 {
		t.Fatalf("got %v", ls)
	}
	for i, want := range []struct {
		url string
		at  int
	}{
		{`http://www.example.com/shop/%E8%A1%A8.gif?%95\`, strings.Index(body, "\"\x95\x5c.gif") + 1},
		{"http://www.example.com/shop/c.png", strings.Index(body, "c.png")},
	} {
		if ls[i].URL != want.url || ls[i].Offset != want.at {
			t.Errorf("got %s at %d, want %s at %d", ls[i].URL, ls[i].Offset, want.url, want.at)
		}
	}
}

// TestOffsetOfVariable shows that what one script keeps and another uses is found
// where it is used.
func TestOffsetOfVariable(t *testing.T) {
	for _, use := range []string{"location=u[0]", "location=w", "fetch.apply(null,u)"} {
		body := "<script>" + strings.Repeat(" ", 100) + "var u=['/a.html'],w=n?'/a.html':'/b.html'</script><script>" + use + "</script>"
		ls, _ := Find([]byte(body), "text/html", "", mustParse(t, pageURL), Limits{})
		if len(ls) == 0 || ls[0].URL != "http://www.example.com/a.html" || ls[0].Offset < strings.Index(body, use) || ls[0].Offset >= len(body) {
			t.Errorf("%s: got %v", use, ls)
		}
	}
}

func TestCharsets(t *testing.T) {
	utf16 := func(s string) string {
		var b strings.Builder
		for _, c := range s {
			b.WriteByte(byte(c))
			b.WriteByte(byte(c >> 8))
		}
		return b.String()
	}
	for _, tt := range []struct{ name, charset, body, want string }{
		{"UTF-8", "utf-8", "<a href='/é?é'>", "http://www.example.com/%C3%A9?%C3%A9"},
		{"a path is sent in UTF-8, a query in the page's charset", "iso-8859-1", "<a href='/\xe9?\xe9'>", "http://www.example.com/%C3%A9?%E9"},
		{"declared by the page", "", "<meta charset=gbk><a href='?\xc4\xe3'>", "http://www.example.com/shop/index.html?%C4%E3"},
		{"UTF-16 by its mark", "iso-8859-1", "\xff\xfe" + utf16("<a href='/日'>"), "http://www.example.com/%E6%97%A5"},
		{"UTF-16 without a mark", "", utf16("<a href='/a'>"), "http://www.example.com/a"},
		{"escape sequences", "iso-2022-jp", "\x1b$BF|\x1b(B<a href=/a>", "http://www.example.com/a"},
		{"a charset nobody knows", "nonsense", "<a href=/a>", "http://www.example.com/a"},
		{"a host outside of ASCII", "utf-8", "<a href='//bücher.example/'>", "http://xn--bcher-kva.example/"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ls, _ := Find([]byte(tt.body), "text/html", tt.charset, mustParse(t, pageURL), Limits{})
			if len(ls) != 1 || ls[0].URL != tt.want {
				t.Errorf("got %v, want %s", ls, tt.want)
			}
		})
	}
}
