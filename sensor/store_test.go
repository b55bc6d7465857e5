package sensor_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// shelf is a Store that remembers how much of each frame it got.
type shelf struct {
	kept  []kept
	whole int // from so many packets on, everything is wanted whole; 0 = never
}

type kept struct {
	captured int
	wire     uint32
}

func (s *shelf) Add(f *sensor.Frame, _ sensor.Class, _ int) {
	s.kept = append(s.kept, kept{len(f.Data), f.WireLen})
}
func (s *shelf) Note(records.Record)    {}
func (s *shelf) Tick(int64, uint64)     {}
func (s *shelf) Whole(*packet.Key) bool { return s.whole > 0 && len(s.kept) >= s.whole }

// sealedBulk is a download: 100 octets of payload a packet, each acknowledged, of
// a protocol that is done with the word quit.
func sealedBulk(t testing.TB, packets int) *conn {
	c := newTraffic(t).conn()
	c.open().seg('c', ".", 0, 0, "quit")
	for i := range packets {
		c.seg('s', ".", 100*i, 4, strings.Repeat("x", 100)).seg('c', ".", 4, 100*(i+1), "")
	}
	return c
}

// TestAlertedFlowsAreWhole: a flow that an alert is about is not cut, and one that
// was cut already is not any more, within 64 packets.
func TestAlertedFlowsAreWhole(t *testing.T) {
	const headers, bulk = 14 + 20 + 20, 300
	for _, c := range []struct {
		name               string
		whole, least, most int
	}{
		{"alerted before the cutoff", 1, bulk, bulk},
		{"alerted while it is cut", 300, 20 + (2*bulk-300-64)/2, 20 + (2*bulk-300)/2 + 1},
		{"never", 0, 20, 20},
	} {
		s := &shelf{whole: c.whole}
		e := cutEngine(2000, s, true, func([]records.Record) {})
		if err := e.Read(context.Background(), &memory{frames: sealedBulk(t, bulk).frames, size: 7}); err != nil {
			t.Fatal(err)
		}
		whole := 0
		for _, k := range s.kept {
			if k.captured == headers+100 {
				whole++
			}
		}
		if whole < c.least || whole > c.most {
			t.Errorf("%s: %d of %d packets whole, want %d to %d", c.name, whole, bulk, c.least, c.most)
		}
	}
}

func cutEngine(cutoff int, store sensor.Store, encrypted bool, out func([]records.Record)) *sensor.Engine {
	c := sensor.DefaultConfig()
	c.Workers, c.Cutoff = 1, cutoff
	var log strings.Builder
	p := script(&log, packet.ProtoTCP)
	p.Encrypted = encrypted
	n, _ := sensor.NewNetworks(sensor.DefaultZones(), "Untrust")
	return sensor.New(sensor.Options{Config: c, Networks: n, Protocols: []sensor.Protocol{p}, Output: out,
		Store: func(int) sensor.Store { return store }})
}

