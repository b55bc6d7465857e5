package index

import (
	"encoding/binary"
	"fmt"

	"kagami/evidence/segment"
)

// Sections behind the header, in their order. The filter comes last; its blocks have
// checksums of their own.
const (
	sectionRows = iota
	sectionNotes
	numSections
)

// section is where a section is and what it must add up to.
type section struct {
	len int64
	crc uint32
}

func sectionOf(b []byte) section { return section{int64(len(b)), checksum(b)} }

// header is what an index file begins with.
type header struct {
	info        Info
	rows, notes int
	timeUnit    int64 // ns
	posUnit     int64 // octets
	sections    [numSections]section
	filter      filterShape
	folds       []Fold // without their extents
}

const (
	headerFixed = len(magic) + 4 + 4
	// What is believed of a file: more than a Builder makes.
	mostRows    = 1 << 17
	mostExtents = 1 << 20
	mostNotes   = 1 << 18
	maxDamage   = 1 << 10 // spans that are kept; the last one then reaches to the end of all
)

// append writes the header with its magic, length and checksum.
func (h *header) append(dst []byte) []byte {
	at := len(dst)
	dst = append(dst, magic...)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	dst = h.info.append(dst)
	for _, v := range []uint64{uint64(h.rows), uint64(h.notes), uint64(h.timeUnit), uint64(h.posUnit)} {
		dst = binary.AppendUvarint(dst, v)
	}
	for _, s := range h.sections {
		dst = binary.AppendUvarint(dst, uint64(s.len))
		dst = binary.LittleEndian.AppendUint32(dst, s.crc)
	}
	dst = append(dst, byte(h.filter.scale))
	dst = binary.AppendUvarint(dst, uint64(h.filter.n))
	dst = binary.AppendUvarint(dst, uint64(len(h.folds)))
	for i := range h.folds {
		dst = h.folds[i].append(dst)
	}
	body := dst[at+headerFixed:]
	binary.LittleEndian.PutUint32(dst[at+len(magic):], uint32(len(body)))
	binary.LittleEndian.PutUint32(dst[at+len(magic)+4:], checksum(body))
	return dst
}

// parseHeader reads what append wrote behind magic, length and checksum.
func parseHeader(b []byte) (*header, error) {
	h := &header{}
	r := octets{b: b}
	if err := h.info.parse(&r); err != nil {
		return nil, err
	}
	rows, notes := r.uvarint(), r.uvarint()
	h.timeUnit, h.posUnit = int64(r.uvarint()), int64(r.uvarint())
	for i := range h.sections {
		h.sections[i] = section{len: int64(r.uvarint())}
		if crc := r.take(4); crc != nil {
			h.sections[i].crc = binary.LittleEndian.Uint32(crc)
		}
		if h.sections[i].len < 0 || h.sections[i].len > maxColumns+64<<10 {
			r.bad = true
		}
	}
	h.filter.scale = uint(r.octet())
	blocks, folds := r.uvarint(), r.uvarint()
	if r.bad || rows > mostRows || notes > mostNotes || h.timeUnit < 1 || h.timeUnit > 1e9 || h.posUnit < 1 || h.posUnit > 4 ||
		h.filter.scale < 1 || h.filter.scale > chapterScale || blocks < 1 || blocks > 1<<h.filter.scale || folds > uint64(r.left()) {
		return nil, fmt.Errorf("%w: header", ErrCorrupt)
	}
	h.rows, h.notes, h.filter.n = int(rows), int(notes), int(blocks)
	for range folds {
		h.folds = append(h.folds, parseFold(&r))
		if r.bad {
			break
		}
	}
	if !r.done() {
		return nil, fmt.Errorf("%w: folds", ErrCorrupt)
	}
	return h, nil
}

// counters are the fields of c in the order of the file.
func counters(c *segment.Counters) []*uint64 {
	return []*uint64{&c.Seen, &c.Stored, &c.StoredBytes, &c.Cut, &c.CutBytes, &c.LostSlow, &c.LostFull, &c.LostError,
		&c.LeftOut, &c.Ignored, &c.KernelDropped, &c.Waiting}
}

