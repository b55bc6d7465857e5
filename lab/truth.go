package lab

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"
)

// Flow names one conversation by its 5-tuple, client first.
type Flow struct {
	Src     netip.Addr `json:"src"`
	SrcPort uint16     `json:"sport"`
	Dst     netip.Addr `json:"dst"`
	DstPort uint16     `json:"dport"`
	Proto   string     `json:"proto"`
}

// Truth says what is in a capture: exact counts, attacks, and the benign
// series that look like attacks. It is written as truth.json.
type Truth struct {
	Scenario string          `json:"scenario"`
	Title    string          `json:"title"`
	Seed     uint64          `json:"seed"`
	Start    time.Time       `json:"start"`
	End      time.Time       `json:"end"`
	Packets  int             `json:"packets"`
	Network  TruthNetwork    `json:"network"`
	Hosts    []TruthHost     `json:"hosts"`
	Attacks  []*Attack       `json:"attacks"`
	Benign   []*BenignSeries `json:"benign_periodic"`
	Counts   TruthCounts     `json:"counts"`
}

// TruthNetwork repeats the scenario's network for tests that configure a
// sensor from it.
type TruthNetwork struct {
	Internal []netip.Prefix `json:"internal"`
	Gateway  netip.Addr     `json:"gateway"`
	Resolver netip.Addr     `json:"resolver"`
	Proxy    netip.AddrPort `json:"proxy"`
}

// TruthHost is a machine inside.
type TruthHost struct {
	Name string     `json:"name"`
	IP   netip.Addr `json:"ip"`
	IP6  netip.Addr `json:"ip6,omitzero"`
	MAC  string     `json:"mac"`
	OS   string     `json:"os"`
	Role string     `json:"role"`
}

// Destination is where an attack goes; Port 0 means several.
type Destination struct {
	Name string     `json:"name,omitempty"`
	IP   netip.Addr `json:"ip"`
	Port uint16     `json:"port,omitempty"`
}

// Attack is one labelled intrusion.
type Attack struct {
	ID           string         `json:"id"`
	Kind         string         `json:"kind"`      // driveby, beacon, bypass, scan
	Technique    string         `json:"technique"` // MITRE ATT&CK id
	Source       string         `json:"source"`
	SourceIP     netip.Addr     `json:"source_ip"`
	Destinations []Destination  `json:"destinations"`
	First        time.Time      `json:"first"`
	Last         time.Time      `json:"last"`
	Events       int            `json:"events"`             // requests, beats or probes
	Outcomes     map[string]int `json:"outcomes,omitempty"` // events by outcome, where they differ
	Steps        []Step         `json:"steps,omitempty"`    // of a chain, in order
	Flows        []Flow         `json:"flows"`              // samples, at most maxSamples
	Note         string         `json:"note"`
	start        time.Time      // of the capture
}

// Step is one link of a chain of requests.
type Step struct {
	Role    string    `json:"role"`
	Time    time.Time `json:"time"`
	URL     string    `json:"url"`
	Referer string    `json:"referer,omitempty"`
	Status  int       `json:"status"`
	Bytes   int       `json:"body_bytes"`
	SHA256  string    `json:"body_sha256,omitempty"` // of the decoded body
}

// BenignSeries is traffic that repeats like a beacon and must not be taken for
// one.
type BenignSeries struct {
	ID          string        `json:"id"`
	Hosts       []string      `json:"hosts"`
	Destination string        `json:"destination"` // name:port
	Period      time.Duration `json:"-"`
	PeriodS     int           `json:"period_s"`
	Jitter      int           `json:"jitter_percent"`
	Events      int           `json:"events"` // of all hosts together
	Via         string        `json:"via"`    // proxy, direct, multicast
	Note        string        `json:"note"`
}

// TruthCounts are exact counts of what is on the wire.
type TruthCounts struct {
	Counts
	HTTP HTTPCounts `json:"http"`
	TLS  TLSCounts  `json:"tls"`
	DNS  DNSCounts  `json:"dns"`

	HTTPRequests    int `json:"http_requests"`     // sum of the legs, CONNECT included
	Connects        int `json:"connects"`          // = HTTP.Connects
	TLSClientHellos int `json:"tls_client_hellos"` // sum of the legs
	DNSQueries      int `json:"dns_queries"`       // port 53, both legs, repeats over TCP included
}

