package search

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"kagami/evidence/index"
	"kagami/evidence/query"
	"kagami/evidence/segment"
	"kagami/packet"
)

// The reference: flows and queries worked out from the packets alone, by other means
// than the package's.

// refFlow is a flow of the reference.
type refFlow struct {
	key         packet.Key
	client      packet.Side
	known       bool
	vlan        [2]uint16
	first, last int64
	bytes       uint64
	cut, noIP   bool
	closed      bool
	fin         [2]bool
	packets     []*stored
}

// refFlows are all flows, of what the segments that touch the window hold.
func (r *ring) refFlows(from, to int64) []*refFlow {
	parts := map[uint64]map[packet.Key]*refFlow{}
	first, last := map[uint64]int64{}, map[uint64]int64{}
	var order []uint64
	for _, p := range r.all {
		n := p.segment
		if parts[n] == nil {
			parts[n] = map[packet.Key]*refFlow{}
			first[n], last[n] = p.time, p.time
			order = append(order, n)
		}
		first[n], last[n] = min(first[n], p.time), max(last[n], p.time)
		f := parts[n][p.key]
		if f == nil {
			f = &refFlow{key: p.key, client: p.side, first: p.time, last: p.time}
			parts[n][p.key] = f
		}
		f.take(p)
	}
	slices.SortStableFunc(order, func(a, b uint64) int { return cmp.Compare(first[a], first[b]) })
	var all []*refFlow
	open := map[packet.Key]*refFlow{}
	for _, n := range order {
		if last[n] < from || to != 0 && first[n] >= to {
			continue
		}
		for k, f := range open { // nothing that begins later can be joined
			if f.last+10*60*1e9 < first[n] || f.closed && f.last+5*1e9 < first[n] {
				delete(open, k)
			}
		}
		for k, part := range parts[n] {
			f := open[k]
			if f == nil || part.first-f.last > 10*60*1e9 || f.closed && part.syn() {
				open[k] = part
				all = append(all, part)
				continue
			}
			f.join(part)
		}
	}
	return all
}

func (f *refFlow) syn() bool {
	return slices.ContainsFunc(f.packets, func(p *stored) bool { return p.flags&packet.SYN != 0 })
}

func (f *refFlow) take(p *stored) {
	if p.key == (packet.Key{}) {
		f.noIP = true
	}
	f.first, f.last = min(f.first, p.time), max(f.last, p.time)
	f.bytes += uint64(p.wire)
	f.cut = f.cut || int(p.wire) > len(p.data)
	if f.vlan[p.side] == 0 {
		f.vlan[p.side] = p.vlan
	}
	if p.flags&packet.SYN != 0 && !f.known {
		f.known, f.client = true, p.side
		if p.flags&packet.ACK != 0 {
			f.client = p.side.Other()
		}
	}
	f.packets = append(f.packets, p)
	f.fin[p.side] = f.fin[p.side] || p.flags&packet.FIN != 0
	f.closed = f.closed || p.flags&packet.RST != 0 || f.fin[0] && f.fin[1]
}

func (f *refFlow) join(p *refFlow) {
	f.first, f.last = min(f.first, p.first), max(f.last, p.last)
	f.bytes += p.bytes
	f.cut = f.cut || p.cut
	f.closed = f.closed || p.closed
	if !f.known && p.known {
		f.known, f.client = true, p.client
	}
	for s := range 2 {
		if f.vlan[s] == 0 {
			f.vlan[s] = p.vlan[s]
		}
	}
	f.packets = append(f.packets, p.packets...)
}

// sample is a query as text, its meaning, and the same for tcpdump ("" = it cannot say).
type sample struct {
	text, dump string
	is         func(f *refFlow) bool
}

// asker makes random queries.
type questions struct {
	*rand.Rand
	g     *traffic
	flows []*refFlow
	plain bool // what tcpdump can say only
}

func (q *questions) addr() netip.Addr {
	return slices.Concat(q.g.clients, q.g.servers)[q.IntN(len(q.g.clients)+len(q.g.servers))]
}

func (f *refFlow) has(a netip.Addr) bool {
	return !f.noIP && (f.key.A == a.As16() || f.key.B == a.As16())
}

func (f *refFlow) ports(low, high uint16) bool {
	in := func(p uint16) bool { return low <= p && p <= high }
	return (f.key.Proto == 6 || f.key.Proto == 17) && !f.noIP && (in(f.key.APort) || in(f.key.BPort))
}

