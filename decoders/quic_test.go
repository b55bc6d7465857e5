package decoders

import (
	"bytes"
	"encoding/hex"
	"fmt"
	mrand "math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"kagami/packet"
	"kagami/sensor"
)

var udpTestFlow = sync.OnceValue(func() *sensor.Flow { return sensor.NewTestFlow(packet.ProtoUDP) })

// The keys of RFC 9001 appendix A.1 and RFC 9369 appendix A.1. The ciphers hide
// their keys, so what they make of a block of zeros is compared.
func TestQUICKeys(t *testing.T) {
	dcid, _ := hex.DecodeString("8394c8f03e515708")
	for _, c := range []struct {
		version uint32
		who     int
		iv, hp  string
	}{
		{quicV1, client, "fa044b2f42a3fd3b46fb255c", "9f50449e04a0e810283a1e9933adedd2"},
		{quicV1, server, "0ac1493ca1905853b0bba03e", "c206b8d9b9f0f37644430b490eeaa314"},
		{quicV2, client, "91f73e2351d8fa91660e909f", "45b95e15235d6f45a6b19cbcb0294ba9"},
		{quicV2, server, "dd13c276499c0249d3310652", "edf6d05c83121201b436e16877593c3a"},
	} {
		k := newQUICKeys(c.version, dcid, c.who)
		if got := hex.EncodeToString(k.iv[:]); got != c.iv {
			t.Errorf("version %#x, side %d: iv %s, want %s", c.version, c.who, got, c.iv)
		}
		if got, want := encryptZeros(k.header), encryptZeros(mustAES(t, c.hp)); got != want {
			t.Errorf("version %#x, side %d: header key differs", c.version, c.who)
		}
	}
}

// The server's Initial packet of RFC 9001 appendix A.3.
func TestQUICServerInitialOfRFC(t *testing.T) {
	dcid, _ := hex.DecodeString("8394c8f03e515708")
	b, err := hex.DecodeString("cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb38cc5a99f5ede4cf73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc42158407dd074ee")
	if err != nil {
		t.Fatal(err)
	}
	p, ok := readQUIC(b)
	if !ok || p.kind != quicInitial || p.size != len(b) || hex.EncodeToString(p.scid) != "f067a5502a4262b5" {
		t.Fatalf("%v %+v", ok, p)
	}
	frames, ok := newQUICKeys(quicV1, dcid, server).open(b, p.number)
	if !ok || !bytes.HasPrefix(frames, []byte{quicACK, 0, 0, 0, 0, quicCrypto, 0, 0x40, 0x5a, helloServer}) {
		t.Errorf("%v %x", ok, frames)
	}
}

func TestQUICHandshake(t *testing.T) {
	for _, version := range []uint32{quicV1, quicV2, quicDraft + 29, quicDraft + 27} {
		t.Run(quicVersionName(version), func(t *testing.T) {
			cc, sc := configs(t, 0)
			cc.NextProtos, sc.NextProtos = []string{"h3"}, []string{"h3"}
			hello, reply := quicHellos(t, cc, sc)
			c, s := quicPair(version)
			q, r := oneQUIC(t,
				spoken{packet.FromA, padded(c.initial(cryptoFrame(0, hello)))},
				spoken{packet.FromB, append(s.initial(cryptoFrame(0, reply)), s.opaque(quicHandshake)...)}, // coalesced
				spoken{packet.FromB, short()},
				spoken{packet.FromA, c.opaque(quicHandshake)},
				spoken{packet.FromA, c.opaque(quicHandshake)})
			if q.History != "ISishoH" || !q.Established || q.Version != quicVersionName(version) || q.ServerName != "www.example.jp" ||
				q.ClientDCID != hex.EncodeToString([]byte("original")) || q.ClientSCID != hex.EncodeToString([]byte("cli")) ||
				q.ServerSCID != hex.EncodeToString([]byte("server")) || !slices.Equal(q.ClientALPN, []string{"h3"}) || q.Odd != "" ||
				q.Start != 1e9 || q.End != 4e9 {
				t.Errorf("%+v", q)
			}
			if r.Protocol != "quic" || r.Version != "1.3" || !r.Established || r.History != "Cs" || !strings.HasPrefix(r.JA4, "q13d") || r.JA4 != q.JA4 ||
				!strings.HasPrefix(r.Cipher, "TLS_") || r.Curve == "" || r.ClientRandom == [32]byte{} || r.Odd != "" {
				t.Errorf("%+v", r)
			}
		})
	}
}

