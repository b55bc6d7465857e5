package decoders

import (
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// What a client and a proxy say.
const (
	greet5     = "\x05\x02\x00\x02"
	noLogin    = "\x05\x00"
	askLogin   = "\x05\x02"
	login      = "\x01\x03bob\x06secret"
	loggedIn   = "\x01\x00"
	badLogin   = "\x01\x01"
	connect5   = "\x05\x01\x00\x03\x07www.a.b\x01\xbb"
	connect5v6 = "\x05\x01\x00\x04\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x50"
	granted5   = "\x05\x00\x00\x01\x0a\x00\x00\x01\x12\x34"
	failed5    = "\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"
	connect4   = "\x04\x01\x01\xbb\xc0\x00\x02\x07bob\x00"
	connect4a  = "\x04\x01\x01\xbb\x00\x00\x00\x01bob\x00www.a.b\x00"
	granted4   = "\x00\x5a\x00\x00\x00\x00\x00\x00"
)

func up(s string) spoken   { return spoken{packet.FromA, []byte(s)} }
func down(s string) spoken { return spoken{packet.FromB, []byte(s)} }

// socksRun is what a conversation gave.
type socksRun struct {
	socks   []*records.SOCKS
	auth    []*records.Auth
	tls     []*records.TLS
	verdict sensor.Verdict
	flow    *sensor.Flow
}

// playSOCKS gives what was said to a fresh decoder, in pieces that cut chooses.
func playSOCKS(said []spoken, cut func(rest int) int) *socksRun {
	f := sensor.NewTestFlow(packet.ProtoTCP, tlsProtocol())
	r := &socksRun{flow: f}
	d := socksProtocol().New()
	emit := func(rec records.Record) {
		switch rec := rec.(type) {
		case *records.SOCKS:
			r.socks = append(r.socks, rec)
		case *records.Auth:
			r.auth = append(r.auth, rec)
		case *records.TLS:
			r.tls = append(r.tls, rec)
		}
	}
	for i, s := range said {
		for rest := s.b; len(rest) > 0; {
			n := cut(len(rest))
			f.TestSent(s.side, n, int64(i+1)*1e9)
			if r.verdict == sensor.More {
				r.verdict = d.Data(f, s.side, rest[:n], emit)
			}
			rest = rest[n:]
		}
	}
	d.Close(f, emit)
	return r
}

func TestSOCKS(t *testing.T) {
	name := func(r *records.SOCKS) bool {
		return r.RequestName == "www.a.b" && r.RequestPort == 443 && !r.RequestAddr.IsValid()
	}
	for _, c := range []struct {
		name  string
		said  []spoken
		check func(r *records.SOCKS) bool
	}{
		{"5", []spoken{up(greet5), down(noLogin), up(connect5), down(granted5), up("up"), down("down")}, func(r *records.SOCKS) bool {
			return r.Version == "5" && r.Method == "none" && slices.Equal(r.Offered, []string{"none", "password"}) && r.Command == "connect" && name(r) &&
				r.Granted() && r.BoundAddr == netip.MustParseAddr("10.0.0.1") && r.BoundPort == 0x1234 && r.TunnelFromOrig == 2 && r.TunnelFromResp == 4 &&
				r.Start == 1e9 && r.Answered == 4e9 && r.End == 6e9
		}},
		{"5 with password", []spoken{up(greet5), down(askLogin), up(login), down(loggedIn), up(connect5v6), down(granted5)}, func(r *records.SOCKS) bool {
			return r.Method == "password" && r.User == "bob" && r.RequestAddr == netip.MustParseAddr("2001:db8::1") && r.RequestPort == 80 && r.Granted()
		}},
		{"password refused", []spoken{up(greet5), down(askLogin), up(login), down(badLogin)}, func(r *records.SOCKS) bool {
			return r.UserRefused && r.User == "bob" && r.Status == "" && r.Command == ""
		}},
		{"no method accepted", []spoken{up(greet5), down("\x05\xff")}, func(r *records.SOCKS) bool { return r.Method == "refused" }},
		{"refused", []spoken{up(greet5), down(noLogin), up(connect5), down(failed5)}, func(r *records.SOCKS) bool {
			return r.Status == "Connection refused" && r.Code == 5 && !r.Granted() && name(r)
		}},
		{"all at once", []spoken{up(greet5 + connect5 + "up"), down(noLogin + granted5 + "down")}, func(r *records.SOCKS) bool {
			return name(r) && r.Granted() && r.TunnelFromOrig == 2 && r.TunnelFromResp == 4
		}},
		{"client only", []spoken{up(greet5), up(connect5), up("up")}, func(r *records.SOCKS) bool { return name(r) && r.Status == "" && r.TunnelFromOrig == 2 }},
		{"proxy only", []spoken{down(noLogin), down(granted5), down("down")}, func(r *records.SOCKS) bool {
			return r.Granted() && r.Command == "" && r.TunnelFromResp == 4 && r.Version == "5"
		}},
		{"4", []spoken{up(connect4), down(granted4), up("up")}, func(r *records.SOCKS) bool {
			return r.Version == "4" && r.User == "bob" && r.RequestAddr == netip.MustParseAddr("192.0.2.7") && r.RequestPort == 443 && r.Granted() && r.TunnelFromOrig == 2
		}},
		{"4a", []spoken{up(connect4a), down("\x00\x5b\x00\x00\x00\x00\x00\x00")}, func(r *records.SOCKS) bool {
			return r.Version == "4a" && name(r) && r.Status == "general SOCKS server failure"
		}},
		{"4, proxy only", []spoken{down(granted4)}, func(r *records.SOCKS) bool { return r.Version == "4" && r.Granted() }},
		{"bind", []spoken{up(greet5), down(noLogin), up("\x05\x02" + connect5[2:]), down(granted5), down("\x05\x00\x00\x01\xc0\x00\x02\x09\x00\x14"), down("x")}, func(r *records.SOCKS) bool {
			return r.Command == "bind" && r.BoundPort == 0x1234 && r.Peer == netip.MustParseAddrPort("192.0.2.9:20") && r.TunnelFromResp == 1
		}},
		{"UDP", []spoken{up(greet5), down(noLogin), up("\x05\x03" + connect5[2:]), down(granted5)}, func(r *records.SOCKS) bool { return r.Command == "udp_associate" && r.Granted() }},
		{"GSSAPI", []spoken{up("\x05\x01\x01"), down("\x05\x01"), up("\x01\x01\x00\x02xx")}, func(r *records.SOCKS) bool { return r.Method == "gssapi" && r.Command == "" }},
		{"name with control characters", []spoken{up(greet5), up("\x05\x01\x00\x03\x03a\nb\x00\x50")}, func(r *records.SOCKS) bool { return r.RequestName == `a\0Ab` }},
		{"unknown address type", []spoken{up(greet5), up("\x05\x01\x00\x09aaaaaaaa"), down(noLogin)}, func(r *records.SOCKS) bool { return r.Odd == "unknown address type" }},
		{"no reply", []spoken{up(greet5), down(noLogin), down("HTTP/1.0 400")}, func(r *records.SOCKS) bool { return r.Odd == "not a reply" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := playSOCKS(c.said, whole)
			if len(r.socks) != 1 || !c.check(r.socks[0]) {
				t.Fatalf("%+v", r.socks)
			}
			if cut := playSOCKS(c.said, func(int) int { return 1 }); !reflect.DeepEqual(cut.socks, r.socks) || !reflect.DeepEqual(cut.auth, r.auth) {
				t.Errorf("octet by octet: %+v", cut.socks[0])
			}
		})
	}
}

// The password is passed over, whatever stands in it.
func TestSOCKSLogin(t *testing.T) {
	for answer, want := range map[string]records.AuthResult{loggedIn: records.AuthSuccess, badLogin: records.AuthFailure, "": records.AuthUnknown} {
		r := playSOCKS([]spoken{up(greet5), down(askLogin), up(login), down(answer), up(connect5)}, whole)
		if len(r.auth) != 1 || r.auth[0].User != "bob" || r.auth[0].Result != want || r.auth[0].Protocol != "socks" || r.auth[0].Start != 3e9 {
			t.Errorf("%+v", r.auth)
		}
		for _, f := range append(r.socks[0].AppendFields(nil), r.auth[0].AppendFields(nil)...) {
			if strings.Contains(f.Str, "secret") {
				t.Errorf("%s holds the password", f.Name)
			}
		}
	}
}

func TestSOCKSTunnel(t *testing.T) {
	cc, sc := configs(t, 0)
	said := append([]spoken{up(greet5), down(noLogin), up(connect5), down(granted5)}, shake(t, cc, sc)...)
	r := playSOCKS(said, whole)
	if len(r.tls) != 1 || r.tls[0].Via != "SOCKS" || !r.tls[0].Established || r.flow.Service != "socks" || r.flow.ServerName != "www.a.b" ||
		r.flow.Tunnel != "tls" || r.verdict != sensor.Enough {
		t.Errorf("%+v", r)
	}
	s := r.socks[0]
	octets := func(side packet.Side) (n int64) {
		for _, s := range said[4:] {
			if s.side == side {
				n += int64(len(s.b))
			}
		}
		return n
	}
	if s.Tunnel != "tls" || s.TunnelName != "www.example.jp" || s.TunnelFromOrig != octets(packet.FromA) || s.TunnelFromResp != octets(packet.FromB) {
		t.Errorf("%+v", s)
	}
}

// A proxy behind a proxy is told, but what goes through it is not looked into.
func TestSOCKSNested(t *testing.T) {
	f := sensor.NewTestFlow(packet.ProtoTCP, socksProtocol(), tlsProtocol())
	f.Label("http", "proxy")
	d := f.EnterTunnel()
	var out []records.Record
	emit := func(r records.Record) { out = append(out, r) }
	for _, s := range []spoken{up(greet5), down(noLogin), up(connect5), down(granted5), {packet.FromA, clientHello("")}} {
		d.Data(f, s.side, s.b, emit)
	}
	d.Close(f, emit)
	if len(out) != 1 || out[0].(*records.SOCKS).RequestName != "www.a.b" || f.Service != "http" {
		t.Errorf("%+v", out)
	}
}

func TestSOCKSGap(t *testing.T) {
	f := sensor.NewTestFlow(packet.ProtoTCP, tlsProtocol())
	d := socksProtocol().New()
	var out []records.Record
	emit := func(r records.Record) { out = append(out, r) }
	d.Data(f, packet.FromA, []byte(greet5), emit)
	d.Gap(f, packet.FromB, len(noLogin)) // the answer to the greeting
	d.Data(f, packet.FromA, []byte(connect5), emit)
	d.Gap(f, packet.FromA, 100)
	d.Close(f, emit)
	if r, ok := out[0].(*records.SOCKS); !ok || !r.Gap || r.RequestName != "www.a.b" || r.TunnelFromOrig != 100 || r.Status != "" {
		t.Errorf("%+v", out)
	}
}

func TestSOCKSLimits(t *testing.T) {
	long := strings.Repeat("u", 10*socksMaxText)
	r := playSOCKS([]spoken{up("\x04\x01\x01\xbb\xc0\x00\x02\x07" + long), down(granted4)}, whole)
	if len(r.socks) != 1 || r.socks[0].Odd != "text too long" || r.socks[0].User != "" {
		t.Errorf("%+v", r.socks)
	}
}

func TestSOCKSMatch(t *testing.T) {
	proxy := sensor.NewTestFlow(packet.ProtoTCP)
	proxy.Key.BPort = 1080
	for _, c := range []struct {
		name string
		said spoken
		want sensor.Match
	}{
		{"5", up(greet5), sensor.FromClient},
		{"5 and request", up(greet5 + connect5), sensor.FromClient},
		{"5 and login", up(greet5 + login), sensor.FromClient},
		{"5 cut short", up(greet5[:3]), sensor.Maybe},
		{"one octet", up("\x05"), sensor.Maybe},
		{"method twice", up("\x05\x02\x00\x00"), sensor.No},
		{"method that nobody has", up("\x05\x01\x0b"), sensor.No},
		{"no methods", up("\x05\x00"), sensor.No},
		{"DCE/RPC bind", up("\x05\x00\x0b\x03\x10\x00\x00\x00\x48\x00"), sensor.No},
		{"something else behind", up("\x05\x01\x00\x47"), sensor.No},
		{"request for nothing", up("\x05\x01\x00\x05\x09\x00"), sensor.No},
		{"4", up(connect4), sensor.FromClient},
		{"4a", up(connect4a), sensor.FromClient},
		{"4a without its name", up(connect4a[:13]), sensor.Maybe},
		{"4 to port 0", up("\x04\x01\x00\x00\xc0\x00\x02\x07\x00"), sensor.No},
		{"4 with a strange user", up("\x04\x01\x01\xbb\xc0\x00\x02\x07\x01\x02\x00"), sensor.No},
		{"4 with another command", up("\x04\x09"), sensor.No},
		{"proxy of 5", down(noLogin + granted5), sensor.FromServer},
		{"proxy of 5 with login", down(askLogin + loggedIn + granted5), sensor.FromServer},
		{"proxy of 5, method only", down(noLogin), sensor.Maybe},
		{"proxy of 4", down(granted4), sensor.FromServer},
		{"HTTP", up("GET / HTTP/1.0\r\n"), sensor.No},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := matchSOCKS(proxy, c.said.side, c.said.b); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
	other := sensor.NewTestFlow(packet.ProtoTCP)
	if got := matchSOCKS(other, packet.FromB, []byte(granted4)); got != sensor.No {
		t.Errorf("a reply from another port: %v", got)
	}
}

// FuzzSOCKS: however the streams are cut, the records are the same.
func FuzzSOCKS(f *testing.F) {
	for i, c := range captured(f, packet.ProtoTCP, 1080, 1081) {
		f.Add(c.said(packet.FromA), c.said(packet.FromB), uint64(i))
	}
	f.Add([]byte(greet5+login+connect5+"GET /"), []byte(askLogin+loggedIn+granted5+"x"), uint64(1))
	f.Add([]byte(connect4a+"\x16\x03\x01"), []byte(granted4), uint64(2))
	f.Add([]byte("\x05\x01\x00\x05\x02\x00\x01\x01\x02\x03\x04\x00\x50"), []byte(noLogin+granted5+granted5), uint64(3))
	f.Fuzz(func(t *testing.T, a, b []byte, seed uint64) {
		said := []spoken{{packet.FromA, a}, {packet.FromB, b}, {packet.FromA, b}}
		r := rand.New(rand.NewPCG(seed, 1))
		want := playSOCKS(said, whole)
		got := playSOCKS(said, func(rest int) int { return 1 + r.IntN(rest) })
		if !reflect.DeepEqual(got.socks, want.socks) || !reflect.DeepEqual(got.auth, want.auth) {
			t.Errorf("whole %+v\ncut %+v", want.socks, got.socks)
		}
		if len(want.socks) > 1 {
			t.Errorf("%d records", len(want.socks))
		}
		for _, s := range said {
			if len(s.b) > 0 {
				matchSOCKS(want.flow, s.side, s.b[:min(len(s.b), sensor.MatchLimit)])
			}
		}
	})
}

func BenchmarkSOCKS(b *testing.B) {
	f := sensor.NewTestFlow(packet.ProtoTCP)
	said := []spoken{up(greet5), down(noLogin), up(connect5), down(granted5)}
	b.ReportAllocs()
	for b.Loop() {
		d := socksProtocol().New()
		for _, s := range said {
			d.Data(f, s.side, s.b, func(records.Record) {})
		}
	}
}
