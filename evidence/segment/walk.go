package segment

import "fmt"

// Walk tells v what stands in b, whole blocks of a segment that have just been
// appended to it: b begins at offset pos of the file. l is what the blocks before
// described (zero at the start of the file) and learns what b describes. It believes
// the marks. Per call it allocates a little, per packet nothing.
//
// The error says that b is not whole blocks; what is before was told.
func Walk(b []byte, pos int64, l *Layout, v *Visitor) error {
	if l.format == FormatNone {
		l.format, l.sections = FormatPcapng, []section{{pos: pos}}
	}
	s := &scanner{
		window: window{buf: b, at: pos, size: pos + int64(len(b))},
		v:      *v, res: Result{Layout: *l}, pos: pos, end: pos + int64(len(b)), trusting: true,
	}
	s.cur = &s.res.Layout.sections[len(l.sections)-1]
	for i := range l.sections {
		s.described += len(l.sections[i].ifaces)
	}
	need, what := s.blocks(b)
	*l = s.res.Layout
	switch {
	case what != "":
		return fmt.Errorf("walk blocks at octet %d: %s", s.pos, what)
	case !s.stopped && s.pos < s.end:
		return fmt.Errorf("walk blocks at octet %d: block needs %d octets, %d are there", s.pos, need, s.end-s.pos)
	}
	return nil
}
