package beacon

import (
	"math"

	"kagami/detectors/census"
	"kagami/detectors/incident"
	"kagami/detectors/rhythm"
	"kagami/records"
	"kagami/sensor"
)

const rule = "beacon"

// report hands an incident to the book.
func (d *Detector) report(key, place uint64, p *pair, k *census.Contact, v *verdict, emit sensor.Emit) {
	if !v.ready() {
		v.rhythm, v.reasons, v.total = 0, nil, 0 // takes back what was said
	}
	wants := d.book.Wants(rule, k.Client, place, v.total, k.Meta.At)
	known := d.book.Known(rule, k.Client, place)
	if !known && v.total < watchScore {
		return
	}
	told := d.told.Known(place)
	// Slow ones must be heard of, lest the book takes them for over.
	if slow := v.seconds() >= float64(day/second)/2; !slow && (told || v.saturated()) {
		p.skip = max(p.skip, toldSkip)
	}
	// A timer that was told is not told again when the book has closed the
	// incident: the answer was given. That is forgotten a month after its end.
	if told {
		d.told.First(place, k.Meta.At)
		if !known {
			d.again++
			return
		}
	}
	if wants && d.book.Report(d.finding(key, place, p, k, v), emit) >= incident.Alert {
		d.told.First(place, k.Meta.At)
	}
}

// finding puts a verdict into words.
func (d *Detector) finding(key, place uint64, p *pair, k *census.Contact, v *verdict) *incident.Finding {
	w, _ := d.watched.At(key)
	w.Add(k.Meta)
	to := incident.Cut(k.Text())
	period := int64(v.seconds() * float64(second))
	f := &incident.Finding{
		Rule: rule, Meta: k.Meta, Source: k.Client, Key: place,
		Destination: to, DestAddr: k.Addr, DestPort: k.Port,
		Since: p.first, Until: max(p.ring.Last(), p.first), Every: period,
		Title: incident.Say("%s contacts %s every %s", "%sが%sへ%sごとに接続", k.Client, incident.Quote(to), incident.Span(period)),
		Facts: d.facts(p, k, v),
		Benign: incident.Say("Updaters, telemetry, chat, monitoring and open browser tabs also call on a timer. Ask what program on this machine knows the destination, and whether other machines should.",
			"更新プログラム、テレメトリ、チャット、監視、開いたままのタブも一定間隔で通信します。この端末のどのプログラムがこの宛先を使うのか、他の端末にもあるべきものかを確認してください。"),
		Technique: techniques(p, k),
		Flows:     w,
		Histogram: histogram(&p.ring),
	}
	if v.total != 0 {
		f.Reasons = append(f.Reasons, incident.Reason{Kind: "rhythm", Nats: v.rhythm, Text: d.says(p, v)})
		f.Reasons = append(f.Reasons, v.reasons...)
		f.Bearing = v.total - v.rhythm
	}
	return f
}

// says is the rhythm in one sentence.
func (d *Detector) says(p *pair, v *verdict) incident.Text {
	if v.mixed {
		m := &v.paired
		return incident.Say("%d of the last %d contacts are followed by another one after %s (%.1f would be by chance), between other traffic: %.1f nats, of which at most %.0f count for a machine and destination of this kind",
			"直近%[2]d回の接続のうち%[1]d回で、約%[3]s後に次の接続がある（偶然なら%.1[4]f回）。他の通信に混ざった一定間隔の通信：%.1[5]fナット（この種の端末と宛先では最大%.0[6]f）",
			m.Hits, m.Of, incident.Span(int64(m.Seconds()*float64(second))), m.Expected, m.Evidence, v.limit)
	}
	f := &v.found
	return incident.Say("a rhythm no person keeps: %.1f nats, of which at most %.0f count for a machine and destination of this kind",
		"人の操作では起きにくい規則性：%.1fナット（この種の端末と宛先では最大%.0f）", f.Evidence, v.limit)
}

