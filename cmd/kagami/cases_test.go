package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// updateCases has the test rewrite what it compares with. Read the difference
// before it is committed.
var updateCases = flag.Bool("update", false, "rewrite testdata/*/want")

// genuineCase is a capture of genuine programs with the facts that hold for it
// whatever the records look like: what its driver did, not what came out.
type genuineCase struct {
	name  string
	facts []fact
}

func genuineCases() []genuineCase {
	return []genuineCase{
		{"dhcp", dhcpFacts()}, {"names", namesFacts()}, {"ntp", ntpFacts()}, {"ssdp", ssdpFacts()}, {"smtp", smtpFacts()}, {"pop3-imap", mailboxFacts()}, {"ftp", ftpFacts()},
		{"http", httpFacts()}, {"h2c", h2cFacts()}, {"tls", tlsFacts()}, {"quic", quicFacts()}, {"socks", socksFacts()}, {"proxy", proxyFacts()},
	}
}

// TestCases reads each capture of testdata that genuine programs made. The facts
// must hold, the records must be the ones of want/records.txt in the fields that
// tell most, and they must not depend on the number of workers.
func TestCases(t *testing.T) {
	for _, c := range genuineCases() {
		t.Run(c.name, func(t *testing.T) {
			folder := filepath.Join("../../testdata", c.name)
			in := filepath.Join(folder, "in.pcap.zst")
			dir := read(t, []string{in}, "capture.workers=1")
			differ(t, contents(t, read(t, []string{in}, "capture.workers=3")), contents(t, dir))
			all := flattened(t, dir)
			for _, f := range c.facts {
				f.check(t, all)
			}
			compareWant(t, filepath.Join(folder, "want/records.txt"), project(t, all))
		})
	}
}

// TestCasesAreAll: no folder of testdata is forgotten, and each says where it is
// from.
func TestCasesAreAll(t *testing.T) {
	captures, err := filepath.Glob("../../testdata/*/in.*")
	if err != nil || len(captures) == 0 {
		t.Fatal("no captures", err)
	}
	for _, path := range captures {
		name := filepath.Base(filepath.Dir(path))
		known := name == "office" || slices.ContainsFunc(genuineCases(), func(c genuineCase) bool { return c.name == name && len(c.facts) > 0 })
		if !known {
			t.Errorf("%s: nothing is checked", path)
		}
		if text, err := os.ReadFile(filepath.Join(filepath.Dir(path), "README.md")); err != nil || !bytes.Contains(text, []byte("## Origin and licence")) {
			t.Errorf("%s: no README.md that says its origin: %v", path, err)
		}
	}
}

// fields is a record as dotted names; the elements of arrays stand one after
// another under the array's name.
type fields map[string][]string

func (f fields) kind() string { return strings.TrimPrefix(f.text("event.dataset"), "kagami.") }

func (f fields) text(name string) string { return strings.Join(f[name], "|") }

// flattened are all records of a directory, in their order.
func flattened(t *testing.T, dir string) (all []fields) {
	t.Helper()
	for _, line := range lines(t, filepath.Join(dir, "records.jsonl")) {
		var v any
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		f := fields{}
		f.flatten("", v)
		all = append(all, f)
	}
	return all
}

func (f fields) flatten(name string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, member := range v {
			f.flatten(strings.TrimPrefix(name+"."+k, "."), member)
		}
	case []any:
		for _, element := range v {
			f.flatten(name, element)
		}
	default:
		f[name] = append(f[name], fmt.Sprint(v))
	}
}

// fact says how many records of a kind have all of some properties. A property
// is "name=value" for a field that is or has an element of this value, or all
// elements joined by "|"; "name" for one that is there; "!name" for one that is not.
type fact struct {
	kind string
	n    int
	have []string
}

