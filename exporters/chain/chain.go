// Package chain lets a reader of Kagami's records tell whether they are all
// there and as they were written. A Chain numbers an export's lines and hashes
// them; a Claim, once a minute, says in signed words which lines there were
// (first, last, and the digest of them all) and names the claim before it;
// Verify reads what arrived somewhere and names what is missing, altered or
// vouched for by nobody.
//
// What a line's hash covers, for whoever checks without this program; "|" joins
// octets, numbers are 8 octets, big-endian, and text is the line without its stamp:
//
//	stream = first 16 octets of SHA-256("kagami-stream-1 SENSOR BOOT NAME")
//	leaf   = SHA-256(stream | seq | text)
//	tag    = first 8 octets of leaf, 16 hexadecimal digits
//	digest = SHA-256(stream | first | leaf of first | ... | leaf of last)
//
// Where neither number nor boot stands in the line, because it has no room for
// them, the leaf is made with "-" for BOOT and 0 for seq; the digest is not.
//
// A tag names the very line that was changed, whatever became of its neighbours.
// It is no proof, since anyone can make one: the proof is the digest, which is signed.
//
// Of Kagami it imports atomicfile and the package of the signing key, nothing else.
package chain

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
)

// Stream names one export's lines between a start and an end of the program.
type Stream struct {
	Sensor string // the sensor's id; Name makes one of any string
	Boot   string // of one start of the program: 16 hexadecimal digits
	Name   string // of the export
}

// NewBoot is a random boot id. The kernel's would be the same for two starts of
// the program, and a number kept on disk the same for two disks of one image.
func NewBoot() string {
	var b [8]byte
	rand.Read(b[:]) // never fails: crypto/rand
	return hex.EncodeToString(b[:])
}

// maxName bounds sensor ids and names of exports, octets.
const maxName = 63

// Name is s as far as it can stand in a stamp of every format: letters, digits,
// ".", "_" and "-", at most 63 octets; "_" for all else, "-" for nothing.
func Name(s string) string {
	if s == "" {
		return "-"
	}
	b := []byte(s[:min(len(s), maxName)])
	for i, c := range b {
		if !nameChar(c) {
			b[i] = '_'
		}
	}
	return string(b)
}

func nameChar(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-'
}

func isName(s string) bool {
	for i := range len(s) {
		if !nameChar(s[i]) {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

// Tag is the beginning of a line's hash.
type Tag [8]byte

// Leaf is a line's hash.
type Leaf [sha256.Size]byte

// Tag is the part of the hash that stands in the line.
func (l *Leaf) Tag() Tag { return Tag(l[:8]) }

// leafHash makes the leaves of one stream.
type leafHash struct {
	h    hash.Hash
	head [24]byte // the stream's 16 octets and the number
	leaf Leaf
}

func newLeafHash(s Stream) *leafHash {
	l := &leafHash{h: sha256.New()}
	id := streamID(s)
	copy(l.head[:], id[:])
	return l
}

// bare is the stream whose leaves lines without a stamp have.
func bare(s Stream) Stream { return Stream{Sensor: s.Sensor, Boot: "-", Name: s.Name} }

func streamID(s Stream) [16]byte {
	h := sha256.Sum256([]byte("kagami-stream-1 " + s.Sensor + " " + s.Boot + " " + s.Name))
	return [16]byte(h[:16])
}

// of is the hash of a line; it is valid until the next call.
func (l *leafHash) of(seq uint64, text []byte) *Leaf {
	binary.BigEndian.PutUint64(l.head[16:], seq)
	l.h.Reset()
	l.h.Write(l.head[:])
	l.h.Write(text)
	l.h.Sum(l.leaf[:0])
	return &l.leaf
}

// spanHash makes the digest of lines that follow each other.
type spanHash struct {
	h    hash.Hash
	head [24]byte
	sum  Leaf
}

func newSpanHash(s Stream) *spanHash {
	d := &spanHash{h: sha256.New()}
	id := streamID(s)
	copy(d.head[:], id[:])
	return d
}

func (d *spanHash) begin(first uint64) {
	binary.BigEndian.PutUint64(d.head[16:], first)
	d.h.Reset()
	d.h.Write(d.head[:])
}

func (d *spanHash) add(l *Leaf) { d.h.Write(l[:]) }

func (d *spanHash) digest() Leaf {
	d.h.Sum(d.sum[:0])
	return d.sum
}

// Chain numbers the lines of one stream, from 1, and hashes them. It is for one
// goroutine.
type Chain struct {
	stream   Stream
	numbered bool
	leaf     *leafHash
	span     *spanHash
	first    uint64 // of the span at hand
	next     uint64
}

// New begins a stream. numbered tells whether its numbers stand in the lines.
func New(s Stream, numbered bool) *Chain {
	c := &Chain{stream: s, numbered: numbered, leaf: newLeafHash(s), span: newSpanHash(s), first: 1, next: 1}
	if !numbered {
		c.leaf = newLeafHash(bare(s))
	}
	c.span.begin(1)
	return c
}

// Stream is what the chain was made for.
func (c *Chain) Stream() Stream { return c.stream }

// Add takes the next line, without its stamp.
func (c *Chain) Add(text []byte) (seq uint64, tag Tag) {
	seq = c.next
	c.next++
	hashed := seq
	if !c.numbered {
		hashed = 0
	}
	l := c.leaf.of(hashed, text)
	c.span.add(l)
	return seq, l.Tag()
}

// Next is the number of the next line.
func (c *Chain) Next() uint64 { return c.next }

// Cut ends the span of lines since the last Cut and begins another. A span
// without lines has last = first-1.
func (c *Chain) Cut() (first, last uint64, digest Leaf) {
	first, last, digest = c.first, c.next-1, c.span.digest()
	c.first = c.next
	c.span.begin(c.first)
	return first, last, digest
}
