package exporters

import (
	"encoding/json"
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"kagami/exporters/chain"
)

// Splunk is not to be had here: these tests apply what its files say to lines of every
// kind of record as Splunk's manual says that it does.

const splunkDir = "../configs/siem/splunk/TA-kagami/default/"

// splunkConf is a .conf file: sections of settings.
func splunkConf(t *testing.T, name string) map[string]map[string]string {
	t.Helper()
	conf := map[string]map[string]string{}
	section := ""
	for n, line := range strings.Split(readText(t, splunkDir+name), "\n") {
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			section = strings.TrimSuffix(line[1:], "]")
			conf[section] = map[string]string{}
		default:
			key, value, ok := strings.Cut(line, " = ")
			if _, twice := conf[section][key]; !ok || twice {
				t.Fatalf("%s:%d: %q", name, n+1, line)
			}
			conf[section][key] = value
		}
	}
	return conf
}

// splunkLines are stamped lines of every kind by their sourcetype.
func splunkLines(t *testing.T) map[string][]string {
	return map[string][]string{"kagami:ecs": accountedLines(t, "ecs", everyRecord(t)), "kagami:cef": accountedLines(t, "cef", everyRecord(t))}
}

// TestSIEMSplunkSettings: every setting is one of Splunk's.
func TestSIEMSplunkSettings(t *testing.T) {
	known := map[string]string{
		"app.conf":           `is_configured|is_visible|label|author|description|version|id`,
		"inputs.conf":        `disabled|index|sourcetype|connection_host|serverCert|requireClientCert|sslVersions`,
		"props.conf":         `CHARSET|SHOULD_LINEMERGE|LINE_BREAKER|EVENT_BREAKER_ENABLE|EVENT_BREAKER|TRUNCATE|TIME_PREFIX|TIME_FORMAT|MAX_TIMESTAMP_LOOKAHEAD|TZ|KV_MODE|(?:SEDCMD|TRANSFORMS|EXTRACT|REPORT|EVAL)-\w+`,
		"transforms.conf":    `LOOKAHEAD|REGEX|DEST_KEY|FORMAT|SOURCE_KEY`,
		"eventtypes.conf":    `search`,
		"tags.conf":          `\w+`,
		"limits.conf":        `extraction_cutoff|maxchars|limit`,
		"savedsearches.conf": `search|dispatch\.(?:index_)?(?:earliest|latest)(?:_time)?|cron_schedule|enableSched|disabled|alert\.(?:track|suppress(?:\.period|\.fields)?)|counttype|relation|quantity`,
	}
	files, _ := filepath.Glob(splunkDir + "*.conf")
	if len(files) != len(known) {
		t.Errorf("%d files, want %d", len(files), len(known))
	}
	for _, f := range files {
		name := filepath.Base(f)
		setting := regexp.MustCompile("^(?:" + known[name] + ")$")
		for section, settings := range splunkConf(t, name) {
			for key := range settings {
				if !setting.MatchString(key) {
					t.Errorf("%s [%s]: %s", name, section, key)
				}
			}
		}
	}
	transforms := splunkConf(t, "transforms.conf")
	for section, settings := range splunkConf(t, "props.conf") {
		for key, value := range settings {
			if (strings.HasPrefix(key, "TRANSFORMS-") || strings.HasPrefix(key, "REPORT-")) && transforms[value] == nil {
				t.Errorf("[%s] %s: no transform %q", section, key, value)
			}
		}
	}
	types := splunkConf(t, "eventtypes.conf")
	for section := range splunkConf(t, "tags.conf") {
		if types[strings.TrimPrefix(section, "eventtype=")] == nil {
			t.Errorf("tags.conf [%s]: no such event type", section)
		}
	}
}

