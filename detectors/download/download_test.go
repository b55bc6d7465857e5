package download

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"kagami/records"
)

func TestDownloads(t *testing.T) {
	const swf, jar = "application/x-shockwave-flash", "application/java-archive"
	for _, c := range []struct {
		name string
		play func(*stage)
		rule string
		want int // alerts, updates of an incident included
	}{
		{"drive-by, program as a picture", func(s *stage) { s.play(s.driveBy(monday, me, "image/gif")) }, ruleDriveBy, 1},
		{"drive-by, program without a type", func(s *stage) { s.play(s.driveBy(monday, me, "application/octet-stream")) }, ruleDriveBy, 1},
		{"five programs of one visit", func(s *stage) {
			for i := range int64(5) {
				s.play(s.driveBy(monday+i*minute, me, "image/gif"))
			}
		}, ruleDriveBy, 1},
		{"the same trap on two machines: the second is told before the program comes", func(s *stage) {
			s.play(s.driveBy(monday, me, "image/gif"))
			s.play(s.driveBy(monday+minute, "10.0.0.24", "image/gif"))
		}, ruleDriveBy, 3},
		{"the same trap the next day", func(s *stage) {
			s.play(s.driveBy(monday, me, "image/gif"))
			s.play(s.driveBy(monday+25*hour, me, "image/gif"))
		}, ruleDriveBy, 2},
		{"Java plug-in fetches a program", func(s *stage) {
			s.feed(s.fetch(monday, me, "nrt.bad.test", "/x", "html", "text/html", ""),
				s.fetch(monday+second, me, "nrt.bad.test", "/q.jar", "zip", jar, ""))
			p := s.fetch(monday+3*second, me, "nrt.bad.test", "/loading.php", "pe", "", "")
			p.UserAgent = "Mozilla/4.0 (Windows) Java/1.6.0_05"
			s.feed(p)
		}, ruleDriveBy, 1},
		{"a program from a bare address, after an attack from elsewhere", func(s *stage) {
			s.feed(s.fetch(monday, me, "landing.bad.test", "/a", "swf", swf, ""),
				s.fetch(monday+20*second, me, "192.0.2.66", "/harsh.exe", "pe", "", ""))
		}, ruleDriveBy, 1},
		{"encrypted payload after an attack on the browser", func(s *stage) {
			s.feed(s.fetch(monday, me, "www.flowers.test", "/", "html", "text/html", "https://www.search.test/"),
				s.fetch(monday+second, me, "trap.bad.test", "/x", "html", "text/html", "http://www.flowers.test/"),
				s.fetch(monday+2*second, me, "trap.bad.test", "/y", "swf", swf, "http://trap.bad.test/x"))
			p := s.fetch(monday+9*second, me, "trap.bad.test", "/z", "", "application/octet-stream", "")
			p.ResponseBody = 300000
			s.feed(p)
		}, ruleDriveBy, 1},
		{"a trap of a page alone: redirection, page, program, nobody clicked", func(s *stage) {
			gate := s.fetch(monday+second, me, "trap.bad.test", "/?click=1", "", "text/html", "http://www.flowers.test/")
			gate.Status, gate.Location = 302, "/show.php"
			s.feed(s.fetch(monday, me, "www.flowers.test", "/", "html", "text/html", ""), gate,
				s.fetch(monday+2*second, me, "trap.bad.test", "/show.php", "html", "text/html", "http://www.flowers.test/"),
				s.fetch(monday+3*second, me, "trap.bad.test", "/load.php", "pe", "application/octet-stream", "http://trap.bad.test/show.php"))
		}, ruleDriveBy, 1},
		{"a Java archive that says it is a picture, through three sites", func(s *stage) {
			gate := s.fetch(monday+second, me, "go.ads-bad.test", "/go", "", "text/html", "http://www.flowers.test/")
			gate.Status, gate.Location = 302, "http://trap.bad.test/logo.gif"
			s.feed(s.fetch(monday, me, "www.flowers.test", "/", "html", "text/html", ""), gate,
				s.fetch(monday+2*second, me, "trap.bad.test", "/logo.gif", "jar", "image/gif", "http://www.flowers.test/"))
		}, ruleDriveBy, 1},
		{"an exploit kit's Flash, before any program", func(s *stage) {
			s.feed(s.fetch(monday, me, "www.flowers.test", "/", "html", "text/html", "https://www.search.test/"),
				s.fetch(monday+second, me, "trap.bad.test", "/x", "html", "text/html", "http://www.flowers.test/"),
				s.fetch(monday+2*second, me, "trap.bad.test", "/y", "swf", swf, "http://trap.bad.test/x"))
		}, ruleDriveBy, 1},
		{"a server inside that was broken into", func(s *stage) {
			swf := s.direct(monday+second, me, "10.0.0.80", "www.trap.test", "/m")
			swf.Magic, swf.ContentType, swf.Referrer = "swf", "application/x-shockwave-flash", "http://wiki.flowers.test/"
			p := s.direct(monday+3*second, me, "10.0.0.80", "www.trap.test", "/load.php")
			p.Magic, p.ContentType = "pe", "image/gif"
			s.feed(s.fetch(monday, me, "wiki.flowers.test", "/", "html", "text/html", ""), swf, p)
		}, ruleDriveBy, 1},
		{"an advertisement's Flash", func(s *stage) {
			ad := s.fetch(monday+2*second, me, "cdn.ads.test", "/b/banner.swf", "swf", swf, "http://serve.adnet.test/i?x")
			s.feed(s.fetch(monday, me, "www.news.test", "/", "html", "text/html", ""),
				s.fetch(monday+second, me, "serve.adnet.test", "/i?x", "html", "text/html", "http://www.news.test/"), ad)
		}, "", 0},
		{"a game in Flash, on the site that was visited", func(s *stage) {
			s.feed(s.fetch(monday, me, "www.games.test", "/tetris", "html", "text/html", "https://www.search.test/"),
				s.fetch(monday+second, me, "cdn.games.test", "/get.php?g=7", "swf", swf, "http://www.games.test/tetris"))
		}, "", 0},
		{"an applet of the intranet", func(s *stage) {
			page := s.direct(monday, me, "10.0.0.80", "10.0.0.80", "/")
			app := s.direct(monday+second, me, "10.0.0.80", "10.0.0.80", "/vnc.jar")
			app.Magic, app.ContentType, app.UserAgent = "jar", "application/java-archive", "Mozilla/4.0 (Windows) Java/1.8.0"
			s.feed(page, app)
		}, "", 0},
		{"a page leads to a paper at another site", func(s *stage) {
			paper := s.fetch(monday+2*second, me, "ftp.uni.test", "/view.php?id=7", "pdf", "application/pdf", "http://list.papers.test/")
			s.feed(s.fetch(monday, me, "www.search.test", "/", "html", "text/html", ""),
				s.fetch(monday+second, me, "list.papers.test", "/", "html", "text/html", "http://www.search.test/"), paper)
		}, "", 0},
		{"data of no known type", func(s *stage) {
			s.feed(s.fetch(monday, me, "www.flowers.test", "/", "html", "text/html", "https://www.search.test/"))
			p := s.fetch(monday+2*second, me, "www.flowers.test", "/z", "", "application/octet-stream", "http://www.flowers.test/")
			p.ResponseBody = 300000
			s.feed(p)
		}, "", 0},
		{"an update says what it is", func(s *stage) {
			s.feed(s.fetch(monday, me, "dl.vendor.test", "/setup.exe", "pe", "application/x-msdownload", ""),
				s.fetch(monday, me, "dl.vendor.test", "/defs.cab", "cab", "application/octet-stream", ""),
				s.fetch(monday, me, "dl.vendor.test", "/x.msi", "msi", "application/octet-stream", ""))
		}, "", 0},
		{"a game fetches its parts", func(s *stage) {
			for i := range int64(20) {
				p := s.fetch(monday+i*second, me, "patch.game.test", fmt.Sprintf("/v7/part%d.dll", i), "pe", "application/octet-stream", "")
				p.UserAgent = "GameLauncher/7"
				s.feed(p)
			}
		}, "", 0},
		{"a program through a script, from a search", func(s *stage) {
			s.feed(s.fetch(monday, me, "www.search.test", "/", "html", "text/html", ""),
				s.fetch(monday+second, me, "www.tool.test", "/", "html", "text/html", "http://www.search.test/"),
				s.fetch(monday+9*second, me, "www.tool.test", "/download.php?id=7", "pe", "application/octet-stream", "http://www.tool.test/"))
		}, "", 0},
		{"a click, redirections, and a mirror", func(s *stage) {
			dl := s.fetch(monday+30*second, me, "get.vendor.test", "/latest", "", "text/html", "http://www.vendor.test/")
			dl.Status, dl.Location = 302, "http://mirror.uni.test/pub/setup.exe"
			s.feed(s.fetch(monday, me, "www.search.test", "/", "html", "text/html", ""),
				s.fetch(monday+10*second, me, "www.vendor.test", "/", "html", "text/html", "http://www.search.test/"), dl,
				s.fetch(monday+31*second, me, "mirror.uni.test", "/pub/setup.exe", "pe", "application/x-msdos-program", "http://www.vendor.test/"))
		}, "", 0},
		{"a wrong type that many machines know", func(s *stage) {
			for i := range int64(12) {
				s.feed(s.fetch(monday+i*second, fmt.Sprintf("10.0.1.%d", i), "dl.vendor.test", "/", "html", "text/html", ""))
			}
			s.feed(s.fetch(monday+minute, me, "dl.vendor.test", "/get.php", "pe", "image/gif", ""))
		}, "", 0},
		{"the proxy's own leg", func(s *stage) {
			for i := range int64(3) {
				s.feed(s.get(monday+i, fmt.Sprintf("10.0.1.%d", i), "www.popular.test", "/"))
			}
			for _, r := range s.driveBy(monday+2*hour, proxyAddr, "image/gif") {
				h := r.(*records.HTTP)
				h.Stamp(s.meta(h.Meta().At, proxyAddr, "198.51.100.80", 80))
				h.Proxied = false
				s.feed(h)
			}
			if s.counter("relayed_by_proxy") != 6 {
				t.Error("not counted")
			}
		}, "", 0},
		{"pages and pictures", func(s *stage) {
			s.feed(s.fetch(monday, me, "www.bad.test", "/a.gif", "gif", "image/gif", ""),
				s.fetch(monday, me, "www.bad.test", "/a", "zip", "image/gif", ""),
				s.fetch(monday, me, "www.bad.test", "/a.docx", "zip", "application/octet-stream", ""))
		}, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t)
			c.play(s)
			if len(s.alerts) != c.want || len(s.of(c.rule, "")) != c.want {
				t.Errorf("%d alerts, want %d of %q", len(s.alerts), c.want, c.rule)
				s.log()
			}
		})
	}
}

