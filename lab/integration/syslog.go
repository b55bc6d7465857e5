package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Collector is a syslog daemon that writes what it receives to a file.
type Collector struct {
	*Server
	Dir  string // of its files: "out" is what it received
	Port string
}

// Syslog prepares and starts a daemon, "rsyslogd" or "syslog-ng", with config, in
// which P stands for its port and D for its directory:
//
//	input(type="imtcp" address="127.0.0.1" port="P")    syslog(ip(127.0.0.1) port(P));    file("D/out")
//
// prepare puts what it needs into the directory; it may be nil.
func Syslog(t testing.TB, daemon, config string, prepare func(dir string)) *Collector {
	t.Helper()
	Need(t, daemon)
	c := &Collector{Dir: t.TempDir(), Port: FreePort(t)}
	if prepare != nil {
		prepare(c.Dir)
	}
	path := filepath.Join(c.Dir, "conf")
	save(t, path, c.Fill(config))
	args := []string{"-n", "-iNONE", "-f", path}
	if daemon == "syslog-ng" {
		args = []string{"-F", "-f", path, "-R", c.Dir + "/persist", "-c", c.Dir + "/ctl", "-p", c.Dir + "/pid", "--no-caps"}
	}
	c.Server = Start(t, "", func() *exec.Cmd { return Command(daemon, args...) })
	return c
}

// Fill puts port and directory where P and D stand for them.
func (c *Collector) Fill(text string) string {
	return strings.NewReplacer("(P)", "("+c.Port+")", `"P"`, `"`+c.Port+`"`, ":P?", ":"+c.Port+"?",
		`"D/`, `"`+c.Dir+`/`, `"D"`, `"`+c.Dir+`"`, "=D/", "="+c.Dir+"/", "//D/", "//"+c.Dir+"/").Replace(text)
}

// Received is the file's text.
func (c *Collector) Received() []byte {
	b, _ := os.ReadFile(filepath.Join(c.Dir, "out"))
	return b
}
