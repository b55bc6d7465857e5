package decoders

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Versions of QUIC (RFC 9000 section 15, RFC 9369, and what came before).
const (
	quicV1        = 1
	quicV2        = 0x6b3343cf
	quicDraft     = 0xff000000 // and the draft's number
	quicMvfst27   = 0xfaceb002 // Facebook's, with the keys of draft 27
	quicT050      = 0x54303530 // Google's, with TLS
	quicT051      = 0x54303531
	quicNegotiate = 0 // not a version: a Version Negotiation packet
)

// quicMaxID bounds a connection id (RFC 9000 section 17.2).
const quicMaxID = 20

// quicKind is the type of a packet.
type quicKind uint8

const (
	quicInitial quicKind = iota
	quicZeroRTT
	quicHandshake
	quicRetry
	quicNegotiation
	quicShort
	quicForeign // long header of a version whose packets are not known
)

// quicPacket is one packet of a datagram.
//
//	long:  1 1 type(2) pn length(4 bits, protected) version(4) dcid(1+n) scid(1+n) |
//	       Initial: token(v+n); all but Retry: length(v) packet number, payload
//	short: 0 1 ...
type quicPacket struct {
	kind       quicKind
	version    uint32
	dcid, scid []byte
	rest       []byte // Version Negotiation: the versions
	number     int    // where the packet number begins
	size       int    // octets in the datagram
}

// readQUIC reads a packet's header as far as it is in clear. What cannot be QUIC
// gives false. The fixed bit says nothing once a connection is known: peers that
// have agreed to send it at random (RFC 9287).
func readQUIC(b []byte) (p quicPacket, ok bool) {
	if len(b) == 0 {
		return p, false
	}
	if b[0]&0x80 == 0 {
		p.kind, p.size = quicShort, len(b)
		return p, true
	}
	w := wire{b: b}
	first := w.uint8()
	p.version = uint32(w.uint16())<<16 | uint32(w.uint16())
	if quicGoogle(p.version) && !quicKnown(p.version) { // ids in another form
		p.kind, p.size = quicForeign, len(b)
		return p, !w.bad
	}
	p.dcid, p.scid = w.vector8(), w.vector8()
	if w.bad {
		return p, false
	}
	p.kind = quicKindOf(first, p.version)
	p.size = len(b)
	switch p.kind {
	case quicNegotiation:
		p.rest = w.b
	case quicForeign:
	case quicRetry:
		const tag = 16
		if len(w.b) < tag {
			return p, false
		}
	default:
		if p.kind == quicInitial {
			w.take(w.varint())
		}
		n := w.varint()
		p.number = len(b) - len(w.b)
		p.size = min(p.number+n, len(b)) // the capture may have cut it
	}
	known := p.kind != quicNegotiation && p.kind != quicForeign
	return p, !w.bad && !(known && (len(p.dcid) > quicMaxID || len(p.scid) > quicMaxID))
}

// follows tells whether a packet, which begins b, may stand behind another one to
// dcid: what does not is a datagram's filling (RFC 9000 section 12.2).
func (p *quicPacket) follows(b, dcid []byte) bool {
	if p.kind == quicShort {
		return bytes.HasPrefix(b[1:], dcid)
	}
	return bytes.Equal(p.dcid, dcid)
}

// quicKindOf is the packet's type, which QUIC 2 counts from another end (RFC 9369
// section 3.2).
func quicKindOf(first int, version uint32) quicKind {
	switch {
	case version == quicNegotiate:
		return quicNegotiation
	case !quicKnown(version):
		return quicForeign
	case version == quicV2:
		return quicKind(first>>4-1) & 3
	}
	return quicKind(first>>4) & 3
}

// varint reads a variable-length integer (RFC 9000 section 16); what no datagram
// can hold is as much as nothing to read.
func (w *wire) varint() int {
	first := w.uint8()
	v := uint64(first & 0x3f)
	for _, c := range w.take(1<<(first>>6) - 1) {
		v = v<<8 | uint64(c)
	}
	if v > 1<<24 {
		w.bad, w.b = true, nil
		return 0
	}
	return int(v)
}

// quicKnown tells whether a version's packets look as in RFC 9000, and its keys
// are known.
func quicKnown(version uint32) bool { return quicSalt(version) != "" }

// quicVersionName is a version as records bear it.
func quicVersionName(v uint32) string {
	switch {
	case v == quicV1:
		return "1"
	case v == quicV2:
		return "2"
	case v == quicMvfst27:
		return "mvfst-27"
	case v>>8 == quicDraft>>8:
		return fmt.Sprintf("draft-%d", v&0xff)
	case quicGoogle(v):
		return string(binary.BigEndian.AppendUint32(nil, v))
	}
	return fmt.Sprintf("0x%08x", v)
}

// quicGoogle tells whether v is a version of Google's, Q or T and a number.
func quicGoogle(v uint32) bool {
	c := byte(v >> 24)
	return (c == 'Q' || c == 'T') && digit(byte(v>>16)) && digit(byte(v>>8)) && digit(byte(v))
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// quicPlausible tells whether v is a version that is in use, or one of those that
// only call for negotiation (RFC 9000 section 15).
func quicPlausible(v uint32) bool {
	return quicKnown(v) || quicGoogle(v) || v>>8 == quicDraft>>8 || v>>8 == quicMvfst27>>8 || v&0x0f0f0f0f == 0x0a0a0a0a
}
