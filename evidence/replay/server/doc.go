// Package server gives the answers of a Reading again, offline: as an HTTP proxy, as
// the far end of CONNECT, and to whoever comes to it by a Host header alone.
//
// It has no way to open a connection: nothing here names a dialer or an HTTP client
// (a test looks for them, another runs it under strace). It listens on loopback
// only, or where there is no way out. What it answers is an attacker's; nothing of it
// is looked into, beyond what finding the right answer takes.
//
// HTTP/1 is read and written here, because net/http sorts the fields of an answer and
// refuses targets that exploit kits use ("/%u9090"). HTTP/2, in which no order of
// fields survives the libraries of either side anyway, is net/http's, and only offered
// to hosts that were not recorded as speaking HTTP/1 only.
package server
