package bpf

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/net/bpf"

	"kagami/bpf/filter"
)

// needRoot skips tests that load programs. `make live-test` runs them.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Getenv("KAGAMI_LIVE") != "1" {
		t.Skip("loading eBPF needs root: run `make live-test` (KAGAMI_LIVE=1)")
	}
}

// run gives data to a program as its packet, link header included, and returns
// what it returns. The kernel takes 14 octets off a test packet's front.
func run(t testing.TB, p *ebpf.Program, data []byte) uint32 {
	t.Helper()
	got, err := p.Run(&ebpf.RunOptions{Data: append(make([]byte, 14), data...)})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// loadFilter is a filter alone: it returns the octets to keep.
func loadFilter(t testing.TB, raw []bpf.RawInstruction) *ebpf.Program {
	t.Helper()
	ins, err := prologue(raw, true, 1<<18)
	if err != nil {
		t.Fatal(err)
	}
	ins = append(ins, asm.LoadMem(asm.R0, asm.R1, ctxAccepted, asm.Word), asm.Return())
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SocketFilter, Instructions: ins, License: "GPL"})
	if err != nil {
		t.Fatalf("the kernel refuses %v: %v", raw, err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// agree compares a translated filter with the interpreter of the classic one.
func agree(t *testing.T, name string, ins []bpf.Instruction, packets [][]byte) {
	t.Helper()
	raw, err := bpf.Assemble(ins)
	if err != nil {
		t.Fatal(err)
	}
	vm, err := bpf.NewVM(ins)
	if err != nil {
		t.Fatal(err)
	}
	p := loadFilter(t, raw)
	for _, data := range packets {
		want, err := vm.Run(data)
		if err != nil {
			t.Fatal(err)
		}
		if got := run(t, p, data); got != uint32(want) {
			t.Fatalf("%s: eBPF keeps %d octets, classic BPF %d of % x", name, got, want, data)
		}
	}
}

func randomPackets(n int) [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	var out [][]byte
	for range n {
		p := make([]byte, 14+r.IntN(80))
		for i := range p {
			p[i] = byte(r.Uint32())
		}
		if r.IntN(4) > 0 {
			copy(p[12:], []byte{8, 0, 0x45 + byte(r.IntN(3))})
		}
		if len(p) > 23 && r.IntN(4) > 0 {
			p[23] = []byte{6, 17, 1, 132}[r.IntN(4)]
			p[20], p[21] = p[20]&0x40, 0
		}
		if len(p) > 37 {
			copy(p[36:], [][]byte{{0, 80}, {0, 53}, {1, 187}}[r.IntN(3)])
		}
		out = append(out, p)
	}
	return out
}

func TestLiveTranslatedFilters(t *testing.T) {
	needRoot(t)
	packets := randomPackets(400)
	for _, expr := range []string{
		"", "ip", "tcp port 80", "not port 443", "udp and (port 53 or portrange 5000-6000)", "ip[2:2] > 40 and ip[8] < 64",
		"tcp[tcpflags] & tcp-syn != 0", "net 10.0.0.0/8 or net 192.168.0.0/16", "ether[0] & 1 = 1", "len > 60", "less 60",
		"ip6", "vlan 10 and tcp", "(ip[0] & 15) * 4 > 20", "udp[4:2] - 8 > 20 or tcp[12] >> 4 < 6", "ip[6:2] & 0x1fff = 0",
		"host 1.2.3.4 or host 2001:db8::1", "ether proto 0x88cc or ip[ip[0] & 15] = 7", "ip[2:2] / ip[8] > 2", "ip[2:2] % 7 = 3",
	} {
		p, err := filter.Compile(expr, filter.LinkEthernet)
		if err != nil {
			t.Fatal(err)
		}
		agree(t, expr, p.Instructions(), packets)
	}
}

// Programs of random instructions, also those that the filter compiler does not emit.
func TestLiveTranslatedInstructions(t *testing.T) {
	needRoot(t)
	r := rand.New(rand.NewPCG(3, 4))
	ops := []bpf.ALUOp{bpf.ALUOpAdd, bpf.ALUOpSub, bpf.ALUOpMul, bpf.ALUOpDiv, bpf.ALUOpOr, bpf.ALUOpAnd, bpf.ALUOpShiftLeft, bpf.ALUOpShiftRight, bpf.ALUOpMod, bpf.ALUOpXor}
	for range 150 {
		var ins []bpf.Instruction
		const n = 24
		for i := range n {
			left := uint8(min(n-1-i, 5))
			choices := []bpf.Instruction{
				bpf.LoadConstant{Dst: bpf.RegA, Val: r.Uint32()},
				bpf.LoadConstant{Dst: bpf.RegX, Val: r.Uint32N(20)},
				bpf.LoadAbsolute{Off: r.Uint32N(40), Size: []int{1, 2, 4}[r.IntN(3)]},
				bpf.LoadIndirect{Off: r.Uint32N(20), Size: []int{1, 2, 4}[r.IntN(3)]},
				bpf.LoadMemShift{Off: 14},
				bpf.LoadExtension{Num: bpf.ExtLen},
				bpf.StoreScratch{Src: bpf.Register(r.IntN(2)), N: r.IntN(16)},
				bpf.LoadScratch{Dst: bpf.Register(r.IntN(2)), N: r.IntN(16)},
				bpf.ALUOpConstant{Op: ops[r.IntN(len(ops))], Val: 1 + r.Uint32N(31)},
				bpf.ALUOpX{Op: ops[r.IntN(6)]},
				bpf.TAX{}, bpf.TXA{},
				bpf.Jump{Skip: uint32(r.IntN(int(left) + 1))},
				bpf.JumpIf{Cond: bpf.JumpTest(r.IntN(8)), Val: r.Uint32() >> r.IntN(32), SkipTrue: uint8(r.IntN(int(left) + 1)), SkipFalse: uint8(r.IntN(int(left) + 1))},
				bpf.JumpIfX{Cond: bpf.JumpTest(r.IntN(8)), SkipTrue: uint8(r.IntN(int(left) + 1)), SkipFalse: uint8(r.IntN(int(left) + 1))},
			}
			ins = append(ins, choices[r.IntN(len(choices))])
		}
		// The result bounded: snaplen cuts, but the interpreter does not.
		ins = append(ins, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xffff}, bpf.RetA{})
		agree(t, "random program", ins, randomPackets(20))
	}
}

func TestTranslateRefuses(t *testing.T) {
	for name, ins := range map[string]bpf.RawInstruction{
		"a random number":       {Op: 0x20, K: extensionBase + 56},
		"the network header":    {Op: 0x20, K: 0xfff00000},
		"scratch beyond its 16": {Op: 0x02, K: 16},
		"division by zero":      {Op: 0x34, K: 0},
		"a jump out":            {Op: 0x05, K: 9},
		"a far jump out":        {Op: 0x05, K: 0xffffffff},
		"a shift by 32":         {Op: 0x64, K: 32},
	} {
		if _, err := translate([]bpf.RawInstruction{ins, {Op: 0x06}}); !errors.Is(err, errUntranslated) {
			t.Errorf("%s: error %v, want errUntranslated", name, err)
		}
	}
}

func TestSnaplenBoundsTheFilter(t *testing.T) {
	needRoot(t)
	for _, c := range []struct{ accept, want uint32 }{{0, 0}, {100, 100}, {262144, 128}, {0xffffffff, 128}} {
		ins, err := prologue([]bpf.RawInstruction{{Op: 0x06, K: c.accept}}, true, 128)
		if err != nil {
			t.Fatal(err)
		}
		ins = append(ins, asm.LoadMem(asm.R0, asm.R1, ctxAccepted, asm.Word), asm.Return())
		p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SocketFilter, Instructions: ins, License: "GPL"})
		if err != nil {
			t.Fatal(err)
		}
		if got := run(t, p, binary.BigEndian.AppendUint64(nil, 1)); got != c.want {
			t.Errorf("filter keeps %d: %d octets, want %d", c.accept, got, c.want)
		}
		p.Close()
	}
}
