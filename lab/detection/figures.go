package detection

import (
	"fmt"
	"math"
	"time"

	"kagami/lab/events"
)

// Figure is a plot: the end of its file's name, what it shows, and itself.
type Figure struct {
	Name, Caption, SVG string
}

// Figures are the report's plots.
func (r *Results) Figures() []Figure {
	return []Figure{
		{"recall", "Share of beacons found, by sleep and jitter.", r.recallMap()},
		{"time", "Time until the alert, by sleep.", r.timeChart()},
		{"beats", "Beats until the alert, by sleep.", r.beatChart()},
		{"share", "Share of beacons told by so many beats.", r.shareChart()},
		{"scans", "Probes until the alarm, by their spacing.", r.scanChart()},
		{"false", "Alerts about harmless traffic.", r.falseBars()},
	}
}

// Colors differ in lightness, so that they differ in grey.
const (
	blue   = "#0b4f8a"
	orange = "#d07a1f"
	green  = "#3f9c5a"
	purple = "#6a3d9a"
	brown  = "#8c6239"
	grey   = "#808890"
)

func (r *Results) recallMap() string {
	var rows, cols []string
	for _, s := range sleeps() {
		rows = append(rows, short(s))
	}
	for _, j := range jitters() {
		cols = append(cols, fmt.Sprintf("%d %%", j))
	}
	panel := func(title string, share func(Sample) float64, missed int) grid {
		g := grid{title: title, rows: rows, cols: cols}
		for _, s := range sleeps() {
			var line []float64
			for _, j := range jitters() {
				line = append(line, share(r.grid().where(func(f *Find) bool {
					c := &f.Attack.Cell
					return c.Sleep == s && c.Jitter == j && c.Missed == missed
				})))
			}
			g.value = append(g.value, line)
		}
		return g
	}
	soon := func(s Sample) float64 { return s.soon(Kagami) }
	ever := func(s Sample) float64 { return s.recall(RITAMedium) }
	return heatMap("Beacons found: sleep by jitter", "Share of planted beacons that Kagami found by 30 beats (15 minutes if these take longer), and that RITA scored 0.75 or more within one and a half days or longer.",
		"sleep", "jitter", []grid{
			panel("Kagami by 30 beats", soon, 0), panel("… 20 % of beats missed", soon, 20),
			panel("RITA >= .75, ever", ever, 0), panel("… 20 % of beats missed", ever, 20)})
}

// bySleep are the curves of a value that the grid's beacons have, over their
// sleep; none of their beats was missed.
func (r *Results) bySleep(value func(Sample, Tool) float64) []curve {
	curveOf := func(name string, t Tool, jitter int, color, dash string, bold bool) curve {
		c := curve{name: name, color: color, dash: dash, bold: bold}
		for _, s := range sleeps() {
			v := value(r.grid().where(func(f *Find) bool {
				return f.Attack.Cell.Sleep == s && f.Attack.Cell.Jitter == jitter && f.Attack.Cell.Missed == 0
			}), t)
			c.points = append(c.points, [2]float64{s.Seconds(), finite(v)})
		}
		return c
	}
	return []curve{
		curveOf("Kagami, jitter 0 %", Kagami, 0, blue, "", true),
		curveOf("Kagami, jitter 25 %", Kagami, 25, blue, "8 3", true),
		curveOf("Kagami, jitter 50 %", Kagami, 50, blue, "2 3", true),
		curveOf("RITA >= .75, jitter 0 %", RITAMedium, 0, orange, "", false),
		curveOf("RITA >= .75, jitter 50 %", RITAMedium, 50, orange, "2 3", false),
		curveOf("RITA >= .90, jitter 50 %", RITAHigh, 50, brown, "6 3", false),
	}
}

