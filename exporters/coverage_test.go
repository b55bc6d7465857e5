package exporters

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"kagami/packet"
	"kagami/records"
)

// coverageFile is made by TestCoverage. To make it anew:
//
//	UPDATE=1 go test ./exporters -run TestCoverage
const coverageFile = "../docs/COVERAGE.md"

// TestCoverage holds every field of Zeek's logs and Suricata's events against
// ours: a field has a place in our records, which is filled, or a reason why not.
func TestCoverage(t *testing.T) {
	w := writeAll(t)
	zeek, eve := coverageOf(t, zeekCoverage), coverageOf(t, eveCoverage)
	for i := range zeek {
		w.checkZeek(t, &zeek[i])
	}
	for i := range eve {
		w.checkEVE(t, &eve[i])
	}
	w.checkComplete(t, zeek, eve)
	got := document(zeek, eve)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(coverageFile, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if b, err := os.ReadFile(coverageFile); err != nil || string(b) != got {
		t.Errorf("%s is not up to date (%v): UPDATE=1 go test ./exporters -run TestCoverage", coverageFile, err)
	}
}

// section is a log of Zeek's or an event of Suricata's.
type section struct {
	name   string
	kinds  []string // of records that have its fields
	fields []covered
}

type covered struct {
	name    string
	ours    []string // ECS names, or Go fields of package records
	note    string   // remark, or the reason why there is nothing
	written bool     // our own export has it
}

func coverageOf(t *testing.T, text string) (out []section) {
	t.Helper()
	for line := range strings.Lines(strings.TrimSpace(text)) {
		line = strings.TrimSpace(line)
		switch head, isHead := strings.CutPrefix(line, "# "); {
		case line == "":
		case isHead:
			name, kinds, titled := strings.Cut(head, ": ")
			if !titled {
				name, kinds, _ = strings.Cut(head, " ")
			}
			out = append(out, section{name: name, kinds: strings.Fields(kinds)})
		default:
			out[len(out)-1].fields = append(out[len(out)-1].fields, fieldOf(t, line))
		}
	}
	return out
}

func fieldOf(t *testing.T, line string) covered {
	if name, why, ok := strings.Cut(line, " ! "); ok {
		return covered{name: name, note: why}
	}
	name, rest, ok := strings.Cut(line, " = ")
	ours, note, _ := strings.Cut(rest, " | ")
	if !ok || ours == "" {
		t.Fatalf("neither mapping nor reason: %q", line)
	}
	return covered{name: name, ours: strings.Split(ours, ", "), note: note}
}

// written is what records of all kinds make: names and their values.
type written struct {
	ecs  map[string]map[string]bool            // kind, name
	zeek map[string]map[string]map[string]bool // log, column, values
	eve  map[string]map[string]bool            // path, values
}

func writeAll(t *testing.T) *written {
	w := &written{map[string]map[string]bool{}, map[string]map[string]map[string]bool{}, map[string]map[string]bool{}}
	recs := coverageRecords(t)
	for _, r := range recs {
		w.addECS(r)
	}
	for _, l := range allLines(newZeekJSON(Env{}), recs...) {
		var row map[string]json.RawMessage
		if err := json.Unmarshal(l.Text, &row); err != nil {
			t.Fatal(err)
		}
		for name, v := range row {
			if w.zeek[l.Log] == nil {
				w.zeek[l.Log] = map[string]map[string]bool{}
			}
			add(w.zeek[l.Log], name, string(v))
		}
	}
	for _, l := range allLines(newEVE(Env{}), recs...) {
		var event map[string]any
		if err := json.Unmarshal(l.Text, &event); err != nil {
			t.Fatal(err)
		}
		w.addEVE("", event)
	}
	return w
}

// coverageRecords are records in which every field has a value in one at least.
func coverageRecords(t *testing.T) []records.Record {
	var all []records.Record
	for i, proto := range []uint8{packet.ProtoTCP, packet.ProtoUDP, packet.ProtoICMP} {
		for j, bits := range []uint16{0xffff, 0xfffe, 0xaaaa, 2, 1, 0} {
			m := between(proto, "192.168.100.5:58461", "23.23.1.2:443")
			m.At, m.UID, m.CommunityID, m.ClientZone, m.ServerZone = int64(i+1)*1e18+int64(j)*1e15, uint64(10*i+j+1), "1:x", "a", "b"
			m.ClientMAC, m.ServerMAC, m.VLANs, m.VLAN = [6]byte{2}, [6]byte{4}, 2, [2]uint16{5, 6}
			m.Tunnel = packet.Tunnel{Kind: packet.GRE, Depth: 1, ID: 7, Src: netip.MustParseAddr("10.0.0.1").As16(), Dst: netip.MustParseAddr("10.0.0.2").As16()}
			m.ClientInternal = j%2 == 0
			for _, s := range []string{"dns", "mdns", "llmnr", "smtp", "pop3", "a:8080", "bytes 0-1/2"} {
				all = append(all, filled(m, []string{s, "2"}, bits)...)
			}
		}
	}
	for _, typ := range []string{"A", "AAAA", "CNAME", "MX", "NS", "PTR", "TXT", "SOA", "SRV", "SSHFP", "X"} {
		for _, protocol := range []string{"dns", "mdns", "llmnr"} {
			data := map[string]string{"SOA": "a. b. 1 2 3 4 5", "SRV": "1 2 3 a.", "SSHFP": "1 2 AB"}[typ]
			if data == "" {
				data = "a"
			}
			a := []records.Answer{{Name: "a", Type: typ, TTL: 1, Data: data}}
			all = append(all, dnsAnswer(t, func(r *records.DNS) { r.Protocol, r.Answers, r.Authorities, r.Additionals = protocol, a, a, a }))
		}
	}
	mail := mailRecord(t)
	mail.Header.XOriginatingIP = "[192.0.2.1]"
	return append(append(all, mail), sample(t)...)
}

func (w *written) addECS(r records.Record) {
	kind, prefix := r.Meta().Kind.String(), ""
	if w.ecs[kind] == nil {
		w.ecs[kind] = map[string]bool{}
	}
	for _, f := range records.Plain(r.AppendFields(nil)) {
		switch f.Type {
		case records.Begin, records.Next:
			prefix = f.Name + "[]."
		case records.End:
			prefix = ""
		default:
			w.ecs[kind][prefix+f.Name] = true
		}
	}
}

func (w *written) addEVE(path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			w.addEVE(strings.TrimPrefix(path+"."+name, "."), inner)
		}
	case []any:
		for _, inner := range v {
			if _, object := inner.(map[string]any); object {
				w.addEVE(path+"[]", inner)
			} else {
				add(w.eve, path, fmt.Sprint(inner))
			}
		}
	default:
		add(w.eve, path, fmt.Sprint(v))
	}
}

func add(to map[string]map[string]bool, name, value string) {
	if to[name] == nil {
		to[name] = map[string]bool{}
	}
	to[name][value] = true
}

// checkOurs: the names are filled by records of the section's kinds.
func (w *written) checkOurs(t *testing.T, s *section, c *covered) {
	for _, name := range c.ours {
		if typ, field, ok := strings.Cut(name, "."); ok && typ[0] >= 'A' && typ[0] <= 'Z' {
			if _, has := goTypes[typ].FieldByName(field); !has {
				t.Errorf("%s %s: no Go field %s", s.name, c.name, name)
			}
			continue
		}
		if !slices.ContainsFunc(s.kinds, func(k string) bool { return w.ecs[k][name] }) {
			t.Errorf("%s %s: no record of %v has %s", s.name, c.name, s.kinds, name)
		}
	}
}

var goTypes = map[string]reflect.Type{"DNS": reflect.TypeFor[records.DNS](), "TLS": reflect.TypeFor[records.TLS](), "Certificate": reflect.TypeFor[records.Certificate]()}

func (w *written) checkZeek(t *testing.T, s *section) {
	for i := range s.fields {
		c := &s.fields[i]
		values := w.zeek[s.name][c.name]
		c.written = len(values) > 0
		w.check(t, s, c, values, zeekHas(s.name, c.name))
	}
}

