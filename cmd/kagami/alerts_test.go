package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"kagami/configs"
	"kagami/exporters"
	"kagami/packet"
	"kagami/records"
)

// fullAlert is one with everything in it.
func fullAlert() *records.Alert {
	const at = int64(1_780_000_000_000_000_000)
	source := netip.MustParseAddr("10.0.0.5")
	m := records.Meta{At: at, UID: 9, Sub: 1, Orig: packet.FromA, ClientInternal: true,
		Key:        packet.Key{A: source.As16(), B: netip.MustParseAddr("203.0.113.9").As16(), APort: 40000, BPort: 443, Proto: packet.ProtoTCP},
		ClientHost: &records.Host{Name: records.Fact{Value: "pc-7"}, User: records.Fact{Value: "alice"}}}
	a := records.NewAlert(m)
	a.Rule, a.Title, a.TitleJA, a.Severity, a.Score = "beacon", "10.0.0.5 contacts \"c2.example:443\"", "10.0.0.5が定期的に通信", records.High, 19.25
	a.Source, a.Destination, a.DestAddr, a.DestPort = source, "c2.example:443", netip.MustParseAddr("203.0.113.9"), 443
	a.Since, a.Until = at-int64(time.Hour), at
	a.Evidence, a.EvidenceJA = []string{"one", "two"}, []string{"一", "二"}
	a.Benign, a.BenignJA, a.Technique = "an updater", "更新プログラム", []string{"T1071"}
	a.Advice, a.AdviceJA = "find the program", "端末上で探す"
	a.Flows, a.Communities = []string{"0000000000000009"}, []string{"1:x"}
	a.Window = records.Window{Flows: 5, OneSided: 4, Missed: 3, Dropped: 2, Duplicates: 1, ClockSteps: 6}
	a.Fetch, a.Incident, a.Update, a.Level = "kagami evidence get 'host 10.0.0.5'", "0123456789abcdef", 2, "high"
	a.Histogram = []records.Bin{{From: 60e9, To: 120e9, Count: 1}, {From: 120e9, To: 240e9, Count: 8}}
	a.Chain = []string{"first", "then"}
	return a
}

// ecsLine is an alert as the ecs format writes it.
func ecsLine(t testing.TB, a *records.Alert) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "alerts.jsonl")
	x, err := exporters.Open(exporters.Config{Format: "ecs", To: "file:" + path}, exporters.Env{})
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Write([]records.Record{a}); err != nil {
		t.Fatal(err)
	}
	x.Close(context.Background())
	line, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return line
}

// TestAlertLine: what the ecs format writes comes back whole.
func TestAlertLine(t *testing.T) {
	want := fullAlert()
	var got *records.Alert
	if skipped, err := readAlerts(bytes.NewReader(ecsLine(t, want)), func(a *records.Alert, _ string) { got = a }); err != nil || skipped != 0 || got == nil {
		t.Fatalf("%v, %d skipped, %v", err, skipped, got)
	}
	if m := got.Meta(); m.At != want.Meta().At || m.Client().Addr() != want.Source || m.ClientHost.Name.Value != "pc-7" || m.ClientHost.User.Value != "alice" {
		t.Errorf("header %+v", m)
	}
	*got.Meta(), *want.Meta() = records.Meta{}, records.Meta{}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
}

func show(a *records.Alert, lang string) string {
	var b strings.Builder
	p := alertPage{w: &b, zone: time.UTC, lang: lang}
	p.block(&tale{alert: a, first: a.Since, times: 2, suppressed: "line 3"})
	return b.String()
}