func TestAlertBearsTheChain(t *testing.T) {
	s := newStage(t)
	s.play(s.driveBy(monday, me, "image/gif"))
	if len(s.alerts) != 1 {
		t.Fatalf("%d alerts, want 1", len(s.alerts))
	}
	a := s.alerts[0]
	want := []string{
		`2026-03-02 00:00:00.000Z "www.flowers.test/"`,
		`2026-03-02 00:00:04.000Z "www.flowers.test" -> "go.ads-bad.test/go.php" (Referer)`,
		`2026-03-02 00:00:05.000Z "go.ads-bad.test" -> "forum.bad.test/view.php?t=1" (Location)`,
		`2026-03-02 00:00:06.000Z "forum.bad.test" -> "forum.bad.test/m.swf" (Referer)`,
		`2026-03-02 00:00:09.000Z "forum.bad.test" -> "forum.bad.test/load.php?e=3" (inferred: exploit, same host)`,
	}
	if !slices.Equal(a.Chain, want) {
		t.Errorf("chain:\n%s\nwant\n%s", strings.Join(a.Chain, "\n"), strings.Join(want, "\n"))
	}
	if got := strings.Join(a.Technique, " "); got != "T1189 T1203 T1105 T1036.008" {
		t.Errorf("techniques %s", got)
	}
	if a.Severity != records.High || len(a.Flows) < 4 || a.Destination != "forum.bad.test:80" {
		t.Errorf("severity %v, %d flows, destination %q", a.Severity, len(a.Flows), a.Destination)
	}
	if !strings.Contains(a.TitleJA, "誘導") || !strings.Contains(strings.Join(a.EvidenceJA, "\n"), "経路") {
		t.Errorf("Japanese: %q %q", a.TitleJA, a.EvidenceJA)
	}
}

