package index

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"kagami/evidence/segment"
	"kagami/packet"
)

func TestFilterNeverMisses(t *testing.T) {
	tests := []struct {
		name   string
		frames []frame
	}{
		{"traffic", randomTraffic(9, 20000)},
		{"port scan", portScan(30000)},
		{"sweep", sweep(50000)},
		{"flood", flood(60000)},
		{"flood beside traffic", mixed(randomTraffic(9, 20000), flood(60000))},
	}
	for _, tt := range tests {
		b, _ := build(tt.frames)
		for _, n := range someNotes(tt.frames) {
			b.Note(&n)
		}
		f := openBytes(t, encoded(t, b))
		for _, fr := range tt.frames {
			k := &fr.key
			for _, h := range []Hash{FlowHash(k), FlowIDHash(k.CommunityID(fr.side)), AddrHash(k.A), AddrHash(k.B), PortHash(k.APort), PortHash(k.BPort)} {
				if !f.May(h) {
					t.Fatalf("%s: %v of %v is missed", tt.name, h, *k)
				}
			}
		}
		for _, name := range []string{"www.evil.example", "evil.example", "EVIL.example.", "laptop-7", "no.flow.example", "2568dcbdb152320c-a1"} {
			if !f.May(NameHash(name)) {
				t.Errorf("%s: name %q is missed", tt.name, name)
			}
		}
		if f.Err() != nil {
			t.Error(f.Err())
		}
	}
}

// wrong is the share of answers that are wrong for flows that are not there.
func wrong(f *File, kind hashKind) float64 {
	r := rand.New(rand.NewPCG(8, 8))
	n, yes := 20000, 0
	for range n {
		if f.May(Hash{kind: kind, value: mix(r.Uint64())}) {
			yes++
		}
	}
	return float64(yes) / float64(n)
}

func TestFilterIsSeldomWrong(t *testing.T) {
	tests := []struct {
		name   string
		frames []frame
		most   float64
	}{
		{"traffic", randomTraffic(9, 20000), 0.015},
		{"few flows", randomTraffic(9, 30), 0.05},
		{"port scan", portScan(60000), 0.03},
		{"sweep", sweep(60000), 0.09},
		{"flood", flood(200000), 0.42},
	}
	for _, tt := range tests {
		b, _ := build(tt.frames)
		out := encoded(t, b)
		f := openBytes(t, out)
		share := wrong(f, hashFlow)
		t.Logf("%s: %.4f of the answers are wrong, filter %d octets, index %.2f %% of the packets", tt.name, share,
			f.h.filter.len(), 100*float64(len(out))/float64(b.stored))
		if share > tt.most {
			t.Errorf("%s: %.4f of the answers are wrong", tt.name, share)
		}
	}
}

// Addresses outside a scan's range are ruled out without the filter's help.
func TestFoldRanges(t *testing.T) {
	b, _ := build(sweep(60000))
	f := openBytes(t, encoded(t, b))
	if !f.May(AddrHash(v4(net10+1<<16+77, 0).addr.As16())) {
		t.Error("an address of the range is ruled out")
	}
	if !f.May(PortHash(445)) || !f.May(PortHash(44321)) {
		t.Error("a port of the scan is ruled out")
	}
	no := [2]int{}
	for i := range uint32(1000) {
		if !f.May(AddrHash(v4(net10+1<<24+i, 0).addr.As16())) {
			no[0]++
		}
		if !f.May(PortHash(uint16(446 + i))) {
			no[1]++
		}
	}
	if no[0] < 850 || no[1] < 850 {
		t.Errorf("of 1000 addresses and ports elsewhere %v are ruled out", no)
	}
}

func TestOneWayICMPHasTwoIDs(t *testing.T) {
	a, b := h("10.0.0.1", 3), h("10.0.0.2", 1) // destination unreachable, host
	for _, swap := range []bool{false, true} {
		if swap {
			a.addr, b.addr = b.addr, a.addr
		}
		f := makeFrame(packet.ProtoICMP, a, b, 0, []byte{3, 1, 0, 0, 0, 0, 0, 0})
		f.key, f.side = keyOf(packet.ProtoICMP, a, b)
		bu, _ := build([]frame{f})
		x := openBytes(t, encoded(t, bu))
		if !x.May(FlowIDHash(f.key.CommunityID(f.side))) || !x.May(FlowHash(&f.key)) {
			t.Errorf("swapped %v: missed", swap)
		}
	}
}

func TestNamesBelow(t *testing.T) {
	b, fs := build(randomTraffic(1, 10))
	_ = fs
	b.Note(&segment.Note{Kind: segment.Named, Name: "a.b.evil.example"})
	f := openBytes(t, encoded(t, b))
	for name, want := range map[string]bool{"a.b.evil.example": true, "b.evil.example": true, "evil.example": true, "A.b.EVIL.example.": true,
		"x.evil.example": false, "vil.example": false, "evil.exampl": false} {
		if f.May(NameHash(name)) != want {
			t.Errorf("%s: want %v", name, want)
		}
	}
}

func TestDamagedBlockAnswersYes(t *testing.T) {
	b, _ := build(randomTraffic(1, 10))
	out := encoded(t, b)
	f := openBytes(t, out)
	absent := NameHash("nowhere.example")
	if f.May(absent) {
		t.Fatal("bad luck: take another name")
	}
	out[f.h.filter.at(absent.value)] ^= 1
	if !f.May(absent) || !errors.Is(f.Err(), ErrCorrupt) {
		t.Errorf("err %v", f.Err())
	}
}

func TestLostNotesAnswerYes(t *testing.T) {
	b := NewBuilder()
	b.limits.notes = 4
	for i := range 10 {
		b.Note(&segment.Note{Kind: segment.Named, Name: fmt.Sprintf("n%d.example.com", i)})
	}
	f := openBytes(t, encoded(t, b))
	if f.Info().NotesLost != 5 || !f.May(NameHash("n9.example.com")) || f.May(PortHash(9)) {
		t.Errorf("lost %d", f.Info().NotesLost)
	}
}

// reads counts them.
type reads struct {
	bytes.Reader
	n, octets int
}

func (r *reads) ReadAt(b []byte, off int64) (int, error) {
	r.n++
	r.octets += len(b)
	return r.Reader.ReadAt(b, off)
}

func TestLookupIsOneRead(t *testing.T) {
	b, _ := build(randomTraffic(1, 1000))
	r := &reads{Reader: *bytes.NewReader(encoded(t, b))}
	f, err := OpenAt(r, 0, r.Size())
	if err != nil {
		t.Fatal(err)
	}
	r.n, r.octets = 0, 0
	f.May(NameHash("www.example.com"))
	if r.n != 1 || r.octets != 32 {
		t.Errorf("%d reads of %d octets", r.n, r.octets)
	}
}
