package exporters

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestSpoolDir(t *testing.T) {
	a := Config{Format: "ecs", To: "syslog+tcp://siem:601"}
	named := a
	named.Name = "siem"
	if got := named.SpoolDir("/q"); got != "/q/siem-ecs" {
		t.Errorf("with a name: %s", got)
	}
	moved := named
	moved.To = "syslog+tcp://siem2:601"
	if named.SpoolDir("/q") != moved.SpoolDir("/q") {
		t.Error("a named queue does not follow its export to another place")
	}
	again, other := a, a
	other.To += "?max=65536"
	if a.SpoolDir("/q") != again.SpoolDir("/q") || a.SpoolDir("/q") == other.SpoolDir("/q") || filepath.Dir(a.SpoolDir("/q")) != "/q" {
		t.Errorf("without a name: %s and %s", a.SpoolDir("/q"), other.SpoolDir("/q"))
	}
}

func TestLeftQueues(t *testing.T) {
	base := t.TempDir()
	siem := Config{Name: "siem", Format: "ecs", To: "stdout:", Queue: QueueDisk}
	gone := Config{Name: "gone", Format: "ecs", To: "stdout:", Queue: QueueDisk}
	empty := Config{Name: "empty", Format: "ecs", To: "stdout:", Queue: QueueDisk}
	for _, c := range []Config{siem, gone, empty} {
		dir := c.SpoolDir(base)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"state", "0-000000000001.spool", "3-000000000001.spool"} {
			if c.Name == "empty" && name != "state" {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	inMemory := siem
	inMemory.Queue = QueueMemory
	for _, tc := range []struct {
		name string
		to   []Config
		want []string
	}{
		{"all sent", []Config{siem, gone}, nil},
		{"one taken out", []Config{siem}, []string{gone.SpoolDir(base)}},
		{"one in memory now", []Config{inMemory, gone}, []string{siem.SpoolDir(base)}},
	} {
		if got := LeftQueues(base, tc.to); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
	if got := LeftQueues(filepath.Join(base, "absent"), nil); got != nil {
		t.Errorf("no directory: %q", got)
	}
}
