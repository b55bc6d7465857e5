package sensor_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// kernel is a live source that can shunt, as the eBPF filter does: it counts and
// drops in its Next what was shunted before, except SYN, FIN and RST, and payload
// after a pause.
type kernel struct {
	memory
	table   map[packet.Key]*sensor.Shunted
	spoke   map[packet.Key][2]int64
	room    int
	dropped int
}

func (k *kernel) Next(b *sensor.Batch) error {
	err := k.memory.Next(b)
	kept := b.Frames[:0]
	for _, f := range b.Frames {
		var p packet.Packet
		if out := p.Parse(f.Data, f.WireLen, f.Link); out == packet.OK {
			spoke := k.spoke[p.Key]
			pause := p.PayloadLen() > 0 && f.Time-spoke[p.Side] >= records.PulsePause
			if spoke[p.Side] = f.Time; k.spoke == nil {
				k.spoke = map[packet.Key][2]int64{}
			}
			k.spoke[p.Key] = spoke
			if c := k.table[p.Key]; c != nil && !pause && p.Flags&(packet.SYN|packet.FIN|packet.RST) == 0 {
				c.Packets[p.Side]++
				c.Bytes[p.Side] += uint64(f.WireLen)
				c.IPBytes[p.Side] += uint64(p.IPLen)
				c.Payload[p.Side] += uint64(p.PayloadLen())
				c.Last[p.Side] = f.Time
				k.dropped++
				continue
			}
		}
		kept = append(kept, f)
	}
	b.Frames = kept
	return err
}

func (k *kernel) Shunt(key packet.Key) bool {
	if len(k.table) >= k.room {
		return false
	}
	k.table[key] = new(sensor.Shunted)
	return true
}

func (k *kernel) Shunted(key packet.Key) (sensor.Shunted, bool) {
	if c := k.table[key]; c != nil {
		return *c, true
	}
	return sensor.Shunted{}, false
}

func (k *kernel) Headers(packet.Key, uint32) bool { return false }

func (k *kernel) Totals() (packets, octets uint64) { return uint64(k.dropped), 0 }

func (k *kernel) Release(key packet.Key) (sensor.Shunted, bool) {
	c, ok := k.Shunted(key)
	delete(k.table, key)
	return c, ok
}

// bulk is a long download whose decoder is done after the first octets, with
// pauses close to the time-out.
func bulk(t testing.TB, closed bool) []sensor.Frame {
	c := newTraffic(t).conn()
	c.open().seg('c', ".", 0, 0, "quit")
	body := strings.Repeat("x", 1000)
	for i := range 300 {
		c.seg('s', ".", 1000*i, 4, body).seg('c', ".", 4, 1000*(i+1), "")
		if i%100 == 99 {
			c.pause(500 * second)
		}
	}
	if closed {
		c.seg('s', "F.", 300000, 4, "").seg('c', "F.", 4, 300001, "").seg('s', ".", 300001, 5, "")
	}
	return c.frames
}

func live(t testing.TB, src sensor.Source) (*records.Flow, sensor.WorkerStats) {
	t.Helper()
	var log strings.Builder
	var flows []*records.Flow
	e := engineWith(sensor.DefaultConfig(), func(rs []records.Record) {
		for _, r := range rs {
			if f, ok := r.(*records.Flow); ok {
				flows = append(flows, f)
			}
		}
	}, script(&log, packet.ProtoTCP))
	if err := e.Live(context.Background(), []sensor.Source{src}); err != nil {
		t.Fatal(err)
	}
	if len(flows) != 1 {
		t.Fatalf("%d flows, want 1", len(flows))
	}
	return flows[0], e.Stats()
}

func TestShuntingChangesNoTotals(t *testing.T) {
	for _, closed := range []bool{true, false} {
		t.Run(fmt.Sprintf("closed=%v", closed), func(t *testing.T) {
			plain, _ := live(t, &memory{frames: bulk(t, closed), size: 64})
			k := &kernel{memory: memory{frames: bulk(t, closed), size: 64}, table: map[packet.Key]*sensor.Shunted{}, room: 1}
			shunted, s := live(t, k)
			if k.dropped < 400 || s.Shunted != 1 || !shunted.Shunted {
				t.Fatalf("%d packets dropped by the kernel, %d flows shunted", k.dropped, s.Shunted)
			}
			if plain.Orig != shunted.Orig || plain.Resp != shunted.Resp {
				t.Errorf("counts differ:\n%+v %+v\n%+v %+v", plain.Orig, plain.Resp, shunted.Orig, shunted.Resp)
			}
			if plain.ConnState != shunted.ConnState || plain.Start != shunted.Start || plain.End != shunted.End || plain.EndReason != shunted.EndReason {
				t.Errorf("flows differ:\n%+v\n%+v", plain, shunted)
			}
			if len(k.table) != 0 {
				t.Error("the kernel's table still holds the flow")
			}
		})
	}
}

