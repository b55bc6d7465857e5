package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"kagami/configs"
)

// documents are what people read.
func documents(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/siem/*.md", "testdata/*/README.md"} {
		paths, err := filepath.Glob(filepath.Join("..", "..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, paths...)
	}
	if len(all) < 10 {
		t.Fatalf("only %d documents", len(all))
	}
	return all
}

var (
	docLink    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	docHeading = regexp.MustCompile(`(?m)^#{1,6} (.+)$`)
	docFence   = regexp.MustCompile("(?ms)^```[a-z]*\n(.*?)^```$")
	docFile    = regexp.MustCompile("^- `([a-z-]+\\.(?:jsonl|log))`")
	docTOML    = regexp.MustCompile("(?ms)^```toml\n(.*?)^```$")
	docSection = regexp.MustCompile(`^\[(detect[.a-z]*)\]$`)
	docAlert   = regexp.MustCompile(`^  (?:(?:HIGH|ALERT|WATCH) +|【[^】]+】)([0-9a-f.:]+)`)
	docWide    = regexp.MustCompile(` {3,}`)
)

// TestDocLinks: every link within the repository leads to a file, and to a heading
// of it.
func TestDocLinks(t *testing.T) {
	for _, path := range documents(t) {
		text := docFence.ReplaceAllString(readDoc(t, path), "")
		for _, m := range docLink.FindAllStringSubmatch(text, -1) {
			file, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(file, "://") {
				continue
			}
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %s: no such file", path, m[1])
			} else if anchor != "" && !slices.Contains(anchors(readDoc(t, target)), anchor) {
				t.Errorf("%s: %s: no such heading", path, m[1])
			}
		}
	}
}

func readDoc(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// anchors are the names of a page's headings in links: in lower case, punctuation
// left out, blanks as hyphens.
func anchors(text string) (names []string) {
	for _, m := range docHeading.FindAllStringSubmatch(docFence.ReplaceAllString(text, ""), -1) {
		names = append(names, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, m[1]))
	}
	return names
}

// TestDocLines: the lines of files that the READMEs quote are in those files, but
// for mail.log, of which the bundled capture has none. "…" stands for anything.
func TestDocLines(t *testing.T) {
	for name, zone := range map[string]string{"README.md": "UTC", "README.ja.md": "Asia/Tokyo"} {
		dir := read(t, []string{officeCapture}, "output.time_zone="+zone)
		host, err := os.Hostname()
		if err != nil {
			t.Fatal(err)
		}
		file, n := "", 0
		for line := range strings.Lines(readDoc(t, filepath.Join("..", "..", name))) {
			if m := docFile.FindStringSubmatch(line); m != nil {
				file = m[1]
			}
			quoted, ok := strings.CutPrefix(line, "      ")
			if !ok || file == "" || file == "mail.log" {
				continue
			}
			n++
			quoted = strings.Replace(strings.TrimSpace(quoted), " vm kagami: ", " "+host+" kagami: ", 1)
			if !slices.ContainsFunc(lines(t, filepath.Join(dir, file)), func(b []byte) bool { return quotes(string(b), quoted) }) {
				t.Errorf("%s: %s has no line %s", name, file, quoted)
			}
		}
		if n != 7 {
			t.Errorf("%s: %d lines are quoted", name, n)
		}
	}
}

// quotes tells whether a line has all pieces of a quotation, in that order.
func quotes(line, quoted string) bool {
	for piece := range strings.SplitSeq(quoted, elision) {
		_, rest, ok := strings.Cut(line, strings.TrimSpace(piece))
		if !ok {
			return false
		}
		line = rest
	}
	return true
}

// TestDocSettings: the tables of DETECTIONS.md have every setting of the
// detections, and no other.
func TestDocSettings(t *testing.T) {
	text := readDoc(t, filepath.Join("..", "..", "docs", "DETECTIONS.md"))
	told := map[string]bool{}
	section := ""
	for line := range strings.Lines(text) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			section = ""
			continue
		}
		first := strings.TrimSpace(cells[1])
		if m := docSection.FindStringSubmatch(first); m != nil {
			section = m[1]
			continue
		}
		for key := range strings.SplitSeq(first, ",") {
			if key = strings.TrimSpace(key); section != "" && strings.Trim(key, "-") != "" {
				told[section+"."+key] = true
			}
		}
	}
	for _, key := range configs.Keys() {
		if strings.HasPrefix(key, "detect.") && !told[key] && !told[key[:strings.LastIndexByte(key, '.')]] {
			t.Errorf("%s is in no table", key)
		}
		delete(told, key)
	}
	for key := range told {
		if !slices.ContainsFunc(configs.Keys(), func(k string) bool { return strings.HasPrefix(k, key+".") }) {
			t.Errorf("%s is no setting", key)
		}
	}
}

