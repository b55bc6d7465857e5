package exporters

// eveCoverage are the fields of Suricata's events, by its own schema. "=" is what
// Kagami has of it, "!" why it has nothing. "*" stands for every name that may
// follow.
const eveCoverage = `
# every event: flow http
timestamp = @timestamp
flow_id = kagami.flow.id
event_type = event.dataset
src_ip = source.ip
src_port = source.port
dest_ip = destination.ip
dest_port = destination.port
proto = network.transport, network.iana_number
icmp_type = kagami.icmp.type
icmp_code = kagami.icmp.code
ip_v = network.type
vlan = network.vlan.id, network.inner.vlan.id
community_id = network.community_id
ether.src_mac = source.mac
ether.dest_mac = destination.mac
tunnel.src_ip = kagami.tunnel.source.ip
tunnel.dest_ip = kagami.tunnel.destination.ip
tunnel.proto = kagami.tunnel.type
tunnel.depth = kagami.tunnel.depth
tx_id = kagami.http.depth
app_proto = network.protocol
app_proto_tc ! the protocol is one for both directions
app_proto_ts ! as app_proto_tc
app_proto_expected ! told by content only
app_proto_orig ! a change (STARTTLS, CONNECT) is told by the records themselves
in_iface ! a record does not tell by which ring its packets came; the configuration has one interface
direction ! of packets; records are of flows
pkt_src ! always the wire
parent_id ! as Zeek's tunnel_parents
pcap_cnt ! not a field of live capture
pcap_filename ! not a field of live capture
host ! the sensor's name is in syslog's header
metadata.* ! made by rules
payload* ! packets are in the evidence ring
packet* ! as payload
stream* ! made by rules
response_icmp_type ! icmp_type tells the exchange
response_icmp_code ! as response_icmp_type
tunnel.src_port ! the flow of the tunnel's datagrams tells
tunnel.dest_port ! the flow of the tunnel's datagrams tells
tunnel.pcap_cnt ! not a field of live capture
tunnel.pkt_src ! always the wire
ether.src_macs ! of the first packet only
ether.dest_macs ! of the first packet only
ether.ether_type ! network.type says as much
files ! file records of their own, joined by flow_id and tx_id
spi ! of IPsec only the addresses and octets are told
ndpi ! another recogniser's word
tx_guessed ! made by rules
sub_state ! Suricata's parser
tc_progress ! Suricata's parser
ts_progress ! Suricata's parser
capture_file ! the evidence index finds packets by flow and time
log_level ! of Suricata's own log
suricata_version ! the program's own

# flow: flow
flow.pkts_toserver = source.packets
flow.pkts_toclient = destination.packets
flow.bytes_toserver = kagami.client.wire_bytes
flow.bytes_toclient = kagami.server.wire_bytes
flow.start = event.start
flow.end = event.end
flow.age = event.duration
flow.state = kagami.conn.state
flow.reason = event.reason
flow.action ! Suricata's own verdict; here nothing is in the way of packets
flow.alerted ! alerts come behind the flows that raise them
flow.bypass = kagami.conn.shunted | its state is not told apart
flow.bypassed.* ! octets that the kernel counted are among the others
flow.elephant* ! follows from the octets
flow.emergency ! the table full: event.reason is eviction
flow.exception_policy* ! none: nothing is in the way of packets
flow.tx_cnt ! the records of the flow are the transactions
flow.wrong_thread ! cannot be: flows are spread by address
flow.src_ip ! at the top
flow.src_port ! at the top
flow.dest_ip ! at the top
flow.dest_port ! at the top
tcp.syn = kagami.conn.history
tcp.fin = kagami.conn.history
tcp.rst = kagami.conn.history
tcp.ack = kagami.conn.history
tcp.state = kagami.conn.state
tcp.ts_gap = kagami.client.missed_bytes
tcp.tc_gap = kagami.server.missed_bytes
tcp.psh ! the history does not have it
tcp.urg ! the history does not have it
tcp.ecn ! the history does not have it
tcp.cwr ! the history does not have it
tcp.tcp_flags* ! made of the above
tcp.ts_max_regions ! Suricata's memory
tcp.tc_max_regions ! Suricata's memory
tcp.ts_urgent_oob_data ! urgent data counts as data
tcp.tc_urgent_oob_data ! urgent data counts as data

# dns: dns
dns.version ! of the event's form
dns.type = dns.type
dns.id = dns.id
dns.tx_id ! Suricata's number; dns.id and the flow tell
dns.opcode = dns.op_code
dns.flags = DNS.Header
dns.qr = dns.type
dns.aa = dns.header_flags
dns.tc = dns.header_flags
dns.rd = dns.header_flags
dns.ra = dns.header_flags
dns.z = kagami.dns.z
dns.rcode = dns.response_code
dns.queries[].rrname = dns.question.name, kagami.dns.other_questions[].name
dns.queries[].rrtype = dns.question.type, kagami.dns.other_questions[].type
dns.queries[].rrname_truncated ! names are never cut
dns.queries[].id ! at the top
dns.queries[].tx_id ! at the top
dns.queries[].type ! at the top
dns.queries[].opcode ! at the top
dns.queries[].z ! at the top
dns.answers[].rrname = dns.answers[].name
dns.answers[].rrtype = dns.answers[].type
dns.answers[].ttl = dns.answers[].ttl
dns.answers[].rdata = dns.answers[].data
dns.answers[].soa.* = dns.answers[].data
dns.answers[].srv.* = dns.answers[].data
dns.answers[].sshfp.* = dns.answers[].data
dns.authorities[].rrname = kagami.dns.authorities[].name
dns.authorities[].rrtype = kagami.dns.authorities[].type
dns.authorities[].ttl = kagami.dns.authorities[].ttl
dns.authorities[].rdata = kagami.dns.authorities[].data
dns.authorities[].soa.* = kagami.dns.authorities[].data
dns.authorities[].rrname_truncated ! names are never cut
dns.authorities[].rdata_truncated ! data are never cut
dns.additionals[].rrname = kagami.dns.additionals[].name
dns.additionals[].rrtype = kagami.dns.additionals[].type
dns.additionals[].ttl = kagami.dns.additionals[].ttl
dns.additionals[].rdata = kagami.dns.additionals[].data
dns.additionals[].opt[].* = kagami.dns.edns.client_subnet, kagami.dns.edns.cookie_bytes, kagami.dns.edns.udp_size, kagami.dns.edns.dnssec_ok | EDNS is read, not listed
dns.grouped.* ! the answers again
dns.answer.* ! the form before version 3
dns.query[].* ! the form before version 3
dns.rrname ! the form before version 3
dns.rrtype ! the form before version 3

# mdns: dns
mdns.type = dns.type
mdns.id = dns.id
mdns.opcode = dns.op_code
mdns.rcode = dns.response_code
mdns.flags = dns.header_flags | always AA in answers
mdns.queries[].rrname = dns.question.name, kagami.dns.other_questions[].name
mdns.queries[].rrtype = dns.question.type, kagami.dns.other_questions[].type
mdns.queries[].rrname_truncated ! names are never cut
mdns.answers[].rrname = dns.answers[].name
mdns.answers[].ptr = dns.answers[].data
mdns.answers[].txt = dns.answers[].data
mdns.answers[].rrname_truncated ! names are never cut
mdns.authorities[].* = kagami.dns.authorities[].name | announcements of one's own name
mdns.additionals[].rrname = kagami.dns.additionals[].name
mdns.additionals[].ptr = kagami.dns.additionals[].data
mdns.additionals[].txt = kagami.dns.additionals[].data
mdns.additionals[].rrname_truncated ! names are never cut

# llmnr: dns
llmnr.type = dns.type
llmnr.id = dns.id
llmnr.opcode = dns.op_code
llmnr.flags = DNS.Header | C, TC and T
llmnr.tx_id ! Suricata's number
llmnr.queries[].rrname = dns.question.name
llmnr.queries[].rrtype = dns.question.type
llmnr.queries[].rrname_truncated ! names are never cut
llmnr.answers[].* = dns.answers[].data, dns.answers[].name, dns.answers[].type, dns.answers[].ttl
llmnr.authorities[].* = kagami.dns.authorities[].data, kagami.dns.authorities[].name
llmnr.additionals[].* = kagami.dns.additionals[].data, kagami.dns.additionals[].name
llmnr.grouped.* ! the answers again

# http: http
http.hostname = destination.domain, kagami.http.host
http.http_port = kagami.http.host
http.url = url.original
http.http_user_agent = user_agent.original
http.xff = kagami.http.forwarded_for
http.http_content_type = http.response.mime_type
http.content_range.* = kagami.http.content_range
http.http_refer = http.request.referrer
http.http_method = http.request.method
http.protocol = http.version
http.version = http.version
http.status = http.response.status_code
http.status_string ! a status that is no number is none: kagami.http.odd
http.redirect = kagami.http.location
http.length = http.response.body.bytes
http.http2.stream_id = kagami.http.stream
http.http2.request.* ! settings and priorities are the connection's, not the request's
http.http2.response.error_code = kagami.http.reset
http.http2.response.has_multiple ! the first is kept
http.http2.response.settings[].* ! the connection's
http.http_request_body* ! content is not kept; the file record has its hash
http.http_response_body* ! content is not kept; the file record has its hash
http.request_headers[].* ! header sections are not kept; those that tell something have fields of their own
http.response_headers[].* ! as request_headers

# tls: tls
tls.subject = tls.server.subject
tls.issuerdn = tls.server.issuer
tls.serial = tls.server.x509.serial_number
tls.fingerprint = tls.server.hash.sha1
tls.notbefore = tls.server.not_before
tls.notafter = tls.server.not_after
tls.subjectaltname = tls.server.x509.alternative_names
tls.sni = tls.client.server_name
tls.version = tls.version
tls.ja3.hash = tls.client.ja3
tls.ja3.string = TLS.JA3Raw
tls.ja3s.hash = tls.server.ja3s
tls.ja3s.string = TLS.JA3SRaw
tls.ja4 = kagami.tls.ja4
tls.client_alpns = kagami.tls.client_alpn
tls.server_alpns = tls.next_protocol
tls.session_resumed = tls.resumed
tls.client.subject = tls.client.subject
tls.client.issuerdn = tls.client.issuer
tls.client.serial = tls.client.x509.serial_number
tls.client.fingerprint = tls.client.hash.sha1
tls.client.notbefore = tls.client.not_before
tls.client.notafter = tls.client.not_after
tls.client.subjectaltname = tls.client.x509.alternative_names
tls.client_handshake.version = kagami.tls.client_version
tls.client_handshake.ciphers = tls.client.supported_ciphers
tls.client_handshake.exts = TLS.ClientExtensions
tls.client_handshake.sig_algs = TLS.SignatureSchemes
tls.server_handshake.version = tls.version
tls.server_handshake.cipher = tls.cipher
tls.server_handshake.exts = TLS.ServerExtensions
tls.from_proto = kagami.tls.via | CONNECT, SOCKS, STARTTLS; of proxies the HTTP and SOCKS records
tls.certificate ! certificates are not kept; the hashes tell them apart
tls.chain ! as certificate; their contents are in kagami.tls.intermediates
tls.client.certificate ! as certificate
tls.client.chain ! as certificate

# quic: quic
quic.version = kagami.quic.version
quic.sni = tls.client.server_name
quic.ua = user_agent.original
quic.ja3.hash = tls.client.ja3
quic.ja3.string = TLS.JA3Raw | of the flow's tls record
quic.ja3s.* = TLS.JA3S | of the flow's tls record
quic.ja4 = kagami.quic.ja4
quic.cyu[].* ! of versions that Google gave up in 2021
quic.extensions[].* = TLS.ClientExtensions | of the flow's tls record

# smtp: mail
smtp.helo = kagami.mail.helo
smtp.mail_from = kagami.mail.mail_from
smtp.rcpt_to = kagami.mail.rcpt_to, kagami.mail.rcpt_refused
email.status = kagami.mail.complete
email.from = kagami.mail.header.from
email.to = kagami.mail.header.to
email.cc = kagami.mail.header.cc
email.subject = email.subject
email.date = kagami.mail.header.date
email.message_id = email.message_id
email.x_mailer = email.x_mailer
email.received = kagami.mail.header.received
email.url = kagami.mail.urls
email.attachment = email.attachments[].file.name
email.body_md5 = email.attachments[].file.hash.md5 | hashes are of parts, not of the whole body
email.subject_md5 ! the subject is there

# ftp: ftp
ftp.command = kagami.ftp.command
ftp.command_data = kagami.ftp.argument
ftp.command_truncated ! a line beyond the limit: kagami.ftp.odd
ftp.completion_code = kagami.ftp.reply_code
ftp.reply = kagami.ftp.reply
ftp.reply_received = kagami.ftp.reply_code
ftp.reply_truncated ! a line beyond the limit: kagami.ftp.odd
ftp.mode = kagami.ftp.data.passive
ftp.dynamic_port = kagami.ftp.data.port
ftp_data.* = kagami.ftp.command, kagami.ftp.argument | the event of the data connection is fileinfo

# fileinfo: file
fileinfo.filename = file.name
fileinfo.magic = kagami.file.magic
fileinfo.gaps = kagami.file.missing_bytes
fileinfo.state = kagami.file.complete
fileinfo.md5 = file.hash.md5
fileinfo.sha1 = file.hash.sha1
fileinfo.sha256 = file.hash.sha256
fileinfo.size = kagami.file.seen_bytes
fileinfo.tx_id = kagami.file.depth
fileinfo.stored ! always false: no file is ever written to disk
fileinfo.storing ! as stored
fileinfo.file_id ! of files stored
fileinfo.sid ! made by rules
fileinfo.start = kagami.file.part | offsets of a range are in kagami.http.content_range
fileinfo.end = kagami.file.part | as start

# dhcp: dhcp
dhcp.type = kagami.dhcp.response
dhcp.id = kagami.dhcp.id
dhcp.client_mac = kagami.dhcp.client_mac
dhcp.assigned_ip = kagami.dhcp.assigned_ip
dhcp.client_ip = kagami.dhcp.client_ip
dhcp.dhcp_type = kagami.dhcp.type
dhcp.client_id = kagami.dhcp.client_id
dhcp.hostname = kagami.dhcp.host_name
dhcp.requested_ip = kagami.dhcp.requested_ip
dhcp.relay_ip = kagami.dhcp.relay.ip
dhcp.next_server_ip = kagami.dhcp.next_server_ip
dhcp.subnet_mask = kagami.dhcp.subnet_mask
dhcp.routers = kagami.dhcp.routers
dhcp.dns_servers = kagami.dhcp.dns_servers
dhcp.lease_time = kagami.dhcp.lease_time
dhcp.renewal_time = kagami.dhcp.renewal_time
dhcp.rebinding_time = kagami.dhcp.rebinding_time
dhcp.vendor_class_identifier = kagami.dhcp.vendor_class
dhcp.params = kagami.dhcp.parameters

# ntp: ntp
ntp.version = kagami.ntp.version
ntp.mode = kagami.ntp.mode
ntp.stratum = kagami.ntp.stratum
ntp.reference_id = kagami.ntp.ref_id

# pop3: auth
pop3.request.command = kagami.auth.mechanism | logins; messages are smtp's email object
pop3.request.args = user.name
pop3.response.success = event.outcome
pop3.response.header = kagami.auth.reply
pop3.response.status = event.outcome | as success
pop3.response.data ! content is not kept

# websocket: websocket
websocket.fin ! one record a connection, not a frame
websocket.mask ! as fin; a client that does not mask: kagami.websocket.odd
websocket.opcode = kagami.websocket.client.text_messages, kagami.websocket.client.binary_messages, kagami.websocket.client.pings | counted
websocket.payload* ! content is not kept; kagami.websocket.client.bytes counts it
`
