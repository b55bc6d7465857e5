package index

import (
	"kagami/evidence/segment"
	"kagami/packet"
)

// Bounds of a Builder. When one is reached, Full says so and the segment should end;
// when it goes on all the same, new flows go to a Fold of anything, extents get longer
// and notes are lost, and counted.
const (
	maxRows    = 1 << 16
	maxExtents = 1 << 18
	maxFolds   = 64
	maxNotes   = 1 << 17
	maxText    = 4 << 20  // octets of notes
	maxSpan    = 16 << 30 // octets of the file that an index is of
	slack      = 4        // a quarter more than that is taken before something is lost
)

// MemoryBytes is about what a Builder takes at most, for the memory plan, and for a
// moment half as much again while such an index is encoded. With a few thousand flows
// in a segment it is a tenth of that.
const MemoryBytes = 40 << 20

type limits struct{ rows, extents, folds, notes, text int }

// Builder makes the index of one segment: Packet and Note in the order of the file,
// then Index or Encode, which end it, then Reset. It is not for concurrent use.
type Builder struct {
	limits  limits
	keyer   Keyer
	flows   flows
	extents extents
	notes   notes
	folds   []fold
	filter  *bloom // of what was folded, until the end
	scratch scratch
	encoder encoder

	cur         int  // the flow of the last packet, -1 for none
	fold        int  // number of flows at which folding is tried next
	crammed     bool // folding did not help
	filled      bool // the filter has the rows' keys, too
	foldKeys    int  // keys that the filter had before
	packets     uint64
	first, last int64  // times of packets
	stored      uint64 // captured octets
	from        int64  // of the first packet's block
	end         int64  // of the last packet's block
}

// NewBuilder returns a Builder of an empty index.
func NewBuilder() *Builder {
	b := &Builder{limits: limits{maxRows, maxExtents, maxFolds, maxNotes, maxText}}
	b.Reset()
	return b
}

// Reset begins another index and keeps the memory.
func (b *Builder) Reset() {
	if b.flows.slots == nil {
		b.flows.slots = make([]slot, minSlots)
	}
	b.flows.reset()
	b.extents.reset()
	b.extents.most = b.limits.extents + b.limits.extents/slack
	b.notes.reset()
	b.folds = b.folds[:0]
	if b.filter != nil {
		b.filter.reset()
	}
	b.keyer = Keyer{}
	b.cur, b.fold, b.crammed, b.filled = -1, min(firstFold, b.limits.rows), false, false
	b.packets, b.stored, b.first, b.last, b.from, b.end = 0, 0, 0, 0, 0, 0
}

// Full tells that the segment should end: the index is as large as it should get.
func (b *Builder) Full() bool {
	return b.crammed || b.extents.used >= b.limits.extents || len(b.notes.all) >= b.limits.notes ||
		len(b.notes.text) >= b.limits.text || b.end-b.from >= maxSpan
}

// Packet adds a packet. Packets come in the order of the file.
func (b *Builder) Packet(p *segment.Packet) {
	k, side, flags := b.keyer.find(p)
	if b.packets == 0 {
		b.from, b.first, b.last = p.Pos, p.Time, p.Time
	}
	b.packets++
	b.first, b.last = min(b.first, p.Time), max(b.last, p.Time)
	b.stored += uint64(len(p.Data))
	b.end = p.Pos + int64(p.Len)
	if b.cur < 0 || b.flows.all[b.cur].key != *k {
		if b.cur = b.flow(k); b.cur < 0 {
			b.overflow(k, p)
			return
		}
	}
	f := &b.flows.all[b.cur]
	if f.packets[0]|f.packets[1] == 0 {
		f.first, f.last, f.client = p.Time, p.Time, b.originator(k, side)
	}
	f.first, f.last = min(f.first, p.Time), max(f.last, p.Time)
	f.packets[side]++
	f.stored[side] += uint64(len(p.Data))
	f.bytes[side] += uint64(max(p.WireLen, uint32(len(p.Data))))
	if p.WireLen > uint32(len(p.Data)) {
		flags |= Cut
	}
	f.flags |= flags
	if q := &b.keyer.pkt; q.VLANs > 0 && f.vlan[side] == 0 {
		f.vlan[side] = q.VLAN[0]
	}
	if k.Proto == packet.ProtoTCP {
		b.tcp(f, side)
	}
	b.extents.place(f, p.Pos, int32(p.Len))
}

