package decoders

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// netbiosWire is a name in its 32 letters, padded with blanks.
func netbiosWire(name string, suffix byte) string {
	if name != "*" {
		name += strings.Repeat(" ", 15-len(name))
	} else {
		name += strings.Repeat("\x00", 14)
	}
	var b strings.Builder
	b.WriteByte(netbiosLetters)
	for _, c := range []byte(name + string([]byte{suffix})) {
		b.WriteByte('A' + c>>4)
		b.WriteByte('A' + c&15)
	}
	return b.String()
}

// nbnsMessage is a message with id 0x0102.
func nbnsMessage(flags, questions, answers, additional string, rest ...string) []byte {
	return []byte("\x01\x02" + flags + "\x00" + questions + "\x00" + answers + "\x00\x00\x00" + additional + strings.Join(rest, ""))
}

const (
	nbnsIN       = "\x00\x20\x00\x01" // NB
	nbstatIN     = "\x00\x21\x00\x01"
	nbnsPointer  = "\xc0\x0c"
	nbnsTTL      = "\x00\x04\x93\xe0"
	nbnsAddress  = "\x00\x06\x60\x00\x0a\x00\x00\x07"
	nbnsGroupTwo = "\x00\x0c\xe0\x00\x0a\x00\x00\x07\xe0\x00\x0a\x00\x00\x08"
)

func nbnsQuery() []byte {
	return nbnsMessage("\x01\x10", "\x01", "\x00", "\x00", netbiosWire("FILES01", 0x20), "\x00", nbnsIN)
}

func nbnsStatus() []byte {
	entry := func(name string, suffix, flags byte) string {
		return name + strings.Repeat(" ", 15-len(name)) + string([]byte{suffix, flags, 0})
	}
	data := "\x03" + entry("KEIRI-07", 0, 0x04) + entry("OFFICE", 0, 0x84) + entry("KEIRI-07", 0x20, 0x04) + "\x00\x0c\x29\x31\x0a\xb9" + strings.Repeat("\x00", 40)
	return nbnsMessage("\x84\x00", "\x00", "\x01", "\x00", netbiosWire("*", 0), "\x00", nbstatIN, "\x00\x00\x00\x00", "\x00"+string([]byte{byte(len(data))}), data)
}

