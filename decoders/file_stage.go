package decoders

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

const (
	ratioFree  = 1 << 20 // octets that may be decoded of anything, whatever its ratio
	codedAhead = 4 << 10 // octets that a decoder reads ahead

	// What a decoder takes of FilesConfig.MaxMemory, besides brotli's window.
	deflateCost = 64 << 10
	brotliCost  = 64 << 10
	zstdWindow  = 8 << 20 // the largest there is (RFC 9659 section 3)
)

// errTooMuch ends decoding at a limit, which stands in the file's record.
var errTooMuch = errors.New("limit reached")

// stage undoes one content coding of a file.
type stage struct {
	coding string
	in     *bufio.Reader
	u      *uncoder
	begun  bool
	plain  bool // the octets are not coded
	n      int64

	z       io.Reader // the one in use of:
	gzip    gzip.Reader
	zlib    io.ReadCloser
	deflate io.ReadCloser
	brotli  *brotli.Reader
	zstd    *zstd.Decoder
}

// stagePools keep decoders for the next files: their windows are large.
type stagePools struct {
	gzip, deflate, br, zstd, buffers sync.Pool
}

// of is the pool of the decoders of a coding, nil if there are none.
func (p *stagePools) of(coding string) *sync.Pool {
	switch coding {
	case "gzip":
		return &p.gzip
	case "deflate":
		return &p.deflate
	case "br":
		return &p.br
	case "zstd":
		return &p.zstd
	}
	return nil
}

func (p *stagePools) get(coding string) *stage {
	if s, ok := p.of(coding).Get().(*stage); ok {
		return s
	}
	return &stage{coding: coding, in: bufio.NewReaderSize(nil, codedAhead)}
}

func (p *stagePools) put(s *stage) {
	s.u, s.z = nil, nil
	s.in.Reset(nil)
	if s.zstd != nil {
		s.zstd.Reset(nil)
	}
	p.of(s.coding).Put(s)
}

func (p *stagePools) buffer() *[decodedRoom]byte {
	if b, ok := p.buffers.Get().(*[decodedRoom]byte); ok {
		return b
	}
	return new([decodedRoom]byte)
}

func (s *stage) begin(u *uncoder, from io.Reader) {
	s.u, s.begun, s.plain, s.n = u, false, false, 0
	s.in.Reset(from)
}

// Read implements io.Reader.
func (s *stage) Read(p []byte) (int, error) {
	if !s.begun {
		s.begun = true
		if err := s.start(); err != nil {
			return 0, err
		}
	}
	n, err := s.z.Read(p)
	s.n += int64(n)
	if err == io.EOF && s.coding == "gzip" && !s.plain {
		err = s.nextMember()
	}
	if err == nil || err == io.EOF {
		if over := s.limit(); over != nil {
			return n, over
		}
	}
	return n, err
}

// limit tells when more is decoded than may be. Every stage is measured: what it
// makes need not come out of the next.
func (s *stage) limit() error {
	c := &s.u.body.files.config
	switch {
	case s.n > c.MaxDecoded:
		s.u.body.note(oddFileDecoded)
	case s.n > ratioFree && s.n/int64(c.MaxRatio) > s.u.taken:
		s.u.body.note(oddFileRatio)
	default:
		return nil
	}
	return errTooMuch
}

// start makes the decoder ready, or finds that the octets are not coded: servers
// declare codings that they do not apply.
func (s *stage) start() (err error) {
	first, err := s.in.Peek(4)
	if err != nil && err != io.EOF {
		return err
	}
	err = nil
	switch s.coding {
	case "gzip":
		if !isGzip(first) {
			return s.pass()
		}
		s.z = &s.gzip
		if err = s.charge(deflateCost); err == nil {
			err = s.member()
		}
	case "deflate":
		if err = s.charge(deflateCost); err == nil {
			err = s.startDeflate(first)
		}
	case "br":
		if err = s.charge(brotliCost + brotliWindow(first)); err != nil {
			return err
		}
		if s.brotli == nil {
			s.brotli = brotli.NewReader(nil)
		}
		s.z = s.brotli
		err = s.brotli.Reset(s.in)
	case "zstd":
		if !isZstd(first) {
			return s.pass()
		}
		if err = s.charge(zstdWindow); err == nil {
			err = s.startZstd()
		}
	}
	return err
}

func (s *stage) charge(n int64) error {
	if !s.u.body.take(n) {
		return errTooMuch
	}
	return nil
}

// pass lets octets through that are not coded.
func (s *stage) pass() error {
	s.plain, s.z = true, s.in
	s.u.body.note(oddFileNotCoded)
	return nil
}

// startDeflate tells the zlib format (RFC 1950), which HTTP calls deflate, from
// deflate data (RFC 1951), which some servers send.
func (s *stage) startDeflate(first []byte) (err error) {
	if len(first) >= 2 && first[0]&15 == 8 && binary.BigEndian.Uint16(first)%31 == 0 {
		if s.zlib == nil {
			s.zlib, err = zlib.NewReader(s.in)
		} else {
			err = s.zlib.(zlib.Resetter).Reset(s.in, nil)
		}
		s.z = s.zlib
		return err
	}
	if s.deflate == nil {
		s.deflate = flate.NewReader(s.in)
	} else {
		err = s.deflate.(flate.Resetter).Reset(s.in, nil)
	}
	s.z = s.deflate
	return err
}

func (s *stage) startZstd() (err error) {
	if s.zstd == nil {
		// One goroutine, this one: decoding waits for octets.
		s.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return err
		}
	}
	s.z = s.zstd
	return s.zstd.Reset(s.in)
}

// member begins a gzip member (RFC 1952 section 2.2).
func (s *stage) member() error {
	if err := s.gzip.Reset(s.in); err != nil {
		if err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	s.gzip.Multistream(false)
	return nil
}

// nextMember follows the end of a gzip member. What is none is padding or noise.
func (s *stage) nextMember() error {
	first, err := s.in.Peek(2)
	switch {
	case err != nil && err != io.EOF:
		return err
	case len(first) == 0:
		return io.EOF
	case isGzip(first):
		return s.member()
	}
	s.u.body.note(oddFileTrailing)
	return io.EOF
}

func isGzip(b []byte) bool { return len(b) >= 2 && b[0] == 0x1f && b[1] == 0x8b }

// isZstd tells frames, skippable ones too, by their magic number (RFC 8878
// sections 3.1.1 and 3.1.2).
func isZstd(b []byte) bool {
	const magic, skippable = 0xfd2fb528, 0x184d2a50
	if len(b) < 4 {
		return false
	}
	n := binary.LittleEndian.Uint32(b)
	return n == magic || n&^15 == skippable
}

// brotliWindow is the size of the sliding window in octets (RFC 7932 section 9.1).
func brotliWindow(first []byte) int64 {
	bits := uint(16)
	if len(first) == 0 {
		return 0
	}
	switch b := first[0]; {
	case b&1 == 0:
	case b>>1&7 != 0:
		bits = 17 + uint(b>>1&7)
	case b>>4&7 == 0:
		bits = 17
	default:
		bits = 8 + uint(b>>4&7)
	}
	return 1 << bits
}
