package spool

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

const (
	segmentMagic  = "KGSPOOL1"
	recordMark    = "\n\xff\x00R" // a line of text has no newline
	trailerMark   = "\n\xff\x00E"
	headerBytes   = 40
	recordHeader  = 48
	trailerBytes  = 24
	maxLog        = 255        // octets of Entry.Log
	chunkBytes    = 128 << 10  // of memory, and the most that is written at a time
	maxRecord     = chunkBytes // octets of a record with its header
	maxText       = maxRecord - recordHeader - maxLog
	crcAt, bodyAt = 4, 8 // of records and trailers
)

var (
	le         = binary.LittleEndian
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// record is a record as it stands in memory or in a file; log and text are borrowed.
type record struct {
	seq                   uint64
	at                    int64
	class, kind, severity uint8
	client                [16]byte
	log, text             []byte
}

// recordSize is how many octets appendRecord writes.
func recordSize(e *Entry) int { return recordHeader + len(e.Log) + len(e.Text) }

func appendRecord(b []byte, key uint32, seq uint64, e *Entry) []byte {
	at := len(b)
	b = append(b, recordMark...)
	b = le.AppendUint32(b, 0)
	b = le.AppendUint32(b, uint32(len(e.Text)))
	b = append(b, e.Class, e.Kind, e.Severity, uint8(len(e.Log)))
	b = le.AppendUint64(b, seq)
	b = le.AppendUint64(b, uint64(e.At))
	b = append(b, e.Client[:]...)
	b = append(b, e.Log...)
	b = append(b, e.Text...)
	le.PutUint32(b[at+crcAt:], crc32.Update(key, castagnoli, b[at+bodyAt:]))
	return b
}

// size, seq and time of the record that b begins with; it is known to be whole.
func sizeOf(b []byte) int    { return recordHeader + int(b[15]) + int(le.Uint32(b[8:])) }
func seqOf(b []byte) uint64  { return le.Uint64(b[16:]) }
func timeOf(b []byte) int64  { return int64(le.Uint64(b[24:])) }
func decode(b []byte) record { n := sizeOf(b); return fields(b[:n]) }

func fields(b []byte) record {
	text := recordHeader + int(b[15])
	return record{
		seq: seqOf(b), at: timeOf(b), class: b[12], kind: b[13], severity: b[14], client: [16]byte(b[32:48]),
		log: b[recordHeader:text:text], text: b[text:len(b):len(b)],
	}
}

// verdict is what parse makes of octets.
type verdict uint8

const (
	whole verdict = iota
	short         // it may be a record, but goes on behind the octets
	bad           // no record begins here
	ended         // the trailer
)

// parse reads the record that b begins with and returns its size.
func parse(b []byte, key uint32) (record, int, verdict) {
	if len(b) < trailerBytes {
		return record{}, 0, short
	}
	if string(b[:4]) == trailerMark {
		if le.Uint32(b[crcAt:]) != crc32.Update(key, castagnoli, b[bodyAt:trailerBytes]) {
			return record{}, 0, bad
		}
		return record{}, trailerBytes, ended
	}
	if string(b[:4]) != recordMark || b[12] >= NumClasses || le.Uint32(b[8:]) > maxText {
		return record{}, 0, bad
	}
	n := sizeOf(b)
	if len(b) < n {
		return record{}, 0, short
	}
	if le.Uint32(b[crcAt:]) != crc32.Update(key, castagnoli, b[bodyAt:n]) {
		return record{}, 0, bad
	}
	return fields(b[:n]), n, whole
}

// resync is how far behind a bad place the next record may begin; last tells that
// nothing follows b.
func resync(b []byte, last bool) int {
	if len(b) == 0 {
		return 0
	}
	if n := bytes.Index(b[1:], []byte(recordMark[:3])); n >= 0 {
		return n + 1
	}
	if last || len(b) < len(recordMark) {
		return len(b)
	}
	return len(b) - len(recordMark) + 1
}

// header is the header of a segment.
type header struct {
	key   uint32
	class uint8
	num   uint64
	first uint64
}

func (h header) encode() []byte {
	b := append(make([]byte, 0, headerBytes), segmentMagic...)
	b = le.AppendUint32(b, h.key)
	b = append(b, h.class, 0, 0, 0)
	b = le.AppendUint64(b, h.num)
	b = le.AppendUint64(b, h.first)
	b = le.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return le.AppendUint32(b, 0)
}

func parseHeader(b []byte) (h header, ok bool) {
	if len(b) < headerBytes || string(b[:8]) != segmentMagic || le.Uint32(b[32:]) != crc32.Checksum(b[:32], castagnoli) || b[12] >= NumClasses {
		return header{}, false
	}
	return header{key: le.Uint32(b[8:]), class: b[12], num: le.Uint64(b[16:]), first: le.Uint64(b[24:])}, true
}

// trailer tells what is in a full segment.
type trailer struct{ lines, last uint64 }

func (t trailer) encode(key uint32) []byte {
	b := append(make([]byte, 0, trailerBytes), trailerMark...)
	b = le.AppendUint32(b, 0)
	b = le.AppendUint64(b, t.lines)
	b = le.AppendUint64(b, t.last)
	le.PutUint32(b[crcAt:], crc32.Update(key, castagnoli, b[bodyAt:]))
	return b
}

func parseTrailer(b []byte, key uint32) (trailer, bool) {
	if len(b) != trailerBytes || string(b[:4]) != trailerMark {
		return trailer{}, false
	}
	_, _, v := parse(b, key)
	return trailer{lines: le.Uint64(b[8:]), last: le.Uint64(b[16:])}, v == ended
}
