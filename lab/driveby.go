package lab

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// DriveBy is an infection by a visit to a compromised site: page, script from
// the gate, redirection, landing page, exploit, payload.
type DriveBy struct {
	ID           string `toml:"id"`
	Host         string `toml:"host"`
	At           Clock  `toml:"at"`
	Page         string `toml:"page"`    // http URL of the compromised page
	Script       string `toml:"script"`  // site that serves the injected script
	Gate         string `toml:"gate"`    // site that redirects
	Landing      string `toml:"landing"` // site of landing page, exploit and payload
	PayloadSize  int    `toml:"payload_size"`
	PayloadType  string `toml:"payload_type"`  // Content-Type it claims
	PayloadAgent string `toml:"payload_agent"` // User-Agent of the code that fetches it
}

func planDriveBys(d *day, _ *Rand) {
	for _, a := range d.s.DriveBys {
		label := d.attack(a.ID, "driveby", "T1189", a.Host,
			"compromised page, injected script, gate, landing page, exploit-like object, program under a false type (T1105); all bodies are inert")
		d.at(d.s.offset(a.At), func(t time.Duration) {
			c := &chain{d: d, h: d.s.host(a.Host), label: label, now: t}
			c.play(a, NewRand(d.s.Seed, "driveby "+a.ID))
		})
	}
}

// chain plays requests one after another and labels them.
type chain struct {
	d     *day
	h     *Host
	label *Attack
	now   time.Duration
}

func (c *chain) play(a DriveBy, r *Rand) {
	page, _ := url.Parse(a.Page) // Validate has parsed it
	site := c.d.s.site(page.Host)
	script := fmt.Sprintf("http://%s/j/q.js?v=%d", a.Script, r.Int(2, 9))
	gate := fmt.Sprintf("http://%s/go.php?s=%08x", a.Gate, r.Uint32())
	landing := fmt.Sprintf("http://%s/forum/view.php?t=%08x", a.Landing, r.Uint32())
	exploit := fmt.Sprintf("http://%s/media/%06x.swf", a.Landing, r.Below(1<<24))
	payload := fmt.Sprintf("http://%s/load.php?e=3&k=%08x", a.Landing, r.Uint32())

	doc := c.d.document(site, page.RequestURI())
	text := htmlPage(r, "Spring flowers", []string{`<link rel="stylesheet" href="http://` + site.Name + `/css/site.css">`}, 6)
	injected := `<script type="text/javascript" src="` + script + `"></script>` + "\n</body>"
	doc.body = []byte(string(text[:len(text)-len("</body>\n</html>\n")]) + injected + "\n</html>\n")
	if site.Gzip {
		doc.body = zipped(doc.body)
	}
	c.step("page", page.String(), "", "", doc)
	css := c.d.asset(site, "/css/site.css")
	c.now += 40 * time.Millisecond
	c.d.fetch(c.now, browserRequest(c.d, c.h, site.Name, "/css/site.css", a.Page, "text/css"), css)

	js := fmt.Sprintf("var _q = unescape('%s');\ndocument.write(_q);\n", escapeAll(`<iframe src="`+gate+`" width="1" height="1"></iframe>`))
	c.step("script", script, a.Page, "", response{kind: "application/javascript", body: []byte(js)})
	c.step("gate", gate, a.Page, "", response{status: http.StatusFound, kind: "text/html", headers: []header{{"Location", landing}, {"Cache-Control", "no-store"}}})
	object := fmt.Sprintf("<html><head><title>...</title></head><body><script>var k='%x';function z(s){return s.split('').reverse().join('')}</script>\n"+
		"<object type=\"application/x-shockwave-flash\" data=\"%s\" width=\"10\" height=\"10\"></object>\n<p>%s</p></body></html>\n", r.Bytes(900), exploit, sentence(r, 30))
	c.step("landing", landing, a.Page, "", response{kind: "text/html", body: zipped([]byte(object)), chunked: true,
		headers: []header{{"Content-Encoding", "gzip"}, {"Cache-Control", "no-store"}}})
	c.now += 600 * time.Millisecond
	c.step("exploit", exploit, landing, "", response{kind: "application/x-shockwave-flash", body: flash(r, 14_200)})
	c.now += 2300 * time.Millisecond
	c.step("payload", payload, "", a.PayloadAgent, response{kind: a.PayloadType, body: program(r, a.PayloadSize), headers: []header{{"Cache-Control", "no-store"}}})
}

// step makes one request of the chain and labels it.
func (c *chain) step(role, where, referer, agent string, a response) {
	u, _ := url.Parse(where)
	q := browserRequest(c.d, c.h, u.Host, u.RequestURI(), referer, "*/*")
	if agent != "" { // not the browser
		q.agent, q.program, q.headers = agent, "implant", nil
	}
	got := c.d.fetch(c.now, q, a)
	site := c.d.s.site(u.Host)
	c.label.event(got.begin, got.done, Destination{site.Name, site.IP, 80}, got.flows...)
	status := a.status
	if status == 0 {
		status = http.StatusOK
	}
	body := a.body
	if encoded(a) {
		body = unzipped(body)
	}
	step := Step{Role: role, Time: c.d.s.Start.Add(got.begin), URL: where, Referer: referer, Status: status, Bytes: len(body)}
	if len(body) > 0 {
		sum := sha256.Sum256(body)
		step.SHA256 = hex.EncodeToString(sum[:])
	}
	c.label.Steps = append(c.label.Steps, step)
	c.now = got.done + 30*time.Millisecond
}

func encoded(a response) bool {
	for _, h := range a.headers {
		if h.name == "Content-Encoding" {
			return true
		}
	}
	return false
}

// escapeAll writes text as %XX, as injected scripts like to.
func escapeAll(text string) string {
	var out []byte
	for i := range len(text) {
		out = fmt.Appendf(out, "%%%02X", text[i])
	}
	return string(out)
}
