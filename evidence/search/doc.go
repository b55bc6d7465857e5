// Package search finds flows and gets packets in a directory of evidence, and in
// ordinary capture files. It only reads: no lock, no message to the process that
// records; all it needs is in the segments, and their indexes save time. It may be
// asked while segments are written, rotated away or damaged: what is good is
// given, what is missing is named in the Report.
//
// # How a search goes
//
//  1. Names and alerts are bound first: the notes of the segments whose filter has
//     them tell which flows and addresses are meant (bind.go).
//  2. Segments are left out by their times and filters (plan.go).
//  3. The rows of the others, in order of time, are joined: a flow has a part in
//     each segment that holds packets of it (join.go). A query is asked about the
//     whole flow. That is all that find needs.
//  4. get marks the parts of the flows that match, and reads their packets (pick.go,
//     read.go), merged by time over segments that overlap (merge.go).
//
// Where a query is about addresses and ports only, parts are as good as flows, and
// get begins with step 4. Where it is about nothing but the time, get reads the
// segments from end to end (scan.go).
//
// # A flow
//
// The packets of one key, less than 10 minutes apart. A flow ends when it is closed,
// or with the first segment that begins more than 10 minutes behind its last packet.
// Within one segment, all packets of a key are one flow.
//
// # A name
//
// A flow bears a name that a note gives it (SNI, Host, DNS question), and a name
// that its client had looked up: from the answer on, for 24 hours. What is a host's
// own name (DHCP, NetBIOS) is its for 12 hours before and behind the note. A flow that
// was named, or that an alert was about, up to 2 hours before the window is followed
// into it.
//
// Of this module it imports packet, sensor (for the frames and records of capture
// files), evidence/segment, evidence/index and evidence/query.
package search
