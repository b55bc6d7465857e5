package detection

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"strings"
	"time"

	"kagami/detectors"
	"kagami/detectors/scan"
	"kagami/lab/events"
	"kagami/lab/peers"
	"kagami/records"
)

// Job is one world to be played.
type Job struct {
	Site    events.Site
	Options events.Options
	Theme   string        // "beacons", "scans": which attacks are planted
	Restart time.Duration // how often the detectors are replaced by what they saved; 0 = never
}

// Outcome is what came of a job.
type Outcome struct {
	Site     string
	Theme    string
	Seed     uint64
	Hosts    int
	Days     int
	Loss     float64 // share of packets that the sensor missed
	Records  int
	Finds    []Find
	False    []False
	Aside    int // alerts raised by attacks, but about something else
	Complete int // of Kagami's alerts, how many say all that one needs to act
	Missing  map[string]int
	Told     int // Kagami's alerts in all
	Counters []Counter
	Restarts int             // how often the detectors were replaced by what they had saved
	State    int             // octets of the last state
	Print    uint64          // a sum over all that Kagami said: equal if the alerts are
	Keys     map[string]bool // rule, source and destination of all that it told at level alert or high
	Err      error           // a restart that went wrong
}

// False is an alert about something harmless.
type False struct {
	Tool    Tool
	Rule    string
	Class   string // of the traffic that raised it; "" = not known
	Day     int    // from 0
	Source  netip.Addr
	Host    string
	Watch   bool
	Update  bool   // of an incident told before
	Title   string // Kagami only
	Rare    bool
	Seed    uint64
	Site    string
	Theme   string
	Learned bool // the learning week was over
}

// rare is how the classes of rare, periodic and harmless traffic begin.
const rare = "rare:"

// learningDays are the days at the beginning in which nothing is planted.
const learningDays = 7

// Play runs a job to its end.
func Play(j Job, c detectors.Config) *Outcome {
	w := events.New(j.Site, j.Options)
	c.Scan.Scanners = scanners(w)
	p := &player{told: map[string]bool{}, every: int64(j.Restart), again: w.Start() + int64(j.Restart),
		out:    &Outcome{Site: j.Site.Name, Theme: j.Theme, Seed: j.Options.Seed, Hosts: w.Hosts(), Days: w.Days(), Loss: j.Options.Loss, Missing: map[string]int{}, Keys: map[string]bool{}},
		ledger: newLedger(j.Site.Name, j.Options.Seed, w.Attacks()), kagami: NewSensor(c), peers: peers.All(), start: w.Start(),
	}
	last := p.start
	for e := range w.Events() {
		p.event(&e)
		last = e.Record.Meta().At
	}
	p.early(p.kagami.Finish(last))
	for _, x := range p.peers {
		x.Finish()
		p.peer(x, nil)
	}
	return p.finish()
}

// player judges one world.
type player struct {
	out    *Outcome
	ledger *ledger
	kagami *Sensor
	peers  []peers.Peer
	start  int64
	told   map[string]bool   // incidents, at level alert or high
	again  int64             // when to restart
	every  int64             // nanoseconds between restarts, 0 = none
	recent [1 << 15]sighting // the last records, by their turn
	turn   int
}

// sighting remembers whose a flow's id was, for alerts that time raises.
type sighting struct {
	uid   uint64
	label *events.Label
}

// scanners are the site's own vulnerability scanners, excepted in their window as
// who runs one does: Saturdays from one to three.
func scanners(w *events.World) []scan.Scanner {
	var out []scan.Scanner
	for _, m := range w.Machines() {
		if m.Role == scannerClass {
			out = append(out, scan.Scanner{Networks: []netip.Prefix{netip.PrefixFrom(m.Addr, m.Addr.BitLen())}, Days: []string{"sat"}, Hours: []string{"01:00", "03:00"}})
		}
	}
	return out
}

// restart replaces the detectors when it is time to.
func (p *player) restart(at int64) {
	if p.every == 0 || at < p.again || p.out.Err != nil {
		return
	}
	p.again += p.every
	p.out.Restarts++
	p.out.State, p.out.Err = p.kagami.Restart()
}

