package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// start starts a server on a host and waits until it listens on ports ("tcp 25",
// "udp 53"). It ends with the case.
func (s *stage) start(ctx context.Context, on string, ports []string, file string, args ...string) error {
	log, err := os.Create(filepath.Join(s.dir, on+"-"+filepath.Base(file)+".log"))
	if err != nil {
		return fmt.Errorf("make log: %w", err)
	}
	defer log.Close()
	cmd := s.command(ctx, on, file, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", file, err)
	}
	s.running[on+" "+file] = cmd
	for _, p := range ports {
		if err := s.listens(ctx, on, p); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

// stop ends a server in order.
func (s *stage) stop(on, file string) {
	cmd := s.running[on+" "+file]
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
}

// listens waits until somebody on a host listens on a port.
func (s *stage) listens(ctx context.Context, on, port string) error {
	transport, number, _ := strings.Cut(port, " ")
	kind := map[string]string{"tcp": "-Hlnt", "udp": "-Hlnu"}[transport]
	for range 200 {
		out, err := s.command(ctx, on, "ss", kind, "sport", "=", ":"+number).Output()
		if err != nil {
			return fmt.Errorf("ss: %w", err)
		}
		if len(out) > 0 {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("nobody listens on %s", port)
}

// command is a program on a host.
func (s *stage) command(ctx context.Context, on, file string, args ...string) *exec.Cmd {
	if on != clients {
		file, args = "ip", append([]string{"netns", "exec", on, file}, args...)
	}
	cmd := exec.CommandContext(ctx, file, args...)
	cmd.Dir = s.dir
	return cmd
}

// run runs a program on the clients' host to its end, which must be success.
func (s *stage) run(ctx context.Context, file string, args ...string) error {
	return s.ends(ctx, 0, clients, file, args...)
}

// curl runs curl, which must end with a status (curl(1), EXIT CODES).
func (s *stage) curl(ctx context.Context, status int, args ...string) error {
	return s.ends(ctx, status, clients, "curl", append([]string{"-q", "-sS", "--max-time", "10", "-o", "/dev/null"}, args...)...)
}

// ends runs a program on a host to its end, whose exit status must be the one
// given: what a case says of itself must be so.
func (s *stage) ends(ctx context.Context, status int, on, file string, args ...string) error {
	cmd := s.command(ctx, on, file, args...)
	out, err := cmd.CombinedOutput()
	if f, e := os.OpenFile(filepath.Join(s.dir, "run.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644); e == nil {
		fmt.Fprintf(f, "$ %s %s\n%s", file, strings.Join(args, " "), out)
		f.Close()
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("run %s: %w", file, err)
	}
	if got := cmd.ProcessState.ExitCode(); got != status {
		return fmt.Errorf("%s %q ends with %d, not %d: %s", file, args, got, status, out)
	}
	time.Sleep(50 * time.Millisecond) // one after the other in the capture too
	return nil
}

// logs are the ends of what the servers wrote, for the message of a failure.
func (s *stage) logs() string {
	var b strings.Builder
	paths, _ := filepath.Glob(filepath.Join(s.dir, "*.log"))
	for _, path := range paths {
		text, _ := os.ReadFile(path)
		fmt.Fprintf(&b, "--- %s\n%s\n", filepath.Base(path), text[max(0, len(text)-1500):])
	}
	return b.String()
}
