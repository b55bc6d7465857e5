package decoders

import (
	"encoding/hex"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

const (
	// quicPatience bounds the datagrams that are looked at until the client
	// shows that the handshake is through.
	quicPatience = 128
	// quicMaxRenewals bounds how often a flow's keys are made anew: Retry, another
	// version, another connection.
	quicMaxRenewals = 8
	// quicMaxCrypto bounds one side's CRYPTO stream.
	quicMaxCrypto = 16 << 10
	// quicMinInitial is the least size of a datagram that bears a client's
	// Initial packet (RFC 9000 section 14.1); Google's first were smaller.
	quicMinInitial = 1200
	// quicMaxHistory is where Zeek stops too.
	quicMaxHistory = 100
	// quicMaxVersions bounds the versions kept of a Version Negotiation packet.
	quicMaxVersions = 32
)

// quicProtocol is QUIC 1 and 2 (RFC 9000, RFC 9001, RFC 9369), drafts 23 to 34,
// and the mere presence of what came before.
func quicProtocol() sensor.Protocol {
	return sensor.Protocol{
		Name:      "quic",
		Transport: packet.ProtoUDP,
		Encrypted: true,
		Match:     matchQUIC,
		New:       func() sensor.Decoder { return newQUICDecoder() },
	}
}

// matchQUIC knows a connection by the long header of its first packets: a known
// version, ids of lengths that can be, and room for what must follow.
func matchQUIC(f *sensor.Flow, side packet.Side, b []byte) sensor.Match {
	if len(b) < 7 {
		return sensor.No
	}
	if b[0]&0x80 == 0 {
		return matchGQUIC(b)
	}
	w := wire{b: b[1:]}
	version := uint32(w.uint16())<<16 | uint32(w.uint16())
	if version != quicNegotiate && !quicPlausible(version) {
		return sensor.No
	}
	if version == quicNegotiate || !quicGoogle(version) || version == quicT050 || version == quicT051 {
		dcid := w.vector8()
		scid := w.vector8()
		if w.bad || len(dcid) > quicMaxID || len(scid) > quicMaxID || version != quicNegotiate && b[0]&0x40 == 0 {
			return sensor.No
		}
	}
	if version == quicNegotiate {
		if len(w.b) < 4 || !quicPlausible(uint32(w.uint16())<<16|uint32(w.uint16())) {
			return sensor.No
		}
		return sensor.FromServer
	}
	const systemPorts = 1024
	from, to := f.Key.Port(side), f.Key.Port(side.Other())
	if quicKindOf(int(b[0]), version) == quicRetry || from < systemPorts && to >= systemPorts {
		return sensor.FromServer
	}
	return sensor.FromClient
}

// quicDecoder follows one connection until its handshake is through.
type quicDecoder struct {
	tlsHandshake
	q    *records.QUIC
	keys [2]*quicKeys
	dcid []byte // that the keys are made of

	crypto  [2]gather
	read    [2]int               // octets of the messages that were read
	buf     []byte               // a packet without its protection
	letters [quicMaxHistory]byte // the history
	nletter int
	short   [2]int // packets with short headers

	datagrams int
	renewals  int
	retried   bool // a Retry or Version Negotiation packet asks the client to begin again
	told      bool // the records are written
}

func newQUICDecoder() *quicDecoder {
	d := &quicDecoder{tlsHandshake: tlsHandshake{r: records.NewTLS(records.Meta{})}, q: records.NewQUIC(records.Meta{})}
	d.r.Protocol = "quic"
	return d
}

// Data implements sensor.Decoder.
func (d *quicDecoder) Data(f *sensor.Flow, side packet.Side, data []byte, emit sensor.Emit) sensor.Verdict {
	who := role(f, side)
	if d.q.Start == 0 {
		d.q.Start, d.r.Start = f.Now, f.Now
	}
	d.q.End = f.Now
	d.datagrams++
	if d.datagrams == 1 {
		d.gquic(data)
	}
	var dcid []byte // of the datagram's first packet
	for n := 0; len(data) > 0 && !d.over; n++ {
		p, ok := readQUIC(data)
		if n == 0 {
			dcid = p.dcid
		} else if !ok || !p.follows(data, dcid) {
			d.note(who, 'X')
			break
		}
		if !ok {
			break
		}
		d.packet(f, who, &p, data[:p.size], emit)
		data = data[p.size:]
	}
	if d.over || d.datagrams >= quicPatience {
		d.Close(f, emit)
		return sensor.Done
	}
	return sensor.More
}

// Gap implements sensor.Decoder; datagrams have none.
func (d *quicDecoder) Gap(*sensor.Flow, packet.Side, int) sensor.Verdict { return sensor.More }

// Close implements sensor.Decoder.
func (d *quicDecoder) Close(f *sensor.Flow, emit sensor.Emit) {
	q, r := d.q, d.r
	if q.Version == "" || d.told {
		return
	}
	d.told = true
	q.History, q.Established = string(d.letters[:d.nletter]), r.Established
	q.JA3, q.JA4 = r.JA3, r.JA4
	if r.ClientHello {
		q.ServerName, q.ClientALPN = r.ServerName, r.ClientALPN
	}
	if q.Odd == "" {
		q.Odd = r.Odd
	}
	r.EarlyData = r.EarlyData || q.ZeroRTT > 0
	f.Label("quic", q.ServerName)
	q.Stamp(f.Meta())
	emit(q)
	d.finish(f, emit)
}

// note adds a letter to the connection's history.
func (d *quicDecoder) note(who int, letter byte) {
	if d.nletter == len(d.letters) {
		return
	}
	if who == server {
		letter += 'a' - 'A'
	}
	d.letters[d.nletter] = letter
	d.nletter++
}

// packet reads one packet; b is the whole of it.
func (d *quicDecoder) packet(f *sensor.Flow, who int, p *quicPacket, b []byte, emit sensor.Emit) {
	if p.kind == quicShort {
		d.shortHeader(who)
		return
	}
	d.header(who, p)
	switch p.kind {
	case quicInitial:
		d.note(who, 'I')
		d.initial(f, who, p, b, emit)
	case quicZeroRTT:
		d.note(who, 'Z')
		d.q.ZeroRTT++
		if !d.r.ServerHello {
			d.r.EarlyDataBytes += len(b)
		}
	case quicHandshake:
		d.note(who, 'H')
		if who == client {
			d.proceed()
		}
	case quicRetry:
		d.note(who, 'R')
		d.q.Retries++
		d.retried = true
	case quicNegotiation:
		d.note(who, 'U')
		d.negotiation(p.rest)
	case quicForeign:
		d.note(who, 'U')
		d.over = d.over || quicGoogle(p.version)
	}
}

// header enters what every long header shows.
func (d *quicDecoder) header(who int, p *quicPacket) {
	q := d.q
	if p.version != quicNegotiate {
		if q.Version == "" {
			q.Version, q.VersionNumber = quicVersionName(p.version), p.version
		} else if p.version != q.VersionNumber {
			q.Negotiated = quicVersionName(p.version)
		}
	}
	switch {
	case p.kind == quicRetry || p.kind == quicNegotiation:
		q.ServerSeen = true
	case who == server:
		q.ServerSeen, q.ServerSCID = true, sameHex(q.ServerSCID, p.scid)
	default:
		if !q.ClientSeen {
			q.ClientDCID = hex.EncodeToString(p.dcid)
		}
		q.ClientSeen, q.ClientSCID = true, sameHex(q.ClientSCID, p.scid)
	}
}

// sameHex is b in hexadecimal; old, if it is that already.
func sameHex(old string, b []byte) string {
	var text [2 * quicMaxID]byte
	if len(b) <= quicMaxID && string(text[:hex.Encode(text[:], b)]) == old {
		return old
	}
	return hex.EncodeToString(b)
}

// negotiation keeps the versions that the server can (RFC 9000 section 17.2.1).
func (d *quicDecoder) negotiation(b []byte) {
	d.retried = true
	d.q.Offered = nil
	for w := (wire{b: b}); len(w.b) >= 4 && len(d.q.Offered) < quicMaxVersions; {
		d.q.Offered = append(d.q.Offered, quicVersionName(uint32(w.uint16())<<16|uint32(w.uint16())))
	}
	if d.q.Version == "" { // the client was not seen
		d.q.Version = quicVersionName(quicNegotiate)
	}
}

// shortHeader: the sender has the connection's last keys. The history counts
// these packets in powers of two.
func (d *quicDecoder) shortHeader(who int) {
	d.short[who]++
	if n := d.short[who]; n&(n-1) == 0 {
		d.note(who, 'O')
	}
	if who == client || !d.q.ClientSeen {
		d.proceed()
	}
}

// proceed: the client has the handshake's keys, so there will be no more Initial
// packets that say anything.
func (d *quicDecoder) proceed() {
	d.establish()
	if !d.q.ClientSeen { // nothing was said that the client could have agreed to
		d.r.Established = false
	}
}
