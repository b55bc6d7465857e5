package browse

import (
	"errors"
	"log/slog"
	"time"

	"kagami/evidence/replay"
	"kagami/evidence/replay/server"
)

// ErrNoBrowser says that there is none to walk with.
var ErrNoBrowser = errors.New("no Chromium found: apt install chromium")

// Options say what is walked, and how.
type Options struct {
	Reading *replay.Reading
	Chain   *replay.Chain       // of the Reading; gets the edges that are confirmed
	Start   *replay.Transaction // what is visited; nil = where the worst suspect's way begins, else the first page without a known cause
	Program string              // Chromium's, a name or a path; "" = the first that is there of chromium, chromium-browser, google-chrome
	Timeout time.Duration       // of the whole walk, 30 s
	Log     *slog.Logger        // nil = none
}

func (o Options) withDefaults() Options {
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Result is what the browser did.
type Result struct {
	Start      *replay.Transaction
	UserAgent  string        // that the browser said it is: the victim's, "" = its own
	Browser    string        // its version
	Sandbox    bool          // Chromium had its own sandbox besides the namespaces
	Asked      int           // requests, without those that browsers make by themselves
	Answered   []server.Hit  // in order, the first 20,000
	Missed     []server.Miss // in order, the first 2,000
	Noise      int           // requests that have to do with no page
	Steps      []Step        // that were confirmed, in order
	Confirmed  int           // of the Edges
	Edges      int           // from the start on in the chain: transactions that it led to, one edge each
	Interfaces []Interface   // of the network namespace, after the walk
	Left       uint64        // packets sent by interfaces other than loopback
	Timeout    bool          // the browser was still at it when the time was up
	Died       bool          // the browser, or its page, crashed: what it was given may have done that
	Duration   time.Duration
}

// Step is what the browser did by itself: given From's answer, it asked for To.
type Step struct {
	From, To *replay.Transaction
	New      bool // nothing in the capture had shown it
}

// Interface are the counters of a network interface (/proc/net/dev).
type Interface struct {
	Name                string
	Received, Sent      uint64 // packets
	SentErrors, Dropped uint64
}
