package doctor

import (
	"encoding/binary"
	"slices"
	"time"

	"kagami/packet"
)

const (
	ntpPort   = 123
	ntpHeader = 48         // octets, RFC 5905 section 7.3
	ntpEpoch  = 2208988800 // seconds from 1900 to 1970

	// maxSamples bounds what is kept for the median.
	maxSamples = 1024
)

// serverTime is the transmit timestamp of an NTP or SNTP server's answer or
// broadcast (RFC 5905 section 7.3): 32 bits of seconds since 1900, 32 of
// fraction. ok is false for everything else, and for servers that say they do
// not know the time.
func serverTime(p *packet.Packet) (at uint64, ok bool) {
	b := p.Bytes()
	if p.Key.Port(p.Side) != ntpPort || len(b) < ntpHeader {
		return 0, false
	}
	const alarm, server, broadcast, maxStratum = 3, 4, 5, 15
	leap, version, mode := b[0]>>6, b[0]>>3&7, b[0]&7
	if leap == alarm || version < 1 || version > 4 || mode != server && mode != broadcast || b[1] == 0 || b[1] > maxStratum {
		return 0, false
	}
	at = binary.BigEndian.Uint64(b[40:])
	return at, at != 0
}

// offset is the capture time less the server's. The timestamps wrap every 136
// years, so the nearer of both readings counts.
func offset(captured int64, server uint64) time.Duration {
	sec, ns := captured/1e9, captured%1e9
	if ns < 0 { // before 1970
		sec, ns = sec-1, ns+1e9
	}
	diff := int64(uint64(sec+ntpEpoch)<<32 + uint64(ns)<<32/1e9 - server)
	return time.Duration(diff>>32)*time.Second + time.Duration((diff&0xffffffff)*1e9>>32)
}

// samples are offsets: extremes of all, and the last ones.
type samples struct {
	n        uint64
	min, max time.Duration
	last     []time.Duration
}

func (s *samples) add(d time.Duration) {
	if s.n == 0 || d < s.min {
		s.min = d
	}
	if s.n == 0 || d > s.max {
		s.max = d
	}
	if len(s.last) < maxSamples {
		s.last = append(s.last, d)
	} else {
		s.last[s.n%maxSamples] = d
	}
	s.n++
}

func (s *samples) merge(o *samples) {
	if o.n == 0 {
		return
	}
	if s.n == 0 || o.min < s.min {
		s.min = o.min
	}
	if s.n == 0 || o.max > s.max {
		s.max = o.max
	}
	s.last = append(s.last, o.last...)
	s.n += o.n
}

func (s *samples) facts() NTP {
	if s.n == 0 {
		return NTP{}
	}
	last := slices.Sorted(slices.Values(s.last))
	return NTP{Replies: s.n, Offset: last[len(last)/2], Min: s.min, Max: s.max}
}
