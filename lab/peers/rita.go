package peers

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"kagami/records"
)

// RITA is its beacon analysis in rolling mode: each hour the last 24 hours of
// connections are scored per key. As in RITA, what counts is a connection, at
// its beginning and with the octets of its IP packets, once it is over; its key
// is (source, name) from HTTP's host, CONNECT's authority or TLS' server name,
// else (source, address). Connections between machines inside are left out
// except CONNECT to a proxy, as are those from outside.
//
// A score of at least High is rule "high", of at least Medium "medium".
type RITA struct {
	book
	keys   map[ritaKey]*series
	order  []*series // of creation: what is said does not depend on the map
	names  map[uint64]*ritaNames
	oldest int64 // of all connections, seconds
	newest int64
	hour   int64 // of the next import
	scored int
	times  []int64 // scratch
	sizes  []int64
}

// The severities of beacon scores in RITA's code; its shipped configuration has
// 0.70 for the lower one.
const (
	Medium = 0.75
	High   = 0.90
)

type ritaKey struct {
	source, addr netip.Addr
	name         string
}

type series struct {
	key   ritaKey
	rows  []ritaRow
	fresh bool // since the last import
}

type ritaRow struct {
	at   uint32 // seconds since the epoch
	size uint32 // IP octets of the client
}

// ritaNames are the names that a connection's other records told.
type ritaNames struct {
	at        int64
	host, sni string
	connect   bool
}

// NewRITA returns one without data.
func NewRITA() *RITA {
	return &RITA{book: newBook(), keys: map[ritaKey]*series{}, names: map[uint64]*ritaNames{}}
}

// Name implements Peer.
func (p *RITA) Name() string { return "RITA v5" }

// Observe implements Peer.
func (p *RITA) Observe(r records.Record) {
	m := r.Meta()
	if !m.ClientInternal {
		return
	}
	for p.hour != 0 && m.At >= p.hour {
		p.analyse(p.hour)
		p.hour += int64(time.Hour)
	}
	if p.hour == 0 {
		p.hour = (m.At/int64(time.Hour) + 1) * int64(time.Hour)
	}
	switch r := r.(type) {
	case *records.HTTP:
		if r.RequestSeen && r.Host != "" {
			n := p.named(m)
			n.host, n.connect = strings.ToLower(r.Host), n.connect || r.Method == "CONNECT"
			if r.Method == "CONNECT" {
				n.host = strings.ToLower(r.Target)
			}
		}
	case *records.TLS:
		if r.ServerName != "" {
			p.named(m).sni = strings.ToLower(r.ServerName)
		}
	case *records.Flow:
		p.flow(r)
	}
}

func (p *RITA) named(m *records.Meta) *ritaNames {
	n := p.names[m.UID]
	if n == nil {
		n = &ritaNames{}
		p.names[m.UID] = n
	}
	n.at = m.At
	return n
}

// flow adds a connection that is over to its keys.
func (p *RITA) flow(f *records.Flow) {
	m := f.Meta()
	n := p.names[m.UID]
	delete(p.names, m.UID)
	src, dst := m.Client().Addr(), m.Server().Addr()
	row := ritaRow{uint32(f.Start / 1e9), uint32(min(f.Orig.IPBytes, 1<<32-1))}
	switch {
	case m.ServerInternal:
		if n != nil && n.connect {
			p.add(ritaKey{source: src, name: n.host}, row)
		}
	case !dst.IsGlobalUnicast():
	case n == nil:
		p.add(ritaKey{source: src, addr: dst}, row)
	default:
		if n.host != "" {
			p.add(ritaKey{source: src, name: n.host}, row)
		}
		if n.sni != "" && n.sni != n.host {
			p.add(ritaKey{source: src, name: n.sni}, row)
		}
	}
}

func (p *RITA) add(k ritaKey, row ritaRow) {
	s := p.keys[k]
	if s == nil {
		s = &series{key: k}
		p.keys[k] = s
		p.order = append(p.order, s)
	}
	s.rows, s.fresh = append(s.rows, row), true
	at := int64(row.at)
	if p.oldest == 0 || at < p.oldest {
		p.oldest = at
	}
	p.newest = max(p.newest, at)
}

// bounds are the range of the data set: the last day that it has.
func (p *RITA) bounds() (from, to int64) { return max(p.oldest, p.newest-window), p.newest }

// analyse is the hourly import at the moment now.
func (p *RITA) analyse(now int64) {
	from, to := p.bounds()
	hour := from / 3600 * 3600
	kept := p.order[:0]
	for _, s := range p.order {
		s.rows = slices.DeleteFunc(s.rows, func(r ritaRow) bool { return int64(r.at) < hour })
		if len(s.rows) == 0 {
			delete(p.keys, s.key)
			continue
		}
		kept = append(kept, s)
		if !s.fresh {
			continue
		}
		s.fresh = false
		if s.hopeless(from, to) {
			continue
		}
		if score, ok := p.score(s, from, to); ok && score.Total >= Medium {
			p.tell(s.key, score.Total, now)
		}
	}
	clear(p.order[len(kept):])
	p.order = kept
	for uid, n := range p.names { // connections that never end
		if now-n.at > 2*repeat {
			delete(p.names, uid)
		}
	}
}

// hopeless tells, without sorting, that the score stays below Medium: fewer
// than six filled bins give neither duration nor, as their variance is too
// large, a histogram's score.
func (s *series) hopeless(from, to int64) bool {
	if len(s.rows) < dayBars || to <= from {
		return true
	}
	step := max((to-from)/bins, 1)
	var seen uint64
	n := 0
	for _, r := range s.rows {
		b := uint64(1) << (max(int64(r.at)-from, 0) / step & 63)
		if seen&b == 0 {
			seen |= b
			if n++; n >= dayBars-1 { // bins here are rounded: one less is safe
				return false
			}
		}
	}
	return true
}

func (p *RITA) score(s *series, from, to int64) (Score, bool) {
	p.times, p.sizes = p.times[:0], p.sizes[:0]
	for _, r := range s.rows {
		p.times, p.sizes = append(p.times, int64(r.at)), append(p.sizes, int64(r.size))
	}
	p.scored++
	return BeaconScore(p.times, p.sizes, from, to)
}

func (p *RITA) tell(k ritaKey, score float64, now int64) {
	a := Alert{At: now, Rule: "medium", Source: k.source, Destination: k.name, Addr: k.addr, Score: score}
	p.say(a)
	if score >= High {
		a.Rule = "high"
		p.say(a)
	}
}

// Finish implements Peer: a last import.
func (p *RITA) Finish() {
	if p.hour != 0 {
		p.analyse(p.hour)
	}
}

// KeyScore is a key and its score.
type KeyScore struct {
	Source      netip.Addr
	Destination string // name, or address
	Score
}

// Scores are those of all keys by the data that is there now, highest first.
func (p *RITA) Scores() []KeyScore {
	from, to := p.bounds()
	var out []KeyScore
	for _, s := range p.order {
		if score, ok := p.score(s, from, to); ok {
			k := KeyScore{Source: s.key.source, Destination: s.key.name, Score: score}
			if k.Destination == "" {
				k.Destination = s.key.addr.String()
			}
			out = append(out, k)
		}
	}
	slices.SortStableFunc(out, func(a, b KeyScore) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), a.Source.Compare(b.Source), cmp.Compare(a.Destination, b.Destination))
	})
	return out
}
