package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kagami/configs"
	"kagami/exporters"
	"kagami/exporters/chain"
	"kagami/records"
	"kagami/signing"
)

// accounted is a configuration whose account lies below dir.
func accounted(dir string) configs.Config {
	c := configs.Default()
	c.Detect.State = ""
	c.Account.Dir, c.Account.Sensor, c.Account.Every = dir, "fw1", time.Hour
	c.Capture.Workers, c.Sensor.Workers = 1, 1
	return c
}

// run writes n records through a live pipeline from its start to its end.
func runAccounted(t *testing.T, c configs.Config, to []exporters.Config, n int) {
	t.Helper()
	p, err := newPipeline(c, to, true, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var rs []records.Record
	for i := range n {
		rs = append(rs, records.NewStats(records.Meta{At: int64(i+1) * int64(time.Minute)}))
	}
	p.hand(rs)
	p.drain()
	if err := p.close(); err != nil {
		t.Fatal(err)
	}
}

func TestLivePipelineAccountsForItsRecords(t *testing.T) {
	dir := t.TempDir()
	ecs, alerts := filepath.Join(dir, "records.jsonl"), filepath.Join(dir, "alerts.jsonl")
	to := []exporters.Config{
		{Name: "siem", Format: "ecs", To: "file://" + ecs},
		{Format: "ecs", To: "file://" + alerts, Records: []string{"alert"}},
	}
	c := accounted(filepath.Join(dir, "account"))
	for range 2 {
		runAccounted(t, c, to, 5)
	}
	key, err := signing.ReadPublic(filepath.Join(dir, "account", "signing.pub"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := chain.Verify(chain.Options{Inputs: []string{ecs, alerts}, Keys: []chain.Key{{Public: key}}})
	if err != nil {
		t.Fatal(err)
	}
	// Each start: five records, and the first and the last heartbeat in each file.
	if !r.Good() || r.Records != 2*(5+2+2) {
		t.Errorf("good %v, records %d, findings %v", r.Good(), r.Records, r.Findings)
	}
	text, err := os.ReadFile(alerts)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"sensor:fw1", "name:ecs-alerts.jsonl", "also:siem/", "start:2", "end:1", "config:" + hashOf(&c), "version:" + version} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no heartbeat says %q", want)
		}
	}
}

func TestNoAccountNoStamps(t *testing.T) {
	dir := t.TempDir()
	c := accounted(filepath.Join(dir, "account"))
	c.Account.Enable = false
	path := filepath.Join(dir, "records.jsonl")
	runAccounted(t, c, []exporters.Config{{Format: "ecs", To: "file://" + path}}, 3)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); n != 3 || strings.Contains(string(text), "kagami.export") {
		t.Errorf("%d lines:\n%s", n, text)
	}
	if _, err := os.Stat(c.Account.Dir); !os.IsNotExist(err) {
		t.Errorf("the account's directory was made: %v", err)
	}
}

func TestAccountThatCannotBeKept(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "account"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := accounted(filepath.Join(dir, "account"))
	_, err := newPipeline(c, nil, true, nil, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "account") {
		t.Errorf("got %v, want an error that names the account", err)
	}
}

func TestHashOfConfiguration(t *testing.T) {
	a, b := configs.Default(), configs.Default()
	if hashOf(&a) == "" || hashOf(&a) != hashOf(&b) {
		t.Errorf("equal configurations: %q, %q", hashOf(&a), hashOf(&b))
	}
	b.Capture.Filter = "port 80"
	if hashOf(&a) == hashOf(&b) {
		t.Error("different configurations have the same hash")
	}
}

// TestStartThatFailsHalfWay: what the exports were given by then is written, and
// whoever reads it is told that nothing follows.
func TestStartThatFailsHalfWay(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "records.jsonl")
	c := accounted(filepath.Join(dir, "account"))
	c.Detect.Suppressions = filepath.Join(dir, "none")
	to := []exporters.Config{{Format: "ecs", To: "file://" + path}}
	if _, err := newPipeline(c, to, true, nil, slog.New(slog.DiscardHandler)); err == nil {
		t.Fatal("it starts without its suppressions")
	}
	text, err := os.ReadFile(path)
	if n := strings.Count(string(text), "\n"); err != nil || n != 2 || !strings.Contains(string(text), " end:1 ") {
		t.Errorf("%d lines, want the first heartbeat and a farewell; %v", n, err)
	}
}

// TestCloseWaitsForEverything: with -race, that nobody's errors are in another's way.
func TestCloseWaitsForEverything(t *testing.T) {
	dir := t.TempDir()
	c := accounted(filepath.Join(dir, "account"))
	c.Evidence.Enabled, c.Evidence.Dir = true, filepath.Join(dir, "evidence")
	runAccounted(t, c, []exporters.Config{
		{Format: "ecs", To: "file://" + filepath.Join(dir, "records.jsonl")},
		{Format: "squid", To: "file://" + filepath.Join(dir, "access.log")},
	}, 3)
}

// hungOutput is an export whose place hangs.
type hungOutput struct {
	exporters.Output
	end chan struct{}
}

func (h hungOutput) Reopen() error { <-h.end; return nil }

// TestReopenWhileOneHangs: its neighbours get new files, and SIGHUP is heard again.
func TestReopenWhileOneHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "access.log")
		x, err := exporters.Open(exporters.Config{Format: "squid", To: "file://" + path}, exporters.Env{})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		hung := hungOutput{x, make(chan struct{})}
		var said strings.Builder
		reopen([]exporters.Output{hung, x}, slog.New(slog.NewTextHandler(&said, nil)))
		if _, err := os.Stat(path); err != nil || !strings.Contains(said.String(), "hangs") {
			t.Errorf("%v; said %q", err, said.String())
		}
		close(hung.end)
		x.Close(t.Context())
	})
}
