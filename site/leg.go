package site

import (
	"net/netip"
	"slices"
)

// leg is something that a machine asked of an origin: a request, or a connection
// of which only the ends are visible.
type leg struct {
	flow     uint64
	client   netip.Addr
	mac      [6]byte // the client's, as in its frames
	server   netip.AddrPort
	start    int64 // first octet of the request, or the connection's first packet
	end      int64
	answered int64 // first octet of the response, 0 = not seen
	status   int
	up, down int64 // octets: of a connection both ways; of a request only down, the response's content
	whole    bool  // they are all that there was
	via      bool  // it says that it was made for another machine
	named    netip.Addr
	claimed  bool
	held     *held // its record, while that waits
	key      uint64
}

// legs keeps the latest of them, each under the keys by which it may be sought.
type legs struct {
	limit   int
	queue   []node // in the order in which they came
	head    int
	index   map[uint64][]*leg // in the same order
	evicted uint64            // dropped for want of room before they were claimed
}

type node struct {
	key uint64
	leg *leg
}

func (l *legs) clear() {
	l.queue, l.head = nil, 0
	clear(l.index)
}

func (l *legs) size() int { return len(l.queue) - l.head }

func (l *legs) add(key uint64, x *leg) {
	for l.size() >= l.limit {
		l.drop()
	}
	if l.head > 64 && 2*l.head > len(l.queue) {
		n := copy(l.queue, l.queue[l.head:])
		clear(l.queue[n:])
		l.queue, l.head = l.queue[:n], 0
	}
	l.queue = append(l.queue, node{key, x})
	l.index[key] = append(l.index[key], x)
}

// drop forgets the oldest, which is the first under its key.
func (l *legs) drop() {
	n := l.queue[l.head]
	l.queue[l.head] = node{}
	l.head++
	if !n.leg.claimed {
		l.evicted++
	}
	same := l.index[n.key]
	same[0] = nil
	if len(same) == 1 {
		delete(l.index, n.key)
	} else {
		l.index[n.key] = same[1:]
	}
}

// maxCandidates bounds what one transaction is compared with: the latest of its
// key. Who asks for one thing so often at a time cannot be told apart anyhow.
const maxCandidates = 64

// since gives the legs of a key that were not over before a time, oldest first.
func (l *legs) since(key uint64, from int64) []*leg {
	same := l.index[key]
	first := len(same)
	for first > 0 && len(same)-first < maxCandidates && same[first-1].end >= from {
		first--
	}
	return same[first:]
}

// forget takes a wait off the list of its key.
func (j *joins) forget(w *wait) {
	list := j.waits[w.key]
	if i := slices.Index(list, w); i >= 0 {
		list = slices.Delete(list, i, i+1)
	}
	if len(list) == 0 {
		delete(j.waits, w.key)
	} else {
		j.waits[w.key] = list
	}
}
