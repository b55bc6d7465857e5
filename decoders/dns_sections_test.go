package decoders

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"kagami/packet"
	"kagami/records"
)

// rr is a resource record in zone form.
func rr(tb testing.TB, s string) dns.RR {
	tb.Helper()
	r, err := dns.NewRR(s)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func TestDNSSections(t *testing.T) {
	m := answered(t, "nx.example.jp.", dns.TypeA)
	m.Rcode = dns.RcodeNameError
	m.Ns = []dns.RR{rr(t, "example.jp. 300 IN SOA ns.example.jp. root.example.jp. 1 2 3 4 5")}
	m.Extra = []dns.RR{rr(t, "ns.example.jp. 60 IN A 192.0.2.53"), rr(t, "ns.example.jp. 60 IN AAAA 2001:db8::53")}
	m.SetEdns0(1232, false)
	m.Zero = true
	r := read(packed(t, m), "dns")
	if r.Malformed || r.Authority != 1 || r.Additional != 2 || r.RCodeNo != 3 || r.Z() != 4 || r.OpcodeNo() != 0 || len(r.Resolved) != 0 {
		t.Errorf("%+v", r)
	}
	if want := []records.Answer{{Name: "example.jp", Type: "SOA", Class: "IN", TTL: 300, Data: "ns.example.jp root.example.jp 1 2 3 4 5"}}; !slices.Equal(r.Authorities, want) {
		t.Errorf("authorities %+v", r.Authorities)
	}
	want := []records.Answer{{Name: "ns.example.jp", Type: "A", Class: "IN", TTL: 60, Data: "192.0.2.53"},
		{Name: "ns.example.jp", Type: "AAAA", Class: "IN", TTL: 60, Data: "2001:db8::53"}}
	if !slices.Equal(r.Additionals, want) {
		t.Errorf("additionals %+v", r.Additionals)
	}
}

// NULL (RFC 1035 section 3.3.10), which tunnels like, has no presentation form.
func TestDNSNullData(t *testing.T) {
	m := answered(t, "t.example.jp.", dns.TypeNULL)
	m.Answer = []dns.RR{&dns.NULL{Hdr: dns.RR_Header{Name: "t.example.jp.", Rrtype: dns.TypeNULL, Class: 1, Ttl: 9}, Data: "VACK\x03\xff"}}
	r := read(packed(t, m), "dns")
	if len(r.Answers) != 1 || r.Malformed || r.Answers[0].Data != `\# 6 5641434b03ff` {
		t.Errorf("%+v", r.Answers)
	}
}

func TestDNSSeveralQuestions(t *testing.T) {
	m := query("a.local.", dns.TypePTR)
	m.Question[0].Qclass |= 0x8000
	m.Question = append(m.Question, dns.Question{Name: "b.local.", Qtype: dns.TypeSRV, Qclass: 0x8001}, dns.Question{Name: "c.local.", Qtype: 65280, Qclass: 1})
	r := read(packed(t, m), "mdns")
	want := []records.Question{{Name: "b.local", Type: "SRV", Class: "IN"}, {Name: "c.local", Type: "TYPE65280", Class: "IN"}}
	if r.Questions != 3 || r.Name != "a.local" || r.Class != "IN" || r.ClassNo != 1 || !r.Unicast || !slices.Equal(r.Others, want) {
		t.Errorf("%+v", r)
	}
	if r := read(packed(t, m), "dns"); r.Unicast || r.Class != "CLASS32769" {
		t.Errorf("DNS has no such flag: %+v", r)
	}
}

// 10,000 questions that are pointers to one long name.
func TestDNSQuestionTextIsBounded(t *testing.T) {
	b := packed(t, query(strings.Repeat(strings.Repeat("x", 62)+".", 3), dns.TypeA))
	const n = 10000
	for range n {
		b = append(b, "\xc0\x0c\x00\x01\x00\x01"...)
	}
	b[4], b[5] = byte((n+1)>>8), byte((n+1)&0xff)
	r := read(b, "mdns")
	if r.Malformed || r.Dropped == 0 || len(r.Others)+int(r.Dropped) != n || len(r.Others)*188 > dnsMaxText+188 {
		t.Errorf("%d questions kept, %d dropped", len(r.Others), r.Dropped)
	}
}

func TestMulticastDNSService(t *testing.T) {
	m := new(dns.Msg)
	m.Response, m.Authoritative = true, true
	m.Answer = []dns.RR{
		rr(t, `_ipp._tcp.local. 4500 IN PTR 経理\032MFP\032\(3F\)._ipp._tcp.local.`),
		rr(t, `経理\032MFP\032\(3F\)._ipp._tcp.local. 120 IN SRV 0 0 631 mfp-3f.local.`),
		rr(t, `経理\032MFP\032\(3F\)._ipp._tcp.local. 4500 IN TXT "ty=MFP 3F" "note=a\\b\200"`)}
	m.Answer[1].Header().Class |= 0x8000
	f := udpFlow(5353, 5353, 0)
	out := datagrams[*records.DNS](dnsUDP(), f, packet.FromA, packed(t, m))
	if len(out) != 1 || out[0].Protocol != "mdns" || out[0].Questions != 0 || out[0].Name != "" {
		t.Fatalf("%+v", out)
	}
	const instance = "経理 MFP (3F)._ipp._tcp.local"
	want := []records.Answer{
		{Name: "_ipp._tcp.local", Type: "PTR", Class: "IN", TTL: 4500, Data: instance},
		{Name: instance, Type: "SRV", Class: "IN", TTL: 120, CacheFlush: true, Data: "0 0 631 mfp-3f.local"},
		{Name: instance, Type: "TXT", Class: "IN", TTL: 4500, Data: `ty=MFP 3F note=a\\b\200`, Texts: "ty=MFP 3F\x00note=a\\\\b\\200"}}
	if !reflect.DeepEqual(out[0].Answers, want) {
		t.Errorf("\n got %+v\nwant %+v", out[0].Answers, want)
	}
}

func TestReadable(t *testing.T) {
	for _, c := range [][2]string{
		{"plain", "plain"},
		{`a\032b`, "a b"},
		{`\227\129\130\.x`, `あ\.x`},
		{`\227\129`, `\227\129`},
		{`\009\127`, `\009\127`},
		{`\226\128\174`, `\226\128\174`}, // turns the direction of writing
		{`\239\191\189`, "\uFFFD"},
		{`\(3\) \\ \"`, `(3) \\ "`},
		{`\`, `\`}, {`\03`, `03`}, {`\999`, `999`},
	} {
		if got := readable([]byte(c[0])); got != c[1] {
			t.Errorf("%q: got %q, want %q", c[0], got, c[1])
		}
	}
}

func BenchmarkDNSNegative(b *testing.B) {
	m := answered(b, "nx.example.co.jp.", dns.TypeA)
	m.Rcode = dns.RcodeNameError
	m.Ns = []dns.RR{rr(b, "example.co.jp. 300 IN SOA ns.example.co.jp. root.example.co.jp. 1 2 3 4 5")}
	m.SetEdns0(1232, false)
	benchmarkDNS(b, packed(b, m))
}
