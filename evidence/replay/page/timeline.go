package page

import (
	"cmp"
	"slices"

	"kagami/evidence/replay"
)

// timeline is what happened when, as bars.
type timeline struct {
	Events []event
	Left   string // how many are not shown, "" = none
}

type event struct {
	Time, Offset string
	Text         string
	Number       int
	Shown        bool
	Class        string // of the bar
	Role         string
	From, Width  string // per cent
	Later        bool   // outside of what the bars show

	at, until int64
	dns       bool
}

// fillTimeline shows the ways, or the first transactions when there is none. The bars
// run from the first request to the last payload's end: what comes hours later would
// leave no room for them.
func (v *view) fillTimeline() {
	var all []event
	last := int64(0)
	for _, n := range v.c.Nodes {
		t := n.Transaction
		if len(v.told) > 0 && !v.told[t] {
			continue
		}
		all = append(all, event{Text: v.url(t), Number: t.Number, Shown: v.shown[t], Class: v.class(n), Role: v.role(n), at: begin(t), until: end(t)})
		if n.Role != replay.RoleCheckIn {
			last = max(last, end(t))
		}
	}
	if len(all) == 0 {
		return
	}
	slices.SortStableFunc(all, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	from := all[0].at
	if len(v.told) > 0 {
		all = append(all, v.looked(&from, last)...)
		slices.SortStableFunc(all, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	}
	if left := len(all) - maxTimeline; left > 0 {
		all, v.Timeline.Left = all[:maxTimeline], number(int64(left))
		if len(v.told) == 0 {
			last = all[len(all)-1].until
		}
	}
	span := max(1, last-from)
	for i := range all {
		all[i].place(from, span)
	}
	v.Timeline.Events = all
}

// looked are the look-ups of the names on the ways, from a little before the first
// request on.
func (v *view) looked(from *int64, last int64) (all []event) {
	const before = int64(30e9)
	begin := *from
	seen := map[string]bool{} // proxies and resolvers ask again what they are asked
	for i := range v.r.Lookups {
		l := &v.r.Lookups[i]
		if !v.isHit(l) || l.Time < begin-before || l.Time > last || len(l.Addrs) == 0 && l.Failed == "" {
			continue
		}
		if text := v.t.say("timeline.look", v.name(l.Name), v.resolved(l)); !seen[text] && len(all) < maxTimeline {
			seen[text] = true
			*from = min(*from, l.Time)
			all = append(all, event{Text: text, Class: "dns", at: l.Time, until: l.Time, dns: true})
		}
	}
	return all
}

func (e *event) place(from, span int64) {
	e.Time, e.Offset = clock(e.at), "+"+seconds(e.at-from)
	if e.at > from+span {
		e.Later = true
		return
	}
	left := float64(e.at-from) * 100 / float64(span)
	width := float64(min(e.until, from+span)-e.at) * 100 / float64(span)
	e.From, e.Width = percent(min(left, 99.2)), percent(max(0, min(width, 100-left)))
}
