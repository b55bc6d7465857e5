package exporters

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
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
	wantFile(t, path, "one\ntwo\n")
	if st, _ := os.Stat(path); st.Mode().Perm() != 0o640 {
		t.Errorf("mode %v", st.Mode())
	}
	if st, _ := os.Stat(filepath.Dir(path)); st.Mode().Perm() != 0o750 {
		t.Errorf("mode of directory %v", st.Mode())
	}

	// Log rotation by others.
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

func TestFileSinkMendsATornEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	os.WriteFile(path, []byte("whole\ntor"), 0o640)
	s := openSink(t, "file://"+path, Env{})
	write(t, s, "next")
	s.Close()
	wantFile(t, path, "whole\ntor\nnext\n")
}

func TestFileSinkWhenTheDiskIsFull(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("needs /dev/full:", err)
	}
	s := openSink(t, "file:///dev/full", Env{}).(*fileSink)
	if w, err := s.Write(context.Background(), linesOf("a", "b")); err == nil || w.done() != 0 {
		t.Fatalf("%+v, %v", w, err)
	}
	path := filepath.Join(t.TempDir(), "a.log")
	full := s.f
	s.f, _ = os.Create(path) // there is room again
	full.Close()
	write(t, s, "a", "b")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, "a\nb\n")
}

// TestFileSinkCutWithinALine: what a write did not take comes next, every line
// once and whole.
func TestFileSinkCutWithinALine(t *testing.T) {
	r, w, err := os.Pipe() // takes 64 KiB, then nothing until it is read
	if err != nil {
		t.Fatal(err)
	}
	path := ""
	raw, err := w.SyscallConn() // Fd would make it block
	if err == nil {
		err = raw.Control(func(fd uintptr) { path = fmt.Sprintf("/proc/self/fd/%d", fd) })
	}
	if err != nil {
		t.Fatal(err)
	}
	s := newFileSink(path, fileOptions{}, nil)
	s.f = w
	var texts []string
	for i := range 300 {
		texts = append(texts, strconv.Itoa(i)+strings.Repeat("x", 997))
	}
	lines := linesOf(texts...)
	var got []byte
	read := make([]byte, 1<<20)
	for tries := 0; len(lines) > 0 && tries < 100; tries++ {
		w.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
		n, _ := s.Write(context.Background(), lines)
		lines = lines[n.done():]
		if len(s.cut) > 1001 {
			t.Fatalf("%d octets are held", len(s.cut))
		}
		k, _ := r.Read(read[:4321*(tries%5)+1])
		got = append(got, read[:k]...)
	}
	w.SetWriteDeadline(time.Time{})
	go func() { s.Close() }()
	rest, err := io.ReadAll(r)
	if got = append(got, rest...); err != nil || string(got) != strings.Join(texts, "\n")+"\n" {
		t.Errorf("%d octets, %v", len(got), err)
	}
}

// TestFileSinkVanished: a directory that goes away takes one second's lines with
// it, and no more.
func TestFileSinkVanished(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	path := filepath.Join(dir, "a.log")
	s := openSink(t, "file://"+path, Env{})
	write(t, s, "one")
	os.RemoveAll(dir)
	os.WriteFile(dir, nil, 0o600) // and cannot be made anew
	if s.Flush() == nil {
		t.Error("nothing is told")
	}
	if w, err := s.Write(context.Background(), linesOf("two")); err == nil || w.done() != 0 {
		t.Errorf("%+v, %v", w, err)
	}
	os.Remove(dir)
	write(t, s, "two")
	wantFile(t, path, "two\n")
	os.Rename(path, path+".1")
	if err := s.Flush(); err != nil {
		t.Error(err)
	}
	write(t, s, "three")
	s.Close()
	wantFile(t, path, "three\n")
}

func TestFileSinkMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	openSink(t, "file://"+path+"?mode=0600", Env{}).Close()
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st, err)
	}
}
