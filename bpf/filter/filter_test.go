package filter

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
)

// TestSelects states the meaning of the language without tcpdump at hand.
func TestSelects(t *testing.T) {
	tests := []struct {
		expr string
		want []string
	}{
		{"port 80 and not tcp", []string{"udp4 80", "sctp4 80"}},
		{"udp port 53 and host 10.0.0.1", []string{"udp4 first fragment"}},
		{"host 10.0.0.1 and not ip", []string{"arp reply", "rarp"}},
		{"tcp port 443 or 22", []string{"tcp4 fin 443", "tcp4 rst options", "tcp6 syn 443"}},
		{"vlan 10", []string{"vlan 10 tcp 80", "vlan 10 arp"}},
		{"vlan 100 and vlan 10 and tcp", []string{"qinq 100/10"}},
		{"tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn", []string{"tcp4 syn 80"}},
		{"tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420", []string{"tcp4 get"}},
		{"greater 900 and tcp", []string{"tcp4 cut to 96", "tcp4 cut in tcp"}},
		{"proto tcp and dst net 203/8", []string{"tcp4 fin 443"}},
	}
	frames := ethernetFrames(t)
	for _, tt := range tests {
		if got := selectWithMatcher(t, tt.expr, LinkEthernet, frames); !slices.Equal(got, tt.want) {
			t.Errorf("%q selects %q, want %q", tt.expr, got, tt.want)
		}
	}
}

// TestBeyondTcpdump: what this package accepts and tcpdump does not, or reads
// otherwise, against an expression both agree on.
func TestBeyondTcpdump(t *testing.T) {
	tests := []struct{ expr, same string }{
		{"net 10/8", "net 10.0.0.0/8"},
		{"ip proto tcp", `ip proto \tcp`},
		{"ether proto ip6", "ether proto 0x86dd"},
		{"len % 3 + 2 = 3", "(len % 3) + 2 = 3"},
		{"1 + tcp[13] = 3", "tcp[13] + 1 = 3"},
	}
	frames := ethernetFrames(t)
	for _, tt := range tests {
		got, want := selectWithMatcher(t, tt.expr, LinkEthernet, frames), selectWithMatcher(t, tt.same, LinkEthernet, frames)
		if !slices.Equal(got, want) || len(want) == 0 {
			t.Errorf("%q selects %q; %q selects %q", tt.expr, got, tt.same, want)
		}
	}
}

