package peers

import "kagami/records"

// arpRequest is ARP's operation code (RFC 826).
const arpRequest = 1

// neighbour counts whom a machine asks for by ARP. Announcing oneself is no scan.
func (s *Slips) neighbour(r records.Record) {
	a, ok := r.(*records.ARP)
	if !ok || a.Op != arpRequest || a.Gratuitous() {
		return
	}
	at := a.Meta().At
	if n := s.arp.add(tallyKey{source: a.Sender}, at, at, number(a.Target, 0)); n >= 5 {
		s.say(Alert{At: at, Rule: "ARP scan", Source: a.Sender, Score: float64(n)})
	}
}
