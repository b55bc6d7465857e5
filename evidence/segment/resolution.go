package segment

import "math/bits"

const (
	nanosPerSec = 1_000_000_000
	// maxTime bounds the times that a file may claim (the year 2116), so that sums
	// of a time and a duration cannot overflow later.
	maxTime = 1 << 62
)

// resolution turns timestamps into nanoseconds since the epoch (if_tsresol and
// if_tsoffset, section 4.2).
type resolution struct {
	code   uint8  // if_tsresol
	shift  uint8  // binary fractions: units per second are 2^shift; 0 when not used
	mul    uint64 // nanoseconds per unit, when a unit is at least one
	div    uint64 // units per nanosecond, when a unit is shorter
	offset int64  // ns
}

// newResolution takes if_tsresol, whose top bit chooses a power of 2 or of 10, and
// if_tsoffset, in seconds.
func newResolution(code uint8, offset int64) resolution {
	const most = maxTime / nanosPerSec
	r := resolution{code: code, offset: max(-most, min(offset, most)) * nanosPerSec}
	n := code & 0x7f
	switch {
	case code == 0x80:
		r.mul = nanosPerSec
	case code&0x80 != 0:
		r.shift = n
	case n <= 9:
		r.mul = pow10(9 - n)
	default:
		// 10^19 is the largest power that fits; a 64-bit count of units finer than
		// that cannot be told from one of these.
		r.div = pow10(min(n-9, 19))
	}
	return r
}

func pow10(n uint8) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}

func (r *resolution) nanos(ts uint64) int64 {
	var ns uint64
	switch {
	case r.mul != 0:
		hi, lo := bits.Mul64(ts, r.mul)
		if ns = lo; hi != 0 {
			ns = maxTime
		}
	case r.div != 0:
		ns = ts / r.div
	default:
		ns = binaryFraction(ts, uint(r.shift))
	}
	return max(0, min(int64(min(ns, maxTime))+r.offset, maxTime))
}

// binaryFraction is ts / 2^shift seconds in nanoseconds, rounded down.
func binaryFraction(ts uint64, shift uint) uint64 {
	hi, lo := bits.Mul64(ts, nanosPerSec)
	if shift >= 64 {
		return hi >> (shift - 64)
	}
	if hi>>shift != 0 {
		return maxTime
	}
	return hi<<(64-shift) | lo>>shift
}
