package sensor

const (
	// stepBack is how far behind the clock a frame must be to count as sent by
	// a clock that was set back, rather than as out of order.
	stepBack = 60 * 1e9 // nanoseconds
	// stepFrames is how many frames in a row must say so: one interface of
	// several with a slow clock, or one frame from the far future, is no step.
	stepFrames = 1000
)

// Clock turns capture times, which may go back, into the engine's logical time,
// which does not: the highest time seen. When the capture's clock was really set
// back (or a second, older file begins) it starts a new epoch there.
type Clock struct {
	now    int64
	behind int
	epoch  uint32
	set    bool
}

// Stamp sets Clock and Epoch of one frame.
func (c *Clock) Stamp(f *Frame) {
	t := f.Time
	switch {
	case t >= c.now || !c.set:
		c.now, c.behind, c.set = t, 0, true
	case c.now-t > stepBack:
		if c.behind++; c.behind >= stepFrames {
			c.now, c.behind = t, 0
			c.epoch++
		}
	default:
		c.behind = 0
	}
	f.Clock, f.Epoch = c.now, c.epoch
}

// Tick advances the clock while no frames come: now is the source's idle time,
// which is wall-clock time and so believed at once when it was set back.
func (c *Clock) Tick(now int64) (clock int64, epoch uint32) {
	switch {
	case now > c.now || !c.set:
		c.now, c.set = now, true
	case c.now-now > stepBack:
		c.now, c.behind = now, 0
		c.epoch++
	}
	return c.now, c.epoch
}
