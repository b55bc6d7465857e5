package segment

import (
	"fmt"
	"net/netip"
	"unicode/utf8"

	"kagami/packet"
)

// NoteKind tells what a note says.
type NoteKind uint8

const (
	Named    NoteKind = iota + 1 // the flow bore Name: SNI, Host, DNS question, mail server
	Resolved                     // a DNS answer in the flow said that Name stands for Addrs
	Host                         // Name is Addrs[0]'s own: DHCP, NetBIOS
	Hole                         // the flow has octets that were never seen
	Alert                        // the alert Name concerns the flow between From and To
)

func (k NoteKind) String() string {
	switch k {
	case Named:
		return "named"
	case Resolved:
		return "resolved"
	case Host:
		return "host"
	case Hole:
		return "hole"
	case Alert:
		return "alert"
	}
	return fmt.Sprintf("note(%d)", uint8(k))
}

// Note is what is known of a flow besides its packets. It stands in the segment
// right behind the packet that told it.
type Note struct {
	Kind     NoteKind
	At       int64      // ns since the epoch
	Key      packet.Key // of the flow; of an alert: addresses of source and destination (all zero = any), the server's port or 0
	Client   packet.Side
	Name     string       // lower case, at most MaxNoteName octets; of an alert: its id
	Text     string       // of an alert: rule and title, at most MaxNoteText octets; else ""
	Addrs    []netip.Addr // at most MaxNoteAddrs
	From, To int64        // of an alert: its window, ns; else 0
}

// What AppendNote keeps of a note at most.
const (
	MaxNoteName  = 255
	MaxNoteText  = 2048
	MaxNoteAddrs = 16
)

// Which parts a note has in the file.
const (
	noteA4     = 1 << iota // A and B are IPv4
	noteB4                 //
	noteWindow             // From and To follow
	noteFromB              // the client is Key.B
)

const v4Mapped = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff"

// AppendNote writes n as a local-use block:
//
//	kind u8 | parts u8 | protocol u8 | addresses u8 | at i64 | A 4 or 16 | B 4 or 16 | port of A u16 | of B u16
//	[ from i64 | to i64 ] | name: length u8, octets | text: length u16, octets | addresses: length u8, octets
func AppendNote(b []byte, n *Note) []byte {
	b, at := beginLocal(b, localNote)
	var parts uint8
	if string(n.Key.A[:12]) == v4Mapped {
		parts |= noteA4
	}
	if string(n.Key.B[:12]) == v4Mapped {
		parts |= noteB4
	}
	if n.From != 0 || n.To != 0 {
		parts |= noteWindow
	}
	if n.Client == packet.FromB {
		parts |= noteFromB
	}
	addrs := n.Addrs[:min(len(n.Addrs), MaxNoteAddrs)]
	b = append(b, uint8(n.Kind), parts, n.Key.Proto, uint8(len(addrs)))
	b = le.AppendUint64(b, uint64(n.At))
	b = appendKeyAddr(b, &n.Key.A, parts&noteA4 != 0)
	b = appendKeyAddr(b, &n.Key.B, parts&noteB4 != 0)
	b = le.AppendUint16(b, n.Key.APort)
	b = le.AppendUint16(b, n.Key.BPort)
	if parts&noteWindow != 0 {
		b = le.AppendUint64(b, uint64(n.From))
		b = le.AppendUint64(b, uint64(n.To))
	}
	name, text := shorten(n.Name, MaxNoteName), shorten(n.Text, MaxNoteText)
	b = append(append(b, uint8(len(name))), name...)
	b = append(le.AppendUint16(b, uint16(len(text))), text...)
	for _, a := range addrs {
		b = appendAddr(b, a)
	}
	return end(appendPadding(b, len(b)-at), at)
}

// shorten cuts s between two characters.
func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for i := range utf8.UTFMax {
		if utf8.RuneStart(s[most-i]) {
			return s[:most-i]
		}
	}
	return s[:most]
}

func appendKeyAddr(b []byte, a *[16]byte, v4 bool) []byte {
	if v4 {
		return append(b, a[12:]...)
	}
	return append(b, a[:]...)
}

func appendAddr(b []byte, a netip.Addr) []byte {
	a = a.Unmap()
	switch {
	case a.Is4():
		v := a.As4()
		return append(append(b, 4), v[:]...)
	case a.Is6():
		v := a.As16()
		return append(append(b, 16), v[:]...)
	}
	return append(b, 0)
}

// parseNote reads the body of a note; false when it makes no sense. Name, Text and
// Addrs are n's own.
func parseNote(n *Note, b []byte) bool {
	r := body{b: b}
	kind, parts, proto, addrs := NoteKind(r.u8()), r.u8(), r.u8(), int(r.u8())
	if kind < Named || kind > Alert || addrs > MaxNoteAddrs {
		return false
	}
	*n = Note{Kind: kind, At: r.i64()}
	n.Key.Proto = proto
	readKeyAddr(&r, &n.Key.A, parts&noteA4 != 0)
	readKeyAddr(&r, &n.Key.B, parts&noteB4 != 0)
	n.Key.APort, n.Key.BPort = r.u16(), r.u16()
	if parts&noteWindow != 0 {
		n.From, n.To = r.i64(), r.i64()
	}
	if parts&noteFromB != 0 {
		n.Client = packet.FromB
	}
	n.Name = string(r.take(int(r.u8())))
	text := int(r.u16())
	if text > MaxNoteText {
		return false
	}
	n.Text = string(r.take(text))
	for range addrs {
		a, ok := netip.AddrFromSlice(r.take(int(r.u8())))
		if !ok {
			return false
		}
		n.Addrs = append(n.Addrs, a.Unmap())
	}
	return !r.short
}

func readKeyAddr(r *body, a *[16]byte, v4 bool) {
	if v4 {
		copy(a[:], v4Mapped)
		copy(a[12:], r.take(4))
		return
	}
	copy(a[:], r.take(16))
}
