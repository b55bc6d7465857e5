package decoders

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// dhcpProtocol is DHCPv4 (RFC 2131, options in RFC 2132) and BOOTP (RFC 951):
//
//	octet 0   op 1 = request, 2 = reply; hardware type; its length; hops
//	      4   transaction id
//	      8   seconds; flags: 0x8000 = broadcast
//	     12   ciaddr, yiaddr, siaddr, giaddr
//	     28   chaddr, 16 octets
//	     44   sname, 64 octets
//	    108   file, 128 octets
//	    236   99.130.83.99, then options
func dhcpProtocol() sensor.Protocol {
	return sensor.Protocol{
		Name:      "dhcp",
		Transport: packet.ProtoUDP,
		Match:     matchDHCP,
		New:       func() sensor.Decoder { return dhcpDecoder{} },
	}
}

const (
	dhcpServerPort = 67
	dhcpClientPort = 68
	dhcpAddresses  = 44 // the header up to the names
	dhcpHeader     = 236
	dhcpCookie     = 0x63825363
	dhcpMaxHops    = 16 // RFC 1542 section 4.1.1

	// dhcpMaxList bounds each list of addresses, names or leases in a record, and
	// dhcpMaxText each text, in octets; what is beyond is said in records.DHCP.Odd.
	dhcpMaxList = 32
	dhcpMaxText = 1024
)

// matchDHCP wants the cookie and a header that fits; BOOTP without it is
// believed on its own ports only.
func matchDHCP(f *sensor.Flow, side packet.Side, first []byte) sensor.Match {
	switch {
	case !plausibleDHCP(f, first):
		return sensor.No
	case first[0] == 1 || toMany(f, side):
		return sensor.FromClient
	}
	return sensor.FromServer
}

// toMany tells that side speaks to a group or to everybody: none of them is the
// flow's client, so the sender stays its originator.
func toMany(f *sensor.Flow, side packet.Side) bool {
	to := f.Key.Addr(side.Other())
	return multicast(to) || packet.IsV4(&to) && [4]byte(to[12:]) == [4]byte{255, 255, 255, 255}
}

func plausibleDHCP(f *sensor.Flow, b []byte) bool {
	if len(b)+f.Cut < dhcpHeader || len(b) < dhcpAddresses || b[0] != 1 && b[0] != 2 || b[2] > 16 || b[3] > dhcpMaxHops {
		return false
	}
	if len(b) >= dhcpHeader+4 && binary.BigEndian.Uint32(b[dhcpHeader:]) == dhcpCookie {
		return true
	}
	own := func(port uint16) bool { return port == dhcpServerPort || port == dhcpClientPort }
	return own(f.Key.APort) && own(f.Key.BPort) && b[1] == 1 && b[2] == 6
}

// dhcpDecoder writes one record per message; it keeps nothing.
type dhcpDecoder struct{}

// Data implements sensor.Decoder: one datagram.
func (dhcpDecoder) Data(f *sensor.Flow, _ packet.Side, data []byte, emit sensor.Emit) sensor.Verdict {
	if !plausibleDHCP(f, data) {
		return sensor.More
	}
	if len(data) < dhcpHeader { // the snap length left the addresses
		data = append(make([]byte, 0, dhcpHeader), data...)[:dhcpHeader]
	}
	f.Label("dhcp", "")
	r := records.NewDHCP(f.Meta())
	r.Time = f.Now
	readDHCP(data, r)
	if f.Cut > 0 {
		r.Odd = "cut by the snap length"
	}
	emit(r)
	return sensor.More
}

// Gap implements sensor.Decoder.
func (dhcpDecoder) Gap(*sensor.Flow, packet.Side, int) sensor.Verdict { return sensor.More }

// Close implements sensor.Decoder.
func (dhcpDecoder) Close(*sensor.Flow, sensor.Emit) {}

