package exporters

import (
	"strings"
	"testing"

	"kagami/packet"
	"kagami/records"
)

func TestSquid(t *testing.T) {
	for _, c := range []struct {
		name             string
		record           records.Record
		native, combined string // "" = no line
	}{
		{"plain", httpRecord(t, nil),
			`1424251299.090    452 192.168.1.10 TCP_MISS/200 74769 GET http://apt.example.com/xxx/apt.zip - HIER_DIRECT/113.1.2.3 application/zip-compressed`,
			`192.168.1.10 - - [18/Feb/2015:18:21:39 +0900] "GET http://apt.example.com/xxx/apt.zip HTTP/1.1" 200 74769 "-" "-" TCP_MISS:HIER_DIRECT`},
		{"headers, user, media type with parameters", httpRecord(t, func(r *records.HTTP) {
			r.Referrer, r.UserAgent, r.User = `http://r.example/?"q"`, "Mozilla/5.0 (Windows NT 10.0) あ", "hanako"
			r.ContentType = "text/html; charset=utf-8"
		}),
			`1424251299.090    452 192.168.1.10 TCP_MISS/200 74769 GET http://apt.example.com/xxx/apt.zip hanako HIER_DIRECT/113.1.2.3 text/html`,
			`192.168.1.10 - hanako [18/Feb/2015:18:21:39 +0900] "GET http://apt.example.com/xxx/apt.zip HTTP/1.1" 200 74769 "http://r.example/?%22q%22" "Mozilla/5.0 (Windows NT 10.0) あ" TCP_MISS:HIER_DIRECT`},
		{"no response", httpRecord(t, func(r *records.HTTP) {
			r.ResponseSeen, r.ResponseComplete, r.Status, r.ResponseWire, r.ContentType = false, false, 0, 0, ""
			r.ResponseFrom, r.End = 0, 0
		}),
			`1424251298.639      1 192.168.1.10 TCP_MISS_ABORTED/000 0 GET http://apt.example.com/xxx/apt.zip - HIER_DIRECT/113.1.2.3 -`,
			`192.168.1.10 - - [18/Feb/2015:18:21:38 +0900] "GET http://apt.example.com/xxx/apt.zip HTTP/1.1" 0 0 "-" "-" TCP_MISS_ABORTED:HIER_DIRECT`},
		{"response cut short", httpRecord(t, func(r *records.HTTP) { r.ResponseComplete = false }),
			`1424251299.090    452 192.168.1.10 TCP_MISS_ABORTED/200 74769 GET http://apt.example.com/xxx/apt.zip - HIER_DIRECT/113.1.2.3 application/zip-compressed`,
			`192.168.1.10 - - [18/Feb/2015:18:21:39 +0900] "GET http://apt.example.com/xxx/apt.zip HTTP/1.1" 200 74769 "-" "-" TCP_MISS_ABORTED:HIER_DIRECT`},
		{"response without its request", httpRecord(t, func(r *records.HTTP) { r.RequestSeen = false }), "", ""},
		{"proxied", httpRecord(t, func(r *records.HTTP) { r.Proxied = true }),
			`1424251299.090    452 192.168.1.10 TCP_MISS/200 74769 GET http://apt.example.com/xxx/apt.zip - HIER_NONE/- application/zip-compressed`,
			`192.168.1.10 - - [18/Feb/2015:18:21:39 +0900] "GET http://apt.example.com/xxx/apt.zip HTTP/1.1" 200 74769 "-" "-" TCP_MISS:HIER_NONE`},
		{"denied by the proxy", httpRecord(t, func(r *records.HTTP) { r.Proxied, r.Status, r.ContentType = true, 403, "text/html" }),
			`1424251299.090    452 192.168.1.10 TCP_DENIED/403 74769 GET http://apt.example.com/xxx/apt.zip - HIER_NONE/- text/html`,
			`192.168.1.10 - - [18/Feb/2015:18:21:39 +0900] "GET http://apt.example.com/xxx/apt.zip HTTP/1.1" 403 74769 "-" "-" TCP_DENIED:HIER_NONE`},
		{"denied by the origin", httpRecord(t, func(r *records.HTTP) { r.Status, r.ContentType = 403, "text/html" }),
			`1424251299.090    452 192.168.1.10 TCP_MISS/403 74769 GET http://apt.example.com/xxx/apt.zip - HIER_DIRECT/113.1.2.3 text/html`,
			`192.168.1.10 - - [18/Feb/2015:18:21:39 +0900] "GET http://apt.example.com/xxx/apt.zip HTTP/1.1" 403 74769 "-" "-" TCP_MISS:HIER_DIRECT`},
		{"CONNECT", connect(t, nil),
			`1424251299.090    452 192.168.1.10 TCP_TUNNEL/200 5045 CONNECT www.example.com:443 - HIER_NONE/- -`,
			`192.168.1.10 - - [18/Feb/2015:18:21:39 +0900] "CONNECT www.example.com:443 HTTP/1.1" 200 5045 "-" "-" TCP_TUNNEL:HIER_NONE`},
		{"CONNECT, reply header not measured", connect(t, func(r *records.HTTP) { r.ResponseHeaders = 0 }),
			`1424251299.090    452 192.168.1.10 TCP_TUNNEL/200 5039 CONNECT www.example.com:443 - HIER_NONE/- -`,
			`192.168.1.10 - - [18/Feb/2015:18:21:39 +0900] "CONNECT www.example.com:443 HTTP/1.1" 200 5039 "-" "-" TCP_TUNNEL:HIER_NONE`},
		{"CONNECT, authentication wanted", connect(t, func(r *records.HTTP) { r.Status, r.ContentType = 407, "text/html" }),
			`1424251299.090    452 192.168.1.10 TCP_DENIED/407 3896 CONNECT www.example.com:443 - HIER_NONE/- text/html`,
			`192.168.1.10 - - [18/Feb/2015:18:21:39 +0900] "CONNECT www.example.com:443 HTTP/1.1" 407 3896 "-" "-" TCP_DENIED:HIER_NONE`},
		{"CONNECT to IPv6", connect(t, func(r *records.HTTP) { r.URL = "[2001:db8::2]:443" }),
			`1424251299.090    452 192.168.1.10 TCP_TUNNEL/200 5045 CONNECT [2001:db8::2]:443 - HIER_NONE/- -`,
			`192.168.1.10 - - [18/Feb/2015:18:21:39 +0900] "CONNECT [2001:db8::2]:443 HTTP/1.1" 200 5045 "-" "-" TCP_TUNNEL:HIER_NONE`},
		{"upgraded to another protocol", httpRecord(t, func(r *records.HTTP) { r.Status, r.ResponseWire, r.TunnelFromResp, r.ContentType = 101, 150, 1000, "" }),
			`1424251299.090    452 192.168.1.10 TCP_MISS/101 1150 GET http://apt.example.com/xxx/apt.zip - HIER_DIRECT/113.1.2.3 -`,
			`192.168.1.10 - - [18/Feb/2015:18:21:39 +0900] "GET http://apt.example.com/xxx/apt.zip HTTP/1.1" 101 1150 "-" "-" TCP_MISS:HIER_DIRECT`},
		{"no host at all", httpRecord(t, func(r *records.HTTP) { r.Host, r.URL, r.Target, r.Version = "", "", "/a b", "1.0" }),
			`1424251299.090    452 192.168.1.10 TCP_MISS/200 74769 GET http://113.1.2.3/ab - HIER_DIRECT/113.1.2.3 application/zip-compressed`,
			`192.168.1.10 - - [18/Feb/2015:18:21:39 +0900] "GET http://113.1.2.3/ab HTTP/1.0" 200 74769 "-" "-" TCP_MISS:HIER_DIRECT`},
		{"no method, no version, a day and more", httpRecord(t, func(r *records.HTTP) { r.Method, r.Version, r.End = "G\x00T", "", r.Start+100000e9 }),
			`1424351298.638 100000000 192.168.1.10 TCP_MISS/200 74769 NONE http://apt.example.com/xxx/apt.zip - HIER_DIRECT/113.1.2.3 application/zip-compressed`,
			`192.168.1.10 - - [19/Feb/2015:22:08:18 +0900] "NONE http://apt.example.com/xxx/apt.zip HTTP/0.0" 200 74769 "-" "-" TCP_MISS:HIER_DIRECT`},
		{"IPv6 without host", ipv6HTTP(t),
			`1424251299.090    452 ::1 TCP_MISS/200 74769 OPTIONS http://[2001:db8::2]:8000/ - HIER_DIRECT/2001:db8::2 application/zip-compressed`,
			`::1 - - [18/Feb/2015:18:21:39 +0900] "OPTIONS http://[2001:db8::2]:8000/ HTTP/1.1" 200 74769 "-" "-" TCP_MISS:HIER_DIRECT`},
		{"TLS straight out", flowRecord(t, nil),
			`1417824680.903   5003 192.168.100.5 TCP_TUNNEL/200 5039 CONNECT www.example.com:443 - HIER_DIRECT/23.23.1.2 -`,
			`192.168.100.5 - - [06/Dec/2014:09:11:20 +0900] "CONNECT www.example.com:443 HTTP/1.1" 200 5039 "-" "-" TCP_TUNNEL:HIER_DIRECT`},
		{"TLS without a name", flowRecord(t, func(r *records.Flow) { r.ServerName = "" }),
			`1417824680.903   5003 192.168.100.5 TCP_TUNNEL/200 5039 CONNECT 23.23.1.2:443 - HIER_DIRECT/23.23.1.2 -`,
			`192.168.100.5 - - [06/Dec/2014:09:11:20 +0900] "CONNECT 23.23.1.2:443 HTTP/1.1" 200 5039 "-" "-" TCP_TUNNEL:HIER_DIRECT`},
		{"TLS unanswered", flowRecord(t, func(r *records.Flow) { r.Resp = records.Counts{} }), "", ""},
		{"TLS in a proxy's tunnel", flowRecord(t, func(r *records.Flow) { r.Service, r.Tunnel = "http", "tls" }), "", ""},
		{"flow of another protocol", flowRecord(t, func(r *records.Flow) { r.Service = "ssh" }), "", ""},
		{"another kind", dnsRecord(t, nil), "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := lineOf(t, newSquid(Env{}), c.record); got != c.native {
				t.Errorf("native:\ngot  %s\nwant %s", got, c.native)
			}
			if got := lineOf(t, newSquidCombined(Env{Location: tokyo}), c.record); got != c.combined {
				t.Errorf("combined:\ngot  %s\nwant %s", got, c.combined)
			}
		})
	}
}

