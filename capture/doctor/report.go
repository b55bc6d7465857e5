package doctor

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Verdict is the judgement as a whole: that of the worst finding.
type Verdict uint8

const (
	usable Verdict = Verdict(OK)
	gaps   Verdict = Verdict(Warn)
	broken Verdict = Verdict(Bad)
)

// String is the verdict in words.
func (v Verdict) String() string {
	return [...]string{"usable", "usable with gaps", "not usable"}[min(v, broken)]
}

// MarshalText implements encoding.TextMarshaler.
func (v Verdict) MarshalText() ([]byte, error) {
	return []byte(strings.ReplaceAll(v.String(), " ", "_")), nil
}

// Report is the doctor's answer.
type Report struct {
	Verdict  Verdict   `json:"verdict"`
	Findings []Finding `json:"findings"` // the worst first
	Facts    Facts     `json:"facts"`
}

// Exit statuses of kagami doctor; 1 is an error of its own.
const (
	ExitUsable = 0
	ExitBroken = 2
	ExitGaps   = 3
)

// ExitStatus is the exit status for the verdict.
func (r *Report) ExitStatus() int {
	switch r.Verdict {
	case usable:
		return ExitUsable
	case gaps:
		return ExitGaps
	}
	return ExitBroken
}

// lineLength is where text is wrapped, columns.
const lineLength = 100

// Print writes the report for a person.
func (r *Report) Print(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "This mirror port is %s.\n\n", r.Verdict)
	n := &r.Facts.Frames
	fmt.Fprintf(&b, "Watched: %s (%s", count(n.All, "frame", "frames"), octets(n.Bytes))
	if n.Last > n.First {
		fmt.Fprintf(&b, ") in %v, ", time.Duration(n.Last-n.First).Round(time.Millisecond))
	} else {
		b.WriteString("), ")
	}
	fmt.Fprintf(&b, "%s\n", count(r.Facts.Flows.All, "flow", "flows"))
	for i := range r.Findings {
		r.Findings[i].print(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (f *Finding) print(b *strings.Builder) {
	mark := strings.ToUpper(f.Severity.String())
	if f.Severity == OK {
		mark = "ok"
	}
	b.WriteByte('\n')
	wrap(b, fmt.Sprintf("%-5s", mark), f.ID+": "+f.Found+".")
	if f.Means != "" {
		wrap(b, "     ", f.Means)
	}
	for _, m := range f.Mend {
		wrap(b, "     - ", m)
	}
}

// wrap writes words after a head, and further lines under the first word.
func wrap(b *strings.Builder, head, text string) {
	b.WriteString(head)
	column := len(head)
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case column+1+len(word) > lineLength:
			b.WriteString("\n" + strings.Repeat(" ", len(head)))
			column = len(head)
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	b.WriteByte('\n')
}

func octets(n uint64) string {
	const unit = 1024
	switch {
	case n < unit:
		return fmt.Sprintf("%d B", n)
	case n < unit*unit:
		return fmt.Sprintf("%.1f KiB", float64(n)/unit)
	case n < unit*unit*unit:
		return fmt.Sprintf("%.1f MiB", float64(n)/unit/unit)
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/unit/unit/unit)
}

// printable keeps names that a driver chose from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f {
			return '.'
		}
		return r
	}, s)
}
