package links

import (
	"strings"
	"testing"
)

// TestFold shows what expressions come to: each is the middle of an address.
func TestFold(t *testing.T) {
	for _, tt := range []struct{ expression, want string }{
		{`"a" + "b"`, "ab"},
		{`"a" + 1 + 2`, "a12"},
		{`1 + 2 + "a"`, "3a"},
		{`2 + 3 * 4 - 6 / 2`, "11"},
		{`(2 + 3) * 4 % 7`, "6"},
		{`7 & 3 | 8 ^ 12`, "7"},
		{`1 << 4 >> 2`, "4"},
		{`-3 + 10`, "7"},
		{`0x1F + 0b11 + 0o17 + 017 + 1e2 + .5`, "164.5"},
		{`3 > 2 ? 2 >= 2 ? "a" : "b" : "c"`, "a"},
		{`1 == 2 ? "a" : "x" !== "y" ? "b" : "c"`, "b"},
		{`"abcdef".length + [1,2].length`, "8"},
		{`"abcdef".substr(-2, 1)`, "e"},
		{`"abcdef".substring(4, 2)`, "cd"},
		{`"abcdef".slice(1, -3)`, "bc"},
		{`"abcdef"[2] + "abc".charAt(1)`, "cb"},
		{`"A".charCodeAt(0) + 1`, "66"},
		{`"aBc".toUpperCase() + "D".toLowerCase()`, "ABCd"},
		{`" a ".trim().concat("b", 1)`, "ab1"},
		{`"a.b.c".split(".").slice(1, 3).join("-")`, "b-c"},
		{`["a", "b"].concat(["c"]).reverse().join("")`, "cba"},
		{`["x", "y"][1] + ["a", "b"].toString()`, "ya,b"},
		{`"aXbX".replace("X", "1")`, "a1bX"},
		{`"aXbx".replace(/x/gi, "1")`, "a1b1"},
		{`"a.b.".replaceAll(".", "_")`, "a_b_"},
		{`"a1b22".replace(/[0-9]+/g, "")`, "ab"},
		{`parseInt("41", 16) + Number("1") + parseInt("0x10")`, "82"},
		{`String.fromCharCode(0x61, "98", 67 + 32)`, "abc"},
		{`(5).toString() + String("s")`, "5s"},
		{`unescape("%61%u0062")`, "ab"},
		{`decodeURIComponent("%C3%A9")`, "%C3%A9"},
		{`window["atob"]("YWI=")`, "ab"},
		{`self.unescape.call(null, "%61") + this["unescape"]("%62")`, "ab"},
		{"`a${1}b${'c' + `d`}e`", "a1bcde"},
		{`(function () { return 1 }, "a")`, "a"},
		{`(0, "b")`, "b"},
		{`new Array("a", "b").join("")`, "ab"},
		{`eval("'a'+'b'")`, "…"}, // what eval returns is not followed
		{`unknown()`, "…"},
		{`typeof x`, "…"},
		{`"a" + x.y + "b"`, "a…"},
		{`"a" - "b"`, "…"},
		{`"abc".indexOf("b")`, "…"},
		{`1 / 0`, "…"},
		{`5 % 0`, "…"},
	} {
		t.Run(tt.expression, func(t *testing.T) {
			want := "js-literal http://h.example/" + tt.want
			if !strings.HasSuffix(tt.want, "…") {
				want += "/z"
			}
			got := foundIn(t, `location = "http://h.example/" + (`+tt.expression+`) + "/z"`, asScript)
			for _, l := range got {
				if l == want {
					return
				}
			}
			t.Errorf("%s: got %q, want %q", tt.expression, got, want)
		})
	}
}

// TestFoldVBScript shows the other language.
func TestFoldVBScript(t *testing.T) {
	for _, tt := range []struct{ script, want string }{
		{`location = "/a" & "b" & Chr(46) & ChrW(&H63)`, "js-literal http://www.example.com/ab.c"},
		{`location.href = StrReverse("c.ba/")`, "js-literal http://www.example.com/ab.c"},
		{`x = Replace("/aQb.cQ", "Q", "") : window.navigate(x)`, "js-literal http://www.example.com/ab.c"},
		{"Rem location = \"/no.c\"\nlocation = \"/ab\" & _\r\n\".c\" ' & \"d\"", "js-literal http://www.example.com/ab.c"},
		{`document.write "<img src=""/ab.c"">"`, "img http://www.example.com/ab.c (inferred)"},
	} {
		t.Run(tt.script, func(t *testing.T) {
			if got := foundIn(t, tt.script, "text/vbscript"); len(got) != 1 || got[0] != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
