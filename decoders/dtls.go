package decoders

import (
	"encoding/binary"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

const (
	// dtlsPatience bounds the datagrams of one flow that are looked at.
	dtlsPatience = 256
	// dtlsRecordHead and dtlsMessageHead are the octets of the headers:
	//
	//	record:  type(1) version(2) epoch(2) number(6) length(2) | body
	//	message: type(1) length(3) sequence(2) offset(3) fragment length(3) | fragment
	dtlsRecordHead  = 13
	dtlsMessageHead = 12

	recordCID = 25 // RFC 9146: encrypted, with a connection id of unknown length
	recordACK = 26 // RFC 9147 section 7
)

// dtlsProtocol is DTLS 1.0, 1.2 and 1.3 (RFC 4347, RFC 6347, RFC 9147).
func dtlsProtocol() sensor.Protocol {
	return sensor.Protocol{
		Name:      "dtls",
		Transport: packet.ProtoUDP,
		Encrypted: true,
		Match:     matchDTLS,
		New:       func() sensor.Decoder { return newDTLSDecoder() },
	}
}

func matchDTLS(_ *sensor.Flow, _ packet.Side, b []byte) sensor.Match {
	const header = dtlsRecordHead + dtlsMessageHead
	if len(b) < header || b[0] != recordHandshake || !dtlsVersion(b[1:]) || b[3] != 0 || b[4] != 0 {
		return sensor.No
	}
	record, m := int(binary.BigEndian.Uint16(b[11:])), b[dtlsRecordHead:]
	length, at, n := uint24(m[1:]), uint24(m[6:]), uint24(m[9:])
	if record < dtlsMessageHead+n || n == 0 || at+n > length || length > tlsMaxMessage {
		return sensor.No
	}
	if body := m[dtlsMessageHead:]; at == 0 && len(body) >= 2 && !dtlsVersion(body) {
		return sensor.No
	}
	switch m[0] {
	case helloClient:
		return sensor.FromClient
	case helloServer, helloVerify:
		return sensor.FromServer
	}
	return sensor.No
}

func dtlsVersion(b []byte) bool {
	v := binary.BigEndian.Uint16(b)
	return v == versionDTLS10 || v == versionDTLS12 || v == versionDTLS13 || v == versionDTLSOld
}

// dtlsDecoder follows one association until its handshake has nothing more to say.
type dtlsDecoder struct {
	tlsHandshake
	sides     [2]dtlsSide
	held      int // octets of messages that are being put together
	datagrams int
}

func newDTLSDecoder() *dtlsDecoder {
	d := &dtlsDecoder{tlsHandshake: tlsHandshake{r: records.NewTLS(records.Meta{})}}
	d.r.Protocol = "dtls"
	return d
}

// Data implements sensor.Decoder.
func (d *dtlsDecoder) Data(f *sensor.Flow, side packet.Side, data []byte, emit sensor.Emit) sensor.Verdict {
	if d.r.Start == 0 {
		d.r.Start = f.Now
	}
	d.datagrams++
	d.datagram(role(f, side), data, f.Now)
	if d.over || d.datagrams >= dtlsPatience {
		d.Close(f, emit)
		return sensor.Done
	}
	return sensor.More
}

// Gap implements sensor.Decoder; datagrams have none.
func (d *dtlsDecoder) Gap(*sensor.Flow, packet.Side, int) sensor.Verdict { return sensor.More }

// Close implements sensor.Decoder.
func (d *dtlsDecoder) Close(f *sensor.Flow, emit sensor.Emit) {
	if !d.written {
		d.flush(client, d.r.End)
		d.flush(server, d.r.End)
	}
	d.finish(f, emit)
}

// datagram reads the records of one datagram.
func (d *dtlsDecoder) datagram(who int, b []byte, now int64) {
	for len(b) > 0 && !d.over {
		if unified := b[0]&0xe0 == 0x20; unified || b[0] == recordCID { // RFC 9147 section 4: how long it is may not be known
			d.encrypted(who, now)
			return
		}
		if len(b) < dtlsRecordHead || b[0] < recordChangeCipherSpec || b[0] > recordACK || !dtlsVersion(b[1:]) {
			return // another protocol on the same ports, as with WebRTC (RFC 7983)
		}
		n := int(binary.BigEndian.Uint16(b[11:]))
		body := b[dtlsRecordHead:]
		if n > len(body) {
			odd(d.r, "record cut short")
			n = len(body)
		}
		if b[3] == 0 && b[4] == 0 {
			d.record(who, b[0], body[:n], now)
		} else {
			d.encrypted(who, now)
		}
		b = body[n:]
	}
}

// record reads a record of epoch 0, which is in clear.
func (d *dtlsDecoder) record(who int, typ byte, body []byte, now int64) {
	switch typ {
	case recordHandshake:
		d.fragments(who, body, now)
	case recordChangeCipherSpec:
		d.note(who, 'i')
		d.flush(who, now)
		if !d.sides[client].encrypted { // a full handshake's client comes first
			d.cipherChanged(who)
		}
		d.encrypted(who, now)
	case recordAlert:
		if len(body) == 2 {
			d.alert(who, body[0], body[1])
		}
	case recordHeartbeat:
		d.note(who, 'b')
	}
}

// encrypted: this side's records cannot be read from here on.
func (d *dtlsDecoder) encrypted(who int, now int64) {
	d.flush(who, now)
	d.sides[who].encrypted = true
	if d.sides[client].encrypted && d.sides[server].encrypted {
		d.establish()
	}
}
