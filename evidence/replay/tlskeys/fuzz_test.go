package tlskeys

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"strings"
	"testing"

	"kagami/packet"
)

// script is a connection for the fuzzer: 1 octet of side and kind, 2 of length, and
// the octets. A kind of 1 is a gap of that length.
func script(parts []part) (b []byte) {
	for _, p := range parts {
		for o := p.b; len(o) > 0; {
			n := min(len(o), 0xffff)
			b = append(b, byte(p.side), byte(n>>8), byte(n))
			b = append(b, o[:n]...)
			o = o[n:]
		}
	}
	return b
}

// play feeds a script, in pieces of step octets.
func play(log *Log, b []byte, step int) (*sink, Report) {
	out := &sink{}
	s := NewSession(log, out)
	s.halves[0].trial, s.halves[1].trial = 1<<17, 1<<17 // what hostile octets make it try must not slow the fuzzer down
	for len(b) >= 3 {
		side, n := packet.Side(b[0]&1), int(b[1])<<8|int(b[2])
		if b[0]&2 != 0 {
			s.Gap(side, n)
			b = b[3:]
			continue
		}
		n = min(n, len(b)-3)
		for o := b[3 : 3+n]; len(o) > 0; {
			k := min(step, len(o))
			s.Data(side, o[:k])
			o = o[k:]
		}
		b = b[3+n:]
	}
	s.Close()
	return out, s.Report()
}

// FuzzSession feeds hostile connections. Whatever comes: no panic, nothing given that
// was not sealed with the log's secrets, and the same in small pieces.
func FuzzSession(f *testing.F) {
	var lines strings.Builder
	var sealed []string
	for _, name := range traces(f) {
		rec := readTrace(f, name)
		lines.WriteString(rec.keys)
		log := rec.log(f)
		for _, parts := range rec.conns {
			f.Add(script(parts))
			cut := bytes.Clone(script(parts))
			f.Add(append(cut[:len(cut)*2/3], 2+1, 0, 40, 1, 1, 0, 0))
			out, _ := replay(log, parts, 0)
			sealed = append(sealed, string(out.plain[0]), string(out.plain[1]))
		}
	}
	f.Add([]byte{0, 0, 5, 0x80, 30, 1, 3, 1, 2, 1, 0, 1})
	log := lines.String()
	f.Fuzz(func(t *testing.T, b []byte) {
		parse := func() *Log {
			l, err := Parse(strings.NewReader(log))
			if err != nil || l.BadLines > 0 {
				t.Fatal(err, l.Bad)
			}
			return l
		}
		out, r := play(parse(), b, 1<<16)
		for side, given := range out.plain {
			for len(given) > 0 {
				n := longestSealed(sealed, given)
				if n == 0 {
					t.Fatalf("side %d: gave %q, which nobody sealed", side, given)
				}
				given = given[n:]
			}
			d := r.Sides[side]
			if d.Unread < 0 || d.DarkAt < 0 || d.Plain != int64(len(out.plain[side])) {
				t.Errorf("%+v", d)
			}
			for _, l := range out.lost[side] {
				if l.Octets <= 0 || l.Reason == None {
					t.Errorf("loss %+v", l)
				}
			}
		}
		small, r2 := play(parse(), b, 1)
		if fmt.Sprint(small) != fmt.Sprint(out) || fmt.Sprint(r) != fmt.Sprint(r2) {
			t.Errorf("in pieces of one octet: %+v, whole: %+v", r2, r)
		}
	})
}

// longestSealed is how much of the front of b stands in what was sealed.
func longestSealed(sealed []string, b []byte) int {
	n := 0
	for _, s := range sealed {
		for i := range s {
			k := 0
			for k < len(b) && i+k < len(s) && s[i+k] == b[k] {
				k++
			}
			n = max(n, k)
		}
	}
	return n
}

func BenchmarkSession(b *testing.B) {
	for _, tt := range []struct {
		version, suite uint16
	}{
		{tls.VersionTLS13, 0},
		{tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256},
		{tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256},
		{tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA},
		{tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA},
		{tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA},
	} {
		k := newTalk(tt.version, tt.suite)
		k.answer = [][]byte{text(1, 8<<20)}
		log := k.run(b)
		var parts []part // as segments of 1460 octets
		for _, p := range k.wire.parts {
			for o := p.b; len(o) > 0; {
				n := min(1460, len(o))
				parts = append(parts, part{p.side, o[:n]})
				o = o[n:]
			}
		}
		_, r := replay(log, parts, 0)
		b.Run(fmt.Sprintf("%s/%s", r.VersionName(), r.SuiteName()), func(b *testing.B) {
			b.SetBytes(8 << 20)
			b.ReportAllocs()
			for b.Loop() {
				s := NewSession(log, discard{})
				for _, p := range parts {
					s.Data(p.side, p.b)
				}
				s.Close()
			}
		})
	}
}
