package zeeklog

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

func options(t testing.TB) Options {
	n, errs := sensor.NewNetworks(sensor.DefaultZones(), "Untrust")
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return Options{Networks: n}
}

// tsv is a log with header lines.
func tsv(path, fields string, lines ...string) string {
	tabs := func(s string) string { return strings.ReplaceAll(s, " ", "\t") }
	return "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\t" + path + "\n#fields\t" + tabs(fields) +
		"\n#types\t...\n" + tabs(strings.Join(lines, "\n")) + "\n#close\t2026-03-02-00-00-00\n"
}

const (
	connFields = "ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto service duration orig_bytes resp_bytes conn_state local_orig local_resp missed_bytes history orig_pkts orig_ip_bytes resp_pkts resp_ip_bytes"
	connLine   = "1772409600.500001 C1 10.0.0.5 40000 192.0.2.7 443 tcp ssl 2.25 100 200 SF T F 7 ShADad 3 264 4 412"
	httpFields = "ts uid id.orig_h id.orig_p id.resp_h id.resp_p trans_depth method host uri user_agent request_body_len response_body_len status_code resp_mime_types"
	sslFields  = "ts uid id.orig_h id.orig_p id.resp_h id.resp_p version cipher server_name established ja3"
	dnsFields  = "ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto trans_id rtt query qtype qtype_name rcode rcode_name answers TTLs"
)

