package records

import (
	"strings"
	"testing"

	"kagami/packet"
)

// full is a record with every field set, so that AppendFields writes them all.
func full() *HTTP {
	r := NewHTTP(Meta{At: 9, VLANs: 2, Key: packet.Key{Proto: packet.ProtoTCP, APort: 40000, BPort: 80},
		ClientZone: "Trust", ServerZone: "Untrust", ClientMAC: [6]byte{1}, ServerMAC: [6]byte{2}, CommunityID: "1:x",
		Visibility: Visibility{OneSided: true, Midstream: true, Truncated: true, Missed: 3}})
	r.Start, r.RequestEnd, r.ResponseFrom, r.End, r.Depth = 1, 2, 3, 4, 1
	r.RequestSeen, r.Method, r.Target, r.Host = true, "POST", "/a?b=c", "www.example.jp:8080"
	r.URL, r.Version, r.Proxied = "http://www.example.jp:8080/a?b=c", "1.1", true
	r.Referrer, r.UserAgent, r.User = "http://r/", "ua", "hanako"
	r.RequestHeaders, r.RequestBody, r.RequestComplete, r.RequestType = 100, 10, true, "text/plain; charset=x"
	r.ResponseSeen, r.Status, r.Reason, r.ResponseVersion = true, 404, "Not Found", "1.0"
	r.ContentType, r.ContentEncoding, r.Location, r.Server = "text/html ; charset=y", "gzip", "/l", "s"
	r.ResponseHeaders, r.ResponseBody, r.ResponseWire, r.ResponseComplete = 200, 20, 220, true
	r.Magic, r.Tunnel, r.TunnelName, r.TunnelFromOrig, r.TunnelFromResp = "html", "tls", "inner.example", 1, 2
	r.Gap, r.Odd, r.Info, r.InfoReason = true, "bad chunk size", []int{100, 103}, "Early Hints"
	r.AuthScheme, r.ProxyAuth, r.Password, r.Origin = "basic", true, true, "http://o"
	r.Range, r.ContentRange, r.RequestEncoding, r.Trailers = "bytes=0-1", "bytes 0-1/2", "br", []string{"X-Sum"}
	r.Via, r.ForwardedFor, r.Forwarded, r.ForwardedFrom = "1.1 p", "10.0.0.1", "for=10.0.0.1", "f"
	r.ClientIP, r.ProxyConnection, r.XroxyConnection = "10.0.0.2", "keep-alive", "close"
	r.ResponseVia, r.XCache, r.CacheStatus, r.Age = "1.1 q", "HIT from p", "p; hit", "5"
	r.FormFields = []string{"user", "photo"}
	r.RequestFiles, r.ResponseFiles = []FileRef{{"a-f1", "n", "image/png"}, {ID: "a-f2"}}, []FileRef{{ID: "a-f3"}}
	r.Stream, r.Pushed, r.Reset = 3, true, "CANCEL"
	return r
}

func TestHTTPFieldsAreAdjacent(t *testing.T) {
	if odd := notAdjacent(full().AppendFields(nil)); odd != "" {
		t.Error(odd)
	}
}

// notAdjacent says which field cannot be nested in one pass, "" if all can. An
// array counts as one field.
func notAdjacent(fields []Field) string {
	closed := map[string]bool{}
	last, inArray := "", false
	for _, f := range Plain(fields) {
		switch {
		case f.Type == Begin:
			inArray = true
		case f.Type == End:
			inArray = false
			continue
		case inArray:
			continue
		}
		if closed[f.Name] || f.Name == last {
			return f.Name + " appears twice"
		}
		// Every prefix of the last name that this one does not share is over.
		for p := last; p != ""; p = p[:max(strings.LastIndexByte(p, '.'), 0)] {
			if f.Name != p && !strings.HasPrefix(f.Name, p+".") {
				closed[p] = true
			}
		}
		for p := f.Name; p != ""; p = p[:max(strings.LastIndexByte(p, '.'), 0)] {
			if closed[p] {
				return f.Name + ": prefix " + p + " was already over"
			}
		}
		last = f.Name
	}
	return ""
}

func TestHTTPFields(t *testing.T) {
	half := NewHTTP(Meta{})
	half.ResponseSeen, half.Status, half.ResponseVersion = true, 200, "1.1"
	connect := NewHTTP(Meta{})
	connect.RequestSeen, connect.Method, connect.Target, connect.URL = true, "CONNECT", "[2001:db8::1]:443", "[2001:db8::1]:443"
	connect.Host = connect.Target
	plain := NewHTTP(Meta{})
	plain.RequestSeen, plain.Host, plain.URL = true, "192.0.2.1", "http://u:p@192.0.2.1/x#y?z"

	for _, c := range []struct {
		name  string
		r     *HTTP
		field string
		want  any // nil: absent
	}{
		{"outcome of an error", full(), "event.outcome", "failure"},
		{"event.type of an error", full(), "event.type", "access,error"},
		{"category", full(), "event.category", "web,network"},
		{"action", full(), "event.action", "http-request"},
		{"action of CONNECT", connect, "event.action", "connect"},
		{"action of half a transaction", half, "event.action", "http-response"},
		{"version of half a transaction", half, "http.version", "1.1"},
		{"outcome of half a transaction", half, "event.outcome", "success"},
		{"outcome without a response", connect, "event.outcome", nil},
		{"no method without a request", half, "http.request.method", nil},
		{"request octets", full(), "http.request.bytes", int64(110)},
		{"response octets", full(), "http.response.bytes", int64(220)},
		{"media type without parameters", full(), "http.response.mime_type", "text/html"},
		{"domain without port", full(), "destination.domain", "www.example.jp"},
		{"an address is no domain", plain, "destination.domain", nil},
		{"url.domain", full(), "url.domain", "www.example.jp"},
		{"url.domain keeps brackets", connect, "url.domain", "[2001:db8::1]"},
		{"url.domain without user", plain, "url.domain", "192.0.2.1"},
		{"url.port", full(), "url.port", int64(8080)},
		{"url.port of CONNECT", connect, "url.port", int64(443)},
		{"url.port by scheme", plain, "url.port", int64(80)},
		{"url.path", full(), "url.path", "/a"},
		{"url.path ends at the fragment", plain, "url.path", "/x"},
		{"url.query", full(), "url.query", "b=c"},
		{"octets of another character set", &HTTP{URL: "http://h/\x93\xfa\x96{/あ"}, "url.full", "http://h/%93%FA%96{/あ"},
		{"no query in a fragment", plain, "url.query", nil},
		{"CONNECT has no scheme", connect, "url.scheme", nil},
		{"informational", full(), "kagami.http.informational", "100,103"},
		{"tunnel", full(), "kagami.http.tunnel.server_bytes", int64(2)},
		{"no tunnel", plain, "kagami.http.tunnel.server_bytes", nil},
	} {
		if got := lookup(c.r.AppendFields(nil), c.field); got != c.want {
			t.Errorf("%s: %s = %v, want %v", c.name, c.field, got, c.want)
		}
	}
}

func lookup(fields []Field, name string) any {
	for _, f := range Plain(fields) {
		switch {
		case f.Name != name:
		case f.Type == Strings:
			return strings.Join(f.Strs, ",")
		case f.Type == Int:
			return f.Num
		default:
			return f.Str
		}
	}
	return nil
}
