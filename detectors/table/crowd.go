package table

import "kagami/detectors/state"

// Crowd counts distinct members, exactly up to its size and "at least" above.
// The zero Crowd is empty.
type Crowd struct {
	ids [10]uint32
	n   uint8
}

// Add reports whether the member is new. A full crowd takes no more.
func (c *Crowd) Add(id uint32) bool {
	if int(c.n) == len(c.ids) || c.Has(id) {
		return false
	}
	c.ids[c.n] = id
	c.n++
	return true
}

// Has tells whether id is among the members that are kept.
func (c *Crowd) Has(id uint32) bool {
	for _, have := range c.ids[:c.n] {
		if have == id {
			return true
		}
	}
	return false
}

// Len is how many members are known, at most ten.
func (c *Crowd) Len() int { return int(c.n) }

// Full tells that there may be more members than Len says.
func (c *Crowd) Full() bool { return int(c.n) == len(c.ids) }

// IDs are the members in the order in which they came; they are not to be kept.
func (c *Crowd) IDs() []uint32 { return c.ids[:c.n] }

// Save writes the members.
func (c *Crowd) Save(e *state.Encoder) {
	e.Uint(uint64(c.n))
	for _, id := range c.IDs() {
		e.Uint(uint64(id))
	}
}

// Load reads the members.
func (c *Crowd) Load(d *state.Decoder) {
	*c = Crowd{}
	for range d.Len(len(c.ids)) {
		c.Add(uint32(d.Uint()))
	}
}
