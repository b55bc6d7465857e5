package sensor_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// noise makes frames between a few hosts: TCP in every disorder, UDP, ICMP,
// fragments, junk, and times that go back.
func noise(t testing.TB, seed uint64, n int) []sensor.Frame {
	r := rand.New(rand.NewPCG(seed, 1))
	tr := newTraffic(t)
	for len(tr.frames) < n {
		a, b := fmt.Sprintf("10.0.0.%d", 1+r.IntN(6)), fmt.Sprintf("192.0.2.%d", 1+r.IntN(6))
		c := tr.conn()
		c.client, c.server, c.cport = a, b, 40000+r.IntN(4)
		side := "cs"[r.IntN(2)]
		switch r.IntN(12) {
		case 0:
			c.open()
		case 1:
			c.seg(side, "F.", r.IntN(500), r.IntN(500), "")
		case 2:
			c.seg(side, "R", r.IntN(500), 0, "")
		case 3:
			tr.udp(a, b, 5000+r.IntN(3), 53, "data")
		case 4:
			tr.add(ether(0x800), ipv4(a, b, layers.IPProtocolICMPv4), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(uint8(8*r.IntN(2)), 0), Id: 7})
		case 5:
			fragments(tr, a, b, uint16(r.IntN(1<<16)))
		case 6:
			tr.add(ether(0x88cc), gopacket.Payload("lldp"))
		case 7:
			tr.wait(r.Int64N(90 * second))
		case 8:
			tr.wait(-r.Int64N(2 * second))
			if r.IntN(8) == 0 && len(tr.frames) > 0 { // a packet from far ahead, and the same time again
				back := tr.frames[r.IntN(len(tr.frames))].Time
				tr.now += 3600 * second
				tr.udp(a, b, 5000, 53, "ahead")
				tr.now = back
			}
		default:
			c.seg(side, ".", r.IntN(500), r.IntN(500), strings.Repeat("x", r.IntN(100)))
		}
		if r.IntN(50) == 0 && len(tr.frames) > 0 {
			f := tr.last()
			f.Data = f.Data[:r.IntN(len(f.Data))]
		}
	}
	return tr.frames[:n]
}

// fragments sends a UDP datagram in three pieces, the last first.
func fragments(tr *traffic, src, dst string, id uint16) {
	payload := make([]byte, 48)
	copy(payload, []byte{0x13, 0x88, 0, 53, 0, 48, 0, 0})
	for _, i := range []int{2, 0, 1} {
		ip := ipv4(src, dst, layers.IPProtocolUDP)
		ip.Id, ip.FragOffset = id, uint16(i*2)
		if i < 2 {
			ip.Flags = layers.IPv4MoreFragments
		}
		tr.add(ether(0x800), ip, gopacket.Payload(payload[16*i:16*i+16]))
	}
}

// talker writes a record for each piece of a stream, so that order shows.
type talker struct{}

func (d *talker) Data(f *sensor.Flow, s packet.Side, b []byte, emit sensor.Emit) sensor.Verdict {
	r := records.NewHTTP(f.Meta())
	r.Method = fmt.Sprintf("%d:%d", s, len(b))
	emit(r)
	return sensor.More
}
func (d *talker) Gap(*sensor.Flow, packet.Side, int) sensor.Verdict { return sensor.More }
func (d *talker) Close(f *sensor.Flow, emit sensor.Emit) {
	r := records.NewHTTP(f.Meta())
	r.Method = "close"
	emit(r)
}

// watcher is a detector that alerts now and then, by what it sees and by time.
type watcher struct {
	n    int
	last *records.Meta
}

func (w *watcher) Observe(r records.Record, emit sensor.Emit) {
	w.last = r.Meta()
	if w.n++; w.n%17 == 0 {
		emit(records.NewAlert(*r.Meta()))
	}
}

func (w *watcher) Advance(now int64, emit sensor.Emit) {
	if w.last != nil && now/second%7 == 0 {
		m := *w.last
		m.At = now
		emit(records.NewAlert(m))
	}
}

func TestOutputDoesNotDependOnWorkersOrBatches(t *testing.T) {
	for seed := range uint64(5) {
		frames := noise(t, seed, 3000)
		want := ""
		for _, workers := range []int{1, 2, 3, 8} {
			for _, size := range []int{1, 13, 4096} {
				got := transcriptOf(t, frames, workers, size)
				if want == "" {
					want = got
				}
				if got != want {
					t.Fatalf("seed %d, %d workers, batches of %d: output differs at %s", seed, workers, size, diff(want, got))
				}
			}
		}
		if strings.Count(want, "\n") < 1000 {
			t.Fatalf("only %d records: the traffic shows nothing", strings.Count(want, "\n"))
		}
	}
}

