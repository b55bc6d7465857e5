package exporters

import (
	"encoding/binary"

	"kagami/packet"
	"kagami/records"
)

// ipfix writes flows as IPFIX data records (RFC 7011), a template's number before
// each: the sink that takes them makes messages of them.
//
// A record is a biflow (RFC 5103): the forward direction is the originator's, the
// other one has the reverse information elements. Everything else is IANA's.
// tcpControlBits are those that the flow's history tells, SYN, FIN, RST and ACK.
type ipfix struct{}

func newIPFIX(Env) Format { return ipfix{} }

// Templates: numbers of the sets that their records stand in.
const (
	ipfixV4 = 256
	ipfixV6 = 257
)

const (
	ipfixVariable = 65535 // length of a field that says its length itself
	reversePEN    = 29305 // RFC 5103 section 6.1
	maxIPFIXName  = 254   // octets of a short variable field
)

// ipfixField is an information element of a template.
type ipfixField struct {
	id, length uint16
	reverse    bool // of the other direction
}

// ipfixFields are those of both templates, behind the two addresses, in the order
// in which Append writes them.
func ipfixFields() []ipfixField {
	return []ipfixField{
		{152, 8, false}, // flowStartMilliseconds
		{153, 8, false}, // flowEndMilliseconds
		{148, 8, false}, // flowId: the first half of event.id
		{2, 8, false},   // packetDeltaCount
		{1, 8, false},   // octetDeltaCount, of IP datagrams
		{2, 8, true},
		{1, 8, true},
		{7, 2, false},  // sourceTransportPort
		{11, 2, false}, // destinationTransportPort
		{32, 2, false}, // icmpTypeCodeIPv4; 139 in the template of IPv6
		{6, 2, false},  // tcpControlBits
		{6, 2, true},
		{4, 1, false},              // protocolIdentifier
		{136, 1, false},            // flowEndReason
		{239, 1, false},            // biflowDirection: 1, the source is the initiator
		{192, 1, false},            // ipTTL, of the first packet
		{192, 1, true},             //
		{58, 2, false},             // vlanId
		{56, 6, false},             // sourceMacAddress
		{80, 6, false},             // destinationMacAddress
		{96, ipfixVariable, false}, // applicationName
	}
}

// appendTemplates appends the set of both templates.
func appendTemplates(dst []byte) []byte {
	at := len(dst)
	dst = append(dst, 0, 2, 0, 0) // set 2; its length follows
	for _, t := range []struct{ number, source, destination, length, icmp uint16 }{{ipfixV4, 8, 12, 4, 32}, {ipfixV6, 27, 28, 16, 139}} {
		fields := append([]ipfixField{{t.source, t.length, false}, {t.destination, t.length, false}}, ipfixFields()...)
		dst = binary.BigEndian.AppendUint16(dst, t.number)
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(fields)))
		for _, f := range fields {
			if f.id == 32 {
				f.id = t.icmp
			}
			dst = f.append(dst)
		}
	}
	binary.BigEndian.PutUint16(dst[at+2:], uint16(len(dst)-at))
	return dst
}

func (f ipfixField) append(dst []byte) []byte {
	if !f.reverse {
		dst = binary.BigEndian.AppendUint16(dst, f.id)
		return binary.BigEndian.AppendUint16(dst, f.length)
	}
	dst = binary.BigEndian.AppendUint16(dst, f.id|1<<15)
	dst = binary.BigEndian.AppendUint16(dst, f.length)
	return binary.BigEndian.AppendUint32(dst, reversePEN)
}

// Append implements Format.
func (ipfix) Append(dst []byte, rec records.Record) ([]byte, bool) {
	r, ok := rec.(*records.Flow)
	if !ok {
		return dst, false
	}
	m := r.Meta()
	client, server := m.Client(), m.Server()
	big := binary.BigEndian
	if client.Addr().Is4() && server.Addr().Is4() {
		from, to := client.Addr().As4(), server.Addr().As4()
		dst = append(append(big.AppendUint16(dst, ipfixV4), from[:]...), to[:]...)
	} else {
		from, to := client.Addr().As16(), server.Addr().As16()
		dst = append(append(big.AppendUint16(dst, ipfixV6), from[:]...), to[:]...)
	}
	for _, v := range [...]uint64{milliseconds(r.Start), milliseconds(r.End), m.UID, r.Orig.Packets, r.Orig.IPBytes, r.Resp.Packets, r.Resp.IPBytes} {
		dst = big.AppendUint64(dst, v)
	}
	var icmp, sport, dport uint16
	if m.HasPorts() {
		sport, dport = client.Port(), server.Port()
	} else if m.Key.Proto == packet.ProtoICMP || m.Key.Proto == packet.ProtoICMPv6 {
		icmp = uint16(r.ICMPType)<<8 | uint16(r.ICMPCode)
	}
	bits, reverse := controlBits(r)
	for _, v := range [...]uint16{sport, dport, icmp, bits, reverse} {
		dst = big.AppendUint16(dst, v)
	}
	dst = append(dst, m.Key.Proto, flowEndReason(r.EndReason), 1, r.Orig.TTL, r.Resp.TTL)
	dst = big.AppendUint16(dst, m.VLAN[0]&0xfff)
	dst = append(append(dst, m.ClientMAC[:]...), m.ServerMAC[:]...)
	name := r.Service[:min(len(r.Service), maxIPFIXName)]
	return append(append(dst, byte(len(name))), name...), true
}

func milliseconds(ns int64) uint64 { return uint64(max(0, ns/1e6)) }

// flowEndReason is IANA's code: 1 idle timeout, 3 end of flow detected, 4 forced
// end, 5 lack of resources.
func flowEndReason(s string) byte {
	switch s {
	case "fin", "rst":
		return 3
	case "timeout":
		return 1
	case "eviction":
		return 5
	}
	return 4
}

// Bits of tcpControlBits.
const (
	tcpFIN = 0x01
	tcpSYN = 0x02
	tcpRST = 0x04
	tcpACK = 0x10
)

// controlBits are the flags that each direction was seen to set, by the history's
// letters: upper case is the originator's.
func controlBits(r *records.Flow) (orig, resp uint16) {
	if r.Meta().Key.Proto != packet.ProtoTCP {
		return 0, 0
	}
	for i := range len(r.History) {
		c, side := r.History[i], &resp
		if c < 'a' {
			c, side = c+'a'-'A', &orig
		}
		switch c {
		case 's':
			*side |= tcpSYN
		case 'h':
			*side |= tcpSYN | tcpACK
		case 'a', 'd':
			*side |= tcpACK
		case 'f':
			*side |= tcpFIN | tcpACK
		case 'r':
			*side |= tcpRST
		case 'i':
			*side |= tcpFIN | tcpRST
		case 'q':
			*side |= tcpSYN | tcpFIN
		}
	}
	return orig, resp
}
