package search

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"kagami/evidence/segment"
	"kagami/packet"
)

const (
	flushAt = 256 << 10 // octets that are written at a time
	// maxNamed bounds the gaps that a comment names.
	maxNamed = 64
	// maxCutFlows bounds the flows of which the first packet that was cut has a
	// comment.
	maxCutFlows = 4096
)

// output writes pcapng.
type output struct {
	run     *run
	options GetOptions
	w       io.Writer
	buf     []byte
	written int64
	begun   bool
	ids     map[segment.Interface]uint32
	gaps    []Gap // that are known, in the order in which they end; those passed are dropped
	cut     Gap
	cutOf   map[packet.Key]bool
}

// newOutput must come before the segments are read: that may tell more of them.
func newOutput(r *run, o GetOptions, w io.Writer) *output {
	return &output{run: r, options: o, w: w, ids: map[segment.Interface]uint32{}, gaps: r.known(), cutOf: map[packet.Key]bool{}}
}

// begin writes the section's header.
func (o *output) begin() {
	o.begun = true
	slices.SortStableFunc(o.gaps, func(a, b Gap) int { return compare(a.From, b.From) })
	lines := []string{"kagami evidence: " + o.run.q.String()}
	if o.options.Comment != "" {
		lines = append(lines, o.options.Comment)
	}
	lines = append(lines, names(o.gaps)...)
	o.buf = segment.AppendSection(o.buf, strings.Join(lines, "\n"))
	slices.SortStableFunc(o.gaps, func(a, b Gap) int { return compare(a.To, b.To) })
}

// names are lines that name gaps.
func names(gaps []Gap) (lines []string) {
	for i, g := range gaps {
		if i == maxNamed {
			return append(lines, fmt.Sprintf("missing: and %d more spans", len(gaps)-i))
		}
		lines = append(lines, "missing: "+g.String())
	}
	return lines
}

// packet writes a packet.
func (o *output) packet(p *picked, b *batch) error {
	if !o.begun {
		o.begin()
	}
	before := len(o.buf)
	id := o.iface(p.Interface)
	var flow *Flow
	if p.flow >= 0 {
		flow = &b.flows[p.flow]
	}
	comment := o.comment(p, flow)
	o.buf = segment.AppendCopy(o.buf, id, &p.Packet, comment)
	rep := &o.run.rep
	if most := o.options.MaxBytes; most > 0 && o.written+int64(len(o.buf)) > most {
		o.buf = o.buf[:before]
		rep.Ended = fmt.Sprintf("the file would get longer than %d octets", most)
		return errEnough
	}
	rep.Packets++
	rep.Bytes += uint64(len(p.Data))
	if len(o.buf) >= flushAt || rep.Packets == 1 {
		return o.flush()
	}
	return nil
}

// iface is the number of an interface in the file; one that is new is described.
func (o *output) iface(i *segment.Interface) uint32 {
	id, ok := o.ids[*i]
	if !ok {
		id = uint32(len(o.ids))
		o.ids[*i] = id
		o.buf = segment.AppendInterface(o.buf, *i)
	}
	return id
}

// comment is what is to be said of a packet: what is missing before it, and what the
// caller says.
func (o *output) comment(p *picked, flow *Flow) string {
	var lines []string
	passed := 0
	for passed < len(o.gaps) && o.gaps[passed].To <= p.Time {
		passed++
	}
	if passed > 0 {
		lines = names(o.gaps[:passed])
		o.gaps = o.gaps[passed:]
	}
	if p.behind != "" {
		lines = append(lines, "missing: "+p.behind)
	}
	if int(p.WireLen) > len(p.Data) {
		lines = o.shortened(lines, p, flow)
	}
	if o.options.Comments != nil {
		if c := o.options.Comments(&p.Packet, flow); c != "" {
			lines = append(lines, c)
		}
	}
	if lines == nil {
		return ""
	}
	return strings.Join(lines, "\n")
}

// shortened counts a packet of which not all was kept; the first one of a flow says so.
func (o *output) shortened(lines []string, p *picked, flow *Flow) []string {
	g := &o.cut
	if g.Packets == 0 {
		*g = Gap{From: p.Time, To: p.Time, Kind: Cut, Text: "less was kept of these than was on the wire"}
	}
	g.From, g.To = min(g.From, p.Time), max(g.To, p.Time)
	g.Packets++
	g.Bytes += uint64(int(p.WireLen) - len(p.Data))
	var k packet.Key
	if flow != nil {
		k = flow.Key
	}
	if o.cutOf[k] || len(o.cutOf) >= maxCutFlows {
		return lines
	}
	o.cutOf[k] = true
	return append(lines, fmt.Sprintf("cut: %d of %d octets kept", len(p.Data), p.WireLen))
}

func (o *output) flush() error {
	n, err := o.w.Write(o.buf)
	o.written += int64(n)
	o.buf = o.buf[:0]
	if err != nil {
		return fmt.Errorf("write packets: %w", err)
	}
	return nil
}

// close writes what is left.
func (o *output) close() error {
	if !o.begun {
		o.begin()
	}
	if o.cut.Packets > 0 {
		o.run.gap(o.cut)
	}
	return o.flush()
}
