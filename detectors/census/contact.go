package census

import (
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"

	"kagami/detectors/table"
	"kagami/packet"
	"kagami/records"
)

// Contact is what one record says about a machine inside turning to one outside:
// who, when, to whom. Whatever reaches a server through an explicit proxy counts
// as outside, under the name that the client asked the proxy for.
type Contact struct {
	Meta   *records.Meta
	Start  int64      // of the request, handshake, flow or pulse, nanoseconds since the epoch
	Source uint64     // the machine inside: see Census.Source
	Client netip.Addr // its address
	Name   string     // the server as named by the client, any case; "" when only its address is known
	Addr   netip.Addr // the server's address; not valid for a name behind a proxy
	Port   uint16     // 0 for ICMP
	How    How
	Up     int64  // octets of the request, 0 = not known
	Failed bool   // no answer, refused, or the proxy said so
	Status bool   // certificate status (OCSP, CRL)
	Looked bool   // Name is the one that the client had looked Addr up by; it stands not in the flow itself
	Pulse  bool   // client data after a pause inside a session or tunnel under way
	Agent  string // User-Agent, "" if none is known
	JA4    string // of the handshake, "" if none is known
	TTL    uint32 // OverDNS: seconds for which answers of that domain may be kept, 0 = not known

	dest, domain uint64 // hashes, 0 = not computed yet
}

// How a contact was made.
type How uint8

const (
	OverTCP How = iota
	OverUDP
	OverICMP
	OverHTTP
	OverTLS
	OverDNS        // a query for a name of the destination's domain
	ByProxy        // plain request through a proxy
	ByProxyConnect // tunnel through a proxy: CONNECT or SOCKS
)

// Proxied tells whether the contact was made through an explicit proxy.
func (h How) Proxied() bool { return h >= ByProxy }

// Proxied tells whether the contact was made through an explicit proxy.
func (k *Contact) Proxied() bool { return k.How.Proxied() }

// NTP tells whether a contact is a time request by port and transport.
func (k *Contact) NTP() bool { return k.How == OverUDP && k.Port == 123 }

// Text is "name:port" in lower case, or "address:port" with IPv6 in brackets. It
// comes from the wire: see incident.Quote.
func (k *Contact) Text() string {
	return Target{Name: strings.ToLower(k.Name), Addr: k.Addr, Port: k.Port}.String()
}

// Destination is a hash of who is contacted, the port left out.
func (k *Contact) Destination() uint64 {
	if k.dest == 0 {
		k.dest = Target{Name: k.Name, Addr: k.Addr}.Destination()
	}
	return k.dest
}

// DomainKey is a hash of the registered domain that the destination belongs to,
// or that of the destination where it has none.
func (k *Contact) DomainKey() uint64 {
	if k.domain == 0 {
		k.domain = k.Destination()
		if d := registered(k.Name); d != "" {
			k.domain = table.Name(d)
		}
	}
	return k.domain
}

// Key is a hash of source, destination and port.
func (k *Contact) Key() uint64 { return PairKey(k.Source, k.Destination(), k.Port) }

// PairKey is Contact.Key of parts.
func PairKey(source, destination uint64, port uint16) uint64 {
	return table.Number(table.Pair(source, destination), uint64(port))
}

// ContactOf reads a record. A flow whose content is HTTP, TLS or SOCKS is told
// by those records already; DNS has its own: see DNSContactOf.
func (c *Census) ContactOf(r records.Record) (Contact, bool) {
	m := r.Meta()
	if !m.ClientInternal {
		return Contact{}, false
	}
	server := m.Server()
	k := Contact{Meta: m, Client: m.Client().Addr(), Addr: server.Addr(), Port: server.Port()}
	ok := false
	switch r := r.(type) {
	case *records.HTTP:
		ok = k.http(r)
	case *records.TLS:
		k.Start, k.Name, k.How, k.JA4 = r.Start, r.ServerName, OverTLS, r.JA4
		k.Failed = r.Alert != "" && !r.Established
		ok = r.Via == "" && r.ClientHello && outward(m)
	case *records.Flow:
		ok = k.flow(r)
	case *records.Pulse:
		ok = k.pulse(r)
	case *records.SOCKS:
		ok = k.socks(r)
	}
	if !ok || k.Start <= 0 {
		return Contact{}, false
	}
	c.complete(&k)
	return k, true
}

