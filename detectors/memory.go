package detectors

import "reflect"

// Memory is the most octets that all tables can take: the sum of the limits,
// each with what its fullest entries hold and about 24 octets of index. Tables
// grow with use, so a small network takes little of it.
func (c *Config) Memory() int64 {
	const text, community = maxQuoted + 16, 48 // kept strings with their headers
	flows := int64(maxSamples * community)
	total := entries[host](c.Site.Hosts, 0) +
		entries[destination](c.Site.Destinations, 0) +
		entries[crowd](c.Site.Servers, 0) +
		entries[proxyRole](c.Site.Servers, 0) +
		entries[int64](c.Site.Addresses, 0)
	if b := &c.Beacon; b.Enable {
		total += entries[pair](b.Pairs, 0) + entries[firsts](b.Probation, 0) + entries[samples](b.Watched, flows)
	}
	if e := &c.Egress; e.Enable {
		list := maxExcursions * (size[excursion]() + text)
		total += entries[excursions](e.Hosts, list+flows) + entries[crowd](e.Destinations, 0)
	}
	if s := &c.Scan; s.Enable {
		list := maxSamples*size[target]() + flows
		total += entries[source](s.Sources, 2*list) + entries[ports](s.Pairs, list)
		total += 2 * int64(filterBits(s.Contacts)) / 8
	}
	if d := &c.Download; d.Enable {
		total += entries[visits](d.Clients, 0)
	}
	return total
}

// entries is what a table of that many V takes, each with so many octets behind pointers.
func entries[V any](limit int, behind int64) int64 {
	const index = 24
	return int64(limit) * (size[slot[V]]() + index + behind)
}

func size[V any]() int64 { return int64(reflect.TypeFor[V]().Size()) }
