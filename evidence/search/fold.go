package search

import (
	"bytes"
	"math"
	"slices"

	"kagami/evidence/index"
	"kagami/evidence/query"
	"kagami/evidence/segment"
	"kagami/packet"
)

// maxUnfolded bounds the flows of folds that are told apart at a time: what follows
// of one is a part of its own, which the joiner joins.
const maxUnfolded = 1 << 13

// unfold finds the flows that are folded in the chosen folds of a piece, by reading
// their packets. Their order is that of the packets, the same at each call.
func (r *run) unfold(v *view, p *piece, chosen []*index.Fold, each func(*index.Row)) error {
	spans := spansOf(chosen)
	if len(spans) == 0 {
		return nil
	}
	f, err := v.open()
	if err != nil {
		r.missing(v, err)
		return nil
	}
	defer f.Close()
	u := unfolder{rows: map[packet.Key]*index.Row{}, own: ownRows(p.rows), folds: chosen, each: each}
	in := &reader{run: r, file: f}
	for _, s := range spans {
		visitor := segment.Visitor{Packet: u.packet, Damage: func(pos, length int64, _ string) bool {
			r.gap(Gap{From: p.info.First, To: p.info.Last, Kind: Damaged, Bytes: uint64(length), Text: damageText(v.name, index.Span{Pos: pos})})
			return true
		}}
		if _, err := v.layout().Scan(in, s.from, s.to, visitor); err != nil {
			if stop := r.stopped(); stop != nil {
				return stop
			}
			r.gap(Gap{From: p.info.First, To: p.info.Last, Kind: Damaged, Text: v.name + ": " + err.Error()})
		}
	}
	u.flush()
	return nil
}

// stretch of octets in a file.
type octets struct{ from, to int64 }

// spansOf joins the extents of folds.
func spansOf(folds []*index.Fold) []octets {
	var all []octets
	for _, f := range folds {
		for i := range f.Extents {
			all = append(all, octets{f.Extents[i].Pos, f.Extents[i].End()})
		}
	}
	return joined(all)
}

// joined sorts stretches and joins those that touch.
func joined(all []octets) []octets {
	slices.SortFunc(all, func(a, b octets) int { return compare(a.from, b.from) })
	out := all[:0]
	for _, s := range all {
		if n := len(out); n > 0 && s.from <= out[n-1].to {
			out[n-1].to = max(out[n-1].to, s.to)
		} else {
			out = append(out, s)
		}
	}
	return out
}

// ownRows tells from where on a flow's packets are its row's: those before may be
// folded.
func ownRows(rows []index.Row) map[packet.Key]int64 {
	own := make(map[packet.Key]int64, len(rows))
	for i := range rows {
		from := int64(math.MinInt64)
		if r := &rows[i]; r.Flags&index.Folded != 0 && len(r.Extents) > 0 {
			from = r.Extents[0].Pos
		}
		own[rows[i].Key] = from
	}
	return own
}

// unfolder makes rows of folded packets.
type unfolder struct {
	keyer index.Keyer
	pkt   packet.Packet
	own   map[packet.Key]int64
	folds []*index.Fold
	rows  map[packet.Key]*index.Row
	order []*index.Row
	each  func(*index.Row)
}

func (u *unfolder) packet(p *segment.Packet) bool {
	k, side, flags := u.keyer.Key(p)
	if !u.folded(&k, p.Pos) {
		return true
	}
	row := u.rows[k]
	if row == nil {
		if len(u.order) >= maxUnfolded {
			u.flush()
		}
		row = &index.Row{Key: k, Client: side, First: p.Time, Last: p.Time, Flags: index.Exact}
		u.rows[k] = row
		u.order = append(u.order, row)
	}
	row.First, row.Last = min(row.First, p.Time), max(row.Last, p.Time)
	row.Packets[side]++
	row.Stored[side] += uint64(len(p.Data))
	row.Bytes[side] += uint64(max(p.WireLen, uint32(len(p.Data))))
	if p.WireLen > uint32(len(p.Data)) {
		flags |= index.Cut
	}
	row.Flags |= flags
	row.Extents = append(row.Extents, index.Extent{Pos: p.Pos, Len: int32(p.Len), Packets: 1})
	u.headers(row, side, p)
	return true
}

// headers takes what the packet's own headers tell of the flow.
func (u *unfolder) headers(row *index.Row, side packet.Side, p *segment.Packet) {
	ok := u.pkt.Parse(p.Data, p.WireLen, p.Link) == packet.OK
	if u.pkt.VLANs > 0 && row.VLAN[side] == 0 {
		row.VLAN[side] = u.pkt.VLAN[0]
	}
	if !ok || row.Key.Proto != packet.ProtoTCP {
		return
	}
	if u.pkt.Flags&packet.SYN != 0 {
		row.Flags |= index.Syn
		if !row.ClientKnown {
			row.Client, row.ClientKnown = side, true
			if u.pkt.Flags&packet.ACK != 0 {
				row.Client = side.Other()
			}
		}
	}
	if u.pkt.Flags&packet.RST != 0 {
		row.Flags |= index.Closed
	}
}

// folded tells whether a packet is in one of the folds, not in a row.
func (u *unfolder) folded(k *packet.Key, pos int64) bool {
	if from, ok := u.own[*k]; ok && pos >= from {
		return false
	}
	for _, f := range u.folds {
		if f.Contains(k) {
			return true
		}
	}
	return false
}

// flush hands the rows out.
func (u *unfolder) flush() {
	for _, row := range u.order {
		u.each(row)
	}
	u.order = u.order[:0]
	clear(u.rows)
}

// foldHas tells what a fold may hold, as a filter does.
func foldHas(f *index.Fold, t *query.Term) bool {
	switch t.Kind {
	case query.TermAddr:
		within := bytes.Compare(t.Addr[:], f.Low[:]) >= 0 && bytes.Compare(t.Addr[:], f.High[:]) <= 0
		return within || !f.Any && t.Addr == f.Addr
	case query.TermPort:
		return f.Ports[0] <= t.Port && t.Port <= f.Ports[1] || f.Others[0] <= t.Port && t.Port <= f.Others[1]
	case query.TermFlow:
		return f.Contains(&t.Key)
	}
	return true
}
