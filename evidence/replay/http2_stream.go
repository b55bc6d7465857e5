package replay

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// stream2 is a stream of HTTP/2, which is a transaction.
type stream2 struct {
	id    uint32
	t     *Transaction
	sides [2]side2 // the client's message, the server's
}

// side2 is one message of a stream.
type side2 struct {
	msg    *Message
	chunks [][2]int64 // content
	holes  []int64    // places in the stream at which an unknown number of octets is missing
	over   bool       // END_STREAM came
	broken bool       // its header block did not decode
	why    string     // why it ended without
}

func (s *half2) index2() int {
	if s.client {
		return 0
	}
	return 1
}

// stream finds a stream or makes it, nil when there are too many.
func (c *conn2) stream(id uint32) *stream2 {
	x := c.streams[id]
	if x == nil {
		if c.full = c.full || !c.r.afford(messageCost); c.full {
			return nil
		}
		if len(c.all) == maxStreams {
			if !c.many {
				c.r.hole(Hole{Kind: HoleLimit, Flow: c.flow, Time: c.flow.First, Text: fmt.Sprintf("more than %d streams", maxStreams)})
			}
			c.many = true
			return nil
		}
		x = &stream2{id: id, t: &Transaction{Flow: c.flow, Stream: id, Request: &Request{}}}
		x.t.Request.Body.Declared = -1
		c.streams[id] = x
		c.all = append(c.all, x)
	}
	return x
}

// interrupt says that an unknown number of octets of all streams that are open may be
// missing.
func (c *conn2) interrupt(s *half2) {
	i := s.index2()
	for _, x := range c.all {
		if y := &x.sides[i]; y.msg != nil && !y.over && y.why == "" {
			at := int64(0)
			if n := len(y.chunks); n > 0 {
				at = y.chunks[n-1][1]
			}
			if n := len(y.holes); n == 0 || y.holes[n-1] != at {
				y.holes = append(y.holes, at)
			}
		}
	}
}

func (c *conn2) dataFrame(s *half2, f *frame) {
	from, to, ok := s.unpad(f)
	x := c.streams[f.stream]
	if x == nil && f.stream != 0 && s.table.unsure {
		x = c.stream(f.stream) // its header was lost
	}
	if x == nil || !ok || f.stream == 0 {
		return
	}
	y := x.message(s)
	if to = min(to, s.size); to > from {
		y.chunks = append(y.chunks, [2]int64{from, to})
	}
	if f.off+f.n > s.size {
		y.why = "the stream ends within a frame"
	}
	s.extend(y.msg, to)
	y.over = y.over || f.has(flagEndStream) && f.off+f.n <= s.size
}

// message is the side's, made if its header was lost.
func (x *stream2) message(s *half2) *side2 {
	y := &x.sides[s.index2()]
	if y.msg == nil {
		if s.client {
			y.msg = &x.t.Request.Message
		} else {
			x.t.Response = &Response{}
			x.t.Response.Body.Declared = -1
			y.msg = &x.t.Response.Message
		}
		y.msg.Version = "HTTP/2"
	}
	return y
}

// extend notes that a message reaches to an offset.
func (s *half2) extend(m *Message, to int64) {
	p := s.at(max(to-1, s.start))
	if m.Time == 0 {
		m.Time, m.Frame = p.time, p.frame
	}
	m.End, m.Till = max(m.End, p.time), max(m.Till, p.frame)
}

func (c *conn2) headersFrame(s *half2, f *frame) {
	from, to, ok := s.unpad(f)
	if f.has(flagPriority) {
		from += 5
	}
	if !ok || from > to || f.stream == 0 {
		c.unsure(s, f.off, HoleSyntax, "a malformed HEADERS frame")
		return
	}
	s.open = &openBlock{stream: f.stream, from: f.off - frameHeader, end: f.has(flagEndStream)}
	c.gather(s, f, from, to)
}

func (c *conn2) pushFrame(s *half2, f *frame) {
	from, to, ok := s.unpad(f)
	b := s.run(from)
	if !ok || to-from < 4 || len(b) < 4 || s.client {
		c.unsure(s, f.off, HoleSyntax, "a malformed PUSH_PROMISE frame")
		return
	}
	s.open = &openBlock{stream: f.stream, promised: binary.BigEndian.Uint32(b) & 0x7fffffff, from: f.off - frameHeader}
	c.gather(s, f, from+4, to)
}

// gather adds to the open header block, and reads it when it is complete.
func (c *conn2) gather(s *half2, f *frame, from, to int64) {
	o := s.open
	if gs := s.gapsIn(from, min(to, s.size)); len(gs) > 0 {
		c.unsure(s, from, gs[0].why, "part of a header block is missing")
		if x := c.stream(o.stream); x != nil && o.promised == 0 {
			y := x.message(s)
			y.broken = true
			s.extend(y.msg, to)
		}
		return
	}
	if to > s.size {
		return // the end of the capture
	}
	if !o.over {
		o.block = append(o.block, s.span(from, to)...)
		o.over = len(o.block) > c.r.limits.Header
	}
	if !f.has(flagEndHeaders) {
		return
	}
	s.open = nil
	if o.over {
		c.unsure(s, o.from, HoleLimit, fmt.Sprintf("a header block of more than %d octets was not read", c.r.limits.Header))
		return
	}
	fs, unknown, over, err := s.table.block(o.block, c.r.limits.Header)
	id := o.stream
	if o.promised != 0 {
		id = o.promised
	}
	x := c.stream(id)
	if x == nil {
		return
	}
	if c.full = c.full || !c.r.afford(messageCost+headCost(fs)); c.full {
		return
	}
	c.header(s, x, o, fs, to)
	kind, text := HoleSyntax, ""
	switch {
	case err != nil:
		text = "a header block does not decode to its end"
	case over:
		kind, text = HoleLimit, fmt.Sprintf("header fields of more than %d octets were left out", c.r.limits.Header)
	case unknown > 0:
		kind, text = HoleMidstream, fmt.Sprintf("header fields that are not known, as they refer to what was not captured: %d", unknown)
	default:
		return
	}
	c.r.hole(Hole{Kind: kind, Flow: c.flow, Transaction: x.t, Time: s.at(o.from).time, Text: text})
}

