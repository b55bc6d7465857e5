package links

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// attack repeats a unit to about n octets, around which head and tail stand once.
type attack struct{ name, mediaType, head, unit, tail string }

func (a attack) body(n int) []byte {
	return []byte(a.head + strings.Repeat(a.unit, (n-len(a.head)-len(a.tail))/len(a.unit)) + a.tail)
}

const (
	asScript = "text/javascript"
	asHTML   = "text/html"
)

// attacks are inputs that cost some parser more than linear time, memory or stack.
// Some use a literal of n octets again and again.
func attacks(n int) []attack {
	return slices.Concat(bracketAttacks(), expressionAttacks(), literalAttacks(n), markupAttacks())
}

func bracketAttacks() []attack {
	return []attack{
		{"open parentheses", asScript, "", "(", ""},
		{"open brackets", asScript, "", "[", ""},
		{"open braces", asScript, "", "{", ""},
		{"closed parentheses", asScript, "", ")", ""},
		{"brackets that do not match", asScript, "", "([{)]}", ""},
		{"calls", asScript, "", "a(", ""},
		{"function heads", asScript, "", "function(", ""},
		{"functions", asScript, "", "function f(a){", ""},
		{"quotes", asScript, "", `"`, ""},
		{"both quotes", asScript, "", `"'`, ""},
		{"backslashes", asScript, `"`, `\`, ""},
		{"escaped quotes", asScript, `"`, `\"`, ""},
		{"comments", asScript, "", "/*", ""},
		{"comments that end", asScript, "", "/**/", ""},
		{"line comments", asScript, "", "//", ""},
		{"HTML comments", asScript, "", "<!--", ""},
		{"arrows and blanks", asScript, "", " -->", ""},
		{"templates", asScript, "", "`${", ""},
		{"template pieces", asScript, "x=`", "${1}", "`"},
		{"slashes", asScript, "", "/", ""},
		{"regular expressions that do not end", asScript, "", "=/[", ""},
		{"regular expressions", asScript, "", "=/a/\n", ""},
		{"dots", asScript, "a", ".a", ""},
	}
}

func expressionAttacks() []attack {
	return []attack{
		{"dots and blanks", asScript, "a", " .a", ""},
		{"sums of strings", asScript, "x=''", "+'a'", ""},
		{"sums of unknowns", asScript, "x=''", "+a", ""},
		{"growing variable", asScript, "x='http://';", "x+='a';", ""},
		{"growing variables", asScript, "", "x+=x+'a';", "f(x)"},
		{"doubling variable", asScript, "x='http://a.example/';", "x+=x;", ""},
		{"conditionals", asScript, "x=", "a?'b':", "c"},
		{"choices", asScript, "x=''", "+(a||'b'||'c')", ""},
		{"assignments", asScript, "", "a=", ""},
		{"unary operators", asScript, "", "!-", ""},
		{"arrays of numbers", asScript, "[", "1,", "]"},
		{"small arrays", asScript, "", "[65,66,67,68,69,70,71,72];", ""},
		{"arrays of arrays", asScript, "a=['http://a.example/'];", "a=[a,a];", ""},
		{"writes that leave a tag open", asScript, "document.write('<a');", "document.write('b');", ""},
		{"writes of HTML", asScript, "", "document.write('<img src=a.gif>');", ""},
		{"nested evals", asScript, "", `eval("`, ""},
		{"guesses", asScript, "", `f("PGltZyBzcmM9YS5naWY+");`, ""},
		{"encoded again and again", asScript, "f('", "%25", "3c')"},
		{"compiled expressions", asScript, "", "'a'.replace(/(a|b)*c/,'');", ""},
		{"aliases", asScript, "", "a=document;b=a;", ""},
		{"object literals", asScript, "", "({a:", ""},
		{"slashes in a URL", asScript, "x='", "http://", "'"},
		{"VBScript", "text/vbscript", "", "x=\"a\"\"\"&_\r\n", ""},
	}
}

func literalAttacks(n int) []attack {
	long := strings.Repeat("http://x.example/%41<img>", n/25)
	return []attack{
		{"a long literal used often", asScript, "x='" + long + "';", "f(x);", ""},
		{"a long literal written often", asScript, "x='" + long + "';", "document.write(x);", ""},
		{"a long literal run often", asScript, "x='" + long + "';", "eval(x);", ""},
		{"a long literal visited often", asScript, "x='" + long + "';", "location=x;", ""},
		{"a long literal decoded often", asScript, "x='" + long + "';", "unescape(x);", ""},
		{"a long literal split often", asScript, "x='" + long + "';", "x.split('a');", ""},
		{"a long literal replaced often", asScript, "x='" + long + "';", "x.replace(/[a]/g,'');", ""},
		{"a long literal replaced plainly", asScript, "x='" + long + "';", "x.replace(/a/g,'');", ""},
		{"a long literal compared often", asScript, "x='" + long + "';y=x+'';", "x==y;", ""},
		{"a long literal trimmed often", asScript, "x='" + long + "';", "x.trim();", ""},
		{"a long literal unpacked often", asScript, "x='" + long + "';", "eval(function(p,a,c,k,e,d){}(x,2,1,'a'.split('|')));", ""},
		{"a long literal in an array", asScript, "x=['" + long + "'];", "x.reverse();f(x.concat([1])[0].substr(1));", ""},
		{"a long URL of data", asScript, "x='data:text/html," + long + "';", "location=x;", ""},
		{"a long name", asScript, "x='on" + strings.Repeat("a", n) + "';", "a[x]='b';eval(x);", ""},
		{"a long trimmed", asScript, "x='" + strings.Repeat(" ", n) + "';", "x.trim();location=x;parseInt(x);", ""},
	}
}

func markupAttacks() []attack {
	return []attack{
		{"tags", asHTML, "", "<a>", ""},
		{"tags that do not end", asHTML, "", "<a ", ""},
		{"attributes", asHTML, "<a ", "b=c ", ">"},
		{"attribute quotes", asHTML, "", `<a b="`, ""},
		{"less-than signs", asHTML, "", "<", ""},
		{"comments of HTML", asHTML, "", "<!--", ""},
		{"comments of HTML that end", asHTML, "", "<!--x--!>", ""},
		{"conditional comments", asHTML, "", "<!--[if", ""},
		{"scripts", asHTML, "", "<script>", ""},
		{"scripts that end", asHTML, "", "<script></script>", ""},
		{"style sheets", asHTML, "", "<style>", ""},
		{"handlers", asHTML, "", `<a onclick=b() `, ">"},
		{"documents in attributes", asHTML, "", "<iframe srcdoc='", ""},
		{"references", asHTML, "<a href='", "&lt", "'>"},
		{"ampersands", asHTML, "<a href='", "&", "'>"},
		{"bases", asHTML, "", "<base href=a/>", ""},
		{"links", asHTML, "", "<a href=/b>", ""},
		{"links below a long base", asHTML, "<base href='/" + strings.Repeat("a/", 7<<10) + "'>", "<a href=b>", ""},
		{"links below a base as long as any", asHTML, "<base href='/" + strings.Repeat("a/", 500) + "'>", "<img src=b srcset='c,d'>", ""},
		{"dot segments", asHTML, "<a href='/", "a/../", "'>"},
		{"data URLs", asHTML, "", "<img src=data:text/html,", ">"},
		{"XML", "text/xml", "", "<a>&lt;b", ""},
		{"processing instructions", "text/xml", "", "<?a ", ""},
		{"character data", "text/xml", "", "<![CDATA[", ""},
		{"url()", "text/css", "", "url(", ""},
		{"expression()", "text/css", "", "expression(", ""},
		{"escapes of CSS", "text/css", "url(", `\61`, ")"},
		{"imports", "text/css", "", "@import '", ""},
		{"URLs", "text/plain", "", "http://a.example/ ", ""},
		{"colons and slashes", "text/plain", "", "://", ""},
		{"wide strings", "application/octet-stream", "", ":\x00/\x00/\x00", ""},
		{"streams", "application/pdf", "%PDF-", "stream ", ""},
		{"streams that end", "application/pdf", "%PDF-", "stream x endstream ", ""},
		{"strings", "application/pdf", "%PDF-", "/JS(", ""},
		{"names", "application/pdf", "%PDF-", "/", ""},
		{"tags of a SWF", "application/x-shockwave-flash", "FWS\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00", "\x00\x03", ""},
	}
}

// TestAttacks runs each at a quarter of a megabyte: what is quadratic takes a minute
// there, and what is linear some milliseconds.
func TestAttacks(t *testing.T) {
	const n = 256 << 10
	for _, a := range attacks(n) {
		t.Run(a.name, func(t *testing.T) {
			body := a.body(n + len(a.head))
			start := time.Now()
			Find(body, a.mediaType, "", mustParse(t, pageURL), Limits{})
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("%d octets took %v", len(body), d)
			}
		})
	}
}

