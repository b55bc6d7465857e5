package site

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"kagami/packet"
	"kagami/records"
)

const hour = 3600 * second

// agent is a direct request with a User-Agent.
func (s *stage) agent(at int64, client, text string) *records.HTTP {
	r := s.get(at, at, client+":50000", "203.0.113.9:80", "http://www.example.test/")
	r.UserAgent = text
	return r
}

// dhcp is a message between a client and the server.
func (s *stage) dhcp(at int64, typ string, response bool, change func(*records.DHCP)) *records.DHCP {
	r := records.NewDHCP(s.meta(packet.ProtoUDP, "0.0.0.0:68", "255.255.255.255:67"))
	r.Version, r.Type, r.Response, r.Time, r.MAC = 4, typ, response, at+1000*second, [6]byte{2, 0, 0, 0, 1, 1}
	if change != nil {
		change(r)
	}
	return r
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func (s *stage) host(a string) *records.Host {
	if h := s.site.hosts.snapshot(addr(a), s.now); h != nil {
		return h
	}
	return &records.Host{}
}

func TestLease(t *testing.T) {
	s := newStage(t, nil)
	s.see(0, s.dhcp(0, "DISCOVER", false, func(r *records.DHCP) {
		r.HostName, r.FQDN, r.VendorClass, r.RequestedIP = "WS01", "ws01.office.test", "MSFT 5.0", addr("10.0.1.9")
	}))
	s.see(1, s.dhcp(0, "OFFER", true, func(r *records.DHCP) { r.AssignedIP = addr("10.0.1.8") }))
	s.wantIdentities() // nothing is certain yet
	ack := s.dhcp(0, "ACK", true, func(r *records.DHCP) { r.AssignedIP = addr(ws1) })
	s.see(2, ack)
	s.wantIdentities(`10.0.1.1 mac: "" -> "02-00-00-00-01-01" (dhcp)`, `10.0.1.1 name: "" -> "WS01" (dhcp)`, `10.0.1.1 os: "" -> "Windows" (dhcp)`)
	if x := s.out[len(s.out)-1].Meta(); !strings.HasSuffix(x.ID(), "-i3") || x.UID != ack.Meta().UID || x.Kind != records.KindIdentity {
		t.Errorf("id %s of kind %v", x.ID(), x.Kind)
	}
	f := s.flow(second, second, ws1+":50000", "203.0.113.9:443")
	f.Meta().ClientMAC = [6]byte{2, 9, 9, 9, 9, 9} // a router's
	s.see(second, f)
	got := map[string]records.Field{}
	for _, x := range f.AppendFields(nil) {
		got[x.Name] = x
	}
	if got["source.domain"].Str != "WS01" || got["kagami.client.name_source"].Str != "dhcp" || got["kagami.client.mac"].Str != "02-00-00-00-01-01" ||
		got["kagami.client.os"].Str != "Windows" || got["kagami.client.name_since"].Num != 1000*second+2 {
		t.Errorf("fields %+v", got)
	}
	// The address goes to another machine: what was known of the first is over.
	s.out = nil
	s.see(hour, s.dhcp(hour, "REQUEST", false, func(r *records.DHCP) { r.MAC[5], r.HostName = 2, "ws02" }))
	s.see(hour, s.dhcp(hour, "ACK", true, func(r *records.DHCP) { r.MAC[5], r.AssignedIP = 2, addr(ws1) }))
	s.wantIdentities(`10.0.1.1 mac: "02-00-00-00-01-01" -> "02-00-00-00-01-02" (dhcp)`, `10.0.1.1 name: "" -> "ws02" (dhcp)`)
	if h := s.host(ws1); h.OS.Value != "" {
		t.Errorf("host %+v", h)
	}
}

// TestRenewal: with the server's direction out of sight, who renews a lease has it.
func TestRenewal(t *testing.T) {
	s := newStage(t, nil)
	s.see(0, s.dhcp(0, "REQUEST", false, func(r *records.DHCP) { r.HostName, r.RequestedIP = "ws01", addr("10.0.1.9") }))
	s.wantIdentities()
	s.see(0, s.dhcp(0, "REQUEST", false, func(r *records.DHCP) { r.HostName, r.ClientIP = "ws01", addr(ws1) }))
	s.wantIdentities(`10.0.1.1 mac: "" -> "02-00-00-00-01-01" (dhcp)`, `10.0.1.1 name: "" -> "ws01" (dhcp)`)
}

func TestAnnouncedNames(t *testing.T) {
	answer := func(protocol, client, server, name string, addrs ...string) func(*stage) *records.DNS {
		return func(s *stage) *records.DNS {
			r := records.NewDNS(s.meta(packet.ProtoUDP, client, server))
			r.Protocol, r.Response, r.RCode, r.Name, r.Time = protocol, true, "NOERROR", name, s.now
			for _, a := range addrs {
				typ := "A"
				if strings.Contains(a, ":") {
					typ = "AAAA"
				}
				r.Answers = append(r.Answers, records.Answer{Name: name, Type: typ, Data: a})
			}
			return r
		}
	}
	netbios := func(opcode string, response bool, n records.NetBIOS) func(*stage) *records.DNS {
		return func(s *stage) *records.DNS {
			r := records.NewDNS(s.meta(packet.ProtoUDP, ws1+":137", "10.0.1.255:137"))
			r.Protocol, r.Response, r.RCode, r.Name, r.Opcode, r.NetBIOS = "nbns", response, "NOERROR", "WS01", opcode, &n
			return r
		}
	}
	own := []netip.Addr{addr(ws1)}
	for _, c := range []struct {
		name string
		make func(*stage) *records.DNS
		want []string
	}{
		{"mDNS", answer("mdns", ws1+":5353", "224.0.0.251:5353", "ws01.local", ws1, "fe80::1"), []string{
			`10.0.1.1 name: "" -> "ws01" (mdns)`, `fe80::1 name: "" -> "ws01" (mdns)`}},
		{"mDNS of others", answer("mdns", ws1+":5353", "224.0.0.251:5353", "ws02.local", ws2), nil},
		{"LLMNR", answer("llmnr", ws2+":60000", ws1+":5355", "ws01", ws1), []string{`10.0.1.1 name: "" -> "ws01" (llmnr)`}},
		{"NetBIOS registration", netbios("REGISTRATION", false, records.NetBIOS{Addresses: own}), []string{`10.0.1.1 name: "" -> "WS01" (nbns)`}},
		{"NetBIOS group", netbios("REGISTRATION", false, records.NetBIOS{Group: true, Addresses: own}), nil},
		{"NetBIOS browser", netbios("REGISTRATION", false, records.NetBIOS{Suffix: 0x1d, Addresses: own}), nil},
		{"NetBIOS release", netbios("RELEASE", false, records.NetBIOS{Addresses: own}), nil},
		{"NetBIOS node status", netbios("QUERY", true, records.NetBIOS{Suffix: 0x1c, Names: []records.NetBIOSName{{Name: "GROUP", Group: true}, {Name: "FILES01", Suffix: 0x20}}}),
			[]string{`10.0.1.255 name: "" -> "FILES01" (nbns)`}},
		{"DNS, outside", answer("dns", ws1+":5353", "10.0.0.5:53", "ws01.office.test", ws1), nil},
		{"reverse DNS", func(s *stage) *records.DNS {
			r := answer("dns", ws2+":5353", "10.0.0.5:53", "1.1.0.10.in-addr.arpa")(s)
			r.Answers = []records.Answer{{Name: "1.1.0.10.in-addr.arpa", Type: "PTR", Data: "ws01.office.test"}, {Name: "9.113.0.203.IN-ADDR.ARPA", Type: "PTR", Data: "x.test"}}
			return r
		}, []string{`10.0.1.1 name: "" -> "ws01.office.test" (ptr)`}},
		{"resolver", func(s *stage) *records.DNS {
			r := answer("dns", ws2+":5353", "10.0.0.5:53", "www.example.test", "203.0.113.7")(s)
			r.Flags = []string{"RD", "RA"}
			return r
		}, []string{`10.0.0.5 role: "" -> "resolver" (traffic)`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, nil)
			s.see(0, c.make(s))
			s.wantIdentities(c.want...)
		})
	}
}

