package decoders

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"strings"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// Limits of one WebSocket connection.
const (
	maxSocketFrames = 16 << 10 // frames of both sides that are counted; then the connection is left alone
	maxSocketOctets = 64 << 20 // octets of payload of both sides, likewise
	maxSocketNames  = 32       // subprotocols and extensions kept of each field
	maxControl      = 125      // octets of a control frame's payload (RFC 6455 section 5.5)
	maxSocketHead   = 14       // octets of a frame's header
)

const webSocketName = "websocket" // in Upgrade and :protocol

// Opcodes (RFC 6455 section 5.2).
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa
)

// Violations of RFC 6455: records.WebSocket.Odd.
const (
	oddAccept       = "wrong accept key"
	oddOpcode       = "reserved opcode"
	oddReserved     = "reserved bits set"
	oddUnmasked     = "unmasked client frame"
	oddMasked       = "masked server frame"
	oddControl      = "bad control frame"
	oddContinued    = "continuation without a message"
	oddUncontinued  = "message inside a message"
	oddSocketLength = "bad frame length"
	oddCloseCode    = "bad close code"
	oddAfterClose   = "frame after close"
)

// webSocketOffer is what a request says of the connection that it asks for.
type webSocketOffer struct{ key, protocols, extensions string }

// newOffer is nil when the request does not ask for a WebSocket.
func newOffer(head *httpHead) *webSocketOffer {
	if head.wsKey == nil && head.wsProtocol == nil && head.wsExtension == nil {
		return nil
	}
	return &webSocketOffer{string(head.wsKey), string(head.wsProtocol), string(head.wsExtension)}
}

// webSocketDecoder reads the frames of RFC 6455 behind their handshake: headers
// and Close frames, no other payload.
type webSocketDecoder struct {
	record records.WebSocket
	client packet.Side
	began  bool
	sides  [2]webSocketSide // client, server
	enough bool
}

// webSocketSide is one direction.
type webSocketSide struct {
	counts  *records.WebSocketSide
	head    [maxSocketHead]byte
	n       int    // octets of it
	remain  uint64 // octets to come of the payload
	opcode  byte
	open    bool // a fragmented message is under way
	closed  bool // it sent Close
	lost    bool // where frames begin is not known
	mask    [4]byte
	at      int              // octets of the payload that were seen, of a Close frame
	closing [maxControl]byte // a Close frame's payload
}

// newWebSocket begins behind the handshake x whose response has the header section head.
func newWebSocket(x *httpExchange, head *httpHead) *webSocketDecoder {
	d := &webSocketDecoder{}
	r := &d.record
	r.Start, r.End, r.Depth, r.Stream = x.ResponseFrom, x.ResponseFrom, x.Depth, x.Stream
	r.Host, r.URI, r.URL, r.UserAgent, r.Origin = x.Host, x.Target, x.URL, x.UserAgent, x.Origin
	r.Subprotocol = string(head.wsProtocol)
	r.ServerExtensions = listOf(string(head.wsExtension))
	r.Compressed = bytes.Contains(head.wsExtension, []byte("permessage-deflate"))
	if o := x.offer; o != nil {
		r.ClientProtocols, r.ClientExtensions = listOf(o.protocols), listOf(o.extensions)
		if o.key != "" && x.Stream == 0 && string(head.wsAccept) != acceptKey(o.key) {
			d.note(oddAccept)
		}
	}
	d.sides[0].counts, d.sides[1].counts = &r.Client, &r.Server
	return d
}

// acceptKey answers a client's key (RFC 6455 section 4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// listOf divides a field's value at its commas.
func listOf(field string) (list []string) {
	for item := range strings.SplitSeq(field, ",") {
		if item = strings.TrimSpace(item); item != "" && len(list) < maxSocketNames {
			list = append(list, item)
		}
	}
	return list
}

func (d *webSocketDecoder) note(odd string) {
	if d.record.Odd == "" {
		d.record.Odd = odd
	}
}

// Data implements sensor.Decoder.
func (d *webSocketDecoder) Data(f *sensor.Flow, side packet.Side, data []byte, _ sensor.Emit) sensor.Verdict {
	s := d.side(f, side)
	for len(data) > 0 && !s.lost && !d.enough {
		data = data[d.step(f, s, data):]
	}
	return d.verdict()
}

// Gap implements sensor.Decoder.
func (d *webSocketDecoder) Gap(f *sensor.Flow, side packet.Side, n int) sensor.Verdict {
	s := d.side(f, side)
	if s.lost || d.enough {
		return d.verdict()
	}
	d.record.Gap = true
	if s.n == 0 && uint64(n) <= s.remain && s.opcode != opClose {
		s.remain -= uint64(n)
		s.counts.Bytes += uint64(n)
	} else {
		s.lost = true
	}
	return d.verdict()
}

// Close implements sensor.Decoder.
func (d *webSocketDecoder) Close(f *sensor.Flow, emit sensor.Emit) {
	d.record.Cut = d.enough
	d.record.Stamp(f.Meta())
	emit(&d.record)
}

