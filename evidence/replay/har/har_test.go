package har

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"net/url"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"kagami/evidence/replay"
)

const start = 1265169907_123456789 // 2010-02-03 04:05:07

func flow() *replay.Flow {
	return &replay.Flow{Number: 3, Client: netip.MustParseAddrPort("10.0.3.15:1044"), Server: netip.MustParseAddrPort("192.0.2.80:80"), CommunityID: "1:abc"}
}

func body(wire, data []byte, complete bool, why string) replay.Body {
	b := replay.Body{Wire: wire, Data: data, Complete: complete, Why: why, Declared: -1}
	if len(data) > 0 {
		b.SHA256 = "0123"
	}
	return b
}

func mustURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}

// get is a transaction with an answer.
func get(u string) *replay.Transaction {
	return &replay.Transaction{Flow: flow(),
		Request: &replay.Request{Method: "GET", Target: "/", URL: mustURL(u), Message: replay.Message{Version: "HTTP/1.1", Time: start, End: start + 2e6, Frame: 4, Till: 5,
			Header: []replay.Field{{Name: "Host", Value: "a.example"}}, Head: []byte("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"), Body: body(nil, nil, true, "")}},
		Response: &replay.Response{Status: 200, Reason: "OK", Message: replay.Message{Version: "HTTP/1.1", Time: start + 10e6, End: start + 110e6, Frame: 6, Till: 60,
			Header: []replay.Field{{Name: "Content-Type", Value: "text/html; charset=utf-8"}}, Head: []byte("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"),
			Body: body([]byte("<p>x</p>"), []byte("<p>x</p>"), true, "")}},
	}
}

func reading(ts ...*replay.Transaction) *replay.Reading {
	r := &replay.Reading{Source: "in.pcap", First: start, Last: start + 1e9, Frames: 100, Transactions: ts}
	for i, t := range ts {
		t.Number = i
	}
	return r
}

func write(t testing.TB, r *replay.Reading) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, r, Options{Version: "1.0"}); err != nil {
		t.Fatal(err)
	}
	if wrong := check(b.Bytes()); wrong != nil {
		t.Fatalf("not HAR 1.2:\n%s", strings.Join(wrong, "\n"))
	}
	return b.Bytes()
}

