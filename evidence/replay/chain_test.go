package replay_test

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"kagami/evidence/replay"
)

const (
	browser = "Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko"
	plugin  = "Mozilla/4.0 (Windows 7 6.1) Java/1.7.0_09"
	page    = "text/html"
)

// visit is one transaction of a hand-made Reading.
type visit struct {
	at      float64 // seconds
	took    float64 // until the answer begins, 0 = 0.05
	client  string  // "" = 10.0.0.1
	request string  // method and URL
	server  string  // "" = an address of the host's own
	proxy   bool    // the request is one to a proxy
	referer string
	agent   string // "" = browser, "-" = none
	status  int    // 0 = 200, -1 = no answer
	field   string // of the response
	kind    string // declared type
	body    string
	magic   string
}

func (s visit) transaction(number int) *replay.Transaction {
	method, target, _ := strings.Cut(s.request, " ")
	t := &replay.Transaction{Number: number, Request: &replay.Request{Method: method, Target: target}}
	server := netip.MustParseAddrPort("192.0.2.1:80")
	if u, err := url.Parse(target); err == nil && method != "CONNECT" {
		t.Request.URL = u
		server = serverOf(u.Host)
		if !s.proxy {
			t.Request.Target = u.RequestURI()
		}
	}
	if s.server != "" {
		server = netip.MustParseAddrPort(s.server)
	}
	client := "10.0.0.1"
	if s.client != "" {
		client = s.client
	}
	t.Flow = &replay.Flow{Client: netip.AddrPortFrom(netip.MustParseAddr(client), 40000), Server: server}
	t.Request.Time, t.Request.Frame = start+int64(s.at*1e9), 10*number+1
	if s.agent == "" {
		s.agent = browser
	}
	for _, f := range [][2]string{{"User-Agent", strings.TrimPrefix(s.agent, "-")}, {"Referer", s.referer}} {
		if f[1] != "" {
			t.Request.Header = append(t.Request.Header, replay.Field{Name: f[0], Value: f[1]})
		}
	}
	if s.status >= 0 {
		t.Response = s.response(t)
	}
	return t
}

// serverOf gives every host an address of its own.
func serverOf(host string) netip.AddrPort {
	sum := 0
	for i := range len(host) {
		sum = (sum*31 + int(host[i])) % 65000
	}
	return netip.MustParseAddrPort(fmt.Sprintf("198.18.%d.%d:80", sum/256, sum%256))
}

func (s visit) response(t *replay.Transaction) *replay.Response {
	a := &replay.Response{Status: max(s.status, 200)}
	took := s.took
	if took == 0 {
		took = 0.05
	}
	a.Time, a.Frame = t.Request.Time+int64(took*1e9), t.Request.Frame+5
	if name, value, ok := strings.Cut(s.field, ": "); ok {
		a.Header = append(a.Header, replay.Field{Name: name, Value: value})
	}
	magic := s.magic
	if magic == "" && s.body != "" {
		magic = "text/plain"
		if strings.HasPrefix(s.body, "<") {
			magic = page
		}
	}
	a.Body = replay.Body{Data: []byte(s.body), Declares: s.kind, Magic: magic, Complete: true}
	if s.body != "" {
		a.Body.SHA256 = fmt.Sprintf("%x", s.body)
	}
	return a
}

func reading(steps ...visit) *replay.Reading {
	r := &replay.Reading{First: start}
	for i, s := range steps {
		t := s.transaction(i)
		r.Transactions = append(r.Transactions, t)
		r.Flows = append(r.Flows, t.Flow)
	}
	return r
}

const (
	swfBody = "FWS\x09aaaaaaaaaaaaaaaa"
	jarBody = "PK\x03\x04aaaaaaaaMETA-INF/MANIFEST.MF"
)

func peBody() string {
	b := make([]byte, 256)
	copy(b, "MZ")
	b[0x3c] = 0x80
	copy(b[0x80:], "PE\x00\x00")
	return string(b)
}

