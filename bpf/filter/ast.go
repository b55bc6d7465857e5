package filter

// node is a part of a parsed expression: logic, negation, primitive, keyword
// or relation.
type node interface{}

// logic joins its kids with `and` or, if or is set, with `or`.
type logic struct {
	or   bool
	kids []node
}

type negation struct{ kid node }

// primitive is a value with its qualifiers: `tcp src port 80`.
type primitive struct {
	qual qualifiers
	val  token
	len  *token // prefix length after "/", or nil
	mask *token // dotted mask after "mask", or nil
}

// keyword stands alone: `tcp`, `vlan 10`, `less 100`, `ip multicast`.
type keyword struct {
	word  token
	proto string // the protocol before broadcast or multicast, "" if none
	arg   *token // a number, or nil
}

// relation compares two arithmetic expressions: `ip[8] < 5`.
type relation struct {
	left  arith
	op    string // = != > < >= <=
	right arith
}

// qualifiers say what kind of thing a value is. Values that follow `and` or
// `or` without their own inherit those of the value before.
type qualifiers struct {
	proto string // "ip", "tcp" …, "" for any
	dir   direction
	kind  string // host, net, port, portrange, proto; "" if there is nothing to inherit
}

type direction uint8

const (
	srcOrDst direction = iota
	srcOnly
	dstOnly
	srcAndDst
)

// arith is a part of an arithmetic expression: number, packetLen, access or
// operation. All arithmetic is on unsigned 32-bit numbers.
type arith interface{}

type number uint32

// packetLen is the length of the packet on the wire, in bytes.
type packetLen struct{}

// access reads size bytes at index from the start of a protocol's header.
type access struct {
	proto token
	index arith
	size  int // 1, 2 or 4
}

type operation struct {
	op          string // + - * / % & | ^ << >>
	left, right arith
	pos         int // of op, for errors
}
