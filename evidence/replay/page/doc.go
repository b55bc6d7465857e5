// Package page tells people what a Reading holds: as one HTML file that asks for
// nothing else (Write), and as a list of what is missing (Incomplete).
//
// Every text in a page is either of the tables of messages (english.go, japanese.go) or
// from the wire, and then an attacker's: controls, marks that turn the direction of
// writing and invisible characters are spelled out, length is bounded, html/template
// escapes it for its place, and addresses are written so that nothing makes links of
// them. The page has no script, no picture and no reference but to places in itself,
// and a policy that forbids browsers all of these. Bodies are excerpts, never markup.
//
// # INCOMPLETE.json
//
// A JSON object:
//
//	format        "kagami-incomplete-1"
//	source        what was read
//	from, to      time of the first and the last frame, RFC 3339 with nanoseconds, UTC; absent when there was none
//	frames        how many were read
//	flows         how many hold HTTP, TLS or QUIC
//	other_flows   how many TCP flows hold something else; they are only counted
//	transactions  how many
//	complete      true when "holes" is empty
//	counts        number of holes by kind
//	holes         one object a line, in order of time:
//	  kind          "gap"         octets of a stream that were not captured
//	                "truncated"   a body shorter than was declared
//	                "no answer"   a request without a response
//	                "no request"  a response whose request was not captured
//	                "cached"      304: the body was in the client's cache, never on the wire
//	                "range"       pieces of an object that were not transferred
//	                "encoding"    a coding that is not known, or does not decode
//	                "encrypted"   a flow that was not decrypted
//	                "limit"       more than the limits of the reader allow
//	                "midstream"   the beginning of a flow was not captured
//	                "lost"        packets that were dropped or damaged before they were read
//	                "syntax"      octets that are not HTTP where it was expected
//	  time          RFC 3339 with nanoseconds, UTC; absent when not known
//	  text          what is missing, in English
//	  offset        in the body, or in the stream when there is no transaction; octets
//	  length        octets that are missing; absent when not known
//	  flow          number (from 0, in order of first packets), client, server (address:port), frame (of its first
//	                packet, from 1), protocol, server_name, community_id; absent when no flow in particular
//	  transaction   number (from 0, in order of first octets), method, url, status, frames (first and last);
//	                absent when no transaction in particular
//
// Texts from the wire are spelled out in it, too: \xNN is an octet that is not UTF-8,
// \u{NNNN} a character that is not to be seen.
package page
