package segment

import (
	"bytes"
	"fmt"
	"io"
)

const (
	zeros = "zeros (preallocated and never written, or lost in a power cut)"

	// aheadLen is how far a mark is looked for: more than one stands in it, if the
	// file is ours.
	aheadLen = 2<<20 + MarkLen
)

// lose passes over what cannot be read at s.pos, up to the next good block.
func (s *scanner) lose(what string) error {
	at := s.pos
	next, err := s.resync(what)
	if err != nil {
		return err
	}
	s.damage(at, next-at, what)
	s.pos = next
	return nil
}

// resync finds the next good block behind s.pos; the end of the file when there is none.
//
// In a file of ours the next mark tells where blocks are: it cannot be mistaken, and
// from it the lengths at the ends of blocks lead back to the damage. To guess forward
// could take for packets what a damaged packet carries, written by an attacker. In
// other files there is only the guess.
func (s *scanner) resync(what string) (int64, error) {
	from := s.pos + 4
	if what == zeros {
		var err error
		if from, err = s.passZeros(); err != nil {
			return 0, err
		}
	}
	if from >= s.size {
		return s.size, nil
	}
	if s.res.Layout.format == FormatPcap {
		return s.nextRecord(from)
	}
	mark, found, err := s.nextMark(from)
	ours := s.res.LastMark != nil && !s.cur.big
	for ours && !found && err == nil && s.noMark+MarkLen < s.size {
		mark, found, err = s.nextMark(s.noMark)
	}
	switch {
	case err != nil:
		return 0, err
	case found:
		return s.backward(max(from, mark-aheadLen), mark)
	case ours:
		return s.lastBlocks(from)
	}
	return s.nextBlock(from)
}

// passZeros returns the first place at or behind s.pos that a block (pcap: record)
// can begin at: the zeros end there.
func (s *scanner) passZeros() (int64, error) {
	for pos := s.pos; ; {
		b, err := s.view(pos, windowLen/2)
		if err != nil || len(b) == 0 {
			return pos, err
		}
		n := len(b) - len(bytes.TrimLeft(b, "\x00"))
		if n < len(b) {
			if s.res.Layout.format == FormatPcapng {
				n -= int((pos + int64(n) - s.pos) % 4)
			} else {
				n -= min(n, 3) // of the time of a record, three octets may be zero
			}
			return pos + int64(n), nil
		}
		pos += int64(n)
	}
}

// nextMark finds a mark that vouches for itself and stands where it says.
func (s *scanner) nextMark(from int64) (pos int64, found bool, err error) {
	if s.cur.big || from+aheadLen/2 <= s.noMark {
		return 0, false, nil
	}
	low := max(from, s.noMark)
	if pos, found = markIn(s.seen(low), low); found {
		return pos, true, nil
	}
	b, err := s.look(low, aheadLen)
	if err != nil {
		return 0, false, err
	}
	if pos, found = markIn(b, low); !found {
		s.noMark = low + int64(max(0, len(b)-MarkLen))
	}
	return pos, found, nil
}

// markIn finds the first mark in b, which begins at an offset of the file.
func markIn(b []byte, at int64) (pos int64, found bool) {
	for i := 0; ; i++ {
		n := bytes.Index(b[i:], []byte(localMagic))
		if n < 0 {
			return 0, false
		}
		i += n
		if p := at + int64(i-headLen); i >= headLen && p%4 == 0 && standsAt(b[i-headLen:], p) {
			return p, true
		}
	}
}

// standsAt tells whether b begins with a mark that says that it is at pos.
func standsAt(b []byte, pos int64) bool {
	if len(b) < MarkLen || le.Uint32(b) != blockLocal || le.Uint32(b[4:]) != MarkLen || le.Uint32(b[MarkLen-lengthLen:]) != MarkLen {
		return false
	}
	kind, _, ok := local(b[:MarkLen])
	var m Mark
	return ok && kind == localMark && parseMark(&m, b[:MarkLen]) && m.Pos == pos
}

// look reads up to n octets from pos on beside the window.
func (s *scanner) look(pos int64, n int) ([]byte, error) {
	n = int(max(0, min(int64(n), s.size-pos)))
	if b := s.seen(pos); len(b) >= n {
		return b[:n], nil
	}
	if cap(s.ahead) < n {
		s.ahead = make([]byte, n)
	}
	got, err := s.r.ReadAt(s.ahead[:n], pos)
	s.ahead, s.aheadAt = s.ahead[:got], pos
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("read at octet %d: %w", pos, err)
	}
	return s.ahead, nil
}

