package scan

import (
	"fmt"
	"math"
	"net/netip"
	"slices"

	"kagami/detectors/incident"
	"kagami/detectors/table"
	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

const (
	// alarmScore is the evidence of a test that gives the alarm, at least: the
	// tests are of one in 100,000 and less.
	alarmScore = 12
	// tenfold is what a tenfold number of targets adds, in nats: a scan that goes
	// on is no news, one that has spread is.
	tenfold = 6
)

// grown is the score of an alarm first given at so many targets, now that there
// are so many.
func (d *Detector) grown(first, now int) float64 {
	return max(alarmScore, d.config.Threshold) + spread(first, now)
}

func spread(first, now int) float64 {
	return tenfold * math.Log10(max(1, float64(now)/float64(max(first, 1))))
}

// tellSearch tells that a client's first contacts fail as those of a search do.
func (d *Detector) tellSearch(k *contact, s *source, sum float64, emit sensor.Emit) {
	t := &s.failing
	if s.searching == 0 {
		s.searching = t.n
		d.disbelieve(k.source, t)
	}
	if !d.wanted("lateral-scan", k, s, d.grown(s.searching, t.n)) {
		return
	}
	f := d.finding("lateral-scan", k, s, t)
	f.Title = incident.Say("%s searches for machines: %d of %d first contacts failed",
		"%sが端末を探索しています：初回接続%[3]d件のうち%[2]d件が失敗", k.client, t.failed, t.n)
	f.Facts = append([]incident.Text{
		incident.Say("%d of %d first contacts since %s failed; first contacts of a harmless machine mostly succeed",
			"%[3]s以降の初回接続%[2]d件のうち%[1]d件が失敗（正常な端末の初回接続は大半が成功します）", t.failed, t.n, incident.Clock(f.Since)),
		d.test(t, sum)}, f.Facts...)
	d.book.Report(f, emit)
}

// tellPeers tells that a client has far more new peers than its habit.
func (d *Detector) tellPeers(k *contact, s *source, o oddity, emit sensor.Emit) {
	if s.turning == 0 {
		s.turning = o.peers
	}
	if !d.wanted("lateral-scan", k, s, d.grown(s.turning, o.peers)) {
		return
	}
	f := d.finding("lateral-scan", k, s, &s.peers)
	f.Title = incident.Say("%s turned to %d new machines on ports of administration",
		"%sが管理用ポートで新たに%d台へ接続しました", k.client, o.peers)
	f.Facts = append([]incident.Text{
		incident.Say("%d new peers on ports of administration within %s, where its habit lets %.1f expect",
			"%[2]s以内に管理用ポートの新規接続先が%[1]d台（これまでの傾向からの期待値は%.1[3]f台）",
			o.peers, incident.Span(o.span), o.usual),
		incident.Say("probability of that many by accident: %.1g", "偶然にこの数以上となる確率：%.1g", o.odds)}, f.Facts...)
	d.book.Report(f, emit)
}

// tellFan tells that a client asks for its neighbours, one and all.
func (d *Detector) tellFan(k *contact, s *source, emit sensor.Emit) {
	t := &s.asked
	if !d.wanted("lateral-scan", k, s, d.grown(fanOut, t.n)) {
		return
	}
	f := d.finding("lateral-scan", k, s, t)
	f.Title = incident.Say("%s searches its network by ARP: it asked for %d neighbours for the first time",
		"%sがARPで近隣の端末を探索しています：初めて尋ねた相手が%d台", k.client, t.n)
	f.Technique = []string{"T1018"}
	f.Facts = append([]incident.Text{incident.Say("%d of %d did not answer; alarm at %d within %s, whether they answer or not",
		"%[2]d台のうち%[1]d台が応答なし（応答の有無によらず%[4]s以内に%[3]d台で警報）", t.failed, t.n, fanOut, incident.Span(fanSpan))}, f.Facts...)
	d.book.Report(f, emit)
}

// tellSweep tells that a client tries one UDP port on many machines.
func (d *Detector) tellSweep(k *contact, u *series, emit sensor.Emit) {
	s := d.source(k)
	t := &u.failing
	u.last = k.at
	if u.alerted == 0 {
		u.alerted = t.n
		s.combed++
		d.disbelieve(k.source, t)
	}
	if !d.wanted("lateral-scan", k, s, d.grown(u.alerted, t.n)+spread(1, s.combed)) {
		return
	}
	f := d.finding("lateral-scan", k, s, t)
	f.Title = incident.Say("%s tries UDP port %d on %s: %d did not answer",
		"%sが%[3]sのUDPポート%[2]dを試しています：%[4]d台が応答なし", k.client, k.port, incident.Plural(t.n, "machine", "machines", "%d台"), t.failed)
	f.Facts = append([]incident.Text{d.test(t, u.sum)}, f.Facts...)
	d.book.Report(f, emit)
}

// tellPorts tells that a client tries the ports of one machine.
func (d *Detector) tellPorts(k *contact, p *series, emit sensor.Emit) {
	s := d.source(k)
	t := &p.failing
	p.last = k.at
	if p.alerted == 0 {
		p.alerted = t.n
		s.combed++
	}
	news := s.sign(k.at)
	score := d.grown(p.alerted, t.n) + spread(1, s.combed)
	if !news && !d.book.Wants("port-scan", k.client, k.incident(), score, k.at) {
		return
	}
	f := d.finding("port-scan", k, s, t)
	f.Reasons[0].Kind, f.Reasons[0].Nats, f.Bearing = "ports", score, s.bearing(score)
	f.Destination, f.DestAddr = k.addr.String(), k.addr
	f.Technique = []string{"T1046"}
	f.Title = incident.Say("%s tries the ports of %s: %d of %d failed",
		"%sが%sのポートを調べています：%[4]d個のうち%[3]d個が失敗", k.client, k.addr, t.failed, t.n)
	f.Facts = append([]incident.Text{
		incident.Say("%d of %d ports tried for the first time since %s failed", "%[3]s以降に初めて試されたポート%[2]d個のうち%[1]d個が失敗",
			t.failed, t.n, incident.Clock(f.Since)),
		d.test(t, p.sum)}, f.Facts...)
	if s.combed > 1 {
		f.Facts = append(f.Facts, incident.Say("it has tried the ports of %d machines", "ポートを調べられた端末は計%d台", s.combed))
	}
	d.book.Report(f, emit)
}

// incident is the key of all that a client scans: one alert tells it.
func (k *contact) incident() uint64 { return table.Number(k.source, table.Name("scan")) }

// wanted notes a sign of a search with its score, and tells whether reporting it
// would change anything. What one test found does not lessen what others did.
func (d *Detector) wanted(rule string, k *contact, s *source, score float64) bool {
	news := s.sign(k.at)
	s.score = max(s.score, score)
	return news || d.book.Wants(rule, k.client, k.incident(), s.score, k.at)
}

// test is the state of a sequential test.
func (d *Detector) test(t *targets, sum float64) incident.Text {
	if t.dark > 0 {
		return incident.Say("sequential test over outcomes: %.1f nats, alarm at %.1f; at %d of the addresses there is nobody",
			"接続結果の逐次検定：%.1fナット（警報%.1f以上）。うち%dアドレスには端末が存在しません", sum, d.config.Threshold, t.dark)
	}
	return incident.Say("sequential test over outcomes: %.1f nats, alarm at %.1f", "接続結果の逐次検定：%.1fナット（警報%.1f以上）", sum, d.config.Threshold)
}

// finding fills in what all scans share.
func (d *Detector) finding(rule string, k *contact, s *source, t *targets) *incident.Finding {
	f := &incident.Finding{Rule: rule, Meta: k.meta, Source: k.client, Key: k.incident(), Bearing: s.bearing(s.score), Flows: &t.flows,
		Since: t.kept[0].at, Until: k.target.at, Technique: t.techniques()}
	for _, x := range t.kept {
		f.Since, f.Until = min(f.Since, x.at), max(f.Until, x.at)
	}
	f.Reasons = []incident.Reason{{Kind: "targets", Nats: s.score,
		Text: incident.Say("new targets, and what became of them", "新規の接続先とその接続結果")}}
	if took := f.Until - f.Since; t.n > 1 && took > 0 {
		f.Facts = append(f.Facts, incident.Say("%d first contacts in %s, one every %s", "%[2]sで初回接続%[1]d件（平均%[3]sに1件）",
			t.n, incident.Span(took), incident.Span(took/int64(t.n-1))))
	}
	if t.runs > 0 {
		f.Facts = append(f.Facts, incident.Say("neighbouring numbers were tried one after the other", "連続する番号が順に試されています"))
	}
	if d.planned(k.client) {
		f.Facts = append(f.Facts, incident.Say("%s is a scanner, outside its window or its targets", "%sは登録済みのスキャナーですが、許可された時間帯または対象の範囲外です", k.client))
	}
	f.Facts = append(f.Facts, t.list())
	f.Benign = incident.Text{
		EN: "Vulnerability scanners, monitoring, inventory and printer search do this on purpose: ask who runs them, and give a scanner its window in [[detect.scan.scanner]]; " +
			"a machine that came back after a change of addresses, or whose name server knows dead machines, does it by mistake.",
		JA: "脆弱性スキャナー・監視・資産管理・プリンター検索は意図的にこの動作をします。管理者に確認し、スキャナーは[[detect.scan.scanner]]に時間帯を登録してください。" +
			"アドレス変更後に復帰した端末や、古い名前解決情報を持つ端末が意図せず行う場合もあります。"}
	return f
}

// planned tells whether a client is one of the configured scanners.
func (d *Detector) planned(a netip.Addr) bool {
	for i := range d.plans {
		if contains(d.plans[i].networks, a) {
			return true
		}
	}
	return false
}

// list writes the targets kept, by what was tried and what became of it, each
// group with the time of its first and last.
func (t *targets) list() incident.Text {
	one := true // machine, of which many ports were tried
	for _, x := range t.kept {
		one = one && x.addr == t.kept[0].addr
	}
	var groups []group
	for _, x := range t.kept {
		name, item := x.what(), x.addr.String()
		if one {
			name, item = item, name
		}
		i := slices.IndexFunc(groups, func(g group) bool { return g.name == name && g.outcome == x.outcome })
		if i < 0 {
			groups = append(groups, group{name: name, outcome: x.outcome, from: x.at, to: x.at})
			i = len(groups) - 1
		}
		groups[i].add(item, x.at)
	}
	var texts []incident.Text
	for i := range groups {
		texts = append(texts, groups[i].text())
	}
	if more := t.n - len(t.kept); more > 0 {
		texts = append(texts, incident.Say("and %d more", "ほか%d件", more))
	}
	all := texts[0]
	for _, x := range texts[1:] {
		all = incident.Say("%s; %s", "%s；%s", all, x)
	}
	return incident.Say("never contacted before: %s", "これまで接続のなかった相手：%s", all)
}

// group are targets that were tried alike, with the same outcome.
type group struct {
	name     string
	outcome  outcome
	items    []incident.Text
	from, to int64
}

func (g *group) add(item string, at int64) {
	g.items = append(g.items, incident.Same(item))
	g.from, g.to = min(g.from, at), max(g.to, at)
}

func (g *group) text() incident.Text {
	when := incident.Same(incident.Clock(g.from))
	if to := incident.Clock(g.to); to != when.EN {
		when = incident.Say("%s to %s", "%s～%s", when, to)
	}
	return incident.Say("%s %s: %s (%s)", "%s %s：%s（%s）", g.name, g.outcome.text(), incident.List(g.items), when)
}

// what is how a target was tried.
func (x *target) what() string {
	switch {
	case x.port != 0:
		return fmt.Sprintf("%s/%d", records.Transport(x.proto), x.port)
	case x.proto != 0:
		return records.Transport(x.proto)
	}
	return "arp"
}

// techniques names the MITRE ATT&CK techniques for the ports tried; use of a
// service is only claimed where a target answered.
func (t *targets) techniques() []string {
	out := []string{"T1046", "T1018"}
	add := func(id string) {
		for _, have := range out {
			if have == id {
				return
			}
		}
		out = append(out, id)
	}
	for _, x := range t.kept {
		if x.proto != packet.ProtoTCP {
			continue
		}
		shares := x.port == 445 || x.port == 139
		if shares {
			add("T1135")
		}
		switch {
		case x.outcome != success:
		case shares:
			add("T1021.002")
		case x.port == 3389:
			add("T1021.001")
		case x.port == 5985 || x.port == 5986:
			add("T1021.006")
		case x.port == 22:
			add("T1021.004")
		}
	}
	return out
}
