package decoders

import (
	"bytes"
	mrand "math/rand/v2"
	"slices"
	"testing"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// Frames of a known connection, whatever they hold, and datagrams of any kind.
func FuzzQUIC(f *testing.F) {
	for _, c := range captured(f, packet.ProtoUDP, 443, 4433) {
		said := c.turns(2)
		f.Add([]byte{}, []byte{}, said[0], said[1])
	}
	cc, sc := configs(f, 0)
	hello, reply := quicHellos(f, cc, sc)
	c, s := quicPair(quicV1)
	f.Add(cryptoFrame(0, hello), cryptoFrame(0, reply), c.opaque(quicZeroRTT), s.opaque(quicHandshake))
	f.Add([]byte{quicACKECN, 5, 0, 1, 0, 1, 1, 2, 3}, []byte{quicClose, 1, 0, 2, 'n', 'o'}, s.head(quicRetry, 0), short())
	f.Add([]byte{quicCrypto, 0, 4, 1, 0, 0, 0}, []byte{}, []byte("\x09connidQ0Q043\x01CHLO\x01\x00\x00\x00SNI\x00\x01\x00\x00\x00a"), []byte("\xc3Q046\x50"))
	f.Fuzz(func(t *testing.T, up, down, a, b []byte) {
		c, s := quicPair(quicV1)
		said := []spoken{{packet.FromA, a}, {packet.FromA, c.initial(up[:min(len(up), 1<<13)])}, {packet.FromB, s.initial(down[:min(len(down), 1<<13)])}, {packet.FromB, b}, {packet.FromA, b}}
		said = slices.DeleteFunc(said, func(s spoken) bool { return len(s.b) == 0 })
		run := playQUIC(said...)
		if len(run.tls) > len(run.quic) || len(run.quic) > len(said) {
			t.Errorf("%d TLS and %d QUIC records", len(run.tls), len(run.quic))
		}
		for _, s := range said {
			matchQUIC(udpTestFlow(), s.side, s.b[:min(len(s.b), sensor.MatchLimit)])
		}
		again := playQUIC(said...)
		if len(again.quic) != len(run.quic) || len(run.quic) > 0 && again.quic[0].History != run.quic[0].History {
			t.Error("the same datagrams gave something else")
		}
	})
}

// FuzzGather: pieces in any order are the whole.
func FuzzGather(f *testing.F) {
	f.Add([]byte("the quick brown fox jumps over the lazy dog"), uint64(1))
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		if len(b) == 0 {
			return
		}
		r := mrand.New(mrand.NewPCG(seed, 1))
		var g gather
		for tries := 0; len(g.ready()) < len(b); tries++ {
			from := r.IntN(len(b))
			if tries > 100*len(b) {
				from = len(g.ready())
			}
			to := from + 1 + r.IntN(len(b)-from)
			g.put(from, b[from:to], len(b))
			if ready := g.ready(); !bytes.Equal(ready, b[:len(ready)]) {
				t.Fatalf("got %q of %q", ready, b)
			}
		}
	})
}

func BenchmarkQUIC(b *testing.B) {
	cc, sc := configs(b, 0)
	hello, reply := quicHellos(b, cc, sc)
	c, s := quicPair(quicV1)
	said := []spoken{{packet.FromA, padded(c.initial(cryptoFrame(0, hello)))},
		{packet.FromB, append(s.initial(cryptoFrame(0, reply)), s.opaque(quicHandshake)...)}, {packet.FromA, c.opaque(quicHandshake)}}
	f := udpTestFlow()
	b.ReportAllocs()
	for b.Loop() {
		d := newQUICDecoder()
		for _, s := range said {
			d.Data(f, s.side, s.b, func(records.Record) {})
		}
	}
}

func BenchmarkQUICMatch(b *testing.B) {
	f, datagram := udpTestFlow(), short()
	b.ReportAllocs()
	for b.Loop() {
		matchQUIC(f, packet.FromA, datagram)
	}
}
