package tlskeys

import (
	"crypto/tls"
	"fmt"

	"kagami/packet"

	"kagami/records"
)

// Reason says why application data could not be given.
type Reason uint8

// Reasons.
const (
	None        Reason = iota
	MidStream          // the capture starts behind the hellos, or holds one direction only
	NotTLS             // no TLS record where the first one should be
	Version            // SSL 2.0, SSL 3.0 or a version not known
	Suite              // a cipher suite that cannot be opened
	Compression        // TLS compression
	NoKey              // the key log has no secret for this connection
	Gap                // octets are missing from the capture
	BadRecord          // records whose authentication fails: a wrong secret, or octets that were changed
	Malformed          // a message or record against the protocol
	Limit              // a limit of this package
)

func (r Reason) String() string {
	switch r {
	case None:
		return ""
	case MidStream:
		return "handshake not captured"
	case NotTLS:
		return "not TLS"
	case Version:
		return "unsupported version"
	case Suite:
		return "unsupported cipher suite"
	case Compression:
		return "compressed"
	case NoKey:
		return "no key"
	case Gap:
		return "gap in the capture"
	case BadRecord:
		return "authentication failed"
	case Malformed:
		return "malformed"
	case Limit:
		return "limit reached"
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// Loss is application data that are missing from one direction.
type Loss struct {
	// Octets are missing at most; just as many if Exact, provided that the records that
	// were lost bore application data alone.
	Octets int
	Exact  bool
	// Records is how many records were lost, 0 when that is not known.
	Records int
	// Reason is Gap or BadRecord; Limit for early data beyond what is held.
	Reason Reason
}

// add joins a loss with the one right behind it.
func (l *Loss) add(more Loss) {
	switch {
	case more.Octets == 0:
		return
	case l.Octets == 0:
		*l = more
		return
	}
	l.Octets += more.Octets
	l.Exact = l.Exact && more.Exact
	if l.Records == 0 || more.Records == 0 {
		l.Records = 0
	} else {
		l.Records += more.Records
	}
	if more.Reason == Gap {
		l.Reason = Gap
	}
}

// Report is what a Session found out about its connection.
type Report struct {
	Version    uint16 // 0x0301 to 0x0304, as the server chose it; 0 before
	Suite      uint16 // 0 before the ServerHello
	ServerName string // as the client asked for it; attacker-controlled
	ALPN       string // the protocol the server chose; attacker-controlled
	Random     [32]byte
	Hello      bool        // a ClientHello was seen: Random is valid
	Client     packet.Side // the TLS client's side, valid with Hello
	// ECH says that the ClientHello was encrypted: ServerName is that of the provider.
	ECH bool
	// Resumed says that TLS 1.2 or before went on with an earlier session's master
	// secret, or TLS 1.3 with a pre-shared key.
	Resumed bool
	// Early is application data of TLS 1.3's 0-RTT that the server took, and is in
	// Plain too; EarlyDropped is what it refused or nobody knows it took, in octets: the
	// client sends that again.
	Early, EarlyDropped int64
	Sides               [2]SideReport
}

// SideReport is one direction.
type SideReport struct {
	// Dark is why this direction cannot be decrypted from octet DarkAt of its stream on;
	// Unread is how many octets came since.
	Dark           Reason
	DarkAt, Unread int64
	// Records counts those that opened, Plain the application data given, in octets.
	Records, Plain int64
	// LostRecords and LostOctets sum up the losses told.
	LostRecords, LostOctets int64
	// Cut is how many octets of an unfinished record the stream ends with.
	Cut int
	// Closed says that the sender ended the stream by close_notify: nothing is missing
	// behind what was given.
	Closed bool
	// Alert is the description of the last other alert (RFC 8446 section 6), valid if
	// Alerted.
	Alert   uint8
	Alerted bool
}

// SuiteName is the IANA name of the cipher suite, "0x1A1B" for those without.
func (r *Report) SuiteName() string {
	if name, ok := records.CipherSuite(r.Suite); ok {
		return name
	}
	return fmt.Sprintf("0x%04X", r.Suite)
}

// VersionName is "TLS 1.2" and the like.
func (r *Report) VersionName() string { return tls.VersionName(r.Version) }
