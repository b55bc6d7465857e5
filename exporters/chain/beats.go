package chain

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"slices"
	"strconv"
	"strings"
	"time"

	"kagami/signing"
)

// Key is the public half of what a sensor signs with; it may have had several.
type Key struct {
	Sensor string // "" = of every sensor that has no key of its own here
	Public ed25519.PublicKey
}

// KeyReport is a key that heartbeats were held against.
type KeyReport struct {
	Sensor      string `json:"sensor"`
	Fingerprint string `json:"fingerprint"` // several: with blanks between
	Own         bool   `json:"own"`         // nobody gave it: it proves the records whole, not whose they are
}

// claimMarks stand before the claim in each format's heartbeat; elsewhere in a line
// it is what the sensor saw on the wire.
var claimMarks = [...]string{`"text":"`, `"module":"kagami","message":"`, "agamiHeartbeat=", "heartbeat="}

// claimOf is the claim of a heartbeat's line, nil if it is none.
func claimOf(line []byte) []byte {
	i := bytes.Index(line, []byte(claimOpen))
	if i < 0 {
		return nil
	}
	for _, m := range claimMarks {
		if i == 0 || bytes.HasSuffix(line[:i], []byte(m)) {
			return FindClaim(line[i:])
		}
	}
	return nil
}

// claim takes a heartbeat, which stands in the line with stamp of, or, nil, in an
// account; it counts only under the right key.
func (v *verifier) claim(c *Claim, text []byte, err error, of *Stamp, where place) (flags uint8) {
	f := Finding{File: v.inputs[where.input()], Line: where.line()}
	if of != nil {
		f.of(of.Stream)
	}
	if c != nil {
		f.of(c.Stream)
		f.First = c.N
	}
	if err != nil {
		f.Kind, f.Detail = Forged, err.Error()
		v.doubt(f, of)
		return 0
	}
	if !v.known(c) {
		v.otherKey(c, f, of)
		return 0
	}
	id, ok := v.stream(c.Stream)
	if !ok || v.beats >= maxBeats {
		v.damaged(where)
		return 0
	}
	v.beats++
	s := v.streams[id]
	s.against = s.against || v.against
	if at, ok := v.earliest[c.Sensor]; !v.against && (!ok || c.At < at) {
		v.earliest[s.Sensor] = c.At
	}
	b := beat{start: c.Start, n: c.N, at: c.At, every: c.Every, first: c.First, last: c.Last, digest: c.Digest,
		hash: HashClaim(text), previous: c.Previous, uptime: uptimeOf(c), end: c.End, lost: lostOf(c), where: where}
	if b.previous.Boot = s.Boot; c.Previous.Boot != s.Boot { // else it would keep the whole text in memory
		b.previous.Boot = strings.Clone(c.Previous.Boot)
	}
	s.beats = append(s.beats, b)
	for _, m := range c.Also {
		if other, ok := v.stream(Stream{c.Sensor, m.Boot, m.Name}); ok {
			v.streams[other].mark(sighting{m.N, m.Hash, c.At, id})
			if m.Boot == c.Boot { // else it is of an earlier start
				v.streams[other].told = c.Start
			}
		}
	}
	return flagClaim
}

// doubt notes that a claim is none, at once unless it is a line's that a heartbeat
// may vouch for.
func (v *verifier) doubt(f Finding, of *Stamp) {
	if of == nil {
		v.add(f)
		return
	}
	if id, ok := v.stream(of.Stream); ok && len(v.streams[id].doubts) < maxFindings {
		v.streams[id].doubts = append(v.streams[id].doubts, doubt{of.Seq, f})
	}
}

// otherKey says whose key was expected. That none was given for a sensor is most
// often a name that is written otherwise: it is said once of a start.
func (v *verifier) otherKey(c *Claim, f Finding, of *Stamp) {
	keys := v.keysOf(c.Sensor)
	f.Kind, f.Detail, f.Other = OtherKey, signing.Fingerprint(c.Key), fingerprints(keys)
	if len(keys) == 0 {
		f.Kind, f.Other = NoKey, strings.Clone(c.Sensor)
	}
	if of != nil && f.Kind == NoKey {
		id, ok := v.stream(of.Stream)
		if ok && slices.ContainsFunc(v.streams[id].doubts, func(d doubt) bool { return d.Kind == NoKey }) {
			return
		}
	}
	v.doubt(f, of)
}

