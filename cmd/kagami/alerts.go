package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"kagami/configs"
	"kagami/detectors/incident"
	"kagami/detectors/suppress"
	"kagami/evidence/query"
	"kagami/records"
)

type alertsCmd struct {
	settings
	Since        string   `placeholder:"TIME" help:"Only what was told since then: 2h, 7d, 2026-06-01, 2026-06-01T08:15."`
	Until        string   `placeholder:"TIME" help:"Only what was told before then."`
	Rule         []string `placeholder:"RULE" help:"Only of these rules."`
	Source       string   `placeholder:"WHO" help:"Only of this machine: an address, a network or a host name."`
	Level        string   `default:"watch" enum:"watch,alert,high" help:"Only from this level on: watch, alert or high."`
	Lang         string   `default:"" enum:",en,ja" help:"en or ja; default: of the environment (LC_ALL, LC_MESSAGES, LANG)."`
	Suppressions string   `placeholder:"FILE" help:"Leave out what this list covers. Default: that of the configuration (detect.suppressions)."`
	All          bool     `help:"Show what is suppressed, too."`
	UTC          bool     `name:"utc" help:"Times are UTC; default: output.time_zone."`
	Args         []string `arg:"" optional:"" name:"file" help:"alerts.jsonl or records.jsonl (plain, .gz, .zst; '-' is stdin). Default: where the configuration writes alerts."`
}

// maxIncidents bounds what is kept of files of any length.
const maxIncidents = 100_000

// Run shows incidents as a person wants them, the latest to begin last.
func (c *alertsCmd) Run() error {
	conf, err := c.load(defaultConfig)
	if err != nil {
		return err
	}
	zone := time.UTC
	if loc, err := conf.Output.Location(); err == nil && !c.UTC {
		zone = loc
	}
	pick, err := c.choice(zone)
	if err != nil {
		return err
	}
	list, err := c.suppressions(conf)
	if err != nil {
		return err
	}
	paths := c.Args
	if len(paths) == 0 {
		if paths = alertFiles(conf); len(paths) == 0 {
			return errors.New("the configuration writes alerts to no file in the format ecs: name one, or - for stdin")
		}
	}
	found := newIncidents(maxIncidents)
	for _, path := range paths {
		if err := readFile(path, pick, found); err != nil {
			return err
		}
	}
	out := bufio.NewWriter(os.Stdout)
	page := alertPage{w: out, zone: zone, lang: language(c.Lang)}
	latest := c.show(&page, found, list)
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write alerts: %w", err)
	}
	for _, w := range list.Warnings(latest) {
		fmt.Fprintln(os.Stderr, "kagami: warning:", c.Suppressions+":", printable(w))
	}
	return nil
}

// show prints the incidents and what they come to; it returns the time of the
// latest alert.
func (c *alertsCmd) show(page *alertPage, found *incidents, list *suppress.List) (latest int64) {
	slices.SortStableFunc(found.list, func(a, b *tale) int { return cmp.Compare(a.first, b.first) })
	var levels [4]int
	shown, suppressed := 0, 0
	for _, t := range found.list {
		latest = max(latest, t.alert.Meta().At)
		s := suppress.Of(t.alert)
		if by, ok := list.Match(&s, t.alert.Until); ok {
			suppressed++
			t.suppressed = by
			if !c.All {
				continue
			}
		}
		shown++
		levels[t.alert.Severity&3]++
		page.block(t)
	}
	count := func(n int) incident.Text {
		return incident.Plural(n, "incident", "incidents", "インシデント%d件")
	}
	fmt.Fprintln(page.w, "\n"+page.say("%s: %d high, %d alert, %d watch", "%s：緊急%d、要確認%d、監視中%d", count(shown), levels[3], levels[2], levels[1]))
	if suppressed > 0 && !c.All {
		fmt.Fprintln(page.w, page.say("%s suppressed by %s; --all shows them", "%[2]sにより抑止：%[1]s（--allで表示）", count(suppressed), c.Suppressions))
	}
	if found.beyond > 0 {
		fmt.Fprintln(page.w, page.say("and %d alerts of further incidents", "ほかのインシデントのアラート%d件", found.beyond))
	}
	return latest
}

