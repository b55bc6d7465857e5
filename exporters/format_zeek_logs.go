package exporters

import (
	"kagami/records"
)

// Indexes of zeekLogs.
const (
	zeekConn = iota
	zeekDNS
	zeekHTTP
	zeekSSL
	zeekX509
	zeekSMTP
	zeekFiles
	zeekNotice
	zeekWeird
	zeekStats
	zeekDHCP
	zeekNTP
	zeekSOCKS
	zeekQUIC
	zeekWebSocket
	zeekAuth
	zeekIdentity
	zeekSSDP
	zeekFTP
	zeekHeartbeat
)

// zeekID are the columns with which the lines of a connection begin.
const zeekID = "ts:time uid:string id.orig_h:addr id.orig_p:port id.resp_h:addr id.resp_p:port "

// zeekLogs are the logs, with the fields of Zeek 8 in its order. auth,
// heartbeat, identity and ssdp are Kagami's own, since Zeek has none such.
var zeekLogs = [...]zeekLog{
	zeekConn: {name: "conn", write: writeConn, columns: zeekID +
		"proto:enum service:string duration:interval orig_bytes:count resp_bytes:count conn_state:string local_orig:bool local_resp:bool " +
		"missed_bytes:count history:string orig_pkts:count orig_ip_bytes:count resp_pkts:count resp_ip_bytes:count tunnel_parents:set[string] ip_proto:count"},
	zeekDNS: {name: "dns", write: writeDNS, columns: zeekID +
		"proto:enum trans_id:count rtt:interval query:string qclass:count qclass_name:string qtype:count qtype_name:string rcode:count rcode_name:string " +
		"AA:bool TC:bool RD:bool RA:bool Z:count answers:vector[string] TTLs:vector[interval] rejected:bool opcode:count opcode_name:string"},
	zeekHTTP: {name: "http", write: writeHTTP, columns: zeekID +
		"trans_depth:count method:string host:string uri:string referrer:string version:string user_agent:string origin:string request_body_len:count " +
		"response_body_len:count status_code:count status_msg:string info_code:count info_msg:string tags:set[enum] username:string password:string " +
		"proxied:set[string] orig_fuids:vector[string] orig_filenames:vector[string] orig_mime_types:vector[string] resp_fuids:vector[string] " +
		"resp_filenames:vector[string] resp_mime_types:vector[string]"},
	zeekSSL: {name: "ssl", write: writeSSL, columns: zeekID +
		"version:string cipher:string curve:string server_name:string resumed:bool last_alert:string next_protocol:string established:bool " +
		"ssl_history:string cert_chain_fps:vector[string] client_cert_chain_fps:vector[string] sni_matches_cert:bool"},
	zeekX509: {name: "x509", write: writeX509, columns: "ts:time fingerprint:string certificate.version:count certificate.serial:string " +
		"certificate.subject:string certificate.issuer:string certificate.not_valid_before:time certificate.not_valid_after:time certificate.key_alg:string " +
		"certificate.sig_alg:string certificate.key_type:string certificate.key_length:count certificate.exponent:string certificate.curve:string " +
		"san.dns:vector[string] san.uri:vector[string] san.email:vector[string] san.ip:vector[addr] basic_constraints.ca:bool " +
		"basic_constraints.path_len:count host_cert:bool client_cert:bool"},
	zeekSMTP: {name: "smtp", write: writeSMTP, columns: zeekID +
		"trans_depth:count helo:string mailfrom:string rcptto:set[string] date:string from:string to:set[string] cc:set[string] reply_to:string " +
		"msg_id:string in_reply_to:string subject:string x_originating_ip:addr first_received:string second_received:string last_reply:string " +
		"path:vector[addr] user_agent:string tls:bool fuids:vector[string]"},
	zeekFiles: {name: "files", write: writeFiles, columns: "ts:time fuid:string uid:string id.orig_h:addr id.orig_p:port id.resp_h:addr id.resp_p:port " +
		"source:string depth:count analyzers:set[string] mime_type:string filename:string duration:interval local_orig:bool is_orig:bool seen_bytes:count " +
		"total_bytes:count missing_bytes:count overflow_bytes:count timedout:bool parent_fuid:string md5:string sha1:string sha256:string " +
		"extracted:string extracted_cutoff:bool extracted_size:count"},
	zeekNotice: {name: "notice", write: writeNotice, columns: zeekID +
		"fuid:string file_mime_type:string file_desc:string proto:enum note:enum msg:string sub:string src:addr dst:addr p:port n:count peer_descr:string " +
		"actions:set[enum] email_dest:set[string] suppress_for:interval"},
	zeekWeird: {name: "weird", write: writeWeird, columns: zeekID + "name:string addl:string notice:bool peer:string source:string"},
	zeekStats: {name: "stats", write: writeStats, columns: "ts:time peer:string mem:count pkts_proc:count bytes_recv:count pkts_dropped:count " +
		"pkts_link:count pkt_lag:interval active_tcp_conns:count active_udp_conns:count active_icmp_conns:count"},
	zeekHeartbeat: {name: "heartbeat", write: writeHeartbeat, columns: "ts:time sensor:string export:string boot:string number:count pkts_link:count pkts_dropped:count " +
		"records:count lost:count text:string"},
	zeekDHCP: {name: "dhcp", write: writeDHCP, columns: "ts:time uids:set[string] client_addr:addr server_addr:addr mac:string host_name:string " +
		"client_fqdn:string domain:string requested_addr:addr assigned_addr:addr lease_time:interval client_message:string server_message:string " +
		"msg_types:vector[string] duration:interval circuit_id:string agent_remote_id:string subscriber_id:string"},
	zeekNTP: {name: "ntp", write: writeNTP, columns: zeekID +
		"version:count mode:count stratum:count poll:interval precision:interval root_delay:interval root_disp:interval ref_id:string ref_time:time " +
		"org_time:time rec_time:time xmt_time:time num_exts:count"},
	zeekSOCKS: {name: "socks", write: writeSOCKS, columns: zeekID +
		"version:count user:string password:string status:string request.host:addr request.name:string request_p:port bound.host:addr " +
		"bound.name:string bound_p:port"},
	zeekQUIC: {name: "quic", write: writeQUIC, columns: zeekID +
		"version:string client_initial_dcid:string client_scid:string server_scid:string server_name:string client_protocol:string history:string"},
	zeekWebSocket: {name: "websocket", write: writeWebSocket, columns: zeekID +
		"host:string uri:string user_agent:string subprotocol:string client_protocols:vector[string] server_extensions:vector[string] " +
		"client_extensions:vector[string]"},
	zeekAuth: {name: "auth", write: writeAuth, columns: zeekID +
		"service:string mechanism:string method:string user:string domain:string acting_for:string success:bool reply:string"},
	zeekIdentity: {name: "identity", write: writeIdentity, columns: "ts:time uid:string host:addr what:string old:string new:string source:string " +
		"old_since:time name:string user:string mac:string os:string roles:set[string]"},
	zeekSSDP: {name: "ssdp", write: writeSSDP, columns: zeekID +
		"method:string status:count event:string type:string usn:string location:string server:string user_agent:string name:string host:string " +
		"max_age:interval max_wait:interval"},
	zeekFTP: {name: "ftp", write: writeFTP, columns: zeekID +
		"user:string password:string command:string arg:string mime_type:string file_size:count reply_code:count reply_msg:string " +
		"data_channel.passive:bool data_channel.orig_h:addr data_channel.resp_h:addr data_channel.resp_p:port fuid:string"},
}

