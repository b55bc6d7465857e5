package census

import (
	"fmt"
	"strings"
	"testing"
)

func TestAgentFamily(t *testing.T) {
	for _, c := range []struct {
		why, a, b string
		same      bool
	}{
		{"releases of a browser", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:9.0.1) Gecko/20100101 Firefox/9.0.1", true},
		{"languages", "Mozilla/5.0 (X11; U; Linux x86_64; en-US; rv:1.9) Gecko", "Mozilla/5.0 (X11; U; Linux x86_64; ja; rv:1.9) Gecko", true},
		{"with and without a language", "App/1.0 (iPhone; en_US)", "App/1.0 (iPhone)", true},
		{"numbers of other lengths", "curl/7.88.1", "curl/8.5", true},
		{"underscores", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_4)", true},
		{"builds", "Dalvik/2.1.0 (Linux; U; Android 13; Pixel 7 Build/TQ3A.230805.001)", "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/UD1A.230803.022.A3)", true},
		{"case", "MICROSOFT BITS/7.8", "Microsoft BITS/7.8", true},
		{"browsers", "Mozilla/5.0 (Windows NT 10.0) Firefox/128.0", "Mozilla/5.0 (Windows NT 10.0) Chrome/128.0", false},
		{"systems", "Mozilla/5.0 (Windows NT 10.0) Firefox/128.0", "Mozilla/5.0 (X11; Linux) Firefox/128.0", false},
		{"one letter", "Mozilla/5.0 (Windows NT 10.0) Firefox/128.0", "Mozila/5.0 (Windows NT 10.0) Firefox/128.0", false},
		{"nothing", "", "Mozilla/5.0", false},
		{"a sign", "/", "", true},
		{"not ASCII", "日本語/1", "日本国/1", false},
	} {
		if got := AgentFamily(c.a) == AgentFamily(c.b); got != c.same {
			t.Errorf("%s: same family %v", c.why, got)
		}
	}
}

func TestRarePrograms(t *testing.T) {
	s := newStage()
	s.office(monday, 15)
	h := s.get(monday, "10.0.1.3", proxyAddr, "a.test", "/")
	h.UserAgent = "evil/1.0"
	s.feed(h)
	through := s.get(monday, "10.0.0.66", proxyAddr, "a.test", "/")
	through.UserAgent, through.ForwardedFor = "evil/2.0", "10.0.9.9" // a gateway hands on
	s.feed(through)
	own := s.get(monday, proxyAddr, "", "a.test", "/") // and so does the proxy
	own.UserAgent = "evil/3.0"
	s.feed(own)
	for i := range 3 {
		s.feed(s.hello(monday, fmt.Sprintf("10.0.1.%d", i+1), "192.0.2.1", "a.test"))
	}
	rare := s.hello(monday, "10.0.1.1", "192.0.2.1", "a.test")
	rare.JA4 = "t13i010100_aaaaaaaaaaaa_bbbbbbbbbbbb"
	s.feed(rare)
	if n := s.AgentHosts("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:131.0) Gecko/20100101 Firefox/131.0"); n != 10 {
		t.Errorf("the browser of all 15 is that of %d, want 10 and more", n)
	}
	if n := s.AgentHosts("evil/9"); n != 1 {
		t.Errorf("the rare program is that of %d, want 1", n)
	}
	if n, m, none := s.JA4Hosts("t13d1715h2_5b57614c22b0_3d5424432f57"), s.JA4Hosts(rare.JA4), s.JA4Hosts("x"); n != 3 || m != 1 || none != 0 {
		t.Errorf("JA4 of %d, %d and %d machines, want 3, 1 and 0", n, m, none)
	}
}

func FuzzAgentFamily(f *testing.F) {
	f.Add("Mozilla/5.0 (X11; U; Linux x86_64; en-US; rv:1.9) Gecko")
	f.Add("Build/")
	f.Fuzz(func(t *testing.T, s string) {
		if first := AgentFamily(s); first != AgentFamily(strings.Clone(s)) {
			t.Fatal("not the same twice")
		}
	})
}