// TestCauses: what leads to the last visit, and by what.
func TestCauses(t *testing.T) {
	const home = "http://a.example/p/"
	get := func(at float64, u, body string) visit {
		return visit{at: at, request: "GET " + u, kind: page, body: body}
	}
	for name, c := range map[string]struct {
		steps    []visit
		parent   int // -1 = none
		kind     replay.EdgeKind
		inferred bool
	}{
		"Location, though the Referer still names the page": {[]visit{get(0, home, "<a href=http://b.example/1>"),
			{at: 1, request: "GET http://b.example/1", referer: home, status: 302, field: "Location: /2"},
			{at: 1.2, request: "GET http://b.example/2", referer: home}}, 1, replay.EdgeLocation, false},
		"Location is followed once, the second time it is a click": {[]visit{
			{at: 0, request: "GET http://b.example/1", status: 302, field: "Location: /2"},
			{at: 0.2, request: "GET http://b.example/2", kind: page, body: "<a href=/2>again</a>"},
			{at: 5, request: "GET http://b.example/2", referer: "http://b.example/2"}}, 1, replay.EdgeAnchor, false},
		"Refresh":      {[]visit{{request: "GET " + home, field: "Refresh: 1; url=/x"}, {at: 1.5, request: "GET http://a.example/x"}}, 0, replay.EdgeRefresh, false},
		"meta refresh": {[]visit{get(0, home, `<meta http-equiv=refresh content="0;url=x">`), {at: 1, request: "GET http://a.example/p/x"}}, 0, replay.EdgeMetaRefresh, false},
		"hidden frame": {[]visit{get(0, home, `<iframe src="http://b.example/f" width=1>`), {at: 1, request: "GET http://b.example/f", referer: home}}, 0, replay.EdgeIframe, false},
		"a script writes it, escaped": {[]visit{get(0, home, `<script>document.write(unescape("%3Ciframe src=http://b.example/f%3E"))</script>`),
			{at: 1, request: "GET http://b.example/f"}}, 0, replay.EdgeWrite, false},
		"a script of the page has it": {[]visit{get(0, home, `<script src="//c.example/s.js"></script>`),
			{at: 1, request: "GET http://c.example/s.js", referer: home, kind: "text/javascript", body: `document.write("<iframe src='http://b.example/f'>")`},
			{at: 2, request: "GET http://b.example/f", referer: home}}, 1, replay.EdgeWrite, false},
		"a style sheet of the page has it": {[]visit{get(0, home, `<link rel=stylesheet href=s.css>`),
			{at: 1, request: "GET " + home + "s.css", referer: home, kind: "text/css", body: `a{background:url(i.png)}`},
			{at: 2, request: "GET " + home + "i.png", referer: home}}, 1, replay.EdgeStyle, false},
		"a style sheet that the client still had": {[]visit{get(0, home, `<link rel=stylesheet href=s.css>`),
			{at: 1, request: "GET " + home + "s.css", referer: home, kind: "text/css", body: `a{background:url(i.png)}`},
			get(100, home, `<link rel=stylesheet href=s.css>`),
			{at: 101, request: "GET " + home + "s.css", referer: home, status: 304},
			{at: 102, request: "GET " + home + "i.png", referer: home + "s.css"}}, 3, replay.EdgeStyle, false},
		"form":        {[]visit{get(0, home, `<form method=post action=/login>`), {at: 9, request: "POST http://a.example/login", referer: home}}, 0, replay.EdgeForm, false},
		"literal":     {[]visit{get(0, home, `<script>var u="http://b.example/api";</script>`), {at: 1, request: "GET http://b.example/api"}}, 0, replay.EdgeLiteral, true},
		"beginning":   {[]visit{get(0, home, `<script>location="http://b.example/go/"+x()</script>`), {at: 1, request: "GET http://b.example/go/17"}}, 0, replay.EdgeLiteral, true},
		"Referer":     {[]visit{get(0, home, "<p>"), {at: 1, request: "GET http://b.example/f", referer: home}}, 0, replay.EdgeReferer, false},
		"Referer cut": {[]visit{get(0, home, `<p>`), {at: 1, request: "GET http://b.example/f", referer: "http://a.example/"}}, 0, replay.EdgeRefererOrigin, true},
		"Referer cut, to the page around a frame": {[]visit{get(0, home, `<iframe src=f>`), {at: 1, request: "GET " + home + "f", referer: home, kind: page, body: "<p>"},
			{at: 2, request: "GET http://b.example/f", referer: "http://a.example/"}}, 0, replay.EdgeRefererOrigin, true},
		"Referer cut, but a link": {[]visit{get(0, home, `<iframe src=http://b.example/f>`), get(1, "http://a.example/q", "<p>"),
			{at: 2, request: "GET http://b.example/f", referer: "http://a.example/"}}, 0, replay.EdgeIframe, false},
		"Referer cut short by a plug-in": {[]visit{{request: "GET http://a.example/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa?b", kind: "application/x-shockwave-flash", body: swfBody},
			{at: 1, request: "POST http://a.example/x", referer: "http://a.example/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}}, 0, replay.EdgeReferer, false},
		"http became https":                       {[]visit{get(0, home, `<iframe src=http://b.example/f>`), {at: 1, request: "GET https://b.example/f"}}, 0, replay.EdgeIframe, false},
		"a tunnel":                                {[]visit{get(0, home, `<iframe src=https://b.example/f>`), {at: 1, request: "CONNECT b.example:443"}}, 0, replay.EdgeIframe, true},
		"favicon":                                 {[]visit{get(0, home, `<p>`), {at: 1, request: "GET http://a.example/favicon.ico"}}, 0, replay.EdgeLink, true},
		"the nearest of two loads":                {[]visit{get(0, home, `<iframe src=f>`), get(30, home, `<iframe src=f>`), {at: 31, request: "GET " + home + "f", referer: home}}, 1, replay.EdgeIframe, false},
		"not before the answer":                   {[]visit{{request: "GET " + home, took: 2, kind: page, body: `<iframe src=f>`}, {at: 1, request: "GET " + home + "f"}}, -1, "", false},
		"not of another client":                   {[]visit{get(0, home, `<iframe src=f>`), {at: 1, client: "10.0.0.2", request: "GET " + home + "f", referer: home}}, -1, "", false},
		"the Referer names another page":          {[]visit{get(0, home, `<a href=f>`), get(1, "http://a.example/q", "<p>"), {at: 2, request: "GET " + home + "f", referer: "http://a.example/q"}}, 1, replay.EdgeReferer, false},
		"typed in":                                {[]visit{get(0, home, "<p>"), {at: 50, request: "GET http://b.example/"}}, -1, "", false},
		"payload after an exploit":                {[]visit{get(0, home, "<p>"), {at: 1, request: "GET http://a.example/e.jar", referer: home, body: jarBody}, {at: 9, request: "GET http://a.example/l?e=1", agent: plugin, body: peBody()}}, 1, replay.EdgeAfterExploit, true},
		"not a page after a plug-in's":            {[]visit{get(0, home, "<p>"), {at: 1, request: "GET http://a.example/e.swf", referer: home, body: swfBody}, get(9, "http://a.example/next", "<p>")}, -1, "", false},
		"payload from another name of the server": {[]visit{{request: "GET http://a.example/e.jar", body: jarBody, server: "192.0.2.9:80"}, {at: 9, request: "GET http://b.example/l", agent: plugin, body: peBody(), server: "192.0.2.9:80"}}, 0, replay.EdgeAfterExploit, true},
		"a proxy is no server":                    {[]visit{{request: "GET http://a.example/e.jar", body: jarBody, server: "192.0.2.9:80", proxy: true}, {at: 9, request: "GET http://b.example/l", agent: plugin, body: peBody(), server: "192.0.2.9:80", proxy: true}}, -1, "", false},
		"not what the system does anyway":         {[]visit{{request: "GET http://a.example/x.exe", body: peBody()}, {at: 9, request: "GET http://ocsp.example/x", agent: "Microsoft-CryptoAPI/10.0", kind: "application/ocsp-response"}}, -1, "", false},
		"its User-Agent alone is no excuse":       {[]visit{{request: "GET http://a.example/x.exe", body: peBody()}, {at: 9, request: "POST http://c2.example/x", agent: "Microsoft-CryptoAPI/10.0", kind: "text/html"}}, 0, replay.EdgeUserAgent, true},
		"check-in":                                {[]visit{{request: "GET http://a.example/x.exe", body: peBody()}, {at: 9, request: "POST http://c2.example/g", agent: "bot"}}, 0, replay.EdgeUserAgent, true},
		"not by what was there before":            {[]visit{{request: "GET http://u.example/u", agent: "updater"}, {at: 1, request: "GET http://a.example/x.exe", body: peBody()}, {at: 9, request: "POST http://u.example/g", agent: "updater"}}, -1, "", false},
		"what the program bears as text":          {[]visit{{request: "GET http://a.example/x.exe", body: peBody() + "\x00http://c.example/decoy\x00"}, {at: 9, request: "GET http://c.example/decoy"}}, 0, replay.EdgeString, true},
		"not long after":                          {[]visit{{request: "GET http://a.example/x.exe", body: peBody()}, {at: 900, request: "POST http://c2.example/g", agent: "bot"}}, -1, "", false},
		"a request that was not captured":         {[]visit{get(0, home, `<p>`), {at: 1, request: " "}}, -1, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := reading(c.steps...)
			chain := replay.Build(r)
			n := chain.Nodes[len(chain.Nodes)-1]
			if c.parent < 0 {
				if n.Parent != nil {
					t.Fatalf("led there by %d: %+v", n.Parent.Transaction.Number, n.In)
				}
				return
			}
			if n.Parent == nil || n.Parent.Transaction.Number != c.parent || n.In[0].Kind != c.kind || n.In[0].Inferred != c.inferred {
				t.Fatalf("got %+v", n.In)
			}
			from := r.Transactions[c.parent]
			frame := from.Request.Frame
			if from.Response != nil {
				frame = from.Response.Frame
			}
			if e := n.In[0]; e.Frames != [2]int{frame, n.Transaction.Request.Frame} || e.Reason == "" {
				t.Errorf("frames or reason: %+v", e)
			}
		})
	}
}

// TestOffset: an edge says where in the body it stands.
func TestOffset(t *testing.T) {
	body := `<p>some text</p><iframe src="f">`
	c := replay.Build(reading(visit{request: "GET http://a.example/", kind: page, body: body}, visit{at: 1, request: "GET http://a.example/f"}))
	if e := c.Nodes[1].In[0]; e.Offset != strings.Index(body, `f">`) || e.Reason != "iframe src" {
		t.Errorf("got %+v", e)
	}
}

func TestCauseByLookup(t *testing.T) {
	r := reading(visit{request: "GET http://a.example/", kind: page, body: "<p>"}, visit{at: 1, request: "GET http://b.example/"})
	r.Lookups = []replay.Lookup{
		{Time: start + second, Frame: 8, Client: netip.MustParseAddr("10.0.0.2"), Name: "b.example"},
		{Time: start + second/2, Frame: 7, Client: netip.MustParseAddr("10.0.0.1"), Name: "b.example"},
	}
	c := replay.Build(r)
	if n := c.Nodes[1]; n.Parent != c.Nodes[0] || n.In[0].Kind != replay.EdgeDNS || !n.In[0].Inferred || !strings.Contains(n.In[0].Reason, "frame 7") {
		t.Errorf("got %+v", n.In)
	}
	r.Lookups[1].Time = start - 20*second // known before the page came
	if n := replay.Build(r).Nodes[1]; n.Parent != nil {
		t.Errorf("got %+v", n.In)
	}
}

// TestCauseBehindTLS: a page that was fetched encrypted stands between two that were not.
func TestCauseBehindTLS(t *testing.T) {
	r := reading(visit{request: "GET http://a.example/", status: 302, field: "Location: https://gate.example/x"},
		visit{at: 2, request: "GET http://b.example/f", referer: "https://gate.example/"})
	f := &replay.Flow{Client: r.Flows[0].Client, Server: serverOf("gate.example"), Frame: 9, Protocol: "tls", TLS: &replay.TLS{ServerName: "gate.example", Dark: "no key"}}
	if n := replay.Build(r).Nodes[1]; n.Parent != nil {
		t.Fatalf("without the flow: %+v", n.In)
	}
	r.Flows = append(r.Flows, f)
	c := replay.Build(r)
	if n := c.Nodes[1]; n.Parent != c.Nodes[0] || n.In[0].Kind != replay.EdgeRefererOrigin || !n.In[0].Inferred || !strings.Contains(n.In[0].Reason, "frame 9") {
		t.Errorf("got %+v", n.In)
	}
}

// driveBy is a compromised page that leads past a script, a gate and a landing page to
// an exploit and a program, which reports home.
func driveBy() []visit {
	return []visit{
		{request: "GET http://www.shop.example/", kind: page, body: `<script src="http://cdn.stat.example/q.js"></script>`},
		{at: 1, request: "GET http://cdn.stat.example/q.js", referer: "http://www.shop.example/", kind: "text/javascript", body: `document.write(unescape('%3Ciframe src="http://gate.example/go"%3E'))`},
		{at: 2, request: "GET http://gate.example/go", referer: "http://www.shop.example/", status: 302, field: "Location: http://land.example/v?t=1"},
		{at: 2.2, request: "GET http://land.example/v?t=1", referer: "http://www.shop.example/", kind: page, body: `<object data="http://land.example/m.swf">`},
		{at: 3, request: "GET http://land.example/m.swf", referer: "http://land.example/v?t=1", kind: "application/x-shockwave-flash", body: swfBody},
		{at: 6, request: "GET http://land.example/load.php", agent: "Mozilla/4.0 (compatible; MSIE 7.0)", kind: "image/gif", body: peBody()},
		{at: 20, request: "POST http://c2.example/gate", agent: "bot"},
	}
}

func TestRoles(t *testing.T) {
	c := replay.Build(reading(driveBy()...))
	want := []replay.Role{"", replay.RoleGate, replay.RoleGate, replay.RoleLanding, replay.RoleExploit, replay.RolePayload, replay.RoleCheckIn}
	for i, n := range c.Nodes {
		if n.Role != want[i] || (n.Role != "") != (n.Why != "") {
			t.Errorf("%d: role %q (%s), want %q", i, n.Role, n.Why, want[i])
		}
	}
	all := c.Suspects()
	if len(all) != 1 || len(all[0].Path) != 6 || all[0].Score < 2*replay.SuspectScore || all[0].End().Content.Disguise != "image/gif" {
		t.Errorf("suspects: %+v", all)
	}
}

// TestOrdinaryDownloads are no attacks: nothing has a role.
func TestOrdinaryDownloads(t *testing.T) {
	for name, steps := range map[string][]visit{
		"a link that a user clicks": {{request: "GET http://a.example/", kind: page, body: `<a href="http://dl.example/setup.exe">Download</a>`},
			{at: 20, request: "GET http://dl.example/setup.exe", referer: "http://a.example/", kind: "application/octet-stream", body: peBody()}},
		"a redirection to a mirror": {{request: "GET http://a.example/", kind: page, body: `<a href="/get?x">Download</a>`},
			{at: 20, request: "GET http://a.example/get?x", referer: "http://a.example/", status: 302, field: "Location: http://m.example/setup.exe"},
			{at: 20.2, request: "GET http://m.example/setup.exe", referer: "http://a.example/", kind: "application/octet-stream", body: peBody()}},
		"an update":  {{request: "GET http://u.example/u.exe", agent: "Updater/1.0", kind: "application/octet-stream", body: peBody()}},
		"a Flash ad": {{request: "GET http://a.example/", kind: page, body: `<embed src="http://ads.example/x.swf">`}, {at: 1, request: "GET http://ads.example/x.swf", referer: "http://a.example/", kind: "application/x-shockwave-flash", body: swfBody}},
		"a document": {{request: "GET http://a.example/", kind: page, body: `<a href="x.pdf">`}, {at: 9, request: "GET http://a.example/x.pdf", referer: "http://a.example/", kind: "application/pdf", body: "%PDF-1.4 ..."}},
	} {
		t.Run(name, func(t *testing.T) {
			c := replay.Build(reading(steps...))
			all := c.Suspects()
			if len(all) != 1 || all[0].Score >= replay.SuspectScore {
				t.Errorf("got %+v", all)
			}
			if slices.ContainsFunc(c.Nodes, func(n *replay.Node) bool { return n.Role != "" }) {
				t.Error("there are roles")
			}
		})
	}
}

func TestConfirm(t *testing.T) {
	r := reading(driveBy()...)
	c := replay.Build(r)
	x := r.Transactions
	if c.Confirm(x[3], x[2]) || c.Confirm(x[2], x[2]) || c.Confirm(nil, x[2]) {
		t.Error("confirmed what cannot be")
	}
	if !c.Confirm(x[0], x[2]) || !c.Confirm(x[2], x[3]) || !c.Confirm(x[2], x[3]) {
		t.Error("not confirmed")
	}
	n := c.Node(x[2])
	if n.Parent != c.Nodes[0] || n.In[0].Kind != replay.EdgeConfirmed || len(c.Nodes[1].Children) != 0 || n.In[0].Inferred {
		t.Errorf("got %+v", n.In)
	}
	confirmed := 0
	for _, e := range c.Edges {
		if e.Kind == replay.EdgeConfirmed {
			confirmed++
		}
	}
	if confirmed != 2 || c.Nodes[3].Role != replay.RoleLanding {
		t.Errorf("%d confirmed, role %q", confirmed, c.Nodes[3].Role)
	}
}
