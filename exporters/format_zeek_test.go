package exporters

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"kagami/records"
)

func TestZeekOfEveryKind(t *testing.T) {
	checkLines(t, "zeek", []string{
		"conn\t1417824675.900000\tC000000000011Aibmd\t192.168.100.5\t58461\t23.23.1.2\t443\ttcp\tssl\t5.003000\t1000\t5000\tSF\tT\tF\t0\t-\t9\t1402\t8\t5320\t-\t6",
		"dns\t1417827835.123999\tC000000000011Aibmd\t192.168.100.5\t47197\t10.0.0.53\t53\tudp\t4711\t0.002500\tapt.example.com\t1\tC_INTERNET\t1\tA\t0\tNOERROR\tT\tF\tT\tT\t0\tx.example.com,192.0.2.7\t60.000000,30.000000\tF\t0\tquery",
		"dns\t1417827835.123999\tC000000000011Aibmd\t192.168.100.5\t47197\t10.0.0.53\t53\tudp\t0\t-\tapt.example.com\t0\tqclass-0\t0\tA\t-\t-\tF\tF\tF\tF\t0\t-\t-\tF\t0\tquery",
		"http\t1424251298.638000\tC000000000011Aibmd\t192.168.1.10\t40000\t113.1.2.3\t80\t0\tGET\tapt.example.com\t/xxx/apt.zip\t-\t1.1\t-\t-\t0\t74519\t200\t-\t-\t-\t(empty)\t-\t-\t-\t-\t-\t-\t-\t-\t-",
		"ssl\t1417824675.900000\tC000000000011Aibmd\t192.168.100.5\t58461\t23.23.1.2\t443\tTLSv12\tTLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\tx25519\twww.example.com\tF\t-\th2\tT\tCsxknGIti\t0000000000000000000000000000000000000000000000000000000000000000,0100000000000000000000000000000000000000000000000000000000000000\t(empty)\tT",
		"x509\t1417824675.900000\t0000000000000000000000000000000000000000000000000000000000000000\t3\t0A1B2C\tCN=www.example.com\tCN=R3,O=Example\t1388534400.000000\t1420070400.000000\trsaEncryption\tsha256WithRSAEncryption\trsa\t2048\t65537\t-\twww.example.com\t-\t-\t-\tF\t-\tT\tF",
		"x509\t1417824675.900000\t0100000000000000000000000000000000000000000000000000000000000000\t3\t-\tCN=R3,O=Example\tCN=Root\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\tT\t0\tF\tF",
		"smtp\t1417824675.900000\tC000000000011Aibmd\t192.168.100.5\t40000\t192.0.2.25\t25\t1\tpc5\ta@example.jp\tb@example.com,c@example.com\tSat, 6 Dec 2014 09:11:15 +0900\tAiko Mori <a@example.jp>\tb@example.com,C\\x2c D <c@example.com>\t-\t-\t<1@pc5>\t-\t見積 | a=b\t-\tfrom pc5 ([192.0.2.9]) by mx\t-\t250 2.0.0 Ok: queued as 1E2891CA025\t192.0.2.25,192.168.100.5,192.0.2.9\tMailer 1.0\tF\tF01cjmi1Ehgc2wclBZ",
		"files\t1417824675.900000\tF01cjmi1Ehgc2wclBZ\tC000000000011Aibmd\t192.168.100.5\t58461\t23.23.1.2\t80\tHTTP\t2\tMD5,SHA1,SHA256\tapplication/vnd.microsoft.portable-executable\ta.exe\t0.070000\tF\tF\t4096\t4096\t0\t0\tF\t-\td41d8cd98f00b204e9800998ecf8427e\tda39a3ee5e6b4b0d3255bfef95601890afd80709\te3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\t-\t-\t-",
		"dhcp\t1417827835.123999\tC000000000011Aibmd\t192.168.100.5\t192.168.100.1\t02:00:00:00:00:05\t-\t-\t-\t-\t192.168.100.5\t3600.000000\t-\t-\tACK\t0.000000\t-\t-\t-",
		"quic\t1417824675.900000\tC000000000011Aibmd\t192.168.100.5\t58461\t23.23.1.2\t443\tquicv2\t0102\t(empty)\ta0a1\twww.example.com\th3\tISishIH",
		"socks\t1417824675.900000\tC000000000011Aibmd\t192.168.100.5\t58461\t192.168.100.9\t1080\t5\tbob\t-\tsucceeded\t-\twww.example.com\t443\t0.0.0.0\t-\t443",
		"websocket\t1417824675.900000\tC000000000011Aibmd\t192.168.100.5\t58461\t23.23.1.2\t80\twww.example.com:80\t/chat\t-\tchat\tchat,superchat\tpermessage-deflate\t-",
		"ftp\t1417824675.900000\tC000000000011Aibmd\t192.168.100.5\t40000\t192.0.2.21\t21\tbob\t-\tRETR\tftp://192.0.2.21/pub/a.txt\ttext/plain\t100\t226\tTransfer complete.\tT\t192.168.100.5\t192.0.2.21\t60000\tF01cjmi1Ehgc2wclBZ",
		"ntp\t1417824675.900000\tC000000000011Aibmd\t192.168.100.5\t123\t192.0.2.123\t123\t4\t4\t2\t64.000000\t0.000000\t0.015000\t0.000000\t10.0.0.1\t1417824615.900000\t1417824675.899000\t1417824675.899500\t1417824675.899600\t0",
		"ssdp\t1417824675.900000\tC000000000011Aibmd\t192.168.100.5\t50000\t239.255.255.250\t1900\tM-SEARCH\t-\t-\tupnp:rootdevice\t-\t-\t-\t-\t-\t239.255.255.250:1900\t-\t3.000000",
		"auth\t1417824675.900000\tC000000000011Aibmd\t192.168.100.5\t40000\t192.0.2.110\t110\tpop3\tUSER\tpassword\tbob\t-\t-\tF\t-ERR no",
		"identity\t1417824675.900000\tC000000000011Aibmd\t192.168.100.5\tname\tpc4\tpc5\tdhcp\t-\tpc5\tbob\t-\t-\t-",
		"notice\t1417824675.900000\tC000000000011Aibmd\t192.168.100.5\t58461\t23.23.1.2\t443\t-\t-\t-\ttcp\tKagami::Direct_Egress\t192.168.100.5 goes round the proxy\tincident 00000000000000a1, level high; 12 connections; no proxy asked\t192.168.100.5\t23.23.1.2\t443\t2\tkagami\tNotice::ACTION_LOG\t(empty)\t-",
		"stats\t1417824720.000000\tkagami\t-\t990\t640000\t10\t1000\t-\t-\t-\t-",
	})
}

