package decoders

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// ntpNow is 2026-02-03 04:05:06.25 UTC.
const ntpNow = 1770091506_250000000

// ntpStamp is a time as NTP writes it.
func ntpStamp(ns int64) uint64 {
	return uint64(ns/1e9+ntpEpoch)<<32 | uint64(ns%1e9)<<32/1e9
}

// ntpMessage is a message of time; stamps are reference, origin, receive, transmit.
func ntpMessage(version, mode, stratum byte, stamps [4]uint64, more ...string) []byte {
	b := make([]byte, ntpHeader)
	b[0], b[1], b[2], b[3] = version<<3|mode, stratum, 6, 0xe9
	copy(b[4:], "\x00\x00\x80\x00\x00\x01\x00\x00\x0a\x00\x00\x01")
	for i, s := range stamps {
		binary.BigEndian.PutUint64(b[16+8*i:], s)
	}
	return append(b, strings.Join(more, "")...)
}

func ntpRequest(more ...string) []byte {
	b := ntpMessage(4, ntpClient, 0, [4]uint64{3: 0x1122334455667788}, more...)
	clear(b[1:16])
	return b
}

func ntpReply(more ...string) []byte {
	return ntpMessage(4, ntpServer, 2, [4]uint64{ntpStamp(ntpNow - 60e9), 0x1122334455667788, ntpStamp(ntpNow), ntpStamp(ntpNow + 1e6)}, more...)
}

const (
	ntpReadVar     = "\x16\x02\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00"
	ntpReadVarMore = "\x16\xe2\x00\x01\x06\x15\x00\x09\x00\x00\x00\x08version="
	ntpMonlist     = "\x17\x00\x03\x2a\x00\x00\x00\x00"
)

// ntpMonlistReply is 6 items of 72 octets, more to come.
func ntpMonlistReply() string {
	return "\xd7\x05\x03\x2a\x00\x06\x00\x48" + strings.Repeat("\x00", 6*72)
}

func TestNTPMatch(t *testing.T) {
	edit := func(b []byte, at int, v byte) []byte { b = slices.Clone(b); b[at] = v; return b }
	old := ntpMessage(4, ntpServer, 2, [4]uint64{0, 1, ntpStamp(1e18), ntpStamp(1e18)})
	random := ntpRequest()
	copy(random[16:], "whatever is in here......")
	for _, c := range []struct {
		name        string
		msg         []byte
		want, other sensor.Match // on port 123, on others
	}{
		{"request", ntpRequest(), sensor.FromClient, sensor.FromClient},
		{"reply", ntpReply(), sensor.FromServer, sensor.FromServer},
		{"reply of another year", old, sensor.FromServer, sensor.No},
		{"request with times that cannot be", random, sensor.FromClient, sensor.No},
		{"broadcast", ntpMessage(4, ntpBroadcast, 2, [4]uint64{}), sensor.FromClient, sensor.No},
		{"symmetric", ntpMessage(3, ntpPassive, 2, [4]uint64{}), sensor.FromServer, sensor.No},
		{"version 1 with no mode", ntpMessage(1, 0, 2, [4]uint64{}), sensor.FromClient, sensor.No},
		{"request with a key", ntpRequest(strings.Repeat("k", 20)), sensor.FromClient, sensor.No},
		{"no such version", edit(ntpRequest(), 0, 5<<3|3), sensor.No, sensor.No},
		{"no such stratum", edit(ntpReply(), 1, 17), sensor.No, sensor.No},
		{"no such precision", edit(ntpReply(), 3, 100), sensor.No, sensor.No},
		{"further than 256 s from the clock", edit(ntpReply(), 4, 2), sensor.No, sensor.No},
		{"too short", ntpRequest()[:47], sensor.No, sensor.No},
		{"control request", []byte(ntpReadVar), sensor.FromClient, sensor.No},
		{"control response", []byte(ntpReadVarMore), sensor.FromServer, sensor.No},
		{"control, count too large", []byte(ntpReadVar[:10] + "\x01\x00"), sensor.No, sensor.No},
		{"control, no such operation", []byte("\x16\x0f" + ntpReadVar[2:]), sensor.No, sensor.No},
		{"control request with a status", []byte("\x16\x02\x00\x01\x01" + ntpReadVar[5:]), sensor.No, sensor.No},
		{"private request", []byte(ntpMonlist), sensor.FromClient, sensor.No},
		{"private response", []byte(ntpMonlistReply()), sensor.FromServer, sensor.No},
		{"private, too many items", []byte("\xd7\x05\x03\x2a\x00\x07\x00\x48"), sensor.No, sensor.No},
		{"private, no such request", []byte("\x17\x00\x03\x60\x00\x00\x00\x00"), sensor.No, sensor.No},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := matchNTP(udpFlow(40000, 123, ntpNow), packet.FromA, first(c.msg)); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if got := matchNTP(udpFlow(40000, 4001, ntpNow), packet.FromA, first(c.msg)); got != c.other {
				t.Errorf("on other ports: got %v, want %v", got, c.other)
			}
		})
	}
}

