package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

// namesScene: DNS through a resolver that asks another one, multicast DNS of a
// printer, LLMNR, and NetBIOS names of a file server.
func namesScene() scene {
	return scene{
		name:  "names",
		needs: []program{{"dnsmasq", "dnsmasq-base"}, {"dig", "bind9-dnsutils"}, {"avahi-daemon", "avahi-daemon"}, {"nmbd", "samba"}, {"nmblookup", "samba-common-bin"}},
		hosts: []host{
			{clients, []string{"10.4.0.10/24", "10.4.0.11/24", "2001:db8:4::10/64"}},
			{"dns1", []string{"10.4.0.53/24", "2001:db8:4::53/64", "198.51.100.1/24"}},
			{"provider", []string{"198.51.100.53/24"}},
			{"printer", []string{"10.4.0.21/24"}},
			{"fs1", []string{"10.4.0.31/24"}},
		},
		setting: namesSetting,
		play:    namesPlay,
	}
}

// httpsRecord is "1 . alpn=h2,h3 ipv4hint=198.51.100.80" (RFC 9460 section 2.2),
// which dnsmasq takes as octets.
func httpsRecord() string {
	return hex.EncodeToString([]byte("\x00\x01\x00" + "\x00\x01\x00\x06\x02h2\x02h3" + "\x00\x04\x00\x04\xc6\x33\x64\x50"))
}

func namesSetting(ctx context.Context, s *stage) error {
	var long strings.Builder
	for i := range 20 {
		fmt.Fprintf(&long, "txt-record=long.example,\"%02d %s\"\n", i, strings.Repeat("x", 100))
	}
	provider, err := s.write("provider.conf", `no-daemon
user=root
no-hosts
no-resolv
auth-ttl=600
local-ttl=300
local=/example/
host-record=www.example,198.51.100.80,2001:db8:100::80
cname=shop.example,www.example
host-record=xn--wgv71a119e.example,198.51.100.81
mx-host=example,mx.example,10
host-record=mx.example,198.51.100.25
txt-record=example,"v=spf1 mx -all"
srv-host=_ldap._tcp.example,dc.example,389,10,100
caa-record=example,0,issue,ca.example
naptr-record=example,10,20,s,SIP+D2U,,_sip._udp.example
ptr-record=80.100.51.198.in-addr.arpa,www.example
dns-rr=www.example,65,`+httpsRecord()+"\n"+long.String())
	if err != nil {
		return err
	}
	if err := s.start(ctx, "provider", []string{"udp 53", "tcp 53"}, "dnsmasq", "-C", provider); err != nil {
		return err
	}
	resolver, err := s.write("resolver.conf", "no-daemon\nuser=root\nno-hosts\nno-resolv\nserver=198.51.100.53\nlocal=/corp.example/\nhost-record=fs1.corp.example,10.4.0.31\n")
	if err != nil {
		return err
	}
	return s.start(ctx, "dns1", []string{"udp 53", "tcp 53"}, "dnsmasq", "-C", resolver)
}

func namesPlay(ctx context.Context, s *stage) error {
	for _, question := range []string{
		"www.example A", "www.example AAAA", "shop.example A", "xn--wgv71a119e.example A", "example MX", "example TXT", "_ldap._tcp.example SRV", "example CAA", "example NAPTR",
		"www.example HTTPS", "-x 198.51.100.80", "nowhere.example A", "fs1.corp.example A", "nobody.corp.example A",
		"www.example A +noedns +norec", "WwW.eXample A +subnet=203.0.113.0/24 +nsid", "www.example A +dnssec +cd +bufsize=4096",
		"long.example TXT +bufsize=512", // does not fit: asked again over TCP
		"+tcp +keepopen www.example A example MX www.example AAAA",
		"version.bind TXT CH", "www.example A +opcode=status", "www.example A +tcp +edns=1 +noednsneg",
	} {
		if err := s.run(ctx, "dig", append([]string{"@10.4.0.53", "-b", "10.4.0.10", "+tries=1", "+time=2"}, strings.Fields(question)...)...); err != nil {
			return err
		}
	}
	if err := s.run(ctx, "dig", "@2001:db8:4::53", "-b", "2001:db8:4::10", "www.example", "AAAA"); err != nil {
		return err
	}
	for _, play := range []func(context.Context) error{s.multicast, s.linkLocal, s.netbios} {
		if err := play(ctx); err != nil {
			return err
		}
	}
	return nil
}

