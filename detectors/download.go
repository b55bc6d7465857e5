package detectors

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"kagami/records"
	"kagami/sensor"
)

// download finds programs that come in disguise: the content is a program, the
// declared type or the name says otherwise, the place is known to nobody else,
// and the user was led there through foreign sites, perhaps past an object that
// attacks the browser. An honest update is a program as well; it says so, and
// other machines fetch it, too.
type download struct {
	config  DownloadConfig
	site    *site
	clients *table[visits]

	programs, risky, relayed uint64
}

// risk is what content can do.
type risk uint8

const (
	harmless  risk = iota
	opaque         // of no known type, declared as data: encrypted payloads look so
	container      // carries programs: archives, installers
	exploit        // runs or is parsed by a browser's plug-in or an office program
	program        // runs by itself
)

// riskOf reads the content's magic number, as the decoder named it.
func riskOf(r *records.HTTP) risk {
	switch r.Magic {
	case "pe", "elf", "macho", "lnk", "hta":
		return program
	case "swf", "java", "class", "jar", "ole2", "rtf":
		return exploit
	case "zip":
		if t := mediaType(r.ContentType); strings.Contains(t, "java") || extension(r.URL) == "jar" {
			return exploit
		}
		return container
	case "cab", "msi", "rar", "7z", "iso", "vhd", "vhdx":
		return container
	}
	if r.Magic == "" && r.ResponseBody >= opaqueSize && r.Status == 200 && mediaType(r.ContentType) == "application/octet-stream" {
		return opaque
	}
	return harmless
}

// opaqueSize is the least size, in octets, of data that may be a program.
const opaqueSize = 16 << 10

func (k risk) nats() float64 { return [...]float64{0, 1.5, 1, 1, 3}[k] }

func newDownload(c DownloadConfig, s *site) *download {
	return &download{config: c, site: s, clients: newTable[visits](c.Clients)}
}

// Observe implements sensor.Detector.
func (d *download) Observe(r records.Record, emit sensor.Emit) {
	h, ok := r.(*records.HTTP)
	if !ok {
		return
	}
	c, ok := contactOf(r)
	if !ok || h.Method == "CONNECT" {
		return
	}
	if d.site.isProxy(c.client) {
		d.relayed++
		return
	}
	v, _ := d.clients.at(addrKey(c.client))
	x := visitOf(h, &c)
	v.add(x)
	switch x.risk {
	case harmless:
		return
	case program:
		d.programs++
	default:
		d.risky++
	}
	d.judge(h, &c, v, &v.ring[(v.n-1)%remembered], emit)
}

// Advance implements sensor.Detector. A download is judged when it is complete.
func (d *download) Advance(int64, sensor.Emit) {}

// Name implements Counted.
func (d *download) Name() string { return "download" }

// Counters implements Counted.
func (d *download) Counters() []Counter {
	return []Counter{
		{"programs", d.programs}, {"risky_objects", d.risky}, {"relayed_by_proxy", d.relayed},
		{"clients", uint64(d.clients.len())}, {"clients_evicted", d.clients.evicted},
	}
}

// judge scores one download.
func (d *download) judge(r *records.HTTP, c *contact, v *visits, x *visit, emit sensor.Emit) {
	since := x.at - int64(d.config.Chain)
	known := d.site.familiar(c)
	t := v.trace(x, since)
	way := route(v, x, &t, since)
	if x.risk == opaque && !t.attacked {
		return // data is mostly data
	}
	s := append(disguise(r), d.place(c, known)...)
	s = append(s, way...)
	s = append(s, fetcher(r.UserAgent)...)
	total := sum(s)
	if total < d.config.Threshold || !v.due(x.domain, c.meta.At, int64(d.config.Chain), total) {
		return
	}
	emit(d.alert(r, c, known, &t, s, total))
}

// due reports whether an incident is to be told: once for what one domain
// delivers, and once for what one visit brings.
func (v *visits) due(domain uint64, now, visit int64, score float64) bool {
	slot := &v.told[0]
	for i := range v.told {
		if v.told[i].domain == domain {
			slot = &v.told[i]
			break
		}
		if v.told[i].at < slot.at {
			slot = &v.told[i]
		}
	}
	if slot.domain != domain {
		*slot = tale{domain: domain}
	}
	if v.last.at != 0 && now-v.last.at < visit && score < v.last.score+regrowth || !slot.due(now, score) {
		return false
	}
	v.last = raised{now, score}
	return true
}

