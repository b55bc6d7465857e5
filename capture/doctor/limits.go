package doctor

import "time"

// The thresholds, with their reasons. Shares are of one.
const (
	// minCount is how many cases a share needs: fewer are chance.
	minCount = 3

	// On an ordinary port, frames between other hosts are rare floods; a mirror
	// port shows little else.
	unicastLeast = 0.01
	// A few broadcasts alone may be all that a capture file holds on purpose.
	groupFrames = 10

	// A host's own traffic is a few flows at least within a minute.
	loneFlows = 20

	// Asymmetric routes and load sharing leave some conversations one-way even
	// on a good mirror. From a quarter on, a whole source or direction is missing.
	oneWayWarn, oneWayBad = 0.05, 0.25

	// With a loss of 0.1 %, one in ten downloads of 100 segments has a hole; with
	// 5 %, four in ten exchanges of 10 segments, which is all that a page takes.
	missedWarn, missedBad = 0.001, 0.05

	// Hosts hardly ever send a datagram twice. One in a hundred is a second path.
	duplicatesWarn = 0.01

	// Fewer cut frames are giants that nobody decodes.
	cutWarn = 0.001
	// A tenth of the frames with nothing but headers: neither a TLS ClientHello
	// (500 octets and more) nor a usual HTTP request fits.
	cutBad, cutHeaders = 0.1, 256 // share, octets

	// Even a few merged segments mean that the card or the kernel merges.
	mergedWarn = 0.001
	// jumboMSS is what a TCP segment holds at an MTU of 9216, the largest usual
	// one: the limit when no SYN was seen that names a smaller one.
	jumboMSS = 9216 - 40

	// Loss costs the same wherever it happens (see missed), but what the kernel
	// or the card counts is certain, so that any is worth a warning.
	lossBad = 0.01

	// The kernel counts frames that nobody on this machine wanted here too, so
	// that a few mean nothing.
	unwantedWarn = 0.001

	// Senders and load-sharing links swap some segments; streams bear it. More
	// than this comes from receive queues, and delays what is decoded.
	reorderedWarn = 0.05

	// The firewalls', proxies' and servers' logs are matched by the second.
	offsetWarn = time.Second

	// Discovery and spanning tree are sent to groups, so that unicast frames
	// which are neither IP nor ARP are rare. With half of them, the tap adds a
	// header or the link is of a kind that is not read.
	unreadWarn, unreadBad = 0.05, 0.5

	// From here on the tunnel is how the mirror port works, not a user's.
	tunnelled = 0.9
)
