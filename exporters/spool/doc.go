// Package spool is a queue of lines that outlives its process: lines that are not
// acknowledged soon are written to disk and are read back in order, after a kill
// or a power cut, too. It imports nothing of Kagami.
//
// Lines live in memory first, in chunks of one class each. What waits for longer
// than Config.SpillAfter, or does not fit into memory, is appended to the newest
// segment file of its class and leaves the memory; a place that keeps up never
// causes a write. Half of the memory is for what comes until the disk has taken the
// rest; files are synced beside, which holds up writing only when 32 segments wait
// for it. Reading merges the classes by sequence number. Segments are deleted whole:
// when all of them is acknowledged, or, when the disk budget is used up, the oldest
// of the lowest class. There is a segment for each class so that a day of flows can
// make way for one alert.
//
//	directory   one process at a time (flock)
//	  state     two slots, written in turn: numbers reserved, acknowledged, lost
//	  C-NNNNNNNNNNNN.spool   segment N of class C: header, records, and, once it
//	            is full, a trailer. Numbers of a class have no holes.
//
//	header   0 "KGSPOOL1" | 8 key u32 | 12 class u8, 3 zero | 16 number u64
//	         24 lowest sequence number u64 | 32 CRC-32C of 0..31 | 36 zero u32
//	record   0 "\n\xff\x00R" | 4 CRC-32C u32 | 8 octets of text u32
//	         12 class, kind, severity, octets of log, u8 each
//	         16 sequence u64 | 24 time i64 | 32 client, 16 octets | 48 log | text
//	trailer  0 "\n\xff\x00E" | 4 CRC-32C u32 | 8 records u64 | 16 last sequence u64
//
// All numbers are little endian. Checksums of records and trailers cover what
// follows them and start from the key, a random number of the directory: what
// comes from the wire cannot hold a record that passes for one when a reader looks
// for the next whole record behind a damaged place.
package spool
