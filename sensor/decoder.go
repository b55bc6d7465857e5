package sensor

import (
	"kagami/packet"
	"kagami/records"
)

// Verdict is what a decoder says after it was given octets.
type Verdict uint8

const (
	More   Verdict = iota // go on
	Done                  // nothing more to say: close the decoder now, count the flow only
	Enough                // no more octets are needed, but close the decoder with the flow: it has its end to tell
)

// Match is what a protocol says of a stream's first octets.
type Match uint8

const (
	No         Match = iota // not this protocol
	Maybe                   // too few octets to tell
	FromClient              // this protocol, and its client sent these octets
	FromServer              // this protocol, and its server sent these octets
)

// Protocol is one entry in the ordered list of what the sensor decodes. Match
// looks at content, never at the port alone; it sees the first octets of one
// direction of a TCP stream (at least 1, at most MatchLimit) or one datagram,
// and must be cheap. f gives it the ports and the transport as a second opinion.
type Protocol struct {
	Name      string // network.protocol: "http"
	Transport uint8  // packet.ProtoTCP or packet.ProtoUDP
	Encrypted bool   // what follows its decoder's Done is encrypted
	Match     func(f *Flow, side packet.Side, first []byte) Match
	New       func() Decoder
}

// Decoder reads one flow. Data gets the TCP stream in order, or one datagram;
// the octets are borrowed: keep = copy. Gap says that n octets of that
// direction are lost for ever (n > 0). Close is called once, when the flow ends
// or after Done, and writes out what is half finished. f.Now is the time of the
// packet at hand; records are written with emit.
type Decoder interface {
	Data(f *Flow, side packet.Side, data []byte, emit Emit) Verdict
	Gap(f *Flow, side packet.Side, n int) Verdict
	Close(f *Flow, emit Emit)
}

// Emit hands a record over. The record must have been made with f.Meta().
type Emit func(records.Record)

// MatchLimit is how many octets of a direction a Protocol gets to see at most
// before it must have decided.
const MatchLimit = 256
