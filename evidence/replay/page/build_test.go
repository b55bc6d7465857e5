package page_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"kagami/evidence/replay"
	"kagami/evidence/replay/page"
)

const (
	second = int64(1e9)
	start  = int64(1794791527) * second // 2026-11-16 01:12:07 UTC
)

// scene builds a Reading by hand, as the reader would.
type scene struct{ replay.Reading }

func newScene() *scene {
	s := &scene{}
	s.Source, s.First, s.Last, s.Frames = "office.pcapng", start, start+60*second, 400
	return s
}

func (s *scene) flow(client, server string) *replay.Flow {
	f := &replay.Flow{Number: len(s.Flows), Client: netip.MustParseAddrPort(client), Server: netip.MustParseAddrPort(server), Protocol: "http/1", Frame: 1 + len(s.Flows)*10, First: start, Last: s.Last,
		CommunityID: "1:abc="}
	s.Flows = append(s.Flows, f)
	return f
}

// get is a request at a time (milliseconds) and its answer.
func (s *scene) get(ms int64, server, target, referer, agent string, status int, fields, magic, body string) *replay.Transaction {
	u, err := url.Parse(target)
	if err != nil {
		panic(err)
	}
	n := len(s.Transactions)
	at := start + ms*1e6
	t := &replay.Transaction{Number: n, Flow: s.flow(fmt.Sprintf("10.0.0.23:%d", 50000+n%10000), server)}
	t.Request = &replay.Request{Method: "GET", Target: u.RequestURI(), URL: u}
	t.Request.Version, t.Request.Time, t.Request.End, t.Request.Frame, t.Request.Till = "HTTP/1.1", at, at, 100+n*4, 100+n*4
	t.Request.Header = []replay.Field{{Name: "Host", Value: u.Host}, {Name: "User-Agent", Value: agent}}
	if referer != "" {
		t.Request.Header = append(t.Request.Header, replay.Field{Name: "Referer", Value: referer})
	}
	t.Request.Head = []byte("GET " + u.RequestURI() + " HTTP/1.1\r\n" + head(t.Request.Header))
	t.Request.Body = replay.Body{Declared: -1, Complete: true}
	a := &replay.Response{Status: status, Reason: "OK"}
	a.Version, a.Time, a.End, a.Frame, a.Till = "HTTP/1.1", at+50e6, at+150e6, 101+n*4, 103+n*4
	for _, f := range strings.Split(fields, "\n") {
		if name, value, ok := strings.Cut(f, ": "); ok {
			a.Header = append(a.Header, replay.Field{Name: name, Value: value})
		}
	}
	a.Head = []byte(fmt.Sprintf("HTTP/1.1 %d OK\r\n", status) + head(a.Header))
	a.Body = bodyOf(body, a.Get("Content-Type"), magic)
	t.Response = a
	s.Transactions = append(s.Transactions, t)
	return t
}

func head(fs []replay.Field) string {
	var b strings.Builder
	for _, f := range fs {
		b.WriteString(f.Name + ": " + f.Value + "\r\n")
	}
	return b.String() + "\r\n"
}

func bodyOf(data, declares, magic string) replay.Body {
	b := replay.Body{Wire: []byte(data), Data: []byte(data), Declared: int64(len(data)), Complete: true, Declares: declares, Magic: magic}
	if data != "" {
		m, s, l := md5.Sum(b.Data), sha1.Sum(b.Data), sha256.Sum256(b.Data)
		b.MD5, b.SHA1, b.SHA256 = hex.EncodeToString(m[:]), hex.EncodeToString(s[:]), hex.EncodeToString(l[:])
	}
	return b
}

const browser = "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko"

// driveby is a page that was broken into, a gate, a landing page, an object that can
// attack, a program under a false type, and what it does first.
func driveby() *scene {
	s := newScene()
	s.add(0)
	return s
}

func (s *scene) add(ms int64) {
	const html = "Content-Type: text/html"
	s.get(ms, "203.0.113.144:80", "http://www.flowers.example/shop/", "", browser, 200, html, "text/html",
		`<html><body>roses<iframe src="http://go.gate.example/go.php?s=1"></iframe></body></html>`)
	s.get(ms+300, "192.0.2.29:80", "http://go.gate.example/go.php?s=1", "http://www.flowers.example/shop/", browser, 302, "Location: http://forum.lane.example/view.php?t=2", "", "")
	s.get(ms+600, "192.0.2.166:80", "http://forum.lane.example/view.php?t=2", "http://www.flowers.example/shop/", browser, 200, html, "text/html",
		`<html><object type="application/x-shockwave-flash" data="http://forum.lane.example/m/7.swf"></object></html>`)
	s.get(ms+1400, "192.0.2.166:80", "http://forum.lane.example/m/7.swf", "http://forum.lane.example/view.php?t=2", browser, 200, "Content-Type: application/x-shockwave-flash",
		"application/x-shockwave-flash", "CWS\x0a\x00\x10\x00\x00x\x9c"+strings.Repeat("\x00\xffflash", 500))
	s.get(ms+3900, "192.0.2.166:80", "http://forum.lane.example/load.php?e=3", "", browser, 200, "Content-Type: image/gif", "application/vnd.microsoft.portable-executable",
		"MZ\x90\x00"+strings.Repeat("\x00", 56)+"\x40\x00\x00\x00PE\x00\x00"+strings.Repeat("\x01\x02", 4000))
	s.get(ms+9000, "198.51.100.9:80", "http://sync.pool.example/r.php", "", "Updater/1.0", 200, "Content-Type: text/plain", "text/plain", "ok")
	s.Lookups = append(s.Lookups, replay.Lookup{Time: start + (ms+590)*1e6, Frame: 105, Client: netip.MustParseAddr("10.0.0.23"), Name: "forum.lane.example", Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.166")}},
		replay.Lookup{Time: start + ms*1e6, Frame: 99, Client: netip.MustParseAddr("10.0.0.23"), Name: "other.example", Failed: "NXDOMAIN"})
}

// broken adds one of everything that can be missing.
func (s *scene) broken() *scene {
	hole := func(k replay.HoleKind, t *replay.Transaction, f *replay.Flow, length int64, text string) {
		s.Holes = append(s.Holes, replay.Hole{Kind: k, Flow: f, Transaction: t, Time: start + int64(len(s.Holes)+1)*second, Offset: 7, Length: length, Text: text})
	}
	t := s.Transactions[0]
	for i, k := range []replay.HoleKind{replay.HoleGap, replay.HoleTruncated, replay.HoleNoAnswer, replay.HoleNoRequest, replay.HoleCached, replay.HoleRange, replay.HoleEncoding,
		replay.HoleDark, replay.HoleLimit, replay.HoleMidstream, replay.HoleLost, replay.HoleSyntax} {
		switch i % 3 {
		case 0:
			hole(k, t, t.Flow, int64(i)*1000, "text of "+string(k))
		case 1:
			hole(k, nil, t.Flow, 0, "text of "+string(k))
		default:
			hole(k, nil, nil, 0, "text of "+string(k))
		}
	}
	return s
}

// write makes a page.
func write(t testing.TB, r *replay.Reading, o page.Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := page.Write(&b, r, nil, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
