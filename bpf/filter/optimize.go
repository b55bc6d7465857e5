package filter

import "golang.org/x/net/bpf"

// optimizePasses bounds optimize: one change can open the way for another.
const optimizePasses = 8

// optimize bends branches past tests whose outcome is already known there
// (after `ip` held, `ip6` need not be asked) and merges blocks that do the
// same. A test is skipped only where the same load has been done on every way,
// so packets too short for it are rejected as before.
func (g *graph) optimize() {
	for range optimizePasses {
		o := optimizer{tree: newDominators(g), outcome: map[test]bool{}, value: map[load]uint32{}}
		o.visit(g.entry)
		if merged := g.merge(); !o.changed && !merged {
			return
		}
	}
}

// merge leads all branches to blocks with the same test and the same branches
// to one of them.
func (g *graph) merge() (changed bool) {
	type content struct {
		test test
		next [2]*block
	}
	seen := make(map[content]*block, len(g.blocks))
	same := make([]*block, len(g.blocks)) // what stands for a block
	for i, b := range g.blocks {
		same[i] = b
		if b.verdict {
			continue
		}
		for branch, to := range b.next { // to has a smaller index
			if s := same[to.index]; s != to {
				b.next[branch] = s
				changed = true
			}
		}
		c := content{b.test, b.next}
		if first, ok := seen[c]; ok {
			same[i] = first
		} else {
			seen[c] = b
		}
	}
	g.entry = same[g.entry.index]
	return changed
}

// optimizer walks the dominator tree and keeps what is known on the way.
type optimizer struct {
	tree    *dominators
	outcome map[test]bool   // of tests made
	value   map[load]uint32 // exact values found by tests for equality
	changed bool
}

// visit bends the branches of b and of all blocks it dominates.
func (o *optimizer) visit(b *block) {
	if b.verdict {
		return
	}
	for branch := range b.next {
		undo := o.learn(b.test, branch == 1)
		for {
			to := b.next[branch]
			outcome, known := o.decide(to)
			if !known {
				break
			}
			b.next[branch] = to.next[choice(outcome)]
			o.changed = true
		}
		for _, kid := range o.tree.kidsOfBranch(b, branch) {
			o.visit(kid)
		}
		undo()
	}
	for _, kid := range o.tree.kidsOfBlock(b) {
		o.visit(kid)
	}
}

func choice(outcome bool) int {
	if outcome {
		return 1
	}
	return 0
}

// learn records the outcome of t until undo is called.
func (o *optimizer) learn(t test, outcome bool) (undo func()) {
	if t.load.code != nil {
		return func() {} // computed anew at every test
	}
	_, hadOutcome := o.outcome[t]
	_, hadValue := o.value[t.load]
	exact := t.cond == bpf.JumpEqual && outcome || t.cond == bpf.JumpNotEqual && !outcome
	if !hadOutcome {
		o.outcome[t] = outcome
	}
	if exact && !hadValue {
		o.value[t.load] = t.val
	}
	return func() {
		if !hadOutcome {
			delete(o.outcome, t)
		}
		if exact && !hadValue {
			delete(o.value, t.load)
		}
	}
}

// decide returns the outcome of b's test if it is known here.
func (o *optimizer) decide(b *block) (outcome, known bool) {
	if b.verdict || b.test.load.code != nil {
		return false, false
	}
	if v, ok := o.value[b.test.load]; ok {
		return holds(b.test.cond, v, b.test.val), true
	}
	outcome, known = o.outcome[b.test]
	return outcome, known
}

// dominators is the tree of what every way to a block passes through: blocks
// and branches. A block's node is 3*index, its branches' nodes follow.
type dominators struct {
	parent []int
	depth  []int
	kids   map[int][]*block
}

func newDominators(g *graph) *dominators {
	t := &dominators{parent: make([]int, 3*len(g.blocks)), depth: make([]int, 3*len(g.blocks)), kids: map[int][]*block{}}
	reached := make([]bool, len(g.blocks))
	reached[g.entry.index] = true
	// Branches lead to smaller indexes, so all ways to b are known when b comes.
	for i := g.entry.index; i >= 0; i-- {
		b := g.blocks[i]
		if !reached[i] || b.verdict {
			continue
		}
		if b != g.entry {
			t.kids[t.parent[3*i]] = append(t.kids[t.parent[3*i]], b)
		}
		for branch, to := range b.next {
			node := 3*i + 1 + branch
			t.parent[node], t.depth[node] = 3*i, t.depth[3*i]+1
			if to.verdict {
				continue
			}
			if reached[to.index] {
				node = t.common(node, t.parent[3*to.index])
			}
			reached[to.index] = true
			t.parent[3*to.index], t.depth[3*to.index] = node, t.depth[node]+1
		}
	}
	return t
}

// common is the nearest node above both a and b.
func (t *dominators) common(a, b int) int {
	for a != b {
		if t.depth[a] >= t.depth[b] {
			a = t.parent[a]
		} else {
			b = t.parent[b]
		}
	}
	return a
}

func (t *dominators) kidsOfBlock(b *block) []*block { return t.kids[3*b.index] }

func (t *dominators) kidsOfBranch(b *block, branch int) []*block {
	return t.kids[3*b.index+1+branch]
}
