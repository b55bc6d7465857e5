package query

// expr is a node of a query.
type expr interface {
	match(f *Flow) bool
	// may tells what match can say of flows of the segment.
	may(s *segment) outcome
	// append adds the normal form. Operators put parentheses where precedence
	// needs them.
	append(b []byte) []byte
}

// atom is an expr that is no operator; they are in the files atom_*.go.
type atom interface {
	expr
	// explain is what must hold, in English.
	explain() string
}

// Lists of at least two; the parser makes them flat.
type (
	and []expr
	or  []expr
	not struct{ x expr } // x is no not
	all struct{}
)

func (e and) match(f *Flow) bool {
	for _, x := range e {
		if !x.match(f) {
			return false
		}
	}
	return true
}

func (e or) match(f *Flow) bool {
	for _, x := range e {
		if x.match(f) {
			return true
		}
	}
	return false
}

func (e not) match(f *Flow) bool { return !e.x.match(f) }

func (all) match(*Flow) bool { return true }

func (e and) may(s *segment) outcome {
	o := outcome{yes: true}
	for _, x := range e {
		m := x.may(s)
		o.yes, o.no = o.yes && m.yes, o.no || m.no
		if !o.yes {
			return outcome{no: true}
		}
	}
	return o
}

func (e or) may(s *segment) outcome {
	o := outcome{no: true}
	for _, x := range e {
		m := x.may(s)
		o.yes, o.no = o.yes || m.yes, o.no && m.no
		if o.yes { // that the rest makes it certain is worth no look-up
			return o
		}
	}
	return o
}

func (e not) may(s *segment) outcome {
	o := e.x.may(s)
	return outcome{yes: o.no, no: o.yes}
}

func (all) may(*segment) outcome { return outcome{yes: true} }

func (e and) append(b []byte) []byte {
	for i, x := range e {
		if i > 0 {
			b = append(b, " and "...)
		}
		_, alternatives := x.(or)
		b = enclose(b, x, alternatives)
	}
	return b
}

func (e or) append(b []byte) []byte {
	for i, x := range e {
		if i > 0 {
			b = append(b, " or "...)
		}
		b = x.append(b)
	}
	return b
}

func (e not) append(b []byte) []byte {
	return enclose(append(b, "not "...), e.x, operator(e.x))
}

func (all) append(b []byte) []byte { return append(b, "all"...) }

func (all) explain() string { return "any flow" }

func operator(x expr) bool {
	switch x.(type) {
	case and, or:
		return true
	}
	return false
}

func enclose(b []byte, x expr, parentheses bool) []byte {
	if !parentheses {
		return x.append(b)
	}
	return append(x.append(append(b, '(')), ')')
}

// conjunction and disjunction of what was parsed: no list of one, no list
// directly inside a list of its kind.
func conjunction(xs []expr) expr {
	var flat and
	for _, x := range xs {
		if inner, ok := x.(and); ok {
			flat = append(flat, inner...)
		} else {
			flat = append(flat, x)
		}
	}
	switch len(flat) {
	case 0:
		return all{}
	case 1:
		return flat[0]
	}
	return flat
}

func disjunction(xs []expr) expr {
	var flat or
	for _, x := range xs {
		if inner, ok := x.(or); ok {
			flat = append(flat, inner...)
		} else {
			flat = append(flat, x)
		}
	}
	if len(flat) == 1 {
		return flat[0]
	}
	return flat
}

func negation(x expr) expr {
	if n, ok := x.(not); ok {
		return n.x
	}
	return not{x}
}
