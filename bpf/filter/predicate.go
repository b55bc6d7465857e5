package filter

import "golang.org/x/net/bpf"

// predicate is a tree of tests on the bytes of a packet.
type predicate struct {
	op   predicateOp
	kids []predicate // of opAnd, opOr (any number), opNot (one)
	test test        // of opTest
}

type predicateOp uint8

const (
	opTrue predicateOp = iota
	opFalse
	opTest
	opAnd
	opOr
	opNot
)

// test compares what load leaves in register A. It is comparable: two equal
// tests have the same outcome on the same packet.
type test struct {
	load load
	cond bpf.JumpTest
	val  uint32
}

// load says what is in register A at a test.
type load struct {
	off       uint32 // from the start of the frame, or from X if indirect
	size      int    // bytes: 1, 2 or 4; 0 if ext or code is used
	indirect  bool   // X holds the length of the IPv4 header that starts at header
	header    uint32 // 0 if not indirect
	mask      uint32 // and-ed to the value; 0 for none
	extension bool   // ask the kernel for ext instead of reading the frame
	ext       bpf.Extension
	code      *computation // or compute it; compared by identity
}

// computation is code that leaves a value in A and, if compareX is set, what to
// compare it with in X. It may use X and the scratch memory freely.
type computation struct {
	code     []bpf.Instruction
	compareX bool
}

func allOf(kids ...predicate) predicate { return predicate{op: opAnd, kids: kids} }
func anyOf(kids ...predicate) predicate { return predicate{op: opOr, kids: kids} }
func not(p predicate) predicate         { return predicate{op: opNot, kids: []predicate{p}} }

func always(outcome bool) predicate {
	if outcome {
		return predicate{op: opTrue}
	}
	return predicate{op: opFalse}
}

func compare(l load, cond bpf.JumpTest, val uint32) predicate {
	return predicate{op: opTest, test: test{load: l, cond: cond, val: val}}
}

// equal tests size bytes at offset off of the frame.
func equal(off uint32, size int, val uint32) predicate {
	return compare(load{off: off, size: size}, bpf.JumpEqual, val)
}

// equalMasked is equal with mask applied to the bytes. A zero mask reads
// nothing, so that net 0.0.0.0/0 does not depend on the length of the frame.
func equalMasked(off uint32, size int, mask, val uint32) predicate {
	if mask == 0 {
		return always(val == 0)
	}
	if mask == 1<<(8*size)-1 {
		mask = 0
	}
	return compare(load{off: off, size: size, mask: mask}, bpf.JumpEqual, val)
}

// either combines what holds for the source and for the destination.
func (d direction) either(src, dst predicate) predicate {
	switch d {
	case srcOnly:
		return src
	case dstOnly:
		return dst
	case srcAndDst:
		return allOf(src, dst)
	}
	return anyOf(src, dst)
}
