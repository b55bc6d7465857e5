package detectors

import (
	"testing"

	"kagami/packet"
	"kagami/records"
)

func TestSight(t *testing.T) {
	for _, c := range []struct {
		why      string
		oneSided func(i int) bool
		n        int
		want     bool
	}{
		{"too few flows to judge by", func(int) bool { return true }, sightLeast - 1, false},
		{"one direction only", func(int) bool { return true }, sightLeast, true},
		{"both directions", func(int) bool { return false }, 5000, false},
		{"some asymmetric routing", func(i int) bool { return i%4 == 0 }, 5000, false},
		{"a direction that was plugged in later", func(i int) bool { return i < 5000 }, 8000, false},
		{"a direction that was lost", func(i int) bool { return i > 5000 }, 8000, true},
	} {
		var s sight
		for i := range c.n {
			f := records.NewFlow(records.Meta{Key: packet.Key{Proto: packet.ProtoTCP}, Visibility: records.Visibility{OneSided: c.oneSided(i)}})
			f.Orig.Payload = 1
			s.note(f)
		}
		if s.blind() != c.want {
			t.Errorf("%s: blind = %v", c.why, s.blind())
		}
	}
}
