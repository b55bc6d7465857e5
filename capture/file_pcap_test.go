package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"kagami/packet"
)

func TestPcapHeaders(t *testing.T) {
	const ns = 1_700_000_000_123_456_789
	const us = 1_700_000_000_123_456_000
	for _, c := range []struct {
		name  string
		order order
		magic uint32
		want  int64
	}{
		{"microseconds, little-endian", binary.LittleEndian, magicMicro, us},
		{"microseconds, big-endian", binary.BigEndian, magicMicro, us},
		{"nanoseconds, little-endian", binary.LittleEndian, magicNano, ns},
		{"nanoseconds, big-endian", binary.BigEndian, magicNano, ns},
		{"modified header, little-endian", binary.LittleEndian, magicKuznetzov, us},
		{"modified header, big-endian", binary.BigEndian, magicKuznetzov, us},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := []record{{ns, "first", 5, packet.LinkRaw, 0}, {ns + 1e9, "", 1500, packet.LinkRaw, 0}, {ns + 2e9, "second", 60, packet.LinkRaw, 0}}
			want := slices.Clone(in)
			for i := range want {
				want[i].Time += c.want - ns
			}
			got := mustRead(t, pcapFile(c.order, c.magic, packet.LinkRaw, in), FileOptions{})
			if !slices.Equal(got, want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
		})
	}
}

func TestPcapLinkTypeWithFCS(t *testing.T) {
	file := pcapFile(binary.LittleEndian, magicMicro, packet.LinkEthernet, []record{{1e9, "x", 1, 0, 0}})
	file[23] = 0x24 // frames end in an FCS of 2 words
	if got := mustRead(t, file, FileOptions{}); got[0].Link != packet.LinkEthernet {
		t.Errorf("link = %d, want %d", got[0].Link, packet.LinkEthernet)
	}
}

func TestWireLengthIsNeverLessThanCaptured(t *testing.T) {
	file := pcapFile(binary.LittleEndian, magicMicro, packet.LinkEthernet, []record{{1e9, "abcdef", 2, 0, 0}})
	if got := mustRead(t, file, FileOptions{}); got[0].Wire != 6 {
		t.Errorf("wire length = %d, want 6", got[0].Wire)
	}
}

// The batch size, the block size and the way the stream trickles in must not
// be visible in what is read.
func TestBatchAndBlockSizeAreInvisible(t *testing.T) {
	recs := randomRecords(300, 2000)
	n := &ng{o: binary.BigEndian}
	n.section().iface(packet.LinkEthernet, 0)
	for _, r := range recs {
		n.enhanced(0, uint64(r.Time/1000), r.Data, r.Wire)
	}
	for name, file := range map[string][]byte{
		"pcap":   pcapFile(binary.LittleEndian, magicMicro, packet.LinkEthernet, recs),
		"pcapng": n.b,
	} {
		for _, frames := range []int{1, 2, 7, 64, 4096} {
			for _, block := range []int{1, 13, 100, 4096, 1 << 20} {
				got := mustRead(t, file, FileOptions{Frames: frames, Block: block})
				if !slices.Equal(got, recs) {
					t.Fatalf("%s, %d frames, block %d: records differ", name, frames, block)
				}
			}
		}
		f, err := Open("-", FileOptions{Stdin: iotest.OneByteReader(bytes.NewReader(file))})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := read(t, f); err != io.EOF || !slices.Equal(got, recs) {
			t.Fatalf("%s, one octet at a time: %v, %d records", name, err, len(got))
		}
	}
}

// A pipe must hand over what has arrived without waiting for a full block.
func TestPipeIsNotHeldUp(t *testing.T) {
	recs := randomRecords(3, 50)
	r, w := io.Pipe()
	go func() {
		w.Write(pcapFile(binary.LittleEndian, magicMicro, packet.LinkEthernet, recs[:1]))
		// The writer stays open and silent: reading on would block for ever.
	}()
	f, err := Open("-", FileOptions{Stdin: r})
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan int, 1)
	go func() {
		b := newBatch()
		if f.Next(b) == nil {
			got <- len(b.Frames)
		}
	}()
	select {
	case n := <-got:
		if n != 1 {
			t.Errorf("%d frames, want 1", n)
		}
	case <-time.After(5 * time.Second):
		t.Error("Next waits for more although a packet is complete")
	}
	w.Close()
}

