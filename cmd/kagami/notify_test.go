package main

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"

	"kagami/packet"
	"kagami/sensor"
)

// manager listens as systemd does.
func manager(t *testing.T) *net.UnixConn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return conn
}

// heard is the next message, or "" when none comes within the time.
func heard(t *testing.T, conn *net.UnixConn, within time.Duration) string {
	t.Helper()
	var b [256]byte
	conn.SetReadDeadline(time.Now().Add(within))
	n, err := conn.Read(b[:])
	if e, ok := err.(net.Error); ok && e.Timeout() {
		return ""
	} else if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func newTestNotifier(t *testing.T) *notifier {
	t.Helper()
	n, err := newNotifier()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNotifyStates(t *testing.T) {
	conn := manager(t)
	n := newTestNotifier(t)
	n.ready()
	n.stopping()
	for _, want := range []string{"READY=1", "STOPPING=1"} {
		if got := heard(t, conn, time.Second); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestNotifyWithoutManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	n := newTestNotifier(t)
	n.ready()
	n.watchdog(t.Context(), nil) // returns
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "absent"))
	if _, err := newNotifier(); err == nil {
		t.Error("no error although nobody listens")
	}
}

func TestNotifyWatchdogOfOtherProcess(t *testing.T) {
	manager(t)
	t.Setenv("WATCHDOG_USEC", "1000")
	for pid, want := range map[string]time.Duration{"": 500 * time.Microsecond, "1": 0} {
		t.Setenv("WATCHDOG_PID", pid)
		if got := newTestNotifier(t).every; got != want {
			t.Errorf("WATCHDOG_PID=%q: a sign of life every %v, want %v", pid, got, want)
		}
	}
}

// TestNotifyWatchdog: signs of life stop when one worker of two hangs, and come
// back with it.
func TestNotifyWatchdog(t *testing.T) {
	conn := manager(t)
	t.Setenv("WATCHDOG_USEC", "40000")
	t.Setenv("WATCHDOG_PID", "")
	n := newTestNotifier(t)
	srcs, beats := pulses([]sensor.Source{idleSource{}, idleSource{}})
	var b sensor.Batch
	srcs[0].Next(&b)
	srcs[1].Next(&b)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { n.watchdog(ctx, beats); close(done) }()
	if got := heard(t, conn, time.Second); got != "WATCHDOG=1" {
		t.Errorf("both work: %q, want a sign of life", got)
	}
	srcs[0].Next(&b)
	if got := heard(t, conn, 200*time.Millisecond); got != "" {
		t.Errorf("the second hangs: %q, want silence", got)
	}
	srcs[0].Next(&b)
	srcs[1].Next(&b)
	if got := heard(t, conn, time.Second); got != "WATCHDOG=1" {
		t.Errorf("both work again: %q, want a sign of life", got)
	}
	cancel()
	<-done
}

// TestPulsesKeepShunting: the engine finds a source's other ability.
func TestPulsesKeepShunting(t *testing.T) {
	srcs, _ := pulses([]sensor.Source{idleSource{}, shuntingSource{}})
	for i, want := range []bool{false, true} {
		if _, ok := srcs[i].(sensor.Shunter); ok != want {
			t.Errorf("source %d: shunts %v, want %v", i, ok, want)
		}
	}
}

type idleSource struct{}

func (idleSource) Next(*sensor.Batch) error  { return nil }
func (idleSource) Stats() sensor.SourceStats { return sensor.SourceStats{} }
func (idleSource) Close() error              { return nil }

type shuntingSource struct{ idleSource }

func (shuntingSource) Shunt(packet.Key) bool                     { return false }
func (shuntingSource) Shunted(packet.Key) (sensor.Shunted, bool) { return sensor.Shunted{}, false }
func (shuntingSource) Release(packet.Key) (sensor.Shunted, bool) { return sensor.Shunted{}, false }
func (shuntingSource) Headers(packet.Key, uint32) bool           { return false }
func (shuntingSource) Totals() (packets, octets uint64)          { return 0, 0 }
