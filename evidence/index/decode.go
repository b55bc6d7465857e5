package index

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"

	"kagami/evidence/segment"
	"kagami/packet"
)

// rowReader reads the section of rows.
type rowReader struct {
	h       *header
	col     []octets
	addrs   [][16]byte
	extents []Extent
	first   int64 // of the row before, in units
	pos     int64 // of the first extent of the row before
	sound   bool
}

// decodeRows reads the section of rows: the rows, and the folds with their extents.
func decodeRows(h *header, b []byte) ([]Row, []Fold, error) {
	col, err := unpack(b, rowColumns)
	if err != nil {
		return nil, nil, err
	}
	// An extent and an address take an octet of their columns at least.
	if h.rows*2 != len(col[colClientPort].b) || len(col[colCount].b) > mostExtents || len(col[colFamily].b) > 2*h.rows {
		return nil, nil, fmt.Errorf("%w: more rows than their columns hold", ErrCorrupt)
	}
	d := rowReader{h: h, col: col, sound: true}
	d.addrs = make([][16]byte, 0, len(col[colFamily].b))
	d.extents = make([]Extent, 0, len(col[colCount].b))
	rows := make([]Row, h.rows)
	for i := range rows {
		d.row(&rows[i])
		if !d.sound {
			return nil, nil, fmt.Errorf("%w: row %d", ErrCorrupt, i)
		}
	}
	var folds []Fold
	for _, f := range h.folds {
		f.Extents = d.list()
		folds = append(folds, f)
	}
	for i := range col {
		d.sound = d.sound && col[i].done()
	}
	if !d.sound {
		return nil, nil, fmt.Errorf("%w: columns of rows do not end together", ErrCorrupt)
	}
	return rows, folds, nil
}

func (d *rowReader) row(r *Row) {
	col := d.col
	client, server := d.address(colClient), d.address(colServer)
	cport, sport := col[colClientPort].u16(), col[colServerPort].u16()
	flags := col[colFlags].uvarint()
	c := packet.FromA
	if n := bytes.Compare(client[:], server[:]); n > 0 || n == 0 && cport > sport || flags&bitFromB != 0 {
		c = packet.FromB
		client, server, cport, sport = server, client, sport, cport
	}
	r.Key = packet.Key{A: client, B: server, APort: cport, BPort: sport, Proto: col[colProto].octet()}
	r.Client, r.ClientKnown, r.Flags = c, flags&bitKnown != 0, Flags(flags&(1<<numFlags-1))
	vlan := d.pair(colVLAN, c)
	r.VLAN = [2]uint16{uint16(vlan[0]), uint16(vlan[1])}
	d.first += col[colFirst].varint()
	r.First = d.first * d.h.timeUnit
	r.Last = (d.first + int64(col[colLast].uvarint())) * d.h.timeUnit
	r.Packets, r.Stored, r.Bytes = d.pair(colPackets, c), d.pair(colStored, c), d.pair(colMissing, c)
	r.Bytes[0] += r.Stored[0]
	r.Bytes[1] += r.Stored[1]
	r.Extents = d.list()
	d.sound = d.sound && !col[colProto].bad && !col[colServerPort].bad && !col[colMissing].bad
}

func (d *rowReader) pair(column int, client packet.Side) (v [2]uint64) {
	c := &d.col[column]
	v[client] = c.uvarint()
	v[client.Other()] = c.uvarint()
	return v
}

func (d *rowReader) address(column int) [16]byte {
	n := d.col[column].uvarint()
	if n > 0 {
		if n > uint64(len(d.addrs)) {
			d.sound = false
			return [16]byte{}
		}
		return d.addrs[n-1]
	}
	var a [16]byte
	switch d.col[colFamily].octet() {
	case 4:
		if b := d.col[colV4].take(4); b != nil {
			a = mapped(b)
		}
	case 6:
		a = d.col[colV6].addr()
	default:
		d.sound = false
	}
	d.addrs = append(d.addrs, a)
	return a
}

