package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fake is a Kagami that finds the same records, log and event in a capture, whatever
// is in it, and refuses one that says so.
const fake = `#!/bin/sh
for path; do :; done
if grep -q refuse "$path"; then
	echo "kagami: no capture file" >&2
	exit 1
fi
dir=${4%/*}
cat > "$dir/records.jsonl" <<'END'
{"event":{"id":"1-0","dataset":"kagami.dns"},"dns":{"answers":[{"data":"192.0.2.9","type":"A"}],"id":"7","question":{"name":"a\\.b.jp","type":"A"},"response_code":"BADVERS","type":"answer"},"network":{"iana_number":"17","protocol":"dns"},"source":{"ip":"192.0.2.1","port":999},"destination":{"ip":"192.0.2.2","port":53},"kagami":{"dns":{"authority":1}}}
{"event":{"id":"1-1","dataset":"kagami.dns"},"dns":{"id":"8","question":{"name":"a.local","type":"A"},"type":"query"},"network":{"iana_number":"17","protocol":"mdns"},"source":{"ip":"192.0.2.1","port":5353},"destination":{"ip":"224.0.0.251","port":5353}}
{"event":{"id":"2-0","dataset":"kagami.http"},"network":{"iana_number":"6"},"source":{"ip":"192.0.2.1","port":999},"destination":{"ip":"192.0.2.2","port":80},"http":{"request":{"method":"GET"},"response":{"status_code":200,"mime_type":"text/html"}},"url":{"original":"/a"},"user_agent":{"original":"u, v"},"kagami":{"http":{"host":"h","informational":["100"],"form_fields":["x","y"],"request_files":[{"name":"b c.exe"}]}}}
{"event":{"id":"3-0","dataset":"kagami.tls"},"network":{"iana_number":"6","protocol":"tls"},"source":{"ip":"192.0.2.1","port":999},"destination":{"ip":"192.0.2.2","port":443},"tls":{"client":{"ja3":"aa","server_name":"h"}},"kagami":{"tls":{"client_version":"1.3","client_alpn":["h2","http/1.1"],"hello_retry":true}}}
{"event":{"id":"3-1","dataset":"kagami.flow"},"network":{"iana_number":"6","community_id":"1:x"},"source":{"ip":"192.0.2.1","port":999,"packets":2,"bytes":80},"destination":{"ip":"192.0.2.2","port":443},"kagami":{"conn":{"state":"S0","history":"S"},"client":{"wire_bytes":108},"server":{}}}
{"event":{"id":"4-0","dataset":"kagami.auth"},"network":{"iana_number":"6","protocol":"smtp"},"source":{"ip":"192.0.2.1","port":999},"destination":{"ip":"192.0.2.2","port":25},"kagami":{"auth":{"mechanism":"PLAIN"}}}
{"event":{"id":"4-1","dataset":"kagami.mail"},"network":{"iana_number":"6","protocol":"smtp"},"source":{"ip":"192.0.2.1","port":999},"destination":{"ip":"192.0.2.2","port":25},"kagami":{"mail":{"hello":"EHLO","helo":"h","mail_from":"<a@b>","rcpt_to":["c@d"],"rcpt_refused":["e@f"],"complete":true,"parts":[{"disposition":"attachment","name":"a,b.zip"},{"path":"2"}]}}}
{"event":{"id":"4-2","dataset":"kagami.mail"},"network":{"iana_number":"6","protocol":"smtp"},"source":{"ip":"192.0.2.1","port":999},"destination":{"ip":"192.0.2.2","port":25},"kagami":{"mail":{"hello":"EHLO","helo":"h","mail_from":"<>","complete":true,"chunked":true,"tls":true,"verified":["root"]}}}
{"event":{"id":"3-2","dataset":"kagami.alert"}}
END
mkdir "$dir/zeek"
printf '#path\tconn\n#fields\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tconn_state\n192.0.2.1\t999\t192.0.2.2\t443\ttcp\tS0\n' > "$dir/zeek/conn.log"
printf '#path\tquic\n#fields\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\thistory\n192.0.2.1\t999\t192.0.2.2\t443\tISh\n' > "$dir/zeek/quic.log"
echo '{"event_type":"http","http":{"url":"/a","status":200}}' > "$dir/eve.json"
`

