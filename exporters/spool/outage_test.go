package spool

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// TestOutage is a day without the place at 200 lines a second, with a kill in every
// eighth of it, as fast as the machine can: 1 % of the lines, or all 17.3 million
// (12 GB) with KAGAMI_OUTAGE=full. Nothing that was written before a kill is lost,
// and everything comes in order and once.
func TestOutage(t *testing.T) {
	if dir := os.Getenv("KAGAMI_OUTAGE_DIR"); dir != "" {
		endure(t, dir)
		return
	}
	if testing.Short() {
		t.Skip("writes 120 MB")
	}
	const parts = 8
	lines := 24 * 3600 * 200 / parts
	if os.Getenv("KAGAMI_OUTAGE") != "full" {
		lines /= 100
	}
	dir := filepath.Join(t.TempDir(), "spool")
	for part := range parts {
		suffer(t, dir, part, lines)
	}
	before := heap()
	start := time.Now()
	s, log := openOn(t, outageConfig(dir), osDisk{})
	opened := time.Since(start)
	st := s.Stats()
	next, prev, most := 0, uint64(0), uint64(0)
	drain(t, s, func(e Entry) {
		if n := binary.LittleEndian.Uint64(e.Text); e.Lost > 0 || e.Seq <= prev || int(n) != next {
			t.Fatalf("number %d after %d: line %d, want %d, lost %d", e.Seq, prev, n, next, e.Lost)
		}
		prev = e.Seq
		if next++; next%(parts*lines/4) == 0 {
			most = max(most, heap()-min(before, heap()))
		}
	})
	end := s.Stats()
	t.Logf("%d lines, %d MiB, %d kills: opened in %v, read back in %v with %d KiB of memory; 0 lost, 0 repeated", next, st.OnDisk>>20, parts, opened, time.Since(start), most>>10)
	if next != parts*lines || end.Unreadable+end.Corrupt+end.Foreign != 0 && st.Corrupt == 0 || most > 8<<20 {
		t.Errorf("%d lines of %d, %d octets of memory: %+v %s", next, parts*lines, most, end, log)
	}
	closeSpool(t, s)
}

func outageConfig(dir string) Config {
	return Config{Dir: dir, MaxBytes: 20 << 30, SpillAfter: 100 * time.Millisecond}
}

// suffer runs one part of the day in a process, and kills it when all of the part
// was written.
func suffer(t *testing.T, dir string, part, lines int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestOutage$", "-test.timeout=0")
	cmd.Env = append(os.Environ(), "KAGAMI_OUTAGE_DIR="+dir, "KAGAMI_OUTAGE_PART="+strconv.Itoa(part), "KAGAMI_OUTAGE_LINES="+strconv.Itoa(lines))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	var all bytes.Buffer
	for !bytes.Contains(all.Bytes(), []byte("written\n")) {
		n, err := out.Read(b)
		all.Write(b[:n])
		if err != nil {
			t.Fatalf("%v: %s", err, all.String())
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
}

// endure is the process: its lines say their place in the day.
func endure(t *testing.T, dir string) {
	part, _ := strconv.Atoi(os.Getenv("KAGAMI_OUTAGE_PART"))
	lines, _ := strconv.Atoi(os.Getenv("KAGAMI_OUTAGE_LINES"))
	s, err := Open(outageConfig(dir), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	text := make([]byte, benchText)
	for n := range lines {
		binary.LittleEndian.PutUint64(text, uint64(part*lines+n))
		class := uint8(0)
		switch {
		case n%1000 == 0:
			class = 3
		case n%10 == 0:
			class = 1
		}
		if _, err := s.Append(Entry{Class: class, Text: text}); err != nil {
			t.Fatal(err)
		}
		if n%100 == 0 {
			wait(t, "the disk", func() bool { return !s.scarce() })
		}
	}
	wait(t, "the disk", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.used == 0 })
	if st := s.Stats(); st.Dropped != [4]uint64{} {
		t.Fatalf("%+v", st)
	}
	fmt.Println("written")
	time.Sleep(time.Hour)
}