func TestErrors(t *testing.T) {
	tests := []struct{ expr, want string }{
		{"tcp hots 10.0.0.1", `filter: col 5: unexpected "hots"; want "and", "or" or the end; did you mean "host"?`},
		{"hots 10.0.0.1", `filter: col 1: unknown word "hots"; did you mean "host"?`},
		{"tcp and HOST 10.0.0.1", `filter: col 9: unknown word "HOST"; did you mean "host"?`},
		{"xyzzy", `filter: col 1: unknown word "xyzzy"`},
		{"host www.example.com", `filter: col 6: unknown host name "www.example.com"; a sensor does not resolve names: use an address`},
		{"port htpt", `filter: col 6: unknown port name "htpt"; use its number; did you mean "http"?`},
		{"port 80-90", `filter: col 6: "80-90" is a range; write "portrange 80-90"`},
		{"10.0.0.1", `filter: col 1: unexpected "10.0.0.1"; want a keyword before it, such as "host", "net" or "port"`},
		{"80", `filter: col 1: unexpected "80"; want a keyword before it, such as "host", "net" or "port"`},
		{"tcp port", `filter: col 9: the expression ends here; want a value for "port"`},
		{"tcp and", `filter: col 8: the expression ends here; want an expression such as "tcp port 80"`},
		{"(tcp", `filter: col 5: the expression ends here; want ")" to close the parenthesis`},
		{"tcp)", `filter: col 4: unmatched ")"`},
		{"tcp port 80 udp", `filter: col 13: unexpected "udp"; want "and", "or" or the end`},
		{"host 10.0.0.0/8", `filter: col 6: a mask is for networks only; write "net" before "10.0.0.0", not "host"`},
		{"net 10.0.0.1/8", `filter: col 5: "10.0.0.1" has bits outside its mask; write the first address of the network, or use host`},
		{"host 300.1.2.3", `filter: col 6: bad IPv4 address "300.1.2.3"; want numbers from 0 to 255, as in 192.0.2.1`},
		{"host fe80:::1", `filter: col 6: bad IPv6 or Ethernet address "fe80:::1"; want for example 2001:db8::1 or 00:00:5e:00:53:01`},
		{"host 00:00:5e:00:53:01", `filter: col 6: "00:00:5e:00:53:01" is an Ethernet address; write "ether host 00:00:5e:00:53:01"`},
		{"tcp host 10.0.0.1", `filter: col 10: tcp has no addresses; write "tcp and host 10.0.0.1"`},
		{"port 65536", `filter: col 6: port 65536 is too large; at most 65535`},
		{"udp port http", `filter: col 10: port "http" is a TCP service; use the number 80 to test it elsewhere`},
		{"vlan 5000", `filter: col 6: vlan number 5000 is too large; at most 4095`},
		{"ip broadcast", `filter: col 4: ip broadcast is not supported: the netmask of the mirrored network is not known; use ether broadcast, or dst host with the broadcast address`},
		{"gateway r1", `filter: col 1: "gateway" is not supported: a sensor resolves no names; use ether host MAC and not host ADDRESS`},
		{"ip6 protochain 6", `filter: col 5: "protochain" is not supported: it needs a loop, which the kernel refuses; use ip6 proto`},
		{"len-14 > 5", `filter: col 1: unknown word "len-14"; for subtraction write spaces around the minus`},
		{"tcp[0:3] = 1", `filter: col 7: unexpected "3"; the size must be 1, 2 or 4 bytes`},
		{"tcp[13] & 2", `filter: col 12: the expression ends here; want a comparison such as = or >`},
		{"ip[0] / 0 = 1", `filter: col 7: division by zero`},
		{"ip[0] << 32 = 1", `filter: col 7: shift by 32 bits; at most 31`},
		{"host 日本", `filter: col 6: unexpected character '日'`},
		{"port 80 or 日", `filter: col 12: unexpected character '日'`},
		{"inbound", `filter: col 1: inbound is not recorded in captures of Ethernet`},
		{strings.Repeat("(", 65) + "tcp", `filter: col 65: nested more than 64 deep`},
		{strings.Repeat("not ", 65) + "tcp", `filter: col 257: nested more than 64 deep`},
		{strings.Repeat("tcp or ", 10000) + "tcp", `filter: col 1: expression of 70003 bytes; at most 65536 are allowed`},
	}
	for _, tt := range tests {
		_, err := Compile(tt.expr, LinkEthernet)
		var e *Error
		if !errors.As(err, &e) || err.Error() != tt.want {
			t.Errorf("Compile(%.40q)\n got %v\nwant %s", tt.expr, err, tt.want)
		}
	}
	if _, err := Compile("tcp", 105); err == nil || !strings.Contains(err.Error(), "link type 105 is not supported") {
		t.Errorf("Compile for link type 105: %v", err)
	}
}

func TestEmptyExpressionAcceptsAll(t *testing.T) {
	for _, expr := range []string{"", " \t\n"} {
		p, err := Compile(expr, LinkEthernet)
		if err != nil {
			t.Fatal(err)
		}
		if want := []bpf.Instruction{bpf.RetConstant{Val: acceptBytes}}; !slices.Equal(p.Instructions(), want) {
			t.Errorf("Compile(%q) = %v, want %v", expr, p.Instructions(), want)
		}
	}
}

func TestZeroProgramIsRefused(t *testing.T) {
	if _, err := NewMatcher(Program{}); err == nil {
		t.Error("NewMatcher(Program{}) succeeds")
	}
}

func TestMatchesNothing(t *testing.T) {
	for _, tt := range []struct {
		expr string
		link uint16
		want bool
	}{{"arp", LinkRaw, true}, {"ip and ip6", LinkEthernet, false}, {"1 = 2", LinkEthernet, true}, {"ip", LinkIPv6, true}, {"tcp", LinkRaw, false}, {"", LinkRaw, false}} {
		p, err := Compile(tt.expr, tt.link)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.MatchesNothing(); got != tt.want {
			t.Errorf("Compile(%q, %d).MatchesNothing() = %t, want %t", tt.expr, tt.link, got, tt.want)
		}
	}
}

// TestSize: common expressions stay small (libpcap: 4, 12, 24, 14, 23, 24).
func TestSize(t *testing.T) {
	for _, tt := range []struct {
		expr string
		max  int
	}{{"ip", 4}, {"tcp", 12}, {"port 80", 24}, {"host 10.0.0.1", 14}, {"tcp port 80 or 443", 28}, {"not (tcp port 80) and host 10.0.0.1", 30}} {
		p, err := Compile(tt.expr, LinkEthernet)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(p.Instructions()); n > tt.max {
			t.Errorf("%q takes %d instructions, want at most %d", tt.expr, n, tt.max)
		}
	}
}

