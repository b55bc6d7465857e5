package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kagami/exporters/chain"
	"kagami/signing"
)

// accountedLive writes a record file, a log without room for stamps, and two exports to
// a syslog receiver.
const accountedLive = recordsOnly + `name = "local"
[account]
sensor = "fw1"
every = "1s"
[[export]]
name = "access"
format = "squid"
to = "file://DIR/access.log"
[[export]]
name = "siem"
format = "ecs"
to = "syslog+tcp://RECEIVER?max=65000&framing=lf"
[[export]]
name = "events"
format = "cef"
to = "syslog+tcp://RECEIVER?max=65000&framing=lf"
`

// lineCollector is a syslog receiver that keeps lines.
type lineCollector struct {
	addr string
	mu   sync.Mutex
	text []byte
}

func collect(t *testing.T) *lineCollector {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") // in the test's network
	if err != nil {
		t.Fatal(err)
	}
	c := &lineCollector{addr: l.Addr().String()}
	var open sync.WaitGroup
	t.Cleanup(func() { l.Close(); open.Wait() })
	open.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() { c.take(conn) })
		}
	})
	return c
}

// take keeps whole lines; what a connection ends within is no line.
func (c *lineCollector) take(conn net.Conn) {
	defer conn.Close()
	for r := bufio.NewReader(conn); ; {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return
		}
		c.mu.Lock()
		c.text = append(c.text, line...)
		c.mu.Unlock()
	}
}

func (c *lineCollector) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.text)
}

// accountTest is a run with an account.
type accountTest struct {
	*live
	siem *lineCollector
	key  string
}

// beats waits for n heartbeats of a start in each export, from now on.
func (a *accountTest) beats(n int) {
	a.t.Helper()
	count := func() (least int) {
		siem, local, beside := a.siem.String(), a.file("records.jsonl"), a.file("access.log.account")
		return min(strings.Count(siem, "name:siem start:"), strings.Count(siem, "name:events start:"),
			strings.Count(local, "name:local start:"), strings.Count(beside, "name:access start:"))
	}
	want := count() + n
	for deadline := time.Now().Add(waitLimit + time.Duration(n)*time.Second); count() < want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			a.t.Fatalf("%d heartbeats everywhere, want %d; the log: %s", count(), want, a.log.String())
		}
	}
}

// sees plays a transaction and waits until every export has it.
func (a *accountTest) sees(port uint16) {
	a.t.Helper()
	logged := strings.Count(a.file("access.log"), "\n")
	play(a.t, transaction(a.t, port), 0)
	a.written("records.jsonl", transactionMark(port))
	a.until("the receiver has the transaction", func() bool { return strings.Contains(a.siem.String(), transactionMark(port)) })
	a.until("the log has the transaction", func() bool { return strings.Count(a.file("access.log"), "\n") > logged })
}

// verified is kagami verify's exit status and what it writes.
func verified(t *testing.T, args ...string) (int, string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command(self, append([]string{"verify", "--lang", "en"}, args...)...)
	cmd.Args[0] = "kagami"
	cmd.Stdout, cmd.Stderr = &said, &said
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), said.String()
}

// TestLiveAccount: four starts of a sensor, one of which is killed; what its
// receiver and its own files have is whole, and what is changed in copies is named.
func TestLiveAccount(t *testing.T) {
	ownNetwork(t)
	a := &accountTest{siem: collect(t)}
	dir := t.TempDir()
	config := strings.ReplaceAll(accountedLive, "RECEIVER", a.siem.addr)
	a.key = filepath.Join(dir, "account", "signing.pub")

	a.live = startLive(t, dir, config)
	a.sees(54469)
	a.beats(2)
	a.stop()

	a.live = startLive(t, dir, config)
	a.sees(60689)
	a.beats(2)
	a.configure(strings.Replace(config, "workers = 2", "workers = 1", 1))
	a.signal(unix.SIGHUP)
	a.logged("(?s)configuration changed: starting anew.*msg=capturing")
	a.sees(41858)
	a.beats(2)
	killed := lastBoot(t, a.siem.String())
	a.signal(unix.SIGKILL)
	a.ends()

	a.live = startLive(t, dir, config)
	a.sees(54469)
	a.beats(14) // more than a silence
	a.sees(60689)
	a.beats(1)
	a.stop()

	siem := a.copy("siem.log", a.siem.String())
	a.whole(killed, siem)
	a.whole(killed, a.path("records.jsonl"))
	a.whole(killed, a.path("access.log"), a.path("access.log.account"))
	a.tamper(siem)
	a.tamperLocal(siem)
	a.swap(siem, config)
}