// fields are tshark's for the same: the first capture agrees with the fake, the
// second has another status and a second query, and quotes a third.
const fields = "capture\tframe.number\tip.src\tip.dst\tipv6.src\tipv6.dst\ttcp.srcport\ttcp.dstport\tudp.srcport\tudp.dstport\t" +
	"http.request.method\thttp.host\thttp.request.uri\thttp.user_agent\thttp.response.code\thttp.content_type\t" +
	"dns.id\tdns.flags.response\tdns.qry.name\tdns.qry.type\tdns.flags.rcode\tdns.a\tdns.aaaa\t" +
	"tls.handshake.extensions_server_name\ttls.handshake.extensions_alpn_str\ttls.handshake.ja3\t" +
	"smtp.req.command\tsmtp.req.parameter\tmime_multipart.header.content-disposition\n" +
	"a.pcap\t1\t192.0.2.1\t192.0.2.2\t\t\t999\t80\t\t\tGET\th\t/a\tu, v\n" +
	"a.pcap\t2\t192.0.2.2\t192.0.2.1\t\t\t80\t999\t\t\t\t\t\t\t100,200\t\n" +
	"a.pcap\t3\t192.0.2.2\t192.0.2.1\t\t\t\t\t53\t999\t\t\t\t\t\t\t0x0007\t1\ta.b.jp\t1\t0\t192.0.2.9,192.0.2.10\t\t\t\t\n" +
	"a.pcap\t4\t10.0.0.1,192.0.2.1\t10.0.0.2,192.0.2.2\t\t\t999\t443\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\th\th2,http/1.1\taa\n" +
	"a.pcap\t5\t192.0.2.1\t192.0.2.2\t\t\t999\t443\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\th\th2,http/1.1\tbb\n" +
	"a.pcap\t6\t192.0.2.1\t192.0.2.2\t\t\t999\t25\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\tEHLO,AUTH,MAIL,rcpt,RCPT,DATA,QUIT\th,plain xx,FROM:<a@b> SIZE=1,to:<c@d>,TO:<e@f>,,\n" +
	"a.pcap\t7\t192.0.2.1\t192.0.2.2\t\t\t999\t25\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\tSTARTTLS\t\tattachment; filename=\"a,b.zip\"\n" +
	"a.pcap\t8\t192.0.2.1\t192.0.2.2\t\t\t999\t25\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\tBDAT,BDAT,EXPN,MAIL\t10,5 LAST,root,FROM:<>\n" +
	"a.pcap\t9\t192.0.2.1\t192.0.2.2\t\t\t999\t80\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\tform-data; name=\"x\",form-data; name=\"y\"; filename=\"b c.exe\"\n" +
	"b.pcap\t1\t192.0.2.2\t192.0.2.1\t\t\t80\t999\t\t\t\t\t\t\t404\ttext/html; charset=utf-8\n" +
	"b.pcap\t2\t192.0.2.1\t192.0.2.2\t\t\t\t\t999\t53\t\t\t\t\t\t\t7\t0\t\t\t\t\t\t\t\t\n" +
	"b.pcap\t3\t192.0.2.1\t239.255.255.250\t\t\t\t\t999\t1900\tM-SEARCH\n" +
	"b.pcap\t4\t192.0.2.7,192.0.2.1\t192.0.2.1,192.0.2.2\t\t\t\t\t999\t53\t\t\t\t\t\t\t7\t0\t\t\t\t\t\t\t\t\n"

