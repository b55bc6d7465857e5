package decoders

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/miekg/dns"

	"kagami/packet"
	"kagami/sensor"
)

// framed is messages as they stand in a TCP stream.
func framedDNS(msgs ...[]byte) (out []byte) {
	for _, m := range msgs {
		out = append(append(out, byte(len(m)>>8), byte(len(m))), m...)
	}
	return out
}

func TestDNSStreamFraming(t *testing.T) {
	q := packed(t, query("example.jp.", dns.TypeAXFR))
	first := packed(t, answered(t, "example.jp.", dns.TypeAXFR, "example.jp. 9 IN SOA a. b. 1 2 3 4 5"))
	more := answered(t, "example.jp.", dns.TypeAXFR, "www.example.jp. 9 IN A 192.0.2.1")
	more.Question = nil
	second := packed(t, more)
	reply := framedDNS(first, second, second)
	for cut := 1; cut <= len(reply); cut++ {
		run := runDNS(dnsTCP(), 53)
		run.at(1, packet.FromA, framedDNS(q))
		for b := reply; len(b) > 0; b = b[min(cut, len(b)):] {
			run.at(3, packet.FromB, b[:min(cut, len(b))])
		}
		run.d.Close(run.f, run.emit)
		if len(run.out) != 4 {
			t.Fatalf("segments of %d octets: %d records, want 4", cut, len(run.out))
		}
		for _, r := range run.out[1:] {
			if r.Name != "example.jp" || r.Type != "AXFR" || r.RTT != 2e6 || len(r.Answers) != 1 || !r.TCP || r.Malformed {
				t.Fatalf("segments of %d octets: %+v", cut, r)
			}
		}
	}
}

func TestDNSStreamEndsEarly(t *testing.T) {
	stream := framedDNS(packed(t, query("www.example.jp.", dns.TypeA)))
	run := runDNS(dnsTCP(), 53)
	run.at(5, packet.FromA, stream[:len(stream)-3])
	run.d.Close(run.f, run.emit)
	if len(run.out) != 1 || !run.out[0].Malformed || run.out[0].Name != "www.example.jp" || run.out[0].Time != 5e6 {
		t.Errorf("%+v", run.out)
	}
}

func TestDNSStreamGap(t *testing.T) {
	q, a := framedDNS(packed(t, query("a.jp.", dns.TypeA))), framedDNS(packed(t, answered(t, "a.jp.", dns.TypeA)))
	run := runDNS(dnsTCP(), 53)
	run.at(0, packet.FromA, q)
	run.at(0, packet.FromB, a[:20])
	run.d.Gap(run.f, packet.FromB, len(a)-20+5)
	run.at(1, packet.FromB, a[5:]) // the rest of a message
	run.at(4, packet.FromB, a)     // and a whole one
	if len(run.out) != 2 || run.out[1].RTT != 4e6 || run.out[1].Malformed {
		t.Errorf("%+v", run.out)
	}
}

func TestDNSStreamGivesUp(t *testing.T) {
	run := runDNS(dnsTCP(), 53)
	run.d.Gap(run.f, packet.FromA, 10)
	run.d.Gap(run.f, packet.FromB, 10)
	for i := range dnsMaxTries + 1 {
		if run.at(0, packet.FromA, []byte("what is this?")) == sensor.Done {
			t.Fatalf("gave up after %d segments of one side", i)
		}
	}
	for range dnsMaxTries {
		run.at(0, packet.FromB, []byte("what is this?"))
	}
	if run.at(0, packet.FromB, []byte("what is this?")) != sensor.Done {
		t.Error("still waiting")
	}
}

func TestDNSStreamMatch(t *testing.T) {
	q, a := framedDNS(packed(t, query("www.example.jp.", dns.TypeA))), framedDNS(packed(t, answered(t, "www.example.jp.", dns.TypeA)))
	for _, c := range []struct {
		name string
		port uint16
		b    []byte
		want sensor.Match
	}{
		{"query", 53, q, sensor.FromClient},
		{"query on any port", 5300, q, sensor.FromClient},
		{"response", 5300, a, sensor.FromServer},
		{"length only", 53, q[:2], sensor.Maybe},
		{"one octet", 53, q[:1], sensor.Maybe},
		{"half a question", 5300, q[:20], sensor.Maybe},
		{"half a question, port 53", 53, q[:20], sensor.FromClient},
		{"HTTP", 53, []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), sensor.No},
		{"TLS", 53, []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03abcdefghijklmnop"), sensor.No},
		{"SSH", 22, []byte("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), sensor.No},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := sensor.NewTestFlow(packet.ProtoTCP)
			f.Key.BPort = c.port
			if got := matchDNSStream(f, packet.FromA, c.b); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// FuzzDNSStream: however a stream is cut, the records are the same.
func FuzzDNSStream(f *testing.F) {
	for i, c := range captured(f, packet.ProtoTCP, 53) {
		f.Add(c.said(packet.FromA), uint64(i))
		f.Add(c.said(packet.FromB), uint64(i))
	}
	q, a := packed(f, query("a.jp.", dns.TypeA)), packed(f, answered(f, "a.jp.", dns.TypeA, "a.jp. 1 IN A 192.0.2.1"))
	f.Add(framedDNS(q, q, a), uint64(1))
	f.Add(framedDNS(a, a)[:40], uint64(2))
	f.Add([]byte{0, 3, 1, 2, 3}, uint64(3))
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		whole, cut := runDNS(dnsTCP(), 53), runDNS(dnsTCP(), 53)
		whole.at(1, packet.FromB, b)
		r := rand.New(rand.NewPCG(seed, 1))
		for rest := b; len(rest) > 0; {
			n := 1 + r.IntN(len(rest))
			cut.at(1, packet.FromB, rest[:n])
			rest = rest[n:]
		}
		whole.d.Close(whole.f, whole.emit)
		cut.d.Close(cut.f, cut.emit)
		if !reflect.DeepEqual(whole.out, cut.out) {
			t.Errorf("whole: %d records, cut: %d", len(whole.out), len(cut.out))
		}
	})
}
