package events

// heap is a queue that hands out its least item first. Its order is total, so
// what comes first does not depend on how the items got in.
type heap[T interface{ Less(T) bool }] struct{ items []T }

const arity = 4 // children of a node: fewer levels, and they share cache lines

func (h *heap[T]) push(x T) {
	h.items = append(h.items, x)
	i := len(h.items) - 1
	for i > 0 {
		up := (i - 1) / arity
		if !x.Less(h.items[up]) {
			break
		}
		h.items[i] = h.items[up]
		i = up
	}
	h.items[i] = x
}

// first is the least item, which stays.
func (h *heap[T]) first() (x T, ok bool) {
	if len(h.items) == 0 {
		return x, false
	}
	return h.items[0], true
}

// pop takes the least item away.
func (h *heap[T]) pop() T {
	x := h.items[0]
	last := len(h.items) - 1
	h.items[0] = h.items[last]
	var zero T
	h.items[last] = zero
	h.items = h.items[:last]
	if last > 0 {
		h.sink(0)
	}
	return x
}

// sink moves an item down to its place.
func (h *heap[T]) sink(i int) {
	x := h.items[i]
	for {
		child := i*arity + 1
		if child >= len(h.items) {
			break
		}
		least := child
		for j := child + 1; j < min(child+arity, len(h.items)); j++ {
			if h.items[j].Less(h.items[least]) {
				least = j
			}
		}
		if !h.items[least].Less(x) {
			break
		}
		h.items[i] = h.items[least]
		i = least
	}
	h.items[i] = x
}
