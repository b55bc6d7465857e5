package filter

import "strings"

// protocol is a protocol keyword: what it tests alone, in IP or on the link.
type protocol struct {
	name      string
	etherType uint32 // over the link layer, 0 if none; below 1501 an LLC SAP
	ipProto   uint32 // over IP, 0 if none
	over      string // the IP version it lives in: "ip", "ip6" or "" for both
}

// protocolNamed finds a protocol keyword.
func protocolNamed(name string) (protocol, bool) {
	for _, p := range [...]protocol{
		{name: "ether"}, {name: "link"},
		{name: "ip", etherType: etherIPv4}, {name: "ip6", etherType: etherIPv6},
		{name: "arp", etherType: etherARP}, {name: "rarp", etherType: etherRARP},
		{name: "tcp", ipProto: ipTCP}, {name: "udp", ipProto: ipUDP}, {name: "sctp", ipProto: ipSCTP},
		{name: "icmp", ipProto: 1, over: "ip"}, {name: "icmp6", ipProto: ipICMPv6, over: "ip6"},
		{name: "igmp", ipProto: 2, over: "ip"}, {name: "igrp", ipProto: 9, over: "ip"},
		{name: "pim", ipProto: 103},
		{name: "vrrp", ipProto: 112, over: "ip"}, {name: "carp", ipProto: 112, over: "ip"},
		{name: "ah", ipProto: 51}, {name: "esp", ipProto: 50},
		{name: "stp", etherType: sapSTP},
		{name: "decnet", etherType: 0x6003}, {name: "lat", etherType: 0x6004},
		{name: "moprc", etherType: 0x6002}, {name: "mopdl", etherType: 0x6001},
	} {
		if p.name == name {
			return p, true
		}
	}
	return protocol{}, false
}

// unsupported explains why a word of pcap-filter(7) is refused, "" if it is not.
func unsupported(word string) string {
	switch word {
	case "gateway":
		return "a sensor resolves no names; use ether host MAC and not host ADDRESS"
	case "protochain":
		return "it needs a loop, which the kernel refuses; use ip6 proto"
	case "geneve", "byte", "ifindex", "ifname", "on", "rnr", "rulenum", "reason", "rset", "ruleset", "srnr", "subrulenum", "action":
		return "read the bytes with ether[offset:size] if they are in the frame"
	case "fddi", "tr", "wlan", "radio", "type", "subtype", "addr1", "addr2", "addr3", "addr4", "ra", "ta":
		return "this link type is not among those the sensor reads"
	case "llc", "iso", "clnp", "esis", "isis", "ipx", "netbeui", "atalk", "aarp", "sca":
		return "use ether proto NUMBER"
	}
	return ""
}

// constant is the value of a named offset or value, such as tcpflags.
func constant(name string) (uint32, bool) {
	for _, c := range [...]struct {
		name  string
		value uint32
	}{
		{"tcpflags", 13}, // offset of the flags, RFC 9293 section 3.1
		{"tcp-fin", 0x01}, {"tcp-syn", 0x02}, {"tcp-rst", 0x04}, {"tcp-push", 0x08},
		{"tcp-ack", 0x10}, {"tcp-urg", 0x20}, {"tcp-ece", 0x40}, {"tcp-cwr", 0x80},
		{"icmptype", 0}, {"icmpcode", 1}, {"icmp6type", 0}, {"icmp6code", 1},
		// ICMP types, RFC 792, 950, 1256
		{"icmp-echoreply", 0}, {"icmp-unreach", 3}, {"icmp-sourcequench", 4}, {"icmp-redirect", 5},
		{"icmp-echo", 8}, {"icmp-routeradvert", 9}, {"icmp-routersolicit", 10}, {"icmp-timxceed", 11},
		{"icmp-paramprob", 12}, {"icmp-tstamp", 13}, {"icmp-tstampreply", 14}, {"icmp-ireq", 15},
		{"icmp-ireqreply", 16}, {"icmp-maskreq", 17}, {"icmp-maskreply", 18},
		// ICMPv6 types, RFC 4443, 4861, 2710, 3810, 4620, 3122, 6275, 3971, 4286
		{"icmp6-destinationunreach", 1}, {"icmp6-packettoobig", 2}, {"icmp6-timeexceeded", 3},
		{"icmp6-parameterproblem", 4}, {"icmp6-echo", 128}, {"icmp6-echoreply", 129},
		{"icmp6-multicastlistenerquery", 130}, {"icmp6-multicastlistenerreportv1", 131},
		{"icmp6-multicastlistenerdone", 132}, {"icmp6-routersolicit", 133}, {"icmp6-routeradvert", 134},
		{"icmp6-neighborsolicit", 135}, {"icmp6-neighboradvert", 136}, {"icmp6-redirect", 137},
		{"icmp6-routerrenum", 138}, {"icmp6-nodeinformationquery", 139}, {"icmp6-nodeinformationresponse", 140},
		{"icmp6-ineighbordiscoverysolicit", 141}, {"icmp6-ineighbordiscoveryadvert", 142},
		{"icmp6-multicastlistenerreportv2", 143}, {"icmp6-homeagentdiscoveryrequest", 144},
		{"icmp6-homeagentdiscoveryreply", 145}, {"icmp6-mobileprefixsolicit", 146},
		{"icmp6-mobileprefixadvert", 147}, {"icmp6-certpathsolicit", 148}, {"icmp6-certpathadvert", 149},
		{"icmp6-multicastrouteradvert", 151}, {"icmp6-multicastroutersolicit", 152},
		{"icmp6-multicastrouterterm", 153},
	} {
		if c.name == name {
			return c.value, true
		}
	}
	return 0, false
}

