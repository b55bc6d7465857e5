package filter

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// ethernetExpressions are compared with tcpdump on Ethernet.
var ethernetExpressions = append([]string{
	// link layer
	"ether host 02:00:00:00:00:0b", "ether src 2:0:0:0:0:a", "ether dst 02-00-00-00-00-0b", "ether host 0200.0000.000b",
	"ether dst 02000000000b", "ether src and dst 02:00:00:00:00:0a", "not ether dst ff:ff:ff:ff:ff:ff",
	"ether src host 02:00:00:00:00:0a", "ether dst ff:ff:ff:ff:ff:ff or 01:00:5e:00:00:fb",
	"broadcast", "ether broadcast", "multicast", "ether multicast", "not multicast", "not broadcast and not multicast",
	"ether proto 0x88cc", "ether proto 0x42", "ether proto 5", "ether proto 1500", "stp", "not stp and not arp", "decnet", "lat", "moprc", "mopdl",
	`ether proto 0x0800 or 0x86dd`, "ether proto (0x806 or 0x8035)", "ether[0] & 1 = 1", "ether[12:2] <= 1500", "link[6:4] = 0x02000000",
	// ARP
	"arp", "rarp", "arp or rarp", "arp host 10.0.0.1", "arp src 192.168.1.5", "arp dst net 192.168", "rarp host 10.0.0.1",
	"arp[6:2] = 1", "arp[7] > 1", "src host 10.0.0.2", "arp and host 10.0.0.1", "arp net 10",
	// encapsulation
	"vlan", "vlan 10", "vlan 100", "vlan (10)", "vlan and ip", "vlan 10 and ip and tcp port 80", "vlan and arp", "vlan 10 and host 10.0.0.1",
	"vlan 100 and vlan 10", "vlan 100 and vlan 10 and tcp", "vlan and vlan", "vlan and not vlan", "vlan 200 and vlan 20 and port 80",
	"not vlan", "ip or vlan", "vlan or ip", "vlan 10 or vlan 20", "tcp or (vlan and tcp)", "vlan and ip6 and udp port 53",
	"vlan and ip[8] = 64", "vlan and tcp[13] & 2 != 0", "vlan and ether[0] & 1 = 0", "vlan and mpls", "vlan and mpls 16 and tcp",
	"mpls", "mpls 16", "mpls 17 and mpls 1000", "mpls and mpls", "mpls and ip", "mpls 16 and host 10.0.0.1", "mpls and tcp port 80",
	"mpls and ip6", "mpls and tcp[tcpflags] = tcp-syn", "mpls and net 10.0.0.0/8", "mpls 17 and mpls 1000 and tcp dst port 80",
	"pppoes", "pppoes 5", "pppoed", "pppoes and ip", "pppoes and tcp port 80", "pppoes 6 and ip6", "pppoes and udp port 53", "pppoes and ether[1] = 0x21",
}, ipExpressions...)