// readDHCP fills r from a message of at least dhcpHeader octets.
func readDHCP(b []byte, r *records.DHCP) {
	d := dhcpFields{r}
	r.Version, r.Response = 4, b[0] == 2
	r.HardwareType = uint16(b[1])
	r.Relays = b[3]
	r.XID = binary.BigEndian.Uint32(b[4:])
	r.Broadcast = b[10]&0x80 != 0
	r.ClientIP, r.AssignedIP = dhcpAddress(b[12:]), dhcpAddress(b[16:])
	r.NextServer, r.RelayIP = dhcpAddress(b[20:]), dhcpAddress(b[24:])
	if b[2] == 6 {
		r.MAC = [6]byte(b[28:])
	}
	var options dhcpOptions
	sname, file := b[44:108], b[108:dhcpHeader]
	if len(b) >= dhcpHeader+4 && binary.BigEndian.Uint32(b[dhcpHeader:]) == dhcpCookie {
		d.check(options.read(b[dhcpHeader+4:]))
		if over := options[52]; len(over) > 0 { // RFC 2131 section 4.1: file first
			if over[0]&1 != 0 {
				d.check(options.read(file))
				file = nil
			}
			if over[0]&2 != 0 {
				d.check(options.read(sname))
				sname = nil
			}
		}
	}
	r.BootServer, r.BootFile = d.text(sname), d.text(file)
	d.client(&options)
	d.network(&options)
	d.relay(options[82])
}

// dhcpAddress is an address field; not valid when it is 0.0.0.0.
func dhcpAddress(b []byte) netip.Addr {
	if a := netip.AddrFrom4([4]byte(b)); !a.IsUnspecified() {
		return a
	}
	return netip.Addr{}
}

// dhcpOptions are a message's options by code.
type dhcpOptions [256][]byte

// read collects options; one that comes in several pieces is put together
// (RFC 3396). It returns false when the last one is cut.
func (o *dhcpOptions) read(b []byte) bool {
	for len(b) > 0 {
		code := b[0]
		switch {
		case code == 255:
			return true
		case code == 0:
			b = b[1:]
			continue
		case len(b) < 2 || len(b) < 2+int(b[1]):
			return false
		}
		data := b[2 : 2+int(b[1]) : 2+int(b[1])] // without room behind it: what is joined is a copy
		if o[code] == nil {
			o[code] = data
		} else {
			o[code] = append(o[code], data...)
		}
		b = b[2+len(data):]
	}
	return true
}

// dhcpFields writes options into a record, for DHCPv4 and DHCPv6.
type dhcpFields struct{ r *records.DHCP }

// odd notes the first oddity.
func (d dhcpFields) odd(what string) {
	if d.r.Odd == "" {
		d.r.Odd = what
	}
}

func (d dhcpFields) check(whole bool) {
	if !whole {
		d.odd("cut option")
	}
}

// text is a text up to the NUL that some end it with.
func (d dhcpFields) text(b []byte) string {
	for i, c := range b {
		if c == 0 {
			b = b[:i]
			break
		}
	}
	return d.octets(b)
}

// octets is a byte string as it is.
func (d dhcpFields) octets(b []byte) string {
	if len(b) > dhcpMaxText {
		d.odd("text too long")
		b = b[:dhcpMaxText]
	}
	return string(b)
}

// number is a 32-bit number, 0 when it is absent.
func (d dhcpFields) number(b []byte) uint32 {
	if len(b) < 4 {
		if len(b) > 0 {
			d.odd("bad option length")
		}
		return 0
	}
	return binary.BigEndian.Uint32(b)
}

// address is the first of addresses; not valid when there is none.
func (d dhcpFields) address(b []byte) netip.Addr {
	if len(b) < 4 {
		if len(b) > 0 {
			d.odd("bad option length")
		}
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte(b))
}

// addresses is a list of addresses of size octets each.
func (d dhcpFields) addresses(b []byte, size int) []netip.Addr {
	if len(b)%size != 0 {
		d.odd("bad option length")
	}
	n := len(b) / size
	if n > dhcpMaxList {
		d.odd("list too long")
		n = dhcpMaxList
	}
	if n == 0 {
		return nil
	}
	out := make([]netip.Addr, n)
	for i := range out {
		out[i], _ = netip.AddrFromSlice(b[size*i : size*(i+1)])
	}
	return out
}

// names is a list of domain names, compressed or not (RFC 3397, RFC 8415
// section 10).
func (d dhcpFields) names(b []byte) (out []string) {
	for off := 0; off < len(b); {
		var buf [256]byte
		name, next, ok := appendName(buf[:0], b, off)
		switch {
		case !ok:
			d.odd("bad name")
			return out
		case len(out) == dhcpMaxList:
			d.odd("list too long")
			return out
		}
		out = append(out, string(name))
		off = next
	}
	return out
}