func (q *questions) atom() sample {
	n := 10
	if q.plain {
		n = 5
	}
	switch q.IntN(n) {
	case 0, 1:
		a := q.addr()
		dump := "host " + a.String()
		return sample{"host " + a.String(), dump, func(f *refFlow) bool { return f.has(a) }}
	case 2:
		p := netip.PrefixFrom(q.addr(), 24).Masked()
		return sample{"net " + p.String(), "net " + p.String(), func(f *refFlow) bool {
			x, y := netip.AddrFrom16(f.key.A).Unmap(), netip.AddrFrom16(f.key.B).Unmap()
			return !f.noIP && (p.Contains(x) || p.Contains(y))
		}}
	case 3:
		low := q.g.ports[q.IntN(len(q.g.ports))]
		high := low
		text, dump := fmt.Sprintf("port %d", low), fmt.Sprintf("port %d", low)
		if q.IntN(2) == 0 {
			high = low + uint16(q.IntN(400))
			text, dump = fmt.Sprintf("port %d-%d", low, high), fmt.Sprintf("portrange %d-%d", low, high)
		}
		return sample{text, dump, func(f *refFlow) bool { return f.ports(low, high) }}
	case 4:
		name := []string{"tcp", "udp", "icmp", "arp"}[q.IntN(4)]
		proto := map[string]uint8{"tcp": 6, "udp": 17, "icmp": 1, "arp": index.ProtoARP}[name]
		return sample{"proto " + name, name, func(f *refFlow) bool { return !f.noIP && f.key.Proto == proto }}
	case 5:
		a, word := q.addr(), []string{"client", "server"}[q.IntN(2)]
		return sample{word + " " + a.String(), "", func(f *refFlow) bool {
			switch {
			case f.noIP:
				return false
			case !f.known:
				return f.has(a)
			case word == "client":
				return f.key.Addr(f.client) == a.As16()
			}
			return f.key.Addr(f.client.Other()) == a.As16()
		}}
	case 6:
		v := uint16(10 + q.IntN(3))
		return sample{fmt.Sprintf("vlan %d", v), "", func(f *refFlow) bool { return f.vlan[0] == v || f.vlan[1] == v }}
	case 7:
		n := uint64(100 << q.IntN(12))
		return sample{fmt.Sprintf("bytes > %d", n), "", func(f *refFlow) bool { return f.bytes > n }}
	case 8:
		return sample{"cut", "", func(f *refFlow) bool { return f.cut }}
	}
	f := q.flows[q.IntN(len(q.flows))]
	id := f.key.CommunityID(f.client)
	return sample{"flow " + id, "", func(o *refFlow) bool {
		if o.noIP || o.key.Proto == index.ProtoARP { // these have none
			return false
		}
		return o.key.CommunityID(0) == id || o.key.CommunityID(1) == id
	}}
}

func (q *questions) expr(depth int) sample {
	if depth == 0 || q.IntN(3) == 0 {
		return q.atom()
	}
	x := q.expr(depth - 1)
	if q.IntN(5) == 0 {
		return sample{"not (" + x.text + ")", "not (" + x.dump + ")", func(f *refFlow) bool { return !x.is(f) }}
	}
	y := q.expr(depth - 1)
	if q.IntN(2) == 0 {
		return sample{"(" + x.text + ") and (" + y.text + ")", "(" + x.dump + ") and (" + y.dump + ")", func(f *refFlow) bool { return x.is(f) && y.is(f) }}
	}
	return sample{"(" + x.text + ") or (" + y.text + ")", "(" + x.dump + ") or (" + y.dump + ")", func(f *refFlow) bool { return x.is(f) || y.is(f) }}
}

// window is a random part of the recording; open at either end half of the time.
func (q *questions) window(seconds float64) (from, to int64, text string) {
	if q.IntN(2) == 0 {
		from = at(q.Float64() * seconds)
		text = "from " + time.Unix(0, from).UTC().Format(time.RFC3339Nano) + " "
	}
	if q.IntN(2) == 0 {
		to = max(from, at(0)) + int64(q.Float64()*seconds*1e9)
		text += "to " + time.Unix(0, to).UTC().Format(time.RFC3339Nano) + " "
	}
	return from, to, text
}

// line is what a packet is compared by.
func line(when int64, wire uint32, data []byte) string {
	return fmt.Sprintf("%d %d %x", when, wire, data)
}

func parse(t testing.TB, text string) *query.Query {
	t.Helper()
	q, err := query.Parse(text, query.Options{Now: base.Add(time.Hour)})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return q
}

