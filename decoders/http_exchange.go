package decoders

import (
	"strings"

	"kagami/records"
	"kagami/sensor"
)

// maxInfo is how many 1xx statuses a record keeps.
const maxInfo = 16

// httpExchange is a transaction under way. The record is written when both
// asked and answered are set, and not touched any more.
type httpExchange struct {
	records.HTTP
	asked    bool               // nothing more will come of the request
	begun    bool               // a response was assigned to it
	answered bool               // nothing more will come of the final response
	simple   bool               // an HTTP/0.9 request: the response has no header section
	kept     int                // octets of strings
	offer    *webSocketOffer    // what the request asks of an upgrade to WebSocket, nil if it does not
	file     [1]records.FileRef // room for ResponseFiles
	sent     httpContent        // of the request
	got      httpContent        // of the final response
}

func (x *httpExchange) note(odd string) {
	if x.Odd == "" {
		x.Odd = odd
	}
}

// next is the oldest transaction without a response, nil if there is none.
func (h *httpDecoder) next() *httpExchange {
	for _, x := range h.queue {
		if !x.begun {
			return x
		}
	}
	return nil
}

// begin adds a transaction to the queue.
func (h *httpDecoder) begin(x *httpExchange) {
	h.depth++
	x.Depth = h.depth
	h.queue = append(h.queue, x)
	h.kept += x.kept
}

// bound keeps the queue within its limits: the oldest transactions that wait
// for a response are written as halves. The newest stays.
func (h *httpDecoder) bound(newest *httpExchange) {
	for n := len(h.queue); n > maxOutstanding || h.kept > maxKept; n-- {
		x := h.next()
		if x == nil || x == newest {
			return
		}
		x.note(oddPipeline)
		x.begun, x.asked, x.answered = true, true, true
		h.kept -= x.kept
		x.kept = 0
		h.skip++
		h.ready = true
	}
}

// flush writes what is complete. Without emit (after a gap) it waits.
func (h *httpDecoder) flush(f *sensor.Flow, emit sensor.Emit) {
	if !h.ready || emit == nil {
		return
	}
	h.ready = false
	left := h.queue[:0]
	for _, x := range h.queue {
		if !x.asked || !x.answered {
			left = append(left, x)
			continue
		}
		h.kept -= x.kept
		x.write(f, emit)
	}
	clear(h.queue[len(left):])
	h.queue = left
}

// write writes the records of the transaction's files and its own.
func (x *httpExchange) write(f *sensor.Flow, emit sensor.Emit) {
	x.sent.close(f, x, emit)
	x.got.close(f, x, emit)
	x.Stamp(f.Meta())
	emit(&x.HTTP)
}

// request takes a complete request header section.
func (h *httpDecoder) request(f *sensor.Flow, s *httpStream, section []byte) {
	var head httpHead
	if !head.parseRequest(section) {
		h.lose(s)
		return
	}
	x := h.ask(f, s, &head, len(section))
	if head.version == "" {
		x.simple, x.Version = true, "0.9"
	}
	s.x = x
	switch {
	case head.coded && head.chunked:
		s.state, s.chunk = httpChunkSize, chunkLine{}
	case head.coded: // RFC 9112 section 6.3: the length cannot be known
		h.abandon(s)
	case head.length > 0 && x.Method != "CONNECT":
		s.state, s.remain = httpBody, head.length
	default:
		h.endMessage(s)
		return
	}
	if s.x != nil {
		x.sent.openRequest(h.files, f, s.side, x, &head)
	}
}

// ask begins a transaction with its request's header section of n octets.
func (h *httpDecoder) ask(f *sensor.Flow, s *httpStream, head *httpHead, n int) *httpExchange {
	x := &httpExchange{}
	x.RequestSeen, x.Start, x.End, x.RequestHeaders = true, s.since, s.now, int64(n)
	h.strings.request(x, head)
	h.strings.url(f, x, head)
	x.offer = newOffer(head)
	x.weigh()
	x.Odd = head.odd
	if len(h.queue) > 0 {
		last := h.queue[len(h.queue)-1]
		if last.begun && !last.answered || !last.begun && last.RequestEnd == s.now {
			h.pipelined = true
		}
	}
	h.begin(x)
	h.bound(x)
	if !h.labelled {
		h.labelled = true
		f.Label("http", labelName(&x.HTTP))
	}
	return x
}

// response takes a complete response header section.
func (h *httpDecoder) response(f *sensor.Flow, s *httpStream, section []byte, emit sensor.Emit) {
	var head httpHead
	head.parseResponse(section)
	x := h.answer(f, s, &head, len(section))
	method := x.Method
	switch status := head.status; {
	case !x.begun: // informational
		s.state = httpIdle
		return
	case status == 101:
		h.switchProtocol(f, x, &head)
		return
	case method == "CONNECT" && status/100 == 2:
		h.openTunnel(f, x, emit)
		return
	}
	s.x = x
	switch {
	case method == "HEAD" || head.status == 204 || head.status == 304:
		h.endMessage(s)
	case head.coded && head.chunked:
		s.state, s.chunk = httpChunkSize, chunkLine{}
	case head.coded || head.length < 0:
		s.state = httpUntilClose
	case head.length > 0:
		s.state, s.remain = httpBody, head.length
	default:
		h.endMessage(s)
	}
	if s.x != nil {
		x.got.openResponse(h.files, f, s.side, x, &head)
	}
	if method == "CONNECT" {
		h.refuseTunnel(f, emit)
	}
}

