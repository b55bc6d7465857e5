package warc

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"kagami/evidence/replay"
)

const start = 1265169907_123456789 // 2010-02-03 04:05:07

func flow() *replay.Flow {
	return &replay.Flow{Number: 3, Client: netip.MustParseAddrPort("10.0.3.15:1044"), Server: netip.MustParseAddrPort("192.0.2.80:80"), CommunityID: "1:abc"}
}

func mustURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}

// get is a transaction with an answer.
func get(head, body string) *replay.Transaction {
	t := &replay.Transaction{Flow: flow(),
		Request: &replay.Request{Method: "GET", Target: "/", URL: mustURL("http://a.example/x"), Message: replay.Message{Version: "HTTP/1.1", Time: start, Frame: 4, Till: 5,
			Head: []byte("GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n"), Body: replay.Body{Complete: true}}},
		Response: &replay.Response{Status: 200, Reason: "OK", Message: replay.Message{Version: "HTTP/1.1", Time: start + 1e6, Frame: 6, Till: 60, Head: []byte(head),
			Body: replay.Body{Wire: []byte(body), Data: []byte(body), SHA256: "0123", Magic: "text/html", Complete: true}}},
	}
	for line := range strings.SplitSeq(head, "\r\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			t.Response.Header = append(t.Response.Header, replay.Field{Name: name, Value: value})
		}
	}
	return t
}

const ok = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"

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
	if err := Write(&b, r, Options{Software: "Kagami 1.0"}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// records reads a file with the strict reader.
func records(t testing.TB, b []byte) []*Record {
	t.Helper()
	var all []*Record
	for r := NewReader(bytes.NewReader(b), 1<<30); ; {
		x, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, x)
	}
}

// find is the first record of a type.
func find(t testing.TB, all []*Record, kind string) *Record {
	t.Helper()
	for _, x := range all {
		if x.Get("WARC-Type") == kind {
			return x
		}
	}
	t.Fatalf("no %s record", kind)
	return nil
}

func TestRecords(t *testing.T) {
	all := records(t, write(t, reading(get(ok, "<p>x</p>"))))
	var kinds []string
	for _, x := range all {
		kinds = append(kinds, x.Get("WARC-Type"))
	}
	if got := strings.Join(kinds, " "); got != "warcinfo response request metadata" {
		t.Fatalf("records: %s", got)
	}
	info, answer, ask, meta := all[0], all[1], all[2], all[3]
	for _, c := range []struct {
		x           *Record
		field, want string
	}{
		{info, "Content-Type", "application/warc-fields"},
		{info, "WARC-Date", "2010-02-03T04:05:08.123456Z"},
		{answer, "WARC-Date", "2010-02-03T04:05:07.124456Z"},
		{answer, "WARC-Target-URI", "http://a.example/x"},
		{answer, "WARC-IP-Address", "192.0.2.80"},
		{answer, "WARC-Protocol", "http/1.1"},
		{answer, "WARC-Truncated", ""},
		{answer, "WARC-Identified-Payload-Type", "text/html"},
		{answer, "WARC-Payload-Digest", Digest([]byte("<p>x</p>"))},
		{answer, "WARC-Block-Digest", Digest([]byte(ok + "<p>x</p>"))},
		{answer, "Content-Type", "application/http; msgtype=response"},
		{answer, "Content-Length", fmt.Sprint(len(ok) + 8)},
		{ask, "WARC-Date", "2010-02-03T04:05:07.123456Z"},
		{ask, "WARC-Concurrent-To", answer.Get("WARC-Record-ID")},
		{ask, "Content-Type", "application/http; msgtype=request"},
		{ask, "WARC-Payload-Digest", ""},
		{meta, "WARC-Concurrent-To", answer.Get("WARC-Record-ID")},
		{meta, "WARC-Warcinfo-ID", info.Get("WARC-Record-ID")},
	} {
		if got := c.x.Get(c.field); got != c.want {
			t.Errorf("%s: %s = %q, want %q", c.x.Get("WARC-Type"), c.field, got, c.want)
		}
	}
	if string(answer.Block) != ok+"<p>x</p>" || !bytes.HasPrefix(ask.Block, []byte("GET /x HTTP/1.1\r\n")) {
		t.Error("octets of the wire were changed")
	}
	want := "kagami-transaction: 0\r\nkagami-client: 10.0.3.15:1044\r\nkagami-server: 192.0.2.80:80\r\nkagami-community-id: 1:abc\r\nkagami-request-frames: 4-5\r\nkagami-request-complete: yes\r\n" +
		"kagami-response-frames: 6-60\r\nkagami-response-decoded-size: 8\r\nkagami-response-decoded-sha256: 0123\r\nkagami-response-decoded-type: text/html\r\nkagami-response-complete: yes\r\n"
	if string(meta.Block) != want {
		t.Errorf("metadata:\n%s\nwant:\n%s", meta.Block, want)
	}
}

