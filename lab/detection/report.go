package detection

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Write writes the report as Markdown; figures are linked as prefix-NAME.svg.
// Without a cost the part that varies is left out.
func (r *Results) Write(w io.Writer, prefix string, cost *Cost) {
	p := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	p("# What the detections find, and what they cost\n")
	r.about(p)
	p("## Targets\n")
	p("| | target | measured | |\n|---|---|---|---|")
	list := r.Targets()
	if cost != nil {
		list = append(list, cost.Targets()...)
	}
	for _, t := range list {
		p("| %s | %s | %s | %s |", t.ID, t.Want, t.Got, t.verdict())
	}
	p("\nM1 is measured in the last part and varies with the machine.\n")
	figures := r.Figures()
	p("## Beacons\n")
	shows(p, prefix, figures, "recall")
	r.beaconTables(p)
	shows(p, prefix, figures, "time", "beats", "share")
	r.lossTable(p)
	p("## Scans and bypasses\n")
	shows(p, prefix, figures, "scans")
	r.scanTables(p)
	p("## Alerts about harmless traffic\n")
	shows(p, prefix, figures, "false")
	r.falseTables(p)
	r.alertTables(p)
	r.restartTable(p)
	if cost != nil {
		cost.write(p, prefix)
	}
	r.limits(p)
}

type printer func(format string, args ...any)

// shows links figures by their names, in the order given.
func shows(p printer, prefix string, list []Figure, names ...string) {
	for _, name := range names {
		for _, f := range list {
			if f.Name == name {
				p("![%s](%s-%s.svg)\n", f.Caption, prefix, f.Name)
			}
		}
	}
}

func (t *Target) verdict() string {
	switch {
	case !t.Judged:
		return "not measured"
	case t.Pass:
		return "reached"
	}
	return "**missed**"
}

func (r *Results) about(p printer) {
	n, records := 0, 0
	for _, o := range r.Outcomes {
		records += o.Records
	}
	n = len(r.finds)
	p("Written by `make detection-report` (lab/cmd/detectionreport): Kagami's detectors with their default settings, RITA's beacon score and the")
	p("scan rules of other tools on identical events, those of the generated worlds of lab/events. Seeds 1 to 5 are for tuning; this report is on")
	p("seeds %s, which nothing was tuned on. The same run gives the same numbers, but for the part about cost.\n", seedList(r.Plan.Seeds))
	p("%d worlds of %d days (the first %d are for learning, without attacks): %d records, %d attacks.\n", len(r.Outcomes), r.Plan.Days, learningDays, records, n)
	p("| site | machines | worlds | records | host-days | attacks |\n|---|---|---|---|---|---|")
	for _, s := range r.sites() {
		var worlds, records, days, attacks, hosts int
		for _, o := range r.Outcomes {
			if o.Site == s {
				worlds, records, days, attacks, hosts = worlds+1, records+o.Records, days+o.Hosts*o.Days, attacks+len(o.Finds), o.Hosts
			}
		}
		p("| %s | %d | %d | %d | %d | %d |", s, hosts, worlds, records, days, attacks)
	}
	p("\nAn attack counts as found when an alert of the detector made for it, at level alert or high, names its source and its destination; \"any rule\" counts")
	p("alerts of the other detectors about the same two. Beats, probes and connections are those that reached the sensor. Medians and 90th percentiles are")
	p("over all attacks of a cell; what was never found took for ever. RITA is given the last 24 hours each full hour; Zeek, simple-scan, Slips and Maltrail count as")
	p("their rules say. Peers say the same at most once in 24 hours.\n")
}

func (r *Results) sites() []string {
	var out []string
	for _, o := range r.Outcomes {
		if !slices.Contains(out, o.Site) {
			out = append(out, o.Site)
		}
	}
	return out
}

func seedList(seeds []uint64) string {
	var out []string
	for _, s := range seeds {
		out = append(out, fmt.Sprint(s))
	}
	return strings.Join(out, ", ")
}

