// Package peers are the published thresholds and formulas of other tools,
// written anew from their documentation and code as consumers of Kagami's
// records, so that all judge identical events: the beacon score of RITA v5, the
// scan rules of Zeek's former misc/scan, ncsa's simple-scan, Slips and Maltrail.
//
// Where a tool's own plumbing would cost it detections (the loss of its parser,
// the hour of its import job), it is left out: the comparison favours the peer.
// Each peer keeps as much as it needs, like the original: this is for the lab.
//
// It imports packet and records and must not import the detectors.
package peers

import (
	"net/netip"
	"time"

	"kagami/packet"
	"kagami/records"
)

// Alert is one thing a peer would report.
type Alert struct {
	At          int64 // when it would be said, nanoseconds since the epoch
	Rule        string
	Source      netip.Addr
	Destination string     // name ("host" or "host:port", as the tool keys it) or network-less text; "" = many
	Addr        netip.Addr // server, if it is one
	Port        uint16     // 0 = many
	Score       float64    // RITA: the beacon score; scans: how many were counted
	Update      bool       // the same was said within the last week
}

// Peer reads records in the order of the sensor's output.
type Peer interface {
	Name() string
	Observe(r records.Record)
	// Finish tells it that no more records come.
	Finish()
	// Alerts are those since the last call, in order of time.
	Alerts() []Alert
}

// All are the peers, fresh.
func All() []Peer {
	return []Peer{NewRITA(), NewZeekScan(), NewSimpleScan(), NewSlips(), NewMaltrail()}
}

// repeat is how long a peer says the same only once. What goes on for longer is
// one incident with updates until it was silent for a week, as Kagami's are.
const (
	repeat = int64(24 * time.Hour)
	over   = 7 * repeat
)

// book collects a peer's alerts and holds back repetitions.
type book struct {
	alerts []Alert
	told   map[alertKey]int64
}

type alertKey struct {
	rule, destination string
	source, addr      netip.Addr
	port              uint16
}

func newBook() book { return book{told: map[alertKey]int64{}} }

func (b *book) say(a Alert) {
	k := alertKey{a.Rule, a.Destination, a.Source, a.Addr, a.Port}
	if last, ok := b.told[k]; ok {
		if a.At-last < repeat {
			return
		}
		a.Update = a.At-last < over
	}
	b.told[k] = a.At
	b.alerts = append(b.alerts, a)
}

// Alerts implements Peer.
func (b *book) Alerts() []Alert {
	out := b.alerts
	b.alerts = nil
	return out
}

// Finish implements Peer for those that say what they know at once.
func (b *book) Finish() {}

// failed tells whether a TCP connection was asked for and came to nothing.
func failed(f *records.Flow) bool {
	if f.Meta().Key.Proto != packet.ProtoTCP {
		return false
	}
	switch f.ConnState {
	case "S0", "REJ", "RSTOS0", "RSTRH", "SH":
		return true
	}
	return false
}

// tally counts distinct things per subject in windows of fixed length that
// follow each other, as tools do that clear their tables by a timer.
type tally struct {
	width int64
	sets  map[tallyKey]map[uint64]struct{}
	swept int64
}

type tallyKey struct {
	source netip.Addr
	about  netip.Addr // the victim, or not valid
	port   uint16
	window int64
}

func newTally(width time.Duration) tally {
	return tally{width: int64(width), sets: map[tallyKey]map[uint64]struct{}{}}
}

// add counts what under k in the window of the moment start, and returns how
// many distinct ones it holds. Windows are kept for an hour after their end:
// records come when what they tell of is over.
func (t *tally) add(k tallyKey, start, now int64, what uint64) int {
	if now-t.swept > t.width+int64(time.Hour) {
		t.swept = now
		for k := range t.sets {
			if (k.window+1)*t.width < now-int64(time.Hour) {
				delete(t.sets, k)
			}
		}
	}
	k.window = start / t.width
	set := t.sets[k]
	if set == nil {
		set = map[uint64]struct{}{}
		t.sets[k] = set
	}
	set[what] = struct{}{}
	return len(set)
}

// number is an address and a port as one number, equal only if they are (but
// for the upper half of IPv6 addresses, which is folded in).
func number(a netip.Addr, port uint16) uint64 {
	b := a.As16()
	h := uint64(14695981039346656037) // FNV-1a
	for _, x := range b {
		h = (h ^ uint64(x)) * 1099511628211
	}
	return (h^uint64(port))*1099511628211 ^ h>>32
}
