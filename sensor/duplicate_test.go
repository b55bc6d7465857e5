package sensor_test

import (
	"testing"

	"kagami/records"
	"kagami/sensor"
)

// copies are the ways in which a mirror port delivers a frame twice.
func TestDuplicates(t *testing.T) {
	const us = int64(1000)
	tests := []struct {
		name   string
		number bool  // the sender numbers its datagrams
		after  int64 // nanoseconds from the packet to what may be its copy
		change func(*sensor.Frame)
		want   uint64
	}{
		{"the very same frame", true, 10 * us, nil, 1},
		{"behind a router: TTL and checksum differ", true, 10 * us, func(f *sensor.Frame) { f.Data[22]--; f.Data[24]++ }, 1},
		{"in another VLAN, tag beside the frame", true, 10 * us, func(f *sensor.Frame) { f.TPID, f.VLAN = 0x8100, 20 }, 1},
		{"other MAC addresses", true, 10 * us, func(f *sensor.Frame) { f.Data[0], f.Data[6] = 4, 4 }, 1},
		{"50 ms late, numbered", true, 50_000 * us, nil, 1},
		{"200 ms late, numbered", true, 200_000 * us, nil, 0},
		{"a retransmission: another identification", true, 10 * us, func(f *sensor.Frame) { f.Data[18] ^= 0x55 }, 0},
		{"without numbers, at once", false, 10 * us, nil, 1},
		{"without numbers, after a round trip: a retransmission", false, 2000 * us, nil, 0},
		{"other payload", true, 10 * us, func(f *sensor.Frame) { f.Data[len(f.Data)-1]++ }, 0},
		{"other checksum, as far-off payload would have", true, 10 * us, func(f *sensor.Frame) { f.Data[14+20+16]++ }, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newTraffic(t).conn()
			c.open()
			for i := range 3 {
				c.seg('c', ".", 20*i, 0, "some twenty octets!!")
			}
			if tt.number {
				for i := range c.frames {
					c.frames[i].Data[18], c.frames[i].Data[19] = 7, byte(i+1)
				}
			}
			twin := *c.last()
			twin.Data = append([]byte(nil), twin.Data...)
			twin.Time += tt.after
			if tt.change != nil {
				tt.change(&twin)
			}
			f := run(t, append(c.frames, twin))[0]
			if f.Orig.Duplicates != tt.want || f.Orig.Packets != 6-tt.want {
				t.Errorf("%d duplicates of %d packets, want %d", f.Orig.Duplicates, f.Orig.Packets, tt.want)
			}
		})
	}
}

func TestBareAcknowledgementsAreNoDuplicates(t *testing.T) {
	c := newTraffic(t).conn()
	c.open()
	ack := *c.last()
	for range 3 {
		ack.Time += 1000
		c.frames = append(c.frames, ack)
	}
	if f := run(t, c.frames)[0]; f.Orig.Packets != 5 || f.Orig.Duplicates != 0 {
		t.Errorf("%d packets, %d duplicates, want 5 and 0", f.Orig.Packets, f.Orig.Duplicates)
	}
}

func TestCopiesTellThePath(t *testing.T) {
	c := newTraffic(t).conn()
	c.open().seg('c', ".", 0, 0, "hello")
	twin := *c.last()
	twin.Data = append([]byte(nil), twin.Data...)
	twin.Data[22] -= 2
	twin.TPID, twin.VLAN, twin.Time = 0x8100, 30, twin.Time+1000
	f := run(t, append(c.frames, twin))[0]
	if f.Orig.CopyTTL != 62 || f.Orig.CopyVLAN != 30 {
		t.Errorf("copy with TTL %d in VLAN %d, want 62 in 30", f.Orig.CopyTTL, f.Orig.CopyVLAN)
	}
}

func TestDedupOff(t *testing.T) {
	c := newTraffic(t).conn()
	c.open().seg('c', ".", 0, 0, "hello")
	twin := *c.last()
	twin.Time += 1000
	cfg := sensor.DefaultConfig()
	cfg.Dedup = false
	var flow *records.Flow
	e := engineWith(cfg, func(rs []records.Record) { flow = rs[0].(*records.Flow) })
	read(t, e, append(c.frames, twin))
	if flow.Orig.Packets != 4 || flow.Orig.Duplicates != 0 || flow.Orig.Retrans != 5 {
		t.Errorf("originator %+v", flow.Orig)
	}
}
