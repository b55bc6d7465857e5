package exporters

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func openSink(t *testing.T, to string, env Env) Sink {
	t.Helper()
	p, err := Config{To: to}.place()
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.entry.open(p.url, env)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func linesOf(texts ...string) []Line {
	var out []Line
	for _, s := range texts {
		out = append(out, Line{Text: []byte(s), At: 1417824675123456789, Severity: SeverityInfo})
	}
	return out
}

func write(t *testing.T, s Sink, texts ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if w, err := s.Write(ctx, linesOf(texts...)); err != nil || w.Sent != len(texts) {
		t.Fatalf("%+v, %v", w, err)
	}
}

func wantFile(t *testing.T, path, want string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil || string(b) != want {
		t.Errorf("%s holds %q, %v; want %q", filepath.Base(path), b, err, want)
	}
}

func TestFileSink(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "dir", "a.log")
	s := openSink(t, "file://"+path, Env{})
	write(t, s, "one", "two")
	wantFile(t, path, "") // collected
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, "one\ntwo\n")
	if st, _ := os.Stat(path); st.Mode().Perm() != 0o640 {
		t.Errorf("mode %v", st.Mode())
	}
	if st, _ := os.Stat(filepath.Dir(path)); st.Mode().Perm() != 0o750 {
		t.Errorf("mode of directory %v", st.Mode())
	}

	// Log rotation: what was collected goes to the old file.
	write(t, s, "three")
	os.Rename(path, path+".1")
	if err := s.Reopen(); err != nil {
		t.Fatal(err)
	}
	write(t, s, "four")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path+".1", "one\ntwo\nthree\n")
	wantFile(t, path, "four\n")

	s = openSink(t, "file://"+path, Env{})
	write(t, s, "five")
	s.Close()
	wantFile(t, path, "four\nfive\n")
	openSink(t, "file://"+path, Env{Files: TruncateFiles}).Close()
	wantFile(t, path, "")
}

func TestFileSinkWritesLargePieces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	s := openSink(t, "file://"+path, Env{})
	defer s.Close()
	line := strings.Repeat("x", 1000)
	for range 100 {
		write(t, s, line)
	}
	b, _ := os.ReadFile(path)
	if len(b) < fileBuffer || len(b) > fileBuffer+1001 || len(b)%1001 != 0 {
		t.Errorf("%d octets before the flush", len(b))
	}
}

func TestFileSinkMendsATornEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	os.WriteFile(path, []byte("whole\ntor"), 0o640)
	s := openSink(t, "file://"+path, Env{})
	write(t, s, "next")
	s.Close()
	wantFile(t, path, "whole\ntor\nnext\n")
}

func TestFileSinkKeepsLinesWhenTheDiskIsFull(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("needs /dev/full:", err)
	}
	s := openSink(t, "file:///dev/full", Env{}).(*fileSink)
	line := strings.Repeat("x", fileBuffer)
	w, err := s.Write(context.Background(), linesOf("a", line, "b"))
	if err == nil || w.Sent != 2 {
		t.Fatalf("%+v, %v", w, err)
	}
	path := filepath.Join(t.TempDir(), "a.log")
	full := s.f
	s.f, _ = os.Create(path) // there is room again
	full.Close()
	write(t, s, "b")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, "a\n"+line+"\nb\n")
}
