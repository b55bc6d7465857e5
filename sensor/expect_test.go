package sensor

import (
	"testing"

	"kagami/packet"
)

func TestExpectedConnections(t *testing.T) {
	key := packet.Key{A: [16]byte{15: 1}, B: [16]byte{15: 2}, APort: 21, BPort: 4000, Proto: packet.ProtoTCP}
	made := 0
	decode := func() Decoder { made++; return new(recognizer) }
	announce := func(e *expected, port uint16, now int64) {
		e.add(announced{key.A, key.B, 0, port}, now, decode)
	}
	begins := func(e *expected, a, b uint16, now int64) bool {
		k := key
		k.APort, k.BPort = a, b
		return e.take(&k, now) != nil
	}
	var e expected
	announce(&e, 5000, 0)
	for _, x := range []struct {
		why  string
		a, b uint16
		now  int64
		want bool
	}{
		{"another port", 5001, 6000, 1, false},
		{"the port of the other side", 6000, 5000, 1, false},
		{"announced", 5000, 6000, 1, true},
		{"an announcement serves once", 5000, 6001, 2, false},
	} {
		if got := begins(&e, x.a, x.b, x.now); got != x.want {
			t.Errorf("%s: expected = %v, want %v", x.why, got, x.want)
		}
	}
	announce(&e, 5000, 0)
	if begins(&e, 5000, 6000, expectedFor+1) {
		t.Error("an announcement of more than a minute ago was believed")
	}
	if made != 1 {
		t.Errorf("%d decoders made, want 1", made)
	}
}

func TestExpectedIsBounded(t *testing.T) {
	var e expected
	forgotten := 0
	for i := range 3 * maxExpected {
		for range 2 { // again: no second place
			if e.add(announced{port: uint16(i)}, int64(i), func() Decoder { return new(recognizer) }) {
				forgotten++
			}
		}
	}
	if forgotten != 2*maxExpected {
		t.Errorf("%d announcements are said to be forgotten, want %d", forgotten, 2*maxExpected)
	}
	if len(e.of) != maxExpected {
		t.Fatalf("%d announcements kept, want %d", len(e.of), maxExpected)
	}
	if e.take(&packet.Key{Proto: packet.ProtoTCP, APort: 3*maxExpected - 1, BPort: 1}, 0) == nil {
		t.Error("the newest announcement was forgotten")
	}
	if e.take(&packet.Key{Proto: packet.ProtoTCP, APort: 1, BPort: 1}, 0) != nil {
		t.Error("the oldest announcement is still there")
	}
}
