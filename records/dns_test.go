package records

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"kagami/packet"
)

// wholeMeta has every member set.
func wholeMeta(proto uint8) Meta {
	m := Meta{At: 9, VLANs: 2, Key: packet.Key{Proto: proto, APort: 40000, BPort: 53},
		ClientZone: "Trust", ServerZone: "Untrust", ClientMAC: [6]byte{1}, ServerMAC: [6]byte{2}, CommunityID: "1:x",
		Visibility: Visibility{OneSided: true, Midstream: true, Truncated: true, Missed: 3}}
	m.Key.A, m.Key.B = [16]byte{10: 0xff, 11: 0xff, 12: 10}, [16]byte{10: 0xff, 11: 0xff, 12: 192}
	return m
}

// wantNested fails if fields that share a prefix are not adjacent, or if an
// array's marks do not match: a writer nests them in one pass.
func wantNested(t *testing.T, fields []Field) {
	t.Helper()
	closed, last, array := map[string]bool{}, "", ""
	for _, f := range Plain(fields) {
		switch {
		case f.Type == Begin && array == "":
			array = f.Name
		case f.Type == Next && array == f.Name:
			continue
		case f.Type == End && array == f.Name:
			array = ""
			continue
		case f.Type >= Begin:
			t.Errorf("%s: mark %d does not match", f.Name, f.Type)
		case array != "":
			continue // the object's own names
		}
		for p := last; p != ""; p = p[:max(strings.LastIndexByte(p, '.'), 0)] {
			if f.Name != p && !strings.HasPrefix(f.Name, p+".") {
				closed[p] = true
			}
		}
		for p := f.Name; p != ""; p = p[:max(strings.LastIndexByte(p, '.'), 0)] {
			if closed[p] || f.Name == last {
				t.Errorf("%s: %s was already over", f.Name, p)
			}
		}
		last = f.Name
	}
	if array != "" {
		t.Errorf("array %s is open", array)
	}
}

// lines shows fields that begin with one of the prefixes, one a line.
func lines(fields []Field, prefixes ...string) []string {
	var out []string
	in := false
	for _, f := range Plain(fields) {
		match := in && f.Type < Begin
		for _, p := range prefixes {
			match = match || strings.HasPrefix(f.Name, p)
		}
		if !match {
			continue
		}
		switch f.Type {
		case String:
			out = append(out, f.Name+"="+f.Str)
		case Strings:
			out = append(out, fmt.Sprint(f.Name, "=", f.Strs))
		case IP:
			out = append(out, fmt.Sprint(f.Name, "=", f.Addr))
		case IPs:
			out = append(out, fmt.Sprint(f.Name, "=", f.Addrs))
		case Begin, Next, End:
			out = append(out, map[Type]string{Begin: "[ ", Next: ", ", End: "] "}[f.Type]+f.Name)
			in = f.Type != End
		default:
			out = append(out, fmt.Sprint(f.Name, "=", f.Num))
		}
	}
	return out
}

