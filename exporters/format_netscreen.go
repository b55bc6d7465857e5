package exporters

import (
	"strconv"
	"time"

	"kagami/packet"
	"kagami/records"
)

// netScreen writes each flow as a Juniper NetScreen (ScreenOS) traffic log line,
// system-notification-00257, in the form that most readers take:
//
//   - the BSD syslog header bears the record's time, start_time the first packet's;
//   - ICMP stands as src_port=type dst_port=code, protocols without ports have 0;
//   - Permit has the translated addresses, equal to the real ones since a mirror
//     port sees no translation, and a reason; Deny ends with the session;
//   - policy_id is 1 for Permit and 0 for Deny, session_id is always 0: a sensor
//     knows neither.
type netScreen struct {
	zone         *time.Location
	host, device string
}

func newNetScreen(e Env) Format {
	f := &netScreen{zone: e.Location}
	f.device = string(wordChars.appendReplaced(nil, e.Device, "kagami", maxDevice))
	f.host = string(hostChars.appendReplaced(nil, e.HostName, f.device, maxHost))
	return f
}

const (
	maxDevice = 64
	maxZone   = 64
)

// Append implements Format.
func (f *netScreen) Append(dst []byte, rec records.Record) ([]byte, bool) {
	r, ok := rec.(*records.Flow)
	if !ok {
		return dst, false
	}
	m := r.Meta()
	dst = time.Unix(0, m.At).In(f.zone).AppendFormat(dst, "Jan _2 15:04:05 ")
	dst = append(dst, f.host...)
	dst = append(dst, ' ')
	dst = append(dst, f.device...)
	dst = append(dst, ": NetScreen device_id="...)
	dst = append(dst, f.device...)
	dst = append(dst, ` [Root]system-notification-00257(traffic): start_time="`...)
	dst = time.Unix(0, r.Start).In(f.zone).AppendFormat(dst, "2006-01-02 15:04:05")
	dst = append(dst, `" duration=`...)
	dst = strconv.AppendInt(dst, max(0, r.End-r.Start)/int64(time.Second), 10)
	permit := r.Action != "Deny"
	policy := "0"
	if permit {
		policy = "1"
	}
	dst = append(dst, " policy_id="...)
	dst = append(dst, policy...)
	dst = append(dst, " service="...)
	dst = appendService(dst, m.Key.Proto, m.Server().Port())
	dst = append(dst, " proto="...)
	dst = strconv.AppendUint(dst, uint64(m.Key.Proto), 10)
	dst = append(dst, " src zone="...)
	dst = wordChars.appendReplaced(dst, m.ClientZone, defaultZone(m.ClientInternal), maxZone)
	dst = append(dst, " dst zone="...)
	dst = wordChars.appendReplaced(dst, m.ServerZone, defaultZone(m.ServerInternal), maxZone)
	return appendSession(dst, r, permit), true
}

// defaultZone is ScreenOS's own zone for an end in no configured network.
func defaultZone(internal bool) string {
	if internal {
		return "Trust"
	}
	return "Untrust"
}

// appendSession appends the line from its action on.
func appendSession(dst []byte, r *records.Flow, permit bool) []byte {
	if permit {
		dst = append(dst, " action=Permit"...)
	} else {
		dst = append(dst, " action=Deny"...)
	}
	m := r.Meta()
	client, server := m.Client(), m.Server()
	srcPort, dstPort := client.Port(), server.Port()
	if !m.HasPorts() {
		srcPort, dstPort = uint16(r.ICMPType), uint16(r.ICMPCode)
	}
	dst = append(dst, " sent="...)
	dst = strconv.AppendUint(dst, r.Orig.IPBytes, 10)
	dst = append(dst, " rcvd="...)
	dst = strconv.AppendUint(dst, r.Resp.IPBytes, 10)
	dst = append(dst, " src="...)
	dst = client.Addr().AppendTo(dst)
	dst = append(dst, " dst="...)
	dst = server.Addr().AppendTo(dst)
	dst = append(dst, " src_port="...)
	dst = strconv.AppendUint(dst, uint64(srcPort), 10)
	dst = append(dst, " dst_port="...)
	dst = strconv.AppendUint(dst, uint64(dstPort), 10)
	if permit {
		dst = append(dst, " src-xlated ip="...)
		dst = client.Addr().AppendTo(dst)
		dst = append(dst, " port="...)
		dst = strconv.AppendUint(dst, uint64(srcPort), 10)
		dst = append(dst, " dst-xlated ip="...)
		dst = server.Addr().AppendTo(dst)
		dst = append(dst, " port="...)
		dst = strconv.AppendUint(dst, uint64(dstPort), 10)
	}
	dst = append(dst, " session_id=0"...)
	if permit {
		dst = append(dst, " reason="...)
		dst = append(dst, closeReason(r.EndReason)...)
	}
	return dst
}

