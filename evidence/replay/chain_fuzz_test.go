package replay_test

import (
	"net/url"
	"testing"

	"kagami/evidence/replay"
)

// FuzzBuild: whatever stands in requests and answers, the rules hold, nothing of it
// reaches the terminal as it is, and the order of time is kept.
func FuzzBuild(f *testing.F) {
	for _, s := range driveBy() {
		f.Add(s.request, s.referer, s.field, s.kind, []byte(s.body))
	}
	f.Add("GET http://a.example/%zz", "http://[::1", "Location: //\\\\x\x00", "text/html;charset=\xff", []byte("<base href='http://b.example'><iframe src=?>"))
	f.Add("CONNECT b.example:443", "https://b.example", "Link: <x>; rel=preload", "image/png", []byte("CWS\x09\x00"))
	f.Fuzz(func(t *testing.T, request, referer, field, kind string, body []byte) {
		if len(body) > 1<<14 {
			return
		}
		steps := []visit{{request: "GET http://a.example/", kind: kind, body: string(body), field: field}}
		if _, err := url.Parse(request); err != nil {
			request = "GET " + url.PathEscape(request)
		}
		steps = append(steps, visit{at: 1, request: request, referer: referer, kind: kind, body: string(body), field: field},
			visit{at: 2, request: "GET http://a.example/", referer: referer, status: 302, field: field, agent: kind},
			visit{at: 3, request: request, referer: "http://a.example/", kind: kind, body: string(body), agent: "-"})
		r := reading(steps...)
		c := replay.Build(r)
		check(t, r, c)
		clean(t, tree(t, c, replay.TreeOptions{Reasons: true}))
		for _, s := range c.Suspects() {
			if s.Path[len(s.Path)-1] != s.End() {
				t.Fatal("a way that does not end")
			}
		}
	})
}
