package wiretext

import "testing"

func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"GET /index.html":   "GET /index.html",
		"a\r\n\tb":          `a\r\n\tb`,
		"\x1b[31m\x7f":      `\u{001B}[31m\u{007F}`,
		"日本語 ü":             "日本語 ü",
		"\xff\xfe":          `\xff\xfe`,
		"\u202egpj.exe":     `\u{202E}gpj.exe`,
		"zero\u200bwidth":   `zero\u{200B}width`,
		"nbsp\u00a0":        `nbsp\u{00A0}`,
		"x\u0336\u20dd":     `x\u{0336}\u{20DD}`,
		"tag\U000e0041":     `tag\u{E0041}`,
		"line\u2028sep\x85": `line\u{2028}sep\x85`,
	} {
		if got := Visible(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzVisible(f *testing.F) {
	f.Add("a\x00\u202e\xff日本")
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range Visible(s) {
			if hidden(r) {
				t.Errorf("%q leaves %U", s, r)
			}
		}
	})
}
