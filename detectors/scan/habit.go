package scan

import (
	"math"
	"time"

	"kagami/detectors/state"
)

// habit is how many new administrative peers a client has, by the quarter of a
// day: the last week exactly, what was before it as a fading sum.
type habit struct {
	begun  int64           // first quarter counted, from the epoch; 0 = not begun
	slot   int64           // current quarter
	recent [quarters]uint8 // the current quarter and those of the week before it, by slot modulo quarters
	peers  float64         // before that week
	days   float64         // for how many days these stand
	most   [2]uint16       // the most of one day that is over: in this period, in the one before
	period int64           // number of the current period
}

const (
	quarter     = int64(6 * time.Hour)
	perDay      = 4
	quarters    = 7 * perDay
	habitMemory = 14.0 // days after which what was counts 1/e
	mostPeriod  = 14 * perDay
	day         = int64(24 * time.Hour)
)

// begin starts the count for a client that is known for so long already, without
// any new peer.
func (h *habit) begin(known, now int64) {
	s := max(1, now/quarter)
	*h = habit{begun: s, slot: s, period: s / mostPeriod, days: max(0, min(float64(known)/float64(day), habitMemory))}
}

// count adds a new peer, and reports whether the last day holds no other.
func (h *habit) count(now int64) (alone bool) {
	h.turn(now)
	alone = h.sum(perDay) == 0
	if q := &h.recent[h.slot%quarters]; *q < math.MaxUint8 {
		*q++
	}
	return alone
}

// turn goes on to the quarter of a time. When the clock was set back, the current
// quarter takes what comes.
func (h *habit) turn(now int64) {
	slot := now / quarter
	if gone := slot - h.slot; gone > 2*quarters { // a long silence, all alike
		fade := math.Exp(-float64(gone) / perDay / habitMemory)
		h.peers = (h.peers + float64(h.sum(quarters))) * fade
		h.days = habitMemory + (h.days-habitMemory)*fade
		h.recent, h.slot = [quarters]uint8{}, slot
	}
	const fade = 1 - 1/(habitMemory*perDay)
	for h.slot < slot {
		h.most[0] = max(h.most[0], uint16(h.sum(2*perDay)-h.sum(perDay)))
		h.slot++
		left := &h.recent[h.slot%quarters]
		h.peers = (h.peers + float64(*left)) * fade
		if h.slot-h.begun >= quarters {
			h.days = (h.days + 1.0/perDay) * fade
		}
		*left = 0
	}
	if p := h.slot / mostPeriod; p != h.period {
		h.most[1] = h.most[0]
		if p != h.period+1 {
			h.most[1] = 0
		}
		h.most[0], h.period = 0, p
	}
}

// sum is the number of the last n quarters, the current one included.
func (h *habit) sum(n int) int {
	total := 0
	for i := range int64(n) {
		total += int(h.recent[(h.slot+quarters-i)%quarters])
	}
	return total
}

// oddity is how odd a number of new peers is.
type oddity struct {
	peers int     // within span
	span  int64   // a day or a week
	usual float64 // expected in that time
	odds  float64 // probability of so many or more
}

// unusual tests the last day against all before, and the last week against what
// was before that; prior is the number a day expected of a client whose habit is
// not known, which weighs as much as one day. It returns the stronger of both.
// Half as much again as the fullest day of the last weeks is habit, too: the
// work of administrators comes in bursts.
func (h *habit) unusual(prior float64) oddity {
	today, week := h.sum(perDay), h.sum(quarters)
	peers := prior + h.peers + float64(week-today)
	days := 1 + h.days + float64(min(h.slot-h.begun, quarters-perDay))/perDay
	o := oddity{today, day, peers / days, 1}
	burst := int(max(h.most[0], h.most[1]))
	if 2*today > 3*burst {
		o.odds = tail(today, peers, days)
	}
	if h.days < 7 || 2*week <= 3*burst {
		return o
	}
	peers, days = prior+h.peers, (1+h.days)/7
	if odds := tail(week, peers, days); odds < o.odds {
		return oddity{week, 7 * day, peers / days, odds}
	}
	return o
}

// tail is P(N >= k) where N is Poisson and its mean is only known from so many
// events in so many periods (posterior Gamma(events, periods)): the tail of a
// negative binomial distribution. Few periods make it heavy. It sums the tail
// itself, which stays exact where 1 minus the head would not.
func tail(k int, events, periods float64) float64 {
	if k <= 0 {
		return 1
	}
	q := 1 / (1 + periods)
	a, _ := math.Lgamma(events + float64(k))
	b, _ := math.Lgamma(events)
	c, _ := math.Lgamma(float64(k) + 1)
	term := math.Exp(a - b - c + events*math.Log1p(-q) + float64(k)*math.Log(q))
	sum := 0.0
	for i := float64(k); term > sum*1e-12 || i*(1-q) < events*q; i++ {
		sum += term
		term *= q * (events + i) / (i + 1)
	}
	return min(sum, 1)
}

func (h *habit) save(e *state.Encoder) {
	e.Int(h.begun)
	e.Int(h.slot)
	e.Bytes(h.recent[:])
	e.Float(h.peers)
	e.Float(h.days)
	e.Uint(uint64(h.most[0]))
	e.Uint(uint64(h.most[1]))
	e.Int(h.period)
}

func (h *habit) load(d *state.Decoder) {
	const latest = math.MaxInt64 / quarter
	*h = habit{begun: max(0, min(d.Int(), latest)), slot: max(0, min(d.Int(), latest))}
	copy(h.recent[:], d.Bytes(quarters))
	h.peers, h.days = max(0, min(d.Float(), 1<<15)), max(0, min(d.Float(), habitMemory))
	h.most = [2]uint16{uint16(d.Uint()), uint16(d.Uint())}
	h.period = d.Int()
}
