package index

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"

	"kagami/evidence/segment"
	"kagami/packet"
)

// blocksOf are the packets' blocks.
func blocksOf(pos []int64) (blocks []Extent) {
	for i := 1; i < len(pos); i++ {
		blocks = append(blocks, Extent{Pos: pos[i-1], Len: int32(pos[i] - pos[i-1]), Packets: 1})
	}
	return blocks
}

// reference makes the rows of frames with plain code; their extents are the packets'
// blocks.
func reference(fs []frame, blocks []Extent) map[packet.Key]*Row {
	rows := map[packet.Key]*Row{}
	fins := map[packet.Key]int{}
	for i, f := range fs {
		r := rows[f.key]
		if r == nil {
			r = &Row{Key: f.key, First: f.time, Last: f.time, Client: f.side, Flags: Exact}
			if f.key.Proto == packet.ProtoTCP || f.key.Proto == packet.ProtoUDP {
				if f.key.Port(f.side) < 1024 && f.key.Port(f.side.Other()) >= 1024 {
					r.Client = f.side.Other()
				}
			}
			rows[f.key] = r
		}
		r.First, r.Last = min(r.First, f.time), max(r.Last, f.time)
		r.Packets[f.side]++
		r.Stored[f.side] += uint64(len(f.data))
		r.Bytes[f.side] += uint64(f.wire)
		r.Flags |= f.flags
		if int(f.wire) > len(f.data) {
			r.Flags |= Cut
		}
		if r.VLAN[f.side] == 0 {
			r.VLAN[f.side] = f.vlan
		}
		if f.tcp&packet.SYN != 0 {
			r.Flags |= Syn
			if !r.ClientKnown {
				r.ClientKnown, r.Client = true, f.side
				if f.tcp&packet.ACK != 0 {
					r.Client = f.side.Other()
				}
			}
		}
		if f.tcp&packet.FIN != 0 {
			fins[f.key] |= 1 << f.side
		}
		if f.tcp&packet.RST != 0 || fins[f.key] == 3 {
			r.Flags |= Closed
		}
		r.Extents = append(r.Extents, blocks[i])
	}
	return rows
}

// checkCover tells whether a row's extents are what they should be for its packets'
// blocks: exact ones are these, joined where they adjoin; runs cover each once.
func checkCover(r *Row, blocks []Extent) error {
	count := 0
	for i, e := range r.Extents {
		if i > 0 && e.Pos < r.Extents[i-1].End() {
			return fmt.Errorf("extent %d begins before the end of the one before", i)
		}
		n, exact := 0, int64(0)
		for count < len(blocks) && blocks[count].Pos < e.End() {
			b := blocks[count]
			if b.Pos < e.Pos || b.End() > e.End() {
				return fmt.Errorf("packet at %d is not in one extent", b.Pos)
			}
			if n == 0 && b.Pos != e.Pos {
				return fmt.Errorf("extent at %d begins before its first packet", e.Pos)
			}
			n++
			count++
			exact += int64(b.Len)
		}
		if n != int(e.Packets) || n == 0 || blocks[count-1].End() != e.End() {
			return fmt.Errorf("extent at %d with %d packets has %d", e.Pos, e.Packets, n)
		}
		if r.Flags&Exact != 0 && exact != int64(e.Len) {
			return fmt.Errorf("extent at %d is not exact", e.Pos)
		}
		if e.Len > maxJoin {
			return fmt.Errorf("run of %d octets", e.Len)
		}
	}
	if count != len(blocks) {
		return fmt.Errorf("%d packets are not covered", len(blocks)-count)
	}
	return nil
}

func TestRowsEqualReference(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			fs := randomTraffic(seed, 20000)
			b, pos := build(fs)
			if exact := checkRows(t, b.Index(Info{}), reference(fs, blocksOf(pos))); exact == len(b.flows.all) || exact == 0 {
				t.Errorf("%d of %d rows are exact: the test needs both kinds", exact, len(b.flows.all))
			}
		})
	}
}

