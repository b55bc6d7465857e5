package sensor

import "kagami/packet"

// Frame is one captured frame. Data is borrowed: it is valid until the Batch
// that holds it is given to Source.Next again. Keep = copy.
type Frame struct {
	Time    int64  // capture time, nanoseconds since the epoch, as the source says (may step back)
	Clock   int64  // logical time, never steps back within an epoch; set by the engine (see Clock)
	Epoch   uint32 // counts steps of the capture's clock backwards; set by the engine
	Data    []byte // captured octets, link header first
	WireLen uint32 // octets on the wire
	VLAN    uint16 // 802.1Q tag control information taken from the ring's metadata, valid when TPID is not 0
	TPID    uint16 // 0x8100, 0x88a8 or 0: the tag, if any, is in Data
	Link    packet.LinkType
	Iface   uint16  // index among the source's interfaces (pcapng has several)
	Shard   uint32  // number of the worker it belongs to; set by the engine
	Joined  *joined // the datagram that this fragment completed; set by the engine
}

// Batch is what a source hands over at a time.
type Batch struct {
	Frames []Frame
	Now    int64  // the source's clock: the last frame's time, or later when idle (see Source)
	Buf    []byte // memory behind Frames that belongs to the batch; kept for reuse
}

// Source yields frames.
//
// Next fills b, replacing what it held; the bytes stay valid until the same
// Batch is given to Next again. A capture file keeps them in Batch.Buf, so that
// several batches may be under way at once; a ring hands out its own memory and
// takes it back at the next call, whatever the batch. A batch without frames is an idle tick that
// carries Now: for rings the wall clock minus twice the block retire timeout.
// io.EOF ends a file; frames that came with an error are good.
type Source interface {
	Next(b *Batch) error
	Stats() SourceStats
	Close() error
}

// SourceStats are totals since the source was opened.
type SourceStats struct {
	Received uint64 // frames that reached the socket or file reader
	Dropped  uint64 // frames the kernel dropped for want of room
	Freezes  uint64 // times the ring was full (tp_freeze_q_cnt)
	Filtered uint64 // frames refused by the capture filter (files only)
	Bytes    uint64 // position in the file, compressed octets when it is compressed
	Size     uint64 // size of the file, 0 when unknown (stdin)
}

// Shunter is an optional ability of a Source: its kernel side counts and drops a
// flow's packets, so that they are not copied. SYN, FIN and RST still come.
type Shunter interface {
	// Shunt asks for it; false when the table is full or the ability is off.
	Shunt(k packet.Key) bool
	// Shunted is what was counted and dropped since, whether or not the kernel's
	// table still holds the flow.
	Shunted(k packet.Key) (Shunted, bool)
	// Release ends it and returns the final counts.
	Release(k packet.Key) (Shunted, bool)
	// Headers asks that of the flow's further packets at most so many octets come,
	// until Release; false as with Shunt. Asking again is no harm.
	Headers(k packet.Key, octets uint32) bool
	// Totals are all packets that were counted and dropped so far, of all sources
	// that share the kernel's side, and their octets on the wire.
	Totals() (packets, octets uint64)
}

// ShuntTotals are the totals of the sources of one interface. It costs a system call.
func ShuntTotals(srcs []Source) (packets, octets uint64) {
	for _, src := range srcs {
		if s, ok := src.(Shunter); ok {
			return s.Totals()
		}
	}
	return 0, 0
}

// Shunted are the packets that a Shunter kept back, by packet.Side.
type Shunted struct {
	Packets [2]uint64
	Bytes   [2]uint64 // octets on the wire, link header included
	IPBytes [2]uint64 // octets of IP datagrams
	Payload [2]uint64 // octets of layer-4 payload
	Last    [2]int64  // time of the last packet, nanoseconds since the epoch, 0 = none
}