func TestDNSFields(t *testing.T) {
	r := NewDNS(wholeMeta(packet.ProtoUDP))
	r.Protocol, r.TCP, r.Time, r.Response, r.RTT, r.ID = "dns", true, 1000, true, 400, 0xb524
	r.Opcode, r.RCode, r.Flags = "QUERY", "NOERROR", []string{"RD", "RA"}
	r.Name, r.Type, r.Class, r.Questions = "www.Example.jp", "A", "IN", 1
	r.RegisteredDomain, r.Subdomain, r.TopLevelDomain = "example.jp", "www", "jp"
	r.Answers = []Answer{{Name: "www.Example.jp", Type: "CNAME", Class: "IN", TTL: 60, CacheFlush: true, Data: "x.example.jp"},
		{Name: "x.example.jp", Type: "A", Class: "IN", Data: "192.0.2.1"}}
	r.Resolved = []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	r.Dropped, r.Authority, r.Additional, r.Forgotten = 1, 2, 3, 4
	r.EDNS, r.EDNSVersion, r.UDPSize, r.DO, r.ECS, r.Cookie = true, 0, 1232, true, "10.1.2.0/24/0", 8
	r.Signed, r.Malformed = true, true
	fields := r.AppendFields(nil)
	wantNested(t, fields)
	want := []string{"event.start=600", "event.end=1000", "event.duration=400",
		"[ dns.answers", "class=IN", "data=x.example.jp", "name=www.Example.jp", "ttl=60", "type=CNAME",
		", dns.answers", "class=IN", "data=192.0.2.1", "name=x.example.jp", "ttl=0", "type=A", "] dns.answers",
		"dns.header_flags=[RD RA]", "dns.id=46372", "dns.op_code=QUERY", "dns.question.class=IN", "dns.question.name=www.Example.jp",
		"dns.question.registered_domain=example.jp", "dns.question.subdomain=www", "dns.question.top_level_domain=jp", "dns.question.type=A",
		"dns.resolved_ip=[192.0.2.1]", "dns.response_code=NOERROR", "dns.type=answer", "network.protocol=dns",
		"related.hosts=[www.Example.jp]", "related.ip=[10.0.0.0 192.0.0.0 192.0.2.1]",
		"kagami.dns.additional=3", "kagami.dns.authority=2", "kagami.dns.cache_flush=1", "kagami.dns.dropped_answers=1",
		"kagami.dns.edns.client_subnet=10.1.2.0/24/0", "kagami.dns.edns.cookie_bytes=8", "kagami.dns.edns.dnssec_ok=1",
		"kagami.dns.edns.udp_size=1232", "kagami.dns.edns.version=0", "kagami.dns.forgotten_queries=4", "kagami.dns.malformed=1",
		"kagami.dns.questions=1", "kagami.dns.rtt=400", "kagami.dns.signed=1", "kagami.dns.tcp=1"}
	got := lines(fields, "dns.", "kagami.dns", "related.", "network.protocol", "event.start", "event.end", "event.duration")
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestDNSQueryFields(t *testing.T) {
	r := NewDNS(wholeMeta(packet.ProtoUDP))
	r.Protocol, r.Time, r.Opcode, r.Name, r.Type, r.Class, r.Questions = "dns", 1000, "QUERY", ".", "NS", "IN", 1
	fields := r.AppendFields(nil)
	wantNested(t, fields)
	want := []string{"event.action=dns-query", "event.start=1000", "dns.id=0", "dns.op_code=QUERY", "dns.question.class=IN",
		"dns.question.name=.", "dns.question.type=NS", "dns.type=query", "kagami.dns.questions=1"}
	if got := lines(fields, "dns.", "kagami.dns", "related.hosts", "event.action", "event.start", "event.end", "event.duration"); !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	r.Response, r.RTT = true, -1
	for _, line := range lines(r.AppendFields(nil), "event.start", "event.end", "kagami.dns.rtt") {
		if line != "event.start=1000" {
			t.Errorf("response to a query that was not seen: %s", line)
		}
	}
}

func TestDNSOtherFields(t *testing.T) {
	r := NewDNS(wholeMeta(packet.ProtoUDP))
	r.Protocol, r.Header, r.Name, r.Type, r.Class, r.Questions = "nbns", 0x0060, "FILES01", "NB", "IN", 3
	r.Others = []Question{{"b", "A", "IN"}, {"c", "PTR", "IN"}}
	r.Authorities = []Answer{{Name: "jp", Type: "NS", Class: "IN", TTL: 1, Data: "a.dns.jp"}}
	r.Additionals = []Answer{{Name: "a.dns.jp", Type: "A", Class: "IN", TTL: 2, Data: "192.0.2.1"}}
	r.Unicast = true
	r.NetBIOS = &NetBIOS{Suffix: 0x1c, Scope: "scope", Broadcast: true, Group: true, Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.7")},
		Names: []NetBIOSName{{Name: "FILES01", Suffix: 0x20}}, MAC: [6]byte{1}}
	fields := r.AppendFields(nil)
	wantNested(t, fields)
	want := []string{"[ kagami.dns.additionals", "class=IN", "data=192.0.2.1", "name=a.dns.jp", "ttl=2", "type=A", "] kagami.dns.additionals",
		"[ kagami.dns.authorities", "class=IN", "data=a.dns.jp", "name=jp", "ttl=1", "type=NS", "] kagami.dns.authorities",
		"kagami.dns.netbios.addresses=[10.0.0.7]", "kagami.dns.netbios.broadcast=1", "kagami.dns.netbios.group=1",
		"kagami.dns.netbios.mac=01-00-00-00-00-00", "kagami.dns.netbios.names=[FILES01<20>]", "kagami.dns.netbios.scope=scope",
		"kagami.dns.netbios.suffix=1c", "[ kagami.dns.other_questions", "class=IN", "name=b", "type=A",
		", kagami.dns.other_questions", "class=IN", "name=c", "type=PTR", "] kagami.dns.other_questions",
		"kagami.dns.questions=3", "kagami.dns.unicast_response=1", "kagami.dns.z=1"}
	if got := lines(fields, "kagami.dns"); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if r.Z() != 6 {
		t.Errorf("Z %d, want Z, AD and CD as a number: 6", r.Z())
	}
}
