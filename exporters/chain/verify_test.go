package chain

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kagami/signing"
)

func TestVerifyForms(t *testing.T) {
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			whole := newSensor(f).minutes(5).stop().lines
			r := verifyLines(t, whole)
			wantSaid(t, r, "")
			if r.Records != 56 || r.Vouched != 55 || r.Beats != 6 || len(r.Notes) != 0 {
				t.Errorf("%d records, %d vouched for, %d heartbeats, notes %v: want 56, 55, 6 and none", r.Records, r.Vouched, r.Beats, r.Notes)
			}
			wantSaid(t, verifyLines(t, slices.Delete(slices.Clone(whole), 24, 25)), "missing 25")
			i := strings.LastIndex(whole[24], "5") // of the record's number, not of its stamp
			if i < 0 {
				t.Fatal("no 5")
			}
			altered := slices.Clone(whole)
			altered[24] = flipIn(whole[24], f)
			r = verifyLines(t, altered)
			wantSaid(t, r, "altered 25")
			if r.Findings[0].Line != 25 || r.Findings[0].From != "2026-11-15T12:02:00Z" || r.Findings[0].To != "2026-11-15T12:03:00Z" {
				t.Errorf("%+v, want line 25 between 12:02 and 12:03", r.Findings[0])
			}
		})
	}
}

// flipIn changes one octet of what was stamped.
func flipIn(line string, f form) string {
	for _, mark := range []string{"a.example", "request=", "devTime=", "line"} {
		if i := strings.LastIndex(line, mark); i >= 0 {
			return line[:i] + string(line[i]^1) + line[i+1:]
		}
	}
	panic("nothing to flip in " + line)
}

func TestVerifyDamage(t *testing.T) {
	whole := func() []string { return newSensor(forms[0]).minutes(150).stop().lines }
	for _, tt := range []struct {
		name string
		do   func([]string) []string
		want string
	}{
		{"nothing", func(l []string) []string { return l }, ""},
		{"one record removed", func(l []string) []string { return slices.Delete(l, 100, 101) }, "missing 101"},
		{"one shortened", func(l []string) []string {
			l[100] = strings.Replace(l[100], `,"kagami.export"`, `,"kagami":{"shed":["n"]},"kagami.export"`, 1)
			l[101] = strings.Replace(l[101], `a.example`, `\"shed\":[\"`, 1)
			return l
		}, "altered 102, shortened 101"},
		{"two places", func(l []string) []string { return slices.Delete(slices.Delete(l, 700, 702), 100, 101) }, "missing 101, missing 701-702"},
		{"one hour removed", func(l []string) []string { return slices.Delete(l, 220, 880) }, "missing 221-880, silent 20-81"},
		{"a heartbeat removed", func(l []string) []string { return slices.Delete(l, 54, 55) }, "missing 55, unvouched 45-54, heartbeats-missing 4-6"},
		{"two lines swapped", func(l []string) []string { l[30], l[31] = l[31], l[30]; return l }, "reordered 32"},
		{"a line moved to the end", func(l []string) []string { return append(slices.Delete(slices.Clone(l), 30, 31), l[30]) }, "reordered 32-1651"},
		{"delivered twice", func(l []string) []string { return slices.Insert(l, 200, l[100:200]...) }, ""},
		{"a copy altered", func(l []string) []string { return slices.Insert(l, 101, flipIn(l[100], forms[0])) }, "altered 101"},
		{"the number altered", func(l []string) []string {
			l[100] = strings.Replace(l[100], `"seq":101`, `"seq":99999`, 1)
			return l
		}, "missing 101, altered 99999"},
		{"the boot altered", func(l []string) []string {
			l[100] = strings.Replace(l[100], `"boot":"0`, `"boot":"1`, 1)
			return l
		}, "missing 101, altered 101"},
		{"the stamp broken", func(l []string) []string { l[100] = strings.Replace(l[100], `"tag"`, `"tug"`, 1); return l }, "damaged-stamp, missing 101"},
		{"altered with a tag of its own", func(l []string) []string { l[100] = restamp(l[100]); return l }, "digest-mismatch 99-109"},
		{"beside the true one", func(l []string) []string { return slices.Insert(l, 101, restamp(l[100])) }, "two-of-one-number 101"},
		{"put in behind the end", func(l []string) []string { return append(l, restampAs(l[100], 1652)) }, "unvouched 1652"},
		{"a forged heartbeat", func(l []string) []string {
			l[54] = restamp(strings.Replace(l[54], "packets:17", "packets:99", 1))
			return l
		}, "digest-mismatch 55-65, unvouched 45-54, wrong-signature 5, heartbeats-missing 4-6"},
		{"cut off within a line", func(l []string) []string { return append(l[:1000:1000], l[1000][:70]) }, "torn-line"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lines := tt.do(whole())
			if tt.name == "cut off within a line" {
				path := filepath.Join(t.TempDir(), "in")
				if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
					t.Fatal(err)
				}
				r := verify(t, Options{Inputs: []string{path}})
				wantSaid(t, r, tt.want)
				if said(r.Notes) != "not-yet-vouched 991-1000" {
					t.Errorf("notes: %s", said(r.Notes))
				}
				return
			}
			wantSaid(t, verifyLines(t, lines), tt.want)
		})
	}
}