// id writes the columns of zeekID. The address and port columns of protocols
// without ports are ICMP's type and code, or 0.
func (z *zeekRow) id(m *records.Meta, ts int64) {
	z.time(ts)
	z.uid(m.UID)
	z.endpoints(m)
}

func (z *zeekRow) uid(uid uint64) {
	z.next(true)
	z.quote()
	z.b = appendZeekID(z.b, 'C', uid)
	z.quote()
}

func (z *zeekRow) endpoints(m *records.Meta) {
	client, server := m.Client(), m.Server()
	var from, to uint16
	if m.HasPorts() {
		from, to = client.Port(), server.Port()
	}
	z.addr(client.Addr())
	z.count(uint64(from))
	z.addr(server.Addr())
	z.count(uint64(to))
}

// fuid writes the id of a file by Kagami's: "" is absent.
func (z *zeekRow) fuid(id string) {
	if z.next(id != "") {
		z.appendFUID(id)
	}
}

func (z *zeekRow) appendFUID(id string) {
	z.quote()
	z.b = appendZeekID(z.b, 'F', hashText(id))
	z.quote()
}

// hashText is FNV-1a.
func hashText(s string) uint64 {
	const basis, prime = 14695981039346656037, 1099511628211
	h := uint64(basis)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * prime
	}
	return h
}

// zeekTransport is Zeek's name of a transport protocol.
func zeekTransport(proto uint8) string {
	switch t := records.Transport(proto); t {
	case "tcp", "udp", "icmp":
		return t
	case "ipv6-icmp":
		return "icmp"
	}
	return "unknown_transport"
}

// appendZeekID appends an id of Zeek's looks: a letter and 17 digits of base 62,
// of which the first eleven are v and the others check it.
func appendZeekID(dst []byte, letter byte, v uint64) []byte {
	dst = append(dst, letter)
	dst = appendBase62(dst, v, 11)
	return appendBase62(dst, mix(v)>>32, 6)
}

func appendBase62(dst []byte, v uint64, width int) []byte {
	start := len(dst)
	for range width {
		dst = append(dst, '0')
	}
	for i := len(dst) - 1; i >= start; i-- {
		dst[i] = alphanumeric[v%62]
		v /= 62
	}
	return dst
}

// mix is the finalizer of SplitMix64.
func mix(v uint64) uint64 {
	v ^= v >> 30
	v *= 0xbf58476d1ce4e5b9
	v ^= v >> 27
	v *= 0x94d049bb133111eb
	return v ^ v>>31
}
