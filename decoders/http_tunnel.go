package decoders

import (
	"bytes"

	"kagami/packet"
	"kagami/sensor"
)

// await keeps what a client sends after CONNECT until the proxy answers. What
// cannot be another request is the tunnel's content, whether the proxy's
// direction is visible or not.
func (h *httpDecoder) await(f *sensor.Flow, s *httpStream, data []byte) int {
	if c := data[0]; len(s.held) == 0 && s.remain == 0 && !isToken(c) && c != '\r' && c != '\n' && !f.InTunnel() {
		h.tunnel, h.inner = s.x, f.EnterTunnel()
		f.Session, f.Authority = true, s.x.Host
		s.x, s.state = nil, httpTunnel
		return 0
	}
	n := 0
	if s.remain == 0 {
		n = min(len(data), maxEarly-len(s.held))
		s.held = append(s.held, data[:n]...)
	}
	if s.remain += int64(len(data) - n); n < len(data) {
		s.x.note(oddEarly)
	}
	return len(data)
}

// openTunnel follows a 2xx answer to CONNECT (RFC 9110 section 9.3.6). A tunnel
// within a tunnel is not looked into: its depth would be the sender's choice.
func (h *httpDecoder) openTunnel(f *sensor.Flow, x *httpExchange, emit sensor.Emit) {
	x.ResponseComplete = true
	h.tunnel, h.down.state = x, httpTunnel
	if !f.Session {
		f.Session, f.Authority = true, x.Host
	}
	if h.inner == nil && f.InTunnel() {
		h.opaque = true
	} else if h.inner == nil {
		h.inner = f.EnterTunnel()
	}
	s := &h.up
	if s.state != httpAwait {
		s.state = httpTunnel // from the start, or the CONNECT was not seen whole
		return
	}
	early, dropped := s.held, s.remain
	s.x, s.held, s.state = nil, nil, httpTunnel
	if len(early) > 0 {
		h.feed(f, s, early, emit)
	}
	if dropped > 0 {
		h.gap(f, s, dropped)
	}
}

// refuseTunnel follows any other answer to CONNECT: the client may go on with
// another request.
func (h *httpDecoder) refuseTunnel(f *sensor.Flow, emit sensor.Emit) {
	s := &h.up
	if h.tunnel != nil { // the client did not wait
		h.tunnel = nil
		h.lose(s)
		return
	}
	if s.state != httpAwait {
		return
	}
	early, dropped := s.held, s.remain
	s.x, s.held, s.state = nil, nil, httpIdle
	h.feed(f, s, early, emit)
	if dropped > 0 {
		h.gap(f, s, dropped)
	}
}

// switchProtocol follows a 101 answer (RFC 9110 section 7.8): what comes next
// is not HTTP/1.
func (h *httpDecoder) switchProtocol(f *sensor.Flow, x *httpExchange, head *httpHead) {
	x.ResponseComplete, x.Tunnel = true, upgradeName(head.upgrade)
	h.tunnel, h.up.x = x, nil
	h.up.reset()
	h.up.state, h.down.state = httpTunnel, httpTunnel
	f.Session = true
	switch {
	case x.Tunnel == webSocketName:
		h.inner = newWebSocket(x, head)
	case x.Tunnel == "h2c":
		inner := newHTTP2(h.files)
		inner.upgraded(f, x)
		h.inner = inner
	case x.Tunnel == "tls" && !f.InTunnel(): // RFC 2817
		h.inner = f.EnterTunnel()
	default:
		h.opaque = true
	}
}

// upgradeName is the first protocol's name in lower case: "websocket", "h2c".
func upgradeName(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{','})
	b, _, _ = bytes.Cut(trimBlank(b), []byte{'/'})
	const maxName = 32
	if n := tokenLen(b); n < len(b) || n > maxName {
		return ""
	}
	return string(bytes.ToLower(b))
}

// closeTunnel completes the transaction whose tunnel ends with the connection.
func (h *httpDecoder) closeTunnel(f *sensor.Flow) {
	x := h.tunnel
	if x.Tunnel == "" || x.Tunnel == "tls" {
		x.Tunnel, x.TunnelName = f.Tunnel, f.TunnelName
	}
	if h.left {
		h.up.through += int64(f.Payload(h.up.side) - h.up.from)
		h.down.through += int64(f.Payload(h.down.side) - h.down.from)
	}
	x.TunnelFromOrig, x.TunnelFromResp = h.up.through, h.down.through
	x.End = max(x.End, f.LastFrom(packet.FromA), f.LastFrom(packet.FromB))
}
