package canary

import (
	"strings"
	"testing"
)

const run = "0123456789abcdef"

func TestFind(t *testing.T) {
	for text, step := range map[string]string{
		run + ".dns.canary.kagami.test":                            "dns",
		run + ".dns.canary.kagami.test.":                           "dns", // the root's dot
		"0123456789ABCDEF.DNS.Canary.KAGAMI.tEsT":                  "dns", // resolvers play with case
		run + ".http.canary.kagami.test:8080":                      "http",
		run + ".connect.canary.kagami.test:8443":                   "connect",
		"http://" + run + ".timer.canary.kagami.test/a?b":          "timer",
		"http://user@" + run + ".tls.canary.kagami.test":           "tls",
		"kagami-canary (" + run + ".http.canary.kagami.test)":      "http",
		"..canary.kagami.test " + run + ".http.canary.kagami.test": "http", // the second one is whole

		"":                                        "",
		"canary.kagami.test":                      "",
		".canary.kagami.test":                     "",
		"dns.canary.kagami.test":                  "",
		".dns.canary.kagami.test":                 "",
		run + "dns.canary.kagami.test":            "",
		run + ".ftp.canary.kagami.test":           "", // no such step
		run + "..canary.kagami.test":              "",
		run[1:] + ".dns.canary.kagami.test":       "", // too short
		run + "0.dns.canary.kagami.test":          "", // too long
		"www." + run + ".dns.canary.kagami.test":  "",
		"-" + run + ".dns.canary.kagami.test":     "",
		"0123456789abcdeg.dns.canary.kagami.test": "",
		run + ".dns.canary.kagami.test.example":   "", // a name of somebody else
		run + ".dns.canary.kagami.testing":        "",
		run + ".dns.canary.kagami.test-1":         "",
		run + ".dns.canary-kagami.test":           "",
		"\xff" + run + ".dns.canary.kagami.test":  "",
	} {
		l, ok := Find(text)
		if ok != (step != "") || l.Step != step {
			t.Errorf("Find(%q) is %v, %v, want step %q", text, l, ok, step)
		}
		if want := run + "." + step + ".canary.kagami.test"; ok && l.Name() != want {
			t.Errorf("Find(%q) is %s, want %s", text, l.Name(), want)
		}
	}
}

// FuzzFind: what is found stands in the text, and is found again in its own name.
func FuzzFind(f *testing.F) {
	for _, s := range []string{run + ".dns.canary.kagami.test", "http://" + run + ".timer.canary.kagami.test/", "..canary.kagami.test", run + ".tls.canary.kagami.test..canary.kagami.test"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, ok := Find(s)
		if !ok {
			return
		}
		if len(l.Run) != RunDigits || !strings.Contains(strings.ToLower(s), l.Name()) {
			t.Errorf("Find(%q) is %v", s, l)
		}
		if again, ok := Find(l.Name()); !ok || again != l {
			t.Errorf("Find(%q) is %v, %v", l.Name(), again, ok)
		}
	})
}

func BenchmarkFind(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Find("http://www.example.co.jp/images/2026/11/a.long.name.of.a.picture.jpg?v=1.2.3")
	}
}