// ipExpressions are compared with tcpdump on every link type.
var ipExpressions = []string{
	"", "ip", "ip6", "not ip", "not ip6", "ip or ip6",
	"tcp", "udp", "sctp", "icmp", "icmp6", "igmp", "igrp", "pim", "vrrp", "carp", "esp", "ah", "not tcp", "tcp or udp", "ip and tcp", "ip6 and tcp", "! tcp && ! udp",
	"proto 6", "ip proto 17", "ip6 proto 17", `ip proto \tcp`, `proto \udp`, "ip proto 47", "ip proto 89 or 47", "ip proto (1 or 2)", "ip6 proto 44",
	// addresses
	"host 10.0.0.1", "src 10.0.0.1", "dst 10.0.0.1", "src host 10.0.0.1 and dst host 10.0.0.2", "host 10.0.0.1 or 8.8.8.8", "host (10.0.0.1 or 8.8.8.8)",
	"ip host 192.168.1.5", "src or dst host 10.0.0.2", "src and dst 10.0.0.1", "dst or src 10.0.0.2", "not host 10.0.0.1", "host 10.0.0.1 and not 10.0.0.2", "host not 10.0.0.1",
	"host 10.0.0.1 and host 10.0.0.2", "ip src 192.168.1.1", "host 2001:db8::1", "src 2001:db8::1 and dst 2001:db8::2", "ip6 host fe80::1",
	"net 10", "net 10.0.0.0/8", "net 192.168", "net 192.168.1", "net 172.16.0.0/12", "src net 192.168.1.0/24", "dst net 10/8 or port 53",
	"net 192.168.0.0 mask 255.255.0.0", "net 192.168 mask 255.255.0.0", "net 10.0.0.0/8 or 192.168.0.0/16", "not net 10.0.0.0/8", "net 0.0.0.0/0", "net 10.0.0.1",
	"net 224.0.0.0/4", "host 192.168", "net 2001:db8::/32", "net fe80::/10", "dst net ff00::/8", "ip6 net 2001:db8:0:1::/64", "net ::/0", "src net 2001:db8::/65",
	"ip multicast", "ip6 multicast", "not ip multicast",
	// ports
	"port 80", "tcp port 80", "udp port 80", "sctp port 80", "port 53", "src port 53", "dst port 53", "src and dst port 53", "src or dst port 443", "port 80 or 443",
	"tcp port 80 or 443", "tcp port (80 or 443)", "port (80 or 443 or 53) and not udp", "port not 80", "not port 80", "tcp and not port 80", "tcp port 80 or udp port 53",
	"tcp dst port 80", "tcp src port 80", "udp dst port 53 and src net 192.168", "portrange 50-90", "tcp portrange 1-1023", "udp portrange 5000-6000", "src portrange 30000-65535",
	"portrange 90-50", "portrange 53", "portrange 79-81 or 443", "port 0x50", "port 0120", "port http", "port domain", "tcp port https", "port ssh or http", "portrange ftp-telnet",
	"portrange 22-http", "not (port 53 or port 80)", "port 2905", "dst port not 443 and tcp",
	// lengths
	"less 60", "greater 500", "less 100 or greater 1000", "len > 500", "len <= 60", "len - 14 > 500", "1000 < len", "len != 54", "len % 2 = 0", "len >= 0x64",
	// bytes and arithmetic
	"ip[0] = 0x45", "ip[0] & 0xf != 5", "ip[0] & 0xf > 5", "ip[6:2] & 0x1fff != 0", "ip[6:2] & 0x3fff = 0", "ip[8] < 65", "ip[9] = 6", "ip[12:4] = 0x0a000001", "ip[2:2] > 576",
	"ip[16] >= 224", "ip[12:4] = ip[16:4] - 1", "ip[12] = ip[16]", "ip[20 + 2:2] = 80", "ip[(ip[0] & 0xf) * 4 + 2:2] = 80", "ip6[6] = 58", "ip6[40] = 128", "ip6[7] == 64", "ip6[8:4] = 0x20010db8",
	"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", "tcp[tcpflags] & (tcp-syn|tcp-ack) == (tcp-syn|tcp-ack)", "tcp[tcpflags] = tcp-syn", "tcp[13] & 4 != 0", "tcp[tcpflags] & tcp-push != 0",
	"tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420", "tcp[2:2] = 80 or tcp[0:2] = 80", "tcp[0:2] > tcp[2:2]", "tcp[4:4] = 0x01020304", "tcp[14:2] / 2 = 256", "tcp[100] = 1", "not tcp[100] = 1",
	"tcp port 80 and (((ip[2:2] - ((ip[0] & 0xf) << 2)) - ((tcp[12] & 0xf0) >> 2)) != 0)",
	"udp[4:2] > 100", "udp[0:2] = 53", "udp[8] = 0 and port 53", "icmp[icmptype] = icmp-echo", "icmp[icmptype] != icmp-echo and icmp[icmptype] != icmp-echoreply", "icmp[icmpcode] = 0",
	"icmp[0] = 3", "icmp6[icmp6type] = icmp6-neighborsolicit", "icmp6[0] = 128", "icmp6[icmp6type] = icmp6-echo or icmp[icmptype] = icmp-echo", "igmp[0] = 0", "sctp[0:2] = 80", "pim[0] = 0",
	"ip[4:2] ^ 7 = 0", "(ip[8] | 1) = 65", "(ip[8] + 1) * 2 = 130", "ip[8] - 65 > 0", "-1 = 0 - 1", "1 = 1", "1 = 2 or tcp", "ip[0] >> 4 = 4", "(ip[0] << 4) & 0xff = 0x50", "len / 10 = 6", "5 > ip[9]",
	// logic
	"tcp or udp and port 53", "(tcp or udp) and port 53", "tcp or (udp and port 53)", "not not tcp", "not (tcp and (port 80 or port 443))", "((tcp))", "tcp && (port 80 || port 443) && !host 10.0.0.1",
	"tcp and tcp", "tcp or not ip", "ip and (tcp or udp) and (net 10 or net 192.168) and not (port 53 or icmp)", "icmp or udp port 53 or (tcp and net 10.0.0.0/8 and tcp[13] = 2)",
}

