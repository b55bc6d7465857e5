package exporters

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"

	"kagami/records"
)

// wholeOf are the octets of a name's files, those that ended first, and how many
// there are. It waits until none waits to be compressed.
func wholeOf(t *testing.T, dir, name string) (text string, files []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if n, ok := archived(e.Name(), name); ok {
			files = append(files, n)
		}
	}
	for _, n := range append(slices.Clone(files), name) {
		b, err := os.ReadFile(filepath.Join(dir, n))
		if os.IsNotExist(err) {
			continue
		}
		if filepath.Ext(n) == ".zst" {
			z, zErr := zstd.NewReader(nil)
			if zErr != nil {
				t.Fatal(zErr)
			}
			b, err = z.DecodeAll(b, nil)
			z.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		text += string(b)
	}
	return text, files
}

func settle(t *testing.T, a *archive) {
	t.Helper()
	for range 1000 {
		a.mu.Lock()
		working := a.working
		a.mu.Unlock()
		if !working {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("still compressing")
}

// TestRotateBySize: every line once, in files of about the size asked for,
// compressed, with the file's mode.
func TestRotateBySize(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	os.WriteFile(filepath.Join(dir, "a.log.1"), []byte("another's"), 0o600)
	os.WriteFile(filepath.Join(dir, "a.log.20260101T000000.000Z"), []byte("an earlier run's\n"), 0o600)
	s := openSink(t, "file://"+path+"?rotate_bytes=64K&fsync=rotate&mode=0600", Env{})
	want := "an earlier run's\n"
	for i := range 400 {
		line := fmt.Sprintf("%d %s", i, strings.Repeat("x", 990))
		want += line + "\n"
		write(t, s, line)
	}
	settle(t, s.(*fileSink).archive)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	text, files := wholeOf(t, dir, "a.log")
	if text != want || len(files) != 7 {
		t.Errorf("%d octets of %d in %d files", len(text), len(want), len(files))
	}
	for _, f := range files {
		if st, err := os.Stat(filepath.Join(dir, f)); err != nil || st.Mode().Perm() != 0o600 || filepath.Ext(f) != ".zst" {
			t.Errorf("%s: %v, %v", f, st.Mode(), err)
		}
	}
	wantFile(t, filepath.Join(dir, "a.log.1"), "another's")
}

// TestRotateByTime: at full hours of UTC, also without lines and after a pause of
// the program; an empty file never ends.
func TestRotateByTime(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	synctest.Test(t, func(t *testing.T) { // begins at 2000-01-01T00:00:00Z
		open := func() Sink { return openSink(t, "file://"+path+"?rotate=1h&keep=2&compress=no", Env{}) }
		s := open()
		time.Sleep(50 * time.Minute)
		write(t, s, "one")
		s.Flush()
		time.Sleep(20 * time.Minute)
		s.Flush()
		s.Flush()
		write(t, s, "two")
		time.Sleep(30 * time.Minute)
		write(t, s, "three")
		s.Close()
		os.Chtimes(path, time.Time{}, time.Now())
		time.Sleep(time.Hour)
		s = open()
		write(t, s, "four")
		s.Close()
	})
	text, files := wholeOf(t, dir, "a.log")
	if want := []string{"a.log.20000101T011000.000Z", "a.log.20000101T024000.000Z"}; text != "one\ntwo\nthree\nfour\n" || !slices.Equal(files, want) {
		t.Errorf("%q in %v", text, files)
	}
}

func TestRotateKeepsTheNewest(t *testing.T) {
	dir := t.TempDir()
	s := openSink(t, "file://"+filepath.Join(dir, "a.log")+"?rotate_bytes=64K&keep=3", Env{})
	for i := range 10 {
		write(t, s, fmt.Sprint(i), strings.Repeat("x", 70<<10))
	}
	settle(t, s.(*fileSink).archive)
	s.(*fileSink).archive.resume("a.log")
	settle(t, s.(*fileSink).archive)
	s.Close()
	text, files := wholeOf(t, dir, "a.log")
	if len(files) != 3 || !strings.HasPrefix(text, "6\n") || strings.Count(text, "\n") != 8 {
		t.Errorf("%v, %d octets from %.5q", files, len(text), text)
	}
}

// TestRotateWhereNothingCanBeRenamed: the file goes on.
func TestRotateWhereNothingCanBeRenamed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	s := openSink(t, "file://"+path+"?rotate_bytes=64K", Env{}).(*fileSink)
	s.archive.dir = filepath.Join(dir, "nowhere")
	long := strings.Repeat("x", 70<<10)
	write(t, s, long)
	write(t, s, "two")
	write(t, s, "three")
	s.Close()
	wantFile(t, path, long+"\ntwo\nthree\n")
}

// TestCloseStopsCompressing: at once, and nothing is lost by it.
func TestCloseStopsCompressing(t *testing.T) {
	dir := t.TempDir()
	name := "a.log.20260101T000000.000Z"
	f, _ := os.Create(filepath.Join(dir, name))
	for range 64 {
		f.WriteString(strings.Repeat("0123456789abcdef", 64<<10)) // 1 MiB
	}
	f.Close()
	s := openSink(t, "file://"+filepath.Join(dir, "a.log")+"?rotate=1h", Env{})
	s.Close()
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), archiveSpare) {
			t.Errorf("%s is left", e.Name())
		}
	}
	if text, files := wholeOf(t, dir, "a.log"); len(files) != 1 || len(text) != 64<<20 {
		t.Errorf("%v, %d octets", files, len(text))
	}
}

