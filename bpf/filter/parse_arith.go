package filter

import "strings"

// relation parses arith relop arith. It returns nil and takes nothing if there
// is none here; the error then says why, nil if it does not even look like one.
func (p *parser) relation() (node, error) {
	start, depth := p.next, p.depth
	t := p.peek()
	_, isConstant := constant(t.text)
	switch {
	case t.kind == tokNumber, t.is("-"), t.is("("), t.is("len"):
	case t.kind == tokWord && (isConstant || p.peekAt(1).is("[")):
	default:
		return nil, nil
	}
	n, err := p.wholeRelation()
	if err != nil {
		p.next, p.depth = start, depth
		return nil, err
	}
	return n, nil
}

func (p *parser) wholeRelation() (node, error) {
	left, err := p.arith(0)
	if err != nil {
		return nil, err
	}
	op := p.take()
	if op.kind != tokOp || !strings.Contains(" = == != > < >= <= ", " "+op.text+" ") {
		return nil, p.fail(op, "%s; want a comparison such as = or >%s", op.found(), p.hint(op))
	}
	right, err := p.arith(0)
	if err != nil {
		return nil, err
	}
	if op.text == "==" {
		op.text = "="
	}
	return &relation{left: left, op: op.text, right: right}, nil
}

// binding lists the operators from loosest to tightest, as in C.
var binding = [...]string{" | ", " ^ ", " & ", " << >> ", " + - ", " * / % "}

// arith parses operators that bind at least as tightly as binding[level].
func (p *parser) arith(level int) (arith, error) {
	if level == len(binding) {
		return p.factor()
	}
	left, err := p.arith(level + 1)
	for err == nil {
		op := p.peek()
		if op.kind != tokOp || !strings.Contains(binding[level], " "+op.text+" ") {
			return left, nil
		}
		p.take()
		var right arith
		if right, err = p.arith(level + 1); err == nil {
			left, err = p.fold(&operation{op: op.text, left: left, right: right, pos: op.pos})
		}
	}
	return nil, err
}

// factor parses a number, len, -factor, (arith) or proto[index:size].
func (p *parser) factor() (arith, error) {
	t := p.take()
	switch {
	case t.kind == tokNumber:
		return number(t.num), nil
	case t.is("len"):
		return packetLen{}, nil
	case t.is("-"), t.is("("):
		if err := p.enter(t); err != nil {
			return nil, err
		}
		defer func() { p.depth-- }()
		if t.is("-") {
			a, err := p.factor()
			if err != nil {
				return nil, err
			}
			return p.fold(&operation{op: "-", left: number(0), right: a, pos: t.pos})
		}
		a, err := p.arith(0)
		if err != nil {
			return nil, err
		}
		return a, p.expect(")", "to close the parenthesis")
	case t.kind == tokWord && p.peek().is("["):
		return p.access(t)
	case t.kind == tokWord:
		if v, ok := constant(t.text); ok {
			return number(v), nil
		}
	}
	return nil, p.fail(t, "%s; want a number, len or proto[offset:size]%s", t.found(), p.hint(t))
}

// access parses [index] or [index:size] after the protocol.
func (p *parser) access(proto token) (arith, error) {
	if err := p.enter(p.take()); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	index, err := p.arith(0)
	if err != nil {
		return nil, err
	}
	a := &access{proto: proto, index: index, size: 1}
	if p.accept(":") {
		size := p.take()
		if size.kind != tokNumber || size.num != 1 && size.num != 2 && size.num != 4 {
			return nil, p.fail(size, "%s; the size must be 1, 2 or 4 bytes", size.found())
		}
		a.size = int(size.num)
	}
	return a, p.expect("]", "to close the bracket")
}

// fold computes an operation on two constants, and refuses what can never be
// computed.
func (p *parser) fold(o *operation) (arith, error) {
	r, rightConstant := o.right.(number)
	if rightConstant && r == 0 && (o.op == "/" || o.op == "%") {
		return nil, errorAt(p.text, o.pos, "division by zero")
	}
	if rightConstant && r > 31 && (o.op == "<<" || o.op == ">>") {
		return nil, errorAt(p.text, o.pos, "shift by %d bits; at most 31", r)
	}
	l, leftConstant := o.left.(number)
	if !leftConstant || !rightConstant {
		return o, nil
	}
	switch o.op {
	case "+":
		return l + r, nil
	case "-":
		return l - r, nil
	case "*":
		return l * r, nil
	case "/":
		return l / r, nil
	case "%":
		return l % r, nil
	case "&":
		return l & r, nil
	case "|":
		return l | r, nil
	case "^":
		return l ^ r, nil
	case "<<":
		return l << r, nil
	}
	return l >> r, nil // ">>" is all that is left of binding
}
