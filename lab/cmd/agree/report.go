package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// expectation is what a program says is in a capture.
type expectation struct {
	program  string
	file     string // its result, "" for tshark
	items    []item
	complete []kind // of which it names everything: what else Kagami finds is extra
	several  bool   // it may be about several captures: what has no packets in this one is not expected
}

// here are the items of a result about several captures that can be of this one:
// Kagami saw packets between their endpoints.
func here(items, got []item) []item {
	present := make(map[flow]bool)
	for i := range got {
		for _, f := range got[i].flows {
			present[f.anyTransport()] = true
		}
	}
	return slices.DeleteFunc(items, func(it item) bool {
		return len(it.flows) > 0 && !slices.ContainsFunc(it.flows, func(f flow) bool { return present[f.anyTransport()] })
	})
}

// row is a line of the table: a program and a kind of item.
type row struct {
	program string
	kind    kind
}

// counts are what became of a row's items.
type counts struct {
	expected, agree, differ, missing, extra int
	fields                                  map[string]*fieldCounts
}

type fieldCounts struct{ compared, agree int }

type tally map[row]*counts

func (t tally) of(r row) *counts {
	if t[r] == nil {
		t[r] = &counts{fields: make(map[string]*fieldCounts)}
	}
	return t[r]
}

// kinds are those of several programs, in the order of the table; lines and events
// follow.
func kinds() []kind {
	return []kind{kindRequest, kindResponse, kindDNS, kindLocalDNS, kindNBNS, kindTLS, kindQUIC, kindDTLS, kindUDP, kindSMTP, kindPart, kindSession}
}

// byOrder compares kinds by their place in the table.
func byOrder(a, b kind) int {
	place := func(k kind) int {
		if i := slices.Index(kinds(), k); i >= 0 {
			return i
		}
		return len(kinds())
	}
	return cmp.Or(place(a)-place(b), strings.Compare(string(a), string(b)))
}

// kindsOf are those that are expected.
func (e *expectation) kindsOf() []kind {
	some := slices.Clone(e.complete)
	for i := range e.items {
		if !slices.Contains(some, e.items[i].kind) {
			some = append(some, e.items[i].kind)
		}
	}
	return some
}

func ofKind(items []item, k kind) []item {
	var some []item
	for _, it := range items {
		if it.kind == k {
			some = append(some, it)
		}
	}
	return some
}

// compare counts what is expected of a capture, and returns a line for each difference.
func (t tally) compare(capture string, e expectation, got []item) (lines []string) {
	if e.several {
		e.items = here(e.items, got)
	}
	for _, k := range e.kindsOf() {
		want, have := ofKind(e.items, k), ofKind(got, k)
		if len(want)+len(have) == 0 {
			continue
		}
		c := t.of(row{e.program, k})
		for _, p := range match(want, have) {
			if p.want != nil || slices.Contains(e.complete, k) && p.got.fields["client hello"] != "false" {
				c.add(&p)
				if p.got == nil || p.want == nil || len(p.differ) > 0 {
					lines = append(lines, p.line(capture, e, k))
				}
			}
		}
	}
	return lines
}

func (c *counts) add(p *pairing) {
	if p.want == nil {
		c.extra++
		return
	}
	c.expected++
	switch {
	case p.got == nil:
		c.missing++
		return
	case len(p.differ) > 0:
		c.differ++
	default:
		c.agree++
	}
	for name := range p.want.fields {
		f := c.fields[name]
		if f == nil {
			f = new(fieldCounts)
			c.fields[name] = f
		}
		f.compared++
		f.agree++
	}
	for _, name := range p.differ {
		c.fields[name].agree--
	}
}

// line tells of a difference: program, kind, capture, place, flow, what became
// of it, and the fields.
func (p *pairing) line(capture string, e expectation, k kind) string {
	outcome, it := "differ", p.want
	switch {
	case p.want == nil:
		outcome, it = "extra", p.got
	case p.got == nil:
		outcome = "missing"
	}
	details := it.brief()
	if outcome == "differ" {
		details = p.differences()
	}
	place := "any flow"
	if len(it.flows) > 0 {
		place = it.flows[0].String()
	}
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.program, k, capture, strings.TrimSpace(e.file+" "+it.where), place, outcome, details)
}

func (p *pairing) differences() string {
	slices.Sort(p.differ)
	var parts []string
	for _, name := range p.differ {
		parts = append(parts, fmt.Sprintf("%s: %q, Kagami %q", name, p.want.fields[name], legibleValue(p.got.fields[name])))
	}
	return strings.Join(parts, "; ")
}

// brief are the fields that have a value, in one line.
func (it *item) brief() string {
	var parts []string
	for _, name := range it.names() {
		if v := it.fields[name]; v != "" && v != more {
			parts = append(parts, fmt.Sprintf("%s %.100q", name, legibleValue(v)))
		}
	}
	return strings.Join(parts, ", ")
}

func (t tally) print(out io.Writer, captures int, failed []string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\n\nprogram\tkind\texpected\tagree\tdiffer\tmissing\textra\tshare\n", plural(captures, "capture"))
	t.each(func(r row, c *counts) {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\n", r.program, r.kind, c.expected, c.agree, c.differ, c.missing, c.extra, share(c.agree, c.expected))
	})
	fmt.Fprint(w, "\nprogram\tkind\tfield\tcompared\tagree\tshare\n")
	t.each(func(r row, c *counts) {
		for _, name := range orderedKeys(c.fields) {
			f := c.fields[name]
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\n", r.program, r.kind, name, f.compared, f.agree, share(f.agree, f.compared))
		}
	})
	if len(failed) > 0 {
		fmt.Fprintf(w, "\n%s not compared, or not with everything\n", plural(len(failed), "capture"))
		for _, f := range failed {
			fmt.Fprintf(w, "  %.300s\n", f)
		}
	}
	return w.Flush()
}

func (t tally) each(do func(row, *counts)) {
	rows := make([]row, 0, len(t))
	for r := range t {
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Or(strings.Compare(a.program, b.program), byOrder(a.kind, b.kind)) })
	for _, r := range rows {
		do(r, t[r])
	}
}

// share is a part of a whole in percent, rounded down so that 100 means all.
func share(part, whole int) string {
	if whole == 0 {
		return "-"
	}
	hundredths := part * 10000 / whole
	return fmt.Sprintf("%d.%02d %%", hundredths/100, hundredths%100)
}
