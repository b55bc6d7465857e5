package secret

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const password = "correct horse 电池 staple"

func TestCheck(t *testing.T) {
	for ref, ok := range map[string]bool{
		"env:SIEM_PASSWORD": true, "env:_x9": true, "file:/run/secrets/siem": true, "file:///run/secrets/siem": true,
		"": false, password: false, "env:": false, "env:9X": false, "env:A B": false, "env:A=B": false, "env:" + password: false,
		"file:": false, "file:siem": false, "file:../siem": false, "file://host/siem": false, "ENV:X": false, "file:/a\x00b": false,
	} {
		err := Check(ref)
		if (err == nil) != ok {
			t.Errorf("%q: %v", ref, err)
		}
		if err != nil && ref != "" && strings.Contains(err.Error(), password) {
			t.Errorf("the error holds the secret: %v", err)
		}
	}
}

func TestReadEnvironment(t *testing.T) {
	t.Setenv("KAGAMI_TEST_SECRET", password)
	t.Setenv("KAGAMI_TEST_EMPTY", "")
	if s, err := Read("env:KAGAMI_TEST_SECRET"); s != password || err != nil {
		t.Errorf("%q, %v", s, err)
	}
	for _, ref := range []string{"env:KAGAMI_TEST_EMPTY", "env:KAGAMI_TEST_NONE"} {
		if s, err := Read(ref); s != "" || err == nil || !strings.Contains(err.Error(), "is not set, or empty") {
			t.Errorf("%s: %q, %v", ref, s, err)
		}
	}
	if s, err := Read(password); s != "" || err == nil || strings.Contains(err.Error(), password) {
		t.Errorf("%q, %v", s, err)
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(write("target", password, 0o600), link); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, path, want, err string
	}{
		{"plain", write("plain", password, 0o600), password, ""},
		{"read-only", write("readonly", password, 0o400), password, ""},
		{"group may read", write("group", password, 0o640), password, ""},
		{"line end", write("line", password+"\n", 0o600), password, ""},
		{"DOS line end", write("dos", password+"\r\n", 0o600), password, ""},
		{"blanks and inner line ends stay", write("pem", " a\nb \n\n", 0o600), " a\nb \n", ""},
		{"link", link, password, ""},
		{"longest", write("longest", strings.Repeat("x", maxBytes), 0o600), strings.Repeat("x", maxBytes), ""},
		{"others may read", write("world", password, 0o604), "", "chmod 600"},
		{"all may read", write("all", password, 0o644), "", "(mode 0644); run: chmod 600"},
		{"group may write", write("gw", password, 0o660), "", "chmod 600"},
		{"empty", write("empty", "", 0o600), "", "is empty"},
		{"nothing but a line end", write("newline", "\n", 0o600), "", "is empty"},
		{"too long", write("long", strings.Repeat("x", maxBytes+1), 0o600), "", "longer than"},
		{"missing", filepath.Join(dir, "missing"), "", "no such file"},
		{"directory", dir, "", "is not a file"},
		{"pipe", pipe, "", "is not a file"},
	} {
		s, err := Read("file:" + c.path)
		if s != c.want || (err == nil) != (c.err == "") || err != nil && (!strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), password)) {
			t.Errorf("%s: %.40q, %v", c.name, s, err)
		}
	}
	if os.Geteuid() != 0 {
		t.Log("not root: no file of another user to try")
		return
	}
	other := write("other", password, 0o600)
	if err := os.Chown(other, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if s, err := Read("file:" + other); s != "" || err == nil || !strings.Contains(err.Error(), "belongs to user 65534") {
		t.Errorf("another user's: %q, %v", s, err)
	}
}

func TestCheckURL(t *testing.T) {
	for s, ok := range map[string]bool{
		"kafka+tls://broker:9093/topic?user=kagami&password=file:/run/siem": true,
		"https://kagami@siem/":        true,
		"https://kagami:hunter2@siem": false,
		"https://kagami:@siem":        false,
	} {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		err = CheckURL(u)
		if (err == nil) != ok || err != nil && (strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "password=file:/path")) {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, s := range []string{"env:X", "file:/x", "file:///x", "x", "env:", "file:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, ref string) {
		if Check(ref) == nil && !strings.HasPrefix(ref, envPrefix) && !strings.HasPrefix(ref, filePrefix+"/") {
			t.Errorf("%q passes", ref)
		}
	})
}
