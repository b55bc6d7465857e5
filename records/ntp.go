package records

import "net/netip"

// NTP is one message of the Network Time Protocol: of time (modes 1 to 5), or of
// control (6) or private (7) use, which ask a server for its state.
type NTP struct {
	meta Meta

	Time    int64 // capture time of the message, nanoseconds since the epoch
	Version uint8
	Mode    uint8 // 1 symmetric active, 2 symmetric passive, 3 client, 4 server, 5 broadcast, 6 control, 7 private

	// Modes 1 to 5.
	Leap           uint8   // 0 none, 1 and 2 a leap second comes, 3 not synchronised
	Stratum        uint8   // 1 has the clock itself; 0 unspecified, or a kiss of death
	Poll           int8    // log2 seconds
	Precision      int8    // log2 seconds
	RootDelay      int64   // nanoseconds
	RootDispersion int64   // nanoseconds
	RefID          [4]byte // stratum 0 and 1: a word; from 2 on the server's server: IPv4 address, or a hash of the IPv6 address
	RefTime        int64   // the clock was last set; this and the next three: nanoseconds since the epoch, of the era next to Time; 0 when absent
	OrgTime        int64   // the request's transmit time, as the server gives it back
	RecTime        int64   // the server got the request
	XmtTime        int64   // this message was sent, as its sender believes; clients may give a random number
	Extensions     uint8   // extension fields
	KeyID          uint32  // of the message's authentication code
	MACBytes       uint8   // octets of that code without KeyID, 0 if absent

	// Modes 6 and 7.
	Response    bool
	Operation   string // "readvar", "monlist" ...
	OperationNo uint8
	Error       uint8 // mode 7: error code; mode 6: 1 if the error bit is set
	More        bool  // more messages of this response follow
	Sequence    uint16
	Status      uint16 // mode 6
	Association uint16 // mode 6
	Items       uint16 // mode 7: data items; mode 6: octets of data
	ItemSize    uint16 // mode 7: octets each

	Malformed bool // it ends early, or with octets that are neither extension nor code
}

// NewNTP returns an NTP record that bears m.
func NewNTP(m Meta) *NTP { m.Kind = KindNTP; return &NTP{meta: m} }

// Meta implements Record.
func (r *NTP) Meta() *Meta { return &r.meta }

// Control tells messages that ask for a server's state from those of time.
func (r *NTP) Control() bool { return r.Mode >= 6 }

// ntpModes are the modes' names (RFC 5905 figure 10).
var ntpModes = [8]string{"reserved", "symmetric-active", "symmetric-passive", "client", "server", "broadcast", "control", "private"}

// AppendFields implements Record.
func (r *NTP) AppendFields(dst []Field) []Field {
	f, m := Fields(dst), &r.meta
	m.event(&f, Event{Kind: "event", Category: categoryNetwork, Type: typeProtocolInfo, Action: "ntp-", Verb: ntpModes[r.Mode&7], Start: r.Time})
	m.network(&f, "ntp", 0, 0)
	m.endpoints(&f, Peer{}, Peer{})
	m.related(&f)
	if r.Control() {
		r.control(&f)
	} else {
		r.time(&f)
	}
	f.Int("kagami.ntp.version", int64(r.Version))
	if !r.Control() {
		f.Time("kagami.ntp.xmt_time", r.XmtTime)
	}
	m.tail(&f)
	return f
}

// time appends what modes 1 to 5 say, up to version, in the order of names.
func (r *NTP) time(f *Fields) {
	f.Count("kagami.ntp.extensions", uint64(r.Extensions))
	if r.MACBytes > 0 {
		f.Int("kagami.ntp.key_id", int64(r.KeyID))
	}
	f.Int("kagami.ntp.leap", int64(r.Leap))
	f.Count("kagami.ntp.mac_bytes", uint64(r.MACBytes))
	f.Flag("kagami.ntp.malformed", r.Malformed)
	f.Int("kagami.ntp.mode", int64(r.Mode))
	f.Time("kagami.ntp.org_time", r.OrgTime)
	f.Int("kagami.ntp.poll", int64(r.Poll))
	f.Int("kagami.ntp.precision", int64(r.Precision))
	f.Time("kagami.ntp.rec_time", r.RecTime)
	r.reference(f, "kagami.ntp.ref_id")
	f.Time("kagami.ntp.ref_time", r.RefTime)
	f.Int("kagami.ntp.root_delay", r.RootDelay)
	f.Int("kagami.ntp.root_dispersion", r.RootDispersion)
	f.Int("kagami.ntp.stratum", int64(r.Stratum))
}

// control appends what modes 6 and 7 say, up to version, in the order of names.
func (r *NTP) control(f *Fields) {
	f.Count("kagami.ntp.association", uint64(r.Association))
	f.Count("kagami.ntp.error", uint64(r.Error))
	f.Count("kagami.ntp.item_bytes", uint64(r.ItemSize))
	f.Count("kagami.ntp.items", uint64(r.Items))
	f.Flag("kagami.ntp.malformed", r.Malformed)
	f.Int("kagami.ntp.mode", int64(r.Mode))
	f.Flag("kagami.ntp.more", r.More)
	f.Str("kagami.ntp.operation", r.Operation)
	f.Bool("kagami.ntp.response", r.Response)
	f.Int("kagami.ntp.sequence", int64(r.Sequence))
	f.Count("kagami.ntp.status", uint64(r.Status))
}

// Reference is RefID as text: a word, an address, or "" when it is zero.
func (r *NTP) Reference() string {
	switch {
	case r.RefID == [4]byte{}:
		return ""
	case r.Stratum > 1:
		return netip.AddrFrom4(r.RefID).String()
	}
	if n := r.word(); n >= 0 {
		return string(r.RefID[:n])
	}
	return "0x" + Hex(r.RefID[:])
}

// reference appends Reference.
func (r *NTP) reference(f *Fields, name string) {
	switch n := r.word(); {
	case r.RefID == [4]byte{}:
	case r.Stratum > 1:
		at := f.open(Join, name) // not always an address
		f.element(netip.AddrFrom4(r.RefID))
		f.close(at)
	case n < 0:
		at := f.open(Join, name)
		f.Str("", "0x")
		f.HexOctets("", r.RefID[:])
		f.close(at)
	default:
		f.Text(name, r.RefID[:n])
	}
}

// word is the length of the word that RefID is, -1 if it is none.
func (r *NTP) word() int {
	n := 0
	for n < len(r.RefID) && r.RefID[n] > ' ' && r.RefID[n] < 0x7f {
		n++
	}
	for _, c := range r.RefID[n:] {
		if c != 0 && c != ' ' {
			return -1
		}
	}
	return n
}

// KissCode is the word by which a server sends a client away (RFC 5905 section
// 7.4): "RATE", "DENY"; "" if this is no such message.
func (r *NTP) KissCode() string {
	if r.Mode == 4 && r.Stratum == 0 {
		return r.Reference()
	}
	return ""
}
