package plain

import (
	"net/netip"
	"net/url"
	"testing"

	"kagami/evidence/replay"
)

func TestURI(t *testing.T) {
	server := netip.MustParseAddrPort("192.0.2.1:8080")
	six := netip.MustParseAddrPort("[fe80::1%eth0]:80")
	for _, c := range []struct {
		name           string
		server         netip.AddrPort
		method, target string
		url            *url.URL
		want           string
		told           bool
	}{
		{"as asked", server, "GET", "/a?b=c", &url.URL{Scheme: "http", Host: "a.example", Path: "/a", RawQuery: "b=c"}, "http://a.example/a?b=c", false},
		{"octets that no URI has", server, "GET", "", &url.URL{Scheme: "http", Host: "a.example", Path: "/\"<ü>", RawQuery: "x=\"'|\x01\xff y"}, "http://a.example/%22%3C%C3%BC%3E?x=%22'%7C%01%FF%20y", false},
		{"escapes that are wrong stay", server, "GET", "", &url.URL{Scheme: "http", Host: "a.example", Path: "/", RawQuery: "%zz%"}, "http://a.example/?%zz%", false},
		{"no fragment comes of a query", server, "GET", "", &url.URL{Scheme: "http", Host: "a.example", Path: "/a", RawQuery: "b#c"}, "http://a.example/a?b%23c", false},
		{"a host with line ends", server, "GET", "", &url.URL{Scheme: "http", Host: "a\r\nb", Path: "/"}, "http://a%0D%0Ab/", false},
		{"no request", server, "", "", nil, "unknown://192.0.2.1:8080/", true},
		{"no request, zone", six, "", "", nil, "unknown://[fe80::1]:80/", true},
		{"no request, no server", netip.AddrPort{}, "", "", nil, "unknown://unknown/", true},
		{"tunnel", server, "CONNECT", "b.example:443", nil, "connect://b.example:443", true},
		{"tunnel to something odd", server, "CONNECT", "b/ \n", nil, "connect://b%2F%20%0A", true},
		{"no URL", server, "GET", "http:// /x", nil, "unknown://192.0.2.1:8080/http://%20/x", true},
	} {
		tr := &replay.Transaction{Flow: &replay.Flow{Server: c.server}, Request: &replay.Request{Method: c.method, Target: c.target, URL: c.url}}
		got, why := URI(tr)
		if got != c.want || (why != "") != c.told {
			t.Errorf("%s: %q (%s), want %q", c.name, got, why, c.want)
		}
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct{ in, text, line string }{
		{"plain", "plain", "plain"},
		{"Grüße", "Grüße", "Grüße"},
		{"Gr\xfc\xdfe", "Grüße", "Grüße"},
		{"a\r\nWARC-Type: x", "a\r\nWARC-Type: x", "a  WARC-Type: x"},
		{" \x00a\u0085b\u2028 ", " \x00a\u0085b\u2028 ", "a b"},
		{"\xff\u2028", "ÿâ\u0080¨", "ÿâ ¨"},
	} {
		if got := Text(c.in); got != c.text {
			t.Errorf("Text(%q) = %q, want %q", c.in, got, c.text)
		}
		if got := Line(c.in); got != c.line {
			t.Errorf("Line(%q) = %q, want %q", c.in, got, c.line)
		}
	}
}

func TestIsText(t *testing.T) {
	for in, want := range map[string]bool{
		"": true, "a\tb\r\n": true, "日本語": true, "\ufffd": true, "a\x00": false, "\x1b[31m": false, "\x7f": false,
		"\xff": false, "\u0085": false, "caf\xe9": false, "\xed\xa0\x80": false, "é": true,
	} {
		if IsText([]byte(in)) != want {
			t.Errorf("IsText(%q) = %v", in, !want)
		}
	}
}

func TestDate(t *testing.T) {
	if got := Date(1265169907_123456789); got != "2010-02-03T04:05:07.123456Z" {
		t.Error(got)
	}
}
