package cases

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"kagami/signing"
)

func walkText(t *testing.T, text []byte) *links {
	t.Helper()
	w := &links{name: "chain"}
	if err := w.walk(bytes.NewReader(text), func(int, line) {}); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestChain(t *testing.T) {
	c := chain{head: origin}
	var text []byte
	for i := range 5 {
		var err error
		if text, err = c.appendLine(text, map[string]any{"n": i, "text": "<b>&\n\u202e"}); err != nil {
			t.Fatal(err)
		}
	}
	if w := walkText(t, text); len(w.problems) != 0 || w.lines != 5 || w.head != c.head {
		t.Fatalf("a whole chain: %+v", w)
	}
	lines := bytes.SplitAfter(text, []byte("\n"))[:5]
	for _, tt := range []struct {
		name  string
		order []int
		line  int // that a problem must name
	}{
		{"taken out", []int{0, 1, 3, 4}, 2},
		{"first taken out", []int{1, 2, 3, 4}, 1},
		{"swapped", []int{0, 2, 1, 3, 4}, 2},
		{"put in twice", []int{0, 1, 1, 2, 3, 4}, 2},
	} {
		var changed []byte
		for _, i := range tt.order {
			changed = append(changed, lines[i]...)
		}
		w := walkText(t, changed)
		if len(w.problems) == 0 || !names(w.problems, tt.line) {
			t.Errorf("%s: problems %v, want one with line %d", tt.name, w.problems, tt.line)
		}
	}
}

func names(problems []Problem, line int) bool {
	for _, p := range problems {
		if p.Line == line {
			return true
		}
	}
	return false
}

// TestChainFlip flips every bit-pattern-changing octet of a chain: the line is named,
// but for the last one's own content, which its signature covers.
func TestChainFlip(t *testing.T) {
	c := chain{head: origin}
	var text []byte
	var ends []int
	for i := range 4 {
		text, _ = c.appendLine(text, map[string]int{"number": i})
		ends = append(ends, len(text))
	}
	for at := range ends[2] {
		n := 1
		for at >= ends[n-1] {
			n++
		}
		for _, bit := range []byte{1, 0x20, 0x80} {
			flipped := bytes.Clone(text)
			flipped[at] ^= bit
			if w := walkText(t, flipped); !names(w.problems, n) {
				t.Fatalf("octet %d of line %d, bit %02x: problems %v", at, n, bit, w.problems)
			}
		}
	}
}

func TestKey(t *testing.T) {
	dir := t.TempDir()
	key, err := loadKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, keyName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v; want 0600", info.Mode(), err)
	}
	again, err := loadKey(dir)
	if err != nil || !key.Equal(again) {
		t.Fatalf("the second reading gave another key, %v", err)
	}
	public, err := signing.ReadPublic(filepath.Join(dir, pubName))
	if err != nil || !public.Equal(key.Public()) {
		t.Fatalf("public key: %v", err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660} {
		if err := os.Chmod(filepath.Join(dir, keyName), mode); err != nil {
			t.Fatal(err)
		}
		if _, err := loadKey(dir); err == nil || !strings.Contains(err.Error(), "others than its owner may use it") {
			t.Errorf("mode %o: %v, want it refused", mode, err)
		}
	}
	os.Chmod(filepath.Join(dir, keyName), 0o600)
	if err := os.WriteFile(filepath.Join(dir, keyName), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadKey(dir); err == nil || !strings.Contains(err.Error(), "is not a PEM private key") {
		t.Errorf("nonsense: %v", err)
	}
}

// TestJournal: several writers, each entry one signed line of one chain.
func TestJournal(t *testing.T) {
	env := labEnv(t)
	var g sync.WaitGroup
	for w := range 4 {
		g.Go(func() {
			for i := range 10 {
				if err := OpenJournal(env).Read(fmt.Sprintf("host %d", w), CurrentWho(), uint64(i), 1, "-"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	g.Wait()
	s := journalState(t, env)
	if s.Lines != 41 || len(s.Problems) != 0 { // and the begin
		t.Errorf("%d lines, problems %v", s.Lines, s.Problems)
	}
}

func journalState(t *testing.T, env Env) *JournalState {
	t.Helper()
	public, err := signing.ReadPublic(filepath.Join(env.Dir, pubName))
	if err != nil {
		t.Fatal(err)
	}
	s, err := VerifyJournal(filepath.Join(env.Dir, journalName), public)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestJournalProcesses: two other processes write the same journal, and make the
// same key, at once.
func TestJournalProcesses(t *testing.T) {
	if dir := os.Getenv("KAGAMI_JOURNAL_DIR"); dir != "" {
		for i := range 25 {
			if err := OpenJournal(Env{Dir: dir}).Read("all", CurrentWho(), uint64(i), 0, "x.pcapng"); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	env := labEnv(t)
	var commands []*exec.Cmd
	for range 2 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestJournalProcesses$")
		cmd.Env = append(os.Environ(), "KAGAMI_JOURNAL_DIR="+env.Dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		commands = append(commands, cmd)
	}
	for _, cmd := range commands {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	if s := journalState(t, env); s.Lines != 51 || len(s.Problems) != 0 {
		t.Errorf("%d lines, problems %v", s.Lines, s.Problems)
	}
}

func TestJournalTorn(t *testing.T) {
	env := labEnv(t)
	j := OpenJournal(env)
	for range 3 {
		if err := j.Read("all", CurrentWho(), 1, 1, "-"); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(env.Dir, journalName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, cut := range []int{1, 50, 300} {
		if err := os.WriteFile(path, whole[:len(whole)-cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if s := journalState(t, env); len(s.Problems) == 0 {
			t.Error("a torn line is not told")
		}
		if err := j.Read("all", CurrentWho(), 1, 1, "-"); err != nil {
			t.Fatal(err)
		}
		text, _ := os.ReadFile(path)
		if s := journalState(t, env); len(s.Problems) != 0 || !bytes.Contains(text, []byte(`"kind":"repair"`)) {
			t.Errorf("cut by %d: problems %v; the repair must stand in the journal:\n%s", cut, s.Problems, text)
		}
	}
}

// TestJournalFlip: every octet counts, and its line is named.
func TestJournalFlip(t *testing.T) {
	env := labEnv(t)
	for range 3 {
		if err := OpenJournal(env).Read("host \"x\"", CurrentWho(), 1, 1, "-"); err != nil {
			t.Fatal(err)
		}
	}
	public, _ := signing.ReadPublic(filepath.Join(env.Dir, pubName))
	path := filepath.Join(env.Dir, journalName)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := range text {
		n := 1 + bytes.Count(text[:at], []byte("\n"))
		flipped := bytes.Clone(text)
		flipped[at] ^= 1
		if err := os.WriteFile(path, flipped, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := VerifyJournal(path, public)
		if err != nil {
			t.Fatal(err)
		}
		if !names(s.Problems, n) {
			t.Fatalf("octet %d of line %d: problems %v", at, n, s.Problems)
		}
	}
	_, foreign, _ := ed25519.GenerateKey(nil)
	os.WriteFile(path, text, 0o600)
	if s, err := VerifyJournal(path, nil); err != nil || len(s.Problems) != 0 || !s.OwnKey || s.Key != signing.Fingerprint(public) {
		t.Errorf("without a key: %+v, %v", s, err)
	}
	if s, err := VerifyJournal(path, ed25519.PublicKey("short")); err != nil || len(s.Problems) != s.Lines {
		t.Errorf("a short key: %+v, %v", s, err)
	}
	if s, _ := VerifyJournal(path, foreign.Public().(ed25519.PublicKey)); len(s.Problems) != s.Lines {
		t.Errorf("another key: %d of %d lines are refused", len(s.Problems), s.Lines)
	}
}

func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"plain":             "plain",
		"a\nb\r\t":          `a\nb\r\t`,
		"exe\u202egpj.scr":  `exe\u{202E}gpj.scr`,
		"\x00\x1b[31m":      `\u{0000}\u{001B}[31m`,
		"日本語 ü":             "日本語 ü",
		"\xff\xfe":          `\xff\xfe`,
		"zero\u200bwidth":   `zero\u{200B}width`,
		"\u2066x\u2069":     `\u{2066}x\u{2069}`,
		"line\u2028sep\x85": `line\u{2028}sep\x85`,
		"tag\U000E0041":     `tag\u{E0041}`,
		"nbsp\u00a0":        `nbsp\u{00A0}`,
		"<script>":          "<script>", // escaping for HTML is the template's
	} {
		if got := visible(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestNamesOfCases(t *testing.T) {
	for name, ok := range map[string]bool{
		"20260601t080000z-beacon-10.0.0.7": true, "a": true, "": false, "../x": false, ".x": false, "-x": false, "x/y": false,
		"x.partial": false, "x.hold-y": false, "ÜX": false, "A": false, strings.Repeat("a", maxName): true, strings.Repeat("a", maxName+1): false,
	} {
		if validName(name) != ok {
			t.Errorf("%q: got %v", name, !ok)
		}
	}
	for _, words := range [][]string{{"beacon", "10.0.0.7"}, {"\x00/../..", "fe80::1%eth0"}, {strings.Repeat("x", 500)}, {".partial"}, {".hold-x"}, {"é\u202e"}} {
		if n := caseName(minute(0), words...); !validName(n) || !validName(n+"-999") {
			t.Errorf("%q makes %q", words, n)
		}
	}
}

// TestProblemsAreBounded: a journal that is all wrong is told of in so many lines.
func TestProblemsAreBounded(t *testing.T) {
	w := links{name: "x"}
	for n := range 10 * maxProblems {
		w.add(n, "was changed")
	}
	if len(w.problems) != maxProblems || !strings.Contains(w.problems[maxProblems-1].Text, "more lines") {
		t.Errorf("%d problems, the last %q", len(w.problems), w.problems[len(w.problems)-1].Text)
	}
}
