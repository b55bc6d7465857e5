package chain

import (
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

// What somebody may try who sits on the sensor, on the way, or at the SIEM.

// TestAccountInputs: NAME* names accounts, too; what is done to a log as a whole.
func TestAccountInputs(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(l *logger, dir string)
		want string
		note string
	}{
		{"as it was", func(*logger, string) {}, "", ""},
		{"emptied", func(l *logger, dir string) { write(l.t, dir, "access.log", nil) }, "missing 1-500", ""},
		{"its first half gone", func(l *logger, dir string) { write(l.t, dir, "access.log", l.lines[250:]) }, "", "begins 251"},
		{"put in behind the farewell", func(l *logger, dir string) { write(l.t, dir, "access.log", append(l.lines, "x", "y", "z")) }, "inserted", ""},
		{"put in before", func(l *logger, dir string) { write(l.t, dir, "access.log", append([]string{"x", "y"}, l.lines...)) }, "inserted", ""},
		{"the account removed", func(l *logger, dir string) { os.Remove(l.path + accountSuffix) }, "nothing-to-verify", "lines-without-stamp"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLogger(t).minutes(50, true)
			dir := filepath.Dir(l.path)
			write(t, dir, "access.log", l.lines)
			write(t, dir, "access.log.account.1", nil)
			all, _ := filepath.Glob(l.path + "*")
			in := write(t, dir, "siem", newSensor(forms[0]).minutes(5).lines)
			tt.do(l, dir)
			if tt.note == "lines-without-stamp" {
				all = []string{l.path}
			}
			r := verify(t, Options{Inputs: append(all, in)})
			if wantSaid(t, r, tt.want); said(r.Notes) != tt.note {
				t.Errorf("notes %q, want %q", said(r.Notes), tt.note)
			}
		})
	}
	l := newLogger(t).minutes(1, true)
	if _, err := Verify(Options{Inputs: []string{l.path + accountSuffix}}); err == nil || !strings.Contains(err.Error(), "name the log") {
		t.Errorf("an account without its log: %v", err)
	}
}

// TestAccountOlder: lines that are older than what the account still has are not
// looked at; as many as it has tags are.
func TestAccountOlder(t *testing.T) {
	l := newLogger(t)
	for range 3 * accountFiles {
		l.account.size = accountBytes * 9 / 10
		l.minutes(4, false)
		l.account.size = accountBytes
		l.minutes(26, false)
	}
	r := l.verify(l.lines)
	wantSaid(t, r, "")
	if len(r.Notes) != 2 || r.Notes[0].Kind != Older || r.Notes[1].Kind != Begins || r.Notes[0].Count+r.Records != uint64(len(l.lines)) || r.Notes[0].Line != 1 {
		t.Fatalf("%d records of %d lines; %+v", r.Records, len(l.lines), r.Notes)
	}
	gone := int(r.Notes[0].Count)
	altered := slices.Clone(l.lines)
	for i := gone; i < gone+400; i++ {
		altered[i] = "x" + altered[i]
	}
	if r := l.verify(altered); r.Altered < 400 || r.Altered > 400+16*holdLines { // until it is looked for the next time
		t.Errorf("the first 400 lines of the account's altered: %s, %d altered", said(r.Findings), r.Altered)
	}
	if r := l.verify(slices.Delete(slices.Clone(l.lines), gone+100, gone+101)); r.Missing != 1 {
		t.Errorf("one removed: %s", said(r.Findings))
	}
}

func TestVerifyAsked(t *testing.T) {
	whole := newSensor(forms[0]).minutes(5)
	ended := newSensor(forms[0]).minutes(5).stop()
	first, last := t0+minute, t0+5*minute
	for _, tt := range []struct {
		name  string
		lines []string
		o     Options
		want  string
	}{
		{"there", whole.lines, Options{Expect: []string{"fw1", "fw1/siem"}, Since: first, Until: last, Now: last}, ""},
		{"an export that is not", whole.lines, Options{Expect: []string{"fw1/other"}}, "not-there"},
		{"a sensor that is not", whole.lines, Options{Expect: []string{"fw2"}}, "not-there"},
		{"a part of a name", whole.lines, Options{Expect: []string{"fw"}}, "not-there"},
		{"its end is cut off", whole.lines, Options{Until: last + 10*minute}, "silent-since 5"},
		{"and begins with a farewell", ended.lines, Options{Until: last + 10*minute}, "ended-and-not-back 6"},
		{"its beginning is cut off", whole.lines[33:], Options{Since: first}, "silent-until 4"},
		{"not so much", whole.lines[11:], Options{Since: first}, ""},
		{"the sensor began then", whole.lines, Options{Since: first - 100*minute}, ""},
		{"ragged ends", slices.Concat(whole.lines[:3], whole.lines[5:50], whole.lines[52:]), Options{Since: first, Until: first + 3*minute}, ""},
		{"ragged within", slices.Concat(whole.lines[:3], whole.lines[5:50], whole.lines[52:]), Options{Since: first - minute, Until: first + 4*minute}, "missing 4-5, missing 51-52"},
		{"a clock that is ahead", whole.lines, Options{Now: last - 10*minute}, "dated-in-the-future 5"},
		{"other lines", append([]string{"x", "y"}, whole.lines...), Options{}, ""},
		{"no other lines", append([]string{"x", "y"}, whole.lines...), Options{Strict: true}, "lines-without-stamp"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.Inputs = []string{write(t, t.TempDir(), "in", tt.lines)}
			wantSaid(t, verify(t, tt.o), tt.want)
		})
	}
}

