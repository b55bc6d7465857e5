package exporters

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"kagami/packet"
	"kagami/records"
)

// ipfixMessage is a message as a strict reader of RFC 7011 sees it.
type ipfixMessage struct {
	sequence, domain uint32
	templates        int
	records          []map[string]any // by "id" or "id reverse"
}

// readIPFIX reads one message, with the templates seen so far.
func readIPFIX(t *testing.T, b []byte, templates map[uint16][]ipfixField) (m ipfixMessage) {
	t.Helper()
	big := binary.BigEndian
	if len(b) < 16 || big.Uint16(b) != 10 || int(big.Uint16(b[2:])) != len(b) {
		t.Fatalf("no message: %x", b)
	}
	m.sequence, m.domain = big.Uint32(b[8:]), big.Uint32(b[12:])
	for b = b[16:]; len(b) > 0; {
		id, n := big.Uint16(b), int(big.Uint16(b[2:]))
		if n < 4 || n > len(b) {
			t.Fatalf("set %d of %d octets", id, n)
		}
		set := b[4:n]
		b = b[n:]
		for len(set) > 0 {
			if id == 2 {
				set = readTemplate(set, templates)
				m.templates++
				continue
			}
			fields := templates[id]
			if fields == nil {
				t.Fatalf("no template %d", id)
			}
			r := map[string]any{}
			for _, f := range fields {
				n := int(f.length)
				if f.length == ipfixVariable {
					n, set = int(set[0]), set[1:]
				}
				name := ipfixNames[f.id]
				if f.reverse {
					name += " reverse"
				}
				if r[name], set = readElement(f.id, set[:n]), set[n:]; name == "" {
					t.Fatalf("element %d", f.id)
				}
			}
			m.records = append(m.records, r)
		}
	}
	return m
}

func readTemplate(set []byte, templates map[uint16][]ipfixField) []byte {
	big := binary.BigEndian
	id, n := big.Uint16(set), int(big.Uint16(set[2:]))
	set = set[4:]
	var fields []ipfixField
	for range n {
		f := ipfixField{id: big.Uint16(set) & 0x7fff, length: big.Uint16(set[2:]), reverse: set[0] >= 0x80}
		set = set[4:]
		if f.reverse && big.Uint32(set) == 29305 {
			set = set[4:]
		}
		fields = append(fields, f)
	}
	templates[id] = fields
	return set
}

var ipfixNames = map[uint16]string{8: "source", 12: "destination", 27: "source", 28: "destination", 152: "start", 153: "end", 148: "flow", 2: "packets", 1: "octets", 7: "sport", 11: "dport",
	32: "icmp", 139: "icmp6", 6: "flags", 4: "proto", 136: "reason", 239: "biflow", 192: "ttl", 58: "vlan", 56: "smac", 80: "dmac", 96: "app"}

func readElement(id uint16, b []byte) any {
	switch id {
	case 8, 12, 27, 28:
		return net.IP(b).String()
	case 96:
		return string(b)
	case 56, 80:
		return net.HardwareAddr(b).String()
	}
	n := int64(0)
	for _, x := range b {
		n = n<<8 | int64(x)
	}
	return n
}

// flowLines are the data records of flows over IPv4 and IPv6 by turns.
func flowLines(t *testing.T, n int) (lines []Line) {
	f := newIPFIX(Env{})
	for i := range n {
		r := flowRecord(t, func(r *records.Flow) { r.History, r.Orig.TTL, r.Service = "ShAaDdFfr", 64, strings.Repeat("x", i%7) })
		if i%3 == 2 {
			r = records.NewFlow(between(packet.ProtoICMPv6, "[2001:db8::1]:0", "[2001:db8::2]:0"))
			r.ICMPType, r.ICMPCode, r.EndReason, r.Start, r.End = 128, 1, "timeout", 1e9, 2e9
		}
		r.Orig.Packets = uint64(i)
		text, ok := f.Append(nil, r)
		if !ok {
			t.Fatal("no record")
		}
		lines = append(lines, Line{Text: text})
	}
	return lines
}

func TestIPFIXRecord(t *testing.T) {
	s := openSink(t, "ipfix+tcp://h?domain=7", Env{}).(*ipfixSink)
	s.frame(flowLines(t, 3))
	m := readIPFIX(t, s.stream.out, map[uint16][]ipfixField{})
	if m.domain != 7 || m.templates != 2 || len(m.records) != 3 {
		t.Fatalf("%+v", m)
	}
	for i, want := range []map[string]any{
		{"source": "192.168.100.5", "destination": "23.23.1.2", "sport": 58461, "dport": 443, "proto": 6, "start": int64(1417824675900), "end": int64(1417824680903), "octets": 1402, "packets": 0, "octets reverse": 5320,
			"packets reverse": 8, "flags": 0x13, "flags reverse": 0x17, "reason": 3, "biflow": 1, "ttl": 64, "app": "", "flow": 1, "icmp": 0},
		{"packets": 1, "app": "x"},
		{"source": "2001:db8::1", "destination": "2001:db8::2", "proto": 58, "icmp6": 0x8001, "sport": 0, "reason": 1, "packets": 2, "start": 1000, "flags": 0},
	} {
		for k, v := range want {
			if fmt.Sprint(m.records[i][k]) != fmt.Sprint(v) {
				t.Errorf("record %d: %s is %v, want %v", i, k, m.records[i][k], v)
			}
		}
	}
	if _, ok := newIPFIX(Env{}).Append(nil, dnsRecord(t, nil)); ok {
		t.Error("DNS has a record")
	}
}

