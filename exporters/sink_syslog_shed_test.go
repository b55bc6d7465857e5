package exporters

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"kagami/exporters/chain"
	"kagami/records"
)

// longRecords are records with more than a message has room for.
func longRecords(t *testing.T, text string) []records.Record {
	var many []string
	for i := range 60 {
		many = append(many, fmt.Sprintf("%d %s", i, text))
	}
	alert := alertRecord(t)
	alert.Evidence = many
	return append(sample(t), alert,
		dnsAnswer(t, func(r *records.DNS) {
			for _, s := range many {
				r.Answers = append(r.Answers, records.Answer{Name: "x.example.com", Type: "TXT", Class: "IN", TTL: 30, Data: s})
			}
		}),
		httpRecord(t, func(r *records.HTTP) {
			r.URL = "http://apt.example.com/" + strings.Repeat("x%2f"+strings.ReplaceAll(text, " ", "+"), 40)
			r.Referrer, r.UserAgent = "http://other.example/"+strings.Repeat("あ", 500), strings.Repeat(text+" ", 20)
		}))
}

// TestShed: whatever the room, a line keeps its form, loses whole fields only, and
// says which; or it is refused, and then the room is less than its vital fields need.
func TestShed(t *testing.T) {
	var s shedder
	for _, e := range formats {
		if e.logs == logFiles || e.logs == noText {
			continue
		}
		f := e.open(Env{Location: tokyo, HostName: "sensor"})
		for _, l := range allLines(f, longRecords(t, "some text = with | ^ \\ 日本")...) {
			checkFits(t, &s, e.name, f, l, len(l.Text))
			refusedAt := 0
			for room := len(l.Text) - 1; room > 0; room -= 1 + room/50 {
				if !checkFits(t, &s, e.name, f, l, room) {
					refusedAt = room
					break
				}
			}
			least := map[string]int{"ecs": 700, "eve": 420, "zeek-json": 350, "cef": 420, "leef": 330, "leef1": 330}[e.name]
			if least > 0 && refusedAt >= least && refusedAt < len(l.Text)-200 {
				t.Errorf("%s: refused %d octets for %d: %s", e.name, refusedAt, len(l.Text), l.Text)
			}
		}
	}
}

// checkFits sheds a line and tells whether it was taken.
func checkFits(t *testing.T, s *shedder, name string, f Format, l Line, room int) bool {
	t.Helper()
	out, ok := s.append([]byte("before"), l.Text, room)
	if string(out[:6]) != "before" || !ok && len(out) != 6 || len(out)-6 > room {
		t.Fatalf("%s: room %d, %d octets, %v: %s", name, room, len(out)-6, ok, out)
	}
	if !ok {
		return false
	}
	whole := l
	l.Text = out[6:]
	if check := readers[name]; check != nil {
		check(t, f, l)
	} else if shape := shapes[name]; !shape.Match(l.Text) {
		t.Fatalf("%s: room %d: not its shape: %s", name, room, l.Text)
	}
	if string(l.Text) == string(whole.Text) {
		if room < len(l.Text) {
			t.Fatalf("%s: nothing shed", name)
		}
		return true
	}
	switch text := string(l.Text); {
	case text[0] == '{':
		checkShedJSON(t, whole.Text, l.Text)
	case strings.HasPrefix(text, "CEF:"):
		checkShedPairs(t, string(whole.Text), text, " ", "KagamiKagamiShed=")
	case strings.HasPrefix(text, "LEEF:2"):
		checkShedPairs(t, string(whole.Text), text, "^", "kagamiShed=")
	case strings.HasPrefix(text, "LEEF:1"):
		checkShedPairs(t, string(whole.Text), text, "\t", "kagamiShed=")
	default:
		if !strings.Contains(text, shedURL) || strings.Count(text, " ") != strings.Count(string(whole.Text), " ") {
			t.Fatalf("%s: %s", name, text)
		}
	}
	return true
}

// checkShedPairs: what is left are pieces of the whole line in their order, and the marker.
func checkShedPairs(t *testing.T, whole, text, sep, marker string) {
	t.Helper()
	text, names, ok := strings.Cut(text, sep+marker)
	if !ok || names == "" {
		t.Fatalf("no marker: %s", text)
	}
	pieces, rest := strings.Split(text, sep), strings.Split(whole, sep)
	for _, p := range pieces {
		i := slices.Index(rest, p)
		if i < 0 {
			t.Fatalf("%q is not of the line, or at another place: %s", p, text)
		}
		rest = rest[i+1:]
	}
	for _, name := range strings.Split(names, ",") {
		if strings.Contains(text, sep+name+"=") || strings.Contains(text, sep+name+"Label=") || !strings.HasPrefix(name, "and ") && !strings.Contains(whole, sep+name+"=") {
			t.Fatalf("%s is said to be gone: %s", name, text)
		}
	}
}