// BenchmarkAttacks runs each at 10 MB, where it is to stay under a second.
func BenchmarkAttacks(b *testing.B) {
	for _, a := range attacks(1 << 20) {
		body := a.body(10 << 20)
		b.Run(a.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				Find(body, a.mediaType, "", mustParse(b, pageURL), Limits{})
			}
		})
	}
}

// TestLimits shows what each limit leaves out and that it says so.
func TestLimits(t *testing.T) {
	img := func(n int) string { return fmt.Sprintf("<img src=%d.gif>", n) }
	imgs := img(0) + img(1) + img(2) + img(3)
	quoted := func(depth int) string {
		s := imgs
		for range depth {
			s = fmt.Sprintf("<script>document.write(unescape('%s'))</script>", percentAll(s))
		}
		return s
	}
	for _, tt := range []struct {
		name, mediaType, body string
		limits                Limits
		links                 int
		note                  Note
	}{
		{"no limit met", asHTML, imgs, Limits{}, 4, Note{}},
		{"input", asHTML, imgs, Limits{Input: 2 * len(img(0))}, 2, Note{NoteInput, 30, 30, 1}},
		{"links", asHTML, strings.ReplaceAll(imgs, "img", "embed"), Limits{Links: 3}, 3, Note{NoteLinks, 3, 62, 1}},
		{"minor links leave room", asHTML, imgs + "<iframe src=a.html>", Limits{Links: 3}, 2, Note{NoteLinks, 3, 24, 3}},
		{"octets of a URL", asHTML, "<a href='" + strings.Repeat("a", 40) + "'>" + img(0), Limits{URLLen: 39}, 1, Note{NoteURLLen, 39, 9, 1}},
		{"octets decoded", asHTML, quoted(1), Limits{Decoded: 100}, 0, Note{NoteDecoded, 100, 32, 1}},
		{"octets of a long base, again and again", asHTML, "<base href='/" + strings.Repeat("a", 1<<10) + "/'>" + imgs + "<img src=/x>", Limits{Decoded: 3 << 10}, 4, Note{NoteDecoded, 3 << 10, 1079, 2}},
		{"passes", asHTML, quoted(3), Limits{Passes: 2}, 0, Note{NotePasses, 2, 8, 1}},
		{"passes enough", asHTML, quoted(3), Limits{Passes: 3}, 4, Note{}},
		{"nesting", asHTML, quoted(2), Limits{Nesting: 3}, 0, Note{NoteNesting, 3, 8, 1}},
		{"literals", asScript, `a="http://a.example/";b="http://b.example/"`, Limits{Literals: 1}, 1, Note{NoteLiterals, 1, 24, 1}},
		{"octets of a literal", asScript, `a="http://a.example/abc"`, Limits{LiteralLen: 18}, 1, Note{NoteLiteralLen, 18, 2, 1}},
		{"octets of a sum", asScript, `a="http://a.example/" + "abc"`, Limits{LiteralLen: 19}, 1, Note{NoteLiteralLen, 19, 2, 1}},
		{"ratio", "", string(archive(t, "a.txt", "http://a.example/"+strings.Repeat("\x00", 4<<20))), Limits{Ratio: 300}, 1, Note{NoteRatio, 300, 35, 1}},
		{"members", "", string(archive(t, "a.txt", "http://a.example/", "b.txt", "http://b.example/")), Limits{Members: 1}, 1, Note{NoteMembers, 1, 0, 1}},
		{"attributes", asHTML, "<p" + strings.Repeat(" a=b", maxAttributes) + " style='a:url(x)'>", Limits{}, 0, Note{NoteAttributes, maxAttributes, 0, 1}},
		{"damaged", "", "CWS\x0d\x00\x00\x00\x00\x00\x00", Limits{}, 0, Note{NoteDamaged, 0, 0, 1}},
		{"filter", "", "%PDF-1 obj<</Filter/LZWDecode>>stream\nx endstream", Limits{}, 0, Note{NoteFilter, 0, 37, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ls, notes := Find([]byte(tt.body), tt.mediaType, "", mustParse(t, pageURL), tt.limits)
			var first Note
			if len(notes) > 0 {
				first = notes[0]
			}
			if len(ls) != tt.links || first != tt.note || len(notes) > 1 {
				t.Errorf("got %d links %v and notes %v, want %d and %v", len(ls), ls, notes, tt.links, tt.note)
			}
		})
	}
}

func percentAll(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, "%%%02x", c)
	}
	return b.String()
}

// TestFindKeepsNothingOfTheBody shows that links survive the body's buffer.
func TestFindKeepsNothingOfTheBody(t *testing.T) {
	body := []byte(`<a href=/a><script>location="/b.html";x=["/c","?d=1"].join("");open(x)</script>`)
	ls, _ := Find(body, asHTML, "", mustParse(t, pageURL), Limits{})
	before := fmt.Sprint(ls)
	copy(body, bytes.Repeat([]byte("#"), len(body)))
	if after := fmt.Sprint(ls); after != before || len(ls) != 3 {
		t.Errorf("got %s, then %s", before, after)
	}
}
