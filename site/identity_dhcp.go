package site

import (
	"net/netip"
	"slices"
	"strings"

	"kagami/records"
)

// applicant is what a machine said of itself when it asked for an address, until
// it gets one: the server's answer repeats little of it.
type applicant struct {
	name   string
	os     string
	weight int
}

// learnDHCP notes leases: which machine has an address, how it calls itself and
// what it asks for, which differs between systems.
func (s *Site) learnDHCP(r *records.DHCP) {
	key := newHash.text(r.ClientID).octets(r.MAC[:])
	if r.Version != 6 { // servers need not repeat option 61
		key = newHash.octets(r.MAC[:])
	}
	if r.Response {
		if r.Type == "ACK" || r.Type == "REPLY" && r.Status == "" {
			s.lease(r, s.applicants.peek(key), r.AssignedIP)
		}
		return
	}
	a, _ := s.applicants.at(key)
	if name := firstOf(r.HostName, r.FQDN); name != "" && len(name) <= maxValue {
		a.name = strings.Clone(name)
	}
	if os, weight := leaseOS(r); os != "" {
		a.os, a.weight = os, weight
	}
	if r.Type == "REQUEST" || r.Type == "INFORM" { // it uses this address already
		s.lease(r, a, r.ClientIP)
	}
}

// lease notes whose an address is.
func (s *Site) lease(r *records.DHCP, a *applicant, addr netip.Addr) {
	if !addr.IsValid() && r.Type == "ACK" {
		addr = r.ClientIP // the answer to INFORM
	}
	if !addr.IsValid() || addr.IsUnspecified() || !s.inside(addr.As16()) {
		return
	}
	if r.MAC != ([6]byte{}) && (r.Version == 4 || r.PeerIP.IsValid()) { // a DUID may name another card
		s.know(addr, factMAC, records.MAC(r.MAC), "dhcp", rankLease)
	}
	if a == nil {
		return
	}
	s.know(addr, factName, bareName(a.name), "dhcp", rankLease)
	if a.os != "" {
		x, _ := s.hosts.table.at(addr.Unmap())
		s.guessOS(addr.Unmap(), x, a.os, a.weight, "dhcp")
	}
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// leaseOS guesses the system from a DHCP client's vendor class and from the
// options that it asks for.
func leaseOS(r *records.DHCP) (os string, weight int) {
	v := r.VendorClass
	switch {
	case strings.HasPrefix(v, "MSFT "):
		return "Windows", weightSelf
	case strings.HasPrefix(v, "android-dhcp-"):
		if n, ok := version(v, "android-dhcp-", "."); ok {
			return "Android " + n, weightSelf
		}
		return "Android", weightSelf
	case strings.HasPrefix(v, "dhcpcd") && strings.Contains(v, "Linux"), strings.HasPrefix(v, "udhcp"), strings.HasPrefix(v, "Linux"):
		return "Linux", weightSelf
	case r.Version == 4 && v == "":
		return appleLease(r.Parameters), weightSelf
	}
	return "", 0
}

// appleLease tells Apple's systems, which send no vendor class: they begin with
// the classless routes, and those with a desktop ask for LDAP (95) and NetBIOS (44).
func appleLease(p []uint16) string {
	if len(p) < 6 || !slices.Equal(p[:5], []uint16{1, 121, 3, 6, 15}) || !slices.Contains(p, 119) || !slices.Contains(p, 252) {
		return ""
	}
	if slices.Contains(p, 95) {
		return "macOS"
	}
	return "iOS"
}

// learnNetBIOS notes the names that machines register, defend and list. Unique
// names of the workstation and file services are machines'.
func (s *Site) learnNetBIOS(r *records.DNS, m *records.Meta) {
	n := r.NetBIOS
	if n == nil || r.Response && r.RCode != "NOERROR" || r.Opcode == "RELEASE" {
		return
	}
	if r.Response {
		for i := range n.Names {
			if x := &n.Names[i]; !x.Group && machineName(x.Suffix) {
				s.know(m.Server().Addr(), factName, x.Name, "nbns", rankSelf)
				break
			}
		}
	}
	if n.Group || !machineName(n.Suffix) {
		return
	}
	client, server := m.Client().Addr(), m.Server().Addr()
	for _, a := range n.Addresses {
		rank := uint8(rankLookup) // a name server tells of others
		if a = a.Unmap(); a == client || a == server {
			rank = rankSelf
		}
		s.know(a, factName, r.Name, "nbns", rank)
	}
}

func machineName(suffix uint8) bool { return suffix == 0x00 || suffix == 0x20 }
