package census

import (
	"math/bits"
	"net/netip"
	"time"

	"kagami/records"
)

// Host is a machine inside.
type Host struct {
	First, Last  int64  // nanoseconds since the epoch
	Destinations uint32 // distinct domains and addresses it turned to outside within two to four weeks, about exact up to 100
	ProxiedN     uint32 // connections through an explicit proxy
	BrowsedN     uint32 // requests that name the page they come from

	addr   uint64 // hash of the address that it was seen at last
	slot   int64  // number of the last activity slot
	hour   int64  // number of the last hour counted in hours
	period int64  // number of the two weeks that visits[0] is about
	active [activitySlots / 8]byte
	hours  [hoursOfWeek]uint8 // how often it was active in that hour, of 255
	visits [2][sketch / 64]uint64
}

const (
	activitySlot  = int64(10 * time.Minute)
	activitySlots = 14 * 24 * 6
	hoursOfWeek   = 7 * 24
	sketch        = 512 // bits: destinations are counted by their hash
)

// UsesProxy is how many connections through a proxy make its user.
const UsesProxy = 10

// browses is how many requests that name a referring page make a browser.
const browses = 10

// Attended tells whether a person seems to use a machine. What has few
// destinations and does not follow links is a device.
func (h *Host) Attended(destinations int) bool {
	return int(h.Destinations) >= destinations || h.BrowsedN >= browses
}

// attend notes that a machine inside is active.
func (c *Census) attend(id, addr uint64, at int64) *Host {
	h, fresh := c.hosts.At(id)
	h.addr = addr
	switch {
	case fresh:
		h.First = at
		c.active.hosts++
	case at-h.Last > remembers && h.Last < c.active.counted: // it was away, and not counted
		c.active.hosts++
		if h.ProxiedN >= UsesProxy {
			c.active.users++
		}
	}
	h.Last = max(h.Last, at)
	if at/hour > h.hour {
		h.count(at/hour, &c.clock)
	}
	h.mark(at)
	return h
}

// mark notes that the machine was active at t.
func (h *Host) mark(t int64) {
	n := t / activitySlot
	switch {
	case t <= 0 || n <= h.slot-activitySlots:
		return
	case n-h.slot >= activitySlots: // new, or away for longer than is remembered
		clear(h.active[:])
		h.slot = n
	case n > h.slot:
		for i := h.slot + 1; i <= n; i++ {
			h.set(i, false)
		}
		h.slot = n
	}
	h.set(n, true)
}

func (h *Host) set(slot int64, on bool) {
	k := slot % activitySlots
	if on {
		h.active[k/8] |= 1 << (k % 8)
	} else {
		h.active[k/8] &^= 1 << (k % 8)
	}
}

// busyPackets is how many packets in each activity slot, on average, show that
// the machine was awake during a whole flow. An open but idle connection shows
// that for its ends only.
const busyPackets = 20

// during marks the whole time of a flow in which the client never rested. Its
// pauses, if it has any, are told by pulses.
func (h *Host) during(r *records.Flow) {
	from := max(r.Start, r.End-activitySlots*activitySlot)
	slots := r.End/activitySlot - from/activitySlot
	if from <= 0 || slots < 2 || r.Orig.Packets < busyPackets*uint64(slots) {
		return
	}
	for t := from; t < r.End; t += activitySlot {
		h.mark(t)
	}
}

// Silent tells whether the machine was inactive for at least half of the time
// between two of its contacts: asleep or switched off. Spans too short or too
// long to tell are not silent.
func (h *Host) Silent(from, to int64) bool {
	a, b := from/activitySlot+1, to/activitySlot
	if b-a < 3 || a <= h.slot-activitySlots {
		return false
	}
	active := int64(0)
	for i := a; i < b && i <= h.slot; i++ {
		k := i % activitySlots
		if h.active[k/8]&(1<<(k%8)) != 0 {
			active++
		}
	}
	return 2*active <= b-a
}

