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
		if s.flow.transport == "tcp" {
			s.addNDPI(m[4])
		}
	}
	return all.items()
}

// addNDPI adds a flow's TLS fields.
func (s *session) addNDPI(attributes string) {
	ja3 := ndpiText(attributes, "JA3C: ")
	if ja3 != "" {
		s.add("ja3", ja3)
		s.add("server name, folded", strings.ToLower(ndpiText(attributes, "Hostname/SNI: ")))
	}
	if ja4 := ndpiText(attributes, "JA4: "); ja4 != "" {
		s.add("ja4", ja4)
		_, hashes, _ := strings.Cut(ja4, "_")
		s.add("ja4, its hashes", hashes)
	}
	if ja3s := ndpiText(attributes, "JA3S: "); ja3s != "" {
		s.add("ja3s", ja3s)
	}
	if sha1 := ndpiText(attributes, "Certificate SHA-1: "); sha1 != "" {
		s.add("sha1", strings.ReplaceAll(sha1, ":", ""))
	}
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
