package page

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"kagami/evidence/replay"
)

var verb = regexp.MustCompile(`%\[\d\][sd]`)

func verbs(s string) string {
	all := verb.FindAllString(s, -1)
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " ")
}

// TestMessages: every message is in both languages, with the same values.
func TestMessages(t *testing.T) {
	for k, e := range english {
		j, ok := japanese[k]
		if !ok || k != "role." && k != "english.reasons" && k != "sentence.space" && (j == "" || e == "") {
			t.Errorf("%s is not in Japanese", k)
		}
		if a, b := verbs(e), verbs(j); a != b && k != "made.anonymous" {
			t.Errorf("%s: %q, %q", k, a, b)
		}
		if strings.Contains(verb.ReplaceAllString(e+j, ""), "%") {
			t.Errorf("%s: a verb without a number", k)
		}
		if strings.IndexFunc(e, func(r rune) bool { return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) }) >= 0 {
			t.Errorf("%s: Japanese in English", k)
		}
	}
	for k := range japanese {
		if _, ok := english[k]; !ok {
			t.Errorf("%s is not in English", k)
		}
	}
}

// TestMessagesUsed: every message that the page asks for is there, and no other.
func TestMessagesUsed(t *testing.T) {
	used := map[string]bool{}
	note := func(k string) {
		used[k] = true
		if _, ok := english[k]; !ok {
			t.Errorf("there is no message %q", k)
		}
	}
	for _, m := range regexp.MustCompile(`\bm "([^"]+)"`).FindAllStringSubmatch(pageText, -1) {
		note(m[1])
	}
	files, _ := filepath.Glob("*.go")
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?:\.say|\badd|v\.body)\("([^"]+)"[,)]`).FindAllStringSubmatch(string(text), -1) {
			note(m[1])
		}
	}
	for _, k := range holeKinds {
		note("hole." + string(k))
	}
	for _, k := range []replay.Role{"", replay.RoleGate, replay.RoleLanding, replay.RoleExploit, replay.RolePayload, replay.RoleCheckIn, "start"} {
		note("role." + string(k))
	}
	for _, k := range []replay.ContentKind{replay.ContentPlain, replay.ContentProgram, replay.ContentExploit, replay.ContentContainer, replay.ContentOpaque, replay.ContentScript} {
		note("content." + string(k))
	}
	for _, k := range constants(t, "EdgeKind") {
		note("edge." + k)
	}
	for _, k := range constants(t, "HoleKind") {
		note("hole." + k)
	}
	for k := range english {
		if !used[k] {
			t.Errorf("message %q is not used", k)
		}
	}
}

// sources are the files of the package that reads and judges.
func sources(t *testing.T) (all []*ast.File) {
	t.Helper()
	names, _ := filepath.Glob("../*.go")
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Skip(err)
		}
		all = append(all, f)
	}
	return all
}

// constants are the values of a type's constants.
func constants(t *testing.T, of string) (all []string) {
	for _, f := range sources(t) {
		ast.Inspect(f, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok {
				if id, ok := v.Type.(*ast.Ident); ok && id.Name == of {
					for _, x := range v.Values {
						if l, ok := x.(*ast.BasicLit); ok {
							s, _ := strconv.Unquote(l.Value)
							all = append(all, s)
						}
					}
				}
			}
			return true
		})
	}
	if len(all) < 5 {
		t.Errorf("%s has %d constants", of, len(all))
	}
	return all
}

// TestReasons: what the chain says of suspicious ways and roles reads in Japanese.
func TestReasons(t *testing.T) {
	ja, err := textsOf("ja")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, f := range sources(t) {
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) < 2 {
				return true
			}
			fun, ok := call.Fun.(*ast.SelectorExpr)
			l, literal := call.Args[1].(*ast.BasicLit)
			if !ok || fun.Sel.Name != "say" && fun.Sel.Name != "is" || !literal || l.Kind != token.STRING {
				return true
			}
			format, _ := strconv.Unquote(l.Value)
			said := strings.NewReplacer("by way of %s", "by way of 1 other site", "%s on the way", "2 redirections on the way", "%s", "PE", "%d", "3", "%q", `"x"`).Replace(format)
			count++
			if text, ok := ja.reason(said); !ok || text == said {
				t.Errorf("%q is not in Japanese", format)
			}
			return true
		})
	}
	if count < 20 {
		t.Errorf("%d reasons found", count)
	}
	for said, want := range map[string]string{
		"no Referer, 2.3 s after PE, User-Agent changes from \"a\" to \"b\"": "Referer なし、PE の 2.3 s 後、User-Agent が \"a\" から \"b\" に変わる",
		"it claims to be $1$2 *": "申告された種類は $1$2 * で、中身と食い違う",
	} {
		if got, _ := ja.reason(said); got != want {
			t.Errorf("%q", got)
		}
	}
}

