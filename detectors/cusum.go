package detectors

import "math"

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
)

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

// poissonTail is P(N >= k) of a Poisson distribution with that mean. It sums the
// tail itself, which stays exact where 1 minus the head would not.
func poissonTail(k int, mean float64) float64 {
	if k <= 0 {
		return 1
	}
	if mean <= 0 {
		return 0
	}
	logFactorial, _ := math.Lgamma(float64(k) + 1)
	term := math.Exp(float64(k)*math.Log(mean) - mean - logFactorial)
	sum := 0.0
	for i := k; term > sum*1e-15 || float64(i) < mean; i++ {
		sum += term
		term *= mean / float64(i+1)
	}
	return min(sum, 1)
}
