package decoders

import (
	"encoding/binary"
	"net/netip"

	"kagami/records"
)

// Options (RFC 8415 section 21 and those named).
const (
	opt6ClientID   = 1
	opt6ServerID   = 2
	opt6NA         = 3
	opt6TA         = 4
	opt6Addr       = 5
	opt6Request    = 6
	opt6Relayed    = 9
	opt6Status     = 13
	opt6UserClass  = 15
	opt6Vendor     = 16
	opt6Interface  = 18
	opt6DNS        = 23 // RFC 3646
	opt6Search     = 24
	opt6PD         = 25
	opt6Prefix     = 26
	opt6SNTP       = 31 // RFC 4075
	opt6Remote     = 37 // RFC 4649
	opt6Subscriber = 38 // RFC 4580
	opt6FQDN       = 39 // RFC 4704
	opt6NTP        = 56 // RFC 5908
	opt6BootURL    = 59 // RFC 5970
	opt6LinkLayer  = 79 // RFC 6939
)

// options6 reads the options of a client's or server's message.
func (d dhcpFields) options6(b []byte) {
	r := d.r
	for len(b) > 0 {
		code, data, rest, ok := option6(b)
		if !ok {
			d.odd("cut option")
			return
		}
		b = rest
		switch code {
		case opt6ClientID:
			r.ClientID = d.octets(data)
			if r.MAC == ([6]byte{}) { // a relay's word is better
				r.HardwareType, r.MAC = duidAddress(data)
			}
		case opt6ServerID:
			r.ServerDUID = d.octets(data)
		case opt6NA, opt6TA, opt6PD:
			d.association(code, data)
		case opt6Request:
			d.requested(data)
		case opt6Status:
			r.Status, r.Message = dhcpv6Status(data), d.text(data[min(2, len(data)):])
		case opt6UserClass:
			r.UserClass = d.octets(data[min(2, len(data)):])
		case opt6Vendor:
			if len(data) >= 6 {
				r.Enterprise = binary.BigEndian.Uint32(data)
				r.VendorClass = d.octets(data[6:min(6+int(binary.BigEndian.Uint16(data[4:])), len(data))])
			}
		case opt6FQDN:
			if len(data) > 1 {
				r.FQDN = d.fqdn(true, data[1:])
			}
		default:
			d.network6(code, data)
		}
	}
}

// network6 reads what the server says of the network.
func (d dhcpFields) network6(code uint16, data []byte) {
	r := d.r
	switch code {
	case opt6DNS:
		r.DNS = d.addresses(data, 16)
	case opt6Search:
		r.Search = d.names(data)
	case opt6SNTP:
		r.NTP = d.addresses(data, 16)
	case opt6NTP: // suboption 1 is an address
		if len(data) >= 20 && binary.BigEndian.Uint32(data) == 1<<16|16 {
			r.NTP = d.addresses(data[4:20], 16)
		}
	case opt6BootURL:
		r.BootFile = d.text(data)
	case opt6LinkLayer:
		d.linkLayer(data)
	}
}

// linkLayer is the client's address as the relay next to it saw it.
func (d dhcpFields) linkLayer(data []byte) {
	if len(data) == 8 {
		d.r.HardwareType, d.r.MAC = binary.BigEndian.Uint16(data), [6]byte(data[2:])
	}
}

// duidAddress is the link-layer address in a DUID (RFC 8415 section 11), if it
// has one of six octets.
func duidAddress(b []byte) (hardware uint16, mac [6]byte) {
	const linkLayerTime, linkLayer = 1, 3
	if len(b) < 4 {
		return 0, mac
	}
	switch typ := binary.BigEndian.Uint16(b); {
	case typ == linkLayerTime && len(b) == 14:
		return binary.BigEndian.Uint16(b[2:]), [6]byte(b[8:])
	case typ == linkLayer && len(b) == 10:
		return binary.BigEndian.Uint16(b[2:]), [6]byte(b[4:])
	}
	return 0, mac
}

func (d dhcpFields) requested(data []byte) {
	n := len(data) / 2
	if n > 255 {
		d.odd("list too long")
		n = 255
	}
	d.r.Parameters = make([]uint16, n)
	for i := range n {
		d.r.Parameters[i] = binary.BigEndian.Uint16(data[2*i:])
	}
}

// association reads an identity association and the addresses in it.
func (d dhcpFields) association(code uint16, b []byte) {
	r := d.r
	head, kind := 12, "na"
	switch code {
	case opt6TA:
		head, kind = 4, "ta"
	case opt6PD:
		kind = "pd"
	}
	if len(b) < head {
		d.odd("bad option length")
		return
	}
	ia := records.Lease{Kind: kind, IAID: binary.BigEndian.Uint32(b)}
	if head == 12 && r.RenewalTime == 0 {
		r.RenewalTime, r.RebindTime = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	}
	none := true
	for rest := b[head:]; len(rest) > 0; {
		code, data, next, ok := option6(rest)
		if !ok {
			d.odd("cut option")
			break
		}
		l := ia
		switch {
		case code == opt6Addr && len(data) >= 24:
			l.Prefix = netip.PrefixFrom(netip.AddrFrom16([16]byte(data)), 128)
			l.Preferred, l.Valid = binary.BigEndian.Uint32(data[16:]), binary.BigEndian.Uint32(data[20:])
			l.Status = nestedStatus(data[24:])
		case code == opt6Prefix && len(data) >= 25 && data[8] <= 128:
			l.Prefix = netip.PrefixFrom(netip.AddrFrom16([16]byte(data[9:])), int(data[8]))
			l.Preferred, l.Valid = binary.BigEndian.Uint32(data), binary.BigEndian.Uint32(data[4:])
			l.Status = nestedStatus(data[25:])
		case code == opt6Status:
			ia.Status = dhcpv6Status(data)
		}
		if l.Prefix.IsValid() {
			d.lease(l)
			none = false
		}
		rest = next
	}
	if none && ia.Status != "" {
		d.lease(ia)
	}
}

// lease keeps an address; the first one is the message's.
func (d dhcpFields) lease(l records.Lease) {
	r := d.r
	if len(r.Leases) == dhcpMaxList {
		d.odd("list too long")
		return
	}
	r.Leases = append(r.Leases, l)
	if r.Status == "" {
		r.Status = l.Status
	}
	if l.Kind == "pd" || !l.Prefix.IsValid() {
		return
	}
	switch a := l.Prefix.Addr(); {
	case r.Response && !r.AssignedIP.IsValid():
		r.AssignedIP, r.LeaseTime = a, l.Valid
	case !r.Response && !r.RequestedIP.IsValid():
		r.RequestedIP, r.LeaseTime = a, l.Valid
	}
}

// nestedStatus is the status among the options of an address.
func nestedStatus(b []byte) string {
	for len(b) > 0 {
		code, data, rest, ok := option6(b)
		if !ok {
			return ""
		}
		if code == opt6Status {
			return dhcpv6Status(data)
		}
		b = rest
	}
	return ""
}

// dhcpv6Status is a status code's name, "" for success.
func dhcpv6Status(b []byte) string {
	if len(b) < 2 {
		return ""
	}
	names := [...]string{1: "UnspecFail", 2: "NoAddrsAvail", 3: "NoBinding", 4: "NotOnLink", 5: "UseMulticast", 6: "NoPrefixAvail"}
	n := int(binary.BigEndian.Uint16(b))
	if n == 0 {
		return ""
	}
	return numbered(names[:], n, "Status")
}
