// Package incident turns what the detectors find into what a person is told.
//
// Each detector reports findings: signs for and against, with their weight in
// nats (natural logarithm of a likelihood ratio). The Book adds up what several
// detectors found about one source and destination, decides when it is told and
// when again, and writes the alert. Everything a person reads is made in two
// languages at once.
//
// It imports census, state, table, records and sensor. It reads no clock: time
// comes with the findings.
package incident

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Text is one text in English (ASCII) and Japanese. The zero Text says nothing.
type Text struct{ EN, JA string }

// Say formats a text in both languages, as fmt.Sprintf; the Japanese format takes
// the same arguments, in another order with %[2]s. An argument that is a Text (or a
// list of them) stands for its own language.
func Say(en, ja string, args ...any) Text {
	if len(args) == 0 {
		return Text{en, ja}
	}
	english := make([]any, len(args))
	japanese := make([]any, len(args))
	for i, a := range args {
		english[i], japanese[i] = a, a
		if t, ok := a.(Text); ok {
			english[i], japanese[i] = t.EN, t.JA
		}
	}
	return Text{fmt.Sprintf(en, english...), fmt.Sprintf(ja, japanese...)}
}

// Same is a text that is the same in both languages: a name, a number.
func Same(s string) Text { return Text{s, s} }

// List joins texts with commas.
func List(items []Text) Text {
	var en, ja strings.Builder
	for i, t := range items {
		if i > 0 {
			en.WriteString(", ")
			ja.WriteString("、")
		}
		en.WriteString(t.EN)
		ja.WriteString(t.JA)
	}
	return Text{en.String(), ja.String()}
}

// Plural is one or many of something that has a plural in English: Plural(3,
// "machine", "machines", "%d台") is "3 machines" and "3台".
func Plural(n int, one, many, ja string) Text {
	word := many
	if n == 1 {
		word = one
	}
	return Text{strconv.Itoa(n) + " " + word, fmt.Sprintf(ja, n)}
}

// Zero tells that nothing is said.
func (t Text) Zero() bool { return t == Text{} }

// In is the text in a language, "ja" or another; English where the Japanese is
// missing.
func (t Text) In(lang string) string {
	if lang == "ja" && t.JA != "" {
		return t.JA
	}
	return t.EN
}

// maxQuoted is how many octets of a name from the wire stand in a sentence.
const maxQuoted = 200

// Quote makes a string from the wire safe to stand in a sentence: in quotation
// marks, ASCII, control characters escaped, cut to 200 octets.
func Quote(s string) string {
	if len(s) > maxQuoted {
		return strconv.QuoteToASCII(s[:maxQuoted]) + "..."
	}
	return strconv.QuoteToASCII(s)
}

// Cut shortens a string from the wire that is kept or stands in a field of its
// own, which exporters escape. It copies, so that the record can be freed.
func Cut(s string) string { return strings.Clone(s[:min(len(s), maxQuoted)]) }

// Span writes a duration for people: "4.6 min", "4.6分".
func Span(ns int64) Text {
	d := time.Duration(ns)
	number := func(v float64, digits int, en, ja string) Text {
		n := strconv.FormatFloat(v, 'f', digits, 64)
		return Text{n + en, n + ja}
	}
	switch {
	case d < 0:
		t := Span(max(-ns, 0))
		return Text{"-" + t.EN, "-" + t.JA}
	case d > 0 && d < 100*time.Millisecond:
		return number(d.Seconds()*1000, 0, " ms", "ミリ秒")
	case d < 10*time.Second:
		return number(d.Seconds(), 1, " s", "秒")
	case d < 2*time.Minute:
		return number(d.Seconds(), 0, " s", "秒")
	case d < 2*time.Hour:
		return number(d.Minutes(), 1, " min", "分")
	case d < 72*time.Hour:
		return number(d.Hours(), 1, " h", "時間")
	}
	return number(d.Hours()/24, 1, " days", "日")
}

// Clock writes a moment in UTC, the same in both languages.
func Clock(ns int64) string { return time.Unix(0, ns).UTC().Format("2006-01-02 15:04:05Z") }

// Endpoint is "name:port", or "address:port" with IPv6 in brackets.
func Endpoint(name string, addr netip.Addr, port uint16) string {
	if name == "" {
		return netip.AddrPortFrom(addr, port).String()
	}
	return Cut(name) + ":" + strconv.Itoa(int(port))
}
