package incident

import (
	"net/netip"
	"strings"
	"testing"

	"kagami/detectors/census"
	"kagami/packet"
	"kagami/records"
)

// town is a network of some machines that a census has watched for nine days.
type town struct {
	*census.Census
	now int64
}

func client(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}) }

// visit lets a machine contact a server with TLS.
func (w *town) visit(n int, name, ja4 string, at int64) *records.TLS {
	server := netip.MustParseAddr("203.0.113.9")
	r := records.NewTLS(records.Meta{At: at, UID: uint64(at), ClientInternal: true, Orig: packet.FromA,
		Key: packet.Key{A: client(n).As16(), B: server.As16(), APort: 40000, BPort: 443, Proto: packet.ProtoTCP}})
	r.Start, r.ServerName, r.JA4, r.ClientHello, r.Established = at, name, ja4, true, true
	w.Observe(r, nil)
	w.now = at
	return r
}

func newTown() *town {
	w := &town{Census: census.New(census.Default())}
	for hour := range int64(9 * 24) {
		for n := range 12 {
			w.visit(n+1, "everyone.example", "t13d_usual", start+hour*3600e9+int64(n))
		}
	}
	return w
}

func weights(reasons []Reason) map[string]float64 {
	m := map[string]float64{}
	for _, r := range reasons {
		m[r.Kind] = r.Nats
	}
	return m
}

func TestContext(t *testing.T) {
	now := start + 9*days
	for name, c := range map[string]struct {
		do   func(*town) records.Record
		want map[string]float64
		says string
	}{
		"known to all": {func(w *town) records.Record { return w.visit(1, "everyone.example", "t13d_usual", now) },
			map[string]float64{"prevalence": -6}, "at least 10 of 12 known machines contact this destination, the first on 2026-05-28 20:26:40Z: it belongs to this place"},
		"new, of one machine": {func(w *town) records.Record { return w.visit(1, "c2.example", "t13d_usual", now) },
			map[string]float64{"prevalence": 2.5, "age": 1.5}, "1 of 12 known machines contacts this destination"},
		"new, of two machines": {func(w *town) records.Record {
			w.visit(2, "c2.example", "t13d_usual", now)
			return w.visit(1, "c2.example", "t13d_usual", now)
		}, map[string]float64{"prevalence": 1.5, "age": 1.5}, "2 of 12 known machines contact this destination"},
		"a program of its own": {func(w *town) records.Record { return w.visit(1, "c2.example", "t13d_odd", now) },
			map[string]float64{"prevalence": 2.5, "age": 1.5, "program": 1.5}, "only this machine has"},
	} {
		w := newTown()
		k, ok := w.ContactOf(c.do(w))
		if !ok {
			t.Fatalf("%s: no contact", name)
		}
		reasons := Context(w.Census, &k)
		got := weights(reasons)
		said := false
		for kind, nats := range c.want {
			if got[kind] != nats {
				t.Errorf("%s: %s has %v, want %v", name, kind, got[kind], nats)
			}
		}
		for _, r := range reasons {
			said = said || strings.Contains(r.Text.EN, c.says)
			if r.Text.EN == "" || r.Text.JA == "" || r.Text.JA == r.Text.EN || strings.Contains(r.Text.EN+r.Text.JA, "%!") {
				t.Errorf("%s: %s says %+v", name, r.Kind, r.Text)
			}
		}
		if !said || len(got) != len(c.want) {
			t.Errorf("%s: got %+v", name, reasons)
		}
		weighed := Weigh(w.Census, &k)
		if weighed.Nats() != Sum(reasons) {
			t.Errorf("%s: weighs %v, reasons %v", name, weighed.Nats(), Sum(reasons))
		}
	}
}

// Every kind of weight has its words, in both languages.
func TestContextTexts(t *testing.T) {
	w := Weights{port: 8443}
	for _, kind := range []string{"prevalence", "age", "nameless", "tunnel-port", "around-proxy", "program", "hours", "service"} {
		if text := w.text(kind); text.EN == "" || text.JA == "" {
			t.Errorf("%s says nothing", kind)
		}
	}
}

func TestTunnelAndCertificates(t *testing.T) {
	w := newTown()
	tunnel := census.Contact{Meta: meta(w.now, 1), Start: w.now, Client: client(1), Name: "odd.example", Port: 8443, How: census.ByProxyConnect, Status: true}
	got := weights(Context(w.Census, &tunnel))
	if got["tunnel-port"] != 1.5 || got["service"] != -8 {
		t.Errorf("got %v", got)
	}
}

func BenchmarkWeigh(b *testing.B) {
	w := newTown()
	k, _ := w.ContactOf(w.visit(1, "c2.example", "t13d_odd", w.now))
	b.ReportAllocs()
	for b.Loop() {
		x := Weigh(w.Census, &k)
		if x.Nats() == 0 {
			b.Fatal("nothing")
		}
	}
}
