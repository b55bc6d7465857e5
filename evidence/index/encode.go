package index

import (
	"encoding/binary"

	"kagami/evidence/segment"
	"kagami/packet"
)

const magic = "KGMIDX1\n"

// Columns of the section of rows. A row's fields are told from its client's view.
const (
	colClient     = iota // address: 0 the next new one, else its number plus 1
	colServer            // the same
	colFamily            // of each new address: 4 or 6
	colV4                // 4 octets each
	colV6                // 16 octets each
	colClientPort        // u16
	colServerPort        // u16
	colProto             // u8
	colFlags             // Flags, and the bits below
	colVLAN              // client's, server's
	colFirst             // - first of the row before, in units
	colLast              // - first, in units
	colPackets           // client's, server's
	colStored            // client's, server's
	colMissing           // octets on the wire but not captured: client's, server's
	colExtents           // number of extents
	colPos               // of the first extent - that of the row before, in units; gaps in between, in units
	colLen               // in units
	colCount             // packets - 1
	rowColumns
)

// Bits of colFlags behind Flags.
const (
	bitKnown = 1 << (8 + iota) // ClientKnown
	bitFromB                   // the endpoints are the same, and B is the client
)

// Columns of the section of notes.
const (
	noteKind   = iota // u8
	noteRow           // 0 none, else number of the row plus 1 - that of the note before, signed
	noteClient        // u8
	noteAt            // - first of the row, or - at of the note before
	noteKey           // of those without a row
	noteWindow        // From - At, To - At
	noteName          // 0 the next new one, else its number plus 1
	noteNames         // length and octets of each new name
	noteText          // length, octets
	noteAddrs         // number
	noteV             // length, 4 or 16 octets each
	noteColumns
)

// encoder is memory for Encode.
type encoder struct {
	packer
	cols     [rowColumns][]byte
	noteCols [noteColumns][]byte
	addrs    map[[16]byte]uint32
	names    map[string]uint32
	extents  []Extent
	timeUnit,
	posUnit int64
	first   int64 // of the row before, in units
	pos     int64 // of the first extent of the row before
	noteAt  int64 // of the note before
	lastRow int64 // number of the row of the note before
}

// Encode appends the index of the segment that i describes, without what the Builder
// sets, in the form that Open reads.
func (b *Builder) Encode(dst []byte, i Info) []byte {
	b.finish()
	i = b.info(i)
	e := &b.encoder
	e.reset(b.units())
	var r Row
	for n := range b.flows.all {
		e.extents = b.row(&r, &b.flows.all[n], e.extents[:0])
		e.flow(&r)
	}
	for n := range b.folds {
		e.list(b.folds[n].Extents)
	}
	for n := range b.notes.all {
		note := b.notes.note(n, b.flows.all)
		e.note(&note, b.notes.all[n].row, b.flows.all)
	}
	var h header
	h.info, h.rows, h.notes = i, len(b.flows.all), len(b.notes.all)
	h.timeUnit, h.posUnit = e.timeUnit, e.posUnit
	sections := e.section(nil, e.cols[:])
	h.sections[sectionRows] = sectionOf(sections)
	at := len(sections)
	if len(b.notes.all) > 0 {
		sections = e.section(sections, e.noteCols[:])
	}
	h.sections[sectionNotes] = sectionOf(sections[at:])
	h.filter = filterShape{scale: segmentScale, n: b.fill()}
	for n := range b.folds {
		h.folds = append(h.folds, b.folds[n].Fold)
	}
	dst = append(h.append(dst), sections...)
	if len(b.flows.all) > firstFold || len(b.notes.all) > firstFold {
		*e = encoder{packer: e.packer} // seldom needed: give the memory back
	}
	return b.filter.append(dst, h.filter.n)
}

// fill puts all keys into the filter and says how many blocks it gets. What was folded
// gets less room than the rest: it must stay small beside its packets.
func (b *Builder) fill() int {
	if b.filter == nil {
		b.filter = newBloom(segmentScale)
	}
	if !b.filled {
		b.filled, b.foldKeys = true, b.filter.keys
		for n := range b.flows.all {
			b.filter.row(&b.flows.all[n].key)
		}
		for n := range b.notes.all {
			b.filter.name(b.notes.name(n))
		}
	}
	stored := uint64(0)
	for n := range b.folds {
		stored += b.folds[n].Stored
	}
	most := int(stored * filterPart / filterOf / blockLen)
	folded := min(b.foldKeys*bitsPerKey/blockBits, most)
	return min(folded+(b.filter.keys-b.foldKeys)*bitsPerKey/blockBits+1, len(b.filter.blocks))
}

// units are the largest of which all times and offsets are multiples.
func (b *Builder) units() (time, pos int64) {
	time, pos = 1e9, 4
	for n := range b.flows.all {
		f := &b.flows.all[n]
		for f.first%time != 0 || f.last%time != 0 {
			time /= 1000
		}
		if f.tail.Pos%4 != 0 || f.tail.Len%4 != 0 {
			pos = 1
		}
		for i := f.chain; i != 0 && pos != 1; i = b.extents.nodes[i-1].prev {
			if x := &b.extents.nodes[i-1]; x.Pos%4 != 0 || x.Len%4 != 0 {
				pos = 1
			}
		}
	}
	for n := range b.folds {
		for _, x := range b.folds[n].Extents {
			if x.Pos%4 != 0 || x.Len%4 != 0 {
				pos = 1
			}
		}
	}
	return time, pos
}

