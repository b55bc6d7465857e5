package exporters

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestKafkaTLS(t *testing.T) {
	dir := t.TempDir()
	ca := newCA(t, dir, "ca")
	newCA(t, dir, "other")
	c := kafkaCluster(t, kfake.TLS(tlsServer(ca.issue(t, dir, "server", "localhost"))))
	plain := kafkaCluster(t)
	file := func(name string) string { return filepath.Join(dir, name) }
	for _, k := range []struct{ name, to, fails string }{
		{"right", "kafka+tls://" + c.ListenAddrs()[0] + "/t?server_name=localhost&ca=" + file("ca.pem"), ""},
		{"wrong CA", "kafka+tls://" + c.ListenAddrs()[0] + "/t?server_name=localhost&ca=" + file("other.pem"), "unknown authority"},
		{"wrong name", "kafka+tls://" + c.ListenAddrs()[0] + "/t?ca=" + file("ca.pem"), "127.0.0.1"},
		{"no TLS here", "kafka://" + c.ListenAddrs()[0] + "/t", "is TLS missing?"},
		{"no TLS there", "kafka+tls://" + plain.ListenAddrs()[0] + "/t?ca=" + file("ca.pem"), "deadline exceeded"}, // each waits for the other to begin
	} {
		t.Run(k.name, func(t *testing.T) {
			s, _ := openKafkaSink(t, k.to)
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			w, err := s.Write(ctx, linesOf("one"))
			if works := k.name == "right"; works != (err == nil) || works != (w.Sent == 1) {
				t.Fatalf("%+v, %v", w, err)
			}
			if err != nil && !strings.Contains(err.Error(), k.fails) {
				t.Errorf("%v; want %q", err, k.fails)
			}
		})
	}
}

// Nothing that does not answer holds a Write for longer than its context or its
// patience, and what it says is one line.
func TestKafkaUnreachable(t *testing.T) {
	hangs := listen(t, "127.0.0.1:0") // accepts, never answers
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	silent := kafkaCluster(t)
	silent.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		silent.KeepControl()
		return nil, nil, true // no answer
	})
	for _, c := range []struct {
		name, to string
		ctx      time.Duration
		fails    string
		permanent
	}{
		{"refuses", "kafka://" + closed.Addr().String() + "/t", time.Minute, "connection refused", mayPassLater},
		{"unknown host", "kafka://broker.onion/t", time.Minute, "broker.onion", mayPassLater}, // RFC 7686: no resolver is asked
		{"hangs", "kafka://" + hangs.Addr().String() + "/t", 300 * time.Millisecond, "deadline exceeded", mayPassLater},
		{"hangs with a batch", "kafka://" + silent.ListenAddrs()[0] + "/t", 300 * time.Millisecond, "deadline exceeded", mayPassLater},
		{"hangs with a batch for long", "kafka://" + silent.ListenAddrs()[0] + "/t", time.Minute, "no acknowledgement within 500ms", mayPassLater},
		{"unknown topic", "kafka://" + silent.ListenAddrs()[0] + "/nowhere", time.Minute, `topic "nowhere" does not exist: create it`, needsSomebody},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := openKafkaSink(t, c.to)
			ctx, cancel := context.WithTimeout(context.Background(), c.ctx)
			defer cancel()
			start := time.Now()
			w, err := s.Write(ctx, hostLines(10))
			if err == nil || w.done() != 0 || !strings.Contains(err.Error(), c.fails) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%+v, %v; want %q", w, err, c.fails)
			}
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("took %v", d)
			}
			if errors.As(err, new(transientError)) != (c.permanent == mayPassLater) {
				t.Errorf("%v: may pass by itself: %v", err, c.permanent != mayPassLater)
			}
		})
	}
}

// permanent says whether an error passes by itself.
type permanent uint8

const (
	mayPassLater permanent = iota
	needsSomebody
)

// A broker that is started again goes on with what it has; the lines that came
// meanwhile follow.
func TestKafkaRestart(t *testing.T) {
	dir := t.TempDir()
	c := kafkaCluster(t, kfake.DataDir(dir))
	address := c.ListenAddrs()[0]
	port := portOf(t, address)
	s, _ := openKafkaSink(t, "kafka://"+address+"/t")
	lines := hostLines(4000)
	for from := 0; from < len(lines); from += 500 {
		if from == 2000 {
			c.Close()
			if w, err := s.Write(context.Background(), lines[from:from+500]); err == nil || w.done() != 0 {
				t.Fatalf("%+v, %v from nobody", w, err)
			}
			c = kafkaCluster(t, kfake.DataDir(dir), kfake.Ports(port))
		}
		if w, errs := offer(t, s, lines[from:from+500]); w.Sent != 500 {
			t.Fatal(w, errs)
		}
	}
	wantHostOrder(t, valuesOf(consume(t, "t", len(lines), kgo.SeedBrokers(address))), lines)
}
