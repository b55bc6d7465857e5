package suppress

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"kagami/detectors/incident"
	"kagami/packet"
	"kagami/records"
)

// at is a moment in UTC; 2026-11-16 is a Monday.
func at(t testing.TB, s string) int64 {
	m, err := time.Parse("2006-01-02 15:04", s)
	if err != nil {
		t.Fatal(err)
	}
	return m.UnixNano()
}

const signed = "\nowner = \"it-ops\"\nreason = \"known\"\nexpires = 2026-12-31\n"

func parse(t testing.TB, text string) *List {
	t.Helper()
	l, errs := Parse([]byte(text))
	if errs != nil {
		t.Fatalf("%s: %v", text, errs)
	}
	return l
}

func TestMatch(t *testing.T) {
	beacon := Subject{Rule: "beacon", Source: netip.MustParseAddr("10.0.0.5"), SourceName: "PC-7.corp.example", Destination: "a.b.example:443",
		DestAddr: netip.MustParseAddr("203.0.113.9"), DestPort: 443, Every: int64(6 * time.Minute), Level: incident.Alert}
	proxied := Subject{Rule: "beacon", Source: netip.MustParseAddr("10.0.0.5"), Destination: "[2001:db8::1]:8443", Level: incident.High}
	scan := Subject{Rule: "lateral-scan", Source: netip.MustParseAddr("10.0.0.6"), Destination: "10.1.0.0/24", Level: incident.Alert}
	now := "2026-11-16 12:00"
	for _, c := range []struct {
		entry string
		of    Subject
		at    string
		want  bool
	}{
		{`rule = "beacon"`, beacon, now, true},
		{`rule = "beacon"`, scan, now, false},
		{`source = "10.0.0.5"`, beacon, now, true},
		{`source = "10.0.0.0/24"`, beacon, now, true},
		{`source = "10.0.1.0/24"`, beacon, now, false},
		{`source = "pc-7.corp.example"`, beacon, now, true},
		{`source = "pc-7"`, beacon, now, true},
		{`source = "*.corp.example"`, beacon, now, true},
		{`source = "corp.example"`, beacon, now, false},
		{`source = "pc-7"`, scan, now, false},
		{`destination = "a.b.example"`, beacon, now, true},
		{`destination = "A.B.EXAMPLE:443"`, beacon, now, true},
		{`destination = "a.b.example:80"`, beacon, now, false},
		{`destination = "b.example"`, beacon, now, false},
		{`destination = "*.b.example"`, beacon, now, true},
		{`destination = "*.a.b.example"`, beacon, now, true},
		{`destination = "*.x.a.b.example"`, beacon, now, false},
		{`destination = ":443"`, beacon, now, true},
		{`destination = ":443"`, proxied, now, false},
		{`destination = "203.0.113.0/24:443"`, beacon, now, true},
		{`destination = "203.0.113.9"`, beacon, now, true},
		{`destination = "[2001:db8::1]:8443"`, proxied, now, true},
		{`destination = "2001:db8::/32"`, proxied, now, true},
		{`destination = "10.1.0.0/16"`, scan, now, true},
		{`destination = "10.1.0.0/25"`, scan, now, false},
		{"rule = \"beacon\"\nperiod = \"5m..7m\"", beacon, now, true},
		{"rule = \"beacon\"\nperiod = \"1m..5m\"", beacon, now, false},
		{"rule = \"beacon\"\nperiod = \"1m..5m\"", proxied, now, false}, // its period is not known
		{"rule = \"beacon\"\nup_to = \"alert\"", beacon, now, true},
		{"rule = \"beacon\"\nup_to = \"alert\"", proxied, now, false},
		{"rule = \"beacon\"\nsource = \"10.0.0.5\"\ndestination = \"a.b.example\"", beacon, now, true},
		{"rule = \"beacon\"\nsource = \"10.0.0.9\"\ndestination = \"a.b.example\"", beacon, now, false},
		{`rule = "beacon"`, beacon, "2026-12-31 23:59", true},
		{`rule = "beacon"`, beacon, "2027-01-01 00:00", false},
	} {
		l := parse(t, "[[suppress]]\n"+c.entry+signed)
		by, ok := l.Match(&c.of, at(t, c.at))
		if ok != c.want {
			t.Errorf("%q on %s %s at %s: got %v", c.entry, c.of.Rule, c.of.Destination, c.at, ok)
		}
		if ok && by != "line 1: known (it-ops)" {
			t.Errorf("by %q", by)
		}
	}
}