func TestCutoff(t *testing.T) {
	const headers = 14 + 20 + 20
	clear := sealedBulk(t, 50)
	open := newTraffic(t).conn()
	open.open().seg('c', ".", 0, 0, "read on") // its decoder reads to the end
	for i := range 50 {
		open.seg('s', ".", 100*i, 7, strings.Repeat("x", 100))
	}
	last := sealedBulk(t, 50)
	last.seg('s', "F.", 5000, 4, "last words").seg('c', "R.", 4, 5011, "")
	for _, c := range []struct {
		name      string
		frames    []sensor.Frame
		cutoff    int
		encrypted bool
		whole     int // packets that are kept whole and longer than the shortest frame
		cut       int
	}{
		{"encrypted", sealedBulk(t, 50).frames, 2000, true, 20, 30},
		{"the cutoff at a packet's middle", sealedBulk(t, 50).frames, 1950, true, 20, 30},
		{"small cutoff: what set the flow up is kept", sealedBulk(t, 50).frames, 100, true, 8, 42},
		{"in clear, or not known", clear.frames, 2000, false, 50, 0},
		{"still being decoded", open.frames, 2000, true, 51, 0},
		{"no cutoff", sealedBulk(t, 50).frames, 0, true, 50, 0},
		{"payload in a FIN", last.frames, 2000, true, 20, 31},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := new(shelf)
			e := cutEngine(c.cutoff, s, c.encrypted, func([]records.Record) {})
			if err := e.Read(context.Background(), &memory{frames: slices.Clone(c.frames), size: 7}); err != nil {
				t.Fatal(err)
			}
			if len(s.kept) != len(c.frames) {
				t.Fatalf("%d of %d frames kept", len(s.kept), len(c.frames))
			}
			whole, cut, octets := 0, 0, 0
			for i, k := range s.kept {
				f := &c.frames[i]
				switch {
				case k.wire != f.WireLen:
					t.Errorf("frame %d: %d octets on the wire, want %d", i, k.wire, f.WireLen)
				case len(f.Data) <= 60: // little or no payload
				case k.captured == len(f.Data):
					whole++
				case k.captured == headers:
					cut++
					octets += len(f.Data) - headers
				default:
					t.Errorf("frame %d: %d of %d octets kept", i, k.captured, len(f.Data))
				}
			}
			if whole != c.whole || cut != c.cut {
				t.Errorf("%d packets kept whole and %d cut, want %d and %d", whole, cut, c.whole, c.cut)
			}
			if st := e.Stats(); st.CutPackets != uint64(cut) || st.CutBytes != uint64(octets) {
				t.Errorf("counted %d packets and %d octets, want %d and %d", st.CutPackets, st.CutBytes, cut, octets)
			}
		})
	}
}

// TestNothingEscapesTheStore: what cannot be parsed, and fragments of a flow that
// is past its cutoff, are kept whole.
func TestNothingEscapesTheStore(t *testing.T) {
	c := sealedBulk(t, 50)
	c.seg('s', ".", 5000, 4, strings.Repeat("f", 100))
	first, second := halves(*c.last())
	c.frames = append(c.frames[:len(c.frames)-1], first, second)
	broken := c.frames[0]
	broken.Data, broken.WireLen = broken.Data[:20], 20
	c.frames = append(c.frames, broken)
	s := new(shelf)
	e := cutEngine(2000, s, true, func([]records.Record) {})
	if err := e.Read(context.Background(), &memory{frames: slices.Clone(c.frames), size: 7}); err != nil {
		t.Fatal(err)
	}
	if st := e.Stats(); st.Fragments.Datagrams != 1 || st.Outcomes[packet.Truncated]+st.Outcomes[packet.BadHeader] != 1 {
		t.Fatalf("stats %+v", st)
	}
	n := len(c.frames)
	for i := n - 3; i < n; i++ {
		if len(s.kept) != n || s.kept[i].captured != len(c.frames[i].Data) {
			t.Fatalf("%d of %d frames kept; of frame %d: %+v", len(s.kept), n, i, s.kept[i])
		}
	}
}

// halves makes two fragments of a datagram.
func halves(f sensor.Frame) (a, b sensor.Frame) {
	const header, cut = 14 + 20, 64
	a, b = f, f
	a.Data = bytes.Clone(f.Data[:header+cut])
	b.Data = append(bytes.Clone(f.Data[:header]), f.Data[header+cut:]...)
	a.Data[14+6] = 0x20 // more fragments
	b.Data[14+7] = cut / 8
	for _, x := range []*sensor.Frame{&a, &b} {
		x.WireLen = uint32(len(x.Data))
		x.Data[14+2], x.Data[14+3] = 0, byte(len(x.Data)-14)
	}
	return a, b
}

// headersKernel is a live source that can hand over headers alone.
type headersKernel struct {
	kernel
	only     map[packet.Key]uint32
	asked    int
	released int
	forgets  bool // as an LRU map may
}