// count carries the hour-of-week profile on to an hour in which the machine is
// active. Each hour's value is the share of weeks in which it was, the latest
// four counting most; hours in which the sensor did not see count for nothing.
func (h *Host) count(now int64, c *clock) {
	first := h.First / hour
	if h.hour < now-4*hoursOfWeek { // new, or away for long: what it did before means little
		h.hour = max(first, now-4*hoursOfWeek) - 1
	}
	for n := h.hour + 1; n < now; n++ {
		if !c.down(n*hour, (n+1)*hour) {
			p, k := h.share(n, first)
			*p -= uint8((int(*p) + k - 1) / k)
		}
	}
	p, k := h.share(now, first)
	*p += uint8((255 - int(*p) + k - 1) / k)
	h.hour = now
}

// share is the value of an hour, and one in how many its next week is.
func (h *Host) share(hour, first int64) (*uint8, int) {
	weeks := max(0, hour-first) / hoursOfWeek
	return &h.hours[hour%hoursOfWeek], int(min(weeks, 3)) + 1
}

// Usual is how usual it is, from 0 to 1, that the machine is active in the hour
// of the week of t (UTC): the share of weeks in which it was, or half that of a
// neighbouring hour. Below 0 it is still being learned, which takes a week.
func (h *Host) Usual(t int64) float64 {
	if h.Last-h.First < week || t < 0 {
		return -1
	}
	n := t / hour
	at := func(n int64) int { return int(h.hours[(n+hoursOfWeek)%hoursOfWeek]) }
	return float64(max(2*at(n), at(n-1), at(n+1))) / 510
}

// visit counts a destination once in two weeks.
func (h *Host) visit(key uint64, now int64) {
	if p := now / (2 * week); p != h.period {
		if p != h.period+1 {
			h.visits[0] = [sketch / 64]uint64{}
		}
		h.visits[1], h.visits[0], h.period = h.visits[0], [sketch / 64]uint64{}, p
		h.Destinations = max(h.distinct(0), h.distinct(1))
	}
	bit := key % sketch
	if h.visits[0][bit/64]&(1<<(bit%64)) == 0 {
		h.visits[0][bit/64] |= 1 << (bit % 64)
		h.Destinations = max(h.distinct(0), h.distinct(1))
	}
}

func (h *Host) distinct(i int) uint32 {
	n := 0
	for _, w := range h.visits[i] {
		n += bits.OnesCount64(w)
	}
	return uint32(n)
}

// rewind makes a machine's activity that lies ahead of a clock set back forgotten.
func (h *Host) rewind(now int64) {
	if h.slot > now/activitySlot {
		clear(h.active[:])
		h.slot = now / activitySlot
	}
	h.hour = min(h.hour, now/hour)
	h.First, h.Last = min(h.First, now), min(h.Last, now)
}

// Host returns what is known of the machine at an address inside; nil for others.
func (c *Census) Host(a netip.Addr) *Host { return c.hosts.Get(c.sourceOf(a.Unmap())) }

// HostOf returns what is known of a machine by its Source, or nil.
func (c *Census) HostOf(source uint64) *Host { return c.hosts.Get(source) }

// activeHosts counts machines, now and then exactly.
type activeHosts struct {
	hosts   uint64 // active within remembers
	users   uint64 // of these, users of a proxy
	counted int64  // when
}

const (
	// remembers is for how long a machine that was not seen counts as one of the network.
	remembers  = 2 * week
	recountGap = hour
)

// recount counts the machines that were active lately.
func (c *Census) recount() {
	c.active = activeHosts{counted: c.clock.now}
	for _, h := range c.hosts.All() {
		if c.clock.now-h.Last > remembers {
			continue
		}
		c.active.hosts++
		if h.ProxiedN >= UsesProxy {
			c.active.users++
		}
	}
}

// Users is how many machines use a proxy.
func (c *Census) Users() uint64 { return c.active.users }

// Hosts is how many machines inside were active within two weeks.
func (c *Census) Hosts() int { return int(c.active.hosts) }