func TestZeekJSONOfEveryKind(t *testing.T) {
	checkLines(t, "zeek-json", []string{
		`{"_path":"conn","ts":1417824675.900000,"uid":"C000000000011Aibmd","id.orig_h":"192.168.100.5","id.orig_p":58461,"id.resp_h":"23.23.1.2","id.resp_p":443,"proto":"tcp","service":"ssl","duration":5.003000,"orig_bytes":1000,"resp_bytes":5000,"conn_state":"SF","local_orig":true,"local_resp":false,"missed_bytes":0,"orig_pkts":9,"orig_ip_bytes":1402,"resp_pkts":8,"resp_ip_bytes":5320,"ip_proto":6}`,
		`{"_path":"dns","ts":1417827835.123999,"uid":"C000000000011Aibmd","id.orig_h":"192.168.100.5","id.orig_p":47197,"id.resp_h":"10.0.0.53","id.resp_p":53,"proto":"udp","trans_id":4711,"rtt":0.002500,"query":"apt.example.com","qclass":1,"qclass_name":"C_INTERNET","qtype":1,"qtype_name":"A","rcode":0,"rcode_name":"NOERROR","AA":true,"TC":false,"RD":true,"RA":true,"Z":0,"answers":["x.example.com","192.0.2.7"],"TTLs":[60.000000,30.000000],"rejected":false,"opcode":0,"opcode_name":"query"}`,
		`{"_path":"dns","ts":1417827835.123999,"uid":"C000000000011Aibmd","id.orig_h":"192.168.100.5","id.orig_p":47197,"id.resp_h":"10.0.0.53","id.resp_p":53,"proto":"udp","trans_id":0,"query":"apt.example.com","qclass":0,"qclass_name":"qclass-0","qtype":0,"qtype_name":"A","AA":false,"TC":false,"RD":false,"RA":false,"Z":0,"rejected":false,"opcode":0,"opcode_name":"query"}`,
		`{"_path":"http","ts":1424251298.638000,"uid":"C000000000011Aibmd","id.orig_h":"192.168.1.10","id.orig_p":40000,"id.resp_h":"113.1.2.3","id.resp_p":80,"trans_depth":0,"method":"GET","host":"apt.example.com","uri":"/xxx/apt.zip","version":"1.1","request_body_len":0,"response_body_len":74519,"status_code":200,"tags":[]}`,
		`{"_path":"ssl","ts":1417824675.900000,"uid":"C000000000011Aibmd","id.orig_h":"192.168.100.5","id.orig_p":58461,"id.resp_h":"23.23.1.2","id.resp_p":443,"version":"TLSv12","cipher":"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256","curve":"x25519","server_name":"www.example.com","resumed":false,"next_protocol":"h2","established":true,"ssl_history":"CsxknGIti","cert_chain_fps":["0000000000000000000000000000000000000000000000000000000000000000","0100000000000000000000000000000000000000000000000000000000000000"],"client_cert_chain_fps":[],"sni_matches_cert":true}`,
		`{"_path":"x509","ts":1417824675.900000,"fingerprint":"0000000000000000000000000000000000000000000000000000000000000000","certificate.version":3,"certificate.serial":"0A1B2C","certificate.subject":"CN=www.example.com","certificate.issuer":"CN=R3,O=Example","certificate.not_valid_before":1388534400.000000,"certificate.not_valid_after":1420070400.000000,"certificate.key_alg":"rsaEncryption","certificate.sig_alg":"sha256WithRSAEncryption","certificate.key_type":"rsa","certificate.key_length":2048,"certificate.exponent":"65537","san.dns":["www.example.com"],"basic_constraints.ca":false,"host_cert":true,"client_cert":false}`,
		`{"_path":"x509","ts":1417824675.900000,"fingerprint":"0100000000000000000000000000000000000000000000000000000000000000","certificate.version":3,"certificate.subject":"CN=R3,O=Example","certificate.issuer":"CN=Root","basic_constraints.ca":true,"basic_constraints.path_len":0,"host_cert":false,"client_cert":false}`,
		`{"_path":"smtp","ts":1417824675.900000,"uid":"C000000000011Aibmd","id.orig_h":"192.168.100.5","id.orig_p":40000,"id.resp_h":"192.0.2.25","id.resp_p":25,"trans_depth":1,"helo":"pc5","mailfrom":"a@example.jp","rcptto":["b@example.com","c@example.com"],"date":"Sat, 6 Dec 2014 09:11:15 +0900","from":"Aiko Mori <a@example.jp>","to":["b@example.com","C, D <c@example.com>"],"msg_id":"<1@pc5>","subject":"見積 | a=b","first_received":"from pc5 ([192.0.2.9]) by mx","last_reply":"250 2.0.0 Ok: queued as 1E2891CA025","path":["192.0.2.25","192.168.100.5","192.0.2.9"],"user_agent":"Mailer 1.0","tls":false,"fuids":["F01cjmi1Ehgc2wclBZ"]}`,
		`{"_path":"files","ts":1417824675.900000,"fuid":"F01cjmi1Ehgc2wclBZ","uid":"C000000000011Aibmd","id.orig_h":"192.168.100.5","id.orig_p":58461,"id.resp_h":"23.23.1.2","id.resp_p":80,"source":"HTTP","depth":2,"analyzers":["MD5","SHA1","SHA256"],"mime_type":"application/vnd.microsoft.portable-executable","filename":"a.exe","duration":0.070000,"local_orig":false,"is_orig":false,"seen_bytes":4096,"total_bytes":4096,"missing_bytes":0,"overflow_bytes":0,"timedout":false,"md5":"d41d8cd98f00b204e9800998ecf8427e","sha1":"da39a3ee5e6b4b0d3255bfef95601890afd80709","sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}`,
		`{"_path":"dhcp","ts":1417827835.123999,"uids":["C000000000011Aibmd"],"client_addr":"192.168.100.5","server_addr":"192.168.100.1","mac":"02:00:00:00:00:05","assigned_addr":"192.168.100.5","lease_time":3600.000000,"msg_types":["ACK"],"duration":0.000000}`,
		`{"_path":"quic","ts":1417824675.900000,"uid":"C000000000011Aibmd","id.orig_h":"192.168.100.5","id.orig_p":58461,"id.resp_h":"23.23.1.2","id.resp_p":443,"version":"quicv2","client_initial_dcid":"0102","client_scid":"","server_scid":"a0a1","server_name":"www.example.com","client_protocol":"h3","history":"ISishIH"}`,
		`{"_path":"socks","ts":1417824675.900000,"uid":"C000000000011Aibmd","id.orig_h":"192.168.100.5","id.orig_p":58461,"id.resp_h":"192.168.100.9","id.resp_p":1080,"version":5,"user":"bob","status":"succeeded","request.name":"www.example.com","request_p":443,"bound.host":"0.0.0.0","bound_p":443}`,
		`{"_path":"websocket","ts":1417824675.900000,"uid":"C000000000011Aibmd","id.orig_h":"192.168.100.5","id.orig_p":58461,"id.resp_h":"23.23.1.2","id.resp_p":80,"host":"www.example.com:80","uri":"/chat","subprotocol":"chat","client_protocols":["chat","superchat"],"server_extensions":["permessage-deflate"]}`,
		`{"_path":"ftp","ts":1417824675.900000,"uid":"C000000000011Aibmd","id.orig_h":"192.168.100.5","id.orig_p":40000,"id.resp_h":"192.0.2.21","id.resp_p":21,"user":"bob","command":"RETR","arg":"ftp://192.0.2.21/pub/a.txt","mime_type":"text/plain","file_size":100,"reply_code":226,"reply_msg":"Transfer complete.","data_channel.passive":true,"data_channel.orig_h":"192.168.100.5","data_channel.resp_h":"192.0.2.21","data_channel.resp_p":60000,"fuid":"F01cjmi1Ehgc2wclBZ"}`,
		`{"_path":"ntp","ts":1417824675.900000,"uid":"C000000000011Aibmd","id.orig_h":"192.168.100.5","id.orig_p":123,"id.resp_h":"192.0.2.123","id.resp_p":123,"version":4,"mode":4,"stratum":2,"poll":64.000000,"precision":0.000000,"root_delay":0.015000,"root_disp":0.000000,"ref_id":"10.0.0.1","ref_time":1417824615.900000,"org_time":1417824675.899000,"rec_time":1417824675.899500,"xmt_time":1417824675.899600,"num_exts":0}`,
		`{"_path":"ssdp","ts":1417824675.900000,"uid":"C000000000011Aibmd","id.orig_h":"192.168.100.5","id.orig_p":50000,"id.resp_h":"239.255.255.250","id.resp_p":1900,"method":"M-SEARCH","type":"upnp:rootdevice","host":"239.255.255.250:1900","max_wait":3.000000}`,
		`{"_path":"auth","ts":1417824675.900000,"uid":"C000000000011Aibmd","id.orig_h":"192.168.100.5","id.orig_p":40000,"id.resp_h":"192.0.2.110","id.resp_p":110,"service":"pop3","mechanism":"USER","method":"password","user":"bob","success":false,"reply":"-ERR no"}`,
		`{"_path":"identity","ts":1417824675.900000,"uid":"C000000000011Aibmd","host":"192.168.100.5","what":"name","old":"pc4","new":"pc5","source":"dhcp","name":"pc5","user":"bob"}`,
		`{"_path":"notice","ts":1417824675.900000,"uid":"C000000000011Aibmd","id.orig_h":"192.168.100.5","id.orig_p":58461,"id.resp_h":"23.23.1.2","id.resp_p":443,"proto":"tcp","note":"Kagami::Direct_Egress","msg":"192.168.100.5 goes round the proxy","sub":"incident 00000000000000a1, level high; 12 connections; no proxy asked","src":"192.168.100.5","dst":"23.23.1.2","p":443,"n":2,"peer_descr":"kagami","actions":["Notice::ACTION_LOG"],"email_dest":[]}`,
		`{"_path":"stats","ts":1417824720.000000,"peer":"kagami","pkts_proc":990,"bytes_recv":640000,"pkts_dropped":10,"pkts_link":1000}`,
	})
}