// facts are the numbers behind a verdict.
func (d *Detector) facts(p *pair, k *census.Contact, v *verdict) []incident.Text {
	span := p.ring.Last() - p.first
	facts := []incident.Text{incident.Say("contacted %d times in %s (%s to %s), %s", "%[2]sの間に%[1]d回接続（%[3]s～%[4]s）、%[5]s",
		p.contacts, incident.Span(span), incident.Clock(p.first), incident.Clock(p.ring.Last()), phrase(k.How))}
	if !v.mixed && v.found.Kept > 0 {
		facts = append(facts, band(&v.found))
	}
	if p.flags&isGroup != 0 {
		facts = append(facts, incident.Say("the destinations take turns: they share a domain, program or network, and %d of %d contacts went elsewhere than the one before",
			"宛先が入れ替わっている（ドメイン、プログラムまたはネットワークが共通）。%[2]d回中%[1]d回は直前と別の宛先", p.contacts-min(p.repeats, p.contacts), p.contacts))
	}
	if v.found.Bursts > 0 && !v.mixed {
		facts = append(facts, incident.Say("%d contacts came within %s of another one and count with it", "%d回は直前の接続から%s以内のため、まとめて1回と数えている", v.found.Bursts, incident.Span(rhythm.Burst)))
	}
	if v.found.Missed > 0 {
		facts = append(facts, incident.Say("%d longer gaps are multiples of the period: missed beats", "間隔の倍数にあたる空き（抜けた通信）が%d回", v.found.Missed))
	}
	if v.found.Slept > 0 {
		facts = append(facts, incident.Say("%d longer gaps in which the machine was inactive, or the sensor off, do not count", "端末が動いていない、またはセンサーが停止していた空き%d回は数えない", v.found.Slept))
	}
	if p.failed > 0 {
		facts = append(facts, incident.Say("%d contacts had no answer or an error: the controller may be down, or blocked", "%d回は応答なしまたはエラー（C2サーバーの停止や遮断の可能性）", p.failed))
	}
	if p.flags&hasPulse != 0 {
		facts = append(facts, incident.Say("contacts include data sent after a pause inside a connection that stays open", "開いたままの接続の中で、間をおいて送られたデータも接続として数えている"))
	}
	if p.upN > 0 {
		facts = append(facts, incident.Say("requests have about %.0f octets", "リクエストは約%.0fオクテット", math.Exp2(float64(p.upMean))))
	}
	return facts
}

// band says where the gaps lie.
func band(f *rhythm.Found) incident.Text {
	at := func(log2 float64) incident.Text { return incident.Span(int64(math.Exp2(log2) * float64(second))) }
	return incident.Say("%d of the last %d gaps lie between %s and %s (median %s, jitter %.0f %%)", "直近%[2]d回の間隔のうち%[1]d回が%[3]s～%[4]s（中央値%[5]s、ゆらぎ%.0[6]f %%）",
		f.Kept, f.Kept+f.Missed+f.Slept+f.Other, at(f.Lo), at(f.Hi), at(f.Period), 100*f.Jitter())
}

// maxBars of a histogram.
const maxBars = 16

// histogram counts the gaps of a ring in up to 16 bars of equal width on a
// logarithmic scale, at least 1/32 octave each; empty ones are left out.
func histogram(r *rhythm.Ring) []records.Bin {
	lo, hi := int64(math.MaxInt64), int64(0)
	for ns := range r.Each {
		lo, hi = min(lo, ns), max(hi, ns)
	}
	if hi == 0 {
		return nil
	}
	step := max(math.Log2(float64(hi+1)/float64(lo))/maxBars, 1.0/32)
	bars := make([]records.Bin, maxBars)
	for i := range bars {
		bars[i].From = int64(float64(lo) * math.Exp2(float64(i)*step))
		bars[i].To = int64(float64(lo) * math.Exp2(float64(i+1)*step))
	}
	for ns := range r.Each {
		i := int(math.Log2(float64(ns)/float64(lo)) / step)
		bars[min(max(i, 0), maxBars-1)].Count++
	}
	filled := bars[:0]
	for _, b := range bars {
		if b.Count > 0 {
			filled = append(filled, b)
		}
	}
	return filled
}

func phrase(h census.How) incident.Text {
	switch h {
	case census.OverUDP:
		return incident.Say("over UDP", "UDP")
	case census.OverICMP:
		return incident.Say("over ICMP", "ICMP")
	case census.OverHTTP:
		return incident.Say("over HTTP", "HTTP")
	case census.OverTLS:
		return incident.Say("over TLS", "TLS")
	case census.OverDNS:
		return incident.Say("in DNS queries", "DNS問い合わせ")
	case census.ByProxy:
		return incident.Say("over HTTP through the proxy", "プロキシ経由のHTTP")
	case census.ByProxyConnect:
		return incident.Say("in tunnels through the proxy", "プロキシ経由のトンネル")
	}
	return incident.Say("over TCP", "TCP")
}

// techniques names the MITRE ATT&CK techniques of a beacon made that way.
func techniques(p *pair, k *census.Contact) []string {
	var t []string
	switch k.How {
	case census.OverHTTP:
		t = []string{"T1071.001"}
	case census.OverTLS:
		t = []string{"T1071.001", "T1573"}
	case census.OverDNS:
		t = []string{"T1071.004"}
	case census.ByProxy:
		t = []string{"T1071.001", "T1090"}
	case census.ByProxyConnect:
		t = []string{"T1071.001", "T1573", "T1090"}
	default:
		t = []string{"T1095"}
	}
	if p.flags&isGroup != 0 {
		t = append(t, "T1008")
	}
	return t
}