func connect(t *testing.T, change func(*records.HTTP)) *records.HTTP {
	return httpRecord(t, func(r *records.HTTP) {
		r.Method, r.Target, r.URL, r.Proxied = "CONNECT", "www.example.com:443", "www.example.com:443", true
		r.ResponseHeaders, r.ResponseWire, r.TunnelFromResp, r.ContentType = 45, 3896, 5000, ""
		if change != nil {
			change(r)
		}
	})
}

func ipv6HTTP(t *testing.T) *records.HTTP {
	r := records.NewHTTP(between(packet.ProtoTCP, "[::1]:40000", "[2001:db8::2]:8000"))
	m := *r.Meta()
	*r = *httpRecord(t, func(r *records.HTTP) { r.Method, r.Target, r.URL, r.Host = "OPTIONS", "*", "*", "" })
	*r.Meta() = m
	return r
}

func TestSquidOmitsDirectTLS(t *testing.T) {
	if got := lineOf(t, newSquid(Env{DirectTLS: DirectTLSOmitted}), flowRecord(t, nil)); got != "" {
		t.Errorf("got %q, want no line", got)
	}
}

// The URLs on the right are Squid 5.7's own (lab/cmd/squidtwin), but for the
// quotation mark and backslash between quotation marks.
func TestSquidURL(t *testing.T) {
	for _, c := range []struct{ url, want, combined string }{
		{url: "http://a/%E3?q=a&b=1#f", want: "http://a/%E3?q=a&b=1#f"},
		{url: "http://a/あ", want: "http://a/%E3%81%82"},
		{url: "http://a/\x83e", want: "http://a/%83e"},
		{url: "http://a/\x93\xfa\x96{", want: "http://a/%93%FA%96%7B"},
		{url: "http://a/あ|b\"c\\d^e{f}g~h`i'j[k]l#m<n>o%7ep%zq", want: "http://a/%E3%81%82%7Cb%22c%5Cd%5Ee%7Bf%7Dg%7Eh%60i%27j%5Bk%5Dl%23m%3Cn%3Eo%7ep%zq"},
		{url: "http://a/\"<>|{}^`\\", want: "http://a/\"<>|{}^`\\", combined: "http://a/%22<>|{}^`%5C"},
		{url: "http://a/b c  d", want: "http://a/bcd"},
		{url: "http://a/\t\r\n\x00\x7f", want: "http://a/%09%0D%0A%00%7F"},
		{url: "http://[::1]:8000/six", want: "http://[::1]:8000/six"},
		{url: "HTTP://USER:Pw@Host.EXAMPLE.:80/Path", want: "http://host.example/Path"},
		{url: "http://host.example:8080", want: "http://host.example:8080/"},
		{url: "http://host.example?q=/@", want: "http://host.example/?q=/@"},
		{url: "http://host.example:/", want: "http://host.example/"},
		{url: "https://host.example:443/", want: "https://host.example/"},
		{url: "https://host.example:80/", want: "https://host.example:80/"},
		{url: "http://\xffA/", want: "http://%FFa/"},
		{url: "Host.example:443", want: "host.example:443"},
		{url: "[::1]:443", want: "[::1]:443"},
		{url: "   ", want: "http://113.1.2.3/xxx/apt.zip"},
	} {
		r := httpRecord(t, func(r *records.HTTP) { r.URL = c.url })
		if got := strings.Fields(lineOf(t, newSquid(Env{}), r))[6]; got != c.want {
			t.Errorf("%q: got %q, want %q", c.url, got, c.want)
		}
		if c.combined == "" {
			c.combined = c.want
		}
		if got := strings.Fields(lineOf(t, newSquidCombined(Env{Location: tokyo}), r))[6]; got != c.combined {
			t.Errorf("%q: combined: got %q, want %q", c.url, got, c.combined)
		}
	}
}

