package filter

import (
	"encoding/binary"

	"golang.org/x/net/bpf"
)

// Meta is what is known of a packet besides its bytes.
type Meta struct {
	WireLen     uint32 // length on the wire, for len, less and greater
	VLANTag     uint16 // tag control information taken out of the frame; only CompileLive asks
	VLANPresent bool   // whether there was one
	PacketType  uint8  // PACKET_HOST … PACKET_OUTGOING (linux/if_packet.h); only CompileLive asks
}

// Matcher runs a program over packets. Unlike bpf.VM it knows the length on
// the wire of a packet cut short by the snapshot length, as libpcap does, and
// the kernel's VLAN metadata. It is safe for concurrent use.
type Matcher struct {
	code []bpf.RawInstruction
}

// NewMatcher prepares p to be run.
func NewMatcher(p Program) (*Matcher, error) {
	code, err := p.Raw()
	if err != nil {
		return nil, err
	}
	return &Matcher{code: code}, nil
}

// Match reports whether a whole frame matches. It does not allocate and keeps
// nothing of frame.
func (m *Matcher) Match(frame []byte) bool {
	return m.MatchMeta(frame, Meta{WireLen: uint32(len(frame))})
}

// The opcodes Compile uses, linux/bpf_common.h: class | size or operation |
// mode or source.
const (
	opLoadWord     = 0x20 // ld  [k]
	opLoadHalf     = 0x28
	opLoadByte     = 0x30
	opLoadWordInd  = 0x40 // ld  [x+k]
	opLoadHalfInd  = 0x48
	opLoadByteInd  = 0x50
	opLoadLen      = 0x80 // ld  len
	opLoadConstant = 0x00 // ld  #k
	opLoadScratch  = 0x60 // ld  M[k]
	opStoreScratch = 0x02 // st  M[k]
	opLoadMemShift = 0xb1 // ldx 4*([k]&0xf)
	opTAX          = 0x07
	opReturn       = 0x06 // ret #k
	opJump         = 0x05 // ja  k
	classALU       = 0x04
	classMask      = 0x07
	operationMask  = 0xf0
	sourceX        = 0x08

	jumpEqual, jumpGreater, jumpGreaterOrEqual, jumpSet = 0x10, 0x20, 0x30, 0x40

	extensionBase = 0xfffff000 // SKF_AD_OFF: a load from here on asks the kernel
)

// MatchMeta reports whether a packet matches, of which frame are the captured
// bytes. It does not allocate and keeps nothing of frame.
func (m *Matcher) MatchMeta(frame []byte, meta Meta) bool {
	var a, x uint32
	var scratch [scratchSlots]uint32
	ok := true
	for pc := 0; ok; pc++ {
		in := &m.code[pc]
		switch in.Op {
		case opLoadWord:
			if in.K >= extensionBase {
				a = meta.extension(in.K)
			} else {
				a, ok = read(frame, uint64(in.K), 4)
			}
		case opLoadHalf:
			a, ok = read(frame, uint64(in.K), 2)
		case opLoadByte:
			a, ok = read(frame, uint64(in.K), 1)
		case opLoadWordInd:
			a, ok = read(frame, uint64(in.K)+uint64(x), 4)
		case opLoadHalfInd:
			a, ok = read(frame, uint64(in.K)+uint64(x), 2)
		case opLoadByteInd:
			a, ok = read(frame, uint64(in.K)+uint64(x), 1)
		case opLoadLen:
			a = meta.WireLen
		case opLoadConstant:
			a = in.K
		case opLoadScratch:
			a = scratch[in.K%scratchSlots]
		case opStoreScratch:
			scratch[in.K%scratchSlots] = a
		case opLoadMemShift:
			x, ok = read(frame, uint64(in.K), 1)
			x = x & 0x0f * 4
		case opTAX:
			x = a
		case opReturn:
			return in.K != 0
		case opJump:
			pc += int(in.K)
		default:
			value := in.K
			if in.Op&sourceX != 0 {
				value = x
			}
			if in.Op&classMask == classALU {
				a, ok = compute(in.Op&operationMask, a, value)
			} else if jumps(in.Op&operationMask, a, value) {
				pc += int(in.Jt)
			} else {
				pc += int(in.Jf)
			}
		}
	}
	return false // a read past the end or a division by zero
}

// read loads size bytes in network byte order; false if they are not there.
func read(frame []byte, off uint64, size int) (uint32, bool) {
	if off+uint64(size) > uint64(len(frame)) {
		return 0, false
	}
	b := frame[off:]
	switch size {
	case 1:
		return uint32(b[0]), true
	case 2:
		return uint32(binary.BigEndian.Uint16(b)), true
	}
	return binary.BigEndian.Uint32(b), true
}

// extension answers what the kernel would.
func (m Meta) extension(k uint32) uint32 {
	switch bpf.Extension(k - extensionBase) {
	case bpf.ExtVLANTagPresent:
		if m.VLANPresent {
			return 1
		}
	case bpf.ExtVLANTag:
		return uint32(m.VLANTag)
	case bpf.ExtType:
		return uint32(m.PacketType)
	}
	return 0
}

// compute is an arithmetic instruction; false on division by zero. A shift by
// 32 bits or more gives 0.
func compute(op uint16, a, value uint32) (uint32, bool) {
	if value == 0 && (op == uint16(bpf.ALUOpDiv) || op == uint16(bpf.ALUOpMod)) {
		return 0, false
	}
	switch bpf.ALUOp(op) {
	case bpf.ALUOpAdd:
		return a + value, true
	case bpf.ALUOpSub:
		return a - value, true
	case bpf.ALUOpMul:
		return a * value, true
	case bpf.ALUOpDiv:
		return a / value, true
	case bpf.ALUOpMod:
		return a % value, true
	case bpf.ALUOpAnd:
		return a & value, true
	case bpf.ALUOpOr:
		return a | value, true
	case bpf.ALUOpXor:
		return a ^ value, true
	case bpf.ALUOpShiftLeft:
		return a << value, true
	}
	return a >> value, true // bpf.ALUOpShiftRight
}

// jumps is the condition of a conditional jump.
func jumps(op uint16, a, value uint32) bool {
	switch op {
	case jumpEqual:
		return a == value
	case jumpGreater:
		return a > value
	case jumpGreaterOrEqual:
		return a >= value
	}
	return a&value != 0 // jumpSet
}
