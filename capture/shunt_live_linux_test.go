package capture

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	xbpf "golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"kagami/bpf"
	"kagami/bpf/filter"
	"kagami/packet"
	"kagami/sensor"
)

func openShunt(t testing.TB) *bpf.Shunt {
	t.Helper()
	s, err := bpf.Open(bpf.Options{Flows: 256})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// segment is a TCP segment between 10.0.0.src and 10.0.0.dst.
func segment(src, dst byte, sport, dport uint16, flags packet.TCPFlags, payload string) []byte {
	h := ports(sport, dport, nil)[:4]
	h = append(h, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, byte(flags), 1, 0, 0, 0, 0, 0)
	return ethernet(0x800, wrap([4]byte{10, 0, 0, src}, [4]byte{10, 0, 0, dst}, 6, append(h, payload...)))
}

// tally counts frames as the engine does.
func tally(t *testing.T, into map[packet.Key]*sensor.Shunted, frames ...sensor.Frame) {
	t.Helper()
	var p packet.Packet
	for _, f := range frames {
		if out := p.Parse(f.Data, f.WireLen, f.Link); out != packet.OK {
			t.Fatalf("%v: % x", out, f.Data)
		}
		c := into[p.Key]
		if c == nil {
			c = &sensor.Shunted{}
			into[p.Key] = c
		}
		if f.TPID != 0 {
			p.OuterTag(f.VLAN)
		}
		c.Packets[p.Side]++
		c.Bytes[p.Side] += uint64(p.WireLen)
		c.IPBytes[p.Side] += uint64(p.IPLen)
		c.Payload[p.Side] += uint64(p.PayloadLen())
	}
}

// drain reads all that the rings hold.
func drain(t *testing.T, rings []*Ring) (out []sensor.Frame) {
	t.Helper()
	var b sensor.Batch
	for _, r := range rings {
		for idle := 0; idle < 3; {
			if err := r.Next(&b); err != nil {
				t.Fatal(err)
			}
			if len(b.Frames) == 0 {
				idle++
			}
			for _, f := range b.Frames {
				f.Data = append([]byte{}, f.Data...)
				out = append(out, f)
			}
		}
	}
	return out
}

// conversation is a connection with a large answer, both directions, tagged or not.
func conversation(i int) [][]byte {
	c, s, port := byte(1+i), byte(2), uint16(1000+i)
	fs := [][]byte{segment(c, s, port, 443, packet.SYN, ""), segment(s, c, 443, port, packet.SYN|packet.ACK, ""), segment(c, s, port, 443, packet.ACK, "hello")}
	for j := range 50 + i {
		fs = append(fs, segment(s, c, 443, port, packet.ACK, strings.Repeat("x", 20*j)))
		if j%3 == 0 {
			fs = append(fs, segment(c, s, port, 443, packet.ACK, ""))
		}
	}
	fs = append(fs, segment(s, c, 443, port, packet.ACK|packet.FIN, "end"), segment(c, s, port, 443, packet.RST, ""))
	if i%2 == 1 {
		for j := range fs {
			fs[j] = tagged(fs[j], 0x8100, 9)
		}
	}
	return fs
}

// What comes through the rings and what the kernel keeps back are, together and
// for each direction, what comes without shunting.
func TestLiveShuntTotals(t *testing.T) {
	ownNetwork(t)
	send, o := sender(t), liveOptions(2)
	plain := openRings(t, o)
	o.Shunt = openShunt(t)
	rings := openRings(t, o)
	if p := rings[0].Programs(); p.Shunt != nil || !errors.Is(p.Fanout, ErrNotAsked) {
		t.Fatalf("programs %+v, want shunting on", p)
	}
	const flows, early = 8, 10 // frames before the flow is shunted
	begin := time.Now().UnixNano()
	for i := range flows {
		send(conversation(i)[:early]...)
	}
	want, got := map[packet.Key]*sensor.Shunted{}, map[packet.Key]*sensor.Shunted{}
	tally(t, got, drain(t, rings)...)
	for k := range got {
		if !rings[1].Shunt(k) {
			t.Fatalf("flow %+v refused", k)
		}
	}
	for i := range flows {
		send(conversation(i)[early:]...)
	}
	late := drain(t, rings)
	var p packet.Packet
	for _, f := range late {
		if p.Parse(f.Data, f.WireLen, f.Link); p.Flags&(packet.SYN|packet.FIN|packet.RST) == 0 {
			t.Errorf("a frame of a shunted flow came: flags %x", p.Flags)
		}
	}
	if len(late) != 2*flows {
		t.Errorf("%d frames came after shunting, want the FIN and RST of %d flows", len(late), flows)
	}
	tally(t, got, late...)
	tally(t, want, drain(t, plain)...)
	var packets, octets uint64
	for k, w := range want {
		c, ok := rings[0].Release(k)
		packets += c.Packets[0] + c.Packets[1]
		octets += c.Bytes[0] + c.Bytes[1]
		if !ok || c.Last[1] < begin || c.Last[1] > time.Now().UnixNano() {
			t.Errorf("flow %+v: %t, counts %+v", k, ok, c)
		}
		c.Last = [2]int64{}
		for i := range 2 {
			c.Packets[i] += got[k].Packets[i]
			c.Bytes[i] += got[k].Bytes[i]
			c.IPBytes[i] += got[k].IPBytes[i]
			c.Payload[i] += got[k].Payload[i]
		}
		if c != *w {
			t.Errorf("flow %+v:\nwith shunting    %+v\nwithout shunting %+v", k, c, *w)
		}
	}
	if p, o := rings[1].Totals(); p != packets || o != octets || packets == 0 {
		t.Errorf("totals %d packets, %d octets; all flows together have %d and %d", p, o, packets, octets)
	}
	if len(want) != flows || len(got) != flows {
		t.Errorf("%d and %d flows, want %d", len(want), len(got), flows)
	}
}

func TestLiveShuntWithFilter(t *testing.T) {
	ownNetwork(t)
	send, o := sender(t), liveOptions(1)
	o.Filter = func(link packet.LinkType) ([]xbpf.RawInstruction, error) {
		p, err := filter.CompileLive("vlan 7 or tcp port 443", uint16(link))
		if err != nil {
			return nil, err
		}
		return p.Raw()
	}
	o.Shunt, o.Snaplen = openShunt(t), 200
	r := openRings(t, o)
	if p := r[0].Programs(); p.Shunt != nil {
		t.Fatalf("shunting is off: %v", p.Shunt)
	}
	long := strings.Repeat("x", 400)
	https, http := segment(1, 2, 1000, 443, packet.ACK, long), segment(1, 2, 1000, 80, packet.ACK, long)
	frames := [][]byte{https, http, tagged(http, 0x8100, 7), tagged(http, 0x8100, 8)}
	send(frames...)
	got := drain(t, r)
	if len(got) != 2 || len(got[0].Data) != 200 || int(got[0].WireLen) != len(https) || got[1].VLAN != 7 {
		t.Fatalf("%d frames, want port 443 and VLAN 7, cut to 200 octets: %+v", len(got), got)
	}
	for _, f := range got {
		var p packet.Packet
		p.Parse(f.Data, f.WireLen, f.Link)
		if !r[0].Shunt(p.Key) {
			t.Fatalf("%+v refused", p.Key)
		}
		defer func() {
			if c, ok := r[0].Release(p.Key); !ok || c.Packets != [2]uint64{1, 0} || c.Payload != [2]uint64{400, 0} {
				t.Errorf("%+v: counts %+v, want the one that the filter lets through", p.Key, c)
			}
		}()
	}
	send(frames...)
	if got := drain(t, r); len(got) != 0 {
		t.Errorf("%d frames came of shunted flows", len(got))
	}
}

// A filter that eBPF has no equivalent for stands, and shunting is off.
func TestLiveShuntYieldsToFilter(t *testing.T) {
	ownNetwork(t)
	o := liveOptions(2)
	o.Shunt = openShunt(t)
	o.Filter = func(packet.LinkType) ([]xbpf.RawInstruction, error) {
		return xbpf.Assemble([]xbpf.Instruction{
			xbpf.LoadExtension{Num: xbpf.ExtRand},
			xbpf.LoadAbsolute{Off: 36, Size: 2},
			xbpf.JumpIf{Cond: xbpf.JumpEqual, Val: 53, SkipFalse: 1},
			xbpf.RetConstant{Val: 262144},
			xbpf.RetConstant{Val: 0},
		})
	}
	rings := openRings(t, o)
	if p := rings[1].Programs(); !errors.Is(p.Shunt, bpf.ErrUnsupported) || !strings.HasPrefix(p.Shunt.Error(), "eBPF shunting is off: capture filter: instruction 0") {
		t.Errorf("programs %+v", p)
	}
	if rings[0].Shunt(packet.Key{Proto: packet.ProtoTCP}) {
		t.Error("shunting is off, but was granted")
	}
	sender(t)(udp(1, 2, 3, 53, "x"), udp(1, 2, 3, 54, "x"))
	if got := drain(t, rings); len(got) != 1 {
		t.Errorf("%d frames, want the one that the filter accepts", len(got))
	}
}

const noRightsEnv = "KAGAMI_TEST_NO_CAP_BPF"

// Without CAP_BPF eBPF is refused with a reason, and the rings work. The test
// runs itself again with the capability out of its reach.
func TestLiveWithoutCapBPF(t *testing.T) {
	if os.Getenv(noRightsEnv) == "" {
		ownNetwork(t)
		for _, c := range []uintptr{unix.CAP_BPF, unix.CAP_SYS_ADMIN, unix.CAP_PERFMON} {
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestLiveWithoutCapBPF$", "-test.v")
		cmd.Env = append(os.Environ(), noRightsEnv+"=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Errorf("%v:\n%s", err, out)
		}
		return
	}
	for _, open := range []func() error{
		func() error { _, err := bpf.Open(bpf.Options{}); return err },
		func() error { _, err := bpf.OpenFanout(); return err },
	} {
		if err := open(); !errors.Is(err, bpf.ErrUnsupported) || !strings.Contains(err.Error(), " is off: not permitted; run as root or: setcap") {
			t.Errorf("error %v", err)
		}
	}
	rings := openRings(t, liveOptions(2))
	sender(t)(udp(1, 2, 3, 53, "x"))
	if got := drain(t, rings); len(got) != 1 {
		t.Errorf("%d frames, want 1", len(got))
	}
}

// Once all is open, shunting and reopening need no capability for bpf(2).
func TestLiveShuntAfterDroppingRights(t *testing.T) {
	ownNetwork(t)
	send, o := sender(t), liveOptions(1)
	o.Shunt = openShunt(t)
	r := openRings(t, o)
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps [2]unix.CapUserData
	caps[0].Effective = 1<<unix.CAP_NET_RAW | 1<<unix.CAP_NET_ADMIN
	caps[0].Permitted = caps[0].Effective
	if err := unix.Capset(&head, &caps[0]); err != nil { // of this thread only, which ends with the test
		t.Fatal(err)
	}
	if _, err := bpf.Open(bpf.Options{}); !errors.Is(err, bpf.ErrUnsupported) {
		t.Fatalf("the right to open is still there: %v", err)
	}
	frame := segment(1, 2, 1000, 443, packet.ACK, "data")
	var p packet.Packet
	p.Parse(frame, uint32(len(frame)), packet.LinkEthernet)
	for range 2 {
		if !r[0].Shunt(p.Key) {
			t.Fatal("refused")
		}
		send(frame, frame)
		if c, ok := r[0].Release(p.Key); !ok || c.Packets[0] != 2 {
			t.Errorf("counts %+v, %t", c, ok)
		}
		r[0].Close()
		r = openRings(t, o)
		if got := r[0].Programs(); got.Shunt != nil {
			t.Errorf("opened again: %v", got.Shunt)
		}
	}
}
