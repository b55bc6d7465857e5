package records

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestTexts(t *testing.T) {
	for _, c := range []struct {
		name   string
		append func(*Fields)
		want   string // "" = no field
	}{
		{"digits", func(f *Fields) { f.Digits("x", 0) }, "0"},
		{"a number in hexadecimal", func(f *Fields) { f.HexNum("x", 0x1f, 0) }, "1f"},
		{"the same with its width", func(f *Fields) { f.HexNum("x", 0x1f, 4) }, "001f"},
		{"a flow's id", func(f *Fields) { f.FlowID("x", 1<<63|5) }, "8000000000000005"},
		{"octets", func(f *Fields) { f.HexOctets("x", []byte{0, 0xab}) }, "00ab"},
		{"no octets", func(f *Fields) { f.HexOctets("x", nil) }, ""},
		{"octets of a string", func(f *Fields) { f.HexStr("x", "\x00\xab") }, "00ab"},
		{"no octets of a string", func(f *Fields) { f.HexStr("x", "") }, ""},
		{"a fingerprint", func(f *Fields) { f.HexUpper("x", []byte{0xab}) }, "AB"},
		{"a MAC address", func(f *Fields) { f.MAC("x", [6]byte{0xac, 0, 0, 0, 0, 0x1f}) }, "AC-00-00-00-00-1F"},
		{"no MAC address", func(f *Fields) { f.MAC("x", [6]byte{}) }, ""},
		{"a word", func(f *Fields) { f.Text("x", []byte("GPS")) }, "GPS"},
		{"no word", func(f *Fields) { f.Text("x", nil) }, ""},
		{"lower case", func(f *Fields) { f.Lower("x", "ÄB.Exe") }, "äb.exe"},
		{"lower case of what is not UTF-8", func(f *Fields) { f.Lower("x", "A\xff") }, "a\ufffd"},
		{"a URL", func(f *Fields) { f.URL("x", "/\x83a あ") }, "/%83a あ"},
	} {
		f := Fields{{Str: "left from an earlier record", Octets: []byte("and this"), Num: 7, Width: 9}}[:0]
		c.append(&f)
		got := ""
		for _, x := range Plain(f) {
			if got = x.Str; x.Name != "x" || x.Type != String {
				t.Errorf("%s: %+v", c.name, x)
			}
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// TestEventID: what is joined is what ID says.
func TestEventID(t *testing.T) {
	for _, m := range []Meta{{}, {UID: 1<<63 | 5, Seq: 0x10}, {UID: 7, Seq: 3, Sub: 0x2a, Kind: KindAlert}, {UID: 7, Sub: 1, Kind: KindIdentity}} {
		var f Fields
		m.id(&f)
		if got := Plain(f)[0]; got.Str != m.ID() || got.Name != "event.id" {
			t.Errorf("got %+v, want %s", got, m.ID())
		}
	}
}

func TestLists(t *testing.T) {
	ip := netip.MustParseAddr
	m := Meta{Resolved: &Resolved{Name: "a.example"}, ClientHost: &Host{Name: Fact{Value: "ws1"}}, ServerHost: &Host{Name: Fact{Value: "ws1"}},
		Workstations: &Workstations{List: []Workstation{{Addr: netip.AddrPortFrom(ip("10.0.0.9"), 1)}, {Addr: netip.AddrPortFrom(ip("0.0.0.0"), 1)}, {Addr: netip.AddrPortFrom(ip("10.0.0.9"), 2)}}}}
	var f Fields
	m.names(&f, "a.example", "", "b.example")
	m.addrs(&f)
	f.list("nothing", "", "")
	got := Plain(f)
	if len(got) != 2 || !slices.Equal(got[0].Strs, []string{"a.example", "b.example", "ws1"}) || got[0].Name != "related.hosts" || got[0].Type != Strings ||
		len(got[1].Addrs) != 4 || got[1].Addrs[2] != ip("10.0.0.9") || got[1].Addrs[3] != ip("0.0.0.0") || got[1].Type != IPs {
		t.Errorf("%+v", got)
	}
}

func TestAddress(t *testing.T) {
	for _, s := range []string{"", "a", "1.example", "1.2.3.4", "1.2.3", "::1", "fe80::1%eth0", "2001:db8::", "::ffff:1.2.3.4", "1.2.3.4.", "a:b", "0x7f.1", "999.1.1.1", strings.Repeat("1", 100)} {
		want, err := netip.ParseAddr(s)
		if got, ok := address(s); ok != (err == nil) || got != want {
			t.Errorf("%q: got %v %v, want %v %v", s, got, ok, want, err)
		}
	}
}

func TestNumber(t *testing.T) {
	for s, want := range map[string]int64{"0": 0, "80": 80, "00080": 80, "65535": 65535, "65536": -1, "": -1, "8o": -1, "-1": -1, "+1": -1, "99999999999999999999": -1} {
		got, ok := number(s, 65535)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%q: got %d, want %d", s, got, want)
		}
	}
}
