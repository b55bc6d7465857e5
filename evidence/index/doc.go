// Package index says where in a segment which flow's packets are: one row a flow,
// what was noted of it (names, alerts, holes), and a filter that tells in one read
// of 32 octets whether an address, port, flow or name can be in the segment at all.
//
// A Builder is fed with the packets and notes of a segment in their order, be it by
// the writer or by a scan, and makes the same index of the same segment always. The
// index is derived data: when it is lost or damaged (ErrCorrupt), it is made anew.
//
// Scans and floods make more flows than an index can have rows: a few packets without
// payload each, to hundreds of targets or from hundreds of sources. Where they would
// make the index large they are folded: a Fold says who scanned whom, when, and which
// stretches of the segment are to be read to see the flows.
//
// The package imports packet and evidence/segment; it reads files, and never writes
// but chapters.
//
// # File
//
// Numbers are varints unless their size is given; fixed ones are little-endian.
//
//	magic [8] "KGMIDX1\n" | header: length u32, CRC-32C u32, octets
//	rows                  columns (see columns.go) of rows, and the extents of rows and folds
//	notes                 columns of notes
//	filter                blocks of 32 octets, the last 4 of which are the CRC-32C of the others
//
// The header holds Info, the folds' descriptions and length and CRC-32C of each
// section. A chapter sums up the indexes of 64 segments (chapter.go).
package index
