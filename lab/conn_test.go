package lab

import (
	"bytes"
	"net/netip"
	"testing"
	"time"
)

func ends(stack Stack, v6 bool) (client, server *Endpoint) {
	client = &Endpoint{Name: "client", Addr: netip.MustParseAddr("10.0.0.1"), MAC: MAC{2, 0, 0, 0, 0, 1}, TTL: 64, RTT: 200 * time.Microsecond, Stack: stack}
	server = &Endpoint{Name: "server", Addr: netip.MustParseAddr("192.0.2.1"), MAC: MAC{2, 0, 0, 0, 0, 2}, TTL: 52, RTT: 10 * time.Millisecond, Stack: stack}
	if v6 {
		client.Addr, server.Addr = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8:1::1")
	}
	return client, server
}

// What is sent arrives, whatever the faults, and nothing about the segments is
// wrong.
func TestConnDelivers(t *testing.T) {
	tests := []struct {
		name   string
		stack  Stack
		v6     bool
		faults Faults
	}{
		{"unix", Unix, false, Faults{}},
		{"windows", Windows, false, Faults{}},
		{"ipv6", Unix, true, Faults{}},
		{"every send repeated", Unix, false, Faults{Retransmit: 10_000}},
		{"every send out of order", Windows, false, Faults{Reorder: 10_000}},
		{"both", Unix, true, Faults{Retransmit: 10_000, Reorder: 10_000}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := NewRand(1, tt.name)
			w := NewWire(r, tt.faults)
			client, server := ends(tt.stack, tt.v6)
			c := w.Dial(time.Second, client, 0, server, 80)
			var want [2][]byte
			for _, size := range []int{1, 1460, 1461, 4000, 100_000, 0, 300} {
				for s := Client; s <= Server; s++ {
					b := r.Bytes(size)
					want[s] = append(want[s], b...)
					c.Send(s, c.Ready(s), b)
				}
			}
			c.Close(Server, 0)
			got, err := w.Capture(time.Unix(0, 0))
			if err != nil {
				t.Fatal(err)
			}
			x := wireFlows(t, got)[c.Flow()]
			if x == nil || !x.established {
				t.Fatal("no handshake")
			}
			for s := range want {
				if !bytes.Equal(x.halves[s].data, want[s]) {
					t.Errorf("side %d: %d bytes arrived, want the %d sent", s, len(x.halves[s].data), len(want[s]))
				}
				if !x.halves[s].fin {
					t.Errorf("side %d: no FIN", s)
				}
			}
			if x.repeats != w.Counts.Retransmissions || x.swaps != w.Counts.Reordered {
				t.Errorf("%d repeats and %d swaps on the wire, counted %+v", x.repeats, x.swaps, w.Counts)
			}
			if (tt.faults.Retransmit > 0) != (x.repeats > 0) || (tt.faults.Reorder > 0) != (x.swaps > 0) {
				t.Errorf("%d repeats and %d swaps with faults %+v", x.repeats, x.swaps, tt.faults)
			}
		})
	}
}

// No frame exceeds what Ethernet carries.
func TestConnSegments(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		w := NewWire(NewRand(2, "segments"), Faults{})
		client, server := ends(Unix, v6)
		c := w.Dial(0, client, 40000, server, 80)
		c.Send(Client, 0, make([]byte, 20_000))
		full := 0
		for _, f := range w.frames {
			if len(f.Data) > 1514 {
				t.Errorf("v6 %t: frame of %d bytes, want at most 1514", v6, len(f.Data))
			}
			if len(f.Data) == 1514 {
				full++
			}
		}
		if full != 20_000/c.mss() {
			t.Errorf("v6 %t: %d full frames, want %d", v6, full, 20_000/c.mss())
		}
	}
}

// A delayed ACK leaves alone after 40 ms, and rides on data sent before that.
func TestConnDelayedAck(t *testing.T) {
	tests := []struct {
		name   string
		think  time.Duration
		frames int // after the handshake
	}{
		{"quick answer carries it", 5 * time.Millisecond, 2},
		{"slow answer does not", 100 * time.Millisecond, 3},
	}
	for _, tt := range tests {
		w := NewWire(NewRand(3, tt.name), Faults{})
		client, server := ends(Windows, false)
		c := w.Dial(0, client, 0, server, 80)
		before := len(w.frames)
		c.Send(Client, 0, []byte("question"))
		c.Send(Server, c.Ready(Server)+tt.think, []byte("answer"))
		if got := len(w.frames) - before; got != tt.frames {
			t.Errorf("%s: %d frames, want %d", tt.name, got, tt.frames)
		}
	}
}

func TestAttempts(t *testing.T) {
	w := NewWire(NewRand(4, "attempts"), Faults{})
	client, server := ends(Windows, false)
	refused := w.Refuse(time.Second, client, server, 445).Flow()
	ignored := w.Ignore(time.Second, client, server, 445, time.Second, 2*time.Second).Flow()
	c := w.Dial(time.Second, client, 0, server, 445)
	c.Reset(Client, 0)
	got, err := w.Capture(time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	flows := wireFlows(t, got)
	if x := flows[refused]; !x.refused || x.established {
		t.Error("refused: want a reset")
	}
	if x := flows[ignored]; x.syns != 3 || x.established || x.refused {
		t.Errorf("ignored: %d SYNs, want 3 and nothing else", x.syns)
	}
	if x := flows[c.Flow()]; !x.established {
		t.Error("reset after the handshake: want a handshake")
	}
}

func TestPortsDoNotRepeat(t *testing.T) {
	w := NewWire(NewRand(5, "ports"), Faults{})
	client, _ := ends(Windows, false)
	seen := make(map[uint16]bool)
	for range 60999 - 49152 + 1 {
		p := w.Port(client)
		if p < 49152 || seen[p] {
			t.Fatalf("port %d out of range or used before", p)
		}
		seen[p] = true
	}
	if w.Port(client); w.err == nil {
		t.Error("no port was left, want an error")
	}
}

func TestLogNormal(t *testing.T) {
	r := NewRand(6, "pauses")
	const n = 20_000
	var below, far int
	for range n {
		d := r.LogNormal(35*time.Second, 130)
		if d <= 0 {
			t.Fatalf("pause of %s", d)
		}
		if d < 35*time.Second {
			below++
		}
		if d > 128423*time.Millisecond { // one sigma above: 35 s * e^1.3
			far++
		}
	}
	if below < n*48/100 || below > n*52/100 {
		t.Errorf("%d of %d below the median, want half", below, n)
	}
	if far < n*14/100 || far > n*18/100 {
		t.Errorf("%d of %d beyond one sigma, want 15.9 %%", far, n)
	}
}

func TestScaleExp2(t *testing.T) {
	for _, tt := range []struct {
		exp  int64 // 16 fraction bits
		want time.Duration
	}{
		{0, time.Second}, {1 << 16, 2 * time.Second}, {-1 << 16, 500 * time.Millisecond},
		{1 << 15, 1414214 * time.Microsecond}, {-3 << 15, 353553 * time.Microsecond}, {1 << 20, 4096 * time.Second},
	} {
		got := scaleExp2(time.Second, tt.exp)
		if diff := (got - tt.want).Abs(); diff > tt.want/500 {
			t.Errorf("2^(%d/65536) s: got %s, want %s", tt.exp, got, tt.want)
		}
	}
}