// TestAgainstTcpdump compares the packets each expression selects with those
// tcpdump selects from the same file.
func TestAgainstTcpdump(t *testing.T) {
	tcpdump, err := exec.LookPath("tcpdump")
	if err != nil {
		t.Skip("tcpdump is not installed: nothing to compare with")
	}
	for _, link := range []uint16{LinkEthernet, LinkSLL, LinkSLL2, LinkRaw, LinkIPv4, LinkIPv6, LinkNull, LinkLoop} {
		t.Run(fmt.Sprintf("link %d", link), func(t *testing.T) {
			t.Parallel()
			frames := framesOf(t, link)
			file := writePcap(t, link, frames)
			exprs := ipExpressions
			switch link {
			case LinkEthernet:
				exprs = ethernetExpressions
			case LinkSLL, LinkSLL2:
				exprs = append([]string{"inbound", "outbound", "inbound and tcp", "ether[0] = 0", "ether proto 0x86dd", "arp", "pppoed"}, exprs...)
			}
			for _, expr := range exprs {
				if strings.Contains(expr, "10/8") { // accepted here, not by tcpdump
					continue
				}
				want := selectWithTcpdump(t, tcpdump, file, expr, frames)
				if got := selectWithMatcher(t, expr, link, frames); !slices.Equal(got, want) {
					t.Errorf("%q selects\n\t%q; tcpdump selects\n\t%q", expr, got, want)
				}
			}
		})
	}
}

// writePcap writes frames to a file; the packet's second is its index.
func writePcap(t *testing.T, link uint16, frames []frame) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "in.pcap")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := pcapgo.NewWriter(f)
	// gopacket's LinkType has 8 bits; the header is small enough to patch.
	if err := w.WriteFileHeader(65535, layers.LinkType(link&0xff)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{byte(link), byte(link >> 8)}, 20); err != nil {
		t.Fatal(err)
	}
	for i, p := range frames {
		ci := gopacket.CaptureInfo{Timestamp: time.Unix(int64(i), 0), CaptureLength: len(p.data), Length: max(p.wireLen, len(p.data))}
		if err := w.WritePacket(ci, p.data); err != nil {
			t.Fatal(err)
		}
	}
	return name
}

func selectWithTcpdump(t *testing.T, tcpdump, file, expr string, frames []frame) []string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(tcpdump, "-n", "-r", file, "-w", "-", "--", expr)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		if strings.Contains(stderr.String(), "rejects all packets") {
			return nil
		}
		t.Fatalf("tcpdump %q: %v: %s", expr, err, stderr.String())
	}
	r, err := pcapgo.NewReader(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for {
		_, ci, err := r.ReadPacketData()
		if err != nil {
			return names
		}
		names = append(names, frames[ci.Timestamp.Unix()].name)
	}
}

func selectWithMatcher(t *testing.T, expr string, link uint16, frames []frame) []string {
	t.Helper()
	p, err := Compile(expr, link)
	if err != nil {
		t.Fatalf("Compile(%q, %d): %v", expr, link, err)
	}
	m, err := NewMatcher(p)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range frames {
		if m.MatchMeta(f.data, Meta{WireLen: uint32(max(f.wireLen, len(f.data)))}) {
			names = append(names, f.name)
		}
	}
	return names
}

// TestRefusedLikeTcpdump: what tcpdump calls an error is an error here.
func TestRefusedLikeTcpdump(t *testing.T) {
	tcpdump, err := exec.LookPath("tcpdump")
	if err != nil {
		t.Skip("tcpdump is not installed: nothing to compare with")
	}
	file := writePcap(t, LinkEthernet, nil)
	for _, expr := range []string{
		"10.0.0.1", "tcp or 6", "vlan 5 or 6", "host 10.0.0.0/8", "net 10.0.0.1/8", "net fe80::1/10", "tcp host 10.0.0.1", "ip6 host 10.0.0.1", "ip host ::1",
		"arp proto 3", "tcp proto 3", "src proto 6", "ip port 80", "icmp port 5", "host 02:00:00:00:00:0a", "vlan 4096", "mpls 1048576", "port 65536", "port foo", "udp port http",
		"ip[0] / 0 = 1", "ip[0] << 33 = 1", "tcp[0:3] = 1", "tcp & 5 = 1", "mpls and vlan", "mpls and arp", "pppoes and vlan", "pppoes and ether host 2:0:0:0:0:a", "ip6 broadcast", "tcp multicast",
		"dst multicast", "inbound", "tcp port 80 host 10.0.0.1", "(tcp", "tcp)", "()", "tcp and", "and tcp", "not", "port", "net 10.0.0.0/33", "net ::/129", "host 300.1.2.3", "less", "len-14 > 5", "ah[0] = 1", "less 100 or 200",
	} {
		var exit *exec.ExitError
		if err := exec.Command(tcpdump, "-n", "-r", file, "-w", os.DevNull, "--", expr).Run(); !errors.As(err, &exit) {
			t.Errorf("tcpdump accepts %q (%v): the test is wrong", expr, err)
		}
		if _, err := Compile(expr, LinkEthernet); err == nil {
			t.Errorf("Compile(%q) succeeds; tcpdump refuses it", expr)
		}
	}
}
