package scan

import (
	"net/netip"

	"kagami/detectors/census"
	"kagami/detectors/incident"
	"kagami/detectors/table"
)

// Explain says what is known of a machine's first contacts, and of those with one
// target if that is an address.
func (d *Detector) Explain(src netip.Addr, t census.Target, say func(incident.Text)) {
	src = src.Unmap()
	id := d.census.SourceOf(src)
	s := d.sources.Get(id)
	if s == nil {
		say(incident.Say("scan: no first contact of %s with a machine inside is remembered", "scan：%sから内部端末への初回接続は記録されていません", src))
	} else {
		d.explainSource(src, s, say)
	}
	if contains(d.config.Allow, src) {
		say(incident.Say("scan: %s is not judged (detect.scan.allow)", "scan：%sは判定対象外です（detect.scan.allow）", src))
	}
	if d.planned(src) {
		say(incident.Say("scan: %s is a scanner with a window ([[detect.scan.scanner]])", "scan：%sは時間帯が登録されたスキャナーです（[[detect.scan.scanner]]）", src))
	}
	if d.census.Blind() {
		say(incident.Say("scan: most connections show one direction only: what no answer means cannot be told", "scan：大半の通信が片方向しか見えないため、応答がないことの意味を判定できません"))
	}
	if t.Addr.IsValid() {
		d.explainPair(id, src, t, say)
	}
}

func (d *Detector) explainSource(src netip.Addr, s *source, say func(incident.Text)) {
	say(incident.Say("scan: sums over outcomes of first contacts of %s: %.1f nats, on ports of administration %.1f; alarm at %.1f",
		"scan：%sの初回接続結果の累積：%.1fナット、管理用ポートでは%.1fナット（警報%.1f以上）", src, s.all.sum, s.admin.sum, d.config.Threshold))
	h := s.habit // a copy: time goes on in it
	h.turn(d.census.Now())
	o := h.unusual(d.config.FirstDayPeers)
	say(incident.Say("scan: %d new peers on ports of administration within %s, %.1f expected (%.1f days known); alarm below a probability of %.1g, now %.1g",
		"scan：%[2]s以内の管理用ポートの新規接続先は%[1]d台、期待値%.1[3]f台（学習期間%.1[4]f日）。確率%.1[5]g未満で警報、現在%.1[6]g",
		o.peers, incident.Span(o.span), o.usual, h.days+float64(min(h.slot-h.begun, quarters))/perDay, d.config.PeerOdds, o.odds))
}

func (d *Detector) explainPair(id uint64, src netip.Addr, t census.Target, say func(incident.Text)) {
	server := table.Addr(t.Addr.Unmap())
	if d.met.Known(key(withMachine, id, server)) {
		say(incident.Say("scan: %s has contacted %s before: contacts with it are no first contacts", "scan：%sは%sへの接続歴があり、初回接続とは数えません", src, t.Addr))
	} else {
		say(incident.Say("scan: no contact of %s with %s is remembered (outside, only those on ports of administration are)",
			"scan：%sから%sへの接続は記憶されていません（外部宛ては管理用ポートのみ記憶）", src, t.Addr))
	}
	if p := d.series.Get(key(withMachine, id, server)); p != nil {
		say(incident.Say("scan: ports of %s tried in vain: %d of %d, %.1f nats; alarm at %.1f", "scan：%sのポート試行%[3]d件のうち失敗%[2]d件、%.1[4]fナット（警報%.1[5]f以上）",
			t.Addr, p.failing.failed, p.failing.n, p.sum, d.config.Threshold))
	}
	if d.census.Dark(t.Addr) {
		say(incident.Say("scan: nobody is known at %s", "scan：%sに端末の存在は確認されていません", t.Addr))
	}
}
