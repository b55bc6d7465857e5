package lab

import (
	"encoding"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// Scenario is one labelled capture in the making: who is on the network, what
// they do, and what goes wrong. Load reads it from TOML. Sections of single
// activities are declared beside the activity's code.
type Scenario struct {
	Name    string    `toml:"name"`  // one word, copied to the truth
	Title   string    `toml:"title"` // one line for people
	Seed    uint64    `toml:"seed"`
	Start   time.Time `toml:"start"` // with zone; times of day below are in this zone
	End     time.Time `toml:"end"`
	Network Network   `toml:"network"`
	Faults  Faults    `toml:"faults"`
	Hosts   []Host    `toml:"host"`
	Sites   []Site    `toml:"site"`

	Browsing Browsing   `toml:"browsing"`
	Polls    []Poll     `toml:"poll"`
	Updates  []Update   `toml:"update"`
	NTP      []TimeSync `toml:"ntp"`
	Monitor  Monitor    `toml:"monitor"`
	Mail     Mail       `toml:"mail"`
	Files    Files      `toml:"files"`
	Noise    Noise      `toml:"noise"`

	DriveBys []DriveBy `toml:"driveby"`
	Beacons  []Beacon  `toml:"beacon"`
	Bypasses []Bypass  `toml:"bypass"`
	Scans    []Scan    `toml:"scan"`
}

// Network names the hosts with a special task. All are names of hosts.
type Network struct {
	Domain    string         `toml:"domain"`     // internal zone, without trailing dot
	Internal  []netip.Prefix `toml:"internal"`   // what counts as inside
	Gateway   string         `toml:"gateway"`    // default route, DHCP server
	Resolver  string         `toml:"resolver"`   // the only one to ask outside
	Proxy     string         `toml:"proxy"`      // explicit web proxy
	ProxyPort uint16         `toml:"proxy_port"` // TCP
	Upstream  string         `toml:"upstream"`   // the site the resolver forwards to
}

// Faults are rates of deliberate trouble per 10,000 TCP sends.
type Faults struct {
	Retransmit int `toml:"retransmit_per_10000"` // last segment of a send seen twice
	Reorder    int `toml:"reorder_per_10000"`    // two neighbouring segments swapped
}

// Host is a machine inside.
type Host struct {
	Name      string        `toml:"name"`
	IP        netip.Addr    `toml:"ip"`
	IP6       netip.Addr    `toml:"ip6"` // optional
	MAC       MAC           `toml:"mac"`
	OS        string        `toml:"os"`         // windows or unix: TCP habits and TTL
	Role      string        `toml:"role"`       // workstation, server or device
	Agent     string        `toml:"user_agent"` // of its browser
	TLS       string        `toml:"tls"`        // ClientHello profile: chrome, firefox, schannel, openssl, legacy
	ProxyUser string        `toml:"proxy_user"` // sends Basic credentials to the proxy if set
	Sessions  int           `toml:"sessions"`   // browsing sessions in the day
	Arrives   Clock         `toml:"arrives"`    // zero: before the capture starts
	Leaves    Clock         `toml:"leaves"`     // zero: after the capture ends
	VLAN      uint16        `toml:"vlan"`       // tag on the frames it sends; 0 = none
	RTT       time.Duration `toml:"rtt"`        // mirror port to host and back; default 250us
}

// Site is a name outside, with one address.
type Site struct {
	Name     string        `toml:"name"`
	IP       netip.Addr    `toml:"ip"`
	IP6      netip.Addr    `toml:"ip6"`    // optional; the proxy prefers it
	RTT      time.Duration `toml:"rtt"`    // mirror port to site and back; default 15ms
	Scheme   string        `toml:"scheme"` // http or https
	TLS      string        `toml:"tls"`    // 1.3 (default) or 1.2
	Server   string        `toml:"server"` // Server header
	TTL      int           `toml:"ttl"`    // of its DNS records, seconds; default 300
	Truncate bool          `toml:"truncate"`
	Weight   int           `toml:"weight"` // popularity; 0 = nobody browses it
	Pages    int           `toml:"pages"`
	Assets   int           `toml:"assets"` // style sheets, scripts, pictures of each page
	CDN      string        `toml:"cdn"`    // site that serves the assets; default itself
	Gzip     bool          `toml:"gzip"`   // compresses text
	Chunked  bool          `toml:"chunked"`
}

// MAC is a hardware address of 6 bytes, written 02:00:00:00:00:01.
type MAC [6]byte

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *MAC) UnmarshalText(b []byte) error {
	hw, err := net.ParseMAC(string(b))
	if err != nil || len(hw) != len(m) {
		return fmt.Errorf("parse hardware address %q: want six pairs of hex digits", b)
	}
	copy(m[:], hw)
	return nil
}

