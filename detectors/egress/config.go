package egress

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"kagami/detectors/incident"
	"kagami/detectors/table"
)

// Config is the [detect.egress] section.
type Config struct {
	// Enable looks for traffic that goes around the proxy, the name servers and the
	// mail relay. Default true.
	Enable bool `toml:"enable"`
	// MinProxied is how many connections through the proxy (name server, relay)
	// show that a machine uses it. Default 10, 5 to 1000000.
	MinProxied int `toml:"min_proxied"`
	// ProxyShare is the share of a machine's connections that go through it for
	// the machine to have no other way. Default 0.9, 0.5 to 1.
	ProxyShare float64 `toml:"proxy_share"`
	// Learning is how long direct contacts are a machine's habits rather than
	// signs. Default 7 days (168h), 24 h to 90 days.
	Learning time.Duration `toml:"learning"`
	// CommonHosts is how many machines must go to a destination directly for it
	// to be an exception of the network. Default 3, 2 to 10.
	CommonHosts int `toml:"common_hosts"`
	// Window is how long a direct contact counts. Default 7 days (168h), 1 h to 90 days.
	Window time.Duration `toml:"window"`
	// Remember is how long at least a destination stays a machine's habit. Default
	// 30 days (720h), 1 day to 365 days.
	Remember time.Duration `toml:"memory"`
	// AllowNames are names (with their subdomains) that may be reached directly. Default none.
	AllowNames []string `toml:"allow_names"`
	// AllowNetworks are networks that may be reached directly. Default none.
	AllowNetworks []netip.Prefix `toml:"allow_networks"`
	// Exceptions are what some machines may do: [[detect.egress.exception]].
	Exceptions []Exception `toml:"exception"`
	// Resolvers are names (with their subdomains) of services that answer DNS over
	// HTTPS. Default well-known public ones; the list replaces them.
	Resolvers []string `toml:"https_resolvers"`
	// Hosts is how many machines are followed, 5 KiB each at most. Default 2048, 16 to 1000000.
	Hosts int `toml:"hosts"`
	// Destinations is of how many directly contacted destinations, networks and
	// ports it is remembered who goes there. Default 16384, 16 to 1000000.
	Destinations int `toml:"destinations"`
	// Contacts is how many (machine, destination) are remembered as known, up to 5
	// octets each. Default 200000, 1000 to 100000000.
	Contacts int `toml:"contacts"`
}

// Exception is what some machines may do directly. An empty list is everything;
// one list at least must say something.
type Exception struct {
	Sources  []netip.Prefix `toml:"sources"`  // machines inside
	Names    []string       `toml:"names"`    // destinations, with their subdomains
	Networks []netip.Prefix `toml:"networks"` // destinations
	Ports    []int          `toml:"ports"`    // 1 to 65535; 0 = ICMP
}

// Default returns the built-in settings.
func Default() Config {
	const day = 24 * time.Hour
	return Config{Enable: true, MinProxied: 10, ProxyShare: 0.9, Learning: 7 * day, CommonHosts: 3, Window: 7 * day, Remember: 30 * day,
		Resolvers: publicResolvers(), Hosts: 2048, Destinations: 16384, Contacts: 200000}
}

// publicResolvers are services that browsers and systems offer for DNS over HTTPS.
func publicResolvers() []string {
	return []string{"dns.google", "cloudflare-dns.com", "one.one.one.one", "quad9.net", "opendns.com", "nextdns.io", "cleanbrowsing.org",
		"adguard-dns.com", "dns.adguard.com", "controld.com", "dns.sb", "dns0.eu", "mullvad.net", "doh.li", "iij.jp"}
}

// Validate returns every setting that is out of range, named as in the file.
func (c *Config) Validate() []error {
	var errs []error
	wrong := func(key string, got, lo, hi any) {
		errs = append(errs, fmt.Errorf("detect.egress.%s: got %v, want %v to %v", key, got, lo, hi))
	}
	const day = 24 * time.Hour
	for _, x := range [...]struct {
		key         string
		got, lo, hi int
	}{
		{"min_proxied", c.MinProxied, 5, 1e6}, {"common_hosts", c.CommonHosts, 2, 10}, {"hosts", c.Hosts, 16, 1e6},
		{"destinations", c.Destinations, 16, 1e6}, {"contacts", c.Contacts, 1000, 1e8},
	} {
		if x.got < x.lo || x.got > x.hi {
			wrong(x.key, x.got, x.lo, x.hi)
		}
	}
	for _, x := range [...]struct {
		key         string
		got, lo, hi time.Duration
	}{
		{"learning", c.Learning, day, 90 * day}, {"window", c.Window, time.Hour, 90 * day}, {"memory", c.Remember, day, 365 * day},
	} {
		if x.got < x.lo || x.got > x.hi {
			wrong(x.key, x.got, x.lo, x.hi)
		}
	}
	if !(c.ProxyShare >= 0.5 && c.ProxyShare <= 1) { // not a number fails, too
		wrong("proxy_share", c.ProxyShare, 0.5, 1)
	}
	for i := range c.Exceptions {
		errs = append(errs, c.Exceptions[i].validate(i)...)
	}
	return errs
}

func (x *Exception) validate(i int) []error {
	var errs []error
	if len(x.Sources)+len(x.Names)+len(x.Networks)+len(x.Ports) == 0 {
		errs = append(errs, fmt.Errorf("detect.egress.exception[%d]: got nothing, want sources, names, networks or ports", i))
	}
	for _, p := range x.Ports {
		if p < 0 || p > 65535 {
			errs = append(errs, fmt.Errorf("detect.egress.exception[%d].ports: got %d, want 0 to 65535", i, p))
		}
	}
	return errs
}

// Memory is the most octets that all tables can take.
func (c *Config) Memory() int64 {
	list := maxExcursions*(excursionSize+maxName+16) + incident.SamplesBehind
	return table.Bytes[host](c.Hosts, list) + table.Bytes[table.Crowd](c.Destinations, 0) + table.MemoryBytes(c.Contacts)
}

// allowed tells whether the configuration lets a machine go there directly.
func (c *Config) allowed(client netip.Addr, x *excursion) bool {
	if contains(c.AllowNetworks, x.addr) || x.name != "" && within(x.name, c.AllowNames) {
		return true
	}
	for i := range c.Exceptions {
		e := &c.Exceptions[i]
		if (len(e.Sources) == 0 || contains(e.Sources, client)) && (len(e.Networks) == 0 || contains(e.Networks, x.addr)) &&
			(len(e.Names) == 0 || x.name != "" && within(x.name, e.Names)) && (len(e.Ports) == 0 || lists(e.Ports, int(x.port))) {
			return true
		}
	}
	return false
}

func contains(ps []netip.Prefix, a netip.Addr) bool {
	for _, p := range ps {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func lists(ports []int, port int) bool {
	for _, p := range ports {
		if p == port {
			return true
		}
	}
	return false
}

// within tells whether a name is one of a list, or below one of it.
func within(name string, list []string) bool {
	for _, d := range list {
		d = strings.TrimPrefix(strings.TrimPrefix(d, "*"), ".")
		if n := len(name) - len(d); n == 0 && strings.EqualFold(name, d) || n > 0 && name[n-1] == '.' && strings.EqualFold(name[n:], d) {
			return true
		}
	}
	return false
}
