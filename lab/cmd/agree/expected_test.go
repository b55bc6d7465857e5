package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// text is items as the tables below write them: kind, flow, then fields in order.
func text(items []item) string {
	var lines []string
	for _, it := range items {
		parts := []string{string(it.kind)}
		for _, f := range it.flows {
			parts = append(parts, f.String())
		}
		for _, name := range it.names() {
			parts = append(parts, name+"="+it.fields[name])
		}
		lines = append(lines, strings.Join(parts, "; "))
	}
	return strings.Join(lines, "\n")
}

// results are small results in the formats of other programs.
var results = []struct{ name, file, text, want string }{
	{"Zeek conn", "conn.log", "#path\tconn\n#fields\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tconn_state\thistory\torig_pkts\tresp_pkts\tservice\n" +
		"192.0.2.2\t40000\t192.0.2.1\t80\ttcp\tSF\tShADXf\t3\t2\t-\n#close\n",
		"flow; tcp 192.0.2.1:80 192.0.2.2:40000; history=ShADf; originator=192.0.2.2:40000; packets=2/3; state=SF"},
	{"Zeek conn of ICMP: type and code are no ports", "conn.log", "#fields\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\n192.0.2.1\t8\t192.0.2.2\t0\ticmp\n",
		"flow; icmp 192.0.2.1:0 192.0.2.2:0; originator=192.0.2.1:0"},
	{"Zeek columns that were cut out", "conn.log.cut", "### a comment\nuid\thistory\nC1\tDd\nC2\t-\n", "flow; history=Dd"},
	{"Zeek dns", "dns.log", "#fields\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\ttrans_id\trtt\tquery\tqtype\trcode\tanswers\n" +
		"192.0.2.1\t999\t192.0.2.2\t53\tudp\t7\t0.1\twww.\\xe3.jp\t1\t3\tx.jp,192.0.2.9,2001:db8::1\n",
		"DNS message; udp 192.0.2.1:999 192.0.2.2:53; a=192.0.2.9; aaaa=2001:db8::1; header rcode=NXDOMAIN; id=7; name in lower case=www.?.jp; sort=answer; type=A\n" +
			"DNS message; udp 192.0.2.1:999 192.0.2.2:53; id=7; name in lower case=www.?.jp; sort=query; type=A"},
	{"Zeek http", "http.log", "#fields\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tmethod\thost\turi\tstatus_code\tresponse_body_len\n" +
		"192.0.2.1\t999\t192.0.2.2\t80\tGET\th\t/a b\t200\t5\n192.0.2.1\t999\t192.0.2.2\t80\t-\t-\t-\t404\t0\n",
		"HTTP request; tcp 192.0.2.1:999 192.0.2.2:80; decoded uri=/a b; host=h; method=GET\nHTTP response; tcp 192.0.2.1:999 192.0.2.2:80; body=5; status=200\n" +
			"HTTP response; tcp 192.0.2.1:999 192.0.2.2:80; body=0; status=404"},
	{"Zeek ssl", "ssl.log", "#fields\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tversion\tserver_name\testablished\n" +
		"192.0.2.1\t999\t192.0.2.2\t443\tTLSv12\th\tT\n192.0.2.1\t999\t192.0.2.2\t443\tDTLSv10\t-\tF\n",
		"TLS handshake; tcp 192.0.2.1:999 192.0.2.2:443; udp 192.0.2.1:999 192.0.2.2:443; established=true; server name=h; version=1.2\n" +
			"QUIC and DTLS handshake; udp 192.0.2.1:999 192.0.2.2:443; established=false; version=1.0"},
	{"nDPI", "a.pcap.out", "Automa host: 1/1\n\t1\tTCP 192.0.2.2:999 <-> 192.0.2.1:443 [proto: 91/TLS][2 pkts/200 bytes <-> 1 pkts/100 bytes]" +
		"[Hostname/SNI: H.example][JA3C: aa (INSECURE)][JA4: t12d01_b_c]\n\t2\tUDP [2001:db8::1]:5 -> [2001:db8::2]:6 [1 pkts/60 bytes -> 0 pkts/0 bytes][JA3C: bb]\n",
		"session; tcp 192.0.2.1:443 192.0.2.2:999; bytes=100/200; ja3=aa; ja4=t12d01_b_c; ja4, its hashes=b_c; packets=1/2; server name, folded=h.example\n" +
			"session; udp [2001:db8::1]:5 [2001:db8::2]:6; bytes=60/0; packets=1/0"},
	{"Arkime: the parts of a session are summed", "a.test", `{"sessions3":[{"body":{"ipProtocol":6,"source":{"ip":"192.0.2.1","port":999,"packets":2,"bytes":9},` +
		`"destination":{"ip":"192.0.2.2","port":80,"packets":1,"bytes":8},"network":{"community_id":"1:x"},"http":{"host":["h:80"],"uri":["//h/a"],"statuscode":[200]}}},` +
		`{"body":{"ipProtocol":6,"source":{"ip":"192.0.2.1","port":999,"packets":1,"bytes":1},"destination":{"ip":"192.0.2.2","port":80},"http":{"host":["h"]}}}]}`,
		"session; tcp 192.0.2.1:999 192.0.2.2:80; bytes=10/8; community id=1:x; names=h; packets=3/1; status=200; uri=h/a"},
	{"JA4", "a.json", `[{"stream":0,"src":"192.0.2.1","dst":"192.0.2.2","srcport":"999","dstport":"443","domain":"h","JA4.1":"t13_b_c"},` +
		`{"src":"192.0.2.1","dst":"192.0.2.2","srcport":"999","dstport":"443","JA4.1":"q13_b_c"},{"src":"192.0.2.1","dst":"192.0.2.2","srcport":"1","dstport":"2"}]`,
		"TLS handshake; tcp 192.0.2.1:999 192.0.2.2:443; ja4=t13_b_c; server name=h\nQUIC and DTLS handshake; udp 192.0.2.1:999 192.0.2.2:443; ja4=q13_b_c; server name="},
	{"Suricata", "test.yaml", suricataTest,
		"DNS message; udp 192.0.2.1:999 192.0.2.2:53; a=192.0.2.9; aaaa=; id=7; name=www.jp; sort=answer; type=A\n" +
			"HTTP request; method=GET; uri=/a#b; user agent=a long one\nHTTP request; method=GET; uri=/a#b; user agent=a long one\n" +
			"TLS handshake; serial=0A; server name=h; version=1.3\nflow; tcp 192.0.2.1:999 192.0.2.2:80; packets=3/2\nflow"},
	{"what is not compared", "weird.log", "#path\tweird\n#fields\tname\nodd\n", ""},
}

