package segment

import (
	"fmt"
	"io"
)

const windowLen = 1 << 20

// window is a part of a file in memory. It moves forward only.
type window struct {
	r    io.ReaderAt
	buf  []byte
	at   int64 // offset of buf[0]
	size int64 // of the file; less when it proves shorter
	want int64 // reading goes no further than this unless it is needed
	sum  sum
}

// view is the file from pos on: need octets at least, or all that there are.
func (w *window) view(pos int64, need int) ([]byte, error) {
	last := w.at + int64(len(w.buf))
	if last-pos >= int64(need) || last >= w.size && pos <= last {
		return w.buf[pos-w.at:], nil
	}
	w.sum.leave(w, pos)
	// Room for twice what is needed: a search through damaged octets then moves every
	// octet a bounded number of times.
	length := max(min(windowLen, w.want-pos), 2*int64(need))
	length = max(0, min(length, w.size-pos))
	kept := w.keep(pos, int(length))
	n, err := w.r.ReadAt(w.buf[kept:length], pos+int64(kept))
	w.buf = w.buf[:kept+n]
	if err == io.EOF || err == nil && kept+n < int(length) {
		w.size = pos + int64(kept+n) // somebody cut the file while it was read
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("read at octet %d: %w", pos+int64(kept+n), err)
	}
	return w.buf, nil
}

// keep moves the octets from pos on to the front of a buffer of the given length,
// and returns how many there were.
func (w *window) keep(pos int64, length int) int {
	var old []byte
	if last := w.at + int64(len(w.buf)); pos < last {
		old = w.buf[pos-w.at:]
	}
	w.at = pos
	if cap(w.buf) < length {
		w.buf = append(make([]byte, 0, length), old...)
	} else {
		w.buf = w.buf[:copy(w.buf[:cap(w.buf)], old)]
	}
	kept := len(w.buf)
	w.buf = w.buf[:max(length, kept)]
	return kept
}

// sum is the CRC of the octets since the last mark, while they pass through the
// window. It is off until a file has shown its first mark, and behind octets that
// were passed over unread.
type sum struct {
	on    bool
	since int64 // first octet
	upto  int64 // behind the last octet that is in crc
	crc   uint32
}

// leave is called before the window moves on to pos.
func (s *sum) leave(w *window, pos int64) {
	if !s.on {
		return
	}
	if pos > w.at+int64(len(w.buf)) {
		s.on = false
		return
	}
	s.add(w, pos)
}

func (s *sum) add(w *window, pos int64) {
	s.crc = Sum(s.crc, w.buf[s.upto-w.at:pos-w.at])
	s.upto = pos
}

// start begins anew behind a mark.
func (s *sum) start(pos int64) { *s = sum{on: true, since: pos, upto: pos} }
