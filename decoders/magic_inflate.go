package decoders

import (
	"bytes"
	"encoding/binary"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// To be removed when HTTP gives its content to fileBody.

// inflaters looks into compressed content. Their windows are large, so that all
// flows share them.
type inflaters struct{ pool sync.Pool }

// inflater reads the beginning of one compressed stream.
type inflater struct {
	src bytes.Reader
	r   io.ReadCloser // a flate.Resetter
	out [sniffLen]byte
}

func newInflaters() *inflaters {
	i := &inflaters{}
	i.pool.New = func() any {
		n := &inflater{}
		n.r = flate.NewReader(&n.src)
		return n
	}
	return i
}

// magic names the type of content whose Content-Encoding is coding. Content
// that cannot be decoded is named by what it is without decoding.
func (i *inflaters) magic(coding string, b []byte) string {
	var deflated []byte
	switch coding {
	case "gzip", "x-gzip":
		deflated = gzipData(b)
	case "deflate":
		deflated = zlibData(b)
	}
	if len(deflated) == 0 {
		return magic(b).word
	}
	n := i.pool.Get().(*inflater)
	defer i.pool.Put(n)
	n.src.Reset(deflated)
	if err := n.r.(flate.Resetter).Reset(&n.src, nil); err != nil {
		return magic(b).word
	}
	// The input is cut, so an error at its end is expected.
	got, _ := io.ReadFull(n.r, n.out[:])
	if got == 0 {
		return magic(b).word
	}
	return magic(n.out[:got]).word
}

// gzipData skips a gzip header (RFC 1952 section 2.3), nil if there is none.
func gzipData(b []byte) []byte {
	const headerLen = 10
	const hasCRC, hasExtra, hasName, hasComment = 2, 4, 8, 16
	if len(b) < headerLen || b[0] != 0x1f || b[1] != 0x8b || b[2] != 8 {
		return nil
	}
	flags := b[3]
	b = b[headerLen:]
	if flags&hasExtra != 0 {
		if len(b) < 2 || len(b)-2 < int(binary.LittleEndian.Uint16(b)) {
			return nil
		}
		b = b[2+int(binary.LittleEndian.Uint16(b)):]
	}
	for _, flag := range [...]byte{hasName, hasComment} {
		if flags&flag != 0 {
			_, rest, ok := bytes.Cut(b, []byte{0})
			if !ok {
				return nil
			}
			b = rest
		}
	}
	if flags&hasCRC != 0 {
		if len(b) < 2 {
			return nil
		}
		b = b[2:]
	}
	return b
}

// zlibData skips a zlib header (RFC 1950 section 2.2). Some servers send
// deflate data without one.
func zlibData(b []byte) []byte {
	if len(b) >= 2 && b[0]&15 == 8 && binary.BigEndian.Uint16(b)%31 == 0 {
		return b[2:]
	}
	return b
}
