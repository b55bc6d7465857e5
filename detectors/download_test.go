package detectors

import (
	"fmt"
	"strings"
	"testing"

	"kagami/records"
)

// fetch is a response with content of that magic number and declared type.
func (s *stage) fetch(at int64, client, host, path, magic, kind, referrer string) *records.HTTP {
	h := s.get(at, client, proxyAddr, host, path)
	h.Magic, h.ContentType, h.Referrer = magic, kind, referrer
	return h
}

// driveBy is a page, an injected script, a gate, a landing page, an exploit, and
// then a program of that type from the same place.
func (s *stage) driveBy(at int64, client, kind string) []records.Record {
	page, landing := "http://www.flowers.test/", "http://forum.bad.test/view.php?t=1"
	gate := s.fetch(at+4*second, client, "go.ads-bad.test", "/go.php", "", "text/html", page)
	gate.Status, gate.Location = 302, landing
	payload := s.fetch(at+9*second, client, "forum.bad.test", "/load.php?e=3", "pe", kind, "")
	payload.UserAgent = "Mozilla/4.0 (compatible; MSIE 7.0)"
	return []records.Record{
		s.fetch(at, client, "www.flowers.test", "/", "html", "text/html", ""),
		s.fetch(at+second, client, "cdn.stat-bad.test", "/q.js", "", "application/javascript", page),
		gate,
		s.fetch(at+5*second, client, "forum.bad.test", "/view.php?t=1", "html", "text/html", page),
		s.fetch(at+6*second, client, "forum.bad.test", "/m.swf", "swf", "application/x-shockwave-flash", landing),
		payload,
	}
}

