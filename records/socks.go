package records

import "net/netip"

// SOCKS is one request to a SOCKS proxy (SOCKS 4, 4a; RFC 1928, RFC 1929) and
// what went through it.
type SOCKS struct {
	meta Meta

	Start    int64 // first octet, nanoseconds since the epoch
	Answered int64 // the proxy's reply, 0 = not seen
	End      int64 // last packet seen

	Version string // "4", "4a" or "5"
	Method  string // authentication that the proxy chose: "none", "password", "gssapi" ...; SOCKS 5 only
	Offered []string
	User    string // user id (4) or user name (5); the password is never kept
	// UserRefused: the proxy did not accept the user's password.
	UserRefused bool

	Command     string     // "connect", "bind", "udp_associate"; "" = the request was not seen
	RequestName string     // host name that was asked for, "" if an address was
	RequestAddr netip.Addr // address that was asked for
	RequestPort uint16

	Status    string // as Zeek says it: "succeeded", "Connection refused" ...; "" = no reply was seen
	Code      uint8  // the reply's code
	BoundName string
	BoundAddr netip.Addr
	BoundPort uint16
	Peer      netip.AddrPort // who connected, in the second reply to a bind

	// Tunnel is the protocol of what went through, TunnelName its server's name;
	// the octets are those behind the handshake.
	Tunnel, TunnelName             string
	TunnelFromOrig, TunnelFromResp int64

	Gap bool   // octets were lost inside the handshake
	Odd string // first violation of the protocol or limit met, "" if none
}

// NewSOCKS returns a SOCKS record that bears m.
func NewSOCKS(m Meta) *SOCKS { m.Kind = KindSOCKS; return &SOCKS{meta: m} }

// Meta implements Record.
func (r *SOCKS) Meta() *Meta { return &r.meta }

// Stamp gives the record its header.
func (r *SOCKS) Stamp(m Meta) { m.Kind = KindSOCKS; r.meta = m }

// Granted tells whether the proxy did as it was asked.
func (r *SOCKS) Granted() bool { return r.Status == SOCKSSucceeded }

// SOCKSSucceeded is the status of a request that was granted.
const SOCKSSucceeded = "succeeded"

// SOCKSStatus is a reply's code in words, those of Zeek.
func SOCKSStatus(version string, code uint8) string {
	words := [...]string{SOCKSSucceeded, "general SOCKS server failure", "connection not allowed by ruleset", "Network unreachable",
		"Host unreachable", "Connection refused", "TTL expired", "Command not supported", "Address type not supported"}
	if version != "5" {
		switch code {
		case 0x5a:
			return SOCKSSucceeded
		case 0x5b:
			return words[1]
		case 0x5c:
			return "request failed because client is not running identd"
		case 0x5d:
			return "request failed because client's identd could not confirm the user ID string in the request"
		}
		return "unknown"
	}
	if int(code) < len(words) {
		return words[code]
	}
	return "unknown"
}

// AppendFields implements Record.
func (r *SOCKS) AppendFields(dst []Field) []Field {
	f, m := Fields(dst), &r.meta
	e := Event{Kind: "event", Category: categoryNetwork, Type: typeProtocolConnection, Action: "socks-request",
		Start: r.Start, End: r.End}
	switch {
	case r.Granted():
		e.Outcome = "success"
	case r.Status != "":
		e.Outcome, e.Reason = "failure", r.Status
	case r.UserRefused:
		e.Outcome, e.Reason = "failure", "user refused"
	}
	m.event(&f, e)
	m.network(&f, "socks", 0, 0)
	m.endpoints(&f, Peer{}, Peer{})
	m.related(&f, r.RequestName)
	f.list("related.user", r.User)
	f.Str("url.domain", r.RequestName)
	f.Count("url.port", uint64(r.RequestPort))
	f.Str("user.name", r.User)
	r.request(&f)
	m.tail(&f)
	return f
}

// request appends kagami.socks.*.
func (r *SOCKS) request(f *Fields) {
	f.IP("kagami.socks.bound.ip", r.BoundAddr)
	f.Str("kagami.socks.bound.name", r.BoundName)
	f.Count("kagami.socks.bound.port", uint64(r.BoundPort))
	f.Str("kagami.socks.command", r.Command)
	f.Flag("kagami.socks.gap", r.Gap)
	f.Str("kagami.socks.method", r.Method)
	f.Str("kagami.socks.odd", r.Odd)
	f.Strs("kagami.socks.offered_methods", r.Offered)
	if r.Peer.IsValid() {
		f.IP("kagami.socks.peer.ip", r.Peer.Addr())
		f.Int("kagami.socks.peer.port", int64(r.Peer.Port()))
	}
	f.IP("kagami.socks.request.ip", r.RequestAddr)
	f.Str("kagami.socks.request.name", r.RequestName)
	f.Count("kagami.socks.request.port", uint64(r.RequestPort))
	f.Str("kagami.socks.status", r.Status)
	f.Count("kagami.socks.tunnel.from_client", uint64(r.TunnelFromOrig))
	f.Count("kagami.socks.tunnel.from_server", uint64(r.TunnelFromResp))
	f.Str("kagami.socks.tunnel.name", r.TunnelName)
	f.Str("kagami.socks.tunnel.protocol", r.Tunnel)
	f.Flag("kagami.socks.user_refused", r.UserRefused)
	f.Str("kagami.socks.version", r.Version)
}