// A ClientHello over two datagrams, in frames that come in any order, overlap and
// are sent twice.
func TestQUICFrames(t *testing.T) {
	cc, sc := configs(t, 0)
	hello, _ := quicHellos(t, cc, sc)
	r := mrand.New(mrand.NewPCG(1, 2))
	for range 50 {
		var frames [][]byte
		for at := 0; at < len(hello); {
			n := min(1+r.IntN(80), len(hello)-at)
			from := max(0, at-r.IntN(10))
			frames = append(frames, cryptoFrame(from, hello[from:at+n]))
			at += n
		}
		frames = append(frames, frames[0], []byte{quicPing}, make([]byte, 20), []byte{quicACK, 5, 0, 1, 0, 1, 1}, []byte{quicACKECN, 5, 0, 0, 0, 1, 2, 3})
		r.Shuffle(len(frames), func(i, j int) { frames[i], frames[j] = frames[j], frames[i] })
		half := len(frames) / 2
		c, _ := quicPair(quicV1)
		first, second := c.initial(bytes.Join(frames[:half], nil)), c.initial(bytes.Join(frames[half:], nil))
		q, rec := oneQUIC(t, spoken{packet.FromA, first}, spoken{packet.FromA, second})
		if q.ServerName != "www.example.jp" || rec.ServerName != q.ServerName || q.Odd != "" {
			t.Fatalf("%+v", q)
		}
	}
}

func TestQUICRetry(t *testing.T) {
	cc, sc := configs(t, 0)
	hello, reply := quicHellos(t, cc, sc)
	c, s := quicPair(quicV1)
	first := padded(c.initial(cryptoFrame(0, hello)))
	s.scid = []byte("another id")
	retry := append(s.head(quicRetry, 0), "token and a tag of 16 octets"...)
	c.original, c.dcid, s.original = s.scid, s.scid, s.scid
	q, r := oneQUIC(t, spoken{packet.FromA, first}, spoken{packet.FromB, retry},
		spoken{packet.FromA, padded(c.initial(cryptoFrame(0, hello)))}, spoken{packet.FromB, s.initial(cryptoFrame(0, reply))})
	if q.Retries != 1 || q.History != "ISrISis" || q.ClientDCID != hex.EncodeToString([]byte("original")) || r.History != "Cs" || !r.ServerHello {
		t.Errorf("%+v\n%+v", q, r)
	}
}

// A second connection on the same ports is another pair of records.
func TestQUICSecondConnection(t *testing.T) {
	cc, sc := configs(t, 0)
	hello, _ := quicHellos(t, cc, sc)
	a, _ := quicPair(quicV1)
	cc.ServerName = "other.example.jp"
	other, _ := quicHellos(t, cc, sc)
	b, _ := quicPair(quicV1)
	b.original, b.dcid = []byte("next one"), []byte("next one")
	run := playQUIC(spoken{packet.FromA, a.initial(cryptoFrame(0, hello))}, spoken{packet.FromA, b.initial(cryptoFrame(0, other))})
	if len(run.quic) != 2 || run.quic[0].ServerName != "www.example.jp" || run.quic[1].ServerName != "other.example.jp" ||
		run.quic[1].History != "IS" || run.tls[1].ServerName != "other.example.jp" || run.quic[1].Start != 2e9 {
		t.Errorf("%+v", run.quic)
	}
}

