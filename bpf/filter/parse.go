package filter

import "strings"

// parser is a recursive-descent parser. The grammar, after pcap-filter(7):
//
//	expr     = operand { ("and" | "or") operand }   left to right, equal precedence
//	operand  = "not" operand | "(" expr ")" | relation | primitive | value
//	relation = arith ("=" | "==" | "!=" | "<" | "<=" | ">" | ">=") arith
//	value    = address, number or name with the qualifiers of the value before it
//
// The lexer spells &&, || and ! as and, or and not.
type parser struct {
	text  string
	toks  []token
	next  int // index in toks
	depth int // open parentheses, brackets and negations
}

// parse returns the syntax tree of text, nil if text is blank.
func parse(text string) (node, error) {
	toks, err := lex(text)
	if err != nil {
		return nil, err
	}
	p := &parser{text: text, toks: toks}
	if p.peek().kind == tokEnd {
		return nil, nil
	}
	n, _, err := p.expr(qualifiers{})
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokEnd {
		if t.is(")") {
			return nil, p.fail(t, "unmatched \")\"")
		}
		return nil, p.fail(t, "unexpected %s; want \"and\", \"or\" or the end%s", t, p.hint(t))
	}
	return n, nil
}

func (p *parser) peek() token { return p.toks[p.next] }

// peekAt looks n tokens ahead; beyond the end it gives the end.
func (p *parser) peekAt(n int) token { return p.toks[min(p.next+n, len(p.toks)-1)] }

func (p *parser) take() token {
	t := p.toks[p.next]
	if t.kind != tokEnd {
		p.next++
	}
	return t
}

// accept takes the next token if it is the operator or word s.
func (p *parser) accept(s string) bool {
	if p.peek().is(s) {
		p.next++
		return true
	}
	return false
}

func (p *parser) expect(s string, why string) error {
	if !p.accept(s) {
		return p.fail(p.peek(), "%s; want %q %s", p.peek().found(), s, why)
	}
	return nil
}

func (p *parser) fail(t token, format string, args ...any) error {
	return errorAt(p.text, t.pos, format, args...)
}

// found says for an error what stands at t.
func (t token) found() string {
	if t.kind == tokEnd {
		return "the expression ends here"
	}
	return "unexpected " + t.String()
}

// String quotes the token, cut short if long.
func (t token) String() string {
	s := t.text
	if len(s) > 40 {
		s = s[:37] + "..."
	}
	return "\"" + s + "\""
}

// enter counts a nesting level; the caller leaves it with p.depth--.
func (p *parser) enter(t token) error {
	p.depth++
	if p.depth > maxNesting {
		return p.fail(t, "nested more than %d deep", maxNesting)
	}
	return nil
}

// hint suggests a keyword for a word that is none.
func (p *parser) hint(t token) string {
	if t.kind != tokWord || isReserved(t.text) {
		return ""
	}
	return suggest(t.text, false)
}

// expr parses operands joined by and/or. inherit are the qualifiers a leading
// value takes over; those of the last operand are returned, to hand on.
func (p *parser) expr(inherit qualifiers) (node, qualifiers, error) {
	left, q, err := p.operand(inherit)
	for err == nil {
		or := p.peek().is("or")
		if !or && !p.peek().is("and") {
			return left, q, nil
		}
		p.take()
		var right node
		if right, q, err = p.operand(q); err != nil {
			break
		}
		left = join(left, or, right)
	}
	return nil, q, err
}

// join adds right to left, flat where the operator is the same, so that a long
// list of terms is no deep tree.
func join(left node, or bool, right node) node {
	if l, ok := left.(*logic); ok && l.or == or {
		l.kids = append(l.kids, right)
		return l
	}
	return &logic{or: or, kids: []node{left, right}}
}

func (p *parser) operand(inherit qualifiers) (node, qualifiers, error) {
	t := p.peek()
	if t.is("not") {
		p.take()
		if err := p.enter(t); err != nil {
			return nil, inherit, err
		}
		defer func() { p.depth-- }()
		n, q, err := p.operand(inherit)
		return &negation{n}, q, err
	}
	n, relErr := p.relation()
	if n != nil {
		return n, qualifiers{}, nil
	}
	if t.is("(") {
		group, q, err := p.group(inherit)
		return group, q, furthest(err, relErr)
	}
	if t.kind == tokWord && (isReserved(t.text) || inherit.kind == "") {
		if relErr != nil {
			return nil, inherit, relErr
		}
		return p.primitive()
	}
	// A number that nothing computes with is a value, such as a port.
	next := p.peekAt(1)
	alone := t.kind == tokNumber && (next.kind != tokOp || next.is(")") || next.is("and") || next.is("or"))
	if relErr != nil && !alone {
		return nil, inherit, relErr
	}
	v, err := p.value(inherit)
	return v, inherit, err
}

// furthest picks of two failed attempts the error that got further.
func furthest(err, other error) error {
	a, ok := err.(*Error)
	b, okOther := other.(*Error)
	if ok && okOther && b.Col > a.Col {
		return other
	}
	return err
}

// group parses a parenthesized expression.
func (p *parser) group(inherit qualifiers) (node, qualifiers, error) {
	open := p.take()
	if err := p.enter(open); err != nil {
		return nil, inherit, err
	}
	defer func() { p.depth-- }()
	n, q, err := p.expr(inherit)
	if err != nil {
		return nil, q, err
	}
	return n, q, p.expect(")", "to close the parenthesis")
}

