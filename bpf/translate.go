package bpf

import (
	"errors"
	"fmt"
	"math"

	"github.com/cilium/ebpf/asm"
	"golang.org/x/net/bpf"
)

// Registers of a translated filter. LD_ABS and LD_IND demand the context in R6,
// deliver in R0 and spoil R1 to R5. Where they read past the packet's end they
// leave the program with 0, as in classic BPF.
const (
	regA       = asm.R0
	regX       = asm.R7
	regContext = asm.R6
	regSaved   = asm.R8
)

// Offsets in struct __sk_buff (kernel.h).
const (
	ctxLen         = 0
	ctxPktType     = 4
	ctxQueue       = 12
	ctxVLANPresent = 20
	ctxVLAN        = 24
	ctxIfindex     = 40
	ctxAccepted    = 48 // cb[0], see shunt.c
	ctxEthernet    = 52 // cb[1]
)

// Classic BPF (linux/bpf_common.h).
const (
	classLD = iota
	classLDX
	classST
	classSTX
	classALU
	classJMP
	classRET
	classMISC
)
const (
	modeIMM = 0x00
	modeABS = 0x20
	modeIND = 0x40
	modeMEM = 0x60
	modeLEN = 0x80
	modeMSH = 0xa0

	sourceX = 0x08
	retA    = 0x10
	miscTXA = 0x80

	// extensionBase is SKF_AD_OFF as a uint32: loads from here on ask the kernel.
	extensionBase = math.MaxUint32 - 0x1000 + 1

	scratchWords = 16 // BPF_MEMWORDS
)

// Labels within the program.
const (
	labelAccepted = "accepted"
)

// translator turns classic instructions into eBPF. All arithmetic has 32 bits
// in both.
type translator struct {
	out     asm.Instructions
	at      int    // index of the classic instruction
	reached []bool // the verifier refuses instructions that are not
	targets []bool // of jumps
}

// translate makes of a filter instructions that end at labelAccepted with the
// octets to keep in regA, or with a return of 0. The error names what it does
// not know; filters from bpf/filter have nothing of the kind.
func translate(filter []bpf.RawInstruction) (asm.Instructions, error) {
	t := translator{reached: make([]bool, len(filter)+1), targets: make([]bool, len(filter)+1)}
	t.reached[0] = true
	t.out = asm.Instructions{
		asm.Mov.Reg(regContext, asm.R1),
		asm.Mov.Imm32(regA, 0),
		asm.Mov.Imm32(regX, 0),
	}
	if usesScratch(filter) {
		for i := range uint32(scratchWords) { // the verifier wants all that is read written
			t.out = append(t.out, asm.StoreImm(asm.RFP, scratch(i), 0, asm.Word))
		}
	}
	for i, ins := range filter {
		if t.at = i; !t.reached[i] {
			continue
		}
		if err := t.instruction(ins); err != nil {
			return nil, fmt.Errorf("%w: instruction %d (%#04x %#x): %w", errUntranslated, i, ins.Op, ins.K, err)
		}
	}
	if t.reached[len(filter)] {
		return nil, fmt.Errorf("%w: it ends without a verdict", errUntranslated)
	}
	return t.out, nil
}

func usesScratch(filter []bpf.RawInstruction) bool {
	for _, ins := range filter {
		if c := ins.Op & 7; c == classST || c == classSTX || c <= classLDX && ins.Op&0xe0 == modeMEM {
			return true
		}
	}
	return false
}

// scratch is the place of M[k] on the stack.
func scratch(k uint32) int16 { return -4 * int16(k+1) }

// add appends the eBPF of a classic instruction; the first bears the label that
// jumps look for.
func (t *translator) add(ins ...asm.Instruction) {
	if t.targets[t.at] {
		ins[0] = ins[0].WithSymbol(label(t.at))
	}
	t.out = append(t.out, ins...)
}

func label(i int) string { return fmt.Sprintf("filter%d", i) }

func (t *translator) instruction(ins bpf.RawInstruction) error {
	class := ins.Op & 7
	if class != classJMP && class != classRET {
		t.reached[t.at+1] = true
	}
	switch class {
	case classLD:
		return t.load(ins)
	case classLDX:
		return t.loadX(ins)
	case classST, classSTX:
		if ins.K >= scratchWords {
			return errUnknown
		}
		from := regA
		if class == classSTX {
			from = regX
		}
		t.add(asm.StoreMem(asm.RFP, scratch(ins.K), from, asm.Word))
	case classALU:
		return t.arithmetic(ins)
	case classJMP:
		return t.jump(ins)
	case classRET:
		switch ins.Op {
		case classRET:
			t.add(asm.Mov.Imm32(regA, int32(ins.K)), asm.Ja.Label(labelAccepted))
		case classRET | retA:
			t.add(asm.Ja.Label(labelAccepted))
		default:
			return errUnknown
		}
	case classMISC:
		if ins.Op&miscTXA != 0 {
			t.add(asm.Mov.Reg32(regA, regX))
		} else {
			t.add(asm.Mov.Reg32(regX, regA))
		}
	}
	return nil
}

var errUnknown = errors.New("no eBPF equivalent known")

// errUntranslated is a filter that cannot run together with the shunt.
var errUntranslated = errors.New("capture filter")

