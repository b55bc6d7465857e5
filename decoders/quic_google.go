package decoders

import (
	"encoding/binary"

	"kagami/records"
	"kagami/sensor"
)

// Google's QUIC before TLS has public headers of its own up to Q043, later the long
// header:
//
//	flags(1) connection id(8) version(4) [nonce(32)] packet number(1, 2, 4 or 6) | hash(12) frames
//
// The frames of the first packets are in clear; the client's hello is a list of
// tagged values ("CHLO").
const (
	gquicVersionFlag = 0x01
	gquicResetFlag   = 0x02
	gquicIDFlag      = 0x08
	gquicHead        = 1 + 8 + 4
	gquicMaxTags     = 64
)

// matchGQUIC knows the client's first packets: later ones bear no version.
func matchGQUIC(b []byte) sensor.Match {
	if len(b) < gquicHead || b[0]&(gquicVersionFlag|gquicIDFlag|gquicResetFlag|0x40) != gquicVersionFlag|gquicIDFlag ||
		!quicGoogle(binary.BigEndian.Uint32(b[gquicHead-4:])) {
		return sensor.No
	}
	return sensor.FromClient
}

// gquic reads the first packet of a connection, which is all there is to tell.
func (d *quicDecoder) gquic(b []byte) {
	const header = 1 + 4 // of a long header: flags and version
	if len(b) >= header && b[0]&0x80 != 0 && quicGoogle(binary.BigEndian.Uint32(b[1:])) {
		d.gquicHello(b[header:])
	}
	if matchGQUIC(b) == sensor.No {
		return
	}
	q := d.q
	q.VersionNumber = binary.BigEndian.Uint32(b[gquicHead-4:])
	q.Version = quicVersionName(q.VersionNumber)
	q.ClientSeen, q.ClientDCID = true, records.Hex(b[1:9])
	d.gquicHello(b[gquicHead:])
	d.note(client, 'I')
	d.over = true
}

// gquicHello finds the client's hello in the first packet's frames.
func (d *quicDecoder) gquicHello(b []byte) {
	const tag, header = 4, 8 // CHLO, count(2) padding(2)
	at := indexTag(b, "CHLO")
	if at < 0 || len(b) < at+header {
		return
	}
	n := int(binary.LittleEndian.Uint16(b[at+tag:]))
	list := b[at+header:]
	if n > gquicMaxTags || len(list) < n*header {
		return
	}
	values, from := list[n*header:], 0
	for i := range n {
		to := int(binary.LittleEndian.Uint32(list[i*header+tag:]))
		if to < from || to > len(values) {
			return
		}
		switch value := values[from:to]; string(list[i*header : i*header+tag]) {
		case "SNI\x00":
			d.q.ServerName = string(value[:min(len(value), tlsMaxName)])
		case "UAID":
			d.q.UserAgent = string(value[:min(len(value), tlsMaxName)])
		}
		from = to
	}
}

// indexTag is where the tag stands within the first octets, -1 if it does not.
func indexTag(b []byte, tag string) int {
	const within = 128
	for i := 0; i+len(tag) <= min(len(b), within); i++ {
		if string(b[i:i+len(tag)]) == tag {
			return i
		}
	}
	return -1
}
