package incident

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"kagami/detectors/census"
	"kagami/packet"
	"kagami/records"
)

const (
	minute = int64(time.Minute)
	hour   = int64(time.Hour)
	days   = 24 * hour
	start  = int64(1_780_000_000_000_000_000)
)

// desk is a book with what it told.
type desk struct {
	t      testing.TB
	book   *Book
	census *census.Census
	told   []*records.Alert
	hush   hush
}

// hush suppresses the rules that it names.
type hush map[string]string

func (h hush) Suppressed(f *Finding, _ Level) (string, bool) { by, ok := h[f.Rule]; return by, ok }

func newDesk(t testing.TB, c Config) *desk {
	d := &desk{t: t, census: census.New(census.Default()), hush: hush{}}
	d.book = NewBook(c, d.census, d.hush)
	return d
}

func (d *desk) emit(r records.Record) { d.told = append(d.told, r.(*records.Alert)) }

// report hands in a finding and returns what was told of it.
func (d *desk) report(f *Finding) (Level, []*records.Alert) {
	d.told = nil
	level := d.book.Report(f, d.emit)
	for _, a := range d.told {
		wellFormed(d.t, a)
	}
	return level, d.told
}

// wellFormed checks what every alert must be.
func wellFormed(t testing.TB, a *records.Alert) {
	t.Helper()
	if len(a.Incident) != 16 || a.Update < 1 || a.Level == "" || a.Rule == "" || a.Title == "" || a.TitleJA == "" {
		t.Errorf("incomplete alert: %+v", a)
	}
	if len(a.Evidence) != len(a.EvidenceJA) || len(a.Evidence) == 0 || len(a.Evidence) > maxEvidence {
		t.Errorf("%d sentences in English, %d in Japanese", len(a.Evidence), len(a.EvidenceJA))
	}
	for _, s := range append(append([]string{a.Title, a.TitleJA, a.Benign, a.BenignJA}, a.Evidence...), a.EvidenceJA...) {
		if strings.Contains(s, "%!") {
			t.Errorf("badly formatted: %q", s)
		}
	}
	for _, s := range append([]string{a.Title, a.Benign}, a.Evidence...) {
		for _, r := range s {
			if r >= 0x7f || r < ' ' {
				t.Errorf("English that is not ASCII: %q", s)
			}
		}
	}
}

func meta(at int64, uid uint64) *records.Meta {
	client, server := netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("203.0.113.9")
	key := packet.Key{A: client.As16(), B: server.As16(), APort: 40000, BPort: 443, Proto: packet.ProtoTCP}
	return &records.Meta{At: at, UID: uid, Key: key, Orig: packet.FromA, CommunityID: "1:abc", ClientInternal: true}
}

// finding is one of a rule at a time, with so much evidence of its own.
func finding(rule string, at int64, nats float64, context ...Reason) *Finding {
	return &Finding{
		Rule: rule, Meta: meta(at, uint64(at)), Source: netip.MustParseAddr("10.0.0.5"), Key: 7,
		Destination: "c2.example:443", DestAddr: netip.MustParseAddr("203.0.113.9"), DestPort: 443,
		Since: at - hour, Until: at,
		Title:     Say("%s does %s", "%sが%sを行っている", "10.0.0.5", rule),
		Facts:     []Text{Say("it did so %d times", "%d回", 9)},
		Reasons:   append([]Reason{{rule, nats, Say("the way of %s", "%sの特徴", rule)}}, context...),
		Benign:    Say("ask its owner", "所有者に確認"),
		Technique: []string{"T1071", "T-" + rule},
	}
}

func rare() Reason { return Reason{"prevalence", 2.5, Say("one machine", "1台のみ")} }

func contains(lines []string, part string) bool {
	for _, l := range lines {
		if strings.Contains(l, part) {
			return true
		}
	}
	return false
}