// checkRows compares rows with the reference and tells how many are exact.
func checkRows(t *testing.T, got *Index, want map[packet.Key]*Row) (exact int) {
	t.Helper()
	if len(got.Rows) != len(want) || len(got.Folds) != 0 {
		t.Fatalf("%d rows, %d folds; want %d rows", len(got.Rows), len(got.Folds), len(want))
	}
	for _, r := range got.Rows {
		w := want[r.Key]
		if err := checkCover(&r, w.Extents); err != nil {
			t.Errorf("%v: %v", r.Key, err)
		}
		if n := r.Packets[0] + r.Packets[1]; n <= exactPackets && r.Flags&Exact == 0 {
			t.Errorf("%v: not exact with %d packets", r.Key, n)
		}
		if r.Flags&Exact != 0 {
			exact++
		}
		r.Extents, w.Extents = nil, nil
		w.Flags = w.Flags&^Exact | r.Flags&Exact
		if !reflect.DeepEqual(&r, w) {
			t.Fatalf("row\n%+v, want\n%+v", r, *w)
		}
	}
	return exact
}

func TestRowsAreInOrderOfFirstPackets(t *testing.T) {
	b, _ := build(randomTraffic(3, 5000))
	x := b.Index(Info{})
	for i := 1; i < len(x.Rows); i++ {
		if x.Rows[i].Extents[0].Pos <= x.Rows[i-1].Extents[0].Pos {
			t.Fatalf("row %d begins before row %d", i, i-1)
		}
	}
}

