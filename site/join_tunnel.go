package site

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"kagami/records"
)

// hello is one TLS handshake on both legs of a proxy: the ClientHello passes
// through a tunnel unchanged, so its random is equal on both, and on no other.
type hello struct {
	tunnel struct {
		flow  uint64 // 0 = not seen
		proxy netip.Addr
		who   records.Workstation
	}
	egress struct {
		flow   uint64 // 0 = not seen
		client netip.Addr
		server netip.AddrPort
		held   *held
	}
}

// opened is where a CONNECT tunnel leads.
type opened struct {
	origin netip.AddrPort
	flow   uint64
}

// joinHello takes a handshake within a tunnel, or one that a proxy may have passed on.
func (s *Site) joinHello(r *records.TLS, m *records.Meta) bool {
	if r.ClientRandom == ([32]byte{}) {
		return false
	}
	_, byProxy := s.proxies.of(m.Client().Addr())
	h, _ := s.joins.hellos.at(newHash.octets(r.ClientRandom[:]))
	tunnel := r.Via == "CONNECT" || r.Via == "SOCKS"
	if tunnel {
		h.tunnel.flow, h.tunnel.proxy, h.tunnel.who = m.UID, m.Server().Addr(), s.workstation(m, "")
	} else if h.egress.flow == 0 {
		if byProxy != nil {
			s.names.asked(m, r.ServerName, r.Start)
		}
		h.egress.flow, h.egress.client, h.egress.server = m.UID, m.Client().Addr(), m.Server()
	}
	if h.tunnel.flow != 0 && h.egress.flow != 0 {
		s.passThrough(h)
		if !tunnel {
			m.Workstations = only(h.tunnel.who)
		}
		return false
	}
	if tunnel || byProxy == nil {
		return false
	}
	byProxy.egress = true
	h.egress.held = s.hold(r, h)
	return h.egress.held != nil
}

// passThrough joins the legs of a tunnel.
func (s *Site) passThrough(h *hello) {
	o, fresh := s.joins.opened.at(h.tunnel.flow)
	*o = opened{h.egress.server, h.egress.flow}
	if fresh {
		s.proxies.tunnels++
	}
	p, _ := s.proxies.known.at(h.tunnel.proxy)
	p.egress = true
	if p.served++; p.served == provenServed {
		s.nameProxy(h.tunnel.proxy)
	}
	s.learnEgress(h.tunnel.proxy, h.egress.client)
	s.serves(h.egress.flow, h.tunnel.who)
	if x := h.egress.held; x != nil && x.record != nil {
		x.record.Meta().Workstations = only(h.tunnel.who)
		s.release(x)
	}
	h.egress.held = nil
}

// late implements owner: the handshake is the proxy's own, or its tunnel was not seen.
func (h *hello) late(*Site) { h.egress.held = nil }

// joinConnect takes the end of a tunnel. Where no handshake told where it leads,
// the proxy's connections do: to an address that it had looked up by the tunnel's
// name, opened between the client's request and the proxy's answer; if there are
// several, by what went through.
func (s *Site) joinConnect(r *records.HTTP, m *records.Meta) bool {
	if o := s.joins.opened.peek(m.UID); o != nil {
		r.OriginAddr, r.OriginFlow = o.origin, o.flow
		if r.User != "" {
			s.serves(o.flow, s.workstation(m, r.User))
		}
		s.joins.opened.remove(m.UID)
		return false
	}
	host, port := splitHostPort(r.Host, 443)
	_, p := s.proxies.of(m.Server().Addr())
	if (r.Status < 200 || r.Status >= 300) && !failed(r) || p == nil || !p.egress {
		return false
	}
	w := &wait{http: r, proxy: m.Server().Addr(), who: s.workstation(m, r.User), key: connectionKey(m.Server().Addr(), host, port)}
	return s.wait(w)
}

// joinFlow takes the end of a connection: it bears the workstations that it
// served. A proxy's that is not known to have served any may be a tunnel's.
func (s *Site) joinFlow(r *records.Flow, m *records.Meta) bool {
	if list := s.joins.flows.peek(m.UID); list != nil {
		m.Workstations = &records.Workstations{List: *list}
		s.joins.flows.remove(m.UID)
		return false
	}
	main, p := s.proxies.of(m.Client().Addr())
	if p == nil || !isTCP(m) || r.Resp.Packets == 0 {
		return false
	}
	p.egress = true
	x := &leg{flow: m.UID, client: m.Client().Addr(), mac: m.ClientMAC, server: m.Server(), start: r.Start, end: r.End,
		up: int64(r.Orig.Payload), down: int64(r.Resp.Payload)}
	f := &ended{leg: x, keys: s.flowKeys(main, r, m)}
	if f.held = s.hold(r, f); f.held == nil {
		return false
	}
	for _, key := range f.keys {
		s.joins.legs.add(key, x)
	}
	return true
}

// ended is a proxy's connection whose client is not known yet.
type ended struct {
	leg  *leg
	keys []uint64
	held *held
}

// late implements owner: tunnels that wait decide now, while their connection is here.
func (f *ended) late(s *Site) {
	m := f.held.record.Meta()
	for _, key := range f.keys {
		for _, w := range slices.Clone(s.joins.waits[key]) {
			if !f.leg.claimed && s.fits(w, f.leg) {
				s.giveUp(w.held)
			}
		}
	}
	if list := s.joins.flows.peek(m.UID); list != nil {
		m.Workstations = &records.Workstations{List: *list}
		s.joins.flows.remove(m.UID)
	}
}

// maxFlowKeys bounds the names under which one connection may be sought.
const maxFlowKeys = 2 + maxNames

// flowKeys are the tunnels that a connection may be of: by its address, by the
// name in it, and by those that the proxy had looked the address up by.
func (s *Site) flowKeys(main netip.Addr, r *records.Flow, m *records.Meta) []uint64 {
	server := m.Server()
	keys := make([]uint64, 0, maxFlowKeys)
	add := func(host string) {
		if k := connectionKey(main, host, server.Port()); !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	add(server.Addr().String())
	if r.ServerName != "" {
		add(domainOf(bareName(r.ServerName)))
	}
	s.names.each(m.Key.Addr(m.Orig), m.Key.Addr(m.Orig.Other()), add)
	return keys
}

func connectionKey(proxy netip.Addr, host string, port uint16) uint64 {
	a := proxy.As16()
	return newHash.text("CONNECT").octets(a[:]).name(host).number(uint64(port)).sum()
}

// splitHostPort splits an authority (RFC 3986 section 3.2) without regard to user
// information and a root dot; an address is written as netip does.
func splitHostPort(s string, port uint16) (string, uint16) {
	s = s[strings.LastIndexByte(s, '@')+1:]
	if i := strings.LastIndexByte(s, ':'); i >= 0 && strings.IndexByte(s[i:], ']') < 0 {
		if n, err := strconv.ParseUint(s[i+1:], 10, 16); err == nil {
			port = uint16(n)
		}
		s = s[:i]
	}
	s = strings.TrimSuffix(s, ".")
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		s = a.Unmap().String()
	}
	return s, port
}
