package links

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// escapes are n UTF-16 units without order, as %u escapes: what machine code looks like.
func escapes(n int) string {
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for range n {
		fmt.Fprintf(&b, "%%u%04x", r.Uint32()&0xFFFF)
	}
	return b.String()
}

// spray is a script as exploits have it.
func spray() string {
	return "var c=unescape('" + escapes(90) + "'); var s=unescape('%u0c0c%u0c0c'); while(s.length<0x40000) s+=s; o.Method(s+c);"
}

// xored is a text under a key, as hexadecimal digits.
func xored(text, key string) string {
	b := []byte(text)
	for i := range b {
		b[i] ^= key[i%len(key)]
	}
	return hex.EncodeToString(b)
}

// TestSigns: what attacks on the browser are made of, and what only looks like it.
func TestSigns(t *testing.T) {
	script := func(s string) string { return "<html><script>" + s + "</script></html>" }
	japanese := strings.Repeat("%u3053%u3093%u306B%u3061%u306F%u4E16%u754C", 20)
	noise := escapes(60)
	literal := strings.Repeat("4f2a9c17", 300)
	for _, c := range []struct{ name, media, body, want string }{
		{"a heap spray", asHTML, script(spray()), SignCode + " 180, " + SignFill + " 4"},
		{"in pieces", asHTML, script("var c='" + noise[:120] + "'+'" + noise[120:] + "'; run(unescape(c))"), SignCode + " 120"},
		{"an alias of unescape", asHTML, script("var u=unescape; u('" + noise + "')"), SignCode + " 120"},
		{"behind a layer", asHTML, script("eval(unescape('" + percentAll(spray()) + "'))"), SignCode + " 180, " + SignFill + " 4"},
		{"a script of its own", asScript, spray(), SignCode + " 180, " + SignFill + " 4"},
		{"under the key that the page's own address bears", asHTML, script("var x='" + xored(spray(), "page=1") + "',k=location.search.substring(1);eval(f(x,k))"), SignCode + " 180, " + SignFill + " 4, " + SignPacked + " 1272"},
		{"one literal and what decodes it", asHTML, script("var d='" + literal + "';for(i=0;i<d.length;i+=2)s+=String.fromCharCode(parseInt(d.substr(i,2),16)^k);eval(s)"), SignPacked + " 2400"},
		{"an object by its class", asHTML, `<object classid="clsid:{a1b2c3d4-0000-0000-0000-000000000000}" id=o></object>` + script("o.Do()"), SignObject + " 42"},

		{"Japanese", asHTML, script("document.title=unescape('" + japanese + "')"), ""},
		{"a few characters", asHTML, script("x=unescape('%uD83D%uDE00%uFE0F')"), ""},
		{"text about it", asHTML, "<pre>var c=unescape('" + noise + "')</pre>", ""},
		{"Flash", asHTML, `<object classid="CLSID:D27CDB6E-AE6D-11cf-96B8-444553540000">`, ""},
		{"a picture in a literal", asHTML, script("i.src='data:image/png;base64," + literal + "';eval('1')"), ""},
		{"base64 that everybody can read", asHTML, script("document.write(atob('" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("<p>Advertising, 広告</p>", 60))) + "'))"), ""},
		{"base64 that nobody can", asHTML, script("document.write(f(atob('" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\x03\x9c\xee\x11~", 300))) + "')))"), SignPacked + " 2000"},
		{"a literal nobody decodes", asHTML, script("var id='" + literal + "'"), ""},
		{"a literal in a large script", asScript, "var d='" + literal + "';eval(d);" + strings.Repeat("function f(a){return a+1}\n", 400), ""},
		{"a key of another page", asHTML, script("var x='" + xored(spray(), "another") + "'"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := Examine([]byte(c.body), c.media, "", mustParse(t, "http://a.example/x?page=1"), Limits{})
			var got []string
			for _, s := range r.Signs {
				got = append(got, fmt.Sprintf("%s %d", s.What, s.Octets))
				if s.Offset <= 0 && c.media == asHTML && s.What != SignObject || s.Offset >= len(c.body) {
					t.Errorf("offset %d of %s", s.Offset, s.What)
				}
			}
			if s := strings.Join(got, ", "); s != c.want {
				t.Errorf("got %q, want %q", s, c.want)
			}
		})
	}
}