// The same segment gives the same octets: fresh or reused memory, and whether it is
// given by hand or by a scan.
func TestSameSegmentSameIndex(t *testing.T) {
	fs := randomTraffic(5, 10000)
	b, pos := build(fs)
	first := encoded(t, b)
	b.Reset()
	other := randomTraffic(6, 3000)
	_, otherPos := segmentOf(other)
	feed(b, other, otherPos)
	encoded(t, b)
	b.Reset()
	feed(b, fs, pos)
	if !bytes.Equal(encoded(t, b), first) {
		t.Error("reused Builder gives another index")
	}
	if !bytes.Equal(encoded(t, b), first) {
		t.Error("encoding twice gives two results")
	}
	file, _ := segmentOf(fs)
	scanned := NewBuilder()
	if _, err := segment.Scan(bytes.NewReader(file), int64(len(file)), segment.Visitor{
		Packet: func(p *segment.Packet) bool { scanned.Packet(p); return true },
	}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(encoded(t, scanned), first) {
		t.Error("a scan gives another index")
	}
}

func TestOriginator(t *testing.T) {
	c, s := h("10.0.0.9", 40000), h("10.0.0.1", 443)
	tests := []struct {
		name   string
		frames []frame
		client host
		known  bool
	}{
		{"SYN", []frame{tcpFrame(c, s, packet.SYN, 0)}, c, true},
		{"SYN from a system port", []frame{tcpFrame(s, c, packet.SYN, 0)}, s, true},
		{"SYN-ACK", []frame{tcpFrame(s, c, packet.SYN|packet.ACK, 0)}, c, true},
		{"under way, from the client", []frame{tcpFrame(c, s, packet.ACK, 9)}, c, false},
		{"under way, from the server", []frame{tcpFrame(s, c, packet.ACK, 9)}, c, false},
		{"under way, then a new connection", []frame{tcpFrame(c, s, packet.ACK, 9), tcpFrame(s, c, packet.SYN, 0)}, s, true},
		{"UDP", []frame{udpFrame(c, s, 9)}, c, false},
		{"UDP, the answer first", []frame{udpFrame(s, c, 9)}, c, false},
		{"both ports high", []frame{udpFrame(h("10.0.0.9", 5000), h("10.0.0.1", 6000), 9)}, h("10.0.0.9", 5000), false},
		{"ARP", []frame{arpFrame(1, host{addr: c.addr}, host{addr: s.addr})}, host{addr: c.addr}, false},
	}
	for _, tt := range tests {
		b, _ := build(tt.frames)
		r := b.Index(Info{}).Rows[0]
		if r.Key.Addr(r.Client) != tt.client.addr.As16() || r.Key.Port(r.Client) != tt.client.port || r.ClientKnown != tt.known {
			t.Errorf("%s: client %v, known %v; want %v, %v", tt.name, r.Client, r.ClientKnown, tt.client, tt.known)
		}
	}
}

func TestNoteTellsClientAndHole(t *testing.T) {
	c, s := h("10.0.0.9", 40000), h("10.0.0.1", 50000)
	b, _ := build([]frame{udpFrame(s, c, 9)})
	k, side := keyOf(packet.ProtoUDP, c, s)
	b.Note(&segment.Note{Kind: segment.Hole, Key: k, Client: side})
	r := b.Index(Info{}).Rows[0]
	if r.Client != side || !r.ClientKnown || r.Flags&Hole == 0 {
		t.Errorf("client %v, known %v, flags %b", r.Client, r.ClientKnown, r.Flags)
	}
}

// A Builder in use allocates nothing for packets and notes.
func TestNoAllocations(t *testing.T) {
	fs := randomTraffic(1, 20000)
	_, pos := segmentOf(fs)
	b := NewBuilder()
	packets := make([]*segment.Packet, len(fs))
	for i := range fs {
		packets[i] = packetOf(fs, pos, i)
	}
	note := segment.Note{Kind: segment.Named, Key: fs[0].key, Name: "www.example.com"}
	round := func() {
		b.Reset()
		for i, p := range packets {
			b.Packet(p)
			if i%16 == 0 {
				b.Note(&note)
			}
		}
	}
	round()
	if n := testing.AllocsPerRun(3, round); n != 0 {
		t.Errorf("%v allocations for %d packets", n, len(fs))
	}
}

func TestFullAtEachLimit(t *testing.T) {
	fs := randomTraffic(2, 4000)
	for i := range 2000 { // 50 connections side by side
		f := tcpFrame(h("10.1.0.1", uint16(2000+i%50)), h("10.1.0.2", 443), packet.ACK, 500)
		f.time = fs[len(fs)-1].time + 1000
		fs = append(fs, f)
	}
	_, pos := segmentOf(fs)
	note := segment.Note{Kind: segment.Named, Key: fs[0].key, Name: "www.example.com"}
	tests := []struct {
		name  string
		limit func(*limits)
	}{
		{"rows", func(l *limits) { l.rows = 300 }},
		{"extents", func(l *limits) { l.extents = 300 }},
		{"notes", func(l *limits) { l.notes = 10 }},
		{"text", func(l *limits) { l.text = 100 }},
	}
	for _, tt := range tests {
		b := NewBuilder()
		tt.limit(&b.limits)
		b.Reset()
		full := -1
		for i := range fs {
			b.Packet(packetOf(fs, pos, i))
			if i%100 == 0 {
				b.Note(&note)
			}
			if full < 0 && b.Full() {
				full = i
			}
		}
		if full <= 0 {
			t.Errorf("%s: never full", tt.name)
		}
		if n := len(b.flows.all); n > b.hardRows() {
			t.Errorf("%s: %d rows", tt.name, n)
		}
		x := b.Index(Info{})
		covered(t, x, fs, blocksOf(pos))
		if tt.name == "notes" && (len(x.Notes) != 12 || int(x.NotesLost) != (len(fs)+99)/100-12) {
			t.Errorf("%d notes, %d lost", len(x.Notes), x.NotesLost)
		}
	}
}

// covered holds that each packet is in its row's extents, or in those of a fold that
// contains its key.
func covered(t *testing.T, x *Index, fs []frame, blocks []Extent) {
	t.Helper()
	rows := map[packet.Key]*Row{}
	for i := range x.Rows {
		rows[x.Rows[i].Key] = &x.Rows[i]
	}
	in := func(es []Extent, i int) bool {
		for _, e := range es {
			if e.Pos <= blocks[i].Pos && blocks[i].End() <= e.End() {
				return true
			}
		}
		return false
	}
	rowPackets, foldPackets := map[packet.Key]uint64{}, 0
	for i, f := range fs {
		r := rows[f.key]
		if r != nil && in(r.Extents, i) && (r.Flags&Exact != 0 || r.Flags&Folded == 0) {
			rowPackets[f.key]++
			continue
		}
		found := false
		if r == nil || r.Flags&Folded != 0 {
			for n := range x.Folds {
				found = found || x.Folds[n].Contains(&f.key) && in(x.Folds[n].Extents, i)
			}
		}
		if !found {
			t.Fatalf("packet %d of %v is nowhere", i, f.key)
		}
		foldPackets++
	}
	sum := uint64(0)
	for i := range x.Rows {
		r := &x.Rows[i]
		if n := r.Packets[0] + r.Packets[1]; r.Flags&Folded == 0 && n != rowPackets[r.Key] {
			t.Fatalf("row of %v has %d packets, want %d", r.Key, n, rowPackets[r.Key])
		}
		sum += r.Packets[0] + r.Packets[1]
	}
	for i := range x.Folds {
		sum += x.Folds[i].Packets
		for n, e := range x.Folds[i].Extents {
			if n > 0 && e.Pos < x.Folds[i].Extents[n-1].End() {
				t.Fatalf("extents of fold %d overlap", i)
			}
		}
	}
	if sum != uint64(len(fs)) {
		t.Fatalf("rows and folds have %d packets, want %d", sum, len(fs))
	}
}
