package download

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"kagami/detectors/census"
	"kagami/detectors/incident"
	"kagami/records"
)

const minuteChain = time.Minute

var h0 = netip.MustParseAddr(me)

func TestTablesAreBounded(t *testing.T) {
	c := Default()
	c.Clients = 16
	s := newStageOf(t, c, incident.Default())
	for i := range int64(200) {
		at := monday + i*minute
		client := fmt.Sprintf("10.1.%d.%d", i/250, i%250)
		host := fmt.Sprintf("trap%d.bad%d.test", i, i)
		s.feed(s.fetch(at, client, host, "/a", "swf", "text/html", ""), s.fetch(at+second, client, host, "/b", "pe", "image/gif", ""))
	}
	for name, want := range map[string]uint64{"clients": 16, "clients_evicted": 184, "voices": 32, "voices_evicted": 168,
		"episodes": maxEpisodes, "episodes_evicted": 200 - maxEpisodes} {
		if got := s.counter(name); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
	if len(s.alerts) != 200 {
		t.Errorf("%d alerts, want 200: what is forgotten must not hide what is new", len(s.alerts))
	}
	for i := range int64(maxGuilty) {
		host := fmt.Sprintf("www.worse%d.test", i)
		s.feed(s.fetch(monday+day+i*minute, me, host, "/a", "swf", "text/html", ""), s.fetch(monday+day+i*minute+second, me, host, "/b", "pe", "image/gif", ""))
	}
	if s.counter("guilty_domains") != maxGuilty || s.counter("guilty_domains_evicted") == 0 {
		t.Errorf("%d guilty domains, %d evicted", s.counter("guilty_domains"), s.counter("guilty_domains_evicted"))
	}
}

// A chain has at most maxSteps steps, and loops of redirections end.
func TestChainIsBounded(t *testing.T) {
	s := newStage(t)
	for i := range int64(30) {
		h := s.fetch(monday+i*second/10, me, fmt.Sprintf("go%d.bad%d.test", i, i), "/", "", "text/html", "")
		h.Status, h.Location = 302, fmt.Sprintf("http://go%d.bad%d.test/", (i+1)%30, (i+1)%30)
		s.feed(h)
	}
	s.feed(s.fetch(monday+4*second, me, "go0.bad0.test", "/", "pe", "image/gif", ""))
	if len(s.alerts) != 1 || len(s.alerts[0].Chain) != maxSteps {
		s.log()
		t.Fatalf("want one alert with %d steps", maxSteps)
	}
}

// Names of any length leave room for the reason of a step.
func TestStepsAreShort(t *testing.T) {
	s := newStage(t)
	host := strings.Repeat("a", 60) + "." + strings.Repeat("b", 60) + ".bad.test"
	path := "/" + strings.Repeat("x", 300)
	swf := s.fetch(monday, me, host, path, "swf", "text/html", "")
	p := s.fetch(monday+second, me, host, path+"y", "pe", "image/gif", "")
	p.Method = "POST"
	s.feed(swf, p)
	if len(s.alerts) == 0 {
		t.Fatal("no alert")
	}
	for _, c := range s.alerts[len(s.alerts)-1].Chain[1:] {
		if len(c) > 200 || !strings.HasSuffix(c, "(inferred: exploit, same host)") {
			t.Errorf("%d octets: %s", len(c), c)
		}
	}
}

// A file is found by its id only; of too many under way, the oldest are lost.
func TestFilesUnderWay(t *testing.T) {
	s := newStage(t)
	h := s.fetch(monday, me, "dl.bad.test", "/doc.php", "pe", "", "")
	s.feed(s.file(h, "program", "", func(f *records.File) { f.SHA256 = "facade" }))
	for i := range int64(filesAhead) {
		o := s.fetch(monday, me, "dl.other.test", "/x", "pe", "", "")
		if i < filesAhead-1 {
			s.feed(s.file(o, "program", "", nil))
		}
	}
	if f := s.d.fileOf(h); f == nil || f.sum != "facade" {
		t.Fatal("the file is not found")
	}
	s.feed(s.file(s.fetch(monday, me, "dl.other.test", "/x", "pe", "", ""), "program", "", nil))
	if s.d.fileOf(h) != nil {
		t.Error("the oldest is still there")
	}
}

// The file's record adds what the transaction does not tell.
func TestFileCounts(t *testing.T) {
	s := newStage(t)
	h := s.fetch(monday, me, "dl.bad.test", "/invoice.pdf.exe", "pe", "", "https://www.search.test/")
	f := s.file(h, "program", "application/x-dosexec", func(f *records.File) {
		f.Mismatch, f.SHA256 = []string{"double extension"}, strings.Repeat("ab", 32)
	})
	s.feed(f, h)
	if len(s.alerts) != 1 || !strings.Contains(s.alerts[0].Evidence[0], strings.Repeat("ab", 32)) || s.counter("without_file") != 0 {
		t.Error("want an alert that names the hash")
		s.log()
	}
}

func TestValidate(t *testing.T) {
	c := Default()
	if errs := c.Validate(); len(errs) != 0 {
		t.Error(errs)
	}
	c = Config{Chain: time.Second, Clients: 1e6}
	errs := c.Validate()
	if len(errs) != 2 || errs[0].Error() != "detect.download.chain: got 1s, want 10s to 1h" || errs[1].Error() != "detect.download.clients: got 1000000, want 16 to 100000" {
		t.Error(errs)
	}
}

func TestMemoryIsAsDocumented(t *testing.T) {
	small, large := Config{Clients: 16}, Config{Clients: 16 + 1024}
	if per := (large.Memory() - small.Memory()) / 1024; per > 7<<10 || per < 4<<10 {
		t.Errorf("%d octets a client", per)
	}
	if all := Default(); all.Memory() > 16<<20 {
		t.Errorf("%d octets in all", all.Memory())
	}
}

func TestExplain(t *testing.T) {
	s := newStage(t)
	explain := func(target string) string {
		x, err := census.ParseTarget(target)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		s.d.Explain(h0, x, func(say incident.Text) {
			if say.EN == "" || say.JA == "" {
				t.Errorf("half a text: %+v", say)
			}
			b.WriteString(say.EN + "\n")
		})
		return b.String()
	}
	if got := explain("forum.bad.test"); !strings.Contains(got, "none of the machine's last 32") {
		t.Error(got)
	}
	s.play(s.driveBy(monday, me, "image/gif"))
	got := explain("forum.bad.test:80")
	for _, want := range []string{"3 of the machine's last 32", "2 brought what can do harm", "counts against it for 7 days", "(drive-by)", "is watched for until 2026-03-02 00:05:09Z"} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
}

// In the steady state a request costs no allocation.
func TestAllocations(t *testing.T) {
	s := newStage(t)
	page := s.fetch(monday, me, "www.flowers.test", "/a", "html", "text/html", "http://www.flowers.test/")
	picture := s.fetch(monday, me, "www.flowers.test", "/a.png", "png", "image/png", "http://www.flowers.test/")
	data := s.fetch(monday, me, "www.flowers.test", "/a.json", "", "application/json", "http://www.flowers.test/")
	s.feed(page, picture, data)
	emit := func(records.Record) {}
	for _, r := range []*records.HTTP{page, picture, data} {
		if n := testing.AllocsPerRun(100, func() { s.d.Observe(r, emit) }); n != 0 {
			t.Errorf("%s: %v allocations", r.URL, n)
		}
	}
}

func BenchmarkObserve(b *testing.B) {
	s := newStage(nil)
	page := s.fetch(monday, me, "www.flowers.test", "/a", "html", "text/html", "http://www.flowers.test/")
	s.feed(page)
	emit := func(records.Record) {}
	b.ReportAllocs()
	for b.Loop() {
		s.d.Observe(page, emit)
	}
}

func BenchmarkDriveBy(b *testing.B) {
	s := newStage(nil)
	rs := s.driveBy(monday, me, "image/gif")
	b.ReportAllocs()
	for b.Loop() {
		s.feed(rs...)
		s.alerts = s.alerts[:0]
	}
}
