package decoders

import (
	"encoding/binary"

	"kagami/packet"
	"kagami/sensor"
)

// dnsTCP is DNS over TCP: each message behind its length in two octets
// (RFC 1035 section 4.2.2, RFC 7766).
func dnsTCP() sensor.Protocol {
	return sensor.Protocol{
		Name:      "dns",
		Transport: packet.ProtoTCP,
		Match:     matchDNSStream,
		New:       func() sensor.Decoder { return new(dnsStream) },
	}
}

func matchDNSStream(f *sensor.Flow, _ packet.Side, first []byte) sensor.Match {
	if len(first) < 2 {
		return sensor.Maybe
	}
	length, msg := int(binary.BigEndian.Uint16(first)), first[2:]
	if length < dnsHeaderLen {
		return sensor.No
	}
	msg = msg[:min(length, len(msg))]
	verdict := strictDNS(msg, length)
	if dnsProtocol(&f.Key) != "" && len(msg) >= dnsHeaderLen {
		verdict = sensor.No
		if plausibleFramed(msg, length) {
			verdict = sensor.FromClient
		}
	}
	if verdict == sensor.FromClient && msg[2]&(dnsQR>>8) != 0 {
		return sensor.FromServer
	}
	return verdict
}

// plausibleFramed judges a header on DNS's own ports, or one on a stream that
// is known to be DNS: if it fails, the framing was lost or never was.
func plausibleFramed(msg []byte, length int) bool {
	counts := 0
	for i := 6; i < dnsHeaderLen; i += 2 {
		counts += int(binary.BigEndian.Uint16(msg[i:]))
	}
	return dnsOpcode(int(msg[2]>>3)) != "" && binary.BigEndian.Uint16(msg[4:]) <= 1 &&
		dnsHeaderLen+11*counts <= length
}

// dnsStream takes the messages out of one TCP connection.
type dnsStream struct {
	dnsDecoder
	sides [2]dnsFraming
}

// dnsMaxTries is how many segments are looked at for the start of a message
// after the framing was lost.
const dnsMaxTries = 16

// dnsFraming is one direction: the message being gathered, its length octets
// included, so at most 2+65535.
type dnsFraming struct {
	buf   []byte
	at    int64 // capture time of the last octet
	lost  bool  // octets are missing: where the next message begins is unknown
	tries int   // segments since then
}

// resume tells whether a segment after a loss begins with a message: servers
// write each one at once, so that most segments do.
func (s *dnsFraming) resume(data []byte) bool {
	if s.tries++; s.tries > dnsMaxTries || len(data) < 2 {
		return false
	}
	length := int(binary.BigEndian.Uint16(data))
	if strictDNS(data[2:min(2+length, len(data))], length) != sensor.FromClient {
		return false
	}
	s.buf, s.lost, s.tries = nil, false, 0
	return true
}

// Data implements sensor.Decoder.
func (d *dnsStream) Data(f *sensor.Flow, side packet.Side, data []byte, emit sensor.Emit) sensor.Verdict {
	s := &d.sides[side]
	s.at = f.Now
	if s.lost && !s.resume(data) {
		return d.verdict()
	}
	for len(data) > 0 && !s.lost {
		data = d.gather(f, side, data, emit)
	}
	return sensor.More
}

// gather takes octets up to the end of one message, or all, and returns the rest.
func (d *dnsStream) gather(f *sensor.Flow, side packet.Side, data []byte, emit sensor.Emit) []byte {
	s := &d.sides[side]
	if len(s.buf) == 0 && len(data) >= 2 { // whole in this segment: no copy
		if end := 2 + int(binary.BigEndian.Uint16(data)); len(data) >= end {
			d.framed(f, side, data[2:end], emit)
			return data[end:]
		}
	}
	want := 2
	if len(s.buf) >= 2 {
		want += int(binary.BigEndian.Uint16(s.buf))
	}
	n := min(want-len(s.buf), len(data))
	s.buf = append(s.buf, data[:n]...)
	if len(s.buf) >= 2 && len(s.buf) == 2+int(binary.BigEndian.Uint16(s.buf)) {
		d.framed(f, side, s.buf[2:], emit)
		s.buf = nil
	}
	return data[n:]
}

func (d *dnsStream) framed(f *sensor.Flow, side packet.Side, msg []byte, emit sensor.Emit) {
	if len(msg) < dnsHeaderLen || !plausibleFramed(msg, len(msg)) {
		d.sides[side].lost = true
		return
	}
	d.message(f, dnsFlavourName(f), side, msg, f.Now, false, emit)
}

// Gap implements sensor.Decoder: lengths count octets, so what follows is
// unknown until a segment begins with a message again.
func (d *dnsStream) Gap(_ *sensor.Flow, side packet.Side, _ int) sensor.Verdict {
	d.sides[side].lost = true
	return sensor.More
}

func (d *dnsStream) verdict() sensor.Verdict {
	if d.sides[0].tries > dnsMaxTries && d.sides[1].tries > dnsMaxTries {
		return sensor.Done
	}
	return sensor.More
}

// Close implements sensor.Decoder: it writes what came of unfinished messages.
func (d *dnsStream) Close(f *sensor.Flow, emit sensor.Emit) {
	for side := range packet.Side(2) {
		s := &d.sides[side]
		if len(s.buf) < 2+dnsHeaderLen {
			continue
		}
		if msg := s.buf[2:]; strictDNS(msg, int(binary.BigEndian.Uint16(s.buf))) != sensor.No {
			d.message(f, dnsFlavourName(f), side, msg, s.at, true, emit)
		}
		s.buf = nil
	}
}
