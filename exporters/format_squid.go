package exporters

import (
	"net/netip"
	"strconv"
	"time"

	"kagami/records"
)

// squid writes Squid's access log, format "squid":
//
//	%ts.%03tu %6tr %>a %Ss/%03>Hs %<st %rm %ru %[un %Sh/%<a %mt
//
// as Squid 5 prints it: the time is the end of the transaction.
type squid struct{ access }

// Lengths that keep a line within the 8192 octets at which Squid cuts it, so that
// ours is never torn.
const (
	maxURL    = 7600
	maxUser   = 128
	maxMIME   = 128
	maxMethod = 64
)

func newSquid(e Env) Format { return &squid{access{direct: e.DirectTLS, legs: e.ProxyLegs}} }

// Append implements Format.
func (f *squid) Append(dst []byte, r records.Record) ([]byte, bool) {
	if !f.read(r) {
		return dst, false
	}
	a := &f.access
	dst = appendSeconds(dst, a.end)
	dst = append(dst, ' ')
	dst = appendPadded(dst, max(0, a.end-a.start)/int64(time.Millisecond), 6, ' ')
	dst = append(dst, ' ')
	dst = a.client.AppendTo(dst)
	dst = append(dst, ' ')
	dst = append(dst, a.result...)
	dst = append(dst, '/')
	dst = appendPadded(dst, int64(a.status), 3, '0')
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, a.bytes, 10)
	dst = append(dst, ' ')
	dst = a.appendMethod(dst)
	dst = append(dst, ' ')
	dst = a.url.append(dst, maxURL, &urlChars)
	dst = append(dst, ' ')
	dst = a.appendUser(dst)
	dst = append(dst, ' ')
	dst = append(dst, a.hierarchy...)
	dst = append(dst, '/')
	if a.peer.IsValid() {
		dst = a.peer.AppendTo(dst)
	} else {
		dst = append(dst, '-')
	}
	dst = append(dst, ' ')
	return appendMIME(dst, a.mime), true
}

// appendSeconds appends seconds since the epoch and exactly three decimals.
func appendSeconds(dst []byte, ns int64) []byte {
	t := time.Unix(0, ns)
	dst = strconv.AppendInt(dst, t.Unix(), 10)
	dst = append(dst, '.')
	return appendPadded(dst, int64(t.Nanosecond())/int64(time.Millisecond), 3, '0')
}

// appendPadded appends v, right-aligned to width.
func appendPadded(dst []byte, v int64, width int, pad byte) []byte {
	var b [20]byte
	s := strconv.AppendInt(b[:0], v, 10)
	for n := len(s); n < width; n++ {
		dst = append(dst, pad)
	}
	return append(dst, s...)
}

// appendMIME appends the media type up to its parameters.
func appendMIME(dst []byte, s string) []byte {
	for i := range len(s) {
		if s[i] == ';' || s[i] == ' ' || s[i] == '\t' {
			s = s[:i]
			break
		}
	}
	if s == "" {
		return append(dst, '-')
	}
	return safeChars.appendEscaped(dst, s, maxMIME)
}

// access is one line of an access log before it is spelled out.
type access struct {
	direct DirectTLS
	legs   ProxyLegs

	start, end int64 // nanoseconds since the epoch
	client     netip.Addr
	result     string
	status     int   // 0 = no response was seen
	bytes      int64 // octets to the client, response header included
	method     string
	url        target
	version    string
	user       string
	hierarchy  string
	peer       netip.Addr // the origin server, invalid = unknown
	mime       string
	referrer   string
	agent      string
}

// tunnelReply is how many octets Squid counts for its "200 Connection established".
const tunnelReply = 39

func (a *access) read(r records.Record) bool {
	if a.legs == ProxyLegsOmitted && r.Meta().Workstations != nil {
		return false
	}
	switch r := r.(type) {
	case *records.HTTP:
		return a.readHTTP(r)
	case *records.Flow:
		return a.direct == DirectTLSAsConnect && a.readTLS(r)
	}
	return false
}

