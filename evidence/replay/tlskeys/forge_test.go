package tlskeys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"kagami/packet"
)

// forge makes TLS 1.3 connections that no library here makes: it seals records with
// secrets of its own, and needs no key exchange, as a reader of key logs cannot tell.
type forge struct {
	t      testing.TB
	log    strings.Builder
	parts  []part
	random random
	seal   [2]*sealer
}

type sealer struct {
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

func newForge(t testing.TB) *forge {
	return &forge{t: t, random: sha256.Sum256([]byte("client"))}
}

func (f *forge) sealer(secret []byte) *sealer {
	key, err := expandLabel(sha256.New, secret, "key", 16)
	if err != nil {
		f.t.Fatal(err)
	}
	iv, _ := expandLabel(sha256.New, secret, "iv", nonceLen)
	block, _ := aes.NewCipher(key)
	aead, _ := cipher.NewGCM(block)
	return &sealer{secret: secret, aead: aead, iv: iv}
}

// keys changes a side to the keys of a label, and writes them to the log.
func (f *forge) keys(side packet.Side, label string) {
	fmt.Fprintf(&f.log, "%s %x %s\n", label, f.random, f.quietly(side, label))
}

// quietly changes a side to keys that the log does not get.
func (f *forge) quietly(side packet.Side, label string) string {
	secret := sha256.Sum256([]byte(label))
	f.seal[side] = f.sealer(secret[:])
	return hex.EncodeToString(secret[:])
}

func (f *forge) clear(side packet.Side, typ uint8, body []byte) {
	f.parts = append(f.parts, part{side, append(appendHeader(nil, record{typ: typ, version: version12}, len(body)), body...)})
}

// sealed sends a record: content, its type, and octets of padding.
func (f *forge) sealed(side packet.Side, typ uint8, content []byte, padding int) {
	s := f.seal[side]
	inner := append(append([]byte{}, content...), typ)
	inner = append(inner, make([]byte, padding)...)
	head := appendHeader(nil, record{typ: typeData, version: version12}, len(inner)+s.aead.Overhead())
	nonce := append([]byte{}, s.iv...)
	for i := range 8 {
		nonce[4+i] ^= byte(s.seq >> (56 - 8*i))
	}
	s.seq++
	f.parts = append(f.parts, part{side, s.aead.Seal(head, nonce, inner, head)})
}

func (f *forge) data(side packet.Side, s string) { f.sealed(side, typeData, []byte(s), 0) }

func (f *forge) message(side packet.Side, typ uint8, body []byte) {
	f.sealed(side, typeHandshake, message(typ, body), 0)
}

func (f *forge) keyUpdate(side packet.Side) {
	f.message(side, msgKeyUpdate, []byte{0})
	next, err := expandLabel(sha256.New, f.seal[side].secret, "traffic upd", 32)
	if err != nil {
		f.t.Fatal(err)
	}
	f.seal[side] = f.sealer(next)
}

func message(typ uint8, body []byte) []byte {
	return append([]byte{typ, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)
}

func extension(typ uint16, data ...byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, typ)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(data))), data...)
}

func extensions(all ...[]byte) []byte {
	b := []byte{0, 0}
	for _, e := range all {
		b = append(b, e...)
	}
	binary.BigEndian.PutUint16(b, uint16(len(b)-2))
	return b
}

func (f *forge) clientHello(all ...[]byte) {
	body := append([]byte{3, 3}, f.random[:]...)
	body = append(body, 0, 0, 2, 0x13, 0x01, 1, 0)
	f.clear(client, typeHandshake, message(msgClientHello, append(body, extensions(all...)...)))
}

func (f *forge) serverHello(r random, all ...[]byte) {
	body := append([]byte{3, 3}, r[:]...)
	body = append(body, 0, 0x13, 0x01, 0)
	all = append(all, extension(extSupportedVersions, 3, 4))
	f.clear(server, typeHandshake, message(msgServerHello, append(body, extensions(all...)...)))
}

// flight is the server's from the ServerHello on; take says whether it takes early
// data.
func (f *forge) flight(psk, take bool) {
	var hello, encrypted [][]byte
	if psk {
		hello = append(hello, extension(extPreSharedKey, 0, 0))
	}
	if take {
		encrypted = append(encrypted, extension(extEarlyData))
	}
	f.serverHello(random{}, hello...)
	f.clear(server, typeSwitch, []byte{1})
	f.keys(server, "SERVER_HANDSHAKE_TRAFFIC_SECRET")
	f.message(server, msgEncryptedExts, extensions(encrypted...))
	f.message(server, msgFinished, make([]byte, 32))
	f.keys(server, "SERVER_TRAFFIC_SECRET_0")
}

func (f *forge) clientFinished() {
	f.keys(client, "CLIENT_HANDSHAKE_TRAFFIC_SECRET")
	f.message(client, msgFinished, make([]byte, 32))
	f.keys(client, "CLIENT_TRAFFIC_SECRET_0")
}

// simple is a connection up to the application data.
func simple(t testing.TB) *forge {
	f := newForge(t)
	f.clientHello()
	f.flight(false, false)
	f.clientFinished()
	return f
}

func (f *forge) keyLog() *Log {
	log, err := Parse(strings.NewReader(f.log.String()))
	if err != nil || log.BadLines > 0 {
		f.t.Fatal(err, log.Bad)
	}
	return log
}

func (f *forge) replay() (*sink, Report) { return replay(f.keyLog(), f.parts, 0) }

func (f *forge) expect(wantClient, wantServer string) Report {
	f.t.Helper()
	out, r := f.replay()
	if got := string(out.plain[client]); got != wantClient {
		f.t.Errorf("client: got %q, want %q; %+v", got, wantClient, r.Sides[client])
	}
	if got := string(out.plain[server]); got != wantServer {
		f.t.Errorf("server: got %q, want %q; %+v", got, wantServer, r.Sides[server])
	}
	return r
}
