package exporters

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"kagami/exporters/chain"
	"kagami/records"
)

// TestAccountOnASlowDisk: records do not wait for a disk that hangs, and what it notes
// at last is the newest.
func TestAccountOnASlowDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a := testAccount(t, dir)
		x, err := Open(Config{Format: "ecs", To: "stdout:"}, Env{HostName: "fw1", Account: a, Stdout: io.Discard})
		if err != nil {
			t.Fatal(err)
		}
		hang := make(chan struct{})
		a.save = func(s chain.State, path string) error {
			<-hang
			return s.Save(path)
		}
		beat := func(end bool) error {
			h := records.NewHeartbeat(records.Meta{At: 1})
			h.End = end
			return a.Beat([]Output{x}, h)
		}
		for range 3 {
			began := time.Now()
			if err := beat(false); !errors.Is(err, errSlowState) || time.Since(began) > saveWait {
				t.Errorf("%v after %v", err, time.Since(began))
			}
		}
		close(hang)
		if err := errors.Join(beat(true), a.Close()); err != nil {
			t.Fatal(err)
		}
		s, err := chain.LoadState(filepath.Join(dir, "account.json"))
		if m := s.Exports["ecs-stdout"]; err != nil || m.N != 4 {
			t.Errorf("%+v, %v", m, err)
		}
	})
}

// TestNoAccountBesideADevice: it keeps no lines, and its directory may be /dev.
func TestNoAccountBesideADevice(t *testing.T) {
	a, link := testAccount(t, t.TempDir()), filepath.Join(t.TempDir(), "access.log")
	defer a.Close()
	if err := os.Symlink(os.DevNull, link); err != nil {
		t.Fatal(err)
	}
	x, err := Open(Config{Format: "squid", To: "file://" + link}, Env{HostName: "fw1", Account: a})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close(context.Background())
	if _, err := os.Stat(link + ".account"); !os.IsNotExist(err) || x.stamps != nil {
		t.Errorf("%v, %+v", err, x.stamps)
	}
}

// TestStartOnAFullDisk: a log or an account that a crash tore within a line is no
// reason not to start; the line is ended when there is room.
func TestStartOnAFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root for a small file system")
	}
	for _, format := range []string{"ecs", "squid"} {
		dir := t.TempDir()
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
		log, fill := filepath.Join(dir, "x.log"), filepath.Join(dir, "fill")
		torn := strings.Repeat("x", 4096) // a page: no room for an octet more
		writeText(t, log, torn)
		writeText(t, log+".account", torn)
		f, err := os.Create(fill)
		for err == nil {
			_, err = f.Write(make([]byte, 4096))
		}
		f.Close()
		a := testAccount(t, t.TempDir())
		x, err := Open(Config{Format: format, To: "file://" + log}, Env{HostName: "fw1", Account: a})
		if err != nil {
			t.Fatal(err)
		}
		lines := []Line{{Text: []byte("first")}, {Text: []byte("second")}}
		if w, err := x.sink.Write(context.Background(), lines); err == nil || w.done() != 0 {
			t.Errorf("%s: %+v, %v", format, w, err)
		}
		if err := os.Truncate(fill, 0); err != nil {
			t.Fatal(err)
		}
		if w, err := x.sink.Write(context.Background(), lines); err != nil || w.Sent != 2 {
			t.Errorf("%s: %+v, %v", format, w, err)
		}
		if x.stamps.file != nil {
			if err := x.stamps.file.Claim([]byte("claim")); err != nil || readText(t, log+".account") != torn+"\nclaim\n" {
				t.Errorf("account %q, %v", readText(t, log+".account")[4096:], err)
			}
		}
		if err := errors.Join(x.Close(context.Background()), a.Close()); err != nil || readText(t, log) != torn+"\nfirst\nsecond\n" {
			t.Errorf("%s: %q, %v", format, readText(t, log)[4096:], err)
		}
	}
}