// complete adds what the record itself does not tell.
func (c *Census) complete(k *Contact) {
	switch m := k.Meta; {
	case k.Name != "":
		k.literal()
	case !k.Proxied() && m.Resolved != nil && m.Resolved.Source == "dns":
		k.Name, k.Looked = m.Resolved.Name, true
	}
	if k.How == ByProxyConnect {
		if ja4 := c.tunnels.Get(k.Meta.UID); ja4 != nil {
			k.JA4 = *ja4
		}
	}
	k.Source = c.sourceOf(k.Client)
	if d := c.dests.Get(k.Destination()); d != nil {
		k.domain = d.domain // the list of public suffixes is slow to read
	}
}

func (k *Contact) http(r *records.HTTP) bool {
	if !r.RequestSeen || !r.Proxied && !outward(r.Meta()) {
		return false
	}
	k.Start, k.How, k.Agent = r.Start, OverHTTP, r.UserAgent
	k.Up = r.RequestHeaders + r.RequestBody
	k.Failed = r.ResponseSeen && r.Status >= 502 && r.Status <= 504
	k.Status = certificateStatus(r.ContentType) || certificateStatus(r.RequestType)
	if !r.Proxied {
		k.Name, _ = splitAuthority(r.Host)
		return true
	}
	if r.Method == "CONNECT" {
		return k.through(r.Host, ByProxyConnect, 443)
	}
	return k.through(r.Host, ByProxy, 80)
}

// through makes a contact one with whom a proxy was asked for.
func (k *Contact) through(authority string, how How, port uint16) bool {
	name, given := splitAuthority(authority)
	if given != 0 {
		port = given
	}
	k.How, k.Name, k.Addr, k.Port = how, name, netip.Addr{}, port
	return name != ""
}

func (k *Contact) flow(r *records.Flow) bool {
	m := r.Meta()
	switch r.Service { // what other records tell
	case "http", "tls", "dns", "socks":
		return false
	case "quic", "dtls":
		if r.ServerName != "" {
			return false
		}
	}
	k.Start, k.Name, k.Up = r.Start, r.ServerName, int64(r.Orig.Payload)
	if icmp(m.Key.Proto) {
		k.How, k.Port = OverICMP, 0
		return outside(m) && echo(r) && r.Orig.Packets > 0
	}
	if k.Port == 53 || !outward(m) {
		return false
	}
	switch m.Key.Proto {
	case packet.ProtoTCP:
		k.Failed = Refused(r)
		if !strings.Contains(r.History, "S") {
			k.Pulse = true
			return resumed(r)
		}
		return true
	case packet.ProtoUDP:
		k.How = OverUDP
		return r.Orig.Packets > 0
	}
	return false
}

// resumed tells whether a TCP flow without its beginning is a session that was
// silent for longer than the sensor waits, and in which the client speaks again.
// A keep-alive (RFC 1122 section 4.2.3.6) has one octet at most; a server inside
// that speaks first has a port of its own.
func resumed(r *records.Flow) bool {
	return strings.HasPrefix(r.History, "D") && r.Orig.Payload > 1 && r.Meta().Client().Port() >= 1024
}

// pulse is a beat inside a flow under way: of the tunnel's end where it is one,
// and under the name that the flow's other records use.
func (k *Contact) pulse(r *records.Pulse) bool {
	m := r.Meta()
	k.Start, k.Up, k.Pulse = r.Start, r.Bytes, true
	if r.Authority != "" {
		return k.through(r.Authority, ByProxyConnect, 443)
	}
	k.Name = r.ServerName
	switch {
	case icmp(m.Key.Proto):
		k.How, k.Port = OverICMP, 0
		return outside(m)
	case r.Service == "tls" || r.Service == "quic" || r.Service == "dtls":
		k.How = OverTLS
	case m.Key.Proto == packet.ProtoUDP:
		k.How = OverUDP
	}
	return k.Port != 53 && outward(m)
}

func (k *Contact) socks(r *records.SOCKS) bool {
	if r.Command != "connect" {
		return false
	}
	k.Start, k.How, k.Name, k.Addr, k.Port = r.Start, ByProxyConnect, r.RequestName, r.RequestAddr.Unmap(), r.RequestPort
	k.Failed = r.Status != "" && r.Status != "succeeded"
	return k.Name != "" || k.Addr.IsValid()
}

