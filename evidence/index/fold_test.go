package index

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"kagami/evidence/segment"
	"kagami/packet"
)

func v4(n uint32, port uint16) host {
	return host{netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n))), port}
}

const net10 = 10 << 24

// portScan is one source that tries n ports of one target, which refuses.
func portScan(n int) (fs []frame) {
	src, dst := v4(net10+5, 0), v4(net10+1<<16+7, 0)
	for i := range n {
		s, d := src, dst
		s.port, d.port = 44321, uint16(i*7919)
		fs = append(fs, tcpFrame(s, d, packet.SYN, 0), tcpFrame(d, s, packet.RST|packet.ACK, 0))
	}
	return stamp(fs, 20_000)
}

// sweep is one source that tries one port of n neighbours.
func sweep(n int) (fs []frame) {
	for i := range n {
		fs = append(fs, tcpFrame(v4(net10+5, 44321), v4(net10+1<<16+uint32(i*7919)&0xffff, 445), packet.SYN, 0))
	}
	return stamp(fs, 20_000)
}

// flood is n made-up sources of one target.
func flood(n int) (fs []frame) {
	r := rand.New(rand.NewPCG(7, 7))
	for range n {
		fs = append(fs, tcpFrame(v4(r.Uint32(), uint16(r.Uint32())), v4(net10+7, 80), packet.SYN, 0))
	}
	return stamp(fs, 1000)
}

func stamp(fs []frame, step int64) []frame {
	for i := range fs {
		fs[i].time = 1_700_000_000_000_000_000 + int64(i)*step
	}
	return fs
}

// mixed puts the frames of two captures in turn.
func mixed(a, b []frame) (fs []frame) {
	for i := range max(len(a), len(b)) {
		if i < len(a) {
			fs = append(fs, a[i])
		}
		if i < len(b) {
			fs = append(fs, b[i])
		}
	}
	return stamp(fs, 5000)
}

func TestFolds(t *testing.T) {
	scanner, target := v4(net10+5, 0).addr.As16(), v4(net10+7, 0).addr.As16()
	tests := []struct {
		name   string
		frames []frame
		rows   int // at most
		want   Fold
	}{
		{"ports of one target", portScan(30000), 0, Fold{Addr: scanner, Proto: 6, Client: true, Dense: true, Flows: 30000, Packets: 60000}},
		{"neighbours", sweep(50000), 0, Fold{Addr: scanner, Proto: 6, Client: true, Dense: true, Flows: 50000, Packets: 50000}},
		{"made-up sources", flood(50000), 0, Fold{Addr: target, Proto: 6, Flows: 50000, Packets: 50000}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, pos := build(tt.frames)
			if b.Full() {
				t.Error("full")
			}
			x := b.Index(Info{})
			if len(x.Rows) > tt.rows || len(x.Folds) != 1 {
				t.Fatalf("%d rows, %d folds", len(x.Rows), len(x.Folds))
			}
			f := x.Folds[0]
			got := Fold{Addr: f.Addr, Proto: f.Proto, Client: f.Client, Dense: f.Dense, Flows: f.Flows, Packets: f.Packets}
			if !equalFold(got, tt.want) {
				t.Errorf("fold %+v, want %+v", got, tt.want)
			}
			covered(t, x, tt.frames, blocksOf(pos))
			if f.First != tt.frames[0].time || f.Last != tt.frames[len(tt.frames)-1].time || x.Flows != f.Flows {
				t.Errorf("times %d, %d; %d flows", f.First, f.Last, x.Flows)
			}
		})
	}
}

func equalFold(a, b Fold) bool {
	return a.Addr == b.Addr && a.Proto == b.Proto && a.Client == b.Client && a.Dense == b.Dense && a.Flows == b.Flows && a.Packets == b.Packets
}

