package evidence

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"kagami/packet"
	"kagami/sensor"
)

func TestReadBack(t *testing.T) {
	c := small(t)
	s, log := openStore(t, c)
	w := s.Writer(0, 0)
	in := []sensor.Frame{
		{Time: t0, Data: []byte("abcd"), WireLen: 4, Link: packet.LinkEthernet},
		{Time: t0 + 1, Data: []byte("abcde"), WireLen: 1500, Link: packet.LinkEthernet},
		{Time: t0 + 2, Data: []byte{}, WireLen: 9, Link: packet.LinkRaw},
		{Time: t0 + 3, Data: []byte("raw"), WireLen: 3, Link: packet.LinkRaw},
		{Time: t0 + 4, Data: []byte("macsmacsmacs\x08\x00payload"), WireLen: 21, Link: packet.LinkEthernet, VLAN: 0x2064, TPID: 0x88a8},
		{Time: t0 + 5, Data: []byte("short"), WireLen: 5, Link: packet.LinkEthernet, VLAN: 1, TPID: 0x8100},
		{Time: t0 + 6, Data: []byte("other"), WireLen: 5, Link: packet.LinkEthernet, Iface: 7},
	}
	want := slices.Clone(in)
	want[2].Iface, want[3].Iface, want[6].Iface = 1, 1, 2
	want[4].Data, want[4].WireLen = []byte("macsmacsmacs\x88\xa8\x20\x64\x08\x00payload"), 25
	for i := range want {
		want[i].VLAN, want[i].TPID = 0, 0
	}
	for i := range in {
		w.Add(&in[i], sensor.Plain, 0)
	}
	w.Close()
	paths := segments(t, c.Dir)
	if len(paths) != 1 || filepath.Base(paths[0]) != "20260601T080000.123456Z-00000001.pcapng" {
		t.Fatalf("segments %q", paths)
	}
	got, err := readAll(paths...)
	if err != io.EOF || len(got) != len(want) {
		t.Fatalf("%d frames, %v", len(got), err)
	}
	for i := range want {
		if g, w := got[i], want[i]; g.Time != w.Time || !bytes.Equal(g.Data, w.Data) || g.WireLen != w.WireLen || g.Link != w.Link || g.Iface != w.Iface {
			t.Errorf("frame %d: got %+v\nwant %+v", i, g, w)
		}
	}
	if st := s.Stats(); st.Stored != 7 || st.Segments != 1 || st.LostFull+st.LostError+st.LostSlow+st.Errors != 0 || st.Oldest != t0 {
		t.Errorf("stats %+v", st)
	}
	if log.Len() != 0 {
		t.Errorf("log: %s", log)
	}
}

// An independent reader sees the interface's name, the resolution and the program.
func TestPcapgoReadsSegments(t *testing.T) {
	c := small(t)
	s, _ := openStore(t, c)
	w := s.Writer(0, 65535)
	for n := range 100 {
		w.Add(frame(n, 60+n), sensor.Plain, 0)
	}
	w.Close()
	f, err := os.Open(segments(t, c.Dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapgo.NewNgReader(f, pcapgo.NgReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 100 {
		data, ci, err := r.ReadPacketData()
		if err != nil || !bytes.Equal(data, frame(n, 60+n).Data) || ci.Timestamp.UnixNano() != frame(n, 9).Time || ci.Length != 62+n {
			t.Fatalf("packet %d: %v %+v", n, err, ci)
		}
	}
	if _, _, err := r.ReadPacketData(); err != io.EOF {
		t.Errorf("after the last packet: %v", err)
	}
	i, err := r.Interface(0)
	if err != nil || i.Name != "eth1" || i.LinkType != layers.LinkTypeEthernet || i.SnapLength != 65535 || i.TimestampResolution != 9 {
		t.Errorf("interface %+v, %v", i, err)
	}
	if app := r.SectionInfo().Application; app != "kagami" {
		t.Errorf("application %q", app)
	}
}

func TestSnaplen(t *testing.T) {
	c := small(t)
	s, _ := openStore(t, c)
	w := s.Writer(0, 100)
	w.Add(frame(1, 500), sensor.Plain, 0)
	tagged := frame(2, 98)
	tagged.TPID, tagged.VLAN = 0x8100, 5
	w.Add(tagged, sensor.Plain, 0)
	w.Close()
	got, _ := readAll(segments(t, c.Dir)...)
	if len(got) != 2 || len(got[0].Data) != 100 || got[0].WireLen != 502 || len(got[1].Data) != 100 || got[1].WireLen != 104 {
		t.Errorf("frames %+v", got)
	}
}

func TestPacketsDoNotStayInMemory(t *testing.T) {
	c := small(t)
	s, _ := openStore(t, c)
	w := s.Writer(0, 0)
	defer w.Close()
	written := func(want uint64) bool {
		for range 200 {
			if s.Stats().Stored == want {
				return true
			}
			time.Sleep(5 * time.Millisecond)
		}
		return false
	}
	w.Add(frame(0, 60), sensor.Plain, 0)
	w.Tick(t0+second/2, 0)
	if s.Stats().Stored != 0 {
		t.Error("written before the flush time")
	}
	if w.Tick(t0+second, 0); !written(1) {
		t.Error("not written by a tick after the flush time")
	}
	w.Add(frame(2000, 60), sensor.Plain, 0)
	if w.Add(frame(4000, 60), sensor.Plain, 0); !written(2) {
		t.Error("not written by a packet after the flush time")
	}
	if w.Tick(t0-3600*second, 0); !written(3) {
		t.Error("not written after the clock was set back")
	}
}

func TestInterfacesAreBounded(t *testing.T) {
	c := small(t)
	s, _ := openStore(t, c)
	w := s.Writer(0, 0)
	for n := range 100 {
		f := frame(n, 60)
		f.Iface = uint16(n)
		w.Add(f, sensor.Plain, 0)
	}
	w.Close()
	if st := s.Stats(); st.Stored != maxInterfaces || st.Ignored != 100-maxInterfaces {
		t.Errorf("stats %+v, want %d stored and the rest ignored", st, maxInterfaces)
	}
}

// The file is thrown away, so that the memory of the writer is what is measured.
type nowhere struct{}

func (nowhere) WriteAt(b []byte, _ int64) (int, error) { return len(b), nil }
func (nowhere) Reserve(int64) error                    { return nil }
func (nowhere) Settle(int64, int64)                    {}
func (nowhere) Sync() error                            { return nil }
func (nowhere) Close(int64) error                      { return nil }

func TestAddDoesNotAllocate(t *testing.T) {
	c := small(t)
	c.SegmentBytes = 1 << 30
	s, _ := openStore(t, c)
	s.create = func(string) (file, error) { return nowhere{}, nil }
	w := s.Writer(0, 0)
	defer w.Close()
	f := frame(1, 700)
	w.Add(f, sensor.Plain, 0)
	w.Flush() // the segment is open
	if n := testing.AllocsPerRun(5000, func() { w.Add(f, sensor.Plain, 0) }); n != 0 {
		t.Errorf("%v allocations per packet", n)
	}
}
