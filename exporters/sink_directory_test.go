package exporters

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kagami/records"
)

func openZeekExport(t *testing.T, dir, format string, mode FileMode) *Export {
	t.Helper()
	e, err := Open(Config{Format: format, To: "file://" + dir + "/"}, Env{Location: tokyo, Files: mode})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// A directory gets a file for each log that has a line, with header and footer,
// and at rotation new ones.
func TestDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "zeek")
	e := openZeekExport(t, dir, "zeek", TruncateFiles)
	if err := e.Write([]records.Record{flowRecord(t, nil), dnsRecord(t, nil)}); err != nil {
		t.Fatal(err)
	}
	os.Rename(filepath.Join(dir, "conn.log"), filepath.Join(dir, "conn.1.log"))
	if err := e.Reopen(); err != nil {
		t.Fatal(err)
	}
	if err := e.Write([]records.Record{flowRecord(t, nil)}); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	const line = "1417824675.900000\tC000000000011Aibmd\t192.168.100.5\t58461\t23.23.1.2\t443\ttcp\tssl\t5.003000\t1000\t5000\tSF\tT\tF\t0\t-\t9\t1402\t8\t5320\t-\t6\n"
	want := "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n#open\t2014-12-06-09-11-20\n" +
		"#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tresp_bytes\tconn_state\tlocal_orig\tlocal_resp\tmissed_bytes\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\ttunnel_parents\tip_proto\n" +
		"#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tcount\tcount\tstring\tbool\tbool\tcount\tstring\tcount\tcount\tcount\tcount\tset[string]\tcount\n" +
		line + "#close\t"
	// The sensor's time goes on while a log is open.
	for name, want := range map[string]string{"conn.1.log": want + "2014-12-06-09-11-20\n", "conn.log": want + "2014-12-06-10-03-55\n"} {
		if got := readFile(t, dir, name); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, want)
		}
	}
	dns := readFile(t, dir, "dns.log") // its query waited until the end
	if strings.Count(dns, "#path\tdns\n") != 1 || !strings.Contains(dns, "\tapt.example.com\t") || !strings.HasSuffix(dns, "#close\t2014-12-06-10-03-55\n") {
		t.Errorf("dns.log: %s", dns)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 3 {
		t.Errorf("files: %v", entries)
	}
	if s := e.Stats(); s != (Stats{Made: 3, Sent: 3}) {
		t.Errorf("%+v", s)
	}
}

// Going on at a file's end, a second header tells readers that a new piece begins.
func TestDirectoryAppends(t *testing.T) {
	dir := t.TempDir()
	for _, mode := range []FileMode{TruncateFiles, AppendFiles, AppendFiles} {
		e := openZeekExport(t, dir, "zeek", mode)
		if err := e.Write([]records.Record{flowRecord(t, nil)}); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	got := readFile(t, dir, "conn.log")
	if strings.Count(got, "#fields") != 3 || strings.Count(got, "\tssl\t") != 3 {
		t.Errorf("got %s", got)
	}
}

// JSON has neither header nor footer, and may go to one place as well.
func TestZeekJSONPlaces(t *testing.T) {
	dir := t.TempDir()
	e := openZeekExport(t, dir, "zeek-json", TruncateFiles)
	e.Write([]records.Record{flowRecord(t, nil), httpRecord(t, nil)})
	if err := e.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	conn, http := readFile(t, dir, "conn.log"), readFile(t, dir, "http.log")
	if !strings.HasPrefix(conn, `{"_path":"conn",`) || strings.Count(conn, "\n") != 1 || !strings.HasPrefix(http, `{"_path":"http",`) {
		t.Errorf("conn %s http %s", conn, http)
	}
	var out strings.Builder
	e, err := Open(Config{Format: "zeek-json", To: "stdout:"}, Env{Stdout: &out})
	if err != nil {
		t.Fatal(err)
	}
	e.Write([]records.Record{flowRecord(t, nil), dnsRecord(t, nil)})
	e.Close(context.Background())
	if out.String() == "" || strings.Count(out.String(), "\n") != 2 {
		t.Errorf("got %s", out.String())
	}
}

// A queue around the export writes what was still held back, too.
func TestQueueWritesTheRest(t *testing.T) {
	dir := t.TempDir()
	q := NewQueue(openZeekExport(t, dir, "zeek", TruncateFiles), Limits{Lines: 10, Bytes: 1 << 20}, Drop)
	q.Write([]records.Record{dnsRecord(t, nil), dhcpRecord(t, "DISCOVER", false)})
	if err := q.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"dns.log", "dhcp.log"} {
		if got := readFile(t, dir, name); !strings.Contains(got, "#close") {
			t.Errorf("%s: %s", name, got)
		}
	}
	if s := q.Stats(); s != (Stats{Made: 2, Sent: 2}) {
		t.Errorf("%+v", s)
	}
}

func TestDirectoryThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "conn.log"), 0o700); err != nil {
		t.Fatal(err)
	}
	e := openZeekExport(t, dir, "zeek", TruncateFiles)
	if err := e.Write([]records.Record{flowRecord(t, nil)}); err == nil {
		t.Error("no error")
	}
	if s := e.Stats(); s.Failed != 1 || s.Sent != 0 {
		t.Errorf("%+v", s)
	}
}

func TestPlacesOfManyLogs(t *testing.T) {
	for _, c := range []struct{ format, to, want string }{
		{"zeek", "file:///var/log/kagami/zeek/", ""},
		{"zeek", "file:///var/log/kagami/zeek.log", "want a directory"},
		{"zeek", "stdout:", "want a directory"},
		{"zeek", "syslog+udp://h", "want a directory"},
		{"zeek-json", "file:///var/log/kagami/zeek/", ""},
		{"zeek-json", "file:///var/log/kagami/zeek.json", ""},
		{"zeek-json", "syslog+udp://h", ""},
		{"eve", "file:///var/log/kagami/", "want a file"},
		{"ecs", "file:///var/log/kagami/", "want a file"},
	} {
		err := Config{Format: c.format, To: c.to}.Validate()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s to %s: %v", c.format, c.to, err)
		}
	}
}

func readFile(t *testing.T, parts ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
