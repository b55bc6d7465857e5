package detectors

import (
	"fmt"
	"math"
	"strings"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// scope is the score of an incident that has spread from the number of targets
// that first raised it to the number now: base, and regrowth nats for each
// tenfold. A scan that goes on is no news; one that grew tenfold is.
func scope(base float64, first, now int) float64 {
	return base + regrowth*math.Log10(max(1, float64(now)/float64(max(first, 1))))
}

// tellSearch tells that a client's first contacts fail as those of a search do.
func (d *scan) tellSearch(f *records.Flow, s *source, sum float64, emit sensor.Emit) {
	m := f.Meta()
	if !s.told.due(m.At, scope(max(alertScore, d.config.Threshold), s.size(s.failing.n), s.failing.n)) {
		return
	}
	a := d.alert(f, "lateral-scan", s.told.score, &s.failing)
	a.Title = fmt.Sprintf("%s searches for machines: %d of %d first contacts failed", a.Source, s.failed, s.failing.n)
	a.Evidence = append([]string{
		fmt.Sprintf("%d of %d first contacts since %s failed; first contacts of a harmless machine mostly succeed", s.failed, s.failing.n, clock(a.Since)),
		fmt.Sprintf("sequential test over outcomes: %.1f nats, alarm at %.1f", sum, d.config.Threshold),
	}, a.Evidence...)
	emit(a)
}

// tellPeers tells that a client has far more new peers than its habit.
func (d *scan) tellPeers(f *records.Flow, s *source, n int, mean float64, days int, emit sensor.Emit) {
	m := f.Meta()
	if !s.told.due(m.At, scope(alertScore, s.size(n), n)) {
		return
	}
	a := d.alert(f, "lateral-scan", s.told.score, &s.peers)
	a.Title = fmt.Sprintf("%s turned to %d new machines on ports of administration", a.Source, n)
	a.Evidence = append([]string{
		fmt.Sprintf("%d new peers on ports of administration within %d day(s), where its habit lets %.1f expect", n, days, mean),
		fmt.Sprintf("probability of that many by accident: %.1g", poissonTail(n, mean)),
	}, a.Evidence...)
	emit(a)
}

// size is the number of targets when the client was first told of.
func (s *source) size(now int) int {
	if s.told.at == 0 {
		s.alerted = now
	}
	return s.alerted
}

// tellPorts tells that a client tries the ports of one machine.
func (d *scan) tellPorts(f *records.Flow, p *ports, emit sensor.Emit) {
	m := f.Meta()
	if p.told.at == 0 {
		p.alerted = p.failing.n
	}
	if !p.told.due(m.At, scope(max(alertScore, d.config.Threshold), p.alerted, p.failing.n)) {
		return
	}
	a := d.alert(f, "port-scan", p.told.score, &p.failing)
	server := m.Server().Addr()
	a.Destination, a.DestAddr = server.String(), server
	a.Technique = []string{"T1046"}
	a.Title = fmt.Sprintf("%s tries the ports of %s: %d of %d failed", a.Source, server, p.failed, p.failing.n)
	a.Evidence = append([]string{
		fmt.Sprintf("%d of %d ports tried for the first time since %s failed", p.failed, p.failing.n, clock(a.Since)),
		fmt.Sprintf("sequential test over outcomes: %.1f nats, alarm at %.1f", p.sum, d.config.Threshold),
	}, a.Evidence...)
	emit(a)
}

// alert fills in what all scans share.
func (d *scan) alert(f *records.Flow, rule string, score float64, t *targets) *records.Alert {
	m := f.Meta()
	a := records.NewAlert(*m)
	a.Rule, a.Score, a.Severity = rule, score, severity(score)
	a.Source = m.Client().Addr()
	a.Since, a.Until = t.kept[0].at, f.Start
	for _, x := range t.kept {
		a.Since, a.Until = min(a.Since, x.at), max(a.Until, x.at)
	}
	if rate := t.rate(a.Until - a.Since); rate != "" {
		a.Evidence = append(a.Evidence, rate)
	}
	a.Evidence = append(a.Evidence, t.list())
	a.Benign = "Vulnerability scanners, monitoring, inventory and printer search do this on purpose; " +
		"a machine that came back after a change of addresses, or whose name server knows dead machines, does it by mistake."
	a.Technique = t.techniques()
	t.flows.into(a)
	return a
}

func (t *targets) rate(ns int64) string {
	if t.n < 2 || ns <= 0 {
		return ""
	}
	return fmt.Sprintf("%d first contacts in %s, one every %s", t.n, span(ns), span(ns/int64(t.n-1)))
}

// list writes the targets kept, with port, outcome and time.
func (t *targets) list() string {
	var b strings.Builder
	b.WriteString("never contacted before: ")
	for i, x := range t.kept {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(x.addr.String())
		switch {
		case x.port != 0:
			fmt.Fprintf(&b, " %s/%d", records.Transport(x.proto), x.port)
		default:
			fmt.Fprintf(&b, " %s", records.Transport(x.proto))
		}
		fmt.Fprintf(&b, " %s at %s", x.outcome, clock(x.at)[11:])
	}
	if more := t.n - len(t.kept); more > 0 {
		fmt.Fprintf(&b, ", and %d more", more)
	}
	return b.String()
}

// techniques names the MITRE ATT&CK techniques for the ports tried; use of a
// service is only claimed where a target answered.
func (t *targets) techniques() []string {
	out := []string{"T1046", "T1018"}
	for _, x := range t.kept {
		id := ""
		switch {
		case x.proto != packet.ProtoTCP || x.outcome != success:
		case x.port == 445 || x.port == 139:
			id = "T1021.002"
		case x.port == 3389:
			id = "T1021.001"
		case x.port == 5985 || x.port == 5986:
			id = "T1021.006"
		case x.port == 22:
			id = "T1021.004"
		}
		if id != "" && out[len(out)-1] != id && len(out) < 5 {
			out = append(out, id)
		}
	}
	return out
}
