package exporters

import (
	"encoding/json"
	"io"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"kagami/records"
)

// everyKind is an empty record of each kind that bears m.
func everyKind(m records.Meta) []records.Record {
	file, ftp := new(records.File), new(records.FTP)
	file.Stamp(m)
	ftp.Stamp(m)
	return []records.Record{
		records.NewFlow(m), records.NewDNS(m), records.NewHTTP(m), records.NewWebSocket(m), records.NewTLS(m), records.NewQUIC(m), records.NewSOCKS(m),
		records.NewMail(m), records.NewAuth(m), ftp, file, records.NewDHCP(m), records.NewNTP(m), records.NewSSDP(m),
		records.NewIdentity(m, 1), records.NewAlert(m), records.NewStats(m), records.NewHeartbeat(m),
	}
}

func TestEveryKindIsTested(t *testing.T) {
	all := everyKind(records.Meta{})
	if len(all) != int(records.NumKinds) {
		t.Errorf("%d of %d kinds", len(all), records.NumKinds)
	}
	for i, r := range all {
		if r.Meta().Kind != records.Kind(i) {
			t.Errorf("%d is %v", i, r.Meta().Kind)
		}
	}
}

// filled are records of every kind whose fields all have values: strings in turn
// those given, numbers and flags made of bits.
func filled(m records.Meta, s []string, bits uint16) []records.Record {
	m.ClientHost, m.ServerHost, m.Resolved, m.Workstations = new(records.Host), new(records.Host), new(records.Resolved), new(records.Workstations)
	fill(reflect.ValueOf(m.Workstations).Elem(), s, bits, 0)
	fill(reflect.ValueOf(m.ClientHost).Elem(), s, bits, 0)
	fill(reflect.ValueOf(m.ServerHost).Elem(), s, bits, 1)
	fill(reflect.ValueOf(m.Resolved).Elem(), s, bits, 0)
	all := everyKind(m)
	for i, r := range all {
		fill(reflect.ValueOf(r).Elem(), s, bits, i)
	}
	return all
}

