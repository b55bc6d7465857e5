package records

import (
	"net/netip"
	"strconv"

	"kagami/packet"
)

// ECSVersion is the schema version that the field names follow.
const ECSVersion = "9.0.0"

// Event is the part of a record's ECS event.* that differs between kinds.
type Event struct {
	Kind     string // event.kind: "event" or "alert"
	Category []string
	Type     []string
	Action   string
	Verb     string // the rest of event.action, in whatever case: "ACK" behind "dhcp-"
	Outcome  string // "success", "failure" or ""
	Reason   string
	Start    int64 // nanoseconds since the epoch
	End      int64
	Severity int64 // alerts only
}

// event appends @timestamp, ecs and event.*: the head of every record.
func (m *Meta) event(f *Fields, e Event) {
	f.Moment("@timestamp", m.At)
	f.Str("ecs.version", ECSVersion)
	m.id(f)
	f.Str("event.kind", e.Kind)
	f.Strs("event.category", e.Category)
	f.Strs("event.type", e.Type)
	f.Str("event.dataset", datasets[m.Kind])
	f.Str("event.module", "kagami")
	if e.Verb == "" {
		f.Str("event.action", e.Action)
	} else {
		at := f.open(Join, "event.action")
		f.Str("", e.Action)
		f.Lower("", e.Verb)
		f.close(at)
	}
	f.Str("event.outcome", e.Outcome)
	f.Str("event.reason", e.Reason)
	f.Count("event.severity", uint64(e.Severity))
	f.Time("event.start", e.Start)
	f.Time("event.end", e.End)
	if e.Start != 0 && e.End >= e.Start {
		f.Int("event.duration", e.End-e.Start)
	}
	f.Str("observer.product", "Kagami")
	f.Str("observer.type", "network-sensor")
	f.Str("observer.vendor", "Kagami")
	f.Str("observer.egress.zone", m.ServerZone)
	f.Str("observer.ingress.zone", m.ClientZone)
}

var datasets = func() (d [NumKinds]string) {
	for k, name := range Kinds() {
		d[k] = "kagami." + name
	}
	return
}()

// ID is the record's id: the flow's id and the record's number within it; for
// an alert or identity, those of the record that raised it and its own number.
func (m *Meta) ID() string { return string(m.AppendID(make([]byte, 0, 24))) }

// AppendID appends ID.
func (m *Meta) AppendID(b []byte) []byte {
	b = appendHex(b, m.UID, flowDigits)
	b = append(b, '-')
	b = appendHex(b, uint64(m.Seq), 0)
	if m.Sub != 0 {
		b = append(b, subMark(m.Kind)...)
		b = appendHex(b, uint64(m.Sub), 0)
	}
	return b
}

// id appends event.id, which is ID.
func (m *Meta) id(f *Fields) {
	at := f.open(Join, "event.id")
	f.FlowID("", m.UID)
	f.Str("", "-")
	f.HexNum("", uint64(m.Seq), 0)
	if m.Sub != 0 {
		f.Str("", subMark(m.Kind))
		f.HexNum("", uint64(m.Sub), 0)
	}
	f.close(at)
}

// subMark tells apart what one record raises.
func subMark(k Kind) string {
	if k == KindIdentity {
		return "-i"
	}
	return "-a"
}

// FlowID is the flow's id as it stands in records: 16 hexadecimal digits.
func (m *Meta) FlowID() string { return FlowID(m.UID) }

// FlowID is the flow id of uid.
func FlowID(uid uint64) string {
	return string(appendHex(make([]byte, 0, flowDigits), uid, flowDigits))
}

// network appends network.*: app is the application protocol ("" = unknown).
func (m *Meta) network(f *Fields, app string, bytes, packets uint64) {
	f.Count("network.bytes", bytes)
	f.Str("network.community_id", m.CommunityID)
	f.Str("network.direction", m.Direction())
	f.Str("network.iana_number", ianaNumber[m.Key.Proto])
	f.Count("network.packets", packets)
	f.Str("network.protocol", app)
	f.Str("network.transport", Transport(m.Key.Proto))
	f.Str("network.type", m.NetworkType())
	if m.VLANs > 0 {
		f.Digits("network.vlan.id", int64(m.VLAN[0]&0xfff))
	}
	if m.VLANs > 1 {
		f.Digits("network.inner.vlan.id", int64(m.VLAN[1]&0xfff))
	}
}

