package replay

import "sort"

// blockRooms are the sizes of the blocks that a tape takes, one after the other; the
// last goes on.
var blockRooms = [...]int{2 << 10, 16 << 10, 128 << 10}

// pieceCost is about what a piece takes besides its octets.
const pieceCost = 48

// piece is octets that came in one frame.
type piece struct {
	off int64 // in the stream, gaps counted
	n   int
	stamp
	turn int // counts the changes of the sender, of both tapes of a channel
}

// gap is octets of a stream that are not there.
type gap struct {
	off, n int64
	had    int // octets of the tape before it
	why    HoleKind
	guess  bool // n is not certain
}

// tape keeps one direction's octets.
type tape struct {
	blocks  [][]byte
	used    int   // octets in the last block
	had     int   // octets in all
	size    int64 // length of the stream, gaps included
	pieces  []piece
	gaps    []gap
	dropped int64 // octets at the stream's beginning that were given up, in size
	ended   bool  // the sender closed it: nothing is missing at its end
	loose   bool  // by TCP alone, which anybody can: TLS would say so (RFC 8446 section 6.1)
}

// add appends octets that came at st in a turn, as far as the budget allows.
func (t *tape) add(b []byte, st stamp, turn int, m *memory) {
	first := t.had+len(b) <= firstOctets
	if room := m.limits.Stream - int64(t.had); int64(len(b)) > room || !m.room(int64(len(b)+pieceCost), first) {
		t.skip(gap{n: int64(len(b)), why: HoleLimit}, m)
		return
	}
	last := len(t.pieces) - 1
	if last >= 0 && t.pieces[last].stamp == st && t.pieces[last].turn == turn && t.pieces[last].off+int64(t.pieces[last].n) == t.size {
		t.pieces[last].n += len(b)
	} else {
		t.pieces = append(t.pieces, piece{off: t.size, n: len(b), stamp: st, turn: turn})
		m.used += pieceCost
	}
	t.size += int64(len(b))
	t.had += len(b)
	for len(b) > 0 {
		if len(t.blocks) == 0 || t.used == len(t.blocks[len(t.blocks)-1]) {
			t.blocks = append(t.blocks, m.take(min(len(t.blocks), len(blockRooms)-1)))
			t.used = 0
		}
		n := copy(t.blocks[len(t.blocks)-1][t.used:], b)
		t.used += n
		b = b[n:]
	}
}

// skip appends a gap. When there is no room for one, it joins the one before.
func (t *tape) skip(g gap, m *memory) {
	g.off, g.had = t.size, t.had
	t.size += g.n
	if last := len(t.gaps) - 1; last >= 0 && t.gaps[last].off+t.gaps[last].n == g.off && (t.gaps[last].why == g.why || !m.room(pieceCost, true)) {
		t.gaps[last].n += g.n
		t.gaps[last].guess = t.gaps[last].guess || g.guess
		return
	}
	m.used += pieceCost
	t.gaps = append(t.gaps, g)
}

// first are the first octets, up to n or the first gap.
func (t *tape) first(n int) []byte {
	if len(t.gaps) > 0 {
		n = min(n, t.gaps[0].had)
	}
	n = min(n, t.had)
	if n == 0 {
		return nil
	}
	if n <= len(t.blocks[0]) {
		return t.blocks[0][:n]
	}
	return t.octets(n)
}

// octets are the first n, in new memory.
func (t *tape) octets(n int) []byte {
	all := make([]byte, 0, n)
	for _, b := range t.blocks {
		all = append(all, b[:min(len(b), n-len(all))]...)
	}
	return all
}

// clear gives the memory back and starts behind what there was.
func (t *tape) clear(m *memory) {
	m.used -= int64(pieceCost * (len(t.pieces) + len(t.gaps)))
	for _, b := range t.blocks {
		m.put(b)
	}
	*t = tape{size: t.size, dropped: t.size, ended: t.ended, loose: t.loose}
}

// peek is what reel gives, the tape stays as it is.
func (t *tape) peek() *reel {
	r := &reel{octets: t.octets(t.had), pieces: t.pieces, gaps: t.gaps, start: t.dropped, size: t.size, ended: t.ended, loose: t.loose}
	for i := range r.pieces {
		if i == 0 || r.pieces[i].turn != r.pieces[i-1].turn {
			r.turns = append(r.turns, r.pieces[i].off)
		}
	}
	return r
}

// keep forgets all but the last n octets, or those behind the last gap.
func (t *tape) keep(n int, m *memory) {
	r := t.peek()
	if last := len(t.gaps) - 1; last >= 0 {
		n = min(n, t.had-t.gaps[last].had)
	}
	n = min(n, t.had)
	t.clear(m)
	t.size -= int64(n)
	t.dropped = t.size
	for _, p := range r.pieces {
		if end := p.off + int64(p.n); end > t.size {
			t.add(r.span(t.size, end), p.stamp, p.turn, m)
		}
	}
}

