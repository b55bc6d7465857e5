// Package replay rebuilds the web traffic of a capture, what led to what in it, and
// serves it again, offline.
//
// A Reading is what a capture holds: flows, HTTP transactions with their bodies as
// transferred and as decoded, names looked up, and what is missing of all that
// (model.go). It is made by running the sensor's engine with a decoder that keeps
// every octet (tape.go), so that streams are put in order by the same code that
// records come from. A channel (channel.go) tells by content what a connection holds,
// decrypts it and opens tunnels; when it ends, both directions are parsed at once
// (http1.go, http2.go): of a message's end often the next one tells more than its own
// head. What is not known is left open: an answer is given to a request only when no
// other could be meant, and no octet is put where one is missing. Everything else is made of a Reading: the chain of causes, the
// page, the archives, the answers of the offline server.
//
// All octets are an attacker's: nothing is executed, nothing is written to disk in
// clear, every excess has a limit, and each limit that was hit is told.
package replay
