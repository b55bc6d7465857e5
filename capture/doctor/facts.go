package doctor

import (
	"net/netip"
	"time"
)

// Facts are what the doctor found out; Diagnose judges them.
type Facts struct {
	Frames  Frames   `json:"frames"`
	Flows   Flows    `json:"flows"`
	Source  Source   `json:"source"`
	Machine *Machine `json:"machine,omitempty"` // nil for files
}

// Frames are facts about single frames.
type Frames struct {
	All     uint64 `json:"all"`
	Bytes   uint64 `json:"bytes"`   // octets on the wire
	First   int64  `json:"first"`   // lowest and highest capture time, nanoseconds since the epoch
	Last    int64  `json:"last"`    //
	Own     uint64 `json:"own"`     // from or to the capturing machine itself
	Group   uint64 `json:"group"`   // to broadcast or multicast addresses
	Unicast uint64 `json:"unicast"` // from one host to another: what a mirror port is for
	Unread  uint64 `json:"unread"`  // of Unicast: neither IP nor ARP, or with a header that contradicts itself

	Cut       uint64 `json:"cut"`        // frames of which the capture kept only the beginning
	CutAt     int    `json:"cut_at"`     // longest beginning of those, octets
	Short     uint64 `json:"short"`      // frames that end before the datagram in them does: cut before they were sent here
	ShortAt   int    `json:"short_at"`   // longest of those, octets
	Segments  uint64 `json:"segments"`   // TCP segments with payload, SYN or FIN
	Merged    uint64 `json:"merged"`     // of Segments: longer than any host allows
	Longest   int    `json:"longest"`    // payload of the longest segment, octets
	MSS       int    `json:"mss"`        // largest that a SYN announced, 0 = none seen
	Reordered uint64 `json:"reordered"`  // of Segments: came late, see order
	Backward  uint64 `json:"backward"`   // frames more than a minute older than one before
	BackBy    int64  `json:"back_by_ns"` // most that a frame was older, nanoseconds
	Steps     uint32 `json:"steps"`      // times the capture's clock was set back for good

	Untagged uint64        `json:"untagged"`
	VLANs    []VLANCount   `json:"vlans"`   // by number of frames, most first
	Tunnels  []TunnelCount `json:"tunnels"` // the same
	NTP      NTP           `json:"ntp"`
}

// VLANCount is how many frames bore a VLAN id (the outer tag).
type VLANCount struct {
	ID     uint16 `json:"id"`
	Frames uint64 `json:"frames"`
}

// TunnelCount is how many frames were inside an encapsulation (the innermost).
type TunnelCount struct {
	Kind   string `json:"kind"`
	Frames uint64 `json:"frames"`
}

// NTP is the second opinion on the clock: capture time less the time in servers'
// answers. A positive offset means that the capture's clock is ahead.
type NTP struct {
	Replies uint64        `json:"replies"`
	Offset  time.Duration `json:"offset_ns"` // median of the last ones
	Min     time.Duration `json:"min_ns"`
	Max     time.Duration `json:"max_ns"`
}

// Flows are facts about conversations.
type Flows struct {
	All           uint64 `json:"all"`           // not counting those of the capturing machine
	Conversations uint64 `json:"conversations"` // TCP, at least minPackets packets
	OneWay        uint64 `json:"one_way"`       // of those: packets of one direction only
	Payload       uint64 `json:"payload"`       // octets of two-way TCP streams, seen or not
	Missed        uint64 `json:"missed"`        // of those never seen
	Packets       uint64 `json:"packets"`       // without duplicates
	Duplicates    uint64 `json:"duplicates"`
	OtherPath     uint64 `json:"other_path"` // flows whose copies have another TTL or VLAN
	Path          Path   `json:"path"`       // of the first of those

	Unicast uint64         `json:"unicast"`         // flows between two hosts
	Hosts   []netip.Addr   `json:"hosts,omitempty"` // addresses (one a family) that every such flow has; nil: there is none
	Wanted  int            `json:"wanted"`          // internal networks that must show up
	Unseen  []netip.Prefix `json:"unseen"`          // those of which no address sent anything
}

// Path is where a packet and its copy were seen.
type Path struct {
	VLAN, CopyVLAN uint16 // 0 = untagged
	TTL, CopyTTL   uint8
}

// Source are the totals of the rings or files.
type Source struct {
	Received uint64 `json:"received"` // dropped ones too
	Dropped  uint64 `json:"dropped"`
	Freezes  uint64 `json:"freezes"` // times a ring was full
	Filtered uint64 `json:"filtered"`
}

// Machine is what the capturing machine says, while it was watched.
type Machine struct {
	Interface string    `json:"interface"`
	State     string    `json:"state"`     // up, down, unknown ... (RFC 2863)
	MTU       int       `json:"mtu"`       // octets
	RXQueues  int       `json:"rx_queues"` // receive queues of the network card, 0 = not known
	Offloads  []string  `json:"offloads"`  // of gro, lro, gso, tso: those that are on
	NIC       NIC       `json:"nic"`
	Driver    []Counter `json:"driver"` // the driver's own counters that tell of loss and grew
	Clock     Clock     `json:"clock"`
}

// NIC are the interface's receive counters (linux/if_link.h, rtnl_link_stats64, Linux 6.1).
type NIC struct {
	Packets uint64 `json:"packets"`
	Dropped uint64 `json:"dropped"` // by the kernel, for want of a taker or of room
	Missed  uint64 `json:"missed"`  // by the card, for want of buffers
	FIFO    uint64 `json:"fifo"`    // overruns; some drivers count misses here too
	CRC     uint64 `json:"crc"`     // damaged on the cable
	Frame   uint64 `json:"frame"`   // misaligned
	Length  uint64 `json:"length"`  // of a length the card refuses
}

// Counter is one named number.
type Counter struct {
	Name  string `json:"name"`
	Value uint64 `json:"value"`
}

// Clock is the kernel's opinion of its clock (adjtimex(2)).
type Clock struct {
	Synchronised bool          `json:"synchronised"`
	Offset       time.Duration `json:"offset_ns"`    // still to be corrected
	MaxError     time.Duration `json:"max_error_ns"` // the kernel's bound, grows while nobody corrects it
}
