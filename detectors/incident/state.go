package incident

import (
	"kagami/detectors/state"
	"kagami/records"
)

// Name implements state.Part.
func (b *Book) Name() string { return "incident" }

// Version implements state.Part.
func (b *Book) Version() int { return 2 }

// Save implements state.Part.
func (b *Book) Save(e *state.Encoder) {
	for _, n := range b.numbers() {
		e.Uint(*n)
	}
	b.entries.Save(e, func(e *state.Encoder, v *entry) { v.save(e) })
	b.links.Save(e, func(e *state.Encoder, to *uint64) { e.Hash(*to) })
}

// Load implements state.Part.
func (b *Book) Load(d *state.Decoder) {
	for _, n := range b.numbers() {
		*n = d.Uint()
	}
	b.entries.Load(d, func(d *state.Decoder, v *entry) { v.load(d) })
	b.links.Load(d, func(d *state.Decoder, to *uint64) { *to = d.Hash() })
}

// numbers are what is counted, in the order in which it is saved.
func (b *Book) numbers() []*uint64 {
	return []*uint64{&b.opened, &b.closed, &b.told, &b.updates, &b.watches, &b.suppressed, &b.cut}
}

func (v *entry) save(e *state.Encoder) {
	e.Hash(v.id)
	e.Int(v.opened)
	e.Int(v.last)
	e.Addr(v.source)
	e.Uint(uint64(v.reports))
	t := &v.told
	e.Int(t.at)
	e.Float(t.score)
	e.Float(t.bearing)
	e.Uint(uint64(t.level))
	e.Uint(uint64(t.times))
	e.Uint(uint64(t.reminders))
	e.Uint(uint64(len(v.parts)))
	for i := range v.parts {
		v.parts[i].save(e)
	}
}

func (v *entry) load(d *state.Decoder) {
	*v = entry{id: d.Hash(), opened: d.Int(), last: d.Int(), source: d.Addr(), reports: uint32(d.Uint())}
	t := &v.told
	t.at, t.score, t.bearing = d.Int(), finite(d.Float()), finite(d.Float())
	t.level = Level(min(d.Uint(), uint64(High)))
	t.times = uint32(d.Uint())
	t.reminders = uint8(min(d.Uint(), 3))
	n := d.Len(maxParts)
	if n == 0 {
		d.Fail("an incident without a finding")
	}
	v.parts = make([]part, n)
	for i := range v.parts {
		v.parts[i].load(d)
	}
	v.fuse()
}

func (p *part) save(e *state.Encoder) {
	e.String(p.rule)
	e.Hash(p.own)
	e.Uint(uint64(p.report))
	e.Int(p.last)
	e.Float(p.bearing)
	e.String(p.hushed)
	e.Int(p.asked)
	e.String(p.destination)
	e.Addr(p.addr)
	e.Uint(uint64(p.port))
	e.Int(p.since)
	e.Int(p.until)
	e.Int(p.every)
	saveText(e, p.title)
	saveText(e, p.benign)
	e.Uint(uint64(len(p.facts)))
	for _, t := range p.facts {
		saveText(e, t)
	}
	e.Uint(uint64(len(p.reasons)))
	for _, r := range p.reasons {
		e.String(r.Kind)
		e.Float(r.Nats)
		saveText(e, r.Text)
	}
	saveStrings(e, p.technique)
	p.flows.Save(e)
	e.Uint(uint64(len(p.histogram)))
	for _, bin := range p.histogram {
		e.Int(bin.From)
		e.Int(bin.To)
		e.Int(int64(bin.Count))
	}
	saveStrings(e, p.chain)
}

func (p *part) load(d *state.Decoder) {
	*p = part{rule: d.String(maxWord), own: d.Hash(), report: uint32(d.Uint()), last: d.Int(), bearing: finite(d.Float()),
		hushed: d.String(maxText), asked: d.Int(), destination: d.String(maxQuoted), addr: d.Addr(), port: uint16(d.Uint()),
		since: d.Int(), until: d.Int(), every: max(d.Int(), 0), title: loadText(d), benign: loadText(d)}
	for range d.Len(maxFacts) {
		p.facts = append(p.facts, loadText(d))
	}
	for range d.Len(maxReasons) {
		r := Reason{d.String(maxWord), finite(d.Float()), loadText(d)}
		p.reasons = append(p.reasons, r)
		p.nats += r.Nats
	}
	p.technique = loadStrings(d, maxTechnique, maxWord)
	p.flows.Load(d)
	for range d.Len(maxBins) {
		p.histogram = append(p.histogram, records.Bin{From: d.Int(), To: d.Int(), Count: int(d.Int())})
	}
	p.chain = loadStrings(d, maxChain, maxQuoted)
}

func saveText(e *state.Encoder, t Text) {
	e.String(t.EN)
	e.String(t.JA)
}

func loadText(d *state.Decoder) Text { return Text{d.String(maxText), d.String(maxText)} }

func saveStrings(e *state.Encoder, v []string) {
	e.Uint(uint64(len(v)))
	for _, s := range v {
		e.String(s)
	}
}

func loadStrings(d *state.Decoder, limit, size int) (v []string) {
	for range d.Len(limit) {
		v = append(v, d.String(size))
	}
	return v
}
