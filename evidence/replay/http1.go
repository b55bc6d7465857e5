package replay

import (
	"bytes"
	"fmt"
)

// half1 is one direction of a connection that is parsed.
type half1 struct {
	*reel
	off  int64 // the next octet
	lost bool  // it is not known to begin a message
	held int64 // where the last gap between messages began to matter
	is   func([]byte) bool
}

// conn1 parses HTTP/1.
type conn1 struct {
	r        *reader
	flow     *Flow
	up, down half1
	waiting  []*Transaction // asked and not answered
	expects  *Transaction   // its body may never come: the answer decides
	missed   bool           // answers may have been lost
	piped    bool           // the client asked again before it was answered
	all      []*Transaction
	connect  *Transaction // the CONNECT or upgrade behind which something else goes on
}

// simpleVersion is said by saying none.
const simpleVersion = "HTTP/0.9"

// maxWaiting bounds the requests that wait for an answer.
const maxWaiting = 1 << 14

func isRequestHead(b []byte) bool  { return sniffResponse(b) != http1 && isHead(b) }
func isResponseHead(b []byte) bool { return sniffResponse(b) == http1 && isHead(b) }

func newConn1(r *reader, flow *Flow, up, down *reel) *conn1 {
	c := &conn1{r: r, flow: flow}
	c.up = half1{reel: up, off: up.start, lost: up.start > 0, is: isRequestHead}
	c.down = half1{reel: down, off: down.start, lost: down.start > 0, is: isResponseHead}
	if flow.Midstream { // what is at the front may be the end of something
		c.up.lost = c.up.lost || sniffRequest(up.run(up.start)) != http1
		c.down.lost = c.down.lost || sniffResponse(down.run(down.start)) != http1
	}
	return c
}

// parse reads both directions in the order in which they were spoken.
func (c *conn1) parse() {
	for c.connect == nil {
		up, down := c.up.off < c.up.size, c.down.off < c.down.size
		switch {
		case up && c.expects != nil && !down:
			c.expects = nil
		case up && c.expects == nil && (!down || c.up.turn() < c.down.turn()):
			if c.ready(&c.up) {
				c.request()
			}
		case down:
			if c.ready(&c.down) {
				c.response()
			}
		default:
			c.unanswered(c.waiting, "the capture holds no answer")
			return
		}
	}
}

// turn is when what comes next was said.
func (s *half1) turn() int {
	if g := s.gapAt(s.off); g != nil {
		return s.at(min(g.off+g.n, s.size)).turn
	}
	return s.at(s.off).turn
}

// ready tells whether a message comes next. If not it passes over what does.
func (c *conn1) ready(s *half1) bool {
	if g := s.gapAt(s.off); g != nil {
		c.gap(s, *g)
		s.held, s.off, s.lost = s.off, g.off+g.n, true
		return false
	}
	if b := s.run(s.off); b[0] == '\r' || b[0] == '\n' {
		s.off += int64(len(b) - len(skipEmptyLines(b)))
		return false
	}
	if s.lost || !c.begins(s) {
		c.seek(s)
		return false
	}
	return true
}

// begins tells whether what comes next is meant to be a message.
func (c *conn1) begins(s *half1) bool {
	b := s.run(s.off)
	b = b[:min(len(b), sniffed)]
	switch {
	case s == &c.up:
		line, _, _ := bytes.Cut(b, []byte("\n"))
		_, _, v, ok := requestLine(line)
		return ok && v != simpleVersion || sniffRequest(b) == http1
	case sniffResponse(b) == http1:
		return true
	}
	return len(c.waiting) > 0 && c.waiting[0].Request.Version == simpleVersion
}

func (c *conn1) gap(s *half1, g gap) {
	st := s.at(g.off).stamp
	text := fmt.Sprintf("%s of the %s %s not %s", plural(g.n, "octet"), c.who(s), were(g.n), verbOf(g.why))
	c.r.hole(Hole{Kind: g.why, Flow: c.flow, Time: st.time, Offset: g.off, Length: g.n, Text: text})
	if s == &c.down {
		c.missed = true
	}
}

func (c *conn1) who(s *half1) string {
	if s == &c.up {
		return "client's stream"
	}
	return "server's stream"
}

// seek passes over what begins no message.
func (c *conn1) seek(s *half1) {
	from := s.off
	to := s.findHead(from, s.is)
	if to < 0 {
		to = s.size
	}
	if s == &c.down && c.orphan(from, to) {
		return
	}
	s.off, s.lost = to, false
	if n := s.index(to) - s.index(from); n > 0 {
		kind, text := HoleSyntax, "%s of the %s outside of any message"
		if from == s.start && (c.flow.Midstream || s.start > 0) {
			kind, text = HoleMidstream, "%s of the %s from before the first whole message"
			n += int(s.start)
		}
		c.r.hole(Hole{Kind: kind, Flow: c.flow, Time: s.at(from).time, Offset: from, Length: int64(n),
			Text: fmt.Sprintf(text, plural(n, "octet"), c.who(s))})
	}
	if s == &c.down {
		c.missed = true
	}
}