func readClock(t *testing.T, b []byte) records.NTP {
	t.Helper()
	out := datagrams[*records.NTP](ntpProtocol(), udpFlow(40000, 123, ntpNow), packet.FromA, b)
	if len(out) != 1 {
		t.Fatalf("%d records", len(out))
	}
	r := *out[0]
	*r.Meta(), r.Time = records.Meta{}, 0
	return r
}

func TestNTPMessages(t *testing.T) {
	reply := records.NTP{Version: 4, Mode: ntpServer, Stratum: 2, Poll: 6, Precision: -23, RootDelay: 5e8, RootDispersion: 1e9, RefID: [4]byte{10, 0, 0, 1},
		RefTime: ntpNow - 60e9, OrgTime: 2373432516_333594771, RecTime: ntpNow, XmtTime: ntpNow + 1e6 - 1}
	with := func(change func(*records.NTP)) records.NTP { r := reply; change(&r); return r }
	extension := "\x01\x04\x00\x10" + strings.Repeat("e", 12)
	for _, c := range []struct {
		name string
		msg  []byte
		want records.NTP
	}{
		{"request", ntpRequest(), records.NTP{Version: 4, Mode: ntpClient, XmtTime: reply.OrgTime}},
		{"reply", ntpReply(), reply},
		{"MD5", ntpReply("\x00\x00\x00\x07", strings.Repeat("d", 16)), with(func(r *records.NTP) { r.KeyID, r.MACBytes = 7, 16 })},
		{"refusal", ntpReply("\x00\x00\x00\x07"), with(func(r *records.NTP) { r.KeyID = 7 })},
		{"extensions", ntpReply(extension, extension), with(func(r *records.NTP) { r.Extensions = 2 })},
		{"extension and SHA-1", ntpReply(extension, "\x00\x00\x00\x09", strings.Repeat("d", 20)),
			with(func(r *records.NTP) { r.Extensions, r.KeyID, r.MACBytes = 1, 9, 20 })},
		{"MS-SNTP", ntpReply("\x00\x00\x04\x58", strings.Repeat("\x00", 68)), with(func(r *records.NTP) { r.KeyID, r.MACBytes = 0x458, 68 })},
		{"octets that are neither", ntpReply("abc"), with(func(r *records.NTP) { r.Malformed = true })},
		{"readvar", []byte(ntpReadVar), records.NTP{Version: 2, Mode: ntpControl, OperationNo: 2, Operation: "readvar", Sequence: 1}},
		{"readvar's response, an error, more follows", []byte(ntpReadVarMore), records.NTP{Version: 2, Mode: ntpControl, Response: true, Error: 1, More: true,
			OperationNo: 2, Operation: "readvar", Sequence: 1, Status: 0x0615, Association: 9, Items: 8}},
		{"monlist", []byte(ntpMonlist), records.NTP{Version: 2, Mode: ntpPrivate, OperationNo: 42, Operation: "monlist"}},
		{"monlist's response", []byte(ntpMonlistReply()), records.NTP{Version: 2, Mode: ntpPrivate, Response: true, More: true, OperationNo: 42, Operation: "monlist",
			Sequence: 5, Items: 6, ItemSize: 72}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := readClock(t, c.msg); got != c.want {
				t.Errorf("\n got %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestNTPTime(t *testing.T) {
	const wrap = 4294967296e9 - ntpEpoch*1e9 // 2036-02-07 06:28:16, when the seconds wrap
	for _, at := range []int64{0, 1, 1e9, ntpNow, wrap - 1e9, wrap, wrap + 1e9, 4e18, -1e18} {
		v := uint64(uint32(at/1e9+ntpEpoch)) << 32
		for _, now := range []int64{at, at - 60*365*86400e9, at + 60*365*86400e9} {
			if got, want := ntpTime(v, now), at/1e9*1e9; v != 0 && got != want {
				t.Errorf("%d seen at %d: got %d", want, now, got)
			}
		}
	}
	if ntpTime(0, ntpNow) != 0 {
		t.Error("an absent time is 0")
	}
}

func FuzzNTP(f *testing.F) {
	addDatagrams(f, 123)
	for _, b := range [][]byte{ntpRequest(), ntpReply("\x01\x04\x00\x10" + strings.Repeat("e", 12)), []byte(ntpReadVarMore), []byte(ntpMonlist), []byte(ntpMonlistReply())} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		flow := udpFlow(40000, 123, ntpNow)
		out := datagrams[*records.NTP](ntpProtocol(), flow, packet.FromA, b)
		if matched := matchNTP(flow, packet.FromA, first(b)) != sensor.No; matched != (len(out) == 1) {
			t.Fatalf("match %v, %d records", matched, len(out))
		}
		matchNTP(udpFlow(40000, 4001, ntpNow), packet.FromA, first(b))
		for _, r := range out {
			const era = 1 << 31 * 1e9
			for _, at := range []int64{r.RefTime, r.OrgTime, r.RecTime, r.XmtTime} {
				if d := at - ntpNow; at != 0 && (d > era+1e9 || d < -era-1e9) {
					t.Fatalf("time %d is not of this era", at)
				}
			}
			if len(r.AppendFields(nil)) == 0 {
				t.Fatal("no fields")
			}
		}
	})
}

func BenchmarkNTP(b *testing.B) {
	benchmarkDatagram(b, ntpProtocol(), udpFlow(40000, 123, ntpNow), ntpReply())
}