func TestDownload(t *testing.T) {
	const me = "10.0.0.23"
	for _, c := range []struct {
		name string
		play func(*stage)
		want int
	}{
		{"drive-by, program as a picture", func(s *stage) { s.play(s.driveBy(monday, me, "image/gif")) }, 1},
		{"drive-by, program without a type", func(s *stage) { s.play(s.driveBy(monday, me, "application/octet-stream")) }, 1},
		{"five programs of one visit", func(s *stage) {
			for i := range int64(5) {
				s.play(s.driveBy(monday+i*minute, me, "image/gif"))
			}
		}, 1},
		{"the same trap on two machines", func(s *stage) {
			s.play(s.driveBy(monday, me, "image/gif"))
			s.play(s.driveBy(monday+minute, "10.0.0.24", "image/gif"))
		}, 2},
		{"the same trap the next day", func(s *stage) {
			s.play(s.driveBy(monday, me, "image/gif"))
			s.play(s.driveBy(monday+25*hour, me, "image/gif"))
		}, 2},
		{"Java plug-in fetches a program", func(s *stage) {
			s.play([]records.Record{
				s.fetch(monday, me, "nrt.bad.test", "/x", "html", "text/html", ""),
				s.fetch(monday+second, me, "nrt.bad.test", "/q.jar", "zip", "application/java-archive", ""),
			})
			p := s.fetch(monday+3*second, me, "nrt.bad.test", "/loading.php", "pe", "", "")
			p.UserAgent = "Mozilla/4.0 (Windows) Java/1.6.0_05"
			s.feed(p)
		}, 1},
		{"a program from a bare address, after an attack from elsewhere", func(s *stage) {
			s.feed(s.fetch(monday, me, "landing.bad.test", "/a", "swf", "application/x-shockwave-flash", ""))
			s.feed(s.fetch(monday+20*second, me, "192.0.2.66", "/harsh.exe", "pe", "", ""))
		}, 1},
		{"encrypted payload after an attack on the browser", func(s *stage) {
			const landing = "http://trap.bad.test/x"
			s.feed(s.fetch(monday, me, "www.flowers.test", "/", "html", "text/html", "https://www.search.test/"))
			s.feed(s.fetch(monday+second, me, "trap.bad.test", "/x", "html", "text/html", "http://www.flowers.test/"))
			s.feed(s.fetch(monday+2*second, me, "trap.bad.test", "/y", "swf", "application/x-shockwave-flash", landing))
			p := s.fetch(monday+9*second, me, "trap.bad.test", "/z", "", "application/octet-stream", "")
			p.ResponseBody = 300000
			s.feed(p)
		}, 1},
		{"data of no known type", func(s *stage) {
			s.feed(s.fetch(monday, me, "www.flowers.test", "/", "html", "text/html", "https://www.search.test/"))
			p := s.fetch(monday+2*second, me, "www.flowers.test", "/z", "", "application/octet-stream", "http://www.flowers.test/")
			p.ResponseBody = 300000
			s.feed(p)
		}, 0},
		{"an update says what it is", func(s *stage) {
			s.feed(s.fetch(monday, me, "dl.vendor.test", "/setup.exe", "pe", "application/x-msdownload", ""))
			s.feed(s.fetch(monday, me, "dl.vendor.test", "/defs.cab", "cab", "application/octet-stream", ""))
			s.feed(s.fetch(monday, me, "dl.vendor.test", "/x.msi", "ole2", "application/octet-stream", ""))
		}, 0},
		{"a program through a script, from a search", func(s *stage) {
			s.feed(s.fetch(monday, me, "www.search.test", "/", "html", "text/html", ""))
			s.feed(s.fetch(monday+second, me, "www.tool.test", "/", "html", "text/html", "http://www.search.test/"))
			s.feed(s.fetch(monday+9*second, me, "www.tool.test", "/download.php?id=7", "pe", "application/octet-stream", "http://www.tool.test/"))
		}, 0},
		{"a wrong type that many machines know", func(s *stage) {
			for i := range int64(12) {
				s.feed(s.fetch(monday+i*second, fmt.Sprintf("10.0.1.%d", i), "dl.vendor.test", "/", "html", "text/html", ""))
			}
			s.feed(s.fetch(monday+minute, me, "dl.vendor.test", "/get.php", "pe", "image/gif", ""))
		}, 0},
		{"the proxy's own leg", func(s *stage) {
			s.office(10)
			for _, r := range s.driveBy(monday+2*hour, proxyAddr, "image/gif") {
				h := r.(*records.HTTP)
				h.Proxied, h.Meta().ServerInternal = false, false
				s.feed(h)
			}
			if s.counter("download", "relayed_by_proxy") != 6 {
				t.Error("not counted")
			}
		}, 0},
		{"pages and pictures", func(s *stage) {
			s.feed(s.fetch(monday, me, "www.bad.test", "/a.gif", "gif", "image/gif", ""))
			s.feed(s.fetch(monday, me, "www.bad.test", "/a", "zip", "image/gif", ""))
			s.feed(s.fetch(monday, me, "www.bad.test", "/a.docx", "zip", "application/octet-stream", ""))
		}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, only("download"))
			c.play(s)
			if len(s.alerts) != c.want || s.count("drive-by", "")+s.count("executable-download", "") != c.want {
				t.Errorf("%d alerts, want %d", len(s.alerts), c.want)
				for _, a := range s.alerts {
					t.Logf("%.1f %s %q", a.Score, a.Title, a.Evidence)
				}
			}
		})
	}
}

func TestDownloadTellsTheWay(t *testing.T) {
	s := newStage(t, only("download"))
	s.play(s.driveBy(monday, "10.0.0.23", "image/gif"))
	if len(s.alerts) != 1 {
		t.Fatalf("%d alerts, want 1", len(s.alerts))
	}
	a := s.alerts[0]
	const way = `"www.flowers.test" -> "go.ads-bad.test" -> "forum.bad.test"`
	if text := strings.Join(a.Evidence, "\n"); !strings.Contains(text, way) {
		t.Errorf("evidence lacks %s:\n%s", way, text)
	}
	if a.Technique[0] != "T1189" || a.Severity != records.High || len(a.Flows) < 4 {
		t.Errorf("technique %q, severity %v, %d flows", a.Technique, a.Severity, len(a.Flows))
	}
}

func TestExtension(t *testing.T) {
	for in, want := range map[string]string{
		"http://a.test/x/setup.EXE?a=b.gif": "exe", "http://a.test": "", "http://a.exe/": "", "http://a.test/load.php#x.exe": "php", "": "", "a.test:443": "test:443",
	} {
		if got := extension(in); got != want {
			t.Errorf("extension(%q) = %q, want %q", in, got, want)
		}
	}
}
