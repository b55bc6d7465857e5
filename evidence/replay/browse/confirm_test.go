package browse

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"

	"kagami/evidence/replay"
	"kagami/evidence/replay/server"
)

func TestPairs(t *testing.T) {
	a, b, b2, c := get("http://a.example/~x", ""), get("http://b.example/?q=1", ""), get("http://b.example/?q=1", ""), get("http://c.example/", "")
	cached, others := get("http://d.example/", ""), exchange("192.168.1.99", "http://d.example/", 200, nil, "")
	early := get("http://e.example/", "") // recorded before what the browser says its cause is
	r := reading(early, others, a, b, c, b2, cached)
	hits := []server.Hit{
		{URL: "http://a.example/%7Ex", Transaction: a},
		{URL: "https://b.example/?q=1", Transaction: b},
		{URL: "http://c.example/", Transaction: c},
		{URL: "https://b.example/?q=1", Transaction: b2},
		{URL: "http://d.example/", Transaction: others},
		{URL: "http://e.example/", Transaction: early},
	}
	asked := []request{
		{URL: "http://A.example:80/~x#top"},
		{URL: "http://b.example?q=1", Causes: []string{"http://nobody.example/", "http://a.example/~x"}}, // what was not answered is no cause
		{URL: "https://b.example/?q=1", Causes: []string{"http://c.example/"}},
		{URL: "http://c.example/", Causes: []string{"http://d.example/", "http://c.example/"}}, // nor what came later, nor itself
		{URL: "http://d.example/", Causes: []string{"http://a.example/~x"}},
		{URL: "http://e.example/", Causes: []string{"http://a.example/~x"}},
	}
	got := pairs(hits, asked, newOwn(r, a))
	want := [][2]*replay.Transaction{{a, b}, {c, b2}, {a, cached}}
	if !slices.Equal(got, want) {
		t.Errorf("pairs %v, want %v", got, want)
	}
}

