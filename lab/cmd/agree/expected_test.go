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
	{"Zeek conn; services that Kagami does not decode", "conn.log", "#path\tconn\n#fields\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tconn_state\thistory\torig_pkts\tservice\n" +
		"192.0.2.2\t40000\t192.0.2.1\t80\ttcp\tSF\tShADXf\t3\tssl,irc,http\n192.0.2.2\t40000\t192.0.2.1\t80\ttcp\t-\t-\t-\tssh\n#close\n",
		"conn.log; 192.0.2.1:80 192.0.2.2:40000; conn_state=SF; history=ShADf; id.orig_h=192.0.2.2; id.orig_p=40000; orig_pkts=3; proto=tcp; service=http ssl\n" +
			"conn.log; 192.0.2.1:80 192.0.2.2:40000; id.orig_h=192.0.2.2; id.orig_p=40000; proto=tcp"},
	{"Zeek columns that were cut out", "conn.log.cut", "### a comment\nuid\thistory\nC1\tDd\nC2\t-\n", "conn.log; history=Dd"},
	{"Zeek http: unset, empty; all text is one", "http.log", "#fields\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tmethod\turi\tuser_agent\tproxied\tresp_mime_types\n" +
		"192.0.2.1\t999\t192.0.2.2\t80\tGET\t/a b\t(empty)\tVIA -> b,A -> c\ttext/json,image/png,application/json\n192.0.2.1\t999\t192.0.2.2\t80\t-\t-\t-\t-\t-\n",
		"http.log; 192.0.2.1:999 192.0.2.2:80; method=GET; proxied=A -> c VIA -> b; resp_mime_types=text,image/png,text; uri=/a b; user_agent="},
	{"Zeek files: not those within", "files.log.cut", "ts\tsource\tmime_type\tseen_bytes\tduration\nXXXXXXXXXX.XXXXXX\tHTTP\t-\t5\t1\nX\tSSL\tx\t5\t1\n", "files.log; seen_bytes=5; source=HTTP"},
	{"Zeek ftp: not logins", "ftp.log", "#fields\tcommand\treply_msg\nUSER\tyes\nRETR\t ok \n", "ftp.log; command=RETR; reply_msg=ok"},
	{"nDPI", "a.pcap.out", "Automa host: 1/1\n\t1\tTCP 192.0.2.2:999 <-> 192.0.2.1:443 [proto: 91/TLS][2 pkts/200 bytes <-> 1 pkts/100 bytes]" +
		"[Hostname/SNI: H.example][JA3C: aa (INSECURE)][JA4: t12d01_b_c]\n\t2\tUDP [2001:db8::1]:5 -> [2001:db8::2]:6 [1 pkts/60 bytes -> 0 pkts/0 bytes][JA3C: bb]\n",
		"session; tcp 192.0.2.1:443 192.0.2.2:999; bytes=100/200; host=h.example; ja3=aa; ja4 but for its flaws=t12d01_b_c; packets=1/2\n" +
			"session; udp [2001:db8::1]:5 [2001:db8::2]:6; bytes=60/0; ja3=bb; packets=1/0"},
	{"Arkime: the parts of a session are summed", "a.test", `{"sessions3":[{"body":{"ipProtocol":6,"source":{"ip":"192.0.2.1","port":999,"packets":2,"bytes":9},` +
		`"destination":{"ip":"192.0.2.2","port":80,"packets":1,"bytes":8},"network":{"community_id":"1:x"},"http":{"host":["h:80"],"uri":["//h/a"],"statuscode":[200]}}},` +
		`{"body":{"ipProtocol":6,"source":{"ip":"192.0.2.1","port":999,"packets":1,"bytes":1},"destination":{"ip":"192.0.2.2","port":80},"http":{"host":["h"]}}}]}`,
		"session; tcp 192.0.2.1:999 192.0.2.2:80; bytes=10/8; community id=1:x; names=h; packets=3/1; status=200; uri=h/a"},
	{"JA4", "a.json", `[{"stream":0,"src":"192.0.2.1","dst":"192.0.2.2","srcport":"999","dstport":"443","domain":"h","JA4.1":"t13_b_c"},` +
		`{"src":"192.0.2.1","dst":"192.0.2.2","srcport":"999","dstport":"443","JA4.1":"q13_b_c"},{"src":"192.0.2.1","dst":"192.0.2.2","srcport":"1","dstport":"2"}]`,
		"TLS handshake; tcp 192.0.2.1:999 192.0.2.2:443; ja4=t13_b_c; server name=h\nQUIC handshake; udp 192.0.2.1:999 192.0.2.2:443; ja4=q13_b_c; server name="},
	{"Suricata", "test.yaml", suricataTest,
		"dns event; udp 192.0.2.1:999 192.0.2.2:53; dns.answers[0].rdata=192.0.2.9; dns.id=7; dns.queries[0].rrname=www.jp; dns.queries[0].rrtype=A; dns.type=response\n" +
			"http event; http.http_method=GET; http.http_user_agent=a long one; http.url=/a#b\nhttp event; http.http_method=GET; http.http_user_agent=a long one; http.url=/a#b\n" +
			"tls event; tls.serial=00:0A; tls.sni=h; tls.version=TLS 1.3\n" +
			"flow event; tcp 192.0.2.1:999 192.0.2.2:80; flow.pkts_toclient=2; flow.pkts_toserver=3; tcp.syn=true\nflow event"},
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
      dns.rrname: www.jp
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
      tcp.syn: True
      tcp.psh: true
      app_proto: sip
- filter:
    count: 1
    match:
      event_type: flow
- filter:
    count: 1
    match:
      event_type: flow
      flow.alerted: true
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

func TestEVEItems(t *testing.T) {
	items, err := eveItems(strings.NewReader(`{"event_type":"dns","src_ip":"192.0.2.1","src_port":9,"dest_ip":"192.0.2.2","dest_port":53,"proto":"UDP",` +
		`"dns":{"type":"query","id":10000000,"answers":[{"rdata":"a"},{"rdata":"b","x":true}]}}` + "\n" + `{"event_type":"flow","src_ip":"192.0.2.1","dest_ip":"192.0.2.2","proto":"ICMP"}`))
	if err != nil {
		t.Fatal(err)
	}
	want := "dns event; udp 192.0.2.1:9 192.0.2.2:53; dest_ip=192.0.2.2; dest_port=53; dns.answers[0].rdata=a; dns.answers[1].rdata=b; dns.answers[1].x=true; " +
		"dns.id=10000000; dns.type=request; event_type=dns; proto=UDP; src_ip=192.0.2.1; src_port=9\n" +
		"flow event; icmp 192.0.2.1:0 192.0.2.2:0; dest_ip=192.0.2.2; event_type=flow; proto=ICMP; src_ip=192.0.2.1"
	if got := text(items); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if _, err := eveItems(strings.NewReader("{")); err == nil {
		t.Error("want an error")
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