func TestQUICVersionNegotiation(t *testing.T) {
	cc, sc := configs(t, 0)
	hello, reply := quicHellos(t, cc, sc)
	c, s := quicPair(quicV1)
	grease := *c
	grease.version = 0x1a2a3a4a
	no := *s
	no.version = quicNegotiate
	negotiation := append(no.head(quicInitial, 0), "\x00\x00\x00\x01\x6b\x33\x43\xcf\x0a\x1a\x2a\x3a"...)
	q, r := oneQUIC(t, spoken{packet.FromA, padded(grease.opaque(quicInitial))}, spoken{packet.FromB, negotiation},
		spoken{packet.FromA, c.initial(cryptoFrame(0, hello))}, spoken{packet.FromB, s.initial(cryptoFrame(0, reply))})
	if q.Version != "0x1a2a3a4a" || q.Negotiated != "1" || !slices.Equal(q.Offered, []string{"1", "2", "0x0a1a2a3a"}) || q.History != "UuISis" || !r.ServerHello {
		t.Errorf("%+v\n%+v", q, r)
	}
	long := append(no.head(quicInitial, 0), bytes.Repeat([]byte{0, 0, 0, 1}, quicMaxVersions+5)...)
	if run := playQUIC(spoken{packet.FromB, long}); len(run.quic) != 1 || len(run.quic[0].Offered) != quicMaxVersions {
		t.Errorf("%+v", run.quic)
	}
}

// The server may go on with another version (RFC 9368).
func TestQUICCompatibleVersion(t *testing.T) {
	cc, sc := configs(t, 0)
	hello, reply := quicHellos(t, cc, sc)
	c, s := quicPair(quicV1)
	s.version = quicV2
	q, r := oneQUIC(t, spoken{packet.FromA, c.initial(cryptoFrame(0, hello))}, spoken{packet.FromB, s.initial(cryptoFrame(0, reply))})
	if q.Version != "1" || q.Negotiated != "2" || !r.ServerHello {
		t.Errorf("%+v\n%+v", q, r)
	}
}

func TestQUICClose(t *testing.T) {
	cc, sc := configs(t, 0)
	hello, _ := quicHellos(t, cc, sc)
	c, s := quicPair(quicV1)
	closing := append([]byte{quicClose, 0x41, 120, quicCrypto, 5}, "sorry"...)
	q, r := oneQUIC(t, spoken{packet.FromA, c.initial(cryptoFrame(0, hello))}, spoken{packet.FromB, s.initial(closing)})
	if q.CloseFrom != "server" || q.CloseCode != 0x178 || q.CloseReason != "sorry" || q.Established || q.History != "ISic" ||
		r.Alert != "no_application_protocol" || r.AlertFrom != "server" || r.History != "Cl" {
		t.Errorf("%+v\n%+v", q, r)
	}
}

func TestQUICOneSide(t *testing.T) {
	cc, sc := configs(t, 0)
	hello, reply := quicHellos(t, cc, sc)
	c, s := quicPair(quicV1)
	q, r := oneQUIC(t, spoken{packet.FromA, c.initial(cryptoFrame(0, hello))}, spoken{packet.FromA, c.opaque(quicHandshake)})
	if q.ServerSeen || q.Established || r.Established || q.ServerName == "" {
		t.Errorf("client only: %+v", q)
	}
	run := playQUIC(spoken{packet.FromB, s.initial(cryptoFrame(0, reply))}, spoken{packet.FromB, s.opaque(quicHandshake)}, spoken{packet.FromB, short()})
	if len(run.quic) != 1 || len(run.tls) != 0 || run.quic[0].ClientSeen || run.quic[0].History != "iho" || run.quic[0].Established {
		t.Errorf("server only: %+v", run.quic)
	}
}

func TestQUICZeroRTT(t *testing.T) {
	cc, sc := configs(t, 0)
	hello, reply := quicHellos(t, cc, sc)
	c, s := quicPair(quicV1)
	early := c.opaque(quicZeroRTT)
	q, r := oneQUIC(t, spoken{packet.FromA, early}, spoken{packet.FromA, append(c.initial(cryptoFrame(0, hello)), early...)}, spoken{packet.FromB, s.initial(cryptoFrame(0, reply))})
	if q.ZeroRTT != 2 || q.History != "ZISZis" || !r.EarlyData || r.EarlyDataBytes != 2*len(early) {
		t.Errorf("%+v\n%+v", q, r)
	}
}

