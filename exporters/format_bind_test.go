package exporters

import (
	"testing"

	"kagami/packet"
	"kagami/records"
)

func TestBIND(t *testing.T) {
	const head = `06-Dec-2014 10:03:55.123 queries: info: client `
	v6 := records.NewDNS(between(packet.ProtoTCP, "[::1]:32932", "[2001:db8::53]:53"))
	m := *v6.Meta()
	*v6 = *dnsRecord(t, func(r *records.DNS) {
		r.TCP, r.Flags, r.EDNS, r.DO, r.Cookie, r.Type, r.ECS = true, []string{"CD"}, true, true, 8, "MX", "10.1.2.0/24/0"
	})
	*v6.Meta() = m
	for _, c := range []struct {
		name   string
		record records.Record
		want   string // after head; "" = no line
	}{
		{"plain", dnsRecord(t, nil), `192.168.100.5#47197 (apt.example.com): query: apt.example.com IN A + (10.0.0.53)`},
		{"everything", v6, `::1#32932 (apt.example.com): query: apt.example.com IN MX -E(0)TDCK (2001:db8::53) [ECS 10.1.2.0/24/0]`},
		{"signed", dnsRecord(t, func(r *records.DNS) { r.Signed, r.EDNS, r.EDNSVersion = true, true, 1 }), `192.168.100.5#47197 (apt.example.com): query: apt.example.com IN A +SE(1) (10.0.0.53)`},
		{"cookie with a server part", dnsRecord(t, func(r *records.DNS) { r.EDNS, r.Cookie = true, 24 }), `192.168.100.5#47197 (apt.example.com): query: apt.example.com IN A +E(0)V (10.0.0.53)`},
		{"cookie whose server part is not of named's size", dnsRecord(t, func(r *records.DNS) { r.EDNS, r.Cookie = true, 16 }), `192.168.100.5#47197 (apt.example.com): query: apt.example.com IN A +E(0)K (10.0.0.53)`},
		{"root", dnsRecord(t, func(r *records.DNS) { r.Name, r.Type = ".", "ANY" }), `192.168.100.5#47197 (.): query: . IN ANY + (10.0.0.53)`},
		{"escapes are kept", dnsRecord(t, func(r *records.DNS) { r.Name = `a\032b\"c\(d.\227\129\130.MiXeD` }), `192.168.100.5#47197 (a\032b\"c\(d.\227\129\130.MiXeD): query: a\032b\"c\(d.\227\129\130.MiXeD IN A + (10.0.0.53)`},
		{"octets that should have been escaped", dnsRecord(t, func(r *records.DNS) { r.Name = "a\nb c\x7f\xe3" }), `192.168.100.5#47197 (a\010b\032c\127\227): query: a\010b\032c\127\227 IN A + (10.0.0.53)`},
		{"other class and type", dnsRecord(t, func(r *records.DNS) { r.Class, r.Type = "CH", "TYPE65280" }), `192.168.100.5#47197 (apt.example.com): query: apt.example.com CH TYPE65280 + (10.0.0.53)`},
		{"class without a view", dnsRecord(t, func(r *records.DNS) { r.Class = "CLASS99" }), ""},
		{"response", dnsRecord(t, func(r *records.DNS) { r.Response = true }), ""},
		{"update", dnsRecord(t, func(r *records.DNS) { r.Opcode = "UPDATE" }), ""},
		{"multicast", dnsRecord(t, func(r *records.DNS) { r.Protocol = "mdns" }), ""},
		{"no question", dnsRecord(t, func(r *records.DNS) { r.Questions, r.Name, r.Type, r.Class = 0, "", "", "" }), ""},
		{"cut before its question", dnsRecord(t, func(r *records.DNS) { r.Malformed, r.Name, r.Type, r.Class = true, "", "", "" }), ""},
		{"another kind", flowRecord(t, nil), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := c.want
			if want != "" {
				want = head + want
			}
			if got := lineOf(t, newBIND(Env{Location: tokyo}), c.record); got != want {
				t.Errorf("\ngot  %s\nwant %s", got, want)
			}
		})
	}
}
