package sealedzip

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// salts is what tests take instead of crypto/rand.
func salts() io.Reader { return rand.NewChaCha8([32]byte{1}) }

type file struct {
	name  string
	at    time.Time
	data  []byte
	plain bool
}

func files() []file {
	noise := make([]byte, 100_000)
	rand.NewChaCha8([32]byte{2}).Read(noise)
	at := time.Date(2010, 2, 3, 4, 5, 7, 0, time.UTC)
	return []file{
		{"empty", at, nil, false},
		{"one", at, []byte{0}, false},
		{"pad", at, bytes.Repeat([]byte{7}, 1024), false},
		{"dir/noise.bin", time.Time{}, noise, false},
		{"日本語.txt", time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC), []byte(strings.Repeat("evil ", 50_000)), false},
		{"later", time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC), []byte("x"), false},
		{"listing.csv", at, []byte("url,size\r\n"), true},
	}
}

func pack(t testing.TB, fs []file, step int) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := NewWriter(&b, "infected", salts())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fs {
		begin := z.Seal
		if f.plain {
			begin = z.Plain
		}
		w, err := begin(f.name, f.at)
		if err != nil {
			t.Fatal(err)
		}
		for rest := f.data; len(rest) > 0; {
			n := min(step, len(rest))
			if m, err := w.Write(rest[:n]); m != n || err != nil {
				t.Fatal(m, err)
			}
			rest = rest[n:]
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func list(t testing.TB, b []byte) []*zip.File {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return r.File
}

func read(f *zip.File, password string) ([]byte, error) {
	r, err := Open(f, password)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func TestRoundTrip(t *testing.T) {
	fs := files()
	b := pack(t, fs, 1000)
	for i, f := range list(t, b) {
		want := fs[i]
		var got []byte
		var err error
		if want.plain {
			r, _ := f.Open()
			got, err = io.ReadAll(r)
		} else {
			got, err = read(f, "infected")
			if f.CRC32 != 0 {
				t.Errorf("%s: AE-2 keeps no checksum, here is %08x", f.Name, f.CRC32)
			}
			if _, err := f.Open(); !errors.Is(err, zip.ErrAlgorithm) {
				t.Errorf("%s is open to everybody: %v", f.Name, err)
			}
		}
		if err != nil || !bytes.Equal(got, want.data) || f.Name != want.name || f.UncompressedSize64 != uint64(len(want.data)) {
			t.Errorf("%s: %d octets of %q, size %d: %v", want.name, len(got), f.Name, f.UncompressedSize64, err)
		}
		if y := want.at.Year(); y >= 1970 && y < 2038 && !f.Modified.Equal(want.at) {
			t.Errorf("%s: modified %v, want %v", f.Name, f.Modified, want.at)
		}
	}
}

// How it is written, and when, changes nothing; another salt changes all of it.
func TestDeterministic(t *testing.T) {
	a, b := pack(t, files(), 1), pack(t, files(), 1<<20)
	if !bytes.Equal(a, b) {
		t.Error("the same content and salt give different files")
	}
	var c bytes.Buffer
	z, _ := NewWriter(&c, "infected", nil)
	for _, name := range []string{"a", "b"} {
		w, _ := z.Seal(name, time.Time{})
		w.Write(make([]byte, 100))
	}
	z.Close()
	var raw [2][]byte
	for i, f := range list(t, c.Bytes()) {
		r, _ := f.OpenRaw()
		raw[i], _ = io.ReadAll(r)
	}
	if bytes.Equal(raw[0][:saltSize], raw[1][:saltSize]) || bytes.Equal(raw[0][saltSize+2:], raw[1][saltSize+2:]) {
		t.Error("two entries share salt or key stream")
	}
}

// Nothing of the content is to be seen, even when it does not compress.
func TestNothingInClear(t *testing.T) {
	noise := make([]byte, 5000)
	rand.NewChaCha8([32]byte{3}).Read(noise)
	b := pack(t, []file{{name: "a", data: noise}}, len(noise))
	for i := 0; i+8 <= len(noise); i++ {
		if bytes.Contains(b, noise[i:i+8]) {
			t.Fatalf("octets at %d are in clear", i)
		}
	}
}

func TestRefused(t *testing.T) {
	if _, err := NewWriter(io.Discard, "", nil); err == nil {
		t.Error("a zip without a password")
	}
	z, _ := NewWriter(io.Discard, "p", salts())
	for _, name := range []string{"", "/etc/passwd", "../x", "a/../b", "a//b", "a/", ".", `a\b`, "C:x", "a\nb", "a\x00", "\xff", strings.Repeat("x", 1<<16)} {
		if _, err := z.Seal(name, time.Time{}); err == nil {
			t.Errorf("%q was taken for a name", name[:min(len(name), 20)])
		}
	}
	first, _ := z.Seal("a", time.Time{})
	if _, err := z.Plain("a", time.Time{}); err == nil {
		t.Error("two entries of one name")
	}
	z.Seal("b", time.Time{})
	if _, err := first.Write([]byte("x")); err == nil {
		t.Error("an entry was written to after the next began")
	}
	z.Close()
	if _, err := z.Seal("c", time.Time{}); err == nil {
		t.Error("an entry behind the directory")
	}
	z, _ = NewWriter(io.Discard, "p", strings.NewReader("too short"))
	if _, err := z.Seal("a", time.Time{}); err == nil {
		t.Error("an entry with a salt that is too short")
	}
}

func TestWrongPasswordAndForgery(t *testing.T) {
	b := pack(t, []file{{name: "a", data: []byte("payload payload payload")}}, 100)
	if _, err := read(list(t, b)[0], "Infected"); !errors.Is(err, ErrPassword) {
		t.Errorf("wrong password: %v", err)
	}
	f := list(t, b)[0]
	from, _ := f.DataOffset()
	for at := from + saltSize + checkSize; at < from+int64(f.CompressedSize64); at++ {
		c := bytes.Clone(b)
		c[at] ^= 1
		if got, err := read(list(t, c)[0], "infected"); !errors.Is(err, ErrForged) {
			t.Errorf("octet %d changed: %q, %v", at, got, err)
		}
	}
}

// brokenWriter fails after n octets.
type brokenWriter struct{ n int }

func (b *brokenWriter) Write(p []byte) (int, error) {
	if b.n -= len(p); b.n < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

func TestDiskFull(t *testing.T) {
	whole := len(pack(t, files(), 1<<20))
	for n := 0; n < whole; n += whole/50 + 1 {
		z, _ := NewWriter(&brokenWriter{n}, "infected", salts())
		var err error
		for _, f := range files() {
			w, e := z.Seal(f.name, f.at)
			if e == nil {
				_, e = w.Write(f.data)
			}
			err = errors.Join(err, e)
		}
		if err = errors.Join(err, z.Close()); err == nil {
			t.Fatalf("no error though only %d of %d octets were written", n, whole)
		}
	}
}

// The judge that is not ours.
func TestSevenZip(t *testing.T) {
	program, err := exec.LookPath("7z")
	if err != nil {
		t.Skip("no 7z here: ", err)
	}
	fs := files()
	path := filepath.Join(t.TempDir(), "objects.zip")
	if err := os.WriteFile(path, pack(t, fs, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(program, "t", "-pinfected", path).CombinedOutput(); err != nil {
		t.Fatalf("7z t: %v\n%s", err, out)
	}
	if out, err := exec.Command(program, "t", "-pwrong", path).CombinedOutput(); err == nil {
		t.Errorf("7z opens it with another password\n%s", out)
	}
	out, _ := exec.Command(program, "l", "-slt", path).CombinedOutput()
	if n := strings.Count(string(out), "Method = AES-256 Deflate"); n != len(fs)-1 {
		t.Errorf("7z finds %d entries in AES-256\n%s", n, out)
	}
	for _, f := range fs {
		got, err := exec.Command(program, "e", "-so", "-pinfected", path, f.name).Output()
		if err != nil || !bytes.Equal(got, f.data) {
			t.Errorf("7z e %s: %d octets, %v", f.name, len(got), err)
		}
	}
}

// FuzzOpen feeds what is no zip, or a broken one.
func FuzzOpen(f *testing.F) {
	f.Add(pack(f, []file{{name: "a", data: []byte("payload")}, {name: "b", plain: true}}, 100))
	f.Add(pack(f, nil, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		for _, f := range r.File[:min(len(r.File), 4)] {
			if rc, err := Open(f, "infected"); err == nil {
				io.CopyN(io.Discard, rc, 1<<20)
			}
		}
	})
}

// FuzzRoundTrip seals and opens content and names of any kind.
func FuzzRoundTrip(f *testing.F) {
	f.Add("a", []byte("payload"), "infected", 3)
	f.Add("日本/語", []byte{}, "pass\x00word", 1)
	f.Fuzz(func(t *testing.T, name string, data []byte, password string, step int) {
		var b bytes.Buffer
		z, err := NewWriter(&b, password, salts())
		if err != nil {
			return
		}
		w, err := z.Seal(name, time.Unix(int64(step), 0))
		if err != nil {
			return
		}
		for rest := data; len(rest) > 0; {
			n := min(max(step, 1), len(rest))
			w.Write(rest[:n])
			rest = rest[n:]
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		f := list(t, b.Bytes())[0]
		if got, err := read(f, password); err != nil || !bytes.Equal(got, data) || f.Name != name {
			t.Fatalf("%q: %d octets of %d: %v", f.Name, len(got), len(data), err)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	page := []byte(strings.Repeat("<a href=\"http://a.example/\">it</a>\n", 30_000))
	noise := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{4}).Read(noise)
	for _, c := range []struct {
		name string
		data []byte
	}{{"text", page}, {"noise", noise}, {"small", []byte("GIF89a")}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.data)))
			b.ReportAllocs()
			z, _ := NewWriter(io.Discard, "infected", salts())
			for i := range b.N {
				w, err := z.Seal(fmt.Sprint(i), time.Time{})
				if err != nil {
					b.Fatal(err)
				}
				w.Write(c.data)
			}
			z.Close()
		})
	}
}
