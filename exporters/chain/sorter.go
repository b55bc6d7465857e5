package chain

import (
	"bufio"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// entry is what is kept of a line that was read.
type entry struct {
	stream uint32
	flags  uint8
	seq    uint64
	where  place
	leaf   Leaf
}

const (
	flagAltered uint8 = 1 << iota // its tag is not that of its text
	flagClaim                     // it bears a claim of its own stream
	flagShed                      // it says that fields were left out, so that it fits a message
)

// place is a line of an input: the input's number and the line's, from 1.
type place uint64

const lineBits = 44

func placeOf(input int, line uint64) place { return place(uint64(input)<<lineBits | line) }
func (p place) input() int                 { return int(p >> lineBits) }
func (p place) line() uint64               { return uint64(p & (1<<lineBits - 1)) }

func compareEntries(a, b *entry) int {
	return cmp.Or(cmp.Compare(a.stream, b.stream), cmp.Compare(a.seq, b.seq), cmp.Compare(a.where, b.where))
}

const entrySize = 4 + 1 + 8 + 8 + 32

func (e *entry) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, e.stream)
	b = append(b, e.flags)
	b = binary.LittleEndian.AppendUint64(b, e.seq)
	b = binary.LittleEndian.AppendUint64(b, uint64(e.where))
	return append(b, e.leaf[:]...)
}

func (e *entry) read(b []byte) {
	e.stream, e.flags = binary.LittleEndian.Uint32(b), b[4]
	e.seq, e.where = binary.LittleEndian.Uint64(b[5:]), place(binary.LittleEndian.Uint64(b[13:]))
	copy(e.leaf[:], b[21:])
}

// sorter brings entries into the order of their numbers, whatever order and
// however many came: a buffer's worth in memory, the rest in a file without a
// name, 53 octets a line. Lines that come in order make one run there, which is
// read back as it is.
type sorter struct {
	dir    string
	buffer []entry
	limit  int
	file   *os.File
	w      *bufio.Writer
	size   int64
	runs   []run
	last   entry // of the last run
	packed []byte
}

type run struct{ from, to int64 } // octets of the file

const (
	sortEntries = 128 << 10 // kept in memory: 8 MiB
	mergeMemory = 8 << 20   // octets of buffers for reading runs back
	mergeLeast  = 4 << 10
)

func newSorter(dir string, limit int) *sorter { return &sorter{dir: dir, limit: limit} }

func (s *sorter) add(e entry) error {
	s.buffer = append(s.buffer, e)
	if len(s.buffer) < s.limit {
		return nil
	}
	return s.spill()
}

func (s *sorter) sort() {
	byOrder := func(a, b entry) int { return compareEntries(&a, &b) }
	if !slices.IsSortedFunc(s.buffer, byOrder) {
		slices.SortFunc(s.buffer, byOrder)
	}
}

// spill writes the buffer away; it goes on with the last run if it may.
func (s *sorter) spill() error {
	if s.file == nil {
		f, err := os.CreateTemp(s.dir, "kagami-verify-*")
		if err != nil {
			return fmt.Errorf("make temporary file: %w", err)
		}
		s.file, s.w = f, bufio.NewWriterSize(f, 1<<20)
		if err := os.Remove(f.Name()); err != nil { // the space comes back even after a crash
			return fmt.Errorf("unlink temporary file: %w", err)
		}
	}
	s.sort()
	if len(s.runs) == 0 || compareEntries(&s.last, &s.buffer[0]) > 0 {
		s.runs = append(s.runs, run{s.size, s.size})
	}
	for i := range s.buffer {
		s.packed = s.buffer[i].append(s.packed[:0])
		if _, err := s.w.Write(s.packed); err != nil {
			return fmt.Errorf("write temporary file: %w", err)
		}
		s.size += entrySize
	}
	s.runs[len(s.runs)-1].to = s.size
	s.last = s.buffer[len(s.buffer)-1]
	s.buffer = s.buffer[:0]
	return nil
}

// each calls do for every entry in order.
func (s *sorter) each(do func(*entry)) error {
	if s.file == nil {
		s.sort()
		for i := range s.buffer {
			do(&s.buffer[i])
		}
		return nil
	}
	if len(s.buffer) > 0 {
		if err := s.spill(); err != nil {
			return err
		}
	}
	if err := s.w.Flush(); err != nil {
		return fmt.Errorf("write temporary file: %w", err)
	}
	size := max(mergeLeast, mergeMemory/len(s.runs))
	var h runHeap
	for _, r := range s.runs {
		x := &runReader{r: bufio.NewReaderSize(io.NewSectionReader(s.file, r.from, r.to-r.from), size)}
		if err := x.next(); err != nil {
			return err
		}
		h = append(h, x)
	}
	heap.Init(&h)
	for len(h) > 0 {
		do(&h[0].entry)
		if err := h[0].next(); err != nil {
			return err
		}
		if h[0].done {
			heap.Pop(&h)
		} else {
			heap.Fix(&h, 0)
		}
	}
	return nil
}

func (s *sorter) close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

type runReader struct {
	r     *bufio.Reader
	raw   [entrySize]byte
	entry entry
	done  bool
}

func (x *runReader) next() error {
	_, err := io.ReadFull(x.r, x.raw[:])
	if errors.Is(err, io.EOF) {
		x.done = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("read temporary file: %w", err)
	}
	x.entry.read(x.raw[:])
	return nil
}

type runHeap []*runReader

func (h runHeap) Len() int           { return len(h) }
func (h runHeap) Less(i, j int) bool { return compareEntries(&h[i].entry, &h[j].entry) < 0 }
func (h runHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *runHeap) Push(x any)        { *h = append(*h, x.(*runReader)) }
func (h *runHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
