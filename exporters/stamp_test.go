package exporters

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"kagami/exporters/chain"
	"kagami/records"
	"kagami/signing"
)

func heartbeatRecord(t *testing.T) *records.Heartbeat {
	h := records.NewHeartbeat(records.Meta{At: at(t, "2014-12-06T00:12:00")})
	h.Packets, h.Dropped, h.Sent = records.Tally{Total: 5000, Since: 1000}, records.Tally{Total: 20, Since: 10}, records.Tally{Total: 400, Since: 40}
	h.Made[ClassProtocol], h.Lost[ClassFlow], h.Queued = records.Tally{Total: 410, Since: 41}, records.Tally{Total: 3, Since: 2}, 7
	h.Sensor, h.Export, h.Boot, h.Start, h.Number, h.First, h.Last = "sensor1", "siem", "5f0c5f0c5f0c5f0c", 3, 17, 401, 441
	h.Detectors, h.Version, h.Config, h.Uptime = "learned", "1.2", "0123456789abcdef", 60e9
	h.Clock = records.Clock{Known: true, Synchronised: true, Offset: -1500, MaxError: 2e6}
	h.Text = "kagami-heartbeat-1 sensor:sensor1 boot:5f0c5f0c5f0c5f0c"
	return h
}

// memory is an Output that keeps lines, as a collector would.
type memory struct {
	*Export
	lines []string
}

func (m *memory) Write(recs []records.Record) error {
	for _, r := range recs {
		for l, ok := m.line(r); ok; l, ok = m.more() {
			m.lines = append(m.lines, string(l.Text))
		}
	}
	return nil
}

func (m *memory) Stats() Stats { return Stats{Made: 1, Sent: 1} }

