// Package evidence keeps the packets themselves on disk: a ring of pcapng
// segments within a budget of octets, oldest deleted first. It owns the
// directory's files with a segment's name and touches no other.
//
// A segment has its final name from the start and grows by whole blocks, so any
// pcapng reader can open it while it is written. Names are the time of the first
// packet (UTC) and a number that counts up over all writers and restarts:
//
//	20260601T081500.123456Z-00000042.pcapng
//
// Deletion goes by the number, not by the time: a clock that was wrong at boot
// must not make fresh evidence the oldest.
//
// Each worker copies frames into a Writer's memory; a goroutine of that Writer
// does the disk's work. A slow, full or broken disk costs packets, which are
// counted, and never stops the capture.
//
// It imports sensor and packet only, never another adapter.
package evidence
