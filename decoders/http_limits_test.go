package decoders

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

// recorderProtocol stands for TLS inside a tunnel: its messages begin with
// 0x16, and it labels the flow with the first ones it was given, joined.
func recorderProtocol() sensor.Protocol {
	return sensor.Protocol{
		Name: "recorder", Transport: packet.ProtoTCP,
		Match: func(_ *sensor.Flow, _ packet.Side, first []byte) sensor.Match {
			if first[0] == 0x16 {
				return sensor.FromClient
			}
			return sensor.No
		},
		New: func() sensor.Decoder { return &recorder{} },
	}
}

type recorder struct {
	side packet.Side
	got  []byte
}

func (r *recorder) Data(f *sensor.Flow, side packet.Side, data []byte, _ sensor.Emit) sensor.Verdict {
	if r.got == nil {
		r.side = side
	}
	if side == r.side {
		r.got = append(r.got, data...)
	}
	return sensor.More
}

func (r *recorder) Gap(*sensor.Flow, packet.Side, int) sensor.Verdict { return sensor.More }

func (r *recorder) Close(f *sensor.Flow, _ sensor.Emit) {
	f.Label("recorder", string(r.got[1:]))
}

func TestHTTPOutstandingRequestsAreBounded(t *testing.T) {
	d := newTester()
	var steps []octets
	const sent = maxOutstanding + 3
	for i := range sent {
		steps = append(steps, clientSays(fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: h\r\n\r\n", i)))
	}
	for range sent {
		steps = append(steps, serverSays(ok3))
	}
	d.play(steps, uncut)
	// Three halves, then their responses, then uncut transactions.
	if len(d.records) != sent+3 {
		t.Fatalf("%d records", len(d.records))
	}
	for i, want := range []string{
		"1 GET http://h/0 1.1 > - odd=too many outstanding requests",
		"2 GET http://h/1 1.1 > - odd=too many outstanding requests",
		"3 GET http://h/2 1.1 > - odd=too many outstanding requests",
		"132 - > 200 3", "133 - > 200 3", "134 - > 200 3",
		"4 GET http://h/3 1.1 > 200 3",
	} {
		if got := line(d.records[i]); got != want {
			t.Errorf("record %d: %s, want %s", i, got, want)
		}
	}
	if got := line(d.records[len(d.records)-1]); got != "131 GET http://h/130 1.1 > 200 3" {
		t.Error(got)
	}
}

func TestHTTPKeptStringsAreBounded(t *testing.T) {
	h := testHTTP().New().(*httpDecoder)
	f := sensor.NewTestFlow(packet.ProtoTCP)
	request := "GET /" + strings.Repeat("a", 10000) + " HTTP/1.1\r\nHost: h\r\n\r\n"
	written := 0
	for range 100 {
		h.Data(f, packet.FromA, []byte(request), func(records.Record) { written++ })
		if h.kept > maxKept {
			t.Fatalf("%d octets kept", h.kept)
		}
	}
	if want := 100 - maxKept/(2*maxTarget); written < 90 || written > want+8 {
		t.Errorf("%d requests written", written)
	}
}

// A client that sends its header section octet by octet, for ever.
func TestHTTPSlowloris(t *testing.T) {
	h := testHTTP().New().(*httpDecoder)
	f := sensor.NewTestFlow(packet.ProtoTCP)
	written := 0
	emit := func(records.Record) { written++ }
	stream := "GET / HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("X-a: b\r\n", 3*maxHead/8)
	for i := range len(stream) {
		h.Data(f, packet.FromA, []byte(stream[i:i+1]), emit)
		if len(h.up.held) > maxHead {
			t.Fatalf("%d octets held", len(h.up.held))
		}
	}
	if h.up.state != httpLost || cap(h.up.held) > heldRoom {
		t.Errorf("state %d, room for %d octets kept", h.up.state, cap(h.up.held))
	}
	h.Close(f, emit)
	if written != 1 {
		t.Errorf("%d records", written)
	}
}

func TestHTTPGivesUp(t *testing.T) {
	h := testHTTP().New().(*httpDecoder)
	f := sensor.NewTestFlow(packet.ProtoTCP)
	junk := bytes.Repeat([]byte{0xff}, 4096)
	emit := func(records.Record) {}
	verdict := h.Data(f, packet.FromA, []byte(get), emit)
	for range maxLost/len(junk) + 1 {
		if verdict != sensor.More {
			t.Fatal("gave up early")
		}
		h.Data(f, packet.FromA, junk, emit)
		verdict = h.Data(f, packet.FromB, junk, emit)
	}
	h.Data(f, packet.FromA, junk, emit)
	if verdict = h.Data(f, packet.FromB, junk, emit); verdict != sensor.Done {
		t.Error("both directions are lost for good, yet it goes on")
	}
}

// What a client sends before its CONNECT is answered is bounded, and counted.
func TestHTTPEarlyTunnelIsBounded(t *testing.T) {
	long := "G" + strings.Repeat("a", 2*maxEarly)
	d := newTester(recorderProtocol())
	d.play([]octets{clientSays(connect), clientSays(long), serverSays(opened)}, uncut)
	want := fmt.Sprintf("1 CONNECT www.example:443 1.1 > 200 0 tunnel=//%d/0 odd=%s proxied", len(long), oddEarly)
	if got := line(d.records[0]); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	h := testHTTP().New().(*httpDecoder)
	f := sensor.NewTestFlow(packet.ProtoTCP)
	h.Data(f, packet.FromA, []byte(connect+long), nil)
	if len(h.up.held) != maxEarly {
		t.Errorf("%d octets held", len(h.up.held))
	}
}

// FuzzHTTP plays any octets, from either side, in any pieces, with gaps.
// Input: operations of a control octet (bit 0 the side, bit 1 a gap), a length
// octet, and that many octets.
func FuzzHTTP(f *testing.F) {
	for _, c := range captured(f, packet.ProtoTCP, 80, 3128, 5000) {
		f.Add(c.framed())
	}
	for _, c := range allHTTPCases() {
		var in []byte
		for _, s := range c.steps {
			if s.gap > 0 {
				in = append(in, byte(s.side)|2, byte(s.gap))
			}
			for data := s.data; len(data) > 0 && len(in) < 8192; {
				n := min(len(data), 255)
				in = append(append(in, byte(s.side), byte(n)), data[:n]...)
				data = data[n:]
			}
		}
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		flow := sensor.NewTestFlow(packet.ProtoTCP, testHTTP(), recorderProtocol())
		h := testHTTP().New().(*httpDecoder)
		var got []*records.HTTP
		var copies []records.HTTP
		emit := func(r records.Record) {
			if x, ok := r.(*records.HTTP); ok {
				got, copies = append(got, x), append(copies, *x)
			}
		}
		for now := int64(1); len(in) >= 2; now++ {
			side, n := packet.Side(in[0]&1), int(in[1])
			gap := in[0]&2 != 0 && n > 0
			in = in[2:]
			if gap {
				flow.TestSent(side, n, now)
				h.Gap(flow, side, n)
				continue
			}
			n = min(n, len(in))
			if n == 0 {
				continue
			}
			flow.TestSent(side, n, now)
			h.Data(flow, side, in[:n:n], emit)
			in = in[n:]
			checkBounds(t, h)
		}
		h.Close(flow, emit)
		for i, x := range got {
			checkRecord(t, x)
			if fmt.Sprint(*x) != fmt.Sprint(copies[i]) {
				t.Errorf("record %d changed after it was written", i)
			}
		}
	})
}

func checkBounds(t *testing.T, h *httpDecoder) {
	t.Helper()
	if len(h.queue) > maxOutstanding+1 || h.kept < 0 || len(h.up.held) > maxHead || len(h.down.held) > maxHead {
		t.Errorf("queue %d, kept %d, held %d and %d", len(h.queue), h.kept, len(h.up.held), len(h.down.held))
	}
	kept := 0
	for _, x := range h.queue {
		kept += x.kept
	}
	if kept != h.kept {
		t.Errorf("kept %d octets, counted %d", kept, h.kept)
	}
}

func checkRecord(t *testing.T, x *records.HTTP) {
	t.Helper()
	switch {
	case x.End < x.Start, x.Start == 0, x.Depth < 1,
		x.RequestBody < 0, x.ResponseBody < 0, x.ResponseWire < x.ResponseHeaders+x.ResponseBody,
		x.ResponseComplete && !x.ResponseSeen, x.RequestComplete && !x.RequestSeen,
		len(x.URL) > maxTarget+maxValue+64, len(x.Info) > maxInfo, len(x.UserAgent) > maxValue, len(x.Reason) > maxValue:
		t.Errorf("%s: %+v", line(x), x)
	}
	x.AppendFields(nil)
}
