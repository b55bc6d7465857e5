package records

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"kagami/packet"
)

// toldMeta bears all that the site stage may add.
func toldMeta(proto uint8) Meta {
	m := wholeMeta(proto)
	m.ClientHost = &Host{Name: Fact{"ws01", "dhcp", 1}, User: Fact{"hanako", "proxy-auth", 2}, OS: Fact{"Windows 7", "user-agent", 3},
		MAC: Fact{"02-00-00-00-00-01", "dhcp", 4}, Roles: []string{"resolver"}}
	m.ServerHost = &Host{Name: Fact{"proxy", "ptr", 5}, MAC: Fact{Value: MAC(m.ServerMAC), Source: "frame"}, Roles: []string{"proxy"}}
	m.Resolved, m.NameSource = &Resolved{Name: "www.example.jp", Source: "dns"}, "dns"
	a := netip.MustParseAddr("10.0.0.9")
	m.Workstations = &Workstations{List: []Workstation{{Addr: netip.AddrPortFrom(a, 40000), Flow: 0xab, User: "taro", Name: "ws09"},
		{Addr: netip.AddrPortFrom(a, 40001), Flow: 0xac, Candidate: true}}}
	return m
}

// TestToldFields: every kind nests what the stage adds.
func TestToldFields(t *testing.T) {
	m := toldMeta(packet.ProtoTCP)
	file := new(File)
	file.Stamp(m)
	identity := NewIdentity(m, 1)
	identity.Host = m.ClientHost
	for _, r := range []Record{NewFlow(m), NewDNS(m), NewHTTP(m), NewWebSocket(m), NewTLS(m), NewQUIC(m), NewSOCKS(m), NewMail(m), NewAuth(m),
		file, NewDHCP(m), NewNTP(m), NewSSDP(m), NewAlert(m), identity} {
		t.Run(r.Meta().Kind.String(), func(t *testing.T) { wantNested(t, r.AppendFields(nil)) })
	}
}

func TestHostFields(t *testing.T) {
	f := NewFlow(toldMeta(packet.ProtoTCP))
	want := []string{"source.domain=ws01", "source.user.name=hanako", "destination.domain=www.example.jp",
		"related.hosts=[www.example.jp ws01 proxy]", "related.ip=[10.0.0.0 192.0.0.0 10.0.0.9]",
		"kagami.client.mac=02-00-00-00-00-01", "kagami.client.mac_since=4", "kagami.client.mac_source=dhcp",
		"kagami.client.name_since=1", "kagami.client.name_source=dhcp", "kagami.client.os=Windows 7", "kagami.client.os_since=3",
		"kagami.client.os_source=user-agent", "kagami.client.role=[resolver]", "kagami.client.user_since=2", "kagami.client.user_source=proxy-auth",
		"kagami.server.name_since=5", "kagami.server.name_source=ptr", "kagami.server.role=[proxy]",
		"kagami.name.resolved=www.example.jp", "kagami.name.source=dns",
		"[ kagami.workstation", "flow_id=00000000000000ab", "ip=10.0.0.9", "name=ws09", "port=40000", "user=taro",
		", kagami.workstation", "candidate=1", "flow_id=00000000000000ac", "ip=10.0.0.9", "port=40001", "] kagami.workstation"}
	got := lines(f.AppendFields(nil), "source.domain", "source.user", "destination.domain", "destination.user", "related.",
		"kagami.client.mac", "kagami.client.name", "kagami.client.os", "kagami.client.role", "kagami.client.user",
		"kagami.server.mac", "kagami.server.name", "kagami.server.role", "kagami.name", "kagami.workstation")
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestServerNames: the wire's own name goes before one that was looked up, and
// that before the machine's.
func TestServerNames(t *testing.T) {
	for _, c := range []struct {
		wire     string
		resolved *Resolved
		want     string
	}{{"wire.test", &Resolved{Name: "dns.test"}, "wire.test"}, {"", &Resolved{Name: "dns.test"}, "dns.test"}, {"", nil, "proxy"}} {
		f := NewFlow(toldMeta(packet.ProtoTCP))
		f.ServerName, f.meta.Resolved = c.wire, c.resolved
		if got := lines(f.AppendFields(nil), "destination.domain"); !slices.Equal(got, []string{"destination.domain=" + c.want}) {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestIdentityFields(t *testing.T) {
	m := toldMeta(packet.ProtoUDP)
	m.UID, m.Seq = 0xab, 2
	r := NewIdentity(m, 3)
	r.Addr, r.What, r.Old, r.New, r.Source, r.Since, r.Host = netip.MustParseAddr("10.0.0.9"), "user", "jiro", "hanako", "proxy-auth", 7, m.ClientHost
	want := []string{"event.id=00000000000000ab-2-i3", "event.kind=event", "event.category=[host]", "event.type=[change]", "event.dataset=kagami.identity",
		"event.module=kagami", "event.action=identity-changed", "host.hostname=ws01", "host.ip=[10.0.0.9]", "host.mac=[02-00-00-00-00-01]", "host.os.full=Windows 7",
		"related.hosts=[ws01]", "related.ip=[10.0.0.9]", "related.user=[hanako]", "user.name=hanako",
		"kagami.identity.new=hanako", "kagami.identity.old=jiro", "kagami.identity.old_since=7", "kagami.identity.source=proxy-auth", "kagami.identity.what=user"}
	if got := lines(r.AppendFields(nil), "event.", "host.", "related.", "user.", "kagami.identity"); !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	r.Old, r.Host = "", nil
	if got := lines(r.AppendFields(nil), "event.action", "event.type", "host."); !slices.Equal(got, []string{"event.type=[info]", "event.action=identity-learned", "host.ip=[10.0.0.9]"}) {
		t.Errorf("learned: %v", got)
	}
}

func TestProxyFields(t *testing.T) {
	r := NewHTTP(wholeMeta(packet.ProtoTCP))
	r.Cache, r.OriginAddr, r.OriginFlow, r.OriginCandidates = CacheAmbiguous, netip.MustParseAddrPort("[2001:db8::1]:80"), 0xab, 2
	want := []string{"kagami.proxy.cache=ambiguous", "kagami.proxy.candidates=2", "kagami.proxy.origin.flow_id=00000000000000ab",
		"kagami.proxy.origin.ip=2001:db8::1", "kagami.proxy.origin.port=80"}
	fields := r.AppendFields(nil)
	wantNested(t, fields)
	if got := lines(fields, "kagami.proxy"); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}