// client reads what tells the client, and the exchange.
func (d dhcpFields) client(o *dhcpOptions) {
	r := d.r
	if t := o[53]; len(t) > 0 {
		r.TypeNo, r.Type = t[0], dhcpTypeName(t[0])
	}
	r.HostName = d.text(o[12])
	r.ClientID = d.octets(o[61])
	r.VendorClass = d.text(o[60])
	r.UserClass = d.octets(o[77])
	if c := o[124]; len(c) >= 5 && r.VendorClass == "" { // RFC 3925 section 3: the first enterprise's
		r.Enterprise = binary.BigEndian.Uint32(c)
		r.VendorClass = d.octets(c[5:min(5+int(c[4]), len(c))])
	}
	if f := o[81]; len(f) >= 3 { // RFC 4702: flags, two response codes, the name
		r.FQDN = d.fqdn(f[0]&4 != 0, f[3:])
	}
	if p := o[55]; len(p) > 0 {
		p = p[:min(len(p), 255)]
		r.Parameters = make([]uint16, len(p))
		for i, code := range p {
			r.Parameters[i] = uint16(code)
		}
	}
	r.RequestedIP = d.address(o[50])
	r.ServerIP = d.address(o[54])
	r.LeaseTime, r.RenewalTime, r.RebindTime = d.number(o[51]), d.number(o[58]), d.number(o[59])
	r.Message = d.text(o[56])
}

// fqdn is a client's full name, in DNS's encoding or in ASCII.
func (d dhcpFields) fqdn(encoded bool, b []byte) string {
	if !encoded {
		return strings.TrimSuffix(d.text(b), ".")
	}
	var buf [256]byte
	name, _, _ := appendName(buf[:0], b, 0) // a partial name has no root label: what could be read stands
	if string(name) == "." {
		return ""
	}
	return string(name)
}

// network reads what the server says of the network.
func (d dhcpFields) network(o *dhcpOptions) {
	const v4 = 4
	r := d.r
	r.SubnetMask = d.address(o[1])
	r.Routers = d.addresses(o[3], v4)
	r.DNS = d.addresses(o[6], v4)
	r.NTP = d.addresses(o[42], v4)
	r.Domain = d.text(o[15])
	r.Search = d.names(o[119])
	r.ProxyConfig = strings.TrimSpace(d.text(o[252])) // Windows' server ends it with a line feed
	if s := d.text(o[66]); s != "" {
		r.BootServer = s
	}
	if s := d.text(o[67]); s != "" {
		r.BootFile = s
	}
}

// relay reads what a relay added (RFC 3046, RFC 3993).
func (d dhcpFields) relay(b []byte) {
	for len(b) >= 2 {
		n := int(b[1])
		if len(b) < 2+n {
			break
		}
		switch data := b[2 : 2+n]; b[0] {
		case 1:
			d.r.CircuitID = d.octets(data)
		case 2:
			d.r.RemoteID = d.octets(data)
		case 6:
			d.r.SubscriberID = d.octets(data)
		}
		b = b[2+n:]
	}
	d.check(len(b) == 0)
}

// dhcpTypeName is the message type (RFC 2132 section 9.6, RFC 3203, RFC 4388,
// RFC 6926, RFC 7724).
func dhcpTypeName(t uint8) string {
	names := [...]string{1: "DISCOVER", 2: "OFFER", 3: "REQUEST", 4: "DECLINE", 5: "ACK", 6: "NAK", 7: "RELEASE", 8: "INFORM",
		9: "FORCERENEW", 10: "LEASEQUERY", 11: "LEASEUNASSIGNED", 12: "LEASEUNKNOWN", 13: "LEASEACTIVE", 14: "BULKLEASEQUERY",
		15: "LEASEQUERYDONE", 16: "ACTIVELEASEQUERY", 17: "LEASEQUERYSTATUS", 18: "TLS"}
	return numbered(names[:], int(t), "TYPE")
}

// numbered is the name of a number, or prefix and the number where it has none.
func numbered(names []string, n int, prefix string) string {
	if n < len(names) && names[n] != "" {
		return names[n]
	}
	return prefix + strconv.Itoa(n)
}