// hosts is an expression of n addresses from 10.0.0.0 on.
func hosts(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(" or ")
		}
		fmt.Fprintf(&b, "host 10.0.%d.%d", i/256, i%256)
	}
	return b.String()
}

// TestFarJumps: long expressions need jumps past 255 instructions, both ways.
func TestFarJumps(t *testing.T) {
	frames := ethernetFrames(t)
	for _, n := range []int{1, 20, 60, 120, 300} {
		all := hosts(n)
		for _, expr := range []string{all + " or icmp", "not (" + all + ") and udp", "udp and (" + all + ") and port 53", "icmp6 or (" + all + ") and (tcp or udp)"} {
			short := strings.ReplaceAll(expr, all, "host 10.0.0.1 or 10.0.0.2 or 10.0.0.254")
			if n == 1 {
				short = strings.ReplaceAll(expr, all, "host 10.0.0.0")
			} else if n < 255 {
				short = strings.ReplaceAll(expr, all, "host 10.0.0.1 or 10.0.0.2")
			}
			got, want := selectWithMatcher(t, expr, LinkEthernet, frames), selectWithMatcher(t, short, LinkEthernet, frames)
			if !slices.Equal(got, want) {
				t.Errorf("%d hosts, %.30q: selects %q, want %q", n, expr, got, want)
			}
		}
	}
}

func TestTooLong(t *testing.T) {
	for _, tt := range []struct {
		expr, want string
	}{
		{hosts(600), "the kernel takes at most 4096"},
		{hosts(2500), "more than 8192 comparisons"},
		{"ip[0] = " + strings.Repeat("(ip[0] + ", 17) + "ip[1]" + strings.Repeat(")", 17), "arithmetic is too complex"},
	} {
		if _, err := Compile(tt.expr, LinkEthernet); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Compile(%.40q): %v, want %q", tt.expr, err, tt.want)
		}
	}
}

// TestLive: the kernel has taken the outer tag out of the frame.
func TestLive(t *testing.T) {
	plain := map[string][]byte{}
	for _, f := range ethernetFrames(t) {
		plain[f.name] = f.data
	}
	stripped := func(name string) []byte {
		return append(slices.Clone(plain[name][:12]), plain[name][16:]...)
	}
	tests := []struct {
		expr  string
		frame []byte
		meta  Meta
		want  bool
	}{
		{"vlan", stripped("vlan 10 tcp 80"), Meta{VLANPresent: true, VLANTag: 10}, true},
		{"vlan", plain["tcp4 syn 80"], Meta{}, false},
		{"vlan 10", stripped("vlan 10 tcp 80"), Meta{VLANPresent: true, VLANTag: 0xa000 | 10}, true},
		{"vlan 11", stripped("vlan 10 tcp 80"), Meta{VLANPresent: true, VLANTag: 10}, false},
		{"vlan 0", plain["tcp4 syn 80"], Meta{}, false},
		{"vlan 10 and tcp port 80", stripped("vlan 10 tcp 80"), Meta{VLANPresent: true, VLANTag: 10}, true},
		{"tcp port 80", stripped("vlan 10 tcp 80"), Meta{VLANPresent: true, VLANTag: 10}, true},
		{"not vlan and tcp", stripped("vlan 10 tcp 80"), Meta{VLANPresent: true, VLANTag: 10}, false},
		{"vlan 100 and vlan 10 and tcp", stripped("qinq 100/10"), Meta{VLANPresent: true, VLANTag: 100}, true},
		{"vlan 100 and vlan 10 and tcp", stripped("vlan 10 tcp 80"), Meta{VLANPresent: true, VLANTag: 100}, false},
		{"outbound", plain["tcp4 syn 80"], Meta{PacketType: 4}, true},
		{"inbound and tcp", plain["tcp4 syn 80"], Meta{PacketType: 3}, true},
	}
	for _, tt := range tests {
		p, err := CompileLive(tt.expr, LinkEthernet)
		if err != nil {
			t.Fatal(err)
		}
		m, err := NewMatcher(p)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.MatchMeta(tt.frame, tt.meta); got != tt.want {
			t.Errorf("live %q with %+v: %t, want %t", tt.expr, tt.meta, got, tt.want)
		}
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	p, err := Compile("tcp port 80 and tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420", LinkEthernet)
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMatcher(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range ethernetFrames(t) {
		if n := testing.AllocsPerRun(10, func() { m.Match(f.data) }); n != 0 {
			t.Errorf("%s: %v allocations", f.name, n)
		}
	}
}
