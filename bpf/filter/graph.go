package filter

import "fmt"

// block loads a value, compares it and goes on at one of two blocks. The
// verdict of an expression is a block without a test.
type block struct {
	test    test
	next    [2]*block // where to go if the test fails and if it holds
	index   int       // position in graph.blocks
	verdict bool      // accept or reject: no test, no next
	accept  bool
}

// graph is a decision graph without cycles: every branch leads to a block with
// a smaller index. Blocks 0 and 1 are the verdicts.
type graph struct {
	blocks []*block
	entry  *block
}

// newGraph turns a predicate into short-circuit branches, in the order of the
// text.
func newGraph(p predicate) (*graph, error) {
	g := &graph{}
	reject := g.add(block{verdict: true})
	accept := g.add(block{verdict: true, accept: true})
	g.entry = g.build(&p, accept, reject)
	if len(g.blocks) > maxBlocks {
		return nil, &Error{Col: 1, Msg: fmt.Sprintf("expression makes more than %d comparisons; use fewer terms, for example net instead of many host", maxBlocks)}
	}
	return g, nil
}

func (g *graph) add(b block) *block {
	b.index = len(g.blocks)
	g.blocks = append(g.blocks, &b)
	return &b
}

// build returns the block where evaluating p starts, so that it ends at yes or
// no. Past maxBlocks it adds no more; newGraph refuses the result.
func (g *graph) build(p *predicate, yes, no *block) *block {
	switch p.op {
	case opTrue:
		return yes
	case opFalse:
		return no
	case opNot:
		return g.build(&p.kids[0], no, yes)
	case opTest:
		if len(g.blocks) > maxBlocks {
			return no
		}
		return g.add(block{test: p.test, next: [2]*block{no, yes}})
	}
	start := yes
	if p.op == opOr {
		start = no
	}
	for i := len(p.kids) - 1; i >= 0; i-- {
		if p.op == opAnd {
			start = g.build(&p.kids[i], start, no)
		} else {
			start = g.build(&p.kids[i], yes, start)
		}
	}
	return start
}
