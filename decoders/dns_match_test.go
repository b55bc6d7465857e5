package decoders

import (
	"testing"

	"github.com/miekg/dns"

	"kagami/packet"
	"kagami/sensor"
)

func TestDNSMatch(t *testing.T) {
	q, a := packed(t, query("www.example.jp.", dns.TypeA)), packed(t, answered(t, "www.example.jp.", dns.TypeA, "www.example.jp. 9 IN A 192.0.2.1"))
	nbns := query("CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.", 33)
	big := answered(t, "big.jp.", dns.TypeA)
	for range 100 {
		big.Answer = append(big.Answer, answered(t, "big.jp.", dns.TypeA, "big.jp. 9 IN A 192.0.2.1").Answer[0])
	}
	stun := []byte("\x00\x01\x00\x08\x21\x12\xa4\x42abcdefghijkl\x80\x28\x00\x04\x01\x02\x03\x04")
	ntp := append([]byte("\x23\x00\x06\xec\x00\x01\x00\x00\x00\x00\x00\x01"), make([]byte, 36)...)
	for _, c := range []struct {
		name string
		port uint16
		msg  []byte
		want sensor.Match
	}{
		{"query", 53, q, sensor.FromClient},
		{"response", 53, a, sensor.FromServer},
		{"query on any port", 5300, q, sensor.FromClient},
		{"response on any port", 5300, a, sensor.FromServer},
		{"long response on any port", 5300, packed(t, big), sensor.FromServer},
		{"counts that do not fit, port 53", 53, append([]byte("\x00\x07\x01\x00\x00\x01\xff\xff\x00\x00\x00\x00"), 0), sensor.FromClient},
		{"counts that do not fit, other port", 5300, append([]byte("\x00\x07\x81\x00\x00\x01\xff\xff\x00\x00\x00\x00"), q[12:]...), sensor.No},
		{"too short", 53, q[:11], sensor.No},
		{"unassigned opcode", 53, append([]byte("\x00\x07\x19\x00"), q[4:]...), sensor.FromClient},
		{"unassigned opcode and no question", 53, append([]byte("\x00\x07\x19\x00\x00\x00"), q[6:]...), sensor.No},
		{"unassigned opcode on another port", 5300, append([]byte("\x00\x07\x19\x00"), q[4:]...), sensor.No},
		{"NetBIOS name service", 137, packed(t, nbns), sensor.No},
		{"STUN", 3478, stun, sensor.No},
		{"NTP", 123, ntp, sensor.No},
		{"query with the reserved bit, other port", 5300, append([]byte("\x00\x07\x01\x40"), q[4:]...), sensor.No},
		{"zeros", 5300, make([]byte, 64), sensor.No},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := sensor.NewTestFlow(packet.ProtoUDP)
			f.Key.BPort = c.port
			if got := matchDNSDatagram(f, packet.FromA, c.msg[:min(len(c.msg), sensor.MatchLimit)]); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestMulticastDNS(t *testing.T) {
	a := answered(t, "host.local.", dns.TypeA, "host.local. 120 IN A 192.0.2.9")
	a.Answer[0].Header().Class |= 0x8000 // cache flush
	f := sensor.NewTestFlow(packet.ProtoUDP)
	f.Key.APort, f.Key.BPort = 5353, 5353
	f.Key.B = [16]byte{10: 0xff, 11: 0xff, 12: 224, 15: 251}
	if m := matchDNSDatagram(f, packet.FromA, packed(t, a)); m != sensor.FromClient {
		t.Errorf("an announcement must not make the group its client: %v", m)
	}
	if r := read(packed(t, a), "mdns"); r.Answers[0].Class != "IN" || r.TopLevelDomain != "local" || len(r.Resolved) != 1 {
		t.Errorf("%+v", r)
	}
}

func TestSplitDomain(t *testing.T) {
	for _, c := range [][4]string{
		{"www.Example.co.jp", "www", "example.co.jp", "co.jp"},
		{"a.b.example.com", "a.b", "example.com", "com"},
		{"example.com", "", "example.com", "com"},
		{"com", "", "", "com"},
		{"localhost", "", "", "localhost"},
		{".", "", "", ""},
		{"", "", "", ""},
		{`a\.b.example.com`, `a\.b`, "example.com", "com"},
		{`\000\255.example.jp`, `\000\255`, "example.jp", "jp"},
	} {
		if sub, reg, top := splitDomain(c[0]); sub != c[1] || reg != c[2] || top != c[3] {
			t.Errorf("%q: got %q %q %q", c[0], sub, reg, top)
		}
	}
}
