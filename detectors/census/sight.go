package census

import (
	"kagami/packet"
	"kagami/records"
)

const (
	// sightMemory is after how many flows older ones count half.
	sightMemory = 1024
	// sightLeast is how many flows must have been seen to judge by.
	sightLeast = 20
)

// sight is whether the mirror port shows both directions. TCP proves a missing
// one by its acknowledgements; UDP and ICMP cannot: where TCP flows are
// one-sided, that nobody answered a datagram says nothing.
type sight struct{ flows, oneSided uint32 }

func (s *sight) note(f *records.Flow) {
	m := f.Meta()
	if m.Key.Proto != packet.ProtoTCP || f.Orig.Payload+f.Resp.Payload == 0 {
		return
	}
	if s.flows == sightMemory {
		s.flows, s.oneSided = s.flows/2, s.oneSided/2
	}
	s.flows++
	if m.Visibility.OneSided {
		s.oneSided++
	}
}

// blind tells that most TCP flows are one-sided.
func (s *sight) blind() bool { return s.flows >= sightLeast && 2*s.oneSided > s.flows }

// Blind tells that the mirror port shows one direction of most connections only.
func (c *Census) Blind() bool { return c.sight.blind() }
