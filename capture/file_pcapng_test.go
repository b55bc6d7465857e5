package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"kagami/packet"
	"kagami/sensor"
)

type matchFunc func([]byte) bool

func (m matchFunc) Match(b []byte, _ uint32) bool { return m(b) }

func newBatch() *sensor.Batch { return &sensor.Batch{} }

func TestPcapngBlocks(t *testing.T) {
	const sec = 1_700_000_000
	const us = sec * 1_000_000
	eth, raw := packet.LinkEthernet, packet.LinkRaw
	for _, c := range []struct {
		name  string
		build func(n *ng)
		want  []record
	}{
		{"one interface", func(n *ng) {
			n.section().iface(eth, 0).enhanced(0, us+1, "abc", 1500).enhanced(0, us+2, "abcd", 4)
		}, []record{{us*1000 + 1000, "abc", 1500, eth, 0}, {us*1000 + 2000, "abcd", 4, eth, 0}}},

		{"two interfaces of different link types", func(n *ng) {
			n.section().iface(eth, 0).iface(raw, 0).enhanced(1, us, "ip", 2).enhanced(0, us, "mac", 3)
		}, []record{{us * 1000, "ip", 2, raw, 1}, {us * 1000, "mac", 3, eth, 0}}},

		{"an interface described after the first packet", func(n *ng) {
			n.section().iface(eth, 0).enhanced(0, us, "mac", 3).iface(raw, 0).enhanced(1, us, "ip", 2)
		}, []record{{us * 1000, "mac", 3, eth, 0}, {us * 1000, "ip", 2, raw, 1}}},

		{"a second section starts interfaces anew", func(n *ng) {
			n.section().iface(eth, 0).iface(eth, 0).enhanced(1, us, "a", 1).section().iface(raw, 0).enhanced(0, us, "b", 1)
		}, []record{{us * 1000, "a", 1, eth, 1}, {us * 1000, "b", 1, raw, 0}}},

		{"simple packets: time of the record before, length by snaplen", func(n *ng) {
			n.section().iface(eth, 6).enhanced(0, us, "abc", 3).simple("123456", 100).simple("12345", 5)
		}, []record{{us * 1000, "abc", 3, eth, 0}, {us * 1000, "123456", 100, eth, 0}, {us * 1000, "12345", 5, eth, 0}}},

		{"simple packet without snaplen", func(n *ng) { n.section().iface(eth, 0).simple("12345678", 8) },
			[]record{{0, "12345678", 8, eth, 0}}},

		{"obsolete packet block with drop count", func(n *ng) {
			n.section().iface(eth, 0).iface(raw, 0).obsolete(1, us, "abcde", 9)
		}, []record{{us * 1000, "abcde", 9, raw, 1}}},

		{"other blocks are passed over", func(n *ng) {
			n.section().block(blockNames, n.u32(0)).iface(eth, 0).block(blockStatistics, n.u32(0, 1, 2)).
				block(blockCustom, n.u32(1, 2)).block(blockLocal, n.u32(3)).block(0x7777, nil).block(blockSecrets, n.u32(1, 0)).
				enhanced(0, us, "abc", 3, n.option(1, []byte("a comment")), n.option(0, nil))
		}, []record{{us * 1000, "abc", 3, eth, 0}}},

		{"a block longer than memory is passed over", func(n *ng) {
			n.section().iface(eth, 0).block(blockSecrets, make([]byte, 3<<20)).enhanced(0, us, "abc", 3)
		}, []record{{us * 1000, "abc", 3, eth, 0}}},

		{"nanoseconds", func(n *ng) {
			n.section().iface(eth, 0, n.option(optTSResol, []byte{9}), n.option(0, nil)).enhanced(0, sec*1e9+123, "abc", 3)
		}, []record{{sec*1e9 + 123, "abc", 3, eth, 0}}},

		{"resolution and offset of each interface, options in any order", func(n *ng) {
			n.section().
				iface(eth, 0, n.option(2, []byte("eth0")), n.option(optTSOffset, n.o.AppendUint64(nil, 1000)), n.option(optTSResol, []byte{3})).
				iface(eth, 0, n.option(optTSResol, []byte{0x80 | 10})).
				enhanced(0, 5, "a", 1).enhanced(1, 3<<10|512, "b", 1)
		}, []record{{1000*1e9 + 5e6, "a", 1, eth, 0}, {3_500_000_000, "b", 1, eth, 1}}},
	} {
		for _, o := range []order{binary.LittleEndian, binary.BigEndian} {
			t.Run(fmt.Sprintf("%s, %v", c.name, o), func(t *testing.T) {
				n := &ng{o: o}
				c.build(n)
				if got := mustRead(t, n.b, FileOptions{}); !slices.Equal(got, c.want) {
					t.Errorf("got  %v\nwant %v", got, c.want)
				}
			})
		}
	}
}

