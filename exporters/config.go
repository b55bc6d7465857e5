package exporters

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"kagami/records"
)

// Config is one [[export]] table.
type Config struct {
	Name    string   `toml:"name"`    // in the records' numbers and in heartbeats; "" is made of format and place
	Format  string   `toml:"format"`  // one of Formats()
	To      string   `toml:"to"`      // where: a URL with one of Schemes()
	Records []string `toml:"records"` // kinds of records to write; empty is every kind that the format knows

	Queue     string `toml:"queue"`      // where lines wait that the place has not taken: "memory" ("" is that) or "disk"
	DiskBytes int64  `toml:"disk_bytes"` // most octets of a queue on disk; 0 is 4 GiB
}

// Validate returns every problem of the table, or nil. It opens nothing.
func (c Config) Validate() error {
	_, _, err := c.resolve()
	return errors.Join(err, c.checkName(), c.checkQueue())
}

// Title is what logs, metrics and the summary call the export: its name, else its
// format and place, which two exports may share.
func (c Config) Title() string {
	if c.Name != "" {
		return c.Name
	}
	return c.Format + " to " + Redact(c.To)
}

// Open makes the export that c describes. Files are created now; connections
// are made with the first line.
func Open(c Config, env Env) (*Export, error) {
	f, place, err := c.resolve()
	if err != nil {
		return nil, err
	}
	if env.Location == nil {
		env.Location = time.UTC
	}
	if env.Logger == nil {
		env.Logger = slog.New(slog.DiscardHandler)
	}
	format := f.open(env)
	s, err := place.open(env, format)
	if err != nil {
		return nil, fmt.Errorf("open export %q: %w", Redact(c.To), err)
	}
	e := newExport(c.Title(), format, s, env.Logger)
	for _, k := range c.kinds(f) {
		e.kinds[k] = !alertsOnly(place.url) || k == records.KindAlert
	}
	return e, e.openStamps(c, place.url, env.Account)
}

type place struct {
	entry *sinkEntry
	url   *url.URL
}

func (p place) open(env Env, f Format) (Sink, error) {
	if isDirectory(p.url) {
		return openDirectory(p.url, env, f)
	}
	return p.entry.open(p.url, env)
}

func (c Config) resolve() (*formatEntry, place, error) {
	f, err1 := c.format()
	p, err2 := c.place()
	if err1 == nil && err2 == nil {
		err2 = errors.Join(f.checkPlace(p.url), c.checkAlerts(p.url))
	}
	return f, p, errors.Join(err1, err2, c.checkRecords(f))
}

// checkPlace tells whether the format's logs can go there.
func (f *formatEntry) checkPlace(u *url.URL) error {
	switch directory := isDirectory(u); {
	case needsECS(u) && f.name != "ecs":
		return fmt.Errorf("export.to: %q reads alerts: want format = \"ecs\", not %q", Redact(u.String()), f.name)
	case strings.HasPrefix(u.Scheme, "ipfix+") != (f.logs == noText):
		return fmt.Errorf("export.to: %q: IPFIX collectors take format \"ipfix\" and nothing else does", Redact(u.String()))
	case directory && f.logs == oneLog:
		return fmt.Errorf("export.to: %q: format %q writes one log: want a file, without the slash at the end", Redact(u.String()), f.name)
	case !directory && f.logs == logFiles:
		return fmt.Errorf("export.to: %q: format %q writes a file for each log: want a directory, with a slash at the end, as in file:///var/log/kagami/zeek/", Redact(u.String()), f.name)
	}
	return nil
}

func (c Config) format() (*formatEntry, error) {
	for i := range formats {
		if formats[i].name == c.Format {
			return &formats[i], nil
		}
	}
	return nil, fmt.Errorf("export.format: got %q, want one of %s%s", c.Format, strings.Join(Formats(), ", "), didYouMean(c.Format, Formats()))
}

func (c Config) place() (place, error) {
	u, err := url.Parse(c.To)
	if err != nil {
		return place{}, fmt.Errorf("export.to: got %q, want a URL%s", Redact(c.To), whyNoURL(c.To, err))
	}
	if err := checkLiterals(u); err != nil {
		return place{}, fmt.Errorf("export.to: %q: %w", Redact(c.To), err)
	}
	for i := range sinks {
		if sinks[i].scheme != u.Scheme {
			continue
		}
		if err := sinks[i].check(u); err != nil {
			return place{}, eachPrefixed(fmt.Sprintf("export.to: %q", Redact(u.String())), err)
		}
		return place{&sinks[i], u}, nil
	}
	hint := didYouMean(u.Scheme, Schemes())
	ways := slices.DeleteFunc(Schemes(), func(s string) bool { return !strings.HasPrefix(s, u.Scheme+"+") })
	switch {
	case u.Scheme == "":
		hint = `; a file is written "file:///var/log/kagami/access.log"`
	case len(ways) > 0:
		hint = "; did you mean " + strings.Join(ways, " or ") + "?"
	}
	return place{}, fmt.Errorf("export.to: got %q, want a URL that starts with one of %s:%s", Redact(c.To), strings.Join(Schemes(), ":, "), hint)
}

// eachPrefixed puts prefix before every problem of err, since each is told on a line
// of its own.
func eachPrefixed(prefix string, err error) error {
	several, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return fmt.Errorf("%s: %w", prefix, err)
	}
	var out []error
	for _, e := range several.Unwrap() {
		out = append(out, eachPrefixed(prefix, e))
	}
	return errors.Join(out...)
}

func (c Config) checkName() error {
	if !accountName.MatchString(c.Name) {
		return fmt.Errorf(`export.name: got %q, want at most 63 letters, digits, "-", "_", "."`, c.Name)
	}
	return nil
}

// checkRecords looks at the kinds; f is nil when the format is unknown.
func (c Config) checkRecords(f *formatEntry) error {
	var problems []error
	for _, name := range c.Records {
		k := slices.Index(records.Kinds(), name)
		switch {
		case k < 0:
			problems = append(problems, fmt.Errorf("export.records: got %q, want some of %s%s", name,
				strings.Join(records.Kinds(), ", "), didYouMean(name, records.Kinds())))
		case f != nil && !slices.Contains(f.kinds, records.Kind(k)):
			problems = append(problems, fmt.Errorf("export.records: format %q has no line for %q records, only for %s",
				f.name, name, strings.Join(kindNames(f.kinds), ", ")))
		}
	}
	return errors.Join(problems...)
}

// checkAlerts tells whether anything at all goes to a place that takes alerts alone.
func (c Config) checkAlerts(u *url.URL) error {
	if len(c.Records) == 0 || !alertsOnly(u) || slices.Contains(c.Records, records.KindAlert.String()) {
		return nil
	}
	return fmt.Errorf("export.records: only alerts go to %q, and records names no %q", Redact(u.String()), records.KindAlert)
}

// kinds are the kinds to write; c is valid.
func (c Config) kinds(f *formatEntry) []records.Kind {
	if len(c.Records) == 0 {
		return f.kinds
	}
	var out []records.Kind
	for _, name := range c.Records {
		out = append(out, records.Kind(slices.Index(records.Kinds(), name)))
	}
	return out
}

func kindNames(kinds []records.Kind) []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.String()
	}
	return names
}

// maxTypos is how many single-letter edits away a word may be to be suggested.
const maxTypos = 2

func didYouMean(got string, want []string) string {
	best, at := maxTypos+1, ""
	for _, w := range want {
		if d := editDistance(got, w); d < best {
			best, at = d, w
		}
	}
	if at == "" || got == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", at)
}

// editDistance is the Levenshtein distance in bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