// restamp alters a record and gives it a tag that is right.
func restamp(line string) string {
	var f finder
	s, ok := f.find([]byte(line))
	if !ok {
		panic("no stamp")
	}
	return restampAs(line, s.Seq)
}

func restampAs(line string, seq uint64) string {
	var f finder
	s, _ := f.find([]byte(line))
	c := New(s.Stream, true)
	c.next = seq
	text := bytes.Replace(s.text, []byte(`a.example`), []byte(`b.example`), 1)
	return string(NewStamper(c, ' ').JSON(text, 0))
}

func TestVerifyStarts(t *testing.T) {
	two := func(end, wait bool) (a, b []string) {
		s := newSensor(forms[0]).minutes(20)
		if end {
			s.stop()
		} else {
			s.records(3)
		}
		a, s.lines = s.lines, nil
		s.boot()
		if wait {
			s.at += 60 * minute
		}
		return a, s.minutes(20).lines
	}
	for _, tt := range []struct {
		name      string
		end, wait bool
		do        func(a, b []string) []string
		want      string
		notes     string
	}{
		{"in good order", true, false, slicesConcat, "", "restart 21-21"},
		{"in good order, later", true, true, slicesConcat, "", "restart"},
		{"crash", false, false, slicesConcat, "unvouched 221-223", "restart-without-farewell"},
		{"power cut", false, true, slicesConcat, "unvouched 221-223, silent-restart 20", ""},
		{"the end of the first is gone", true, false, func(a, b []string) []string { return append(a[:110], b...) }, "end-of-start-missing 10-21", ""},
		{"the beginning of the second is gone", true, false, func(a, b []string) []string { return append(a, b[50:]...) }, "missing 1-50, heartbeats-missing 21", ""},
		{"an earlier start behind a later one", true, false, func(a, b []string) []string { return append(b, a...) }, "replayed 0", ""},
		{"replayed to fill a hole", true, false, func(a, b []string) []string { return slices.Concat(b[:22], a, b[44:]) }, "missing 23-44, silent, replayed", ""},
		{"delivered again to fill a hole", true, false, func(a, b []string) []string { return slices.Concat(a, b[:22], a[22:44], b[44:]) }, "missing 23-44, silent", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := verifyLines(t, tt.do(two(tt.end, tt.wait)))
			got, want := kinds(r.Findings), kindsOnly(tt.want)
			if got != want {
				t.Errorf("found %q, want %q", got, want)
				for _, f := range r.Findings {
					t.Log(f.Text("en"))
				}
			}
			if want := kindsOnly(tt.notes); want != "" && kinds(r.Notes) != want {
				t.Errorf("notes %q, want %q", kinds(r.Notes), want)
			}
		})
	}
}

func slicesConcat(a, b []string) []string { return slices.Concat(a, b) }

func kinds(fs []Finding) string {
	var out []string
	for _, f := range fs {
		out = append(out, string(f.Kind))
	}
	return strings.Join(out, ", ")
}

func kindsOnly(s string) string {
	var out []string
	for _, p := range strings.Split(s, ", ") {
		k, _, _ := strings.Cut(p, " ")
		out = append(out, k)
	}
	return strings.Join(out, ", ")
}