func (d *webSocketDecoder) side(f *sensor.Flow, side packet.Side) *webSocketSide {
	if !d.began {
		d.began, d.client = true, f.Orig
	}
	if side == d.client {
		return &d.sides[0]
	}
	return &d.sides[1]
}

// verdict says Enough when no frame is counted any more.
func (d *webSocketDecoder) verdict() sensor.Verdict {
	if d.enough || d.sides[0].lost && d.sides[1].lost {
		return sensor.Enough
	}
	return sensor.More
}

// step reads some of data and returns how many octets, at least 1.
func (d *webSocketDecoder) step(f *sensor.Flow, s *webSocketSide, data []byte) int {
	if s.remain > 0 {
		n := int(min(uint64(len(data)), s.remain))
		if s.opcode == opClose {
			s.at += copy(s.closing[s.at:], data[:n])
		}
		d.record.End = f.Now
		s.counts.Bytes += uint64(n)
		if s.remain -= uint64(n); s.remain == 0 {
			d.endFrame(s)
		}
		return n
	}
	n := copy(s.head[s.n:s.headLen()], data)
	if s.n += n; s.n == s.headLen() { // after two octets, it may be longer
		d.record.End = f.Now
		d.beginFrame(s)
	}
	return n
}

// headLen is the length of the frame's header as far as is known.
func (s *webSocketSide) headLen() int {
	if s.n < 2 {
		return 2
	}
	n := 2
	switch s.head[1] & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if s.head[1]&0x80 != 0 {
		n += 4
	}
	return n
}

// beginFrame follows a frame's header.
func (d *webSocketDecoder) beginFrame(s *webSocketSide) {
	h := s.head[:s.n]
	s.n, s.opcode, s.at = 0, h[0]&15, 0
	masked := h[1]&0x80 != 0
	if masked {
		copy(s.mask[:], h[len(h)-4:])
	}
	switch h[1] & 0x7f {
	case 126:
		s.remain = uint64(binary.BigEndian.Uint16(h[2:]))
	case 127:
		s.remain = binary.BigEndian.Uint64(h[2:])
	default:
		s.remain = uint64(h[1] & 0x7f)
	}
	d.check(s, masked, h[0])
	d.count(s, h[0])
	if s.remain == 0 && !s.lost {
		d.endFrame(s)
	}
}

// check notes what a frame's header must not be.
func (d *webSocketDecoder) check(s *webSocketSide, masked bool, first byte) {
	final, control := first&0x80 != 0, s.opcode >= opClose
	switch {
	case s.remain>>63 != 0:
		d.note(oddSocketLength)
		s.lost = true
	case s.closed:
		d.note(oddAfterClose)
	case s.opcode > opPong || s.opcode > opBinary && s.opcode < opClose:
		d.note(oddOpcode)
	case control && (!final || s.remain > maxControl):
		d.note(oddControl)
	case s.opcode == opContinuation && !s.open:
		d.note(oddContinued)
	case s.opcode != opContinuation && !control && s.open:
		d.note(oddUncontinued)
	case first&0x70 != 0 && (!d.record.Compressed || first&0x30 != 0):
		d.note(oddReserved)
	case masked && s == &d.sides[1]:
		d.note(oddMasked)
	case !masked && s == &d.sides[0]:
		d.note(oddUnmasked)
	}
}

// count counts a frame, and a message with its first frame.
func (d *webSocketDecoder) count(s *webSocketSide, first byte) {
	final, compressed := first&0x80 != 0, first&0x40 != 0
	c := s.counts
	c.Frames++
	switch s.opcode {
	case opText, opBinary:
		if s.opcode == opText {
			c.Text++
		} else {
			c.Binary++
		}
		if compressed {
			c.Compressed++
		}
		s.open = !final
	case opContinuation:
		s.open = s.open && !final
	case opPing:
		c.Ping++
	case opPong:
		c.Pong++
	}
	r := &d.record
	d.enough = r.Client.Frames+r.Server.Frames >= maxSocketFrames || r.Client.Bytes+r.Server.Bytes >= maxSocketOctets
}

// endFrame follows a frame's last octet.
func (d *webSocketDecoder) endFrame(s *webSocketSide) {
	if s.opcode != opClose || s.closed {
		return
	}
	s.closed = true
	if d.record.ClosedBy == "" {
		d.record.ClosedBy = "server"
		if s == &d.sides[0] {
			d.record.ClosedBy = "client"
		}
	}
	payload := s.closing[:s.at]
	if s.head[1]&0x80 != 0 {
		for i := range payload {
			payload[i] ^= s.mask[i&3]
		}
	}
	if len(payload) == 0 {
		return
	}
	if len(payload) == 1 {
		d.note(oddCloseCode)
		return
	}
	s.counts.CloseCode = int(binary.BigEndian.Uint16(payload))
	if s.counts.CloseCode < 1000 || s.counts.CloseCode >= 5000 {
		d.note(oddCloseCode)
	}
	s.counts.Reason = strings.ToValidUTF8(string(payload[2:]), "\ufffd")
}
