package spool

import (
	"errors"
	"io"
)

// scan visits the whole records of a segment's octets from one place to another,
// with numbers that rise. It returns where the last of them, or the trailer, ends,
// and how many damaged places there are, a torn end included.
func scan(f io.ReaderAt, from, to int64, key uint32, class uint8, visit func(at int64, size int, r record)) (end int64, places int, err error) {
	buf := make([]byte, 4*maxRecord)
	n, off := 0, from // what buf holds, and of where
	prev, damaged := uint64(0), false
	at := from
	for end = from; at < to; {
		if pos := at - off; pos >= int64(n) || pos > 0 && int64(n)-pos < maxRecord && off+int64(n) < to {
			if n, err = f.ReadAt(buf[:min(int64(len(buf)), to-at)], at); n == 0 {
				break
			}
			off = at
		}
		b := buf[at-off : n]
		r, size, v := parse(b, key)
		if v == whole && r.class != class {
			v = bad
		}
		switch v {
		case whole:
			if r.seq > prev {
				visit(at, size, r)
				prev = r.seq
			}
			at += int64(size)
			end, damaged = at, false
		case ended:
			return at + trailerBytes, places, nil
		default:
			if !damaged {
				places++
			}
			damaged = true
			at += int64(resync(b, off+int64(n) >= to))
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return end, places, err
}