func TestSquidEscapesHeaders(t *testing.T) {
	for _, c := range []struct{ agent, want string }{
		{`a"b`, `a%22b`},
		{`DOM\user\`, `DOM%5Cuser%5C`},
		{"tab\tあ", "tab%09あ"},
		{"\x83\x65", "%83e"},
		{"a\u2028b\u0085c\x7f", "a%E2%80%A8b%C2%85c%7F"},
		{"\xff\xfe\xe3\x81", "%FF%FE%E3%81"},
		{"100%", "100%"},
	} {
		line := lineOf(t, newSquidCombined(Env{Location: tokyo}), httpRecord(t, func(r *records.HTTP) { r.UserAgent = c.agent }))
		if got := strings.Split(line, `"`)[5]; got != c.want {
			t.Errorf("%q: got %q, want %q", c.agent, got, c.want)
		}
	}
}

func TestSquidLineFitsItsBuffer(t *testing.T) {
	long := strings.Repeat("\xff", 20000)
	r := httpRecord(t, func(r *records.HTTP) {
		r.URL, r.User, r.ContentType, r.Referrer, r.UserAgent, r.Method = "http://"+long, long, long, long, long, strings.Repeat("M", 64)
	})
	for _, f := range []Format{newSquid(Env{}), newSquidCombined(Env{Location: tokyo})} {
		line := lineOf(t, f, r)
		if len(line) > 8191 || len(line) < 7500 {
			t.Errorf("%T: %d octets", f, len(line))
		}
		if strings.Contains(line, "% ") || strings.Contains(line, "%F ") {
			t.Errorf("%T: an escape was cut", f)
		}
	}
}