// TestSentences: every sentence of the reader reads in Japanese: why a body is not whole,
// what was not captured, which limit was hit; of one octet as of many.
func TestSentences(t *testing.T) {
	ja, err := textsOf("ja")
	if err != nil {
		t.Fatal(err)
	}
	// As they are put together.
	whole := strings.NewReplacer("%s %s declared", "N were declared", "%s at %d %s not %s", "N at 5 were not kept", "%s of frames %s not captured", "N of frames were not captured",
		"%s of the %s %s not %s", "N of the client's stream were not captured", "%s of the %s ", "N of the server's stream ", "%s in %s %s not transferred", "N in 2 ranges were not transferred",
		"%s %s dropped", "2 packets were dropped", "all of the headers: %s", "all of the headers: 1 frame", "contradict themselves: %s", "contradict themselves: 1 frame", "is not read: %s", "is not read: 1 frame",
		"damaged in %s:", "damaged in 1 place:", "a chunk of %s", "a chunk of N", "%d came%s", "5 came before the connection was closed", "(0-RTT) %s refused", "(0-RTT) were refused", "%s of early data", "N of early data",
		"of the %s was not decrypted", "of the server's stream was not decrypted", "the %s ends within", "the client's stream ends within", "the %s reset", "the client reset",
		"%s on the way", "1 redirection on the way", "by way of %s", "by way of 1 other site", "header section is longer than ", "header section is longer than 9 octets", "the last chunk is missing", "the last chunk is missing before the connection was closed")
	// Pieces of those, errors, and what the terminal's tree is made of.
	pieces := []string{"PE under XOR", "write tree: %w", "read web traffic: %w", ", for ", "  no answer", "User-Agent changes from ", "%s %s%s %s", " before the capture or the connection ended", " before the connection was closed", " (claims %s)", "(request not captured)",
		": header fields that refer to it are not known", "; this is the latest page from there", "dictionary is too large", "not compressed by compress", "a code that stands for nothing"}
	count := 0
	for _, f := range sources(t) {
		ast.Inspect(f, func(n ast.Node) bool {
			l, ok := n.(*ast.BasicLit)
			if !ok || l.Kind != token.STRING {
				return true
			}
			s, _ := strconv.Unquote(l.Value)
			if strings.Count(s, " ") < 2 || slices.Contains(pieces, s) || strings.ContainsAny(s, "\r\n") || strings.Trim(s, " %dBs") == "" || !regexp.MustCompile(`[a-z]{3}`).MatchString(s) {
				return true
			}
			for _, octets := range []string{"3 octets", "1 octet"} {
				said := strings.NewReplacer("N ", octets+" ", "%s", "PE", "%d", "3", "%q", `"x"`, "%w", "x").Replace(whole.Replace(s))
				count++
				if text, ok := ja.reason(said); !ok || text == said {
					t.Errorf("%q is not in Japanese (%q)", s, said)
				}
			}
			return true
		})
	}
	if count < 150 {
		t.Errorf("%d sentences found", count)
	}
}

func TestText(t *testing.T) {
	for s, want := range map[string]string{
		"http://a.b.example/x.y":                 "hxxp://a[.]b[.]example/x.y",
		"HTTPS://1.2.3.4:8080?q=http://x.y/":     "Hxxps://1[.]2[.]3[.]4:8080?q=hxxp://x[.]y/",
		"ftp://a.b wss://c.d":                    "fxp://a[.]b wss[x]://c[.]d",
		"http://[2001:db8::1]/":                  "hxxp://[2001:db8::1]/",
		"no address":                             "no address",
		"://":                                    "://",
		"see \"http://a.b\", then 'https://c.d'": "see \"hxxp://a[.]b\", then 'hxxps://c[.]d'",
	} {
		if got := defang(s); got != want {
			t.Errorf("%q: %q", s, got)
		}
	}
	if got := short("a\u202e\x00\xff\n鏡", 50); got != `a\u{202E}\u{0000}\xff\n鏡` {
		t.Errorf("%q", got)
	}
	long := short("http://"+strings.Repeat("x", 90_000)+"/end.exe", 100)
	if n := len([]rune(long)); n > 101 || !strings.HasPrefix(long, "http://x") || !strings.HasSuffix(long, "x/end.exe") {
		t.Errorf("%d %q", n, long)
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", -123: "-123"} {
		if got := number(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
	if got := shell("a b'c\n"); got != `'a b'\''c\n'` {
		t.Error(got)
	}
}