// A scanner may scan in its window, and is told outside of it.
func TestWindows(t *testing.T) {
	const night = "[[suppress]]\nsource = \"10.0.0.6\"\nbetween = [\"22:00\", \"02:00\"]\ndays = [\"sat\"]" + signed
	const noon = "[[suppress]]\nsource = \"10.0.0.6\"\nbetween = [\"12:00\", \"13:00\"]" + signed
	const sundays = "[[suppress]]\nsource = \"10.0.0.6\"\ndays = [\"sun\"]" + signed
	const late = "[[suppress]]\nsource = \"10.0.0.6\"\nbetween = [\"20:00\", \"24:00\"]" + signed
	for _, c := range []struct {
		list, at string
		want     bool
	}{
		{night, "2026-11-21 21:59", false}, // a Saturday
		{night, "2026-11-21 22:00", true},
		{night, "2026-11-22 01:59", true}, // Sunday, of Saturday's window
		{night, "2026-11-22 02:00", false},
		{night, "2026-11-22 22:30", false},
		{night, "2026-11-21 01:00", false}, // of Friday's
		{noon, "2026-11-16 12:00", true},
		{noon, "2026-11-16 13:00", false},
		{sundays, "2026-11-22 00:00", true},
		{sundays, "2026-11-22 23:59", true},
		{sundays, "2026-11-23 00:00", false},
		{late, "2026-11-16 23:59", true},
		{late, "2026-11-17 00:00", false},
		{"utc_offset = \"9h\"\n" + noon, "2026-11-16 03:30", true},
		{"utc_offset = \"9h\"\n" + noon, "2026-11-16 12:30", false},
		{"utc_offset = \"9h\"\n" + late, "2026-12-31 14:59", true}, // the last day is over at 24:00 local time
		{"utc_offset = \"9h\"\n" + late, "2026-12-31 15:00", false},
	} {
		s := Subject{Rule: "lateral-scan", Source: netip.MustParseAddr("10.0.0.6")}
		if _, ok := parse(t, c.list).Match(&s, at(t, c.at)); ok != c.want {
			t.Errorf("%s at %s: got %v", strings.Split(c.list, signed)[0], c.at, ok)
		}
	}
}

// Findings of the future and alerts of the past are judged alike.
func TestFindingAndAlert(t *testing.T) {
	l := parse(t, "[[suppress]]\nsource = \"pc-7\"\ndestination = \"*.example\"\nperiod = \"5m..7m\""+signed)
	now := at(t, "2026-11-16 12:00")
	source := netip.MustParseAddr("10.0.0.5")
	m := records.Meta{At: now, Orig: packet.FromA, Key: packet.Key{A: source.As16()}, ClientHost: &records.Host{Name: records.Fact{Value: "pc-7"}}}
	f := incident.Finding{Rule: "beacon", Meta: &m, Source: source, Destination: "c.example:443", Until: now, Every: int64(6 * time.Minute)}
	if _, ok := l.Suppressed(&f, incident.High); !ok {
		t.Error("the finding is not suppressed")
	}
	a := records.NewAlert(m)
	a.Rule, a.Source, a.Destination, a.Severity = "beacon", source, "c.example:443", records.High
	minutes := func(from, to, n int) records.Bin {
		return records.Bin{From: int64(from) * int64(time.Minute), To: int64(to) * int64(time.Minute), Count: n}
	}
	a.Histogram = []records.Bin{minutes(3, 4, 1), minutes(5, 6, 4), minutes(6, 7, 4)}
	s := Of(a)
	if _, ok := l.Match(&s, now); !ok {
		t.Errorf("the alert is not suppressed: %+v", s)
	}
	f.Source = netip.MustParseAddr("10.0.0.6") // the record's host is another machine
	if _, ok := l.Suppressed(&f, incident.High); ok {
		t.Error("another machine's finding is suppressed")
	}
	if Typical(nil) != 0 || Typical([]records.Bin{minutes(1, 2, 0)}) != 0 {
		t.Error("a period out of nothing")
	}
}