const suricataTest = `# a test
args:
- -k none

checks:
- filter:
    count: 1
    match:
      event_type: dns
      src_ip: 192.0.2.2
      src_port: 53
      dest_ip: 192.0.2.1
      dest_port: 999
      proto: UDP
      pcap_cnt: 2
      dns.id: 7
      dns.type: response
      dns.queries[0].rrname: www.jp
      dns.queries[0].rrtype: A
      dns.answers[0].rdata: 192.0.2.9
- filter:
    count: 2
    match:
      event_type: http
      http.http_method: GET
      http.url: '/a#b'
      http.http_user_agent: a long
        one
- filter:
    requires:
      lt-version: 7
    count: 1
    match:
      event_type: http
      http.url: /old
- filter:
    count: 1
    match:
      event_type: alert
      tls.sni: no
- stats:
    count: 9
- filter:
    count: 1 # one
    match:
      event_type: tls
      tls.sni: "h"
      tls.version: TLS 1.3
      tls.serial: 00:0A
- filter:
    count: 1
    match:
      event_type: flow
      proto: TCP
      src_ip: 192.0.2.1
      src_port: 999
      dest_ip: 192.0.2.2
      dest_port: 80
      flow.pkts_toserver: 3
      flow.pkts_toclient: 2
- filter:
    count: 1
    match:
      event_type: flow
- filter:
    count: 1
    match:
      event_type: flow
      flow.reason: timeout
`

func TestReadResult(t *testing.T) {
	for _, c := range results {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), c.file)
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			expectations, err := readResult(path)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range expectations {
				if s := text(e.items); s != "" {
					got = append(got, s)
				}
			}
			if s := strings.Join(got, "\n"); s != c.want {
				t.Errorf("got\n%s\nwant\n%s", s, c.want)
			}
		})
	}
}

func TestReadResultRefused(t *testing.T) {
	for _, c := range []struct{ file, text string }{{"a.test", "{"}, {"a.json", `["JA4.1"]`}, {"a.log.gz", "\x1f\x8b\x00"}} {
		path := filepath.Join(t.TempDir(), c.file)
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readResult(path); err == nil {
			t.Errorf("%s: want an error", c.file)
		}
	}
	if _, err := readResult(filepath.Join(t.TempDir(), "missing.log")); err == nil {
		t.Error("missing file: want an error")
	}
}