// primitive parses what starts with a keyword.
func (p *parser) primitive() (node, qualifiers, error) {
	t := p.peek()
	switch t.text {
	case "vlan", "mpls", "pppoes", "pppoed", "less", "greater", "inbound", "outbound", "broadcast", "multicast":
		k, err := p.keyword()
		return k, qualifiers{}, err
	}
	q := qualifiers{}
	if _, ok := protocolNamed(t.text); ok {
		p.take()
		q.proto = t.text
		if q.proto == "link" {
			q.proto = "ether"
		}
		switch next := p.peek(); next.text {
		case "broadcast", "multicast":
			p.take()
			return &keyword{word: next, proto: q.proto}, qualifiers{}, nil
		case "src", "dst", "host", "net", "port", "portrange", "proto", "gateway", "protochain":
			if next.kind == tokWord {
				return p.qualified(q)
			}
		}
		return &keyword{word: t}, qualifiers{}, nil
	}
	return p.qualified(q)
}

// keyword parses a keyword that takes a number, or none.
func (p *parser) keyword() (node, error) {
	k := &keyword{word: p.take()}
	switch k.word.text {
	case "less", "greater":
		t := p.take()
		if t.kind != tokNumber {
			return nil, p.fail(t, "%s; want a number of bytes after %q", t.found(), k.word.text)
		}
		k.arg = &t
	case "vlan", "mpls", "pppoes":
		paren := p.peek().is("(") && p.peekAt(1).kind == tokNumber && p.peekAt(2).is(")")
		if paren {
			p.take()
		}
		if t := p.peek(); t.kind == tokNumber {
			k.arg = &t
			p.take()
		}
		if paren {
			p.take()
		}
	}
	return k, nil
}

// qualified parses [direction] [kind] values, after an optional protocol.
func (p *parser) qualified(q qualifiers) (node, qualifiers, error) {
	start := p.peek()
	directed := p.direction(&q)
	t := p.peek()
	switch {
	case t.kind == tokWord && (t.text == "host" || t.text == "net" || t.text == "port" || t.text == "portrange"),
		t.is("proto") && !directed:
		q.kind = t.text
		p.take()
	case t.kind == tokWord && unsupported(t.text) != "":
		return nil, q, p.fail(t, "%q is not supported: %s", t.text, unsupported(t.text))
	case directed:
		q.kind = "host"
	case start.kind == tokWord && isReserved(start.text):
		return nil, q, p.fail(start, "%s; want an expression such as \"tcp port 80\"", start.found())
	default:
		return nil, q, p.fail(start, "unknown word %s%s", start, suggest(start.text, false))
	}
	n, err := p.values(q)
	return n, q, err
}

// direction parses src, dst, or both joined by and/or.
func (p *parser) direction(q *qualifiers) bool {
	first := p.peek()
	if !first.is("src") && !first.is("dst") {
		return false
	}
	p.take()
	q.dir = srcOnly
	if first.text == "dst" {
		q.dir = dstOnly
	}
	joint, second := p.peek(), p.peekAt(1)
	opposite := (second.is("src") || second.is("dst")) && second.text != first.text
	switch {
	case opposite && joint.is("or"):
		q.dir = srcOrDst
	case opposite && joint.is("and"):
		q.dir = srcAndDst
	default:
		return true
	}
	p.take()
	p.take()
	return true
}

// values parses one value, `not` values, or a parenthesized list of them.
func (p *parser) values(q qualifiers) (node, error) {
	t := p.peek()
	if !t.is("not") && !t.is("(") {
		return p.value(q)
	}
	p.take()
	if err := p.enter(t); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	left, err := p.values(q)
	if err != nil {
		return nil, err
	}
	if !t.is("(") {
		return &negation{left}, nil
	}
	for {
		or := p.peek().is("or")
		if !or && !p.peek().is("and") {
			return left, p.expect(")", "to close the list")
		}
		p.take()
		right, err := p.values(q)
		if err != nil {
			return nil, err
		}
		left = join(left, or, right)
	}
}

// value parses an address, network, port or protocol with qualifiers q.
func (p *parser) value(q qualifiers) (node, error) {
	t := p.peek()
	if q.kind == "" && (t.kind == tokEnd || t.kind == tokOp) {
		return nil, p.fail(t, "%s; want an expression such as \"tcp port 80\"", t.found())
	}
	if q.kind == "" {
		return nil, p.fail(t, "%s; want a keyword before it, such as \"host\", \"net\" or \"port\"", t.found())
	}
	reserved := t.kind == tokWord && isReserved(t.text) && q.kind != "proto"
	if t.kind == tokEnd || t.kind == tokOp || reserved {
		return nil, p.fail(t, "%s; want a value for %q", t.found(), q.kind)
	}
	p.take()
	prim := &primitive{qual: q, val: t}
	switch {
	case p.accept("/"):
		l := p.take()
		if l.kind != tokNumber {
			return nil, p.fail(l, "%s; want a prefix length after \"/\", for example %s/24", l.found(), strings.Trim(t.String(), "\""))
		}
		prim.len = &l
	case p.accept("mask"):
		m := p.take()
		if m.kind != tokIPv4 {
			return nil, p.fail(m, "%s; want a mask such as 255.255.255.0", m.found())
		}
		prim.mask = &m
	}
	return prim, nil
}
