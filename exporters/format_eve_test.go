package exporters

import (
	"strings"
	"testing"
	"time"

	"kagami/packet"
	"kagami/records"
)

func TestEVEOfEveryKind(t *testing.T) {
	checkLines(t, "eve", []string{
		`{"timestamp":"2014-12-06T09:11:20.903000+0900","flow_id":1,"event_type":"flow","src_ip":"192.168.100.5","src_port":58461,"dest_ip":"23.23.1.2","dest_port":443,"proto":"TCP","ip_v":4,"app_proto":"tls","flow":{"pkts_toserver":9,"pkts_toclient":8,"bytes_toserver":0,"bytes_toclient":0,"start":"2014-12-06T09:11:15.900000+0900","end":"2014-12-06T09:11:20.903000+0900","age":5,"state":"closed","reason":"timeout"},"tcp":{"state":"closed"}}`,
		`{"timestamp":"2014-12-06T10:03:55.123999+0900","flow_id":1,"event_type":"dns","src_ip":"192.168.100.5","src_port":47197,"dest_ip":"10.0.0.53","dest_port":53,"proto":"UDP","ip_v":4,"dns":{"version":3,"type":"request","id":0,"opcode":0,"flags":"0","queries":[{"rrname":"apt.example.com","rrtype":"A"}]}}`,
		`{"timestamp":"2014-12-06T10:03:55.126499+0900","flow_id":1,"event_type":"dns","src_ip":"192.168.100.5","src_port":47197,"dest_ip":"10.0.0.53","dest_port":53,"proto":"UDP","ip_v":4,"dns":{"version":3,"type":"response","id":4711,"opcode":0,"flags":"8580","qr":true,"aa":true,"rd":true,"ra":true,"rcode":"NOERROR","queries":[{"rrname":"apt.example.com","rrtype":"A"}],"answers":[{"rrname":"apt.example.com","rrtype":"CNAME","ttl":60,"rdata":"x.example.com"},{"rrname":"x.example.com","rrtype":"A","ttl":30,"rdata":"192.0.2.7"}]}}`,
		`{"timestamp":"1970-01-01T09:00:00.000000+0900","flow_id":1,"event_type":"http","src_ip":"192.168.1.10","src_port":40000,"dest_ip":"113.1.2.3","dest_port":80,"proto":"TCP","ip_v":4,"http":{"hostname":"apt.example.com","url":"/xxx/apt.zip","http_content_type":"application/zip-compressed","http_method":"GET","protocol":"HTTP/1.1","status":200,"length":74519}}`,
		`{"timestamp":"2014-12-06T09:11:15.950000+0900","flow_id":1,"event_type":"tls","src_ip":"192.168.100.5","src_port":58461,"dest_ip":"23.23.1.2","dest_port":443,"proto":"TCP","ip_v":4,"tls":{"subject":"CN=www.example.com","issuerdn":"O=Example, CN=R3","serial":"0A:1B:2C","fingerprint":"00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00","notbefore":"2014-01-01T00:00:00","notafter":"2015-01-01T00:00:00","subjectaltname":["www.example.com"],"sni":"www.example.com","version":"TLS 1.2","ja3":{"hash":"6734f37431670b3ab4292b8f60f29984","string":"771,4865-49199,0-16,29,0"},"ja3s":{"hash":"b653c251b0ee54c3088fe7bb3d997859","string":"771,49199,16"},"ja4":"t13d0202h2_0123456789ab_0123456789ab","client_alpns":["h2","http/1.1"],"server_alpns":["h2"],"client_handshake":{"version":"TLS 1.3","ciphers":[4865,49199],"exts":[0,16],"sig_algs":[1027]},"server_handshake":{"version":"TLS 1.2","cipher":49199,"exts":[16]}}}`,
		`{"timestamp":"2014-12-06T09:11:15.990000+0900","flow_id":1,"event_type":"smtp","src_ip":"192.168.100.5","src_port":40000,"dest_ip":"192.0.2.25","dest_port":25,"proto":"TCP","ip_v":4,"tx_id":0,"smtp":{"helo":"pc5","mail_from":"<a@example.jp>","rcpt_to":["<b@example.com>","<c@example.com>"]},"email":{"status":"PARSE_DONE","from":"Aiko Mori <a@example.jp>","to":["b@example.com","C, D <c@example.com>"],"subject":"見積 | a=b","date":"Sat, 6 Dec 2014 09:11:15 +0900","message_id":"<1@pc5>","x_mailer":"Mailer 1.0","received":["from pc5 ([192.0.2.9]) by mx"],"url":["http://e.example/"],"attachment":["見積.zip"]}}`,
		`{"timestamp":"2014-12-06T09:11:15.970000+0900","flow_id":1,"event_type":"fileinfo","src_ip":"23.23.1.2","src_port":80,"dest_ip":"192.168.100.5","dest_port":58461,"proto":"TCP","ip_v":4,"app_proto":"http","http":{"hostname":"www.example.com","url":"http://www.example.com/a.exe"},"fileinfo":{"filename":"a.exe","magic":"pe","gaps":false,"state":"CLOSED","md5":"d41d8cd98f00b204e9800998ecf8427e","sha1":"da39a3ee5e6b4b0d3255bfef95601890afd80709","sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","stored":false,"size":4096,"tx_id":1}}`,
		`{"timestamp":"2014-12-06T10:03:55.123999+0900","flow_id":1,"event_type":"dhcp","src_ip":"0.0.0.0","src_port":68,"dest_ip":"255.255.255.255","dest_port":67,"proto":"UDP","ip_v":4,"dhcp":{"type":"reply","id":3735928559,"client_mac":"02:00:00:00:00:05","assigned_ip":"192.168.100.5","dhcp_type":"ack","subnet_mask":"255.255.255.0","routers":["192.168.100.1"],"lease_time":3600}}`,
		`{"timestamp":"2014-12-06T09:11:15.900000+0900","flow_id":1,"event_type":"quic","src_ip":"192.168.100.5","src_port":58461,"dest_ip":"23.23.1.2","dest_port":443,"proto":"UDP","ip_v":4,"quic":{"version":"2","sni":"www.example.com","ja3":{"hash":"6734f37431670b3ab4292b8f60f29984"},"ja4":"q13d0202h3_0123456789ab_0123456789ab"}}`,
		`{"timestamp":"2014-12-06T09:11:15.900000+0900","flow_id":1,"event_type":"ftp","src_ip":"192.168.100.5","src_port":40000,"dest_ip":"192.0.2.21","dest_port":21,"proto":"TCP","ip_v":4,"ftp":{"command":"RETR","command_data":"a.txt","completion_code":["226"],"reply":["Transfer complete."],"reply_received":"yes","mode":"passive","dynamic_port":60000}}`,
		`{"timestamp":"2014-12-06T09:11:15.900000+0900","flow_id":1,"event_type":"ntp","src_ip":"192.168.100.5","src_port":123,"dest_ip":"192.0.2.123","dest_port":123,"proto":"UDP","ip_v":4,"ntp":{"version":4,"mode":4,"stratum":2,"reference_id":"0a:00:00:01"}}`,
		`{"timestamp":"2014-12-06T09:11:15.900000+0900","flow_id":1,"event_type":"pop3","src_ip":"192.168.100.5","src_port":40000,"dest_ip":"192.0.2.110","dest_port":110,"proto":"TCP","ip_v":4,"pop3":{"request":{"command":"USER","args":["bob"]},"response":{"success":false,"header":"-ERR no"}}}`,
		`{"timestamp":"2014-12-06T09:11:15.900000+0900","flow_id":1,"event_type":"alert","src_ip":"192.168.100.5","dest_ip":"23.23.1.2","dest_port":443,"proto":"TCP","alert":{"action":"allowed","gid":1,"signature_id":1374132,"rev":1,"signature":"192.168.100.5 goes round the proxy","category":"direct-egress","severity":1,"metadata":{"mitre_technique_id":["T1071"],"incident":"00000000000000a1","update":2,"level":"high","source_host":"pc5","source_user":"bob","evidence":["12 connections","no proxy asked"],"chain":["a page"],"benign":"an update service","advice":"find the program","destination":"www.example.com:443","score":21.5,"window":{"flows":0,"one_sided":0,"missed_bytes":0,"dropped":0,"duplicates":0,"clock_steps":0}}},"flow":{"start":"2014-12-06T08:11:15.900000+0900","end":"2014-12-06T09:11:15.900000+0900"}}`,
		`{"timestamp":"2014-12-06T09:12:00.000000+0900","event_type":"stats","stats":{"uptime":60,"capture":{"kernel_packets":1000,"kernel_drops":10},"decoder":{"pkts":990,"bytes":640000,"invalid":0},"flow":{"total":40,"active":7},"tcp":{"reassembly_gap":2}}}`,
	})
}