func (i *Info) append(b []byte) []byte {
	b = binary.AppendUvarint(b, i.Segment)
	b = binary.AppendUvarint(b, uint64(i.Worker))
	for _, v := range []int64{i.Session, i.First, i.Last, i.From, i.Size, i.Torn, i.ModTime} {
		b = appendSigned(b, v)
	}
	for _, v := range []uint64{i.Packets, i.Flows, i.NotesLost} {
		b = binary.AppendUvarint(b, v)
	}
	for _, c := range []segment.Counters{i.Start, i.End} {
		for _, v := range counters(&c) {
			b = binary.AppendUvarint(b, *v)
		}
		b = append(b, c.Level)
	}
	recovered := byte(0)
	if i.Recovered {
		recovered = 1
	}
	b = append(b, recovered)
	damage := shorten(i.Damage)
	b = binary.AppendUvarint(b, uint64(len(damage)))
	for _, s := range damage {
		b = appendSigned(appendSigned(b, s.Pos), s.Len)
	}
	layout := i.Layout.Append(nil)
	b = binary.AppendUvarint(b, uint64(len(layout)))
	return append(b, layout...)
}

// shorten joins the last of too many spans into one.
func shorten(s []Span) []Span {
	if len(s) <= maxDamage {
		return s
	}
	out := append([]Span(nil), s[:maxDamage]...)
	last := s[len(s)-1]
	out[maxDamage-1].Len = last.Pos + last.Len - out[maxDamage-1].Pos
	return out
}

func (i *Info) parse(r *octets) error {
	i.Segment = r.uvarint()
	worker := r.uvarint()
	i.Worker = uint16(worker)
	for _, v := range []*int64{&i.Session, &i.First, &i.Last, &i.From, &i.Size, &i.Torn, &i.ModTime} {
		*v = r.varint()
	}
	for _, v := range []*uint64{&i.Packets, &i.Flows, &i.NotesLost} {
		*v = r.uvarint()
	}
	for _, c := range []*segment.Counters{&i.Start, &i.End} {
		for _, v := range counters(c) {
			*v = r.uvarint()
		}
		c.Level = r.octet()
	}
	recovered := r.octet()
	i.Recovered = recovered == 1
	n := r.uvarint()
	if r.bad || n > maxDamage || worker > 1<<16-1 || recovered > 1 || i.From < 0 || i.Size < i.From {
		return fmt.Errorf("%w: header", ErrCorrupt)
	}
	for range n {
		i.Damage = append(i.Damage, Span{Pos: r.varint(), Len: r.varint()})
	}
	layout := r.take(int(min(r.uvarint(), uint64(r.left()+1))))
	if r.bad {
		return fmt.Errorf("%w: header", ErrCorrupt)
	}
	var rest []byte
	var err error
	if i.Layout, rest, err = segment.ParseLayout(layout); err != nil || len(rest) > 0 {
		return fmt.Errorf("%w: layout: %v", ErrCorrupt, err)
	}
	return nil
}

// Bits of a fold's first octet.
const (
	foldAny = 1 << iota
	foldClient
	foldDense
)

func (f *Fold) append(b []byte) []byte {
	var bits byte
	for i, set := range []bool{f.Any, f.Client, f.Dense} {
		if set {
			bits |= 1 << i
		}
	}
	b = append(b, bits, f.Proto)
	b = append(append(append(b, f.Addr[:]...), f.Low[:]...), f.High[:]...)
	for _, p := range [][2]uint16{f.Ports, f.Others} {
		b = binary.LittleEndian.AppendUint16(b, p[0])
		b = binary.LittleEndian.AppendUint16(b, p[1])
	}
	b = appendSigned(appendSigned(b, f.First), f.Last-f.First)
	for _, v := range []uint64{f.Flows, f.Packets, f.Stored, f.Bytes} {
		b = binary.AppendUvarint(b, v)
	}
	return b
}

func parseFold(r *octets) (f Fold) {
	bits := r.octet()
	f.Any, f.Client, f.Dense = bits&foldAny != 0, bits&foldClient != 0, bits&foldDense != 0
	f.Proto = r.octet()
	f.Addr, f.Low, f.High = r.addr(), r.addr(), r.addr()
	f.Ports = [2]uint16{r.u16(), r.u16()}
	f.Others = [2]uint16{r.u16(), r.u16()}
	f.First = r.varint()
	f.Last = f.First + r.varint()
	for _, v := range []*uint64{&f.Flows, &f.Packets, &f.Stored, &f.Bytes} {
		*v = r.uvarint()
	}
	return f
}
