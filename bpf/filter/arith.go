package filter

import (
	"math"

	"golang.org/x/net/bpf"
)

// scratchSlots is the size of the BPF scratch memory, BPF_MEMWORDS.
const scratchSlots = 16

// relation tests a comparison, after the protocols of the headers it reads.
func (g *generator) relation(r *relation) (predicate, error) {
	left, op, right := r.left, r.op, r.right
	if _, ok := left.(number); ok { // 5 < len is len > 5
		left, right = right, left
		if mirrored, ok := map[string]string{"<": ">", ">": "<", "<=": ">=", ">=": "<="}[op]; ok {
			op = mirrored
		}
	}
	cond := map[string]bpf.JumpTest{"=": bpf.JumpEqual, "!=": bpf.JumpNotEqual, "<": bpf.JumpLessThan,
		">": bpf.JumpGreaterThan, "<=": bpf.JumpLessOrEqual, ">=": bpf.JumpGreaterOrEqual}[op]
	c := arithCode{g: g}
	var comparison predicate
	value, constant := right.(number)
	if whole, ok := left.(number); ok && constant {
		return always(holds(cond, uint32(whole), uint32(value))), nil
	}
	if constant {
		l, err := c.load(left)
		if err != nil {
			return predicate{}, err
		}
		comparison = compare(l, cond, uint32(value))
	} else {
		if err := c.pair(left, right, 0); err != nil {
			return predicate{}, err
		}
		comparison = compare(load{code: &computation{code: c.code, compareX: true}}, cond, 0)
	}
	return allOf(append(c.guards, comparison)...), nil
}

// holds is what a conditional jump does with a in register A.
func holds(cond bpf.JumpTest, a, val uint32) bool {
	switch cond {
	case bpf.JumpEqual:
		return a == val
	case bpf.JumpNotEqual:
		return a != val
	case bpf.JumpGreaterThan:
		return a > val
	case bpf.JumpLessThan:
		return a < val
	case bpf.JumpGreaterOrEqual:
		return a >= val
	case bpf.JumpLessOrEqual:
		return a <= val
	case bpf.JumpBitsSet:
		return a&val != 0
	}
	return a&val == 0 // bpf.JumpBitsNotSet
}

// arithCode collects the code of arithmetic and the protocol tests it needs.
type arithCode struct {
	g      *generator
	code   []bpf.Instruction
	guards []predicate
}

func (c *arithCode) add(ins ...bpf.Instruction) { c.code = append(c.code, ins...) }

// load puts a in register A, as a plain load where it is one: those are what
// optimization understands.
func (c *arithCode) load(a arith) (load, error) {
	if _, ok := a.(packetLen); ok {
		return load{extension: true, ext: bpf.ExtLen}, nil
	}
	read, mask := a, uint32(0)
	if o, ok := a.(*operation); ok && o.op == "&" {
		if m, ok := o.right.(number); ok && m != 0 {
			read, mask = o.left, uint32(m)
		}
	}
	if acc, ok := read.(*access); ok {
		if index, ok := acc.index.(number); ok {
			l, err := c.header(acc, uint32(index))
			l.mask = mask
			return l, err
		}
	}
	err := c.eval(a, 0)
	return load{code: &computation{code: c.code}}, err
}

// header adds the guards of an accessor and returns the load for byte index
// of its header.
func (c *arithCode) header(a *access, index uint32) (load, error) {
	g, name := c.g, a.proto.text
	proto, _ := protocolNamed(name)
	base := g.net
	switch {
	case name == "ether" || name == "link":
		base = g.start
	case name == "ip" || name == "ip6" || name == "arp" || name == "rarp":
		guard, err := g.carried(a.proto, proto.etherType)
		if err != nil {
			return load{}, err
		}
		c.guards = append(c.guards, guard)
	case name == "icmp6":
		// Right behind the IPv6 header only, as in libpcap.
		c.guards = append(c.guards, g.carries(etherIPv6), equal(g.net+ip6Next, 1, ipICMPv6))
		base += ip6Header
	case proto.ipProto != 0 && name != "ah" && name != "esp":
		// The place is known behind IPv4 only, as in libpcap.
		c.guards = append(c.guards, g.carries(etherIPv4), g.overIP(proto.over, proto.ipProto), g.firstFragment())
	default:
		return load{}, g.fail(a.proto, "%s[...] is not supported; want ether, ip, ip6, arp, rarp, tcp, udp, sctp, icmp, icmp6, igmp, pim or vrrp", name)
	}
	if uint64(base)+uint64(index) > math.MaxInt32 {
		return load{}, g.fail(a.proto, "offset %d in %s[...] is too large", index, name)
	}
	l := load{off: base + index, size: a.size}
	if proto.ipProto != 0 && name != "icmp6" {
		l.indirect, l.header = true, g.net
	}
	return l, nil
}