// TestSIEMSplunkIndexing: a stream of lines, behind syslog headers or not, breaks into
// the records as they were sent, with their times and their sensor as host.
func TestSIEMSplunkIndexing(t *testing.T) {
	props, transforms := splunkConf(t, "props.conf"), splunkConf(t, "transforms.conf")
	layouts := map[string]func(string) (time.Time, error){
		"%Y-%m-%dT%H:%M:%S.%9NZ": func(s string) (time.Time, error) { return time.Parse("2006-01-02T15:04:05.999999999Z", s) },
		"%s%3N": func(s string) (time.Time, error) {
			n, err := strconv.ParseInt(s, 10, 64)
			return time.UnixMilli(n), err
		},
	}
	for sourcetype, lines := range splunkLines(t) {
		p := props[sourcetype]
		for _, header := range []string{"", "<134>1 2026-11-15T12:00:00.123456Z " + siemHost + " kagami - flow - ", `<131>1 2026-11-15T12:00:00.123456Z ` + siemHost + ` kagami - alert [kagami@32473 boot="5f0c" seq="7"] `} {
			var stream strings.Builder
			for _, l := range lines {
				stream.WriteString(header + l + "\n")
			}
			events := regexp.MustCompile(p["LINE_BREAKER"]).Split(strings.TrimSuffix(stream.String(), "\n"), -1)
			if len(events) != len(lines) {
				t.Fatalf("%s: %d events of %d lines", sourcetype, len(events), len(lines))
			}
			for i, event := range events {
				if truncate, _ := strconv.Atoi(p["TRUNCATE"]); len(event) > truncate {
					t.Errorf("%d octets are cut at %d", len(event), truncate)
				}
				at := regexp.MustCompile(p["TIME_PREFIX"]).FindStringIndex(event)
				if at == nil {
					t.Fatalf("no TIME_PREFIX in %s", event)
				}
				ahead, _ := strconv.Atoi(p["MAX_TIMESTAMP_LOOKAHEAD"])
				got, err := layouts[p["TIME_FORMAT"]](event[at[1] : at[1]+ahead])
				if want := timeOf(t, lines[i]); err != nil || !got.Equal(want.Truncate(map[string]time.Duration{"kagami:ecs": 1, "kagami:cef": 1e6}[sourcetype])) {
					t.Fatalf("time %v (%v), want %v of %s", got, err, want, lines[i])
				}
				if raw := sed(t, p["SEDCMD-kagami_header"], event); raw != lines[i] {
					t.Fatalf("after SEDCMD:\ngot  %s\nwant %s", raw, lines[i])
				}
				host := transforms[p["TRANSFORMS-kagami_host"]]
				look, _ := strconv.Atoi(host["LOOKAHEAD"])
				if m := regexp.MustCompile(host["REGEX"]).FindStringSubmatch(event[:min(len(event), look)]); m == nil || m[1] != "fw_1" {
					t.Fatalf("host %q of %s", m, event)
				}
			}
		}
	}
}

// timeOf is a line's own time.
func timeOf(t *testing.T, line string) time.Time {
	t.Helper()
	var at time.Time
	if m := regexp.MustCompile(`^\{"@timestamp":"([^"]+)"`).FindStringSubmatch(line); m != nil {
		at, _ = time.Parse(time.RFC3339Nano, m[1])
	} else if m := regexp.MustCompile(`\|rt=(\d+) externalId=`).FindStringSubmatch(line); m != nil {
		n, _ := strconv.ParseInt(m[1], 10, 64)
		at = time.UnixMilli(n)
	}
	if at.IsZero() {
		t.Fatalf("no time in %s", line)
	}
	return at
}

// sed applies s/REGEX/REPLACEMENT/ once.
func sed(t *testing.T, command, text string) string {
	t.Helper()
	part := strings.Split(command, "/")
	if len(part) != 4 || part[0] != "s" || part[3] != "" {
		t.Fatalf("SEDCMD %q", command)
	}
	re := regexp.MustCompile(part[1])
	if loc := re.FindStringIndex(text); loc != nil {
		return text[:loc[0]] + part[2] + text[loc[1]:]
	}
	return text
}

// TestSIEMSplunkStamps: number, sensor, start and export come out of every line.
func TestSIEMSplunkStamps(t *testing.T) {
	props := splunkConf(t, "props.conf")
	re := regexp.MustCompile(props["kagami:ecs"]["EXTRACT-kagami_stamp"])
	lines := splunkLines(t)["kagami:ecs"]
	for i, l := range lines {
		m := re.FindStringSubmatch(l)
		if m == nil || m[re.SubexpIndex("kagami_sensor")] != "fw_1" || m[re.SubexpIndex("kagami_export")] != "siem" || m[re.SubexpIndex("kagami_seq")] != strconv.Itoa(i+1) || len(m[re.SubexpIndex("kagami_tag")]) != 16 {
			t.Fatalf("%q of %s", m, l)
		}
	}
}

// splunkFields are the names that KV_MODE = json gives to a line's fields.
func splunkFields(t *testing.T, line string) map[string]bool {
	t.Helper()
	fields := map[string]bool{}
	var walk func(prefix string, v any)
	walk = func(prefix string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, inner := range v {
				walk(strings.TrimPrefix(prefix+"."+k, "."), inner)
			}
		case []any:
			for _, inner := range v {
				walk(prefix+"{}", inner)
			}
		default:
			fields[prefix] = true
		}
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(line), &object); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	walk("", object)
	return fields
}