// cut forgets what is at off and behind it, and takes no more.
func (t *tape) cut(off int64, m *memory) {
	r := t.peek()
	ended := t.ended
	t.clear(m)
	t.size, t.dropped, t.ended = r.start, r.start, ended
	for _, p := range r.pieces {
		if p.off < off {
			t.add(r.span(p.off, min(p.off+int64(p.n), off)), p.stamp, p.turn, m)
		}
	}
}

// reel makes the tape one piece of memory, for parsing. The tape is empty then; what
// the octets take is counted still.
func (t *tape) reel(m *memory) *reel {
	r := t.peek()
	n := int64(t.had)
	t.clear(m)
	m.used += n
	return r
}

// memory is what is kept, and the blocks that are free.
type memory struct {
	used, limit int64 // octets
	limits      *Limits
	free        [len(blockRooms)][][]byte
	pooled      int   // octets of free
	worked      int64 // octets that were decoded in all
	full        bool  // something was not kept
}

// firstOctets are those of a stream for which some room is left when there is none
// for others: what was asked for and answered is known even so.
const firstOctets = 4 << 10

// room tells whether n more octets may be kept.
func (m *memory) room(n int64, first bool) bool {
	if n <= m.left() || first && m.used+n <= m.limit {
		return true
	}
	m.full = true
	return false
}

// left is how many more octets may be kept that are no stream's first.
func (m *memory) left() int64 { return max(0, m.limit-m.limit/8-m.used) }

// afford counts n octets that are not a stream's, if there is room for them.
func (m *memory) afford(n int) bool {
	if !m.room(int64(n), true) {
		return false
	}
	m.used += int64(n)
	return true
}

// maxPooled bounds the free blocks, in octets.
const maxPooled = 16 << 20

func (m *memory) take(class int) []byte {
	m.used += int64(blockRooms[class])
	free := m.free[class]
	if len(free) == 0 {
		return make([]byte, blockRooms[class])
	}
	b := free[len(free)-1]
	m.free[class] = free[:len(free)-1]
	m.pooled -= len(b)
	return b
}

func (m *memory) put(b []byte) {
	m.used -= int64(len(b))
	if m.pooled+len(b) > maxPooled {
		return
	}
	m.pooled += len(b)
	for i, n := range blockRooms {
		if len(b) == n {
			m.free[i] = append(m.free[i], b)
		}
	}
}

// reel is one direction's octets as they are parsed. Offsets are the stream's, gaps
// included.
type reel struct {
	octets []byte
	pieces []piece
	gaps   []gap
	turns  []int64 // where this side began to speak after the other
	start  int64   // what is before was given up
	size   int64
	ended  bool
	loose  bool
}

// index is how many octets there are before off.
func (r *reel) index(off int64) int {
	i := sort.Search(len(r.gaps), func(i int) bool { return r.gaps[i].off >= off }) - 1
	if i < 0 {
		return int(off - r.start)
	}
	g := &r.gaps[i]
	return g.had + int(max(0, off-g.off-g.n))
}

// gapAt is the gap that off lies in, nil if it lies in none.
func (r *reel) gapAt(off int64) *gap {
	i := sort.Search(len(r.gaps), func(i int) bool { return r.gaps[i].off > off }) - 1
	if i < 0 || off >= r.gaps[i].off+r.gaps[i].n {
		return nil
	}
	return &r.gaps[i]
}

// gapsIn are the gaps of which some part lies between two offsets.
func (r *reel) gapsIn(from, to int64) []gap {
	i := sort.Search(len(r.gaps), func(i int) bool { return r.gaps[i].off+r.gaps[i].n > from })
	j := i
	for j < len(r.gaps) && r.gaps[j].off < to {
		j++
	}
	return r.gaps[i:j]
}

// run are the octets from off to the next gap.
func (r *reel) run(off int64) []byte {
	if off >= r.size || r.gapAt(off) != nil {
		return nil
	}
	end := len(r.octets)
	if i := sort.Search(len(r.gaps), func(i int) bool { return r.gaps[i].off > off }); i < len(r.gaps) {
		end = r.gaps[i].had
	}
	return r.octets[r.index(off):end:end]
}

// span are the octets between two offsets, gaps left out.
func (r *reel) span(from, to int64) []byte {
	a, b := r.index(from), r.index(to)
	return r.octets[a:b:b]
}

// at is the piece that holds the octet at off, or the last before it.
func (r *reel) at(off int64) piece {
	i := sort.Search(len(r.pieces), func(i int) bool { return r.pieces[i].off > off }) - 1
	if i < 0 {
		if len(r.pieces) == 0 {
			return piece{}
		}
		i = 0
	}
	return r.pieces[i]
}

// turnsIn are the places between two offsets where this side began to speak.
func (r *reel) turnsIn(from, to int64) []int64 {
	i := sort.Search(len(r.turns), func(i int) bool { return r.turns[i] >= from })
	j := i
	for j < len(r.turns) && r.turns[j] < to {
		j++
	}
	return r.turns[i:j]
}

// piecesFrom are the pieces that begin at off or behind it.
func (r *reel) piecesFrom(off int64) []piece {
	i := sort.Search(len(r.pieces), func(i int) bool { return r.pieces[i].off >= off })
	return r.pieces[i:]
}
