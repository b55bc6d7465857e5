package scan

import (
	"fmt"
	"net/netip"
	"testing"

	"kagami/packet"
	"kagami/records"
)

// Loopback addresses at which nobody is are what kagami canary tries; a machine's
// talk with itself is never judged.
func TestLoopback(t *testing.T) {
	s := newStage(t, Default())
	refused := func(at int64, server string, port uint16) *records.Flow {
		m := s.meta(at, "127.0.0.1", server, 40000, port, packet.ProtoTCP)
		m.ClientInternal, m.ServerInternal = true, true
		r := records.NewFlow(m)
		r.Start, r.ConnState, r.History = at, "REJ", "Sr"
		return r
	}
	for i := range int64(60) {
		s.feed(refused(monday+i*second, "127.0.0.1", uint16(1000+i)))
	}
	if s.first != 0 || len(s.alerts) > 0 {
		t.Errorf("%d first contacts of 127.0.0.1 with itself are judged", s.first)
	}
	for i := range int64(9) {
		s.feed(refused(monday+minute+i*second, fmt.Sprintf("127.9.8.%d", 7+i), 9))
	}
	if s.count("lateral-scan") != 1 {
		t.Errorf("%d incidents of nine loopback addresses tried, want 1", s.count("lateral-scan"))
	}
	if single(netip.IPv6Loopback()) {
		t.Error("::1 is judged")
	}
}