func TestNBNSMatch(t *testing.T) {
	q, dns := nbnsQuery(), []byte("\x01\x02\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x02jp\x00\x00\x01\x00\x01")
	edit := func(at int, v byte) []byte { b := slices.Clone(q); b[at] = v; return b }
	for _, c := range []struct {
		name string
		msg  []byte
		want sensor.Match
	}{
		{"query", q, sensor.FromClient},
		{"answer", nbnsStatus(), sensor.FromServer},
		{"answer to everybody: its sender stays the originator", nbnsMessage("\x85\x90", "\x00", "\x01", "\x00", netbiosWire("A", 0), "\x00", nbnsIN, nbnsTTL, nbnsAddress), sensor.FromClient},
		{"DNS", dns, sensor.No},
		{"letter beyond P", edit(20, 'Q'), sensor.No},
		{"another length", edit(12, 31), sensor.No},
		{"unassigned opcode", edit(2, 0x19), sensor.No},
		{"two questions", edit(5, 2), sensor.No},
		{"another class", edit(len(q)-1, 3), sensor.No},
		{"another type", edit(len(q)-3, 0x22), sensor.No},
		{"cut in the name", q[:40], sensor.No},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := matchNBNS(udpFlow(4000, 4001, 0), packet.FromA, first(c.msg)); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestNBNSMessages(t *testing.T) {
	scoped := nbnsMessage("\x01\x00", "\x01", "\x00", "\x00", netbiosWire("FILES01", 0x20), "\x05NETBI\x02jp\x00", nbnsIN)
	for _, c := range []struct {
		name, want string // opcode, rcode, type, name, suffix, what the section holds
		msg        []byte
		nb         records.NetBIOS
	}{
		{"query", "QUERY  NB FILES01", nbnsQuery(), records.NetBIOS{Suffix: 0x20, Broadcast: true}},
		{"query in a scope", "QUERY  NB FILES01", scoped, records.NetBIOS{Suffix: 0x20, Scope: "NETBI.jp"}},
		{"answer", "QUERY NOERROR NB FILES01 [10.0.0.7] resolved 10.0.0.7",
			nbnsMessage("\x85\x80", "\x00", "\x01", "\x00", netbiosWire("FILES01", 0x20), "\x00", nbnsIN, nbnsTTL, nbnsAddress),
			records.NetBIOS{Suffix: 0x20, Addresses: addrs("10.0.0.7")}},
		{"answer for a group", "QUERY NOERROR NB OFFICE [10.0.0.7 10.0.0.8] resolved 10.0.0.7 10.0.0.8",
			nbnsMessage("\x85\x80", "\x00", "\x01", "\x00", netbiosWire("OFFICE", 0x1c), "\x00", nbnsIN, nbnsTTL, nbnsGroupTwo),
			records.NetBIOS{Suffix: 0x1c, Group: true, Addresses: addrs("10.0.0.7", "10.0.0.8")}},
		{"no such name", "QUERY NXDOMAIN NULL FILES01 []",
			nbnsMessage("\x85\x83", "\x00", "\x01", "\x00", netbiosWire("FILES01", 0x20), "\x00\x00\x0a\x00\x01\x00\x00\x00\x00\x00\x00"),
			records.NetBIOS{Suffix: 0x20}},
		{"registration", "REGISTRATION  NB KEIRI-07 [10.0.0.7]",
			nbnsMessage("\x29\x10", "\x01", "\x00", "\x01", netbiosWire("KEIRI-07", 0), "\x00", nbnsIN, nbnsPointer, nbnsIN, nbnsTTL, nbnsAddress),
			records.NetBIOS{Broadcast: true, Addresses: addrs("10.0.0.7")}},
		{"the name is taken", "REGISTRATION ACT_ERR NB KEIRI-07 [10.0.0.7]",
			nbnsMessage("\xad\x86", "\x00", "\x01", "\x00", netbiosWire("KEIRI-07", 0), "\x00", nbnsIN, nbnsTTL, nbnsAddress),
			records.NetBIOS{Addresses: addrs("10.0.0.7")}},
		{"wait", "WACK NOERROR NB KEIRI-07 []",
			nbnsMessage("\xbc\x00", "\x00", "\x01", "\x00", netbiosWire("KEIRI-07", 0), "\x00", nbnsIN, nbnsTTL, "\x00\x02\x29\x10"), records.NetBIOS{}},
		{"status", "QUERY NOERROR NBSTAT * [KEIRI-07<00> OFFICE<00> KEIRI-07<20>]", nbnsStatus(),
			records.NetBIOS{MAC: [6]byte{0, 0x0c, 0x29, 0x31, 0x0a, 0xb9}, Names: []records.NetBIOSName{{Name: "KEIRI-07"}, {Name: "OFFICE", Group: true}, {Name: "KEIRI-07", Suffix: 0x20}}}},
		{"octets outside ASCII", `QUERY  NB \131\140__MSBROWSE__\002`,
			nbnsMessage("\x01\x10", "\x01", "\x00", "\x00", netbiosWire("\x83\x8c__MSBROWSE__\x02", 1), "\x00", nbnsIN), records.NetBIOS{Suffix: 1, Broadcast: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := datagrams[*records.DNS](nbnsUDP(), udpFlow(137, 137, 0), packet.FromA, c.msg)
			if len(out) != 1 || out[0].Malformed {
				t.Fatalf("%+v", out)
			}
			r := out[0]
			got := strings.Join([]string{r.Opcode, r.RCode, r.Type, r.Name}, " ")
			for _, a := range slices.Concat(r.Answers, r.Additionals) {
				got += " [" + a.Data + "]"
			}
			for i, a := range r.Resolved {
				got += []string{" resolved ", " "}[min(i, 1)] + a.String()
			}
			if got != c.want || r.Protocol != "nbns" || r.ID != 0x0102 {
				t.Errorf("got %q, want %q (%s)", got, c.want, r.Protocol)
			}
			if !reflect.DeepEqual(*r.NetBIOS, c.nb) {
				t.Errorf("got %+v, want %+v", *r.NetBIOS, c.nb)
			}
		})
	}
}

func TestNBNSPairsAndBounds(t *testing.T) {
	f := udpFlow(137, 137, 1000)
	d := nbnsUDP().New()
	var out []*records.DNS
	emit := func(r records.Record) { out = append(out, r.(*records.DNS)) }
	d.Data(f, packet.FromA, nbnsQuery(), emit)
	f.Now = 3000
	d.Data(f, packet.FromB, nbnsMessage("\x85\x80", "\x00", "\x01", "\x00", netbiosWire("FILES01", 0x20), "\x00", nbnsIN, nbnsTTL, nbnsAddress), emit)
	const many = 200
	data := strings.Repeat("\x60\x00\x0a\x00\x00\x07", many)
	d.Data(f, packet.FromB, nbnsMessage("\x85\x80", "\x00", "\x01", "\x00", netbiosWire("FILES01", 0x20), "\x00", nbnsIN, nbnsTTL,
		string([]byte{byte(len(data) >> 8), byte(len(data))}), data), emit)
	if len(out) != 3 || out[1].RTT != 2000 {
		t.Fatalf("%+v", out)
	}
	if r := out[2]; len(r.NetBIOS.Addresses) != nbnsMaxAddresses || len(r.Resolved) != nbnsMaxAddresses || r.Dropped != many-nbnsMaxAddresses {
		t.Errorf("%d addresses, %d dropped", len(r.NetBIOS.Addresses), r.Dropped)
	}
}

func TestNBNSNamesAreBounded(t *testing.T) {
	names := "\xff" + strings.Repeat(strings.Repeat("N", 15)+"\x00\x04\x00", 255)
	one := nbstatIN + "\x00\x00\x00\x00" + string([]byte{byte(len(names) >> 8), byte(len(names) & 0xff)}) + names
	msg := nbnsMessage("\x84\x00", "\x00", "\x02", "\x00", netbiosWire("*", 0), "\x00", one, nbnsPointer, one)
	r := datagrams[*records.DNS](nbnsUDP(), udpFlow(137, 137, 0), packet.FromA, msg)[0]
	if len(r.NetBIOS.Names) != nbnsMaxNames || r.Dropped != 255 || r.Malformed {
		t.Errorf("%d names, %d dropped, malformed %v", len(r.NetBIOS.Names), r.Dropped, r.Malformed)
	}
}

func FuzzNBNS(f *testing.F) {
	addDatagrams(f, 137)
	f.Add(nbnsQuery())
	f.Add(nbnsStatus())
	f.Add(nbnsMessage("\x29\x10", "\x01", "\x00", "\x01", netbiosWire("KEIRI-07", 0), "\x00", nbnsIN, nbnsPointer, nbnsIN, nbnsTTL, nbnsGroupTwo))
	f.Fuzz(func(t *testing.T, b []byte) {
		flow := udpFlow(137, 137, 0)
		for _, r := range datagrams[*records.DNS](nbnsUDP(), flow, packet.FromA, b) {
			if matchNBNS(flow, packet.FromA, first(b)) == sensor.No {
				t.Fatal("read, but not recognised")
			}
			if len(r.NetBIOS.Addresses) > nbnsMaxAddresses || len(r.NetBIOS.Names) > nbnsMaxNames || len(r.AppendFields(nil)) == 0 {
				t.Errorf("%d addresses, %d names", len(r.NetBIOS.Addresses), len(r.NetBIOS.Names))
			}
			for _, c := range []byte(r.Name) {
				if c < ' ' || c >= 0x7f {
					t.Fatalf("name %q is not printable", r.Name)
				}
			}
		}
	})
}

func BenchmarkNBNS(b *testing.B) {
	benchmarkDatagram(b, nbnsUDP(), udpFlow(137, 137, 0), nbnsQuery())
}
