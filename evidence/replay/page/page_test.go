package page_test

import (
	"bytes"
	"io"
	"net/netip"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/html"

	"kagami/evidence/replay"
	"kagami/evidence/replay/page"
)

var languages = []string{"en", "ja"}

// elements are those of a page. None of them can run or fetch anything.
const elements = " html head meta title style body p h1 h2 h3 h4 nav a code pre span b i br ul ol li div details summary table thead tbody tr th td "

// attributes are those of elements, beyond class, id, lang.
var attributes = map[string]string{"meta": "charset http-equiv content name", "a": "href", "td": "data-l", "i": "style"}

// inspect reads a page as a browser would and tells what must not be in it.
func inspect(t *testing.T, text string) {
	t.Helper()
	ids, refs := map[string]int{}, map[string]bool{}
	var open []string
	z := html.NewTokenizer(strings.NewReader(text))
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			if z.Err() != io.EOF {
				t.Error(z.Err())
			}
			break
		}
		x := z.Token()
		switch kind {
		case html.CommentToken:
			t.Errorf("comment %q", x.Data)
		case html.StartTagToken:
			if !strings.Contains(elements, " "+x.Data+" ") {
				t.Errorf("element %s", x.Data)
			}
			if x.Data != "meta" && x.Data != "br" {
				open = append(open, x.Data)
			}
			for _, a := range x.Attr {
				inspectAttribute(t, x.Data, a, ids, refs)
			}
		case html.EndTagToken:
			if len(open) == 0 || open[len(open)-1] != x.Data {
				t.Fatalf("</%s> closes %v", x.Data, open)
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("not closed: %v", open)
	}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("id %s stands %d times", id, n)
		}
	}
	for r := range refs {
		if ids[r] == 0 {
			t.Errorf("#%s leads nowhere", r)
		}
	}
	if !strings.Contains(text, `content="default-src &#39;none&#39;; style-src &#39;unsafe-inline&#39;`) && !strings.Contains(text, `content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"`) {
		t.Error("no policy")
	}
	for _, r := range text {
		if r != '\n' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf)) || r == unicode.ReplacementChar {
			t.Errorf("character %U", r)
			break
		}
	}
}

func inspectAttribute(t *testing.T, element string, a html.Attribute, ids map[string]int, refs map[string]bool) {
	t.Helper()
	switch a.Key {
	case "class", "lang":
	case "id":
		ids[a.Val]++
	default:
		if !strings.Contains(" "+attributes[element]+" ", " "+a.Key+" ") {
			t.Errorf("attribute %s=%q of %s", a.Key, a.Val, element)
		}
	}
	switch {
	case a.Key == "href" && strings.HasPrefix(a.Val, "#"):
		refs[a.Val[1:]] = true
	case a.Key == "href":
		t.Errorf("reference to %q", a.Val)
	case a.Key == "style" && strings.ContainsAny(a.Val, "(\\@/"):
		t.Errorf("style %q", a.Val)
	}
}