// TestIPFIXUDP: datagrams within max, numbered, templates at the beginning and
// every minute, nothing spent on a collector that is not there.
func TestIPFIXUDP(t *testing.T) {
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := openSink(t, "ipfix+udp://"+l.LocalAddr().String()+"?max=700", Env{}).(*ipfixSink)
	defer s.Close()
	templates := map[uint16][]ipfixField{}
	seen, messages, withTemplates := 0, 0, 0
	for round := range 3 {
		if w, err := s.Write(context.Background(), flowLines(t, 50)); err != nil || w.Sent != 50 {
			t.Fatalf("%+v, %v", w, err)
		}
		for seen < 50*(round+1) {
			b := make([]byte, 2000)
			l.SetReadDeadline(time.Now().Add(5 * time.Second))
			n, _, err := l.ReadFrom(b)
			if err != nil || n > 700 {
				t.Fatalf("%d octets, %v", n, err)
			}
			m := readIPFIX(t, b[:n], templates)
			if int(m.sequence) != seen || len(m.records) == 0 {
				t.Fatalf("sequence %d after %d records", m.sequence, seen)
			}
			for _, r := range m.records {
				if r["packets"] != int64(seen%50) {
					t.Fatalf("record %d is %v", seen, r)
				}
				seen++
			}
			messages, withTemplates = messages+1, withTemplates+m.templates/2
		}
		if round == 1 {
			s.template = s.template.Add(-2 * templateEvery)
		}
	}
	if withTemplates != 2 || messages < 3*50*90/700 {
		t.Errorf("%d messages, %d with templates", messages, withTemplates)
	}
	l.Close()
	s.Write(context.Background(), flowLines(t, 1))
	if w, err := s.Write(context.Background(), flowLines(t, 50)); !errors.Is(err, syscall.ECONNREFUSED) || w.Sent != 0 {
		t.Errorf("%+v, %v", w, err)
	}
}

// TestIPFIXTCP: a session begins with templates and number 0, and what the last
// one did not deliver comes again.
func TestIPFIXTCP(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	s := openSink(t, "ipfix+tcp://"+l.Addr().String(), Env{})
	defer s.Close()
	for range 2 {
		if w, err := s.Write(context.Background(), flowLines(t, 1000)); err != nil || w.Sent != 1000 {
			t.Fatalf("%+v, %v", w, err)
		}
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		templates, seen := map[uint16][]ipfixField{}, 0
		for seen < 1000 {
			c.SetReadDeadline(time.Now().Add(5 * time.Second))
			b := make([]byte, 65535)
			if _, err := io.ReadFull(c, b[:16]); err != nil {
				t.Fatal(err)
			}
			n := binary.BigEndian.Uint16(b[2:])
			if _, err := io.ReadFull(c, b[16:n]); err != nil {
				t.Fatal(err)
			}
			m := readIPFIX(t, b[:n], templates)
			if int(m.sequence) != seen || (m.templates == 2) != (seen == 0) {
				t.Fatalf("sequence %d, %d templates after %d", m.sequence, m.templates, seen)
			}
			seen += len(m.records)
		}
		c.Close()
		time.Sleep(50 * time.Millisecond)
		if w, err := s.Write(context.Background(), flowLines(t, 10)); err == nil || w.Sent != 0 {
			t.Errorf("after the end: %+v, %v", w, err)
		}
	}
}

func TestIPFIXURLs(t *testing.T) {
	for _, c := range []struct{ format, to, want string }{
		{"ipfix", "ipfix+udp://h?max=1200&domain=3", ""},
		{"ipfix", "ipfix+tls://h?ca=/x", ""},
		{"ipfix", "ipfix+tcp://h?max=1200", `option "max" is unknown`},
		{"ipfix", "ipfix+udp://h?max=100", "from 512"},
		{"ipfix", "ipfix+udp://", "want a host"},
		{"ipfix", "file:///x", `take format "ipfix"`},
		{"ecs", "ipfix+udp://h", `take format "ipfix"`},
	} {
		err := Config{Format: c.format, To: c.to}.Validate()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s to %s: %v", c.format, c.to, err)
		}
	}
}

func BenchmarkIPFIX(b *testing.B) {
	f, r := newIPFIX(Env{}), flowRecord(new(testing.T), nil)
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst, _ = f.Append(dst[:0], r)
	}
}
