package detectors

// table is a bounded map from a 64-bit hash to a V. When it is full, adding
// evicts the first entry that was not used since the clock hand last passed
// (CLOCK); keep may ask to spare an entry. Entries live in blocks, so pointers
// stay valid until their own entry is removed or evicted, memory grows with
// use, and a V without pointers costs the garbage collector nothing.
//
// Two keys with one hash share an entry. That mixes two histories; with 64 bits
// it does not happen by accident.
type table[V any] struct {
	limit   int
	index   map[uint64]uint32
	blocks  [][]slot[V]
	n       int      // slots ever used, <= limit
	free    []uint32 // slots given back by remove
	hand    int
	keep    func(*V) bool
	evicted uint64
}

type slot[V any] struct {
	key        uint64
	live, used bool
	val        V
}

const (
	blockSize = 256
	// evictPatience is how many entries eviction may spare in one go: it bounds
	// the work of one add when everything asks to be kept.
	evictPatience = 64
)

func newTable[V any](limit int) *table[V] {
	return &table[V]{limit: max(limit, 1), index: make(map[uint64]uint32)}
}

func (t *table[V]) slot(i uint32) *slot[V] { return &t.blocks[i/blockSize][i%blockSize] }

// get returns the entry of key, or nil.
func (t *table[V]) get(key uint64) *V {
	i, ok := t.index[key]
	if !ok {
		return nil
	}
	s := t.slot(i)
	s.used = true
	return &s.val
}

// at returns the entry of key, making a zero one if there is none.
func (t *table[V]) at(key uint64) (v *V, fresh bool) {
	if v := t.get(key); v != nil {
		return v, false
	}
	i := t.place()
	s := t.slot(i)
	*s = slot[V]{key: key, live: true, used: true}
	t.index[key] = i
	return &s.val, true
}

// remove forgets key.
func (t *table[V]) remove(key uint64) {
	if i, ok := t.index[key]; ok {
		t.drop(i)
		t.free = append(t.free, i)
	}
}

func (t *table[V]) len() int { return len(t.index) }

func (t *table[V]) drop(i uint32) {
	s := t.slot(i)
	delete(t.index, s.key)
	*s = slot[V]{}
}

// place finds a slot for a new entry.
func (t *table[V]) place() uint32 {
	if k := len(t.free); k > 0 {
		i := t.free[k-1]
		t.free = t.free[:k-1]
		return i
	}
	if t.n < t.limit {
		if t.n%blockSize == 0 {
			t.blocks = append(t.blocks, make([]slot[V], min(blockSize, t.limit-t.n)))
		}
		t.n++
		return uint32(t.n - 1)
	}
	for spared := 0; ; {
		i := uint32(t.hand)
		t.hand = (t.hand + 1) % t.n
		s := t.slot(i)
		if spared < evictPatience {
			if s.used {
				s.used, spared = false, spared+1
				continue
			}
			if t.keep != nil && t.keep(&s.val) {
				spared++
				continue
			}
		}
		t.evicted++
		t.drop(i)
		return i
	}
}

// crowd counts distinct members, exactly up to its size and "at least" above.
type crowd struct {
	ids [10]uint32
	n   uint8
}

// add reports whether the member is new. A full crowd takes no more.
func (c *crowd) add(id uint32) bool {
	for _, have := range c.ids[:c.n] {
		if have == id {
			return false
		}
	}
	if int(c.n) == len(c.ids) {
		return false
	}
	c.ids[c.n] = id
	c.n++
	return true
}

// memory remembers for one to two spans whether a key was met before: two
// Bloom filters take turns. It may call a new key known (1 in 100 when full),
// never a known key new within its span.
type memory struct {
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

func newMemory(keys int, span int64) *memory {
	size := filterBits(keys)
	m := &memory{mask: size - 1, limit: keys, span: span}
	m.bits[0], m.bits[1] = make([]uint64, size/64), make([]uint64, size/64)
	return m
}

// first reports whether key was not met before, and remembers it.
func (m *memory) first(key uint64, now int64) bool {
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

func (m *memory) test(filter int, key uint64) bool {
	step := mix(key) | 1
	for range probes {
		b := key & m.mask
		if m.bits[filter][b/64]&(1<<(b%64)) == 0 {
			return false
		}
		key += step
	}
	return true
}

func (m *memory) set(key uint64) {
	m.n++
	step := mix(key) | 1
	for range probes {
		b := key & m.mask
		m.bits[m.current][b/64] |= 1 << (b % 64)
		key += step
	}
}

// Hashes: FNV-1a with murmur3's finalizer. They must be the same in every run,
// so they have no secret seed: who crafts a collision mixes his own histories.

const fnvOffset, fnvPrime = 14695981039346656037, 1099511628211

func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

func hashBytes(h uint64, b []byte) uint64 {
	for _, c := range b {
		h = (h ^ uint64(c)) * fnvPrime
	}
	return h
}

// hashName hashes a host name without regard to ASCII case.
func hashName(h uint64, s string) uint64 {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		h = (h ^ uint64(c)) * fnvPrime
	}
	return h
}

func hashNumber(h, v uint64) uint64 { return (h ^ v) * fnvPrime }
