package records

// Flow is one conversation between two endpoints, written when it ends.
type Flow struct {
	meta Meta

	Start, End int64 // first and last packet, nanoseconds since the epoch
	Orig, Resp Counts
	ConnState  string // Zeek's conn_state: S0 S1 SF REJ S2 S3 RSTO RSTR RSTOS0 RSTRH SH SHR OTH
	History    string // Zeek's history: upper case from the originator
	Service    string // application protocol recognised by content, "" if none
	ServerName string // TLS SNI, or the host of the first HTTP request or CONNECT, "" if none
	Tunnel     string // what a CONNECT tunnel carried ("tls", "http" ...), "" if none
	Action     string // "Permit" or "Deny", inferred: see Reason
	Reason     string // why: answered, refused, unanswered, no answer expected
	EndReason  string // why the record was written: "fin", "rst", "timeout", "eviction", "end of capture", "clock step"
	Shunted    bool   // part of it was counted in the kernel and not looked into
	GivenUp    bool   // it was not decoded to its end: all flows together kept too much (sensor.max_kept)
	ICMPType   uint8  // of the originator's first message
	ICMPCode   uint8
}

// Counts are one direction of a flow.
type Counts struct {
	Packets  uint64
	Bytes    uint64 // octets on the wire, link header included
	IPBytes  uint64 // octets of IP datagrams (Zeek's ip_bytes)
	Payload  uint64 // TCP: octets of the stream by sequence number (Zeek's bytes); else sum of payloads
	Retrans  uint64 // TCP payload octets seen again
	Missed   uint64 // TCP payload octets never seen
	Overlap  uint64 // TCP payload octets whose second copy was ignored by reassembly
	BadSums  uint64 // IPv4 header checksums that do not verify
	TTL      uint8  // of the first packet
	VLANSeen uint16 // of the first packet of this direction, 0 = untagged

	Duplicates uint64 // packets that the mirror port delivered again; not counted above
	CopyTTL    uint8  // of the first of them that took another path, 0 = none did
	CopyVLAN   uint16
}

// NewFlow returns a flow record that bears m.
func NewFlow(m Meta) *Flow { m.Kind = KindFlow; return &Flow{meta: m} }

// Meta implements Record.
func (r *Flow) Meta() *Meta { return &r.meta }

// AppendFields implements Record.
func (r *Flow) AppendFields(dst []Field) []Field {
	f, m := Fields(dst), &r.meta
	typ := flowAllowed
	if r.Action == "Deny" {
		typ = flowDenied
	}
	m.event(&f, Event{Kind: "event", Category: categoryNetwork, Type: typ, Action: "flow-end",
		Reason: r.EndReason, Start: r.Start, End: r.End})
	m.network(&f, r.Service, r.Orig.IPBytes+r.Resp.IPBytes, r.Orig.Packets+r.Resp.Packets)
	m.endpoints(&f, Peer{Bytes: r.Orig.IPBytes, Packets: r.Orig.Packets},
		Peer{Bytes: r.Resp.IPBytes, Packets: r.Resp.Packets, Domain: r.ServerName})
	m.related(&f, r.ServerName)
	if !m.HasPorts() && (m.Key.Proto == 1 || m.Key.Proto == 58) {
		f.Int("kagami.icmp.code", int64(r.ICMPCode))
		f.Int("kagami.icmp.type", int64(r.ICMPType))
	}
	f.Str("kagami.firewall.action", r.Action)
	f.Str("kagami.firewall.reason", r.Reason)
	f.Flag("kagami.conn.given_up", r.GivenUp)
	f.Str("kagami.conn.history", r.History)
	f.Str("kagami.conn.state", r.ConnState)
	f.Flag("kagami.conn.shunted", r.Shunted)
	f.Str("kagami.conn.tunnel", r.Tunnel)
	r.Orig.fields(&f, &clientCountNames)
	m.ClientHost.fields(&f, &clientHostNames, m.ClientMAC)
	r.Resp.fields(&f, &serverCountNames)
	m.ServerHost.fields(&f, &serverHostNames, m.ServerMAC)
	m.tail(&f)
	return f
}

var (
	categoryNetwork = []string{"network"}
	flowAllowed     = []string{"connection", "allowed", "end"}
	flowDenied      = []string{"connection", "denied", "end"}
)

type countNames struct{ badSums, copyTTL, copyVLAN, duplicates, missed, overlap, payload, retrans, ttl, wire string }

var (
	clientCountNames = countNames{"kagami.client.bad_checksums", "kagami.client.copy_ttl", "kagami.client.copy_vlan", "kagami.client.duplicates", "kagami.client.missed_bytes", "kagami.client.overlap_bytes",
		"kagami.client.payload_bytes", "kagami.client.retransmitted_bytes", "kagami.client.ttl", "kagami.client.wire_bytes"}
	serverCountNames = countNames{"kagami.server.bad_checksums", "kagami.server.copy_ttl", "kagami.server.copy_vlan", "kagami.server.duplicates", "kagami.server.missed_bytes", "kagami.server.overlap_bytes",
		"kagami.server.payload_bytes", "kagami.server.retransmitted_bytes", "kagami.server.ttl", "kagami.server.wire_bytes"}
)

func (c *Counts) fields(f *Fields, n *countNames) {
	f.Count(n.badSums, c.BadSums)
	f.Count(n.copyTTL, uint64(c.CopyTTL))
	f.Count(n.copyVLAN, uint64(c.CopyVLAN))
	f.Count(n.duplicates, c.Duplicates)
	f.Count(n.missed, c.Missed)
	f.Count(n.overlap, c.Overlap)
	f.Int(n.payload, int64(c.Payload))
	f.Count(n.retrans, c.Retrans)
	f.Count(n.ttl, uint64(c.TTL))
	f.Count(n.wire, c.Bytes)
}
