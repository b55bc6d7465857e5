package chain

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxInputLine is how long a line may be; longer ones are counted, not read.
const maxInputLine = 8 << 20

// zstdWindow is how many octets a zstd frame may ask for.
const zstdWindow = 128 << 20

// openInput opens a file, "-" for standard input, unpacked if it is gzip or zstd.
func openInput(path string, stdin io.Reader) (io.ReadCloser, error) {
	var r io.Reader = stdin
	var f *os.File
	if path != "-" {
		var err error
		if f, err = os.Open(path); err != nil {
			return nil, err
		}
		r = f
	}
	in := &input{file: f}
	b := bufio.NewReaderSize(r, 256<<10)
	head, err := b.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.Join(err, in.Close())
	}
	in.Reader = b
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		in.Reader, err = gzip.NewReader(b)
	case bytes.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		var d *zstd.Decoder
		d, err = zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow))
		if err == nil {
			in.Reader, in.done = d, d.Close
		}
	default:
		err = nil
	}
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	return in, nil
}

type input struct {
	io.Reader
	file *os.File // nil: standard input
	done func()
}

// Close implements io.Closer.
func (in *input) Close() error {
	if in.done != nil {
		in.done()
	}
	if in.file == nil {
		return nil
	}
	return in.file.Close()
}

// lines hands over each line with its number, without its newline; whole is false
// for the last one of a file that does not end in one, long for one that was
// skipped. do may write into the line.
func lines(r io.Reader, do func(n uint64, line []byte, whole, long bool) error) error {
	b := bufio.NewReaderSize(r, 256<<10)
	var joined []byte
	for n := uint64(1); ; n++ {
		line, err := b.ReadSlice('\n')
		long := false
		if errors.Is(err, bufio.ErrBufferFull) {
			joined = joined[:0]
			for errors.Is(err, bufio.ErrBufferFull) {
				if long = long || len(joined) > maxInputLine; !long {
					joined = append(joined, line...)
				}
				line, err = b.ReadSlice('\n')
			}
			joined = append(joined, line...)
			line = joined
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("at line %d: %w", n, err)
		}
		whole := err == nil
		if len(line) > 0 {
			if err := do(n, bytes.TrimSuffix(line, []byte("\n")), whole, long); err != nil {
				return err
			}
		}
		if !whole {
			return nil
		}
	}
}

// accountSuffix is that of the file in which the claims and tags of a log stand
// that has no room for them.
const accountSuffix = ".account"

// isAccount tells whether a path is an account's, also of one that was renamed.
func isAccount(path string) bool {
	name := strings.TrimRight(path, "0123456789")
	return strings.HasSuffix(path, accountSuffix) || strings.HasSuffix(name, accountSuffix+".")
}

// withoutAccounts drops accounts from the inputs, which NAME* names, too: they are
// read with their logs. One without its log is a mistake.
func (v *verifier) withoutAccounts() error {
	used := map[string]bool{}
	for _, path := range slices.Concat(v.o.Inputs, v.o.Against) {
		used[accountOf(path)] = true
	}
	for _, list := range []*[]string{&v.o.Inputs, &v.o.Against} {
		kept := make([]string, 0, len(*list))
		for _, path := range *list {
			switch {
			case !isAccount(path):
				kept = append(kept, path)
			case !used[strings.TrimRight(strings.TrimRight(path, "0123456789"), ".")]:
				return fmt.Errorf("verify %q: this is an account: name the log that it lies beside", path)
			}
		}
		*list = kept
	}
	return nil
}

// accountOf is the account beside a log, "" if there is none: of access.log,
// and of what became of it, as access.log.2.zst or access.log-20261115.gz.
func accountOf(path string) string {
	for path != "-" && !isAccount(path) {
		if st, err := os.Stat(path + accountSuffix); err == nil && st.Mode().IsRegular() {
			return path + accountSuffix
		}
		i := strings.LastIndexAny(path, ".-")
		if i <= strings.LastIndexByte(path, '/')+1 {
			break
		}
		path = path[:i]
	}
	return ""
}
