package search

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"kagami/evidence/index"
	"kagami/packet"
)

// TestFolded: a scan so large that its flows are folded while the segment is written;
// some of them go on behind that.
func TestFolded(t *testing.T) {
	r := newRing(t)
	r.seconds = 600
	g := newTraffic(80)
	events := worker(g.scan(0, 17_000), g.flows(50, 900))
	for n := range 20 { // on the ports of the first flows of the scan
		p := events[n*3].packet
		if p.key.Proto != packet.ProtoTCP {
			continue
		}
		c, s := p.key.Addr(p.side), p.key.Addr(p.side.Other())
		src, dst := host{addrOf(c), p.key.Port(p.side)}, host{addrOf(s), p.key.Port(p.side.Other())}
		events = append(events, event{packet: tcp(at(890+float64(n)), 0, dst, src, packet.ACK, "late")})
	}
	sortEvents(events)
	// All in one segment, then a second.
	for i := range events {
		events[i].packet.time = at(float64(events[i].packet.time-at(0)) / 1e9 / 2)
	}
	r.record(events, g.flows(40, 300))
	folded, back := 0, 0
	for _, e := range r.open().entries {
		f, err := index.Open(e.index[0])
		if err != nil {
			t.Fatal(err)
		}
		rows, folds, err := f.Rows()
		if err != nil {
			t.Fatal(err)
		}
		folded += len(folds)
		for _, row := range rows {
			if row.Flags&index.Folded != 0 {
				back++
			}
		}
		f.Close()
	}
	if folded == 0 || back == 0 {
		t.Fatalf("%d folds, %d flows that came back: this tests nothing", folded, back)
	}
	q := questions{Rand: rand.New(rand.NewPCG(4, 4)), g: g, flows: r.refFlows(0, 0)}
	for n := range 30 {
		x := q.expr(1)
		if n%3 == 0 {
			a := fmt.Sprintf("203.0.113.%d", n)
			x = sample{text: "host " + a, is: func(f *refFlow) bool { return f.has(h(a, 0).addr) }}
		}
		from, to, text := q.window(400)
		if !r.compare(t, text+"("+x.text+")", x, from, to) {
			return
		}
	}
}

// TestManyFlows: more flows under way than are kept are told early, and that is said.
func TestManyFlows(t *testing.T) {
	j := newJoiner(true)
	row := index.Row{Packets: [2]uint64{1, 0}}
	ended := 0
	for n := range 3 * maxUnderWay {
		row.Key.A[0], row.Key.A[1], row.Key.A[2] = byte(n), byte(n>>8), byte(n>>16)
		row.First, row.Last = int64(n), int64(n)
		j.add(part{0, int32(n)}, &row)
		if len(j.open) > maxUnderWay {
			t.Fatalf("%d flows are open", len(j.open))
		}
		last := int64(-1)
		for _, u := range j.take() {
			if u.Last <= last {
				t.Fatalf("not in order: %d behind %d", u.Last, last)
			}
			last = u.Last
			ended++
		}
	}
	if j.crowded != ended || ended < 2*maxUnderWay {
		t.Errorf("%d ended, %d of them early", ended, j.crowded)
	}
	if j.all(); ended+len(j.take()) != 3*maxUnderWay {
		t.Errorf("flows are lost")
	}
	for n := range maxParts + 10 { // one flow in very many segments
		row.First, row.Last = int64(n), int64(n)
		j.add(part{int32(n), 0}, &row)
	}
	if j.parts > maxParts {
		t.Errorf("%d parts are kept", j.parts)
	}
}
