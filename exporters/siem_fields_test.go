package exporters

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"kagami/records"
)

// The tests of configs/siem/{wazuh,graylog,vector,fluent-bit}, as far as they go
// without these programs: what the files name is what the records have.

// shipped is a file of configs/siem.
func shipped(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("../configs/siem/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// stampedLines are numbered lines of every kind of record, with heartbeats.
func stampedLines(t *testing.T, format string) []string {
	t.Helper()
	a := testAccount(t, t.TempDir())
	x, err := Open(Config{Format: format, To: "syslog+udp://127.0.0.1:9"}, Env{HostName: "fw1", Account: a})
	if err != nil {
		t.Fatal(err)
	}
	m := &memory{Export: x}
	beats(t, a, []Output{m}, at(t, "2026-11-15T12:00:00"), 2)
	return m.lines
}

// flatten takes a JSON object apart as Wazuh's decoder does: names joined with
// dots, everything a string, lists joined with commas.
func flatten(prefix string, o map[string]any, to map[string]string) {
	for name, v := range o {
		switch v := v.(type) {
		case map[string]any:
			flatten(prefix+name+".", v, to)
		case []any:
			text := ""
			for _, e := range v {
				text += fmt.Sprint(e) + ","
			}
			to[prefix+name] = text
		default:
			to[prefix+name] = fmt.Sprint(v)
		}
	}
}

func flat(t *testing.T, line string) map[string]string {
	t.Helper()
	d, o, fields := json.NewDecoder(strings.NewReader(line)), map[string]any{}, map[string]string{}
	d.UseNumber()
	if err := d.Decode(&o); err != nil {
		t.Fatalf("%v: %.200s", err, line)
	}
	flatten("", o, fields)
	return fields
}

// fieldNames are the names of all fields of all kinds of records.
func fieldNames(t *testing.T) map[string]bool {
	names := map[string]bool{}
	for name := range fieldTypes(t) {
		names[name] = true
	}
	for _, line := range stampedLines(t, "ecs") {
		for name := range flat(t, line) {
			names[name] = true
		}
	}
	return names
}

// TestSIEMFieldNames: every field of ours that a guide or a configuration names exists.
func TestSIEMFieldNames(t *testing.T) {
	names := fieldNames(t)
	underscored := map[string]bool{}
	for name := range names {
		underscored[strings.ReplaceAll(name, ".", "_")] = true
	}
	dotted := regexp.MustCompile(`\b(?:kagami\.(?:alert|export|heartbeat|flow|stats)|event|rule|threat\.technique)\.[a-z_.]*[a-z]\b`)
	joined := regexp.MustCompile(`\b(?:kagami_(?:alert|export|heartbeat)|event|rule)_[a-z_]*[a-z]\b`)
	ours := []string{"event.original", "event.module", "rule.id", "rule.level", "rule.groups", "rule.description", "kagami.alert", "kagami.heartbeat", "kagami.export", "kagami.flow", "kagami.stats", "event_key"}
	for _, name := range []string{"wazuh/kagami_rules.xml", "vector/vector.toml", "vector/kagami.vrl", "graylog/kagami.rule",
		"../../docs/siem/wazuh.md", "../../docs/siem/vector.md", "../../docs/siem/graylog.md", "../../docs/siem/fluent-bit.md",
		"../../docs/siem/elastic.md", "../../docs/siem/opensearch.md", "../../docs/siem/clickhouse.md", "../../docs/siem/kafka.md", "../../docs/siem/nats.md"} {
		text := shipped(t, name)
		for _, f := range dotted.FindAllString(text, -1) {
			if !names[f] && !slices.Contains(ours, f) && !anyStarts(names, f+".") {
				t.Errorf("%s: no record has %s", name, f)
			}
		}
		for _, f := range joined.FindAllString(text, -1) {
			if strings.Contains(name, "graylog") && !underscored[f] && !slices.Contains(ours, f) {
				t.Errorf("%s: no record has %s", name, f)
			}
		}
	}
}

func anyStarts(names map[string]bool, prefix string) bool {
	for n := range names {
		if strings.HasPrefix(n, prefix) {
			return true
		}
	}
	return false
}

// wazuhRule is what our rules use of Wazuh's syntax.
type wazuhRule struct {
	ID      int    `xml:"id,attr"`
	Level   int    `xml:"level,attr"`
	Parent  int    `xml:"if_sid"`
	Decoded string `xml:"decoded_as"`
	Match   string `xml:"match"`
	Regex   struct {
		Type string `xml:"type,attr"`
		Text string `xml:",chardata"`
	} `xml:"regex"`
	Fields []struct {
		Name string `xml:"name,attr"`
		Type string `xml:"type,attr"`
		Text string `xml:",chardata"`
	} `xml:"field"`
	Description string `xml:"description"`
}

// wazuhRules reads a file of rules: each id once, in the range of local rules, each
// parent before its child or one of Wazuh's own.
func wazuhRules(t *testing.T, name string) []wazuhRule {
	var file struct {
		Rules []wazuhRule `xml:"rule"`
	}
	if err := xml.Unmarshal([]byte(shipped(t, name)), &file); err != nil || len(file.Rules) < 8 {
		t.Fatalf("%s: %d rules: %v", name, len(file.Rules), err)
	}
	seen := map[int]bool{530: true, 0: true}
	for _, r := range file.Rules {
		if seen[r.ID] || r.ID < 100700 || r.ID > 100799 || !seen[r.Parent] || r.Level > 16 || r.Description == "" {
			t.Errorf("%s: rule %d", name, r.ID)
		}
		seen[r.ID] = true
	}
	return file.Rules
}

// fires is the rule that a line ends at: from the parents down, siblings in the order
// of their levels, worst first.
func fires(t *testing.T, rules []wazuhRule, parent int, line string, fields map[string]string) int {
	children := slices.DeleteFunc(slices.Clone(rules), func(r wazuhRule) bool { return r.Parent != parent })
	slices.SortStableFunc(children, func(a, b wazuhRule) int { return b.Level - a.Level })
	for _, r := range children {
		if !applies(t, r, line, fields) {
			continue
		}
		if below := fires(t, rules, r.ID, line, fields); below != 0 {
			return below
		}
		return r.ID
	}
	return 0
}

func applies(t *testing.T, r wazuhRule, line string, fields map[string]string) bool {
	for _, f := range r.Fields {
		if f.Type != "pcre2" {
			t.Errorf("rule %d: field %s is no pcre2", r.ID, f.Name)
		}
		if v, has := fields[f.Name]; !has || !regexp.MustCompile(f.Text).MatchString(v) {
			return false
		}
	}
	if strings.Contains(r.Match, "|") {
		t.Errorf("rule %d: a bar in match means or", r.ID)
	}
	return strings.Contains(line, r.Match) && regexp.MustCompile(r.Regex.Text).MatchString(line) && (r.Decoded == "" || fields != nil)
}

// alertOf is a line of an alert of some rule.
func alertOf(t *testing.T, format, rule, level string) string {
	a := alertRecord(t)
	a.Rule, a.Level = rule, level
	x, err := Open(Config{Format: format, To: "stdout:"}, Env{HostName: "fw1", Stdout: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	return lineOf(t, x.format, a)
}

func beatOf(t *testing.T, change func(*records.Heartbeat)) string {
	h := heartbeatRecord(t)
	h.Lost, h.Dropped, h.Refused = records.Classes{}, records.Tally{}, records.Tally{}
	change(h)
	return lineOf(t, newECS(Env{}), h)
}

// TestWazuhRules: which rule each of our lines ends at.
func TestWazuhRules(t *testing.T) {
	rules := wazuhRules(t, "wazuh/kagami_rules.xml")
	names := fieldNames(t)
	for _, r := range rules {
		for _, m := range regexp.MustCompile(`\$\(([^)]*)\)`).FindAllStringSubmatch(r.Description, -1) {
			if !names[m[1]] {
				t.Errorf("rule %d: no record has %s", r.ID, m[1])
			}
		}
	}
	for _, c := range []struct {
		what, line string
		want       int
	}{
		{"heartbeat", beatOf(t, func(*records.Heartbeat) {}), 100701},
		{"heartbeat after lost alerts", beatOf(t, func(h *records.Heartbeat) { h.Lost[ClassAlert].Since = 3 }), 100702},
		{"heartbeat after refusals", beatOf(t, func(h *records.Heartbeat) { h.Refused.Since = 1 }), 100703},
		{"heartbeat after dropped packets", beatOf(t, func(h *records.Heartbeat) { h.Dropped.Since = 20 }), 100704},
		{"last heartbeat", beatOf(t, func(h *records.Heartbeat) { h.End = true }), 100705},
		{"an alert of a new rule", alertOf(t, "ecs", "new", "high"), 100710},
		{"beacon", alertOf(t, "ecs", "beacon", "alert"), 100711},
		{"beacon, high", alertOf(t, "ecs", "beacon", "high"), 100712},
		{"direct-egress", alertOf(t, "ecs", "direct-egress", "alert"), 100713},
		{"direct-egress, high", alertOf(t, "ecs", "direct-egress", "high"), 100714},
		{"lateral-scan", alertOf(t, "ecs", "lateral-scan", "alert"), 100715},
		{"port-scan, high", alertOf(t, "ecs", "port-scan", "high"), 100718},
		{"drive-by", alertOf(t, "ecs", "drive-by", "alert"), 100719},
		{"executable-download, high", alertOf(t, "ecs", "executable-download", "high"), 100722},
		{"canary", alertOf(t, "ecs", "canary", "watch"), 100730},
		{"evidence-quota", alertOf(t, "ecs", "evidence-quota", "alert"), 100710},
	} {
		if got := fires(t, rules, 0, c.line, flat(t, c.line)); got != c.want {
			t.Errorf("%s: rule %d, want %d", c.what, got, c.want)
		}
	}
	for _, line := range stampedLines(t, "ecs") {
		if n := len(flat(t, line)); n > 200 { // Wazuh reads 256 fields of a line
			t.Errorf("%d fields: %.200s", n, line)
		}
	}
	if got := fires(t, rules, 530, "ossec: output: 'kagami-silent': kagami sensor fw1 is silent: 200 s", map[string]string{}); got != 100790 {
		t.Errorf("silence: rule %d", got)
	}
}

// TestOSSECRules: the same of CEF lines; OSSEC's \| and | are those of Go's patterns.
func TestOSSECRules(t *testing.T) {
	rules := wazuhRules(t, "wazuh/ossec_rules.xml")
	for rule, want := range map[string]int{"beacon": 100711, "direct-egress": 100713, "lateral-scan": 100715, "port-scan": 100715,
		"drive-by": 100719, "executable-download": 100721, "canary": 100710} {
		if got := fires(t, rules, 0, alertOf(t, "cef", rule, "alert"), nil); got != want {
			t.Errorf("%s: rule %d, want %d", rule, got, want)
		}
	}
	if got := fires(t, rules, 0, lineOf(t, newCEF(Env{}), heartbeatRecord(t)), nil); got != 100701 {
		t.Errorf("heartbeat: rule %d", got)
	}
}

// TestWazuhSilence runs the script that tells which sensors are silent.
func TestWazuhSilence(t *testing.T) {
	if out, err := exec.Command("sh", "-c", "date -d @0 +%s && command -v tail grep sed").CombinedOutput(); err != nil {
		t.Skipf("no shell with GNU date: %s", out)
	}
	beat := func(sensor string, ago time.Duration, header string) string {
		h := heartbeatRecord(t)
		h.Meta().At = time.Now().Add(-ago).UnixNano()
		line := lineOf(t, newECS(Env{}), h)
		line = header + line[:len(line)-1] + `,"kagami.export":{"sensor":"` + sensor + `","boot":"5f0c5f0c5f0c5f0c","name":"wazuh","seq":1,"tag":"0000000000000000"}}`
		full, _ := json.Marshal(line)
		return `{"timestamp":"x","rule":{"level":3,"id":"100701"},"full_log":` + string(full) + `,"location":"l"}` + "\n"
	}
	alerts := t.TempDir() + "/alerts.json"
	writeText(t, alerts, beat("fw1", time.Hour, "")+beat("fw2", time.Hour, "")+beat("fw1", time.Minute, "")+beat("fw3", time.Minute, "Nov 22 08:00:00 fw3 kagami: ")+
		`{"full_log":"sshd: other"}`+"\n"+beat("fw2", 4*time.Minute, ""))
	cmd := exec.Command("sh", "../configs/siem/wazuh/kagami-silent.sh", "fw1", "fw2", "fw3")
	cmd.Env = append(os.Environ(), "ALERTS="+alerts)
	out, err := cmd.CombinedOutput()
	if err != nil || !regexp.MustCompile(`^kagami sensor fw2 is silent: 24\d s since its last heartbeat \(2[^ ]*Z\)\n$`).Match(out) {
		t.Errorf("%v: %s", err, out)
	}
}

// TestVectorConfiguration: the file is TOML, what it connects is there, and nothing
// that Kagami sends is longer than it reads.
func TestVectorConfiguration(t *testing.T) {
	var c struct {
		Sources map[string]struct {
			Max int `toml:"max_length"`
		}
		Transforms, Sinks map[string]struct {
			Type   string
			Inputs []string
			File   string
		}
	}
	if _, err := toml.Decode(shipped(t, "vector/vector.toml"), &c); err != nil {
		t.Fatal(err)
	}
	known := []string{"kagami", "records.dropped"}
	for name := range c.Transforms {
		known = append(known, name)
	}
	if len(c.Sources) != 1 || len(c.Sinks) != 3 || len(c.Transforms) != 2 || c.Transforms["records"].File != "/etc/vector/kagami.vrl" {
		t.Errorf("%+v", c)
	}
	for name, part := range c.Sinks {
		for _, in := range part.Inputs {
			if !slices.Contains(known, in) {
				t.Errorf("sink %s reads %s", name, in)
			}
		}
	}
	sent := regexp.MustCompile(`[?&]max=(\d+)`).FindAllStringSubmatch(shipped(t, "vector/kagami.toml"), -1)
	if len(sent) != 2 {
		t.Fatal("kagami.toml says no max=")
	}
	for _, m := range sent {
		if n, _ := strconv.Atoi(m[1]); n >= c.Sources["kagami"].Max {
			t.Errorf("Kagami sends %d octets, Vector reads %d", n, c.Sources["kagami"].Max)
		}
	}
}

// TestFluentBitParsers: the pattern finds the line behind each header that the
// syslog place writes, whole; the time's form fits.
func TestFluentBitParsers(t *testing.T) {
	text := shipped(t, "fluent-bit/parsers.conf")
	m := regexp.MustCompile(`(?m)^    Regex +(.*)$`).FindStringSubmatch(text)
	pattern := regexp.MustCompile(m[1])
	sink := openSink(t, "syslog+tcp://127.0.0.1:9?framing=lf", Env{HostName: "fw1", SensorID: "fw1", BootID: "5f0c"}).(*syslogSink)
	for i, text := range stampedLines(t, "ecs") {
		line := Line{Text: []byte(text), At: at(t, "2026-11-15T12:00:00"), Seq: uint64(i % 2), Severity: SeverityInfo} // 0: without structured data
		header, rest := sink.message.append(nil, &line)
		message := string(header) + string(rest)
		got := pattern.FindStringSubmatch(message)
		if got == nil || got[pattern.SubexpIndex("log")] != text || got[pattern.SubexpIndex("time")] != "2026-11-15T12:00:00.000000Z" {
			t.Fatalf("not found in %.300s", message)
		}
	}
}