func TestVariants(t *testing.T) {
	with := func(change func(*replay.Transaction)) *replay.Transaction {
		x := get(ok, "<p>x</p>")
		change(x)
		return x
	}
	cut := func(x *replay.Transaction) { x.Response.Body.Complete, x.Response.Body.Missing = false, 5 }
	none := []replay.HoleKind{}
	for _, c := range []struct {
		name, kind, field, want string
		t                       *replay.Transaction
		holes                   []replay.HoleKind
	}{
		{"chunked: no payload digest", "response", "WARC-Payload-Digest", "", get("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\na\r\n0\r\n\r\n"), none},
		{"connection closed", "response", "WARC-Truncated", "disconnect", with(cut), []replay.HoleKind{replay.HoleTruncated}},
		{"connection closed: no payload digest", "response", "WARC-Payload-Digest", "", with(cut), []replay.HoleKind{replay.HoleTruncated}},
		{"gap", "response", "WARC-Truncated", "unspecified", with(cut), []replay.HoleKind{replay.HoleGap, replay.HoleTruncated}},
		{"limit of octets", "response", "WARC-Truncated", "length", with(cut), []replay.HoleKind{replay.HoleLimit}},
		{"limit of decoding cuts no block", "response", "WARC-Truncated", "", with(func(x *replay.Transaction) { x.Response.Body.Complete = false }), []replay.HoleKind{replay.HoleLimit}},
		{"last chunk missing", "response", "WARC-Truncated", "disconnect", with(func(x *replay.Transaction) { x.Response.Body.Complete = false }), []replay.HoleKind{replay.HoleTruncated}},
		{"chunk sizes wrong", "response", "WARC-Truncated", "unspecified", with(func(x *replay.Transaction) { x.Response.Body.Complete = false }), []replay.HoleKind{replay.HoleSyntax}},
		{"gzip broken", "response", "WARC-Truncated", "", with(func(x *replay.Transaction) { x.Response.Body.Complete = false }), []replay.HoleKind{replay.HoleEncoding}},
		{"only the response is cut", "request", "WARC-Truncated", "", with(cut), []replay.HoleKind{replay.HoleGap}},
		{"304", "response", "WARC-Truncated", "", with(func(x *replay.Transaction) { x.Response.Body = replay.Body{Complete: true} }), []replay.HoleKind{replay.HoleCached}},
		{"no request", "response", "WARC-Target-URI", "unknown://192.0.2.80:80/", with(func(x *replay.Transaction) { x.Request = &replay.Request{} }), none},
		{"no request: no payload digest", "response", "WARC-Payload-Digest", "", with(func(x *replay.Transaction) { x.Request = &replay.Request{} }), none},
		{"no response", "request", "WARC-Target-URI", "http://a.example/x", with(func(x *replay.Transaction) { x.Response = nil }), none},
		{"HTTP/2", "response", "WARC-Protocol", "h2", with(func(x *replay.Transaction) { x.Response.Version = "HTTP/2" }), none},
		{"HTTP/0.9 is no response", "resource", "Content-Type", "application/octet-stream", with(func(x *replay.Transaction) { x.Response.Head, x.Response.Version = nil, "HTTP/0.9" }), none},
		{"HTTP/0.9, digest", "resource", "WARC-Payload-Digest", Digest([]byte("<p>x</p>")), with(func(x *replay.Transaction) { x.Response.Head = nil }), none},
		{"HTTP/0.9, request", "metadata", "WARC-Target-URI", "http://a.example/x", with(func(x *replay.Transaction) { x.Request.Version, x.Response = "HTTP/0.9", nil }), none},
		{"IPv6 with a zone", "response", "WARC-IP-Address", "fe80::1", with(func(x *replay.Transaction) { x.Flow.Server = netip.MustParseAddrPort("[fe80::1%eth0]:80") }), none},
		{"hostile address", "response", "WARC-Target-URI", "http://a.example/%0D%0AWARC-Type:%20x?%0A", with(func(x *replay.Transaction) {
			x.Request.URL = &url.URL{Scheme: "http", Host: "a.example", Path: "/\r\nWARC-Type: x", RawQuery: "\n"}
		}), none},
		{"hostile magic", "response", "WARC-Identified-Payload-Type", "", with(func(x *replay.Transaction) { x.Response.Body.Magic = "a/b\r\nX: y" }), none},
	} {
		r := reading(c.t)
		for _, k := range c.holes {
			r.Holes = append(r.Holes, replay.Hole{Kind: k, Transaction: c.t, Text: "lost"})
		}
		if got := find(t, records(t, write(t, r)), c.kind).Get(c.field); got != c.want {
			t.Errorf("%s: %s = %q, want %q", c.name, c.field, got, c.want)
		}
	}
}

