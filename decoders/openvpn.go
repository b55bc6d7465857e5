package decoders

import (
	"bytes"
	"encoding/binary"

	"kagami/packet"
	"kagami/sensor"
)

// OpenVPN's control channel (its manual, "network protocol") carries a TLS
// handshake in packets that are acknowledged and may come twice or out of order:
//
//	opcode and key(1) session(8) [HMAC, packet id(4), time(4)] acks(1) {id(4)}… [peer's session(8)] [id(4) payload]
//
// The part in brackets behind the session is tls-auth's, of a length that the first
// packet tells. With tls-crypt nothing can be read, nor is it recognised.
const (
	openvpnControl     = 4
	openvpnAck         = 5
	openvpnResetClient = 7
	openvpnResetServer = 8

	openvpnHead     = 1 + 8
	openvpnPatience = 256      // control packets that are looked at
	openvpnAhead    = 16       // of a side that wait for one that is missing
	openvpnMaxAcks  = 8        // that a packet bears
	openvpnMaxSize  = 16 << 10 // octets of a packet over TCP
)

// openvpnAuth are the lengths of tls-auth's part: none, HMACs of MD5, SHA-1, SHA-2.
var openvpnAuth = [...]int{0, 16 + 8, 20 + 8, 28 + 8, 32 + 8, 48 + 8, 64 + 8}

// openvpnProtocol is OpenVPN over UDP or, with the length before each packet, TCP.
func openvpnProtocol(transport uint8) sensor.Protocol {
	return sensor.Protocol{
		Name:      "openvpn",
		Transport: transport,
		Encrypted: true,
		Match: func(_ *sensor.Flow, _ packet.Side, first []byte) sensor.Match {
			return matchOpenVPN(first, transport == packet.ProtoTCP)
		},
		New: func() sensor.Decoder {
			d := &openvpnDecoder{stream: transport == packet.ProtoTCP, tls: newTLSDecoder()}
			d.tls.r.Via = "OpenVPN"
			return d
		},
	}
}

// matchOpenVPN knows the first packet of either side.
func matchOpenVPN(b []byte, stream bool) sensor.Match {
	if stream {
		if len(b) < 3 {
			return sensor.Maybe
		}
		n := int(binary.BigEndian.Uint16(b))
		if _, ok := openvpnResetAuth(b[2], n); !ok {
			return sensor.No
		}
		if b = b[2:]; len(b) < n {
			return sensor.Maybe
		}
		b = b[:n]
	}
	if len(b) == 0 {
		return sensor.No
	}
	auth, ok := openvpnResetAuth(b[0], len(b))
	if !ok {
		return sensor.No
	}
	p, ok := readOpenVPN(b, auth)
	switch {
	case !ok || p.id != 0 || len(p.payload) > 0:
		return sensor.No
	case p.opcode == openvpnResetServer:
		return sensor.FromServer
	}
	return sensor.FromClient
}

// openvpnResetAuth is the length of tls-auth's part of a first packet of n octets:
// the client's has no acks, the server's one.
func openvpnResetAuth(first byte, n int) (auth int, ok bool) {
	const client, server = openvpnHead + 1 + 4, openvpnHead + 1 + 4 + 8 + 4
	for _, auth := range openvpnAuth {
		if first == openvpnResetClient<<3 && n == client+auth || first == openvpnResetServer<<3 && n == server+auth {
			return auth, true
		}
	}
	return 0, false
}

// openvpnPacket is a packet of the control channel.
type openvpnPacket struct {
	opcode  byte
	id      uint32
	payload []byte
}

func readOpenVPN(b []byte, auth int) (p openvpnPacket, ok bool) {
	if len(b) <= openvpnHead+auth {
		return p, false
	}
	p.opcode = b[0] >> 3
	acks := int(b[openvpnHead+auth])
	b = b[openvpnHead+auth+1:]
	if acks > openvpnMaxAcks {
		return p, false
	}
	if acks > 0 {
		acks = 4*acks + 8
	}
	if len(b) < acks+4 {
		return p, false
	}
	p.id, p.payload = binary.BigEndian.Uint32(b[acks:]), b[acks+4:]
	return p, p.opcode != openvpnAck
}

// openvpnDecoder puts the payload of control packets in order and hands it to TLS.
type openvpnDecoder struct {
	stream  bool
	auth    int
	known   bool // auth is
	packets int
	sides   [2]openvpnSide
	tls     *tlsDecoder
}

type openvpnSide struct {
	next  uint32 // packet id that is due; the first packet, 0, has no payload
	ahead [openvpnAhead][]byte
	held  []byte // TCP: a packet that is not whole
}

// Data implements sensor.Decoder.
func (d *openvpnDecoder) Data(f *sensor.Flow, side packet.Side, data []byte, emit sensor.Emit) sensor.Verdict {
	f.Label("openvpn", "")
	if !d.stream {
		return d.packet(f, side, data, emit)
	}
	s := &d.sides[role(f, side)]
	s.held = append(s.held, data...)
	at := 0
	for len(s.held)-at >= 2 {
		n := int(binary.BigEndian.Uint16(s.held[at:]))
		if n > openvpnMaxSize {
			return sensor.Done
		}
		if len(s.held)-at < 2+n {
			break
		}
		if v := d.packet(f, side, s.held[at+2:at+2+n], emit); v != sensor.More {
			return v
		}
		at += 2 + n
	}
	s.held = append(s.held[:0], s.held[at:]...)
	return sensor.More
}

// packet reads one packet.
func (d *openvpnDecoder) packet(f *sensor.Flow, side packet.Side, b []byte, emit sensor.Emit) sensor.Verdict {
	d.packets++
	if len(b) == 0 || d.packets > openvpnPatience {
		return sensor.Done
	}
	if auth, ok := openvpnResetAuth(b[0], len(b)); ok && !d.known {
		d.auth, d.known = auth, true
	}
	p, ok := readOpenVPN(b, d.auth)
	if !ok || p.opcode != openvpnControl && p.opcode != openvpnResetClient && p.opcode != openvpnResetServer {
		return sensor.More
	}
	s := &d.sides[role(f, side)]
	switch ahead := p.id - s.next; {
	case ahead == 0:
	case ahead < openvpnAhead:
		s.ahead[p.id%openvpnAhead] = bytes.Clone(p.payload)
		return sensor.More
	default: // it came twice
		return sensor.More
	}
	for payload := p.payload; ; payload = s.ahead[s.next%openvpnAhead] {
		if s.next != p.id {
			if payload == nil {
				return sensor.More
			}
			s.ahead[s.next%openvpnAhead] = nil
		}
		s.next++
		if len(payload) > 0 && d.tls.Data(f, side, payload, emit) == sensor.Done {
			return sensor.Done
		}
	}
}

// Gap implements sensor.Decoder: over TCP the borders of packets are lost.
func (d *openvpnDecoder) Gap(*sensor.Flow, packet.Side, int) sensor.Verdict { return sensor.Done }

// Close implements sensor.Decoder.
func (d *openvpnDecoder) Close(f *sensor.Flow, emit sensor.Emit) { d.tls.Close(f, emit) }
