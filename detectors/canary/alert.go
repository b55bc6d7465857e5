package canary

import (
	"fmt"
	"net/netip"
	"strconv"

	"kagami/detectors/incident"
	"kagami/detectors/table"
	"kagami/records"
)

// sight is one labelled record.
type sight struct {
	label  Label
	meta   *records.Meta
	client netip.Addr
	server netip.AddrPort // what the label was sent to; behind a proxy only the port is known
	since  int64
	until  int64
	what   incident.Text
}

func sightOf(l Label, r records.Record) sight {
	m := r.Meta()
	s := sight{label: l, meta: m, client: m.Client().Addr(), server: m.Server()}
	switch r := r.(type) {
	case *records.DNS:
		s.since, s.until = r.Time, r.Time
		s.what = incident.Say("DNS query for %s to %s", "%[2]sへのDNS問い合わせ%[1]s", incident.Quote(r.Name), m.Server())
	case *records.TLS:
		s.since, s.until = r.Start, r.End
		s.what = incident.Say("TLS ClientHello for %s to %s", "%[2]sへのTLS ClientHello（サーバー名%[1]s）", incident.Quote(r.ServerName), m.Server())
	case *records.HTTP:
		s.since, s.until = r.Start, r.End
		s.what = incident.Say("HTTP %s %s to %s", "%[3]sへのHTTP %[1]s %[2]s", incident.Quote(r.Method), incident.Quote(r.URL), m.Server())
		if r.Proxied {
			s.server = netip.AddrPortFrom(netip.Addr{}, proxiedPort(r))
		}
	}
	s.until = max(s.until, s.since)
	return s
}

// proxiedPort is the port that a proxy was asked for.
func proxiedPort(r *records.HTTP) uint16 {
	for i := len(r.Host) - 1; i >= 0; i-- {
		if r.Host[i] == ':' {
			n, _ := strconv.ParseUint(r.Host[i+1:], 10, 16)
			return uint16(n)
		}
	}
	if r.Method == "CONNECT" {
		return 443
	}
	return 80
}

func (s *sight) destination() string { return fmt.Sprintf("%s:%d", s.label.Name(), s.server.Port()) }

// alert writes what a person reads. last: it is the last that this hour may have.
func (s *sight) alert(last bool) *records.Alert {
	a := records.NewAlert(*s.meta)
	en, ja := s.label.Marks()
	title := incident.Say("Test alert of kagami canary, %s: sent by %s", "kagami canaryのテスト通知（%[1]s）：送信元%[2]s", incident.Text{EN: en, JA: ja}, s.client)
	benign := incident.Text{
		EN: "It is a test: somebody ran kagami canary on this machine. Traffic that somebody else labels so is harmless, too.",
		JA: "テストです。この端末でkagami canaryが実行されました。ほかの誰かが同じラベルを付けた通信も無害です。"}
	advice := incident.Text{
		EN: "nothing: it shows that alerts arrive here. If nobody of yours ran it, ask who knows the label and why",
		JA: "対応は不要。通知がここまで届くことの確認です。実行者に心当たりがなければ、誰が何のために送ったかを確認する"}
	a.Rule, a.Title, a.TitleJA = Rule, title.EN, title.JA
	a.Benign, a.BenignJA, a.Advice, a.AdviceJA = benign.EN, benign.JA, advice.EN, advice.JA
	a.Severity, a.Level, a.Update = records.Low, incident.Watch.String(), 1
	a.Incident = records.FlowID(table.Number(table.Name(s.label.Name()), uint64(s.meta.At)))
	a.Source, a.Destination, a.DestAddr, a.DestPort = s.client, s.destination(), s.server.Addr(), s.server.Port()
	a.Since, a.Until = s.since, s.until
	a.Flows = []string{s.meta.FlowID()}
	if s.meta.CommunityID != "" {
		a.Communities = []string{s.meta.CommunityID}
	}
	for _, t := range s.facts(last) {
		a.Evidence = append(a.Evidence, t.EN)
		a.EvidenceJA = append(a.EvidenceJA, t.JA)
	}
	return a
}

func (s *sight) facts(last bool) []incident.Text {
	facts := []incident.Text{s.what,
		incident.Say("it bears the label %s, which causes this alert and nothing else: it hides nothing from other rules", "ラベル%sが付いています。ラベルはこの通知を出すだけで、ほかの検知には影響しません", s.label.Name())}
	if h := s.meta.ClientHost; h != nil && h.Name.Value != "" {
		facts = append(facts, incident.Say("%s is %s", "%sは%s", s.client, incident.Quote(h.Name.Value)))
	}
	if !s.meta.ClientInternal {
		facts = append(facts, incident.Say("%s is in no internal zone (network.zones): other rules do not judge it", "%sは内部ゾーン（network.zones）に属さないため、ほかの検知の対象になりません", s.client))
	}
	if s.meta.Visibility.OneSided && s.meta.Server().Port() != 53 {
		facts = append(facts, incident.Say("one direction of the connection was seen only", "通信の片方向しか見えていません"))
	}
	if last {
		facts = append(facts, incident.Say("it is the last one of this hour (detect.canary.alerts_per_hour)", "この1時間の上限（detect.canary.alerts_per_hour）に達しました"))
	}
	return facts
}
