package decoders

import (
	"encoding/binary"
	"math"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// dnsMaxPending is how many queries of one flow wait for their response at
// most; the oldest is given up and counted in records.DNS.Forgotten.
const dnsMaxPending = 64

// Ports on which DNS is expected, so that even a malformed message is one.
const (
	dnsPort   = 53
	mdnsPort  = 5353 // RFC 6762
	llmnrPort = 5355 // RFC 4795
)

// maxDatagram is the longest UDP payload.
const maxDatagram = 65527

// dnsUDP is DNS, mDNS and LLMNR in datagrams (RFC 1035 section 4.2.1).
func dnsUDP() sensor.Protocol {
	return sensor.Protocol{
		Name:      "dns",
		Transport: packet.ProtoUDP,
		Match:     matchDNSDatagram,
		New:       func() sensor.Decoder { return new(dnsDecoder) },
	}
}

func matchDNSDatagram(f *sensor.Flow, side packet.Side, first []byte) sensor.Match {
	length := len(first)
	if length == sensor.MatchLimit { // the datagram may go on
		length = maxDatagram
	}
	if !plausibleDatagram(f, first, length) {
		return sensor.No
	}
	// Answers sent to a group come from the responder, but nobody in the group
	// is the flow's client: keep the sender as its originator.
	if first[2]&(dnsQR>>8) == 0 || multicast(f.Key.Addr(side.Other())) {
		return sensor.FromClient
	}
	return sensor.FromServer
}

func multicast(a [16]byte) bool {
	if packet.IsV4(&a) {
		return a[12]>>4 == 0xe
	}
	return a[0] == 0xff
}

// plausibleDatagram tells DNS from everything else that travels in datagrams:
// by its header alone on DNS's own ports, elsewhere by header and question.
// msg is the datagram's beginning, length its whole length.
func plausibleDatagram(f *sensor.Flow, msg []byte, length int) bool {
	switch {
	case len(msg) < dnsHeaderLen, f.Key.APort == nbnsPort, f.Key.BPort == nbnsPort:
		return false
	case dnsProtocol(&f.Key) != "":
		const maxQuestions = 100 // mDNS asks many things at once
		questions := binary.BigEndian.Uint16(msg[4:])
		if dnsOpcode(int(msg[2]>>3)) == "" { // not assigned: then the question must convince
			return questions == 1 && strictQuestion(msg, length) == sensor.FromClient
		}
		return questions <= maxQuestions
	}
	return strictDNS(msg, length) == sensor.FromClient
}

// dnsProtocol is the flavour of DNS that belongs to the flow's ports, "" if none does.
func dnsProtocol(k *packet.Key) string {
	has := func(port uint16) bool { return k.APort == port || k.BPort == port }
	switch {
	case has(dnsPort):
		return "dns"
	case has(mdnsPort) && k.Proto == packet.ProtoUDP:
		return "mdns"
	case has(llmnrPort):
		return "llmnr"
	}
	return ""
}

// strictDNS judges a message of which msg is the beginning and length the whole
// length: FromClient = DNS, Maybe = too short to tell. It wants what real
// queries and their responses have: exactly one question about a known type, no
// reserved bit, counts that fit.
func strictDNS(msg []byte, length int) sensor.Match {
	if len(msg) < dnsHeaderLen {
		return sensor.Maybe
	}
	flags := binary.BigEndian.Uint16(msg[2:])
	op, rcode := flags>>11&15, flags&15
	an, ns, ar := int(binary.BigEndian.Uint16(msg[6:])), int(binary.BigEndian.Uint16(msg[8:])), int(binary.BigEndian.Uint16(msg[10:]))
	switch {
	case op != 0 && op != 4, flags&dnsZ != 0, binary.BigEndian.Uint16(msg[4:]) != 1:
		return sensor.No
	case flags&dnsQR == 0 && (rcode != 0 || flags&(dnsAA|dnsRA) != 0 || an+ns > 1 || ar > 3):
		return sensor.No
	case rcode > 10, dnsHeaderLen+5+11*(an+ns+ar) > length:
		return sensor.No
	}
	return strictQuestion(msg, length)
}

func strictQuestion(msg []byte, length int) sensor.Match {
	short := sensor.No // what is missing will not come
	if length > len(msg) && len(msg) < sensor.MatchLimit {
		short = sensor.Maybe
	}
	off := dnsHeaderLen
	for off < len(msg) && msg[off] != 0 {
		if msg[off]&0xc0 != 0 { // the first name has nothing to point to
			return sensor.No
		}
		off += 1 + int(msg[off])
	}
	if off-dnsHeaderLen > maxNameOctets {
		return sensor.No
	}
	if off+5 > len(msg) {
		return short
	}
	typ, class := binary.BigEndian.Uint16(msg[off+1:]), binary.BigEndian.Uint16(msg[off+3:])
	if dnsTypes[typ] == "" || class != 1 && class != 3 && class != 4 && class != 255 {
		return sensor.No
	}
	return sensor.FromClient
}

// dnsDecoder reads one flow's messages and pairs responses with queries.
type dnsDecoder struct {
	pending   []dnsPending // grows to dnsMaxPending, then a ring
	next      int          // the ring's oldest entry
	forgotten uint32
	last      *records.DNS // TCP: the newest query lends its question to responses without one
}

// dnsPending is a query seen. The question is a hash so that a flow's memory
// does not depend on what names it bears.
type dnsPending struct {
	at       int64
	question uint64
	id       uint16
	side     packet.Side
	answered bool
}

// Data implements sensor.Decoder: one datagram.
func (d *dnsDecoder) Data(f *sensor.Flow, side packet.Side, data []byte, emit sensor.Emit) sensor.Verdict {
	if plausibleDatagram(f, data, len(data)+f.Cut) {
		d.message(f, dnsFlavourName(f), side, data, f.Now, f.Cut > 0, emit)
	}
	return sensor.More
}

// Gap implements sensor.Decoder.
func (d *dnsDecoder) Gap(*sensor.Flow, packet.Side, int) sensor.Verdict { return sensor.More }

// Close implements sensor.Decoder.
func (d *dnsDecoder) Close(*sensor.Flow, sensor.Emit) {}

// dnsFlavourName is the protocol that the flow's records name.
func dnsFlavourName(f *sensor.Flow) string {
	if p := dnsProtocol(&f.Key); p != "" {
		return p
	}
	return "dns"
}

// message writes one record. cut says that the message's end is missing.
func (d *dnsDecoder) message(f *sensor.Flow, protocol string, side packet.Side, msg []byte, at int64, cut bool, emit sensor.Emit) {
	f.Label(protocol, "")
	r := records.NewDNS(f.Meta())
	r.Protocol, r.TCP, r.Time, r.Malformed = protocol, f.Key.Proto == packet.ProtoTCP, at, cut
	readDNS(msg, r)
	if r.Response {
		d.answer(side, r)
	} else {
		d.ask(side, r)
	}
	r.Forgotten = uint16(min(d.forgotten, math.MaxUint16))
	emit(r)
}

// ask notes a query.
func (d *dnsDecoder) ask(side packet.Side, r *records.DNS) {
	if r.TCP {
		d.last = r
	}
	q := dnsPending{at: r.Time, question: questionHash(r), id: r.ID, side: side}
	if p := d.find(side, q.id, q.question); p != nil {
		if p.answered {
			*p = q
		}
		return // asked again: the client has waited since the first time
	}
	if len(d.pending) < dnsMaxPending {
		d.pending = append(d.pending, q)
		return
	}
	if !d.pending[d.next].answered {
		d.forgotten++
	}
	d.pending[d.next] = q
	d.next = (d.next + 1) % dnsMaxPending
}

// answer finds a response's query: same ID, same question, other side.
func (d *dnsDecoder) answer(side packet.Side, r *records.DNS) {
	r.RTT = -1
	if r.Questions == 0 && d.last != nil && d.last.ID == r.ID {
		q := d.last
		r.Name, r.Type, r.Class = q.Name, q.Type, q.Class
		r.TypeNo, r.ClassNo = q.TypeNo, q.ClassNo
		r.Subdomain, r.RegisteredDomain, r.TopLevelDomain = q.Subdomain, q.RegisteredDomain, q.TopLevelDomain
	}
	if p := d.find(side.Other(), r.ID, questionHash(r)); p != nil && r.Time >= p.at {
		r.RTT = r.Time - p.at
		p.answered = true
	}
}

func (d *dnsDecoder) find(side packet.Side, id uint16, question uint64) *dnsPending {
	for i := range d.pending {
		if p := &d.pending[i]; p.id == id && p.side == side && p.question == question {
			return p
		}
	}
	return nil
}

// questionHash is FNV-1a over name, type and class; case is folded, because
// servers need not keep what resolvers randomise.
func questionHash(r *records.DNS) uint64 {
	h := uint64(14695981039346656037)
	for _, s := range [...]string{r.Name, r.Type, r.Class} {
		for i := 0; i <= len(s); i++ {
			c := byte(0)
			if i < len(s) {
				if c = s[i]; c >= 'A' && c <= 'Z' {
					c |= 0x20
				}
			}
			h = (h ^ uint64(c)) * 1099511628211
		}
	}
	return h
}