var bootOf = regexp.MustCompile(`"boot":"([0-9a-f]{16})"`)

func lastBoot(t *testing.T, text string) string {
	t.Helper()
	all := bootOf.FindAllStringSubmatch(text, -1)
	if len(all) == 0 {
		t.Fatal("no boot in what was received")
	}
	return all[len(all)-1][1]
}

func (a *accountTest) copy(name, text string) string {
	a.t.Helper()
	if err := os.WriteFile(a.path(name), []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return a.path(name)
}

// whole expects four starts, of which the third has no farewell, and nothing else:
// what it wrote between its last heartbeat and its end may be vouched for by nobody.
func (a *accountTest) whole(killed string, inputs ...string) {
	a.t.Helper()
	key, err := signing.ReadPublic(a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	r, err := chain.Verify(chain.Options{Inputs: inputs, Keys: []chain.Key{{Sensor: "fw1", Public: key}}, Now: time.Now().UnixNano(), Until: time.Now().UnixNano()})
	if err != nil {
		a.t.Fatal(err)
	}
	ends := 0
	for _, s := range r.Streams {
		if s.Boot == killed && s.Ended || s.Boot != killed && !s.Ended {
			a.t.Errorf("%s: start %d: ended in good order: %v", inputs[0], s.Start, s.Ended)
		}
		ends = max(ends, int(s.Start))
	}
	if ends != 4 || r.Vouched < r.Records*3/4 {
		a.t.Errorf("%s: %d starts, %d records, %d vouched for", inputs[0], ends, r.Records, r.Vouched)
	}
	told := slices.ContainsFunc(r.Notes, func(f chain.Finding) bool { return f.Kind == chain.Crash && f.Other == killed })
	for _, f := range r.Findings {
		switch {
		case f.Kind == chain.EndMissing && f.Other == killed: // its last heartbeat was noted, and did not get out
			told = true
		case f.Kind == chain.Unvouched && f.Boot == killed, f.Kind == chain.Inserted && f.Count < 5:
		default:
			a.t.Errorf("%s: %s: %s", inputs[0], f.Kind, f.Text("en"))
		}
	}
	if !told {
		a.t.Errorf("%s: nothing tells that start %s was killed: %v", inputs[0], killed, r.Notes)
	}
	a.t.Logf("%s: %d records in %d streams, %d vouched for, %d heartbeats", filepath.Base(inputs[0]), r.Records, len(r.Streams), r.Vouched, r.Beats)
}

// named expects kagami verify to say what is wrong, exit status 2.
func (a *accountTest) named(what, want string, args ...string) {
	a.t.Helper()
	code, said := verified(a.t, append([]string{"--key", "fw1=" + a.key}, args...)...)
	if code != 2 || !regexp.MustCompile(want).MatchString(said) {
		a.t.Errorf("%s: exit status %d, want 2 and %q:\n%s", what, code, want, said)
	}
}

// tamper changes copies of what the receiver has.
func (a *accountTest) tamper(siem string) {
	a.t.Helper()
	lines := strings.SplitAfter(a.siem.String(), "\n")
	at := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, transactionMark(60689)) })
	flipped := slices.Clone(lines)
	flipped[at] = strings.Replace(lines[at], `"10.0.0.13"`, `"10.0.0.12"`, 1)
	a.named("one octet", fmt.Sprintf(`WRONG fw1/siem \w+: altered: record \d+, at line %d of flipped.log`, at+1), a.copy("flipped.log", strings.Join(flipped, "")))
	removed := slices.Delete(slices.Clone(lines), at, at+1)
	a.named("one record", `WRONG fw1/siem \w+: missing: \d+ `, a.copy("removed.log", strings.Join(removed, "")))

	var gap []string // of the last start: between its second and its fifteenth heartbeat
	boot := lastBoot(a.t, a.siem.String())
	n := 0
	for _, l := range lines {
		if strings.Contains(l, boot) && strings.Contains(l, "name:siem start:") {
			n++
		}
		if !strings.Contains(l, boot) || n < 2 || n > 14 {
			gap = append(gap, l)
		}
	}
	a.named("a quarter of a minute", `WRONG fw1/siem \w+: silent \(between .*heartbeats missing: 1[2-9];`, a.copy("gap.log", strings.Join(gap, "")))
	a.named("the same", `WRONG fw1/events \w+: missing: \d+–\d+ `, a.path("gap.log"))
	first := bootOf.FindStringSubmatch(a.siem.String())[1]
	replayed := strings.Join(slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return !strings.Contains(l, first) }), "")
	a.named("the first start behind the others", `WRONG .*records of an earlier start stand behind those of a later one`,
		a.copy("replayed.log", strings.Join(slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return strings.Contains(l, first) }), "")+replayed))
}