// headCost is about what header fields take, written and as fields.
func headCost(fs []Field) (n int) {
	for _, f := range fs {
		n += fieldCost + len(f.Name) + len(f.Value)
	}
	return n
}

// header takes a header section: a request's, a response's, or trailers.
func (c *conn2) header(s *half2, x *stream2, o *openBlock, fs []Field, to int64) {
	i := s.index2()
	if o.promised != 0 {
		x.t.Pushed = true
		i = 0
	}
	y := &x.sides[i]
	p := s.at(o.from)
	m := Message{Version: "HTTP/2", Time: p.time, Frame: p.frame, Header: fs}
	m.Body.Declared = -1
	if n, err := strconv.ParseInt(get(fs, "content-length"), 10, 64); err == nil && n >= 0 {
		m.Body.Declared = n
	}
	switch {
	case y.msg != nil:
		y.msg.Trailer = append(y.msg.Trailer, regular(fs)...)
	case i == 0:
		x.t.Request.Message = m
		c.ask(x.t.Request, fs)
		y.msg = &x.t.Request.Message
	default:
		a := &Response{Message: m}
		a.Status, _ = strconv.Atoi(get(fs, ":status"))
		a.answer(fs)
		s.extend(&a.Message, to)
		if a.Status/100 == 1 && !o.end {
			a.Body.Complete = true
			x.t.Early = append(x.t.Early, a)
			return
		}
		x.t.Response = a
		y.msg = &a.Message
	}
	s.extend(y.msg, to)
	y.over = y.over || o.end || o.promised != 0
}

func (c *conn2) ask(q *Request, fs []Field) {
	q.Method, q.Target = get(fs, ":method"), get(fs, ":path")
	q.Header = regular(fs)
	authority, scheme := get(fs, ":authority"), get(fs, ":scheme")
	if q.Method == "CONNECT" {
		q.Target = authority
	}
	if authority != "" && q.Get("host") == "" {
		q.Header = append([]Field{{"host", authority}}, q.Header...)
	}
	if q.Get("host") != "" {
		q.URL = c.r.url(c.flow, q)
	}
	if q.URL != nil && (scheme == "http" || scheme == "https") {
		u := *q.URL
		u.Scheme = scheme
		q.URL = &u
	}
	q.Head = writeHead(q.Method+" "+q.Target+" HTTP/2", q.Header)
}

func (a *Response) answer(fs []Field) {
	a.Header = regular(fs)
	a.Head = writeHead("HTTP/2 "+get(fs, ":status")+" ", a.Header)
}

// regular are the fields that are no pseudo-header fields.
func regular(fs []Field) []Field {
	var rest []Field
	for _, f := range fs {
		if !strings.HasPrefix(f.Name, ":") {
			rest = append(rest, f)
		}
	}
	return rest
}

// writeHead writes a header section the way HTTP/1.1 would. Line ends, which HPACK
// does not forbid, are blanks.
func writeHead(line string, fs []Field) []byte {
	var b bytes.Buffer
	clean := strings.NewReplacer("\r", " ", "\n", " ")
	b.WriteString(clean.Replace(line) + "\r\n")
	for _, f := range fs {
		b.WriteString(clean.Replace(f.Name) + ": " + clean.Replace(f.Value) + "\r\n")
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// reset ends a stream.
func (x *stream2) reset(s *half2, code uint32, off int64) {
	for i := range x.sides {
		if y := &x.sides[i]; !y.over && y.why == "" {
			who := "server"
			if s.client {
				who = "client"
			}
			y.why = fmt.Sprintf("the %s reset the stream: code %d", who, code)
		}
	}
}

// transactions completes the streams and gives their transactions, in order of their
// first frames.
func (c *conn2) transactions() []*Transaction {
	var all []*Transaction
	for _, x := range c.all {
		c.fill(x, &c.up)
		c.fill(x, &c.down)
		c.missing(x)
		all = append(all, x.t)
	}
	return all
}

// missing says what of a transaction was not captured.
func (c *conn2) missing(x *stream2) {
	t := x.t
	switch {
	case t.Response == nil:
		why := "the capture holds no answer"
		if w := x.sides[1].why; w != "" {
			why += ": " + w
		}
		c.r.hole(Hole{Kind: HoleNoAnswer, Flow: c.flow, Transaction: t, Time: t.begin(), Text: why})
	case t.Request.Time == 0:
		c.r.hole(Hole{Kind: HoleNoRequest, Flow: c.flow, Transaction: t, Time: t.Response.Time, Text: "the request was not captured"})
	case t.Response.Status == 304:
		c.r.hole(Hole{Kind: HoleCached, Flow: c.flow, Transaction: t, Time: t.Response.Time,
			Text: "the answer is 304: the client had the content, it was not sent"})
	}
	if t.Request.Method == "CONNECT" && t.Response != nil && t.Response.Status/100 == 2 {
		t.Switched = "connect"
	}
}
