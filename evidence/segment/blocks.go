package segment

import (
	"fmt"

	"kagami/packet"
)

// blocks reads the whole blocks that b, the file from s.pos on, begins with, and
// moves s.pos behind them. need says how many octets the next one takes at least;
// what says why it cannot be read.
func (s *scanner) blocks(b []byte) (need int, what string) {
	for !s.stopped && s.pos < s.end {
		if len(b) < blockOverhead {
			return blockOverhead, ""
		}
		big := s.cur.big
		if le.Uint32(b) == blockSection {
			var ok bool
			if big, ok = sectionOrder(b); !ok {
				return 0, "section header without byte-order magic"
			}
		}
		typ, length := u32(b, big), u32(b[4:], big)
		if length < blockOverhead || length%4 != 0 || length > maxBlock {
			skipped, what := s.odd(typ, length, big)
			if !skipped {
				return 0, what
			}
			return minSimple, ""
		}
		n := int(length)
		if n > len(b) {
			return n, ""
		}
		if again := u32(b[n-lengthLen:], big); again != length {
			return 0, fmt.Sprintf("block begins with length %d and ends with %d", length, again)
		}
		if typ == blockEnhanced {
			s.packet(typ, b[:n:n])
		} else {
			s.block(typ, b[:n:n], big)
		}
		s.pos += int64(n)
		s.res.End = s.pos
		b = b[n:]
	}
	return minSimple, ""
}

// odd looks at a block whose length is unusual: false when it is damaged, with the
// reason. A long block that holds no packet is passed over unread.
func (s *scanner) odd(typ, length uint32, big bool) (skipped bool, what string) {
	switch {
	case typ == 0 && length == 0:
		return false, zeros
	case length < blockOverhead || length%4 != 0:
		return false, fmt.Sprintf("block length %d", length)
	case carries(typ) || length > maxSkip:
		return false, fmt.Sprintf("block of type %#x and %d octets (at most %d are credible)", typ, length, maxBlock)
	}
	if s.r == nil {
		return false, "block is longer than what is at hand"
	}
	var tail [lengthLen]byte
	if n, _ := s.r.ReadAt(tail[:], s.pos+int64(length)-lengthLen); n < lengthLen || !s.known && s.pos+int64(length) > s.size {
		return false, fmt.Sprintf("block needs %d octets, file ends after %d", length, s.size-s.pos)
	}
	if u32(tail[:], big) != length {
		return false, fmt.Sprintf("the two lengths of a block of %d octets differ", length)
	}
	s.pos += int64(length)
	s.res.End = s.pos
	return true, ""
}

// carries tells the blocks that are read.
func carries(typ uint32) bool {
	switch typ {
	case blockEnhanced, blockSimple, blockPacket, blockInterface, blockSection:
		return true
	}
	return false
}

// packet reads a packet block at s.pos.
func (s *scanner) packet(typ uint32, block []byte) {
	p := &s.p
	if len(s.cur.ifaces) == 0 {
		s.dropEmpty()
	}
	if what := s.cur.packet(typ, block, p); what != "" {
		s.damage(s.pos, int64(len(block)), what)
		return
	}
	p.Pos = s.pos
	if p.untimed {
		p.Time = s.stamp()
	} else {
		s.now = p.Time
	}
	s.deliver(p)
}

// stamp is the time of a packet that bears none: that of the one before. What it is
// taken from is kept, for random access.
func (s *scanner) stamp() int64 {
	l := &s.res.Layout
	if s.known {
		return l.stampAt(s.pos)
	}
	n := len(l.stamps)
	last := int64(0)
	if n > 0 {
		last = l.stamps[n-1].time
	}
	if s.now != last && n < maxStamps {
		l.stamps, last = append(l.stamps, stamp{s.pos, s.now}), s.now
	}
	return last
}

