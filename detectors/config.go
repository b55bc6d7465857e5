package detectors

import (
	"fmt"
	"net/netip"
	"time"
)

// Config is the [detect] section.
type Config struct {
	Site     SiteConfig     `toml:"site"`
	Beacon   BeaconConfig   `toml:"beacon"`
	Egress   EgressConfig   `toml:"egress"`
	Scan     ScanConfig     `toml:"scan"`
	Download DownloadConfig `toml:"download"`
}

// SiteConfig is the [detect.site] section: what is remembered of the network.
type SiteConfig struct {
	// Proxies are addresses of explicit web proxies besides those learned: those of
	// the [site] section. Default none.
	Proxies []netip.Addr `toml:"-"`
	// ProxyClients is from how many machines a machine inside must serve proxy
	// requests to be taken for a proxy; 20 served requests do as well. Default 3, 1 to 10.
	ProxyClients int `toml:"proxy_clients"`
	// Hosts is how many machines inside are remembered. Default 2048, 16 to 1000000.
	Hosts int `toml:"hosts"`
	// Destinations is how many names and addresses outside are remembered. Default 32768, 16 to 10000000.
	Destinations int `toml:"destinations"`
	// Servers is how many (address, port) inside are remembered. Default 8192, 16 to 1000000.
	Servers int `toml:"servers"`
	// Addresses is how many addresses from DNS answers are remembered. Default 32768, 16 to 10000000.
	Addresses int `toml:"addresses"`
}

// BeaconConfig is the [detect.beacon] section.
type BeaconConfig struct {
	// Enable looks for beacons. Default true.
	Enable bool `toml:"enable"`
	// Threshold is the fused score of an alert, in nats. Default 12, 4 to 100.
	Threshold float64 `toml:"threshold"`
	// MinEvidence is what a rhythm of an hour or slower must give by itself, in
	// nats; a faster one must give the whole threshold. Default 7, 0 to 100.
	MinEvidence float64 `toml:"min_evidence"`
	// MinLasting is how long a rhythm must last at least. Default 10 min, 0 s to 24 h.
	MinLasting time.Duration `toml:"min_lasting"`
	// Interactive is how many destinations make a machine one that a person uses,
	// as does following links; others are devices, whose timers are their normal
	// life. Default 6, 1 to 10000.
	Interactive int `toml:"interactive_destinations"`
	// OfficeHours are the hours between which people work, in local time; weekends
	// are free. Default [0, 24]: only weekends are out of office hours, 0 to 24.
	OfficeHours [2]int `toml:"office_hours"`
	// UTCOffset is local time minus UTC, for office hours and weekends. Default 0 s, -14 h to 14 h.
	UTCOffset time.Duration `toml:"utc_offset"`
	// Harmless are names whose subdomains are known to be contacted by timers.
	// Default: connectivity checks, time, push and update services of the large vendors.
	Harmless []string `toml:"harmless"`
	// Pairs is how many (client, destination) with 3 or more contacts are
	// followed, 360 octets each. Default 32768, 16 to 1000000.
	Pairs int `toml:"pairs"`
	// Probation is how many (client, destination) with 1 or 2 contacts are
	// remembered, 64 octets each. Default 131072, 16 to 10000000.
	Probation int `toml:"probation"`
	// Watched is for how many pairs with a rhythm sample flows are kept, 1 KiB
	// each. Default 1024, 16 to 100000.
	Watched int `toml:"watched"`
}