func TestAlertBlock(t *testing.T) {
	for lang, want := range map[string]string{
		"en": `
  HIGH    10.0.0.5 contacts "c2.example:443"
          2026-05-28 19:26:40 to 2026-05-28 20:26:40   beacon   T1071
          incident 0123456789abcdef; update 2 of 2026-05-28 20:26:40; first told 2026-05-28 19:26:40; score 19.2 nats; machine pc-7; user alice
          - one
          - two
          Intervals between contacts: 60 s |▁█| 4.0 min (fullest bar: 8)
          How it came about:
            1. first
            2. then
          May be benign: an updater
`,
		"ja": `
  【緊急】10.0.0.5が定期的に通信
          2026-05-28 19:26:40 〜 2026-05-28 20:26:40   beacon   T1071
          インシデント0123456789abcdef、続報2（2026-05-28 20:26:40）、初回通知2026-05-28 19:26:40、スコア19.2ナット、端末名pc-7、利用者alice
          - 一
          - 二
          通信間隔の分布：60秒 |▁█| 4.0分（最多の区間で8回）
          経緯：
            1. first
            2. then
          無害な可能性：更新プログラム
`,
	} {
		got := show(fullAlert(), lang)
		if !strings.HasPrefix(got, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", lang, got, want)
		}
		for _, part := range map[string][]string{
			"en": {"What to do: find the program", "Seen in that time: 5 flows, 4 one-sided, 3 B of TCP missed, 2 frames dropped, 1 packets mirrored twice, the clock set back 6 times",
				"Its packets: kagami evidence get 'host 10.0.0.5'\n", "Suppressed by line 3"},
			"ja": {"対応：端末上で", "この間の観測状況：フロー5件", "パケットの取得：kagami evidence get 'host 10.0.0.5'\n", "抑止設定により非表示：line 3"},
		}[lang] {
			if !strings.Contains(got, part) {
				t.Errorf("%s: %q is missing in\n%s", lang, part, got)
			}
		}
	}
}

// An alert of an older version, or one that is not translated, is shown as it is.
func TestPlainAlert(t *testing.T) {
	a := records.NewAlert(records.Meta{At: 1})
	a.Rule, a.Title, a.Severity, a.Evidence = "port-scan", "a title", records.Medium, []string{"one"}
	for lang, want := range map[string]string{"en": "\n  MEDIUM  a title\n", "ja": "\n  【要確認】a title\n"} {
		if got := show(a, lang); !strings.HasPrefix(got, want) || !strings.Contains(got, "- one\n") {
			t.Errorf("%s: got\n%s", lang, got)
		}
	}
}

func TestLocal(t *testing.T) {
	tokyo := time.FixedZone("JST", 9*3600)
	for text, want := range map[string]string{
		"from 2026-03-02 15:00:00Z to 2026-03-02 15:30Z":  "from 2026-03-03 00:00:00 to 2026-03-03 00:30",
		"at 2026-03-02 15:00:00.250Z":                     "at 2026-03-03 00:00:00.250",
		`"\"2026-03-02 15:00:00Z\"" at 2026-03-02 15:00Z`: `"\"2026-03-02 15:00:00Z\"" at 2026-03-03 00:00`, // a name
		"2026-13-02 15:00:00Z":                            "2026-13-02 15:00:00Z",
		"ends at \"2026-03-02 15:00Z":                     "ends at \"2026-03-03 00:00",
	} {
		if got := local(text, tokyo); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
		if got := local(text, time.UTC); got != text {
			t.Errorf("%q in UTC: got %q", text, got)
		}
	}
}

func TestHistogram(t *testing.T) {
	bin := func(n ...int) (bins []records.Bin) {
		for _, n := range n {
			bins = append(bins, records.Bin{Count: n})
		}
		return bins
	}
	for _, c := range []struct {
		bins []records.Bin
		want string
	}{
		{nil, ""},
		{bin(0, 0), ""},
		{bin(-5), ""},
		{bin(1), "█"},
		{bin(0, 1, 4, 8, 2), " ▁▄█▂"},
		{bin(1, 1000000), "▁█"},
		{bin(math.MaxInt), "█"},
		{bin(make([]int, 95)...), ""},
		{append(bin(make([]int, 95)...), bin(7)...), strings.Repeat(" ", 47) + "█"},
	} {
		if got := histogram(c.bins); got != c.want {
			t.Errorf("%v: got %q, want %q", c.bins, got, c.want)
		}
	}
}

