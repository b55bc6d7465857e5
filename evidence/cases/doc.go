// Package cases keeps packets that must not rotate away, each incident as one
// directory that can be handed over, and proves what was done with them.
//
// In the directory of the segments (Env.Dir):
//
//	journal.jsonl               every pin, release and reading of evidence, for good
//	signing.key, signing.pub    ed25519, made at first use; the public half is PEM
//	<segment>.hold-<case>       hard link: the segment outlives rotation
//
// In the directory of the cases (Env.Cases):
//
//	<case>.json                 state: waiting, copying, complete, incomplete, released
//	<case>.partial/             a case that is being made
//	<case>/                     a sealed one: nothing in it changes any more
//
// A sealed case holds packets-0001.pcapng and on, records.jsonl, objects.tsv,
// index.html, README.txt, signing.pub and manifest.jsonl, which names all the
// others with size and SHA-256.
//
// Manifest and journal are chains of JSON lines: each begins with the SHA-256 of
// the line before it. The manifest's last line signs the chain; in the journal,
// which grows, every line is signed.
//
// Everything read back from disk is checked: it may be damaged or forged. The
// wall clock (Env.Now) stamps custody only; all other times come from packets.
package cases
