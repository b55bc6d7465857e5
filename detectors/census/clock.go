package census

import (
	"slices"

	"kagami/records"
)

// clock is logical time, and when the sensor was off or saw too little.
type clock struct {
	start   int64 // the first record ever
	now     int64
	settled int64 // since when nothing was missed for long: ages mean something a day later
	epoch   uint32

	resumed    bool  // what is known comes from a state: there is a gap up to the next record
	statsUntil int64 // end of the last statistics' span, 0 = none
	outages    []outage
	forgotten  uint64 // outages that found no room
}

// outage is a time in which the sensor was off or lossy, nanoseconds since the epoch.
type outage struct{ from, to int64 }

const (
	maxOutages = 64
	// noticeable is the shortest gap that counts: a restart takes seconds.
	noticeable = int64(60e9)
	// absent is how long no record at all must have come for what was learned to
	// be of another time: the clock was set forward, or captures of two times
	// follow each other.
	absent = 10 * day
	// lossy is how many frames in a hundred, and lossyLeast how many at least, the
	// kernel must have dropped in a minute for a contact to be missed easily. Less
	// is what rhythms must bear; a handful of frames is chance.
	lossy, lossyLeast = 20, 20
)

// tick takes the time from a record.
func (c *Census) tick(m *records.Meta) {
	k := &c.clock
	switch {
	case k.start == 0:
		k.start, k.now, k.settled, k.epoch = m.At, m.At, m.At, m.Epoch
	case k.resumed:
		k.resumed, k.epoch = false, m.Epoch
		if m.At < k.now-noticeable { // times of records differ a little
			c.stepBack(m.At)
		} else {
			k.lost(k.now, m.At)
		}
	case m.Epoch != k.epoch:
		k.epoch = m.Epoch
		if m.At < k.now {
			c.stepBack(m.At)
		}
	}
	if m.At-k.now > absent {
		k.settled = m.At
	}
	k.now = max(k.now, m.At)
	if k.now-c.active.counted >= recountGap {
		c.recount()
	}
}

// stepBack follows a clock that was set back. What lies ahead of it is no future.
func (c *Census) stepBack(now int64) {
	k := &c.clock
	if k.now-now > hour {
		for _, h := range c.hosts.All() {
			h.rewind(now)
		}
	}
	k.now, k.start, k.settled, k.statsUntil = now, min(k.start, now), min(k.settled, now), 0
	k.outages = slices.DeleteFunc(k.outages, func(o outage) bool { return o.to > now })
	c.recount()
}

// stats reads a minute's statistics: what was lost, and whether the sensor stood
// still since the last ones.
func (k *clock) stats(r *records.Stats) {
	if k.statsUntil != 0 {
		k.lost(k.statsUntil, r.Start)
	}
	k.statsUntil = r.End
	if total := r.Frames + r.Dropped; r.Dropped >= lossyLeast && r.Dropped >= total/100*lossy {
		k.note(r.Start, r.End)
	}
}

// lost notes a time without the sensor unless it is too short to matter.
func (k *clock) lost(from, to int64) {
	if to-from < noticeable {
		return
	}
	if to-from >= day { // much may have become usual meanwhile
		k.settled = to
	}
	k.note(from, to)
}

// note adds an outage; one right behind the last prolongs it.
func (k *clock) note(from, to int64) {
	if from <= 0 || to <= from {
		return
	}
	if n := len(k.outages); n > 0 && from <= k.outages[n-1].to+noticeable && from >= k.outages[n-1].from {
		k.outages[n-1].to = max(k.outages[n-1].to, to)
		return
	}
	if len(k.outages) == maxOutages {
		k.outages = slices.Delete(k.outages, 0, 1)
		k.forgotten++
	}
	k.outages = append(k.outages, outage{from, to})
}

func (k *clock) down(from, to int64) bool {
	for i := len(k.outages) - 1; i >= 0; i-- {
		if o := k.outages[i]; o.from < to && o.to > from {
			return true
		}
	}
	return false
}

// Now is the time of the latest record, nanoseconds since the epoch.
func (c *Census) Now() int64 { return c.clock.now }

// Start is the time of the first record that the census ever saw.
func (c *Census) Start() int64 { return c.clock.start }

// Learned tells that the census has known the place for a day, and missed no
// day since: what is new to it is new.
func (c *Census) Learned() bool {
	return c.clock.start != 0 && c.clock.now-c.clock.settled >= day
}

// Down tells whether the sensor was off, or lost many frames, for part of the
// time between: that nothing came then says nothing.
func (c *Census) Down(from, to int64) bool { return c.clock.down(from, to) }

// DownFor is for how long of the time between the sensor was off or lossy, in
// nanoseconds.
func (c *Census) DownFor(from, to int64) int64 {
	sum := int64(0)
	for _, o := range c.clock.outages {
		sum += max(0, min(o.to, to)-max(o.from, from))
	}
	return sum
}