// readHTTP reads a transaction; a response whose request was not seen has no line.
func (a *access) readHTTP(r *records.HTTP) bool {
	if !r.RequestSeen {
		return false
	}
	m := r.Meta()
	*a = access{direct: a.direct, legs: a.legs, start: r.Start, end: max(r.End, r.ResponseFrom, r.RequestEnd, r.Start), client: m.Client().Addr(),
		bytes: r.ResponseWire, method: r.Method, version: r.Version, user: r.User,
		hierarchy: "HIER_DIRECT", peer: m.Server().Addr(), mime: r.ContentType, referrer: r.Referrer, agent: r.UserAgent}
	a.url = httpTarget(r)
	if r.ResponseSeen {
		a.status = min(max(r.Status, 0), 999)
	}
	if r.Proxied {
		a.hierarchy, a.peer = "HIER_NONE", netip.Addr{} // nobody asked, or the proxy's other leg was not seen
		if r.OriginAddr.IsValid() {
			a.hierarchy, a.peer = "HIER_DIRECT", r.OriginAddr.Addr()
		}
	}
	success := a.status >= 200 && a.status < 300
	switch {
	case r.Method == "CONNECT" && success:
		a.result, a.mime = "TCP_TUNNEL", ""
		a.bytes = r.TunnelFromResp + tunnelReply
		if r.ResponseHeaders > 0 {
			a.bytes = r.TunnelFromResp + r.ResponseHeaders
		}
	case r.Method == "CONNECT" && r.Proxied && a.status >= 500:
		a.result, a.mime, a.bytes = cached(r), "", 0 // Squid 5 does not count what it says of a tunnel that failed
	case a.status == 0:
		a.result, a.bytes = "TCP_MISS_ABORTED", 0
	case r.Proxied && !r.OriginAddr.IsValid() && (a.status == 403 || a.status == 407):
		a.result = "TCP_DENIED"
	case a.status == 101:
		a.result = "TCP_MISS"
		a.bytes += r.TunnelFromResp
	case !r.ResponseComplete:
		a.result = cached(r) + "_ABORTED"
	default:
		a.result = cached(r)
	}
	return true
}

// cached is Squid's word for what a cache did. Whether it answered from memory
// (TCP_MEM_HIT) cannot be seen from outside.
func cached(r *records.HTTP) string {
	switch {
	case r.Cache == records.CacheRevalidated:
		return "TCP_REFRESH_UNMODIFIED"
	case r.Cache == records.CacheHit && r.Status == 304:
		return "TCP_IMS_HIT"
	case r.Cache == records.CacheHit:
		return "TCP_HIT"
	}
	return "TCP_MISS"
}

// readTLS reads a connection that carried TLS straight from the client to the
// server, as the CONNECT that a proxy would have logged; if the server never
// answered there is none.
func (a *access) readTLS(r *records.Flow) bool {
	if r.Service != "tls" || r.Tunnel != "" || r.Resp.Packets == 0 {
		return false
	}
	m := r.Meta()
	server := m.Server()
	*a = access{direct: a.direct, legs: a.legs, start: r.Start, end: r.End, client: m.Client().Addr(),
		result: "TCP_TUNNEL", status: 200, bytes: int64(r.Resp.Payload) + tunnelReply,
		method: "CONNECT", version: "1.1", hierarchy: "HIER_DIRECT", peer: server.Addr()}
	a.url = target{host: r.ServerName, addr: server.Addr(), port: server.Port(), withPort: true}
	return true
}

// appendMethod appends the method, or NONE as Squid up to 3 does if it is none:
// more readers take that than the "-" of Squid 5.
func (a *access) appendMethod(dst []byte) []byte {
	if a.method == "" || len(a.method) > maxMethod || !methodChars.all(a.method) {
		return append(dst, "NONE"...)
	}
	return append(dst, a.method...)
}

func (a *access) appendUser(dst []byte) []byte {
	if a.user == "" {
		return append(dst, '-')
	}
	return safeChars.appendEscaped(dst, a.user, maxUser)
}
