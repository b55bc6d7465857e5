package detectors

import (
	"net/netip"
	"strconv"
	"strings"

	"kagami/packet"
	"kagami/records"
)

// contact is what one record says about a machine inside turning to one outside:
// who, when, to whom. Whatever reaches a server through an explicit proxy counts
// as outside, under the name that the client asked the proxy for.
type contact struct {
	meta   *records.Meta
	start  int64      // of the request, handshake or flow, nanoseconds since the epoch
	client netip.Addr // inside
	name   string     // server as named by the client, any case; "" when only its address is known
	addr   netip.Addr // server's address; invalid for a name behind a proxy
	port   uint16
	how    how
	up     int64 // octets of the request, 0 = not known
	failed bool  // no answer, refused, or the proxy said so
	status bool  // certificate status (OCSP, CRL)
}

// how a contact was made.
type how uint8

const (
	overTCP how = iota
	overUDP
	overHTTP
	overTLS
	byProxy        // plain request through a proxy
	byProxyConnect // tunnel through a proxy
)

func (h how) proxied() bool { return h >= byProxy }

// contactOf reads a record. A flow whose content is HTTP or TLS is told by
// those records already; DNS has its own rules.
func contactOf(r records.Record) (contact, bool) {
	m := r.Meta()
	if !m.ClientInternal {
		return contact{}, false
	}
	server := m.Server()
	c := contact{meta: m, client: m.Client().Addr(), addr: server.Addr(), port: server.Port()}
	ok := false
	switch r := r.(type) {
	case *records.HTTP:
		ok = c.http(r)
	case *records.TLS:
		c.start, c.name, c.how = r.Start, r.ServerName, overTLS
		c.failed = r.Alert != "" && !r.Established
		ok = r.Via == "" && r.ClientHello && outward(m)
	case *records.Flow:
		ok = c.flow(r)
	}
	if ok && c.name != "" {
		c.literal()
	}
	return c, ok && c.start > 0
}

func (c *contact) http(r *records.HTTP) bool {
	if !r.RequestSeen || !r.Proxied && !outward(r.Meta()) {
		return false
	}
	c.start, c.how = r.Start, overHTTP
	c.up = r.RequestHeaders + r.RequestBody
	c.failed = r.ResponseSeen && r.Status >= 502 && r.Status <= 504
	c.status = certificateStatus(r.ContentType) || certificateStatus(r.RequestType)
	name, port := splitAuthority(r.Host)
	if !r.Proxied {
		c.name = name
		return true
	}
	c.how, c.name, c.addr, c.port = byProxy, name, netip.Addr{}, 80
	if r.Method == "CONNECT" {
		c.how, c.port = byProxyConnect, 443
	}
	if port != 0 {
		c.port = port
	}
	return name != ""
}

func (c *contact) flow(r *records.Flow) bool {
	m := r.Meta()
	switch r.Service { // what other records tell
	case "http", "tls", "dns":
		return false
	case "quic", "dtls":
		if r.ServerName != "" {
			return false
		}
	}
	if c.port == 53 || !outward(m) {
		return false
	}
	c.start, c.name, c.up = r.Start, r.ServerName, int64(r.Orig.Payload)
	switch m.Key.Proto {
	case packet.ProtoTCP:
		c.failed = refused(r)
		return strings.Contains(r.History, "S")
	case packet.ProtoUDP:
		c.how = overUDP
		return r.Orig.Packets > 0
	}
	return false
}

// literal turns a name that is an address into the address.
func (c *contact) literal() {
	last := c.name[len(c.name)-1]
	if last != ']' && (last < '0' || last > '9') && !strings.Contains(c.name, ":") {
		return
	}
	if a, err := netip.ParseAddr(strings.Trim(c.name, "[]")); err == nil {
		c.name, c.addr = "", a.Unmap()
	}
}

// destination is a hash of who is contacted, the port left out.
func (c *contact) destination() uint64 {
	if c.name != "" {
		return nameKey(c.name)
	}
	return addrKey(c.addr)
}

// key is a hash of client, server and port.
func (c *contact) key() uint64 {
	return mix(hashNumber(hashNumber(addrKey(c.client), c.destination()), uint64(c.port)))
}

func (c *contact) text() string { return endpointText(strings.ToLower(c.name), c.addr, c.port) }

// ntp tells whether a contact is a time request by port and transport.
func (c *contact) ntp() bool { return c.how == overUDP && c.port == 123 }

func addrKey(a netip.Addr) uint64 {
	b := a.As16()
	return mix(hashBytes(fnvOffset, b[:]))
}

func nameKey(s string) uint64 { return mix(hashName(fnvOffset, s)) }

// outward tells whether a flow goes from inside to one machine outside, not to
// a group or the neighbourhood.
func outward(m *records.Meta) bool {
	return m.ClientInternal && !m.ServerInternal && single(m.Server().Addr()) && m.HasPorts()
}

// single tells whether an address is of one machine beyond the link.
func single(a netip.Addr) bool {
	return a.IsGlobalUnicast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// refused tells whether a TCP connection was asked for and came to nothing:
// unanswered, reset, or given up before the server's SYN. A flow in which the
// client acknowledges or sends without a visible server is one-sided: the
// mirror does not show the answer, which says nothing.
func refused(r *records.Flow) bool {
	switch r.ConnState {
	case "REJ", "RSTOS0":
		return true
	case "S0", "SH":
		return !strings.ContainsAny(r.History, "AD")
	}
	return false
}

// answered tells whether a TCP connection was set up.
func answered(state string) bool {
	switch state {
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
