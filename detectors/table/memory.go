package table

import (
	"encoding/binary"

	"kagami/detectors/state"
)

// Memory remembers for one to two spans whether a key was met before: two
// Bloom filters take turns. It may call a new key known (1 in 100 when full),
// never a known key new within its span.
type Memory struct {
	bits    [2][]uint64
	mask    uint64
	current int
	n       int // keys in the current filter
	limit   int // keys per filter
	span    int64
	since   int64
	early   uint64 // turns taken because a filter was full before its span was over
}

// bitsPerKey and probes give a false-positive rate below 1 % per filter.
const (
	bitsPerKey = 10
	probes     = 6
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
	size := filterBits(keys)
	m := &Memory{mask: size - 1, limit: keys, span: span}
	m.bits[0], m.bits[1] = make([]uint64, size/64), make([]uint64, size/64)
	return m
}

// First reports whether key was not met before, and remembers it.
func (m *Memory) First(key uint64, now int64) bool {
	if m.since == 0 {
		m.since = now
	}
	if m.n >= m.limit || now-m.since >= m.span {
		if now-m.since < m.span {
			m.early++
		}
		m.current ^= 1
		clear(m.bits[m.current])
		m.n, m.since = 0, now
	}
	if m.test(m.current, key) {
		return false
	}
	old := m.test(m.current^1, key)
	m.set(key)
	return !old
}

// Known reports whether key was met before, and remembers nothing.
func (m *Memory) Known(key uint64) bool { return m.test(0, key) || m.test(1, key) }

func (m *Memory) test(filter int, key uint64) bool {
	step := Mix(key) | 1
	for range probes {
		b := key & m.mask
		if m.bits[filter][b/64]&(1<<(b%64)) == 0 {
			return false
		}
		key += step
	}
	return true
}

func (m *Memory) set(key uint64) {
	m.n++
	step := Mix(key) | 1
	for range probes {
		b := key & m.mask
		m.bits[m.current][b/64] |= 1 << (b % 64)
		key += step
	}
}

// Len is how many keys the current filter holds.
func (m *Memory) Len() int { return m.n }

// Early is how often a filter was full before its span was over, so that what
// it knew was forgotten early.
func (m *Memory) Early() uint64 { return m.early }

// MemoryBytes is what a memory of so many keys takes.
func MemoryBytes(keys int) int64 { return 2 * int64(filterBits(keys)) / 8 }

// Save writes both filters.
func (m *Memory) Save(e *state.Encoder) {
	e.Uint(uint64(m.current))
	e.Uint(uint64(m.n))
	e.Int(m.since)
	e.Uint(m.early)
	for _, words := range m.bits {
		saveWords(e, words)
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
	current, n, since, early := d.Uint(), d.Uint(), d.Int(), d.Uint()
	same := true
	for i := range m.bits {
		same = loadWords(d, m.bits[i]) && same
	}
	if !same || current > 1 || n > uint64(m.limit) {
		clear(m.bits[0])
		clear(m.bits[1])
		return
	}
	m.current, m.n, m.since, m.early = int(current), int(n), since, early
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
