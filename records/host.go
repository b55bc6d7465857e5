package records

import "net/netip"

// Host is what the network itself told of a machine inside: leases, names it
// answers to, logins, the programs it runs. It is a snapshot, shared by all
// records that bear it, and never changes.
type Host struct {
	Name  Fact     // host name
	User  Fact     // who works there
	OS    Fact     // guess at the operating system: "Windows 10/11", "macOS 10.15.7", "Ubuntu"
	MAC   Fact     // of the machine, as ECS writes it; never a router's
	Roles []string // "proxy", "resolver"
}

// Fact is one thing known of a host.
type Fact struct {
	Value  string // "" = not known
	Source string // what told: "dhcp", "nbns", "mdns", "llmnr", "ptr", "proxy-auth", "http-auth", "smtp", "user-agent" ...
	Since  int64  // logical time of its first mention, nanoseconds since the epoch
}

// Resolved is a name that a client was given an address for.
type Resolved struct {
	Name   string // the name it asked for, lower case, without the trailing dot
	Source string // "dns", "mdns", "llmnr" or "nbns"
}

// Workstation is the machine on whose behalf a proxy asks.
type Workstation struct {
	Addr      netip.AddrPort // of its connection to the proxy
	Flow      uint64         // that connection's id (Meta.UID)
	User      string
	Name      string // host name
	Candidate bool   // it is one of several that may be the one
}

// Workstations is a list of them that records share; it never changes.
type Workstations struct{ List []Workstation }

// CacheState says what a proxy did for a transaction, as far as both legs show it.
type CacheState string

const (
	CacheUnseen      CacheState = ""            // the proxy's other side was never seen
	CacheMiss        CacheState = "miss"        // it asked the origin
	CacheRevalidated CacheState = "revalidated" // it asked the origin whether its copy is still good, and it was
	CacheHit         CacheState = "hit"         // it answered without asking
	CacheLocal       CacheState = "local"       // it refused, or told of a failure, without asking
	CacheAmbiguous   CacheState = "ambiguous"   // several of its requests may belong to this one
)

type hostNames struct{ mac, macSince, macSource, nameSince, nameSource, os, osSince, osSource, role, userSince, userSource string }

var (
	clientHostNames = hostNames{"kagami.client.mac", "kagami.client.mac_since", "kagami.client.mac_source", "kagami.client.name_since", "kagami.client.name_source",
		"kagami.client.os", "kagami.client.os_since", "kagami.client.os_source", "kagami.client.role", "kagami.client.user_since", "kagami.client.user_source"}
	serverHostNames = hostNames{"kagami.server.mac", "kagami.server.mac_since", "kagami.server.mac_source", "kagami.server.name_since", "kagami.server.name_source",
		"kagami.server.os", "kagami.server.os_since", "kagami.server.os_source", "kagami.server.role", "kagami.server.user_since", "kagami.server.user_source"}
)

// fields appends what stands neither under source nor under destination; frame
// is the MAC address that does.
func (h *Host) fields(f *Fields, n *hostNames, frame [6]byte) {
	if h == nil {
		return
	}
	if h.MAC.Value != "" && !isMAC(h.MAC.Value, frame) {
		f.Str(n.mac, h.MAC.Value)
		f.Time(n.macSince, h.MAC.Since)
		f.Str(n.macSource, h.MAC.Source)
	}
	if h.Name.Value != "" {
		f.Time(n.nameSince, h.Name.Since)
		f.Str(n.nameSource, h.Name.Source)
	}
	if h.OS.Value != "" {
		f.Str(n.os, h.OS.Value)
		f.Time(n.osSince, h.OS.Since)
		f.Str(n.osSource, h.OS.Source)
	}
	f.Strs(n.role, h.Roles)
	if h.User.Value != "" {
		f.Time(n.userSince, h.User.Since)
		f.Str(n.userSource, h.User.Source)
	}
}

func (h *Host) name() string {
	if h == nil {
		return ""
	}
	return h.Name.Value
}

func (h *Host) user() string {
	if h == nil {
		return ""
	}
	return h.User.Value
}

// told appends what the site stage found out about a record's endpoints; a flow
// does that itself, among its counters.
func (m *Meta) told(f *Fields) {
	if m.Kind != KindFlow {
		m.ClientHost.fields(f, &clientHostNames, m.ClientMAC)
		m.ServerHost.fields(f, &serverHostNames, m.ServerMAC)
	}
	if m.Resolved != nil {
		f.Str("kagami.name.resolved", m.Resolved.Name)
	}
	f.Str("kagami.name.source", m.NameSource)
	if m.Workstations == nil {
		return
	}
	mark := Begin
	for i := range m.Workstations.List {
		w := &m.Workstations.List[i]
		f.Mark(mark, "kagami.workstation")
		f.Flag("candidate", w.Candidate)
		f.FlowID("flow_id", w.Flow)
		f.IP("ip", w.Addr.Addr())
		f.Str("name", w.Name)
		f.Int("port", int64(w.Addr.Port()))
		f.Str("user", w.User)
		mark = Next
	}
	f.Mark(End, "kagami.workstation")
}

// domain is the best name of the server: what the client called it, else the
// name it had looked up, else the machine's own.
func (m *Meta) domain(wire string) string {
	switch {
	case wire != "":
		return wire
	case m.Resolved != nil:
		return m.Resolved.Name
	}
	return m.ServerHost.name()
}

// names appends the names of a record's endpoints, the wire's first.
func (m *Meta) names(f *Fields, wire ...string) {
	at := f.open(List, "related.hosts")
	for _, name := range wire {
		f.Str("", name)
	}
	if m.Resolved != nil {
		f.strOnce(at, m.Resolved.Name)
	}
	f.strOnce(at, m.ClientHost.name())
	f.strOnce(at, m.ServerHost.name())
	f.close(at)
}

// addrs appends the addresses of a record's endpoints and of those behind a proxy.
func (m *Meta) addrs(f *Fields) {
	at := m.ends(f)
	if m.Workstations != nil {
		for i := range m.Workstations.List {
			f.elementOnce(at, m.Workstations.List[i].Addr.Addr())
		}
	}
	f.close(at)
}

// ends opens related.ip with the addresses of the record's endpoints.
func (m *Meta) ends(f *Fields) (at int) {
	at = f.open(List, "related.ip")
	f.element(m.Client().Addr())
	f.element(m.Server().Addr())
	return at
}
