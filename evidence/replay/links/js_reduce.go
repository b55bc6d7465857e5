package links

import "bytes"

// reduce folds one operator with its operands on the stack.
func (m *machine) reduce(op operator) {
	switch need := m.pending(); {
	case op == opNegate || op == opUnary:
		if need < 1 {
			return
		}
		m.vals = append(m.vals, m.unary(op, m.load(m.pop())))
	case op == opElse:
		if need < 3 {
			return
		}
		b, a, condition := m.load(m.pop()), m.load(m.pop()), m.load(m.pop())
		m.vals = append(m.vals, m.conditional(condition, a, b))
	case need < 2:
		return
	default:
		b, a := m.pop(), m.pop()
		m.vals = append(m.vals, m.binary(op, a, m.load(b)))
	}
}

func (m *machine) unary(op operator, v value) value {
	if op == opNegate && v.kind == valueNumber {
		v.number = -v.number
		return v
	}
	return m.lost(v)
}

func (m *machine) conditional(condition, a, b value) value {
	if condition.kind == valueNumber {
		if condition.number != 0 {
			return a
		}
		return b
	}
	m.examine(condition)
	return choice(a, b)
}

// binary folds a and b, of which b is loaded.
func (m *machine) binary(op operator, a, b value) value {
	switch op {
	case opAssign:
		return m.assign(a, b)
	case opAddAssign:
		sum := m.load(a)
		if kept, ok := m.f.vars[string(a.b)]; ok && a.kind == valueName && kept.kind == valueString {
			sum.owned = kept.owned // only the variable's own copy grows
		}
		if a.kind == valueName {
			return m.grow(a, m.join(sum, b))
		}
		return m.assign(a, m.join(sum, b))
	case opOtherAssign:
		return m.assign(a, m.lost(b))
	case opKey:
		m.key(a, b)
		return value{at: a.at}
	}
	a = m.load(a)
	switch op {
	case opAdd:
		return m.join(a, b)
	case opOr:
		return choice(a, b)
	case opAnd, opIf:
		m.examine(a)
		return b
	case opEqual, opUnequal:
		if a.kind == valueString && b.kind == valueString && len(a.b) <= maxCompared {
			same := bytes.Equal(a.b, b.b) == (op == opEqual)
			return value{kind: valueNumber, at: a.at, number: float64(count(same))}
		}
	}
	if a.kind == valueNumber && b.kind == valueNumber {
		if n, ok := arithmetic(op, a.number, b.number); ok {
			return value{kind: valueNumber, at: a.at, number: n}
		}
	}
	m.examine(a)
	m.examine(b)
	return value{at: a.at}
}

// maxCompared bounds the octets of strings whose equality is folded.
const maxCompared = 4096

// grow handles variable += …. What it comes to is examined once, at the end of the
// script or where it is used: not each time that it grows.
func (m *machine) grow(target, v value) value {
	if m.isSink(lastName(target.b)) {
		return m.assign(target, v)
	}
	if v.kind == valueString {
		if old := m.f.vars[string(target.b)]; !old.grown {
			m.grown = append(m.grown, string(target.b))
		}
		v.grown = true
	}
	m.store(target.b, v)
	v.owned, v.seen = false, true
	return v
}

// endGrowth examines what variables have grown to.
func (m *machine) endGrowth() {
	for _, name := range m.grown {
		if v := m.f.vars[name]; v.grown {
			m.ripe(v)
			v.grown = false
			m.f.vars[name] = v
		}
	}
}

// ripe examines a grown value.
func (m *machine) ripe(v value) {
	v.seen = false
	if m.room(len(v.b), v.at) {
		m.examine(v)
	}
}

// assign handles target = v: a variable keeps the value, a property may be a sink.
func (m *machine) assign(target, v value) value {
	property := target.b
	switch target.kind {
	case valueName:
		path := m.alias(target.b)
		property = lastName(path)
		m.store(target.b, v)
	case valueMember:
	default:
		m.examine(v)
		return value{at: v.at}
	}
	if !m.sink(property, v) {
		m.examine(v)
	}
	v.owned = false
	return v
}

// key handles "key": v in an object literal.
func (m *machine) key(key, v value) {
	if key.kind != valueString && key.kind != valueName || !m.sink(lastName(key.b), v) {
		m.examine(v)
	}
}
