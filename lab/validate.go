package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Limits of a scenario: a mistake in a period should not fill the memory.
const (
	maxLength   = 40 * 24 * time.Hour
	maxHosts    = 10_000
	minPeriod   = time.Second
	maxBodySize = 16 << 20
)

// checker collects every problem of a scenario.
type checker struct {
	s    *Scenario
	errs []error
}

func (c *checker) want(ok bool, format string, args ...any) {
	if !ok {
		c.errs = append(c.errs, fmt.Errorf(format, args...))
	}
}

// Validate returns every problem found, joined, and fills in defaults.
func (s *Scenario) Validate() error {
	c := &checker{s: s}
	c.want(s.Name != "", "name: got nothing, want one word")
	c.want(s.End.After(s.Start), "end: got %s, want a time after start %s", s.End, s.Start)
	c.want(s.length() <= maxLength, "end: got a capture of %s, want at most %s", s.length(), maxLength)
	c.want(len(s.Hosts) <= maxHosts, "host: got %d, want at most %d", len(s.Hosts), maxHosts)
	c.want(within(s.Faults.Retransmit, 0, 10_000) && within(s.Faults.Reorder, 0, 10_000), "faults: want rates from 0 to 10000")
	c.network()
	c.hosts()
	c.sites()
	if len(c.errs) == 0 { // the rest refers to hosts and sites
		c.activities()
		c.attacks()
	}
	return errors.Join(c.errs...)
}

func within(n, lo, hi int) bool { return lo <= n && n <= hi }

func (c *checker) network() {
	n := c.s.Network
	c.want(n.Domain != "", "network.domain: got nothing, want the internal zone")
	c.want(len(n.Internal) > 0, "network.internal: got nothing, want at least one prefix")
	c.want(n.ProxyPort != 0, "network.proxy_port: got 0, want the proxy's port, for example 3128")
	c.host("network.gateway", n.Gateway)
	c.host("network.resolver", n.Resolver)
	c.host("network.proxy", n.Proxy)
	c.site("network.upstream", n.Upstream)
}

func (c *checker) host(key, name string) {
	c.want(c.s.host(name) != nil, "%s: got %q, want the name of a host", key, name)
}

func (c *checker) site(key, name string) {
	c.want(c.s.site(name) != nil, "%s: got %q, want the name of a site", key, name)
}

// group checks a list of host names and roles.
func (c *checker) group(key string, names []string) {
	for _, name := range names {
		c.want(len(c.s.hosts([]string{name})) > 0, "%s: got %q, want a host's name or @role", key, name)
	}
}

func (c *checker) profile(key, name string) {
	known := []string{"", "chrome", "firefox", "schannel", "openssl", "legacy"}
	c.want(slices.Contains(known, name), "%s: got %q, want one of %s", key, name, strings.Join(known[1:], ", "))
}

func (c *checker) hosts() {
	names, addrs := make(map[string]bool), make(map[netip.Addr]bool)
	for i := range c.s.Hosts {
		h := &c.s.Hosts[i]
		key := fmt.Sprintf("host %q", h.Name)
		c.want(h.Name != "" && !names[h.Name], "%s: want a name of its own", key)
		c.want(h.IP.Is4() && !addrs[h.IP], "%s: ip: got %s, want an IPv4 address of its own", key, h.IP)
		c.want(slices.ContainsFunc(c.s.Network.Internal, func(p netip.Prefix) bool { return p.Contains(h.IP) }),
			"%s: ip: got %s, want one inside network.internal", key, h.IP)
		c.want(!h.IP6.IsValid() || h.IP6.Is6(), "%s: ip6: got %s, want an IPv6 address", key, h.IP6)
		c.want(h.MAC != MAC{}, "%s: mac: got nothing, want a hardware address", key)
		c.want(h.OS == "windows" || h.OS == "unix", "%s: os: got %q, want windows or unix", key, h.OS)
		c.want(slices.Contains([]string{"workstation", "server", "device"}, h.Role), "%s: role: got %q, want workstation, server or device", key, h.Role)
		c.want(h.VLAN < 4095, "%s: vlan: got %d, want 0 to 4094", key, h.VLAN)
		c.profile(key+": tls", h.TLS)
		from, to := c.s.present(h)
		c.want(from >= 0 && to <= c.s.length() && to-from > time.Hour, "%s: arrives, leaves: want at least an hour inside the capture", key)
		names[h.Name], addrs[h.IP] = true, true
	}
}

