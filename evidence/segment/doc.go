// Package segment is the file format of the evidence store: it appends blocks,
// scans files, and reads single packets by their position. It reads what others
// have written, too: any pcapng (both byte orders, any resolution of times, several
// sections) and classic pcap (both byte orders, microseconds and nanoseconds,
// Kuznetzov's records). Packed files are refused: a packet has no place in them.
//
// A segment is an ordinary pcapng file (draft-ietf-opsawg-pcapng), little-endian,
// with times in nanoseconds. Any pcapng reader opens it, at any time: it has its final
// name from the start and grows by whole blocks. All that is needed to find something
// in it stands in it:
//
//	block       type        section  what for
//	SHB         0x0a0d0d0a  4.1      start; opt_comment (who recorded), shb_userappl "kagami"
//	IDB         1           4.2      one per interface: link type, snap length, if_name, if_tsresol 9
//	EPB         6           4.3      a packet; captured length below the original one: it was cut to its headers
//	ISB         5           4.6      totals of the writer; its opt_comment says in words what is in which counter
//	local use   0x80000001  3.1      "KGMI", kind, version, then by kind:
//	  1 note                         what is known of a flow, right behind the packet that told it
//	  2 mark                         CRC-32C of the octets since the mark before, totals, position
//	  3 filler                       nothing; in place of what recovery has given up
//
// Local-use blocks are passed over in silence by other programs, unlike Custom Blocks,
// which some show as packets. Layouts are documented at AppendNote, AppendMark and local.go.
//
// # Damage
//
// Everything that is read may be damaged or hostile. Scan never fails for it: it
// passes over what makes no sense, tells where and why (Visitor.Damage), and goes on at
// the next good block.
//
//	what                                told as     then
//	zeros where a block should begin    damage      the first place behind them
//	lengths of a block disagree         damage      the next good block
//	file ends inside a block            damage      the end; Result.Torn
//	block holds together, content not   damage      the next block
//	octets are not those written        bad mark    nothing is passed over
//
// In a file with marks the next good block is found backwards: a mark cannot be
// mistaken, and the lengths at the ends of blocks lead from it to the damage. So what a
// damaged packet carries is never taken for packets, whatever its sender put in. In a
// foreign file Scan must guess: it takes a block of a known type whose lengths agree and
// that another block follows (pcap: four records in a row).
//
// A flipped octet anywhere before the last mark makes one mark bad, which tells the range
// of octets, a MiB or less, that is not as it was written.
//
// # Limits
//
// A packet has at most 1 MiB, a section 1,024 interfaces, a file 4,096 sections that
// describe different interfaces; Simple Packet Blocks, which bear no time, get that of
// the packet before, for the first 4,096 changes of it.
//
// It imports packet and sensor only.
package segment
