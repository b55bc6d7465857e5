package beacon

import (
	"net/netip"

	"kagami/detectors/census"
	"kagami/detectors/table"
	"kagami/sensor"
)

// Implants take turns with several destinations. What these share is followed as
// one: a registered domain, a program's TLS fingerprint or User-Agent, or a
// network and port. Only rare values are, and only from a machine's second
// destination on: with one destination, the pair itself tells.

// shared is what destinations have in common.
type shared uint64

const (
	byDomain shared = iota + 1
	byJA4
	byAgent
	byNetwork
)

const (
	// rareHosts is how many machines may know a value at most.
	rareHosts = 2
	// rareUnder is how many machines there must be for a program to be rare: in a
	// small place everything is.
	rareUnder = 8
)

// group gives a contact to the groups that it belongs to.
func (d *Detector) group(k *census.Contact, fresh bool, emit sensor.Emit) {
	if k.How == census.OverDNS || d.census.Familiar(k).Hosts > rareHosts {
		return // is by domain already; is no implant's alone
	}
	if p := d.pairs.Get(k.Key()); p != nil && p.evidence >= watchEvidence {
		return // has a rhythm of its own
	}
	for kind := byDomain; kind <= byNetwork; kind++ {
		value, ok := sharedBy(k, kind)
		if !ok {
			continue
		}
		key := groupKey(k.Source, kind, value)
		first := d.groups.Get(key)
		switch dest := uint32(k.Destination()) | 1; {
		case first == nil:
			if fresh && d.rare(k, kind) {
				first, _ = d.groups.At(key)
				*first = dest
			}
			continue
		case *first == dest:
			continue
		}
		*first = 0
		d.take(key, k, isGroup, emit)
	}
}

// incidentKey is under which key the book has what a contact's pair or groups
// give: destinations that share a rare domain or network are one incident, unless
// the pair was told by itself before others came.
func (d *Detector) incidentKey(key uint64, k *census.Contact) uint64 {
	if k.How == census.OverDNS || d.told.Known(key) {
		return key
	}
	for _, kind := range [...]shared{byDomain, byNetwork} {
		if value, ok := sharedBy(k, kind); ok {
			group := groupKey(k.Source, kind, value)
			if first := d.groups.Get(group); first != nil && *first == 0 {
				return group
			}
		}
	}
	return key
}

func groupKey(source uint64, kind shared, value uint64) uint64 {
	return table.Number(table.Pair(source, value), uint64(kind))
}

// sharedBy is what a contact's destination may share with others.
func sharedBy(k *census.Contact, kind shared) (value uint64, ok bool) {
	switch kind {
	case byDomain:
		return k.DomainKey(), k.Name != "" && k.DomainKey() != k.Destination()
	case byJA4:
		return table.Name(k.JA4), k.JA4 != ""
	case byAgent:
		return census.AgentFamily(k.Agent), k.Agent != ""
	}
	return networkOf(k.Addr, k.Port), !k.Proxied() && k.Addr.IsValid()
}

// networkOf is the /24 or /48 of an address, and a port.
func networkOf(a netip.Addr, port uint16) uint64 {
	bits := 24
	if a.Is6() {
		bits = 48
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return 0
	}
	return table.Number(table.Addr(p.Addr()), uint64(port))
}

// rare tells whether hardly any other machine has what is shared.
func (d *Detector) rare(k *census.Contact, kind shared) bool {
	switch kind {
	case byDomain:
		return d.census.Known(k.DomainKey()).Hosts <= rareHosts
	case byJA4:
		return d.census.Hosts() >= rareUnder && d.census.JA4Hosts(k.JA4) <= rareHosts
	case byAgent:
		return d.census.Hosts() >= rareUnder && d.census.AgentHosts(k.Agent) <= rareHosts
	}
	return true
}
