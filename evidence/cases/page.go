package cases

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"html/template"
	"sort"
	"strconv"
	"strings"
	"time"

	_ "embed"

	"kagami/signing"
)

const (
	pageName   = "index.html"
	readmeName = "README.txt"
)

//go:embed page.html
var pageText string

// view is what the page and the README tell of a case.
type view struct {
	*Case
	*summary
	Version, Observer, Interface string
	Accounts                     Accounts
	Clock                        Clock
	SealedAt                     string
	Key                          string // fingerprint
	Sources                      int    // segments
	Names                        []Name
	MoreNames                    int
	PacketCount                  uint64
	HasRecords                   bool
	HasReplay                    bool
}

// view collects what is shown.
func (e Env) view(c *Case, s *summary, accounts Accounts, key ed25519.PublicKey) *view {
	v := &view{Case: c, summary: s, Version: e.Version, Observer: e.Host, Interface: e.Interface, Accounts: accounts,
		Clock: ReadClock(), SealedAt: wallText(e.Now()), Key: signing.Fingerprint(key), HasRecords: e.Records != nil}
	for _, p := range c.Parts {
		v.PacketCount += p.Packets
	}
	v.Names = s.names.list()
	v.MoreNames = s.names.more
	if len(v.Names) > shownNames {
		v.MoreNames += len(v.Names) - shownNames
		v.Names = v.Names[:shownNames]
	}
	return v
}

// page is the case as one HTML file that asks for nothing else: no script, no
// picture, no address outside. html/template escapes every value for its place;
// what is from the wire is made visible first.
func (v *view) page() ([]byte, error) {
	t, err := template.New(pageName).Funcs(template.FuncMap{
		"v": visible, "short": short, "time": pageTime, "clock": pageClock, "octets": pageOctets, "join": strings.Join, "plus": func(a, b int) int { return a + b },
		"minutes": minutes, "seconds": func(s float64) string { return strconv.FormatFloat(s, 'g', 4, 64) }, "num": pageNumber,
	}).Parse(pageText)
	if err != nil {
		return nil, fmt.Errorf("make page: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, v); err != nil {
		return nil, fmt.Errorf("make page: %w", err)
	}
	return b.Bytes(), nil
}

// Headline says what happened, in one line.
func (v *view) Headline() string {
	switch {
	case len(v.Alerts) > 0 && v.Alerts[0].Title != "":
		return v.Alerts[0].Title
	case v.Query != "":
		return "Packets pinned by hand: " + v.Query
	}
	return "Packets pinned"
}

// IsComplete tells that nothing that was still there is missing.
func (v *view) IsComplete() bool { return v.Why == "" && v.Scope == ScopeAll }

// ShownObjects are those that stand in the page; all are in objects.tsv.
func (v *view) ShownObjects() []Object { return v.Objects[:min(len(v.Objects), shownObjs)] }

// ObjectsLeft is how many do not.
func (v *view) ObjectsLeft() int { return len(v.Objects) - len(v.ShownObjects()) + v.MoreObjs }

// KindCount is how many records of a kind there are.
type KindCount struct {
	Kind string
	N    int
}

// KindCounts are in order of kind.
func (v *view) KindCounts() []KindCount {
	var out []KindCount
	for k, n := range v.Kinds {
		out = append(out, KindCount{k, n})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Kind < out[j].Kind })
	return out
}

// ShownLost are the gaps for people: the largest stretches first would hide order,
// so it is time.
func (v *view) ShownLost() []Loss { return v.Lost[:min(len(v.Lost), 100)] }

// LostLeft is how many gaps are in the manifest only.
func (v *view) LostLeft() int { return len(v.Lost) - len(v.ShownLost()) }

// WiresharkFilter shows the host's packets.
func (v *view) WiresharkFilter() string {
	switch {
	case !v.Host.IsValid():
		return "frame.comment"
	case v.Host.Is4():
		return "ip.addr == " + v.Host.String()
	}
	return "ipv6.addr == " + v.Host.WithZone("").String()
}

// FirstPackets is the file to open first.
func (v *view) FirstPackets() string {
	if len(v.Parts) == 0 {
		return "packets-0001.pcapng"
	}
	return v.Parts[0].Name
}

// Outcome says how the case ended, for people.
func (v *view) Outcome() string {
	if v.IsComplete() {
		return "complete: everything that was still there was taken"
	}
	text := "incomplete"
	switch v.Scope {
	case ScopeFlows:
		text += ": only the alerted flows were taken"
	case ScopeNothing:
		text += ": no packets were taken"
	}
	if v.Why != "" {
		text += " (" + v.Why + ")"
	}
	return text
}

func pageTime(ns int64) string {
	if ns == 0 {
		return "the beginning"
	}
	return time.Unix(0, ns).UTC().Format("2006-01-02 15:04:05.000 UTC")
}

func pageClock(ns int64) string { return time.Unix(0, ns).UTC().Format("01-02 15:04:05.000") }

func pageOctets(n any) string {
	var f float64
	switch x := n.(type) {
	case int64:
		f = float64(x)
	case uint64:
		f = float64(x)
	case int:
		f = float64(x)
	}
	switch {
	case f < 0:
		return "not known"
	case f < 10_000:
		return strconv.FormatFloat(f, 'f', 0, 64) + " B"
	case f < 10_000_000:
		return strconv.FormatFloat(f/1e3, 'f', 1, 64) + " kB"
	case f < 10_000_000_000:
		return strconv.FormatFloat(f/1e6, 'f', 1, 64) + " MB"
	}
	return strconv.FormatFloat(f/1e9, 'f', 1, 64) + " GB"
}

// pageNumber writes a count with thin groups of three digits.
func pageNumber(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// readme is the page in ten lines, for a terminal.
func (v *view) readme() []byte {
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("Kagami evidence case %s", v.Name)
	line("What happened:  %s", short(v.Headline(), 400))
	line("Who:            %s", v.who())
	line("Packets from:   %s", pageTime(v.From))
	line("         to:    %s, seen by %s on %s", pageTime(v.To), orDash(visible(v.Observer)), orDash(visible(v.Interface)))
	line("Taken:          %d packets in %d files; %s", v.PacketCount, len(v.Parts), visible(v.Outcome()))
	line("Read first:     index.html (a browser; it loads nothing from outside). Packets: wireshark %s", v.FirstPackets())
	line("Other files:    records.jsonl (what the decoders say, ECS), objects.tsv (files and their hashes), manifest.jsonl (proof)")
	line("Check:          kagami evidence verify . --key SENSOR/signing.pub   (without Kagami: see \"How to verify\" in index.html)")
	line("Key:            %s; compare it with the sensor's. Packets may hold malware: do not run what you take out of them.", v.Key)
	return b.Bytes()
}

func (v *view) who() string {
	if v.Host.IsValid() {
		text := v.Host.String()
		if len(v.Alerts) > 0 && v.Alerts[0].Destination != "" {
			text += " towards " + short(v.Alerts[0].Destination, 200)
		}
		return text
	}
	return "see index.html"
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
