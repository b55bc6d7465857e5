package spool

import (
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// cpu is the processor time of this process.
func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestXBurst(t *testing.T) {
	lines, _ := strconv.Atoi(os.Getenv("LINES"))
	rate, _ := strconv.Atoi(os.Getenv("RATE"))
	mem, _ := strconv.Atoi(os.Getenv("MEM"))
	s, err := Open(Config{Dir: filepath.Join(t.TempDir(), "spool"), MaxBytes: 4 << 30, MemoryBytes: mem<<20}, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		t.Fatal(err)
	}
	text := []byte(strings.Repeat("x", 652))
	start, c0 := time.Now(), cpu()
	slow := time.Duration(0)
	used := 0
	for n := range lines {
		at := time.Now()
		s.Append(Entry{Class: uint8(n) % NumClasses, Text: text})
		slow = max(slow, time.Since(at))
		if rate > 0 && n%(rate/100) == 0 {
			s.mu.Lock()
			used = max(used, s.used)
			s.mu.Unlock()
			time.Sleep(time.Until(start.Add(time.Duration(n) * time.Second / time.Duration(rate))))
		}
	}
	took := time.Since(start)
	time.Sleep(2 * time.Second)
	st := s.Stats()
	t.Logf("%d lines in %v, cpu %v, slowest %v, used %d/%d, dropped %v, disk %d MiB syncs %d", lines, took, cpu()-c0, slow, used, s.chunks, st.Dropped, st.OnDisk>>20, st.Syncs)
	closeSpool(t, s)
}
