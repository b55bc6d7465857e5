package segment

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"kagami/packet"
	"kagami/sensor"
)

const t0 = int64(1_780_300_800_000_000_000) // 2026-06-01T08:00:00Z

// recorder writes a segment the way the store does.
type recorder struct {
	b     []byte
	since int // end of the last mark
	total uint64
	last  int64
	count Counters
}

func newRecorder(links ...packet.LinkType) *recorder {
	r := &recorder{b: AppendSection(nil, "worker 0")}
	for i, l := range links {
		r.b = AppendInterface(r.b, Interface{Link: l, Num: uint16(i), Snap: 65535, Name: fmt.Sprintf("eth%d", i)})
	}
	return r
}

func (r *recorder) packet(at int64, data string, wire uint32) *recorder {
	r.b = AppendPacket(r.b, 0, &sensor.Frame{Time: at, Data: []byte(data), WireLen: wire, Link: packet.LinkEthernet}, 1<<16)
	r.total, r.last = r.total+1, at
	r.count.Seen++
	r.count.Stored++
	r.count.StoredBytes += uint64(len(data))
	return r
}

func (r *recorder) note(n Note) *recorder { r.b = AppendNote(r.b, &n); return r }

func (r *recorder) mark(synced bool) *recorder {
	r.b = AppendMark(r.b, &Mark{
		Session: t0, Worker: 3, Segment: 42, Pos: int64(len(r.b)), CRC: Sum(0, r.b[r.since:]), Packets: r.total, Last: r.last,
		Synced: synced, Counters: r.count,
	})
	r.since = len(r.b)
	return r
}

func (r *recorder) statistics() *recorder {
	r.b = AppendStatistics(r.b, 0, r.last, &r.count)
	return r
}

// recording is a segment with n packets of random content, notes, statistics, and a
// mark after every tenth packet, the last one at the end.
func recording(n, size int) *recorder {
	rnd := rand.New(rand.NewPCG(1, 2))
	r := newRecorder(packet.LinkEthernet, packet.LinkEthernet) // libpcap reads only one link type in a file
	for i := range n {
		data := make([]byte, 14+rnd.IntN(size))
		for j := range data {
			data[j] = byte(rnd.Uint32())
		}
		r.packet(t0+int64(i)*1_000_003, string(data), uint32(len(data)+rnd.IntN(3)))
		if i%4 == 1 {
			r.note(Note{Kind: Named, At: t0 + int64(i), Key: testKey(i), Name: fmt.Sprintf("host%d.example", i)})
		}
		if i%10 == 9 {
			r.statistics().mark(i%20 == 19)
		}
	}
	return r.mark(true)
}

func testKey(i int) packet.Key {
	k := packet.Key{APort: uint16(40000 + i), BPort: 443, Proto: packet.ProtoTCP}
	copy(k.A[:], v4Mapped+"\x0a\x00\x00\x07")
	copy(k.B[:], v4Mapped+"\xcb\x00\x71\x05")
	return k
}

// seen is a packet that can be compared.
type seen struct {
	Pos  int64
	Len  int
	Time int64
	Wire uint32
	If   uint32
	Link packet.LinkType
	Data string
}

func seenOf(p *Packet) seen {
	return seen{p.Pos, p.Len, p.Time, p.WireLen, p.Iface, p.Link, string(p.Data)}
}

// told is all that a scan tells.
type told struct {
	Result
	packets []seen
	notes   []Note
	marks   []Mark
	good    []bool
	damage  []string
}

func (k *told) visitor() Visitor {
	return Visitor{
		Packet: func(p *Packet) bool { k.packets = append(k.packets, seenOf(p)); return true },
		Note:   func(n *Note) bool { k.notes = append(k.notes, *n); return true },
		Mark: func(m *Mark, good bool) bool {
			k.marks, k.good = append(k.marks, *m), append(k.good, good)
			return true
		},
		Damage: func(pos, length int64, what string) bool {
			k.damage = append(k.damage, fmt.Sprintf("%d+%d: %s", pos, length, what))
			return true
		},
	}
}

func scanBytes(t testing.TB, b []byte) *told {
	t.Helper()
	k := &told{}
	res, err := Scan(bytes.NewReader(b), int64(len(b)), k.visitor())
	if err != nil {
		t.Fatal(err)
	}
	k.Result = res
	return k
}

// byteOrder is both ways to use a byte order.
type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// foreign writes pcapng as other programs do.
type foreign struct {
	o byteOrder
	b []byte
}

func (f *foreign) u16(ns ...uint16) (b []byte) {
	for _, n := range ns {
		b = f.o.AppendUint16(b, n)
	}
	return b
}

func (f *foreign) u32(ns ...uint32) (b []byte) {
	for _, n := range ns {
		b = f.o.AppendUint32(b, n)
	}
	return b
}

func (f *foreign) block(typ uint32, body ...[]byte) *foreign {
	all := bytes.Join(body, nil)
	all = appendPadding(all, len(all))
	length := uint32(len(all) + blockOverhead)
	f.b = append(f.b, f.u32(typ, length)...)
	f.b = append(f.b, all...)
	f.b = append(f.b, f.u32(length)...)
	return f
}

func (f *foreign) section() *foreign {
	return f.block(blockSection, f.u32(byteOrderMagic), f.u16(1, 0), f.u32(^uint32(0), ^uint32(0)))
}

func (f *foreign) option(code uint16, value []byte) []byte {
	b := append(f.u16(code, uint16(len(value))), value...)
	return appendPadding(b, len(value))
}

func (f *foreign) iface(link packet.LinkType, snap uint32, options ...[]byte) *foreign {
	return f.block(blockInterface, f.u16(uint16(link), 0), f.u32(snap), bytes.Join(options, nil))
}

func (f *foreign) enhanced(id uint32, ts uint64, data string, wire uint32, options ...[]byte) *foreign {
	return f.block(blockEnhanced, f.u32(id, uint32(ts>>32), uint32(ts), uint32(len(data)), wire),
		appendPadding([]byte(data), len(data)), bytes.Join(options, nil))
}

func (f *foreign) obsolete(id uint16, ts uint64, data string, wire uint32) *foreign {
	return f.block(blockPacket, f.u16(id, 7), f.u32(uint32(ts>>32), uint32(ts), uint32(len(data)), wire), []byte(data))
}

func (f *foreign) simple(data string, wire uint32) *foreign {
	return f.block(blockSimple, f.u32(wire), []byte(data))
}