// TestPage: what happened stands in the page, in both languages.
func TestPage(t *testing.T) {
	r := &driveby().broken().Reading
	for _, tc := range []struct {
		language string
		want     []string
	}{
		{"en", []string{"10.0.0.23 received a program (PE) from forum[.]lane[.]example", "It was declared to be image/gif", "landing page", "holes in the capture: 12", "this speaks for its having run",
			"The page before has it in an iframe.", "frame.number in {", "kagami replay office.pcapng -o DIR --serve 127.0.0.1:8899", "7z x -pinfected DIR/objects.zip", "failed: NXDOMAIN"}},
		{"ja", []string{"10.0.0.23 が forum[.]lane[.]example からプログラム（PE）を受信", "申告された種類は image/gif", "ランディングページ", "キャプチャ全体: 欠落 12 件", "プログラムが実行されたことを示唆する",
			"直前のページの iframe に含まれる。", "frame.number in {", "kagami replay office.pcapng -o DIR --serve 127.0.0.1:8899", "7z x -pinfected DIR/objects.zip", "失敗: NXDOMAIN"}},
	} {
		text := write(t, r, page.Options{Language: tc.language})
		inspect(t, text)
		shown := textOf(t, text)
		for _, want := range append(tc.want, "hxxp://forum[.]lane[.]example/load.php?e=3", r.Transactions[4].Response.Body.SHA256, r.Transactions[4].Response.Body.MD5,
			"(ip.addr == 10.0.0.23 && ip.addr == 192.0.2.166 && tcp.port == 50004 && tcp.port == 80)", "time-after-exploit", "MZ", "4d 5a 90 00", "192.0.2.166") {
			if !strings.Contains(shown, want) {
				t.Errorf("%s: the page lacks %q", tc.language, want)
			}
		}
		if strings.Contains(shown, "http://") || strings.Contains(shown, "%!") || strings.Contains(shown, "<no value>") {
			t.Errorf("%s: an address, or a verb, is in the page as it was", tc.language)
		}
		if live := textOf(t, write(t, r, page.Options{Language: tc.language, Live: true})); !strings.Contains(live, "http://forum.lane.example/load.php?e=3") {
			t.Errorf("%s: addresses are not as they were", tc.language)
		}
	}
	if err := page.Write(io.Discard, r, nil, page.Options{Language: "de"}); err == nil {
		t.Error("German?")
	}
}

// textOf is the text that a reader of the page sees.
func textOf(t testing.TB, page string) string {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for n := range doc.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "style" {
			b.WriteString(n.Data)
		}
	}
	return b.String()
}

// TestNothing: a capture without any web traffic has a page, too.
func TestNothing(t *testing.T) {
	for _, l := range languages {
		text := write(t, &replay.Reading{}, page.Options{Language: l})
		inspect(t, text)
		if strings.Contains(text, "1970") {
			t.Error("a time that is not known is told")
		}
	}
}

// TestCredentials: pages are handed on, what signs a user in is not.
func TestCredentials(t *testing.T) {
	s := driveby()
	s.Transactions[0].Request.Head = []byte("GET / HTTP/1.1\r\nHost: x\r\ncookie: sid=secret1\r\nProxy-Authorization : Basic secret2\r\nAuthorization:\tsecret3\r\n secret5\r\nX-A: kept\r\n\r\n")
	s.Transactions[0].Response.Head = []byte("HTTP/1.1 200 OK\r\nSet-Cookie: sid=secret4\r\n\r\n")
	text := textOf(t, write(t, &s.Reading, page.Options{}))
	if strings.Contains(text, "secret") || !strings.Contains(text, "X-A: kept") || !strings.Contains(text, "cookie: [octets left out here: 11]") {
		t.Error("a credential is in the page")
	}
}

// TestAgain: what a proxy did for its client is the same way, not another one.
func TestAgain(t *testing.T) {
	s := driveby()
	s.add(20)
	for _, x := range s.Transactions[6:] {
		x.Flow.Client = netip.MustParseAddrPort("10.0.0.6:3128")
	}
	text := textOf(t, write(t, &s.Reading, page.Options{}))
	if !strings.Contains(text, "with another client address, too (10.0.0.6)") || strings.Contains(text, "suspicious ways in all") {
		t.Error("the other side of the proxy is told as a way of its own")
	}
	s.Transactions[10].Response.Body = bodyOf("MZ\x90another program"+strings.Repeat("\x00", 300), "image/gif", "application/vnd.microsoft.portable-executable")
	if text := textOf(t, write(t, &s.Reading, page.Options{})); !strings.Contains(text, "suspicious ways in all: 2") {
		t.Error("a way to another program is not told")
	}
}

// TestRepeated: a program that is fetched twice by the same page is told once.
func TestRepeated(t *testing.T) {
	s := driveby()
	landing, program := s.Transactions[2], s.Transactions[4]
	for i := range 2 {
		x := s.get(int64(4000+i*500), "192.0.2.166:80", "http://forum.lane.example/twice.php", landing.Request.URL.String(), browser, 200, "Content-Type: image/gif", program.Response.Body.Magic,
			"MZ\x90\x00"+strings.Repeat("\x00", 56)+"\x40\x00\x00\x00PE\x00\x00twice")
		if x.Response.Body.SHA256 == program.Response.Body.SHA256 {
			t.Fatal("the same program")
		}
	}
	text := textOf(t, write(t, &s.Reading, page.Options{}))
	if !strings.Contains(text, "suspicious ways in all: 2") || !strings.Contains(text, "It was fetched 2 times.") {
		t.Errorf("%.600s", text)
	}
}

