package lab

import (
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// dnsKey names an entry of an asker's DNS cache.
type dnsKey struct {
	asker netip.Addr
	name  string
	kind  uint16
}

const (
	negativeTTL = 300  // seconds a missing name is remembered (RFC 2308)
	internalTTL = 1200 // seconds, of the office's own zone
)

// lookup has asker resolve name for both address families, unless it still
// remembers, and returns when it knows the answer.
func (d *day) lookup(t time.Duration, asker *Endpoint, name string) time.Duration {
	a := d.ask(t, asker, name, dns.TypeA)
	if strings.HasSuffix(name, "."+d.s.Network.Domain) {
		return a
	}
	return max(a, d.ask(t+30*time.Microsecond, asker, name, dns.TypeAAAA))
}

// ask sends one query to the resolver and its answer back. The resolver asks
// upstream if it does not know.
func (d *day) ask(t time.Duration, asker *Endpoint, name string, kind uint16) time.Duration {
	key := dnsKey{asker.Addr, name, kind}
	if t < d.names[key] {
		return t
	}
	ns := d.resolver()
	if asker.Addr == ns.Addr {
		return d.upstream(t, name, kind)
	}
	port, id := d.wire.Port(asker), uint16(d.rng.Uint32())
	query := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
	query.Id = id
	d.udpDNS(t, asker, port, ns, 53, query)
	d.truth.Counts.DNS.ClientToResolver++

	know := d.upstream(t+ns.RTT, name, kind)
	reply, ttl := d.answer(query, name, kind)
	if left := d.names[dnsKey{ns.Addr, name, kind}] - know; left > 0 {
		ttl = int(left / time.Second)
		for _, rr := range reply.Answer {
			rr.Header().Ttl = uint32(ttl)
		}
	}
	reply.RecursionAvailable = true
	d.udpDNS(know, ns, 53, asker, port, reply)
	d.names[key] = know + time.Duration(ttl)*time.Second
	return know + asker.RTT
}

// upstream has the resolver learn the name if it must, and returns when it can
// answer.
func (d *day) upstream(t time.Duration, name string, kind uint16) time.Duration {
	ns, up := d.resolver(), d.end(d.s.Network.Upstream)
	key := dnsKey{ns.Addr, name, kind}
	if d.internal(name) || t < d.names[key] {
		return t + d.rng.Span(50*time.Microsecond, 150*time.Microsecond)
	}
	t += d.rng.Span(100*time.Microsecond, 300*time.Microsecond)
	query := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
	query.Id = uint16(d.rng.Uint32())
	query.SetEdns0(1232, false)
	reply, ttl := d.answer(query, name, kind)
	reply.RecursionAvailable = true
	port := d.wire.Port(ns)
	d.udpDNS(t, ns, port, up, 53, query)
	d.truth.Counts.DNS.ResolverUpstream++
	t += up.RTT + d.rng.Span(0, 6*time.Millisecond)
	if site := d.s.site(name); site != nil && site.Truncate && kind == dns.TypeA {
		short := reply.Copy()
		short.Truncated, short.Answer = true, nil
		d.udpDNS(t, up, 53, ns, port, short)
		t = d.tcpDNS(t+ns.RTT, ns, up, query, reply)
	} else {
		d.udpDNS(t, up, 53, ns, port, reply)
	}
	know := t + ns.RTT
	d.names[key] = know + time.Duration(ttl)*time.Second
	return know
}

// tcpDNS repeats a truncated query over TCP (RFC 7766).
func (d *day) tcpDNS(t time.Duration, ns, up *Endpoint, query, reply *dns.Msg) time.Duration {
	c := d.wire.Dial(t, ns, 0, up, 53)
	d.truth.Counts.DNS.ResolverUpstream++
	d.truth.Counts.DNS.OverTCP++
	d.truth.Counts.DNS.Responses++
	c.Send(Client, 0, prefixed(2, d.pack(query)))
	t = c.Send(Server, c.Ready(Server)+2*time.Millisecond, prefixed(2, d.pack(reply)))
	c.Close(Client, c.Ready(Client))
	return t
}

func (d *day) udpDNS(t time.Duration, src *Endpoint, sport uint16, dst *Endpoint, dport uint16, m *dns.Msg) {
	if m.Response {
		d.truth.Counts.DNS.Responses++
	}
	d.wire.UDP(t, src, sport, dst, dport, d.pack(m))
}

func (d *day) pack(m *dns.Msg) []byte {
	b, err := m.Pack()
	if err != nil {
		d.wire.fail(err)
	}
	return b
}

func (d *day) internal(name string) bool {
	return strings.HasSuffix(name, "."+d.s.Network.Domain) || strings.HasSuffix(name, ".in-addr.arpa")
}

// answer builds the reply to a query and says for how many seconds it holds.
func (d *day) answer(query *dns.Msg, name string, kind uint16) (*dns.Msg, int) {
	m := new(dns.Msg).SetReply(query)
	m.Compress = true
	m.RecursionAvailable = true
	if opt := query.IsEdns0(); opt != nil {
		m.SetEdns0(1232, false)
	}
	zone, ttl := d.zone(name)
	addr4, addr6, known := d.addresses(name)
	head := dns.RR_Header{Name: dns.Fqdn(name), Rrtype: kind, Class: dns.ClassINET, Ttl: uint32(ttl)}
	switch {
	case kind == dns.TypeA && addr4.IsValid():
		m.Answer = []dns.RR{&dns.A{Hdr: head, A: addr4.AsSlice()}}
	case kind == dns.TypeAAAA && addr6.IsValid():
		m.Answer = []dns.RR{&dns.AAAA{Hdr: head, AAAA: addr6.AsSlice()}}
	case kind == dns.TypePTR:
		for i := range d.s.Hosts {
			h := &d.s.Hosts[i]
			if rev, _ := dns.ReverseAddr(h.IP.String()); rev == dns.Fqdn(name) {
				m.Answer = []dns.RR{&dns.PTR{Hdr: head, Ptr: dns.Fqdn(h.Name + "." + d.s.Network.Domain)}}
				known = true
			}
		}
	}
	if len(m.Answer) > 0 {
		m.Authoritative = d.internal(name) && query.IsEdns0() == nil
		return m, ttl
	}
	if !known {
		m.Rcode = dns.RcodeNameError
		d.truth.Counts.DNS.NameErrors++
	}
	m.Ns = []dns.RR{&dns.SOA{
		Hdr: dns.RR_Header{Name: zone, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: negativeTTL},
		Ns:  "ns1." + strings.TrimPrefix(zone, "."), Mbox: "hostmaster." + zone,
		Serial: 2026111601, Refresh: 7200, Retry: 900, Expire: 1209600, Minttl: negativeTTL,
	}}
	return m, negativeTTL
}

// addresses looks a name up in the scenario.
func (d *day) addresses(name string) (v4, v6 netip.Addr, known bool) {
	if short, ok := strings.CutSuffix(name, "."+d.s.Network.Domain); ok {
		if h := d.s.host(short); h != nil {
			return h.IP, h.IP6, true
		}
		return v4, v6, false
	}
	if s := d.s.site(name); s != nil {
		return s.IP, s.IP6, true
	}
	return v4, v6, false
}

// zone returns the zone that answers for name and the TTL of its records.
func (d *day) zone(name string) (string, int) {
	if strings.HasSuffix(name, "."+d.s.Network.Domain) {
		return dns.Fqdn(d.s.Network.Domain), internalTTL
	}
	labels := dns.SplitDomainName(name)
	zone := dns.Fqdn(strings.Join(labels[max(0, len(labels)-2):], "."))
	if s := d.s.site(name); s != nil {
		return zone, s.TTL
	}
	return zone, internalTTL
}