// disguise weighs what the content is against what type and name say it is.
func disguise(r *records.HTTP) []reason {
	k := riskOf(r)
	s := []reason{{k.nats(), "the content is " + describe(r.Magic)}}
	switch t := mediaType(r.ContentType); {
	case t == "":
		s = append(s, reason{2, "no type is declared"})
	case hides(t, r.Magic):
		s = append(s, reason{4, "the declared type is " + quote(t)})
	case t == "application/octet-stream":
		s = append(s, reason{0.5, "the declared type says nothing"})
	}
	switch e := extension(r.URL); {
	case honest(e):
	case innocent(e):
		s = append(s, reason{3, "the name ends in " + quote("."+e)})
	case e == "" || scripted(e):
		s = append(s, reason{2, "the name does not tell"})
	default:
		s = append(s, reason{1, "the name ends in " + quote("."+e)})
	}
	return s
}

func describe(magic string) string {
	switch magic {
	case "pe":
		return "a Windows program (PE)"
	case "elf":
		return "a program (ELF)"
	case "macho":
		return "a macOS program (Mach-O)"
	case "lnk":
		return "a Windows shortcut"
	case "hta":
		return "an HTML application"
	case "ole2":
		return "a compound document (OLE2)"
	case "":
		return "data of no known type"
	}
	return "of type " + quote(magic)
}

// mediaType is the type of a Content-Type without parameters, lower case.
func mediaType(s string) string {
	s, _, _ = strings.Cut(s, ";")
	return strings.ToLower(strings.TrimSpace(s))
}

// hides tells whether a media type names something that content of that magic
// number is not.
func hides(t, magic string) bool {
	kind, sub, _ := strings.Cut(t, "/")
	switch kind {
	case "image", "audio", "video", "font":
		return true
	case "text":
		return magic != "hta"
	}
	switch sub {
	case "json", "javascript", "x-javascript", "xml", "xhtml+xml", "x-www-form-urlencoded", "x-font-woff":
		return true
	case "pdf", "x-shockwave-flash", "java-archive", "x-java-archive", "zip":
		return riskNamed(magic) == program
	}
	return false
}

func riskNamed(magic string) risk { return riskOf(&records.HTTP{Magic: magic}) }

// extension is the lower-case extension of a URL's last path segment.
func extension(raw string) string {
	if i := strings.IndexAny(raw, "?#"); i >= 0 {
		raw = raw[:i]
	}
	if _, rest, ok := strings.Cut(raw, "://"); ok {
		_, raw, _ = strings.Cut(rest, "/")
	}
	return strings.ToLower(strings.TrimPrefix(path.Ext(raw), "."))
}

// honest extensions announce a program or a container of programs.
func honest(e string) bool {
	switch e {
	case "exe", "dll", "msi", "msp", "msu", "cab", "scr", "com", "sys", "ocx", "cpl", "drv", "bin", "run", "elf", "so", "ko",
		"deb", "rpm", "apk", "dmg", "pkg", "dylib", "jar", "class", "swf", "zip", "rar", "7z", "iso", "img", "gz", "xz", "tgz",
		"doc", "xls", "ppt", "dot", "xlt", "pps", "vsd", "mpp", "pub", "msg", "docx", "xlsx", "pptx", "xpi", "crx", "nupkg", "whl",
		"lnk", "hta", "rtf", "psf", "esd", "appx", "msix", "vsix":
		return true
	}
	return false
}

// innocent extensions announce pages, pictures, sounds and texts.
func innocent(e string) bool {
	switch e {
	case "gif", "jpg", "jpeg", "png", "ico", "bmp", "webp", "svg", "css", "js", "htm", "html", "txt", "xml", "json", "csv", "pdf",
		"mp3", "mp4", "avi", "wav", "woff", "woff2", "ttf":
		return true
	}
	return false
}

// scripted extensions are of programs that run on the server.
func scripted(e string) bool {
	switch e {
	case "php", "asp", "aspx", "jsp", "cgi", "pl", "do", "ashx":
		return true
	}
	return false
}