var ianaNumber = func() (t [256]string) {
	for i := range t {
		t[i] = strconv.Itoa(i)
	}
	return
}()

// Transport is the ECS network.transport name of an IP protocol.
func Transport(proto uint8) string {
	switch proto {
	case packet.ProtoTCP:
		return "tcp"
	case packet.ProtoUDP:
		return "udp"
	case packet.ProtoICMP:
		return "icmp"
	case packet.ProtoICMPv6:
		return "ipv6-icmp"
	case packet.ProtoSCTP:
		return "sctp"
	case 2:
		return "igmp"
	case 47:
		return "gre"
	case 50:
		return "esp"
	case 51:
		return "ah"
	case 89:
		return "ospf"
	}
	return ""
}

// NetworkType is "ipv4" or "ipv6".
func (m *Meta) NetworkType() string {
	if packet.IsV4(&m.Key.A) && packet.IsV4(&m.Key.B) {
		return "ipv4"
	}
	return "ipv6"
}

// HasPorts tells whether the flow's protocol has ports (ICMP's type and code,
// which stand in the key, are not ports).
func (m *Meta) HasPorts() bool {
	switch m.Key.Proto {
	case packet.ProtoTCP, packet.ProtoUDP, packet.ProtoSCTP:
		return true
	}
	return false
}

// Peer is one end of the flow with what was counted from it.
type Peer struct {
	Bytes   uint64 // octets of IP datagrams sent by it; 0 = not counted in this record
	Packets uint64
	Domain  string
	user    string
}

// endpoints appends source.* (the client) and destination.* (the server).
func (m *Meta) endpoints(f *Fields, client, server Peer) {
	if client.Domain == "" {
		client.Domain = m.ClientHost.name()
	}
	server.Domain = m.domain(server.Domain)
	client.user, server.user = m.ClientHost.user(), m.ServerHost.user()
	m.peer(f, &sourceNames, m.Client(), m.ClientMAC, client)
	m.peer(f, &destinationNames, m.Server(), m.ServerMAC, server)
}

type peerNames struct{ address, bytes, domain, ip, mac, packets, port, user string }

var (
	sourceNames      = peerNames{"source.address", "source.bytes", "source.domain", "source.ip", "source.mac", "source.packets", "source.port", "source.user.name"}
	destinationNames = peerNames{"destination.address", "destination.bytes", "destination.domain", "destination.ip", "destination.mac", "destination.packets", "destination.port", "destination.user.name"}
)

func (m *Meta) peer(f *Fields, n *peerNames, ep netip.AddrPort, mac [6]byte, p Peer) {
	f.Count(n.bytes, p.Bytes)
	f.Str(n.domain, p.Domain)
	f.IP(n.ip, ep.Addr())
	f.MAC(n.mac, mac)
	f.Count(n.packets, p.Packets)
	if m.HasPorts() {
		f.Int(n.port, int64(ep.Port()))
	}
	f.Str(n.user, p.user)
}

// related appends related.*: every address, and the names given.
func (m *Meta) related(f *Fields, hosts ...string) {
	m.names(f, hosts...)
	m.addrs(f)
}

// tail appends the kagami.* fields that close every record of a flow; a kind's
// own kagami.* fields come right before it. It has kagami.client, kagami.server,
// kagami.name and kagami.workstation for all kinds but flows.
func (m *Meta) tail(f *Fields) {
	m.told(f)
	f.FlowID("kagami.flow.id", m.UID)
	if t := &m.Tunnel; t.Depth > 0 {
		f.Int("kagami.tunnel.depth", int64(t.Depth))
		if t.Dst != ([16]byte{}) {
			f.IP("kagami.tunnel.destination.ip", netip.AddrFrom16(t.Dst).Unmap())
		}
		f.Int("kagami.tunnel.id", int64(t.ID))
		if t.Src != ([16]byte{}) {
			f.IP("kagami.tunnel.source.ip", netip.AddrFrom16(t.Src).Unmap())
		}
		f.Str("kagami.tunnel.type", t.Kind.String())
	}
	v := &m.Visibility
	f.Flag("kagami.visibility.midstream", v.Midstream)
	f.Count("kagami.visibility.missed_bytes", v.Missed)
	f.Flag("kagami.visibility.one_sided", v.OneSided)
	f.Flag("kagami.visibility.truncated", v.Truncated)
}
