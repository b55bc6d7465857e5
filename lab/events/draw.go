package events

import (
	"math/bits"
	"time"

	"kagami/lab"
)

// draw is a stream of random numbers: lab's, and the laws that weeks need.
// All of them are integer arithmetic.
type draw struct{ *lab.Rand }

// stream returns the n-th stream of that name under the seed.
func stream(seed uint64, name string, n int) draw {
	return draw{lab.NewRand(mix(seed+uint64(n)*0x9e3779b97f4a7c15), name)}
}

// mix is a bijection that scatters (splitmix64's finalizer).
func mix(h uint64) uint64 {
	h ^= h >> 30
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 27
	h *= 0x94d049bb133111eb
	return h ^ h>>31
}

// between returns a time in [lo, hi], whole microseconds.
func (d draw) between(lo, hi int64) int64 {
	return int64(d.Span(time.Duration(lo), time.Duration(hi)+time.Microsecond))
}

// percent is true n times in a hundred.
func (d draw) percent(n int) bool { return d.Below(100) < n }

// exp returns a time of an exponential law with that mean: the gap to the next
// of many independent things.
func (d draw) exp(mean int64) int64 {
	const ln2 = 45426 // in 16 fraction bits
	nats := (32<<16 - log2(uint64(d.Uint32())+1)) * ln2 >> 16
	hi, lo := bits.Mul64(uint64(mean), uint64(nats))
	return int64(hi<<48 | lo>>16)
}

// log2 returns the logarithm of x > 0 in 16 fraction bits, by squaring.
func log2(x uint64) int64 {
	n := 63 - bits.LeadingZeros64(x)
	x = x << (63 - n) >> 32 // one bit before, 31 behind the point
	out := int64(n) << 16
	for bit := int64(1) << 15; bit > 0; bit >>= 1 {
		x = x * x >> 31
		if x >= 1<<32 {
			x >>= 1
			out |= bit
		}
	}
	return out
}

// exp2Neg returns 2^(-x/65536) scaled by 2^40, by the product of the roots of a
// half; x has 16 fraction bits.
func exp2Neg(x int64) uint64 {
	out := uint64(1) << 40
	for i, root := range rootsOfHalf() {
		if x>>(15-i)&1 == 1 {
			hi, lo := bits.Mul64(out, root)
			out = hi<<16 | lo>>48
		}
	}
	return out >> (x >> 16)
}

// rootsOfHalf are 2^(-1/2), 2^(-1/4) ... in 48 fraction bits.
func rootsOfHalf() [16]uint64 {
	return [16]uint64{
		199032864766430, 236691298899613, 258113691704612, 269541361132678, 275443548385834, 278442931975302, 279954849561487, 280713884160286,
		281094172843149, 281284510335223, 281379727407067, 281427348029211, 281451161362436, 281463068784660, 281469022684685, 281471999681927,
	}
}

// pareto returns a time of a Pareto law with exponent 1.2 from least on.
func (d draw) pareto(least int64) int64 {
	e := (32<<16 - log2(uint64(d.Uint32())+1)) * 10 / 12
	whole, part := e>>16, e&0xffff
	hi, lo := bits.Mul64(uint64(least)<<min(whole+1, 20), exp2Neg(1<<16-part))
	return int64(hi<<24 | lo>>40)
}

// normal returns a time of a roughly normal law, whole microseconds.
func (d draw) normal(mean, sd int64) int64 {
	z := int64(-6 << 16)
	for range 12 {
		z += int64(d.Uint32() >> 16)
	}
	return mean + (sd>>10)*(z>>6)
}

// logNormal returns a human-like pause; sigma in hundredths.
func (d draw) logNormal(median int64, sigma int) int64 {
	return int64(d.LogNormal(time.Duration(median), sigma))
}

// zipf draws ranks 0..n-1 with weights (rank+1)^-s, s in tenths.
type zipf struct{ sums []uint64 }

func newZipf(n, tenths int) zipf {
	z := zipf{make([]uint64, n)}
	sum := uint64(0)
	for i := range z.sums {
		sum += exp2Neg(log2(uint64(i+1)) * int64(tenths) / 10)
		z.sums[i] = sum
	}
	return z
}

func (z zipf) rank(d draw) int {
	u := uint64(d.Uint32())<<32 | uint64(d.Uint32())
	x, _ := bits.Mul64(u, z.sums[len(z.sums)-1])
	lo, hi := 0, len(z.sums)-1
	for lo < hi {
		if mid := (lo + hi) / 2; z.sums[mid] > x {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}
