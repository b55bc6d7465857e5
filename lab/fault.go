package lab

import (
	"cmp"
	"slices"
	"time"
)

// Mirror is one way in which a mirror port deceives. Apply turns what a faithful
// mirror port delivers into what this one does. It depends on the capture alone
// and leaves it as it was.
type Mirror struct {
	Name  string // one word
	Title string // one line for people
	Apply func(*Capture) *Capture
}

// Mirrors are all of them.
func Mirrors() []Mirror {
	return []Mirror{
		{"duplicates", "before and after a router: each datagram twice, with another VLAN and TTL", twice},
		{"one-way", "only what clients send", oneWay},
		{"gro", "segments merged into frames beyond the MTU, as GRO and LRO do", merged},
		{"erspan", "everything inside ERSPAN type II", erspan},
		{"truncated", "frames cut after 128 octets", truncated},
		{"shortened", "frames cut after 128 octets by the switch, which says nothing of it", shortened},
		{"loss", "2 % of the frames are lost at random", lossy},
		{"queues", "two receive queues: what clients send comes a millisecond late", queued},
		{"clock-step", "the clock is set back by one hour half way", stepped},
		{"broadcast", "no mirror port at all: broadcast and multicast only", groupOnly},
	}
}

// The properties of the doctored mirrors.
const (
	copyVLAN    = 20
	cutAt       = 128       // octets
	lossPercent = 2         // of all frames
	stepBack    = time.Hour // of the clock
	copyDelay   = 30 * time.Microsecond
	queueDelay  = time.Millisecond
	faultSeed   = 1
)

// each makes a capture of what do makes of every frame: nil drops it.
func (c *Capture) each(do func(i int, f Frame) []Frame) *Capture {
	out := &Capture{Start: c.Start, Frames: make([]Frame, 0, len(c.Frames))}
	for i, f := range c.Frames {
		out.Frames = append(out.Frames, do(i, f)...)
	}
	return out
}

// twice adds to every routable unicast datagram the copy that leaves the router.
func twice(c *Capture) *Capture {
	out := c.each(func(_ int, f Frame) []Frame {
		h, ok := readHeaders(f.Data)
		if !ok || h.group() || h.ttl() < 2 {
			return []Frame{f}
		}
		return []Frame{f, {Time: f.Time + copyDelay, Data: h.routed(copyVLAN)}}
	})
	return out.sorted()
}

// sorted puts frames whose times have changed in order.
func (c *Capture) sorted() *Capture {
	slices.SortStableFunc(c.Frames, func(a, b Frame) int { return cmp.Compare(a.Time, b.Time) })
	return c
}

// queued delays one direction of every flow: the kernel stamps the time when it
// comes to a queue, not when the frame came.
func queued(c *Capture) *Capture {
	return c.each(func(_ int, f Frame) []Frame {
		if h, ok := readHeaders(f.Data); ok && h.fromClient() {
			f.Time += queueDelay
		}
		return []Frame{f}
	}).sorted()
}

// oneWay keeps what the client sends: the side with the higher port. Of equal
// ports, and where there are none, the lower address counts as the client.
func oneWay(c *Capture) *Capture {
	return c.each(func(_ int, f Frame) []Frame {
		if h, ok := readHeaders(f.Data); ok && !h.group() && !h.fromClient() {
			return nil
		}
		return []Frame{f}
	})
}

func truncated(c *Capture) *Capture {
	return c.each(func(_ int, f Frame) []Frame {
		if len(f.Data) > cutAt {
			f.Wire, f.Data = len(f.Data), f.Data[:cutAt:cutAt]
		}
		return []Frame{f}
	})
}

// shortened frames end where the switch cut them: their length on the wire is
// that of the copy.
func shortened(c *Capture) *Capture {
	return c.each(func(_ int, f Frame) []Frame {
		f.Data = f.Data[:min(len(f.Data), cutAt):min(len(f.Data), cutAt)]
		return []Frame{f}
	})
}

func lossy(c *Capture) *Capture {
	rng := NewRand(faultSeed, "loss")
	return c.each(func(_ int, f Frame) []Frame {
		if rng.Chance(lossPercent, 100) {
			return nil
		}
		return []Frame{f}
	})
}

func stepped(c *Capture) *Capture {
	return c.each(func(i int, f Frame) []Frame {
		if i >= len(c.Frames)/2 {
			f.Time -= stepBack
		}
		return []Frame{f}
	})
}

func groupOnly(c *Capture) *Capture {
	return c.each(func(_ int, f Frame) []Frame {
		if f.Data[0]&1 == 0 {
			return nil
		}
		return []Frame{f}
	})
}