// Of a datagram that the capture cut, the header remains.
func TestQUICCutShort(t *testing.T) {
	c, _ := quicPair(quicV1)
	run := playQUIC(spoken{packet.FromA, padded(c.initial(make([]byte, 100)))[:60]})
	if len(run.quic) != 1 || run.quic[0].History != "I" || run.quic[0].ClientSCID != hex.EncodeToString([]byte("cli")) {
		t.Errorf("%+v", run.quic)
	}
}

// Behind a packet, what is not for the same connection is filling.
func TestQUICFilling(t *testing.T) {
	cc, sc := configs(t, 0)
	hello, reply := quicHellos(t, cc, sc)
	c, s := quicPair(quicV1)
	for _, filling := range [][]byte{make([]byte, 30), short(), bytes.Repeat([]byte{0xff}, 30), s.opaque(quicHandshake)} {
		c.number, s.number = 0, 0
		q, r := oneQUIC(t, spoken{packet.FromA, append(c.initial(cryptoFrame(0, hello)), filling...)}, spoken{packet.FromB, s.initial(cryptoFrame(0, reply))})
		if q.History != "ISXis" || !r.ServerHello || r.Established {
			t.Errorf("%+v", q)
		}
	}
}

func TestQUICGoogle(t *testing.T) {
	tags := "CHLO\x03\x00\x00\x00PAD\x00\x02\x00\x00\x00SNI\x00\x07\x00\x00\x00UAID\x0b\x00\x00\x00" + "--a.testkagami"
	tags = strings.Replace(tags, "a.testkagami", "a.jp!kag", 1)
	tags = strings.Replace(tags, "SNI\x00\x07", "SNI\x00\x06", 1)
	tags = strings.Replace(tags, "UAID\x0b", "UAID\x0a", 1)
	b := append([]byte("\x09connidQ0Q043\x01hash_of_12_b\xa0\x01\x00\x00"), tags...)
	if m := matchQUIC(udpTestFlow(), packet.FromA, b); m != sensor.FromClient {
		t.Fatalf("match %v", m)
	}
	run := playQUIC(spoken{packet.FromA, b})
	if len(run.quic) != 1 || len(run.tls) != 0 {
		t.Fatalf("%+v", run)
	}
	if q := run.quic[0]; q.Version != "Q043" || q.ServerName != "a.jp" || q.UserAgent != "!kag" || q.ClientDCID != hex.EncodeToString([]byte("connidQ0")) {
		t.Errorf("%+v", q)
	}
	run = playQUIC(spoken{packet.FromA, append([]byte("\xc3Q046\x50"), make([]byte, 1300)...)})
	if len(run.quic) != 1 || run.quic[0].Version != "Q046" || run.quic[0].History != "U" {
		t.Errorf("%+v", run.quic)
	}
	b = append([]byte("\xc3Q046\x50connidQ0\x00\x00\x00\x01hash_of_12_b\xa0\x01\x00\x00"), tags...)
	run = playQUIC(spoken{packet.FromA, append(b, make([]byte, 1200)...)})
	if len(run.quic) != 1 || run.quic[0].Version != "Q046" || run.quic[0].ServerName != "a.jp" {
		t.Errorf("%+v", run.quic)
	}
}

