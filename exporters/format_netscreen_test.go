package exporters

import (
	"testing"

	"kagami/packet"
	"kagami/records"
)

func TestNetScreen(t *testing.T) {
	const head = `Dec  6 09:11:20 192.0.2.1 ns208: NetScreen device_id=ns208 [Root]system-notification-00257(traffic): start_time="2014-12-06 09:11:15" duration=5 `
	icmp := records.NewFlow(between(packet.ProtoICMP, "192.168.100.5:0", "23.23.1.2:0"))
	icmp.Start, icmp.End, icmp.Meta().At = at(t, "2014-12-06T00:11:15"), at(t, "2014-12-06T00:11:20"), at(t, "2014-12-06T00:11:20")
	icmp.ICMPType, icmp.ICMPCode, icmp.Action, icmp.EndReason = 8, 0, "Permit", "timeout"
	icmp.Orig.IPBytes, icmp.Resp.IPBytes = 84, 84
	gre := records.NewFlow(between(47, "192.168.100.5:0", "23.23.1.2:0"))
	gre.Start, gre.End, gre.Meta().At, gre.Action = icmp.Start, icmp.End, icmp.End, "Permit"
	udp := records.NewFlow(between(packet.ProtoUDP, "[2001:db8::5]:4000", "[2001:db8::53]:17210"))
	udp.Start, udp.End, udp.Meta().At, udp.Action, udp.EndReason = icmp.Start, icmp.End, icmp.End, "Deny", "timeout"
	udp.Meta().ClientZone, udp.Meta().ServerZone = "lan-1", "a\n b"

	for _, c := range []struct {
		name   string
		record records.Record
		want   string
	}{
		{"permit", flowRecord(t, nil), head + `policy_id=1 service=https proto=6 src zone=SHANAI dst zone=Untrust action=Permit sent=1402 rcvd=5320 src=192.168.100.5 dst=23.23.1.2 src_port=58461 dst_port=443 src-xlated ip=192.168.100.5 port=58461 dst-xlated ip=23.23.1.2 port=443 session_id=0 reason=Close - TCP FIN`},
		{"deny", flowRecord(t, func(r *records.Flow) { r.Action, r.Resp, r.EndReason = "Deny", records.Counts{}, "timeout" }),
			head + `policy_id=0 service=https proto=6 src zone=SHANAI dst zone=Untrust action=Deny sent=1402 rcvd=0 src=192.168.100.5 dst=23.23.1.2 src_port=58461 dst_port=443 session_id=0`},
		{"reset", flowRecord(t, func(r *records.Flow) { r.EndReason = "rst" }), head + `policy_id=1 service=https proto=6 src zone=SHANAI dst zone=Untrust action=Permit sent=1402 rcvd=5320 src=192.168.100.5 dst=23.23.1.2 src_port=58461 dst_port=443 src-xlated ip=192.168.100.5 port=58461 dst-xlated ip=23.23.1.2 port=443 session_id=0 reason=Close - TCP RST`},
		{"icmp", icmp, head + `policy_id=1 service=icmp proto=1 src zone=Untrust dst zone=Untrust action=Permit sent=84 rcvd=84 src=192.168.100.5 dst=23.23.1.2 src_port=8 dst_port=0 src-xlated ip=192.168.100.5 port=8 dst-xlated ip=23.23.1.2 port=0 session_id=0 reason=Close - AGE OUT`},
		{"no ports", gre, head + `policy_id=1 service=gre proto=47 src zone=Untrust dst zone=Untrust action=Permit sent=0 rcvd=0 src=192.168.100.5 dst=23.23.1.2 src_port=0 dst_port=0 src-xlated ip=192.168.100.5 port=0 dst-xlated ip=23.23.1.2 port=0 session_id=0 reason=Close - OTHER`},
		{"IPv6, odd port, zones to clean", udp, head + `policy_id=0 service=udp/port:17210 proto=17 src zone=lan_1 dst zone=a__b action=Deny sent=0 rcvd=0 src=2001:db8::5 dst=2001:db8::53 src_port=4000 dst_port=17210 session_id=0`},
		{"another kind", dnsRecord(t, nil), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newNetScreen(Env{Location: tokyo, HostName: "192.0.2.1", Device: "ns208"})
			if got := lineOf(t, f, c.record); got != c.want {
				t.Errorf("\ngot  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestNetScreenCleansNames(t *testing.T) {
	f := newNetScreen(Env{HostName: "a b\n", Device: "ns-208"}).(*netScreen)
	if f.host != "a_b_" || f.device != "ns_208" {
		t.Errorf("got host %q, device %q", f.host, f.device)
	}
	f = newNetScreen(Env{}).(*netScreen)
	if f.host != "kagami" || f.device != "kagami" {
		t.Errorf("got host %q, device %q", f.host, f.device)
	}
}

func TestServicesAreNamedOnce(t *testing.T) {
	seen := map[[2]uint16]string{}
	for _, s := range services {
		for proto, has := range map[uint16]bool{packet.ProtoTCP: s.tcp, packet.ProtoUDP: s.udp} {
			if k := [2]uint16{proto, s.port}; has {
				if seen[k] != "" {
					t.Errorf("port %d is both %s and %s", s.port, seen[k], s.name)
				}
				seen[k] = s.name
			}
		}
	}
}
