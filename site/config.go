package site

import (
	"fmt"
	"net/netip"
	"time"
)

// Config is the [site] section: who is who on this network.
type Config struct {
	// Enable completes records with what other records told: names, machines,
	// users, the other leg of the proxy. Default true.
	Enable bool `toml:"enable"`
	// Proxies are addresses of explicit web proxies besides those learned. Default none.
	Proxies []netip.Addr `toml:"proxies"`
	// Hold is the longest time for which a record of a proxy's leg waits for its
	// other leg. Default 2 s, 0 s (nothing waits) to 10 s.
	Hold time.Duration `toml:"hold"`
	// Held is how many records may wait, 2 KiB each. Default 512, 16 to 1000000.
	Held int `toml:"held"`
	// Hosts is how many machines inside are remembered, 2.3 KiB each. Default 2048, 16 to 1000000.
	Hosts int `toml:"hosts"`
	// Names is how many addresses that clients looked up are remembered, all clients
	// together, 256 octets each. Default 8192, 16 to 10000000.
	Names int `toml:"names"`
	// ClientNames is the same for one client. Default 512, 16 to 1000000.
	ClientNames int `toml:"client_names"`
	// Legs is how many of the latest requests to origins are remembered, 320 octets
	// each. Default 4096, 16 to 1000000.
	Legs int `toml:"legs"`
	// Tunnels is how many tunnels under way, handshakes and connections of proxies
	// are remembered, 1.1 KiB each. Default 2048, 16 to 1000000.
	Tunnels int `toml:"tunnels"`
}

// Default returns the built-in settings.
func Default() Config {
	return Config{Enable: true, Hold: 2 * time.Second, Held: 512, Hosts: 2048, Names: 8192, ClientNames: 512, Legs: 4096, Tunnels: 2048}
}

// Validate returns every setting that is out of range, named as in the file.
func (c *Config) Validate() (errs []error) {
	if c.Hold < 0 || c.Hold > 10*time.Second {
		errs = append(errs, fmt.Errorf("site.hold: got %v, want 0s to 10s", c.Hold))
	}
	for _, n := range []struct {
		key    string
		got    int
		lo, hi int
	}{
		{"held", c.Held, 16, 1e6}, {"hosts", c.Hosts, 16, 1e6}, {"names", c.Names, 16, 1e7},
		{"client_names", c.ClientNames, 16, 1e6}, {"legs", c.Legs, 16, 1e6}, {"tunnels", c.Tunnels, 16, 1e6},
	} {
		if n.got < n.lo || n.got > n.hi {
			errs = append(errs, fmt.Errorf("site.%s: got %d, want %d to %d", n.key, n.got, n.lo, n.hi))
		}
	}
	return errs
}

// Memory is the most octets that the stage takes: the sum of its limits.
func (c *Config) Memory() int64 {
	if !c.Enable {
		return 0
	}
	const held, host, name, leg, tunnel = 2048, 2355, 256, 320, 1126
	return int64(c.Held)*held + int64(c.Hosts)*host + int64(c.Names)*name + int64(c.Legs)*leg + int64(c.Tunnels)*tunnel
}

// Counter is one number of the stage's bookkeeping.
type Counter struct {
	Name  string // snake_case
	Value uint64
}

// Counters are how full the stage's tables are, what they had to forget, and
// what it joined. The order is fixed.
func (s *Site) Counters() []Counter {
	j, p := &s.joins, &s.proxies
	return []Counter{
		{"hosts", uint64(s.hosts.table.len())}, {"hosts_evicted", s.hosts.table.evicted},
		{"macs", uint64(s.hosts.macs.len())}, {"macs_evicted", s.hosts.macs.evicted}, {"routers", s.hosts.routers},
		{"identity_changes", s.hosts.told}, {"identity_changes_muted", s.hosts.muted},
		{"names", uint64(s.names.count)}, {"names_evicted", s.names.evicted},
		{"proxies", uint64(p.known.len())}, {"proxies_evicted", p.known.evicted},
		{"proxy_addresses", uint64(p.egress.len())}, {"proxy_addresses_evicted", p.egress.evicted},
		{"joined_requests", p.plain}, {"joined_tunnels", p.tunnels}, {"cache_hits", p.hits}, {"ambiguous", p.unclear},
		{"legs", uint64(j.legs.size())}, {"legs_evicted", j.legs.evicted},
		{"handshakes", uint64(j.hellos.len())}, {"handshakes_evicted", j.hellos.evicted},
		{"tunnels", uint64(j.opened.len())}, {"tunnels_evicted", j.opened.evicted},
		{"proxy_connections", uint64(j.flows.len())}, {"proxy_connections_evicted", j.flows.evicted},
		{"workstations_left_out", j.crowds},
		{"held", s.queue.total}, {"held_too_many", s.queue.full},
	}
}
