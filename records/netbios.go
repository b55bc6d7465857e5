package records

import "net/netip"

// NetBIOS is what a message of the NetBIOS name service (RFC 1002 section 4.2)
// tells beside DNS's fields.
type NetBIOS struct {
	Suffix    uint8        // of DNS.Name, its 16th octet: 0x00 workstation, 0x20 file server, 0x1b domain master browser, 0x1c domain controllers, 0x1d master browser, 0x1e browser elections
	Scope     string       // "" as a rule
	Broadcast bool         // the B bit: sent to everybody
	Group     bool         // the name registered, released or answered for is a group's
	Addresses []netip.Addr // that bear the name: registered, refreshed, released or given as the answer

	// Of a node status response:
	Names []NetBIOSName
	MAC   [6]byte // unit id; zero when the node gives none
}

// NetBIOSName is an entry of a node's name table.
type NetBIOSName struct {
	Name   string
	Suffix uint8
	Group  bool
}

// String is the name as nmblookup and nbtstat write it: "FILES01<20>".
func (n *NetBIOSName) String() string { return n.Name + "<" + Hex([]byte{n.Suffix}) + ">" }

// field appends String.
func (n *NetBIOSName) field(f *Fields) {
	at := f.open(Join, "")
	f.Str("", n.Name)
	f.Str("", "<")
	f.HexNum("", uint64(n.Suffix), suffixDigits)
	f.Str("", ">")
	f.close(at)
}

const suffixDigits = 2

// fields appends kagami.dns.netbios.*; n may be nil.
func (n *NetBIOS) fields(f *Fields) {
	if n == nil {
		return
	}
	f.IPs("kagami.dns.netbios.addresses", n.Addresses)
	f.Flag("kagami.dns.netbios.broadcast", n.Broadcast)
	f.Flag("kagami.dns.netbios.group", n.Group)
	f.MAC("kagami.dns.netbios.mac", n.MAC)
	names := f.open(List, "kagami.dns.netbios.names")
	for i := range n.Names {
		n.Names[i].field(f)
	}
	f.close(names)
	f.Str("kagami.dns.netbios.scope", n.Scope)
	f.HexNum("kagami.dns.netbios.suffix", uint64(n.Suffix), suffixDigits)
}
