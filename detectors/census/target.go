package census

import (
	"fmt"
	"net/netip"
	"strings"

	"kagami/detectors/table"
)

// Target is a destination as a person writes it.
type Target struct {
	Name string     // "" when it is an address
	Addr netip.Addr // not valid when it is a name
	Port uint16     // 0 = any
}

// ParseTarget reads "name", "name:port", "1.2.3.4:443" or "[::1]:443".
func ParseTarget(s string) (Target, error) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return Target{Addr: a.Unmap().WithZone("")}, nil
	}
	name, port := splitAuthority(s)
	if i := strings.LastIndexByte(s, ':'); i >= 0 && port == 0 {
		return Target{}, fmt.Errorf("parse destination %q: %q is not a port from 1 to 65535", s, s[i+1:])
	}
	if a, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return Target{Addr: a.Unmap().WithZone(""), Port: port}, nil
	}
	if name == "" || strings.ContainsAny(name, "/ []@") {
		return Target{}, fmt.Errorf("parse destination %q: want a name or an address, and a port if you like: a.example:443, [2001:db8::1]:443", s)
	}
	return Target{Name: strings.ToLower(name), Port: port}, nil
}

// Destination is what Contact.Destination is for contacts with the target.
func (t Target) Destination() uint64 {
	if t.Name != "" {
		return table.Name(t.Name)
	}
	return table.Addr(t.Addr)
}

// String is "name:port", or "address:port" with IPv6 in brackets; without a port
// the name or address alone.
func (t Target) String() string {
	switch {
	case t.Port == 0 && t.Name != "":
		return t.Name
	case t.Port == 0:
		return t.Addr.String()
	case t.Name != "":
		return fmt.Sprintf("%s:%d", t.Name, t.Port)
	}
	return netip.AddrPortFrom(t.Addr, t.Port).String()
}
