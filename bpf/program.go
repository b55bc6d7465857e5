package bpf

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/net/bpf"
)

// prologue is what runs before the shunt's own code: the capture filter, whose
// verdict it bounds by snaplen. nil is no filter.
func prologue(filter []bpf.RawInstruction, ethernet bool, snaplen uint32) (asm.Instructions, error) {
	var out asm.Instructions
	if filter == nil {
		out = asm.Instructions{
			asm.Mov.Reg(regContext, asm.R1),
			asm.Mov.Imm32(regA, int32(snaplen)),
		}
	} else {
		var err error
		if out, err = translate(filter); err != nil {
			return nil, err
		}
		out = append(out,
			asm.JNE.Imm32(regA, 0, "some").WithSymbol(labelAccepted),
			asm.Return(),
			asm.JLE.Imm32(regA, int32(snaplen), "bounded").WithSymbol("some"),
			asm.Mov.Imm32(regA, int32(snaplen)))
	}
	link := int32(0)
	if ethernet {
		link = 1
	}
	return append(out,
		asm.StoreMem(regContext, ctxAccepted, regA, asm.Word).WithSymbol("bounded"),
		asm.Mov.Imm32(asm.R2, link),
		asm.StoreMem(regContext, ctxEthernet, asm.R2, asm.Word),
		asm.Mov.Reg(asm.R1, regContext)), nil
}

// prepend puts instructions in front of a program. Name and type of the function
// belong to its first instruction, so they move.
func prepend(first asm.Instructions, prog *ebpf.ProgramSpec) error {
	if len(prog.Instructions) == 0 {
		return fmt.Errorf("prepend to program %q: it is empty", prog.Name)
	}
	rest := append(asm.Instructions(nil), prog.Instructions...)
	out := append(asm.Instructions(nil), first...)
	out[0] = btf.WithFuncMetadata(out[0].WithSymbol(rest[0].Symbol()), btf.FuncMetadata(&rest[0])).WithSource(rest[0].Source())
	rest[0] = rest[0].WithMetadata(asm.Metadata{})
	prog.Instructions = append(out, rest...)
	return nil
}
