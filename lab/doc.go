// Package lab makes labelled network traffic: a readable scenario in, a packet
// capture and the truth about it out.
//
// It owns the scenario format, the conversation builder (Wire, Conn) and the
// activities of the bundled office day. The capture and its truth are the test
// of everything else, so lab must not import any other package of this module:
// a sensor that is checked against its own parser checks nothing.
//
// Output depends on the scenario alone. There is no wall clock, no map
// iteration and no floating point (arm64 fuses multiply and add, amd64 does
// not), so the same scenario gives the same bytes on every platform.
//
// Everything in it is made up: names end in .example, outside addresses come
// from the documentation and benchmark ranges (RFC 5737, RFC 2544, RFC 3849),
// and the "malware" is random bytes behind a file header.
//
// To add an activity, write one file with its section of the scenario and its
// function, and add one line to the list in day.go.
package lab