func TestVerifyClock(t *testing.T) {
	day := 24 * 60 * minute
	for _, tt := range []struct {
		name    string
		step    int64
		uptime  bool // is said
		missing bool // one heartbeat, of an account
		want    string
		note    string
	}{
		{"forward", day, true, false, "clock-jump 5-6", ""},
		{"forward, or silent", day, false, false, "silent 5-6", ""},
		{"back", -day, true, false, "", "clock-set-back 5-6"},
		{"back, over what is missing", -5 * minute, true, true, "heartbeats-missing 5-7", "clock-set-back 5-7"},
	} {
		s := newSensor(forms[0])
		if tt.uptime {
			s.uptime = time.Minute
		}
		s.minutes(5)
		if s.at += tt.step; tt.missing {
			s.claim(false)
		}
		r := verifyLines(t, s.minutes(5).lines)
		if wantSaid(t, r, tt.want); said(r.Notes) != tt.note {
			t.Errorf("%s: notes %q, want %q", tt.name, said(r.Notes), tt.note)
		}
	}
}

// TestVerifyUnheard: starts that end before their first heartbeat.
func TestVerifyUnheard(t *testing.T) {
	s := newSensor(forms[0]).minutes(5)
	s.boot()
	s.boot()
	r := verifyLines(t, s.minutes(5).lines)
	if wantSaid(t, r, ""); kinds(r.Notes) != "starts-without-heartbeat, restart-without-farewell" || r.Notes[0].Count != 1 {
		t.Errorf("notes %+v", r.Notes)
	}
}

// TestVerifyWire: what a sensor sees on the wire may look like a heartbeat or a
// stamp; it is neither.
func TestVerifyWire(t *testing.T) {
	claim := string((&Claim{Stream: Stream{"fw1", fmt.Sprintf("%016x", 0xb007<<8|1), "siem"}, Start: 1, N: 3, At: t0, Every: time.Minute, First: 1, Last: 5}).AppendSigned(nil, testKey(9)))
	jsonStamp := `,"kagami.export":{"sensor":"a","boot":"b","name":"c","seq":4,"tag":"0123456789abcdef"}}`
	pairs := "kagamiSensor=a kagamiBoot=b kagamiExport=c kagamiSeq=4 kagamiTag=0123456789abcdef"
	element := `[kagami@32473 sensor="a" boot="b" name="c" seq="4" tag="0123456789abcdef"]`
	in := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	for _, f := range forms {
		for _, content := range []string{claim, strings.Replace(claim, "n:3", "n:4", 1), "{{" + jsonStamp, "}" + jsonStamp + "}", pairs, element, "CEF:" + pairs,
			"LEEF:^" + strings.ReplaceAll(pairs, " ", "^"), `"text":"` + claim, "kagamiHeartbeat=" + claim} {
			s := newSensor(f).minutes(2)
			line := f.line(7)
			switch {
			case strings.HasPrefix(line, "{"):
				line = strings.TrimSuffix(line, "}") + `,"x":` + in(content) + `,"text":` + in(content) + "}"
			case f.name != "structured data" && f.name != "structured data and a relay's":
				line += string(f.sep) + "request=" + strings.ReplaceAll(content, "=", `\=`)
			default:
				line += content
			}
			s.put(line)
			r := verifyLines(t, s.minutes(2).stop().lines)
			if !r.Good() || r.Records != 46 || r.Vouched != 45 {
				t.Errorf("%s with %.60q: %d records, %d vouched for: %s", f.name, content, r.Records, r.Vouched, said(r.Findings))
			}
		}
	}
}

// TestVerifyBeside: the line as it was sent stands beside what somebody made of it.
func TestVerifyBeside(t *testing.T) {
	s := newSensor(forms[0]).minutes(3).stop()
	var lines []string
	for _, l := range s.lines {
		b, _ := json.Marshal(l)
		anew := strings.Replace(l, `"url":{"original":`, `"url": {"original": `, 1)
		fields := `"url":"kagami.export kagamiTag= and more of what a field may hold",`
		lines = append(lines, `{`+fields+`"log":`+string(b)+`,"data":`+anew+`}`)
	}
	r := verifyLines(t, lines)
	if wantSaid(t, r, ""); r.Vouched != 33 {
		t.Errorf("%d vouched for, want 33", r.Vouched)
	}
	lines[4] = strings.ReplaceAll(lines[4], "a.example", "b.example")
	wantSaid(t, verifyLines(t, lines), "altered 5")
}