// Bins that are left out because they are empty leave their room.
func TestHistogramGaps(t *testing.T) {
	bin := func(from, to int64, n int) records.Bin { return records.Bin{From: from, To: to, Count: n} }
	for _, c := range []struct {
		bins []records.Bin
		want string
	}{
		{[]records.Bin{bin(100, 200, 8), bin(200, 400, 8)}, "██"},
		{[]records.Bin{bin(100, 200, 8), bin(800, 1600, 1)}, "█  ▁"},
		{[]records.Bin{bin(100, 200, 8), bin(50, 60, 8)}, "██"}, // not in order
		{[]records.Bin{bin(0, 0, 8), bin(-5, 1<<62, 8), bin(7, 7, 8)}, "███"},
		{[]records.Bin{bin(1000, 1001, 8), bin(1<<62, 1<<62, 8)}, "█" + strings.Repeat(" ", 23) + "█"},
	} {
		if got := histogram(c.bins); got != c.want {
			t.Errorf("%v: got %q, want %q", c.bins, got, c.want)
		}
	}
}

func TestIncidents(t *testing.T) {
	x := newIncidents(2)
	add := func(incident string, at int64, title string) {
		a := records.NewAlert(records.Meta{At: at})
		a.Incident, a.Title = incident, title
		x.add(a, fmt.Sprint(at))
	}
	add("a", 10, "first")
	add("", 20, "alone")
	add("a", 40, "latest")
	add("a", 30, "late")
	add("b", 50, "no room")
	add("", 60, "no room either")
	if len(x.list) != 2 || x.list[0].alert.Title != "latest" || x.list[0].first != 10 || x.list[0].times != 3 || x.alerts != 6 || x.beyond != 2 {
		t.Errorf("%+v, %+v", x, x.list[0])
	}
}

// Lines that are no alerts are passed over, lines that are nothing are counted.
func TestReadAlerts(t *testing.T) {
	good := string(ecsLine(t, fullAlert()))
	text := `{"event":{"dataset":"kagami.flow"}}` + "\n\n" + good + `{"event":{"dataset":"kagami.alert"` + "\nplain text\n" +
		`{"message":"\"kagami.alert\"","event":{"dataset":"kagami.dns"}}` + "\n" + `{"x":"` + strings.Repeat("x", maxAlertLine) + "\"}\n" + good + strings.TrimSpace(good)
	n := 0
	skipped, err := readAlerts(strings.NewReader(text), func(*records.Alert, string) { n++ })
	if err != nil || n != 3 || skipped != 3 {
		t.Errorf("%v, %d alerts, %d skipped; want 3 and 3", err, n, skipped)
	}
}

// FuzzAlerts shows what any line makes: nothing steers the terminal.
func FuzzAlerts(f *testing.F) {
	f.Add(ecsLine(f, fullAlert()))
	f.Add([]byte(`{"@timestamp":"9999-01-01T00:00:00Z","event":{"dataset":"kagami.alert","reason":"\u001b[2J\u202e"},"kagami":{"alert":{"histogram":[{"from":-1,"to":9223372036854775807,"count":-1}],"evidence":["\n"]}}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		readAlerts(bytes.NewReader(line), func(a *records.Alert, id string) {
			for _, lang := range []string{"en", "ja"} {
				for _, r := range show(a, lang) {
					if r != '\n' && unicode.IsControl(r) {
						t.Fatalf("a control character is shown: %q", r)
					}
				}
			}
			newIncidents(1).add(a, id)
		})
	})
}

func TestAlertFiles(t *testing.T) {
	x := func(format, to string, kinds ...string) exporters.Config {
		return exporters.Config{Format: format, To: to, Records: kinds}
	}
	for _, c := range []struct {
		name    string
		exports []exporters.Config
		want    []string
	}{
		{"nothing", nil, nil},
		{"other formats and places", []exporters.Config{x("eve", "file:///a"), x("ecs", "udp://h:1"), x("ecs", "file:///b", "flow")}, nil},
		{"records with alerts among them", []exporters.Config{x("ecs", "file:///a"), x("ecs", "file:///b", "flow", "alert")}, []string{"/a", "/b"}},
		{"alerts alone go first", []exporters.Config{x("ecs", "file:///a"), x("ecs", "file:///b", "alert")}, []string{"/b"}},
	} {
		if got := alertFiles(configs.Config{Export: c.exports}); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
