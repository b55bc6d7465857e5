package evidence

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"kagami/capture"
	"kagami/sensor"
)

const (
	killFlushMS = 50
	// killLate is how late a process may be on a machine that does other things.
	killLate = 250 * time.Millisecond
	// killRun is where a packet says in which run it was recorded; its number follows.
	killRun = headLen
)

// TestKill kills a recording process without warning at random moments, while it
// records and while it puts in order what the one before has left. What is older
// than flush_ms is in the files, nothing is there that was not recorded, and every
// reader reads it. KAGAMI_KILLS=200 kills more often.
func TestKill(t *testing.T) {
	if dir := os.Getenv("KAGAMI_KILL_DIR"); dir != "" {
		record(t, dir)
		return
	}
	kills := 12
	if n, err := strconv.Atoi(os.Getenv("KAGAMI_KILLS")); err == nil {
		kills = n
	}
	dir := filepath.Join(t.TempDir(), "evidence")
	rnd := rand.New(rand.NewPCG(7, 7))
	var told [][]int64 // by run: when each packet was given to the writer
	worst := time.Duration(0)
	for run := range kills {
		times, killed := killOne(t, dir, run, time.Duration(20+rnd.IntN(230))*time.Millisecond)
		told = append(told, times)
		found := foundOf(t, dir, run)
		for n := range times {
			if age := time.Duration(killed - times[n]); !found[n] {
				worst = max(worst, age)
				if age > killFlushMS*time.Millisecond+killLate {
					t.Fatalf("run %d: packet %d of %d was recorded %v before the kill and is lost", run, n, len(times), age)
				}
			}
		}
	}
	c := killConfig(t, dir)
	st := recoverStore(t, c)
	total := checkRuns(t, dir, told)
	readByOthers(t, dir)
	checkRoom(t, dir)
	if st.Recovery.Segments == 0 {
		t.Error("the last kill left nothing to put in order")
	}
	t.Logf("%d kills: %d packets are back, the oldest that was lost was %v old (flush_ms = %d); the last recovery closed %d segments and cut off %d octets",
		kills, total, worst, killFlushMS, st.Recovery.Segments, st.Recovery.Torn)
}

// killOne records for a while and kills the process. It returns when each packet was
// given to the writer, and the moment of the kill.
func killOne(t *testing.T, dir string, run int, after time.Duration) (times []int64, killed int64) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "told")
	cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
	cmd.Env = append(os.Environ(), "KAGAMI_KILL_DIR="+dir, "KAGAMI_KILL_LOG="+log, "KAGAMI_KILL_RUN="+strconv.Itoa(run))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if st, err := os.Stat(log); err == nil && st.Size() > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing recorded in 10 s")
		}
	}
	time.Sleep(after)
	killed = time.Now().UnixNano()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(log)
	for ; len(b) >= 8; b = b[8:] {
		times = append(times, int64(binary.LittleEndian.Uint64(b)))
	}
	return times, killed
}

func killConfig(t *testing.T, dir string) Config {
	c := small(t)
	c.Dir, c.SegmentBytes, c.FlushMS, c.Wait, c.SyncS = dir, 2<<20, killFlushMS, false, 3
	return c
}

// record is what the killed process does: 10,000 packets a second.
func record(t *testing.T, dir string) {
	log, err := os.Create(os.Getenv("KAGAMI_KILL_LOG"))
	if err != nil {
		t.Fatal(err)
	}
	run, _ := strconv.Atoi(os.Getenv("KAGAMI_KILL_RUN"))
	s, _ := openStore(t, killConfig(t, dir))
	w := s.Writer(0, 0)
	for n := 0; n < 50_000; {
		for range 10 {
			f := tcpFrame(n%40, sizeOf(n))
			binary.BigEndian.PutUint32(f.Data[killRun:], uint32(run))
			binary.BigEndian.PutUint16(f.Data[killRun+4:], uint16(n))
			f.Time = time.Now().UnixNano()
			w.Add(f, sensor.Plain, headLen)
			log.Write(binary.LittleEndian.AppendUint64(nil, uint64(f.Time)))
			n++
		}
		time.Sleep(time.Millisecond)
		w.Tick(time.Now().UnixNano(), 0)
	}
}

// foundOf are the packets of a run that are in the newest segments, as they were left.
func foundOf(t *testing.T, dir string, run int) map[int]bool {
	t.Helper()
	found := map[int]bool{}
	paths := segments(t, dir)
	for i := len(paths) - 1; i >= 0; i-- {
		if st, err := os.Stat(paths[i]); err != nil || st.Size() == 0 {
			continue // killed between creation and first block
		}
		got, err := readAll(paths[i])
		if err != io.EOF && !capture.IsTorn(err) {
			t.Fatal(err)
		}
		for _, f := range got {
			r, n := killed(f.Data)
			if r < run {
				return found
			}
			found[n] = true
		}
	}
	return found
}

func killed(data []byte) (run, n int) {
	return int(binary.BigEndian.Uint32(data[killRun:])), int(binary.BigEndian.Uint16(data[killRun+4:]))
}

// checkRuns checks that what is on disk after recovery was recorded, in order.
func checkRuns(t *testing.T, dir string, told [][]int64) (total int) {
	t.Helper()
	run, next := 0, 0
	for _, path := range segments(t, dir) {
		got, err := readAll(path)
		if err != io.EOF {
			t.Fatalf("%s: %v", filepath.Base(path), err)
		}
		for _, f := range got {
			r, n := killed(f.Data)
			if r > run {
				run, next = r, 0
			}
			// The last packet may not have been told of any more.
			if r != run || n != next || r >= len(told) || n > len(told[r]) || len(f.Data) != sizeOf(n) || n < len(told[r]) && f.Time != told[r][n] {
				t.Fatalf("%s: packet %d of run %d stands at place %d of run %d", filepath.Base(path), n, r, next, run)
			}
			next++
			total++
		}
	}
	return total
}

// checkRoom checks that no room is reserved beyond the ends of files.
func checkRoom(t *testing.T, dir string) {
	t.Helper()
	for _, p := range segments(t, dir) {
		var st syscall.Stat_t
		if err := syscall.Stat(p, &st); err != nil || st.Blocks*512 > st.Size+(1<<20) {
			t.Errorf("%s: %d octets take %d on disk, %v", filepath.Base(p), st.Size, st.Blocks*512, err)
		}
	}
}
