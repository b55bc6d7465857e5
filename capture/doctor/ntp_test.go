package doctor

import (
	"encoding/binary"
	"testing"
	"time"

	"kagami/packet"
)

// answer is an Ethernet frame with an NTP message from port 123.
func answer(mode, stratum byte, transmit uint64) []byte {
	m := make([]byte, 48)
	m[0], m[1] = 4<<3|mode, stratum
	binary.BigEndian.PutUint64(m[40:], transmit)
	return fromNTPPort(m)
}

func fromNTPPort(message []byte) []byte {
	b := []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, byte(28 + len(message)), 0, 0, 0, 0, 64, packet.ProtoUDP, 0, 0,
		192, 0, 2, 1, 10, 0, 0, 1, 0, 123, 0x80, 0, 0, byte(8 + len(message)), 0, 0}
	return append(b, message...)
}

// at is a time as NTP writes it.
func at(t time.Time) uint64 {
	return uint64(t.Unix()+ntpEpoch)<<32 | uint64(t.Nanosecond())<<32/1e9
}

func TestServerTime(t *testing.T) {
	now := time.Date(2026, 11, 16, 8, 30, 0, 250_000_000, time.UTC)
	good := answer(4, 2, at(now))
	edit := func(i int, b byte) []byte {
		f := append([]byte(nil), good...)
		f[42+i] = b
		return f
	}
	for _, tt := range []struct {
		name  string
		frame []byte
		want  uint64
	}{
		{"a server's answer", good, 1},
		{"a broadcast", answer(5, 2, at(now)), 1},
		{"SNTP version 1", edit(0, 1<<3|4), 1},
		{"a client's request", answer(3, 2, at(now)), 0},
		{"a server that is not synchronised", edit(0, 3<<6|4<<3|4), 0},
		{"a kiss of death (stratum 0)", answer(4, 0, at(now)), 0},
		{"stratum 16", answer(4, 16, at(now)), 0},
		{"version 7", edit(0, 7<<3|4), 0},
		{"no time", answer(4, 2, 0), 0},
		{"too short", fromNTPPort(make([]byte, 12)), 0},
		{"from another port", func() []byte { f := append([]byte(nil), good...); f[35] = 99; return f }(), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var w watch
			w.see(time.Duration(now.UnixNano()), tt.frame)
			if got := w.facts().NTP; got.Replies != tt.want || got.Offset.Abs() > time.Microsecond {
				t.Errorf("got %+v, want %d", got, tt.want)
			}
		})
	}
}

func TestOffset(t *testing.T) {
	day := time.Date(2026, 11, 16, 8, 30, 0, 123_456_789, time.UTC)
	for _, tt := range []struct {
		name     string
		captured time.Time
		server   time.Time
		want     time.Duration
	}{
		{"equal", day, day, 0},
		{"ahead", day.Add(1500 * time.Millisecond), day, 1500 * time.Millisecond},
		{"behind", day.Add(-time.Hour), day, -time.Hour},
		{"across the era of 2036", time.Date(2036, 2, 7, 6, 28, 15, 0, time.UTC), time.Date(2036, 2, 7, 6, 28, 17, 0, time.UTC), -2 * time.Second},
		{"a capture clock that was never set", time.Unix(0, 0), time.Unix(1000, 0), -1000 * time.Second},
		{"before 1970", time.Unix(-5, 500_000_000), time.Unix(0, 0), -4500 * time.Millisecond},
	} {
		if got := offset(tt.captured.UnixNano(), at(tt.server)); (got - tt.want).Abs() > time.Nanosecond {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestSamples(t *testing.T) {
	var s samples
	s.add(-time.Hour) // one server that is wrong
	for range 2 * maxSamples {
		s.add(time.Millisecond)
	}
	want := NTP{Replies: 2*maxSamples + 1, Offset: time.Millisecond, Min: -time.Hour, Max: time.Millisecond}
	if got := s.facts(); got != want || len(s.last) != maxSamples {
		t.Errorf("got %+v with %d samples, want %+v with %d", got, len(s.last), want, maxSamples)
	}
}
