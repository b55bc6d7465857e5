package exporters

import (
	"strconv"
	"strings"

	"kagami/records"
)

// dns writes the events dns (version 3), mdns and llmnr. NetBIOS names have none.
func (f *eve) dns(r *records.DNS) bool {
	event := r.Protocol
	switch event {
	case "dns", "mdns", "llmnr":
	default:
		return false
	}
	f.head(r.Meta(), event)
	n := f.begin(event)
	if event == "dns" {
		f.int("version", 3)
	}
	if r.Response {
		f.word("type", "response")
	} else {
		f.word("type", "request")
	}
	f.count("id", uint64(r.ID))
	f.int("opcode", int64(r.OpcodeNo()))
	switch event {
	case "dns":
		f.dnsFlags(r)
		f.queries(r)
		f.answers("answers", r.Answers)
		f.answers("authorities", r.Authorities)
		f.answers("additionals", r.Additionals)
	case "mdns":
		if r.Response {
			f.count("rcode", uint64(r.RCodeNo))
		}
		f.queries(r)
		f.mdnsAnswers("answers", r.Answers)
		f.mdnsAnswers("additionals", r.Additionals)
	default:
		f.queries(r) // LLMNR's types are in lower case
		f.llmnrAnswers("answers", r.Answers)
		f.llmnrAnswers("authorities", r.Authorities)
		f.llmnrAnswers("additionals", r.Additionals)
	}
	f.end(n)
	return true
}

// Bits of a DNS header (RFC 1035 section 4.1.1).
const (
	dnsQR = 1 << 15
	dnsAA = 1 << 10
	dnsTC = 1 << 9
	dnsRD = 1 << 8
	dnsRA = 1 << 7
	dnsZ  = 1 << 6
)

func (f *eve) dnsFlags(r *records.DNS) {
	f.key("flags")
	f.b = append(f.b, '"')
	f.b = strconv.AppendUint(f.b, uint64(r.Header), 16)
	f.b = append(f.b, '"')
	f.flag("qr", r.Header&dnsQR != 0)
	f.flag("aa", r.Header&dnsAA != 0)
	f.flag("tc", r.Header&dnsTC != 0)
	f.flag("rd", r.Header&dnsRD != 0)
	f.flag("ra", r.Header&dnsRA != 0)
	f.flag("z", r.Header&dnsZ != 0)
	if r.Response {
		f.str("rcode", r.RCode)
	}
}

func (f *eve) queries(r *records.DNS) {
	if r.Questions == 0 || r.Type == "" {
		return
	}
	n := f.array("queries")
	f.query(r, r.Name, r.Type)
	for i := range r.Others {
		f.query(r, r.Others[i].Name, r.Others[i].Type)
	}
	f.end(n)
}

func (f *eve) query(r *records.DNS, name, typ string) {
	q := f.item()
	f.str("rrname", name)
	if r.Protocol == "llmnr" {
		f.lower("rrtype", typ)
	} else {
		f.str("rrtype", typ)
	}
	f.end(q)
}

// lower writes a word in lower case.
func (f *eve) lower(name, s string) {
	start := len(f.b)
	f.str(name, s)
	lower(f.b[start:])
}

func (f *eve) answers(name string, section []records.Answer) {
	n := f.array(name)
	for i := range section {
		a := &section[i]
		if a.Texts == "" {
			f.answer(a, name)
			continue
		}
		one := *a // a TXT record has an entry for each of its strings
		for one.Data = range a.Strings() {
			f.answer(&one, name)
		}
	}
	f.end(n)
}

func (f *eve) answer(a *records.Answer, section string) {
	o := f.item()
	f.str("rrname", a.Name)
	f.str("rrtype", a.Type)
	f.count("ttl", uint64(a.TTL))
	f.rdata(a, section)
	f.end(o)
}