// message is what a head and its place say.
func (s *half1) message(h *head) Message {
	p := s.at(s.off)
	m := Message{Time: p.time, Frame: p.frame, Header: h.fields, Head: h.raw, turn: p.turn}
	m.Body.Declared = -1
	s.finish(&m, s.off+int64(len(h.raw)))
	return m
}

// finish notes where a message ends.
func (s *half1) finish(m *Message, to int64) {
	p := s.at(max(to-1, s.start))
	m.End, m.Till = p.time, p.frame
}

func (s *half1) head(limit int, request bool) head {
	b := s.run(s.off)
	return readHead(b, limit, s.gapAt(s.off+int64(len(b))) != nil, request)
}

func (c *conn1) request() {
	s := &c.up
	h := s.head(c.r.limits.Header, true)
	method, target, version, ok := requestLine(h.line)
	if !ok {
		s.lost = true
		return
	}
	q := &Request{Message: s.message(&h), Method: method, Target: target}
	q.Version = version
	q.URL = c.r.url(c.flow, q)
	if !c.afford(s, &h) {
		return
	}
	t := &Transaction{Flow: c.flow, Request: q}
	c.add(t)
	s.off += int64(len(h.raw))
	f := framingOf(h.fields)
	q.Body.Declared = f.length
	switch {
	case !h.whole:
		c.brokenHead(s, t, &q.Message, &h)
	case method == "CONNECT":
		q.Body.Complete = true
		c.expects = t
	case f.length > 0 && get(h.fields, "Expect") != "" && isRequestHead(s.run(s.off)):
		q.Body.Why = "not sent: the server was asked first whether it wants it"
	case f.chunked || f.length > 0 || f.coded:
		c.body(s, t, &q.Message, f, false)
	default:
		q.Body.Complete = true
	}
}

// messageCost is about what a message takes besides its octets, fieldCost a field.
const messageCost, fieldCost = 1 << 10, 64

// afford counts a message, or gives up the rest of the connection.
func (c *conn1) afford(s *half1, h *head) bool {
	if c.r.afford(messageCost + len(h.raw) + fieldCost*len(h.fields)) {
		return true
	}
	c.r.hole(Hole{Kind: HoleLimit, Flow: c.flow, Time: s.at(s.off).time, Offset: s.off, Text: noRoom})
	c.up.off, c.down.off = c.up.size, c.down.size
	return false
}

const noRoom = "no more octets are kept in all: the rest of the connection is not told"

func (c *conn1) add(t *Transaction) {
	if n := len(c.waiting); n > 0 && c.waiting[n-1].Request.turn == t.Request.turn {
		c.piped = true
	}
	c.all = append(c.all, t)
	if c.waiting = append(c.waiting, t); len(c.waiting) > maxWaiting {
		c.unanswered(c.waiting[:1], "too many requests wait for an answer")
		c.waiting = c.waiting[1:]
	}
}

// brokenHead deals with a header section of which the end is missing: how long the
// body is nobody knows.
func (c *conn1) brokenHead(s *half1, t *Transaction, m *Message, h *head) {
	m.Body.Why = h.why
	kind := HoleTruncated
	switch {
	case s.gapAt(s.off) != nil:
		kind = s.gapAt(s.off).why
	case len(h.raw) >= c.r.limits.Header:
		kind = HoleLimit
	}
	c.r.hole(Hole{Kind: kind, Flow: c.flow, Transaction: t, Time: m.End, Text: h.why})
	s.lost = true
}

func (c *conn1) response() {
	s := &c.down
	if c.simple() {
		return
	}
	h := s.head(c.r.limits.Header, false)
	version, status, reason, ok := statusLine(h.line)
	if !ok {
		s.lost = true
		return
	}
	if !c.afford(s, &h) {
		return
	}
	a := &Response{Message: s.message(&h), Status: status, Reason: reason}
	a.Version = version
	turn := s.at(s.off).turn
	s.off += int64(len(h.raw))
	f := framingOf(h.fields)
	a.Body.Declared = f.length
	if status/100 == 1 && h.whole && !(status == 101 && switches(a)) {
		c.early(a, turn)
		return
	}
	t := c.asked(turn)
	if t == nil {
		t = &Transaction{Flow: c.flow, Request: &Request{}}
		t.Request.Body.Declared = -1
		c.all = append(c.all, t)
		c.r.hole(Hole{Kind: HoleNoRequest, Flow: c.flow, Transaction: t, Time: a.Time, Text: "the request was not captured"})
	}
	t.Response = a
	if t == c.expects {
		c.expects = nil
	}
	method := t.Request.Method
	switch {
	case !h.whole:
		c.brokenHead(s, t, &a.Message, &h)
	case status == 101, method == "CONNECT" && status/100 == 2:
		a.Body.Complete = true
		c.connect = t
	case method == "HEAD" || status == 204:
		a.Body.Complete = true
	case status == 304:
		a.Body.Complete = true
		c.r.hole(Hole{Kind: HoleCached, Flow: c.flow, Transaction: t, Time: a.Time,
			Text: "the answer is 304: the client had the content, it was not sent"})
	case f.chunked || f.coded || f.length != 0:
		c.body(s, t, &a.Message, f, true)
	default:
		a.Body.Complete = true
	}
}
