package decoders

import "bytes"

// httpFields are the values of the fields that records tell of or that message
// framing needs. Of a repeated field the first counts; of a list (RFC 9110
// section 5.3) the lines are joined.
type httpFields struct {
	host, referrer, agent, origin, byteRange, upgrade []byte
	authorization, proxyAuth                          []byte
	contentType, contentEncoding, disposition         []byte

	via, forwarded, forwardedFor, forwardedFrom, clientIP []byte // what proxies add
	proxyConnection, xroxyConnection                      []byte

	location, server, contentRange, age, xCache, cacheStatus []byte

	wsKey, wsAccept, wsProtocol, wsExtension []byte
}

// set takes one field. Its name may be in any case, its value untrimmed.
func (h *httpHead) set(name, value []byte) {
	if h.fields++; h.fields == maxHeadFields+1 {
		h.note(oddManyFields)
	}
	switch len(name) {
	case len("via"):
		joinField(&h.via, name, "via", value)
		keepField(&h.age, name, "age", value)
	case len("host"):
		if h.host != nil && equalFold(name, "host") && !bytes.Equal(h.host, trimBlank(value)) {
			h.note(oddHosts)
		}
		keepField(&h.host, name, "host", value)
	case len("range"):
		keepField(&h.byteRange, name, "range", value)
	case len("server"):
		keepField(&h.server, name, "server", value)
		keepField(&h.origin, name, "origin", value)
	case len("referer"):
		keepField(&h.referrer, name, "referer", value)
		keepField(&h.upgrade, name, "upgrade", value)
		joinField(&h.xCache, name, "x-cache", value)
	case len("location"):
		keepField(&h.location, name, "location", value)
	case len("forwarded"):
		joinField(&h.forwarded, name, "forwarded", value)
		keepField(&h.clientIP, name, "client-ip", value)
	case len("user-agent"):
		keepField(&h.agent, name, "user-agent", value)
	case len("content-type"):
		keepField(&h.contentType, name, "content-type", value)
		joinField(&h.cacheStatus, name, "cache-status", value)
	case len("authorization"):
		keepField(&h.authorization, name, "authorization", value)
		keepField(&h.contentRange, name, "content-range", value)
	default:
		h.setLong(name, value)
	}
}

// setLong takes the fields whose names are longer than "authorization".
func (h *httpHead) setLong(name, value []byte) {
	switch len(name) {
	case len("content-length"):
		if equalFold(name, "content-length") {
			h.contentLength(trimBlank(value))
		}
	case len("x-forwarded-for"):
		joinField(&h.forwardedFor, name, "x-forwarded-for", value)
	case len("content-encoding"):
		keepField(&h.contentEncoding, name, "content-encoding", value)
		keepField(&h.proxyConnection, name, "proxy-connection", value)
		keepField(&h.xroxyConnection, name, "xroxy-connection", value)
		joinField(&h.forwardedFrom, name, "x-forwarded-from", value)
	case len("transfer-encoding"):
		if equalFold(name, "transfer-encoding") {
			h.transferEncoding(trimBlank(value))
		} else {
			keepField(&h.wsKey, name, "sec-websocket-key", value)
		}
	case len("proxy-authorization"):
		keepField(&h.proxyAuth, name, "proxy-authorization", value)
		keepField(&h.disposition, name, "content-disposition", value)
	case len("sec-websocket-accept"):
		keepField(&h.wsAccept, name, "sec-websocket-accept", value)
	case len("sec-websocket-protocol"):
		joinField(&h.wsProtocol, name, "sec-websocket-protocol", value)
	case len("sec-websocket-extensions"):
		joinField(&h.wsExtension, name, "sec-websocket-extensions", value)
	}
}

// keepField keeps a field's first value; an empty one counts too.
func keepField(dst *[]byte, name []byte, lower string, value []byte) {
	if *dst == nil && equalFold(name, lower) {
		value = trimBlank(value)
		*dst = value[:min(len(value), maxValue)]
	}
}

// joinField keeps a list's value, lines joined as one would be sent.
func joinField(dst *[]byte, name []byte, lower string, value []byte) {
	if *dst == nil {
		keepField(dst, name, lower, value)
	} else if len(*dst) < maxValue && equalFold(name, lower) {
		joined := append(append([]byte(nil), *dst...), ", "...)
		joined = append(joined, trimBlank(value)...)
		*dst = joined[:min(len(joined), maxValue)]
	}
}

// contentLength reads RFC 9110 section 8.6; a list of equal numbers is allowed.
func (h *httpHead) contentLength(value []byte) {
	for more := true; more; {
		var item []byte
		item, value, more = bytes.Cut(value, []byte{','})
		n, ok := decimal(trimBlank(item))
		switch {
		case !ok:
			h.note(oddBadLength)
		case h.length < 0:
			h.length = n
		case h.length != n:
			h.note(oddLengths)
		}
	}
}

// decimal reads at most 18 digits, leading zeros not counted.
func decimal(b []byte) (n int64, ok bool) {
	digits := bytes.TrimLeft(b, "0")
	if len(b) == 0 || len(digits) > 18 {
		return 0, false
	}
	b = digits
	for _, c := range b {
		if !isDigit(c) {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// transferEncoding reads RFC 9112 section 6.1: only the last coding of the last
// field decides how the message ends.
func (h *httpHead) transferEncoding(value []byte) {
	last := trimBlank(value[bytes.LastIndexByte(value, ',')+1:])
	if equalFold(last, "identity") {
		return
	}
	h.coded, h.chunked = true, equalFold(last, "chunked")
	if !h.chunked {
		h.note(oddTransferCoding)
	}
}
