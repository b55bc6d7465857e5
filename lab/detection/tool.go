package detection

import (
	"net/netip"
	"strings"

	"kagami/lab/peers"
	"kagami/records"
)

// Tool is a column of the report: who finds an attack.
type Tool int

const (
	Kagami      Tool = iota // the detector that is made for the attack, at level alert or high
	KagamiAny               // any of its detectors about the same source and destination
	KagamiWatch             // the detector that is made for it, watches included
	RITAMedium
	RITAHigh
	ZeekScan
	SimpleScan
	Slips
	Maltrail
	NumTools
)

func (t Tool) String() string {
	return [...]string{"Kagami", "Kagami, any rule", "Kagami, watch", "RITA >= .75", "RITA >= .90",
		"Zeek misc/scan", "simple-scan", "Slips", "Maltrail"}[t]
}

// finding is an alert of any tool, as far as it matters here.
type finding struct {
	tool   Tool
	at     int64
	kind   string // of the attack that it is about: "beacon", "egress", "scan"; "" = other
	source netip.Addr
	host   string     // destination's name or address in lower case, without port; "" = many
	addr   netip.Addr // destination's address, if it is one
	watch  bool
	update bool // of an incident that was told at level alert or high before
	rule   string
	title  string // Kagami only
}

// kinds are the attacks that the rules of Kagami are made for.
func kindOf(rule string) string {
	switch rule {
	case "beacon":
		return "beacon"
	case "direct-egress":
		return "egress"
	case "lateral-scan", "port-scan":
		return "scan"
	}
	return ""
}

func ofKagami(a *records.Alert) finding {
	return finding{tool: Kagami, at: a.Meta().At, kind: kindOf(a.Rule), source: a.Source, host: hostOf(a.Destination),
		addr: a.DestAddr, watch: a.Level == "watch", rule: a.Rule, title: a.Title}
}

func ofPeer(p string, a *peers.Alert) finding {
	f := finding{at: a.At, kind: "scan", source: a.Source, host: hostOf(a.Destination), addr: a.Addr, rule: a.Rule, update: a.Update}
	switch p {
	case "RITA v5":
		f.kind, f.tool = "beacon", RITAMedium
		if a.Rule == "high" {
			f.tool = RITAHigh
		}
	case "Zeek misc/scan":
		f.tool = ZeekScan
	case "simple-scan":
		f.tool = SimpleScan
	case "Slips":
		f.tool = Slips
	case "Maltrail":
		f.tool = Maltrail
	}
	return f
}

// hostOf is the host in "name:port", "192.0.2.1:443", "[2001:db8::1]:443" or any
// of these without a port.
func hostOf(s string) string {
	if a, err := netip.ParseAddrPort(s); err == nil {
		return a.Addr().Unmap().String()
	}
	if i := strings.LastIndexByte(s, ':'); i >= 0 && strings.Count(s, ":") == 1 {
		s = s[:i]
	}
	return strings.ToLower(strings.Trim(s, "[]."))
}
