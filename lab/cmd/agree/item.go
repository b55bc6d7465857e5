package main

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// kind is what sort of thing an item is. Only items of one kind are compared.
type kind string

const (
	kindRequest  kind = "HTTP request"  // over TCP
	kindResponse kind = "HTTP response" // a final or an informational one
	kindDNS      kind = "DNS message"   // a query or a response
	kindLocalDNS kind = "mDNS or LLMNR message"
	kindNBNS     kind = "NBNS message"
	kindTLS      kind = "TLS handshake"
	kindQUIC     kind = "QUIC handshake"
	kindDTLS     kind = "DTLS handshake"
	kindUDP      kind = "TLS over UDP but QUIC" // in OpenVPN and RDP
	kindSMTP     kind = "SMTP command"
	kindPart     kind = "MIME part"
	kindSession  kind = "session" // all that was seen between two endpoints
)

// lineKind is a line of one of Zeek's logs, eventKind an event of Suricata's.
func lineKind(log string) kind    { return kind(log + ".log") }
func eventKind(event string) kind { return kind(event + " event") }

// flow is two endpoints, the lower one first, so that it is the same for both
// directions. ICMP and protocols without ports have port 0.
type flow struct {
	transport string // "tcp", "udp", "icmp" for IPv4 and IPv6, "" for others
	low, high netip.AddrPort
}

func newFlow(transport string, a, b netip.AddrPort) flow {
	if b.Compare(a) < 0 {
		a, b = b, a
	}
	return flow{transport: transport, low: a, high: b}
}

// anyTransport is the flow for a program that does not say its transport.
func (f flow) anyTransport() flow { f.transport = ""; return f }

func (f flow) String() string {
	return strings.TrimSpace(f.transport + " " + f.low.String() + " " + f.high.String())
}

// fromLow tells whether an endpoint is the lower one of the two.
func (f flow) fromLow(e netip.AddrPort) bool { return f.low == e }

// byEnd is a pair of counts, that of the lower endpoint first.
func (f flow) byEnd(end netip.AddrPort, sent, received uint64) string {
	if !f.fromLow(end) {
		sent, received = received, sent
	}
	return strconv.FormatUint(sent, 10) + "/" + strconv.FormatUint(received, 10)
}

// endpoint reads an address and a port; the port may be absent.
func endpoint(address, port string) (netip.AddrPort, bool) {
	ip, err := netip.ParseAddr(strings.Trim(address, "[]"))
	if err != nil {
		return netip.AddrPort{}, false
	}
	n, _ := strconv.ParseUint(port, 10, 16)
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), true
}

// transportOf is the name in a flow for what programs call it.
func transportOf(name string) string {
	switch name = strings.ToLower(name); {
	case name == "tcp", name == "udp":
		return name
	case strings.Contains(name, "icmp"):
		return "icmp"
	}
	return ""
}

// item is one thing that a program saw in a capture. Programs say different
// things: an expected item's fields are compared, the other one may have more.
type item struct {
	kind   kind
	flows  []flow            // where it may belong, likeliest first; none = not said
	where  string            // "frame 12": where a reader finds it
	fields map[string]string // by name; "" = it has none, which is compared too
}

// names are the fields' names in order.
func (it *item) names() []string {
	names := make([]string, 0, len(it.fields))
	for name := range it.fields {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// set writes several values as one: sorted, each once.
func set(values []string) string {
	values = slices.DeleteFunc(slices.Clone(values), func(s string) bool { return s == "" })
	slices.Sort(values)
	return strings.Join(slices.Compact(values), " ")
}

// mediaType is a Content-Type without its parameters.
func mediaType(s string) string {
	s, _, _ = strings.Cut(s, ";")
	return strings.TrimSpace(s)
}

// plural is "1 capture", "2 captures".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// orderedKeys are a map's keys in order.
func orderedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
