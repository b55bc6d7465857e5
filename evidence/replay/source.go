package replay

import (
	"kagami/packet"
	"kagami/sensor"
)

const (
	// recentFrames is how many frames back a segment may lie that the engine held
	// until one before it came.
	recentFrames = 1 << 17
	// recentKeys is how many flows' first packets are remembered, twice.
	recentKeys = 1 << 16
	// near is by how much a frame's time may be behind the one before and still be
	// moved behind it for the engine, in nanoseconds.
	near = 1e6
)

// stamp is when an octet came, and in which frame.
type stamp struct {
	time  int64
	frame int
}

// numbered is a Source that knows which frame the engine is working on. The engine
// hands a decoder the time of the packet at hand, which may be one that it held
// back; so every frame gets a time of its own, at most nanoseconds off, by which it
// is found again.
type numbered struct {
	sensor.Source
	frames      int
	first, last int64
	at          int64 // the time the engine was given last
	stamps      map[int64]stamp
	ring        []int64 // the engine's times of the last frames, those of the oldest are used again
	pkt         packet.Packet
	opened      [2]map[packet.Key]opening // the first packets of flows, new and old ones
}

// opening is a flow's first packet.
type opening struct {
	stamp
	seq  uint32
	syn  bool
	used bool // its flow has been told
}

func newNumbered(src sensor.Source) *numbered {
	return &numbered{Source: src, stamps: map[int64]stamp{}, opened: [2]map[packet.Key]opening{{}, {}}}
}

// Next implements sensor.Source.
func (s *numbered) Next(b *sensor.Batch) error {
	err := s.Source.Next(b)
	for i := range b.Frames {
		s.number(&b.Frames[i])
	}
	return err
}

func (s *numbered) number(f *sensor.Frame) {
	s.frames++
	st := stamp{f.Time, s.frames}
	if s.frames == 1 {
		s.first, s.last = f.Time, f.Time
	}
	s.first, s.last = min(s.first, f.Time), max(s.last, f.Time)
	s.note(f, st)
	if s.frames > 1 && f.Time <= s.at && s.at-f.Time < near {
		f.Time = s.at + 1
	}
	for range 8 { // times that go back a long way, and meet others
		if _, taken := s.stamps[f.Time]; !taken {
			break
		}
		f.Time++
	}
	s.at = f.Time
	if len(s.ring) < recentFrames {
		s.ring = append(s.ring, f.Time)
	} else {
		old := &s.ring[(s.frames-1)%recentFrames]
		delete(s.stamps, *old)
		*old = f.Time
	}
	s.stamps[f.Time] = st
}

// stamp is the frame that has the engine's time now.
func (s *numbered) stamp(now int64) stamp {
	if st, ok := s.stamps[now]; ok {
		return st
	}
	return stamp{time: now}
}

// note remembers the first packets of TCP flows.
func (s *numbered) note(f *sensor.Frame, st stamp) {
	p := &s.pkt
	if p.Parse(f.Data, f.WireLen, f.Link) != packet.OK || p.Key.Proto != packet.ProtoTCP {
		return
	}
	syn := p.Flags&(packet.SYN|packet.ACK) == packet.SYN
	old, known := s.opening(&p.Key)
	if known && (!syn || old.syn && old.seq == p.Seq) {
		return
	}
	if len(s.opened[0]) >= recentKeys {
		s.opened[0], s.opened[1] = map[packet.Key]opening{}, s.opened[0]
	}
	s.opened[0][p.Key] = opening{stamp: st, seq: p.Seq, syn: syn}
}

func (s *numbered) opening(k *packet.Key) (opening, bool) {
	for i := range s.opened {
		if o, ok := s.opened[i][*k]; ok {
			return o, true
		}
	}
	return opening{}, false
}

// open is the first packet of a flow whose first octets come now.
func (s *numbered) open(k *packet.Key, now stamp) stamp {
	o, ok := s.opening(k)
	if !ok || o.used {
		return now
	}
	o.used = true
	s.opened[0][*k] = o
	return o.stamp
}
