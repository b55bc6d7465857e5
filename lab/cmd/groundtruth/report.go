package main

import (
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// wanted are the rules that flag a kind of label; nil = the kind is no detection.
func wanted(kind string) []string {
	scans := []string{"lateral-scan", "port-scan"}
	switch k, _, _ := strings.Cut(kind, ":"); k {
	case "beacon", "periodic":
		return []string{"beacon"}
	case "scan", "fan-out":
		return scans
	case "driveby":
		return []string{"executable-download", "drive-by"}
	case "c2":
		return []string{"beacon", "direct-egress", "drive-by", "lateral-scan"}
	case "http-object":
		return []string{"executable-download", "drive-by"}
	}
	return nil
}

// verdict is what came of one part of a label.
type verdict struct {
	label
	part    string // of its kind
	flagged []alert
	why     string // not flagged
}

// judge compares a label with the alerts of its capture.
func judge(l label, r *reading) []verdict {
	var out []verdict
	for part := range strings.SplitSeq(l.kind, "+") {
		rules := wanted(part)
		if rules == nil {
			continue
		}
		v := verdict{label: l, part: part}
		v.flagged = about(l, rules, r.alerts)
		if len(v.flagged) == 0 {
			v.why = reason(l, part, r)
			if found := about(l, rules, l.closer); found != nil {
				last := &found[len(found)-1]
				v.why += "; more closely, *" + last.Kagami.Alert.Level + "*: " + last.Message
			}
		}
		out = append(out, v)
	}
	return out
}

// about are the alerts of these rules about a label's host.
func about(l label, rules []string, alerts []alert) (out []alert) {
	for _, a := range alerts {
		if among(a.Rule.Name, rules) && (l.host == "" || strings.Contains(", "+l.host+",", ", "+a.Source.IP+",")) {
			out = append(out, a)
		}
	}
	return out
}

func among(rule string, rules []string) bool {
	for _, r := range rules {
		if r == rule {
			return true
		}
	}
	return false
}

// gate is how long a rhythm must last at least, seconds.
const gate = 600

// reason is why a label may not be flagged, as far as the label tells.
func reason(l label, part string, r *reading) string {
	switch {
	case r.err != nil:
		return "not read: " + r.err.Error()
	case outside(l.host):
		return "from outside the internal networks"
	case part == "beacon" || part == "periodic":
		var why []string
		if s := lasts(l.detail); s > 0 && s < gate {
			why = append(why, fmt.Sprintf("lasts %.0f s; a rhythm must last %d s", s, gate))
		}
		if to, ok := destination(l.detail); ok && to.IsPrivate() {
			why = append(why, "goes to a machine inside")
		}
		if why != nil {
			return strings.Join(why, "; ")
		}
	}
	if len(r.alerts) > 0 {
		return "other alerts: " + rules(r.alerts)
	}
	return "?"
}

// outside tells whether a label's host is at no address that is inside by default.
func outside(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && !a.IsPrivate() && !a.IsLoopback() && !a.IsLinkLocalUnicast()
}

// destination is the address behind the arrow of a label: "syn 10.0.0.5->192.0.2.1:443".
func destination(detail string) (netip.Addr, bool) {
	_, rest, _ := strings.Cut(detail, "->")
	if n := strings.IndexAny(rest, ": "); n >= 0 {
		rest = rest[:n]
	}
	a, err := netip.ParseAddr(rest)
	return a, err == nil
}

// lasts is for how many seconds a label says that something went on: "span=138.6s",
// or "every 10.0 s x8"; 0 = it does not.
func lasts(detail string) float64 {
	if s := number(detail, "span="); s > 0 {
		return s
	}
	_, times, _ := strings.Cut(detail, "every ")
	return number(detail, "every ") * max(number(times, " x"), number(detail, " x"))
}

// number is what a label says behind a name, 0 = nothing.
func number(detail, name string) float64 {
	_, rest, ok := strings.Cut(detail, name)
	if !ok {
		return 0
	}
	n := strings.IndexFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if n >= 0 {
		rest = rest[:n]
	}
	v, err := strconv.ParseFloat(rest, 64)
	if err != nil {
		return 0
	}
	return v
}

// rules counts alerts by rule, in order of first appearance.
func rules(alerts []alert) string {
	var names []string
	count := map[string]int{}
	for _, a := range alerts {
		if count[a.Rule.Name] == 0 {
			names = append(names, a.Rule.Name)
		}
		count[a.Rule.Name]++
	}
	for i, n := range names {
		if count[n] > 1 {
			names[i] = fmt.Sprintf("%s x%d", n, count[n])
		}
	}
	return strings.Join(names, ", ")
}

func report(w io.Writer, labels []label, paths []string, got map[string]*reading) {
	labelled := map[string]bool{}
	flagged, all := 0, 0
	fmt.Fprintln(w, "| capture | label | host | flagged |\n|---|---|---|---|")
	for _, l := range labels {
		r := got[l.capture]
		if r == nil {
			continue
		}
		for _, v := range judge(l, r) {
			labelled[l.capture] = true
			all++
			said := "no: " + v.why
			if len(v.flagged) > 0 {
				flagged++
				said = "**" + rules(v.flagged) + "**: " + v.flagged[0].Message
			}
			fmt.Fprintf(w, "| %s | %s | %s | %s |\n", cell(l.capture), cell(v.part), cell(l.host), cell(said))
		}
	}
	fmt.Fprintf(w, "\n%d of %d labels flagged.\n\n", flagged, all)
	others(w, paths, labelled, got)
}

// others lists the captures without a label that raised alerts.
func others(w io.Writer, paths []string, labelled map[string]bool, got map[string]*reading) {
	quiet, loud, broken := 0, 0, 0
	fmt.Fprintln(w, "| capture without a label of these kinds | alerts | the first |\n|---|---|---|")
	for _, p := range paths {
		r := got[p]
		switch {
		case labelled[p]:
		case len(r.alerts) > 0:
			loud++
			fmt.Fprintf(w, "| %s | %s | %s |\n", cell(p), rules(r.alerts), cell(r.alerts[0].Message))
		case r.err != nil:
			broken++
		default:
			quiet++
		}
	}
	fmt.Fprintf(w, "\n%d other captures without an alert, %d with alerts, %d not readable as a whole.\n", quiet, loud, broken)
}

// cell makes a text fit for a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }
