package query

import (
	"strings"
)

// parser is a recursive-descent parser; the grammar is in the package comment.
type parser struct {
	text  string
	opts  Options
	toks  []token
	next  int // index in toks
	depth int // open parentheses and negations
	times times
	sets  []*set
}

func newParser(text string, o Options) (*parser, error) {
	toks, err := lex(text)
	if err != nil {
		return nil, err
	}
	return &parser{text: text, opts: o, toks: toks}, nil
}

func (p *parser) peek() token { return p.toks[p.next] }

// take returns the next token; the end is never passed.
func (p *parser) take() token {
	t := p.toks[p.next]
	if t.kind != tokEnd {
		p.next++
	}
	return t
}

// accept takes the next token if it is one of the operators.
func (p *parser) accept(ops ...string) bool {
	for _, op := range ops {
		if p.peek().is(op) || p.peek().word() == op {
			p.next++
			return true
		}
	}
	return false
}

func (p *parser) fail(t token, format string, args ...any) error {
	return errorAt(p.text, t.pos, format, args...)
}

// query parses the whole text.
func (p *parser) query() (*Query, error) {
	if p.peek().kind == tokEnd {
		return nil, p.fail(p.peek(), "the query is empty; for everything write all")
	}
	root, err := p.or()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokEnd {
		return nil, p.unexpected(t)
	}
	q := &Query{root: root, sets: p.sets, loc: p.opts.Location}
	q.From, q.To, err = p.times.resolve(p)
	if err != nil {
		return nil, err
	}
	return q, nil
}

// unexpected is the error for what can begin no operand and ends no query.
func (p *parser) unexpected(t token) error {
	switch {
	case t.is(")"):
		return p.fail(t, "unmatched \")\"")
	case t.is(","):
		return p.fail(t, "unexpected \",\"; lists are for port, proto and vlan, otherwise write or")
	case t.kind == tokOp:
		return p.fail(t, "unexpected %s; comparisons are for bytes only, as in bytes > 1m", t)
	}
	return p.fail(t, "unexpected %s; want an atom such as host 10.0.0.7, \"(\" or not", t)
}

func (p *parser) or() (expr, error) {
	var xs []expr
	for {
		x, err := p.and()
		if err != nil {
			return nil, err
		}
		xs = append(xs, x)
		if len(xs) > 1 && p.depth == 0 && len(p.times.clauses) > 0 {
			c := p.times.clauses[0].word
			return nil, p.fail(c, "%s narrows the whole query and cannot stand in an alternative; write %s … and (… or …)", c.word(), c.word())
		}
		if !p.accept("or", "||") {
			return disjunction(xs), nil
		}
	}
}

// and parses a chain of operands, side by side or joined by and. Times in it
// are set aside; a chain of nothing else is everything.
func (p *parser) and() (expr, error) {
	var xs []expr
	for {
		if isTime(p.peek()) {
			if err := p.time(); err != nil {
				return nil, err
			}
		} else {
			x, err := p.not()
			if err != nil {
				return nil, err
			}
			xs = append(xs, x)
		}
		if !p.accept("and", "&&") && !p.startsOperand() {
			return conjunction(xs), nil
		}
	}
}

// startsOperand tells whether the next token goes on with the chain. What is
// wrong with it, if anything, is found when it is parsed.
func (p *parser) startsOperand() bool {
	t := p.peek()
	switch t.kind {
	case tokEnd:
		return false
	case tokOp:
		return t.is("(") || t.is("!")
	}
	return t.word() != "or"
}

func (p *parser) not() (expr, error) {
	t := p.peek()
	switch {
	case p.accept("not", "!"):
		if err := p.enter(t); err != nil {
			return nil, err
		}
		defer p.leave()
		if isTime(p.peek()) {
			return nil, p.misplaced(p.peek())
		}
		x, err := p.not()
		if err != nil {
			return nil, err
		}
		return negation(x), nil
	case p.accept("("):
		if err := p.enter(t); err != nil {
			return nil, err
		}
		defer p.leave()
		x, err := p.or()
		if err != nil {
			return nil, err
		}
		if !p.accept(")") {
			if p.peek().kind == tokEnd {
				return nil, p.fail(t, "\"(\" is not closed; want \")\"")
			}
			return nil, p.unexpected(p.peek())
		}
		return x, nil
	}
	return p.atom()
}

// enter counts a level of nesting, leave ends it.
func (p *parser) enter(t token) error {
	p.depth++
	if p.depth > maxNesting {
		return p.fail(t, "nested more than %d deep", maxNesting)
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// misplaced is the error for a time that does not narrow the whole query.
func (p *parser) misplaced(t token) error {
	return p.fail(t, "%s narrows the whole query; write it outside parentheses, without not, joined by and", t.word())
}

// atom parses one condition.
func (p *parser) atom() (expr, error) {
	t := p.take()
	switch t.word() {
	case "host":
		return p.address(t, either)
	case "client":
		return p.address(t, client)
	case "server":
		return p.address(t, server)
	case "net":
		return p.network(t)
	case "port":
		list, err := p.list(t, 0, 65535, "8000-8099")
		return ports(list), err
	case "vlan":
		list, err := p.list(t, 1, 4094, "100-199")
		return vlans(list), err
	case "proto":
		return p.proto(t)
	case "flow":
		return p.flow(t)
	case "alert":
		return p.bound(t, Alert)
	case "case":
		return p.bound(t, Case)
	case "bytes":
		return p.bytes(t)
	case "cut":
		return cut{}, nil
	case "gap":
		return gap{}, nil
	case "all":
		return all{}, nil
	}
	return p.bare(t)
}

// bare parses an atom without a keyword: host is meant.
func (p *parser) bare(t token) (expr, error) {
	if t.kind == tokEnd {
		return nil, p.fail(t, "the query ends here; want an atom such as host 10.0.0.7")
	}
	if t.kind == tokOp || isKeyword(t.word()) {
		return nil, p.unexpected(t)
	}
	if m := p.mistake(t); m != "" {
		return nil, p.fail(t, "%s", m)
	}
	if t.kind == tokWord && !strings.ContainsAny(t.text, ".:/") && isASCII(t.text) {
		return nil, p.fail(t, "unknown word %s%s", t, suggest(t.text))
	}
	return p.host(t, either)
}
