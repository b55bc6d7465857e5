package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"kagami/sensor"
)

// notifier tells systemd how the service is, as sd_notify(3) does. Without
// $NOTIFY_SOCKET it says nothing.
type notifier struct {
	conn  net.Conn      // nil: nobody listens
	every time.Duration // between two signs of life, 0 = none are wanted
}

// newNotifier reads what systemd put into the environment.
func newNotifier() (*notifier, error) {
	n := &notifier{}
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return n, nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("connect to $NOTIFY_SOCKET: %w", err)
	}
	n.conn = conn
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return n, nil
	}
	if µs, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64); err == nil && µs > 0 {
		n.every = time.Duration(µs) * time.Microsecond / 2
	}
	return n, nil
}

// say sends one message. Errors are of no use: systemd draws its own conclusions.
func (n *notifier) say(state string) {
	if n.conn != nil {
		n.conn.Write([]byte(state))
	}
}

func (n *notifier) ready()    { n.say("READY=1") }
func (n *notifier) stopping() { n.say("STOPPING=1") }

// watchdog sends signs of life until ctx ends, each only if every worker asked
// its source for more since the one before. Idle sources answer within a second,
// so a worker that does not ask hangs: in itself or in what takes its records.
func (n *notifier) watchdog(ctx context.Context, beats []*pulse) {
	if n.conn == nil || n.every == 0 {
		return
	}
	tick := time.NewTicker(n.every)
	defer tick.Stop()
	seen := make([]uint64, len(beats))
	for {
		alive := true
		for i, p := range beats {
			now := p.beats.Load()
			alive = alive && now != seen[i]
			seen[i] = now
		}
		if alive {
			n.say("WATCHDOG=1")
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// pulse is a source that counts how often it is asked for more.
type pulse struct {
	sensor.Source
	beats atomic.Uint64
}

// Next implements sensor.Source.
func (p *pulse) Next(b *sensor.Batch) error {
	p.beats.Add(1)
	return p.Source.Next(b)
}

// pulses counts for each source, and keeps what else it can do.
func pulses(srcs []sensor.Source) (beating []sensor.Source, beats []*pulse) {
	for _, s := range srcs {
		p := &pulse{Source: s}
		beats = append(beats, p)
		if shunter, ok := s.(sensor.Shunter); ok {
			beating = append(beating, struct {
				*pulse
				sensor.Shunter
			}{p, shunter})
		} else {
			beating = append(beating, p)
		}
	}
	return beating, beats
}