func TestFullShuntTableIsNoLoss(t *testing.T) {
	k := &kernel{memory: memory{frames: bulk(t, true), size: 64}, table: map[packet.Key]*sensor.Shunted{}}
	f, s := live(t, k)
	if k.dropped != 0 || s.Shunted != 0 || f.Shunted || f.Resp.Payload != 300000 {
		t.Errorf("%d dropped, flow %+v", k.dropped, f)
	}
}

// TestStatsTellWhatTheKernelDropped: frames received and frames shunted are,
// together, what the port saw.
func TestStatsTellWhatTheKernelDropped(t *testing.T) {
	k := &kernel{memory: memory{frames: bulk(t, true), size: 64}, table: map[packet.Key]*sensor.Shunted{}, room: 1}
	var log strings.Builder
	var told, minutes uint64
	e := engineWith(sensor.DefaultConfig(), func(rs []records.Record) {
		for _, r := range rs {
			if s, ok := r.(*records.Stats); ok {
				told += s.KeptBack
				minutes++
			}
		}
	}, script(&log, packet.ProtoTCP))
	if err := e.Live(context.Background(), []sensor.Source{k}); err != nil {
		t.Fatal(err)
	}
	packets, _ := k.Totals()
	if minutes == 0 || told == 0 || told > packets || packets-told > 64 { // what came in the last minute is not told
		t.Errorf("%d stats records tell of %d packets, the kernel dropped %d", minutes, told, packets)
	}
}

// TestShuntedBeats: what a client says after a pause is told, and nothing counts as
// missed by it.
func TestShuntedBeats(t *testing.T) {
	beats := func() []sensor.Frame {
		c := &conn{newTraffic(t), "10.0.0.2", "192.0.2.80", 40000, 80, 1000, 5000}
		c.open().seg('c', ".", 0, 0, "quit")
		at, got := 4, 0
		for range 5 {
			for range 40 {
				c.seg('s', ".", got, at, strings.Repeat("x", 1000))
				got += 1000
				c.seg('c', ".", at, got, "")
			}
			c.pause(60 * second)
			c.seg('c', ".", at, got, "beat").seg('c', ".", at+4, got, "and more")
			at += 12
		}
		return c.frames
	}
	told := func(src sensor.Source) (string, *records.Flow) {
		w, flow := &witness{}, (*records.Flow)(nil)
		n, _ := sensor.NewNetworks(sensor.DefaultZones(), "Untrust")
		var log strings.Builder
		e := sensor.New(sensor.Options{Config: sensor.DefaultConfig(), Networks: n, Protocols: []sensor.Protocol{script(&log, packet.ProtoTCP)},
			Detectors: []sensor.Detector{w}, Output: func(rs []records.Record) {
				for _, r := range rs {
					if f, ok := r.(*records.Flow); ok {
						flow = f
					}
				}
			}})
		if err := e.Live(context.Background(), []sensor.Source{src}); err != nil {
			t.Fatal(err)
		}
		var starts []string
		for _, s := range w.seen {
			at, _, _ := strings.Cut(s, " of")
			starts = append(starts, at)
		}
		return strings.Join(starts, "; "), flow
	}
	want, plain := told(&memory{frames: beats(), size: 16})
	k := &kernel{memory: memory{frames: beats(), size: 16}, table: map[packet.Key]*sensor.Shunted{}, room: 1}
	got, shunted := told(k)
	if strings.Count(want, "pulse") != 5 || got != want {
		t.Errorf("shunted: %s\nplain: %s", got, want)
	}
	if k.dropped < 300 || plain.Orig != shunted.Orig || plain.Resp != shunted.Resp {
		t.Errorf("%d dropped; counts differ:\n%+v %+v\n%+v %+v", k.dropped, plain.Orig, plain.Resp, shunted.Orig, shunted.Resp)
	}
}
