package exporters

// zeekCoverage are the fields of Zeek's logs: those of its base scripts, and those
// that the policy scripts it comes with add. "=" is what Kagami has of it, "!" why
// it has nothing.
const zeekCoverage = `
# conn flow
ts = event.start
uid = kagami.flow.id
id.orig_h = source.ip
id.orig_p = source.port | ICMP: kagami.icmp.type
id.resp_h = destination.ip
id.resp_p = destination.port | ICMP: kagami.icmp.code
proto = network.transport
service = network.protocol, kagami.conn.tunnel
duration = event.duration
orig_bytes = kagami.client.payload_bytes
resp_bytes = kagami.server.payload_bytes
conn_state = kagami.conn.state
local_orig = network.direction, observer.ingress.zone
local_resp = network.direction, observer.egress.zone
missed_bytes = kagami.client.missed_bytes, kagami.server.missed_bytes
history = kagami.conn.history
orig_pkts = source.packets
orig_ip_bytes = source.bytes
resp_pkts = destination.packets
resp_ip_bytes = destination.bytes
tunnel_parents = kagami.tunnel.type, kagami.tunnel.id, kagami.tunnel.source.ip, kagami.tunnel.destination.ip | unset: the tunnel is told, not the id of its flow, which may be another worker's
ip_proto = network.iana_number
vlan = network.vlan.id
inner_vlan = network.inner.vlan.id
orig_l2_addr = source.mac
resp_l2_addr = destination.mac
community_id = network.community_id
pppoe_session_id = kagami.tunnel.id
speculative_service ! protocols are told by content only; a guess by less is not made
failed_service ! a protocol that its decoder refuses was not recognised: the flow has no service

# dns dns
ts = event.start
uid = kagami.flow.id
id.orig_h = source.ip
id.orig_p = source.port
id.resp_h = destination.ip
id.resp_p = destination.port
proto = network.transport
trans_id = dns.id
rtt = kagami.dns.rtt
query = dns.question.name
qclass = DNS.ClassNo
qclass_name = dns.question.class
qtype = DNS.TypeNo
qtype_name = dns.question.type
rcode = DNS.RCodeNo
rcode_name = dns.response_code
AA = dns.header_flags
TC = dns.header_flags
RD = dns.header_flags
RA = dns.header_flags
Z = kagami.dns.z, dns.header_flags
answers = dns.answers[].data
TTLs = dns.answers[].ttl
rejected = dns.response_code, kagami.dns.authority
opcode = DNS.Header
opcode_name = dns.op_code
auth = kagami.dns.authorities[].data
addl = kagami.dns.additionals[].data
original_query = dns.question.name | as sent, case kept

# http http
ts = event.start
uid = kagami.flow.id
id.orig_h = source.ip
id.orig_p = source.port
id.resp_h = destination.ip
id.resp_p = destination.port
trans_depth = kagami.http.depth
method = http.request.method
host = kagami.http.host
uri = url.original
referrer = http.request.referrer
version = http.version, kagami.http.response_version
user_agent = user_agent.original
origin = kagami.http.origin
request_body_len = http.request.body.bytes
response_body_len = http.response.body.bytes | as sent; of decompressed content, file.size of the file record
status_code = http.response.status_code
status_msg = kagami.http.reason
info_code = kagami.http.informational
info_msg = kagami.http.informational_reason
tags ! Zeek's one tag (URI_SQLI) is a detection of its own; here the column is empty
username = user.name
password ! never kept; kagami.http.auth.password tells that there was one
proxied = kagami.http.proxy_headers
orig_fuids = kagami.http.request_files[].id
orig_filenames = kagami.http.request_files[].name
orig_mime_types = kagami.http.request_files[].mime_type
resp_fuids = kagami.http.response_files[].id
resp_filenames = kagami.http.response_files[].name
resp_mime_types = kagami.http.response_files[].mime_type
client_header_names ! header sections are not kept; those that tell something have fields of their own
server_header_names ! as client_header_names
cookie_vars ! cookies are credentials: not kept
uri_vars = url.original | not taken apart
post_body ! content is not kept; the file record has its hash

# ssl tls
ts = event.start
uid = kagami.flow.id
id.orig_h = source.ip
id.orig_p = source.port
id.resp_h = destination.ip
id.resp_p = destination.port
version = tls.version, tls.version_protocol
cipher = tls.cipher
curve = tls.curve
server_name = tls.client.server_name
resumed = tls.resumed, kagami.tls.resumption
last_alert = kagami.tls.last_alert, kagami.tls.last_alert_from
next_protocol = tls.next_protocol
established = tls.established
ssl_history = kagami.tls.history
cert_chain_fps = tls.server.hash.sha256, kagami.tls.intermediates[].sha256
client_cert_chain_fps = tls.client.hash.sha256, kagami.tls.client_intermediates[].sha256
sni_matches_cert = kagami.tls.name_matches_certificate
server_version = tls.version
client_version = kagami.tls.client_version
client_ciphers = tls.client.supported_ciphers
ssl_client_exts = TLS.ClientExtensions
ssl_server_exts = TLS.ServerExtensions
ticket_lifetime_hint = kagami.tls.ticket_lifetime
dh_param_size = kagami.tls.dh_bits
point_formats = TLS.JA3Raw | last part
client_curves = TLS.ClientGroups
orig_alpn = kagami.tls.client_alpn
client_supported_versions = kagami.tls.client_versions
server_supported_version = tls.version
psk_key_exchange_modes ! all clients offer the same one (psk_dhe_ke)
client_key_share_groups ! the groups offered and the one chosen are there; the guess between is not kept
server_key_share_group = tls.curve
client_comp_methods ! compression is forbidden since TLS 1.3, and dead before
sigalgs = TLS.SignatureSchemes
hashalgs = TLS.SignatureSchemes
ech_kdf_id = kagami.tls.ech_kdf
ech_aead_id = kagami.tls.ech_aead
validation_status ! needs a store of roots, which differs from the client's; issuer and chain are there
ocsp_status ! as validation_status
valid_ct_logs ! as validation_status
valid_ct_operators ! as validation_status
notary.first_seen ! not on the wire
notary.last_seen ! not on the wire
notary.times_seen ! not on the wire
notary.valid ! not on the wire

# x509 tls
ts = event.start
fingerprint = tls.server.hash.sha256, tls.client.hash.sha256, kagami.tls.intermediates[].sha256
certificate.version = tls.server.x509.version_number, kagami.tls.intermediates[].version_number
certificate.serial = tls.server.x509.serial_number, kagami.tls.intermediates[].serial_number
certificate.subject = tls.server.subject, kagami.tls.intermediates[].subject
certificate.issuer = tls.server.issuer, kagami.tls.intermediates[].issuer
certificate.not_valid_before = tls.server.not_before, kagami.tls.intermediates[].not_before
certificate.not_valid_after = tls.server.not_after, kagami.tls.intermediates[].not_after
certificate.key_alg = tls.server.x509.public_key_algorithm, kagami.tls.intermediates[].public_key_algorithm
certificate.sig_alg = tls.server.x509.signature_algorithm, kagami.tls.intermediates[].signature_algorithm
certificate.key_type = Certificate.KeyType
certificate.key_length = tls.server.x509.public_key_size, kagami.tls.intermediates[].public_key_size
certificate.exponent = tls.server.x509.public_key_exponent, kagami.tls.intermediates[].public_key_exponent
certificate.curve = tls.server.x509.public_key_curve, kagami.tls.intermediates[].public_key_curve
san.dns = tls.server.x509.alternative_names, kagami.tls.intermediates[].alternative_names
san.uri = tls.server.x509.alternative_names
san.email = tls.server.x509.alternative_names
san.ip = tls.server.x509.alternative_names
basic_constraints.ca = kagami.tls.intermediates[].ca | of a peer's own certificate: Certificate.CA
basic_constraints.path_len = kagami.tls.intermediates[].path_length
host_cert = tls.server.hash.sha256 | tls.server and tls.client are peers' own, intermediates are not
client_cert = tls.client.hash.sha256
cert ! certificates are not kept; the hashes tell them apart

# files file
ts = event.start
fuid = kagami.file.id
uid = kagami.flow.id
id.orig_h = source.ip
id.orig_p = source.port
id.resp_h = destination.ip
id.resp_p = destination.port
source = kagami.file.source
depth = kagami.file.depth
analyzers = file.hash.md5, file.hash.sha1, file.hash.sha256 | which of them were computed
mime_type = file.mime_type
filename = file.name
duration = event.duration
local_orig = network.direction
is_orig = kagami.file.sender
seen_bytes = kagami.file.seen_bytes
total_bytes = file.size
missing_bytes = kagami.file.missing_bytes
overflow_bytes ! content beyond its end is another message's: kagami.http.odd
timedout ! a file ends with its connection; kagami.file.complete tells whether all was seen
parent_fuid ! files are not opened; kagami.file.listed tells what an archive names
md5 = file.hash.md5
sha1 = file.hash.sha1
sha256 = file.hash.sha256
extracted ! no file is ever written to disk; the packets are, in the evidence ring
extracted_cutoff ! as extracted
extracted_size ! as extracted
entropy ! encrypted archives are told by their headers: kagami.file.traits

# smtp mail
ts = event.start
uid = kagami.flow.id
id.orig_h = source.ip
id.orig_p = source.port
id.resp_h = destination.ip
id.resp_p = destination.port
trans_depth = kagami.mail.depth
helo = kagami.mail.helo
mailfrom = kagami.mail.mail_from
rcptto = kagami.mail.rcpt_to, kagami.mail.rcpt_refused
date = kagami.mail.header.date, email.origination_timestamp
from = kagami.mail.header.from, email.from.address
to = kagami.mail.header.to, email.to.address
cc = kagami.mail.header.cc, email.cc.address
reply_to = kagami.mail.header.reply_to, email.reply_to.address
msg_id = email.message_id
in_reply_to = kagami.mail.header.in_reply_to
subject = email.subject
x_originating_ip = kagami.mail.header.x_originating_ip
first_received = kagami.mail.header.received
second_received = kagami.mail.header.received
last_reply = kagami.mail.reply
path = kagami.mail.header.received, source.ip, destination.ip
user_agent = user_agent.original, email.x_mailer
tls = kagami.mail.tls
fuids = kagami.mail.parts[].file_id
is_webmail ! follows from user_agent and x_originating_ip

# dhcp dhcp
ts = event.start
uids = kagami.flow.id
client_addr = kagami.dhcp.assigned_ip, kagami.dhcp.client_ip
server_addr = kagami.dhcp.server_ip
mac = kagami.dhcp.client_mac
host_name = kagami.dhcp.host_name
client_fqdn = kagami.dhcp.fqdn
domain = kagami.dhcp.domain
requested_addr = kagami.dhcp.requested_ip
assigned_addr = kagami.dhcp.assigned_ip
lease_time = kagami.dhcp.lease_time
client_message = kagami.dhcp.message
server_message = kagami.dhcp.message
msg_types = kagami.dhcp.type
duration = event.start | of the first and the last message
circuit_id = kagami.dhcp.relay.circuit_id
agent_remote_id = kagami.dhcp.relay.remote_id
subscriber_id = kagami.dhcp.relay.subscriber_id
client_software = kagami.dhcp.vendor_class
server_software = kagami.dhcp.vendor_class
msg_orig = source.ip, destination.ip | one record a message

# ntp ntp
ts = event.start
uid = kagami.flow.id
id.orig_h = source.ip
id.orig_p = source.port
id.resp_h = destination.ip
id.resp_p = destination.port
version = kagami.ntp.version
mode = kagami.ntp.mode
stratum = kagami.ntp.stratum
poll = kagami.ntp.poll
precision = kagami.ntp.precision
root_delay = kagami.ntp.root_delay
root_disp = kagami.ntp.root_dispersion
ref_id = kagami.ntp.ref_id
ref_time = kagami.ntp.ref_time
org_time = kagami.ntp.org_time
rec_time = kagami.ntp.rec_time
xmt_time = kagami.ntp.xmt_time
num_exts = kagami.ntp.extensions

# socks socks
ts = event.start
uid = kagami.flow.id
id.orig_h = source.ip
id.orig_p = source.port
id.resp_h = destination.ip
id.resp_p = destination.port
version = kagami.socks.version
user = user.name
password ! never kept
status = kagami.socks.status
request.host = kagami.socks.request.ip
request.name = kagami.socks.request.name
request_p = kagami.socks.request.port
bound.host = kagami.socks.bound.ip
bound.name = kagami.socks.bound.name
bound_p = kagami.socks.bound.port

# quic quic
ts = event.start
uid = kagami.flow.id
id.orig_h = source.ip
id.orig_p = source.port
id.resp_h = destination.ip
id.resp_p = destination.port
version = kagami.quic.version
client_initial_dcid = kagami.quic.client_dcid
client_scid = kagami.quic.client_scid
server_scid = kagami.quic.server_scid
server_name = tls.client.server_name
client_protocol = kagami.quic.client_alpn
history = kagami.quic.history | until the handshake is told

# websocket websocket
ts = event.start
uid = kagami.flow.id
id.orig_h = source.ip
id.orig_p = source.port
id.resp_h = destination.ip
id.resp_p = destination.port
host = kagami.websocket.host
uri = url.original
user_agent = user_agent.original
subprotocol = kagami.websocket.subprotocol
client_protocols = kagami.websocket.client_protocols
server_extensions = kagami.websocket.server_extensions
client_extensions = kagami.websocket.client_extensions

# ftp ftp
ts = event.start
uid = kagami.flow.id
id.orig_h = source.ip
id.orig_p = source.port
id.resp_h = destination.ip
id.resp_p = destination.port
user = user.name
password ! never kept
command = kagami.ftp.command
arg = kagami.ftp.argument, url.full
mime_type = file.mime_type
file_size = file.size
reply_code = kagami.ftp.reply_code
reply_msg = kagami.ftp.reply
data_channel.passive = kagami.ftp.data.passive
data_channel.orig_h = source.ip, destination.ip
data_channel.resp_h = kagami.ftp.data.ip
data_channel.resp_p = kagami.ftp.data.port
fuid = kagami.ftp.file_id
`
