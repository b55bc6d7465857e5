package replay_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"kagami/evidence/replay"
)

// browsing is web traffic of about n octets as browsers make it: of a hundred octets 20
// are pages, scripts and style sheets, the rest is pictures.
func browsing(n int) (*replay.Reading, int64) {
	picture := strings.Repeat("\xff\xd8\xff\xe0 no text at all \x00\x01\x02", 3000)
	library := strings.Repeat(`!function(w,d){"use strict";var n=7,o={url:"/api/v1/items"};if(d.querySelector(".i")){var c=d.createElement("script");c.src="//cdn.example.net/lib/"+n+".js"}}(window,document);`+"\n", 300)
	var steps []visit
	total := 0
	add := func(s visit) {
		total += len(s.body)
		steps = append(steps, s)
	}
	for i := 0; total < n; i++ {
		at := float64(i) * 5
		home := fmt.Sprintf("http://www%d.example/page/%d", i%50, i)
		var b strings.Builder
		b.WriteString("<html><script src=/lib.js></script>")
		for j := range 200 {
			fmt.Fprintf(&b, `<div class=row><a href="/page/%d"><img src="/img/%d-%d.jpg"></a><p>Some text about it, with <b>words</b>.</div>`, i+j, i, j)
		}
		add(visit{at: at, request: "GET " + home, kind: page, body: b.String()})
		add(visit{at: at + 0.1, request: fmt.Sprintf("GET http://www%d.example/lib.js", i%50), referer: home, kind: "text/javascript", body: fmt.Sprintf("/*%d*/", i) + library})
		for j := range 4 {
			add(visit{at: at + 0.2, request: fmt.Sprintf("GET http://www%d.example/img/%d-%d.jpg", i%50, i, j), referer: home, kind: "image/jpeg", body: picture, magic: "image/jpeg"})
		}
	}
	r := reading(steps...)
	for i, t := range r.Transactions { // reading's stand-in for a hash is as long as the body
		if t.Response.Body.SHA256 != "" {
			t.Response.Body.SHA256 = fmt.Sprintf("%064x", i)
		}
	}
	return r, int64(total)
}

func BenchmarkBuild(b *testing.B) {
	r, octets := browsing(20 << 20)
	b.SetBytes(octets)
	b.ReportAllocs()
	for b.Loop() {
		if c := replay.Build(r); len(c.Roots) > len(c.Nodes)/2 {
			b.Fatal(len(c.Roots), len(c.Nodes))
		}
	}
}

// crowd is what would be quadratic: n times the same page with n links to what is asked
// for n times.
func crowd(n int) *replay.Reading {
	var b strings.Builder
	for j := range min(n, 9000) {
		fmt.Fprintf(&b, "<iframe src=/%d>", j%50)
	}
	var steps []visit
	for i := range n {
		steps = append(steps, visit{at: float64(i), request: "GET http://a.example/", kind: page, body: b.String()}, visit{at: float64(i) + 0.5, request: fmt.Sprintf("GET http://a.example/%d", i%50), body: swfBody, agent: plugin})
	}
	r := reading(steps[:2]...)
	for i, s := range steps[2:] {
		s.body = ""
		t := s.transaction(i + 2)
		t.Response.Body = r.Transactions[i%2].Response.Body
		r.Transactions, r.Flows = append(r.Transactions, t), append(r.Flows, t.Flow)
	}
	return r
}

func BenchmarkBuildCrowd(b *testing.B) {
	for _, n := range []int{1000, 4000} {
		r := crowd(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				replay.Build(r)
			}
		})
	}
}

// TestNoExplosion: four times as much takes about four times as long, not sixteen.
func TestNoExplosion(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	took := func(n int) time.Duration {
		r := crowd(n)
		best := time.Hour
		for range 3 {
			begin := time.Now()
			c := replay.Build(r)
			best = min(best, time.Since(begin))
			if len(c.Edges) > 3*5*len(c.Nodes) {
				t.Fatalf("%d edges of %d nodes", len(c.Edges), len(c.Nodes))
			}
		}
		return best
	}
	if a, b := took(1000), took(4000); b > 10*a+50*time.Millisecond {
		t.Errorf("%v for a thousand, %v for four thousand", a, b)
	}
}