func TestUsesAndWarnings(t *testing.T) {
	l := parse(t, "[[suppress]]\nrule = \"beacon\"\nowner = \"a\"\nreason = \"r1\"\nexpires = 2026-11-20\n"+
		"[[suppress]]\nrule = \"port-scan\"\nowner = \"b\"\nreason = \"r2\"\nexpires = 2027-12-31\n"+
		"[[suppress]]\nrule = \"lateral-scan\"\nowner = \"c\"\nreason = \"r3\"\nexpires = \"2027-12-31\"\n")
	warned := func(now, want string) {
		t.Helper()
		if got := strings.Join(l.Warnings(at(t, now)), "; "); got != want {
			t.Errorf("at %s: got %q, want %q", now, got, want)
		}
	}
	warned("2026-11-01 00:00", "")
	for range 3 {
		l.Match(&Subject{Rule: "beacon"}, at(t, "2026-11-02 00:00"))
	}
	l.Match(&Subject{Rule: "lateral-scan"}, at(t, "2026-11-02 00:00"))
	warned("2026-11-10 00:00", "line 1: r1 (a): expires after 2026-11-20")
	warned("2026-12-03 00:00", "line 1: r1 (a): expired after 2026-11-20, suppresses nothing any more; line 6: r2 (b): matched nothing in 31 days")
	if _, ok := l.Match(&Subject{Rule: "beacon"}, at(t, "2026-12-03 00:00")); ok {
		t.Error("an expired entry matches")
	}
	uses := l.Uses()
	if len(uses) != 3 || uses[0].Matched != 3 || !uses[0].Expired || uses[1].Matched != 0 || uses[2].Matched != 1 || uses[2].Until != "2027-12-31" {
		t.Errorf("uses: %+v", uses)
	}
}

func TestMistakes(t *testing.T) {
	for text, want := range map[string][]string{
		"a = ":                   {"line 1: "},
		"foo = 1":                {"line 1: foo: unknown, want utc_offset or [[suppress]]"},
		"\nutc_offset = \"20h\"": {`line 2: utc_offset: got "20h", want -14h0m0s to 14h0m0s`},
		"suppress = 1":           {"line 1: suppress: want tables [[suppress]]"},
		"[[suppress]]\nrule = \"beacon\"": {"line 1: owner: missing: an entry needs owner, reason and expires",
			"line 1: reason: missing: an entry needs owner, reason and expires", "line 1: expires: missing: an entry needs owner, reason and expires"},
		"[[suppress]]" + signed:                                                         {"line 1: suppress: suppresses everything: give it a rule, a source or a destination"},
		"[[suppress]]\nrule = 7" + signed:                                               {"line 2: rule: want a text in quotes"},
		"[[suppress]]\nsource = \"10.0.0.300\"" + signed:                                {`line 2: source: got "10.0.0.300", want an address, a network such as 10.0.0.0/8, a name or "*.name"`},
		"[[suppress]]\nsource = \"10.0.0.0/33\"" + signed:                               {`line 2: source: got "10.0.0.0/33"`},
		"[[suppress]]\nsource = \"a b\"" + signed:                                       {`line 2: source: got "a b"`},
		"[[suppress]]\nsource = \"*\"" + signed:                                         {`line 2: source: got "*"`},
		"[[suppress]]\ndestination = \"a.example:http\"" + signed:                       {`line 2: destination: got port "http", want 1 to 65535`},
		"[[suppress]]\ndestination = \"a.example:0\"" + signed:                          {`line 2: destination: got port "0", want 1 to 65535`},
		"[[suppress]]\nrule = \"x\"\nbetween = [\"22:00\"]" + signed:                    {`line 3: between: want two times of day, ["22:00", "02:00"]`},
		"[[suppress]]\nrule = \"x\"\nbetween = [\"22\", \"23:00\"]" + signed:            {`line 3: between: got "22", want a time of day such as "22:00"`},
		"[[suppress]]\nrule = \"x\"\nbetween = [\"01:00\", \"01:00\"]" + signed:         {"line 3: between: the window is empty"},
		"[[suppress]]\nrule = \"x\"\nbetween = \"22:00\"" + signed:                      {"line 3: between: want a list of texts"},
		"[[suppress]]\nrule = \"x\"\ndays = [\"Sunday\"]" + signed:                      {`line 3: days: got "Sunday", want sun, mon, tue, wed, thu, fri or sat`},
		"[[suppress]]\nrule = \"x\"\nperiod = \"5m\"" + signed:                          {`line 3: period: got "5m", want shortest..longest such as "5m..7m"`},
		"[[suppress]]\nrule = \"x\"\nperiod = \"7m..5m\"" + signed:                      {`line 3: period: got "7m..5m"`},
		"[[suppress]]\nrule = \"x\"\nup_to = \"urgent\"" + signed:                       {`line 3: up_to: got "urgent", want watch, alert or high`},
		"[[suppress]]\nrule = \"x\"\nowner = \"a\"\nreason = \"b\"\nexpires = 1":        {`line 5: expires: got "1", want a day such as 2027-03-31`},
		"[[suppress]]\nrule = \"x\"\nexpiry = 2027-01-01" + signed:                      {"line 3: expiry: unknown, want rule, source"},
		"[[suppress]]\nrule = \"x\"" + signed + "[[suppress]]\nsource=\"-x:\"" + signed: {`line 7: source: got "-x:"`},
	} {
		_, errs := Parse([]byte(text))
		ok := len(errs) == len(want)
		for i := range min(len(errs), len(want)) {
			ok = ok && strings.HasPrefix(errs[i].Error(), want[i])
		}
		if !ok {
			t.Errorf("%q:\n got %v\nwant %q", text, errs, want)
		}
	}
}

