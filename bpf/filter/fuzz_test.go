package filter

import (
	"strings"
	"testing"

	"golang.org/x/net/bpf"
)

// FuzzCompile: no text makes Compile panic, and what it makes of one
//   - is accepted by bpf.Assemble and bpf.NewVM and kept within the limits,
//   - selects the same packets on the VM as on Matcher,
//   - selects the same packets as without the optimizer.
func FuzzCompile(f *testing.F) {
	frame := ethernetFrames(f)[20].data
	for _, expr := range ethernetExpressions {
		f.Add(expr, uint16(1), frame)
	}
	for i, link := range []uint16{LinkNull, LinkLoop, LinkRaw, LinkSLL, LinkSLL2, LinkIPv4, LinkIPv6} {
		f.Add(ipExpressions[i*7], link, frame[14:])
	}
	f.Add("((((1))))=1 or port 80 or (81 or 82) && host ::1 mask 255.0.0.0", uint16(1), frame)
	f.Fuzz(func(t *testing.T, expr string, link uint16, packet []byte) {
		if live, err := CompileLive(expr, link); err == nil {
			if _, err := live.Raw(); err != nil {
				t.Fatalf("CompileLive(%q, %d): %v", expr, link, err)
			}
		}
		p, err := Compile(expr, link)
		if err != nil {
			if msg := err.Error(); !strings.HasPrefix(msg, "filter: ") || strings.ContainsAny(msg, "\n\r") {
				t.Fatalf("error is not one clear line: %q", msg)
			}
			return
		}
		vm, err := bpf.NewVM(p.Instructions())
		if err != nil {
			t.Fatalf("VM refuses %q on %d: %v", expr, link, err)
		}
		m, err := NewMatcher(p)
		if err != nil {
			t.Fatal(err)
		}
		got := m.Match(packet)
		if n, err := vm.Run(packet); err != nil || (n != 0) != got {
			t.Fatalf("%q on %d, packet %x: Matcher %t, VM %d, %v", expr, link, packet, got, n, err)
		}
		plain := Program{ins: unoptimized(t, expr, link)}
		if len(plain.ins) > maxInstructions {
			return
		}
		if m, err = NewMatcher(plain); err != nil {
			t.Fatal(err)
		}
		if want := m.Match(packet); got != want {
			t.Fatalf("%q on %d, packet %x: %t, without optimizer %t", expr, link, packet, got, want)
		}
	})
}

// unoptimized compiles an expression known to be good without optimize.
func unoptimized(t *testing.T, expr string, link uint16) []bpf.Instruction {
	t.Helper()
	layer, err := newLayer(link, tagInFrame)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := parse(expr)
	if err != nil {
		t.Fatal(err)
	}
	pred := always(true)
	if tree != nil {
		g := generator{layer: layer, text: expr}
		if pred, err = g.node(tree); err != nil {
			t.Fatal(err)
		}
	}
	gr, err := newGraph(pred)
	if err != nil {
		t.Fatal(err)
	}
	return gr.emit()
}

// TestOptimizerChangesNothing compares the two on every test packet.
func TestOptimizerChangesNothing(t *testing.T) {
	for _, link := range []uint16{LinkEthernet, LinkSLL, LinkRaw, LinkNull} {
		frames := framesOf(t, link)
		for _, expr := range ipExpressions {
			p, err := Compile(expr, link)
			if err != nil {
				t.Fatal(err)
			}
			m, err := NewMatcher(p)
			if err != nil {
				t.Fatal(err)
			}
			plain, err := NewMatcher(Program{ins: unoptimized(t, expr, link)})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range frames {
				for n := range len(f.data) + 1 { // also cut short anywhere
					if got, want := m.Match(f.data[:n]), plain.Match(f.data[:n]); got != want {
						t.Fatalf("%q on %d, %s cut to %d: %t, without optimizer %t", expr, link, f.name, n, got, want)
					}
				}
			}
		}
	}
}