// list reads the extents of a row or fold: inside the segment, ascending and apart.
func (d *rowReader) list() []Extent {
	n := d.col[colExtents].uvarint()
	if n > uint64(cap(d.extents)-len(d.extents)) {
		d.sound = false
		return nil
	}
	at, unit := len(d.extents), d.h.posUnit
	pos := d.pos
	for i := range n {
		var step int64
		if i == 0 {
			step = d.col[colPos].varint()
		} else {
			step = int64(d.col[colPos].uvarint())
		}
		length, count := d.col[colLen].uvarint(), d.col[colCount].uvarint()
		if step > math.MaxInt64/8 || step < 0 && i > 0 || step < math.MinInt64/8 || length > math.MaxInt32/4 || count >= math.MaxInt32 {
			d.sound = false
			return nil
		}
		pos += step * unit
		e := Extent{Pos: pos, Len: int32(int64(length) * unit), Packets: int32(count) + 1}
		if pos < d.h.info.From || e.End() > d.h.info.Size || e.Len == 0 {
			d.sound = false
			return nil
		}
		if i == 0 {
			d.pos = pos
		}
		pos = e.End()
		d.extents = append(d.extents, e)
	}
	return d.extents[at:len(d.extents):len(d.extents)]
}

// noteReader reads the section of notes.
type noteReader struct {
	col   []octets
	rows  []Row
	names []string
	row   int64
	at    int64
	sound bool
}

// decodeNotes reads the section of notes.
func decodeNotes(h *header, b []byte, rows []Row) ([]segment.Note, error) {
	if h.notes == 0 {
		if len(b) != 0 {
			return nil, fmt.Errorf("%w: notes without number", ErrCorrupt)
		}
		return nil, nil
	}
	col, err := unpack(b, noteColumns)
	if err != nil {
		return nil, err
	}
	if h.notes != len(col[noteKind].b) {
		return nil, fmt.Errorf("%w: number of notes", ErrCorrupt)
	}
	d := noteReader{col: col, rows: rows, sound: true}
	notes := make([]segment.Note, h.notes)
	for i := range notes {
		d.note(&notes[i])
		if !d.sound {
			return nil, fmt.Errorf("%w: note %d", ErrCorrupt, i)
		}
	}
	for i := range col {
		if !col[i].done() {
			return nil, fmt.Errorf("%w: columns of notes do not end together", ErrCorrupt)
		}
	}
	return notes, nil
}

func (d *noteReader) note(n *segment.Note) {
	c := d.col
	n.Kind, n.Client = segment.NoteKind(c[noteKind].octet()), packet.Side(c[noteClient].octet())
	from := d.at
	if ref := c[noteRow].uvarint(); ref == 0 {
		if b := c[noteKey].take(keyLen); b != nil {
			n.Key = readKey(b)
		}
	} else {
		ref--
		d.row += int64(ref>>1) ^ -int64(ref&1)
		if d.row < 0 || d.row >= int64(len(d.rows)) {
			d.sound = false
			return
		}
		n.Key, from = d.rows[d.row].Key, d.rows[d.row].First
	}
	n.At = from + c[noteAt].varint()
	d.at = n.At
	if c[noteWindow].octet() == 1 {
		n.From, n.To = n.At+c[noteWindow].varint(), n.At+c[noteWindow].varint()
	}
	n.Name = d.name()
	n.Text = string(c[noteText].take(int(min(c[noteText].uvarint(), segment.MaxNoteText+1))))
	for range c[noteAddrs].octet() {
		a, ok := netip.AddrFromSlice(c[noteV].take(int(c[noteV].octet())))
		if !ok {
			d.sound = false
			return
		}
		n.Addrs = append(n.Addrs, a)
	}
	d.sound = d.sound && n.Kind >= segment.Named && n.Kind <= segment.Alert && n.Client <= packet.FromB
	for i := range c {
		d.sound = d.sound && !c[i].bad
	}
}

func (d *noteReader) name() string {
	n := d.col[noteName].uvarint()
	if n == 0 {
		d.names = append(d.names, string(d.col[noteNames].take(int(d.col[noteNames].octet()))))
		n = uint64(len(d.names))
	}
	if n > uint64(len(d.names)) {
		d.sound = false
		return ""
	}
	return d.names[n-1]
}

// u32 is a fixed number of the file.
func u32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
