package main

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"golang.org/x/text/encoding/japanese"
)

// What is true of each capture, from what lab/cmd/genuine does: who asks whom for
// what, and what the answer is. Nothing here is copied from Kagami's records.

// is is one fact in short: so many records of a kind have these properties.
func is(n int, kind string, have ...string) fact { return fact{kind: kind, n: n, have: have} }

// content is a file that crosses the network.
type content struct {
	octets string
	digest string // "file.hash.sha256=..."
	size   string
}

func of(octets string) content {
	sum := sha256.Sum256([]byte(octets))
	return content{octets, "file.hash.sha256=" + hex.EncodeToString(sum[:]), "file.size=" + strconv.Itoa(len(octets))}
}

// The files that several captures have.
func reportPDF() content {
	return of("%PDF-1.4\n" + strings.Repeat("% lab report, nothing in it\n", 60) + "%%EOF\n")
}

func harmlessProgram() content { return of("MZ" + strings.Repeat("\x00", 510)) }

func schedule() content {
	text, err := japanese.ShiftJIS.NewEncoder().String(strings.Repeat("予定表 会議 10:00 第一会議室\r\n", 30))
	if err != nil {
		panic(err)
	}
	return of(text)
}

func portalPage() content {
	return of("<!DOCTYPE html><html><head><title>社内ポータル</title></head><body>" + strings.Repeat("<p>lorem ipsum dolor sit amet</p>\n", 40) + "</body></html>\n")
}

// invoiceSize is of an archive made by archive/zip with one entry, stored:
// local header and name, content, data descriptor, directory entry and name, end.
const invoiceSize = "file.size=648" // 30+11 + 512 + 16 + 46+11 + 22

func dhcpFacts() []fact {
	keiri, eigyo := "kagami.dhcp.client_mac=02-00-00-00-04-03", "kagami.dhcp.client_mac=02-00-00-00-04-04"
	return []fact{
		is(7, "dhcp", keiri),
		is(10, "dhcp", eigyo),
		is(1, "dhcp", keiri, "kagami.dhcp.type=DISCOVER", "kagami.dhcp.vendor_class=kagami-lab 1.0", "kagami.dhcp.host_name=keiri-07"),
		is(1, "dhcp", keiri, "kagami.dhcp.type=OFFER", "kagami.dhcp.assigned_ip=10.4.0.103"),
		is(2, "dhcp", keiri, "kagami.dhcp.type=ACK", "kagami.dhcp.assigned_ip=10.4.0.103", "kagami.dhcp.lease_time=3600", "kagami.dhcp.server_ip=10.4.0.2",
			"kagami.dhcp.subnet_mask=255.255.255.0", "kagami.dhcp.routers=10.4.0.1", "kagami.dhcp.dns_servers=10.4.0.53", "kagami.dhcp.ntp_servers=10.4.0.123", "kagami.dhcp.domain=corp.example"),
		is(1, "dhcp", keiri, "kagami.dhcp.type=RELEASE", "source.ip=10.4.0.103"),
		is(1, "dhcp", eigyo, "kagami.dhcp.type=REQUEST", "kagami.dhcp.requested_ip=192.168.77.7", "kagami.dhcp.host_name=eigyo-note", "kagami.dhcp.vendor_class=MSFT 5.0"),
		is(1, "dhcp", eigyo, "kagami.dhcp.type=NAK", "kagami.dhcp.message=wrong network", "event.outcome=failure"),
		is(1, "dhcp", eigyo, "kagami.dhcp.type=ACK", "kagami.dhcp.assigned_ip=10.4.0.104"),
		is(1, "dhcp", eigyo, "kagami.dhcp.type=SOLICIT", "kagami.dhcp.version=6", "kagami.dhcp.client_id=00030001020000000404"),
		is(1, "dhcp", eigyo, "kagami.dhcp.type=REPLY", "kagami.dhcp.assigned_ip=2001:db8:4::104", "kagami.dhcp.dns_servers=2001:db8:4::53", "kagami.dhcp.search=corp.example"),
		is(1, "identity", "host.ip=10.4.0.103", "kagami.identity.what=name", "kagami.identity.new=keiri-07", "kagami.identity.source=dhcp"),
		is(1, "identity", "host.ip=10.4.0.104", "kagami.identity.what=name", "kagami.identity.new=eigyo-note"),
		is(1, "identity", "host.ip=10.4.0.103", "kagami.identity.what=mac", "kagami.identity.new=02-00-00-00-04-03"),
		is(1, "identity", "host.ip=10.4.0.104", "kagami.identity.what=os", "kagami.identity.new=Windows"),
		is(0, "identity", "host.ip=192.168.77.7"),
	}
}