func (f *fact) check(t *testing.T, all []fields) {
	t.Helper()
	n := 0
	for _, r := range all {
		if r.kind() == f.kind && !slices.ContainsFunc(f.have, func(p string) bool { return !r.has(p) }) {
			n++
		}
	}
	if n == f.n {
		return
	}
	t.Errorf("%d records, want %d: %s with %q", n, f.n, f.kind, f.have)
	for _, r := range all { // the nearest misses
		if failed := slices.DeleteFunc(slices.Clone(f.have), r.has); r.kind() == f.kind && len(failed) == 1 {
			name, _, _ := strings.Cut(failed[0], "=")
			t.Logf("  all but %q: it is %q", failed[0], r[name])
		}
	}
}

func (f fields) has(property string) bool {
	name, value, valued := strings.Cut(property, "=")
	switch absent, not := strings.CutPrefix(name, "!"); {
	case not:
		return f[absent] == nil
	case valued:
		return slices.Contains(f[name], value) || f[name] != nil && f.text(name) == value
	}
	return f[name] != nil
}

// telling are the fields of each kind that want/records.txt shows: those in
// which a change would be a fault, and that a person can check.
var telling = map[string]string{
	"flow": `
		network.transport network.protocol kagami.conn.state kagami.name.source kagami.name.resolved kagami.client.role kagami.server.role
		kagami.workstation.ip`,
	"identity": `host.ip kagami.identity.what kagami.identity.old kagami.identity.new kagami.identity.source`,
	"dhcp": `
		kagami.dhcp.version kagami.dhcp.type kagami.dhcp.message kagami.dhcp.client_mac kagami.dhcp.host_name kagami.dhcp.vendor_class
		kagami.dhcp.client_id kagami.dhcp.requested_ip kagami.dhcp.assigned_ip kagami.dhcp.leases kagami.dhcp.leases.prefix kagami.dhcp.lease_time
		kagami.dhcp.server_ip kagami.dhcp.domain kagami.dhcp.routers kagami.dhcp.dns_servers kagami.dhcp.ntp_servers kagami.dhcp.parameters`,
	"dns": `
		network.protocol dns.type kagami.dns.tcp dns.op_code dns.header_flags dns.question.name dns.question.type dns.response_code dns.answers.type
		dns.answers.data kagami.dns.authorities.data kagami.dns.edns.udp_size kagami.dns.edns.client_subnet kagami.dns.netbios.suffix
		kagami.dns.netbios.names kagami.dns.netbios.addresses`,
	"ntp": `
		kagami.ntp.version kagami.ntp.mode kagami.ntp.stratum kagami.ntp.leap kagami.ntp.ref_id kagami.ntp.poll kagami.ntp.key_id
		kagami.ntp.mac_bytes`,
	"ssdp": `kagami.ssdp.method kagami.ssdp.status kagami.ssdp.event kagami.ssdp.type kagami.ssdp.location kagami.ssdp.man`,
	"mail": `
		network.protocol kagami.mail.helo kagami.mail.mail_from kagami.mail.rcpt_to kagami.mail.rcpt_refused kagami.mail.status kagami.mail.chunked
		kagami.mail.pipelined kagami.mail.complete user.name email.from.address email.to.address email.subject email.message_id email.x_mailer
		user_agent.original kagami.mail.parts.path kagami.mail.parts.mime_type email.attachments.file.name email.attachments.file.size
		kagami.mail.urls kagami.mail.odd`,
	"auth": `network.protocol user.name event.outcome kagami.auth.method kagami.auth.mechanism kagami.auth.reply`,
	"file": `
		kagami.file.source kagami.file.sender file.name kagami.file.name_from kagami.file.host kagami.file.declared_type file.mime_type
		kagami.file.magic kagami.file.class file.size kagami.file.complete kagami.file.codings kagami.file.mismatch kagami.file.traits
		kagami.file.listed file.hash.sha256`,
	"ftp": `
		user.name kagami.ftp.command kagami.ftp.argument kagami.ftp.reply_code kagami.ftp.data.passive file.path file.size kagami.ftp.restart
		kagami.ftp.from`,
	"http": `
		http.version kagami.http.stream http.request.method url.full http.request.body.bytes http.response.status_code http.response.body.bytes
		http.response.mime_type kagami.http.encoding kagami.http.range user.name kagami.http.auth.scheme kagami.http.forwarded_for kagami.http.via
		user_agent.original http.request.referrer kagami.http.location kagami.http.request_files.name kagami.http.response_files.name
		kagami.http.tunnel.protocol kagami.http.tunnel.name kagami.http.pushed kagami.http.trailers kagami.http.proxied kagami.proxy.cache
		kagami.proxy.origin.ip kagami.workstation.ip kagami.http.request_complete kagami.http.response_complete kagami.http.odd`,
	"websocket": `
		url.full kagami.websocket.subprotocol kagami.websocket.origin kagami.websocket.client.frames kagami.websocket.client.text_messages
		kagami.websocket.client.binary_messages kagami.websocket.client.close_code kagami.websocket.server.frames
		kagami.websocket.server.text_messages kagami.websocket.server.close_code kagami.websocket.closed_by`,
	"tls": `
		network.protocol tls.version_protocol tls.version tls.cipher tls.curve tls.client.server_name tls.next_protocol tls.established tls.resumed
		kagami.tls.resumption kagami.tls.history kagami.tls.hello_retry kagami.tls.hello_verify kagami.tls.early_data kagami.tls.alert
		kagami.tls.alert_from kagami.tls.chain_length tls.server.subject tls.server.x509.alternative_names tls.server.not_after tls.client.subject
		kagami.tls.name_matches_certificate kagami.tls.ja4 kagami.tls.via kagami.workstation.ip`,
	"quic": `
		kagami.quic.version kagami.quic.offered_versions tls.client.server_name kagami.quic.client_alpn kagami.quic.history kagami.quic.retries
		kagami.quic.zero_rtt_packets kagami.quic.ja4`,
	"socks": `
		kagami.socks.version kagami.socks.command kagami.socks.request.ip kagami.socks.request.name kagami.socks.request.port kagami.socks.status
		kagami.socks.method kagami.socks.user_refused user.name kagami.socks.tunnel.protocol kagami.socks.tunnel.name`,
}