func read(t *testing.T, logs map[string]string) *Logs {
	t.Helper()
	dir := t.TempDir()
	for name, text := range logs {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	l, err := Read([]string{dir}, options(t))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// told is a record in one line.
func told(r records.Record) string {
	m := r.Meta()
	ends := fmt.Sprintf("%d %v %v>%v ", m.At, m.Kind, m.Client(), m.Server())
	switch r := r.(type) {
	case *records.Flow:
		return ends + fmt.Sprintf("%d-%d %s %s %q %q %d/%d %d/%d missed %d", r.Start, r.End, r.ConnState, r.History, r.Service, r.ServerName,
			r.Orig.IPBytes, r.Orig.Payload, r.Resp.IPBytes, r.Resp.Payload, m.Visibility.Missed)
	case *records.HTTP:
		return ends + fmt.Sprintf("%s %q %q proxied %v %d %q %q", r.Method, r.Host, r.URL, r.Proxied, r.Status, r.UserAgent, r.ContentType)
	case *records.TLS:
		return ends + fmt.Sprintf("%q via %q %v %s", r.ServerName, r.Via, r.Established, r.JA3)
	case *records.DNS:
		return ends + fmt.Sprintf("%q %q %s %v %s %v ttl %d", r.Name, r.RegisteredDomain, r.Type, r.Response, r.RCode, r.Resolved, ttl(r))
	}
	return ends
}

func ttl(r *records.DNS) (n uint32) {
	for _, a := range r.Answers {
		n = a.TTL
	}
	return n
}

func TestRead(t *testing.T) {
	for _, c := range []struct {
		name string
		logs map[string]string
		want []string
	}{
		{"a flow with its handshake, in order of time", map[string]string{
			"conn.log": tsv("conn", connFields, connLine),
			"ssl.log":  tsv("ssl", sslFields, "1772409600.600000 C1 10.0.0.5 40000 192.0.2.7 443 TLSv12 TLS_X www.forum.example T abc")},
			[]string{
				`1772409600600000000 tls 10.0.0.5:40000>192.0.2.7:443 "www.forum.example" via "" true abc`,
				`1772409602750001000 flow 10.0.0.5:40000>192.0.2.7:443 1772409600500001000-1772409602750001000 SF ShADad "tls" "www.forum.example" 264/100 412/200 missed 7`}},
		{"a service whose log is missing is left to the flow", map[string]string{"conn.log": tsv("conn", connFields, connLine)},
			[]string{`1772409602750001000 flow 10.0.0.5:40000>192.0.2.7:443 1772409600500001000-1772409602750001000 SF ShADad "" "" 264/100 412/200 missed 7`}},
		{"a tunnel through a proxy", map[string]string{
			"http.16:00:00-17:00:00.log": tsv("http", httpFields, "10.5 C2 10.0.0.5 40001 10.0.0.9 3128 1 CONNECT c2.example c2.example:8443 Agent/1\\x2e0 0 0 200 -"),
			"ssl.log":                    tsv("ssl", sslFields, "11 C2 10.0.0.5 40001 10.0.0.9 3128 TLSv12 TLS_X c2.example T -")},
			[]string{`10500000000 http 10.0.0.5:40001>10.0.0.9:3128 CONNECT "c2.example:8443" "c2.example:8443" proxied true 200 "Agent/1.0" ""`,
				`11000000000 tls 10.0.0.5:40001>10.0.0.9:3128 "c2.example" via "CONNECT" true `}},
		{"a whole URL asked of a proxy, and a path", map[string]string{"http.log": tsv("http", httpFields,
			"1 C3 10.0.0.5 1 10.0.0.9 3128 1 GET ocsp.example http://ocsp.example:81/a?u=http://x/ (empty) 0 0 200 application/ocsp-response,text/plain",
			"2 C4 10.0.0.5 1 192.0.2.9 80 1 GET www.example /go?to=http://x.example/ - 0 0 - (empty)")},
			[]string{`1000000000 http 10.0.0.5:1>10.0.0.9:3128 GET "ocsp.example:81" "http://ocsp.example:81/a?u=http://x/" proxied true 200 "" "application/ocsp-response"`,
				`2000000000 http 10.0.0.5:1>192.0.2.9:80 GET "www.example" "http://www.example/go?to=http://x.example/" proxied false 0 "" ""`}},
		{"a query and its answer", map[string]string{"dns.log": tsv("dns", dnsFields,
			"5 D1 10.0.0.5 5353 10.0.0.2 53 udp 77 0.020 www.forum.example 1 A 0 NOERROR cdn.example,192.0.2.7 300.000000,60.000000",
			"6 D2 10.0.0.5 5354 10.0.0.2 53 udp 78 - lost.example 1 A - - - -")},
			[]string{`5000000000 dns 10.0.0.5:5353>10.0.0.2:53 "www.forum.example" "forum.example" A false  [] ttl 0`,
				`5020000000 dns 10.0.0.5:5353>10.0.0.2:53 "www.forum.example" "forum.example" A true NOERROR [192.0.2.7] ttl 60`,
				`6000000000 dns 10.0.0.5:5354>10.0.0.2:53 "lost.example" "lost.example" A false  [] ttl 0`}},
		{"JSON lines, by name, by _path and by field", map[string]string{
			"conn.log":      `{"ts":1.5,"uid":"J1","id.orig_h":"10.0.0.5","id.orig_p":1,"id.resp_h":"192.0.2.7","id.resp_p":80,"proto":"udp","duration":1e-05,"conn_state":"S0","history":"D","orig_pkts":1}`,
			"http_2026.log": `{"_path":"http","ts":"2026-03-02T00:00:00.25Z","uid":"J2","id.orig_h":"10.0.0.5","id.orig_p":1,"id.resp_h":"192.0.2.7","id.resp_p":80,"method":"POST","host":"a.example","uri":"/","resp_mime_types":["text/html","x/y"]}`},
			[]string{`1500010000 flow 10.0.0.5:1>192.0.2.7:80 1500000000-1500010000 S0 D "" "" 0/0 0/0 missed 0`,
				`1772409600250000000 http 10.0.0.5:1>192.0.2.7:80 POST "a.example" "http://a.example/" proxied false 0 "" "text/html"`}},
		{"other logs are left out", map[string]string{"conn.log": tsv("weird", "ts uid", "1 W")}, nil},
	} {
		l := read(t, c.logs)
		var got []string
		for _, r := range l.Records {
			got = append(got, told(r))
		}
		if strings.Join(got, "\n") != strings.Join(c.want, "\n") || l.Bad > 0 {
			t.Errorf("%s: got\n%s\nwant\n%s\nbad %d: %v", c.name, strings.Join(got, "\n"), strings.Join(c.want, "\n"), l.Bad, l.FirstBad)
		}
	}
}

func TestInternal(t *testing.T) {
	l := read(t, map[string]string{
		"conn.log": tsv("conn", connFields, strings.Replace(connLine, "10.0.0.5", "2001:db8::5", 1)),
		"ssl.log":  tsv("ssl", sslFields, "9 C9 2001:db8::5 1 192.0.2.7 443 - - - - -")})
	for _, r := range l.Records {
		if m := r.Meta(); !m.ClientInternal || m.ServerInternal {
			t.Errorf("%v: internal %v and %v, want the client by local_orig of another log", m.Kind, m.ClientInternal, m.ServerInternal)
		}
	}
}

func TestICMPHasNoPorts(t *testing.T) {
	l := read(t, map[string]string{"conn.log": tsv("conn", connFields, "3 P 10.0.0.5 8 10.0.0.6 0 icmp - 1 8 8 OTH T T 0 - 1 36 1 36")})
	f := l.Records[0].(*records.Flow)
	if f.ICMPType != 8 || f.Meta().HasPorts() || f.Meta().Key.Proto != packet.ProtoICMP || f.Meta().Server() != netip.MustParseAddrPort("10.0.0.6:0") {
		t.Errorf("got type %d of %v", f.ICMPType, f.Meta().Server())
	}
}

func TestBadLinesAreCounted(t *testing.T) {
	l := read(t, map[string]string{"conn.log": tsv("conn", connFields, connLine, "- C1 10.0.0.5", "1 C1 10.0.0.5 1 nobody 2", "{"),
		"http.log": "no header\n"})
	if l.Lines != 5 || l.Bad != 4 || len(l.Records) != 1 || l.FirstBad == nil {
		t.Errorf("%d lines, %d bad, %d records, %v", l.Lines, l.Bad, len(l.Records), l.FirstBad)
	}
}

func TestGzip(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	fmt.Fprint(z, tsv("conn", connFields, connLine))
	z.Close()
	l := read(t, map[string]string{"conn.15:00:00-16:00:00.log.gz": b.String()})
	if len(l.Records) != 1 {
		t.Errorf("%d records", len(l.Records))
	}
	if _, err := ReadFrom(strings.NewReader("\x1f\x8bnothing"), "conn.log.gz", Options{}); err == nil {
		t.Error("a damaged gzip file was read")
	}
}

func TestLimits(t *testing.T) {
	text := tsv("conn", connFields, connLine, connLine, connLine)
	if _, err := ReadFrom(strings.NewReader(text), "", Options{Max: 2}); !errors.Is(err, ErrTooMany) {
		t.Errorf("three records where two may be: %v", err)
	}
	if _, err := ReadFrom(strings.NewReader(strings.Repeat("x", maxLine+1)), "conn.log", Options{}); err == nil {
		t.Error("a line longer than any was read")
	}
	if _, err := Read([]string{filepath.Join(t.TempDir(), "none.log")}, Options{}); err == nil {
		t.Error("a log that is not there was read")
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(tsv("conn", connFields, connLine)))
	f.Add([]byte(tsv("http", httpFields, "1 C3 10.0.0.5 1 10.0.0.9 3128 1 GET ocsp.example http://ocsp.example/a (empty) 0 0 200 a,b")))
	f.Add([]byte(tsv("dns", dnsFields, "5 D1 10.0.0.5 5353 10.0.0.2 53 udp 77 0.020 www.forum.example 1 A 0 NOERROR cdn.example,192.0.2.7 300.0,60.0")))
	f.Add([]byte(tsv("ssl", sslFields, "9 C9 2001:db8::5 1 192.0.2.7 443 - - \\x2e - -")))
	f.Add([]byte(`{"ts":1.5,"uid":"J1","id.orig_h":"10.0.0.5","id.orig_p":1,"id.resp_h":"192.0.2.7","id.resp_p":80,"proto":"udp","conn_state":"S0"}`))
	o := options(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := ReadFrom(bytes.NewReader(b), "conn.log", o)
		if err != nil {
			return
		}
		last := int64(0)
		for _, r := range l.Records {
			m := r.Meta()
			if m.At < last || m.At <= 0 {
				t.Errorf("time %d after %d", m.At, last)
			}
			last = m.At
			if a, b := m.Client().Addr(), m.Server().Addr(); !a.IsValid() || !b.IsValid() {
				t.Errorf("%v: an end is not valid", m.Kind)
			}
			r.AppendFields(nil)
		}
	})
}
