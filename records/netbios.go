package records

import (
	"net/netip"
)

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
func (n *NetBIOSName) String() string { return n.Name + "<" + suffixText(n.Suffix) + ">" }

func suffixText(s uint8) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[s>>4], digits[s&15]})
}

// fields appends kagami.dns.netbios.*; n may be nil.
func (n *NetBIOS) fields(f *Fields) {
	if n == nil {
		return
	}
	f.IPs("kagami.dns.netbios.addresses", n.Addresses)
	f.Flag("kagami.dns.netbios.broadcast", n.Broadcast)
	f.Flag("kagami.dns.netbios.group", n.Group)
	if n.MAC != ([6]byte{}) {
		f.Str("kagami.dns.netbios.mac", MAC(n.MAC))
	}
	if len(n.Names) > 0 {
		names := make([]string, len(n.Names))
		for i := range n.Names {
			names[i] = n.Names[i].String()
		}
		f.Strs("kagami.dns.netbios.names", names)
	}
	f.Str("kagami.dns.netbios.scope", n.Scope)
	f.Str("kagami.dns.netbios.suffix", suffixText(n.Suffix))
}
