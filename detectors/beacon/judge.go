package beacon

import (
	"math"
	"net/netip"
	"strings"
	"time"

	"kagami/detectors/census"
	"kagami/detectors/incident"
	"kagami/detectors/rhythm"
	"kagami/sensor"
)

// Limits of what a rhythm can say, in nats: the evidence against a harmless
// timer with the same regularity (see saturate).
const (
	limitRare   = 20  // one or two machines that people use
	limitShared = 8.9 // three and more machines run the same timer
	limitDevice = 7.9 // a machine that nobody uses does nothing but timers
	limitCommon = 6   // everybody runs the same timer, or it is a person's habit
)

const (
	// watchScore is the score from which on an incident is reported.
	watchScore = 8
	// mixedEvery is after how many contacts times are tested for a hidden timer;
	// mixedRuns such tests in a row must find it.
	mixedEvery = 8
	mixedRuns  = 3
	// idleSkip is after how many contacts a pair that cannot alert is looked at again.
	idleSkip = 16
	// toldSkip is the same for one that was told, or of which more contacts say no more.
	toldSkip = 4
)

// saturate limits what the regularity of gaps can say: it speaks against human
// behaviour, but a harmless timer beats as evenly as a harmful one. limit is the
// evidence in nats against a harmless timer in that place.
func saturate(evidence, limit float64) float64 {
	return -math.Log(math.Exp(-evidence) + math.Exp(-limit))
}

// verdict is all that is known of a pair at a contact.
type verdict struct {
	found  rhythm.Found
	paired rhythm.Paired // instead, when found gives too little
	mixed  bool          // the rhythm is the paired one
	needed float64       // what the rhythm must give, nats
	lasted int64         // how long it lasts, and how long it must
	must   int64

	device, habit, timer bool
	kept                 bool // the rhythm may be that of a protocol that keeps its connections alive
	limit                float64
	reasons              []incident.Reason
	rhythm, total        float64 // nats
}

// ready tells whether the rhythm is strong and old enough to be weighed.
func (v *verdict) ready() bool { return v.evidence() >= v.needed && v.lasted >= v.must }

// saturated tells that a stronger rhythm would say no more.
func (v *verdict) saturated() bool { return v.evidence() >= v.limit+2 }

func (v *verdict) evidence() float64 {
	if v.mixed {
		return v.paired.Evidence
	}
	return v.found.Evidence
}

func (v *verdict) seconds() float64 {
	if v.mixed {
		return v.paired.Seconds()
	}
	return v.found.Seconds()
}

// judge evaluates a pair after a contact.
func (d *Detector) judge(key uint64, p *pair, k *census.Contact, emit sensor.Emit) {
	known, place := d.census.Familiar(k), d.incidentKey(key, k)
	if known.Common() && !d.book.Known(rule, k.Client, place) {
		if p.evidence = 0; !slow(&p.ring) {
			p.skip = idleSkip // what is common cannot reach a watch
		}
		return
	}
	var v verdict
	d.measure(key, p, &v)
	if v.found.Hopeless > 0 {
		p.skip = uint8(min(v.found.Hopeless, rhythm.Gaps))
	}
	if !v.ready() && !d.book.Known(rule, k.Client, place) || p.flags&isGroup != 0 && p.dominated() {
		return
	}
	d.weigh(p, k, &known, &v)
	d.report(key, place, p, k, &v, emit)
}

// measure runs the tests over a pair.
func (d *Detector) measure(key uint64, p *pair, v *verdict) {
	d.evaluated++
	v.found = d.liss.Test(&p.ring)
	p.lock(&v.found, d.config.MinEvidence/2)
	p.evidence = float32(v.found.Evidence)
	v.needed = d.needed(&v.found, p)
	v.lasted, v.must = p.lasted(d.config.MinLasting)
	if !v.ready() && p.flags&isGroup == 0 {
		d.mix(key, p, v)
	}
}

