package decoders

import (
	"encoding/binary"

	"kagami/packet"
	"kagami/sensor"
)

// matchHTTP2 recognises HTTP/2 in clear: by the client's preface, by a server's
// SETTINGS, or, in the middle of a connection, by frames that follow each other.
func matchHTTP2(f *sensor.Flow, side packet.Side, first []byte) sensor.Match {
	if n := min(len(first), len(http2Preface)); string(first[:n]) == http2Preface[:n] {
		if n == len(http2Preface) {
			return sensor.FromClient
		}
		return sensor.Maybe
	}
	if first[0] != 0 { // no first frame is that long
		return sensor.No
	}
	frames, ok := frameChain(first)
	switch {
	case !ok:
		return sensor.No
	case frames >= 2 || frames == 1 && isSettings(first):
		return sender(f, side, first)
	case len(first) < sensor.MatchLimit:
		return sensor.Maybe
	}
	return sensor.No
}

// sender tells whose frames they are: by the header block, if the first of them
// that is seen says so, else by who opened the flow.
func sender(f *sensor.Flow, side packet.Side, b []byte) sensor.Match {
	for len(b) > frameHeaderLen {
		h := parseFrameHeader(b)
		at := frameHeaderLen
		if h.kind == frameHeaders {
			if h.has(flagPadded) {
				at++
			}
			if h.has(flagPriority) {
				at += 5
			}
			if at < len(b) {
				if from := firstField(b[at]); from != sensor.No {
					return from
				}
			}
		}
		b = b[min(len(b), frameHeaderLen+h.length):]
	}
	if side == f.Orig {
		return sensor.FromClient
	}
	return sensor.FromServer
}

// firstField tells a request's header block from a response's by its first octet,
// if that names a pseudo-header field of HPACK's static table (RFC 7541 appendix A).
func firstField(c byte) sensor.Match {
	switch {
	case c >= 0x81 && c <= 0x87: // :authority, :method, :path, :scheme, indexed
		return sensor.FromClient
	case c >= 0x88 && c <= 0x8e: // :status, indexed
		return sensor.FromServer
	case c >= 0x41 && c <= 0x47, c >= 0x01 && c <= 0x07: // and with another value
		return sensor.FromClient
	case c == 0x48 || c == 0x08:
		return sensor.FromServer
	}
	return sensor.No
}

// startsFrame tells whether b, a segment, seems to begin with a frame: one that
// others follow, or that fills it.
func startsFrame(b []byte) bool {
	frames, ok := frameChain(b[:min(len(b), sensor.MatchLimit)])
	return ok && (frames >= 2 || frames == 1 && len(b) == frameHeaderLen+parseFrameHeader(b).length)
}

// frameChain counts the frame headers that b has in a row. ok is false when
// something else stands where one should.
func frameChain(b []byte) (frames int, ok bool) {
	for len(b) >= frameHeaderLen {
		h := parseFrameHeader(b)
		if b[5]&0x80 != 0 || !h.plausible() {
			return frames, false
		}
		frames++
		b = b[min(len(b), frameHeaderLen+h.length):]
	}
	return frames, true
}

// plausible tells whether a frame is as RFC 9113 section 6 has it, within the
// sizes that everybody uses.
func (h *frameHeader) plausible() bool {
	const (
		maxGuessed = 16 << 10 // the usual SETTINGS_MAX_FRAME_SIZE
		maxStream  = 1 << 24
		maxSetting = 6 * 32
	)
	if h.length > maxGuessed || h.stream >= maxStream {
		return false
	}
	only := func(flags byte) bool { return h.flags&^flags == 0 }
	switch h.kind {
	case frameData:
		return h.stream != 0 && only(flagEndStream|flagPadded)
	case frameHeaders:
		return h.stream != 0 && h.length > 0 && only(flagEndStream|flagEndHeaders|flagPadded|flagPriority)
	case framePriority:
		return h.stream != 0 && h.length == 5 && only(0)
	case frameReset:
		return h.stream != 0 && h.length == 4 && only(0)
	case frameSettings:
		return h.stream == 0 && h.length%6 == 0 && h.length <= maxSetting && only(flagAck) && (h.flags == 0 || h.length == 0)
	case framePush:
		return h.stream != 0 && h.length > 4 && only(flagEndHeaders|flagPadded)
	case framePing:
		return h.stream == 0 && h.length == 8 && only(flagAck)
	case frameGoAway:
		return h.stream == 0 && h.length >= 8 && only(0)
	case frameWindow:
		return h.length == 4 && only(0)
	case frameContinuation:
		return h.stream != 0 && only(flagEndHeaders)
	}
	return false
}

// isSettings tells whether b begins with a whole SETTINGS frame that has settings
// and only such as are registered, or reserved for greasing (RFC 8701).
func isSettings(b []byte) bool {
	const lastRegistered = 16
	h := parseFrameHeader(b)
	if h.kind != frameSettings || h.length == 0 || len(b) < frameHeaderLen+h.length {
		return false
	}
	for i := 0; i < h.length; i += 6 {
		id := binary.BigEndian.Uint16(b[frameHeaderLen+i:])
		if (id == 0 || id > lastRegistered) && id&0x0f0f != 0x0a0a {
			return false
		}
	}
	return true
}
