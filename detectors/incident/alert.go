package incident

import (
	"cmp"
	"math"
	"slices"

	"kagami/records"
)

// maxEvidence is how many sentences stand in one alert, the reasons included.
const maxEvidence = 32

// alert writes an incident as a person is told it: what happened, what is new
// since the last time, the facts of the strongest rule, what other rules add, and
// the weights that make the score.
func (b *Book) alert(e *entry, f *Finding, level Level, why news) *records.Alert {
	order := slices.DeleteFunc(e.leading(), (*part).silent)
	lead := order[0]
	a := records.NewAlert(*f.Meta)
	a.Rule, a.Title, a.TitleJA = lead.rule, lead.title.EN, lead.title.In("ja")
	a.Incident, a.Update, a.Level = e.name(), int(e.told.times)+1, level.String()
	a.Score, a.Severity = math.Round(100*e.score)/100, level.Severity()
	a.Source, a.Destination, a.DestAddr, a.DestPort = e.source, lead.destination, lead.addr, lead.port
	a.Since, a.Until = lead.since, lead.until
	a.Benign, a.BenignJA = lead.benign.EN, lead.benign.In("ja")
	advice := Advice(lead.rule)
	a.Advice, a.AdviceJA = advice.EN, advice.In("ja")
	a.Histogram = slices.Clone(lead.histogram)
	a.Chain = slices.Clone(lead.chain)
	for _, p := range order {
		a.Since, a.Until = min(a.Since, p.since), max(a.Until, p.until)
		p.flows.Into(a)
		for _, t := range p.technique {
			if !slices.Contains(a.Technique, t) {
				a.Technique = append(a.Technique, t)
			}
		}
	}
	lines, rest := e.sentences(order, why), append(b.others(e, f.Meta.At), b.caveats(a.Since, a.Until)...)
	for _, t := range append(lines[:min(len(lines), maxEvidence-len(rest))], rest...) {
		a.Evidence = append(a.Evidence, t.EN)
		a.EvidenceJA = append(a.EvidenceJA, t.In("ja"))
	}
	return a
}

// maxOthers is how many other incidents an alert names.
const maxOthers = 3

// others are the other incidents of the same machine that a person was told of:
// one that downloaded a program and now calls home is not the one that only calls.
func (b *Book) others(e *entry, now int64) []Text {
	var found []*entry
	machine := b.census.SourceOf(e.source)
	for _, o := range b.entries.All() {
		if o != e && o.told.times > 0 && !b.over(o, now) && b.census.SourceOf(o.source) == machine {
			found = append(found, o)
		}
	}
	slices.SortStableFunc(found, func(x, y *entry) int { return cmp.Compare(y.told.at, x.told.at) })
	var lines []Text
	for _, o := range found[:min(len(found), maxOthers)] {
		lead := o.leading()[0]
		lines = append(lines, Say("another incident of this machine, told %s: %s %s, level %s: %s", "この端末の別のインシデント（通知%s）：%s %s、レベル%s：%s",
			Clock(o.told.at), lead.rule, o.name(), o.told.level, lead.title))
	}
	return lines
}

// caveats are what the sensor could not know or see.
func (b *Book) caveats(since, until int64) []Text {
	var lines []Text
	if !b.census.Learned() {
		lines = append(lines, Say("the sensor has watched this network for less than a day: it cannot know yet what is new here",
			"センサーの観測開始から1日未満です。この環境で何が新しいかはまだ判断できません"))
	}
	if b.census.Blind() {
		lines = append(lines, Say("most TCP flows are seen in one direction only: what seems unanswered may have been answered",
			"大半のTCPフローが片方向しか見えていません。応答なしに見えても応答があった可能性があります"))
	}
	if down := b.census.DownFor(since, until); down > 0 {
		lines = append(lines, Say("the sensor was off, or lost many frames, for %s of that time", "この期間のうち%sは、センサーが停止していたか多くのフレームを失っています", Span(down)))
	}
	return lines
}

// sentences are the evidence, for one part or more, the leading one first.
func (e *entry) sentences(order []*part, why news) []Text {
	var lines []Text
	if t := e.update(why); !t.Zero() {
		lines = append(lines, t)
	}
	lines = append(lines, order[0].facts...)
	for _, p := range order[1:] {
		lines = append(lines, Say("besides, rule %s: %s", "加えてルール%s：%s", p.rule, p.title))
		lines = append(lines, p.facts[:min(len(p.facts), 2)]...)
	}
	return append(lines, e.weights()...)
}

// update says what is new since the incident was last told.
func (e *entry) update(why news) Text {
	t := &e.told
	then := Clock(t.at)
	switch why {
	case risen:
		return Say("update %d, more urgent: %.1f nats now, %.1f when last told (%s)",
			"続報%d（緊急度上昇）：前回通知時（%[4]s）%.1[3]fナット → 現在%.1[2]fナット", t.times+1, e.score, t.score, then)
	case grown:
		return Say("update %d, it has grown: %.1f nats now, %.1f when last told (%s)",
			"続報%d（拡大）：前回通知時（%[4]s）%.1[3]fナット → 現在%.1[2]fナット", t.times+1, e.score, t.score, then)
	case ongoing:
		return Say("update %d, a reminder: it still goes on; last told %s", "続報%d（継続中）：まだ続いています。前回の通知は%s", t.times+1, then)
	}
	return Text{}
}

// weights are the reasons that count, the strongest first.
func (e *entry) weights() []Text {
	var reasons []*Reason
	for r := range e.counting {
		if r.Nats != 0 && !r.Text.Zero() {
			reasons = append(reasons, r)
		}
	}
	slices.SortStableFunc(reasons, func(a, b *Reason) int { return cmp.Compare(b.Nats, a.Nats) })
	var lines []Text
	for _, r := range reasons {
		lines = append(lines, Say("%+.1f nats: %s", "%+.1fナット：%s", r.Nats, r.Text))
	}
	return lines
}

// Explain says what is known of an incident, by the key that Open gives: how far
// it got, when it was told, and every reason for and against.
func (b *Book) Explain(key uint64, say func(Text)) {
	e := b.entries.Get(key)
	if e == nil {
		return
	}
	order := e.leading()
	say(Say("incident %s: %s; %.1f nats (in view from %g, told from %g, urgent from %g)",
		"インシデント%s：%s。%.1fナット（監視%g以上、通知%g以上、緊急%g以上）",
		e.name(), order[0].title, e.score, b.config.Watch, b.config.Alert, b.config.High))
	if e.told.times == 0 {
		say(Say("nobody was told; first seen %s, last %s", "未通知。初回%s、最終%s", Clock(e.opened), Clock(e.last)))
	} else {
		say(Say("told %s, last %s as \"%s\"; first seen %s, last %s", "通知%s、最終通知%s（レベル%s）。初回%s、最終%s",
			Plural(int(e.told.times), "time", "times", "%d回"), Clock(e.told.at), e.told.level, Clock(e.opened), Clock(e.last)))
	}
	for _, p := range order {
		if p.hushed != "" {
			say(Say("rule %s (%.1f nats) is suppressed by %s", "ルール%s（%.1fナット）は抑止中：%s", p.rule, p.nats, p.hushed))
			continue
		}
		if p.silent() {
			say(Say("rule %s no longer finds it", "ルール%sは現在該当なし", p.rule))
			continue
		}
		for _, t := range p.facts {
			say(t)
		}
	}
	for _, t := range e.weights() {
		say(t)
	}
}
