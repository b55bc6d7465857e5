package census

import (
	"fmt"
	"net/netip"

	"kagami/detectors/table"
)

// Config is the [detect.census] section: what is remembered of the network.
type Config struct {
	// Proxies are addresses of explicit web proxies besides those learned: those of
	// the [site] section. Default none.
	Proxies []netip.Addr `toml:"-"`
	// ProxyClients is from how many machines a machine inside must serve proxy
	// requests to be taken for a proxy; 20 served requests do as well. Default 3, 1 to 10.
	ProxyClients int `toml:"proxy_clients"`
	// ServerClients is how many machines a machine inside must answer on port 53,
	// 25, 465, 587 or 123 to be taken for a resolver, mail relay or time server.
	// Default 2, 1 to 10.
	ServerClients int `toml:"server_clients"`
	// Resolvers are name servers inside besides those learned. Default none.
	Resolvers []netip.Prefix `toml:"resolvers"`
	// Relays are mail relays inside besides those learned. Default none.
	Relays []netip.Prefix `toml:"relays"`
	// TimeServers are time servers inside besides those learned. Default none.
	TimeServers []netip.Prefix `toml:"time_servers"`
	// Monitors are machines inside that watch others, besides those learned. Default none.
	Monitors []netip.Prefix `toml:"monitors"`
	// Scanners are machines that look for weaknesses of others on behalf of the
	// owner; they are never learned. Default none.
	Scanners []netip.Prefix `toml:"scanners"`
	// Hosts is how many machines inside are remembered, 1.2 KiB each. Default 2048, 16 to 1000000.
	Hosts int `toml:"hosts"`
	// Destinations is how many names and addresses outside are remembered, 160
	// octets each. Default 50000, 16 to 10000000.
	Destinations int `toml:"destinations"`
	// Servers is how many (machine, port) inside are remembered, 260 octets each. Default 8192, 16 to 1000000.
	Servers int `toml:"servers"`
	// Addresses is how many addresses from DNS answers are remembered, 36 octets each. Default 32768, 16 to 10000000.
	Addresses int `toml:"addresses"`
	// Programs is how many families of User-Agents, and as many JA4 fingerprints,
	// are remembered, 140 octets for both. Default 8192, 16 to 1000000.
	Programs int `toml:"programs"`
}

// Default returns the built-in settings.
func Default() Config {
	return Config{ProxyClients: 3, ServerClients: 2, Hosts: 2048, Destinations: 50000, Servers: 8192, Addresses: 32768, Programs: 8192}
}

// Validate returns every setting that is out of range, named as in the file.
func (c *Config) Validate() []error {
	var errs []error
	for _, x := range [...]struct {
		key         string
		got, lo, hi int
	}{
		{"proxy_clients", c.ProxyClients, 1, 10},
		{"server_clients", c.ServerClients, 1, 10},
		{"hosts", c.Hosts, 16, 1e6},
		{"destinations", c.Destinations, 16, 1e7},
		{"servers", c.Servers, 16, 1e6},
		{"addresses", c.Addresses, 16, 1e7},
		{"programs", c.Programs, 16, 1e6},
	} {
		if x.got < x.lo || x.got > x.hi {
			errs = append(errs, fmt.Errorf("detect.census.%s: got %d, want %d to %d", x.key, x.got, x.lo, x.hi))
		}
	}
	return errs
}

const (
	localsPerHost = 4 // addresses of one machine: IPv4, link-local, stable and temporary IPv6
	identsPerHost = 2
	maxTunnels    = 4096
	ja4Octets     = 36
)

// Memory is the most octets that all tables can take.
func (c *Config) Memory() int64 {
	return table.Bytes[local](localsPerHost*c.Hosts, 0) +
		table.Bytes[ident](identsPerHost*c.Hosts, 0) +
		table.Bytes[Host](c.Hosts, 0) +
		table.Bytes[destination](c.Destinations, 0) +
		table.Bytes[int64](c.Addresses, 0) +
		table.Bytes[table.Crowd](c.Servers, 0) +
		table.Bytes[broker](c.Servers, 0) +
		table.Bytes[poller](c.Servers, 0) +
		table.Bytes[Role](c.Servers, 0) +
		2*table.Bytes[table.Crowd](c.Programs, 0) +
		table.Bytes[string](maxTunnels, ja4Octets) +
		neighboursMemory(c.Hosts)
}
