package exporters

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"kagami/records"
)

// The integration tests start real servers and stop them. They run when
// KAGAMI_INTEGRATION is set; a program that is not there skips its test, unless
// KAGAMI_INTEGRATION=all.
const integrationRecords = 100_000

func needPrograms(t *testing.T, programs ...string) {
	t.Helper()
	want := os.Getenv("KAGAMI_INTEGRATION")
	if want == "" {
		t.Skip("KAGAMI_INTEGRATION is not set")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			lacks(t, "no program %s", p)
		}
	}
}

// lacks ends a test that lacks something of its machine.
func lacks(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("KAGAMI_INTEGRATION") == "all" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// realServer is a server's process, which can be killed and started again.
type realServer struct {
	t     *testing.T
	start func() *exec.Cmd
	ready string // URL, or host:port, that answers once it is up
	cmd   *exec.Cmd
	out   bytes.Buffer
}

// run starts the server and waits until it answers.
func (s *realServer) run() {
	s.t.Helper()
	s.cmd = s.start()
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if s.answers() {
			return
		}
		if time.Now().After(end) {
			s.kill()
			s.t.Fatalf("the server does not start: %.3000s", s.out.String())
		}
	}
}

func (s *realServer) answers() bool {
	if !strings.HasPrefix(s.ready, "http") {
		c, err := net.Dial("tcp", s.ready)
		if err == nil {
			c.Close()
		}
		return err == nil
	}
	r, err := http.Get(s.ready)
	if err == nil {
		r.Body.Close()
	}
	return err == nil
}

// kill ends the server as a power cut does.
func (s *realServer) kill() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// manyLines are numbered ECS lines of records of every kind, no two the same.
func manyLines(t *testing.T, n int) []Line {
	t.Helper()
	f, kinds := newECS(Env{}), sample(t)
	out := make([]Line, n)
	for i := range out {
		r := kinds[i%len(kinds)]
		m := r.Meta()
		m.UID, m.At = uint64(i+1), 1_770_000_000e9+int64(i)*1e6
		text, ok := f.Append(nil, r)
		if !ok {
			t.Fatal("no line")
		}
		out[i] = Line{Text: text, At: m.At, Kind: m.Kind, Severity: severity(r), Seq: uint64(i + 1)}
	}
	return out
}

// deliverThrough sends lines batch by batch as a queue does, and kills the server
// twice while it does: once to come back at once, once after a batch of errors.
func deliverThrough(t *testing.T, s Sink, server *realServer, lines []Line) {
	t.Helper()
	e := newExport("test", newECS(Env{}), s, slog.New(slog.DiscardHandler))
	done := make(chan time.Duration)
	go func() {
		start := time.Now()
		for rest := lines; len(rest) > 0; {
			n := min(batchLines, len(rest))
			if err := e.deliver(context.Background(), rest[:n], Drop); err != nil {
				t.Error(err)
			}
			rest = rest[n:]
		}
		done <- time.Since(start)
	}()
	for _, part := range []int{3, 2} {
		for e.sent.Load() < uint64(len(lines)/part) {
			time.Sleep(time.Millisecond)
		}
		server.kill()
		time.Sleep(time.Second)
		server.run()
	}
	took := <-done
	st := e.Stats()
	t.Logf("%d records in %v with two kills: %+v", len(lines), took.Round(time.Millisecond), st)
	if st.Sent != uint64(len(lines)) || st.Failed != 0 || st.Errors == 0 {
		t.Errorf("%+v", st)
	}
	e.Close(context.Background())
}

func ask(t *testing.T, method, url, body string) string {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %d, %.1000s, %v", method, url, r.StatusCode, b, err)
	}
	return string(b)
}

// integrationCache is where what is fetched once is kept.
func integrationCache(t *testing.T, name string) string {
	t.Helper()
	base, err := os.UserCacheDir()
	if err != nil {
		lacks(t, "no cache directory: %v", err)
	}
	dir := filepath.Join(base, "kagami-integration", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// wantOnce: every line came back, as it was sent, once.
func wantOnce(t *testing.T, lines []Line, got map[uint64][]string) {
	t.Helper()
	problems := 0
	for i := range lines {
		if copies := got[lines[i].Seq]; len(copies) != 1 || copies[0] != string(lines[i].Text) {
			if problems++; problems < 5 {
				t.Errorf("record %d came back %d times: %.300q", lines[i].Seq, len(copies), copies)
			}
		}
	}
	if len(got) != len(lines) {
		t.Errorf("%d records came back, want %d", len(got), len(lines))
	}
	if problems > 0 {
		t.Errorf("%d of %d records are not there once", problems, len(lines))
	}
}

func kindCount(lines []Line, k records.Kind) (n int) {
	for i := range lines {
		if lines[i].Kind == k {
			n++
		}
	}
	return n
}
