package exporters

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"kagami/exporters/chain"
	"kagami/lab/integration"
	"kagami/signing"
)

// The tests of configs/siem/{rsyslog,syslog-ng,sentinel}: the daemons run the files
// that are shipped, Kagami's own exports and queues send what the shipped kagami.toml
// says; only paths, ports and host names are others.

// siemExports are the exports of a shipped file.
func siemExports(t *testing.T, path string) []Config {
	t.Helper()
	var file struct {
		Export []Config `toml:"export"`
	}
	if _, err := toml.DecodeFile(path, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Export) == 0 {
		t.Fatalf("%s has no exports", path)
	}
	return file.Export
}

// siemSite is a place where a shipped configuration runs: its directory has
// certificates in tls/, what the daemon writes is below log/.
type siemSite struct {
	dir                string
	tls, tcp, udp, ama string // ports
}

// siemHost is what the sensor calls itself, and what its certificate says.
const siemHost = "fw1.sensors.example.jp"

func newSIEMSite(t *testing.T) *siemSite {
	t.Helper()
	s := &siemSite{dir: t.TempDir(), tls: integration.FreePort(t), tcp: integration.FreePort(t), udp: integration.FreePort(t), ama: integration.FreePort(t)}
	for _, d := range []string{"tls", "log", "work", "siem-log"} {
		if err := os.Mkdir(filepath.Join(s.dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	certificates := newCA(t, s.dir+"/tls", "ca")
	certificates.issue(t, s.dir+"/tls", "server", "localhost")
	certificates.issue(t, s.dir+"/tls", "sensor", siemHost)
	certificates.issue(t, s.dir+"/tls", "stranger", "fw1.elsewhere.example")
	return s
}

// edit changes a shipped text; what is to be changed must be there.
func edit(t *testing.T, text string, oldNew ...string) string {
	t.Helper()
	for i := 0; i < len(oldNew); i += 2 {
		if !strings.Contains(text, oldNew[i]) {
			t.Fatalf("%q is not in the shipped text:\n%s", oldNew[i], text)
		}
		text = strings.ReplaceAll(text, oldNew[i], oldNew[i+1])
	}
	return text
}

// here makes exports for this site of shipped ones: over TLS as they are, or over
// tcp or udp.
func (s *siemSite) here(t *testing.T, exports []Config, transport string) []Config {
	t.Helper()
	for i := range exports {
		to, err := url.Parse(exports[i].To)
		if err != nil || to.Scheme != "syslog+tls" {
			t.Fatalf("%q: want syslog+tls, %v", exports[i].To, err)
		}
		q := to.Query()
		port := s.tls
		switch transport {
		case "tls":
			q.Set("ca", s.dir+"/tls/ca.pem")
			q.Set("server_name", "localhost")
			if q.Has("cert") {
				q.Set("cert", s.dir+"/tls/sensor.pem")
				q.Set("key", s.dir+"/tls/sensor.key")
			}
		default:
			port = s.tcp
			for _, name := range []string{"ca", "cert", "key"} {
				q.Del(name)
			}
		}
		if transport == "udp" {
			port = s.udp
			q.Del("framing")
			q.Set("max", "65000")
			q.Set("rate", "4000")
		}
		exports[i].To = "syslog+" + transport + "://127.0.0.1:" + port + "?" + q.Encode()
	}
	return exports
}

// siemSent is what was sent.
type siemSent struct {
	key   ed25519.PublicKey
	lines map[string][]string // of each export, without stamps and heartbeats
	beats int                 // heartbeats of each export
}

// send writes records of every kind for some minutes, a heartbeat each, through
// exports with queues on disk; it returns once all are delivered.
func (s *siemSite) send(t *testing.T, exports []Config, minutes int) siemSent {
	t.Helper()
	env := Env{HostName: siemHost, Version: "1.0", Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	a := testAccount(t, s.dir+"/account")
	var to []Output
	made := map[string]*memory{}
	for _, c := range exports {
		plain, err := Open(Config{Format: c.Format, To: "stdout:", Records: c.Records}, Env{HostName: siemHost, Version: "1.0", Stdout: io.Discard})
		if err != nil {
			t.Fatal(err)
		}
		made[c.Name] = &memory{Export: plain}
		with := env
		with.Account = a
		x, err := OpenDurable(c, with, s.dir+"/spool")
		if err != nil {
			t.Fatal(err)
		}
		to = append(to, x, made[c.Name])
	}
	beats(t, a, to, at(t, "2026-11-15T12:00:00"), minutes)
	var errs []error
	for _, x := range to { // at its end a queue on disk tries once more only
		for end := time.Now().Add(2 * time.Minute); x.Stats().QueuedLines > 0 && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
		}
		errs = append(errs, x.Close(context.Background()))
	}
	if err := errors.Join(append(errs, a.Close())...); err != nil {
		t.Fatal(err)
	}
	key, err := signing.ReadPublic(s.dir + "/account/signing.pub")
	if err != nil {
		t.Fatal(err)
	}
	sent := siemSent{key: key, lines: map[string][]string{}, beats: minutes}
	for name, m := range made {
		sent.lines[name] = m.lines
	}
	return sent
}

// arrived waits until a file has n lines, or no more come.
func arrived(t *testing.T, path string, n int) []string {
	t.Helper()
	var lines []string
	for still, last := 0, -1; still < 50; still++ {
		b, _ := os.ReadFile(path)
		if lines = strings.Split(strings.TrimSuffix(string(b), "\n"), "\n"); len(lines) >= n && bytes.HasSuffix(b, []byte("\n")) {
			break
		}
		if len(lines) != last {
			last, still = len(lines), 0
		}
		time.Sleep(100 * time.Millisecond)
	}
	return lines
}

// wantArrived tells whether a file has every line of an export octet for octet, in
// order, and whether kagami verify finds it whole under the sensor's signature.
func wantArrived(t *testing.T, path, export string, sent siemSent) {
	t.Helper()
	want := sent.lines[export]
	got := arrived(t, path, len(want)+sent.beats)
	i := 0
	for n, line := range got {
		text := unstamped(t, line)
		if strings.Contains(text, "kagami-heartbeat-1 ") {
			continue
		}
		if i >= len(want) || text != want[i] {
			t.Fatalf("%s, line %d is not record %d of %d:\ngot  %q\nwant %q", path, n+1, i+1, len(want), text, want[min(i, len(want)-1)])
		}
		i++
	}
	if i != len(want) || len(got) != len(want)+sent.beats || len(want) < sent.beats {
		t.Fatalf("%s: %d records of %d, %d lines", path, i, len(want), len(got))
	}
	r := check(t, chain.Options{Inputs: []string{path}, Keys: []chain.Key{{Public: sent.key}}})
	if !r.Good() || r.Records != uint64(len(got)) || r.Vouched != r.Records-1 || r.Beats != uint64(sent.beats) { // nothing follows the last heartbeat
		t.Errorf("%s: %d of %d records, %d vouched for, %d heartbeats: %v", path, r.Records, len(got), r.Vouched, r.Beats, r.Findings)
	}
	t.Logf("%s: %d records and %d heartbeats, octet for octet and in order; verify: %d under a signature", export, i, r.Beats, r.Vouched)
}

// wantForwarded is wantArrived behind a daemon that handed on what it had: it may
// have done so twice.
func wantForwarded(t *testing.T, path, export string, sent siemSent) {
	t.Helper()
	seen := map[string]bool{}
	var once []string
	got := arrived(t, path, len(sent.lines[export])+sent.beats)
	for _, line := range got {
		if !seen[line] {
			once = append(once, line)
		}
		seen[line] = true
	}
	writeText(t, path+".once", strings.Join(once, "\n")+"\n")
	wantArrived(t, path+".once", export, sent)
	if r := check(t, chain.Options{Inputs: []string{path}, Keys: []chain.Key{{Public: sent.key}}}); !r.Good() || r.Repeated != uint64(len(got)-len(once)) {
		t.Errorf("%s: %d lines, %d of them more than once: %+v", path, len(got), r.Repeated, r.Findings)
	}
	t.Logf("%s: %d lines came more than once", export, len(got)-len(once))
}

// unstamped is a line as it was before it was stamped.
func unstamped(t *testing.T, line string) string {
	t.Helper()
	for _, form := range []struct{ begin, open, close string }{
		{"{", `,"kagami.export":{`, "}"}, {"CEF:", " kagamiSensor=", ""}, {"LEEF:", "^kagamiSensor=", ""},
	} {
		if i := strings.LastIndex(line, form.open); strings.HasPrefix(line, form.begin) && i > 0 {
			return line[:i] + form.close
		}
	}
	if _, rest, ok := strings.Cut(line, `"] `); ok && strings.HasPrefix(line, "[kagami@") {
		return rest
	}
	t.Fatalf("no stamp: %q", line)
	return ""
}

// daemon runs rsyslogd or syslog-ng with a configuration.
func (s *siemSite) daemon(t *testing.T, program, config string) *integration.Server {
	t.Helper()
	path := filepath.Join(s.dir, "conf-"+integration.FreePort(t))
	writeText(t, path, config)
	args := []string{"-n", "-iNONE", "-f", path}
	if program == "syslog-ng" {
		args = []string{"-F", "-f", path, "-R", path + ".persist", "-c", path + ".ctl", "-p", path + ".pid", "--no-caps"}
	}
	d := integration.Start(t, "", func() *exec.Cmd { return integration.Command(program, args...) })
	if log := d.Log(); strings.Contains(log, "rror") { // rsyslogd goes on without what it does not understand
		t.Fatalf("%s: %s", program, log)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s: %s", program, d.Log())
		}
	})
	return d
}

// takeCertificates makes another site's authority this one's, too.
func (s *siemSite) takeCertificates(t *testing.T, of *siemSite) {
	t.Helper()
	for _, name := range []string{"ca.pem", "server.pem", "server.key"} {
		writeText(t, s.dir+"/tls/"+name, readText(t, of.dir+"/tls/"+name))
	}
}
