package replay

import "strings"

// orphan makes the octets behind a gap an answer whose head was not captured, if a
// request waits for one.
func (c *conn1) orphan(from, to int64) bool {
	s := &c.down
	g := s.gapAt(from - 1)
	if g == nil || c.piped || len(s.span(from, to)) == 0 {
		return false
	}
	c.missed = true
	t := c.asked(s.at(from).turn)
	if t == nil {
		return false
	}
	s.off, s.lost = to, false
	a := &Response{Message: s.message(&head{})}
	p := s.at(from)
	a.Time, a.Frame = p.time, p.frame
	t.Response = a
	c.r.fill(t, &a.Message, s.reel, &extent{from: s.held, to: to, chunks: [][2]int64{{s.held, to}}, kind: g.why,
		why: "the head of the answer is missing"}, nil)
	s.finish(&a.Message, to)
	c.missed = true
	return true
}

// unanswered says that requests have no answer.
func (c *conn1) unanswered(ts []*Transaction, why string) {
	for _, t := range ts {
		c.r.hole(Hole{Kind: HoleNoAnswer, Flow: c.flow, Transaction: t, Time: t.Request.Time, Text: why})
	}
}

// switches tells whether a 101 means it.
func switches(a *Response) bool { return a.Get("Upgrade") != "" }

// early notes an informational response.
func (c *conn1) early(a *Response, turn int) {
	a.Body.Complete = true
	for _, t := range c.waiting {
		if t.Request.turn < turn {
			t.Early = append(t.Early, a)
			return
		}
	}
}

// simple reads the answer to a request of HTTP/0.9, which is content alone.
func (c *conn1) simple() bool {
	s := &c.down
	if len(c.waiting) == 0 || c.waiting[0].Request.Version != simpleVersion || sniffResponse(s.run(s.off)) == http1 {
		return false
	}
	t := c.asked(s.at(s.off).turn)
	if t == nil {
		return false
	}
	a := &Response{Message: s.message(&head{}), Status: 200}
	a.Version = simpleVersion
	t.Response = a
	c.body(s, t, &a.Message, framing{length: -1}, true)
	return true
}

// asked is the transaction that an answer belongs to, nil when its request was not
// captured. After a loss, which may have taken answers, a client that does not ask
// again before it is answered can only wait for its last request's; of one that does,
// nobody knows which it is.
func (c *conn1) asked(turn int) *Transaction {
	n := 0
	for n < len(c.waiting) && c.waiting[n].Request.turn < turn {
		n++
	}
	missed := c.missed
	c.missed = false
	switch {
	case n == 0:
		return nil
	case missed && c.piped && n > 1:
		c.unanswered(c.waiting[:n], "answers were lost while several requests waited: it is not certain which answer is whose")
		c.waiting, c.piped = c.waiting[n:], false
		return nil
	case missed:
		c.unanswered(c.waiting[:n-1], "the answer was not captured")
		c.waiting = c.waiting[n-1:]
	}
	t := c.waiting[0]
	if c.waiting = c.waiting[1:]; len(c.waiting) == 0 {
		c.piped = false
	}
	return t
}

// upgraded is the protocol that an answer switches to.
func upgraded(t *Transaction) string {
	if t.Request.Method == "CONNECT" {
		return "connect"
	}
	name, _, _ := strings.Cut(t.Response.Get("Upgrade"), ",")
	return strings.ToLower(strings.TrimSpace(name))
}
