package decoders

import (
	"kagami/packet"
	"kagami/sensor"
)

// Limits of one HTTP/2 connection, besides those of header sections, which are
// HTTP/1's.
const (
	maxStreams       = 128                                // streams open at once; more, and the oldest is written as a half
	maxHeaderTable   = 64 << 10                           // octets of an HPACK dynamic table; beyond, the state is lost
	maxContinuations = 64                                 // CONTINUATION frames of a block before it is called odd
	maxUnderWay      = 64                                 // the server's frames for which a stream that the client reset is kept
	maxEnded         = 32                                 // streams remembered of which nothing more is heeded
	maxTrailers      = 16                                 // names of trailer fields kept in a record
	maxTrailerName   = 64                                 // octets of each
	http2Preface     = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" // RFC 9113 section 3.4
)

// Violations of HTTP/2, as they stand in records.HTTP.Odd.
const (
	oddHPACK         = "hpack state lost" // no violation: the table's history was not seen
	oddBlock         = "bad header block"
	oddInterrupted   = "header block interrupted"
	oddBlockCut      = "header block without end"
	oddContinuations = "too many continuation frames"
	oddStreams       = "too many open streams"
	oddPadding       = "bad padding"
	oddPromise       = "promise of an open stream"
	oddNoMethod      = "no method"
	oddNoStatus      = "no status"
)

// http2Protocol is HTTP/2 in clear (RFC 9113) with prior knowledge, on any port.
func http2Protocol(files *files) sensor.Protocol {
	return sensor.Protocol{
		Name:      "http",
		Transport: packet.ProtoTCP,
		Match:     matchHTTP2,
		New:       func() sensor.Decoder { return newHTTP2(files) },
	}
}

// http2Decoder reads one connection: frames of both directions, joined by
// streams. The octets may come from a TCP stream, from behind an upgrade or out
// of a decrypted one.
type http2Decoder struct {
	files    *files
	began    bool
	up, down http2Side      // what client and server send
	streams  []*http2Stream // open ones, in the order of their beginnings
	depth    int            // streams begun
	kept     int            // octets of strings in them
	ready    bool           // one of them is to be written
	ended    [maxEnded]uint32
	endedAt  int
	leaving  int    // streams that the client reset and the server may not know it
	goaway   string // error code of the connection's end, "" if there was none
	labelled bool
	strings  httpStrings
	list     http2List
}

func newHTTP2(files *files) *http2Decoder {
	d := &http2Decoder{files: files}
	d.up.state, d.down.state = http2InPreface, http2InHeader
	return d
}

// upgraded begins where HTTP/1.1 was switched to HTTP/2 (RFC 7540 section 3.2):
// stream 1 has its request already.
func (d *http2Decoder) upgraded(f *sensor.Flow, x *httpExchange) {
	d.begin(f)
	st := d.open(f, 1, x.Start)
	request := x.HTTP
	request.Stream, request.Depth, request.Version = 1, st.Depth, "2"
	request.Info, request.InfoReason, request.Odd = nil, "", ""
	request.RequestFiles, request.FormFields = nil, nil
	request.ResponseSeen, request.Status, request.Reason, request.ResponseVersion = false, 0, "", ""
	request.ResponseFrom, request.ResponseHeaders, request.ResponseWire = 0, 0, 0
	request.Tunnel = ""
	st.HTTP, st.asked = request, true
	st.kept = x.kept
	d.kept += st.kept
}

// Data implements sensor.Decoder.
func (d *http2Decoder) Data(f *sensor.Flow, side packet.Side, data []byte, emit sensor.Emit) sensor.Verdict {
	s := d.side(f, side)
	s.now = f.Now
	if s.state == http2Lost && startsFrame(data) {
		s.state, s.n, s.lost = http2InHeader, 0, 0
	}
	for len(data) > 0 {
		data = data[d.step(f, s, data, emit):]
		d.flush(f, emit)
	}
	return d.verdict()
}

// Gap implements sensor.Decoder.
func (d *http2Decoder) Gap(f *sensor.Flow, side packet.Side, n int) sensor.Verdict {
	s := d.side(f, side)
	s.now = f.Now
	d.gap(f, s, n)
	return d.verdict()
}

// Close implements sensor.Decoder.
func (d *http2Decoder) Close(f *sensor.Flow, emit sensor.Emit) {
	d.endOpenBlock(f, &d.up)
	d.endOpenBlock(f, &d.down)
	for _, st := range d.streams {
		if st.Reset == "" && d.goaway != http2Codes[0] && !(st.asked && st.answered) {
			st.Reset = d.goaway
		}
		st.asked, st.answered = true, true
	}
	d.ready = true
	d.flush(f, emit)
}

// verdict says Done when neither direction has made sense for long.
func (d *http2Decoder) verdict() sensor.Verdict {
	if d.up.lost > maxLost && d.down.lost > maxLost {
		return sensor.Done
	}
	return sensor.More
}

// side is the direction that side sends. Who is the client is settled by the
// first octets.
func (d *http2Decoder) side(f *sensor.Flow, side packet.Side) *http2Side {
	d.begin(f)
	if side == d.up.side {
		return &d.up
	}
	return &d.down
}

func (d *http2Decoder) begin(f *sensor.Flow) {
	if !d.began {
		d.began = true
		d.up.side, d.down.side = f.Orig, f.Orig.Other()
	}
}

// http2Codes are the error codes (RFC 9113 section 7).
var http2Codes = [...]string{
	"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED", "FRAME_SIZE_ERROR",
	"REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
}

func http2Code(code uint32) string {
	if code < uint32(len(http2Codes)) {
		return http2Codes[code]
	}
	return "unknown"
}
