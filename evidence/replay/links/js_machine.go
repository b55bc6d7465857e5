package links

// machine folds the constant expressions of one script by shunting: operands and
// operators wait on stacks until an operator that binds looser, or the end of the
// expression. It knows no control flow: every statement is taken as run once, in
// the order of the text, and every name as global. It never recurses over the
// script's nesting.
type machine struct {
	f      *finder
	t      *text
	lex    lexer
	vals   []value
	ops    []operator
	frames []frame
	over   int  // open brackets beyond maxFrames
	have   bool // the expression ends in an operand
	// The next brace opens the body of a function; isPacker says of which.
	function, isPacker bool
	writes             writes
	grown              []string // variables to examine at the end
}

// role of a bracket.
type role uint8

const (
	roleBlock role = iota // also the script itself
	roleGroup
	roleControl // the condition of if, for, while, with
	roleCall
	roleArray
	roleIndex
	roleObject
	roleFunction // the body of a function that is an operand
	roleTemplate
)

// frame is an open bracket.
type frame struct {
	role      role
	packer    bool
	callee    value
	vals, ops int // how many of the machine's are older
	args      int // complete elements on the stack
}

const (
	maxFrames  = 4096
	maxPending = 256     // operators in one expression
	maxValues  = 1 << 18 // values waiting in all brackets
)

// readScript reads JavaScript or VBScript, and JSON as the expression it is.
func (f *finder) readScript(t *text, d dialect) {
	m := &machine{}
	if n := len(f.idle); n > 0 {
		m, f.idle = f.idle[n-1], f.idle[:n-1]
	}
	*m = machine{f: f, t: t, lex: lexer{b: t.b, dialect: d}, vals: m.vals[:0], ops: m.ops[:0], frames: append(m.frames[:0], frame{})}
	m.run()
	m.flushWrites()
	m.endGrowth()
	clear(m.vals)
	f.idle = append(f.idle, m)
}

func (m *machine) run() {
	for {
		m.lex.operand = !m.have
		switch tok := m.lex.next(); tok.kind {
		case tokenEnd:
			for len(m.frames) > 0 {
				m.endStatement()
				m.frames = m.frames[:len(m.frames)-1]
			}
			return
		case tokenString:
			m.literal(tok)
		case tokenNumber:
			m.operand(value{kind: valueNumber, at: tok.at, number: tok.number})
		case tokenRegexp:
			m.operand(value{kind: valueRegexp, at: tok.at, b: tok.text})
		case tokenTemplate:
			m.template(tok)
		case tokenName:
			m.name(tok)
		case tokenOperator:
			m.operator(tok)
		}
	}
}

func (m *machine) literal(tok token) {
	if m.f.literals++; m.f.literals > m.f.lim.Literals {
		m.f.note(NoteLiterals, m.f.lim.Literals, m.t.at(tok.at))
		m.operand(value{at: tok.at})
		return
	}
	if len(tok.text) > m.f.lim.LiteralLen {
		m.f.note(NoteLiteralLen, m.f.lim.LiteralLen, m.t.at(tok.at))
		tok.text = tok.text[:m.f.lim.LiteralLen]
	}
	m.measure(tok)
	m.operand(value{kind: valueString, at: tok.at, b: tok.text})
}

// operand puts a value on the stack. One right behind another begins a statement.
func (m *machine) operand(v value) {
	if m.have {
		m.endStatement()
	}
	m.vals = append(m.vals, v)
	m.have = true
}

func (m *machine) top() *frame { return &m.frames[len(m.frames)-1] }

// pending is how many values the current expression has on the stack.
func (m *machine) pending() int {
	fr := m.top()
	return len(m.vals) - fr.vals - fr.args
}

func (m *machine) pop() value {
	v := m.vals[len(m.vals)-1]
	m.vals = m.vals[:len(m.vals)-1]
	return v
}

