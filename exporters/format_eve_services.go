package exporters

import (
	"strconv"

	"kagami/records"
)

// quic is one connection's handshake.
func (f *eve) quic(r *records.QUIC) {
	f.head(r.Meta(), "quic")
	n := f.begin("quic")
	f.str("version", r.Version)
	f.str("sni", r.ServerName)
	f.str("ua", r.UserAgent)
	f.ja("ja3", r.JA3, "")
	f.str("ja4", r.JA4)
	f.end(n)
}

// ftp is one command with its answer.
func (f *eve) ftp(r *records.FTP) {
	f.head(r.Meta(), "ftp")
	n := f.begin("ftp")
	f.str("command", r.Command)
	f.str("command_data", r.Argument)
	if r.Code > 0 {
		codes := f.array("completion_code")
		f.next()
		f.b = append(f.b, '"')
		f.b = strconv.AppendInt(f.b, int64(r.Code), 10)
		f.b = append(f.b, '"')
		f.end(codes)
		if r.Reply != "" {
			reply := f.array("reply")
			f.next()
			f.b = appendJSONString(f.b, r.Reply)
			f.end(reply)
		}
		f.word("reply_received", "yes")
	} else {
		f.word("reply_received", "no")
	}
	if r.Data.IsValid() {
		if r.Passive {
			f.word("mode", "passive")
		} else {
			f.word("mode", "active")
		}
		f.count("dynamic_port", uint64(r.Data.Port()))
	}
	f.end(n)
}

// ntp is one message.
func (f *eve) ntp(r *records.NTP) {
	f.head(r.Meta(), "ntp")
	n := f.begin("ntp")
	f.count("version", uint64(r.Version))
	f.count("mode", uint64(r.Mode))
	if !r.Control() {
		f.count("stratum", uint64(r.Stratum))
		f.key("reference_id")
		f.b = append(f.b, '"')
		f.b = appendHexOctets(f.b, r.RefID[:], ':', lowerHex)
		f.b = append(f.b, '"')
	}
	f.end(n)
}

// dhcp is one message of DHCPv4; EVE has nothing for DHCPv6.
func (f *eve) dhcp(r *records.DHCP) bool {
	if r.Version != 4 {
		return false
	}
	f.head(r.Meta(), "dhcp")
	n := f.begin("dhcp")
	if r.Response {
		f.word("type", "reply")
	} else {
		f.word("type", "request")
	}
	f.count("id", uint64(r.XID))
	f.mac("client_mac", r.MAC)
	f.addr("assigned_ip", r.AssignedIP)
	f.addr("client_ip", r.ClientIP)
	f.lower("dhcp_type", r.Type)
	f.hex("client_id", r.ClientID)
	f.str("hostname", r.HostName)
	f.addr("requested_ip", r.RequestedIP)
	f.addr("relay_ip", r.RelayIP)
	f.addr("next_server_ip", r.NextServer)
	f.addr("subnet_mask", r.SubnetMask)
	f.addrs("routers", r.Routers)
	f.addrs("dns_servers", r.DNS)
	f.some("lease_time", uint64(r.LeaseTime))
	f.some("renewal_time", uint64(r.RenewalTime))
	f.some("rebinding_time", uint64(r.RebindTime))
	f.str("vendor_class_identifier", r.VendorClass)
	params := f.array("params")
	for _, p := range r.Parameters {
		f.next()
		f.b = append(f.b, '"')
		if name := dhcpParameter(p); name != "" {
			f.b = append(f.b, name...)
		} else {
			f.b = strconv.AppendUint(f.b, uint64(p), 10)
		}
		f.b = append(f.b, '"')
	}
	f.end(params)
	f.end(n)
	return true
}

// dhcpParameter is Suricata's name of an option asked for, "" if it has none.
func dhcpParameter(p uint16) string {
	switch p {
	case 1:
		return "subnet_mask"
	case 3:
		return "router"
	case 6:
		return "dns_server"
	case 15:
		return "domain"
	case 35:
		return "arp_timeout"
	case 42:
		return "ntp_server"
	case 66:
		return "tftp_server_name"
	case 150:
		return "tftp_server_ip"
	}
	return ""
}

// hex writes octets in hexadecimal.
func (o *object) hex(name, v string) {
	if v == "" {
		return
	}
	o.key(name)
	o.b = append(o.b, '"')
	for i := range len(v) {
		o.b = append(o.b, lowerHex[v[i]>>4], lowerHex[v[i]&15])
	}
	o.b = append(o.b, '"')
}

// login is an attempt to log in to a POP3 server: the only such event of EVE.
func (f *eve) login(r *records.Auth) bool {
	if r.Protocol != "pop3" {
		return false
	}
	f.head(r.Meta(), "pop3")
	n := f.begin("pop3")
	request := f.begin("request")
	command := r.Mechanism
	if command != "USER" && command != "APOP" {
		command = "AUTH"
	}
	f.word("command", command)
	args := f.array("args")
	if command == "AUTH" {
		f.next()
		f.b = appendJSONString(f.b, r.Mechanism)
	}
	if r.User != "" {
		f.next()
		f.b = appendJSONString(f.b, r.User)
	}
	f.end(args)
	f.end(request)
	if r.Result != records.AuthUnknown {
		response := f.begin("response")
		f.bool("success", r.Result == records.AuthSuccess)
		f.str("header", r.Reply)
		f.end(response)
	}
	f.end(n)
	return true
}
