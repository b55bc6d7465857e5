package records

import "net/netip"

// Sightings are what detectors read besides records: too small, and too many,
// to be written. Nothing exports them.

// Pulse is client payload in a flow that is already under way, after a pause of
// PulsePause or more without any: a beat inside a long session or a tunnel, for
// which no protocol's record stands.
type Pulse struct {
	meta Meta

	Start      int64  // capture time of the first octet, nanoseconds since the epoch
	Idle       int64  // nanoseconds since the client's last payload
	Bytes      int64  // octets of the first segment or datagram
	Service    string // application protocol of the flow, or of what its tunnel carries; "" if unknown
	ServerName string // TLS SNI, "" if none was seen
	Authority  string // host:port that a proxy was asked to tunnel to, "" outside such tunnels
}

// PulsePause is the shortest pause before a pulse, in nanoseconds.
const PulsePause = int64(2e9)

// NewPulse returns a pulse that bears m.
func NewPulse(m Meta) *Pulse { m.Kind = KindPulse; return &Pulse{meta: m} }

// Meta implements Record.
func (r *Pulse) Meta() *Meta { return &r.meta }

// AppendFields implements Record: a pulse is not written.
func (r *Pulse) AppendFields(dst []Field) []Field { return dst }

// ARP is one message of the Address Resolution Protocol (RFC 826) for IPv4 over
// Ethernet. Meta's key holds sender and target, without ports.
type ARP struct {
	meta Meta

	Op             uint16 // 1 request, 2 reply
	Sender, Target netip.Addr
	SenderMAC      [6]byte
}

// NewARP returns an ARP sighting that bears m.
func NewARP(m Meta) *ARP { m.Kind = KindARP; return &ARP{meta: m} }

// Meta implements Record.
func (r *ARP) Meta() *Meta { return &r.meta }

// AppendFields implements Record: a sighting is not written.
func (r *ARP) AppendFields(dst []Field) []Field { return dst }

// Gratuitous tells that the sender announces itself and asks for nobody (RFC
// 5227 section 3), or probes an address before it uses it (section 2.1.1).
func (r *ARP) Gratuitous() bool { return r.Sender == r.Target || r.Sender.IsUnspecified() }
