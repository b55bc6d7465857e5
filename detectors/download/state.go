package download

import "kagami/detectors/state"

// Name implements state.Part: the [detect.NAME] section that governs it.
func (d *Detector) Name() string { return "download" }

// Version implements state.Part.
func (d *Detector) Version() int { return 1 }

// Save implements state.Part. Requests that no download can be traced back to
// any more are left out, and so are episodes: the incidents are in the book.
func (d *Detector) Save(e *state.Encoder) {
	since := d.census.Now() - int64(d.config.Chain)
	d.visits.Save(e, func(e *state.Encoder, v *visits) { v.save(e, since) })
	d.voices.Save(e, func(e *state.Encoder, v *voices) { v.save(e) })
	d.guilty.Save(e, func(e *state.Encoder, g *guilt) {
		e.Int(g.at)
		e.Hash(g.source)
	})
}

// Load implements state.Part.
func (d *Detector) Load(in *state.Decoder) {
	d.visits.Load(in, func(in *state.Decoder, v *visits) { v.load(in) })
	d.voices.Load(in, func(in *state.Decoder, v *voices) { v.load(in) })
	d.guilty.Load(in, func(in *state.Decoder, g *guilt) { g.at, g.source = in.Int(), in.Hash() })
}

func (v *visits) save(e *state.Encoder, since int64) {
	var young [remembered]*visit
	n := 0
	v.recent(since, func(x *visit) bool {
		young[n] = x
		n++
		return true
	})
	e.Uint(uint64(n))
	for i := n - 1; i >= 0; i-- { // the oldest first, as they came
		young[i].save(e)
	}
}

func (v *visits) load(d *state.Decoder) {
	for range d.Len(remembered) {
		v.next().load(d)
	}
}

func (v *visit) save(e *state.Encoder) {
	e.Int(v.at)
	e.Int(v.end)
	for _, h := range v.hashes() {
		e.Hash(*h)
	}
	e.Uint(uint64(v.risk))
	e.Bool(v.page)
	e.Bool(v.post)
	e.Uint(uint64(v.hostLen))
	e.Bytes(v.text[:v.textLen])
}

func (v *visit) load(d *state.Decoder) {
	*v = visit{}
	v.at, v.end = d.Int(), d.Int()
	for _, h := range v.hashes() {
		*h = d.Hash()
	}
	v.risk = risk(d.Uint())
	if v.risk > program {
		d.Fail("content of risk %d", v.risk)
	}
	v.page, v.post = d.Bool(), d.Bool()
	host := d.Uint()
	v.textLen = uint8(copy(v.text[:], d.Bytes(maxShown)))
	v.hostLen = uint8(min(host, uint64(v.textLen)))
}

func (v *visit) hashes() [9]*uint64 {
	return [...]*uint64{&v.uid, &v.url, &v.referrer, &v.from, &v.origin, &v.location, &v.host, &v.domain, &v.agent}
}

func (v *voices) save(e *state.Encoder) {
	n := min(v.n, maxVoices)
	e.Uint(uint64(n))
	for i := v.n - n; i < v.n; i++ { // the oldest first
		e.Hash(v.heard[i%maxVoices])
	}
}

func (v *voices) load(d *state.Decoder) {
	for range d.Len(maxVoices) {
		v.hear(d.Hash())
	}
}