// service is a named port. As in libpcap, a name registered for one transport
// only tests that transport; for several it tests all that have ports.
type service struct {
	name    string
	port    uint32
	ipProto uint32 // ipTCP, ipUDP or 0 for all
}

// services are the common ones of the IANA registry, with Debian's transports.
var services = [...]service{
	{"ftp-data", 20, ipTCP}, {"ftp", 21, ipTCP}, {"ssh", 22, ipTCP}, {"telnet", 23, ipTCP},
	{"smtp", 25, ipTCP}, {"mail", 25, ipTCP}, {"domain", 53, 0}, {"bootps", 67, ipUDP}, {"bootpc", 68, ipUDP},
	{"tftp", 69, ipUDP}, {"http", 80, ipTCP}, {"www", 80, ipTCP}, {"kerberos", 88, 0}, {"pop3", 110, ipTCP},
	{"sunrpc", 111, 0}, {"nntp", 119, ipTCP}, {"ntp", 123, ipUDP}, {"netbios-ns", 137, ipUDP},
	{"netbios-dgm", 138, ipUDP}, {"netbios-ssn", 139, ipTCP}, {"imap2", 143, ipTCP}, {"imap", 143, ipTCP},
	{"snmp", 161, 0}, {"snmp-trap", 162, 0}, {"snmptrap", 162, 0}, {"bgp", 179, ipTCP}, {"ldap", 389, 0},
	{"https", 443, 0}, {"microsoft-ds", 445, ipTCP}, {"submissions", 465, ipTCP}, {"smtps", 465, ipTCP},
	{"isakmp", 500, ipUDP}, {"syslog", 514, ipUDP}, {"printer", 515, ipTCP}, {"rtsp", 554, 0},
	{"submission", 587, ipTCP}, {"ipp", 631, ipTCP}, {"ldaps", 636, 0}, {"domain-s", 853, 0},
	{"rsync", 873, ipTCP}, {"imaps", 993, ipTCP}, {"pop3s", 995, ipTCP}, {"socks", 1080, ipTCP},
	{"openvpn", 1194, 0}, {"ms-sql-s", 1433, ipTCP}, {"radius", 1812, 0}, {"radius-acct", 1813, 0},
	{"nfs", 2049, 0}, {"mysql", 3306, ipTCP}, {"ms-wbt-server", 3389, ipTCP}, {"ipsec-nat-t", 4500, ipUDP},
	{"sip", 5060, 0}, {"sip-tls", 5061, 0}, {"xmpp-client", 5222, ipTCP}, {"mdns", 5353, ipUDP},
	{"postgresql", 5432, ipTCP}, {"x11", 6000, ipTCP}, {"redis", 6379, ipTCP},
}

func serviceNamed(name string) (service, bool) {
	for _, s := range services {
		if s.name == name {
			return s, true
		}
	}
	return service{}, false
}

// numberNamed is the number of a protocol named after `ether proto` (etherType
// true) or after `ip proto`, `ip6 proto` and `proto`.
func numberNamed(name string, etherType bool) (uint32, bool) {
	if p, ok := protocolNamed(name); ok {
		if etherType {
			return p.etherType, p.etherType != 0
		}
		return p.ipProto, p.ipProto != 0
	}
	if etherType {
		return 0, false
	}
	for _, p := range [...]struct {
		name   string
		number uint32
	}{
		{"ipencap", 4}, {"ipv6", 41}, {"gre", 47}, {"ipv6-icmp", 58}, {"eigrp", 88}, {"ospf", 89},
		{"ipcomp", 108}, {"l2tp", 115}, {"udplite", 136},
	} {
		if p.name == name {
			return p.number, true
		}
	}
	return 0, false
}

// words of the language besides protocols and constants.
const otherWords = "src dst host net port portrange proto and or not mask len less greater " +
	"broadcast multicast vlan mpls pppoes pppoed inbound outbound"

// isReserved reports whether w has a meaning and so cannot be a value.
func isReserved(w string) bool {
	if _, ok := protocolNamed(w); ok {
		return true
	}
	if _, ok := constant(w); ok {
		return true
	}
	for _, o := range strings.Fields(otherWords) {
		if o == w {
			return true
		}
	}
	return unsupported(w) != ""
}

// suggest returns `; did you mean "host"?` for a word near one of the language
// or, if ports is set, near a service; otherwise "".
func suggest(word string, ports bool) string {
	if left, _, dash := strings.Cut(word, "-"); dash && !ports && (left == "len" || strings.Trim(left, "0123456789") == "") {
		return "; for subtraction write spaces around the minus"
	}
	candidates := strings.Fields(otherWords + " ether ip ip6 arp rarp tcp udp sctp icmp icmp6 igmp pim vrrp esp ah stp")
	if ports {
		candidates = nil
		for _, s := range services {
			candidates = append(candidates, s.name)
		}
	}
	word = strings.ToLower(word)
	best, limit := "", min(2, len(word)/3)+1
	for _, c := range candidates {
		if d := editDistance(word, c); d < limit {
			best, limit = c, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean \"" + best + "\"?"
}

// editDistance counts the insertions, deletions, substitutions and swaps of
// neighbours that turn a into b (optimal string alignment). Words far apart in
// length get 3 at once, so that hostile text costs nothing.
func editDistance(a, b string) int {
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
			if a[i-1] == b[j-1] {
				d[i][j] = d[i-1][j-1]
			} else if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}
