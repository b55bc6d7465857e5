package replay

import (
	"bytes"
	"errors"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz/lzma"
)

// What may be wrong with a coded body; %s is the coding.
const (
	notKnown = "the coding %q is not known"
	notCoded = "the content is not in the coding %q that was declared"
	damaged  = "the content does not decode by %q to its end"
	cutShort = "the content ends before that of its coding %q does"
	tooLong  = "too long"
	tooMuch  = "the coding %q asks for too much memory"
)

// decoded undoes one coding, up to most octets. why is one of the texts above, "" when
// all went well. What was decoded before an error is given.
func decoded(coding string, b []byte, most int64) (out []byte, why string) {
	r, ok, err := newDecoder(coding, b)
	switch {
	case !ok:
		return nil, notKnown
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return nil, cutShort
	case errors.Is(err, errBigDict), errors.As(err, new(*lzma.ErrDictSize)):
		return nil, tooMuch
	case err != nil:
		return nil, notCoded
	}
	defer r.Close()
	out, err = readAll(r, most, len(b))
	switch {
	case err == nil:
		return out, ""
	case errors.Is(err, errTooLong):
		return out, tooLong
	case errors.Is(err, io.ErrUnexpectedEOF):
		return out, cutShort
	case len(out) == 0:
		return nil, notCoded
	}
	return out, damaged
}

var errTooLong = errors.New("too long")

// readAll reads up to most octets.
func readAll(r io.Reader, most int64, hint int) ([]byte, error) {
	out := make([]byte, 0, min(int64(4*hint+512), most+1))
	for {
		if int64(len(out)) > most {
			return out[:most], errTooLong
		}
		if len(out) == cap(out) {
			out = append(out, 0)[:len(out)]
		}
		n, err := r.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		switch {
		case int64(len(out)) > most:
			return out[:most], errTooLong
		case err == io.EOF:
			return bytes.Clone(out)[:len(out):len(out)], nil
		case err != nil:
			return out, err
		}
	}
}

// newDecoder makes a reader that undoes a coding; known is false when there is none
// for it. The error says that b does not even begin like it.
func newDecoder(coding string, b []byte) (r io.ReadCloser, known bool, err error) {
	src := bytes.NewReader(b)
	switch coding {
	case "gzip", "x-gzip":
		r, err = newGzip(src)
	case "deflate":
		if isZlib(b) {
			r, err = zlib.NewReader(src)
		} else {
			r = flate.NewReader(src) // what some servers send: no zlib around it
		}
	case "br":
		r = io.NopCloser(brotli.NewReader(src))
	case "zstd":
		var d *zstd.Decoder
		d, err = zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err == nil {
			r = d.IOReadCloser()
		}
	case "xz":
		r, err = newXZ(b)
	case "lzma", "x-lzma":
		r, err = newLZMA(b)
	case "compress", "x-compress":
		r, err = newCompress(b)
	default:
		return nil, false, nil
	}
	return r, true, err
}

// members reads gzip: one member or more (RFC 1952 section 2.2). What follows and is
// none is passed over, as by browsers.
type members struct {
	*gzip.Reader
	src *bytes.Reader
}

func newGzip(src *bytes.Reader) (*members, error) {
	z, err := gzip.NewReader(src)
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	return &members{z, src}, nil
}

// Read implements io.Reader.
func (m *members) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	if err != io.EOF {
		return n, err
	}
	var magic [3]byte
	k, _ := m.src.Read(magic[:])
	if k < len(magic) || magic != [3]byte{0x1f, 0x8b, 8} {
		return n, io.EOF
	}
	if _, err := m.src.Seek(-int64(k), io.SeekCurrent); err != nil {
		return n, err
	}
	if err := m.Reader.Reset(m.src); err != nil {
		return n, io.EOF
	}
	m.Reader.Multistream(false)
	return n, nil
}

// maxWindow bounds what a decoder looks back on: 8 MiB is what RFC 9659 allows zstd.
const maxWindow = 8 << 20

// isZlib tells the header of RFC 1950 from the first octets of raw deflate.
func isZlib(b []byte) bool {
	return len(b) >= 2 && b[0]&0x0f == 8 && b[0]>>4 <= 7 && (uint(b[0])<<8|uint(b[1]))%31 == 0
}
