package tlskeys

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	mrand "math/rand/v2"
	"testing"

	"kagami/packet"
)

// boundaries are the offsets in a stream where a record begins, and its end.
func boundaries(stream []byte) (at []int) {
	i := 0
	for i+headerLen <= len(stream) {
		at = append(at, i)
		i += headerLen + int(binary.BigEndian.Uint16(stream[i+3:]))
	}
	return append(at, i)
}

// hole is octets from to to of one side's stream, which the capture lacks.
type hole struct {
	side     packet.Side
	from, to int
}

// replayHoles decrypts with holes, in pieces of step octets.
func replayHoles(log *Log, parts []part, step int, holes ...hole) (*sink, Report) {
	out := &sink{}
	s := NewSession(log, out)
	var at [2]int
	for _, p := range parts {
		for b := p.b; len(b) > 0; {
			n, missing := len(b), false
			if step > 0 {
				n = min(n, step)
			}
			for _, h := range holes {
				switch from, to := h.from-at[p.side], h.to-at[p.side]; {
				case h.side != p.side || to <= 0:
				case from <= 0:
					missing, n = true, min(n, to)
				default:
					n = min(n, from)
				}
			}
			if missing {
				s.Gap(p.side, n)
			} else {
				s.Data(p.side, bytes.Clone(b[:n]))
			}
			at[p.side] += n
			b = b[n:]
		}
	}
	s.Close()
	return out, s.Report()
}

// checkLoss says whether what was given is want but for the losses told.
func checkLoss(t testing.TB, out *sink, side packet.Side, want []byte) {
	t.Helper()
	got, losses := out.plain[side], out.lost[side]
	at := 0 // in want
	for i, l := range losses {
		from, to := 0, out.at[side][i]
		if i > 0 {
			from = out.at[side][i-1]
		}
		if !bytes.HasPrefix(want[at:], got[from:to]) {
			t.Fatalf("what was given before loss %d is not what was sent", i)
		}
		at += to - from
		if l.Exact {
			at += l.Octets
			continue
		}
		rest := got[to:]
		if i+1 < len(losses) {
			t.Fatalf("two losses, and the first is not exact: %v", losses)
		}
		if missing := len(want) - at - len(rest); missing < 0 || missing > l.Octets {
			t.Fatalf("%d octets are missing, told: %+v", missing, l)
		}
		at = len(want) - len(rest)
	}
	from := 0
	if len(losses) > 0 {
		from = out.at[side][len(losses)-1]
	}
	if !bytes.Equal(want[at:], got[from:]) {
		t.Fatalf("what was given behind the losses %v is not what was sent: %d octets, want %d", losses, len(got)-from, len(want)-at)
	}
}

var gapSuites = []struct {
	version, suite uint16
	beyond         bool // goes on behind a gap of an unknown number of records
}{
	{tls.VersionTLS13, 0, true},
	{tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, true},
	{tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, true},
	{tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, true},
	{tls.VersionTLS11, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, true},
	{tls.VersionTLS10, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, true},
	{tls.VersionTLS10, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA, true},
	{tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA, false},
}

// TestGaps cuts holes at random places into the application data.
func TestGaps(t *testing.T) {
	for _, tt := range gapSuites {
		t.Run(fmt.Sprintf("%s/%04x", tls.VersionName(tt.version), tt.suite), func(t *testing.T) {
			k := newTalk(tt.version, tt.suite)
			k.answer = nil
			for i := range 60 {
				k.answer = append(k.answer, text(uint64(i), 1+i*i*2))
			}
			log := k.run(t)
			want := bytes.Join(k.answer, nil)
			stream := k.wire.stream(server)
			at := boundaries(stream)
			r := mrand.New(mrand.NewPCG(uint64(tt.suite), uint64(tt.version)))
			for i := range 40 {
				first := 12 + r.IntN(len(at)-30)
				last := min(first+r.IntN(12), len(at)-6)
				h := hole{server, at[first] + r.IntN(at[first+1]-at[first]), 0}
				h.to = at[last] + 1 + r.IntN(at[last+1]-at[last])
				if h.to <= h.from {
					h.to = h.from + 1
				}
				within := h.from > at[first]+headerLen && h.to <= at[first+1]
				out, rep := replayHoles(log, k.wire.parts, 0, h)
				d := rep.Sides[server]
				if !tt.beyond && !within {
					if d.Dark != Gap || !bytes.HasPrefix(want, out.plain[server]) || len(out.lost[server]) != 1 {
						t.Fatalf("hole %+v: report %+v", h, d)
					}
					continue
				}
				if d.Dark != None || !d.Closed || len(out.lost[server]) == 0 || d.Plain == 0 {
					t.Fatalf("hole %+v: report %+v, losses %v", h, d, out.lost[server])
				}
				if d.LostOctets != int64(out.lost[server][0].Octets) {
					t.Errorf("hole %+v: report %+v, losses %v", h, d, out.lost[server])
				}
				checkLoss(t, out, server, want)
				if i%8 > 0 {
					continue
				}
				small, _ := replayHoles(log, k.wire.parts, 1, h)
				if !bytes.Equal(small.plain[server], out.plain[server]) {
					t.Fatalf("hole %+v: differs in pieces of one octet", h)
				}
			}
		})
	}
}

