package sensor_test

import (
	"context"
	"strings"
	"testing"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// TestPacketsCostNoAllocation compares runs with few and many packets in the
// same flows: whatever is allocated is for flows, batches and records.
func TestPacketsCostNoAllocation(t *testing.T) {
	frames := func(packets int) []sensor.Frame {
		tr := newTraffic(t)
		c := tr.conn()
		c.open()
		for i := range packets {
			switch i % 8 {
			case 6: // out of order: held back and released
				c.seg('c', ".", 10*i+10, 0, "0123456789")
			case 7:
				c.seg('c', ".", 10*i-10, 0, "0123456789")
			default:
				c.seg('c', ".", 10*i, 0, "0123456789")
			}
			tr.udp("10.0.0.2", "192.0.2.1", 5000, 53, "data")
		}
		return tr.frames
	}
	count := func(fs []sensor.Frame, ps ...sensor.Protocol) float64 {
		return testing.AllocsPerRun(3, func() {
			e := newEngine(1, func([]records.Record) {}, ps)
			if err := e.Read(context.Background(), &memory{frames: fs, size: 1 << 20}); err != nil {
				t.Fatal(err)
			}
		})
	}
	few, many := frames(100), frames(5000)
	if a, b := count(few), count(many); b > a+20 {
		t.Errorf("flows only: %v allocations for %d packets, %v for %d", a, len(few), b, len(many))
	}
	var sink strings.Builder
	sink.Grow(1 << 20)
	silent := script(&sink, 6)
	silent.New = func() sensor.Decoder { return deaf{} }
	if a, b := count(few, silent), count(many, silent); b > a+20 {
		t.Errorf("with streams: %v allocations for %d packets, %v for %d", a, len(few), b, len(many))
	}
}

type side = packet.Side

// deaf is a decoder that wants every octet and does nothing with it.
type deaf struct{ sensor.Decoder }

func (deaf) Data(*sensor.Flow, side, []byte, sensor.Emit) sensor.Verdict { return sensor.More }
func (deaf) Gap(*sensor.Flow, side, int) sensor.Verdict                  { return sensor.More }
func (deaf) Close(*sensor.Flow, sensor.Emit)                             {}
