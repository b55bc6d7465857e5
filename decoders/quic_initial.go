package decoders

import (
	"bytes"

	"kagami/sensor"
)

// Frames that Initial packets may bear (RFC 9000 section 12.4).
const (
	quicPadding = 0x00
	quicPing    = 0x01
	quicACK     = 0x02
	quicACKECN  = 0x03
	quicCrypto  = 0x06
	quicClose   = 0x1c

	quicCryptoGoogle = 0x08 // of T050 and T051, whose other frames are not read
)

// quicMaxReason bounds the text kept of a CONNECTION_CLOSE frame.
const quicMaxReason = 255

// initial takes the protection off an Initial packet and reads its frames.
func (d *quicDecoder) initial(f *sensor.Flow, who int, p *quicPacket, b []byte, emit sensor.Emit) {
	frames, ok := d.open(d.key(who, p.version), p, b)
	if !ok && who == client && len(p.dcid) > 0 && !bytes.Equal(p.dcid, d.dcid) {
		if d.renewals >= quicMaxRenewals {
			odd(d.r, "too many keys")
			return
		}
		d.renewals++
		k := newQUICKeys(p.version, p.dcid, client)
		if frames, ok = d.open(k, p, b); ok {
			d.renew(f, p, k, emit)
		}
	}
	if ok {
		d.frames(who, frames, f.Now)
	}
}

// key is what protects the Initial packets of one side. The version may change
// under way, the connection id that keys are made of does not (RFC 9369 section
// 4.1).
func (d *quicDecoder) key(who int, version uint32) *quicKeys {
	k := d.keys[who]
	if d.dcid == nil || k != nil && k.version == version || d.renewals >= quicMaxRenewals {
		return k
	}
	d.renewals++
	d.keys[who] = newQUICKeys(version, d.dcid, who)
	return d.keys[who]
}

// open decrypts a packet in a copy: the datagram is borrowed.
func (d *quicDecoder) open(k *quicKeys, p *quicPacket, b []byte) ([]byte, bool) {
	if k == nil {
		return nil, false
	}
	d.buf = append(d.buf[:0], b...)
	return k.open(d.buf, p.number)
}

// renew goes on with keys made of another connection id: that of the first
// packet, of one after a Retry, or of another connection on the same ports.
func (d *quicDecoder) renew(f *sensor.Flow, p *quicPacket, k *quicKeys, emit sensor.Emit) {
	if d.r.ClientHello && !d.retried {
		d.Close(f, emit)
		next := newQUICDecoder()
		next.datagrams, next.renewals, next.buf = d.datagrams, d.renewals, d.buf
		next.q.Start, next.r.Start, next.q.End = f.Now, f.Now, f.Now
		*d = *next
		d.header(client, p)
		d.note(client, 'I')
	}
	d.dcid = bytes.Clone(p.dcid)
	d.keys = [2]*quicKeys{client: k}
	if d.retried { // the ClientHello comes once more
		d.tlsHandshake.noted = 0
	}
	d.retried = false
	for who := range d.crypto {
		d.crypto[who].reset()
		d.read[who] = 0
	}
}

// frames reads the frames of an Initial packet.
func (d *quicDecoder) frames(who int, b []byte, now int64) {
	google := quicGoogle(d.q.VersionNumber)
	w := wire{b: b}
	for len(w.b) > 0 && !w.bad {
		typ := w.varint()
		if google && typ == quicCryptoGoogle {
			typ = quicCrypto
		}
		switch typ {
		case quicPadding, quicPing:
		case quicACK:
			w.skipACK(0)
		case quicACKECN:
			const counts = 3
			w.skipACK(counts)
		case quicCrypto:
			at := w.varint()
			if piece := w.take(w.varint()); !w.bad && len(piece) > 0 {
				d.piece(who, at, piece, now)
			}
		case quicClose:
			d.closed(who, &w)
		default:
			w.bad = true
		}
	}
	if w.bad && !google {
		odd(d.r, "malformed frame")
	}
}

// skipACK passes over an ACK frame (RFC 9000 section 19.3).
func (w *wire) skipACK(counts int) {
	w.varint() // largest acknowledged
	w.varint() // delay
	n := w.varint()
	w.varint() // first range
	for i := 0; i < 2*n+counts && !w.bad; i++ {
		w.varint()
	}
}

// piece takes a CRYPTO frame and reads the handshake's messages as they become
// whole.
func (d *quicDecoder) piece(who, at int, piece []byte, now int64) {
	g := &d.crypto[who]
	if !g.put(at, piece, quicMaxCrypto) {
		odd(d.r, "crypto stream too long")
		return
	}
	for {
		b := g.ready()[d.read[who]:]
		const header = 4
		if len(b) < header || len(b) < header+uint24(b[1:]) {
			return
		}
		n := header + uint24(b[1:])
		d.read[who] += n
		d.said(who, b[0], b[header:n], now)
	}
}

// said takes a whole message.
func (d *quicDecoder) said(who int, typ byte, body []byte, now int64) {
	if typ == helloClient || typ == helloServer {
		d.note(who, 'S')
	}
	d.message(who, typ, body, now)
}

// closed reads a CONNECTION_CLOSE frame (RFC 9000 section 19.19). Errors of the
// TLS handshake bear its alert (RFC 9001 section 4.8).
func (d *quicDecoder) closed(who int, w *wire) {
	const cryptoError, fatal = 0x100, 2
	code := w.varint()
	w.varint() // frame type
	reason := w.take(w.varint())
	if w.bad {
		return
	}
	d.note(who, 'C')
	if d.q.CloseFrom == "" {
		d.q.CloseFrom, d.q.CloseCode = peerName(who), uint64(code)
		d.q.CloseReason = string(appendVisible(nil, reason[:min(len(reason), quicMaxReason)], ""))
	}
	if code >= cryptoError && code < cryptoError+256 {
		d.alert(who, fatal, byte(code-cryptoError))
	}
	d.over = true
}
