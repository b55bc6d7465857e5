package decoders

import (
	"reflect"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// dnsRun drives a DNS decoder over one flow and keeps its records.
type dnsRun struct {
	f   *sensor.Flow
	d   sensor.Decoder
	out []*records.DNS
}

func runDNS(p sensor.Protocol, port uint16) *dnsRun {
	f := *tcpTestFlow()
	f.Key.Proto, f.Key.BPort = p.Transport, port
	return &dnsRun{f: &f, d: p.New()}
}

func (r *dnsRun) emit(rec records.Record) { r.out = append(r.out, rec.(*records.DNS)) }

func (r *dnsRun) at(ms int64, side packet.Side, b []byte) sensor.Verdict {
	r.f.Now = ms * 1e6
	return r.d.Data(r.f, side, b, r.emit)
}

// packed is a message in wire form.
func packed(tb testing.TB, m *dns.Msg) []byte {
	tb.Helper()
	b, err := m.Pack()
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func query(name string, typ uint16) *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(name, typ)
	m.Id = 7
	return m
}

// answered is a response to query(name, typ) with the records given in zone form.
func answered(tb testing.TB, name string, typ uint16, rrs ...string) *dns.Msg {
	tb.Helper()
	m := new(dns.Msg)
	m.SetReply(query(name, typ))
	m.Compress = true
	for _, s := range rrs {
		rr, err := dns.NewRR(s)
		if err != nil {
			tb.Fatal(err)
		}
		m.Answer = append(m.Answer, rr)
	}
	return m
}

func read(b []byte, protocol string) *records.DNS {
	r := records.NewDNS(records.Meta{})
	r.Protocol = protocol
	readDNS(b, r)
	return r
}

func TestDNSNameText(t *testing.T) {
	for _, c := range []struct{ name, wire, want string }{
		{"root", "\x00", "."},
		{"case is kept", "\x05MiXeD\x02JP\x00", "MiXeD.JP"},
		{"blank", "\x03a b\x00", `a\032b`},
		{"zone file's special characters", "\x08\"().;\\@$\x00", `\"\(\)\.\;\\\@\$`},
		{"control, DEL and UTF-8", "\x05\x01\x7f\xe3\x81\x82\x00", `\001\127\227\129\130`},
		{"other punctuation stays", "\x05a/_-*\x00", "a/_-*"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, next, ok := appendName(nil, []byte(c.wire), 0)
			if string(got) != c.want || next != len(c.wire) || !ok {
				t.Errorf("got %q, next %d, ok %v; want %q", got, next, ok, c.want)
			}
		})
	}
}

func TestDNSNamePointers(t *testing.T) {
	for _, c := range []struct {
		name, wire string
		off        int
		want       string
		next       int
	}{
		{"back", "\x01b\x00\x01a\xc0\x00", 3, "a.b", 7},
		{"back twice", "\x01c\x00\x01b\xc0\x00\x01a\xc0\x03", 7, "a.b.c", 11},
		{"forward", "\xc0\x06\x00\x01\x00\x01\x01a\x01b\x00", 0, "a.b", 2},
		{"forward after a label", "\x01a\xc0\x05\x00\x01b\x00", 0, "a.b", 4},
		{"forward, and back before both", "\x01c\x00\xc0\x06\x00\x01b\xc0\x00", 3, "b.c", 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, next, ok := appendName(nil, []byte(c.wire), c.off)
			if string(got) != c.want || next != c.next || !ok {
				t.Errorf("got %q, next %d, ok %v; want %q, next %d", got, next, ok, c.want, c.next)
			}
		})
	}
}

func TestDNSNameRefused(t *testing.T) {
	label := "\x3f" + strings.Repeat("x", 63)
	for _, c := range []struct {
		name, wire string
		off        int
		partial    string
	}{
		{"ends in a label", "\x05abc", 0, ""},
		{"ends before the root", "\x03abc", 0, "abc"},
		{"pointer to itself", "\xc0\x00", 0, ""},
		{"pointer to its own name", "\x01a\xc0\x00", 0, "a"},
		{"loop of two pointers", "\xc0\x02\xc0\x00", 0, ""},
		{"pointer forward and back into what was read", "\x01a\xc0\x06\x00\x00\x01b\xc0\x02", 0, "a.b"},
		{"pointer before the name, which runs into it again", "\x01a\x01b\xc0\x00", 2, "b.a.b"},
		{"pointer beyond the message", "\x01a\xc0\x09", 0, "a"},
		{"half a pointer", "\x01a\xc0", 0, "a"},
		{"reserved label type", "\x41ab\x00", 0, ""},
		{"longer than 255 octets", strings.Repeat(label, 4) + "\x00", 0, strings.Repeat("x", 63) + strings.Repeat("."+strings.Repeat("x", 63), 2)},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _, ok := appendName(nil, []byte(c.wire), c.off)
			if ok || string(got) != c.partial {
				t.Errorf("got %q, ok %v; want %q and a refusal", got, ok, c.partial)
			}
		})
	}
}

