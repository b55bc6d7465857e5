// Package state encodes what detectors have learned, so that a restart forgets
// nothing. It is a codec only: who reads and writes the file is the program.
//
// A state is a header and parts, each with its name, version and checksum; a
// part that a newer program wrote, or that is damaged, is left out and named,
// the others are read. Numbers are varints (encoding/binary), floats eight
// octets, texts and addresses have their length before them.
//
// It is a leaf: it imports nothing of Kagami.
package state

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
)

// Part is something with learned state. Save and Load run on the goroutine that
// feeds it. What Load leaves behind when the decoder failed is not used: the
// caller makes a new one.
type Part interface {
	Name() string // unique within the file
	Version() int // of the encoding, from 1
	Save(*Encoder)
	Load(*Decoder)
}

// Encoder appends values to a buffer. The zero Encoder is ready.
type Encoder struct{ buf []byte }

// Encoded is what was written so far.
func (e *Encoder) Encoded() []byte { return e.buf }

// Uint writes an unsigned number.
func (e *Encoder) Uint(v uint64) { e.buf = binary.AppendUvarint(e.buf, v) }

// Int writes a signed number.
func (e *Encoder) Int(v int64) { e.buf = binary.AppendVarint(e.buf, v) }

// Float writes a number as its eight octets.
func (e *Encoder) Float(v float64) {
	e.buf = binary.LittleEndian.AppendUint64(e.buf, math.Float64bits(v))
}

// Bool writes one octet.
func (e *Encoder) Bool(v bool) {
	n := uint64(0)
	if v {
		n = 1
	}
	e.Uint(n)
}

// Hash writes a 64-bit hash: eight octets, since a varint would be longer.
func (e *Encoder) Hash(v uint64) { e.buf = binary.LittleEndian.AppendUint64(e.buf, v) }

// Bytes writes octets with their number.
func (e *Encoder) Bytes(b []byte) {
	e.Uint(uint64(len(b)))
	e.buf = append(e.buf, b...)
}

// String writes a text with its length.
func (e *Encoder) String(s string) {
	e.Uint(uint64(len(s)))
	e.buf = append(e.buf, s...)
}

// Addr writes an address; the zero one is told from 0.0.0.0. Zones are left out.
func (e *Encoder) Addr(a netip.Addr) {
	switch {
	case !a.IsValid():
		e.Bytes(nil)
	case a.Is4():
		b := a.As4()
		e.Bytes(b[:])
	default:
		b := a.As16()
		e.Bytes(b[:])
	}
}

// Decoder reads what an Encoder wrote. The first thing that does not fit is
// kept as its error; from then on everything reads as zero. It never reserves
// memory for more than is there.
type Decoder struct {
	buf []byte
	err error
}

// NewDecoder reads from b, which it does not keep beyond its use.
func NewDecoder(b []byte) *Decoder { return &Decoder{buf: b} }

// Err is the first thing that was wrong.
func (d *Decoder) Err() error { return d.err }

// Fail notes that what was read makes no sense.
func (d *Decoder) Fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
		d.buf = nil
	}
}

// More tells whether anything is left.
func (d *Decoder) More() bool { return len(d.buf) > 0 }

// Uint reads an unsigned number.
func (d *Decoder) Uint() uint64 {
	v, n := binary.Uvarint(d.buf)
	if n <= 0 {
		d.Fail("number cut short")
		return 0
	}
	d.buf = d.buf[n:]
	return v
}

// Int reads a signed number.
func (d *Decoder) Int() int64 {
	v, n := binary.Varint(d.buf)
	if n <= 0 {
		d.Fail("number cut short")
		return 0
	}
	d.buf = d.buf[n:]
	return v
}

// Float reads a number; what is not finite is an error, since no sum survives it.
func (d *Decoder) Float() float64 {
	v := math.Float64frombits(d.Hash())
	if math.IsNaN(v) || math.IsInf(v, 0) {
		d.Fail("a number is not finite")
		return 0
	}
	return v
}

// Hash reads eight octets.
func (d *Decoder) Hash() uint64 {
	b := d.take(8)
	if b == nil {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

// Bool reads one octet.
func (d *Decoder) Bool() bool { return d.Uint() != 0 }

// Len reads a count of at most limit. Every counted thing takes an octet at
// least, so no count may be larger than what is left.
func (d *Decoder) Len(limit int) int {
	n := d.Uint()
	if n > uint64(max(limit, 0)) || n > uint64(len(d.buf)) {
		d.Fail("a count of %d where at most %d fit", n, min(limit, len(d.buf)))
		return 0
	}
	return int(n)
}

// Bytes reads at most limit octets into a slice of its own; nil when there are none.
func (d *Decoder) Bytes(limit int) []byte {
	b := d.take(d.Len(limit))
	if len(b) == 0 {
		return nil
	}
	return append([]byte(nil), b...)
}

// String reads a text of at most limit octets.
func (d *Decoder) String(limit int) string { return string(d.take(d.Len(limit))) }

// Addr reads an address.
func (d *Decoder) Addr() netip.Addr {
	b := d.take(d.Len(16))
	if len(b) == 0 {
		return netip.Addr{}
	}
	a, ok := netip.AddrFromSlice(b)
	if !ok {
		d.Fail("an address of %d octets", len(b))
	}
	return a
}

func (d *Decoder) take(n int) []byte {
	if n > len(d.buf) {
		d.Fail("%d octets where %d are left", n, len(d.buf))
		return nil
	}
	b := d.buf[:n]
	d.buf = d.buf[n:]
	return b
}
