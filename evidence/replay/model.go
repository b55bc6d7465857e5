package replay

import (
	"net/netip"
	"net/url"
)

// Reading is what a capture holds of the web. Times are nanoseconds since the
// epoch, frames are counted from 1 as Wireshark does; 0 = not known.
type Reading struct {
	Source       string         // the capture files or the case
	First, Last  int64          // of all frames
	Frames       int            // read
	Flows        []*Flow        // in order of their first packets
	Transactions []*Transaction // in order of their first octets
	Objects      []*Object      // what was transferred in ranges, joined
	Lookups      []Lookup       // DNS answers and failures
	Holes        []Hole         // everything that is missing, in order of time
	Others       int            // TCP flows with payload that hold neither HTTP nor TLS; they are only counted
}

// Flow is one TCP conversation, one QUIC connection, or what a tunnel carries.
type Flow struct {
	Number         int // from 0, in order of the first packets
	Client, Server netip.AddrPort
	First, Last    int64
	Frame          int    // of the first packet
	Protocol       string // by content: "http/1", "h2", "tls" (not decrypted), "quic", "" = none of these
	Midstream      bool   // its beginning was not captured
	Missing        [2]int64
	TLS            *TLS         // nil = in clear
	Via            *Transaction // the CONNECT whose tunnel it is, nil = it is a conversation of its own
	CommunityID    string
}

// TLS is what is known of an encrypted flow.
type TLS struct {
	Version    string // "TLS 1.2", "TLS 1.3" ..., "" = the server's hello was not seen
	ServerName string // SNI
	ALPN       string
	Cipher     string
	Dark       string // why it was not decrypted, "" = it was
}

// Transaction is a request and its response, or what there is of them.
type Transaction struct {
	Number   int // from 0, in order of the first octets
	Flow     *Flow
	Stream   uint32 // HTTP/2 stream, else 0
	Pushed   bool   // HTTP/2: nobody asked, the server promised it
	Request  *Request
	Response *Response   // nil = none was seen
	Early    []*Response // 1xx
	Switched string      // what the connection went on with: "websocket", "h2c", "connect" ..., "" = HTTP
	Carried  [2]int64    // octets that client and server sent behind that, holes included
}

// Request is one side of a transaction; one that was not seen, but answered, has no Method.
type Request struct {
	Message
	Method string
	Target string   // as on the wire
	URL    *url.URL // absolute; nil when there is no telling which
}

// Response is the other side.
type Response struct {
	Message
	Status int // 0 = its head was not captured: there are octets of its body only
	Reason string
}

// Message is what both have.
type Message struct {
	Version     string // "HTTP/1.1", "HTTP/2" ...
	Time, End   int64  // first and last octet
	Frame, Till int    // frames that held them
	Header      []Field
	Trailer     []Field
	Head        []byte // start line and header as on the wire, empty line included; HTTP/2: written the way HTTP/1.1 would
	Body        Body

	turn int // counts the changes of who speaks
}

// Field is a header field as on the wire, in order.
type Field struct{ Name, Value string }

// Body is a message's content.
type Body struct {
	Wire      []byte   // as transferred, chunk framing included; holes are left out
	Data      []byte   // decoded: transfer and content codings undone, up to the first hole; ranges of one object not yet joined
	Holes     []Span   // in Wire: where octets are missing, and how many
	Missing   int64    // octets that are missing in all, as far as is known
	Declared  int64    // Content-Length, -1 = none
	Complete  bool     // all of it is there and was decoded
	Why       string   // what is missing or was not decoded, "" = nothing
	Encodings []string // content codings, outermost last
	MD5       string   // of Data, hexadecimal; "" when there is no body
	SHA1      string
	SHA256    string
	Declares  string   // media type by Content-Type, without parameters
	Magic     string   // media type by content
	Limits    []string // limits that were hit
}

// Span is octets missing at an offset: Length octets are not there.
type Span struct{ Offset, Length int64 }

// Object is a representation that was transferred in ranges (RFC 9110 section 14),
// joined of what one client got of it.
type Object struct {
	URL       *url.URL
	Validator string // ETag or Last-Modified that the ranges share, "" = none
	Client    netip.Addr
	Size      int64 // of the whole, -1 = not known
	Pieces    []Piece
	Missing   []Span // in the whole: what was not transferred or not captured
	Data      []byte // from offset 0 to the first that is missing
	Complete  bool
	MD5       string // of Data
	SHA1      string
	SHA256    string
	Declares  string
	Magic     string
	Limits    []string
}

// Piece is where a range of an Object came from.
type Piece struct {
	Transaction    *Transaction
	Offset, Length int64 // in the Object
}

// Lookup is a DNS question and what it was answered.
type Lookup struct {
	Time   int64
	Frame  int
	Client netip.Addr
	Name   string
	Addrs  []netip.Addr
	Failed string // response code, "" = answered
}

// Hole is one thing that is not in the Reading, and why.
type Hole struct {
	Kind        HoleKind
	Flow        *Flow        // nil = none in particular
	Transaction *Transaction // nil = none in particular
	Time        int64
	Offset      int64 // in the body or stream
	Length      int64 // octets, 0 = not known
	Text        string
}

// HoleKind says what is missing.
type HoleKind string

const (
	HoleGap       HoleKind = "gap"        // octets of a stream that were not captured
	HoleTruncated HoleKind = "truncated"  // a body shorter than was declared
	HoleNoAnswer  HoleKind = "no answer"  // a request without a response
	HoleNoRequest HoleKind = "no request" // a response whose request was not captured
	HoleCached    HoleKind = "cached"     // 304: the body was in the client's cache, never on the wire
	HoleRange     HoleKind = "range"      // pieces of an object that were not transferred
	HoleEncoding  HoleKind = "encoding"   // a coding that is not known, or does not decode
	HoleDark      HoleKind = "encrypted"  // no key
	HoleLimit     HoleKind = "limit"      // more than the limits allow
	HoleMidstream HoleKind = "midstream"  // the beginning of a flow was not captured
	HoleLost      HoleKind = "lost"       // packets dropped at the sensor in this time
	HoleSyntax    HoleKind = "syntax"     // octets that are not HTTP where it was expected
)
