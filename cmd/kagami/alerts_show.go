package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"kagami/detectors/incident"
	"kagami/records"
)

// tale is an incident as far as it was told: its latest alert stands for all.
type tale struct {
	alert      *records.Alert
	first      int64 // time of its first alert, nanoseconds since the epoch
	times      int   // alerts
	suppressed string
}

// incidents gathers alerts: one of each incident, in the order in which they
// began. Beyond its limit it only counts.
type incidents struct {
	limit  int
	list   []*tale
	byID   map[string]*tale
	alerts uint64 // all of them
	beyond uint64 // those of incidents that found no room
}

func newIncidents(limit int) *incidents {
	return &incidents{limit: limit, byID: map[string]*tale{}}
}

// add takes an alert. Those without an incident, of older versions, stand each
// alone under their own id.
func (x *incidents) add(a *records.Alert, id string) {
	x.alerts++
	key := cmp.Or(a.Incident, id)
	t := x.byID[key]
	switch {
	case t != nil:
		t.times++
		t.first = min(t.first, a.Meta().At)
		if a.Meta().At >= t.alert.Meta().At {
			t.alert = a
		}
	case len(x.list) >= x.limit:
		x.beyond++
	default:
		t = &tale{alert: a, first: a.Meta().At, times: 1}
		x.byID[key] = t
		x.list = append(x.list, t)
	}
}

// alertPage shows incidents to a person, one block each. Names from the wire are
// escaped.
type alertPage struct {
	w    io.Writer
	zone *time.Location
	lang string // "ja", or English
}

func (p *alertPage) say(en, ja string, args ...any) string {
	return printable(incident.Say(en, ja, args...).In(p.lang))
}

func (p *alertPage) line(en, ja string, args ...any) {
	fmt.Fprintln(p.w, "          "+p.say(en, ja, args...))
}

// block shows one incident.
func (p *alertPage) block(t *tale) {
	a := t.alert
	title, evidence, benign, advice := a.Title, a.Evidence, a.Benign, a.Advice
	if p.lang == "ja" {
		title, benign, advice = cmp.Or(a.TitleJA, title), cmp.Or(a.BenignJA, benign), cmp.Or(a.AdviceJA, advice)
		if len(a.EvidenceJA) > 0 {
			evidence = a.EvidenceJA
		}
	}
	fmt.Fprintf(p.w, "\n  %s%s\n", p.urgency(a), printable(title))
	p.line("%s to %s   %s", "%s 〜 %s   %s", stamp(a.Since, p.zone), stamp(a.Until, p.zone), strings.TrimSpace(a.Rule+"   "+strings.Join(a.Technique, " ")))
	p.identity(t)
	for _, e := range evidence {
		p.line("- %s", "- %s", local(e, p.zone))
	}
	if bars := histogram(a.Histogram); bars != "" {
		p.line("Intervals between contacts: %s |%s| %s (fullest bar: %d)", "通信間隔の分布：%s |%s| %s（最多の区間で%d回）",
			incident.Span(a.Histogram[0].From), bars, incident.Span(a.Histogram[len(a.Histogram)-1].To), fullest(a.Histogram))
	}
	if len(a.Chain) > 0 {
		p.line("How it came about:", "経緯：")
		for i, step := range a.Chain {
			p.line("  %d. %s", "  %d. %s", i+1, local(step, p.zone))
		}
	}
	if benign != "" {
		p.line("May be benign: %s", "無害な可能性：%s", benign)
	}
	if advice = cmp.Or(advice, incident.Advice(a.Rule).In(p.lang)); advice != "" {
		p.line("What to do: %s.", "対応：%s。", advice)
	}
	p.line("Seen in that time: %s", "この間の観測状況：%s", p.seen(&a.Window))
	if a.Fetch != "" {
		p.line("Its packets: %s", "パケットの取得：%s", a.Fetch)
	}
	if t.suppressed != "" {
		p.line("Suppressed by %s", "抑止設定により非表示：%s", t.suppressed)
	}
}

