package server

import (
	"io"
	"net/netip"
	"time"

	"kagami/evidence/replay"
)

// Options say how a Reading is served.
type Options struct {
	Client netip.Addr // what this host was answered comes before what others were; the zero value = none comes before
	Fuzzy  bool       // URLs that were not recorded may be answered for others that resemble them
	Defang bool       // bodies become text
	Hit    func(Hit)  // called for each answer that was recorded, before it is given; one call at a time. It must not wait for the server
	Misses io.Writer  // gets a line of JSON for each request without an answer; nil = none
	Now    func() time.Time
	Limits Limits
}

// Limits bound what clients can make the server do. What is zero has its default.
type Limits struct {
	Connections int           // at once, 512; more wait
	Streams     int           // at once in one HTTP/2 connection, 128
	Header      int           // octets of a request's header section, 64 KiB
	Body        int           // octets of a request's body, 8 MiB
	Leaves      int           // certificates kept, 1024
	Misses      int           // lines written to Options.Misses, 100000
	Idle        time.Duration // that a connection waits for a request, 2 min
	Request     time.Duration // that a request, or a TLS handshake, may take to arrive, 30 s
	Write       time.Duration // that the client may take to accept some octets of an answer, 60 s
}

func (l Limits) withDefaults() Limits {
	set(&l.Connections, 512)
	set(&l.Streams, 128)
	set(&l.Header, 64<<10)
	set(&l.Body, 8<<20)
	set(&l.Leaves, 1024)
	set(&l.Misses, 100_000)
	set(&l.Idle, 2*time.Minute)
	set(&l.Request, 30*time.Second)
	set(&l.Write, time.Minute)
	return l
}

func set[T int | time.Duration](v *T, to T) {
	if *v <= 0 {
		*v = to
	}
}

// Hit is a request that got an answer that was recorded.
type Hit struct {
	Time        time.Time
	Method, URL string // as asked
	Referer     string // as asked, "" = none
	Transaction *replay.Transaction
	Object      *replay.Object // not nil: the answer is made of what was transferred in ranges
	Match       Match
	Status      int // as given: 206 of a recorded 200, 200 of an object ...
}

// Match says what an answer was found by.
type Match struct {
	How         How
	OtherScheme bool    // recorded by http, asked by https, or the other way
	OtherClient bool    // not recorded of Options.Client
	Score       float64 // of ByQuery: the part of the query that is the same, below 1
}

// How are the ways to find an answer, the best first.
type How string

const (
	Exact    How = "exact"     // method and URL
	BySteady How = "no-buster" // the URL without parameters that are there to be different each time
	ByQuery  How = "query"     // the path, and most of the query
)

// Stats count requests.
type Stats struct {
	Requests  int
	Hits      int
	Misses    int            // of these Unwritten are not in Options.Misses
	Unwritten int            //
	Noise     map[string]int // what browsers ask by themselves, by host; no misses
	SentBack  int            // to http, where the page was recorded
	Malformed int            // answered 4xx or 5xx before they were understood
}