// What came from the wire cannot write a field of its own.
func TestMetadata(t *testing.T) {
	x := get(ok, "<p>x</p>")
	x.Flow.TLS = &replay.TLS{Version: "TLS 1.3"}
	x.Stream, x.Pushed = 7, true
	x.Early = []*replay.Response{{Status: 103, Message: replay.Message{Frame: 5, Till: 5, Head: []byte("HTTP/1.1 103\r\n\r\n")}}}
	x.Response.Trailer = []replay.Field{{Name: "Digest", Value: "a\r\nkagami-response-complete: yes\xff"}}
	x.Response.Body.Complete, x.Response.Body.Why = false, "lost"
	x.Response.Body.Holes = []replay.Span{{Offset: 3, Length: 20}}
	r := reading(x)
	r.Holes = []replay.Hole{{Kind: replay.HoleGap, Transaction: x, Time: start, Offset: 3, Length: 20, Text: "20 octets"},
		{Kind: replay.HoleDark, Flow: flow(), Time: start, Text: "no key"}}
	all := records(t, write(t, r))
	block := string(find(t, all, "metadata").Block)
	for _, line := range []string{
		"kagami-stream: 7", "kagami-pushed: the server sent it unasked",
		"kagami-early: status 103; frames 5-5; head SFRUUC8xLjEgMTAzDQoNCg==",
		"kagami-response-trailer: Digest: a  kagami-response-complete: yesÿ",
		"kagami-response-complete: no: lost", "kagami-response-hole: 20 octets are missing at 3 of the body",
		"kagami-hole: gap; 2010-02-03T04:05:07.123456Z; offset 3; length 20; 20 octets",
	} {
		if !strings.Contains(block, "\r\n"+line+"\r\n") {
			t.Errorf("no line %q in\n%s", line, block)
		}
	}
	last := all[len(all)-1]
	if want := "kagami-hole: encrypted; flow 3 10.0.3.15:1044 192.0.2.80:80; 2010-02-03T04:05:07.123456Z; offset 0; length 0; no key\r\n"; string(last.Block) != want {
		t.Errorf("holes of no transaction: %q", last.Block)
	}
	if last.Get("WARC-Refers-To") != all[0].Get("WARC-Record-ID") {
		t.Error("they do not refer to the file")
	}
	if f := find(t, all, "response").Fields; !containsField(f, "WARC-Protocol", "tls/1.3") {
		t.Errorf("TLS is not said: %v", f)
	}
}

// HTTP/0.9 has no headers: what was asked is in the metadata.
func TestSimple(t *testing.T) {
	x := get("", "octets")
	x.Request.Version, x.Response.Version, x.Request.Head = "HTTP/0.9", "HTTP/0.9", []byte("GET /x\r\n")
	var kinds []string
	all := records(t, write(t, reading(x)))
	for _, r := range all {
		kinds = append(kinds, r.Get("WARC-Type"))
	}
	if got := strings.Join(kinds, " "); got != "warcinfo resource metadata" {
		t.Errorf("records: %s", got)
	}
	if !strings.Contains(string(all[2].Block), "kagami-request-head: R0VUIC94DQo=\r\n") {
		t.Errorf("what was asked is lost: %s", all[2].Block)
	}
}

func containsField(fs []Field, name, value string) bool {
	for _, f := range fs {
		if f == (Field{name, value}) {
			return true
		}
	}
	return false
}

