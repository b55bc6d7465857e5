package links

// operator is a punctuator, in what matters for folding.
type operator uint8

const (
	opNone operator = iota
	opSemicolon
	opComma
	opDot
	opOpenParen
	opCloseParen
	opOpenBracket
	opCloseBracket
	opOpenBrace
	opCloseBrace
	opArrow
	opStep  // ++ and --
	opColon // becomes opKey or opElse
	// From here on binary operators.
	opAssign
	opAddAssign
	opOtherAssign
	opKey  // "key": in an object literal
	opIf   // ?
	opElse // the complete conditional
	opOr   // || and ??
	opAnd
	opBitOr
	opBitXor
	opBitAnd
	opEqual
	opUnequal
	opLess
	opGreater
	opLessEqual
	opGreaterEqual
	opCompare // in, instanceof
	opShiftLeft
	opShiftRight
	opAdd
	opSubtract
	opMultiply
	opDivide
	opRemainder
	opPower
	opNegate // unary minus
	opUnary  // any other unary operator: the value is lost
)

// precedence of binary and unary operators, loosest first (ECMA-262 section 13).
func (op operator) precedence() int {
	switch op {
	case opAssign, opAddAssign, opOtherAssign, opKey:
		return 1
	case opIf, opElse:
		return 2
	case opOr:
		return 3
	case opAnd:
		return 4
	case opBitOr:
		return 5
	case opBitXor:
		return 6
	case opBitAnd:
		return 7
	case opEqual, opUnequal:
		return 8
	case opLess, opGreater, opLessEqual, opGreaterEqual, opCompare:
		return 9
	case opShiftLeft, opShiftRight:
		return 10
	case opAdd, opSubtract:
		return 11
	case opMultiply, opDivide, opRemainder, opPower:
		return 12
	}
	return 13
}

func (op operator) rightAssociative() bool { return op.precedence() <= 2 }

// readOperator reads the longest punctuator here; an unknown octet is skipped.
func (x *lexer) readOperator() operator {
	c := x.b[x.pos]
	n := 1
	for n < 4 && x.pos+n < len(x.b) && isOperatorTail(x.b[x.pos+n]) {
		n++
	}
	op, used := singleOperator(c), 1
	if x.dialect == dialectVB {
		op = vbOperator(c, op)
	} else if n > 1 {
		op, used = longOperator(x.b[x.pos:x.pos+n], op)
	}
	x.pos += used
	return op
}

func isOperatorTail(c byte) bool {
	switch c {
	case '=', '>', '<', '+', '-', '&', '|', '*', '?', '.':
		return true
	}
	return false
}

func singleOperator(c byte) operator {
	switch c {
	case ';':
		return opSemicolon
	case ',':
		return opComma
	case '.':
		return opDot
	case '(':
		return opOpenParen
	case ')':
		return opCloseParen
	case '[':
		return opOpenBracket
	case ']':
		return opCloseBracket
	case '{':
		return opOpenBrace
	case '}':
		return opCloseBrace
	case ':':
		return opColon
	case '=':
		return opAssign
	case '?':
		return opIf
	case '|':
		return opBitOr
	case '^':
		return opBitXor
	case '&':
		return opBitAnd
	case '<':
		return opLess
	case '>':
		return opGreater
	case '+':
		return opAdd
	case '-':
		return opSubtract
	case '*':
		return opMultiply
	case '/':
		return opDivide
	case '%':
		return opRemainder
	case '!', '~':
		return opUnary
	}
	return opNone
}

// longOperator reads punctuators of more than one character.
func longOperator(b []byte, single operator) (operator, int) {
	at := func(i int) byte {
		if i < len(b) {
			return b[i]
		}
		return 0
	}
	switch c := b[0]; {
	case c == '=' && at(1) == '>':
		return opArrow, 2
	case c == '=' && at(1) == '=':
		return opEqual, 2 + count(at(2) == '=')
	case c == '!' && at(1) == '=':
		return opUnequal, 2 + count(at(2) == '=')
	case (c == '+' || c == '-') && at(1) == c:
		return opStep, 2
	case c == '+' && at(1) == '=':
		return opAddAssign, 2
	case c == '?' && at(1) == '.':
		return opDot, 2
	case (c == '&' || c == '|' || c == '?' || c == '*') && at(1) == c:
		if at(2) == '=' {
			return opOtherAssign, 3
		}
		return doubled(c), 2
	case c == '<' && at(1) == '<' || c == '>' && at(1) == '>':
		n := 2 + count(c == '>' && at(2) == '>')
		if at(n) == '=' {
			return opOtherAssign, n + 1
		}
		if c == '<' {
			return opShiftLeft, n
		}
		return opShiftRight, n
	case c == '<' && at(1) == '=':
		return opLessEqual, 2
	case c == '>' && at(1) == '=':
		return opGreaterEqual, 2
	case at(1) == '=' && (c == '-' || c == '*' || c == '/' || c == '%' || c == '&' || c == '|' || c == '^'):
		return opOtherAssign, 2
	}
	return single, 1
}

// doubled reads && || ?? and **; a power is a product whose value is lost.
func doubled(c byte) operator {
	switch c {
	case '&':
		return opAnd
	case '*':
		return opPower
	}
	return opOr
}

// count is 1 for a condition that holds.
func count(holds bool) int {
	if holds {
		return 1
	}
	return 0
}

// vbOperator reads VBScript's meaning of a character: & joins strings, a colon
// ends a statement.
func vbOperator(c byte, op operator) operator {
	switch {
	case c == '&':
		return opAdd
	case c == ':':
		return opSemicolon
	case c == '{', c == '}', c == '[', c == ']', c == '?':
		return opNone
	}
	return op
}
