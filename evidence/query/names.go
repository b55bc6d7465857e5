package query

import (
	"errors"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Covers tells whether a query for domain finds name: itself or below it. Both
// are in lower case, without a dot at the end.
func Covers(domain, name string) bool {
	if !strings.HasSuffix(name, domain) {
		return false
	}
	at := len(name) - len(domain)
	return at == 0 || name[at-1] == '.'
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// normalName brings a name into the form in which names are kept: lower case, no
// dot at the end, A-labels (RFC 5890) unless it was quoted.
func normalName(t token) (string, error) {
	name := t.text
	if t.kind == tokQuoted {
		return strings.TrimRight(strings.ToLower(name), "."), nil
	}
	if !isASCII(name) {
		a, err := idna.Lookup.ToASCII(name)
		if err != nil {
			return "", errors.New("is no internationalized name; in quotes it is taken as it stands")
		}
		name = a
	}
	return strings.TrimSuffix(strings.ToLower(name), "."), nil
}

// checkName says what is wrong with a normal name, nil if nothing is.
func checkName(t token, name string) error {
	hint := notPlain(name)
	switch {
	case name == "":
		return errors.New("is no name")
	case len(name) > maxName:
		return errors.New("is longer than 255 octets")
	case t.kind == tokWord && hint != "":
		return errors.New(hint)
	}
	return nil
}

// notPlain says what keeps a word from being a name, "" if it is one.
func notPlain(name string) string {
	rest := strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.")
	host, _, port := strings.Cut(name, ":")
	switch {
	case strings.Contains(name, "://"):
		return "is a URL; write its host only"
	case strings.HasPrefix(name, "*.") || strings.HasPrefix(name, "."):
		return "needs no wildcard: a name is also everything below it, write " + strings.TrimLeft(name, "*.")
	case strings.ContainsRune(name, '@'):
		return "is a mail address; write the host only"
	case strings.ContainsRune(name, '%'):
		return "has a zone; write the address without it"
	case strings.HasPrefix(name, "["):
		return "has brackets; write the address alone, and port N for the port"
	case strings.ContainsRune(name, '/'):
		return "is no network; want an address, a slash and the number of bits, as in 10.0.0.0/8"
	case port && strings.Count(name, ":") == 1 && strings.Contains(host, "."):
		return "holds a port; write host " + host + " and port N"
	case port:
		return "is neither an address nor a name"
	case strings.Trim(name, "0123456789.") == "":
		return "is no whole IPv4 address; a network is written 10.0.0.0/8"
	case rest != "":
		return "is no name; if it is one nevertheless, write it in double quotes"
	case strings.Contains(name, "..") || strings.HasSuffix(name, "."):
		return "has an empty label"
	}
	return ""
}

// appendName writes a name so that it is read back as that name.
func appendName(b []byte, name string) []byte {
	if notPlain(name) != "" || isKeyword(name) {
		return quote(b, name)
	}
	return append(b, name...)
}

// parseAddr reads an address; IPv4-mapped ones are IPv4. ok is false if text is
// none.
func parseAddr(text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(text)
	return a.Unmap(), err == nil && a.Zone() == ""
}

// parsePrefix reads a network and clears the bits behind its prefix.
func parsePrefix(text string) (netip.Prefix, bool) {
	n, err := netip.ParsePrefix(text)
	if err != nil {
		return n, false
	}
	if a := n.Addr(); a.Is4In6() && n.Bits() >= 96 {
		n = netip.PrefixFrom(a.Unmap(), n.Bits()-96)
	}
	return n.Masked(), true
}
