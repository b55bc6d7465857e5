package decoders

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"kagami/packet"
	"kagami/records"
	"kagami/sensor"
)

func TestHTTP2OpenStreamsAreBounded(t *testing.T) {
	c, s := newPeer(), newPeer()
	h := testHTTP2().New().(*http2Decoder)
	f := sensor.NewTestFlow(packet.ProtoTCP)
	var got []*records.HTTP
	emit := func(r records.Record) { got = append(got, r.(*records.HTTP)) }
	h.Data(f, packet.FromA, []byte(http2Preface), emit)
	for i := range maxStreams + 3 {
		h.Data(f, packet.FromA, []byte(c.get(uint32(2*i+1), fmt.Sprint("/", i))), emit)
		if len(h.streams) > maxStreams+1 {
			t.Fatalf("%d streams", len(h.streams))
		}
	}
	h.Data(f, packet.FromB, []byte(s.settings()+s.status(1, true, "200")+s.status(7, true, "200")), emit)
	for i, want := range []string{
		"#1 1 GET http://h/0 2 > - odd=too many open streams",
		"#3 2 GET http://h/1 2 > - odd=too many open streams",
		"#5 3 GET http://h/2 2 > - odd=too many open streams",
		"#1 132 - > 200 0",
		"#7 4 GET http://h/3 2 > 200 0",
	} {
		if i >= len(got) || http2Line(got[i]) != want {
			t.Errorf("record %d: %s, want %s", i, http2Lines(got), want)
			break
		}
	}
}

func TestHTTP2KeptStringsAreBounded(t *testing.T) {
	c := newPeer()
	h := testHTTP2().New().(*http2Decoder)
	f := sensor.NewTestFlow(packet.ProtoTCP)
	written := 0
	emit := func(records.Record) { written++ }
	h.Data(f, packet.FromA, []byte(http2Preface), emit)
	for i := range 100 {
		h.Data(f, packet.FromA, []byte(c.get(uint32(2*i+1), "/"+strings.Repeat("a", 7000))), emit)
		if h.kept > maxKept+2*maxTarget {
			t.Fatalf("%d octets kept", h.kept)
		}
	}
	if written < 80 {
		t.Errorf("%d requests written", written)
	}
}

// onHTTP2 gives the client's octets to a new decoder in segments and returns it
// with its records.
func onHTTP2(client string) (*http2Decoder, []string) {
	d := newTester()
	h := testHTTP2().New().(*http2Decoder)
	d.decoder = h
	d.play([]octets{clientSays(http2Preface, client)}, func(n int) int { return min(n, 1000) })
	return h, http2Lines(d.records)
}

func TestHTTP2HeaderBlocksAreBounded(t *testing.T) {
	request := []string{":method", "GET", ":scheme", "http", ":path", "/a", ":authority", "h"}
	var long []string
	for i := range 200 {
		long = append(long, fmt.Sprint("x-", i), strings.Repeat("\x00", 500)) // does not compress
	}
	var bomb []string // a field of the table, named again and again
	for range 100 {
		bomb = append(bomb, "x-bomb", strings.Repeat("b", 3000))
	}
	endless := func(c *h2Peer) string {
		c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.fields(request...), EndStream: true})
		for range 2 * maxContinuations {
			c.framer.WriteContinuation(1, false, nil)
		}
		c.framer.WriteContinuation(1, true, nil)
		return c.said()
	}
	for _, x := range []struct{ name, client, want string }{
		{"block", newPeer().fragments(1, 10, append(request, long...)...), "#1 1  http://192.0.2.1/ 2 > - odd=header section too long"},
		{"list", newPeer().headers(1, true, append(request, bomb...)...), "#1 1 GET http://h/a 2 > - odd=header section too long"},
		{"frames", endless(newPeer()), "#1 1 GET http://h/a 2 > - odd=too many continuation frames"},
	} {
		h, got := onHTTP2(x.client)
		if len(got) != 1 || got[0] != x.want {
			t.Errorf("%s: got %q, want %s", x.name, got, x.want)
		}
		if cap(h.up.block.octets) > heldRoom || cap(h.list.text) > heldRoom {
			t.Errorf("%s: room for %d and %d octets kept", x.name, cap(h.up.block.octets), cap(h.list.text))
		}
	}
}

// A table larger than is followed loses the state, and says so.
func TestHTTP2TableIsBounded(t *testing.T) {
	c := newPeer()
	c.encoder.SetMaxDynamicTableSizeLimit(4 * maxHeaderTable)
	c.encoder.SetMaxDynamicTableSize(4 * maxHeaderTable)
	_, got := onHTTP2(c.get(1, "/a") + c.get(3, "/b"))
	want := "#1 1  http://192.0.2.1/ 2 > - odd=bad header block"
	if len(got) != 2 || got[0] != want || !strings.Contains(got[1], oddHPACK) {
		t.Errorf("got %q", got)
	}
}

func TestHTTP2TrailersAreBounded(t *testing.T) {
	c := newPeer()
	var many []string
	for range 2 * maxTrailers {
		many = append(many, strings.Repeat("a", 100), "b")
	}
	d := newTester()
	d.decoder = testHTTP2().New()
	d.play([]octets{clientSays(http2Preface, c.post(1, "/a"), c.headers(1, true, many...))}, uncut)
	if got := d.records[0].Trailers; len(got) != maxTrailers || len(got[0]) != maxTrailerName {
		t.Errorf("got %q", got)
	}
}

