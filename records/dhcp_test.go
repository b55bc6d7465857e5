package records

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"kagami/packet"
)

func TestDHCPFields(t *testing.T) {
	ip := netip.MustParseAddr
	r := NewDHCP(wholeMeta(packet.ProtoUDP))
	r.Version, r.Time, r.Response, r.Type, r.TypeNo, r.XID = 4, 1000, true, "ACK", 5, 0x3903f326
	r.MAC, r.HardwareType, r.ClientID, r.HostName, r.FQDN = [6]byte{0, 5, 0x3c, 4, 0x8d, 0x59}, 1, "\x01\x00", "KEIRI-07", "KEIRI-07.example.jp"
	r.VendorClass, r.Enterprise, r.UserClass, r.Parameters, r.Broadcast = "MSFT 5.0", 311, "\x03abc", []uint16{1, 3, 252}, true
	r.ClientIP, r.RequestedIP, r.AssignedIP = ip("10.0.0.98"), ip("10.0.0.97"), ip("10.0.0.99")
	r.LeaseTime, r.RenewalTime, r.RebindTime = 3600, 1800, 3150
	r.Leases = []Lease{{Kind: "na", IAID: 9, Prefix: netip.MustParsePrefix("2001:db8::1/128"), Preferred: 1, Valid: 2}, {Kind: "pd", Status: "NoPrefixAvail"}}
	r.ServerIP, r.ServerDUID, r.NextServer, r.SubnetMask = ip("10.0.0.1"), "\x00\x03", ip("10.0.0.2"), ip("255.255.255.0")
	r.Routers, r.DNS, r.NTP = []netip.Addr{ip("10.0.0.1")}, []netip.Addr{ip("10.0.0.53")}, []netip.Addr{ip("10.0.0.123")}
	r.Domain, r.Search, r.ProxyConfig, r.BootServer, r.BootFile = "example.jp", []string{"lab"}, "http://wpad/wpad.dat", "boot", "pxe"
	r.Message, r.Status, r.Relays, r.RelayIP, r.PeerIP = "why not", "NoBinding", 1, ip("10.0.1.254"), ip("fe80::1")
	r.CircuitID, r.RemoteID, r.SubscriberID, r.Odd = "Gi1/0/7", "\x00\x13", "sub", "cut option"
	fields := r.AppendFields(nil)
	wantNested(t, fields)
	want := []string{"event.action=dhcp-ack", "event.outcome=failure", "network.protocol=dhcp",
		"related.hosts=[KEIRI-07 KEIRI-07.example.jp]", "related.ip=[10.0.0.0 192.0.0.0 10.0.0.98 10.0.0.97 10.0.0.99 10.0.0.1]",
		"kagami.dhcp.assigned_ip=10.0.0.99", "kagami.dhcp.boot_file=pxe", "kagami.dhcp.boot_server=boot", "kagami.dhcp.broadcast=1",
		"kagami.dhcp.client_id=0100", "kagami.dhcp.client_ip=10.0.0.98", "kagami.dhcp.client_mac=00-05-3C-04-8D-59",
		"kagami.dhcp.dns_servers=[10.0.0.53]", "kagami.dhcp.domain=example.jp", "kagami.dhcp.enterprise=311",
		"kagami.dhcp.fqdn=KEIRI-07.example.jp", "kagami.dhcp.hardware_type=1", "kagami.dhcp.host_name=KEIRI-07", "kagami.dhcp.id=956560166",
		"kagami.dhcp.lease_time=3600", "[ kagami.dhcp.leases", "iaid=9", "kind=na", "preferred=1", "prefix=2001:db8::1/128", "valid=2",
		", kagami.dhcp.leases", "iaid=0", "kind=pd", "status=NoPrefixAvail", "] kagami.dhcp.leases", "kagami.dhcp.message=why not",
		"kagami.dhcp.next_server_ip=10.0.0.2", "kagami.dhcp.ntp_servers=[10.0.0.123]", "kagami.dhcp.odd=cut option",
		"kagami.dhcp.parameters=1,3,252", "kagami.dhcp.proxy_config=http://wpad/wpad.dat", "kagami.dhcp.rebinding_time=3150",
		"kagami.dhcp.relay.circuit_id=Gi1/0/7", "kagami.dhcp.relay.hops=1", "kagami.dhcp.relay.ip=10.0.1.254", "kagami.dhcp.relay.peer_ip=fe80::1",
		"kagami.dhcp.relay.remote_id=0x0013", "kagami.dhcp.relay.subscriber_id=sub", "kagami.dhcp.renewal_time=1800",
		"kagami.dhcp.requested_ip=10.0.0.97", "kagami.dhcp.response=1", "kagami.dhcp.routers=[10.0.0.1]", "kagami.dhcp.search=[lab]",
		"kagami.dhcp.server_duid=0003", "kagami.dhcp.server_ip=10.0.0.1", "kagami.dhcp.status=NoBinding", "kagami.dhcp.subnet_mask=255.255.255.0",
		"kagami.dhcp.type=ACK", "kagami.dhcp.user_class=0x03616263", "kagami.dhcp.vendor_class=MSFT 5.0", "kagami.dhcp.version=4"}
	if got := lines(fields, "event.action", "event.outcome", "network.protocol", "related.", "kagami.dhcp"); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestDHCPEvents(t *testing.T) {
	for _, c := range []struct {
		r    DHCP
		want string
	}{
		{DHCP{Version: 4, Type: "DISCOVER"}, "event.action=dhcp-discover network.protocol=dhcp"},
		{DHCP{Version: 4, Type: "ACK"}, "event.action=dhcp-ack event.outcome=success network.protocol=dhcp"},
		{DHCP{Version: 4, Type: "NAK"}, "event.action=dhcp-nak event.outcome=failure network.protocol=dhcp"},
		{DHCP{Version: 4}, "event.action=bootp-request network.protocol=dhcp"},
		{DHCP{Version: 4, Response: true}, "event.action=bootp-reply network.protocol=dhcp"},
		{DHCP{Version: 6, Type: "INFORMATION-REQUEST"}, "event.action=dhcp-information-request network.protocol=dhcpv6"},
		{DHCP{Version: 6, Type: "REPLY"}, "event.action=dhcp-reply event.outcome=success network.protocol=dhcpv6"},
		{DHCP{Version: 6, Type: "REPLY", Status: "NoAddrsAvail"}, "event.action=dhcp-reply event.outcome=failure network.protocol=dhcpv6"},
	} {
		*c.r.Meta() = *NewDHCP(wholeMeta(packet.ProtoUDP)).Meta()
		fields := c.r.AppendFields(nil)
		wantNested(t, fields)
		if got := strings.Join(lines(fields, "event.action", "event.outcome", "network.protocol"), " "); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}