// TestConfirmed: what a browser did again is marked, and how it came about still told.
func TestConfirmed(t *testing.T) {
	s := driveby()
	c := replay.Build(&s.Reading)
	if !c.Confirm(s.Transactions[0], s.Transactions[1]) {
		t.Fatal("not confirmed")
	}
	var b bytes.Buffer
	if err := page.Write(&b, &s.Reading, c, page.Options{}); err != nil {
		t.Fatal(err)
	}
	text := textOf(t, b.String())
	if !strings.Contains(text, "The page before has it in an iframe. confirmed in a browser") {
		t.Error("not told")
	}
}

// TestLarge: a page does not grow with the capture, and says what it leaves out.
func TestLarge(t *testing.T) {
	s := driveby().broken()
	for i := range 100_000 - len(s.Transactions) {
		s.get(int64(20_000+i), "198.51.100.7:80", "http://big.example/"+strings.Repeat("<&\u202e", 50), "", browser, 200, "Content-Type: text/plain", "text/plain", "text "+string(rune('a'+i%26)))
		s.Holes = append(s.Holes, replay.Hole{Kind: replay.HoleTruncated, Transaction: s.Transactions[len(s.Transactions)-1], Time: start, Length: 1, Text: strings.Repeat("\x00", 2000)})
		s.Lookups = append(s.Lookups, replay.Lookup{Time: start, Name: strings.Repeat("<", 300), Client: netip.MustParseAddr("10.0.0.23")})
	}
	c := replay.Build(&s.Reading)
	for _, l := range languages {
		var b bytes.Buffer
		if err := page.Write(&b, &s.Reading, c, page.Options{Language: l}); err != nil {
			t.Fatal(err)
		}
		if b.Len() > 4<<20 {
			t.Errorf("%s: %d octets", l, b.Len())
		}
		text := textOf(t, b.String())
		for _, want := range []string{"100,000", "500", "99,996"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the page does not say %q", l, want)
			}
		}
		if !strings.Contains(text, "load.php") {
			t.Errorf("%s: the way is not told", l)
		}
	}
}

// TestDeep: neither do the levels of a tree.
func TestDeep(t *testing.T) {
	s := newScene()
	for i := range 3000 {
		next := "http://deep.example/" + strings.Repeat("x", 1+(i+1)%7) + "?" + string(rune('a'+(i+1)%26)) + number(i+1)
		here := "http://deep.example/" + strings.Repeat("x", 1+i%7) + "?" + string(rune('a'+i%26)) + number(i)
		s.get(int64(i)*200, "192.0.2.1:80", here, "", browser, 302, "Location: "+next, "", "")
	}
	text := write(t, &s.Reading, page.Options{})
	inspect(t, text)
	if len(text) > 2<<20 || !strings.Contains(text, "level 399") {
		t.Errorf("%d octets", len(text))
	}
}

func number(i int) string { return strings.Repeat("1", i%50) + string(rune('0'+i%10)) }

// BenchmarkWrite: a page of 10,000 transactions; its chain is not counted.
func BenchmarkWrite(b *testing.B) {
	s := driveby().broken()
	for i := range 10_000 {
		s.get(int64(20_000+i), "198.51.100.7:80", "http://big.example/page", "", browser, 200, "Content-Type: text/plain", "text/plain", "text "+string(rune('a'+i%26)))
	}
	c := replay.Build(&s.Reading)
	b.ReportAllocs()
	for b.Loop() {
		if err := page.Write(io.Discard, &s.Reading, c, page.Options{Language: "ja"}); err != nil {
			b.Fatal(err)
		}
	}
}
