package exporters

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
)

// stdoutSink writes lines to standard output, a batch at a time: "stdout:".
type stdoutSink struct {
	w   io.Writer
	buf []byte
}

func checkStdout(u *url.URL) error {
	if u.Opaque != "" || u.Host != "" || u.Path != "" || u.RawQuery != "" {
		return errors.New(`want "stdout:" and nothing after it`)
	}
	return nil
}

func openStdout(_ *url.URL, env Env) (Sink, error) {
	if env.Stdout == nil {
		env.Stdout = os.Stdout
	}
	return &stdoutSink{w: env.Stdout}, nil
}

// Write implements Sink.
func (s *stdoutSink) Write(_ context.Context, lines []Line) (Written, error) {
	s.buf = s.buf[:0]
	for i := range lines {
		s.buf = append(append(s.buf, lines[i].Text...), '\n')
	}
	n, err := s.w.Write(s.buf)
	if err == nil {
		return Written{Sent: len(lines)}, nil
	}
	var w Written
	for w.Sent < len(lines) && n > len(lines[w.Sent].Text) {
		n -= len(lines[w.Sent].Text) + 1
		w.Sent++
	}
	return w, fmt.Errorf("write standard output: %w", err)
}

// Flush implements Sink: nothing is held.
func (s *stdoutSink) Flush() error { return nil }

// Reopen implements Sink: there is no file.
func (s *stdoutSink) Reopen() error { return nil }

// Close implements Sink; standard output stays open.
func (s *stdoutSink) Close() error { return nil }