// utc is a moment in a sentence, as incident.Clock and others write it, or a name
// in quotation marks, which is left alone whatever it contains.
var utc = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d(?:\.\d+)?)?Z`)

// local writes the moments of a sentence in the zone of its reader.
func local(text string, zone *time.Location) string {
	if zone == time.UTC {
		return text
	}
	return utc.ReplaceAllStringFunc(text, func(s string) string {
		for _, layout := range []string{"2006-01-02 15:04:05.000Z", "2006-01-02 15:04:05Z", "2006-01-02 15:04Z"} {
			if t, err := time.Parse(layout, s); err == nil {
				return t.In(cmp.Or(zone, time.Local)).Format(strings.TrimSuffix(layout, "Z"))
			}
		}
		return s
	})
}

// urgency is the first word of a block.
func (p *alertPage) urgency(a *records.Alert) string {
	word := cmp.Or(a.Level, a.Severity.String())
	if p.lang != "ja" {
		return fmt.Sprintf("%-6s  ", printable(strings.ToUpper(word)))
	}
	switch word {
	case "high":
		return "【緊急】"
	case "alert", "medium":
		return "【要確認】"
	case "watch", "low":
		return "【監視中】"
	}
	return "【" + printable(word) + "】"
}

// identity says which incident it is, how often it was told, and whose the machine
// is.
func (p *alertPage) identity(t *tale) {
	a := t.alert
	var parts []string
	add := func(en, ja string, args ...any) { parts = append(parts, p.say(en, ja, args...)) }
	if a.Incident != "" {
		add("incident %s", "インシデント%s", a.Incident)
	}
	switch {
	case a.Update > 1:
		add("update %d of %s", "続報%d（%s）", a.Update, stamp(a.Meta().At, p.zone))
	default:
		add("told %s", "通知%s", stamp(a.Meta().At, p.zone))
	}
	if a.Update > 1 && t.times > 1 {
		add("first told %s", "初回通知%s", stamp(t.first, p.zone))
	}
	add("score %.1f nats", "スコア%.1fナット", a.Score)
	if m := a.Meta(); m.ClientHost != nil && m.Client().Addr() == a.Source {
		if name := m.ClientHost.Name.Value; name != "" {
			add("machine %s", "端末名%s", name)
		}
		if user := m.ClientHost.User.Value; user != "" {
			add("user %s", "利用者%s", user)
		}
	}
	p.line("%s", "%s", strings.Join(parts, p.say("; ", "、")))
}

// seen says what an alert's window is worth.
func (p *alertPage) seen(win *records.Window) string {
	flows := incident.Say("%s flows", "フロー%s件", thousands(win.Flows))
	if win.Flows == 1 {
		flows.EN = "1 flow"
	}
	text := p.say("%s, %d one-sided, %s of TCP missed, %d frames dropped", "%s（うち片方向%d件）、TCPの取りこぼし%s、ドロップしたフレーム%d",
		flows, win.OneSided, octets(win.Missed), win.Dropped)
	if win.Duplicates > 0 {
		text += p.say(", %s packets mirrored twice", "、二重にミラーされたパケット%s", thousands(win.Duplicates))
	}
	if win.ClockSteps > 0 {
		text += p.say(", the clock set back %d times", "、時計の巻き戻し%d回", win.ClockSteps)
	}
	return text
}

// maxBars is how many bars are shown; of more, neighbours are put together.
const maxBars = 48

// histogram draws the intervals as one line of bars on a logarithmic scale; "" if
// there are none.
func histogram(bins []records.Bin) string {
	most := fullest(bins)
	if most <= 0 {
		return ""
	}
	levels := []rune(" ▁▂▃▄▅▆▇█")
	bars := unbroken(bins)
	step := (len(bars) + maxBars - 1) / maxBars
	var line []rune
	for group := range slices.Chunk(bars, step) {
		height := max(0, slices.Max(group))
		line = append(line, levels[(height*(len(levels)-1)+most-1)/most])
	}
	return string(line)
}

// unbroken are the counts, with zeros for the empty bins that a histogram leaves
// out: as many as bins of the last one's width on a logarithmic scale fit between.
func unbroken(bins []records.Bin) []int {
	var counts []int
	for i, b := range bins {
		if i > 0 {
			last := bins[i-1]
			width := math.Log(float64(last.To) / float64(last.From))
			gap := math.Round(math.Log(float64(b.From)/float64(last.To)) / width)
			if last.From > 0 && width > 0 && gap > 0 {
				counts = append(counts, make([]int, int(min(gap, maxBars)))...)
			}
		}
		counts = append(counts, height(b))
	}
	return counts
}

// fullest is the largest count.
func fullest(bins []records.Bin) int {
	most := 0
	for _, b := range bins {
		most = max(most, height(b))
	}
	return most
}

// height is a count, of which a file may claim anything.
func height(b records.Bin) int { return max(0, min(b.Count, math.MaxInt32)) }