// got are the packets of a file that Get has written, and its comments.
func got(t testing.TB, b []byte) (lines []string) {
	t.Helper()
	last := int64(0)
	res, err := segment.Scan(bytes.NewReader(b), int64(len(b)), segment.Visitor{Packet: func(p *segment.Packet) bool {
		lines = append(lines, line(p.Time, p.WireLen, p.Data))
		if p.Time < last {
			t.Errorf("packet of %d comes behind one of %d", p.Time, last)
		}
		last = p.Time
		return true
	}})
	if err != nil || res.Damages > 0 {
		t.Fatalf("what get wrote: %v, %d damages", err, res.Damages)
	}
	return lines
}

func getAll(t testing.TB, s *Store, text string, o GetOptions) ([]byte, *Report) {
	t.Helper()
	var out bytes.Buffer
	rep, err := s.Get(context.Background(), parse(t, text), o, &out)
	if err != nil {
		t.Fatalf("get %s: %v", text, err)
	}
	return out.Bytes(), rep
}

func findAll(t testing.TB, s *Store, text string) ([]*Flow, *Report) {
	t.Helper()
	var flows []*Flow
	rep, err := s.Find(context.Background(), parse(t, text), Options{}, func(f *Flow) bool {
		flows = append(flows, f)
		return true
	})
	if err != nil {
		t.Fatalf("find %s: %v", text, err)
	}
	return flows, rep
}

// TestAgainstReference: random queries over random rings find the flows and get the
// packets that the reference works out.
func TestAgainstReference(t *testing.T) {
	queries := 0
	seeds := uint64(6)
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		g := newTraffic(seed)
		r := newRing(t)
		r.seconds = []float64{20, 60, 400}[seed%3]
		if seed%2 == 0 {
			r.unindex = func(n uint64) bool { return n%5 == 4 }
		}
		r.record(worker(g.flows(150, 1200), g.scan(100, int(seed)*500)), g.flows(120, 1300))
		if seed%2 == 1 {
			r.chapters()
		}
		q := questions{Rand: rand.New(rand.NewPCG(seed, 9)), g: g, flows: r.refFlows(0, 0)}
		for range 40 {
			x := q.expr(2)
			from, to, text := q.window(1300)
			text += "(" + x.text + ")"
			if !r.compare(t, text, x, from, to) {
				t.Fatalf("seed %d", seed)
			}
			queries++
		}
	}
	t.Logf("%d queries", queries)
}

func (r *ring) compare(t *testing.T, text string, x sample, from, to int64) bool {
	t.Helper()
	var wantFlows, wantPackets []string
	for _, f := range r.refFlows(from, to) {
		if !x.is(f) || f.last < from || to != 0 && f.first >= to {
			continue
		}
		wantFlows = append(wantFlows, fmt.Sprint(f.key, f.first, f.last, len(f.packets), f.bytes))
		for _, p := range f.packets {
			if p.time >= from && (to == 0 || p.time < to) {
				wantPackets = append(wantPackets, line(p.time, p.wire, p.data))
			}
		}
	}
	s := r.open()
	flows, _ := findAll(t, s, text)
	var gotFlows []string
	for _, f := range flows {
		gotFlows = append(gotFlows, fmt.Sprint(f.Key, f.First, f.Last, f.Packets[0]+f.Packets[1], f.Bytes[0]+f.Bytes[1]))
	}
	b, rep := getAll(t, s, text, GetOptions{})
	packets := got(t, b)
	if rep.Packets != uint64(len(packets)) {
		t.Errorf("%s: the report says %d packets, the file has %d", text, rep.Packets, len(packets))
	}
	return same(t, text+": flows", gotFlows, wantFlows) && same(t, text+": packets", packets, wantPackets)
}

// same compares two bags of lines.
func same(t *testing.T, what string, got, want []string) bool {
	t.Helper()
	got, want = slices.Clone(got), slices.Clone(want)
	slices.Sort(got)
	slices.Sort(want)
	if slices.Equal(got, want) {
		return true
	}
	var extra, missing []string
	count := map[string]int{}
	for _, w := range want {
		count[w]++
	}
	for _, g := range got {
		if count[g]--; count[g] < 0 {
			extra = append(extra, g)
		}
	}
	for w, n := range count {
		if n > 0 {
			missing = append(missing, w)
		}
	}
	t.Errorf("%s: got %d, want %d\nextra: %s\nmissing: %s", what, len(got), len(want), short(extra), short(missing))
	return false
}

func short(lines []string) string {
	if len(lines) > 3 {
		lines = append(lines[:3:3], "…")
	}
	for i := range lines {
		lines[i] = lines[i][:min(len(lines[i]), 300)]
	}
	return strings.Join(lines, "\n  ")
}