func (r *Results) beaconTables(p printer) {
	p("Median beats (90th percentile) to the alert; RITA's at 0.75. \"never\": less than half (nine of ten) were found. A beacon goes on for one and a half days,")
	p("60 beats or 20 days; Kagami's recall is given for the first 30 beats (15 minutes if these take longer), RITA's for all of them.\n")
	p("| sleep | jitter | missed | attacks | Kagami recall | beats | time | RITA >= .75 recall | beats | time | RITA >= .90 recall |\n|---|---|---|---|---|---|---|---|---|---|---|")
	for _, c := range r.grid().sorted() {
		x := &c.Sample[0].Attack.Cell
		p("| %s | %d %% | %d %% | %d | %s | %s (%s) | %s | %s | %s | %s | %s |", short(x.Sleep), x.Jitter, x.Missed, len(c.Sample),
			percent(c.soon(Kagami)), count(c.beats(Kagami, 0.5)), count(c.beats(Kagami, 0.9)), span(c.seconds(Kagami, 0.5)),
			percent(c.recall(RITAMedium)), count(c.beats(RITAMedium, 0.5)), span(c.seconds(RITAMedium, 0.5)), percent(c.recall(RITAHigh)))
	}
	p("\nOther axes, each varied alone (jitter model cs: shorter than the sleep only; pm: both ways; add: longer only; grid: a timer):\n")
	p("| beacon | attacks | Kagami recall | beats | any rule | RITA >= .75 | RITA >= .90 |\n|---|---|---|---|---|---|---|")
	others := pick(r.finds, func(f *Find) bool {
		return f.Attack.Cell.Kind == "beacon" && !(plain(&f.Attack.Cell) && f.Attack.Cell.Missed <= 20)
	})
	for _, c := range others.cells() {
		p("| %s | %d | %s | %s (%s) | %s | %s | %s |", strings.TrimPrefix(c.name, "beacon "), len(c.Sample), percent(c.recall(Kagami)), count(c.beats(Kagami, 0.5)),
			count(c.beats(Kagami, 0.9)), percent(c.recall(KagamiAny)), percent(c.recall(RITAMedium)), percent(c.recall(RITAHigh)))
	}
	p("")
}

// lossTable is what becomes of the same office when the sensor misses packets.
func (r *Results) lossTable(p printer) {
	if len(r.lossy) == 0 {
		return
	}
	p("The same office, seed %d, with a sensor that misses packets:\n", r.lossy[0].Seed)
	p("| packets missed | beacons | recall | median beats (p90) | false beacon alerts a host-day after the learning week |\n|---|---|---|---|---|")
	list := slices.Clone(r.lossy)
	for _, o := range r.Outcomes {
		if o.Site == list[0].Site && o.Seed == list[0].Seed && o.Theme == list[0].Theme {
			list = append([]*Outcome{o}, list...)
		}
	}
	for _, o := range list {
		s, one := pick(o.Finds, func(*Find) bool { return true }), []*Outcome{o}
		p("| %g %% | %d | %s | %s (%s) | %s |", o.Loss*100, len(s), percent(s.recall(Kagami)), count(s.beats(Kagami, 0.5)), count(s.beats(Kagami, 0.9)),
			rateText(float64(incidents(falses(one, Kagami, "beacon", afterWeek)))/hostDays(one, true)))
	}
	p("")
}

// sorted are the cells of beacons by sleep, jitter and loss; transports are put together.
func (s Sample) sorted() []group {
	var out []group
	for _, sleep := range sleeps() {
		for _, j := range jitters() {
			for _, missed := range []int{0, 20} {
				part := s.where(func(f *Find) bool {
					c := &f.Attack.Cell
					return c.Sleep == sleep && c.Jitter == j && c.Missed == missed
				})
				if len(part) > 0 {
					out = append(out, group{Sample: part})
				}
			}
		}
	}
	return out
}