func (k *headersKernel) Next(b *sensor.Batch) error {
	err := k.memory.Next(b)
	for i := range b.Frames {
		f := &b.Frames[i]
		var p packet.Packet
		if p.Parse(f.Data, f.WireLen, f.Link) == packet.OK && p.Flags&(packet.SYN|packet.FIN|packet.RST) == 0 {
			if n := k.only[p.Key]; n > 0 && len(f.Data) > int(n) {
				f.Data = f.Data[:n]
			}
		}
	}
	if k.forgets {
		clear(k.only)
	}
	return err
}

func (k *headersKernel) Headers(key packet.Key, octets uint32) bool {
	k.asked++
	k.only[key] = octets
	return true
}

func (k *headersKernel) Release(key packet.Key) (sensor.Shunted, bool) {
	k.released++
	delete(k.only, key)
	return sensor.Shunted{}, false
}

// TestHeadersFromTheKernel: that the kernel cuts packets changes neither what is
// kept nor what the flow's record says.
func TestHeadersFromTheKernel(t *testing.T) {
	big := func() []sensor.Frame {
		c := newTraffic(t).conn()
		c.open().seg('c', ".", 0, 0, "quit")
		for i := range 600 {
			c.seg('s', ".", 1000*i, 4, strings.Repeat("x", 1000))
			if i%50 == 49 { // a copy behind another router
				f := *c.last()
				f.Data = bytes.Clone(f.Data)
				f.Data[14+8]--
				c.frames = append(c.frames, f)
			}
			c.seg('c', ".", 4, 1000*(i+1), "")
		}
		return c.seg('s', "F.", 600000, 4, "").seg('c', "F.", 4, 600001, "").seg('s', ".", 600001, 5, "").frames
	}
	run := func(src sensor.Source) (*records.Flow, []kept, sensor.WorkerStats) {
		s := new(shelf)
		var flow *records.Flow
		e := cutEngine(64<<10, s, true, func(rs []records.Record) {
			for _, r := range rs {
				if f, ok := r.(*records.Flow); ok {
					flow = f
				}
			}
		})
		if err := e.Live(context.Background(), []sensor.Source{src}); err != nil {
			t.Fatal(err)
		}
		return flow, s.kept, e.Stats()
	}
	plain, want, stats := run(&memory{frames: big(), size: 64})
	if stats.CutPackets < 500 || plain.Resp.Duplicates != 12 {
		t.Fatalf("%d packets cut, %d copies: the test shows nothing", stats.CutPackets, plain.Resp.Duplicates)
	}
	for _, forgets := range []bool{false, true} {
		k := &headersKernel{kernel: kernel{memory: memory{frames: big(), size: 64}}, only: map[packet.Key]uint32{}, forgets: forgets}
		f, got, st := run(k)
		if plain.Orig != f.Orig || plain.Resp != f.Resp || plain.History != f.History || plain.ConnState != f.ConnState ||
			plain.Meta().Visibility != f.Meta().Visibility || f.Shunted {
			t.Errorf("forgets %v: flows differ:\n%+v\n%+v", forgets, plain, f)
		}
		if !slices.Equal(got, want) || st.CutPackets != stats.CutPackets || st.CutBytes != stats.CutBytes {
			t.Errorf("forgets %v: other octets were kept: %d packets and %d octets cut, want %d and %d",
				forgets, st.CutPackets, st.CutBytes, stats.CutPackets, stats.CutBytes)
		}
		if !forgets && st.CutByKernel < 400 {
			t.Errorf("%d packets were cut by the kernel", st.CutByKernel)
		}
		if few := map[bool]int{false: 1, true: 2}[forgets]; k.asked != few || k.released != 1 || len(k.only) != 0 {
			t.Errorf("forgets %v: asked %d times, released %d times, want %d and 1", forgets, k.asked, k.released, few)
		}
	}
}
