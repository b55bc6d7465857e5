package site

import (
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"kagami/records"
)

// hosts is what is known of machines inside, by address.
type hosts struct {
	table   *table[netip.Addr, host]
	macs    *table[[6]byte, card]
	changes []change // of the record at hand
	told    uint64
	muted   uint64 // changes that no record tells: the machine had too many within the hour
	routers uint64
}

// host is one machine.
type host struct {
	facts [numFacts]fact
	os    votes
	agent string   // the last one read
	frame [6]byte  // MAC address in its frames, whoever's that is
	roles []string // sorted, replaced as a whole
	snap  *records.Host
	hour  int64 // for which told counts
	told  uint8
}

// fact is one thing known, and how well.
type fact struct {
	records.Fact
	seen int64 // when it was confirmed last
	rank uint8 // of its source
}

// what a fact is about.
type what uint8

const (
	factName what = iota
	factUser
	factMAC
	factOS
	numFacts
	factRole = numFacts // not of one value
)

func (w what) String() string { return [...]string{"name", "user", "mac", "os", "role"}[w] }

// Ranks of sources: a weaker one does not speak against a stronger one that was
// heard within factLife.
const (
	rankGuess  = 1
	rankLookup = 2
	rankSelf   = 3
	rankLease  = 4
)

const (
	factLife    = int64(12 * time.Hour)
	maxValue    = 128 // octets of a value
	maxTold     = 16  // changes an hour of one machine
	roleProxy   = "proxy"
	roleResolve = "resolver"
)

// change is something to tell.
type change struct {
	addr     netip.Addr
	what     what
	old, new string
	source   string
	since    int64
	host     *records.Host
}

func newHosts(limit int) hosts {
	return hosts{table: newTable[netip.Addr, host](limit), macs: newTable[[6]byte, card](2 * limit)}
}

// snapshot is what records of a machine bear, nil if nothing is known.
func (h *hosts) snapshot(a netip.Addr, now int64) *records.Host {
	x := h.table.get(a)
	if x == nil {
		return nil
	}
	if u := &x.facts[factUser]; u.Value != "" && now-u.seen > factLife {
		*u = fact{} // who worked there then may be gone
		x.snap = nil
	}
	return x.snapshot(h)
}

func (x *host) snapshot(h *hosts) *records.Host {
	if x.snap == nil {
		snap := &records.Host{Name: x.facts[factName].Fact, User: x.facts[factUser].Fact, OS: x.facts[factOS].Fact, MAC: x.facts[factMAC].Fact, Roles: x.roles}
		if snap.MAC.Value == "" && h.ownMAC(x.frame) {
			snap.MAC = records.Fact{Value: records.MAC(x.frame), Source: "frame"}
		}
		x.snap = snap
	}
	if s := x.snap; s.Name.Value == "" && s.User.Value == "" && s.OS.Value == "" && s.MAC.Value == "" && len(s.Roles) == 0 {
		return nil
	}
	return x.snap
}

// know notes something about a machine inside. Values come from the wire.
func (s *Site) know(a netip.Addr, w what, value, source string, rank uint8) {
	a = a.Unmap()
	if value == "" || len(value) > maxValue || !readable(value) || !s.inside(a.As16()) || multicast(a.As16()) || a.IsUnspecified() {
		return
	}
	x, _ := s.hosts.table.at(a)
	f := &x.facts[w]
	if same(w, f.Value, value) {
		if rank >= f.rank {
			f.seen = s.now
			if rank > f.rank { // the same from one who knows better
				f.rank, f.Source, f.Value = rank, source, strings.Clone(value)
				x.snap = nil
			}
		}
		return
	}
	if rank < f.rank && s.now-f.seen < factLife {
		return
	}
	old := *f
	*f = fact{Fact: records.Fact{Value: strings.Clone(value), Source: source, Since: s.now}, seen: s.now, rank: rank}
	x.snap = nil
	if w == factMAC && old.Value != "" { // another machine has the address now
		mac := *f
		x.facts, x.os, x.agent = [numFacts]fact{factMAC: mac}, votes{}, ""
	}
	s.hosts.note(x, change{addr: a, what: w, old: old.Value, new: f.Value, source: source, since: old.Since}, s.now)
}

// readable tells whether a value is text: what is not is no name but an attack.
func readable(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// same tells whether two values mean the same: names without regard to case and
// domain, everything else by its letters.
func same(w what, a, b string) bool {
	if w == factName && a != "" {
		a, _, _ = strings.Cut(a, ".")
		b, _, _ = strings.Cut(b, ".")
		return strings.EqualFold(a, b)
	}
	return a == b
}

// role adds a role to a machine inside.
func (h *hosts) role(a netip.Addr, role string, now int64) {
	x, _ := h.table.at(a)
	if slices.Contains(x.roles, role) {
		return
	}
	x.roles = append(slices.Clone(x.roles), role)
	slices.Sort(x.roles)
	if role == roleProxy { // what was heard from it was others' talk
		x.facts[factOS], x.facts[factUser], x.os = fact{}, fact{}, votes{}
	}
	x.snap = nil
	h.note(x, change{addr: a, what: factRole, new: role, source: "traffic"}, now)
}

// note keeps a change until the record at hand was handed on.
func (h *hosts) note(x *host, c change, now int64) {
	if hour := now / int64(time.Hour); x.hour != hour {
		x.hour, x.told = hour, 0
	}
	if x.told == maxTold {
		h.muted++
		return
	}
	x.told++
	c.host = x.snapshot(h)
	h.changes = append(h.changes, c)
}

// tell writes what changed, behind the record that told it.
func (s *Site) tell(m *records.Meta) {
	for i := range s.hosts.changes {
		c := &s.hosts.changes[i]
		r := records.NewIdentity(*m, uint32(i+1))
		r.Addr, r.What, r.Old, r.New, r.Source, r.Since, r.Host = c.addr, c.what.String(), c.old, c.new, c.source, c.since, c.host
		s.hosts.told++
		s.emit(r)
	}
	clear(s.hosts.changes)
	s.hosts.changes = s.hosts.changes[:0]
}