// rdata writes a record's data, in parts where the schema wants parts.
func (f *eve) rdata(a *records.Answer, section string) {
	switch {
	case a.Type == "SOA" && section != "additionals" && f.soa(a.Data):
	case a.Type == "SRV" && section == "answers" && f.srv(a.Data):
	case a.Type == "SSHFP" && section == "answers" && f.sshfp(a.Data):
	case a.Type == "TXT" || a.Type == "SPF":
		f.key("rdata")
		f.b = appendJSONString(f.b, a.Data)
	default:
		f.str("rdata", a.Data)
	}
}

// soa writes the parts of an SOA's presentation form; false: it is none.
func (f *eve) soa(data string) bool {
	var mname, rname string
	var numbers [5]uint64
	mname, data, _ = strings.Cut(data, " ")
	rname, data, _ = strings.Cut(data, " ")
	if !readNumbers(data, numbers[:]) {
		return false
	}
	n := f.begin("soa")
	f.str("mname", mname)
	f.str("rname", rname)
	for i, name := range [...]string{"serial", "refresh", "retry", "expire", "minimum"} {
		f.count(name, numbers[i])
	}
	f.end(n)
	return true
}

func (f *eve) srv(data string) bool {
	var numbers [3]uint64
	i := strings.LastIndexByte(data, ' ')
	if i < 0 || !readNumbers(data[:i], numbers[:]) {
		return false
	}
	n := f.begin("srv")
	f.count("priority", numbers[0])
	f.count("weight", numbers[1])
	f.count("port", numbers[2])
	f.str("name", data[i+1:])
	f.end(n)
	return true
}

func (f *eve) sshfp(data string) bool {
	var numbers [2]uint64
	i := strings.LastIndexByte(data, ' ')
	if i < 0 || !readNumbers(data[:i], numbers[:]) || !hexChars.all(data[i+1:]) {
		return false
	}
	n := f.begin("sshfp")
	f.count("algo", numbers[0])
	f.count("type", numbers[1])
	f.key("fingerprint")
	f.b = append(f.b, '"')
	start := len(f.b)
	f.b = appendColons(f.b, data[i+1:])
	lower(f.b[start:])
	f.b = append(f.b, '"')
	f.end(n)
	return true
}

// readNumbers reads decimal numbers of 32 bits, separated by single blanks; they
// must be as many as v has room for.
func readNumbers(s string, v []uint64) bool {
	for i := range v {
		word, rest, more := strings.Cut(s, " ")
		n, ok := readNumber(word)
		if !ok || more != (i < len(v)-1) {
			return false
		}
		v[i], s = n, rest
	}
	return true
}

// readNumber is strconv.ParseUint for 32 bits without an error value.
func readNumber(s string) (n uint64, ok bool) {
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' || n > 1<<32 {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, s != "" && n < 1<<32
}

// mdnsAnswers writes what EVE shows of mDNS records: PTR and TXT.
func (f *eve) mdnsAnswers(name string, section []records.Answer) {
	n := f.array(name)
	for i := range section {
		a := &section[i]
		o := f.item()
		f.str("rrname", a.Name)
		switch a.Type {
		case "PTR":
			f.str("ptr", a.Data)
		case "TXT":
			f.texts(a)
		}
		f.end(o)
	}
	f.end(n)
}

func (f *eve) llmnrAnswers(name string, section []records.Answer) {
	n := f.array(name)
	for i := range section {
		a := &section[i]
		o := f.item()
		f.str("rrname", a.Name)
		f.lower("rrtype", a.Type)
		f.count("ttl", uint64(a.TTL))
		switch a.Type {
		case "A":
			f.str("a", a.Data)
		case "AAAA":
			f.str("aaaa", a.Data)
		case "CNAME":
			f.str("cname", a.Data)
		case "MX":
			f.str("mx", a.Data)
		case "NS":
			f.str("ns", a.Data)
		case "PTR":
			f.str("ptr", a.Data)
		case "TXT":
			f.texts(a)
		default:
			f.str("unknown", a.Data)
		}
		f.end(o)
	}
	f.end(n)
}

func (f *eve) texts(a *records.Answer) {
	if a.Data == "" {
		return
	}
	n := f.array("txt")
	for s := range a.Strings() {
		f.next()
		f.b = appendJSONString(f.b, s)
	}
	f.end(n)
}
