package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"kagami/configs"
	"kagami/exporters"
	"kagami/records"
)

// counted is an export whose counters are what a test wants.
type counted struct {
	name  string
	stats exporters.Stats
}

func (c *counted) Name() string                 { return c.name }
func (c *counted) Write([]records.Record) error { return nil }
func (c *counted) Flush() error                 { return nil }
func (c *counted) Reopen() error                { return nil }
func (c *counted) Close(context.Context) error  { return nil }
func (c *counted) Stats() exporters.Stats       { return c.stats }

// exportsOnly collects the exports' part of the metrics.
type exportsOnly struct{ *metrics }

func (m exportsOnly) Collect(out chan<- prometheus.Metric) {
	send := func(kind prometheus.ValueType) func(uint64, *prometheus.Desc, ...string) {
		return func(v uint64, d *prometheus.Desc, labels ...string) {
			out <- prometheus.MustNewConstMetric(d, kind, float64(v), labels...)
		}
	}
	m.exports(send(prometheus.CounterValue), send(prometheus.GaugeValue))
}

// scraped is the text of /metrics.
func scraped(t *testing.T, c prometheus.Collector) string {
	t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(c)
	server := httptest.NewServer(promhttp.HandlerFor(reg, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError}))
	defer server.Close()
	res, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res.Status, err, string(b))
	}
	return string(b)
}

func TestMetricsOfExports(t *testing.T) {
	full := exporters.Stats{Made: 100, Resumed: 20, Sent: 60, Dropped: 15, Failed: 2, Unreadable: 1, Errors: 7, QueuedLines: 42, QueuedBytes: 4200, DiskBytes: 8192,
		DroppedBy: [exporters.NumClasses]uint64{10, 4, 1, 0}, Oldest: time.Now().Add(-90 * time.Second).UnixNano()}
	m := &metrics{pipeline: &pipeline{exports: []exporters.Output{&counted{"ecs to stdout:", exporters.Stats{}}, &counted{"ecs to stdout:", full}, &counted{"siem", full}}}}
	text := scraped(t, exportsOnly{m})
	for _, want := range []string{
		`kagami_export_lines_total{export="siem",what="made"} 100`,
		`kagami_export_lines_total{export="2 ecs to stdout:",what="made"} 100`,
		`kagami_export_lines_total{export="2 ecs to stdout:",what="resumed"} 20`,
		`kagami_export_lines_total{export="2 ecs to stdout:",what="sent"} 60`,
		`kagami_export_lines_total{export="2 ecs to stdout:",what="dropped"} 15`,
		`kagami_export_lines_total{export="2 ecs to stdout:",what="failed"} 2`,
		`kagami_export_lines_total{export="2 ecs to stdout:",what="unreadable"} 1`,
		`kagami_export_dropped_lines_total{class="flow",export="2 ecs to stdout:"} 10`,
		`kagami_export_dropped_lines_total{class="protocol",export="2 ecs to stdout:"} 4`,
		`kagami_export_dropped_lines_total{class="state",export="2 ecs to stdout:"} 1`,
		`kagami_export_dropped_lines_total{class="alert",export="2 ecs to stdout:"} 0`,
		`kagami_export_errors_total{export="2 ecs to stdout:"} 7`,
		`kagami_export_queued_lines{export="2 ecs to stdout:"} 42`,
		`kagami_export_queued_octets{export="2 ecs to stdout:"} 4200`,
		`kagami_export_disk_octets{export="2 ecs to stdout:"} 8192`,
		`kagami_export_oldest_seconds{export="2 ecs to stdout:"} 90`,
		`kagami_export_oldest_seconds{export="1 ecs to stdout:"} 0`,
		"# TYPE kagami_export_oldest_seconds gauge", "# TYPE kagami_export_lines_total counter",
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s in:\n%s", want, text)
		}
	}
}

// The same of a queue on disk whose place is away.
func TestMetricsOfAQueueOnDisk(t *testing.T) {
	d, err := exporters.OpenDurable(exporters.Config{Format: "ecs", To: "syslog+tcp://127.0.0.1:1"}, exporters.Env{Logger: slog.New(slog.DiscardHandler)}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	q := records.NewDNS(records.Meta{At: time.Now().Add(-time.Hour).UnixNano()})
	q.Name = "www.example.jp"
	for range 10 {
		if err := d.Write([]records.Record{q}); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(10 * time.Second); (d.Stats().Errors == 0 || d.Stats().DiskBytes == 0) && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	p := &pipeline{exports: []exporters.Output{d}}
	text := scraped(t, exportsOnly{&metrics{pipeline: p}})
	for _, want := range []string{`what="made"} 10`, "kagami_export_queued_lines{export=\"1 ecs to syslog+tcp://127.0.0.1:1\"} 10"} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s in:\n%s", want, text)
		}
	}
	for _, not := range []string{"kagami_export_disk_octets{export=\"1 ecs to syslog+tcp://127.0.0.1:1\"} 0\n", "kagami_export_errors_total{export=\"1 ecs to syslog+tcp://127.0.0.1:1\"} 0\n"} {
		if strings.Contains(text, not) {
			t.Errorf("%s", not)
		}
	}
	if !strings.Contains(text, `oldest_seconds{export="1 ecs to syslog+tcp://127.0.0.1:1"} 360`) {
		t.Error(text)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := d.Close(ctx); err != nil {
		t.Error(err)
	}
	var report strings.Builder
	p.reportExports(&report)
	if got, want := report.String(), "        10  lines wait in the queue of export ecs to syslog+tcp://127.0.0.1:1 for the next run\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestReportOfExports(t *testing.T) {
	p := &pipeline{exports: []exporters.Output{
		&counted{"a", exporters.Stats{Made: 5, Sent: 5}},
		&counted{"b", exporters.Stats{Made: 9, Sent: 1, Dropped: 7, DroppedBy: [exporters.NumClasses]uint64{6, 1, 0, 0}, Failed: 1, Unreadable: 3}},
	}}
	var got strings.Builder
	p.reportExports(&got)
	if want := "        11  lines lost by export b (7 for want of room: flow 6, protocol 1; 1 not taken; 3 unreadable on disk)\n"; got.String() != want {
		t.Errorf("got %q, want %q", got.String(), want)
	}
}

// A queue that will drop is named by kagami doctor; others are not.
func TestWarnQueues(t *testing.T) {
	c := configs.Default()
	c.Output.QueueDir = t.TempDir()
	c.Export = []exporters.Config{
		{Format: "ecs", To: "syslog+tcp://full.example:601", Queue: exporters.QueueDisk, DiskBytes: 1 << 20},
		{Format: "ecs", To: "syslog+tcp://roomy.example:601", Queue: exporters.QueueDisk},
		{Format: "ecs", To: "syslog+tcp://memory.example:601", DiskBytes: 1},
	}
	for _, e := range c.Export {
		dir := e.SpoolDir(c.Output.QueueDir)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "0-000000000000.spool"), make([]byte, 900<<10), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log strings.Builder
	warnQueues(&c, slog.New(slog.NewTextHandler(&log, nil)))
	if strings.Count(log.String(), "nearly full") != 1 || !strings.Contains(log.String(), "full.example") {
		t.Error(log.String())
	}
}