func TestAgainstPcapgo(t *testing.T) {
	for _, nanos := range []bool{false, true} {
		var file bytes.Buffer
		w := pcapgo.NewWriter(&file)
		if nanos {
			w = pcapgo.NewWriterNanos(&file)
		}
		if err := w.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
			t.Fatal(err)
		}
		for _, r := range randomRecords(500, 1500) {
			ci := gopacket.CaptureInfo{Timestamp: time.Unix(0, r.Time+7), CaptureLength: len(r.Data), Length: int(r.Wire)}
			if err := w.WritePacket(ci, []byte(r.Data)); err != nil {
				t.Fatal(err)
			}
		}
		want := pcapgoRecords(file.Bytes())
		if got := mustRead(t, file.Bytes(), FileOptions{}); !slices.Equal(got, want) || len(got) != 500 {
			t.Errorf("nanos %v: %d records differ from pcapgo's %d", nanos, len(got), len(want))
		}
	}
}

// pcapgoRecords reads a pcap file with the oracle until it fails.
func pcapgoRecords(file []byte) []record {
	r, err := pcapgo.NewReader(bytes.NewReader(file))
	if err != nil {
		return nil
	}
	var out []record
	for {
		data, ci, err := r.ReadPacketData()
		if err != nil {
			return out
		}
		out = append(out, record{ci.Timestamp.UnixNano(), string(data), uint32(ci.Length), packet.LinkType(r.LinkType()), 0})
	}
}

func TestPcapZerosAreNoPackets(t *testing.T) {
	recs := randomRecords(10, 100)
	file := pcapFile(binary.LittleEndian, magicMicro, packet.LinkEthernet, recs[:6])
	middle := append(slices.Clone(file), make([]byte, 64)...)
	for _, r := range recs[6:] {
		middle = pcapRecord(middle, binary.LittleEndian, magicMicro, r)
	}
	for name, c := range map[string]struct {
		file []byte
		want []record
	}{
		"tail":   {append(slices.Clone(file), make([]byte, 65536)...), recs[:6]},
		"middle": {middle, recs},
	} {
		got, f, err := readBytes(t, c.file, FileOptions{})
		if err != io.EOF || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %d records, want %d", name, err, len(got), len(c.want))
		}
		places, first := f.Damage()
		if want := fmt.Sprintf("byte %d: record headers of zeros", len(file)); places != 1 || !strings.HasPrefix(first, want) {
			t.Errorf("%s: damage %d %q, want 1 place at %q", name, places, first, want)
		}
	}
}

func TestStats(t *testing.T) {
	recs := randomRecords(100, 300)
	file := pcapFile(binary.LittleEndian, magicMicro, packet.LinkEthernet, recs)
	path := writeFile(t, "x.pcap", file)
	links := 0
	f, err := Open(path, FileOptions{Filter: func(link packet.LinkType) (Matcher, error) {
		links++
		return matchFunc(func(b []byte) bool { return b[0]%2 == 0 }), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := read(t, f)
	if err != io.EOF {
		t.Fatal(err)
	}
	want := slices.DeleteFunc(slices.Clone(recs), func(r record) bool { return r.Data[0]%2 != 0 })
	if !slices.Equal(got, want) || len(want) == len(recs) {
		t.Errorf("%d records passed the filter, want %d", len(got), len(want))
	}
	s := f.Stats()
	if s.Received != 100 || s.Filtered != uint64(100-len(want)) || s.Bytes != uint64(len(file)) || s.Size != uint64(len(file)) {
		t.Errorf("stats %+v", s)
	}
	if links != 1 {
		t.Errorf("filter was compiled %d times, want once", links)
	}
}