// cefFields are the fields of a CEF line as the extractions of props.conf make them,
// read here without them.
func cefFields(t *testing.T, line string) map[string]string {
	t.Helper()
	fields := map[string]string{}
	m := regexp.MustCompile(`^CEF:0((?:\|(?:[^|\\]|\\.)*){6})\|(.*)$`).FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("no CEF: %s", line)
	}
	body := m[2]
	for body != "" { // from the end: the last " key=" that is not escaped begins the last pair
		at := regexp.MustCompile(`(?:^| )(\w+)=`).FindAllStringSubmatchIndex(body, -1)
		last := at[len(at)-1]
		fields[body[last[2]:last[3]]] = body[last[1]:]
		body = body[:last[0]]
	}
	return fields
}

// TestSIEMSplunkCEF: the generic extraction finds every pair of every line with its
// value. It looks ahead, which Go's expressions cannot: Perl applies it, as PCRE does.
func TestSIEMSplunkCEF(t *testing.T) {
	perl, err := exec.LookPath("perl")
	if err != nil {
		t.Skip("needs perl, for an expression that looks ahead")
	}
	pairs := splunkConf(t, "transforms.conf")["kagami_cef_pairs"]
	header := regexp.MustCompile(splunkConf(t, "props.conf")["kagami:cef"]["EXTRACT-cef_header"])
	if pairs["SOURCE_KEY"] != "cef_extension" || pairs["FORMAT"] != "$1::$2" {
		t.Fatalf("%v", pairs)
	}
	for _, line := range splunkLines(t)["kagami:cef"] {
		m := header.FindStringSubmatch(line)
		if m == nil || m[header.SubexpIndex("cef_vendor")] != "Kagami" || m[header.SubexpIndex("cef_severity")] == "" {
			t.Fatalf("%q of %s", m, line)
		}
		cmd := exec.Command(perl, "-0777", "-e", `my $re = shift; my $x = <STDIN>; print "$1\t$2\n" while $x =~ /$re/g`, pairs["REGEX"])
		cmd.Stdin = strings.NewReader(m[header.SubexpIndex("cef_extension")])
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, l := range strings.Split(strings.TrimSuffix(string(out), "\n"), "\n") {
			k, v, _ := strings.Cut(l, "\t")
			got[k] = v
		}
		if want := cefFields(t, line); !maps.Equal(got, want) {
			t.Errorf("%s:\ngot  %q\nwant %q", line, got, want)
		}
	}
}

// cim are the fields of the Common Information Model that its dashboards want of each
// kind of event.
var cim = map[string]string{
	"kagami.flow":  "action app bytes bytes_in bytes_out dest dest_ip dest_port direction duration dvc packets packets_in packets_out protocol src src_ip src_port transport vendor_product session_id",
	"kagami.http":  "action bytes bytes_in bytes_out dest http_content_type http_method http_user_agent src status url url_length user vendor_product",
	"kagami.dns":   "answer dest message_type query record_type reply_code src transaction_id transport vendor_product",
	"kagami.auth":  "action app dest src user vendor_product authentication_method",
	"kagami.alert": "app description dest id mitre_technique_id severity signature src type dvc",
}

