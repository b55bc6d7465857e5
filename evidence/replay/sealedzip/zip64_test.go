package sealedzip

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"testing"
	"time"
)

// behind reads a file that begins at an offset, before which there are zeros.
type behind struct {
	*bytes.Reader
	offset int64
}

func (b behind) ReadAt(p []byte, at int64) (int, error) {
	n := int(min(max(b.offset-at, 0), int64(len(p))))
	clear(p[:n])
	if n == len(p) {
		return n, nil
	}
	m, err := b.Reader.ReadAt(p[n:], at+int64(n)-b.offset)
	return n + m, err
}

// Offsets beyond 4 GiB, without writing that much.
func TestZIP64Offset(t *testing.T) {
	const offset = 5 << 30
	var b bytes.Buffer
	z, _ := NewWriter(&b, "infected", salts())
	z.w.n = offset
	w, _ := z.Seal("a", time.Time{})
	w.Write([]byte("far out"))
	z.Close()
	r, err := zip.NewReader(behind{bytes.NewReader(b.Bytes()), offset}, int64(b.Len())+offset)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := read(r.File[0], "infected"); string(got) != "far out" {
		t.Errorf("%q, %v", got, err)
	}
}

// More entries than 16 bits can count.
func TestZIP64Entries(t *testing.T) {
	var b bytes.Buffer
	z, _ := NewWriter(&b, "infected", salts())
	for i := range math.MaxUint16 + 1 {
		if _, err := z.Plain(fmt.Sprint(i), time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	z.Close()
	if n := len(list(t, b.Bytes())); n != math.MaxUint16+1 {
		t.Errorf("%d entries", n)
	}
}

// Sizes that 32 bits do not hold, at the bounds, as archive/zip reads them.
func TestZIP64Header(t *testing.T) {
	for _, size := range []int64{0, math.MaxUint32 - 1, math.MaxUint32, math.MaxUint32 + 1, 1 << 40} {
		var b bytes.Buffer
		z, _ := NewWriter(&b, "infected", salts())
		z.Seal("a", time.Time{})
		z.open.size = size
		w, _ := z.Seal("b", time.Time{})
		w.Write([]byte("behind it"))
		z.Close()
		fs := list(t, b.Bytes())
		if got := fs[0].UncompressedSize64; got != uint64(size) {
			t.Errorf("size %d, want %d", got, size)
		}
		if got, err := read(fs[1], "infected"); string(got) != "behind it" {
			t.Errorf("behind %d octets: %q, %v", size, got, err)
		}
	}
}

// An entry of more than 4 GiB, which deflates to little.
func TestZIP64Size(t *testing.T) {
	if os.Getenv("KAGAMI_LARGE") == "" {
		t.Skip("4 GiB take some seconds: KAGAMI_LARGE=1 runs it")
	}
	const size = 4<<30 + 5
	var b bytes.Buffer
	z, _ := NewWriter(&b, "infected", salts())
	w, _ := z.Seal("zeros", time.Time{})
	if _, err := io.CopyN(w, zeros{}, size); err != nil {
		t.Fatal(err)
	}
	w, _ = z.Seal("next", time.Time{})
	w.Write([]byte("behind it"))
	z.Close()
	fs := list(t, b.Bytes())
	if fs[0].UncompressedSize64 != size {
		t.Errorf("size %d", fs[0].UncompressedSize64)
	}
	r, err := Open(fs[0], "infected")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, r); n != size || err != nil {
		t.Errorf("%d octets: %v", n, err)
	}
	if got, err := read(fs[1], "infected"); string(got) != "behind it" {
		t.Errorf("%q, %v", got, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