func (r *Results) scanTables(p printer) {
	p("Median probes (90th percentile) to the alarm.\n")
	tools := []Tool{Kagami, ZeekScan, SimpleScan, Slips, Maltrail}
	head, line := "| scan | attacks | recall |", "|---|---|---|"
	for _, t := range tools {
		head, line = head+" "+t.String()+" |", line+"---|"
	}
	p("%s time of Kagami |\n%s---|", head, line)
	kind := func(k string) Sample { return pick(r.finds, func(f *Find) bool { return f.Attack.Kind == k }) }
	for _, c := range kind("scan").cells() {
		row := fmt.Sprintf("| %s | %d | %s |", strings.TrimPrefix(c.name, "scan "), len(c.Sample), percent(c.recall(Kagami)))
		for _, t := range tools {
			row += fmt.Sprintf(" %s (%s) |", count(c.beats(t, 0.5)), count(c.beats(t, 0.9)))
		}
		p("%s %s |", row, span(c.seconds(Kagami, 0.5)))
	}
	if len(kind("egress")) == 0 {
		p("")
		return
	}
	p("\n| bypass | attacks | recall | connections to the alert | any rule |\n|---|---|---|---|---|")
	for _, c := range kind("egress").cells() {
		p("| %s | %d | %s | %s (%s) | %s |", strings.TrimPrefix(c.name, "egress "), len(c.Sample), percent(c.recall(Kagami)),
			count(c.beats(Kagami, 0.5)), count(c.beats(Kagami, 0.9)), percent(c.recall(KagamiAny)))
	}
	p("")
}

func (r *Results) falseTables(p printer) {
	p("Incidents told about harmless traffic by site, a machine and day; Kagami's by its detections. What goes on is one incident, until it was\nsilent for a week; this is the same for all tools.\n")
	p("| site | | beacon | bypass | scan | RITA >= .75 | RITA >= .90 | Zeek | simple-scan | Slips | Maltrail |\n|---|---|---|---|---|---|---|---|---|---|---|")
	for _, s := range r.sites() {
		var out []*Outcome
		for _, o := range r.Outcomes {
			if o.Site == s {
				out = append(out, o)
			}
		}
		for _, t := range []struct {
			name    string
			learned bool
			ok      func(*False) bool
		}{{"learning week", false, beforeWeek}, {"after it", true, afterWeek}} {
			row := fmt.Sprintf("| %s | %s |", s, t.name)
			days := hostDays(out, t.learned)
			for _, kind := range []string{"beacon", "egress", "scan"} {
				row += fmt.Sprintf(" %s |", rateText(float64(incidents(falses(out, Kagami, kind, t.ok)))/days))
			}
			for _, tool := range []Tool{RITAMedium, RITAHigh, ZeekScan, SimpleScan, Slips, Maltrail} {
				row += fmt.Sprintf(" %s |", rateText(float64(incidents(falses(out, tool, "", t.ok)))/days))
			}
			p("%s", row)
		}
	}
	p("\nThe site's own vulnerability scanner is configured with its window in Kagami, and left out of the peers' figures.")
	p("\nKagami's by the class of traffic that raised them (the first of each as it was told):\n")
	p("| rule | class | incidents | told, with updates | in the learning week | example |\n|---|---|---|---|---|---|")
	for _, t := range byClass(falses(r.Outcomes, Kagami, "", anyFalse)) {
		p("| %s | %s | %d | %d | %d | %s |", t.rule, t.class, t.incidents, t.n, t.early, strings.ReplaceAll(t.example, "|", "\\|"))
	}
	p("")
}

// alertTables is about alerts as such: how right, how many, how complete.
func (r *Results) alertTables(p printer) {
	p("## Alerts as a whole\n")
	var told, complete, aside int
	missing := map[string]int{}
	for _, o := range r.Outcomes {
		told, complete, aside = told+o.Told, complete+o.Complete, aside+o.Aside
		for k, n := range o.Missing {
			missing[k] += n
		}
	}
	p("| detection | attacks found | incidents about nothing | alerts about the attacks, with updates | precision | alerts an attack |\n|---|---|---|---|---|---|")
	for _, k := range []string{"beacon", "egress", "scan"} {
		s := pick(r.finds, func(f *Find) bool { return f.Attack.Kind == k })
		found, alerts := 0, 0
		for _, f := range s {
			if h := f.Hits[Kagami]; h.At != 0 {
				found, alerts = found+1, alerts+h.Alerts
			}
		}
		wrong := incidents(falses(r.Outcomes, Kagami, k, afterWeek))
		p("| %s | %d | %d | %d | %s | %.2f |", k, found, wrong, alerts, percent(float64(found)/float64(found+wrong)), s.told(Kagami))
	}
	p("\nPrecision depends on how many attacks there are among so many machines: it is that of these worlds, after the learning week. %d alerts were raised by", aside)
	p("attacks about something else. Of %d alerts, %s say all that one needs to act (source, destination, span, evidence in two languages, why it may be benign,", told, percent(float64(complete)/float64(max(told, 1))))
	p("ATT&CK id, sample flows, incident, level; of beacons the histogram).\n")
	if len(missing) > 0 {
		var names []string
		for k := range missing {
			names = append(names, k)
		}
		slices.SortFunc(names, func(a, b string) int { return cmp.Or(missing[b]-missing[a], strings.Compare(a, b)) })
		p("| missing | alerts |\n|---|---|")
		for _, k := range names {
			p("| %s | %d |", k, missing[k])
		}
		p("")
	}
}

