package records

import "net/netip"

// DHCP is one message of DHCPv4, BOOTP or DHCPv6. Messages of one transaction
// share XID and client; they are not joined, so that a mirror port that shows one
// direction only loses nothing of what the other says. The client is told by MAC
// and ClientID: its addresses are often 0.0.0.0 and 255.255.255.255.
type DHCP struct {
	meta Meta

	Version  uint8 // 4 or 6
	Time     int64 // capture time of the message, nanoseconds since the epoch
	Response bool  // sent by a server
	Type     string
	TypeNo   uint8 // option 53, or DHCPv6's message type; 0 for BOOTP, whose Type is ""
	XID      uint32

	// The client.
	MAC          [6]byte  // chaddr; DHCPv6: what a relay saw (RFC 6939), else the one in the DUID, which may be another of its interfaces; zero when unknown
	HardwareType uint16   // of MAC: 1 = Ethernet
	ClientID     string   // octets of option 61, or the DUID
	HostName     string   // option 12
	FQDN         string   // option 81, DHCPv6 39
	VendorClass  string   // option 60 ("MSFT 5.0"); else 124, DHCPv6 16
	Enterprise   uint32   // whose vendor class that is (IANA), 0 if unknown
	UserClass    string   // option 77, DHCPv6 15
	Parameters   []uint16 // options asked for, in the client's order, which tells systems apart: option 55, DHCPv6 6
	Broadcast    bool     // DHCPv4: the answer shall be broadcast

	// Addresses and their lifetimes in seconds, 0 = not given, 4294967295 = for ever.
	ClientIP    netip.Addr // the client uses it already (ciaddr)
	RequestedIP netip.Addr // option 50; DHCPv6: the first address in a client's message
	AssignedIP  netip.Addr // yiaddr; DHCPv6: the first address in a server's message
	LeaseTime   uint32     // option 51; DHCPv6: the valid lifetime of that address
	RenewalTime uint32     // T1: option 58, or the first IA's
	RebindTime  uint32     // T2: option 59, or the first IA's
	Leases      []Lease    // DHCPv6: every address and prefix, by either side

	// The server and what it says of the network.
	ServerIP    netip.Addr // option 54
	ServerDUID  string     // DHCPv6: octets
	NextServer  netip.Addr // siaddr: where to boot from
	SubnetMask  netip.Addr
	Routers     []netip.Addr
	DNS         []netip.Addr
	NTP         []netip.Addr
	Domain      string   // option 15
	Search      []string // option 119, DHCPv6 24
	ProxyConfig string   // option 252: URL of a proxy auto-configuration (WPAD)
	BootServer  string   // sname, option 66
	BootFile    string   // file, option 67, DHCPv6 59
	Message     string   // option 56, or the status message: why not
	Status      string   // DHCPv6: "NoAddrsAvail" ...; "" when none or Success

	// Relays, the one next to the client.
	Relays       uint8      // how many it came through
	RelayIP      netip.Addr // giaddr; DHCPv6: the link-address
	PeerIP       netip.Addr // DHCPv6: the client's address, as the relay saw it
	CircuitID    string     // octets: option 82.1, DHCPv6 18
	RemoteID     string     // octets: option 82.2, DHCPv6 37 without the enterprise's number
	SubscriberID string     // octets: option 82.6, DHCPv6 38

	Odd string // the first defect or limit met: "cut option", "list too long" ...
}

// Lease is an address or prefix in a DHCPv6 message.
type Lease struct {
	Kind      string // "na", "ta" or "pd": the identity association it belongs to
	IAID      uint32
	Prefix    netip.Prefix // /128 for addresses; not valid when the server gave none
	Preferred uint32       // seconds
	Valid     uint32       // seconds
	Status    string       // "NoAddrsAvail" ...; "" when none or Success
}

// NewDHCP returns a DHCP record that bears m.
func NewDHCP(m Meta) *DHCP { m.Kind = KindDHCP; return &DHCP{meta: m} }

// Meta implements Record.
func (r *DHCP) Meta() *Meta { return &r.meta }

// Protocol is "dhcp" or "dhcpv6".
func (r *DHCP) Protocol() string {
	if r.Version == 6 {
		return "dhcpv6"
	}
	return "dhcp"
}

// AppendFields implements Record.
func (r *DHCP) AppendFields(dst []Field) []Field {
	f, m := Fields(dst), &r.meta
	m.event(&f, r.event())
	m.network(&f, r.Protocol(), 0, 0)
	m.endpoints(&f, Peer{}, Peer{})
	f.list("related.hosts", r.HostName, r.FQDN)
	r.addresses(&f)
	r.client(&f)
	r.lease(&f)
	m.tail(&f)
	return f
}

func (r *DHCP) event() Event {
	e := Event{Kind: "event", Category: categoryNetwork, Type: typeProtocolInfo, Start: r.Time}
	switch {
	case r.Type != "":
		e.Action, e.Verb = "dhcp-", r.Type
	case r.Response:
		e.Action = "bootp-reply"
	default:
		e.Action = "bootp-request"
	}
	switch {
	case r.Type == "NAK" || r.Status != "":
		e.Outcome = "failure"
	case r.Type == "ACK" || r.Type == "REPLY":
		e.Outcome = "success"
	}
	return e
}

