// Package decoders reads application protocols from the streams and datagrams
// that the sensor hands it, and says what it read in records. One file (or one
// file and its continuations, http_*.go) is one protocol.
//
// It imports packet, records and sensor, and nothing else of Kagami. Its input
// is hostile: every buffer, count and depth has a named limit, time comes from
// the flow, and nothing that a peer sends may make it panic.
//
// To add a protocol: write its record in records/ntp.go, its sensor.Protocol
// and Decoder in ntp.go with a test beside it, and add one line below.
package decoders

import (
	"kagami/packet"
	"kagami/sensor"
)

// All is every protocol that the sensor decodes, in the order in which a flow's
// first octets are offered to them.
func All(c Config) []sensor.Protocol {
	files := newFiles(c.Files)
	return append([]sensor.Protocol{
		httpProtocol(files),
		http2Protocol(files),
		tlsProtocol(),
		smtpProtocol(files),
		ftpProtocol(files),
		pop3Protocol(files),
		imapProtocol(files),
		socksProtocol(),
		dnsTCP(),
		nbnsUDP(),
		dnsUDP(),
		dtlsProtocol(),
		quicProtocol(),
		dhcpProtocol(),
		dhcpv6Protocol(),
		ssdpProtocol(),
		ntpProtocol(),
		openvpnProtocol(packet.ProtoUDP),
		openvpnProtocol(packet.ProtoTCP),
	}, upgradeProtocols()...)
}
