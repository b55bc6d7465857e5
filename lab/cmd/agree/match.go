package main

import (
	"slices"
	"strings"
)

// more ends a list of which an expected one may be longer: a message had
// further sections, which the expecting program lists too.
const more = "\x00"

// among ends a list, divided by divider, one value of which may be expected.
const (
	among   = "\x01"
	divider = "\x1f"
)

// opening ends what the expected value must begin with.
const opening = "\x02"

// longValue is a length in octets from which on Kagami may have cut a value.
const longValue = 255

// anything is equal to every value.
const anything = "\x03"

// pairing says what became of an expected item, or of one that nobody expected.
type pairing struct {
	want, got *item    // nil: extra, missing
	differ    []string // names of the fields that differ
}

// match pairs expected items with those that were found, flow by flow: first
// those that agree, in order, then the ones that agree in at least half of
// their fields; a session, of which a flow has one, in any case. What remains is
// missing or extra.
func match(want, got []item) []pairing {
	m := matcher{got: got, used: make([]bool, len(got)), byFlow: make(map[flow][]int), first: make(map[flow]int)}
	for i := range got {
		m.all = append(m.all, i)
		for _, f := range got[i].flows {
			m.byFlow[f] = append(m.byFlow[f], i)
		}
	}
	pairs := make([]pairing, len(want), len(want)+len(got))
	for i := range want {
		pairs[i].want = &want[i]
		pairs[i].got = m.take(&want[i], 0)
	}
	for i := range pairs {
		p := &pairs[i]
		if p.got != nil {
			continue
		}
		tolerated := len(p.want.fields) / 2
		if p.want.kind == kindSession {
			tolerated = len(p.want.fields)
		}
		if p.got = m.take(p.want, tolerated); p.got != nil {
			p.differ = differing(p.want, p.got)
		}
	}
	for i := range got {
		if !m.used[i] {
			pairs = append(pairs, pairing{got: &got[i]})
		}
	}
	return pairs
}

type matcher struct {
	got    []item
	used   []bool
	all    []int
	byFlow map[flow][]int
	first  map[flow]int // indices into byFlow's lists before which all are used
}

// take finds the unused item that differs least from want, the first of
// several, and none that differs in more than tolerated fields.
func (m *matcher) take(want *item, tolerated int) *item {
	best, least := -1, tolerated+1
	for _, i := range m.candidates(want) {
		if m.used[i] {
			continue
		}
		if n := len(differing(want, &m.got[i])); n < least {
			if best, least = i, n; n == 0 {
				break
			}
		}
	}
	if best < 0 {
		return nil
	}
	m.used[best] = true
	return &m.got[best]
}

// candidates are the items of want's flow.
func (m *matcher) candidates(want *item) []int {
	if len(want.flows) == 0 {
		return m.all
	}
	for _, f := range want.flows {
		list, at := m.byFlow[f], m.first[f]
		for at < len(list) && m.used[list[at]] {
			at++
		}
		m.first[f] = at
		if at < len(list) {
			return list[at:]
		}
	}
	return nil
}

// differing are the names of want's fields for which got has another value.
func differing(want, got *item) []string {
	var names []string
	for name, value := range want.fields {
		if have := got.fields[name]; have != value && !isLike(value, have) {
			names = append(names, name)
		}
	}
	return names
}

// isLike tells whether have, which may say so, stands for want.
func isLike(want, have string) bool {
	if head, ok := strings.CutSuffix(have, opening); ok {
		return strings.HasPrefix(want, head)
	}
	return have == anything || begins(want, have) || isAmong(want, have) || len(have) >= longValue && strings.HasPrefix(want, have)
}

// begins tells whether have is the beginning of a list that is longer.
func begins(want, have string) bool {
	head, open := strings.CutSuffix(have, more)
	return open && (head == "" || want == head || strings.HasPrefix(want, head+","))
}

// isAmong tells whether want is one of the values in have.
func isAmong(want, have string) bool {
	list, ok := strings.CutSuffix(have, among)
	return ok && slices.Contains(strings.Split(list, divider), want)
}

// legibleValue is a value of got's for people.
func legibleValue(s string) string {
	return strings.ReplaceAll(strings.TrimRight(s, more+among+opening), divider, " | ")
}
