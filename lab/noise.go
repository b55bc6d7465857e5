package lab

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/miekg/dns"
)

// Noise is what any switch carries without anybody asking for it.
type Noise struct {
	Lease      time.Duration `toml:"dhcp_lease"`  // renewed at half time
	ARP        time.Duration `toml:"arp_period"`  // the gateway refreshes its neighbours
	MDNS       time.Duration `toml:"mdns_period"` // announcements of mdns_hosts
	MDNSHosts  []string      `toml:"mdns_hosts"`
	SSDP       time.Duration `toml:"ssdp_period"` // announcements of ssdp_hosts
	SSDPHosts  []string      `toml:"ssdp_hosts"`
	LLMNRNames []string      `toml:"llmnr_names"` // asked for by workstations on arrival
}

func planNoise(d *day, r *Rand) {
	n := d.s.Noise
	lease := d.benign(BenignSeries{ID: "dhcp", Destination: d.s.Network.Gateway + ":67", Period: n.Lease / 2, Via: "direct", Note: "DHCP renewal at half the lease"})
	mdns := d.benign(BenignSeries{ID: "mdns", Destination: "224.0.0.251:5353", Period: n.MDNS, Jitter: 10, Via: "multicast", Note: "mDNS announcements"})
	ssdp := d.benign(BenignSeries{ID: "ssdp", Destination: "239.255.255.250:1900", Period: n.SSDP, Jitter: 5, Via: "multicast", Note: "SSDP announcements"})
	mdns.Hosts, ssdp.Hosts = n.MDNSHosts, n.SSDPHosts
	for i := range d.s.Hosts {
		h := &d.s.Hosts[i]
		from, to := d.s.present(h)
		if h.Role != "server" {
			lease.Hosts = append(lease.Hosts, h.Name)
			d.at(from+r.Span(0, time.Second), func(t time.Duration) { d.arrive(t, h, lease) })
			d.every(from+n.Lease/2+r.Span(0, time.Minute), to, steady(r, n.Lease/2, 0), func(t time.Duration) { d.renew(t, h, lease) })
		}
		if h.Name != d.s.Network.Gateway {
			gw := d.end(d.s.Network.Gateway)
			d.every(from+n.ARP+r.Span(0, n.ARP), to, steady(r, n.ARP, 30), func(t time.Duration) { d.wire.WhoHas(t, gw, h.IP, d.end(h.Name)) })
		}
	}
	for _, h := range d.s.hosts(n.MDNSHosts) {
		from, to := d.s.present(h)
		d.every(from+r.Span(0, n.MDNS), to, steady(r, n.MDNS, 10), func(t time.Duration) { d.announceMDNS(t, h, mdns) })
	}
	for _, h := range d.s.hosts(n.SSDPHosts) {
		from, to := d.s.present(h)
		d.every(from+r.Span(0, n.SSDP), to, steady(r, n.SSDP, 5), func(t time.Duration) { d.announceSSDP(t, h, ssdp) })
	}
}

// arrive is a machine being switched on: an address, its neighbours, names.
func (d *day) arrive(t time.Duration, h *Host, lease *BenignSeries) {
	lease.Events++
	me, gw := d.end(h.Name), d.end(d.s.Network.Gateway)
	blank := *me
	blank.Addr = netip.IPv4Unspecified()
	all := Group(netip.AddrFrom4([4]byte{255, 255, 255, 255}))
	xid := d.rng.Uint32()
	offer := *me
	offer.MAC = h.MAC
	d.dhcp(t, &blank, all, h, xid, layers.DHCPMsgTypeDiscover, netip.Addr{})
	d.dhcp(t+2*time.Millisecond, gw, &offer, h, xid, layers.DHCPMsgTypeOffer, h.IP)
	d.dhcp(t+4*time.Millisecond, &blank, all, h, xid, layers.DHCPMsgTypeRequest, netip.Addr{})
	d.dhcp(t+6*time.Millisecond, gw, &offer, h, xid, layers.DHCPMsgTypeAck, h.IP)
	t += 20 * time.Millisecond
	d.wire.WhoHas(t, me, h.IP, nil) // announcement (RFC 5227 section 2.3)
	for _, name := range []string{d.s.Network.Gateway, d.s.Network.Resolver, d.s.Network.Proxy} {
		t += 15 * time.Millisecond
		d.wire.WhoHas(t, me, d.s.host(name).IP, d.end(name))
	}
	if h.Role != "workstation" {
		return
	}
	for _, name := range d.s.Noise.LLMNRNames {
		t += 100 * time.Millisecond
		d.llmnr(t, me, name)
	}
}

func (d *day) renew(t time.Duration, h *Host, lease *BenignSeries) {
	lease.Events++
	me, gw := d.end(h.Name), d.end(d.s.Network.Gateway)
	xid := d.rng.Uint32()
	d.dhcp(t, me, gw, h, xid, layers.DHCPMsgTypeRequest, netip.Addr{})
	d.dhcp(t+2*time.Millisecond, gw, me, h, xid, layers.DHCPMsgTypeAck, h.IP)
}

