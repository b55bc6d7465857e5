package peers

import (
	"net/netip"
	"testing"

	"kagami/packet"
	"kagami/records"
)

// callHome feeds RITA a connection every so many seconds for hours, named as
// how says, and returns what it tells.
func callHome(how string, every, hours int64) []Alert {
	p := NewRITA()
	server := netip.MustParseAddrPort("192.0.2.7:443")
	if how == "proxy" || how == "absolute" {
		server = netip.MustParseAddrPort("10.0.0.9:8080")
	}
	for t := int64(0); t < hours*3600; t += every {
		at := epoch + t*second
		f := flow(uint64(t+1), at, packet.ProtoTCP, server, "SF", "ShADadFf")
		m := *f.Meta()
		m.At = at
		switch how {
		case "tls":
			x := records.NewTLS(m)
			x.ServerName = "C2.example"
			p.Observe(x)
		case "http", "absolute", "proxy":
			x := records.NewHTTP(m)
			x.RequestSeen, x.Method, x.Host = true, "GET", "c2.example"
			x.Target = map[string]string{"http": "/", "absolute": "http://c2.example/", "proxy": "c2.example:443"}[how]
			if how == "proxy" {
				x.Method = "CONNECT"
			}
			p.Observe(x)
		}
		p.Observe(f)
	}
	p.Finish()
	return p.Alerts()
}

func TestRITA(t *testing.T) {
	for _, c := range []struct {
		how   string
		every int64
		want  string // destination told, "" = nothing
	}{
		{"ip", 600, "192.0.2.7"},
		{"tls", 600, "c2.example"},
		{"http", 600, "c2.example"},
		{"proxy", 600, "c2.example:443"},
		{"absolute", 600, ""}, // inside to inside is left out
		{"ip", 3600, "192.0.2.7"},
		{"ip", 8 * 3600, ""}, // 4 in 24 hours, or less
	} {
		got := callHome(c.how, c.every, 30)
		text := ""
		if len(got) > 0 {
			if text = got[0].Destination; text == "" {
				text = got[0].Addr.String()
			}
			for _, a := range got {
				if a.At%(3600*second) != 0 || a.Source != inside || a.Score < Medium {
					t.Errorf("%s every %d s: told %+v", c.how, c.every, a)
				}
			}
		}
		if text != c.want {
			t.Errorf("%s every %d s: told %q, want %q", c.how, c.every, text, c.want)
		}
	}
}

func TestRITAForgetsAfterADay(t *testing.T) {
	p := NewRITA()
	server := netip.MustParseAddrPort("192.0.2.7:443")
	for i := range int64(200) {
		p.Observe(flow(uint64(i+1), epoch+i*60*second, packet.ProtoTCP, server, "SF", "ShADadFf"))
	}
	for i := range int64(60) {
		other := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), 443)
		p.Observe(flow(uint64(i+1000), epoch+i*3600*second, packet.ProtoTCP, other, "SF", "ShADadFf"))
	}
	p.Finish()
	for _, s := range p.order {
		if s.key.addr == server.Addr() {
			t.Errorf("%d rows of two days ago are kept", len(s.rows))
		}
	}
	if len(p.order) != len(p.keys) || len(p.order) > 26 {
		t.Errorf("%d series, %d keys, want at most 26", len(p.order), len(p.keys))
	}
}

func TestScores(t *testing.T) {
	p := NewRITA()
	for t := int64(0); t < 86400; t += 600 {
		p.Observe(flow(uint64(t+1), epoch+t*second, packet.ProtoTCP, netip.MustParseAddrPort("192.0.2.7:443"), "SF", "ShADadFf"))
		p.Observe(flow(uint64(t+2), epoch+t*t%86400*second, packet.ProtoTCP, netip.MustParseAddrPort("192.0.2.8:443"), "SF", "ShADadFf"))
	}
	got := p.Scores()
	if len(got) != 2 || got[0].Destination != "192.0.2.7" || got[0].Total < 0.99 || got[1].Total >= got[0].Total {
		t.Errorf("scores %+v", got)
	}
}

func BenchmarkRITAImport(b *testing.B) {
	p := NewRITA()
	for i := range int64(10000) {
		for j := range int64(24) {
			server := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), 443)
			p.add(ritaKey{source: inside, addr: server.Addr()}, ritaRow{uint32(epoch/second + j*3600 + i%1800), 500})
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, s := range p.order {
			s.fresh = true
		}
		p.analyse(epoch + 86400*second)
	}
}
