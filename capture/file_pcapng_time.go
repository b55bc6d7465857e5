package capture

import "math/bits"

// maxTime bounds the times that a file may claim (the year 2116), so that sums
// of a time and a timeout cannot overflow later.
const maxTime = 1 << 62

// resolution turns pcapng timestamps into nanoseconds since the epoch
// (if_tsresol and if_tsoffset, draft-ietf-opsawg-pcapng section 4.2).
type resolution struct {
	mul    uint64 // nanoseconds per unit, when a unit is at least one
	div    uint64 // units per nanosecond, when a unit is shorter; 0 when not used
	shift  uint8  // binary fractions: units per second are 2^shift; 0 when not used
	offset int64  // nanoseconds
}

// newResolution reads if_tsresol: the top bit chooses a power of 2 or of 10.
func newResolution(tsresol uint8) resolution {
	n := tsresol & 0x7f
	if tsresol&0x80 != 0 {
		if n == 0 {
			return resolution{mul: nanosPerSec}
		}
		return resolution{shift: n}
	}
	if n <= 9 {
		return resolution{mul: pow10(9 - n)}
	}
	// 10^19 is the largest power that fits; finer units than that are all below 1 ns.
	return resolution{div: pow10(min(n-9, 19))}
}

func pow10(n uint8) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}

// setOffset takes if_tsoffset, in seconds.
func (r *resolution) setOffset(seconds int64) {
	const most = maxTime / nanosPerSec
	r.offset = max(-most, min(seconds, most)) * nanosPerSec
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
