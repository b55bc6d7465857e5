// Package query is the language in which evidence is asked for:
//
//	last 2h and client 10.0.0.7 and (host evil.example or net 203.0.113.0/24) and port 80,8000-8099
//
// It owns the text, its normal form and its meaning for one flow and for a
// whole segment. It opens no file and knows neither segments nor indexes: names,
// alerts and cases are looked up by the caller and handed in with Bind. Of this
// module it imports packet only.
//
// # Grammar
//
//	query = or
//	or    = and { ("or" | "||") and }
//	and   = not { ["and" | "&&"] not }            side by side is and
//	not   = ("not" | "!") not | "(" or ")" | atom
//
//	atom  = "from" T | "to" T | "last" D          the time, see below
//	      | "host" X | "client" X | "server" X    X: address, network or name
//	      | "net" CIDR
//	      | "port" N[-N]{,…} | "vlan" N[-N]{,…}
//	      | "proto" P{,…}                         tcp udp sctp icmp icmp6 arp … or a number
//	      | "flow" ID                             Community ID version 1, seed 0
//	      | "alert" ID | "case" NAME
//	      | "bytes" (">" | ">=" | "<" | "<=") N[k|m|g]
//	      | "cut" | "gap" | "all"
//	      | X                                     a bare address, network or dotted name is host X
//	T     = RFC 3339 | 2026-06-01 | 2026-06-01T08:15[:05] | 08:15[:05] | unix seconds | to +D
//	D     = N(s|m|h|d|w){…}                       1h30m; d and w are calendar days of the location
//
// Keywords and names are case-insensitive. What stands in double quotes is a
// value, never a keyword, and is not taken to be an internationalized name.
//
// # Meaning
//
//   - from, to and last narrow the whole query, so they stand in its outermost
//     and-chain only. A flow matches if it had a packet span in [from, to).
//   - A local time that occurs twice, or never, because clocks are changed means
//     the wider span: from takes the earlier reading, to the later.
//   - A name is itself and everything below it: host evil.example finds
//     www.evil.example, and not notevil.example.
//   - Where it is not known which side is the client, client and server are
//     true if either side is X.
//   - server NAME leaves out flows that only ask for the name (DNS, mDNS, LLMNR,
//     NetBIOS ports); host NAME finds these, too. client NAME goes by addresses.
//   - An IPv4-mapped IPv6 address is the IPv4 address; an IPv6 network holds no
//     IPv4 addresses.
//   - port is of TCP, UDP and SCTP. bytes are those of both directions on the
//     wire; k, m and g are powers of 1024.
package query

import (
	"fmt"
	"time"

	"kagami/packet"
)

// Limits on one query; exceeding one is an error.
const (
	maxText    = 4 << 10 // octets of the text, and of its normal form
	maxNesting = 64      // parentheses and negations inside each other
	maxName    = 255     // octets of a name, alert id or case name
)

// Options are what the meaning of a text depends on besides the text.
type Options struct {
	// Now is what last and times without a date refer to. Zero makes them errors.
	Now time.Time
	// Location is that of times without an offset. nil is UTC.
	Location *time.Location
}

// Query is a parsed query. After the last Bind it may be used by several
// goroutines at once.
type Query struct {
	From, To int64 // nanoseconds since the epoch, 0 = open; To is exclusive

	root expr
	sets []*set // the names, alerts and cases of root in order of appearance
	loc  *time.Location
}

// Flow is what a query is asked about: one flow as an index knows it. ARP
// frames are flows of their two protocol addresses; other frames without IP
// addresses are NoIP.
type Flow struct {
	Key         packet.Key
	Client      packet.Side // valid if ClientKnown
	ClientKnown bool
	VLAN        [2]uint16 // outermost tag by side, 0 = none
	First, Last int64     // nanoseconds since the epoch
	Bytes       uint64    // on the wire, both directions
	Cut         bool      // captured octets are missing because they were not kept
	Hole        bool      // octets are missing because they were never seen
	ARP, NoIP   bool
}

// Error is what is wrong with a query and where.
type Error struct {
	Col int    // column, in characters from 1
	Msg string // one line, with a hint where there is one
}

func (e *Error) Error() string { return fmt.Sprintf("query: col %d: %s", e.Col, e.Msg) }

// Parse reads a query. The error is an *Error.
func Parse(text string, o Options) (*Query, error) {
	if o.Location == nil {
		o.Location = time.UTC
	}
	p, err := newParser(text, o)
	if err != nil {
		return nil, err
	}
	q, err := p.query()
	if err != nil {
		return nil, err
	}
	if len(q.String()) > maxText {
		return nil, &Error{1, fmt.Sprintf("the query is longer than %d octets when written out in full", maxText)}
	}
	return q, nil
}

// String is the normal form: absolute times in UTC, keywords written out, lists
// in order. It parses to a query of the same meaning.
func (q *Query) String() string {
	var b []byte
	if q.From != 0 {
		b = append(b, "from "+normalTime(q.From)...)
	}
	if q.To != 0 {
		b = append(spaced(b), "to "+normalTime(q.To)...)
	}
	if _, ok := q.root.(all); ok && len(b) > 0 {
		return string(b)
	}
	if len(b) > 0 {
		b = append(b, " and "...)
		if _, ok := q.root.(or); ok {
			return string(append(q.root.append(append(b, '(')), ')'))
		}
	}
	return string(q.root.append(b))
}

func spaced(b []byte) []byte {
	if len(b) > 0 {
		b = append(b, ' ')
	}
	return b
}

// Match tells whether the flow is asked for. Names, alerts and cases that were
// not bound match nothing. It does not allocate.
func (q *Query) Match(f *Flow) bool {
	if f.Last < q.From || q.To != 0 && f.First >= q.To {
		return false
	}
	return q.root.match(f)
}