// addresses appends those by which the message should be found.
func (r *DHCP) addresses(f *Fields) {
	at := r.meta.ends(f)
	for _, a := range [...]netip.Addr{r.ClientIP, r.RequestedIP, r.AssignedIP, r.ServerIP} {
		f.IP("", a)
	}
	f.close(at)
}

// client appends the first half of kagami.dhcp.*, in the order of names.
func (r *DHCP) client(f *Fields) {
	f.IP("kagami.dhcp.assigned_ip", r.AssignedIP)
	f.Str("kagami.dhcp.boot_file", r.BootFile)
	f.Str("kagami.dhcp.boot_server", r.BootServer)
	f.Flag("kagami.dhcp.broadcast", r.Broadcast)
	f.HexStr("kagami.dhcp.client_id", r.ClientID)
	f.IP("kagami.dhcp.client_ip", r.ClientIP)
	f.MAC("kagami.dhcp.client_mac", r.MAC)
	f.IPs("kagami.dhcp.dns_servers", r.DNS)
	f.Str("kagami.dhcp.domain", r.Domain)
	f.Count("kagami.dhcp.enterprise", uint64(r.Enterprise))
	f.Str("kagami.dhcp.fqdn", r.FQDN)
	f.Count("kagami.dhcp.hardware_type", uint64(r.HardwareType))
	f.Str("kagami.dhcp.host_name", r.HostName)
	f.Digits("kagami.dhcp.id", int64(r.XID))
	f.Count("kagami.dhcp.lease_time", uint64(r.LeaseTime))
	r.leases(f)
	f.Str("kagami.dhcp.message", r.Message)
	f.IP("kagami.dhcp.next_server_ip", r.NextServer)
	f.IPs("kagami.dhcp.ntp_servers", r.NTP)
	f.Str("kagami.dhcp.odd", r.Odd)
}

// lease appends the second half of kagami.dhcp.*.
func (r *DHCP) lease(f *Fields) {
	r.fingerprint(f)
	f.Str("kagami.dhcp.proxy_config", r.ProxyConfig)
	f.Count("kagami.dhcp.rebinding_time", uint64(r.RebindTime))
	octets(f, "kagami.dhcp.relay.circuit_id", r.CircuitID)
	f.Count("kagami.dhcp.relay.hops", uint64(r.Relays))
	f.IP("kagami.dhcp.relay.ip", r.RelayIP)
	f.IP("kagami.dhcp.relay.peer_ip", r.PeerIP)
	octets(f, "kagami.dhcp.relay.remote_id", r.RemoteID)
	octets(f, "kagami.dhcp.relay.subscriber_id", r.SubscriberID)
	f.Count("kagami.dhcp.renewal_time", uint64(r.RenewalTime))
	f.IP("kagami.dhcp.requested_ip", r.RequestedIP)
	f.Bool("kagami.dhcp.response", r.Response)
	f.IPs("kagami.dhcp.routers", r.Routers)
	f.Strs("kagami.dhcp.search", r.Search)
	f.HexStr("kagami.dhcp.server_duid", r.ServerDUID)
	f.IP("kagami.dhcp.server_ip", r.ServerIP)
	f.Str("kagami.dhcp.status", r.Status)
	f.IP("kagami.dhcp.subnet_mask", r.SubnetMask)
	f.Str("kagami.dhcp.type", r.Type)
	octets(f, "kagami.dhcp.user_class", r.UserClass)
	octets(f, "kagami.dhcp.vendor_class", r.VendorClass)
	f.Int("kagami.dhcp.version", int64(r.Version))
}

// leases appends DHCPv6's addresses and prefixes.
func (r *DHCP) leases(f *Fields) {
	mark := Begin
	for i := range r.Leases {
		f.Mark(mark, "kagami.dhcp.leases")
		l := &r.Leases[i]
		f.Int("iaid", int64(l.IAID))
		f.Str("kind", l.Kind)
		if l.Prefix.IsValid() {
			f.Int("preferred", int64(l.Preferred))
			prefix(f, "prefix", l.Prefix)
		}
		f.Str("status", l.Status)
		if l.Prefix.IsValid() {
			f.Int("valid", int64(l.Valid))
		}
		mark = Next
	}
	if mark == Next {
		f.Mark(End, "kagami.dhcp.leases")
	}
}

// Fingerprint is Parameters as catalogues of systems write them: "1,3,6,15,31".
func (r *DHCP) Fingerprint() string {
	var f Fields
	r.fingerprint(&f)
	for _, x := range Plain(f) {
		return x.Str
	}
	return ""
}

// fingerprint appends Fingerprint.
func (r *DHCP) fingerprint(f *Fields) {
	at := f.open(Join, "kagami.dhcp.parameters")
	for i, p := range r.Parameters {
		if i > 0 {
			f.Str("", ",")
		}
		f.Digits("", int64(p))
	}
	f.close(at)
}

// octets appends a byte string for reading: as it is when that is ASCII that can be
// printed, else in hexadecimal behind "0x".
func octets(f *Fields, name, v string) {
	for i := range len(v) {
		if v[i] < ' ' || v[i] >= 0x7f {
			at := f.open(Join, name)
			f.Str("", "0x")
			f.HexStr("", v)
			f.close(at)
			return
		}
	}
	f.Str(name, v)
}

// prefix appends "2001:db8::/32".
func prefix(f *Fields, name string, p netip.Prefix) {
	at := f.open(Join, name)
	f.IP("", p.Addr())
	f.Str("", "/")
	f.Int("", int64(p.Bits()))
	f.close(at)
}