func TestReverse(t *testing.T) {
	for in, want := range map[string]string{
		"1.2.0.192.in-addr.arpa": "192.0.2.1", "256.2.0.192.in-addr.arpa": "", "2.0.192.in-addr.arpa": "", "a.b": "",
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.d.0.1.0.0.2.ip6.arpa": "2001:db8::1",
		"x.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa": "",
		"10.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arp": "",
	} {
		got := ""
		if a := reverse(in); a.IsValid() {
			got = a.String()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

// TestNameRanks: who knows better is believed, and the same name in another
// spelling is no news.
func TestNameRanks(t *testing.T) {
	s := newStage(t, nil)
	told := func(at int64, name, source string, rank uint8) {
		s.site.now, s.now = at, at
		s.site.know(addr(ws1), factName, name, source, rank)
		s.site.emit = s.emit
		s.site.tell(&records.Meta{At: at})
	}
	told(1*second, "ws01.office.test", "ptr", rankLookup)
	told(2*second, "WS01", "dhcp", rankLease)
	told(3*second, "other", "mdns", rankSelf)
	told(4*second, "ws01", "mdns", rankSelf)
	s.wantIdentities(`10.0.1.1 name: "" -> "ws01.office.test" (ptr)`)
	if h := s.host(ws1); h.Name.Value != "WS01" || h.Name.Source != "dhcp" || h.Name.Since != second {
		t.Errorf("name %+v", h.Name)
	}
	told(13*hour, "other", "mdns", rankSelf) // nobody confirmed the better one for long
	told(13*hour, "third", "mdns", rankSelf)
	s.wantIdentities(`10.0.1.1 name: "" -> "ws01.office.test" (ptr)`, `10.0.1.1 name: "WS01" -> "other" (mdns)`, `10.0.1.1 name: "other" -> "third" (mdns)`)
}

func TestUsers(t *testing.T) {
	s := newStage(t, nil)
	r := s.proxied(0, 0, ws1, "http://www.example.test/")
	r.User, r.Status = "hanako", 407
	s.see(0, r)
	if s.host(ws1).User.Value != "" {
		t.Error("a refused user is believed")
	}
	r = s.proxied(1, 1, ws1, "http://www.example.test/")
	r.User = "hanako"
	s.see(1, r)
	if r.Meta().ClientHost == nil || r.Meta().ClientHost.User.Value != "hanako" {
		t.Error("the record that tells does not bear it")
	}
	mail := records.NewAuth(s.meta(packet.ProtoTCP, ws1+":50000", "203.0.113.25:143"))
	mail.Protocol, mail.User, mail.Result = "imap", "info@example.test", records.AuthSuccess
	s.see(2, mail)
	for i, change := range []func(*records.Auth){
		func(a *records.Auth) { a.Result = records.AuthFailure },
		func(a *records.Auth) { a.Method = records.AuthAnonymous },
		func(a *records.Auth) { *a.Meta() = s.meta(packet.ProtoTCP, "203.0.113.1:50000", "10.0.0.25:143") },
		func(a *records.Auth) { a.User = strings.Repeat("x", 200) },
		func(a *records.Auth) { a.User = "a\x00b" },
		func(a *records.Auth) { a.User = "\xff" },
		func(a *records.Auth) { a.Result = records.AuthUnknown },
		func(a *records.Auth) { a.Result, a.Meta().Visibility.OneSided = records.AuthUnknown, true },
	} {
		a := records.NewAuth(s.meta(packet.ProtoTCP, ws2+":50000", "203.0.113.25:143"))
		a.Protocol, a.User, a.Result = "imap", fmt.Sprint("user", i), records.AuthSuccess
		change(a)
		s.see(3, a)
	}
	s.wantIdentities(`10.0.1.1 user: "" -> "hanako" (proxy-auth)`, `10.0.1.2 user: "" -> "user7" (imap)`)
	s.pass(13 * hour)
	if s.host(ws1).User.Value != "" {
		t.Error("the user is at work for 13 hours without a sign")
	}
}

func TestSystems(t *testing.T) {
	s := newStage(t, nil)
	const windows, linux = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0)"
	s.see(0, s.agent(0, ws1, windows))
	s.see(0, s.agent(0, ws1, "curl/8.5.0"))
	// A proxy's own requests say nothing of the proxy, nor those made for others.
	s.join()
	p := s.fetched(0, 0, "http://www.example.test/")
	p.UserAgent = windows
	s.see(0, p)
	v := s.agent(0, ws2, windows)
	v.Via = "1.1 gateway"
	s.see(0, v)
	s.site.Finish(s.emit)
	got := s.identities()
	if len(got) != 2 || got[0] != `10.0.1.1 os: "" -> "Windows 10 or later" (user-agent)` || got[1] != `10.0.0.6 role: "" -> "proxy" (traffic)` {
		t.Errorf("identities %q", got)
	}
	s.out = nil
	for i := range 40 { // what is behind a NAT
		s.see(int64(i), s.agent(0, "10.0.3.3", windows))
		s.see(int64(i), s.agent(0, "10.0.3.3", linux))
		s.see(int64(i), s.agent(0, "10.0.3.3", "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X)"))
	}
	if got := s.identities(); s.host("10.0.3.3").OS.Value != "" || len(got) > 3 {
		t.Errorf("NAT: %+v, told %q", s.host("10.0.3.3").OS, got)
	}
}

// TestProxyHasNoSystemOfItsOwn: what was heard before it became known as a proxy
// is taken back.
func TestProxyHasNoSystemOfItsOwn(t *testing.T) {
	s := newStage(t, nil)
	r := s.fetched(0, 0, "http://other.test/")
	r.UserAgent, r.User = "Mozilla/5.0 (Windows NT 10.0)", "hanako"
	s.see(0, r)
	if s.host(proxyAddr).OS.Value == "" {
		t.Fatal("no guess before")
	}
	s.join()
	if h := s.host(proxyAddr); h.OS.Value != "" || h.User.Value != "" || len(h.Roles) != 1 {
		t.Errorf("host %+v", h)
	}
}

func TestOSOf(t *testing.T) {
	for agent, want := range map[string]string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36": "Windows 10 or later",
		"Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko":                                            "Windows 7",
		"Microsoft-CryptoAPI/6.3":                                    "Windows 8.1",
		"Windows-Update-Agent/10.0.10011.16384 Client-Protocol/2.33": "Windows 10 or later",
		"Microsoft NCSI":                                             "Windows",
		"Microsoft BITS/7.8":                                         "Windows",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15":          "macOS 10.15.7 or later",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10.12; rv:50.0) Gecko":                  "macOS 10.12",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15": "iOS 17.5.1",
		"Mozilla/5.0 (iPad; CPU OS 16_3 like Mac OS X)":                                 "iPadOS 16.3",
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36":                         "Android",
		"Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/UD1A)":                       "Android 14",
		"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0)":                                      "ChromeOS",
		"Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:140.0)":                             "Ubuntu",
		"Debian APT-HTTP/1.3 (2.6.1)":                                                   "Debian or a descendant",
		"Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0)":                                      "Tizen",
		"Mozilla/5.0 (Windows NT 99.9)":                                                 "Windows",
		"Mozilla/5.0 (Windows NT ":                                                      "Windows",
		"curl/8.5.0":                                                                    "",
		"":                                                                              "",
	} {
		if got, _ := osOf(agent); got != want {
			t.Errorf("%s: %q, want %q", agent, got, want)
		}
	}
}

func TestLeaseOS(t *testing.T) {
	for _, c := range []struct {
		vendor     string
		parameters []uint16
		want       string
	}{
		{"MSFT 5.0", nil, "Windows"}, {"android-dhcp-14", nil, "Android 14"}, {"android-dhcp-", nil, "Android"},
		{"dhcpcd-9.4.1:Linux-6.1.0:x86_64", nil, "Linux"}, {"udhcp 1.36.1", nil, "Linux"}, {"Cisco AP c3800", nil, ""},
		{"", []uint16{1, 121, 3, 6, 15, 108, 114, 119, 252, 95, 44, 46}, "macOS"}, {"", []uint16{1, 121, 3, 6, 15, 108, 114, 119, 252}, "iOS"},
		{"", []uint16{1, 3, 6}, ""}, {"MSFT", []uint16{1, 121, 3, 6, 15, 119, 252}, ""},
	} {
		if got, _ := leaseOS(&records.DHCP{Version: 4, VendorClass: c.vendor, Parameters: c.parameters}); got != c.want {
			t.Errorf("%q %v: %q, want %q", c.vendor, c.parameters, got, c.want)
		}
	}
}

func TestRoutersAreNobody(t *testing.T) {
	s := newStage(t, nil)
	see := func(client string, mac byte, server string) {
		f := s.flow(0, 0, client+":50000", server+":443")
		f.Meta().ClientMAC, f.Meta().ServerMAC = [6]byte{2, mac}, [6]byte{2, 1}
		s.see(0, f)
	}
	see(ws1, 11, "203.0.113.1")
	if s.host(ws1).MAC.Value != "02-0B-00-00-00-00" || s.host(ws1).MAC.Source != "frame" {
		t.Errorf("MAC %+v", s.host(ws1).MAC)
	}
	if s.site.hosts.ownMAC([6]byte{2, 1}) {
		t.Error("the way out is a machine inside")
	}
	for i := range 5 { // another router, inside
		see(fmt.Sprintf("10.9.0.%d", i+1), 99, "203.0.113.1")
	}
	for i := range 5 {
		if h := s.host(fmt.Sprintf("10.9.0.%d", i+1)); h.MAC.Value != "" {
			t.Errorf("machine %d has the router's MAC address", i)
		}
	}
	if counter(s.site, "routers") != 2 {
		t.Errorf("%d routers", counter(s.site, "routers"))
	}
	for i := range 50 { // privacy addresses of one machine
		see(fmt.Sprintf("[fd00::%x]", i+1), 11, "[2001:db8:1::1]")
	}
	if s.host(ws1).MAC.Value == "" {
		t.Error("many IPv6 addresses make no router")
	}
}

func TestHostLimits(t *testing.T) {
	s := newStage(t, func(c *Config) { c.Hosts = 16 })
	for i := range 200 {
		r := s.dhcp(int64(i), "REQUEST", false, func(r *records.DHCP) {
			r.MAC[4], r.MAC[5], r.HostName, r.ClientIP = byte(i), 7, fmt.Sprint("pc", i), addr(fmt.Sprintf("10.7.0.%d", i+1))
		})
		s.see(int64(i), r)
		f := s.flow(0, 0, fmt.Sprintf("10.7.0.%d:1", i+1), "10.8.0.1:80")
		f.Meta().ClientMAC = [6]byte{2, 7, byte(i)}
		s.see(int64(i), f)
	}
	if counter(s.site, "hosts") != 16 || counter(s.site, "hosts_evicted") == 0 || counter(s.site, "macs") != 32 || s.site.applicants.len() != 16 {
		t.Errorf("%+v", s.site.Counters())
	}
	s.out = nil
	for i := range 100 { // one machine with a new user every moment
		r := s.proxied(0, 0, ws1, "http://www.example.test/")
		r.User = fmt.Sprint("user", i)
		s.see(second, r)
	}
	if n := len(s.identities()); n > maxTold+1 || counter(s.site, "identity_changes_muted") < 80 {
		t.Errorf("%d changes told, %d muted", n, counter(s.site, "identity_changes_muted"))
	}
	if h := s.host(ws1); h.User.Value != "user99" {
		t.Errorf("user %q", h.User.Value)
	}
}

func FuzzAgent(f *testing.F) {
	for _, agent := range []string{"Mozilla/5.0 (Windows NT 10.0; Win64; x64)", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X)",
		"Mozilla/5.0 (Linux; Android 10; K)", "Microsoft-CryptoAPI/6.3", "Windows NT ", "Mac OS X _._", "Android 99999999999999999999", "\xff\x00"} {
		f.Add(agent, "MSFT 5.0", "1.2.0.192.in-addr.arpa", "[2001:db8::1]:80, for=x;for=\"[::1]:9\"")
	}
	f.Fuzz(func(t *testing.T, agent, vendor, name, forwarded string) {
		os, weight := osOf(agent)
		if len(os) > 40 || weight < 0 || os != "" && weight == 0 {
			t.Errorf("%q: %q, weight %d", agent, os, weight)
		}
		if os, _ := leaseOS(&records.DHCP{VendorClass: vendor}); len(os) > 40 {
			t.Errorf("%q: %q", vendor, os)
		}
		reverse(name)
		if bare := bareName(name); len(bare) > len(name) {
			t.Errorf("%q: longer than %q", bare, name)
		}
		splitHostPort(name, 80)
		forwardedFor(&records.HTTP{ForwardedFor: forwarded})
		forwardedFor(&records.HTTP{Forwarded: forwarded})
		requestKey(&records.HTTP{Method: "GET", URL: forwarded})
	})
}
