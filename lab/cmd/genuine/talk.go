package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// turn is one of a client's turns in a conversation by lines: what it sends, and
// how the line begins that it then waits for.
type turn struct{ send, want string }

// talk holds a conversation that no genuine client would hold: exact octets, each
// send in one write. The server must answer as expected.
func talk(ctx context.Context, from, to string, turns ...turn) error {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}
	c, err := d.DialContext(ctx, "tcp", to)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(15 * time.Second))
	r := bufio.NewReader(c)
	for _, t := range turns {
		if _, err := io.WriteString(c, t.send); err != nil {
			return fmt.Errorf("send %.40q: %w", t.send, err)
		}
		for t.want != "" {
			line, err := r.ReadString('\n')
			if err != nil {
				return fmt.Errorf("wait for %q after %.40q: %w", t.want, t.send, err)
			}
			if strings.HasPrefix(line, t.want) {
				break
			}
		}
	}
	c.SetReadDeadline(time.Now().Add(300 * time.Millisecond)) // what the server has left to say
	io.Copy(io.Discard, r)
	return nil
}