func (r *Results) timeChart() string {
	const minute, hour, day = 60, 3600, 86400
	return chart("Time until the alert, by sleep (median, no beat missed)",
		"Median time from the first beat until a beacon was told. Where a line is missing, half of the beacons or more were never told.",
		sleepAxis(), axis{label: "time until the alert (median)", low: 5 * minute, top: 30 * day, ticks: []tick{{5 * minute, "5 min"}, {10 * minute, "10 min"},
			{hour, "1 h"}, {3 * hour, "3 h"}, {12 * hour, "12 h"}, {day, "1 d"}, {3 * day, "3 d"}, {10 * day, "10 d"}, {30 * day, "30 d"}}},
		r.bySleep(func(s Sample, t Tool) float64 { return s.seconds(t, 0.5) }))
}

func (r *Results) beatChart() string {
	return chart("Beats until the alert, by sleep (median, no beat missed)",
		"Median number of beats seen when a beacon was first told. Where a line is missing, half of the beacons or more were never told.",
		sleepAxis(), axis{label: "beats until the alert (median)", low: 2, top: 20000, ticks: ticks(2, 5, 10, 20, 50, 100, 1000, 10000)},
		r.bySleep(func(s Sample, t Tool) float64 { return s.beats(t, 0.5) }))
}

// shareChart shows how many of the beacons of five minutes to a day are told by
// so many beats.
func (r *Results) shareChart() string {
	slow := r.grid().where(func(f *Find) bool { return f.Attack.Cell.Sleep > time.Minute && f.Attack.Cell.Missed == 0 })
	curveOf := func(name string, t Tool, jitter int, color, dash string, bold bool) curve {
		s := slow.where(func(f *Find) bool { return f.Attack.Cell.Jitter == jitter })
		c := curve{name: name, color: color, dash: dash, bold: bold}
		for _, n := range []int{3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 18, 20, 24, 30, 40, 60} {
			c.points = append(c.points, [2]float64{float64(n), s.within(t, n)})
		}
		return c
	}
	return chart("Share of beacons told by so many beats (sleeps of five minutes to a day)", "Cumulative share of beacons told, over the number of beats seen.",
		axis{label: "beats seen", low: 3, top: 60, ticks: ticks(3, 4, 5, 6, 8, 10, 15, 20, 30, 60)},
		axis{label: "share told", top: 1, linear: true, ticks: []tick{{0, "0 %"}, {0.25, "25 %"}, {0.5, "50 %"}, {0.75, "75 %"}, {1, "100 %"}}},
		[]curve{
			curveOf("Kagami, jitter 0 %", Kagami, 0, blue, "", true),
			curveOf("Kagami, jitter 10 %", Kagami, 10, blue, "12 3", true),
			curveOf("Kagami, jitter 25 %", Kagami, 25, blue, "8 3", true),
			curveOf("Kagami, jitter 50 %", Kagami, 50, blue, "2 3", true),
			curveOf("RITA >= .75, jitter 0 %", RITAMedium, 0, orange, "", false),
			curveOf("RITA >= .75, jitter 50 %", RITAMedium, 50, orange, "2 3", false),
		})
}

func (r *Results) scanChart() string {
	curveOf := func(name string, t Tool, dark int, color, dash string, bold bool) curve {
		c := curve{name: name, color: color, dash: dash, bold: bold}
		for _, s := range spacings() {
			v := pick(r.finds, func(f *Find) bool {
				x := &f.Attack.Cell
				return x.Kind == "scan" && x.Shape == events.Horizontal && x.Port == 445 && x.Random && !x.Admin && !x.Scanner && x.Spacing == s && x.Dark == dark && x.Success == 0
			}).beats(t, 0.5)
			c.points = append(c.points, [2]float64{s.Seconds(), finite(v)})
		}
		return c
	}
	return chart("Probes until the alarm, by spacing (all fail, median)",
		"Median number of probes seen when a scan was first told. Where a line ends, half of the scans or more were never told.",
		axis{label: "time between probes", low: 0.8, top: 4500, ticks: []tick{{1, "1 s"}, {5, "5 s"}, {10, "10 s"}, {30, "30 s"}, {60, "1 min"}, {300, "5 min"}, {600, "10 min"}, {1200, "20 min"}, {3600, "1 h"}}},
		axis{label: "probes until the alarm (median)", low: 2, top: 300, ticks: ticks(2, 3, 5, 10, 20, 50, 100, 200)},
		[]curve{
			curveOf("Kagami", Kagami, 0, blue, "", true),
			curveOf("Kagami, half dark", Kagami, 50, blue, "8 3", true),
			curveOf("Slips", Slips, 0, green, "", false),
			curveOf("Zeek misc/scan", ZeekScan, 0, orange, "", false),
			curveOf("simple-scan, half dark", SimpleScan, 50, purple, "6 3", false),
			curveOf("Maltrail", Maltrail, 0, grey, "", false),
		})
}