func TestVerifyThreeStarts(t *testing.T) {
	s := newSensor(forms[0]).minutes(5).stop()
	a := s.lines
	s.lines = nil
	s.boot()
	s.minutes(5).stop()
	b := s.lines
	s.lines = nil
	s.boot()
	c := s.minutes(5).stop().lines
	dir := t.TempDir()
	pa, pb, pc := write(t, dir, "a", a), write(t, dir, "b", b), write(t, dir, "c", c)
	wantSaid(t, verify(t, Options{Inputs: []string{pa, pb, pc}}), "")
	wantSaid(t, verify(t, Options{Inputs: []string{pc, pa, pb}}), "") // names of files say nothing
	wantSaid(t, verify(t, Options{Inputs: []string{pa, pc}}), "start-missing 6")
	other := newSensor(forms[0])
	other.at += 1000 * minute
	other.chain = New(Stream{"fw1", "00000000deadbeef", "siem"}, true)
	other.stamper = NewStamper(other.chain, ' ')
	other.start = 2
	pOther := write(t, dir, "other", other.minutes(5).stop().lines)
	r := verify(t, Options{Inputs: []string{pa, pOther, pc}}) // b exchanged for another's
	if !strings.Contains(kinds(r.Findings), string(NotJoined)) {
		t.Errorf("a swapped file: %s", said(r.Findings))
	}
}

func TestVerifyKeys(t *testing.T) {
	lines := newSensor(forms[0]).minutes(5).lines
	path := write(t, t.TempDir(), "in", lines)
	right := testKey(1).Public().(ed25519.PublicKey)
	r := verify(t, Options{Inputs: []string{path}, Keys: []Key{{Public: right}}})
	if wantSaid(t, r, ""); r.Keys[0] != (KeyReport{"fw1", signing.Fingerprint(right), false}) {
		t.Errorf("keys %v", r.Keys)
	}
	r = verify(t, Options{Inputs: []string{path}, Keys: []Key{{Public: testKey(2).Public().(ed25519.PublicKey)}}})
	if got := kinds(r.Findings[:5]); got != strings.TrimSuffix(strings.Repeat("other-key, ", 5), ", ") || kinds(r.Findings[5:]) != "no-heartbeat-at-all" {
		t.Errorf("another key: %s", said(r.Findings))
	}
	r = verify(t, Options{Inputs: []string{path}, Keys: []Key{{Sensor: "fw2", Public: right}}})
	if kinds(r.Findings) != "no-key-given, no-heartbeat-at-all" || !strings.Contains(r.Findings[0].Text("en"), "no key was given for fw1: --key fw1=FILE") {
		t.Errorf("a key of another sensor: %s", said(r.Findings))
	}
	s := newSensor(forms[0]).minutes(3) // half way somebody goes on with a key of his own
	s.key = testKey(3)
	r = verifyLines(t, s.minutes(2).lines)
	if kinds(r.Findings) != "other-key, other-key" || kinds(r.Notes) != "not-yet-vouched" {
		t.Errorf("a new key: %s; %s", said(r.Findings), said(r.Notes))
	}
}

// neighbours are two exports of one sensor, of which siem tells of local, after so
// many minutes.
func neighbours(minutes int) (local, siem *sensor) {
	local = newSensor(forms[0])
	local.name, local.start = "local", 0
	local.boot()
	siem = newSensor(forms[0])
	siem.also = func() []Mark {
		m := local.previous
		m.Name = "local"
		return []Mark{m}
	}
	for range minutes {
		local.minutes(1)
		siem.minutes(1)
	}
	return local, siem
}

func TestVerifyAgainst(t *testing.T) {
	local, siem := neighbours(10)
	dir := t.TempDir()
	in := write(t, dir, "siem", siem.lines)
	against := func(lines []string) *Report {
		return verify(t, Options{Inputs: []string{in}, Against: []string{write(t, dir, "local", lines)}})
	}
	wantSaid(t, against(local.lines), "")
	wantSaid(t, against(local.lines[:66]), "cut-short 6-10")
	anew := newSensor(forms[0]) // written anew with the sensor's own key
	anew.name, anew.start = "local", 0
	anew.boot()
	anew.i = 5000
	r := against(anew.minutes(10).lines)
	if !strings.HasPrefix(said(r.Findings), "rewritten 1, rewritten 2") || len(r.Findings) != 10 {
		t.Errorf("written anew: %s", said(r.Findings))
	}
	stranger := newSensor(forms[0])
	stranger.name, stranger.start = "local", 6
	stranger.boot()
	wantSaid(t, against(stranger.minutes(10).lines), "never-named")
}

