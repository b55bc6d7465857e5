package query

import (
	"fmt"
	"slices"
	"strings"
)

// keywords are the words of the language; in quotes they are ordinary names.
const keywords = "and or not from to last host net client server port proto vlan flow alert case bytes cut gap all"

func isKeyword(w string) bool { return slices.Contains(strings.Fields(keywords), w) }

// suggest is the end of an error about a word that is no keyword.
func suggest(word string) string {
	lower := strings.ToLower(word)
	best, limit := "", min(2, len(lower)/3)+1
	for _, k := range strings.Fields(keywords) {
		if len(lower) > 2 && strings.HasPrefix(k, lower) {
			best = k
			break
		}
		if d := distance(lower, k); d < limit {
			best, limit = k, d
		}
	}
	if best != "" {
		return "; did you mean " + best + "?"
	}
	return "; for a host of that name write host " + string(appendName(nil, lower))
}

// distance counts the insertions, deletions, substitutions and swaps of
// neighbours that turn a into b (optimal string alignment). Words far apart in
// length get 3 at once, so that hostile text costs nothing.
func distance(a, b string) int {
	if len(a) > len(b)+2 || len(b) > len(a)+2 {
		return 3
	}
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			d[i][j] = min(d[i-1][j], d[i][j-1], d[i-1][j-1]) + 1
			switch {
			case a[i-1] == b[j-1]:
				d[i][j] = d[i-1][j-1]
			case i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1]:
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}

// mistake explains words of tcpdump's and Wireshark's filters that stand where
// an atom is wanted, with what to write instead; "" if t is none of them.
func (p *parser) mistake(t token) string {
	w := t.word()
	filter := fmt.Sprintf("--bpf '%s'", strings.ReplaceAll(p.rest(t), "'", ""))
	switch next := p.peek().word(); w {
	case "src", "dst":
		if next == "port" || next == "portrange" {
			return fmt.Sprintf("%s is of packets, and flows have both directions; write port %s, or for packets %s", w, p.valueAfter(next), filter)
		}
		x := p.valueAfter(next)
		return fmt.Sprintf("%s is of packets; of flows write client %s or server %s, or for packets %s", w, x, x, filter)
	case "tcp", "udp", "sctp", "icmp", "icmp6", "arp", "igmp", "esp", "ah", "gre":
		if next == "port" || next == "portrange" {
			return fmt.Sprintf("%s is no atom; write proto %s and port %s, or --bpf with a tcpdump filter", w, w, p.valueAfter(next))
		}
		return fmt.Sprintf("%s is no atom; write proto %s, or --bpf with a tcpdump filter", w, w)
	case "ip":
		return "ip is no atom; write net 0.0.0.0/0, or --bpf with a tcpdump filter"
	case "ip6":
		return "ip6 is no atom; write net ::/0, or --bpf with a tcpdump filter"
	case "portrange":
		return "portrange is no atom; write port " + p.valueAfter("")
	case "ether", "less", "greater", "len", "broadcast", "multicast", "gateway", "mask", "mpls", "pppoes", "inbound", "outbound":
		return fmt.Sprintf("%s is of tcpdump filters; for packets %s", w, filter)
	}
	switch {
	case strings.LastIndexByte(w, '[') > 0:
		return "octets of packets are tested by tcpdump filters: " + filter
	case strings.Contains(w, "=") || strings.HasPrefix(p.peek().word(), "=") || strings.HasPrefix(p.peek().word(), "contains"):
		return fmt.Sprintf("unexpected %s; a Wireshark display filter does not work here, write for example host 10.0.0.7 and port 80", t)
	case w == "mac":
		return "Ethernet addresses are not indexed; for packets --bpf 'ether host " + p.valueAfter("") + "'"
	}
	return ""
}

// rest is the text from t on, for an error: one line and not too long.
func (p *parser) rest(t token) string {
	s := []rune(strings.Join(strings.Fields(p.text[t.pos:]), " "))
	if len(s) > 60 {
		return string(s[:57]) + "..."
	}
	return string(s)
}

// valueAfter is the value that follows, behind skip if that comes first, to be
// shown in an error.
func (p *parser) valueAfter(skip string) string {
	at := p.next
	if skip != "" && (isKeyword(skip) || skip == "portrange") {
		at++
	}
	if at >= len(p.toks) || p.toks[at].kind != tokWord || isKeyword(p.toks[at].word()) {
		return "…"
	}
	end := at + 1
	for end+1 < len(p.toks) && p.toks[end].is(",") && p.toks[end+1].kind == tokWord {
		end += 2
	}
	var b strings.Builder
	for _, t := range p.toks[at:end] {
		b.WriteString(t.text)
	}
	if r := []rune(b.String()); len(r) > 60 {
		return string(r[:57]) + "..."
	}
	return b.String()
}

// protocol is a name that proto knows; the first of a number is that of the
// normal form. Numbers: IANA, protocol-numbers.
type protocol struct {
	name   string
	number uint8
}

var protocols = [...]protocol{
	{"icmp", 1}, {"igmp", 2}, {"tcp", 6}, {"udp", 17}, {"gre", 47}, {"esp", 50}, {"ah", 51},
	{"icmp6", 58}, {"icmpv6", 58}, {"ospf", 89}, {"pim", 103}, {"vrrp", 112}, {"sctp", 132},
}

func protocolNamed(w string) (uint8, bool) {
	for _, p := range protocols {
		if p.name == w {
			return p.number, true
		}
	}
	return 0, false
}

// protocolName is the name of a number, "" if it has none here.
func protocolName(n uint8) string {
	for _, p := range protocols {
		if p.number == n {
			return p.name
		}
	}
	return ""
}
