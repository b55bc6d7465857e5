// Package evidence keeps the packets themselves on disk: a ring of pcapng
// segments within a budget of octets, oldest deleted first. It owns the files with a
// segment's name, what belongs to these, and the chapters, and touches no other.
//
// A segment has its final name from the start and grows by whole blocks, so any
// pcapng reader can open it while it is written. Names are the time of the first
// packet (UTC) and a number that counts up over all writers and restarts:
//
//	20260601T081500.123456Z-00000042.pcapng   the packets, and notes of names and alerts
//	20260601T081500.123456Z-00000042.idx      its index, written when it is closed
//	20260601T081500.123456Z-00000042.torn     what recovery cut off its end, up to 1 MiB
//	chapter-00000000                          sums up the indexes of 64 numbers
//
// Deletion goes by the number, not by the time: a clock that was wrong at boot
// must not make fresh evidence the oldest.
//
// Each worker copies frames into a Writer's memory; a goroutine of that Writer
// (disk) writes them, with marks that vouch for the octets before them, statistics
// of what was lost, and the index. A slow, full or broken disk costs packets, which
// are counted (books), and never stops the capture: under pressure recording gives
// way step by step (ladder). A goroutine in the background (keeper) puts in order
// what an earlier process left (repair), and makes the chapters.
//
// It imports packet, records, sensor, evidence/segment and evidence/index only.
package evidence
