package decoders

import (
	"bytes"

	"kagami/sensor"
)

// http2Stream is one stream: a request and its response.
type http2Stream struct {
	httpExchange
	id    uint32
	inner sensor.Decoder // reads what an extended CONNECT carries, nil: nothing does
	leave int            // reset by the client: frames of the server until it is written
}

// find is the open stream id, nil if there is none.
func (d *http2Decoder) find(id uint32) *http2Stream {
	for i := len(d.streams) - 1; i >= 0; i-- {
		if d.streams[i].id == id {
			return d.streams[i]
		}
	}
	return nil
}

// open begins a stream. When too many are open, the oldest is written as it is.
func (d *http2Decoder) open(f *sensor.Flow, id uint32, since int64) *http2Stream {
	d.depth++
	st := &http2Stream{id: id}
	st.Depth, st.Stream, st.Start = d.depth, id, since
	d.streams = append(d.streams, st)
	return st
}

// bound keeps the open streams within their limits. The newest stays.
func (d *http2Decoder) bound() {
	n, kept := 0, d.kept
	for _, st := range d.streams {
		if !st.asked || !st.answered {
			n++
		}
	}
	for _, st := range d.streams[:len(d.streams)-1] {
		if n <= maxStreams && kept <= maxKept {
			return
		}
		if !st.asked || !st.answered {
			st.note(oddStreams)
			st.asked, st.answered, d.ready = true, true, true
			n--
			kept -= st.kept
		}
	}
}

// flush writes what is complete.
func (d *http2Decoder) flush(f *sensor.Flow, emit sensor.Emit) {
	if !d.ready {
		return
	}
	d.ready = false
	left := d.streams[:0]
	for _, st := range d.streams {
		if !st.asked || !st.answered {
			left = append(left, st)
			continue
		}
		d.kept -= st.kept
		if st.leave > 0 {
			d.leaving--
		}
		if st.inner != nil {
			st.inner.Close(f, emit)
		}
		st.write(f, emit)
		d.forgetStream(st)
	}
	clear(d.streams[len(left):])
	d.streams = left
}

// forgetStream sees to it that no frame still to come is taken for another stream's.
func (d *http2Decoder) forgetStream(st *http2Stream) {
	for _, s := range [...]*http2Side{&d.up, &d.down} {
		if s.stream == st {
			s.stream = nil
		}
	}
	if st.Odd != oddStreams {
		d.ended[d.endedAt] = st.id
		d.endedAt = (d.endedAt + 1) % maxEnded
	}
}

// over tells that a stream was written: what still comes of it was under way when
// the other side reset it.
func (d *http2Decoder) over(id uint32) bool {
	for _, e := range &d.ended {
		if e == id {
			return true
		}
	}
	return false
}

// headers takes a header list: a request's, a response's, an informational
// response's, or trailers.
func (d *http2Decoder) headers(f *sensor.Flow, s *http2Side, b *headerBlock) {
	id := b.stream
	if b.promised != 0 {
		id = b.promised
	}
	st := d.find(id)
	switch {
	case st == nil && (id == 0 || d.over(id)):
		return
	case st == nil:
		st = d.open(f, id, b.since)
		st.asked = s == &d.down // its request was not seen
	}
	st.Gap = st.Gap || d.list.gap
	switch {
	case b.promised != 0 && st.RequestSeen:
		st.note(oddPromise)
	case b.promised != 0:
		st.Pushed = true
		d.request(f, st, s, b)
		st.RequestEnd, st.RequestComplete, st.asked = s.now, true, true
	case s == &d.up && !st.RequestSeen:
		st.asked = false
		d.request(f, st, s, b)
	case s == &d.down && !st.ResponseSeen:
		d.response(f, st, s, b)
	default:
		st.trailers(&d.list)
		st.wire(s == &d.up, b.wire, s.now)
	}
	if odd := d.list.head.odd; odd != "" {
		st.note(odd)
	}
	if b.end {
		d.endStream(st, s)
	}
	d.bound()
}

// request takes a request's header list.
func (d *http2Decoder) request(f *sensor.Flow, st *http2Stream, s *http2Side, b *headerBlock) {
	l, x := &d.list, &st.httpExchange
	if len(l.head.method) == 0 && !l.unseen {
		l.head.note(oddNoMethod)
	}
	x.RequestSeen, x.RequestHeaders = true, int64(b.wire)
	x.Start, x.End = b.since, max(x.End, s.now)
	d.strings.request(x, &l.head)
	d.strings.http2URL(f, x, l)
	x.Version = "2"
	x.weigh()
	d.kept += x.kept
	if !d.labelled {
		d.labelled = true
		f.Label("http", labelName(&x.HTTP))
	}
	if x.Method == "CONNECT" {
		x.Tunnel = upgradeName(l.protocol)
		x.offer = newOffer(&l.head)
		return
	}
	if !b.end {
		x.sent.openRequest(d.files, f, s.side, x, &l.head)
	}
}