func TestDNSAnswerText(t *testing.T) {
	for _, c := range []struct{ rr, want string }{
		{"a.jp. 60 IN A 192.0.2.1", "192.0.2.1"},
		{"a.jp. 60 IN AAAA 2001:db8::1", "2001:db8::1"},
		{"a.jp. 60 IN CNAME B.a.jp.", "B.a.jp"},
		{`a.jp. 60 IN NS a\032b.jp.`, `a\032b.jp`},
		{"a.jp. 60 IN PTR .", "."},
		{"a.jp. 60 IN MX 10 mail.example.", "10 mail.example"},
		{`a.jp. 60 IN TXT "v=spf1 -all"`, "v=spf1 -all"},
		{`a.jp. 60 IN TXT "one" "t\\w\200"`, `one t\\w\200`},
		{"a.jp. 60 IN SOA ns.a.jp. root.a.jp. 1 2 3 4 5", "ns.a.jp root.a.jp 1 2 3 4 5"},
		{"a.jp. 60 IN SRV 1 2 5060 sip.a.jp.", "1 2 5060 sip.a.jp"},
		{`a.jp. 60 IN HTTPS 1 . alpn="h2,h3" ipv4hint="192.0.2.1"`, `1 . alpn="h2,h3" ipv4hint="192.0.2.1"`},
		{"a.jp. 60 IN HTTPS 0 b.jp.", "0 b.jp"},
		{`a.jp. 60 IN CAA 0 issue "ca.example"`, `0 issue "ca.example"`},
		{"a.jp. 60 IN DS 1 8 2 AB", "1 8 2 AB"},
		{`a.jp. 60 IN TYPE65280 \# 2 abcd`, `\# 2 abcd`},
	} {
		t.Run(c.rr, func(t *testing.T) {
			r := read(packed(t, answered(t, "a.jp.", dns.TypeANY, c.rr)), "dns")
			if r.Malformed || len(r.Answers) != 1 || r.Answers[0].Data != c.want || r.Answers[0].TTL != 60 || r.Answers[0].Name != "a.jp" {
				t.Errorf("got %+v, malformed %v; want data %q", r.Answers, r.Malformed, c.want)
			}
		})
	}
}

func TestDNSMessage(t *testing.T) {
	edns := query("apt.example.com.", dns.TypeMX)
	edns.SetEdns0(1232, true)
	edns.CheckingDisabled = true
	opt := edns.IsEdns0()
	opt.Option = append(opt.Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708"},
		&dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: []byte{10, 1, 2, 0}})
	badvers := answered(t, "a.jp.", dns.TypeA)
	badvers.SetEdns0(4096, false)
	badvers.Rcode = dns.RcodeBadVers
	badvers.Authoritative, badvers.RecursionAvailable = true, true
	chaos := query("version.bind.", dns.TypeTXT)
	chaos.Question[0].Qclass = dns.ClassCHAOS
	signed := query("www.a.co.jp.", 65280)
	signed.SetTsig("key.", dns.HmacSHA256, 300, 0)
	signed.Opcode, signed.RecursionDesired = dns.OpcodeNotify, false

	for _, c := range []struct {
		name string
		msg  *dns.Msg
		want records.DNS
	}{
		{"query with EDNS", edns, records.DNS{ID: 7, Header: 0x0110, Opcode: "QUERY", Flags: []string{"RD", "CD"}, Name: "apt.example.com", Type: "MX", TypeNo: 15, ClassNo: 1,
			Class: "IN", Questions: 1, RegisteredDomain: "example.com", Subdomain: "apt", TopLevelDomain: "com",
			EDNS: true, UDPSize: 1232, DO: true, ECS: "10.1.2.0/24/0", Cookie: 8}},
		{"response with an extended code", badvers, records.DNS{ID: 7, Header: 0x8580, Response: true, Opcode: "QUERY", RCode: "BADVERS", RCodeNo: 16, TypeNo: 1, ClassNo: 1,
			Flags: []string{"AA", "RD", "RA"}, Name: "a.jp", Type: "A", Class: "IN", Questions: 1,
			RegisteredDomain: "a.jp", TopLevelDomain: "jp", EDNS: true, UDPSize: 4096}},
		{"class CH", chaos, records.DNS{ID: 7, Header: 0x0100, Opcode: "QUERY", Flags: []string{"RD"}, Name: "version.bind", Type: "TXT", Class: "CH", TypeNo: 16, ClassNo: 3,
			Questions: 1, RegisteredDomain: "version.bind", TopLevelDomain: "bind"}},
		{"TSIG, unknown type", signed, records.DNS{ID: 7, Header: 0x2000, Opcode: "NOTIFY", Name: "www.a.co.jp", Type: "TYPE65280", Class: "IN", TypeNo: 65280, ClassNo: 1,
			Additionals: []records.Answer{{Name: "key", Type: "TSIG", Class: "ANY", Data: "hmac-sha256. 19700101000000 300 0  7 0 0"}},
			Questions:   1, Additional: 1, Signed: true, RegisteredDomain: "a.co.jp", Subdomain: "www", TopLevelDomain: "co.jp"}},
		{"root", query(".", dns.TypeNS), records.DNS{ID: 7, Header: 0x0100, Opcode: "QUERY", Flags: []string{"RD"}, Name: ".", Type: "NS", Class: "IN", TypeNo: 2, ClassNo: 1, Questions: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.want.Protocol = "dns"
			if got := read(packed(t, c.msg), "dns"); !reflect.DeepEqual(*got, withMeta(c.want)) {
				t.Errorf("\n got %+v\nwant %+v", *got, c.want)
			}
		})
	}
}