func transcriptOf(t testing.TB, frames []sensor.Frame, workers, size int) string {
	var out strings.Builder
	n, _ := sensor.NewNetworks(sensor.DefaultZones(), "Untrust")
	c := sensor.DefaultConfig()
	c.Workers = workers
	proto := func(transport uint8) sensor.Protocol {
		p := script(nil, transport)
		p.New = func() sensor.Decoder { return &talker{} }
		return p
	}
	e := sensor.New(sensor.Options{Config: c, Networks: n, Detectors: []sensor.Detector{&watcher{}},
		Protocols: []sensor.Protocol{proto(packet.ProtoTCP), proto(packet.ProtoUDP)},
		Output: func(rs []records.Record) {
			for _, r := range rs {
				m := r.Meta()
				fmt.Fprintf(&out, "%s %s %d %v", m.Kind, m.ID(), m.At, m.Visibility)
				switch r := r.(type) {
				case *records.Flow:
					fmt.Fprint(&out, r.ConnState, r.History, r.Orig, r.Resp, r.EndReason)
				case *records.HTTP:
					fmt.Fprint(&out, r.Method)
				case *records.Alert:
					fmt.Fprint(&out, r.Window)
				}
				out.WriteByte('\n')
			}
		}})
	copied := append([]sensor.Frame(nil), frames...)
	if err := e.Read(context.Background(), &memory{frames: copied, size: size}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func diff(a, b string) string {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range as {
		if i >= len(bs) || as[i] != bs[i] {
			return fmt.Sprintf("line %d:\n %s\n %s", i, as[i], bs[min(i, len(bs)-1)])
		}
	}
	return "the end"
}

func TestRecordsComeInOrderOfTime(t *testing.T) {
	var last records.Meta
	e := newEngine(2, func(rs []records.Record) {
		for _, r := range rs {
			m := r.Meta()
			if m.Epoch < last.Epoch || m.Epoch == last.Epoch && m.At < last.At {
				t.Errorf("%s at %d in epoch %d after %d in %d", m.Kind, m.At, m.Epoch, last.At, last.Epoch)
			}
			last = *m
		}
	}, nil)
	read(t, e, noise(t, 9, 2000))
}

type failing struct{ memory }

func (f *failing) Next(b *sensor.Batch) error {
	if err := f.memory.Next(b); err != nil {
		return errors.New("torn at byte 99")
	}
	return nil
}

func TestErrorOfTheSourceComesAfterAllRecords(t *testing.T) {
	for _, workers := range []int{1, 2} {
		tr := newTraffic(t).udp("10.0.0.2", "192.0.2.1", 5000, 53, "x")
		n := 0
		e := newEngine(workers, func(rs []records.Record) { n += len(rs) }, nil)
		err := e.Read(context.Background(), &failing{memory{frames: tr.frames, size: 1}})
		if err == nil || err.Error() != "torn at byte 99" || n != 1 {
			t.Errorf("%d workers: error %v, %d records", workers, err, n)
		}
	}
}

// A capture that dies ends a live run with its error, and what was seen is
// written: the program fails, so that it is started anew.
func TestDeadSourceEndsALiveRun(t *testing.T) {
	tr := newTraffic(t).udp("10.0.0.2", "192.0.2.1", 5000, 53, "x")
	n := 0
	e := newEngine(2, func(rs []records.Record) { n += len(rs) }, nil)
	err := e.Live(context.Background(), []sensor.Source{&failing{memory{frames: tr.frames, size: 1}}, &idle{}})
	if err == nil || err.Error() != "torn at byte 99" || n != 1 {
		t.Errorf("error %v, %d records", err, n)
	}
}

// idle is a live source without traffic.
type idle struct{ memory }

func (*idle) Next(b *sensor.Batch) error {
	time.Sleep(time.Millisecond)
	b.Frames, b.Now = b.Frames[:0], start
	return nil
}

func TestEveryFrameIsCountedOnce(t *testing.T) {
	frames := noise(t, 3, 1000)
	e := newEngine(3, func([]records.Record) {}, nil)
	read(t, e, frames)
	s := e.Stats()
	total := uint64(0)
	for _, n := range s.Outcomes {
		total += n
	}
	if total != 1000 {
		t.Errorf("%d outcomes for 1000 frames", total)
	}
	f := s.Fragments
	if f.Fragments == 0 || s.Outcomes[packet.Fragment] != f.Fragments || f.Datagrams == 0 {
		t.Errorf("fragments %+v, outcome %d", f, s.Outcomes[packet.Fragment])
	}
}