// at reads a member by its path.
func at(t testing.TB, b []byte, path string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	for _, key := range strings.Split("log."+path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[key]
		case []any:
			i := int(key[0] - '0')
			if i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

// fieldCase is a transaction and what a field of the archive has to be.
type fieldCase struct {
	name, path string
	t          *replay.Transaction
	want       any
}

func judge(t *testing.T, cases []fieldCase) {
	t.Helper()
	for _, c := range cases {
		if got := at(t, write(t, reading(c.t)), c.path); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %s = %#v, want %#v", c.name, c.path, got, c.want)
		}
	}
}

// with is a transaction that differs.
func with(x *replay.Transaction, change func(*replay.Transaction)) *replay.Transaction {
	change(x)
	return x
}

// TestEntry: where, when and how long it was.
func TestEntry(t *testing.T) {
	judge(t, []fieldCase{
		{"begin", "entries.0.startedDateTime", get("http://a.example/"), "2010-02-03T04:05:07.123456Z"},
		{"send", "entries.0.timings.send", get("http://a.example/"), 2.0},
		{"wait", "entries.0.timings.wait", get("http://a.example/"), 8.0},
		{"receive", "entries.0.timings.receive", get("http://a.example/"), 100.0},
		{"sum", "entries.0.time", get("http://a.example/"), 110.0},
		{"answered before the request ended", "entries.0.timings.wait", with(get("http://a.example/"), func(x *replay.Transaction) { x.Response.Time = start + 1e6 }), 0.0},
		{"frame", "entries.0._frame", get("http://a.example/"), 4.0},
		{"last frame", "entries.0._lastFrame", get("http://a.example/"), 60.0},
		{"flow", "entries.0.connection", get("http://a.example/"), "3"},
		{"server", "entries.0.serverIPAddress", get("http://a.example/"), "192.0.2.80"},
		{"server, mapped", "entries.0.serverIPAddress", with(get("http://a.example/"), func(x *replay.Transaction) {
			x.Flow.Server = netip.MustParseAddrPort("[fe80::1%eth0]:80")
		}), "fe80::1"},
		{"complete", "entries.0._complete", get("http://a.example/"), true},
		{"hash", "entries.0._sha256", get("http://a.example/"), "0123"},
		{"text", "entries.0.response.content.text", get("http://a.example/"), "<p>x</p>"},
		{"head", "entries.0.request.headersSize", get("http://a.example/"), 35.0},
		{"no stream in HTTP/1", "entries.0._stream", get("http://a.example/"), nil},
	})
}

// TestParameters: what is taken apart: queries, cookies, headers.
func TestParameters(t *testing.T) {
	answer := func(name, value string) *replay.Transaction {
		return with(get("http://a.example/"), func(x *replay.Transaction) {
			x.Response.Header = append(x.Response.Header, replay.Field{Name: name, Value: value})
		})
	}
	judge(t, []fieldCase{
		{"query", "entries.0.request.queryString", get("http://a.example/?a=1&b=x%20y+z&&c&%zz=%ff"), []any{
			map[string]any{"name": "a", "value": "1"}, map[string]any{"name": "b", "value": "x y z"},
			map[string]any{"name": "c", "value": ""}, map[string]any{"name": "%zz", "value": "%ff"}}},
		{"cookies", "entries.0.request.cookies", with(get("http://a.example/"), func(x *replay.Transaction) {
			x.Request.Header = append(x.Request.Header, replay.Field{Name: "cookie", Value: "a=1; b=2=3;; lone"})
		}), []any{map[string]any{"name": "a", "value": "1"}, map[string]any{"name": "b", "value": "2=3"}, map[string]any{"name": "", "value": "lone"}}},
		{"set cookie", "entries.0.response.cookies.0", answer("Set-Cookie", "sid=a b; Path=/x; Domain=.a.example; Expires=Wed, 03-Feb-2010 05:05:07 GMT; HttpOnly; secure; SameSite=Lax"),
			map[string]any{"name": "sid", "value": "a b", "path": "/x", "domain": ".a.example", "expires": "2010-02-03T05:05:07Z", "httpOnly": true, "secure": true, "_sameSite": "Lax"}},
		{"max age", "entries.0.response.cookies.0.expires", answer("Set-Cookie", "a=b; max-age=60; expires=Wed, 03 Feb 2011 05:05:07 GMT"), "2010-02-03T04:06:07Z"},
		{"max age, absurd", "entries.0.response.cookies.0.expires", answer("Set-Cookie", "a=b; max-age=9223372036854775807"), "3009-06-06T04:05:07Z"},
		{"no date", "entries.0.response.cookies.0.expires", answer("Set-Cookie", "a=b; expires=tomorrow"), nil},
		{"redirect", "entries.0.response.redirectURL", answer("location", "/next?\"<b>"), "/next?\"<b>"},
		{"a header in Latin-1", "entries.0.response.headers.1.value", answer("X", "caf\xe9\"\x00</script>\u2028"), "caf\u00e9\"\x00</script>\u00e2\u0080\u00a8"},
	})
}

// TestForms: what requests carry.
func TestForms(t *testing.T) {
	post := func(contentType, data string) *replay.Transaction {
		x := get("http://a.example/post")
		x.Request.Method = "POST"
		x.Request.Header = append(x.Request.Header, replay.Field{Name: "content-type", Value: contentType})
		x.Request.Body = body([]byte(data), []byte(data), true, "")
		x.Request.Body.Declares, _, _ = strings.Cut(contentType, ";")
		return x
	}
	form := "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1 2\r\n--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x.exe\"\r\nContent-Type: application/x-dosexec\r\n\r\nMZ\x00\r\n--B--\r\n"
	judge(t, []fieldCase{
		{"form", "entries.0.request.postData.params", post("application/x-www-form-urlencoded; charset=x", "a=1&b=%E6%97%A5"), []any{
			map[string]any{"name": "a", "value": "1"}, map[string]any{"name": "b", "value": "日"}}},
		{"form, text", "entries.0.request.postData.text", post("application/x-www-form-urlencoded", "a=1&b=%E6%97%A5"), "a=1&b=%E6%97%A5"},
		{"multipart", "entries.0.request.postData.params", post("multipart/form-data; boundary=B", form), []any{
			map[string]any{"name": "a", "value": "1 2"},
			map[string]any{"name": "f", "fileName": "x.exe", "contentType": "application/x-dosexec", "comment": "the file is in the text"}}},
		{"multipart, octets", "entries.0.request.postData._encoding", post("multipart/form-data; boundary=B", form), "base64"},
		{"multipart, cut off", "entries.0.request.postData.comment", post("multipart/form-data; boundary=B", form[:60]), "the form does not end where it should"},
		{"multipart, no boundary", "entries.0.request.postData.comment", post("multipart/form-data", form), "the form has no boundary"},
		{"no form", "entries.0.request.postData.params", post("application/json", "{}"), []any{}},
	})
}

// TestOddities: what HAR has no word for.
func TestOddities(t *testing.T) {
	judge(t, []fieldCase{
		{"no answer", "entries.0.response._error", with(get("http://a.example/"), func(x *replay.Transaction) { x.Response = nil }), "no answer was captured"},
		{"no answer, status", "entries.0.response.status", with(get("http://a.example/"), func(x *replay.Transaction) { x.Response = nil }), 0.0},
		{"no answer, not complete", "entries.0._complete", with(get("http://a.example/"), func(x *replay.Transaction) { x.Response = nil }), false},
		{"no request", "entries.0.request.url", with(get("http://a.example/"), func(x *replay.Transaction) { x.Request = &replay.Request{} }), "unknown://192.0.2.80:80/"},
		{"no request, begin", "entries.0.startedDateTime", with(get("http://a.example/"), func(x *replay.Transaction) { x.Request = &replay.Request{} }), "2010-02-03T04:05:07.133456Z"},
		{"no request, frame", "entries.0._frame", with(get("http://a.example/"), func(x *replay.Transaction) { x.Request = &replay.Request{} }), 6.0},
		{"no request, said", "entries.0.request.comment", with(get("http://a.example/"), func(x *replay.Transaction) { x.Request = &replay.Request{} }), "the request was not captured: only the server is known"},
		{"cut off", "entries.0.response.content.comment", with(get("http://a.example/"), func(x *replay.Transaction) {
			x.Response.Body = body([]byte("<p"), []byte("<p"), false, "8 octets were declared, 2 came")
		}), "not complete: 8 octets were declared, 2 came"},
		{"HTTP/2", "entries.0._stream", with(get("https://a.example/"), func(x *replay.Transaction) { x.Stream, x.Response.Version = 7, "HTTP/2" }), 7.0},
		{"HTTP/2, head", "entries.0.response.headersSize", with(get("https://a.example/"), func(x *replay.Transaction) { x.Stream, x.Response.Version = 7, "HTTP/2" }), -1.0},
		{"trailers", "entries.0.response._trailers.0.name", with(get("http://a.example/"), func(x *replay.Transaction) {
			x.Response.Trailer = []replay.Field{{Name: "Digest", Value: "x"}}
		}), "Digest"},
		{"early", "entries.0._early.0.status", with(get("http://a.example/"), func(x *replay.Transaction) {
			x.Early = []*replay.Response{{Status: 103, Reason: "Early Hints"}}
		}), 103.0},
		{"tunnel", "entries.0.request.url", with(get("http://a.example/"), func(x *replay.Transaction) {
			x.Request.Method, x.Request.Target, x.Request.URL = "CONNECT", "b.example:443", nil
		}), "connect://b.example:443"},
		{"coded", "entries.0.response.content.compression", with(get("http://a.example/"), func(x *replay.Transaction) {
			x.Response.Body = body(make([]byte, 10), []byte(strings.Repeat("a", 100)), true, "")
		}), 90.0},
	})
}

func TestHoles(t *testing.T) {
	x := get("http://a.example/")
	r := reading(x)
	r.Holes = []replay.Hole{
		{Kind: replay.HoleGap, Transaction: x, Time: start, Offset: 7, Length: 20, Text: "20 octets at 7 were not captured"},
		{Kind: replay.HoleDark, Flow: flow(), Text: "no key"},
	}
	r.Objects = []*replay.Object{{URL: mustURL("http://a.example/big"), Client: netip.MustParseAddr("10.0.3.15"), Size: 100, SHA256: "ab",
		Missing: []replay.Span{{Offset: 50, Length: 50}}, Pieces: []replay.Piece{{Transaction: x, Offset: 0, Length: 50}}}}
	b := write(t, r)
	for path, want := range map[string]any{
		"entries.0._holes": []any{map[string]any{"kind": "gap", "time": "2010-02-03T04:05:07.123456Z", "offset": 7.0, "length": 20.0, "text": "20 octets at 7 were not captured"}},
		"_holes":           []any{map[string]any{"kind": "encrypted", "offset": 0.0, "length": 0.0, "text": "no key"}},
		"_objects": []any{map[string]any{"url": "http://a.example/big", "client": "10.0.3.15", "size": 100.0, "complete": false, "sha256": "ab",
			"missing": []any{map[string]any{"offset": 50.0, "length": 50.0}}, "pieces": []any{map[string]any{"transaction": 0.0, "offset": 0.0, "length": 50.0}}}},
		"comment": "Rebuilt from packets: in.pcap, 100 frames, 1 transactions, 2 holes.",
	} {
		if got := at(t, b, path); !reflect.DeepEqual(got, want) {
			t.Errorf("%s = %#v, want %#v", path, got, want)
		}
	}
	if at(t, write(t, reading()), "entries") == nil {
		t.Error("an empty capture has no entries at all")
	}
}

// bodyOf is the content that a reader of the archive gets.
func bodyOf(t testing.TB, b []byte) string {
	s, _ := at(t, b, "entries.0.response.content.text").(string)
	if at(t, b, "entries.0.response.content.encoding") == "base64" {
		d, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		s = string(d)
	}
	return s
}

// Text longer than the pieces in which it is escaped, cut at every place of a rune.
func TestBodies(t *testing.T) {
	noise := make([]byte, 3*textPiece)
	rand.NewChaCha8([32]byte{1}).Read(noise)
	for shift := range 5 {
		for name, data := range map[string]string{
			"noise": string(noise), "text": strings.Repeat("x", textPiece-shift) + strings.Repeat("日本語🦊é", 10_000), "json": `{"a":"</script>"}`, "control": "a\x00b", "bom": "\ufeffa",
		} {
			x := get("http://a.example/")
			x.Response.Body = body([]byte(data), []byte(data), true, "")
			if got := bodyOf(t, write(t, reading(x))); got != data {
				t.Errorf("%s: %d octets of %d came back", name, len(got), len(data))
			}
		}
	}
}

type full struct{ n int }

func (f *full) Write(b []byte) (int, error) {
	if f.n -= len(b); f.n < 0 {
		return 0, errors.New("disk full")
	}
	return len(b), nil
}

func TestDiskFull(t *testing.T) {
	x := get("http://a.example/")
	x.Response.Body.Data = bytes.Repeat([]byte("x"), 1<<20)
	x.Request.Body.Data = bytes.Repeat([]byte{0}, 1<<20)
	for n := 0; n < 2<<20; n += 300_000 {
		if err := Write(&full{n}, reading(x), Options{}); err == nil {
			t.Errorf("no error though only %d octets were written", n)
		}
	}
}

// watcher notes the most memory in use.
type watcher struct{ writes, most uint64 }

func (w *watcher) Write(b []byte) (int, error) {
	if w.writes++; w.writes%128 == 0 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		w.most = max(w.most, m.HeapAlloc)
	}
	return len(b), nil
}