// answer assigns a response's header section of n octets to its transaction. An
// informational response leaves the transaction waiting.
func (h *httpDecoder) answer(f *sensor.Flow, s *httpStream, head *httpHead, n int) *httpExchange {
	x := h.asker()
	if x == nil {
		x = &httpExchange{asked: true}
		x.Start = s.since
		h.begin(x)
	}
	x.End = max(x.End, s.now)
	if head.odd != "" {
		x.note(head.odd)
	}
	if head.status/100 == 1 && head.status != 101 {
		x.inform(head.status, head.reason)
		return x
	}
	x.begun, x.ResponseSeen, x.Status, x.ResponseFrom = true, true, head.status, s.since
	x.ResponseHeaders, x.ResponseWire = int64(n), int64(n)
	h.strings.response(x, head)
	if !h.labelled {
		h.labelled = true
		f.Label("http", "")
	}
	return x
}

// inform notes an informational response.
func (x *httpExchange) inform(status int, reason []byte) {
	if len(x.Info) < maxInfo {
		x.Info = append(x.Info, status)
	} else {
		x.note(oddManyInfo)
	}
	x.InfoReason = string(reason[:min(len(reason), maxValue)])
}

// trailer notes the name of a field in a trailer section.
func (x *httpExchange) trailer(name string) {
	if len(x.Trailers) < maxTrailers {
		x.Trailers = append(x.Trailers, strings.Clone(name[:min(len(name), maxTrailerName)]))
	} else {
		x.note(oddManyTrailers)
	}
}

// asker is the transaction that the next response belongs to, nil when its
// request was not seen. After a gap that may have swallowed responses, a client
// that does not pipeline can only be waiting for its last request's.
func (h *httpDecoder) asker() *httpExchange {
	if h.missed {
		h.missed, h.skip = false, 0
		for {
			x := h.next()
			if x == nil || x == h.queue[len(h.queue)-1] || x == h.up.x {
				break
			}
			x.Gap, x.begun, x.asked, x.answered = true, true, true, true
			h.ready = true
			if h.pipelined {
				break
			}
		}
	}
	if h.skip > 0 {
		h.skip--
		return nil
	}
	return h.next()
}

// endMessage follows the last octet of a request or final response.
func (h *httpDecoder) endMessage(s *httpStream) {
	x := s.x
	x.End = max(x.End, s.now)
	s.x, s.state = nil, httpIdle
	if s == &h.up {
		x.RequestEnd, x.RequestComplete, x.asked = s.now, true, true
		if x.Method == "CONNECT" {
			s.state, s.x, s.remain = httpAwait, x, 0
		}
	} else {
		x.ResponseComplete, x.answered = true, true
	}
	h.ready = h.ready || x.asked && x.answered
}

// abandon ends an incomplete message and loses synchronisation.
func (h *httpDecoder) abandon(s *httpStream) {
	if x := s.x; s == &h.up {
		x.asked = true
	} else {
		x.begun, x.answered = true, true
		if h.up.x == x && h.up.state == httpAwait {
			h.up.x = nil
			h.lose(&h.up)
		}
		if h.tunnel == x {
			h.tunnel = nil
		}
	}
	s.x = nil
	missed := h.missed
	h.lose(s)
	h.missed, h.ready = missed, true // this response was not missed, only cut
}

// closeStream ends what the end of the connection ends or cuts.
func (h *httpDecoder) closeStream(f *sensor.Flow, s *httpStream) {
	switch s.state {
	case httpInHead:
		h.cut(f, s, s.held)
	case httpUntilClose:
		if f.Finished(s.side) {
			h.endMessage(s)
		} else {
			h.abandon(s) // cut off by a RST, a time-out or the end of the capture
		}
	case httpBody, httpChunkSize, httpChunk, httpChunkEnd, httpTrailer:
		h.abandon(s)
	}
}

// content takes octets of a body, transfer coding removed.
func (h *httpDecoder) content(f *sensor.Flow, s *httpStream, b []byte, emit sensor.Emit) {
	h.count(s, int64(len(b)), int64(len(b)))
	h.contentOf(s).write(f, s.now, b, emit)
}

func (h *httpDecoder) contentOf(s *httpStream) *httpContent {
	if s == &h.up {
		return &s.x.sent
	}
	return &s.x.got
}

// count adds octets of content, and of the message as it is on the wire.
func (h *httpDecoder) count(s *httpStream, content, wire int64) {
	x := s.x
	x.End = max(x.End, s.now)
	if s == &h.up {
		x.RequestBody += content
	} else {
		x.ResponseBody += content
		x.ResponseWire += wire
	}
}
