package replay

import (
	"bytes"
	"fmt"
	"strconv"
)

// extent is where a body lies in a stream.
type extent struct {
	from, to int64      // as transferred
	chunks   [][2]int64 // its content, from and to
	trailer  []Field
	kind     HoleKind // of why
	why      string   // what is wrong, "" = its end was found
	short    int64    // octets that are missing at its end, 0 = not known
	lost     bool     // it is not known whether a message begins behind it
}

// body reads the body that begins at s.off.
func (c *conn1) body(s *half1, t *Transaction, m *Message, f framing, answer bool) {
	var e extent
	switch {
	case f.chunked:
		e = c.chunked(s)
	case f.coded && !answer:
		e = extent{from: s.off, to: s.off, kind: HoleSyntax, why: "the last transfer coding is not chunked: there is no telling how long the body is", lost: true}
	case f.coded || f.length < 0:
		e = c.untilClose(s)
	default:
		e = c.counted(s, f.length)
	}
	if e.lost {
		e.to = c.resume(s, e.to)
	}
	s.off, s.lost = e.to, false
	if f.odd != "" {
		c.r.hole(Hole{Kind: HoleSyntax, Flow: c.flow, Transaction: t, Time: m.Time, Text: f.odd})
	}
	m.Trailer = e.trailer
	c.r.fill(t, m, s.reel, &e, f.codings)
	s.finish(m, max(e.to, s.off))
}

// resume is where behind a body without an end the next message begins.
func (c *conn1) resume(s *half1, from int64) int64 {
	if to := s.findHead(from, s.is); to >= 0 {
		return to
	}
	return s.size
}

// next is the first place from off on where this side began to speak after the other
// with what is beyond doubt a message's head, -1 = nowhere before to.
func (s *half1) next(off, to int64) int64 {
	for _, at := range s.turnsIn(off, to) {
		if s.is(s.run(at)) {
			return at
		}
	}
	return -1
}

// counted is a body whose length was declared. The declaration counts, unless it
// leads to where no message begins and both sides show that they went on before.
func (c *conn1) counted(s *half1, n int64) extent {
	to := s.off + n
	if to < s.off {
		to = s.size + 1
	}
	if at := s.next(s.off, min(to, s.size)); at >= 0 && !c.clean(s, to) {
		return extent{from: s.off, to: at, chunks: [][2]int64{{s.off, at}}, kind: HoleTruncated,
			why: fmt.Sprintf("%s %s declared, %d came before the next message", plural(n, "octet"), were(n), at-s.off), short: n - (at - s.off)}
	}
	e := extent{from: s.off, to: min(to, s.size)}
	e.chunks = [][2]int64{{e.from, e.to}}
	if e.short = to - e.to; e.short > 0 {
		e.kind, e.why = HoleTruncated, fmt.Sprintf("%s %s declared, %d came%s", plural(n, "octet"), were(n), e.to-e.from, c.ending(s))
		e.short = n - (e.to - e.from)
	}
	if g := s.gapAt(e.to); g != nil && g.off < e.to {
		e.lost = false // the gap goes on behind it: more looks after that
	}
	for _, g := range s.gapsIn(e.from, e.to) {
		if g.guess {
			e.kind, e.why, e.lost = g.why, "an unknown number of octets is missing", true
			e.to = g.off + g.n
			e.chunks = [][2]int64{{e.from, e.to}}
			break
		}
	}
	return e
}

// clean tells whether a message, or nothing, follows at an offset.
func (c *conn1) clean(s *half1, at int64) bool {
	if at >= s.size {
		return at == s.size
	}
	return s.is(skipEmptyLines(s.run(at)))
}

// ending says how a stream ended that ended too early.
func (c *conn1) ending(s *half1) string {
	if s.ended {
		return " before the connection was closed"
	}
	return " before the capture or the connection ended"
}

// untilClose is a body that the end of the connection ends, or the next message of a
// server that goes on all the same.
func (c *conn1) untilClose(s *half1) extent {
	e := extent{from: s.off, to: s.size}
	if at := s.next(s.off, s.size); at >= 0 {
		e.to = at
	} else if !s.ended {
		e.kind, e.why = HoleTruncated, "the connection's end, which is that of the body, was not captured"
	} else if s.loose {
		e.kind, e.why = HoleTruncated, "the connection, and with it the body, was ended without TLS saying so: it may have been cut off"
	}
	e.chunks = [][2]int64{{e.from, e.to}}
	return e
}

