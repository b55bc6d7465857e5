package main

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kagami/detectors/incident"
	"kagami/detectors/suppress"
)

// TestSuppressionsExample: the example is a good list, and suppresses what its
// comments say and nothing else.
func TestSuppressionsExample(t *testing.T) {
	path := filepath.Join("..", "..", "configs", "suppressions.toml")
	_, list, err := readSuppressions(path)
	if err != nil {
		t.Fatal(err)
	}
	if list.Len() != 3 {
		t.Errorf("%d entries", list.Len())
	}
	tv := suppress.Subject{Rule: "beacon", Source: netip.MustParseAddr("10.0.0.41"), Destination: "api.lobby-tv.example:80", Every: int64(time.Hour), Level: incident.Alert}
	inventory := suppress.Subject{Rule: "lateral-scan", Source: netip.MustParseAddr("10.0.3.9"), SourceName: "inventory.corp.example", Destination: "10.0.4.0/24", Level: incident.High}
	sip := suppress.Subject{Rule: "direct-egress", Source: netip.MustParseAddr("10.0.9.7"), Destination: "192.0.2.9:5061", Level: incident.Alert}
	const (
		noon     = "2026-11-16T03:00:00Z" // in Tokyo, a Monday
		saturday = "2026-11-14T13:30:00Z" // 22:30
		sunday   = "2026-11-14T16:30:00Z" // 01:30, of Saturday's window
		after    = "2026-11-14T17:30:00Z" // 02:30
	)
	with := func(s suppress.Subject, change func(*suppress.Subject)) suppress.Subject { change(&s); return s }
	for _, c := range []struct {
		name    string
		subject suppress.Subject
		at, by  string // by: who answers for it, "" = nobody
	}{
		{"the television", tv, noon, "facilities"},
		{"on its last day", tv, "2027-03-31T14:59:00Z", "facilities"},
		{"a day later", tv, "2027-03-31T15:00:00Z", ""},
		{"in another rhythm", with(tv, func(s *suppress.Subject) { s.Every = int64(5 * time.Minute) }), noon, ""},
		{"to somebody else", with(tv, func(s *suppress.Subject) { s.Destination = "lobby-tv.example.net:80" }), noon, ""},
		{"another machine", with(tv, func(s *suppress.Subject) { s.Source = netip.MustParseAddr("10.0.0.42") }), noon, ""},
		{"the inventory on Saturday", inventory, saturday, "it-operations"},
		{"after midnight", inventory, sunday, "it-operations"},
		{"after its window", inventory, after, ""},
		{"on Monday", inventory, noon, ""},
		{"beyond its networks", with(inventory, func(s *suppress.Subject) { s.Destination = "10.7.0.0/24" }), saturday, ""},
		{"the telephones", sip, noon, "telephony"},
		{"when it is urgent", with(sip, func(s *suppress.Subject) { s.Level = incident.High }), noon, ""},
		{"to another port", with(sip, func(s *suppress.Subject) { s.Destination = "192.0.2.9:443" }), noon, ""},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		by, ok := list.Match(&c.subject, at.UnixNano())
		if ok != (c.by != "") || !strings.HasSuffix(by, "("+c.by+")") && ok {
			t.Errorf("%s: suppressed by %q, want %q", c.name, by, c.by)
		}
	}
}
