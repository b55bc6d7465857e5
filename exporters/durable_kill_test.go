package exporters

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"kagami/exporters/spool"
	"kagami/records"
)

const (
	killSpill = 40 * time.Millisecond
	killLate  = 500 * time.Millisecond // of a machine that does other things
)

// TestDurableKill kills a sensor's export without warning, again and again, while
// its place comes and goes. Every record that was older than the moment in which it
// is written to disk arrives; what arrives twice has the same number and text.
func TestDurableKill(t *testing.T) {
	if dir := os.Getenv("KAGAMI_DURABLE_DIR"); dir != "" {
		exportUntilKilled(t, dir)
		return
	}
	kills := 8
	if n, err := strconv.Atoi(os.Getenv("KAGAMI_KILLS")); err == nil {
		kills = n
	}
	dir := t.TempDir()
	rnd := rand.New(rand.NewPCG(3, 3))
	var killed []time.Time
	for run := range kills {
		killed = append(killed, killExport(t, dir, run, time.Duration(50+rnd.IntN(400))*time.Millisecond))
	}
	d := killable(t, dir)
	for deadline := time.Now().Add(30 * time.Second); d.Stats().QueuedLines > 0 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	if err := closeWithin(10*time.Second, d); err != nil {
		t.Fatal(err)
	}
	arrived, twice := readArrivals(t, dir)
	lost, worst := 0, time.Duration(0)
	made := 0
	for run, at := range killed {
		for n, when := range readMade(t, dir, run) {
			made++
			if age := at.Sub(when); !arrived[fmt.Sprintf("r%d-%d", run, n)] {
				if lost++; age > killSpill+killLate {
					t.Errorf("run %d: record %d, made %v before the kill, is lost", run, n, age)
				}
				worst = max(worst, age)
			}
		}
	}
	if len(arrived) < made/2 {
		t.Errorf("%d of %d records arrived", len(arrived), made)
	}
	t.Logf("%d kills: %d records, %d arrived, %d of them twice; %d were too young to survive, the oldest %v", kills, made, len(arrived), twice, lost, worst)
}

// shakyPlace is a place that notes numbers and texts of what it took; a third of the
// time it is down.
type shakyPlace struct {
	farPlace
	f *os.File
}

func (s *shakyPlace) Write(_ context.Context, lines []Line) (Written, error) {
	if time.Now().UnixMilli()/70%3 == 0 {
		return Written{}, errDown
	}
	var b bytes.Buffer
	for _, l := range lines {
		fmt.Fprintf(&b, "%d %s\n", l.Seq, l.Text)
	}
	_, err := s.f.Write(b.Bytes())
	return Written{Sent: len(lines)}, err
}

func killable(t *testing.T, dir string) *Durable {
	t.Helper()
	q, err := spool.Open(spool.Config{Dir: filepath.Join(dir, "queue"), MaxBytes: 1 << 30, SpillAfter: killSpill}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "arrived"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return NewDurable(exportTo(&shakyPlace{f: f}), q)
}

// exportUntilKilled makes 2,000 records a second and notes when.
func exportUntilKilled(t *testing.T, dir string) {
	run := os.Getenv("KAGAMI_DURABLE_RUN")
	log, err := os.Create(filepath.Join(dir, "made"+run))
	if err != nil {
		t.Fatal(err)
	}
	d := killable(t, dir)
	for n := range 1_000_000 {
		r := dnsRecord(t, func(r *records.DNS) { r.Name = fmt.Sprintf("r%s-%d.example", run, n) })
		fmt.Fprintln(log, time.Now().UnixNano())
		d.Write([]records.Record{r})
		if n%2 == 1 {
			time.Sleep(time.Millisecond)
		}
	}
}

func killExport(t *testing.T, dir string, run int, after time.Duration) time.Time {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestDurableKill$")
	cmd.Env = append(os.Environ(), "KAGAMI_DURABLE_DIR="+dir, "KAGAMI_DURABLE_RUN="+strconv.Itoa(run))
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); len(readMade(t, dir, run)) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("nothing made in 20 s: %s", out.String())
		}
	}
	time.Sleep(after)
	at := time.Now()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	return at
}

func readMade(t *testing.T, dir string, run int) (out []time.Time) {
	t.Helper()
	b, _ := os.ReadFile(filepath.Join(dir, "made"+strconv.Itoa(run)))
	for _, l := range strings.Fields(string(b)) {
		if ns, err := strconv.ParseInt(l, 10, 64); err == nil && len(l) == 19 {
			out = append(out, time.Unix(0, ns))
		}
	}
	return out
}

// readArrivals returns which records arrived, and how many of them more than once.
func readArrivals(t *testing.T, dir string) (arrived map[string]bool, twice int) {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "arrived"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	arrived = map[string]bool{}
	texts := map[uint64]string{}
	for sc := bufio.NewScanner(f); sc.Scan(); {
		number, text, ok := strings.Cut(sc.Text(), " ")
		seq, err := strconv.ParseUint(number, 10, 64)
		_, name, found := strings.Cut(text, "query: ")
		if !ok || err != nil || !found {
			continue // torn by a kill
		}
		name, _, _ = strings.Cut(name, ".example")
		if before, again := texts[seq]; again {
			if twice++; before != text {
				t.Fatalf("number %d is %q and %q", seq, before, text)
			}
			continue
		}
		texts[seq] = text
		if arrived[name] {
			t.Fatalf("record %s has two numbers", name)
		}
		arrived[name] = true
	}
	return arrived, twice
}