// restartTable compares worlds played with restarts with the same without.
func (r *Results) restartTable(p printer) {
	if len(r.restarted) == 0 {
		return
	}
	p("## Restarts\n\nThe same worlds, with the detectors replaced again and again by fresh ones that know only what these had saved.\n")
	p("| site | seed | restarts | octets of the last state | alerts | the same alerts as without |\n|---|---|---|---|---|---|")
	for _, o := range r.restarted {
		p("| %s | %d | %d | %d | %d | %s |", o.Site, o.Seed, o.Restarts, o.State, o.Told, r.same(o))
	}
	p("")
}

// same tells whether a world with restarts gave the alerts of the one without.
func (r *Results) same(o *Outcome) string {
	if o.Err != nil {
		return "no: " + o.Err.Error()
	}
	for _, x := range r.Outcomes {
		if x.Site == o.Site && x.Seed == o.Seed && x.Theme == o.Theme {
			if x.Print == o.Print {
				return "yes"
			}
			lost := 0
			for k := range x.Keys {
				if !o.Keys[k] {
					lost++
				}
			}
			return fmt.Sprintf("no: %d alerts without restarts; of %d sources and destinations told then, %d were not told with them", x.Told, len(x.Keys), lost)
		}
	}
	return "not played without"
}

func (c *Cost) write(p printer, prefix string) {
	p("## Cost\n\nThis part varies with the machine and from run to run.\n")
	shows(p, prefix, []Figure{c.Figure()}, "memory")
	p("| | |\n|---|---|")
	p("| %d pairs and %d singletons: alive after a collection | %s |", c.Pairs, c.Singletons, mib(c.Heap))
	p("| the process grew by | %s |", mib(c.RSS))
	p("| the most that this configuration allows | %s |", mib(c.Plan))
	p("| CPU an event while the tables fill | %.2f us |", c.FillNanos/1e3)
	p("| CPU an event of an office (%d events) | %.2f us |", c.OfficeEvents, c.OfficeNanos/1e3)
	p("")
}

func (r *Results) limits(p printer) {
	p("## What these figures do not say\n")
	p("The worlds are made up. They hold what harmless traffic was known to look like an attack, and attacks by the jitter models of known frameworks; a real network")
	p("holds things that nobody thought of. Attacks come from machines that are on day and night unless a cell says asleep. RITA's score is computed without its")
	p("modifiers (prevalence, first seen: 0.15 each) and without the loss of Zeek's own parsing; like RITA it leaves out what goes from inside to inside, as plain requests to a")
	p("proxy do, and reads no DNS for rhythms. Slips' and Maltrail's other modules, which")
	p("find other things, are not part of the comparison. A peer that \"never\" finds something was not made for it.")
}

// Summary is a few lines for a terminal.
func (r *Results) Summary(w io.Writer, cost *Cost) {
	list := r.Targets()
	if cost != nil {
		list = append(list, cost.Targets()...)
	}
	passed := 0
	for _, t := range list {
		if t.Pass {
			passed++
		}
		fmt.Fprintf(w, "%-7s %-12s %s\n        %s\n", t.ID, strings.Trim(t.verdict(), "*"), t.Want, t.Got)
	}
	fmt.Fprintf(w, "%d of %d targets reached\n", passed, len(list))
}

// String is a line of progress.
func (o *Outcome) String() string {
	found := 0
	for _, f := range o.Finds {
		if f.Hits[Kagami].At != 0 {
			found++
		}
	}
	return fmt.Sprintf("%s, seed %d, %s: %d records in %d days, %d of %d attacks found, %d alerts",
		o.Site, o.Seed, o.Theme, o.Records, o.Days, found, len(o.Finds), o.Told)
}