func TestPcapngSectionsOfBothByteOrders(t *testing.T) {
	little, big := &ng{o: binary.LittleEndian}, &ng{o: binary.BigEndian}
	little.section().iface(packet.LinkEthernet, 0).enhanced(0, 1_000_000, "little", 6)
	big.section().iface(packet.LinkRaw, 0).enhanced(0, 2_000_000, "big", 3)
	want := []record{{1e9, "little", 6, packet.LinkEthernet, 0}, {2e9, "big", 3, packet.LinkRaw, 0}}
	if got := mustRead(t, slices.Concat(little.b, big.b), FileOptions{}); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	slices.Reverse(want)
	if got := mustRead(t, slices.Concat(big.b, little.b), FileOptions{}); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestResolution(t *testing.T) {
	for _, c := range []struct {
		name    string
		tsresol uint8
		offset  int64
		ts      uint64
		want    int64
	}{
		{"seconds", 0, 0, 5, 5e9},
		{"milliseconds", 3, 0, 1234, 1_234_000_000},
		{"microseconds", 6, 0, 1_700_000_000_000_001, 1_700_000_000_000_001_000},
		{"nanoseconds", 9, 0, 1_700_000_000_000_000_001, 1_700_000_000_000_000_001},
		{"picoseconds round down", 12, 0, 1_999, 1},
		{"10^-28: the finest that a 64-bit count can tell from zero", 28, 0, 1 << 63, 0},
		{"10^-127", 127, 0, 1 << 63, 0},
		{"2^0", 0x80, 0, 5, 5e9},
		{"2^-1", 0x81, 0, 3, 1_500_000_000},
		{"2^-20", 0x80 | 20, 0, 1<<20 | 1<<19, 1_500_000_000},
		{"2^-32 of NTP", 0x80 | 32, 0, 1<<32 | 1<<31, 1_500_000_000},
		{"2^-64", 0x80 | 64, 0, 1 << 63, 500_000_000},
		{"2^-65", 0x80 | 65, 0, 1 << 63, 250_000_000},
		{"2^-127", 0xff, 0, 1 << 63, 0},
		{"offset", 6, 1_000_000_000, 5, 1_000_000_000_000_005_000},
		{"negative offset", 0, -3, 5, 2e9},
		{"before the epoch is the epoch", 0, -30, 5, 0},
		{"overflow is the end of time", 0, 0, 1 << 63, maxTime},
		{"overflow of a binary fraction", 0x81, 0, 1 << 63, maxTime},
		{"hostile offset", 0, -1 << 63, 5, 0},
		{"hostile offset, ahead", 9, 1<<63 - 1, 1 << 63, maxTime},
	} {
		r := newResolution(c.tsresol)
		r.setOffset(c.offset)
		if got := r.nanos(c.ts); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestAgainstPcapgoNg(t *testing.T) {
	var file bytes.Buffer
	w, err := pcapgo.NewNgWriter(&file, layers.LinkTypeEthernet)
	if err != nil {
		t.Fatal(err)
	}
	second, err := w.AddInterface(pcapgo.NgInterface{Name: "raw", LinkType: layers.LinkTypeRaw, SnapLength: 100})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range randomRecords(500, 1500) {
		ci := gopacket.CaptureInfo{Timestamp: time.Unix(0, r.Time+7), CaptureLength: len(r.Data), Length: int(r.Wire), InterfaceIndex: i % 2 * second}
		if err := w.WritePacket(ci, []byte(r.Data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	want := pcapgoNgRecords(file.Bytes())
	if got := mustRead(t, file.Bytes(), FileOptions{}); !slices.Equal(got, want) || len(got) != 500 {
		t.Errorf("%d records differ from pcapgo's %d", len(got), len(want))
	}
}

// pcapgoNgRecords reads a pcapng file with the oracle until it fails.
func pcapgoNgRecords(file []byte) []record {
	r, err := pcapgo.NewNgReader(bytes.NewReader(file), pcapgo.NgReaderOptions{WantMixedLinkType: true})
	if err != nil {
		return nil
	}
	var out []record
	for {
		data, ci, err := r.ReadPacketData()
		if err != nil {
			return out
		}
		link := packet.LinkType(ci.AncillaryData[0].(layers.LinkType))
		out = append(out, record{ci.Timestamp.UnixNano(), string(data), uint32(ci.Length), link, uint16(ci.InterfaceIndex)})
	}
}

func TestPcapngFilterPerLinkType(t *testing.T) {
	n := &ng{o: binary.LittleEndian}
	n.section().iface(packet.LinkEthernet, 0).iface(packet.LinkRaw, 0).iface(packet.LinkEthernet, 0)
	for i := range uint32(3) {
		n.enhanced(i, uint64(i)*1e6, "packet", 6)
	}
	compiled := map[packet.LinkType]int{}
	got := mustRead(t, n.b, FileOptions{Filter: func(link packet.LinkType) (Matcher, error) {
		compiled[link]++
		return matchFunc(func([]byte) bool { return link == packet.LinkRaw }), nil
	}})
	if len(got) != 1 || got[0].Link != packet.LinkRaw {
		t.Errorf("got %v, want the raw packet", got)
	}
	if compiled[packet.LinkEthernet] != 1 || compiled[packet.LinkRaw] != 1 {
		t.Errorf("compiled %v, want once for each link type", compiled)
	}
}

func TestPcapngFilterError(t *testing.T) {
	n := &ng{o: binary.LittleEndian}
	n.section().iface(packet.LinkEthernet, 0).enhanced(0, 1, "first", 5).iface(packet.LinkRaw, 0).enhanced(0, 2, "never", 5)
	got, _, err := readBytes(t, n.b, FileOptions{Filter: func(link packet.LinkType) (Matcher, error) {
		if link == packet.LinkRaw {
			return nil, io.ErrNoProgress
		}
		return nil, nil
	}})
	if want := "capture: -: filter for link type 101: " + io.ErrNoProgress.Error(); err.Error() != want || len(got) != 1 {
		t.Errorf("%d records, error %q, want 1 and %q", len(got), err, want)
	}
}
