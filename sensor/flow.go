package sensor

import (
	"kagami/packet"
	"kagami/records"
)

// Flow is one conversation while it lasts. The exported members and methods are
// what decoders use; they are valid during the call they were given in.
//
// What every packet needs comes first and close together: a packet's cost is the
// cache lines it touches.
type Flow struct {
	hash   uint64
	chain  *Flow // next in the hash bucket, or in the free list
	Key    packet.Key
	Orig   packet.Side // the originator (client)
	class  class
	listed bool
	flags

	Now      int64        // capture time of the packet at hand, nanoseconds since the epoch
	Cut      int          // octets that the capture's snap length took from the datagram or segment at hand
	clock    int64        // logical time of the packet at hand, or of the expiry under way
	touched  int64        // logical time of the last packet
	spoke    int64        // capture time of the client's last new payload
	spokeTo  uint64       // how much it had sent then
	listedAt int64        // the same when the flow got its place in the time-out list
	last     int64        // capture time of the last packet
	decoder  Decoder      // nil: only counted
	dir      [2]direction // by packet.Side

	Service    string // set by Label
	ServerName string
	Tunnel     string
	TunnelName string
	Authority  string // host:port that a proxy was asked to tunnel to
	Session    bool   // what it carries has no record for each message: an upgraded connection, a tunnel
	flowState
}

// flags are facts of a flow that any packet may change.
type flags struct {
	inTunnel    bool
	midstart    bool // TCP: the first packet was not a SYN
	unreachable bool // an ICMP error said that the server's port is closed
	truncated   bool
	flipped     bool
	givenUp     bool // its decoder was closed early: decoders kept too much
}

// Meta returns the header of the flow's next record: call it once per record,
// right before emitting it.
func (f *Flow) Meta() records.Meta {
	m := f.worker.identify(f)
	m.At = f.clock
	m.Seq = f.seq
	f.seq++
	return m
}

// ID is the flow's id as it stands in records.
func (f *Flow) ID() string { return records.FlowID(f.uid) }

// NewFileID returns an id for a file that crosses in the flow: the flow's id and
// the file's number, such as 2568dcbdb152320c-f1.
func (f *Flow) NewFileID() string {
	f.files++
	return records.FileID(f.uid, f.files)
}

// Label names the application protocol and the server's name. Only the first
// word counts for each; inside a tunnel it names what the tunnel carries.
func (f *Flow) Label(service, name string) {
	s, n := &f.Service, &f.ServerName
	if f.inTunnel {
		s, n = &f.Tunnel, &f.TunnelName
	}
	if *s == "" {
		*s = service
	}
	if *n == "" {
		*n = name
	}
}

// InTunnel tells a decoder that it reads what a proxy's CONNECT tunnel carries.
func (f *Flow) InTunnel() bool { return f.inTunnel }

// EnterTunnel returns a decoder that recognises by content what follows: the
// decoder of a proxied connection gives it the tunnel's octets and gaps and
// closes it.
func (f *Flow) EnterTunnel() Decoder {
	f.inTunnel = true
	return newRecognizer(f.worker.protocols(f.Key.Proto))
}

// Payload is the length in octets of what side has sent so far: for TCP by
// sequence number, retransmissions not counted.
func (f *Flow) Payload(side packet.Side) uint64 { return f.payload(side) }

// Delivered is how many octets of side's TCP stream decoders have got, gaps
// included.
func (f *Flow) Delivered(side packet.Side) uint64 { return f.dir[side].stream.next }

// Finished tells that side closed its TCP stream by a FIN: what was sent until
// close is whole.
func (f *Flow) Finished(side packet.Side) bool { return f.dir[side].tcp.finned }

// LastFrom is the capture time of side's last packet, 0 if it sent none.
func (f *Flow) LastFrom(side packet.Side) int64 { return f.dir[side].last }

// flowState is what the engine keeps of a flow besides.
type flowState struct {
	worker     *Worker
	prev, next *Flow // in the time-out list
	start      int64 // capture time of the first packet
	uid        uint64
	seq        uint32 // records written
	pulses     uint32 // told
	files      uint32 // file ids given out
	icmpType   uint8
	icmpCode   uint8
	histLen    uint8
	history    [maxHistory]byte

	waiting     Decoder // said Enough: to be closed with the flow
	keeping     keeping
	shunt       *shunted // not nil: the kernel counts its packets
	unshuntable bool
	sealed      bool   // what its decoder does not read any more is encrypted
	past        bool   // the cutoff: of its packets only the headers are kept
	headers     bool   // the kernel was asked to hand over only the headers
	whole       uint32 // packets past the cutoff that came whole

	first     firstPacket
	community string   // Community ID, made with the first record
	zones     [2]int32 // see Networks.find, by packet.Side; with the first record
}

// firstPacket is what the records tell of the flow's first packet besides its key.
type firstPacket struct {
	vlan     [2]uint16
	vlans    uint8
	src, dst [6]byte
	tunnel   *packet.Tunnel // nil when there is none
}

// direction is what one side sent.
type direction struct {
	packets, bytes, ipBytes uint64
	payloadSum              uint64 // sum of payloads, repeated ones too
	last                    int64
	ttl                     uint8
	copyTTL                 uint8 // of the first copy that took another path
	vlan                    uint16
	copyVLAN                uint16
	tcp                     tcpSide
	recent                  recent
	hist                    history
	stream                  stream
	overlap                 uint64
	badSums                 uint64
	duplicates              uint64 // copies that the mirror delivered, not counted otherwise
}

func (f *Flow) payload(s packet.Side) uint64 {
	if f.Key.Proto == packet.ProtoTCP {
		return f.dir[s].tcp.size()
	}
	return f.dir[s].payloadSum
}

// midstream tells that a TCP flow's handshake was not seen.
func (f *Flow) midstream() bool { return f.Key.Proto == packet.ProtoTCP && f.midstart }

// oneSided tells that packets of one TCP direction are missing although the
// other direction shows that they exist.
func (f *Flow) oneSided() bool {
	if f.Key.Proto != packet.ProtoTCP {
		return false
	}
	a, b := &f.dir[0], &f.dir[1]
	return a.packets == 0 && a.tcp.known || b.packets == 0 && b.tcp.known
}

// flip exchanges originator and responder, when a protocol shows that the first
// packet seen was an answer. A handshake that was seen is believed, and so is
// what records already say.
func (f *Flow) flip() {
	if f.seq > 0 || f.Key.Proto == packet.ProtoTCP && !f.midstart {
		return
	}
	f.Orig = f.Orig.Other()
	f.flipped = !f.flipped
	f.spoke, f.spokeTo = 0, 0
	f.first.src, f.first.dst = f.first.dst, f.first.src
	f.community = ""
}