func TestQUICLimits(t *testing.T) {
	cc, sc := configs(t, 0)
	hello, _ := quicHellos(t, cc, sc)
	t.Run("crypto stream", func(t *testing.T) {
		c, _ := quicPair(quicV1)
		far := append([]byte{quicCrypto, 0x80, 0, quicMaxCrypto >> 8 & 0xff, 0, 0x40, 1}, 0)
		if q, _ := oneQUIC(t, spoken{packet.FromA, c.initial(append(cryptoFrame(0, hello), far...))}); q.Odd != "crypto stream too long" {
			t.Errorf("%+v", q)
		}
	})
	t.Run("pieces", func(t *testing.T) {
		var g gather
		for i := range gatherMaxSpans {
			if !g.put(2*i+1, []byte{1}, 1000) {
				t.Fatalf("piece %d was refused", i)
			}
		}
		if g.put(2*gatherMaxSpans+1, []byte{1}, 1000) {
			t.Error("a piece too many was taken")
		}
	})
	t.Run("patience", func(t *testing.T) {
		run := newQUICRun()
		c, _ := quicPair(quicV1)
		for n := 1; run.d.Data(run.f, packet.FromA, c.opaque(quicZeroRTT), run.emit) == sensor.More; n++ {
			if n > quicPatience {
				t.Fatal("still waiting")
			}
		}
		if len(run.quic) != 1 || len(run.quic[0].History) > quicMaxHistory {
			t.Errorf("%+v", run.quic)
		}
	})
	t.Run("keys", func(t *testing.T) {
		run := newQUICRun()
		for i := range 2 * quicMaxRenewals {
			c, _ := quicPair(quicV1)
			c.original = fmt.Appendf(nil, "number %02d", i)
			c.dcid = c.original
			run.d.Data(run.f, packet.FromA, c.initial(cryptoFrame(0, hello)), run.emit)
		}
		run.d.Close(run.f, run.emit)
		if len(run.quic) != quicMaxRenewals {
			t.Errorf("%d connections, want %d", len(run.quic), quicMaxRenewals)
		}
	})
	t.Run("malformed frame", func(t *testing.T) {
		c, _ := quicPair(quicV1)
		if q, _ := oneQUIC(t, spoken{packet.FromA, c.initial(append(cryptoFrame(0, hello), 0x30))}); q.Odd != "malformed frame" {
			t.Errorf("%+v", q)
		}
	})
}

func TestQUICMatch(t *testing.T) {
	c, s := quicPair(quicV1)
	fromServer := *udpTestFlow()
	fromServer.Key.APort, fromServer.Key.BPort = 40000, 443
	initial := c.initial(nil)
	foreign := *c
	foreign.version = 0x12345678
	no := *s
	no.version = quicNegotiate
	for _, m := range []struct {
		name string
		side packet.Side
		b    []byte
		want sensor.Match
	}{
		{"client's Initial", packet.FromA, initial, sensor.FromClient},
		{"server's Initial", packet.FromB, s.initial(nil), sensor.FromServer},
		{"Retry", packet.FromA, s.head(quicRetry, 0), sensor.FromServer},
		{"Version Negotiation", packet.FromA, append(no.head(0, 0), 0, 0, 0, 1), sensor.FromServer},
		{"Version Negotiation of nothing", packet.FromA, no.head(0, 0), sensor.No},
		{"version that nobody has", packet.FromA, foreign.opaque(quicInitial), sensor.No},
		{"fixed bit not set", packet.FromA, append([]byte{initial[0] &^ 0x40}, initial[1:]...), sensor.No},
		{"id too long", packet.FromA, append([]byte{0xc0, 0, 0, 0, 1, 21}, make([]byte, 100)...), sensor.No},
		{"short header", packet.FromA, short(), sensor.No},
		{"six octets", packet.FromA, initial[:6], sensor.No},
		{"DNS", packet.FromA, []byte("\xb5\x24\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01"), sensor.No},
		{"RTP", packet.FromA, append([]byte{0x80, 0x60, 0, 1}, make([]byte, 160)...), sensor.No},
		{"STUN", packet.FromA, []byte("\x00\x01\x00\x00\x21\x12\xa4\x42............"), sensor.No},
		{"DTLS", packet.FromA, []byte("\x16\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x0c............"), sensor.No},
	} {
		t.Run(m.name, func(t *testing.T) {
			if got := matchQUIC(&fromServer, m.side, m.b[:min(len(m.b), sensor.MatchLimit)]); got != m.want {
				t.Errorf("got %v, want %v", got, m.want)
			}
		})
	}
}
