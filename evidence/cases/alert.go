package cases

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"

	"kagami/evidence/query"
	"kagami/evidence/segment"
	"kagami/packet"
	"kagami/records"
)

// Alert is what a case keeps of an alert: it outlives the process that raised it.
// Its texts may hold anything that came from the wire.
type Alert struct {
	ID       string  `json:"id"`
	Rule     string  `json:"rule"`
	Title    string  `json:"title"`
	Severity string  `json:"severity,omitempty"`
	Score    float64 `json:"score,omitempty"`
	At       int64   `json:"at"` // packet time, ns

	Source      netip.Addr `json:"source,omitzero"`
	Destination string     `json:"destination,omitempty"` // "name:port", address or network
	DestAddr    netip.Addr `json:"destination_address,omitzero"`
	DestPort    uint16     `json:"destination_port,omitempty"`
	Since       int64      `json:"since,omitempty"` // of its evidence, ns
	Until       int64      `json:"until,omitempty"`
	Evidence    []string   `json:"evidence,omitempty"`
	Chain       []string   `json:"chain,omitempty"` // of a drive-by: its steps in order of time
	Benign      string     `json:"benign,omitempty"`
	Technique   []string   `json:"technique,omitempty"`
	Communities []string   `json:"community_ids,omitempty"` // of its flows
	Query       string     `json:"query,omitempty"`         // of its packets, without times; "" = not known

	Line json.RawMessage `json:"-"` // the record in ECS; kept in the state only
}

// Limits of what is kept of alerts.
const (
	maxAlerts      = 64 // of one case; more are counted
	maxCommunities = 64 // of one alert
	maxText        = 2048
)

// FromRecord is what a case keeps of an alert's record.
func FromRecord(r *records.Alert) *Alert {
	m := r.Meta()
	a := &Alert{ID: m.ID(), Rule: r.Rule, Title: r.Title, Severity: r.Severity.String(), Score: r.Score, At: m.At,
		Source: r.Source, Destination: r.Destination, DestAddr: r.DestAddr, DestPort: r.DestPort,
		Since: r.Since, Until: r.Until, Evidence: slices.Clone(r.Evidence), Chain: slices.Clone(r.Chain), Benign: r.Benign, Technique: slices.Clone(r.Technique),
		Communities: slices.Clone(r.Communities)}
	// The record that raised it may be of others; if it is its own, it is a flow too.
	own := m.Client().Addr() == r.Source || m.Server().Addr() == r.Source
	if own && m.CommunityID != "" && !slices.Contains(a.Communities, m.CommunityID) {
		a.Communities = append(a.Communities, m.CommunityID)
	}
	a.bound()
	return a
}

// FromNote is what is known of an alert from its note in a segment, whose text is
// "rule: title" and, on a second line, the query that finds its packets.
func FromNote(n *segment.Note) *Alert {
	text, find, _ := strings.Cut(n.Text, "\n")
	a := &Alert{ID: n.Name, Title: text, At: n.At, Since: n.From, Until: n.To, Query: find}
	if rule, title, ok := strings.Cut(text, ": "); ok {
		a.Rule, a.Title = rule, title
	}
	client, server := n.Key.Addr(n.Client), n.Key.Addr(n.Client.Other())
	if client != ([16]byte{}) {
		a.Source = netip.AddrFrom16(client).Unmap()
	}
	if server != ([16]byte{}) {
		a.DestAddr, a.DestPort = netip.AddrFrom16(server).Unmap(), n.Key.Port(n.Client.Other())
	}
	if n.Key.APort != 0 && n.Key.BPort != 0 {
		a.Communities = []string{n.Key.CommunityID(n.Client)}
	}
	a.bound()
	return a
}

// bound limits what a hostile record may take.
func (a *Alert) bound() {
	a.ID, a.Rule = cut(a.ID, 128), cut(a.Rule, 64)
	a.Title, a.Benign, a.Destination = cut(a.Title, maxText), cut(a.Benign, maxText), cut(a.Destination, 512)
	a.Evidence = a.Evidence[:min(len(a.Evidence), 32)]
	for i := range a.Evidence {
		a.Evidence[i] = cut(a.Evidence[i], maxText)
	}
	a.Chain = a.Chain[:min(len(a.Chain), 32)]
	for i := range a.Chain {
		a.Chain[i] = cut(a.Chain[i], maxText)
	}
	a.Technique = a.Technique[:min(len(a.Technique), 16)]
	if q, err := query.Parse(a.Query, query.Options{}); err == nil && a.Query != "" && len(q.Cases())+len(q.Alerts()) == 0 {
		q.From, q.To = 0, 0
		a.Query = q.String()
	} else {
		a.Query = ""
	}
	a.Communities = slices.DeleteFunc(a.Communities, func(c string) bool { return !isCommunityID(c) })
	a.Communities = a.Communities[:min(len(a.Communities), maxCommunities)]
}

// isCommunityID checks the form before the text becomes a part of a query.
func isCommunityID(s string) bool {
	body, ok := strings.CutPrefix(s, "1:")
	if !ok || len(body) != 28 || body[27] != '=' {
		return false
	}
	for _, c := range []byte(body[:27]) {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '+', c == '/':
		default:
			return false
		}
	}
	return true
}

// sameIncident tells whether an alert is of the incident of another: the same
// alert again, or the same source doing the same.
func (a *Alert) sameIncident(b *Alert) bool {
	return a.ID == b.ID || a.Rule == b.Rule && a.Source.IsValid() && a.Source == b.Source
}

// flowOf tells whether one of the alert's flows is k.
func (a *Alert) flowOf(k *packet.Key) bool {
	return slices.Contains(a.Communities, k.CommunityID(packet.FromA)) || slices.Contains(a.Communities, k.CommunityID(packet.FromB))
}
