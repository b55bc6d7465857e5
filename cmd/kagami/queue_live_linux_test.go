package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// TestLiveQueueOnDisk: what a collector that is away could not take is delivered
// after it is back and the sensor was started again.
func TestLiveQueueOnDisk(t *testing.T) {
	ownNetwork(t)
	ip(t, "link set lo up")
	const port = 51401
	config := fmt.Sprintf(`
[output]
queue_dir = "DIR/queue"
[[export]]
format = "ecs"
to = "syslog+tcp://127.0.0.1:%d"
records = ["http"]
queue = "disk"
disk_bytes = 1048576
`, port)
	dir := t.TempDir()
	l := startLive(t, dir, recordsOnly+config)
	play(t, transaction(t, 54469), 0)
	l.written("records.jsonl", transactionMark(54469))
	l.stop()

	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	lines := make(chan string, 1)
	go func() {
		c, err := listener.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		c.SetReadDeadline(time.Now().Add(30 * time.Second))
		text, _ := bufio.NewReader(c).ReadString('}')
		lines <- text
	}()
	l = startLive(t, dir, recordsOnly+config)
	select {
	case text := <-lines:
		if !strings.Contains(text, "kagami") {
			t.Errorf("received %q", text)
		}
	case <-time.After(30 * time.Second):
		t.Error("nothing was delivered after the restart")
	}
	l.stop()
}