func testAccount(t *testing.T, dir string) *Account {
	t.Helper()
	a, err := OpenAccount(AccountConfig{Dir: dir, Sensor: "fw 1"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// beats writes records and heartbeats for some minutes, the last one a farewell.
func beats(t *testing.T, a *Account, to []Output, from int64, minutes int) int64 {
	t.Helper()
	for i := range minutes {
		for _, x := range to {
			if err := x.Write(varied(t, i)); err != nil {
				t.Fatal(err)
			}
		}
		from += int64(time.Minute)
		h := records.NewHeartbeat(records.Meta{At: from})
		h.End = i == minutes-1
		if err := a.Beat(to, h); err != nil {
			t.Fatal(err)
		}
	}
	return from
}

// varied are ordinary records, other ones each minute.
func varied(t *testing.T, minute int) []records.Record {
	rs := slices.DeleteFunc(sample(t), func(r records.Record) bool { return r.Meta().Kind == records.KindHeartbeat })
	for _, r := range rs {
		r.Meta().At += int64(minute) * int64(time.Minute)
	}
	flow := flowRecord(t, func(r *records.Flow) { r.Resp.IPBytes += uint64(minute) })
	mail := mailRecord(t)
	mail.Content, mail.Header.Lines = mail.Start, []string{"From: a@example.jp", fmt.Sprintf("Subject: %d", minute)}
	return append(rs, flow, mail)
}

func check(t *testing.T, o chain.Options) *chain.Report {
	t.Helper()
	r, err := chain.Verify(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestStampFiles: what every format writes to a file can be verified, over a
// restart; one flipped octet and one removed line are named.
func TestStampFiles(t *testing.T) {
	for _, f := range formats {
		t.Run(f.name, func(t *testing.T) {
			if f.name == "ipfix" {
				t.Skip("no lines")
			}
			dir, state := t.TempDir(), t.TempDir()
			to := "file://" + dir + "/out.log"
			if f.logs != oneLog {
				to = "file://" + dir + "/"
			}
			now := at(t, "2026-11-15T12:00:00")
			for range 2 {
				a := testAccount(t, state)
				x, err := Open(Config{Format: f.name, To: to}, Env{HostName: "fw1", Account: a})
				if err != nil {
					t.Fatal(err)
				}
				now = beats(t, a, []Output{x}, now, 4)
				if err := errors.Join(x.Close(context.Background()), a.Close()); err != nil {
					t.Fatal(err)
				}
			}
			key, err := signing.ReadPublic(filepath.Join(state, "signing.pub"))
			if err != nil {
				t.Fatal(err)
			}
			files, _ := filepath.Glob(filepath.Join(dir, "*.log"))
			r := check(t, chain.Options{Inputs: files, Keys: []chain.Key{{Public: key}}})
			if !r.Good() || r.Records < 8 || r.Vouched < r.Records-2 || r.Beats < 8 {
				t.Errorf("%d records, %d vouched for, %d heartbeats; %v", r.Records, r.Vouched, r.Beats, r.Findings)
			}
			big := slices.MaxFunc(files, func(a, b string) int {
				return strings.Count(readText(t, a), "\n") - strings.Count(readText(t, b), "\n")
			})
			whole := readText(t, big)
			lines := strings.SplitAfter(strings.TrimSuffix(whole, "\n"), "\n")
			i := len(lines) / 2
			for strings.HasPrefix(lines[i], "#") { // Zeek's header
				i++
			}
			flipped := slices.Clone(lines)
			flipped[i] = lines[i][:9] + string(lines[i][9]^1) + lines[i][10:]
			writeText(t, big, strings.Join(flipped, "")+"\n")
			if r := check(t, chain.Options{Inputs: files, Keys: []chain.Key{{Public: key}}}); len(r.Findings) != 1 || r.Findings[0].Kind != chain.Altered || r.Findings[0].Line != uint64(i+1) {
				t.Errorf("octet of line %d of %d flipped: %v", i+1, len(lines), r.Findings)
			}
			writeText(t, big, strings.Join(slices.Delete(slices.Clone(lines), i, i+1), "")+"\n")
			if r := check(t, chain.Options{Inputs: files, Keys: []chain.Key{{Public: key}}}); len(r.Findings) == 0 || r.Findings[0].Kind != chain.Missing || r.Findings[0].Count != 1 {
				t.Errorf("line %d removed: %v", i+1, r.Findings)
			}
		})
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func writeText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestStampSyslog: what every format sends as syslog can be verified, too.
func TestStampSyslog(t *testing.T) {
	for _, f := range formats {
		if f.logs == logFiles || f.name == "ipfix" { // goes to files only; has no lines
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			a := testAccount(t, t.TempDir())
			x, err := Open(Config{Format: f.name, To: "syslog+udp://127.0.0.1:9"}, Env{HostName: "fw1", Account: a})
			if err != nil {
				t.Fatal(err)
			}
			m := &memory{Export: x}
			beats(t, a, []Output{m}, at(t, "2026-11-15T12:00:00"), 4)
			var text strings.Builder
			for _, l := range m.lines {
				fmt.Fprintf(&text, "<134>1 2026-11-15T12:00:00Z fw1 kagami - x %s\n", l)
			}
			r := check(t, chain.Options{Inputs: []string{"-"}, Stdin: strings.NewReader(text.String())})
			if !r.Good() || r.Records != uint64(len(m.lines)) || r.Vouched != r.Records-1 || r.Beats != 4 {
				t.Errorf("%d of %d records, %d vouched for, %d heartbeats; %v", r.Records, len(m.lines), r.Vouched, r.Beats, r.Findings)
			}
		})
	}
}

// TestStampAgainst: a file that is written anew on the sensor, with its own key,
// is not what the other export's heartbeats tell of it.
func TestStampAgainst(t *testing.T) {
	dir, state := t.TempDir(), t.TempDir()
	a := testAccount(t, state)
	var to []Output
	for _, c := range []Config{{Format: "ecs", To: "syslog+udp://127.0.0.1:9", Name: "siem"}, {Format: "squid", To: "file://" + dir + "/access.log"}} {
		x, err := Open(c, Env{HostName: "fw1", Account: a})
		if err != nil {
			t.Fatal(err)
		}
		to = append(to, x)
	}
	m := &memory{Export: to[0].(*Export)}
	to[0] = m
	beats(t, a, to, at(t, "2026-11-15T12:00:00"), 9)
	if err := errors.Join(to[1].Close(context.Background()), a.Close()); err != nil {
		t.Fatal(err)
	}
	in, log := filepath.Join(dir, "siem.jsonl"), filepath.Join(dir, "access.log")
	writeText(t, in, strings.Join(m.lines, "\n")+"\n")
	o := chain.Options{Inputs: []string{in}, Against: []string{log}}
	if r := check(t, o); !r.Good() || len(r.Streams) != 2 {
		t.Errorf("as it was: %v, %d streams", r.Findings, len(r.Streams))
	}
	whole, account := readText(t, log), readText(t, log+".account")
	lines, claims := strings.SplitAfter(whole, "\n"), strings.SplitAfter(account, "\n")
	writeText(t, log, strings.Join(lines[:len(lines)/2], "")) // its end cut off, and the account's with it
	writeText(t, log+".account", strings.Join(claims[:len(claims)/2], ""))
	if r := check(t, o); !slices.ContainsFunc(r.Findings, func(f chain.Finding) bool { return f.Kind == chain.CutShort }) {
		t.Errorf("cut short: %v", r.Findings)
	}
}

// TestStampForms: a format that is added must say where its stamp goes.
func TestStampForms(t *testing.T) {
	plain := []string{"squid", "squid-combined", "netscreen", "bind", "postfix", "zeek", "ipfix"}
	for _, f := range formats {
		if _, room := stampForms[f.name]; room == slices.Contains(plain, f.name) {
			t.Errorf("format %s: in stampForms: %v", f.name, room)
		}
	}
}

func TestStampNames(t *testing.T) {
	a := testAccount(t, t.TempDir())
	var got []string
	for _, to := range []string{"file:///var/log/kagami/records.jsonl", "file:///x/records.jsonl", "syslog+tls://collector.example:6514", "stdout:"} {
		x, err := Open(Config{Format: "ecs", To: strings.Replace(to, "file:///", "file://"+t.TempDir()+"/", 1)}, Env{Account: a})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, x.stamps.name)
	}
	if want := []string{"ecs-records.jsonl", "ecs-records.jsonl-2", "ecs-collector.example", "ecs-stdout"}; !slices.Equal(got, want) {
		t.Errorf("names %q, want %q", got, want)
	}
}

// TestStampTurn: of more exports than a heartbeat has room for each is named before long.
func TestStampTurn(t *testing.T) {
	for _, n := range []int{3, chain.MaxAlso, chain.MaxAlso + 1, 100} {
		named := map[string]int{}
		for beat := range uint64(n) {
			all := make([]chain.Mark, n)
			for i := range all {
				all[i].Name = fmt.Sprint(i)
			}
			got := turn(all, beat)
			if len(got) != min(n, chain.MaxAlso) {
				t.Fatalf("%d of %d marks", len(got), n)
			}
			for _, m := range got {
				named[m.Name]++
			}
		}
		if len(named) != n {
			t.Errorf("%d of %d exports were named", len(named), n)
		}
	}
}

// TestAccountDiskFull: a sensor whose disk is full starts all the same.
func TestAccountDiskFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root for a small file system")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	if err := testAccount(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	fill, err := os.Create(filepath.Join(dir, "fill"))
	if err != nil {
		t.Fatal(err)
	}
	defer fill.Close()
	for err == nil {
		_, err = fill.Write(make([]byte, 4096))
	}
	var said strings.Builder
	a, err := OpenAccount(AccountConfig{Dir: dir, Sensor: "fw1"}, slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil || !strings.Contains(said.String(), "cannot be noted until there is room") {
		t.Fatalf("%v; %s", err, said.String())
	}
	x, err := Open(Config{Format: "ecs", To: "stdout:"}, Env{HostName: "fw1", Account: a, Stdout: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Beat([]Output{x}, records.NewHeartbeat(records.Meta{At: 1})); err == nil {
		t.Error("nobody is told that the account cannot be noted")
	}
	if err := os.Truncate(fill.Name(), 0); err != nil {
		t.Fatal(err)
	}
	if err := a.Beat([]Output{x}, records.NewHeartbeat(records.Meta{At: 2})); err != nil {
		t.Errorf("there is room again: %v", err)
	}
}

// TestAccountLocked: two programs with one account would contradict each other.
func TestAccountLocked(t *testing.T) {
	c := AccountConfig{Dir: filepath.Join(t.TempDir(), "account"), Key: filepath.Join(t.TempDir(), "signing.key"), Sensor: "fw1"}
	log := slog.New(slog.DiscardHandler)
	a, err := OpenAccount(c, log)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenAccount(c, log); err == nil || !strings.Contains(err.Error(), "another kagami uses") {
		t.Errorf("a second one: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := OpenAccount(c, log)
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
}
