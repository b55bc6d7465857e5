// Package scan finds machines inside that search: many machines on a few ports
// (lateral-scan) or many ports of one machine (port-scan).
//
// Only first contacts count, as told by a memory of weeks, so pace does not
// matter: one probe an hour adds up like one a second. Sequential tests run over
// what first contacts come to, per client over machines, over ports of
// administration and over the ports of each server, and per client and UDP port
// over machines; who-has requests that nobody answers are first contacts, too.
// Because machines inside often do answer, new peers on ports of administration
// are counted against the client's own habit.
//
// It imports packet, records, sensor, census, incident, and the leaves state and
// table.
package scan
