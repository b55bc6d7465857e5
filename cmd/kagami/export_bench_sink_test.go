package main

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"testing"

	"kagami/exporters"
)

// TestDiscard is no test but the receiver of BenchmarkSinks, in a process of its
// own so that its time does not count: it takes connections on the socket that it
// was given, and reads.
func TestDiscard(t *testing.T) {
	if os.Getenv("KAGAMI_DISCARD") == "" {
		t.Skip("only for BenchmarkSinks")
	}
	l, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		t.Fatal(err)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		go io.Copy(io.Discard, c)
	}
}

// discardListener is the address of such a receiver.
func discardListener(b *testing.B) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	discard := exec.Command(os.Args[0], "-test.run", "^TestDiscard$")
	discard.Env = append(os.Environ(), "KAGAMI_DISCARD=1")
	discard.ExtraFiles = []*os.File{file}
	if err := discard.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { discard.Process.Kill(); discard.Wait() })
	return l.Addr().String()
}

// BenchmarkSinks is what it costs to format the records of the bundled capture as
// ECS and to hand them to a place, in CPU time of this process, kernel included.
func BenchmarkSinks(b *testing.B) {
	all := recordsOfCapture(b)
	address := discardListener(b)
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer udp.Close() // full, and nobody minds
	for _, to := range []string{
		"file://" + b.TempDir() + "/a.jsonl?rotate_bytes=256M&keep=1&compress=no",
		"file://" + b.TempDir() + "/a.jsonl?rotate_bytes=256M&keep=1&fsync=5s",
		"syslog+tcp://" + address + "?max=65507",
		"syslog+tcp://" + address + "?framing=lf&rfc=3164&max=65507",
		"syslog+udp://" + udp.LocalAddr().String() + "?rate=0&max=65507",
		"syslog+udp://" + udp.LocalAddr().String() + "?rate=0&max=1000",
	} {
		b.Run(to, func(b *testing.B) {
			x, err := exporters.Open(exporters.Config{Format: "ecs", To: to}, exporters.Env{HostName: "sensor"})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			began := cpuTime()
			for b.Loop() {
				if err := x.Write(all); err != nil {
					b.Fatal(err)
				}
			}
			used := cpuTime() - began
			b.ReportMetric(float64(x.Stats().Made)/used.Seconds(), "lines/cpu-s")
			b.ReportMetric(float64(x.Stats().Made)/b.Elapsed().Seconds(), "lines/s")
			if err := x.Close(context.Background()); err != nil {
				b.Fatal(err)
			}
		})
	}
}