// servicePort is below the ports that clients take: those differ each time that a
// capture is made.
const servicePort = 10000

// project is what want/records.txt has: a line a record, its ends, and what tells
// most of it.
func project(t *testing.T, all []fields) []byte {
	var b bytes.Buffer
	for _, f := range all {
		if f.kind() == "alert" { // a program sent as a picture: the detectors' own tests judge that
			continue
		}
		names, known := telling[f.kind()]
		if !known {
			t.Errorf("nothing is said of records of the kind %q", f.kind())
			continue
		}
		b.WriteString(f.kind())
		if f["source.ip"] != nil {
			fmt.Fprintf(&b, " %s > %s", f.end("source"), f.end("destination"))
		}
		for _, name := range strings.Fields(names) {
			if v := f.text(name); v != "" {
				short := strings.TrimPrefix(strings.TrimPrefix(name, "kagami."), f.kind()+".")
				fmt.Fprintf(&b, " %s=%s", short, quoted(v))
			}
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

func (f fields) end(side string) string {
	ip, port := f.text(side+".ip"), f.text(side+".port")
	if n, _ := strconv.Atoi(port); n >= servicePort || n == 0 {
		return ip
	}
	return net.JoinHostPort(ip, port)
}

// quoted leaves plain words as they are.
func quoted(s string) string {
	if q := strconv.Quote(s); len(q) != len(s)+2 || strings.ContainsAny(s, " =") {
		return q
	}
	return s
}

// compareWant holds lines against those of a file, which -update writes anew.
func compareWant(t *testing.T, path string, got []byte) {
	t.Helper()
	if *updateCases {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	differ(t, map[string][]byte{filepath.Base(path): got}, map[string][]byte{filepath.Base(path): want})
}
