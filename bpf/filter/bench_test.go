package filter

import "testing"

var benchmarks = []struct{ name, expr string }{
	{"port", "tcp port 80"},
	{"usual", "not (tcp port 22 and host 192.0.2.1) and (net 10.0.0.0/8 or net 192.168.0.0/16 or net 2001:db8::/32)"},
	{"bytes", "tcp port 80 and tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420"},
	{"300hosts", hosts(300)},
}

func BenchmarkCompile(b *testing.B) {
	for _, bm := range benchmarks {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p, err := Compile(bm.expr, LinkEthernet)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(len(p.ins)), "instructions")
			}
		})
	}
}

// BenchmarkMatch runs over all test packets; time is per packet.
func BenchmarkMatch(b *testing.B) {
	frames := ethernetFrames(b)
	for _, bm := range benchmarks {
		p, err := Compile(bm.expr, LinkEthernet)
		if err != nil {
			b.Fatal(err)
		}
		m, err := NewMatcher(p)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				m.Match(frames[i%len(frames)].data)
			}
		})
	}
}