// A query waits for its answer; Zeek has one line for both, at the query's time.
func TestZeekJoinsDNS(t *testing.T) {
	ask := func(id uint16, seconds int64) *records.DNS {
		return dnsRecord(t, func(r *records.DNS) {
			r.ID, r.TypeNo, r.ClassNo, r.Header = id, 1, 1, 0x0120
			r.Time += seconds * 1e9
			r.Meta().At = r.Time
		})
	}
	reply := func(id uint16, seconds int64) *records.DNS {
		return dnsAnswer(t, func(r *records.DNS) {
			r.ID, r.RTT = id, 1e9
			r.Time += seconds * 1e9
			r.Meta().At = r.Time
		})
	}
	for _, c := range []struct {
		name string
		recs []records.Record
		want []string // transaction, rtt, Z, rcode
	}{
		{"answered", []records.Record{ask(1, 0), reply(1, 1)}, []string{"1 1.000000 2 NOERROR"}},
		{"not answered", []records.Record{ask(1, 0)}, []string{"1 - 2 -"}},
		{"answered too late", []records.Record{ask(1, 0), ask(2, 10), reply(1, 11)}, []string{"1 - 2 -", "1 1.000000 0 NOERROR", "2 - 2 -"}},
		{"asked twice", []records.Record{ask(1, 0), ask(1, 1), reply(1, 2)}, []string{"1 1.000000 2 NOERROR", "1 - 2 -"}},
		{"query not seen", []records.Record{dnsAnswer(t, func(r *records.DNS) { r.RTT = -1 })}, []string{"4711 - 0 NOERROR"}},
		{"out of order", []records.Record{ask(1, 0), ask(2, 0), reply(2, 1), reply(1, 1)}, []string{"2 1.000000 2 NOERROR", "1 1.000000 2 NOERROR"}},
		{"clock set back", []records.Record{ask(1, 100), ask(2, 0)}, []string{"1 - 2 -", "2 - 2 -"}},
	} {
		var got []string
		for _, l := range allLines(newZeek(Env{}), c.recs...) {
			v := strings.Split(string(l.Text), "\t")
			got = append(got, v[7]+" "+v[8]+" "+v[20]+" "+v[15])
		}
		// columns: 7 trans_id, 8 rtt, 14 rcode, 15 rcode_name, 20 Z
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\ngot  %q\nwant %q", c.name, got, c.want)
		}
	}
}

