package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// magic begins a state; the number is of the frame, not of the parts.
const magic = "KAGAMI-STATE 1\n"

const maxName = 64

// castagnoli is CRC-32C, as in iSCSI (RFC 3720 section 12.1).
func castagnoli(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// Save encodes the parts as they are at a moment of logical time (nanoseconds
// since the epoch).
func Save(at int64, parts []Part) []byte {
	var e, body Encoder
	e.buf = append(e.buf, magic...)
	e.Int(at)
	for _, p := range parts {
		body.buf = body.buf[:0]
		p.Save(&body)
		e.String(p.Name())
		e.Uint(uint64(p.Version()))
		e.buf = binary.LittleEndian.AppendUint32(e.buf, castagnoli(body.buf))
		e.Bytes(body.buf)
	}
	return e.buf
}

// Loaded says what came of reading a state.
type Loaded struct {
	At    int64    // the logical time of Save, nanoseconds since the epoch
	Parts []string // names of the parts that were read
	// Problems are the parts that were not: damaged, or of a newer program. Such a
	// part is unusable and must be made anew, by the name in Failed.
	Problems []error
	Failed   []string
}

// Load reads a state into the parts of the same names. The error tells that it
// is no state at all; parts that the file lacks are left as they are.
func Load(b []byte, parts []Part) (Loaded, error) {
	var l Loaded
	if len(b) < len(magic) || string(b[:len(magic)]) != magic {
		return l, errors.New("not a state file of this program")
	}
	d := NewDecoder(b[len(magic):])
	l.At = d.Int()
	for d.More() {
		l.part(d, parts)
	}
	if err := d.Err(); err != nil {
		l.Problems = append(l.Problems, fmt.Errorf("read state: %w; what follows is lost", err))
	}
	return l, nil
}

func (l *Loaded) part(d *Decoder, parts []Part) {
	name, version := d.String(maxName), d.Uint()
	sum := d.take(4)
	body := d.take(d.Len(len(d.buf)))
	if d.Err() != nil {
		return
	}
	for _, p := range parts {
		if p.Name() != name {
			continue
		}
		var err error
		inner := NewDecoder(body)
		switch {
		case binary.LittleEndian.Uint32(sum) != castagnoli(body):
			err = errors.New("its checksum does not match")
		case version != uint64(p.Version()):
			err = fmt.Errorf("it has version %d, this program writes %d", version, p.Version())
		default:
			p.Load(inner)
			if err = inner.Err(); err == nil && inner.More() {
				err = errors.New("it is longer than it should be")
			}
			if err != nil {
				l.Failed = append(l.Failed, name)
			}
		}
		if err != nil {
			l.Problems = append(l.Problems, fmt.Errorf("state of %s is not used: %w", name, err))
			return
		}
		l.Parts = append(l.Parts, name)
		return
	}
}
