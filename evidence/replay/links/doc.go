// Package links finds every URL that the body of an HTTP message leads to: what
// a browser would fetch for it, what a script in it would visit, and what only
// stands in it as a string. It never runs anything. Scripts are read by a
// tokenizer that folds constant expressions, so that a hidden frame behind
// unescape, String.fromCharCode, a packer or an array that is joined comes out as
// plain HTML, which is read again; what needs a script's loops or an answer of
// the browser stays unfound.
//
// Every body is taken as hostile: time and memory grow with its length and no
// faster, each limit that stops the search is said in a Note, and nothing is
// opened, fetched or written.
//
// It knows bodies and addresses only: no packets, no records, no network.
package links