func namesFacts() []fact {
	answer := func(name, kind, data string, more ...string) fact {
		return is(1, "dns", append(more, "dns.type=answer", "source.ip=10.4.0.10", "destination.ip=10.4.0.53", "!kagami.dns.tcp", "dns.question.name="+name, "dns.question.type="+kind, "dns.answers.data="+data)...)
	}
	question := func(n int, from, to string, more ...string) fact {
		return is(n, "dns", append(more, "dns.type=query", "source.ip="+from, "destination.ip="+to)...)
	}
	return []fact{
		question(25, "10.4.0.10", "10.4.0.53"), // 20 by datagram, one of them again by TCP, and 4 by TCP
		question(5, "10.4.0.10", "10.4.0.53", "kagami.dns.tcp=true"),
		question(1, "2001:db8:4::10", "2001:db8:4::53", "dns.question.name=www.example", "dns.question.type=AAAA"),
		question(1, "198.51.100.1", "198.51.100.53", "dns.question.name=example", "dns.question.type=CAA"),
		question(0, "198.51.100.1", "198.51.100.53", "dns.question.name=fs1.corp.example"), // the resolver knows it itself
		answer("www.example", "AAAA", "2001:db8:100::80"),
		answer("shop.example", "A", "www.example|198.51.100.80"),
		answer("xn--wgv71a119e.example", "A", "198.51.100.81"),
		answer("example", "MX", "10 mx.example"),
		answer("example", "TXT", "v=spf1 mx -all"),
		answer("_ldap._tcp.example", "SRV", "10 100 389 dc.example"),
		answer("www.example", "HTTPS", `1 . alpn="h2,h3" ipv4hint="198.51.100.80"`),
		answer("80.100.51.198.in-addr.arpa", "PTR", "www.example"),
		answer("fs1.corp.example", "A", "10.4.0.31"),
		answer("WwW.eXample", "A", "198.51.100.80"),
		answer("version.bind", "TXT", "dnsmasq-2.90", "dns.question.class=CH"),
		is(2, "dns", "dns.type=answer", "dns.response_code=NXDOMAIN", "source.ip=10.4.0.10"),
		is(1, "dns", "dns.type=answer", "dns.response_code=REFUSED", "dns.op_code=STATUS", "source.ip=10.4.0.10"),
		question(1, "10.4.0.10", "10.4.0.53", "dns.question.name=WwW.eXample", "kagami.dns.edns.client_subnet=203.0.113.0/24/0"),
		question(1, "10.4.0.10", "10.4.0.53", "kagami.dns.edns.dnssec_ok=true", "kagami.dns.edns.udp_size=4096", "dns.header_flags=CD"),
		is(1, "dns", "dns.type=answer", "source.ip=10.4.0.10", "dns.question.name=long.example", "dns.header_flags=TC", "!dns.answers.data"),
		is(1, "dns", "dns.type=answer", "source.ip=10.4.0.10", "dns.question.name=long.example", "kagami.dns.tcp=true", "dns.answers.data=07 "+strings.Repeat("x", 100)),
		is(1, "identity", "host.ip=10.4.0.53", "kagami.identity.what=role", "kagami.identity.new=resolver"),

		is(1, "identity", "host.ip=10.4.0.21", "kagami.identity.what=name", "kagami.identity.new=Copier-3F", "kagami.identity.source=mdns"),
		question(1, "10.4.0.10", "224.0.0.251", "network.protocol=mdns", "dns.question.name=Copier-3F.local", "dns.question.type=A"),
		question(3, "10.4.0.21", "224.0.0.251", "dns.question.name=複合機 3F._ipp._tcp.local", "dns.question.type=ANY"), // probes (RFC 6762 section 8.1)
		question(1, "10.4.0.11", "224.0.0.252", "network.protocol=llmnr", "dns.question.name=wpad", "dns.question.type=AAAA"),
		is(1, "dns", "network.protocol=nbns", "dns.type=answer", "dns.question.type=NBSTAT", "kagami.dns.netbios.names=FS1<00>|FS1<03>|FS1<20>|LABGROUP<00>|LABGROUP<1e>"),
		question(1, "10.4.0.10", "10.4.0.255", "network.protocol=nbns", "dns.question.name=NOBODY"),
		is(1, "identity", "host.ip=10.4.0.31", "kagami.identity.what=name", "kagami.identity.new=FS1", "kagami.identity.source=nbns"),
	}
}

func ntpFacts() []fact {
	return []fact{
		is(6, "ntp", "kagami.ntp.mode=3", "kagami.ntp.version=4"), is(6, "ntp", "kagami.ntp.mode=4", "kagami.ntp.version=4"),
		is(3, "ntp", "kagami.ntp.mode=4", "kagami.ntp.stratum=3", "kagami.ntp.leap=0", "kagami.ntp.ref_id=127.127.1.1"), // chronyd's own clock
		is(2, "ntp", "destination.ip=2001:db8:4::123"),
		is(2, "ntp", "kagami.ntp.key_id=7", "kagami.ntp.mac_bytes=20"),
		is(3, "ntp", "destination.ip=10.4.0.124", "kagami.ntp.mode=4", "kagami.ntp.stratum=0", "kagami.ntp.leap=3"),
	}
}