// tamperLocal changes copies of the sensor's own files.
func (a *accountTest) tamperLocal(siem string) {
	a.t.Helper()
	text := a.file("records.jsonl")
	if code, said := verified(a.t, "--key", a.key, "--any-order", siem, "--against", a.path("records.jsonl"), "--against", a.path("access.log")); code != 0 && strings.Contains(said, "never-named") {
		a.t.Errorf("as they were: exit status %d:\n%s", code, said)
	}
	lines := strings.SplitAfter(text, "\n")
	a.named("the file's end", `WRONG fw1/local \w+: the file ends with heartbeat \d+, but export \w+ told of heartbeat`,
		siem, "--against", a.copy("cut.jsonl", strings.Join(lines[:len(lines)-8], "")))
	boot := lastBoot(a.t, text)
	a.named("the file's last start", `WRONG fw1/local \w+: the file ends with this start, but export \w+ told at .* of a later one`,
		siem, "--against", a.copy("start.jsonl", strings.Join(slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return strings.Contains(l, boot) }), "")))

	log, account := a.file("access.log"), a.file("access.log.account")
	a.copy("other.log.account", account)
	a.named("one octet of a log", `WRONG fw1/access \w+: altered: record 1, at line 1 of other.log`, a.copy("other.log", strings.Replace(log, "10.0.0.13", "10.0.0.12", 1)))
	_, rest, _ := strings.Cut(log, "\n")
	a.named("one line of a log", `WRONG fw1/access \w+: missing: \d+`, a.copy("other.log", log[:len(log)-len(rest)]))
	a.named("a log emptied", `WRONG fw1/access \w+: missing: \d+`, a.copy("other.log", ""))
	if err := os.Remove(a.path("other.log.account")); err != nil {
		a.t.Fatal(err)
	}
	a.named("a log's account", `WRONG other.log: no line bears a stamp, and no account`, siem, "--against", a.copy("other.log", log))
}

// swap puts another sensor's file, of the same id, in the place of this one's.
func (a *accountTest) swap(siem, config string) {
	a.t.Helper()
	other := &accountTest{siem: a.siem, live: startLive(a.t, a.t.TempDir(), config)}
	other.beats(2)
	other.stop()
	a.named("a file swapped", `WRONG fw1/local \w+: a heartbeat signed by another key`, siem, "--against", other.path("records.jsonl"))
	code, said := verified(a.t, siem, "--against", other.path("records.jsonl"))
	if code != 2 {
		a.t.Errorf("a file swapped, no key given: exit status %d:\n%s", code, said)
	}
}
