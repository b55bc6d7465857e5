package site

import (
	"fmt"
	"testing"

	"kagami/packet"
	"kagami/records"
)

// BenchmarkStage measures what the stage costs a record, in a mix like that of an
// office behind a proxy: of twelve records, two answers, five flows, and a request
// and a handshake on both legs, of a thousand workstations and ten thousand names.
func BenchmarkStage(b *testing.B) {
	s := newStage(b, nil)
	var mix []records.Record
	for i := range 1000 {
		ws := fmt.Sprintf("10.0.%d.%d", 1+i/200, 1+i%200)
		name, addr := fmt.Sprintf("www%d.example.test", i), fmt.Sprintf("198.51.%d.%d", i/200, 1+i%200)
		u := "http://" + name + "/some/path/to/a/page?with=a&query=string"
		client, leg := s.proxied(0, 0, ws, u), s.fetched(0, 0, u)
		client.UserAgent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36"
		tunnel := s.tunnel(0, 0, ws, name+":443")
		inner := handshake(records.NewTLS(*tunnel.Meta()), 0, "CONNECT", byte(i))
		outer := handshake(records.NewTLS(s.meta(packet.ProtoTCP, proxyAddr+":50000", addr+":443")), 0, "", byte(i))
		inner.ClientRandom[1], outer.ClientRandom[1] = byte(i>>8), byte(i>>8)
		mix = append(mix, s.answer(0, proxyAddr, name, addr), s.answer(0, ws, name, addr), leg, client, outer, inner,
			s.flow(0, 0, proxyAddr+":50000", addr+":443"), s.flow(0, 0, ws+":40000", proxyAddr+":3128"),
			s.flow(0, 0, ws+":40001", addr+":443"), s.flow(0, 0, ws+":40002", "10.0.0.10:445"), s.flow(0, 0, ws+":40003", "10.0.0.5:53"), tunnel)
	}
	for _, r := range mix {
		m := r.Meta()
		m.ClientMAC, m.ServerMAC = [6]byte{2, 1, byte(m.Key.APort), m.Key.A[14], m.Key.A[15]}, [6]byte{2, 2}
	}
	s.join()
	emit := func(records.Record) {}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		r := mix[i%len(mix)]
		m := r.Meta()
		m.ClientHost, m.ServerHost, m.Resolved, m.NameSource, m.Workstations = nil, nil, nil, "", nil
		m.At = s.now + int64(i)*1000*1000
		s.site.Advance(m.At, emit)
		s.site.Observe(r, emit)
	}
}
