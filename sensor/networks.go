package sensor

import (
	"fmt"
	"net/netip"
	"slices"
)

// Zone is a named set of networks.
type Zone struct {
	Name     string   `toml:"name"`     // as it stands in the firewall log: letters, digits, "_"
	Networks []string `toml:"networks"` // prefixes ("10.0.0.0/8") or addresses
	Internal bool     `toml:"internal"` // the organisation's own
}

// Networks tells zones and what is internal. The longest prefix wins.
type Networks struct {
	prefixes []zonePrefix
	zones    []Zone
	outside  string
}

type zonePrefix struct {
	prefix netip.Prefix
	zone   int
}

// DefaultZones are the private and link-local ranges (RFC 1918, 6598, 3927,
// 4193, 4291) and loopback as "Trust".
func DefaultZones() []Zone {
	return []Zone{{Name: "Trust", Internal: true, Networks: []string{
		"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8",
		"fc00::/7", "fe80::/10", "::1/128"}}}
}

// NewNetworks builds the lookup; addresses in no zone are in the one called
// outside. It returns every bad prefix.
func NewNetworks(zones []Zone, outside string) (*Networks, []error) {
	n := &Networks{zones: zones, outside: outside}
	var errs []error
	for i, z := range zones {
		for _, text := range z.Networks {
			p, err := netip.ParsePrefix(text)
			if err != nil {
				a, err2 := netip.ParseAddr(text)
				if err2 != nil {
					errs = append(errs, fmt.Errorf("zone %q: got network %q, want a prefix such as 192.0.2.0/24", z.Name, text))
					continue
				}
				p = netip.PrefixFrom(a, a.BitLen())
			}
			n.prefixes = append(n.prefixes, zonePrefix{p.Masked(), i})
		}
	}
	slices.SortStableFunc(n.prefixes, func(a, b zonePrefix) int { return b.prefix.Bits() - a.prefix.Bits() })
	return n, errs
}

// Find is the zone of an IPv4-mapped address and whether it is internal.
func (n *Networks) Find(a [16]byte) (zone string, internal bool) { return n.zone(n.find(a)) }

// find is the number of an address's zone, -1 for outside.
func (n *Networks) find(a [16]byte) int32 {
	addr := netip.AddrFrom16(a).Unmap()
	for i := range n.prefixes {
		if p := &n.prefixes[i]; p.prefix.Contains(addr) {
			return int32(p.zone)
		}
	}
	return -1
}

// zone is the name of a zone and whether it is internal.
func (n *Networks) zone(number int32) (name string, internal bool) {
	if number < 0 {
		return n.outside, false
	}
	z := &n.zones[number]
	return z.Name, z.Internal
}
