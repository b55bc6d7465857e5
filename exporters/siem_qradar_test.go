package exporters

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const qradarDir = "../configs/siem/qradar/"

// normalized are the keys that QRadar reads without being told.
var normalized = strings.Fields("cat devTime sev src dst srcPort dstPort srcMAC dstMAC proto usrName identSrc identHostName srcBytes dstBytes srcPackets dstPackets totalPackets")

// sourceKeys are the keys that the LEEF format can write, by its source: not every one
// is in a record of each test.
func sourceKeys(t *testing.T) map[string]bool {
	t.Helper()
	keys := map[string]bool{leefHeartbeat: true, "kagamiShed": true}
	for _, k := range strings.Fields("kagamiSensor kagamiBoot kagamiExport kagamiSeq kagamiTag") {
		keys[k] = true
	}
	files, _ := filepath.Glob("format_leef*.go")
	call := regexp.MustCompile(`\bf\.\w+\("(\w+)"`)
	for _, file := range append(files, "stamp_heartbeat.go") {
		within := file != "stamp_heartbeat.go"
		for _, line := range strings.Split(readText(t, file), "\n") {
			if strings.HasPrefix(line, "func ") {
				within = strings.HasPrefix(line, "func (f *leef)")
			}
			for _, m := range call.FindAllStringSubmatch(line, -1) {
				if within {
					keys[m[1]] = true
				}
			}
		}
	}
	return keys
}

// TestSIEMQRadarProperties: properties.csv has every key that needs a custom property,
// and no other; what the page's expression takes from a line is the key's value, and of
// the type that stands there.
func TestSIEMQRadarProperties(t *testing.T) {
	table := siemTable(t, qradarDir+"properties.csv")
	keys := sourceKeys(t)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if own := !slices.Contains(normalized, k); own != (table[k] != nil) {
			t.Errorf("%s: needs a property: %v; in properties.csv: %v", k, own, table[k] != nil)
		}
	}
	names := map[string]bool{}
	for k, r := range table {
		if !keys[k] || names[r[1]] {
			t.Errorf("%s: no key of ours, or its name %q is taken", k, r[1])
		}
		names[r[1]] = true
	}
	seen := map[string]bool{}
	for _, line := range accountedLines(t, "leef", everyRecord(t)) {
		head, body, _ := strings.Cut(line, "|^|")
		pairs := strings.Split(body, "^")
		kind := strings.TrimPrefix(pairs[1], "cat=")
		for _, p := range pairs {
			k, v, _ := strings.Cut(p, "=")
			got := regexp.MustCompile(`[|^]` + k + `=([^^]*)`).FindStringSubmatch(line)
			if got == nil || got[1] != v || !keys[k] {
				t.Errorf("%s of %s: %q, want %q", k, head, got, v)
			}
			if r := table[k]; r != nil {
				wantType(t, k, r[2], v)
				if !slices.Contains(strings.Fields(r[4]), kind) && r[4] != "all" {
					t.Errorf("%s is in %s records, too: %q", k, kind, r[4])
				}
				seen[k] = true
			}
		}
	}
	if len(seen) < 100 {
		t.Errorf("only %d properties were tried", len(seen))
	}
}

func wantType(t *testing.T, key, kind, v string) {
	t.Helper()
	var err error
	switch kind {
	case "Numeric":
		_, err = strconv.ParseFloat(v, 64)
	case "IP":
		_, err = netip.ParseAddr(v)
	case "Port":
		_, err = strconv.ParseUint(v, 10, 16)
	case "Text":
	default:
		t.Errorf("%s: type %q", key, kind)
	}
	if err != nil {
		t.Errorf("%s=%s is no %s", key, v, kind)
	}
}

