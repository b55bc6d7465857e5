package segment

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"kagami/packet"
	"kagami/sensor"
)

const macs = "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02"

func TestAppendPacket(t *testing.T) {
	long := strings.Repeat("x", 200)
	for _, c := range []struct {
		name  string
		frame sensor.Frame
		snap  int
		data  string
		wire  uint32
	}{
		{"whole", sensor.Frame{Data: []byte(macs + "\x08\x00abc"), WireLen: 17}, 1 << 16, macs + "\x08\x00abc", 17},
		{"shortened before", sensor.Frame{Data: []byte(macs + "\x08\x00"), WireLen: 1500}, 1 << 16, macs + "\x08\x00", 1500},
		{"snap length", sensor.Frame{Data: []byte(macs + long), WireLen: 212}, 100, macs + long[:88], 212},
		{"snap length that is too small", sensor.Frame{Data: []byte(macs + long), WireLen: 212}, 1, macs + long[:MinSnap-12], 212},
		{"the tag is put back", sensor.Frame{Data: []byte(macs + "\x08\x00abc"), WireLen: 17, TPID: 0x8100, VLAN: 0x2007}, 1 << 16, macs + "\x81\x00\x20\x07\x08\x00abc", 21},
		{"snap length with a tag", sensor.Frame{Data: []byte(macs + long), WireLen: 212, TPID: 0x88a8, VLAN: 5}, 100, macs + "\x88\xa8\x00\x05" + long[:84], 216},
		{"too short for a tag", sensor.Frame{Data: []byte("abc"), WireLen: 60, TPID: 0x8100, VLAN: 5}, 1 << 16, "abc", 60},
		{"empty", sensor.Frame{WireLen: 60}, 1 << 16, "", 60},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.frame.Link, c.frame.Time = packet.LinkEthernet, t0+7
			b := AppendInterface(AppendSection(nil, ""), Interface{Link: packet.LinkEthernet})
			at := len(b)
			b = AppendPacket(b, 0, &c.frame, c.snap)
			want := seen{Pos: int64(at), Len: len(b) - at, Time: t0 + 7, Wire: c.wire, Link: packet.LinkEthernet, Data: c.data}
			if k := scanBytes(t, b); len(k.packets) != 1 || k.packets[0] != want || len(k.damage) > 0 {
				t.Errorf("got  %+v %v\nwant %+v", k.packets, k.damage, want)
			}
		})
	}
}

func TestAppendCopy(t *testing.T) {
	b := AppendInterface(AppendSection(nil, "two gaps"), Interface{Link: packet.LinkRaw, Name: "a", Snap: 9})
	p := Packet{Time: t0 + 1, WireLen: 1500, Data: []byte("abcde")}
	b = AppendCopy(b, 0, &p, "behind a gap")
	b = AppendCopy(b, 0, &p, "")
	k := scanBytes(t, b)
	if len(k.packets) != 2 || k.packets[0].Data != "abcde" || k.packets[1].Time != t0+1 || k.packets[0].Wire != 1500 || len(k.damage) > 0 {
		t.Errorf("got %+v, %v", k.packets, k.damage)
	}
	if want := []Interface{{Link: packet.LinkRaw, Name: "a", Snap: 9}}; !reflect.DeepEqual(k.Layout.Interfaces(), want) {
		t.Errorf("interfaces %+v, want %+v", k.Layout.Interfaces(), want)
	}
}

func TestNotes(t *testing.T) {
	v6 := packet.Key{A: [16]byte{0x20, 1, 15: 1}, B: [16]byte{0x20, 1, 15: 2}, APort: 53, BPort: 50000, Proto: packet.ProtoUDP}
	addrs := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
	notes := []Note{
		{Kind: Named, At: t0, Key: testKey(1), Client: packet.FromB, Name: "www.example.com"},
		{Kind: Resolved, At: -5, Key: v6, Name: "a", Addrs: addrs},
		{Kind: Host, At: t0, Name: "printer", Addrs: addrs[:1]},
		{Kind: Hole, At: t0, Key: testKey(9)},
		{Kind: Alert, At: t0, Name: "a-1234", Text: "ET MALWARE 日本 \x00", From: t0 - 5, To: t0 + 5},
	}
	r := newRecorder(packet.LinkEthernet)
	for _, n := range notes {
		r.note(n)
	}
	k := scanBytes(t, r.b)
	if !reflect.DeepEqual(k.notes, notes) || len(k.damage) > 0 || k.Notes != 5 {
		t.Errorf("got  %+v\nwant %+v\n%v", k.notes, notes, k.damage)
	}
}

func TestNotesAreShortened(t *testing.T) {
	many := make([]netip.Addr, 20)
	for i := range many {
		many[i] = netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
	}
	r := newRecorder(packet.LinkEthernet)
	r.note(Note{Kind: Resolved, Name: strings.Repeat("é", 200), Text: strings.Repeat("x", 3000), Addrs: many})
	k := scanBytes(t, r.b)
	if len(k.notes) != 1 {
		t.Fatal(k.damage)
	}
	if n := k.notes[0]; n.Name != strings.Repeat("é", 127) || len(n.Text) != MaxNoteText || !reflect.DeepEqual(n.Addrs, many[:MaxNoteAddrs]) {
		t.Errorf("name of %d octets, text of %d, %d addresses", len(n.Name), len(n.Text), len(n.Addrs))
	}
}