// A visit's page is not pushed out of memory by the page's pictures.
func TestPicturesDoNotHideTheWay(t *testing.T) {
	s := newStage(t)
	rs := s.driveBy(monday, me, "image/gif")
	for i := range int64(100) {
		rs = append(rs, s.fetch(monday+second+i, me, "www.flowers.test", fmt.Sprintf("/%d.png", i), "png", "image/png", "http://www.flowers.test/"))
	}
	s.play(rs)
	if len(s.alerts) != 1 || len(s.alerts[0].Chain) != 5 {
		t.Error("the chain is cut")
		s.log()
	}
}

func TestWhatFollows(t *testing.T) {
	const call = 2 * minute
	post := func(s *stage, host, agent string) *records.HTTP {
		h := s.get(monday+call, me, host, "/gate.php")
		h.Method, h.UserAgent, h.ContentType = "POST", agent, "text/plain"
		return h
	}
	for _, c := range []struct {
		name string
		next func(*stage) records.Record
		want bool
	}{
		{"a new program posts to a new place", func(s *stage) records.Record { return post(s, "c2.evil.test", "Agent/1") }, true},
		{"a new program asks a new place", func(s *stage) records.Record {
			h := post(s, "c2.evil.test", "Agent/1")
			h.Method = "GET"
			return h
		}, true},
		{"another program comes", func(s *stage) records.Record {
			h := s.fetch(monday+call, me, "192.0.2.9", "/2.exe", "pe", "", "")
			return h
		}, true},
		{"a POST to a bare address", func(s *stage) records.Record { return post(s, "192.0.2.9", browser) }, true},
		{"the browser posts to a new site", func(s *stage) records.Record { return post(s, "www.shop.test", browser) }, false},
		{"a new program posts to a known place", func(s *stage) records.Record { return post(s, "api.known.test", "Agent/1") }, false},
		{"a new program, but others have it", func(s *stage) records.Record { return post(s, "api2.new.test", "Common/1") }, false},
		{"a page leads there", func(s *stage) records.Record {
			h := post(s, "c2.evil.test", "Agent/1")
			h.Referrer = "http://www.flowers.test/"
			return h
		}, false},
		{"Windows checks a signature", func(s *stage) records.Record { return post(s, "crl.vendor.test", "Microsoft-CryptoAPI/10.0") }, false},
		{"the next day", func(s *stage) records.Record {
			h := s.get(monday+24*hour, me, "c2.evil.test", "/gate.php")
			h.Method, h.UserAgent = "POST", "Agent/1"
			return h
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t)
			for i := range int64(3) {
				h := s.get(monday-hour+i, fmt.Sprintf("10.0.1.%d", i), "api.known.test", "/")
				h.UserAgent = "Common/1"
				s.feed(h)
			}
			s.play(s.driveBy(monday, me, "application/octet-stream")[2:]) // alert, not yet high
			s.feed(c.next(s))
			if got := s.counter("confirmed") == 1; got != c.want {
				t.Errorf("confirmed: %v, want %v", got, c.want)
				s.log()
			}
			n := len(s.alerts)
			if c.want && (n != 2 || s.alerts[0].Incident != s.alerts[1].Incident || s.alerts[1].Update != 2 || s.alerts[1].Level != "high" ||
				!strings.Contains(s.alerts[1].Chain[len(s.alerts[1].Chain)-1], "afterwards")) {
				t.Error("want an update of the incident, more urgent, with one more step")
				s.log()
			}
			if !c.want && n != 1 {
				t.Errorf("%d alerts, want 1", n)
			}
		})
	}
}