func TestRun(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	program := write("kagami", fake)
	for _, name := range []string{"a.pcap", "b.pcap", "notes.txt"} {
		write(name, "")
	}
	write("c.trace", "refuse")
	write("conn.log", "#fields\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tconn_state\n192.0.2.1\t999\t192.0.2.2\t443\ttcp\tSF\n")
	write("quic.log", "#fields\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\thistory\n192.0.2.1\t999\t192.0.2.2\t443\tIShIH\n")
	write("test.yaml", "checks:\n- filter:\n    count: 1\n    match:\n      event_type: http\n      http.status: 200\n")
	expected := write("expected.tsv", "a.pcap\tconn.log\na.pcap\tquic.log\na.pcap\ttest.yaml\nc.trace\tmissing.log\n")
	var stdout, stderr bytes.Buffer
	err := run(t.Context(), []string{"-kagami", program, "-dir", dir, "-tshark", write("fields.tsv", fields), "-expected", expected, "-jobs", "1", "-v"}, &stdout, &stderr)
	if err != nil {
		t.Fatal(err, stderr.String())
	}
	out := stdout.String()
	for _, want := range []string{
		"Zeek\tconn.log\ta.pcap\t" + filepath.Base(dir) + "/conn.log line 2\t192.0.2.1:999 192.0.2.2:443\tdiffer\tconn_state: \"SF\", Kagami \"S0\"\n",
		"tshark\tHTTP response\tb.pcap\tframe 1\ttcp 192.0.2.1:999 192.0.2.2:80\tdiffer\tstatus: \"404\", Kagami \"200\"\n",
		"tshark\tDNS message\tb.pcap\tframe 2\tudp 192.0.2.1:999 192.0.2.2:53\tmissing\tid \"7\", sort \"query\"\n",
		"3 captures\n",
		"Suricata  http event     1         1      0       0        0      100.00 %\n",
		"Zeek      conn.log       1         0      1       0        0      0.00 %\n",
		"Zeek      quic.log       1         1      0       0        0      100.00 %\n",
		"tshark    HTTP request   1         1      0       0        1      100.00 %\n",
		"tshark    HTTP response  3         2      1       0        1      66.66 %\n",
		"tshark    DNS message    2         1      0       1        1      50.00 %\n",
		"tshark    TLS handshake  2         2      0       0        2      100.00 %\n",
		"tshark    SMTP command   10        10     0       0        0      100.00 %\n",
		"tshark    MIME part      3         3      0       0        0      100.00 %\n",
		"tshark    HTTP response  content type",
		"1 capture not compared, or not with everything\n  c.trace: kagami: no capture file; open result: ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestRunRefuses(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.pcap": "", "fields.tsv": "frame.number\n", "expected.tsv": "no tab\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"-tshark", "none"},
		{"-tshark", "none", "-dir", t.TempDir()},
		{"-dir", dir, "-tshark", filepath.Join(dir, "fields.tsv")},
		{"-dir", dir, "-tshark", filepath.Join(dir, "missing.tsv")},
		{"-dir", dir, "-tshark", "none", "-expected", filepath.Join(dir, "expected.tsv")},
		{"-dir", dir, "-tshark", "none", "-expected", filepath.Join(dir, "missing.tsv")},
	} {
		if err := run(t.Context(), args, new(bytes.Buffer), new(bytes.Buffer)); err == nil {
			t.Errorf("%q: want an error", args)
		}
	}
}

func TestNoTshark(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var c comparison
	var stderr bytes.Buffer
	if err := c.inputs("run", "", &stderr); err != nil || c.tshark != "" || !strings.Contains(stderr.String(), "not installed") {
		t.Errorf("got %v, %q, %q", err, c.tshark, stderr.String())
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{rawName(`a\.b\032\195\164\`), "a.b \xc3\xa4\\"},
		{legible("a\xc3\xa4\xe4b"), "a?b"},
		{tsharkName("<Root>"), "."},
		{tsharkName(`a\004\005b\`), "a\x04\x05b\\"},
		{typeName("1"), "A"}, {typeName("0"), "TYPE0"}, {typeName("11"), "WKS"}, {typeName("65280"), "TYPE65280"}, {typeName("x"), "x"},
		{rcodeName("3"), "NXDOMAIN"}, {rcodeName("99"), "99"},
		{headerRCode("BADVERS"), "NOERROR"}, {headerRCode("REFUSED"), "REFUSED"}, {headerRCode("RCODE12"), "RCODE12"},
		{hostName("h:80"), "h"}, {hostName("h"), "h"}, {hostName("[::1]:80"), "::1"},
		{mailPath("FROM:<a@b> SIZE=1"), "a@b"}, {mailPath("TO: a@b NOTIFY=NEVER"), "a@b"}, {mailPath("FROM:<>"), ""},
		{ndpiJA4("t13d1516ht_8daaf6152771_e3b0c44298fc"), "t13?1516h?_8daaf6152771_000000000000"}, {ndpiJA4("x"), "x"},
		{ndpiHost("A.example*=\x04"), "a.example???"},
		{logOf("ssl-all.log"), "ssl"}, {logOf("manager.dhcp.log"), "dhcp"}, {logOf("ssl1_2.log"), "ssl"}, {logOf("x5091_2.log"), "x509"},
		{logOf("conn.log.cut"), "conn"}, {logOf("weird.log"), ""}, {logOf("xyz.log"), ""},
		{strings.Join(splitQuoted(`a;n="b,c",d`, ","), "|"), `a;n="b,c"|d`}, {strings.Join(splitQuoted("", ","), "|"), ""},
		{unescape(`a\tb\\`), "a\tb\\\\"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