func TestHTTP2GivesUp(t *testing.T) {
	h := testHTTP2().New()
	f := sensor.NewTestFlow(packet.ProtoTCP)
	emit := func(records.Record) {}
	junk := bytes.Repeat([]byte{0xff}, 4096)
	verdict := h.Data(f, packet.FromA, []byte(http2Preface), emit)
	h.Gap(f, packet.FromA, 1)
	h.Gap(f, packet.FromB, 1)
	for range maxLost/len(junk) + 1 {
		if verdict != sensor.More {
			t.Fatal("gave up early")
		}
		h.Data(f, packet.FromA, junk, emit)
		verdict = h.Data(f, packet.FromB, junk, emit)
	}
	if verdict != sensor.Done {
		t.Error("both directions are lost for good, yet it goes on")
	}
}

// FuzzHTTP2 plays any octets, from either side, in any pieces, with gaps; see
// FuzzHTTP for the input.
func FuzzHTTP2(f *testing.F) {
	for _, c := range captured(f, packet.ProtoTCP, 80, 8000) {
		f.Add(c.framed())
	}
	for i := range http2Cases {
		var in []byte
		for _, s := range http2Cases[i].play(newPeer(), newPeer()) {
			if s.gap > 0 {
				in = append(in, byte(s.side)|2, byte(s.gap))
			}
			for data := s.data; len(data) > 0; {
				n := min(len(data), 255)
				in = append(append(in, byte(s.side), byte(n)), data[:n]...)
				data = data[n:]
			}
		}
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		files := newFiles(Default().Files)
		flow := sensor.NewTestFlow(packet.ProtoTCP)
		h := newHTTP2(files)
		emit := func(r records.Record) {
			if x, ok := r.(*records.HTTP); ok {
				checkHTTP2Record(t, x)
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
			if n = min(n, len(in)); n == 0 {
				continue
			}
			flow.TestSent(side, n, now)
			h.Data(flow, side, in[:n:n], emit)
			in = in[n:]
			kept := 0
			for _, st := range h.streams {
				kept += st.kept
			}
			if len(h.streams) > maxStreams+1 || kept != h.kept || len(h.up.block.octets) > maxHead || len(h.down.block.octets) > maxHead {
				t.Errorf("%d streams, kept %d and %d", len(h.streams), kept, h.kept)
			}
		}
		h.Close(flow, emit)
		if files.room.taken.Load() != 0 {
			t.Error("files were not closed")
		}
	})
}

func checkHTTP2Record(t *testing.T, x *records.HTTP) {
	t.Helper()
	switch {
	case x.End < x.Start, x.Start == 0, x.Depth < 1, x.Stream == 0,
		x.RequestBody < 0, x.ResponseBody < 0, x.ResponseWire < x.ResponseHeaders,
		x.ResponseComplete && !x.ResponseSeen, x.RequestComplete && !x.RequestSeen,
		len(x.URL) > maxTarget+maxValue+64, len(x.Info) > maxInfo, len(x.UserAgent) > maxValue, len(x.Trailers) > maxTrailers:
		t.Errorf("%s: %+v", http2Line(x), x)
	}
	x.AppendFields(nil)
}

func BenchmarkHTTP2Transaction(b *testing.B) {
	c, s := newPeer(), newPeer()
	settings := [2]string{http2Preface + c.settings(), s.settings()}
	request := func(id uint32) string {
		return c.get(id, "/assets/app.js", "user-agent", "Mozilla/5.0 (X11; Linux x86_64)", "accept", "*/*", "referer", "http://h/", "cookie", "session=0123456789abcdef")
	}
	response := func(id uint32) string {
		return s.status(id, false, "200", "content-type", "application/javascript", "server", "nginx", "cache-control", "max-age=3600") +
			s.data(id, true, strings.Repeat("/* x */ ", 100))
	}
	request(1)
	response(1) // from here on the table has all
	up, down := []byte(request(3)), []byte(response(3))
	files := newFiles(Default().Files)
	files.config.Enable = false
	h, f := newHTTP2(files), sensor.NewTestFlow(packet.ProtoTCP)
	emit := func(records.Record) {}
	c2, s2 := newPeer(), newPeer()
	*c, *s = *c2, *s2
	h.Data(f, packet.FromA, []byte(settings[0]+request(1)), emit)
	h.Data(f, packet.FromB, []byte(settings[1]+response(1)), emit)
	b.ReportAllocs()
	for b.Loop() {
		clear(h.ended[:]) // the same stream again and again
		h.Data(f, packet.FromA, up, emit)
		h.Data(f, packet.FromB, down, emit)
	}
}

func BenchmarkHTTP2Data(b *testing.B) {
	c, s := newPeer(), newPeer()
	files := newFiles(Default().Files)
	files.config.Enable = false
	h, f := newHTTP2(files), sensor.NewTestFlow(packet.ProtoTCP)
	emit := func(records.Record) {}
	h.Data(f, packet.FromA, []byte(http2Preface+c.settings()+c.get(1, "/a")), emit)
	h.Data(f, packet.FromB, []byte(s.settings()+s.status(1, false, "200")), emit)
	frame := []byte(s.data(1, false, strings.Repeat("x", 1400)))
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		h.Data(f, packet.FromB, frame, emit)
	}
}

func BenchmarkHTTP2Match(b *testing.B) {
	f := sensor.NewTestFlow(packet.ProtoTCP)
	for name, first := range map[string][]byte{"http": browserRequest[:sensor.MatchLimit], "smb": append([]byte("\x00\x00\x00\x55\xffSMB"), make([]byte, 200)...)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				matchHTTP2(f, packet.FromA, first)
			}
		})
	}
}