// hello is a TLS handshake with a server outside.
func (s *stage) hello(at int64, client, name, ja4 string) *records.TLS {
	r := records.NewTLS(s.meta(at+second/10, client, "198.51.100.7", 443))
	r.Start, r.End, r.ClientHello, r.ServerHello, r.Established, r.ServerName, r.JA4 = at, at+second/10, true, true, true, name, ja4
	return r
}

// A fingerprint that was not heard before confirms a download, too, once the
// sensor knows those of a day; inside a tunnel as well.
func TestWhatFollowsInTLS(t *testing.T) {
	for _, c := range []struct {
		name, host, ja4 string
		learned, tunnel bool
		want            bool
	}{
		{"new program, new place", "c2.evil.test", "t12new", true, false, true},
		{"in a tunnel", "c2.evil.test", "t12new", true, true, true},
		{"on the first day", "c2.evil.test", "t12new", false, false, false},
		{"a program of this machine", "c2.evil.test", "t13browser", true, false, false},
		{"a program of another machine", "c2.evil.test", "t13other", true, false, false},
		{"a known place", "www.known.test", "t12new", true, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t)
			start := monday
			if c.learned {
				start -= 25 * hour
			}
			s.feed(s.hello(start, me, "www.a.test", "t13browser"), s.hello(start, "10.0.0.30", "www.known.test", "t13other"))
			s.play(s.driveBy(monday, me, "application/octet-stream")[2:])
			h := s.hello(monday+minute, me, c.host, c.ja4)
			if c.tunnel {
				h = records.NewTLS(s.meta(monday+minute+second/10, me, proxyAddr, 8080))
				h.Start, h.ClientHello, h.ServerName, h.JA4, h.Via = monday+minute, true, c.host, c.ja4, "CONNECT"
			}
			s.feed(h)
			if got := s.counter("confirmed") == 1; got != c.want {
				t.Errorf("confirmed: %v, want %v", got, c.want)
				s.log()
			}
		})
	}
}

