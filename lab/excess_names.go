package lab

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// udp is a script of datagrams between a client and the server, one of each port.
func udp(port uint16, script func(say func(Side, []byte))) func(*Flood) {
	return func(f *Flood) {
		client, server := peers(0, port)
		script(func(s Side, b []byte) {
			if s == Server {
				f.Datagram(server, client, b)
			} else {
				f.Datagram(client, server, b)
			}
		})
	}
}

// dnsHeader begins a message (RFC 1035 section 4.1.1).
func dnsHeader(id, flags, questions, answers, authority, additional int) []byte {
	var b []byte
	for _, v := range []int{id, flags, questions, answers, authority, additional} {
		b = binary.BigEndian.AppendUint16(b, uint16(v))
	}
	return b
}

// dnsName is a name on the wire.
func dnsName(name string) []byte {
	var b []byte
	for label := range strings.SplitSeq(name, ".") {
		b = append(append(b, byte(len(label))), label...)
	}
	return append(b, 0)
}

// dnsRecord appends a record of class IN that lives an hour.
func dnsRecord(b, name []byte, kind uint16, data []byte) []byte {
	b = binary.BigEndian.AppendUint16(append(b, name...), kind)
	b = append(b, 0, 1, 0, 0, 14, 16)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(data))), data...)
}

// dnsAnswer is a response that gives name the address.
func dnsAnswer(id int, name string, addr netip.Addr) []byte {
	b := append(dnsHeader(id, 0x8180, 1, 1, 0, 0), dnsName(name)...)
	return dnsRecord(append(b, 0, 1, 0, 1), []byte{0xc0, 12}, 1, addr.AsSlice())
}

const datagramRoom = 1400 // octets of a datagram that one frame carries

// nameExcesses are those of DNS and its relatives, and of what tells names.
func nameExcesses() []Excess {
	question := append(dnsName("www.example"), 0, 1, 0, 1)
	return []Excess{
		{"dns: 65,535 records claimed", udp(53, func(say func(Side, []byte)) {
			for i := range 10_000 {
				say(Server, append(dnsHeader(i, 0x8180, 1, 0xffff, 0xffff, 0xffff), question...))
			}
		})},
		{"dns: pointers in a circle", udp(53, func(say func(Side, []byte)) {
			for i := range 10_000 {
				say(Client, append(dnsHeader(i, 0x100, 1, 0, 0, 0), 0xc0, 14, 0xc0, 12, 0, 1, 0, 1))
			}
		})},
		{"dns: pointers to pointers", one(53, func(t *Talk) {
			for range 20 {
				b := pointerChain(question)
				t.Say(Server, binary.BigEndian.AppendUint16(nil, uint16(len(b))), b)
			}
		})},
		{"dns: queries without answers", udp(53, func(say func(Side, []byte)) {
			for i := range 30_000 {
				say(Client, append(append(dnsHeader(i, 0x100, 1, 0, 0, 0), dnsName(fmt.Sprintf("h%d.example", i))...), 0, 1, 0, 1))
			}
		})},
		{"dns: half a megabyte of text in each TCP message", one(53, func(t *Talk) {
			// 60 KiB that points to one long name 5,000 times.
			b := append(dnsHeader(7, 0x8180, 1, 5000, 0, 0), append(dnsName(strings.TrimSuffix(strings.Repeat("\x01\x02\x03\x04\x05\x06\x07.", 30), ".")), 0, 12, 0, 1)...)
			for range 4990 {
				b = dnsRecord(b, []byte{0xc0, 12}, 12, []byte{0xc0, 12})[:min(len(b)+14, 0xffff)]
			}
			for range 30 {
				t.Say(Server, binary.BigEndian.AppendUint16(nil, uint16(len(b))), b)
			}
		})},
		{"dns: TCP message, octet by octet", bytewise(53, func(t *Talk) {
			b := append(dnsHeader(7, 0x100, 1, 0, 0, 0), question...)
			t.Say(Client, []byte{0xff, 0xff}, b)
			t.Repeat(Client, 63, filler)
		})},
		{"dns: TXT record of many strings", udp(53, func(say func(Side, []byte)) {
			b := append(dnsHeader(1, 0x8180, 1, 1, 0, 0), question...)
			b = dnsRecord(b, []byte{0xc0, 12}, 16, make([]byte, 1300)) // strings of no octets
			for range 4000 {
				say(Server, b)
			}
		})},
		{"dhcp: options without end", udp(67, func(say func(Side, []byte)) {
			b := append(bootp(1, 1), repeatedTo([]byte{12, 4, 'h', 'o', 's', 't'}, 1000)...)
			b = append(b, repeatedTo([]byte{55, 8, 1, 2, 3, 4, 5, 6, 7, 8}, 200)...)
			for range 4000 {
				say(Client, b)
			}
		})},
		{"dhcpv6: relays in relays", func(f *Flood) {
			src, dst := netip.MustParseAddrPort("[fe80::1]:546"), netip.MustParseAddrPort("[ff02::1:2]:547")
			b := []byte{1, 1, 2, 3}
			for len(b) < datagramRoom-38 { // RELAY-FORW with the message in an option
				head := append([]byte{12, 0}, make([]byte, 32)...)
				head = binary.BigEndian.AppendUint16(append(head, 0, 9), uint16(len(b)))
				b = append(head, b...)
			}
			for range 10_000 {
				f.Datagram(src, dst, b)
			}
		}},
		{"nbns: records claimed", udp(137, func(say func(Side, []byte)) {
			name := append([]byte{32}, strings.Repeat("CA", 16)+"\x00"...)
			b := append(append(dnsHeader(1, 0x2910, 1, 0xffff, 0xffff, 0xffff), name...), 0, 32, 0, 1)
			b = append(b, repeatedTo([]byte{0xc0, 12, 0, 32, 0, 1, 0, 0, 0, 0, 0, 6, 0, 0, 10, 0, 0, 1}, 1000)...)
			for range 4000 {
				say(Client, b)
			}
		})},
		{"ssdp: lines without end", udp(1900, func(say func(Side, []byte)) {
			b := append([]byte("M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\n"), repeatedTo([]byte("ST: x\r\n"), 1200)...)
			for range 10_000 {
				say(Client, b)
			}
		})},
		{"ntp: extension fields without end", udp(123, func(say func(Side, []byte)) {
			b := append([]byte{0x23, 0, 6, 0xec}, make([]byte, 44)...)
			b = append(b, repeatedTo(append([]byte{1, 4, 0, 16}, make([]byte, 12)...), 1296)...)
			for range 10_000 {
				say(Client, b)
			}
		})},
	}
}

