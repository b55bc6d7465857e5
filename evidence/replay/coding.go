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
)

// What may be wrong with a coded body; %s is the coding.
const (
	notKnown = "the coding %q is not known"
	notCoded = "the content is not in the coding %q that was declared"
	damaged  = "the content does not decode by %q to its end"
	cutShort = "the content ends before that of its coding %q does"
	tooLong  = "too long"
)

// decoded undoes one coding, up to most octets. why is one of the texts above, "" when
// all went well. What was decoded before an error is given.
func decoded(coding string, b []byte, most int64) (out []byte, why string) {
	r, ok := newDecoder(coding, b)
	switch {
	case !ok:
		return nil, notKnown
	case r == nil:
		return nil, notCoded
	}
	defer r.Close()
	out, err := readAll(r, most, len(b))
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

// newDecoder is nil when b does not even begin like the coding; ok is false when the
// coding is not known.
func newDecoder(coding string, b []byte) (r io.ReadCloser, ok bool) {
	src := bytes.NewReader(b)
	switch coding {
	case "gzip", "x-gzip":
		return opened(gzip.NewReader(src))
	case "deflate":
		if isZlib(b) {
			return opened(zlib.NewReader(src))
		}
		return flate.NewReader(src), true // what some servers send: no zlib around it
	case "br":
		return io.NopCloser(brotli.NewReader(src)), true
	case "zstd":
		d, err := zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, true
		}
		return d.IOReadCloser(), true
	case "xz":
		return opened(newXZ(src))
	case "lzma", "x-lzma":
		return opened(newLZMA(b))
	case "compress", "x-compress":
		return opened(newCompress(b))
	}
	return nil, false
}

// maxWindow bounds what a decoder looks back on: 8 MiB is what RFC 9659 allows zstd.
const maxWindow = 8 << 20

func opened[R io.ReadCloser](r R, err error) (io.ReadCloser, bool) {
	if err != nil {
		return nil, true
	}
	return r, true
}

// isZlib tells the header of RFC 1950 from the first octets of raw deflate.
func isZlib(b []byte) bool {
	return len(b) >= 2 && b[0]&0x0f == 8 && b[0]>>4 <= 7 && (uint(b[0])<<8|uint(b[1]))%31 == 0
}
