package site

import (
	"net/netip"
	"strings"

	"kagami/records"
)

// proxies are the explicit proxies, by the address that clients turn to, and the
// other addresses from which they turn to origins.
type proxies struct {
	known   *table[netip.Addr, proxy]
	egress  *table[netip.Addr, netip.Addr] // another address of a proxy -> the proxy
	plain   uint64                         // transactions joined with their origin leg
	tunnels uint64                         // CONNECT tunnels joined
	hits    uint64
	unclear uint64 // ambiguous ones
}

// proxy is what was seen of one.
type proxy struct {
	configured bool
	served     uint32 // requests that it answered with success
	plain      uint64 // transactions joined: its origin side is visible
	egress     bool   // it was seen to turn to an origin
}

const (
	maxProxies = 256
	maxEgress  = 1024
	// provenServed is how many requests a machine must have served to be called
	// a proxy; one that was joined, or configured, is one in any case.
	provenServed = 3
)

func newProxies(configured []netip.Addr) proxies {
	p := proxies{known: newTable[netip.Addr, proxy](maxProxies + len(configured)), egress: newTable[netip.Addr, netip.Addr](maxEgress)}
	for _, a := range configured {
		x, _ := p.known.at(a.Unmap())
		x.configured = true
	}
	return p
}

// of is the proxy that an address belongs to.
func (p *proxies) of(a netip.Addr) (netip.Addr, *proxy) {
	if x := p.known.get(a); x != nil {
		return a, x
	}
	if main := p.egress.get(a); main != nil {
		if x := p.known.get(*main); x != nil {
			return *main, x
		}
	}
	return netip.Addr{}, nil
}

func (x *proxy) proven() bool { return x.configured || x.plain > 0 || x.served >= provenServed }

// learnProxy notes who serves absolute-form and CONNECT requests. What the
// detectors hold for a proxy takes more (detectors/site.go): they do not look at
// what a proxy does, so that nobody must become one with a few forged requests.
func (s *Site) learnProxy(r *records.HTTP, m *records.Meta) {
	if !r.Proxied || !r.RequestSeen || !r.ResponseSeen || r.Status < 200 || r.Status >= 400 {
		return
	}
	a := m.Server().Addr()
	x, _ := s.proxies.known.at(a)
	if x.served++; x.served == provenServed {
		s.nameProxy(a)
	}
}

// nameProxy gives a machine its role. What users' programs said on their way
// through it is not the machine's own.
func (s *Site) nameProxy(a netip.Addr) {
	if s.inside(a.As16()) {
		s.hosts.role(a, roleProxy, s.now)
	}
}

// learnEgress notes that a proxy turned to an origin from an address.
func (s *Site) learnEgress(main, from netip.Addr) {
	if main == from {
		return
	}
	e, fresh := s.proxies.egress.at(from)
	*e = main
	if fresh {
		s.nameProxy(from)
	}
}

// forOthers tells whether a request was made on behalf of another machine.
func forOthers(r *records.HTTP) bool {
	return r.Via != "" || r.ForwardedFor != "" || r.Forwarded != ""
}

// forwardedFor is the machine that the sender of a request names as the one it
// asks for: the last of X-Forwarded-For, or of Forwarded's for= (RFC 7239). Zero
// if it names none.
func forwardedFor(r *records.HTTP) netip.Addr {
	list := r.ForwardedFor
	if list == "" {
		list = r.Forwarded
	}
	if i := strings.LastIndexByte(list, ','); i >= 0 {
		list = list[i+1:]
	}
	list = strings.TrimSpace(list)
	if r.ForwardedFor == "" {
		list = forParameter(list)
	}
	if a, err := netip.ParseAddr(strings.Trim(list, "[]")); err == nil {
		return a.Unmap()
	}
	if a, err := netip.ParseAddrPort(list); err == nil {
		return a.Addr().Unmap()
	}
	return netip.Addr{}
}

// forParameter is the node of one element of Forwarded: `for="[2001:db8::1]:47011";proto=http`.
func forParameter(element string) string {
	for element != "" {
		var pair string
		pair, element, _ = strings.Cut(element, ";")
		if k, v, ok := strings.Cut(strings.TrimSpace(pair), "="); ok && strings.EqualFold(k, "for") {
			return strings.Trim(v, `"`)
		}
	}
	return ""
}
