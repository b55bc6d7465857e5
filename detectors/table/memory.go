package table

import (
	"encoding/binary"

	"kagami/detectors/state"
)

// Memory remembers for one to two spans whether a key was met before: two
// generations of Bloom filters take turns. It may call a new key known (1 in 100
// when full), never a known key new within its span. A generation begins with a
// small filter, so that memory grows with use.
type Memory struct {
	generations [2]generation
	current     int
	limit       int // keys per generation
	span        int64
	since       int64
	early       uint64 // turns taken because a generation was full before its span was over
}

// generation is a filter for its first keys and one for the others. Sizes are
// powers of two.
type generation struct {
	small, large []uint64 // large is nil until it is needed
	n            int
}

// bitsPerKey and probes give a false-positive rate below 1 % per filter.
const (
	bitsPerKey = 10
	probes     = 6
	smallShare = 16 // of the keys, one in so many fits into the small filter
)

// filterBits is the size of one filter for so many keys: a power of two.
func filterBits(keys int) uint64 {
	size := uint64(64)
	for size < uint64(keys)*bitsPerKey {
		size *= 2
	}
	return size
}

// NewMemory makes a memory of so many keys for at least a span in nanoseconds.
func NewMemory(keys int, span int64) *Memory {
	m := &Memory{limit: keys, span: span}
	for i := range m.generations {
		m.generations[i].small = make([]uint64, filterBits(keys/smallShare)/64)
	}
	return m
}

// First reports whether key was not met before, and remembers it.
func (m *Memory) First(key uint64, now int64) bool {
	if m.since == 0 {
		m.since = now
	}
	g := &m.generations[m.current]
	if g.n >= m.limit || now-m.since >= m.span {
		if now-m.since < m.span {
			m.early++
		}
		m.current ^= 1
		g = &m.generations[m.current]
		clear(g.small)
		g.large, g.n, m.since = nil, 0, now
	}
	if g.has(key) {
		return false
	}
	old := m.generations[m.current^1].has(key)
	g.add(key, m.limit)
	return !old
}

// Known reports whether key was met before, and remembers nothing.
func (m *Memory) Known(key uint64) bool {
	return m.generations[0].has(key) || m.generations[1].has(key)
}

func (g *generation) has(key uint64) bool {
	return g.n > 0 && (met(g.small, key) || g.large != nil && met(g.large, key))
}

func (g *generation) add(key uint64, limit int) {
	g.n++
	if g.n <= limit/smallShare {
		set(g.small, key)
		return
	}
	if g.large == nil {
		g.large = make([]uint64, filterBits(limit)/64)
	}
	set(g.large, key)
}

func met(filter []uint64, key uint64) bool {
	mask, step := uint64(len(filter))*64-1, Mix(key)|1
	for range probes {
		b := key & mask
		if filter[b/64]&(1<<(b%64)) == 0 {
			return false
		}
		key += step
	}
	return true
}

func set(filter []uint64, key uint64) {
	mask, step := uint64(len(filter))*64-1, Mix(key)|1
	for range probes {
		b := key & mask
		filter[b/64] |= 1 << (b % 64)
		key += step
	}
}

// Len is how many keys the current generation holds.
func (m *Memory) Len() int { return m.generations[m.current].n }

// Early is how often a generation was full before its span was over, so that what
// it knew was forgotten early.
func (m *Memory) Early() uint64 { return m.early }

// MemoryBytes is what a memory of so many keys takes.
func MemoryBytes(keys int) int64 {
	return 2 * int64(filterBits(keys)+filterBits(keys/smallShare)) / 8
}

// Save writes both generations.
func (m *Memory) Save(e *state.Encoder) {
	e.Uint(uint64(m.current))
	e.Int(m.since)
	e.Uint(m.early)
	for i := range m.generations {
		g := &m.generations[i]
		e.Uint(uint64(g.n))
		saveWords(e, g.small)
		saveWords(e, g.large)
	}
}

// saveWords writes a filter: most words of a young one are zero, so runs of
// zeros are written as their length.
func saveWords(e *state.Encoder, words []uint64) {
	var run []byte
	e.Uint(uint64(len(words)))
	for at := 0; at < len(words); {
		zeros := at
		for zeros < len(words) && words[zeros] == 0 {
			zeros++
		}
		full := zeros
		run = run[:0]
		for full < len(words) && words[full] != 0 {
			run = binary.LittleEndian.AppendUint64(run, words[full])
			full++
		}
		e.Uint(uint64(zeros - at))
		e.Bytes(run)
		at = full
	}
}

// Load reads filters of the same size. Where the configuration has changed the
// size they are of no use, and the memory begins anew.
func (m *Memory) Load(d *state.Decoder) {
	current, since, early := d.Uint(), d.Int(), d.Uint()
	fresh := NewMemory(m.limit, m.span)
	same := current <= 1
	for i := range fresh.generations {
		g := &fresh.generations[i]
		n := d.Uint()
		g.n = int(min(n, uint64(m.limit)))
		if g.n > m.limit/smallShare {
			g.large = make([]uint64, filterBits(m.limit)/64)
		}
		same = n <= uint64(m.limit) && same
		same = loadWords(d, g.small) && same
		same = loadWords(d, g.large) && same
	}
	if !same || d.Err() != nil {
		return
	}
	fresh.current, fresh.since, fresh.early = int(current), since, early
	*m = *fresh
}

// loadWords reads a filter, and tells whether it had that size.
func loadWords(d *state.Decoder, words []uint64) bool {
	size := int(min(d.Uint(), 1<<40))
	for at := 0; at < size && d.Err() == nil; {
		at += int(min(d.Uint(), uint64(size-at)))
		run := d.Bytes(8 * (size - at))
		if at < size && len(run) == 0 || len(run)%8 != 0 {
			d.Fail("a filter's words do not add up")
			return false
		}
		for ; len(run) > 0; run = run[8:] {
			if at < len(words) {
				words[at] = binary.LittleEndian.Uint64(run)
			}
			at++
		}
	}
	return size == len(words)
}