func TestMark(t *testing.T) {
	m := Mark{
		Session: -1, Worker: 7, Segment: 1 << 63, CRC: 9, Packets: 10, Last: 11, Synced: true,
		Counters: Counters{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 3},
	}
	b := AppendMark(nil, &m)
	if len(b) != MarkLen || len(b)%4 != 0 {
		t.Errorf("a mark has %d octets, MarkLen is %d", len(b), MarkLen)
	}
	var got Mark
	kind, _, ok := local(b)
	if !ok || kind != localMark || !parseMark(&got, b) || got != m {
		t.Errorf("got %+v, want %+v", got, m)
	}
}

func TestFillerAndOtherLocalBlocks(t *testing.T) {
	r := newRecorder(packet.LinkEthernet)
	r.b = AppendFiller(r.b, MinFiller)
	r.b = AppendFiller(r.b, 2<<20)
	f := foreign{o: le}
	r.b = append(r.b, f.block(blockLocal, []byte("somebody else's")).block(blockLocal, nil).block(blockLocal, []byte("KGMI\x01\x09\x00\x00a later version")).b...)
	r.packet(t0, "abc", 3).mark(true)
	if k := scanBytes(t, r.b); len(k.packets) != 1 || len(k.damage) > 0 || k.GoodMarks != 1 || k.BadMarks != 0 {
		t.Errorf("%+v, %v, %d good marks", k.packets, k.damage, k.GoodMarks)
	}
}

func TestAppendsAllocateNothing(t *testing.T) {
	b := make([]byte, 0, 1<<16)
	f := &sensor.Frame{Data: make([]byte, 700), WireLen: 700, TPID: 0x8100, Link: packet.LinkEthernet}
	n := &Note{Kind: Resolved, Name: "example.com", Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}
	if got := testing.AllocsPerRun(100, func() {
		b = AppendPacket(b[:0], 0, f, 1<<16)
		b = AppendNote(b, n)
		b = AppendMark(b, &Mark{})
		b = AppendStatistics(b, 0, t0, &Counters{Seen: 1 << 60})
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

// TestOtherReaders: notes, marks, statistics and fillers neither disturb other
// programs nor appear in them, and packets read the same there.
func TestOtherReaders(t *testing.T) {
	r := recording(95, 1400)
	r.b = AppendFiller(r.b, 4096)
	r.b = AppendCopy(r.b, 1, &Packet{Time: t0 + 7, WireLen: 1500, Data: []byte(macs + "\x08\x00")}, "behind a gap")
	path := filepath.Join(t.TempDir(), Name(t0, 1))
	if err := os.WriteFile(path, r.b, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("tshark", func(t *testing.T) {
		var want strings.Builder
		for _, p := range scanBytes(t, r.b).packets {
			comment := ""
			if p.Time == t0+7 {
				comment = "behind a gap"
			}
			fmt.Fprintf(&want, "%d.%09d\t%d\t%d\t%d\t%s\n", p.Time/1e9, p.Time%1e9, p.If, len(p.Data), p.Wire, comment)
		}
		got := otherReader(t, "tshark", "-n", "-r", path, "-T", "fields", "-e", "frame.time_epoch",
			"-e", "frame.interface_id", "-e", "frame.cap_len", "-e", "frame.len", "-e", "frame.comment")
		if got != want.String() {
			t.Errorf("got\n%s\nwant\n%s", got, want.String())
		}
	})
	t.Run("tcpdump", func(t *testing.T) {
		if got := otherReader(t, "tcpdump", "-n", "-q", "-r", path, "--count"); !strings.HasPrefix(got, "96 packets") {
			t.Errorf("got %q", got)
		}
	})
	t.Run("capinfos", func(t *testing.T) {
		got := otherReader(t, "capinfos", "-M", path)
		for _, s := range []string{"Number of packets:   96", "Capture application: kagami", "Capture comment:     worker 0",
			"Name = eth0", "Name = eth1", "Time precision = nanoseconds (9)", "Number of stat entries = 9"} {
			if !strings.Contains(got, s) {
				t.Errorf("no %q in\n%s", s, got)
			}
		}
	})
}

// otherReader runs a program that must not complain.
func otherReader(t *testing.T, program string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skip(err)
	}
	var complaint strings.Builder
	cmd := exec.Command(program, args...)
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	for line := range strings.Lines(complaint.String()) {
		if !strings.HasPrefix(line, "Running as user") && !strings.HasPrefix(line, "reading from file") {
			t.Errorf("%s says %q", program, line)
		}
	}
	if err != nil {
		t.Error(err)
	}
	return string(out)
}