// checkShedJSON: all that is left stood in the whole line, arrays may be shorter,
// and no object is empty.
func checkShedJSON(t *testing.T, whole, text []byte) {
	t.Helper()
	var was, is map[string]any
	if err := json.Unmarshal(whole, &was); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &is); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	names, _ := is["kagami.shed"].([]any)
	delete(is, "kagami.shed")
	if k, ok := is["kagami"].(map[string]any); ok {
		names, _ = k["shed"].([]any)
		if delete(k, "shed"); len(k) == 0 {
			delete(is, "kagami")
		}
	}
	if len(names) == 0 || len(names) > shedNames+1 {
		t.Fatalf("no marker: %s", text)
	}
	checkSubset(t, "", was, is)
}

func checkSubset(t *testing.T, path string, was, is any) {
	t.Helper()
	switch x := is.(type) {
	case map[string]any:
		if len(x) == 0 {
			t.Fatalf("%s is empty", path)
		}
		for k, v := range x {
			of, ok := was.(map[string]any)
			if !ok || of[k] == nil {
				t.Fatalf("%s.%s is new", path, k)
			}
			checkSubset(t, path+"."+k, of[k], v)
		}
	case []any:
		of := was.([]any)
		if len(x) == 0 && len(of) > 0 || len(x) > len(of) || !reflect.DeepEqual(of[:len(x)], x) {
			t.Fatalf("%s: %v of %v", path, x, of)
		}
	default:
		if !reflect.DeepEqual(was, is) {
			t.Fatalf("%s: %v was %v", path, is, was)
		}
	}
}

// TestShedOrder: kagami's fields and arrays first, the largest of them before
// others; an array that goes last keeps what fits.
func TestShedOrder(t *testing.T) {
	const (
		line = `{"@timestamp":"T","event":{"id":"1"},"a":{"list":["one","two","three"],"text":"0123456789"},"url":{"full":"0123456789012345678901234567890123456789012345678901234567890123456789"},"kagami":{"x":"0123456789012345678901234567890","y":{"z":1}}}`
		eve  = `{"timestamp":"T","event_type":"dns","dns":{"answers":[{"a":1},{"b":[2,"]"]},{"c":3}]}}`
		zeek = `{"_path":"dns","ts":1.5,"query":"0123456789012345678901234567890123456789","AA":false,"answers":["a"]}`
		cef  = `CEF:0|K|K|1|dns|a\|b|3|rt=1 externalId=x request=http://x/?a\=b c cs1=long long value cs1Label=Query name src=10.0.0.1`
		leef = `LEEF:2.0|K|K|1|dns|^|devTime=1^cat=dns^url=http://h/?a=b^policy=x^src=10.0.0.1`
	)
	for _, c := range []struct {
		line string
		less int // octets
		want string
	}{
		{line, 1, `{"@timestamp":"T","event":{"id":"1"},"a":{"list":["one","two","three"],"text":"0123456789"},"url":{"full":"0123456789012345678901234567890123456789012345678901234567890123456789"},"kagami":{"y":{"z":1},"shed":["kagami.x"]}}`},
		{line, 6, `{"@timestamp":"T","event":{"id":"1"},"a":{"list":["one"],"text":"0123456789"},"url":{"full":"0123456789012345678901234567890123456789012345678901234567890123456789"},"kagami":{"y":{"z":1},"shed":["kagami.x","a.list"]}}`},
		{line, 40, `{"@timestamp":"T","event":{"id":"1"},"a":{"text":"0123456789"},"kagami":{"shed":["kagami.x","a.list","kagami.y.z","url.full"]}}`},
		{line, 130, `{"@timestamp":"T","event":{"id":"1"},"kagami":{"shed":["kagami.x","a.list","kagami.y.z","url.full","a.text"]}}`},
		{line, 190, ""},
		{eve, 1, `{"timestamp":"T","event_type":"dns","kagami":{"shed":["dns.answers"]}}`},
		{eve, 50, ""},
		{zeek, 1, `{"_path":"dns","ts":1.5,"AA":false,"kagami.shed":["answers","query"]}`},
		{cef, 1, `CEF:0|K|K|1|dns|a\|b|3|rt=1 externalId=x request=http://x/?a\=b c src=10.0.0.1 KagamiKagamiShed=cs1`},
		{cef, 25, `CEF:0|K|K|1|dns|a\|b|3|rt=1 externalId=x src=10.0.0.1 KagamiKagamiShed=cs1,request`},
		{leef, 1, `LEEF:2.0|K|K|1|dns|^|devTime=1^cat=dns^policy=x^src=10.0.0.1^kagamiShed=url`},
		{leef, 60, ""},
		{`1.2 3 10.0.0.1 TCP_MISS/200 7 GET http://h/0123456789%e30123456789012345678901234567890 - HIER`, 9, `1.2 3 10.0.0.1 TCP_MISS/200 7 GET http://h/0123456789%e30123456789#kagami-shed - HIER`},
		{`1.2 3 10.0.0.1 TCP_MISS/200 7 GET http://h/0123456789%e30123456789012345678901234567890 - HIER`, 21, `1.2 3 10.0.0.1 TCP_MISS/200 7 GET http://h/0123456789#kagami-shed - HIER`},
		{`1.2 3 10.0.0.1 TCP_MISS/200 7 GET http://h/01234567 - HIER`, 1, ""},
		{`plain text`, 1, ""},
		{eve[:len(eve)-1] + `,"metadata":{"flowvars":[{"kagami.export":{"seq":"1","tag":"x"}}]}}`, 1, `{"timestamp":"T","event_type":"dns","kagami":{"shed":["dns.answers"]},"metadata":{"flowvars":[{"kagami.export":{"seq":"1","tag":"x"}}]}}`},
		{zeek[:len(zeek)-1] + `,"kagami.export":{"seq":"1","tag":"x"}}`, 1, `{"_path":"dns","ts":1.5,"AA":false,"kagami.shed":["answers","query"],"kagami.export":{"seq":"1","tag":"x"}}`},
		{cef + " kagamiSensor=S kagamiSeq=1 kagamiTag=abc", 1, `CEF:0|K|K|1|dns|a\|b|3|rt=1 externalId=x request=http://x/?a\=b c src=10.0.0.1 KagamiKagamiShed=cs1 kagamiSensor=S kagamiSeq=1 kagamiTag=abc`},
		{leef + "^kagamiSeq=1^kagamiTag=abc", 1, `LEEF:2.0|K|K|1|dns|^|devTime=1^cat=dns^policy=x^src=10.0.0.1^kagamiShed=url^kagamiSeq=1^kagamiTag=abc`},
		{`{"broken`, 1, ""},
	} {
		var s shedder
		room := len(c.line) - c.less
		got, ok := s.append(nil, []byte(c.line), room)
		if ok != (c.want != "") || string(got) != c.want && c.less > 0 {
			t.Errorf("%d less of %s:\ngot  %s (%d octets, room %d)\nwant %s", c.less, c.line, got, len(got), room, c.want)
		}
	}
}

