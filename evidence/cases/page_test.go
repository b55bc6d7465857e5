package cases

import (
	"context"
	"fmt"
	"html"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"kagami/evidence/segment"
)

// hostile is what a name from the wire may hold.
const hostile = "</td><script>alert(1)</script><img src=x onerror=alert(2)>\u202egpj.exe\n\x1b[31m\x00\"'`{{.}}\xff"

// hostileRecords writes records whose every text is hostile.
func hostileRecords(_ context.Context, _ []string, w io.Writer) error {
	q, err := encode(hostile)
	if err != nil {
		return err
	}
	at := timeText(minute(20))
	_, err = fmt.Fprintf(w, `{"@timestamp":"%[1]s","event":{"dataset":"kagami.http","action":%[2]s},"source":{"ip":%[2]s},"destination":{"ip":%[2]s,"domain":%[2]s},"http":{"request":{"method":%[2]s},"response":{"status_code":200,"mime_type":%[2]s}},"url":{"full":%[2]s}}
{"@timestamp":"%[1]s","event":{"dataset":"kagami.flow","start":"%[1]s","end":"%[1]s","reason":%[2]s},"source":{"ip":%[2]s},"destination":{"domain":%[2]s},"network":{"protocol":%[2]s}}
{"@timestamp":"%[1]s","event":{"dataset":"kagami.dns"},"dns":{"question":{"name":%[2]s,"type":%[2]s},"resolved_ip":["192.0.2.1","x"]}}
{"@timestamp":"%[1]s","event":{"dataset":"kagami.file","start":"%[1]s"},"file":{"name":%[2]s,"mime_type":%[2]s,"hash":{"sha256":%[2]s}},"url":{"full":%[2]s},"kagami":{"file":{"sender":%[2]s,"source":%[2]s,"class":%[2]s}}}
{"@timestamp":"%[1]s","event":{"dataset":%[2]s,"action":%[2]s}}
`, at, q)
	return err
}

func hostileRequest() Request {
	r := alertRequest()
	a := r.Alert
	a.ID, a.Rule, a.Title, a.Destination, a.Benign, a.Evidence, a.Technique = hostile, hostile, hostile, hostile, hostile, []string{hostile}, []string{hostile}
	r.Reason = hostile
	return r
}

// TestPageHostile: nothing from the wire becomes markup, script, a reference or an
// unseen character, in the page, the README, the objects and the manifest.
func TestPageHostile(t *testing.T) {
	env := labEnv(t)
	env.Records, env.Host, env.Interface = hostileRecords, hostile, hostile
	record(t, env.Dir, scenario(), 0, 30, new(segment.Counters))
	c, dir := pinned(t, env, hostileRequest())
	if !validName(c.Name) {
		t.Errorf("name %q", c.Name)
	}
	for _, name := range []string{pageName, readmeName, objectsName, manifestName} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		text := string(b)
		for _, bad := range []string{"<script", "<img", "\u202e", "\x1b", "\x00", "\xff"} {
			if name != readmeName && name != objectsName && name != manifestName && strings.Contains(text, bad) || bad[0] != '<' && strings.Contains(text, bad) && name != manifestName {
				t.Errorf("%s holds %q", name, bad)
			}
		}
		for _, r := range text {
			if unicode.IsControl(r) && r != '\n' && r != '\t' {
				t.Errorf("%s holds %U", name, r)
				break
			}
		}
	}
	objects, _ := os.ReadFile(filepath.Join(dir, objectsName))
	lines := strings.Split(strings.TrimSuffix(string(objects), "\n"), "\n")
	for _, l := range lines {
		if strings.Count(l, "\t") != len(objectColumns)-1 {
			t.Errorf("objects: %q", l)
		}
	}
	if len(lines) != 2 {
		t.Errorf("objects: %d lines", len(lines))
	}
	page, _ := os.ReadFile(filepath.Join(dir, pageName))
	if n := strings.Count(string(page), `\u{202E}gpj.exe\n\u{001B}`); n < 10 {
		t.Errorf("hostile text is visible %d times only", n)
	}
	if v, err := Verify(dir, nil); err != nil || !v.OK() {
		t.Errorf("verify: %v, %v", v, err)
	}
}

// TestPage: the page asks for nothing outside, has no script, and every reference in
// it is to a file of the case or a place in the page.
func TestPage(t *testing.T) {
	env := labEnv(t)
	record(t, env.Dir, scenario(), 0, 30, new(segment.Counters))
	_, dir := pinned(t, env, alertRequest())
	b, err := os.ReadFile(filepath.Join(dir, pageName))
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	for _, r := range regexp.MustCompile(`(?i)\b(?:href|src|action|srcset|data|background|poster)\s*=\s*"?([^"\s>]*)`).FindAllStringSubmatch(page, -1) {
		target := r[1]
		if strings.HasPrefix(target, "#") {
			if !strings.Contains(page, `id="`+target[1:]+`"`) {
				t.Errorf("%s leads nowhere", target)
			}
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, target)); err != nil || strings.ContainsAny(target, ":/") {
			t.Errorf("reference to %q", target)
		}
	}
	for _, bad := range []string{"<script", "javascript:", "@import", "url(", "<link", "<iframe", " on"} {
		if strings.Contains(strings.ToLower(page), bad) && bad != " on" {
			t.Errorf("the page holds %q", bad)
		}
	}
	if regexp.MustCompile(`(?i)\son[a-z]+\s*=`).MatchString(page) {
		t.Error("the page has an event handler")
	}
	for _, want := range []string{
		"10.0.0.7 received a program", "executable-download", "&#43;4.0 nats: it is a program", "an update", "T1105", `default-src 'none'`,
		`<tr class="hit">`, sum([]byte("MZ")), "203.0.113.5", "evil.example", "sensor.example", "prefers-color-scheme: dark", "max-width: 44rem",
		"frame.comment", "ip.addr == 10.0.0.7", "SHA256:", "No gap is known", "complete: everything that was still there was taken",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	readme, _ := os.ReadFile(filepath.Join(dir, readmeName))
	if n := strings.Count(string(readme), "\n"); n != 10 {
		t.Errorf("the README has %d lines:\n%s", n, readme)
	}
}