// Suricata's counters run from its start; a stats record counts since the last.
func TestEVEStatsAddUp(t *testing.T) {
	f := newEVE(Env{})
	first := lineOf(t, f, statsRecord(t))
	r := statsRecord(t)
	r.Start, r.End = r.End, r.End+60e9
	second := lineOf(t, f, r)
	if !strings.Contains(first, `"uptime":60,"capture":{"kernel_packets":1000,"kernel_drops":10}`) {
		t.Error(first)
	}
	if !strings.Contains(second, `"uptime":120,"capture":{"kernel_packets":2000,"kernel_drops":20}`) || !strings.Contains(second, `"active":7`) {
		t.Error(second)
	}
}

// What EVE has no event for has no line.
func TestEVEHasNoLine(t *testing.T) {
	imap := mailRecord(t)
	imap.Protocol = "imap"
	smtp := authRecord(t)
	smtp.Protocol = "smtp"
	six := dhcpRecord(t, "REPLY", true)
	six.Version = 6
	quic := tlsRecord(t)
	quic.Protocol = "quic"
	nbns := dnsRecord(t, func(r *records.DNS) { r.Protocol = "nbns" })
	for _, r := range []records.Record{imap, smtp, six, quic, nbns, socksRecord(t), webSocketRecord(t), ssdpRecord(t), identityRecord(t)} {
		if line := lineOf(t, newEVE(Env{}), r); line != "" {
			t.Errorf("%T: %s", r, line)
		}
	}
}