func (e *encoder) reset(time, pos int64) {
	for i := range e.cols {
		e.cols[i] = e.cols[i][:0]
	}
	for i := range e.noteCols {
		e.noteCols[i] = e.noteCols[i][:0]
	}
	if e.addrs == nil {
		e.addrs, e.names = map[[16]byte]uint32{}, map[string]uint32{}
	}
	clear(e.addrs)
	clear(e.names)
	e.timeUnit, e.posUnit, e.first, e.pos, e.noteAt, e.lastRow = time, pos, 0, 0, 0, 0
}

func (e *encoder) add(column int, v uint64) {
	e.cols[column] = binary.AppendUvarint(e.cols[column], v)
}

func (e *encoder) pair(column int, client packet.Side, v [2]uint64) {
	e.add(column, v[client])
	e.add(column, v[client.Other()])
}

func (e *encoder) flow(r *Row) {
	c, s := r.Client, r.Client.Other()
	e.address(colClient, r.Key.Addr(c))
	e.address(colServer, r.Key.Addr(s))
	e.cols[colClientPort] = binary.LittleEndian.AppendUint16(e.cols[colClientPort], r.Key.Port(c))
	e.cols[colServerPort] = binary.LittleEndian.AppendUint16(e.cols[colServerPort], r.Key.Port(s))
	e.cols[colProto] = append(e.cols[colProto], r.Key.Proto)
	flags := uint64(r.Flags)
	if r.ClientKnown {
		flags |= bitKnown
	}
	if c == packet.FromB && r.Key.A == r.Key.B && r.Key.APort == r.Key.BPort {
		flags |= bitFromB
	}
	e.add(colFlags, flags)
	e.pair(colVLAN, c, [2]uint64{uint64(r.VLAN[0]), uint64(r.VLAN[1])})
	first := r.First / e.timeUnit
	e.add(colFirst, signed(first-e.first))
	e.add(colLast, uint64(r.Last/e.timeUnit-first))
	e.pair(colPackets, c, r.Packets)
	e.pair(colStored, c, r.Stored)
	e.pair(colMissing, c, [2]uint64{r.Bytes[0] - r.Stored[0], r.Bytes[1] - r.Stored[1]})
	e.list(r.Extents)
	e.first = first
}

func (e *encoder) address(column int, a [16]byte) {
	n, known := e.addrs[a]
	if known {
		e.add(column, uint64(n)+1)
		return
	}
	e.addrs[a] = uint32(len(e.addrs))
	e.add(column, 0)
	if packet.IsV4(&a) {
		e.cols[colFamily] = append(e.cols[colFamily], 4)
		e.cols[colV4] = append(e.cols[colV4], a[12:]...)
		return
	}
	e.cols[colFamily] = append(e.cols[colFamily], 6)
	e.cols[colV6] = append(e.cols[colV6], a[:]...)
}

// list writes the extents of a row or fold.
func (e *encoder) list(x []Extent) {
	e.add(colExtents, uint64(len(x)))
	for i := range x {
		if i == 0 {
			e.add(colPos, signed((x[0].Pos-e.pos)/e.posUnit))
			e.pos = x[0].Pos
		} else {
			e.add(colPos, uint64(x[i].Pos-x[i-1].End())/uint64(e.posUnit))
		}
		e.add(colLen, uint64(x[i].Len)/uint64(e.posUnit))
		e.add(colCount, uint64(x[i].Packets-1))
	}
}

// note writes a note; row is the number of its flow, or -1.
func (e *encoder) note(n *segment.Note, row int32, all []flow) {
	c := &e.noteCols
	c[noteKind] = append(c[noteKind], byte(n.Kind))
	c[noteClient] = append(c[noteClient], byte(n.Client))
	from := e.noteAt
	if row < 0 {
		c[noteRow] = append(c[noteRow], 0)
		c[noteKey] = appendKey(c[noteKey], &n.Key)
	} else {
		step := int64(row) - e.lastRow
		c[noteRow] = binary.AppendUvarint(c[noteRow], signed(step)+1)
		from, e.lastRow = all[row].first, int64(row)
	}
	c[noteAt] = appendSigned(c[noteAt], n.At-from)
	e.noteAt = n.At
	if n.From == 0 && n.To == 0 {
		c[noteWindow] = append(c[noteWindow], 0)
	} else {
		c[noteWindow] = append(c[noteWindow], 1)
		c[noteWindow] = appendSigned(appendSigned(c[noteWindow], n.From-n.At), n.To-n.At)
	}
	e.name(n.Name)
	c[noteText] = binary.AppendUvarint(c[noteText], uint64(len(n.Text)))
	c[noteText] = append(c[noteText], n.Text...)
	c[noteAddrs] = append(c[noteAddrs], byte(len(n.Addrs)))
	for _, a := range n.Addrs {
		v := a.AsSlice()
		c[noteV] = append(append(c[noteV], byte(len(v))), v...)
	}
}

func (e *encoder) name(name string) {
	c := &e.noteCols
	if n, known := e.names[name]; known {
		c[noteName] = binary.AppendUvarint(c[noteName], uint64(n)+1)
		return
	}
	e.names[name] = uint32(len(e.names))
	c[noteName] = append(c[noteName], 0)
	c[noteNames] = append(append(c[noteNames], byte(len(name))), name...)
}
