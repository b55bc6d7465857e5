package site

import (
	"net/netip"
	"strings"

	"kagami/records"
)

// learnAgent guesses the operating system of a machine by what its programs say
// of themselves. What passes through a proxy on its way is not its own.
func (s *Site) learnAgent(r *records.HTTP, m *records.Meta) {
	if r.UserAgent == "" || !m.ClientInternal || !r.RequestSeen || s.relays(r, m) {
		return
	}
	a := m.Client().Addr()
	x, _ := s.hosts.table.at(a)
	if x.agent != r.UserAgent {
		if len(r.UserAgent) > maxAgent {
			return
		}
		x.agent = strings.Clone(r.UserAgent)
		x.os.last, x.os.weight = osOf(x.agent)
	}
	s.guessOS(a, x, x.os.last, x.os.weight, "user-agent")
}

// maxAgent is how long an agent's text is read.
const maxAgent = 512

// guessOS weighs a sign for an operating system.
func (s *Site) guessOS(a netip.Addr, x *host, os string, weight int, source string) {
	if os == "" {
		return
	}
	f := &x.facts[factOS]
	best := x.os.add(os, weight, f.Value)
	switch {
	case best != "":
		s.know(a, factOS, best, source, rankGuess)
	case f.Value != "": // several systems behind one address
		old := f.Fact
		*f = fact{}
		x.snap = nil
		s.hosts.note(x, change{addr: a, what: factOS, old: old.Value, source: source, since: old.Since}, s.now)
	}
}

// relays tells whether a request's sender asks for others.
func (s *Site) relays(r *records.HTTP, m *records.Meta) bool {
	if forOthers(r) {
		return true
	}
	_, p := s.proxies.of(m.Client().Addr())
	return p != nil && p.proven()
}

// learnWebUser notes who proved to be whom to a proxy or a web server: what was
// not served may be a guess, or an attack.
func (s *Site) learnWebUser(r *records.HTTP, m *records.Meta) {
	if r.User == "" || !m.ClientInternal || !r.ResponseSeen || r.Status >= 400 || s.relays(r, m) {
		return
	}
	if r.Proxied {
		s.know(m.Client().Addr(), factUser, r.User, "proxy-auth", rankSelf)
		return
	}
	s.know(m.Client().Addr(), factUser, r.User, "http-auth", rankGuess)
}

// learnLogin notes who logged in to mail and file servers. Such accounts need
// not be named like the person.
func (s *Site) learnLogin(r *records.Auth, m *records.Meta) {
	served := r.Result == records.AuthSuccess || r.Result == records.AuthUnknown && m.Visibility.OneSided
	if !served || r.Method == records.AuthAnonymous || !m.ClientInternal {
		return
	}
	rank := uint8(rankGuess)
	if r.Protocol == "socks" {
		rank = rankSelf
	}
	s.know(m.Client().Addr(), factUser, r.User, r.Protocol, rank)
}

// learnAnnounced notes how machines inside call themselves (mDNS, LLMNR, NetBIOS)
// and how the site's own DNS does (PTR), and who resolves names for others.
func (s *Site) learnAnnounced(r *records.DNS, m *records.Meta) {
	if r.Protocol == "nbns" {
		s.learnNetBIOS(r, m)
	}
	if !r.Response {
		return
	}
	switch r.Protocol {
	case "dns":
		s.learnResolver(r, m)
		for i := range r.Answers {
			if a := &r.Answers[i]; a.Type == "PTR" {
				if addr := reverse(a.Name); addr.IsValid() {
					s.know(addr, factName, bareName(a.Data), "ptr", rankLookup)
				}
			}
		}
	case "mdns", "llmnr":
		s.learnOwnNames(r, m)
	}
}

// learnOwnNames takes names from machines that speak for themselves: one of the
// addresses that they give is that of an end of the flow.
func (s *Site) learnOwnNames(r *records.DNS, m *records.Meta) {
	client, server := m.Client().Addr(), m.Server().Addr()
	for i := range r.Answers {
		own := &r.Answers[i]
		if a, ok := address(own); !ok || a != client && a != server {
			continue
		}
		for j := range r.Answers { // its other addresses, too
			if a, ok := address(&r.Answers[j]); ok && strings.EqualFold(r.Answers[j].Name, own.Name) {
				s.know(a, factName, strings.TrimSuffix(bareName(own.Name), ".local"), r.Protocol, rankSelf)
			}
		}
		return
	}
}

// address is what an A or AAAA record says.
func address(a *records.Answer) (netip.Addr, bool) {
	switch a.Type {
	case "A", "AAAA":
		addr, err := netip.ParseAddr(a.Data)
		return addr.Unmap(), err == nil
	}
	return netip.Addr{}, false
}

// learnResolver notes who offers recursion to machines inside, and answers.
func (s *Site) learnResolver(r *records.DNS, m *records.Meta) {
	if !m.ServerInternal || m.Server().Port() != 53 || r.RCode != "NOERROR" || len(r.Answers) == 0 {
		return
	}
	for _, f := range r.Flags {
		if f == "RA" {
			s.hosts.role(m.Server().Addr(), roleResolve, s.now)
			return
		}
	}
}

// reverse is the address that a name of the reverse tree stands for (RFC 1035
// section 3.5, RFC 3596 section 2.5), invalid if it is none.
func reverse(name string) netip.Addr {
	if v4, ok := cutSuffixFold(name, ".in-addr.arpa"); ok {
		part := strings.Split(v4, ".")
		if len(part) != 4 {
			return netip.Addr{}
		}
		a, _ := netip.ParseAddr(part[3] + "." + part[2] + "." + part[1] + "." + part[0])
		return a
	}
	v6, ok := cutSuffixFold(name, ".ip6.arpa")
	if !ok || len(v6) != 63 {
		return netip.Addr{}
	}
	var a [16]byte
	for i := range 32 {
		n := strings.IndexByte("0123456789abcdef", lower(v6[62-2*i]))
		if n < 0 || i < 31 && v6[61-2*i] != '.' {
			return netip.Addr{}
		}
		a[i/2] |= byte(n) << (4 * uint(1-i%2))
	}
	return netip.AddrFrom16(a)
}

func cutSuffixFold(s, suffix string) (string, bool) {
	if n := len(s) - len(suffix); n >= 0 && strings.EqualFold(s[n:], suffix) {
		return s[:n], true
	}
	return s, false
}
