package chain

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// minute is the interval of the tests' heartbeats.
const minute = int64(time.Minute)

// t0 is when the tests' sensors start.
var t0 = time.Date(2026, 11, 15, 12, 0, 0, 0, time.UTC).UnixNano()

func testKey(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

// form is how a format's lines bear their stamps.
type form struct {
	name  string
	line  func(i int) string       // the line before it is stamped
	beat  func(text string) string // the same of a heartbeat
	stamp func(s *Stamper, line []byte, at int) []byte
	sep   byte
	wrap  func(line string) string // what the way does to it
}

func jsonLine(i int) string {
	return fmt.Sprintf(`{"@timestamp":"2026-11-15T12:00:%02d.000000001Z","url":{"original":"http://a.example/?q={%d}"},"user_agent":"x \"y\" \\","n":%d}`, i%60, i, i)
}
func jsonBeat(text string) string {
	return `{"event":{"kind":"metric"},"kagami":{"heartbeat":{"text":"` + text + `"}}}`
}

func asString(line string) string {
	b, _ := json.Marshal(map[string]any{"_id": "1", "message": line, "z": 1})
	return string(b)
}

func header(line string) string { return "<134>1 2026-11-15T12:00:00Z fw1 kagami - flow - " + line }

var forms = []form{
	{"json", jsonLine, jsonBeat, (*Stamper).JSON, ' ', nil},
	{"json behind a syslog header", jsonLine, jsonBeat, (*Stamper).JSON, ' ', header},
	{"json behind a header with braces", jsonLine, jsonBeat, (*Stamper).JSON, ' ', func(l string) string { return `<134>1 - h a - - [x@1 y="{"] ` + l }},
	{"json within _source", jsonLine, jsonBeat, (*Stamper).JSON, ' ', func(l string) string { return `{"_index":"k","_source":` + l + `,"sort":[1]}` }},
	{"json last in another", jsonLine, jsonBeat, (*Stamper).JSON, ' ', func(l string) string { return `{"_index":"k","_source":` + l + `}` }},
	{"json as a string", jsonLine, jsonBeat, (*Stamper).JSON, ' ', asString},
	{"json as a string of a string", jsonLine, jsonBeat, (*Stamper).JSON, ' ', func(l string) string { return asString(asString(header(l))) }},
	{"json in csv", jsonLine, jsonBeat, (*Stamper).JSON, ' ', func(l string) string { return `"a,b",1,"` + strings.ReplaceAll(l, `"`, `""`) + `",x` }},
	{"json with CR", jsonLine, jsonBeat, (*Stamper).JSON, ' ', func(l string) string { return l + "\r" }},
	{"cef", func(i int) string {
		return fmt.Sprintf(`CEF:0|Kagami|Kagami|1|flow-end|Network flow|1|rt=%d request=http://a/?b\=%d`, i, i)
	},
		func(text string) string { return `CEF:0|Kagami|Kagami|1|heartbeat|Heartbeat|1|kagamiHeartbeat=` + text }, (*Stamper).Pairs, ' ', header},
	{"leef", func(i int) string {
		return fmt.Sprintf(`LEEF:2.0|Kagami|Kagami|1|flow-end|^|devTime=%d^url=kagamiSensor=x%d`, i, i)
	},
		func(text string) string { return `LEEF:2.0|Kagami|Kagami|1|heartbeat|^|heartbeat=` + text }, (*Stamper).Pairs, '^', header},
	{"leef1 as a string", func(i int) string { return fmt.Sprintf("LEEF:1.0|Kagami|Kagami|1|flow-end|devTime=%d\turl=%d", i, i) },
		func(text string) string { return "LEEF:1.0|Kagami|Kagami|1|heartbeat|heartbeat=" + text }, (*Stamper).Pairs, '\t', asString},
	{"structured data", func(i int) string {
		return fmt.Sprintf("1794791527.%03d 286 10.0.0.23 TCP_MISS/200 %d GET http://a.example/ - - -", i%1000, i)
	},
		func(text string) string { return text }, (*Stamper).Structured, ' ', func(l string) string { return "<134>1 2026-11-15T12:00:00Z fw1 kagami - http " + l }},
	{"structured data and a relay's", func(i int) string { return fmt.Sprintf("[%d] line", i) },
		func(text string) string { return text }, (*Stamper).Structured, ' ', func(l string) string {
			return "<134>1 - fw1 kagami - http " + strings.Replace(l, "] ", `][origin ip="::1"] `, 1)
		}},
}

// sensor plays one export of a sensor.
type sensor struct {
	form     form
	key      ed25519.PrivateKey
	name     string
	start    uint64
	at       int64
	previous Mark
	lost     int
	also     func() []Mark
	uptime   time.Duration // said if it is not 0
	chain    *Chain
	stamper  *Stamper
	n        uint64
	i        int
	lines    []string
}

func newSensor(f form) *sensor {
	s := &sensor{form: f, key: testKey(1), name: "siem", at: t0}
	s.boot()
	return s
}

func (s *sensor) boot() {
	s.start++
	s.n = 0
	s.chain = New(Stream{"fw1", fmt.Sprintf("%016x", 0xb007<<8|s.start), s.name}, true)
	s.stamper = NewStamper(s.chain, s.form.sep)
}

func (s *sensor) put(line string) {
	b := s.form.stamp(s.stamper, []byte("before"+line), len("before"))
	line = string(b[len("before"):])
	if s.form.wrap != nil {
		line = s.form.wrap(line)
	}
	s.lines = append(s.lines, line)
}

func (s *sensor) records(n int) *sensor {
	for range n {
		s.i++
		s.put(s.form.line(s.i))
	}
	return s
}

func (s *sensor) claim(end bool) []byte {
	s.n++
	s.at += minute
	c := Claim{Stream: s.chain.Stream(), Start: s.start, N: s.n, At: s.at, Every: time.Minute, Previous: s.previous, End: end,
		Facts: []Fact{{"packets", "17"}, {"lost", fmt.Sprintf("0,0,%d,0", s.lost)}}}
	if s.also != nil {
		c.Also = s.also()
	}
	if s.uptime > 0 {
		s.uptime += time.Minute
		c.Facts = append(c.Facts, Fact{"uptime", s.uptime.String()})
	}
	c.First, c.Last, c.Digest = s.chain.Cut()
	text := c.AppendSigned(nil, s.key)
	s.previous = Mark{Boot: c.Boot, N: c.N, Hash: HashClaim(text)}
	return text
}

func (s *sensor) beat() *sensor { s.put(s.form.beat(string(s.claim(false)))); return s }
func (s *sensor) stop() *sensor { s.put(s.form.beat(string(s.claim(true)))); return s }

// minutes makes n heartbeats with ten records before each.
func (s *sensor) minutes(n int) *sensor {
	for range n {
		s.records(10).beat()
	}
	return s
}

func write(t *testing.T, dir, name string, lines []string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	text := strings.Join(lines, "\n")
	if len(lines) > 0 {
		text += "\n"
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func verify(t *testing.T, o Options) *Report {
	t.Helper()
	o.TempDir = t.TempDir()
	r, err := Verify(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func verifyLines(t *testing.T, lines []string) *Report {
	t.Helper()
	return verify(t, Options{Inputs: []string{write(t, t.TempDir(), "in", lines)}})
}

// said are the findings in short: kind and numbers.
func said(fs []Finding) string {
	var out []string
	for _, f := range fs {
		s := string(f.Kind)
		if f.First > 0 {
			s += fmt.Sprintf(" %d", f.First)
		}
		if f.Last > f.First {
			s += fmt.Sprintf("-%d", f.Last)
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

func wantSaid(t *testing.T, r *Report, want string) {
	t.Helper()
	if got := said(r.Findings); got != want {
		t.Errorf("found %q, want %q", got, want)
		for _, f := range r.Findings {
			t.Log(f.Text("en"), "|", f.Text("ja"))
		}
	}
	for _, f := range slices.Concat(r.Findings, r.Notes) {
		for _, lang := range []string{"en", "ja"} {
			if text := f.Text(lang); text == "" || strings.ContainsAny(text, "{}") {
				t.Errorf("%s in %s: %q", f.Kind, lang, text)
			}
		}
	}
}
