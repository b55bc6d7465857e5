package exporters

import (
	"encoding/csv"
	"encoding/json"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kagami/packet"
	"kagami/records"
)

const sentinelDir = "../configs/siem/sentinel/"

// siemTable is a shipped CSV file: its rows by their first column.
func siemTable(t *testing.T, path string) map[string][]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	table := map[string][]string{}
	for _, r := range rows[1:] {
		if table[r[0]] != nil {
			t.Errorf("%s: %q stands there twice", path, r[0])
		}
		table[r[0]] = r
	}
	return table
}

// everyRecord is sample and what else makes keys of its own: IPv6, volumes beyond 32
// bits, a proxy's legs, failures.
func everyRecord(t *testing.T) []records.Record {
	t.Helper()
	far := func(m *records.Meta) {
		m.Key, m.ClientMAC, m.ServerMAC = between(packet.ProtoTCP, "[2001:db8::5]:40000", "[2001:db8::7]:443").Key, [6]byte{2, 5}, [6]byte{2, 7}
	}
	six := flowRecord(t, func(r *records.Flow) {
		r.Orig.IPBytes, r.Resp.IPBytes = 1<<33, 1<<33
		r.Action, r.Tunnel = "Deny", "tls"
		far(r.Meta())
	})
	busy := httpRecord(t, func(r *records.HTTP) {
		r.Status, r.Odd, r.ForwardedFor, r.Via, r.Location, r.Server = 404, "bad chunk size", "10.1.1.1", "1.1 gw", "http://e.example/", "nginx"
		r.UserAgent, r.Referrer = "Mozilla/5.0 (X11)", "http://e.example/?a=b"
		r.OriginAddr, r.User, r.Magic = netip.MustParseAddrPort("192.0.2.9:80"), "bob", "html"
		r.Meta().Workstations = &records.Workstations{List: []records.Workstation{{Addr: netip.MustParseAddrPort("10.0.0.9:5000"), User: "bob"}}}
	})
	login := authRecord(t)
	login.Result, login.Domain, login.ActingFor, login.Reply = records.AuthFailure, "CORP", "admin", "535 no"
	file := fileRecord(t)
	file.Path, file.Traits, file.Odd, file.FromClient = "/pub/a.exe", []string{"dll"}, "cut", true
	ftp := ftpRecord(t)
	ftp.Command, ftp.From, ftp.Odd = "RNTO", "/pub/old.txt", "long reply"
	denied := httpRecord(t, func(r *records.HTTP) { r.Method, r.Proxied, r.Status = "CONNECT", true, 403 })
	granted, unanswered := authRecord(t), authRecord(t)
	granted.Result, unanswered.Result = records.AuthSuccess, records.AuthUnknown
	socks := socksRecord(t)
	socks.Status = "connection not allowed by ruleset"
	mail := mailRecord(t)
	mail.Status, mail.Reply = 554, "554 no"
	all := append(sample(t), six, busy, login, file, ftp, denied, granted, unanswered, socks, mail)
	for _, r := range all {
		if m := r.Meta(); m.At == 0 {
			m.At = at(t, "2026-11-15T11:59:00.123456")
		}
	}
	return all
}

// keysOf are the keys of CEF's or LEEF's pairs.
func keysOf(pattern string, lines []string) map[string]bool {
	keys := map[string]bool{}
	for _, l := range lines {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(l, -1) {
			keys[m[1]] = true
		}
	}
	return keys
}

// accountedLines are the lines of records of every kind, heartbeats too, as an export
// with an account makes them.
func accountedLines(t *testing.T, format string, recs []records.Record) []string {
	t.Helper()
	a := testAccount(t, t.TempDir())
	x, err := Open(Config{Name: "siem", Format: format, To: "syslog+udp://127.0.0.1:9"}, Env{HostName: siemHost, Version: "1.0", Account: a})
	if err != nil {
		t.Fatal(err)
	}
	m := &memory{Export: x}
	if err := m.Write(slices.DeleteFunc(recs, func(r records.Record) bool { return r.Meta().Kind == records.KindHeartbeat })); err != nil {
		t.Fatal(err)
	}
	if err := a.Beat([]Output{m}, records.NewHeartbeat(records.Meta{At: at(t, "2026-11-15T12:00:00")})); err != nil {
		t.Fatal(err)
	}
	return m.lines
}

