package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fake is a Kagami that finds one transaction, one query, one handshake and one
// flow in a capture, whatever is in it, and refuses one that says so.
const fake = `#!/bin/sh
for path; do :; done
if grep -q refuse "$path"; then
	echo "kagami: no capture file" >&2
	exit 1
fi
cat > "$4/records.jsonl" <<'END'
{"event":{"id":"1-0","dataset":"kagami.dns"},"dns":{"answers":[{"data":"192.0.2.9","type":"A"}],"id":"7","question":{"name":"a\\.b.jp","type":"A"},"response_code":"BADVERS","type":"answer"},"network":{"iana_number":"17"},"source":{"ip":"192.0.2.1","port":999},"destination":{"ip":"192.0.2.2","port":53},"kagami":{"dns":{"authority":1}}}
{"event":{"id":"2-0","dataset":"kagami.http"},"network":{"iana_number":"6"},"source":{"ip":"192.0.2.1","port":999},"destination":{"ip":"192.0.2.2","port":80},"http":{"request":{"method":"GET"},"response":{"status_code":200,"mime_type":"text/html"}},"url":{"original":"/a"},"user_agent":{"original":"u, v"},"kagami":{"http":{"host":"h","informational":["100"]}}}
{"event":{"id":"3-0","dataset":"kagami.tls"},"network":{"iana_number":"6"},"source":{"ip":"192.0.2.1","port":999},"destination":{"ip":"192.0.2.2","port":443},"tls":{"client":{"ja3":"aa","server_name":"h"}},"kagami":{"tls":{"client_version":"1.3","client_alpn":["h2","http/1.1"]}}}
{"event":{"id":"3-1","dataset":"kagami.flow"},"network":{"iana_number":"6","community_id":"1:x"},"source":{"ip":"192.0.2.1","port":999,"packets":2,"bytes":80},"destination":{"ip":"192.0.2.2","port":443},"kagami":{"conn":{"state":"S0","history":"S"},"client":{"wire_bytes":108},"server":{}}}
{"event":{"id":"3-2","dataset":"kagami.alert"}}
END
`

// fields are tshark's for the same: the first capture agrees with the fake, the
// second has another status and a second query.
const fields = "capture\tframe.number\tip.src\tip.dst\tipv6.src\tipv6.dst\ttcp.srcport\ttcp.dstport\tudp.srcport\tudp.dstport\t" +
	"http.request.method\thttp.host\thttp.request.uri\thttp.user_agent\thttp.response.code\thttp.content_type\t" +
	"dns.id\tdns.flags.response\tdns.qry.name\tdns.qry.type\tdns.flags.rcode\tdns.a\tdns.aaaa\t" +
	"tls.handshake.extensions_server_name\ttls.handshake.extensions_alpn_str\ttls.handshake.ja3\n" +
	"a.pcap\t1\t192.0.2.1\t192.0.2.2\t\t\t999\t80\t\t\tGET\th\t/a\tu, v\n" +
	"a.pcap\t2\t192.0.2.2\t192.0.2.1\t\t\t80\t999\t\t\t\t\t\t\t100,200\t\n" +
	"a.pcap\t3\t192.0.2.2\t192.0.2.1\t\t\t\t\t53\t999\t\t\t\t\t\t\t0x0007\t1\ta.b.jp\t1\t0\t192.0.2.9,192.0.2.10\t\t\t\t\n" +
	"a.pcap\t4\t10.0.0.1,192.0.2.1\t10.0.0.2,192.0.2.2\t\t\t999\t443\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\th\th2,http/1.1\taa\n" +
	"b.pcap\t1\t192.0.2.2\t192.0.2.1\t\t\t80\t999\t\t\t\t\t\t\t404\ttext/html; charset=utf-8\n" +
	"b.pcap\t2\t192.0.2.1\t192.0.2.2\t\t\t\t\t999\t53\t\t\t\t\t\t\t7\t0\t\t\t\t\t\t\t\t\n" +
	"b.pcap\t3\t192.0.2.1\t239.255.255.250\t\t\t\t\t999\t1900\tM-SEARCH\n"

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
	expected := write("expected.tsv", "a.pcap\tconn.log\nc.trace\tmissing.log\n")
	var stdout, stderr bytes.Buffer
	err := run(t.Context(), []string{"-kagami", program, "-dir", dir, "-tshark", write("fields.tsv", fields), "-expected", expected, "-jobs", "1", "-v"}, &stdout, &stderr)
	if err != nil {
		t.Fatal(err, stderr.String())
	}
	out := stdout.String()
	for _, want := range []string{
		"Zeek\tflow\ta.pcap\t" + filepath.Base(dir) + "/conn.log line 2\ttcp 192.0.2.1:999 192.0.2.2:443\tdiffer\tstate: \"SF\", Kagami \"S0\"\n",
		"tshark\tHTTP response\tb.pcap\tframe 1\ttcp 192.0.2.1:999 192.0.2.2:80\tdiffer\tstatus: \"404\", Kagami \"200\"\n",
		"tshark\tDNS message\tb.pcap\tframe 2\tudp 192.0.2.1:999 192.0.2.2:53\tmissing\tid \"7\", sort \"query\"\n",
		"3 captures\n",
		"tshark   HTTP request   1         1      0       0        1      100.00 %\n",
		"tshark   HTTP response  3         2      1       0        1      66.66 %\n",
		"tshark   DNS message    2         1      0       1        1      50.00 %\n",
		"tshark   TLS handshake  1         1      0       0        1      100.00 %\n",
		"tshark   HTTP response  content type          1         1      100.00 %\n",
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
		{zeekName(`a\x2eb\x`), "a.b\\x"},
		{typeName("1"), "A"}, {typeName("0"), "TYPE0"}, {typeName("11"), "WKS"}, {typeName("65280"), "TYPE65280"}, {typeName("x"), "x"},
		{rcodeName("3"), "NXDOMAIN"}, {rcodeName("99"), "99"},
		{headerRCode("BADVERS"), "NOERROR"}, {headerRCode("REFUSED"), "REFUSED"}, {headerRCode("RCODE12"), "RCODE12"},
		{hostName("h:80"), "h"}, {hostName("h"), "h"}, {hostName("[::1]:80"), "::1"},
		{decoded("/a%20b%zz%4"), "/a b%zz%4"},
		{unescape(`a\tb\\`), "a\tb\\\\"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
