package query

import "testing"

// queries are what a responder asks typically.
var queries = []struct{ name, text string }{
	{"host", "last 4h and host 10.0.0.7"},
	{"typical", "last 4h and client 10.0.0.7 and (host evil.example or net 203.0.113.0/24) and port 80,8000-8099"},
	{"name", "last 4h and host evil.example"},
	{"not", "last 4h and not (proto udp or net 10.0.0.0/8)"},
	{"alert", "alert 00ff-3-a1"},
	{"flow", "flow 1:wlMg4+kHQ8TFWlGbPPwVZsGuKvk="},
}

// BenchmarkMatch asks of one flow; none of them may allocate.
func BenchmarkMatch(b *testing.B) {
	for _, tt := range queries {
		b.Run(tt.name, func(b *testing.B) {
			fs := office()
			q := parse(b, tt.text)
			bindNetwork(b, q, fs)
			flows := []*Flow{fs["web"], fs["mid"], fs["bulk"], fs["dns"]}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				q.Match(flows[i&3])
			}
		})
	}
	b.Run("bindings=100000", func(b *testing.B) {
		q := parse(b, "host a.b")
		bs := manyBindings(100_000)
		q.Bind(Name, "a.b", bs)
		flows := make([]Flow, len(bs))
		for i := range flows { // half of them match
			flows[i] = Flow{Key: bs[i].Key, First: bs[i].From, Last: bs[i].To}
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			q.Match(&flows[i%len(flows)])
		}
	})
}

func TestMatchAllocates(t *testing.T) {
	for _, tt := range queries {
		fs := office()
		q := parse(t, tt.text)
		bindNetwork(t, q, fs)
		f := fs["web"]
		if n := testing.AllocsPerRun(100, func() { q.Match(f) }); n > 0 {
			t.Errorf("%s: %v allocations", tt.text, n)
		}
	}
}

func BenchmarkMay(b *testing.B) {
	q := parse(b, queries[1].text)
	bindNetwork(b, q, office())
	has := func(Term) bool { return true }
	b.ReportAllocs()
	for b.Loop() {
		q.May(has, Range{minute(0), minute(60)})
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		parse(b, queries[1].text)
	}
}

func BenchmarkBind(b *testing.B) {
	bs := manyBindings(100_000)
	b.ReportAllocs()
	for b.Loop() {
		q := parse(b, "host a.b")
		q.Bind(Name, "a.b", bs)
	}
}
