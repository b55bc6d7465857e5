package segment

import (
	"errors"
	"reflect"
	"testing"

	"kagami/packet"
)

func TestLayoutPacketElsewhere(t *testing.T) {
	r := recording(20, 100)
	k := scanBytes(t, r.b)
	at := map[int64]bool{}
	for _, p := range k.packets {
		at[p.Pos] = true
	}
	blocks := map[int64]int{}
	for b, pos := r.b, 0; pos < len(b); pos += int(le.Uint32(b[pos+4:])) {
		blocks[int64(pos)] = int(le.Uint32(b[pos+4:]))
	}
	for pos := range int64(len(r.b)) {
		var p Packet
		need, err := k.Layout.Packet(r.b[pos:], pos, &p)
		switch {
		case at[pos]:
			if err != nil || need != 0 {
				t.Errorf("packet at %d: %v, needs %d", pos, err, need)
			}
		case blocks[pos] > 0:
			if err != ErrNotPacket || p.Pos != pos || p.Len != blocks[pos] {
				t.Errorf("block at %d: %v, %d octets", pos, err, p.Len)
			}
		default:
			if !errors.Is(err, ErrBlock) && need <= len(r.b)-int(pos) {
				t.Errorf("nothing at %d: %v, needs %d", pos, err, need)
			}
		}
	}
	var none Layout
	if _, err := none.Packet(r.b, 0, new(Packet)); !errors.Is(err, ErrBlock) {
		t.Errorf("without a layout: %v", err)
	}
}

func TestParseLayoutRefuses(t *testing.T) {
	f := &foreign{o: le}
	f.section().iface(packet.LinkEthernet, 6, f.option(optName, []byte("eth0"))).simple("1", 1).enhanced(0, 5, "a", 1).simple("1", 1).
		section().iface(packet.LinkRaw, 0, f.option(optTSResol, []byte{9})).enhanced(0, 5, "a", 1)
	k := scanBytes(t, f.b)
	b := k.Layout.Append(nil)
	got, rest, err := ParseLayout(b)
	if err != nil || len(rest) > 0 || !reflect.DeepEqual(got, k.Layout) {
		t.Fatalf("%v\ngot  %+v\nwant %+v", err, got, k.Layout)
	}
	for n := range b {
		if _, _, err := ParseLayout(b[:n]); err == nil {
			t.Errorf("%d of %d octets are taken", n, len(b))
		}
	}
	if _, _, err := ParseLayout(append([]byte{9}, b[1:]...)); err == nil || err.Error() != "read layout: version 9" {
		t.Errorf("another version: %v", err)
	}
	if l, _, err := ParseLayout(new(Layout).Append(nil)); err != nil || l.Format() != FormatNone {
		t.Errorf("the zero layout: %v, %v", l, err)
	}
}

func TestResolution(t *testing.T) {
	for _, c := range []struct {
		name   string
		code   uint8
		offset int64
		ts     uint64
		want   int64
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
		r := newResolution(c.code, c.offset)
		if got := r.nanos(c.ts); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