// TestHandshakeGaps cuts a hole of three octets at every tenth place of what comes
// before the application data. What is given is never wrong; in the certificates, a
// hole takes nothing.
func TestHandshakeGaps(t *testing.T) {
	for _, tt := range gapSuites[:7] {
		t.Run(fmt.Sprintf("%s/%04x", tls.VersionName(tt.version), tt.suite), func(t *testing.T) {
			k := newTalk(tt.version, tt.suite)
			log := k.run(t)
			sent := [2][]byte{bytes.Join(k.request, nil), bytes.Join(k.answer, nil)}
			for side := range packet.Side(2) {
				stream := k.wire.stream(side)
				whole, holes := 0, 0
				for from := 0; from < len(stream)-len(sent[side])-200; from += 10 {
					out, r := replayHoles(log, k.wire.parts, 0, hole{side, from, from + 3})
					checkPrefix(t, out, side, sent[side])
					checkPrefix(t, out, side.Other(), sent[side.Other()])
					for s := range packet.Side(2) {
						if r.Sides[s].Dark == None && r.Sides[s].LostOctets == 0 && !bytes.Equal(out.plain[s], sent[s]) {
							t.Errorf("hole at %d of side %d: %d octets from side %d and no word of a loss", from, side, len(out.plain[s]), s)
						}
					}
					holes++
					if bytes.Equal(out.plain[0], sent[0]) && bytes.Equal(out.plain[1], sent[1]) {
						whole++
					}
				}
				if side == server && whole < holes/2 {
					t.Errorf("%d of %d holes in the server's handshake cost nothing, want most", whole, holes)
				}
			}
		})
	}
}

// checkPrefix says whether nothing was given that was not sent: a prefix, or with a
// loss the ends.
func checkPrefix(t *testing.T, out *sink, side packet.Side, sent []byte) {
	t.Helper()
	if len(out.lost[side]) == 0 {
		if !bytes.HasPrefix(sent, out.plain[side]) {
			t.Errorf("side %d: was given what was not sent", side)
		}
		return
	}
	at := out.at[side][0]
	if !bytes.HasPrefix(sent, out.plain[side][:at]) || !bytes.HasSuffix(sent, out.plain[side][at:]) {
		t.Errorf("side %d: was given what was not sent, losses %v", side, out.lost[side])
	}
}

// TestDamage changes one octet of a record: that record is not given, those after it
// are.
func TestDamage(t *testing.T) {
	for _, tt := range gapSuites {
		t.Run(fmt.Sprintf("%s/%04x", tls.VersionName(tt.version), tt.suite), func(t *testing.T) {
			k := newTalk(tt.version, tt.suite)
			k.answer = nil
			for i := range 20 {
				k.answer = append(k.answer, text(uint64(i), 500))
			}
			log := k.run(t)
			want := bytes.Join(k.answer, nil)
			stream := k.wire.stream(server)
			at := boundaries(stream)
			for n := len(at) - 12; n < len(at)-8; n++ {
				bad := bytes.Clone(stream)
				bad[at[n]+headerLen+40] ^= 1
				parts := append(onlySide(k.wire.parts, client), part{server, bad})
				out, r := replay(log, parts, 0)
				d := r.Sides[server]
				if d.Dark != None || !d.Closed || len(out.lost[server]) != 1 || out.lost[server][0].Reason != BadRecord {
					t.Fatalf("record %d: %+v, losses %v", n, d, out.lost[server])
				}
				checkLoss(t, out, server, want)
				if n := len(want) - len(out.plain[server]); n > 1500 {
					t.Errorf("%d octets were not given", n)
				}
			}
		})
	}
}

func onlySide(parts []part, side packet.Side) (only []part) {
	for _, p := range parts {
		if p.side == side {
			only = append(only, p)
		}
	}
	return only
}