// needed is what the rhythm alone must give. People have many rare destinations
// and come back to them within minutes; what comes back by the hour or day is
// rarer, and costs more to wait for, a day each where it comes once a day. A
// program's destinations are many.
func (d *Detector) needed(f *rhythm.Found, p *pair) float64 {
	switch {
	case p.flags&isGroup != 0:
		return max(d.config.MinEvidence, d.config.MinFast, d.config.MinMixed)
	case f.Period < fast:
		return max(d.config.MinEvidence, d.config.MinFast)
	case daily(f.Seconds()):
		return d.config.MinEvidence - 1
	}
	return d.config.MinEvidence
}

// fast rhythms have periods of less than about an hour, log2 of seconds.
const fast = 11.7

// mix looks for a timer among irregular contacts.
func (d *Detector) mix(key uint64, p *pair, v *verdict) {
	if p.flags&hasTimes == 0 {
		if p.ring.Len() < rhythm.PairedLeast || p.contacts < rhythm.PairedLeast {
			return
		}
		t, _ := d.mixed.At(key)
		t.Fill(&p.ring, d.times)
		p.flags |= hasTimes
		p.passes = 0
	}
	t := d.mixed.Get(key)
	if t == nil { // was evicted
		p.flags &^= hasTimes
		return
	}
	if p.contacts%mixedEvery == 0 {
		v.paired = d.pdt.Test(t)
		if v.paired.Evidence < d.config.MinMixed {
			p.passes = 0
			return
		}
		p.passes = min(p.passes+1, mixedRuns)
		if p.passes == mixedRuns {
			v.mixed, v.needed = true, d.config.MinMixed
			v.lasted, v.must = p.ring.Last()-p.first, int64(d.config.MinLasting)
			p.evidence = float32(v.paired.Evidence)
		}
	}
}

// addTime adds a contact to the times of a pair.
func (d *Detector) addTime(key uint64, p *pair, t int64) {
	if s := d.mixed.Get(key); s != nil {
		s.Add(t)
	} else {
		p.flags &^= hasTimes
	}
}

// weigh fuses the rhythm with what surrounds it.
func (d *Detector) weigh(p *pair, k *census.Contact, known *census.Familiarity, v *verdict) {
	h := d.census.HostOf(k.Source)
	v.device = h == nil || !h.Attended(d.config.Interactive)
	v.habit = !v.mixed && d.isHabit(p, v.found.Seconds())
	v.timer = k.How == census.OverDNS && ttlBound(v.seconds(), k.TTL)
	v.kept = p.flags&hasPulse != 0 && keepsAlive(k.Port)
	service := k.Status || d.harmless(k)
	for _, r := range incident.Context(d.census, k) {
		// Devices know no office hours, and each kind has programs of its own.
		if v.device && (r.Kind == "hours" || r.Kind == "program") {
			continue
		}
		v.reasons = append(v.reasons, r)
	}
	if !v.device {
		d.add(v, "size", p.steadiness(), incident.Say("requests of nearly one size", "リクエストのサイズがほぼ一定"))
		if nats := freeTime(p, v.seconds()); nats > 0 {
			d.add(v, "hours", nats, incident.Say("%d contacts outside office hours or the hours of this machine", "勤務時間外・この端末の活動時間外の接続が%d回", p.offHours))
		}
	}
	if service && !k.Status {
		d.add(v, "service", -8, incident.Say("the name of a service known to be called by timers", "定期的に呼ばれることが知られているサービスの名前"))
	}
	if v.habit {
		d.add(v, "habit", -1, incident.Say("once a day or week at about the same time, on working days only, as people do", "1日または1週間に1回、平日のほぼ同じ時刻であり、人の習慣とも考えられる"))
	}
	if v.timer {
		d.add(v, "timer", -6, incident.Say("the pace is that at which DNS answers expire (%d s)", "DNS応答の有効期間（TTL %d秒）どおりの間隔", k.TTL))
	}
	v.limit = d.limit(k, known, v, service)
	v.rhythm = saturate(v.evidence(), v.limit)
	v.total = v.rhythm + incident.Sum(v.reasons)
}

