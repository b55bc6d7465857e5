package site

// table is a bounded map that forgets what was used longest ago. Its entries
// are linked in the order of their last use.
type table[K comparable, V any] struct {
	limit   int
	index   map[K]*entry[K, V]
	ring    entry[K, V] // ring.next was used last, ring.prev longest ago
	evicted uint64
}

type entry[K comparable, V any] struct {
	key        K
	val        V
	prev, next *entry[K, V]
}

func newTable[K comparable, V any](limit int) *table[K, V] {
	t := &table[K, V]{limit: max(limit, 1)}
	t.clear()
	return t
}

func (t *table[K, V]) clear() {
	t.index = make(map[K]*entry[K, V])
	t.ring.prev, t.ring.next = &t.ring, &t.ring
}

func (t *table[K, V]) len() int { return len(t.index) }

// peek returns the entry of key, or nil, and does not count as use.
func (t *table[K, V]) peek(key K) *V {
	if e := t.index[key]; e != nil {
		return &e.val
	}
	return nil
}

// get returns the entry of key, or nil.
func (t *table[K, V]) get(key K) *V {
	e := t.index[key]
	if e == nil {
		return nil
	}
	t.use(e)
	return &e.val
}

// at returns the entry of key, making a zero one if there is none. The pointer
// is valid until the entry makes way for another.
func (t *table[K, V]) at(key K) (v *V, fresh bool) {
	if v := t.get(key); v != nil {
		return v, false
	}
	if len(t.index) >= t.limit {
		t.drop(t.ring.prev)
		t.evicted++
	}
	e := &entry[K, V]{key: key}
	t.index[key] = e
	e.prev, e.next = e, e
	t.use(e)
	return &e.val, true
}

func (t *table[K, V]) remove(key K) {
	if e := t.index[key]; e != nil {
		t.drop(e)
	}
}

// oldest is the entry that was used longest ago, nil if there is none.
func (t *table[K, V]) oldest() *entry[K, V] {
	if t.ring.prev == &t.ring {
		return nil
	}
	return t.ring.prev
}

func (t *table[K, V]) drop(e *entry[K, V]) {
	delete(t.index, e.key)
	e.prev.next, e.next.prev = e.next, e.prev
}

func (t *table[K, V]) use(e *entry[K, V]) {
	e.prev.next, e.next.prev = e.next, e.prev
	e.prev, e.next = &t.ring, t.ring.next
	e.prev.next, e.next.prev = e, e
}

// Hashes are the same in every run: FNV-1a with murmur3's finalizer. A crafted
// collision mixes the histories of its maker.

type hash uint64

const newHash hash = 14695981039346656037

func (h hash) text(s string) hash {
	for i := range len(s) {
		h = (h ^ hash(s[i])) * 1099511628211
	}
	return (h ^ 0xff) * 1099511628211 // what follows is another text
}

// name is text without regard to ASCII case.
func (h hash) name(s string) hash {
	for i := range len(s) {
		h = (h ^ hash(lower(s[i]))) * 1099511628211
	}
	return (h ^ 0xff) * 1099511628211
}

func (h hash) octets(b []byte) hash {
	for _, c := range b {
		h = (h ^ hash(c)) * 1099511628211
	}
	return h
}

func (h hash) number(v uint64) hash { return (h ^ hash(v)) * 1099511628211 }

func (h hash) sum() uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return uint64(h ^ h>>33)
}