// DNSContactOf reads a DNS message as a machine's contact with a registered
// domain: each query once, and the answer where the query was not seen. A
// resolver's own queries are its clients', whose queries were seen, too.
func (c *Census) DNSContactOf(r records.Record) (Contact, bool) {
	q, ok := r.(*records.DNS)
	if !ok || q.Protocol != "dns" || q.RegisteredDomain == "" || q.Response && q.RTT >= 0 || q.Opcode != "QUERY" {
		return Contact{}, false
	}
	m := q.Meta()
	client := m.Client().Addr()
	if !m.ClientInternal || q.TopLevelDomain == "arpa" || strings.HasSuffix(q.TopLevelDomain, ".arpa") || c.Serves(client, 53) >= c.config.ServerClients {
		return Contact{}, false
	}
	k := Contact{Meta: m, Start: q.Time, Source: c.sourceOf(client), Client: client, Name: q.RegisteredDomain, Addr: m.Server().Addr(), Port: 53, How: OverDNS}
	k.dest = table.Name(k.Name)
	k.domain = k.dest
	if d := c.dests.Get(k.dest); d != nil {
		k.TTL = d.ttl
	}
	return k, k.Start > 0
}

// literal turns a name that is an address into the address.
func (k *Contact) literal() {
	last := k.Name[len(k.Name)-1]
	if last != ']' && (last < '0' || last > '9') && !strings.Contains(k.Name, ":") {
		return
	}
	if a, err := netip.ParseAddr(strings.Trim(k.Name, "[]")); err == nil {
		k.Name, k.Addr = "", a.Unmap().WithZone("")
	}
}

// registered is the domain under a public suffix that a name belongs to, "" for
// names that have none.
func registered(name string) string {
	if name == "" {
		return ""
	}
	d, err := publicsuffix.EffectiveTLDPlusOne(strings.ToLower(name))
	if err != nil {
		return ""
	}
	return d
}

// outside tells whether a flow goes from inside to one machine outside, not to a
// group or the neighbourhood.
func outside(m *records.Meta) bool {
	return m.ClientInternal && !m.ServerInternal && single(m.Server().Addr())
}

// outward is outside for protocols with ports.
func outward(m *records.Meta) bool { return outside(m) && m.HasPorts() }

func icmp(proto uint8) bool { return proto == packet.ProtoICMP || proto == packet.ProtoICMPv6 }

// echo tells whether an ICMP flow began with a request, not with a complaint.
func echo(r *records.Flow) bool {
	if r.Meta().Key.Proto == packet.ProtoICMP {
		return r.ICMPType == 8
	}
	return r.ICMPType == 128
}

// Refused tells whether a TCP connection was asked for and came to nothing:
// unanswered, reset, or given up before the server's SYN. A flow in which the
// client acknowledges or sends without a visible server is one-sided: the
// mirror does not show the answer, which says nothing.
func Refused(r *records.Flow) bool {
	switch r.ConnState {
	case "REJ", "RSTOS0":
		return true
	case "S0", "SH":
		return !strings.ContainsAny(r.History, "AD")
	}
	return false
}

// Answered tells whether a TCP connection was set up.
func Answered(r *records.Flow) bool {
	switch r.ConnState {
	case "S1", "SF", "S2", "S3", "RSTO", "RSTR":
		return true
	}
	return false
}

// splitAuthority splits "host:port" (RFC 3986 section 3.2); port is 0 when it
// is missing or not a number. User information and a root dot are taken off.
func splitAuthority(s string) (host string, port uint16) {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		s = s[i+1:]
	}
	i := strings.LastIndexByte(s, ':')
	bare := i >= 0 && strings.Contains(s[:i], ":") && s[0] != '[' // IPv6 without brackets has no port
	if i >= 0 && !bare && !strings.Contains(s[i:], "]") {
		if n, err := strconv.ParseUint(s[i+1:], 10, 16); err == nil {
			port = uint16(n)
		}
		s = s[:i]
	}
	return strings.TrimSuffix(s, "."), port
}

// certificateStatus tells whether a media type belongs to OCSP (RFC 6960
// appendix C) or a revocation list (RFC 5280 section 4.2.1.13).
func certificateStatus(mediaType string) bool {
	switch t, _, _ := strings.Cut(mediaType, ";"); t {
	case "application/ocsp-request", "application/ocsp-response", "application/pkix-crl":
		return true
	}
	return false
}
