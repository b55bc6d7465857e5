package exporters

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

// A stream that is made, or emptied, later gets every line once.
func TestNATSStreamComesLater(t *testing.T) {
	server := natsServer(t, t.TempDir(), nil)
	s, _ := openNATSSink(t, "nats://"+address(server)+"/x.{kind}")
	lines := hostLines(300)
	made := make(chan jetstream.Stream)
	time.AfterFunc(200*time.Millisecond, func() { made <- natsStream(t, server, nil) })
	w, errs := offer(t, s, lines)
	if w.Sent != len(lines) || len(errs) == 0 || !strings.Contains(errs[0], "no stream") {
		t.Fatal(w, errs)
	}
	wantHostOrder(t, dataOf(stored(t, <-made)), lines)
}

func TestNATSUnreachable(t *testing.T) {
	hangs := listen(t, "127.0.0.1:0") // accepts, never answers
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	deaf := natsPeer(t, "") // connects, then reads nothing
	mute := natsPeer(t, "reads")
	for _, c := range []struct {
		name, to string
		ctx      time.Duration
		fails    string
	}{
		{"refuses", closed.Addr().String(), time.Minute, "connection refused"},
		{"unknown host", "server.onion", time.Minute, "server.onion"}, // RFC 7686: no resolver is asked
		{"hangs", hangs.Addr().String(), 300 * time.Millisecond, "deadline exceeded"},
		{"reads no more", deaf, time.Minute, ""},
		{"reads no more, and the context ends", deaf, 300 * time.Millisecond, ""},
		{"never answers", mute, time.Minute, "no acknowledgement within 1s"},
		{"never answers, and the context ends", mute, 300 * time.Millisecond, "deadline exceeded"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := openNATSSink(t, "nats://"+c.to+"/x")
			ctx, cancel := context.WithTimeout(context.Background(), c.ctx)
			defer cancel()
			lines := hostLines(batchLines)
			for i := range lines {
				lines[i].Text = make([]byte, 100<<10)
			}
			start := time.Now()
			w, err := s.Write(ctx, lines)
			if err == nil || w.done() != 0 || !strings.Contains(err.Error(), c.fails) || !errors.As(err, new(transientError)) {
				t.Errorf("%+v, %v; want %q", w, err, c.fails)
			}
			if d := time.Since(start); d > 3*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

// natsPeer is a server that says it is one and no more; it reads or it does not.
func natsPeer(t *testing.T, reads string) string {
	l := listen(t, "127.0.0.1:0")
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			go func() {
				fmt.Fprintf(conn, "INFO {\"server_id\":\"S\",\"version\":\"2.9.0\",\"headers\":true,\"max_payload\":1048576}\r\n")
				r := bufio.NewReader(conn)
				for {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					if strings.HasPrefix(line, "PING") {
						fmt.Fprintf(conn, "PONG\r\n")
						break
					}
				}
				for reads != "" {
					if _, err := r.Discard(1); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// A server that is started again goes on with what it has; the lines that came
// meanwhile follow.
func TestNATSRestart(t *testing.T) {
	dir := t.TempDir()
	first := natsServer(t, dir, nil)
	to := address(first)
	natsStream(t, first, nil)
	s, _ := openNATSSink(t, "nats://"+to+"/x.{kind}")
	lines := hostLines(4000)
	for from := 0; from < len(lines); from += 500 {
		if from == 2000 {
			first.Shutdown()
			first.WaitForShutdown()
			if w, err := s.Write(context.Background(), lines[from:from+500]); err == nil || w.done() != 0 {
				t.Fatalf("%+v, %v from nobody", w, err)
			}
			first = natsServer(t, dir, func(o *server.Options) { o.Port = portOf(t, to) })
		}
		if w, errs := offer(t, s, lines[from:from+500]); w.Sent != 500 {
			t.Fatal(w, errs)
		}
	}
	got := dataOf(stored(t, natsStream(t, first, nil)))
	if strings.Join(got, "\n") != strings.Join(textsOf(lines), "\n") {
		t.Errorf("got %d messages, want %d in order", len(got), len(lines))
	}
}

// A server that ends while it takes a batch has some of the lines; the others
// follow, none twice.
func TestNATSConnectionEndsMidBatch(t *testing.T) {
	server := natsServer(t, t.TempDir(), nil)
	stream := natsStream(t, server, nil)
	proxy := cuttingProxy(t, address(server), 20_000)
	s, _ := openNATSSink(t, "nats://"+proxy+"/x.{kind}")
	lines := hostLines(batchLines)
	w, errs := offer(t, s, lines)
	if w.Sent != len(lines) || len(errs) == 0 {
		t.Fatal(w, errs)
	}
	wantHostOrder(t, dataOf(stored(t, stream)), lines)
}
