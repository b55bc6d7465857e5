package lab

import (
	"encoding/binary"
	"hash/fnv"
	"math/bits"
	"math/rand/v2"
	"time"
)

// Rand is a seeded source of integers. Its derived draws are written out here
// and not taken from math/rand/v2, whose PCG is fixed for ever but whose
// IntN and NormFloat64 are not, and are not free of floating point.
type Rand struct{ src *rand.PCG }

// NewRand returns the stream named by label under seed. Streams of different
// labels are unrelated, so one activity's draws do not move another's.
func NewRand(seed uint64, label string) *Rand {
	h := fnv.New64a()
	h.Write([]byte(label)) // never fails
	return &Rand{rand.NewPCG(seed, h.Sum64())}
}

// Below returns an integer in [0, n); 0 if n <= 1.
func (r *Rand) Below(n int) int {
	if n <= 1 {
		return 0
	}
	hi, _ := bits.Mul64(r.src.Uint64(), uint64(n))
	return int(hi)
}

// Int returns an integer in [lo, hi].
func (r *Rand) Int(lo, hi int) int { return lo + r.Below(hi-lo+1) }

// Chance is true n times in of.
func (r *Rand) Chance(n, of int) bool { return r.Below(of) < n }

// Span returns a time in [lo, hi), whole microseconds.
func (r *Rand) Span(lo, hi time.Duration) time.Duration {
	if hi <= lo {
		return lo
	}
	n, _ := bits.Mul64(r.src.Uint64(), uint64((hi-lo)/time.Microsecond))
	return lo + time.Duration(n)*time.Microsecond
}

// Uint32 returns 32 random bits.
func (r *Rand) Uint32() uint32 { return uint32(r.src.Uint64() >> 32) }

// Bytes returns n random bytes.
func (r *Rand) Bytes(n int) []byte {
	b := make([]byte, 0, n+8)
	for len(b) < n {
		b = binary.LittleEndian.AppendUint64(b, r.src.Uint64())
	}
	return b[:n]
}

// Pick returns one element of list, which must not be empty.
func Pick[T any](r *Rand, list []T) T { return list[r.Below(len(list))] }

// LogNormal returns a human-like pause: log-normal with the given median and
// a sigma in hundredths of a nat, computed in fixed point.
func (r *Rand) LogNormal(median time.Duration, sigma int) time.Duration {
	// Sum of 12 uniforms: mean 6, variance 1 (Irwin-Hall). 16 fraction bits.
	z := int64(-6 << 16)
	for range 12 {
		z += int64(r.src.Uint64() >> 48)
	}
	const log2e = 94548 // log2(e) in 16 fraction bits
	exp := ((z * int64(sigma) / 100) * log2e) >> 16
	return scaleExp2(median, exp)
}

// scaleExp2 returns d * 2^(exp/65536), whole microseconds.
func scaleExp2(d time.Duration, exp int64) time.Duration {
	whole, f := exp>>16, exp&0xffff
	// 2^f on [0,1): cubic fit, 16 fraction bits, error below 0.1 %.
	m := 65536 + (f*(45593+(f*(14811+(f*5132>>16))>>16)))>>16
	us := int64(d/time.Microsecond) * m >> 16
	if whole >= 0 {
		us <<= min(whole, 12)
	} else {
		us >>= min(-whole, 62)
	}
	return time.Duration(us) * time.Microsecond
}