func (r *Results) falseBars() string {
	all := hostDays(r.Outcomes, true)
	var list []bar
	add := func(name string, t Tool, kind, color string, goal float64) {
		v := float64(incidents(falses(r.Outcomes, t, kind, afterWeek))) / all
		list = append(list, bar{name: name, value: v, goal: goal, text: rateText(v), color: color})
	}
	add("Kagami: beacons", Kagami, "beacon", blue, 0.01)
	add("RITA: beacon score >= .75", RITAMedium, "", orange, 0)
	add("RITA: beacon score >= .90", RITAHigh, "", orange, 0)
	add("Kagami: bypasses of the proxy", Kagami, "egress", blue, 0.01)
	add("Kagami: scans", Kagami, "scan", blue, 0.0005)
	add("Zeek misc/scan", ZeekScan, "", grey, 0)
	add("simple-scan", SimpleScan, "", grey, 0)
	add("Slips: scans", Slips, "", grey, 0)
	add("Maltrail: scans", Maltrail, "", grey, 0)
	return bars("Alerts about harmless traffic, a machine and day, after the learning week",
		"Incidents told about benign traffic per host-day. A red mark is the target. What goes on is one incident until it was silent for a week.",
		axis{label: "alerts a host-day (red: target)", low: 1e-5, top: 10, ticks: []tick{{1e-5, "0.00001"}, {1e-4, "0.0001"}, {1e-3, "0.001"}, {1e-2, "0.01"}, {0.1, "0.1"}, {1, "1"}, {10, "10"}}}, list)
}

// Figure draws what the tables take.
func (c *Cost) Figure() Figure {
	x := axis{label: "MiB (red: target of 100 MB)", low: 1, top: 20000, ticks: []tick{{1, "1"}, {10, "10"}, {100, "100"}, {1000, "1,000"}, {10000, "10,000"}}}
	m := func(n int64) float64 { return float64(n) / (1 << 20) }
	return Figure{"memory", "Memory with 100,000 pairs and 500,000 singletons.", bars(
		"Memory: 100,000 pairs and 500,000 singletons", "Memory of the detectors, beside the least that RITA and Zeek ask for in their documentation.", x, []bar{
			{name: "Kagami: alive", value: m(c.Heap), goal: 100, text: mib(c.Heap), color: blue},
			{name: "Kagami: the process grew by", value: m(c.RSS), goal: 100, text: mib(c.RSS), color: blue},
			{name: "RITA, smallest recommended", value: 16384, text: "16 GB", color: orange},
			{name: "Zeek, smallest recommended by RITA", value: 16384, text: "16 GB", color: grey},
		})}
}

func sleepAxis() axis {
	a := axis{label: "sleep", low: 8, top: 110000}
	for _, s := range sleeps() {
		a.ticks = append(a.ticks, tick{s.Seconds(), short(s)})
	}
	return a
}

func ticks(at ...float64) []tick {
	var out []tick
	for _, x := range at {
		out = append(out, tick{x, fmt.Sprintf("%g", x)})
	}
	return out
}

// finite makes "never" a gap.
func finite(x float64) float64 {
	if math.IsInf(x, 1) {
		return math.NaN()
	}
	return x
}

// short is a round length of time: "10 s", "4 h".
func short(d time.Duration) string {
	switch {
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}