// EgressConfig is the [detect.egress] section.
type EgressConfig struct {
	// Enable looks for traffic that goes around the proxy. Default true.
	Enable bool `toml:"enable"`
	// Threshold is the score of an alert, in nats. Default 12, 4 to 100.
	Threshold float64 `toml:"threshold"`
	// MinProxied is how many connections through the proxy show that a machine
	// uses it. Default 10, 5 to 1000000.
	MinProxied int `toml:"min_proxied"`
	// ProxyShare is the share of a machine's web connections that go through the
	// proxy for it to count as proxy-only. Default 0.9, 0.5 to 1.
	ProxyShare float64 `toml:"proxy_share"`
	// CommonHosts is how many machines must go to a destination directly for it
	// to be an exception of the network. Default 3, 2 to 10.
	CommonHosts int `toml:"common_hosts"`
	// Window is how long a direct contact counts. Default 7 days (168h), 1 h to 90 days.
	Window time.Duration `toml:"window"`
	// AllowNames are names (with their subdomains) that may be reached directly. Default none.
	AllowNames []string `toml:"allow_names"`
	// AllowNetworks are networks that may be reached directly. Default none.
	AllowNetworks []netip.Prefix `toml:"allow_networks"`
	// Hosts is how many machines with direct contacts are followed, 12 KiB each at most. Default 512, 16 to 100000.
	Hosts int `toml:"hosts"`
	// Destinations is how many directly contacted destinations are remembered. Default 16384, 16 to 1000000.
	Destinations int `toml:"destinations"`
}

// ScanConfig is the [detect.scan] section.
type ScanConfig struct {
	// Enable looks for scans from inside. Default true.
	Enable bool `toml:"enable"`
	// Threshold is the alarm level of the sequential tests, in nats. Default 11.5, 4 to 100.
	Threshold float64 `toml:"threshold"`
	// PeerOdds is the probability under which a day's (or week's) number of new
	// administrative peers is no accident. Default 1e-6, 1e-12 to 0.01.
	PeerOdds float64 `toml:"peer_odds"`
	// FirstDayPeers is how many new administrative peers a day are expected of a
	// machine before its own habit is known. Default 5, 0.2 to 100.
	FirstDayPeers float64 `toml:"first_day_peers"`
	// Allow are scanners and monitoring machines to ignore. Default none.
	Allow []netip.Prefix `toml:"allow"`
	// Memory is how long at least a contact is not new again. Default 15 days (360h), 1 h to 90 days.
	Memory time.Duration `toml:"memory"`
	// Contacts is how many contacts the memory holds, up to 5 octets each. Default 500000, 1000 to 100000000.
	Contacts int `toml:"contacts"`
	// Sources is how many machines are followed, 4 KiB each at most. Default 2048, 16 to 1000000.
	Sources int `toml:"sources"`
	// Pairs is how many (client, server) with failed ports are followed, 2 KiB each at most. Default 2048, 16 to 1000000.
	Pairs int `toml:"pairs"`
}

// DownloadConfig is the [detect.download] section.
type DownloadConfig struct {
	// Enable looks for downloads that hide a program. Default true.
	Enable bool `toml:"enable"`
	// Threshold is the score of an alert, in nats. Default 12, 4 to 100.
	Threshold float64 `toml:"threshold"`
	// Chain is how far back requests belong to one visit. Default 5 min, 10 s to 1 h.
	Chain time.Duration `toml:"chain"`
	// Clients is of how many machines the last requests are remembered, 4 KiB each. Default 1024, 16 to 100000.
	Clients int `toml:"clients"`
}

// Default returns the built-in settings.
func Default() Config {
	const day = 24 * time.Hour
	return Config{
		Site: SiteConfig{ProxyClients: 3, Hosts: 2048, Destinations: 32768, Servers: 8192, Addresses: 32768},
		Beacon: BeaconConfig{Enable: true, Threshold: alertScore, MinEvidence: 7, MinLasting: 10 * time.Minute,
			Interactive: 6, OfficeHours: [2]int{0, 24}, Harmless: harmlessNames(),
			Pairs: 32768, Probation: 131072, Watched: 1024},
		Egress: EgressConfig{Enable: true, Threshold: alertScore, MinProxied: 10, ProxyShare: 0.9, CommonHosts: 3,
			Window: 7 * day, Hosts: 512, Destinations: 16384},
		Scan: ScanConfig{Enable: true, Threshold: 11.5, PeerOdds: 1e-6, FirstDayPeers: 5,
			Memory: 15 * day, Contacts: 500000, Sources: 2048, Pairs: 2048},
		Download: DownloadConfig{Enable: true, Threshold: alertScore, Chain: 5 * time.Minute, Clients: 1024},
	}
}