func TestVerifyUntil(t *testing.T) {
	lines := newSensor(forms[0]).minutes(5).lines
	path := write(t, t.TempDir(), "in", lines)
	wantSaid(t, verify(t, Options{Inputs: []string{path}, Until: t0 + 6*minute}), "")
	wantSaid(t, verify(t, Options{Inputs: []string{path}, Until: t0 + 60*minute}), "silent-since 5")
}

func TestVerifyLost(t *testing.T) {
	s := newSensor(forms[0]).minutes(3).records(10)
	s.lines = slices.Delete(s.lines, 35, 40) // a full queue dropped them
	s.lost = 5
	r := verifyLines(t, s.minutes(2).lines)
	wantSaid(t, r, "missing 36-40")
	if r.Admitted != 5 || r.Streams[0].Lost != 5 || r.Missing != 5 {
		t.Errorf("%d admitted of %d missing, want 5 of 5", r.Admitted, r.Missing)
	}
}

// TestVerifyAnyOrder shuffles more lines than are kept in memory.
func TestVerifyAnyOrder(t *testing.T) {
	lines := newSensor(forms[0]).minutes(1000).stop().lines
	rnd := rand.New(rand.NewPCG(1, 2))
	rnd.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	lines = append(lines, lines[:500]...)
	path := write(t, t.TempDir(), "in", lines)
	check := func(want string, path string) {
		t.Helper()
		v := newVerifier(Options{Inputs: []string{path}, AnyOrder: true, TempDir: t.TempDir()})
		v.sorter.limit = 256
		r, err := v.run()
		if err != nil {
			t.Fatal(err)
		}
		wantSaid(t, r, want)
		if r.Repeated != 500 {
			t.Errorf("%d repeated, want 500", r.Repeated)
		}
		if n := len(v.sorter.runs); n < 40 {
			t.Errorf("%d runs: nothing was merged", n)
		}
	}
	check("", path)
	i := slices.IndexFunc(lines[500:11000], func(l string) bool { return !strings.Contains(l, claimOpen) }) + 500
	var f finder
	s, _ := f.find([]byte(lines[i]))
	lines[i] = flipIn(lines[i], forms[0])
	check(fmt.Sprintf("altered %d", s.Seq), write(t, t.TempDir(), "in", lines))
}

// TestVerifyEveryFlip flips every bit of a small file in turn: each must be named.
func TestVerifyEveryFlip(t *testing.T) {
	s := newSensor(forms[0]).records(3).beat().records(2).stop()
	whole := []byte(strings.Join(s.lines, "\n") + "\n")
	last := bytes.LastIndexByte(whole[:len(whole)-1], '\n') + 1
	for i := range whole {
		for _, bit := range []int{0, 5} {
			b := bytes.Clone(whole)
			b[i] ^= 1 << bit
			r, err := Verify(Options{Inputs: []string{"-"}, Stdin: bytes.NewReader(b)})
			if err != nil {
				t.Fatal(err)
			}
			if r.Good() {
				t.Errorf("bit %d of octet %d (of %d, last line from %d) flipped: %q: nothing found", bit, i, len(whole), last, b[max(0, i-20):min(len(b), i+20)])
			}
		}
	}
}

// BenchmarkFind is a line as it arrives: bare, behind a header, within strings.
func BenchmarkFind(b *testing.B) {
	for _, form := range forms {
		if !strings.HasPrefix(form.name, "json") {
			continue
		}
		b.Run(form.name, func(b *testing.B) {
			form.line = func(i int) string {
				return strings.TrimSuffix(jsonLine(i), "}") + `,"more":"` + strings.Repeat("text ", 120) + `"}`
			}
			line := []byte(newSensor(form).records(1).lines[0])
			scratch := make([]byte, 0, len(line))
			var f finder
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				scratch = append(scratch[:0], line...)
				if _, ok := f.find(scratch); !ok {
					b.Fatal("no stamp")
				}
			}
		})
	}
}