// closeReason is ScreenOS's word for the end of a session.
func closeReason(end string) string {
	switch end {
	case "fin":
		return "Close - TCP FIN"
	case "rst":
		return "Close - TCP RST"
	case "timeout":
		return "Close - AGE OUT"
	}
	return "Close - OTHER"
}

// appendService appends the predefined service of a port, or the port itself.
func appendService(dst []byte, proto uint8, port uint16) []byte {
	transport := records.Transport(proto)
	switch proto {
	case packet.ProtoTCP, packet.ProtoUDP, packet.ProtoSCTP:
	case packet.ProtoICMP, packet.ProtoICMPv6:
		return append(dst, "icmp"...)
	default:
		if transport == "" {
			transport = "other"
		}
		return append(dst, transport...)
	}
	if name := serviceName(proto, port); name != "" {
		return append(dst, name...)
	}
	dst = append(dst, transport...)
	dst = append(dst, "/port:"...)
	return strconv.AppendUint(dst, uint64(port), 10)
}

// serviceName is the name of a well-known port (IANA service names), "" if it has
// none here.
func serviceName(proto uint8, port uint16) string {
	if proto == packet.ProtoSCTP {
		return ""
	}
	for i := range services {
		if s := &services[i]; s.port == port && (s.tcp && proto == packet.ProtoTCP || s.udp && proto == packet.ProtoUDP) {
			return s.name
		}
	}
	return ""
}

// services are in order of frequency, roughly.
var services = [...]struct {
	port     uint16
	tcp, udp bool
	name     string
}{
	{443, true, true, "https"}, {53, true, true, "dns"}, {80, true, false, "http"}, {123, false, true, "ntp"},
	{445, true, false, "smb"}, {389, true, true, "ldap"}, {88, true, true, "kerberos"}, {137, false, true, "nbname"},
	{138, false, true, "nbds"}, {139, true, false, "netbios-ssn"}, {135, true, false, "ms-rpc"}, {161, false, true, "snmp"},
	{162, false, true, "snmptrap"}, {514, false, true, "syslog"}, {22, true, false, "ssh"}, {25, true, false, "smtp"},
	{465, true, false, "smtps"}, {587, true, false, "submission"}, {110, true, false, "pop3"}, {995, true, false, "pop3s"},
	{143, true, false, "imap"}, {993, true, false, "imaps"}, {67, false, true, "dhcp-relay"}, {68, false, true, "dhcp-client"},
	{21, true, false, "ftp"}, {20, true, false, "ftp-data"}, {23, true, false, "telnet"}, {69, false, true, "tftp"},
	{636, true, false, "ldaps"}, {3389, true, true, "rdp"}, {1433, true, false, "ms-sql"}, {3306, true, false, "mysql"},
	{5432, true, false, "postgresql"}, {1521, true, false, "sqlnet"}, {5060, true, true, "sip"}, {1812, false, true, "radius"},
	{500, false, true, "ike"}, {4500, false, true, "ike-nat"}, {179, true, false, "bgp"}, {1723, true, false, "pptp"},
	{5900, true, false, "vnc"}, {515, true, false, "lpr"}, {631, true, true, "ipp"}, {2049, true, true, "nfs"}, {111, true, true, "sun-rpc"},
}
