package records

import (
	"net/netip"
	"strconv"
)

// DNS is one DNS message: a query when it was seen, and a response with the
// query's details when that comes (ECS: dns.type "query" and "answer").
type DNS struct {
	meta Meta

	Protocol string // "dns", "mdns" or "llmnr"
	TCP      bool   // carried over TCP
	Time     int64  // capture time of the message, nanoseconds since the epoch
	Response bool
	RTT      int64 // responses only: nanoseconds since its query, -1 when the query was not seen
	ID       uint16
	Opcode   string   // "QUERY", "UPDATE", "NOTIFY" ...
	RCode    string   // responses only: "NOERROR", "NXDOMAIN" ...; BADVERS and others through EDNS
	Flags    []string // header flags set, ECS spelling: "AA", "TC", "RD", "RA", "AD", "CD"; shared, read only

	// The first question, name as sent in presentation format without the
	// trailing dot ("." is the root): BIND's escapes, case kept. A response
	// without a question (later messages of a zone transfer) bears its query's.
	Name      string
	Type      string // "A", "HTTPS", "TYPE65280"
	Class     string // "IN", "CH", "CLASS42"
	Questions int    // QDCOUNT

	// Name cut along the Public Suffix List, lower case; "" when there is no such part.
	RegisteredDomain string // "example.co.jp"
	Subdomain        string // "www"
	TopLevelDomain   string // "co.jp"

	Answers    []Answer     // the answer section
	Dropped    int          // answers read but not kept, because their text was too long in sum
	Resolved   []netip.Addr // addresses of the A and AAAA answers, in order
	Authority  int          // records in the authority section
	Additional int          // records in the additional section, OPT excluded

	// EDNS(0), RFC 6891: present when EDNS is true.
	EDNS        bool
	EDNSVersion uint8
	UDPSize     uint16
	DO          bool
	ECS         string // RFC 7871: "10.1.2.0/24/0", "" if absent
	Cookie      int    // RFC 7873: length of the cookie option, 0 if absent
	Signed      bool   // TSIG or SIG(0) present

	Forgotten int  // queries of this flow given up unanswered for want of room, until now
	Malformed bool // the message ended early or contradicts itself; what was read is kept
}

// Answer is one resource record.
type Answer struct {
	Name, Type, Class string
	TTL               uint32 // seconds
	Data              string // presentation format; "\# 4 0a000001" (RFC 3597) when it cannot be read
}

// NewDNS returns a DNS record that bears m.
func NewDNS(m Meta) *DNS { m.Kind = KindDNS; return &DNS{meta: m} }

// Meta implements Record.
func (r *DNS) Meta() *Meta { return &r.meta }

// AppendFields implements Record.
func (r *DNS) AppendFields(dst []Field) []Field {
	f, m := Fields(dst), &r.meta
	e := Event{Kind: "event", Category: categoryNetwork, Type: typeProtocolInfo, Action: "dns-query", Start: r.Time}
	if r.Response {
		e.Action = "dns-answer"
		if r.RTT >= 0 {
			e.Start, e.End = r.Time-r.RTT, r.Time
		}
	}
	m.event(&f, e)
	r.message(&f)
	m.network(&f, r.Protocol, 0, 0)
	m.endpoints(&f, Peer{}, Peer{})
	if r.Name != "." {
		f.Strs("related.hosts", hosts(r.Name))
	}
	f.IPs("related.ip", append([]netip.Addr{m.Client().Addr(), m.Server().Addr()}, r.Resolved...))
	r.extra(&f)
	m.tail(&f)
	return f
}

var typeProtocolInfo = []string{"protocol", "info"}

// message appends dns.*.
func (r *DNS) message(f *Fields) {
	if len(r.Answers) > 0 {
		mark := Begin
		for i := range r.Answers {
			f.Mark(mark, "dns.answers")
			a := &r.Answers[i]
			f.Str("class", a.Class)
			f.Str("data", a.Data)
			f.Str("name", a.Name)
			f.Int("ttl", int64(a.TTL))
			f.Str("type", a.Type)
			mark = Next
		}
		f.Mark(End, "dns.answers")
	}
	f.Strs("dns.header_flags", r.Flags)
	f.Str("dns.id", strconv.Itoa(int(r.ID)))
	f.Str("dns.op_code", r.Opcode)
	f.Str("dns.question.class", r.Class)
	f.Str("dns.question.name", r.Name)
	f.Str("dns.question.registered_domain", r.RegisteredDomain)
	f.Str("dns.question.subdomain", r.Subdomain)
	f.Str("dns.question.top_level_domain", r.TopLevelDomain)
	f.Str("dns.question.type", r.Type)
	f.IPs("dns.resolved_ip", r.Resolved)
	f.Str("dns.response_code", r.RCode)
	if r.Response {
		f.Str("dns.type", "answer")
	} else {
		f.Str("dns.type", "query")
	}
}

// extra appends what ECS has no name for.
func (r *DNS) extra(f *Fields) {
	f.Count("kagami.dns.additional", uint64(r.Additional))
	f.Count("kagami.dns.authority", uint64(r.Authority))
	f.Count("kagami.dns.dropped_answers", uint64(r.Dropped))
	if r.EDNS {
		f.Str("kagami.dns.edns.client_subnet", r.ECS)
		f.Count("kagami.dns.edns.cookie_bytes", uint64(r.Cookie))
		f.Flag("kagami.dns.edns.dnssec_ok", r.DO)
		f.Int("kagami.dns.edns.udp_size", int64(r.UDPSize))
		f.Int("kagami.dns.edns.version", int64(r.EDNSVersion))
	}
	f.Count("kagami.dns.forgotten_queries", uint64(r.Forgotten))
	f.Flag("kagami.dns.malformed", r.Malformed)
	f.Int("kagami.dns.questions", int64(r.Questions))
	if r.Response && r.RTT >= 0 {
		f.Int("kagami.dns.rtt", r.RTT)
	}
	f.Flag("kagami.dns.signed", r.Signed)
	f.Flag("kagami.dns.tcp", r.TCP)
}
