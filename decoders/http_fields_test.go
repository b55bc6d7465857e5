package decoders

import (
	"reflect"
	"strings"
	"testing"

	"kagami/records"
)

func TestHTTPCredentials(t *testing.T) {
	for _, c := range []struct {
		header       string
		user, scheme string
		password     bool
		proxy        bool
	}{
		{"Authorization: Basic aGFuYWtvOnNlY3JldA==", "hanako", "basic", true, false},
		{"Authorization: Basic aGFuYWtvOg==", "hanako", "basic", false, false},
		{"Proxy-Authorization: BASIC aGFuYWtvOnNlY3JldA==", "hanako", "basic", true, true},
		{"Authorization: Bearer secret", "", "bearer", false, false},
		{"Proxy-Authorization: NTLM secret", "", "ntlm", false, true},
		{"Authorization: Negotiate secret", "", "negotiate", false, false},
		{"Authorization: AWS4-HMAC-SHA256 Credential=secret", "", "aws4-hmac-sha256", false, false},
		{`Authorization: Digest username="Mufasa", realm="a, b", response="secret"`, "Mufasa", "digest", false, false},
		{`Authorization: Digest realm="x\"", username="say \"hi\"", uri="/"`, `say "hi"`, "digest", false, false},
		{`Authorization: Digest realm=x,username=bare,nc=1`, "bare", "digest", false, false},
		{`Authorization: Digest username*=UTF-8''J%C3%A4s%C3%B8n, realm="x"`, "Jäsøn", "digest", false, false},
		{`Authorization: Digest username="488869477bf257147b804c45308cd62ac4e25eb717b12b298c79e62dcea254ec", userhash=true`, "", "digest", false, false},
		{`Authorization: Digest username="never closed`, "never closed", "digest", false, false},
		{"Proxy-Authorization: NTLM x\r\nAuthorization: Basic aGFuYWtvOnNlY3JldA==", "hanako", "basic", true, false},
		{"Authorization: ", "", "", false, false},
		{"Authorization: (bad) x", "", "", false, false},
		{"Authorization: " + strings.Repeat("x", maxScheme+1) + " y", "", "", false, false},
		{"Authorization: Digest username=" + strings.Repeat("a", 2*maxUser), strings.Repeat("a", maxUser), "digest", false, false},
	} {
		d := newTester()
		d.play([]octets{clientSays("GET / HTTP/1.1\r\n", c.header, "\r\n\r\n")}, uncut)
		r := d.records[0]
		if r.User != c.user || r.AuthScheme != c.scheme || r.Password != c.password || r.ProxyAuth != c.proxy {
			t.Errorf("%.70q: user %q, scheme %q, password %v, proxy %v", c.header, r.User, r.AuthScheme, r.Password, r.ProxyAuth)
		}
		for _, f := range r.AppendFields(nil) {
			if strings.Contains(f.Str, "secret") {
				t.Errorf("%.70q: %s tells the secret", c.header, f.Name)
			}
		}
	}
}

func TestHTTPFieldValues(t *testing.T) {
	d := newTester()
	d.play([]octets{
		clientSays("GET /a HTTP/1.1\r\nHost: h\r\nVia: 1.1 a\r\nvia:1.0 b (squid/5)\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2\r\n",
			"Forwarded: for=10.0.0.1;proto=http\r\nX-Forwarded-From: f\r\nClient-IP: 10.0.0.3\r\nProxy-Connection: Keep-Alive\r\nXroxy-Connection: x\r\n",
			"Origin: http://o.example\r\nRange: bytes=0-99\r\nContent-Encoding: br\r\n\r\n"),
		serverSays("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-2/9\r\nAge: 12\r\nX-Cache: MISS from a\r\nX-Cache: HIT from b\r\n",
			"Via: 1.1 p\r\nCache-Status: p; hit\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n folded: 2\r\nExpires: 0\r\n\r\n"),
	}, uncut)
	r := d.records[0]
	for _, c := range []struct{ name, got, want string }{
		{"Via", r.Via, "1.1 a, 1.0 b (squid/5)"},
		{"ForwardedFor", r.ForwardedFor, "10.0.0.1, 10.0.0.2"},
		{"Forwarded", r.Forwarded, "for=10.0.0.1;proto=http"},
		{"Origin", r.Origin, "http://o.example"},
		{"Range", r.Range, "bytes=0-99"},
		{"RequestEncoding", r.RequestEncoding, "br"},
		{"ContentRange", r.ContentRange, "bytes 0-2/9"},
		{"Age", r.Age, "12"},
		{"XCache", r.XCache, "MISS from a, HIT from b"},
		{"ResponseVia", r.ResponseVia, "1.1 p"},
		{"CacheStatus", r.CacheStatus, "p; hit"},
		{"Trailers", strings.Join(r.Trailers, ","), "X-Sum,Expires"},
		{"kagami.http.proxy_headers", proxyHeaders(r), "CLIENT-IP -> 10.0.0.3|FORWARDED -> for=10.0.0.1;proto=http|PROXY-CONNECTION -> Keep-Alive|" +
			"VIA -> 1.1 a, 1.0 b (squid/5)|X-FORWARDED-FOR -> 10.0.0.1, 10.0.0.2|X-FORWARDED-FROM -> f|XROXY-CONNECTION -> x"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, c.got, c.want)
		}
	}
}

func proxyHeaders(r *records.HTTP) string {
	for _, f := range records.Plain(r.AppendFields(nil)) {
		if f.Name == "kagami.http.proxy_headers" {
			return strings.Join(f.Strs, "|")
		}
	}
	return ""
}

// Joined lines are bounded as one is.
func TestHTTPJoinedFieldIsBounded(t *testing.T) {
	d := newTester()
	d.play([]octets{clientSays("GET /a HTTP/1.1\r\n", strings.Repeat("Via: "+strings.Repeat("a", 500)+"\r\n", 10), "\r\n")}, uncut)
	if n := len(d.records[0].Via); n != maxValue {
		t.Errorf("%d octets kept", n)
	}
}

func TestHTTPTrailersAreBounded(t *testing.T) {
	d := newTester()
	d.play([]octets{clientSays(get), serverSays("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
		strings.Repeat(strings.Repeat("a", 100)+": b\r\n", 2*maxTrailers), "\r\n")}, uncut)
	want := make([]string, maxTrailers)
	for i := range want {
		want[i] = strings.Repeat("a", maxTrailerName)
	}
	if got := d.records[0].Trailers; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestHTTPInformationalReason(t *testing.T) {
	d := newTester()
	d.play([]octets{clientSays(get), serverSays("HTTP/1.1 100 Go On\r\n\r\nHTTP/1.1 103 Early\r\n\r\n", ok3)}, uncut)
	if r := d.records[0]; r.InfoReason != "Early" || !reflect.DeepEqual(r.Info, []int{100, 103}) {
		t.Errorf("%v %q", r.Info, r.InfoReason)
	}
}