// seen is what the last look has read, from pos on.
func (s *scanner) seen(pos int64) []byte {
	if pos < s.aheadAt || pos > s.aheadAt+int64(len(s.ahead)) {
		return nil
	}
	return s.ahead[pos-s.aheadAt:]
}

// lastBlocks finds the blocks that end with the file, or with the zeros at its end.
func (s *scanner) lastBlocks(from int64) (int64, error) {
	high := s.size
	for high > from {
		low := max(from, high-aheadLen)
		b, err := s.look(low, int(high-low))
		if err != nil {
			return 0, err
		}
		if n := len(bytes.TrimRight(b, "\x00")); n > 0 {
			// The length that ends a block begins with an octet that is not zero.
			high = min(high, (low+int64(n)+3)&^3)
			break
		}
		high = low
	}
	high &^= 3
	next, err := s.backward(max(from, high-aheadLen), high)
	if next >= high {
		next = s.size
	}
	return next, err
}

// backward walks from high, where a block ends, to the first good block that begins
// at low or behind it. high-low is at most aheadLen.
func (s *scanner) backward(low, high int64) (int64, error) {
	b, err := s.look(low, int(min(high-low, aheadLen)))
	if err != nil || low+int64(len(b)) < high {
		return high, err
	}
	p := len(b)
	for p >= blockOverhead {
		length := le.Uint32(b[p-lengthLen:])
		if length < blockOverhead || length%4 != 0 || int64(length) > int64(p) {
			break
		}
		at := p - int(length)
		typ := le.Uint32(b[at:])
		if le.Uint32(b[at+4:]) != length || length > maxBlock || length < shortest(typ) && carries(typ) {
			break
		}
		if big, ok := sectionOrder(b[at:]); typ == blockSection && (big || !ok) {
			break
		}
		p = at
	}
	return low + int64(p), nil
}

// nextBlock guesses: it looks for a credible block at every fourth octet.
func (s *scanner) nextBlock(from int64) (int64, error) {
	need := blockOverhead
	for pos := from; ; {
		b, err := s.view(pos, need)
		if err != nil {
			return 0, err
		}
		if len(b) < blockOverhead {
			return s.size, nil
		}
		whole := pos+int64(len(b)) >= s.size
		p := 0
		for need = blockOverhead; p+blockOverhead <= len(b); p += 4 {
			more, good := s.credible(b[p:], whole)
			if good {
				return pos + int64(p), nil
			}
			if more > 0 {
				need = more
				break
			}
		}
		pos += int64(p)
	}
}

// credible tells whether a block of a known type stands at the start of b: its two
// lengths agree and what follows looks like a block too. need > 0 says that it takes
// more octets to tell; whole, that there are no more.
func (s *scanner) credible(b []byte, whole bool) (need int, good bool) {
	big := s.cur.big
	if le.Uint32(b) == blockSection {
		var ok bool
		if big, ok = sectionOrder(b); !ok {
			return 0, false
		}
	}
	typ, length := u32(b, big), u32(b[4:], big)
	if length > maxBlock || length%4 != 0 || length < shortest(typ) {
		return 0, false
	}
	n := int(length)
	if n+headLen > len(b) && !whole {
		return n + headLen, false
	}
	if n > len(b) || u32(b[n-lengthLen:], big) != length {
		return 0, false
	}
	if n+headLen > len(b) {
		return 0, n == len(b) || typ == blockEnhanced
	}
	after := b[n:]
	if le.Uint32(after) == blockSection {
		return 0, true
	}
	next := u32(after[4:], big)
	return 0, next%4 == 0 && next >= shortest(u32(after, big))
}

// shortest is the shortest block of a type; of an unknown type no block is short
// enough to be credible.
func shortest(typ uint32) uint32 {
	switch typ {
	case blockSection:
		return minSection
	case blockInterface:
		return minInterface
	case blockEnhanced, blockPacket:
		return minPacket
	case blockSimple:
		return minSimple
	case blockNames, blockStatistics, blockSecrets, blockCustom, blockCustomNoCopy, blockLocal:
		return blockOverhead
	}
	return 1<<32 - 1
}

// known tells the types that a block may have behind damage.
func known(typ uint32) bool { return shortest(typ) < 1<<32-1 }
