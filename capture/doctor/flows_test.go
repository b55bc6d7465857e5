package doctor

import (
	"net/netip"
	"slices"
	"testing"

	"kagami/packet"
	"kagami/records"
)

// flow is a record of a UDP flow, or of a TCP one, between two addresses.
func flow(client, server string, change func(*records.Flow)) *records.Flow {
	a, b := netip.MustParseAddr(client), netip.MustParseAddr(server)
	m := records.Meta{Key: packet.Key{A: a.As16(), B: b.As16(), APort: 40000, BPort: 80, Proto: packet.ProtoTCP}}
	r := records.NewFlow(m)
	r.Orig = records.Counts{Packets: 5, Payload: 1000}
	r.Resp = records.Counts{Packets: 5, Payload: 9000}
	if change != nil {
		change(r)
	}
	return r
}

func observe(o Options, rs ...*records.Flow) Flows {
	f := newFlows(o)
	for _, r := range rs {
		f.observe(r)
	}
	return f.facts()
}

func TestFlows(t *testing.T) {
	oneWay := flow("10.0.0.1", "192.0.2.1", func(r *records.Flow) {
		r.Resp = records.Counts{Missed: 5000}
		r.Meta().Visibility.OneSided = true
	})
	attempt := flow("10.0.0.1", "192.0.2.1", func(r *records.Flow) {
		r.Orig, r.Resp = records.Counts{}, records.Counts{Packets: 1}
		r.Meta().Visibility.OneSided = true
	})
	holes := flow("10.0.0.2", "192.0.2.1", func(r *records.Flow) { r.Resp.Missed = 700 })
	copies := flow("10.0.0.2", "192.0.2.1", func(r *records.Flow) {
		r.Orig.Duplicates, r.Orig.TTL, r.Orig.CopyTTL, r.Orig.CopyVLAN = 5, 64, 63, 20
	})
	own := flow("10.0.0.9", "10.0.0.2", func(r *records.Flow) { r.Meta().ServerMAC = [6]byte{2, 9} })
	n := observe(Options{Own: [][6]byte{{2, 9}}}, oneWay, attempt, holes, copies, own)
	want := Flows{All: 4, Conversations: 3, OneWay: 1, Payload: 20_000, Missed: 700, Packets: 26, Duplicates: 5, OtherPath: 1,
		Path: Path{CopyVLAN: 20, TTL: 64, CopyTTL: 63}, Unicast: 4}
	n.Hosts = nil
	if n.All != want.All || n.Conversations != want.Conversations || n.OneWay != want.OneWay || n.Payload != want.Payload || n.Missed != want.Missed ||
		n.Packets != want.Packets || n.Duplicates != want.Duplicates || n.OtherPath != want.OtherPath || n.Path != want.Path || n.Unicast != want.Unicast {
		t.Errorf("got  %+v\nwant %+v", n, want)
	}
}

func TestNetworks(t *testing.T) {
	prefixes := func(texts ...string) (out []netip.Prefix) {
		for _, p := range texts {
			out = append(out, netip.MustParsePrefix(p))
		}
		return out
	}
	silent := func(r *records.Flow) { r.Resp.Packets = 0 }
	for _, tt := range []struct {
		name   string
		want   []netip.Prefix
		flows  []*records.Flow
		unseen []netip.Prefix
	}{
		{"none wanted", nil, nil, nil},
		{"seen as client and as server", prefixes("10.1.0.0/16", "10.2.0.0/16"), []*records.Flow{flow("10.1.0.1", "10.2.0.1", nil)}, nil},
		{"a network that only gets packets may not exist", prefixes("10.1.0.0/16", "10.2.0.0/16"),
			[]*records.Flow{flow("10.1.0.1", "10.2.0.1", silent)}, prefixes("10.2.0.0/16")},
		{"nested networks", prefixes("10.0.0.0/8", "10.2.0.0/16", "10.3.0.0/16"), []*records.Flow{flow("10.2.0.1", "192.0.2.1", nil)}, prefixes("10.3.0.0/16")},
		{"IPv6", prefixes("2001:db8::/32", "fd00::/8"), []*records.Flow{flow("2001:db8::1", "2001:db8:1::1", nil)}, prefixes("fd00::/8")},
		{"what no mirror shows", prefixes("127.0.0.0/8", "fe80::/10", "169.254.0.0/16", "::1/128"), nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := observe(Options{Internal: tt.want}, tt.flows...).Unseen; !slices.Equal(got, tt.unseen) {
				t.Errorf("got %v, want %v", got, tt.unseen)
			}
		})
	}
}

func TestLoneHost(t *testing.T) {
	for _, tt := range []struct {
		name  string
		flows []*records.Flow
		want  []string
	}{
		{"nobody", nil, nil},
		{"one host and many servers", []*records.Flow{flow("10.0.0.1", "192.0.2.1", nil), flow("10.0.0.1", "192.0.2.2", nil), flow("10.0.0.7", "10.0.0.1", nil)}, []string{"10.0.0.1"}},
		{"two hosts", []*records.Flow{flow("10.0.0.1", "192.0.2.1", nil), flow("10.0.0.1", "192.0.2.2", nil), flow("10.0.0.2", "192.0.2.2", nil)}, nil},
		{"one host with two addresses", []*records.Flow{flow("10.0.0.1", "192.0.2.1", nil), flow("10.0.0.1", "192.0.2.2", nil),
			flow("2001:db8::1", "2001:db8:1::1", nil), flow("2001:db8::1", "2001:db8:1::2", nil)}, []string{"10.0.0.1", "2001:db8::1"}},
		{"multicast does not count", []*records.Flow{flow("10.0.0.1", "192.0.2.1", nil), flow("10.0.0.1", "192.0.2.2", nil), flow("10.0.0.5", "224.0.0.251", nil)}, []string{"10.0.0.1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, a := range observe(Options{}, tt.flows...).Hosts {
				got = append(got, a.String())
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
