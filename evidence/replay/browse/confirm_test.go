package browse

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kagami/evidence/replay"
	"kagami/evidence/replay/server"
)

func TestPairs(t *testing.T) {
	a, b, b2, c := &replay.Transaction{Number: 0}, &replay.Transaction{Number: 1}, &replay.Transaction{Number: 2}, &replay.Transaction{Number: 3}
	hits := []server.Hit{
		{URL: "http://a.example/%7Ex", Transaction: a},
		{URL: "https://b.example/?q=1", Transaction: b},
		{URL: "http://c.example/", Transaction: c},
		{URL: "https://b.example/?q=1", Transaction: b2},
	}
	asked := []request{
		{URL: "http://A.example:80/~x#top"},
		{URL: "http://b.example?q=1", Causes: []string{"http://nobody.example/", "http://a.example/~x"}}, // what was not answered is no cause
		{URL: "https://b.example/?q=1", Causes: []string{"http://c.example/"}},
		{URL: "http://c.example/", Causes: []string{"http://later.example/", "http://c.example/"}}, // nor is it its own
	}
	got := pairs(hits, asked)
	want := [][2]*replay.Transaction{{a, b}, {c, b2}}
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%d pairs %v", len(got), got)
	}
	// An effect that was asked for before its cause was answered is none.
	if got := pairs([]server.Hit{hits[3], hits[0]}, []request{{URL: hits[3].URL, Causes: []string{"http://a.example/~x"}}}); len(got) != 0 {
		t.Errorf("pairs %v of an effect before its cause", got)
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
