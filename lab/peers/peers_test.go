package peers

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"kagami/packet"
	"kagami/records"
)

const second = int64(time.Second)

// epoch is the start of the tests' time: a full hour.
const epoch = int64(1_772_409_600) * second

var inside = netip.MustParseAddr("10.0.0.5")

// flow is one connection of a machine inside.
func flow(uid uint64, at int64, proto uint8, server netip.AddrPort, state, history string) *records.Flow {
	m := records.Meta{At: at + second, UID: uid, ClientInternal: true, ServerInternal: server.Addr().IsPrivate()}
	m.Key, m.Orig = packet.PairKey(inside, server.Addr(), server.Port())
	m.Key.Proto = proto
	f := records.NewFlow(m)
	f.Start, f.End, f.ConnState, f.History = at, at+second, state, history
	f.Orig = records.Counts{Packets: 3, IPBytes: 600}
	if state == "SF" {
		f.Resp = records.Counts{Packets: 3, IPBytes: 900}
	}
	return f
}

func host(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}) }

// probe is the number of the probe at which a peer first speaks, 0 = never.
func probe(p Peer, n int, spacing int64, make func(i int, at int64) records.Record) int {
	for i := 1; i <= n; i++ {
		p.Observe(make(i, epoch+int64(i)*spacing))
		if len(p.Alerts()) > 0 {
			return i
		}
	}
	return 0
}

func TestSweepOfUnansweredHosts(t *testing.T) {
	sweep := func(port uint16) func(int, int64) records.Record {
		return func(i int, at int64) records.Record {
			return flow(uint64(i), at, packet.ProtoTCP, netip.AddrPortFrom(host(256+i), port), "S0", "S")
		}
	}
	for _, c := range []struct {
		peer    Peer
		spacing int64
		port    uint16
		want    int
	}{
		{NewZeekScan(), 1, 445, 25},
		{NewZeekScan(), 10, 445, 25},
		{NewZeekScan(), 30, 445, 0}, // 10 in an epoch
		{NewSimpleScan(), 1, 445, 100},
		{NewSimpleScan(), 120, 445, 100},
		{NewSimpleScan(), 1000, 445, 0}, // forgotten after 15 min
		{NewSlips(), 1, 445, 6},
		{NewSlips(), 600, 445, 6 + 5}, // the first hour holds 5, as does each; 600 s from its beginning: 6 in the second
		{NewSlips(), 1200, 445, 0},
		{NewMaltrail(), 1, 445, 0}, // 30 in a window
		{NewMaltrail(), 0, 445, 33},
		{NewMaltrail(), 0, 8443, 0}, // not a worm's port
	} {
		name := fmt.Sprintf("%s every %d s port %d", c.peer.Name(), c.spacing, c.port)
		got := probe(c.peer, 300, c.spacing*second, sweep(c.port))
		if got != c.want {
			t.Errorf("%s: told at probe %d, want %d", name, got, c.want)
		}
	}
}

func TestPortsOfOneHost(t *testing.T) {
	ports := func(i int, at int64) records.Record {
		return flow(uint64(i), at, packet.ProtoTCP, netip.AddrPortFrom(host(300), uint16(i)), "REJ", "Sr")
	}
	for _, c := range []struct {
		peer Peer
		want int
	}{{NewZeekScan(), 15}, {NewSimpleScan(), 250}, {NewSlips(), 6}, {NewMaltrail(), 11}} {
		if got := probe(c.peer, 300, second/10, ports); got != c.want {
			t.Errorf("%s: told at port %d, want %d", c.peer.Name(), got, c.want)
		}
	}
}

func TestAnsweredConnectionsAreNoScan(t *testing.T) {
	for _, p := range All() {
		got := probe(p, 300, 20*second, func(i int, at int64) records.Record {
			return flow(uint64(i), at, packet.ProtoTCP, netip.AddrPortFrom(host(256+i), 445), "SF", "ShADadFf")
		})
		if got != 0 {
			t.Errorf("%s: told at connection %d", p.Name(), got)
		}
	}
}

func TestSlipsNeighboursAndPings(t *testing.T) {
	arp := func(gratuitous bool) func(int, int64) records.Record {
		return func(i int, at int64) records.Record {
			m := records.Meta{At: at}
			a := records.NewARP(m)
			a.Op, a.Sender, a.Target = 1, inside, host(256+i)
			if gratuitous {
				a.Target = inside
			}
			return a
		}
	}
	ping := func(kind uint8) func(int, int64) records.Record {
		return func(i int, at int64) records.Record {
			f := flow(uint64(i), at, packet.ProtoICMP, netip.AddrPortFrom(host(256+i), 0), "OTH", "")
			f.ICMPType = kind
			return f
		}
	}
	for _, c := range []struct {
		name string
		make func(int, int64) records.Record
		want int
	}{
		{"ARP requests", arp(false), 5}, {"announcements", arp(true), 0},
		{"echo requests", ping(8), 5}, {"echo replies", ping(0), 0},
	} {
		if got := probe(NewSlips(), 50, second, c.make); got != c.want {
			t.Errorf("%s: told at %d, want %d", c.name, got, c.want)
		}
	}
}

func TestSameIsToldOnceADay(t *testing.T) {
	p, n, updates := NewSlips(), 0, 0
	for i := range 3 * 86400 / 60 {
		p.Observe(flow(uint64(i), epoch+int64(i)*60*second, packet.ProtoTCP, netip.AddrPortFrom(host(256+i), 445), "S0", "S"))
		for _, a := range p.Alerts() {
			n++
			if a.Update {
				updates++
			}
		}
	}
	if n != 3 || updates != 2 {
		t.Errorf("%d alerts in three days, %d of them updates, want 3 and 2", n, updates)
	}
}