// eval adds code that leaves the value of a in A; scratch slots from slot on
// are free.
func (c *arithCode) eval(a arith, slot int) error {
	switch a := a.(type) {
	case number:
		c.add(bpf.LoadConstant{Dst: bpf.RegA, Val: uint32(a)})
		return nil
	case packetLen:
		c.add(bpf.LoadExtension{Num: bpf.ExtLen})
		return nil
	case *access:
		return c.access(a, slot)
	}
	o := a.(*operation)
	op := map[string]bpf.ALUOp{"+": bpf.ALUOpAdd, "-": bpf.ALUOpSub, "*": bpf.ALUOpMul, "/": bpf.ALUOpDiv,
		"%": bpf.ALUOpMod, "&": bpf.ALUOpAnd, "|": bpf.ALUOpOr, "^": bpf.ALUOpXor,
		"<<": bpf.ALUOpShiftLeft, ">>": bpf.ALUOpShiftRight}[o.op]
	if right, ok := o.right.(number); ok {
		err := c.eval(o.left, slot)
		c.add(bpf.ALUOpConstant{Op: op, Val: uint32(right)})
		return err
	}
	err := c.pair(o.left, o.right, slot)
	c.add(bpf.ALUOpX{Op: op})
	return err
}

// pair leaves the value of left in A and of right in X.
func (c *arithCode) pair(left, right arith, slot int) error {
	if slot == scratchSlots {
		return errorAt(c.g.text, 0, "arithmetic is too complex; put the longest part of each operation on its left")
	}
	if err := c.eval(left, slot); err != nil {
		return err
	}
	c.add(bpf.StoreScratch{Src: bpf.RegA, N: slot})
	if err := c.eval(right, slot+1); err != nil {
		return err
	}
	c.add(bpf.TAX{}, bpf.LoadScratch{Dst: bpf.RegA, N: slot})
	return nil
}

// access adds code that reads a header at a computed or constant index.
func (c *arithCode) access(a *access, slot int) error {
	index, constant := a.index.(number)
	if !constant {
		if err := c.eval(a.index, slot); err != nil {
			return err
		}
	}
	l, err := c.header(a, uint32(index))
	if err != nil {
		return err
	}
	if constant {
		l.emit(&c.code, false)
		return nil
	}
	if l.indirect {
		c.add(bpf.LoadMemShift{Off: l.header}, bpf.ALUOpX{Op: bpf.ALUOpAdd})
	}
	c.add(bpf.TAX{}, bpf.LoadIndirect{Off: l.off, Size: l.size})
	return nil
}

// emit adds the instructions of l; xLoaded says that X already holds what l
// needs there.
func (l load) emit(code *[]bpf.Instruction, xLoaded bool) {
	switch {
	case l.code != nil:
		*code = append(*code, l.code.code...)
	case l.extension:
		*code = append(*code, bpf.LoadExtension{Num: l.ext})
	case l.indirect:
		if !xLoaded {
			*code = append(*code, bpf.LoadMemShift{Off: l.header})
		}
		*code = append(*code, bpf.LoadIndirect{Off: l.off, Size: l.size})
	default:
		*code = append(*code, bpf.LoadAbsolute{Off: l.off, Size: l.size})
	}
	if l.mask != 0 {
		*code = append(*code, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: l.mask})
	}
}
