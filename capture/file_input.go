package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	magicGzip = 0x1f8b     // RFC 1952 section 2.3.1
	magicZstd = 0x28b52ffd // RFC 8878 section 3.1.1

	// zstdWindow bounds the memory that a zstd frame may ask for; it is what
	// `zstd --long` writes and what `zstd -d` takes without a further option.
	zstdWindow = 128 << 20
)

// input is the octet stream of one file, uncompressed, with a position that
// other goroutines may read.
type input struct {
	io.Reader
	raw        *os.File // nil when the stream was passed in
	unpack     io.Closer
	compressed bool
	patient    bool // a regular file: a read may wait for a full block
	read       atomic.Uint64
	size       uint64
}

// counter counts the octets that are taken from the file as it lies on disk.
type counter struct {
	r io.Reader
	n *atomic.Uint64
}

func (c counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(uint64(n))
	return n, err
}

// openInput opens path ("-" is stdin) and unpacks it if its first octets say so.
func openInput(path string, stdin io.Reader) (*input, error) {
	in := &input{}
	raw := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, openError(path, err)
		}
		in.raw, raw = f, f
	}
	if f, ok := raw.(*os.File); ok {
		if err := in.stat(path, f); err != nil {
			in.Close()
			return nil, err
		}
	}
	if err := in.detect(counter{raw, &in.read}); err != nil {
		in.Close()
		return nil, fmt.Errorf("capture: %s: %w", path, err)
	}
	return in, nil
}

func (in *input) stat(path string, f *os.File) error {
	st, err := f.Stat()
	if err != nil {
		return openError(path, err)
	}
	if st.IsDir() {
		return fmt.Errorf("capture: %s: is a directory; name the capture files in it", path)
	}
	if in.patient = st.Mode().IsRegular(); in.patient {
		in.size = uint64(st.Size())
	}
	return nil
}

// detect looks at the first four octets and chains the unpacker they call for.
func (in *input) detect(r io.Reader) error {
	var head [4]byte
	n, err := io.ReadFull(r, head[:])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("read first octets: %w", err)
	}
	r = io.MultiReader(&prefix{head[:n]}, r)
	magic := binary.BigEndian.Uint32(head[:])
	switch {
	case n >= 2 && magic>>16 == magicGzip:
		z, err := gzip.NewReader(r)
		if err != nil {
			return fmt.Errorf("read gzip header: %w", err)
		}
		in.Reader, in.unpack, in.compressed = z, z, true
	case magic == magicZstd:
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return fmt.Errorf("read zstd header: %w", err)
		}
		in.Reader, in.unpack, in.compressed = z, z.IOReadCloser(), true
	default:
		in.Reader = r
	}
	return nil
}

// prefix gives back octets that were read ahead.
type prefix struct{ b []byte }

func (p *prefix) Read(dst []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(dst, p.b)
	p.b = p.b[n:]
	return n, nil
}

// Close closes what openInput opened; a stream that was passed in stays open.
func (in *input) Close() error {
	var errs []error
	if in.unpack != nil {
		in.unpack.Close() // what was wrong with the data, reading has said
	}
	if in.raw != nil {
		errs = append(errs, in.raw.Close())
	}
	return errors.Join(errs...)
}

func openError(path string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return fmt.Errorf("capture: %s: %w", path, err)
}

// found names what a file that is no capture file begins with.
func found(head []byte) string {
	if len(head) == 0 {
		return "the file is empty"
	}
	for _, f := range []struct{ magic, name string }{
		{"snoop\x00\x00\x00", "a Solaris snoop file (convert it: editcap -F pcap)"},
		{"\x1c\x00\x01\xac", "an Ixia capture (convert it: editcap -F pcap)"},
		{"\xac\x01\x00\x1c", "an Ixia capture (convert it: editcap -F pcap)"},
		{"GMBU", "a Microsoft Network Monitor capture (convert it: editcap -F pcap)"},
		{"\xfd7zXZ", "an xz file (unpack it: xz -dc FILE | kagami read -)"},
		{"BZh", "a bzip2 file (unpack it: bzip2 -dc FILE | kagami read -)"},
		{"\x04\x22\x4d\x18", "an lz4 file (unpack it: lz4 -dc FILE | kagami read -)"},
		{"PK\x03\x04", "a zip archive (unpack it first)"},
		{"7z\xbc\xaf", "a 7z archive (unpack it first)"},
	} {
		if len(head) >= len(f.magic) && string(head[:len(f.magic)]) == f.magic {
			return "this is " + f.name
		}
	}
	return fmt.Sprintf("no capture file: it begins with % x", head[:min(len(head), 8)])
}

// readError puts the failure of a read, most often of an unpacker, in words.
func readError(err error) (what string, torn bool) {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the compressed data ends early", true
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, zstd.ErrCRCMismatch):
		return "the checksum of the compressed data is wrong", false
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return "the zstd window is larger than 128 MiB; unpack it: zstd -dc --long=31 FILE | kagami read -", false
	}
	return fmt.Sprintf("read: %v", err), false
}
