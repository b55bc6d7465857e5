package site

import (
	"net/netip"

	"kagami/records"
)

// card is a network interface as its frames show it: the addresses that bear its
// MAC address. One that stands for machines outside, or for many inside, is a
// router's, and says nothing about who is behind it.
type card struct {
	v4     [maxCardV4]netip.Addr
	n4     uint8
	router bool
}

// maxCardV4 is how many IPv4 addresses one machine may have. Its IPv6 addresses
// are many by design (RFC 8981).
const maxCardV4 = 3

// learnMAC takes the MAC addresses of a flow's first packet.
func (s *Site) learnMAC(m *records.Meta) {
	s.learnCard(m.ClientMAC, m.Client().Addr(), m.ClientInternal)
	s.learnCard(m.ServerMAC, m.Server().Addr(), m.ServerInternal)
}

func (s *Site) learnCard(mac [6]byte, a netip.Addr, internal bool) {
	if mac == ([6]byte{}) || mac[0]&1 != 0 || multicast(a.As16()) || a.IsUnspecified() {
		return
	}
	c, _ := s.hosts.macs.at(mac)
	if c.router {
		return
	}
	switch {
	case !internal:
		c.router = true
	case a.Is4() && !c.has(a):
		if c.n4 == maxCardV4 {
			c.router = true
			break
		}
		c.v4[c.n4] = a
		c.n4++
	}
	if c.router {
		s.hosts.routers++
		s.hosts.disown(mac)
		return
	}
	if x, _ := s.hosts.table.at(a); x.frame != mac {
		x.frame = mac
		x.snap = nil
	}
}

func (c *card) has(a netip.Addr) bool {
	for _, b := range c.v4[:c.n4] {
		if a == b {
			return true
		}
	}
	return false
}

// disown takes a router's address from the machines it was taken for the card of.
func (h *hosts) disown(mac [6]byte) {
	for _, e := range h.table.index { // any order: nothing is told
		if e.val.frame == mac {
			e.val.frame, e.val.snap = [6]byte{}, nil
		}
	}
}

// ownMAC tells whether a MAC address is one machine's.
func (h *hosts) ownMAC(mac [6]byte) bool {
	if mac == ([6]byte{}) {
		return false
	}
	c := h.macs.peek(mac)
	return c != nil && !c.router
}