// Real connections keep their rows beside a scan, and so do flows with notes.
func TestFoldsLeaveTheRest(t *testing.T) {
	var web []frame
	for i := range 2000 {
		c, s := v4(net10+100+uint32(i%7), uint16(2000+i%100)), v4(net10+7, 80)
		web = append(web, tcpFrame(c, s, packet.ACK, 1000), tcpFrame(s, c, packet.ACK, 1400))
	}
	fs := mixed(web, flood(30000))
	named := udpFrame(v4(net10+300, 5000), v4(net10+7, 53), 40)
	fs = append(fs, named)
	_, pos := segmentOf(fs)
	b := NewBuilder()
	feed(b, fs, pos)
	b.Note(&segment.Note{Kind: segment.Named, Key: named.key, Name: "a.example"})
	x := b.Index(Info{})
	covered(t, x, fs, blocksOf(pos))
	if len(x.Folds) != 1 || len(x.Rows) != 701 {
		t.Fatalf("%d folds, %d rows", len(x.Folds), len(x.Rows))
	}
	if len(x.Notes) != 1 || x.Notes[0].Key != named.key {
		t.Errorf("notes %+v", x.Notes)
	}
}

// Attempts from everywhere to everywhere are no scan of anybody; many are folded all
// the same.
func TestStrangers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 9))
	var fs []frame
	for range 40000 {
		fs = append(fs, tcpFrame(v4(r.Uint32(), uint16(r.Uint32())), v4(r.Uint32(), uint16(r.Uint32())), packet.SYN, 0))
	}
	fs = stamp(fs, 1000)
	b, pos := build(fs)
	x := b.Index(Info{})
	if len(x.Folds) != 1 || !x.Folds[0].Any || len(x.Rows) >= manyLoners || b.Full() {
		t.Fatalf("%d rows, folds %+v", len(x.Rows), x.Folds)
	}
	covered(t, x, fs, blocksOf(pos))
	out := encoded(t, b)
	if share := float64(len(out)) / float64(b.stored); share > 0.025 {
		t.Errorf("index is %.4f of the packets", share)
	}
	f := openBytes(t, out)
	for _, fr := range fs {
		if !f.May(FlowHash(&fr.key)) || !f.May(AddrHash(fr.key.A)) || !f.May(PortHash(fr.key.BPort)) {
			t.Fatalf("the filter misses %v", fr.key)
		}
	}
}

// A few hundred attempts in much other traffic stay rows.
func TestFewAttemptsAreNotFolded(t *testing.T) {
	var web []frame
	for i := range 5000 {
		web = append(web, tcpFrame(v4(net10+100, uint16(2000+i%10)), v4(net10+7, 80), packet.ACK, 1400))
	}
	b, _ := build(mixed(web, sweep(400)))
	if x := b.Index(Info{}); len(x.Folds) != 0 || len(x.Rows) != 410 {
		t.Errorf("%d folds, %d rows", len(x.Folds), len(x.Rows))
	}
}

// A flow of which the first packets were folded says so when it goes on.
func TestFlowThatComesBack(t *testing.T) {
	fs := sweep(40000)
	again := tcpFrame(v4(net10+1<<16, 445), v4(net10+5, 44321), packet.ACK, 700)
	again.time = fs[len(fs)-1].time
	fs = append(fs, again)
	b, pos := build(fs)
	x := b.Index(Info{})
	covered(t, x, fs, blocksOf(pos))
	var r *Row
	for i := range x.Rows {
		if x.Rows[i].Key == again.key {
			r = &x.Rows[i]
		}
	}
	if r == nil || r.Flags&Folded == 0 || r.Packets != [2]uint64{0, 1} {
		t.Errorf("row %+v", r)
	}
	for i := range x.Rows {
		if r := &x.Rows[i]; r.Flags&Folded != 0 && r.Key != again.key {
			t.Errorf("%v is said to be folded", r.Key)
		}
	}
}