// HTTPCounts counts HTTP/1.1 messages by leg. A request through the proxy that
// the proxy forwards counts once on each leg.
type HTTPCounts struct {
	ClientToProxy int `json:"client_to_proxy"` // CONNECT and challenged requests included
	ProxyToOrigin int `json:"proxy_to_origin"`
	Direct        int `json:"direct"`
	Connects      int `json:"connects"`
	Responses     int `json:"responses"` // all legs; 200 to CONNECT included
}

// TLSCounts counts ClientHellos by leg.
type TLSCounts struct {
	ClientToProxy int `json:"client_to_proxy"` // inside CONNECT tunnels
	ProxyToOrigin int `json:"proxy_to_origin"`
	Direct        int `json:"direct"`
}

// DNSCounts counts messages on port 53.
type DNSCounts struct {
	ClientToResolver int `json:"client_to_resolver"`
	ResolverUpstream int `json:"resolver_upstream"` // repeats over TCP included
	OverTCP          int `json:"over_tcp"`          // queries
	Responses        int `json:"responses"`
	NameErrors       int `json:"name_errors"` // responses
}

// maxSamples bounds the flows named per attack.
const maxSamples = 64

func newTruth(s *Scenario) *Truth {
	t := &Truth{Scenario: s.Name, Title: s.Title, Seed: s.Seed, Start: s.Start, End: s.End}
	t.Network.Internal = s.Network.Internal
	t.Network.Gateway = s.host(s.Network.Gateway).IP
	t.Network.Resolver = s.host(s.Network.Resolver).IP
	t.Network.Proxy = netip.AddrPortFrom(s.host(s.Network.Proxy).IP, s.Network.ProxyPort)
	for _, h := range s.Hosts {
		t.Hosts = append(t.Hosts, TruthHost{h.Name, h.IP, h.IP6, h.MAC.String(), h.OS, h.Role})
	}
	return t
}

// attack opens a label.
func (d *day) attack(id, kind, technique, source, note string) *Attack {
	a := &Attack{
		ID: id, Kind: kind, Technique: technique, Source: source, SourceIP: d.s.host(source).IP,
		Note: note, start: d.s.Start, Destinations: []Destination{}, Flows: []Flow{},
	}
	d.truth.Attacks = append(d.truth.Attacks, a)
	return a
}

// event adds one event to the label.
func (a *Attack) event(first, last time.Duration, to Destination, flows ...Flow) {
	from, until := a.start.Add(first.Truncate(time.Microsecond)), a.start.Add(last.Truncate(time.Microsecond))
	if a.Events == 0 || from.Before(a.First) {
		a.First = from
	}
	if until.After(a.Last) {
		a.Last = until
	}
	a.Events++
	if !slices.Contains(a.Destinations, to) {
		a.Destinations = append(a.Destinations, to)
	}
	for _, f := range flows {
		if len(a.Flows) < maxSamples && !slices.Contains(a.Flows, f) {
			a.Flows = append(a.Flows, f)
		}
	}
}

// outcome counts events of one kind of ending.
func (a *Attack) outcome(name string) {
	if a.Outcomes == nil {
		a.Outcomes = make(map[string]int)
	}
	a.Outcomes[name]++
}

// benign opens a harmless series.
func (d *day) benign(b BenignSeries) *BenignSeries {
	b.PeriodS = int(b.Period / time.Second)
	d.truth.Benign = append(d.truth.Benign, &b)
	return &b
}

// finish fills in the sums.
func (t *Truth) finish(d *day, packets int) *Truth {
	t.Packets = packets
	c := &t.Counts
	c.Counts = d.wire.Counts
	c.HTTPRequests = c.HTTP.ClientToProxy + c.HTTP.ProxyToOrigin + c.HTTP.Direct
	c.Connects = c.HTTP.Connects
	c.TLSClientHellos = c.TLS.ClientToProxy + c.TLS.ProxyToOrigin + c.TLS.Direct
	c.DNSQueries = c.DNS.ClientToResolver + c.DNS.ResolverUpstream
	return t
}

// WriteJSON writes the truth, indented. encoding/json sorts map keys, so the
// bytes are the same each time.
func (t *Truth) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(t); err != nil {
		return fmt.Errorf("write truth: %w", err)
	}
	return nil
}
