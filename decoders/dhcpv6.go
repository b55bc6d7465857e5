package decoders

import (
	"encoding/binary"
	"net/netip"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// dhcpv6Protocol is DHCP for IPv6 (RFC 8415): a type, a transaction id of three
// octets and options; or, from relays, a type, hops, two addresses and options,
// one of which is the message relayed.
func dhcpv6Protocol() sensor.Protocol {
	return sensor.Protocol{
		Name:      "dhcpv6",
		Transport: packet.ProtoUDP,
		Match:     matchDHCPv6,
		New:       func() sensor.Decoder { return dhcpv6Decoder{} },
	}
}

const (
	dhcpv6ClientPort = 546
	dhcpv6ServerPort = 547

	dhcpv6Header      = 4
	dhcpv6RelayHeader = 34
	dhcpv6RelayForw   = 12
	dhcpv6RelayRepl   = 13

	dhcpv6MaxOption = 255 // IANA has given out fewer than 150
	dhcpv6MaxHops   = 32  // RFC 3315 section 5.5; 8 in RFC 8415

	// dhcpv6MaxRelays is how deep relay messages may be nested: the limit on hops
	// of RFC 8415 section 7.6. Deeper ones are not opened, which Odd says.
	dhcpv6MaxRelays = 8
)

func matchDHCPv6(f *sensor.Flow, side packet.Side, first []byte) sensor.Match {
	switch {
	case !plausibleDHCPv6(&f.Key, first, len(first) == sensor.MatchLimit || f.Cut > 0):
		return sensor.No
	case !dhcpv6FromServer(first[0]) || toMany(f, side):
		return sensor.FromClient
	}
	return sensor.FromServer
}

// plausibleDHCPv6 wants options, known ones, that fill the message to its last
// octet; on other ports than its own also a DUID among them, or a message
// relayed. more says that b is only the message's beginning.
func plausibleDHCPv6(k *packet.Key, b []byte, more bool) bool {
	if len(b) < dhcpv6Header || dhcpv6TypeName(b[0]) == "" {
		return false
	}
	at := dhcpv6Header
	if dhcpv6Relayed(b[0]) {
		if at = dhcpv6RelayHeader; len(b) < at || b[1] > dhcpv6MaxHops {
			return false
		}
	}
	own := func(port uint16) bool { return port == dhcpv6ClientPort || port == dhcpv6ServerPort }
	convinced := own(k.APort) || own(k.BPort)
	options := 0
	for rest := b[at:]; len(rest) > 0; options++ {
		code, data, next, ok := option6(rest)
		if !ok && code == opt6Relayed {
			options++ // it fills the message
		}
		if !ok {
			return more && convinced && options > 0
		}
		if code == 0 || code > dhcpv6MaxOption {
			return false
		}
		switch code {
		case opt6ClientID, opt6ServerID:
			convinced = convinced || len(data) > 2 && data[0] == 0 && data[1] >= 1 && data[1] <= 4
		case opt6Relayed:
			deeper := len(data) > 1 && dhcpv6Relayed(data[0]) && data[1] >= b[1] // hops must count down, so this ends
			convinced = convinced || at == dhcpv6RelayHeader && !deeper && plausibleDHCPv6(k, data, false)
		}
		rest = next
	}
	return convinced && options > 0
}

// option6 takes the first option off b. If its end is missing, ok is false, and
// only the code may be known.
func option6(b []byte) (code uint16, data, rest []byte, ok bool) {
	if len(b) < 4 {
		return 0, nil, nil, false
	}
	end := 4 + int(binary.BigEndian.Uint16(b[2:]))
	if len(b) < end {
		return binary.BigEndian.Uint16(b), nil, nil, false
	}
	return binary.BigEndian.Uint16(b), b[4:end], b[end:], true
}

// dhcpv6Decoder writes one record per message; it keeps nothing.
type dhcpv6Decoder struct{}

// Data implements sensor.Decoder: one datagram.
func (dhcpv6Decoder) Data(f *sensor.Flow, _ packet.Side, data []byte, emit sensor.Emit) sensor.Verdict {
	if !plausibleDHCPv6(&f.Key, data, f.Cut > 0) {
		return sensor.More
	}
	f.Label("dhcpv6", "")
	r := records.NewDHCP(f.Meta())
	r.Time = f.Now
	readDHCPv6(data, r)
	if f.Cut > 0 {
		r.Odd = "cut by the snap length"
	}
	emit(r)
	return sensor.More
}

// Gap implements sensor.Decoder.
func (dhcpv6Decoder) Gap(*sensor.Flow, packet.Side, int) sensor.Verdict { return sensor.More }

// Close implements sensor.Decoder.
func (dhcpv6Decoder) Close(*sensor.Flow, sensor.Emit) {}

// readDHCPv6 fills r from a message of at least dhcpv6Header octets, a relay's
// of at least dhcpv6RelayHeader. Of messages relayed, the record is of the
// innermost: what the client said or is to hear.
func readDHCPv6(b []byte, r *records.DHCP) {
	d := dhcpFields{r}
	r.Version = 6
	for b != nil {
		r.TypeNo, r.Type = b[0], dhcpv6TypeName(b[0])
		r.Response = dhcpv6FromServer(b[0])
		if !dhcpv6Relayed(b[0]) {
			r.XID = binary.BigEndian.Uint32(b) & 0xffffff
			d.options6(b[dhcpv6Header:])
			return
		}
		b = d.relay6(b)
	}
}

// relay6 reads a relay's message and returns the one in it, nil if there is none
// that can be read.
func (d dhcpFields) relay6(b []byte) (inner []byte) {
	r := d.r
	if r.Relays == dhcpv6MaxRelays {
		d.odd("too many relays")
		return nil
	}
	r.Relays++
	r.RelayIP, r.PeerIP = netip.Addr{}, netip.AddrFrom16([16]byte(b[18:]))
	if link := netip.AddrFrom16([16]byte(b[2:])); !link.IsUnspecified() {
		r.RelayIP = link
	}
	for rest := b[dhcpv6RelayHeader:]; len(rest) > 0; {
		code, data, next, ok := option6(rest)
		if !ok {
			d.odd("cut option")
			break
		}
		switch code {
		case opt6Relayed:
			inner = data
		case opt6Interface:
			r.CircuitID = d.octets(data)
		case opt6Remote:
			r.RemoteID = d.octets(data[min(4, len(data)):]) // behind the enterprise's number
		case opt6Subscriber:
			r.SubscriberID = d.octets(data)
		case opt6LinkLayer:
			d.linkLayer(data)
		}
		rest = next
	}
	if len(inner) < dhcpv6Header || dhcpv6TypeName(inner[0]) == "" ||
		dhcpv6Relayed(inner[0]) && len(inner) < dhcpv6RelayHeader {
		d.odd("nothing relayed")
		return nil
	}
	return inner
}

// dhcpv6TypeName is the message type (RFC 8415 section 7.3, RFC 5007, RFC 6977,
// RFC 7341, RFC 7653), "" if there is none of that number.
func dhcpv6TypeName(t uint8) string {
	names := [...]string{1: "SOLICIT", 2: "ADVERTISE", 3: "REQUEST", 4: "CONFIRM", 5: "RENEW", 6: "REBIND", 7: "REPLY", 8: "RELEASE",
		9: "DECLINE", 10: "RECONFIGURE", 11: "INFORMATION-REQUEST", 12: "RELAY-FORW", 13: "RELAY-REPL", 14: "LEASEQUERY",
		15: "LEASEQUERY-REPLY", 16: "LEASEQUERY-DONE", 17: "LEASEQUERY-DATA", 18: "RECONFIGURE-REQUEST", 19: "RECONFIGURE-REPLY",
		20: "DHCPV4-QUERY", 21: "DHCPV4-RESPONSE", 22: "ACTIVELEASEQUERY", 23: "STARTTLS"}
	if int(t) < len(names) {
		return names[t]
	}
	return ""
}

func dhcpv6FromServer(t uint8) bool {
	switch t {
	case 2, 7, 10, 13, 15, 16, 17, 19, 21:
		return true
	}
	return false
}

// dhcpv6Relayed tells the messages between relays and servers.
func dhcpv6Relayed(t uint8) bool { return t == dhcpv6RelayForw || t == dhcpv6RelayRepl }