// What a user fetched and installs calls home, too: less than what an attack brought.
func TestInstalledProgramsCallHome(t *testing.T) {
	s := newStage(t)
	s.feed(s.fetch(monday, me, "www.search.test", "/", "html", "text/html", ""),
		s.fetch(monday+second, me, "www.tool.test", "/", "html", "text/html", "http://www.search.test/"),
		s.fetch(monday+9*second, me, "www.tool.test", "/download.php?id=7", "pe", "application/octet-stream", "http://www.tool.test/"))
	h := s.get(monday+minute, me, "stats.toolmaker.test", "/v1")
	h.Method, h.UserAgent = "POST", "ToolSetup/7"
	if s.feed(h); len(s.alerts) != 0 || s.counter("confirmed") != 1 {
		t.Errorf("%d alerts, %d confirmed", len(s.alerts), s.counter("confirmed"))
		s.log()
	}
}

// What comes of one visit is one incident: the exploit first, then the program,
// then its call home; each adds what it tells.
func TestOneVisitIsOneIncident(t *testing.T) {
	s := newStage(t)
	payload := s.fetch(monday+9*second, me, "trap.bad.test", "/z", "", "application/octet-stream", "")
	payload.ResponseBody, payload.UserAgent = 300000, "Mozilla/5.0 (compatible; MSIE 10.0)"
	second2 := s.fetch(monday+30*second, me, "192.0.2.9", "/2.exe", "pe", "", "")
	second2.UserAgent = ""
	third := s.fetch(monday+31*second, me, "192.0.2.10", "/2.exe", "pe", "", "")
	third.UserAgent = ""
	s.feed(s.fetch(monday, me, "www.flowers.test", "/", "html", "text/html", "https://www.search.test/"),
		s.fetch(monday+second, me, "trap.bad.test", "/x", "html", "text/html", "http://www.flowers.test/"),
		s.fetch(monday+2*second, me, "trap.bad.test", "/y", "swf", "application/x-shockwave-flash", "http://trap.bad.test/x"),
		payload, second2, third)
	if len(s.alerts) != 2 || s.alerts[0].Incident != s.alerts[1].Incident || s.alerts[0].Level != "alert" || s.alerts[1].Level != "high" {
		t.Fatal("want an incident and its update")
	}
	last := s.alerts[1]
	if last.Destination != "trap.bad.test:80" || !strings.Contains(strings.Join(last.Evidence, "\n"), "21 s later another program") || len(last.Chain) != 5 {
		t.Error("the update lacks what followed")
		s.log()
	}
}

// What a domain did to one machine counts against it on the next.
func TestGuiltyDomain(t *testing.T) {
	plain := func(s *stage, at int64, client string) {
		s.feed(s.fetch(at, client, "www.tool.test", "/", "html", "text/html", "http://www.search.test/"),
			s.fetch(at+9*second, client, "www.tool.test", "/download.php?id=7", "pe", "", "http://www.tool.test/"))
	}
	s := newStage(t)
	plain(s, monday, me)
	if len(s.alerts) != 0 {
		t.Fatal("alerted without guilt")
	}
	s.play([]records.Record{
		s.fetch(monday+hour, "10.0.0.24", "www.tool.test", "/x.swf", "swf", "application/x-shockwave-flash", ""),
		s.fetch(monday+hour+second, "10.0.0.24", "www.tool.test", "/load.gif", "pe", "image/gif", ""),
	})
	if len(s.alerts) != 1 {
		t.Fatalf("%d alerts, want 1", len(s.alerts))
	}
	plain(s, monday+2*hour, "10.0.0.25")
	if len(s.of("", "10.0.0.25")) != 1 || !strings.Contains(strings.Join(s.alerts[1].Evidence, "\n"), "another machine") {
		t.Error("the guilt of the domain does not count")
		s.log()
	}
}
