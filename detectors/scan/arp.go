package scan

import (
	"net/netip"
	"reflect"

	"kagami/detectors/table"
	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// ask is what became of a machine's ARP requests for an address.
type ask struct {
	answered int64 // when it last was
	n        uint8 // requests without an answer since
	counted  bool  // the first of them was a first contact that counts
}

const (
	// maxAsks is how many (asker, address) are followed, and how many requests wait
	// for their answers.
	maxAsks = 4096
	// patience is how long an answer may take: in a network it comes within
	// milliseconds, from a sleeping wireless station within some hundred.
	patience = int64(500e6)
	// darkAfter is how many requests must stay without an answer for nobody to be there.
	darkAfter = 3
	// fanOut is how many neighbours that it never asked for before a machine must
	// ask for within fanSpan to be searching, whether they are there or not.
	fanOut  = 20
	fanSpan = day / 144 // 10 min
	// routes is for how many addresses a network card must speak to be a router's.
	routes = 4
)

// request is a who-has that waits for its answer.
type request struct {
	at             int64
	uid            uint64
	epoch          uint32
	sender, target netip.Addr
	mac            [6]byte
	host           *records.Host
}

var queuedSize = int64(reflect.TypeFor[request]().Size())

// meta is a header for an alert that the silence after a request raises.
func (q *request) meta(now int64) *records.Meta {
	return &records.Meta{At: now, Epoch: q.epoch, UID: q.uid, Key: packet.Key{A: q.sender.As16(), B: q.target.As16()},
		ClientMAC: q.mac, ClientHost: q.host, ClientInternal: true, ServerInternal: true}
}

// replies tells whether the mirror port shows ARP replies, which go to the asker
// alone: where machines that are there seem not to answer, silence says nothing.
type replies struct{ answered, silent uint32 }

func (r *replies) note(answered, alive bool) {
	switch {
	case answered:
		r.answered++
	case alive:
		r.silent++
	}
	if r.answered+r.silent > 1024 {
		r.answered, r.silent = r.answered/2, r.silent/2
	}
}

func (r *replies) seen() bool { return r.answered > 0 && 2*r.answered >= r.silent }

// learnCards notes for which addresses the card of each side speaks.
func (d *Detector) learnCards(m *records.Meta) {
	var none [6]byte
	if m.ClientMAC != none {
		d.speaks(m.ClientMAC, table.Addr(m.Client().Addr()))
	}
	if m.ServerMAC != none && m.ServerMAC[0]&1 == 0 {
		d.speaks(m.ServerMAC, table.Addr(m.Server().Addr()))
	}
}

func (d *Detector) speaks(mac [6]byte, addr uint64) {
	c, _ := d.cards.At(table.Octets(mac[:]))
	if c.Len() < routes {
		c.Add(uint32(addr))
	}
}

// router tells whether a card speaks for many addresses: what it asks for, it
// asks for others.
func (d *Detector) router(mac [6]byte) bool {
	c := d.cards.Get(table.Octets(mac[:]))
	return c != nil && c.Len() >= routes
}

// arp notes who asks for whom, and who answers.
func (d *Detector) arp(r *records.ARP) {
	m := r.Meta()
	if r.Gratuitous() || !m.ClientInternal || !single(r.Sender) || !single(r.Target) {
		return
	}
	asker, target := table.Addr(r.Sender), table.Addr(r.Target)
	if r.Op != 1 {
		if a := d.asks.Get(table.Pair(target, asker)); a != nil {
			*a = ask{answered: m.At}
		}
		return
	}
	if len(d.queue) == maxAsks {
		d.unawaited++
		return
	}
	d.asks.At(table.Pair(asker, target))
	d.queue = append(d.queue, request{m.At, m.UID, m.Epoch, r.Sender, r.Target, r.SenderMAC, m.ClientHost})
}

// await judges the requests for which no answer can come any more.
func (d *Detector) await(now int64, emit sensor.Emit) {
	n := 0
	for ; n < len(d.queue); n++ {
		at := d.queue[n].at
		if now-at < patience && now >= at-patience { // else the clock was set back
			break
		}
		d.settle(&d.queue[n], now, emit)
	}
	if n > 0 {
		rest := copy(d.queue, d.queue[n:])
		clear(d.queue[rest:])
		d.queue = d.queue[:rest]
	}
}

// settle judges a request that waited for its answer. Of those without one only
// addresses at which nobody was in 30 days count: machines that went home leave
// servers asking for them.
func (d *Detector) settle(q *request, now int64, emit sensor.Emit) {
	k := contact{client: q.sender, server: table.Addr(q.target), inside: true, at: now,
		target: target{at: q.at, addr: q.target, outcome: failure}}
	a := d.asks.Get(table.Pair(table.Addr(q.sender), k.server))
	if a == nil {
		return
	}
	answered, alive := a.answered >= q.at, d.census.Alive(q.target)
	d.replies.note(answered, alive)
	if d.router(q.mac) {
		return
	}
	k.source, k.meta = d.census.SourceOf(q.sender), q.meta(now)
	if d.exempt(&k) {
		d.allowed++
		return
	}
	d.fan(k, answered, emit)
	if answered {
		return
	}
	if a.n = min(a.n+1, darkAfter+1); alive {
		return
	}
	switch {
	case a.n == 1:
		a.counted = d.met.First(key(withMachine, k.known, k.server), now)
		if !a.counted {
			return
		}
		d.first++
		s := d.source(&k)
		d.look(&k, s)
		switch {
		case !d.replies.seen():
			if k.outcome = unknown; s.run.near(ordinal(k.addr)) {
				k.outcome = hidden // answers are not visible, but nobody needs one neighbour after the other
			}
		case !d.census.Learned() && k.outcome.failed():
			k.outcome = mute // who was there yesterday is not known
		}
		d.search(&k, s, true, false, emit)
	case a.n == darkAfter && a.counted && d.census.Learned() && d.replies.seen():
		d.confirm(&k, emit)
	}
}

// fan counts neighbours that a machine asks for the first time. Whoever asked for
// the machine before is no new one.
func (d *Detector) fan(k contact, answered bool, emit sensor.Emit) {
	if !d.met.First(key(withARP, k.known, k.server), k.at) || !d.census.Learned() || d.asks.Get(table.Pair(k.server, table.Addr(k.client))) != nil {
		return
	}
	if answered {
		k.outcome = success
	}
	s := d.source(&k)
	if s.asked.n > 0 && k.target.at-s.asked.kept[0].at > fanSpan {
		s.asked.clear()
	}
	if s.asked.add(k.target, nil); s.asked.n >= fanOut {
		d.tellFan(&k, s, emit)
	}
}

// confirm adds what a third request without an answer tells beyond the first.
func (d *Detector) confirm(k *contact, emit sensor.Emit) {
	s := d.source(k)
	for i := range s.failing.kept {
		x := &s.failing.kept[i]
		if x.addr == k.addr && x.outcome == failure {
			x.outcome = dark
			s.failing.dark++
			sum := s.all.step(s.luck.step(dark)-s.luck.step(failure), k.at, d.config.Threshold)
			if sum >= d.config.Threshold && s.failing.enough() {
				d.tellSearch(k, s, sum, emit)
			}
			return
		}
	}
}