// print adds an alert to the sum over all.
func (p *player) print(a *records.Alert) {
	h := fnv.New64a()
	fmt.Fprint(h, p.out.Print, a.Meta().At, a.Rule, a.Source, a.Destination, a.Incident, a.Update, a.Level, a.Score, a.Title, a.Evidence)
	p.out.Print = h.Sum64()
}

func (p *player) event(e *events.Event) {
	p.restart(e.Record.Meta().At)
	if e.Label.Attack != nil {
		p.ledger.sight(e)
	}
	p.recent[p.turn%len(p.recent)] = sighting{e.Record.Meta().UID, e.Label}
	p.turn++
	alerts, early := p.kagami.Observe(e.Record)
	if len(alerts) > 0 {
		p.early(alerts[:early])
		for _, a := range alerts[early:] {
			p.alert(a, e.Label)
		}
	}
	for _, x := range p.peers {
		x.Observe(e.Record)
		p.peer(x, e.Label)
	}
	p.out.Records++
}

// early takes alerts that time raised: their class is that of the flow whose id
// they bear.
func (p *player) early(alerts []*records.Alert) {
	for _, a := range alerts {
		var label *events.Label
		for i := range p.recent {
			if s := &p.recent[(p.turn-1-i+len(p.recent))%len(p.recent)]; s.label != nil && s.uid == a.Meta().UID {
				label = s.label
				break
			}
		}
		p.alert(a, label)
	}
}

func (p *player) alert(a *records.Alert, by *events.Label) {
	p.out.Told++
	missing := Missing(a)
	for _, m := range missing {
		p.out.Missing[m]++
	}
	if len(missing) == 0 {
		p.out.Complete++
	}
	f := ofKagami(a)
	f.update = p.told[a.Incident]
	if !f.watch {
		p.told[a.Incident] = true
		p.out.Keys[a.Rule+" "+a.Source.String()+" "+a.Destination] = true
	}
	p.print(a)
	p.judge(&f, by)
}

func (p *player) peer(x peers.Peer, by *events.Label) {
	for _, a := range x.Alerts() {
		f := ofPeer(x.Name(), &a)
		if f.tool <= RITAHigh {
			by = nil // an import tells of a whole day
		}
		p.judge(&f, by)
	}
}

// judge decides whether an alert is about an attack.
func (p *player) judge(f *finding, by *events.Label) {
	if s := p.ledger.whose(f); s != nil {
		s.note(f, by)
		return
	}
	if by != nil && by.Attack != nil {
		p.out.Aside++
		return
	}
	day := int((f.at - p.start) / (24 * 3600 * 1e9))
	x := False{Tool: f.tool, Rule: f.rule, Day: day, Source: f.source, Host: f.host, Watch: f.watch, Update: f.update,
		Title: f.title, Seed: p.out.Seed, Site: p.out.Site, Theme: p.out.Theme, Learned: day >= learningDays}
	if x.Host == "" && f.addr.IsValid() {
		x.Host = f.addr.String()
	}
	if by != nil {
		x.Class, x.Rare = by.Class, strings.HasPrefix(by.Class, rare)
	}
	p.out.False = append(p.out.False, x)
}

func (p *player) finish() *Outcome {
	for _, s := range p.ledger.sieges {
		p.out.Finds = append(p.out.Finds, s.Find)
	}
	p.out.Counters = p.kagami.Counters()
	return p.out
}

// Run plays jobs on so many goroutines; each is for itself, so that what comes
// out depends on neither their number nor their order.
func Run(jobs []Job, c detectors.Config, workers int, done func(*Outcome)) []*Outcome {
	out := make([]*Outcome, len(jobs))
	next := make(chan int)
	finished := make(chan int)
	for range workers {
		go func() {
			for i := range next {
				out[i] = Play(jobs[i], c)
				finished <- i
			}
		}()
	}
	go func() {
		for _, i := range largestFirst(jobs) {
			next <- i
		}
		close(next)
	}()
	for range jobs {
		done(out[<-finished])
	}
	return out
}

// largestFirst is the order in which jobs are begun, so that the last to end is short.
func largestFirst(jobs []Job) []int {
	order := make([]int, len(jobs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(jobs[b].Site.Hosts(), jobs[a].Site.Hosts()) })
	return order
}
