package spool

import (
	"bytes"
	"encoding/binary"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	killSpill = 40 * time.Millisecond
	// killLate is how late a process may be on a machine that does other things.
	killLate = 300 * time.Millisecond
)

// TestKill kills, without warning and at random moments, a process that appends
// lines, and another that also takes them: while it writes, recovers and deletes.
// What was appended more than SpillAfter before the kill is there afterwards, once
// and in order; what comes again was acknowledged in the last moments.
// KAGAMI_KILLS=200 kills more often.
func TestKill(t *testing.T) {
	if dir := os.Getenv("KAGAMI_KILL_DIR"); dir != "" {
		produce(t, dir)
		return
	}
	kills := 16
	if n, err := strconv.Atoi(os.Getenv("KAGAMI_KILLS")); err == nil {
		kills = n
	}
	k := &killer{t: t, dir: filepath.Join(t.TempDir(), "spool"), rnd: rand.New(rand.NewPCG(9, 9)), due: map[uint64]bool{}}
	for run := range kills {
		k.run(run)
	}
	k.finish()
	t.Logf("%d kills: %d lines made, %d of them came, %d of these twice; the oldest that was lost was %v old (SpillAfter %v)",
		kills, k.made, k.came, k.twice, k.worst, killSpill)
}

// killer does the accounts of all runs.
type killer struct {
	t     *testing.T
	dir   string
	rnd   *rand.Rand
	due   map[uint64]bool // numbers that must come; true: they came
	told  map[uint64]int64
	last  uint64 // the greatest number that was given
	made  int
	came  int
	twice int
	worst time.Duration
	stall time.Duration // the longest that the process did not run
}

// run is one process: what it appended, and what it took, stands in files.
func (k *killer) run(run int) {
	t := k.t
	logs := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
	cmd.Env = append(os.Environ(), "KAGAMI_KILL_DIR="+k.dir, "KAGAMI_KILL_LOGS="+logs, "KAGAMI_KILL_RUN="+strconv.Itoa(run))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	made, taken := filepath.Join(logs, "made"), filepath.Join(logs, "taken")
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if st, err := os.Stat(made); err == nil && st.Size() > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing appended in 20 s: %s", out.String())
		}
	}
	time.Sleep(time.Duration(20+k.rnd.IntN(230)) * time.Millisecond)
	killed := time.Now()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	k.account(read(t, made), read(t, taken), killed)
}

// account compares what a run made with what came of it and of those before, and
// with what is left.
func (k *killer) account(made, taken []uint64, killed time.Time) {
	t := k.t
	k.told, k.stall = map[uint64]int64{}, 0
	for i := 0; i+1 < len(made); i += 2 {
		if i > 0 {
			k.stall = max(k.stall, time.Duration(made[i+1]-made[i-1]))
		}
		if made[i] <= k.last {
			t.Fatalf("number %d was given twice", made[i])
		}
		k.last = made[i]
		k.told[made[i]] = int64(made[i+1])
		k.due[made[i]] = false
		k.made++
	}
	prev := uint64(0)
	for _, seq := range taken {
		if seq <= prev {
			t.Fatalf("number %d came after %d in one run", seq, prev)
		}
		prev = seq
		k.take(seq)
	}
	k.lose(killed)
}

func (k *killer) take(seq uint64) {
	came, known := k.due[seq]
	if came {
		k.twice++
		return
	}
	if k.came++; known || seq > k.last { // a last number may not have been told of any more
		k.due[seq] = true
	}
}

// lose looks at what is on disk: what is neither there nor came must be young.
func (k *killer) lose(killed time.Time) {
	t := k.t
	look := filepath.Join(t.TempDir(), "look") // a copy: what is taken of it stays
	if err := os.CopyFS(look, os.DirFS(k.dir)); err != nil {
		t.Fatal(err)
	}
	s, log := openSpool(t, Config{Dir: look, MaxBytes: 1 << 30})
	left := map[uint64]bool{}
	drain(t, s, func(e Entry) { left[e.Seq] = true })
	if st := s.Stats(); st.Unreadable != 0 || st.Foreign != 0 {
		t.Fatalf("%+v %s", st, log)
	}
	closeSpool(t, s)
	os.RemoveAll(look)
	for seq, came := range k.due {
		if came || left[seq] {
			continue
		}
		age := killed.Sub(time.Unix(0, k.told[seq]))
		if k.told[seq] == 0 || age > killSpill+killLate+2*k.stall {
			t.Fatalf("number %d is lost, it was appended %v before the kill", seq, age)
		}
		k.worst = max(k.worst, age)
		delete(k.due, seq)
	}
}

// finish takes all that is left.
func (k *killer) finish() {
	t := k.t
	s, _ := openSpool(t, Config{Dir: k.dir, MaxBytes: 1 << 30})
	prev := uint64(0)
	drain(t, s, func(e Entry) {
		if e.Seq <= prev || !bytes.Contains(e.Text, []byte(" of run ")) {
			t.Fatalf("number %d after %d: %q", e.Seq, prev, e.Text)
		}
		prev = e.Seq
		k.take(e.Seq)
	})
	closeSpool(t, s)
	for seq, came := range k.due {
		if !came {
			t.Errorf("number %d did not come", seq)
		}
	}
	if k.came < k.made/2 || k.twice > k.came/4 {
		t.Errorf("%d of %d came, %d twice", k.came, k.made, k.twice)
	}
}

func read(t *testing.T, path string) (out []uint64) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	for ; len(b) >= 8; b = b[8:] {
		out = append(out, binary.LittleEndian.Uint64(b))
	}
	return out
}

// produce is what the killed process does: 20,000 lines a second; every second run
// takes them, too, with a place that answers late now and then.
func produce(t *testing.T, dir string) {
	logs, run := os.Getenv("KAGAMI_KILL_LOGS"), os.Getenv("KAGAMI_KILL_RUN")
	open := func(name string) io.Writer {
		f, err := os.Create(filepath.Join(logs, name))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	made, taken := open("made"), open("taken")
	s, err := Open(Config{Dir: dir, MaxBytes: 1 << 30, SegmentBytes: 1 << 20, SpillAfter: killSpill, SyncEvery: minSync}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := strconv.Atoi(run); n%2 == 1 {
		go consume(t, s, taken)
	}
	for n := range 1_000_000 {
		e := Entry{Class: uint8(n % NumClasses), Text: []byte(strings.Repeat("x", n%500) + " of run " + run)}
		now := time.Now().UnixNano()
		seq, err := s.Append(e)
		if err != nil {
			t.Error(err)
		}
		made.Write(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, seq), uint64(now)))
		if n%20 == 19 {
			time.Sleep(time.Millisecond)
		}
	}
}

func consume(t *testing.T, s *Spool, taken io.Writer) {
	rnd := rand.New(rand.NewPCG(uint64(os.Getpid()), 1))
	var entries []Entry
	for {
		var err error
		if entries, err = s.Next(t.Context(), 500, 100_000, entries[:0]); err != nil {
			t.Error(err)
			return
		}
		var b []byte
		for _, e := range entries {
			if e.Lost == 0 {
				b = binary.LittleEndian.AppendUint64(b, e.Seq)
			}
		}
		taken.Write(b) // the place has it
		if rnd.IntN(10) == 0 {
			time.Sleep(time.Duration(rnd.IntN(100)) * time.Millisecond)
		}
		s.Ack(entries[len(entries)-1].Seq)
	}
}
