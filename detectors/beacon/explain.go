package beacon

import (
	"net/netip"
	"slices"

	"kagami/detectors/census"
	"kagami/detectors/incident"
	"kagami/detectors/rhythm"
	"kagami/detectors/table"
)

// Explain says why a machine's contacts with a destination are or are not a
// beacon: what was seen, the rhythm, what it is weighed against, and what is
// missing for an alert. Without a port, all known ones are told.
func (d *Detector) Explain(src netip.Addr, t census.Target, say func(incident.Text)) {
	source := d.census.SourceOf(src)
	d.host = d.census.HostOf(source)
	ports := []uint16{t.Port}
	if t.Port == 0 {
		ports = append(slices.Clone(d.census.Ports(t.Destination())), 53)
		slices.Sort(ports)
		ports = slices.Compact(ports)
	}
	said := false
	for _, port := range ports {
		k := census.Contact{Source: source, Client: src, Name: t.Name, Addr: t.Addr, Port: port, Start: d.census.Now()}
		said = d.explain(&k, say) || said
	}
	if !said {
		say(incident.Say("beacon: no contact of %s with %s is remembered", "beacon：%sから%sへの接続の記録はない", src, incident.Quote(t.String())))
		if t.Name == "" {
			say(incident.Say("beacon: where the name of a destination was seen, contacts stand under it: ask for the name", "beacon：名前がわかる宛先への接続は、その名前で記録している。名前を指定すること"))
		}
	}
	if d.direct.Known(table.Pair(source, (&census.Contact{Name: t.Name, Addr: t.Addr}).DomainKey())) && slices.Contains(ports, 53) {
		say(incident.Say("beacon: look-ups of the domain do not count, as it is contacted, too", "beacon：ドメインへの接続があるため、その名前解決は数えない"))
	}
}

// explain tells of one port; false when nothing is known.
func (d *Detector) explain(k *census.Contact, say func(incident.Text)) bool {
	key := k.Key()
	to := incident.Quote(k.Text())
	p := d.pairs.Get(key)
	if p == nil {
		x := d.probation.get(key)
		if x == nil {
			return false
		}
		n := 1
		if x.gap != 0 {
			n = 2
		}
		say(incident.Say("beacon: %s: %s so far, the last at %s; a rhythm takes at least 4", "beacon：%s：これまでに%s、最後は%s（周期性の判断には4回以上必要）",
			to, incident.Plural(n, "contact", "contacts", "%d回接続"), incident.Clock(x.time(d.census.Now()))))
		return true
	}
	k.How = p.how
	known := d.census.Familiar(k)
	var v verdict
	d.look(key, p, &v)
	d.weigh(p, k, &known, &v)
	say(incident.Say("beacon: %s", "beacon：%s", to))
	for _, f := range d.facts(p, k, &v) {
		say(f)
	}
	d.explainRhythm(p, &v, say)
	say(incident.Prevalence(&known))
	if v.evidence() > 0 {
		say(incident.Say("weighed with its surroundings: rhythm %+.1f (at most %.1f count here)", "周囲の状況を加えた評価：周期性 %+.1f（ここでの上限は%.1f）", v.rhythm, v.limit))
		for _, r := range v.reasons {
			say(incident.Say("%+.1f nats: %s", "%+.1fナット：%s", r.Nats, r.Text))
		}
		say(incident.Say("in all %.1f nats", "合計%.1fナット", v.total))
	}
	place := d.incidentKey(key, k)
	if d.told.Known(place) {
		say(incident.Say("an alert was raised for it before; it is not raised again while nothing changes", "すでにアラートを出しているため、状況が変わらない限り再度は出さない"))
	}
	d.book.Explain(place, say)
	return true
}

// look evaluates a pair as it stands, without changing it.
func (d *Detector) look(key uint64, p *pair, v *verdict) {
	copied := *p
	v.found = d.liss.Test(&copied.ring)
	copied.lock(&v.found, d.config.MinEvidence/2)
	v.needed = d.needed(&v.found, p)
	v.lasted, v.must = copied.lasted(d.config.MinLasting)
	if t := d.mixed.Get(key); t != nil && !v.ready() {
		v.paired = d.pdt.Test(t)
		if v.paired.Evidence >= d.config.MinMixed {
			v.mixed, v.needed = true, d.config.MinMixed
			v.lasted, v.must = p.ring.Last()-p.first, int64(d.config.MinLasting)
		}
	}
}

// explainRhythm says how strong the rhythm is, and what it lacks.
func (d *Detector) explainRhythm(p *pair, v *verdict, say func(incident.Text)) {
	f := &v.found
	switch {
	case v.mixed:
		say(d.says(p, v))
		return
	case f.Evidence == 0:
		say(incident.Say("no rhythm: no band holds 7 in 10 of the %d gaps remembered", "周期性なし：記憶している%d個の間隔の7割が収まる帯がない", p.ring.Len()))
		if n := p.ring.Len(); n < rhythm.MinKept {
			say(incident.Say("%d more contacts are needed to judge", "判断にはあと%d回の接続が必要", rhythm.MinKept-n))
		}
	default:
		say(incident.Say("the rhythm gives %.1f nats, %.1f are needed", "周期性は%.1fナット、必要なのは%.1fナット", f.Evidence, v.needed))
	}
	if v.paired.Evidence > 0 {
		say(incident.Say("a timer among other traffic: %.1f nats, %.1f are needed, three times in a row", "他の通信に混ざった一定間隔の通信：%.1fナット、必要なのは3回続けて%.1fナット", v.paired.Evidence, d.config.MinMixed))
	}
	if f.Evidence > 0 && v.lasted < v.must {
		say(incident.Say("it lasts for %s and must for %s", "継続は%s、必要なのは%s", incident.Span(v.lasted), incident.Span(v.must)))
	}
}
