package segment

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"kagami/packet"
)

// pcapFile writes classic pcap.
type pcapFile struct {
	o    byteOrder
	head int
	b    []byte
}

func newPcapFile(o byteOrder, magic, snap, link uint32) *pcapFile {
	f := &pcapFile{o: o, head: pcapRecordLen}
	if magic == magicKuznetzov {
		f.head = kuznetzovLen
	}
	f.b = o.AppendUint32(nil, magic)
	f.b = o.AppendUint16(f.b, 2)
	f.b = o.AppendUint16(f.b, 4)
	f.b = append(f.b, make([]byte, 8)...)
	f.b = o.AppendUint32(f.b, snap)
	f.b = o.AppendUint32(f.b, link)
	return f
}

func (f *pcapFile) record(sec, frac uint32, data string, wire uint32) *pcapFile {
	for _, n := range []uint32{sec, frac, uint32(len(data)), wire} {
		f.b = f.o.AppendUint32(f.b, n)
	}
	f.b = append(f.b, make([]byte, f.head-pcapRecordLen)...)
	f.b = append(f.b, data...)
	return f
}

func TestScanPcap(t *testing.T) {
	const sec = 1_700_000_000
	for _, magic := range []struct {
		name  string
		magic uint32
		scale int64
	}{{"microseconds", magicMicro, 1000}, {"nanoseconds", magicNano, 1}, {"Kuznetzov", magicKuznetzov, 1000}} {
		for _, o := range []byteOrder{binary.LittleEndian, binary.BigEndian} {
			t.Run(fmt.Sprintf("%s, %v", magic.name, o), func(t *testing.T) {
				// The upper half of the link type says that frames end in an FCS.
				f := newPcapFile(o, magic.magic, 65535, 0x14000000|uint32(packet.LinkEthernet))
				f.record(sec, 7, "abc", 1500).record(sec+1, 999999, "", 60).record(4294967295, 0, strings.Repeat("x", 100_000), 1)
				k := scanBytes(t, f.b)
				want := []short{
					{sec*1e9 + 7*magic.scale, "abc", 1500, packet.LinkEthernet, 0},
					{(sec+1)*1e9 + 999999*magic.scale, "", 60, packet.LinkEthernet, 0},
					{4294967295 * 1e9, strings.Repeat("x", 100_000), 100_000, packet.LinkEthernet, 0},
				}
				if got := shortOf(k.packets); !slices.Equal(got, want) || len(k.damage) > 0 || k.End != int64(len(f.b)) {
					t.Errorf("got  %.200v %v\nwant %.200v", got, k.damage, want)
				}
				if k.Layout.Format() != FormatPcap || k.packets[0].Pos != pcapHeaderLen || k.packets[0].Len != f.head+3 {
					t.Errorf("%v, first record at %d of %d octets", k.Layout.Format(), k.packets[0].Pos, k.packets[0].Len)
				}
				accessible(t, f.b, k)
			})
		}
	}
}

func TestDamagedPcap(t *testing.T) {
	const sec = 1_700_000_000
	build := func() (*pcapFile, []int) {
		f := newPcapFile(le, magicMicro, 65535, 1)
		var at []int
		for i := range uint32(30) {
			at = append(at, len(f.b))
			f.record(sec+i, i, strings.Repeat("x", int(50+i)), 1000)
		}
		return f, append(at, len(f.b))
	}
	f, at := build()
	whole := scanBytes(t, f.b)
	for _, c := range []struct {
		name    string
		from    int
		damage  func(b []byte) []byte
		to      int
		damages int
	}{
		{"captured length too long", at[10] + 8, func(b []byte) []byte { le.PutUint32(b[at[10]+8:], 1<<30); return b }, at[10] + 12, 1},
		{"captured length longer than the file", at[10] + 8, func(b []byte) []byte { le.PutUint32(b[at[10]+8:], 200_000); return b }, at[10] + 12, 1},
		{"header of zeros", at[10], func(b []byte) []byte { clear(b[at[10] : at[10]+16]); return b }, at[10] + 16, 1},
		{"records of zeros", at[10], func(b []byte) []byte { clear(b[at[10]:at[13]]); return b }, at[13], 1},
		{"zeros at the end", at[30], func(b []byte) []byte { return append(b, make([]byte, 100_000)...) }, at[30] + 100_000, 1},
		{"torn", at[29] + 40, func(b []byte) []byte { return b[:at[29]+40] }, at[30], 1},
		{"torn in the record's header", at[29] + 4, func(b []byte) []byte { return b[:at[29]+4] }, at[30], 1},
	} {
		k := scanBytes(t, c.damage(bytes.Clone(f.b)))
		checkPackets(t, c.name, whole, k, int64(c.from), int64(c.to))
		if len(k.damage) != c.damages {
			t.Errorf("%s: damage %q", c.name, k.damage)
		}
	}
}

func TestPcapHeaderIsTorn(t *testing.T) {
	f := newPcapFile(le, magicMicro, 65535, 1)
	if k := scanBytes(t, f.b); len(k.packets) != 0 || k.End != pcapHeaderLen || k.Torn != 0 {
		t.Errorf("%+v", k.Result)
	}
	if _, err := Scan(bytes.NewReader(f.b[:20]), 20, Visitor{}); err == nil {
		t.Error("no error")
	}
}
