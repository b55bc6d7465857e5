package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

const (
	servedAtOnce = 16
	servedFor    = 10 * time.Second
)

// serve answers canaries on another machine until ctx ends.
func (c *canaryCmd) serve(ctx context.Context, w io.Writer) error {
	l, err := net.Listen("tcp", c.Serve)
	if err != nil {
		return fmt.Errorf("--serve: %w", err)
	}
	defer context.AfterFunc(ctx, func() { l.Close() })()
	fmt.Fprintf(w, "Answering canaries at %s: elsewhere, kagami canary --target HOST:%d ...\n", l.Addr(), l.Addr().(*net.TCPAddr).Port)
	serveCanaries(l)
	return nil
}

// serveCanaries answers HTTP requests and TLS handshakes, with nothing but a
// greeting and a refusal, until the listener is closed and all are answered.
func serveCanaries(l net.Listener) {
	var wg sync.WaitGroup
	defer wg.Wait()
	room := make(chan struct{}, servedAtOnce)
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		select {
		case room <- struct{}{}:
			wg.Go(func() {
				defer func() { conn.Close(); <-room }()
				answerCanary(conn)
			})
		default:
			conn.Close()
		}
	}
}

// handshakeFailure is a fatal TLS alert (RFC 8446 section 6): the server knows no
// such name.
const handshakeFailure = "\x15\x03\x03\x00\x02\x02\x28"

// answerCanary answers one connection. What is sent to it is neither kept nor told.
func answerCanary(conn net.Conn) {
	conn.SetDeadline(time.Now().Add(servedFor))
	r := bufio.NewReader(io.LimitReader(conn, maxAnswer))
	begin, err := r.Peek(1)
	if err != nil {
		return
	}
	if begin[0] == 0x16 { // a handshake record, of which the first read has the whole
		io.WriteString(conn, handshakeFailure)
		return
	}
	method := ""
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		if method == "" {
			method, _, _ = strings.Cut(line, " ")
		}
		if strings.TrimRight(line, "\r\n") == "" {
			break
		}
	}
	if method == "CONNECT" {
		io.WriteString(conn, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		return
	}
	const text = "kagami canary: this is a test, and harmless.\n"
	fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(text), text)
}
