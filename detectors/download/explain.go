package download

import (
	"net/netip"

	"kagami/detectors/census"
	"kagami/detectors/incident"
)

// Explain says what is known of a machine's requests to a destination: what is
// remembered, what became of it, and what is not seen.
func (d *Detector) Explain(src netip.Addr, t census.Target, say func(incident.Text)) {
	source := d.census.SourceOf(src)
	k := census.Contact{Name: t.Name, Addr: t.Addr}
	d.explainVisits(source, t, say)
	if g := d.guilty.Get(k.DomainKey()); g != nil && d.census.Now()-g.at <= convicts {
		say(incident.Say("its domain delivered what was alerted on %s: this counts against it for 7 days, for other machines",
			"このドメインは%sに通知対象のファイルを配信。7日間、ほかの端末での判定に加算", incident.Clock(g.at)))
	}
	e := d.episodes.Get(source)
	if e == nil || !e.knows(k.DomainKey()) {
		return
	}
	say(incident.Say("the last visit brought a download of %.1f nats (%s): %s", "直近の訪問でのダウンロードは%.1fナット（%s）：%s", e.score, e.finding.Rule, e.finding.Title))
	if !e.confirmed {
		say(incident.Say("nothing that followed confirmed it; it is watched for until %s", "その後の裏付けとなる通信はなし（%sまで監視）", incident.Clock(e.at+int64(d.config.Chain))))
	}
}

func (d *Detector) explainVisits(source uint64, t census.Target, say func(incident.Text)) {
	n, risky, last := 0, 0, int64(0)
	if v := d.visits.Get(source); v != nil {
		v.recent(0, func(x *visit) bool {
			if x.host != t.Destination() {
				return true
			}
			if n++; x.risk != harmless {
				risky++
			}
			last = max(last, x.at)
			return true
		})
	}
	if n == 0 {
		say(incident.Say("downloads: none of the machine's last %d HTTP requests in clear went there (pictures left out); inside TLS nothing is seen",
			"ダウンロード：この端末の直近%d件の平文HTTP要求（画像等を除く）にこの宛先はなし。TLSの中は見えません", remembered))
		return
	}
	say(incident.Say("downloads: %d of the machine's last %d HTTP requests in clear went there, the last %s; %d brought what can do harm",
		"ダウンロード：この端末の直近%[2]d件の平文HTTP要求のうち%[1]d件がこの宛先（最終%[3]s）。うち危険になり得る内容は%[4]d件", n, remembered, incident.Clock(last), risky))
}
