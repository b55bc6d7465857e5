package incident

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"kagami/records"
)

func TestSay(t *testing.T) {
	got := Say("%s of %s in %s", "%[3]sに%[2]sのうち%[1]s", "one", Plural(3, "machine", "machines", "%d台"), Span(90*minute))
	if want := (Text{"one of 3 machines in 90.0 min", "90.0分に3台のうちone"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := Say("100 %", "100％"); got != (Text{"100 %", "100％"}) { // without arguments nothing is formatted
		t.Errorf("got %+v", got)
	}
	if got := Plural(1, "machine", "machines", "%d台"); got != (Text{"1 machine", "1台"}) {
		t.Errorf("got %+v", got)
	}
	if got := List([]Text{{"a", "あ"}, {"b", "い"}}); got != (Text{"a, b", "あ、い"}) {
		t.Errorf("got %+v", got)
	}
	if (Text{EN: "only"}).In("ja") != "only" || (Text{"en", "ja"}).In("ja") != "ja" || (Text{"en", "ja"}).In("fr") != "en" {
		t.Error("In is wrong")
	}
}

func TestSpan(t *testing.T) {
	for _, c := range []struct {
		of   time.Duration
		want Text
	}{
		{0, Text{"0.0 s", "0.0秒"}},
		{1500 * time.Millisecond, Text{"1.5 s", "1.5秒"}},
		{90 * time.Second, Text{"90 s", "90秒"}},
		{276 * time.Second, Text{"4.6 min", "4.6分"}},
		{36 * time.Hour, Text{"36.0 h", "36.0時間"}},
		{80 * time.Hour, Text{"3.3 days", "3.3日"}},
		{-time.Minute, Text{"-60 s", "-60秒"}},
	} {
		if got := Span(int64(c.of)); got != c.want {
			t.Errorf("%v: got %+v, want %+v", c.of, got, c.want)
		}
	}
}

// Names from the wire cannot leave their quotation marks or steer a terminal.
func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		`a.example`:              `"a.example"`,
		"a\"\n\x1b[2J":           `"a\"\n\x1b[2J"`,
		"\u202egpj.exe":          `"\u202egpj.exe"`,
		strings.Repeat("a", 300): `"` + strings.Repeat("a", 200) + `"...`,
	} {
		if got := Quote(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
	if got := Endpoint("", netip.MustParseAddr("2001:db8::1"), 443); got != "[2001:db8::1]:443" {
		t.Error(got)
	}
	if got := Endpoint("a.example", netip.Addr{}, 8443); got != "a.example:8443" {
		t.Error(got)
	}
}

func TestSamples(t *testing.T) {
	var s Samples
	for i := range uint64(40) {
		m := &records.Meta{UID: i/2 + 1, CommunityID: "1:x"}
		s.Add(m)
	}
	a := records.NewAlert(records.Meta{})
	s.Into(a)
	s.Into(a)
	if s.Len() != maxSamples || len(a.Flows) != maxSamples || a.Flows[0] != "0000000000000001" || !reflect.DeepEqual(a.Communities, []string{"1:x"}) {
		t.Errorf("%d flows, alert %q %q", s.Len(), a.Flows, a.Communities)
	}
	c := s.clone()
	c.alike[0] = "changed"
	if s.alike[0] != "1:x" {
		t.Error("a clone shares memory")
	}
}