// place weighs where it came from.
func (d *download) place(c *contact, known familiarity) []reason {
	var s []reason
	add := func(nats float64, text string) {
		if nats != 0 {
			s = append(s, reason{nats, text})
		}
	}
	add(known.rarity(), fmt.Sprintf("%s of %d known machines contact the place", atLeast(known.hosts), known.total))
	switch age := d.site.now - known.since; {
	case age > int64(24*time.Hour):
		add(-1.5, "it is known for "+span(age))
	case age < int64(d.config.Chain) && d.site.now-d.site.start > int64(time.Hour):
		add(1, "it was first contacted "+span(age)+" ago")
	}
	if c.name == "" {
		add(3, "it has no name, only an address")
	}
	return s
}

// route weighs how the client got there.
func route(v *visits, x *visit, t *trail, since int64) []reason {
	var s []reason
	switch {
	case t.domains >= 3:
		s = append(s, reason{2.5, fmt.Sprintf("the way there leads through %d domains: %s", t.domains, t)})
	case t.domains == 2:
		s = append(s, reason{1, "the way there leads through 2 domains: " + t.String()})
	}
	changed, elsewhere, visited := false, false, int64(0)
	v.recent(since, func(y *visit) bool {
		if y == x || y.at > x.at {
			return true
		}
		if y.risk == exploit {
			t.attacked = t.attacked || t.knows(y.domain)
			elsewhere = true
		}
		if y.host == x.host {
			changed = changed || y.agent != x.agent && y.agent != 0
			visited = y.at
		}
		return true
	})
	switch {
	case x.risk != program && x.risk != opaque:
	case t.attacked:
		s = append(s, reason{3, "an object that can attack the browser came the same way just before"})
	case elsewhere:
		s = append(s, reason{1.5, "an object that can attack the browser came from elsewhere just before"})
	}
	if visited != 0 && x.at-visited < unattended {
		s = append(s, reason{1, "it came " + span(x.at-visited) + " after the first request to the place, without time to read"})
	}
	if changed {
		s = append(s, reason{1.5, "another program than the one that visited the place fetched it"})
	}
	return s
}

// unattended is how soon after arriving at a place nobody starts a download by hand.
const unattended = int64(4 * time.Second)

// fetcher weighs the program that names itself in User-Agent.
func fetcher(agent string) []reason {
	switch a := strings.ToLower(agent); {
	case strings.Contains(a, "java/"):
		return []reason{{2, "the browser's Java plug-in fetched it"}}
	case strings.Contains(a, "powershell") || strings.Contains(a, "certutil") || strings.Contains(a, "wscript"):
		return []reason{{1.5, "a script interpreter fetched it: " + quote(agent)}}
	}
	return nil
}

// alert tells the incident.
func (d *download) alert(r *records.HTTP, c *contact, known familiarity, t *trail, s []reason, total float64) *records.Alert {
	a := records.NewAlert(*c.meta)
	a.Rule = "executable-download"
	a.Source, a.Destination, a.DestAddr, a.DestPort = c.client, c.text(), c.addr, c.port
	a.Title = fmt.Sprintf("%s received %s in disguise from %s", c.client, describe(r.Magic), quote(a.Destination))
	a.Score, a.Severity = total, severity(total)
	a.Since, a.Until = t.steps[len(t.steps)-1].at, max(r.End, r.Start)
	a.Evidence = []string{fmt.Sprintf("%s %s gave status %d, %d octets, type %s", quote(r.Method), quote(r.URL), r.Status, r.ResponseBody, quote(r.ContentType))}
	a.Evidence = appendReasons(a.Evidence, s)
	a.Benign = "A vendor's download page that sends a program through a script or with a wrong type. " +
		"Compare the file's hash and signature, and ask the user what was wanted."
	a.Technique = downloadTechniques(t)
	var w samples
	w.add(c.meta)
	w.into(a)
	for _, y := range t.steps[1:] {
		m := records.Meta{UID: y.uid}
		if id := m.FlowID(); len(a.Flows) < maxSamples && !slices.Contains(a.Flows, id) {
			a.Flows = append(a.Flows, id)
		}
	}
	return a
}

// downloadTechniques names the MITRE ATT&CK techniques: a drive-by when foreign
// sites or an attack on the browser led there.
func downloadTechniques(t *trail) []string {
	if t.domains >= 3 || t.attacked {
		return []string{"T1189", "T1105", "T1036.008"}
	}
	return []string{"T1204.002", "T1105", "T1036.008"}
}