// Of the bodies nothing is held twice.
func TestMemory(t *testing.T) {
	x := get("http://a.example/")
	x.Response.Body.Data = bytes.Repeat([]byte("x\x00"), 8<<20)
	y := get("http://a.example/")
	y.Response.Body.Data = bytes.Repeat([]byte("text"), 4<<20)
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	live := &watcher{}
	Write(live, reading(x, y), Options{})
	if live.most > before.HeapAlloc+8<<20 {
		t.Errorf("%d octets more were in use while 32 MiB were written", live.most-before.HeapAlloc)
	}
}

// FuzzWrite writes whatever a server may send; it stays HAR.
func FuzzWrite(f *testing.F) {
	f.Add("GET", "http://a.example/?a=b", "Set-Cookie", "a=b; expires=Wed, 03-Feb-2010 05:05:07 GMT", "text/html", []byte("<p>"), int64(5), 200)
	f.Add("POST", "http://a.example/?%zz#x", "Cookie", "a=\xff;=;", "multipart/form-data; boundary=B", []byte("--B\r\nContent-Disposition: form-data; name=a\r\n\r\n\xff\r\n--B--"), int64(-5), 0)
	f.Add("CONNECT", "x", "Location", "\x00", "application/x-www-form-urlencoded", []byte("a=%ff&=&&"), int64(1<<62), 999)
	f.Add("", "", "", "", "", []byte{}, int64(0), 0)
	f.Fuzz(func(t *testing.T, method, target, name, value, contentType string, data []byte, at int64, status int) {
		h := []replay.Field{{Name: name, Value: value}, {Name: "Content-Type", Value: contentType}}
		u, _ := url.Parse(target)
		if u != nil && (u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			u = nil
		}
		declares, _, _ := strings.Cut(contentType, ";")
		x := &replay.Transaction{Flow: flow(), Request: &replay.Request{Method: method, Target: target, URL: u, Message: replay.Message{Header: h, Time: at, Body: body(data, data, true, value)}},
			Response: &replay.Response{Status: max(status, -1), Reason: value, Message: replay.Message{Header: h, Time: at / 2, End: at, Body: body(nil, data, false, value)}}}
		x.Request.Body.Declares = declares
		r := reading(x)
		r.Source = value
		r.Holes = []replay.Hole{{Transaction: x, Text: value, Time: at}}
		if got := bodyOf(t, write(t, r)); got != string(data) {
			t.Fatalf("%q came back as %q", data, got)
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	noise := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{4}).Read(noise)
	for name, data := range map[string][]byte{"text": []byte(strings.Repeat("<a href=\"http://a.example/\">it</a>\n", 30_000)), "noise": noise, "small": []byte("GIF89a")} {
		x := get("http://a.example/")
		x.Response.Body = body(data, data, true, "")
		r := reading(x)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for range b.N {
				Write(io.Discard, r, Options{})
			}
		})
	}
}