// TestDirectoryRotates: each file has its header and footer.
func TestDirectoryRotates(t *testing.T) {
	dir := t.TempDir()
	x, err := Open(Config{Format: "zeek", To: "file://" + dir + "/?rotate_bytes=64K&fsync=always"}, Env{})
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if err := x.Write([]records.Record{flowRecord(t, nil), httpRecord(t, nil)}); err != nil {
			t.Fatal(err)
		}
	}
	settle(t, x.sink.(*directorySink).archive)
	if err := x.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, log := range []string{"conn.log", "http.log"} {
		text, files := wholeOf(t, dir, log)
		n := strings.Count(text, "\n#close\t")
		if lines := strings.Count(text, "\n") - 9*n; lines != 1000 || len(files) < 1 || n != len(files)+1 || strings.Count(text, "#separator") != n {
			t.Errorf("%s: %d lines, %d files, %d pieces", log, lines, len(files), n)
		}
	}
}

// TestDirectoryVanishes: the files come back with their headers.
func TestDirectoryVanishes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "zeek")
	x := openZeekExport(t, dir, "zeek", AppendFiles)
	x.Write([]records.Record{flowRecord(t, nil)})
	os.RemoveAll(dir)
	if err := x.Flush(); err != nil {
		t.Error(err)
	}
	x.Write([]records.Record{flowRecord(t, nil)})
	x.Close(context.Background())
	if text := readFile(t, dir, "conn.log"); strings.Count(text, "#separator") != 1 || strings.Count(text, "\tssl\t") != 1 {
		t.Error(text)
	}
}

func BenchmarkFileSink(b *testing.B) {
	for _, options := range []string{"", "?fsync=5s", "?rotate_bytes=64M&keep=1"} {
		b.Run("file"+options, func(b *testing.B) {
			p, err := Config{To: "file://" + filepath.Join(b.TempDir(), "a.log") + options}.place()
			if err != nil {
				b.Fatal(err)
			}
			s, err := p.entry.open(p.url, Env{Stdout: io.Discard})
			if err != nil {
				b.Fatal(err)
			}
			lines := linesOf(slices.Repeat([]string{strings.Repeat("x", 1200)}, 100)...)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Write(context.Background(), lines); err != nil {
					b.Fatal(err)
				}
			}
			s.Close()
			b.ReportMetric(float64(100*b.N)/b.Elapsed().Seconds(), "lines/s")
		})
	}
}
