package links

import (
	"fmt"
	"strings"
	"testing"
)

// samplePage makes a page of about n octets as sites serve them: markup, styles,
// scripts with functions, literals and counters, a little data.
func samplePage(n int) []byte {
	var b strings.Builder
	b.WriteString("<!DOCTYPE html><html><head><title>Sample</title><style>body{background:url(/bg.png) #fff}</style></head><body>")
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, `<div class="row item-%[1]d" id="r%[1]d"><a href="/item/%[1]d?from=list&amp;p=2" title="Item %[1]d"><img src="/img/%[1]d.jpg" alt="" width="90"></a>`+
			"<p>Some text about the item, with <b>words</b> in it &amp; a price of 12&nbsp;345.</p>\n</div>\n", i)
		if i%4 == 0 {
			b.WriteString("<script>" + sampleScript(i) + "</script>\n")
		}
	}
	b.WriteString("</body></html>")
	return []byte(b.String())
}

func sampleScript(i int) string {
	return fmt.Sprintf(`!function(w,d){"use strict";var n=%d,o={url:"/api/v1/items",timeout:3e3,headers:{"X-Requested-With":"XMLHttpRequest"}};
function t(e,r){for(var a=0,s=e.length;a<s&&!(r(e[a],a)===!1);a++);return e.replace(/^\s+|\s+$/g,"").split("&").map(function(x){return decodeURIComponent(x)})}
if(d.querySelector(".item-"+n)&&n>0){var c=d.createElement("script");c.async=!0;c.src="//cdn.example.net/lib/"+n+".js";d.getElementsByTagName("head")[0].appendChild(c)}
w.items=w.items||[];w.items.push({id:n,name:"Item number "+n,tags:["a","b","c"],ratio:(n*3+1)%%7/2});t("a=1&b=2",function(e){return e!=="x"?o.timeout:null})}(window,document);`, i)
}

func benchmarkFind(b *testing.B, body []byte, mediaType string) {
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	base := mustParse(b, pageURL)
	for b.Loop() {
		Find(body, mediaType, "", base, Limits{})
	}
}

func BenchmarkFindHTML(b *testing.B) { benchmarkFind(b, samplePage(1<<20), asHTML) }

func BenchmarkFindScript(b *testing.B) {
	benchmarkFind(b, []byte(strings.Repeat(sampleScript(7)+"\n", 1200)), asScript)
}

func BenchmarkFindCSS(b *testing.B) {
	benchmarkFind(b, []byte(strings.Repeat(".a .b>c{margin:0 auto;background:url(\"../i/x.png\") no-repeat;color:#333} /* end */\n", 12000)), "text/css")
}

func BenchmarkFindOctets(b *testing.B) {
	benchmarkFind(b, []byte(strings.Repeat("MZ\x90\x00\x03\x00\x00\x00 program with strings: \x00", 30000)), "application/octet-stream")
}

func BenchmarkFindSWF(b *testing.B) {
	benchmarkFind(b, swfFile('C', strings.Repeat(swfTag(swfDoABC, "\x01\x00\x00\x00f\x00"+abc("flash.display", "http://s.example/", "Sprite")), 4000)), "")
}