func zeekHas(log, column string) bool {
	for _, l := range zeekLogs {
		for _, f := range strings.Fields(l.columns) {
			if name, _, _ := strings.Cut(f, ":"); l.name == log && name == column {
				return true
			}
		}
	}
	return false
}

func (w *written) checkEVE(t *testing.T, s *section) {
	for i := range s.fields {
		c := &s.fields[i]
		values := map[string]bool{}
		for path, v := range w.eve {
			if c.matches(path) {
				for x := range v {
					values[x] = true
				}
			}
		}
		c.written = len(values) > 0
		w.check(t, s, c, values, c.written)
	}
}

func (c *covered) matches(path string) bool {
	prefix, wild := strings.CutSuffix(c.name, "*")
	return path == c.name || wild && strings.HasPrefix(path, prefix)
}

// check: what has a mapping is filled where our export has a place for it; what
// has none is nothing but a constant there. What our export leaves out has a note.
func (w *written) check(t *testing.T, s *section, c *covered, values map[string]bool, place bool) {
	switch {
	case len(c.ours) == 0:
		if c.note == "" || len(values) > 1 {
			t.Errorf("%s %s: no mapping, and yet written: %d values", s.name, c.name, len(values))
		}
		return
	case place && len(values) == 0 && !strings.HasPrefix(c.note, "unset: "):
		t.Errorf("%s %s: never written", s.name, c.name)
	}
	w.checkOurs(t, s, c)
}

// checkComplete: what our own exports write is in the tables.
func (w *written) checkComplete(t *testing.T, zeek, eve []section) {
	for _, s := range zeek {
		for name := range w.zeek[s.name] {
			if name != "_path" && !slices.ContainsFunc(s.fields, func(c covered) bool { return c.name == name }) {
				t.Errorf("%s.log: column %s is in no table", s.name, name)
			}
		}
	}
	for path := range w.eve {
		if strings.HasPrefix(path, "alert.") || strings.HasPrefix(path, "stats.") { // ours
			continue
		}
		found := false
		for _, s := range eve {
			found = found || slices.ContainsFunc(s.fields, func(c covered) bool { return c.matches(path) })
		}
		if !found {
			t.Errorf("EVE: %s is in no table", path)
		}
	}
}

func document(zeek, eve []section) string {
	var b strings.Builder
	b.WriteString(`# Coverage

Every field of Zeek's logs and of Suricata's EVE events, and where Kagami has it: under its name in the ECS records (records.jsonl), or, where that begins with a capital letter, in the Go field of package records that only some formats write. "–" is followed by the reason. The third column tells whether Kagami's own export in that form has the field. Made by a test (exporters/coverage_test.go), which fills every record and fails if a name is not written.

`)
	summary(&b, "Zeek", zeek)
	summary(&b, "Suricata", eve)
	for _, s := range zeek {
		s.table(&b, "Zeek: "+s.name+".log", "Zeek", "zeek")
	}
	for _, s := range eve {
		s.table(&b, "Suricata: "+s.name, "EVE", "eve")
	}
	return b.String()
}

func summary(b *strings.Builder, name string, sections []section) {
	all, ours, exported := 0, 0, 0
	for _, s := range sections {
		for _, c := range s.fields {
			all++
			ours += one(len(c.ours) > 0)
			exported += one(c.written)
		}
	}
	fmt.Fprintf(b, "%s: %d fields in the tables, %d with a place in the records, %d in Kagami's own export of that form.\n\n", name, all, ours, exported)
}

func (s *section) table(b *strings.Builder, title, theirs, format string) {
	fmt.Fprintf(b, "## %s\n\n| %s | Kagami | in %s | |\n|---|---|---|---|\n", title, theirs, format)
	for _, c := range s.fields {
		ours, exported := "–", ""
		if len(c.ours) > 0 {
			ours = strings.Join(c.ours, ", ")
		}
		if c.written {
			exported = "yes"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", c.name, ours, exported, c.note)
	}
	b.WriteString("\n")
}
