package replay

import (
	"fmt"
	"net/netip"

	"kagami/evidence/replay/tlskeys"
)

// Options say what of a capture is read, and how much of it.
type Options struct {
	Client   netip.Addr   // flows of this host only; the zero value = of all
	From, To int64        // transactions that begin in this time only, nanoseconds since the epoch; 0 = no bound
	Keys     *tlskeys.Log // nil = none
	Limits   Limits
}

// Limits bound what hostile content can make the reader do. What is zero has its default.
type Limits struct {
	Decoded int64 // octets that one body may decode to
	Ratio   int64 // how many times its coded octets that may be
	Codings int   // codings of one body that are undone
	Header  int   // octets of a header section, of HPACK's decoded fields too
	Table   int   // octets of an HPACK dynamic table
	Kept    int64 // octets kept in all: streams while they are read, bodies, decoded bodies
	Stream  int64 // octets kept of one direction of one flow
}

func (l Limits) withDefaults() Limits {
	set(&l.Decoded, 64<<20)
	set(&l.Ratio, 1000)
	set(&l.Codings, 3)
	set(&l.Header, 256<<10)
	set(&l.Table, 64<<10)
	set(&l.Kept, 320<<20)
	set(&l.Stream, 128<<20)
	return l
}

func set[T int | int64](v *T, to T) {
	if *v <= 0 {
		*v = to
	}
}

// ratioFloor is what any body may decode to, however few its coded octets are.
const ratioFloor = 1 << 20

// decoded is how many octets a coded body of n octets may decode to.
func (l *Limits) decoded(n int) (most int64, which string) {
	if by := int64(n) * l.Ratio; by < l.Decoded && by > ratioFloor {
		return by, fmt.Sprintf("decodes to more than %d times its size", l.Ratio)
	}
	if ratioFloor < l.Decoded && int64(n)*l.Ratio <= ratioFloor {
		return ratioFloor, fmt.Sprintf("decodes to more than %d times its size", l.Ratio)
	}
	return l.Decoded, fmt.Sprintf("decodes to more than %d octets", l.Decoded)
}