func TestEVEHead(t *testing.T) {
	m := between(packet.ProtoUDP, "[fe80::1]:5353", "[ff02::fb]:5353")
	m.At, m.UID, m.VLANs, m.VLAN = -1, 1<<63|5, 2, [2]uint16{0x6064, 7}
	m.ClientMAC, m.CommunityID = [6]byte{2, 0, 0, 0, 0, 0xab}, "1:x"
	m.Tunnel = packet.Tunnel{Kind: packet.GRE, Depth: 1, Src: [16]byte{10: 0xff, 11: 0xff, 12: 10, 15: 1}}
	r := records.NewDNS(m)
	r.Protocol, r.Name, r.Type, r.Questions, r.Others = "mdns", "a.local", "PTR", 2, []records.Question{{Name: "b.local", Type: "TXT"}}
	got := lineOf(t, newEVE(Env{Location: time.FixedZone("", -9000)}), r)
	want := `{"timestamp":"1969-12-31T21:29:59.999999-0230","flow_id":5,"event_type":"mdns","vlan":[100,7],"src_ip":"fe80::1","src_port":5353,"dest_ip":"ff02::fb","dest_port":5353,"proto":"UDP","ip_v":6,"community_id":"1:x",` +
		`"ether":{"src_mac":"02:00:00:00:00:ab"},"tunnel":{"src_ip":"10.0.0.1","proto":"gre","depth":1},"mdns":{"type":"request","id":0,"opcode":0,"queries":[{"rrname":"a.local","rrtype":"PTR"},{"rrname":"b.local","rrtype":"TXT"}]}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestEVERecordData(t *testing.T) {
	for _, c := range []struct{ typ, data, want string }{
		{"SOA", "ns.a. root.a. 1 2 3 4 5", `"soa":{"mname":"ns.a.","rname":"root.a.","serial":1,"refresh":2,"retry":3,"expire":4,"minimum":5}`},
		{"SOA", `\# 3 010203`, `"rdata":"\\# 3 010203"`},
		{"SRV", "1 2 389 dc.a.", `"srv":{"priority":1,"weight":2,"port":389,"name":"dc.a."}`},
		{"SRV", "1 2 99999999999 dc.a.", `"rdata":"1 2 99999999999 dc.a."`},
		{"SSHFP", "2 1 A6B9", `"sshfp":{"algo":2,"type":1,"fingerprint":"a6:b9"}`},
		{"SSHFP", "2 1 A6xy", `"rdata":"2 1 A6xy"`},
		{"TXT", "", `"rdata":""`},
		{"TXT", `v=spf1 "-all"`, `"rdata":"v=spf1 \"-all\""`},
	} {
		r := dnsAnswer(t, func(r *records.DNS) { r.Answers = []records.Answer{{Name: "a", Type: c.typ, TTL: 1, Data: c.data}} })
		if line := lineOf(t, newEVE(Env{}), r); !strings.Contains(line, `"ttl":1,`+c.want+`}]`) {
			t.Errorf("%s %s: %s", c.typ, c.data, line)
		}
	}
}