// TestSIEMSentinelColumns: columns.csv has every key of our CEF, and no other.
func TestSIEMSentinelColumns(t *testing.T) {
	table := siemTable(t, sentinelDir+"columns.csv")
	var bodies []string
	for _, l := range accountedLines(t, "cef", everyRecord(t)) {
		m := regexp.MustCompile(`^CEF:0(?:\|(?:[^|\\]|\\.)*){6}\|(.*)$`).FindStringSubmatch(l)
		if m == nil {
			t.Fatalf("no CEF: %s", l)
		}
		bodies = append(bodies, m[1])
	}
	keys := keysOf(`(?:^| )(\w+)=`, bodies)
	keys["KagamiKagamiShed"] = true // of a line that was too long
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if table[k] == nil {
			t.Errorf("columns.csv lacks %q", k)
		}
	}
	for k := range table {
		if !keys[k] {
			t.Errorf("columns.csv has %q, which no record bears", k)
		}
	}
	if len(keys) < 60 {
		t.Errorf("only %d keys", len(keys))
	}
}

// TestSIEMSentinelQueries: what the queries take from the table is in columns.csv, the
// header or the function they call, and the expressions fit our stamps.
func TestSIEMSentinelQueries(t *testing.T) {
	columns := map[string]bool{"TimeGenerated": true, "DeviceVendor": true, "DeviceEventClassID": true, "Activity": true}
	for _, r := range siemTable(t, sentinelDir+"columns.csv") {
		columns[r[1]] = true
	}
	files, _ := filepath.Glob(sentinelDir + "*.kql")
	if len(files) < 4 {
		t.Fatalf("%d queries", len(files))
	}
	line := accountedLines(t, "cef", sample(t))[0]
	_, stamp, _ := strings.Cut(line, " kagamiSensor=")
	extensions := "start=1;end=2;kagamiSensor=" + strings.ReplaceAll(stamp, " ", ";") // as the column has them
	for _, f := range files {
		text := regexp.MustCompile(`(?m)//.*$`).ReplaceAllString(readText(t, f), "")
		for _, word := range regexp.MustCompile(`\b(?:Device|Source|Destination|Flex|Request|File|Event|Sent|Received|Receipt|Communication|Additional|Ext)\w*`).FindAllString(text, -1) {
			if !columns[word] && !strings.Contains(readText(t, sentinelDir+"kagami.kql"), word+" =") {
				t.Errorf("%s: %s is no column of ours", f, word)
			}
		}
		for _, m := range regexp.MustCompile(`extract\(@"([^"]+)", 1, AdditionalExtensions\)`).FindAllStringSubmatch(text, -1) {
			if got := regexp.MustCompile(m[1]).FindStringSubmatch(extensions); got == nil || strings.ContainsAny(got[1], "; ") {
				t.Errorf("%s: %s finds %q in %s", f, m[1], got, extensions)
			}
		}
	}
}

// TestSIEMSentinelRule: the data collection rule takes what we send.
func TestSIEMSentinelRule(t *testing.T) {
	var rule struct {
		Properties struct {
			DataSources struct {
				Syslog []struct{ Streams, FacilityNames, LogLevels []string }
			}
			DataFlows []struct{ Streams []string }
		}
	}
	if err := json.Unmarshal([]byte(readText(t, sentinelDir+"dcr.json")), &rule); err != nil {
		t.Fatal(err)
	}
	for _, c := range siemExports(t, sentinelDir+"kagami.toml") {
		if c.Format != "cef" || strings.Contains(c.To, "facility=") {
			t.Errorf("%+v: the rule takes CEF of facility local0", c)
		}
	}
	s := rule.Properties.DataSources.Syslog
	names := map[Severity]string{SeverityInfo: "Info", SeverityWarning: "Warning", SeverityError: "Error"}
	if len(s) != 1 || !slices.Equal(s[0].FacilityNames, []string{"local0"}) || !slices.Equal(s[0].Streams, rule.Properties.DataFlows[0].Streams) {
		t.Fatalf("%+v", rule)
	}
	for _, r := range everyRecord(t) {
		if level := names[severity(r)]; !slices.Contains(s[0].LogLevels, level) {
			t.Errorf("severity %d (%q) is not collected", severity(r), level)
		}
	}
}
