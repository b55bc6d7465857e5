package beacon

import (
	"math/bits"
	"time"

	"kagami/detectors/rhythm"
	"kagami/detectors/state"
	"kagami/detectors/table"
)

// probation remembers the first two contacts of a pair in 16 octets, so that the
// many destinations contacted once or twice cost little, and those contacted
// once a day or a week are still known at their third contact.
//
// It is a hash table of buckets without an index: a key may be in one of two
// buckets (Azar and others, Balanced Allocations, 1999), so that it is nearly
// full before anything must be forgotten. It grows with use, up to its limit.
type probation struct {
	buckets []bucket
	limit   int // buckets at most
	n       int
	evicted uint64
}

const bucketSize = 8

type bucket [bucketSize]trial

// trial is a pair on probation; the zero trial is none.
type trial struct {
	key  uint64 // odd
	last uint32 // its last contact, in trialTick
	gap  uint16 // before it (rhythm.Code), 0 = there was one contact
}

const trialTick = int64(1e9) / 4 // 34 years from 1970 in 32 bits: time counts modulo that

// firstBuckets is the size of a young table.
const firstBuckets = 1 << 10

func newProbation(limit int) *probation {
	most := probationBuckets(limit)
	return &probation{buckets: make([]bucket, min(firstBuckets, most)), limit: most}
}

// probationBuckets leaves room for an eighth more, so that the limit is reached
// with hardly an entry forgotten.
func probationBuckets(limit int) int { return (limit + limit/8 + bucketSize - 1) / bucketSize }

func probationBytes(limit int) int64 { return int64(probationBuckets(limit)) * bucketSize * 16 }

// places are the two buckets of a key.
func (p *probation) places(key uint64) (a, b *bucket) {
	i, _ := bits.Mul64(key, uint64(len(p.buckets)))
	j, _ := bits.Mul64(table.Mix(key), uint64(len(p.buckets)))
	return &p.buckets[i], &p.buckets[j]
}

// get finds the trial of a key, nil if there is none.
func (p *probation) get(key uint64) *trial {
	key |= 1
	a, b := p.places(key)
	for i := range a {
		if a[i].key == key {
			return &a[i]
		}
	}
	for i := range b {
		if b[i].key == key {
			return &b[i]
		}
	}
	return nil
}

// add makes a trial of a key that has none.
func (p *probation) add(key uint64, t int64) {
	p.place(trial{key: key | 1, last: uint32(t / trialTick)})
}

// place puts a trial into one of its buckets. Where both are full the table
// grows; when it may not, the least worth of them is forgotten.
func (p *probation) place(x trial) {
	a, b := p.places(x.key)
	fa, fb := a.free(), b.free()
	if len(fa) < len(fb) {
		fa = fb
	}
	switch {
	case len(fa) > 0:
		fa[0] = x
		p.n++
	case len(p.buckets) < p.limit:
		p.grow()
		p.place(x)
	default:
		*leastWorth(a, b, x.last) = x
		p.evicted++
	}
}

// leastWorth is the trial of two full buckets to forget.
func leastWorth(a, b *bucket, now uint32) *trial {
	victim := &a[0]
	for _, c := range [...]*bucket{a, b} {
		for i := range c {
			if c[i].worth(now) < victim.worth(now) {
				victim = &c[i]
			}
		}
	}
	return victim
}

// grow makes the table four times as large.
func (p *probation) grow() {
	old := p.buckets
	p.buckets, p.n = make([]bucket, min(4*len(old), p.limit)), 0
	for i := range old {
		for _, x := range old[i] {
			if x.key != 0 {
				p.place(x)
			}
		}
	}
}

// free are the places of a bucket that are not taken: they are at its end.
func (b *bucket) free() []trial {
	i := bucketSize
	for i > 0 && b[i-1].key == 0 {
		i--
	}
	return b[i:]
}

// worth orders trials: the lower, the sooner forgotten. The time since the last
// contact counts against all, a quarter of it where two contacts were a day or a
// week apart: such a beacon takes that long to show.
func (x *trial) worth(now uint32) float64 {
	age := max(float64(int32(now-x.last)), 0)
	if s := x.before().Seconds(); daily(s) || weekly(s) {
		age /= 4
	}
	return -age
}

// time is when its last contact was, seen from a moment within 17 years of it.
func (x *trial) time(now int64) int64 {
	n := now / trialTick
	return (n + int64(int32(x.last-uint32(n)))) * trialTick
}

// before is the time between its two contacts, 0 if there was one.
func (x *trial) before() time.Duration {
	if x.gap == 0 {
		return 0
	}
	return time.Duration(rhythm.Length(x.gap))
}

// drop forgets a trial, keeping the bucket's free places at its end.
func (p *probation) drop(x *trial) {
	a, b := p.places(x.key)
	for _, c := range [...]*bucket{a, b} {
		for i := range c {
			if &c[i] == x {
				last := bucketSize - len(c.free()) - 1
				c[i], c[last] = c[last], trial{}
				p.n--
				return
			}
		}
	}
}

func (p *probation) save(e *state.Encoder) {
	e.Uint(p.evicted)
	e.Uint(uint64(p.n))
	for i := range p.buckets {
		for _, x := range p.buckets[i] {
			if x.key != 0 {
				e.Hash(x.key)
				e.Uint(uint64(x.last))
				e.Uint(uint64(x.gap))
			}
		}
	}
}

func (p *probation) load(d *state.Decoder) {
	evicted := d.Uint()
	for range d.Len(1 << 30) {
		key, last, gap := d.Hash(), d.Uint(), d.Uint()
		if d.Err() != nil {
			return
		}
		if p.get(key) == nil {
			p.add(key, int64(uint32(last))*trialTick)
			p.get(key).gap = uint16(gap)
		}
	}
	p.evicted = evicted
}
