package atomicfile

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state")
	for _, tc := range []struct {
		text string
		mode os.FileMode
	}{
		{"first", 0o600},
		{"second, longer", 0o644},
		{"", 0o600},
	} {
		if err := Write(path, []byte(tc.text), tc.mode); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != tc.text {
			t.Errorf("%q, %v, want %q", got, err, tc.text)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != tc.mode {
			t.Errorf("%v, %v, want mode %v", info.Mode(), err, tc.mode)
		}
	}
	alone(t, dir, "state")
}

// TestWriteFails: what cannot be replaced stays, and nothing is left beside it.
func TestWriteFails(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "state", "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(filepath.Join(dir, "state"), []byte("x"), 0o600); err == nil {
		t.Error("replaced a directory")
	}
	alone(t, dir, "state")
	if err := Write(filepath.Join(dir, "absent", "state"), []byte("x"), 0o600); !os.IsNotExist(err) {
		t.Errorf("no directory: %v", err)
	}
}

// TestGiveAway: what root makes belongs to the directory's owner.
func TestGiveAway(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chown(dir, 4711, 4712); err != nil {
		t.Skip("needs root: ", err)
	}
	path := filepath.Join(dir, "state")
	if err := Write(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if st := info.Sys().(*syscall.Stat_t); st.Uid != 4711 || st.Gid != 4712 {
		t.Errorf("belongs to %d:%d, want 4711:4712", st.Uid, st.Gid)
	}
}

func alone(t *testing.T, dir, want string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != want {
		t.Errorf("%v, %v, want %s alone", entries, err, want)
	}
}
