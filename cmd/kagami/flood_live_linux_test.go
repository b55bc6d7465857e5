package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// flood sends n SYNs, each of another connection, as fast as it can.
func flood(t *testing.T, n uint32) {
	t.Helper()
	dev, err := net.InterfaceByName("k1")
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	be := binary.BigEndian
	syn := make([]byte, 60)
	copy(syn, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45})
	ip, tcp := syn[14:], syn[34:]
	be.PutUint16(ip[2:], 40)
	ip[8], ip[9] = 64, 6
	copy(ip[16:], []byte{192, 0, 2, 80})
	be.PutUint16(tcp[2:], 443)
	tcp[12], tcp[13] = 5<<4, 2
	for i := range n {
		x := i * 0x9e3779b1                // odd, so that all are different
		be.PutUint32(ip[12:], 11<<24|x>>8) // source
		be.PutUint16(tcp, uint16(x)|1024)
		be.PutUint32(tcp[4:], x)
		if err := unix.Sendto(fd, syn, 0, &unix.SockaddrLinklayer{Ifindex: dev.Index}); err != nil {
			t.Fatalf("send: %v", err)
		}
	}
}

// peakKiB is the peak resident set of a process.
func peakKiB(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib
}

// TestLiveFlood: a million SYNs from as many places push out each other, within
// the memory plan; kagami counts and says so, and sees what comes after.
func TestLiveFlood(t *testing.T) {
	ownNetwork(t)
	const syns, limit = 1_000_000, 224 << 10 // KiB
	config := strings.Replace(recordsOnly, "[[export]]", "[metrics]\nlisten = \"127.0.0.1:9779\"\n[[export]]\nrecords = [\"http\", \"stats\"]", 1)
	l := startLive(t, t.TempDir(), config)
	play(t, transaction(t, 54469), 0)
	l.written("records.jsonl", transactionMark(54469))

	flood(t, syns)
	number := func(name string) int {
		n, _ := strconv.ParseFloat(scrape(t, "127.0.0.1:9779")[name], 64) // 1e+06
		return int(n)
	}
	var received, dropped int
	l.until("all that was not dropped is read", func() bool {
		received, dropped = number("kagami_capture_frames_total"), number("kagami_capture_dropped_total")
		return received >= syns && number(`kagami_frames_total{outcome="ok"}`) >= received-dropped
	})
	made, active, evicted := number("kagami_flows_total"), number("kagami_flows_active"), number(`kagami_flows_ended_total{reason="eviction"}`)
	t.Logf("%d SYNs, %d dropped by the kernel, %d flows, %d evicted, %d open, %d MiB at most", syns, dropped, made, evicted, active, peakKiB(t, l.cmd.Process.Pid)>>10)
	if active > 30_002 || made < syns-dropped || evicted < made-active-1000 {
		t.Errorf("%d flows made, %d evicted, %d open, want at most 30,000 open (one more for each worker) and the rest evicted", made, evicted, active)
	}
	if kib := peakKiB(t, l.cmd.Process.Pid); kib > limit {
		t.Errorf("%d KiB resident, want at most %d", kib, limit)
	}
	play(t, transaction(t, 60689), 0) // pushed out neither by the flood nor lost behind it
	l.written("records.jsonl", transactionMark(60689))
	l.stop()
	if said := "flows given up because the flow table was full"; !strings.Contains(l.stdout.String(), said) {
		t.Errorf("the summary does not say %q: %s", said, l.stdout.String())
	}
}
