package egress

import (
	"fmt"
	"net/netip"
	"slices"

	"kagami/detectors/census"
	"kagami/detectors/incident"
	"kagami/detectors/table"
	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

const (
	rule = "direct-egress"
	// newsEvery is after how long a new destination is news again, and newsBearing
	// what that adds to the bearing, in nats: enough to be told.
	newsEvery   = day / 4
	newsBearing = 6
	// most is the highest score: many destinations do not make it more certain.
	most = 24
	// besides is what each blocked destination adds where others answered, up to three.
	besides = 1.0
	// mostFamous is how much well-known destinations that were tried in vain may
	// say: browsers try shorter ways to them.
	mostFamous = 6
)

// verdict is the case against a machine.
type verdict struct {
	way       way
	live      []excursion // that are no exceptions
	surprise  float64
	strict    float64
	answered  float64 // of the destinations that answered
	blocked   float64 // of those that did not
	score     float64
	knownDays float64
}

// known is how much of the learning is over, from 0 to 1. Its first day, in
// which nothing is known, does not count.
func (d *Detector) known(now int64) float64 {
	if !d.census.Learned() {
		return 0
	}
	return max(0, min(float64(now-d.census.Start()-day)/float64(max(1, int64(d.config.Learning)-day)), 1))
}

// judge weighs a machine's direct contacts against its use of the ways outside,
// and tells what is worth it.
func (d *Detector) judge(m *records.Meta, h *host, emit sensor.Emit) {
	best := d.weigh(m, h)
	if best == nil {
		return
	}
	now, client := m.At, m.Client().Addr()
	key := table.Number(d.census.Source(m), table.Name(rule))
	news := h.told && now-h.last >= newsEvery
	if news { // another bypass, not more of the same
		h.bearing += newsBearing
		h.last = now
	}
	if !news && !d.book.Wants(rule, client, key, best.score, now) {
		return
	}
	if d.book.Report(d.finding(m, h, best, key), emit) >= incident.Alert && !h.told {
		h.told, h.last = true, now
	}
}

// weigh is the strongest case against a machine now, nil if there is none.
func (d *Detector) weigh(m *records.Meta, h *host) *verdict {
	client, now := m.Client().Addr(), m.At
	var best *verdict
	for w := range ways {
		if !h.bound(w, &d.config) {
			continue
		}
		known := d.known(now)
		v := &verdict{way: w, surprise: surprise(h.through[w]), strict: d.place[w].strict(h, w, known), knownDays: d.place[w].days}
		tried, famous := 0, 0.0
		for i := range h.list {
			x := &h.list[i]
			if !x.class.around(w) || d.exception(client, x) {
				continue
			}
			v.live = append(v.live, *x)
			if x.opened > 0 {
				hosts := max(d.machines(x.key), d.machines(x.domain))
				v.answered += x.weigh(hosts, d.machines(portKey(x)) > d.config.CommonHosts, d.census.Learned())
				continue
			}
			tried++
			if nats := x.inVain(now, known == 1); x.famous {
				famous += nats
			} else {
				v.blocked += nats
			}
		}
		v.blocked += min(famous, mostFamous)
		inVain := v.blocked + min(0, v.strict)
		if v.score = inVain; tried < len(v.live) {
			v.score = max(inVain, v.surprise+v.strict+v.answered+besides*float64(min(tried, 3)))
		}
		if v.score = min(v.score, most); len(v.live) > 0 && (best == nil || v.score > best.score) {
			best = v
		}
	}
	return best
}

// finding puts the case into words.
func (d *Detector) finding(m *records.Meta, h *host, v *verdict, key uint64) *incident.Finding {
	last := v.live[len(v.live)-1]
	n := len(v.live) + h.beyond
	f := &incident.Finding{Rule: rule, Meta: m, Source: m.Client().Addr(), Key: key, Destination: incident.Endpoint(last.name, last.addr, last.port),
		DestAddr: last.addr, DestPort: last.port, Since: last.first, Until: last.last, Title: v.title(m.Client().Addr(), n),
		Technique: techniques(v.live), Flows: &h.flows, Bearing: h.bearing}
	opened, blocked, octets := 0, 0, uint64(0)
	for i := range v.live {
		x := &v.live[i]
		f.Since, f.Until = min(f.Since, x.first), max(f.Until, x.last)
		opened, blocked, octets = opened+x.opened, blocked+x.blocked, octets+x.octets
	}
	f.Facts = []incident.Text{
		incident.Say("%d connections of %s went through %s, %.1f %% of what counts", "%[2]sの通信のうち%[3]s経由は%[1]d件（判定対象の%.1[4]f %%）",
			h.through[v.way], m.Client().Addr(), v.way.text(), 100*share(int(h.through[v.way]), int(h.direct[v.way]))),
		incident.Say("%d direct connections were answered, %d were blocked or unanswered; %d octets in all",
			"直接接続：応答あり%d件、遮断または応答なし%d件、計%dバイト", opened, blocked, octets),
		list(v.live, h.beyond),
	}
	f.Reasons = v.reasons(opened > 0)
	f.Benign = incident.Text{
		EN: "Programs that do not know the way meant for them (updaters, calls, captive-portal checks, VPN clients) and destinations that the " +
			"automatic proxy configuration excepts. Find the program; if it is meant to be, add it to [[detect.egress.exception]].",
		JA: "プロキシ等を使わないプログラム（更新、通話、キャプティブポータル確認、VPN）や、プロキシ自動設定の除外先の可能性があります。" +
			"プログラムを特定し、正当なら[[detect.egress.exception]]に登録してください。"}
	return f
}

// reasons are what makes the score.
func (v *verdict) reasons(answered bool) []incident.Reason {
	place := incident.Reason{Kind: "discipline", Nats: v.strict, Text: incident.Say("how seldom other machines go around %s (%.0f machine-days seen)",
		"他の端末が%sを迂回する頻度の低さ（観測%.0f台日）", v.way.text(), v.knownDays)}
	blocked := incident.Reason{Kind: "blocked", Nats: v.blocked, Text: incident.Say("destinations that were tried in vain", "接続に失敗した宛先")}
	inVain := v.blocked + min(0, v.strict)
	if !answered || inVain >= v.score {
		place.Nats = min(0, v.strict)
		return []incident.Reason{{Kind: "blocked", Nats: v.score - place.Nats, Text: blocked.Text}, place}
	}
	rest := v.score - v.surprise - v.strict
	return []incident.Reason{
		{Kind: "way", Nats: v.surprise, Text: incident.Say("a direct contact is unexpected of a machine that uses %s", "%sを使う端末としては想定外の直接接続", v.way.text())},
		place,
		{Kind: "destinations", Nats: rest, Text: incident.Say("the destinations: how many, how rare, whether new and without a name",
			"宛先の数・希少さ・新しさ・名前の有無")}}
}

// title says in one line what happened.
func (v *verdict) title(client netip.Addr, n int) incident.Text {
	all := func(cs ...class) bool {
		return !slices.ContainsFunc(v.live, func(x excursion) bool { return !slices.Contains(cs, x.class) })
	}
	places := incident.Plural(n, "destination", "destinations", "%d件の宛先")
	if !slices.ContainsFunc(v.live, func(x excursion) bool { return x.opened > 0 }) {
		return incident.Say("%s tries in vain to go around %s to %s", "%sが%sを迂回して%sへの接続を試み、失敗しています", client, v.way.text(), places)
	}
	switch {
	case all(dns, dot, doh):
		return incident.Say("%s asks name servers outside: %s", "%sが外部のDNSサーバーへ直接問い合わせています：%s", client, places)
	case all(mail):
		return incident.Say("%s sends mail straight out to %s", "%sが%sへメールを直接送信しています", client, places)
	case all(ping):
		return incident.Say("%s sends data out in ICMP echo requests to %s", "%sがICMPエコー要求で%sへデータを送っています", client, places)
	}
	return incident.Say("%s goes around %s to %s", "%sが%sを迂回して%sへ直接接続しています", client, v.way.text(), places)
}

// techniques names the MITRE ATT&CK techniques for what was used.
func techniques(live []excursion) []string {
	var out []string
	add := func(ids ...string) {
		for _, id := range ids {
			if !slices.Contains(out, id) {
				out = append(out, id)
			}
		}
	}
	for i := range live {
		x := &live[i]
		switch x.class {
		case web, quic:
			add("T1071.001")
		case dns:
			add("T1071.004")
		case dot, doh:
			add("T1071.004", "T1572")
		case mail:
			add("T1071.003", "T1048.003")
		case ping:
			add("T1095")
		default:
			add("T1571")
			if x.proto != packet.ProtoTCP {
				add("T1095")
			}
		}
		if x.octets >= 10<<20 {
			add("T1048")
		}
	}
	return out
}

// list names the destinations.
func list(live []excursion, beyond int) incident.Text {
	items := make([]incident.Text, 0, len(live)+1)
	for i := range live {
		x := &live[i]
		where := records.Transport(x.proto)
		if x.class != web && x.class != odd && x.class != ping {
			where += ", " + x.class.text().EN
		}
		name := incident.Quote(incident.Endpoint(x.name, x.addr, x.port))
		if x.name != "" {
			name += fmt.Sprintf(" [%s]", x.addr)
		}
		items = append(items, incident.Say("%s (%s; %d answered, %d blocked, %d octets, first %s)", "%s（%s、応答%d、失敗%d、%dバイト、初回%s）",
			name, where, x.opened, x.blocked, x.octets, incident.Clock(x.first)))
	}
	if beyond > 0 {
		items = append(items, incident.Say("and %d more", "ほか%d件", beyond))
	}
	return incident.Say("direct destinations: %s", "直接接続先：%s", incident.List(items))
}

// Explain says how a machine goes outside, and what is known of one target if one
// is named.
func (d *Detector) Explain(src netip.Addr, t census.Target, say func(incident.Text)) {
	src = src.Unmap()
	h := d.hosts.Get(d.census.SourceOf(src))
	if h == nil {
		say(incident.Say("egress: %s was seen neither to use the proxy nor to go around it", "egress：%sはプロキシの利用も迂回も観測されていません", src))
		return
	}
	for w := range ways {
		p, through, direct := &d.place[w], int(h.through[w]), int(h.direct[w])
		if through == 0 && direct == 0 {
			continue
		}
		state := incident.Text{EN: "it may go outside by itself", JA: "直接接続もする端末と判定"}
		switch {
		case through < d.config.MinProxied:
			state = incident.Text{EN: "too few to judge", JA: "判定に不足"}
		case h.latched[w] || share(through, direct) >= d.config.ProxyShare:
			state = incident.Text{EN: "direct contacts are judged", JA: "直接接続を判定対象とする"}
		}
		say(incident.Say("egress: connections of %[2]s by %[3]s: %[1]d; %[4]s around: %[5]s", "egress：%[2]sの%[3]s経由の通信%[1]d件、迂回した宛先%[4]s：%[5]s",
			through, src, w.text(), incident.Plural(direct, "destination", "destinations", "%d件"), state))
		say(incident.Say("egress: days on which machines here went by %[2]s: %.0[1]f; with a new direct destination: %.0[3]f of them", "egress：全体では%[2]sを使う端末が延べ%.0[1]f台日、うち新たな直接接続のあった日が%.0[3]f台日",
			p.days, w.text(), p.leaks))
	}
	if known := d.known(d.census.Now()); known < 1 {
		say(incident.Say("egress: still learning, %.0f %% done: what goes outside directly now becomes habit", "egress：学習中（%.0f %%完了）。現在の直接接続は習慣として学習されます", 100*known))
	}
	if t.Name == "" && !t.Addr.IsValid() {
		return
	}
	n := max(d.machines(t.Destination()), d.machines(table.Name(t.Name)))
	say(incident.Say("egress: machines that contact %[2]s directly: %[1]d; from %[3]d on it is an exception", "egress：%[2]sへ直接接続する端末は%[1]d台（%[3]d台以上で例外扱い）",
		n, incident.Quote(t.String()), d.config.CommonHosts))
	for i := range h.list {
		if x := &h.list[i]; x.key == t.Destination() {
			say(list(h.list[i:i+1], 0))
		}
	}
}