// dhcp puts one message on the wire (RFC 2131). given is the address handed
// out, in answers only.
func (d *day) dhcp(t time.Duration, src, dst *Endpoint, h *Host, xid uint32, kind layers.DHCPMsgType, given netip.Addr) {
	m := &layers.DHCPv4{
		Operation: layers.DHCPOpRequest, HardwareType: layers.LinkTypeEthernet, HardwareLen: 6, Xid: xid,
		ClientHWAddr: h.MAC[:], ClientIP: netip.IPv4Unspecified().AsSlice(), YourClientIP: netip.IPv4Unspecified().AsSlice(),
		NextServerIP: netip.IPv4Unspecified().AsSlice(), RelayAgentIP: netip.IPv4Unspecified().AsSlice(),
	}
	gw := d.s.host(d.s.Network.Gateway).IP
	m.Options = append(m.Options, layers.NewDHCPOption(layers.DHCPOptMessageType, []byte{byte(kind)}))
	sport, dport := uint16(68), uint16(67)
	if given.IsValid() {
		sport, dport = dport, sport
		secs := uint32(d.s.Noise.Lease / time.Second)
		m.Operation, m.YourClientIP = layers.DHCPOpReply, given.AsSlice()
		m.Options = append(m.Options,
			layers.NewDHCPOption(layers.DHCPOptServerID, gw.AsSlice()),
			layers.NewDHCPOption(layers.DHCPOptLeaseTime, []byte{byte(secs >> 24), byte(secs >> 16), byte(secs >> 8), byte(secs)}),
			layers.NewDHCPOption(layers.DHCPOptSubnetMask, []byte{255, 255, 255, 0}),
			layers.NewDHCPOption(layers.DHCPOptRouter, gw.AsSlice()),
			layers.NewDHCPOption(layers.DHCPOptDNS, d.resolver().Addr.AsSlice()),
			layers.NewDHCPOption(layers.DHCPOptDomainName, []byte(d.s.Network.Domain)))
	} else {
		if src.Addr.IsUnspecified() {
			if kind == layers.DHCPMsgTypeRequest {
				m.Options = append(m.Options, layers.NewDHCPOption(layers.DHCPOptRequestIP, h.IP.AsSlice()), layers.NewDHCPOption(layers.DHCPOptServerID, gw.AsSlice()))
			}
		} else {
			m.ClientIP = h.IP.AsSlice()
		}
		m.Options = append(m.Options, layers.NewDHCPOption(layers.DHCPOptHostname, []byte(h.Name)),
			layers.NewDHCPOption(layers.DHCPOptParamsRequest, []byte{1, 3, 6, 15}))
	}
	m.Options = append(m.Options, layers.NewDHCPOption(layers.DHCPOptEnd, nil))
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true}, m); err != nil {
		d.wire.fail(fmt.Errorf("build dhcp message: %w", err))
		return
	}
	d.wire.UDP(t, src, sport, dst, dport, buf.Bytes())
}

// llmnr asks the neighbours for a one-label name (RFC 4795).
func (d *day) llmnr(t time.Duration, me *Endpoint, name string) {
	group := Group(netip.AddrFrom4([4]byte{224, 0, 0, 252}))
	port := d.wire.Port(me)
	q := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeA)
	q.Id, q.RecursionDesired = uint16(d.rng.Uint32()), false
	for range 2 { // sent twice, LLMNR_TIMEOUT apart
		d.wire.UDP(t, me, port, group, 5355, d.pack(q))
		t += 410 * time.Millisecond
	}
}

// announceMDNS says which services a host offers (RFC 6762 section 8.3).
func (d *day) announceMDNS(t time.Duration, h *Host, series *BenignSeries) {
	series.Events++
	group := Group(netip.AddrFrom4([4]byte{224, 0, 0, 251}))
	m := new(dns.Msg)
	m.Response, m.Authoritative = true, true
	local := h.Name + ".local."
	m.Answer = []dns.RR{
		&dns.A{Hdr: dns.RR_Header{Name: local, Rrtype: dns.TypeA, Class: dns.ClassINET | 1<<15, Ttl: 120}, A: h.IP.AsSlice()},
		&dns.PTR{Hdr: dns.RR_Header{Name: "_http._tcp.local.", Rrtype: dns.TypePTR, Class: dns.ClassINET, Ttl: 4500}, Ptr: h.Name + "._http._tcp.local."},
	}
	me := *d.end(h.Name)
	me.TTL = 255
	d.wire.UDP(t, &me, 5353, group, 5353, d.pack(m))
}

// announceSSDP is a UPnP NOTIFY.
func (d *day) announceSSDP(t time.Duration, h *Host, series *BenignSeries) {
	series.Events++
	text := message("NOTIFY * HTTP/1.1", []header{
		{"HOST", "239.255.255.250:1900"}, {"CACHE-CONTROL", "max-age=1800"}, {"LOCATION", "http://" + h.IP.String() + ":8060/dial.xml"},
		{"NT", "upnp:rootdevice"}, {"NTS", "ssdp:alive"}, {"USN", "uuid:" + h.Name + "::upnp:rootdevice"},
	}, nil)
	me := *d.end(h.Name)
	me.TTL = 2
	d.wire.UDP(t, &me, 1900, Group(netip.AddrFrom4([4]byte{239, 255, 255, 250})), 1900, text)
}
