package exporters

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckFiles(t *testing.T) {
	dir := t.TempDir()
	newCA(t, dir, "ca")
	write := func(name string, mode os.FileMode) {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("hunter2\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	write("good", 0o600)
	write("open", 0o644)
	for _, c := range []struct {
		name, to string
		want     []string // in this order, each on a line; none: no problem
	}{
		{"a file of its own", "file:///var/log/kagami/none/access.log", nil},
		{"TLS of the system's authorities", "syslog+tls://siem.example:6514", nil},
		{"an authority", "syslog+tls://siem.example:6514?ca=DIR/ca.pem", nil},
		{"a password", "opensearch+https://siem.example/logs?user=u&password=file:DIR/good", nil},
		{"the environment, which may be another's", "opensearch+https://siem.example/logs?user=u&password=env:KAGAMI_TEST_NOT_SET", nil},
		{"no authority", "syslog+tls://siem.example:6514?ca=DIR/none.pem", []string{"export x: read ca: open DIR/none.pem: no such file or directory"}},
		{"no certificate in it", "kafka+tls://siem.example/t?ca=DIR/good", []string{`export x: read ca: "DIR/good" holds no PEM certificate`}},
		{"a key that others read", "ipfix+tls://siem.example?ca=DIR/ca.pem&cert=DIR/c.pem&key=DIR/open", []string{`export x: read key: "DIR/open" can be read or changed by others (mode 0644); run: chmod 600 "DIR/open"`}},
		{"no key", "nats+tls://siem.example/s?ca=DIR/ca.pem&cert=DIR/ca.pem&key=DIR/none.key", []string{"export x: read cert and key: open DIR/none.key: no such file or directory"}},
		{"everything at once", "opensearch+https://siem.example/logs?user=u&password=file:DIR/open&ca=DIR/none.pem", []string{"export x: read password: read secret:", "export x: read ca:"}},
		{"the URL of a webhook", "webhook:?style=slack&url=file:DIR/none", []string{"export x: read url: read secret: open DIR/none: no such file or directory"}},
	} {
		e := Config{Name: "x", Format: "ecs", To: strings.ReplaceAll(c.to, "DIR", dir)}
		if strings.HasPrefix(e.To, "ipfix") {
			e.Format = "ipfix"
		}
		if err := e.Validate(); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		var lines []string
		if err := e.CheckFiles(); err != nil {
			lines = strings.Split(err.Error(), "\n")
		}
		if len(lines) != len(c.want) {
			t.Errorf("%s: got %q, want %q", c.name, lines, c.want)
			continue
		}
		for i, want := range c.want {
			if !strings.HasPrefix(lines[i], strings.ReplaceAll(want, "DIR", dir)) || strings.Contains(lines[i], "hunter2") {
				t.Errorf("%s: got %q, want %q", c.name, lines[i], want)
			}
		}
	}
}

// A file that only the sensor's user may read is no problem of whoever asks.
func TestCheckFilesOfAnotherUser(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(path, 4711, 4711); err != nil {
			t.Fatal(err)
		}
	} else if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	e := Config{Format: "ecs", To: "opensearch+https://siem.example/logs?user=u&password=file:" + path}
	if err := e.CheckFiles(); err != nil {
		t.Error(err)
	}
	if _, err := Open(e, Env{}); err == nil {
		t.Error("opened with a password that is another user's")
	}
}
