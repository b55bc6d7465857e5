package records

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"kagami/packet"
)

func TestSOCKSFields(t *testing.T) {
	r := NewSOCKS(wholeMeta(packet.ProtoTCP))
	r.Version, r.Method, r.Offered, r.User, r.UserRefused, r.Command = "5", "password", []string{"none", "password"}, "bob", true, "bind"
	r.RequestName, r.RequestAddr, r.RequestPort = "www.example.jp", netip.MustParseAddr("192.0.2.1"), 443
	r.Status, r.BoundName, r.BoundAddr, r.BoundPort, r.Peer = SOCKSSucceeded, "b", netip.MustParseAddr("10.0.0.1"), 1, netip.MustParseAddrPort("10.0.0.2:2")
	r.Tunnel, r.TunnelName, r.TunnelFromOrig, r.TunnelFromResp, r.Gap, r.Odd = "tls", "t.jp", 3, 4, true, "odd"
	fields := r.AppendFields(nil)
	wantNested(t, fields)
	want := []string{"event.action=socks-request", "event.outcome=success", "related.hosts=[www.example.jp]", "related.user=[bob]",
		"url.domain=www.example.jp", "url.port=443", "user.name=bob",
		"kagami.socks.bound.ip=10.0.0.1", "kagami.socks.bound.name=b", "kagami.socks.bound.port=1", "kagami.socks.command=bind", "kagami.socks.gap=1",
		"kagami.socks.method=password", "kagami.socks.odd=odd", "kagami.socks.offered_methods=[none password]", "kagami.socks.peer.ip=10.0.0.2",
		"kagami.socks.peer.port=2", "kagami.socks.request.ip=192.0.2.1", "kagami.socks.request.name=www.example.jp", "kagami.socks.request.port=443",
		"kagami.socks.status=succeeded", "kagami.socks.tunnel.from_client=3", "kagami.socks.tunnel.from_server=4", "kagami.socks.tunnel.name=t.jp",
		"kagami.socks.tunnel.protocol=tls", "kagami.socks.user_refused=1", "kagami.socks.version=5"}
	got := lines(fields, "event.action", "event.outcome", "related.hosts", "related.user", "url.", "user.", "kagami.socks")
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestSOCKSStatus(t *testing.T) {
	for _, c := range []struct {
		version string
		code    uint8
		want    string
	}{
		{"5", 0, "succeeded"}, {"5", 5, "Connection refused"}, {"5", 9, "unknown"}, {"4", 0x5a, "succeeded"}, {"4a", 0x5b, "general SOCKS server failure"},
		{"4", 0, "unknown"},
	} {
		if got := SOCKSStatus(c.version, c.code); got != c.want {
			t.Errorf("%s, %d: got %q, want %q", c.version, c.code, got, c.want)
		}
	}
}
