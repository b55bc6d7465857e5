package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"kagami/evidence/replay/server"
)

// TestReplayOffline runs itself: behind goOffline the kernel refuses every new socket, in all
// threads, and what listens still takes connections and answers.
func TestReplayOffline(t *testing.T) {
	const stage = "KAGAMI_REPLAY_OFFLINE"
	if os.Getenv(stage) != "" {
		servesOffline()
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestReplayOffline$")
	cmd.Env = append(os.Environ(), stage+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		text := lines.Text()
		if why, ok := strings.CutPrefix(text, "skip: "); ok {
			t.Skip(why)
		}
		if addr, ok := strings.CutPrefix(text, "listens: "); ok {
			c, err := net.DialTimeout("tcp", addr, 5*time.Second)
			if err != nil {
				t.Fatalf("nobody can connect any more: %v", err)
			}
			got, err := io.ReadAll(c)
			c.Close()
			if string(got) != "answer" {
				t.Errorf("got %q, %v", got, err)
			}
			continue
		}
		if text == "done" {
			return
		}
		t.Error(text)
	}
	t.Error("it did not come to its end")
}

// servesOffline says on standard output what is not as it should be.
func servesOffline() {
	l, err := server.Listen("127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	waiting := make(chan struct{}) // threads that were there before
	var threads sync.WaitGroup
	for range 4 {
		threads.Go(func() { <-waiting; refused("tcp", l.Addr().String()) })
	}
	if err := goOffline(); errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.EINVAL) {
		fmt.Println("skip:", err)
		return
	} else if err != nil {
		fmt.Println(err)
		return
	}
	close(waiting)
	threads.Wait()
	refused("udp", "127.0.0.1:53")
	refused("tcp", "[::1]:80")
	refused("unix", "/nowhere")
	if err := goOffline(); err != nil {
		fmt.Println("the second time:", err)
	}
	fmt.Println("listens:", l.Addr())
	c, err := l.Accept()
	if err != nil {
		fmt.Println(err)
		return
	}
	io.WriteString(c, "answer")
	c.Close()
	fmt.Println("done")
	os.Exit(0)
}

func refused(network, addr string) {
	c, err := net.DialTimeout(network, addr, time.Second)
	if err == nil {
		c.Close()
	}
	if !errors.Is(err, syscall.EPERM) {
		fmt.Printf("%s %s: %v, want EPERM\n", network, addr, err)
	}
}

// TestReplayNoSockets: on every architecture that the program is made for, each way through
// the filter ends in a verdict.
func TestReplayNoSockets(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64", "arm"} {
		p, err := noSockets(arch)
		if err != nil {
			t.Fatal(err)
		}
		for i, in := range p[:len(p)-2] {
			for _, jump := range []uint8{in.Jt, in.Jf} {
				if to := i + 1 + int(jump); in.Code&7 == syscall.BPF_JMP && jump > 0 && to != len(p)-1 {
					t.Errorf("%s: instruction %d jumps to %d of %d", arch, i, to, len(p))
				}
			}
		}
	}
	if _, err := noSockets("mips"); err == nil {
		t.Error("an architecture whose calls are not known")
	}
}
