package main

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

var (
	client = netip.MustParseAddrPort("192.0.2.1:40000")
	server = netip.MustParseAddrPort("192.0.2.2:80")
	web    = newFlow("tcp", client, server)
	other  = newFlow("tcp", client, netip.MustParseAddrPort("192.0.2.3:80"))
)

// asks is a request on a flow; its fields are method, uri and host.
func asks(f flow, fields ...string) item {
	it := item{kind: kindRequest, flows: []flow{f}, fields: make(map[string]string)}
	for i, name := range []string{"method", "uri", "host"}[:len(fields)] {
		it.fields[name] = fields[i]
	}
	return it
}

func TestMatch(t *testing.T) {
	anywhere := asks(web, "GET", "/a")
	anywhere.flows = nil
	either := asks(web, "GET", "/a")
	either.flows = []flow{other, web}
	for _, c := range []struct {
		name      string
		want, got []item
		outcome   []string
	}{
		{"agree; what is not expected to be said is not compared", []item{asks(web, "GET")}, []item{asks(web, "GET", "/a")}, []string{"agree"}},
		{"an empty value is a value", []item{asks(web, "GET", "/a", "")}, []item{asks(web, "GET", "/a", "h")}, []string{"differ host"}},
		{"in any order", []item{asks(web, "GET", "/a"), asks(web, "GET", "/b")}, []item{asks(web, "GET", "/b"), asks(web, "GET", "/a")},
			[]string{"agree", "agree"}},
		{"each is used once", []item{asks(web, "GET", "/a"), asks(web, "GET", "/a")}, []item{asks(web, "GET", "/a")}, []string{"agree", "missing"}},
		{"those that agree come first", []item{asks(web, "GET", "/a"), asks(web, "GET", "/b")}, []item{asks(web, "GET", "/b")},
			[]string{"missing", "agree"}},
		{"half of the fields make a pair", []item{asks(web, "GET", "/a")}, []item{asks(web, "GET", "/b")}, []string{"differ uri"}},
		{"less does not", []item{asks(web, "GET", "/a")}, []item{asks(web, "PUT", "/b")}, []string{"missing", "extra"}},
		{"another flow", []item{asks(web, "GET", "/a")}, []item{asks(other, "GET", "/a")}, []string{"missing", "extra"}},
		{"no flow is any flow", []item{anywhere}, []item{asks(other, "GET", "/a")}, []string{"agree"}},
		{"the first flow that there is", []item{either}, []item{asks(web, "GET", "/a")}, []string{"agree"}},
		{"the beginning of a list that goes on", []item{asks(web, "1.2.3.4,1.2.3.5")}, []item{asks(web, "1.2.3.4"+more)}, []string{"agree"}},
		{"one of several", []item{asks(web, "b c")}, []item{asks(web, "a"+divider+"b c"+among)}, []string{"agree"}},
		{"none of several", []item{asks(web, "b", "/")}, []item{asks(web, "a"+divider+"b c"+among, "/")}, []string{"differ method"}},
		{"the opening of a value", []item{asks(web, "IsHh")}, []item{asks(web, "IsH"+opening)}, []string{"agree"}},
		{"another opening", []item{asks(web, "IxHh", "/")}, []item{asks(web, "IsH"+opening, "/")}, []string{"differ method"}},
		{"whatever it is", []item{asks(web, "a")}, []item{asks(web, anything)}, []string{"agree"}},
		{"a long value that was cut", []item{asks(web, strings.Repeat("a", 300))}, []item{asks(web, strings.Repeat("a", 255))}, []string{"agree"}},
		{"a short one that was not", []item{asks(web, "aaa", "/")}, []item{asks(web, "aa", "/")}, []string{"differ method"}},
		{"not the beginning of a word", []item{asks(web, "1.2.3.45", "/")}, []item{asks(web, "1.2.3.4"+more, "/")}, []string{"differ method"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var outcome []string
			for _, p := range match(c.want, c.got) {
				outcome = append(outcome, p.String())
			}
			if !slices.Equal(outcome, c.outcome) {
				t.Errorf("got %v, want %v", outcome, c.outcome)
			}
		})
	}
}