// multicast lets a printer announce itself, and asks it.
func (s *stage) multicast(ctx context.Context) error {
	conf, err := s.write("avahi.conf", "[server]\nhost-name=Copier-3F\nuse-ipv6=no\nenable-dbus=no\nallow-interfaces=eth0\n[wide-area]\nenable-wide-area=no\n[publish]\npublish-hinfo=yes\n[rlimits]\n")
	if err != nil {
		return err
	}
	if err := syscall.Mount("tmpfs", "/etc/avahi/services", "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	service, err := s.write("ipp.service", `<?xml version="1.0"?><!DOCTYPE service-group SYSTEM "avahi-service.dtd"><service-group><name>複合機 3F</name>`+
		`<service><type>_ipp._tcp</type><port>631</port><txt-record>ty=Lab Copier 9000</txt-record><txt-record>note=3F</txt-record></service></service-group>`)
	if err != nil {
		return err
	}
	if err := s.run(ctx, "cp", service, "/etc/avahi/services/ipp.service"); err != nil {
		return err
	}
	if err := s.start(ctx, "printer", nil, "avahi-daemon", "-f", conf, "--no-drop-root", "--no-chroot", "--no-rlimits"); err != nil {
		return err
	}
	time.Sleep(4 * time.Second) // probes, then announcements
	group := netip.MustParseAddrPort("224.0.0.251:5353")
	for _, name := range []string{"_services._dns-sd._udp.local.", "_ipp._tcp.local."} {
		if err := ask("10.4.0.10:5353", group, name, dns.TypePTR); err != nil {
			return err
		}
	}
	time.Sleep(time.Second) // what was just said is not said again (RFC 6762 section 6)
	return ask("10.4.0.10:5353", group, "Copier-3F.local.", dns.TypeA)
}

// linkLocal asks for a name as Windows does (RFC 4795); nobody has it.
func (s *stage) linkLocal(context.Context) error {
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		if err := ask("10.4.0.11:0", netip.MustParseAddrPort("224.0.0.252:5355"), "wpad.", qtype); err != nil {
			return err
		}
	}
	return nil
}

// ask sends one question and does not wait for the answer, which the capture has.
func ask(from string, to netip.AddrPort, name string, qtype uint16) error {
	local, err := net.ResolveUDPAddr("udp4", from)
	if err != nil {
		return fmt.Errorf("ask %s: %w", name, err)
	}
	c, err := net.DialUDP("udp4", local, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return fmt.Errorf("ask %s: %w", name, err)
	}
	defer c.Close()
	m := new(dns.Msg)
	m.SetQuestion(name, qtype)
	m.RecursionDesired = false
	if to.Port() == 5353 {
		m.Id = 0 // RFC 6762 section 18.1
	}
	b, err := m.Pack()
	if err == nil {
		_, err = c.Write(b)
	}
	time.Sleep(500 * time.Millisecond)
	if err != nil {
		return fmt.Errorf("ask %s: %w", name, err)
	}
	return nil
}

// netbios lets a file server register its names, and looks it up.
func (s *stage) netbios(ctx context.Context) error {
	conf := "[global]\nnetbios name = %s\nworkgroup = LABGROUP\nserver string = files\ninterfaces = %s\nbind interfaces only = yes\n" +
		"private dir = DIR/%[1]s\nlock directory = DIR/%[1]s\nstate directory = DIR/%[1]s\ncache directory = DIR/%[1]s\npid directory = DIR/%[1]s\nlocal master = no\ndns proxy = no\nlog file = DIR/nmbd.%[1]s\n"
	conf = strings.ReplaceAll(conf, "DIR", s.dir)
	var confs [2]string
	for i, x := range [][2]string{{"FS1", "eth0"}, {"KEIRI-07", "br0"}} {
		if _, err := s.write(x[0]+"/made", ""); err != nil {
			return err
		}
		var err error
		if confs[i], err = s.write("smb-"+x[0]+".conf", fmt.Sprintf(conf, x[0], x[1])); err != nil {
			return err
		}
	}
	if err := s.start(ctx, "fs1", []string{"udp 137"}, "nmbd", "-F", "--no-process-group", "-s", confs[0]); err != nil {
		return err
	}
	time.Sleep(8 * time.Second) // registers each name four times
	for _, x := range []struct {
		status int
		args   []string
	}{{0, []string{"FS1"}}, {0, []string{"-A", "10.4.0.31"}}, {1, []string{"NOBODY"}}} {
		if err := s.ends(ctx, x.status, clients, "nmblookup", append([]string{"-s", confs[1], "-B", "10.4.0.255"}, x.args...)...); err != nil {
			return err
		}
	}
	return nil
}