// More flows than there is room for, none of which can be folded, lose nothing.
func TestOverflow(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var fs []frame
	for range 3000 {
		fs = append(fs, tcpFrame(v4(r.Uint32(), uint16(r.Uint32())), v4(r.Uint32(), uint16(r.Uint32())), packet.ACK, 100))
	}
	stamp(fs, 1000)
	_, pos := segmentOf(fs)
	b := NewBuilder()
	b.limits.rows = 1000
	b.Reset()
	feed(b, fs, pos)
	x := b.Index(Info{})
	if len(x.Rows) != 1250 || len(x.Folds) != 1 || !x.Folds[0].Any || x.Folds[0].Packets != 1750 || !b.Full() {
		t.Fatalf("%d rows, folds %+v", len(x.Rows), x.Folds)
	}
	covered(t, x, fs, blocksOf(pos))
	f := openBytes(t, encoded(t, b))
	for _, fr := range fs {
		if !f.May(FlowHash(&fr.key)) || !f.May(AddrHash(fr.key.A)) || !f.May(PortHash(fr.key.BPort)) {
			t.Fatalf("the filter misses %v", fr.key)
		}
	}
}

// The number of folds and of their extents is bounded, too.
func TestFoldLimits(t *testing.T) {
	var fs []frame
	for n := range uint32(5) {
		for i := range 300 {
			fs = append(fs, tcpFrame(v4(net10+n, 4444), v4(net10+1<<16+uint32(i), 445), packet.SYN, 0))
		}
	}
	fs = stamp(fs, 1000)
	_, pos := segmentOf(fs)
	b := NewBuilder()
	b.limits.folds = 3
	b.Reset()
	feed(b, fs, pos)
	x := b.Index(Info{})
	if len(x.Folds) != 3 || len(x.Rows) != 600 {
		t.Errorf("%d folds, %d rows", len(x.Folds), len(x.Rows))
	}
	covered(t, x, fs, blocksOf(pos))

	var far []frame
	for i, f := range sweep(2000) {
		far = append(far, f)
		if i%2 == 0 { // so that each attempt is in a block of its own
			far = append(far, tcpFrame(v4(net10+99, 5), v4(net10+98, 5), packet.ACK, 60000))
		}
	}
	far = stamp(far, 1000)
	_, pos = segmentOf(far)
	b = NewBuilder()
	b.limits.rows, b.limits.extents = 1000, 100
	b.Reset()
	feed(b, far, pos)
	x = b.Index(Info{})
	if len(x.Folds) != 1 || len(x.Folds[0].Extents) > 200 || !b.Full() {
		t.Errorf("%d folds, %d extents, full %v", len(x.Folds), len(x.Folds[0].Extents), b.Full())
	}
	covered(t, x, far, blocksOf(pos))
}

func TestFoldContains(t *testing.T) {
	one := v4(net10+5, 0).addr.As16()
	f := Fold{Addr: one, Proto: 6, Low: v4(net10+16, 0).addr.As16(), High: v4(net10+31, 0).addr.As16(),
		Ports: [2]uint16{1000, 2000}, Others: [2]uint16{80, 443}}
	tests := []struct {
		name       string
		proto      uint8
		port       uint16
		other      uint32
		othersPort uint16
		want       bool
	}{
		{"inside", 6, 1500, net10 + 20, 80, true},
		{"lowest", 6, 1000, net10 + 16, 80, true},
		{"highest", 6, 2000, net10 + 31, 443, true},
		{"other address", 6, 1500, net10 + 32, 80, false},
		{"port of the one", 6, 2001, net10 + 20, 80, false},
		{"port of the other", 6, 1500, net10 + 20, 444, false},
		{"protocol", 17, 1500, net10 + 20, 80, false},
		{"below the one", 6, 1500, net10 + 4, 80, false},
	}
	for _, tt := range tests {
		for _, swap := range []bool{false, true} {
			a, b := host{netip.AddrFrom16(one), tt.port}, v4(tt.other, tt.othersPort)
			if swap {
				a, b = b, a
			}
			k, _ := keyOf(tt.proto, a, b)
			if got := f.Contains(&k); got != tt.want {
				t.Errorf("%s: %v", tt.name, got)
			}
		}
	}
	if (&Fold{Any: true}).Contains(&packet.Key{}) != true {
		t.Error("a fold of anything does not contain all")
	}
}