// String writes the address as colon-separated hex.
func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

// Clock is a time of day, written 15:04 or 15:04:05.
type Clock time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Clock) UnmarshalText(b []byte) error {
	layout := "15:04:05"
	if strings.Count(string(b), ":") == 1 {
		layout = "15:04"
	}
	t, err := time.Parse(layout, string(b))
	if err != nil {
		return fmt.Errorf("parse time of day %q: want 15:04 or 15:04:05", b)
	}
	*c = Clock(t.Sub(t.Truncate(24 * time.Hour)))
	return nil
}

var (
	_ encoding.TextUnmarshaler = (*MAC)(nil)
	_ encoding.TextUnmarshaler = (*Clock)(nil)
)

// Load reads and checks the scenario at path. Unknown keys are errors.
func Load(path string) (*Scenario, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read scenario: %w", err)
	}
	s, err := Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("load scenario %q: %w", path, err)
	}
	return s, nil
}

// Parse reads and checks a scenario given as TOML text.
func Parse(text string) (*Scenario, error) {
	s := new(Scenario)
	md, err := toml.Decode(text, s)
	if err != nil {
		if pe := (toml.ParseError{}); errors.As(err, &pe) {
			return nil, fmt.Errorf("decode toml: %s", pe.ErrorWithPosition())
		}
		return nil, fmt.Errorf("decode toml: %w", err)
	}
	var errs []error
	for _, key := range md.Undecoded() {
		errs = append(errs, fmt.Errorf("%s: unknown key, see the toml tags in package lab", key))
	}
	if err := errors.Join(append(errs, s.Validate())...); err != nil {
		return nil, err
	}
	return s, nil
}

// host returns the host of that name, or nil.
func (s *Scenario) host(name string) *Host {
	for i := range s.Hosts {
		if s.Hosts[i].Name == name {
			return &s.Hosts[i]
		}
	}
	return nil
}

// site returns the site of that name, or nil.
func (s *Scenario) site(name string) *Site {
	for i := range s.Sites {
		if s.Sites[i].Name == name {
			return &s.Sites[i]
		}
	}
	return nil
}

// hosts resolves a list of host names in which "@role" stands for all hosts
// of the role, in the scenario's order.
func (s *Scenario) hosts(names []string) []*Host {
	var out []*Host
	for _, name := range names {
		role, isRole := strings.CutPrefix(name, "@")
		for i := range s.Hosts {
			h := &s.Hosts[i]
			if h.Name == name || isRole && h.Role == role {
				out = append(out, h)
			}
		}
	}
	return out
}

// offset is the time since the capture's start at that time of day.
func (s *Scenario) offset(c Clock) time.Duration {
	y, m, d := s.Start.Date()
	midnight := time.Date(y, m, d, 0, 0, 0, 0, s.Start.Location())
	return midnight.Add(time.Duration(c)).Sub(s.Start)
}

// length is the duration of the capture.
func (s *Scenario) length() time.Duration { return s.End.Sub(s.Start) }

// present is the span in which the host is switched on.
func (s *Scenario) present(h *Host) (from, to time.Duration) {
	to = s.length()
	if h.Arrives != 0 {
		from = s.offset(h.Arrives)
	}
	if h.Leaves != 0 {
		to = s.offset(h.Leaves)
	}
	return from, to
}