func (d *Detector) add(v *verdict, kind string, nats float64, t incident.Text) {
	if nats != 0 {
		v.reasons = append(v.reasons, incident.Reason{Kind: kind, Nats: nats, Text: t})
	}
}

// limit picks what the rhythm can say at most.
func (d *Detector) limit(k *census.Contact, known *census.Familiarity, v *verdict, service bool) float64 {
	const unattended = census.Relay | census.Monitor | census.Scanner | census.TimeServer
	switch {
	case service || v.habit || v.timer || v.kept || known.Common():
		return limitCommon
	case v.device || d.census.Roles(k.Client)&unattended != 0:
		return limitDevice
	case known.Hosts >= 3:
		return limitShared
	}
	return limitRare
}

// freeTime is the evidence in nats of contacts when nobody works: a program makes
// them by itself. What a person does once a day is seldom done then, so that two of
// up to twelve daily contacts say more, and even one of up to six says something.
func freeTime(p *pair, seconds float64) float64 {
	often := 6*uint32(p.offHours) >= p.contacts
	switch {
	case daily(seconds) && often && p.offHours >= 2:
		return 1.5
	case daily(seconds) && often || p.offHours >= 3:
		return 1
	}
	return 0
}

// keepsAlive tells whether a port is of a protocol that sends something from time
// to time in connections that rest, by a timer of the client: SSH
// (ServerAliveInterval), IMAP (RFC 2177), OpenVPN, MQTT (PINGREQ), TURN (RFC 8656
// section 7), IPsec over UDP (RFC 3948 section 4), SIP (RFC 5626 section 4.4),
// XMPP (XEP-0199), Apple's and Google's push, IRC and WireGuard.
func keepsAlive(port uint16) bool {
	switch port {
	case 22, 143, 993, 1194, 1883, 8883, 3478, 5349, 4500, 5060, 5061, 5222, 5223, 5228, 6667, 6697, 51820:
		return true
	}
	return false
}

// ttlBound tells whether look-ups come as often as answers expire.
func ttlBound(seconds float64, ttl uint32) bool {
	return ttl > 0 && seconds >= 0.95*float64(ttl) && seconds <= 1.4*float64(ttl)
}

// isHabit tells whether a daily or weekly rhythm may be a person's: it keeps to
// a time of day, and comes when people are at work. One beat in twelve on a free
// day is forgiven.
func (d *Detector) isHabit(p *pair, seconds float64) bool {
	period := 24 * time.Hour
	switch {
	case weekly(seconds):
		period = 7 * 24 * time.Hour
	case !daily(seconds):
		return false
	}
	spread := rhythm.Spread(p.ring.Times(d.times[:0]), period)
	return 12*uint32(p.offHours) <= p.contacts && spread <= 3*time.Hour
}

// harmless tells whether a destination is a well-known service. A name alone is
// easily claimed, so where DNS is visible the address must have come from it.
func (d *Detector) harmless(k *census.Contact) bool {
	if k.Name == "" || !k.Proxied() && k.How != census.OverDNS && !k.Looked && k.Addr.IsValid() && d.unresolved(k.Addr) {
		return false
	}
	return within(k.Name, d.config.Harmless)
}

// unresolved tells that DNS is visible and never gave out an address.
func (d *Detector) unresolved(a netip.Addr) bool { return d.census.Nameless(&census.Contact{Addr: a}) }

// within tells whether name is one of the domains or in one.
func within(name string, domains []string) bool {
	name = strings.ToLower(name)
	for _, domain := range domains {
		if rest, ok := strings.CutSuffix(name, strings.ToLower(domain)); ok && (rest == "" || strings.HasSuffix(rest, ".")) {
			return true
		}
	}
	return false
}