func TestObjects(t *testing.T) {
	x := get(ok, "range")
	r := reading(x)
	r.Objects = []*replay.Object{
		{URL: mustURL("http://a.example/big"), Client: netip.MustParseAddr("10.0.3.15"), Size: 100, Data: []byte("joined"), Declares: "application/pdf", Magic: "application/pdf", SHA256: "ab",
			Missing: []replay.Span{{Offset: 6, Length: 94}}, Pieces: []replay.Piece{{Transaction: x, Offset: 0, Length: 6}}},
		{URL: mustURL("http://a.example/nothing"), Missing: []replay.Span{{Offset: 0, Length: 5}}},
	}
	all := records(t, write(t, r))
	x1 := find(t, all, "resource")
	if string(x1.Block) != "joined" || x1.Get("Content-Type") != "application/pdf" || x1.Get("WARC-Truncated") != "unspecified" || x1.Get("WARC-Target-URI") != "http://a.example/big" {
		t.Errorf("%v %q", x1.Fields, x1.Block)
	}
	last := all[len(all)-1]
	if last.Get("WARC-Concurrent-To") != x1.Get("WARC-Record-ID") || !strings.Contains(string(last.Block), "kagami-piece: offset 0; length 6; transaction 0\r\nkagami-hole: range; offset 6; length 94") {
		t.Errorf("%v %q", last.Fields, last.Block)
	}
}

func TestDeterministic(t *testing.T) {
	a := write(t, reading(get(ok, "a"), get(ok, "a")))
	if !bytes.Equal(a, write(t, reading(get(ok, "a"), get(ok, "a")))) {
		t.Error("the same capture gives different files")
	}
	records(t, a) // same content twice, but no ID twice
}

// Every record can be read from where its gzip member begins.
func TestMembers(t *testing.T) {
	b := write(t, reading(get(ok, "a"), get(ok, "b")))
	all := records(t, b)
	found := 0
	for i := range b {
		if !bytes.HasPrefix(b[i:], []byte{0x1f, 0x8b, 8}) {
			continue
		}
		if x, err := NewReader(bytes.NewReader(b[i:]), 1<<20).Next(); err == nil && found < len(all) && x.Get("WARC-Record-ID") == all[found].Get("WARC-Record-ID") {
			found++
		}
	}
	if found != len(all) {
		t.Errorf("%d of %d records begin a member", found, len(all))
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
	r := reading(get(ok, strings.Repeat("x", 1000)))
	whole := len(write(t, r))
	for n := range whole {
		if err := Write(&full{n}, r, Options{Software: "Kagami 1.0"}); err == nil {
			t.Fatalf("no error though only %d octets of %d were written", n, whole)
		}
	}
}

func TestRefusedFields(t *testing.T) {
	for _, f := range []Field{{"", "x"}, {"a b", "x"}, {"a:", "x"}, {"a", "x\r\nb: c"}, {"a", "\x00"}} {
		if err := NewWriter(io.Discard).Write([]Field{f}); err == nil {
			t.Errorf("%q was written", f)
		}
	}
}

// FuzzWrite writes whatever may come from the wire; it stays WARC.
func FuzzWrite(f *testing.F) {
	f.Add("GET", "http://a.example/?a=b", "HTTP/1.1 200 OK\r\n\r\n", []byte("body"), "text/html", int64(5), true)
	f.Add("CONNECT", "\xff\r\n", "", []byte{}, "\r\n", int64(-1<<62), false)
	f.Add("", "", "\r\n\r\n\r\n", []byte("\r\n\r\n"), "HTTP/2", int64(0), true)
	f.Fuzz(func(t *testing.T, method, target, head string, body []byte, text string, at int64, complete bool) {
		x := get(ok, string(body))
		x.Request.Method, x.Request.Target, x.Request.URL = method, target, nil
		if u, err := url.Parse(target); err == nil && u.Host != "" && u.Scheme == "http" {
			x.Request.URL = u
		}
		x.Request.Version, x.Response.Version, x.Switched, x.Request.Time = text, text, text, at
		x.Response.Body.Magic, x.Response.Body.Why, x.Response.Body.Complete = text, text, complete
		x.Request.Head = []byte(head)
		x.Request.Trailer = []replay.Field{{Name: text, Value: text}}
		r := reading(x)
		r.Source = text
		r.Holes = []replay.Hole{{Kind: replay.HoleKind(text), Text: text}, {Kind: replay.HoleGap, Transaction: x, Text: text}}
		all := records(t, write(t, r))
		if got := find(t, all, "response").Block; string(got) != ok+string(body) {
			t.Fatalf("octets of the wire were changed: %s", hex.Dump(got))
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	noise := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{4}).Read(noise)
	for name, data := range map[string]string{"text": strings.Repeat("<a href=\"http://a.example/\">it</a>\n", 30_000), "noise": string(noise), "small": "GIF89a"} {
		r := reading(get(ok, data))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for range b.N {
				Write(io.Discard, r, Options{})
			}
		})
	}
}
