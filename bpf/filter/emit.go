package filter

import "golang.org/x/net/bpf"

// maxSkip is how far a conditional jump reaches: its fields have 8 bits.
const maxSkip = 255

// registers is what registers A and X hold at some point, as far as all ways
// there agree.
type registers struct {
	a              load   // A holds what it loads
	x              uint32 // X holds the length of the IPv4 header here
	aKnown, xKnown bool
}

// placed is a reached block with its code.
type placed struct {
	*block
	code []bpf.Instruction // loads, before the jump
	at   int               // position of the first instruction
	far  [2]bool           // the branch goes by way of an instruction after the jump
}

// emit lays the blocks out in the order of the text, and links them.
func (g *graph) emit() []bpf.Instruction {
	layout := g.layout()
	place := make(map[*block]*placed, len(layout))
	for _, p := range layout {
		place[p.block] = p
	}
	for changed := true; changed; {
		changed = false
		at := 0
		for _, p := range layout {
			p.at = at
			at += p.size()
		}
		for _, p := range layout {
			for branch, to := range p.next {
				if to != nil && !p.far[branch] && place[to].at-p.jump()-1 > maxSkip {
					p.far[branch] = true
					changed = true
				}
			}
		}
	}
	var out []bpf.Instruction
	for _, p := range layout {
		out = p.link(out, place)
	}
	return out
}

// jump is the position of p's conditional jump.
func (p *placed) jump() int { return p.at + len(p.code) }

func (p *placed) size() int {
	return len(p.code) + 1 + choice(p.far[0]) + choice(p.far[1])
}

// link appends p's instructions to out.
func (p *placed) link(out []bpf.Instruction, place map[*block]*placed) []bpf.Instruction {
	out = append(out, p.code...)
	if p.verdict {
		return append(out, p.ret())
	}
	var skip [2]uint8
	var after []bpf.Instruction // what far branches go by
	for branch, to := range p.next {
		if !p.far[branch] {
			skip[branch] = uint8(place[to].at - p.jump() - 1)
			continue
		}
		skip[branch] = uint8(len(after))
		if to.verdict {
			after = append(after, to.ret())
			continue
		}
		after = append(after, bpf.Jump{Skip: uint32(place[to].at - p.jump() - 2 - len(after))})
	}
	if c := p.test.load.code; c != nil && c.compareX {
		out = append(out, bpf.JumpIfX{Cond: p.test.cond, SkipFalse: skip[0], SkipTrue: skip[1]})
	} else {
		out = append(out, bpf.JumpIf{Cond: p.test.cond, Val: p.test.val, SkipFalse: skip[0], SkipTrue: skip[1]})
	}
	return append(out, after...)
}

func (b *block) ret() bpf.Instruction {
	if b.accept {
		return bpf.RetConstant{Val: acceptBytes}
	}
	return bpf.RetConstant{Val: 0}
}

// layout lists the blocks that can be reached, each before those it branches
// to, with the loads that are not already in the registers.
func (g *graph) layout() []*placed {
	entering := make([]*registers, len(g.blocks)) // nil: not reached
	entering[g.entry.index] = &registers{}
	var out []*placed
	for i := g.entry.index; i >= 0; i-- {
		b, r := g.blocks[i], entering[i]
		if r == nil {
			continue
		}
		p := &placed{block: b}
		out = append(out, p)
		if b.verdict {
			continue
		}
		leaving := *r
		leaving.do(b.test.load, &p.code)
		for _, to := range b.next {
			if entering[to.index] == nil {
				copied := leaving
				entering[to.index] = &copied
				continue
			}
			entering[to.index].meet(leaving)
		}
	}
	return out
}

// do adds the instructions l needs, given what the registers hold.
func (r *registers) do(l load, code *[]bpf.Instruction) {
	if r.aKnown && r.a == l && l.code == nil {
		return
	}
	l.emit(code, r.xKnown && r.x == l.header)
	r.a, r.aKnown = l, true
	switch {
	case l.code != nil:
		r.xKnown = false
	case l.indirect:
		r.x, r.xKnown = l.header, true
	}
}

// meet keeps what r and other agree on.
func (r *registers) meet(other registers) {
	r.aKnown = r.aKnown && other.aKnown && r.a == other.a
	r.xKnown = r.xKnown && other.xKnown && r.x == other.x
}