// TestDocConfigurations: pieces of configuration and suppression lists are good.
func TestDocConfigurations(t *testing.T) {
	for _, doc := range documents(t) {
		for _, m := range docTOML.FindAllStringSubmatch(readDoc(t, doc), -1) {
			path := filepath.Join(t.TempDir(), "kagami.toml")
			if err := os.WriteFile(path, []byte(m[1]), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := configs.Load(path, nil)
			if strings.Contains(m[1], "[[suppress]]") {
				_, _, err = readSuppressions(path)
			}
			if err != nil {
				t.Errorf("%s: %v in\n%s", doc, err, m[1])
			}
		}
	}
}

// TestDocExamples: what the documents say that a command prints is what it prints.
// An example is a fenced block that begins with commands ("$ kagami ..."), run in
// the order of the page; what follows is the last one's output, in which a line
// "…" stands for any lines. -update writes what precedes the first of these, and alerts, anew.
func TestDocExamples(t *testing.T) {
	for name, zone := range map[string]string{"README.md": "UTC", "README.ja.md": "Asia/Tokyo", "docs/DETECTIONS.md": "UTC", "docs/OPERATION.md": "UTC"} {
		path := filepath.Join("..", "..", name)
		text := readDoc(t, path)
		dir := t.TempDir()
		for _, link := range []string{"testdata", "configs"} {
			target, err := filepath.Abs(filepath.Join("..", "..", link))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
				t.Fatal(err)
			}
		}
		fresh := docFence.ReplaceAllStringFunc(text, func(block string) string {
			m := docFence.FindStringSubmatch(block)[1]
			if !strings.HasPrefix(m, "$ ") {
				return block
			}
			return strings.Replace(block, m, example(t, dir, zone, name, m), 1)
		})
		if *updateCases && fresh != text {
			if err := os.WriteFile(path, []byte(fresh), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// example runs an example; it returns how it should read.
func example(t *testing.T, dir, zone, name, block string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var commands, shown, output []string
	for line := range strings.Lines(block) {
		line = strings.TrimSuffix(line, "\n")
		words, ok := strings.CutPrefix(line, "$ ")
		if !ok {
			shown = append(shown, line)
			continue
		}
		commands = append(commands, line)
		args := strings.Fields(words)
		cmd := exec.Command(self, args[1:]...)
		cmd.Args[0], cmd.Dir = "kagami", dir
		cmd.Env = append(os.Environ(), "TZ="+zone, "LANG=C", "LC_ALL=C")
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%s: %s: %v", name, line, err)
		}
		output = strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	}
	if follows(output, shown) {
		return block
	}
	if fresh := renewed(output, shown); *updateCases && follows(output, fresh) {
		return strings.Join(append(commands, fresh...), "\n") + "\n"
	}
	t.Errorf("%s: after %s it says\n%s\nbut the program\n%s\n(go test ./cmd/kagami -run DocExamples -update)", name, strings.Join(commands, ", "), strings.Join(shown, "\n"), strings.Join(output, "\n"))
	return block
}

const elision = "…"

// follows tells whether what is shown is in the output, in that order.
func follows(output, shown []string) bool {
	anywhere := false
	for part := range parts(shown) {
		if part[0] == elision {
			anywhere = true
			continue
		}
		at := -1
		for i := 0; i+len(part) <= len(output) && at < 0 && (anywhere || i == 0); i++ {
			if slices.Equal(output[i:i+len(part)], part) {
				at = i
			}
		}
		if at < 0 {
			return false
		}
		output, anywhere = output[at+len(part):], false
	}
	return anywhere || len(output) == 0
}

// parts are runs of lines without an elision, and elisions.
func parts(lines []string) func(func([]string) bool) {
	return func(yield func([]string) bool) {
		for len(lines) > 0 {
			n := slices.Index(lines, elision)
			switch {
			case n < 0:
				n = len(lines)
			case n == 0:
				n = 1
			}
			if !yield(lines[:n]) {
				return
			}
			lines = lines[n:]
		}
	}
}

// renewed is what should be shown: all of the output if nothing was left out, else
// as many of its first lines, and the same alerts as they are now.
func renewed(output, shown []string) []string {
	first := slices.Index(shown, elision)
	if first < 0 {
		return output
	}
	fresh := slices.Clone(output[:min(first, len(output))])
	for i := first; i < len(shown); i++ {
		block, rule := alertAt(shown[i:])
		for j := range output {
			if now, is := alertAt(output[j:]); rule != "" && is == rule {
				fresh = append(fresh, now...)
				i += len(block)
				break
			}
		}
		if i < len(shown) {
			fresh = append(fresh, shown[i])
		}
	}
	return fresh
}

// alertAt is the alert that begins with the first of the lines, up to a blank one
// or an elision, and its machine and rule; "" if none does.
func alertAt(lines []string) (block []string, rule string) {
	m := docAlert.FindStringSubmatch(lines[0])
	if m == nil || len(lines) < 2 {
		return nil, ""
	}
	n := slices.IndexFunc(lines, func(l string) bool { return l == "" || l == elision })
	if n < 0 {
		n = len(lines)
	}
	if f := docWide.Split(strings.TrimSpace(lines[1]), 3); len(f) > 1 { // times, rule, techniques
		rule = m[1] + " " + f[1]
	}
	return lines[:n], rule
}
