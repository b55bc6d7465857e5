package index

import (
	"bytes"
	"errors"

	"kagami/evidence/segment"
	"kagami/packet"
)

// ErrCorrupt says that an index is damaged or of another version: make it anew.
var ErrCorrupt = errors.New("damaged index")

// ProtoARP stands for ARP in a Key, whose addresses are those of sender and target
// (RFC 826). IP does not use the number (255 is reserved by IANA); packets that bear
// it all the same look like ARP.
const ProtoARP = 255

// Flags say what was seen of a flow in a segment.
type Flags uint16

const (
	Syn       Flags = 1 << iota // TCP: a SYN
	Closed                      // TCP: a FIN of both sides, or a RST
	Cut                         // a packet of which less was captured than was on the wire
	Hole                        // octets that were never seen (from a note)
	Folded                      // earlier packets of the flow may be in a Fold that contains its key
	Fragments                   // IP fragments; with ports 0 those whose first fragment did not come before them
	NoIP                        // neither IP nor ARP, or not readable at all; the key is zero
	Exact                       // the extents hold nothing but the flow's own packets
	numFlags  = iota
)

// Row is one flow in one segment. Arrays of two are by packet.Side.
type Row struct {
	Key         packet.Key
	Client      packet.Side
	ClientKnown bool // a SYN or a note told the client; else it is guessed from the first packet
	Flags       Flags
	VLAN        [2]uint16 // outermost tag of the side's first tagged packet, 0 = none
	First, Last int64     // smallest and largest time of its packets, ns since the epoch
	Packets     [2]uint64
	Stored      [2]uint64 // captured octets
	Bytes       [2]uint64 // octets on the wire
	Extents     []Extent  // ascending
}

// Extent is a stretch of the segment that begins with a packet's block and ends with
// one. Unless the row is Exact, others' packets may be in between. It is at most 1 MiB
// long, or longer where a Builder had no room for more extents.
type Extent struct {
	Pos     int64
	Len     int32
	Packets int32 // of the flow or fold
}

// End is the offset of the first octet behind the extent.
func (e *Extent) End() int64 { return e.Pos + int64(e.Len) }

// Fold stands for many small flows that have no rows: of one source to many targets
// or of many sources to one target. Its members are found by reading its extents: a
// packet is a member's if Contains its key and the key has no row, or has one that is
// flagged Folded. There is at most one fold of Any.
type Fold struct {
	Any       bool // of any address and protocol: connections without payload of no scan, or what there was no room for
	Addr      [16]byte
	Proto     uint8
	Client    bool      // Addr is the client of these flows, as far as known
	Dense     bool      // the others' addresses are so close together that the filter does not have them
	Low, High [16]byte  // the others' addresses; Any: all addresses
	Ports     [2]uint16 // lowest and highest port of Addr; Any: of all
	Others    [2]uint16 // lowest and highest port of the others; Any: of all
	First     int64     // smallest and largest time of a packet, ns since the epoch
	Last      int64
	Flows     uint64 // flows folded; one that came back counts again
	Packets   uint64
	Stored    uint64 // captured octets
	Bytes     uint64 // octets on the wire
	Extents   []Extent
}

// Contains tells whether a flow with this key can be a member.
func (f *Fold) Contains(k *packet.Key) bool {
	if f.Any {
		return true
	}
	return k.Proto == f.Proto && (f.side(k, packet.FromA) || f.side(k, packet.FromB))
}

// side tells whether the fold's one address can be on side s of the flow.
func (f *Fold) side(k *packet.Key, s packet.Side) bool {
	if k.Addr(s) != f.Addr || !within(f.Ports, k.Port(s)) || !within(f.Others, k.Port(s.Other())) {
		return false
	}
	a := k.Addr(s.Other())
	return f.ranges(&a)
}

func (f *Fold) ranges(a *[16]byte) bool {
	return bytes.Compare(a[:], f.Low[:]) >= 0 && bytes.Compare(a[:], f.High[:]) <= 0
}

func within(r [2]uint16, port uint16) bool { return r[0] <= port && port <= r[1] }

// Info describes a segment and its index. Packets, First, Last, Flows and NotesLost
// are set by the Builder, and Size if it is less than what the packets take.
type Info struct {
	Segment     uint64 // number; 0 for foreign files
	Session     int64  // start of the recording process, ns since the epoch
	Worker      uint16
	First, Last int64 // smallest and largest time of a packet, ns since the epoch
	From        int64 // the index is of the octets [From, Size) of the file
	Size        int64
	Packets     uint64
	Flows       uint64           // rows and folded flows
	NotesLost   uint64           // notes beyond what an index keeps
	Start, End  segment.Counters // of the writer when the segment began and ended
	Layout      segment.Layout
	Damage      []Span // octets that had to be passed over
	Recovered   bool   // the segment was not closed by its writer
	Torn        int64  // octets cut off its end by recovery
	ModTime     int64  // foreign file: when it was changed last, ns since the epoch: to notice a stale index
}

// Span is a stretch of the segment.
type Span struct{ Pos, Len int64 }

// Index is what a file holds, in memory.
type Index struct {
	Info
	Rows  []Row // in the order of their first packets
	Folds []Fold
	Notes []segment.Note // in their order
}