func (m *machine) operator(tok token) {
	switch op := tok.op; op {
	case opSemicolon:
		m.endStatement()
	case opComma:
		m.comma()
	case opDot:
		m.dot()
	case opOpenParen, opOpenBracket, opOpenBrace:
		m.open(op, tok.at)
	case opCloseParen:
		m.close(tok.at, roleGroup, roleControl, roleCall)
	case opCloseBracket:
		m.close(tok.at, roleArray, roleIndex)
	case opCloseBrace:
		m.close(tok.at, roleBlock, roleObject, roleFunction, roleTemplate)
	case opArrow:
		m.endExpression() // the parameters
		m.have = false
	case opStep:
		m.step()
	case opColon:
		m.colon()
	default:
		m.push(op)
	}
}

// push puts an operator on the stack, after those that bind tighter are done.
func (m *machine) push(op operator) {
	if !m.have {
		switch op {
		case opSubtract:
			m.pushPending(opNegate)
		case opUnary:
			m.pushPending(opUnary)
		}
		return // a unary plus, or nonsense
	}
	if op == opUnary { // a new statement begins with "!"
		m.endStatement()
		m.pushPending(op)
		return
	}
	m.reduceTo(op.precedence() + count(op.rightAssociative()))
	m.pushPending(op)
	m.have = false
}

func (m *machine) pushPending(op operator) {
	if len(m.ops)-m.top().ops >= maxPending {
		m.endStatement()
		return
	}
	m.ops = append(m.ops, op)
}

// reduceTo folds the operators that bind at least as tight as precedence.
func (m *machine) reduceTo(precedence int) {
	for len(m.ops) > m.top().ops {
		op := m.ops[len(m.ops)-1]
		if op.precedence() < precedence {
			return
		}
		m.ops = m.ops[:len(m.ops)-1]
		m.reduce(op)
	}
}

// endExpression folds the whole current expression to one value.
func (m *machine) endExpression() (value, bool) {
	if !m.have && len(m.ops) > m.top().ops { // an operator that has no operand yet
		m.ops = m.ops[:len(m.ops)-1]
	}
	m.reduceTo(0)
	m.have = false
	if m.pending() == 0 {
		return value{}, false
	}
	v := m.pop()
	for m.pending() > 0 {
		m.examine(m.pop())
	}
	return v, true
}

func (m *machine) endStatement() {
	if v, ok := m.endExpression(); ok {
		m.examine(v)
	}
}

// comma ends an element of a list, or an expression whose value is not used.
func (m *machine) comma() {
	switch fr := m.top(); fr.role {
	case roleCall, roleArray:
		m.endArgument()
	default:
		m.endStatement()
	}
}

// endArgument leaves the value of the current expression on the stack as an
// element of the list.
func (m *machine) endArgument() {
	v, ok := m.endExpression()
	if !ok {
		return
	}
	v = m.load(v)
	if len(m.vals) >= maxValues {
		m.f.note(NoteLiterals, maxValues, m.t.at(v.at))
		m.examine(v)
		return
	}
	m.vals = append(m.vals, v)
	m.top().args++
}

// step is ++ or --: a counter is no constant.
func (m *machine) step() {
	if m.have && m.vals[len(m.vals)-1].kind == valueName {
		delete(m.f.vars, string(m.vals[len(m.vals)-1].b))
	}
}

// colon is the second half of the innermost conditional that waits for one, or the
// end of a key or a label.
func (m *machine) colon() {
	fr := m.top()
	for i := len(m.ops) - 1; m.have && i >= fr.ops; i-- {
		if m.ops[i] != opIf {
			continue
		}
		for last := len(m.ops) - 1; last > i; last = len(m.ops) - 1 {
			op := m.ops[last]
			m.ops = m.ops[:last]
			m.reduce(op)
		}
		m.ops[i] = opElse
		m.have = false
		return
	}
	if (fr.role == roleObject || fr.role == roleBlock) && m.have && m.pending() == 1 && len(m.ops) == fr.ops {
		m.pushPending(opKey)
		m.have = false
		return
	}
	m.endStatement()
}