// withMeta gives r the header that NewDNS makes.
func withMeta(r records.DNS) records.DNS {
	*r.Meta() = *records.NewDNS(records.Meta{}).Meta()
	return r
}

func TestDNSMalformed(t *testing.T) {
	whole := packed(t, answered(t, "www.example.jp.", dns.TypeA, "www.example.jp. 9 IN A 192.0.2.1", "www.example.jp. 9 IN A 192.0.2.2"))
	for n := dnsHeaderLen; n < len(whole); n++ {
		r := read(whole[:n], "dns")
		if !r.Malformed || r.ID != 7 || r.RCode != "NOERROR" {
			t.Fatalf("%d of %d octets: %+v", n, len(whole), r)
		}
		if complete := n >= len(whole)-16; complete != (len(r.Answers) == 1) || complete && r.Name != "www.example.jp" {
			t.Fatalf("%d of %d octets: name %q, answers %v", n, len(whole), r.Name, r.Answers)
		}
	}
	short := append([]byte(nil), whole...)
	short[len(short)-5] = 3 // the length of the last A record
	if r := read(short[:len(short)-1], "dns"); !r.Malformed || len(r.Answers) != 2 || r.Answers[1].Data != `\# 3 c00002` {
		t.Errorf("A with three octets: %+v", r.Answers)
	}
}

func TestDNSAnswerTextIsBounded(t *testing.T) {
	// 5,000 answers, each a pointer to a name of 250 octets that need escapes.
	b := packed(t, query("a.jp.", dns.TypePTR))
	b[2] |= 0x80
	name := strings.Repeat("\x3e"+strings.Repeat("\x01", 62), 3)
	at := len(b) + 12
	b = append(b, "\xc0\x0c\x00\x0c\x00\x01\x00\x00\x00\x09"...)
	b = append(b, 0, byte(len(name)+1))
	b = append(b, name+"\x00"...)
	const n = 5000
	for range n {
		b = append(b, "\xc0\x0c\x00\x0c\x00\x01\x00\x00\x00\x09\x00\x02"...)
		b = append(b, 0xc0|byte(at>>8), byte(at))
	}
	b[6], b[7] = byte((n+1)>>8), byte((n+1)&0xff)
	r := read(b[:min(len(b), 65535)], "dns")
	text := 0
	for _, a := range r.Answers {
		text += len(a.Name) + len(a.Data)
	}
	if text > dnsMaxText+4096 || r.Dropped == 0 {
		t.Errorf("kept %d octets of text, dropped %d answers", text, r.Dropped)
	}
}

func TestDNSPairsResponses(t *testing.T) {
	q, a := packed(t, query("WWW.example.jp.", dns.TypeA)), packed(t, answered(t, "www.example.JP.", dns.TypeA))
	other := packed(t, answered(t, "other.jp.", dns.TypeA))
	run := runDNS(dnsUDP(), 53)
	run.at(0, packet.FromB, a) // before any query
	run.at(1, packet.FromA, q)
	run.at(2, packet.FromA, q) // asked again
	run.at(3, packet.FromB, other)
	run.at(5, packet.FromA, a) // from the wrong side
	run.at(9, packet.FromB, a)
	want := []int64{-1, 0, 0, -1, -1, 8e6}
	for i, r := range run.out {
		if i >= len(want) || r.RTT != want[i] {
			t.Errorf("record %d: RTT %d", i, r.RTT)
		}
	}
	if len(run.out) != len(want) {
		t.Errorf("%d records, want %d", len(run.out), len(want))
	}
	if run.f.Service != "dns" {
		t.Errorf("service %q", run.f.Service)
	}
}

