package exporters

import (
	"net/netip"

	"kagami/records"
)

// Classes of lines, Line.Class: a queue on disk that is full drops the lowest
// first.
const (
	ClassFlow     uint8 = iota // flows
	ClassProtocol              // what was said in them
	ClassState                 // identities, and what the sensor says of itself
	ClassAlert
	NumClasses
)

func classOf(k records.Kind) uint8 {
	switch {
	case k == records.KindFlow:
		return ClassFlow
	case k == records.KindAlert:
		return ClassAlert
	case k == records.KindIdentity || k >= records.KindStats:
		return ClassState
	}
	return ClassProtocol
}

// originator is the client's address, zero for a record of no flow.
func originator(m *records.Meta) netip.Addr {
	if a := m.Client().Addr(); !a.IsUnspecified() {
		return a
	}
	return netip.Addr{}
}