// response takes a response's header list.
func (d *http2Decoder) response(f *sensor.Flow, st *http2Stream, s *http2Side, b *headerBlock) {
	l, x := &d.list, &st.httpExchange
	x.End = max(x.End, s.now)
	status := l.head.status
	if status/100 == 1 {
		x.inform(status, nil)
		return
	}
	if status == 0 && !l.unseen {
		l.head.note(oddNoStatus)
	}
	x.begun, x.ResponseSeen, x.Status, x.ResponseFrom = true, true, status, b.since
	x.ResponseHeaders, x.ResponseWire = int64(b.wire), int64(b.wire)
	d.strings.response(x, &l.head)
	x.ResponseVersion = "2"
	if !d.labelled {
		d.labelled = true
		f.Label("http", "")
	}
	switch {
	case x.Method == "CONNECT" && status/100 == 2:
		if x.Tunnel == webSocketName {
			st.inner = newWebSocket(x, &l.head)
		}
	case !b.end && x.Method != "HEAD":
		x.got.openResponse(d.files, f, s.side, x, &l.head)
	}
}

// trailers takes a trailer section.
func (x *httpExchange) trailers(l *http2List) {
	for _, name := range l.names {
		x.trailer(name)
	}
}

// endStream follows the last frame of one direction of a stream.
func (d *http2Decoder) endStream(st *http2Stream, s *http2Side) {
	if s == &d.up {
		st.asked = true
		st.RequestEnd, st.RequestComplete = s.now, st.RequestSeen
	} else if st.ResponseSeen || !st.RequestSeen {
		st.answered, st.ResponseComplete = true, st.ResponseSeen
	}
	d.ready = d.ready || st.asked && st.answered
}

// reset follows RST_STREAM: nothing more comes of the stream. But when the client
// sent it, an answer may be under way.
func (d *http2Decoder) reset(s *http2Side, id uint32, code string) {
	st := d.find(id)
	if st == nil {
		return
	}
	answered := st.answered || s == &d.down
	st.reset(code)
	if st.answered = answered; answered {
		d.ready = true
	} else if st.leave == 0 {
		st.leave = maxUnderWay
		d.leaving++
	}
}

// leaves counts a frame of the server for the streams that the client reset.
func (d *http2Decoder) leaves() {
	for _, st := range d.streams {
		if st.leave == 0 {
			continue
		}
		if st.leave--; st.leave == 0 {
			st.answered, d.ready = true, true
			d.leaving--
		}
	}
}

func (st *http2Stream) reset(code string) {
	if st.Reset == "" {
		st.Reset = code
	}
	st.asked, st.answered = true, true
}

// goAway follows GOAWAY: the streams of the other side above last were not and
// will not be looked at (RFC 9113 section 6.8).
func (d *http2Decoder) goAway(s *http2Side, last uint32, code string) {
	d.goaway = code
	for _, st := range d.streams {
		ofClient := st.id%2 == 1
		if ofClient == (s == &d.down) && st.id > last {
			st.reset(code)
			d.ready = true
		}
	}
}

// content takes octets of DATA frames.
func (st *http2Stream) content(f *sensor.Flow, s *http2Side, up bool, b []byte, emit sensor.Emit) {
	x := &st.httpExchange
	switch {
	case x.Method == "CONNECT":
		if up {
			x.TunnelFromOrig += int64(len(b))
		} else {
			x.TunnelFromResp += int64(len(b))
		}
		if st.inner != nil {
			st.inner.Data(f, s.side, b, emit)
		}
	case up:
		x.RequestBody += int64(len(b))
		x.sent.write(f, s.now, b, emit)
	default:
		x.ResponseBody += int64(len(b))
		x.got.write(f, s.now, b, emit)
	}
}

// gap counts lost octets of DATA frames.
func (st *http2Stream) gap(f *sensor.Flow, s *http2Side, up bool, n int) {
	x := &st.httpExchange
	switch {
	case x.Method == "CONNECT":
		if up {
			x.TunnelFromOrig += int64(n)
		} else {
			x.TunnelFromResp += int64(n)
		}
		if st.inner != nil {
			st.inner.Gap(f, s.side, n)
		}
	case up:
		x.RequestBody += int64(n)
		x.sent.gap(f, int64(n))
	default:
		x.ResponseBody += int64(n)
		x.got.gap(f, int64(n))
	}
}

// wire counts octets of a frame as it is on the wire.
func (st *http2Stream) wire(up bool, n int, now int64) {
	st.End = max(st.End, now)
	if !up {
		st.ResponseWire += int64(n)
	}
}

func (d *http2Decoder) noteStream(id uint32, odd string) {
	if st := d.find(id); st != nil {
		st.note(odd)
	}
}

// http2URL fills in Target, Host and URL (RFC 9113 section 8.3.1).
func (h *httpStrings) http2URL(f *sensor.Flow, x *httpExchange, l *http2List) {
	head := &l.head
	authority := l.authority
	if len(authority) == 0 {
		authority = head.host
	} else if head.host != nil && !bytes.Equal(authority, head.host) {
		head.note(oddHosts)
	}
	if i := bytes.LastIndexByte(authority, '@'); i >= 0 { // deprecated, and may be a password
		head.note(oddAuthority)
		authority = authority[i+1:]
	}
	if bytes.ContainsAny(authority, notInHost) {
		head.note(oddHost)
		authority = nil
	}
	if x.Method == "CONNECT" && len(l.protocol) == 0 {
		x.Target = string(authority)
		x.Proxied, x.Host, x.URL = true, x.Target, x.Target
		return
	}
	scheme := l.scheme
	if tokenLen(scheme) < len(scheme) || len(scheme) == 0 {
		scheme = []byte("http")
	}
	h.originURL(f, x, scheme, authority, head.target)
}