func TestVerifySensors(t *testing.T) {
	dir := t.TempDir()
	var in []string
	for i, key := range []byte{1, 2, 3} {
		s := newSensor(forms[0])
		s.key = testKey(key)
		s.chain = New(Stream{fmt.Sprintf("fw%d", i+1), fmt.Sprintf("%016x", i), "siem"}, true)
		s.stamper = NewStamper(s.chain, ' ')
		in = append(in, write(t, dir, fmt.Sprint(i), s.minutes(2).lines))
	}
	public := func(seed byte) ed25519.PublicKey { return testKey(seed).Public().(ed25519.PublicKey) }
	other := "other-key 1, other-key 2, no-heartbeat-at-all"
	for _, tt := range []struct {
		name string
		keys []Key
		want string
	}{
		{"as they say", nil, ""},
		{"each its own", []Key{{"fw1", public(1)}, {"fw2", public(2)}, {"fw3", public(3)}}, ""},
		{"one for all others", []Key{{"fw1", public(1)}, {"fw2", public(2)}, {"", public(3)}}, ""},
		{"an old one and a new one", []Key{{"fw1", public(9)}, {"fw1", public(1)}, {"", public(2)}, {"", public(3)}}, ""},
		{"one's is another's", []Key{{"fw1", public(1)}, {"fw2", public(1)}, {"", public(3)}}, other},
		{"no key for one", []Key{{"fw1", public(1)}, {"fw2", public(2)}}, "no-key-given 1, no-heartbeat-at-all"},
	} {
		r := verify(t, Options{Inputs: in, Keys: tt.keys})
		if wantSaid(t, r, tt.want); tt.want == "" && (len(r.Keys) != 3 || r.Keys[1].Own != (tt.keys == nil)) {
			t.Errorf("%s: keys %v", tt.name, r.Keys)
		}
	}
}

// TestVerifyLaterStart: the sensor's file lacks its last start as a whole.
func TestVerifyLaterStart(t *testing.T) {
	local, siem := newSensor(forms[0]), newSensor(forms[0])
	local.name, local.start = "local", 0
	local.boot()
	siem.also = func() []Mark {
		m := local.previous
		m.Name = "local"
		return []Mark{m}
	}
	local.minutes(5).stop()
	siem.minutes(5).stop()
	first := slices.Clone(local.lines)
	local.boot()
	siem.boot()
	local.minutes(5)
	siem.minutes(5)
	dir := t.TempDir()
	in := write(t, dir, "siem", siem.lines)
	against := func(lines []string) *Report {
		return verify(t, Options{Inputs: []string{in}, Against: []string{write(t, dir, "local", lines)}})
	}
	wantSaid(t, against(local.lines), "")
	wantSaid(t, against(first), "later-start-missing 6")
	wantSaid(t, against(local.lines[len(first):]), "") // its older part was rotated away
	wantSaid(t, against(nil), "nothing-to-verify")
	in = write(t, dir, "siem", siem.lines[len(first):]) // of today only
	wantSaid(t, against(local.lines), "")
}

// TestSightings: of what many exports say alike little is kept.
func TestSightings(t *testing.T) {
	s := &stream{}
	for n := range 5000 {
		for by := range 8 {
			s.mark(sighting{n: uint64(n), hash: Leaf{byte(n)}, by: uint32(by)})
		}
	}
	if s.sift(); len(s.marks) != 5000 || cap(s.marks) > 3*5000 {
		t.Errorf("%d kept, room for %d: want 5000", len(s.marks), cap(s.marks))
	}
	s.mark(sighting{n: 17, hash: Leaf{0xff}})
	if s.sift(); len(s.marks) != 5001 {
		t.Error("one that says something else was dropped")
	}
}

// An export that only others speak of goes elsewhere, or was taken out: a note.
func TestVerifyElsewhere(t *testing.T) {
	local, siem := neighbours(3)
	dir := t.TempDir()
	in, both := write(t, dir, "siem", siem.lines), write(t, dir, "local", local.lines)
	for _, tt := range []struct {
		name        string
		o           Options
		note, wrong bool
	}{
		{"not here", Options{Inputs: []string{in}}, true, false},
		{"here", Options{Inputs: []string{in, both}}, false, false},
		{"expected", Options{Inputs: []string{in}, Expect: []string{"fw1/local"}}, false, true},
	} {
		r := verify(t, tt.o)
		if noted := strings.Contains(kinds(r.Notes), string(Elsewhere)); noted != tt.note || r.Good() == tt.wrong {
			t.Errorf("%s: %s; notes %s", tt.name, said(r.Findings), said(r.Notes))
		}
	}
}

// A killed sensor leaves holes behind its last heartbeat: each is missing, what is
// left between them is one finding.
func TestVerifyHolesBehindTheLastHeartbeat(t *testing.T) {
	s := newSensor(forms[0]).minutes(3)
	n := len(s.lines)
	s.records(20)
	for _, at := range []int{15, 10, 5} {
		s.lines = slices.Delete(s.lines, n+at, n+at+1)
	}
	r := verifyLines(t, s.lines)
	if kinds(r.Findings) != "missing, missing, missing" || kinds(r.Notes) != "not-yet-vouched" || r.Notes[0].Count != 17 {
		t.Errorf("%s; notes %s, %d records", said(r.Findings), said(r.Notes), r.Notes[0].Count)
	}
}