func TestEVETexts(t *testing.T) {
	r := dnsAnswer(t, func(r *records.DNS) {
		r.Answers = []records.Answer{{Name: "a", Type: "TXT", TTL: 1, Data: "x ", Texts: "x\x00"}}
	})
	want := `"answers":[{"rrname":"a","rrtype":"TXT","ttl":1,"rdata":"x"},{"rrname":"a","rrtype":"TXT","ttl":1,"rdata":""}]`
	if line := lineOf(t, newEVE(Env{}), r); !strings.Contains(line, want) {
		t.Errorf("got %s", line)
	}
	r.Protocol = "llmnr"
	want = `"queries":[{"rrname":"apt.example.com","rrtype":"a"}],"answers":[{"rrname":"a","rrtype":"txt","ttl":1,"txt":["x",""]}]`
	if line := lineOf(t, newEVE(Env{}), r); !strings.Contains(line, want) {
		t.Errorf("got %s", line)
	}
}

func TestEVENames(t *testing.T) {
	for in, want := range map[string]string{
		`CN=R3,O=Let's Encrypt,C=US`: `C=US, O=Let's Encrypt, CN=R3`,
		`CN=a,O=Qualys\, Inc.`:       `O=Qualys, Inc., CN=a`,
		`CN=a\\,O="\`:                `O=\", CN=a\\`,
		`O=\é,`:                      `, O=é`,
	} {
		f := &eve{}
		f.name("n", in)
		if got := string(f.b); !strings.HasSuffix(got, `"n":"`+want+`"`) {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestEVEFileName(t *testing.T) {
	for _, c := range []struct {
		r    records.File
		want string
	}{
		{records.File{Source: "http", URL: "http://h/a/b.exe?x=1", Name: "b.exe", NameFrom: "url"}, "/a/b.exe"},
		{records.File{Source: "http", URL: "http://h/a/b.exe", Name: "c.exe", NameFrom: "disposition"}, "c.exe"},
		{records.File{Source: "http", URL: "http://h"}, "/"},
		{records.File{Source: "ftp", URL: "ftp://h/p/q", Name: "q", NameFrom: "path", Path: "/p/q"}, "q"},
	} {
		if got := eveFileName(&c.r); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.r, got, c.want)
		}
	}
}

func TestEVEContentRange(t *testing.T) {
	for in, want := range map[string]string{
		"bytes 0-16/100": `"content_range":{"raw":"bytes 0-16/100","start":0,"end":16,"size":100}`,
		"bytes */100":    `"content_range":{"raw":"bytes */100","size":100}`,
		"pages 1-2/x":    `"content_range":{"raw":"pages 1-2/x","end":2}`,
	} {
		r := httpRecord(t, func(r *records.HTTP) { r.ContentRange = in })
		if line := lineOf(t, newEVE(Env{}), r); !strings.Contains(line, want) {
			t.Errorf("%s: %s", in, line)
		}
	}
}