// TestZeekBoundsQueries: of more queries than can wait, the oldest are written.
func TestZeekBoundsQueries(t *testing.T) {
	f := newZeek(Env{}).(*zeek)
	e := newExport("", f, nil, nil)
	e.kinds[records.KindDNS] = true
	n := 0
	for i := range zeekMaxQueries + 10 {
		r := dnsRecord(t, func(r *records.DNS) { r.ID = uint16(i); r.Meta().UID = uint64(i) })
		for _, ok := e.line(r); ok; _, ok = e.more() {
			n++
		}
	}
	if n != 10 || f.dns.used != zeekMaxQueries || len(f.dns.at) != zeekMaxQueries {
		t.Errorf("%d lines, %d wait, %d keys", n, f.dns.used, len(f.dns.at))
	}
}

// A DHCP exchange is one line, with its last word or 30 s after it.
func TestZeekJoinsDHCP(t *testing.T) {
	message := func(typ string, response bool, seconds int64, xid uint32) *records.DHCP {
		r := dhcpRecord(t, typ, response)
		r.Time += seconds * 1e9
		r.Meta().At, r.XID = r.Time, xid
		if response {
			r.Meta().UID = 2
		}
		return r
	}
	four := []records.Record{message("DISCOVER", false, 0, 1), message("OFFER", true, 1, 1), message("REQUEST", false, 2, 1), message("ACK", true, 3, 1)}
	for _, c := range []struct {
		name string
		recs []records.Record
		want []string // uids, client, host name, messages, duration
	}{
		{"all of it", four, []string{"2 192.168.100.5 pc5 DISCOVER,OFFER,REQUEST,ACK 3.000000"}},
		{"acknowledgement alone", four[3:], []string{"1 192.168.100.5 - ACK 0.000000"}},
		{"no answer", four[:1], []string{"1 - pc5 DISCOVER 0.000000"}},
		{"two at once", []records.Record{message("DISCOVER", false, 0, 1), message("DISCOVER", false, 0, 2), message("NAK", true, 1, 2), message("ACK", true, 1, 1)},
			[]string{"2 192.168.100.5 pc5 DISCOVER,NAK 1.000000", "2 192.168.100.5 pc5 DISCOVER,ACK 1.000000"}},
		{"given up", []records.Record{message("DISCOVER", false, 0, 1), message("DISCOVER", false, 30, 1)}, []string{"1 - pc5 DISCOVER 0.000000", "1 - pc5 DISCOVER 0.000000"}},
	} {
		var got []string
		for _, l := range allLines(newZeek(Env{}), c.recs...) {
			v := strings.Split(string(l.Text), "\t")
			got = append(got, strconv.Itoa(strings.Count(v[1], ",")+1)+" "+v[2]+" "+v[5]+" "+v[13]+" "+v[14])
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\ngot  %q\nwant %q", c.name, got, c.want)
		}
	}
}

