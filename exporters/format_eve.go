package exporters

import (
	"net/netip"
	"strconv"
	"time"

	"kagami/packet"
	"kagami/records"
)

// eve writes records as Suricata's EVE JSON, with the names and types of its
// schema (etc/schema.json of Suricata 8), which knows no others: what a record
// has beyond them stays out. Kinds for which EVE has no event have no line.
//
// Source is the flow's originator, as in Suricata's events of flows and
// transactions; of a file, its sender.
type eve struct {
	object
	clock  eveClock
	totals eveTotals
}

func newEVE(e Env) Format { return &eve{clock: eveClock{zone: e.Location}} }

// eveKinds are the kinds that EVE has events for.
func eveKinds() []records.Kind {
	return []records.Kind{records.KindFlow, records.KindDNS, records.KindHTTP, records.KindTLS, records.KindQUIC, records.KindMail, records.KindAuth,
		records.KindFTP, records.KindFile, records.KindDHCP, records.KindNTP, records.KindAlert, records.KindStats, records.KindHeartbeat}
}

// Append implements Format.
func (f *eve) Append(dst []byte, rec records.Record) ([]byte, bool) {
	f.start(dst)
	ok := true
	switch r := rec.(type) {
	case *records.Flow:
		f.flow(r)
	case *records.DNS:
		ok = f.dns(r)
	case *records.HTTP:
		f.http(r)
	case *records.TLS:
		ok = f.tls(r)
	case *records.Mail:
		ok = f.mail(r)
	case *records.Auth:
		ok = f.login(r)
	case *records.FTP:
		f.ftp(r)
	case *records.File:
		f.file(r)
	case *records.QUIC:
		f.quic(r)
	case *records.DHCP:
		ok = f.dhcp(r)
	case *records.NTP:
		f.ntp(r)
	case *records.Alert:
		f.alert(r)
	case *records.Stats:
		f.stats(r)
	case *records.Heartbeat:
		f.heartbeat(r)
	default:
		ok = false
	}
	if !ok {
		f.b = nil
		return dst, false
	}
	return f.finish(), true
}

// head writes what stands before an event's own object.
func (f *eve) head(m *records.Meta, event string) {
	f.headFrom(m, event, false)
}

// headFrom is head for an event whose source is the server, if so told.
func (f *eve) headFrom(m *records.Meta, event string, server bool) {
	f.time("timestamp", m.At)
	f.count("flow_id", eveFlowID(m.UID))
	f.word("event_type", event)
	if m.VLANs > 0 {
		n := f.array("vlan")
		for _, tag := range m.VLAN[:min(int(m.VLANs), len(m.VLAN))] {
			f.next()
			f.b = strconv.AppendUint(f.b, uint64(tag&0xfff), 10)
		}
		f.end(n)
	}
	src, dst, srcMAC, dstMAC := m.Client(), m.Server(), m.ClientMAC, m.ServerMAC
	if server {
		src, dst, srcMAC, dstMAC = dst, src, dstMAC, srcMAC
	}
	f.endpoint("src_ip", "src_port", src, m.HasPorts())
	f.endpoint("dest_ip", "dest_port", dst, m.HasPorts())
	f.word("proto", eveProto(m.Key.Proto))
	if src.Addr().Is4() {
		f.int("ip_v", 4)
	} else {
		f.int("ip_v", 6)
	}
	f.str("community_id", m.CommunityID)
	n := f.begin("ether")
	f.mac("src_mac", srcMAC)
	f.mac("dest_mac", dstMAC)
	f.end(n)
	f.tunnel(&m.Tunnel)
}

func (f *eve) endpoint(ip, port string, a netip.AddrPort, hasPort bool) {
	f.addr(ip, a.Addr())
	if hasPort {
		f.count(port, uint64(a.Port()))
	}
}

func (f *eve) tunnel(t *packet.Tunnel) {
	if t.Depth == 0 {
		return
	}
	n := f.begin("tunnel")
	if t.Src != ([16]byte{}) {
		f.addr("src_ip", netip.AddrFrom16(t.Src))
	}
	if t.Dst != ([16]byte{}) {
		f.addr("dest_ip", netip.AddrFrom16(t.Dst))
	}
	f.word("proto", t.Kind.String())
	f.count("depth", uint64(t.Depth))
	f.end(n)
}

func (f *eve) mac(name string, a [6]byte) {
	if a != ([6]byte{}) {
		f.key(name)
		f.b = append(f.b, '"')
		f.b = appendHexOctets(f.b, a[:], ':', lowerHex)
		f.b = append(f.b, '"')
	}
}

// time writes a moment, the epoch included.
func (f *eve) time(name string, ns int64) {
	f.key(name)
	f.b = f.clock.append(f.b, ns)
}

// eveFlowID is a flow's id cut to the 53 bits that JSON readers keep, as
// Suricata's own are.
func eveFlowID(uid uint64) uint64 { return uid & (1<<53 - 1) }

// eveProto is Suricata's name of an IP protocol.
func eveProto(proto uint8) string {
	switch proto {
	case packet.ProtoTCP:
		return "TCP"
	case packet.ProtoUDP:
		return "UDP"
	case packet.ProtoICMP:
		return "ICMP"
	case packet.ProtoICMPv6:
		return "IPv6-ICMP"
	case packet.ProtoSCTP:
		return "SCTP"
	case 2:
		return "IGMP"
	case 47:
		return "GRE"
	case 50:
		return "ESP"
	case 51:
		return "AH"
	case 89:
		return "OSPF"
	}
	return protoNumbers[proto]
}

// protoNumbers are the names of protocols without one: three digits.
var protoNumbers = func() (t [256]string) {
	for i := range t {
		t[i] = string(appendPadded(nil, int64(i), 3, '0'))
	}
	return
}()

// eveClock writes times with their zone's offset. It keeps the text of the last
// second, since records that follow each other mostly bear the same one.
type eveClock struct {
	zone   *time.Location
	second int64
	text   [len(secondLayout)]byte
	offset [5]byte
	valid  bool
}

// append appends the quoted form of Suricata: 2026-11-15T23:30:23.321000+0900.
func (c *eveClock) append(dst []byte, ns int64) []byte {
	second, rest := ns/1e9, ns%1e9
	if rest < 0 {
		second, rest = second-1, rest+1e9
	}
	if second != c.second || !c.valid {
		c.second, c.valid = second, true
		t := time.Unix(second, 0)
		if c.zone != nil {
			t = t.In(c.zone)
		}
		t.AppendFormat(c.text[:0], secondLayout)
		t.AppendFormat(c.offset[:0], "-0700")
	}
	dst = append(append(dst, '"'), c.text[:]...)
	dst = append(dst, '.')
	dst = appendPadded(dst, rest/int64(time.Microsecond), 6, '0')
	return append(append(dst, c.offset[:]...), '"')
}

const lowerHex = "0123456789abcdef"

// appendHexOctets appends octets in hexadecimal, separated if sep is not 0.
func appendHexOctets(dst, v []byte, sep byte, digits string) []byte {
	for i, x := range v {
		if i > 0 && sep != 0 {
			dst = append(dst, sep)
		}
		dst = append(dst, digits[x>>4], digits[x&15])
	}
	return dst
}
