package main

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// ndpiFlow is a line of ndpiReader's result: number, protocol, endpoints, and
// what is said in brackets.
var ndpiFlow = regexp.MustCompile(`^\t\d+\t(\w+) (\S+) <?-> (\S+) (.*)$`)

// ndpiCount are packets and octets on the wire in both directions.
var ndpiCount = regexp.MustCompile(`\[(\d+) pkts/(\d+) bytes <?-> (\d+) pkts/(\d+) bytes\]`)

// ndpiProtocol is the protocol that bears the host name: it may follow a tunnel's,
// and a service's name may follow it.
var ndpiProtocol = regexp.MustCompile(`\[proto: (?:\w+:)*[\d.]+/(\w+)`)

// ndpiItems reads the flows of an ndpiReader result.
func ndpiItems(text []byte) []item {
	all := newSessions()
	for line := range strings.Lines(string(text)) {
		m := ndpiFlow.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if m == nil {
			continue
		}
		a, errA := ndpiEnd(m[2])
		b, errB := ndpiEnd(m[3])
		count := ndpiCount.FindStringSubmatch(m[4])
		if errA != nil || errB != nil || count == nil {
			continue
		}
		s := all.of(newFlow(transportOf(m[1]), a, b), "flow "+strings.Fields(line)[0])
		var n [4]uint64
		for i := range n {
			n[i], _ = strconv.ParseUint(count[i+1], 10, 64)
		}
		s.count("packets", a, n[0], n[2])
		s.count("bytes", a, n[1], n[3])
		s.addNDPI(m[4])
	}
	return all.items()
}

// addNDPI adds a flow's host name and TLS fields.
func (s *session) addNDPI(attributes string) {
	protocol := ""
	if m := ndpiProtocol.FindStringSubmatch(attributes); m != nil {
		protocol = m[1]
	}
	switch protocol {
	case "TLS", "DTLS", "QUIC", "HTTP", "HTTP_Proxy", "HTTP_Connect", "DNS", "MDNS", "LLMNR", "NetBIOS", "SSDP", "DHCP", "DoH_DoT":
		s.addAny("host", ndpiHost(ndpiText(attributes, "Hostname/SNI: ")))
	}
	s.addAny("ja3", ndpiText(attributes, "JA3C: "))
	s.addAny("ja4 but for its flaws", ndpiJA4(ndpiText(attributes, "JA4: ")))
	if ja3s := ndpiText(attributes, "JA3S: "); ja3s != "" {
		s.add("ja3s", ja3s)
	}
	if sha1 := ndpiText(attributes, "Certificate SHA-1: "); sha1 != "" {
		s.add("sha1", strings.ReplaceAll(sha1, ":", ""))
	}
}

// ndpiJA4 blots out what nDPI makes otherwise than the specification: whether there
// is a server name, the ALPN's second letter and the hash of no extensions.
func ndpiJA4(s string) string {
	if len(s) != len("t13d1516h2_8daaf6152771_e5627efa2ab1") {
		return s
	}
	s = strings.Replace(s, "_e3b0c44298fc", "_000000000000", 1)
	return s[:3] + "?" + s[4:9] + "?" + s[10:]
}

// ndpiHost is a host name as nDPI writes it: in lower case, with "?" or "_" for
// octets that it does not like.
func ndpiHost(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '.', r == '-', r == ':', r == '[', r == ']':
			return r
		}
		return '?'
	}, s)
}

// ndpiText is the first word in brackets after a label.
func ndpiText(attributes, label string) string {
	_, rest, ok := strings.Cut(attributes, "["+label)
	if !ok {
		return ""
	}
	value, _, _ := strings.Cut(rest, "]")
	value, _, _ = strings.Cut(value, " ") // "(INSECURE)" may follow
	return value
}

func ndpiEnd(s string) (netip.AddrPort, error) {
	end, err := netip.ParseAddrPort(s)
	if err != nil { // without ports
		var ip netip.Addr
		ip, err = netip.ParseAddr(strings.Trim(s, "[]"))
		end = netip.AddrPortFrom(ip, 0)
	}
	return netip.AddrPortFrom(end.Addr().Unmap(), end.Port()), err
}