func TestZeekBoundsExchanges(t *testing.T) {
	f := newZeek(Env{}).(*zeek)
	for i := range zeekMaxExchanges + 5 {
		r := dhcpRecord(t, "DISCOVER", false)
		r.XID = uint32(i)
		f.add(r)
	}
	for range zeekMaxMessages {
		r := dhcpRecord(t, "DISCOVER", false)
		r.XID = zeekMaxExchanges
		f.add(r)
	}
	if n := len(f.leases.waiting); len(f.due) != 6 || n > zeekMaxExchanges {
		t.Errorf("%d due, %d wait", len(f.due), n)
	}
}

func TestZeekString(t *testing.T) {
	for _, c := range []struct{ in, want, element string }{
		{"a b", "a b", "a b"},
		{"", "(empty)", "(empty)"},
		{"-", `\x2d`, `\x2d`},
		{"(empty)", `\x28empty)`, `\x28empty)`},
		{"a,b", "a,b", `a\x2cb`},
		{"a\tb\n", `a\x09b\x0a`, `a\x09b\x0a`},
		{`DOM\user`, `DOM\\user`, `DOM\\user`},
		{"あ\x83e", `あ\x83e`, `あ\x83e`},
		{"\u2028\u0085\x7f", `\xe2\x80\xa8\xc2\x85\x7f`, `\xe2\x80\xa8\xc2\x85\x7f`},
	} {
		if got := string(appendZeekString(nil, c.in, false)); got != c.want {
			t.Errorf("%q: got %s, want %s", c.in, got, c.want)
		}
		if got := string(appendZeekString(nil, c.in, true)); got != c.element {
			t.Errorf("%q in a set: got %s, want %s", c.in, got, c.element)
		}
	}
}

// TestZeekUnescapesURI: Zeek logs what %XX stands for.
func TestZeekUnescapesURI(t *testing.T) {
	for in, want := range map[string]string{"/a%20b%2Fc": "/a b/c", "/%zz%4": "/%zz%4", "/%0a": `/\x0a`, "/%e3%81%82": "/あ", "": "(empty)"} {
		r := httpRecord(t, func(r *records.HTTP) { r.Target = in })
		line := lineOf(t, newZeek(Env{}), r)
		if got := strings.Split(line, "\t")[9]; got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