// known tells whether a claim's key is its sensor's. Where none was given, it is the
// one of the sensor's first claim.
func (v *verifier) known(c *Claim) bool {
	if len(v.o.Keys) == 0 && v.keys[c.Sensor] == nil {
		v.keys[strings.Clone(c.Sensor)] = c.Key
	}
	return slices.ContainsFunc(v.keysOf(c.Sensor), func(k ed25519.PublicKey) bool { return bytes.Equal(k, c.Key) })
}

// keysOf are the keys that a sensor's claims must be signed with.
func (v *verifier) keysOf(sensor string) (own []ed25519.PublicKey) {
	if len(v.o.Keys) == 0 {
		return []ed25519.PublicKey{v.keys[sensor]}
	}
	var all []ed25519.PublicKey
	for _, k := range v.o.Keys {
		switch k.Sensor {
		case sensor:
			own = append(own, k.Public)
		case "":
			all = append(all, k.Public)
		}
	}
	if len(own) == 0 {
		return all
	}
	return own
}

func fingerprints(keys []ed25519.PublicKey) string {
	var out []string
	for _, k := range keys {
		out = append(out, signing.Fingerprint(k))
	}
	return strings.Join(out, " ")
}

// keysUsed names the keys, sensor by sensor.
func (v *verifier) keysUsed() {
	for _, x := range v.exports {
		known := slices.ContainsFunc(v.report.Keys, func(k KeyReport) bool { return k.Sensor == x.sensor })
		if known || !slices.ContainsFunc(x.starts, func(s *stream) bool { return len(s.beats) > 0 }) {
			continue
		}
		v.report.Keys = append(v.report.Keys, KeyReport{x.sensor, fingerprints(v.keysOf(x.sensor)), len(v.o.Keys) == 0})
	}
}

// order sorts each stream's claims, drops those that came twice, settles which
// start of the program a stream is of, and gathers each export's.
func (v *verifier) order() {
	of := map[[2]string]*export{}
	for _, s := range v.streams {
		slices.SortFunc(s.beats, func(a, b beat) int { return cmp.Or(cmp.Compare(a.n, b.n), cmp.Compare(a.where, b.where)) })
		s.beats = v.once(s)
		if len(s.beats) > 0 {
			s.start = s.beats[0].start
		}
		v.report.Beats += uint64(len(s.beats))
		x := of[[2]string{s.Sensor, s.Name}]
		if x == nil {
			x = &export{sensor: s.Sensor, name: s.Name}
			of[[2]string{s.Sensor, s.Name}] = x
			v.exports = append(v.exports, x)
		}
		s.export = x
		x.starts = append(x.starts, s)
	}
	slices.SortFunc(v.exports, func(a, b *export) int {
		return cmp.Or(strings.Compare(a.sensor, b.sensor), strings.Compare(a.name, b.name))
	})
	for _, x := range v.exports {
		slices.SortStableFunc(x.starts, func(a, b *stream) int {
			return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.began(), b.began()))
		})
	}
}

// once are a stream's claims without those that came again.
func (v *verifier) once(s *stream) []beat {
	kept := s.beats[:0]
	for _, b := range s.beats {
		if n := len(kept); n > 0 && kept[n-1].n == b.n {
			if kept[n-1].hash != b.hash {
				f := v.finding(Contradiction, s)
				f.First = b.n
				f.File, f.Line = v.at(b.where)
				v.add(f)
			}
			continue
		}
		kept = append(kept, b)
	}
	return kept
}

func (s *stream) began() int64 {
	if len(s.beats) == 0 {
		return 0
	}
	return s.beats[0].at
}

// find is a stream's heartbeat n, or nil.
func (s *stream) find(n uint64) *beat {
	i, ok := slices.BinarySearchFunc(s.beats, n, func(b beat, n uint64) int { return cmp.Compare(b.n, n) })
	if !ok {
		return nil
	}
	return &s.beats[i]
}

// last is a stream's last heartbeat, nil if it has none.
func (s *stream) last() *beat {
	if len(s.beats) == 0 {
		return nil
	}
	return &s.beats[len(s.beats)-1]
}

// lostOf is the sum of what a claim says was lost and refused: "lost:0,0,3,0".
func lostOf(c *Claim) (sum uint64) {
	for _, n := range append(strings.Split(c.Fact("lost"), ","), c.Fact("refused")) {
		v, _ := strconv.ParseUint(n, 10, 64) // not a number: not said
		sum += v
	}
	return sum
}

func uptimeOf(c *Claim) time.Duration {
	d, _ := time.ParseDuration(c.Fact("uptime")) // not a time: not said
	return max(d, 0)
}

// late is how long after a heartbeat that is due every so often there is silence.
func late(every time.Duration) int64 { return int64(max(2*every, every+10*time.Second)) }

func wall(ns int64) string { return time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05Z") }
