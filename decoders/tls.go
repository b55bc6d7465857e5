package decoders

import (
	"encoding/binary"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

const (
	// tlsPatience bounds the octets of one direction that are looked through:
	// behind them no handshake has anything more to say in clear.
	tlsPatience = 256 << 10
	// tlsMaxMessage bounds a handshake message that is gathered. Certificate
	// chains with post-quantum signatures stay under it.
	tlsMaxMessage = 128 << 10
	// tlsMaxRecord is the longest record body (RFC 5246 section 6.2.3).
	tlsMaxRecord = 1<<14 + 2048
	// tlsMinFlight is the shortest TLS 1.3 record with which a client goes on: a
	// Certificate without certificates is 4 octets of header, 1 of context, 3 of
	// list, 1 of type, 16 of tag. A client that answers the server with less sends
	// an alert.
	tlsMinFlight = 4 + 1 + 3 + 1 + 16
)

// tlsProtocol is SSL 3.0 to TLS 1.3 over TCP, on any port.
func tlsProtocol() sensor.Protocol {
	return sensor.Protocol{
		Name:      "tls",
		Transport: packet.ProtoTCP,
		Encrypted: true,
		Match:     matchTLS,
		New:       func() sensor.Decoder { return newTLSDecoder() },
	}
}

func matchTLS(_ *sensor.Flow, _ packet.Side, b []byte) sensor.Match {
	if b[0]&0x80 != 0 {
		return matchSSLv2(b)
	}
	for i, c := range b[:min(len(b), 3)] {
		if i == 0 && c != recordHandshake || i == 1 && c != 3 || i == 2 && c > 4 {
			return sensor.No
		}
	}
	if len(b) < 6 {
		return sensor.Maybe
	}
	record, typ := int(binary.BigEndian.Uint16(b[3:])), b[5]
	if record == 0 || record > tlsMaxRecord || typ != helloClient && typ != helloServer {
		return sensor.No
	}
	if record >= 6 { // the message's length and version stand in this record
		if len(b) < 11 {
			return sensor.Maybe
		}
		// version, random, session id's length and a cipher suite at least
		const least = 2 + 32 + 2
		if n := uint24(b[6:]); n < least || n > tlsMaxMessage || b[9] != 3 && (b[9] != 0x7f || typ == helloClient) {
			return sensor.No
		}
	}
	if typ == helloServer {
		return sensor.FromServer
	}
	return sensor.FromClient
}

func uint24(b []byte) int { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }

// tlsDecoder follows one connection until its handshake has nothing more to say.
type tlsDecoder struct {
	tlsHandshake
	sides [2]tlsSide
}

func newTLSDecoder() *tlsDecoder {
	return &tlsDecoder{tlsHandshake: tlsHandshake{r: records.NewTLS(records.Meta{})}}
}

// Data implements sensor.Decoder.
func (d *tlsDecoder) Data(f *sensor.Flow, side packet.Side, data []byte, emit sensor.Emit) sensor.Verdict {
	if d.r.Start == 0 {
		d.r.Start = f.Now
	}
	d.feed(role(f, side), data, f.Now)
	if d.over {
		d.Close(f, emit)
		return sensor.Done
	}
	return sensor.More
}

func role(f *sensor.Flow, side packet.Side) int {
	if side == f.Orig {
		return client
	}
	return server
}

// Gap implements sensor.Decoder. Only octets of an encrypted record can be
// missed without harm.
func (d *tlsDecoder) Gap(f *sensor.Flow, side packet.Side, n int) sensor.Verdict {
	who := role(f, side)
	s := &d.sides[who]
	switch {
	case s.lost:
	case s.left >= n && s.opaque():
		s.skip(n)
	default:
		s.lost, d.r.Gap = true, true
		// Only the server's half can tell how the handshake ends.
		d.over = d.over || who == server || d.sides[server].lost || d.sides[server].encrypted
	}
	if d.over {
		return sensor.Done
	}
	return sensor.More
}

// Close implements sensor.Decoder: it writes the record if there was a
// handshake.
func (d *tlsDecoder) Close(f *sensor.Flow, emit sensor.Emit) { d.finish(f, emit) }

// changeCipher: from here on this side of TLS 1.2 and below is encrypted. In TLS
// 1.3 the message means nothing (RFC 8446 section 5).
func (d *tlsDecoder) changeCipher(who int) {
	d.note(who, 'i')
	if isTLS13(d.version) {
		return
	}
	d.sides[who].encrypted = true
	d.cipherChanged(who)
	d.settle()
}

// settle ends the handshake when both sides are encrypted, or nothing more can
// be known of the one that is not.
func (d *tlsDecoder) settle() {
	if d.sides[client].encrypted && d.sides[server].encrypted {
		d.establish()
	}
	d.over = d.over || d.sides[server].encrypted && d.sides[client].lost
}

// application is the header of a record of application data, which in TLS 1.3
// may hide anything (RFC 8446 section 5.2).
func (d *tlsDecoder) application(who, length int) {
	if who == client && !d.r.ServerHello { // early data, or the server is not seen
		if d.r.EarlyData {
			d.r.EarlyDataBytes += length
		}
		return
	}
	s := &d.sides[who]
	if !s.encrypted && isTLS13(d.version) && who == client && length < tlsMinFlight {
		d.over = true
		return
	}
	s.encrypted = true
	d.settle()
}