// pointerChain is a response of the greatest length that looks up each of its names
// through thousands of compression pointers, each to the one before it.
func pointerChain(question []byte) []byte {
	const reach, record = 1 << 14, 14 // of a pointer; octets of a record of two pointers
	b := append(dnsHeader(7, 0x8180, 1, 0, 0, 0), question...)
	chain := []byte{0} // the root
	at := len(b) + 11  // where the chain lies, behind a record's head
	for last := at; at+len(chain) < reach-2; {
		chain = binary.BigEndian.AppendUint16(chain, 0xc000|uint16(last))
		last = at + len(chain) - 2
	}
	b = dnsRecord(b, []byte{0}, 10, chain)
	end := binary.BigEndian.AppendUint16(nil, 0xc000|uint16(at+len(chain)-2))
	n := 1
	for ; len(b)+record <= 0xffff; n++ {
		b = dnsRecord(b, end, 12, end)
	}
	binary.BigEndian.PutUint16(b[6:], uint16(n))
	return b
}

// repeatedTo is a unit as often as it fits into n octets.
func repeatedTo(unit []byte, n int) []byte { return []byte(strings.Repeat(string(unit), n/len(unit))) }

// bootp is the fixed part of a DHCP message (RFC 2131) of the ith client, with its
// type.
func bootp(i int, kind byte) []byte {
	b := append([]byte{1, 1, 6, 0}, make([]byte, 24)...)
	binary.BigEndian.PutUint32(b[4:], uint32(i))
	b = append(b, 2, 1, byte(i>>24), byte(i>>16), byte(i>>8), byte(i))
	b = append(b, make([]byte, 202)...)
	return append(b, 99, 130, 83, 99, 53, 1, kind)
}

