package decoders

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"kagami/records"
	"kagami/sensor"
)

// quicHellos are a genuine ClientHello and ServerHello as QUIC's CRYPTO frames
// carry them.
func quicHellos(tb testing.TB, cc, sc *tls.Config) (hello, reply []byte) {
	tb.Helper()
	cc.MinVersion, sc.MinVersion, cc.MaxVersion = tls.VersionTLS13, tls.VersionTLS13, tls.VersionTLS13
	c, s := tls.QUICClient(&tls.QUICConfig{TLSConfig: cc}), tls.QUICServer(&tls.QUICConfig{TLSConfig: sc})
	defer c.Close()
	defer s.Close()
	c.SetTransportParameters([]byte{1, 1, 1})
	s.SetTransportParameters([]byte{1, 1, 1})
	if err := c.Start(context.Background()); err != nil {
		tb.Fatal(err)
	}
	if err := s.Start(context.Background()); err != nil {
		tb.Fatal(err)
	}
	hello = initialData(c)
	if err := s.HandleData(tls.QUICEncryptionLevelInitial, hello); err != nil {
		tb.Fatal(err)
	}
	return hello, initialData(s)
}

// initialData is what c writes in Initial packets.
func initialData(c *tls.QUICConn) (out []byte) {
	for {
		switch e := c.NextEvent(); e.Kind {
		case tls.QUICNoEvent:
			return out
		case tls.QUICWriteData:
			if e.Level == tls.QUICEncryptionLevelInitial {
				out = append(out, e.Data...)
			}
		}
	}
}

// quicEnd is one side of a connection that a test makes packets for.
type quicEnd struct {
	version    uint32
	who        int
	original   []byte // id that the keys are made of
	dcid, scid []byte
	number     byte
}

// quicPair are a client and a server.
func quicPair(version uint32) (c, s *quicEnd) {
	original := []byte("original")
	return &quicEnd{version: version, who: client, original: original, dcid: original, scid: []byte("cli")},
		&quicEnd{version: version, who: server, original: original, dcid: []byte("cli"), scid: []byte("server")}
}

// head begins a long header of the type as QUIC 1 numbers it.
func (e *quicEnd) head(kind quicKind, low byte) []byte {
	typ := byte(kind)
	if e.version == quicV2 {
		typ = (typ + 1) & 3
	}
	b := binary.BigEndian.AppendUint32([]byte{0xc0 | typ<<4 | low}, e.version)
	b = append(append(b, byte(len(e.dcid))), e.dcid...)
	return append(append(b, byte(len(e.scid))), e.scid...)
}

// length2 is a length in two octets.
func length2(n int) []byte { return []byte{0x40 | byte(n>>8), byte(n)} }

// initial is a protected Initial packet with these frames.
func (e *quicEnd) initial(frames []byte) []byte {
	k := newQUICKeys(e.version, e.original, e.who)
	const numberLen = 2
	frames = append(frames, make([]byte, max(0, 4-len(frames)))...)
	b := append(e.head(quicInitial, numberLen-1), 0) // no token
	b = append(b, length2(numberLen+len(frames)+k.aead.Overhead())...)
	at := len(b)
	b = append(b, 0, e.number)
	nonce := k.iv
	nonce[11] ^= e.number
	e.number++
	b = k.aead.Seal(b, nonce[:], frames, bytes.Clone(b))
	k.header.Encrypt(k.mask[:], b[at+4:at+20])
	b[0] ^= k.mask[0] & 0x0f
	for i := range numberLen {
		b[at+i] ^= k.mask[1+i]
	}
	return b
}

// opaque is a packet of another kind, whose protection nobody here can take off.
func (e *quicEnd) opaque(kind quicKind) []byte {
	const n = 50
	return append(append(e.head(kind, 0), length2(n)...), make([]byte, n)...)
}

func short() []byte { return append([]byte{0x40}, make([]byte, 30)...) }

func cryptoFrame(at int, b []byte) []byte {
	return append(append(append([]byte{quicCrypto}, length2(at)...), length2(len(b))...), b...)
}

func padded(b []byte) []byte { return append(b, make([]byte, max(0, quicMinInitial-len(b)))...) }

// quicRun drives a decoder.
type quicRun struct {
	f    *sensor.Flow
	d    sensor.Decoder
	quic []*records.QUIC
	tls  []*records.TLS
}

func newQUICRun() *quicRun {
	f := *udpTestFlow()
	return &quicRun{f: &f, d: quicProtocol().New()}
}

func (r *quicRun) emit(rec records.Record) {
	switch rec := rec.(type) {
	case *records.QUIC:
		r.quic = append(r.quic, rec)
	case *records.TLS:
		r.tls = append(r.tls, rec)
	}
}

// playQUIC gives all datagrams to a fresh decoder.
func playQUIC(said ...spoken) *quicRun {
	r := newQUICRun()
	for i, s := range said {
		r.f.Now = int64(i+1) * 1e9
		if r.d.Data(r.f, s.side, s.b, r.emit) == sensor.Done {
			break
		}
	}
	r.d.Close(r.f, r.emit)
	return r
}

// oneQUIC is the only pair of records.
func oneQUIC(tb testing.TB, said ...spoken) (*records.QUIC, *records.TLS) {
	tb.Helper()
	r := playQUIC(said...)
	if len(r.quic) != 1 || len(r.tls) != 1 {
		tb.Fatalf("%d QUIC and %d TLS records, want 1 and 1", len(r.quic), len(r.tls))
	}
	return r.quic[0], r.tls[0]
}

func mustAES(tb testing.TB, key string) cipher.Block {
	tb.Helper()
	b, err := hex.DecodeString(key)
	if err != nil {
		tb.Fatal(err)
	}
	block, err := aes.NewCipher(b)
	if err != nil {
		tb.Fatal(err)
	}
	return block
}

func encryptZeros(b cipher.Block) (out [aes.BlockSize]byte) {
	b.Encrypt(out[:], out[:])
	return out
}
