package incident

import (
	"slices"

	"kagami/detectors/state"
	"kagami/records"
)

// maxSamples is how many flows stand in one alert.
const maxSamples = 16

// maxCommunity bounds a community id: "1:" and 28 octets.
const maxCommunity = 40

// Samples are the first flows that bear out a finding, at most 16. The zero
// Samples is empty.
type Samples struct {
	uids  [maxSamples]uint64
	n     uint8
	alike []string // their community ids, distinct
}

// SamplesBehind is how many octets Samples keeps behind pointers at most.
const SamplesBehind = maxSamples * (maxCommunity + 16)

// Add notes the flow of m once.
func (s *Samples) Add(m *records.Meta) { s.add(m.UID, m.CommunityID) }

func (s *Samples) add(uid uint64, community string) {
	if slices.Contains(s.uids[:s.n], uid) || int(s.n) == maxSamples {
		return
	}
	s.uids[s.n] = uid
	s.n++
	if community != "" && len(community) <= maxCommunity && !slices.Contains(s.alike, community) {
		s.alike = append(s.alike, community)
	}
}

// AddID notes a flow of which only the id is kept.
func (s *Samples) AddID(uid uint64) { s.add(uid, "") }

// Len is how many flows are noted.
func (s *Samples) Len() int { return int(s.n) }

// Into adds the flows to an alert, which keeps copies.
func (s *Samples) Into(a *records.Alert) {
	for _, u := range s.uids[:s.n] {
		m := records.Meta{UID: u}
		if id := m.FlowID(); len(a.Flows) < maxSamples && !slices.Contains(a.Flows, id) {
			a.Flows = append(a.Flows, id)
		}
	}
	for _, c := range s.alike {
		if len(a.Communities) < maxSamples && !slices.Contains(a.Communities, c) {
			a.Communities = append(a.Communities, c)
		}
	}
}

// clone is a copy that shares nothing.
func (s *Samples) clone() Samples {
	c := *s
	c.alike = slices.Clone(s.alike)
	return c
}

// Save writes the flows.
func (s *Samples) Save(e *state.Encoder) {
	e.Uint(uint64(s.n))
	for _, u := range s.uids[:s.n] {
		e.Hash(u)
	}
	e.Uint(uint64(len(s.alike)))
	for _, c := range s.alike {
		e.String(c)
	}
}

// Load reads the flows.
func (s *Samples) Load(d *state.Decoder) {
	*s = Samples{}
	for range d.Len(maxSamples) {
		s.add(d.Hash(), "")
	}
	for range d.Len(maxSamples) {
		s.alike = append(s.alike, d.String(maxCommunity))
	}
}
