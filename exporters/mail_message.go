package exporters

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
	"time"
)

const (
	mailFull   = 20  // alerts of a mail that are shown in full
	maxSubject = 150 // characters
	maxLine    = 2000
)

// composeMail is the message (RFC 5322) that tells of alerts, at least one.
func composeMail(s *mailSink, alerts []alertText) []byte {
	var b bytes.Buffer
	w := s.lang.labels()
	header := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	header("From", s.from.String())
	header("To", addresses(s.to))
	header("Subject", encodeSubject(s.lang, subject(alerts, w, s.lang)))
	header("Date", time.Now().In(s.zone).Format(time.RFC1123Z))
	header("Message-ID", messageID(alerts, s.from))
	header("Auto-Submitted", "auto-generated") // RFC 3834: no vacation notice answers
	header("MIME-Version", "1.0")
	header("Content-Type", "text/plain; charset=utf-8")
	header("Content-Transfer-Encoding", "quoted-printable")
	b.WriteString("\r\n")
	q := quotedprintable.NewWriter(&b)
	for i := range alerts {
		if i == mailFull {
			writeRest(q, alerts[i:], s.lang)
			break
		}
		writeAlert(q, &alerts[i], w)
	}
	fmt.Fprintf(q, "-- \r\nKagami, %s\r\n", oneLine(s.host))
	q.Close()
	return b.Bytes()
}

// subject is the worst alert's headline, and how many others there are.
func subject(alerts []alertText, w labels, lang language) string {
	rank := map[string]int{"low": 1, "medium": 2, "high": 3}
	worst := slices.MaxFunc(alerts, func(a, b alertText) int { return rank[a.Severity] - rank[b.Severity] })
	s := "Kagami: " + cut(worst.headline(w), maxSubject)
	if n := len(alerts) - 1; n > 0 {
		s += map[language]string{english: fmt.Sprintf(" and %d more", n), japanese: fmt.Sprintf(" ほか%d件", n)}[lang]
	}
	return s
}

func encodeSubject(lang language, s string) string {
	e := mime.QEncoding
	if lang == japanese {
		e = mime.BEncoding // shorter
	}
	return strings.ReplaceAll(e.Encode("utf-8", s), "?= =?", "?=\r\n =?")
}

// messageID is the same when the same alerts are mailed again.
func messageID(alerts []alertText, from *mail.Address) string {
	h := sha256.New()
	for i := range alerts {
		fmt.Fprintf(h, "%s %d\n", alerts[i].ID, alerts[i].Update)
	}
	_, domain, _ := strings.Cut(from.Address, "@")
	return "<kagami." + hex.EncodeToString(h.Sum(nil)[:16]) + "@" + domain + ">"
}

func writeAlert(q *quotedprintable.Writer, a *alertText, w labels) {
	line := func(s string) { q.Write([]byte(cut(s, maxLine) + "\r\n")) }
	line(a.headline(w))
	for _, f := range a.facts(w) {
		line("  " + f[0] + ": " + f[1])
	}
	for _, p := range a.paragraphs(w) {
		line("  " + p.heading + ":")
		for _, s := range p.sentences {
			line("    - " + oneLine(s))
		}
	}
	if a.Fetch != "" {
		line("  " + w.fetch + ":")
		line("    " + oneLine(a.Fetch))
	}
	line("")
}

// writeRest names what is not shown, by rule.
func writeRest(q *quotedprintable.Writer, rest []alertText, lang language) {
	count := map[string]int{}
	for i := range rest {
		count[rest[i].Rule]++
	}
	var parts []string
	for _, rule := range slices.Sorted(maps.Keys(count)) {
		parts = append(parts, fmt.Sprintf("%d %s", count[rule], oneLine(rule)))
	}
	format := "and %d more: %s\r\n\r\n"
	if lang == japanese {
		format = "ほか%d件: %s\r\n\r\n"
	}
	fmt.Fprintf(q, format, len(rest), strings.Join(parts, ", "))
}