// No list is an empty one.
func TestNoList(t *testing.T) {
	var l *List
	if _, ok := l.Match(&Subject{Rule: "beacon"}, 1); ok || l.Len() != 0 || l.Uses() != nil || l.Warnings(1) != nil {
		t.Error("no list does something")
	}
}

// A mistake in one entry leaves the others in force.
func TestGoodEntriesStay(t *testing.T) {
	l, errs := Parse([]byte("[[suppress]]\nrule = 7" + signed + "[[suppress]]\nrule = \"beacon\"" + signed))
	if len(errs) != 1 || l.Len() != 1 {
		t.Errorf("%d mistakes, %d entries", len(errs), l.Len())
	}
}

func TestLimits(t *testing.T) {
	many := strings.Repeat("[[suppress]]\nrule = \"x\""+signed, maxEntries+1)
	if l, errs := Parse([]byte(many)); len(errs) != 1 || !strings.Contains(errs[0].Error(), "1001 entries, at most 1000") || l.Len() != 0 {
		t.Errorf("%d entries, %v", l.Len(), errs)
	}
	if _, errs := Parse(make([]byte, maxText+1)); len(errs) != 1 {
		t.Errorf("a list that is too long: %v", errs)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("utc_offset = \"9h\"\n[[suppress]]\nrule = \"beacon\"\nsource = \"*.a\"\ndestination = \"[::1]:443\"\nbetween = [\"22:00\", \"02:00\"]\ndays = [\"sat\"]\nperiod = \"5m..7m\"" + signed))
	f.Add([]byte("[[suppress]]\ndestination = \"10.0.0.0/8:53\"\nup_to = \"alert\"" + signed))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, errs := Parse(b)
		for _, err := range errs {
			if err.Error() == "" {
				t.Error("a mistake without words")
			}
		}
		for _, s := range []Subject{{Rule: "beacon", Source: netip.MustParseAddr("10.0.0.5"), SourceName: "a.b", Destination: "x:1"}, {Destination: "::"}, {}} {
			l.Match(&s, at(t, "2026-11-16 12:00"))
		}
		l.Warnings(0)
		if len(l.Uses()) != l.Len() {
			t.Error("entries are not accounted for")
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	l := parse(b, strings.Repeat("[[suppress]]\nrule = \"beacon\"\nsource = \"10.0.0.0/24\"\ndestination = \"*.example.com\""+signed, 100))
	s := Subject{Rule: "beacon", Source: netip.MustParseAddr("10.0.0.5"), SourceName: "pc", Destination: "a.example.org:443", DestPort: 443}
	now := at(b, "2026-11-16 12:00")
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := l.Match(&s, now); ok {
			b.Fatal("matches")
		}
	}
}