func (c *checker) sites() {
	names := make(map[string]bool)
	for i := range c.s.Sites {
		s := &c.s.Sites[i]
		key := fmt.Sprintf("site %q", s.Name)
		c.want(s.Name != "" && !names[s.Name], "%s: want a name of its own", key)
		c.want(s.IP.Is4(), "%s: ip: got %s, want an IPv4 address", key, s.IP)
		c.want(!slices.ContainsFunc(c.s.Network.Internal, func(p netip.Prefix) bool { return p.Contains(s.IP) }),
			"%s: ip: got %s, want one outside network.internal", key, s.IP)
		c.want(!s.IP6.IsValid() || s.IP6.Is6(), "%s: ip6: got %s, want an IPv6 address", key, s.IP6)
		c.want(s.Scheme == "http" || s.Scheme == "https", "%s: scheme: got %q, want http or https", key, s.Scheme)
		c.want(slices.Contains([]string{"", "1.2", "1.3"}, s.TLS), "%s: tls: got %q, want 1.2 or 1.3", key, s.TLS)
		if s.CDN != "" {
			c.site(key+": cdn", s.CDN)
		}
		if s.RTT == 0 {
			s.RTT = 15 * time.Millisecond
		}
		if s.TTL == 0 {
			s.TTL = 300
		}
		s.Pages = max(s.Pages, 1)
		names[s.Name] = true
	}
}

// url checks that text is an http or https URL of a known site.
func (c *checker) url(key, text string) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || c.s.site(u.Host) == nil {
		c.want(false, "%s: got %q, want a URL of a site, without port", key, text)
	}
}

func (c *checker) activities() {
	s := c.s
	weight := 0
	for _, site := range s.Sites {
		weight += site.Weight
	}
	c.want(s.Browsing.Pages >= 1, "browsing.pages: got %d, want at least 1", s.Browsing.Pages)
	c.want(s.Browsing.Gap >= minPeriod, "browsing.gap: got %s, want at least %s", s.Browsing.Gap, minPeriod)
	c.want(weight > 0, "site: want at least one with a weight above 0")
	if s.Browsing.Pixel != "" {
		c.site("browsing.pixel", s.Browsing.Pixel)
	}
	if s.Browsing.Intranet != "" {
		c.host("browsing.intranet", s.Browsing.Intranet)
	}
	c.period("noise.dhcp_lease", s.Noise.Lease)
	c.period("noise.arp_period", s.Noise.ARP)
	c.period("noise.mdns_period", s.Noise.MDNS)
	c.period("noise.ssdp_period", s.Noise.SSDP)
	c.group("noise.mdns_hosts", s.Noise.MDNSHosts)
	c.group("noise.ssdp_hosts", s.Noise.SSDPHosts)
	c.machines()
	c.polls()
}

func (c *checker) machines() {
	s := c.s
	for _, n := range s.NTP {
		key := fmt.Sprintf("ntp %q", n.ID)
		c.group(key+": hosts", n.Hosts)
		c.period(key+": period", n.Period)
		c.want(s.host(n.Server) != nil || s.site(n.Server) != nil, "%s: server: got %q, want a host or a site", key, n.Server)
	}
	if m := s.Monitor; m.Host != "" {
		c.host("monitor.host", m.Host)
		c.host("monitor.web", m.Web)
		c.period("monitor.period", m.Period)
		for _, name := range m.Ping {
			c.host("monitor.ping", name)
		}
	}
	if s.Mail.Server != "" {
		c.host("mail.server", s.Mail.Server)
		c.group("mail.hosts", s.Mail.Hosts)
		c.period("mail.period", s.Mail.Period)
	}
	if s.Files.Server != "" {
		c.host("files.server", s.Files.Server)
		c.group("files.hosts", s.Files.Hosts)
	}
}

