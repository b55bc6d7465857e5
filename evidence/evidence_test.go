package evidence

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"kagami/capture"
	"kagami/packet"
	"kagami/sensor"
)

const (
	t0 = int64(1_780_300_800_123_456_789) // 2026-06-01T08:00:00.123456789Z

)

// small is a store that a test can fill.
func small(t testing.TB) Config {
	c := Default()
	c.Dir, c.MinFreeBytes, c.Wait = filepath.Join(t.TempDir(), "evidence"), 0, true
	c.Interface = "eth1"
	return c
}

func openStore(t testing.TB, c Config) (*Store, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	s, err := Open(c, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	s.create = relaxed
	t.Cleanup(func() { s.Close() })
	return s, &log
}

// unhurried does not wait for the disk, so that tests do not.
type unhurried struct{ file }

func (unhurried) Sync() error         { return nil }
func (unhurried) Settle(int64, int64) {}

func relaxed(path string) (file, error) {
	f, err := create(path)
	return unhurried{f}, err
}

// frame is the n-th packet: its number is in its data.
func frame(n int, size int) *sensor.Frame {
	data := bytes.Repeat([]byte{byte(n)}, size)
	binary.BigEndian.PutUint32(data, uint32(n))
	return &sensor.Frame{Time: t0 + int64(n)*int64(time.Millisecond), Data: data, WireLen: uint32(size + 2), Link: packet.LinkEthernet}
}

// balanced checks that every packet seen is in exactly one of the counters.
func balanced(t testing.TB, s *Store, seen int) {
	t.Helper()
	c := s.Stats().Counters
	if sum := c.Stored + c.LostSlow + c.LostFull + c.LostError + c.LeftOut + c.Ignored + c.Waiting; sum != c.Seen || sum != uint64(seen) {
		t.Fatalf("%d packets were given, counters %+v sum up to %d", seen, c, sum)
	}
}

func segments(t testing.TB, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.pcapng"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// readAll reads segments with the capture package; the error is what ended it.
func readAll(paths ...string) ([]sensor.Frame, error) {
	src := capture.OpenFiles(paths, capture.FileOptions{})
	var out []sensor.Frame
	for {
		var b sensor.Batch
		if err := src.Next(&b); err != nil {
			if places, first := src.Damage(); places != 0 {
				err = fmt.Errorf("damage: %s", first)
			}
			return out, err
		}
		out = append(out, b.Frames...)
	}
}

// wait waits for something that another goroutine does.
func wait(t testing.TB, done func() bool) {
	t.Helper()
	for range 2000 {
		if done() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("it did not happen in 10 s")
}