func ssdpFacts() []fact {
	const root = "kagami.ssdp.usn=uuid:4d696e69-444c-164e-9d41-020000000402::upnp:rootdevice"
	return []fact{
		is(1, "ssdp", "kagami.ssdp.method=M-SEARCH", "source.ip=10.4.0.10", "kagami.ssdp.man=ssdp:discover", "kagami.ssdp.type=urn:schemas-upnp-org:device:InternetGatewayDevice:1"),
		is(1, "ssdp", "kagami.ssdp.status=200", "kagami.ssdp.location=http://10.4.0.1:5000/rootDesc.xml"),
		is(1, "ssdp", "kagami.ssdp.event=ssdp:byebye", root),
		is(2, "ssdp", "kagami.ssdp.event=ssdp:alive", root, "source.ip=10.4.0.1"), // sent twice (UDA 1.1 section 1.2.2)
		is(1, "http", "http.request.method=GET", "url.full=http://10.4.0.1:5000/rootDesc.xml", "http.response.status_code=200"),
		is(2, "http", "http.request.method=POST", "url.full=http://10.4.0.1:5000/ctl/IPConn"),
	}
}

func tlsFacts() []fact {
	const web = "destination.port=443"
	chain := []string{"kagami.tls.chain_length=2", "tls.server.subject=CN=portal.corp.example,O=Lab,C=JP", "tls.server.issuer=CN=Lab Root CA,O=試験認証局,C=JP",
		"tls.server.x509.alternative_names=portal.corp.example|xn--wgv71a119e.example|*.apps.corp.example|10.4.0.80", "tls.server.not_after=2046-01-01T00:00:00.000000000Z", "kagami.tls.name_matches_certificate=true"}
	with := func(list []string, more ...string) []string { return append(append([]string(nil), list...), more...) }
	return []fact{
		is(15, "tls"), is(14, "tls", "tls.client.server_name=portal.corp.example"), is(11, "tls", "tls.established=true"),
		is(1, "tls", with(chain, web, "tls.version=1.2", "tls.next_protocol=http/1.1", "tls.resumed=false", "tls.established=true")...),
		is(1, "tls", web, "tls.version=1.2", "tls.resumed=true", "kagami.tls.resumption=ticket", "!tls.server.subject"),
		is(1, "tls", web, "tls.version=1.3", "tls.resumed=false", "source.ip=10.4.0.10", "kagami.tls.client_alpn=h2|http/1.1"),
		is(1, "tls", web, "tls.version=1.3", "tls.resumed=true", "kagami.tls.resumption=psk"),
		is(1, "tls", web, "tls.version=1.3", "source.ip=2001:db8:4::10", "!tls.client.server_name"),
		is(1, "tls", "destination.port=4434", "tls.version=1.2", "tls.resumed=false"),
		is(1, "tls", "destination.port=4434", "tls.version=1.2", "tls.resumed=true", "kagami.tls.resumption=session_id"),
		is(1, "tls", "destination.port=4433", "tls.version=1.3", "kagami.tls.hello_retry=true", "tls.curve=secp256r1"),
		is(1, "tls", with(chain, "destination.port=4431", "tls.version=1.0", "tls.established=true")...),
		is(1, "tls", "destination.port=4432", "tls.established=true", "tls.client.subject=CN=hanako@corp.example,O=Lab,C=JP", "tls.client.issuer=CN=Lab Root CA,O=試験認証局,C=JP"),
		is(1, "tls", "destination.port=4432", "tls.established=false", "kagami.tls.alert=handshake_failure", "kagami.tls.alert_from=server", "!tls.client.subject"),
		is(1, "tls", web, "tls.established=false", "kagami.tls.alert=unknown_ca", "kagami.tls.alert_from=client"),
		is(1, "tls", web, "tls.established=false", "kagami.tls.alert=handshake_failure", "kagami.tls.alert_from=server"),
		is(1, "tls", with(chain, "destination.port=4435", "tls.version_protocol=dtls", "tls.version=1.2", "kagami.tls.hello_verify=true", "network.transport=udp")...),
		is(1, "flow", "network.protocol=dtls"), is(14, "flow", "network.protocol=tls"),
	}
}

func quicFacts() []fact {
	const name = "tls.client.server_name=portal.corp.example"
	return []fact{
		is(3, "quic", "kagami.quic.version=1", name, "kagami.quic.client_alpn=h3"),
		is(3, "tls", "network.protocol=quic", "tls.version=1.3", "tls.established=true", name), // the server's Initial packets have greased bits
		is(1, "tls", "network.protocol=quic", "tls.resumed=true", "kagami.tls.early_data=true"),
		is(1, "quic", "destination.port=4433", "kagami.quic.retries=1"),
		is(1, "quic", "source.ip=2001:db8:4::10", "tls.client.server_name=six.corp.example"),
		is(1, "quic", "kagami.quic.version=0x1a2a3a4a", "kagami.quic.offered_versions", "!tls.client.server_name"),
		is(5, "flow", "network.protocol=quic"), is(3, "flow", "network.protocol=quic", "kagami.name.source=sni", "destination.domain=portal.corp.example"),
	}
}
