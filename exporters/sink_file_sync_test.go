package exporters

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// TestFileSync: what fsync= promises: when what was written has been synced.
func TestFileSync(t *testing.T) {
	for _, c := range []struct {
		policy                          string
		written, flushed, later, closed bool // synced after a write, a flush at once, a flush after five seconds, and the end
	}{
		{"never", false, false, false, false},
		{"rotate", false, false, false, true},
		{"5s", false, false, true, true},
		{"always", true, true, true, true},
	} {
		for _, to := range []string{"a.log", "d/"} {
			t.Run(c.policy+" "+to, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s, now := openSynced(t, to, c.policy)
					look := func(when string, want bool) {
						t.Helper()
						if f := now(); f.dirty == want {
							t.Errorf("%s: synced %v, want %v", when, !f.dirty, want)
						}
					}
					lines := linesOf("one")
					lines[0].Log = "conn"
					if _, err := s.Write(t.Context(), lines); err != nil {
						t.Fatal(err)
					}
					f0 := time.Now()
					look("written", c.written)
					if c.policy == "5s" { // the first flush after a long time syncs
						s.Flush()
						s.Write(t.Context(), lines)
					}
					s.Flush()
					look("flushed", c.flushed)
					time.Sleep(5*time.Second - time.Since(f0))
					s.Flush()
					look("flushed later", c.later)
					s.Write(t.Context(), lines)
					f := now()
					if err := s.Close(); err != nil {
						t.Error(err)
					}
					if f.dirty == c.closed {
						t.Errorf("closed: synced %v, want %v", !f.dirty, c.closed)
					}
				})
			})
		}
	}
}

// openSynced opens a file's or a directory's sink, and tells which file lines go to.
func openSynced(t *testing.T, to, policy string) (Sink, func() *fileSink) {
	t.Helper()
	options := "?fsync=" + policy
	if policy == "rotate" {
		options += "&rotate_bytes=1G"
	}
	dir := t.TempDir()
	if to != "d/" {
		s := openSink(t, "file://"+filepath.Join(dir, to)+options, Env{})
		return s, func() *fileSink { return s.(*fileSink) }
	}
	s, err := openDirectory(mustURL("file://"+dir+"/d/"+options), Env{}, newZeekJSON(Env{}))
	if err != nil {
		t.Fatal(err)
	}
	return s, func() *fileSink { return s.(*directorySink).logs["conn"] }
}

// TestReopenThatFails: the old file stays in use, and nothing is lost.
func TestReopenThatFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	path := filepath.Join(dir, "a.log")
	s := openSink(t, "file://"+path, Env{})
	write(t, s, "one")
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // where the directory was
		t.Fatal(err)
	}
	if s.Reopen() == nil {
		t.Error("no error")
	}
	write(t, s, "two")
	os.Remove(dir)
	if err := s.Reopen(); err != nil {
		t.Error(err)
	}
	write(t, s, "three")
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	wantFile(t, filepath.Join(dir+".old", "a.log"), "one\ntwo\n")
	wantFile(t, path, "three\n")
}