func (t *translator) load(ins bpf.RawInstruction) error {
	size, ok := map[uint16]asm.Size{0x00: asm.Word, 0x08: asm.Half, 0x10: asm.Byte}[ins.Op&0x18]
	if !ok {
		return errUnknown
	}
	switch ins.Op & 0xe0 {
	case modeIMM:
		t.add(asm.Mov.Imm32(regA, int32(ins.K)))
	case modeABS:
		if ins.K >= extensionBase {
			return t.extension(bpf.Extension(ins.K - extensionBase))
		}
		if ins.K > math.MaxInt32 { // relative to another header
			return errUnknown
		}
		t.add(asm.LoadAbs(int32(ins.K), size))
	case modeIND:
		t.add(asm.LoadInd(regA, regX, int32(ins.K), size))
	case modeMEM:
		if ins.K >= scratchWords {
			return errUnknown
		}
		t.add(asm.LoadMem(regA, asm.RFP, scratch(ins.K), asm.Word))
	case modeLEN:
		t.add(asm.LoadMem(regA, regContext, ctxLen, asm.Word))
	default:
		return errUnknown
	}
	return nil
}

// extension loads what the kernel knows of the packet (SKF_AD_*).
func (t *translator) extension(e bpf.Extension) error {
	offset, ok := map[bpf.Extension]int16{
		bpf.ExtType:           ctxPktType,
		bpf.ExtQueue:          ctxQueue,
		bpf.ExtInterfaceIndex: ctxIfindex,
		bpf.ExtVLANTag:        ctxVLAN,
		bpf.ExtVLANTagPresent: ctxVLANPresent,
	}[e]
	if !ok {
		return errUnknown
	}
	t.add(asm.LoadMem(regA, regContext, offset, asm.Word))
	return nil
}

func (t *translator) loadX(ins bpf.RawInstruction) error {
	switch ins.Op & 0xe0 {
	case modeIMM:
		t.add(asm.Mov.Imm32(regX, int32(ins.K)))
	case modeMEM:
		if ins.K >= scratchWords {
			return errUnknown
		}
		t.add(asm.LoadMem(regX, asm.RFP, scratch(ins.K), asm.Word))
	case modeLEN:
		t.add(asm.LoadMem(regX, regContext, ctxLen, asm.Word))
	case modeMSH: // the length of an IPv4 header
		if ins.K > math.MaxInt32 {
			return errUnknown
		}
		t.add(
			asm.Mov.Reg32(regSaved, regA),
			asm.LoadAbs(int32(ins.K), asm.Byte),
			asm.And.Imm32(regA, 15),
			asm.LSh.Imm32(regA, 2),
			asm.Mov.Reg32(regX, regA),
			asm.Mov.Reg32(regA, regSaved))
	default:
		return errUnknown
	}
	return nil
}

func (t *translator) arithmetic(ins bpf.RawInstruction) error {
	op, ok := map[uint16]asm.ALUOp{
		0x00: asm.Add, 0x10: asm.Sub, 0x20: asm.Mul, 0x30: asm.Div, 0x40: asm.Or, 0x50: asm.And,
		0x60: asm.LSh, 0x70: asm.RSh, 0x80: asm.Neg, 0x90: asm.Mod, 0xa0: asm.Xor,
	}[ins.Op&0xf0]
	divides := op == asm.Div || op == asm.Mod
	switch {
	case !ok:
		return errUnknown
	case op == asm.Neg:
		t.add(asm.Neg.Imm32(regA, 0))
	case ins.Op&sourceX != 0:
		if !divides {
			t.add(op.Reg32(regA, regX))
			break
		}
		divide := fmt.Sprintf("divide%d", t.at)
		t.add( // by zero: classic BPF refuses the packet
			asm.JNE.Imm32(regX, 0, divide),
			asm.Mov.Imm32(regA, 0),
			asm.Return(),
			op.Reg32(regA, regX).WithSymbol(divide))
	case divides && ins.K == 0, (op == asm.LSh || op == asm.RSh) && ins.K > 31:
		return errUnknown // the kernel does not take such filters either
	default:
		t.add(op.Imm32(regA, int32(ins.K)))
	}
	return nil
}

// target is the label of the instruction that a jump over so many others leads to.
func (t *translator) target(skip uint32) (string, error) {
	to := uint64(t.at) + 1 + uint64(skip)
	if to >= uint64(len(t.targets)-1) {
		return "", errors.New("jump out of the program")
	}
	t.reached[to], t.targets[to] = true, true
	return label(int(to)), nil
}

func (t *translator) jump(ins bpf.RawInstruction) error {
	if ins.Op&0xf0 == 0 {
		to, err := t.target(ins.K)
		t.add(asm.Ja.Label(to))
		return err
	}
	op, ok := map[uint16]asm.JumpOp{0x10: asm.JEq, 0x20: asm.JGT, 0x30: asm.JGE, 0x40: asm.JSet}[ins.Op&0xf0]
	if !ok {
		return errUnknown
	}
	yes, err := t.target(uint32(ins.Jt))
	if err != nil {
		return err
	}
	no, err := t.target(uint32(ins.Jf))
	if err != nil {
		return err
	}
	test := op.Imm32(regA, int32(ins.K), yes)
	if ins.Op&sourceX != 0 {
		test = op.Reg32(regA, regX, yes)
	}
	t.add(test, asm.Ja.Label(no))
	return nil
}
