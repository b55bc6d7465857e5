package links

import (
	"bytes"
	"strconv"
)

type valueKind uint8

const (
	valueUnknown valueKind = iota
	valueString
	valueNumber
	valueName   // a variable, function or property path: its text is the path
	valueMember // a property of a value: text is its name, list holds the value
	valueArray
	valueRegexp
	valuePacker // the function of Dean Edwards' packer
	valueChoice // one of list
)

// value is what an expression comes to as far as it is constant.
type value struct {
	kind   valueKind
	owned  bool // b may be appended to
	seen   bool // it was examined when a variable took it
	grown  bool // a variable's, that += made and nobody examined yet
	depth  int  // decodings
	at     int  // index in the script
	b      []byte
	number float64
	list   []value
}

// hole stands in a string for what is not known (U+FDD0, a noncharacter).
const hole = "\uFDD0"

// cutHole gives what stands before the first hole.
func cutHole(b []byte) (known []byte, cut bool) {
	if i := bytes.Index(b, []byte(hole)); i >= 0 {
		return b[:i], true
	}
	return b, false
}

// maxChoices bounds the alternatives that are followed of one expression.
const maxChoices = 4

// choice is either of two values; what is not known is left out.
func choice(a, b value) value {
	switch {
	case a.kind != valueString && a.kind != valueChoice:
		return b
	case b.kind != valueString && b.kind != valueChoice:
		return a
	}
	c := value{kind: valueChoice, at: a.at}
	for _, v := range [...]value{a, b} {
		v.owned = false
		if v.kind == valueChoice {
			c.list = append(c.list, v.list...)
		} else {
			c.list = append(c.list, v)
		}
	}
	c.list = c.list[:min(len(c.list), maxChoices)]
	return c
}

// each applies a function to the value or to all its alternatives.
func (v value) each(apply func(value) value) value {
	if v.kind != valueChoice {
		return apply(v)
	}
	out := value{kind: valueChoice, at: v.at}
	for _, alternative := range v.list {
		alternative.at = v.at // a variable's may stand in another script
		if a := apply(alternative); a.kind == valueString {
			out.list = append(out.list, a)
		}
	}
	switch len(out.list) {
	case 0:
		return value{at: v.at}
	case 1:
		return out.list[0]
	}
	return out
}

// text is what the value adds to a string.
func (v *value) text() []byte {
	switch v.kind {
	case valueString:
		return v.b
	case valueNumber:
		return formatNumber(v.number)
	case valueArray:
		if len(v.list) == 0 {
			return nil
		}
	}
	return []byte(hole)
}

func formatNumber(n float64) []byte {
	if n == float64(int64(n)) {
		return strconv.AppendInt(nil, int64(n), 10)
	}
	return strconv.AppendFloat(nil, n, 'g', -1, 64)
}

// join is the operator +.
func (m *machine) join(a, b value) value {
	if a.kind == valueChoice {
		return a.each(func(v value) value { return m.join(v, b) })
	}
	if b.kind == valueChoice {
		a.owned = false
		return b.each(func(v value) value { return m.join(a, v) })
	}
	if a.kind == valueNumber && b.kind == valueNumber {
		return value{kind: valueNumber, at: a.at, number: a.number + b.number}
	}
	if a.kind != valueString && b.kind != valueString {
		m.examine(a)
		m.examine(b)
		return value{at: a.at}
	}
	tail := b.text()
	out := value{kind: valueString, at: a.at, depth: max(a.depth, b.depth), owned: true}
	if a.owned && a.kind == valueString {
		out.b = a.b
	} else {
		head := a.text()
		if !m.room(len(head), a.at) {
			return value{at: a.at}
		}
		out.b = append(make([]byte, 0, len(head)+2*len(tail)), head...)
	}
	if bytes.HasSuffix(out.b, []byte(hole)) && string(tail) == hole {
		return out
	}
	if len(out.b)+len(tail) > m.f.lim.LiteralLen {
		m.f.note(NoteLiteralLen, m.f.lim.LiteralLen, m.t.at(a.at))
		m.examine(a)
		return b
	}
	if !m.room(len(tail), a.at) {
		m.examine(a)
		return b
	}
	out.b = append(out.b, tail...)
	return out
}

// room takes n octets for a string from the budget.
func (m *machine) room(n, at int) bool { return m.f.spend(n, m.t.at(at)) }

// decode makes a string of v by undoing an encoding, which counts as one pass.
func (m *machine) decode(v value, n int, decode func() []byte) value {
	if v.depth >= m.f.lim.Passes {
		m.f.note(NotePasses, m.f.lim.Passes, m.t.at(v.at))
		return value{at: v.at}
	}
	out := m.derive(v, n, decode)
	out.depth++
	return out
}

// derive makes a string of v at a cost of n octets, if the limits allow.
func (m *machine) derive(v value, n int, make func() []byte) value {
	switch {
	case n > m.f.lim.LiteralLen:
		m.f.note(NoteLiteralLen, m.f.lim.LiteralLen, m.t.at(v.at))
		return value{at: v.at}
	case !m.room(n, v.at):
		return value{at: v.at}
	}
	return value{kind: valueString, at: v.at, depth: v.depth, b: make()}
}

// arithmetic folds an operator of two numbers.
func arithmetic(op operator, a, b float64) (float64, bool) {
	x, y := int32(int64(a)), int32(int64(b))
	switch op {
	case opSubtract:
		return a - b, true
	case opMultiply:
		return a * b, true
	case opDivide:
		return a / b, b != 0
	case opRemainder:
		if y == 0 {
			return 0, false
		}
		return float64(int64(x) % int64(y)), true
	case opBitAnd:
		return float64(x & y), true
	case opBitOr:
		return float64(x | y), true
	case opBitXor:
		return float64(x ^ y), true
	case opShiftLeft:
		return float64(x << (uint32(y) & 31)), true
	case opShiftRight:
		return float64(x >> (uint32(y) & 31)), true
	case opLess:
		return float64(count(a < b)), true
	case opGreater:
		return float64(count(a > b)), true
	case opLessEqual:
		return float64(count(a <= b)), true
	case opGreaterEqual:
		return float64(count(a >= b)), true
	case opEqual:
		return float64(count(a == b)), true
	case opUnequal:
		return float64(count(a != b)), true
	}
	return 0, false
}