func TestMatchSessions(t *testing.T) {
	want := []item{{kind: kindSession, flows: []flow{web}, fields: map[string]string{"packets": "1/0"}}}
	got := []item{{kind: kindSession, flows: []flow{web}, fields: map[string]string{"packets": "2/0"}}}
	if p := match(want, got); len(p) != 1 || p[0].String() != "differ packets" {
		t.Errorf("got %v", p)
	}
}

// String is what a pairing is in the table above.
func (p pairing) String() string {
	switch {
	case p.want == nil:
		return "extra"
	case p.got == nil:
		return "missing"
	case len(p.differ) == 0:
		return "agree"
	}
	slices.Sort(p.differ)
	return "differ " + strings.Join(p.differ, " ")
}

func TestHere(t *testing.T) {
	line := item{kind: lineKind("ssl"), flows: []flow{web.anyTransport()}}
	got := []item{{kind: lineKind("conn"), flows: []flow{newFlow("udp", client, server)}}}
	some := here([]item{asks(other, "GET"), line, {kind: lineKind("x509")}}, got)
	if len(some) != 2 || some[0].kind != "ssl.log" || some[1].flows != nil {
		t.Errorf("got %+v", some)
	}
}

func TestFlow(t *testing.T) {
	if newFlow("tcp", server, client) != web {
		t.Error("a flow must be the same from both ends")
	}
	if got := web.byEnd(server, 1, 2); got != "2/1" {
		t.Errorf("got %s, want the client's count first", got)
	}
	if got := web.String(); got != "tcp 192.0.2.1:40000 192.0.2.2:80" {
		t.Errorf("got %s", got)
	}
}

// What tshark, when it is run, says besides what a prepared file has.
func TestFrame(t *testing.T) {
	columns := []string{"frame.protocols", "ip.src", "ip.dst", "udp.srcport", "udp.dstport", "dns.id", "dns.qry.name", "nbns.id", "nbns.name",
		"dtls.handshake.ja3", "tls.handshake.ja3", "tls.handshake.extensions_alpn_str", "http2.headers.method"}
	ends := "192.0.2.1\t192.0.2.2\t5\t6\t"
	var items []item
	for _, line := range []string{
		"eth:ip:udp:mdns\t" + ends + "0x0001\ta.local",
		"eth:ip:icmp:ip:udp:dns\t" + ends + "0x0001\ta.local",
		"eth:ip:udp:nbns\t" + ends + "\t\t0x0002\t*<00><00><00> (x)",
		"eth:ip:udp:dtls\t" + ends + "\t\t\t\tdd",
		"eth:ip:udp:dtls\t" + ends + "\t\t\t\tdd",
		"eth:ip:udp:quic\t" + ends + "\t\t\t\t\tqq\th3",
		"eth:ip:udp:tls\t" + ends + "\t\t\t\t\ttt",
	} {
		items = append(items, newFrame(columns, line, ",").items()...)
	}
	items = once(items)
	want := []struct {
		kind        kind
		name, value string
	}{{kindLocalDNS, "id", "1"}, {kindNBNS, "name", "*<00>"}, {kindDTLS, "ja3", "dd"}, {kindQUIC, "ja3", "qq"}, {kindUDP, "ja3", "tt"}}
	if len(items) != len(want) {
		t.Fatalf("got %+v", items)
	}
	for i, w := range want {
		if items[i].kind != w.kind || items[i].fields[w.name] != w.value {
			t.Errorf("want %+v, got %+v", w, items[i])
		}
	}
}

func TestShare(t *testing.T) {
	for _, c := range []struct {
		part, whole int
		want        string
	}{{1, 1, "100.00 %"}, {99999, 100000, "99.99 %"}, {0, 3, "0.00 %"}, {0, 0, "-"}} {
		if got := share(c.part, c.whole); got != c.want {
			t.Errorf("%d of %d: got %s, want %s", c.part, c.whole, got, c.want)
		}
	}
}