// readFile gathers the alerts of one file.
func readFile(path string, pick func(*records.Alert) bool, found *incidents) error {
	in, err := openLog(path)
	if err != nil {
		return err
	}
	defer in.Close()
	skipped, err := readAlerts(in, func(a *records.Alert, id string) {
		if pick(a) {
			found.add(a, id)
		}
	})
	if skipped > 0 {
		fmt.Fprintf(os.Stderr, "kagami: warning: %s: %d lines are no records in the format ecs\n", path, skipped)
	}
	if err != nil {
		return fmt.Errorf("read alerts of %q: %w", path, err)
	}
	return nil
}

// choice is which alerts are wanted.
func (c *alertsCmd) choice(zone *time.Location) (func(*records.Alert) bool, error) {
	since, err := moment("--since", c.Since, zone)
	if err != nil {
		return nil, err
	}
	until, err := moment("--until", c.Until, zone)
	if err != nil {
		return nil, err
	}
	who, err := machine(c.Source)
	if err != nil {
		return nil, err
	}
	least := map[string]records.Severity{"watch": records.Low, "alert": records.Medium, "high": records.High}[c.Level]
	return func(a *records.Alert) bool {
		at := a.Meta().At
		return at >= since && (until == 0 || at < until) && a.Severity >= least &&
			(len(c.Rule) == 0 || slices.Contains(c.Rule, a.Rule)) && who(a)
	}, nil
}

// moment reads a time as queries for packets do: a duration counts back from now.
func moment(flag, text string, zone *time.Location) (int64, error) {
	if text == "" {
		return 0, nil
	}
	o := query.Options{Now: time.Now(), Location: zone}
	if q, err := query.Parse("last "+text, o); err == nil {
		return q.From, nil
	}
	q, err := query.Parse("from "+text, o)
	if err != nil {
		return 0, fmt.Errorf("%s: got %q, want a time such as 2026-06-01T08:15 or a duration such as 2h or 7d", flag, text)
	}
	return q.From, nil
}

// machine tells whether an alert is of an address, a network or a host name.
func machine(text string) (func(*records.Alert) bool, error) {
	if text == "" {
		return func(*records.Alert) bool { return true }, nil
	}
	if a, err := netip.ParseAddr(text); err == nil {
		return func(r *records.Alert) bool { return r.Source == a.Unmap() }, nil
	}
	if n, err := netip.ParsePrefix(text); err == nil {
		return func(r *records.Alert) bool { return n.Contains(r.Source) }, nil
	}
	if strings.ContainsAny(text, "/: ") {
		return nil, fmt.Errorf("--source: got %q, want an address, a network or a host name", text)
	}
	return func(r *records.Alert) bool {
		h := r.Meta().ClientHost
		if h == nil {
			return false
		}
		short, _, _ := strings.Cut(h.Name.Value, ".")
		return strings.EqualFold(h.Name.Value, text) || strings.EqualFold(short, text)
	}, nil
}

// suppressions reads the list, if there is one. A list with a mistake is refused:
// nobody should believe that something is silenced when it is not. That of the
// configuration, which is the sensor's, may be missing.
func (c *alertsCmd) suppressions(conf configs.Config) (*suppress.List, error) {
	given := c.Suppressions != ""
	if !given {
		c.Suppressions = conf.Detect.Suppressions
	}
	if c.Suppressions == "" {
		return nil, nil
	}
	_, list, err := readSuppressions(c.Suppressions)
	if err != nil && !given {
		complain(err)
		complain(errors.New("nothing is suppressed"))
		return nil, nil
	}
	return list, err
}

// alertFiles are the files to which a configuration writes alerts: those of alerts
// alone, if there are any.
func alertFiles(c configs.Config) []string {
	var alone, mixed []string
	for _, x := range c.Export {
		u, err := url.Parse(x.To)
		if x.Format != "ecs" || err != nil || u.Scheme != "file" || u.Path == "" {
			continue
		}
		switch {
		case len(x.Records) == 1 && x.Records[0] == records.KindAlert.String():
			alone = append(alone, u.Path)
		case len(x.Records) == 0 || slices.Contains(x.Records, records.KindAlert.String()):
			mixed = append(mixed, u.Path)
		}
	}
	if len(alone) > 0 {
		return alone
	}
	return mixed
}

// language is "ja" or "en": what was asked for, else what the environment says
// (POSIX.1-2017, XBD section 8.2).
func language(asked string) string {
	for _, l := range []string{asked, os.Getenv("LC_ALL"), os.Getenv("LC_MESSAGES"), os.Getenv("LANG")} {
		if l != "" {
			if strings.HasPrefix(l, "ja") {
				return "ja"
			}
			return "en"
		}
	}
	return "en"
}
