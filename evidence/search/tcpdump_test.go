package search

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"kagami/evidence/segment"
)

// tcpdump is what tcpdump -r finds in a file, written as pcap and read again.
func tcpdump(t testing.TB, file, filter string) []string {
	t.Helper()
	out, err := exec.Command("tcpdump", "-r", file, "--time-stamp-precision=nano", "-w", "-", filter).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && bytes.Contains(exit.Stderr, []byte("rejects all packets")) {
		return nil
	}
	if err != nil {
		t.Fatalf("tcpdump %q: %v %s", filter, err, exit.Stderr)
	}
	var lines []string
	if _, err := segment.Scan(bytes.NewReader(out), int64(len(out)), segment.Visitor{Packet: func(p *segment.Packet) bool {
		lines = append(lines, line(p.Time, p.WireLen, p.Data))
		return true
	}}); err != nil {
		t.Fatal(err)
	}
	return lines
}

// TestAgainstTcpdump: random queries get the packets that tcpdump finds in all
// segments with the same filter.
func TestAgainstTcpdump(t *testing.T) {
	if _, err := exec.LookPath("tcpdump"); err != nil {
		t.Skip("needs tcpdump: ", err)
	}
	g := newTraffic(100)
	g.plain = true
	r := newRing(t)
	r.unindex = func(n uint64) bool { return n%7 == 6 }
	r.record(g.flows(300, 900), g.flows(300, 900))
	all := filepath.Join(t.TempDir(), "all.pcapng")
	b, rep := getAll(t, r.open(), "all", GetOptions{})
	if rep.Packets != uint64(len(r.all)) {
		t.Fatalf("all: %d packets, want %d", rep.Packets, len(r.all))
	}
	if err := os.WriteFile(all, b, 0o600); err != nil {
		t.Fatal(err)
	}
	q := questions{Rand: rand.New(rand.NewPCG(1, 2)), g: g, flows: r.refFlows(0, 0), plain: true}
	s := r.open()
	found := 0
	n := 220
	if testing.Short() {
		n = 40
	}
	for range n {
		x := q.expr(3)
		b, _ := getAll(t, s, x.text, GetOptions{})
		lines := got(t, b)
		found += len(lines)
		if !same(t, x.text, lines, tcpdump(t, all, x.dump)) {
			return
		}
	}
	t.Logf("%d queries, %d packets", n, found)
}