func TestDNSPendingIsBounded(t *testing.T) {
	run := runDNS(dnsUDP(), 53)
	q := query("www.example.jp.", dns.TypeA)
	const extra = 5
	for i := range dnsMaxPending + extra {
		q.Id = uint16(i)
		run.at(int64(i), packet.FromA, packed(t, q))
	}
	if n := len(run.d.(*dnsDecoder).pending); n != dnsMaxPending {
		t.Errorf("%d queries pending, limit %d", n, dnsMaxPending)
	}
	reply := func(id uint16) *records.DNS {
		a := answered(t, "www.example.jp.", dns.TypeA)
		a.Id = id
		run.at(1000, packet.FromB, packed(t, a))
		return run.out[len(run.out)-1]
	}
	if r := reply(extra - 1); r.RTT != -1 || r.Forgotten != extra {
		t.Errorf("forgotten query: RTT %d, forgotten %d; want -1, %d", r.RTT, r.Forgotten, extra)
	}
	if r := reply(extra); r.RTT != (1000-extra)*1e6 {
		t.Errorf("oldest kept query: RTT %d", r.RTT)
	}
}

// The oracle: what miekg/dns reads of a message, this package reads too.
func FuzzDNSMessage(f *testing.F) {
	addDatagrams(f, 53, 5353, 5355)
	f.Add(packed(f, query("www.example.jp.", dns.TypeHTTPS)))
	f.Add(packed(f, answered(f, "a.jp.", dns.TypeANY, "a.jp. 1 IN A 192.0.2.1", "a.jp. 1 IN MX 1 b.jp.", `a.jp. 1 IN TXT "x" "y"`,
		`a.jp. 1 IN HTTPS 1 . alpn="h2"`, "a.jp. 1 IN SOA a. b. 1 2 3 4 5", "a.jp. 1 IN RRSIG A 8 1 1 20260101000000 20250101000000 1 a.jp. AAAA")))
	edns := query("a.jp.", dns.TypeA)
	edns.SetEdns0(1232, true)
	f.Add(packed(f, edns))
	f.Add([]byte("\x00\x07\x81\x00\x00\x01\x00\x01\x00\x00\x00\x00\x01a\xc0\x0c\x00\x01\x00\x01\xc0\x0e\x00\x05\x00\x01\x00\x00\x00\x00\x00\x02\xc0\x1a"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < dnsHeaderLen {
			return
		}
		run := runDNS(dnsUDP(), 5300)
		matchDNSDatagram(run.f, packet.FromA, b[:min(len(b), sensor.MatchLimit)])
		matchDNSStream(run.f, packet.FromA, b[:min(len(b), sensor.MatchLimit)])
		r := read(b, "dns")
		for _, c := range []byte(r.Name) {
			if c <= ' ' || c >= 0x7f {
				t.Fatalf("name %q is not printable", r.Name)
			}
		}
		if r.Malformed {
			return
		}
		var m dns.Msg
		if m.Unpack(b) != nil || len(m.Question) == 0 {
			return
		}
		if got, want := r.Type, dnsTypeName(m.Question[0].Qtype); got != want {
			t.Errorf("type %q, want %q", got, want)
		}
		if len(r.Answers)+int(r.Dropped) != len(m.Answer) || int(r.Authority) != len(m.Ns) {
			t.Errorf("%d answers, %d authority; want %d, %d", len(r.Answers), r.Authority, len(m.Answer), len(m.Ns))
		}
	})
}

func BenchmarkDNSQuery(b *testing.B) {
	m := query("www.example.co.jp.", dns.TypeA)
	m.SetEdns0(1232, true)
	benchmarkDNS(b, packed(b, m))
}

func BenchmarkDNSResponse(b *testing.B) {
	benchmarkDNS(b, packed(b, answered(b, "www.example.co.jp.", dns.TypeA, "www.example.co.jp. 9 IN CNAME x.cdn.example.com.",
		"x.cdn.example.com. 9 IN A 192.0.2.1", "x.cdn.example.com. 9 IN A 192.0.2.2")))
}

func benchmarkDNS(b *testing.B, msg []byte) {
	b.ReportAllocs()
	b.SetBytes(int64(len(msg)))
	for b.Loop() {
		read(msg, "dns")
	}
}