func FuzzShed(f *testing.F) {
	for _, s := range []string{"", `{"a":1}`, `{"@timestamp":"T","kagami":{"a":[1,{"b":"]"}],"c":{}}}`, `{"_path":"x","a":"\""}`, "CEF:0|a|b|c|d|e|f|rt=1 a=b\\=c d", "LEEF:1.0|a|b|c|d|x=1\ty=2", `1 http://h/%é "http://x/y z"`, "{{{{", `{"a":[[[`} {
		f.Add([]byte(s), uint16(20))
	}
	f.Fuzz(func(t *testing.T, text []byte, room uint16) {
		var s shedder
		out, ok := s.append([]byte("before"), text, int(room))
		if len(out) < 6 || string(out[:6]) != "before" || len(out)-6 > int(room) || !ok && len(out) != 6 {
			t.Fatalf("room %d: %q, %v", room, out, ok)
		}
		if ok && len(text) > 0 && text[0] == '{' && json.Valid(text) && !json.Valid(out[6:]) {
			t.Fatalf("broken: %s", out[6:])
		}
	})
}

func BenchmarkShed(b *testing.B) {
	var s shedder
	text := allLines(newECS(Env{}), httpRecord(new(testing.T), nil))[0].Text
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		var ok bool
		if dst, ok = s.append(dst[:0], text, len(text)-300); !ok {
			b.Fatal("refused")
		}
	}
}

// TestShedKeepsHeartbeats: of a heartbeat the signed text, by far its largest field, is
// what counts; the rest stands in it, too.
func TestShedKeepsHeartbeats(t *testing.T) {
	for _, format := range []string{"ecs", "eve", "zeek-json", "cef", "leef", "leef1"} {
		a := testAccount(t, t.TempDir())
		defer a.Close()
		x, err := Open(Config{Format: format, To: "stdout:"}, Env{HostName: "fw1", Account: a, Stdout: io.Discard})
		if err != nil {
			t.Fatal(err)
		}
		l, ok := x.line(records.NewHeartbeat(records.Meta{At: at(t, "2026-11-15T12:00:00")}))
		claim := string(chain.FindClaim(l.Text))
		if !ok || claim == "" {
			t.Fatalf("%s: %s", format, l.Text)
		}
		kept := len(l.Text)
		for room := len(l.Text) - 1; room > 800; room -= 7 {
			out, ok := new(shedder).append(nil, l.Text, room)
			if got := string(chain.FindClaim(out)); got == claim {
				kept = room
			} else if got != "" || !ok && format != "cef" {
				t.Fatalf("%s, %d octets: %q", format, room, out)
			}
		}
		if most := len(claim) + 800; kept > most {
			t.Errorf("%s: the text of %d octets is in messages of %d, want %d at most", format, len(claim), kept, most)
		}
	}
}