func harmlessNames() []string {
	return []string{"windowsupdate.com", "update.microsoft.com", "events.data.microsoft.com", "wns.windows.com",
		"msftncsi.com", "msftconnecttest.com", "push.apple.com", "mtalk.google.com",
		"connectivitycheck.gstatic.com", "detectportal.firefox.com", "push.services.mozilla.com"}
}

// Validate returns every setting that is out of range, named as in the file.
func (c *Config) Validate() []error {
	var v validation
	const day = 24 * time.Hour
	v.count("site.proxy_clients", c.Site.ProxyClients, 1, 10)
	v.count("site.hosts", c.Site.Hosts, 16, 1e6)
	v.count("site.destinations", c.Site.Destinations, 16, 1e7)
	v.count("site.servers", c.Site.Servers, 16, 1e6)
	v.count("site.addresses", c.Site.Addresses, 16, 1e7)

	v.number("beacon.threshold", c.Beacon.Threshold, 4, 100)
	v.number("beacon.min_evidence", c.Beacon.MinEvidence, 0, 100)
	v.duration("beacon.min_lasting", c.Beacon.MinLasting, 0, day)
	v.count("beacon.interactive_destinations", c.Beacon.Interactive, 1, 10000)
	v.count("beacon.office_hours[0]", c.Beacon.OfficeHours[0], 0, c.Beacon.OfficeHours[1])
	v.count("beacon.office_hours[1]", c.Beacon.OfficeHours[1], 0, 24)
	v.duration("beacon.utc_offset", c.Beacon.UTCOffset, -14*time.Hour, 14*time.Hour)
	v.count("beacon.pairs", c.Beacon.Pairs, 16, 1e6)
	v.count("beacon.probation", c.Beacon.Probation, 16, 1e7)
	v.count("beacon.watched", c.Beacon.Watched, 16, 1e5)

	v.number("egress.threshold", c.Egress.Threshold, 4, 100)
	v.count("egress.min_proxied", c.Egress.MinProxied, 5, 1e6)
	v.number("egress.proxy_share", c.Egress.ProxyShare, 0.5, 1)
	v.count("egress.common_hosts", c.Egress.CommonHosts, 2, 10)
	v.duration("egress.window", c.Egress.Window, time.Hour, 90*day)
	v.count("egress.hosts", c.Egress.Hosts, 16, 1e5)
	v.count("egress.destinations", c.Egress.Destinations, 16, 1e6)

	v.number("scan.threshold", c.Scan.Threshold, 4, 100)
	v.number("scan.peer_odds", c.Scan.PeerOdds, 1e-12, 0.01)
	v.number("scan.first_day_peers", c.Scan.FirstDayPeers, minPeerRate, 100)
	v.duration("scan.memory", c.Scan.Memory, time.Hour, 90*day)
	v.count("scan.contacts", c.Scan.Contacts, 1000, 1e8)
	v.count("scan.sources", c.Scan.Sources, 16, 1e6)
	v.count("scan.pairs", c.Scan.Pairs, 16, 1e6)

	v.number("download.threshold", c.Download.Threshold, 4, 100)
	v.duration("download.chain", c.Download.Chain, 10*time.Second, time.Hour)
	v.count("download.clients", c.Download.Clients, 16, 1e5)
	return v
}

// validation collects the problems found.
type validation []error

func (v *validation) count(key string, got, lo, hi int) {
	if got < lo || got > hi {
		*v = append(*v, fmt.Errorf("detect.%s: got %d, want %d to %d", key, got, lo, hi))
	}
}

func (v *validation) number(key string, got, lo, hi float64) {
	if !(got >= lo && got <= hi) { // not a number fails, too
		*v = append(*v, fmt.Errorf("detect.%s: got %v, want %v to %v", key, got, lo, hi))
	}
}

func (v *validation) duration(key string, got, lo, hi time.Duration) {
	if got < lo || got > hi {
		*v = append(*v, fmt.Errorf("detect.%s: got %v, want %v to %v", key, got, lo, hi))
	}
}
