package records

import (
	"slices"
	"strings"
	"testing"

	"kagami/packet"
)

func TestQUICFields(t *testing.T) {
	r := NewQUIC(wholeMeta(packet.ProtoUDP))
	r.Start, r.End, r.Version, r.Negotiated, r.Offered = 100, 300, "1", "2", []string{"1", "2"}
	r.ClientDCID, r.ClientSCID, r.ServerSCID, r.Retries, r.ZeroRTT, r.Established = "aa", "bb", "cc", 1, 2, true
	r.ServerName, r.ClientALPN, r.UserAgent, r.JA3, r.JA4, r.History, r.Odd = "www.example.jp", []string{"h3"}, "agent", "j3", "j4", "ISis", "odd"
	fields := r.AppendFields(nil)
	wantNested(t, fields)
	want := []string{"event.action=quic-handshake", "event.outcome=success", "network.protocol=quic", "destination.domain=www.example.jp",
		"related.hash=[j3 j4]", "related.hosts=[www.example.jp]", "tls.client.ja3=j3", "tls.client.server_name=www.example.jp", "user_agent.original=agent",
		"kagami.quic.client_alpn=[h3]", "kagami.quic.client_dcid=aa", "kagami.quic.client_scid=bb", "kagami.quic.established=1",
		"kagami.quic.history=ISis", "kagami.quic.ja4=j4", "kagami.quic.negotiated_version=2", "kagami.quic.odd=odd", "kagami.quic.offered_versions=[1 2]",
		"kagami.quic.retries=1", "kagami.quic.server_scid=cc", "kagami.quic.version=1", "kagami.quic.zero_rtt_packets=2"}
	got := lines(fields, "event.action", "event.outcome", "network.protocol", "destination.domain", "related.ha", "related.hosts", "tls.", "user_agent", "kagami.quic")
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestQUICClosed(t *testing.T) {
	r := NewQUIC(Meta{})
	r.Version, r.CloseFrom, r.CloseCode, r.CloseReason = "1", "server", 0x178, "sorry"
	fields := r.AppendFields(nil)
	wantNested(t, fields)
	want := []string{"event.outcome=failure", "event.reason=sorry", "kagami.quic.close_code=376", "kagami.quic.close_from=server",
		"kagami.quic.close_reason=sorry", "kagami.quic.established=0", "kagami.quic.version=1"}
	if got := lines(fields, "event.outcome", "event.reason", "kagami.quic"); !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}
