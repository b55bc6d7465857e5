// Package records says what the sensor saw: one struct per kind of record, with
// typed fields whose units stand in their comments, and the ECS names under
// which exporters that know no kind write them (Elastic Common Schema 8/9).
//
// It is a leaf: it imports packet and nothing else of Kagami.
package records

import (
	"net/netip"

	"kagami/packet"
)

// Kind tells what a record describes; its name is the event.dataset without
// the "kagami." prefix.
type Kind uint8

const (
	KindFlow Kind = iota
	KindDNS
	KindHTTP
	KindWebSocket
	KindTLS
	KindQUIC
	KindSOCKS
	KindMail
	KindAuth
	KindFTP
	KindFile
	KindDHCP
	KindNTP
	KindSSDP
	KindIdentity
	KindAlert
	KindStats
	KindHeartbeat
	NumKinds // of kinds that are written

	// Sightings are for detectors alone: no export knows them.
	KindARP   = NumKinds
	KindPulse = NumKinds + 1
)

var kindNames = [...]string{"flow", "dns", "http", "websocket", "tls", "quic", "socks", "mail", "auth", "ftp", "file", "dhcp", "ntp", "ssdp", "identity", "alert", "stats", "heartbeat",
	KindARP: "arp", KindPulse: "pulse"}

func (k Kind) String() string { return kindNames[k] }

// Kinds are the names of all kinds that are written, in order.
func Kinds() []string { return append([]string(nil), kindNames[:NumKinds]...) }

// Record is one thing the sensor says. Records are immutable once emitted.
type Record interface {
	Meta() *Meta
	// AppendFields appends the record as ordered ECS fields: fields that share
	// a prefix are adjacent, so a writer can nest them in one pass.
	AppendFields([]Field) []Field
}

// Meta is what every record bears. Order of output is (Epoch, At, UID, Seq).
type Meta struct {
	At    int64  // logical time of emission, nanoseconds since the epoch: for a time-out the last packet plus the time-out
	Epoch uint32 // counts backward steps of the capture's clock
	Seq   uint32 // order among the records of one flow
	Sub   uint32 // alerts, identities: order among those that one record raised, from 1
	UID   uint64 // the flow's id: a hash of its key and its first packet's capture and logical time
	Kind  Kind

	Key         packet.Key
	Orig        packet.Side // the originator (client) of the flow
	CommunityID string      // Community ID v1, seed 0; "" when the flow has none
	VLAN        [2]uint16   // tags of the first packet, outer first
	VLANs       uint8       // how many of VLAN are set
	ClientMAC   [6]byte     // of the first packet; zero when the link has none
	ServerMAC   [6]byte
	Tunnel      packet.Tunnel // innermost encapsulation of the first packet

	ClientZone     string // zone of the configured networks
	ServerZone     string
	ClientInternal bool
	ServerInternal bool

	// What other records told of this one's ends: set by the site stage, which
	// shares it between records.
	ClientHost   *Host         // nil = nothing is known, or the client is not inside
	ServerHost   *Host         // nil = nothing is known, or the server is not inside
	Resolved     *Resolved     // the name that the client had looked up the server's address by; nil if none, or if it is the record's own
	NameSource   string        // where the server's name comes from: "sni", "host", "connect", "dns" ...; "" = no name
	Workstations *Workstations // a proxy's own connections: for whom; nil = not known

	Visibility Visibility
}

// Visibility is what the sensor could not see of the flow until now.
type Visibility struct {
	OneSided  bool   // packets of one direction only
	Midstream bool   // TCP without its handshake
	Truncated bool   // frames were cut by the snap length
	Missed    uint64 // TCP payload octets that were acknowledged or skipped but never seen, both directions
}

// Client is the originator's address and port.
func (m *Meta) Client() netip.AddrPort { return endpoint(&m.Key, m.Orig) }

// Server is the responder's address and port.
func (m *Meta) Server() netip.AddrPort { return endpoint(&m.Key, m.Orig.Other()) }

func endpoint(k *packet.Key, s packet.Side) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(k.Addr(s)).Unmap(), k.Port(s))
}

// Direction is the ECS network.direction of the flow.
func (m *Meta) Direction() string {
	switch {
	case m.ClientInternal && m.ServerInternal:
		return "internal"
	case m.ClientInternal:
		return "outbound"
	case m.ServerInternal:
		return "inbound"
	}
	return "external"
}

// Less orders records for output.
func Less(a, b *Meta) bool { return Compare(a, b) < 0 }

// Compare orders records by epoch, logical time, flow and sequence.
func Compare(a, b *Meta) int {
	switch {
	case a.Epoch != b.Epoch:
		return order(a.Epoch < b.Epoch)
	case a.At != b.At:
		return order(a.At < b.At)
	case a.UID != b.UID:
		return order(a.UID < b.UID)
	case a.Seq != b.Seq:
		return order(a.Seq < b.Seq)
	}
	return 0
}

func order(less bool) int {
	if less {
		return -1
	}
	return 1
}