// siteExcesses fill what is remembered of machines, names and proxies.
func siteExcesses() []Excess {
	return []Excess{
		{"site: 100,000 DHCP clients", func(f *Flood) {
			server := netip.AddrPortFrom(floodClient(0), 67)
			for i := range 100_000 {
				b := bootp(i, 5) // ACK
				b[0] = 2
				addr := floodClient(1 + i)
				copy(b[16:], addr.AsSlice())
				b = append(b, 51, 4, 0, 1, 0, 0, 12, 8)
				b = append(fmt.Appendf(b, "h%07d", i), 255)
				f.Datagram(server, netip.AddrPortFrom(addr, 68), b)
			}
		}},
		{"site: mDNS names without end", func(f *Flood) {
			group := netip.MustParseAddrPort("224.0.0.251:5353")
			for i := range 35_000 {
				addr := floodClient(1 + i)
				b := dnsRecord(dnsHeader(0, 0x8400, 0, 1, 0, 0), dnsName(fmt.Sprintf("host-%d.local", i)), 1, addr.AsSlice())
				f.Datagram(netip.AddrPortFrom(addr, 5353), group, b)
			}
		}},
		{"site: names of one machine without end", func(f *Flood) {
			group := netip.MustParseAddrPort("224.0.0.251:5353")
			addr := floodClient(1)
			for i := range 20_000 {
				b := dnsRecord(dnsHeader(0, 0x8400, 0, 1, 0, 0), dnsName(fmt.Sprintf("host-%d.local", i)), 1, addr.AsSlice())
				f.Datagram(netip.AddrPortFrom(addr, 5353), group, b)
			}
		}},
		{"site: addresses looked up without end", udp(53, func(say func(Side, []byte)) {
			for i := range 20_000 {
				name := fmt.Sprintf("n%d.example", i)
				say(Client, append(append(dnsHeader(i, 0x100, 1, 0, 0, 0), dnsName(name)...), 0, 1, 0, 1))
				say(Server, dnsAnswer(i, name, netip.AddrFrom4([4]byte{203, byte(i >> 16), byte(i >> 8), byte(i)})))
			}
		})},
		{"site: clients that look up without end", func(f *Flood) {
			for i := range 20_000 {
				client, server := netip.AddrPortFrom(floodClient(1+i), 40000), netip.AddrPortFrom(floodServer, 53)
				f.Datagram(client, server, append(append(dnsHeader(i, 0x100, 1, 0, 0, 0), dnsName("www.example")...), 0, 1, 0, 1))
				f.Datagram(server, client, dnsAnswer(i, "www.example", netip.AddrFrom4([4]byte{203, 0, 113, 1})))
			}
		}},
		{"site: 100,000 requests through a proxy", func(f *Flood) {
			proxyFlood(f, 100_000, "GET http://h%d.example/ HTTP/1.1\r\nHost: h%d.example\r\n\r\n")
		}},
		{"site: 100,000 tunnels through a proxy", func(f *Flood) {
			proxyFlood(f, 100_000, "CONNECT h%d.example:443 HTTP/1.1\r\nHost: h%d.example:443\r\n\r\n")
		}},
		{"site: 100,000 requests that a proxy passes on", func(f *Flood) {
			proxyFlood(f, 10, "GET http://h%d.example/ HTTP/1.1\r\nHost: h%d.example\r\n\r\n")
			for i := range 100_000 {
				t := f.Join(netip.AddrPortFrom(proxyAddr, uint16(1024+i%60000)), netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, byte(i >> 16), byte(i >> 8), 80}), 80))
				t.Tell(Client, fmt.Sprintf("GET / HTTP/1.1\r\nHost: h%d.example\r\nVia: 1.1 proxy\r\n\r\n", i))
			}
		}},
		{"site: users without end", func(f *Flood) {
			t := f.Dial(peers(0, 80))
			for i := range 20_000 {
				t.Tell(Client, fmt.Sprintf("GET / HTTP/1.1\r\nHost: a.example\r\nUser-Agent: agent/%d\r\nAuthorization: Digest username=\"u%d\"\r\n\r\n", i, i))
				t.Tell(Server, "HTTP/1.1 204 No Content\r\n\r\n")
			}
		}},
	}
}

// proxyAddr is where the clients of proxyFlood ask.
var proxyAddr = netip.MustParseAddr("10.200.0.1")

// proxyFlood has clients ask a proxy, 50 requests on each connection, which it
// does not answer.
func proxyFlood(f *Flood, n int, request string) {
	const each = 50
	for i := 0; i < n; i += each {
		t := f.Join(netip.AddrPortFrom(floodClient(1+i/each%200), uint16(1024+i/each%60000)), netip.AddrPortFrom(proxyAddr, 3128))
		t.Endless(Client, min(each, n-i), func(b []byte, k int) []byte { return fmt.Appendf(b, request, i+k, i+k) })
		f.Wait(time.Millisecond)
	}
}
