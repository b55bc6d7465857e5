package beacon

import (
	"kagami/detectors/incident"
	"kagami/detectors/rhythm"
	"kagami/detectors/state"
)

// Version is that of the encoding (state.Part).
func (d *Detector) Version() int { return 1 }

// Save writes what was learned (state.Part).
func (d *Detector) Save(e *state.Encoder) {
	d.probation.save(e)
	d.pairs.Save(e, savePair)
	d.mixed.Save(e, func(e *state.Encoder, v *rhythm.Times) { v.Save(e) })
	d.groups.Save(e, func(e *state.Encoder, v *uint32) { e.Uint(uint64(*v)) })
	d.watched.Save(e, func(e *state.Encoder, v *incident.Samples) { v.Save(e) })
	d.direct.Save(e)
	d.told.Save(e)
	d.workday.save(e)
	e.Int(d.today)
}

// Load reads what was saved into a new detector (state.Part).
func (d *Detector) Load(from *state.Decoder) {
	d.probation.load(from)
	d.pairs.Load(from, loadPair)
	d.mixed.Load(from, func(from *state.Decoder, v *rhythm.Times) { v.Load(from) })
	d.groups.Load(from, func(from *state.Decoder, v *uint32) { *v = uint32(from.Uint()) })
	d.watched.Load(from, func(from *state.Decoder, v *incident.Samples) { v.Load(from) })
	d.direct.Load(from)
	d.told.Load(from)
	d.workday.load(from)
	d.today = from.Int()
}