// TestSIEMSplunkModel: each of these fields is made, of fields that the records have;
// no expression takes a field that no record has.
func TestSIEMSplunkModel(t *testing.T) {
	props := splunkConf(t, "props.conf")
	quoted := regexp.MustCompile(`'([^']+)'`)
	all, kinds := map[string]bool{"kagami_sensor": true}, map[string]map[string]bool{}
	limit, _ := strconv.Atoi(splunkConf(t, "limits.conf")["kv"]["limit"])
	cutoff, _ := strconv.Atoi(splunkConf(t, "limits.conf")["spath"]["extraction_cutoff"])
	for _, line := range splunkLines(t)["kagami:ecs"] {
		fields := splunkFields(t, line)
		if len(fields) > limit || len(line) > cutoff {
			t.Errorf("%d fields in %d octets: Splunk takes %d and %d", len(fields), len(line), limit, cutoff)
		}
		kind := regexp.MustCompile(`"dataset":"([^"]+)"`).FindStringSubmatch(line)[1]
		if kinds[kind] == nil {
			kinds[kind] = map[string]bool{"kagami_sensor": true}
		}
		for f := range fields {
			all[f], kinds[kind][f] = true, true
		}
	}
	for _, f := range templateFields(t) { // fields of records that are not among these
		all[f] = true
	}
	for key, expression := range props["kagami:ecs"] {
		for _, m := range quoted.FindAllStringSubmatch(expression, -1) {
			if strings.HasPrefix(key, "EVAL-") && !all[m[1]] && !all[strings.TrimSuffix(m[1], "{}")] && !all[strings.ReplaceAll(m[1], "{}", "")] {
				t.Errorf("%s: no record has %s", key, m[1])
			}
		}
	}
	for kind, names := range cim {
		for _, name := range strings.Fields(names) {
			expression := props["kagami:ecs"]["EVAL-"+name]
			used := quoted.FindAllStringSubmatch(expression, -1)
			made := expression != "" && len(used) == 0 // a constant
			for _, m := range used {
				made = made || kinds[kind][m[1]]
			}
			if strings.Contains(expression, "kagami_sensor") {
				made = true
			}
			if !made || props["kagami:cef"]["EVAL-"+name] == "" && name != "url_length" && name != "session_id" {
				t.Errorf("%s: %s is made by %q (ECS), %q (CEF)", kind, name, expression, props["kagami:cef"]["EVAL-"+name])
			}
		}
	}
	cef := map[string]bool{"cef_class": true, "cef_name": true, "cef_severity": true, "null": true, "AND": true, "OR": true}
	for _, line := range splunkLines(t)["kagami:cef"] {
		for k := range cefFields(t, line) {
			cef[k] = true
		}
	}
	word := regexp.MustCompile(`"[^"]*"|\b[A-Za-z_]\w*\b(\()?`)
	for key, expression := range props["kagami:cef"] {
		for _, m := range word.FindAllStringSubmatch(expression, -1) {
			if name := m[0]; strings.HasPrefix(key, "EVAL-") && m[1] == "" && name[0] != '"' && !cef[name] {
				t.Errorf("[kagami:cef] %s: no line has %s", key, name)
			}
		}
	}
}

// templateFields are all fields that records can have: those of the index template,
// which another test keeps equal to the records.
func templateFields(t *testing.T) (names []string) {
	t.Helper()
	var template map[string]any
	if err := json.Unmarshal([]byte(readText(t, "../configs/siem/opensearch/index-template.json")), &template); err != nil {
		t.Fatal(err)
	}
	var walk func(prefix string, v any)
	walk = func(prefix string, v any) {
		m, _ := v.(map[string]any)
		if inner, ok := m["properties"].(map[string]any); ok {
			for k, v := range inner {
				walk(strings.TrimPrefix(prefix+"."+k, "."), v)
			}
		} else {
			names = append(names, prefix)
		}
	}
	walk("", template["template"].(map[string]any)["mappings"])
	return names
}

// TestSIEMSplunkSearches: the searches name fields that there are.
func TestSIEMSplunkSearches(t *testing.T) {
	fields := map[string]bool{}
	for _, l := range splunkLines(t)["kagami:ecs"] {
		maps.Copy(fields, splunkFields(t, l))
	}
	for _, conf := range []string{"eventtypes.conf", "savedsearches.conf"} {
		for section, settings := range splunkConf(t, conf) {
			for _, name := range regexp.MustCompile(`\b(?:event|kagami)\.[a-z_.]+`).FindAllString(settings["search"], -1) {
				if name = strings.TrimSuffix(name, "."); !fields[name] && !slices.Contains(strings.Fields("kagami.flow kagami.http kagami.dns kagami.auth kagami.alert kagami.heartbeat"), name) {
					t.Errorf("%s [%s]: no record has %s", conf, section, name)
				}
			}
		}
	}
}

// TestSIEMSplunkExport: what Splunk gives back, as raw lines and as CSV, verifies.
func TestSIEMSplunkExport(t *testing.T) {
	a := testAccount(t, t.TempDir())
	x, err := Open(Config{Name: "siem", Format: "ecs", To: "syslog+udp://127.0.0.1:9"}, Env{HostName: siemHost, Account: a})
	if err != nil {
		t.Fatal(err)
	}
	m := &memory{Export: x}
	beats(t, a, []Output{m}, at(t, "2026-11-15T12:00:00"), 5)
	csv := "\"_raw\"\n"
	for _, l := range m.lines {
		csv += `"` + strings.ReplaceAll(l, `"`, `""`) + "\"\n"
	}
	for name, text := range map[string]string{"raw": strings.Join(m.lines, "\n") + "\n", "csv": csv} {
		if r := check(t, chain.Options{Inputs: []string{"-"}, Stdin: strings.NewReader(text)}); !r.Good() || r.Records != uint64(len(m.lines)) {
			t.Errorf("%s: %d of %d records: %v", name, r.Records, len(m.lines), r.Findings)
		}
	}
}