func (c *checker) polls() {
	for _, p := range c.s.Polls {
		key := fmt.Sprintf("poll %q", p.ID)
		c.group(key+": hosts", p.Hosts)
		c.url(key+": url", p.URL)
		c.period(key+": period", p.Period)
		c.profile(key+": tls", p.TLS)
		c.want(within(p.Jitter, 0, 99), "%s: jitter_percent: got %d, want 0 to 99", key, p.Jitter)
		c.sizes(key+": up", p.Up)
		c.sizes(key+": down", p.Down)
		c.want(slices.Contains([]string{"", "json", "crl", "text", "empty"}, p.Kind), "%s: kind: got %q, want json, crl, text or empty", key, p.Kind)
	}
	for _, u := range c.s.Updates {
		key := fmt.Sprintf("update %q", u.ID)
		c.group(key+": hosts", u.Hosts)
		c.url(key+": url", u.URL)
		c.want(u.Kind == "cab" || u.Kind == "exe", "%s: kind: got %q, want cab or exe", key, u.Kind)
		c.want(within(u.Size, 1024, maxBodySize), "%s: size: got %d, want 1024 to %d", key, u.Size, maxBodySize)
		c.time(key+": at", u.At)
	}
}

func (c *checker) attacks() {
	for _, a := range c.s.DriveBys {
		key := fmt.Sprintf("driveby %q", a.ID)
		c.host(key+": host", a.Host)
		c.time(key+": at", a.At)
		c.url(key+": page", a.Page)
		for _, name := range []string{a.Script, a.Gate, a.Landing} {
			c.site(key+": script, gate, landing", name)
		}
		c.want(within(a.PayloadSize, 1024, maxBodySize), "%s: payload_size: got %d, want 1024 to %d", key, a.PayloadSize, maxBodySize)
	}
	for _, b := range c.s.Beacons {
		key := fmt.Sprintf("beacon %q", b.ID)
		c.host(key+": host", b.Host)
		c.site(key+": site", b.Site)
		c.time(key+": from", b.From)
		c.time(key+": to", b.To)
		c.period(key+": sleep", b.Sleep)
		c.want(within(b.Jitter, 0, 90), "%s: jitter_percent: got %d, want 0 to 90", key, b.Jitter)
		c.sizes(key+": up", b.Up)
		c.sizes(key+": down", b.Down)
	}
	for _, b := range c.s.Bypasses {
		key := fmt.Sprintf("bypass %q", b.ID)
		c.host(key+": host", b.Host)
		c.time(key+": from", b.From)
		c.time(key+": to", b.To)
		c.profile(key+": tls", b.TLS)
		c.want(b.Events >= 1 && len(b.Sites) > 0, "%s: want events of at least 1 and some sites", key)
		for _, name := range append(slices.Clone(b.Sites), b.Blocked...) {
			c.site(key+": sites, blocked", name)
		}
	}
	for _, s := range c.s.Scans {
		key := fmt.Sprintf("scan %q", s.ID)
		c.host(key+": host", s.Host)
		c.time(key+": at", s.At)
		c.want(s.Port != 0 && len(s.Ranges) > 0, "%s: want a port and some ranges", key)
		c.period(key+": gap", s.Gap)
		for _, name := range s.Open {
			c.host(key+": open", name)
		}
	}
}

func (c *checker) period(key string, d time.Duration) {
	c.want(d >= minPeriod, "%s: got %s, want at least %s", key, d, minPeriod)
}

func (c *checker) time(key string, t Clock) {
	at := c.s.offset(t)
	c.want(at > 0 && at < c.s.length(), "%s: got %s after the start, want a time of day inside the capture", key, at)
}

func (c *checker) sizes(key string, lohi [2]int) {
	c.want(within(lohi[0], 0, lohi[1]) && lohi[1] <= maxBodySize, "%s: got %v, want least and most bytes, at most %d", key, lohi, maxBodySize)
}