// FuzzRecords: whatever the wire puts into a record's strings, each line of the
// formats for analysis is one line that reads back.
func FuzzRecords(f *testing.F) {
	for _, s := range []string{"", "-", "(empty)", "a b", "\n", "\r\nCEF:0|x", `"`, `\`, `a\`, "|", "^", "\t", "=", "a=b c=d", ",", "あ", "\x83e", "\u2028\u2029\u0085", "\x00\x7f\xff",
		"A", "TXT", "SOA", "SRV", "a. b. 1 2 3 4 5", "bytes 0-1/2", "dns", "mdns", "llmnr", "smtp", "pop3", "quic", "AB", "[::1]:8080", "host:80", "TYPE65280", "ACK",
		strings.Repeat("\xe3\x81\x82", 50), strings.Repeat("=\n", 50)} {
		f.Add(s, s, uint16(0xffff), uint8(6))
		f.Add(s, "dns", uint16(0x5555), uint8(17))
		f.Add("smtp", s, uint16(4), uint8(58))
	}
	f.Fuzz(func(t *testing.T, a, b string, bits uint16, proto uint8) {
		m := between(proto, "192.168.100.5:58461", "[2001:db8::5]:443")
		m.At, m.UID, m.CommunityID, m.ClientZone = int64(bits)*1e15, uint64(bits)<<40, a, b
		all := filled(m, []string{a, b}, bits)
		for _, e := range formats {
			check := readers[e.name]
			if check == nil {
				continue
			}
			format := e.open(Env{Location: tokyo, HostName: a, Version: b})
			for _, l := range allLines(format, all...) {
				checkText(t, e.name, string(l.Text))
				check(t, format, l)
			}
		}
	})
}

// allLines are all lines of records in a format.
func allLines(f Format, recs ...records.Record) (out []Line) {
	e := newExport("", f, nil, nil)
	for k := range e.kinds {
		e.kinds[k] = true
	}
	keep := func(l Line, ok bool, more func() (Line, bool)) {
		for ; ok; l, ok = more() {
			l.Text = slices.Clone(l.Text)
			out = append(out, l)
		}
	}
	for _, r := range recs {
		l, ok := e.line(r)
		keep(l, ok, e.more)
	}
	l, ok := e.rest()
	keep(l, ok, e.more)
	return out
}

// checkText: one line, UTF-8, no control octets but the separators.
func checkText(t *testing.T, name, line string) {
	t.Helper()
	if !utf8.ValidString(line) {
		t.Fatalf("%s: not UTF-8: %q", name, line)
	}
	for _, r := range line {
		if r == '\t' && (name == "zeek" || name == "leef1") {
			continue
		}
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' {
			t.Fatalf("%s: control character %U in %q", name, r, line)
		}
	}
}

// readers read a line back as its consumers do.
var readers = map[string]func(*testing.T, Format, Line){
	"eve":       readJSON,
	"zeek-json": readJSON,
	"zeek":      readZeek,
	"cef":       readCEF,
	"leef":      func(t *testing.T, _ Format, l Line) { readLEEF(t, string(l.Text), 6, "^") },
	"leef1":     func(t *testing.T, _ Format, l Line) { readLEEF(t, string(l.Text), 5, "\t") },
}

// readJSON: one object, in which no name stands twice.
func readJSON(t *testing.T, _ Format, l Line) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(l.Text)))
	if err := readValue(d); err != nil {
		t.Fatalf("%v: %s", err, l.Text)
	}
	if _, err := d.Token(); err != io.EOF || l.Text[0] != '{' {
		t.Fatalf("not one object: %s", l.Text)
	}
}

func readValue(d *json.Decoder) error {
	tok, err := d.Token()
	delim, ok := tok.(json.Delim)
	if err != nil || !ok {
		return err
	}
	seen := map[string]bool{}
	for d.More() {
		if delim == '{' {
			key, err := d.Token()
			if err != nil {
				return err
			}
			if seen[key.(string)] {
				return strconv.ErrRange
			}
			seen[key.(string)] = true
		}
		if err := readValue(d); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

var zeekTypes = map[string]*regexp.Regexp{
	"time":     regexp.MustCompile(`^-?\d+\.\d{6}$`),
	"interval": regexp.MustCompile(`^\d+\.\d{6}$`),
	"count":    regexp.MustCompile(`^\d+$`),
	"port":     regexp.MustCompile(`^\d{1,5}$`),
	"bool":     regexp.MustCompile(`^[TF]$`),
	"enum":     regexp.MustCompile(`^[\w:]+$`),
	"string":   regexp.MustCompile(`^.+$`),
}

// readZeek: as many columns as the header has, each of its type.
func readZeek(t *testing.T, f Format, l Line) {
	t.Helper()
	var types []string
	for _, log := range f.(*zeek).logs {
		if log.name == l.Log {
			types = strings.Split(log.types, "\t")
		}
	}
	values := strings.Split(string(l.Text), "\t")
	if len(values) != len(types) {
		t.Fatalf("%s: %d columns, want %d: %q", l.Log, len(values), len(types), l.Text)
	}
	for i, v := range values {
		if v == "-" {
			continue
		}
		list := []string{v}
		typ, inner, ok := strings.Cut(strings.TrimSuffix(types[i], "]"), "[")
		if ok {
			if typ = inner; v == "(empty)" {
				continue
			}
			list = strings.Split(v, ",")
		}
		for _, v := range list {
			if typ == "addr" {
				if _, err := netip.ParseAddr(v); err != nil {
					t.Fatalf("%s: column %d: %v", l.Log, i, err)
				}
			} else if !zeekTypes[typ].MatchString(v) {
				t.Fatalf("%s: column %d is no %s: %q", l.Log, i, typ, v)
			}
		}
	}
}

var (
	headerCEF = regexp.MustCompile(`^CEF:0\|Kagami\|Kagami\|(?:[^|\\]|\\[|\\])+\|(?:[^|\\]|\\[|\\])*\|(?:[^|\\]|\\[|\\])*\|(\d|10)\|`)
	keyCEF    = regexp.MustCompile(`^[A-Za-z0-9]+$`)
	valueCEF  = regexp.MustCompile(`^(?:[^\\=]|\\[\\=nr])*$`)
)

// readCEF: a header of seven fields; then the keys, each before an equals sign that
// is not escaped, none twice.
func readCEF(t *testing.T, _ Format, l Line) {
	t.Helper()
	line := string(l.Text)
	header := headerCEF.FindString(line)
	if header == "" {
		t.Fatalf("header: %q", line)
	}
	seen := map[string]bool{}
	rest, key := line[len(header):], ""
	for i := 0; i < len(rest); i++ {
		if rest[i] == '\\' {
			i++
			continue
		}
		if rest[i] != '=' {
			continue
		}
		value := ""
		next := rest[:i]
		if key != "" {
			at := strings.LastIndexByte(next, ' ')
			if at < 0 {
				t.Fatalf("no blank before %q: %q", next, line)
			}
			value, next = next[:at], next[at+1:]
			if !valueCEF.MatchString(value) {
				t.Fatalf("value of %s: %q", key, value)
			}
		}
		if !keyCEF.MatchString(next) || seen[next] {
			t.Fatalf("key %q: %q", next, line)
		}
		seen[next], key = true, next
		rest, i = rest[i+1:], -1
	}
	if !valueCEF.MatchString(rest) {
		t.Fatalf("value of %s: %q", key, rest)
	}
}

func readLEEF(t *testing.T, line string, fields int, sep string) {
	t.Helper()
	parts := strings.SplitN(line, "|", fields+1)
	if len(parts) != fields+1 || slices.Contains(parts[:fields], "") {
		t.Fatalf("header: %q", line)
	}
	seen := map[string]bool{}
	for _, pair := range strings.Split(parts[fields], sep) {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || !keyCEF.MatchString(key) || seen[key] || value == "" {
			t.Fatalf("pair %q: %q", pair, line)
		}
		seen[key] = true
	}
}
