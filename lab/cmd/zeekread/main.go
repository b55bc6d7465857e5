// Command zeekread gives Zeek's logs to Kagami's detectors, and prints what they
// say beside RITA's beacon score and the scan rules of other tools on the same
// connections.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"kagami/detectors"
	"kagami/lab/detection"
	"kagami/lab/peers"
	"kagami/lab/zeeklog"
	"kagami/records"
	"kagami/sensor"
)

func main() {
	internal := flag.String("internal", "", "networks inside besides the private ones, separated by commas")
	top := flag.Int("top", 20, "how many of RITA's scores are printed")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: zeekread [flags] LOG|DIRECTORY...\n\nconn, dns, http and ssl logs of Zeek (TSV or JSON, may be gzipped) through Kagami's detectors and its peers.")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(os.Stdout, flag.Args(), *internal, *top); err != nil {
		fmt.Fprintln(os.Stderr, "zeekread:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, paths []string, internal string, top int) error {
	zones := sensor.DefaultZones()
	if internal != "" {
		zones[0].Networks = append(zones[0].Networks, strings.Split(internal, ",")...)
	}
	networks, errs := sensor.NewNetworks(zones, "Untrust")
	if len(errs) > 0 {
		return errs[0]
	}
	logs, err := zeeklog.Read(paths, zeeklog.Options{Networks: networks})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%d lines, %d records, %d lines of other logs left out, %d not readable\n", logs.Lines, len(logs.Records), logs.Skipped, logs.Bad)
	if logs.FirstBad != nil {
		fmt.Fprintln(w, "the first of them:", logs.FirstBad)
	}
	if len(logs.Records) == 0 {
		return nil
	}
	first, last := logs.Records[0].Meta().At, logs.Records[len(logs.Records)-1].Meta().At
	fmt.Fprintf(w, "%s to %s\n", clock(first), clock(last))
	judge(w, logs.Records, last, top)
	return nil
}

// judge runs the records through all and prints what they say.
func judge(w io.Writer, rs []records.Record, last int64, top int) {
	kagami := detection.NewSensor(detectors.Default())
	others := peers.All()
	fmt.Fprintln(w, "\nKagami:")
	n := 0
	show := func(alerts []*records.Alert) {
		for _, a := range alerts {
			n++
			fmt.Fprintf(w, "  %s  %-20s %-6s %5.1f  %s\n", clock(a.Meta().At), a.Rule, a.Severity, a.Score, a.Title)
			for _, e := range a.Evidence {
				fmt.Fprintf(w, "      %s\n", e)
			}
		}
	}
	for _, r := range rs {
		alerts, _ := kagami.Observe(r)
		show(alerts)
		for _, p := range others {
			p.Observe(r)
		}
	}
	show(kagami.Finish(last))
	fmt.Fprintf(w, "  %d alerts\n", n)
	for _, p := range others {
		if rita, ok := p.(*peers.RITA); ok {
			scores(w, rita, top)
		}
		p.Finish()
		alerts := p.Alerts()
		fmt.Fprintf(w, "\n%s: %d\n", p.Name(), len(alerts))
		for _, a := range alerts {
			fmt.Fprintf(w, "  %s  %-20s %s -> %s  %g\n", clock(a.At), a.Rule, a.Source, destination(&a), a.Score)
		}
	}
}

func scores(w io.Writer, rita *peers.RITA, top int) {
	all := rita.Scores()
	fmt.Fprintf(w, "\nRITA's beacon scores at the end: %d keys, the highest:\n", len(all))
	fmt.Fprintln(w, "  score   ts     ds     dur    hist   connections")
	for _, s := range all[:min(top, len(all))] {
		fmt.Fprintf(w, "  %.3f  %.3f  %.3f  %.3f  %.3f  %6d  %s -> %s\n", s.Total, s.Timestamps, s.Sizes, s.Duration, s.Hourly, s.Count, s.Source, s.Destination)
	}
}

// destination is what a peer's alert says of the other end.
func destination(a *peers.Alert) string {
	switch {
	case a.Destination != "":
		return fmt.Sprintf("%q", a.Destination)
	case a.Addr.IsValid():
		return a.Addr.String()
	case a.Port != 0:
		return fmt.Sprintf("port %d of many", a.Port)
	}
	return "many"
}

func clock(at int64) string { return time.Unix(0, at).UTC().Format(time.RFC3339) }
