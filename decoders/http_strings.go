package decoders

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"

	"kagami/records"
	"kagami/sensor"
)

const oddHost = "bad host"

// notInHost are characters that no authority without user information has.
const notInHost = "/?#@ \t\\"

// httpStrings fills in a record's strings. What rarely changes on a connection
// is shared between its records.
type httpStrings struct {
	agent, server, contentType, reason                string
	origin, via, forwarded, forwardedFor              string
	proxyConnection, responseVia, xCache, cacheStatus string
}

// share is b as a string, the last one if that is equal.
func share(last *string, b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if string(b) != *last {
		*last = string(b)
	}
	return *last
}

// request fills in what a request's header section says, its URL aside.
func (h *httpStrings) request(x *httpExchange, head *httpHead) {
	if x.Method = knownMethod(head.method); x.Method == "" {
		x.Method = string(head.method)
	}
	x.Version = head.version
	x.UserAgent = share(&h.agent, head.agent)
	x.RequestType = string(head.contentType)
	_, x.Referrer = withoutUser(string(head.referrer))
	x.Origin = share(&h.origin, head.origin)
	x.Range = string(head.byteRange)
	x.RequestEncoding = string(head.contentEncoding)
	if head.authorization != nil || head.proxyAuth != nil {
		c := head.credentials()
		x.User, x.AuthScheme, x.Password, x.ProxyAuth = c.user, c.scheme, c.password, c.proxy
	}
	h.proxies(x, head)
}

// weigh counts the octets of a request's strings.
func (x *httpExchange) weigh() {
	x.kept = len(x.URL) + len(x.Target) + len(x.UserAgent) + len(x.RequestType) + len(x.Referrer) + len(x.User) +
		len(x.Origin) + len(x.Range) + len(x.RequestEncoding) + len(x.Via) + len(x.Forwarded) + len(x.ForwardedFor) +
		len(x.ForwardedFrom) + len(x.ClientIP) + len(x.ProxyConnection) + len(x.XroxyConnection)
	if x.offer != nil {
		x.kept += len(x.offer.key) + len(x.offer.protocols) + len(x.offer.extensions)
	}
}

// proxies fills in what proxies on the way say.
func (h *httpStrings) proxies(x *httpExchange, head *httpHead) {
	x.Via = share(&h.via, head.via)
	x.Forwarded = share(&h.forwarded, head.forwarded)
	x.ForwardedFor = share(&h.forwardedFor, head.forwardedFor)
	x.ForwardedFrom, x.ClientIP = string(head.forwardedFrom), string(head.clientIP)
	x.ProxyConnection, x.XroxyConnection = share(&h.proxyConnection, head.proxyConnection), string(head.xroxyConnection)
}

// response fills in what a response's header section says.
func (h *httpStrings) response(x *httpExchange, head *httpHead) {
	x.Reason = share(&h.reason, head.reason[:min(len(head.reason), maxValue)])
	x.ResponseVersion = head.version
	x.ContentType = share(&h.contentType, head.contentType)
	x.Server = share(&h.server, head.server)
	x.ContentEncoding = string(head.contentEncoding)
	_, x.Location = withoutUser(string(head.location))
	x.ContentRange = string(head.contentRange)
	x.ResponseVia = share(&h.responseVia, head.via)
	x.XCache = share(&h.xCache, head.xCache)
	x.CacheStatus = share(&h.cacheStatus, head.cacheStatus)
	x.Age = string(head.age)
}

// url fills in Target, Host, URL and Proxied (RFC 9112 section 3.3).
func (h *httpStrings) url(f *sensor.Flow, x *httpExchange, head *httpHead) {
	target := head.target[:min(len(head.target), maxTarget)]
	host := head.host
	if bytes.ContainsAny(host, notInHost) {
		head.note(oddHost)
		host = nil
	}
	switch {
	case x.Method == "CONNECT":
		x.Target = string(target[bytes.LastIndexByte(target, '@')+1:])
		x.Proxied, x.Host, x.URL = true, x.Target, x.Target
		if strings.ContainsAny(x.Target, notInHost) { // a path, as some tunnelling apps send
			head.note(oddAuthority)
			x.Host = string(host)
		}
	case isAbsolute(target):
		x.Proxied = true
		x.Host, x.URL = withoutUser(string(target))
		x.Target = x.URL
	default:
		h.originURL(f, x, []byte("http"), host, target)
	}
}

// originURL puts a URL together. Host and Target are parts of it, so that one
// string holds all three.
func (h *httpStrings) originURL(f *sensor.Flow, x *httpExchange, scheme, host, target []byte) {
	var buf [512]byte
	url := append(append(buf[:0], scheme...), "://"...)
	prefix := len(url)
	if len(host) > 0 {
		url = append(url, host...)
	} else {
		url = appendServer(url, f)
	}
	authority := len(url)
	if len(target) == 0 || target[0] != '/' && string(target) != "*" {
		url = append(url, '/')
	}
	path := len(url)
	if string(target) == "*" {
		x.Target = "*"
		x.URL = string(url)
	} else {
		x.URL = string(append(url, target...))
		x.Target = x.URL[path:]
	}
	if len(host) > 0 {
		x.Host = x.URL[prefix:authority]
	}
}

// appendServer appends the authority of a request that names none.
func appendServer(b []byte, f *sensor.Flow) []byte {
	side := f.Orig.Other()
	addr := netip.AddrFrom16(f.Key.Addr(side)).Unmap()
	if addr.Is6() {
		b = append(addr.AppendTo(append(b, '[')), ']')
	} else {
		b = addr.AppendTo(b)
	}
	if port := f.Key.Port(side); port != 80 {
		b = strconv.AppendUint(append(b, ':'), uint64(port), 10)
	}
	return b
}

// isAbsolute tells whether a target is in absolute-form: scheme "://" ...
func isAbsolute(target []byte) bool {
	const maxScheme = 16
	i := bytes.IndexByte(target[:min(len(target), maxScheme)], ':')
	if i <= 0 || !bytes.HasPrefix(target[i:], []byte("://")) {
		return false
	}
	for _, c := range target[:i] {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return false
		}
	}
	return true
}

// withoutUser returns an absolute URL's authority, and the URL, both without
// user information: that may hold a password. Another text stays as it is.
func withoutUser(target string) (host, url string) {
	scheme, rest, _ := strings.Cut(target, "://")
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndexByte(rest[:end], '@')
	if at < 0 {
		return rest[:end], target
	}
	return rest[at+1 : end], scheme + "://" + rest[at+1:]
}

// labelName is the host's name for the flow's label, "" for an address. It is a
// copy: the flow outlives the record that the host is a part of.
func labelName(r *records.HTTP) string {
	name := r.HostName()
	if _, err := netip.ParseAddr(name); err == nil || name == "" {
		return ""
	}
	return strings.Clone(name)
}