// TestSIEMQRadarEvents: events.csv has every event id with its category.
func TestSIEMQRadarEvents(t *testing.T) {
	table := siemTable(t, qradarDir+"events.csv")
	for _, line := range accountedLines(t, "leef", everyRecord(t)) {
		f := strings.Split(line, "|")
		category := regexp.MustCompile(`\^cat=([^^]*)`).FindStringSubmatch(line)[1]
		if r := table[f[4]]; r == nil || r[1] != category {
			t.Errorf("event %s, category %s: %q", f[4], category, r)
		}
	}
	ids := map[string]bool{"executable-download": true, "evidence-quota": true}
	for _, m := range regexp.MustCompile(`(?m)^## ([a-z]+(?:-[a-z]+)*)$`).FindAllStringSubmatch(readText(t, "../docs/DETECTIONS.md"), -1) {
		ids[m[1]] = true
	}
	if len(ids) < 7 {
		t.Errorf("only %d rules", len(ids))
	}
	for _, id := range ntpActions {
		ids[id] = true
	}
	for _, m := range regexp.MustCompile(`return "([a-z]+(?:-[a-z]+)*)"`).FindAllStringSubmatch(readText(t, "format_event.go"), -1) {
		if m[1] != "success" && m[1] != "failure" {
			ids[m[1]] = true
		}
	}
	for _, state := range []string{"mail-session", "mail-envelope", "mail-message"} {
		ids[state] = true
	}
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		if table[id] == nil {
			t.Errorf("events.csv lacks %q", id)
		}
	}
	for id, r := range table {
		severity, err1 := strconv.Atoi(r[3])
		category, err2 := strconv.Atoi(r[4])
		if !ids[id] || err1 != nil || err2 != nil || severity < 1 || severity > 10 || category < 1000 {
			t.Errorf("%q: an event of ours: %v", r, ids[id])
		}
	}
}

// TestSIEMQRadarMessage: the header is the one that LEEF's manual shows, and every
// record fits.
func TestSIEMQRadarMessage(t *testing.T) {
	for _, c := range siemExports(t, qradarDir+"kagami.toml") {
		u, err := url.Parse(c.To)
		if err != nil {
			t.Fatal(err)
		}
		o, err := readSyslogURL(u)
		if err != nil || !o.lines || c.Format != "leef" {
			t.Fatalf("%+v: %v", o, err)
		}
		m := newMessage(&o, Env{HostName: siemHost})
		header := regexp.MustCompile(`^<13[1-4]>[A-Z][a-z]{2} [ 1-3]\d \d\d:\d\d:\d\d ` + regexp.QuoteMeta(siemHost) + ` kagami: LEEF:2\.0\|`)
		for _, text := range accountedLines(t, "leef", everyRecord(t)) {
			msg, rest := m.append(nil, &Line{Text: []byte(text), Severity: SeverityInfo, At: at(t, "2026-11-15T12:00:00")})
			if msg = append(msg, rest...); !header.Match(msg) || len(msg) > o.max || strings.ContainsAny(string(msg), "\r\n\t") {
				t.Errorf("%d octets: %q", len(msg), msg)
			}
		}
	}
}

// TestSIEMQRadarInstall: install.sh makes a QID record and a mapping of each event, by
// an API as the manual describes it, and keeps the token off the command line.
func TestSIEMQRadarInstall(t *testing.T) {
	for _, program := range []string{"sh", "curl", "jq"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("install.sh needs %s", program)
		}
	}
	type body struct {
		Type     int    `json:"log_source_type_id"`
		Name     string `json:"name"`
		Severity int    `json:"severity"`
		Category int    `json:"low_level_category_id"`
		ID       string `json:"log_source_event_id"`
		Kind     string `json:"log_source_event_category"`
		Record   int    `json:"qid_record_id"`
	}
	var names []string
	var mapped [][]string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b body
		if err := json.NewDecoder(r.Body).Decode(&b); err != nil || r.Header.Get("SEC") != "s3cret" || b.Type != 4001 {
			http.Error(w, "no", http.StatusUnprocessableEntity)
			return
		}
		w.WriteHeader(http.StatusCreated)
		switch r.URL.Path {
		case "/api/data_classification/qid_records":
			names = append(names, fmt.Sprintf("%s,%d,%d", b.Name, b.Severity, b.Category))
			fmt.Fprintf(w, `{"id": %d, "qid": %d}`, len(names), 1002750000+len(names))
		case "/api/data_classification/dsm_event_mappings":
			mapped = append(mapped, []string{b.ID, b.Kind, names[b.Record-1]})
			fmt.Fprint(w, `{"id": 1}`)
		}
	}))
	defer server.Close()
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	writeText(t, token, "s3cret\n")
	writeText(t, dir+"/install.sh", readText(t, qradarDir+"install.sh"))
	some := strings.SplitAfter(readText(t, qradarDir+"events.csv"), "\n")[:6] // each takes four programs
	writeText(t, dir+"/events.csv", strings.Join(some, ""))
	if out, err := exec.Command("sh", dir+"/install.sh", server.URL, token, "4001").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	table := siemTable(t, qradarDir+"events.csv")
	for _, m := range mapped {
		if r := table[m[0]]; r == nil || m[1] != r[1] || m[2] != strings.Join(r[2:], ",") {
			t.Errorf("mapped %q, want %q", m, r)
		}
	}
	if len(mapped) != len(some)-1 {
		t.Errorf("%d events mapped, want %d", len(mapped), len(some)-1)
	}
}
