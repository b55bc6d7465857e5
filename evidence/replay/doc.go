// Package replay rebuilds the web traffic of a capture, what led to what in it, and
// serves it again, offline.
//
// A Reading is what a capture holds: flows, HTTP transactions with their bodies as
// transferred and as decoded, names looked up, and what is missing of all that
// (model.go). It is made by running the sensor's engine with a decoder that keeps
// every octet (tape.go), so that streams are put in order by the same code that
// records come from. Everything else is made of a Reading: the chain of causes, the
// page, the archives, the answers of the offline server.
//
// All octets are an attacker's: nothing is executed, nothing is written to disk in
// clear, every excess has a limit, and each limit that was hit is told.
package replay