// maxChunkLine is the longest line before a chunk, in octets.
const maxChunkLine = 16 << 10

// chunked is a body in chunks (RFC 9112 section 7.1).
func (c *conn1) chunked(s *half1) extent {
	e := extent{from: s.off, to: s.off}
	for {
		size, line, why := chunkLine(s.run(e.to))
		if line == 0 {
			return c.unchunked(s, e, why)
		}
		if e.to += int64(line); size == 0 {
			return c.trailer(s, e)
		}
		to := e.to + size
		if to < e.to || to > s.size {
			return c.shortChunk(s, e, size)
		}
		e.chunks = append(e.chunks, [2]int64{e.to, to})
		e.to = to
		end := s.run(to)
		switch {
		case bytes.HasPrefix(end, []byte("\r\n")):
			e.to += 2
		case bytes.HasPrefix(end, []byte("\n")):
			e.to++
		case len(end) > 1 || len(end) == 1 && end[0] != '\r':
			return c.unchunked(s, e, "a chunk is longer than its size says")
		default:
			return c.unchunked(s, e, "")
		}
	}
}

// shortChunk is one of which the end is missing.
func (c *conn1) shortChunk(s *half1, e extent, size int64) extent {
	to, follows := s.size, false
	if at := s.next(e.to, s.size); at >= 0 {
		to, follows = at, true
	}
	e.chunks = append(e.chunks, [2]int64{e.to, to})
	e.why = fmt.Sprintf("a chunk of %s was announced, %d came%s", plural(size, "octet"), to-e.to, c.ending(s))
	if e.short = size - (to - e.to); size > maxBelievable {
		e.short = 0
	}
	if follows {
		e.why = fmt.Sprintf("a chunk of %s was announced, %d came before the next message", plural(size, "octet"), to-e.to)
	}
	e.kind, e.to = HoleTruncated, to
	return e
}

// maxBelievable is the largest size that counts as octets that are missing.
const maxBelievable = 1 << 40

// unchunked ends a body whose framing is lost.
func (c *conn1) unchunked(s *half1, e extent, why string) extent {
	e.why, e.kind, e.lost = why, HoleSyntax, true
	if g := s.gapAt(e.to + int64(len(s.run(e.to)))); why == "" && g != nil {
		e.why, e.kind = "a gap took the size of a chunk", g.why
	} else if why == "" {
		e.why, e.kind = "the last chunk is missing"+c.ending(s), HoleTruncated
	}
	return e
}

// chunkLine reads the line before a chunk: the chunk's size, and the line's length. It
// is 0 when there is no such line: because the octets end, or why says.
func chunkLine(b []byte) (size int64, n int, why string) {
	i := bytes.IndexByte(b[:min(len(b), maxChunkLine)], '\n')
	switch {
	case i < 0 && len(b) >= maxChunkLine:
		return 0, 0, "the line before a chunk is too long"
	case i < 0:
		return 0, 0, ""
	}
	digits, _, _ := bytes.Cut(b[:i], []byte(";"))
	text := string(bytes.TrimRight(digits, " \t\r"))
	v, err := strconv.ParseUint(text, 16, 64)
	switch {
	case err != nil && len(text) > 16 && isHex(text):
		return 0, 0, "a chunk's size is 2^64 octets or more"
	case err != nil || !isHex(text):
		return 0, 0, "no chunk size where one should be"
	case v > 1<<62:
		return 0, 0, fmt.Sprintf("a chunk's size is %d octets", v)
	}
	return int64(v), i + 1, ""
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; !isDigit(s[i]) && (c < 'a' || c > 'f') {
			return false
		}
	}
	return s != ""
}

// trailer reads what follows the last chunk.
func (c *conn1) trailer(s *half1, e extent) extent {
	b := s.run(e.to)
	if len(b) == 0 && e.to == s.size {
		return e // the content is whole
	}
	at := 0
	for {
		i := bytes.IndexByte(b[at:min(len(b), c.r.limits.Header)], '\n')
		if i < 0 {
			e.to += int64(len(b))
			return c.unchunked(s, e, "")
		}
		line := bytes.TrimSuffix(b[at:at+i], []byte("\r"))
		at += i + 1
		if len(line) == 0 {
			e.to += int64(at)
			return e
		}
		e.trailer = appendField(e.trailer, line)
	}
}