// flow finds the packet's flow or makes it; -1 when there is no room.
func (b *Builder) flow(k *packet.Key) int {
	h := k.Hash()
	i := b.flows.find(k, h)
	if i >= 0 {
		return i
	}
	if len(b.flows.all) >= b.fold {
		b.makeRoom()
	}
	if len(b.flows.all) >= b.hardRows() {
		return -1
	}
	i = b.flows.insert(k, h)
	for n := range b.folds {
		if b.folds[n].Contains(k) {
			b.flows.all[i].flags |= Folded
			break
		}
	}
	return i
}

// tcp notes what the header says of the connection.
func (b *Builder) tcp(f *flow, side packet.Side) {
	y := &b.keyer
	if y.payload {
		f.state |= payload
	}
	const all = packet.SYN | packet.FIN | packet.RST
	if y.tcp&all == 0 {
		return
	}
	if y.tcp&packet.SYN != 0 {
		f.flags |= Syn
		if f.state&clientKnown == 0 {
			f.client = side
			if y.tcp&packet.ACK != 0 {
				f.client = side.Other()
			}
			f.state |= clientKnown
		}
	}
	if y.tcp&packet.FIN != 0 {
		f.state |= finA << side
	}
	if y.tcp&packet.RST != 0 || f.state&(finA|finB) == finA|finB {
		f.flags |= Closed
	}
}

// systemPorts are those below (RFC 6335 section 6).
const systemPorts = 1024

// originator guesses from a flow's first packet who opened it: the sender, unless its
// port is a system port and the other's is not.
func (b *Builder) originator(k *packet.Key, side packet.Side) packet.Side {
	if k.Proto != packet.ProtoTCP && k.Proto != packet.ProtoUDP {
		return side
	}
	if k.Port(side) < systemPorts && k.Port(side.Other()) >= systemPorts {
		return side.Other()
	}
	return side
}

// row writes a flow as a Row, and appends its extents.
func (b *Builder) row(r *Row, f *flow, extents []Extent) []Extent {
	at := len(extents)
	extents = b.extents.all(extents, f)
	*r = Row{
		Key: f.key, Client: f.client, ClientKnown: f.state&clientKnown != 0, Flags: f.flags, VLAN: f.vlan,
		First: f.first, Last: f.last,
		Packets: [2]uint64{uint64(f.packets[0]), uint64(f.packets[1])},
		Stored:  f.stored, Bytes: f.bytes,
		Extents: extents[at:len(extents):len(extents)],
	}
	return extents
}

// Index is the index in memory. i is the segment's, without what the Builder sets.
func (b *Builder) Index(i Info) *Index {
	b.finish()
	x := &Index{Info: b.info(i), Rows: make([]Row, len(b.flows.all))}
	extents := make([]Extent, 0, len(b.flows.all)+b.extents.used)
	for n := range x.Rows {
		extents = b.row(&x.Rows[n], &b.flows.all[n], extents)
	}
	for n := range b.folds {
		f := b.folds[n].Fold
		f.Extents = append([]Extent(nil), f.Extents...)
		x.Folds = append(x.Folds, f)
	}
	for n := range b.notes.all {
		x.Notes = append(x.Notes, b.notes.note(n, b.flows.all))
	}
	return x
}

// info completes the Info of a segment.
func (b *Builder) info(i Info) Info {
	i.Packets, i.First, i.Last, i.Size = b.packets, b.first, b.last, max(i.Size, b.end)
	i.Flows, i.NotesLost = uint64(len(b.flows.all)), b.notes.lost
	for n := range b.folds {
		i.Flows += b.folds[n].Flows
	}
	return i
}
