package exporters

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

// alertText is an alert as people read it, taken from its ECS line. Its strings
// quote names from the wire: whoever writes them into a message escapes them.
type alertText struct {
	ID        string // event.id
	Update    int    // 1 = told for the first time
	Rule      string
	Severity  string // low, medium, high
	Title     string
	Who       string // address, name and user of the source
	Towards   string
	Since, At time.Time
	Evidence  []string
	Chain     []string
	Benign    string
	Advice    string // what to do first
	Technique []string
	Fetch     string // the command that fetches its packets, "" when none are kept
}

// language is that of a message.
type language uint8

const (
	english language = iota
	japanese
)

func readLanguage(value string) (language, error) {
	switch value {
	case "en":
		return english, nil
	case "ja":
		return japanese, nil
	}
	return english, fmt.Errorf("lang: got %q, want en or ja", value)
}

// alertLine is what is read of an ECS line.
type alertLine struct {
	Timestamp time.Time `json:"@timestamp"`
	Event     struct {
		Dataset string    `json:"dataset"`
		ID      string    `json:"id"`
		Reason  string    `json:"reason"`
		Start   time.Time `json:"start"`
	} `json:"event"`
	Rule   struct{ Name string } `json:"rule"`
	Threat struct{ Technique struct{ ID []string } }
	Source struct {
		Domain string
		IP     string
		User   struct{ Name string }
	}
	Destination struct{ Address string }
	Kagami      struct {
		Alert struct {
			Advice     string
			AdviceJA   string `json:"advice_ja"`
			Benign     string
			BenignJA   string `json:"benign_ja"`
			Chain      []string
			Evidence   []string
			EvidenceJA []string `json:"evidence_ja"`
			Fetch      string
			Severity   string
			TitleJA    string `json:"title_ja"`
			Update     int
		}
	}
}

var errNoAlert = errors.New(`not an alert: want format = "ecs" and records = ["alert"] in this [[export]]`)

// readAlert reads an ECS line; what has no translation stays English.
func readAlert(line []byte, lang language, zone *time.Location) (alertText, error) {
	var l alertLine
	if err := json.Unmarshal(line, &l); err != nil || l.Event.Dataset != "kagami.alert" {
		return alertText{}, errNoAlert
	}
	own := &l.Kagami.Alert
	a := alertText{ID: l.Event.ID, Update: own.Update, Rule: l.Rule.Name, Severity: own.Severity, Title: l.Event.Reason,
		Who: l.Source.IP, Towards: l.Destination.Address, Since: l.Event.Start.In(zone), At: l.Timestamp.In(zone),
		Evidence: own.Evidence, Chain: own.Chain, Benign: own.Benign, Advice: own.Advice, Technique: l.Threat.Technique.ID, Fetch: own.Fetch}
	for _, more := range []string{l.Source.Domain, l.Source.User.Name} {
		if more != "" {
			a.Who += ", " + more
		}
	}
	if lang == japanese {
		a.translate(own.TitleJA, own.EvidenceJA, own.BenignJA, own.AdviceJA)
	}
	return a, nil
}

func (a *alertText) translate(title string, evidence []string, benign, advice string) {
	a.Title, a.Benign, a.Advice = cmp.Or(title, a.Title), cmp.Or(benign, a.Benign), cmp.Or(advice, a.Advice)
	if len(evidence) > 0 {
		a.Evidence = evidence
	}
}

// labels are the words around an alert's own.
type labels struct {
	who, towards, since, until, evidence, chain, benign, advice, technique, fetch, update string
	severity                                                                              map[string]string
}

func (l language) labels() labels {
	if l == japanese {
		return labels{"通信元", "通信先", "開始", "終了", "根拠", "経過", "無害の可能性", "対処", "手法", "パケットの取り出し", "続報",
			map[string]string{"low": "低", "medium": "中", "high": "高"}}
	}
	return labels{"Source", "Destination", "From", "Until", "Evidence", "Steps", "Harmless if", "What to do first", "Technique", "Fetch its packets", "update",
		map[string]string{"low": "low", "medium": "medium", "high": "high"}}
}

// headline is severity and title: "[high] 192.0.2.1 goes round the proxy".
func (a *alertText) headline(w labels) string {
	s := "[" + w.severity[a.Severity] + "] " + oneLine(a.Title)
	if a.Update > 1 {
		s += fmt.Sprintf(" (%s %d)", w.update, a.Update)
	}
	return s
}

// facts are the alert's short fields, in order; those that are absent are left out.
func (a *alertText) facts(w labels) (out [][2]string) {
	const clock = "2006-01-02 15:04:05 -0700"
	since := ""
	if a.Since.Unix() > 0 {
		since = a.Since.Format(clock)
	}
	for _, f := range [][2]string{{w.who, a.Who}, {w.towards, a.Towards}, {w.since, since}, {w.until, a.At.Format(clock)},
		{w.technique, strings.Join(a.Technique, ", ")}} {
		if f[1] != "" {
			out = append(out, [2]string{f[0], oneLine(f[1])})
		}
	}
	return out
}

// paragraph is a heading with its sentences.
type paragraph struct {
	heading   string
	sentences []string
}

func (a *alertText) paragraphs(w labels) (out []paragraph) {
	for _, p := range []paragraph{{w.evidence, a.Evidence}, {w.chain, a.Chain}, {w.benign, []string{a.Benign}}, {w.advice, []string{a.Advice}}} {
		if len(p.sentences) > 0 && p.sentences[0] != "" {
			out = append(out, p)
		}
	}
	return out
}

// oneLine makes controls, line ends among them, blanks.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' {
			return ' ' // the last two ranges turn the direction of what follows
		}
		return r
	}, s)
}

// cut shortens s to at most n characters, and shows that it did.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	count := 0
	for i := range s {
		if count++; count == n {
			return s[:i] + "…"
		}
	}
	return s
}

// needsECS tells whether a place reads the lines, as alerts in ECS.
func needsECS(u *url.URL) bool {
	return strings.HasPrefix(u.Scheme, "mail") || strings.HasPrefix(u.Scheme, "webhook")
}

// alertsOnly tells whether a place carries nothing but alerts.
func alertsOnly(u *url.URL) bool { return needsECS(u) && u.Query().Get("all") != "yes" }
