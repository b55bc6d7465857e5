package records

import (
	"iter"
	"net/netip"
	"strings"
)

// DNS is one DNS message: a query when it was seen, and a response with the
// query's details when that comes (ECS: dns.type "query" and "answer"). No record
// is more frequent: small members stand together, to take little room.
type DNS struct {
	meta Meta

	Protocol string // "dns", "mdns", "llmnr" or "nbns"
	Time     int64  // capture time of the message, nanoseconds since the epoch
	RTT      int64  // responses only: nanoseconds since its query, -1 when the query was not seen
	TCP      bool   // carried over TCP
	Response bool
	ID       uint16
	Header   uint16   // the header's second 16 bits as sent: QR, opcode, AA, TC, RD, RA, Z, AD, CD, RCODE
	RCodeNo  uint16   // responses only: RCode's number, the extended part included
	Opcode   string   // "QUERY", "UPDATE", "NOTIFY" ...
	RCode    string   // responses only: "NOERROR", "NXDOMAIN" ...; BADVERS and others through EDNS
	Flags    []string // header flags set, ECS spelling: "AA", "TC", "RD", "RA", "AD", "CD"; shared, read only

	// The first question, name as sent in presentation format without the
	// trailing dot ("." is the root): BIND's escapes, case kept; in mDNS and LLMNR
	// blanks and UTF-8 are not escaped, in NBNS the name is decoded. A response
	// without a question (later messages of a zone transfer) bears its query's.
	Name    string
	Type    string // "A", "HTTPS", "TYPE65280"
	Class   string // "IN", "CH", "CLASS42"
	TypeNo  uint16
	ClassNo uint16 // mDNS: without the top bit

	Questions  uint16 // QDCOUNT
	Authority  uint16 // records in the authority section
	Additional uint16 // records in the additional section, OPT excluded
	Dropped    uint16 // questions and records read but not kept, because their text was too long in sum
	Forgotten  uint16 // queries of this flow given up unanswered for want of room, until now; 65535 stands for more
	Unicast    bool   // mDNS: a unicast response is wanted (RFC 6762 section 5.4)
	Signed     bool   // TSIG or SIG(0) present

	// Name cut along the Public Suffix List, lower case; "" when there is no such part.
	RegisteredDomain string // "example.co.jp"
	Subdomain        string // "www"
	TopLevelDomain   string // "co.jp"

	Others      []Question   // the questions behind the first
	Answers     []Answer     // the answer section
	Authorities []Answer     // the authority section
	Additionals []Answer     // the additional section, OPT excluded
	Resolved    []netip.Addr // addresses of the A, AAAA and NB answers, in order

	Malformed bool // the message ended early or contradicts itself; what was read is kept

	// EDNS(0), RFC 6891: present when EDNS is true.
	EDNS        bool
	EDNSVersion uint8
	DO          bool
	UDPSize     uint16
	Cookie      uint16 // RFC 7873: octets of the cookie option, 0 if absent
	ECS         string // RFC 7871: "10.1.2.0/24/0", "" if absent

	NetBIOS *NetBIOS // NBNS only: what DNS has no field for
}

// Question is one entry of the question section.
type Question struct{ Name, Type, Class string }

// Answer is one resource record.
type Answer struct {
	Name, Type, Class string
	TTL               uint32 // seconds
	CacheFlush        bool   // mDNS: it replaces what caches hold (RFC 6762 section 10.2)
	Data              string // presentation format; "\# 4 0a000001" (RFC 3597) when it cannot be read
	Texts             string // TXT and SPF of several strings: the same with NUL between them, "" for one
}

// Strings are the character-strings of a TXT or SPF record.
func (a *Answer) Strings() iter.Seq[string] {
	if a.Texts == "" {
		return strings.SplitSeq(a.Data, "\x00")
	}
	return strings.SplitSeq(a.Texts, "\x00")
}

// OpcodeNo is the opcode's number.
func (r *DNS) OpcodeNo() int { return int(r.Header >> 11 & 15) }

// Z is the three bits that RFC 1035 reserved: Z, AD and CD, as Zeek shows them.
func (r *DNS) Z() int { return int(r.Header >> 4 & 7) }

// zBit is what is reserved of it still.
const zBit = 1 << 6

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
		f.list("related.hosts", r.Name)
	}
	at := m.ends(&f)
	for _, a := range r.Resolved {
		f.element(a)
	}
	f.close(at)
	r.extra(&f)
	m.tail(&f)
	return f
}

var typeProtocolInfo = []string{"protocol", "info"}

// message appends dns.*.
func (r *DNS) message(f *Fields) {
	appendAnswers(f, "dns.answers", r.Answers)
	f.Strs("dns.header_flags", r.Flags)
	f.Digits("dns.id", int64(r.ID))
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

// appendAnswers appends one section as an array of objects.
func appendAnswers(f *Fields, name string, section []Answer) {
	if len(section) == 0 {
		return
	}
	mark := Begin
	for i := range section {
		f.Mark(mark, name)
		a := &section[i]
		f.Str("class", a.Class)
		f.Str("data", a.Data)
		f.Str("name", a.Name)
		f.Int("ttl", int64(a.TTL))
		f.Str("type", a.Type)
		mark = Next
	}
	f.Mark(End, name)
}

// others appends the questions behind the first.
func (r *DNS) others(f *Fields) {
	mark := Begin
	for i := range r.Others {
		f.Mark(mark, "kagami.dns.other_questions")
		q := &r.Others[i]
		f.Str("class", q.Class)
		f.Str("name", q.Name)
		f.Str("type", q.Type)
		mark = Next
	}
	if mark == Next {
		f.Mark(End, "kagami.dns.other_questions")
	}
}

// flushes tells whether a record of the answer section replaces what caches hold.
func (r *DNS) flushes() bool {
	for i := range r.Answers {
		if r.Answers[i].CacheFlush {
			return true
		}
	}
	return false
}

// extra appends what ECS has no name for.
func (r *DNS) extra(f *Fields) {
	f.Count("kagami.dns.additional", uint64(r.Additional))
	appendAnswers(f, "kagami.dns.additionals", r.Additionals)
	appendAnswers(f, "kagami.dns.authorities", r.Authorities)
	f.Count("kagami.dns.authority", uint64(r.Authority))
	f.Flag("kagami.dns.cache_flush", r.flushes())
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
	r.NetBIOS.fields(f)
	r.others(f)
	f.Int("kagami.dns.questions", int64(r.Questions))
	if r.Response && r.RTT >= 0 {
		f.Int("kagami.dns.rtt", r.RTT)
	}
	f.Flag("kagami.dns.signed", r.Signed)
	f.Flag("kagami.dns.tcp", r.TCP)
	f.Flag("kagami.dns.unicast_response", r.Unicast)
	f.Flag("kagami.dns.z", r.Header&zBit != 0)
}
