package scan

import (
	"math"

	"kagami/detectors/state"
)

// Sequential tests of what first contacts come to. A machine that knows where
// its servers are succeeds with most of them; one that searches does not.
//
// The likelihoods are those of threshold random walk (Jung, Paxson, Berger and
// Balakrishnan, 2004): P(success | harmless) = 0.8, P(success | scan) = 0.2. Run
// as a one-sided CUSUM it never decides for harmless, so a scanner cannot
// collect credit first.
var (
	stepFail    = math.Log((1 - 0.2) / (1 - 0.8)) // +1.386 nats
	stepSuccess = math.Log(0.2 / 0.8)             // -1.386 nats
	stepMute    = stepFail / 2                    // UDP without answer: many services give none
	stepDark    = math.Log(scanDark / priorDark)  // +3.912 nats: half of a search, one in a hundred harmless contacts
	stepKnown   = stepFail / 4                    // others, who are under no suspicion, failed there, too
)

// luck is what usually becomes of a machine's first contacts: some know many
// servers that are no more.
type luck struct {
	base  tally    // before yesterday, old ones fading
	days  [2]tally // today, yesterday: a search under way must not excuse itself
	today int64    // number of the day
}

// tally counts first contacts.
type tally struct{ contacts, failed, dark float64 }

const (
	priorContacts = 20.0 // what the expectation for all machines weighs
	luckMemory    = 200.0
	priorFailed   = 0.2
	priorDark     = 0.01
	mostFailed    = 0.5 // a machine whose contacts fail more often is not believed to be harmless for that
	scanFailed    = 0.8
	scanDark      = 0.5
)

// note counts what became of a first contact.
func (l *luck) note(o outcome, now int64) {
	for day := now / day; l.today < day; l.today++ {
		l.base.contacts += l.days[1].contacts
		l.base.failed += l.days[1].failed
		l.base.dark += l.days[1].dark
		if fade := luckMemory / l.base.contacts; fade < 1 {
			l.base.contacts, l.base.failed, l.base.dark = l.base.contacts*fade, l.base.failed*fade, l.base.dark*fade
		}
		l.days[1], l.days[0] = l.days[0], tally{}
		if l.days[1].contacts == 0 {
			l.today = day - 1
		}
	}
	l.days[0].contacts++
	if o.failed() {
		l.days[0].failed++
	}
	if o == dark {
		l.days[0].dark++
	}
}

// forget takes back what was counted lately: it was a search.
func (l *luck) forget() { l.days = [2]tally{} }

// step is outcome.step for a machine of such luck, in nats.
func (l *luck) step(o outcome) float64 {
	all := l.base.contacts + priorContacts
	fails := min(mostFailed, max(priorFailed, (l.base.failed+priorFailed*priorContacts)/all))
	fail := math.Log(scanFailed / fails)
	switch o {
	case success:
		return math.Log((1 - scanFailed) / (1 - fails))
	case failure:
		return fail
	case dark:
		return max(fail, math.Log(scanDark/max(priorDark, (l.base.dark+priorDark*priorContacts)/all)))
	}
	return o.step() / stepFail * fail
}

func (l *luck) save(e *state.Encoder) {
	for _, t := range [...]tally{l.base, l.days[0], l.days[1]} {
		e.Float(t.contacts)
		e.Float(t.failed)
		e.Float(t.dark)
	}
	e.Int(l.today)
}

func (l *luck) load(d *state.Decoder) {
	number := func() float64 { return max(0, min(d.Float(), 1e9)) }
	for _, t := range [...]*tally{&l.base, &l.days[0], &l.days[1]} {
		*t = tally{number(), number(), number()}
	}
	l.today = d.Int()
}

// cusum is a one-sided cumulative sum of evidence in nats.
type cusum struct {
	sum   float64
	since int64 // of the first step after the sum was last zero
	last  int64
}

// halfLife halves a sum at rest, so that accidents of different weeks do not add up.
const halfLife = float64(7 * 24 * 3600 * 1e9)

// headroom is how far above the alarm a sum may rise, in nats: after a scan a
// few successes bring it down again, however long the scan was.
const headroom = 3

// step adds evidence at a time and returns the sum, at most headroom above alarm.
func (c *cusum) step(nats float64, now int64, alarm float64) float64 {
	if c.sum > 0 && now > c.last {
		c.sum *= math.Exp2(-float64(now-c.last) / halfLife)
	}
	if c.sum < 0.01 {
		c.since = now
	}
	c.sum = min(max(0, c.sum+nats), alarm+headroom)
	c.last = now
	return c.sum
}

func (c *cusum) save(e *state.Encoder) {
	e.Float(c.sum)
	e.Int(c.since)
	e.Int(c.last)
}

func (c *cusum) load(d *state.Decoder) {
	*c = cusum{sum: max(0, min(d.Float(), 1000)), since: d.Int(), last: d.Int()}
}
