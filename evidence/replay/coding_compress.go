package replay

import (
	"errors"
	"io"
)

// compressed reads what the program compress writes (.Z): LZW with codes of 9 to 16
// bits, the lowest first, in groups of eight.
type compressed struct {
	in       []byte
	bits     uint // most bits of a code
	block    bool // code 256 clears the table
	at       int  // in bits, since group
	group    int  // where the codes of the present width begin, in octets
	width    uint
	prefix   []uint16
	suffix   []byte
	last     int // the code before, -1 = none
	first    byte
	out      []byte // decoded and not given
	free     int
	reversed []byte
	err      error
}

const clearCode = 256

func newCompress(b []byte) (io.ReadCloser, error) {
	const header = 3
	if len(b) < header || b[0] != 0x1f || b[1] != 0x9d || b[2]&0x1f < 9 || b[2]&0x1f > 16 {
		return nil, errors.New("not compressed by compress")
	}
	c := &compressed{in: b[header:], bits: uint(b[2] & 0x1f), block: b[2]&0x80 != 0, width: 9, last: -1}
	c.prefix, c.suffix = make([]uint16, 1<<c.bits), make([]byte, 1<<c.bits)
	for i := range 256 {
		c.suffix[i] = byte(i)
	}
	c.clear()
	return io.NopCloser(c), nil
}

func (c *compressed) clear() {
	if c.free = clearCode; c.block {
		c.free++
	}
	c.last = -1
}

// Read implements io.Reader.
func (c *compressed) Read(p []byte) (int, error) {
	for len(c.out) == 0 {
		if c.err != nil {
			return 0, c.err
		}
		c.step()
	}
	n := copy(p, c.out)
	c.out = c.out[n:]
	return n, nil
}

// step decodes a code.
func (c *compressed) step() {
	if c.free >= 1<<c.width && c.width < c.bits {
		c.align()
		c.width++
	}
	code, ok := c.code()
	switch {
	case !ok:
		c.err = io.EOF
		return
	case code == clearCode && c.block:
		c.align()
		c.width = 9
		c.clear()
		return
	case code > c.free || code >= c.free && c.last < 0:
		c.err = errors.New("a code that stands for nothing")
		return
	}
	c.expand(code)
	if c.last >= 0 && c.free < 1<<c.bits {
		c.prefix[c.free], c.suffix[c.free] = uint16(c.last), c.first
		c.free++
	}
	c.last = code
}

// expand writes what a code stands for.
func (c *compressed) expand(code int) {
	c.reversed = c.reversed[:0]
	if code == c.free { // what is being added: the one before, and its first octet again
		c.reversed = append(c.reversed, c.first)
		code = c.last
	}
	for code >= clearCode {
		c.reversed = append(c.reversed, c.suffix[code])
		code = int(c.prefix[code])
	}
	c.first = byte(code)
	c.reversed = append(c.reversed, c.first)
	c.out = c.out[:0]
	for i := len(c.reversed) - 1; i >= 0; i-- {
		c.out = append(c.out, c.reversed[i])
	}
}

// code reads the next code.
func (c *compressed) code() (int, bool) {
	n, at := 0, c.group*8+c.at
	if at+int(c.width) > 8*len(c.in) {
		return 0, false
	}
	for i := range int(c.width) {
		n |= int(c.in[(at+i)/8]>>((at+i)%8)&1) << i
	}
	c.at += int(c.width)
	return n, true
}

// align goes to the end of a group of eight codes, before their width changes.
func (c *compressed) align() {
	group := int(c.width) * 8
	c.group += (c.at + group - 1) / group * int(c.width)
	c.at = 0
}