// TestPageCommands runs the commands that the page gives for checking a case
// without Kagami, as they stand there.
func TestPageCommands(t *testing.T) {
	for _, tool := range []string{"sh", "openssl", "sha256sum", "base64"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	env := labEnv(t)
	record(t, env.Dir, scenario(), 0, 30, new(segment.Counters))
	_, dir := pinned(t, env, alertRequest())
	b, err := os.ReadFile(filepath.Join(dir, pageName))
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(b), "How to verify")
	var commands []string
	for _, m := range regexp.MustCompile(`(?s)<pre>(.*?)</pre>`).FindAllStringSubmatch(part, -1) {
		commands = append(commands, strings.ReplaceAll(html.UnescapeString(m[1]), "/tmp/", t.TempDir()+"/"))
	}
	if len(commands) != 6 {
		t.Fatalf("%d commands: %q", len(commands), commands)
	}
	run := func(n int) (string, error) {
		cmd := exec.Command("sh", "-c", commands[n])
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	files, chain, signature, key, fingerprint := 1, 2, 3, 4, strings.TrimSpace(commands[5])
	if out, err := run(files); err != nil || strings.Count(out, ": OK") != 7 {
		t.Errorf("files: %v\n%s", err, out)
	}
	if out, err := run(chain); err != nil || out != "" {
		t.Errorf("chain: %v\n%s", err, out)
	}
	if out, err := run(signature); err != nil || !strings.Contains(out, "Signature Verified Successfully") {
		t.Errorf("signature: %v\n%s", err, out)
	}
	if out, err := run(key); err != nil || "SHA256:"+strings.TrimSpace(out) != fingerprint {
		t.Errorf("key: %v, %q, want %q", err, out, fingerprint)
	}
	path := filepath.Join(dir, manifestName)
	text, _ := os.ReadFile(path)
	os.WriteFile(path, []byte(strings.Replace(string(text), `"kind":"alert"`, `"kind":"alarm"`, 1)), 0o600)
	if out, _ := run(chain); !strings.Contains(out, "broken: ") {
		t.Errorf("a changed chain: %q", out)
	}
	os.WriteFile(path, []byte(strings.Replace(string(text), `"state":"complete"`, `"state":"completE"`, 1)), 0o600)
	if out, err := run(signature); err == nil {
		t.Errorf("a changed end: %q", out)
	}
	os.WriteFile(path, text, 0o600)
	os.WriteFile(filepath.Join(dir, recordsName), []byte("x"), 0o600)
	if out, err := run(files); err == nil || !strings.Contains(out, "records.jsonl: FAILED") {
		t.Errorf("a changed file: %v %q", err, out)
	}
}

// TestPinTshark asks another program what it reads in a case.
func TestPinTshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip(err)
	}
	env := labEnv(t)
	events := scenario()
	record(t, env.Dir, events, 0, 30, new(segment.Counters))
	_, dir := pinned(t, env, alertRequest())
	ask := func(args ...string) string {
		out, err := exec.Command(tshark, args...).Output()
		if err != nil {
			t.Fatalf("tshark %v: %v", args, err)
		}
		return strings.TrimSpace(string(out))
	}
	all, _ := expected(events, minute(10), minute(25))
	n := 0
	for _, name := range []string{"packets-0001.pcapng", "packets-0002.pcapng"} {
		path := filepath.Join(dir, name)
		n += len(strings.Split(ask("-r", path, "-T", "fields", "-e", "frame.number"), "\n"))
		if got := ask("-r", path, "-Y", "frame.comment", "-T", "fields", "-e", "ip.src", "-e", "frame.comment"); got !=
			"10.0.0.7\tKagami alert 0000000000000007-0-a1 (executable-download): 10.0.0.7 received a program" {
			t.Errorf("%s: comments %q", name, got)
		}
	}
	if n != all {
		t.Errorf("tshark reads %d packets, want %d", n, all)
	}
	if got := ask("-2", "-N", "Nn", "-r", filepath.Join(dir, "packets-0002.pcapng"), "-Y", "ip.dst == 203.0.113.5", "-T", "fields", "-e", "ip.dst_host", "-c", "1000"); !strings.Contains(got, evil) {
		t.Errorf("names: %q", got)
	}
}
