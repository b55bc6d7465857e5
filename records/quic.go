package records

// QUIC is one connection as far as it is visible: its handshake's packets (RFC
// 9000). What is negotiated inside stands in the flow's TLS record.
type QUIC struct {
	meta Meta

	Start int64 // first packet, nanoseconds since the epoch
	End   int64 // last packet looked at

	Version       string // of the first packet: "1", "2", "draft-29", "Q046" ...; "0x1a2a3a4a" when not known
	VersionNumber uint32
	Negotiated    string   // version that the server went on with, where it differs (RFC 9368)
	Offered       []string // versions of the server's Version Negotiation packet; at most 32

	ClientDCID  string // first destination connection id of the client, in hexadecimal
	ClientSCID  string // "" also when it is empty: see ClientSeen
	ServerSCID  string // the one the server chose last
	ClientSeen  bool   // long headers of the client were seen
	ServerSeen  bool
	Retries     int // Retry packets of the server
	ZeroRTT     int // 0-RTT packets
	Established bool

	ServerName string   // SNI; with ECH, the outer name
	ClientALPN []string // offered
	UserAgent  string   // Google QUIC before TLS only
	JA3        string
	JA4        string

	CloseCode   uint64 // error of a CONNECTION_CLOSE in the clear handshake (RFC 9000 section 20)
	CloseReason string // its text, at most 255 octets
	CloseFrom   string // "client" or "server", "" if there was none

	// History has a letter for each packet, as in Zeek's quic.log: the client's
	// in upper case. At most 100.
	History string
	Odd     string // first violation of the protocol or limit met, "" if none
}

// NewQUIC returns a QUIC record that bears m.
func NewQUIC(m Meta) *QUIC { m.Kind = KindQUIC; return &QUIC{meta: m} }

// Meta implements Record.
func (r *QUIC) Meta() *Meta { return &r.meta }

// Stamp gives the record its header.
func (r *QUIC) Stamp(m Meta) { m.Kind = KindQUIC; r.meta = m }

// AppendFields implements Record.
func (r *QUIC) AppendFields(dst []Field) []Field {
	f, m := Fields(dst), &r.meta
	e := Event{Kind: "event", Category: categoryNetwork, Type: typeProtocolConnection, Action: "quic-handshake",
		Reason: r.CloseReason, Start: r.Start, End: r.End}
	switch {
	case r.Established:
		e.Outcome = "success"
	case r.CloseFrom != "":
		e.Outcome = "failure"
	}
	m.event(&f, e)
	m.network(&f, "quic", 0, 0)
	m.endpoints(&f, Peer{}, Peer{Domain: r.ServerName})
	f.list("related.hash", r.JA3, r.JA4)
	m.related(&f, r.ServerName)
	f.Str("tls.client.ja3", r.JA3)
	f.Str("tls.client.server_name", r.ServerName)
	f.Str("user_agent.original", r.UserAgent)
	r.connection(&f)
	m.tail(&f)
	return f
}

// connection appends kagami.quic.*.
func (r *QUIC) connection(f *Fields) {
	f.Strs("kagami.quic.client_alpn", r.ClientALPN)
	f.Str("kagami.quic.client_dcid", r.ClientDCID)
	f.Str("kagami.quic.client_scid", r.ClientSCID)
	if r.CloseFrom != "" {
		f.Int("kagami.quic.close_code", int64(r.CloseCode))
		f.Str("kagami.quic.close_from", r.CloseFrom)
		f.Str("kagami.quic.close_reason", r.CloseReason)
	}
	f.Bool("kagami.quic.established", r.Established)
	f.Str("kagami.quic.history", r.History)
	f.Str("kagami.quic.ja4", r.JA4)
	f.Str("kagami.quic.negotiated_version", r.Negotiated)
	f.Str("kagami.quic.odd", r.Odd)
	f.Strs("kagami.quic.offered_versions", r.Offered)
	f.Count("kagami.quic.retries", uint64(r.Retries))
	f.Str("kagami.quic.server_scid", r.ServerSCID)
	f.Str("kagami.quic.version", r.Version)
	f.Count("kagami.quic.zero_rtt_packets", uint64(r.ZeroRTT))
}
