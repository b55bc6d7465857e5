// Package sealedzip writes ZIP files whose entries are encrypted the way WinZip
// defines it: AE-2 with AES-256 (https://www.winzip.com/en/support/aes-encryption/).
// 7-Zip, WinZip, WinRAR, Keka and pyzipper open them.
//
// Malware is handed on in such files, by custom with the password "infected": no
// virus scanner takes them away, nobody opens what is in them by accident. Nothing
// of an entry is written before it is encrypted. Names and sizes are not secret.
package sealedzip

import (
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/flate"
)

// Writer writes entries one after the other, to something that need not seek.
type Writer struct {
	w        counter
	password string
	salt     io.Reader
	entries  []*entry
	names    map[string]bool
	open     *entryWriter
	deflate  *flate.Writer
	closed   bool
}

// counter counts what goes through, and keeps the first error.
type counter struct {
	w   io.Writer
	n   int64
	err error
}

func (c *counter) Write(b []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.w.Write(b)
	c.n += int64(n)
	c.err = err
	return n, err
}

// NewWriter writes to w. Every entry takes 16 octets of salt; nil = of crypto/rand.
// The same salt twice under one password would show the entries' difference.
func NewWriter(w io.Writer, password string, salt io.Reader) (*Writer, error) {
	if password == "" {
		return nil, errors.New("seal zip: the password is empty")
	}
	if salt == nil {
		salt = rand.Reader
	}
	return &Writer{w: counter{w: w}, password: password, salt: salt, names: make(map[string]bool)}, nil
}

// Seal begins an encrypted entry, which lasts until the next begins. modified may be
// zero: then the entry has no time.
func (z *Writer) Seal(name string, modified time.Time) (io.Writer, error) {
	return z.begin(name, modified, true)
}

// Plain begins an entry that anybody can read.
func (z *Writer) Plain(name string, modified time.Time) (io.Writer, error) {
	return z.begin(name, modified, false)
}

func (z *Writer) begin(name string, modified time.Time, sealed bool) (io.Writer, error) {
	if err := z.finish(); err != nil {
		return nil, err
	}
	if z.closed {
		return nil, fmt.Errorf("add %q: the zip is closed", name)
	}
	if err := checkName(name); err != nil {
		return nil, err
	}
	if z.names[name] {
		return nil, fmt.Errorf("add %q: there is one of that name", name)
	}
	e := &entry{name: name, modified: modified, sealed: sealed, offset: z.w.n}
	x := &entryWriter{z: z, entry: e}
	var to io.Writer = &z.w
	var err error
	if sealed {
		if x.seal, err = newSeal(&z.w, z.password, z.salt); err != nil {
			return nil, fmt.Errorf("seal %q: %w", name, err)
		}
		to = x.seal
	}
	z.w.Write(e.local())
	x.from = z.w.n
	if sealed {
		err = x.seal.begin()
	}
	if z.deflate == nil {
		z.deflate, err = flate.NewWriter(to, flate.DefaultCompression)
	} else {
		z.deflate.Reset(to)
	}
	z.names[name], z.entries, z.open = true, append(z.entries, e), x
	return x, errors.Join(err, z.w.err)
}

// finish ends the entry that is open.
func (z *Writer) finish() error {
	x := z.open
	if x == nil {
		return z.w.err
	}
	z.open = nil
	err := z.deflate.Close()
	if x.seal != nil {
		err = errors.Join(err, x.seal.end())
	}
	x.packed = z.w.n - x.from
	if !x.sealed {
		x.crc = x.sum
	}
	z.w.Write(x.descriptor())
	return errors.Join(err, z.w.err)
}

// Close ends the last entry and writes the directory. It does not close what is
// written to.
func (z *Writer) Close() error {
	err := z.finish()
	if err != nil || z.closed {
		return err
	}
	z.closed = true
	from := z.w.n
	for _, e := range z.entries {
		z.w.Write(e.central())
	}
	z.w.Write(directoryEnd(len(z.entries), from, z.w.n-from))
	if z.w.err != nil {
		return fmt.Errorf("write zip directory: %w", z.w.err)
	}
	return nil
}

// entryWriter takes the content of one entry.
type entryWriter struct {
	*entry
	z    *Writer
	seal *seal
	from int64 // where its data begins
	sum  uint32
}

// Write compresses, encrypts and writes.
func (x *entryWriter) Write(b []byte) (int, error) {
	if x.z.open != x {
		return 0, fmt.Errorf("write %q: another entry was begun", x.name)
	}
	n, err := x.z.deflate.Write(b)
	x.size += int64(n)
	if !x.sealed { // AE-2 keeps no checksum: it would tell what small content is
		x.sum = crc32.Update(x.sum, crc32.IEEETable, b[:n])
	}
	return n, err
}

// checkName refuses what a program that extracts could take for a place elsewhere.
func checkName(name string) error {
	bad := name == "" || len(name) > 1<<15 || !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) ||
		strings.ContainsAny(name, `\:`)
	for part := range strings.SplitSeq(name, "/") {
		bad = bad || part == "" || part == "." || part == ".."
	}
	if bad {
		return fmt.Errorf("add %q: not a name for a file in a zip", name)
	}
	return nil
}