// block reads a block that is no Enhanced Packet Block.
func (s *scanner) block(typ uint32, block []byte, big bool) {
	what := ""
	switch typ {
	case blockSection:
		what = s.section(block, big)
	case blockInterface:
		what = s.describe(block)
	case blockSimple, blockPacket:
		if len(block) < minSimple {
			what = "packet block is too short"
			break
		}
		s.packet(typ, block)
	case blockLocal:
		what = s.local(block)
	}
	if what != "" {
		s.damage(s.pos, int64(len(block)), what)
	}
}

func (s *scanner) section(block []byte, big bool) (what string) {
	l := &s.res.Layout
	if s.known {
		s.cur = l.at(s.pos)
		return ""
	}
	if len(block) < minSection {
		return "section header is too short"
	}
	s.dropRepeated()
	last := &l.sections[len(l.sections)-1]
	switch {
	case len(last.ifaces) == 0: // no packet belongs to it
		*last = section{pos: s.pos, big: big}
	case len(l.sections) == maxSections:
		s.damage(s.pos, s.size-s.pos, fmt.Sprintf("more than %d sections that differ", maxSections))
		s.end = s.pos
		return ""
	default:
		l.sections = append(l.sections, section{pos: s.pos, big: big})
	}
	s.cur = &l.sections[len(l.sections)-1]
	return ""
}

// dropRepeated forgets the current section if it describes what the one before does.
func (s *scanner) dropRepeated() {
	l := &s.res.Layout
	if n := len(l.sections); !s.known && n > 1 && l.sections[n-1].same(&l.sections[n-2]) {
		s.described -= len(l.sections[n-1].ifaces)
		l.sections = l.sections[:n-1]
		s.cur = &l.sections[n-2]
	}
}

// dropEmpty forgets a section that describes no interface though packets follow: a
// header that damage has brought here must not make them unreadable.
func (s *scanner) dropEmpty() {
	l := &s.res.Layout
	if n := len(l.sections); !s.known && n > 1 && l.sections[n-2].big == s.cur.big {
		l.sections = l.sections[:n-1]
		s.cur = &l.sections[n-2]
	}
}

func (s *scanner) describe(block []byte) (what string) {
	switch {
	case s.known:
		return ""
	case len(block) < minInterface:
		return "interface description is too short"
	case len(s.cur.ifaces) >= maxInterfaces:
		return fmt.Sprintf("more than %d interfaces in a section", maxInterfaces)
	case s.described >= maxDescribed:
		return fmt.Sprintf("more than %d interfaces", maxDescribed)
	}
	i := iface{Interface: Interface{
		Link: packet.LinkType(s.cur.u16(block[8:])),
		Num:  uint16(len(s.cur.ifaces)),
		Snap: s.cur.u32(block[12:]),
	}}
	s.cur.options(&i, block[16:len(block)-lengthLen])
	s.cur.ifaces = append(s.cur.ifaces, i)
	s.described++
	return ""
}

// options reads what matters of an interface's options: code, length, value padded
// to 4 octets. An option that does not fit ends the list.
func (s *section) options(i *iface, b []byte) {
	code, offset := uint8(defaultTSResol), int64(0)
	for len(b) >= 4 {
		option, n := s.u16(b), int(s.u16(b[2:]))
		b = b[4:]
		if option == optEnd || n > len(b) {
			break
		}
		switch {
		case option == optTSResol && n >= 1:
			code = b[0]
		case option == optTSOffset && n == 8:
			offset = s.i64(b)
		case option == optName:
			i.Name = string(b[:min(n, maxName)])
		}
		b = b[min(padded(n), len(b)):]
	}
	i.time = newResolution(code, offset)
}

// local reads a block that only we know.
func (s *scanner) local(block []byte) (what string) {
	kind, b, ok := local(block)
	if !ok || s.cur.big { // we write little-endian only
		return ""
	}
	switch kind {
	case localNote:
		s.res.Notes++
		if s.v.Note == nil {
			return ""
		}
		if !parseNote(&s.n, b) {
			return "note makes no sense"
		}
		if !s.v.Note(&s.n) {
			s.stopped = true
		}
	case localMark:
		return s.mark(block)
	}
	return ""
}