func TestCauses(t *testing.T) {
	stack := func(urls ...string) *runtime.StackTrace {
		s := &runtime.StackTrace{}
		for _, u := range urls {
			s.CallFrames = append(s.CallFrames, &runtime.CallFrame{URL: u})
		}
		return s
	}
	ask := func(frame cdp.FrameID, url string, is network.ResourceType, e network.EventRequestWillBeSent) *network.EventRequestWillBeSent {
		e.FrameID, e.Type, e.Request = frame, is, &network.Request{URL: url}
		return &e
	}
	const page, frm, js = "http://p.example/", "http://f.example/", "http://p.example/x.js"
	w := newWatch()
	w.see(ask("top", page, network.ResourceTypeDocument, network.EventRequestWillBeSent{DocumentURL: page}))
	w.see(&cdppage.EventFrameNavigated{Frame: &cdp.Frame{ID: "top", URL: page}})
	w.see(ask("top", js, network.ResourceTypeScript, network.EventRequestWillBeSent{DocumentURL: page, Initiator: &network.Initiator{URL: page}}))
	w.see(&cdppage.EventFrameAttached{FrameID: "sub", ParentFrameID: "top", Stack: stack(js, page)})
	w.see(&cdppage.EventFrameNavigated{Frame: &cdp.Frame{ID: "sub", ParentID: "top", URL: "about:blank"}})
	w.see(ask("sub", frm, network.ResourceTypeDocument, network.EventRequestWillBeSent{DocumentURL: frm}))
	w.see(ask("sub", "http://g.example/", network.ResourceTypeDocument, network.EventRequestWillBeSent{RedirectResponse: &network.Response{URL: frm}, Initiator: &network.Initiator{URL: page}}))
	w.see(&cdppage.EventFrameNavigated{Frame: &cdp.Frame{ID: "sub", ParentID: "top", URL: "http://g.example/"}})
	w.see(ask("sub", "http://h.example/", network.ResourceTypeDocument, network.EventRequestWillBeSent{DocumentURL: "http://h.example/"}))
	w.see(ask("top", "data:text/html,x", network.ResourceTypeImage, network.EventRequestWillBeSent{DocumentURL: page}))
	want := []request{
		{URL: page},
		{URL: js, Causes: []string{page}},
		{URL: frm, Causes: []string{js, page}},
		{URL: "http://g.example/", Causes: []string{frm}},
		{URL: "http://h.example/", Causes: []string{"http://g.example/"}},
	}
	if got := w.requests(); !reflect.DeepEqual(got, want) {
		t.Errorf("requests %+v, want %+v", got, want)
	}
}

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"HTTP://Host.Example:80/A%20b?c=%41#d": "host.example/A b?c=A",
		"https://h:443":                        "h/",
		"http://h:8080?x":                      "h:8080/?x",
		"http://h/%u9090":                      "h/%u9090",
		"not a url":                            "/",
	} {
		if got := plain(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

func TestDisguise(t *testing.T) {
	for agent, want := range map[string]string{
		"Mozilla/5.0 (Windows NT 6.1; WOW64) Gecko":             "Win32",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)":       "MacIntel",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 7_0 like Mac OS X)": "iPhone",
		"Mozilla/5.0 (Linux; Android 4.4; Nexus 5)":             "Linux armv8l",
		"Mozilla/5.0 (X11; Linux x86_64)":                       "Linux x86_64",
		"curl/8":                                                "",
	} {
		if got := platform(agent); got != want {
			t.Errorf("platform of %q is %q, want %q", agent, got, want)
		}
	}
	for accept, want := range map[string]string{"ja,en-US;q=0.7, en;q=0.3": "ja,en-US,en", "*": "", "": "", "de\x00,en\r\nX: y": ""} {
		if got := languages(accept); got != want {
			t.Errorf("languages of %q are %q, want %q", accept, got, want)
		}
	}
}

// What a victim's program sent may be anything.
func TestHostileFields(t *testing.T) {
	start := get("http://user:password@a.example/x#part", "", replay.Field{Name: "user-agent", Value: "A\x00B\r\n\xff\u00e9" + strings.Repeat("x", 1<<20)}, replay.Field{Name: "Referer", Value: "javascript:alert(1)"})
	reading(start)
	j := newJob(Options{Start: start}, "/bin/chromium")
	if !strings.HasPrefix(j.UserAgent, "ABxx") || len(j.UserAgent) > 4<<10 || j.Referer != "" || j.URL != "http://a.example/x" {
		t.Errorf("job %.300v", j)
	}
	for in, want := range map[string]string{"http://a.example/?q": "http://a.example/?q", "/x": "", "http://%zz/": "", "": ""} {
		if got := referer(in); got != want {
			t.Errorf("referer of %q is %q, want %q", in, got, want)
		}
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	if _, err := find(""); !errors.Is(err, ErrNoBrowser) || !strings.Contains(err.Error(), "apt install chromium") || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v", err)
	}
	for _, name := range []string{"google-chrome", "chromium"} { // Debian's goes first
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		if got, err := find(""); err != nil || got != path {
			t.Errorf("found %q, %v; want %q", got, err, path)
		}
	}
	if _, err := find(filepath.Join(dir, "opera")); !errors.Is(err, ErrNoBrowser) {
		t.Errorf("error %v", err)
	}
}

func TestStart(t *testing.T) {
	alone := get("http://alone.example/", "<p>")
	post := get("http://post.example/", "<iframe src='http://x.example/'></iframe>")
	post.Request.Method = "POST"
	leads := get("http://leads.example/", "<iframe src='http://framed.example/'></iframe>")
	framed := get("http://framed.example/", "<p>")
	if got := startOf(replay.Build(reading(alone, post, leads, framed))); got != leads {
		t.Errorf("starts at %v", got.Request.URL)
	}
	if got := startOf(replay.Build(reading(alone))); got != alone {
		t.Errorf("starts at %v", got)
	}
	if got := startOf(replay.Build(reading())); got != nil {
		t.Errorf("starts at %v", got)
	}
}
